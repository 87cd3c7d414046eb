"""Runs in the state: what the engine said is kept here, in the transaction of the caller; and versions of rules."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from polku.guidance import outbox
from polku.guidance.engine import WAITING, Change, Note, Run
from polku.guidance.rules import Rule
from polku.guidance.timers import set_timer
from polku.record import tables

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from polku.record.state import State

#: Ids asked for in one statement.
MANY = 5_000


def run_of(row: Any) -> Run:
    """A row of ``runs``."""
    return Run(
        row.rule, row.version, int(row.customer), row.key, int(row.step), int(row.entered_at),
        None if row.due_at is None else int(row.due_at), row.status, json.loads(row.facts), int(row.id),
        None if row.finished_at is None else int(row.finished_at),
    )  # fmt: skip


def waiting_of(connection: Connection, customers: Sequence[int]) -> dict[int, list[Run]]:
    """The runs of these customers that wait, the oldest first."""
    found: dict[int, list[Run]] = {}
    table = tables.runs.c
    for at in range(0, len(customers), MANY):
        mine = table.customer.in_(customers[at : at + MANY])
        query = sa.select(tables.runs).where(mine, table.status == WAITING).order_by(table.id)
        for row in connection.execute(query):
            found.setdefault(int(row.customer), []).append(run_of(row))
    return found


def runs_by_id(connection: Connection, ids: Sequence[int]) -> dict[int, Run]:
    """Runs by their number."""
    found: dict[int, Run] = {}
    for at in range(0, len(ids), MANY):
        query = sa.select(tables.runs).where(tables.runs.c.id.in_(ids[at : at + MANY]))
        found.update((int(row.id), run_of(row)) for row in connection.execute(query))
    return found


def keep(
    state: State, connection: Connection, rule: Rule, customer: int, before: Run | None, change: Change
) -> Run | None:
    """Write what the engine said: the run, its timer, the notes, the messages. Returns the run as it is stored."""
    run = change.run
    if run is not None and run is not before:
        run = _store(state, connection, run)
        if before is None or run.due_at != before.due_at:
            set_timer(state, connection, run.id, run.due_at if run.status == WAITING else None)
    note(state, connection, rule.id, customer, run.id if run is not None else None, change.notes)
    for act in change.acts:
        assert run is not None
        outbox.put(
            connection,
            outbox.Message(
                key=f"{run.id}:{act.step}:{act.variant}",
                rule=rule.id,
                customer=customer,
                channel=act.channel,
                content=act.content,
                made_at=change.notes[-1].known if change.notes else run.entered_at,
                run=run.id,
                step=act.step,
                variant=act.variant or None,
                facts=act.facts,
                owed=rule.owed,
                priority=rule.priority,
                state=act.state,
                reason=act.reason,
            ),
        )
    return run


def end(state: State, connection: Connection, run: Run, why: Note) -> None:
    """Write a run that ended for a reason outside its rule."""
    _store(state, connection, run)
    set_timer(state, connection, run.id, None)
    note(state, connection, run.rule, run.customer, run.id, [why])


def _store(state: State, connection: Connection, run: Run) -> Run:
    values: dict[str, Any] = {
        "step": run.step,
        "entered_at": run.entered_at,
        "due_at": run.due_at,
        "status": run.status,
        "finished_at": run.finished_at,
        "facts": json.dumps(run.facts, ensure_ascii=False, sort_keys=True),
    }
    if run.id:
        connection.execute(sa.update(tables.runs).where(tables.runs.c.id == run.id).values(**values))
        return run
    run = dataclasses.replace(run, id=state.reserve(connection, "run", 1))
    values |= {
        "id": run.id,
        "rule": run.rule,
        "version": run.version,
        "customer": run.customer,
        "origin": run.customer,
        "key": run.key,
    }
    connection.execute(sa.insert(tables.runs).values(**values))
    return run


def note(
    state: State, connection: Connection, rule: str, customer: int, run: int | None, notes: Sequence[Note]
) -> None:
    """Write notes of a run (None: of none, as when a rule did not begin)."""
    if not notes:
        return
    first = state.reserve(connection, "run_note", len(notes))
    rows = [
        {
            "id": first + number,
            "run": run,
            "rule": rule,
            "customer": customer,
            "time": one.time,
            "known": one.known,
            "what": one.what,
            "facts": json.dumps(one.facts, ensure_ascii=False, sort_keys=True),
        }
        for number, one in enumerate(notes)
    ]
    connection.execute(sa.insert(tables.run_notes), rows)


# -- versions of rules ------------------------------------------------------------------------------------------------


def sync_versions(connection: Connection, rules: Iterable[Rule], now: int) -> dict[str, int]:
    """Note which versions are on as of now; since when each of ``rules`` has been (by its id, microseconds).

    A version that comes back after it was off begins anew: what happened meanwhile is none of its business.
    """
    table = tables.rule_versions
    known = {(row.rule, row.version): row for row in connection.execute(sa.select(table))}
    on = {(rule.id, rule.version): rule for rule in rules}
    since: dict[str, int] = {}
    for (id, version), rule in on.items():
        row = known.get((id, version))
        same = sa.and_(table.c.rule == id, table.c.version == version)
        if row is None:
            values = {"rule": id, "version": version, "definition": rule.definition, "since": now}
            connection.execute(sa.insert(table).values(**values))
        elif row.until is not None:
            connection.execute(sa.update(table).where(same).values(since=now, until=None))
        else:
            since[id] = int(row.since)
            continue
        since[id] = now
    for (id, version), row in known.items():
        if row.until is None and (id, version) not in on:
            same = sa.and_(table.c.rule == id, table.c.version == version)
            connection.execute(sa.update(table).where(same).values(until=now))
    return since


def definitions(connection: Connection) -> Mapping[tuple[str, str], str]:
    """Definitions of versions under which some run still waits, by (rule, version)."""
    runs, versions = tables.runs.c, tables.rule_versions.c
    query = (
        sa.select(versions.rule, versions.version, versions.definition)
        .where(
            sa.exists().where(
                runs.rule == versions.rule, runs.version == versions.version, runs.status == WAITING
            )
        )
    )  # fmt: skip
    return {(row.rule, row.version): row.definition for row in connection.execute(query)}


# -- who is who -------------------------------------------------------------------------------------------------------


def follow(connection: Connection, customers: Iterable[int]) -> int:
    """After merges, undos: bring the runs (with notes and messages) of these customers to who they are now.

    A run belongs to whoever its first customer's id is now. Returns how many runs moved.
    """
    keys = sorted(set(customers))
    runs, who = tables.runs, tables.identities.c
    moved = 0
    for at in range(0, len(keys), MANY):
        part = keys[at : at + MANY]
        mine = sa.or_(runs.c.origin.in_(part), runs.c.customer.in_(part))
        query = sa.select(runs.c.id, runs.c.customer, who.customer).join(tables.identities, who.id == runs.c.origin)
        for run, _, now in connection.execute(query.where(mine, who.customer != runs.c.customer)).all():
            connection.execute(sa.update(runs).where(runs.c.id == run).values(customer=now))
            for table in (tables.run_notes, tables.outbox):
                connection.execute(sa.update(table).where(table.c.run == run).values(customer=now))
            moved += 1
        homes = sa.select(who.id, who.customer).where(who.id.in_(part), who.customer != who.id)
        for was, now in connection.execute(homes).all():
            for table in (tables.run_notes, tables.outbox):
                loose = sa.and_(table.c.customer == was, table.c.run.is_(None))
                connection.execute(sa.update(table).where(loose).values(customer=now))
    return moved
