"""Selectors, lists, one customer's story, filters, and the catalogue."""

from __future__ import annotations

import datetime as dt
import json
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from measures.small_world import journey_of, trails
from polku.errors import MeasureError
from polku.language import Reader
from polku.measures.ask import goals, measure
from polku.measures.catalogue import CATALOGUE
from polku.measures.customers import ORDERS, customers_behind, keys_behind
from polku.measures.living import living_map
from polku.measures.result import Period, to_dict
from polku.measures.selectors import KINDS, Selector, period_of, period_text
from polku.measures.timeline import timeline
from polku.measures.view import seconds, view_of
from polku.trails.layout import moment

UTC = dt.UTC
SHOP = journey_of(
    ("aware", ["ad", "page"]),
    ("decide", ["cart", {"id": "order", "value": "revenue", "felt": {"where": "properties.survey = 'order'"}}],
     {"lapses_after": 1000}),
    ("loyal", [], {"enter": "count(order) >= 2"}),
    window=100,
    segments={"spenders": "sum(order.value) > 50", "recent": "count(*) >= 1 within 10s"},
    personas={"sara": {"title": "Sara", "where": "traits.likes = 'fashion'"}, "nobody": {"title": "Nobody"}},
    measures={"first": {"kind": "conversion", "from": "cart", "to": "order", "within": "50s", "target": ">= 40 %"},
              "path": {"kind": "funnel", "steps": ["ad", "cart", "order"]}},
)  # fmt: skip
PEOPLE = [
    [(0, "ad"), (10, "cart"), (20, "order", 60.0)],
    [(0, "cart"), (500, "order", 10.0), (600, "order", 20.0)],
    [(5, "ad"), (990, "ad")],
    [(7, "other")],
]
PROFILES = pa.table({"customer": [1, 2, 3], "traits": ['{"likes": "fashion"}', '{"likes": "sport"}', "{}"]})
words = st.text(min_size=1, max_size=12)


@pytest.fixture(scope="module")
def shop():
    return trails(SHOP, PEOPLE, 2, as_of=1000)


@given(st.sampled_from(sorted(KINDS)), words, st.data(), st.dictionaries(st.sampled_from(["persona", "by"]), words))
def test_a_selector_survives_its_text(kind, name, data, options):
    what = data.draw(st.sampled_from(KINDS[kind]))
    one = Selector(kind, "" if kind == "map" else name, what, "2026-01-01..", tuple(options.items()))
    assert Selector.parse(str(one)) == one
    assert not set(str(one)) & set(" \n\"'#?&")


@pytest.mark.parametrize(
    ("text", "says"),
    [("stge:a:now", "stage"), ("stage:a:noww", "now"), ("stage", "stage:"), ("stage:a:now:x:y", "stage:a:now")],
)
def test_what_is_no_selector_is_told(text, says):
    with pytest.raises(MeasureError, match=says):
        Selector.parse(text)


@pytest.mark.parametrize("text", ["2026-01-01..2026-02-01", "2026-01-01..", "..2026-02-01", "20260101T093000Z.."])
def test_a_period_survives_its_text(text):
    zone = ZoneInfo("Europe/Helsinki")
    assert period_text(period_of(text, zone), zone) == text


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01..", "2026-01-01"])
def test_what_is_no_period_is_told(text):
    with pytest.raises(MeasureError, match="period"):
        period_of(text, ZoneInfo("UTC"))


def test_a_list_shows_where_everyone_stands(shop):
    found = customers_behind(shop, SHOP, order="customer", descending=False)
    rows = [(c.customer, c.stage, c.lapsed, c.events, c.value, seconds(c.last_seen)) for c in found.lines]
    assert rows == [
        (1, "decide", False, 3, 60.0, 20), (2, "loyal", False, 3, 30.0, 600), (3, "aware", False, 2, 0.0, 990),
        (4, None, False, 1, 0.0, 7),
    ]  # fmt: skip
    assert found.total == 4


@pytest.mark.parametrize("order", ORDERS)
def test_pages_of_a_list_make_the_whole(shop, order):
    whole = customers_behind(shop, SHOP, order=order).lines
    parts = [customers_behind(shop, SHOP, order=order, limit=1, offset=i).lines[0] for i in range(4)]
    assert list(whole) == parts


def test_lists_name_what_they_do_not_know(shop):
    for selector, near in (
        ("stage:decid:now", "decide"),
        ("touchpoint:crt:reached", "cart"),
        ("event:othr:seen", "other"),
    ):
        with pytest.raises(MeasureError) as told:
            customers_behind(shop, SHOP, selector)
        assert told.value.facts["nearest"] == near
        assert told.value.text("fi") != told.value.text("en")


def test_keys_behind(shop):
    assert keys_behind(view_of(shop, SHOP), Selector.parse("touchpoint:cart:reached")).tolist() == [1, 2]


def test_a_story_with_its_reasons(shop):
    told = timeline(shop, 2, SHOP)
    assert [(c.kind, c.from_stage, c.to_stage, c.by, c.touchpoint) for c in told.changes] == [
        ("entered", None, "decide", "touchpoint", "cart"), ("entered", "decide", "loyal", "condition", "order"),
    ]  # fmt: skip
    assert told.changes[1].reason(Reader("en")) == "it became true that count(order) >= 2, on Order"
    assert told.changes[1].reason(Reader("fi")) == "ehto count(order) >= 2 täyttyi kohdassa Order"
    assert [(e.event, e.stage, e.value, e.session) for e in told.events] == [
        ("cart", "decide", None, 1), ("order", "decide", 10.0, 1), ("order", "decide", 20.0, 1),
    ]  # fmt: skip
    assert (told.stage, told.value, told.lapsed) == ("loyal", 30.0, False)
    assert json.dumps(told.to_dict())


def test_a_story_as_of_an_earlier_moment(shop):
    assert timeline(shop, 2, SHOP, as_of=moment(550)).stage == "decide"
    assert timeline(shop, 2, SHOP, as_of=moment(550)).value == 10.0
    assert timeline(shop, 4, SHOP).stage is None
    with pytest.raises(MeasureError, match="99"):
        timeline(shop, 99, SHOP)


def test_a_persona_is_found_by_traits(shop):
    living = living_map(shop, SHOP, persona="sara", profiles=PROFILES)
    assert (living.customers.n, living.persona) == (1, "sara")
    assert customers_behind(shop, SHOP, living.stages[1].now.behind, profiles=PROFILES).total == 1
    for persona, says in (("nobody", "where"), ("srra", "sara")):
        with pytest.raises(MeasureError, match=says):
            living_map(shop, SHOP, persona=persona, profiles=PROFILES)
    with pytest.raises(MeasureError, match="traits"):
        living_map(shop, SHOP, persona="sara")


def test_a_segment_holds_at_the_moment(shop):
    assert living_map(shop, SHOP, segment="spenders").customers.n == 1
    assert living_map(shop, SHOP, segment="recent").customers.n == 1
    assert living_map(shop, SHOP, segment="recent", as_of=moment(25)).customers.n == 1
    assert living_map(shop, SHOP, segment="recent", as_of=moment(12)).customers.n == 2


def test_a_filter_and_a_moment_travel_in_the_selector(shop):
    living = living_map(shop, SHOP, segment="recent", as_of=moment(12), period=Period(moment(1), moment(500)))
    reached = living.touchpoints[0].figures.reached
    assert customers_behind(shop, SHOP, reached.behind).total == reached.n == 2


def test_feeling_is_mapped_from_the_scale(shop):
    def answer(customer, time, score, survey="order"):
        return {
            "customer": customer,
            "time": moment(time),
            "event": "Survey Answered",
            "source": None,
            "channel": None,
            "value": None,
            "properties": json.dumps({"survey": survey, "score": score}),
            "context": None,
            "seq": time,
        }

    rows = [answer(1, 30, 10), answer(2, 700, 5), answer(2, 800, "7.5"), answer(1, 31, 0, "other"), answer(1, 32, 99)]
    schema = pa.schema([("customer", pa.int64()), ("time", pa.timestamp("us", "UTC")), *((n, pa.string()) for n in (
        "event", "source", "channel")), ("value", pa.float64()), ("properties", pa.string()), ("context", pa.string()),
        ("seq", pa.int64())])  # fmt: skip
    answers = pa.Table.from_pylist(rows, schema)
    order = living_map(shop, SHOP, answers=answers).touchpoints[3]
    assert (order.felt, order.felt_n) == (1.0, 3)
    assert order.felt_behind is not None
    listed = customers_behind(shop, SHOP, order.felt_behind, answers=answers, order="customer", descending=False)
    assert [line.customer for line in listed.lines] == [1, 2], "two customers gave the three answers"
    spent = living_map(shop, SHOP, answers=answers, segment="spenders").touchpoints[3]
    assert spent.felt == 2.0
    assert customers_behind(shop, SHOP, spent.felt_behind, answers=answers).total == 1
    assert customers_behind(shop, SHOP, "touchpoint:cart:answered", answers=answers).total == 0
    early = living_map(shop, SHOP, answers=answers, period=Period(None, moment(750))).touchpoints[3]
    assert (early.felt, early.felt_n) == (1.0, 2)
    assert living_map(shop, SHOP).touchpoints[3].felt is None


@pytest.mark.parametrize(
    ("scale", "score", "felt"),
    [((5, 1), 1, 2.0), ((5, 1), 5, -2.0), ((5, 1), 3, 0.0), ((5, 1), 6, None), ((1, 5), 5, 2)],
)
def test_a_scale_may_run_down_to_its_best_number(scale, score, felt):
    survey = {"event": "Asked", "score": "score", "scale": scale}
    shop = journey_of(("a", [{"id": "help", "felt": survey}]))
    answers = pa.Table.from_pylist(
        [{"customer": 1, "time": moment(20), "event": "Asked", "source": None, "channel": None, "value": None, "seq": 1,
          "properties": json.dumps({"score": score}), "context": None}],
        pa.schema([("customer", pa.int64()), ("time", pa.timestamp("us", "UTC")), ("value", pa.float64()),
                   ("seq", pa.int64()),
                   *((n, pa.string()) for n in ("event", "source", "channel", "properties", "context"))]),
    )  # fmt: skip
    found = living_map(trails(shop, [[(10, "help")]], as_of=100), shop, answers=answers).touchpoints[0]
    assert (found.felt, found.felt_n) == (felt, 0 if felt is None else 1)


FUNNELS = ("funnel", "funnel_trend", "time_to_convert", "funnel_correlation")
OPTIONS = {
    **{name: {"steps": "ad, cart,order", "within": "50s"} for name in FUNNELS},
    "conversion": {"from": "ad", "to": "order"},
    "onward": {"from": "ad"},
    "subscriptions": {"started": "order"},
    "experiment": {"group": "touchpoint:ad:reached", "against": "touchpoint:order:reached"},
}


@pytest.mark.parametrize("name", CATALOGUE)
@pytest.mark.parametrize("language", ["fi", "en"])
def test_every_measure_draws_itself(shop, name, language):
    answer = measure(shop, name, journey=SHOP, compare=Period(moment(0), moment(100)), **OPTIONS.get(name, {}))
    assert answer.name == name
    assert json.dumps(answer.to_dict(), default=str)
    assert answer.before is not None
    for table in answer.tables(Reader(language)):
        assert all(len(row) == len(table.heads) for row in table.rows)
    assert len(answer.text(Reader(language))) >= 2


def test_the_maps_own_measures_are_judged(shop):
    first, path = goals(view_of(shop, SHOP))
    assert (first.id, first.rate.numerator, first.rate.denominator, first.state) == ("first", 1, 2, "too_few")
    assert (path.rate.numerator, path.rate.denominator, path.state) == (1, 2, "no_target")
    assert measure(shop, "first", journey=SHOP).to_dict()["within"] == 50


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("funel", {}, "funnel"),
        ("funnel", {}, "steps"),
        ("funnel", {"steps": "ad,crt"}, "cart"),
        ("funnel", {"steps": "ad,cart", "within": "soon"}, "7d"),
        ("funnel", {"steps": "ad,cart", "by": "visit"}, "session"),
        ("bounce", {"limit": "0"}, "above 0"),
        ("bounce", {"limits": "5"}, "limit"),
        ("sources", {"by": "sorce"}, "source"),
        ("leaving", {"to": "ordr"}, "order"),
    ],
)
def test_what_does_not_fit_is_told(shop, name, options, says):
    with pytest.raises(MeasureError, match=says) as told:
        measure(shop, name, journey=SHOP, **options)
    assert told.value.text("fi") != told.value.text("en")


def test_a_period_that_ends_before_it_begins(shop):
    with pytest.raises(MeasureError, match="begins"):
        living_map(shop, SHOP, period=Period(moment(5), moment(5)))
    with pytest.raises(MeasureError, match="zone"):
        living_map(shop, SHOP, period=Period(dt.datetime(2026, 1, 1)))  # noqa: DTZ001


def test_a_living_map_is_plain_data(shop):
    assert json.loads(json.dumps(to_dict(living_map(shop, SHOP))))["stages"][0]["id"] == "aware"
