"""Lists for ads as a channel of rules: ``send: {channel: audience, audience: leavers, do: add, for: 30d}``.

Who is put onto a list here is in the files of its next refresh, where their consent to advertising is looked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from polku.audiences.choices import IN, OUT, choose
from polku.channels.channel import DELIVERED, Delivery, Outgoing
from polku.journey.values import UnreadableError, duration
from polku.record.clock import now

if TYPE_CHECKING:
    from polku.record.project import Project

MICRO = 1_000_000


class Audiences:
    """Writes down whom rules put onto a list and take off it; the same again changes nothing."""

    name = "audience"
    address: Literal["email", "phone"] | None = None
    purpose: str | None = None
    repeats = True
    content = False

    def __init__(self, project: Project) -> None:
        self.project = project

    def problem(self) -> tuple[str, Mapping[str, Any]] | None:
        return None

    async def deliver(self, outgoing: Outgoing) -> Delivery:
        """Refused where the map has no such list: it was renamed since the rule decided."""
        name = str(outgoing.facts.get("audience") or "")
        if name not in self.project.journey().audiences:
            return Delivery("refused", f"audience: {name or '-'}")
        span = outgoing.facts.get("for")
        try:
            until = None if span is None else now() + duration(span) * MICRO
        except UnreadableError:
            return Delivery("refused", f"for: {span}")
        choice = OUT if outgoing.facts.get("do") == "remove" else IN
        await asyncio.to_thread(self._write, name, outgoing, choice, until)
        return DELIVERED

    def _write(self, name: str, outgoing: Outgoing, choice: str, until: int | None) -> None:
        with self.project.state.write("sending") as connection:
            choose(connection, name, outgoing.customer, choice, outgoing.rule, now(), until)

    async def close(self) -> None:
        return
