"""Costs by source, the cost of a customer, the time to pay it back, and lifetime value to cost."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import numpy as np
import numpy.typing as npt

from polku.kernels.columns import Columns
from polku.language import N_, Reader
from polku.measures.acquisition import winning
from polku.measures.acquisition.costs import NO_COSTS_HERE, Spent, comparable, costs_table
from polku.measures.answer import Answer, Cell, Table, count_cell, estimate_cell, words
from polku.measures.charts import Bars, Chart, Series
from polku.measures.result import Count, Estimate
from polku.measures.selectors import Selector
from polku.measures.value import buying as ask
from polku.measures.value.buying import EVERYONE, Buying, Group, money
from polku.measures.value.formula import row_of, sums_by_group
from polku.measures.view import Mask, View, known

if TYPE_CHECKING:
    import pyarrow as pa

I64 = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, slots=True)
class Acquired:
    """One source: what was spent, who was won, and how the two compare."""

    group: Group
    spent: float | None  # None: no costs are known of it
    impressions: int
    clicks: int
    customers: Count  # first purchase in the days of which costs are known
    cost: Estimate  # of a customer (CAC)
    value: Estimate  # lifetime value of a customer, times margin
    ratio: Estimate  # lifetime value to cost (LTV:CAC)
    payback: Estimate  # seconds


@dataclasses.dataclass(frozen=True, kw_only=True)
class Acquisition(Answer):
    name = "acquisition"
    says = (
        N_(
            "A customer is won with the first purchase, and belongs to the first origin named up to it (or the last "
            "one, with credit=last)."
        ),
        N_(
            "Cost of a customer (CAC) = costs of the source / customers won, over the days of the period of which "
            "costs are known. Costs in another currency than the map's are left out and told."
        ),
        N_(
            "Time to pay back = the age at which what a customer has paid, net of refunds, x margin reaches the cost "
            "of one; every step of age is a mean over those who have lived through it."
        ),
        N_(
            "Lifetime value to cost (LTV:CAC) = lifetime value / cost of a customer; the value is that of the measure "
            "value, or what customers of the age `within` have paid."
        ),
        N_("Paid: sources of which costs are known. All: every customer, won for money or not (blended)."),
        N_("That a source stands before a purchase does not show that it caused it."),
    )

    purchases: tuple[str, ...]
    refunds: tuple[str, ...]
    by: str
    credit: str
    margin: float
    currency: str
    ltv: str
    days: tuple[str, str] | None  # the first and last day of which costs are known
    other_currencies: tuple[tuple[str, float], ...]
    reason: str | None  # why no cost can be told at all
    sources: tuple[Acquired, ...]  # most spent first
    paid: Acquired
    total: Acquired

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        write = money(reader, self.currency)
        heads = (
            N_("customer source"), N_("costs"), N_("clicks"), N_("customers won"), N_("cost of a customer (CAC)"),
            N_("lifetime value"), N_("value to cost (LTV:CAC)"), N_("time to pay back"),
        )  # fmt: skip

        def line(title: str, raw: str | None, a: Acquired) -> tuple[Cell, ...]:
            # that there are no costs at all is told once, in the title
            missing = Cell("–", None, number=True, note=None if self.reason else reader(NO_COSTS_HERE))

            def told(e: Estimate) -> Estimate:
                return dataclasses.replace(e, reason=None) if self.reason and e.reason == self.reason else e

            return (
                words(title, raw),
                missing if a.spent is None else Cell(write(a.spent), a.spent, number=True),
                Cell(reader.number(a.clicks), a.clicks, number=True) if a.clicks else Cell("–", None, number=True),
                count_cell(a.customers, reader),
                estimate_cell(told(a.cost), reader, write),
                estimate_cell(a.value, reader, write),
                estimate_cell(told(a.ratio), reader, lambda v: reader.number(v, 2)),
                estimate_cell(told(a.payback), reader, reader.duration),
            )

        rows = [line(s.group.title(reader), s.group.name, s) for s in self.sources]
        rows += [line(reader("paid"), "paid", self.paid), line(reader("all sources"), "all", self.total)]
        title = reader("Acquisition")
        if self.days is not None:
            title = reader("{title}, costs from {first} to {last}", title=title, first=self.days[0], last=self.days[1])
        if self.reason is not None:
            title = reader("{title}: {reason}", title=title, reason=reader(self.reason))
        found = [Table(title, tuple(reader(h) for h in heads), tuple(rows))]
        if self.other_currencies:
            others = tuple(
                (words(code), Cell(reader.money(amount, code), amount, number=True))
                for code, amount in self.other_currencies
            )
            found.append(
                Table(reader("Costs left out: another currency"), (reader("currency"), reader("costs")), others)
            )
        return tuple(found)

    def charts(self, reader: Reader) -> tuple[Chart, ...]:
        rows = [s for s in self.sources if s.spent is not None]
        if not rows:
            return ()
        labels = tuple(s.group.title(reader) for s in rows)

        def bars(title: str, figures: list[Estimate], behind: bool) -> Series:
            return Series(
                reader(title), tuple(f.value for f in figures), tuple(f.low for f in figures),
                tuple(f.high for f in figures), behind=tuple(s.customers.behind for s in rows) if behind else (),
            )  # fmt: skip

        both = (
            bars(N_("cost of a customer (CAC)"), [s.cost for s in rows], True),
            bars(N_("lifetime value"), [s.value for s in rows], False),
        )
        return (Bars(reader("Cost of a customer and lifetime value"), labels, both, "money", across=True),)


def acquisition(
    view: View,
    from_: Sequence[str] | None = None,
    refunds: Sequence[str] | None = None,
    by: str = "source",
    credit: str = "first",
    margin: float = 1.0,
    ltv: str = "formula",
    silence: int | None = None,
    every: int = 30 * ask.DAY,
    within: int = 360 * ask.DAY,
    limit: int = 50,
) -> Acquisition:
    """Customers won in the period by source, and what they cost and bring. Times are seconds.

    Without costs every figure that needs them is None with the reason. Raises MeasureError for unknown steps, and when
    ``within`` is shorter than ``every``.
    """
    return acquired(
        view, costs_table(view), from_, refunds, by, credit, margin, ltv, silence, every, within, limit
    )  # fmt: skip


def acquired(
    view: View, table: pa.Table | None, from_: Sequence[str] | None = None, refunds: Sequence[str] | None = None,
    by: str = "source", credit: str = "first", margin: float = 1.0, ltv: str = "formula", silence: int | None = None,
    every: int = 30 * ask.DAY, within: int = 360 * ask.DAY, limit: int = 50,
) -> Acquisition:  # fmt: skip
    """The same of a table of costs (day, source, medium, campaign, amount, currency, impressions, clicks)."""
    question = ask.buying(view, from_, refunds)
    steps = winning.steps_of(every, within)
    spent = comparable(view, question, table)
    span = (spent.start, spent.end) if spent.lines else (view.start, view.end)
    group, groups = ask.origin_groups(view, by)
    latest, unsummed = credit == "last", ask.no_sums(view)
    won = winning.won_by_origin(view, question, span, group, latest, every, steps)
    sums = sums_by_group(view, question, silence or ask.silence_of(view), group, credit)
    options = {
        **question.options, "by": by, "credit": "last" if latest else None, "days": _days(question, span, view)
    }  # fmt: skip
    by_name = spent.grouped(by)
    none = EVERYONE

    def row(what: Group, places: list[int], cost: Spent | None, name: str) -> Acquired:
        some = won.of(places) if places else winning.nobody(1, steps)
        customers = int(some.customers[0])
        count = Count(customers, view.select("acquired", name, "customers", **options))
        price = winning.cost_of_a_customer(
            None if cost is None else cost.amount, customers, spent.reason or NO_COSTS_HERE
        )
        if ltv == "observed":
            worth = some.mean(0, steps - 1, margin)
        else:
            picked = dict.fromkeys(("customers", "watched", "ended"), "")
            worth = row_of(what, sums.of(places), 0, None, margin, picked).value
        worth = ask.withheld(worth, unsummed)
        return Acquired(
            what, None if cost is None else cost.amount, cost.impressions if cost else 0, cost.clicks if cost else 0,
            count, price, worth, winning.value_to_cost(worth, price),
            ask.withheld(winning.payback_time(some, 0, price, every, margin), unsummed),
        )  # fmt: skip

    rows, used, with_costs = [], set(), []
    for place, one in enumerate(groups):
        key = str(one.name).casefold()
        cost = by_name.get(key) if key not in used else Spent()
        if cost is not None:
            used.add(key)
            with_costs.append(place)
        if won.customers[place] or cost is not None:
            rows.append(row(one, [place], cost, str(one.name)))
    # spent on what no visit names
    rows += [row(Group(by, n), [], cost, n) for n, cost in by_name.items() if n not in used]
    rows.sort(key=lambda r: (-(r.spent or 0.0), -r.customers.n))
    everything = sum(by_name.values(), Spent()) if spent.lines else None
    return Acquisition(
        period=view.period, persona=view.persona, segment=view.segment,
        purchases=question.purchases, refunds=question.refunds, by=by, credit=credit, margin=margin,
        currency=ask.currency_of(view), ltv=ltv, days=spent.days, other_currencies=spent.other_currencies,
        reason=spent.reason, sources=tuple(rows[:limit]),
        paid=row(none, with_costs, everything, _several(groups, with_costs)),
        total=row(none, list(range(len(groups))), everything, "everyone"),
    )  # fmt: skip


def _several(groups: Sequence[Group], places: Sequence[int]) -> str:
    """The names of several groups as one name of a selector."""
    return "&".join(quote(str(groups[p].name), safe=" /|") for p in places) or "nobody"


def _days(question: Buying, span: tuple[int, int], view: View) -> str | None:
    """The days of the costs as a selector writes them; None where they are the whole period."""
    if span == (view.start, view.end):
        return None
    return f"{question.local_day(span[0])}-{question.local_day(span[1] - 1)}"


def members(view: View, selector: Selector) -> list[Mask]:
    """bool[C] a bucket: who was won by a source (several with & between them), by ``everyone`` or by ``nobody``."""
    question = ask.buying_of(view, selector)
    by = selector.option("by") or "source"
    group, groups = ask.origin_groups(view, by)
    names = [str(g.name) for g in groups]
    start, end = view.start, view.end
    days = selector.option("days")
    if days:
        first, _, last = days.partition("-")
        start, end = max(start, question.midnight(int(first))), min(end, question.midnight(int(last) + 1))
    if selector.name == "everyone":
        chosen = list(range(len(names)))
    elif selector.name in names:
        chosen = [names.index(selector.name)]
    else:
        parts = [] if selector.name == "nobody" else [unquote(p) for p in selector.name.split("&")]
        chosen = [known(p, names, N_("No visit has come from {name!r}.{meant}")) for p in parts if p in names]
    wanted = np.isin(np.arange(len(names)), chosen)[group]
    latest = selector.option("credit") == "last"
    return view.map(functools.partial(_members, question, (start, end), view.as_of, wanted, latest))


def _members(question: Buying, span: tuple[int, int], as_of: int, wanted: Mask, latest: bool, bucket: Columns) -> Mask:
    first, _, _ = winning.first_purchases(question, span, as_of + 1, bucket)
    inside = ask.group_of_customers(wanted.astype(np.int64), latest, first, bucket)
    return np.asarray((first >= 0) & (inside == 1))
