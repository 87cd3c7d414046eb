"""Who was erased: keyed hashes of their ids and addresses, so that no import and no event brings them back.

Nothing here tells who they were: an HMAC with the project's secret can only be compared with another one.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import sqlalchemy as sa

from polku.kernels.hashing import hash_strings
from polku.record import tables
from polku.record.clock import now
from polku.record.hashes import id_hash

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from polku.record.contacts import Addresses, Contacts
    from polku.record.state import State

#: Seconds after which another process's erasures are asked for.
FOLLOW: Final = 1.0
COUNTER: Final = "erased"
#: A customer's number arrives as user id from one source and as another id from the next: one mark for all of them.
#: Anonymous ids and accounts are other namespaces.
ANONYMOUS: Final = frozenset({"anonymous", "account"})


class Erased:
    """The erased of a project; answers from memory, which follows other processes within a second or so."""

    def __init__(self, state: State, contacts: Contacts) -> None:
        self._state, self._contacts = state, contacts
        self._hashes: frozenset[str] = frozenset()
        self._marks: npt.NDArray[np.uint64] = np.empty(0, np.uint64)
        self._seen = -1
        self._due = 0.0
        self._lock = threading.Lock()

    @property
    def _addresses(self) -> Addresses:
        return self._contacts.addresses

    @functools.cached_property
    def _seed(self) -> int:
        return int.from_bytes(self._addresses.mark("seed", "erased").encode()[:7], "big")

    def hash(self, kind: str, value: str) -> str:
        """What stands for an id of the erased."""
        return self._addresses.mark(f"erased {kind if kind in ANONYMOUS else 'person'}", value)

    def refresh(self) -> bool:
        """Know what the state knows. Whether anybody is erased at all."""
        with self._lock, self._state.read() as connection:
            count = self._state.counter(connection, COUNTER)
            self._due = time.monotonic() + FOLLOW
            if count == self._seen:
                return bool(self._hashes)
            rows = connection.execute(sa.select(tables.erased.c.hash, tables.erased.c.mark)).all()
            self._hashes = frozenset(row.hash for row in rows)
            self._marks = np.unique(np.array([row.mark for row in rows], np.int64).view(np.uint64))
            self._seen = count
            return bool(self._hashes)

    def known(self) -> bool:
        """Whether anybody was erased."""
        if time.monotonic() > self._due:
            self.refresh()
        return bool(self._hashes)

    def any(self, ids: Iterable[tuple[str, str]]) -> bool:
        """Whether one of these (kind, value) ids is an erased customer's."""
        if not self.known():
            return False
        return any(self.hash(kind, value) in self._hashes for kind, value in ids)

    def among(self, kind: str, values: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.bool_]:
        """bool[n]: which ids of a column are an erased customer's. Nothing to do while nobody is."""
        if time.monotonic() > self._due:
            self.refresh()
        if not len(self._marks):
            return np.zeros(len(values), np.bool_)
        marks = hash_strings(values, self._seed)
        found: npt.NDArray[np.bool_] = np.isin(marks, self._marks)
        for row in np.flatnonzero(found).tolist():
            value = values[row].as_py()
            found[row] = value is not None and self.hash(kind, value) in self._hashes
        return found

    def rows(self, table: pa.Table) -> npt.NDArray[np.bool_]:
        """bool[n]: which events (columns ``user_id``, ``anonymous_id``, ``account_id``) are an erased customer's.

        A device of theirs that somebody else uses with an id of their own is no reason.
        """
        barred = np.zeros(table.num_rows, np.bool_)
        if not len(self._marks):
            return barred
        nobody = np.ones(table.num_rows, np.bool_)
        for kind, column in (("user", "user_id"), ("account", "account_id")):
            if column in table.column_names:
                barred |= self.among(kind, table[column])
                if kind == "user":
                    nobody = id_hash("user", table[column]) == 0
        if "anonymous_id" in table.column_names:
            barred |= self.among("anonymous", table["anonymous_id"]) & nobody
        return barred

    def write(self, connection: Connection, ids: Iterable[tuple[str, str]], erasure: str) -> int:
        """Keep that these ids are erased, in the caller's transaction. Returns how many are new."""
        rows = {self.hash(kind, value): (kind, value) for kind, value in ids}
        known = set()
        hashes = sorted(rows)
        for at in range(0, len(hashes), 10_000):
            query = sa.select(tables.erased.c.hash).where(tables.erased.c.hash.in_(hashes[at : at + 10_000]))
            known |= set(connection.execute(query).scalars())
        new = [hashed for hashed in hashes if hashed not in known]
        if not new:
            return 0
        marks = hash_strings(pa.array([rows[h][1] for h in new], pa.string()), self._seed).view(np.int64)
        self._state.insert_many(
            connection,
            tables.erased,
            {
                "hash": new,
                "kind": [rows[h][0] for h in new],
                "mark": marks.tolist(),
                "erasure": [erasure] * len(new),
                "time": [now()] * len(new),
            },
        )
        self._state.reserve(connection, COUNTER, len(new))
        return len(new)
