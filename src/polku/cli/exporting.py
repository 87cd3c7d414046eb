"""Writing events out: Parquet or CSV, the file complete or not there at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from polku.cli.terminal import Progress
from polku.errors import UsageError
from polku.language import N_

if TYPE_CHECKING:
    from polku.record.project import Project

#: A spreadsheet runs a cell that begins with one of these; a quote in front keeps it text (OWASP, CSV injection).
FORMULA = "^[=+\\-@\t\r]"
WRITING = N_("writing")


def write(project: Project, query: str, file: Path, progress: Progress) -> int:
    """Write the rows of ``query`` to ``file`` (.parquet, .csv, .csv.gz); returns how many. Raises UsageError."""
    name = file.name.lower()
    if not name.endswith((".parquet", ".csv", ".csv.gz")):
        raise UsageError("{file} should end in .parquet, .csv or .csv.gz, which says how it is written.", file=file)
    if not file.absolute().parent.is_dir():
        raise UsageError("There is no folder {folder}.", folder=file.absolute().parent)
    found = project.sql(query)
    draft = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        if name.endswith(".parquet"):
            _parquet(found, draft, progress)
        else:
            _csv(found, draft, progress, gzip=name.endswith(".gz"))
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
    return int(found.num_rows)


def _parquet(found: pa.Table, draft: Path, progress: Progress) -> None:
    done = 0
    with pq.ParquetWriter(draft, found.schema, compression="zstd") as out:
        for batch in found.to_batches(max_chunksize=250_000):
            out.write_batch(batch)
            done += batch.num_rows
            progress(done, found.num_rows, WRITING)


def _csv(found: pa.Table, draft: Path, progress: Progress, gzip: bool) -> None:
    done = 0
    stream = pa.CompressedOutputStream(str(draft), "gzip") if gzip else pa.OSFile(str(draft), "wb")
    schema = pa.schema([pa.field(f.name, pa.string() if pa.types.is_nested(f.type) else f.type) for f in found.schema])
    with stream, pyarrow.csv.CSVWriter(stream, schema) as out:
        for batch in found.to_batches(max_chunksize=250_000):
            columns = [
                harmless(c) if pa.types.is_string(c.type) else c
                for c in (batch.column(i) for i in range(batch.num_columns))
            ]
            out.write_batch(
                pa.record_batch([c.cast(f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)
            )
            done += batch.num_rows
            progress(done, found.num_rows, WRITING)


def harmless(column: pa.Array) -> pa.Array:
    """The texts of ``column``, with a quote in front of those that a spreadsheet would run.

    >>> harmless(pa.array(["=1+1", "plain", None])).to_pylist()
    ["'=1+1", 'plain', None]
    """
    return pc.if_else(pc.match_substring_regex(column, FORMULA), pc.binary_join_element_wise("'", column, ""), column)
