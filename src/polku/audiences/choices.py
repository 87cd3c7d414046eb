"""Whom rules put onto a list for ads and take off it, over what the list's segments say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from polku.record import tables

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

IN: Final = "in"
OUT: Final = "out"


def choices(connection: Connection, id: str, now: int) -> dict[int, str]:
    """Whom rules put onto a list or took off it, by customer; of ids that were joined since the latest choice."""
    row, who = tables.audience_choices.c, tables.identities.c
    query = (
        sa.select(who.customer, row.choice)
        .join_from(tables.audience_choices, tables.identities, who.id == row.origin)
        .where(row.audience == id, sa.or_(row.until.is_(None), row.until > now))
        .order_by(row.since)
    )
    return {int(customer): choice for customer, choice in connection.execute(query)}


def choose(connection: Connection, id: str, customer: int, choice: str, rule: str, now: int, until: int | None) -> None:
    """Put a customer onto a list or take them off it, in the caller's transaction; a later choice replaces this one."""
    row = tables.audience_choices
    here = sa.and_(row.c.audience == id, row.c.origin == customer)
    values: dict[str, Any] = {"choice": choice, "rule": rule, "since": now, "until": until}
    if not connection.execute(sa.update(row).where(here).values(**values)).rowcount:
        connection.execute(sa.insert(row).values(audience=id, origin=customer, **values))
