"""Payback: customers won in each month, what they cost, and what they have paid by age."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from polku.language import N_, Reader
from polku.measures.acquisition import winning
from polku.measures.acquisition.costs import NO_COSTS_HERE, Costs, comparable, costs_table, months_of
from polku.measures.answer import Answer, Cell, Table, count_cell, estimate_cell, words
from polku.measures.charts import Chart, Heat, Lines, Series
from polku.measures.result import Count, Estimate
from polku.measures.sources import NONE
from polku.measures.value import buying as ask
from polku.measures.value.buying import Buying, money
from polku.measures.view import View, known

if TYPE_CHECKING:
    import pyarrow as pa

#: Steps of age shown in the table, at most; the picture and the data have all.
SHOWN = 12


@dataclasses.dataclass(frozen=True, slots=True)
class Cohort:
    """Customers won in one month; ``month`` is None for all together."""

    month: str | None  # 2026-03
    spent: float | None
    customers: Count
    cost: Estimate
    paid: tuple[Estimate, ...]  # a customer, x margin, by the end of each step of age; n those who lived through it
    payback: Estimate  # seconds


@dataclasses.dataclass(frozen=True, kw_only=True)
class Payback(Answer):
    name = "payback"
    says = (
        N_("A cohort are the customers whose first purchase lies in the month."),
        N_(
            "Paid by an age = what a customer of the cohort has paid by then, net of refunds, x margin: the sum of the "
            "steps of age, each a mean over those who have lived through it; the others are not yet counted there."
        ),
        N_("Cost of a customer = costs of the month / customers won in it."),
        N_("Paid back = paid by an age / cost of a customer; the time to pay back is the age at which it reaches 1."),
        N_(
            "The first and the last month may be cut by the period. All = the days of the period of which costs are "
            "known; the whole period where none are."
        ),
    )

    purchases: tuple[str, ...]
    refunds: tuple[str, ...]
    source: str | None
    credit: str
    margin: float
    currency: str
    every: int  # seconds of one step of age
    steps: int
    days: tuple[str, str] | None
    other_currencies: tuple[tuple[str, float], ...]
    reason: str | None
    unsummed: str | None  # why nothing is told of what was paid
    cohorts: tuple[Cohort, ...]  # oldest first
    total: Cohort

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        write = money(reader, self.currency)
        ages = range(min(self.steps, SHOWN))
        heads = (
            reader("month"), reader("costs"), reader("customers won"), reader("cost of a customer (CAC)"),
            reader("time to pay back"), *(reader.duration((k + 1) * self.every) for k in ages),
        )  # fmt: skip
        rows = []
        for c in (*self.cohorts, self.total):
            # that there are no costs at all is told once, in the title
            missing = Cell("–", None, number=True, note=None if self.reason else reader(NO_COSTS_HERE))
            cost, back = (
                dataclasses.replace(e, reason=None) if self.reason and e.reason == self.reason else e
                for e in (c.cost, c.payback)
            )
            rows.append(
                (
                    words(c.month or reader("all months"), c.month),
                    missing if c.spent is None else Cell(write(c.spent), c.spent, number=True),
                    count_cell(c.customers, reader),
                    estimate_cell(cost, reader, write),
                    estimate_cell(back, reader, reader.duration),
                    *(self._paid(c.paid[k], c.customers.n, reader) for k in ages),
                )
            )
        title = reader("Paid by age, by month of the first purchase")
        for reason in (self.reason, self.unsummed):
            if reason is not None:
                title = reader("{title}: {reason}", title=title, reason=reader(reason))
        return (Table(title, heads, tuple(rows)),)

    def _paid(self, estimate: Estimate, customers: int, reader: Reader) -> Cell:
        if estimate.value is None:
            return Cell("–", None, number=True)  # nobody is old enough yet; told of every cell it would hide the rest
        note = reader("{n} of {of}", n=reader.number(estimate.n or 0), of=reader.number(customers))
        return Cell(reader.money(estimate.value, self.currency), estimate.value, number=True, note=note)

    def charts(self, reader: Reader) -> tuple[Chart, ...]:
        ages = tuple(reader.duration((k + 1) * self.every) for k in range(self.steps))
        paid = self.total.paid
        whole = tuple(e.n == self.total.customers.n for e in paid)
        series = [
            Series(
                reader("paid by a customer"), tuple(e.value for e in paid), tuple(e.low for e in paid),
                tuple(e.high for e in paid), solid=whole,
            )
        ]  # fmt: skip
        if self.total.cost.value is not None:
            cost = self.total.cost.value
            series.append(Series(reader("cost of a customer (CAC)"), (cost,) * self.steps))
        found: list[Chart] = [
            Lines(
                reader("Paid by a customer, by age"), ages, tuple(series), "money",
                x_title=reader("age since the first purchase"), y_title=reader("net revenue x margin"),
            )
        ]  # fmt: skip
        with_cost = [c for c in self.cohorts if c.cost.value]
        if with_cost:
            shares = tuple(
                tuple(None if e.value is None or not c.cost.value else e.value / c.cost.value for e in c.paid)
                for c in with_cost
            )
            found.append(
                Heat(
                    reader("Share of the cost paid back, by month and age"),
                    tuple(c.month or "" for c in with_cost),
                    ages,
                    shares,
                    "share",
                    notes=tuple(
                        tuple(reader("{n} of {of}", n=e.n or 0, of=c.customers.n) for e in c.paid) for c in with_cost
                    ),
                )
            )
        return tuple(found)


def payback(
    view: View,
    from_: Sequence[str] | None = None,
    refunds: Sequence[str] | None = None,
    source: str | None = None,
    credit: str = "first",
    margin: float = 1.0,
    every: int = 30 * ask.DAY,
    within: int = 360 * ask.DAY,
) -> Payback:
    """Cohorts of customers by month, what they cost and what they have paid by age. Times are seconds.

    Raises MeasureError for unknown steps and sources, and when ``within`` is shorter than ``every``.
    """
    return paid_back(view, costs_table(view), from_, refunds, source, credit, margin, every, within)


def paid_back(
    view: View, table: pa.Table | None, from_: Sequence[str] | None = None, refunds: Sequence[str] | None = None,
    source: str | None = None, credit: str = "first", margin: float = 1.0, every: int = 30 * ask.DAY,
    within: int = 360 * ask.DAY,
) -> Payback:  # fmt: skip
    """The same of a table of costs (day, source, medium, campaign, amount, currency, impressions, clicks)."""
    question = ask.buying(view, from_, refunds)
    steps = winning.steps_of(every, within)
    spent, unsummed = comparable(view, question, table, source), ask.no_sums(view)
    only = None
    if source is not None:
        group, groups = ask.origin_groups(view, "source")
        names = [str(g.name) for g in groups]
        folded = [n.casefold() for n in names]
        place = folded.index(source.casefold()) if source.casefold() in folded else None
        if place is None and not spent.lines:
            known(source, [n for n in names if n != NONE], N_("No visit has come from {name!r}.{meant}"))
        only = (group, len(groups) if place is None else place)
    first, count = _months(view, question)
    latest = credit == "last"
    whole = (view.start, view.end)
    won = winning.won_by_month(view, question, whole, only, latest, every, steps, (first, count))
    options = {
        **question.options, "by": "source", "credit": "last" if latest else None,
    }  # fmt: skip
    name = "everyone" if source is None else source
    reason = spent.reason or NO_COSTS_HERE
    by_month = _by_month(spent)

    def row(some: winning.Won, month: int | None, cost: float | None, days: str | None) -> Cohort:
        customers = int(some.customers[0])
        price = winning.cost_of_a_customer(cost, customers, reason)
        return Cohort(
            None if month is None else str(np.datetime64(month, "M")), cost,
            Count(customers, view.select("acquired", name, "customers", **options, days=days)), price,
            tuple(ask.withheld(some.mean(0, k, margin), unsummed) for k in range(steps)),
            ask.withheld(winning.payback_time(some, 0, price, every, margin), unsummed),
        )  # fmt: skip

    cohorts = []
    for i in range(count):
        cost = by_month.get(first + i)
        if won.customers[i] or cost is not None:
            cohorts.append(row(won.of([i]), first + i, cost, _days_of(first + i)))
    total, days = won.of(list(range(count))), None
    if spent.lines:
        span = (spent.start, spent.end)
        total = winning.won_by_month(view, question, span, only, latest, every, steps, (first, count))
        total = total.of(list(range(count)))
        days = f"{question.local_day(span[0])}-{question.local_day(span[1] - 1)}"
    return Payback(
        period=view.period, persona=view.persona, segment=view.segment,
        purchases=question.purchases, refunds=question.refunds, source=source, credit=credit, margin=margin,
        currency=ask.currency_of(view), every=every, steps=steps, days=spent.days,
        other_currencies=spent.other_currencies, reason=spent.reason, unsummed=unsummed,
        cohorts=tuple(cohorts),
        total=row(total, None, sum(by_month.values()) if by_month else None, days),
    )  # fmt: skip


def _months(view: View, question: Buying) -> tuple[int, int]:
    """The first month (since 1970) of the period in which anything happened, and how many there are."""
    begun = int(view.trails.first.timestamp()) if view.trails.first else view.start
    days = np.array([question.local_day(max(view.start, min(begun, view.end - 1))), question.local_day(view.end - 1)])
    first, last = months_of(days.astype(np.int64)).tolist()
    return first, last - first + 1


def _by_month(spent: Costs) -> dict[int, float]:
    found: dict[int, float] = {}
    for line in spent.lines:
        month = int(months_of(np.array([line.day], np.int64))[0])
        found[month] = found.get(month, 0.0) + line.spent.amount
    return found


def _days_of(month: int) -> str:
    """The days of a month as a selector writes them."""
    start = np.datetime64(month, "M").astype("datetime64[D]").astype(np.int64)
    end = np.datetime64(month + 1, "M").astype("datetime64[D]").astype(np.int64) - 1
    return f"{int(start)}-{int(end)}"
