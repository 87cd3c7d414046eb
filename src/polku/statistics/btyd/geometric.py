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

from polku.statistics.btyd.fitting import Fit, NoFit, Objective, fit_model, nothing_to_fit
from polku.statistics.btyd.histories import Histories

F64 = npt.NDArray[np.float64]
#: Points of Gauss and Legendre's quadrature over future time, on a logarithmic scale of it.
POINTS = 12
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
            value, slope = log_likelihood(what, r, alpha, a, b, first)
            return float(-(what.customers @ value) / what.total), -slope / what.total

        return objective

    rough = of(near.sample(ROUGH)) if len(near) > ROUGH else None
    fit = fit_model(make, of(near), STARTS, rows.total, rough=rough, times=("alpha",), unit=unit)
    return fit if isinstance(fit, NoFit) else fit.in_unit(rows.repeats, unit)


def log_likelihood(rows: Histories, r: float, alpha: float, a: float, b: float, first: bool) -> tuple[F64, F64]:
    """float64[n] of each row, and float64[4] the slope of their sum by the logarithms of r, alpha, a, b.

    L = Gamma(r + x) alpha^r / Gamma(r) x B(a, b + x) / B(a, b) x (stayed + left), with stayed = (alpha + T)^-(r + x)
    and left = a / (b + x - 1) x (alpha + t_x)^-(r + x) for x > 0 (BG/NBD); for MBG/NBD a chance to leave is met at all
    x + 1 purchases.
    """
    from scipy.special import gammaln, psi

    levels, place = rows.levels
    # purchases after each of which the customer may have left, the last one among them
    chances = levels + 1 if first else levels
    by_level = (
        gammaln(r + levels) - gammaln(r) + r * np.log(alpha)
        + gammaln(a + b) - gammaln(b) + gammaln(b + chances) - gammaln(a + b + chances)
    )  # fmt: skip
    with np.errstate(divide="ignore"):
        leaving = np.where(chances > 0, np.log(a) - np.log(np.maximum(b + chances - 1, 1e-300)), -np.inf)
    times = r + levels[place]
    stay, leave = alpha + rows.age, alpha + rows.recency
    log_stay, log_leave = np.log(stay), np.log(leave)
    gap = leaving[place] + times * (log_stay - log_leave)  # the logarithm of left / stayed
    value = by_level[place] - times * log_stay + np.logaddexp(0.0, gap)
    left = _share(gap)
    weight = rows.customers
    each = np.bincount(place, weight, len(levels))
    gone = np.bincount(place, weight * left, len(levels))
    mean_log = log_stay + left * (log_leave - log_stay)
    mean_inverse = 1 / stay + left * (1 / leave - 1 / stay)
    by_r = each @ (psi(r + levels) - psi(r) + np.log(alpha)) - weight @ mean_log
    by_alpha = each.sum() * r / alpha - weight @ (times * mean_inverse)
    shared = psi(a + b) - psi(a + b + chances)
    by_a = each @ shared + gone.sum() / a
    with np.errstate(divide="ignore", invalid="ignore"):
        odds = np.where(gone > 0, gone / np.maximum(b + chances - 1, 1e-300), 0.0)
    by_b = each @ (shared - psi(b) + psi(b + chances)) - odds.sum()
    return value, np.array([by_r * r, by_alpha * alpha, by_a * a, by_b * b])


def _share(gap: F64) -> F64:
    """e^gap / (1 + e^gap) without overflow."""
    from scipy.special import expit

    return np.asarray(expit(gap))


def alive(model: Geometric, rows: Histories, first: bool) -> F64:
    """float64[n]: the probability that a customer with this history has not left."""
    from scipy.special import expit

    x = rows.frequency.astype(np.float64)
    chances = x + 1 if first else x
    with np.errstate(divide="ignore"):
        leaving = np.where(chances > 0, np.log(model.a) - np.log(np.maximum(model.b + chances - 1, 1e-300)), -np.inf)
    gap = leaving + (model.r + x) * np.log((model.alpha + rows.age) / (model.alpha + rows.recency))
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
        speed = k / scale * hyp2f1(k + 1, model.a, model.a + model.b + untaken, -u / scale)
        total += weight / 2 * whole * (scale + u) * speed * np.exp(-rate * u)
    return total
