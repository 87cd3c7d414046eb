"""Chains that only move forwards, against stepping through them and against simulated people."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polku.statistics.onward import Forward, Impossible, needed_alone, needed_together


def some_chain(seed, states=5):
    chance = np.random.default_rng(seed)
    start = chance.dirichlet(np.ones(states))
    to = np.triu(chance.random((states, states)), 1)
    to *= (chance.random(states) * 0.8 / np.maximum(to.sum(axis=1), 1e-9))[:, None]
    return Forward(start, to, chance.random((states, 2)))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_total_is_visits_times_rewards_and_the_fundamental_matrix(seed):
    chain = some_chain(seed)
    n = np.linalg.inv(np.eye(5) - chain.to)
    assert chain.visits() == pytest.approx(chain.start @ n)
    assert chain.total() == pytest.approx(chain.start @ n @ chain.reward)
    assert chain.total() == pytest.approx(chain.visits() @ chain.reward)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(-0.1, 0.1), st.integers(0, 3), st.integers(1, 4))
def test_a_change_changes_the_share_that_reaches_the_target_by_as_much(seed, share, source, target):
    chain = some_chain(seed)
    if target <= source:
        return
    before = chain.reaching(target)[source]
    most = 1 - chain.onward[source] if share >= 0 else before
    if abs(share) > most:
        with pytest.raises(Impossible) as told:
            chain.changed(source, target, share)
        assert told.value.most == pytest.approx(most)
        return
    changed = chain.changed(source, target, share)
    assert changed.reaching(target)[source] == pytest.approx(before + share)
    assert (changed.to >= -1e-12).all()
    assert (changed.onward <= 1 + 1e-12).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.7, 1.3))
def test_what_is_needed_brings_the_goal(seed, factor):
    chain = some_chain(seed)
    goal = float(chain.total()[0]) * factor
    needed = needed_alone(chain, 0, goal)
    for i in np.flatnonzero(~np.isnan(needed) & (needed >= 0) & (needed <= 1)):
        part = np.ones(5)
        part[i] = needed[i] / chain.onward[i]
        assert Forward(chain.start, chain.to * part[:, None], chain.reward).total()[0] == pytest.approx(goal)
    together = needed_together(chain, 0, goal)
    if together is None:
        assert factor != 1
        return
    ratio, chances = together
    assert (ratio > 1) == (factor > 1) or factor == pytest.approx(1)
    assert chain.scaled(np.full(5, ratio)).total()[0] == pytest.approx(goal)
    assert chances == pytest.approx(chain.scaled(np.full(5, ratio)).onward)


def test_a_change_leads_onwards():
    with pytest.raises(ValueError, match="later"):
        some_chain(1).changed(2, 2, 0.1)
