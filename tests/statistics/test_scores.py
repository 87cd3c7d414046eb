"""Scores of surveys: the adjusted Wald of Rocks 2016, by hand and by drawing."""

from __future__ import annotations

import numpy as np
import pytest

from polku.statistics.scores import ALL_SAME, NO_ANSWERS, ONE_ANSWER, mean_of, net_promoter_score


def test_a_score_by_hand():
    """docs/measures/feeling.md: 50.75 / 103 - 20.75 / 103 = 0.2913, +- 0.1508."""
    found = net_promoter_score(50, 20, 100)
    assert found.value == 0.3
    assert (round(found.low, 4), round(found.high, 4)) == (0.1405, 0.442)


def test_all_promoters_are_no_certainty():
    found = net_promoter_score(5, 0, 5)
    assert found.value == 1
    assert 0.1 < found.low < 0.9
    assert found.high == 1


def test_the_interval_keeps_its_level_for_few_answers():
    rng = np.random.default_rng(11)
    for p, d in ((0.5, 0.2), (0.9, 0.05), (0.1, 0.1)):
        drawn = rng.multinomial(15, (p, d, 1 - p - d), size=4000)
        held = [f.low <= p - d <= f.high for a, b, _ in drawn.tolist() if (f := net_promoter_score(a, b, 15))]
        assert np.mean(held) > 0.92


def test_equal_answers_have_no_interval_however_they_round():
    found = mean_of(np.full(7, 0.1))
    assert (found.low, found.reason) == (None, ALL_SAME)


def test_means():
    from scipy.stats import t

    values = np.array([1.0, 2.0, 4.0, 4.0, 5.0])
    found = mean_of(values)
    low, high = t.interval(0.95, 4, values.mean(), values.std(ddof=1) / 5**0.5)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert mean_of(np.empty(0)).reason == NO_ANSWERS
    assert mean_of(np.array([3.0])).reason == ONE_ANSWER
    assert mean_of(np.full(9, 3.0)).reason == ALL_SAME
    assert net_promoter_score(0, 0, 0).reason == NO_ANSWERS
    with pytest.raises(ValueError, match="more than"):
        net_promoter_score(3, 3, 5)
