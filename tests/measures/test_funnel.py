"""Funnels: against trying every chain, over ties, windows and sessions; and what ClickHouse does otherwise."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measures.small_world import journey_of, trails
from polku.errors import MeasureError
from polku.measures.conversion import conversion, leaving
from polku.measures.customers import customers_behind
from polku.measures.funnels.funnel import funnel
from polku.measures.result import Period
from polku.measures.view import view_of
from polku.trails.layout import moment

SHOP = journey_of(("a", ["home", "view"]), ("b", ["cart", "order"]), session_gap=10)
STEPS = ("home", "view", "cart", "order")


def furthest(person, steps, window):
    """The most steps of any chain, by trying every one: events in order, each used once, within the window."""
    best = 0
    for size in range(1, len(steps) + 1):
        found = False
        for chain in itertools.combinations(person, size):
            names = tuple(e[1] for e in chain)
            if names == tuple(steps[:size]) and (window is None or chain[-1][0] - chain[0][0] <= window):
                found = True
                break
        if not found:
            break
        best = size
    return best


def window_funnel(person, steps, window):
    """ClickHouse's windowFunnel in its default mode: sorted by (time, step), the newest start kept for each step."""
    rows = sorted((e[0], k) for e in person for k, s in enumerate(steps) if e[1] == s)
    starts = [None] * len(steps)
    for time, k in rows:
        if k == 0:
            starts[0] = time
        elif starts[k - 1] is not None and time <= starts[k - 1] + window:
            starts[k] = starts[k - 1]
    return max((k + 1 for k in range(len(steps)) if starts[k] is not None), default=0)


def reached(people, steps, window=None, by="customer", **more):
    found = funnel(view_of(trails(SHOP, people, 2, **more), SHOP), steps, window, by)
    return [s.reached.n for s in found.steps]


events = st.tuples(st.integers(0, 30), st.sampled_from([*STEPS, "other"]))
person = st.lists(events, max_size=10).map(lambda p: sorted(p, key=lambda e: e[0]))


@settings(max_examples=150, deadline=None)
@given(st.lists(person, max_size=5), st.lists(st.sampled_from(STEPS), min_size=2, max_size=4), st.integers(1, 30))
def test_a_customer_is_given_the_start_that_gets_furthest(people, steps, window):
    """Steps may repeat: an event is used for one of them only."""
    levels = [furthest(p, steps, window) for p in people]
    assert reached(people, steps, window, as_of=100) == [sum(v > k for v in levels) for k in range(len(steps))]


@settings(max_examples=80, deadline=None)
@given(
    st.lists(person, max_size=5),
    st.lists(st.sampled_from(STEPS), min_size=2, max_size=4, unique=True),
    st.integers(1, 30),
)
def test_without_ties_counts_equal_window_funnel(people, steps, window):
    spread = [[(100 * e[0] + i, e[1]) for i, e in enumerate(p)] for p in people]
    levels = [window_funnel(p, steps, 100 * window) for p in spread]
    assert reached(spread, steps, 100 * window, as_of=10**6) == [sum(v > k for v in levels) for k in range(len(steps))]


def test_equal_times_count_in_their_order():
    """ClickHouse sorts events of one moment by step, so that it sees `view, cart` in both; Polku keeps their order."""
    in_order, reversed_ = [(5, "view"), (5, "cart")], [(5, "cart"), (5, "view")]
    assert [window_funnel(p, ("view", "cart"), 10) for p in (in_order, reversed_)] == [2, 2]
    assert reached([in_order], ("view", "cart"), 10) == [1, 1]
    assert reached([reversed_], ("view", "cart"), 10) == [1, 0]


def test_an_event_is_used_for_one_step():
    assert reached([[(1, "view")]], ("view", "view"), 10) == [1, 0]
    assert reached([[(1, "view"), (2, "view")]], ("view", "view"), 10) == [1, 1]


@pytest.mark.parametrize(("second", "micros", "level"), [(10, 0, 2), (11, 0, 1), (10, 1, 1), (9, 999_999, 2)])
def test_the_window_counts_both_its_ends_to_the_microsecond(second, micros, level):
    people = [[(0, "view"), (second, "cart", None, {"micros": micros})]]
    assert reached(people, ("view", "cart"), 10) == [1, level - 1]


def test_by_session_each_session_is_its_own():
    people = [[(0, "view"), (5, "cart"), (15, "order")], [(0, "view"), (10, "cart")]]
    assert reached(people, ("view", "cart"), by="customer") == [2, 2]
    assert reached(people, ("view", "cart"), by="session") == [2, 1]
    own = [[(0, "view", None, {"session": 1}), (500, "cart", None, {"session": 1})]]
    assert reached(own, ("view", "cart"), by="session") == [1, 1]


def test_sessions_that_mingle_are_told_apart():
    """Two devices at once: the source's own sessions win over the order of events."""
    person = [
        (0, "view", None, {"session": 1}),
        (1, "view", None, {"session": 2}),
        (2, "cart", None, {"session": 1}),
        (3, "order", None, {"session": 2}),
        (4, "order", None, {"session": 1}),
    ]
    assert reached([person], ("view", "cart", "order"), by="session") == [2, 1, 1]


def test_those_whose_window_is_open_are_in_no_share():
    people = [[(0, "view"), (5, "cart")], [(0, "view")], [(95, "view"), (96, "cart")], [(95, "view")]]
    found = funnel(view_of(trails(SHOP, people, as_of=100), SHOP), ("view", "cart"), 20)
    assert [s.reached.n for s in found.steps] == [4, 2]
    assert (found.conversion.numerator, found.conversion.denominator, found.conversion.pending) == (1, 2, 2)


def test_the_first_step_lies_in_the_period():
    people = [[(0, "view"), (60, "cart")], [(55, "view"), (90, "cart")]]
    view = view_of(trails(SHOP, people, as_of=100), SHOP, period=Period(moment(50), moment(80)))
    assert [s.reached.n for s in funnel(view, ("view", "cart"), 40).steps] == [1, 1]


def test_times_are_those_of_the_chain_that_is_given():
    people = [[(0, "view"), (3, "view"), (5, "cart"), (9, "order")], [(0, "view"), (10, "cart"), (30, "order")]]
    found = funnel(view_of(trails(SHOP, people, as_of=100), SHOP), ("view", "cart", "order"))
    assert found.steps[1].time.median == 6.0
    assert found.time.median == 18.0


def test_every_share_has_its_customers():
    people = [[(0, "view"), (5, "cart")], [(0, "view")], [(95, "view"), (96, "cart")], [(0, "home")]]
    made = trails(SHOP, people, 2, as_of=100)
    found = funnel(view_of(made, SHOP), ("view", "cart"), 20)
    for rate in [s.from_previous for s in found.steps] + [found.conversion]:
        assert customers_behind(made, SHOP, rate.behind).total == rate.numerator
        assert customers_behind(made, SHOP, rate.behind_pending).total == rate.pending
        assert customers_behind(made, SHOP, rate.behind_all).total == rate.denominator
        if rate.behind_not:
            assert customers_behind(made, SHOP, rate.behind_not).total == rate.denominator - rate.numerator
    assert [customers_behind(made, SHOP, s.reached.behind).total for s in found.steps] == [3, 2]
    for time in (found.steps[1].time, found.time):
        assert customers_behind(made, SHOP, time.behind).total == time.n == 2


def test_fifty_of_a_thousand_is_five_percent():
    people = [[(0, "home")]] * 950 + [[(0, "home"), (5, "order")]] * 50
    view = view_of(trails(SHOP, people, 4, as_of=100), SHOP)
    found = conversion(view, to="order")
    assert (found.conversion.value, found.conversion.numerator, found.conversion.denominator) == (0.05, 50, 1000)


def test_conversion_from_a_start_is_a_funnel_of_two_steps():
    people = [[(0, "view"), (5, "order")], [(0, "order"), (5, "view")], [(0, "home")]]
    made = trails(SHOP, people, as_of=100)
    found = conversion(view_of(made, SHOP), "view", "order")
    assert (found.conversion.numerator, found.conversion.denominator) == (1, 2)
    assert found.time.median == 5.0
    assert customers_behind(made, SHOP, found.conversion.behind).total == 1
    assert customers_behind(made, SHOP, found.conversion.behind_not).total == 1
    assert customers_behind(made, SHOP, found.conversion.behind_all).total == 2
    assert customers_behind(made, SHOP, found.time.behind).total == 1
    everyone = conversion(view_of(made, SHOP), to="order").conversion
    assert customers_behind(made, SHOP, everyone.behind_all).total == everyone.denominator == 3


def test_seventy_percent_left_without_a_conversion():
    """Leaving is neither bounce nor exit: visits without the goal, whatever their length."""
    people = [[(0, "home"), (1, "view"), (2, "view")]] * 7 + [[(0, "home"), (5, "order")]] * 3
    made = trails(SHOP, people, as_of=100)
    found = leaving(view_of(made, SHOP), "order")
    assert (found.left.value, found.stayed.value) == (0.7, 0.3)
    assert customers_behind(made, SHOP, found.left.behind).total == 7
    assert customers_behind(made, SHOP, found.left.behind_all).total == 10
    assert found.left.unit == "visits"


def test_unknown_steps_are_told_with_the_nearest():
    view = view_of(trails(SHOP, [[(0, "home")]]), SHOP)
    with pytest.raises(MeasureError, match="order") as told:
        funnel(view, ("home", "ordr"))
    assert told.value.facts["nearest"] == "order"
    with pytest.raises(MeasureError, match="two steps"):
        funnel(view, ("home",))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(person, max_size=6),
    st.integers(1, 30),
    st.sampled_from(["customer", "session"]),
    st.sampled_from([{}, {"order": "strict"}, {"order": "any"}, {"optional": ["2"]}, {"starts": "every"}]),
    st.sampled_from([None, "event"]),
)
def test_any_split_into_buckets_gives_the_same_funnel(people, window, by, refined, breakdown):
    one, many = (
        funnel(
            view_of(trails(SHOP, people, n, as_of=60, codes=STEPS), SHOP), STEPS[1:], window, by, breakdown, **refined
        )
        for n in (1, 3)
    )
    assert one == many


def test_many_events_of_one_customer_need_no_buffer():
    person = [(i, STEPS[i % 3]) for i in range(100_000)]
    assert np.array_equal(reached([person], STEPS, 50, as_of=10**6), [1, 1, 1, 0])
