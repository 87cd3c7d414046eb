"""Customers as what hangs together: groups of ids, joined and taken apart, and told to those who follow.

A customer's key is the smallest integer of its ids. Joining never reads a group: one statement renames the customer of
the larger key, however many ids it has. Only what comes apart is read, and only the customers concerned.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from polku.record import tables
from polku.record.clock import now
from polku.record.state import State
from polku.record.steps import reached

Ints = npt.NDArray[np.int64]
T = TypeVar("T")
MANY = 10_000


@dataclasses.dataclass(frozen=True)
class Changed:
    """``customers[i]`` is the customer of the new id ``nodes[i]`` (ascending); what became of customers that existed.

    ``moved``: (customer, the one that it is part of now); ``dirty``: customers that came apart, and their parts.
    """

    nodes: Ints
    customers: Ints
    moved: tuple[tuple[int, int], ...] = ()
    dirty: tuple[int, ...] = ()


NOTHING = Changed(np.empty(0, np.int64), np.empty(0, np.int64))


def repartition(connection: Connection, removed: Ints, added: Ints, fresh_from: int) -> Changed:
    """Write what joins that ended (int64[k, 2]: two ids each) and joins that began make of the customers.

    Ids from ``fresh_from`` on (0: none) are not in the state yet; theirs is in what is returned.
    """
    moved, dirty = _split(connection, removed) if len(removed) else ([], set[int]())
    if not len(added):
        return dataclasses.replace(NOTHING, moved=tuple(moved), dirty=tuple(sorted(dirty)))
    nodes = np.unique(added)
    known = nodes < fresh_from if fresh_from else np.ones(len(nodes), np.bool_)
    before = nodes.copy()
    found = customers_of(connection, nodes[known])
    before[known] = [found[node] for node in nodes[known].tolist()]
    customers, places = np.unique(before, return_inverse=True)
    least = _groups(customers, places[np.searchsorted(nodes, added)])
    gone = least != customers
    fresh = customers >= fresh_from if fresh_from else np.zeros(len(customers), np.bool_)
    merges = list(zip(customers[gone & ~fresh].tolist(), least[gone & ~fresh].tolist(), strict=True))
    _merge(connection, merges)
    return Changed(nodes[~known], least[places][~known], (*moved, *merges), tuple(sorted(dirty)))


def _groups(nodes: Ints, edges: Ints) -> Ints:
    """int64[n]: the least of the nodes (ascending) that each hangs together with; ``edges``: places in ``nodes``."""
    from scipy.sparse import coo_array  # here: opening a project must not wait for it
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(edges), np.bool_), (edges[:, 0], edges[:, 1])), shape=(len(nodes), len(nodes)))
    count, labels = connected_components(graph, directed=False)
    least = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(least, labels, nodes)
    found: Ints = least[labels]
    return found


def _merge(connection: Connection, merges: Sequence[tuple[int, int]]) -> None:
    """Rename customers; two statements, so that each can use its index: the first id, and those joined to it."""
    if not merges:
        return
    who = tables.identities
    values = [{"gone": gone, "to": to} for gone, to in merges]
    change = sa.update(who).values(customer=sa.bindparam("to"))
    joined = sa.and_(who.c.customer == sa.bindparam("gone"), who.c.customer != who.c.id)
    connection.execute(change.where(joined), values)
    connection.execute(change.where(who.c.id == sa.bindparam("gone")), values)


def _split(connection: Connection, removed: Ints) -> tuple[list[tuple[int, int]], set[int]]:
    """Take apart what no join holds together any more: (customers that moved as a whole, those that came apart)."""
    removed, dirty = _without_leaves(connection, removed)
    if not len(removed):
        return [], dirty
    concerned = sorted(set(customers_of(connection, np.unique(removed)).values()))
    rows = members(connection, concerned)
    nodes = np.array([row.id for row in rows], np.int64)
    before = [int(row.customer) for row in rows]
    table = tables.joins.c
    edges: list[tuple[int, int]] = []
    for some in portions(nodes.tolist()):
        query = sa.select(table.weaker, table.stronger).where(table.weaker.in_(some), table.counts.is_(True))
        edges += [(int(w), int(s)) for w, s in connection.execute(query)]
    ends = np.array(edges, np.int64).reshape(-1, 2)
    ends = ends[np.isin(ends, nodes).all(axis=1)]  # others begin only now
    after = _groups(nodes, np.searchsorted(nodes, ends)).tolist()
    updates = [{"node": n, "to": a} for n, b, a in zip(nodes.tolist(), before, after, strict=True) if a != b]
    if updates:
        who = tables.identities
        connection.execute(
            sa.update(who).where(who.c.id == sa.bindparam("node")).values(customer=sa.bindparam("to")), updates
        )
    now_in: dict[int, set[int]] = {}
    for b, a in zip(before, after, strict=True):
        now_in.setdefault(b, set()).add(a)
    moved = [(c, next(iter(at))) for c, at in now_in.items() if len(at) == 1 and at != {c}]
    dirty |= {key for c, at in now_in.items() if len(at) > 1 for key in (c, *at)}
    return moved, dirty


def _without_leaves(connection: Connection, removed: Ints) -> tuple[Ints, set[int]]:
    """Let ids go that no join holds any more, without reading the groups that they leave.

    Returns the removed joins whose ends are both held by others yet, and the customers that came apart.
    """
    ends, joins = np.unique(removed, return_counts=True)
    once = ends[joins == 1]  # what lost several joins may have held others together
    leaves = np.setdiff1d(once, np.fromiter(_held(connection, once), np.int64))
    if not len(leaves):
        return removed, set()
    who = tables.identities
    before = customers_of(connection, leaves)
    gone = [{"node": node, "to": node} for node in leaves.tolist()]
    change = sa.update(who).values(customer=sa.bindparam("to"))
    connection.execute(change.where(who.c.id == sa.bindparam("node")), gone)
    dirty = set(leaves.tolist()) | set(before.values())
    for key in sorted(set(before.values()) & set(leaves.tolist())):  # it took the key with it
        rest = sa.and_(who.c.customer == key, who.c.customer != who.c.id)
        least = connection.execute(sa.select(sa.func.min(who.c.id)).where(rest)).scalar()
        if least is not None:
            connection.execute(sa.update(who).where(rest).values(customer=int(least)))
            dirty.add(int(least))
    return removed[~np.isin(removed, leaves).any(axis=1)], dirty


def _held(connection: Connection, nodes: Ints) -> Iterator[int]:
    """Those of these ids that some join holds; of a thousand joins one is looked at."""
    table, who = tables.joins.c, tables.identities.c
    for some in portions(nodes.tolist()):
        for end in (table.weaker, table.stronger):
            holds = sa.exists().where(end == who.id, table.counts.is_(True))
            yield from connection.execute(sa.select(who.id).where(who.id.in_(some), holds)).scalars()


def customers_of(connection: Connection, nodes: Ints) -> dict[int, int]:
    """The customer of each of these ids."""
    who = tables.identities.c
    found: dict[int, int] = {}
    for some in portions(nodes.tolist()):
        query = sa.select(who.id, who.customer).where(who.id.in_(some))
        found.update({int(i): int(c) for i, c in connection.execute(query)})
    return found


def record(state: State, connection: Connection, changed: Changed) -> None:
    """Write the changes that trails follow."""
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
    for some in portions(sorted(set(customers))):
        # Two questions, so that each can use its index: those who kept their own integer, and those who were joined.
        own = sa.select(who.id, who.kind, who.value, who.customer).where(who.id.in_(some), who.customer == who.id)
        others = sa.select(who.id, who.kind, who.value, who.customer).where(
            who.customer.in_(some), who.customer != who.id
        )
        rows += connection.execute(own).all()
        rows += connection.execute(others).all()
    return sorted(rows, key=lambda r: int(r.id))


def portions(items: list[T]) -> Iterator[list[T]]:
    """Parts that a database takes as the parameters of one statement."""
    for at in range(0, len(items), MANY):
        yield items[at : at + MANY]
