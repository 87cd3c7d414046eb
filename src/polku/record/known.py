"""Which event ids history has: hashes of the ids day by day, read once for each file and kept while the process lives.

A 64-bit hash stands for an id (polku.kernels.hashing). Among 20 million events looked up against 20 million the chance
of a single false hit is 2 in 100,000; a hit on a source's own id is confirmed by a second hash before it counts.
"""

from __future__ import annotations

import datetime as dt
import threading
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from polku.kernels.hashing import hash_strings

if TYPE_CHECKING:
    from polku.record.deltalog import File
    from polku.record.history import History, Snapshot

Hashes = npt.NDArray[np.uint64]
EPOCH = dt.date(1970, 1, 1)
SECOND = 0x5EC07D


class KnownIds:
    """Sorted hashes of the event ids of each file that was needed so far: 8 bytes an event."""

    def __init__(self, history: History) -> None:
        self.history = history
        self._files: dict[str, Hashes] = {}
        self._all: tuple[frozenset[str], Hashes] | None = None
        self._lock = threading.Lock()

    def look(
        self,
        snapshot: Snapshot,
        event_id: pa.Array | pa.ChunkedArray,
        time: pa.Array | pa.ChunkedArray,
        own: npt.NDArray[np.bool_],
    ) -> npt.NDArray[np.bool_]:
        """bool[n]: which events the snapshot holds; see History.duplicates."""
        hashes = hash_strings(event_id)
        days = day_numbers(time)
        with self._lock:
            self._forget(snapshot)
            maybe = np.zeros(len(hashes), np.bool_)
            if own.any():
                maybe[own] = member(self._everything(snapshot), hashes[own])
            made = ~own
            if made.any():
                self._look_by_day(snapshot, hashes, days, made, maybe)
        if not maybe[own].any():
            return maybe
        return self._confirm(snapshot, event_id, own, maybe)

    def _look_by_day(
        self, snapshot: Snapshot, hashes: Hashes, days: npt.NDArray[np.int32], made: npt.NDArray[np.bool_],
        maybe: npt.NDArray[np.bool_],
    ) -> None:  # fmt: skip
        where = np.flatnonzero(made)
        order = where[np.argsort(days[where], kind="stable")]
        sorted_days = days[order]
        wanted, starts = np.unique(sorted_days, return_index=True)
        ends = np.append(starts[1:], len(order))
        by_day: dict[int, list[File]] = {}
        for file in snapshot.files:
            by_day.setdefault((file.day - EPOCH).days, []).append(file)
        self._load([f for day in wanted.tolist() for f in by_day.get(day, ())])
        for day, start, end in zip(wanted.tolist(), starts.tolist(), ends.tolist(), strict=True):
            rows = order[start:end]
            for file in by_day.get(day, ()):
                maybe[rows] |= member(self._files[file.path], hashes[rows])

    def _everything(self, snapshot: Snapshot) -> Hashes:
        paths = frozenset(f.path for f in snapshot.files)
        if self._all is None or self._all[0] != paths:
            self._load(list(snapshot.files))
            together = np.concatenate([self._files[f.path] for f in snapshot.files])
            together.sort()
            self._all = (paths, together)
        return self._all[1]

    def _load(self, files: list[File]) -> None:
        for file in files:
            if file.path not in self._files:
                ids = self.history.read(["event_id"], files=[file]).read_all()["event_id"]
                hashes = hash_strings(ids)
                hashes.sort()
                self._files[file.path] = hashes

    def _forget(self, snapshot: Snapshot) -> None:
        current = {f.path for f in snapshot.files}
        for path in [p for p in self._files if p not in current]:
            del self._files[path]

    def _confirm(
        self,
        snapshot: Snapshot,
        event_id: pa.Array | pa.ChunkedArray,
        own: npt.NDArray[np.bool_],
        maybe: npt.NDArray[np.bool_],
    ) -> npt.NDArray[np.bool_]:
        """Ask again with a second, independent hash about own ids that seem known (a made id is a hash itself)."""
        rows = np.flatnonzero(maybe & own)
        asked = hash_strings(event_id.take(pa.array(rows)), SECOND)
        order = np.argsort(asked)
        in_order = asked[order]
        # Equal hashes stand in runs; a run that is there opens with +1 and closes with -1.
        runs = np.zeros(len(rows) + 1, np.int64)
        for batch in self.history.read(["event_id"], files=snapshot.files):
            there = np.unique(hash_strings(batch["event_id"], SECOND))
            np.add.at(runs, np.searchsorted(in_order, there), 1)
            np.subtract.at(runs, np.searchsorted(in_order, there, side="right"), 1)
        found = np.empty(len(rows), np.bool_)
        found[order] = np.cumsum(runs[:-1]) > 0
        sure = maybe.copy()
        sure[rows] = found
        return sure


def member(sorted_hashes: Hashes, looked_for: Hashes) -> npt.NDArray[np.bool_]:
    """bool[n]: which of ``looked_for`` are among ``sorted_hashes``. Sorting the questions first keeps memory near."""
    if not len(sorted_hashes) or not len(looked_for):
        return np.zeros(len(looked_for), np.bool_)
    order = np.argsort(looked_for)
    places = np.searchsorted(sorted_hashes, looked_for[order])
    places[places == len(sorted_hashes)] = 0
    found = np.empty(len(looked_for), np.bool_)
    found[order] = sorted_hashes[places] == looked_for[order]
    return found


def day_numbers(time: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.int32]:
    """int32[n]: UTC days since 1970 of timestamp[us] values."""
    if isinstance(time, pa.ChunkedArray):
        time = time.combine_chunks()
    micros = time.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy(zero_copy_only=False)
    days: npt.NDArray[np.int32] = np.floor_divide(micros, 86_400_000_000).astype(np.int32)
    return days
