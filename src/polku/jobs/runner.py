"""Runs jobs in a server: a thread for each job, the lease of a job only while it runs.

Whichever server sees first that a job is due takes its lease and does it. When that process dies, a server with the
same folder takes over at once (the file lock is free), one with another folder when the lease has run out
(``record.lease`` seconds).
"""

from __future__ import annotations

import concurrent.futures as cf
import logging
import threading
from typing import TYPE_CHECKING

import sqlalchemy as sa

from polku.errors import PolkuError, ProjectBusy
from polku.jobs.job import Job
from polku.jobs.ledger import Ledger
from polku.memory import KEEPER
from polku.record.clock import now
from polku.record.lease import hold
from polku.record.steps import reached

if TYPE_CHECKING:
    from polku.record.project import Project

log = logging.getLogger("polku.jobs")
#: Seconds until a job that failed is tried again; it doubles with each failure in a row, up to the second number.
AGAIN = (5.0, 600.0)
#: The longest sleep between two looks at what is due: another server may have been asked to run something.
LOOK = 30.0


class Runner:
    """Runs ``jobs`` of a project in threads of its own until it is stopped."""

    def __init__(self, project: Project, jobs: tuple[Job, ...]) -> None:
        self.project, self.jobs = project, jobs
        self.ledger = Ledger(project.state)
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._failures: dict[str, int] = {}

    def start(self) -> None:
        """Begin; a job that is due runs at once."""
        KEEPER.few_heaps()  # before there are many threads
        self._threads = [
            threading.Thread(target=self._keep, args=(job,), name=f"polku-jobs-{job.name}", daemon=True)
            for job in self.jobs
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End after the runs that are going on."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._threads = []

    def run(self, job: Job, at_once: bool = False) -> bool:
        """Do the job, if no other process is at it. Returns whether it was done and went well.

        ``at_once``: also when it is not due, because another process has done it a moment ago.

        A failure is kept with its reason and logged, not raised.
        """
        if not job.alone:
            return self._do(job, at_once)
        try:
            record = self.project.settings.record
            with hold(self.project.state, self.project.history.locks, f"job-{job.name}", job.name, 0, record.lease):
                return self._do(job, at_once)
        except ProjectBusy:
            return False

    def _keep(self, job: Job) -> None:
        wait = 0.0
        while not self._stop.wait(wait):
            wait = min(job.every, LOOK)
            try:
                if self._is_due(job):
                    self.run(job)
            except (PolkuError, OSError, sa.exc.SQLAlchemyError) as fault:
                # The state itself does not answer, so there is nowhere to write it down: another look later.
                log.warning("job %s could not be looked at: %s", job.name, fault)
                wait = AGAIN[0]

    def _is_due(self, job: Job) -> bool:
        if job.due is not None and not self._failures.get(job.name):
            return job.due(self.project)
        # between two runs, or waiting after a failure
        return self.ledger.next_of(job) <= now() and (job.due is None or job.due(self.project))

    def _do(self, job: Job, at_once: bool) -> bool:
        if not at_once and not self._is_due(job):
            return False  # another server did it between our look and our lease
        self.ledger.started(job)
        reached(f"job {job.name} started")
        # A future takes whatever a run raises: a fault in one job ends in its row, and never the server's thread.
        with cf.ThreadPoolExecutor(1, f"polku-run-{job.name}") as pool:
            future = pool.submit(job.run, self.project)
            fault = future.exception()
        KEEPER.give_back()
        if isinstance(fault, ProjectBusy):
            log.info("job %s waits: %s", job.name, fault)
            self.ledger.waits(job, AGAIN[0])
            return False
        if fault is None:
            self._failures.pop(job.name, None)
            self.ledger.finished(job, future.result())
            return True
        failures = self._failures[job.name] = self._failures.get(job.name, 0) + 1
        wait = min(AGAIN[0] * 2 ** (failures - 1), AGAIN[1])
        log.warning("job %s failed: %s", job.name, fault, exc_info=fault)
        self.ledger.failed(job, f"{type(fault).__name__}: {fault}", wait)
        return False
