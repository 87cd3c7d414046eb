"""Strata: smoking and lung cancer in eight Chinese cities, and plain formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polku.statistics.odds import cochran_mantel_haenszel, mantel_haenszel, standardised
from polku.statistics.rates import odds_ratio, relative_risk

#: Agresti, Categorical Data Analysis (2002), table 6.3: smokers with and without cancer, others with and without.
CITIES = np.array([
    [126, 100, 35, 61], [908, 688, 497, 807], [913, 747, 336, 598], [235, 172, 58, 121],
    [402, 308, 121, 215], [182, 156, 72, 98], [60, 99, 11, 43], [104, 89, 21, 36],
], np.float64)  # fmt: skip


def cells(table):
    a, b, c, d = np.asarray(table, np.float64).T
    return a, a + b, c, c + d


def test_smoking_in_eight_cities():
    """Agresti 2002, section 6.3.3: Cochran-Mantel-Haenszel 280.1; common odds ratio 2.17, log error 0.046."""
    tested = cochran_mantel_haenszel(*cells(CITIES))
    assert round(tested.statistic**2, 1) == 280.1
    found = mantel_haenszel(*cells(CITIES))
    assert round(found.value, 2) == 2.17
    assert (round(found.low, 2), round(found.high, 2)) == (1.98, 2.38)


def test_one_stratum_is_the_plain_table():
    table = [[20, 80, 10, 90]]
    assert mantel_haenszel(*cells(table)).value == pytest.approx(odds_ratio(20, 100, 10, 100).value)
    found = standardised(*cells(table))
    assert found.effect == pytest.approx(0.1)
    assert found.rate / found.expected == pytest.approx(relative_risk(20, 100, 10, 100).value)


def test_a_mixture_that_misleads_is_undone():
    """Simpson's paradox: all of the difference is that the group stands in the harder stratum."""
    table = np.array([[90, 810, 10, 90], [10, 10, 450, 450]], np.float64)
    n, of, base_n, base_of = cells(table)
    assert n.sum() / of.sum() < base_n.sum() / base_of.sum() - 0.3
    assert standardised(n, of, base_n, base_of).effect == pytest.approx(0)
    assert mantel_haenszel(n, of, base_n, base_of).value == pytest.approx(1)


def test_who_has_nobody_alike_is_left_out_and_counted():
    found = standardised(*cells([[1, 9, 0, 0], [5, 5, 1, 0], [2, 2, 5, 5]]))
    assert (found.compared, found.left_out) == (4, 20)
    assert found.effect == pytest.approx(0)
    nobody = standardised(*cells([[1, 9, 0, 0]]))
    assert (nobody.effect, nobody.compared, nobody.left_out) == (None, 0, 10)
    assert mantel_haenszel(*cells([[1, 9, 0, 0]])).value is None
    assert cochran_mantel_haenszel(*cells([[1, 9, 0, 0]])).p is None


def test_where_all_did_the_same_there_is_no_p_value():
    assert cochran_mantel_haenszel(*cells([[5, 0, 9, 0], [0, 4, 0, 3]])).p is None
    assert mantel_haenszel(*cells([[5, 0, 9, 0]])).value is None
    assert math.isinf(mantel_haenszel(*cells([[5, 0, 5, 4]])).value)


tables = st.lists(st.tuples(*[st.integers(0, 30)] * 4), min_size=1, max_size=6)


@given(tables)
def test_standardised_against_plain_python(rows):
    found = standardised(*cells(rows))
    used = [r for r in rows if r[0] + r[1] > 0 and r[2] + r[3] >= 2]
    people = sum(r[0] + r[1] for r in used)
    assert found.compared == people
    if people:
        effect = sum((r[0] + r[1]) * (r[0] / (r[0] + r[1]) - r[2] / (r[2] + r[3])) for r in used) / people
        assert found.effect == pytest.approx(effect, abs=1e-12)
        assert found.expected == pytest.approx(float((found.weight * cells(rows)[2]).sum()))
