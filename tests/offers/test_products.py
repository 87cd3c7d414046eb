"""Lists of products in every form that shops have them, the catalogue that is made of them, and feeds over HTTP."""

from __future__ import annotations

import gzip
import io
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guidance.shop import empty_project
from polku.errors import OfferError
from polku.journey.offers import Feed
from polku.offers import catalogue, fetching
from polku.offers.catalogue import Given, store
from polku.offers.feed import Products
from polku.offers.product import money, of_host, read_fields, web_address
from polku.record.project import Project

RSS = """<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel><title>Shop</title><link>https://shop.example</link>
<item><g:id>A-1</g:id><g:title>Red &amp; blue dress</g:title><g:link>https://shop.example/a1?x=1&amp;y=2</g:link>
<g:image_link>https://shop.example/a1.jpg</g:image_link><g:price>64.90 EUR</g:price>
<g:sale_price>50,00 EUR</g:sale_price>
<g:availability>in_stock</g:availability><g:product_type>Dresses</g:product_type>
<g:shipping><g:country>FI</g:country><g:price>4.90 EUR</g:price></g:shipping></item>
<item><g:id>A-2</g:id><title><![CDATA[Coat <b>warm</b>]]></title><g:availability>out of stock</g:availability></item>
<item><g:title>No id</g:title></item>
</channel></rss>"""
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="http://base.google.com/ns/1.0"><title>Shop</title>
<entry><g:id>A-1</g:id><title>Dress</title><link href="https://shop.example/a1"/><g:price>10 EUR</g:price></entry>
</feed>"""
TSV = "id\ttitle\tprice\tavailability\tlink\nA-1\tDress\t1 299,00 EUR\tpreorder\thttps://shop.example/a\n"
SHEET = "Tuotetunnus;Nimi;Hinta;Varastosaldo\nA-1;Mekko;64,90 €;3\nA-2;Takki;99;0\n"
WOO = 'ID,SKU,Name,"Regular price","Sale price","In stock?",Images\n7,A-1,Dress,60,50,1,"https://s.example/1.jpg, https://s.example/2.jpg"\n'


def read(text: str | bytes) -> tuple[dict[str, Any], dict[str, int]]:
    products = Products(io.BytesIO(text.encode() if isinstance(text, str) else text), "list")
    return {one.product_id: dict(one.fields) for one in products}, products.refused


def test_google_merchant() -> None:
    found, refused = read(RSS)
    assert found == {
        "A-1": {
            "name": "Red & blue dress", "url": "https://shop.example/a1?x=1&y=2",
            "image_url": "https://shop.example/a1.jpg", "price": 50.0, "list_price": 64.9, "currency": "EUR",
            "availability": "in_stock", "category": "Dresses",
        },
        "A-2": {"name": "Coat warm", "availability": "out_of_stock"},
    }  # fmt: skip
    assert refused == {"no_id": 1}
    assert read(gzip.compress(RSS.encode())) == (found, refused)
    assert read(RSS.encode("utf-8-sig"))[0] == found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ATOM, {"name": "Dress", "url": "https://shop.example/a1", "price": 10.0, "currency": "EUR"}),
        (TSV, {"name": "Dress", "url": "https://shop.example/a", "price": 1299.0, "currency": "EUR",
               "availability": "preorder"}),
        (SHEET, {"name": "Mekko", "price": 64.9, "currency": "EUR", "availability": "in_stock", "stock": 3}),
        (SHEET.encode("cp1252"), {"name": "Mekko", "price": 64.9, "currency": "EUR", "availability": "in_stock",
                                  "stock": 3}),
        (SHEET.encode("utf-16"), {"name": "Mekko", "price": 64.9, "currency": "EUR", "availability": "in_stock",
                                  "stock": 3}),
    ],
)  # fmt: skip
def test_other_lists(text: str | bytes, expected: dict[str, Any]) -> None:
    assert read(text)[0]["A-1"] == expected


def test_a_woocommerce_export() -> None:
    found, _ = read(WOO)
    assert found["7"] == {
        "name": "Dress", "image_url": "https://s.example/1.jpg", "price": 50.0, "list_price": 60.0,
        "availability": "in_stock", "sku": "A-1",
    }  # fmt: skip


BOMB = '<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><rss><item><id>&b;</id></item></rss>'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (BOMB, "document type"),
        ('<!DOCTYPE r SYSTEM "file:///etc/passwd"><rss/>', "document type"),
        ("<rss><item><id>A</id></item>", "line 1"),
        ("<rss><channel/></rss>", "no product"),
        ("<" + "a><" * 60 + "b/>", "deep"),
        ("<!doctype html><html>Sign in</html>", "web page"),
        ("", "empty"),
        ("name;price\nDress;5\n", "no column with the products' ids"),
        (gzip.compress(RSS.encode())[:-20], "unpacked"),
    ],
)  # fmt: skip
def test_lists_that_are_none_say_why(text: str | bytes, why: str) -> None:
    with pytest.raises(OfferError) as told:
        read(text)
    assert why in str(told.value)


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    try:
        found, _ = read(data)
    except OfferError:
        return
    assert all(key and fields["name"] for key, fields in found.items())


@given(st.text(max_size=40))
def test_no_text_breaks_an_amount_or_an_address(text: str) -> None:
    amount, _ = money(text)
    assert amount is None or abs(amount) < 1e12
    address = web_address(text)
    assert address is None or address.startswith(("http://", "https://", "//"))
    of_host(text, ["shop.example", "*.shop.example"])
    read_fields({"price": text, "title": text, "link": text, "stock": text, "availability": text})


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "https://a:b@shop.example/", "https://shop.example/ x", "ftp://shop.example/",
                "https://[::1", "https://h:abc/", "https:///x"],
)  # fmt: skip
def test_addresses_that_no_letter_carries(address: str) -> None:
    assert web_address(address) is None


# -- the catalogue and its feeds ---------------------------------------------------------------------------------------


class Shop(ThreadingHTTPServer):
    """Answers with ``body``, or 304 to who knows its tag; goes wrong as it is told."""

    body, tag, status, asked, named = RSS, '"1"', 200, 0, ""


class Answer(BaseHTTPRequestHandler):
    server: Shop

    def do_GET(self) -> None:
        shop = self.server
        shop.asked += 1
        shop.named = self.headers["Host"]
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/feed.xml")
            self.end_headers()
            return
        same = self.headers.get("If-None-Match") == shop.tag and shop.status == 200
        self.send_response(304 if same else shop.status)
        self.send_header("ETag", shop.tag)
        self.end_headers()
        if not same:
            self.wfile.write(shop.body.encode())

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with Shop(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def project(shop: Shop, tmp_path: Path) -> Iterator[Project]:
    shop.body, shop.tag, shop.status = RSS, '"1"', 200
    url = f"http://127.0.0.1:{shop.server_port}/moved"
    text = (
        "title: Shop\nstages: [{id: a, touchpoints: [{id: order, match: {event: Order Completed}}]}]\n"
        f"offers: {{catalogue: {{hosts: shop.example, feeds: {{url: '{url}', every: 1h}}}}}}\n"
    )
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "journey.yaml").write_text(text, encoding="utf-8")
    with empty_project(tmp_path / "shop") as made:
        yield made


def test_a_feed_is_read_when_it_has_changed_and_kept_when_it_fails(project: Project, shop: Shop) -> None:
    (feed,) = fetching.due(project)
    done = fetching.fetch(project, feed)
    assert done.stored is not None
    assert (done.stored.added, dict(done.refused)) == (2, {"no_id": 1})
    assert fetching.due(project) == []
    assert fetching.fetch(project, feed).stored is None, "304: not read again"
    shop.body, shop.tag = RSS.replace("in_stock", "out of stock").replace("A-2", "A-3"), '"2"'
    done = fetching.fetch(project, feed)
    assert done.stored is not None
    assert (done.stored.added, done.stored.changed, done.stored.gone) == (1, 1, 1)
    found = catalogue.products_of(project, ["A-1", "A-2", "A-3"])
    assert [found[key].in_stock for key in ("A-1", "A-2", "A-3")] == [False, False, False]
    assert found["A-2"].gone_at is not None
    for shop.status, shop.body, why in ((503, "", "503"), (200, "<html>", "web page")):
        shop.tag = f'"{why}"'
        with pytest.raises(OfferError, match=why):
            fetching.fetch(project, feed)
        (look,) = fetching.looks(project)
        assert look.fault is not None
        assert look.products == 2
    assert catalogue.counts(project)["all"] == 3
    assert fetching.fetch_due(project) is None, "what failed is tried again later, not at once"


def test_a_server_that_others_reach_asks_nothing_of_itself(project: Project) -> None:
    import dataclasses

    seen = dataclasses.replace(project.settings, server=dataclasses.replace(project.settings.server, host="0.0.0.0"))
    project.settings = seen
    with pytest.raises(OfferError, match="this machine itself"):
        fetching.fetch(project, project.journey().offers.catalogue.feeds[0])
    with pytest.raises(OfferError, match="this machine itself"):
        fetching._addresses(project, "http://169.254.169.254/latest")


def test_a_name_is_looked_up_once_and_the_address_that_was_looked_at_is_asked(
    project: Project, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    real = socket.getaddrinfo

    def look(host: str, port: int, *more: Any, **named: Any) -> Any:
        if host != "feed.example":
            return real(host, port, *more, **named)
        asked.append(host)
        assert len(asked) == 1, "the second answer would lead elsewhere"
        return [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0)),
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]  # fmt: skip

    monkeypatch.setattr(socket, "getaddrinfo", look)
    monkeypatch.setattr(fetching, "getproxies", dict)
    feed = Feed(url=f"http://feed.example:{shop.server_port}/feed.xml")
    done = fetching.fetch(project, feed)
    assert done.stored is not None
    assert done.stored.added == 2
    assert shop.named == f"feed.example:{shop.server_port}"


def test_a_list_that_lost_most_of_its_products_is_not_believed(project: Project) -> None:
    many = [Given(f"P-{n}", {"name": f"Product {n}"}) for n in range(60)]
    store(project, many, "list")
    with pytest.raises(OfferError, match="lacks 59 of its 60"):
        store(project, many[:1], "list")
    assert catalogue.counts(project) == {"all": 60, "unknown": 60}
    assert store(project, many[:1], "list", sure=True).gone == 59
    assert store(project, many[:5], "list", whole=False).changed == 4


def test_events_fill_what_is_missing_and_change_nothing_that_is_given(project: Project) -> None:
    store(project, [Given("A-1", {"name": "Mekko", "price": 64.9})], "fi", language="fi")
    store(project, [Given("A-1", {"name": "Dress", "price": 64.9})], "en", language="en")
    told = {
        "A-1": {"name": "Evil", "price": 1, "brand": "Aalto", "url": "https://evil.example/"},
        "B-1": {"name": "Hat", "price": "19,90", "image_url": "https://shop.example/h.jpg", "quantity": 3},
    }
    with project.state.write("offers") as connection:
        assert catalogue.hear(connection, told, ["shop.example"], 5) == 2
        assert catalogue.hear(connection, told, ["shop.example"], 6) == 0
    found = catalogue.products_of(project, told, "en")
    assert found["A-1"].name == "Dress"
    assert dict(found["A-1"].fields) == {"brand": "Aalto", "price": 64.9}
    assert catalogue.products_of(project, ["A-1"], "fi")["A-1"].name == "Mekko"
    assert dict(found["B-1"].fields) == {"image_url": "https://shop.example/h.jpg", "price": 19.9}
    assert [one.product_id for one in catalogue.search(project, catalogue.Search.read("dress aalto", None, None))] == [
        "A-1"
    ]
