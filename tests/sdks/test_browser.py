"""The SDKs that shops have in their pages, unmodified, in a real browser on a page of another origin."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sdks.conftest import Rows, Shop
from tracker.conftest import AGENT

pytestmark = [pytest.mark.browser, pytest.mark.long]

PAGE = "/hatut?utm_source=meta&utm_campaign=kesa&token=secret"
SEGMENT = "@segment/analytics-next/dist/umd/index.js"
POSTHOG = "posthog-js/dist/array.full.no-external.js"
ORDER = {"order_id": "A7", "revenue": 39.8, "currency": "EUR", "products": [{"product_id": "K1", "quantity": 2}]}

Open = Callable[[str, str], Any]


class Pages(ThreadingHTTPServer):
    """A shop on a port of its own: one page, and the SDK that it has."""

    daemon_threads = True
    script, code = b"", ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Pages

    def do_GET(self) -> None:
        script = self.path == "/sdk.js"
        page = f"<!doctype html><title>Hatut</title><script src=/sdk.js></script><script>{self.server.code}</script>"
        body = self.server.script if script else page.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript" if script else "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on stderr."""


@pytest.fixture(scope="module")
def pages() -> Iterator[Pages]:
    with Pages(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def open_page(chromium: Any, sdks: Path, pages: Pages) -> Iterator[Open]:
    """``open_page(script of an SDK, code)``: a page of a shop that has both."""
    context = chromium.new_context()
    # posthog-js and the mover take a browser that says it is driven by a program for a robot
    context.add_init_script(
        f"""Object.defineProperty(Navigator.prototype, 'userAgent', {{get: () => '{AGENT}'}});
        Object.defineProperty(Navigator.prototype, 'webdriver', {{get: () => false}});
        delete Navigator.prototype.userAgentData"""
    )

    def open_page(script: str, code: str) -> Any:
        pages.script, pages.code = (sdks / "node_modules" / script).read_bytes(), code
        page = context.new_page()
        page.faults = []
        page.on("pageerror", lambda fault: page.faults.append(str(fault)))
        page.goto(pages.url + PAGE)
        return page

    yield open_page
    context.close()


def arrived(shop: Shop, page: Any, *events: str) -> Rows:
    """What has arrived since the last look, as soon as it holds ``events``."""
    rows: Rows = []
    for _ in range(400):
        rows += shop.new()
        if set(events) <= {row["event"] for row in rows}:
            return rows
        page.wait_for_timeout(50)
    raise AssertionError(f"{[row['event'] for row in rows]} arrived of {events}; {page.faults}")


def one(rows: Rows, event: str) -> dict[str, Any]:
    (found,) = [row for row in rows if row["event"] == event]
    return found


@pytest.mark.parametrize("strategy", ["standard", "batching"])
def test_segments_analytics(strategy: str, shop: Shop, pages: Pages, open_page: Open) -> None:
    """analytics.js 2.0: one request a call in the short forms, or batches."""
    shop.new()
    sent: list[str] = []
    settings = {
        "writeKey": shop.key,
        "cdnSettings": {"integrations": {"Segment.io": {
            "apiKey": shop.key, "apiHost": shop.url.removeprefix("http://") + "/v1", "protocol": "http",
            "deliveryStrategy": {"strategy": strategy, "config": {"size": 2, "timeout": 100}},
        }}},
    }  # fmt: skip
    page = open_page(
        SEGMENT, f"analytics = AnalyticsNext.AnalyticsBrowser.load({json.dumps(settings)}); analytics.page()"
    )
    page.on("request", lambda request: sent.append(request.url))
    page.evaluate(
        """async (order) => {
            await analytics.identify('anna', {plan: 'pro'}); await analytics.track('Order Completed', order);
            await analytics.group('acme', {size: 9}); await analytics.alias('anna-2', 'anna') }""",
        ORDER,
    )
    rows = arrived(shop, page, "page", "identify", "Order Completed", "group", "alias")
    assert page.faults == []
    assert {row["source"] for row in rows} == {"kauppa"}
    assert len({row["anonymous_id"] for row in rows if row["anonymous_id"]}) == 1
    seen = one(rows, "page")
    assert (seen["channel"], seen["context"]["campaign"]) == ("web", {"source": "meta", "name": "kesa"})
    assert seen["context"]["page"]["url"] == pages.url + "/hatut?utm_source=meta&utm_campaign=kesa"
    assert "secret" not in json.dumps(rows, default=str)
    order = one(rows, "Order Completed")
    assert (order["user_id"], order["value"], order["currency"], order["properties"]) == ("anna", 39.8, "EUR", ORDER)
    assert one(rows, "identify")["context"]["traits"]["plan"] == "pro"
    assert one(rows, "group")["account_id"] == "acme"
    assert one(rows, "alias")["context"]["ids"]["previous"] == "anna"
    paths = {url.removeprefix(shop.url) for url in sent if url.startswith(shop.url)}
    assert paths == ({"/v1/b"} if strategy == "batching" else {"/v1/i", "/v1/t", "/v1/g", "/v1/a"}) | paths & {"/v1/p"}


def test_posthogs_tracker(shop: Shop, open_page: Open) -> None:
    """posthog-js with its defaults (compressed bodies, flags asked for), but no recording."""
    shop.new()
    options = {"api_host": shop.url, "disable_session_recording": True, "request_batching": True}
    page = open_page(POSTHOG, f"posthog.init({json.dumps(shop.key)}, {json.dumps(options)})")
    page.evaluate(
        """(order) => { posthog.identify('anna', {plan: 'pro'}); posthog.capture('order_completed', order);
            posthog.group('company', 'acme', {size: 9}); posthog.alias('anna-2', 'anna') }""",
        ORDER,
    )
    rows = arrived(shop, page, "page", "identify")  # a page that is left sooner takes its requests with it
    page.goto("about:blank")  # what is left goes by beacon
    wanted = {"Order Completed", "group", "alias"} - {row["event"] for row in rows}
    rows += arrived(shop, page, *wanted)
    assert page.faults == []
    seen = one(rows, "page")
    assert (seen["original_event"], seen["channel"]) == ("$pageview", "web")
    assert seen["context"]["campaign"] == {"source": "meta", "name": "kesa"}
    assert seen["context"]["page"]["path"] == "/hatut"
    assert seen["session_id"]
    assert "secret" not in json.dumps(rows, default=str)
    order = one(rows, "Order Completed")
    assert (order["user_id"], order["value"], order["currency"]) == ("anna", 39.8, "EUR")
    assert order["properties"]["products"] == ORDER["products"]
    assert order["account_id"] == "acme" or one(rows, "group")["account_id"] == "acme"
    assert one(rows, "alias")["context"]["ids"]["previous"]
