"""Shifted beta-geometric: how long subscribers stay when each may leave at every renewal, and people differ.

At each renewal a subscriber leaves with probability theta; theta differs between subscribers as Beta(alpha, beta). The
retention rate then rises with age by itself, because those who leave easily are gone.

P. S. Fader and B. G. S. Hardie, How to project customer retention, Journal of Interactive Marketing 21 (2007); the
value of a subscriber from the same authors' Customer-base valuation in a contractual setting, Marketing Science 29
(2010).
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from polku.language import N_
from polku.statistics.btyd.fitting import Fit, NoFit, fit_model

F64 = npt.NDArray[np.float64]
STARTS = ((0.0, 0.0), (-1.0, 1.0), (1.0, 2.0))


@dataclasses.dataclass(frozen=True, slots=True)
class ShiftedBetaGeometric:
    """Beta(``alpha``, ``beta``) over the chance of leaving at a renewal."""

    alpha: float
    beta: float

    def survival(self, periods: Any) -> F64:
        """float64 like ``periods`` (whole numbers from 0): the share still subscribed after so many renewals.

        S(t) = B(alpha, beta + t) / B(alpha, beta)

        >>> ShiftedBetaGeometric(1.0, 1.0).survival([0, 1, 3]).round(6).tolist()
        [1.0, 0.5, 0.25]
        """
        from scipy.special import betaln

        t = np.asarray(periods, np.float64)
        return np.asarray(np.exp(betaln(self.alpha, self.beta + t) - betaln(self.alpha, self.beta)))

    def retention(self, periods: Any) -> F64:
        """The share of those subscribed after ``periods`` - 1 renewals who renew once more; from 1.

        r(t) = (beta + t - 1) / (alpha + beta + t - 1)
        """
        t = np.asarray(periods, np.float64)
        return np.asarray((self.beta + t - 1) / (self.alpha + self.beta + t - 1))

    def remaining(self, renewals: int, discount: float = 0.0) -> float | None:
        """Payments still expected of one who has renewed ``renewals`` times (0: a new subscriber who has paid once),
        each discounted by ``discount`` a period from now, the next one falling due at once.

        DERL = (beta + n) / (alpha + beta + n) x 2F1(1, beta + n + 1; alpha + beta + n + 1; 1 / (1 + d)), with n the
        renewals so far. None where it has no end: without a discount and with alpha up to 1.

        >>> ShiftedBetaGeometric(2.0, 3.0).remaining(0)
        3.0
        """
        from scipy.special import hyp2f1

        n = float(renewals)
        if discount == 0.0:
            return (self.beta + n) / (self.alpha - 1) if self.alpha > 1 else None
        first = (self.beta + n) / (self.alpha + self.beta + n)
        return float(first * hyp2f1(1.0, self.beta + n + 1, self.alpha + self.beta + n + 1, 1 / (1 + discount)))


def fit_sbg(lost: Any, still: Any) -> Fit[ShiftedBetaGeometric] | NoFit:
    """Fit by maximum likelihood to one cohort or several together.

    ``lost`` float64[n]: how many left at renewal 1, 2, ... n. ``still`` float64[n]: how many have come through renewal
    1, 2, ... n and were not watched further (one cohort: zeros, and in the last place those who remain). Raises
    ValueError for negative numbers or different lengths.

    The paper's "High End" cohort, per 1,000, over seven years:

    >>> fit = fit_sbg([131, 126, 90, 60, 42, 34, 26], [0, 0, 0, 0, 0, 0, 491])
    >>> round(fit.model.alpha, 3), round(fit.model.beta, 3)
    (0.668, 3.806)
    """
    from scipy.special import betaln, psi

    left, stayed = np.asarray(lost, np.float64), np.asarray(still, np.float64)
    if left.shape != stayed.shape or left.ndim != 1:
        raise ValueError("lost and still have one number each for every renewal")
    if not (np.isfinite(left).all() and np.isfinite(stayed).all()) or (left < 0).any() or (stayed < 0).any():
        raise ValueError("numbers of subscribers are never negative")
    total = float(left.sum() + stayed.sum())
    if not left.sum():
        return NoFit(N_("nobody has left yet"))
    if not (stayed.sum() + left[1:].sum()):
        return NoFit(N_("nobody has renewed yet"))
    t = np.arange(1.0, len(left) + 1)

    def objective(point: F64) -> tuple[float, F64]:
        a, b = np.exp(point)
        whole = betaln(a, b)
        value = left @ (betaln(a + 1, b + t - 1) - whole) + stayed @ (betaln(a, b + t) - whole)
        base_a, base_b = psi(a) - psi(a + b), psi(b) - psi(a + b)
        by_a = left @ (psi(a + 1) - psi(a + b + t) - base_a) + stayed @ (psi(a) - psi(a + b + t) - base_a)
        by_b = left @ (psi(b + t - 1) - psi(a + b + t) - base_b) + stayed @ (psi(b + t) - psi(a + b + t) - base_b)
        return float(-value / total), -np.array([by_a * a, by_b * b]) / total

    return fit_model(ShiftedBetaGeometric, objective, STARTS, total)
