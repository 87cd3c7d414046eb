"""Effects of an experiment: the figures of Cookie Cats (gbstats 0.8.0), tea-tasting and papers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polku.statistics import bayes, effects, power, sequential
from polku.statistics.effects import Moments, compare, sample_ratio
from polku.statistics.rates import two_sided


def of_rate(n: int, of: int) -> Moments:
    p = n / of
    return Moments(of, np.array([p]), np.array([[of * p * (1 - p)]]))


BASE, ARM = of_rate(8502, 44700), of_rate(8279, 45489)


def test_cookie_cats_relative_uplift():
    found = compare(ARM, BASE, rate=True)
    r = found.relative
    assert [round(x, 6) for x in (r.value, r.low, r.high)] == [-0.043119, -0.069245, -0.016993]
    assert round(two_sided(r.value / found.relative_error), 6) == pytest.approx(0.001218, abs=1e-6)
    a = found.absolute
    assert [round(x, 6) for x in (a.value, a.low, a.high)] == [-0.008201, -0.013282, -0.003121]


def test_cookie_cats_sequential():
    found = compare(ARM, BASE, rate=True)
    n = found.n + found.base_n
    s = sequential.confidence_sequence(found.relative.value, found.relative_error, n)
    assert [round(x, 6) for x in (s.low, s.high)] == [-0.087406, 0.001168]
    p = sequential.always_valid_p(found.relative.value, found.relative_error, n).p
    assert round(p, 4) == 0.0665


def test_cookie_cats_bayesian():
    found = compare(ARM, BASE, rate=True)
    b = bayes.belief(found.relative.value, found.relative_error)
    assert round(b.chance, 6) == 0.000609
    assert f"{b.loss_of_base:.4e}" == "2.1688e-06"
    assert round(b.loss, 6) == 0.043121


def test_cookie_cats_sample_ratio():
    found = sample_ratio((44700, 45489))
    assert (round(found.chi2, 4), round(found.p, 6)) == (6.9024, 0.008608)
    assert sample_ratio((9, 1), (9, 1)).reason is not None
    with pytest.raises(ValueError, match="shares above 0"):
        sample_ratio((10, 10), (1.0, 0.0))


def test_where_nothing_varies_there_is_no_p_value():
    still = Moments.of(np.ones((50, 1)))
    found = compare(still, still)
    assert found.tested.p is None
    assert found.absolute.value == 0
    assert (found.absolute.low, found.error, found.tested.reason) == (None, None, effects.NO_SPREAD)
    assert bayes.belief(found.absolute.value, found.error) is None
    assert sequential.always_valid_p(found.absolute.value, found.error, 100).p is None
    assert compare(Moments.of(np.ones((1, 1))), still).tested.reason == effects.TOO_FEW
    assert compare(Moments.none(1), still).value is None


def test_no_relative_figure_over_a_base_of_nothing():
    rng = np.random.default_rng(1)
    found = compare(Moments.of(rng.normal(0.5, 1, (100, 1))), Moments.of(rng.normal(-0.5, 1, (100, 1))))
    assert found.relative.value is None
    assert found.relative.reason == effects.NO_BASE
    assert found.absolute.low is not None


def test_an_arm_of_which_nobody_did_it_has_an_uplift_of_minus_100_percent():
    """0 of 30 and 6 of 30 are less likely than no table but its mirror image: Fisher's p = 2 C(30, 6) / C(60, 6)."""
    found = compare(of_rate(0, 30), of_rate(6, 30), rate=True)
    assert found.relative.value == found.relative.low == -1
    assert -1 < found.relative.high < 0.5
    assert found.tested.p == pytest.approx(2 * math.comb(30, 6) / math.comb(60, 6))
    money = compare(Moments.of(np.zeros((30, 1))), Moments.of(np.arange(30.0)[:, None]))
    assert (money.relative.value, money.relative.low, money.relative.reason) == (-1, None, effects.NO_ARM)


def test_everyone_against_nobody_can_be_tested():
    found = compare(of_rate(9, 9), of_rate(0, 9), rate=True)
    assert found.tested.p == pytest.approx(2 / math.comb(18, 9))
    assert 0.5 < found.absolute.low < found.absolute.value == 1
    assert found.relative.reason == effects.NO_BASE
    turned = compare(of_rate(0, 9), of_rate(9, 9), rate=True)
    assert turned.relative.value == -1
    assert turned.relative.low == -1


def test_a_ratio_that_cannot_be_compared_is_still_a_ratio():
    bought = Moments.of(np.array([[20.0, 2.0], [10.0, 1.0], [0.0, 0.0]]))
    found = compare(Moments.of(np.zeros((3, 2))), bought, ratio=True)
    assert (found.value, found.base, found.tested.reason) == (None, 10.0, effects.NO_UNITS)


def test_no_uplift_makes_a_rate_more_than_everyone():
    assert power.needed(of_rate(900, 1000), 0.2, rate=True).reason == power.TOO_HIGH
    assert power.needed(of_rate(900, 1000), 0.1, rate=True).arm is not None
    assert power.smallest_effect(of_rate(900, 1000), 20, rate=True) is None
    assert power.smallest_effect(of_rate(900, 1000), 2000, rate=True) < 0.1


def people(seed: int, n: int, lift: float) -> np.ndarray:
    """Orders and their worth of n people, and the same of the time before, which they resemble."""
    rng = np.random.default_rng(seed)
    keen = rng.gamma(2.0, 1.0, n)
    orders, before = rng.poisson(keen * 0.8), rng.poisson(keen * 0.8)
    worth = orders * rng.gamma(20, 2, n) * (1 + lift)
    return np.column_stack([worth, orders, before * rng.gamma(20, 2, n), before]).astype(np.float64)


def test_welch_and_delta_method_against_plain_formulas():
    one, two = people(1, 400, 0.1), people(2, 500, 0.0)
    arm, base = Moments.of(one), Moments.of(two)
    from scipy.stats import ttest_ind

    mean = compare(arm, base)
    assert mean.tested.p == pytest.approx(ttest_ind(one[:, 0], two[:, 0], equal_var=False).pvalue)

    def ratio(x: np.ndarray) -> tuple[float, float]:
        r = x[:, 0].mean() / x[:, 1].mean()
        return r, float(np.var(x[:, 0] - r * x[:, 1], ddof=1) / x[:, 1].mean() ** 2 / len(x))

    (a, va), (b, vb) = ratio(one), ratio(two)
    found = compare(arm, base, ratio=True)
    assert found.absolute.value == pytest.approx(a - b)
    assert found.error == pytest.approx(math.sqrt(va + vb))
    assert found.relative_error == pytest.approx(math.sqrt(va / b**2 + vb * a**2 / b**4))


def test_cuped_takes_variance_away_and_keeps_the_effect():
    one, two = people(3, 3000, 0.15), people(4, 3000, 0.0)
    plain = compare(Moments.of(one), Moments.of(two))
    adjusted = compare(Moments.of(one), Moments.of(two), cuped=True)
    assert adjusted.error < 0.95 * plain.error
    assert adjusted.explained == pytest.approx(1 - (adjusted.error / plain.error) ** 2)
    both = np.vstack([one, two])
    theta = np.cov(both[:, 0], both[:, 2])[0, 1] / both[:, 2].var(ddof=1)
    expected = (one[:, 0] - theta * one[:, 2]).mean() - (two[:, 0] - theta * two[:, 2]).mean()
    assert adjusted.absolute.value == pytest.approx(expected, rel=1e-3)
    nothing_before = one.copy()
    nothing_before[:, 2:] = 0
    without = compare(Moments.of(nothing_before), Moments.of(nothing_before), cuped=True)
    assert without.explained is None


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=30), st.integers(0, 30))
def test_moments_of_parts_add_up(values, cut):
    table = np.column_stack([values, np.array(values) ** 2])
    whole = Moments.of(table)
    parts = Moments.of(table[:cut]) + Moments.of(table[cut:])
    assert parts.n == whole.n
    assert np.allclose(parts.mean, whole.mean)
    assert np.allclose(parts.scatter, whole.scatter, rtol=1e-6, atol=1e-6)


def test_a_confidence_sequence_holds_over_all_looks():
    """Looked at after every 50 of 2,000 people, without any effect: fixed intervals fail often, these hardly."""
    rng = np.random.default_rng(7)
    draws = rng.normal(0, 1, (400, 2000))
    looks = np.arange(100, 2001, 50)
    sums = np.cumsum(draws, axis=1)[:, looks - 1]
    fixed = sequence = 0
    for run in sums:
        wrong = [abs(s / n) > 1.959964 / math.sqrt(n) for s, n in zip(run, looks, strict=True)]
        outside = []
        for s, n in zip(run, looks, strict=True):
            found = sequential.confidence_sequence(s / n, 1 / math.sqrt(n), int(n), tuned_for=1000)
            outside.append(not found.low <= 0 <= found.high)
        fixed += any(wrong)
        sequence += any(outside)
    assert fixed / 400 > 0.2
    assert sequence / 400 <= 0.05


@given(st.floats(-3, 3), st.floats(0.01, 2), st.integers(10, 100_000))
def test_the_always_valid_p_value_and_the_sequence_agree(value, error, n):
    p = sequential.always_valid_p(value, error, n).p
    found = sequential.confidence_sequence(value, error, n)
    if abs(p - 0.05) > 1e-9:
        assert (p < 0.05) == (not found.low <= 0 <= found.high)


def test_belief_and_its_losses_by_drawing():
    rng = np.random.default_rng(3)
    drawn = rng.normal(0.02, 0.03, 400_000)
    found = bayes.belief(0.02, 0.03)
    assert found.chance == pytest.approx((drawn > 0).mean(), abs=0.003)
    assert found.loss == pytest.approx(np.maximum(0, -drawn).mean(), abs=2e-4)
    assert found.loss_of_base == pytest.approx(np.maximum(0, drawn).mean(), abs=2e-4)
    assert found.loss_of_base - found.loss == pytest.approx(found.mean)
    shrunk = bayes.belief(0.02, 0.03, prior_deviation=0.03)
    assert (shrunk.mean, shrunk.deviation) == pytest.approx((0.01, 0.03 / math.sqrt(2)))
    with pytest.raises(ValueError, match="above 0"):
        bayes.belief(0.02, 0.03, prior_deviation=0.0)


def test_how_many_people():
    """Fleiss, Levin and Paik give (z_a + z_b)^2 (p1 q1 + p2 q2) / d^2; with today's variance for both: 2 p q."""
    p, lift = 0.1, 0.1
    found = power.needed(of_rate(1000, 10_000), lift, rate=True)
    wanted = (1.959964 + 0.841621) ** 2 * 2 * p * (1 - p) / (p * lift) ** 2
    assert found.arm == pytest.approx(wanted, abs=1.5)
    assert found.total == 2 * found.arm
    three = power.needed(of_rate(1000, 10_000), lift, rate=True, arms=3)
    assert three.arm > found.arm
    assert power.smallest_effect(of_rate(1000, 10_000), found.arm, rate=True) == pytest.approx(lift, rel=1e-3)
    assert power.needed(of_rate(0, 100), lift, rate=True).reason == power.NOTHING_SEEN
    assert power.smallest_effect(of_rate(0, 100), 1000, rate=True) is None
    with pytest.raises(ValueError, match="uplift of 0"):
        power.needed(of_rate(10, 100), 0.0)
    adjusted = power.needed(Moments.of(people(5, 3000, 0.0)), lift, cuped=True)
    assert adjusted.arm < power.needed(Moments.of(people(5, 3000, 0.0)), lift).arm


def test_a_missing_library_is_told_with_its_extra(monkeypatch):
    import importlib

    from polku.errors import MissingExtraError

    real = importlib.import_module

    def absent(name, package=None):
        if name == "tea_tasting":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(MissingExtraError, match=r"polku\[models\]"):
        compare(ARM, BASE, rate=True)


def test_small_counts_have_intervals_that_bear_them():
    """1 of 20 against 0 of 20: Fisher's p, Newcombe's interval, and no relative figure over nothing."""
    found = compare(of_rate(1, 20), of_rate(0, 20), rate=True)
    assert (found.tested.method, found.tested.p) == ("fisher", 1.0)
    assert found.absolute.method == "newcombe"
    assert found.absolute.low < 0 < found.absolute.high
    assert found.relative.value is None
    few = compare(of_rate(9, 30), of_rate(3, 30), rate=True)
    assert few.relative.method == "katz"
    assert few.relative.low < few.relative.value < few.relative.high
