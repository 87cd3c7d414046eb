"""Whether the server can take events now (``/ready``), and its figures for Prometheus (``/metrics``).

``/health`` is the pages' own. These two are answered besides them, so that they answer while a map cannot be read.
"""

from __future__ import annotations

import dataclasses
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from polku.collect.writer import UNWRITABLE
from polku.guidance.lag import lag
from polku.jobs.catalogue import jobs
from polku.jobs.ledger import Ledger
from polku.record.clock import now
from polku.record.inbox import LANE

if TYPE_CHECKING:
    from polku.collect.doors import Doors
    from polku.record.project import Project

#: An event may wait in the inbox for so many times the setting ``inbox.seconds``, and this long at least, in seconds.
LATE_TIMES = 5
LATE_LEAST = 300.0


@dataclasses.dataclass(frozen=True, slots=True)
class Vitals:
    """``lag``: seconds that the oldest event in the inbox has waited; ``waiting``: events in the inbox (None: unknown).
    ``faults``: by what is wrong (``state``, ``history``, ``lag``, ``writer``), in words.
    """

    lag: float | None
    waiting: int | None
    faults: dict[str, str]

    @property
    def ready(self) -> bool:
        return not self.faults


def vitals(doors: Doors) -> Vitals:
    """Look whether state and history can be written, and how far history lies behind. Blocks: not for the loop."""
    project = doors.project
    faults: dict[str, str] = {}
    lag: float | None = None
    waiting: int | None = None
    try:
        with doors.state.write(LANE) as connection:
            doors.state.set_counter(connection, "ready", now())
        oldest = project.inbox.oldest()
        lag = 0.0 if oldest is None else max(0.0, now() / 1e6 - oldest.timestamp())
        waiting = project.inbox.waiting()
    except UNWRITABLE as fault:
        faults["state"] = type(getattr(fault, "orig", None) or fault).__name__
    if (fault_ := history_fault(project)) is not None:
        faults["history"] = fault_
    most = max(LATE_TIMES * project.settings.inbox.seconds, LATE_LEAST)
    if lag is not None and lag > most:
        faults["lag"] = f"events have waited for {lag:.0f} s, over {most:.0f} s"
    if doors.writer.fault is not None and "state" not in faults:
        faults["writer"] = type(doors.writer.fault).__name__
    return Vitals(lag, waiting, faults)


def history_fault(project: Project) -> str | None:
    """Why history cannot be written, as far as can be seen from here: a folder is tried with a file."""
    folder = project.history.place.folder
    if folder is None:
        return None  # an object store: that moves fail shows in the lag
    probe = Path(folder) / f".ready-{os.getpid()}-{uuid.uuid4().hex}"
    try:
        probe.write_bytes(b"\0")
        probe.unlink()
    except OSError as fault:
        return fault.strerror or type(fault).__name__
    return None


def metrics(doors: Doors) -> bytes:
    """All figures in Prometheus' text format: the doors' counters, the queue, the inbox, the jobs. Blocks."""
    found = vitals(doors)
    registry = CollectorRegistry()

    def gauge(name: str, text: str, value: float) -> None:
        Gauge(name, text, registry=registry).set(value)

    gauge("polku_ready", "Whether events can be taken now.", float(found.ready))
    gauge("polku_queue_events", "Events that wait for the writer.", doors.writer.waiting.events)
    gauge("polku_queue_bytes", "Bytes of the requests that wait for the writer.", doors.writer.waiting.bytes)
    gauge("polku_group_seconds", "Seconds that the writer's last transaction took.", doors.writer.seconds)
    if found.lag is not None:
        gauge("polku_lag_seconds", "Seconds that the oldest event has waited in the inbox.", found.lag)
    if found.waiting is not None:
        gauge("polku_inbox_events", "Events in the inbox.", found.waiting)
    text = generate_latest(doors.counters.registry) + generate_latest(registry)
    if "state" in found.faults:
        return text
    return text + generate_latest(_of_jobs(doors.project)) + generate_latest(_of_guidance(doors.project))


def _of_guidance(project: Project) -> CollectorRegistry:
    registry = CollectorRegistry()
    try:
        behind = lag(project.state)
    except sa.exc.SQLAlchemyError:  # between two looks the state went away: the other figures say so
        return registry
    events = Gauge("polku_guidance_events", "Numbers of arrival that guidance has not taken yet.", registry=registry)
    events.set(behind.events)
    late = Gauge("polku_guidance_late_seconds", "Seconds that guidance's oldest timer is late.", registry=registry)
    late.set(behind.seconds)
    return registry


def _of_jobs(project: Project) -> CollectorRegistry:
    registry = CollectorRegistry()
    seconds = Gauge("polku_job_seconds", "Seconds that a job's last run took.", ["job"], registry=registry)
    failures = Gauge("polku_job_failures", "Failures of a job in a row.", ["job"], registry=registry)
    try:
        known = Ledger(project.state).all(jobs(project))
    except sa.exc.SQLAlchemyError:  # between two looks the state went away: the other figures say so
        return registry
    for status in known:
        if status.seconds is not None:
            seconds.labels(status.name).set(status.seconds)
        failures.labels(status.name).set(status.failures)
    return registry
