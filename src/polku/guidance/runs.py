"""Runs in the state: what the engine said is kept here, in the transaction of the caller; and versions of rules."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from polku.guidance.engine import WAITING, Note, Run
from polku.guidance.rules import Rule
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


def runs_by_id(connection: Connection, ids: Sequence[int]) -> dict[int, Run]:
    """Runs by their number."""
    found: dict[int, Run] = {}
    for at in range(0, len(ids), MANY):
        query = sa.select(tables.runs).where(tables.runs.c.id.in_(ids[at : at + MANY]))
        found.update((int(row.id), run_of(row)) for row in connection.execute(query))
    return found


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
