"""Any table as Arrow, the wanted columns only: what notebooks hold, and Parquet files.

Nothing is imported to find out what a table is; where its library can pick columns itself, it does, so that a lazy
frame or a file is not read whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from polku.errors import TrailsError, nearest
from polku.language import N_


def arrow_table(table: Any, wanted: Sequence[str]) -> pa.Table:
    """The ``wanted`` columns of a table, in that order, without a copy where the library allows it.

    Takes pandas and Polars frames (lazy ones too), narwhals frames, Arrow tables, batches, readers and datasets, DuckDB
    relations, anything else with Arrow's C stream, and Parquet: a path, a folder, a pattern (``data/*.parquet``), a URL
    of object storage, or a list of paths. Raises TrailsError for anything else, for files that are not there, and for a
    missing column (with the nearest one there is).

    >>> arrow_table(pa.table({"a": [1], "b": [2]}), ["b"]).column_names
    ['b']
    """
    columns = list(dict.fromkeys(wanted))
    if isinstance(table, (str, Path)) or (isinstance(table, (list, tuple)) and _are_paths(table)):
        return _from_files(table, columns)
    made = _by_library(table, columns)
    if made is not None:
        return made
    if isinstance(table, pa.Table):
        _has(columns, table.column_names)
        return table.select(columns)
    if isinstance(table, pa.RecordBatch):
        return arrow_table(pa.Table.from_batches([table]), columns)
    if isinstance(table, pa.RecordBatchReader):
        _has(columns, table.schema.names)
        return pa.Table.from_batches([batch.select(columns) for batch in table], _schema(table.schema, columns))
    if hasattr(table, "scanner") and hasattr(table, "schema"):  # Arrow's datasets
        _has(columns, table.schema.names)
        return table.to_table(columns=columns)
    if hasattr(table, "__arrow_c_stream__"):
        return arrow_table(pa.RecordBatchReader.from_stream(table), columns)
    raise TrailsError(
        N_(
            "A {kind} is no table. Give a pandas, Polars or Arrow table, a DuckDB relation, the path of Parquet files, "
            "or anything with Arrow's C stream."
        ),
        kind=type(table).__name__,
    )


def _by_library(table: Any, columns: list[str]) -> pa.Table | None:
    """By the library that made the table; None when it is none of those that can be asked for columns."""
    library = type(table).__module__.split(".")[0].lstrip("_")
    if library == "narwhals":
        return arrow_table(table.to_native(), columns)
    if library == "pandas" and hasattr(table, "columns"):
        missing = [c for c in columns if c not in table.columns]
        if missing and set(missing) <= {n for n in table.index.names if n is not None}:
            table = table.reset_index(level=missing)  # a time or customer that stands in the index
        _has(columns, [str(c) for c in table.columns])
        return _of_pandas(table[columns])
    if library == "polars" and hasattr(table, "collect_schema"):
        _has(columns, table.collect_schema().names())
        chosen = table.select(columns)
        return (chosen.collect() if hasattr(chosen, "collect") else chosen).to_arrow()
    if library == "duckdb" and hasattr(table, "project"):
        _has(columns, list(table.columns))
        return table.project(", ".join('"' + c.replace('"', '""') + '"' for c in columns)).to_arrow_table()
    return None


def _of_pandas(frame: Any) -> pa.Table:
    """A pandas frame as Arrow. A column of objects of several kinds has no type there, and says so by its name."""
    names = [str(c) for c in frame.columns]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise TrailsError(N_("The table has several columns called {column!r}. Rename all but one."), column=twice)
    arrays = []
    for place, name in enumerate(names):
        try:
            arrays.append(pa.array(frame.iloc[:, place], from_pandas=True))
        except (pa.ArrowInvalid, pa.ArrowTypeError) as fault:
            raise TrailsError(
                N_("The column {column!r} holds values of several kinds. Turn it into one first, for example texts."),
                column=name,
            ) from fault
    return pa.table(arrays, names)


def _are_paths(table: Sequence[Any]) -> bool:
    return bool(table) and all(isinstance(each, (str, Path)) for each in table)


def _from_files(given: Any, columns: list[str]) -> pa.Table:
    import pyarrow.dataset as ds  # here, because a command that reads no files starts quicker

    paths: Any = []
    for each in given if isinstance(given, (list, tuple)) else [given]:
        text = str(each)
        if "://" in text:
            paths.append(text)
        elif any(sign in text for sign in "*?["):
            paths += _matching(Path(text))
        elif Path(text).exists():
            paths.append(text)
    if not paths:
        raise TrailsError(N_("There are no files at {path}."), path=str(given))
    try:
        dataset = ds.dataset(paths[0] if len(paths) == 1 else paths, format="parquet", partitioning="hive")
        _has(columns, dataset.schema.names)
        return dataset.to_table(columns=columns)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as fault:
        raise TrailsError(
            N_("{path} cannot be read as Parquet: {fault}"), path=str(given), fault=str(fault).split("\n")[0]
        ) from fault


def _matching(pattern: Path) -> list[str]:
    """The files that a pattern means, in the order of their names."""
    fixed = next(k for k, part in enumerate(pattern.parts) if any(sign in part for sign in "*?["))
    return sorted(str(p) for p in Path(*pattern.parts[:fixed]).glob(str(Path(*pattern.parts[fixed:]))))


def _schema(schema: pa.Schema, columns: Sequence[str]) -> pa.Schema:
    return pa.schema([schema.field(name) for name in columns])


def _has(wanted: Sequence[str], names: Sequence[str]) -> None:
    for name in wanted:
        if name not in names:
            raise TrailsError(
                N_("The table has no column {column!r}. It has {known}.{meant}"),
                column=name,
                known=", ".join(names) or "-",
                meant=f" → {near}?" if (near := nearest(name, names)) else "",
                nearest=near,
            )
