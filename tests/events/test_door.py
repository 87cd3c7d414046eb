"""The door's own steps, one at a time: what an event is worth, and which texts are addresses."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polku.events.arrival import Arrival, Call
from polku.events.door import Visit, amount, clean_url, privacy
from polku.events.refusals import Refusal
from polku.events.values import read_amount
from polku.sources import matomo, posthog, segment
from polku.sources.reading import encoded

VISIT = Visit("web")
#: What stands in the property, what it is worth, in which currency (None: none was told).
READ: list[tuple[Any, float | None, str | None]] = [
    ("12,5", 12.5, None), ("12.5", 12.5, None), ("1 234,50 €", 1234.5, "EUR"), ("$1,234.50", 1234.5, "USD"),
    ("1.234,50", 1234.5, None), ("(5.00)", -5.0, None), ("", None, None), (None, None, None),
]  # fmt: skip
REFUSED = [
    ("free", Refusal.UNREADABLE_VALUE), ("1,299", Refusal.UNREADABLE_VALUE), (True, Refusal.UNREADABLE_VALUE),
    ([1], Refusal.UNREADABLE_VALUE), (10**400, Refusal.UNREADABLE_VALUE), ("9" * 60, Refusal.UNREADABLE_VALUE),
    ("NaN", Refusal.VALUE_NOT_FINITE), ("1e999", Refusal.VALUE_NOT_FINITE),
]  # fmt: skip


@pytest.mark.parametrize(("given_", "worth", "currency"), READ)
def test_an_amount_that_came_as_text(given_: Any, worth: float | None, currency: str | None) -> None:
    for name in ("revenue", "total", "value"):
        arrival = Arrival(event="Order Completed", properties={name: given_})
        assert amount(arrival, VISIT) is None
        assert (arrival.value, arrival.currency) == (worth, currency)
        assert arrival.properties[name] == (given_ if worth is None else worth), "the map's own property is read too"


@pytest.mark.parametrize(("given_", "reason"), REFUSED)
def test_an_order_without_a_readable_worth_is_refused(given_: Any, reason: Refusal) -> None:
    assert amount(Arrival(event="Order Completed", properties={"revenue": given_, "total": 5}), VISIT) is reason
    colour = Arrival(event="Filter Set", properties={"value": given_})
    assert amount(colour, VISIT) is None, "a value may be anything"
    assert (colour.value, colour.properties) == (None, {"value": given_})


@pytest.mark.parametrize(
    ("said", "code", "refused"),
    [("€", "EUR", None), ("euroa", "EUR", None), ("kpl", None, Refusal.UNKNOWN_CURRENCY), ("", None, None)],
)
def test_a_currency_that_is_no_code(said: str, code: str | None, refused: Refusal | None) -> None:
    arrival = Arrival(event="Order Completed", value=5.0, properties={"revenue": 5, "currency": said})
    assert amount(arrival, VISIT) is refused
    assert arrival.currency == code
    assert amount(Arrival(event="Filter Set", properties={"currency": said}), VISIT) is None, "nothing is worth it"


@given(st.text(max_size=20) | st.floats(0, 1e6).map(lambda x: f"{x:.2f}".replace(".", ",")))
@settings(deadline=None)
def test_live_events_are_read_as_imports_are(text: str) -> None:
    arrival = Arrival(event="Order Completed", properties={"revenue": text})
    refused = amount(arrival, VISIT)
    imported = read_amount(text) if text else None
    if imported is None or imported.refused:
        assert (refused is not None) == bool(text)
    else:
        assert (refused, arrival.value) == (None, imported.number)


@pytest.mark.parametrize("kind", ["track", "page"])
@pytest.mark.parametrize(
    ("given", "found"), [("eur", "EUR"), ("€", "EUR"), ("XYZ", None), ("points", None), ("", ""), (978, "")]
)
def test_an_amount_in_no_currency_is_refused(kind: str, given: str | int, found: str | None) -> None:
    body = encoded({"event": "x", "name": "x", "userId": "u", "properties": {"value": 5, "currency": given}})
    (arrival,) = segment.parse(Call(method="POST", path=f"/v1/{kind}", body=body)).events
    assert amount(arrival, VISIT) is (Refusal.UNKNOWN_CURRENCY if found is None else None)
    assert arrival.currency == (found or None)


def test_every_protocol_hands_the_text_on() -> None:
    order = {"revenue": "12,50 €", "total": 99, "order_id": "A7"}
    body = encoded({"event": "Order Completed", "userId": "u", "properties": order})
    (first,) = segment.parse(Call(method="POST", path="/v1/track", body=body)).events
    body = encoded({"event": "Order Completed", "distinct_id": "u", "api_key": "k", "properties": order})
    (second,) = posthog.parse(Call(method="POST", path="/i/v0/e/", body=body)).events
    (third,) = matomo.parse(
        Call(method="GET", path="/matomo.php", query="idsite=1&rec=1&idgoal=0&ec_id=A7&revenue=12,5")
    ).events
    (broken,) = matomo.parse(
        Call(method="GET", path="/matomo.php", query="idsite=1&rec=1&idgoal=0&ec_id=A7&revenue=12.5&ec_tx=x")
    ).events
    for arrival in (first, second, third):
        assert amount(arrival, VISIT) is None
        assert arrival.value == 12.5
    assert amount(broken, VISIT) is Refusal.UNREADABLE_VALUE


def test_what_a_company_earns_is_no_money_of_ours() -> None:
    body = encoded({"groupId": "acme", "userId": "u", "traits": {"revenue": 5_000_000}})
    (group,) = segment.parse(Call(method="POST", path="/v1/group", body=body)).events
    assert group.value is None
    assert amount(group, VISIT) is None
    assert (group.value, group.properties) == (None, {"revenue": 5_000_000})


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("?", "?"), ("? mitä tämä maksaa", "? mitä tämä maksaa"), ("?? 1 = 1", "?? 1 = 1"), ("?kysymys", "?kysymys"),
        ("?q=red dress&token=x", ""), ("?email=a%40b.fi", ""), ("?utm_source=ig&sid=1", "?utm_source=ig"),
        ("?a[0]=1&size=M", "?size=M"), ("/p?token=x", "/p"), ("https://shop.fi/?x=1#a=b", "https://shop.fi/"),
    ],
)  # fmt: skip
def test_which_texts_lose_their_parameters(text: str, left: str) -> None:
    assert clean_url(text, frozenset({"size"})) == left
    arrival = Arrival(
        event="Question Asked", properties={"text": text, "list": [text]}, context={"page": {"search": text}}
    )
    assert privacy(arrival, Visit("web", parameters=frozenset({"size"}))) is None
    assert (arrival.properties, arrival.context) == ({"text": left, "list": [left]}, {"page": {"search": left}})
