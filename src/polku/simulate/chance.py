"""Random numbers that are looked up, not drawn: the number of (seed, person, visit, slot) is always the same.

A counter-based generator in the sense of Salmon and others, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011),
with splitmix64's mixing. Nothing is consumed, so chunks of people do not change the result, and a world without an
obstacle gives everybody the same luck as the world with it: that is what makes the counterfactual exact.

Signatures are given, because without them Numba compiles a function again for each literal slot it is called with.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
import numpy.typing as npt

from polku.kernels.hashing import GOLDEN, M1, M2, mix

#: Type of a compiled function that mypy cannot see into.
Kernel = Any


@nb.njit(nb.uint64(nb.int64, nb.int64), cache=True)
def root_of(seed, person):  # type: ignore[no-untyped-def]
    """uint64: where a person's random numbers start."""
    return mix(mix(np.uint64(seed) * GOLDEN + M1) ^ (np.uint64(person) + np.uint64(1)) * M2)


@nb.njit(nb.uint64(nb.uint64, nb.int64, nb.int64), cache=True)
def word(root, visit, slot):  # type: ignore[no-untyped-def]
    """uint64: 64 random bits of one decision."""
    return mix(root + np.uint64(visit) * M2 + np.uint64(slot) * GOLDEN)


@nb.njit(nb.float64(nb.uint64, nb.int64, nb.int64), cache=True)
def chance(root, visit, slot):  # type: ignore[no-untyped-def]
    """float64 in (0, 1): the luck of one decision; ``visit`` and ``slot`` are non-negative integers."""
    return (np.float64(word(root, visit, slot) >> np.uint64(11)) + 0.5) * (1.0 / 9007199254740992.0)


@nb.njit(nb.float64(nb.uint64, nb.int64, nb.int64, nb.float64), cache=True)
def gap(root, visit, slot, mean):  # type: ignore[no-untyped-def]
    """float64 > 0: an exponential waiting time with that mean, in the mean's unit."""
    return -np.log(chance(root, visit, slot)) * mean


@nb.njit(nb.boolean(nb.float64, nb.float64), cache=True)
def says_yes(luck, logit):  # type: ignore[no-untyped-def]
    """bool: a decision with probability 1 / (1 + exp(-logit)); a higher logit never turns a yes into a no."""
    return luck * (1.0 + np.exp(-logit)) < 1.0


@nb.njit(nb.int64(nb.types.Array(nb.float64, 1, "A", readonly=False), nb.float64), cache=True)
def pick(cumulative, luck):  # type: ignore[no-untyped-def]
    """int: the index that ``luck`` falls on in ascending cumulative shares (the last one is 1)."""
    low, high = 0, len(cumulative) - 1
    while low < high:
        middle = (low + high) // 2
        if cumulative[middle] > luck:
            high = middle
        else:
            low = middle + 1
    return low


@nb.njit(cache=True)
def chances(seed, first, count, slot):  # type: ignore[no-untyped-def]
    """float64[count]: the luck of people first, first + 1, ... in one decision about themselves (visit 0)."""
    out = np.empty(count, np.float64)
    for i in range(count):
        out[i] = chance(root_of(seed, first + i), 0, slot)
    return out


def cumulative(shares: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Cumulative shares along the last axis, ending in exactly 1, for :func:`pick`.

    >>> cumulative([1, 1, 2]).tolist()
    [0.25, 0.5, 1.0]
    """
    weights = np.asarray(shares, np.float64)
    total = np.cumsum(weights, axis=-1)
    total = total / total[..., -1:]
    total[..., -1] = 1.0
    return total
