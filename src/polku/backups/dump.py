"""The state's tables as Parquet files: the same from SQLite and PostgreSQL, and into either."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from polku.record.state import State

#: Rows that are read, and written, together.
ROWS = 20_000
#: What is of the running servers only: who works at what, and who is signed in where.
PASSING = frozenset({"leases", "jobs", "sessions", "alembic_version"})


def tables_of(connection: Connection) -> list[sa.Table]:
    """The tables that a backup takes, as the database has them, in an order in which they can be filled."""
    found = sa.MetaData()
    found.reflect(connection)
    return [table for table in found.sorted_tables if table.name not in PASSING]


def dumped(connection: Connection) -> Iterator[tuple[str, bytes]]:
    """Each table's name and its rows as a Parquet file, all as the connection's transaction sees them."""
    for table in tables_of(connection):
        schema = pa.schema([pa.field(column.name, _type(column)) for column in table.columns])
        sink = io.BytesIO()
        with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
            query = sa.select(table).execution_options(stream_results=True, yield_per=ROWS)
            for rows in connection.execute(query).partitions():
                columns = list(zip(*rows, strict=True))
                arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
                writer.write_table(pa.table(arrays, schema=schema))
        yield table.name, sink.getvalue()


def load(state: State, connection: Connection, table: sa.Table, content: bytes) -> int:
    """Fill an empty table from what was dumped. Returns the number of rows."""
    file = pq.ParquetFile(io.BytesIO(content))
    for batch in file.iter_batches(ROWS):
        state.insert_many(connection, table, {name: batch[name].to_pylist() for name in batch.schema.names})
    if not state.sqlite:
        _go_on_counting(connection, table)
    return int(file.metadata.num_rows)


def _go_on_counting(connection: Connection, table: sa.Table) -> None:
    """PostgreSQL numbers rows by a sequence, which knows nothing of rows that brought their number along."""
    for column in table.primary_key.columns:
        asked = {"table": table.name, "column": column.name}
        name = connection.execute(sa.text("select pg_get_serial_sequence(:table, :column)"), asked).scalar()
        if name is not None:
            last = connection.execute(sa.select(sa.func.max(column))).scalar()
            connection.execute(
                sa.text("select setval(cast(:name as regclass), :last, :used)"),
                {"name": name, "last": last or 1, "used": last is not None},
            )


def _type(column: sa.Column[Any]) -> pa.DataType:
    kind = column.type
    if isinstance(kind, sa.Boolean):
        return pa.bool_()
    if isinstance(kind, sa.Integer):
        return pa.int64()
    if isinstance(kind, (sa.Float, sa.Numeric)):
        return pa.float64()
    return pa.large_binary() if isinstance(kind, sa.LargeBinary) else pa.large_string()
