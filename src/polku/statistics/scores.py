"""Scores of surveys with their intervals: the net promoter score, and means of a scale."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from polku.language import N_
from polku.statistics.rates import Compared, normal_quantile

NO_ANSWERS = N_("nobody answered")
ONE_ANSWER = N_("one answer has no interval")
ALL_SAME = N_("all answers are the same, so there is no interval")


def net_promoter_score(promoters: int, detractors: int, n: int, level: float = 0.95) -> Compared:
    """Promoters less detractors of ``n`` answers, from -1 to 1, with its adjusted Wald interval.

    The variance of one answer is p + d - (p - d)², with p and d the shares of promoters and detractors. Before the
    interval is worked out, three answers are added, three quarters of one to the promoters and as much to the
    detractors, which keeps its level for few answers too: B. Rocks, Interval estimation for the "Net Promoter Score",
    The American Statistician 70 (2016). The value is the score itself; the interval is centred on the adjusted one.

    >>> found = net_promoter_score(50, 20, 100)
    >>> found.value, round(found.low, 3), round(found.high, 3)
    (0.3, 0.141, 0.442)
    """
    if min(promoters, detractors) < 0 or promoters + detractors > n:
        raise ValueError(f"{promoters} promoters and {detractors} detractors are more than {n} answers")
    if n == 0:
        return Compared(None, level=level, method="adjusted wald", reason=NO_ANSWERS)
    p, d = (promoters + 0.75) / (n + 3), (detractors + 0.75) / (n + 3)
    half = normal_quantile(level) * math.sqrt((p + d - (p - d) ** 2) / (n + 3))
    low, high = max(-1.0, p - d - half), min(1.0, p - d + half)
    return Compared((promoters - detractors) / n, low, high, level, "adjusted wald")


def mean_of(values: npt.NDArray[np.float64], level: float = 0.95) -> Compared:
    """The mean of float64[n] with Student's interval (Student, Biometrika 6, 1908); none where nothing varies.

    >>> found = mean_of(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    >>> found.value, round(found.low, 3), round(found.high, 3)
    (3.0, 1.037, 4.963)
    """
    n = len(values)
    if n == 0:
        return Compared(None, level=level, method="student", reason=NO_ANSWERS)
    mean = float(values.mean())
    if n == 1:
        return Compared(mean, level=level, method="student", reason=ONE_ANSWER)
    error = float(values.std(ddof=1)) / math.sqrt(n)
    if values.min() == values.max():  # their deviation may be a little off 0 by rounding
        return Compared(mean, level=level, method="student", reason=ALL_SAME)
    from scipy.special import stdtrit

    half = float(stdtrit(n - 1, (1 + level) / 2)) * error
    return Compared(mean, mean - half, mean + half, level, "student")
