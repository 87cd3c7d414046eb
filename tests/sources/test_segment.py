"""Segment's protocol as data: what a client sends and the event that is read; and whatever is sent, nothing breaks."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from polku.errors import Unreadable
from polku.events.arrival import Arrival, Call, Outcome, Parsed
from polku.events.door import Visit, enter
from polku.events.refusals import Refusal
from polku.sources import segment

AT = 1_795_687_200_000_000  # 2026-11-26T10:00:00Z
TIME = "2026-11-26T10:00:00Z"


def call(path: str, body: Any, **more: Any) -> Call:
    given = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Call(method="POST", path=path, body=given, received_at=AT, **more)


def one(path: str, **body: Any) -> Arrival:
    parsed = segment.parse(call(path, body))
    assert not parsed.dropped, Refusal(parsed.dropped[0].reason)
    return parsed.events[0]


#: Path, message, what must be read of it.
CALLS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("/v1/track", {"event": "Order Completed", "userId": "u", "properties": {"revenue": 10, "currency": "eur"}},
     {"event": "Order Completed", "kind": "track", "user_id": "u", "value": 10.0, "currency": "EUR"}),
    ("/v1/t", {"event": "A", "anonymousId": "a"}, {"event": "A", "anonymous_id": "a"}),
    ("/v1/track", {"event": " Product Added ", "userId": 42, "anonymousId": None},
     {"event": "Product Added", "user_id": "42", "anonymous_id": None}),
    ("/v1/track", {"event": "A", "userId": 42.0}, {"user_id": "42"}),
    ("/v1/track", {"event": "A", "properties": {"total": "12.50", "value": 3}}, {"value": 12.5}),
    ("/v1/track", {"event": "A", "properties": {"revenue": None, "total": "", "value": 3}}, {"value": 3.0}),
    # another property does not stand in for one that cannot be read: the door judges it
    ("/v1/track", {"event": "A", "properties": {"revenue": "many", "value": 3}}, {"value": None}),
    ("/v1/track", {"event": "A", "properties": {"revenue": True, "currency": "euros"}},
     {"value": None, "currency": None}),
    ("/v1/track", {"event": "A", "properties": None, "context": None}, {"properties": {}, "context": {}}),
    ("/v1/page", {"name": "Hats", "category": "Shop", "properties": {"path": "/hats", "title": "H"}},
     {"event": "page", "kind": "page", "channel": "web",
      "properties": {"path": "/hats", "title": "H", "name": "Hats", "category": "Shop"},
      "context": {"page": {"path": "/hats", "title": "H"}}}),
    ("/v1/p", {"context": {"page": {"path": "/x"}}, "properties": {"path": "/y"}},
     {"context": {"page": {"path": "/x"}}}),
    ("/v1/screen", {"name": "Cart"}, {"event": "screen", "channel": "app", "properties": {"name": "Cart"}}),
    ("/v1/s", {}, {"event": "screen"}),
    ("/v1/identify", {"userId": "u", "traits": {"plan": "vip"}},
     {"event": "identify", "kind": "identify", "context": {"traits": {"plan": "vip"}}}),
    ("/v1/i", {"userId": "u", "context": {"traits": {"old": 1}}}, {"context": {"traits": {"old": 1}}}),
    ("/v1/group", {"userId": "u", "groupId": "acme", "traits": {"size": 5}},
     {"event": "group", "account_id": "acme", "properties": {"size": 5}}),
    ("/v1/g", {"userId": "u", "groupId": 7}, {"account_id": "7"}),
    ("/v1/track", {"event": "A", "context": {"groupId": "acme"}}, {"account_id": "acme"}),
    ("/v1/alias", {"previousId": "anon", "userId": "u"},
     {"event": "alias", "kind": "alias", "previous_id": "anon", "user_id": "u"}),
    ("/v1/a", {"previousId": "anon", "userId": "u"}, {"previous_id": "anon"}),
    ("/v1/track", {"event": "A", "timestamp": TIME}, {"time": AT}),
    ("/v1/track", {"event": "A", "originalTimestamp": "2026-11-26T12:00:00+02:00", "sentAt": TIME},
     {"time": AT, "sent_at": AT}),
    ("/v1/track", {"event": "A", "sentAt": "yesterday"}, {"sent_at": None}),
    ("/v1/track", {"event": "A", "messageId": "m-1"}, {"message_id": "m-1"}),
    ("/v1/track", {"event": "A", "context": {"sessionId": 1700000000}}, {"session_id": "1700000000"}),
    ("/v1/track", {"event": "A", "context": {"session": {"id": "s"}}}, {"session_id": "s"}),
    ("/v1/track", {"event": "A", "integrations": {"Actions Amplitude": {"session_id": 17}}}, {"session_id": "17"}),
    ("/v1/track", {"event": "A", "integrations": {"All": True, "Amplitude": {"session_id": -1}}}, {"session_id": None}),
    ("/v1/track", {"event": "A", "channel": "server"}, {"channel": None}),
    ("/v1/track", {"event": "A", "channel": "browser"}, {"channel": "web"}),
    ("/v1/track", {"event": "A", "channel": "mobile_app"}, {"channel": "app"}),
    ("/v1/track", {"event": "A", "channel": "server", "properties": {"channel": "Myymälä"}}, {"channel": "store"}),
    ("/v1/track", {"event": "A", "context": {"library": {"name": "analytics-ios"}}}, {"channel": "app"}),
    ("/v1/track", {"event": "A", "context": {"library": {"name": "analytics.js"}}}, {"channel": "web"}),
    ("/v1/track", {"event": "A", "context": {"library": {"name": "analytics-python"}}}, {"channel": None}),
]  # fmt: skip


@pytest.mark.parametrize(("path", "message", "wanted"), CALLS)
def test_calls(path: str, message: dict[str, Any], wanted: dict[str, Any]) -> None:
    read = one(path, **message)
    assert {name: getattr(read, name) for name in wanted} == wanted
    kind = segment.CALLS[path.rpartition("/")[2]]
    assert segment.parse(call("/v1/batch", {"batch": [{**message, "type": kind}]})).events == [read]


REFUSED: list[tuple[dict[str, Any] | bytes, Refusal]] = [
    ({"type": "track"}, Refusal.NO_EVENT),
    ({"type": "track", "event": ""}, Refusal.NO_EVENT),
    ({"type": "track", "event": {"a": 1}}, Refusal.NO_EVENT),
    ({"type": "trak", "event": "A"}, Refusal.UNKNOWN_CALL),
    ({"event": "A"}, Refusal.UNKNOWN_CALL),
    ({"type": 5, "event": "A"}, Refusal.BAD_MESSAGE),
    ({"type": "track", "event": "A", "timestamp": "soon"}, Refusal.UNREADABLE_TIME),
    ({"type": "track", "event": "A", "timestamp": [1]}, Refusal.UNREADABLE_TIME),
    ({"type": "track", "event": "A", "properties": []}, Refusal.BAD_PROPERTIES),
    ({"type": "identify", "traits": "x"}, Refusal.BAD_PROPERTIES),
    ({"type": "track", "event": "A", "context": "x"}, Refusal.BAD_CONTEXT),
    ({"type": "track", "event": "A", "userId": {"id": 1}}, Refusal.BAD_ID),
    ({"type": "track", "event": "A", "messageId": [1]}, Refusal.BAD_ID),
    ({"type": "alias", "userId": "u"}, Refusal.NO_PREVIOUS_ID),
    ({"type": "alias", "previousId": "u"}, Refusal.NO_PREVIOUS_ID),
    ({"type": "group", "userId": "u"}, Refusal.NO_GROUP),
    ({"type": "track", "event": "A", "properties": {"x": "y" * 33_000}}, Refusal.TOO_LARGE),
    (b"[1]", Refusal.NOT_AN_OBJECT),
    (b"7", Refusal.NOT_AN_OBJECT),
    (b"null", Refusal.NOT_AN_OBJECT),
    (b'{"type": "track", "event": "A", "properties": {"n": 1e400}}', Refusal.VALUE_NOT_FINITE),
    (b'{"type": "track", "event": "\xff"}', Refusal.NOT_JSON),
]


@pytest.mark.parametrize(("message", "reason"), REFUSED)
def test_one_bad_event_spoils_no_batch(message: dict[str, Any] | bytes, reason: Refusal) -> None:
    raw = message if isinstance(message, bytes) else json.dumps(message).encode()
    good = b'{"type":"track","event":"Good","userId":"u"}'
    parsed = segment.parse(call("/v1/batch", b'{"batch":[' + good + b"," + raw + b"," + good + b"]}"))
    assert [e.event for e in parsed.events] == ["Good", "Good"]
    assert parsed.places == [0, 2]
    assert [(Refusal(d.reason), d.place) for d in parsed.dropped] == [(reason, 1)]
    assert parsed.dropped[0].raw == raw
    assert [bytes(r) for r in parsed.raws] == [good, good]


def test_a_batch_shares() -> None:
    body = {"batch": [{"type": "track", "event": "A", "context": {"ip": "1.2.3.4"}}, {"type": "page"}],
            "context": {"ip": "5.6.7.8", "locale": "fi"}, "sentAt": TIME, "writeKey": "k"}  # fmt: skip
    parsed = segment.parse(call("/v1/b", body))
    assert parsed.key == "k"
    assert [e.sent_at for e in parsed.events] == [AT, AT]
    assert [e.context["ip"] for e in parsed.events] == ["1.2.3.4", "5.6.7.8"]
    assert parsed.events[0].context is not parsed.events[1].context


def basic(text: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(text.encode()).decode()}


@pytest.mark.parametrize(
    ("headers", "body", "query", "key"),
    [
        (basic("k:"), {}, "", "k"),
        (basic("k:secret"), {"writeKey": "other"}, "", "k"),
        ({"authorization": "basic !!"}, {"writeKey": "k"}, "", "k"),
        ({}, {"writeKey": "k"}, "", "k"),
        ({"authorization": "Bearer token"}, {"writeKey": "k"}, "", "k"),
        ({"authorization": "Bearer k"}, {}, "", "k"),
        ({}, {}, "writeKey=k", "k"),
        ({}, {"writeKey": ["k"]}, "", None),
        ({}, {}, "", None),
    ],
)
def test_the_key(headers: dict[str, str], body: dict[str, Any], query: str, key: str | None) -> None:
    batch = call("/v1/batch", {"batch": [], **body}, headers=headers, query=query)
    single = call("/v1/track", {"event": "A", **body}, headers=headers, query=query)
    assert segment.parse(batch).key == segment.parse(single).key == key


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'{"batch": 5}', b"{}", b"\xff\xfe", b"\x00", b"[" * 100_000, b'{"batch": [' * 9_000,
     b'{"batch":[{"a":"\\ud8"}]}', json.dumps({"batch": [{}] * 2501}).encode()],
)  # fmt: skip
def test_what_is_no_batch(body: bytes) -> None:
    with pytest.raises(Unreadable):
        segment.parse(call("/v1/batch", body))


def test_encoders_that_write_no_json_are_understood() -> None:
    body = b'{"batch":[{"type":"track","event":"A\\ud83d","properties":{"n":NaN,"m":-Infinity,"k":1}}]}'
    (event,) = segment.parse(call("/v1/batch", body)).events
    assert event.properties == {"n": None, "m": None, "k": 1}
    assert event.event == "A?"


def test_the_answer() -> None:
    done = segment.parse(call("/v1/batch", {"batch": [{"type": "track", "event": "A"}, {"type": "track"}]}))
    answer = segment.reply(call("/v1/batch", b""), done, Outcome(accepted=1, refused=tuple(done.dropped)))
    told = json.loads(answer.body)
    assert (answer.status, told["accepted"]) == (200, 1)
    assert told["refused"] == [{"index": 1, "code": "no_event", "message": "the name of the event is missing"}]
    for status, wanted in ((400, 400), (401, 401), (413, 400), (429, 429), (503, 503)):
        refusal = segment.refuse(call("/v1/batch", b""), status, "code", "why")
        assert (refusal.status, json.loads(refusal.body)) == (wanted, {"code": "code", "message": "why"})


# -- whatever comes -------------------------------------------------------------------------------------------------

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["", "null", TIME]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
fields = st.sampled_from(list(msgspec.structs.asdict(segment.Message()).keys()))
messages = st.dictionaries(fields, values) | st.fixed_dictionaries(
    {"type": st.sampled_from(["track", "page", "screen", "identify", "group", "alias"])},
    optional={
        "event": st.text(max_size=250), "userId": values, "anonymousId": st.text(), "previousId": values,
        "groupId": values, "timestamp": st.datetimes().map(str) | st.integers() | st.floats() | st.text(),
        "sentAt": st.datetimes().map(str) | st.floats(), "properties": st.dictionaries(st.text(), values),
        "context": st.dictionaries(st.sampled_from(["ip", "page", "library", "session", "ids", "traits"]), values),
    },
)  # fmt: skip
bodies = (
    st.binary(max_size=200)
    | messages.map(lambda m: json.dumps(m).encode("utf-8", "surrogatepass"))
    | st.lists(messages | values, max_size=5).map(lambda b: json.dumps({"batch": b}).encode("utf-8", "surrogatepass"))
)


@settings(deadline=None, max_examples=150)
@given(body=bodies, path=st.sampled_from(segment.PATHS))
@example(body=b'{"batch":[{"type":"track","event":"A","timestamp":"0001-01-01T00:00:00+23:59"}]}', path="/v1/batch")
@example(body=b'{"event":"A","timestamp":-1e16}', path="/v1/track")
@example(body=b'{"event":"A","userId":1e308,"context":{"page":{"url":"http://[::1"}}}', path="/v1/track")
@example(body=b'{"event":"\\u0000","userId":"\\u0000"}', path="/v1/track")
@example(body=b'{"event":"A","properties":' + b'{"a":' * 300 + b"1" + b"}" * 301, path="/v1/track")
def test_any_bytes_are_read_or_refused(body: bytes, path: str) -> None:
    asked = call(path, body)
    try:
        parsed = segment.parse(asked)
    except Unreadable:
        return
    assert isinstance(parsed, Parsed)
    assert len(parsed.events) == len(parsed.places) == len(parsed.raws)
    assert all(d.reason in list(Refusal) and isinstance(d.raw, bytes) for d in parsed.dropped)
    for arrival in parsed.events:
        if enter(arrival, Visit(source="s", received_at=AT)) is None:
            assert arrival.time is not None
            assert 0 <= arrival.time <= AT
            msgspec.json.encode([arrival.properties, arrival.context])
