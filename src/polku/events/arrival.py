"""One event on its way in from a live source: what a protocol makes of a request, what the steps of the door work on.

>>> arrival = Arrival(event="Order Completed", user_id="42", properties={"revenue": 10})
>>> arrival.kind, arrival.time is None
('track', True)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from polku.events.plain import Plain

Kind = Literal["track", "page", "screen", "identify", "group", "alias"]


class Arrival(msgspec.Struct, kw_only=True):
    """An event as its source told it. The door's steps change it in place; nothing else holds on to it.

    ``time`` and ``sent_at``: microseconds since 1970 UTC by the **client's** clock, None where it gave none; after the
    step ``clock`` the time is Polku's. ``received_at``: microseconds by Polku's clock, set by the door. ``context``
    follows Segment (``page``, ``campaign``, ``traits``, ``device``, ``userAgent``, ``ip``, ``consent``). ``consent``:
    purposes granted as of the event, comma-separated and sorted; "" none; None unknown.
    """

    event: str
    kind: Kind = "track"
    time: int | None = None
    sent_at: int | None = None
    received_at: int = 0
    message_id: str | None = None
    anonymous_id: str | None = None
    user_id: str | None = None
    previous_id: str | None = None  # alias: the id that is now user_id
    account_id: str | None = None
    session_id: str | None = None
    channel: str | None = None
    source: str | None = None
    value: float | None = None
    currency: str | None = None
    consent: str | None = None
    properties: dict[str, Any] = msgspec.field(default_factory=dict)
    context: dict[str, Any] = msgspec.field(default_factory=dict)


class Call(msgspec.Struct, kw_only=True, frozen=True):
    """One HTTP request at a door, read and unpacked: what a protocol's parser is given.

    ``headers`` in lower case. ``body`` is already decompressed and within the size limits. ``address``: the client's,
    as the door trusts it. ``received_at``: microseconds since 1970 UTC.
    """

    method: str
    path: str
    query: str = ""
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    body: bytes = b""
    address: str = ""
    received_at: int = 0


class Dropped(msgspec.Struct, kw_only=True, frozen=True):
    """What could not become an event: its typed reason (``polku.events.refusals.Refusal``), and the raw text of it."""

    reason: int
    raw: bytes
    place: int = 0  # which one of its request, from 0


class Parsed(msgspec.Struct, kw_only=True):
    """What a protocol read from a Call: the key it carried, its events, and what was none.

    ``places[i]`` is the place of ``events[i]`` in its request; ``raws[i]`` its text as it came, to be kept when a step
    refuses it (a protocol that gives none has the event as it was read kept). ``proven``: the source, where the request
    proves by itself who sent it (a signed web hook); then no key is asked for. ``plain``: events that
    no step needs to look into (``polku.events.plain``), besides ``events``. ``replies``: what the answer needs.
    """

    key: str | None = None
    site: str | None = None  # Matomo's idsite, GA4's measurement_id: names a key where a protocol carries none
    proven: str | None = None
    events: list[Arrival] = msgspec.field(default_factory=list)
    raws: list[bytes | msgspec.Raw] = msgspec.field(default_factory=list)
    places: list[int] = msgspec.field(default_factory=list)
    dropped: list[Dropped] = msgspec.field(default_factory=list)
    plain: Plain | None = None
    replies: dict[str, Any] = msgspec.field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many events there are."""
        return len(self.events) + (len(self.plain) if self.plain is not None else 0)


class Outcome(msgspec.Struct, kw_only=True, frozen=True):
    """What became of a request, once everything in it is on disk: how many were kept, which were refused and why."""

    accepted: int
    refused: tuple[Dropped, ...] = ()


class Reply(msgspec.Struct, kw_only=True, frozen=True):
    """An answer as its protocol's clients expect it."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
