"""The kernel of features against plain Python, and that nothing after the moment is looked at."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from polku.kernels import features as kernel
from polku.kernels.columns import columns, frozen

DAY = 86400
CODES, GROUPS = 4, 3
GROUP = frozen([[0, 2], [1, -1], [-1, 2], [-1, -1]], np.int16)
PAYING = frozen([False, True, False, False], np.bool_)

#: (second, code, value or None, page, origin)
EVENT = st.tuples(
    st.integers(0, 12 * DAY), st.integers(0, CODES - 1), st.none() | st.integers(0, 50), st.integers(0, 2),
    st.integers(0, 3),
)  # fmt: skip
PEOPLE = st.lists(st.lists(EVENT, max_size=8), min_size=1, max_size=5)


def bucket(people, skip=None):
    rows = [e for p in people for e in sorted(p, key=lambda e: e[0])]
    offsets = np.cumsum([0, *(len(p) for p in people)])
    return columns(
        offsets, np.array([e[0] for e in rows], np.uint32), np.array([e[1] for e in rows], np.uint16),
        page=np.array([e[3] for e in rows], np.uint32), origin=np.array([e[4] for e in rows], np.uint32),
        session=np.zeros(len(rows), np.uint32),
        value=np.array([np.nan if e[2] is None else e[2] for e in rows], np.float64), skip=skip,
    )  # fmt: skip


def asked(people, since, at):
    return kernel.features(bucket(people), since, np.array(at, np.int64), GROUP, GROUPS, PAYING)


def reference(person, since, at):
    events = [e for e in sorted(person, key=lambda e: e[0]) if since <= e[0] <= at]
    if not events:
        return [np.nan] * (kernel.FIXED + GROUPS + 2)
    times = [e[0] for e in events]
    sessions = 1 + sum(b - a >= 1800 for a, b in itertools.pairwise(times))
    origins = [e[4] for e in events if e[4]]
    counts = [sum(g in (GROUP[e[1], 0], GROUP[e[1], 1]) for e in events) for g in range(GROUPS)]
    return [
        len(events), len({t // DAY for t in times}), (at - times[0]) / DAY, (at - times[-1]) / DAY, sessions,
        sum(e[3] != 0 for e in events), sum(e[2] or 0 for e in events if PAYING[e[1]]),
        sum(at - t < 7 * DAY for t in times), *counts, *((origins[0], origins[-1]) if origins else (0, 0)),
    ]  # fmt: skip


@settings(deadline=None)
@given(PEOPLE, st.integers(0, 6 * DAY), st.integers(-1, 12 * DAY))
def test_as_plain_python_counts_features(people, since, at):
    found = asked(people, since, [at] * len(people))
    np.testing.assert_allclose(found, [reference(p, since, at) for p in people])


@settings(deadline=None)
@given(PEOPLE, PEOPLE, st.integers(0, 12 * DAY))
def test_later_events_change_nothing(people, later, at):
    """Whatever comes after the moment, the features (and the properties known) are the same."""
    past = [[e for e in p if e[0] <= at] for p in people]
    more = [[*p, *((at + 1 + e[0], *e[1:]) for e in (later[k] if k < len(later) else []))] for k, p in enumerate(past)]
    moments = [at] * len(people)
    np.testing.assert_array_equal(asked(past, 0, moments), asked(more, 0, moments))
    known = [
        kernel.last_known(
            bucket(who), frozen([e[4] for p in who for e in sorted(p, key=lambda e: e[0])], np.uint32),
            np.array(moments, np.int64),
        ).tolist()
        for who in (past, more)
    ]  # fmt: skip
    assert known[0] == known[1]


def test_spans():
    """The first event asked for, the first wanted from then on, the last of all, and how many."""
    people = [[(5, 1, None, 0, 0), (10, 0, None, 0, 0), (20, 1, None, 0, 0), (30, 2, None, 0, 0)], [(7, 2, None, 0, 0)]]
    first, wanted = frozen([1, 0, 0, 0], np.bool_), frozen([0, 1, 0, 0], np.bool_)
    found = kernel.spans(bucket(people), first, wanted, 25)
    assert found.tolist() == [[10, 20, 20, 3], [-1, -1, 7, 1]]


def test_those_to_skip_have_no_features():
    found = kernel.features(
        bucket([[(1, 0, None, 0, 0)], [(1, 0, None, 0, 0)]], np.array([True, False])), 0, np.array([9, 9]), GROUP,
        GROUPS, PAYING,
    )  # fmt: skip
    assert np.isnan(found[0]).all()
    assert found[1, kernel.EVENTS] == 1
