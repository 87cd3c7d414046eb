"""Each door of a real server with inputs that nobody should send: it answers, keeps nothing wrong, and goes on."""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import http.client
import json
from pathlib import Path

import httpx
import pytest

from collect.conftest import served
from sdks.conftest import Shop
from sources.test_hooks import sample

DEEP = b'{"a":' * 50_000 + b"1" + b"}" * 50_000
#: (door, path without the key, whether a body that cannot be read is told of).
DOORS = [
    ("posthog", "/i/v0/e/", True), ("posthog", "/batch/", True), ("posthog", "/e/?compression=gzip-js", True),
    ("matomo", "/matomo.php?idsite=7&rec=1&url=https%3A%2F%2Fshop.fi%2F", True),
    ("ga4", "/mp/collect?api_secret={key}", False),
]  # fmt: skip
BODIES = {
    "deep": DEEP, "not utf-8": b'{"event":"\xff\xfe"}', "cut": b'{"event":', "NaN alone": b"NaN",
    "list of lists": b"[[[]]]",
    "bomb": gzip.compress(b"[" + b"0," * 12_000_000 + b"0]"), "huge number": b'{"value":' + b"9" * 100_000 + b"}",
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize(("door", "path", "told"), DOORS)
def test_bodies_that_are_none(door: str, path: str, told: bool, name: str, shop: Shop) -> None:
    shop.new()
    answer = shop.site.client.post(path.format(key=shop.key), content=BODIES[name])
    assert answer.status_code in ({200, 400, 401, 413} if told else {204})
    assert shop.new() == [] or door == "matomo"  # there the address alone is a page view
    assert shop.site.client.post("/flags/?v=2", json={}).json()["flags"] == {}


@pytest.mark.parametrize(("door", "path", "told"), DOORS)
def test_a_body_of_100_mb_is_refused_before_it_is_read(door: str, path: str, told: bool, shop: Shop) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", shop.site.port, timeout=20)
    connection.putrequest("POST", path.format(key=shop.key))
    connection.putheader("Content-Length", str(100_000_000))
    connection.endheaders()
    connection.send(b"[" * 1000)
    assert connection.getresponse().status == (413 if told else 204)
    connection.close()


def test_a_wrong_key_opens_nothing(shop: Shop) -> None:
    shop.new()
    client = shop.site.client
    event = {"event": "x", "distinct_id": "u"}
    assert client.post("/i/v0/e/", json={"api_key": "wrong", **event}).status_code == 401
    assert client.get("/matomo.php?idsite=8&rec=1&url=x").status_code == 401
    assert (
        client.post("/mp/collect?api_secret=wrong", json={"client_id": "1", "events": [{"name": "x"}]}).status_code
        == 204
    )
    assert shop.new() == []


def test_a_browser_of_another_origin_may_send(shop: Shop) -> None:
    asked = {"Origin": "https://shop.fi", "Access-Control-Request-Method": "POST"}
    for path in ("/i/v0/e/", "/matomo.php", "/mp/collect", "/flags/"):
        answer = shop.site.client.options(path, headers=asked)
        assert answer.status_code == 204
        assert answer.headers["access-control-allow-origin"] == "*"


def test_texts_that_no_database_takes(shop: Shop) -> None:
    shop.new()
    body = (
        b'{"api_key":"%s","event":"a\\u0000b","distinct_id":"u\\u0000","properties":{"t":"<script> \\ud800","n":1e999}}'
    )
    answer = shop.site.client.post("/capture/", content=body % shop.key.encode())
    assert answer.json()["accepted"] == 1
    (row,) = shop.new()
    assert (row["event"], row["user_id"], row["properties"]) == ("ab", "u", {"t": "<script> ?", "n": None})


def test_the_pixel_and_its_head(shop: Shop) -> None:
    path = "/piwik.php?idsite=7&rec=1&url=https%3A%2F%2Fshop.fi%2F&_id=0123456789abcdef"
    answer = shop.site.client.get(path)
    assert (answer.status_code, answer.headers["content-type"], answer.content[:3]) == (200, "image/gif", b"GIF")
    assert shop.site.client.get(path + "&send_image=0").status_code == 204
    looked = shop.site.client.get("/matomo.php")
    assert looked.status_code == 200
    assert len(shop.new()) == 2


def test_addresses_leave_the_event(shop: Shop) -> None:
    shop.new()
    traits = {"email": "anna@example.fi", "plan": "pro"}
    event = {
        "api_key": shop.key,
        "event": "$identify",
        "distinct_id": "anna@example.fi",
        "properties": {"$set": traits},
    }
    assert shop.site.client.post("/capture/", json=event).status_code == 200
    (row,) = shop.new()
    assert "anna@" not in json.dumps(row, default=str)
    assert row["context"]["ids"]["email"]


def test_hooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from polku.cli.hooks import example_text

    body = sample("shopify")
    signed = base64.b64encode(hmac.new(b"s3cret", body, hashlib.sha256).digest()).decode()
    headers = {"X-Shopify-Hmac-Sha256": signed, "X-Shopify-Topic": "orders/create", "Content-Type": "application/json"}
    monkeypatch.delenv("POLKU_HOOK_SHOPIFY", raising=False)
    with served(tmp_path / "shop", example_text("shopify")) as site:
        unset = site.client.post("/hooks/shopify", content=body, headers=headers)
        assert (unset.status_code, "retry-after" in unset.headers or unset.json()["code"]) == (503, "unreadable.secret")
        monkeypatch.setenv("POLKU_HOOK_SHOPIFY", "s3cret")
        for _ in range(2):  # senders send again when an answer was late
            answer = site.client.post("/hooks/shopify", content=body, headers=headers)
            assert (answer.status_code, answer.json()) == (200, {"accepted": 1, "refused": []})
        left_out = {**headers, "X-Shopify-Topic": "products/update"}
        assert site.client.post("/hooks/shopify", content=body, headers=left_out).json()["refused"] == [
            {"place": 0, "reason": "left_out"}
        ]
        forged = site.client.post("/hooks/shopify", content=body + b" ", headers=headers)
        assert forged.status_code == 401
        assert "s3cret" not in forged.text
        for path in ("/hooks/", "/hooks/other", "/hooks/..%2fshopify", "/hooks/shopify/", "/hooks/shopify%00"):
            assert httpx.post(site.url + path, content=body, headers=headers).status_code == 404
        assert site.client.get("/hooks/shopify").status_code == 200
        site.project.mover.move()
        (row,) = site.project.sql("select * from events").to_pylist()
    assert (row["event"], row["source"], row["value"], row["currency"]) == ("Order Completed", "shopify", 39.8, "EUR")
    assert "anna@" not in json.dumps(row, default=str)
