"""From raw ids to customers: an open-addressing hash table over the record's identities."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from polku.kernels.compiled import kernel
from polku.record.hashes import Kind
from polku.trails.coding import IDS

#: Rows fewer than the ids by this factor are looked up in the sorted hashes; making a table would cost more.
FEW = 4
KINDS: dict[str, Kind] = {"user_id": "user", "anonymous_id": "anonymous", "account_id": "account"}


class IdTable(Protocol):
    """All identities: ``hashes`` uint64[n] of (kind, value) as ``polku.record.identity.id_hash`` makes them."""

    @property
    def hashes(self) -> npt.NDArray[np.uint64]: ...
    @property
    def customers(self) -> npt.NDArray[np.int64]: ...


@kernel
def _fill(hashes, customers, keys, values):  # type: ignore[no-untyped-def]
    mask = np.uint64(len(keys) - 1)
    for i in range(len(hashes)):
        h = hashes[i]
        if h == 0:
            continue
        at = (h ^ (h >> np.uint64(32))) & mask
        while keys[at] != 0 and keys[at] != h:
            at = (at + np.uint64(1)) & mask
        keys[at] = h
        values[at] = customers[i]


@kernel
def _look(hashes, keys, values, out):  # type: ignore[no-untyped-def]
    """Fill in ``out`` where it is still -1: the customer of each hash; 0 is no id."""
    mask = np.uint64(len(keys) - 1)
    for i in range(len(hashes)):
        h = hashes[i]
        if out[i] >= 0 or h == 0:
            continue
        at = (h ^ (h >> np.uint64(32))) & mask
        while keys[at] != 0 and keys[at] != h:
            at = (at + np.uint64(1)) & mask
        if keys[at] == h:
            out[i] = values[at]


class Resolver:
    """``resolver(table)`` gives int64[n] customers of rows of history: by user id, else anonymous id; -1 = none."""

    def __init__(
        self, ids: IdTable, subject: str, id_hash: Callable[[Kind, pa.ChunkedArray], npt.NDArray[np.uint64]]
    ) -> None:
        self.hashes, self.customers = np.asarray(ids.hashes), np.asarray(ids.customers, np.int64)
        self.columns = IDS[subject]
        self.id_hash = id_hash
        self._slots: tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]] | None = None
        self._guard = threading.Lock()

    def __call__(self, table: pa.Table) -> npt.NDArray[np.int64]:
        out = np.full(table.num_rows, -1, np.int64)
        for name in self.columns:
            column = table.column(name)
            if pa.types.is_null(column.type) or column.null_count == len(column):
                continue
            self._find(self.id_hash(KINDS[name], column), out)
            if (out >= 0).all():
                break
        return out

    def _find(self, looked_for: npt.NDArray[np.uint64], out: npt.NDArray[np.int64]) -> None:
        """Fill in ``out`` where it is still -1."""
        if len(looked_for) * FEW < len(self.hashes) and self._slots is None:
            order = np.argsort(looked_for)  # in order, so that one search finds the table's pages of the one before
            at = np.empty(len(order), np.int64)
            at[order] = np.minimum(np.searchsorted(self.hashes, looked_for[order]), len(self.hashes) - 1)
            found = (self.hashes[at] == looked_for) & (looked_for != 0) & (out < 0)
            out[found] = self.customers[at[found]]
            return
        with self._guard:
            if self._slots is None:
                self._slots = self._table()
        _look(looked_for, *self._slots, out)

    def _table(self) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
        size = 1024
        while size < 2 * len(self.hashes) + 2:
            size *= 2
        keys, values = np.zeros(size, np.uint64), np.zeros(size, np.int64)
        _fill(self.hashes, self.customers, keys, values)
        return keys, values

    def write(self, folder: Path) -> None:
        """Write the hash table as files, for :meth:`opened` of other processes and machines."""
        with self._guard:
            if self._slots is None:
                self._slots = self._table()
        folder.mkdir()
        for name, array in zip(("keys", "values"), self._slots, strict=True):
            np.save(folder / f"{name}.npy", array, allow_pickle=False)

    @classmethod
    def opened(
        cls, folder: Path, subject: str, id_hash: Callable[[Kind, pa.ChunkedArray], npt.NDArray[np.uint64]]
    ) -> Self:
        """The resolver that :meth:`write` wrote: its table mapped from the files, which nobody changes."""
        # mapped copy-on-write: to a kernel a writable array is of the same type as the table made in memory
        keys, values = (np.asarray(np.load(folder / f"{n}.npy", mmap_mode="c")) for n in ("keys", "values"))
        made = cls(_Nothing(), subject, id_hash)
        made._slots = keys, values
        return made


class _Nothing:
    """No identities: they stand in the hash table already."""

    hashes = np.empty(0, np.uint64)
    customers = np.empty(0, np.int64)
