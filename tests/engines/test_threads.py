"""Kernels on threads: in order, with faults told, and without anybody waiting for ever."""

from __future__ import annotations

import itertools
import threading

import pytest

from polku.engines.threads import each, over_buckets, sum_over


def test_answers_keep_the_order_of_the_buckets_whoever_was_first():
    first = threading.Event()

    def work(n: int) -> int:
        if n == 0:
            assert first.wait(20)  # another thread is through before it
        else:
            first.set()
        return n

    assert over_buckets(work, range(20), threads=3) == list(range(20))


def test_partial_results_are_added_in_order():
    assert sum_over(str, range(12), "", threads=4) == "".join(map(str, range(12)))


@pytest.mark.parametrize("bad", [0, 7, 11])
def test_a_fault_is_told_and_the_rest_is_left(bad):
    def work(n: int) -> int:
        if n == bad:
            raise ValueError(n)
        return n

    with pytest.raises(ValueError, match=str(bad)):
        over_buckets(work, range(12), threads=3)
    assert over_buckets(abs, range(3), threads=3) == [0, 1, 2]


def test_work_that_asks_for_work_does_not_wait_for_ever():
    def deep(n: int) -> int:
        return sum(over_buckets(lambda m: sum(over_buckets(abs, range(m + 1), threads=4)), range(n), threads=4))

    assert over_buckets(deep, range(12), threads=8) == [sum(m * (m + 1) // 2 for m in range(n)) for n in range(12)]


def test_who_has_enough_may_stop():
    assert list(itertools.islice(each(abs, range(1000), threads=3), 2)) == [0, 1]
