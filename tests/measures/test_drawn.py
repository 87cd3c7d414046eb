"""What is drawn out of columns: kept while they live, at most so much of it, and never another bucket's."""

from __future__ import annotations

import gc

import numpy as np

from polku.kernels.columns import columns
from polku.measures.drawn import Drawn


def some(code):
    return columns([0, len(code)], range(len(code)), code)


def counting(asked, size=10):
    def work():
        asked.append(size)
        return (np.zeros(size, np.uint8),)

    return work


def test_it_is_worked_out_once_for_the_same_columns_and_key():
    drawn, asked = Drawn(), []
    one, other = some([0, 1]), some([0, 1])
    first = drawn.once(one, "a", counting(asked))
    assert drawn.once(one._replace(skip=~one.skip), "a", counting(asked)) is first  # a segment's view of them
    assert len(asked) == 1
    drawn.once(one, "b", counting(asked))
    assert drawn.once(other, "a", counting(asked)) is not first
    assert len(asked) == 3


def test_two_parts_of_one_file_are_two():
    drawn, asked = Drawn(), []
    whole = np.array([0, 1, 0, 1], np.uint16)
    for part in (whole[:2], whole[2:], whole[:3]):
        part.flags.writeable = False
        drawn.once(some([0, 1])._replace(code=part), "a", counting(asked))
    assert len(asked) == 3


def test_it_goes_with_the_columns():
    drawn, asked = Drawn(), []
    one, other = some([0]), some([0])
    drawn.once(one, "a", counting(asked))
    drawn.once(other, "a", counting(asked))
    assert drawn.bytes == 20
    del one
    gc.collect()
    assert drawn.bytes == 10
    drawn.once(other, "a", counting(asked))
    assert len(asked) == 2


def test_no_more_than_there_is_room_for_is_kept():
    drawn, asked = Drawn(most=25), []
    kept = [some([0]) for _ in range(5)]
    for one in kept:
        drawn.once(one, "a", counting(asked))
        assert drawn.bytes <= 25
    drawn.once(kept[-1], "a", counting(asked))
    assert len(asked) == 5  # the newest is there
    big = drawn.once(kept[0], "big", counting(asked, 26))
    assert len(big[0]) == 26
    assert drawn.bytes == 20  # given, but not kept: it would have driven out everything
