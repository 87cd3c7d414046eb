"""Time until something happens, when for many it has not happened yet: survival curves with censoring.

Product-limit estimate: E. L. Kaplan and P. Meier, JASA 53 (1958). Variance: M. Greenwood (1926). Intervals on the scale
of log(-log S), which stay between 0 and 1 (J. D. Kalbfleisch and R. L. Prentice, The Statistical Analysis of Failure
Time Data, 1980); of the median: R. Brookmeyer and J. Crowley, Biometrics 38 (1982). Log-rank test: N. Mantel, Cancer
Chemotherapy Reports 50 (1966).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from polku.language import N_

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
NO_EVENTS = N_("it has not happened to anybody")
ONE_GROUP = N_("there is nothing to compare with")


@dataclasses.dataclass(frozen=True, eq=False)
class Curve:
    """A Kaplan-Meier curve. All arrays are of the distinct times at which it happened, ascending.

    ``survival`` is the share to whom it has not happened by then (right after the time), ``error`` Greenwood's standard
    error of it, ``low`` and ``high`` the interval at ``level``; where the curve is 0 they are NaN: not known.
    """

    n: int
    events: int
    level: float
    time: F64
    at_risk: I64
    happened: I64
    survival: F64
    error: F64
    low: F64
    high: F64
    last: float | None  # the longest time that anybody was watched; None for nobody

    def at(self, times: npt.ArrayLike) -> tuple[F64, F64, F64]:
        """Survival, low and high float64 at ``times``: NaN beyond the longest time watched, where the curve is unknown
        unless it has come down to 0.
        """
        asked = np.asarray(times, np.float64)
        place = np.searchsorted(self.time, asked, side="right")
        found = tuple(np.concatenate([[1.0], c])[place] for c in (self.survival, self.low, self.high))
        unknown = (asked > (-1.0 if self.last is None else self.last)) & (found[0] > 0.0)
        for values in found:
            values[unknown] = np.nan
        return found[0], found[1], found[2]

    def quantile(self, share: float = 0.5) -> tuple[float | None, float | None, float | None]:
        """The time by which it has happened to ``share``, with its interval; None where the curve, or an end of its
        interval, does not come down so far.
        """
        down = 1.0 - share + 1e-12
        found = []
        for curve in (self.survival, self.low, self.high):
            reached = np.flatnonzero(np.where(np.isnan(curve), np.inf, curve) <= down)
            found.append(float(self.time[reached[0]]) if len(reached) else None)
        return found[0], found[1], found[2]


def kaplan_meier(wait: npt.ArrayLike, happened: npt.ArrayLike, level: float = 0.95) -> Curve:
    """The curve of everyone's ``wait`` float64[n] (>= 0, any unit) until it ``happened`` bool[n], or, where it did not,
    until they were last watched. Raises ValueError for negative or missing waits and for different lengths.

    The leukaemia patients who were given 6-mercaptopurine (E. J. Freireich and others, Blood 21, 1963):

    >>> weeks = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
    >>> relapse = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
    >>> curve = kaplan_meier(weeks, relapse)
    >>> curve.survival.round(3).tolist()
    [0.857, 0.807, 0.753, 0.69, 0.627, 0.538, 0.448]
    >>> curve.quantile()
    (23.0, 13.0, None)
    """
    waits, events = np.asarray(wait, np.float64), np.asarray(happened, np.bool_)
    if waits.shape != events.shape or waits.ndim != 1:
        raise ValueError("every wait needs a word on whether it happened")
    if not np.isfinite(waits).all() or (waits < 0).any():
        raise ValueError("waits are numbers from 0 up")
    time, counts = np.unique(waits[events], return_counts=True)
    ordered = np.sort(waits)
    at_risk = len(waits) - np.searchsorted(ordered, time, side="left")
    d, n = counts.astype(np.float64), at_risk.astype(np.float64)
    survival = np.cumprod(1.0 - d / n).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.cumsum(np.where(n > d, d / (n * (n - d)), np.inf))
        error = np.where(survival > 0, survival * np.sqrt(relative), 0.0).astype(np.float64)
        half = NormalDist().inv_cdf((1.0 + level) / 2.0) * np.sqrt(relative) / np.abs(np.log(survival))
        centre = np.log(-np.log(survival))
        low, high = np.exp(-np.exp(centre + half)), np.exp(-np.exp(centre - half))
    gone = survival <= 0
    low[gone] = high[gone] = np.nan
    return Curve(
        len(waits), int(counts.sum()), level, time, at_risk.astype(np.int64), counts.astype(np.int64), survival, error,
        low, high, float(ordered[-1]) if len(ordered) else None,
    )  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class LogRank:
    """Whether groups wait alike: chi-square with ``freedom`` degrees; ``p`` None, with ``reason``, where it cannot be
    said. ``expected`` is how often it would have happened in each group if all were alike.
    """

    statistic: float | None
    freedom: int
    p: float | None
    observed: tuple[int, ...]
    expected: tuple[float, ...]
    reason: str | None = None


def log_rank(groups: Sequence[tuple[npt.ArrayLike, npt.ArrayLike]]) -> LogRank:
    """The log-rank test of two or more groups, each a pair (wait, happened) as in :func:`kaplan_meier`.

    >>> treated = ([6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35],
    ...            [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0])
    >>> control = ([1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23], [1] * 21)
    >>> test = log_rank([treated, control])
    >>> round(test.statistic, 2), [round(e, 2) for e in test.expected]
    (16.79, [19.25, 10.75])
    """
    from scipy.stats import chi2

    waits = [np.asarray(w, np.float64) for w, _ in groups]
    events = [np.asarray(h, np.bool_) for _, h in groups]
    time = np.unique(np.concatenate([w[h] for w, h in zip(waits, events, strict=True)] or [np.empty(0)]))
    at_risk = np.array([len(w) - np.searchsorted(np.sort(w), time, side="left") for w in waits], np.float64)
    at_risk = at_risk.reshape(len(groups), len(time))
    happened = np.zeros_like(at_risk)
    for g, (w, h) in enumerate(zip(waits, events, strict=True)):
        np.add.at(happened[g], np.searchsorted(time, w[h]), 1.0)
    n, d = at_risk.sum(axis=0), happened.sum(axis=0)
    expected = (at_risk * (d / n if len(time) else d)).sum(axis=1)
    observed = happened.sum(axis=1)
    seen = tuple(int(o) for o in observed), tuple(float(e) for e in expected)
    present = np.flatnonzero(expected > 0)
    if not len(time):
        return LogRank(None, 0, None, *seen, reason=NO_EVENTS)
    if len(present) < 2:
        return LogRank(None, 0, None, *seen, reason=ONE_GROUP)
    share = at_risk[present] / n
    spread = d * np.where(n > 1, (n - d) / np.maximum(n - 1, 1), 0.0)
    covariance = np.diag((share * spread).sum(axis=1)) - (share * spread) @ share.T
    off, inner = (observed - expected)[present][:-1], covariance[:-1, :-1]
    if np.linalg.matrix_rank(inner) < len(off):
        return LogRank(None, len(off), None, *seen, reason=ONE_GROUP)
    statistic = float(off @ np.linalg.solve(inner, off))
    if not math.isfinite(statistic):
        return LogRank(None, len(off), None, *seen, reason=ONE_GROUP)
    return LogRank(statistic, len(off), float(chi2.sf(statistic, len(off))), *seen)
