"""Purchases: against the same count in plain Python, and the cases that are decided."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polku.kernels import purchases as kernel
from polku.kernels.columns import columns, frozen

DAY = 86400
BUY, BACK, SEEN = 0, 1, 2
NAN = float("nan")


def counted(people, start=0, until=10**9, every=1, zone=((0, 0),), end_day=10**6):
    """The rows of people who are lists of (second, code[, value[, origin]])."""
    rows = [(e[0], e[1], e[2] if len(e) > 2 else NAN, e[3] if len(e) > 3 else 0) for p in people for e in p]
    events = columns(
        np.cumsum([0, *(len(p) for p in people)]), [r[0] for r in rows], [r[1] for r in rows],
        page=np.zeros(len(rows)), origin=[r[3] for r in rows], session=np.zeros(len(rows)), value=[r[2] for r in rows],
    )  # fmt: skip
    buys, refunds = frozen([True, False, False], np.bool_), frozen([False, True, False], np.bool_)
    since, offset = (frozen([z[k] for z in zone], np.int64) for k in (0, 1))
    return events, buys, refunds, kernel.purchases(events, buys, refunds, since, offset, start, until, every, end_day)


def one(person, **more):
    row = counted([person], **more)[3][0]
    return {
        "occasions": row[kernel.OCCASIONS], "last": row[kernel.LAST_OCCASION], "orders": row[kernel.ORDERS],
        "money": row[kernel.MONEY], "first": row[kernel.FIRST], "again": row[kernel.AGAIN_MONEY],
    }  # fmt: skip


def test_purchases_of_a_day_are_one_occasion():
    person = [(10, BUY, 5.0), (20, BUY, 7.0), (DAY + 5, BUY, 1.0), (3 * DAY, SEEN), (9 * DAY, BUY)]
    assert one(person) == {"occasions": 2, "last": 9, "orders": 4, "money": 13, "first": 10, "again": 1}


def test_a_day_is_that_of_the_map():
    """22:30 and 23:30 in UTC are one day there, two in a zone where midnight lies between them."""
    person = [(int(22.5 * 3600), BUY, 1.0), (int(23.5 * 3600), BUY, 1.0)]
    assert one(person)["occasions"] == 0
    assert one(person, zone=[(0, 3600)])["occasions"] == 1
    assert one(person, zone=[(0, 0), (80000, 3600)])["occasions"] == 1


@pytest.mark.parametrize(
    ("events", "occasions", "orders", "money"),
    [
        ([(DAY, BACK, 4.0)], 0, 1, 6),  # a part is given back
        ([(DAY, BACK, -4.0)], 0, 1, 6),  # whichever sign it is written with
        ([(DAY, BUY, -4.0)], 0, 1, 6),  # a purchase below 0 is a refund
        ([(DAY, BACK, 10.0)], 0, 0, 0),  # all of it: nothing was bought
        ([(DAY, BACK)], 0, 0, 0),  # without an amount: all of it
        ([(DAY, BUY, 3.0), (2 * DAY, BACK)], 0, 1, 10),  # of the purchase before it
        ([(DAY, BUY, 3.0), (2 * DAY, BACK, 1.0)], 1, 2, 12),
    ],
)
def test_refunds_are_taken_off(events, occasions, orders, money):
    found = one([(0, BUY, 10.0), *events])
    assert (found["occasions"], found["orders"], found["money"]) == (occasions, orders, money)


def test_the_first_purchase_is_the_first_that_was_kept():
    found = one([(0, BUY, 10.0), (5, BACK), (2 * DAY, BUY, 3.0), (4 * DAY, BUY, 3.0)])
    assert (found["first"], found["occasions"], found["last"]) == (2 * DAY, 1, 2)


def test_a_period_counts_its_own_orders_and_refunds():
    person = [(0, BUY, 10.0), (2 * DAY, BACK, 4.0), (3 * DAY, BUY, 5.0)]
    found = one(person, start=DAY, until=4 * DAY)
    assert found == {"occasions": 1, "last": 3, "orders": 1, "money": 1, "first": 0, "again": 5}


def test_spans_of_days_are_one_occasion_each():
    person = [(0, BUY, 1.0), *((d * DAY, BUY, 1.0) for d in (3, 30, 31, 95))]
    assert (one(person, every=30)["occasions"], one(person, every=30)["last"]) == (3, 4)
    # the fourth span ends with day 120
    assert (one(person, every=30, end_day=119)["occasions"], one(person, every=30, end_day=119)["last"]) == (2, 2)


event = st.tuples(
    st.integers(0, 12 * DAY), st.sampled_from([BUY, BUY, BACK, SEEN]), st.sampled_from([NAN, 0.0, 1.0, 2.5, -1.0])
)
person = st.lists(event, max_size=8).map(lambda p: sorted(p, key=lambda e: e[0]))


def plainly(events, start, until, every):
    """Days with what was bought on them; each refund on the latest of them."""
    days: list[list] = []  # opened, day, orders, money, refunded
    extra = 0.0
    for time, code, value in events:
        if time >= until or code == SEEN:
            continue
        if code == BACK or value < 0:
            amount = abs(value) if not math.isnan(value) else (max(days[-1][3], 0.0) if days else 0.0)
            if days:
                days[-1][3] -= amount
                days[-1][4] = True
            if time >= start and (not days or days[-1][0] < start):
                extra -= amount
        elif not days or days[-1][1] != time // DAY:
            days.append([time, time // DAY, 1, 0.0 if math.isnan(value) else value, False])
        else:
            days[-1][2] += 1
            days[-1][3] += 0.0 if math.isnan(value) else value
    kept = [d for d in days if not (d[4] and d[3] < 0.005)]
    places = sorted({-(-(d[1] - kept[0][1]) // every) for d in kept[1:]} - {0}) if kept else []
    return {
        "occasions": len(places), "last": places[-1] if places else 0,
        "orders": sum(d[2] for d in kept if d[0] >= start),
        "money": pytest.approx(extra + sum(d[3] for d in days if d[0] >= start)),
        "first": kept[0][0] if kept else -1, "again": pytest.approx(sum(d[3] for d in kept[1:])),
    }  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(person, st.integers(0, 6), st.integers(6, 13), st.sampled_from([1, 3]))
def test_the_kernel_counts_as_plain_python_does(events, start, until, every):
    found = one(events, start=start * DAY, until=until * DAY, every=every)
    assert found == plainly(events, start * DAY, until * DAY, every)


def test_who_brought_them():
    people = [
        [(0, SEEN, NAN, 3), (1, SEEN, NAN, 5), (2, BUY, 1.0), (3, SEEN, NAN, 7)],
        [(0, SEEN), (1, BUY, 1.0)],
        [(0, SEEN, NAN, 4)],
    ]
    events, _, _, rows = counted(people)
    first = rows[:, kernel.FIRST]
    assert kernel.origin_of_first(events, first, False).tolist() == [3, 0, 0]
    assert kernel.origin_of_first(events, first, True).tolist() == [5, 0, 0]


def test_money_by_age():
    people = [[(100, BUY, 10.0), (100 + DAY, BUY, 4.0), (105 + DAY, BACK), (100 + 9 * DAY, BUY, 50.0)], [(5, SEEN)]]
    events, buys, refunds, rows = counted(people)
    found = kernel.money_by_age(events, buys, refunds, rows[:, kernel.FIRST], DAY, 3, 10**9)
    assert found.tolist() == [[10, 0, 0], [0, 0, 0]]
