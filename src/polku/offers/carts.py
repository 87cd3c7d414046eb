"""What is in somebody's cart, as live events told it since their last order: letters show all of it.

>>> lines = added({}, {"product_id": "A1", "name": "Dress", "price": 10, "quantity": 2}, 5)
>>> lines["A1"]["quantity"], removed(lines, {"product_id": "A1"})
(2, {})
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from polku.offers.loyalty import decimal
from polku.offers.whose import MANY, numbers_of
from polku.record import tables

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

ADDED: Final = ("Product Added",)
REMOVED: Final = ("Product Removed",)
#: Events that tell the whole cart.
WHOLE: Final = ("Cart Viewed", "Cart Updated", "Checkout Started")
ORDERED: Final = ("Order Completed",)
EVENTS: Final = (*ADDED, *REMOVED, *WHOLE, *ORDERED)
#: Lines that a cart may have, and signs of an id.
MOST: Final = 100
LONGEST: Final = 200
#: A cart that nobody touches is forgotten after so many days.
DAYS: Final = 180
#: What is kept of a product in a cart.
KEPT: Final = ("product_id", "sku", "name", "variant", "category", "brand", "price", "currency", "url", "image_url")

Lines = dict[str, dict[str, Any]]


def product_key(properties: Mapping[str, Any]) -> str | None:
    """The id of the product that an event is about; None where it says none."""
    for name in ("product_id", "sku"):
        value = properties.get(name)
        if isinstance(value, (str, int)) and not isinstance(value, bool) and str(value).strip():
            return str(value).strip()[:LONGEST]
    return None


def quantity_of(properties: Mapping[str, Any]) -> int:
    """How many; 1 where nothing is said, or nothing that makes sense."""
    value = decimal(properties.get("quantity"))
    return int(value) if value is not None and 1 <= value <= 10_000 else 1


def added(lines: Lines, properties: Mapping[str, Any], time: int) -> Lines:
    """The cart with one more line, or more of one."""
    key = product_key(properties)
    if key is None:
        return lines
    before = lines.get(key, {})
    kept = {name: properties[name] for name in KEPT if properties.get(name) not in (None, "")}
    quantity = quantity_of(properties) + int(before.get("quantity", 0))
    line = {**before, **kept, "product_id": key, "quantity": quantity, "time": time}
    others = {other: one for other, one in lines.items() if other != key}
    return {**dict(list(others.items())[-(MOST - 1) :]), key: line}


def removed(lines: Lines, properties: Mapping[str, Any]) -> Lines:
    """The cart with fewer of a line: as many as the event says, all where it says nothing."""
    key = product_key(properties)
    if key is None or key not in lines:
        return lines
    left = int(lines[key].get("quantity", 1)) - quantity_of(properties)
    if properties.get("quantity") is not None and left > 0:
        return {**lines, key: {**lines[key], "quantity": left}}
    return {other: one for other, one in lines.items() if other != key}


def whole(products: Iterable[Any], time: int) -> Lines:
    """A cart that is told as a whole."""
    lines: Lines = {}
    for product in products:
        if isinstance(product, Mapping):
            lines = added(lines, product, time)
    return lines


def cart_key(properties: Mapping[str, Any]) -> str:
    """The cart's own id, "" without one."""
    value = properties.get("cart_id")
    return str(value)[:LONGEST] if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


def take(connection: Connection, identity: int, event: str, properties: Mapping[str, Any], time: int, at: int) -> None:
    """Change the cart of an id by an event, in the caller's transaction (lane ``offers``)."""
    row, who = tables.carts, tables.identities.c
    if event in ORDERED:
        customer = connection.execute(sa.select(who.customer).where(who.id == identity)).scalar()
        if customer is not None:
            theirs = row.c.identity.in_(numbers_of(connection, int(customer)))
            connection.execute(sa.delete(row).where(theirs))
        return
    key = cart_key(properties)
    mine = sa.and_(row.c.identity == identity, row.c.key == key)
    found = connection.execute(sa.select(row.c.lines).where(mine)).scalar()
    before: Lines = json.loads(found) if found is not None else {}
    products = properties.get("products")
    if event in WHOLE:
        if not isinstance(products, list):
            return
        lines = whole(products, time)
    elif event in REMOVED:
        lines = removed(before, properties)
    else:
        lines = added(before, properties, time)
    values = {"lines": json.dumps(lines, ensure_ascii=False), "changed_at": at}
    if found is not None:
        change = sa.update(row).values(**values) if lines else sa.delete(row)
        connection.execute(change.where(mine))
    elif lines:
        connection.execute(sa.insert(row).values(identity=identity, key=key, **values))


def carts_of(connection: Connection, customers: Iterable[int]) -> dict[int, dict[str, Lines]]:
    """The carts of customers, by the cart's key; what several ids of one customer put into one is put together."""
    keys = sorted(set(customers))
    row, who = tables.carts.c, tables.identities.c
    found: dict[int, dict[str, Lines]] = {}
    for at in range(0, len(keys), MANY):
        query = (
            sa.select(who.customer, row.key, row.lines)
            .join(tables.identities, who.id == row.identity)
            .where(who.customer.in_(keys[at : at + MANY]))
            .order_by(row.changed_at)
        )
        for customer, key, lines in connection.execute(query):
            of = found.setdefault(int(customer), {})
            of[str(key)] = {**of.get(str(key), {}), **json.loads(lines)}
    return found


def forget(connection: Connection, at: int) -> int:
    """Let carts go that nobody has touched for long."""
    old = tables.carts.c.changed_at < at - DAYS * 86_400_000_000
    return int(connection.execute(sa.delete(tables.carts).where(old)).rowcount)
