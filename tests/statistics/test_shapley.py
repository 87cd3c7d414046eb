"""Shapley values against their definition, and drawn ones against exact ones."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polku.statistics import shapley
from polku.statistics.jackknife import left_out, spread


def by_orders(worth, n):
    """The definition: the mean gain over every order."""
    values = np.zeros(n)
    for order in itertools.permutations(range(n)):
        had = 0
        for c in order:
            values[c] += worth[had | 1 << c] - worth[had]
            had |= 1 << c
    return values / math.factorial(n)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4).flatmap(lambda n: st.lists(st.floats(-9, 9), min_size=2**n, max_size=2**n)))
def test_exact_is_the_mean_over_all_orders(worth):
    n = len(worth).bit_length() - 1
    found = shapley.exact(np.array(worth))
    assert found == pytest.approx(by_orders(worth, n), abs=1e-9)
    assert found.sum() == pytest.approx(worth[-1] - worth[0], abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0, 9), min_size=16, max_size=16))
def test_within_is_the_sum_over_subsets(sums):
    expected = [sum(v for s, v in enumerate(sums) if s & t == s) for t in range(16)]
    assert shapley.within(np.array(sums)) == pytest.approx(expected)


def test_conversions_shared_evenly_are_the_closed_form():
    """Zhao et al. 2018: with the number of conversions within a set as its worth, each path is shared evenly."""
    sums = np.zeros(8)
    sums[0b011], sums[0b111], sums[0b100] = 4, 3, 2
    assert shapley.exact(shapley.within(sums)) == pytest.approx([4 / 2 + 1, 4 / 2 + 1, 1 + 2])


def test_drawn_orders_come_close_and_state_their_error():
    chance = np.random.default_rng(1)
    worth = np.sort(chance.random(2**8))
    order = shapley.orders(8, 400)
    values, error = shapley.sampled(order, worth[shapley.prefixes(order).astype(np.int64)])
    assert (np.abs(values - shapley.exact(worth)) < 4 * error).all()
    assert values.sum() == pytest.approx(worth[-1] - worth[0])
    assert (error < 0.02).all()


def test_a_wrong_number_of_coalitions():
    with pytest.raises(ValueError, match="coalitions"):
        shapley.exact(np.zeros(3))


def test_jackknife_of_a_sum_is_the_random_groups_error():
    """For a sum the jackknife is exact: variance = g / (g - 1) x sum of squared deviations of the groups' sums."""
    sums = np.random.default_rng(2).normal(5, 2, 32)
    found = spread(left_out(sums), np.ones(32, np.bool_))
    expected = math.sqrt(32 / 31 * ((sums - sums.mean()) ** 2).sum())
    assert float(found.error) == pytest.approx(expected)
    assert float(found.value) == pytest.approx(sums.sum())


def test_a_jackknife_of_few_groups_tells_no_interval():
    found = spread(left_out(np.array([1.0, 2.0, 0.0])), np.array([True, True, False]))
    assert np.isnan(found.error)
    assert np.isnan(spread(left_out(np.zeros(32)), np.ones(32, np.bool_)).low)
