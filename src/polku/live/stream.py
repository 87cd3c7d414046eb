"""The latest events, newest first: who, which touchpoint, which change of stage."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import json
import threading
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from polku.errors import MeasureError
from polku.events.schema import HISTORY
from polku.measures.result import to_dict
from polku.measures.timeline import Change, Step, Timeline, timeline_view
from polku.measures.view import View, view_of
from polku.record.hashes import id_hash
from polku.record.naming import id_of_address, names_of
from polku.trails import open_trails

if TYPE_CHECKING:
    from polku.record.changes import Position
    from polku.record.project import Project

COLUMNS = (
    "seq", "event_id", "received_at", "time", "event", "original_event", "source", "channel", "anonymous_id", "user_id",
    "account_id", "value", "currency", "properties", "context",
)  # fmt: skip
SHAPE = pa.schema([HISTORY.field(name).with_nullable(True) for name in COLUMNS])
#: How many of the latest events are looked at; filters choose among these.
KEPT = 1000
#: Events that were moved to history already are looked for in the days up to this many ago, by when they happened, and
#: in what the moves among this many of the latest commits brought.
DAYS, COMMITS = 2, 30


@dataclasses.dataclass(frozen=True, slots=True)
class Arrived:
    """One event as it came in. ``customer`` is Polku's number; None where the event names nobody."""

    seq: int
    received_at: dt.datetime
    time: dt.datetime
    event: str
    original_event: str | None
    source: str | None
    channel: str | None
    page: str | None
    value: float | None
    currency: str | None
    customer: int | None
    properties: str | None

    def to_dict(self) -> dict[str, Any]:
        found: dict[str, Any] = to_dict(self)
        return found


@dataclasses.dataclass(frozen=True, slots=True)
class Told:
    """An event with what the map makes of it. ``changes``: of stage, that this very event brought about."""

    arrived: Arrived
    name: str | None = None
    touchpoint: str | None = None
    failed: str | None = None
    changes: tuple[Change, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        changes = [
            {"kind": c.kind, "from_stage": c.from_stage, "to_stage": c.to_stage, "by": c.by} for c in self.changes
        ]
        return {
            **self.arrived.to_dict(),
            "name": self.name,
            "touchpoint": self.touchpoint,
            "failed": self.failed,
            "changes": changes,
        }


@dataclasses.dataclass(frozen=True, slots=True)
class Filters:
    """Which events are shown; None: all. ``customer``: any part of what the customer is called, or
    a whole address."""

    source: str | None = None
    event: str | None = None
    customer: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Look:
    """The latest events at one moment: ``rows`` newest first; what there is to filter by, the most frequent first."""

    rows: tuple[Told, ...]
    last_seq: int
    sources: tuple[str, ...]
    events: tuple[str, ...]
    looked_at: int  # how many events the filters chose from


class Stream:
    """The latest events of a project; cheap while nothing arrives. May be asked from several threads."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._lock = threading.Lock()
        self._position: Position | None = None
        self._rows: tuple[Arrived, ...] = ()
        self._older: tuple[tuple[int, int], pa.Table] | None = None  # rows of history by (version, moved)

    def rows(self) -> tuple[Arrived, ...]:
        """The latest events, newest first, at most KEPT."""
        with self._lock:
            position = self.project.position()
            if position != self._position:
                self._rows = self._read()
                self._position = position
            return self._rows

    def _read(self) -> tuple[Arrived, ...]:
        snapshot, tail = self.project.look(COLUMNS)
        parts = [tail]
        if tail.num_rows < KEPT and snapshot.moved:
            mark = (snapshot.version, snapshot.moved)
            if self._older is None or self._older[0] != mark:
                least = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=DAYS)
                latest = (pc.field("seq") > snapshot.moved - KEPT) & (pc.field("seq") <= snapshot.moved)
                commits = self.project.history.commits_since(max(0, snapshot.version - COMMITS)) or ()
                brought = {f.path for c in commits if c.kind == "move" for f in c.added}
                files = [f for f in snapshot.files if f.day >= least or f.path in brought]
                self._older = (mark, self.project.history.read(COLUMNS, files=files, where=latest).read_all())
            parts.append(self._older[1])
        table = pa.concat_tables([part.cast(SHAPE) for part in parts]).sort_by([("seq", "descending")]).slice(0, KEPT)
        return tuple(arrived(table, self._customers(table)))

    def _customers(self, table: pa.Table) -> list[int | None]:
        known = self.project.identities.table()
        if self.project.subject() == "account":
            found = known.resolve(id_hash("account", table["account_id"]))
        else:
            hashes = id_hash("user", table["user_id"])
            found = known.resolve(np.where(hashes != 0, hashes, id_hash("anonymous", table["anonymous_id"])))
        return [int(c) if c >= 0 else None for c in found]

    def look(self, filters: Filters | None = None, limit: int = 50, until: int | None = None) -> Look:
        """At most ``limit`` events that the filters let through; ``until``: only those with a seq up to it."""
        wish = filters or Filters()
        rows = [r for r in self.rows() if until is None or r.seq <= until]
        sources = collections.Counter(r.source for r in rows if r.source)
        events = collections.Counter(r.event for r in rows)
        names = self._names(rows) if wish.customer else {}
        meant = self._whose(wish.customer) if wish.customer else set()
        chosen = []
        for row in rows:
            if (wish.source and row.source != wish.source) or (wish.event and row.event != wish.event):
                continue
            said = names.get(row.customer or 0, "").lower()
            if wish.customer and row.customer not in meant and wish.customer.lower() not in said:
                continue
            chosen.append(row)
            if len(chosen) >= limit:
                break
        return Look(
            rows=tuple(self._told(chosen)),
            last_seq=rows[0].seq if rows else 0,
            sources=tuple(name for name, _ in sources.most_common()),
            events=tuple(name for name, _ in events.most_common()),
            looked_at=len(rows),
        )

    def _names(self, rows: Iterable[Arrived]) -> dict[int, str]:
        keys = {r.customer for r in rows if r.customer is not None}
        return names_of(self.project, sorted(keys), self.project.subject()) if keys else {}

    def _whose(self, text: str) -> set[int]:
        """The customers of a whole e-mail address or phone number."""
        address = id_of_address(self.project, text)
        return {customer for _, customer in self.project.identities.find(address)} if address else set()

    def _told(self, rows: Sequence[Arrived]) -> list[Told]:
        """What the map makes of each event: found in the trails of their customers."""
        names = self._names(rows)
        if not rows or not self.project.map_file.exists():
            return [Told(r, names.get(r.customer or 0)) for r in rows]
        view = view_of(open_trails(self.project), self.project.journey())
        facts: dict[int, dict[tuple[dt.datetime, str], tuple[Step, tuple[Change, ...]]]] = {}
        for customer in names:
            facts[customer] = by_moment(view, customer)
        told = []
        for row in rows:
            step, changes = facts.get(row.customer or 0, {}).get((row.time, row.event), (None, ()))
            told.append(
                Told(
                    row,
                    names.get(row.customer or 0),
                    step.touchpoint if step else None,
                    step.failed if step else None,
                    changes,
                )
            )
        return told


def by_moment(view: View, customer: int) -> dict[tuple[dt.datetime, str], tuple[Step, tuple[Change, ...]]]:
    """A customer's steps by their moment and name, each with the changes of stage that it made; nothing for strangers.

    Events that arrived since the trails were read are not among them: the next look has them.
    """
    try:
        told: Timeline = timeline_view(view, customer)
    except MeasureError:
        return {}
    changes: dict[int, list[Change]] = collections.defaultdict(list)
    for change in told.changes:
        if change.event is not None:
            changes[change.event].append(change)
    found: dict[tuple[dt.datetime, str], tuple[Step, tuple[Change, ...]]] = {}
    for n, step in enumerate(told.events):
        key = (step.time, step.event)
        if key not in found or changes.get(n):  # of equal events the one that did something
            found[key] = (step, tuple(changes.get(n, ())))
    return found


def arrived(table: pa.Table, customers: Sequence[int | None]) -> Iterable[Arrived]:
    """Rows of the record, each event once: what a client sent again stands at its first arrival."""
    rows = table.to_pylist()
    first: dict[tuple[str, dt.datetime], int] = {}
    for row in reversed(rows):
        first.setdefault((row["event_id"], row["time"]), row["seq"])
    for row, customer in zip(rows, customers, strict=True):
        if first[row["event_id"], row["time"]] != row["seq"]:
            continue
        yield Arrived(
            seq=row["seq"],
            received_at=row["received_at"],
            time=row["time"],
            event=row["event"],
            original_event=row["original_event"],
            source=row["source"],
            channel=row["channel"],
            page=path_of(row["context"], row["properties"]),
            value=row["value"],
            currency=row["currency"],
            customer=customer,
            properties=row["properties"],
        )


def path_of(context: str | None, properties: str | None) -> str | None:
    """The page of an event: ``context.page.path``, else ``properties.path``.

    >>> path_of('{"page": {"path": "/kassa"}}', None)
    '/kassa'
    """
    page = _object(context).get("page")
    path = page.get("path") if isinstance(page, dict) else None
    path = path or _object(properties).get("path")
    return path if isinstance(path, str) else None


def _object(text: str | None) -> dict[str, Any]:
    """A JSON column as a dict; what is none (it came so) holds nothing."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
