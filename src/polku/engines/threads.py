"""Run a kernel over buckets on threads and add the partial results up.

Kernels release the GIL, so plain threads use every core. Results come back in the order of the buckets whatever thread
was first, and are added in that order: the same answer however many threads there are.
"""

from __future__ import annotations

import functools
import itertools
import operator
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
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
    """The same one by one as they come, so that nobody has to hold them all.

    The caller's thread works too, beside helpers of a pool that is there for all: where these are busy (with what
    another request asks, or with the very work that asks here) it does everything itself, and nothing waits for ever.
    """
    count = threads_for(len(buckets), threads)
    if count == 1:
        yield from map(work, buckets)
        return
    numbers = itertools.count()  # of the next bucket to take; taking one is a single step
    done: dict[int, P] = {}
    stopped = threading.Event()

    def help_() -> None:
        while not stopped.is_set() and (number := next(numbers)) < len(buckets):
            done[number] = work(buckets[number])

    helpers = [_pool().submit(help_) for _ in range(count - 1)]
    given = 0
    try:
        while (number := next(numbers)) < len(buckets):
            done[number] = work(buckets[number])
            while given in done:
                yield done.pop(given)
                given += 1
        for helper in helpers:
            if not helper.cancel():
                helper.result()
        while given < len(buckets):
            yield done.pop(given)
            given += 1
    finally:
        stopped.set()
        wait([helper for helper in helpers if not helper.cancel()])


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="polku-kernel")


# threads do not come along into a forked process
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)


def sum_over(work: Callable[[B], P], buckets: Sequence[B], zero: P, threads: int | None = None) -> P:
    """The partial results of every bucket added to ``zero`` with ``+``.

    >>> sum_over(len, ["ab", "c"], 0)
    3
    """
    return functools.reduce(operator.add, each(work, buckets, threads), zero)
