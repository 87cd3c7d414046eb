"""GA4's Measurement Protocol as data."""

from __future__ import annotations

import json
from typing import Any

import pytest

from polku.errors import Unreadable
from polku.events.arrival import Call, Outcome
from polku.events.refusals import Refusal
from polku.sources import ga4

NOW = 1_795_687_200_000_000
ITEM = {"item_id": "K1", "item_name": "Hat", "item_brand": "B", "item_category": "Hats", "item_category2": "Wool",
        "item_variant": "red", "price": 19.9, "quantity": 2, "index": 1, "coupon": "C", "discount": 1.5,
        "mine": "x"}  # fmt: skip
PRODUCT = {"product_id": "K1", "name": "Hat", "brand": "B", "category": "Hats", "category2": "Wool",
           "variant": "red", "price": 19.9, "quantity": 2, "position": 1, "coupon": "C", "discount": 1.5,
        "mine": "x"}  # fmt: skip


def call(data: Any, path: str = "/mp/collect", query: str = "measurement_id=G-1&api_secret=k") -> Call:
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    return Call(method="POST", path=path, query=query, body=body, received_at=NOW)


def one(name: str, request: dict[str, Any] | None = None, **params: Any) -> dict[str, Any]:
    return {"client_id": "1.2", "events": [{"name": name, "params": params}], **(request or {})}


EVENTS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (one("purchase", {"user_id": 42, "timestamp_micros": NOW - 5_000_000}, transaction_id="A7", value=39.8, tax=8,
         shipping=5, coupon="S", currency="eur", items=[ITEM], session_id=99, engagement_time_msec=100),
     {"event": "purchase", "user_id": "42", "anonymous_id": "1.2", "session_id": "99", "time": NOW - 5_000_000,
      "value": 39.8, "currency": "EUR",
      "properties": {"order_id": "A7", "revenue": 39.8, "tax": 8, "shipping": 5, "coupon": "S", "currency": "eur",
                     "products": [PRODUCT], "engagement_time_msec": 100}}),
    (one("page_view", page_location="https://a.fi/x?utm_source=meta", page_title="X", page_referrer="https://b.fi"),
     {"event": "page_view", "kind": "page", "channel": "web", "properties": {}, "time": None,
      "context": {"page": {"url": "https://a.fi/x?utm_source=meta", "path": "/x", "referrer": "https://b.fi",
                           "title": "X"}, "campaign": {"source": "meta"}}}),
    (one("view_item", value=19.9, currency="EUR", items=[ITEM]),
     {"value": 19.9, "properties": {**PRODUCT, "value": 19.9, "currency": "EUR"}}),
    (one("add_to_cart", items=[ITEM, ITEM]), {"properties": {"products": [PRODUCT, PRODUCT]}}),
    (one("search", search_term="hat"), {"properties": {"query": "hat"}, "channel": None}),
    (one("select_promotion", promotion_id="p", promotion_name="Sale", creative_name="a", creative_slot="top"),
     {"properties": {"promotion_id": "p", "name": "Sale", "creative": "a", "position": "top"}}),
    (one("campaign_details", campaign="Summer", source="meta", medium="cpc"),
     {"properties": {}, "context": {"campaign": {"name": "Summer", "source": "meta", "medium": "cpc"}}}),
    (one("login", {"user_properties": {"plan": {"value": "pro"}, "age": 3},
                   "consent": {"ad_user_data": "GRANTED", "ad_personalization": "DENIED"},
                   "device": {"category": "mobile", "language": "fi", "operating_system": "iOS"},
                   "user_location": {"city": "Oulu", "country_id": "FI"}, "ip_override": "192.0.2.1"}),
     {"context": {"traits": {"plan": "pro", "age": 3}, "locale": "fi", "ip": "192.0.2.1",
                  "consent": {"categoryPreferences": {"ads": True, "personalisation": False}},
                  "device": {"type": "mobile", "os": "iOS"}, "location": {"city": "Oulu", "country": "FI"}}}),
    ({"app_instance_id": "i1", "events": [{"name": "screen_view", "timestamp_micros": str(NOW)}],
      "timestamp_micros": 5},
     {"anonymous_id": "i1", "kind": "screen", "channel": "app", "time": NOW}),
    ({"client_id": "1.2", "events": {"name": "postponed", "params": {}}}, {"event": "postponed"}),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "wanted"), EVENTS)
def test_an_event(sent: dict[str, Any], wanted: dict[str, Any]) -> None:
    parsed = ga4.parse(call(sent))
    assert (parsed.key, parsed.site, parsed.dropped) == ("k", "G-1", [])
    (found,) = parsed.events
    assert {name: getattr(found, name) for name in wanted} == wanted


def test_more_than_25_events_and_what_is_none() -> None:
    events: list[Any] = [{"name": f"e{i}"} for i in range(27)]
    events[3], events[4], events[5] = 7, {"params": {}}, {"name": "x", "params": 5}
    events[6] = {"name": "x", "timestamp_micros": 1795687200}
    parsed = ga4.parse(call({"client_id": "1", "events": events}))
    assert parsed.places == [0, 1, 2, *range(7, 25)]
    assert [(d.place, Refusal(d.reason)) for d in parsed.dropped] == [
        (3, Refusal.NOT_AN_OBJECT), (4, Refusal.NO_EVENT), (5, Refusal.BAD_PROPERTIES), (6, Refusal.UNREADABLE_TIME),
        (25, Refusal.TOO_MANY), (26, Refusal.TOO_MANY),
    ]  # fmt: skip


#: (address, body, fields and codes that the debugging door tells).
FAULTS: list[tuple[str, Any, list[tuple[str, str]]]] = [
    ("measurement_id=G-1&api_secret=k", one("ok"), []),
    ("", one("ok"), [("measurement_id", "VALUE_REQUIRED"), ("api_secret", "VALUE_REQUIRED")]),
    ("firebase_app_id=1&api_secret=k", one("_badEventName"), [("events[0]", "NAME_INVALID")]),
    ("firebase_app_id=1&api_secret=k", one("session_start"), [("events[0]", "NAME_RESERVED")]),
    ("firebase_app_id=1&api_secret=k", one("e" * 41), [("events[0]", "NAME_INVALID")]),
    ("firebase_app_id=1&api_secret=k", {"events": []}, [("client_id", "VALUE_REQUIRED"), ("events", "VALUE_REQUIRED")]),
    ("firebase_app_id=1&api_secret=k", one("purchase", value="x", currency="e"),
     [("events[0].params.currency", "VALUE_INVALID"), ("events[0].params.value", "VALUE_INVALID")]),
    ("firebase_app_id=1&api_secret=k", one("purchase", value=5), [("events[0].params.currency", "VALUE_REQUIRED")]),
    ("firebase_app_id=1&api_secret=k", one("x", **{f"p{i}": 1 for i in range(26)}),
     [("events[0].params", "EXCEEDED_MAX_ENTITIES")]),
    ("firebase_app_id=1&api_secret=k", one("x", **{"a b": 1}), [("events[0].params.a b", "NAME_INVALID")]),
    ("firebase_app_id=1&api_secret=k", {"client_id": "1", "events": [{"name": "x"}] * 26},
     [("events", "EXCEEDED_MAX_ENTITIES")]),
    ("firebase_app_id=1&api_secret=k", one("x", {"timestamp_micros": "soon"}), [("timestamp_micros", "VALUE_INVALID")]),
    ("firebase_app_id=1&api_secret=k", [1], [("", "VALUE_INVALID")]),
]  # fmt: skip


@pytest.mark.parametrize(("query", "data", "wanted"), FAULTS)
def test_the_debugging_door_says_what_google_would_and_keeps_nothing(
    query: str, data: Any, wanted: list[tuple[str, str]]
) -> None:
    sent = call(data, "/debug/mp/collect", query)
    parsed = ga4.parse(sent)
    assert (parsed.events, parsed.dropped) == ([], [])
    answer = json.loads(ga4.reply(sent, parsed, Outcome(accepted=0)).body)
    assert [(m["fieldPath"], m["validationCode"]) for m in answer["validationMessages"]] == wanted


def test_answers_are_2xx_but_for_what_can_be_sent_again() -> None:
    sent = call(one("x"))
    assert ga4.reply(sent, ga4.parse(sent), Outcome(accepted=1)).status == 204
    assert {s: ga4.refuse(sent, s, "c", "m").status for s in (400, 401, 413, 429, 503)} == {
        400: 204, 401: 204, 413: 204, 429: 429, 503: 503,
    }  # fmt: skip
    debug = call(b"", "/debug/mp/collect")
    assert json.loads(ga4.refuse(debug, 400, "c", "m").body)["validationMessages"][0]["description"] == "m"


@pytest.mark.parametrize("body", [b"", b"x", b"[]", b'{"events":5}', b'{"client_id":"1"}', b"[" * 100_000])
def test_what_nothing_can_be_read_of(body: bytes) -> None:
    with pytest.raises(Unreadable):
        ga4.parse(call(body))
