"""The events of a batch by Segment's protocol that no step of the door has to look into, read by columns.

A product view needs no dictionaries: its properties and its context are kept as they came, and only the few fields
that have columns of their own are read. Whatever is not as plain as that is left to ``segment.parse``;
``tests/sources/test_segment_plain.py`` holds that both give the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET

from polku.events.arrival import Kind
from polku.events.plain import Plain
from polku.kernels.glance import glance
from polku.sources import reading

#: A batch of fewer events is read one by one.
FEW = 4
#: Bytes of the longest event that is plain.
MOST = 16 * 1024

Given = str | int | float | None
#: (of the properties, of the context, of the call, its kind, whether there is a page, the library's name) -> channel
Channel = Callable[[str | None, str | None, str | None, Kind, bool, str], str | None]


class Properties(msgspec.Struct):
    revenue: Any = None
    total: Any = None
    value: Any = None
    currency: Any = None
    channel: Any = None
    name: Any = UNSET
    category: Any = UNSET


class Library(msgspec.Struct):
    name: str = ""


class Context(msgspec.Struct):
    """What the door or the columns ask for; what stands under a Raw is looked at by the slow road."""

    page: msgspec.Raw | msgspec.UnsetType = UNSET
    ip: msgspec.Raw | msgspec.UnsetType = UNSET
    ids: msgspec.Raw | msgspec.UnsetType = UNSET
    consent: msgspec.Raw | msgspec.UnsetType = UNSET
    session: msgspec.Raw | msgspec.UnsetType = UNSET
    library: Library | None = None
    channel: Given = None
    sessionId: Given = None  # noqa: N815 (the protocol's own names)
    session_id: Given = None
    groupId: Given = None  # noqa: N815


class Message(msgspec.Struct):
    type: str
    messageId: str  # noqa: N815
    event: Given = None
    userId: Given = None  # noqa: N815
    anonymousId: Given = None  # noqa: N815
    groupId: Given = None  # noqa: N815
    previousId: Given = None  # noqa: N815
    name: Given = None
    category: Given = None
    properties: Properties | None = None
    context: Context | None = None
    integrations: Any = None
    channel: Given = None
    timestamp: Given = None
    originalTimestamp: Given = None  # noqa: N815
    sentAt: Given = None  # noqa: N815


VIEWS: dict[str, Kind] = {"page": "page", "screen": "screen"}
_decode = msgspec.json.Decoder(Message).decode
_FAULTS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_NONE = Properties()
_NOWHERE = Context()


def plain_events(
    raws: Sequence[msgspec.Raw], body: bytes, sent: int | None, slow: Callable[[int], object], channel: Channel
) -> tuple[Plain | None, list[int]]:
    """The plain events among ``raws``, parts of ``body``, and the places of the others.

    ``sent``: the batch's ``sentAt`` in microseconds. ``slow`` puts the event of a place among the arrivals, ``channel``
    tells where an event took place.
    """
    try:
        body.decode()  # texts that are passed on as bytes must be Unicode
    except UnicodeDecodeError:
        return None, list(range(len(raws)))
    texts = [bytes(raw) for raw in raws]
    data = np.frombuffer(b"".join(texts), np.uint8)
    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum([len(text) for text in texts], out=offsets[1:])
    found = glance(data, offsets)
    plain = Plain(data=data, slow=slow, properties=found.spans[:, :2], context=found.spans[:, 2:])
    left = []
    for place, (text, fine) in enumerate(zip(texts, found.plain.tolist(), strict=True)):
        if not (fine and len(text) <= MOST and _take(plain, place, text, sent, channel)):
            left.append(place)
    plain.properties, plain.context = plain.properties[plain.places], plain.context[plain.places]
    return plain if plain.places else None, left


def _silent(integrations: Any) -> bool:
    """Whether these say nothing of a session."""
    return isinstance(integrations, dict) and not ("Amplitude" in integrations or "Actions Amplitude" in integrations)


def _take(plain: Plain, place: int, text: bytes, sent: int | None, channel: Channel) -> bool:
    """Put an event's fields into the columns; False when it is not plain."""
    try:
        message = _decode(text)
    except _FAULTS:
        return False
    properties, context = message.properties or _NONE, message.context or _NOWHERE
    user, device, id_ = message.userId, message.anonymousId, message.messageId.strip()
    if (
        not id_
        or not isinstance(user, str | None)
        or not isinstance(device, str | None)
        or (message.integrations and not _silent(message.integrations))
        or not (context.ip is context.ids is context.consent is context.session is UNSET)
        or message.previousId is not None
    ):
        return False
    call: Kind
    if message.type == "track":
        call = "track"
        if not isinstance(message.event, str) or not (event := message.event.strip()):
            return False
    elif message.type in VIEWS:
        event = call = VIEWS[message.type]
        if (call == "page" and context.page is UNSET) or (message.name and properties.name is UNSET):
            return False
        if message.category and properties.category is UNSET:
            return False
    else:
        return False
    given = message.timestamp if message.timestamp is not None else message.originalTimestamp
    time = reading.time(given)
    if time is None and given is not None and given != "":
        return False
    value = currency = None
    if properties is not _NONE:
        for amount in (properties.revenue, properties.total, properties.value):
            if amount is not None:
                if type(amount) is int or type(amount) is float:
                    value = float(amount)
                    break
                return False
        if properties.currency is not None:
            currency = reading.currency(properties.currency)
            if currency is None:
                return False
    session = context.sessionId if context.sessionId is not None else context.session_id
    if session is not None:
        session = reading.text(session)
        if session is not None and len(session) > 200:
            return False
    group = message.groupId if message.groupId is not None else context.groupId
    if group is not None:
        group = reading.text(group)
        if group is not None and len(group) > 200:
            return False
    plain.places.append(place)
    plain.event.append(event)
    plain.time.append(time)
    plain.sent_at.append(sent if message.sentAt is None else reading.time(message.sentAt))
    plain.message_id.append(id_)
    plain.user_id.append((user.strip() or None) if user else None)
    plain.anonymous_id.append((device.strip() or None) if device else None)
    plain.account_id.append(group)
    plain.session_id.append(session)
    plain.channel.append(
        channel(
            properties.channel if type(properties.channel) is str else None,
            context.channel if type(context.channel) is str else None,
            message.channel if type(message.channel) is str else None,
            call,
            context.page is not UNSET,
            context.library.name if context.library is not None else "",
        )
    )
    plain.value.append(value)
    plain.currency.append(currency)
    return True
