"""Survival: how long until something happens to customers, those to whom it has not happened yet included.

The share to whom it has not happened by an age is estimated from everyone who was watched so long (Kaplan and Meier),
so that recent customers count for the time that they have had. See :mod:`polku.statistics.survival`.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from polku.errors import MeasureError
from polku.journey.model import Text
from polku.kernels.columns import Columns, frozen
from polku.kernels.retention import spells as kernel
from polku.language import N_, Reader
from polku.measures.answer import Answer, Cell, Table, count_cell, estimate_cell, words
from polku.measures.charts import Chart, Lines, Series
from polku.measures.funnels.grouping import Grouping, How, grouping_of
from polku.measures.result import ENOUGH, Count, Estimate
from polku.measures.selectors import Selector
from polku.measures.steps import codes_of, goal_of
from polku.measures.view import Mask, View
from polku.statistics.survival import Curve, LogRank, kaplan_meier, log_rank

I64 = npt.NDArray[np.int64]
HOUR, DAY = 3600, 86400
#: Steps of age that are tried, the smallest that needs no more than MOST_ROWS rows.
STEPS = (1, 10, 60, 600, HOUR, 6 * HOUR, DAY, 7 * DAY, 30 * DAY, 91 * DAY, 365 * DAY, 3650 * DAY, 36500 * DAY)
MOST_ROWS = 12
#: Points of the drawn curve.
DRAWN = 120
EVERYONE = "*"
NOT_SO_FAR = N_("it has not come so far yet")


@dataclasses.dataclass(frozen=True, slots=True)
class Age:
    """At an age in seconds: how many were still waiting then, and the share to whom it had not happened by then."""

    seconds: int
    at_risk: int
    waiting: Estimate


@dataclasses.dataclass(frozen=True, slots=True)
class Waiting:
    """Customers of one group; ``name`` is None for everyone."""

    name: str | None
    title: Text | None
    begun: Count
    happened: Count
    going: Count  # to whom it has not happened yet
    median: Estimate  # seconds
    ages: tuple[Age, ...]
    drawn: tuple[Age, ...]  # the same in finer steps


@dataclasses.dataclass(frozen=True, kw_only=True)
class Survival(Answer):
    name = "survival"
    says = (
        N_("Everyone is watched from their first such event in the period until it happens, or until now."),
        N_(
            "Still waiting at an age = the product, over all times up to it, of 1 - happened then / watched until then "
            "(Kaplan and Meier). Those to whom it has not happened count for as long as they were watched."
        ),
        N_("With a silence, what is waited for is that so long passes without any activity: they lapse then."),
        N_(
            "Intervals: 95 %, from Greenwood's variance on the scale of log(-log). Median: where the curve passes 50 %."
        ),
        N_("The log-rank test asks whether the groups' curves differ; it does not say why."),
    )

    first: str | None
    to: str | None
    silence: int | None
    by: str | None
    every: int
    everyone: Waiting
    groups: tuple[Waiting, ...]  # the largest first
    test: LogRank | None  # of the groups shown

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        heads = (
            reader(self.by) if self.by else "", reader("began"), reader("happened"), reader("not yet"),
            reader("median time"),
        )  # fmt: skip
        rows = tuple(
            (
                words(_title(w, reader), w.name),
                count_cell(w.begun, reader),
                count_cell(w.happened, reader),
                count_cell(w.going, reader),
                estimate_cell(w.median, reader, reader.duration),
            )
            for w in (self.everyone, *self.groups)
        )
        ages = tuple(
            (
                words(reader.duration(a.seconds), a.seconds),
                Cell(reader.number(a.at_risk), a.at_risk, number=True),
                estimate_cell(a.waiting, reader, reader.percent),
                *(estimate_cell(w.ages[i].waiting, reader, reader.percent) for w in self.groups),
            )
            for i, a in enumerate(self.everyone.ages)
        )
        found = [
            Table(reader("Time until it happens"), heads, rows),
            Table(
                reader("Still waiting, by age"),
                (
                    reader("age"),
                    reader("watched so long"),
                    reader("everyone"),
                    *(_title(w, reader) for w in self.groups),
                ),
                ages,
            ),
        ]
        if self.test is not None:
            found.append(self._tested(self.test, reader))
        return tuple(found)

    def _tested(self, test: LogRank, reader: Reader) -> Table:
        rows = [
            (
                words(_title(w, reader), w.name),
                Cell(reader.number(test.observed[g]), test.observed[g], w.happened.behind, number=True),
                Cell(reader.number(test.expected[g], 1), test.expected[g], number=True),
            )
            for g, w in enumerate(self.groups)
        ]
        if test.p is None:
            verdict = Cell("–", None, number=True, note=reader(test.reason) if test.reason else None)
        else:
            note = reader("chi-square {value}, {freedom} df", value=reader.number(test.statistic or 0.0, 2),
                          freedom=test.freedom)  # fmt: skip
            verdict = Cell(reader.number(test.p, 4) if test.p >= 0.0001 else "< 0.0001", test.p, number=True, note=note)
        rows.append((words("p"), verdict, Cell("")))
        heads = (reader(self.by) if self.by else "", reader("happened"), reader("expected if all were alike"))
        return Table(reader("Log-rank test"), heads, tuple(rows))

    def charts(self, reader: Reader) -> tuple[Chart, ...]:
        shown = self.groups or (self.everyone,)
        series = tuple(
            Series(
                _title(w, reader), tuple(a.waiting.value for a in w.drawn), tuple(a.waiting.low for a in w.drawn),
                tuple(a.waiting.high for a in w.drawn),
            )
            for w in shown
        )  # fmt: skip
        ages = self.everyone.drawn
        return (
            Lines(
                reader("Still waiting, by age"), tuple(reader.duration(a.seconds) for a in ages), series, "share",
                at=tuple(float(a.seconds) for a in ages), steps=True, x_title=reader("age"),
                y_title=reader("share still waiting"),
            ),
        )  # fmt: skip


def _title(waiting: Waiting, reader: Reader) -> str:
    return reader("everyone") if waiting.name is None else reader.said(waiting.title) or waiting.name


@dataclasses.dataclass(frozen=True, eq=False)
class Asked:
    """One question as buckets are asked it; ``begins`` and ``ends`` bool[codes]."""

    begins: Mask
    ends: Mask
    silence: int
    start: int
    end: int
    as_of: int

    def waits(self, bucket: Columns) -> tuple[I64, I64, Mask]:
        """place, wait int64[C] and happened bool[C]: see :func:`polku.kernels.retention.spells.waits`."""
        place, wait, happened = kernel.waits(
            bucket, self.begins, self.ends, self.silence, self.start, self.end, self.as_of
        )
        return np.asarray(place), np.asarray(wait), np.asarray(happened)


@dataclasses.dataclass(frozen=True, eq=False)
class Partial:
    """Waits of some customers, and of the same by group; those of others are added with ``+``."""

    wait: I64
    happened: Mask
    row: I64  # of the two above
    group: I64

    def __add__(self, other: Partial) -> Partial:
        return Partial(
            np.concatenate([self.wait, other.wait]), np.concatenate([self.happened, other.happened]),
            np.concatenate([self.row, other.row + len(self.wait)]), np.concatenate([self.group, other.group]),
        )  # fmt: skip


NOBODY = Partial(np.empty(0, np.int64), np.empty(0, np.bool_), np.empty(0, np.int64), np.empty(0, np.int64))


def asked_of(view: View, first: str | None, to: str | None, silence: int | None) -> Asked:
    """What is waited for: ``to``, or with ``silence`` seconds that nothing of ``to`` (by default anything) happens.

    Raises MeasureError for unknown steps, and where nothing says what is waited for.
    """
    every = np.ones(view.trails.tables.codes, np.bool_)
    if silence is not None:
        ends = every if to is None else codes_of(view, to)
    else:
        ends = codes_of(view, to or goal_of(view.journey))
    begins = every if first is None else codes_of(view, first)
    fixed = [np.asarray(frozen(codes, np.bool_)) for codes in (begins, ends)]
    return Asked(fixed[0], fixed[1], silence or 0, view.start, view.end, view.as_of)


def groups_of(how: How, place: I64, beside: Sequence[npt.NDArray[Any]]) -> tuple[I64, I64]:
    """Pairs (row among those who began, group): ``place`` int64[C] of the first event, -1 for who did not begin."""
    begun = np.flatnonzero(place >= 0)
    if how.several:
        pairs = [np.flatnonzero(mask[begun]) for mask in beside]
        return np.concatenate(pairs), np.repeat(np.arange(len(pairs)), [len(p) for p in pairs])
    codes = beside[0][place[begun]] if how.by_event else beside[0][begun]
    return np.arange(len(begun)), codes.astype(np.int64)


def _partial(asked: Asked, how: How | None, bucket: Columns, *beside: npt.NDArray[Any]) -> Partial:
    place, wait, happened = asked.waits(bucket)
    begun = place >= 0
    row, group = groups_of(how, place, beside) if how is not None else (NOBODY.row, NOBODY.group)
    return Partial(wait[begun], happened[begun], row, group)


def step_of(longest: float) -> int:
    """The step of age that needs no more than MOST_ROWS rows.

    >>> step_of(80 * 86400) // 86400
    7
    """
    return next((s for s in STEPS if longest / s <= MOST_ROWS), STEPS[-1])


def survival(
    view: View, from_: str | None = None, to: str | None = None, silence: int | None = None, by: str | None = None,
    every: int | None = None, limit: int = 6,
) -> Survival:  # fmt: skip
    """Waits of everyone and of the ``limit`` largest groups. Times are seconds.

    Raises MeasureError for unknown steps and groupings, and where nothing says what is waited for.
    """
    asked = asked_of(view, from_, to, silence)
    grouping = grouping_of(view, by) if by is not None else None
    beside = (*grouping.events, *grouping.customers) if grouping is not None else ()
    work = functools.partial(_partial, asked, grouping.how if grouping is not None else None)
    found = view.sum_with(work, NOBODY, *beside) if beside else view.sum(work, NOBODY)
    longest = float(found.wait.max(initial=1))
    step = every or step_of(longest)
    if longest / step > 10_000:
        raise MeasureError(N_("Such short steps of age give more than 10,000 rows; take longer ones."))
    ages = np.arange(step, longest + step, step)
    drawn = np.unique(np.linspace(0, longest, DRAWN).round())
    to_name = to if silence is not None else to or goal_of(view.journey)
    select = functools.partial(view.select, "survival", first=from_, to=to_name, silence=silence, by=by)

    def waiting(name: str | None, title: Text | None, wait: I64, happened: Mask) -> Waiting:
        curve = kaplan_meier(wait, happened)
        at = functools.partial(select, EVERYONE if name is None else name)
        return Waiting(
            name, title, Count(len(wait), at("begun")), Count(curve.events, at("happened")),
            Count(len(wait) - curve.events, at("going")), _median(curve), _ages(curve, wait, ages),
            _ages(curve, wait, drawn),
        )  # fmt: skip

    groups, test = [], None
    if grouping is not None:
        sizes = np.bincount(found.group, minlength=len(grouping.names))
        members = []
        for g in np.argsort(-sizes, kind="stable")[:limit]:
            if not sizes[g]:
                break
            rows = found.row[found.group == g]
            members.append((found.wait[rows], found.happened[rows]))
            groups.append(waiting(grouping.name(int(g)), grouping.title(int(g)), *members[-1]))
        test = log_rank(members) if not grouping.several else None  # of groups that may overlap there is none
    return Survival(
        period=view.period, persona=view.persona, segment=view.segment, first=from_, to=to_name, silence=silence, by=by,
        every=step, everyone=waiting(None, None, found.wait, found.happened), groups=tuple(groups), test=test,
    )  # fmt: skip


def _median(curve: Curve) -> Estimate:
    value, low, high = curve.quantile()
    reason = None if curve.n >= ENOUGH else N_("too few to say")
    if value is None:
        return Estimate(None, n=curve.n, reason=N_("fewer than half so far, as the curve has it"))
    return Estimate(value, low, high, curve.n, reason)


def _ages(curve: Curve, wait: I64, ages: npt.NDArray[np.float64]) -> tuple[Age, ...]:
    ordered = np.sort(wait)
    left = len(ordered) - np.searchsorted(ordered, ages, side="left")
    columns = (c.tolist() for c in curve.at(ages))
    return tuple(
        Age(int(age), n, _share(value, low, high, n))
        for age, n, value, low, high in zip(ages, left.tolist(), *columns, strict=True)
    )


def _share(value: float, low: float, high: float, n: int) -> Estimate:
    if np.isnan(value):
        return Estimate(None, n=n, reason=NOT_SO_FAR)
    known = not (np.isnan(low) or np.isnan(high))
    return Estimate(value, low if known else None, high if known else None, n)


def members(view: View, selector: Selector) -> list[Mask]:
    """bool[C] a bucket: who began (of a group), to whom it has happened, to whom not yet."""
    option = selector.option
    silence = option("silence")
    asked = asked_of(view, option("first"), option("to"), int(silence) if silence else None)
    by = option("by")
    if by is None or selector.name == EVERYONE:
        return view.map(functools.partial(_members, asked, selector.what, None, 0))
    grouping: Grouping = grouping_of(view, by)
    work = functools.partial(_members, asked, selector.what, grouping.how, grouping.place(selector.name))
    return view.map_with(work, *grouping.events, *grouping.customers)


def _members(
    asked: Asked, what: str, how: How | None, group: int, bucket: Columns, *beside: npt.NDArray[Any]
) -> Mask:  # fmt: skip
    place, _, happened = asked.waits(bucket)
    found = place >= 0
    if what != "begun":
        found &= happened if what == "happened" else ~happened
    if how is not None:
        row, groups = groups_of(how, place, beside)
        inside = np.zeros(len(found), np.bool_)
        inside[np.flatnonzero(place >= 0)[row[groups == group]]] = True
        found &= inside
    return found
