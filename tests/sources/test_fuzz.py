"""Whatever bytes come, a parser gives events and reasons or says Unreadable; what was found stands in CASES."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from polku.errors import Unreadable
from polku.events.arrival import Arrival, Call, Outcome
from polku.sources import ga4, matomo, posthog
from polku.sources.protocols import Protocol

PARSERS: dict[str, tuple[Protocol, tuple[str, ...]]] = {
    "posthog": (posthog, ("/e/", "/batch/", "/i/v1/analytics/events", "/flags/", "/array/k/config.js")),
    "ga4": (ga4, ("/mp/collect", "/debug/mp/collect")),
    "matomo": (matomo, ("/matomo.php",)),
}
WORDS = st.sampled_from([
    "event", "events", "batch", "distinct_id", "properties", "$set", "$groups", "uuid", "timestamp", "offset",
    "sent_at",
    "name", "params", "items", "client_id", "user_properties", "timestamp_micros", "consent", "device", "requests",
    "idsite", "rec", "url", "_id", "cdt", "idgoal", "ec_id", "ec_items", "revenue", "cvar", "search", "e_a", "_pks",
    "_pkc",
    "$current_url", "value", "currency", "token", "$identify", "$pageview", "purchase", "data", "res", "rand", "pv_id",
])  # fmt: skip
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | WORDS
    | st.sampled_from(["https://[::1", "//[", "?" * 50, "[[1]]", "[", '{"1":["a","b"]}', "9" * 400, "1e999", "NaN",
                       "inf",
                       "2026-11-26", "0000-00-00", "9999-12-31T23:59:59+00:00", "0001-01-01T00:00:00+23:00", "\x00",
                       "\ud800"])
)  # fmt: skip
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(max_size=5), inner, max_size=5)
)
#: Found by earlier runs: (parser, query, body).
CASES: list[tuple[str, str, bytes]] = [
    ("posthog", "", b'{"event":"x","properties":{"$current_url":"https://[::1"}}'),
    ("posthog", "", b'{"event":"x","timestamp":"0001-01-01T00:00:00+23:00"}'),
    ("posthog", "", gzip.compress(b"null", mtime=0)),
    ("matomo", "idsite=1&url=%2F%2F%5B&idgoal=0&ec_id=1&ec_items=" + "%5B" * 3000, b""),
    ("ga4", "", b'{"events":[{"name":"x","params":{"value":' + b"9" * 5000 + b"}}]}"),
]


def bodies(value: Any) -> dict[str, bytes]:
    text = json.dumps(value).encode()
    return {
        "json": text, "gzip": gzip.compress(text), "form": b"data=" + base64.b64encode(text),
        "cut": text[: len(text) // 2],
        "surrogates": json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"),
    }  # fmt: skip


def check(name: str, path: str, query: str, body: bytes) -> None:
    protocol, _ = PARSERS[name]
    call = Call(
        method="POST", path=path, query=query, body=body, received_at=1_795_687_200_000_000, address="192.0.2.1"
    )
    try:
        parsed = protocol.parse(call)
    except Unreadable:
        return
    assert len(parsed.events) == len(parsed.places)
    assert parsed.key is None or parsed.key.strip()
    for arrival in parsed.events:
        as_stored(arrival)
    for dropped in parsed.dropped:
        assert dropped.reason
        assert isinstance(dropped.raw, bytes)
    reply = protocol.reply(call, parsed, Outcome(accepted=len(parsed.events), refused=tuple(parsed.dropped)))
    assert reply.status in (200, 204, 404)


def as_stored(arrival: Arrival) -> None:
    """The types that the door counts on, and texts that a database takes."""
    assert arrival.event.strip()
    for word in ("user_id", "anonymous_id", "previous_id", "account_id", "session_id", "message_id", "currency"):
        found = getattr(arrival, word)
        assert found is None or (isinstance(found, str) and found)
    for word in ("time", "sent_at"):
        found = getattr(arrival, word)
        assert found is None or type(found) is int
    assert arrival.value is None or arrival.value - arrival.value == 0
    for facts in (arrival.properties, arrival.context, {"": arrival.event}):
        json.dumps(facts, ensure_ascii=False, allow_nan=False).encode("utf-8")


@pytest.mark.parametrize("name", PARSERS)
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(value=VALUES, packing=st.sampled_from(["json", "gzip", "form", "cut", "surrogates"]), way=st.integers(0, 4))
@example(value={"event": "x", "properties": {"$current_url": "https://[::1"}}, packing="json", way=0)
def test_values_of_any_shape(name: str, value: Any, packing: str, way: int) -> None:
    paths = PARSERS[name][1]
    check(name, paths[way % len(paths)], "idsite=1&url=x", bodies(value)[packing])


@pytest.mark.parametrize("name", PARSERS)
@settings(deadline=None, max_examples=100)
@given(body=st.binary(max_size=200), query=st.text(max_size=50), way=st.integers(0, 4))
def test_bytes_of_any_kind(name: str, body: bytes, query: str, way: int) -> None:
    paths = PARSERS[name][1]
    check(name, paths[way % len(paths)], query, body)


@settings(deadline=None, max_examples=200)
@given(given_=st.dictionaries(WORDS, LEAVES.map(str), max_size=12))
def test_matomos_parameters_of_any_kind(given_: dict[str, str]) -> None:
    from urllib.parse import urlencode

    query = urlencode({"idsite": "1", **given_}, errors="replace")
    check("matomo", "/matomo.php", query, b"")
    check("matomo", "/matomo.php", "", json.dumps({"requests": [{"idsite": 1, **given_}, "?" + query]}).encode())


@pytest.mark.parametrize(("name", "query", "body"), CASES)
def test_what_was_found(name: str, query: str, body: bytes) -> None:
    for path in PARSERS[name][1]:
        check(name, path, query, body)
