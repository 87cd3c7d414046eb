"""Matomo's tracking API as data: a request, and the events that it is."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from polku.errors import Unreadable
from polku.events.arrival import Call, Dropped, Outcome
from polku.events.refusals import Refusal
from polku.sources import matomo
from polku.sources.names import canonical

NOW = 1_795_687_200_000_000  # 2026-11-26 10:00 UTC
HOUR = 3_600_000_000
PAGE = {"url": "https://shop.fi/hats", "action_name": "Hats"}
AT = {"page": {"url": "https://shop.fi/hats", "path": "/hats"}}
ITEMS = json.dumps([["K1", "Hat", "Hats", 19.9, 2], ["K2", "Scarf", ["Wool", "Warm"], "5", "1"]])
PRODUCTS = [
    {"sku": "K1", "product_id": "K1", "name": "Hat", "category": "Hats", "price": 19.9, "quantity": 2.0},
    {"sku": "K2", "product_id": "K2", "name": "Scarf", "category": "Wool", "category2": "Warm", "price": 5.0,
     "quantity": 1.0},
]  # fmt: skip


def get(address: str = "", headers: dict[str, str] | None = None, **parameters: Any) -> Call:
    query = urlencode({"idsite": 1, "rec": 1, **parameters})
    return Call(method="GET", path="/matomo.php", query=query, headers=headers or {}, address=address, received_at=NOW)


def bulk(requests: list[Any], **whole: Any) -> Call:
    body = json.dumps({"requests": requests, **whole}).encode()
    return Call(method="POST", path="/matomo.php", body=body, received_at=NOW)


#: (parameters, canonical event, name in Matomo's words, what of the arrival is as stated).
EVENTS: list[tuple[dict[str, Any], str, str, dict[str, Any]]] = [
    ({**PAGE, "_id": "0123456789abcdef", "urlref": "https://google.com/", "pv_id": "p1", "pf_net": 10, "pf_srv": 90},
     "page", "page",
     {"kind": "page", "channel": "web", "anonymous_id": "0123456789abcdef", "user_id": None, "time": None,
      "properties": {"load_ms": 100.0, "page_view_id": "p1"},
      "context": {"page": {**AT["page"], "referrer": "https://google.com/", "title": "Hats"}}}),
    ({"url": "https://shop.fi/?pk_campaign=Summer&pk_kwd=hat&mtm_source=meta"}, "page", "page",
     {"context": {"page": {"url": "https://shop.fi/?pk_campaign=Summer&pk_kwd=hat&mtm_source=meta", "path": "/"},
                  "campaign": {"name": "Summer", "term": "hat", "source": "meta"}}}),
    ({**PAGE, "_rcn": "News", "_rck": "hat", "uid": "u1", "cid": "c" * 16, "_id": "d" * 16}, "page", "page",
     {"user_id": "u1", "anonymous_id": "c" * 16,
      "context": {"page": {**AT["page"], "title": "Hats"}, "campaign": {"name": "News", "term": "hat"}}}),
    ({**PAGE, "lang": "fi-FI,fi;q=0.9", "res": "1280x720", "ua": "Mozilla/5.0", "new_visit": 1,
      "dimension3": "gold", "cvar": '{"1":["plan","pro"]}', "_cvar": '{"1":["tier","vip"]}'}, "page", "page",
     {"properties": {"dimension3": "gold", "plan": "pro"},
      "context": {"page": {**AT["page"], "title": "Hats"}, "traits": {"tier": "vip"}, "userAgent": "Mozilla/5.0",
                  "locale": "fi-FI", "screen": {"width": 1280.0, "height": 720.0}, "new_visit": True}}),
    ({**PAGE, "e_c": "Video", "e_a": "Play", "e_n": "Intro", "e_v": "3.5"}, "Play", "Play",
     {"kind": "track", "properties": {"category": "Video", "name": "Intro", "value": 3.5}, "context": AT}),
    ({**PAGE, "e_c": "Shop", "e_a": "add_to_cart"}, "Product Added", "add_to_cart",
     {"properties": {"category": "Shop"}}),
    ({**PAGE, "search": "hats", "search_cat": "shop", "search_count": 0}, "Searched", "site search",
     {"properties": {"query": "hats", "category": "shop", "results": 0.0}}),
    ({**PAGE, "link": "https://other.fi"}, "Link Clicked", "outlink", {"properties": {"url": "https://other.fi"}}),
    ({**PAGE, "download": "https://shop.fi/a.pdf", "link": "https://shop.fi/a.pdf"}, "File Downloaded", "download",
     {"properties": {"url": "https://shop.fi/a.pdf"}}),
    ({**PAGE, "c_n": "Sale", "c_p": "a.png", "c_t": "/sale"}, "Promotion Viewed", "content impression",
     {"properties": {"name": "Sale", "creative": "a.png", "target": "/sale"}}),
    ({**PAGE, "c_n": "Sale", "c_i": "click"}, "Promotion Clicked", "content interaction", {}),
    ({**PAGE, "idgoal": 3, "revenue": "12.5"}, "Goal Reached", "Goal Reached",
     {"properties": {"goal": "3", "revenue": 12.5}, "value": 12.5}),
    ({**PAGE, "idgoal": 0, "ec_id": "A7", "revenue": "50.8", "ec_st": 44.8, "ec_tx": "8.7", "ec_sh": 6, "ec_dt": 0,
      "ec_items": ITEMS}, "Order Completed", "ecommerce order",
     {"value": 36.1, "context": AT,
      "properties": {"order_id": "A7", "total": 50.8, "subtotal": 44.8, "tax": 8.7, "shipping": 6.0, "discount": 0.0,
                     "revenue": 36.1, "products": PRODUCTS}}),
    ({**PAGE, "idgoal": 0, "ec_id": 7, "revenue": 10, "ec_items": "[[broken"}, "Order Completed", "ecommerce order",
     {"value": 10.0, "properties": {"order_id": "7", "total": 10.0, "revenue": 10.0, "ec_items": "[[broken"}}),
    ({**PAGE, "idgoal": 0, "revenue": 44.8, "ec_items": ITEMS}, "Product Added", "ecommerce cart update",
     {"value": None, "properties": {"total": 44.8, "products": PRODUCTS}}),
    ({**PAGE, "idgoal": 0, "revenue": 0, "ec_items": "[]"}, "Product Removed", "ecommerce cart emptied",
     {"value": None, "properties": {"total": 0.0, "products": []}}),
]  # fmt: skip


@pytest.mark.parametrize(("parameters", "event", "original", "wanted"), EVENTS)
def test_an_event(parameters: dict[str, Any], event: str, original: str, wanted: dict[str, Any]) -> None:
    parsed = matomo.parse(get(**parameters))
    assert (parsed.site, parsed.key, parsed.dropped) == ("1", None, [])
    (found,) = parsed.events
    assert (found.event, canonical(found.event)) == (original, event)
    assert {name: getattr(found, name) for name in wanted} == wanted


def test_a_form_is_as_good_as_a_query() -> None:
    body = urlencode({"rec": 1, **PAGE}).encode()
    sent = Call(method="POST", path="/piwik.php", query="idsite=4", body=body, received_at=NOW)
    assert matomo.parse(sent).site == "4"
    assert matomo.parse(sent).events[0].context["page"]["title"] == "Hats"


@pytest.mark.parametrize(
    ("shown", "event", "properties"),
    [
        ({"_pks": "K1", "_pkn": "Hat", "_pkc": '["Hats","Wool"]', "_pkp": "19.90"}, "Product Viewed",
         {"sku": "K1", "product_id": "K1", "name": "Hat", "category": "Hats", "category2": "Wool", "price": 19.9}),
        ({"_pkc": "Hats"}, "Product List Viewed", {"category": "Hats"}),
    ],
)  # fmt: skip
def test_a_page_that_shows_a_product_is_two_events(
    shown: dict[str, str], event: str, properties: dict[str, Any]
) -> None:
    parsed = matomo.parse(get(**PAGE, **shown, _id="0123456789abcdef"))
    page, product = parsed.events
    assert (page.event, product.event, product.properties) == ("page", event, properties)
    assert page.anonymous_id == product.anonymous_id == "0123456789abcdef"
    assert product.context["page"]["path"] == "/hats"
    assert parsed.places == [0, 0]


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"ca": 1}, Refusal.NO_EVENT),
        ({}, Refusal.NO_EVENT),
        ({**PAGE, "cdt": "yesterday"}, Refusal.UNREADABLE_TIME),
        ({**PAGE, "cdt": "2026-11-25 09:59:59"}, Refusal.UNPROVEN_TIME),
    ],
)
def test_what_is_no_event_has_a_reason(parameters: dict[str, Any], reason: Refusal) -> None:
    parsed = matomo.parse(get(**parameters))
    assert parsed.events == []
    assert [Refusal(d.reason) for d in parsed.dropped] == [reason]
    assert json.loads(parsed.dropped[0].raw)["idsite"] == "1"


def test_times_of_the_sender() -> None:
    assert matomo.parse(get(**PAGE, cdt="2026-11-26 09:00:00")).events[0].time == NOW - HOUR
    assert matomo.parse(get(**PAGE, cdt=(NOW - 2 * HOUR) // 1_000_000)).events[0].time == NOW - 2 * HOUR
    old = matomo.parse(get(**PAGE, cdt="2020-01-01 00:00:00", token_auth="k"))
    assert (old.key, old.events[0].time) == ("k", 1_577_836_800_000_000)


def test_a_heart_beat_is_no_event() -> None:
    parsed = matomo.parse(get(**PAGE, ping=1, _id="0123456789abcdef"))
    assert (parsed.events, parsed.dropped) == ([], [])


def test_agents_and_addresses() -> None:
    headers = {"user-agent": "Googlebot/2.1", "accept-language": "sv;q=0.8"}
    (found,) = matomo.parse(get("192.0.2.1", headers, **PAGE, cip="198.51.100.9", country="fi")).events
    assert (found.context["userAgent"], found.context["locale"]) == ("Googlebot/2.1", "sv")
    assert (found.context["ip"], "location" in found.context) == ("192.0.2.1", False)
    (found,) = matomo.parse(get("192.0.2.1", headers, **PAGE, cip="198.51.100.9", country="fi", token_auth="k")).events
    assert (found.context["ip"], found.context["location"]) == ("198.51.100.9", {"country": "fi"})
    assert "userAgent" not in matomo.parse(get("", headers, **PAGE, bots=1)).events[0].context


def test_a_request_sent_twice_has_one_id_and_others_have_none() -> None:
    first, again, other = (
        matomo.parse(get(**PAGE, rand="482913", pv_id=view, token_auth=token)).events[0].message_id
        for view, token in (("aaaaaa", "k"), ("aaaaaa", "other"), ("bbbbbb", "k"))
    )
    assert first is not None
    assert first == again != other
    assert matomo.parse(get(**PAGE, rand="482913")).events[0].message_id is None
    assert matomo.parse(get(**PAGE, rand="1", pv_id="aaaaaa")).events[0].message_id is None
    two = [e.message_id for e in matomo.parse(get(**PAGE, _pks="K1", rand="482913", pv_id="aaaaaa")).events]
    assert len(set(two)) == 2


def test_bulk() -> None:
    page = urlencode({"rec": 1, **PAGE})
    sent = bulk(
        [f"?idsite=2&{page}", {"idsite": 2, "rec": 1, **PAGE}, 5, f"?idsite=3&{page}", f"?{page}", "?idsite=2&ca=1"],
        token_auth="k",
    )
    parsed = matomo.parse(sent)
    assert (parsed.key, parsed.site, parsed.places) == ("k", "2", [0, 1])
    assert [e.context["page"]["path"] for e in parsed.events] == ["/hats", "/hats"]
    assert [(d.place, Refusal(d.reason)) for d in parsed.dropped] == [
        (2, Refusal.NOT_AN_OBJECT), (3, Refusal.OTHER_SITE), (4, Refusal.NO_SOURCE), (5, Refusal.NO_EVENT),
    ]  # fmt: skip
    answer = json.loads(matomo.reply(sent, parsed, Outcome(accepted=2, refused=tuple(parsed.dropped))).body)
    assert answer == {"status": "success", "tracked": 2, "invalid": 4, "invalid_indices": [2, 3, 4, 5]}


def test_the_pixel() -> None:
    sent = get(**PAGE)
    answer = matomo.reply(sent, matomo.parse(sent), Outcome(accepted=1))
    assert (answer.status, answer.content_type, answer.body[:6]) == (200, "image/gif", b"GIF89a")
    assert ("Cache-Control", "no-store") in answer.headers
    sent = get(**PAGE, send_image=0)
    answer = matomo.reply(sent, matomo.parse(sent), Outcome(accepted=1))
    assert (answer.status, answer.body) == (204, b"")
    looked = Call(method="GET", path="/matomo.php")
    assert matomo.reply(looked, matomo.parse(looked), Outcome(accepted=0)).status == 200
    refused = Dropped(reason=Refusal.NO_EVENT, raw=b"")
    assert matomo.reply(get(), matomo.parse(get()), Outcome(accepted=0, refused=(refused,))).status == 200
    assert matomo.refuse(sent, 503, "full", "later").status == 503


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("rec=1&url=x", b""),
        ("", b'{"requests": 5}'),
        ("", b'{"requests": ["?rec=1"]}'),
        ("", b"{"),
        ("", b"[" * 100_000),
        ("&".join(f"a{i}=1" for i in range(3000)), b""),
    ],
)
def test_what_nothing_can_be_read_of(query: str, body: bytes) -> None:
    with pytest.raises(Unreadable):
        matomo.parse(Call(method="POST", path="/matomo.php", query=query, body=body, received_at=NOW))
