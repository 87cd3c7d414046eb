"""What the state knows of each job: when it ran, who runs it now, what came of it, what went wrong."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
import socket
from typing import Any

import sqlalchemy as sa

from polku.jobs.job import Job, Outcome
from polku.record import tables
from polku.record.clock import moment, now
from polku.record.lease import LANE
from polku.record.state import State

#: A reason is kept to this length.
REASON = 2000


@dataclasses.dataclass(frozen=True, slots=True)
class Status:
    """One job. ``holder`` runs it now (None: nobody does); ``failures`` in a row, the last one with its ``reason``.

    ``next`` is None for a job that runs whenever it is due.
    """

    name: str
    title: str
    alone: bool
    every: float
    holder: str | None = None
    started: dt.datetime | None = None
    finished: dt.datetime | None = None
    seconds: float | None = None
    next: dt.datetime | None = None
    outcome: Outcome | None = None
    runs: int = 0
    failures: int = 0
    failed: dt.datetime | None = None
    reason: str | None = None


def me() -> str:
    """This process, for people: machine and number."""
    return f"{socket.gethostname()}:{os.getpid()}"


class Ledger:
    """Reads and writes the table ``jobs``. A job that each server does for itself stands there by machine."""

    def __init__(self, state: State) -> None:
        self.state = state

    def next_of(self, job: Job) -> int:
        """When the job is to run next, microseconds since 1970; 0: it never ran."""
        with self.state.read() as connection:
            row = tables.jobs.c
            found = connection.execute(sa.select(row.next_at).where(row.name == job.name, row.host == self._host(job)))
            return int(found.scalar() or 0)

    def started(self, job: Job) -> None:
        """Note that this process runs the job."""
        self._note(job, {"holder": me(), "started_at": now()})

    def finished(self, job: Job, outcome: Outcome | None) -> None:
        """Note how it ended; a run without an outcome leaves the last one standing."""
        told = {} if outcome is None else {"outcome": json.dumps(outcome)}
        self._end(job, {**told, "failures": 0}, job.every)

    def failed(self, job: Job, reason: str, wait: float) -> None:
        """Note that it failed; it is tried again after ``wait`` seconds."""
        told = {"failed_at": now(), "reason": reason[:REASON], "failures": tables.jobs.c.failures + 1}
        self._end(job, told, wait)

    def waits(self, job: Job, wait: float) -> None:
        """Note that another process was at history, so that nothing could be done."""
        self._end(job, {"runs": tables.jobs.c.runs}, wait)

    def all(self, jobs: tuple[Job, ...]) -> tuple[Status, ...]:
        """What is known of each job, in their order; a job that never ran has no moments."""
        row, lease = tables.jobs, tables.leases.c
        with self.state.read() as connection:
            rows = connection.execute(sa.select(row).order_by(row.c.name, row.c.host)).mappings().all()
            query = sa.select(lease.name).where(lease.holder != "", lease.expires_at > now())
            held = set(connection.execute(query).scalars())
        found: dict[str, list[Any]] = {}
        for each in rows:
            found.setdefault(each["name"], []).append(each)
        told: list[Status] = []
        for job in jobs:
            told += [_status(job, each, f"job-{job.name}" in held) for each in found.get(job.name, ())]
            if job.name not in found:
                told.append(Status(job.name, job.title, job.alone, job.every))
        return tuple(told)

    def _end(self, job: Job, values: dict[str, Any], wait: float) -> None:
        ended = now()
        runs = tables.jobs.c.runs + 1
        self._note(
            job, {"holder": "", "finished_at": ended, "next_at": ended + int(wait * 1e6), "runs": runs, **values}
        )

    def _note(self, job: Job, values: dict[str, Any]) -> None:
        row = tables.jobs.c
        host = self._host(job)
        with self.state.write(LANE) as connection:
            done = connection.execute(
                sa.update(tables.jobs).where(row.name == job.name, row.host == host).values(**values)
            )
            if not done.rowcount:
                first = {"name": job.name, "host": host, "holder": "", "runs": 0, "failures": 0, "next_at": 0}
                plain = {key: value for key, value in values.items() if not isinstance(value, sa.ColumnElement)}
                connection.execute(sa.insert(tables.jobs).values(**{**first, **plain}))

    def _host(self, job: Job) -> str:
        return "" if job.alone else socket.gethostname()


def _status(job: Job, row: Any, held: bool) -> Status:
    def when(name: str) -> dt.datetime | None:
        return None if row[name] is None else moment(int(row[name]))

    started, finished = when("started_at"), when("finished_at")
    ended = started is not None and finished is not None and finished >= started
    return Status(
        name=job.name,
        title=job.title,
        alone=job.alone,
        every=job.every,
        holder=row["holder"] if row["holder"] and (held or not job.alone) else None,
        started=started,
        finished=finished,
        seconds=(finished - started).total_seconds() if ended and started and finished else None,
        next=moment(int(row["next_at"])) if row["next_at"] and (job.due is None or row["failures"]) else None,
        outcome=json.loads(row["outcome"]) if row["outcome"] else None,
        runs=int(row["runs"]),
        failures=int(row["failures"]),
        failed=when("failed_at"),
        reason=row["reason"],
    )
