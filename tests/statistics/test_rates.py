"""Figures from the literature; see the docstrings for the papers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polku.measures.result import Rate
from polku.statistics import rates
from polku.statistics.multiple import benjamini_hochberg, holm, selected_level

counts = st.integers(1, 400).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of)))


@pytest.mark.parametrize(
    ("n", "of", "low", "high"),
    [  # Newcombe, Two-sided confidence intervals for the single proportion (1998), table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson(n, of, low, high):
    found = rates.wilson(n, of)
    assert [round(x, 4) for x in found] == [low, high]
    assert found == pytest.approx(Rate(n, of).interval(), abs=1e-12)


@pytest.mark.parametrize(
    ("a", "m", "b", "n", "low", "high"),
    [  # Newcombe 1998, table II, method 10
        (56, 70, 48, 80, 0.0524, 0.3339),
        (9, 10, 3, 10, 0.1705, 0.8090),
        (6, 7, 2, 7, 0.0582, 0.8062),
        (5, 56, 0, 29, -0.0381, 0.1926),
        (0, 10, 0, 20, -0.1611, 0.2775),
        (0, 10, 0, 10, -0.2775, 0.2775),
        (10, 10, 0, 20, 0.6791, 1.0),
        (10, 10, 0, 10, 0.6075, 1.0),
    ],
)
def test_newcombe(a, m, b, n, low, high):
    found = rates.newcombe(a, m, b, n)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_aspirin_and_heart_attacks():
    """Agresti, An Introduction to Categorical Data Analysis (2007), section 2.3: 189 of 11,034, 104 of 11,037."""
    table = (189, 11034, 104, 11037)
    difference = rates.wald(*table)
    assert [round(x, 3) for x in (difference.value, difference.low, difference.high)] == [0.008, 0.005, 0.011]
    risk, odds = rates.relative_risk(*table), rates.odds_ratio(*table)
    assert (round(risk.value, 2), round(odds.value, 3)) == (1.82, 1.832)
    assert (round(odds.low, 2), round(odds.high, 2)) == (1.44, 2.33)


def test_the_lady_tasting_tea():
    """Agresti 2007, section 2.6.2. At the upper end x, x^4 / (1 + 16 x + 36 x^2 + 16 x^3 + x^4) = 0.975; R's
    fisher.test prints 621.9, as its search stops early."""
    assert round(rates.two_proportions(3, 4, 1, 4).p, 3) == 0.486
    odds = rates.odds_ratio(3, 4, 1, 4)
    assert odds.method == "exact"
    assert round(odds.value, 4) == 6.4083
    assert round(odds.low, 4) == 0.2117
    x = odds.high
    assert x**4 / (1 + 16 * x + 36 * x**2 + 16 * x**3 + x**4) == pytest.approx(0.975)


def test_cookie_cats():
    first = rates.two_proportions(20119, 45489, 20034, 44700)
    assert (round(first.statistic, 4), round(first.p, 5)) == (-1.7841, 0.07441)
    gap = rates.wald(20119, 45489, 20034, 44700)
    assert [round(x, 6) for x in (gap.value, gap.low, gap.high)] == [-0.005905, -0.012392, 0.000582]
    seventh = rates.two_proportions(8279, 45489, 8502, 44700)
    assert (round(seventh.statistic, 4), round(seventh.p, 6)) == (-3.1644, 0.001554)


@pytest.mark.parametrize("table", [(0, 10, 0, 20), (10, 10, 20, 20)])
def test_where_nothing_varies_no_p_value_is_made_up(table):
    tested = rates.two_proportions(*table)
    assert tested.p is None
    assert tested.reason == rates.ALL_ALIKE
    assert rates.wald(*table).low is None
    assert rates.odds_ratio(*table).value is None


def test_nobody_is_no_rate():
    assert rates.wilson(0, 0) is None
    for compare in (rates.newcombe, rates.wald, rates.relative_risk, rates.odds_ratio):
        found = compare(0, 0, 3, 5)
        assert (found.value, found.low, found.reason) == (None, None, rates.NOBODY)
    assert rates.two_proportions(3, 5, 0, 0).p is None
    with pytest.raises(ValueError, match="no rate"):
        rates.wilson(3, 2)


def test_small_and_empty_cells():
    assert rates.odds_ratio(3, 30_000, 40, 30_000).method == "woolf+0.5"
    none = rates.odds_ratio(0, 20, 8, 20)
    assert (none.method, none.value, none.low) == ("exact", 0.0, 0.0)
    assert 0 < none.high < 1
    risk = rates.relative_risk(0, 20, 8, 20)
    assert risk.method == "katz+0.5"
    assert risk.value == pytest.approx((0.5 / 21) / (8.5 / 21))


@given(counts, counts)
def test_compared_values_lie_in_their_intervals_and_turn_round(one, two):
    for compare, back in (
        (rates.newcombe, lambda x: -x),
        (rates.relative_risk, lambda x: 1 / x),
    ):
        found, turned = compare(*one, *two), compare(*two, *one)
        if found.low is None:
            continue
        assert found.low <= found.value + 1e-12
        assert found.value <= found.high + 1e-12
        assert back(turned.high) == pytest.approx(found.low, rel=1e-9, abs=1e-12)


@given(counts, counts)
def test_a_test_is_the_same_from_both_sides(one, two):
    found, turned = rates.two_proportions(*one, *two), rates.two_proportions(*two, *one)
    assert (found.p is None) == (turned.p is None)
    if found.p is not None:
        assert found.p == pytest.approx(turned.p)
        assert 0 <= found.p <= 1


#: Benjamini and Hochberg 1995, section 4: fifteen comparisons of a trial of thrombolysis.
PAPER = [
    0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0
]  # fmt: skip


def test_the_fifteen_comparisons_of_the_paper():
    assert sum(p <= 0.05 for p in benjamini_hochberg(PAPER)) == 4
    assert sum(p <= 0.05 for p in holm(PAPER)) == 3
    assert benjamini_hochberg(PAPER)[3] == pytest.approx(0.0095 * 15 / 4)


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=30))
def test_adjusting_keeps_the_order_and_never_lowers(p_values):
    from scipy.stats import false_discovery_control

    found = benjamini_hochberg(p_values)
    looked = [p for p in p_values if p is not None]
    if looked:
        assert [f for f in found if f is not None] == pytest.approx(list(false_discovery_control(looked)))
    stepped = holm(p_values)
    for p, b, h in zip(p_values, found, stepped, strict=True):
        assert (p is None) == (b is None) == (h is None)
        if p is not None:
            assert p <= b + 1e-12
            assert b <= h + 1e-12
            assert h <= 1


def test_levels_and_p_values_that_are_none():
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([1.5])
    with pytest.raises(ValueError, match="between 0 and 1"):
        rates.normal_quantile(1.0)
    with pytest.raises(ValueError, match="cannot"):
        selected_level(0.95, 3, 2)
    assert selected_level(0.95, 0, 10) == 0.95
    assert math.isclose(selected_level(0.95, 10, 10), 0.95)
