"""The customers that were won, and what they have paid by age: sums over buckets that sources and months share."""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np
import numpy.typing as npt

from polku.errors import MeasureError
from polku.kernels import purchases as kernel
from polku.kernels.columns import Columns
from polku.language import N_
from polku.measures.acquisition.costs import NO_COSTS_HERE, NOBODY_WON, months_of
from polku.measures.result import ENOUGH, Estimate
from polku.measures.value import buying as ask
from polku.measures.value.buying import Buying
from polku.measures.view import Mask, View

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
NOT_YET = N_("not paid back by those who are old enough")
FEW = N_("few customers, so it is rough")
ALIKE = N_("everyone has paid the same, so there is no interval")
NO_SPENDING = N_("nothing was spent")


@dataclasses.dataclass(frozen=True, eq=False)
class Won:
    """Sums by group (first axis) and step of age (second).

    ``customers`` int64[G] were won, ``priced`` int64[G] of them with a purchase whose value is known. ``mature``
    int64[G, K] have lived through step k; ``step`` float64[G, K] is what these have paid in it, ``paid`` up to its end,
    ``squares`` the sum of its squares.
    """

    customers: I64
    priced: I64
    mature: I64
    step: F64
    paid: F64
    squares: F64

    def __add__(self, other: Won) -> Won:
        return Won(*(getattr(self, f.name) + getattr(other, f.name) for f in dataclasses.fields(self)))

    def of(self, groups: I64 | list[int]) -> Won:
        """The sums of some groups together, as one group."""
        return Won(*(getattr(self, f.name)[groups].sum(axis=0, keepdims=True) for f in dataclasses.fields(self)))

    def mean(self, group: int, step: int, margin: float) -> Estimate:
        """What a customer has paid by the end of ``step``, times ``margin``.

        The means of the steps are added up, each over all who have lived through that step, so that the young ones
        count for as far as they have come (the chain-ladder idea of reserving; T. Mack, ASTIN Bulletin 23, 1993). The
        95 % interval is that of the mean over those who have lived through all of it, which is wider.
        """
        n = int(self.mature[group, step])
        if not n:
            return Estimate(None, n=0, reason=N_("nobody is old enough yet"))
        if not self.priced[group]:
            return Estimate(None, n=n, reason=ask.NO_VALUE)
        steps = slice(0, step + 1)
        value = float((self.step[group, steps] / self.mature[group, steps]).sum()) * margin
        if n < 2:
            return Estimate(value, n=n, reason=FEW)
        mean = float(self.paid[group, step]) / n
        spread = max(0.0, float(self.squares[group, step]) / n - mean**2) * n / (n - 1)
        if spread <= 1e-12 * mean**2:
            return Estimate(value, n=n, reason=FEW if n < ENOUGH else ALIKE)
        half = ask.Z95 * math.sqrt(spread / n) * margin
        return Estimate(value, value - half, value + half, n, FEW if n < ENOUGH else None)


def nobody(groups: int, steps: int) -> Won:
    sums = (np.zeros((groups, steps)) for _ in range(3))
    customers, priced = np.zeros(groups, np.int64), np.zeros(groups, np.int64)
    return Won(customers, priced, np.zeros((groups, steps), np.int64), *sums)


def won_by_origin(
    view: View, question: Buying, span: tuple[int, int], group: I64, latest: bool, every: int, steps: int
) -> Won:
    """Customers whose first purchase lies in ``span`` (seconds), by the group of their origin; ``every`` in seconds."""
    count = int(group.max(initial=0)) + 1
    work = functools.partial(_by_origin, question, span, view.as_of, group, latest, every, steps, count)
    return view.sum(work, nobody(count, steps))


def won_by_month(
    view: View, question: Buying, span: tuple[int, int], only: tuple[I64, int] | None, latest: bool, every: int,
    steps: int, months: tuple[int, int],
) -> Won:  # fmt: skip
    """The same by the month of the first purchase, ``months`` (first, how many); ``only`` (group of each origin, the
    one that is meant) leaves out others.
    """
    work = functools.partial(_by_month, question, span, view.as_of, only, latest, every, steps, months)
    return view.sum(work, nobody(months[1], steps))


def first_purchases(question: Buying, span: tuple[int, int], until: int, bucket: Columns) -> tuple[F64, F64, Mask]:
    """Seconds of the first purchase, -1 where it lies outside the span; its local day; and whether the value of any
    purchase is known.
    """
    rows = question.rows(bucket, 0, until)
    first = rows[:, kernel.FIRST]
    inside = (first >= span[0]) & (first < span[1])
    return np.where(inside, first, -1.0), rows[:, kernel.FIRST_DAY], rows[:, kernel.VALUED] > 0


def _by_origin(
    question: Buying, span: tuple[int, int], as_of: int, group: I64, latest: bool, every: int, steps: int, count: int,
    bucket: Columns,
) -> Won:  # fmt: skip
    first, _, priced = first_purchases(question, span, as_of + 1, bucket)
    place = ask.group_of_customers(group, latest, first, bucket)
    return _sums(question, first, priced, place, as_of, every, steps, count, bucket)


def _by_month(
    question: Buying, span: tuple[int, int], as_of: int, only: tuple[I64, int] | None, latest: bool, every: int,
    steps: int, months: tuple[int, int], bucket: Columns,
) -> Won:  # fmt: skip
    first, day, priced = first_purchases(question, span, as_of + 1, bucket)
    if only is not None:
        first = np.where(ask.group_of_customers(only[0], latest, first, bucket) == only[1], first, -1.0)
    place = np.where(first >= 0, months_of(day.astype(np.int64)) - months[0], 0)
    return _sums(question, first, priced, place, as_of, every, steps, months[1], bucket)


def _sums(
    question: Buying, first: F64, priced: Mask, place: I64, as_of: int, every: int, steps: int, count: int,
    bucket: Columns,
) -> Won:  # fmt: skip
    paid = kernel.money_by_age(bucket, question.buys, question.gives_back, first, every, steps, as_of + 1)
    there = np.flatnonzero(first >= 0)
    step = paid[there]
    old = first[there][:, None] + every * np.arange(1, steps + 1) <= as_of + 1
    total = np.where(old, np.cumsum(step, axis=1), 0.0)
    where = place[there]
    found = nobody(count, steps)
    np.add.at(found.customers, where, 1)
    np.add.at(found.priced, where, priced[there])
    np.add.at(found.mature, where, old)
    np.add.at(found.step, where, np.where(old, step, 0.0))
    np.add.at(found.paid, where, total)
    np.add.at(found.squares, where, total**2)
    return found


# ---- figures


def steps_of(every: int, within: int) -> int:
    """How many steps of age there are. Raises MeasureError when there is none."""
    if within < every:
        raise MeasureError(N_("`within` is shorter than one step of age (`every`)."))
    return within // every


def cost_of_a_customer(spent: float | None, customers: int, reason: str = NO_COSTS_HERE) -> Estimate:
    """Spent / customers won, with the exact 95 % interval of a Poisson count (F. Garwood, Biometrika 28, 1936): what
    was spent is known, how many come for it is chance.

    >>> cost_of_a_customer(1000.0, 20).value
    50.0
    """
    if spent is None:
        return Estimate(None, n=customers, reason=reason)
    if not customers:
        return Estimate(None, n=0, reason=NOBODY_WON)
    from scipy.stats import chi2

    most = float(chi2.ppf(0.975, 2 * customers + 2)) / 2
    least = float(chi2.ppf(0.025, 2 * customers)) / 2
    return Estimate(
        spent / customers, spent / most, spent / least, customers, FEW if customers < ENOUGH else None
    )  # fmt: skip


def value_to_cost(value: Estimate, cost: Estimate) -> Estimate:
    """Lifetime value / cost of a customer; the interval takes the two to err apart, on the logarithm."""
    if cost.value is None or value.value is None:
        return Estimate(None, n=cost.n, reason=cost.reason if cost.value is None else value.reason)
    if cost.value <= 0:
        return Estimate(None, n=cost.n, reason=NO_SPENDING)
    ratio = value.value / cost.value
    spreads = [_log_spread(e) for e in (value, cost)]
    reason = value.reason or cost.reason
    if ratio <= 0 or any(s is None for s in spreads):
        return Estimate(ratio, n=cost.n, reason=reason)
    half = math.exp(math.hypot(*(s for s in spreads if s is not None)))
    return Estimate(ratio, ratio / half, ratio * half, cost.n, reason)


def _log_spread(estimate: Estimate) -> float | None:
    if estimate.low is None or estimate.high is None or estimate.low <= 0:
        return None
    return math.log(estimate.high / estimate.low) / 2


def payback_time(won: Won, group: int, cost: Estimate, every: int, margin: float) -> Estimate:
    """Seconds until what a customer has paid, times ``margin``, has reached the cost of one: the end of the first step
    of age at which it has, over those who have lived through it.

    ``low`` and ``high`` are where the ends of the interval of the cost are reached; ``high`` is None when it is not.
    """
    if cost.value is None:
        return Estimate(None, n=cost.n, reason=cost.reason)
    if cost.value <= 0:
        return Estimate(None, n=cost.n, reason=NO_SPENDING)

    def reached(amount: float) -> int | None:
        for step in range(won.mature.shape[1]):
            mean = won.mean(group, step, margin).value
            if mean is None:
                return None
            if mean >= amount:
                return step
        return None

    step = reached(cost.value)
    if step is None:
        oldest = int(won.mature[group, 0])
        if oldest and not won.priced[group]:
            return Estimate(None, n=oldest, reason=ask.NO_VALUE)
        return Estimate(None, n=oldest, reason=NOT_YET if oldest else N_("nobody is old enough yet"))
    low, high = (None if end is None else reached(end) for end in (cost.low, cost.high))
    n = int(won.mature[group, step])
    return Estimate(
        float((step + 1) * every), None if low is None or high is None else float((low + 1) * every),
        None if high is None else float((high + 1) * every), n, FEW if n < ENOUGH else None,
    )  # fmt: skip
