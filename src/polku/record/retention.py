"""Keeping times: what is older than its kind's time goes, once a day, by a job.

History is partitioned by day, so events go a whole day at a time: one entry in the table's log, and no file is written
anew. Only anonymous events, which lie among others, are taken out of their files.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from deltalake import CommitProperties

from polku.language import N_
from polku.record import joining, tables
from polku.record.clock import moment, now
from polku.record.hashes import _CASES as NOBODY
from polku.record.hashes import COLUMNS, KINDS, id_hash
from polku.record.rewriting import sweep, without

if TYPE_CHECKING:
    from polku.record.idtable import IdTable
    from polku.record.project import Project

DAY = 86_400_000_000
#: Who the audit log says did it.
ACTOR = "polku"
#: So many ids go in one statement, and fit into it on every database.
MOST_AT_ONCE = 5_000


@dataclasses.dataclass(frozen=True, slots=True)
class Kept:
    """One rule: what it is about, for how many days it is kept (0: for ever), since when, how much is older."""

    rule: str
    days: int
    before: int | None
    due: int

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "rule": self.rule,
            "days": self.days,
            "before": None if self.before is None else moment(self.before).isoformat(),
            "due": self.due,
        }


#: What each rule is about, in the order of applying.
RULES: dict[str, str] = {
    "events": N_("Events of customers"),
    "anonymous": N_("Events without a known customer"),
    "refused": N_("Refused events and rows"),
    "beside": N_("Tags, replies and reports of answers and reviews that are gone, and what offers kept of old orders"),
    "visitors": N_("Ids of visitors of whom no event is left"),
    "contacts": N_("Addresses of customers who do nothing any more"),
    "messages": N_("What messages said, tasks that are done, and visitors' turning to the shop's people"),
    "backups": N_("Backups of the state in .polku/backups"),
}


def preview(project: Project) -> tuple[Kept, ...]:
    """What would go if the keeping times were applied now; nothing is changed."""
    return tuple(_each(project, apply=False))


def apply(project: Project) -> tuple[Kept, ...]:
    """Apply the keeping times now. ``due`` of each rule is what went. Raises ProjectBusy."""
    done = tuple(_each(project, apply=True))
    rows = [kept for kept in done if kept.due]
    if rows:
        with project.state.write() as connection:
            connection.execute(
                sa.insert(tables.retention_runs),
                [
                    {"time": now(), "rule": k.rule, "before": k.before or 0, "removed": k.due, "facts": None}
                    for k in rows
                ],
            )
        project.audit.note(ACTOR, "retention.applied", "", {k.rule: k.due for k in rows})
    return done


def runs(project: Project, limit: int = 100) -> tuple[dict[str, Any], ...]:
    """What the keeping times have removed, the newest first."""
    table = tables.retention_runs
    with project.state.read() as connection:
        rows = connection.execute(sa.select(table).order_by(table.c.id.desc()).limit(limit)).all()
    return tuple(
        {"rule": r.rule, "time": moment(r.time), "before": moment(r.before), "removed": int(r.removed)} for r in rows
    )


def _each(project: Project, *, apply: bool) -> Iterator[Kept]:
    settings = project.settings.retention
    least = min((d for d in (settings.events, settings.anonymous) if d), default=0)
    work: dict[str, tuple[int, Callable[[Project, int, bool], int]]] = {
        "events": (settings.events, _events),
        "anonymous": (settings.anonymous, _anonymous),
        "beside": (least, _beside),
        "visitors": (least, _visitors),
        "refused": (settings.refused, _refused),
        "contacts": (settings.contacts, _contacts),
        "messages": (settings.messages, _messages),
        "backups": (settings.backups, _backups),
    }
    for rule, (days, run) in work.items():
        if not days:
            yield Kept(rule, 0, None, 0)
            continue
        before = (now() // DAY - days) * DAY  # midnight in UTC: whole days go
        yield Kept(rule, days, before, run(project, before, apply))


def _events(project: Project, before: int, apply: bool) -> int:
    """Whole days of history: their files are let go in one commit, and deleted."""
    last = moment(before).date()
    due = [file for file in project.history.snapshot().files if file.day < last]
    count = sum(file.rows for file in due)
    if due and apply:
        with project.history.lease("retention") as lease:
            lease.check()
            told = {"polku": json.dumps({"kind": "retention", "rows": count})}
            project.history.table().delete(
                f"day < '{last.isoformat()}'", commit_properties=CommitProperties(custom_metadata=told)
            )
            sweep(project.history, lease)
    return count


def _anonymous(project: Project, before: int, apply: bool) -> int:
    """Events that only an anonymous id, or nobody, names, and whose anonymous id never became a user's."""
    last = moment(before).date()
    files = [file for file in project.history.snapshot().files if file.day < last]
    if not files:
        return 0
    old = pc.field("day") < pa.scalar(last)
    nobody = pc.is_null(pc.field("user_id")) | pc.field("user_id").isin(pa.array(NOBODY, pa.string()))
    free = old & nobody & pc.is_null(pc.field("account_id"))
    known = _known_devices(project)
    if len(known):
        free = free & (pc.is_null(pc.field("anonymous_id")) | pc.invert(pc.field("anonymous_id").isin(known)))
    if not apply:
        return sum(b.num_rows for b in project.history.read(["seq"], files=files, where=free))
    with project.history.lease("retention") as lease:
        done = without(project.history, lease, free, kind="retention")
        if done.version is not None:
            sweep(project.history, lease)
    return done.rows


def _beside(project: Project, before: int, apply: bool) -> int:
    """What people wrote beside answers and reviews whose events are gone; links that were used, and orders that offers
    kept, as old as customers' events may be. What would go with events that are only due is counted when they have
    gone."""
    from polku.offers.orders import let_go
    from polku.surveys.beside import clear

    days = project.settings.retention.events
    old = (now() // DAY - days) * DAY if days else 0  # ``before`` may be that of events without a known customer
    return clear(project, old, apply) + let_go(project, old, apply)


def _visitors(project: Project, before: int, apply: bool) -> int:
    """Customers of whom only anonymous ids are known and no event is left, with all that hangs on their ids.

    A decision about consent stays: it holds for the browser. Looking costs a pass over history's ids, so nothing is
    counted beforehand: they go with the events that are due.
    """
    from polku.record.erasure import empty_ids

    if not apply:
        return 0
    with project.history.lease("retention"):  # nobody commits events between the look and the deletion
        project.identities.catch_up(inbox=True)
        table = project.identities.table()
        seen = _seen(table, project.history.read(list(COLUMNS.values())))
        with project.state.write() as connection:
            if project.state.counter(connection, "identity") != table.changes:
                return 0  # somebody was joined meanwhile: tomorrow's run takes them
            seen |= _seen(table, [project.inbox.arrived(connection=connection)])
            who = tables.identities.c
            query = sa.select(who.customer, who.id).where(
                who.customer.not_in(sa.select(who.customer).where(who.kind != "anonymous")), who.id <= table.last
            )
            gone: dict[int, list[int]] = {}
            for customer, number in connection.execute(query):
                if customer not in seen:
                    gone.setdefault(int(customer), []).append(int(number))
            if gone:
                numbers = [number for theirs in gone.values() for number in theirs]
                for at in range(0, len(numbers), MOST_AT_ONCE):
                    empty_ids(connection, numbers[at : at + MOST_AT_ONCE], {})
                joining.note(project.state, connection, [("erased", customer, None) for customer in sorted(gone)])
    return len(gone)


def _seen(table: IdTable, batches: Iterable[pa.Table | pa.RecordBatch]) -> set[int]:
    """The customers whom any id of these rows names."""
    seen: set[int] = set()
    for batch in batches:
        for kind in KINDS:
            hashes = np.unique(id_hash(kind, batch[COLUMNS[kind]]))
            seen |= set(np.unique(table.resolve(hashes)).tolist())
    return seen


def _known_devices(project: Project) -> pa.Array:
    """Anonymous ids that belong to somebody with another id."""
    who = tables.identities.c
    others = sa.select(who.customer).where(who.kind != "anonymous")
    with project.state.read() as connection:
        query = sa.select(who.value).where(who.kind == "anonymous", who.customer.in_(others))
        return pa.array(connection.execute(query).scalars().all(), pa.string())


def _refused(project: Project, before: int, apply: bool) -> int:
    table = tables.refused_events
    old = table.c.received_at < before
    folder = project.data / "refused"
    files = [p for p in folder.iterdir() if p.is_file() and p.stat().st_mtime * 1e6 < before] if folder.is_dir() else []
    with project.state.write() as connection:
        count = int(connection.execute(sa.select(sa.func.count()).select_from(table).where(old)).scalar_one())
        if apply:
            connection.execute(sa.delete(table).where(old))
            forgotten = sa.update(tables.refusals).where(tables.refusals.c.time < before).values(example=None)
            connection.execute(forgotten)
    if apply:
        for file in files:
            file.unlink(missing_ok=True)
    return count + len(files)


def _messages(project: Project, before: int, apply: bool) -> int:
    from polku.guidance.keeping import let_go

    return let_go(project, before, apply)


def _contacts(project: Project, before: int, apply: bool) -> int:
    """Addresses last seen before, none of whose customer's events is younger."""
    table = tables.contacts
    with project.state.read() as connection:
        query = sa.select(table.c.kind, table.c.hash).where(table.c.last_seen < before)
        old = [(str(kind), str(hashed)) for kind, hashed in connection.execute(query)]
    if not old:
        return 0
    active = _active(project, old, before)
    due = [pair for pair in old if pair not in active]
    if apply and due:
        with project.state.write() as connection:
            for kind, hashed in due:
                same = sa.and_(table.c.kind == kind, table.c.hash == hashed, table.c.last_seen < before)
                connection.execute(sa.delete(table).where(same))
    return len(due)


def _active(project: Project, pairs: list[tuple[str, str]], before: int) -> set[tuple[str, str]]:
    """Those of the addresses whose customer did something since ``before``: one pass over the younger days."""
    customers: dict[int, list[tuple[str, str]]] = {}
    for kind, hashed in pairs:
        for _, customer in project.identities.find(f"{kind}:{hashed}"):
            customers.setdefault(customer, []).append((kind, hashed))
    if not customers:
        return set()
    table = project.identities.table()
    seen: set[int] = set()
    snapshot, tail = project.look([*COLUMNS.values(), "time"])
    first = moment(before).date()
    files = [file for file in snapshot.files if file.day >= first]
    for batch in (*project.history.read([*COLUMNS.values(), "time"], files=files), *tail.to_batches()):
        for kind in KINDS:
            seen |= set(table.resolve(id_hash(kind, batch[COLUMNS[kind]])).tolist())
    return {pair for customer, theirs in customers.items() if customer in seen for pair in theirs}


def _backups(project: Project, before: int, apply: bool) -> int:
    folder: Path = project.data / "backups"
    old = [p for p in folder.glob("state-*.db") if p.stat().st_mtime * 1e6 < before] if folder.is_dir() else []
    if apply:
        for file in old:
            file.unlink(missing_ok=True)
    return len(old)


def job(project: Project) -> dict[str, int | float | str] | None:
    """The daily job: what went, by rule; None when nothing was due."""
    done = {kept.rule: kept.due for kept in apply(project) if kept.due}
    return dict(done) or None
