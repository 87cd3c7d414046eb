"""From trails to a fitted model and what it tells of every customer: the data, the fit, the hold-out check."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from polku.kernels import purchases as kernel
from polku.kernels.columns import Columns
from polku.language import N_
from polku.measures.result import Estimate
from polku.measures.value.buying import Buying
from polku.measures.view import View
from polku.statistics.btyd.fitting import Fit, NoFit
from polku.statistics.btyd.gammagamma import GammaGamma, fit_gammagamma
from polku.statistics.btyd.histories import Histories, histories

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Z95 = 1.959963984540054
#: Days of a year, as a yearly discount is spread over time.
YEAR = 365.25
#: Fewer customers than this, or fewer who came back, are not modelled: the fit would be noise.
LEAST, LEAST_AGAIN = 50, 10
#: Intervals are worked out over at most so many distinct histories; figures themselves over all.
SPREAD_OVER = 4000
#: A hold-out check that misses by more than this share, of so many purchases at least, is a caution at every forecast.
OFF, ENOUGH = 0.25, 30
#: The hold-out check tells those with so many repeat purchases, or more, together.
MOST_SHOWN = 7


def _models() -> Mapping[str, Callable[[Histories], Fit[Any] | NoFit]]:
    from polku.statistics.btyd.bgbb import fit_bgbb
    from polku.statistics.btyd.bgnbd import fit_bgnbd
    from polku.statistics.btyd.mbgnbd import fit_mbgnbd
    from polku.statistics.btyd.paretonbd import fit_paretonbd

    return {"bg_nbd": fit_bgnbd, "mbg_nbd": fit_mbgnbd, "pareto_nbd": fit_paretonbd, "bg_bb": fit_bgbb}


@dataclasses.dataclass(frozen=True, eq=False)
class Watched:
    """Every customer who first bought in the period, watched up to a moment.

    One entry a customer, in the order of buckets and customers. ``there`` bool[C] a bucket says who they are. Times are
    days, or occasions of ``every`` days. ``mean`` float64[n] is the mean money of the repeat occasions, NaN where there
    are none or their value is not known.
    """

    customer: I64
    frequency: I64
    recency: F64
    age: F64
    mean: F64
    there: tuple[npt.NDArray[np.bool_], ...]
    unit: int  # days of one unit of time
    guessed: int
    net: float

    @functools.cached_property
    def rows(self) -> tuple[Histories, I64]:
        return histories(self.frequency, self.recency, self.age)


def watch(view: View, question: Buying, until: int, every: int | None = None) -> Watched:
    """Those whose first purchase lies in the view's period, with their purchases before ``until`` (seconds).

    ``every`` are the days of one occasion (BG/BB); without it time is counted in days.
    """
    unit = every or 1
    parts = view.map(functools.partial(_watched, question, view.start, min(view.end, until), until, unit))
    keys = [b.customer[p[0]] for b, p in zip(view.buckets, parts, strict=True)]
    table = np.concatenate([p[1] for p in parts] or [np.empty((0, kernel.WIDTH))])
    again = table[:, kernel.OCCASIONS]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where((again > 0) & (table[:, kernel.VALUED] > 0), table[:, kernel.AGAIN_MONEY] / again, np.nan)
    return Watched(
        np.concatenate(keys or [np.empty(0, np.int64)]), again.astype(np.int64), table[:, kernel.LAST_OCCASION],
        (question.local_day(until - 1) - table[:, kernel.FIRST_DAY]) // unit, mean, tuple(p[0] for p in parts), unit,
        int(table[:, kernel.GUESSED].sum()), float(table[:, kernel.MONEY].sum()),
    )  # fmt: skip


def _watched(
    question: Buying, start: int, end: int, until: int, unit: int, bucket: Columns
) -> tuple[npt.NDArray[np.bool_], F64]:
    rows = question.rows(bucket, 0, until, unit)
    there = (rows[:, kernel.FIRST] >= start) & (rows[:, kernel.FIRST] < end)
    return there, rows[there]


# ---- the fit


@dataclasses.dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter with its 95 % interval; ``weak`` when the data hardly hold it."""

    name: str
    value: float
    low: float | None
    high: float | None
    weak: bool


def fit_buying(watched: Watched, model: str) -> Fit[Any] | NoFit:
    """The model of how many purchases are to come. NoFit says why there is none."""
    rows, _ = watched.rows
    again = float(rows.customers[rows.frequency > 0].sum())
    if rows.total and (rows.total < LEAST or 0 < again < LEAST_AGAIN):
        return NoFit(N_("too few customers, or too few who came back, to fit a model"))
    return _models()[model](rows)


def fit_money(watched: Watched) -> tuple[Fit[GammaGamma] | NoFit, int]:
    """The model of what a purchase is worth, and how many who came back it had to leave out: refunded as a whole, or
    worth nothing.
    """
    known = ~np.isnan(watched.mean)
    fits = known & (watched.mean > 0)
    left_out = int((known & ~fits).sum())
    if fits.sum() < LEAST_AGAIN:
        return NoFit(N_("too few repeat purchases have a value to fit a model of money")), left_out
    return fit_gammagamma(watched.frequency[fits], watched.mean[fits]), left_out


def correlation(watched: Watched) -> float | None:
    """Pearson's correlation of the number of repeat purchases and their mean money, which Gamma-Gamma takes to be 0."""
    fits = ~np.isnan(watched.mean) & (watched.mean > 0)
    x, m = watched.frequency[fits], watched.mean[fits]
    if len(x) < LEAST_AGAIN or x.std() == 0 or m.std() == 0:
        return None
    return float(np.corrcoef(x, m)[0, 1])


def parameters(fit: Fit[Any]) -> tuple[Parameter, ...]:
    found = []
    for name, value in fit.parameters.items():
        low, high = fit.interval(name) or (None, None)
        weak = name in fit.weak
        found.append(Parameter(name, value, None if weak else low, None if weak else high, weak))
    return tuple(found)


# ---- what it tells


@dataclasses.dataclass(frozen=True, eq=False)
class Told:
    """Of every customer: the probability of being there still, purchases and their value within the horizon.

    ``purchases`` are plain counts; ``worth`` float64[n] is what a purchase of theirs is worth on average, ``value``
    the discounted value of all that come, both NaN where money is not known.
    """

    alive: F64
    purchases: F64
    worth: F64
    value: F64


def tell(
    watched: Watched, fit: Fit[Any], spend: Fit[GammaGamma] | None, time: float, yearly: float, margin: float
) -> Told:
    """``time`` in the watched unit; ``yearly`` is the discount."""
    rows, row_of = watched.rows
    rate = _rate(yearly, watched.unit)
    alive = fit.model.alive(rows)[row_of]
    plain = fit.model.expected(rows, time)[row_of]
    discounted = fit.model.expected(rows, time, rate)[row_of] if rate else plain
    worth = np.full(len(plain), np.nan) if spend is None else _worth(watched, spend.model)
    return Told(alive, plain, worth, discounted * worth * margin)


def _rate(yearly: float, unit: int) -> float:
    return math.log1p(yearly) / YEAR * unit


def _worth(watched: Watched, model: GammaGamma) -> F64:
    # who came back for nothing, or for what is not known, is like somebody of whom nothing is known
    known = ~np.isnan(watched.mean) & (watched.mean > 0)
    return model.expected(np.where(known, watched.frequency, 0), np.where(known, watched.mean, 0.0))


def total_purchases(watched: Watched, fit: Fit[Any], told: Told, time: float) -> Estimate:
    """All purchases expected within the horizon; the interval is that of the parameters."""
    rows, _ = watched.rows
    near = rows.sample(SPREAD_OVER)
    spread = fit.spread(lambda model: float(near.customers @ model.expected(near, time)))
    return estimate(float(told.purchases.sum()), spread, len(watched.customer), fit.no_interval)


def total_alive(watched: Watched, fit: Fit[Any], told: Told) -> Estimate:
    """How many customers are still there."""
    rows, _ = watched.rows
    near = rows.sample(SPREAD_OVER)
    spread = fit.spread(lambda model: float(near.customers @ model.alive(near)))
    return estimate(float(told.alive.sum()), spread, len(watched.customer), fit.no_interval)


def total_value(
    watched: Watched, fit: Fit[Any], spend: Fit[GammaGamma], told: Told, time: float, yearly: float
) -> Estimate:
    """The discounted value of all purchases expected; the interval is that of both models' parameters, which are
    fitted apart.
    """
    if np.isnan(told.value).any():
        return Estimate(None, n=len(watched.customer), reason=N_("what an unknown customer spends has no mean here"))
    step = max(1, -(-len(watched.customer) // SPREAD_OVER))
    some = dataclasses.replace(
        watched, customer=watched.customer[::step], frequency=watched.frequency[::step],
        recency=watched.recency[::step], age=watched.age[::step], mean=watched.mean[::step],
    )  # fmt: skip
    rows, row_of = some.rows
    rate = _rate(yearly, watched.unit)
    worth, coming = _worth(some, spend.model), fit.model.expected(rows, time, rate)[row_of]
    by_buying = fit.spread(lambda model: float(model.expected(rows, time, rate)[row_of] @ worth))
    by_money = spend.spread(lambda model: _positive(coming @ _worth(some, model)))
    spread = None if by_buying is None or by_money is None else math.hypot(by_buying, by_money)
    reason = fit.no_interval or spend.no_interval
    return estimate(float(told.value.sum()), spread, len(watched.customer), reason)


def _positive(value: float) -> float:
    return float(value) if value == value else 0.0


def estimate(value: float, spread: float | None, n: int, reason: str | None) -> Estimate:
    if spread is None or value <= 0:
        return Estimate(value, n=n, reason=reason)
    half = math.exp(Z95 * spread)
    return Estimate(value, value / half, value * half, n=n)


# ---- the hold-out check


@dataclasses.dataclass(frozen=True, slots=True)
class HeldOut:
    """Those with so many repeat purchases before the split: what was expected of them after it, and what came."""

    frequency: int  # the last one stands for so many and more
    customers: int
    expected: float  # a customer
    actual: float


@dataclasses.dataclass(frozen=True, slots=True)
class Holdout:
    """A model fitted to the time before ``split``, held against what happened after it. ``reason`` says why not."""

    split: str | None  # the local day from which purchases were kept back
    days: int  # that were kept back
    customers: int
    expected: float | None  # repeat purchases of all
    actual: int | None
    error: float | None  # mean absolute error a customer
    error_of_mean: float | None  # the same of a model that expects everyone's mean
    correlation: float | None
    rows: tuple[HeldOut, ...]
    reason: str | None = None

    @property
    def off(self) -> bool:
        """Whether the model missed all that came by more than ``OFF``, of enough purchases to say so."""
        if self.expected is None or self.actual is None or max(self.expected, self.actual) < ENOUGH:
            return False
        return abs(self.expected - self.actual) > OFF * self.actual


def hold_out(view: View, question: Buying, model: str, share: float, every: int | None) -> Holdout:
    """Fit to the first part of the time, predict the last ``share`` of it, compare.

    The time is counted from the first customer's first purchase in the period; the split is at a local midnight.
    """
    whole = watch(view, question, view.as_of + 1, every)
    none = Holdout(None, 0, 0, None, None, None, None, None, ())
    if not len(whole.customer):
        return dataclasses.replace(none, reason=N_("nobody has bought"))
    last = question.local_day(view.as_of)
    span = int(whole.age.max() * whole.unit * share) // whole.unit * whole.unit
    if span < 1 or not 0 < share < 1:
        return dataclasses.replace(none, reason=N_("there is no time to keep back"))
    split = last - span + 1
    before = watch(view, question, question.midnight(split), every)
    fit = fit_buying(before, model)
    if isinstance(fit, NoFit):
        return dataclasses.replace(none, reason=fit.reason, days=span)
    rows, row_of = before.rows
    expected = fit.model.expected(rows, span / whole.unit)[row_of]
    later = _later(whole, before)
    told = []
    for k in range(MOST_SHOWN + 1):
        some = before.frequency == k if k < MOST_SHOWN else before.frequency >= k
        if some.any():
            told.append(HeldOut(k, int(some.sum()), float(expected[some].mean()), float(later[some].mean())))
    known = later.std() > 0 and expected.std() > 0
    day = dt.date(1970, 1, 1) + dt.timedelta(days=split)
    return Holdout(
        day.isoformat(), span, len(later), float(expected.sum()),
        int(later.sum()), float(np.abs(later - expected).mean()), float(np.abs(later - later.mean()).mean()),
        float(np.corrcoef(later, expected)[0, 1]) if known else None, tuple(told),
    )  # fmt: skip


def _later(whole: Watched, before: Watched) -> F64:
    """float64[n]: repeat occasions after the split of those who were there before it."""
    order = np.argsort(whole.customer, kind="stable")
    keys = whole.customer[order]
    place = np.minimum(np.searchsorted(keys, before.customer), len(keys) - 1)
    # who gave everything back after the split has bought nothing at all, in hindsight
    all_of_them = np.where(keys[place] == before.customer, whole.frequency[order][place], 0)
    return np.asarray(np.maximum(all_of_them - before.frequency, 0), np.float64)
