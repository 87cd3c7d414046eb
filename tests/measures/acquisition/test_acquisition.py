"""Acquisition worked by hand: costs of a few days, a few customers, what they cost and when it is paid back."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pyarrow as pa
import pytest

from measures.small_world import journey_of, trails
from polku.errors import MeasureError
from polku.language import Reader
from polku.measures.acquisition.by_source import acquired, acquisition
from polku.measures.acquisition.costs import OF_EVERYONE, OTHER_DAYS
from polku.measures.acquisition.payback import paid_back, payback
from polku.measures.acquisition.winning import ALIKE, cost_of_a_customer
from polku.measures.customers import customers_behind
from polku.measures.result import Period
from polku.measures.value.buying import NO_VALUE
from polku.measures.view import EVER, view_of
from polku.trails.layout import moment

DAY = 86400
EPOCH = dt.date(1970, 1, 1)
SHOP = journey_of(
    ("a", ["home"]), ("b", [{"id": "order", "value": "revenue"}], {"lapses_after": "60d"}), currency="EUR"
)
ADS, SOCIAL = ("Google", "cpc", "spring"), ("facebook", "paid", "spring")


def buyer(origin, start, *amounts, gap=30):
    """One who comes from ``origin`` and buys at once, and again every ``gap`` days."""
    at = start * DAY
    first = [] if origin is None else [(at, "home", None, {"origin": origin})]
    return [*first, *((at + 60 + k * gap * DAY, "order", float(a)) for k, a in enumerate(amounts))]


#: Two from the ads (days 5 and 40), one from facebook, one who comes by themselves, one who only looks.
PEOPLE = [
    buyer(ADS, 5, 30, 30, 30), buyer(ADS, 40, 10), buyer(SOCIAL, 10, 20), buyer(None, 12, 50),
    [(3 * DAY, "home", None, {"origin": ADS})],
]  # fmt: skip


def costs(*rows):
    """(day, source, amount[, currency[, medium]])"""
    lines = [
        {
            "day": EPOCH + dt.timedelta(days=r[0]), "source": r[1], "medium": r[4] if len(r) > 4 else "cpc",
            "campaign": "spring", "amount": float(r[2]), "currency": r[3] if len(r) > 3 else "EUR",
            "impressions": 100, "clicks": 10,
        }
        for r in rows
    ]  # fmt: skip
    return pa.Table.from_pylist(lines)


COSTS = costs((0, "google", 40), (45, "google", 40), (20, "facebook", 30), (30, "bing", 25))


def asked(table=COSTS, period=EVER, people=None, as_of=200, buckets=2, **options):
    made = trails(SHOP, people or PEOPLE, buckets, as_of=as_of * DAY)
    return made, acquired(view_of(made, SHOP, period=period), table, **options)


def test_by_source():
    _, found = asked()
    told = {s.group.name: (s.spent, s.customers.n, s.cost.value) for s in found.sources}
    assert told == {
        "Google": (80.0, 2, 40.0), "facebook": (30.0, 1, 30.0), "bing": (25.0, 0, None), "(none)": (None, 1, None)
    }  # fmt: skip
    reasons = {s.group.name: s.cost.reason for s in found.sources}
    assert reasons["bing"] == "nobody was won in the days of which costs are known"
    assert reasons["(none)"] == "no costs are known of it"
    assert (found.paid.spent, found.paid.customers.n, found.paid.cost.value) == (135.0, 3, 45.0)
    assert (found.total.spent, found.total.customers.n, found.total.cost.value) == (135.0, 4, 33.75)
    assert found.days == ("1970-01-01", "1970-02-15")
    assert found.sources[0].clicks == 20


def test_payback_and_value_to_cost():
    """The ads' customers cost 40. They have paid 20 on average by day 30 and 35, 50 after: paid back by day 90."""
    _, found = asked()
    ads = found.sources[0]
    assert ads.payback.value == 90 * DAY
    assert ads.payback.n == 2
    assert ads.value.value == pytest.approx(50.0)  # 100 in all, both relationships over
    assert ads.ratio.value == pytest.approx(50 / 40)
    assert ads.ratio.low < 50 / 40 < ads.ratio.high
    _, half = asked(margin=0.5)
    assert half.sources[0].payback.value is None
    assert half.sources[0].payback.reason == "not paid back by those who are old enough"
    assert half.sources[0].ratio.value == pytest.approx(25 / 40)


def test_only_who_is_old_enough_counts():
    """On day 75 only the first of the ads' customers is 60 days old, and has paid 60 by then."""
    _, found = asked(as_of=75)
    ads = found.sources[0]
    assert (ads.payback.value, ads.payback.n) == (60 * DAY, 1)


def test_observed_value():
    _, found = asked(ltv="observed", within=60 * DAY)
    assert found.sources[0].value.value == pytest.approx((60 + 10) / 2)
    _, young = asked(ltv="observed", within=360 * DAY)
    assert young.sources[0].value.reason == "nobody is old enough yet"
    assert young.sources[0].ratio.reason == "nobody is old enough yet"


def test_customers_are_counted_over_the_days_of_the_costs():
    _, found = asked(costs((0, "google", 10), (20, "google", 10)))
    ads = found.sources[0]
    assert (ads.spent, ads.customers.n, ads.cost.value) == (20.0, 1, 20.0)


def test_a_period_cuts_both():
    _, found = asked(period=Period(moment(30 * DAY), moment(60 * DAY)))
    told = {s.group.name: (s.spent, s.customers.n) for s in found.sources}
    assert told == {"Google": (40.0, 1), "bing": (25.0, 0)}


def test_other_currencies_are_left_out_and_told():
    _, found = asked(costs((0, "google", 40), (50, "google", 99, "SEK")))
    assert found.other_currencies == (("SEK", 99.0),)
    assert found.sources[0].spent == 40.0
    assert "SEK" in "\n".join(found.text(Reader("en")))
    _, none = asked(costs((0, "google", 40, "SEK")))
    assert none.reason == none.total.cost.reason == "all costs of the period are in another currency than the map's"


def test_costs_of_other_days_are_not_called_unknown():
    _, found = asked(costs((100, "google", 40)), period=Period(moment(0), moment(60 * DAY)))
    assert found.reason == found.total.payback.reason == OTHER_DAYS


def test_costs_are_of_everyone_and_not_of_a_segment():
    made = trails(SHOP, PEOPLE, 2, as_of=200 * DAY)
    some = dataclasses.replace(view_of(made, SHOP), segment="vip")
    found, back = acquired(some, COSTS), paid_back(some, COSTS)
    assert found.reason == found.total.cost.reason == back.total.cost.reason == OF_EVERYONE
    assert found.total.spent is None
    assert found.total.customers.n == 4


def test_purchases_without_a_value_have_not_paid_nothing():
    people = [[(5 * DAY, "home", None, {"origin": ADS}), (5 * DAY + k, "order")] for k in range(1, 40)]
    _, found = asked(people=people, ltv="observed", within=60 * DAY)
    ads = found.sources[0]
    assert ads.cost.value == pytest.approx(80 / 39)
    assert (ads.value.value, ads.payback.value) == (None, None)
    assert ads.value.reason == ads.payback.reason == ads.ratio.reason == NO_VALUE


def test_where_nothing_was_spent_there_is_nothing_to_pay_back():
    _, found = asked(costs((0, "google", 0), (60, "google", 0)))
    ads = found.sources[0]
    assert ads.cost.value == 0
    assert ads.payback.reason == ads.ratio.reason == "nothing was spent"


def test_no_interval_of_those_who_all_paid_the_same():
    _, found = asked(people=[buyer(ADS, 5, 30) for _ in range(40)], ltv="observed", within=60 * DAY)
    worth = found.sources[0].value
    assert (worth.value, worth.low, worth.high, worth.reason) == (30.0, None, None, ALIKE)


def test_a_source_with_an_and_in_its_name_is_one_source():
    shops = ("H&M", "affiliate", None)
    made, found = asked(costs((0, "google", 40), (0, "H&M", 10), (90, "H&M", 1)), people=[*PEOPLE, buyer(shops, 6, 20)])
    assert found.paid.customers.n == 3
    for row in (found.paid, *found.sources):
        assert customers_behind(made, SHOP, row.customers.behind).total == row.customers.n


def test_by_origin_and_the_last_one_named():
    _, found = asked(by="origin")
    told = {s.group.name: s.spent for s in found.sources}
    assert told["Google|cpc|spring"] == 80.0
    assert told["facebook|paid|spring"] is None
    assert told["facebook|cpc|spring"] == 30.0  # spent on what no visit names
    person = [(0, "home", None, {"origin": ADS}), (5, "home", None, {"origin": SOCIAL}), (9, "order", 5.0)]
    _, last = asked(people=[person], credit="last")
    assert {s.group.name: s.customers.n for s in last.sources if s.customers.n} == {"facebook": 1}


def test_refunds_put_payback_off():
    people = [[*PEOPLE[0][:-1], (5 * DAY + 61, "Order Refunded", 25.0), PEOPLE[0][-1]]]
    _, kept = asked(costs((0, "google", 30), (20, "google", 0)), people=[PEOPLE[0]])
    _, back = asked(costs((0, "google", 30), (20, "google", 0)), people=people)
    assert (kept.sources[0].payback.value, back.sources[0].payback.value) == (30 * DAY, 60 * DAY)


@pytest.mark.parametrize("table", [None, COSTS.slice(0, 0)])
def test_without_costs_all_is_none_with_the_way_to_bring_them(table):
    made, found = asked(table)
    assert found.reason == "no costs are known: bring them in with polku import-costs"
    for row in (*found.sources, found.paid, found.total):
        assert (row.spent, row.cost.value, row.ratio.value, row.payback.value) == (None,) * 4
        assert row.cost.reason == found.reason
    assert found.total.customers.n == 4
    assert found.total.value.value is not None
    assert acquisition(view_of(made, SHOP)) == found
    assert "polku import-costs" in "\n".join(found.text(Reader("en")))
    assert found.charts(Reader("en")) == ()


@pytest.mark.parametrize("by", ["source", "medium", "campaign", "origin"])
@pytest.mark.parametrize("period", [EVER, Period(moment(8 * DAY), moment(60 * DAY))])
def test_every_count_has_its_customers(by, period):
    made, found = asked(by=by, period=period)
    for row in (*found.sources, found.paid, found.total):
        if row.group.name is None or row.group.name not in ("bing", "bing|cpc|spring", "facebook|cpc|spring"):
            assert customers_behind(made, SHOP, row.customers.behind).total == row.customers.n
    table = COSTS
    back = paid_back(view_of(made, SHOP, period=period), table)
    for cohort in (*back.cohorts, back.total):
        assert customers_behind(made, SHOP, cohort.customers.behind).total == cohort.customers.n


def test_the_costs_are_those_of_the_view():
    import dataclasses

    made, found = asked()
    view = dataclasses.replace(view_of(made, SHOP), spent=COSTS)
    assert acquisition(view) == found
    assert payback(view) == paid_back(view_of(made, SHOP), COSTS)


def test_any_split_into_buckets_is_the_same():
    assert asked(buckets=1)[1] == asked(buckets=4)[1]


def test_the_interval_of_a_cost_is_that_of_a_count():
    """Garwood's interval of a count of 20 is 12.22 to 30.89."""
    found = cost_of_a_customer(1000.0, 20)
    assert (found.low, found.high) == (pytest.approx(1000 / 30.888, rel=1e-3), pytest.approx(1000 / 12.217, rel=1e-3))
    assert found.reason == "few customers, so it is rough"


# ---- payback by month


def paid(table=COSTS, as_of=200, **options):
    made = trails(SHOP, PEOPLE, 2, as_of=as_of * DAY)
    return made, paid_back(view_of(made, SHOP), table, **options)


def test_cohorts():
    _, found = paid()
    told = [(c.month, c.spent, c.customers.n, c.cost.value) for c in found.cohorts]
    assert told == [("1970-01", 95.0, 3, pytest.approx(95 / 3)), ("1970-02", 40.0, 1, 40.0)]
    january = found.cohorts[0]
    assert [e.value for e in january.paid[:3]] == [pytest.approx(v / 3) for v in (100, 130, 160)]
    assert january.payback.value == 30 * DAY
    assert found.cohorts[1].payback.value is None
    assert (found.total.spent, found.total.customers.n) == (135.0, 4)


def test_ages_that_nobody_has_reached_are_none():
    _, found = paid(as_of=75)
    january = found.cohorts[0]
    assert [e.n for e in january.paid[:3]] == [3, 3, 0]
    assert (january.paid[2].value, january.paid[2].reason) == (None, "nobody is old enough yet")
    assert found.cohorts[1].paid[0].n == 1


def test_of_one_source():
    _, found = paid(source="google")
    assert [(c.month, c.spent, c.customers.n) for c in found.cohorts] == [("1970-01", 40.0, 1), ("1970-02", 40.0, 1)]
    assert [c.customers.n for c in paid(source="bing")[1].cohorts] == [0]
    with pytest.raises(MeasureError, match="No visit has come"):
        paid(source="gogle")


def test_without_costs():
    made, found = paid(None)
    assert found.reason is not None
    assert [c.customers.n for c in found.cohorts] == [3, 1]
    assert found.cohorts[0].paid[0].value == pytest.approx(100 / 3)
    assert found.cohorts[0].payback.value is None
    assert payback(view_of(made, SHOP)) == found
    assert len(found.charts(Reader("fi"))) == 1


def test_an_age_shorter_than_a_step_is_told():
    with pytest.raises(MeasureError, match="within"):
        paid(every=30 * DAY, within=DAY)
    with pytest.raises(MeasureError, match="within"):
        asked(every=30 * DAY, within=DAY)


def test_they_can_be_read_in_both_languages():
    for language in ("en", "fi"):
        reader = Reader(language)
        for _, found in (asked(), paid()):
            lines = "\n".join(found.text(reader))
            assert "95" in lines or "Google" in lines
            assert all(s.values for c in found.charts(reader) if hasattr(c, "series") for s in c.series)
            assert found.to_dict()["currency"] == "EUR"
