"""Web hooks: the examples on bodies as the senders' documentation has them, proofs, mappings that do not fit."""

from __future__ import annotations

import base64
import hmac
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polku.cli.hooks import EXAMPLES, example_text
from polku.errors import NoSecret, NoSuchHook, Unproven, Unreadable
from polku.events.arrival import Arrival, Call, Dropped, Outcome
from polku.events.refusals import Refusal
from polku.record.hooksettings import Hook, read_hooks
from polku.record.settings import SettingsError, read_settings
from polku.sources.hooks import Hooks, Misfit, mapped
from polku.sources.names import canonical

SAMPLES = Path(__file__).parent / "hooks"
NOW = 1_795_687_200_000_000
SECRET = "s3cret"
FORM = {"content-type": "application/x-www-form-urlencoded"}
HEADERS = {"shopify": {"x-shopify-topic": "orders/create"}, "mailchimp": FORM}


def hooks_of(text: str) -> tuple[Hook, ...]:
    hooks, faults = read_hooks(tomllib.loads(text)["hooks"])
    assert faults == []
    return hooks


def hook(signature: str = '"bearer"', **fields: str) -> Hook:
    lines = [f"{name} = {json.dumps(expression)}" for name, expression in {"event": "'x'", **fields}.items()]
    return hooks_of(f'[[hooks]]\nname = "h"\nsignature = {signature}\n' + "\n".join(lines))[0]


def digest(body: bytes, kind: str = "sha256") -> bytes:
    return hmac.new(SECRET.encode(), body, kind).digest()


def in_base64(body: bytes) -> str:
    return base64.b64encode(digest(body)).decode()


def of_stripe(body: bytes, at: int = NOW // 1_000_000) -> str:
    return f"v0=x,t={at},v1={'0' * 64},v1={digest(f'{at}.'.encode() + body).hex()}"


#: How each sender signs a body: headers, query.
PROOFS: dict[str, Callable[[bytes], tuple[dict[str, str], str]]] = {
    "woocommerce": lambda body: ({"x-wc-webhook-signature": in_base64(body)}, ""),
    "shopify": lambda body: ({"x-shopify-hmac-sha256": in_base64(body)}, ""),
    "stripe": lambda body: ({"stripe-signature": of_stripe(body)}, ""),
    "brevo": lambda body: ({"authorization": f"Bearer {SECRET}"}, ""),
    "mailchimp": lambda body: ({}, f"key={SECRET}"),
}
ORDER = {"order_id", "total", "revenue", "tax", "shipping", "discount", "coupon", "products"}
#: What each sample is.
WANTED: dict[str, dict[str, Any]] = {
    "woocommerce": {"event": "Order Completed", "user_id": "26", "value": 39.8, "currency": "EUR", "channel": "web",
                    "time": 1_795_685_288_000_000, "message_id": "woocommerce:727-processing"},
    "shopify": {"event": "Order Completed", "user_id": "115310627314723954", "value": 39.8, "currency": "EUR",
                "time": 1_795_685_282_000_000, "channel": "web",
                "message_id": "shopify:orders/create-820982911946154508"},
    "stripe": {"event": "Order Completed", "user_id": "cus_9s6XKzkNRiz8i3", "value": 52.8, "currency": "EUR",
               "message_id": "stripe:evt_1MqqbKLt4dXK03v5qaIbiNCC"},
    "brevo": {"event": "Email Clicked", "user_id": None, "channel": "email", "time": 1_795_685_282_000_000},
    "mailchimp": {"event": "Email Subscribed", "user_id": None, "channel": "email", "time": 1_795_685_282_000_000},
}  # fmt: skip


def sample(name: str) -> bytes:
    (file,) = SAMPLES.glob(f"{name}.*")
    return file.read_bytes()


def sent(name: str, body: bytes, **changed: str) -> Call:
    headers, query = PROOFS[name](body)
    headers = {**HEADERS.get(name, {}), **headers, **changed}
    return Call(method="POST", path=f"/hooks/{name}", query=query, headers=headers, body=body, received_at=NOW)


def door(*names: str) -> Hooks:
    told = tuple(hooks_of(example_text(name))[0] for name in names)
    return Hooks(told, {h.secret: SECRET for h in told})


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_reads_its_senders_message(name: str) -> None:
    parsed = door(name).parse(sent(name, sample(name)))
    assert (parsed.proven, parsed.dropped, parsed.places) == (name, [], [0])
    (found,) = parsed.events
    assert {word: getattr(found, word) for word in WANTED[name]} == WANTED[name]
    assert found.context["traits"]["email"] == "anna@example.fi"
    assert "@" not in (found.message_id or "")
    if name in ("woocommerce", "shopify"):
        assert set(found.properties) >= ORDER
        (product,) = found.properties["products"]
        assert (product["sku"], product["name"], product["quantity"], product["price"]) == ("K1", "Hattu", 2, 19.9)
    if name == "shopify":
        assert found.context["campaign"] == {"source": "meta"}
    if name == "mailchimp":
        assert found.context["consent"] == {"categoryPreferences": {"email": True}}


def test_the_names_of_the_examples_are_events() -> None:
    own = {"Order Fulfilled", "Trial Ending"}
    for name in EXAMPLES:
        for event in hooks_of(example_text(name))[0].names.values():
            assert event in own or canonical(event) == event


def test_the_same_message_again_has_the_same_id() -> None:
    ids = {door("brevo").parse(sent("brevo", sample("brevo"))).events[0].message_id for _ in range(2)}
    assert len(ids) == 1


@pytest.mark.parametrize("name", EXAMPLES)
def test_nobody_else_gets_in(name: str) -> None:
    body = sample(name)
    good = sent(name, body)
    hooks = door(name)
    forged = [
        Call(method="POST", path=good.path, headers=HEADERS.get(name, {}), body=body, received_at=NOW),
        Call(method="POST", path=good.path, query="key=other", body=body, received_at=NOW,
             headers={k: v[:-1] + ("A" if v[-1] != "A" else "B") for k, v in good.headers.items()}),
    ]  # fmt: skip
    if name not in ("brevo", "mailchimp"):  # the others sign nothing of the body
        forged.append(Call(method="POST", path=good.path, headers=good.headers, body=body + b" ", received_at=NOW))
    for call in forged:
        with pytest.raises(Unproven) as fault:
            hooks.parse(call)
        assert fault.value.status == 401
        assert SECRET not in str(fault.value)


def test_an_old_signature_is_none() -> None:
    body = sample("stripe")
    for seconds, good in ((-299, True), (-301, False), (299, True), (301, False)):
        signed = of_stripe(body, NOW // 1_000_000 + seconds)
        call = sent("stripe", body, **{"stripe-signature": signed})
        if good:
            assert door("stripe").parse(call).events
        else:
            with pytest.raises(Unproven):
                door("stripe").parse(call)


#: (signature of polku.toml, headers that prove the body).
OWN: list[tuple[str, Callable[[bytes], dict[str, str]]]] = [
    ('"github"', lambda body: {"x-hub-signature-256": "sha256=" + digest(body).hex()}),
    ('"slack"', lambda body: {"x-slack-request-timestamp": str(NOW // 1_000_000),
                              "x-slack-signature": "v0=" + digest(f"v0:{NOW // 1_000_000}:".encode() + body).hex()}),
    ('"basic"', lambda body: {"authorization": "Basic " + base64.b64encode(SECRET.encode()).decode()}),
    ('{header = "X-Sign", algorithm = "sha512", encoding = "base64"}',
     lambda body: {"x-sign": base64.b64encode(digest(body, "sha512")).decode()}),
    ('{header = "X-Sign", algorithm = "sha1", prefix = "sha1="}',
     lambda body: {"x-sign": "sha1=" + digest(body, "sha1").hex()}),
    ('{header = "X-Sign", signed = "{timestamp}|{body}", timestamp = "X-Time", tolerance = 60}',
     lambda body: {"x-time": str(NOW // 1_000_000 - 50),
                   "x-sign": digest(f"{NOW // 1_000_000 - 50}|".encode() + body).hex()}),
]  # fmt: skip


@pytest.mark.parametrize(("signature", "headers"), OWN)
def test_ways_to_sign(signature: str, headers: Callable[[bytes], dict[str, str]]) -> None:
    hooks = Hooks((hook(signature),), {"POLKU_HOOK_H": SECRET})
    body = b'{"a": 1}'
    call = Call(method="POST", path="/hooks/h", headers=headers(body), body=body, received_at=NOW)
    assert [e.event for e in hooks.parse(call).events] == ["x"]
    wrong = {k: v[:-3] + "000" for k, v in headers(b"other").items()}
    with pytest.raises(Unproven):
        hooks.parse(Call(method="POST", path="/hooks/h", headers=wrong, body=body, received_at=NOW))


def test_secrets_stand_in_the_environment_or_a_file(tmp_path: Path) -> None:
    body, call = b"{}", {"authorization": f"Bearer {SECRET}"}
    asked = Call(method="POST", path="/hooks/h", headers=call, body=body, received_at=NOW)
    (tmp_path / "secret").write_text(SECRET + "\n", encoding="utf-8")
    assert Hooks((hook(),), {"POLKU_HOOK_H_FILE": str(tmp_path / "secret")}).parse(asked).events
    for environment in ({}, {"POLKU_HOOK_H": ""}, {"POLKU_HOOK_H_FILE": str(tmp_path / "none")}):
        with pytest.raises(NoSecret) as fault:
            Hooks((hook(),), environment).parse(asked)
        assert fault.value.status == 503


def test_names_and_methods() -> None:
    for path in ("/hooks/", "/hooks/other", "/hooks/../h", "/hooks/h/x", "/hooks/%68"):
        with pytest.raises(NoSuchHook):
            Hooks((hook(),), {}).parse(Call(method="POST", path=path))
    assert Hooks((hook(),), {}).parse(Call(method="GET", path="/hooks/h")).events == []


def events(hook: Hook, body: Any, headers: dict[str, str] | None = None) -> list[Any]:
    return [m if isinstance(m, Misfit) else m[1] for m in mapped(hook, body, headers or {}, NOW)]


def test_one_message_of_many_events() -> None:
    found = events(hook(each="orders[]", event="kind", value="sum", user_id="body().who", id="no"), {
        "who": "u1", "orders": [{"kind": "a", "sum": "5.5", "no": 1}, {"kind": None}, {"kind": "b", "sum": "x"}],
    })  # fmt: skip
    assert (found[0].event, found[0].value, found[0].user_id, found[0].message_id) == ("a", 5.5, "u1", "h:1")
    assert [(m.reason, m.field, m.place) for m in found[1:]] == [
        (Refusal.NO_EVENT, "event", 1), (Refusal.UNREADABLE_VALUE, "value", 2),
    ]  # fmt: skip
    assert json.loads(found[2].raw) == {"kind": "b", "sum": "x"}


#: (field, expression, body, reason).
MISFITS: list[tuple[str, str, Any, Refusal]] = [
    ("each", "a", {"a": 1}, Refusal.UNMAPPED),
    ("each", "join('-', a)", {"a": 1}, Refusal.UNMAPPED),
    ("when", "a", {"a": False}, Refusal.LEFT_OUT),
    ("event", "a", {}, Refusal.NO_EVENT),
    ("event", "a", {"a": [1]}, Refusal.UNMAPPED),
    ("time", "a", {"a": "soon"}, Refusal.UNREADABLE_TIME),
    ("value", "a", {"a": "5,0 kpl"}, Refusal.UNREADABLE_VALUE),
    ("value", "length(a)", {"a": None}, Refusal.UNMAPPED),
    ("currency", "a", {"a": "euros"}, Refusal.UNKNOWN_CURRENCY),
    ("user_id", "a", {"a": {"b": 1}}, Refusal.UNMAPPED),
    ("id", "to_string(a) && foo(a)", {"a": 1}, Refusal.UNMAPPED),
]


@pytest.mark.parametrize(("field", "expression", "body", "reason"), MISFITS)
def test_what_does_not_fit_is_told(field: str, expression: str, body: Any, reason: Refusal) -> None:
    (found,) = events(hook(**{field: expression}), body)
    assert (found.reason, found.field, found.expression) == (reason, field, expression)
    assert found.message


#: (expression over {"a": 1999, "b": "2.50", "c": "EUR", "j": "JPY", "n": null, "t": " X "}, what it gives).
FUNCTIONS: list[tuple[str, Any]] = [
    ("minor(a, c)", 19.99), ("minor(a, j)", 1999.0), ("minor(n, c)", None), ("minor(a, n)", None),
    ("divide(a, `100`)", 19.99), ("divide(a, `0`)", None), ("multiply(b, `2`)", 5.0), ("add(b, a)", 2001.5),
    ("subtract(b, `0.1`)", 2.4), ("subtract(b, n)", None), ("lower(c)", "eur"), ("lower(n)", None), ("trim(t)", "X"),
    ("when(a, c)", "EUR"), ("when(n, c)", None), ("when(a == `1`, `false`)", None),
    ("when(a == `1999`, `false`)", False),
    ("header('X-Topic')", "orders"), ("header('x-none')", None), ("body().a", 1999),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "wanted"), FUNCTIONS)
def test_functions(expression: str, wanted: Any) -> None:
    body = {"a": 1999, "b": "2.50", "c": "EUR", "j": "JPY", "n": None, "t": " X "}
    text = '[[hooks]]\nname = "h"\nsignature = "bearer"\nevent = "\'x\'"\n[hooks.properties]\np = ' + json.dumps(
        expression
    )
    (found,) = events(hooks_of(text)[0], body, {"x-topic": "orders"})
    assert found.properties == ({} if wanted is None else {"p": wanted})


#: (a hook's lines, where the fault is).
FAULTS: list[tuple[str, str]] = [
    ('name = "Ö"', "hooks.Ö"), ('name = "../x"', "hooks.../x"), ("x = 1", "hooks[0]"),
    ('name = "h"\nevnt = "x"', "hooks.h.evnt"), ('name = "h"\nvalue = "a["', "hooks.h.value"),
    ('name = "h"\nvalue = 5', "hooks.h.value"), ('name = "h"\nproperties = "x"', "hooks.h.properties"),
    ('name = "h"\nsignature = "shopfy"', "hooks.h.signature"), ('name = "h"', "hooks.h.signature"),
    ('name = "h"\nsignature = {algorithm = "md5"}', "hooks.h.signature.algorithm"),
    ('name = "h"\nsignature = {signed = "x"}', "hooks.h.signature.signed"),
    ('name = "h"\nsignature = {tolerance = "5"}', "hooks.h.signature.tolerance"),
    ('name = "h"\nsecret = "hunter2"', "hooks.h.secret"), ('name = "h"\nnames = {a = 1}', "hooks.h.names"),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "where"), FAULTS)
def test_a_mapping_that_cannot_be_is_told_when_the_settings_are_read(lines: str, where: str) -> None:
    with pytest.raises(SettingsError) as fault:
        read_settings(f"[[hooks]]\n{lines}")
    assert where in [name for name, _, _ in fault.value.faults]
    assert "hunter2" not in fault.value.text("fi")


def test_settings_carry_their_hooks() -> None:
    text = "\n".join(example_text(name) for name in EXAMPLES)
    assert [h.name for h in read_settings(text).hooks] == list(EXAMPLES)
    with pytest.raises(SettingsError, match="two hooks"):
        read_settings(example_text("shopify") * 2)


def test_answers() -> None:
    hooks = door("shopify")
    refused = Dropped(reason=Refusal.LEFT_OUT, raw=b"{}")
    answer = hooks.reply(Call(method="POST", path="/hooks/shopify"), hooks.parse(sent("shopify", sample("shopify"))),
                         Outcome(accepted=0, refused=(refused,)))  # fmt: skip
    assert (answer.status, json.loads(answer.body)) == (
        200,
        {"accepted": 0, "refused": [{"place": 0, "reason": "left_out"}]},
    )
    assert hooks.refuse(Call(method="POST", path="/hooks/shopify"), 503, "c", "m").status == 503


BODIES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["id", "status", "total", "type", "data", "object", "event", "email", "billing", "line_items",
                         "created", "created_at", "currency", "price", "merges", "customer",
                         "amount_total"]), inner, max_size=6),
)  # fmt: skip


@settings(deadline=None, max_examples=100)
@given(body=BODIES | st.binary(max_size=60), name=st.sampled_from(EXAMPLES))
def test_any_body_becomes_events_or_reasons(body: Any, name: str) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        parsed = door(name).parse(sent(name, raw))
    except Unreadable as fault:
        assert fault.status in (400, 401)  # noqa: PT017 (hypothesis: both ways are fine)
        return
    for arrival in parsed.events:
        assert isinstance(arrival, Arrival)
        json.dumps([arrival.properties, arrival.context], allow_nan=False)
