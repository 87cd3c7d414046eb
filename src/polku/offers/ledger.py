"""The ledger of points: every entry with its reason, never below 0, each thing entered once.

Points that come in are a *lot*, with what is ``left`` of it. What goes out is taken from lots, the one that expires
first before the others, and each part is an entry of the id whose lot it came from. So the entries of an id add up to
what is left of its lots, and no join of customers, and no undo of one, brings anybody below 0. The database holds it
besides (``points_left``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import sqlalchemy as sa

from polku.errors import OfferError
from polku.language import N_
from polku.offers.whose import MANY
from polku.record import tables
from polku.record.clock import moment

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from polku.record.state import State

Kind = Literal["earned", "referral", "by_hand", "taken_back", "redeemed", "expired"]
KIND_WORDS: Final[Mapping[str, str]] = {
    "earned": N_("earned"), "referral": N_("for recommending"), "by_hand": N_("by hand"),
    "taken_back": N_("taken back"), "redeemed": N_("spent"), "expired": N_("expired"),
}  # fmt: skip
#: So many points a customer may have at most: more is a slip.
MOST: Final = 1_000_000_000
#: The counter of the state that tells up to when everything that expired has been entered.
EXPIRED: Final = "points_expired"
DAY: Final = 86_400_000_000
#: Lots that are let expire in one transaction.
LOTS: Final = 1_000


class PointsShort(OfferError):
    """There are fewer points than are to be taken. Facts: ``asked``, ``there``."""

    code = "offer.points"


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One entry. Times: microseconds since 1970 UTC; ``time``: when what it is for happened. ``left``: of a lot, what
    can still be spent. ``out_of``: the number of the lot that points were taken from."""

    number: int
    identity: int
    points: int
    left: int
    kind: str
    reason: str
    out_of: int | None
    mark: str
    order_id: str | None
    time: int
    made_at: int
    expires_at: int | None
    author: str | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON; times as ISO 8601."""
        told = {name: getattr(self, name) for name in ("number", "points", "kind", "reason", "order_id", "author")}
        for name in ("time", "made_at", "expires_at"):
            value = getattr(self, name)
            told[name] = None if value is None else moment(value).isoformat()
        return told


@dataclasses.dataclass(frozen=True, slots=True)
class Lot:
    """Points that come in. ``mark``: what they are for; a second lot of the same mark is none."""

    identity: int
    points: int
    kind: Kind
    reason: str
    mark: str
    time: int
    order_id: str | None = None
    expires_at: int | None = None
    author: str | None = None


def give(state: State, connection: Connection, lot: Lot, at: int) -> bool:
    """Enter a lot, in the caller's transaction (of the lane ``offers``). False where its mark is there already."""
    if not 0 < lot.points <= MOST:
        raise ValueError(f"a lot of {lot.points} points")
    row = tables.points
    if connection.execute(sa.select(row.c.number).where(row.c.mark == lot.mark)).first() is not None:
        return False
    _insert(state, connection, [{**dataclasses.asdict(lot), "left": lot.points, "out_of": None, "made_at": at}])
    return True


def take(
    state: State, connection: Connection, customer: int, count: int, kind: Kind, reason: str, mark: str, time: int,
    at: int, *, first: int | None = None, order_id: str | None = None, author: str | None = None, short: bool = False,
) -> int:  # fmt: skip
    """Take ``count`` points of a customer, in the caller's transaction. Returns how many were taken.

    ``first``: the lot that they are taken from first. ``short``: take what there is where that is less; else
    PointsShort is raised and nothing is taken. 0 where the ``mark`` is there already.
    """
    row = tables.points
    if connection.execute(sa.select(row.c.number).where(row.c.mark == f"{mark}:0")).first() is not None:
        return 0
    lots = _lots(connection, customer, at)
    there = sum(lot.left for lot in lots)
    if there < count and not short:
        raise PointsShort(
            N_("The customer has {there} points, and {asked} were to be taken."), there=there, asked=count
        )
    lots.sort(key=lambda lot: lot.number != first)
    entries: list[dict[str, Any]] = []
    wanted = min(count, there)
    for lot in lots:
        part = min(wanted, lot.left)
        if not part:
            continue
        fewer = sa.update(row).where(row.c.number == lot.number, row.c.left >= part).values(left=row.c.left - part)
        if connection.execute(fewer).rowcount != 1:
            raise OfferError(N_("The points were changed by another process at the same time. Try again."))
        entries.append(
            {
                "identity": lot.identity, "points": -part, "left": 0, "kind": kind, "reason": reason,
                "out_of": lot.number, "mark": f"{mark}:{len(entries)}", "order_id": order_id, "time": time,
                "made_at": at, "expires_at": None, "author": author,
            }
        )  # fmt: skip
        wanted -= part
    _insert(state, connection, entries)
    return min(count, there)


def expire(state: State, connection: Connection, at: int, limit: int = LOTS) -> list[Entry]:
    """Enter what has expired by now, of at most ``limit`` lots. Returns those lots, as they were.

    Lots that expired long ago are not looked at again; none is entered that has expired already.
    """
    row = tables.points
    since = state.counter(connection, EXPIRED) - DAY  # a clock may be set back a little
    over = sa.and_(row.c.expires_at <= at, row.c.expires_at > since, row.c.left > 0)
    lots = [Entry(**one._mapping) for one in connection.execute(sa.select(row).where(over).limit(limit))]
    entries = [
        {
            "identity": lot.identity, "points": -lot.left, "left": 0, "kind": "expired", "reason": lot.reason,
            "out_of": lot.number, "mark": f"expired:{lot.number}", "order_id": lot.order_id, "time": lot.expires_at,
            "made_at": at, "expires_at": None, "author": None,
        }
        for lot in lots
    ]  # fmt: skip
    for lot in lots:
        connection.execute(sa.update(row).where(row.c.number == lot.number).values(left=0))
    _insert(state, connection, entries)
    if len(lots) < limit:
        state.set_counter(connection, EXPIRED, at)
    return lots


def _insert(state: State, connection: Connection, entries: Sequence[dict[str, Any]]) -> None:
    if not entries:
        return
    first = state.reserve(connection, "point", len(entries))
    rows = [{"number": first + i, **entry} for i, entry in enumerate(entries)]
    connection.execute(sa.insert(tables.points), rows)


def _lots(connection: Connection, customer: int, at: int) -> list[Entry]:
    """Lots of which something can be spent, the one that expires first at the front."""
    row = tables.points
    good = sa.or_(row.c.expires_at.is_(None), row.c.expires_at > at)
    query = (
        sa.select(row)
        .join(tables.identities, tables.identities.c.id == row.c.identity)
        .where(tables.identities.c.customer == customer, row.c.left > 0, good)
        .order_by(row.c.expires_at.is_(None), row.c.expires_at, row.c.number)
    )
    return [Entry(**one._mapping) for one in connection.execute(query)]


def entries_of(connection: Connection, customer: int) -> list[Entry]:
    """Every entry of a customer, in the order of being made."""
    row, who = tables.points, tables.identities.c
    query = (
        sa.select(row).join(tables.identities, who.id == row.c.identity)
        .where(who.customer == customer).order_by(row.c.number)
    )  # fmt: skip
    return [Entry(*one) for one in connection.execute(query)]


def entries_of_many(connection: Connection, customers: Iterable[int]) -> dict[int, list[Entry]]:
    """:func:`entries_of` for several customers at once."""
    keys = sorted(set(customers))
    row, who = tables.points, tables.identities.c
    found: dict[int, list[Entry]] = {key: [] for key in keys}
    for at in range(0, len(keys), MANY):
        query = (
            sa.select(row, who.customer)
            .join(tables.identities, who.id == row.c.identity)
            .where(who.customer.in_(keys[at : at + MANY]))
            .order_by(row.c.number)
        )
        for one in connection.execute(query):
            told = dict(one._mapping)
            found[int(told.pop("customer"))].append(Entry(**told))
    return found


def balance(entries: Iterable[Entry], at: int) -> int:
    """What can be spent at a moment, by the entries of one customer."""
    return sum(e.left for e in entries if e.expires_at is None or e.expires_at > at)
