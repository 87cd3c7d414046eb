"""PostHog's protocol as data: what a library sends, what Polku takes it to be."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any
from urllib.parse import quote_plus

import pytest

from polku.errors import Unreadable
from polku.events.arrival import Call, Outcome
from polku.events.refusals import Refusal
from polku.sources import posthog

NOW = 1_795_687_200_000_000  # 2026-11-26 10:00 UTC
TIME = "2026-11-26T09:59:00.250Z"
MICROS = NOW - 59_750_000


def call(data: Any, path: str = "/i/v0/e/", query: str = "", **headers: str) -> Call:
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    named = {k.replace("_", "-"): v for k, v in headers.items()}
    return Call(method="POST", path=path, query=query, headers=named, body=body, received_at=NOW)


def event(name: str, distinct: str = "u1", top: dict[str, Any] | None = None, **properties: Any) -> dict[str, Any]:
    named = {k.replace("S_", "$", 1): v for k, v in properties.items()}
    return {"event": name, "distinct_id": distinct, "timestamp": TIME, "properties": named, **(top or {})}


#: (what is sent, what of the arrival is as stated).
EVENTS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (event("Order Completed", revenue=20.5, currency="eur", order_id="7"),
     {"event": "Order Completed", "kind": "track", "user_id": "u1", "anonymous_id": None, "time": MICROS, "value": 20.5,
      "currency": "EUR", "properties": {"revenue": 20.5, "currency": "eur", "order_id": "7"}}),
    (event("$pageview", S_current_url="https://a.fi/hats?utm_source=meta&utm_campaign=x", S_referrer="https://b.fi/",
           title="Hats", S_session_id="s1", S_lib="web", S_raw_user_agent="Mozilla/5.0"),
     {"event": "$pageview", "kind": "page", "session_id": "s1", "channel": "web", "properties": {},
      "context": {"page": {"url": "https://a.fi/hats?utm_source=meta&utm_campaign=x", "path": "/hats",
                           "referrer": "https://b.fi/", "title": "Hats"},
                  "campaign": {"source": "meta", "name": "x"}, "library": {"name": "web"},
                  "userAgent": "Mozilla/5.0"}}),
    (event("$pageview", S_referrer="$direct", S_pathname="/a", utm_source="x", utm_term="t"),
     {"context": {"page": {"path": "/a"}, "campaign": {"source": "x", "term": "t"}}, "properties": {}}),
    (event("$pageleave", S_prev_pageview_duration=3.5),
     {"event": "$pageleave", "kind": "track", "properties": {"$prev_pageview_duration": 3.5}}),
    (event("$screen", S_screen_name="Cart", S_lib="posthog-ios"),
     {"event": "screen", "kind": "screen", "channel": "app", "properties": {"name": "Cart"}}),
    (event("$identify", S_anon_distinct_id="a1", S_set={"plan": "pro"}, S_set_once={"plan": "free", "first": 1}),
     {"event": "identify", "kind": "identify", "user_id": "u1", "anonymous_id": "a1",
      "context": {"traits": {"plan": "pro", "first": 1}}, "properties": {}}),
    (event("$set", top={"$set": {"plan": "pro", "$browser": "Chrome"}}),
     {"event": "identify", "kind": "identify", "user_id": "u1", "context": {"traits": {"plan": "pro"}}}),
    (event("$create_alias", distinct="a1", alias="u1", top={}),
     {"event": "alias", "kind": "alias", "user_id": "u1", "previous_id": "a1", "properties": {}}),
    (event("$groupidentify", distinct="$company_acme", S_group_type="company", S_group_key="acme",
           S_group_set={"size": 9}),
     {"event": "group", "kind": "group", "account_id": "acme", "user_id": None,
      "context": {"groups": {"company": "acme"}}, "properties": {"size": 9}}),
    (event("Offer Sent", S_groups={"team": "t1", "company": "acme"}),
     {"account_id": "acme", "context": {"groups": {"team": "t1", "company": "acme"}}}),
    (event("Offer Sent", S_groups={"project": "p1", "shop": "s1"}), {"account_id": None}),
    (event("x", distinct="d1", S_device_id="d1"), {"user_id": None, "anonymous_id": "d1"}),
    (event("x", distinct="d9", S_is_identified=False), {"user_id": None, "anonymous_id": "d9"}),
    (event("x", distinct="u1", S_device_id="d1", S_is_identified=True), {"user_id": "u1", "anonymous_id": "d1"}),
    (event("x", distinct="0190a4c2-7f3b-7cc1-9f3e-2b6f2a4f8f11", S_process_person_profile=False),
     {"user_id": None, "anonymous_id": "0190a4c2-7f3b-7cc1-9f3e-2b6f2a4f8f11"}),
    (event("x", distinct="42", S_process_person_profile=False), {"user_id": "42", "anonymous_id": None}),
    (event("x", distinct=42), {"user_id": "42"}),  # type: ignore[arg-type]
    ({"event": "x", "properties": {"distinct_id": "inner", "$insert_id": "i1"}},
     {"user_id": "inner", "message_id": "i1", "time": None}),
    (event("x", top={"uuid": "0190a4c2-7f3b-7cc1-9f3e-2b6f2a4f8f11"}),
     {"message_id": "0190a4c2-7f3b-7cc1-9f3e-2b6f2a4f8f11"}),
    ({"event": "x", "distinct_id": "u", "offset": 2500}, {"time": NOW - 2_500_000, "sent_at": NOW}),
    (event("x", S_os="iOS", S_os_version="19", S_browser="Safari", S_device_type="Mobile", S_screen_width=390,
           S_browser_language="fi-FI", S_timezone="Europe/Helsinki", S_ip="192.0.2.7"),
     {"context": {"device": {"os": "iOS", "os_version": "19", "browser": "Safari", "type": "Mobile"},
                  "screen": {"width": 390}, "locale": "fi-FI", "timezone": "Europe/Helsinki", "ip": "192.0.2.7"}}),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "wanted"), EVENTS)
def test_an_event(sent: dict[str, Any], wanted: dict[str, Any]) -> None:
    parsed = posthog.parse(call({"api_key": "k1", **sent}))
    assert parsed.key == "k1"
    assert not parsed.dropped
    (found,) = parsed.events
    assert {name: getattr(found, name) for name in wanted} == wanted


def test_a_batch_says_when_it_was_sent_and_which_of_it_is_no_event() -> None:
    items = [event("a"), 7, {"distinct_id": "x"}, event("b"), {"event": "c", "properties": [1]}]
    parsed = posthog.parse(call({"api_key": "k", "batch": items, "sent_at": TIME}, "/batch/"))
    assert [e.event for e in parsed.events] == ["a", "b"]
    assert parsed.places == [0, 3]
    assert [e.sent_at for e in parsed.events] == [MICROS, MICROS]
    assert [(d.place, Refusal(d.reason)) for d in parsed.dropped] == [
        (1, Refusal.NOT_AN_OBJECT), (2, Refusal.NO_EVENT), (4, Refusal.BAD_PROPERTIES),
    ]  # fmt: skip
    assert json.loads(parsed.dropped[2].raw) == items[4]


def test_a_migration_of_the_past_keeps_its_times() -> None:
    data = {"api_key": "k", "batch": [event("a")], "sent_at": "2020-01-01T00:00:00Z", "historical_migration": True}
    assert posthog.parse(call(data, "/batch/")).events[0].sent_at is None


ONE = json.dumps([event("x", token="k9")]).encode()
FORM = {"content_type": "application/x-www-form-urlencoded"}
#: Every packing that posthog-js has used: (body, query, headers).
PACKINGS: dict[str, tuple[bytes, str, dict[str, str]]] = {
    "json": (ONE, "", {}),
    "gzip-js": (gzip.compress(ONE), "compression=gzip-js&ver=1.449.2&_=1795687200000", {"content_type": "text/plain"}),
    "base64 form": (b"data=" + quote_plus(base64.b64encode(ONE)).encode() + b"&compression=base64", "", FORM),
    "base64 by query": (b"data=" + quote_plus(base64.b64encode(ONE)).encode(), "compression=base64", FORM),
    "json form": (b"data=" + quote_plus(ONE).encode(), "", FORM),
    "bare base64": (base64.b64encode(ONE), "compression=base64", {}),
    "base64 of gzip": (base64.b64encode(gzip.compress(ONE)), "", {}),
    "beacon": (b"data=" + base64.b64encode(ONE), "beacon=1", {"content_type": "text/plain"}),
}


@pytest.mark.parametrize("name", PACKINGS)
def test_packings_of_the_browser(name: str) -> None:
    body, query, headers = PACKINGS[name]
    parsed = posthog.parse(call(body, "/e/", query, **headers))
    assert (parsed.key, [(e.event, e.user_id) for e in parsed.events]) == ("k9", [("x", "u1")])


def test_a_query_says_when_it_was_sent() -> None:
    assert posthog.parse(call(ONE, "/e/", "_=1795687140250")).events[0].sent_at == MICROS


BOMB = gzip.compress(b"0" * (posthog.MOST_BYTES + 1))
UNREADABLE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", ""), "text": (b"hello", ""), "not utf-8": (b'{"event":"\xff"}', ""), "a number": (b"[", ""),
    "bomb": (BOMB, ""), "cut gzip": (gzip.compress(ONE)[:-9], ""), "lz64": (b"xyz", "compression=lz64"),
    "batch is text": (b'{"batch":"x"}', ""), "deep": (b"[" * 100_000, ""), "form without data": (b"data", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_nothing_can_be_read_of(name: str) -> None:
    body, query = UNREADABLE[name]
    with pytest.raises(Unreadable):
        posthog.parse(call(body, "/e/", query))


def test_nan_and_halves_of_characters_do_not_lose_a_batch() -> None:
    body = b'{"api_key":"k","batch":[{"event":"x","distinct_id":"u","properties":{"a":NaN,"b":"\\ud800!","c":1e999}}]}'
    (found,) = posthog.parse(call(body, "/batch/")).events
    assert found.properties == {"a": None, "b": "?!", "c": None}


def test_answers() -> None:
    asked = call({"api_key": "k", "distinct_id": "u"}, "/flags/", "v=2")
    parsed = posthog.parse(asked)
    assert (parsed.key, parsed.events, parsed.dropped) == (None, [], [])
    answer = json.loads(posthog.reply(asked, parsed, Outcome(accepted=0)).body)
    assert answer["featureFlags"] == answer["flags"] == {}
    assert answer["errorsWhileComputingFlags"] is False

    sent = call({"api_key": "k", "batch": [event("a"), 7]}, "/batch/")
    parsed = posthog.parse(sent)
    answer = json.loads(posthog.reply(sent, parsed, Outcome(accepted=1, refused=tuple(parsed.dropped))).body)
    assert answer == {"status": "Ok", "accepted": 1, "refused": [{"place": 1, "reason": "not_an_object"}]}

    error = posthog.refuse(sent, 429, "busy", "Come back")
    assert (error.status, json.loads(error.body)["detail"]) == (429, "Come back")


def test_the_newer_capture_tells_of_each_event() -> None:
    headers = {"authorization": "Bearer k7"}
    data = {
        "batch": [{**event("a"), "uuid": "1", "session_id": "s"}, {"uuid": "2", "distinct_id": "u"}],
        "created_at": TIME,
    }
    sent = call(data, "/i/v1/analytics/events", **headers)
    parsed = posthog.parse(sent)
    assert (parsed.key, parsed.events[0].session_id, parsed.events[0].sent_at) == ("k7", "s", MICROS)
    answer = json.loads(posthog.reply(sent, parsed, Outcome(accepted=1, refused=tuple(parsed.dropped))).body)
    assert answer == {"results": {"1": {"result": "ok"}, "2": {"result": "drop", "details": "no_event"}}}


def test_remote_configuration_switches_nothing_on() -> None:
    for name in ("config", "config.js"):
        asked = Call(method="GET", path=f"/array/</script>k/{name}")
        parsed = posthog.parse(asked)
        assert parsed.events == []
    asked = Call(method="GET", path='/array/k"<x>/config.js')
    answer = posthog.reply(asked, posthog.parse(asked), Outcome(accepted=0))
    assert b"<" not in answer.body
    asked = Call(method="GET", path="/array/k1/config")
    assert json.loads(posthog.reply(asked, posthog.parse(asked), Outcome(accepted=0)).body)["token"] == "k1"
    asked = Call(method="GET", path="/array/k1/array.js")
    assert posthog.reply(asked, posthog.parse(asked), Outcome(accepted=0)).status == 404
