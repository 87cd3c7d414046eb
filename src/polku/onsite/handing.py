"""Visitors who turn to the shop's people by chat, phone or letter, with a code by which their last steps are found.

Nobody else is told anything: what leaves is the code, and who looks up the code has signed in to Polku.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import secrets
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from polku.errors import UsageError
from polku.language import N_
from polku.onsite.waiting import SHORTEST, Visitor
from polku.record import tables
from polku.record.clock import moment, now

if TYPE_CHECKING:
    from sqlalchemy.engine import RowMapping

    from polku.record.project import Project

#: Letters and digits that nobody mistakes for one another when they are spoken.
SIGNS: Final = "23456789ACDEFHJKLMNPRTUVWXY"
LENGTH: Final = 5
WAYS: Final = ("chat", "phone", "mail")
#: The event that tells of it.
EVENT: Final = "Chat Started"


@dataclasses.dataclass(frozen=True, slots=True)
class Handover:
    """One of them. ``customer``: None where nothing is known of the visitor. ``page``: where they were."""

    number: int
    code: str
    via: str
    page: str
    customer: int | None
    made_at: dt.datetime
    done_at: dt.datetime | None = None
    done_by: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON; times as ISO 8601."""
        told = dataclasses.asdict(self)
        for name in ("made_at", "done_at"):
            told[name] = told[name].isoformat() if told[name] is not None else None
        return told


def hand_over(project: Project, visitor: Visitor, via: str, page: str) -> str:
    """Note that a visitor turns to the shop's people, and give the code. Raises UsageError for another way."""
    if via not in WAYS:
        raise UsageError(N_("There is no way {via!r} to the shop's people; there are {known}."), via=via,
                         known=", ".join(WAYS))  # fmt: skip
    row = tables.identities.c
    with project.state.write("sending") as connection:
        identity = None
        if len(visitor.anonymous_id) >= SHORTEST:
            query = sa.select(row.id).where(row.kind == "anonymous", row.value == visitor.anonymous_id)
            identity = connection.execute(query).scalar()
        code = _free(connection)
        connection.execute(
            sa.insert(tables.handovers).values(code=code, identity=identity, via=via, page=page[:2000], made_at=now())
        )
    return code


def _free(connection: sa.Connection) -> str:
    while True:
        code = "".join(secrets.choice(SIGNS) for _ in range(LENGTH))
        if (
            connection.execute(sa.select(tables.handovers.c.code).where(tables.handovers.c.code == code)).first()
            is None
        ):
            return code


def handovers(project: Project, *, code: str | None = None, done: bool = False, limit: int = 100) -> list[Handover]:
    """Those that nobody has taken care of, or those ``done``, the latest first; or the one of a ``code``."""
    row, who = tables.handovers.c, tables.identities.c
    query = (
        sa.select(tables.handovers, who.customer)
        .select_from(tables.handovers.outerjoin(tables.identities, row.identity == who.id))
        .order_by(row.made_at.desc())
        .limit(limit)
    )
    if code is not None:
        query = query.where(row.code == code.strip().upper())
    else:
        query = query.where(row.done_at.is_not(None) if done else row.done_at.is_(None))
    with project.state.read() as connection:
        return [_read(found._mapping) for found in connection.execute(query)]


def _read(row: RowMapping) -> Handover:
    return Handover(
        row["number"], row["code"], row["via"], row["page"], row["customer"], moment(row["made_at"]),
        None if row["done_at"] is None else moment(row["done_at"]), row["done_by"],
    )  # fmt: skip


def finish(project: Project, code: str, by: str) -> Handover:
    """Note who took care of it. Raises UsageError for an unknown code."""
    found = handovers(project, code=code, limit=1)
    if not found:
        raise UsageError(N_("There is no code {code}."), code=code[:20])
    at = now()
    with project.state.write("sending") as connection:
        change = sa.update(tables.handovers).where(tables.handovers.c.code == found[0].code)
        connection.execute(change.values(done_at=at, done_by=by))
    return dataclasses.replace(found[0], done_at=moment(at), done_by=by)
