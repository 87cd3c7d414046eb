"""The outbox: messages that were decided, each made once in the transaction of the decision, and sent from there."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects import postgresql, sqlite

from polku.record import tables

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

WAITING, SENDING, SENT, FAILED, DROPPED, CAPPED, OFF = (
    "waiting", "sending", "sent", "failed", "dropped", "capped", "off",
)  # fmt: skip
#: Messages in these states count for caps: they went out, or will.
COUNTED = (WAITING, SENDING, SENT)
#: All states of a message, in the order of its life.
STATES = (WAITING, SENDING, SENT, FAILED, DROPPED, CAPPED, OFF)


@dataclasses.dataclass(frozen=True, slots=True)
class Message:
    """One message to one customer.

    key: unique for ever, ``run:step:variant`` or ``campaign:customer``. content: path in the project
    (``content/cart_reminder.fi.md``), "" where the channel needs none. to: hash of the address in ``contacts``; None:
    looked up when it is sent. facts: what the content is filled with besides the customer (the event, the cart, the
    settings of the channel). owed: asked for or due to the customer (receipts, thank-yous). made_at, next_at:
    microseconds since 1970 UTC; next_at: not to be sent before (None: at once). state: CAPPED and DROPPED are kept to
    be shown and never sent, with the ``reason``.
    """

    key: str
    rule: str
    customer: int
    channel: str
    content: str
    made_at: int
    to: str | None = None
    run: int | None = None
    step: int | None = None
    variant: str | None = None
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    owed: bool = False
    priority: int = 0
    next_at: int | None = None
    state: str = WAITING
    reason: str | None = None


def put(connection: Connection, message: Message) -> bool:
    """Write a message in the caller's transaction; False when one with its key is there already, which then stays."""
    # by what comes back: how many rows an insert wrote is not told by every driver
    insert = _insert(connection).values(**_values(message)).returning(tables.outbox.c.key)
    return connection.execute(insert).first() is not None


def put_all(connection: Connection, messages: Iterable[Message]) -> None:
    """Write many messages at once in the caller's transaction; those whose keys are there already stay as they are."""
    rows = [_values(message) for message in messages]
    if rows:
        connection.execute(_insert(connection), rows)


def _insert(connection: Connection) -> Any:
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    return insert(tables.outbox).on_conflict_do_nothing(index_elements=["key"])


def _values(message: Message) -> dict[str, Any]:
    values = dataclasses.asdict(message)
    values["facts"] = json.dumps(message.facts, ensure_ascii=False, sort_keys=True)
    values["next_at"] = message.made_at if message.next_at is None else message.next_at
    values["finished_at"] = message.made_at if message.state in (DROPPED, CAPPED) else None
    return values
