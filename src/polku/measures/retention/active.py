"""Active customers over time, and what becomes of them from period to period.

Growth accounting as product teams do it: new, returning, resurrected, dormant; the quick ratio sets those who came
against those who went (J. Hsu, Diligence at Social Capital, 2015).
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import numpy.typing as npt

from polku.kernels.columns import Columns, frozen
from polku.kernels.retention import active as kernel
from polku.language import N_, Reader
from polku.measures.answer import Answer, Cell, Table, count_cell, words
from polku.measures.charts import Bars, Chart, Lines, Series
from polku.measures.result import Count
from polku.measures.retention.calendar import (
    STATES,
    Span,
    State,
    bounds_of,
    name_of,
    period_of_day,
    said,
    selected_period,
    span_of,
)
from polku.measures.selectors import Selector
from polku.measures.steps import codes_of
from polku.measures.view import Mask, View

I64 = npt.NDArray[np.int64]
KINDS = {
    "new": kernel.NEW, "returning": kernel.RETURNING, "resurrected": kernel.RESURRECTED, "dormant": kernel.DORMANT,
    "there": kernel.THERE,
}  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Active:
    """Different customers of one day, week or month; ``state`` says whether all of it was seen."""

    name: str
    period: int
    customers: Count
    state: State

    @property
    def over(self) -> bool:
        return self.state == "over"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ActiveCustomers(Answer):
    name = "active"
    says = (
        N_("Active = different customers with such an event in the day, week or month; each counts once."),
        N_("Days and weeks (from Monday) are those of the map's time zone."),
        N_("One that still goes on, or that the period cuts off, is drawn hollow and stands in no mean."),
    )

    unit: str
    what: str | None
    periods: tuple[Active, ...]
    mean: float | None  # of those that are over and whole

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        rows = tuple(
            (
                words(said(p.period, self.unit, reader), p.name),
                count_cell(p.customers, reader),
                words(reader(STATES[p.state]), p.state),
            )
            for p in self.periods
        )
        return (Table(reader("Active customers"), (reader(self.unit), reader("customer count"), reader("time")), rows),)

    def charts(self, reader: Reader) -> tuple[Chart, ...]:
        series = Series(
            reader("customer count"), tuple(float(p.customers.n) for p in self.periods),
            solid=tuple(p.over for p in self.periods), behind=tuple(p.customers.behind for p in self.periods),
        )  # fmt: skip
        labels = tuple(said(p.period, self.unit, reader) for p in self.periods)
        return (Lines(reader("Active customers"), labels, (series,), "count"),)


@dataclasses.dataclass(frozen=True, slots=True)
class Turn:
    """One period: who is there for the first time, again, again after a pause, and no more."""

    name: str
    period: int
    new: Count
    returning: Count
    resurrected: Count
    dormant: Count
    quick_ratio: float | None  # (new + resurrected) / dormant; None where nobody went dormant
    over: bool  # False for the one that goes on


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lifecycle(Answer):
    name = "lifecycle"
    says = (
        N_("New: the first such event ever. Returning: there in the period before too."),
        N_(
            "Resurrected: there again after at least one period without. Dormant: there before, but not in this period."
        ),
        N_("Quick ratio = (new + resurrected) / dormant: above 1, more come than go."),
        N_("One that goes on has not seen everyone yet: its dormant are those not there so far."),
        N_("Those that the period touches are told whole, from their first day to their last."),
    )

    unit: str
    what: str | None
    periods: tuple[Turn, ...]

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        heads = (
            reader(self.unit), reader("new"), reader("returning"), reader("resurrected"), reader("dormant"),
            reader("quick ratio"),
        )  # fmt: skip
        rows = tuple(
            (
                words(said(p.period, self.unit, reader), p.name),
                count_cell(p.new, reader),
                count_cell(p.returning, reader),
                count_cell(p.resurrected, reader),
                count_cell(p.dormant, reader),
                Cell(
                    "–" if p.quick_ratio is None else reader.number(p.quick_ratio, 2), p.quick_ratio, number=True,
                    note=None if p.over else reader("goes on"),
                ),
            )
            for p in self.periods
        )  # fmt: skip
        return (Table(reader("Lifecycle"), heads, rows),)

    def charts(self, reader: Reader) -> tuple[Chart, ...]:
        solid = tuple(p.over for p in self.periods)

        def series(kind: str, sign: int = 1) -> Series:
            counts = [getattr(p, kind) for p in self.periods]
            return Series(
                reader(kind), tuple(float(sign * c.n) for c in counts), solid=solid,
                behind=tuple(c.behind for c in counts),
            )  # fmt: skip

        labels = tuple(said(p.period, self.unit, reader) for p in self.periods)
        shown = (series("returning"), series("new"), series("resurrected"), series("dormant", -1))
        return (Bars(reader("Lifecycle"), labels, shown, stacked=True),)


@dataclasses.dataclass(frozen=True, eq=False)
class Asked:
    codes: Mask
    every: bool
    period_of: npt.NDArray[np.int32]


def asked_for(view: View, unit: str, what: str | None) -> Asked:
    codes = np.ones(view.trails.tables.codes, np.bool_) if what is None else codes_of(view, what)
    return Asked(np.asarray(frozen(codes, np.bool_)), what is None, period_of_day(unit))


def _uniques(view: View, asked: Asked, span: Span, bucket: Columns) -> I64:
    found = kernel.uniques(
        bucket, asked.codes, asked.every, asked.period_of, span.base, span.count, *bounds_of(view)[:2]
    )
    return np.asarray(found)


def uniques(view: View, unit: str, what: str | None) -> tuple[Span, I64]:
    """The periods of the view, and int64[periods]: different customers in each."""
    span, asked = span_of(view, unit), asked_for(view, unit, what)
    return span, view.sum(functools.partial(_uniques, view, asked, span), np.zeros(span.count, np.int64))


def active(view: View, unit: str = "week", what: str | None = None) -> ActiveCustomers:
    """Different customers in each period. Raises MeasureError for an unknown step."""
    span, counts = uniques(view, unit, what)
    select = functools.partial(view.select, "active", unit=unit, of=what)
    periods = tuple(
        Active(name, span.base + p, Count(int(counts[p]), select(name, "there")), span.state(view, span.base + p, unit))
        for p in range(span.count) for name in [name_of(span.base + p, unit)]
    )  # fmt: skip
    over = [p.customers.n for p in periods if p.over]
    return ActiveCustomers(
        period=view.period, persona=view.persona, segment=view.segment, unit=unit, what=what, periods=periods,
        mean=float(np.mean(over)) if over else None,
    )  # fmt: skip


def _turns(view: View, asked: Asked, span: Span, bucket: Columns) -> I64:
    found = kernel.lifecycle(bucket, asked.codes, asked.every, asked.period_of, span.base, span.count, view.as_of)
    return np.asarray(found)


def lifecycle(view: View, unit: str = "week", what: str | None = None) -> Lifecycle:
    """New, returning, resurrected and dormant customers. Raises MeasureError for an unknown step.

    What came before the period is known: a customer is new only where the first event ever lies in it.
    """
    span, asked = span_of(view, unit), asked_for(view, unit, what)
    found = view.sum(functools.partial(_turns, view, asked, span), np.zeros((span.count, 4), np.int64))
    select = functools.partial(view.select, "active", unit=unit, of=what)

    def turn(p: int) -> Turn:
        name = name_of(span.base + p, unit)
        new, returning, resurrected, dormant = found[p].tolist()
        return Turn(
            name, span.base + p, Count(new, select(name, "new")), Count(returning, select(name, "returning")),
            Count(resurrected, select(name, "resurrected")), Count(dormant, select(name, "dormant")),
            (new + resurrected) / dormant if dormant else None, span.base + p < span.now,
        )  # fmt: skip

    return Lifecycle(
        period=view.period, persona=view.persona, segment=view.segment, unit=unit, what=what,
        periods=tuple(map(turn, range(span.count))),
    )  # fmt: skip


def members(view: View, selector: Selector) -> list[Mask]:
    """bool[C] a bucket: who was there in the period that a selector names, or what became of them."""
    unit = selector.option("unit") or "week"
    asked = asked_for(view, unit, selector.option("of"))
    period = selected_period(selector.name, unit)
    return view.map(functools.partial(_members, view, asked, period, KINDS[selector.what]))


def _members(view: View, asked: Asked, period: int, kind: int, bucket: Columns) -> Mask:
    return np.asarray(
        kernel.in_state(
            bucket, asked.codes, asked.every, asked.period_of, period, kind, view.start, view.end, view.as_of
        )
    )  # fmt: skip
