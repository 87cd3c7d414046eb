"""Retention by cohort: of those who began in the same period, the share that was there again in each later one.

Classic (just then), unbounded (then or later) and bracket retention, as product analytics tells them apart.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from polku.errors import MeasureError
from polku.kernels.columns import Columns, frozen
from polku.kernels.retention import cohorts as kernel
from polku.language import N_, Reader
from polku.measures.answer import Answer, Cell, Piece, Table, count_cell, joined, pieces, words
from polku.measures.charts import Chart, Heat, Lines, Series
from polku.measures.result import Count, Rate
from polku.measures.retention import UNIT
from polku.measures.retention.calendar import SECONDS, bounds_of, name_of, period_of_day, said, selected_period, span_of
from polku.measures.selectors import Selector
from polku.measures.steps import codes_of
from polku.measures.view import Mask, View

I64 = npt.NDArray[np.int64]
#: Later periods that are shown when nobody says how many.
USUAL = {"day": 14, "week": 12, "month": 12}
BRACKET = re.compile(r"^(\d{1,4})(?:\s*[-–]\s*(\d{1,4}))?$")
WHATS = {
    "all": kernel.ALL, "so_far": kernel.SO_FAR, "back": kernel.BACK, "away": kernel.AWAY, "pending": kernel.PENDING,
    "had_time": kernel.DUE,
}  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Interval:
    """``low`` to ``high`` periods after the beginning, both included."""

    low: int
    high: int

    @property
    def label(self) -> str:
        return str(self.low) if self.low == self.high else f"{self.low}–{self.high}"


@dataclasses.dataclass(frozen=True, slots=True)
class Kept:
    """Of a cohort in one interval: those there so far, and the rate of those for whom the interval is over."""

    so_far: Count
    rate: Rate


@dataclasses.dataclass(frozen=True, slots=True)
class Cohort:
    """Those who began in the period ``name``."""

    name: str
    period: int
    size: Count
    kept: tuple[Kept, ...]  # one an interval


@dataclasses.dataclass(frozen=True, kw_only=True)
class Retention(Answer):
    name = "retention"
    says = (
        N_("A cohort is everyone whose first such event ever lies in the same day, week or month of the period."),
        N_("Classic retention = those of a cohort who were there in just that later period / the cohort."),
        N_("Unbounded: there in that period or any later one. Bracket: there in any period of the bracket."),
        N_("Only customers for whom the whole interval is over are in a rate; those still in it are told as not yet."),
        N_("By the calendar, period 0 is the rest of the period of the first event."),
        N_("All cohorts together: everyone there / everyone for whom that interval is over."),
    )

    unit: str
    kind: str
    rolling: bool
    intervals: tuple[Interval, ...]
    cohorts: tuple[Cohort, ...]  # the earliest first
    overall: tuple[Kept, ...]
    size: Count

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        heads = (reader("began in"), reader("customer count"), *(i.label for i in self.intervals))
        rows = [
            (words(said(c.period, self.unit, reader), c.name), count_cell(c.size, reader),
             *(_cell(k, c.size, reader) for k in c.kept))
            for c in self.cohorts
        ]  # fmt: skip
        if self.cohorts:
            everyone = (words(reader("all"), "all"), count_cell(self.size, reader))
            rows.append((*everyone, *(_cell(k, self.size, reader) for k in self.overall)))
        return (Table(reader(TITLES[self.unit]), heads, tuple(rows)),)

    def charts(self, reader: Reader) -> tuple[Chart, ...]:
        labels = tuple(i.label for i in self.intervals)
        title, drawn = reader(TITLES[self.unit]), self.cohorts[-MOST_DRAWN:]
        if len(drawn) < len(self.cohorts):
            title = reader("{title}: the latest {n} of {of} cohorts", title=title, n=len(drawn), of=len(self.cohorts))
        heat = Heat(
            title,
            tuple(said(c.period, self.unit, reader) for c in drawn),
            labels,
            tuple(tuple(k.rate.value for k in c.kept) for c in drawn),
            notes=tuple(tuple(f"{k.so_far.n} / {c.size.n}" for k in c.kept) for c in drawn),
            behind=tuple(tuple(k.so_far.behind if k.so_far.n else None for k in c.kept) for c in drawn),
            x_title=reader("periods after the beginning"),
            y_title=reader("began in"),
        )
        ends = [k.rate.interval() for k in self.overall]
        curve = Series(
            reader("all"), tuple(k.rate.value for k in self.overall), tuple(e[0] if e else None for e in ends),
            tuple(e[1] if e else None for e in ends), behind=tuple(k.rate.behind for k in self.overall),
        )  # fmt: skip
        return (heat, Lines(reader("Retention of all cohorts"), labels, (curve,), x_title=heat.x_title))


#: A picture of more cohorts than this cannot be seen at once: the latest are drawn, the table has all.
MOST_DRAWN = 60
#: The lists of a cell, in the order in which it takes them.
CELL = ("back", "away", "pending", "so_far", "had_time")
TITLES = {
    "day": N_("Retention by day"),
    "week": N_("Retention by week"),
    "month": N_("Retention by month"),
}


def _cell(kept: Kept, size: Count, reader: Reader) -> Cell:
    """A share and the numbers that it is of. A page has thousands of these: where nobody is behind a number it is no
    link, nor where it is the whole cohort, which its row links already; and the shares are drawn in the picture.
    """
    rate = kept.rate
    if rate.value is None:
        if not kept.so_far.n:
            return Cell("–", None, number=True, note=reader(rate.reason) if rate.reason else None)
        note = reader("{n} so far", n=reader.number(kept.so_far.n))
        return Cell("–", None, kept.so_far.behind, number=True, note=note)
    behind = rate.behind if rate.numerator else None
    whole = Piece(reader.number(rate.denominator), None if rate.denominator == size.n else rate.behind_all)
    parts = pieces(reader, "{n} of {of}", n=reader.number(rate.numerator), of=whole)
    linked = parts if whole.behind else ()
    return Cell(reader.percent(rate.value), rate.value, behind, number=True, note=joined(parts), pieces=linked)


@dataclasses.dataclass(frozen=True, eq=False)
class Partial:
    size: I64  # [cohorts]
    so_far: I64  # [cohorts, intervals]
    there: I64
    due: I64

    def __add__(self, other: Partial) -> Partial:
        return Partial(
            self.size + other.size, self.so_far + other.so_far, self.there + other.there, self.due + other.due
        )


def intervals_of(kind: str, brackets: Sequence[str] | None, count: int) -> tuple[Interval, ...]:
    """The intervals asked for. Raises MeasureError for brackets that cannot be read, overlap, or are too many.

    >>> [i.label for i in intervals_of("bracket", ("0", "1-3", "4-7"), 0)]
    ['0', '1–3', '4–7']
    """
    if kind != "bracket":
        if brackets:
            raise MeasureError(N_("Brackets are for kind bracket."))
        return tuple(Interval(k, k) for k in range(count))
    found: list[Interval] = []
    for text in brackets or ():
        read = BRACKET.match(text)
        low, high = (int(read[1]), int(read[2] or read[1])) if read else (1, 0)
        if high < low or (found and low <= found[-1].high):
            raise MeasureError(
                N_("{text!r} is not a bracket here; write for example 0,1-3,4-7, each after the one before."), text=text
            )
        found.append(Interval(low, high))
    if not found:
        raise MeasureError(N_("Bracket retention needs brackets, for example brackets=0,1-3,4-7."))
    return tuple(found)


def _asked(
    view: View, unit: str, first: str | None, again: str | None, kind: str, intervals: tuple[Interval, ...],
    rolling: bool, now: int,
) -> kernel.Ask:  # fmt: skip
    if len(intervals) > kernel.MOST:
        raise MeasureError(N_("At most {most} later periods can be told at once."), most=kernel.MOST)
    every = np.ones(view.trails.tables.codes, np.bool_)
    most = max(i.high for i in intervals)
    unbounded = kind == "unbounded"
    place_of = np.full(most + 2, -1, np.int32)
    for place, interval in enumerate(intervals):
        place_of[interval.low : interval.high + 1] = place
    if unbounded:
        place_of[-1] = len(intervals) - 1  # whatever comes later still
    return kernel.Ask(
        np.asarray(frozen(every if first is None else codes_of(view, first), np.bool_)),
        np.asarray(frozen(every if again is None else codes_of(view, again), np.bool_)),
        first is None and again is None, period_of_day(unit), np.asarray(frozen(place_of, np.int32)),
        np.asarray(frozen([i.high for i in intervals], np.int64)), unbounded, SECONDS[unit] if rolling else 0, now,
    )  # fmt: skip


def _partial(view: View, asked: kernel.Ask, base: int, count: int, bucket: Columns) -> Partial:
    ends = (view.start, view.end, view.as_of) if asked.unit else bounds_of(view)
    return Partial(*kernel.cohorts(bucket, asked, base, count, *ends))


def retention(
    view: View, unit: str = "week", first: str | None = None, again: str | None = None, kind: str = "classic",
    brackets: Sequence[str] | None = None, intervals: int | None = None, rolling: bool = False,
) -> Retention:  # fmt: skip
    """Cohorts of the period. Raises MeasureError for unknown steps and for brackets that cannot be read."""
    span = span_of(view, unit)
    fitting = max(1, span.now - span.base + 1)
    shown = intervals_of(kind, brackets, intervals or min(USUAL[unit], fitting))
    asked = _asked(view, unit, first, again, kind, shown, rolling, span.now)
    zeros = np.zeros((span.count, len(shown)), np.int64)
    zero = Partial(np.zeros(span.count, np.int64), zeros, zeros, zeros)
    total = view.sum(functools.partial(_partial, view, asked, span.base, span.count), zero)
    select = functools.partial(
        view.select, "retention", unit=None if unit == UNIT.default else unit, first=first, again=again,
        of=None if kind == "classic" else kind, brackets="+".join(brackets) if brackets else None,
        rolling="yes" if rolling else None,
    )  # fmt: skip

    def lists(name: str) -> tuple[str, ...]:
        """The lists of a cohort, cut before and behind the interval, where those of its many cells differ."""
        return tuple(part for what in CELL for part in select(name, what, at=0).split(",at=0", 1))

    def kept(parts: tuple[str, ...], place: int, so_far: int, there: int, due: int, size: int) -> Kept:
        at = f",at={place}"
        back, away, pending, so, of = (f"{parts[i]}{at}{parts[i + 1]}" for i in range(0, len(parts), 2))
        return Kept(Count(so_far, so), Rate(there, due, size - due, back, away, pending, behind_all=of))

    def row(c: int) -> Cohort:
        name, size = name_of(span.base + c, unit), int(total.size[c])
        parts = zip(total.so_far[c].tolist(), total.there[c].tolist(), total.due[c].tolist(), strict=True)
        cut = lists(name)
        return Cohort(
            name, span.base + c, Count(size, select(name, "all")),
            tuple(kept(cut, place, so_far, there, due, size) for place, (so_far, there, due) in enumerate(parts)),
        )  # fmt: skip

    size = int(total.size.sum())
    sums = zip(total.so_far.sum(axis=0), total.there.sum(axis=0), total.due.sum(axis=0), strict=True)
    everyone = lists("all")
    return Retention(
        period=view.period, persona=view.persona, segment=view.segment, unit=unit, kind=kind, rolling=rolling,
        intervals=shown, cohorts=tuple(row(c) for c in range(span.count) if total.size[c]),
        overall=tuple(
            kept(everyone, place, int(so_far), int(there), int(due), size)
            for place, (so_far, there, due) in enumerate(sums)
        ),
        size=Count(size, select("all", "all")),
    )  # fmt: skip


def members(view: View, selector: Selector) -> list[Mask]:
    """bool[C] a bucket: who of the cohort that a selector names (``all``: every cohort) is behind its number."""
    unit = selector.option("unit") or str(UNIT.default)
    place = int(selector.option("at") or 0)
    kind = selector.option("of") or "classic"
    brackets = selector.option("brackets")
    shown = intervals_of(kind, brackets.split("+") if brackets else None, place + 1)
    span = span_of(view, unit)
    asked = _asked(view, unit, selector.option("first"), selector.option("again"), kind, shown,
                   selector.option("rolling") == "yes", span.now)  # fmt: skip
    low, high = span.base, span.base + span.count
    if selector.name != "all":
        low = high = selected_period(selector.name, unit)
    return view.map(functools.partial(_members, view, asked, low, high, place, WHATS[selector.what]))


def _members(view: View, asked: kernel.Ask, low: int, high: int, place: int, what: int, bucket: Columns) -> Mask:
    found = kernel.members(bucket, asked, view.start, view.end, view.as_of, low, high, place, what)
    return np.asarray(found)
