"""What a stream of events says about who is who: distinct ids, pairs of ids seen together, traits.

Gathering costs a hash and a probe a row; everything dear (strings, SQL) happens once for each distinct id.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from polku.kernels.hashing import combine
from polku.record.hashes import COLUMNS, KINDS, Hashes, HashSet, Kind, LeastTimes, id_hash
from polku.record.profiles import Traits


@dataclasses.dataclass(frozen=True)
class Gathered:
    """Distinct ids by kind (hash and value, same order); pairs of anonymous id and user with their first time."""

    hashes: dict[Kind, Hashes]
    values: dict[Kind, list[str]]
    anonymous: Hashes
    user: Hashes
    time: npt.NDArray[np.int64]
    traits: Traits


class Gather:
    """Takes batches, gives :class:`Gathered`. Not for several threads at once."""

    def __init__(self) -> None:
        self._seen: dict[Kind, HashSet] = {kind: HashSet() for kind in KINDS}
        self._hashes: dict[Kind, list[Hashes]] = {kind: [] for kind in KINDS}
        self._values: dict[Kind, list[pa.Array]] = {kind: [] for kind in KINDS}
        self._pairs = LeastTimes()
        self._pair_keys: list[Hashes] = []
        self._pair_anonymous: list[Hashes] = []
        self._pair_user: list[Hashes] = []
        self._traits = Traits()

    def take(self, rows: pa.Table | pa.RecordBatch) -> None:
        """Rows with ``time`` and any of the id columns, ``context``, ``seq``."""
        hashes: dict[Kind, Hashes] = {}
        for kind in KINDS:
            if COLUMNS[kind] not in rows.schema.names:
                continue
            column = rows.column(COLUMNS[kind])
            if column.null_count == len(column):
                continue
            found = hashes[kind] = id_hash(kind, column)
            fresh = self._seen[kind].add(found)
            if len(fresh):
                self._hashes[kind].append(found[fresh])
                values = column.take(pa.array(fresh)).cast(pa.string())
                self._values[kind].append(values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values)
        if "user" in hashes and "anonymous" in hashes:
            self._take_pairs(hashes["anonymous"], hashes["user"], rows.column("time"))
        if hashes and "context" in rows.schema.names:
            self._traits.take(rows, hashes)

    def _take_pairs(self, anonymous: Hashes, user: Hashes, time: pa.Array) -> None:
        both = np.flatnonzero((anonymous != 0) & (user != 0))
        if not len(both):
            return
        anonymous, user = anonymous[both], user[both]
        keys = anonymous.copy()
        combine(keys, user)
        keys[keys == 0] = 1
        fresh = self._pairs.add(keys, micros(time)[both])
        self._pair_keys.append(keys[fresh])
        self._pair_anonymous.append(anonymous[fresh])
        self._pair_user.append(user[fresh])

    def gathered(self, first_seq: int = 0) -> Gathered:
        """All that was seen; ``first_seq`` is added to the traits' seq (rows were numbered from 0)."""
        nothing = np.empty(0, np.uint64)
        keys = np.concatenate([nothing, *self._pair_keys])
        return Gathered(
            hashes={k: np.concatenate([nothing, *self._hashes[k]]) for k in KINDS},
            values={k: [v for part in self._values[k] for v in part.to_pylist()] for k in KINDS},
            anonymous=np.concatenate([nothing, *self._pair_anonymous]),
            user=np.concatenate([nothing, *self._pair_user]),
            time=self._pairs.times(keys) if len(keys) else np.empty(0, np.int64),
            traits=self._traits.shifted(first_seq),
        )


def micros(time: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """int64[n]: microseconds since 1970 of a timestamp column."""
    values = pc.cast(pc.cast(time, pa.timestamp("us", tz="UTC")), pa.int64())
    found: npt.NDArray[np.int64] = np.asarray(values)
    return found
