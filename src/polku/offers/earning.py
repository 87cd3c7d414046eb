"""Points moved by events and by time: earned, spent, taken back, expired; levels told as they are reached and lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from polku.journey.offers import Earning, Loyalty
from polku.language import said
from polku.offers import ledger, loyalty
from polku.offers.ledger import Lot
from polku.offers.orders import Order, Standing, of
from polku.offers.whose import customers_of
from polku.record import tables
from polku.record.clock import moment

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from polku.journey.model import Journey
    from polku.offers.telling import Told
    from polku.record.project import Project

MICRO: Final = 1_000_000
#: Customers whose points expire soon, or whose level ends, that one tick tells of.
MANY: Final = 1_000


class Earner:
    """Moves points in one transaction. ``told``: where events go. ``redeems``: whether what spends points does so; what
    was spent before the programme was not spent of it."""

    def __init__(
        self, project: Project, connection: Connection, journey: Journey, programme: Loyalty, told: Told, at: int,
        *, redeems: bool = True,
    ) -> None:  # fmt: skip
        self.state, self.connection, self.journey = project.state, connection, journey
        self._customers: dict[int, int] = {}
        self.language = project.language  # of what stands in the ledger
        self.programme, self.told, self.at, self.redeems = programme, told, at, redeems

    def _customer(self, identity: int) -> int | None:
        """The customer of an id; asked once in a transaction."""
        if identity not in self._customers:
            self._customers |= customers_of(self.connection, [identity])
        return self._customers.get(identity)

    def take(self, identity: int, name: str, event_id: str, event: Mapping[str, Any], order: Order) -> int:
        """What an event earns or spends. Returns how many lots and takings were entered."""
        if not loyalty.meets(self.programme.where, event):
            return 0
        moved = 0
        for earning in self.programme.earn:
            if name in earning.event and loyalty.meets(earning.where, event):
                moved += self._earn(earning, identity, name, event_id, event, order)
        if self.redeems and name in self.programme.redeem:
            moved += self._redeem(identity, event_id, event, order)
        return moved

    def _earn(
        self, earning: Earning, identity: int, name: str, event_id: str, event: Mapping[str, Any], order: Order
    ) -> int:
        customer = self._customer(identity)
        if customer is None:
            return 0
        entries = ledger.entries_of(self.connection, customer)
        factor = loyalty.factor_at(self.programme, entries, self.at)
        value = loyalty.value_of(earning, event)
        if earning.per is not None and order.currency not in (None, self.journey.currency):
            return 0  # points are for the map's own money
        points = loyalty.points_of(earning, value, factor)
        standing = of(self.connection, order.order_id)
        if standing is not None and standing.undone and value is not None:  # it went back before it was told
            points = loyalty.kept_of(points, value, value if standing.cancelled else Decimal(str(standing.refunded)))
        tag = loyalty.tag_of(earning)
        if points < 1 or self._often(earning, tag, entries, order.time):
            return 0
        expires = None
        if self.programme.expires_after is not None:
            expires = order.time + self.programme.expires_after * MICRO
            if expires <= self.at:
                return 0
        about = order.order_id if "order_id" in event["properties"] else event_id
        lot = Lot(
            identity, points, "earned", said(earning.title, self.language) or name, f"earn:{tag}:{about}",
            order.time, order_id=order.order_id, expires_at=expires,
        )  # fmt: skip
        return self.with_level(customer, partial(self._given, lot), entries)

    def _given(self, lot: Lot) -> int:
        return int(ledger.give(self.state, self.connection, lot, self.at))

    @staticmethod
    def _often(earning: Earning, tag: str, entries: list[ledger.Entry], time: int) -> bool:
        """Whether the customer has earned so as often as the map allows, at a moment."""
        if earning.times is None:
            return False
        mine = [e for e in entries if e.mark.startswith(f"earn:{tag}:") and e.points > 0]
        if earning.every is not None:
            mine = [e for e in mine if abs(time - e.time) < earning.every * MICRO]
        return len(mine) >= earning.times

    def _redeem(self, identity: int, event_id: str, event: Mapping[str, Any], order: Order) -> int:
        asked = loyalty.decimal(event["properties"].get("points"))
        customer = self._customer(identity)
        if customer is None or asked is None or not 1 <= asked <= ledger.MOST:
            return 0
        reason = str(event["properties"].get("reason") or event.get("event") or "")[:500]
        try:
            return ledger.take(
                self.state, self.connection, customer, int(asked), "redeemed", reason, f"redeem:{event_id}", order.time,
                self.at, order_id=order.order_id,
            )  # fmt: skip
        except ledger.PointsShort as short:
            properties = {"points": int(asked), "balance": short.facts["there"], "order_id": order.order_id}
            self.told.add(
                self.connection, customer, "Points Refused", f"redeem:{event_id}", properties, self.at
            )  # fmt: skip
            return 0

    def take_back(self, standing: Standing, event_id: str) -> int:
        """An order was cancelled, or part of it went back: its points go with it, as far as there are any left."""
        row = tables.points
        lots = self.connection.execute(
            sa.select(row).where(row.c.order_id == standing.order_id, row.c.points > 0, row.c.kind == "earned")
        ).all()
        taken = 0
        for lot in lots:
            value = Decimal(str(standing.value)) if standing.value is not None else Decimal(0)
            refunded = value if standing.cancelled else Decimal(str(standing.refunded))
            keeps = loyalty.kept_of(lot.points, value, refunded)
            mark = f"back:{lot.number}:"
            before = self.connection.execute(
                sa.select(sa.func.sum(row.c.points)).where(row.c.mark.startswith(mark, autoescape=True))
            ).scalar()
            count = lot.points - keeps + int(before or 0)
            customer = self._customer(lot.identity)
            if count < 1 or customer is None:
                continue
            taken += self.with_level(customer, self._back(lot, customer, count, f"{mark}{event_id}", standing.order_id))
        return taken

    def _back(self, lot: Any, customer: int, count: int, mark: str, order_id: str) -> Callable[[], int]:
        def taking() -> int:
            return ledger.take(
                self.state, self.connection, customer, count, "taken_back", lot.reason, mark, self.at, self.at,
                first=lot.number, order_id=order_id, short=True,
            )  # fmt: skip

        return taking

    def reward(self, identity: int, points: int, number: int) -> int:
        """The reward of a referral, in points."""
        customer = self._customer(identity) or identity
        expires = self.at + self.programme.expires_after * MICRO if self.programme.expires_after is not None else None
        lot = Lot(identity, points, "referral", f"#{number}", f"referral:{number}", self.at, expires_at=expires)
        return self.with_level(customer, partial(self._given, lot))

    # -- levels and time -----------------------------------------------------------------------------------------------

    def with_level(self, customer: int, move: Callable[[], int], entries: list[ledger.Entry] | None = None) -> int:
        """Do something to a customer's ledger (``entries``: as it is before), and tell the level that it brought."""
        if not self.programme.levels:
            return move()
        if entries is None:
            entries = ledger.entries_of(self.connection, customer)
        before = loyalty.standing(self.programme, entries, self.at).level
        moved = move()
        if moved:
            self._tell_level(customer, before, self._level(customer))
        return moved

    def _level(self, customer: int, at: int | None = None) -> str | None:
        entries = ledger.entries_of(self.connection, customer)
        return loyalty.standing(self.programme, entries, self.at if at is None else at).level

    def _tell_level(self, customer: int, before: str | None, after: str | None) -> None:
        if before == after:
            return
        up = loyalty.rank(self.programme, after) > loyalty.rank(self.programme, before)
        name = "Loyalty Level Reached" if up else "Loyalty Level Lost"
        told = {"level": after, "before": before}
        key = f"level:{customer}:{self.at}:{after}"
        properties = {name: value for name, value in told.items() if value is not None}
        self.told.add(self.connection, customer, name, key, properties, self.at)

    def time_passes(self, passed: int) -> int:
        """Points that expire, points that will, and levels that ended since ``passed`` (microseconds)."""
        lots = ledger.expire(self.state, self.connection, self.at)
        self._warn(passed)
        if self.programme.levels:
            window = self.programme.counted * MICRO
            row = tables.points.c
            left = sa.select(row.identity).where(
                row.points > 0, row.time + window > passed, row.time + window <= self.at
            )
            numbers = [int(n) for n in self.connection.execute(left.distinct()).scalars()]
            for customer in sorted(set(customers_of(self.connection, numbers).values())):
                self._tell_level(customer, self._level(customer, passed), self._level(customer))
        return len(lots)

    def _warn(self, passed: int) -> None:
        """Word of points that expire: once for each moment of expiry, the warning's time before it."""
        ahead = self.programme.warn * MICRO
        row, who = tables.points.c, tables.identities.c
        query = (
            sa.select(who.customer, row.expires_at, sa.func.sum(row.left))
            .join(tables.identities, who.id == row.identity)
            .where(row.left > 0, row.expires_at > max(passed + ahead, self.at), row.expires_at <= self.at + ahead)
            .group_by(who.customer, row.expires_at)
            .order_by(row.expires_at)
        )
        for customer, expires, points in self.connection.execute(query).all():
            properties = {"points": int(points), "expires_at": moment(expires).isoformat()}
            key = f"expiring:{customer}:{expires}"
            self.told.add(self.connection, int(customer), "Points Expiring", key, properties, self.at)
