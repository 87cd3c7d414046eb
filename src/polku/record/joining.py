"""Which ids are one customer: evidence in, groups out, and what changed for those who follow.

Evidence is a pair (anonymous id, user, first time seen together). Of an anonymous id's pairs one decides: what a person
said by hand (the latest), else the earliest. A customer is a user with the anonymous ids that are theirs, so groups are
stars and an undo or a late event only ever touches the users concerned. Everything here works on whole arrays.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from polku.errors import RecordError
from polku.language import N_
from polku.record import tables
from polku.record.clock import now
from polku.record.state import State
from polku.record.steps import reached

Ints = npt.NDArray[np.int64]
EVENTS = "events"
MANY = 10_000


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Distinct pairs as integers, the hash of the user (it settles equal times), the first time in microseconds."""

    anonymous: Ints
    user: Ints
    user_hash: npt.NDArray[np.uint64]
    time: Ints


@dataclasses.dataclass(frozen=True)
class Changed:
    """``customers[i]`` is now the customer of id ``nodes[i]`` (ascending); what became of customers that existed."""

    nodes: Ints
    customers: Ints
    updates: tuple[tuple[int, int], ...] = ()
    moved: tuple[tuple[int, int], ...] = ()
    dirty: tuple[int, ...] = ()


NOTHING = Changed(np.empty(0, np.int64), np.empty(0, np.int64))


@dataclasses.dataclass
class _Evidence:
    """All evidence on some anonymous ids, what is stored and what is new, as columns."""

    row: Ints  # number of the stored row, -1 when new
    anonymous: Ints
    user: Ints
    rank: Ints  # 0: by hand, 1: events
    order: Ints  # time; by hand the later comes first
    user_hash: npt.NDArray[np.uint64]
    time: Ints
    decided: npt.NDArray[np.bool_]
    undone: npt.NDArray[np.bool_]

    def decide(self) -> npt.NDArray[np.bool_]:
        """bool[n]: the one row of each anonymous id that says whose it is."""
        alive = np.flatnonzero(~self.undone)
        keys = (self.user_hash[alive], self.order[alive], self.rank[alive], self.anonymous[alive])
        order = alive[np.lexsort(keys)]
        first = np.ones(len(order), np.bool_)
        first[1:] = self.anonymous[order[1:]] != self.anonymous[order[:-1]]
        decides = np.zeros(len(self.row), np.bool_)
        decides[order[first]] = True
        return decides


def join(state: State, connection: Connection, pairs: Pairs, fresh_from: int) -> Changed:
    """Take new evidence in. Ids from ``fresh_from`` on (0: none) are new and not in the state yet."""
    if not len(pairs.anonymous):
        return NOTHING
    old = pairs.anonymous if not fresh_from else pairs.anonymous[pairs.anonymous < fresh_from]
    stored = _stored(connection, np.unique(old))
    times = {(a, u): i for i, (a, u) in enumerate(zip(stored.anonymous.tolist(), stored.user.tolist(), strict=True))}
    is_new = np.ones(len(pairs.anonymous), np.bool_)
    if times:
        for i in np.flatnonzero(np.isin(pairs.anonymous, stored.anonymous)).tolist():
            at = times.get((int(pairs.anonymous[i]), int(pairs.user[i])))
            if at is None:
                continue
            is_new[i] = False
            if pairs.time[i] < stored.time[at]:
                stored.time[at] = pairs.time[i]
                if stored.rank[at] == 1:
                    stored.order[at] = pairs.time[i]
                connection.execute(
                    sa.update(tables.joins)
                    .where(tables.joins.c.id == int(stored.row[at]))
                    .values(time=int(pairs.time[i]))
                )
    count = int(is_new.sum())
    evidence = _Evidence(
        row=np.concatenate([stored.row, np.full(count, -1, np.int64)]),
        anonymous=np.concatenate([stored.anonymous, pairs.anonymous[is_new]]),
        user=np.concatenate([stored.user, pairs.user[is_new]]),
        rank=np.concatenate([stored.rank, np.ones(count, np.int64)]),
        order=np.concatenate([stored.order, pairs.time[is_new]]),
        user_hash=np.concatenate([stored.user_hash, pairs.user_hash[is_new]]),
        time=np.concatenate([stored.time, pairs.time[is_new]]),
        decided=np.concatenate([stored.decided, np.zeros(count, np.bool_)]),
        undone=np.concatenate([stored.undone, np.zeros(count, np.bool_)]),
    )
    return _settle(state, connection, evidence, fresh_from)


def decide_by_hand(state: State, connection: Connection, pair: tuple[int, int], evidence: str) -> Changed:
    """Store that a person said: this anonymous id is this user's."""
    anonymous, user = pair
    table = tables.joins
    values = {"evidence": f"hand: {evidence}", "noted_at": now(), "undone_at": None, "undone_by": None}
    done = connection.execute(
        sa.update(table).where(table.c.anonymous == anonymous, table.c.user == user).values(**values)
    )
    if done.rowcount == 0:
        values |= {"anonymous": anonymous, "user": user, "time": values["noted_at"], "decides": False}
        connection.execute(sa.insert(table).values(**values))
    return _settle(state, connection, _stored(connection, np.array([anonymous])), 0)


def undo(state: State, connection: Connection, number: int, by: str) -> Changed:
    """Mark a join as undone and settle its anonymous id anew."""
    table = tables.joins
    row = connection.execute(sa.select(table.c.anonymous, table.c.undone_at).where(table.c.id == number)).first()
    if row is None:
        raise RecordError(
            N_("There is no join number {number}; the customer's page lists those that are."), number=number
        )
    if row.undone_at is not None:
        raise RecordError(N_("Join number {number} was undone before."), number=number)
    connection.execute(sa.update(table).where(table.c.id == number).values(undone_at=now(), undone_by=by))
    return _settle(state, connection, _stored(connection, np.array([row.anonymous])), 0)


def _stored(connection: Connection, anonymous: Ints) -> _Evidence:
    """All stored evidence on these anonymous ids."""
    table, who = tables.joins.c, tables.identities.c
    rows: list[Any] = []
    for some in _portions(anonymous.tolist()):
        query = (
            sa.select(
                table.id, table.anonymous, table.user, table.time, table.decides, table.undone_at, table.evidence,
                table.noted_at, who.hash,
            )
            .join_from(tables.joins, tables.identities, table.user == who.id)
            .where(table.anonymous.in_(some))
        )  # fmt: skip
        rows += connection.execute(query).all()
    by_hand = np.array([r.evidence != EVENTS for r in rows], np.bool_)
    time = np.array([r.time for r in rows], np.int64)
    return _Evidence(
        row=np.array([r.id for r in rows], np.int64),
        anonymous=np.array([r.anonymous for r in rows], np.int64),
        user=np.array([r.user for r in rows], np.int64),
        rank=np.where(by_hand, 0, 1).astype(np.int64),
        order=np.where(by_hand, np.array([-r.noted_at for r in rows], np.int64), time).astype(np.int64),
        user_hash=np.array([r.hash for r in rows], np.int64).view(np.uint64),
        time=time,
        decided=np.array([bool(r.decides) for r in rows], np.bool_),
        undone=np.array([r.undone_at is not None for r in rows], np.bool_),
    )


def _settle(state: State, connection: Connection, evidence: _Evidence, fresh_from: int) -> Changed:
    """Write who decides, and find out what that makes of the customers."""
    decides = evidence.decide()
    new = evidence.row < 0
    moment = now()
    state.insert_many(
        connection,
        tables.joins,
        {
            "anonymous": evidence.anonymous[new].tolist(),
            "user": evidence.user[new].tolist(),
            "time": evidence.time[new].tolist(),
            "evidence": [EVENTS] * int(new.sum()),
            "decides": decides[new].tolist(),
            "noted_at": [moment] * int(new.sum()),
        },
    )
    turned = ~new & (decides != evidence.decided)
    if turned.any():
        connection.execute(
            sa.update(tables.joins).where(tables.joins.c.id == sa.bindparam("row")).values(decides=sa.bindparam("now")),
            [
                {"row": r, "now": d}
                for r, d in zip(evidence.row[turned].tolist(), decides[turned].tolist(), strict=True)
            ],
        )
    touched = decides != evidence.decided
    anonymous = np.unique(evidence.anonymous[touched])
    if not len(anonymous):
        return NOTHING
    users = np.unique(evidence.user[touched])
    fresh_users = users[users >= fresh_from] if fresh_from else users[:0]
    known_users = users[users < fresh_from] if fresh_from else users
    mine = decides & np.isin(evidence.user, fresh_users) if len(fresh_users) else np.zeros(len(decides), np.bool_)
    member, owner = _owned(connection, known_users)
    member = np.concatenate([member, evidence.anonymous[mine]])
    owner = np.concatenate([owner, evidence.user[mine]])
    return _regroup(connection, anonymous, users, member, owner, fresh_from)


def _owned(connection: Connection, users: Ints) -> tuple[Ints, Ints]:
    """Anonymous ids that are these users', and whose each is."""
    table = tables.joins.c
    rows: list[tuple[int, int]] = []
    for some in _portions(users.tolist()):
        query = sa.select(table.anonymous, table.user).where(table.user.in_(some), table.decides.is_(True))
        rows += [(int(a), int(u)) for a, u in connection.execute(query)]
    array = np.array(rows, np.int64).reshape(-1, 2)
    return array[:, 0], array[:, 1]


def _regroup(
    connection: Connection, anonymous: Ints, users: Ints, member: Ints, owner: Ints, fresh_from: int
) -> Changed:
    """The customers of all ids concerned: the smallest integer of each group."""
    nodes = np.unique(np.concatenate([anonymous, users, member]))
    customers = nodes.copy()
    if len(member):
        place = np.searchsorted(users, owner)
        least = users.copy()
        np.minimum.at(least, place, member)
        customers[np.searchsorted(nodes, users)] = least
        customers[np.searchsorted(nodes, member)] = least[place]
    known = nodes < fresh_from if fresh_from else np.ones(len(nodes), np.bool_)
    before = _customers(connection, nodes[known])
    after = dict(zip(nodes[known].tolist(), customers[known].tolist(), strict=True))
    updates = tuple((node, customer) for node, customer in after.items() if before[node] != customer)
    now_in: dict[int, set[int]] = {}
    for node, customer in after.items():
        now_in.setdefault(before[node], set()).add(customer)
    moved, dirty = [], set()
    for customer, now_at in now_in.items():
        if len(now_at) > 1:
            dirty |= now_at | {customer}
        elif now_at != {customer}:
            moved.append((customer, next(iter(now_at))))
    return Changed(nodes, customers, updates, tuple(moved), tuple(sorted(dirty)))


def _customers(connection: Connection, nodes: Ints) -> dict[int, int]:
    who = tables.identities.c
    found: dict[int, int] = {}
    for some in _portions(nodes.tolist()):
        query = sa.select(who.id, who.customer).where(who.id.in_(some))
        found.update({int(i): int(c) for i, c in connection.execute(query)})
    return found


def record(state: State, connection: Connection, changed: Changed) -> None:
    """Write the customers of known ids, and the changes that trails follow."""
    if changed.updates:
        connection.execute(
            sa.update(tables.identities)
            .where(tables.identities.c.id == sa.bindparam("node"))
            .values(customer=sa.bindparam("to")),
            [{"node": node, "to": customer} for node, customer in changed.updates],
        )
    reached("customers written")
    note(state, connection, [("moved", c, to) for c, to in changed.moved] + [("dirty", c, None) for c in changed.dirty])
    reached("changes noted")


def note(state: State, connection: Connection, changes: Sequence[tuple[str, int, int | None]]) -> None:
    """Add changes (kind, customer, survivor) to what trails follow."""
    if not changes:
        return
    first = state.reserve(connection, "identity", len(changes))
    state.insert_many(
        connection,
        tables.identity_changes,
        {
            "counter": list(range(first, first + len(changes))),
            "kind": [kind for kind, _, _ in changes],
            "customer": [customer for _, customer, _ in changes],
            "survivor": [survivor for _, _, survivor in changes],
            "time": [now()] * len(changes),
        },
    )


def members(connection: Connection, customers: Sequence[int]) -> list[Any]:
    """Rows (id, kind, value, customer) of all ids of these customers, by id."""
    who = tables.identities.c
    rows: list[Any] = []
    for some in _portions(sorted(set(customers))):
        # Two questions, so that each can use its index: those who kept their own integer, and those who were joined.
        own = sa.select(who.id, who.kind, who.value, who.customer).where(who.id.in_(some), who.customer == who.id)
        others = sa.select(who.id, who.kind, who.value, who.customer).where(
            who.customer.in_(some), who.customer != who.id
        )
        rows += connection.execute(own).all()
        rows += connection.execute(others).all()
    return sorted(rows, key=lambda r: int(r.id))


def _portions(numbers: list[int]) -> Iterator[list[int]]:
    for at in range(0, len(numbers), MANY):
        yield numbers[at : at + MANY]
