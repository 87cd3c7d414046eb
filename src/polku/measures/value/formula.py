"""Lifetime value by the practitioners' formula: average purchase x purchases a year x length of the relationship.

The length is the one thing that cannot be read off, because most relationships are still going on. It is estimated as
time in relationship / relationships that ended, the occurrence-exposure rate of a constant hazard (the maximum
likelihood estimate with those still going censored; B. Epstein and M. Sobel, Life testing, JASA 48, 1953).
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
from polku.measures.answer import Answer, Cell, Table, count_cell, estimate_cell, words
from polku.measures.charts import Bars, Chart, Series
from polku.measures.result import ENOUGH, Count, Estimate
from polku.measures.selectors import Selector
from polku.measures.value import buying as ask
from polku.measures.value.buying import EVERYONE, YEAR, Buying, Group, money
from polku.measures.view import Mask, View, known

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Z95 = 1.959963984540054
#: Columns of the partial sums.
(
    CUSTOMERS, BOUGHT, ORDERS, VALUED, MONEY, REFUNDED, TIME, ENDED, GUESSED,
    MONEY_2, TIME_2, MONEY_TIME, MONEY_ENDED, ORDERS_2, ORDERS_TIME, ENDED_TIME, MONEY_ORDERS,
) = range(17)  # fmt: skip
WIDTH = 17
NONE_ENDED = N_("no relationship has ended yet, so its length cannot be told; give one with length, for example 3y")
FEW_ENDED = N_("few relationships have ended, so the length is rough")
NOBODY = N_("nobody has bought in this period")


@dataclasses.dataclass(frozen=True, slots=True)
class ValueRow:
    """The formula of one group of customers."""

    group: Group
    customers: Count  # in relationship in the period
    bought: Count  # of them, who bought in the period
    ended: Count  # of them, whose relationship ended in the period
    orders: int
    net: float  # revenue in the period, less what was refunded in it
    refunded: float
    average: Estimate  # net revenue of an order
    frequency: Estimate  # orders a year of relationship
    length: Estimate  # years
    value: Estimate


@dataclasses.dataclass(frozen=True, kw_only=True)
class Value(Answer):
    name = "value"
    says = (
        N_("Lifetime value = average purchase x purchases a year x length of the relationship in years x margin."),
        N_(
            "A relationship begins with the first purchase and has ended when no purchase has followed for the time of "
            "silence; only the time that lies in the period counts."
        ),
        N_("Average purchase = revenue of the period, net of refunds, / purchases whose value is known."),
        N_("Purchases a year = purchases in the period / years of relationship in the period, of all customers."),
        N_(
            "Length = years of relationship / relationships that ended; those still going count with their time so "
            "far. It takes the chance to leave to be the same at every age."
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
            N_("average purchase"), N_("purchases a year"), N_("length in years"), N_("lifetime value"),
            N_("ended relationships"),
        )  # fmt: skip
        write = money(reader, self.currency)

        def number(value: float) -> str:
            return reader.number(value, 2)

        rows = tuple(
            (
                words(r.group.title(reader), r.group.name),
                count_cell(r.customers, reader),
                count_cell(r.orders, reader),
                Cell(write(r.net), r.net, r.bought.behind, number=True),
                estimate_cell(r.average, reader, write),
                estimate_cell(r.frequency, reader, number),
                estimate_cell(r.length, reader, number),
                estimate_cell(r.value, reader, write),
                count_cell(r.ended, reader),
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
    quiet = silence or ask.silence_of(view)
    select = functools.partial(view.select, "value")
    options = {**question.options, "by": by, "silence": silence, "credit": "last" if credit == "last" else None}

    def row(group: Group, sums: F64) -> ValueRow:
        name = group.name or "everyone"
        picked = {what: select(name, what, **options) for what in ("customers", "bought", "ended")}
        return row_of(group, sums, length, margin, picked)

    total = sums_by_group(view, question, quiet, None, credit)[0]
    if by is None:
        parts: list[tuple[Group, F64]] = []
    elif by in ask.ORIGINS:
        group, names = ask.origin_groups(view, by)
        parts = list(zip(names, sums_by_group(view, question, quiet, group, credit), strict=True))
    else:
        parts = [(g, sums_by_group(v, question, quiet, None, credit)[0]) for g, v in ask.group_views(view, by)]
    parts = sorted((p for p in parts if p[1][CUSTOMERS]), key=lambda p: -p[1][MONEY])[:limit]
    return Value(
        period=view.period, persona=view.persona, segment=view.segment,
        purchases=question.purchases, refunds=question.refunds, by=by, credit=credit, silence=quiet, margin=margin,
        currency=ask.currency_of(view), total=row(EVERYONE, total), groups=tuple(row(g, s) for g, s in parts),
        guessed=int(total[GUESSED]),
    )  # fmt: skip


def row_of(group: Group, sums: F64, length: int | None, margin: float, picked: dict[str, str]) -> ValueRow:
    """The formula from its sums; everything that cannot be told is None with its reason."""
    n, orders, valued = (int(sums[i]) for i in (CUSTOMERS, ORDERS, VALUED))
    years, ended, net = float(sums[TIME]), float(sums[ENDED]), float(sums[MONEY])
    average = Estimate(net / valued, n=valued) if valued else Estimate(None, n=0, reason=_why(orders))
    if valued:
        # orders of one customer are alike, so that customers are what is sampled
        average = _with_interval(average, _log_variance(sums, MONEY, ORDERS) if orders == valued else None)
    frequency = Estimate(None, n=n, reason=NOBODY)
    if years:
        frequency = _with_interval(Estimate(orders / years, n=n), _log_variance(sums, ORDERS, TIME))
    if length is not None:
        lasting = Estimate(length / YEAR, n=None)
    elif not ended:
        lasting = Estimate(None, n=0, reason=NONE_ENDED if n else NOBODY)
    else:
        reason = FEW_ENDED if ended < ENOUGH else None
        lasting = _with_interval(
            Estimate(years / ended, n=int(ended), reason=reason, behind=picked["ended"]),
            _log_variance(sums, TIME, ENDED),
        )
    return ValueRow(
        group, Count(n, picked["customers"]), Count(int(sums[BOUGHT]), picked["bought"]),
        Count(int(ended), picked["ended"]), orders, net, float(sums[REFUNDED]), average, frequency, lasting,
        _value(average, frequency, lasting, sums, length is not None, margin),
    )  # fmt: skip


def _value(average: Estimate, frequency: Estimate, length: Estimate, sums: F64, given: bool, margin: float) -> Estimate:
    for part in (average, frequency, length):
        if part.value is None:
            return Estimate(None, n=int(sums[CUSTOMERS]), reason=part.reason)
    assert average.value is not None
    assert frequency.value is not None
    assert length.value is not None
    found = average.value * frequency.value * length.value * margin
    # average x frequency = money / time where every order's value is known; the length takes the time out again
    spread = _log_variance(sums, MONEY, TIME if given else ENDED)
    return _with_interval(Estimate(found, n=int(sums[CUSTOMERS]), reason=length.reason), spread)


def _with_interval(estimate: Estimate, variance: float | None) -> Estimate:
    """95 % on the logarithm, which keeps the ends above 0."""
    if variance is None or estimate.value is None or estimate.value <= 0:
        return estimate
    half = math.exp(Z95 * math.sqrt(variance))
    return dataclasses.replace(estimate, low=estimate.value / half, high=estimate.value * half)


_SQUARES = {MONEY: MONEY_2, TIME: TIME_2, ORDERS: ORDERS_2, ENDED: ENDED}
_PRODUCTS = {
    (MONEY, TIME): MONEY_TIME, (MONEY, ENDED): MONEY_ENDED, (ORDERS, TIME): ORDERS_TIME, (TIME, ENDED): ENDED_TIME,
    (MONEY, ORDERS): MONEY_ORDERS,
}  # fmt: skip


def _log_variance(sums: F64, above: int, below: int) -> float | None:
    """The variance of the logarithm of a ratio of two sums over customers, by the delta method; None for too few."""
    n = float(sums[CUSTOMERS])
    if n < 2 or sums[above] <= 0 or sums[below] <= 0:
        return None
    up, down = float(sums[above]), float(sums[below])
    # sum over customers of (x / X - y / Y)^2
    spread = sums[_SQUARES[above]] / up**2 + sums[_SQUARES[below]] / down**2
    spread -= 2 * sums[_PRODUCTS[above, below]] / (up * down)
    return max(0.0, float(spread)) * n / (n - 1)


def _why(orders: int) -> str:
    return ask.NO_VALUE if orders else NOBODY


def sums_by_group(view: View, question: Buying, silence: int, group: I64 | None, credit: str) -> F64:
    """float64[groups, 17]: the partial sums of each group; one group without ``group``."""
    count = 1 if group is None else int(group.max(initial=0)) + 1
    work = functools.partial(_partial, question, view.start, view.end, silence, group, credit == "last", count)
    return view.sum(work, np.zeros((count, WIDTH)))


def relationships(rows: F64, start: int, end: int, silence: int) -> tuple[F64, npt.NDArray[np.bool_]]:
    """float64[C] years of each customer's relationship within [start, end), and whether it ended in it."""
    first, last = rows[:, kernel.FIRST], rows[:, kernel.LAST]
    until = last + silence
    there = (first >= 0) & (first < end) & (until > start)
    years = np.where(there, np.minimum(until, end) - np.maximum(first, start), 0.0) / YEAR
    return years, there & (until < end)


def _partial(
    question: Buying, start: int, end: int, silence: int, group: I64 | None, latest: bool, count: int, bucket: Columns
) -> F64:
    rows = question.rows(bucket, start, end)
    years, ended = relationships(rows, start, end, silence)
    there = np.flatnonzero(years > 0)
    rows, years, over = rows[there], years[there], ended[there].astype(np.float64)
    orders, cash = rows[:, kernel.ORDERS], rows[:, kernel.MONEY]
    columns = (
        np.ones(len(there)), orders > 0, orders, rows[:, kernel.VALUED], cash, rows[:, kernel.REFUNDED], years, over,
        rows[:, kernel.GUESSED], cash**2, years**2, cash * years, cash * over, orders**2, orders * years, years * over,
        cash * orders,
    )  # fmt: skip
    if group is None:
        place = np.zeros(len(there), np.int64)
    else:
        first = np.full(len(bucket.skip), -1.0)
        first[there] = rows[:, kernel.FIRST]
        place = ask.group_of_customers(group, latest, first, bucket)[there]
    return np.stack([np.bincount(place, c, count) for c in columns], axis=1).astype(np.float64)


def members(view: View, selector: Selector) -> list[Mask]:
    """bool[C] a bucket: who stands behind a number of the formula."""
    question = ask.buying_of(view, selector)
    by, wanted = selector.option("by"), selector.name
    silence = int(selector.option("silence") or ask.silence_of(view))
    if by in ("persona", "segment") and wanted != "everyone":
        groups = ask.group_views(view, by)
        place = known(wanted, [str(g.name) for g, _ in groups], N_("There is no group {name!r}.{meant}"))
        view, group, chosen = groups[place][1], None, 0
    elif by in ask.ORIGINS and wanted != "everyone":
        group, names = ask.origin_groups(view, str(by))
        chosen = known(wanted, [str(g.name) for g in names], N_("There is no group {name!r}.{meant}"))
    else:
        group, chosen = None, 0
    latest = selector.option("credit") == "last"
    return view.map(
        functools.partial(_members, question, view.start, view.end, silence, group, latest, chosen, selector.what)
    )


def _members(
    question: Buying, start: int, end: int, silence: int, group: I64 | None, latest: bool, chosen: int, what: str,
    bucket: Columns,
) -> Mask:  # fmt: skip
    rows = question.rows(bucket, start, end)
    years, ended = relationships(rows, start, end, silence)
    found = years > 0
    if group is not None:
        first = np.where(found, rows[:, kernel.FIRST], -1.0)
        found &= ask.group_of_customers(group, latest, first, bucket) == chosen
    if what == "bought":
        found &= rows[:, kernel.ORDERS] > 0
    elif what == "ended":
        found &= ended
    elif what == "going":
        found &= ~ended
    return np.asarray(found)
