"""Whole paths as numbers: a 64-bit hash of the steps of every trail or session, its length and its duration.

Each step is mixed in by the finaliser of SplitMix64 (G. Steele, D. Lea, C. Flood, OOPSLA 2014). Among a million
different paths two share a hash with a probability of about 3 in 100 million.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from polku.kernels.compiled import inner, kernel

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FIRST = np.uint64(0xBF58476D1CE4E5B9)
SECOND = np.uint64(0x94D049BB133111EB)


@inner
def mixed(hashed, step):  # type: ignore[no-untyped-def]
    """The hash of a path after one more step, int64 from 0."""
    z = hashed + np.uint64(step + 1) * GOLDEN
    z = (z ^ (z >> np.uint64(30))) * FIRST
    z = (z ^ (z >> np.uint64(27))) * SECOND
    return z ^ (z >> np.uint64(31))


@kernel
def paths(columns, segments, symbol, start, end, collapse):  # type: ignore[no-untyped-def]
    """Of every segment: hash uint64[V] (0 where it has no step), length int64[V], seconds from first to last int64[V].

    ``symbol`` int16[codes] gives the step of each code, -1 none; events in [start, end) count; ``collapse`` takes
    repeats right after each other as one.
    """
    count = len(segments.customer)
    hashed = np.zeros(count, np.uint64)
    length = np.zeros(count, np.int64)
    seconds = np.zeros(count, np.int64)
    order, starts, ends = segments.order, segments.starts, segments.ends
    code_of, time_of = columns.code, columns.time
    mingled = len(order) > 0
    for v in range(count):
        before = np.int64(-1)
        first = np.int64(0)
        for j in range(starts[v], ends[v]):
            i = order[j] if mingled else j
            here = np.int64(symbol[code_of[i]])
            time = np.int64(time_of[i])
            if here < 0 or time < start or time >= end:
                continue
            if length[v] == 0:
                first = time
            seconds[v] = time - first
            if collapse and here == before:
                continue
            hashed[v] = mixed(hashed[v], here)
            length[v] += 1
            before = here
    return hashed, length, seconds


@kernel
def spelled(columns, segments, symbol, start, end, collapse, v, length):  # type: ignore[no-untyped-def]
    """The steps of segment ``v``, int16[length]."""
    out = np.empty(length, np.int16)
    order, starts, ends = segments.order, segments.starts, segments.ends
    mingled = len(order) > 0
    before = np.int64(-1)
    count = 0
    for j in range(starts[v], ends[v]):
        i = order[j] if mingled else j
        here = np.int64(symbol[columns.code[i]])
        time = np.int64(columns.time[i])
        if here < 0 or time < start or time >= end or (collapse and here == before):
            continue
        out[count] = here
        count += 1
        before = here
    return out


@kernel
def _hash(steps):  # type: ignore[no-untyped-def]
    hashed = np.uint64(0)
    for step in steps:
        hashed = mixed(hashed, step)
    return hashed


def hash_of(steps: Sequence[int] | npt.NDArray[np.int64]) -> int:
    """The hash of a path given as numbers of steps.

    >>> hash_of([1, 2]) == hash_of([2, 1]), hash_of([])
    (False, 0)
    """
    return int(_hash(np.asarray(steps, np.int64)))
