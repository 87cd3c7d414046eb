"""Each event's id, and whether it is known already: within the file, within this import, in history."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from polku.events.ids import Counter, made_ids
from polku.events.pipeline import Batch
from polku.kernels.hashing import hash_strings


class Knows(Protocol):
    """What naming needs of history."""

    def rows(self) -> int: ...

    def duplicates(self, event_id: Any, time: Any, own: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]: ...


class Named(NamedTuple):
    """``ids`` string[n]; ``known`` bool[n]: these are in history (or came earlier in this import) and are left out."""

    ids: pa.Array
    known: npt.NDArray[np.bool_]


class Namer:
    """Names the batches of an import in order.

    Rows that are equal within a file are different events (numbered); rows of another file that are equal to them are
    the same events again, as if the files were imported one after the other. An id of the source's own stands for one
    event wherever it is met.
    """

    def __init__(self, history: Knows, several: bool) -> None:
        self._history = history if history.rows() else None
        self._several = several
        self._met = Counter()
        self._equal = Counter()

    def next_file(self, rows: int = 0) -> None:
        self._equal = Counter(rows)

    def name(self, batch: Batch) -> Named:
        rows = batch.table.num_rows
        if batch.own is None:
            assert batch.hashes is not None
            ids, own = made_ids(batch.hashes, self._equal.earlier(batch.hashes)), np.zeros(rows, np.bool_)
        else:
            ids, own = batch.own, np.asarray(batch.own.is_valid(), dtype=np.bool_)
            if batch.hashes is not None and not own.all():
                nameless = np.flatnonzero(~own)
                hashes = batch.hashes[nameless]
                made = made_ids(hashes, self._equal.earlier(hashes))
                plain = ids.cast(pa.string())
                ids = pc.replace_with_mask(plain, pa.array(~own), made)
        known = np.zeros(rows, np.bool_)
        if self._several or own.any():
            known |= self._met.earlier(hash_strings(ids)) > 0
        if self._history is not None and rows:
            known |= self._history.duplicates(ids, batch.table.column("time"), own)
        return Named(ids, known)
