"""Exact quartiles of waiting times."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from polku.measures.result import Quantiles


def quantiles(parts: Sequence[npt.NDArray[np.uint32]]) -> Quantiles:
    """Lower quartile, median and upper quartile of all parts together, in seconds.

    Exact, by linear interpolation between the two nearest (definition 7 of Hyndman and Fan, The American Statistician
    50, 1996, which is also NumPy's default).

    >>> quantiles([np.array([10, 20], np.uint32), np.array([60], np.uint32)]).median
    20.0
    """
    values = np.concatenate([*parts, np.empty(0, np.uint32)])
    n = len(values)
    if n == 0:
        return Quantiles(0)
    places = [(n - 1) * q for q in (0.25, 0.5, 0.75)]
    wanted = sorted({int(p) for p in places} | {min(int(p) + 1, n - 1) for p in places})
    values.partition(wanted)
    found = []
    for place in places:
        below = int(place)
        left, right = int(values[below]), int(values[min(below + 1, n - 1)])
        found.append(left + (right - left) * (place - below))
    low, middle, high = found
    return Quantiles(n, low, middle, high)
