"""What the state needs of PostgreSQL that SQLite has by nature or does otherwise."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from polku.errors import RecordError
from polku.language import N_

log = logging.getLogger(__name__)

#: The first of the two numbers of each advisory lock, so that Polku's do not meet another program's: "polk".
SPACE = 0x706F6C6B
#: Connections that a process keeps open, and how many more it opens for a while.
KEPT, MORE = 8, 24
#: How the two ends notice that the other one is gone without a word (a machine without power, a network that is cut):
#: by themselves they would wait for two hours, a server for an answer and the database with a dead server's locks.
#: Seconds of silence, seconds between questions, questions; a URL that says otherwise goes before.
ASKS_AFTER, ASKS_EVERY, ASKS = 10, 5, 3
CLIENT = {
    "connect_timeout": 10, "keepalives": 1, "keepalives_idle": ASKS_AFTER, "keepalives_interval": ASKS_EVERY,
    "keepalives_count": ASKS, "tcp_user_timeout": 30_000,
}  # fmt: skip
SERVER = (
    f"select set_config('tcp_keepalives_idle', '{ASKS_AFTER}', false), "
    f"set_config('tcp_keepalives_interval', '{ASKS_EVERY}', false), "
    f"set_config('tcp_keepalives_count', '{ASKS}', false), set_config('tcp_user_timeout', '30s', false)"
)
#: So long, in milliseconds, a transaction of the doors may do nothing: a server that was stopped in the middle of one
#: (a machine that sleeps) must not keep all others from storing what arrives.
IDLE = {"inbox": 20_000}
#: A commit that is answered is on the server's disk, also where the server is set to answer sooner; what waits for
#: more (``remote_apply``) stays.
DURABLE = (
    "set_config('synchronous_commit', case current_setting('synchronous_commit') when 'off' then 'on' "
    "else current_setting('synchronous_commit') end, true)"
)


def engine(url: sa.URL) -> Engine:
    """An engine for PostgreSQL through psycopg 3.

    Raises RecordError for another database, and when psycopg is not installed.
    """
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise RecordError(
            N_("The state cannot be kept in {kind}: Polku knows SQLite and PostgreSQL (postgresql://...)."),
            kind=url.get_backend_name(),
        )
    try:
        import psycopg  # noqa: F401
    except ImportError as fault:
        raise RecordError(
            N_("The state is on PostgreSQL, and its driver is not installed. Install it with: pip install {package}"),
            package="'polku[postgresql]'",
        ) from fault
    made = sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args={name: value for name, value in CLIENT.items() if name not in url.query},
        pool_pre_ping=True,
        pool_size=KEPT,
        max_overflow=MORE,
        hide_parameters=True,  # an error's text goes to logs, and the values are people's data
    )
    sa.event.listen(made, "connect", _prepare)
    return made


def _prepare(connection: Any, _: Any) -> None:
    """PostgreSQL's texts cannot hold NUL; an id or a trait that has one keeps a mark in its place, as in a terminal."""
    import psycopg
    from psycopg.types.string import StrBinaryDumper, StrDumper, StrDumperUnknown

    def without_nul(kind: Any) -> Any:
        class Dumper(kind):  # type: ignore[misc]
            def dump(self, value: str) -> Any:
                return super().dump(value.replace("\0", "\ufffd") if "\0" in value else value)

        return Dumper

    for kind in (StrBinaryDumper, StrDumperUnknown, StrDumper):  # the last is the default
        connection.adapters.register_dumper(str, without_nul(kind))
    try:
        connection.execute(SERVER)
    except psycopg.Error as fault:  # a system without one of them, or a pooler in between that takes none
        log.debug("the database's keepalives stay as they are: %s", fault)
        connection.rollback()
    else:
        connection.commit()


def alone(connection: Connection, lane: str, busy: float) -> None:
    """Be the only writer of a lane until the transaction ends, as SQLite has it; wait ``busy`` seconds at most."""
    wait = f"{max(1, int(busy * 1000))}ms"
    connection.execute(sa.text(f"select set_config('lock_timeout', :wait, true), {DURABLE}"), {"wait": wait})
    if lane in IDLE:
        idle = sa.text("select set_config('idle_in_transaction_session_timeout', :idle, true)")
        connection.execute(idle, {"idle": f"{IDLE[lane]}ms"})
    number = zlib.crc32(lane.encode()) - 2**31
    connection.execute(
        sa.text("select pg_advisory_xact_lock(cast(:space as int), cast(:lane as int))"),
        {"space": SPACE, "lane": number},
    )


def waited(fault: sa.exc.DBAPIError) -> bool:
    """Whether a statement gave up waiting for a lock."""
    return getattr(fault.orig, "sqlstate", None) in ("55P03", "40P01")


def copy(connection: Connection, table: str, names: str, rows: Iterable[tuple[Any, ...]]) -> None:
    """Bring rows in by COPY; ``table`` and ``names`` are quoted already."""
    raw: Any = connection.connection.driver_connection
    with raw.cursor() as cursor, cursor.copy(f"copy {table} ({names}) from stdin") as stream:
        for row in rows:
            stream.write_row(row)
