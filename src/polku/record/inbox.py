"""The inbox: where an event is safe the moment it is acknowledged, until the mover brings it to history.

Events are kept in groups as they arrived, each an Arrow IPC stream in one row of the state. Callers that append at the
same time share one transaction (group commit): the first to come writes for all who wait.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from polku.errors import RecordError
from polku.events.refine import Refined, refine
from polku.events.schema import ARRIVING, HISTORY
from polku.language import N_
from polku.record import tables
from polku.record.clock import moment, now
from polku.record.known import day_numbers
from polku.record.state import State
from polku.record.steps import reached
from polku.record.writer import normalised

#: The lane of the state's writers that only put groups into the inbox.
LANE = "inbox"
#: What a group's stream holds: history's columns but the partition.
STORED = pa.schema([f for f in HISTORY if f.name != "day"])


class _Waiting:
    """One caller's events on their way to disk."""

    def __init__(self, rows: pa.Table) -> None:
        self.rows = rows
        self.first = 0
        self.fault: BaseException | None = None
        self.done = threading.Event()


class Inbox:
    """The inbox of a project. All methods may be called from several threads and processes."""

    def __init__(self, state: State, keep_bots: bool = False) -> None:
        self.state, self.keep_bots = state, keep_bots
        self._waiting: list[_Waiting] = []
        self._queue = threading.Lock()
        self._writing = threading.Lock()

    def append(self, events: pa.Table | pa.RecordBatch | Sequence[Mapping[str, Any]]) -> int:
        """Take events (columns of ARRIVING) and return the first seq when they are on disk; theirs follow one by one.

        ``received_at`` is now where it is not given. Raises RecordError when events do not fit; then none is taken.
        """
        rows = _as_table(events)
        if not rows.num_rows:
            raise RecordError(N_("There is nothing to put into the inbox."))
        mine = _Waiting(rows)
        with self._queue:
            self._waiting.append(mine)
        with self._writing:
            if not mine.done.is_set():
                with self._queue:
                    group, self._waiting = self._waiting, []
                self._write(group)
        if mine.fault is not None:
            raise mine.fault
        return mine.first

    def _write(self, group: list[_Waiting]) -> None:
        try:
            table = pa.concat_tables([w.rows for w in group])
            with self.state.write(LANE) as connection:
                first = self.put(connection, table)
                reached("inbox written")
        except BaseException as fault:
            for waiting in group:
                waiting.fault = fault
                waiting.done.set()
            raise
        for waiting in group:
            waiting.first = first
            first += waiting.rows.num_rows
            waiting.done.set()
        reached("inbox committed")

    def put(self, connection: Connection, rows: pa.Table) -> int:
        """Write events (columns of STORED) as one group, in the caller's transaction; returns the first seq."""
        first = self.state.reserve(connection, "seq", rows.num_rows)
        seq = pa.array(np.arange(first, first + rows.num_rows, dtype=np.int64))
        connection.execute(
            sa.insert(tables.inbox).values(
                last_seq=first + rows.num_rows - 1,
                first_seq=first,
                rows=rows.num_rows,
                received_at=now(),
                payload=pack(rows.set_column(rows.schema.get_field_index("seq"), "seq", seq)),
            )
        )
        return first

    def tail(
        self, after: int = 0, columns: Sequence[str] | None = None, *, connection: Connection | None = None
    ) -> pa.Table:
        """Events with a seq over ``after`` that are not in history yet, in order of arrival, with history's schema.

        They are refined (``events.refine``) as the mover will refine them, without those that it will refuse. An event
        that came again (its first answer was lost) is there once.
        """
        table = self.arrived(after, connection=connection)
        if table.num_rows:
            table = _once(self.refined(table).kept())
        return table if columns is None else table.select(list(columns))

    def refined(self, rows: pa.Table) -> Refined:
        """What becomes of rows of :meth:`arrived` on their way to history."""
        return refine(rows, keep_bots=self.keep_bots)

    def arrived(self, after: int = 0, *, connection: Connection | None = None) -> pa.Table:
        """As :meth:`tail`, but as they came."""
        query = (
            sa.select(tables.inbox.c.payload).where(tables.inbox.c.last_seq > after).order_by(tables.inbox.c.last_seq)
        )
        if connection is not None:
            payloads = connection.execute(query).scalars().all()
        else:
            with self.state.read() as reading:
                payloads = reading.execute(query).scalars().all()
        if not payloads:
            return pa.Table.from_batches([], HISTORY)  # empty_table() would import pandas, half a second
        table = pa.concat_tables([unpack(p) for p in payloads])
        if table.num_rows and int(table["seq"][0].as_py()) <= after:
            table = table.filter(pa.compute.greater(table["seq"], after))
        days = pa.array(day_numbers(table["time"])).cast(pa.date32()) if table.num_rows else pa.array([], pa.date32())
        return table.append_column(HISTORY.field("day"), days).select(HISTORY.names)

    def waiting(self) -> int:
        """How many events are not in history yet."""
        with self.state.read() as connection:
            return int(
                connection.execute(sa.select(sa.func.coalesce(sa.func.sum(tables.inbox.c.rows), 0))).scalar_one()
            )

    def oldest(self) -> dt.datetime | None:
        """When the event that waits longest was received; None when the inbox is empty."""
        with self.state.read() as connection:
            found = connection.execute(sa.select(sa.func.min(tables.inbox.c.received_at))).scalar()
            return None if found is None else moment(int(found))


def _once(table: pa.Table) -> pa.Table:
    """The rows without those whose event_id an earlier one has."""
    ids = table["event_id"].combine_chunks().dictionary_encode()
    if len(ids.dictionary) == len(ids):
        return table
    _, first = np.unique(ids.indices.to_numpy(), return_index=True)
    return table.take(np.sort(first))


def _as_table(events: pa.Table | pa.RecordBatch | Sequence[Mapping[str, Any]]) -> pa.Table:
    if isinstance(events, pa.Table):
        table = events
    elif isinstance(events, pa.RecordBatch):
        table = pa.Table.from_batches([events])
    else:
        unknown = sorted({k for e in events for k in e} - set(ARRIVING.names))
        if unknown:
            raise RecordError(
                N_("An event has no column {column}; there are {columns}."),
                column=unknown[0],
                columns=", ".join(ARRIVING.names),
            )
        table = pa.Table.from_pylist(
            [dict(e) for e in events], schema=pa.schema([f.with_nullable(True) for f in ARRIVING])
        )
    if "received_at" not in table.column_names or table["received_at"].null_count:
        received = pa.scalar(moment(now()), ARRIVING.field("received_at").type)
        if "received_at" in table.column_names:
            column = pa.compute.fill_null(table["received_at"], received)
            table = table.set_column(table.schema.get_field_index("received_at"), "received_at", column)
        else:
            table = table.append_column("received_at", pa.repeat(received, table.num_rows))
    dropped = [name for name in table.column_names if name not in ARRIVING.names]
    table = normalised(table.drop_columns(dropped), 0)
    return table.select(STORED.names).cast(STORED)


def pack(table: pa.Table) -> bytes:
    """A group of events as the inbox keeps it: an Arrow IPC stream, compressed."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table.combine_chunks())
    return bytes(sink.getvalue())


def unpack(payload: bytes) -> pa.Table:
    """The events of a group that :func:`pack` made."""
    return pa.ipc.open_stream(payload).read_all()
