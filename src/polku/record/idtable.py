"""The table that resolves raw ids: sorted hashes and the customer of each, kept in step with the state.

A copy on disk (`cache/`) spares reading a million rows from SQL at every start: it is a base that is brought up to date
with what the state has more, and it can be deleted at any time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import uuid
from pathlib import Path

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from polku.record import tables
from polku.record.hashes import Hashes
from polku.record.state import State

Ints = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class IdTable:
    """``hashes`` uint64[n] ascending (polku.record.hashes.id_hash), ``customers`` int64[n], ``ids`` int64[n].

    ``ids`` is the integer that the id itself was given; ``customers`` that of the customer it belongs to.
    ``last`` and ``changes`` say up to where of the state it is true.
    """

    hashes: Hashes
    customers: Ints
    ids: Ints
    last: int = 0
    changes: int = 0

    def __len__(self) -> int:
        return len(self.hashes)

    def resolve(self, hashes: Hashes) -> Ints:
        """int64[n]: the customer of each hash; -1 for 0 (nobody) and for what is unknown."""
        return self._find(hashes, self.customers)

    def find(self, hashes: Hashes) -> Ints:
        """int64[n]: the id's own integer of each hash; -1 where unknown."""
        return self._find(hashes, self.ids)

    def _find(self, hashes: Hashes, values: Ints) -> Ints:
        if not len(self.hashes) or not len(hashes):
            return np.full(len(hashes), -1, np.int64)
        places = np.searchsorted(self.hashes, hashes)
        places[places == len(self.hashes)] = 0
        found: Ints = np.where(self.hashes[places] == hashes, values[places], -1)
        return found


EMPTY = IdTable(np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.int64))


class IdTables:
    """Gives the newest IdTable: from memory, else from the copy on disk, brought up to date from the state."""

    def __init__(self, state: State, cache: Path) -> None:
        self.state, self.cache = state, cache
        self._table: IdTable | None = None
        self._saved = 0
        self._lock = threading.RLock()

    def newest(self, connection: Connection) -> IdTable:
        """The table as the connection's transaction sees the state."""
        with self._lock:
            last = self.state.counter(connection, "customer")
            changes = self.state.counter(connection, "identity")
            table = self._table if self._table is not None else self._load()
            if table.last > last or table.changes > changes:
                # A state brought back from a backup, or a reader whose transaction began earlier.
                return self._advance(connection, EMPTY, last, changes)
            if (table.last, table.changes) != (last, changes):
                table = self._advance(connection, table, last, changes)
            self._table = table
            return table

    def _advance(self, connection: Connection, table: IdTable, last: int, changes: int) -> IdTable:
        who = tables.identities.c
        hashes, customers, ids = table.hashes, table.customers, table.ids
        if changes > table.changes and len(hashes):
            customers, erased = self._changed(connection, table)
            if erased:
                stay = ~np.isin(customers, np.array(erased, np.int64))
                hashes, customers, ids = hashes[stay], customers[stay], ids[stay]
        if last > table.last:
            query = sa.select(who.hash, who.customer, who.id).where(who.id > table.last, who.id <= last)
            fresh = np.array(connection.execute(query).fetchall(), np.int64).reshape(-1, 3)
            fresh_hashes = np.ascontiguousarray(fresh[:, 0]).view(np.uint64)
            hashes = np.concatenate([hashes, fresh_hashes])
            order = np.argsort(hashes, kind="stable")
            hashes = hashes[order]
            customers = np.concatenate([customers, fresh[:, 1]])[order]
            ids = np.concatenate([ids, fresh[:, 2]])[order]
        return IdTable(hashes, customers, ids, last, changes)

    def _changed(self, connection: Connection, table: IdTable) -> tuple[Ints, list[int]]:
        """The customers of the table's ids after what changed since, and those who were erased."""
        who, change = tables.identities.c, tables.identity_changes.c
        query = sa.select(change.kind, change.customer, change.survivor).where(change.counter > table.changes)
        rows = connection.execute(query.order_by(change.counter)).all()
        customers = table.customers.copy()
        erased = [int(row.customer) for row in rows if row.kind == "erased"]
        if not rows:
            return customers, erased
        if all(row.kind == "moved" for row in rows):
            # Whole customers became part of others: nothing has to be read, however many ids they have.
            to: dict[int, int] = {}
            for row in reversed(rows):
                to[row.customer] = to.get(row.survivor, row.survivor)
            gone = np.array(sorted(to), np.int64)
            at = np.minimum(np.searchsorted(gone, customers), len(gone) - 1)
            hit = gone[at] == customers
            customers[hit] = np.array([to[int(g)] for g in gone.tolist()], np.int64)[at[hit]]
            return customers, erased
        keys = sorted({int(k) for row in rows for k in (row.customer, row.survivor) if k is not None})
        updated: list[tuple[int, int]] = []
        for at_ in range(0, len(keys), 10_000):
            some = keys[at_ : at_ + 10_000]
            found = sa.select(who.hash, who.customer).where(
                sa.or_(who.id.in_(some), sa.and_(who.customer.in_(some), who.customer != who.id)), who.id <= table.last
            )
            updated += [(int(h), int(c)) for h, c in connection.execute(found)]
        if updated:
            array = np.array(updated, np.int64)
            customers[np.searchsorted(table.hashes, array[:, 0].view(np.uint64).copy())] = array[:, 1]
        return customers, erased

    def extend(self, base: IdTable, hashes: Hashes, customers: Ints, ids: Ints, last: int) -> None:
        """Take ids that were just committed, without reading them back; their changes follow on the next use."""
        with self._lock:
            if self._table is not base:
                return
            together = np.concatenate([base.hashes, hashes])
            order = np.argsort(together, kind="stable")
            self._table = IdTable(
                together[order],
                np.concatenate([base.customers, customers])[order],
                np.concatenate([base.ids, ids])[order],
                last,
                base.changes,
            )

    def save(self) -> None:
        """Write the copy on disk when much is new: by rename, so that a reader never sees half of one."""
        with self._lock:
            table = self._table
            if table is None or len(table) < self._saved + max(1000, self._saved // 50):
                return
            self.cache.mkdir(parents=True, exist_ok=True)
            partial = self.cache / f"ids-{uuid.uuid4().hex}.partial"
            with partial.open("wb") as file:
                np.save(file, np.array([table.last, table.changes], np.int64))
                np.save(file, table.hashes)
                np.save(file, table.customers)
                np.save(file, table.ids)
            with contextlib.suppress(PermissionError):
                # Windows does not replace a file that another process reads just now; the next save does it.
                partial.replace(self.cache / "ids.npy")
            partial.unlink(missing_ok=True)
            self._saved = len(table)

    def _load(self) -> IdTable:
        try:
            with (self.cache / "ids.npy").open("rb") as file:
                last, changes = np.load(file).tolist()
                table = IdTable(np.load(file), np.load(file), np.load(file), int(last), int(changes))
        except (FileNotFoundError, ValueError, EOFError):
            return EMPTY
        self._saved = len(table)
        return table
