"""Recency, frequency, money: fifths and bounds, the grid, and who stands in it."""

from __future__ import annotations

import pytest

from measures.small_world import journey_of, trails
from polku.errors import MeasureError
from polku.language import Reader
from polku.measures.customers import customers_behind
from polku.measures.result import Period
from polku.measures.value.rfm import GRID, NAMES, rfm
from polku.measures.view import EVER, view_of
from polku.trails.layout import moment

DAY = 86400
SHOP = journey_of(("a", ["home"]), ("b", [{"id": "order", "value": "revenue"}]))
AS_OF = 100 * DAY


def asked(people, buckets=2, period=EVER, **options):
    made = trails(SHOP, people, buckets, as_of=AS_OF)
    return made, rfm(view_of(made, SHOP, period=period), **options)


def buyer(silent, times, each=10.0):
    """One who bought so many times, the last time so many days before the end."""
    return [(AS_OF - (silent + k) * DAY, "order", each) for k in range(times)]


#: One customer for each pair of scores: silent for 5, 15 ... 45 days, having bought 1 to 5 times.
EVERY_KIND = [buyer(5 + 10 * r, f) for r in range(5) for f in range(1, 6)]
BOUNDS = {"recency": ["10d", "20d", "30d", "40d"], "frequency": ["2", "3", "4", "5"]}


def test_the_grid_is_that_of_the_page():
    made, found = asked([*EVERY_KIND, [(0, "home")]], **BOUNDS)
    assert found.buyers.n == 25
    counts = {s.id: s.customers.n for s in found.segments}
    wanted = {name: sum(row.count(name) for row in GRID) for name in NAMES}
    assert counts == wanted
    assert sum(counts.values()) == 25
    assert all(c.customers.n == 1 for c in found.cells)
    for part in (*found.segments, *found.cells):
        assert customers_behind(made, SHOP, part.customers.behind).total == part.customers.n
    assert customers_behind(made, SHOP, found.buyers.behind).total == 25
    best = found.segments[0]
    assert (best.id, best.share.numerator, best.share.denominator) == ("champions", 2, 25)
    assert (best.recency, best.frequency, best.net) == (5.0, 4.5, 90.0)


def test_fifths_are_of_customers_and_ties_stay_together():
    _, found = asked([buyer(k, 1, 10.0 + k) for k in range(10)])
    assert found.bounds.by_fifths == ("recency", "frequency", "money")
    scores = {c.recency: c.customers.n for c in found.cells if c.frequency == 1}
    assert scores == {5: 2, 4: 2, 3: 2, 2: 2, 1: 2}
    assert sum(c.customers.n for c in found.cells) == 10  # all of them bought once: frequency 1 for everyone
    assert {s.id: s.customers.n for s in found.segments if s.customers.n} == {
        "new": 2, "promising": 2, "about_to_sleep": 2, "hibernating": 4
    }  # fmt: skip


def test_a_bound_belongs_to_the_better_side():
    _, found = asked([buyer(10, 2)], recency=["10d", "20d", "30d", "40d"], frequency=["2", "3", "4", "5"])
    here = next(c for c in found.cells if c.customers.n)
    assert (here.recency, here.frequency) == (5, 2)


def test_the_period_is_what_counts():
    people = [buyer(5, 1), buyer(60, 3)]
    made, found = asked(people, period=Period(moment(50 * DAY), None))
    assert found.buyers.n == 1
    assert customers_behind(made, SHOP, found.buyers.behind).total == 1


def test_money_is_net():
    person = [*buyer(5, 1, 10.0), (AS_OF - 4 * DAY, "Order Refunded", 4.0)]
    _, found = asked([person])
    assert sum(s.net for s in found.segments) == 6.0


def test_nobody():
    _, found = asked([[(0, "home")]])
    assert (found.buyers.n, found.segments, found.bounds) == (0, (), None)
    assert found.text(Reader("fi"))


@pytest.mark.parametrize(
    "bounds",
    [
        {"recency": ["10d"]},
        {"frequency": ["5", "4", "3", "2"]},
        {"money": ["a", "b", "c", "d"]},
        {"money": ["nan", "1", "2", "3"]},
        {"money": ["1", "2", "3", "inf"]},
    ],
)
def test_bounds_that_are_none_are_told(bounds):
    with pytest.raises(MeasureError, match="four ascending bounds"):
        asked([buyer(1, 1)], **bounds)


def test_unknown_segments_are_told():
    made, found = asked([buyer(1, 1)])
    with pytest.raises(MeasureError, match="champions"):
        customers_behind(made, SHOP, found.segments[0].customers.behind.replace("champions", "champion"))


def test_it_can_be_read_in_both_languages():
    _, found = asked(EVERY_KIND, **BOUNDS)
    for language in ("en", "fi"):
        assert len(found.tables(Reader(language))) == 2
        bars, heat = found.charts(Reader(language))
        assert len(heat.values) == len(heat.rows) == 5
        assert len(bars.labels) == len(NAMES)
    _, fifths = asked(EVERY_KIND)
    assert "–" in "\n".join(asked([buyer(1, 1)])[1].text(Reader("en")))
    assert fifths.to_dict()["bounds"]["by_fifths"] == ["recency", "frequency", "money"]
