"""Luck that is looked up, and times of year and day."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polku.simulate.calendar import SHOP, STUDIO, calendar, moment
from polku.simulate.chance import chance, chances, cumulative, pick, root_of, says_yes

PLACES = st.integers(0, 2**40)


@settings(deadline=None)
@given(st.integers(0, 2**31), PLACES, st.integers(0, 10**6), st.integers(0, 10**6))
def test_the_same_place_has_the_same_luck(seed: int, person: int, visit: int, slot: int) -> None:
    root = root_of(seed, person)
    assert 0 < chance(root, visit, slot) < 1
    assert chance(root, visit, slot) == chance(root_of(seed, person), visit, slot)


def test_luck_is_even_and_independent_of_the_chunk() -> None:
    luck = chances(7, 0, 100_000, 3)
    assert abs(luck.mean() - 0.5) < 0.005
    assert abs(luck.var() - 1 / 12) < 0.002
    assert np.histogram(luck, 20, (0, 1))[0].min() > 4700
    assert abs(np.corrcoef(luck[:-1], luck[1:])[0, 1]) < 0.01
    assert abs(np.corrcoef(luck, chances(7, 0, 100_000, 4))[0, 1]) < 0.01
    assert (chances(7, 60_000, 40_000, 3) == luck[60_000:]).all()


@settings(deadline=None)
@given(st.floats(0.001, 0.999), st.floats(-8, 8), st.floats(0, 5))
def test_a_better_chance_never_turns_yes_into_no(luck: float, logit: float, more: float) -> None:
    assert not says_yes(luck, logit) or says_yes(luck, logit + more)


def test_a_logit_is_a_share() -> None:
    luck = chances(1, 0, 50_000, 0)
    shares = [np.mean([says_yes(x, logit) for x in luck[:20_000].tolist()]) for logit in (-2.0, 0.0, 1.0)]
    assert shares == pytest.approx([0.1192, 0.5, 0.7311], abs=0.012)


@settings(deadline=None)
@given(st.lists(st.floats(0, 10), min_size=1, max_size=30).filter(lambda w: sum(w) > 0.01), st.floats(0, 0.9999))
def test_a_pick_has_weight(weights: list[float], luck: float) -> None:
    table = cumulative(weights)
    assert table[-1] == 1
    assert weights[pick(table, luck)] > 0


@pytest.mark.parametrize("month", ["2026-03", "2026-10"])
def test_days_begin_at_local_midnight_through_the_change_of_clocks(month: str) -> None:
    start = dt.datetime.fromisoformat(f"{month}-20T12:00:00+00:00")
    cal = calendar(SHOP, start, start + dt.timedelta(days=14), "Europe/Helsinki")
    hours = set(np.diff(cal.midnight) / 3.6e9)
    assert hours == {24.0, 23.0 if month.endswith("03") else 25.0}


def test_the_year_has_its_seasons() -> None:
    start = dt.datetime(2025, 1, 1, 12, tzinfo=dt.UTC)
    days = {name: calendar(s, start, start + dt.timedelta(days=370), "Europe/Helsinki").season for name, s in
            (("shop", SHOP), ("studio", STUDIO))}  # fmt: skip
    week = {name: np.convolve(season, np.ones(7) / 7, "same") for name, season in days.items()}
    december, july, january = 340, 195, 7
    assert week["shop"][december] > 2 * week["shop"][july]
    assert week["studio"][january] > 2 * week["studio"][july]


def test_evenings_are_busier_than_nights() -> None:
    start = dt.datetime(2025, 6, 1, tzinfo=dt.UTC)
    cal = calendar(SHOP, start, start + dt.timedelta(days=30), "Europe/Helsinki")
    hours = [(moment(cal, 10, np.uint64(root_of(1, p)), 1, 0) - cal.midnight[10]) // 3_600_000_000 for p in range(3000)]
    counts = np.bincount(hours, minlength=24)
    assert counts[20] > 10 * counts[3]
    assert len(counts) == 24
