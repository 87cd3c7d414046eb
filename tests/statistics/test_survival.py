"""Survival curves and the log-rank test: figures of textbooks, and scipy's own."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from polku.statistics import survival
from polku.statistics.survival import NO_EVENTS, ONE_GROUP, kaplan_meier, log_rank

#: Weeks in remission (Freireich and others, 1963), as printed in D. R. Cox, JRSS B 34 (1972), table 1.
TREATED = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
RELAPSED = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
CONTROL = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]


def test_the_examples_of_the_docs_are_right():
    assert doctest.testmod(survival).failed == 0


def test_the_printed_curve():
    curve = kaplan_meier(TREATED, RELAPSED)
    assert curve.time.tolist() == [6, 7, 10, 13, 16, 22, 23]
    assert curve.at_risk.tolist() == [21, 17, 15, 12, 11, 7, 6]
    assert curve.survival == pytest.approx([0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482], abs=5e-5)
    assert curve.error == pytest.approx([0.0764, 0.0869, 0.0963, 0.1068, 0.1141, 0.1282, 0.1346], abs=5e-5)
    assert kaplan_meier(CONTROL, [1] * 21).quantile() == (8.0, 4.0, 11.0)


def test_the_printed_test():
    found = log_rank([(TREATED, RELAPSED), (CONTROL, [1] * 21)])
    assert (round(found.statistic, 2), found.freedom) == (16.79, 1)
    assert found.p == pytest.approx(4.17e-5, abs=1e-7)
    assert found.observed == (9, 21)


def test_what_is_not_known_is_not_told():
    curve = kaplan_meier([1, 2, 3], [True, False, False])
    assert curve.quantile(0.5)[0] is None
    at, low, high = curve.at([0, 1, 3, 4])
    assert at[:3] == pytest.approx([1, 2 / 3, 2 / 3])
    assert np.isnan([at[3], low[3], high[3]]).all()
    assert kaplan_meier([], []).last is None
    assert log_rank([([1, 2], [0, 0]), ([3], [0])]).reason == NO_EVENTS
    assert log_rank([([1, 2], [1, 0]), ([], [])]).reason == ONE_GROUP
    with pytest.raises(ValueError, match="from 0 up"):
        kaplan_meier([-1.0], [True])
    with pytest.raises(ValueError, match="whether it happened"):
        kaplan_meier([1.0, 2.0], [True])


people = st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=2, max_size=25)


@pytest.mark.filterwarnings("ignore:The confidence interval is undefined")  # scipy's word where the curve is 0 or 1
@settings(deadline=None)
@given(people)
def test_as_scipy_has_it(rows):
    from scipy.stats import CensoredData, ecdf

    wait, happened = np.array([r[0] for r in rows], float), np.array([r[1] for r in rows])
    assume(happened.any())
    theirs = ecdf(CensoredData(uncensored=wait[happened], right=wait[~happened])).sf
    curve = kaplan_meier(wait, happened)
    assert curve.survival == pytest.approx(theirs.evaluate(curve.time), abs=1e-12)
    inside = (curve.survival > 0) & (curve.survival < 1)
    if inside.any():
        interval = theirs.confidence_interval(method="log-log")
        assert curve.low[inside] == pytest.approx(interval.low.evaluate(curve.time)[inside], abs=1e-9)
        assert curve.high[inside] == pytest.approx(interval.high.evaluate(curve.time)[inside], abs=1e-9)


@settings(deadline=None)
@given(people, people)
def test_the_test_as_scipy_has_it(one, other):
    from scipy.stats import CensoredData, logrank

    groups = [(np.array([r[0] for r in rows], float), np.array([r[1] for r in rows])) for rows in (one, other)]
    found = log_rank(groups)
    assume(found.statistic is not None)
    made = [CensoredData(uncensored=w[h], right=w[~h]) for w, h in groups]
    assume(all(h.any() for _, h in groups))
    theirs = logrank(*made)
    assert found.statistic == pytest.approx(theirs.statistic**2, abs=1e-9)
    assert found.p == pytest.approx(theirs.pvalue, abs=1e-9)


def test_three_groups_of_one_kind_do_not_differ():
    group = ([1, 2, 3, 4], [1, 1, 0, 1])
    found = log_rank([group, group, group])
    assert (found.freedom, round(found.statistic, 12), found.p) == (2, 0.0, pytest.approx(1.0))
