"""Orders as offers stand on them: what an order was worth, and what of it went back, in whatever order it is told."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from polku.guidance.arrivals import object_of
from polku.offers.loyalty import decimal
from polku.offers.whose import LANE
from polku.record import tables

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from polku.record.project import Project

COMPLETED: Final = ("Order Completed",)
CANCELLED: Final = ("Order Cancelled",)
REFUNDED: Final = ("Order Refunded",)
UNDONE: Final = (*CANCELLED, *REFUNDED)
EVENTS: Final = (*COMPLETED, *UNDONE)
#: Properties under which an order's worth, or what went back, is told, where the event itself has no value.
AMOUNTS: Final = ("revenue", "total", "value", "amount", "subtotal")
LONGEST: Final = 300


@dataclasses.dataclass(frozen=True, slots=True)
class Order:
    """What an event says of an order. ``value``: its worth, or what went back; ``time``: microseconds."""

    order_id: str
    time: int
    value: float | None
    currency: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class Standing:
    """How an order stands. ``value``: None where it was not told yet."""

    order_id: str
    value: float | None
    refunded: float
    cancelled: bool

    @property
    def undone(self) -> bool:
        """Whether any of it went back."""
        return self.cancelled or self.refunded > 0

    @property
    def left(self) -> float:
        """What stands of its value."""
        return 0.0 if self.cancelled else max(0.0, (self.value or 0.0) - self.refunded)


def properties_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The properties of a row of history."""
    return object_of(row["properties"])


def key_of(event_id: str, properties: Mapping[str, Any]) -> str:
    """The order's id; of an order without one the event's."""
    value = properties.get("order_id")
    if isinstance(value, (str, int)) and not isinstance(value, bool) and str(value).strip():
        return str(value).strip()[:LONGEST]
    return f"event:{event_id}"[:LONGEST]


def read(row: Mapping[str, Any], event: Mapping[str, Any], time: int) -> Order:
    """What an event says of an order; events that are about none have one of their own."""
    properties = event["properties"]
    amounts = (decimal(value) for value in (event.get("value"), *(properties.get(name) for name in AMOUNTS)))
    value = next((amount for amount in amounts if amount is not None), None)
    currency = event.get("currency") or properties.get("currency")
    return Order(
        key_of(row["event_id"], properties), time, None if value is None else abs(float(value)),
        currency.upper()[:3] if isinstance(currency, str) else None,
    )  # fmt: skip


def note(connection: Connection, order: Order, identity: int) -> None:
    """Keep an order, in the caller's transaction; told twice (by browser and shop) it is kept once."""
    row = tables.offer_orders
    mine = row.c.order_id == order.order_id
    found = connection.execute(sa.select(row.c.value).where(mine)).first()
    if found is None:
        values = {"order_id": order.order_id, "identity": identity, "time": order.time, "value": order.value,
                  "currency": order.currency, "refunded": 0.0}  # fmt: skip
        connection.execute(sa.insert(row).values(**values))
    elif found.value is None:
        values = {"value": order.value, "currency": order.currency, "identity": identity, "time": order.time}
        connection.execute(sa.update(row).where(mine).values(**values))


def undo(connection: Connection, order: Order, name: str) -> Standing:
    """Take in that an order was cancelled, or that money of it went back (all of it where no amount is told)."""
    row = tables.offer_orders
    mine = row.c.order_id == order.order_id
    found = connection.execute(sa.select(row).where(mine)).first()
    if found is None:
        connection.execute(sa.insert(row).values(order_id=order.order_id, time=order.time, refunded=0.0))
    if name not in REFUNDED or order.value is None:
        connection.execute(sa.update(row).where(mine).values(cancelled_at=order.time))
    else:
        connection.execute(sa.update(row).where(mine).values(refunded=row.c.refunded + order.value))
    standing = of(connection, order.order_id)
    assert standing is not None
    return standing


def undone_by(connection: Connection, order: Order, refunded: float, cancelled: bool) -> Standing:
    """Take in what all of history says went back of an order; what was known already is not counted again."""
    row = tables.offer_orders
    mine = row.c.order_id == order.order_id
    found = connection.execute(sa.select(row).where(mine)).first()
    if found is None:
        connection.execute(sa.insert(row).values(order_id=order.order_id, time=order.time, refunded=0.0))
    values: dict[str, Any] = {"refunded": max(refunded, found.refunded if found is not None else 0.0)}
    if cancelled:
        values["cancelled_at"] = order.time
    connection.execute(sa.update(row).where(mine).values(**values))
    standing = of(connection, order.order_id)
    assert standing is not None
    return standing


def of(connection: Connection, order_id: str | None) -> Standing | None:
    """How an order stands; None where it never came live."""
    row = tables.offer_orders
    found = connection.execute(sa.select(row).where(row.c.order_id == order_id)).first()
    if found is None:
        return None
    return Standing(found.order_id, found.value, found.refunded, found.cancelled_at is not None)


def let_go(project: Project, before: int, apply: bool) -> int:
    """Let orders go that are older than ``before`` (microseconds); points and referrals that came of them stay.

    Returns how many; without ``apply`` they are only counted.
    """
    row = tables.offer_orders
    old = row.c.time < before
    if not apply:
        with project.state.read() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(row).where(old)).scalar_one())
    with project.state.write(LANE) as connection:
        return int(connection.execute(sa.delete(row).where(old)).rowcount)
