"""Which event ids history has: sorted hashes of the ids of each of its files, read from the file once.

History's files never change, so the hashes of a file are kept beside the project (``.polku/cache/events/``, one
``.npy`` a file) and mapped into memory: neither a restart nor another process reads them from history again, which on
an object store would be a long way.

A 64-bit hash stands for an id (polku.kernels.hashing). Among 20 million events looked up against 20 million the chance
of a single false hit is 2 in 100,000; a hit on a source's own id is confirmed by a second hash before it counts.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import os
import threading
import time as clock
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from polku.kernels.hashing import hash_strings

if TYPE_CHECKING:
    from polku.record.deltalog import File
    from polku.record.history import History, Snapshot

Hashes = npt.NDArray[np.uint64]
Bools = npt.NDArray[np.bool_]
log = logging.getLogger(__name__)
EPOCH = dt.date(1970, 1, 1)
SECOND = 0x5EC07D
#: Up to this many single searches (ids times files) are made file by file; for more, the files are put together.
SEARCHES = 1_000_000
#: What a file costs besides its searches, in searches.
PER_FILE = 200
#: They are put together anew when this many files came since, or events by this share of those there were.
NEW_FILES, NEW_SHARE = 64, 0.3
#: Copies of files that history no longer has go when they are this old, in seconds: another process may look still.
OLD = 3600.0


class KnownIds:
    """Sorted hashes of the event ids of each file that was needed so far: 8 bytes an event, on disk.

    In memory only while many ids at once are looked for among many files, 8 bytes an event again. May be asked from
    several threads; several processes share the copies on disk.
    """

    def __init__(self, history: History, folder: Path) -> None:
        self.history, self.folder = history, folder
        self._files: dict[str, Hashes] = {}
        self._together: tuple[frozenset[str], Hashes] = (frozenset(), np.empty(0, np.uint64))
        self._swept = False
        self._lock = threading.Lock()

    def look(
        self,
        snapshot: Snapshot,
        event_id: pa.Array | pa.ChunkedArray,
        time: pa.Array | pa.ChunkedArray,
        own: Bools,
    ) -> Bools:
        """bool[n]: which events the snapshot holds; see History.duplicates."""
        hashes = hash_strings(event_id)
        with self._lock:
            self._forget(snapshot)
            maybe = np.zeros(len(hashes), np.bool_)
            if own.any():
                maybe[own] = self._among(snapshot.files, hashes[own])
            made = ~own
            if made.any():
                self._look_by_day(snapshot, hashes, day_numbers(time), made, maybe)
            sure = maybe & own
            holding = self._holding(snapshot.files, hashes[sure])[0] if sure.any() else []
        return self._confirm(holding, event_id, own, maybe) if holding else maybe & made

    def holds(self, snapshot: Snapshot, event_id: pa.Array | pa.ChunkedArray) -> Bools:
        """bool[n]: which of these ids the snapshot has, by their first hash alone: for looking, not for writing."""
        hashes = hash_strings(event_id)
        with self._lock:
            self._forget(snapshot)
            found = self._among(snapshot.files, hashes)
            if found.any() and not self._together[0] <= {file.path for file in snapshot.files}:
                found[found] = self._holding(snapshot.files, hashes[found])[1]  # a file that is gone may have told it
            return found

    def _look_by_day(
        self, snapshot: Snapshot, hashes: Hashes, days: npt.NDArray[np.int32], made: Bools, maybe: Bools
    ) -> None:
        where = np.flatnonzero(made)
        order = where[np.argsort(days[where], kind="stable")]
        sorted_days = days[order]
        wanted, starts = np.unique(sorted_days, return_index=True)
        ends = np.append(starts[1:], len(order))
        by_day: dict[int, list[File]] = {}
        for file in snapshot.files:
            by_day.setdefault((file.day - EPOCH).days, []).append(file)
        for day, start, end in zip(wanted.tolist(), starts.tolist(), ends.tolist(), strict=True):
            rows = order[start:end]
            for file in by_day.get(day, ()):
                maybe[rows] |= member(self._of(file), hashes[rows])

    def _among(self, files: Sequence[File], hashes: Hashes) -> Bools:
        """bool[n]: which hashes any of the files has. Files that are gone since may be among them; see _holding."""
        if len(files) * (len(hashes) + PER_FILE) <= SEARCHES:
            paths, together = frozenset[str](), self._together[1][:0]
        else:
            paths, together = self._put_together(files)
        found = member(together, hashes)
        for file in files:
            if file.path not in paths:
                found |= member(self._of(file), hashes)
        return found

    def _put_together(self, files: Sequence[File]) -> tuple[frozenset[str], Hashes]:
        paths, together = self._together
        newer = [len(self._of(file)) for file in files if file.path not in paths]
        if len(newer) > NEW_FILES or sum(newer) > NEW_SHARE * len(together):
            self._together = (frozenset(), together[:0])  # let go of before another is made
            del together
            together = np.concatenate([self._of(file) for file in files])
            together.sort()
            self._together = (frozenset(file.path for file in files), together)
        return self._together

    def _holding(self, files: Iterable[File], hashes: Hashes) -> tuple[list[File], Bools]:
        """The files that have any of these hashes, and which hashes any file has."""
        holding: list[File] = []
        there = np.zeros(len(hashes), np.bool_)
        for file in files:
            found = member(self._of(file), hashes)
            if found.any():
                holding.append(file)
                there |= found
        return holding, there

    # -- the copies ---------------------------------------------------------------------------------------------------

    def _of(self, file: File) -> Hashes:
        """Sorted hashes of the ids of one file."""
        found = self._files.get(file.path)
        if found is None:
            found = self._files[file.path] = self._read(file)
        return found

    def _read(self, file: File) -> Hashes:
        copy = self._copy(file.path)
        with contextlib.suppress(FileNotFoundError, ValueError, EOFError):  # none yet, or half of one
            mapped: Hashes = np.load(copy, mmap_mode="r")
            if len(mapped) == file.rows:
                return mapped
        hashes = hash_strings(self.history.read(["event_id"], files=[file]).read_all()["event_id"])
        hashes.sort()
        try:
            self._keep(hashes, copy)
            kept: Hashes = np.load(copy, mmap_mode="r")
        except OSError as fault:  # a full or read-only disk must not keep anybody from looking
            log.warning("no copy of event ids is kept in %s: %s", self.folder, fault)
            return hashes
        return kept

    def _keep(self, hashes: Hashes, copy: Path) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.folder / f"{uuid.uuid4().hex}.partial"
        try:
            with partial.open("wb") as out:
                np.save(out, hashes)
                out.flush()
                os.fsync(out.fileno())  # a power cut must not leave a copy of the right length that lacks an id
            with contextlib.suppress(PermissionError):  # Windows: another process has made it and reads it
                partial.replace(copy)
        finally:
            partial.unlink(missing_ok=True)

    def _copy(self, path: str) -> Path:
        return self.folder / f"{int(hash_strings(pa.array([path]))[0]):016x}.npy"

    def _forget(self, snapshot: Snapshot) -> None:
        """Let go of files that history no longer has, and of the copies that other processes left of such files."""
        current = {f.path for f in snapshot.files}
        gone = [path for path in self._files if path not in current]
        for path in gone:
            del self._files[path]
        if not gone and self._swept:
            return
        self._swept = True
        kept = {self._copy(path).name for path in current}
        with contextlib.suppress(FileNotFoundError, PermissionError):  # another sweeps too; Windows: somebody reads it
            for copy in self.folder.iterdir():
                if copy.name not in kept and clock.time() - copy.stat().st_mtime > OLD:
                    copy.unlink()

    def _confirm(
        self, holding: Sequence[File], event_id: pa.Array | pa.ChunkedArray, own: Bools, maybe: Bools
    ) -> Bools:
        """Ask again with a second, independent hash about own ids that seem known (a made id is a hash itself)."""
        rows = np.flatnonzero(maybe & own)
        asked = hash_strings(event_id.take(pa.array(rows)), SECOND)
        order = np.argsort(asked)
        in_order = asked[order]
        # Equal hashes stand in runs; a run that is there opens with +1 and closes with -1.
        runs = np.zeros(len(rows) + 1, np.int64)
        for batch in self.history.read(["event_id"], files=holding):
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
