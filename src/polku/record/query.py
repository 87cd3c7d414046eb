"""SQL over the record: DuckDB, read only, on the view ``events`` and beside it ``identities``, ``profiles``, ``costs``.

A query sees history and the inbox's tail as of one moment. It may read nothing else of the machine and change nothing:
only SELECT-like statements are run, the file system is closed but for history's own files, the settings are locked.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from polku.errors import UsageError
from polku.events.schema import HISTORY
from polku.language import N_
from polku.record import tables
from polku.record.hashes import id_hash
from polku.record.idtable import IdTable

if TYPE_CHECKING:
    from polku.record.project import Project

READING = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN, duckdb.StatementType.RELATION}


@dataclasses.dataclass(frozen=True)
class Enrichment:
    """A column that another room adds to the view ``events``: ``make(project)`` gives a function over Arrow columns.

    It is computed only where a query asks for the column.
    """

    name: str
    type: str
    inputs: tuple[str, ...]
    make: Callable[[Project], Callable[..., pa.Array]]


ENRICHMENTS: dict[str, Enrichment] = {}


def enrich(enrichment: Enrichment) -> None:
    """Add a column to the view ``events`` of every query from now on."""
    ENRICHMENTS[enrichment.name] = enrichment


def run(project: Project, query: str) -> pa.Table:
    """The answer of a query as an Arrow table. Raises UsageError with DuckDB's own words when it cannot be run."""
    connection = duckdb.connect(":memory:", config={"memory_limit": f"{project.settings.sql.memory}MB"})
    try:
        _check(connection, query)
        names = _prepare(connection, project, query)
        seconds = project.settings.sql.seconds
        timer = threading.Timer(seconds, connection.interrupt) if seconds else None
        try:
            if timer:
                timer.start()
            answer = connection.sql(query)
            result: pa.Table = pa.table({}) if answer is None else answer.to_arrow_table()
        finally:
            if timer:
                timer.cancel()
                timer.join()
            for name in names:
                connection.remove_function(name)
        return result
    except duckdb.InterruptException as fault:
        raise UsageError(
            N_("The query ran for more than {seconds} s and was stopped; the setting is sql.seconds."),
            seconds=project.settings.sql.seconds,
        ) from fault
    except duckdb.Error as fault:
        raise UsageError(N_("The query does not run: {fault}"), fault=str(fault)) from fault
    finally:
        connection.close()


def _check(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    statements = connection.extract_statements(query)
    if len(statements) != 1:
        raise UsageError(N_("Give one query; there are {count}."), count=len(statements))
    if statements[0].type not in READING:
        raise UsageError(
            N_("The history is only read here: write a SELECT, not {kind}."), kind=statements[0].type.name.upper()
        )


def _prepare(connection: duckdb.DuckDBPyConnection, project: Project, query: str) -> list[str]:
    """Make the views, close the doors; gives the functions that were made."""
    connection.execute("set timezone = 'UTC'")
    connection.execute("set python_enable_replacements = false")
    connection.execute("set autoinstall_known_extensions = false")
    connection.execute("set autoload_known_extensions = false")
    snapshot, tail = project.look(list(HISTORY.names))
    table = project.identities.table()
    functions = [_customer(connection, table, project.subject())]
    computed = [f"{functions[0]}(user_id, anonymous_id, account_id) as customer"]
    for enrichment in ENRICHMENTS.values():
        name = f"polku_{enrichment.name}"
        connection.create_function(
            name,
            enrichment.make(project),
            [_sql_type(c) for c in enrichment.inputs],
            enrichment.type,
            type="arrow",
            null_handling="special",
        )
        functions.append(name)
        computed.append(f"{name}({', '.join(enrichment.inputs)}) as {enrichment.name}")
    connection.register("polku_tail", tail)
    columns = ", ".join(HISTORY.names)
    source = f"select {columns} from polku_tail"
    if snapshot.files and not project.history.place.folder:
        connection.register("polku_history", project.history.dataset(snapshot.files))  # read by Arrow, as all else
        source = f"select {columns} from polku_history union all {source}"
    elif snapshot.files:
        files = ", ".join("'" + f.uri.replace("'", "''") + "'" for f in snapshot.files)
        source = (
            f"select {columns} from read_parquet([{files}], hive_partitioning = true, hive_types = {{'day': date}}, "
            f"union_by_name = false) union all {source}"
        )
    connection.execute(f"create view events as select *, {', '.join(computed)} from ({source})")
    words = query.lower()
    if "identities" in words:
        connection.register("identities", _identities(project))
    if "costs" in words:
        connection.register("costs", project.costs.table())
    if "profiles" in words:
        connection.register("profiles", project.identities.profiles())
    if project.history.place.folder:
        root = project.history.place.root.replace("'", "''")
        connection.execute(f"set allowed_directories = ['{root}']")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")
    return functions


def _customer(connection: duckdb.DuckDBPyConnection, table: IdTable, subject: str) -> str:
    """The function that resolves ids as trails do: the same hashes, the same table."""

    def customer(user: pa.Array, anonymous: pa.Array, account: pa.Array) -> pa.Array:
        if subject == "account":
            found = table.resolve(id_hash("account", account))
        else:
            hashes = id_hash("user", user)
            found = table.resolve(np.where(hashes != 0, hashes, id_hash("anonymous", anonymous)))
        return pa.array(found, pa.int64(), mask=found < 0)

    connection.create_function(
        "polku_customer", customer, ["VARCHAR"] * 3, "BIGINT", type="arrow", null_handling="special"
    )
    return "polku_customer"


def _identities(project: Project) -> pa.Table:
    who = tables.identities.c
    with project.state.read() as connection:
        rows = connection.execute(sa.select(who.customer, who.kind, who.value).order_by(who.id)).all()
    return pa.table(
        {
            "customer": pa.array([r.customer for r in rows], pa.int64()),
            "kind": pa.array([r.kind for r in rows], pa.string()),
            "id": pa.array([r.value for r in rows], pa.string()),
        }
    )


def _sql_type(column: str) -> str:
    kind = HISTORY.field(column).type
    if pa.types.is_string(kind):
        return "VARCHAR"
    return {"timestamp[us, tz=UTC]": "TIMESTAMPTZ", "int64": "BIGINT", "double": "DOUBLE"}.get(str(kind), "DATE")
