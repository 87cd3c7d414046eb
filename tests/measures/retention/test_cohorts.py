"""Cohorts and their return: people as lists, a plain reading, the lists behind, and published counts."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measures.behind import lists_agree
from measures.small_world import journey_of, trails
from polku.errors import MeasureError
from polku.language import Reader
from polku.measures.customers import customers_behind, keys_behind
from polku.measures.result import Period
from polku.measures.retention.cohorts import intervals_of, retention
from polku.measures.selectors import Selector
from polku.measures.view import view_of
from polku.trails.layout import Trails, moment

DATA = Path(__file__).parents[4] / "shared" / "data"
DAY = 86400
MAP = journey_of(("see", ["ad", "view"]), ("buy", ["order"]))
#: Days on which three people came; the moment is noon of day 6.
PEOPLE = [
    [(0, "ad"), (10, "view"), (DAY + 5, "view"), (3 * DAY, "order")],
    [(0, "view"), (2 * DAY, "order"), (6 * DAY, "ad")],
    [(4 * DAY, "view"), (5 * DAY + 1, "view")],
]
NOON = 6 * DAY + DAY // 2


def asked(people=PEOPLE, as_of=NOON, period=None, **options):
    view = view_of(trails(MAP, people, 2, as_of=as_of, codes=["ad"]), MAP, period=period or Period())
    return view, retention(view, **{"unit": "day", **options})


def rows(answer, what="rate"):
    if what == "rate":
        return {c.name[-2:]: [(k.rate.numerator, k.rate.denominator) for k in c.kept] for c in answer.cohorts}
    return {c.name[-2:]: [k.so_far.n for k in c.kept] for c in answer.cohorts}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"01": [(2, 2), (1, 2), (1, 2), (1, 2), (0, 2), (0, 2), (0, 0)],
              "05": [(1, 1), (1, 1), (0, 0), (0, 0), (0, 0), (0, 0), (0, 0)]}),
        ({"kind": "unbounded"}, {"01": [(2, 2), (2, 2), (2, 2), (2, 2), (1, 2), (1, 2), (0, 0)],
                                 "05": [(1, 1), (1, 1), (0, 0), (0, 0), (0, 0), (0, 0), (0, 0)]}),
        ({"kind": "bracket", "brackets": ("0", "1-2", "3-6")}, {"01": [(2, 2), (2, 2), (0, 0)],
                                                              "05": [(1, 1), (0, 0), (0, 0)]}),
        ({"first": "order", "intervals": 3}, {"03": [(1, 1), (0, 1), (0, 1)], "04": [(1, 1), (0, 1), (0, 1)]}),
        ({"again": "order", "intervals": 4}, {"01": [(0, 2), (0, 2), (1, 2), (1, 2)],
                                            "05": [(0, 1), (0, 1), (0, 0), (0, 0)]}),
        ({"rolling": True, "intervals": 4}, {"01": [(2, 2), (1, 2), (1, 2), (1, 2)],
                                           "05": [(1, 1), (1, 1), (0, 0), (0, 0)]}),
    ],
)  # fmt: skip
def test_people_as_lists(options, expected):
    view, answer = asked(**options)
    assert rows(answer) == expected
    assert lists_agree(answer, view) > 0
    for kept in (*answer.overall, *(k for c in answer.cohorts for k in c.kept)):
        assert len(keys_behind(view, Selector.parse(kept.rate.behind_all))) == kept.rate.denominator
    assert [k.rate.numerator for k in answer.overall] == [
        sum(r[i][0] for r in expected.values()) for i in range(len(answer.intervals))
    ]


def test_what_is_not_over_is_told_as_not_yet():
    _, answer = asked()
    last = answer.cohorts[0].kept[6]  # day 6 goes on: one has come so far, and that is no rate yet
    assert (last.rate.value, last.rate.pending, last.so_far.n) == (None, 2, 1)
    cell = answer.tables(Reader("en"))[0].rows[0][-1]
    assert (cell.text, cell.note) == ("–", "1 so far")
    assert answer.charts(Reader("fi"))[0].values[0][-1] is None


def test_a_period_chooses_cohorts_and_not_returns():
    view, answer = asked(period=Period(moment(0), moment(DAY)))
    assert rows(answer) == {"01": [(2, 2), (1, 2), (1, 2), (1, 2), (0, 2), (0, 2), (0, 0)]}
    assert lists_agree(answer, view) > 0
    made = trails(MAP, PEOPLE, 2, as_of=NOON)
    behind = answer.cohorts[0].kept[1].rate.behind
    assert [line.customer for line in customers_behind(made, MAP, behind).lines] == [1]


def test_a_long_time_is_drawn_from_its_latest_cohorts_and_links_each_list_once():
    people = [[(d * DAY, "ad"), *([((d + 1) * DAY, "view")] if d % 3 == 0 else [])] for d in range(80)]
    _, answer = asked(people, as_of=90 * DAY + 5)
    heat = answer.charts(Reader("en"))[0]
    assert (len(answer.cohorts), len(heat.values)) == (80, 60)
    assert heat.title == "Retention by day: the latest 60 of 80 cohorts"
    assert heat.rows[-1] == Reader("en").date(moment(79 * DAY))
    table = answer.tables(Reader("fi"))[0]
    assert len(table.rows) == 81
    back, away = table.rows[78][3], table.rows[79][3]
    assert (back.behind, back.pieces) == (answer.cohorts[78].kept[1].rate.behind, ())
    assert (away.behind, away.note) == (None, "0 / 1")
    overall = table.rows[80]
    assert not overall[2].pieces  # everyone, whom the row's first number lists
    late = next(i for i, k in enumerate(answer.overall) if 0 < k.rate.denominator < 80)
    assert [p.behind for p in overall[late + 2].pieces if p.behind] == [answer.overall[late].rate.behind_all]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"kind": "bracket"}, "needs brackets"),
        ({"brackets": ("1",)}, "for kind bracket"),
        ({"kind": "bracket", "brackets": ("3-1",)}, "not a bracket"),
        ({"kind": "bracket", "brackets": ("0-2", "2-3")}, "each after the one before"),
        ({"intervals": 90}, "At most 62"),
        ({"first": "ordr"}, "order"),
    ],
)
def test_what_cannot_be_asked(options, says):
    with pytest.raises(MeasureError, match=says):
        asked(**options)


def plainly(people, as_of, kind, intervals, first, again, rolling):
    """The same, person by person."""
    size, kept = {}, {}
    for trail in people:
        seen = [(t, n) for t, n in trail if t <= as_of]
        begun = next((t for t, n in seen if first in (None, n)), None)
        if begun is None:
            continue
        home = begun // DAY
        size[home] = size.get(home, 0) + 1
        later = [
            (t - begun if rolling else t - home * DAY) // DAY for t, n in seen if t >= begun and again in (None, n)
        ]
        later = [k for i, k in enumerate(later) if k >= 0]
        for place, (low, high) in enumerate(intervals):
            back = any(low <= k and (kind == "unbounded" or k <= high) for k in later)
            over = begun + (high + 1) * DAY <= as_of if rolling else home + high < as_of // DAY
            there, due = kept.get((home, place), (0, 0))
            kept[home, place] = (there + (back and over), due + over)
    return size, kept


people = st.lists(
    st.lists(
        st.tuples(st.integers(0, 24).map(lambda q: q * DAY // 4), st.sampled_from(["ad", "view", "order"])), max_size=6
    ).map(lambda p: sorted(p, key=lambda e: e[0])),
    max_size=6,
)  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(people, st.sampled_from(["classic", "unbounded", "bracket"]), st.booleans(),
       st.sampled_from([None, "view"]), st.sampled_from([None, "order"]), st.integers(0, 7 * DAY))  # fmt: skip
def test_a_plain_reading_agrees(people, kind, rolling, first, again, as_of):
    # an event of the same second but before the beginning in the trail does not count as coming back
    brackets = ("0", "1-2", "4")
    made = trails(MAP, people, 2, as_of=as_of, codes=["ad", "view", "order"])
    view = view_of(made, MAP)
    options = {"brackets": brackets} if kind == "bracket" else {"intervals": 4}
    answer = retention(view, "day", first, again, kind, rolling=rolling, **options)
    ends = [(i.low, i.high) for i in answer.intervals]
    # ties: the order in a trail decides, so that the reference takes the trail from the beginning on
    cut = []
    for trail in people:
        start = next((i for i, (t, n) in enumerate(trail) if first in (None, n) and t <= as_of), len(trail))
        cut.append(trail[start:])
    size, kept = plainly(cut, as_of, kind, ends, first, again, rolling)
    assert {c.period: c.size.n for c in answer.cohorts} == size
    assert {
        (c.period, place): (k.rate.numerator, k.rate.denominator)
        for c in answer.cohorts for place, k in enumerate(c.kept)
    } == kept  # fmt: skip


def test_intervals_of_a_kind():
    assert [(i.low, i.high) for i in intervals_of("bracket", ("0", "1 - 3", "4–7"), 0)] == [(0, 0), (1, 3), (4, 7)]


@pytest.mark.realdata
@pytest.mark.skipif(not DATA.is_dir(), reason="the real data is not beside the repository")
def test_cohorts_that_others_published():
    with gzip.open(DATA / "ecom" / "ecom.csv.gz", "rt", encoding="utf-8") as f:
        table = [(r["user_id"], r["event"], r["timestamp"]) for r in csv.DictReader(f)]
    who, what, when = zip(*table, strict=True)
    made = pa.table({"who": who, "what": what, "at": pa.array(when).cast(pa.timestamp("s"))})
    answer = Trails.from_table(made, customer="who", time="at", event="what").retention(unit="month")
    found = {c.name: [k.so_far.n for k in c.kept] for c in answer.cohorts}
    assert {name: [n for n in ns if n] for name, ns in found.items()} == {
        "2024-01": [63, 45, 38, 43, 39, 32], "2024-02": [124, 90, 93, 81, 77], "2024-03": [181, 150, 138, 141],
        "2024-04": [167, 148, 151], "2024-05": [62, 58], "2024-06": [3],
    }  # fmt: skip
    assert answer.cohorts[0].kept[-1].rate.value is None  # June is not over
    assert np.isclose(answer.cohorts[0].kept[1].rate.value, 45 / 63)
