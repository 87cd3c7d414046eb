"""Points that people give and take, and points for what was before the programme: both only when somebody says so."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import pyarrow.compute as pc
import sqlalchemy as sa

from polku.errors import UsageError
from polku.guidance.arrivals import event_of
from polku.journey.offers import Loyalty
from polku.language import N_
from polku.offers import ledger, loyalty, orders
from polku.offers.earning import Earner
from polku.offers.ledger import Lot
from polku.offers.loyalty import Standing
from polku.offers.telling import Told
from polku.offers.whose import LANE, customers_of, ids_of_rows
from polku.record import tables
from polku.record.clock import moment, now

if TYPE_CHECKING:
    from polku.record.project import Project

MICRO: Final = 1_000_000
#: Events of one transaction, and signs of a reason.
BATCH: Final = 1_000
LONGEST: Final = 500
Progress = Callable[[float, float | None, str], None]


@dataclasses.dataclass(frozen=True, slots=True)
class Member:
    """A customer of the programme, for lists."""

    customer: int
    balance: int
    level: str | None
    counted: int
    last: int


@dataclasses.dataclass(frozen=True, slots=True)
class Filled:
    """What a backfill gave, or would give: ``events`` looked at, entries made, customers and points."""

    events: int
    entries: int
    customers: int
    points: int


def programme_of(project: Project) -> Loyalty:
    """The map's loyalty programme. Raises UsageError where it has none."""
    found = project.journey().offers.loyalty
    if found is None:
        raise UsageError(N_("The map has no loyalty programme. Write one under offers.loyalty."))
    return found


def change(
    project: Project, customer: int, points: int, reason: str, author: str, *, key: str = "", address: str = ""
) -> Standing:
    """Give points by hand (or take them, ``points`` below 0), with a reason. ``key``: a second time with the same one
    does nothing, as when a form is sent twice. Raises UsageError, PointsShort."""
    programme = programme_of(project)
    reason = reason.strip()
    if not points or abs(points) > ledger.MOST:
        raise UsageError(N_("{points} points can neither be given nor taken."), points=points)
    if not reason or len(reason) > LONGEST:
        raise UsageError(N_("Say why, in 1 to {most} signs: every entry of the ledger has its reason."), most=LONGEST)
    at, mark = now(), f"hand:{key or secrets.token_hex(8)}"
    told = Told()
    with project.state.write(LANE) as connection:
        row = tables.identities.c
        if connection.execute(sa.select(row.id).where(row.customer == customer)).first() is None:
            raise UsageError(N_("There is no customer {customer}."), customer=f"#{customer}")
        earner = Earner(project, connection, project.journey(), programme, told, at)

        def move() -> int:
            if points < 0:
                return ledger.take(
                    project.state, connection, customer, -points, "by_hand", reason, mark, at, at, author=author
                )  # fmt: skip
            expires = at + programme.expires_after * MICRO if programme.expires_after is not None else None
            lot = Lot(customer, points, "by_hand", reason, mark, at, expires_at=expires, author=author)
            return int(ledger.give(project.state, connection, lot, at))

        if earner.with_level(customer, move):
            facts = {"points": points, "customer": customer}
            project.audit.note(author, "points.by-hand", f"#{customer}", facts, address=address, connection=connection)
        standing = loyalty.standing(programme, ledger.entries_of(connection, customer), at)
        told.put(project, connection, at)
    return standing


def spend(
    project: Project, customer: int, points: int, reason: str, key: str, author: str, *, order_id: str | None = None,
    address: str = "",
) -> tuple[Standing, bool]:  # fmt: skip
    """Spend points, as a shop's checkout does; how the customer stands, and whether they were spent now: a second time
    with the same ``key`` spends nothing. Raises UsageError, PointsShort (then nothing is spent)."""
    programme = programme_of(project)
    reason, key = reason.strip(), key.strip()
    if not 1 <= points <= ledger.MOST:
        raise UsageError(N_("{points} points can neither be given nor taken."), points=points)
    if not reason or len(reason) > LONGEST:
        raise UsageError(N_("Say why, in 1 to {most} signs: every entry of the ledger has its reason."), most=LONGEST)
    if not key:
        raise UsageError(N_("Give a key of your own, such as the order's number: the same key spends once."))
    at, told = now(), Told()
    with project.state.write(LANE) as connection:
        earner = Earner(project, connection, project.journey(), programme, told, at)
        spent = earner.with_level(
            customer,
            lambda: ledger.take(
                project.state, connection, customer, points, "redeemed", reason, f"spend:{key}", at, at,
                order_id=order_id, author=author,
            ),
        )  # fmt: skip
        if spent:
            facts = {"points": points, "customer": customer}
            project.audit.note(author, "points.spent", f"#{customer}", facts, address=address, connection=connection)
        standing = loyalty.standing(programme, ledger.entries_of(connection, customer), at)
        told.put(project, connection, at)
    return standing, bool(spent)


def standing_of(project: Project, customer: int) -> tuple[Standing, list[ledger.Entry]]:
    """How a customer stands, and their ledger. Raises UsageError where the map has no programme."""
    programme = programme_of(project)
    with project.state.read() as connection:
        entries = ledger.entries_of(connection, customer)
    return loyalty.standing(programme, entries, now()), entries


def members(project: Project, limit: int = 100, level: str | None = None) -> list[Member]:
    """Customers of the programme, those with the most points first; of a ``level`` those with the most counted."""
    programme = programme_of(project)
    row, who, at = tables.points.c, tables.identities.c, now()
    good = sa.or_(row.expires_at.is_(None), row.expires_at > at)
    balance = sa.func.sum(sa.case((good, row.left), else_=0))
    query = (
        sa.select(who.customer, balance, sa.func.max(row.time))
        .join(tables.identities, who.id == row.identity)
        .group_by(who.customer)
        .order_by(balance.desc(), who.customer)
    )
    if level is None:
        query = query.limit(limit)
    with project.state.read() as connection:
        found = connection.execute(query).all()
        entries = ledger.entries_of_many(connection, [customer for customer, _, _ in found])
    told = []
    for customer, left, last in found:
        standing = loyalty.standing(programme, entries[int(customer)], at)
        if level is None or standing.level == level:
            told.append(Member(int(customer), int(left), standing.level, standing.counted, int(last)))
    return told[:limit]


def totals(project: Project) -> dict[str, int]:
    """The programme in numbers: ``customers``, points ``earned``, ``spent``, ``expired``, ``taken_back``, ``left``."""
    row, who, at = tables.points.c, tables.identities.c, now()
    good = sa.or_(row.expires_at.is_(None), row.expires_at > at)
    with project.state.read() as connection:
        by_kind: dict[str, int] = {}
        for kind, up, points in connection.execute(
            sa.select(row.kind, row.points > 0, sa.func.sum(row.points)).group_by(row.kind, row.points > 0)
        ):
            name = "earned" if up else "spent" if kind in ("redeemed", "by_hand") else str(kind)
            by_kind[name] = by_kind.get(name, 0) + abs(int(points))
        left = connection.execute(sa.select(sa.func.sum(sa.case((good, row.left), else_=0)))).scalar()
        people = sa.select(sa.func.count(sa.distinct(who.customer))).join(tables.points, row.identity == who.id)
        customers = connection.execute(people).scalar_one()
    names = ("earned", "spent", "expired", "taken_back")
    return {"customers": int(customers), **{name: by_kind.get(name, 0) for name in names}, "left": int(left or 0)}


def backfill(
    project: Project, since: int, author: str, *, dry: bool = False, progress: Progress | None = None
) -> Filled:
    """Give points for what is recorded since a moment (microseconds), imports too.

    Each order and event counts once, whether it was given points before, live, or never; nothing is told by events.
    ``dry``: only count. Raises UsageError without a programme.
    """
    programme = programme_of(project)
    names = {*(name for earning in programme.earn for name in earning.event), *programme.take_back, *orders.EVENTS}
    listed = ", ".join("'" + name.replace("'", "''") + "'" for name in sorted(names))
    query = (
        "select event_id, seq, time, event, source, channel, anonymous_id, user_id, account_id, value, currency,"
        f" consent, properties, context from events where time >= timestamptz '{moment(since).isoformat()}'"
        f" and event in ({listed}) order by time, seq"
    )
    rows = project.sql(query)
    with project.state.read() as connection:
        identities = ids_of_rows(connection, rows, project.journey().subject)
        customers = customers_of(connection, [number for number in identities if number is not None])
    told: dict[int, list[tuple[int, dict[str, Any]]]] = {}
    times = pc.cast(rows["time"], "int64").to_pylist()
    for identity, time, one in zip(identities, times, rows.to_pylist(), strict=True):
        if identity is not None and identity in customers:
            told.setdefault(customers[identity], []).append((identity, {**one, "micros": time}))
    done = Filled(rows.num_rows, 0, 0, 0)
    part: list[tuple[int, dict[str, Any]]] = []
    for number, customer in enumerate(told, 1):
        part += told[customer]  # a customer's events stay together, so that what went back is known
        if len(part) >= BATCH or number == len(told):
            try:
                done = _fill(project, programme, part, done, dry)
            except _Tried as tried:
                done = tried.done
            part = []
            if progress is not None:
                progress(number, len(told), N_("Giving points"))
    if not dry:
        project.audit.note(author, "points.by-hand", "backfill", {"entries": done.entries, "points": done.points})
    return done


class _Tried(BaseException):
    """Ends a transaction that was only a trial; never leaves this module."""

    def __init__(self, done: Filled) -> None:
        self.done = done


def _fill(
    project: Project, programme: Loyalty, part: list[tuple[int, dict[str, Any]]], done: Filled, dry: bool
) -> Filled:
    at = now()
    row = tables.points.c
    undoing = {*programme.take_back, *orders.UNDONE}
    back: dict[str, float] = {}
    with project.state.write(LANE) as connection:
        before = project.state.counter(connection, "point")
        earner = Earner(project, connection, project.journey(), programme, Told(), at, redeems=False)
        for identity, one in part:
            event = event_of(one)
            order = orders.read(one, event, one["micros"])
            trusted = loyalty.trusts(programme.where, event)
            if one["event"] in orders.COMPLETED and trusted:
                orders.note(connection, order, identity)
            earner.take(identity, one["event"], one["event_id"], event, order)
            if one["event"] in undoing and trusted:
                whole = one["event"] not in orders.REFUNDED or order.value is None
                back[order.order_id] = back.get(order.order_id, 0.0) + (0.0 if whole else order.value or 0.0)
                standing = orders.undone_by(connection, order, back[order.order_id], whole)
                earner.take_back(standing, one["event_id"])
        made = sa.select(sa.func.count(), sa.func.sum(row.points), sa.func.count(sa.distinct(row.identity)))
        count, points, people = connection.execute(made.where(row.number > before)).one()
        done = Filled(done.events, done.entries + count, done.customers + people, done.points + int(points or 0))
        if dry:
            raise _Tried(done)
    return done
