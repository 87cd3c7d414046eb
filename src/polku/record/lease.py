"""Who may write: one holder of a name at a time, told who it is when it is another, taken over when the holder dies.

On one machine a file lock decides: the system lets go of it at whatever end its process meets, also ``kill -9``.
Between machines that share a state (PostgreSQL) the row with its expiry decides, and the holder renews it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from polku.errors import ProjectBusy, RecordError
from polku.language import N_
from polku.record import tables
from polku.record.clock import now
from polku.record.staging import lock, unlock
from polku.record.state import State

#: Seconds that a lease lives without being renewed; only another machine ever waits for it.
LIFE = 30.0


class Lease:
    """A held lease. ``token`` grows with every holder: what an old holder still writes can be told by it."""

    def __init__(self, state: State, name: str, holder: str, token: int) -> None:
        self.state, self.name, self.holder, self.token = state, name, holder, token
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew, name=f"polku-lease-{name}", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise RecordError when another holder has taken over, because this one was away for longer than LIFE."""
        with self.state.write() as connection:
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
            .values(expires_at=now() + int(LIFE * 1e6))
        )
        return done.rowcount == 1

    def _renew(self) -> None:
        while not self._stop.wait(LIFE / 3):
            with contextlib.suppress(sa.exc.OperationalError, RecordError), self.state.write() as connection:
                # A missed renewal is no harm in itself: check() decides before anything is written.
                self._extend(connection)

    def release(self) -> None:
        """Let go: the row is freed for the next holder."""
        self._stop.set()
        self._thread.join()
        row = tables.leases.c
        with self.state.write() as connection:
            connection.execute(
                sa.update(tables.leases)
                .where(row.name == self.name, row.token == self.token, row.holder == self.holder)
                .values(holder="", doing="", expires_at=0)
            )


@contextlib.contextmanager
def hold(state: State, locks: Path, name: str, doing: str, wait: float = 60.0) -> Iterator[Lease]:
    """Hold the lease ``name`` while the block runs; ``doing`` is told to others who ask for it meanwhile.

    Raises ProjectBusy, with holder and since when, after ``wait`` seconds.
    """
    until = time.monotonic() + wait
    locks.mkdir(parents=True, exist_ok=True)
    with (locks / f"{name}.lock").open("a+b") as file:
        while not lock(file):
            if time.monotonic() >= until:
                raise _busy(state, name)
            time.sleep(0.02)
        try:
            while (lease := _take(state, name, doing)) is None:
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


def _take(state: State, name: str, doing: str) -> Lease | None:
    host, me = socket.gethostname(), f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}"
    moment = now()
    with state.write() as connection:
        row = connection.execute(sa.select(tables.leases).where(tables.leases.c.name == name)).mappings().first()
        values = {"holder": me, "host": host, "doing": doing, "taken_at": moment}
        values["expires_at"] = moment + int(LIFE * 1e6)
        if row is None:
            token = 1
            connection.execute(sa.insert(tables.leases).values(name=name, token=token, **values))
        else:
            # The file lock is ours, so a holder of this same machine is dead; another machine's may be alive.
            if row["holder"] and row["host"] != host and row["expires_at"] > moment:
                return None
            token = int(row["token"]) + 1
            connection.execute(
                sa.update(tables.leases).where(tables.leases.c.name == name).values(token=token, **values)
            )
    return Lease(state, name, me, token)


def _busy(state: State, name: str) -> ProjectBusy:
    found = holder_of(state, name) or {"holder": "?", "doing": name}
    return ProjectBusy(
        N_("Another process is writing to this project: {holder} ({doing}). Wait until it has finished, or stop it."),
        holder=found["holder"],
        doing=found["doing"],
    )
