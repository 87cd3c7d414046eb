"""Events that offers tell of themselves, put into the inbox in the transaction of what they tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from polku.collect.columns import Kept, table_of
from polku.events.arrival import Arrival
from polku.events.door import Visit, enter
from polku.guidance.sending import SOURCE, event_of
from polku.offers.whose import strongest
from polku.record.permission import Learned

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from polku.record.project import Project


class Told:
    """Events to be told at the end of a transaction."""

    def __init__(self) -> None:
        self.events: list[Arrival] = []

    def add(
        self, connection: Connection, customer: int, event: str, key: str, properties: dict[str, Any], at: int
    ) -> None:
        """An event about a customer; ``key``: what it is about, so that it has the same id however often it is made.
        Of a customer whose ids are gone nothing is told."""
        named = strongest(connection, customer)
        if named is not None:
            self.events.append(event_of(event, named, key, properties, at, channel="offers"))

    def put(self, project: Project, connection: Connection, at: int) -> int:
        """Put them into the inbox, by the door's steps; returns how many. Last of all in a transaction: from here on
        other writers of the inbox wait."""
        visit = Visit(source=SOURCE, received_at=at, permission=project.permission, learned=Learned())
        kept: Sequence[Arrival] = [arrival for arrival in self.events if enter(arrival, visit) is None]
        if kept:
            project.inbox.put(connection, table_of([Kept(list(kept))]))
        return len(kept)
