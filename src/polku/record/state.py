"""The state: a small SQL database for what changes in place, opened, migrated and guarded here.

SQLite by default: write-ahead log, every commit on disk (``synchronous=FULL``), readers never wait for the writer.
PostgreSQL by URL. All statements elsewhere are portable SQLAlchemy Core; what differs by dialect is here and in
polku.record.postgres.
"""

from __future__ import annotations

import contextlib
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.schema import CreateTable

from polku.errors import NewerProject, RecordError
from polku.language import N_
from polku.record import postgres, tables
from polku.record.clock import moment, now
from polku.record.place import settle
from polku.record.staging import workplace

#: The newest format that this version of Polku knows: the last migration's number.
FORMAT = "0018"
MIGRATIONS = Path(__file__).parent / "migrations"
#: Where Alembic keeps the format; as it makes the table itself.
_VERSION = sa.Table(
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


class State:
    """The state's database; ``read()`` and ``write()`` give connections inside a transaction.

    >>> with state.write() as connection:          # doctest: +SKIP
    ...     first = state.reserve(connection, "seq", 1000)
    """

    def __init__(self, url: str, busy: float = 60.0) -> None:
        self.url = sa.make_url(url)
        self.busy = busy
        self.engine = _engine(self.url, busy)
        self.sqlite = self.engine.dialect.name == "sqlite"

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view of the database; never blocks a writer, never blocked by one."""
        with self.engine.connect() as connection:
            if not self.sqlite:
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    @contextlib.contextmanager
    def write(self, lane: str = "record") -> Iterator[Connection]:
        """A transaction: on disk when the block ends, or it did not happen when it raises. One at a time in a ``lane``.

        On SQLite all lanes are one. On PostgreSQL a writer that only takes numbers (:meth:`reserve`) and inserts, such
        as the inbox, has a lane of its own, so that an import that learns a million ids does not hold it up.
        """
        with self.engine.connect() as connection:
            connection = connection.execution_options(polku_write=True)
            try:
                with connection.begin():
                    if not self.sqlite:
                        postgres.alone(connection, lane, self.busy)
                    yield connection
            except sa.exc.OperationalError as fault:
                if "locked" in str(fault) or "busy" in str(fault) or postgres.waited(fault):
                    raise RecordError(
                        N_("Another process holds the state for too long ({where}). Try again when it has finished."),
                        where=self.where,
                    ) from fault
                raise

    @property
    def where(self) -> str:
        """The database for people: a path, or the URL without its password."""
        return str(self.url.database) if self.sqlite else self.url.render_as_string(hide_password=True)

    def counter(self, connection: Connection, name: str) -> int:
        """The counter's value; 0 when it was never set."""
        found = connection.execute(sa.select(tables.counters.c.value).where(tables.counters.c.name == name)).scalar()
        return int(found or 0)

    def set_counter(self, connection: Connection, name: str, value: int) -> None:
        """Set a counter, in the caller's transaction."""
        self._put(connection, tables.counters, name, value)

    def reserve(self, connection: Connection, name: str, count: int) -> int:
        """Take ``count`` numbers of a counter and give the first.

        The row stays locked until the transaction ends, so numbers become visible in their order: whoever sees one sees
        all below it, also where several processes write at once (PostgreSQL).
        """
        add = self._insert(tables.counters).values(name=name, value=count)
        add = add.on_conflict_do_update(
            index_elements=["name"], set_={"value": tables.counters.c.value + add.excluded.value}
        )
        last = connection.execute(add.returning(tables.counters.c.value)).scalar_one()
        return int(last) - count + 1

    def _insert(self, table: sa.Table) -> Any:
        """An insert that may say what happens ``on_conflict``; both databases say it alike."""
        return sqlite.insert(table) if self.sqlite else postgresql.insert(table)

    def _put(self, connection: Connection, table: sa.Table, name: str, value: Any) -> None:
        add = self._insert(table).values(name=name, value=value)
        connection.execute(add.on_conflict_do_update(index_elements=["name"], set_={"value": add.excluded.value}))

    def insert_many(self, connection: Connection, table: sa.Table, columns: dict[str, Sequence[Any]]) -> None:
        """Insert rows given as columns of plain Python values; the fast way of each database."""
        if not columns or not len(next(iter(columns.values()))):
            return
        quote = connection.dialect.identifier_preparer.quote
        names = ", ".join(quote(name) for name in columns)
        if self.sqlite:
            marks = ", ".join("?" * len(columns))
            rows = list(zip(*columns.values(), strict=True))
            connection.exec_driver_sql(f"insert into {quote(table.name)} ({names}) values ({marks})", rows)
        else:
            postgres.copy(connection, quote(table.name), names, zip(*columns.values(), strict=True))

    def meta(self, connection: Connection, name: str) -> str | None:
        """A word that the project keeps about itself."""
        found = connection.execute(sa.select(tables.meta.c.value).where(tables.meta.c.name == name)).scalar()
        return None if found is None else str(found)

    def set_meta(self, connection: Connection, name: str, value: str) -> None:
        """Keep a word about the project, in the caller's transaction."""
        self._put(connection, tables.meta, name, value)

    def format(self) -> str | None:
        """The format on disk: the last migration that ran; None for an empty database."""
        with self.read() as connection:
            if not sa.inspect(connection).has_table("alembic_version"):
                return None
            found = connection.execute(sa.text("select version_num from alembic_version")).scalar()
            return None if found is None else str(found)

    def migrate(self, backups: Path) -> Path | None:
        """Bring the database to this version's format; an older one is copied to ``backups`` first.

        Returns the backup's path when one was made. Raises NewerProject when a newer Polku wrote it.
        """
        current = self.format()
        if current == FORMAT:
            return None
        if current is not None and current > FORMAT:
            raise NewerProject(
                N_(
                    "This project was written by a newer Polku (its format is {found}, this version knows {known}). "
                    "Install the newer version, or restore a backup from {backups}."
                ),
                found=current,
                known=FORMAT,
                backups=str(backups),
            )
        if current is None and self._create():
            return None
        backup = self.backup(backups, f"format-{current}") if current is not None else None
        self.migrate_to(FORMAT)
        return backup

    def _create(self) -> bool:
        """Make all tables of an empty database at once; False when another process has begun it meanwhile.

        They are what the migrations make one after the other (a test holds both together), in a tenth of the time.
        """
        with self.write() as connection:
            if self._stamped(connection) is not None:
                return False
            tables.metadata.create_all(connection, checkfirst=False)
            connection.execute(CreateTable(_VERSION))
            connection.execute(_VERSION.insert().values(version_num=FORMAT))
        return True

    def migrate_to(self, revision: str) -> None:
        """Run Alembic's migrations up or down to ``revision``, in one transaction."""
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        with self.write() as connection:
            config.attributes["connection"] = connection
            if revision < (self._stamped(connection) or ""):
                command.downgrade(config, revision)
            else:
                command.upgrade(config, revision)

    def _stamped(self, connection: Connection) -> str | None:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        found = connection.execute(sa.text("select version_num from alembic_version")).scalar()
        return None if found is None else str(found)

    def backup(self, folder: Path, why: str) -> Path | None:
        """A consistent copy of the database in ``folder``; None where the database is a server's, which has its own."""
        if not self.sqlite or not self.url.database:
            return None
        folder.mkdir(parents=True, exist_ok=True)
        stamp = moment(now()).strftime("%Y%m%dT%H%M%S%f")
        target = folder / f"state-{stamp}-{why}.db"
        with workplace(folder.parent / "staging" / f"backup-{uuid.uuid4().hex}") as work:
            made = work / target.name
            with (
                contextlib.closing(sqlite3.connect(self.url.database)) as source,
                contextlib.closing(sqlite3.connect(made)) as copy,
            ):
                source.backup(copy)
            settle(made)
            made.replace(target)
            settle(folder)
        return target

    def clear_traces(self) -> None:
        """Leave nothing of deleted rows in the database's own files: free pages and the write-ahead log are cleared.

        On a server's database its dead rows go; its own log and backups are the server's.
        """
        if not self.sqlite or not self.url.database:
            with self.engine.connect() as connection:
                connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("vacuum")
            return
        with contextlib.closing(sqlite3.connect(self.url.database, timeout=self.busy, isolation_level=None)) as raw:
            raw.execute("vacuum")
            raw.execute("pragma wal_checkpoint(truncate)").fetchone()

    def close(self) -> None:
        """Give back every connection."""
        self.engine.dispose()


def _engine(url: sa.URL, busy: float) -> Engine:
    if url.get_backend_name() != "sqlite":
        return postgres.engine(url)
    connect = {"timeout": busy, "check_same_thread": False}
    engine = sa.create_engine(url, connect_args=connect, hide_parameters=True)  # values are people's data: not for logs

    @sa.event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        # The driver's own transaction handling starts too late for a consistent read; SQLAlchemy begins explicitly.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("pragma journal_mode=wal")
        cursor.execute("pragma synchronous=full")
        cursor.execute("pragma foreign_keys=on")
        cursor.execute("pragma temp_store=memory")
        cursor.execute("pragma cache_size=-65536")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        write = connection.get_execution_options().get("polku_write")
        connection.exec_driver_sql("begin immediate" if write else "begin")

    return engine
