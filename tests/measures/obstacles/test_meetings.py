"""Meetings, exposed and others, counted by the kernel as by hand and as by plain Python."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measures.obstacles.reference import meetings
from measures.small_world import journey_of, trails
from polku.kernels import obstacles as kernel
from polku.kernels import sessions
from polku.measures.obstacles.comparing import BLANK, NOTHING, _further, way_to
from polku.measures.view import view_of

MAP = journey_of(("see", ["ad"]), ("weigh", ["product", "guide"]), ("buy", ["cart", "order"]), ("use", ["letter"]))
STAGE = {"ad": 0, "product": 1, "guide": 1, "cart": 2, "order": 2, "letter": 3}
IDS = tuple(STAGE)
DAY = 86400


def counted(people, own, window, as_of, steady=False, relief=None, buckets=1):
    """The kernel over people of (time, name, hit, value); hits and reliefs in the trails' own order."""
    made = trails(MAP, [[(t, n, v) for t, n, _, v in p] for p in people], buckets=buckets, as_of=as_of, codes=IDS)
    view = view_of(made, MAP)
    way = way_to(view, "order")
    place = {"event": kernel.EVENT, "everywhere": kernel.EVERYWHERE}.get(own, IDS.index(own) if own in IDS else -1)
    span = kernel.Span(np.int64(0), np.int64(as_of + 1), np.int64(as_of), np.int64(window))
    asked = kernel.Suspect(np.int64(place), np.bool_(steady))
    total, parts = None, []
    for b, columns in enumerate(view.columns):
        mine = [p for c, p in enumerate(people) if c % buckets == b]
        hit = np.array([e[2] for p in mine for e in p], np.uint8)
        eased = NOTHING if relief is None else np.where(hit == 1, relief, 0.0)
        found = sessions.Segments(*sessions.sessions(columns, 1800, as_of))
        seen = np.zeros(len(columns.skip), np.uint8)
        run = functools.partial(kernel.meetings, columns, found, way, span, asked, hit, eased, np.empty(0, np.uint8))
        cells, *rest = run(np.int64(1), BLANK, seen)
        total = cells if total is None else total + cells
        parts.append((run, seen, rest))
    return total, parts


def as_cells(cells):
    """The kernel's cells by (touchpoint, ordinal, visits, bought, exposed)."""
    shaped = cells.reshape(len(IDS), kernel.ORDINALS, kernel.VISITS, 2, 2, kernel.CELLS)
    return {
        (IDS[t], o, v, bool(b), bool(e)): shaped[t, o, v, b, e, :4].astype(int).tolist()
        for t, o, v, b, e in np.argwhere(shaped[..., 0] > 0)
    }


def test_four_see_a_price_and_two_do_not():
    """The example of docs/measures/obstacles.md."""
    sees = [[(0, "cart", 1, 0.0)]] * 3 + [[(0, "cart", 1, 0.0), (60, "order", 2, 40.0)]]
    does_not = [[(0, "cart", 0, 0.0), (60, "order", 2, 40.0)]] * 2
    cells, _ = counted(sees + does_not, "cart", DAY, 10 * DAY)
    assert as_cells(cells) == {("cart", 0, 0, False, True): [4, 1, 4, 1], ("cart", 0, 0, False, False): [2, 2, 2, 2]}
    assert cells[..., kernel.MONEY].sum() == 120


def test_a_failure_belongs_to_what_was_met_right_before_it():
    fails = [(0, "ad", 0, 0), (10, "product", 0, 0), (20, "guide", 0, 0), (25, "!guide", 1, 0), (30, "cart", 0, 0)]
    cells, parts = counted([fails], "event", DAY, 10 * DAY)
    assert as_cells(cells) == {("guide", 0, 0, False, True): [1, 1, 1, 0]}
    assert parts[0][1].tolist() == [kernel.MET]
    nothing_before = [(0, "!guide", 1, 0), (10, "product", 0, 0)]
    cells, parts = counted([nothing_before], "event", DAY, 10 * DAY)
    assert as_cells(cells) == {}
    assert parts[0][2][-2] == 1


def test_who_fails_today_and_orders_tomorrow_is_not_lost():
    person = [(0, "cart", 0, 0), (10, "!cart", 1, 0), (DAY, "cart", 0, 0), (DAY + 60, "order", 0, 10.0)]
    cells, parts = counted([person], "event", 2 * DAY, 10 * DAY)
    found = as_cells(cells)
    assert found["cart", 0, 0, False, True] == [1, 0, 1, 1]
    assert found["cart", 0, 1, False, False] == [1, 1, 1, 1]
    assert parts[0][1].tolist() == [kernel.MET | kernel.STOPPED]


def test_a_second_trouble_in_the_same_search_is_not_asked_about_the_goal_again():
    person = [(0, "cart", 0, 0), (10, "!cart", 1, 0), (DAY, "cart", 0, 0), (DAY + 10, "!cart", 1, 0)]
    cells, _ = counted([person], "event", 3 * DAY, 10 * DAY)
    assert sum(c[0] for c in as_cells(cells).values()) == 2
    assert sum(c[2] for c in as_cells(cells).values()) == 1


def test_whose_time_is_not_up_is_in_no_goal():
    cells, _ = counted([[(0, "cart", 1, 0)]], "cart", DAY, DAY - 1)
    assert as_cells(cells) == {("cart", 0, 0, False, True): [1, 0, 0, 0]}


def test_relief_stands_for_the_outcome_of_those_who_did_not_go_on():
    stopped = [(0, "product", 0, 0), (60, "cart", 1, 0)]
    on = [(0, "cart", 1, 0), (60, "order", 2, 0)]
    cells, _ = counted([stopped, on], "cart", DAY, 10 * DAY, relief=0.75)
    assert cells[..., kernel.WENT_ON].sum() == 1.75


events = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 3), st.integers(0, 2000), st.integers(1790, 1810)),
        st.sampled_from([*IDS, "cart", "product", "other"]),
        st.sampled_from([0, 0, 0, 1, 2]),
    ),
    max_size=14,
)


def told(gaps):
    """Events in order of time from (seconds since the one before, name, hit)."""
    at, made = 0, []
    for gap, name, hit in gaps:
        at += gap
        made.append((at, name, hit, 1.0))
    return made


@settings(max_examples=150, deadline=None)
@given(
    st.lists(events, min_size=1, max_size=5).map(lambda people: [told(p) for p in people]),
    st.sampled_from(["event", "everywhere", "cart", "product"]),
    st.sampled_from([0, 600, 3000]),
    st.sampled_from([2500, 5000, 100_000]),
    st.booleans(),
)
def test_as_plain_python_counts(people, own, window, as_of, steady):
    if not any(people):
        return
    cells, _ = counted(people, own, window, as_of, steady, buckets=2)
    assert as_cells(cells) == meetings(people, STAGE, "order", 2, own, window, as_of, steady)


def test_the_variance_is_that_of_the_customers():
    """Two passes over many people: the clustered variance as numpy works it out from each customer's part."""
    rng = np.random.default_rng(5)
    people = []
    for _ in range(300):
        at, made = 0, []
        for _ in range(rng.integers(1, 4)):
            hit = int(rng.random() < 0.4)
            made.append((at, "cart", hit, 0.0))
            if rng.random() < (0.3 if hit else 0.6):
                made.append((at + 60, "order", 2, 1.0))
            at += 5 * DAY
        people.append(made)
    cells, parts = counted(people, "cart", DAY, 100 * DAY)
    n1, n0 = cells[:, 1, 0], cells[:, 0, 0]
    used = (n1 > 0) & (n0 > 1)
    shares = np.divide(cells[:, 0, 1], n0, out=np.zeros(len(n0)), where=n0 > 0)
    whole = n1[used].sum()
    effect = float((cells[used, 1, 1] - n1[used] * shares[used]).sum() / whole)
    weight = np.where(used, n1 / whole / np.maximum(n0, 1), 0.0)
    one = np.array([1 / whole])
    expected = kernel.Expected(shares, shares, weight, weight, one, one, np.array([effect]), np.array([effect]))
    run = parts[0][0]
    variance = run(np.int64(1), expected, np.empty(0, np.uint8))[2][0, 0]
    by_hand = 0.0
    for person in people:
        part, visits, bought = 0.0, 0, False
        for k, (_, name, hit, _) in enumerate(person):
            if name != "cart":
                continue
            went = float(k + 1 < len(person) and person[k + 1][1] == "order")
            s = ((IDS.index("cart") * kernel.ORDINALS) * kernel.VISITS + min(visits, 3)) * 2 + bought
            if hit and weight[s] > 0:
                part += (went - shares[s] - effect) / whole
            elif not hit:
                part -= weight[s] * (went - shares[s])
            visits, bought = (0, True) if went else (visits + 1, bought)
        by_hand += part * part
    assert variance == pytest.approx(by_hand)


def test_money_is_net_of_what_came_back_and_of_all_goals_in_the_time():
    """Anna buys for 40, gives 15 back, buys for 10 a day later and for 99 after the time is up: 40 - 15 + 10."""
    made = trails(
        MAP,
        [
            [(0, "cart", None), (60, "order", 40.0), (DAY, "letter", 15.0), (DAY + 9, "order", 10.0),
             (9 * DAY, "order", 99.0)],
        ],
        as_of=20 * DAY,
        codes=IDS,
    )  # fmt: skip
    view = view_of(made, MAP)
    way = way_to(view, "order")
    refunds = np.array([name == "letter" for name in view.trails.tables.code_event], np.bool_)
    (columns,) = view.columns
    net = kernel.net_values(columns, way.goal, refunds, 20 * DAY)
    assert [float(net[i]) for i in (1, 3, 4)] == [25.0, 10.0, 99.0]
    span = kernel.Span(np.int64(0), np.int64(20 * DAY), np.int64(20 * DAY), np.int64(7 * DAY))
    found = sessions.Segments(*sessions.sessions(columns, 1800, 20 * DAY))
    hit = np.array([1, 2, 2, 2, 2], np.uint8)
    asked = kernel.Suspect(np.int64(IDS.index("cart")), np.bool_(False))
    none = np.empty(0, np.uint8)
    bucket = columns._replace(value=net)
    cells, *_ = kernel.meetings(bucket, found, way, span, asked, hit, NOTHING, none, np.int64(1), BLANK, none)
    assert cells[..., kernel.MONEY].sum() == 35.0
    assert cells[..., kernel.PAID].sum() == 1


def test_what_comes_by_chance_counts_each_time_and_what_stays_counts_once():
    """In every search the first visit is exposed; by chance the second is in half of them, as in others."""

    def search(*exposed):
        return [(k * DAY, "cart", int(e), 0.0) for k, e in enumerate(exposed)]

    chance = [search(1, 1), search(1, 0), search(0, 1), search(0, 0)]
    _, parts = counted(chance, "cart", 9 * DAY, 100 * DAY)
    again = parts[0][2][-1]
    assert again.tolist() == [1, 1, 1, 1, 1]
    assert _further(again) == 1.0
    _, parts = counted([search(1, 1), search(1, 1), search(0, 0)], "cart", 9 * DAY, 100 * DAY)
    again = parts[0][2][-1]
    assert again.tolist() == [2, 1, 0, 0, 2]
    assert _further(again) == 0.0
