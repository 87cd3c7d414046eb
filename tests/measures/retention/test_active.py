"""Active customers, stickiness and lifecycle: people as lists, a plain reading, the lists behind."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measures.behind import lists_agree
from measures.small_world import journey_of, trails
from polku.errors import MeasureError
from polku.language import Reader
from polku.measures.customers import customers_behind
from polku.measures.result import Period
from polku.measures.retention.active import active, lifecycle
from polku.measures.retention.calendar import name_of, period_named, seconds_at
from polku.measures.retention.stickiness import stickiness
from polku.measures.view import EVER, view_of
from polku.trails.layout import moment

DAY = 86400
MAP = journey_of(("see", ["ad", "view"]), ("buy", ["order"]))
PEOPLE = [
    [(0, "ad"), (10, "view"), (DAY, "view"), (3 * DAY, "order")],
    [(2 * DAY, "order"), (3 * DAY, "ad"), (3 * DAY + 9, "ad")],
]


def view(people=PEOPLE, as_of=4 * DAY, period=EVER):
    return view_of(trails(MAP, people, 2, as_of=as_of, codes=["ad", "order"]), MAP, period=period)


def test_people_as_lists():
    seen = view()
    days = active(seen, "day")
    assert [(p.customers.n, p.state) for p in days.periods] == [
        (1, "over"), (1, "over"), (1, "over"), (2, "over"), (0, "goes_on"),
    ]  # fmt: skip
    assert days.mean == 1.25
    turns = lifecycle(seen, "day").periods
    assert [(t.new.n, t.returning.n, t.resurrected.n, t.dormant.n) for t in turns] == [
        (1, 0, 0, 0), (0, 1, 0, 0), (1, 0, 0, 1), (0, 1, 1, 0), (0, 0, 0, 2),
    ]  # fmt: skip
    assert [t.quick_ratio for t in turns] == [None, None, 1.0, None, 0.0]
    there = stickiness(seen)
    assert [(d.days, d.customers.n) for d in there.days] == [(1, 0), (2, 1), (3, 1)]
    assert there.daily.value == 1.25
    assert (there.monthly.value, there.day_of_month.reason) == (None, "no whole one is over in this period")
    for answer in (days, lifecycle(seen, "day"), there, active(seen, "day", "order")):
        assert lists_agree(answer, seen) > 0
        assert answer.tables(Reader("fi"))
        assert answer.charts(Reader("fi"))


def test_days_that_the_period_cuts_are_told():
    cut = view(period=Period(moment(5), moment(3 * DAY + 1)))
    days = active(cut, "day")
    assert [(p.customers.n, p.state) for p in days.periods] == [(1, "cut"), (1, "over"), (1, "over"), (2, "cut")]
    assert days.mean == 1.0
    assert lists_agree(days, cut) == 4
    behind = days.periods[0].customers.behind
    assert customers_behind(trails(MAP, PEOPLE, 2, as_of=4 * DAY), MAP, behind).total == 1


def test_the_last_four_weeks():
    people = [[(d * DAY + 7, "ad") for d in range(0, 40, 2)], [(3 * DAY, "ad")], [(39 * DAY, "ad"), (40 * DAY, "ad")]]
    found = stickiness(view(people, as_of=40 * DAY + 9))
    # days 12 to 39: the first person on 14 of them, the third on one
    assert (found.recent.value, found.day_of_recent.value) == (2, pytest.approx(15 / 28 / 2))
    short = stickiness(view(people, as_of=40 * DAY + 9, period=Period(moment(13 * DAY))))
    assert (short.recent.value, short.recent.reason) == (None, "the period has no 28 whole days yet")


def test_what_is_no_day():
    made = trails(MAP, PEOPLE)
    with pytest.raises(MeasureError, match="is not a week"):
        customers_behind(made, MAP, "active:1970-02:there,unit=week")


@given(st.integers(0, 40_000), st.sampled_from(["day", "week", "month"]))
def test_names_of_periods_are_read_back(day, unit):
    from polku.measures.retention.calendar import begins, period_of_day

    period = int(period_of_day(unit)[day])
    assert period_named(name_of(period, unit), unit) == period
    first = begins(period, unit)
    assert period_of_day(unit)[(first - begins(0, "day")).days if first.year >= 1970 else 0] == period


people = st.lists(
    st.lists(
        st.tuples(st.integers(0, 23 * 4).map(lambda q: q * DAY // 4), st.sampled_from(["ad", "order"])), max_size=7
    ).map(lambda p: sorted(p, key=lambda e: e[0])),
    min_size=1, max_size=5,
)  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(
    people, st.sampled_from(["day", "week"]), st.sampled_from([None, "order"]), st.integers(0, 20), st.integers(1, 24)
)
def test_a_plain_reading_agrees(people, unit, what, start, days):
    start, end = start * DAY + 7, (start + days) * DAY
    as_of = 24 * DAY
    seen = view_of(
        trails(MAP, people, 2, as_of=as_of, codes=["ad", "order"]), MAP, period=Period(moment(start), moment(end))
    )
    of = (lambda t: t // DAY) if unit == "day" else (lambda t: (t // DAY + 3) // 7)
    there = Counter()
    for trail in people:
        there.update({of(t) for t, n in trail if what in (None, n) and start <= t < end})
    found = active(seen, unit, what)
    assert {p.period: p.customers.n for p in found.periods if p.customers.n} == dict(there)
    lists_agree(found, seen)

    wanted = Counter()
    for trail in people:
        mine = sorted({of(t) for t, n in trail if what in (None, n)})
        for before, period in zip([None, *mine], mine, strict=False):
            kind = "new" if before is None else "returning" if before == period - 1 else "resurrected"
            wanted[period, kind] += 1
        wanted.update((period + 1, "dormant") for period in mine if period + 1 not in mine)
    turns = lifecycle(seen, unit, what)
    for turn in turns.periods:
        for kind in ("new", "returning", "resurrected", "dormant"):
            assert getattr(turn, kind).n == wanted[turn.period, kind]
    lists_agree(turns, seen)
    times = Counter(len({t // DAY for t, n in trail if what in (None, n) and start <= t < end}) for trail in people)
    assert {d.days: d.customers.n for d in stickiness(seen, what).days if d.customers.n} == {
        k: v for k, v in times.items() if k
    }


def test_a_day_begins_where_the_map_is():
    import datetime as dt

    home = journey_of(("see", ["ad"]), timezone="Europe/Helsinki")
    at = seconds_at(view_of(trails(home, [[(0, "ad")]]), home), dt.date(2026, 6, 1))
    assert moment(at).isoformat() == "2026-05-31T21:00:00+00:00"
