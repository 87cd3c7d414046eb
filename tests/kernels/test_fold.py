"""The fold against its plain retelling, on random maps and people; live steps against the whole trail."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings

from measures.reference import transitions
from measures.small_world import journey_of, trails
from measures.strategies import journeys, moments, people
from polku.kernels import fold
from polku.measures.rules import rules_of
from polku.measures.view import columns_of

KINDS = {fold.ENTERED: "entered", fold.LAPSED_KIND: "lapsed", fold.WON_BACK: "won_back"}


def found_by_kernel(journey, crowd, as_of):
    made = trails(journey, crowd, as_of=as_of)
    bucket = made.buckets[0]
    rows = fold.transitions(columns_of(bucket), rules_of(journey, made.tables), np.arange(len(crowd)), as_of)
    out = [[] for _ in crowd]
    for c, time, position, before, after, kind, _ in rows.tolist():
        place = None if position < 0 else position - int(bucket.offsets[c])
        out[c].append((time, place, before, after, KINDS[kind]))
    return out


@settings(max_examples=300, deadline=None)
@given(journeys(), people, moments)
def test_the_kernel_tells_what_the_rules_say(journey, crowd, as_of):
    found = found_by_kernel(journey, crowd, as_of)
    assert found == [transitions(journey, person, as_of) for person in crowd]


@settings(max_examples=60, deadline=None)
@given(journeys(), people, moments)
def test_where_everyone_stands_is_the_last_change(journey, crowd, as_of):
    made = trails(journey, crowd, as_of=as_of)
    columns, rules = columns_of(made.buckets[0]), rules_of(journey, made.tables)
    rows = fold.current(columns, rules, np.ones(len(rules.stage_of), np.bool_), as_of)
    for person, row in zip(crowd, rows, strict=True):
        changes = transitions(journey, person, as_of)
        seen = [e for e in person if e[0] <= as_of]
        last = changes[-1] if changes else (-1, None, -1, -1, "")
        assert (row[fold.C_STAGE], row[fold.C_LAPSED], row[fold.C_SINCE]) == (last[3], last[4] == "lapsed", last[0])
        assert row[fold.C_EVENTS] == len(seen)
        if seen:
            assert (row[fold.C_FIRST], row[fold.C_LAST]) == (seen[0][0], seen[-1][0])


@settings(max_examples=60, deadline=None)
@given(journeys(), people, moments)
def test_a_later_moment_only_adds_changes(journey, crowd, as_of):
    """What was so at a moment stays so: the changes as of earlier are the beginning of those as of later."""
    earlier, later = found_by_kernel(journey, crowd, as_of), found_by_kernel(journey, crowd, as_of + 7)
    for before, after in zip(earlier, later, strict=True):
        assert after[: len(before)] == before


def test_a_condition_nests_deep():
    deep = "count(a) >= 1"
    for _ in range(20):
        deep = f"(count(a) >= 1 and ({deep} or count(a) = 7))"
    journey = journey_of(("one", ["a"]), ("two", [], {"enter": deep}))
    assert found_by_kernel(journey, [[(5, "a")]], 9) == [[(5, 0, -1, 0, "entered"), (5, 0, 0, 1, "entered")]]


def test_sums_of_a_sliding_window_stay_exact():
    """0.1 + 0.2 is not 0.3 in floating point; a threshold must not depend on what has left the window."""
    journey = journey_of(("one", [{"id": "a"}]), ("two", [], {"enter": "sum(a.value) = 0.3 within 10s"}))
    people = [[(0, "a", 1e9), (15, "a", 0.1), (16, "a", 0.2)], [(0, "a", 0.3)]]
    assert [changes[-1][3] for changes in found_by_kernel(journey, people, 30)] == [1, 1]


def test_a_customer_with_very_many_events():
    journey = journey_of(("one", ["a"]), ("two", [], {"enter": "count(a) >= 3 within 2s"}))
    person = [(10 * i, "a") for i in range(50_000)] + [(500_001, "a"), (500_002, "a"), (500_002, "a")]
    assert found_by_kernel(journey, [person], 600_000)[0][-1] == (500_002, 50_002, 0, 1, "entered")
