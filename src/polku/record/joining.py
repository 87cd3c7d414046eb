"""Which ids are one customer: evidence in, who is joined by it, and what changed for those who follow.

Evidence is that two ids were named together, with the first time it happened. What it makes of them depends on the
**set** of all evidence alone, never on the order in which it came:

* An id that would be joined with more ids of one kind than its cap (polku.record.quarantine) joins nothing.
* An anonymous id has one owner: what a person said by hand (the latest), else the user it was first seen with.
* All other pairs (a user and an e-mail address, a former user id and the new one) are one person.
* What a person undid never counts again; what a person said counts in spite of caps.

A customer is what hangs together by the joins that count. Everything here works on whole arrays.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from polku.errors import RecordError
from polku.language import N_
from polku.record import quarantine, tables
from polku.record.clock import now
from polku.record.gather import rank
from polku.record.hashes import STRENGTH
from polku.record.partition import MANY, NOTHING, Changed, members, note, portions, record, repartition
from polku.record.quarantine import Caps
from polku.record.state import State

__all__ = ["MANY", "NOTHING", "Changed", "Pairs", "join", "members", "note", "record"]

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Distinct pairs of ids as integers, weaker and stronger, with their kinds; the stronger's hash (it settles equal
    times); the first time in microseconds and the name of the event that was it.
    """

    weaker: Ints
    stronger: Ints
    weaker_kind: npt.NDArray[np.object_]
    stronger_kind: npt.NDArray[np.object_]
    stronger_hash: npt.NDArray[np.uint64]
    time: Ints
    evidence: npt.NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.weaker)

    def take(self, which: Any) -> Pairs:
        """Some of them."""
        return Pairs(*(getattr(self, f.name)[which] for f in dataclasses.fields(self)))


@dataclasses.dataclass
class _Rows:
    """Rows of joins, stored and new, as columns."""

    row: Ints  # number of the stored row, -1 when new
    pairs: Pairs
    by_hand: Bools
    order: Ints  # time; by hand the later comes first
    counted: Bools
    undone: Bools

    def counts(self, held: Ints) -> Bools:
        """bool[n]: which of them make one customer of their two ids, when the ids ``held`` join nothing."""
        p = self.pairs
        valid = ~self.undone & (self.by_hand | ~(np.isin(p.weaker, held) | np.isin(p.stronger, held)))
        owned = (p.weaker_kind == "anonymous") & (p.stronger_kind != "anonymous")
        counts: Bools = valid & ~owned
        alive = np.flatnonzero(valid & owned)
        keys = (p.stronger_hash[alive], self.order[alive], ~self.by_hand[alive], p.weaker[alive])
        order = alive[np.lexsort(keys)]
        first = np.ones(len(order), np.bool_)
        first[1:] = p.weaker[order[1:]] != p.weaker[order[:-1]]
        counts[order[first]] = True
        return counts


def join(state: State, connection: Connection, pairs: Pairs, fresh_from: int, caps: Caps) -> Changed:
    """Take new evidence in. Ids from ``fresh_from`` on (0: none) are new and not in the state yet."""
    if not len(pairs):
        return NOTHING
    new, earlier = _unknown(connection, pairs, fresh_from)
    if not len(new) and not len(earlier):
        return NOTHING
    held = quarantine.newly(state, connection, new, fresh_from, caps)
    mine = new.weaker_kind == "anonymous"
    return _settle(state, connection, held, np.concatenate([new.weaker[mine], earlier]), new, fresh_from)


def one_pair(one: tuple[int, str, int], other: tuple[int, str, int]) -> Pairs:
    """A pair of two ids (number, kind, hash as the state keeps it), in the order that their kinds and hashes say."""
    strong, weak = sorted((one, other), key=lambda end: (STRENGTH[end[1]], end[2] % 2**64))
    return Pairs(
        np.array([weak[0]], np.int64), np.array([strong[0]], np.int64), np.array([weak[1]], np.object_),
        np.array([strong[1]], np.object_), np.array([strong[2]], np.int64).view(np.uint64), np.zeros(1, np.int64),
        np.array([""], np.object_),
    )  # fmt: skip


def say(state: State, connection: Connection, pair: Pairs, evidence: str, by: str, caps: Caps) -> Changed:
    """Store that a person said: these two ids (one pair) are one customer's."""
    table = tables.joins
    moment = now()
    one, other = int(pair.weaker[0]), int(pair.stronger[0])
    values = {"evidence": evidence, "said_by": by, "time": moment, "noted_at": moment,
              "undone_at": None, "undone_by": None}  # fmt: skip
    done = connection.execute(sa.update(table).where(table.c.weaker == one, table.c.stronger == other).values(**values))
    if done.rowcount == 0:
        kinds = {"weaker_kind": pair.weaker_kind[0], "stronger_kind": pair.stronger_kind[0]}
        connection.execute(sa.insert(table).values(weaker=one, stronger=other, counts=False, **kinds, **values))
    return _resettle(state, connection, quarantine.review(connection, [one, other], caps), one)


def undo(state: State, connection: Connection, number: int, by: str, caps: Caps) -> Changed:
    """Mark a join as undone for good; an id that was over its cap by it comes out of quarantine."""
    table = tables.joins
    row = connection.execute(
        sa.select(table.c.weaker, table.c.stronger, table.c.undone_at).where(table.c.id == number)
    ).first()
    if row is None:
        raise RecordError(
            N_("There is no join number {number}; the customer's page lists those that are."), number=number
        )
    if row.undone_at is not None:
        raise RecordError(N_("Join number {number} was undone before."), number=number)
    connection.execute(sa.update(table).where(table.c.id == number).values(undone_at=now(), undone_by=by))
    pair = [int(row.weaker), int(row.stronger)]
    return _resettle(state, connection, quarantine.review(connection, pair, caps), pair[0])


def reconsider(state: State, connection: Connection, ids: Sequence[int]) -> Changed:
    """Decide anew about every join of these ids: they went into quarantine or out of it."""
    return _settle(state, connection, np.array(sorted(set(ids)), np.int64), np.empty(0, np.int64), None, 0)


def _resettle(state: State, connection: Connection, freed: list[int], weaker: int) -> Changed:
    """Decide anew about the joins of a pair's weaker end, and of ids that are held no longer."""
    ids = np.array(sorted(freed), np.int64)
    return _settle(state, connection, ids, np.array([weaker], np.int64), None, 0, even_held=True)


# -- what is known ----------------------------------------------------------------------------------------------------


def _unknown(connection: Connection, pairs: Pairs, fresh_from: int) -> tuple[Pairs, Ints]:
    """The pairs that have no row yet; and anonymous ids of stored rows that these show to have happened earlier."""
    known = np.flatnonzero((pairs.weaker < fresh_from) & (pairs.stronger < fresh_from)) if fresh_from else None
    known = np.arange(len(pairs)) if known is None else known
    place = {(int(pairs.weaker[i]), int(pairs.stronger[i])): int(i) for i in known.tolist()}
    table = tables.joins
    columns = (table.c.id, table.c.weaker, table.c.stronger, table.c.time, table.c.evidence, table.c.said_by)
    is_new = np.ones(len(pairs), np.bool_)
    updates: list[dict[str, Any]] = []
    moved: list[int] = []
    for some in portions(list(place)):
        query = sa.select(*columns).where(sa.tuple_(table.c.weaker, table.c.stronger).in_(some))
        for row in connection.execute(query):
            i = place[row.weaker, row.stronger]
            is_new[i] = False
            told = int(pairs.time[i]), str(pairs.evidence[i])
            if row.said_by is None and (told[0], rank(told[1])) < (row.time, rank(row.evidence)):
                updates.append({"row": row.id, "first": told[0], "what": told[1]})
                if pairs.weaker_kind[i] == "anonymous":
                    moved.append(row.weaker)
    if updates:
        query_ = sa.update(table).where(table.c.id == sa.bindparam("row"))
        connection.execute(query_.values(time=sa.bindparam("first"), evidence=sa.bindparam("what")), updates)
    return pairs.take(is_new), np.array(moved, np.int64)


def _stored(connection: Connection, where: Iterable[sa.ColumnElement[bool]]) -> _Rows:
    """Stored joins that meet any of the conditions, each once, by number."""
    table, who = tables.joins.c, tables.identities.c
    found: dict[int, Any] = {}
    for condition in where:
        query = (
            sa.select(
                table.id, table.weaker, table.stronger, table.weaker_kind, table.stronger_kind, table.time,
                table.evidence, table.said_by, table.counts, table.noted_at, table.undone_at, who.hash,
            )
            .join_from(tables.joins, tables.identities, table.stronger == who.id)
            .where(condition)
        )  # fmt: skip
        found.update({row.id: row for row in connection.execute(query)})
    rows = [found[number] for number in sorted(found)]
    time = np.array([r.time for r in rows], np.int64)
    by_hand = np.array([r.said_by is not None for r in rows], np.bool_)
    pairs = Pairs(
        weaker=np.array([r.weaker for r in rows], np.int64),
        stronger=np.array([r.stronger for r in rows], np.int64),
        weaker_kind=np.array([r.weaker_kind for r in rows], np.object_),
        stronger_kind=np.array([r.stronger_kind for r in rows], np.object_),
        stronger_hash=np.array([r.hash for r in rows], np.int64).view(np.uint64),
        time=time,
        evidence=np.array([r.evidence for r in rows], np.object_),
    )
    return _Rows(
        row=np.array([r.id for r in rows], np.int64),
        pairs=pairs,
        by_hand=by_hand,
        order=np.where(by_hand, -np.array([r.noted_at for r in rows], np.int64), time).astype(np.int64),
        counted=np.array([bool(r.counts) for r in rows], np.bool_),
        undone=np.array([r.undone_at is not None for r in rows], np.bool_),
    )


def _concerned(connection: Connection, ids: Ints, anonymous: Ints) -> _Rows:
    """Every stored join of ``ids`` and of ``anonymous``, and of the anonymous ids that a user among ``ids`` may own."""
    table = tables.joins.c
    owned: set[int] = set(anonymous.tolist())
    for some in portions(ids.tolist()):
        query = sa.select(table.weaker).where(table.stronger.in_(some), table.weaker_kind == "anonymous")
        owned.update(int(n) for n in connection.execute(query).scalars())
    conditions = [table.weaker.in_(some) for some in portions(sorted(owned | set(ids.tolist())))]
    conditions += [table.stronger.in_(some) for some in portions(ids.tolist())]
    return _stored(connection, conditions)


# -- settling ---------------------------------------------------------------------------------------------------------


def _settle(
    state: State, connection: Connection, ids: Ints, weaker: Ints, new: Pairs | None, fresh_from: int,
    *, even_held: bool = False,
) -> Changed:  # fmt: skip
    """Decide about the joins of ``ids``, those whose weaker end is in ``weaker``, and the ``new`` ones; write it; what
    it makes of customers.

    An anonymous id in quarantine may have thousands of joins, which stay as they are unless ``even_held`` says so.
    """
    held = quarantine.held(connection)
    old = fresh_from or np.iinfo(np.int64).max
    open_ = np.unique(weaker[(weaker < old) & (even_held | ~np.isin(weaker, held))])
    rows = _concerned(connection, np.unique(ids[ids < old]), open_)
    if new is not None and len(new):
        rows = _with_new(rows, new)
    counts = rows.counts(held)
    p = rows.pairs
    fresh = np.flatnonzero(rows.row < 0)
    if len(fresh) > MANY:  # in the order of the database's index, which then grows at its end
        fresh = fresh[np.lexsort((p.stronger[fresh], p.weaker[fresh]))]
    state.insert_many(
        connection,
        tables.joins,
        {
            "weaker": p.weaker[fresh].tolist(),
            "stronger": p.stronger[fresh].tolist(),
            "weaker_kind": p.weaker_kind[fresh].tolist(),
            "stronger_kind": p.stronger_kind[fresh].tolist(),
            "time": p.time[fresh].tolist(),
            "evidence": p.evidence[fresh].tolist(),
            "counts": counts[fresh].tolist(),
            "noted_at": [now()] * len(fresh),
        },
    )
    turned = (rows.row >= 0) & (counts != rows.counted)
    if turned.any():
        connection.execute(
            sa.update(tables.joins).where(tables.joins.c.id == sa.bindparam("row")).values(counts=sa.bindparam("now")),
            [{"row": r, "now": c} for r, c in zip(rows.row[turned].tolist(), counts[turned].tolist(), strict=True)],
        )
    on, off = counts & ~rows.counted, ~counts & rows.counted
    added = np.stack([p.weaker[on], p.stronger[on]], axis=1)
    removed = np.stack([p.weaker[off], p.stronger[off]], axis=1)
    return repartition(connection, removed, added, fresh_from)


def _with_new(rows: _Rows, new: Pairs) -> _Rows:
    count = len(new)
    no = np.zeros(count, np.bool_)
    together = {
        f.name: np.concatenate([getattr(rows.pairs, f.name), getattr(new, f.name)]) for f in dataclasses.fields(Pairs)
    }
    return _Rows(
        row=np.concatenate([rows.row, np.full(count, -1, np.int64)]),
        pairs=Pairs(**together),
        by_hand=np.concatenate([rows.by_hand, no]),
        order=np.concatenate([rows.order, new.time]),
        counted=np.concatenate([rows.counted, no]),
        undone=np.concatenate([rows.undone, no]),
    )
