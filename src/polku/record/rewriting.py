"""History without some of its rows: files are written anew by Polku itself, and the old ones are gone at once.

Not by Delta's own ``delete``: it writes its predicate, and so the ids of those to be erased, into the table's log.
"""

from __future__ import annotations

import dataclasses
import json
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import CommitProperties
from deltalake.transaction import AddAction, RemoveAction

from polku.events.schema import HISTORY
from polku.record.deltalog import File
from polku.record.lease import Lease
from polku.record.staging import workplace
from polku.record.steps import reached
from polku.record.writer import REPEATING, RISING, ROW_GROUP, delta_stats

if TYPE_CHECKING:
    from polku.record.history import History


@dataclasses.dataclass(frozen=True, slots=True)
class Rewritten:
    """Rows that went, rows that lost a device's id, files written anew, the new Delta version (None: nothing to do)."""

    rows: int
    changed: int
    files: int
    version: int | None


def without(
    history: History, lease: Lease, gone: pc.Expression, nameless: pc.Expression | None = None, kind: str = "erase"
) -> Rewritten:
    """Take the rows that meet ``gone`` out of history, and the anonymous id out of those that meet ``nameless``.

    One Delta commit under the caller's lease; only files that hold such rows are written anew. The old files stay until
    ``vacuum``.
    """
    touched = gone if nameless is None else gone | nameless
    chosen = [file for file in history.snapshot().files if _holds(history, file, touched)]
    if not chosen:
        return Rewritten(0, 0, 0, None)
    rows = changed = 0
    actions: list[AddAction | RemoveAction] = []
    mark = uuid.uuid4().hex
    with workplace(history.staging / f"{kind}-{mark}") as work:
        for number, file in enumerate(chosen):
            table = history.read(files=[file]).read_all()
            kept = table.filter(pc.invert(gone))
            rows += table.num_rows - kept.num_rows
            if nameless is not None:
                shared = row_mask(kept, nameless)
                changed += int(pc.sum(shared).as_py() or 0)
                cleaned = pc.if_else(shared, pa.scalar(None, pa.string()), kept["anonymous_id"])
                kept = kept.set_column(kept.schema.get_field_index("anonymous_id"), "anonymous_id", cleaned)
            day = {"day": file.day.isoformat()}
            now = time.time_ns() // 1_000_000
            actions.append(RemoveAction(file.path, True, now, file.size, day))
            if kept.num_rows:
                relative = f"day={day['day']}/{kind}-{mark}-{number:04d}.parquet"
                local, size = _write(kept, work / f"{number:04d}.parquet")
                history.place.bring(local, relative)
                history.place.settle(str(Path(relative).parent))
                actions.append(AddAction(relative, size, day, now, True, delta_stats(kept)))
    reached("rewritten in place")
    lease.check()
    table = history.table()
    told: dict[str, Any] = {"kind": kind, "id": mark, "rows": rows}
    table.create_write_transaction(
        actions, "append", table.schema(), ["day"],
        commit_properties=CommitProperties(custom_metadata={"polku": json.dumps(told)}),
    )  # fmt: skip
    version = history.version
    history.place.settle(f"_delta_log/{version:020d}.json")
    history.place.settle("_delta_log")
    reached("rewritten")
    return Rewritten(rows, changed, len(chosen), version)


def sweep(history: History, lease: Lease, words: tuple[str, ...] = ()) -> int:
    """Delete at once every file of the table that its newest version does not need, and log entries that name a word.

    Returns how many files went. A log entry names values of rows where another tool wrote statistics of its own; then
    the log up to now becomes one checkpoint, and readers who stood before it start over.
    """
    lease.check()
    table = history.table()
    gone = table.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False, full=True)
    reached("swept")
    return len(gone) + (_shorten_log(history, words) if words else 0)


def _shorten_log(history: History, words: tuple[str, ...]) -> int:
    names = sorted(name for name in _log_files(history) if name.endswith(".json"))
    needles = [json.dumps(word, ensure_ascii=escape)[1:-1].encode() for word in words for escape in (True, False)]
    told = [name for name in names if _tells(history.place.read(name), needles)]
    if not told:
        return 0
    table = history.table()
    table.create_checkpoint()
    version = table.version()
    old = [n for n in _log_files(history) if n.split("/")[-1][:20].isdigit() and int(n.split("/")[-1][:20]) < version]
    for name in old:
        history.place.fs.delete_file(history.place.at(name))
    last = f"_delta_log/{version:020d}.json"
    if last in told and history.place.exists(last):
        history.place.fs.delete_file(history.place.at(last))
    return len(old)


def _tells(text: bytes, needles: list[bytes]) -> bool:
    """Whether a statistic, predicate or fact in a log entry is one of these words."""
    return any(b'"' + needle + b'"' in text or b"'" + needle + b"'" in text or b'\\"' + needle + b'\\"' in text
               for needle in needles)  # fmt: skip


def _log_files(history: History) -> list[str]:
    import pyarrow.fs as pafs

    place = history.place
    found = place.fs.get_file_info(pafs.FileSelector(place.at("_delta_log")))
    return [f"_delta_log/{info.base_name}" for info in found if info.type == pafs.FileType.File]


def _holds(history: History, file: File, where: pc.Expression) -> bool:
    columns = ["user_id", "anonymous_id", "account_id", "time"]
    return any(batch.num_rows for batch in history.read(columns, files=[file], where=where))


def row_mask(table: pa.Table, where: pc.Expression) -> pa.ChunkedArray:
    """bool[n]: which rows meet an expression."""
    numbered = table.select(["user_id", "anonymous_id", "account_id"]).append_column(
        "row", pa.array(range(table.num_rows), pa.int64())
    )
    if not table.num_rows:
        return pa.chunked_array([], pa.bool_())
    return pc.is_in(numbered["row"], value_set=numbered.filter(where)["row"].combine_chunks())


def _write(table: pa.Table, path: Path) -> tuple[Path, int]:
    table = table.select([f.name for f in HISTORY if f.name != "day"])
    empty = [name for name in table.column_names if table[name].null_count == table.num_rows]
    pq.write_table(
        table, path, compression="zstd", compression_level=3, use_dictionary=sorted({*REPEATING, *empty}),
        column_encoding=dict.fromkeys(RISING, "DELTA_BINARY_PACKED"), write_statistics=["time", "seq", "event"],
        row_group_size=ROW_GROUP, store_schema=False, data_page_size=1 << 20,
    )  # fmt: skip
    return path, path.stat().st_size
