"""Rates and two-by-two tables: intervals, differences, ratios and tests of two proportions.

Everywhere ``n, of`` is the group that is asked about and ``base_n, base_of`` the one it is held against: a difference
is the group's rate minus the base's, a ratio the group's over the base's. What the counts cannot tell is None, and
``reason`` says why; ``method`` names what was computed.
"""

from __future__ import annotations

import dataclasses
import math
from statistics import NormalDist

from polku.language import N_

#: With an expected count below this in any cell, the normal approximation is not used (Cochran, Biometrics 10, 1954).
SMALLEST_EXPECTED = 5.0
#: Exact odds ratios are worked out for tables up to this size; above it the sums are long and hardly differ.
MOST_EXACT = 20_000

NOBODY = N_("one of the groups is empty")
ALL_ALIKE = N_("everyone did the same, so there is nothing to test")
NO_EVENTS = N_("nobody did it in either group")


@dataclasses.dataclass(frozen=True, slots=True)
class Compared:
    """A difference or a ratio with its interval at ``level``; an open end is infinite, an unknown one None."""

    value: float | None
    low: float | None = None
    high: float | None = None
    level: float = 0.95
    method: str = ""
    reason: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Significance:
    """A two-sided test. ``statistic`` is z where the method has one; ``p`` is None, with ``reason``, where there is
    nothing to test.
    """

    p: float | None
    statistic: float | None = None
    method: str = ""
    reason: str | None = None


def normal_quantile(level: float) -> float:
    """z of a two-sided interval: 1.96 at 0.95. Raises ValueError for a level outside (0, 1).

    >>> round(normal_quantile(0.95), 3)
    1.96
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"a level lies between 0 and 1, not {level}")
    return NormalDist().inv_cdf((1.0 + level) / 2.0)


def two_sided(z: float) -> float:
    """The p-value of a standard normal statistic, exact also far out in the tail.

    >>> round(two_sided(-1.7841), 4)
    0.0744
    """
    return math.erfc(abs(z) / math.sqrt(2.0))


def _checked(n: int, of: int) -> None:
    if not 0 <= n <= of:
        raise ValueError(f"{n} of {of} is no rate")


def wilson(n: int, of: int, level: float = 0.95) -> tuple[float, float] | None:
    """Wilson's score interval of a proportion (E. B. Wilson, JASA 22, 1927); None of nobody.

    It holds its level also near 0 and 1 and for few (Brown, Cai and DasGupta, Statistical Science 16, 2001).

    >>> low, high = wilson(81, 263)
    >>> round(low, 4), round(high, 4)
    (0.2553, 0.3662)
    """
    _checked(n, of)
    if of == 0:
        return None
    z = normal_quantile(level)
    p = n / of
    centre = (p + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of))
    return (0.0 if n == 0 else max(0.0, centre - half)), (1.0 if n == of else min(1.0, centre + half))


def newcombe(n: int, of: int, base_n: int, base_of: int, level: float = 0.95) -> Compared:
    """Difference of two independent proportions with Newcombe's hybrid score interval.

    Method 10 of R. G. Newcombe, Interval estimation for the difference between independent proportions, Statistics in
    Medicine 17 (1998): the two Wilson intervals squared and added.

    >>> d = newcombe(56, 70, 48, 80)
    >>> round(d.value, 4), round(d.low, 4), round(d.high, 4)
    (0.2, 0.0524, 0.3339)
    """
    one, two = wilson(n, of, level), wilson(base_n, base_of, level)
    if one is None or two is None:
        return Compared(None, level=level, method="newcombe", reason=NOBODY)
    p, q = n / of, base_n / base_of
    low = p - q - math.hypot(p - one[0], two[1] - q)
    high = p - q + math.hypot(one[1] - p, q - two[0])
    return Compared(p - q, max(-1.0, low), min(1.0, high), level, "newcombe")


def wald(n: int, of: int, base_n: int, base_of: int, level: float = 0.95) -> Compared:
    """Difference of two proportions with the textbook (Wald) interval, for comparison with other tools.

    Without spread in both groups there is no interval: a width of 0 would be a claim that the data does not make.

    >>> d = wald(8279, 45489, 8502, 44700)
    >>> round(d.value, 6), round(d.low, 6), round(d.high, 6)
    (-0.008201, -0.013282, -0.003121)
    """
    _checked(n, of)
    _checked(base_n, base_of)
    if not of or not base_of:
        return Compared(None, level=level, method="wald", reason=NOBODY)
    p, q = n / of, base_n / base_of
    variance = p * (1 - p) / of + q * (1 - q) / base_of
    if variance <= 0.0:
        return Compared(p - q, level=level, method="wald", reason=ALL_ALIKE)
    half = normal_quantile(level) * math.sqrt(variance)
    return Compared(p - q, p - q - half, p - q + half, level, "wald")


def relative_risk(n: int, of: int, base_n: int, base_of: int, level: float = 0.95) -> Compared:
    """Ratio of two proportions with the log interval of Katz, Baptista, Azen and Pike (Biometrics 34, 1978).

    Where a count of either group is 0, a half is added to it and one to its size, in both groups (Walter, Biometrika
    62, 1975), method ``katz+0.5``; the value is then shrunk towards 1. Nobody in both groups: None, with a reason.

    >>> r = relative_risk(189, 11034, 104, 11037)
    >>> round(r.value, 2), round(r.low, 2), round(r.high, 2)
    (1.82, 1.43, 2.31)
    """
    _checked(n, of)
    _checked(base_n, base_of)
    if not of or not base_of:
        return Compared(None, level=level, method="katz", reason=NOBODY)
    if not n and not base_n:
        return Compared(None, level=level, method="katz", reason=NO_EVENTS)
    if n == of and base_n == base_of:
        return Compared(1.0, level=level, method="katz", reason=ALL_ALIKE)
    corrected = not n or not base_n
    a, m, c, k = (n + 0.5, of + 1.0, base_n + 0.5, base_of + 1.0) if corrected else (n, of, base_n, base_of)
    ratio = (a / m) / (c / k)
    half = normal_quantile(level) * math.sqrt(1 / a - 1 / m + 1 / c - 1 / k)
    method = "katz+0.5" if corrected else "katz"
    return Compared(ratio, ratio * math.exp(-half), ratio * math.exp(half), level, method)


def odds_ratio(n: int, of: int, base_n: int, base_of: int, level: float = 0.95) -> Compared:
    """Odds ratio of a two-by-two table, by the method that its counts bear.

    - every cell 5 or more: the sample odds ratio with Woolf's logit interval (Annals of Human Genetics 19, 1955),
      ``woolf``;
    - a smaller cell, up to 20,000 people: the conditional maximum likelihood estimate with its exact interval
      (Cornfield, 1956; as R's ``fisher.test``), ``exact``; an end may be 0 or infinite;
    - a smaller cell of a larger table: a half added to every cell (Haldane, Annals of Human Genetics 20, 1956;
      Anscombe, Biometrika 43, 1956), ``woolf+0.5``.

    >>> r = odds_ratio(189, 11034, 104, 11037)
    >>> r.method, round(r.value, 2), round(r.low, 2), round(r.high, 2)
    ('woolf', 1.83, 1.44, 2.33)
    """
    _checked(n, of)
    _checked(base_n, base_of)
    if not of or not base_of:
        return Compared(None, level=level, method="woolf", reason=NOBODY)
    if n + base_n in (0, of + base_of):
        return Compared(None, level=level, method="woolf", reason=NO_EVENTS if n + base_n == 0 else ALL_ALIKE)
    cells = [float(n), float(of - n), float(base_n), float(base_of - base_n)]
    if min(cells) < SMALLEST_EXPECTED and of + base_of <= MOST_EXACT:
        from scipy.stats.contingency import odds_ratio as conditional

        found = conditional([[n, of - n], [base_n, base_of - base_n]], kind="conditional")
        low, high = found.confidence_interval(level)
        return Compared(float(found.statistic), float(low), float(high), level, "exact")
    method = "woolf"
    if min(cells) < SMALLEST_EXPECTED:
        cells, method = [c + 0.5 for c in cells], "woolf+0.5"
    a, b, c, d = cells
    ratio = a * d / (b * c)
    half = normal_quantile(level) * math.sqrt(1 / a + 1 / b + 1 / c + 1 / d)
    return Compared(ratio, ratio * math.exp(-half), ratio * math.exp(half), level, method)


def two_proportions(n: int, of: int, base_n: int, base_of: int) -> Significance:
    """Two-sided test that two groups share one rate: the pooled z-test, or Fisher's exact test where an expected count
    is below 5 (Fisher, Statistical Methods for Research Workers, 1934).

    No p-value is made up where the pooled variance is 0: everyone, or nobody, did it in both groups.

    >>> t = two_proportions(8279, 45489, 8502, 44700)
    >>> t.method, round(t.statistic, 4), round(t.p, 6)
    ('pooled z', -3.1644, 0.001554)
    """
    _checked(n, of)
    _checked(base_n, base_of)
    if not of or not base_of:
        return Significance(None, reason=NOBODY)
    pooled = (n + base_n) / (of + base_of)
    if pooled in (0.0, 1.0):
        return Significance(None, reason=ALL_ALIKE)
    if min(pooled, 1 - pooled) * min(of, base_of) < SMALLEST_EXPECTED:
        from scipy.stats import fisher_exact

        return Significance(float(fisher_exact([[n, of - n], [base_n, base_of - base_n]]).pvalue), None, "fisher")
    z = (n / of - base_n / base_of) / math.sqrt(pooled * (1 - pooled) * (1 / of + 1 / base_of))
    return Significance(two_sided(z), z, "pooled z")
