"""Messages on the shop's own site: they wait in the outbox until the customer's browser asks for them.

So nothing is delivered here: ``polku.onsite`` gives them out and hears what became of them. The sender leaves the
channel alone (``FETCHED``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from polku.channels.channel import DELIVERED, Delivery, Outgoing

#: The channel's name.
SITE: Final = "site"
#: Channels whose messages are fetched by their receivers.
FETCHED: Final = frozenset({SITE})


class Site:
    """``purpose``: the consent that messages on the site take, None where none is asked for."""

    name = SITE
    address: Literal["email", "phone"] | None = None
    repeats = True
    content = True

    def __init__(self, purpose: str = "") -> None:
        self.purpose: str | None = purpose or None

    def problem(self) -> tuple[str, Mapping[str, Any]] | None:
        return None

    async def deliver(self, outgoing: Outgoing) -> Delivery:
        """Nothing is brought anywhere: a browser fetches it."""
        return DELIVERED

    async def close(self) -> None:
        return
