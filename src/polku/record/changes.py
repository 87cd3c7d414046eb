"""What the record tells the trails: everything new since a position, nothing twice, nothing missed."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from polku.events.schema import HISTORY
from polku.record import tables
from polku.record.deltalog import File
from polku.record.hashes import COLUMNS, KINDS, id_hash
from polku.record.history import History, Snapshot
from polku.record.identity import Identities
from polku.record.inbox import Inbox
from polku.record.state import State

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


@dataclasses.dataclass(frozen=True, slots=True)
class Position:
    """How far a reader has come.

    history: Delta version. inbox: highest seq of the inbox. identity: counter of merges, undos, erasures.
    """

    history: int
    inbox: int
    identity: int


@dataclasses.dataclass(frozen=True, slots=True)
class Changes:
    """What happened after a position; ``position`` is where the reader stands when it has taken all of it.

    rebuild: the past cannot be told as changes, ``rows`` are all rows. moved: customer key -> surviving key.
    dirty: customers whose trail must be made again. erased: customers who are gone.
    """

    position: Position
    rebuild: bool
    rows: pa.RecordBatchReader
    moved: dict[int, int]
    dirty: set[int]
    erased: set[int]


@dataclasses.dataclass(frozen=True)
class _View:
    """One consistent look at the record: history at a version and the inbox behind it.

    ``tail`` is without ``again``: rows whose event history has, which the mover will drop.
    """

    snapshot: Snapshot
    tail: pa.Table
    again: pa.Table
    position: Position
    moved: dict[int, int]
    dirty: set[int]
    erased: set[int]


class Changing:
    """Tells changes; part of a Project."""

    def __init__(self, state: State, history: History, inbox: Inbox, identities: Identities) -> None:
        self.state, self.history, self.inbox, self.identities = state, history, inbox, identities
        #: Rows of the tail that history (at this version) has already, looked for up to this seq.
        self._again: tuple[int, int, npt.NDArray[np.int64]] = (-1, 0, np.empty(0, np.int64))

    def position(self) -> Position:
        """Where the record stands now; cheap, so that a page can ask whether anything is new."""
        with self.state.read() as connection:
            return Position(
                self.history.version, self._last_arrived(connection), self.state.counter(connection, "identity")
            )

    def changes(self, since: Position | None, columns: Sequence[str]) -> Changes:
        """Everything after ``since`` (None: everything there is), with the wanted columns of history."""
        view = self._look(since, columns)
        parts = None if since is None else self._parts(since, view)
        if parts is None:
            everything: list[tuple[Sequence[File], pc.Expression | None]] = [(view.snapshot.files, None)]
            tail = _after(view.tail, view.snapshot.moved).select(list(columns))
            return Changes(view.position, True, self._reader(everything, tail, columns), {}, set(), set())
        assert since is not None
        tail = _after(view.tail, max(since.inbox, view.snapshot.moved)).select(list(columns))
        rows = self._reader(parts, tail, columns)
        dirty = view.dirty | self._imported_again(since, view)
        return Changes(view.position, False, rows, view.moved, dirty, view.erased)

    def events_of(
        self, customers: Collection[int], columns: Sequence[str], position: Position | None = None
    ) -> pa.RecordBatchReader:
        """Rows that carry any id of these customers, as of ``position`` (default: now), history's schema.

        Rows of a device that another user shares are among them: resolve the rows again and keep those wanted.
        """
        ids: dict[str, list[str]] = {"user": [], "anonymous": [], "account": []}
        for group in self.identities.ids_of_many(customers).values():
            for each in group:
                ids[each.kind].append(each.value)
        theirs: pc.Expression = pc.scalar(False)
        for kind, values in ids.items():
            if values:
                theirs = theirs | pc.field(COLUMNS[kind]).isin(pa.array(values, pa.string()))
        wanted = list(dict.fromkeys([*columns, "seq", *COLUMNS.values()]))
        view = self._look(None, wanted)  # one look for all: what moves from here on is still in its tail
        tail = _after(view.tail, view.snapshot.moved)
        files: list[tuple[Sequence[File], pc.Expression | None]] = [(view.snapshot.files, theirs)]
        if position is not None:
            then = self.history.snapshot_at(position.history)
            arrived = (pc.field("seq") > then.moved) & (pc.field("seq") <= position.inbox)
            later = self.history.commits_since(position.history) or ()
            brought = [f for c in later if c.kind == "move" and c.version <= view.snapshot.version for f in c.added]
            files = [(then.files, theirs), (brought, theirs & arrived)]
            tail = tail.filter(arrived)
        return self._reader(files, tail.filter(theirs).select(list(columns)), columns)

    def look(self, columns: Sequence[str]) -> tuple[Snapshot, pa.Table]:
        """History's files and the inbox's events that are not in them, as of one moment."""
        view = self._look(None, columns)
        return view.snapshot, _after(view.tail, view.snapshot.moved).select(list(columns))

    # -- a consistent look --------------------------------------------------------------------------------------

    def _look(self, since: Position | None, columns: Sequence[str]) -> _View:
        """History, inbox and identities as of one moment, with every id in them known.

        The mover writes history first and the state after it. So: history first, then one transaction of the state;
        when the state says that more was moved than our history has, history is read again.
        """
        wanted = list(dict.fromkeys([*columns, "event_id", "seq", *COLUMNS.values()]))
        while True:
            self.identities.catch_up(inbox=True)
            snapshot = self.history.snapshot()
            with self.state.read() as connection:
                if self.state.counter(connection, "moved") > snapshot.moved:
                    continue
                if self.state.counter(connection, "history_observed") < snapshot.version:
                    continue
                observed = self.state.counter(connection, "inbox_observed")
                tail = self.inbox.tail(snapshot.moved, wanted, connection=connection)
                if tail.num_rows:
                    tail = tail.filter(pc.field("seq") <= observed)
                identity = self.state.counter(connection, "identity")
                moved, dirty, erased = self._identity_changes(connection, since, identity)
            position = Position(snapshot.version, max(observed, snapshot.moved), identity)
            repeated = pa.array(self._repeated(snapshot, tail))
            return _View(
                snapshot, tail.filter(pc.invert(repeated)), tail.filter(repeated), position, moved, dirty, erased
            )

    def _repeated(self, snapshot: Snapshot, tail: pa.Table) -> npt.NDArray[np.bool_]:
        """bool[n]: which rows of the tail history has already: their answer was lost, and they were sent again.

        Each row is looked for once a version of history.
        """
        seq = tail["seq"].to_numpy()
        version, upto, again = self._again
        if version != snapshot.version:
            upto, again = 0, again[:0]
        fresh = seq > upto
        if fresh.any():
            asked = tail.filter(pa.array(fresh))
            found = self.history.holds(snapshot, asked["event_id"])
            again = np.concatenate([again, asked["seq"].to_numpy()[found]])
            self._again = (snapshot.version, int(seq.max()), again)
        repeated: npt.NDArray[np.bool_] = np.isin(seq, again)
        return repeated

    def _imported_again(self, since: Position, view: _View) -> set[int]:
        """Customers of rows that were told out of the tail, and that an import has brought to history since."""
        told = view.again.filter(pc.field("seq") <= since.inbox) if view.again.num_rows else view.again
        if not told.num_rows or since.history == view.position.history:
            return set()
        if all(c.kind == "move" for c in self.history.commits_since(since.history) or ()):
            return set()
        table = self.identities.table()
        found = {int(c) for kind in KINDS for c in table.resolve(id_hash(kind, told[COLUMNS[kind]])).tolist()}
        return found - {-1}

    def _last_arrived(self, connection: Connection) -> int:
        found = connection.execute(sa.select(sa.func.max(tables.inbox.c.last_seq))).scalar()
        return max(int(found or 0), self.state.counter(connection, "moved"))

    def _identity_changes(
        self, connection: Connection, since: Position | None, identity: int
    ) -> tuple[dict[int, int], set[int], set[int]]:
        if since is None or since.identity >= identity:
            return {}, set(), set()
        change, who = tables.identity_changes.c, tables.identities.c
        rows = connection.execute(
            sa.select(change.kind, change.customer).where(change.counter > since.identity, change.counter <= identity)
        ).all()
        dirty = {int(c) for kind, c in rows if kind == "dirty"}
        erased = {int(c) for kind, c in rows if kind == "erased"}
        changed = {int(c) for kind, c in rows if kind == "moved"}
        keys = sorted(changed | dirty)
        moved: dict[int, int] = {}
        for at in range(0, len(keys), 10_000):
            # Where they live now, not where they first went: a chain arrives at once, an undone merge not at all.
            query = sa.select(who.id, who.customer).where(who.id.in_(keys[at : at + 10_000]), who.customer != who.id)
            for number, customer in connection.execute(query):
                if number in changed:
                    moved[int(number)] = int(customer)
                if number in dirty:
                    # Split off first and joined to another since: that one lacks what the first split took away.
                    dirty.add(int(customer))
        return moved, dirty, erased

    # -- rows -----------------------------------------------------------------------------------------------------

    def _parts(self, since: Position, view: _View) -> list[tuple[Sequence[File], pc.Expression | None]] | None:
        """Files that brought rows after ``since`` and which of their rows count; None when that cannot be told."""
        now = view.position
        if since.history > now.history or since.inbox > now.inbox or since.identity > now.identity:
            return None  # the record is older than its reader: it was brought back from a backup
        commits = self.history.commits_since(since.history)
        if commits is None:
            return None
        commits = tuple(c for c in commits if c.version <= view.snapshot.version)
        if any(c.lost_data and c.kind != "erase" for c in commits):
            return None
        parts: list[tuple[Sequence[File], pc.Expression | None]] = []
        plain: list[File] = []
        for commit in commits:
            if commit.kind == "erase":
                continue
            if commit.kind == "move" and int(commit.facts.get("first_seq", 0)) <= since.inbox:
                if int(commit.facts["last_seq"]) > since.inbox:
                    parts.append((commit.added, pc.field("seq") > since.inbox))
                continue
            plain += commit.added
        parts.append((plain, None))
        gone = {path for c in commits for path in c.removed}
        rewritten = {path for c in commits if c.kind == "erase" for path in c.removed}
        for files, _ in parts:
            for file in files:
                if file.path in rewritten or (file.path in gone and not self.history.place.exists(file.path)):
                    return None
        return parts

    def _reader(
        self, parts: Sequence[tuple[Sequence[File], pc.Expression | None]], tail: pa.Table, columns: Sequence[str]
    ) -> pa.RecordBatchReader:
        schema = pa.schema([HISTORY.field(c) for c in columns])

        def batches() -> Iterator[pa.RecordBatch]:
            for files, where in parts:
                if files:
                    yield from self.history.read(columns, files=files, where=where)
            yield from tail.cast(schema).to_batches()

        return pa.RecordBatchReader.from_batches(schema, batches())


def _after(tail: pa.Table, seq: int) -> pa.Table:
    return tail.filter(pc.field("seq") > seq) if tail.num_rows else tail
