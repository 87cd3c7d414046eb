"""The pages of offers, as one without a script uses them, and the same as data."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from guidance.test_guidance_pages import Here
from offers.test_live import World
from polku.access.roles import Who
from polku.offers import codes, referral
from polku.offers.catalogue import Given, store
from polku.web.app import create_app
from polku.web.offers import masked
from web.inprocess import loop_in_a_thread

CODE = re.compile(r"<code>([A-Z0-9•-]{8,})</code>")


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Any]]:
    folder: Path = tmp_path_factory.mktemp("pages") / "shop"
    world = World(folder)
    picture = {"image_url": "https://shop.example/a.jpg", "price": 64.9, "currency": "EUR", "list_price": 80.0}
    store(world.project, [Given("A&1", {"name": "Dress <b>", **picture}),
                          Given("A-2", {"name": "Coat", "image_url": "https://other.example/b"})], "list")  # fmt: skip
    world.event("anna", "Order Completed", order_id="1", value=160.0)
    world.recommend("anna", "dev1")
    world.event("anna", "page", anonymous="dev2")
    world.event("bert", "page", anonymous="dev2")
    world.event("bert", "Order Completed", order_id="2", value=40.0, anonymous="dev1")
    with loop_in_a_thread() as loop:
        client = Here(create_app(world.project), loop)
        yield world, client
        client.close()
    world.shop.close()


def token_of(client: Any) -> str:
    found = re.search(r'name="token" value="([^"]+)"', client.get("/offers/codes?pool=first").text)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("language", ["fi", "en"])
@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/offers", "referral_thanks"), ("/offers/products", "Dress &lt;b&gt;"),
        ("/offers/products?search=coat&availability=unknown", "Coat"), ("/offers/products/one?id=A%261", "64"),
        ("/offers/codes?pool=first", "code.first"), ("/offers/codes?pool=first&state=given", "code.first"),
        ("/offers/referrals", "anna"), ("/offers/referrals?state=doubtful", "bert"), ("/offers/points", "anna"),
        ("/offers/points?level=gold", "anna"), ("/offers/points/customer?id=anna", "160"),
        ("/customers/anna", "Gold"),
    ],
)  # fmt: skip
def test_pages_are_drawn(seen: tuple[World, Any], language: str, path: str, said: str) -> None:
    page = seen[1].get(path + ("&" if "?" in path else "?") + f"lang={language}")
    assert page.status_code == 200, page.text
    assert said.replace("referral_thanks", "first") in page.text


def test_pictures_come_from_the_hosts_of_the_map_alone(seen: tuple[World, Any]) -> None:
    page = seen[1].get("/offers/products")
    assert "img-src 'self' data: https://shop.example;" in page.headers["Content-Security-Policy"]
    assert "https://shop.example/a.jpg" in page.text
    assert "https://other.example/b" not in page.text
    assert "shop.example" not in seen[1].get("/offers").headers["Content-Security-Policy"]


def test_codes_are_made_taken_in_fetched_and_withdrawn(seen: tuple[World, Any]) -> None:
    world, client = seen
    form = {"token": token_of(client), "pool": "first"}
    assert client.post("/offers/codes", data={**form, "do": "make", "count": "3"}).status_code == 303
    assert client.post("/offers/codes", data={**form, "do": "take", "codes": "SHOP-1\n\nshop-1\n"}).status_code == 303
    told = client.get("/offers/codes.csv?pool=first")
    assert told.text.lstrip("\ufeff").splitlines()[0] == "code,expires"
    assert "SHOP-1" in told.text
    assert len(CODE.findall(client.get("/offers/codes?pool=first").text)) == 3
    refused = client.post("/offers/codes", data={**form, "do": "make", "count": "100000000"})
    assert refused.status_code == 400
    assert client.post("/offers/codes", data={**form, "pool": "none", "do": "make", "count": "1"}).status_code == 400
    assert client.post("/offers/codes", data={**form, "do": "withdraw", "reason": "leaked"}).status_code == 303
    assert codes.pools(world.project)[1].counts == {"withdrawn": 4}
    assert "leaked" in client.get("/offers/codes?pool=first").text
    assert client.post("/offers/codes", data={"pool": "first", "do": "release"}).status_code == 403, "no token"
    assert Who("v", "viewer", "session").may("edit") is False
    (one, *_) = codes.listed(world.project)
    assert masked(one, False) == one.code, "nobody can use it any more"
    codes.release(world.project, "first", "me")
    (one, *_) = codes.listed(world.project, state="free")
    assert masked(one, False).endswith("••••")


def test_points_are_given_and_taken_by_hand_once(seen: tuple[World, Any]) -> None:
    _, client = seen
    page = client.get("/offers/points/customer?id=anna").text
    form = dict(re.findall(r'name="(token|customer|key)" value="([^"]*)"', page))
    sent = {**form, "points": "25", "reason": "a late parcel", "do": "give"}
    for _ in range(2):
        assert client.post("/offers/points/customer", data=sent).status_code == 303
    told = client.get("/api/points", params={"customer": "anna"}).json()
    assert (told["balance"], told["level"], told["entries"][-1]["reason"]) == (185, "gold", "a late parcel")
    short = client.post("/offers/points/customer", data={**sent, "points": "500", "do": "take", "key": "other"})
    assert short.status_code == 400
    assert "The customer has 185 points, and 500 were to be taken." in html.unescape(short.text)
    nothing = client.post("/offers/points/customer", data={**sent, "reason": " ", "key": "third"})
    assert "Say why" in nothing.text


def test_a_checkout_spends_points_once(seen: tuple[World, Any]) -> None:
    world, client = seen
    before = client.get("/api/points", params={"customer": "anna"}).json()
    headers = {"X-Polku-Token": token_of(client), "Content-Type": "application/json"}

    def spend(**more: Any) -> Any:
        told = {"customer": "anna", "points": 60, "reason": "order 9", "key": "order-9", **more}
        return client.post("/api/points", content=json.dumps(told).encode(), headers=headers)

    done, again = spend(order_id="9"), spend()
    assert (done.status_code, done.json()["spent"], again.json()["spent"]) == (200, True, False), done.text
    assert done.json()["balance"] == again.json()["balance"] == before["balance"] - 60
    assert (done.json()["counted"], done.json()["level"]) == (before["counted"], before["level"])
    short = spend(points=5000, key="order-10")
    assert (short.status_code, short.json()["error"]["code"]) == (409, "offer.points")
    entry = client.get("/api/points", params={"customer": "anna"}).json()["entries"][-1]
    assert (entry["points"], entry["kind"], entry["reason"], entry["order_id"]) == (-60, "redeemed", "order 9", "9")
    for wrong in ({"points": 0}, {"points": "60"}, {"key": ""}, {"customer": "nobody"}, {"reason": ""}, {"more": 1}):
        assert spend(**wrong).status_code == 400, wrong
    assert client.post("/api/points", content=b"{}").status_code == 403, "no token"
    assert world.project.audit.entries(1)[0].action == "points.spent"


def test_a_doubtful_referral_is_decided_by_a_person(seen: tuple[World, Any]) -> None:
    world, client = seen
    assert world.referrals() == [("doubtful", "same_device")]
    page = client.get("/offers/referrals").text
    assert "used a device of the customer who recommended" in page
    sent = {"token": token_of(client), "number": "1", "do": "refuse"}
    assert client.post("/offers/referrals", data=sent).status_code == 303
    assert client.post("/offers/referrals", data=sent).status_code == 400
    assert [one.state for one in referral.listed(world.project)] == ["refused"]


def test_the_same_as_data(seen: tuple[World, Any]) -> None:
    _, client = seen
    told = client.get("/api/offers").json()
    assert [pool["pool"] for pool in told["codes"]] == ["thanks", "first"]
    assert told["products"]["all"] == 2
    found = client.get("/api/products", params={"search": "dress"}).json()["products"]
    assert [one["product_id"] for one in found] == ["A&1"]
    assert client.get("/api/products", params={"availability": "never"}).status_code == 400
