"""Two groups compared within strata, so that only like is held against like: a common odds ratio, a standardised
difference.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from polku.language import N_
from polku.statistics.rates import Compared, Significance, normal_quantile, two_sided

F64 = npt.NDArray[np.float64]

NOBODY_ALIKE = N_("nobody alike to compare with")


def mantel_haenszel(n: F64, of: F64, base_n: F64, base_of: F64, level: float = 0.95) -> Compared:
    """The common odds ratio over strata. All arguments float64[S]: of each stratum, ``n`` of ``of`` in the group and
    ``base_n`` of ``base_of`` in the base.

    N. Mantel and W. Haenszel, Statistical aspects of the analysis of data from retrospective studies of disease,
    Journal of the National Cancer Institute 22 (1959); the interval on the log scale by the variance of J. Robins, N.
    Breslow and S. Greenland (Biometrics 42, 1986), which holds for few large and for many small strata. Without a pair
    that differs both ways the ratio is 0 or infinite and has no interval.

    >>> two = np.array([8.0, 12.0]), np.array([20.0, 30.0]), np.array([4.0, 6.0]), np.array([20.0, 30.0])
    >>> found = mantel_haenszel(*two)
    >>> round(found.value, 3), round(found.low, 2), round(found.high, 2)
    (2.667, 1.09, 6.52)
    """
    total = of + base_of
    there = (of > 0) & (base_of > 0)
    a, b = n[there], (of - n)[there]
    c, d = base_n[there], (base_of - base_n)[there]
    size = total[there]
    if not len(size):
        return Compared(None, level=level, method="mantel-haenszel", reason=NOBODY_ALIKE)
    r, s = a * d / size, b * c / size
    up, down = float(r.sum()), float(s.sum())
    if up == 0 and down == 0:
        return Compared(None, level=level, method="mantel-haenszel", reason=N_("everyone alike did the same"))
    if up == 0 or down == 0:
        return Compared(0.0 if up == 0 else math.inf, level=level, method="mantel-haenszel")
    p, q = (a + d) / size, (b + c) / size
    variance = float(
        (p * r).sum() / (2 * up * up) + (p * s + q * r).sum() / (2 * up * down) + (q * s).sum() / (2 * down * down)
    )
    ratio = up / down
    half = normal_quantile(level) * math.sqrt(variance)
    return Compared(ratio, ratio * math.exp(-half), ratio * math.exp(half), level, "mantel-haenszel")


def cochran_mantel_haenszel(n: F64, of: F64, base_n: F64, base_of: F64) -> Significance:
    """The test that within strata it makes no difference, without a continuity correction; ``statistic`` is the signed
    root of its chi-squared with one degree of freedom.

    W. G. Cochran (Biometrics 10, 1954), Mantel and Haenszel (1959). Where nothing varies there is no p-value.
    """
    total = of + base_of
    there = (of > 0) & (base_of > 0)
    size, yes = total[there], (n + base_n)[there]
    group, base = of[there], base_of[there]
    if not len(size):
        return Significance(None, reason=NOBODY_ALIKE)
    variance = float((group * base * yes * (size - yes) / (size * size * np.maximum(size - 1, 1))).sum())
    if variance <= 0:
        return Significance(None, reason=N_("everyone alike did the same"))
    z = float((n[there] - group * yes / size).sum()) / math.sqrt(variance)
    return Significance(two_sided(z), z, "cochran-mantel-haenszel")


@dataclasses.dataclass(frozen=True, eq=False)
class Standardised:
    """What the group did, and what others like it did, in the group's own mixture of strata.

    ``compared`` of the group had at least ``least`` others in their stratum; ``rate`` is theirs, ``expected`` the
    others' rate in the same mixture, ``effect`` the difference. Of each stratum: ``shares`` of the others who did
    (float64[S]), and ``weight`` of one of them (float64[S], 0 where the stratum is not compared).
    """

    compared: float
    left_out: float
    rate: float | None
    expected: float | None
    shares: F64
    weight: F64

    @property
    def effect(self) -> float | None:
        return None if self.rate is None or self.expected is None else self.rate - self.expected


def standardised(n: F64, of: F64, base_n: F64, base_of: F64, least: float = 2.0) -> Standardised:
    """The difference standardised to the group: sum over strata of the group's size times (its rate - the base's rate),
    over the group's size; the effect on those who were exposed (the standardised risk difference of K. J. Rothman, S.
    Greenland and T. L. Lash, Modern Epidemiology, 3rd edition, 2008, chapter 15).

    Strata with fewer than ``least`` in the base say too little to be compared and are left out, counted.

    >>> group, base = (np.array([1.0, 6.0]), np.array([10.0, 20.0])), (np.array([30.0, 10.0]), np.array([90.0, 20.0]))
    >>> found = standardised(*group, *base)
    >>> round(found.rate, 4), round(found.expected, 4)
    (0.2333, 0.4444)
    """
    usable = (of > 0) & (base_of >= least)
    compared = float(of[usable].sum())
    shares = np.divide(base_n, base_of, out=np.zeros(len(of)), where=base_of > 0)
    left_out = float(of.sum()) - compared
    if compared == 0:
        return Standardised(0.0, left_out, None, None, shares, np.zeros(len(of)))
    weight = np.divide(of / compared, base_of, out=np.zeros(len(of)), where=usable)
    rate = float(n[usable].sum()) / compared
    expected = float((of * shares)[usable].sum()) / compared
    return Standardised(compared, left_out, rate, expected, shares, weight)
