"""Parquet files (also packed with gzip): typed columns, read in batches."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from polku.errors import SourceError
from polku.language import N_
from polku.sources.files import stream
from polku.sources.raw import LINE, REASON, RawBatch, Shape

BATCH = 1 << 18
SAMPLE_ROWS = 10_000
#: A column of text with fewer distinct words than this share of its rows is read as a dictionary.
FEW = 0.1


class ParquetSource:
    """One Parquet file, opened. A row's number counts from 1, as there are no lines."""

    def __init__(self, path: Path, compression: str | None = None) -> None:
        self.path = path
        self.size = path.stat().st_size
        self._unpacked: Any = None
        if compression:
            self._unpacked = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the source
            try:
                with stream(path, compression) as packed:
                    shutil.copyfileobj(packed, self._unpacked)
            except OSError as error:
                raise SourceError(
                    N_(
                        "{path} cannot be unpacked to its end: {reason} It is damaged or was not copied whole; "
                        "nothing was imported."
                    ),
                    path=str(path),
                    reason=str(error).rstrip(".") + ".",
                ) from error
        with self._open() as file:
            names = file.schema_arrow.names
            self._rows = file.metadata.num_rows
        if len(set(names)) != len(names):
            raise SourceError(
                N_("{path} has two columns of the same name; Polku cannot tell them apart."), path=str(path)
            )
        self.columns = tuple(c for c in names if c not in (LINE, REASON))
        self.shape = Shape("parquet", self.columns, compression, facts={"rows": self._rows})
        self._few: list[str] = []

    def _open(self, dictionaries: Sequence[str] = ()) -> pq.ParquetFile:
        if self._unpacked is not None:
            self._unpacked.seek(0)
        try:
            return pq.ParquetFile(
                self._unpacked if self._unpacked is not None else str(self.path),
                read_dictionary=list(dictionaries),
                pre_buffer=False,
            )
        except (pa.ArrowInvalid, OSError) as error:
            raise self._damaged(error) from error

    def _damaged(self, error: BaseException) -> SourceError:
        return SourceError(
            N_("{path} cannot be read as Parquet: {reason} Nothing was imported."),
            path=str(self.path),
            reason=str(error).rstrip(".") + ".",
        )

    def close(self) -> None:
        """Give back the unpacked copy."""
        if self._unpacked is not None:
            self._unpacked.close()

    def sample(self) -> pa.Table:
        with self._open() as file:
            try:
                batch = next(file.iter_batches(SAMPLE_ROWS, columns=list(self.columns)), None)
            except (pa.ArrowInvalid, OSError) as error:
                raise self._damaged(error) from error
            table = (
                pa.Table.from_batches([batch])
                if batch is not None
                else file.schema_arrow.empty_table().select(list(self.columns))
            )
        self._few = [
            f.name
            for f in table.schema
            if (pa.types.is_string(f.type) or pa.types.is_large_string(f.type))
            and table.num_rows
            and pc.count_distinct(table.column(f.name)).as_py() < FEW * table.num_rows
        ]
        return table

    def batches(
        self, roles: Sequence[str], keep: Sequence[str] | None = None, typed: Sequence[str] = ()
    ) -> Iterator[RawBatch]:
        wanted = [c for c in self.columns if keep is None or c in roles or c in keep]
        row = 1
        with self._open(self._few) as file:
            batches = file.iter_batches(BATCH, columns=wanted, use_threads=True)
            while True:
                try:
                    batch = next(batches, None)
                except (pa.ArrowInvalid, OSError) as error:
                    raise self._damaged(error) from error
                if batch is None:
                    return
                lines = np.arange(row, row + batch.num_rows, dtype=np.int64)
                row += batch.num_rows
                done = int(self.size * (row - 1) / max(1, self._rows))
                yield RawBatch({c: plain(batch.column(c)) for c in wanted}, lines, done=done)


def plain(values: pa.Array) -> pa.Array:
    """The types that the rest of the way knows: views and binaries become text, durations numbers of seconds."""
    kind = values.type
    if isinstance(values, pa.ExtensionArray):
        return plain(values.storage)
    if pa.types.is_string_view(kind) or pa.types.is_large_string(kind):
        return values.cast(pa.string())
    if (
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_binary_view(kind)
        or pa.types.is_fixed_size_binary(kind)
    ):
        try:
            return values.cast(pa.binary()).cast(pa.string())
        except pa.ArrowInvalid:
            return pa.array([None if v is None else v.hex() for v in values.to_pylist()], pa.string())
    if pa.types.is_duration(kind):
        return pc.divide(values.cast(pa.duration("us")).cast(pa.int64()).cast(pa.float64()), 1e6)
    if pa.types.is_time(kind):
        return values.cast(pa.string())
    return values
