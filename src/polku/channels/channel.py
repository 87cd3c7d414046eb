"""What a channel is: one small interface, so that others can be added by a plug-in (entry points ``polku.channels``).

A plug-in's entry point is a function ``(project) -> Channel``::

    [project.entry-points."polku.channels"]
    pigeon = "pigeons:make_channel"
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal, Protocol

#: What a delivery can come to. delivered: the receiver has taken it. refused: it will never take it. again: not now.
#: unknown: it may have been taken, and the receiver knows no key by which it could be asked twice. unreachable: the
#: receiver as a whole does not answer, or does not let us in; the message is not at fault.
Result = Literal["delivered", "refused", "again", "unknown", "unreachable"]


@dataclasses.dataclass(frozen=True, slots=True)
class Outgoing:
    """One message, ready to leave.

    key: unique for ever; a receiver that knows keys takes the same one once. to: the plain address, None where the
    channel needs none. html: a whole document, "" where the content has none. facts: what the rule gave. made_at:
    microseconds since 1970 UTC. unsubscribe_url: None where the message is owed. site: what a browser draws a piece for
    the site from, None for others.
    """

    key: str
    rule: str
    customer: int
    to: str | None
    language: str
    subject: str
    text: str
    html: str
    made_at: int
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    ids: tuple[tuple[str, str], ...] = ()
    owed: bool = False
    unsubscribe_url: str | None = None
    sender: str | None = None
    reply_to: str | None = None
    site: Mapping[str, Any] | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Delivery:
    """What came of a delivery. ``reason``: in the receiver's words. ``after``: seconds until it may be tried again,
    where the receiver says so. ``bad_address``: nothing will ever reach this address."""

    result: Result
    reason: str = ""
    provider_id: str | None = None
    after: float | None = None
    bad_address: bool = False


DELIVERED = Delivery("delivered")


class Channel(Protocol):
    """A way by which messages leave. One object serves one run of the sender: ``deliver`` may be called many times at
    once, ``close`` at the end.

    name: as rules call it. address: the kind of address it needs, None for none. purpose: the consent that a message
    by it takes unless it is owed, None for none. repeats: the receiver knows the key, so that a message whose fate is
    unknown may be sent once more. content: whether a message needs a piece of content.
    """

    name: str
    address: Literal["email", "phone"] | None
    purpose: str | None
    repeats: bool
    content: bool

    def problem(self) -> tuple[str, Mapping[str, Any]] | None:
        """What is missing before anything can be delivered: an N_() text and its facts; None: nothing."""
        ...

    async def deliver(self, outgoing: Outgoing) -> Delivery:
        """Bring one message to its receiver. What a receiver does is a Delivery, and never an error."""
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...
