"""Raw ids get integers: those that are known from the table in memory, new ones in one portion of a counter."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sqlalchemy.engine import Connection

from polku.record import joining, tables
from polku.record.gather import BY_STRENGTH, Gathered, Seen
from polku.record.hashes import KINDS, Kind
from polku.record.idtable import IdTable
from polku.record.state import State

#: More new ids than this at once are numbered in order of their hash, so that the database's index grows at its end.
BULK = 50_000


class Numbers:
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

    def pairs(self, seen: Seen) -> joining.Pairs:
        """The pairs as integers."""
        kinds = np.array(BY_STRENGTH, np.object_)
        return joining.Pairs(
            self.of(self._base, seen.weaker), self.of(self._base, seen.stronger), kinds[seen.weaker_kind],
            kinds[seen.stronger_kind], seen.stronger, seen.time, seen.evidence,
        )  # fmt: skip

    def known(self, hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        """bool[n]: which of these ids were ever seen, before or now."""
        return (self._base.find(hashes) >= 0) | np.isin(hashes, self.hashes)

    def fresh_users(self) -> npt.NDArray[np.uint64]:
        """uint64[k]: hashes of the user ids that are new."""
        return self.hashes[np.array([kind == "user" for kind in self._kinds], np.bool_)]

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
