"""The two roads of a batch, by columns and one by one, give the same rows and refuse the same events."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polku.collect.columns import Kept, table_of
from polku.errors import Unreadable
from polku.events.arrival import Call
from polku.events.door import Visit, enter
from polku.events.plain import enter_plain
from polku.kernels.glance import ENDS
from polku.record.consents import Decision
from polku.record.contacts import OTHERS, OWN, might_hold
from polku.record.permission import Learned, Permission
from polku.record.project import Project, create_project
from polku.sources import segment

NOW = 1_795_687_200_000_000  # 2026-11-26T10:00:00Z
DAY = 86_400_000_000

#: Texts that some step looks at, and texts that only look so.
TEXTS = [
    "", " ", "a", " padded ", "Kes\u00e4mekko", "\u2603 \U0001f600", "50 %", "100%", "C++", "a+1", "+358 40 1234567",
    "anna@example.fi", "anna%40example.fi", "%2B358401234567", "@", "a?b", "What size?", "? Is it", "/p?x=1",
    "/p?utm_source=ig", "/p?utm_source=ig&id=7", "/p?UTM_source=ig", "/p?", "/p#top", "/p#a=1",
    "https://shop.fi/?utm_source=a&utm_term=b#x", "https://shop.fi/?&utm_source=a", "?utm_source=ig", "?q=1",
    "ftp://x/?a", "#", "x://?", 'say "hi"', "back\\slash", "line\nbreak", "tab\t", "nul\0", "x" * 201, "EUR", "eur",
    "12,50 \u20ac", "9.90", "free", "web", "email", "browser", "server", "null", "2026-11-26T09:59:00Z",
    "2026-11-26T09:59:00.5+02:00", "2031-01-01T00:00:00Z", "1969-01-01T00:00:00Z", "yesterday", "1795687100", "page",
    "erased-user", "erased-device", "denied-user", "agreed-user",
]  # fmt: skip
KEYS = [
    "revenue", "total", "value", "currency", "channel", "name", "category", "path", "url", "referrer", "title",
    "search", "email", "phone", "Phone_", "puh", "product_id", "products", "page", "library", "ip", "ids", "consent",
    "session", "sessionId", "session_id", "groupId", "traits", "properties", "context", "userAgent", "campaign",
    "x y", "v\u00e4ri", "a@b.fi", "what?", "mobile", "previous", "categoryPreferences", "analytics",
]  # fmt: skip

texts = st.sampled_from(TEXTS) | st.text(max_size=12)
numbers = st.sampled_from(
    [0, 1, -1, 5, 49.9, 1.0, 1e3, 1e-7, 12345678901234567890, 10**40, 7234567890123, 0.1234567890123456]
)
scalars = st.none() | st.booleans() | numbers | texts
keys = st.sampled_from(KEYS) | st.text(max_size=6)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4), max_leaves=8
)
objects = st.dictionaries(keys, values, max_size=5)
ids = st.sampled_from(["u1", "agreed-user", "denied-user", "erased-user", "erased-device", "null"]) | scalars
usual: dict[str, Any] = {
    "type": st.sampled_from(["track", "page", "screen"]),
    "messageId": st.uuids().map(str),
    "event": st.sampled_from(["Product Viewed", " Seen "]),
    "anonymousId": st.sampled_from(["d1", "erased-device"]),
    "properties": st.dictionaries(st.sampled_from(KEYS[:10]), st.sampled_from([1, 49.9, "a", "EUR", None]), max_size=4),
    "context": st.dictionaries(st.sampled_from(["page", "library", "campaign"]), objects, max_size=2),
}
odd: dict[str, Any] = {
    "type": st.sampled_from(["track", "page", "screen", "identify", "group", "alias", "else", None]),
    "messageId": scalars, "event": scalars, "userId": ids, "anonymousId": ids, "previousId": ids, "groupId": ids,
    "name": scalars, "category": scalars, "channel": scalars, "timestamp": scalars, "originalTimestamp": texts,
    "sentAt": scalars, "traits": objects, "properties": objects | scalars, "context": objects | scalars,
    "integrations": scalars
    | st.dictionaries(st.sampled_from(["All", "Amplitude"]), st.just({"session_id": 5}), max_size=2),
}  # fmt: skip
events = st.fixed_dictionaries(
    usual, optional={k: v for k, v in odd.items() if k not in usual}
) | st.fixed_dictionaries({}, optional=odd)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """With somebody who was erased, and with consents."""
    made = create_project(tmp_path_factory.mktemp("plain") / "shop")
    with made.state.write() as connection:
        made.permission._erased.write(connection, [("user", "erased-user"), ("anonymous", "erased-device")], "e1")
    made.consents.decide(
        [
            Decision("user", "denied-user", "analytics", False, NOW - 9 * DAY, "web"),
            Decision("user", "agreed-user", "analytics", True, NOW - 9 * DAY, "web"),
            Decision("user", "agreed-user", "email", True, NOW - 30_000_000, "web"),
        ]
    )
    made.permission.ready()
    return made


def road(call: Call, permission: Permission | None) -> tuple[list[dict[str, Any]], list[tuple[int, int, bytes]], int]:
    """(rows, refused events by place, how many were plain) of a request, as the doors make them."""
    try:
        parsed = segment.parse(call)
    except Unreadable as fault:
        return [], [(-1, fault.status, str(fault).encode())], 0
    visit = Visit(source="web", received_at=NOW, permission=permission, learned=Learned(), search=might_hold(call.body))
    if parsed.plain is not None:
        enter_plain(parsed.plain, visit)
    kept = Kept([], plain=parsed.plain)
    refused = [(d.place, d.reason, d.raw) for d in parsed.dropped]
    for place, arrival, raw in zip(parsed.places, parsed.events, parsed.raws, strict=True):
        if (reason := enter(arrival, visit)) is None:
            kept.arrivals.append(arrival)
            kept.places.append(place)
        else:
            refused.append((place, int(reason), bytes(raw)))
    rows = table_of([kept]).to_pylist() if len(kept) else []
    for row in rows:
        for name in ("properties", "context"):
            row[name] = None if row[name] is None else json.loads(row[name])
    return rows, sorted(refused), len(parsed.plain) if parsed.plain is not None else 0


def both(monkeypatch: pytest.MonkeyPatch, body: bytes, permission: Permission | None) -> int:
    """Compare the roads; how many events were plain."""
    call = Call(method="POST", path="/v1/batch", body=body, received_at=NOW)
    monkeypatch.setattr(segment, "FEW", 1)
    rows, refused, plain = road(call, permission)
    monkeypatch.setattr(segment, "FEW", 1 << 60)
    slow_rows, slow_refused, none = road(call, permission)
    assert none == 0
    assert rows == slow_rows
    assert refused == slow_refused
    return plain


@settings(deadline=None, max_examples=120)
@given(batch=st.lists(events, min_size=1, max_size=4), spaced=st.booleans(), ascii=st.booleans(), known=st.booleans())
def test_both_roads_give_the_same_rows(
    project: Project, batch: list[dict[str, Any]], spaced: bool, ascii: bool, known: bool
) -> None:
    body = json.dumps(
        {"batch": batch, "sentAt": "2026-11-26T09:59:50Z"},
        ensure_ascii=ascii,
        separators=None if spaced else (",", ":"),
    ).encode("utf-8", "surrogatepass")
    with pytest.MonkeyPatch.context() as patch:
        both(patch, body, project.permission if known else None)


def view(**changes: Any) -> dict[str, Any]:
    event: dict[str, Any] = {
        "type": "track", "event": "Product Viewed", "messageId": "m1", "anonymousId": "d1",
        "timestamp": "2026-11-26T09:59:00.123Z", "properties": {"price": 49.9, "currency": "EUR", "revenue": 5},
        "context": {"library": {"name": "analytics.js"}, "page": {"path": "/p/1", "url": "https://a.fi/p?utm_source=ig"}},
    }  # fmt: skip
    return event | changes


@pytest.mark.parametrize(
    ("changes", "plain"),
    [
        ({}, 1),
        ({"type": "page"}, 1),
        ({"type": "page", "name": "Home"}, 0),
        ({"type": "page", "name": "Home", "properties": {"name": "Home"}}, 1),
        ({"type": "page", "context": {}}, 0),
        ({"type": "screen", "context": {}}, 1),
        ({"type": "identify"}, 0),
        ({"messageId": None}, 0),
        ({"userId": 5}, 0),
        ({"userId": "agreed-user"}, 1),
        ({"userId": "denied-user"}, 0),
        ({"userId": "erased-user"}, 0),
        ({"timestamp": "2031-01-01T00:00:00Z", "sentAt": None}, 0),
        ({"properties": {"phone": 401234567}}, 0),
        ({"properties": {"note": "mail anna@example.fi"}}, 0),
        ({"properties": {"revenue": "9.90"}}, 0),
        ({"properties": {"url": "/p?token=x"}}, 0),
        ({"properties": {"a": {"b": [{"c": "d"}]}}}, 1),
        ({"properties": {"text": "Kes\u00e4mekko"}}, 1),
        ({"context": {"ip": "203.0.113.7"}}, 0),
        ({"context": {"consent": {"categoryPreferences": {"analytics": False}}}}, 0),
        ({"context": {"ids": {"email": "x"}}}, 0),
        ({"context": {"sessionId": 1795687200}}, 1),
        ({"integrations": {"All": True}}, 1),
        ({"integrations": {"Amplitude": {"session_id": 5}}}, 0),
    ],
)
def test_what_is_plain(project: Project, changes: dict[str, Any], plain: int, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = [view(), view(**{"messageId": "m2"} | changes), view(messageId="m3")]
    body = json.dumps({"batch": batch}, ensure_ascii=False).encode()
    assert both(monkeypatch, body, project.permission) == 2 + plain


@pytest.mark.parametrize(
    "members",
    [
        b'"properties":{"a":"\xff"}',
        b'"properties":{"a":1e999}',
        b'"properties":{"a":NaN}',
        b'"properties":{"a":"\\u0000"}',
        b'"properties":{},"properties":{"a":1}',
        b'"context":{"ip":"1.2.3.4","ip":null}',
        b'"properties": \n{ "a b" :\t[ 1 , { } ] } ',
        b'"properties":' + b'{"a":' * 70 + b"1" + b"}" * 70,
        b'"properties":[]',
        b'"context":"",',
    ],
)
def test_bodies_that_are_odd(project: Project, members: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    event = b'{"type":"track","event":"a","messageId":"m","anonymousId":"d",%s}' % members
    both(monkeypatch, b'{"batch":[%s,1,null,{}]}' % event, project.permission)


def test_every_key_of_phone_numbers_is_seen() -> None:
    keys = [key for key, kind in OWN.items() if kind == "phone"] + sorted(OTHERS)
    assert [key for key in keys if key.isascii() and not key.endswith(ENDS)] == []
