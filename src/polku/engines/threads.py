"""Run a kernel over buckets on threads and add the partial results up.

Kernels release the GIL, so plain threads use every core. Results come back in the order of the buckets whatever thread
was first, and are added in that order: the same answer however many threads there are.
"""

from __future__ import annotations

import functools
import operator
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

B = TypeVar("B")
P = TypeVar("P")


def threads_for(buckets: int, threads: int | None = None) -> int:
    """How many threads to use: as asked, else one a core, never more than there are buckets."""
    return max(1, min(buckets, threads or os.cpu_count() or 1))


def over_buckets(work: Callable[[B], P], buckets: Sequence[B], threads: int | None = None) -> list[P]:
    """``work`` of every bucket, in the buckets' order.

    >>> over_buckets(lambda bucket: bucket * 2, [1, 2, 3])
    [2, 4, 6]
    """
    return list(each(work, buckets, threads))


def each(work: Callable[[B], P], buckets: Sequence[B], threads: int | None = None) -> Iterator[P]:
    """The same one by one as they come, so that nobody has to hold them all."""
    count = threads_for(len(buckets), threads)
    if count == 1:
        yield from map(work, buckets)
    else:
        with ThreadPoolExecutor(count, thread_name_prefix="polku-kernel") as pool:
            yield from pool.map(work, buckets)


def sum_over(work: Callable[[B], P], buckets: Sequence[B], zero: P, threads: int | None = None) -> P:
    """The partial results of every bucket added to ``zero`` with ``+``.

    >>> sum_over(len, ["ab", "c"], 0)
    3
    """
    return functools.reduce(operator.add, each(work, buckets, threads), zero)
