"""Breakdowns, trends, times to convert and correlation: figures worked out by hand, and who is behind them."""

from __future__ import annotations

import datetime as dt
import random
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from measures.behind import lists_agree
from measures.funnels.people import EVENTS, SHOP, at, view
from polku.errors import MeasureError
from polku.journey.model import Journey
from polku.language import Reader
from polku.measures.ask import measure_view
from polku.measures.customers import customers_behind
from polku.measures.funnels.correlation import funnel_correlation
from polku.measures.funnels.funnel import funnel
from polku.measures.funnels.times import time_to_convert
from polku.measures.funnels.trend import funnel_trend
from polku.measures.result import Period
from polku.measures.view import view_of
from polku.trails.people import trails_of

STEPS = ("product", "order")
READER = Reader("en")


def behind(seen, selector):
    return customers_behind(seen.trails, SHOP, selector, limit=10_000, profiles=seen.profiles).total


def shopper(platform, orders, source=None):
    campaign = {"campaign": {"source": source}} if source else {}
    events = [at("10:00", "product", platform=platform, **campaign)]
    return [*events, at("11:00", "order", platform="till")] if orders else events


def many(*groups):
    """``(n, orders, platform, source)``: so many people alike."""
    people = {}
    for number, (n, orders, platform, source) in enumerate(groups):
        people |= {f"{number}-{k}": shopper(platform, k < orders, source) for k in range(n)}
    return people


MANY = many((70, 56, "ios", "google"), (80, 48, "web", "google"), (10, 0, None, None))


def test_groups_are_held_against_the_others_with_an_interval():
    """56 of 70 against 48 of 80: Newcombe (1998), table II (a), method 10 gives 0.0524 to 0.3339."""
    seen = view({k: v for k, v in MANY.items() if not k.startswith("2")})
    ios, web = sorted(funnel(seen, STEPS, breakdown="properties.platform").groups, key=lambda g: g.name)
    assert (ios.name, ios.conversion.numerator, ios.conversion.denominator) == ("ios", 56, 70)
    assert [round(x, 4) for x in (ios.difference.value, ios.difference.low, ios.difference.high)] == [
        0.2,
        0.0524,
        0.3339,
    ]
    assert web.difference.value == pytest.approx(-0.2)
    # two looks at one difference: Holm doubles the smaller p
    assert ios.difference.p_adjusted == pytest.approx(2 * ios.difference.p)
    assert ios.time.median == 3600


def test_what_is_not_said_is_a_group_and_small_groups_are_counted():
    seen = view(MANY)
    found = funnel(seen, STEPS, breakdown="properties.platform", limit=2)
    assert ([g.name for g in found.groups], found.groups_left_out) == (["web", "ios"], 1)
    every = funnel(seen, STEPS, breakdown="properties.platform")
    assert [g.name for g in every.groups] == ["web", "ios", "(none)"]
    assert sum(g.reached[0].n for g in every.groups) == every.reached[0] == 160
    for group in every.groups:
        assert behind(seen, group.conversion.behind) == group.conversion.numerator
        assert behind(seen, group.conversion.behind_all) == group.conversion.denominator
        assert behind(seen, group.conversion.behind_not) == group.conversion.denominator - group.conversion.numerator


def test_against_a_group_that_is_named():
    found = funnel(view(MANY), STEPS, breakdown="properties.platform", against="web")
    differences = {g.name: g.difference for g in found.groups}
    assert differences["web"].value is None
    assert differences["web"].reason
    assert differences["ios"].value == pytest.approx(0.2)


def test_the_property_is_that_of_the_first_step_or_of_the_last_one_taken():
    found = funnel(view(MANY), STEPS, breakdown="properties.platform", at="last")
    assert {g.name: g.reached[0].n for g in found.groups} == {"till": 104, "web": 32, "ios": 14, "(none)": 10}


def test_by_source_customers_are_where_their_first_session_came_from():
    later = [at("09:00", "product"), at("2026-05-02 10:00", "order", campaign={"source": "facebook"})]
    within = [at("09:00", "product"), at("09:10", "order", campaign={"source": "facebook"})]
    found = funnel(view({**MANY, "later": later, "within": within}), STEPS, breakdown="source")
    counts = {g.name: [n.n for n in g.reached] for g in found.groups}
    assert counts == {"google": [150, 104], "(none)": [11, 1], "facebook": [1, 1]}


def test_by_persona_and_segment_groups_may_share_people():
    people = {"anna": [*shopper("ios", True), at("2026-05-03 10:00", "order")], "bea": shopper("web", True),
              "celia": shopper("web", False)}  # fmt: skip
    profiles = pa.table({"customer": [1, 3], "traits": ['{"kind": "fashion"}', '{"kind": "fashion"}']})
    seen = view(people, profiles=profiles)
    sara = funnel(seen, STEPS, breakdown="persona").groups[0]
    assert (sara.name, [n.n for n in sara.reached]) == ("sara", [2, 1])
    assert (sara.difference.value, sara.conversion.denominator) == (-0.5, 2)
    regular = funnel(seen, STEPS, breakdown="segment").groups[0]
    assert (regular.name, [n.n for n in regular.reached]) == ("regular", [1, 1])
    assert behind(seen, regular.conversion.behind) == 1
    assert behind(seen, sara.conversion.behind_not) == 1
    traits = funnel(seen, STEPS, breakdown="traits.kind").groups
    assert {g.name: g.reached[0].n for g in traits} == {"fashion": 2, "(none)": 1}


def test_against_another_period_each_share_has_its_difference():
    people = {f"may-{k}": shopper("ios", k < 56) for k in range(70)}
    people |= {f"june-{k}": [("2026-06-10 10:00", "Product Viewed"), *([("2026-06-10 11:00", "Order Completed")]
               if k < 48 else [])] for k in range(80)}  # fmt: skip
    may, june, july = (dt.datetime(2026, month, 1, tzinfo=ZoneInfo("Europe/Helsinki")) for month in (5, 6, 7))
    seen = view(people, july, period=Period(may, june))
    found = measure_view(seen, "funnel", {"steps": "product,order"}, Period(june, july))
    change = found.tables(READER)[-1]
    assert change.rows[0][1].raw == pytest.approx(0.8)
    assert change.rows[0][2].raw == pytest.approx(0.6)
    assert (change.rows[0][3].raw, change.rows[0][3].note) == (pytest.approx(0.2), "+5.2% to +33.4%")
    assert [series.values[1] for series in found.charts(READER)[0].series] == [0.8, 0.6]


# -- over time -------------------------------------------------------------------------------------------------------


def test_a_trend_is_by_the_day_of_the_beginning_in_the_maps_zone():
    people = {
        "anna": [at("2026-05-04 00:30", "product"), at("2026-05-11 09:00", "order")],  # a Monday, in Helsinki
        "bea": [at("2026-05-03 23:30", "product")],
        "celia": [at("2026-05-18 12:00", "product"), at("2026-05-18 12:30", "order")],
    }
    seen = view(people, "2026-05-20 12:00")
    found = funnel_trend(seen, STEPS, within=8 * 86_400, interval="week")
    assert [p.day.isoformat() for p in found.points] == ["2026-04-27", "2026-05-04", "2026-05-11", "2026-05-18"]
    assert [[n.n for n in p.reached] for p in found.points] == [[1, 0], [1, 1], [0, 0], [1, 1]]
    assert [p.mature for p in found.points] == [True, True, False, False]
    assert [p.conversion.pending for p in found.points] == [0, 0, 0, 1]
    assert found.points[2].conversion.value is None
    for p in found.points:
        assert [behind(seen, n.behind) for n in p.reached] == [n.n for n in p.reached]
        assert behind(seen, p.conversion.behind_pending) == p.conversion.pending
    again = {"anna": [*people["anna"], at("2026-05-19 09:00", "product")]}  # who began once more does not hold May up
    point = funnel_trend(view(again, "2026-05-20 12:00"), STEPS, within=8 * 86_400).points[0]
    assert (point.conversion.numerator, point.conversion.pending, point.mature) == (1, 0, True)
    months = funnel_trend(seen, STEPS, interval="month")
    assert [(p.day.isoformat(), p.reached[0].n) for p in months.points] == [("2026-05-01", 3)]
    line = found.charts(READER)[0].series[0]
    assert (line.values, line.solid) == ((0.0, 1.0, None, None), (True, True, False, False))


def test_a_trend_adds_up_to_its_funnel():
    seen = view(MANY)
    found, whole = funnel_trend(seen, STEPS, interval="day"), funnel(seen, STEPS)
    assert [sum(p.reached[k].n for p in found.points) for k in (0, 1)] == whole.reached
    assert found.conversion == whole.conversion
    with pytest.raises(MeasureError, match="intervals"):
        funnel_trend(view({"old": [("1999-01-01", "Product Viewed")]}), STEPS, interval="day")


def test_lists_of_a_trend_and_of_times_hold_whom_they_count():
    """The whole of a trend waits for the window of the chain that is given, as its intervals do."""
    people = {
        "converted, and began again": [at("09:00", "product"), at("09:30", "order"), at("11:30", "product")],
        "not yet": [at("11:50", "product")],
        "left": [at("08:00", "product")],
    }
    seen = view(people, as_of="2026-05-01 12:00")
    trend = funnel_trend(seen, STEPS, 3600, interval="day")
    assert (trend.rate.numerator, trend.rate.denominator, trend.rate.pending) == (1, 2, 1)
    assert lists_agree(trend, seen) > 5
    in_any = funnel(seen, STEPS, 3600, order="any")
    assert [s.time.behind for s in in_any.steps] == [None, None]
    assert in_any.time.behind is not None


@pytest.mark.parametrize("days", [49_710, 49_711, 100_000])
@pytest.mark.parametrize("order", ["ordered", "increasing"])
def test_a_window_of_centuries_is_open(days, order):
    seen = view({"a": [at("10:00", "product"), at("11:00", "order")], "b": [at("10:00", "product")]})
    found = funnel(seen, STEPS, days * 86400, order=order)
    assert (found.reached, found.rate.denominator, found.rate.pending) == ([2, 1], 0, 2)
    assert lists_agree(found, seen) > 0


def test_trails_without_any_event_have_a_trend_of_nobody():
    empty = view_of(trails_of(SHOP, {}), SHOP)
    assert [p.reached[0].n for p in funnel_trend(empty, STEPS, interval="day").points] == [0]
    assert funnel(empty, STEPS, order="any").reached == [0, 0]
    assert time_to_convert(empty, STEPS).median_of_all.value is None


# -- times -----------------------------------------------------------------------------------------------------------


def waiting(seconds):
    return [at("10:00", "product"), (f"2026-05-01 10:{seconds // 60:02}:{seconds % 60:02}", "Order Completed")]


def test_times_to_convert_are_exact():
    people = {str(s): waiting(s) for s in (10, 20, 30, 40, 3000)} | {"never": [at("10:00", "product")]}
    seen = view(people)
    found = time_to_convert(seen, STEPS, within=3600)
    assert (found.converted.n, found.mean, found.quantiles["0.5"], found.quantiles["0.25"]) == (5, 620.0, 30.0, 20.0)
    assert sum(b.count.n for b in found.bars) == 5
    for b in found.bars:
        assert behind(seen, b.count.behind) == b.count.n
    assert (found.conversion.numerator, found.conversion.denominator) == (5, 6)
    assert found.median_of_all.value == 30.0
    assert [c.title for c in found.charts(READER)] == ["How long it took", "Converted by then, of all who began"]


def test_who_may_yet_convert_counts_as_long_as_they_were_seen():
    """Freireich's 6-MP arm of 21 (Gehan 1965), a textbook's Kaplan-Meier figures, in minutes; + had no relapse yet.

    Survival 0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448 at 6, 7, 10, 13, 16, 22, 23 weeks.
    """
    relapse, seen_until = (6, 6, 6, 7, 10, 13, 16, 22, 23), (6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35)
    moment = dt.datetime(2026, 5, 1, 12, tzinfo=dt.UTC)
    people = {}
    for n, weeks in enumerate(relapse):
        begun = moment - dt.timedelta(minutes=60)
        people[f"r{n}"] = [(begun, "Product Viewed"), (begun + dt.timedelta(minutes=weeks), "Order Completed")]
    for n, weeks in enumerate(seen_until):
        people[f"c{n}"] = [(moment - dt.timedelta(minutes=weeks), "Product Viewed")]
    found = time_to_convert(view(people, moment), STEPS, within=3600)
    points = {p.seconds // 60: round(1 - p.converted.value, 3) for p in found.curve}
    assert points == {6: 0.857, 7: 0.807, 10: 0.753, 13: 0.690, 16: 0.627, 22: 0.538, 23: 0.448}
    assert {p.seconds // 60: p.at_risk for p in found.curve}[10] == 15
    assert found.median_of_all.value == 23 * 60


# -- correlation -----------------------------------------------------------------------------------------------------


def crowd(seed, effect):
    """400 people; of those who chatted ``effect`` more order; what they came with has no effect."""
    rng = random.Random(seed)
    people = {}
    for k in range(400):
        chats, source = rng.random() < 0.4, rng.choice(["google", "facebook", "mail"])
        orders = rng.random() < 0.3 + (effect if chats else 0)
        events = [at("10:00", "product", platform=rng.choice(["ios", "web"]), campaign={"source": source})]
        events += [at("10:05", "chat")] if chats else []
        events += [at("10:10", "Hello")] if rng.random() < 0.5 else []
        people[str(k)] = events + ([at("10:20", "order")] if orders else [])
    return people


def test_what_goes_with_going_on_is_found_and_nothing_else():
    seen = view(crowd(3, 0.4))
    found = funnel_correlation(seen, STEPS)
    first, *rest = found.correlates
    assert (first.kind, first.value) == ("met", "chat")
    assert first.odds.low > 1
    assert first.p_adjusted < 0.001
    assert all(c.p_adjusted > 0.05 for c in rest)
    assert {c.kind for c in rest} >= {"met", "source", "properties.platform"}
    for c in found.correlates:
        assert c.with_it.denominator + c.without_it.denominator == found.conversion.denominator == 400
        for rate in (c.with_it, c.without_it):
            assert behind(seen, rate.behind) == rate.numerator
            assert behind(seen, rate.behind_all) == rate.denominator
            assert behind(seen, rate.behind_not) == rate.denominator - rate.numerator
    assert found.tables(READER)[0].rows[0][0].text == "Chat"


@pytest.mark.parametrize("seed", range(4))
def test_where_nothing_goes_with_it_nothing_is_sure(seed):
    found = funnel_correlation(view(crowd(100 + seed, 0.0)), STEPS)
    assert all(c.p_adjusted > 0.05 for c in found.correlates)


def test_things_of_too_few_are_left_out_and_counted():
    people = crowd(5, 0.0) | {"rare": [at("10:00", "product"), at("10:01", "Rare"), at("10:20", "order")]}
    found = funnel_correlation(view(people), STEPS)
    assert "Rare" not in {c.value for c in found.correlates}
    assert found.too_few >= 1
    assert "Rare" in {c.value for c in funnel_correlation(view(people), STEPS, least=1).correlates}


def test_what_is_met_lies_between_the_step_and_going_on():
    late = [at("10:00", "product"), at("10:20", "order"), at("10:30", "chat")]
    early = [at("09:00", "chat"), at("10:00", "product"), at("10:20", "order")]
    too_late = [at("10:00", "product"), at("12:00", "chat")]
    between = [at("10:00", "product"), at("10:10", "chat"), at("10:20", "order")]
    people = {"late": late, "early": early, "too_late": too_late, "between": between}
    found = funnel_correlation(view(people), STEPS, within=3600, least=1)
    chat = next(c for c in found.correlates if c.value == "chat")
    assert (chat.with_it.numerator, chat.with_it.denominator) == (1, 1)
    assert (chat.without_it.numerator, chat.without_it.denominator) == (2, 3)


def test_an_event_that_is_a_touchpoint_now_and_then_is_listed_where_it_is_none():
    guide = {"id": "guide", "match": {"event": "page", "where": "properties.kind = 'guide'"}}
    steps = [{"id": name, "match": {"event": EVENTS[name]}} for name in STEPS]
    shop = Journey.model_validate({"title": "Shop", "stages": [{"id": "all", "touchpoints": [*steps, guide]}]})
    kinds = ("guide", "guide", "news", None)
    people = {
        str(k): [at("10:00", "product"), *([at("10:05", "page", kind=kind)] if kind else []), at("10:20", "order")]
        for k, kind in enumerate(kinds)
    }
    seen = view_of(trails_of(shop, people, "2026-06-01 00:00"), shop)
    found = funnel_correlation(seen, STEPS, least=1)
    assert {c.value: c.with_it.denominator for c in found.correlates if c.kind == "met"} == {"guide": 2, "page": 1}
    for c in found.correlates:
        for rate in (c.with_it, c.without_it):
            assert customers_behind(seen.trails, shop, rate.behind_all).total == rate.denominator


def test_going_on_to_one_step_of_many():
    people = {str(k): [at("10:00", "product"), at("10:10", "cart"), *([at("10:20", "order")] if k % 2 else [])]
              for k in range(10)}  # fmt: skip
    found = funnel_correlation(view(people), ("product", "cart", "order"), step="order", least=1)
    assert found.titles == ("Cart", "Order")
    assert (found.conversion.numerator, found.conversion.denominator) == (5, 10)
    with pytest.raises(MeasureError, match="later one"):
        funnel_correlation(view(people), STEPS, step="product")
