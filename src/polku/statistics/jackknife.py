"""Intervals by leaving out one group of customers at a time, for figures that no formula has an interval for.

Customers are dealt into groups at random; every figure is worked out once from all and once without each group. What
has to be kept is sums by group, which add up over any number of machines, and no resampling of people is needed.
The delete-a-group jackknife: P. S. Kott, Journal of Official Statistics 17, 2001; J. Shao and D. Tu, The Jackknife and
Bootstrap, 1995, section 2.3.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
#: Groups that customers are dealt into: enough for a steady standard error, few enough to be worked out at once.
GROUPS = 32
#: With fewer groups than this that hold anybody, the error itself is too uncertain to be told.
LEAST = 10


@dataclasses.dataclass(frozen=True, eq=False)
class Spread:
    """A figure of all, its standard error, and the ends of its 95 % interval; NaN where there is no telling."""

    value: F64
    error: F64
    low: F64
    high: F64


def left_out(sums: npt.NDArray[np.generic]) -> F64:
    """float64[G + 1, ...] of sums by group [G, ...]: the sum of all, then the sums without each group in turn, scaled
    up by G / (G - 1) as those who are left stand for all.

    >>> left_out(np.array([1.0, 2.0, 3.0])).tolist()
    [6.0, 7.5, 6.0, 4.5]
    """
    total = sums.sum(axis=0, dtype=np.float64)
    groups = len(sums)
    return np.concatenate([total[None], (total[None] - sums) * (groups / (groups - 1))])


def spread(figures: F64, some: npt.NDArray[np.bool_], level: float = 0.95, least: int = LEAST) -> Spread:
    """The spread of figures float64[G + 1, ...] made as :func:`left_out` says; ``some`` bool[G] groups that hold
    anybody.

    Variance = (G - 1) / G x sum of (figure without a group - their mean)^2; the interval takes Student's t with one
    degree less than there are groups that hold anybody. Error and interval are NaN with fewer than ``least`` such
    groups, and where no group makes a difference: nothing is learnt of chance from a figure that never moves.

    >>> s = spread(left_out(np.array([1.0, 2.0, 3.0])), np.array([True] * 3), least=3)
    >>> float(s.value), round(float(s.error), 3)
    (6.0, 1.732)
    """
    value, without = figures[0], figures[1:]
    groups, degrees = len(without), int(some.sum()) - 1
    if degrees < max(1, least - 1):
        nowhere = np.full_like(value, np.nan)
        return Spread(value, nowhere, nowhere, nowhere)
    error = np.sqrt((groups - 1) / groups * ((without - without.mean(axis=0)) ** 2).sum(axis=0))
    error = np.where(error > 1e-12 * np.maximum(1.0, np.abs(value)), error, np.nan)
    half = _student(degrees, level) * error
    return Spread(value, error, value - half, value + half)


@functools.cache
def _student(degrees: int, level: float) -> float:
    from scipy.stats import t  # slow to import

    return float(t.ppf((1 + level) / 2, degrees))
