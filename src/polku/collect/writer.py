"""The writer: one thread a process that brings what arrives to disk, as many requests in one transaction as wait.

The queue is bounded by events and by bytes; what does not fit is refused (503) and comes again. What waited is written
while the disk is busy with the group before, so that groups grow with the load.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from polku.collect.columns import Kept, table_of
from polku.errors import RecordError
from polku.events.arrival import Arrival
from polku.kernels.glance import glance, objects
from polku.record.contacts import might_hold
from polku.record.inbox import LANE, Inbox
from polku.record.permission import Learned, Permission
from polku.record.refused import Refused, note_refused
from polku.record.state import State
from polku.record.steps import reached

log = logging.getLogger("polku.collect")

#: What a state that cannot be written now raises: full or read-only disk, another program's lock, a lost connection.
UNWRITABLE = (sa.exc.SQLAlchemyError, RecordError, OSError)
#: Events of one transaction: its payload stays some megabytes.
MOST_GROUP = 10_000
#: Refusals that nobody waits for are written after so many seconds at the latest, and at most so many at once.
NOTE_SECONDS = 1.0
MOST_NOTED = 10_000


@dataclasses.dataclass(slots=True, eq=False)
class Deposit:
    """One request on its way to disk: its events, what was refused of it, what it told besides, bytes it holds.

    ``waiter`` is the caller's own. Once it was told, ``fault`` is None when all of it is on disk.
    """

    kept: Kept
    refused: list[Refused]
    learned: Learned
    size: int
    waiter: Any
    fault: BaseException | None = None


@dataclasses.dataclass(slots=True)
class Waiting:
    """What the queue holds."""

    events: int = 0
    bytes: int = 0


class Writer:
    """See the module. ``told`` is called from the writer's thread with the deposits of each group, done or failed."""

    def __init__(
        self,
        state: State,
        inbox: Inbox,
        permission: Permission,
        told: Callable[[Sequence[Deposit]], None],
        *,
        most_events: int,
        most_bytes: int,
    ) -> None:
        self.state, self.inbox, self.permission, self.told = state, inbox, permission, told
        self.most_events, self.most_bytes = most_events, most_bytes
        self.waiting = Waiting()
        #: Seconds that the last group took, and why the last one failed (None: it did not).
        self.seconds = 0.0
        self.fault: BaseException | None = None
        self._queue: list[Deposit] = []
        self._wake = threading.Condition()
        self._noted: list[Refused] = []
        self._stopping = self._last = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="polku-collect", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, then end."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def put(self, deposit: Deposit) -> bool:
        """Take a deposit into the queue; False when it is full, and nothing was taken."""
        events = len(deposit.kept) + len(deposit.refused)
        with self._wake:
            waiting = self.waiting
            full = waiting.events + events > self.most_events or waiting.bytes + deposit.size > self.most_bytes
            if self._stopping or (full and waiting.events):  # a single one always fits
                return False
            waiting.events += events
            waiting.bytes += deposit.size
            self._queue.append(deposit)
            self._wake.notify()
        return True

    def note(self, refused: Refused) -> None:
        """Count a refusal that nobody waits for, within a second or two; a flood of them is counted in memory alone."""
        with self._wake:
            if len(self._noted) < MOST_NOTED:
                self._noted.append(refused)
                if len(self._noted) == 1:
                    self._wake.notify()

    def _take(self) -> list[Deposit] | None:
        """The next group, empty when only notes are to be written; None when it is time to end."""
        with self._wake:
            while not self._queue:
                if self._stopping:
                    last, self._last = self._last, True
                    return [] if self._noted and not last else None
                if not self._wake.wait(NOTE_SECONDS if self._noted else None) and self._noted:
                    return []
            events = 0
            for at, deposit in enumerate(self._queue):
                events += len(deposit.kept)
                if events > MOST_GROUP and at:
                    group, self._queue = self._queue[:at], self._queue[at:]
                    return group
            group, self._queue = self._queue, []
            return group

    def _run(self) -> None:
        warm()
        while (group := self._take()) is not None:
            began = time.monotonic()
            self._write(group)
            self.seconds = time.monotonic() - began
            with self._wake:
                self.waiting.events -= sum(len(d.kept) + len(d.refused) for d in group)
                self.waiting.bytes -= sum(d.size for d in group)
            if group:  # else notes alone were written, perhaps before the first request: nobody waits
                self.told(group)

    def _write(self, group: list[Deposit]) -> None:
        try:
            self.store(group)
            if group:
                self.fault = None
        except UNWRITABLE as fault:
            log.warning("events could not be stored: %s", fault)
            self.fault = fault
            self.state.close()  # a connection that met a full disk or lost its server is not used again
            for deposit in group:
                deposit.fault = fault
        except (pa.ArrowException, ValueError, OverflowError) as fault:
            if len(group) > 1:  # one of them cannot be stored: the others must not suffer
                for deposit in group:
                    self._write([deposit])
                return
            log.exception("a request could not be stored")
            group[0].fault = fault

    def store(self, group: Sequence[Deposit]) -> None:
        """Bring a group to disk in one transaction."""
        requests = [d.kept for d in group if len(d.kept)]
        rows = table_of(requests) if requests else None
        noted = self._noted[:]
        with self.state.write(LANE) as connection:
            if rows is not None:
                self.inbox.put(connection, rows)
            note_refused(self.state, connection, [*noted, *(r for d in group for r in d.refused)])
            learned = Learned()
            for deposit in group:
                learned.extend(deposit.learned)
            written = self.permission.write(connection, learned)
            reached("inbox written")
        self.permission.learn(written)
        with self._wake:
            del self._noted[: len(noted)]
        reached("inbox committed")


def warm() -> None:
    """Load the kernels that make ids and look for addresses, so that the first events do not wait for them."""
    might_hold(b"{}")
    table_of([Kept([Arrival(event="page", time=0)])])
    text = np.frombuffer(b'{"properties":{}}', np.uint8)
    objects(text, glance(text, np.array([0, len(text)])).spans[:, :2])
