"""What arrives live, through offers: carts and the catalogue, codes that were used, referrals, points.

The job ``offers`` reads the inbox by a cursor of its own, as guidance does. A tick reads outside of the transaction and
writes inside of it, together with the cursor and the events that it tells; a process that is killed at any instant has
done all of it or nothing, and of two processes that took the same events one writes. Imports pay nothing by
themselves: they are not read here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from polku.errors import OfferError
from polku.guidance.arrivals import arrivals, event_of
from polku.offers import carts, catalogue, codes, ledger, loyalty, orders, referral
from polku.offers.earning import Earner
from polku.offers.orders import Order
from polku.offers.telling import Told
from polku.offers.whose import LANE, customers_of, ids_of_rows
from polku.record import clock, tables
from polku.record.steps import reached

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from polku.journey.model import Journey
    from polku.record.project import Project

#: Counters of the state: how far offers have come (seq), the moment up to which time has passed, the last restore.
CURSOR, PASSED, RESTORED = "offers", "offers_passed", "offers_restored"
#: Rows that a tick looks at, and those that mean something that one transaction takes, at most: it holds up the other
#: writers of the state.
BATCH: Final = 20_000
TAKEN: Final = 250
MINUTE: Final = 60_000_000
#: Events that tell of products.
HEARD: Final = (
    "Product Viewed", "Product Clicked", "Product Added", "Product Added to Wishlist", "Cart Viewed", "Cart Updated",
    "Checkout Started", "Order Completed",
)  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Done:
    """What a tick did: events that meant something, products heard of, codes used, referrals and points moved, events
    told; ``more``: there is more to do at once."""

    events: int = 0
    products: int = 0
    codes: int = 0
    referrals: int = 0
    points: int = 0
    told: int = 0
    more: bool = False

    def __add__(self, other: Done) -> Done:
        return Done(
            self.events + other.events, self.products + other.products, self.codes + other.codes,
            self.referrals + other.referrals, self.points + other.points, self.told + other.told, other.more,
        )  # fmt: skip


def due(project: Project) -> bool:
    """Whether there may be something to do; cheap."""
    if not project.map_file.exists():
        return False
    with project.state.read() as connection:
        state = project.state
        passed = state.counter(connection, PASSED)
        arrived = connection.execute(sa.select(sa.func.max(tables.inbox.c.last_seq))).scalar() or 0
        if max(int(arrived), state.counter(connection, "moved")) > state.counter(connection, CURSOR) or not passed:
            return True
    return clock.now() - passed >= MINUTE


def catch_up(project: Project, now: int | None = None) -> Done:
    """Ticks until nothing is left to do."""
    done = Done(more=True)
    while done.more:
        done += tick(project, now)
    return done


def tick(project: Project, now: int | None = None) -> Done:
    """Take what arrived, at most BATCH rows of it, and what time brings. ``now``: microseconds."""
    if not project.map_file.exists():
        return Done()
    at = clock.now() if now is None else now
    journey = project.journey()
    arrived = project.position().inbox
    cursor = _begun(project, arrived, at)
    project.identities.catch_up(inbox=True)
    found = arrivals(project, cursor, arrived, BATCH)
    last = int(found.rows["seq"][-1].as_py()) if found.more else max(arrived, cursor)
    rows = _meant(journey, found.rows)
    more = found.more
    if rows.num_rows > TAKEN:
        rows, more = rows.slice(0, TAKEN), True
        last = int(rows["seq"][-1].as_py())
    with project.state.read() as connection:
        identities = ids_of_rows(connection, rows, journey.subject)
    told = [
        (identity, row, event_of(row)) for identity, row in zip(identities, rows.to_pylist(), strict=True)
    ]  # fmt: skip
    before = _ordered_before(project, journey, told)
    with project.state.write(LANE) as connection:
        if project.state.counter(connection, CURSOR) != cursor:
            return Done(more=True)  # another process was quicker
        work = _Tick(project, journey, connection, at, before)
        for identity, row, event in told:
            work.take(identity, row, event)
        work.time_passes(project.state.counter(connection, PASSED))
        heard = catalogue.hear(connection, work.heard, journey.offers.catalogue.hosts, at)
        project.state.set_counter(connection, CURSOR, last)
        project.state.set_counter(connection, PASSED, at)
        count = work.told.put(project, connection, at)
        reached("offers written")
    reached("offers committed")
    return Done(rows.num_rows, heard, work.codes, work.referrals, work.points, count, more or work.more)


def _begun(project: Project, arrived: int, at: int) -> int:
    """The cursor. At the very first start it stands behind all that has arrived, and so after a restore."""
    state = project.state
    with state.read() as connection:
        cursor, passed = state.counter(connection, CURSOR), state.counter(connection, PASSED)
        restored = int(state.meta(connection, "restored_at") or 0)
        seen = state.counter(connection, RESTORED)
    if passed and restored <= seen:
        return cursor
    with state.write(LANE) as connection:
        if restored > seen:
            codes.hold_restored(connection)
            referral.hold_restored(connection)
            state.set_counter(connection, RESTORED, restored)
        state.set_counter(connection, CURSOR, arrived)
        state.set_counter(connection, PASSED, at)
    return arrived


def _meant(journey: Journey, rows: pa.Table) -> pa.Table:
    """The rows that offers have to do with, in order of arrival."""
    names = set(HEARD) | set(carts.EVENTS) | set(orders.EVENTS)
    offers = journey.offers
    if offers.loyalty is not None:
        names |= {name for earning in offers.loyalty.earn for name in earning.event}
        names |= {*offers.loyalty.take_back, *offers.loyalty.redeem}
    words: list[tuple[str, str]] = []
    if offers.referral is not None:
        names |= set(offers.referral.order)
        parameter = offers.referral.parameter
        words = [("context", '"referral"'), ("context", f"{parameter}="), ("properties", "referral_code"),
                 ("properties", f'"{parameter}"')]  # fmt: skip
    meant = pc.is_in(rows["event"], value_set=pa.array(sorted(names), pa.string()))
    for column, word in words:
        meant = pc.or_(meant, pc.fill_null(pc.match_substring(rows[column], word), False))
    return rows.filter(meant)


def _ordered_before(
    project: Project, journey: Journey, told: Sequence[tuple[int | None, Mapping[str, Any], Mapping[str, Any]]]
) -> dict[int, list[tuple[int, str]]]:
    """The orders that friends made before, as (time, order's id) by customer: of those alone who have come by a link,
    and order now. Read outside of the transaction."""
    definition = journey.offers.referral
    if definition is None or not definition.new_customers:
        return {}
    friends = {identity for identity, row, _ in told if identity is not None and row["event"] in definition.order}
    if not friends:
        return {}
    with project.state.read() as connection:
        customers = set(customers_of(connection, friends).values())
        waiting = set(referral.waiting_of(connection, customers))
    came = {i for i, _, event in told if i is not None and _token(journey, event) is not None}
    if came:
        with project.state.read() as connection:
            waiting |= set(customers_of(connection, came).values()) & customers
    found: dict[int, list[tuple[int, str]]] = {}
    for customer in waiting:
        rows = project.events_of([customer], ["event", "time", "event_id", "properties", "seq"]).read_all()
        rows = rows.filter(pc.is_in(rows["event"], value_set=pa.array(definition.order, pa.string())))
        times = pc.cast(rows["time"], pa.int64()).to_pylist()
        found[customer] = [
            (time, orders.key_of(row["event_id"], orders.properties_of(row)))
            for time, row in zip(times, rows.to_pylist(), strict=True)
        ]
    return found


def _token(journey: Journey, event: Mapping[str, Any]) -> str | None:
    definition = journey.offers.referral
    return None if definition is None else referral.token_told(definition, event["context"], event["properties"])


class _Tick:
    """The inside of a tick: what each event, and time, does, in one transaction."""

    def __init__(
        self, project: Project, journey: Journey, connection: Connection, at: int,
        before: Mapping[int, Sequence[tuple[int, str]]],
    ) -> None:  # fmt: skip
        self.project, self.journey, self.connection, self.at, self.before = project, journey, connection, at, before
        self.told = Told()
        self.heard: dict[str, dict[str, Any]] = {}
        self.codes = self.referrals = self.points = 0
        self.more = False
        programme = journey.offers.loyalty
        self.earner = Earner(project, connection, journey, programme, self.told, at) if programme else None

    def take(self, identity: int | None, row: Mapping[str, Any], event: Mapping[str, Any]) -> None:
        """One event."""
        name, properties = row["event"], event["properties"]
        time = int(row["time"].timestamp() * 1_000_000)
        self._hear(name, properties)
        if identity is None:
            return
        if name in carts.EVENTS:
            carts.take(self.connection, identity, name, properties, time, self.at)
        definition = self.journey.offers.referral
        token = _token(self.journey, event)
        if definition is not None and token is not None:
            self._followed(definition, token, identity, time)
        order = orders.read(row, event, time)
        if name in orders.COMPLETED or (definition is not None and name in definition.order):
            if self._believed(event):
                orders.note(self.connection, order, identity)
            used = codes.used_by_order(properties)
            self.codes += codes.note_used(self.connection, used, identity, order.order_id, time)
            if definition is not None and name in definition.order:
                self._ordered(definition, order, identity, event)
        if self.earner is not None:
            self.points += self.earner.take(identity, name, row["event_id"], event, order)
        if name in orders.UNDONE or (self.earner is not None and name in self.earner.programme.take_back):
            self._undone(order, row["event_id"], name, event)

    def _believed(self, event: Mapping[str, Any]) -> bool:
        """Whether what an event tells of an order is kept: referrals or points take orders from where it comes."""
        parts = (self.journey.offers.referral, self.journey.offers.loyalty)
        wheres = [part.where for part in parts if part is not None]
        return not wheres or any(loyalty.trusts(where, event) for where in wheres)

    def _hear(self, name: str, properties: Mapping[str, Any]) -> None:
        if name not in HEARD:
            return
        products = properties.get("products")
        listed = products if isinstance(products, list) else [properties]
        for product in listed:
            if not isinstance(product, Mapping):
                continue
            key = carts.product_key(product)
            if key is not None:
                said = {k: v for k, v in product.items() if name != "Order Completed" or k != "price"}
                self.heard[key] = {**self.heard.get(key, {}), **said}

    # -- referrals -----------------------------------------------------------------------------------------------------

    def _followed(self, definition: Any, token: str, identity: int, time: int) -> None:
        number = referral.followed(self.project, self.connection, definition, token, identity, time)
        if number is None:
            return
        self.referrals += 1
        customer = customers_of(self.connection, [identity])[identity]
        self.told.add(self.connection, customer, "Referral Followed", f"referral:{number}:followed",
                      {"referral_id": str(number)}, self.at)  # fmt: skip

    def _ordered(self, definition: Any, order: Order, identity: int, event: Mapping[str, Any]) -> None:
        customer = customers_of(self.connection, [identity]).get(identity)
        if customer is None or not loyalty.meets(definition.where, event):
            return
        waiting = [
            one for one in referral.waiting_of(self.connection, [customer]).get(customer, [])
            if one.followed_at <= order.time <= one.followed_at + definition.within * referral.MICRO
        ]  # fmt: skip
        if not waiting:
            return
        earlier = [t for t, key in self.before.get(customer, ()) if key != order.order_id and t <= order.time]
        home = order.currency in (None, self.journey.currency)
        referral.ordered(
            self.connection, definition, waiting[0], order_id=order.order_id, time=order.time, value=order.value,
            first=not earlier, home=home,
            address=referral.address_of(event["properties"]) or referral.address_of(event["traits"]),
        )  # fmt: skip
        self.referrals += 1
        state = orders.of(self.connection, order.order_id)
        if state is not None and state.undone:  # it was cancelled before it was told
            self._cancel(order.order_id, state.left)

    def _cancel(self, order_id: str, left: float) -> None:
        definition = self.journey.offers.referral
        if definition is None:
            return
        for one in referral.undone(self.connection, order_id, left, definition, self.at):
            self.referrals += 1
            customer = customers_of(self.connection, [one.referrer]).get(one.referrer)
            if customer is not None:
                self.told.add(self.connection, customer, "Referral Cancelled", f"referral:{one.number}:cancelled",
                              {"referral_id": str(one.number)}, self.at)  # fmt: skip

    def _undone(self, order: Order, event_id: str, name: str, event: Mapping[str, Any]) -> None:
        if not self._believed(event):
            return
        state = orders.undo(self.connection, order, name)
        definition = self.journey.offers.referral
        if definition is not None and loyalty.trusts(definition.where, event):
            self._cancel(order.order_id, state.left)
        if self.earner is not None and loyalty.trusts(self.earner.programme.where, event):
            self.points += self.earner.take_back(state, event_id)

    def _complete(self, definition: Any, one: Any) -> None:
        """A friend's order has stood: the reward, once, and word of it."""
        customer = customers_of(self.connection, [one.referrer]).get(one.referrer)
        if customer is None:
            referral.settle(self.connection, one.number, referral.CANCELLED, self.at, reason=None)
            return
        state = orders.of(self.connection, one.order_id)
        if state is not None and state.undone and (state.left <= 0 or state.left < (definition.least or 0.0)):
            self._cancel(one.order_id, state.left)
            return
        if referral.rewarded(self.connection, definition, customer, self.at):
            referral.settle(self.connection, one.number, referral.REFUSED, self.at, reason="limit")
            return
        properties: dict[str, Any] = {"referral_id": str(one.number)}
        reward = definition.reward
        if reward is not None and reward.code is not None:
            want = codes.Want(reward.code, f"referral:{one.number}", one.referrer)
            try:
                codes.draw_in(self.journey, self.connection, [want], self.at)
            except OfferError:  # the pool is empty: tried again every minute, and told on the pages
                row = tables.referrals
                mine = row.c.number == one.number
                later = {"reason": "no_code", "due_at": self.at + 60 * MINUTE}
                self.connection.execute(sa.update(row).where(mine).values(**later))
                return
            properties["reward"] = f"code:{reward.code}"
        elif reward is not None and reward.points is not None and self.earner is not None:
            self.points += self.earner.reward(one.referrer, reward.points, one.number)
            properties |= {"reward": "points", "points": reward.points}
        referral.settle(self.connection, one.number, referral.COMPLETED, self.at, reward=properties.get("reward"))
        self.referrals += 1
        self.told.add(self.connection, customer, "Referral Completed", f"referral:{one.number}:completed",
                      properties, self.at)  # fmt: skip

    # -- time ----------------------------------------------------------------------------------------------------------

    def time_passes(self, passed: int) -> None:
        """What time alone brings: orders that have stood, points that expire, levels that end, carts forgotten."""
        definition = self.journey.offers.referral
        if definition is not None:
            waiting = referral.due(self.connection, self.at)
            for one in waiting:
                self._complete(definition, one)
        if self.earner is not None:
            moved = self.earner.time_passes(passed)
        else:
            moved = len(ledger.expire(self.project.state, self.connection, self.at))
        self.points += moved
        self.more = moved >= ledger.LOTS
        if passed // ledger.DAY != self.at // ledger.DAY:
            carts.forget(self.connection, self.at)
