"""Who may write: one holder of a name at a time, told who it is when it is another, taken over when the holder dies.

Processes that share a project's folder are kept apart by a file lock: the system lets go of it at whatever end its
process meets, also ``kill -9``. Between folders (servers that share a state on PostgreSQL) the row with its expiry
decides, and the holder renews it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from polku.errors import ProjectBusy, RecordError
from polku.language import N_
from polku.record import tables
from polku.record.clock import now
from polku.record.staging import lock, unlock
from polku.record.state import State

#: Seconds that a lease lives without being renewed; only who has another folder ever waits for it.
LIFE = 30.0
#: The lane of the state in which leases are written: a long import must not keep a holder from renewing.
LANE = "leases"


class Lease:
    """A held lease. ``token`` grows with every holder: what an old holder still writes can be told by it."""

    def __init__(self, state: State, name: str, holder: str, token: int, life: float = LIFE) -> None:
        self.state, self.name, self.holder, self.token, self.life = state, name, holder, token, life
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew, name=f"polku-lease-{name}", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise RecordError when another holder has taken over, because this one was away for longer than its life."""
        with self.state.write(LANE) as connection:
            if not self._extend(connection):
                raise RecordError(
                    N_("The lease on {name} was lost to another process; nothing was written. Try again."),
                    name=self.name,
                )

    def _extend(self, connection: sa.Connection) -> bool:
        row = tables.leases.c
        done = connection.execute(
            sa.update(tables.leases)
            .where(row.name == self.name, row.token == self.token, row.holder == self.holder)
            .values(expires_at=now() + int(self.life * 1e6))
        )
        return done.rowcount == 1

    def _renew(self) -> None:
        while not self._stop.wait(self.life / 3):
            with contextlib.suppress(sa.exc.DBAPIError, RecordError), self.state.write(LANE) as connection:
                # A missed renewal is no harm in itself: check() decides before anything is written.
                self._extend(connection)

    def release(self) -> None:
        """Let go: the row is freed for the next holder."""
        self._stop.set()
        self._thread.join()
        row = tables.leases.c
        with self.state.write(LANE) as connection:
            connection.execute(
                sa.update(tables.leases)
                .where(row.name == self.name, row.token == self.token, row.holder == self.holder)
                .values(holder="", doing="", expires_at=0)
            )


@contextlib.contextmanager
def hold(state: State, locks: Path, name: str, doing: str, wait: float = 60.0, life: float = LIFE) -> Iterator[Lease]:
    """Hold the lease ``name`` while the block runs; ``doing`` is told to others who ask for it meanwhile.

    ``life``: seconds after which a holder with another folder is taken for dead. Raises ProjectBusy, with holder and
    since when, after ``wait`` seconds.
    """
    until = time.monotonic() + wait
    locks.mkdir(parents=True, exist_ok=True)
    with (locks / f"{name}.lock").open("a+b") as file:
        while not lock(file):
            if time.monotonic() >= until:
                raise _busy(state, name)
            time.sleep(0.02)
        try:
            while (lease := _take(state, locks, name, doing, life)) is None:
                if time.monotonic() >= until:
                    raise _busy(state, name)
                time.sleep(0.1)
            try:
                yield lease
            finally:
                lease.release()
        finally:
            unlock(file)


def holder_of(state: State, name: str) -> dict[str, str | int] | None:
    """Who holds the lease by its row (holder, doing, taken_at in microseconds), or None."""
    with state.read() as connection:
        row = connection.execute(sa.select(tables.leases).where(tables.leases.c.name == name)).mappings().first()
    if row is None or not row["holder"]:
        return None
    return {"holder": row["holder"], "doing": row["doing"], "taken_at": row["taken_at"]}


def _identity(locks: Path) -> str:
    """Whose file locks mean something to each other: those in one folder. Machines may have the same name."""
    file = locks / "identity"
    try:
        known = file.read_text(encoding="ascii")
    except FileNotFoundError:
        known = ""
    if not known:  # the caller holds a lock in this folder, but maybe not the only one: the first to get there stays
        partial = locks / f"identity.{uuid.uuid4().hex}"
        partial.write_text(uuid.uuid4().hex, encoding="ascii")
        with contextlib.suppress(FileExistsError):
            os.link(partial, file)
        partial.unlink()
        known = file.read_text(encoding="ascii")
    return f"{socket.gethostname()}:{known}:{hash_of(str(locks.resolve()))}"


def hash_of(text: str) -> str:
    """A short name of a path."""
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def _take(state: State, locks: Path, name: str, doing: str, life: float) -> Lease | None:
    host, me = _identity(locks), f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}"
    moment = now()
    with state.write(LANE) as connection:
        row = connection.execute(sa.select(tables.leases).where(tables.leases.c.name == name)).mappings().first()
        values = {"holder": me, "host": host, "doing": doing, "taken_at": moment}
        values["expires_at"] = moment + int(life * 1e6)
        if row is None:
            token = 1
            connection.execute(sa.insert(tables.leases).values(name=name, token=token, **values))
        else:
            # The file lock is ours, so a holder of this same folder is dead; another folder's may be alive.
            if row["holder"] and row["host"] != host and row["expires_at"] > moment:
                return None
            token = int(row["token"]) + 1
            connection.execute(
                sa.update(tables.leases).where(tables.leases.c.name == name).values(token=token, **values)
            )
    return Lease(state, name, me, token, life)


def _busy(state: State, name: str) -> ProjectBusy:
    found = holder_of(state, name) or {"holder": "?", "doing": name}
    return ProjectBusy(
        N_("Another process is writing to this project: {holder} ({doing}). Wait until it has finished, or stop it."),
        holder=found["holder"],
        doing=found["doing"],
    )
