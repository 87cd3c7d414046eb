"""Removal effects: the published example, a chain solved by hand over its paths, dense against sparse."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polku.statistics import markov
from polku.statistics.markov import START, Chain, removal


def chain_of(paths, channels, order=1):
    """Of (channels, converted) paths; states are tuples of the last ``order`` channels."""
    counts = Counter()
    states = {()}
    for touches, won in paths:
        here: tuple[int, ...] = ()
        for c in touches:
            counts[here, c] += 1
            here = (*here, c)[-order:]
            states.add(here)
        counts[here, channels if won else channels + 1] += 1
    names = sorted(states)
    after = np.zeros((len(names), channels), np.int64)
    table = np.zeros((len(names), channels + 2))
    for (state, symbol), n in counts.items():
        table[names.index(state), symbol] = n
        if symbol < channels:
            after[names.index(state), symbol] = names.index((*state, symbol)[-order:])
    return Chain(np.array([s[-1] if s else START for s in names]), after, table)


def chance(chain, without=None, rounds=3000):
    """The chance to convert by stepping through the chain, channel ``without`` being a dead end."""
    shares = chain.counts / np.maximum(chain.counts.sum(axis=1), 1)[:, None]
    place = (chain.last == START).astype(float)
    won = 0.0
    for _ in range(rounds):
        won += place @ shares[:, chain.channels]
        onward = np.zeros_like(place)
        for c in range(chain.channels):
            if c != without:
                np.add.at(onward, chain.after[:, c], place * shares[:, c])
        place = onward
    return won


def test_bryl_2016():
    """S. Bryl, AnalyzeCore 2016: C1>C2>C3 converts, C1 does not, C2>C3 does not."""
    found = removal(chain_of([((0, 1, 2), True), ((0,), False), ((1, 2), False)], 3))
    assert found.conversion == pytest.approx(1 / 3)
    assert found.effects == pytest.approx([0.5, 1, 1])
    assert found.shares == pytest.approx([0.2, 0.4, 0.4])


PATHS = st.lists(st.tuples(st.lists(st.integers(0, 3), min_size=1, max_size=5), st.booleans()), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(PATHS, st.integers(1, 3))
def test_against_stepping_through_the_chain(paths, order):
    chain = chain_of(paths, 4, order)
    found = removal(chain)
    whole = chance(chain)
    assert found.conversion == pytest.approx(whole, abs=1e-6)
    if whole == 0:
        assert np.isnan(found.effects).all()
        return
    assert found.effects == pytest.approx([1 - chance(chain, c) / whole for c in range(4)], abs=1e-5)
    if found.effects.sum() > 0:
        assert found.shares.sum() == pytest.approx(1)


@settings(max_examples=20, deadline=None)
@given(PATHS)
def test_sparse_and_dense_agree(paths):
    chain = chain_of(paths, 4, 2)
    dense = removal(chain)
    before = markov.MOST_DENSE
    markov.MOST_DENSE = 0
    try:
        sparse = removal(chain)
    finally:
        markov.MOST_DENSE = before
    assert sparse.conversion == pytest.approx(dense.conversion)
    assert sparse.effects == pytest.approx(dense.effects, nan_ok=True)


def test_a_chain_has_one_start():
    with pytest.raises(ValueError, match="one start"):
        removal(Chain(np.array([0]), np.zeros((1, 1), np.int64), np.ones((1, 3))))
