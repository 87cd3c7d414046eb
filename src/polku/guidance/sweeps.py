"""Looks of a rule at all customers, in slices: an hour of the calendar, a day of the traits, who qualifies now.

A look is a row of the state that says up to which customer it has come. A slice's runs and that number are written in
one transaction: whoever is killed in the middle of a letter to everybody goes on behind the last customer who got it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from polku.guidance.rules import Rule
from polku.language import N_
from polku.record import tables

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from polku.record.state import State

Kind = Literal["schedule", "date", "score", "now"]
#: Why a look ended early.
REASONS: Final[Mapping[str, str]] = {
    "turned_off": N_("ended: the rule was turned off"), "changed": N_("ended: the rule was changed"),
    "restored": N_("ended: the project was brought back from a backup"),
    "measure": N_("ended: there is no lead score yet"),
    "extra.missing": N_("ended: a library of statistics is missing"),
}  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Sweep:
    """A look on its way. ``time``: the moment that is meant; ``since``: of ``now``, how far back what set the rule off
    may lie; ``after``: customers up to this key are done. Times: microseconds since 1970 UTC."""

    id: int
    rule: str
    version: str
    kind: Kind
    time: int
    since: int | None
    begun_at: int
    begun_by: str | None
    after: int
    customers: int
    entered: int
    finished_at: int | None
    reason: str | None


def begin(
    state: State, connection: Connection, rule: Rule, kind: Kind, time: int, now: int, since: int | None = None,
    by: str | None = None,
) -> bool:  # fmt: skip
    """Begin a look at all customers; False where there was one of this rule, kind and time, which then stays."""
    insert = sqlite.insert if state.sqlite else postgresql.insert
    values = {
        "id": state.reserve(connection, "sweep", 1), "rule": rule.id, "version": rule.version, "kind": kind,
        "time": time, "since": since, "begun_at": now, "begun_by": by, "after": -1, "customers": 0, "entered": 0,
    }  # fmt: skip
    add = insert(tables.sweeps).values(**values).on_conflict_do_nothing(index_elements=["rule", "kind", "time"])
    return connection.execute(add).rowcount == 1


def open_ones(connection: Connection) -> list[Sweep]:
    """Looks that are not finished, in the order of their moments."""
    table = tables.sweeps.c
    query = sa.select(tables.sweeps).where(table.finished_at.is_(None)).order_by(table.time, table.id)
    return [_of(row) for row in connection.execute(query)]


def of_rule(connection: Connection, rule: str, limit: int = 20) -> list[Sweep]:
    """The looks of a rule, the latest first."""
    table = tables.sweeps.c
    query = sa.select(tables.sweeps).where(table.rule == rule).order_by(table.begun_at.desc(), table.id.desc())
    return [_of(row) for row in connection.execute(query.limit(limit))]


def any_open(connection: Connection) -> bool:
    """Whether a look waits for its next slice."""
    table = tables.sweeps.c
    return connection.execute(sa.select(table.id).where(table.finished_at.is_(None)).limit(1)).first() is not None


def still(connection: Connection, sweep: Sweep) -> bool:
    """Whether a look stands where it stood: nobody else took its next slice."""
    table = tables.sweeps.c
    query = sa.select(table.id).where(
        table.id == sweep.id, table.after == sweep.after, table.customers == sweep.customers,
        table.finished_at.is_(None),
    )  # fmt: skip
    return connection.execute(query).first() is not None


def proceed(
    connection: Connection, sweep: Sweep, after: int, customers: int, entered: int, finished_at: int | None
) -> None:
    """Note a slice: the key of its last customer, how many were asked and how many entered."""
    table = tables.sweeps
    values = {
        "after": after, "customers": sweep.customers + customers, "entered": sweep.entered + entered,
        "finished_at": finished_at,
    }  # fmt: skip
    connection.execute(sa.update(table).where(table.c.id == sweep.id).values(**values))


def stop(connection: Connection, sweep: Sweep, now: int, reason: str) -> None:
    """End a look early: ``turned_off``, ``restored``."""
    table = tables.sweeps
    values = {"finished_at": now, "reason": reason}
    connection.execute(sa.update(table).where(table.c.id == sweep.id).values(**values))


def _of(row: Any) -> Sweep:
    return Sweep(**{field.name: getattr(row, field.name) for field in dataclasses.fields(Sweep)})
