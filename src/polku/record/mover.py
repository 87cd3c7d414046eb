"""The mover: brings events from the inbox to history, exactly once, whatever instant the process dies at.

Order of writes: Parquet files, one Delta commit that carries the application transaction (``polku-inbox``, last seq),
then one SQL transaction that deletes the groups and notes the move. A death between the last two leaves events in both
places: the next mover reads the transaction's number from a fresh table and drops what is at or below it.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from polku.events.refine import DELIVERED, SOON, across, met_at
from polku.events.refusals import Refusal
from polku.events.schema import MOMENT
from polku.record import joining, tables
from polku.record.clock import now
from polku.record.hashes import COLUMNS, KINDS, id_hash
from polku.record.history import APPLICATION, History
from polku.record.inbox import Inbox
from polku.record.refused import Refused, note_refused
from polku.record.state import State
from polku.record.steps import reached

if TYPE_CHECKING:
    from polku.record.identity import Identities


@dataclasses.dataclass(frozen=True, slots=True)
class Moved:
    """What one move did: events brought to history, events that history had already, the new Delta version, events
    refused."""

    events: int
    duplicates: int
    version: int | None
    refused: int = 0


def _moments(micros: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pa.Array:
    return pa.array(micros, pa.int64()).cast(MOMENT)


@dataclasses.dataclass(frozen=True)
class _Judged:
    """Rows on their way to history. ``kept`` and ``refused`` are all of them; ``reasons`` uint8 of the refused;
    ``late``: refused by what several rows tell, so that trails may have counted them."""

    kept: pa.Table
    refused: pa.Table
    reasons: np.ndarray[tuple[int], np.dtype[np.uint8]]
    late: pa.Table


class Mover:
    """Moves when asked; the job ``move`` (polku.jobs) asks whenever it is due."""

    def __init__(self, state: State, history: History, inbox: Inbox, identities: Identities) -> None:
        self.state, self.history, self.inbox, self.identities = state, history, inbox, identities

    def move(self, limit: int | None = None) -> Moved:
        """Bring what waits in the inbox (or about ``limit`` events of it) to history. Raises ProjectBusy."""
        with self.history.lease("move") as lease:
            done = self.history.snapshot().moved
            self._finish(done)
            rows = self.inbox.arrived(done)
            if not rows.num_rows:
                return Moved(0, 0, None)
            if limit is not None and rows.num_rows > limit:
                rows = rows.slice(0, self._end_of_group(done, int(rows["seq"][limit - 1].as_py())))
            first, last = int(rows["seq"][0].as_py()), int(rows["seq"][-1].as_py())
            judged = self._judge(rows)
            kept = judged.kept
            known = self._known(kept)
            with self.history.writer("move", "inbox") as writer:
                writer.add(kept.filter(pa.array(~known)).drop_columns(["day"]))
                committed = writer.commit_under(
                    lease, {"first_seq": first, "last_seq": last}, transaction=(APPLICATION, last)
                )
            duplicates = int(known.sum())
            self._forget(last, first, committed.version, committed.rows, kept.filter(pa.array(known)), judged)
            return Moved(committed.rows, duplicates, committed.version, judged.refused.num_rows)

    def _judge(self, rows: pa.Table) -> _Judged:
        """Refine the rows of a move; the same rows are always judged alike."""
        table, refused = self.inbox.refined(rows)
        late = np.empty(0, np.int64)
        if not self.inbox.keep_bots:
            late = across(table, refused, self._delivered(table, refused))
        bad = pa.array(refused != 0)
        return _Judged(table.filter(pc.invert(bad)), table.filter(bad), refused[refused != 0], table.take(late))

    def _delivered(self, table: pa.Table, refused: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> pa.Table | None:
        """The deliveries of mail that history has from shortly before mails were opened in these rows."""
        times = met_at(table, refused)
        if not len(times):
            return None
        days = {day for moved in (times, times - SOON) for day in _moments(moved).cast(pa.date32()).to_pylist()}
        files = [file for file in self.history.snapshot().files if file.day in days]
        if not files:
            return None
        first, last = _moments(np.array([times.min() - SOON, times.max()]))
        shortly = (pc.field("event") == DELIVERED) & (pc.field("time") >= first) & (pc.field("time") <= last)
        columns = ["event", "time", "user_id", "anonymous_id", "properties"]
        return self.history.read(columns, files=files, where=shortly).read_all()

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
        self,
        last: int,
        first: int = 0,
        version: int | None = None,
        rows: int = 0,
        repeated: pa.Table | None = None,
        judged: _Judged | None = None,
    ) -> None:
        """Take what history has out of the inbox; tell trails of customers whose repeats they may have counted."""
        with self.state.write() as connection:
            if last > self.state.counter(connection, "moved"):
                counted = [t for t in (repeated, judged.late if judged else None) if t is not None and t.num_rows]
                customers = sorted({c for table in counted for c in self._customers(table)})
                if customers:
                    joining.note(self.state, connection, [("dirty", c, None) for c in customers])
                if judged is not None:
                    note_refused(self.state, connection, _told(judged))
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
        rows = self.inbox.arrived()
        rows = rows.filter(pc.less_equal(rows["seq"], done))
        if not rows.num_rows:
            self._forget(done)
            return
        first, last = int(rows["seq"][0].as_py()), int(rows["seq"][-1].as_py())
        moved = [c for c in self.history.commits_since(0) or () if c.kind == "move" and c.facts.get("last_seq") == done]
        within = (pc.field("seq") >= first) & (pc.field("seq") <= last)
        there = self.history.read(["seq"], where=within).read_all()["seq"]
        judged = self._judge(rows)
        repeated = judged.kept.filter(pc.invert(pc.is_in(judged.kept["seq"], value_set=there)))
        version = moved[0].version if moved else None
        self._forget(done, first, version, judged.kept.num_rows - repeated.num_rows, repeated, judged)

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
        waited = now() - oldest.timestamp() * 1e6
        # An arrival that lies ahead: the clock was set back, and nobody waits until it is there again.
        return not 0 <= waited < seconds * 1e6 or self.inbox.waiting() >= events


def _told(judged: _Judged) -> list[Refused]:
    """What is kept of refused events: each as a JSON object of its columns."""
    rows = judged.refused.drop_columns(["day"])
    received, times = (pc.cast(rows[name], pa.int64()).to_pylist() for name in ("received_at", "time"))
    return [
        Refused(
            row["source"] or "", "", "mover", Refusal(reason).name.lower(), at, time,
            json.dumps({k: v for k, v in row.items() if v is not None}, ensure_ascii=False, default=str),
        )
        for row, reason, at, time in zip(rows.to_pylist(), judged.reasons.tolist(), received, times, strict=True)
    ]  # fmt: skip
