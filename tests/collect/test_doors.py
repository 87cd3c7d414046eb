"""The doors over real HTTP: keys, browsers' rules, and bodies that somebody made to do harm."""

from __future__ import annotations

import base64
import gzip
import json
import socket
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from polku.record import tables
from polku.sources import segment

from .conftest import Site, served

EVENT = {"event": "Seen", "anonymousId": "a1"}


def rows(site: Site, id_: str) -> list[dict[str, Any]]:
    """What the record has of a message."""
    return [r for r in site.project.inbox.tail().to_pylist() if r["event_id"] == id_]


def test_an_event_is_on_disk_when_it_is_answered(site: Site) -> None:
    event = {
        **EVENT, "messageId": "whole", "userId": "Anna@Example.fi", "timestamp": "2026-11-01T10:00:00Z",
        "sentAt": "2026-11-01T10:00:05Z",
        "properties": {"url": "https://shop.fi/p?token=x&size=M&utm_source=ig", "revenue": "9.90", "currency": "EUR"},
        "context": {"ip": "203.0.113.77", "sessionId": 5},
    }  # fmt: skip
    answer = site.client.post("/v1/track", json=event)
    assert (answer.status_code, answer.json()) == (200, {"success": True, "accepted": 1, "refused": []})
    (row,) = rows(site, "whole")
    assert abs((row["received_at"] - row["time"]).total_seconds() - 5) < 0.001, "the client's clock is corrected"
    hashed = site.project.contacts.address_hash("email", "anna@example.fi")
    assert row["user_id"] == f"email:{hashed}"
    assert json.loads(row["properties"])["url"] == "https://shop.fi/p?size=M&utm_source=ig"
    assert json.loads(row["context"]) == {"ip": "203.0.113.0", "sessionId": 5, "ids": {"email": hashed}}
    assert (row["value"], row["currency"], row["session_id"], row["source"]) == (9.9, "EUR", "5", "segment")


@pytest.mark.parametrize(
    ("time", "sent", "kept"),
    [
        (None, None, True),
        ("2031-01-01T00:00:00Z", "2031-01-01T00:00:00Z", True),  # a clock years ahead that says so
        ("1970-01-01T00:00:10Z", "1970-01-01T00:00:20Z", True),  # a clock that was never set
        ("2031-01-01T00:00:00Z", None, False),
        ("1969-12-31T23:59:59Z", None, False),
    ],
)
def test_clocks(site: Site, time: str | None, sent: str | None, kept: bool) -> None:
    id_ = f"clock {time} {sent}"
    answer = site.client.post("/v1/track", json={**EVENT, "messageId": id_, "timestamp": time, "sentAt": sent})
    assert answer.json()["accepted"] == kept
    for row in rows(site, id_):
        assert 0 <= (row["received_at"] - row["time"]).total_seconds() <= 10


def test_events_without_an_id_are_known_by_their_content(site: Site) -> None:
    event = {"type": "track", "event": "No id", "userId": "u", "timestamp": "2026-11-01T10:00:00Z"}
    for _ in range(2):  # sent again: the same two ids
        assert site.client.post("/v1/batch", json={"batch": [event, event]}).json()["accepted"] == 2
    came = [r["event_id"] for r in site.project.inbox.arrived().to_pylist() if r["event"] == "No id"]
    assert (len(came), len(set(came))) == (4, 2)
    shown = [r["event_id"] for r in site.project.inbox.tail().to_pylist() if r["event"] == "No id"]
    assert sorted(shown) == sorted(set(came)), "what came again is shown once, before it is moved"


def test_browsers_may_send_from_anywhere(site: Site) -> None:
    asked = {"Origin": "https://shop.fi", "Access-Control-Request-Method": "POST",
             "Access-Control-Request-Headers": "content-type,authorization"}  # fmt: skip
    allowed = site.client.options("/v1/t", headers=asked)
    assert allowed.status_code == 204
    assert allowed.headers["access-control-allow-origin"] == "*"
    assert "POST" in allowed.headers["access-control-allow-methods"]
    assert allowed.headers["access-control-allow-headers"] == "content-type,authorization"
    text = json.dumps({**EVENT, "messageId": "beacon"})
    sent = site.client.post("/v1/t", content=text, headers={"Content-Type": "text/plain", "Origin": "http://localhost"})
    assert (sent.status_code, sent.headers["access-control-allow-origin"]) == (200, "*")
    assert rows(site, "beacon")
    assert site.client.get("/v1/track").status_code == 405


def test_what_is_refused_is_kept_and_counted(site: Site) -> None:
    raw = {"type": "track", "messageId": "nameless", "userId": "u"}
    answer = site.client.post("/v1/batch", json={"batch": [raw, {**EVENT, "type": "track"}]}).json()
    assert [(r["index"], r["code"]) for r in answer["refused"]] == [(0, "no_event")]
    table = tables.refused_events.c
    with site.project.state.read() as connection:
        kept = connection.execute(sa.select(table.raw, table.source, table.place).where(table.reason == "no_event"))
        assert any((json.loads(r.raw), r.source, r.place) == (raw, "segment", "door") for r in kept)


def nested(depth: int) -> bytes:
    return b'{"event":"Deep","messageId":"deep","properties":' + b'{"a":' * depth + b"1" + b"}" * (depth + 1)


BOMB = gzip.compress(b'{"event":"' + b"a" * 50_000_000 + b'"}')
#: Name, body, headers, status, how many events were taken (None: it is an error with code and message).
BODIES: list[tuple[str, bytes, dict[str, str], int, int | None]] = [
    ("empty", b"", {}, 400, None),
    ("no JSON", b"event=Seen", {}, 400, None),
    ("cut", b'{"event": "Se', {}, 400, None),
    ("no UTF-8", b'{"event": "\xff\xfe"}', {}, 400, None),
    ("half a character", b'{"event": "Seen \\ud83d"}', {}, 200, 1),
    ("NUL", b'{"event": "Se\\u0000en", "userId": "\\u0000", "properties": {"a": "\\u0000b"}}', {}, 200, 1),
    ("only NUL", b'{"event": "\\u0000"}', {}, 200, 0),
    ("NaN", b'{"event": "Seen", "properties": {"a": NaN, "b": -Infinity}}', {}, 200, 1),
    ("a number too large", b'{"event": "Seen", "properties": {"a": 1e999}}', {}, 200, 0),
    ("a whole number of 40 digits", b'{"event": "Seen", "properties": {"a": ' + b"9" * 40 + b"}}", {}, 200, 1),
    ("a key twice", b'{"event": "Seen", "event": "Seen twice"}', {}, 200, 1),
    ("a long name", b'{"event": "' + b"a" * 1000 + b'"}', {}, 200, 0),
    ("a long id", b'{"event": "Seen", "userId": "' + b"a" * 1000 + b'"}', {}, 200, 0),
    ("deep", nested(200), {}, 200, 0),
    ("deeper", nested(5_000), {}, 400, None),
    ("too large an event", b'{"event": "' + b"a" * 40_000 + b'"}', {}, 400, None),
    ("too large", b"a" * (segment.MOST_BYTES + 1), {}, 400, None),
    ("gzip", gzip.compress(b'{"event": "Seen"}'), {"Content-Encoding": "gzip"}, 200, 1),
    ("deflate", zlib.compress(b'{"event": "Seen"}'), {"Content-Encoding": "deflate"}, 200, 1),
    ("a gzip bomb", BOMB, {"Content-Encoding": "gzip"}, 400, None),
    ("no gzip", b'{"event": "Seen"}', {"Content-Encoding": "gzip"}, 400, None),
    ("half a gzip", gzip.compress(b'{"event": "Seen"}')[:-9], {"Content-Encoding": "gzip"}, 400, None),
    ("another coding", b"x", {"Content-Encoding": "br"}, 415, None),
    ("SQL and script", b'{"event": "\'; drop table inbox;--<script>alert(1)</script>"}', {}, 200, 1),
]


@pytest.mark.parametrize(("body", "headers", "status", "accepted"), [b[1:] for b in BODIES], ids=[b[0] for b in BODIES])
def test_bodies(site: Site, body: bytes, headers: dict[str, str], status: int, accepted: int | None) -> None:
    before = site.project.inbox.waiting()
    answer = site.client.post("/v1/track", content=body, headers=headers)
    assert answer.status_code == status
    assert site.project.inbox.waiting() - before == (accepted or 0)
    if accepted is None:
        assert set(answer.json()) == {"code", "message"}
    else:
        assert answer.json()["accepted"] == accepted
    assert site.client.post("/v1/track", json=EVENT).status_code == 200, "it goes on"


def raw(site: Site, request: bytes, seconds: float = 10) -> bytes:
    """Send bytes, and read until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", site.port), timeout=seconds) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65536):
            answer += part
        return answer


def test_a_hundred_megabytes_are_refused_before_they_come(site: Site) -> None:
    head = b"POST /v1/batch HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000000\r\n\r\n"
    answer = raw(site, head + b"[" * 1000)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"too_large" in answer


def test_a_stream_without_a_length_ends_at_the_limit(site: Site) -> None:
    chunk = b"10000\r\n" + b"a" * 65536 + b"\r\n"
    head = b"POST /v1/batch HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert raw(site, head + chunk * 8).startswith(b"HTTP/1.1 400 ")


def test_a_slow_body_is_given_up(site: Site) -> None:
    began = time.monotonic()
    head = b'POST /v1/track HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 20\r\n\r\n{"event'
    assert raw(site, head).startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - began >= 1


NO_HTTP = (
    b"POST /v1/track HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
    b"POST /v1/track HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    b"\x16\x03\x01\x00\xa5\x01",
    b"GET\r\n\r\n",
)


@pytest.mark.parametrize("request_", NO_HTTP)
def test_what_is_no_http_is_no_request(site: Site, request_: bytes) -> None:
    assert raw(site, request_)[:12] in (b"HTTP/1.1 400", b"")
    assert site.client.post("/v1/track", json=EVENT).status_code == 200


def test_a_body_shorter_than_it_says(site: Site) -> None:
    before = site.project.inbox.waiting()
    with socket.create_connection(("127.0.0.1", site.port)) as connection:
        connection.sendall(b'POST /v1/track HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{"event": "Seen"}')
    assert site.client.post("/v1/track", json=EVENT).status_code == 200
    assert site.project.inbox.waiting() == before + 1


def basic(key: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()}


def test_keys_and_vitals(tmp_path: Path) -> None:
    with served(tmp_path / "shop") as site:
        keys = site.project.keys
        assert site.client.post("/v1/track", json=EVENT).status_code == 200, "on this machine any key does at first"
        write = keys.create("web", ["write"], source="shop").text
        read = keys.create("report", ["read"]).text
        for headers, body, wanted in (
            (basic(write), {}, 200), ({}, {"writeKey": write}, 200), ({"Authorization": f"Bearer {write}"}, {}, 200),
            ({"Authorization": "Bearer oauth"}, {"writeKey": write}, 200), ({}, {}, 401), (basic("other"), {}, 401),
            (basic(read), {}, 401), ({}, {"writeKey": read}, 401),
        ):  # fmt: skip
            answer = site.client.post("/v1/track", json={**EVENT, **body}, headers=headers)
            assert answer.status_code == wanted, (headers, body)
            assert wanted == 200 or set(answer.json()) == {"code", "message"}
        sources = [r["source"] for r in site.project.inbox.tail().to_pylist()]
        assert sources == ["segment", *["shop"] * 4]
        ready = site.client.get("/ready").json()
        assert (ready["ready"], ready["inbox_events"], ready["faults"]) == (True, 5, {})
        figures = site.client.get("/metrics").text
        assert 'polku_events_total{source="shop"} 4.0' in figures
        assert 'polku_refused_total{reason="wrong_key",source="segment"} 4.0' in figures
        assert write not in figures
        counted = {}
        while counted.get("wrong_key") != 4:
            with site.project.state.read() as connection:
                counted = dict(connection.execute(sa.select(tables.refusals.c.reason, tables.refusals.c.count)).all())


def test_limits_by_key_and_address(tmp_path: Path) -> None:
    with served(tmp_path / "shop", "[limits]\nevents = 1\naddress = 4\n[server]\nproxies = '127.0.0.1'\n") as site:
        key = {"writeKey": site.project.keys.create("web", ["write"], source="web").text}

        def send(address: str, events: int = 1, given: dict[str, str] = key) -> tuple[int, int | None]:
            batch = {"batch": [{**EVENT, "type": "track"}] * events, **given}
            answer = site.client.post("/v1/batch", json=batch, headers={"X-Forwarded-For": address})
            after = answer.headers.get("retry-after")
            return answer.status_code, None if after is None else int(after)

        assert [send("203.0.113.9", given={})[0] for _ in range(6)] == [401, 401, 401, 401, 429, 429]
        status, after = send("203.0.113.9")
        assert (status, after is not None and 1 <= after <= 15) == (429, True)
        assert send("203.0.113.10", 10) == (200, None)
        status, after = send("203.0.113.11", 10)
        assert (status, after is not None and 1 <= after <= 10) == (429, True)
        other = {"writeKey": site.project.keys.create("till", ["write"], source="web").text}
        assert send("203.0.113.12", 10, other) == (200, None), "each key by itself, whatever its source"
        assert site.project.inbox.waiting() == 20


def test_without_a_key_this_machine_alone_may_send(tmp_path: Path) -> None:
    with served(tmp_path / "shop") as site:
        port = site.url.rpartition(":")[2]
        cases = [
            ({}, 200),
            ({"Origin": site.url}, 200),
            ({"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"}, 200),
            ({"Host": f"localhost:{port}"}, 200),
            ({"Origin": "https://elsewhere.example"}, 401),
            ({"Origin": f"http://127.0.0.1.elsewhere.example:{port}"}, 401),
            ({"Origin": "null"}, 401),
            ({"Origin": "http://[bad"}, 401),
            ({"Sec-Fetch-Site": "cross-site"}, 401),
            ({"Host": "elsewhere.example"}, 401),
        ]
        for headers, wanted in cases:
            answer = site.client.post("/v1/track", json=EVENT, headers=headers)
            assert answer.status_code == wanted, headers
            looked = site.client.get("/matomo.php?idsite=1&rec=1&action_name=x", headers=headers)
            assert looked.status_code == wanted, headers
        assert "polku keys create" in site.client.post("/v1/track", json=EVENT, headers=cases[4][0]).json()["message"]
        key = site.project.keys.create("web", ["write"]).text
        answer = site.client.post("/v1/track", json={**EVENT, "writeKey": key}, headers=cases[4][0])
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "*"), "a shop's own page"


def test_the_doors_are_in_front_of_the_pages(site: Site) -> None:
    assert site.client.get("/v1/nothing").status_code == 404
    assert site.client.get("/health").json() == {"status": "ok", "map": "map"}, "alive, though there is no map"
