"""History: all events, a Delta table partitioned by day, that any tool can read without Polku.

Writing goes through :class:`polku.record.writer.Writer`, one Delta commit for all that a writer was given. Reading
never waits for writing: a reader takes a snapshot and reads its files, which stay for ``keep_files`` hours after they
are replaced.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
import os
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import deltalake
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable

from polku.errors import RecordError
from polku.events.schema import HISTORY
from polku.language import N_
from polku.record.deltalog import Commit, File, log_name, read_commit
from polku.record.known import KnownIds
from polku.record.lease import Lease, hold
from polku.record.objectstore import Store
from polku.record.place import Place
from polku.record.settings import Record
from polku.record.staging import clear
from polku.record.state import State
from polku.record.steps import reached
from polku.record.writer import Observer, Writer

if TYPE_CHECKING:
    import pyarrow.dataset as ds

    from polku.record.erased import Erased

#: Whoever has not looked at the log for so many seconds (a machine that slept) reads it anew: the entry that comes next
#: may have been cleaned away already, since entries are kept for some days only, and then seems not to be there yet.
ASLEEP = 3600.0
#: The lease under which history is changed.
LEASE = "history"
#: Delta's application id of the mover; its version is the last seq that was moved.
APPLICATION = "polku-inbox"


@dataclasses.dataclass(frozen=True, slots=True)
class Snapshot:
    """History at one version: its files, unchanging; ``moved`` is the last seq of the inbox that is in them."""

    version: int
    files: tuple[File, ...]
    moved: int

    @property
    def rows(self) -> int:
        return sum(f.rows for f in self.files)


class History:
    """The Delta table of a project.

    ``observer`` (the identities) is shown every batch that is written, so that nothing has to be read back.
    """

    def __init__(self, where: str | Path, state: State, folder: Path, settings: Record | None = None) -> None:
        self.settings = settings or Record()
        self.place = Place(where, Store(self.settings.endpoint, self.settings.region))
        self.state = state
        self.staging = folder / "staging"
        self.locks = folder / "locks"
        self._known = KnownIds(self, folder / "cache" / "events")
        self.observer: Observer | None = None
        self.erased: Erased | None = None
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._looked = 0.0  # when the log was last looked at, in seconds since 1970

    # -- opening ------------------------------------------------------------------------------------------------

    def create(self) -> None:
        """Make the empty table; nothing happens where there is one."""
        if DeltaTable.is_deltatable(self.place.uri, self.place.options):
            return
        if self.place.folder:
            self.place.folder.mkdir(parents=True, exist_ok=True)
        DeltaTable.create(
            self.place.uri,
            deltalake.Schema.from_arrow(HISTORY),
            mode="ignore",
            partition_by=["day"],
            storage_options=self.place.options,
            name="polku history",
            configuration={
                "delta.logRetentionDuration": f"interval {self.settings.keep_log} days",
                "delta.deletedFileRetentionDuration": f"interval {self.settings.keep_files} hours",
                "delta.dataSkippingStatsColumns": "time,seq",
            },
            commit_properties=CommitProperties(custom_metadata={"polku": json.dumps({"kind": "create"})}),
        )

    def table(self) -> DeltaTable:
        """The Delta table itself, freshly opened: for what Polku does not offer."""
        try:
            return DeltaTable(self.place.uri, storage_options=self.place.options)
        except deltalake.exceptions.TableNotFoundError as fault:
            raise RecordError(
                N_("There is no history at {where}. Restore the folder from a backup, or import the events again."),
                where=self.place.uri,
            ) from fault

    def snapshot(self) -> Snapshot:
        """The newest version and its files; costs one look at the log when nothing changed."""
        with self._lock:
            asked, self._looked = self._looked, time.time()
            slept = not 0 <= self._looked - asked < ASLEEP
            if self._snapshot is None or slept or self.place.exists(log_name(self._snapshot.version + 1)):
                self._snapshot = self._read_snapshot()
            return self._snapshot

    def snapshot_at(self, version: int) -> Snapshot:
        """The files of an older version; they are there until a vacuum."""
        newest = self.snapshot()
        if newest.version == version:
            return newest
        try:
            return self._read_snapshot(DeltaTable(self.place.uri, version=version, storage_options=self.place.options))
        except deltalake.exceptions.DeltaError as fault:
            raise RecordError(N_("History's version {version} is gone."), version=version) from fault

    def _read_snapshot(self, table: DeltaTable | None = None) -> Snapshot:
        table = self.table() if table is None else table
        self._refuse_deletion_vectors(table)
        # by the stream: pa.table() asks pandas first, and imports it where it is installed
        actions = pa.RecordBatchReader.from_stream(table.get_add_actions(flatten=True)).read_all()
        files = [
            File(path, self.place.url(path), day, rows if rows is not None else -1, size)
            for path, day, rows, size in zip(
                actions["path"].to_pylist(),
                actions["partition.day"].to_pylist() if "partition.day" in actions.column_names else [],
                actions["num_records"].to_pylist(),
                actions["size_bytes"].to_pylist(),
                strict=True,
            )
        ]
        moved = table.transaction_version(APPLICATION) or 0
        return Snapshot(table.version(), tuple(sorted(files, key=lambda f: (f.day, f.path))), moved)

    def _refuse_deletion_vectors(self, table: DeltaTable) -> None:
        """History's files are read as plain Parquet, where rows deleted by such a vector would still stand."""
        if "deletionVectors" not in (table.protocol().reader_features or ()):
            return
        try:
            deleted = any(batch.num_rows for batch in table.deletion_vectors())
        except deltalake.exceptions.DeltaError:
            deleted = True  # there are some, of a kind that cannot even be read
        if deleted:
            raise RecordError(
                N_(
                    "History at {where} has deletion vectors: another tool deleted rows without rewriting the files. "
                    "Rewrite them with that tool (in Spark: REORG TABLE ... APPLY (PURGE)) and switch "
                    "delta.enableDeletionVectors off."
                ),
                where=self.place.uri,
            )

    @property
    def version(self) -> int:
        """The newest Delta version."""
        return self.snapshot().version

    # -- reading ------------------------------------------------------------------------------------------------

    def files(self, days: Collection[dt.date] | None = None) -> tuple[File, ...]:
        """Current files, by day; ``uri`` of each opens in DuckDB, Polars or Spark (``day`` is in the folder's name)."""
        files = self.snapshot().files
        return files if days is None else tuple(f for f in files if f.day in set(days))

    def read(
        self,
        columns: Sequence[str] | None = None,
        days: Collection[dt.date] | None = None,
        *,
        files: Sequence[File] | None = None,
        where: pc.Expression | None = None,
    ) -> pa.RecordBatchReader:
        """Events as Arrow batches of ``columns`` (default all of HISTORY), of the named UTC ``days`` (default all).

        The order of rows is that of the files; sort by (time, seq) where order matters. Raises FileNotFoundError when a
        file was replaced and removed meanwhile (take a new snapshot and read again).
        """
        wanted = list(columns) if columns is not None else list(HISTORY.names)
        unknown = [c for c in wanted if c not in HISTORY.names]
        if unknown:
            raise RecordError(
                N_("History has no column {column}; it has {columns}."),
                column=unknown[0],
                columns=", ".join(HISTORY.names),
            )
        chosen = self.files(days) if files is None else files
        schema = pa.schema([HISTORY.field(c) for c in wanted])
        if not chosen:
            return pa.RecordBatchReader.from_batches(schema, [])
        dataset = self.dataset(chosen)
        scanner = dataset.scanner(columns=wanted, filter=where, batch_size=1 << 17, batch_readahead=4, use_threads=True)
        return pa.RecordBatchReader.from_batches(schema, (b.cast(schema) for b in scanner.to_batches()))

    def dataset(self, files: Sequence[File]) -> ds.Dataset:
        """The files as one Arrow dataset with history's schema."""
        import pyarrow.dataset as ds  # here, because it imports pandas where that is installed: 0.2 s

        form = ds.ParquetFileFormat()
        fragments = [
            form.make_fragment(
                self.place.at(f.path),
                filesystem=self.place.fs,
                partition_expression=ds.field("day") == pa.scalar(f.day, pa.date32()),
            )
            for f in files
        ]
        return ds.FileSystemDataset(fragments, HISTORY, form, self.place.fs)

    def rows(self) -> int:
        """Number of events in history."""
        return self.snapshot().rows

    def last_seq(self) -> int:
        """The highest seq in history, by the files' statistics; 0 when it is empty."""
        actions = pa.table(self.table().get_add_actions(flatten=True))
        return int(pc.max(actions["max.seq"]).as_py() or 0) if "max.seq" in actions.column_names else 0

    def commits_since(self, version: int) -> tuple[Commit, ...] | None:
        """The commits after ``version``, oldest first; None when the log no longer reaches back that far."""
        newest = self.version
        if version > newest:
            return None
        commits: list[Commit] = []
        for number in range(version + 1, newest + 1):
            commit = read_commit(self.place, number)
            if commit is None:
                return None
            commits.append(commit)
        return tuple(commits)

    def added_since(self, version: int) -> tuple[File, ...] | None:
        """Files that brought events after ``version``; None when that cannot be told (log gone, rows rewritten)."""
        commits = self.commits_since(version)
        if commits is None or any(c.lost_data for c in commits):
            return None
        return tuple(f for c in commits for f in c.added)

    def duplicates(
        self,
        event_id: pa.Array | pa.ChunkedArray,
        time: pa.Array | pa.ChunkedArray,
        own: npt.NDArray[np.bool_],
    ) -> npt.NDArray[np.bool_]:
        """bool[n]: which of these events history has already.

        ``time`` is timestamp[us, UTC]; ``own`` tells whose ``event_id`` is the source's own. An own id is looked for in
        all of history, an id made from content only among the events of the same UTC day (its time is part of it).
        """
        snapshot = self.snapshot()
        if not snapshot.files or not len(event_id):
            return np.zeros(len(event_id), np.bool_)
        return self._known.look(snapshot, event_id, time, own)

    def holds(self, snapshot: Snapshot, event_id: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.bool_]:
        """bool[n]: which of these event ids a snapshot has, for a look at what arrives.

        By one 64-bit hash: what is written asks :meth:`duplicates`.
        """
        if not snapshot.files or not len(event_id):
            return np.zeros(len(event_id), np.bool_)
        return self._known.holds(snapshot, event_id)

    # -- writing ------------------------------------------------------------------------------------------------

    def writer(self, kind: str, source: str = "", *, identity: str | None = None) -> Writer:
        """A writer whose batches all become visible in one commit, or none of them; use it with ``with``."""
        return Writer(self, kind, source, identity)

    @contextlib.contextmanager
    def lease(self, doing: str) -> Iterator[Lease]:
        """Hold the lease under which history changes."""
        with hold(self.state, self.locks, LEASE, doing, self.settings.busy, self.settings.lease) as lease:
            yield lease

    def threads(self) -> int:
        """Threads to use, from the settings."""
        return self.settings.threads or os.cpu_count() or 1

    def clean_staging(self) -> int:
        """Remove what killed writers left behind (those at work hold a lock on their folder). Returns how many."""
        return clear(self.staging)

    # -- housekeeping -------------------------------------------------------------------------------------------

    def compact(self, at_least: int = 2) -> dict[str, Any]:
        """Put the files of each day that has ``at_least`` of them into one; the events stay. Returns what was done."""
        counts: dict[dt.date, int] = {}
        for file in self.files():
            counts[file.day] = counts.get(file.day, 0) + 1
        days = sorted(day for day, count in counts.items() if count >= at_least)
        if not days:
            return {"days": 0, "files_before": len(self.files()), "files_after": len(self.files())}
        before = len(self.files())
        with self.lease("compact") as lease:
            lease.check()
            table = self.table()
            for at in range(0, len(days), 100):
                table.optimize.compact(
                    partition_filters=[("day", "in", [d.isoformat() for d in days[at : at + 100]])],
                    writer_properties=deltalake.WriterProperties(compression="ZSTD", compression_level=3),
                    commit_properties=CommitProperties(custom_metadata={"polku": json.dumps({"kind": "compact"})}),
                )
        reached("compacted")
        return {"days": len(days), "files_before": before, "files_after": len(self.files())}

    def vacuum(self, hours: int | None = None) -> list[str]:
        """Delete files that no version needs any more and that are older than ``hours`` (default ``keep_files``)."""
        keep = self.settings.keep_files if hours is None else hours
        with self.lease("vacuum") as lease:
            lease.check()
            return list(self.table().vacuum(retention_hours=keep, dry_run=False, enforce_retention_duration=False))

    def delete_events_of(self, ids: dict[str, Sequence[str]]) -> int:
        """Remove every event that carries one of these raw ids (``{"user_id": [...], ...}``). Returns how many.

        The files that held them stay until :meth:`vacuum`.
        """
        wanted = {column: values for column, values in ids.items() if values}
        for column in wanted:
            if column not in ("user_id", "anonymous_id", "account_id"):
                raise RecordError(N_("Events are not erased by {column}."), column=column)
        if not wanted:
            return 0
        quoted = {c: ", ".join("'" + v.replace("'", "''") + "'" for v in vs) for c, vs in wanted.items()}
        predicate = " or ".join(f"{column} in ({values})" for column, values in quoted.items())
        with self.lease("erase") as lease:
            lease.check()
            metrics = self.table().delete(
                predicate,
                commit_properties=CommitProperties(custom_metadata={"polku": json.dumps({"kind": "erase"})}),
            )
        return int(metrics.get("num_deleted_rows") or 0)
