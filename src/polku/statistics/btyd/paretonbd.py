"""Pareto/NBD: customers buy at a rate of their own, and leave at a moment of their own, seen by nobody.

D. C. Schmittlein, D. G. Morrison and R. Colombo, Counting your customers: who are they and what will they do next?,
Management Science 33 (1987); likelihood and expectations as in P. S. Fader and B. G. S. Hardie, A note on deriving the
Pareto/NBD model and related expressions (2005).
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from polku.statistics.btyd.fitting import Fit, NoFit, Objective, fit_model, nothing_to_fit
from polku.statistics.btyd.histories import Histories

F64 = npt.NDArray[np.float64]
POINTS = 16
FIT_POINTS, FALLEN = 24, 40.0
#: More distinct histories than this are fitted by a sample of this many: each costs two hypergeometric functions.
MOST = 20_000
ROUGH = 2_000
#: In logarithms of (r, alpha, s, beta), times counted in the mean age.
STARTS = ((-0.5, -1.5, -0.5, -1.0), (0.5, 0.0, 0.0, 0.5), (-1.0, -2.5, -1.5, -2.0))


@dataclasses.dataclass(frozen=True, slots=True)
class ParetoNBD:
    """Rates of buying ~ Gamma(``r``, ``alpha``), of leaving ~ Gamma(``s``, ``beta``); alpha and beta are times."""

    r: float
    alpha: float
    s: float
    beta: float

    name: ClassVar[str] = "Pareto/NBD"

    def log_likelihood(self, rows: Histories) -> F64:
        """float64[n] of one customer of each row.

        L = Gamma(r + x) alpha^r beta^s / Gamma(r) x (stayed + left), with stayed = (alpha + T)^-(r + x) (beta + T)^-s
        and left = s times the integral of (alpha + y)^-(r + x) (beta + y)^-(s + 1) over y from t_x to T.
        """
        stayed, left = self._parts(rows)
        return np.asarray(self._scale(rows) + np.logaddexp(stayed, left))

    def alive(self, rows: Histories) -> F64:
        """float64[n]: the probability of not having left.

        >>> from polku.statistics.btyd.histories import histories
        >>> one, _ = histories([26], [30.86], [31])
        >>> ParetoNBD(0.553, 10.58, 0.606, 11.67).alive(one).round(3).tolist()
        [0.998]
        """
        from scipy.special import expit

        stayed, left = self._parts(rows)
        return np.asarray(expit(stayed - left))

    def expected(self, rows: Histories, time: float, rate: float = 0.0) -> F64:
        """float64[n]: purchases expected in the next ``time``, discounted at ``rate`` (continuous, per unit of time).

        Of one who is alive the rate of purchases a time u ahead is (r + x) / (alpha + T) x
        ((beta + T) / (beta + T + u))^s.
        """
        if time <= 0:
            return np.zeros(len(rows))
        scale = self.beta + rows.age
        speed = (self.r + rows.frequency) / (self.alpha + rows.age)
        return np.asarray(self.alive(rows) * speed * _lasting(scale, self.s, time, rate))

    def expected_new(self, time: float) -> float:
        """Repeat purchases expected of a new customer in the ``time`` after the first purchase."""
        if time <= 0:
            return 0.0
        return float(self.r / self.alpha * _lasting(np.array([self.beta]), self.s, time, 0.0)[0])

    def _scale(self, rows: Histories) -> F64:
        from scipy.special import gammaln

        levels, place = rows.levels
        shared = self.r * np.log(self.alpha) + self.s * np.log(self.beta) - gammaln(self.r)
        return np.asarray((gammaln(self.r + levels) + shared)[place])

    def _parts(self, rows: Histories) -> tuple[F64, F64]:
        """The logarithms of ``stayed`` and ``left``.

        Euler's integral makes ``left`` a difference of two hypergeometric functions, written about the larger of alpha
        and beta so that their argument lies between 0 and 1. Where they overflow (very large parameters, which the data
        hardly hold) the integral is taken by Gauss and Legendre.
        """
        k = self.r + rows.frequency.astype(np.float64)
        stayed = -k * np.log(self.alpha + rows.age) - self.s * np.log(self.beta + rows.age)
        whole = k + self.s
        with np.errstate(divide="ignore", invalid="ignore"):
            since, until = self._tail(rows.recency, k), self._tail(rows.age, k)
            # nobody has left in no time: where the last purchase is at the end of watching, the difference is 0
            left = since + np.log(-np.expm1(np.minimum(until - since, 0.0))) + np.log(self.s / whole)
        watched = rows.recency < rows.age
        lost = watched & ~np.isfinite(left)
        if lost.any():
            nodes, parts = np.polynomial.legendre.leggauss(FIT_POINTS)
            smaller = min(self.alpha, self.beta)
            reach, cy = _points(k[lost], self.s, self.alpha, self.beta, rows.recency[lost], rows.age[lost], nodes)
            ay, by = np.log(cy + (self.alpha - smaller)), np.log(cy + (self.beta - smaller))
            height = -k[lost, None] * ay - (self.s + 1) * by + np.log(cy)
            top = height.max(axis=1)
            left[lost] = np.log(reach / 2 * self.s * (np.exp(height - top[:, None]) * parts).sum(axis=1)) + top
        return stayed, np.asarray(np.where(watched, left, -np.inf))

    def _tail(self, times: F64, k: F64) -> F64:
        """The logarithm of the integral from each time to infinity, but for the factor s / (r + s + x)."""
        from scipy.special import hyp2f1

        whole = k + self.s
        larger = max(self.alpha, self.beta)
        other = self.s + 1 if self.alpha >= self.beta else k
        argument = abs(self.alpha - self.beta) / (larger + times)
        return np.asarray(np.log(hyp2f1(whole, other, whole + 1, argument)) - whole * np.log(larger + times))


def _points(k: F64, s: float, alpha: float, beta: float, recency: F64, age: F64, nodes: F64) -> tuple[F64, F64]:
    """How far v is integrated over, float64[n], and c + y at the ``nodes``, float64[n, nodes], with
    y = (c + t_x) e^v - c and c the smaller of alpha and beta.
    """
    since = min(alpha, beta) + recency
    fall = k * since / (alpha + recency) + (s + 1) * since / (beta + recency) - 1
    reach = np.minimum(np.log1p((age - recency) / since), FALLEN / np.maximum(fall, 1e-9))
    return reach, since[:, None] * np.exp(reach[:, None] * (nodes + 1) / 2)


def _lasting(scale: F64, s: float, time: float, rate: float) -> F64:
    """The integral of (scale / (scale + u))^s e^(-rate u) over u from 0 to ``time``, by Gauss and Legendre."""
    nodes, weights = np.polynomial.legendre.leggauss(POINTS)
    whole = np.log1p(time / scale)
    total = np.zeros(len(scale))
    for node, weight in zip(nodes, weights, strict=True):
        v = whole * (node + 1) / 2
        u = scale * np.expm1(v)
        total += weight / 2 * whole * scale * np.exp((1 - s) * v - rate * u)
    return total


def fit_paretonbd(rows: Histories) -> Fit[ParetoNBD] | NoFit:
    """Fit by maximum likelihood. ``alpha`` and ``beta`` come out in the unit of the rows' times.

    Of more than 20,000 distinct histories a sample of so many is fitted (evenly spaced, so the same each time).
    """
    if (nothing := nothing_to_fit(rows)) is not None:
        return nothing
    drawn = rows.sample(MOST)
    unit = float(drawn.customers @ drawn.age) / drawn.total
    near, held = drawn.scaled(unit), rows.total if drawn is rows else float(MOST)

    rough = _objective(near.sample(ROUGH)) if len(near) > ROUGH else None
    found = fit_model(
        ParetoNBD, _objective(near), STARTS, held, rough=rough, times=("alpha", "beta"), unit=unit
    )  # fmt: skip
    if isinstance(found, NoFit):
        return found
    likelihood = float(rows.customers @ found.model.log_likelihood(rows))
    return dataclasses.replace(found, log_likelihood=likelihood, customers=rows.total)


def _objective(rows: Histories) -> Objective:
    """Minus the mean log-likelihood and its slope.

    Here the integral of ``left`` is taken by Gauss and Legendre, whose points give the slope too and cost a fiftieth
    of hypergeometric functions and their differences: over v, with y = (c + t_x) e^v - c and c the smaller of alpha and
    beta, in which the integrand is smooth, up to where it has fallen by e^-40.
    """
    from scipy.special import gammaln, psi

    levels, place = rows.levels
    x, weight = rows.frequency.astype(np.float64), rows.customers / rows.total
    each = np.bincount(place, weight, len(levels))
    nodes, parts = np.polynomial.legendre.leggauss(FIT_POINTS)
    watched = rows.recency < rows.age

    def objective(point: F64) -> tuple[float, F64]:
        r, alpha, s, beta = np.exp(point).tolist()
        k, c = r + x, min(alpha, beta)
        log_a, log_b = np.log(alpha + rows.age), np.log(beta + rows.age)
        stayed = -k * log_a - s * log_b
        reach, cy = _points(k, s, alpha, beta, rows.recency, rows.age, nodes)
        ay, by = cy + (alpha - c), cy + (beta - c)
        log_ay, log_by = np.log(ay), np.log(by)
        height = -k[:, None] * log_ay - (s + 1) * log_by + np.log(cy)
        top = height.max(axis=1)
        share = np.exp(height - top[:, None]) * parts
        sum_ = share.sum(axis=1)
        with np.errstate(divide="ignore"):
            left = np.log(reach / 2 * sum_ * s) + top
        left = np.where(watched, left, -np.inf)
        value = each @ gammaln(r + levels) - gammaln(r) + r * np.log(alpha) + s * np.log(beta)
        value += weight @ np.logaddexp(stayed, left)
        gone = np.exp(left - np.logaddexp(stayed, left)) * weight
        here = weight - gone
        share *= (gone / sum_)[:, None]
        slope = np.array(
            [
                r * (each @ psi(r + levels) - psi(r) + np.log(alpha) - here @ log_a - (share * log_ay).sum()),
                r - alpha * (here @ (k / (alpha + rows.age)) + (k[:, None] * share / ay).sum()),
                gone.sum() + s * (np.log(beta) - here @ log_b - (share * log_by).sum()),
                s - beta * (s * (here @ (1 / (beta + rows.age))) + (s + 1) * (share / by).sum()),
            ]
        )
        return float(-value), -slope

    return objective
