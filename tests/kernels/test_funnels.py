"""The funnels' kernels against trying every chain, over every refinement; and against each other."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import funnel_reference as reference
from kernels.funnel_reference import Asked
from polku.kernels.columns import columns
from polku.kernels.funnels.around import first_origin
from polku.kernels.funnels.chains import EVERY, FIRST, FURTHEST, UNLIMITED, chains
from polku.kernels.funnels.plain import NO_STEP, places_of, plain_funnel
from polku.kernels.funnels.plans import plan_of
from polku.kernels.funnels.unordered import unordered
from polku.kernels.sessions import Segments, trails
from polku.kernels.sessions import sessions as all_sessions

LETTERS = "abcdx"
NO_MARKS = np.empty(0, np.uint32)
NO_MARKS.flags.writeable = False


def bucket(people, micros=None):
    """Columns of people, each a list of (moment, letter)."""
    return columns(
        np.cumsum([0, *(len(p) for p in people)]),
        [e[0] for p in people for e in p],
        [LETTERS.index(e[1]) for p in people for e in p],
        micros=micros,
    )


def is_letter(letter):
    return np.array([x == letter for x in LETTERS])


def plan(asked: Asked):
    return plan_of(
        [is_letter(s) for s in asked.steps],
        required=asked.required or None,
        least=asked.least or None,
        most=asked.most or None,
        without=[(is_letter(x), a, b) for x, a, b in asked.without],
        strict=asked.strict,
        rising=asked.rising,
        once=asked.once,
    )


def rows(people, asked, which=FURTHEST, marks=NO_MARKS, made=None):
    """{person: [(level, met, open, places)]}"""
    made = bucket(people) if made is None else made
    stretches = Segments(*trails(made, asked.as_of))
    window = UNLIMITED if asked.window is None else asked.window
    out = chains(made, stretches, marks, plan(asked), which, window, asked.start, asked.end, asked.as_of)
    found: dict[int, list] = {}
    for v, level, met, is_open, places in zip(*out, strict=True):
        found.setdefault(int(stretches.customer[v]), []).append(
            (int(level), tuple(met.tolist()), bool(is_open), places)
        )
    return found


def told(found):
    return None if found is None else (found.level, found.met, found.open)


def holds(people, asked, person, level, places):
    """Whether the chain that is given is one, and takes its level."""
    offset = sum(len(p) for p in people[:person])
    chain = [(int(p) - offset, k) for k, p in enumerate(places) if p >= 0]
    assert max(k + 1 for _, k in chain if reference.needed(asked, k)) == level
    assert tuple(chain) in set(reference.every_chain(people[person], asked, chain[0][0]))


events = st.tuples(st.integers(0, 20), st.sampled_from(LETTERS))
person = st.lists(events, max_size=9).map(lambda p: sorted(p, key=lambda e: e[0]))
people = st.lists(person, min_size=1, max_size=4)


@st.composite
def questions(draw):
    """Any funnel: repeated steps, optional ones, gaps, exclusions (also of a step itself), strict, rising, a period."""
    steps = draw(st.text("abcd", min_size=2, max_size=4))
    n = len(steps)
    least = tuple(draw(st.lists(st.sampled_from([0, 0, 0, 1, 3]), min_size=n, max_size=n)))
    most = tuple(draw(st.lists(st.sampled_from([None, None, 2, 5]), min_size=n, max_size=n)))
    optional = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    pairs = st.tuples(st.integers(0, n - 2), st.integers(1, n - 1)).filter(lambda p: p[0] < p[1])
    without = draw(st.lists(st.tuples(st.sampled_from(LETTERS), pairs), max_size=2))
    start = draw(st.sampled_from([0, 0, 4]))
    return Asked(
        steps,
        window=draw(st.sampled_from([None, 3, 8, 15])),
        required=tuple(k in (0, n - 1) or not o for k, o in enumerate(optional)),
        least=least,
        most=most,
        without=tuple((x, a, b) for x, (a, b) in without),
        strict=draw(st.sampled_from([False, False, True])),
        rising=draw(st.booleans()),
        once=draw(st.sampled_from([False, False, True])),
        start=start,
        end=draw(st.sampled_from([10**6, 12])),
        as_of=draw(st.sampled_from([10**6, 20])),
    )


@settings(max_examples=250, deadline=None)
@given(people, questions())
def test_the_furthest_start_is_that_of_every_chain(people, asked):
    found = rows(people, asked)
    for c, p in enumerate(people):
        p = [e for e in p if e[0] <= asked.as_of]
        assert told(reference.furthest(p, asked)) == (found[c][0][:3] if c in found else None)
        if c in found:
            holds(people, asked, c, found[c][0][0], found[c][0][3])


@settings(max_examples=150, deadline=None)
@given(people, questions())
def test_the_first_start_and_every_way_through(people, asked):
    first, every = rows(people, asked, FIRST), rows(people, asked, EVERY)
    for c, p in enumerate(people):
        assert told(reference.first(p, asked)) == (first[c][0][:3] if c in first else None)
        assert [told(f) for f in reference.every(p, asked)] == [r[:3] for r in every.get(c, [])]


@settings(max_examples=150, deadline=None)
@given(people, questions(), st.data())
def test_what_is_held_is_as_if_each_mark_stood_alone(people, asked, data):
    """Marks are 0 (none), 1 or 2; events without a mark only close ways."""
    n = sum(len(p) for p in people)
    marks = np.array(data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)), np.uint32)
    marks.flags.writeable = False
    asked = dataclasses.replace(asked, strict=False)
    found = rows(people, asked, FURTHEST, marks)
    offset = 0
    for c, p in enumerate(people):
        mine = marks[offset : offset + len(p)]
        offset += len(p)
        alone = []
        for mark in (1, 2):
            kept = [
                (t, x) if m == mark else (t, x.upper()) for (t, x), m in zip(p, mine, strict=True) if m in (0, mark)
            ]
            no_mark = tuple((x.upper(), a, b) for x, a, b in asked.without)
            alone.append(reference.furthest(kept, dataclasses.replace(asked, without=asked.without + no_mark)))
        alone = [a for a in alone if a is not None]
        if not alone:
            assert c not in found
            continue
        level, met, is_open, _ = found[c][0]
        assert level == max(a.level for a in alone)
        assert met == tuple(any(m) for m in zip(*(a.met for a in alone), strict=True))
        assert is_open == any(a.open for a in alone)


@settings(max_examples=150, deadline=None)
@given(people, st.sampled_from(["ab", "abc", "dcba", "abcd"]), st.sampled_from([None, 3, 8]), st.booleans())
def test_the_plain_kernel_agrees_in_counts_and_times(people, steps, window, period):
    asked = Asked(steps, window, start=4 if period else 0, end=12 if period else 10**6, as_of=20)
    made = bucket(people)
    step_of = np.array([steps.index(x) if x in steps else NO_STEP for x in LETTERS], np.uint8)
    step_of.flags.writeable = False
    limit = (1 << 32) - 1 if window is None else window
    places = places_of(made, step_of, len(steps))
    reached, is_open, waits, counts = plain_funnel(places, made.skip, limit, asked.start, asked.end, asked.as_of)
    found = [r for of in rows(people, asked, made=made).values() for r in of]
    for k in range(len(steps)):
        assert reached[k] == sum(r[0] > k for r in found)
        assert is_open[k] == sum(r[0] > k and r[2] for r in found)
    for k in range(1, len(steps)):
        times = [int(made.time[r[3][k]]) - int(made.time[r[3][k - 1]]) for r in found if r[0] > k]
        assert sorted(waits[k, : counts[k]].tolist()) == sorted(times)
    whole = [int(made.time[r[3][-1]]) - int(made.time[r[3][0]]) for r in found if r[0] == len(steps)]
    assert sorted(waits[0, : counts[0]].tolist()) == sorted(whole)


@settings(max_examples=200, deadline=None)
@given(people, st.sampled_from(["ab", "cab", "abcd"]), st.sampled_from([None, 3, 8]), st.booleans())
def test_in_any_order_all_leading_steps_lie_in_one_window(people, steps, window, period):
    asked = Asked(steps, window, start=4 if period else 0, end=12 if period else 10**6, as_of=10**6)
    made = bucket(people)
    stretches = Segments(*trails(made, asked.as_of))
    step_of = np.array([steps.index(x) if x in steps else NO_STEP for x in LETTERS], np.int64)
    out = unordered(made, stretches, NO_MARKS, step_of, len(steps), FURTHEST, UNLIMITED if window is None else window,
                    asked.start, asked.end, asked.as_of)  # fmt: skip
    levels = {int(stretches.customer[v]): int(n) for v, n in zip(out[0], out[1], strict=True)}
    for c, p in enumerate(people):
        assert levels.get(c, 0) == reference.in_any_order([e for e in p if e[0] >= asked.start], asked)
    for places, level in zip(out[4], out[1], strict=True):
        moments = sorted(int(made.time[i]) for i in places if i >= 0)
        assert len(moments) == level
        assert window is None or moments[-1] - moments[0] <= window


@pytest.mark.parametrize(("micros", "level"), [(0, 2), (1, 1)])
def test_a_gap_ends_to_the_microsecond(micros, level):
    people = [[(0, "a"), (5, "b")]]
    made = bucket(people, micros=[0, micros])
    for asked in (Asked("ab", 5), Asked("ab", most=(None, 5))):
        assert rows(people, asked, made=made)[0][0][0] == level


@pytest.mark.parametrize(
    ("letters", "level"),
    [("abcd", 4), ("abcbd", 3), ("aabcd", 4), ("ababcd", 2), ("axbb", 2), ("bbabcd", 4)],
)
def test_a_step_that_comes_again_ends_the_funnel(letters, level):
    """The first step may come again: it is another start; and what no chain took is not a step taken."""
    found = rows([list(enumerate(letters))], Asked("abcd", 100, once=True))
    assert found[0][0][0] == level


def test_more_steps_than_a_number_has_bits():
    steps = "abcd" * 25
    people = [list(enumerate(steps)), list(enumerate(steps[:70]))]
    found = rows(people, Asked(steps, 200))
    assert [found[c][0][0] for c in (0, 1)] == [100, 70]


@pytest.mark.parametrize("which", [FURTHEST, EVERY])
def test_a_very_long_trail_takes_time_in_proportion_to_it(which):
    """A queue that were searched from its beginning would take hours here."""
    people = [[(i, "abcx"[i % 4]) for i in range(120_000)]]
    asked = Asked("abcd", 100_000, required=(True, False, True, True), least=(0, 2, 2, 0),
                  most=(None, 90_000, None, None), without=(("x", 2, 3),))  # fmt: skip
    assert rows(people, asked, which)[0][0][0] == 3


sessions_of_one = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 2), st.integers(0, 2)), max_size=8).map(
    lambda p: sorted(p, key=lambda e: e[0])
)  # (moment, the source's own session, origin)


@settings(max_examples=200, deadline=None)
@given(st.lists(sessions_of_one, min_size=1, max_size=4), st.sampled_from([100, 40]))
def test_the_first_origin_is_that_of_the_first_session(people, as_of):
    made = columns(
        np.cumsum([0, *(len(p) for p in people)]), [e[0] for p in people for e in p], [0 for p in people for _ in p],
        page=np.zeros(sum(map(len, people))),
        session=[2 * c + e[1] if e[1] else 0 for c, p in enumerate(people) for e in p],
        origin=[e[2] for p in people for e in p],
    )  # fmt: skip
    order, starts, ends, customer = all_sessions(made, 10, as_of)
    expected = [0] * len(people)
    for v in range(len(starts) - 1, -1, -1):  # a customer's first session comes last
        mine = [int(order[j]) if len(order) else j for j in range(starts[v], ends[v])]
        expected[customer[v]] = next((int(made.origin[i]) for i in mine if made.origin[i] > 0), 0)
    assert first_origin(made, 10, as_of).tolist() == expected
