"""Sequences, loops and what comes onward, against a plain reading."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measures.paths.test_transitions import MAP, PEOPLE, steps
from measures.small_world import trails
from polku.errors import MeasureError
from polku.measures.ask import measure
from polku.measures.customers import customers_behind
from polku.measures.paths.onward import lift_of
from polku.measures.result import Period
from polku.trails.layout import moment


def test_sequences_of_a_few_people():
    made = trails(MAP, PEOPLE, buckets=2)
    found = {
        " ".join(s.steps): (s.support.numerator, s.times) for s in measure(made, "sequences", journey=MAP).sequences
    }
    assert found == {"ad view": (1, 1), "view view": (1, 1), "view cart": (2, 2), "cart order": (1, 1)}
    first = measure(made, "sequences", journey=MAP, limit=1).sequences[0]
    assert first.lift == pytest.approx(2 / (5 * 3 / 7 * 2 / 7))  # 5 places, 3 views and 2 carts among 7 steps
    assert measure(made, "sequences", journey=MAP, least="60 %").sequences == (first,)


@settings(deadline=None)
@given(steps, st.integers(2, 3), st.booleans())
def test_sequences_are_those_of_a_plain_reading(people, length, gaps):
    made = trails(MAP, people, buckets=2, codes=["ad"])
    answer = measure(made, "sequences", journey=MAP, of="event", length=length, gaps=gaps, limit=500)
    having: Counter[tuple[str, ...]] = Counter()
    times: Counter[tuple[str, ...]] = Counter()
    for trail in people:
        path = [name for _, name in trail]
        found = (
            list(itertools.combinations(path, length))
            if gaps
            else [tuple(path[i : i + length]) for i in range(len(path) - length + 1)]
        )
        having.update(set(found))
        times.update(found)
    assert {s.steps: s.support.numerator for s in answer.sequences} == dict(having)
    assert answer.paths == sum(map(bool, people))
    if not gaps:
        assert {s.steps: s.times for s in answer.sequences} == dict(times)
    for sequence in answer.sequences[:3]:
        assert customers_behind(made, MAP, sequence.support.behind).total == having[sequence.steps]


@settings(deadline=None)
@given(steps)
def test_loops_are_those_of_a_plain_reading(people):
    made = trails(MAP, people, buckets=2, codes=["ad"])
    answer = measure(made, "loops", journey=MAP, of="event")
    paths = [[name for _, name in trail] for trail in people]
    for loop in answer.loops:
        with_it = [p for p in paths if loop.step in p]
        again = [p for p in with_it if p.count(loop.step) > 1]
        assert (loop.repeated.numerator, loop.repeated.denominator) == (len(again), len(with_it))
        assert loop.right_after == sum(a == b == loop.step for p in paths for a, b in itertools.pairwise(p))
        assert loop.right_after + loop.later == sum(p.count(loop.step) - 1 for p in with_it)
        assert customers_behind(made, MAP, loop.repeated.behind).total == len(again)
    back = Counter((a, b) for p in paths for a, b, c in zip(p, p[1:], p[2:], strict=False) if a == c != b)
    assert {(b.step, b.between): b.count.n for b in answer.back} == dict(back)
    for pair in answer.back[:2]:
        who = sum(any((a, b) == (pair.step, pair.between) and a == c for a, b, c in zip(p, p[1:], p[2:], strict=False))
                  for p in paths)  # fmt: skip
        assert customers_behind(made, MAP, pair.count.behind).total == who


@settings(deadline=None)
@given(steps, st.sampled_from([None, 3, 10]), st.integers(30, 60))
def test_onward_is_that_of_a_plain_reading(people, within, as_of):
    made = trails(MAP, people, buckets=2, codes=["ad", "view", "cart"], as_of=as_of)
    period = Period(moment(5), moment(30))
    answer = measure(made, "onward", journey=MAP, of="event", from_="view", to="cart", within=within, period=period)
    came = closed = is_open = base = anyone = 0
    for everything in people:
        trail = [(t, name) for t, name in everything if t <= as_of]  # what is later does not exist
        starts = [t for t, name in trail if name == "view" and 5 <= t < 30]
        anyone += any(5 <= t < 30 for t, _ in trail)
        base += any(5 <= t < 30 and name == "cart" for t, name in trail)
        if not starts:
            continue
        if within is not None and starts[-1] + within > as_of:
            is_open += 1
            continue
        closed += 1
        came += any(
            name == "cart" and trail[j][0] - t <= (within if within is not None else 10**9)
            for i, (t, first) in enumerate(trail) if first == "view" and 5 <= t < 30
            for j, (_, name) in enumerate(trail) if j > i
        )  # fmt: skip
    row = answer.onward[0]
    assert (row.rate.numerator, row.rate.denominator, row.rate.pending) == (came, closed, is_open)
    assert (row.base.numerator, row.base.denominator) == (base, anyone)
    for behind, count in (
        (row.rate.behind, came), (row.rate.behind_not, closed - came), (row.rate.behind_pending, is_open),
        (row.base.behind, base), (row.rate.behind_all, closed),
    ):  # fmt: skip
        assert customers_behind(made, MAP, behind).total == count


def test_a_lift_that_cannot_be_known():
    assert lift_of(10, 4, 0, 0, 0, 4).value is None
    nobody = lift_of(10, 4, 5, 2, 0, 4)
    assert (nobody.value, nobody.low) == (0.0, None)
    sure = lift_of(600, 522, 328, 300, 297, 522)
    assert sure.low < sure.value < sure.high
    for alike in (lift_of(3, 3, 3, 3, 3, 3), lift_of(1, 1, 1, 1, 1, 1)):  # nothing varies
        assert (alike.value, alike.low, alike.high, alike.reason) == (1.0, None, None, "too few to say")


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("sequences", {"length": 5}, "2 to 4"),
        ("sequences", {"length": 4, "gaps": "yes"}, "2 to 3"),
        ("onward", {}, "from"),
        ("onward", {"from": "crt"}, "cart"),
    ],
)
def test_what_cannot_be_asked_is_told(name, options, says):
    with pytest.raises(MeasureError, match=says):
        measure(trails(MAP, PEOPLE), name, journey=MAP, **options)
