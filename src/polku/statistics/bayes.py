"""The Bayesian reading of an experiment: the chance that an arm is better, and what choosing wrongly would cost."""

from __future__ import annotations

import dataclasses
import math
from statistics import NormalDist

_STANDARD = NormalDist()


@dataclasses.dataclass(frozen=True, slots=True)
class Belief:
    """What is believed of an effect after the data: a normal distribution of ``mean`` and ``deviation``.

    ``chance``: that the effect is above 0. ``loss``: what is lost on average by taking the arm, should the base be
    better; ``loss_of_base``: by keeping the base, should the arm be better. Both in the unit of the effect.
    ``low`` and ``high``: the central credible interval at ``level``.
    """

    mean: float
    deviation: float
    chance: float
    loss: float
    loss_of_base: float
    low: float
    high: float
    level: float = 0.95


def belief(
    value: float | None,
    error: float | None,
    *,
    prior_mean: float = 0.0,
    prior_deviation: float | None = None,
    level: float = 0.95,
) -> Belief | None:
    """The posterior of an effect that was estimated as ``value`` with standard error ``error``.

    The prior is flat, or normal with ``prior_deviation`` where it is given; the likelihood is normal, as the estimate
    is by the central limit theorem. Expected loss: C. Stucchio, Bayesian A/B testing at VWO (2015), in the closed form
    of a normal distribution, E[max(0, -X)] = s phi(m / s) - m Phi(-m / s). None where there is no standard error.

    >>> found = belief(-0.043119, 0.0133298)
    >>> round(found.chance, 6), f"{found.loss_of_base:.1e}", round(found.loss, 6)
    (0.000609, '2.2e-06', 0.043121)
    """
    if value is None or error is None or error <= 0:
        return None
    precision = 1 / error**2
    mean, deviation = value, error
    if prior_deviation is not None:
        if prior_deviation <= 0:
            raise ValueError(f"a prior's deviation is above 0, not {prior_deviation}")
        prior = 1 / prior_deviation**2
        mean = (precision * value + prior * prior_mean) / (precision + prior)
        deviation = math.sqrt(1 / (precision + prior))
    half = NormalDist().inv_cdf((1 + level) / 2) * deviation
    return Belief(
        mean, deviation, _tail(-mean / deviation), _loss(mean, deviation), _loss(-mean, deviation), mean - half,
        mean + half, level,
    )  # fmt: skip


def _tail(z: float) -> float:
    """P(Z > z), exact also far out."""
    return 0.5 * math.erfc(z / math.sqrt(2))


def _loss(mean: float, deviation: float) -> float:
    """E[max(0, -X)] of X normal."""
    z = mean / deviation
    return max(0.0, deviation * _STANDARD.pdf(z) - mean * _tail(z))
