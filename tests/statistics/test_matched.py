"""A rate held against others weighted as the group stands."""

from __future__ import annotations

import math

import numpy as np
import pytest

from polku.statistics.matched import matched


def test_by_hand():
    """10 of 50 went on; at the others' rates of 50 % and 5 % it would be 0.2 x 50 + 0.8 x 5 = 14 %."""
    found = matched(np.array([6, 4]), np.array([10, 40]), np.array([50, 5]), np.array([100, 100]))
    assert (found.rate, found.base, found.difference) == pytest.approx((0.2, 0.14, 0.06))
    own = (10.5 / 51) * (1 - 10.5 / 51) / 50
    first, second = 50.5 / 101, 5.5 / 101
    other = 0.04 * first * (1 - first) / 100 + 0.64 * second * (1 - second) / 100
    assert found.high - found.difference == pytest.approx(1.959964 * math.sqrt(own + other), rel=1e-5)


def test_places_without_others_match_nobody():
    found = matched(np.array([1, 1]), np.array([2, 2]), np.array([0, 3]), np.array([0, 6]))
    assert (found.n, found.unmatched, found.others) == (2, 2, 6)
    assert (found.rate, found.base) == (0.5, 0.5)
    nobody = matched(np.array([1]), np.array([2]), np.array([1]), np.array([4]))
    assert (nobody.difference, nobody.unmatched) == (None, 2)


def test_intervals_hold_their_level():
    """Both groups convert alike in each place: 95 % of the intervals hold 0."""
    chance = np.random.default_rng(8)
    rates, of, base_of = np.array([0.4, 0.1, 0.02]), np.array([30, 60, 90]), np.array([200, 150, 400])
    held = 0
    for _ in range(600):
        found = matched(chance.binomial(of, rates), of, chance.binomial(base_of, rates), base_of)
        held += found.low <= 0 <= found.high
    assert 0.93 < held / 600 <= 0.985
