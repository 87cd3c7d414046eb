"""Python's SDKs, unmodified, as clients of a real server; also through a server that fails first."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import pytest

from sdks.conftest import TROUBLE, Failure, Proxy, Rows, Shop

TIME = dt.datetime(2026, 11, 20, 10, 0, 0, 250_000, tzinfo=dt.UTC)
SOON = dt.timedelta(seconds=5)
Failures = tuple[Failure, ...]


def begin(shop: Shop, proxy: Proxy, failures: Failures) -> None:
    shop.new()
    proxy.fail(*failures)


def end(shop: Shop, proxy: Proxy, failures: Failures, ids: dict[str, str]) -> dict[str, dict[str, Any]]:
    """The rows by what they are called in ``ids`` (event id -> name): each once."""
    rows: Rows = shop.new()
    assert proxy.failures == [], "it came again until it was taken"
    assert proxy.taken == [200 for failure in failures if failure.lost]
    if proxy.taken:  # the server had them: they came twice, and neither the map nor history has them twice
        assert sorted(row["event_id"] for row in rows) == sorted(ids)
        wanted = ", ".join(f"'{i}'" for i in ids)
        rows = shop.stored(f"event_id in ({wanted})")
    assert sorted(row["event_id"] for row in rows) == sorted(ids)
    assert {row["source"] for row in rows} == {"kauppa"}
    return {ids[row["event_id"]]: row for row in rows}


def held(row: dict[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


@pytest.mark.parametrize("failures", [(), TROUBLE], ids=["well", "trouble"])
@pytest.mark.parametrize("sdk", ["segment", "rudder"])
def test_segment_and_rudderstack(sdk: str, failures: Failures, shop: Shop, proxy: Proxy) -> None:
    if sdk == "segment":
        from segment.analytics.client import Client
    else:
        from rudderstack.analytics.client import Client
    begin(shop, proxy, failures)
    faults: list[Exception] = []
    client = Client(shop.key, host=proxy.url, on_error=lambda fault, items: faults.append(fault), upload_interval=0.1)
    order = {"order_id": "A7", "revenue": 39.8, "currency": "EUR", "products": [{"product_id": "K1", "quantity": 2}]}
    ids = {str(uuid.uuid4()): name for name in ("identify", "track", "page", "screen", "group", "alias")}
    key = {name: i for i, name in ids.items()}
    client.identify(
        user_id="anna", anonymous_id="a1", traits={"plan": "pro"}, timestamp=TIME, message_id=key["identify"]
    )
    client.track(user_id="anna", event="Order Completed", properties=order, timestamp=TIME, message_id=key["track"],
                 context={"campaign": {"source": "meta"}})  # fmt: skip
    client.page(user_id="anna", name="Hatut", properties={"url": "https://shop.fi/hatut", "path": "/hatut"},
                timestamp=TIME, message_id=key["page"])  # fmt: skip
    client.screen(anonymous_id="a1", name="Kori", timestamp=TIME, message_id=key["screen"])
    client.group(user_id="anna", group_id="acme", traits={"size": 9}, timestamp=TIME, message_id=key["group"])
    client.alias(previous_id="old-anna", user_id="anna", timestamp=TIME, message_id=key["alias"])
    client.flush()
    client.join()
    assert faults == []
    rows = end(shop, proxy, failures, ids)
    assert {name: row["event"] for name, row in rows.items()} == {**{n: n for n in key}, "track": "Order Completed"}
    for row in rows.values():
        assert abs(row["time"] - TIME) < SOON
    track = rows["track"]
    assert held(track, "user_id", "value", "currency", "properties") == ("anna", 39.8, "EUR", order)
    assert track["context"]["campaign"] == {"source": "meta"}
    assert held(rows["identify"], "user_id", "anonymous_id") == ("anna", "a1")
    assert rows["identify"]["context"]["traits"] == {"plan": "pro"}
    assert rows["page"]["context"]["page"]["path"] == "/hatut"
    assert held(rows["screen"], "user_id", "anonymous_id") == (None, "a1")
    assert held(rows["group"], "user_id", "account_id", "properties") == ("anna", "acme", {"size": 9})
    assert held(rows["alias"], "user_id") == ("anna",)
    assert rows["alias"]["context"]["ids"]["previous"] == "old-anna"


@pytest.mark.parametrize(("gzip", "failures"), [(False, ()), (True, TROUBLE)], ids=["well", "trouble"])
def test_posthog(gzip: bool, failures: Failures, shop: Shop, proxy: Proxy) -> None:
    from posthog import Posthog

    begin(shop, proxy, failures)
    faults: list[Any] = []
    client = Posthog(shop.key, host=proxy.url, gzip=gzip, on_error=lambda fault, items: faults.append(fault),
                     flush_interval=0.1, max_retries=5)  # fmt: skip
    ids = {str(uuid.uuid4()): name for name in ("order", "page", "set", "group")}
    key = {name: i for i, name in ids.items()}
    sent: dict[str, Any] = {"order_id": "A7", "revenue": 39.8, "currency": "EUR"}
    client.capture("order_completed", distinct_id="anna", properties=sent, timestamp=TIME, uuid=key["order"],
                   groups={"company": "acme"})  # fmt: skip
    client.capture("$pageview", distinct_id="anna", timestamp=TIME, uuid=key["page"],
                   properties={"$current_url": "https://shop.fi/hatut?utm_source=meta",
                               "$session_id": "s1"})  # fmt: skip
    client.set(distinct_id="anna", properties={"plan": "pro"}, timestamp=TIME, uuid=key["set"])
    client.group_identify("company", "acme", {"size": 9}, timestamp=TIME, uuid=key["group"])
    alias = client.alias("old-anna", "anna", timestamp=TIME)
    assert alias is not None
    client.shutdown()
    assert faults == []
    rows = end(shop, proxy, failures, {**ids, alias: "alias"})
    for row in rows.values():
        assert abs(row["time"] - TIME) < SOON
    order = rows["order"]
    assert held(order, "event", "original_event", "user_id", "account_id", "value", "currency") == (
        "Order Completed", "order_completed", "anna", "acme", 39.8, "EUR",
    )  # fmt: skip
    assert {name: order["properties"][name] for name in sent} == sent
    page = rows["page"]
    assert held(page, "event", "original_event", "session_id") == ("page", "$pageview", "s1")
    assert page["context"]["page"] == {"url": "https://shop.fi/hatut?utm_source=meta", "path": "/hatut"}
    assert page["context"]["campaign"] == {"source": "meta"}
    assert held(rows["set"], "event", "user_id") == ("identify", "anna")
    assert rows["set"]["context"]["traits"] == {"plan": "pro"}
    assert held(rows["group"], "event", "account_id") == ("group", "acme")
    assert rows["group"]["properties"]["size"] == 9
    assert held(rows["alias"], "event", "user_id") == ("alias", "anna")
    assert rows["alias"]["context"]["ids"]["previous"] == "old-anna"


def test_posthogs_newer_capture(shop: Shop, proxy: Proxy) -> None:
    from posthog import Posthog

    begin(shop, proxy, (Failure(503),))
    faults: list[Any] = []
    client = Posthog(shop.key, host=proxy.url, capture_mode="v1", on_error=lambda fault, items: faults.append(fault))
    ids = {str(uuid.uuid4()): name for name in ("first", "second")}
    for i, name in ids.items():
        client.capture(name, distinct_id="anna", uuid=i, timestamp=TIME, properties={"plan": "pro"})
    client.shutdown()
    assert faults == []
    rows = end(shop, proxy, (Failure(503),), ids)
    assert held(rows["first"], "event", "user_id") == ("first", "anna")
    assert rows["second"]["properties"]["plan"] == "pro"


def test_posthogs_flags_are_empty(shop: Shop) -> None:
    from posthog import Posthog

    client = Posthog(shop.key, host=shop.url, sync_mode=True)
    assert client.get_feature_variants("anna") == {}
    assert client.get_flags_decision("anna")["errorsWhileComputingFlags"] is False
    client.shutdown()


def test_ga4mp(shop: Shop) -> None:
    from ga4mp import GtagMP

    shop.new()
    client = GtagMP(api_secret=shop.key, measurement_id="G-1", client_id="1234567890.1795687200")
    client._base_domain = f"{shop.url}/mp/collect"
    client._validation_domain = f"{shop.url}/debug/mp/collect"
    client.store.set_user_property("plan", "pro")
    params = {
        "transaction_id": "A7", "value": 39.8, "currency": "EUR", "tax": 8, "shipping": 5, "coupon": "KESA",
        "items": [{"item_id": "K1", "item_name": "Hattu", "price": 19.9, "quantity": 2}],
    }  # fmt: skip
    moment = dt.datetime.now() - dt.timedelta(hours=5)  # noqa: DTZ005 (ga4mp wants a naive local time)
    client.send([{"name": "purchase", "params": params}], date=moment)
    client.send([{"name": "page_view", "params": {"page_location": "https://shop.fi/hatut", "page_title": "Hatut"}}])
    client.send([{"name": "view_item", "params": {"items": [{"item_id": "K1"}]}}], postpone=True)
    client.postponed_send()
    client.send([{"name": "_bad", "params": {}}], validation_hit=True)
    client.send([{"name": f"own_{i}", "params": {}} for i in range(30)])
    rows = {row["event"]: row for row in shop.new()}
    assert {row["source"] for row in rows.values()} == {"kauppa"}
    assert {row["anonymous_id"] for row in rows.values()} == {"1234567890.1795687200"}
    assert len({name for name in rows if name.startswith("own_")}) == 30
    assert "_bad" not in rows
    order = rows["Order Completed"]
    assert held(order, "original_event", "value", "currency") == ("purchase", 39.8, "EUR")
    wanted = {
        "order_id": "A7", "revenue": 39.8, "tax": 8, "shipping": 5, "coupon": "KESA",
        "products": [{"product_id": "K1", "name": "Hattu", "price": 19.9, "quantity": 2}],
    }  # fmt: skip
    assert {name: order["properties"][name] for name in wanted} == wanted
    assert abs(order["time"] - moment.astimezone(dt.UTC)) < SOON
    assert order["context"]["traits"] == {"plan": "pro"}
    assert rows["page"]["context"]["page"] == {"url": "https://shop.fi/hatut", "path": "/hatut", "title": "Hatut"}
    assert rows["Product Viewed"]["properties"]["product_id"] == "K1"
