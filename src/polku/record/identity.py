"""Who is who: raw ids become customers, and ids seen together become one customer.

The rule, which gives the same groups in whatever order events arrive:

* Every user id is a person. Every anonymous id belongs to at most one of them: the user it was **first seen with** by
  the events' own times (equal times: the smaller hash). Two users are never merged through a device that they share:
  rows that carry a user id are that user's, rows that carry only the anonymous id belong to its owner.
* Account ids stand apart: they are customers of a map whose subject is the account.
* Every id has an integer; a customer's key is the smallest integer of their ids.
* A join that a person undid never counts as evidence again.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from polku.errors import RecordError
from polku.language import N_
from polku.record import joining, tables
from polku.record.clock import moment, now
from polku.record.gather import Gather, Gathered
from polku.record.hashes import KINDS, Kind, id_hash
from polku.record.idtable import IdTable, IdTables
from polku.record.profiles import profiles, store_traits
from polku.record.state import State
from polku.record.steps import reached

if TYPE_CHECKING:
    from polku.record.history import History
    from polku.record.inbox import Inbox

__all__ = ["Id", "IdTable", "Identities", "Join", "Preview", "id_hash"]

#: More new ids than this at once are numbered in order of their hash, so that the database's index grows at its end.
BULK = 50_000
ID_COLUMNS = ("time", "seq", "user_id", "anonymous_id", "account_id", "context")


@dataclasses.dataclass(frozen=True, slots=True)
class Id:
    """One raw id. kind: ``user``, ``anonymous`` or ``account``."""

    kind: Kind
    value: str
    number: int


@dataclasses.dataclass(frozen=True, slots=True)
class Join:
    """Evidence that an anonymous id and a user are one, and whether it decides (each anonymous id has one owner)."""

    number: int
    anonymous: Id
    user: Id
    time: dt.datetime
    evidence: str
    decides: bool
    undone_at: dt.datetime | None


@dataclasses.dataclass(frozen=True, slots=True)
class Preview:
    """What a join would make: the customers concerned with their ids, before and after."""

    before: dict[int, tuple[Id, ...]]
    after: dict[int, tuple[Id, ...]]


class Identities:
    """The identities of a project."""

    def __init__(self, state: State, history: History, inbox: Inbox, cache: Path) -> None:
        self.state, self.history, self.inbox = state, history, inbox
        self._tables = IdTables(state, cache)
        self._lock = threading.RLock()

    # -- learning -----------------------------------------------------------------------------------------------

    def observe(
        self,
        user: pa.Array | None = None,
        anonymous: pa.Array | None = None,
        account: pa.Array | None = None,
        times: pa.Array | None = None,
    ) -> int:
        """Learn ids (string or dictionary arrays of equal length) and who was seen together. Returns how many are new.

        ``times`` is timestamp[us, UTC]; events themselves are observed when they are written.
        """
        given = {"user_id": user, "anonymous_id": anonymous, "account_id": account, "time": times}
        present = {name: column for name, column in given.items() if column is not None}
        length = len(next(iter(present.values()))) if present else 0
        present.setdefault("time", pa.array(np.full(length, now())).cast(pa.timestamp("us", tz="UTC")))
        present["seq"] = pa.array(np.zeros(length, np.int64))
        gather = Gather()
        gather.take(pa.table(present))
        return self.apply(gather.gathered())

    def gatherer(self) -> Gathering:
        """For the history's writer: sees the batches, applies what they say when the commit is done."""
        return Gathering(self)

    def apply(self, gathered: Gathered, counters: dict[str, int] | None = None) -> int:
        """Write what was gathered, and ``counters``, in one transaction. Returns how many ids are new."""
        with self._lock:
            with self.state.write() as connection:
                base = self._tables.newest(connection)
                numbers = _Numbers(self.state, connection, base, gathered)
                changed = joining.join(self.state, connection, numbers.pairs(gathered), numbers.fresh_from)
                customers = numbers.customers(changed)
                numbers.insert(self.state, connection, customers)
                joining.record(self.state, connection, changed)
                self._store_traits(connection, base, numbers, gathered)
                for name, value in (counters or {}).items():
                    self.state.set_counter(connection, name, max(value, self.state.counter(connection, name)))
                reached("identities written")
            self._tables.extend(base, numbers.hashes, customers, numbers.ids, numbers.last)
            self._tables.save()
            return len(numbers.ids)

    def _store_traits(self, connection: Connection, base: IdTable, numbers: _Numbers, gathered: Gathered) -> None:
        wanted = np.array(sorted({h for h, _ in gathered.traits.latest}), np.uint64)
        if not len(wanted):
            return
        owners = dict(zip(wanted.tolist(), numbers.of(base, wanted).tolist(), strict=True))
        if store_traits(self.state, connection, gathered.traits, owners):
            self.state.reserve(connection, "profiles", 1)

    def catch_up(self, *, inbox: bool = False) -> None:
        """Observe what history (and the inbox) has and the state does not know yet: a crash may lie between the two."""
        with self._lock:
            with self.state.read() as connection:
                seen = self.state.counter(connection, "history_observed")
            newest = self.history.version
            if newest > seen:
                self._catch_up_history(seen, newest)
            if inbox:
                self._catch_up_inbox()

    def _catch_up_history(self, seen: int, newest: int) -> None:
        commits = self.history.commits_since(seen)
        if commits is None:
            files = list(self.history.snapshot().files)
        else:
            files = [f for c in commits for f in c.added if c.kind != "erase"]
        self._restore_seq()
        gather = Gather()
        if files:
            current = {f.path for f in self.history.snapshot().files}
            if any(f.path not in current for f in files):
                files = list(self.history.snapshot().files)  # compacted meanwhile: the events stand in other files
            for batch in self.history.read(ID_COLUMNS, files=files):
                gather.take(batch)
        self.apply(gather.gathered(), {"history_observed": newest})

    def _restore_seq(self) -> None:
        """A state that was lost, or came back from a backup, must not give numbers that history has."""
        with self.state.write() as connection:
            last = self.history.last_seq()
            if self.state.counter(connection, "seq") < last:
                self.state.set_counter(connection, "seq", last)

    def _catch_up_inbox(self) -> None:
        with self.state.read() as connection:
            seen = self.state.counter(connection, "inbox_observed")
        tail = self.inbox.tail(seen, ID_COLUMNS)
        if tail.num_rows:
            gather = Gather()
            gather.take(tail)
            last = int(tail["seq"].to_numpy().max())
            self.apply(gather.gathered(), {"inbox_observed": last})

    # -- asking -------------------------------------------------------------------------------------------------

    def table(self) -> IdTable:
        """All that is needed to resolve raw ids of arrays: hashes and customers (see IdTable)."""
        with self._lock, self.state.read() as connection:
            table = self._tables.newest(connection)
        self._tables.save()
        return table

    def version(self) -> int:
        """Counter of merges, undos and erasures."""
        with self.state.read() as connection:
            return self.state.counter(connection, "identity")

    def customer_of(self, kind: Kind, value: str) -> int | None:
        """The customer of a raw id, or None when it was never seen (or names nobody)."""
        with self.state.read() as connection:
            found = self._id(connection, kind, value)
            if found is None:
                return None
            query = sa.select(tables.identities.c.customer).where(tables.identities.c.id == found.number)
            return int(connection.execute(query).scalar_one())

    def find(self, value: str) -> tuple[tuple[Id, int], ...]:
        """Every id with this value, of whatever kind, with its customer."""
        with self.state.read() as connection:
            found = [self._id(connection, kind, value) for kind in KINDS]
            return tuple((i, self._customer(connection, i.number)) for i in found if i is not None)

    def ids_of(self, customer: int) -> tuple[Id, ...]:
        """Every raw id of a customer, the oldest first; empty when there is no such customer."""
        with self.state.read() as connection:
            return self._ids_of(connection, [customer]).get(customer, ())

    def ids_of_many(self, customers: Iterable[int]) -> dict[int, tuple[Id, ...]]:
        """Raw ids of several customers at once."""
        with self.state.read() as connection:
            return self._ids_of(connection, list(customers))

    def count(self) -> int:
        """How many ids were ever seen."""
        with self.state.read() as connection:
            return self.state.counter(connection, "customer")

    def joins_of(self, customer: int) -> tuple[Join, ...]:
        """The evidence that made this customer, also what was undone or does not decide."""
        with self.state.read() as connection:
            numbers = [i.number for i in self._ids_of(connection, [customer]).get(customer, ())]
            table = tables.joins.c
            return self._joins(connection, sa.or_(table.anonymous.in_(numbers), table.user.in_(numbers)))

    def shared(self, limit: int = 100) -> tuple[Join, ...]:
        """Evidence that does not decide: the anonymous id belongs to another user. Devices that people share."""
        with self.state.read() as connection:
            table = tables.joins.c
            return self._joins(connection, sa.and_(table.decides.is_(False), table.undone_at.is_(None)), limit)

    def profiles(self) -> pa.Table:
        """``customer`` int64 ascending, ``traits`` JSON string: the latest value of each trait over their ids."""
        with self.state.read() as connection:
            return profiles(connection)

    # -- joining and undoing by hand -------------------------------------------------------------------------------

    def join(self, anonymous: str, user: str, evidence: str) -> None:
        """Say that an anonymous id is this user's, whatever was seen before; ``evidence`` tells why, and by whom."""
        with self._lock, self.state.write() as connection:
            pair = self._known(connection, "anonymous", anonymous).number, self._known(connection, "user", user).number
            joining.record(self.state, connection, joining.decide_by_hand(self.state, connection, pair, evidence))

    def preview(self, anonymous: str, user: str) -> Preview:
        """What :meth:`join` of these two would make; nothing is written."""
        with self.state.read() as connection:
            left = self._known(connection, "anonymous", anonymous)
            right = self._known(connection, "user", user)
            old, new = self._customer(connection, left.number), self._customer(connection, right.number)
            before = self._ids_of(connection, [old, new])
        if old == new:
            return Preview(before, before)
        after: dict[int, tuple[Id, ...]] = {}
        stays = tuple(i for i in before[old] if i.number != left.number)
        comes = tuple(sorted((*before[new], left), key=lambda i: i.number))
        for group in (stays, comes):
            if group:
                after[min(i.number for i in group)] = group
        return Preview(before, after)

    def undo(self, join: int, by: str = "") -> None:
        """Undo a join by its number, for good: the anonymous id goes to its next evidence, or stands alone."""
        with self._lock, self.state.write() as connection:
            joining.record(self.state, connection, joining.undo(self.state, connection, join, by))

    # -- reading rows -----------------------------------------------------------------------------------------------

    def _id(self, connection: Connection, kind: Kind, value: str) -> Id | None:
        hashed = id_hash(kind, pa.array([value], pa.string()))
        table = tables.identities.c
        query = sa.select(table.id).where(table.hash == int(hashed.view(np.int64)[0]), table.kind == kind)
        number = connection.execute(query).scalar()
        return None if number is None or not int(hashed[0]) else Id(kind, value, int(number))

    def _known(self, connection: Connection, kind: Kind, value: str) -> Id:
        found = self._id(connection, kind, value)
        if found is None:
            raise RecordError(N_("There is no {kind} id {value!r} in this project."), kind=kind, value=value)
        return found

    def _customer(self, connection: Connection, number: int) -> int:
        query = sa.select(tables.identities.c.customer).where(tables.identities.c.id == number)
        return int(connection.execute(query).scalar_one())

    def _ids_of(self, connection: Connection, customers: list[int]) -> dict[int, tuple[Id, ...]]:
        found: dict[int, list[Id]] = {c: [] for c in customers}
        for row in joining.members(connection, customers):
            found[row.customer].append(Id(row.kind, row.value, row.id))
        return {c: tuple(ids) for c, ids in found.items() if ids}

    def _joins(self, connection: Connection, where: sa.ColumnElement[bool], limit: int = 10_000) -> tuple[Join, ...]:
        table = tables.joins
        rows = connection.execute(sa.select(table).where(where).order_by(table.c.time, table.c.id).limit(limit)).all()
        numbers = sorted({int(n) for row in rows for n in (row.anonymous, row.user)})
        names: dict[int, Id] = {}
        for at in range(0, len(numbers), 10_000):
            query = sa.select(tables.identities).where(tables.identities.c.id.in_(numbers[at : at + 10_000]))
            names.update({row.id: Id(row.kind, row.value, row.id) for row in connection.execute(query)})
        return tuple(
            Join(
                row.id,
                names[row.anonymous],
                names[row.user],
                moment(row.time),
                row.evidence,
                bool(row.decides),
                None if row.undone_at is None else moment(row.undone_at),
            )
            for row in rows
        )


class Gathering:
    """Gathers while a writer takes rows; applies after its commit, unless other commits came between."""

    def __init__(self, identities: Identities) -> None:
        self._identities = identities
        self._gather = Gather()

    def take(self, rows: pa.Table) -> None:
        self._gather.take(rows)

    def committed(self, version: int, first_seq: int) -> None:
        with self._identities.state.read() as connection:
            seen = self._identities.state.counter(connection, "history_observed")
        if seen == version - 1:
            self._identities.apply(self._gather.gathered(first_seq), {"history_observed": version})
        else:
            self._identities.catch_up()


class _Numbers:
    """The integers of gathered ids: known ones from the table, new ones reserved."""

    def __init__(self, state: State, connection: Connection, base: IdTable, gathered: Gathered) -> None:
        parts: list[tuple[Kind, npt.NDArray[np.bool_]]] = []
        for kind in KINDS:
            parts.append((kind, base.find(gathered.hashes[kind]) < 0))
        count = sum(int(new.sum()) for _, new in parts)
        self.fresh_from = state.reserve(connection, "customer", count) if count else 0
        self.last = self.fresh_from + count - 1 if count else base.last
        self.ids = np.arange(self.fresh_from, self.fresh_from + count, dtype=np.int64)
        nothing = np.empty(0, np.uint64)
        self.hashes = np.concatenate([nothing, *(gathered.hashes[kind][new] for kind, new in parts)])
        self._kinds = [kind for kind, new in parts for _ in range(int(new.sum()))]
        self._values = [
            value
            for kind, new in parts
            for value, fresh in zip(gathered.values[kind], new.tolist(), strict=True)
            if fresh
        ]
        self._base = base
        order = np.argsort(self.hashes)
        if count > BULK:
            self.hashes = self.hashes[order]
            self._kinds = [self._kinds[i] for i in order.tolist()]
            self._values = [self._values[i] for i in order.tolist()]
            order = np.arange(count)
        self._sorted, self._sorted_ids = self.hashes[order], self.ids[order]

    def of(self, base: IdTable, hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
        """int64[n]: the integer of each hash, known or new."""
        found = base.find(hashes)
        missing = found < 0
        if missing.any():
            found[missing] = self._sorted_ids[np.searchsorted(self._sorted, hashes[missing])]
        return found

    def pairs(self, gathered: Gathered) -> joining.Pairs:
        """The pairs as integers."""
        return joining.Pairs(
            self.of(self._base, gathered.anonymous), self.of(self._base, gathered.user), gathered.user, gathered.time
        )

    def customers(self, changed: joining.Changed) -> npt.NDArray[np.int64]:
        """int64[new]: the customer of each new id."""
        mine = self.ids.copy()
        if len(mine):
            new = changed.nodes >= self.fresh_from
            mine[changed.nodes[new] - self.fresh_from] = changed.customers[new]
        return mine

    def insert(self, state: State, connection: Connection, customers: npt.NDArray[np.int64]) -> None:
        """Write the new ids with their customers."""
        if not len(self.ids):
            return
        state.insert_many(
            connection,
            tables.identities,
            {
                "id": self.ids.tolist(),
                "kind": self._kinds,
                "value": self._values,
                "hash": self.hashes.view(np.int64).tolist(),
                "customer": customers.tolist(),
            },
        )
