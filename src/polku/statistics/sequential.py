"""Intervals and p-values that stay valid however often and whenever one looks (always valid).

An ordinary 95 % interval keeps its promise for one look that was planned beforehand; who looks every day and stops at
the first good news is wrong far more often. A confidence sequence covers the truth at all looks together.
"""

from __future__ import annotations

import math

from polku.statistics.rates import Compared, Significance

#: The number of people at which the interval is narrowest, unless told otherwise.
TUNED_FOR = 5000


def _rho(level: float, tuned_for: float) -> float:
    """The mixture's scale that is best at ``tuned_for`` people (Waudby-Smith and others, 2024, section B.2)."""
    alpha = 1 - level
    return math.sqrt((-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / tuned_for)


def confidence_sequence(
    value: float | None, error: float | None, n: int, level: float = 0.95, tuned_for: float = TUNED_FOR
) -> Compared:
    """The asymptotic confidence sequence of an estimate with standard error ``error`` over ``n`` people.

    The normal-mixture boundary of Robbins (Annals of Mathematical Statistics 41, 1970) with an estimated variance: I.
    Waudby-Smith, D. Arbour, R. Sinha, E. H. Kennedy and A. Ramdas, Time-uniform central limit theory and asymptotic
    confidence sequences, Annals of Statistics 52 (2024), theorem 2.2, two-sided:

        half-width = error x sqrt(n) x sqrt(2 (n rho^2 + 1) / (n rho)^2 x log(sqrt(n rho^2 + 1) / alpha))

    the same as GrowthBook's. It is wider than the fixed interval, the price of looking at any time.

    >>> found = confidence_sequence(-0.043119, 0.0133298, 90189)
    >>> round(found.low, 4), round(found.high, 4)
    (-0.0874, 0.0012)
    """
    if value is None or error is None or error <= 0 or n <= 0:
        return Compared(value, level=level, method="confidence sequence")
    rho = _rho(level, tuned_for)
    grown = n * rho * rho + 1
    half = error * math.sqrt(n) * math.sqrt(2 * grown / (n * rho) ** 2 * math.log(math.sqrt(grown) / (1 - level)))
    return Compared(value, value - half, value + half, level, "confidence sequence")


def always_valid_p(
    value: float | None, error: float | None, n: int, level: float = 0.95, tuned_for: float = TUNED_FOR
) -> Significance:
    """The always-valid p-value that belongs to :func:`confidence_sequence`: at or below alpha exactly where the
    sequence leaves 0 out (the e-value of the mixture turned over, at most 1).

    >>> round(always_valid_p(-0.043119, 0.0133298, 90189).p, 4)
    0.0665
    """
    if value is None or error is None or error <= 0 or n <= 0:
        return Significance(None, method="confidence sequence")
    rho = _rho(level, tuned_for)
    grown = n * rho * rho + 1
    log_e = n * rho * rho * (value / error) ** 2 / (2 * grown) - math.log(grown) / 2
    return Significance(min(1.0, math.exp(-log_e) if log_e > -700 else 1.0), value / error, "confidence sequence")
