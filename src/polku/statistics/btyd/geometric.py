"""What BG/NBD and MBG/NBD share: Poisson purchases at a rate that differs as Gamma(r, alpha) between customers, and a
chance to leave after a purchase that differs as Beta(a, b).

The two differ in one thing, ``first``: whether a customer may also leave right after the first purchase (MBG/NBD), or
never before a repeat purchase (BG/NBD, in which those who bought once are always alive).
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from polku.kernels.compiled import kernel
from polku.statistics.btyd.fitting import Fit, NoFit, Objective, fit_model, nothing_to_fit
from polku.statistics.btyd.histories import Histories

F64 = npt.NDArray[np.float64]
#: Points of Gauss and Legendre's quadrature over future time, on a logarithmic scale of it.
POINTS = 12
#: Points over the chance to leave, where the hypergeometric function cannot be computed.
CHANCES = 48
#: In logarithms of (r, alpha, a, b), times counted in the mean age.
STARTS = ((-0.5, -1.5, -0.5, 0.5), (0.5, 0.0, -1.0, 1.5), (-1.0, -2.5, 0.5, 1.0))
#: More distinct histories than this are first fitted by a sample of this many, and then as they are.
ROUGH = 20_000


class Geometric(Protocol):
    """The parameters of either model."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    @property
    def r(self) -> float: ...
    @property
    def alpha(self) -> float: ...
    @property
    def a(self) -> float: ...
    @property
    def b(self) -> float: ...


G = TypeVar("G", bound=Geometric)


def fit(make: type[G], rows: Histories, first: bool) -> Fit[G] | NoFit:
    """Either model by maximum likelihood, with the analytic gradient."""
    if (nothing := nothing_to_fit(rows)) is not None:
        return nothing
    unit = float(rows.customers @ rows.age) / rows.total
    near = rows.scaled(unit)

    def of(what: Histories) -> Objective:
        def objective(point: F64) -> tuple[float, F64]:
            r, alpha, a, b = np.exp(point).tolist()
            value, slope = total(what, r, alpha, a, b, first)
            return -value / what.total, -slope / what.total

        return objective

    rough = of(near.sample(ROUGH)) if len(near) > ROUGH else None
    fit = fit_model(make, of(near), STARTS, rows.total, rough=rough, times=("alpha",), unit=unit)
    return fit if isinstance(fit, NoFit) else fit.in_unit(rows.repeats, unit)


def log_likelihood(rows: Histories, r: float, alpha: float, a: float, b: float, first: bool) -> F64:
    """float64[n] of one customer of each row.

    L = Gamma(r + x) alpha^r / Gamma(r) x B(a, b + x) / B(a, b) x (stayed + left), with stayed = (alpha + T)^-(r + x)
    and left = a / (b + x - 1) x (alpha + t_x)^-(r + x) for x > 0 (BG/NBD); for MBG/NBD a chance to leave is met at all
    x + 1 purchases.
    """
    levels, place = rows.levels
    times = r + levels[place]
    log_stay = np.log(alpha + rows.age)
    gap = _leaving(levels, a, b, first)[place] + times * (log_stay - np.log(alpha + rows.recency))
    return np.asarray(_by_level(levels, r, alpha, a, b, first)[place] - times * log_stay + np.logaddexp(0.0, gap))


def total(rows: Histories, r: float, alpha: float, a: float, b: float, first: bool) -> tuple[float, F64]:
    """The sum of the same over all customers, and float64[4] its slope by the logarithms of r, alpha, a, b."""
    from scipy.special import psi

    levels, place = rows.levels
    chances = levels + 1 if first else levels
    each = rows.each
    value, log_stay, fallen, inverse, gone = _row_sums(
        place, rows.recency, rows.age, rows.customers, r + levels, _leaving(levels, a, b, first), alpha
    )
    value += each @ _by_level(levels, r, alpha, a, b, first)
    by_r = each @ (psi(r + levels) - psi(r) + np.log(alpha)) - log_stay + fallen
    by_alpha = each.sum() * r / alpha - inverse
    shared = psi(a + b) - psi(a + b + chances)
    by_a = each @ shared + gone.sum() / a
    after = np.divide(gone, b + chances - 1, out=np.zeros_like(gone), where=gone > 0)
    by_b = each @ (shared - psi(b) + psi(b + chances)) - after.sum()
    return float(value), np.array([by_r * r, by_alpha * alpha, by_a * a, by_b * b])


@kernel
def _row_sums(place, recency, age, customers, times, leaving, alpha):  # type: ignore[no-untyped-def]
    """Sums over rows, weighted by their customers: the part of the likelihood that depends on times; log (alpha + T);
    the share that left x how much the logarithm has grown since the last purchase; the slope by alpha; and float64[L]
    the share that left by level.

    One pass without temporary arrays: over a million rows they took five times as long as the arithmetic.
    """
    gone = np.zeros(len(times))
    value, log_sum, fallen_sum, inverse = 0.0, 0.0, 0.0, 0.0
    for i in range(len(place)):
        level, weight = place[i], customers[i]
        stay, leave = alpha + age[i], alpha + recency[i]
        log_stay = np.log(stay)
        fallen = log_stay - np.log(leave)
        gap = leaving[level] + times[level] * fallen  # the logarithm of left / stayed
        small = np.exp(-abs(gap))  # written so that nothing overflows
        left = weight * (1.0 if gap > 0 else small) / (1.0 + small)
        value += weight * (np.log1p(small) + max(gap, 0.0) - times[level] * log_stay)
        log_sum += weight * log_stay
        fallen_sum += left * fallen
        inverse += times[level] * (weight / stay + left * (1 / leave - 1 / stay))
        gone[level] += left
    return value, log_sum, fallen_sum, inverse, gone


def _by_level(levels: F64, r: float, alpha: float, a: float, b: float, first: bool) -> F64:
    """The part of the likelihood that depends on the frequency alone."""
    from scipy.special import gammaln

    chances = levels + 1 if first else levels
    return np.asarray(
        gammaln(r + levels) - gammaln(r) + r * np.log(alpha)
        + gammaln(a + b) - gammaln(b) + gammaln(b + chances) - gammaln(a + b + chances)
    )  # fmt: skip


def _leaving(levels: F64, a: float, b: float, first: bool) -> F64:
    """The logarithm of a / (b + n - 1), n the chances to leave that were met; minus infinity where there was none."""
    chances = levels + 1 if first else levels
    with np.errstate(divide="ignore"):
        return np.where(chances > 0, np.log(a) - np.log(np.maximum(b + chances - 1, 1e-300)), -np.inf)


def alive(model: Geometric, rows: Histories, first: bool) -> F64:
    """float64[n]: the probability that a customer with this history has not left."""
    from scipy.special import expit

    x = rows.frequency.astype(np.float64)
    gap = _leaving(x, model.a, model.b, first) + (model.r + x) * np.log(
        (model.alpha + rows.age) / (model.alpha + rows.recency)
    )
    return np.asarray(expit(-gap))


def coming(model: Geometric, rows: Histories, time: float, rate: float, first: bool) -> F64:
    """float64[n]: purchases expected in the next ``time``, each discounted at ``rate`` (continuous, per unit of time).

    Of one who is alive with k = r + x and A = alpha + T, the rate of purchases a time u ahead is
    k / A x 2F1(k + 1, a; a + b + n; -u / A), n the chances to leave that were not taken: the mean of
    k A^k / (A + p u)^(k + 1) over p ~ Beta(a, b + n). It is integrated over u on a logarithmic scale, in which it is
    smooth; unlike the closed form of the papers this holds at a = 1 too, and takes a discount.
    """
    if time <= 0:
        return np.zeros(len(rows))
    # what is ahead of one who is alive does not depend on when the last purchase was: far fewer pairs than rows
    pairs, pair_of = np.unique(np.stack([rows.frequency, rows.age]), axis=1, return_inverse=True)
    x, age = pairs
    ahead = _ahead(model, model.r + x, model.alpha + age, x + 1 if first else x, time, rate)
    return np.asarray(alive(model, rows, first) * ahead[pair_of])


def coming_new(model: Geometric, time: float, first: bool) -> float:
    """Repeat purchases expected of a new customer in the ``time`` after the first purchase."""
    if time <= 0:
        return 0.0
    one = np.ones(1)
    stayed = model.b / (model.a + model.b) if first else 1.0
    return stayed * float(_ahead(model, model.r * one, model.alpha * one, one * first, time, 0.0)[0])


def _ahead(model: Geometric, k: F64, scale: F64, untaken: F64, time: float, rate: float) -> F64:
    from scipy.special import hyp2f1

    nodes, weights = np.polynomial.legendre.leggauss(POINTS)
    whole = np.log1p(time / scale)
    total = np.zeros(len(k))
    for node, weight in zip(nodes, weights, strict=True):
        v = whole * (node + 1) / 2
        u = scale * np.expm1(v)
        # du = (scale + u) dv
        mean = hyp2f1(k + 1, model.a, model.a + model.b + untaken, -u / scale)
        # a mean over chances between 0 and 1 lies between the two; NaN does not, nor what cancellation leaves
        least = np.exp(-(k + 1) * np.log1p(u / scale))
        lost = ~((mean >= least * (1 - 1e-9)) & (mean <= 1 + 1e-9))
        if lost.any():
            mean[lost] = _mean_over_chances(model.a, model.b + untaken[lost], k[lost], (u / scale)[lost])
        speed = k / scale * mean
        total += weight / 2 * whole * (scale + u) * speed * np.exp(-rate * u)
    return total


def _mean_over_chances(a: float, b: F64, k: F64, z: F64) -> F64:
    """float64[n]: the mean of (1 + p z)^-(k + 1) over p ~ Beta(a, b), which is 2F1(k + 1, a; a + b; -z), by Gauss and
    Legendre over the quantiles of p. For a and b so large that the function cannot be computed, and p hardly differs.
    """
    from scipy.special import betaincinv

    nodes, weights = np.polynomial.legendre.leggauss(CHANCES)
    total = np.zeros(len(k))
    for node, weight in zip(nodes, weights, strict=True):
        total += weight / 2 * np.exp(-(k + 1) * np.log1p(betaincinv(a, b, (node + 1) / 2) * z))
    return total
