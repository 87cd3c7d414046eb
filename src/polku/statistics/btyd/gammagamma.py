"""Gamma-Gamma: what a purchase of each customer is worth on average, when purchases of one customer vary and customers
differ; those of whom few purchases are known are drawn towards everyone's mean.

P. S. Fader and B. G. S. Hardie, The gamma-gamma model of monetary value (2013), after M. Colombo and W. Jiang, A
stochastic RFM model, Journal of Interactive Marketing 13 (1999). It holds only where what a purchase is worth does not
go with how often one buys.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from polku.kernels.compiled import kernel
from polku.language import N_
from polku.statistics.btyd.fitting import Fit, NoFit, Objective, fit_model

F64 = npt.NDArray[np.float64]
#: In logarithms of (p, q, v), money counted in the mean.
STARTS = ((0.5, 1.0, 1.0), (1.5, 1.5, 0.5), (0.0, 0.5, 0.0))
ROUGH = 20_000


@dataclasses.dataclass(frozen=True, slots=True)
class GammaGamma:
    """Purchases ~ Gamma(``p``, nu) with nu ~ Gamma(``q``, ``v``) between customers; ``v`` is money."""

    p: float
    q: float
    v: float

    name: ClassVar[str] = "Gamma-Gamma"

    @property
    def mean(self) -> float | None:
        """What an unknown customer's purchase is worth, p v / (q - 1); None where q is up to 1 and it has no mean."""
        return self.p * self.v / (self.q - 1) if self.q > 1 else None

    def expected(self, purchases: Any, mean: Any) -> F64:
        """float64[n]: what a purchase is worth on average of a customer whose ``purchases`` (0 or more) were worth
        ``mean`` on average; NaN for 0 purchases where there is no mean.

        The note's customer with one purchase of 7.50 in CDNOW:

        >>> GammaGamma(6.25, 3.74, 15.44).expected([1, 0], [7.5, 0.0]).round(2).tolist()
        [15.95, 35.22]
        """
        x, m = np.asarray(purchases, np.float64), np.asarray(mean, np.float64)
        below = self.p * x + self.q - 1
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.where(below > 0, self.p * (self.v + x * np.where(x > 0, m, 0.0)) / below, np.nan))

    def log_likelihood(self, purchases: F64, mean: F64) -> F64:
        """float64[n] of the mean of each customer's purchases."""
        from scipy.special import gammaln

        x, m, px = purchases, mean, self.p * np.asarray(purchases, np.float64)
        fixed = gammaln(px + self.q) - gammaln(px) - gammaln(self.q) + self.q * np.log(self.v)
        return np.asarray(fixed + (px - 1) * np.log(m) + px * np.log(x) - (px + self.q) * np.log(x * m + self.v))


@kernel
def _row_sums(x, m, v):  # type: ignore[no-untyped-def]
    """Sums over rows of log (x m + v), x log (x m + v), 1 / (x m + v) and x / (x m + v)."""
    logs, logs_x, inverse, inverse_x = 0.0, 0.0, 0.0, 0.0
    for i in range(len(x)):
        whole = x[i] * m[i] + v
        log = np.log(whole)
        logs += log
        logs_x += x[i] * log
        inverse += 1 / whole
        inverse_x += x[i] / whole
    return logs, logs_x, inverse, inverse_x


def _objective(x: F64, m: F64) -> Objective:
    """Minus the mean log-likelihood and its slope by the logarithms of p, q, v."""
    from scipy.special import gammaln, psi

    levels, place = np.unique(x, return_inverse=True)
    each = np.bincount(place, minlength=len(levels)).astype(np.float64)
    log_x, n = np.log(levels), float(len(x))
    sum_log_m, sum_x_log_m = float(np.log(m).sum()), float(x @ np.log(m))

    def objective(point: F64) -> tuple[float, F64]:
        p, q, v = np.exp(point).tolist()
        logs, logs_x, inverse, inverse_x = _row_sums(x, m, v)
        px = p * levels
        value = each @ (gammaln(px + q) - gammaln(px) + px * log_x) + n * (q * np.log(v) - gammaln(q))
        value += p * sum_x_log_m - sum_log_m - p * logs_x - q * logs
        by_p = each @ (levels * (psi(px + q) - psi(px) + log_x)) + sum_x_log_m - logs_x
        by_q = each @ psi(px + q) + n * (np.log(v) - psi(q)) - logs
        by_v = n * q / v - p * inverse_x - q * inverse
        return float(-value / n), -np.array([by_p * p, by_q * q, by_v * v]) / n

    return objective


def fit_gammagamma(purchases: Any, mean: Any) -> Fit[GammaGamma] | NoFit:
    """Fit by maximum likelihood to ``mean`` float64[n] (above 0), the mean of ``purchases`` (1 or more) of each
    customer. Raises ValueError for a purchase count or a mean of 0 or less.
    """
    x, m = np.asarray(purchases, np.float64), np.asarray(mean, np.float64)
    if x.shape != m.shape or not np.isfinite(m).all() or (x < 1).any() or (m <= 0).any():
        raise ValueError("Gamma-Gamma is fitted to customers with a purchase or more and a mean above 0")
    if len(np.unique(m)) < 2:
        return NoFit(N_("there are no two customers whose purchases differ in value"))
    unit = float(m.mean())

    m_near = m / unit
    some = slice(None, None, -(-len(x) // ROUGH))
    rough = _objective(np.ascontiguousarray(x[some]), np.ascontiguousarray(m_near[some])) if len(x) > ROUGH else None
    whole = _objective(np.ascontiguousarray(x), m_near)
    fit = fit_model(GammaGamma, whole, STARTS, float(len(x)), rough=rough, times=("v",), unit=unit)
    if isinstance(fit, NoFit):
        return fit
    # a mean is a density per unit of money
    return dataclasses.replace(fit, log_likelihood=fit.log_likelihood - len(x) * float(np.log(unit)))
