"""What if: a chain fitted to few people by hand, changes carried through it, and the demo world's own figures."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measures.behind import lists_agree
from measures.small_world import journey_of, trails
from polku.errors import MeasureError
from polku.journey.load import load_journey
from polku.journey.templates import text
from polku.language import Reader
from polku.measures.ask import measure_view
from polku.measures.customers import customers_behind, keys_behind
from polku.measures.forecast.changes import change_of, goal_of_text
from polku.measures.forecast.what_if import what_if
from polku.measures.result import Period
from polku.measures.selectors import Selector
from polku.measures.view import EVER, view_of
from polku.simulate.making import Teller, World
from polku.trails.layout import moment
from polku.trails.people import trails_of_table

DAY = 86400
YEAR = 365.25
SHOP = journey_of(
    ("see", ["ad", "view"]), ("buy", ["cart", {"id": "order", "value": "revenue"}]), ("keep", ["review"]),
    window="10d", currency="EUR",
)  # fmt: skip
#: Of ten who begin with the ad five view; of these four put in the cart; of these one orders for 60 and reviews.
PEOPLE = [
    *([[(0, "ad")]] * 5), [(0, "ad"), (1, "view")], *([[(0, "ad"), (1, "view"), (2, "cart")]] * 3),
    [(0, "ad"), (1, "view"), (2, "cart"), (3, "order", 60.0), (4, "review")],
]  # fmt: skip
AS_OF = int(YEAR * DAY) - 1


def asked(people=PEOPLE, as_of=AS_OF, buckets=2, period=EVER, **options):
    made = trails(SHOP, people, buckets, as_of=as_of)
    return made, what_if(view_of(made, SHOP, period=period), **{"of": "touchpoint", **options})


def test_the_chain_by_hand():
    _, found = asked()
    told = {s.id: (s.onward.numerator, s.onward.denominator) for s in found.steps}
    assert told == {"ad": (5, 10), "view": (4, 5), "cart": (1, 4), "order": (1, 1), "review": (0, 1)}
    assert found.starters_a_year == pytest.approx(10)
    assert found.converted.now.value == pytest.approx(1)
    assert found.money.now.value == pytest.approx(60)
    assert (found.actual.numerator, found.actual.denominator) == (1, 10)
    assert found.modelled.value == pytest.approx(0.1)
    assert {s.id: s.worth for s in found.steps} == pytest.approx(
        {"ad": 6, "view": 12, "cart": 15, "order": 60, "review": 0}
    )


def test_a_rise_is_carried_through():
    """From the cart to the order 25 % now, 35 % after: 10 x 1/2 x 4/5 x 35 % = 1.4 customers, 84 euros."""
    for change in ("cart>order:+10%", "cart>order:35 %"):
        _, found = asked(change=[change])
        assert (found.changes[0].before, found.changes[0].after) == pytest.approx((0.25, 0.35))
        assert found.converted.changed.value == pytest.approx(1.4)
        assert found.converted.difference.value == pytest.approx(0.4)
        assert found.money.changed.value == pytest.approx(84)
        assert next(s for s in found.steps if s.id == "order").a_year_changed.value == pytest.approx(1.4)


def test_several_changes_a_fall_and_more_who_begin():
    _, fall = asked(change=["cart>order:-10%"])
    assert fall.converted.changed.value == pytest.approx(0.6)
    _, both = asked(change=["ad>view:+10%", "cart>order:+10%", "start:+50%"])
    assert both.converted.changed.value == pytest.approx(15 * 0.6 * 0.8 * 0.35)
    assert both.changes[2].after == pytest.approx(15)


def test_what_a_goal_needs():
    _, found = asked(goal="2")
    needed = {s.id: (s.needed_alone.value, s.needed_alone.reason) for s in found.steps}
    assert needed["cart"] == (pytest.approx(0.5), None)
    assert needed["ad"] == (pytest.approx(1.0), None)
    assert needed["view"] == (None, "no share of this step alone is enough")
    assert needed["review"] == (None, "nothing comes of those who go on from here")
    assert found.starters_needed == pytest.approx(20)
    chances = [s.needed_together for s in found.steps[:3]]
    assert 10 * np.prod(chances) == pytest.approx(2)
    odds = [c / (1 - c) / (n / (1 - n)) for c, n in zip(chances, (0.5, 0.8, 0.25), strict=True)]
    assert odds == pytest.approx([found.odds_ratio] * 3)
    _, money = asked(goal="120 EUR")
    assert money.goal_is_money
    assert money.steps[2].needed_alone.value == pytest.approx(0.5)


def test_who_came_lately_is_not_counted_yet():
    people = [*PEOPLE, [(AS_OF - DAY, "ad"), (AS_OF - 10, "view")]]
    _, found = asked(people)
    assert (found.steps[0].onward.pending, found.steps[1].onward.pending) == (1, 1)
    assert found.steps[0].onward.denominator == 10
    assert (found.starters.n, found.actual.denominator, found.actual.pending) == (11, 10, 1)
    _, none = asked([[(AS_OF - 5, "ad")]])
    assert (none.converted.now.value, none.converted.now.reason) == (
        None, "nobody's time is up yet, so nothing can be fitted"
    )  # fmt: skip


def test_refunds_and_second_orders_are_money_and_no_new_customer():
    person = [(0, "ad"), (1, "order", 60.0), (2, "order", 30.0), (3, "Order Refunded", 10.0)]
    _, found = asked([person])
    assert (found.converted.now.value, found.money.now.value) == pytest.approx((1, 80))
    _, gross = asked([person], refunds=["none"])
    assert gross.money.now.value == pytest.approx(90)


def test_stages_and_a_period():
    _, found = asked(of=None)
    assert found.of == "stage"
    told = {s.id: (s.onward.numerator, s.onward.denominator) for s in found.steps}
    assert told == {"see": (4, 10), "buy": (1, 4), "keep": (0, 1)}
    _, later = asked(period=Period(moment(DAY), moment(9 * DAY)))
    assert later.starters.n == 0
    _, named = asked(of=None, change=["see>buy:+5%"])
    assert (named.of, named.converted.changed.value) == ("stage", pytest.approx(10 * 0.45 * 0.25))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 20), st.integers(0, 15), st.sampled_from(["stage", "touchpoint"]))
def test_every_number_has_its_list(seed, within, start, of):
    chance = np.random.default_rng(seed)
    names = ["ad", "view", "cart", "order", "review", "Order Refunded"]
    people = [
        [
            (int(t) * DAY, str(name), float(chance.choice([20, -5])) if name == "order" else None)
            for t, name in zip(np.sort(chance.integers(0, 40, n)), chance.choice(names, n), strict=True)
        ]
        for n in chance.integers(1, 8, 40)
    ]
    made = trails(SHOP, people, 2, as_of=33 * DAY)
    view = view_of(made, SHOP, period=Period(moment(start * DAY), moment(25 * DAY)))
    found = what_if(view, of=of, within=within * DAY, refunds=["none"] if seed % 2 else None)
    assert lists_agree(found, view) > 3
    rate = found.actual
    assert len(keys_behind(view, Selector.parse(rate.behind_all))) == rate.denominator
    for step in found.steps[:-1]:
        assert len(keys_behind(view, Selector.parse(step.onward.behind_all))) == step.onward.denominator


def test_the_customers_behind():
    made, found = asked()
    cart = found.steps[2]

    def listed(behind):
        return [line.customer for line in customers_behind(made, SHOP, behind, order="customer").lines]

    assert sorted(listed(cart.onward.behind)) == [10]
    assert sorted(listed(cart.onward.behind_not)) == [7, 8, 9]
    assert sorted(listed(cart.a_year.behind)) == [7, 8, 9, 10]
    assert len(listed(found.starters.behind)) == 10


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"change": ["cart>order"]}, "is not a change"),
        ({"change": ["cart>order:140%"]}, "is not a change"),
        ({"change": ["start:40%"]}, "is not a change"),
        ({"change": ["order>cart:+2%"]}, "does not come after"),
        ({"change": ["cart>order:+80%"]}, "only 75.0 % of those at cart"),
        ({"change": ["cart>ordr:+2%"]}, "There is no step 'ordr' here. → order?"),
        ({"goal": "much"}, "is not a goal"),
        ({"goal": "500 SEK"}, "is not a goal"),
    ],
)
def test_what_cannot_be_asked(options, words):
    with pytest.raises(MeasureError, match=words.replace("?", r"\?").replace(".", r"\.")):
        asked(**options)


def test_changes_and_goals_are_read():
    assert change_of(" cart > order : +2,5 % ").share == pytest.approx(0.025)
    assert goal_of_text("12 000,50 eur", "EUR") == (12000.5, True)


# ---- the demo world


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    file = tmp_path_factory.mktemp("shop") / "journey.yaml"
    file.write_text(text("shop-5", "en"), encoding="utf-8")
    journey = load_journey(file)
    teller = Teller(World("shop", 2000, 18, 5, dt.datetime(2026, 5, 1, 12, tzinfo=dt.UTC), None, None))
    rows = pa.concat_tables([teller.deliver(block)[1] for block in teller.blocks()])
    rows = rows.append_column("seq", pa.array(np.arange(rows.num_rows)))
    return view_of(trails_of_table(journey, rows), journey)


@pytest.mark.parametrize("of", ["stage", "touchpoint"])
def test_the_chain_reproduces_what_was_counted(demo, of):
    """Calibration: who reached the goal, counted and by the chain, within the interval and a tenth."""
    found = measure_view(demo, "what_if", {"of": of})
    counted = found.actual.value
    assert found.actual.numerator > 60
    assert found.modelled.value == pytest.approx(counted, rel=0.1)
    assert found.modelled.low < counted < found.modelled.high


def test_a_page_of_it(demo):
    stages = demo.journey.stage_ids
    found = measure_view(demo, "what_if", {"change": f"{stages[1]}>{stages[2]}:+2%", "goal": "20000 EUR"})
    difference = found.converted.difference
    assert 0 < difference.low < difference.value < difference.high
    for language in ("en", "fi"):
        reader = Reader(language, currency="EUR")
        assert found.text(reader)
        assert len(found.charts(reader)) == 2
    assert found.to_dict()["converted"]["difference"]["value"] == difference.value
