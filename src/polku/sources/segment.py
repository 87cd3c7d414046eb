"""Segment's tracking API, which RudderStack and many other tools speak too (Segment's docs: "HTTP Tracking API").

``POST /v1/{track,page,screen,identify,group,alias,batch,import}``, the one-letter forms of the browser's SDK, JSON with
any content type. The write key stands in Basic authorization, in the body, or beside an OAuth token. Whatever can be
read is answered 200, with the refused events and their reasons in the body.
"""

from __future__ import annotations

import base64
import binascii
import functools
import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs

import msgspec

from polku.errors import Unreadable
from polku.events.arrival import Arrival, Call, Dropped, Kind, Outcome, Parsed, Reply
from polku.events.channels import channel_of
from polku.events.refusals import Refusal
from polku.language import N_
from polku.sources import reading
from polku.sources.segment_plain import FEW, plain_events

NAME = "segment"
#: Each call by its path's last part; the letters are those of the browser's SDK.
CALLS: dict[str, Kind] = {
    "track": "track", "t": "track", "page": "page", "p": "page", "screen": "screen", "s": "screen",
    "identify": "identify", "i": "identify", "group": "group", "g": "group", "alias": "alias", "a": "alias",
}  # fmt: skip
BATCHES = ("batch", "b", "import")
PATHS: tuple[str, ...] = (*(f"/v1/{name}" for name in (*CALLS, *BATCHES)), "/beacon/v1/batch")
METHODS: tuple[str, ...] = ("POST",)
#: Segment's own limits: of a request, of an event in bytes, of a batch in events.
MOST_BYTES = 500 * 1024
MOST_EVENT_BYTES = 32 * 1024
MOST_EVENTS = 2500

Id = str | int | float | None


class Message(msgspec.Struct, kw_only=True):
    """One call. Ids are numbers with some clients; what is not named here (``integrations``...) is not kept."""

    type: str | None = None
    messageId: Id = None  # noqa: N815 (the protocol's own names)
    userId: Id = None  # noqa: N815
    anonymousId: Id = None  # noqa: N815
    previousId: Id = None  # noqa: N815
    groupId: Id = None  # noqa: N815
    event: Id = None
    name: Id = None
    category: Id = None
    properties: dict[str, Any] | None = None
    traits: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    integrations: Any = None
    channel: Any = None
    timestamp: Any = None
    originalTimestamp: Any = None  # noqa: N815
    sentAt: Any = None  # noqa: N815
    writeKey: Any = None  # noqa: N815


class Batch(msgspec.Struct, kw_only=True):
    batch: list[msgspec.Raw]
    context: dict[str, Any] | None = None
    sentAt: Any = None  # noqa: N815
    writeKey: Any = None  # noqa: N815


_message = msgspec.json.Decoder(Message)
_batch = msgspec.json.Decoder(Batch)
_encode = msgspec.json.Encoder().encode
#: What a decoder raises for bytes that are no JSON, or of another shape.
FAULTS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
#: Which reason a field of another kind stands for.
FIELDS = {
    "properties": Refusal.BAD_PROPERTIES, "traits": Refusal.BAD_PROPERTIES, "context": Refusal.BAD_CONTEXT,
    "userId": Refusal.BAD_ID, "anonymousId": Refusal.BAD_ID, "previousId": Refusal.BAD_ID, "groupId": Refusal.BAD_ID,
    "messageId": Refusal.BAD_ID, "event": Refusal.NO_EVENT,
}  # fmt: skip


def parse(call: Call) -> Parsed:
    """The events of a call or a batch. Raises Unreadable when the body is not JSON, or not of the protocol's shape."""
    name = call.path.rpartition("/")[2]
    parsed = Parsed(key=_key(call.headers.get("authorization", "")))
    if name in BATCHES:
        batch = _decoded(_batch, call.body)
        parsed.key = parsed.key or reading.text(batch.writeKey) or _query_key(call) or _bearer(call)
        if len(batch.batch) > MOST_EVENTS:
            raise Unreadable(
                N_("A batch holds at most {most} events; this one has {count}."),
                most=MOST_EVENTS,
                count=len(batch.batch),
            )
        sent = reading.time(batch.sentAt)
        left: Iterable[int] = range(len(batch.batch))
        if len(batch.batch) >= FEW and not batch.context:
            raws = batch.batch

            def slow(place: int) -> None:
                _take(parsed, place, raws[place], None, sent, None)

            parsed.plain, left = plain_events(raws, call.body, sent, slow, _known_channel)
        for place in left:
            _take(parsed, place, batch.batch[place], None, sent, batch.context)
        return parsed
    if len(call.body) > MOST_EVENT_BYTES:
        raise Unreadable(
            N_("An event has at most {most} bytes; this one has {count}."), most=MOST_EVENT_BYTES, count=len(call.body)
        )
    message = _take(parsed, 0, call.body, CALLS[name], None, None)
    if message is None and parsed.dropped[0].reason == Refusal.NOT_JSON:
        raise Unreadable(N_("The body is not JSON."))
    parsed.key = (
        parsed.key or (reading.text(message.writeKey) if message else None) or _query_key(call) or _bearer(call)
    )
    return parsed


def _decoded(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    try:
        try:
            return decoder.decode(body)
        except msgspec.ValidationError:
            raise
        except FAULTS:
            return decoder.decode(_mended(body))
    except msgspec.ValidationError as fault:
        raise Unreadable(N_("The body is not a batch: {fault}."), fault=str(fault)) from fault


def _mended(body: bytes | msgspec.Raw) -> bytes:
    """JSON as some encoders wrongly write it (NaN, halves of characters), as JSON. Raises Unreadable."""
    try:
        return reading.encoded(reading.decoded(bytes(body)))
    except RecursionError as fault:
        raise Unreadable(N_("The body is nested too deeply.")) from fault


def _take(
    parsed: Parsed,
    place: int,
    raw: bytes | msgspec.Raw,
    kind: Kind | None,
    sent: int | None,
    shared: dict[str, Any] | None,
) -> Message | None:
    """Put one call among the events, or among the dropped with its reason."""
    message: Message | None = None
    found: Arrival | Refusal
    if len(memoryview(raw)) > MOST_EVENT_BYTES:
        found = Refusal.TOO_LARGE
    else:
        try:
            try:
                message = _message.decode(raw)
            except msgspec.ValidationError:
                raise
            except FAULTS:
                message = _message.decode(_mended(raw))
            found = _arrival(message, kind, sent, shared)
        except msgspec.ValidationError as fault:
            found = _reason(str(fault))
        except Unreadable:
            found = Refusal.NOT_JSON
    if isinstance(found, Arrival):
        parsed.events.append(found)
        parsed.places.append(place)
        parsed.raws.append(raw)
    else:
        parsed.dropped.append(Dropped(reason=found, raw=bytes(raw), place=place))
    return message


def _arrival(message: Message, kind: Kind | None, sent: int | None, shared: dict[str, Any] | None) -> Arrival | Refusal:
    call = kind or CALLS.get(message.type or "")
    if call is None:
        return Refusal.UNKNOWN_CALL
    given = message.timestamp if message.timestamp is not None else message.originalTimestamp
    time = reading.time(given)
    if time is None and given is not None and given != "":
        return Refusal.UNREADABLE_TIME
    context = message.context or {}
    if shared:
        context = {**shared, **context}
    properties = message.properties or {}
    if call == "track":
        event = reading.text(message.event)
        if event is None:
            return Refusal.NO_EVENT
    else:
        event = call
        if call == "page" or call == "screen":
            for name, value in (("name", message.name), ("category", message.category)):
                if value is not None and value != "":
                    properties.setdefault(name, value)
            if call == "page" and "page" not in context:
                page = {k: properties[k] for k in ("path", "url", "referrer", "title", "search") if k in properties}
                if page:
                    context["page"] = page
        elif call == "identify" and message.traits:
            context["traits"] = message.traits
        elif call == "group":
            if message.groupId is None:
                return Refusal.NO_GROUP
            properties = message.traits or {}
    user = None if message.userId is None else reading.text(message.userId)
    anonymous = None if message.anonymousId is None else reading.text(message.anonymousId)
    previous = None if message.previousId is None else reading.text(message.previousId)
    if call == "alias" and (previous is None or (user is None and anonymous is None)):
        return Refusal.NO_PREVIOUS_ID
    # what a group's traits tell is what a company earns, not what it paid
    value, currency = _money(properties) if properties and call != "group" else (None, None)
    group = message.groupId if message.groupId is not None else context.get("groupId")
    return Arrival(
        event=event,
        kind=call,
        time=time,
        sent_at=sent if message.sentAt is None else reading.time(message.sentAt),
        message_id=reading.text(message.messageId),
        anonymous_id=anonymous,
        user_id=user,
        previous_id=previous,
        account_id=None if group is None else reading.text(group),
        session_id=_session(context, message.integrations),
        channel=_channel(
            properties.get("channel"),
            context.get("channel"),
            message.channel,
            call,
            "page" in context,
            _library(context),
        ),
        value=value,
        currency=currency,
        properties=properties,
        context=context,
    )


def _reason(fault: str) -> Refusal:
    """The reason that a decoder's message stands for; it ends in the path: ``... - at `$.properties` ``."""
    if "out of range" in fault:
        return Refusal.VALUE_NOT_FINITE
    _, found, path = fault.rpartition("`$")
    if not found:
        return Refusal.NOT_AN_OBJECT
    path = path.rstrip("`")
    return FIELDS.get(path.lstrip(".").partition(".")[0].partition("[")[0], Refusal.BAD_MESSAGE)


def _money(properties: dict[str, Any]) -> tuple[float | None, str | None]:
    """(value, currency) by Segment's names: ``revenue`` (without shipping and tax), else ``total``, else ``value``."""
    currency = properties.get("currency")
    if currency is not None:
        currency = reading.currency(currency)
    return reading.worth(properties), currency


def _session(context: dict[str, Any], integrations: Any) -> str | None:
    """The source's own session: RudderStack's ``context.sessionId``, ``context.session.id``, or Amplitude's."""
    found = context.get("sessionId")
    if found is None:
        found = context.get("session_id")
    if found is None and isinstance(own := context.get("session"), dict):
        found = own.get("id")
    if found is None and integrations and isinstance(integrations, dict):
        for name in ("Actions Amplitude", "Amplitude"):
            if isinstance(own := integrations.get(name), dict) and own.get("session_id") not in (None, -1):
                found = own["session_id"]
                break
    return None if found is None else reading.text(found)


APPS = ("ios", "android", "flutter", "react-native", "kotlin", "swift", "unity", "cordova")
WEBS = ("analytics.js", "polku.js", "js", "javascript", "browser", "web", "amp")
#: Where a call was made, not where the customer was.
NOWHERE = ("", "server", "sources")


def _channel(own: Any, context: Any, given: Any, call: Kind, page: bool, library: str) -> str | None:
    """Where it took place: said (``properties.channel``, ``context.channel``), else guessed from the client."""
    for said in (own, context, given):
        if type(said) is str and said not in NOWHERE:
            return "web" if said == "browser" else channel_of(said)
    if call == "screen":
        return "app"
    if call == "page" or page:
        return "web"
    name = library.lower()
    if any(word in name for word in APPS):
        return "app"
    return "web" if name.endswith(WEBS) else None


#: Of texts alone, which repeat.
_known_channel = functools.lru_cache(maxsize=4096)(_channel)


def _library(context: dict[str, Any]) -> str:
    library = context.get("library")
    name = library.get("name") if type(library) is dict else None
    return name if type(name) is str else ""


def _key(authorization: str) -> str | None:
    """The user's name of Basic authorization; None where there is none that can be read."""
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(given.strip(), validate=True).decode("utf-8").partition(":")[0] or None
    except (binascii.Error, UnicodeDecodeError):
        return None


def _bearer(call: Call) -> str | None:
    """An OAuth token stands beside a ``writeKey``; without one it is taken for the key itself."""
    scheme, _, given = call.headers.get("authorization", "").partition(" ")
    return given.strip() or None if scheme.lower() == "bearer" else None


def _query_key(call: Call) -> str | None:
    """RudderStack's beacon has it in the address."""
    if "writeKey=" not in call.query:
        return None
    return parse_qs(call.query).get("writeKey", [None])[0]


def reply(call: Call, parsed: Parsed, outcome: Outcome) -> Reply:
    """200, how many were kept, and which were refused and why."""
    if not outcome.refused:
        return Reply(body=b'{"success":true,"accepted":%d,"refused":[]}' % outcome.accepted)
    refused = [
        {"index": d.place, "code": Refusal(d.reason).name.lower(), "message": Refusal(d.reason).text()}
        for d in sorted(outcome.refused, key=lambda d: d.place)
    ]
    return Reply(body=_encode({"success": True, "accepted": outcome.accepted, "refused": refused}))


def refuse(call: Call, status: int, code: str, message: str) -> Reply:
    """``{"code", "message"}``: older clients in Python fail without both. An oversize body is a 400 here."""
    return Reply(status=400 if status == 413 else status, body=json.dumps({"code": code, "message": message}).encode())
