"""Shifted beta-geometric: the two cohorts of Fader and Hardie (2007), fitted to seven years, held against twelve."""

from __future__ import annotations

import numpy as np
import pytest

from polku.statistics.btyd.fitting import Fit, NoFit
from polku.statistics.btyd.sbg import ShiftedBetaGeometric, fit_sbg

#: Percent of the cohort still subscribed after 0, 1, ... 12 years (table 1 of the paper).
REGULAR = (100, 63.1, 46.8, 38.2, 32.6, 28.9, 26.2, 24.1, 22.3, 20.7, 19.4, 18.3, 17.3)
HIGH_END = (100, 86.9, 74.3, 65.3, 59.3, 55.1, 51.7, 49.1, 46.8, 44.5, 42.7, 40.9, 39.4)


def fitted(percent, years=7) -> Fit[ShiftedBetaGeometric]:
    left = [10 * (percent[t] - percent[t + 1]) for t in range(years)]
    fit = fit_sbg(left, [*[0] * (years - 1), 10 * percent[years]])
    assert isinstance(fit, Fit)
    return fit


@pytest.mark.parametrize(
    ("percent", "alpha", "beta", "likelihood"), [(REGULAR, 0.704, 1.182, -1680.3), (HIGH_END, 0.668, 3.806, -1611.2)]
)
def test_the_papers_estimates(percent, alpha, beta, likelihood):
    fit = fitted(percent)
    assert (round(fit.model.alpha, 3), round(fit.model.beta, 3)) == (alpha, beta)
    assert round(fit.log_likelihood, 1) == likelihood
    assert fit.weak == ()
    low, high = fit.interval("alpha")
    assert low < fit.model.alpha < high


@pytest.mark.parametrize("percent", [REGULAR, HIGH_END])
def test_seven_years_tell_the_next_five_within_two_points(percent):
    told = 100 * fitted(percent).model.survival(range(13))
    assert np.abs(told - percent)[8:].max() < 2
    assert np.abs(told - percent)[:8].max() < 2


def test_retention_is_the_ratio_of_survivals():
    model = ShiftedBetaGeometric(0.668, 3.806)
    survival = model.survival(range(9))
    assert model.retention(range(1, 9)) == pytest.approx(survival[1:] / survival[:-1])


@pytest.mark.parametrize("renewals", [0, 3])
def test_remaining_payments_are_the_discounted_sum(renewals):
    model = ShiftedBetaGeometric(0.764, 1.296)
    years = np.arange(renewals + 1, 4000)
    wanted = (model.survival(years) / model.survival(renewals) * 1.1 ** -(years - renewals - 1.0)).sum()
    assert model.remaining(renewals, 0.1) == pytest.approx(wanted)
    assert model.remaining(renewals) is None


def test_cohorts_of_different_age_are_fitted_together():
    """A second cohort that was watched for three years only, drawn from the same survival, moves nothing."""
    model = ShiftedBetaGeometric(0.7, 1.2)
    old, young = 1000 * model.survival(range(8)), 500 * model.survival(range(4))
    lost, still = -np.diff(old), np.zeros(7)
    lost[:3] -= np.diff(young)
    still[6], still[2] = old[-1], young[-1]
    fit = fit_sbg(lost, still)
    assert (round(fit.model.alpha, 4), round(fit.model.beta, 4)) == (0.7, 1.2)


def test_what_cannot_be_fitted_says_why():
    assert fit_sbg([0, 0], [0, 5]) == NoFit("nobody has left yet")
    assert fit_sbg([5, 0], [0, 0]) == NoFit("nobody has renewed yet")
    with pytest.raises(ValueError, match="never negative"):
        fit_sbg([-1, 2], [0, 0])


def test_a_cohort_of_equals_is_told_as_weakly_held():
    """Half leaves every year: everybody is alike, which no finite alpha and beta say best."""
    fit = fit_sbg([500, 250, 125], [0, 0, 125])
    assert set(fit.weak) == {"alpha", "beta"}
    assert fit.no_interval is not None
    assert fit.model.survival(range(4)) == pytest.approx([1, 0.5, 0.25, 0.125], rel=1e-3)
