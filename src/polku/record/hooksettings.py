"""``[[hooks]]`` of ``polku.toml``: web hooks that other systems send, how they prove who they are, what they become.

Every part of the mapping is a JMESPath expression over the body (jmespath.org; a constant stands in single quotes),
with the functions of :class:`Functions` besides the standard ones.

>>> hooks, faults = read_hooks([{"name": "tills", "signature": "bearer", "event": "'Order Completed'", "value": "sum"}])
>>> hooks[0].fields["value"], faults
('sum', [])
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, Literal

import jmespath
from babel.numbers import get_currency_precision
from jmespath import functions
from jmespath.exceptions import JMESPathError

from polku.errors import nearest
from polku.language import N_

#: (where, what is wrong, facts), as in ``settings``.
Fault = tuple[str, str, dict[str, Any]]
NAME = re.compile(r"^[a-z0-9][a-z0-9_-]{0,59}$")
Scheme = Literal["hmac", "bearer", "basic", "query"]


@dataclasses.dataclass(frozen=True, slots=True)
class Signature:
    """How a sender proves who it is.

    ``hmac``: ``header`` holds the HMAC of ``signed`` (``{body}``, ``{timestamp}``) by ``algorithm``, in ``encoding``,
    behind ``prefix``; with a ``timestamp`` header it is refused when it is older than ``tolerance`` seconds. Where
    ``header`` has parts like Stripe's ``t=1,v1=abc``, ``part`` and ``timestamp_part`` name them. ``bearer`` and
    ``basic``: the secret stands in Authorization. ``query``: in the parameter ``parameter`` of the address, for senders
    that can do nothing else.
    """

    scheme: Scheme = "hmac"
    header: str = "x-signature"
    algorithm: str = "sha256"
    encoding: str = "hex"
    prefix: str = ""
    signed: str = "{body}"
    timestamp: str = ""
    tolerance: int = 300
    part: str = ""
    timestamp_part: str = ""
    parameter: str = "key"


ALGORITHMS, ENCODINGS, SCHEMES = ("sha256", "sha512", "sha1"), ("hex", "base64"), ("hmac", "bearer", "basic", "query")
#: How known senders sign, by their documentation.
PRESETS: dict[str, Signature] = {
    "shopify": Signature(header="x-shopify-hmac-sha256", encoding="base64"),
    "woocommerce": Signature(header="x-wc-webhook-signature", encoding="base64"),
    "stripe": Signature(header="stripe-signature", signed="{timestamp}.{body}", part="v1", timestamp_part="t"),
    "github": Signature(header="x-hub-signature-256", prefix="sha256="),
    "slack": Signature(
        header="x-slack-signature", prefix="v0=", signed="v0:{timestamp}:{body}", timestamp="x-slack-request-timestamp"
    ),
    "bearer": Signature(scheme="bearer"),
    "basic": Signature(scheme="basic"),
    "query": Signature(scheme="query"),
}
#: Expressions that give one text, number or time of an event.
FIELDS = (
    "each", "when", "event", "id", "time", "user_id", "anonymous_id", "account_id", "session_id", "email", "phone",
    "value", "currency", "channel",
)  # fmt: skip
#: Tables of expressions.
TABLES = ("properties", "traits", "campaign", "page", "consent")


@dataclasses.dataclass(frozen=True, slots=True)
class Hook:
    """One hook, checked. ``fields`` and ``tables`` hold expressions; ``names`` turns what ``event`` gives into names,
    and what it does not name is left out; ``secret`` is a variable of the environment, never the secret itself."""

    name: str
    source: str
    secret: str
    signature: Signature
    fields: Mapping[str, str]
    tables: Mapping[str, Mapping[str, str]]
    names: Mapping[str, str]


class Functions(functions.Functions):  # type: ignore[misc]  # jmespath has no types
    """What mappings need and JMESPath lacks. ``header(name)``: a header of the request; ``body()``: the whole body
    inside ``each``; ``minor(amount, currency)``: an amount in the currency's smallest unit as an amount (Stripe's 1999
    of EUR is 19.99); ``divide``, ``multiply``, ``add``, ``subtract`` (of numbers or texts of them); ``lower``,
    ``trim``; ``when(condition, value)``: null where the condition does not hold."""

    def __init__(self, body: Any = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.whole, self.headers = body, headers or {}

    @functions.signature({"types": ["string"]})  # type: ignore[untyped-decorator]
    def _func_header(self, name: str) -> str | None:
        return self.headers.get(name.lower())

    @functions.signature()  # type: ignore[untyped-decorator]
    def _func_body(self) -> Any:
        return self.whole

    @functions.signature({"types": ["number", "string", "null"]}, {"types": ["string", "null"]})  # type: ignore[untyped-decorator]
    def _func_minor(self, amount: Any, currency: str | None) -> float | None:
        number = as_number(amount)
        if number is None or currency is None:
            return None
        digits = int(get_currency_precision(currency.upper()))
        return float(round(number / 10**digits, digits))

    @functions.signature({"types": ["number", "string", "null"]}, {"types": ["number", "string", "null"]})  # type: ignore[untyped-decorator]
    def _func_divide(self, left: Any, right: Any) -> float | None:
        return both(left, right, lambda a, b: a / b if b else None)

    @functions.signature({"types": ["number", "string", "null"]}, {"types": ["number", "string", "null"]})  # type: ignore[untyped-decorator]
    def _func_multiply(self, left: Any, right: Any) -> float | None:
        return both(left, right, lambda a, b: a * b)

    @functions.signature({"types": ["number", "string", "null"]}, {"types": ["number", "string", "null"]})  # type: ignore[untyped-decorator]
    def _func_add(self, left: Any, right: Any) -> float | None:
        return both(left, right, lambda a, b: a + b)

    @functions.signature({"types": ["number", "string", "null"]}, {"types": ["number", "string", "null"]})  # type: ignore[untyped-decorator]
    def _func_subtract(self, left: Any, right: Any) -> float | None:
        return both(left, right, lambda a, b: a - b)

    @functions.signature({"types": []}, {"types": []})  # type: ignore[untyped-decorator]
    def _func_when(self, condition: Any, value: Any) -> Any:
        holds = condition is not None and condition is not False and condition not in ("", [], {})  # as JMESPath's "&&"
        return value if holds else None

    @functions.signature({"types": ["string", "null"]})  # type: ignore[untyped-decorator]
    def _func_lower(self, text: str | None) -> str | None:
        return None if text is None else text.lower()

    @functions.signature({"types": ["string", "null"]})  # type: ignore[untyped-decorator]
    def _func_trim(self, text: str | None) -> str | None:
        return None if text is None else text.strip()


def as_number(value: Any) -> float | None:
    """A number or a text of one; None for anything else."""
    try:
        return None if value is None or isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None


def both(left: Any, right: Any, work: Any) -> float | None:
    """``work`` of two numbers, rounded where binary fractions would show; None where one is none."""
    a, b = as_number(left), as_number(right)
    if a is None or b is None:
        return None
    found = work(a, b)
    return None if found is None else round(found, 9)


# -- reading ----------------------------------------------------------------------------------------------------------


def read_hooks(given: Any, prefix: str = "hooks") -> tuple[tuple[Hook, ...], list[Fault]]:
    """The hooks of ``[[hooks]]`` and every fault of them."""
    faults: list[Fault] = []
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        return (), [(prefix, N_("this is a list; begin each with [[{key}]]"), {"key": "hooks"})]
    hooks: list[Hook] = []
    for at, one in enumerate(given):
        name = one.get("name")
        where = f"{prefix}.{name}" if isinstance(name, str) and name else f"{prefix}[{at}]"
        hook = _hook(one, where, faults)
        if hook is None:
            continue
        if any(h.name == hook.name for h in hooks):
            faults.append((where, N_("there are two hooks of this name"), {}))
        hooks.append(hook)
    return tuple(hooks), faults


def _hook(given: dict[str, Any], where: str, faults: list[Fault]) -> Hook | None:
    known = ("name", "source", "secret", "signature", "names", *FIELDS, *TABLES)
    for key in given:
        if key not in known:
            _unknown(f"{where}.{key}", key, known, faults)
    name = given.get("name")
    if not isinstance(name, str) or not NAME.match(name):
        faults.append((where, N_("a hook needs a name of a-z, 0-9, - and _; it stands in its address"), {}))
        return None
    fields, tables = {}, {}
    for key in FIELDS:
        if key in given and _fits(f"{where}.{key}", given[key], faults):
            fields[key] = given[key]
    for key in TABLES:
        table = given.get(key, {})
        if not isinstance(table, dict):
            faults.append((f"{where}.{key}", N_("this is a table of names and expressions"), {}))
            continue
        tables[key] = {str(k): v for k, v in table.items() if _fits(f"{where}.{key}.{k}", v, faults)}
    if "event" not in given:
        faults.append(
            (f"{where}.event", N_("say which event it is: a constant in single quotes, or an expression"), {})
        )
    names = given.get("names", {})
    if not isinstance(names, dict) or not all(isinstance(v, str) and v for v in names.values()):
        faults.append((f"{where}.names", N_("this is a table of the sender's names and the events that they are"), {}))
        names = {}
    texts = {}
    for key, default in (("source", name), ("secret", "POLKU_HOOK_" + name.upper().replace("-", "_"))):
        texts[key] = given.get(key, default)
        if not isinstance(texts[key], str) or not texts[key]:
            faults.append(
                (f"{where}.{key}", N_("{value} does not fit: write a text in quotes"), {"value": repr(texts[key])})
            )
    if isinstance(texts["secret"], str) and not re.fullmatch(r"[A-Z][A-Z0-9_]{2,99}", texts["secret"]):
        said = N_(
            "this names a variable of the environment that holds the secret (POLKU_HOOK_...); never the secret itself"
        )
        faults.append((f"{where}.secret", said, {}))
    signature = _signature(given.get("signature"), f"{where}.signature", faults)
    return Hook(name, str(texts["source"]), str(texts["secret"]), signature, fields, tables, names)


def _fits(where: str, expression: Any, faults: list[Fault]) -> bool:
    if not isinstance(expression, str) or not expression.strip():
        faults.append((where, N_("write a JMESPath expression in quotes"), {}))
        return False
    try:
        jmespath.compile(expression)
    except JMESPathError as fault:
        told = " ".join(str(fault).split())
        faults.append((where, N_("{expression} is not JMESPath: {fault}"), {"expression": expression, "fault": told}))
        return False
    return True


def _signature(given: Any, where: str, faults: list[Fault]) -> Signature:
    if given is None:
        said = N_("say how the sender proves who it is: one of {presets}, or a table with header, algorithm, encoding")
        faults.append((where, said, {"presets": ", ".join(PRESETS)}))
        return Signature()
    if isinstance(given, str):
        if given not in PRESETS:
            _unknown(where, given, tuple(PRESETS), faults)
        return PRESETS.get(given, Signature())
    if not isinstance(given, dict):
        faults.append((where, N_("{value} does not fit: choose one of {allowed}"),
                       {"value": repr(given), "allowed": ", ".join(PRESETS)}))  # fmt: skip
        return Signature()
    known = {f.name: f for f in dataclasses.fields(Signature)}
    values: dict[str, Any] = {}
    allowed = {"scheme": SCHEMES, "algorithm": ALGORITHMS, "encoding": ENCODINGS}
    for key, value in given.items():
        if key not in known:
            _unknown(f"{where}.{key}", key, tuple(known), faults)
        elif type(value) is not (int if key == "tolerance" else str):
            faults.append(
                (f"{where}.{key}", N_("{value} does not fit: write a text in quotes"), {"value": repr(value)})
            )
        elif key in allowed and value not in allowed[key]:
            facts = {"value": repr(value), "allowed": ", ".join(allowed[key])}
            faults.append((f"{where}.{key}", N_("{value} does not fit: choose one of {allowed}"), facts))
        else:
            values[key] = str(value).lower() if key in ("header", "timestamp") else value
    signature = Signature(**values)
    if "{body}" not in signature.signed:
        faults.append((f"{where}.signed", N_("what is signed must hold {{body}}"), {}))
    return signature


def _unknown(where: str, word: str, known: tuple[str, ...], faults: list[Fault]) -> None:
    close = nearest(word, known)
    if close:
        faults.append((where, N_("there is no such setting; did you mean {close}?"), {"close": close}))
    else:
        faults.append((where, N_("there is no such setting; there are {names}"), {"names": ", ".join(known)}))
