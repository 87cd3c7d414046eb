"""Leads worked by hand: a few people from two sources, and what they become."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest

from measures.behind import lists_agree
from measures.small_world import journey_of, trails
from polku.errors import MeasureError
from polku.language import Reader
from polku.measures.leads.quality import leads
from polku.measures.view import view_of

DAY = 86400
SHOP = journey_of(
    ("a", ["home"]), ("b", [{"id": "order", "value": "revenue"}], {"lapses_after": "20d"}), currency="EUR",
    window="30d",
)  # fmt: skip
ADS, MAIL = ("google", "cpc", "spring"), ("letter", "email", None)


def lead(origin, begun, *orders):
    first = [(begun * DAY, "home", None, {"origin": origin} if origin else {})]
    return [*first, *((begun * DAY + d * DAY, "order", float(v)) for d, v in orders)]


#: Four from the ads: two become customers in time (3 and 9 days), one late (40), one never; two from the letter, one at
#: once a customer (10 days), one who came five days before the end; one who comes by themselves.
PEOPLE = [
    lead(ADS, 0, (3, 20), (13, 20)), lead(ADS, 1, (9, 30)), lead(ADS, 2, (40, 50)), lead(ADS, 3),
    lead(MAIL, 4, (10, 100)), lead(MAIL, 95), lead(None, 6),
]  # fmt: skip
COSTS = pa.Table.from_pylist(
    [
        {"day": dt.date(1970, 1, 1) + dt.timedelta(days=d), "source": "Google", "medium": "cpc", "campaign": "spring",
         "amount": 50.0, "currency": "EUR", "impressions": 10, "clicks": 2}
        for d in (0, 50)
    ]
)  # fmt: skip


def asked(people=None, costs=None, as_of=100, **options):
    made = trails(SHOP, PEOPLE if people is None else people, 2, as_of=as_of * DAY)
    view = view_of(made, SHOP, costs=costs)
    return view, leads(view, **options)


def test_rates_by_source():
    _, found = asked()
    told = {s.group.name: (s.leads.n, s.rate.numerator, s.rate.denominator, s.rate.pending) for s in found.sources}
    assert told == {"google": (4, 2, 4, 0), "letter": (2, 1, 1, 1), "(none)": (1, 0, 1, 0)}
    assert {s.group.name: s.customers.n for s in found.sources} == {"google": 3, "letter": 1, "(none)": 0}
    assert (found.total.rate.numerator, found.total.rate.denominator) == (3, 6)
    assert found.rate == found.total.rate
    google = found.sources[0]
    assert google.against.value == pytest.approx(2 / 4 - 1 / 2)
    assert google.p == pytest.approx(1.0)


def test_time_to_customer_counts_those_who_are_not_yet():
    """Of the ads' four, half have become customers by day 9; the letter's median is not known: one of two is young."""
    _, found = asked()
    google, letter, direct = found.sources
    assert google.time.value == 9 * DAY
    assert direct.time.value is None
    assert direct.time.reason == "nobody has become a customer yet"
    # one of two at 10 days, but the other was watched for 5 days alone
    assert letter.time.value == 10 * DAY


def test_length_is_seen_from_a_silence_ago():
    """As of day 100 with 20 days of silence, all that was before day 80 is known: 10 days, and three times none."""
    _, found = asked()
    assert found.silence == 20 * DAY
    assert found.total.length.n == 4
    assert found.total.length.value == 0.0
    _, early = asked(as_of=40)  # seen from day 27: the first goes from day 3 to 13; the others have ended
    assert early.total.length.n == 3


def test_value_and_cost():
    _, found = asked(costs=COSTS)
    google, letter, direct = found.sources
    assert google.value.value == pytest.approx((40 + 30 + 50 + 0) / 4)
    assert letter.value.value == pytest.approx(50)
    assert direct.value.value == 0.0
    assert google.cost.value == pytest.approx(100 / 4)
    assert google.cost_of_customer.value == pytest.approx(100 / 3)
    assert letter.cost.value is None
    assert letter.cost.reason == "no costs are known of it"
    _, without = asked()
    assert without.total.cost.value is None
    assert without.total.cost.reason == "no costs are known: bring them in with polku import-costs"


def test_an_order_without_an_amount_is_no_order_of_nothing():
    people = [[(0, "home"), (DAY, "order")], lead(None, 1, (2, 10))]
    _, found = asked(people)
    assert found.total.value.value is None


def test_who_was_a_customer_before_is_no_lead():
    _, found = asked(from_="home", people=[[(0, "order", 5.0), (DAY, "home")], [(0, "home"), (DAY, "order", 5.0)]])
    assert found.total.leads.n == 1


def test_every_number_opens_its_customers():
    for options in ({}, {"by": "origin"}, {"from_": "home", "within": 5 * DAY}, {"to": "b"}):
        view, found = asked(**options)
        assert lists_agree(found, view) > 20


def test_a_stage_is_reached_like_a_touchpoint():
    _, by_stage = asked(to="b")
    _, by_touchpoint = asked(to="order")
    assert by_stage.total.rate.numerator == by_touchpoint.total.rate.numerator
    with pytest.raises(MeasureError, match="There is no stage, touchpoint or event 'oder'"):
        asked(to="oder")


def test_it_is_told_in_both_languages_and_drawn():
    for people in (PEOPLE, []):
        _, found = asked(people)
        for language in ("en", "fi"):
            assert found.text(Reader(language))
            assert isinstance(found.charts(Reader(language)), tuple)
        assert found.to_dict()["measure"] == "leads"
