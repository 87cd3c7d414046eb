"""Two rates held together where the groups stand in different places: the one is weighted as the other stands.

Direct standardisation: W. G. Cochran, Biometrics 24 (1968); D. Lane and J. Nelder, Biometrics 38 (1982).
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from polku.statistics.rates import normal_quantile

I64 = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, slots=True)
class Matched:
    """``rate`` of the group, ``base`` what it would be at the rates of the others in the same places, their
    ``difference`` with its interval. ``n`` of the group stand where there are others; ``unmatched`` do not and are in
    neither rate. All None where nobody can be matched, the interval too where chance cannot be told.
    """

    n: int
    won: int
    unmatched: int
    others: int
    rate: float | None
    base: float | None
    base_low: float | None
    base_high: float | None
    difference: float | None
    low: float | None
    high: float | None


def matched(won: I64, of: I64, base_won: I64, base_of: I64, level: float = 0.95, least: int = 5) -> Matched:
    """The rate of a group and the rate of others standardised to it, by place.

    ``won`` of ``of`` int64[places] in the group, ``base_won`` of ``base_of`` among the others. Places with fewer than
    ``least`` others match nobody. Variance: rate (1 - rate) / n of the group's whole, and sum of weight^2 rate (1 -
    rate) / n of the others by place, with half a success and half a failure added so that 0 % is not certain.

    >>> found = matched(np.array([6, 4]), np.array([10, 40]), np.array([50, 5]), np.array([100, 100]))
    >>> found.rate, found.base  # 0.2 * 0.5 + 0.8 * 0.05
    (0.2, 0.14)
    """
    there = (of > 0) & (base_of >= least)
    n, successes = int(of[there].sum()), int(won[there].sum())
    unmatched, others = int(of[~there].sum()), int(base_of[there].sum())
    if not n:
        return Matched(0, 0, unmatched, others, None, None, None, None, None, None, None)
    weight = of[there] / n
    base = float((weight * base_won[there] / base_of[there]).sum())
    rate = successes / n
    z = normal_quantile(level)
    some = (successes + 0.5) / (n + 1)
    own = some * (1 - some) / n
    smooth = (base_won[there] + 0.5) / (base_of[there] + 1)
    other = float((weight**2 * smooth * (1 - smooth) / base_of[there]).sum())
    half, base_half = z * math.sqrt(own + other), z * math.sqrt(other)
    difference = rate - base
    return Matched(
        n, successes, unmatched, others, rate, base, max(0.0, base - base_half), min(1.0, base + base_half), difference,
        max(-1.0, difference - half), min(1.0, difference + half),
    )  # fmt: skip
