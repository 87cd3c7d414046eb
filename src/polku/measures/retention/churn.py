"""Churn of customers: of those who were there at the beginning of a day, week or month, the share that lapsed in it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from polku.errors import MeasureError
from polku.kernels import fold
from polku.kernels.columns import Columns, frozen
from polku.kernels.retention import spells as kernel
from polku.language import N_, Reader
from polku.measures.answer import Answer, Cell, Table, count_cell, rate_cell, words
from polku.measures.charts import Bars, Chart, Lines, Series
from polku.measures.result import Count, Rate
from polku.measures.retention.calendar import begins, name_of, said, seconds_at, selected_period, span_of
from polku.measures.selectors import Selector
from polku.measures.steps import codes_of
from polku.measures.view import Mask, View

I64 = npt.NDArray[np.int64]
NOBODY_THERE = N_("nobody was there at its beginning")
WHATS = ("at_risk", "lapsed", "stayed", "new", "won_back")


#: What stands for every period that is over.
ALL = "all"


@dataclasses.dataclass(frozen=True, slots=True)
class Lost:
    """One day, week or month; ``at_risk`` are those there at its beginning, ``lapsed`` of them until now."""

    name: str
    period: int
    over: bool
    at_risk: Count
    lapsed: Count
    rate: Rate  # pending while the period goes on
    new: Count
    won_back: Count


@dataclasses.dataclass(frozen=True, kw_only=True)
class Churn(Answer):
    name = "churn"
    says = (
        N_("Churn = customers who lapsed in the day, week or month / those who were there at its beginning."),
        N_(
            "By the map: a customer is there from their first stage on, and lapses when `lapses_after` of their stage "
            "has passed without activity; with a silence: when so long has passed since their last such event."
        ),
        N_("They lapse at the end of the silence, not at their last event: so it was known then."),
        N_("Won back: active again after they had lapsed. While a period goes on it has no rate."),
        N_("All together: the mean rate a period = all who lapsed / all who were at risk, over those that are over."),
    )

    unit: str
    what: str | None
    silence: int | None  # None: by the map
    periods: tuple[Lost, ...]
    overall: Rate  # customer-periods

    @property
    def rate(self) -> Rate:
        return self.overall

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        heads = (
            reader(self.unit), reader("there at the beginning"), reader("lapsed"), reader("churn"), reader("new"),
            reader("won back"),
        )  # fmt: skip
        rows: list[tuple[Cell, ...]] = [
            (
                words(said(p.period, self.unit, reader), p.name),
                count_cell(p.at_risk, reader),
                count_cell(p.lapsed, reader),
                rate_cell(p.rate, reader),
                count_cell(p.new, reader),
                count_cell(p.won_back, reader),
            )
            for p in self.periods
        ]
        if rows:
            rows.append(
                (words(reader("all"), "all"), Cell(""), Cell(""), rate_cell(self.overall, reader), *[Cell("")] * 2)
            )
        return (Table(reader("Churn"), heads, tuple(rows)),)

    def charts(self, reader: Reader) -> tuple[Chart, ...]:
        labels = tuple(said(p.period, self.unit, reader) for p in self.periods)
        ends = [p.rate.interval() for p in self.periods]
        rate = Series(
            reader("churn"), tuple(p.rate.value for p in self.periods), tuple(e[0] if e else None for e in ends),
            tuple(e[1] if e else None for e in ends), behind=tuple(p.rate.behind for p in self.periods),
        )  # fmt: skip
        solid = tuple(p.over for p in self.periods)

        def series(name: str, counts: list[Count], sign: int) -> Series:
            values = tuple(float(sign * c.n) for c in counts)
            return Series(name, values, solid=solid, behind=tuple(c.behind for c in counts))

        moves = (
            series(reader("new"), [p.new for p in self.periods], 1),
            series(reader("won back"), [p.won_back for p in self.periods], 1),
            series(reader("lapsed"), [p.lapsed for p in self.periods], -1),
        )
        return (Lines(reader("Churn"), labels, (rate,)), Bars(reader("Came and went"), labels, moves, stacked=True))


@dataclasses.dataclass(frozen=True, eq=False)
class Asked:
    """Spells of being there, by the map's rules where ``silence`` is None, else by the events of ``codes``."""

    codes: Mask
    every: bool
    silence: int | None
    rules: fold.Rules
    as_of: int

    def spells(self, bucket: Columns) -> I64:
        """int64[n, 3]: customer's index, begin, end (NEVER: goes on); see :mod:`polku.kernels.retention.spells`."""
        if self.silence is not None:
            return np.asarray(kernel.spells(bucket, self.codes, self.every, self.silence, self.as_of))
        everyone = np.flatnonzero(~bucket.skip).astype(np.int64)
        return spells_of_moves(np.asarray(fold.transitions(bucket, self.rules, everyone, self.as_of)))


def spells_of_moves(moves: I64) -> I64:
    """Spells of the map's changes (rows of :func:`polku.kernels.fold.transitions`): from the first stage, or from being
    won back, until they lapse.
    """
    customer, kind, time = moves[:, 0], moves[:, 1 + fold.KIND], moves[:, 1 + fold.TIME]
    first = np.ones(len(moves), np.bool_)
    first[1:] = customer[1:] != customer[:-1]
    begin = first | (kind == fold.WON_BACK)
    marked = np.flatnonzero(begin | (kind == fold.LAPSED_KIND))
    starts = np.flatnonzero(begin[marked])
    after = np.minimum(starts + 1, len(marked) - 1)
    begun, following = marked[starts], marked[after]
    ended = (after > starts) & ~begin[following] & (customer[following] == customer[begun])
    end = np.where(ended, time[following], kernel.NEVER)
    return np.stack([customer[begun], time[begun], end], axis=1)


def asked_of(view: View, what: str | None, silence: int | None) -> Asked:
    """Raises MeasureError for an unknown step, and where neither the map nor the question says what lapsing is."""
    if silence is None and not any(stage.lapses_after for stage in view.journey.stages):
        raise MeasureError(
            N_("No stage of the map has `lapses_after`, so nothing says when a customer has lapsed: say silence=30d.")
        )
    if silence is None and what is not None:
        raise MeasureError(N_("By the map, `active_on` says what counts; to count another event say silence=30d."))
    codes = np.ones(view.trails.tables.codes, np.bool_) if what is None else codes_of(view, what)
    return Asked(np.asarray(frozen(codes, np.bool_)), what is None, silence, view.rules, view.as_of)


@dataclasses.dataclass(frozen=True, eq=False)
class Bounds:
    """The moments at which the periods begin, and that at which the last ends: int64[P + 1]."""

    at: I64

    def counted(self, spells: I64, customers: int) -> dict[str, Mask]:
        """bool[C] of each thing that is asked, for the one period between two bounds."""
        low, high = self.at.tolist()
        found = {what: np.zeros(customers, np.bool_) for what in WHATS}
        customer, begin, end = spells.T
        at_risk = (begin < low) & (end >= low)
        lapsed = at_risk & (end < high)
        first = _first(customer)
        inside = (begin >= low) & (begin < high)
        for what, rows in (
            ("at_risk", at_risk), ("lapsed", lapsed), ("stayed", at_risk & ~lapsed), ("new", inside & first),
            ("won_back", inside & ~first),
        ):  # fmt: skip
            found[what][customer[rows]] = True
        return found


def _first(customer: I64) -> Mask:
    first = np.ones(len(customer), np.bool_)
    first[1:] = customer[1:] != customer[:-1]
    return first


def _partial(asked: Asked, bounds: I64, bucket: Columns) -> I64:
    """int64[P, 4]: at risk, lapsed of them, new and won back in each period; different customers each."""
    customer, begin, end = asked.spells(bucket).T
    periods = len(bounds) - 1
    # the period in which each spell begins and ends: -1 before the first, `periods` after the last
    place, place_end = (np.searchsorted(bounds, at, side="right") - 1 for at in (begin, end))
    # at risk at a bound: spells begun before it that had not ended before it
    begun, ended = (np.cumsum(np.bincount(p + 1, minlength=periods + 2))[:periods] for p in (place, place_end))
    inside = (place_end >= 0) & (place_end < periods)
    inside[inside] &= begin[inside] < bounds[place_end[inside]]
    lapsed = np.bincount(place_end[inside], minlength=periods)
    within = (place >= 0) & (place < periods)
    first = _first(customer)
    new = np.bincount(place[within & first], minlength=periods)
    again, customers = within & ~first, len(bucket.offsets)
    pairs = np.unique(place[again] * customers + customer[again])  # each customer once a period
    won_back = np.bincount(pairs // customers, minlength=periods)
    return np.stack([begun - ended, lapsed, new, won_back], axis=1).astype(np.int64)


def churn(view: View, unit: str = "month", what: str | None = None, silence: int | None = None) -> Churn:
    """Churn of each day, week or month that the period touches, whole. ``silence`` is seconds.

    Raises MeasureError for an unknown step, and where nothing says what lapsing is.
    """
    asked, span = asked_of(view, what, silence), span_of(view, unit)
    numbers = range(span.base, span.base + span.count + 1) if span.count else ()  # without events there is no period
    bounds = np.array([seconds_at(view, begins(p, unit)) for p in numbers] or [0], np.int64)
    counts = view.sum(functools.partial(_partial, asked, bounds), np.zeros((span.count, 4), np.int64))
    select = functools.partial(view.select, "churn", unit=unit, of=what, silence=silence)

    def lost(p: int) -> Lost:
        name, over = name_of(span.base + p, unit), span.base + p < span.now
        at_risk, lapsed, new, won_back = counts[p].tolist()
        at = functools.partial(select, name)
        rate = Rate(
            lapsed if over else 0, at_risk if over else 0, 0 if over else at_risk,
            at("lapsed") if over else None, at("stayed") if over else None, None if over else at("at_risk"),
            behind_all=at("at_risk") if over else None, why=None if at_risk else NOBODY_THERE,
        )  # fmt: skip
        return Lost(
            name, span.base + p, over, Count(at_risk, at("at_risk")), Count(lapsed, at("lapsed")), rate,
            Count(new, at("new")), Count(won_back, at("won_back")),
        )  # fmt: skip

    periods = tuple(map(lost, range(span.count)))
    return Churn(
        period=view.period, persona=view.persona, segment=view.segment, unit=unit, what=what, silence=silence,
        periods=periods,
        overall=Rate(
            sum(p.rate.numerator for p in periods), sum(p.rate.denominator for p in periods), 0,
            select(ALL, "lapsed"), select(ALL, "stayed"), behind_all=select(ALL, "at_risk"), unit="times",
        ),
    )  # fmt: skip


def members(view: View, selector: Selector) -> list[Mask]:
    """bool[C] a bucket: who was at risk in the period that a selector names (``all``: in any that is over), lapsed,
    stayed, came or was won back.
    """
    unit, silence = selector.option("unit") or "month", selector.option("silence")
    asked = asked_of(view, selector.option("of"), int(silence) if silence else None)
    if selector.name == ALL:
        span = span_of(view, unit)
        periods = range(span.base, min(span.base + span.count, span.now))
    else:
        period = selected_period(selector.name, unit)
        periods = range(period, period + 1)
    each = [Bounds(np.array([seconds_at(view, begins(p + k, unit)) for k in (0, 1)], np.int64)) for p in periods]
    return view.map(functools.partial(_members, asked, each, selector.what))


def _members(asked: Asked, each: Sequence[Bounds], what: str, bucket: Columns) -> Mask:
    spells, found = asked.spells(bucket), np.zeros(len(bucket.offsets) - 1, np.bool_)
    for bounds in each:
        found |= bounds.counted(spells, len(found))[what]
    return found
