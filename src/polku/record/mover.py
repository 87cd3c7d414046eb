"""The mover: brings events from the inbox to history, exactly once, whatever instant the process dies at.

Order of writes: Parquet files, one Delta commit that carries the application transaction (``polku-inbox``, last seq),
then one SQL transaction that deletes the groups and notes the move. A death between the last two leaves events in both
places: the next mover reads the transaction's number from a fresh table and drops what is at or below it.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from polku.record import joining, tables
from polku.record.clock import now
from polku.record.hashes import COLUMNS, KINDS, id_hash
from polku.record.history import APPLICATION, History
from polku.record.inbox import Inbox
from polku.record.state import State
from polku.record.steps import reached

if TYPE_CHECKING:
    from polku.record.identity import Identities


@dataclasses.dataclass(frozen=True, slots=True)
class Moved:
    """What one move did: events brought to history, events that history had already, the new Delta version."""

    events: int
    duplicates: int
    version: int | None


class Mover:
    """Moves when asked; the job ``move`` (polku.jobs) asks whenever it is due."""

    def __init__(self, state: State, history: History, inbox: Inbox, identities: Identities) -> None:
        self.state, self.history, self.inbox, self.identities = state, history, inbox, identities

    def move(self, limit: int | None = None) -> Moved:
        """Bring what waits in the inbox (or about ``limit`` events of it) to history. Raises ProjectBusy."""
        with self.history.lease("move") as lease:
            done = self.history.snapshot().moved
            self._finish(done)
            rows = self.inbox.tail(done)
            if not rows.num_rows:
                return Moved(0, 0, None)
            if limit is not None and rows.num_rows > limit:
                rows = rows.slice(0, self._end_of_group(done, int(rows["seq"][limit - 1].as_py())))
            first, last = int(rows["seq"][0].as_py()), int(rows["seq"][-1].as_py())
            known = self._known(rows)
            with self.history.writer("move", "inbox") as writer:
                writer.add(rows.filter(pa.array(~known)).drop_columns(["day"]))
                committed = writer.commit_under(
                    lease, {"first_seq": first, "last_seq": last}, transaction=(APPLICATION, last)
                )
            duplicates = int(known.sum())
            self._forget(last, first, committed.version, committed.rows, rows.filter(pa.array(known)))
            return Moved(committed.rows, duplicates, committed.version)

    def _known(self, rows: pa.Table) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Which events history has already, or an earlier row of the inbox is."""
        own = np.ones(rows.num_rows, np.bool_)
        known = self.history.duplicates(rows["event_id"], rows["time"], own)
        codes = rows["event_id"].combine_chunks().dictionary_encode().indices.to_numpy()
        _, first = np.unique(codes, return_index=True)
        again = np.ones(len(codes), np.bool_)
        again[first] = False
        return known | again

    def _end_of_group(self, after: int, seq: int) -> int:
        """How many rows there are up to the end of the group that ``seq`` is in: groups are moved whole."""
        with self.state.read() as connection:
            table = tables.inbox.c
            last = connection.execute(sa.select(sa.func.min(table.last_seq)).where(table.last_seq >= seq)).scalar_one()
            query = sa.select(sa.func.sum(table.rows)).where(table.last_seq > after, table.last_seq <= last)
            return int(connection.execute(query).scalar_one())

    def _forget(
        self, last: int, first: int = 0, version: int | None = None, rows: int = 0, repeated: pa.Table | None = None
    ) -> None:
        """Take what history has out of the inbox; tell trails of customers whose repeats they may have counted."""
        with self.state.write() as connection:
            if last > self.state.counter(connection, "moved"):
                if repeated is not None and repeated.num_rows:
                    customers = self._customers(repeated)
                    joining.note(self.state, connection, [("dirty", c, None) for c in customers])
                connection.execute(sa.delete(tables.inbox).where(tables.inbox.c.last_seq <= last))
                self.state.set_counter(connection, "moved", last)
                if version is not None:
                    connection.execute(
                        sa.insert(tables.moves).values(
                            last_seq=last,
                            first_seq=first,
                            version=version,
                            rows=rows,
                            duplicates=0 if repeated is None else repeated.num_rows,
                            time=now(),
                        )
                    )
        reached("inbox emptied")

    def _finish(self, done: int) -> None:
        """End a move that died between history's commit and the inbox: what history took goes, the rest was repeats."""
        with self.state.read() as connection:
            if done <= self.state.counter(connection, "moved"):
                return
        rows = self.inbox.tail()
        rows = rows.filter(pc.less_equal(rows["seq"], done))
        if not rows.num_rows:
            self._forget(done)
            return
        first, last = int(rows["seq"][0].as_py()), int(rows["seq"][-1].as_py())
        moved = [c for c in self.history.commits_since(0) or () if c.kind == "move" and c.facts.get("last_seq") == done]
        within = (pc.field("seq") >= first) & (pc.field("seq") <= last)
        there = self.history.read(["seq"], where=within).read_all()["seq"]
        repeated = rows.filter(pc.invert(pc.is_in(rows["seq"], value_set=there)))
        version = moved[0].version if moved else None
        self._forget(done, first, version, rows.num_rows - repeated.num_rows, repeated)

    def _customers(self, rows: pa.Table) -> list[int]:
        table = self.identities.table()
        found: set[int] = set()
        for kind in KINDS:
            found |= set(table.resolve(id_hash(kind, rows[COLUMNS[kind]])).tolist())
        return sorted(found - {-1})

    def due(self, seconds: float, events: int) -> bool:
        """Whether it is time to move: events wait for longer than ``seconds``, or more than ``events`` of them."""
        oldest = self.inbox.oldest()
        if oldest is None:
            return False
        return oldest.timestamp() * 1e6 + seconds * 1e6 <= now() or self.inbox.waiting() >= events
