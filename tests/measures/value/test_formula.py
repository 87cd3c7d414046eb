"""The practitioners' formula, worked by hand; and who stands behind each of its numbers."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from measures.small_world import journey_of, trails
from polku.errors import MeasureError
from polku.language import Reader
from polku.measures.customers import customers_behind
from polku.measures.result import Period
from polku.measures.value.buying import YEAR
from polku.measures.value.formula import value
from polku.measures.view import EVER, view_of
from polku.trails.layout import moment

DAY = 86400
SHOP = journey_of(("a", ["home"]), ("b", [{"id": "order", "value": "revenue"}], {"lapses_after": "100d"}))
ORDER, BACK = "order", "Order Refunded"
ADS, MAIL = ("google", "cpc", "spring"), ("letter", "email", None)

#: Anna buys on days 0 and 50 and is silent from then on; Bertta buys on day 150; Celia only looks around.
PEOPLE = [
    [(0, "home", None, {"origin": ADS}), (0, ORDER, 100.0), (50 * DAY, ORDER, 60.0)],
    [(150 * DAY, "home", None, {"origin": MAIL}), (150 * DAY + 9, ORDER, 40.0)],
    [(10 * DAY, "home")],
]
AS_OF = 200 * DAY


def asked(people=None, as_of=AS_OF, buckets=2, period=EVER, journey=SHOP, **options):
    options = {"silence": 100 * DAY, **options}
    made = trails(journey, people or PEOPLE, buckets, as_of=as_of)
    return made, value(view_of(made, journey, period=period), **options)


def test_the_formula_by_hand():
    """With 100 days of silence, all is known up to day 100: Anna has bought once more, 50 days on, and left with it."""
    _, found = asked()
    row = found.total
    assert (row.customers.n, row.watched.n, row.ended.n, row.orders, row.net) == (2, 1, 1, 3, 200.0)
    assert row.average.value == pytest.approx(200 / 3)
    assert row.frequency.value == pytest.approx(YEAR / (50 * DAY))
    assert row.length.value == pytest.approx(100 * DAY / YEAR)  # 50 days, and one gap of 50 for the last purchase
    assert row.purchases.value == pytest.approx(2)
    assert row.value.value == pytest.approx(200 / 3 * 2)
    assert row.value.value == pytest.approx(row.average.value * row.frequency.value * row.length.value)
    assert row.value.reason == "few customers have left, so the length is rough"
    assert row.value.low < row.value.value < row.value.high


def test_a_given_length_and_margin():
    _, found = asked(length=3 * 365 * DAY, margin=0.4)
    row = found.total
    assert row.value.value == pytest.approx(row.average.value * row.frequency.value * 3 * 365 * DAY / YEAR * 0.4)
    assert row.value.reason is None


def test_one_purchase_and_never_again_is_one_purchase():
    _, found = asked([[(0, ORDER, 30.0)], [(5, ORDER, 50.0)]])
    assert (found.total.purchases.value, found.total.value.value) == (1, 40.0)
    assert (found.total.frequency.value, found.total.length.value) == (None, None)
    assert found.total.frequency.reason == "nobody is known to have bought again"


def test_refunds_are_taken_off():
    people = [[*PEOPLE[0][:2], (20, BACK, 30.0), *PEOPLE[0][2:]], PEOPLE[1]]
    _, found = asked(people)
    assert (found.refunds, found.total.net, found.total.refunded, found.total.orders) == ((BACK,), 170.0, 30.0, 3)
    _, gross = asked(people, refunds=["none"])
    assert (gross.refunds, gross.total.net, gross.total.refunded) == ((), 200.0, 0.0)


def test_a_refund_without_an_amount_is_told():
    people = [[*PEOPLE[0][:2], (20, BACK), *PEOPLE[0][2:]], PEOPLE[1]]
    _, found = asked(people)
    assert (found.guessed, found.total.net, found.total.orders) == (1, 100.0, 2)


def test_only_the_part_of_a_relationship_in_the_period_counts():
    """From day 20 to 170, known up to day 70: Anna was there for 30 days of it and bought once; Bertta came later."""
    _, found = asked(period=Period(moment(20 * DAY), moment(170 * DAY)))
    row = found.total
    assert (row.customers.n, row.watched.n, row.ended.n, row.orders, row.net) == (2, 1, 1, 2, 100.0)
    assert row.frequency.value == pytest.approx(YEAR / (30 * DAY))
    assert row.purchases.value == pytest.approx(2)


def test_by_source():
    _, found = asked(by="source")
    assert [(g.group.name, g.customers.n, g.net) for g in found.groups] == [("google", 1, 160.0), ("letter", 1, 40.0)]
    assert found.groups[1].value.value is None
    assert found.groups[1].value.reason.startswith("nobody is known to have left yet")
    _, origin = asked(by="origin")
    assert [g.group.name for g in origin.groups] == ["google|cpc|spring", "letter|email|(none)"]
    assert found.groups[0].group.title(Reader("en")) == "google"
    assert origin.groups[1].group.title(Reader("en")) == "letter / email"


def test_the_last_source_before_the_first_purchase():
    person = [
        (0, "home", None, {"origin": ADS}), (5, "home", None, {"origin": MAIL}), (9, ORDER, 5.0),
        (20, "home", None, {"origin": ADS}),
    ]  # fmt: skip
    assert asked([person], by="source")[1].groups[0].group.name == "google"
    assert asked([person], by="source", credit="last")[1].groups[0].group.name == "letter"


def test_by_segment():
    journey = SHOP.model_copy(
        update={"segments": journey_of(("a", ["order"]), segments={"vip": "count(order) >= 2"}).segments}
    )
    made, found = asked(journey=journey, by="segment")
    assert [(g.group.name, g.customers.n) for g in found.groups] == [("vip", 1)]
    assert customers_behind(made, journey, found.groups[0].customers.behind).total == 1
    with pytest.raises(MeasureError, match="no segments"):
        asked(by="segment")
    with pytest.raises(MeasureError, match="no personas"):
        asked(by="persona")


@pytest.mark.parametrize("by", [None, "source", "origin"])
@pytest.mark.parametrize("period", [Period(), Period(moment(100 * DAY), moment(160 * DAY))])
def test_every_count_has_its_customers(by, period):
    made, found = asked(by=by, period=period)
    for row in (*found.groups, found.total):
        for count in (row.customers, row.watched, row.ended):
            assert customers_behind(made, SHOP, count.behind).total == count.n
    going = found.total.customers.behind.replace(":customers", ":going")
    assert customers_behind(made, SHOP, going).total == found.total.watched.n - found.total.ended.n


def test_any_split_into_buckets_is_the_same():
    one, three = (dataclasses.replace(asked(buckets=n, by="source")[1], view=None) for n in (1, 3))
    assert one == three


def test_the_silence_is_that_of_the_map_but_a_third_of_the_time_at_most():
    made = trails(SHOP, PEOPLE, as_of=AS_OF)
    assert value(view_of(made, SHOP)).silence == (AS_OF + 1) // 3
    old = trails(SHOP, PEOPLE, as_of=900 * DAY)
    assert value(view_of(old, SHOP)).silence == 100 * DAY


def test_nobody_and_no_value_say_why():
    _, nobody = asked([[(0, "home")]])
    assert nobody.total.value.value is None
    assert nobody.total.value.reason == "nobody has bought in this period"
    _, no_value = asked([[(0, ORDER), (10, ORDER)]])
    assert no_value.total.average.reason == "the purchases have no value"
    assert no_value.total.frequency.value is not None
    assert no_value.total.value.value is None


def test_what_a_purchase_is():
    no_map = journey_of(("a", ["home", "thanks"]))
    with pytest.raises(MeasureError, match="name it with"):
        asked(journey=no_map, people=[[(0, "thanks", 5.0)]])
    _, named = asked(journey=no_map, people=[[(0, "thanks", 5.0)]], from_=["thanks"])
    assert named.total.orders == 1
    with pytest.raises(MeasureError, match="order"):
        asked(from_=["ordr"])


def world(rng, customers, over=0):
    """People who buy every 20 days on average until they leave after 150, having come within ``over`` days."""
    people = []
    for _ in range(customers):
        start = at = rng.uniform(0, over) if over else 0.0
        events, leaves = [(int(at * DAY), ORDER, 20.0)], start + rng.exponential(150)
        while (at := at + rng.exponential(20)) < leaves:
            events.append((int(at * DAY), ORDER, 20.0))
        people.append(events)
    return people


def test_the_interval_holds_what_it_says():
    """Of 100 worlds of constant rates, about 95 intervals hold the true value of 20 x (1 + 150 / 20)."""
    rng = np.random.default_rng(3)
    hits = 0
    for _ in range(100):
        row = asked(world(rng, 150), as_of=3000 * DAY, buckets=1)[1].total
        hits += row.value.low <= 170 <= row.value.high
    assert 88 <= hits <= 100


def test_a_loss_has_an_interval_too():
    """Forty bought for 10 and 20 and gave back 30 to 69 on the day of the second purchase."""
    people = [
        [(0, ORDER, 10.0), (50 * DAY, ORDER, 20.0), (50 * DAY + 9, BACK, 30.0 + i), (150 * DAY, "home")]
        for i in range(40)
    ]  # fmt: skip
    _, found = asked(people)
    average = found.total.average
    net = np.array([-i for i in range(40)]) - 0.0
    assert average.value == pytest.approx(net.mean(), rel=0.01)
    assert average.high - average.value == pytest.approx(1.96 * net.std() / math.sqrt(40), rel=0.01)


def test_where_no_two_customers_differ_there_is_no_interval():
    _, found = asked([[(0, ORDER, 10.0), (50 * DAY, ORDER, 10.0)]] * 40)
    for estimate in (found.total.average, found.total.frequency, found.total.length, found.total.value):
        assert estimate.low is None
        assert estimate.reason == "no two customers differ, so there is no interval"


def test_a_shop_that_is_young_and_grows_is_not_overrated():
    """Most customers are still going on after 300 days; taken as they are, those who left would be far too short."""
    rng = np.random.default_rng(5)
    people = [[e for e in p if e[0] < 300 * DAY] for p in world(rng, 3000, over=300)]
    row = asked(people, as_of=300 * DAY, silence=100 * DAY)[1].total
    assert row.ended.n < row.watched.n < 3000
    assert 100 < row.value.value < 180
    # told too early, "left" is also said of some who come back after the silence; the truth is 170


def test_it_can_be_read_in_both_languages():
    _, found = asked(by="source")
    for language in ("en", "fi"):
        lines = "\n".join(found.text(Reader(language)))
        assert "google" in lines
        assert found.charts(Reader(language))[0].labels == ("google", "letter")
    assert not math.isnan(found.to_dict()["total"]["net"])


def test_the_work_can_be_sent_to_other_machines():
    """What runs over a bucket is pickled by an engine: it holds the question, never the trails."""
    import functools
    import pickle

    from polku.measures.value import buying as ask
    from polku.measures.value.formula import _partial
    from polku.measures.value.modelling import watch

    made = trails(SHOP, PEOPLE, 2, as_of=AS_OF)
    view = view_of(made, SHOP)
    question = ask.buying(view)
    work = functools.partial(_partial, question, view.start, view.end, DAY, None, False, 1)
    again = pickle.loads(pickle.dumps(work))
    assert (again(view.columns[0]).sums == work(view.columns[0]).sums).all()
    assert len(pickle.dumps(work)) < 5000
    assert len(watch(view, question, AS_OF + 1).customer) == 2
