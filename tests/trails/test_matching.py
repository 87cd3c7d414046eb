"""From events to codes, pages, origins, values and days: people as short lists, with what is expected."""

from __future__ import annotations

import datetime as dt
import json
import math
from typing import Any

import pyarrow as pa
import pytest

from polku.errors import TrailsError
from polku.journey.model import Journey
from polku.trails.build import trails_in_memory
from polku.trails.coding import columns_for
from polku.trails.layout import Trails
from polku.trails.matching import Matching
from polku.trails.people import trails_of, trails_of_table
from polku.trails.sorting import MICRO

from .maps import SHOP, journey
from .record import row, table_of
from .told import told

AT = "2026-03-01 12:00"


def one(event: str, journey: Journey = SHOP, **facts: Any) -> tuple[Any, ...]:
    """The only event of the only customer, told."""
    return told(trails_of(journey, {"anna": [(AT, event, facts)]}))[1][0]


TOUCHPOINTS = [
    ("page", {}, None),
    ("page", {"path": "/guide"}, "guide"),
    ("page", {"path": "/Guide"}, None),
    ("page", {"path": "/a/guide"}, None),
    ("Product Viewed", {"path": "/guide"}, None),  # a path without an event means page views
    ("page", {"path": "/guide", "campaign": {"source": "instagram"}}, "ad"),  # the first in the map's order
    ("page", {"path": "/guide", "campaign": {"source": "other"}}, "guide"),
    ("page", {"properties": {"path": "/guide?size=m#top"}}, "guide"),
    ("page", {"properties": {"url": "https://shop.example/guide/a?x=1"}}, "guide"),
    ("page", {"context": {"page": {"url": "https://shop.example/guide"}}}, "guide"),
    ("page", {"path": "/", "properties": {"path": "/guide"}}, None),  # the context's path comes first
    ("Product Added", {}, "cart"),
    ("Store Visited", {}, "store"),
    ("Anything", {"channel": "store"}, "store"),
    ("Product Added", {"channel": "store"}, "cart"),
    ("Other", {}, None),
]


@pytest.mark.parametrize(("event", "facts", "expected"), TOUCHPOINTS)
def test_touchpoint(event: str, facts: dict[str, Any], expected: str | None) -> None:
    assert one(event, **facts)[4] == expected


FAILS = [
    ("Page Failed", {}, "cart"),
    ("Payment Failed", {"properties": {"final": True}}, "order"),
    ("Payment Failed", {"properties": {"final": False}}, None),
    ("Payment Failed", {"properties": {"final": "true"}}, None),
    ("Payment Failed", {}, None),
]


@pytest.mark.parametrize(("event", "facts", "expected"), FAILS)
def test_failed(event: str, facts: dict[str, Any], expected: str | None) -> None:
    assert one(event, **facts)[5] == expected


ORIGINS = [
    ("page", {}, (None, None, None)),
    ("page", {"channel": "web"}, (None, None, None)),
    ("Email Opened", {"channel": "email"}, ("email", None, None)),
    ("page", {"campaign": {"source": "ig", "medium": "cpc", "name": "kesä"}}, ("ig", "cpc", "kesä")),
    ("Order Completed", {"campaign": {"medium": "email"}, "channel": "web"}, (None, "email", None)),
    ("page", {"path": "/", "referrer": "https://www.google.fi/search?q=x"}, ("google", "organic", None)),
    ("page", {"path": "/", "referrer": "https://l.instagram.com/"}, ("instagram", "social", None)),
    ("page", {"path": "/", "referrer": "https://blog.example:8080/a"}, ("blog.example", "referral", None)),
    ("page", {"path": "/", "referrer": "not a url"}, (None, None, None)),
    ("page", {"path": "/", "referrer": ""}, (None, None, None)),
    ("Product Added", {"path": "/", "referrer": "https://www.google.fi/"}, (None, None, None)),
    (
        "page",
        {"context": {"page": {"url": "https://www.shop.example/a", "referrer": "https://shop.example/b"}}},
        (None, None, None),
    ),
]


@pytest.mark.parametrize(("event", "facts", "expected"), ORIGINS)
def test_origin(event: str, facts: dict[str, Any], expected: tuple[str | None, ...]) -> None:
    assert one(event, **facts)[8] == expected


VALUES = [
    ("Order Completed", {"properties": {"revenue": 12.5}}, 12.5),
    ("Order Completed", {"properties": {"revenue": "12.5"}}, 12.5),
    ("Order Completed", {"properties": {"revenue": "a lot"}, "value": 3}, 3),
    ("Order Completed", {"properties": {"revenue": None}, "value": 3}, 3),
    ("Order Completed", {"properties": {"revenue": True}}, None),
    ("Order Completed", {"properties": {"revenue": 0}, "value": 3}, 0),
    ("Order Completed", {"value": -2}, -2),
    ("Other", {"properties": {"revenue": 5}}, None),
    ("Other", {"value": 5}, 5),
]


@pytest.mark.parametrize(("event", "facts", "expected"), VALUES)
def test_value(event: str, facts: dict[str, Any], expected: float | None) -> None:
    assert one(event, **facts)[10] == expected


def test_a_value_deep_in_the_properties() -> None:
    shop = journey({"id": "order", "match": {"event": "Order Completed"}, "value": "total.net"})
    assert one("Order Completed", shop, properties={"total": {"gross": 12, "net": 10}, "net": 1})[10] == 10


def test_texts_with_escapes_are_read() -> None:
    raw = '{"page": {"path": "\\/koko-opas\\u00e4\\n"}, "x": ["{", {"page": {"path": "/no"}}], "a\\"b": "}"}'
    table = table_of([row(1, "u", 10, "page") | {"context": raw}])
    (event,) = told(trails_of_table(SHOP, table))[1]
    assert event[7] == json.loads(raw)["page"]["path"]


DAYS = [  # Helsinki: summer time from 2026-03-29 03:00 to 2026-10-25 04:00
    ("2026-03-28T21:59:59+00:00", "2026-03-28"),
    ("2026-03-28T22:00:00+00:00", "2026-03-29"),
    ("2026-03-29T20:59:59+00:00", "2026-03-29"),
    ("2026-03-29T21:00:00+00:00", "2026-03-30"),
    ("2026-10-24T21:00:00+00:00", "2026-10-25"),
    ("2026-10-25T21:59:59+00:00", "2026-10-25"),
    ("2026-10-25T22:00:00+00:00", "2026-10-26"),
]


def test_local_days_through_changes_of_the_clock() -> None:
    people = {"anna": [(dt.datetime.fromisoformat(time), "page") for time, _ in DAYS]}
    told_days = [e[6] for e in told(trails_of(SHOP, people))[1]]
    assert told_days == [(dt.date.fromisoformat(day) - dt.date(1970, 1, 1)).days for _, day in DAYS]


@pytest.mark.parametrize("zone", ["UTC", "America/St_Johns", "Pacific/Apia", "Africa/Casablanca", "Europe/Helsinki"])
def test_days_equal_zoneinfo(zone: str) -> None:
    from zoneinfo import ZoneInfo

    times = [dt.datetime(2009, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=11 * k) for k in range(6000)]
    people = {"anna": [(t, "page") for t in times]}
    days = [e[6] for e in told(trails_of(SHOP.model_copy(update={"timezone": zone}), people))[1]]
    assert days == [(t.astimezone(ZoneInfo(zone)).date() - dt.date(1970, 1, 1)).days for t in times]


def test_parts_of_a_second_and_ties() -> None:
    trails = trails_of(
        SHOP,
        {
            "anna": [
                ("2026-03-01 12:00:00.500000", "b"),
                ("2026-03-01 12:00:00.000001", "a"),
                ("2026-03-01 12:00:00.500000", "c"),
            ]
        },
    )
    assert [(e[1], e[2]) for e in told(trails)[1]] == [(1, "a"), (500_000, "b"), (500_000, "c")]


def test_optional_columns_are_none_when_empty() -> None:
    bucket = trails_of(SHOP, {"anna": [(AT, "page")]}).buckets[0]
    assert bucket.micros is None
    assert bucket.value is None
    assert not bucket.time.flags.writeable


@pytest.mark.parametrize("micros", [-1, -(10**18), 2**32 * MICRO, 8 * 10**18])
def test_times_that_do_not_fit_are_refused(micros: int) -> None:
    table = table_of([row(1, "u", 10, "page") | {"time": micros}])
    with pytest.raises(TrailsError, match="from 1970 to February 2106") as error:
        trails_of_table(SHOP, table)
    assert "Tapahtuman aika" in error.value.text("fi")


def test_the_last_second_fits() -> None:
    table = table_of([row(1, "u", 0, "page"), row(2, "u", 2**32 - 1, "page")])
    assert [e[0] for e in told(trails_of_table(SHOP, table))[1]] == [0, 2**32 - 1]


def test_a_very_long_trail() -> None:
    n = 100_000
    rows = pa.table(
        {"user_id": ["a"] * n, "event": ["page"] * n, "time": pa.array(range(n, 0, -1), pa.timestamp("s", "UTC"))}
    )
    trails = trails_of_table(SHOP, rows.append_column("session_id", pa.array([f"s{k % 50_000}" for k in range(n)])))
    bucket = trails.buckets[0]
    assert bucket.time.tolist() == list(range(1, n + 1))
    assert int(bucket.session.max()) == 50_000


def test_sessions_are_numbered_by_customer() -> None:
    events = [("2026-03-01 12:00", "page", {"session": "s"}), ("2026-03-01 12:01", "page", {"session": "t"})]
    back = ("2026-03-01 12:02", "page", {"session": "s"})
    trails = trails_of(SHOP, {"anna": [*events, back], "bo": [*events, ("2026-03-01 12:03", "page")]})
    assert trails.buckets[0].session.tolist() == [1, 2, 1, 3, 4, 0]


def test_anonymous_then_known() -> None:
    trails = trails_of(
        SHOP,
        {
            "anna": [
                ("2026-03-01 12:00", "page", {"anonymous": "x"}),
                ("2026-03-01 12:01", "Product Added", {"anonymous": "x", "user": "anna"}),
                ("2026-03-01 12:02", "page", {"user": "anna"}),
            ]
        },
    )
    assert trails.names is not None
    assert trails.names.to_pylist() == ["anna"]
    assert trails.customers == 1


def test_accounts() -> None:
    b2b = journey({"id": "meeting", "match": {"event": "Meeting Held"}}, subject="account")
    trails = trails_of(b2b, {"Acme": [(AT, "Meeting Held", {"user": "anna"}), (AT, "Meeting Held", {"user": "bo"})]})
    assert trails.customers == 1
    assert trails.events == 2


def test_rows_without_a_customer_are_counted() -> None:
    trails = trails_of_table(SHOP, table_of([row(1, None, 10, "page"), row(2, "u", 10, "page")]))
    assert (trails.events, trails.without_customer) == (1, 1)


def test_currencies_of_values() -> None:
    trails = trails_of(
        SHOP,
        {"a": [(AT, "x", {"value": 1, "currency": "SEK"}), (AT, "x", {"currency": "USD"}), (AT, "x", {"value": 2})]},
    )
    assert trails.tables.currencies == ("SEK",)


def test_buckets_hold_customers_by_their_key() -> None:
    rows = [row(k, f"u{k % 37}", 1000 - k, "page") for k in range(400)]
    table = table_of(rows)
    keys = pa.array([k % 37 + 1 for k in range(400)]).to_numpy()
    whole = trails_in_memory(Matching.of(SHOP), table, keys)
    split = trails_in_memory(Matching.of(SHOP), table, keys, buckets=8)
    assert told(split) == told(whole)
    for b, bucket in enumerate(split.buckets):
        assert set(bucket.customer % 8) <= {b}


def test_an_unknown_time_zone() -> None:
    with pytest.raises(TrailsError, match="no time zone"):
        trails_of(SHOP.model_copy(update={"timezone": "Europe/Turku"}), {"a": [(AT, "x")]})


def test_properties_are_read_only_where_needed() -> None:
    assert "properties" not in columns_for(Matching.of(SHOP))


def test_many_rows_through_duckdb() -> None:
    """More distinct rows than are asked one by one."""
    shop = journey({"id": "big", "match": {"event": "order", "where": "properties.n >= 600 and value < 900"}})
    rows = [row(k, "u", k, "order", properties={"n": k}, value=float(k)) for k in range(1200)]
    events = told(trails_of_table(shop, table_of(rows)))[1]
    assert [e[4] for e in events] == ["big" if 600 <= k < 900 else None for k in range(1200)]


def plain(**more: Any) -> Trails:
    table = pa.table(
        {
            "who": ["b", "a", "b", None, "a"],
            "at": pa.array([30, 10, 20, 5, 10], pa.timestamp("s")),
            "what": ["buy", "view", "view", "view", "buy"],
            "money": [9.5, None, None, None, math.nan],
            "s": ["x", "x", "x", None, None],
        }
    )
    return Trails.from_table(table, customer="who", time="at", event="what", **more)


def test_a_plain_table() -> None:
    trails = plain(session="s", value="money")
    assert trails.names is not None
    assert trails.names.to_pylist() == ["b", "a"]
    assert trails.without_customer == 1
    assert trails.tables.touchpoints == ("buy", "view")
    assert [(e[0], e[2], e[4], e[9], e[10]) for e in told(trails)[1]] == [
        (20, "view", "view", 1, None),
        (30, "buy", "buy", 1, 9.5),
    ]
    assert [(e[0], e[2]) for e in told(trails)[2]] == [(10, "view"), (10, "buy")]


def test_plain_tables_of_other_libraries() -> None:
    import pandas as pd
    import polars as pl

    raw = {"who": ["a", "a"], "at": [20, 10], "what": ["x", "y"]}
    expected = told(Trails.from_table(pa.table(raw), customer="who", time="at", event="what"))
    for frame in (pl.DataFrame(raw), pd.DataFrame(raw)):
        assert told(Trails.from_table(frame, customer="who", time="at", event="what")) == expected


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"customer": "whom"}, "no column 'whom'. It has who, at, what, money, s. → who"),
        ({"time": "what"}, "1 texts in the column 'what' are no times"),
    ],
)
def test_a_plain_table_that_does_not_fit(given: dict[str, str], said: str) -> None:
    table = pa.table({"who": ["a"], "at": [1], "what": ["x"], "money": [1.0], "s": ["s"]})
    with pytest.raises(TrailsError, match=said):
        Trails.from_table(table, **({"customer": "who", "time": "at", "event": "what"} | given))
    with pytest.raises(TrailsError, match="is no table"):
        Trails.from_table([1, 2], customer="who", time="at", event="what")


def test_more_event_names_than_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rare names off the map share one code; those of touchpoints never do."""
    import polku.trails.vocabulary as vocabulary

    monkeypatch.setattr(vocabulary, "MOST_CODES", 5)
    rows = [row(k, "u", k, f"name {k}") for k in range(20)] + [row(50, "u", 50, "Order Completed")]
    names = [e[2] for e in told(trails_of_table(SHOP, table_of(rows)))[1]]
    assert names.count("(other)") >= 14
    assert names[-1] == "Order Completed"
