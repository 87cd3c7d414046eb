"""What offers hold of a customer: taken out when they are forgotten, handed out when they ask for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from polku.offers import carts, codes, ledger, referral
from polku.record import tables

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from polku.record.project import Project


def empty(connection: Connection, numbers: Sequence[int]) -> int:
    """Take a customer (the numbers of all their ids) out of offers, in the caller's transaction. Returns how many rows.

    A code that they were given stays given, to nobody: it must not come to another. A friend's referral stays with the
    one who recommended, without the friend and the order.
    """
    gone = 0
    for table, column in (
        (tables.points, tables.points.c.identity),
        (tables.carts, tables.carts.c.identity),
        (tables.offer_orders, tables.offer_orders.c.identity),
        (tables.referrals, tables.referrals.c.referrer),
        (tables.referral_links, tables.referral_links.c.identity),
    ):
        gone += connection.execute(sa.delete(table).where(column.in_(numbers))).rowcount
    row = tables.codes
    given = sa.update(row).where(row.c.identity.in_(numbers)).values(identity=None, message=None)
    used = sa.update(row).where(row.c.used_by.in_(numbers)).values(used_by=None, order_id=None)
    friend = tables.referrals
    left = sa.update(friend).where(friend.c.identity.in_(numbers))
    for change in (given, used, left.values(identity=None, order_id=None, value=None)):
        gone += connection.execute(change).rowcount
    return int(gone)


def held(project: Project, customer: int | None) -> dict[str, Any]:
    """All that offers hold of a customer, as JSON has it."""
    if customer is None:
        return {"codes": [], "referrals": [], "points": [], "carts": {}}
    with project.state.read() as connection:
        entries = ledger.entries_of(connection, customer)
        mine = carts.carts_of(connection, [customer]).get(customer, {})
    told_codes = [one.to_dict() for one in codes.listed(project, customer=customer, limit=100_000)]
    told_referrals = []
    for one in referral.listed(project, customer=customer, limit=100_000):
        said = one.to_dict()
        # the other one is somebody else, of whom nothing is handed out
        role = "recommended" if one.referrer == customer else "came by a recommendation"
        for name in ("referrer", "friend", "decided_by"):
            said.pop(name)
        if one.referrer == customer:
            said |= {"order_id": None, "value": None}
        told_referrals.append({"role": role, **said})
    for code in told_codes:
        if code["used_by"] not in (None, customer):
            code |= {"order_id": None, "used_at": None}
        for name in ("customer", "used_by", "number"):
            code.pop(name)
    return {
        "codes": told_codes, "referrals": told_referrals, "points": [entry.to_dict() for entry in entries],
        "carts": {key: list(lines.values()) for key, lines in mine.items()},
    }  # fmt: skip
