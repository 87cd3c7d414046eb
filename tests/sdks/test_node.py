"""Node's SDKs, unmodified, as clients of a real server; also through a server that fails first."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sdks.conftest import TROUBLE, Failure, Proxy, Rows, Shop
from sdks.node import node

HARNESS = Path(__file__).parent / "harness.cjs"
TIME = dt.datetime(2026, 11, 20, 10, 0, 0, 250_000, tzinfo=dt.UTC)
ORDER = {
    "order_id": "A7", "revenue": 39.8, "currency": "EUR",
    "products": [{"product_id": "K1", "name": "Hattu", "price": 19.9, "quantity": 2}],
}  # fmt: skip
#: What Segment's and RudderStack's clients send, by message id.
CALLS: dict[str, dict[str, Any]] = {
    "identify": {"event": "identify", "user_id": "anna", "anonymous_id": "a1"},
    "track": {"event": "Order Completed", "user_id": "anna", "value": 39.8, "currency": "EUR", "properties": ORDER},
    "page": {"event": "page", "user_id": "anna"},
    "screen": {"event": "screen", "user_id": None, "anonymous_id": "a1"},
    "group": {"event": "group", "user_id": "anna", "account_id": "acme"},
    "alias": {"event": "alias", "user_id": "anna"},
}


def run(sdk: str, url: str, key: str, place: Path, mark: str = "m") -> str:
    program = node()
    assert program is not None
    environment = {**os.environ, "POLKU_SDKS": str(place)}
    done = subprocess.run(
        [program, str(HARNESS), sdk, url, key, mark],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "done" in done.stdout
    return done.stdout


def held(row: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in wanted}


def check_calls(rows: Rows, mark: str) -> None:
    by_id = {row["event_id"].removeprefix(f"{mark}-"): row for row in rows}
    assert sorted(by_id) == sorted(CALLS)
    assert len(rows) == len(CALLS)
    for name, row in by_id.items():
        wanted = {"source": "kauppa", **CALLS[name]}
        assert held(row, wanted) == wanted
        assert abs(row["time"] - TIME) < dt.timedelta(seconds=5), "its own time, corrected by the client's clock"
    assert by_id["identify"]["context"]["traits"]["plan"] == "pro"
    assert by_id["page"]["context"]["page"]["path"] == "/hatut"
    assert by_id["alias"]["context"]["ids"]["previous"] == "old-anna"
    assert by_id["group"]["properties"]["size"] == 9


@pytest.mark.parametrize("failures", [(), TROUBLE], ids=["well", "trouble"])
@pytest.mark.parametrize("sdk", ["segment", "rudder"])
def test_segment_and_rudderstack(sdk: str, failures: tuple[Failure, ...], shop: Shop, proxy: Proxy, sdks: Path) -> None:
    mark = f"{sdk}{len(failures)}"
    shop.new()
    proxy.fail(*failures)
    run(sdk, proxy.url, shop.key, sdks, mark)
    rows = shop.new()
    assert proxy.failures == [], "it came again until it was taken"
    if failures:  # the server had them: they came twice, and neither the map nor history has them twice
        assert proxy.taken == [200]
        check_calls(rows, mark)
        rows = shop.stored(f"event_id like '{mark}-%'")
    check_calls(rows, mark)


def test_matomo(shop: Shop, sdks: Path) -> None:
    shop.new()
    answer = run("matomo", shop.url, shop.key, sdks)
    assert '"tracked":1' in answer
    assert '"invalid_indices":[0]' in answer, (
        "a time of six days ago needs a key, which this tracker cannot carry in bulk"
    )
    rows = {row["event"]: row for row in shop.new()}
    assert set(rows) == {"page", "Order Completed"}
    ids = {"user_id": "anna", "anonymous_id": "0123456789abcdef", "source": "kauppa", "channel": "web"}
    for row in rows.values():
        assert held(row, ids) == ids
    page, order = rows["page"]["context"], rows["Order Completed"]
    assert page["page"] == {
        "url": "https://shop.fi/hatut",
        "path": "/hatut",
        "title": "Hatut",
        "referrer": "https://google.com/",
    }
    assert (page["campaign"], page["userAgent"]) == ({"name": "kesa"}, "Mozilla/5.0 (X11; Linux x86_64)")
    assert (order["original_event"], order["value"]) == ("ecommerce order", 39.8)
    assert order["properties"]["products"] == [
        {"sku": "K1", "product_id": "K1", "name": "Hattu", "category": "Hatut", "price": 19.9, "quantity": 2.0}
    ]


def test_posthog(shop: Shop, proxy: Proxy, sdks: Path) -> None:
    shop.new()
    proxy.fail(Failure(503))
    run("posthog", proxy.url, shop.key, sdks)
    rows = {row["event"]: row for row in shop.new()}
    assert set(rows) == {"Order Completed", "identify", "alias", "group", "page"}
    order = rows["Order Completed"]
    wanted = {
        "original_event": "order_completed", "user_id": "anna", "account_id": "acme", "value": 39.8, "currency": "EUR",
        "source": "kauppa", "event_id": "0190a4c2-7f3b-7cc1-9f3e-2b6f2a4f8f11",
    }  # fmt: skip
    assert held(order, wanted) == wanted
    assert abs(order["time"] - TIME) < dt.timedelta(seconds=2)
    assert rows["identify"]["context"]["traits"]["plan"] == "pro"
    assert {rows["alias"]["user_id"], rows["alias"]["context"]["ids"]["previous"]} == {"anna", "old-anna"}
    assert (rows["group"]["account_id"], rows["group"]["properties"]["size"]) == ("acme", 9)
    page = rows["page"]
    assert (page["session_id"], page["context"]["page"]["path"]) == ("s1", "/hatut")
    assert page["context"]["campaign"] == {"source": "meta"}
