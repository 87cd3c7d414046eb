"""The small parts: cache, curve, review, CSV, ports."""

from __future__ import annotations

import datetime as dt
import itertools
import socket
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polku.errors import UsageError
from polku.journey.model import Journey
from polku.measures.csvtext import lines, plain
from polku.web.app import host_name
from polku.web.cache import PageCache
from polku.web.feeling import BOTTOM, TOP, Point, path, y_of
from polku.web.mapview import scale
from polku.web.review import review_due
from polku.web.serve import address, listen


def test_a_page_is_made_once_though_many_ask() -> None:
    cache, made = PageCache(), []
    start = threading.Barrier(6)

    def ask() -> None:
        start.wait()
        cache.get("k", lambda: made.append(1) or b"page")  # type: ignore[func-returns-value]

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert made == [1]


def test_the_oldest_page_goes() -> None:
    cache, made = PageCache(2), []
    for key in ("a", "b", "a", "c", "a", "b"):
        cache.get(key, lambda key=key: made.append(key) or key.encode())  # type: ignore[misc]
    assert made == ["a", "b", "c", "b"]


def test_a_page_that_fails_can_be_asked_again() -> None:
    cache = PageCache()
    with pytest.raises(ZeroDivisionError):
        cache.get("k", lambda: bytes(1 // 0))
    assert cache.get("k", lambda: b"ok").body == b"ok"


def test_matching_tags() -> None:
    page = PageCache().get("k", lambda: b"page")
    assert page.matches(page.etag, None)
    assert page.matches(f'"other", {page.etag}', None)
    assert not page.matches('"other"', page.last_modified)
    assert page.matches(None, page.last_modified)
    assert not page.matches(None, "Thu, 01 Jan 1970 00:00:00 GMT")
    assert not page.matches(None, "yesterday")
    assert not page.matches(None, None)


@pytest.mark.parametrize(
    ("review", "reviewed", "due"),
    [
        ("every 3 months", "2026-11-30", "2027-02-28"),
        ("every month", "2026-01-31", "2026-02-28"),
        ("every 2 weeks", "2026-12-25", "2027-01-08"),
        ("1 year", "2024-02-29", "2025-02-28"),
        ("now and then", "2026-01-01", None),
        (None, "2026-01-01", None),
        ("every month", None, None),
    ],
)
def test_review(review: str | None, reviewed: str | None, due: str | None) -> None:
    try:
        journey = Journey.model_validate(
            {"title": "x", "stages": [{"id": "a"}], "review": review, "reviewed": reviewed}
        )
    except ValueError:
        pytest.skip("the map refuses such a review itself")
    assert review_due(journey) == (dt.date.fromisoformat(due) if due else None)


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=8))
@settings(deadline=None)
def test_the_curve_stays_in_its_drawing(values: list[float]) -> None:
    points = tuple(Point(10.0 * n, y_of(v), v, "t") for n, v in enumerate(values))
    assert all(TOP <= p.y <= BOTTOM for p in points)
    for a, b in itertools.pairwise(points):
        assert (a.value <= b.value) <= (a.y >= b.y)
    drawn = path(points)
    assert drawn.count("C") == len(points) - 1
    assert drawn.startswith("M")


@pytest.mark.parametrize(
    ("values", "expected"), [([], 0.05), ([0.03, None], 0.05), ([0.2], 0.25), ([0.25, 0.26], 0.5), ([0.9], 1.0)]
)
def test_one_scale_holds_them_all(values: list[Any], expected: float) -> None:
    assert scale(values) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ""),
        ("=1+1", "'=1+1"),
        ("@x", "'@x"),
        ("-", "'-"),
        (-3.5, -3.5),
        ("ä;b", "ä;b"),
        (dt.datetime(2026, 1, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=2))), "2026-01-01T10:00:00Z"),
    ],
)
def test_csv_cells(value: Any, expected: Any) -> None:
    assert plain(value) == expected


def test_csv_lines() -> None:
    assert list(lines([("a", 'say "no", please'), (1, None)])) == ['a,"say ""no"", please"\r\n', "1,\r\n"]


def test_a_taken_port_gives_the_next_free_one() -> None:
    first = listen("127.0.0.1", 0)
    port = first.getsockname()[1]
    if port > 65000:
        pytest.skip("the system gave the very last ports")
    second = listen("127.0.0.1", port)
    try:
        assert port < second.getsockname()[1] < port + 50
        assert address(first) == f"http://127.0.0.1:{port}/"
        with pytest.raises(UsageError):
            listen("127.0.0.1", port, tries=1)
    finally:
        first.close()
        second.close()


def test_a_foreign_address_is_told() -> None:
    with pytest.raises(UsageError) as error:
        listen("203.0.113.7", 0)
    assert "203.0.113.7" in error.value.text("fi")


def test_every_address_is_shown_as_one_that_a_browser_opens() -> None:
    sock = listen("0.0.0.0", 0)
    assert address(sock).startswith("http://127.0.0.1:")
    sock.close()
    if socket.has_ipv6:
        try:
            sock = listen("::1", 0)
        except UsageError:
            return  # a machine without IPv6's own loopback
        assert address(sock).startswith("http://[::1]:")
        sock.close()


@pytest.mark.parametrize(
    ("header", "name"),
    [("localhost:8000", "localhost"), ("[::1]:80", "::1"), ("Evil.Example", "evil.example"), ("", "")],
)
def test_host_names(header: str, name: str) -> None:
    assert host_name(header) == name
