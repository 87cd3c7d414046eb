"""Signed web hooks: other systems' own messages, mapped to events as ``polku.toml`` says (``[[hooks]]``).

The address of a hook is ``/hooks/<name>``. A request proves who sent it (:class:`~polku.record.hooksettings.Signature`)
with a secret that stands in the environment (``POLKU_HOOK_<NAME>``) or in a file (``POLKU_HOOK_<NAME>_FILE``).
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import hmac
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

from polku.errors import NoSecret, NoSuchHook, Unproven
from polku.events.arrival import Arrival, Call, Dropped, Kind, Outcome, Parsed, Reply
from polku.events.refusals import Refusal
from polku.language import N_
from polku.record.hooksettings import Functions, Hook, Signature
from polku.sources import reading
from polku.sources.names import canonical

PREFIX = "/hooks/"
#: An id that may stand in history as it is.
OWN_ID = re.compile(r"[\w.:/#-]{1,100}")
KINDS: dict[str, Kind] = {"page": "page", "screen": "screen", "identify": "identify", "group": "group"}


@dataclasses.dataclass(frozen=True, slots=True)
class Misfit:
    """Why one item of a body is no event: ``field`` of the mapping, its ``expression``, what is wrong in words."""

    place: int
    reason: Refusal
    field: str
    expression: str
    message: str
    facts: Mapping[str, Any]
    raw: bytes


class Hooks:
    """The protocol of a project's hooks. Environment and files are asked at each request: secrets may be rotated."""

    NAME: str = "hooks"
    PATHS: tuple[str, ...] = (PREFIX + "*",)
    METHODS: tuple[str, ...] = ("POST", "GET", "HEAD")
    MOST_BYTES: int = 5 * 1024 * 1024

    def __init__(self, hooks: tuple[Hook, ...], environment: Mapping[str, str] | None = None) -> None:
        self.hooks = {hook.name: hook for hook in hooks}
        self.environment = os.environ if environment is None else environment

    def parse(self, call: Call) -> Parsed:
        """The events of a request. Raises Unreadable: NoSuchHook, Unproven, NoSecret, or of a body that is none."""
        name = call.path.removeprefix(PREFIX)
        hook = self.hooks.get(name)
        if hook is None:
            raise NoSuchHook(N_("There is no hook of this name."))
        if call.method != "POST":
            return Parsed()  # Mailchimp looks whether the address answers before it takes it
        prove(hook.signature, secret_of(hook, self.environment), call)
        parsed = Parsed(proven=hook.source)
        for made in mapped(hook, body_of(call), call.headers, call.received_at):
            if isinstance(made, Misfit):
                parsed.dropped.append(Dropped(reason=made.reason, raw=made.raw, place=made.place))
            else:
                parsed.places.append(made[0])
                parsed.events.append(made[1])
        return parsed

    def reply(self, call: Call, parsed: Parsed, outcome: Outcome) -> Reply:
        """200 with what became of it: most senders send again after anything else."""
        refused = [{"place": d.place, "reason": Refusal(d.reason).name.lower()} for d in outcome.refused]
        return Reply(body=reading.encoded({"accepted": outcome.accepted, "refused": refused}))

    def refuse(self, call: Call, status: int, code: str, message: str) -> Reply:
        return Reply(status=status, body=reading.encoded({"code": code, "message": message}))


# -- proof ------------------------------------------------------------------------------------------------------------


def secret_of(hook: Hook, environment: Mapping[str, str]) -> str:
    """The hook's secret. Raises NoSecret."""
    if file := environment.get(hook.secret + "_FILE"):
        try:
            found = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as fault:
            raise NoSecret(
                N_("The file that {variable} names cannot be read."), variable=hook.secret + "_FILE"
            ) from fault
    else:
        found = environment.get(hook.secret, "")
    if not found:
        raise NoSecret(
            N_("The hook {name} has no secret: put it into {variable}, or a file's name into {variable}_FILE."),
            name=hook.name,
            variable=hook.secret,
        )
    return found


def prove(signature: Signature, secret: str, call: Call) -> None:
    """Raises Unproven when the request was not made with ``secret``, or too long ago."""
    if signature.scheme == "hmac":
        _prove_hmac(signature, secret, call)
        return
    if signature.scheme == "query":
        given = reading.fields(call.query).get(signature.parameter, "")
    else:
        scheme, _, given = call.headers.get("authorization", "").partition(" ")
        if scheme.lower() != signature.scheme:
            raise Unproven(
                N_("The request has no header {header}."), header=f"Authorization: {signature.scheme.title()}"
            )
        given = given.strip()
        if signature.scheme == "basic":
            given = _decoded_basic(given)
    if not hmac.compare_digest(given.encode(), secret.encode()):
        raise Unproven(N_("The request does not carry the hook's secret."))


def _decoded_basic(given: str) -> str:
    """``user:password`` as the secret is written; the password alone where the secret has no colon is not taken."""
    try:
        return base64.b64decode(given, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""


def _prove_hmac(signature: Signature, secret: str, call: Call) -> None:
    given = call.headers.get(signature.header)
    if not given:
        raise Unproven(N_("The request has no header {header}."), header=signature.header)
    moment = call.headers.get(signature.timestamp, "") if signature.timestamp else ""
    candidates = [given.strip()]
    if signature.part:
        pairs = [pair.strip().partition("=") for pair in given.split(",")]
        candidates = [value for name, _, value in pairs if name == signature.part]
        moment = next((value for name, _, value in pairs if name == signature.timestamp_part), moment)
    if "{timestamp}" in signature.signed:
        sent = reading.time(moment)
        if sent is None or abs(call.received_at - sent) > signature.tolerance * reading.MICROS:
            raise Unproven(N_("The request was signed more than {seconds} seconds ago."), seconds=signature.tolerance)
    before, _, behind = signature.signed.partition("{body}")
    signed = before.replace("{timestamp}", moment).encode() + call.body + behind.replace("{timestamp}", moment).encode()
    digest = hmac.new(secret.encode(), signed, getattr(hashlib, signature.algorithm)).digest()
    wanted = digest.hex() if signature.encoding == "hex" else base64.b64encode(digest).decode()
    if not any(
        hmac.compare_digest(_bare(c, signature).encode("utf-8", "replace"), wanted.encode()) for c in candidates
    ):
        raise Unproven(
            N_("The signature in {header} does not fit the body and the hook's secret."), header=signature.header
        )


def _bare(given: str, signature: Signature) -> str:
    bare = given.removeprefix(signature.prefix)
    return bare.lower() if signature.encoding == "hex" else bare


# -- the body ---------------------------------------------------------------------------------------------------------


def body_of(call: Call) -> Any:
    """JSON, or a form whose ``data[merges][FNAME]`` stand for nested objects (Mailchimp). Raises Unreadable."""
    if call.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return nested(reading.form(call.body))
    return reading.decoded(call.body)


def nested(flat: Mapping[str, str]) -> dict[str, Any]:
    """A form's fields as the objects that their names draw.

    >>> nested({"type": "subscribe", "data[merges][FNAME]": "Anna"})
    {'type': 'subscribe', 'data': {'merges': {'FNAME': 'Anna'}}}
    """
    whole: dict[str, Any] = {}
    for name, value in flat.items():
        first, *rest = name.split("[")
        path = [first, *(part.removesuffix("]") for part in rest)][:10]
        here = whole
        for part in path[:-1]:
            below = here.setdefault(part, {})
            if not isinstance(below, dict):  # "a=1&a[b]=2"
                below = here[part] = {"": below}
            here = below
        here[path[-1]] = value
    return whole


# -- the mapping ------------------------------------------------------------------------------------------------------


class _Found(Exception):
    """An item is no event; carries the Misfit without its place."""

    def __init__(self, reason: Refusal, field: str, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.reason, self.field, self.message, self.facts = reason, field, message, facts


def mapped(
    hook: Hook, body: Any, headers: Mapping[str, str], received_at: int = 0
) -> Iterator[tuple[int, Arrival] | Misfit]:
    """Each item of ``body`` as (its place, the event), or why it is none."""
    options = jmespath.Options(custom_functions=Functions(body, headers))
    items: Any = body
    if "each" in hook.fields:
        try:
            items = jmespath.search(hook.fields["each"], body, options)
        except JMESPathError as fault:
            yield _misfit(
                hook,
                0,
                body,
                _Found(Refusal.UNMAPPED, "each", N_("it does not work here: {fault}"), fault=_told(fault)),
            )
            return
        if not isinstance(items, list):
            said = N_("it gives {found}, and a list of items is needed")
            yield _misfit(hook, 0, body, _Found(Refusal.UNMAPPED, "each", said, found=_shown(items)))
            return
    else:
        items = [body]
    for place, item in enumerate(items):
        try:
            yield place, _Mapping(hook, item, options, received_at).arrival()
        except _Found as found:
            yield _misfit(hook, place, item, found)


def _misfit(hook: Hook, place: int, item: Any, found: _Found) -> Misfit:
    table, _, name = found.field.partition(".")
    expression = hook.tables[table][name] if name else hook.fields.get(found.field, "")
    return Misfit(place, found.reason, found.field, expression, found.message, found.facts, reading.encoded(item))


def _told(fault: JMESPathError) -> str:
    return " ".join(str(fault).split())[:300]


def _shown(value: Any) -> str:
    return reading.encoded(value).decode()[:100]


class _Mapping:
    """One item on its way to an event."""

    def __init__(self, hook: Hook, item: Any, options: Any, received_at: int) -> None:
        self.hook, self.item, self.options, self.received_at = hook, item, options, received_at

    def arrival(self) -> Arrival:
        """Raises _Found where the item is no event."""
        if "when" in self.hook.fields and not self._get("when"):
            raise _Found(Refusal.LEFT_OUT, "when", N_("it says that this is not wanted"))
        name = self._text("event")
        if name is None:
            raise _Found(
                Refusal.NO_EVENT, "event", N_("it gives {found}, and the name of an event is needed"), found="null"
            )
        if self.hook.names:
            if name not in self.hook.names:
                raise _Found(Refusal.LEFT_OUT, "event", N_("{name} is not among the names of this hook"), name=name)
            name = self.hook.names[name]
        arrival = Arrival(
            event=name,
            kind=KINDS.get(canonical(name), "track"),
            message_id=self._id(),
            time=self._time(),
            user_id=self._text("user_id"),
            anonymous_id=self._text("anonymous_id"),
            account_id=self._text("account_id"),
            session_id=self._text("session_id"),
            channel=self._text("channel"),
            value=self._number("value"),
            currency=self._currency(),
            properties=self._table("properties"),
        )
        traits = self._table("traits")
        for word in ("email", "phone"):
            if found := self._text(word):
                traits[word] = found
        page = self._table("page")
        if page:
            page = reading.page(page.get("url"), page.get("referrer"), page.get("title"), page.get("path"))
        campaign = self._table("campaign") or reading.campaign(page.get("url"))
        for word, facts in (("traits", traits), ("campaign", campaign), ("page", page)):
            if facts:
                arrival.context[word] = facts
        if consent := {k: bool(v) for k, v in self._table("consent").items()}:
            arrival.context["consent"] = {"categoryPreferences": consent}
        return arrival

    def _get(self, field: str) -> Any:
        expression = self.hook.fields.get(field)
        return None if expression is None else self._search(field, expression)

    def _search(self, field: str, expression: str) -> Any:
        try:
            return jmespath.search(expression, self.item, self.options)
        except JMESPathError as fault:
            raise _Found(Refusal.UNMAPPED, field, N_("it does not work here: {fault}"), fault=_told(fault)) from fault
        except RecursionError as fault:
            raise _Found(Refusal.UNMAPPED, field, N_("it does not work here: {fault}"), fault="recursion") from fault

    def _text(self, field: str) -> str | None:
        found = self._get(field)
        text = reading.text(found)
        if text is None and found not in (None, "") and not (isinstance(found, str) and not found.strip()):
            said = N_("it gives {found}, and a text or a whole number is needed")
            raise _Found(Refusal.UNMAPPED, field, said, found=_shown(found))
        return text

    def _id(self) -> str | None:
        """Under the hook's name, so that two systems' number 7 are two events; a hash where it is long or may hold an
        address."""
        found = self._text("id")
        if found is not None and not OWN_ID.fullmatch(found):
            found = base64.urlsafe_b64encode(hashlib.sha256(found.encode("utf-8", "replace")).digest()[:18]).decode()
        return None if found is None else f"{self.hook.name}:{found}"

    def _time(self) -> int | None:
        found = self._get("time")
        if found is None:
            return None
        moment = reading.time(found)
        if moment is None:
            raise _Found(
                Refusal.UNREADABLE_TIME, "time", N_("it gives {found}, and that is no time"), found=_shown(found)
            )
        return moment

    def _number(self, field: str) -> float | None:
        found = self._get(field)
        if found is None or found == "":
            return None
        number = reading.amount(found)
        if number is None:
            said = N_("it gives {found}, and a number is needed")
            raise _Found(Refusal.UNREADABLE_VALUE, field, said, found=_shown(found))
        return number

    def _currency(self) -> str | None:
        found = self._get("currency")
        if found is None or found == "":
            return None
        code = reading.currency(found)
        if code is None:
            said = N_("it gives {found}, and a currency such as EUR is needed")
            raise _Found(Refusal.UNKNOWN_CURRENCY, "currency", said, found=_shown(found))
        return code

    def _table(self, table: str) -> dict[str, Any]:
        found = {name: self._search(f"{table}.{name}", e) for name, e in self.hook.tables.get(table, {}).items()}
        return {name: value for name, value in found.items() if value is not None}
