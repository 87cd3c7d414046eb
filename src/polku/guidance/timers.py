"""Timers: moments that runs wait for, in the state. Each fires once, in order, however late Polku is there for it.

A timer is a row; firing it is deleting it in the transaction of what it does. So a kill at any instant either left the
row, and it fires when Polku is back, or took it away together with everything that came of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from polku.record import tables

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from polku.record.state import State


class Timer(NamedTuple):
    """A run's moment, in microseconds; ``number`` is its order among those of the same moment."""

    number: int
    due: int
    run: int


def due(connection: Connection, now: int, limit: int) -> list[Timer]:
    """The timers whose moment has come, in the order in which they fire: by moment, then as they were set."""
    table = tables.timers.c
    query = sa.select(table.number, table.due, table.run).where(table.due <= now)
    rows = connection.execute(query.order_by(table.due, table.number).limit(limit))
    return [Timer(*row) for row in rows]


def next_due(connection: Connection) -> int | None:
    """The next moment of any timer; None when none waits."""
    found = connection.execute(sa.select(sa.func.min(tables.timers.c.due))).scalar()
    return None if found is None else int(found)


def set_timer(state: State, connection: Connection, run: int, moment: int | None) -> None:
    """Give a run its moment, in place of the one it had; None: it waits for none."""
    connection.execute(sa.delete(tables.timers).where(tables.timers.c.run == run))
    if moment is not None:
        number = state.reserve(connection, "timer", 1)
        connection.execute(sa.insert(tables.timers).values(number=number, due=moment, run=run))
