"""Lifetime value by the practitioners' formula: average purchase x purchases a year x length of the relationship.

The length is the one thing that cannot be read off, because nobody says goodbye. Who has been silent for long enough
has left with their last purchase; that can be told of everybody only up to so long before the end, and those who have
bought since count as still going (censored). The estimate is that of a constant hazard: time / ends (B. Epstein and M.
Sobel, Life testing, JASA 48, 1953).
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from polku.kernels import purchases as kernel
from polku.kernels.columns import Columns
from polku.language import N_, Reader
from polku.measures.answer import Answer, Table, count_cell, estimate_cell, money_cell, rate_cell, words
from polku.measures.charts import Bars, Chart, Series
from polku.measures.result import ENOUGH, Count, Estimate, Rate
from polku.measures.selectors import Selector
from polku.measures.value import buying as ask
from polku.measures.value.buying import EVERYONE, NO_VALUE, YEAR, Z95, Buying, Group, money
from polku.measures.view import Mask, View, known

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
#: What is summed of every customer, with all products of two: money, purchases whose value is known, purchases after
#: the first, relationships that ended, years of relationship.
MONEY, VALUED, AGAIN, ENDED, YEARS = range(5)
#: Plain counts: who bought in the period, purchases, refunded money, refunds without an amount, who could have left.
BOUGHT, ORDERS, REFUNDED, GUESSED, WATCHED = range(5)
NONE_ENDED = N_(
    "nobody is known to have left yet: give a length, for example 3y, or a shorter silence than the period is long"
)
FEW_ENDED = N_("few customers have left, so the length is rough")
NOBODY = N_("nobody has bought in this period")
ALIKE = N_("no two customers differ, so there is no interval")


@dataclasses.dataclass(frozen=True, slots=True)
class ValueRow:
    """The formula of one group of customers."""

    group: Group
    customers: Count  # who bought in the period
    watched: Count  # whose relationship could have ended in the part of the period of which that can be told
    ended: Count  # of them, whose relationship did
    orders: int  # purchases in the period
    net: float | None  # revenue of the period, less what was refunded in it; None where it cannot be added up
    refunded: float | None
    average: Estimate  # net revenue of a purchase
    frequency: Estimate  # purchases a year of one who is there
    length: Estimate  # years
    purchases: Estimate  # of a customer, over the whole relationship: frequency x length
    value: Estimate


@dataclasses.dataclass(frozen=True, kw_only=True)
class Value(Answer):
    name = "value"
    says = (
        N_("Lifetime value = average purchase x purchases a year x length of the relationship in years x margin."),
        N_("Average purchase = revenue of the period, net of refunds, / purchases whose value is known."),
        N_(
            "A relationship has ended with the last purchase when no other has followed for the time of silence. That "
            "can be told up to that long before the period's end; who has bought since is still there."
        ),
        N_(
            "Purchases a year = purchases after the first / years between first and last purchase, both up to that "
            "moment."
        ),
        N_(
            "Length = years between first and last purchase / relationships that ended, and one mean gap between "
            "purchases for the time after the last one. So purchases of a customer = 1 + purchases after the first / "
            "relationships that ended."
        ),
        N_(
            "The interval is of the sampling of customers (delta method, 95 %); that the future is like the period is "
            "assumed, not measured."
        ),
    )

    purchases: tuple[str, ...]
    refunds: tuple[str, ...]
    by: str | None
    credit: str
    silence: int  # seconds
    margin: float
    currency: str
    total: ValueRow
    groups: tuple[ValueRow, ...]  # most net revenue first
    guessed: int  # refunds without an amount, taken as the whole of the purchase before

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        heads = (
            N_("customer group"), N_("customer count"), N_("purchase count"), N_("net revenue"),
            N_("average purchase"), N_("purchases a year"), N_("length in years"), N_("purchases of a customer"),
            N_("lifetime value"), N_("relationships that ended"),
        )  # fmt: skip
        write = money(reader, self.currency)

        def number(value: float) -> str:
            return reader.number(value, 2)

        rows = tuple(
            (
                words(r.group.title(reader), r.group.name),
                count_cell(r.customers, reader),
                count_cell(r.orders, reader),
                money_cell(r.net, self.currency, reader, r.customers.behind),
                # the reason is told once, beside the value
                estimate_cell(dataclasses.replace(r.average, reason=None), reader, write),
                estimate_cell(dataclasses.replace(r.frequency, reason=None), reader, number),
                estimate_cell(dataclasses.replace(r.length, reason=None), reader, number),
                estimate_cell(dataclasses.replace(r.purchases, reason=None), reader, number),
                estimate_cell(r.value, reader, write),
                rate_cell(Rate(r.ended.n, r.watched.n, behind=r.ended.behind, behind_all=r.watched.behind), reader),
            )
            for r in (*self.groups, self.total)
        )
        return (Table(reader("Lifetime value"), tuple(reader(h) for h in heads), rows),)

    def charts(self, reader: Reader) -> tuple[Chart, ...]:
        rows = self.groups or (self.total,)
        series = Series(
            reader("lifetime value"),
            tuple(r.value.value for r in rows),
            tuple(r.value.low for r in rows),
            tuple(r.value.high for r in rows),
            behind=tuple(r.customers.behind for r in rows),
        )
        labels = tuple(r.group.title(reader) for r in rows)
        return (Bars(reader("Lifetime value"), labels, (series,), "money", across=True),)


def value(
    view: View,
    from_: Sequence[str] | None = None,
    refunds: Sequence[str] | None = None,
    by: str | None = None,
    credit: str = "first",
    silence: int | None = None,
    length: int | None = None,
    margin: float = 1.0,
    limit: int = 50,
) -> Value:
    """Lifetime value by the formula, of everyone and of each group of ``by``.

    ``silence`` and ``length`` are seconds; with ``length`` the relationship's length is taken as given. ``credit``
    says which origin a customer belongs to. Raises MeasureError for unknown steps and for groups that the map lacks.
    """
    question = ask.buying(view, from_, refunds)
    quiet, unsummed = silence or ask.silence_of(view), ask.no_sums(view)
    select = functools.partial(view.select, "value")
    options = {**question.options, "by": by, "silence": silence, "credit": "last" if credit == "last" else None}

    def row(group: Group, sums: Sums, place: int) -> ValueRow:
        picked = {what: select(group.name or "everyone", what, **options) for what in ("customers", "watched", "ended")}
        found = row_of(group, sums, place, length, margin, picked)
        if unsummed is None:
            return found
        average, worth = ask.withheld(found.average, unsummed), ask.withheld(found.value, unsummed)
        return dataclasses.replace(found, average=average, value=worth, net=None, refunded=None)

    total = sums_by_group(view, question, quiet, None, credit)
    if by is None:
        rows: list[ValueRow] = []
    elif by in ask.ORIGINS:
        group, names = ask.origin_groups(view, by)
        sums = sums_by_group(view, question, quiet, group, credit)
        rows = [row(name, sums, i) for i, name in enumerate(names)]
    else:
        rows = [row(g, sums_by_group(v, question, quiet, None, credit), 0) for g, v in ask.group_views(view, by)]
    rows = sorted((r for r in rows if r.customers.n or r.watched.n), key=lambda r: (-(r.net or 0.0), -r.customers.n))[
        :limit
    ]
    return Value(
        period=view.period, persona=view.persona, segment=view.segment,
        purchases=question.purchases, refunds=question.refunds, by=by, credit=credit, silence=quiet, margin=margin,
        currency=ask.currency_of(view), total=row(EVERYONE, total, 0), groups=tuple(rows),
        guessed=int(total.counts[0, GUESSED]),
    )  # fmt: skip


@dataclasses.dataclass(frozen=True, eq=False)
class Sums:
    """Of each group: ``counts`` and ``sums`` float64[G, 5], and ``products`` float64[G, 5, 5] of what is summed."""

    counts: F64
    sums: F64
    products: F64

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.counts + other.counts, self.sums + other.sums, self.products + other.products)

    def of(self, groups: list[int]) -> Sums:
        """Some groups together, as one."""
        return Sums(*(part[groups].sum(axis=0, keepdims=True) for part in (self.counts, self.sums, self.products)))


def row_of(group: Group, sums: Sums, place: int, length: int | None, margin: float, picked: dict[str, str]) -> ValueRow:
    """The formula from its sums; everything that cannot be told is None with its reason."""
    counts, (cash, valued, again, ended, years) = sums.counts[place], sums.sums[place].tolist()
    orders = int(counts[ORDERS])

    def estimate(value: float, slopes: dict[int, float], n: float, reason: str | None = None) -> Estimate:
        """``slopes``: of the logarithm of the value, by each sum."""
        slope = np.array([slopes.get(i, 0.0) for i in range(5)])
        return _with_interval(Estimate(value, n=int(n), reason=reason), float(slope @ sums.products[place] @ slope))

    average = Estimate(None, n=0, reason=NO_VALUE if orders else NOBODY)
    of_average: dict[int, float] = {}
    if valued:
        of_average = {MONEY: 1 / cash if cash else 0.0, VALUED: -1 / valued}
        average = estimate(cash / valued, of_average, valued)
    frequency = Estimate(None, n=int(counts[WATCHED]), reason=N_("nobody is known to have bought again"))
    of_frequency: dict[int, float] = {}
    if again and years:
        of_frequency = {AGAIN: 1 / again, YEARS: -1 / years}
        frequency = estimate(again / years, of_frequency, again)
    few = FEW_ENDED if ended < ENOUGH else None
    lasting = bought = Estimate(None, n=0, reason=NONE_ENDED if orders else NOBODY)
    of_bought: dict[int, float] = {}
    if length is not None:
        lasting = Estimate(length / YEAR)
        if frequency.value is not None:
            of_bought = of_frequency
            bought = estimate(frequency.value * length / YEAR, of_bought, counts[WATCHED])
        else:
            bought = frequency
    elif ended:
        more = again / ended
        of_bought = {AGAIN: 1 / ended / (1 + more), ENDED: -more / ended / (1 + more)}
        bought = estimate(1 + more, of_bought, ended, few)
        if frequency.value is not None:
            lasts = years / again + years / ended
            slopes = {YEARS: 1 / years, AGAIN: -years / again**2 / lasts, ENDED: -years / ended**2 / lasts}
            lasting = estimate(lasts, slopes, ended, few)
        else:
            lasting = dataclasses.replace(frequency, n=int(ended))
    worth = Estimate(None, n=int(counts[BOUGHT]), reason=average.reason if average.value is None else bought.reason)
    if average.value is not None and bought.value is not None:
        both = {i: of_average.get(i, 0.0) + of_bought.get(i, 0.0) for i in range(5)}
        caution = None if bought.reason == ALIKE else bought.reason
        worth = estimate(average.value * bought.value * margin, both, counts[BOUGHT], caution)
    bought_it, watched, left = picked["customers"], picked["watched"], picked["ended"]
    return ValueRow(
        group, Count(int(counts[BOUGHT]), bought_it), Count(int(counts[WATCHED]), watched), Count(int(ended), left),
        orders, cash, float(counts[REFUNDED]),
        dataclasses.replace(average, behind=bought_it), dataclasses.replace(frequency, behind=watched),
        dataclasses.replace(lasting, behind=None if length is not None else left),
        dataclasses.replace(bought, behind=watched if length is not None else left),
        dataclasses.replace(worth, behind=bought_it),
    )  # fmt: skip


def _with_interval(estimate: Estimate, variance: float) -> Estimate:
    """95 % on the logarithm, which keeps the ends above 0; of a loss on the plain scale."""
    if estimate.value is None:
        return estimate
    if estimate.value == 0 or not variance > 1e-12:
        return dataclasses.replace(estimate, reason=estimate.reason or ALIKE)
    if estimate.value < 0:
        plain = Z95 * math.sqrt(variance) * abs(estimate.value)
        return dataclasses.replace(estimate, low=estimate.value - plain, high=estimate.value + plain)
    half = math.exp(Z95 * math.sqrt(variance))
    return dataclasses.replace(estimate, low=estimate.value / half, high=estimate.value * half)


def sums_by_group(view: View, question: Buying, silence: int, group: I64 | None, credit: str) -> Sums:
    """The sums of each group of origins; of one group, everyone, without ``group``."""
    count = 1 if group is None else int(group.max(initial=0)) + 1
    work = functools.partial(_partial, question, view.start, view.end, silence, group, credit == "last", count)
    return view.sum(work, Sums(np.zeros((count, 5)), np.zeros((count, 5)), np.zeros((count, 5, 5))))


@dataclasses.dataclass(frozen=True, eq=False)
class Relationships:
    """Of every customer of a bucket, in the period: its purchases, and its relationship up to ``silence`` before the
    end. ``watched``: it could have ended there; ``ended``: it did.
    """

    rows: F64
    again: F64
    years: F64
    watched: Mask
    ended: Mask


def relationships(question: Buying, start: int, end: int, silence: int, bucket: Columns) -> Relationships:
    rows = question.rows(bucket, start, end)
    cut = max(start, end - silence)  # who has left later cannot be known yet
    first, last = rows[:, kernel.FIRST], rows[:, kernel.LAST]
    watched = (first >= 0) & (first < cut) & (last >= start)
    before = question.rows(bucket, start, cut)[:, kernel.ORDERS]
    return Relationships(
        rows,
        np.where(watched, np.maximum(before - (first >= start), 0.0), 0.0),
        np.where(watched, np.minimum(last, cut) - np.maximum(first, start), 0.0) / YEAR,
        watched,
        watched & (last < cut),
    )


def _partial(
    question: Buying, start: int, end: int, silence: int, group: I64 | None, latest: bool, count: int, bucket: Columns
) -> Sums:
    found = relationships(question, start, end, silence, bucket)
    rows = found.rows
    there = np.flatnonzero(found.watched | (rows[:, kernel.ORDERS] > 0) | (rows[:, kernel.MONEY] != 0))
    if group is None:
        place = np.zeros(len(there), np.int64)
    else:
        place = ask.group_of_customers(group, latest, rows[:, kernel.FIRST], bucket)[there]

    def added(column: npt.NDArray[np.generic]) -> F64:
        return np.bincount(place, column, count).astype(np.float64)

    own = rows[there]
    counts = (
        own[:, kernel.ORDERS] > 0, own[:, kernel.ORDERS], own[:, kernel.REFUNDED], own[:, kernel.GUESSED],
        found.watched[there],
    )  # fmt: skip
    of_each = np.stack(
        [own[:, kernel.MONEY], own[:, kernel.VALUED], found.again[there], found.ended[there], found.years[there]],
        axis=1,
    )
    products = np.empty((count, 5, 5))
    for i in range(5):
        for j in range(i + 1):
            products[:, i, j] = products[:, j, i] = added(of_each[:, i] * of_each[:, j])
    sums = np.stack([added(of_each[:, i]) for i in range(5)], axis=1)
    return Sums(np.stack([added(c) for c in counts], axis=1), sums, products)


def members(view: View, selector: Selector) -> list[Mask]:
    """bool[C] a bucket: who stands behind a number of the formula."""
    question = ask.buying_of(view, selector)
    by, wanted = selector.option("by"), selector.name
    silence = int(selector.option("silence") or ask.silence_of(view))
    group, chosen = None, 0
    if by in ("persona", "segment") and wanted != "everyone":
        groups = ask.group_views(view, by)
        place = known(wanted, [str(g.name) for g, _ in groups], N_("There is no group {name!r}.{meant}"))
        view = groups[place][1]
    elif by in ask.ORIGINS and wanted != "everyone":
        group, names = ask.origin_groups(view, str(by))
        chosen = known(wanted, [str(g.name) for g in names], N_("There is no group {name!r}.{meant}"))
    latest = selector.option("credit") == "last"
    return view.map(
        functools.partial(_members, question, view.start, view.end, silence, group, latest, chosen, selector.what)
    )


def _members(
    question: Buying, start: int, end: int, silence: int, group: I64 | None, latest: bool, chosen: int, what: str,
    bucket: Columns,
) -> Mask:  # fmt: skip
    found = relationships(question, start, end, silence, bucket)
    whose = {
        "customers": found.rows[:, kernel.ORDERS] > 0, "watched": found.watched, "ended": found.ended,
        "going": found.watched & ~found.ended,
    }[what]  # fmt: skip
    if group is not None:
        whose = whose & (ask.group_of_customers(group, latest, found.rows[:, kernel.FIRST], bucket) == chosen)
    return np.asarray(whose)
