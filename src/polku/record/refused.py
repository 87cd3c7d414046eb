"""What was refused after it had arrived: each event with its raw text, and a count by source and reason.

Written in the transaction of whoever refuses (the doors with the accepted events, the mover with the move), so that an
event is never in neither place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from polku.record import tables
from polku.record.state import State

#: Characters of a raw text that are kept; the largest event that a protocol lets in is shorter but for odd ones.
MOST_RAW = 64 * 1024
#: Characters of the example that stands beside each count.
MOST_EXAMPLE = 2000


class Refused(NamedTuple):
    """One event, or a whole request that could not be read.

    ``reason`` is a Refusal's name in lower case; ``place`` ``door`` or ``mover``; ``received_at`` and ``time`` are
    microseconds since 1970 UTC; ``raw`` as it came. ``raw`` None: it is counted, and not kept (nobody known sent it).
    """

    source: str
    protocol: str
    place: str
    reason: str
    received_at: int
    time: int | None
    raw: bytes | str | None


def note_refused(state: State, connection: Connection, refused: Sequence[Refused]) -> None:
    """Keep and count, in the caller's transaction."""
    if not refused:
        return
    kept = [r for r in refused if r.raw is not None]
    columns: dict[str, Sequence[Any]] = {
        "received_at": [r.received_at for r in kept],
        "source": [r.source[:200] for r in kept],
        "protocol": [r.protocol for r in kept],
        "place": [r.place for r in kept],
        "reason": [r.reason for r in kept],
        "time": [r.time for r in kept],
        "raw": [readable(r.raw) for r in kept if r.raw is not None],
    }
    state.insert_many(connection, tables.refused_events, columns)
    counts = Counter((r.source[:200], r.reason) for r in refused)
    last = {(r.source[:200], r.reason): r for r in refused}
    for (source, reason), count in sorted(counts.items()):  # in one order, so that two processes never wait crosswise
        one = last[source, reason]
        _count(connection, source, reason, count, one.raw, one.received_at)


def _count(
    connection: Connection, source: str, reason: str, count: int, example: bytes | str | None, time: int
) -> None:
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    table = tables.refusals
    text = None if example is None else readable(example)[:MOST_EXAMPLE]
    new = insert(table).values(source=source, reason=reason, count=count, example=text, time=time)
    update: dict[str, Any] = {"count": table.c.count + count, "time": time}
    if text is not None:
        update["example"] = text
    connection.execute(new.on_conflict_do_update(index_elements=["source", "reason"], set_=update))


def readable(raw: bytes | str) -> str:
    """Raw bytes as a text that any database takes: what is not UTF-8 as ``\\\\xff``, NUL as its picture, cut when long.

    >>> readable(b'{"a": "\\xff\\x00"}')
    '{"a": "\\\\xff␀"}'
    """
    text = raw if isinstance(raw, str) else raw[: 4 * MOST_RAW].decode("utf-8", "backslashreplace")
    text = text.replace("\0", "␀")[:MOST_RAW]
    return text.encode("utf-8", "backslashreplace").decode("utf-8")  # half surrogate pairs of a text


def counts(connection: Connection) -> list[dict[str, Any]]:
    """Every count: ``source``, ``reason``, ``count``, ``example``, ``time`` of the latest; the newest first."""
    rows = connection.execute(sa.select(tables.refusals).order_by(tables.refusals.c.time.desc()))
    return [dict(row._mapping) for row in rows]
