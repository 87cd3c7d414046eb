"""The writer of history: any number of batches in, one Parquet file a day and one Delta commit out.

Each chunk of rows is ordered by day (stable: arrival order stays) and kept, in memory up to the project's setting and
in an Arrow file beyond it. The commit reserves the ``seq``, writes the days on all threads into a staging folder, moves
the files into place and makes them visible in one Delta transaction: before it nothing is seen, after it everything.
"""

from __future__ import annotations

import concurrent.futures as cf
import contextlib
import dataclasses
import datetime as dt
import json
import threading
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import CommitProperties, Transaction
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction

from polku.errors import RecordError
from polku.events.schema import ARRIVING, HISTORY
from polku.language import N_
from polku.record.known import day_numbers, member
from polku.record.lease import Lease
from polku.record.staging import workplace
from polku.record.steps import reached

if TYPE_CHECKING:
    from polku.record.history import History

CHUNK = 1 << 18  # rows that are ordered by day together: few enough to stay in the processor's cache
LARGEST_FILE = 1 << 22  # rows of one Parquet file
ROW_GROUP = 1 << 18
#: Words that a dictionary may have to stay one: it is written again for each day.
DICTIONARY = 1024
#: Columns whose values repeat; the others gain nothing from Parquet's dictionaries.
REPEATING = [
    "event",
    "original_event",
    "source",
    "channel",
    "currency",
    "consent",
    "received_at",
    "context",
    "account_id",
]
#: Columns of numbers that mostly rise: their differences are a fraction of the time and of the bytes.
RISING = ["time", "seq"]
#: Files and folders that are flushed at the same time: the disk's journal takes many in one go.
FLUSHES = 16


class Observer(Protocol):
    """Whoever wants to see what is written: the identities."""

    def gatherer(self) -> Gatherer: ...


class Gatherer(Protocol):
    """Sees each batch before the commit, and hears of the commit."""

    def take(self, rows: pa.Table) -> None: ...

    def committed(self, version: int, first_seq: int) -> None: ...


@dataclasses.dataclass(frozen=True, slots=True)
class Committed:
    """What a commit made: the Delta version (None when there was nothing to write), the first seq, rows, files.

    ``dropped`` counts rows that another writer had brought between the check for duplicates and the commit.
    """

    version: int | None
    first_seq: int
    rows: int
    files: int
    dropped: int = 0


@dataclasses.dataclass(frozen=True)
class Chunk:
    """Rows ordered by day; ``days`` and ``starts`` (with the end behind) say where each day lies."""

    rows: pa.Table
    days: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]


class Writer:
    """See the module. Made by ``History.writer``; use it with ``with`` and call :meth:`commit` at the end."""

    def __init__(self, history: History, kind: str, source: str, identity: str | None) -> None:
        self.history, self.kind, self.source = history, kind, source
        self.id = identity or uuid.uuid4().hex
        self.folder = history.staging / f"{kind}-{self.id}"
        self.seen_version = history.version
        self.rows = 0
        self._bytes = 0
        self._pending: list[pa.Table] = []
        self._pending_rows = 0
        self._chunks: list[cf.Future[Chunk]] = []
        self._pool: cf.ThreadPoolExecutor | None = None
        self._work = contextlib.ExitStack()
        self._gatherer = history.observer.gatherer() if history.observer else None
        self._gathering = threading.Lock()
        self._done = False

    def __enter__(self) -> Self:
        self._work.enter_context(workplace(self.folder))
        self._pool = cf.ThreadPoolExecutor(self.history.threads(), "polku-writer")
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, _: TracebackType | None) -> None:
        assert self._pool is not None
        self._done = True
        self._pool.shutdown(cancel_futures=True)
        self._chunks.clear()
        self._pending.clear()
        self._work.close()

    # -- taking rows in -----------------------------------------------------------------------------------------

    def add(self, rows: pa.Table | pa.RecordBatch) -> None:
        """Take rows with the columns of ``ARRIVING`` (those that may be null may be missing; dictionaries are welcome).

        Raises RecordError when a column that must be there is missing, null or of another type.
        """
        if self._pool is None or self._done:
            raise RecordError(N_("This writer is closed; open another one."))
        table = normalised(rows if isinstance(rows, pa.Table) else pa.Table.from_batches([rows]), self.rows)
        if not table.num_rows:
            return
        self.rows += table.num_rows
        at = 0
        while at < table.num_rows:
            part = table.slice(at, CHUNK - self._pending_rows)
            at += part.num_rows
            self._pending.append(part)
            self._pending_rows += part.num_rows
            if self._pending_rows >= CHUNK:
                self._order_pending()

    def _order_pending(self) -> None:
        if not self._pending:
            return
        assert self._pool is not None
        tables, self._pending, self._pending_rows = self._pending, [], 0
        ahead = 2 * self.history.threads()
        if len(self._chunks) >= ahead:
            self._chunks[-ahead].result()  # so few chunks wait that memory stays bounded
        self._chunks.append(self._pool.submit(self._order, tables))

    def _order(self, tables: list[pa.Table]) -> Chunk:
        table = together(tables)
        if self._gatherer is not None:
            with self._gathering:
                self._gatherer.take(table)
        days = day_numbers(table["time"])
        low, high = int(days.min()), int(days.max())
        if np.any(days[1:] < days[:-1]):
            # numpy's stable sort of 16-bit numbers is a radix sort: linear.
            narrow = (days - low).astype(np.uint16) if high - low < 65536 else days
            order = np.argsort(narrow, kind="stable")
            table = table.take(pa.array(order))
            days = days[order]
        present, starts = np.unique(days, return_index=True)
        self._bytes += table.nbytes
        if self._bytes > self.history.settings.memory * 1_000_000 * 0.5:
            table = self._spill(table)
        return Chunk(table, present, np.append(starts, len(days)).astype(np.int64))

    def _spill(self, table: pa.Table) -> pa.Table:
        path = self.folder / f"chunk-{uuid.uuid4().hex}.arrow"
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table.combine_chunks())
        return pa.ipc.open_file(pa.memory_map(str(path))).read_all()

    # -- the commit ---------------------------------------------------------------------------------------------

    def commit(self, facts: dict[str, Any] | None = None, *, transaction: tuple[str, int] | None = None) -> Committed:
        """Make all rows visible at once; ``facts`` go into the commit's metadata, ``transaction`` is Delta's.

        Raises RecordError when the lease was lost or ``transaction`` was committed before, and ProjectBusy when another
        process writes for longer than the setting ``record.busy``.
        """
        with self.history.lease(f"{self.kind} {self.source}".strip()) as lease:
            return self.commit_under(lease, facts, transaction=transaction)

    def commit_under(
        self, lease: Lease, facts: dict[str, Any] | None = None, *, transaction: tuple[str, int] | None = None
    ) -> Committed:
        """As :meth:`commit`, under a lease on history that the caller holds."""
        self._order_pending()
        self._done = True
        chunks = [future.result() for future in self._chunks]
        chunks, dropped = self._without_newcomers(chunks)
        chunks, barred = self._without_erased(chunks)
        dropped += barred
        count = self.rows - dropped
        if count == 0 and transaction is None:
            return Committed(None, 0, 0, 0, dropped)
        state = self.history.state
        first = 0
        if self.kind != "move":
            with state.write() as connection:
                first = state.reserve(connection, "seq", max(self.rows, 1))
        reached("seq reserved")
        files = self._write_days(chunks, first)
        reached("files written")
        lease.check()
        actions = self._bring(files)
        reached("files in place")
        version = self._commit_delta(actions, count, first, facts or {}, transaction)
        reached("delta committed")
        if self._gatherer is not None:
            self._gatherer.committed(version, first)
            reached("identities applied")
        return Committed(version, first, count, len(files), dropped)

    def _without_newcomers(self, chunks: list[Chunk]) -> tuple[list[Chunk], int]:
        """Drop rows that another writer committed since this writer was opened, whose duplicates nobody could see."""
        added = self.history.added_since(self.seen_version)
        if added is None or not added or self.kind == "move":
            return chunks, 0
        from polku.kernels.hashing import hash_strings

        news = np.concatenate(
            [hash_strings(self.history.read(["event_id"], files=[f]).read_all()["event_id"]) for f in added]
        )
        news.sort()
        kept, dropped = [], 0
        for chunk in chunks:
            known = member(news, hash_strings(chunk.rows["event_id"]))
            if not known.any():
                kept.append(chunk)
                continue
            dropped += int(known.sum())
            rows = chunk.rows.filter(pa.array(~known))
            days = np.repeat(chunk.days, np.diff(chunk.starts))[~known]
            present, starts = np.unique(days, return_index=True)
            if len(days):
                kept.append(Chunk(rows, present, np.append(starts, len(days)).astype(np.int64)))
        return kept, dropped

    def _without_erased(self, chunks: list[Chunk]) -> tuple[list[Chunk], int]:
        """Drop rows of customers who were erased, be it while these rows were on their way."""
        erased = self.history.erased
        if erased is None or not erased.refresh():
            return chunks, 0
        kept, dropped = [], 0
        for chunk in chunks:
            barred = erased.rows(chunk.rows)
            if not barred.any():
                kept.append(chunk)
                continue
            dropped += int(barred.sum())
            rows = chunk.rows.filter(pa.array(~barred))
            days = np.repeat(chunk.days, np.diff(chunk.starts))[~barred]
            present, starts = np.unique(days, return_index=True)
            if len(days):
                kept.append(Chunk(rows, present, np.append(starts, len(days)).astype(np.int64)))
        return kept, dropped

    def _write_days(self, chunks: list[Chunk], first_seq: int) -> list[tuple[str, Path, str]]:
        """Write every day's rows; gives (relative path, local file, stats) in order of the days."""
        parts: dict[int, list[pa.Table]] = {}
        for chunk in chunks:
            for i, day in enumerate(chunk.days.tolist()):
                start, end = int(chunk.starts[i]), int(chunk.starts[i + 1])
                for at in range(start, end, LARGEST_FILE):
                    parts.setdefault(day, []).append(chunk.rows.slice(at, min(end, at + LARGEST_FILE) - at))
        jobs: list[tuple[int, int, list[pa.Table]]] = []
        for day in sorted(parts):
            number, size = 0, 0
            group: list[pa.Table] = []
            for part in parts[day]:
                if group and size + part.num_rows > LARGEST_FILE:
                    jobs.append((day, number, group))
                    number, size, group = number + 1, 0, []
                group.append(part)
                size += part.num_rows
            jobs.append((day, number, group))
        with cf.ThreadPoolExecutor(max(1, self.history.threads()), "polku-parquet") as pool:
            return list(pool.map(lambda job: self._write_file(job[0], job[1], job[2], first_seq), jobs))

    def _write_file(self, day: int, number: int, parts: list[pa.Table], first_seq: int) -> tuple[str, Path, str]:
        table = together(parts).combine_chunks()
        if self.kind != "move":
            seq = pc.add(table["seq"], pa.scalar(first_seq, pa.int64()))
            table = table.set_column(table.schema.get_field_index("seq"), "seq", seq)
        date = (dt.date(1970, 1, 1) + dt.timedelta(days=day)).isoformat()
        name = f"{self.kind}-{self.id}-{number:03d}.parquet"
        local = self.folder / f"{date}-{name}"
        table = table.select([f.name for f in HISTORY if f.name != "day"])
        empty = [name for name in table.column_names if table[name].null_count == table.num_rows]
        pq.write_table(
            table,
            local,
            compression="zstd",
            compression_level=1,
            use_dictionary=sorted({*REPEATING, *empty}),  # an empty dictionary costs half of what decoding it does
            column_encoding=dict.fromkeys(RISING, "DELTA_BINARY_PACKED"),
            write_statistics=["time", "seq", "event"],
            row_group_size=ROW_GROUP,
            store_schema=False,
            data_page_size=1 << 20,
        )
        return f"day={date}/{name}", local, delta_stats(table)

    def _bring(self, files: list[tuple[str, Path, str]]) -> list[AddAction]:
        """Move the files into place; they and their names are on disk when this returns."""
        place = self.history.place
        sizes = [local.stat().st_size for _, local, _ in files]
        with cf.ThreadPoolExecutor(FLUSHES, "polku-flush") as pool:
            list(pool.map(lambda file: place.bring(file[1], file[0]), files))
            list(pool.map(place.settle, sorted({str(Path(relative).parent) for relative, _, _ in files})))
        place.settle("")
        now = time.time_ns() // 1_000_000
        return [
            AddAction(relative, size, {"day": relative.split("/")[0].removeprefix("day=")}, now, True, stats)
            for (relative, _, stats), size in zip(files, sizes, strict=True)
        ]

    def _commit_delta(
        self,
        actions: list[AddAction],
        count: int,
        first: int,
        facts: dict[str, Any],
        transaction: tuple[str, int] | None,
    ) -> int:
        told = {"kind": self.kind, "id": self.id, "source": self.source, "rows": count, "first_seq": first, **facts}
        table = self.history.table()
        if transaction is not None and (table.transaction_version(transaction[0]) or 0) >= transaction[1]:
            raise RecordError(N_("These events are in history already (transaction {name} {version})."),
                              name=transaction[0], version=transaction[1])  # fmt: skip
        try:
            table.create_write_transaction(
                actions,
                "append",
                table.schema(),
                ["day"],
                commit_properties=CommitProperties(
                    custom_metadata={"polku": json.dumps(told)},
                    app_transactions=[Transaction(*transaction)] if transaction else None,
                ),
            )
        except CommitFailedError as fault:
            raise RecordError(N_("History did not take the commit: {fault}. Try again."), fault=str(fault)) from fault
        version = self._find_version()
        self.history.place.settle(f"_delta_log/{version:020d}.json")
        self.history.place.settle("_delta_log")
        return version

    def _find_version(self) -> int:
        """Our commit's version: another tool may have committed behind it meanwhile."""
        commits = self.history.commits_since(self.seen_version) or ()
        for commit in reversed(commits):
            if commit.facts.get("id") == self.id:
                return commit.version
        return self.history.version


def delta_stats(table: pa.Table) -> str:
    """What Delta's log keeps of a file of these rows: their number, the span of ``time`` and ``seq``. No ids."""
    times, seqs = pc.min_max(table["time"]).as_py(), pc.min_max(table["seq"]).as_py()
    return json.dumps(
        {
            "numRecords": table.num_rows,
            "minValues": {"time": _delta_time(times["min"]), "seq": seqs["min"]},
            "maxValues": {"time": _delta_time(times["max"]), "seq": seqs["max"]},
            "nullCount": {"time": 0, "seq": 0},
        }
    )


def _delta_time(when: dt.datetime) -> str:
    return when.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def normalised(rows: pa.Table, start: int) -> pa.Table:
    """The table with every column of ARRIVING in its type, and ``seq`` counting from ``start``."""
    columns: list[pa.ChunkedArray] = []
    names: list[str] = []
    for field in ARRIVING:
        if field.name not in rows.column_names:
            if not field.nullable:
                raise RecordError(N_("Events for history lack the column {column}."), column=field.name)
            if pa.types.is_string(field.type):
                nothing: pa.Array = pa.DictionaryArray.from_arrays(
                    pa.nulls(rows.num_rows, pa.int32()), pa.array([], pa.string())
                )
            else:
                nothing = pa.nulls(rows.num_rows, field.type)
            column = pa.chunked_array([nothing])
        else:
            column = _typed(rows[field.name], field)
        if not field.nullable and column.null_count:
            raise RecordError(
                N_("Events for history have {count} rows without {column}."), count=column.null_count, column=field.name
            )
        names.append(field.name)
        columns.append(column)
    if "seq" in rows.column_names:
        columns.append(rows["seq"].cast(pa.int64()))
    else:
        columns.append(pa.chunked_array([pa.array(np.arange(start, start + rows.num_rows, dtype=np.int64))]))
    return pa.table(columns, [*names, "seq"])


def _typed(column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    if column.type == field.type:
        return column
    if pa.types.is_dictionary(column.type) and pa.types.is_string(field.type):
        small = all(len(c.dictionary) <= DICTIONARY for c in column.chunks)
        return column.cast(pa.dictionary(pa.int32(), pa.string())) if small else column.cast(pa.string())
    if pa.types.is_null(column.type) and pa.types.is_string(field.type):
        return pa.chunked_array(
            [pa.DictionaryArray.from_arrays(pa.nulls(len(column), pa.int32()), pa.array([], pa.string()))]
        )
    try:
        return column.cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as fault:
        raise RecordError(
            N_("The column {column} is {found}, and history wants {wanted}: {fault}"),
            column=field.name,
            found=str(column.type),
            wanted=str(field.type),
            fault=str(fault),
        ) from fault


def together(tables: list[pa.Table]) -> pa.Table:
    """One table of all, each column in one chunk; a string column that is a dictionary in only some becomes plain."""
    if len(tables) == 1:
        return tables[0]
    names = tables[0].column_names
    columns = []
    for name in names:
        parts = [t[name] for t in tables]
        kinds = {p.type for p in parts}
        if len(kinds) > 1:
            parts = [p.cast(pa.string()) if pa.types.is_dictionary(p.type) else p for p in parts]
        columns.append(pa.chunked_array([c for p in parts for c in p.chunks], parts[0].type))
    table = pa.table(columns, names)
    return table.unify_dictionaries()
