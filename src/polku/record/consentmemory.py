"""Consent in memory: arrays of all decisions by customer, and beside them those customers who changed since.

A million customers with a decision each take some 60 megabytes. An id is known by a hash of Python's own, which
is another in every process: it never leaves memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, cast

import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from polku.kernels import consent as kernels
from polku.record import joining, tables
from polku.record.hashes import SEEDS, Kind, id_hash

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from polku.record.state import State

#: So many ids beside the arrays, and the arrays are made anew.
FOLD: Final = 50_000
#: Purposes fit the bits of an integer.
MOST_PURPOSES: Final = 62
COUNTERS: Final = ("consent", "identity", "customer")


class Row(NamedTuple):
    """A decision as it counts: of several the one with the greatest (time, id) by a moment holds."""

    time: int
    id: int
    purpose: str
    granted: bool


def key_of(kind: str, value: str) -> int:
    """63 bits for an id; never 0."""
    return hash((kind, value)) & 0x7FFF_FFFF_FFFF_FFFF or 1


class Memory:
    """See the module. Made by :meth:`load`, brought up to date by :meth:`advance`."""

    def __init__(self) -> None:
        self.counters = (0, 0, 0)
        self.purposes: list[str] = []
        self._table = np.zeros(2, np.uint64)
        self._groups = np.zeros(2, np.int32)
        self._offsets = np.zeros(1, np.int64)
        self._times = np.empty(0, np.int64)
        self._ids = np.empty(0, np.int64)
        self._codes = np.empty(0, np.uint8)
        self._granted = np.empty(0, np.bool_)
        self._over_keys: dict[int, int] = {}
        self._over_rows: dict[int, list[Row]] = {}
        self._shadowed: set[int] = set()
        self._next = 0
        self._sets: dict[tuple[int, int], tuple[frozenset[str], frozenset[str]]] = {}

    def __bool__(self) -> bool:
        return bool(len(self._times) or self._over_rows)

    # -- asking ------------------------------------------------------------------------------------------------------

    def held(self, ids: Iterable[tuple[str, str]], time: int) -> tuple[frozenset[str], frozenset[str]] | None:
        """(granted, denied) at ``time`` over all these ids; None when nothing was decided by then."""
        groups: list[int] = []
        for kind, value in ids:
            group = self._group(key_of(kind, value))
            if group >= 0 and group not in groups:
                groups.append(group)
        if not groups:
            return None
        if len(groups) == 1 and groups[0] not in self._over_rows and groups[0] < len(self._offsets) - 1:
            decided, granted = kernels.as_of(self._offsets, self._times, self._codes, self._granted, groups[0], time)
            return self._named(int(decided), int(granted)) if decided else None
        latest: dict[str, bool] = {}
        for row in sorted(row for group in groups for row in self._rows(group)):
            if row.time <= time:
                latest[row.purpose] = row.granted
        if not latest:
            return None
        return frozenset(p for p, yes in latest.items() if yes), frozenset(p for p, yes in latest.items() if not yes)

    def knows(self, kind: str, value: str | None) -> bool:
        """Whether the customer of an id ever decided anything."""
        return value is not None and self._group(key_of(kind, value)) >= 0

    def counts(self, time: int) -> dict[str, tuple[int, int, int]]:
        """Customers by purpose as of ``time``: (granted, withdrawn, denied)."""
        shadowed = np.zeros(max(len(self._offsets) - 1, 0), np.bool_)
        shadowed[[g for g in (*self._shadowed, *self._over_rows) if g < len(shadowed)]] = True
        base = kernels.counts(
            self._offsets, self._times, self._codes, self._granted, shadowed, len(self.purposes), time
        )
        found = {purpose: base[number].tolist() for number, purpose in enumerate(self.purposes)}
        for group, rows in list(self._over_rows.items()):
            if group in self._shadowed:
                continue
            latest: dict[str, bool] = {}
            ever: set[str] = set()
            for row in rows:
                if row.time <= time:
                    latest[row.purpose] = row.granted
                    if row.granted:
                        ever.add(row.purpose)
            for purpose, yes in latest.items():
                found.setdefault(purpose, [0, 0, 0])[0 if yes else 1 if purpose in ever else 2] += 1
        return {purpose: (numbers[0], numbers[1], numbers[2]) for purpose, numbers in found.items() if any(numbers)}

    def _group(self, key: int) -> int:
        group = self._over_keys.get(key)
        return int(kernels.find(self._table, self._groups, key)) if group is None else group

    def _rows(self, group: int) -> list[Row]:
        over = self._over_rows.get(group)
        if over is not None:
            return over
        if group >= len(self._offsets) - 1:
            return []
        start, end = int(self._offsets[group]), int(self._offsets[group + 1])
        return [
            Row(int(self._times[i]), int(self._ids[i]), self.purposes[self._codes[i]], bool(self._granted[i]))
            for i in range(start, end)
        ]

    def _named(self, decided: int, granted: int) -> tuple[frozenset[str], frozenset[str]]:
        if (known := self._sets.get((decided, granted))) is None:
            yes = frozenset(p for n, p in enumerate(self.purposes) if granted >> n & 1)
            no = frozenset(p for n, p in enumerate(self.purposes) if (decided & ~granted) >> n & 1)
            known = self._sets[(decided, granted)] = (yes, no)
        return known

    # -- making ------------------------------------------------------------------------------------------------------

    @classmethod
    def load(cls, state: State, connection: Connection) -> Self:
        """All decisions of the state."""
        made = cls()
        made.counters = _counters(state, connection)
        c = tables.consents.c
        rows = connection.execute(sa.select(c.kind, c.value, c.purpose, c.granted, c.time, c.id).order_by(c.id)).all()
        if not rows:
            return made
        ids = list(dict.fromkeys((kind, value) for kind, value, *_ in rows))
        customers = _customers(connection, ids)
        group_of: dict[int, int] = {}  # customer -> group
        keys: list[int] = []
        groups: list[int] = []
        of_id: dict[tuple[str, str], int] = {}
        for one in ids:
            customer = customers.get(one)
            group = len(of_id) if customer is None else group_of.setdefault(customer, len(of_id))
            of_id[one] = group
            keys.append(key_of(*one))
            groups.append(group)
        for kind, value, customer in _members(connection, sorted(group_of)):
            keys.append(key_of(kind, value))
            groups.append(group_of[customer])
        made.purposes = list(dict.fromkeys(row[2] for row in rows))
        code = {purpose: number for number, purpose in enumerate(made.purposes)}
        whose = np.array([of_id[(kind, value)] for kind, value, *_ in rows], np.int64)
        times = np.array([row[4] for row in rows], np.int64)
        order = np.lexsort((times, whose))  # stable: equal times stay in order of the number
        made._times, made._ids = times[order], np.array([row[5] for row in rows], np.int64)[order]
        made._codes = np.array([code[row[2]] for row in rows], np.uint8)[order]
        made._granted = np.array([row[3] for row in rows], np.bool_)[order]
        made._next = max(groups) + 1
        made._offsets = np.searchsorted(whose[order], np.arange(made._next + 1)).astype(np.int64)
        size = 1 << max(4, int(2 * len(keys)).bit_length())
        made._table, made._groups = np.zeros(size, np.uint64), np.zeros(size, np.int32)
        kernels.insert(made._table, made._groups, np.array(keys, np.uint64), np.array(groups, np.int32))
        return made

    def add(self, rows: Sequence[tuple[str, str, Row]]) -> None:
        """Take decisions that this process has just committed; their customer's other ids follow by :meth:`advance`."""
        for kind, value, row in rows:
            key = key_of(kind, value)
            group = self._group(key)
            if group < 0:
                group, self._next = self._next, self._next + 1
                self._over_rows[group] = []
            self._over_rows[group] = sorted([*self._rows(group), row])
            self._over_keys[key] = group

    def advance(self, state: State, connection: Connection) -> bool:
        """Take in what changed in the state; False when all of it is better read anew."""
        before, after = self.counters, _counters(state, connection)
        if before == after:
            return True
        if any(a < b for a, b in zip(after, before, strict=True)) or len(self._over_keys) > FOLD:
            return False
        c, change, who = tables.consents.c, tables.identity_changes.c, tables.identities.c
        new = connection.execute(sa.select(c.kind, c.value).where(c.id > before[0]).limit(FOLD + 1)).all()
        changed = connection.execute(
            sa.select(change.kind, change.customer, change.survivor).where(change.counter > before[1]).limit(FOLD + 1)
        ).all()
        joined = connection.execute(
            sa.select(who.customer).where(who.id > before[2], who.customer != who.id).limit(FOLD + 1)
        ).all()
        if max(len(new), len(changed), len(joined)) > FOLD or any(row.kind == "erased" for row in changed):
            return False
        ids = list(dict.fromkeys((kind, value) for kind, value in new))
        customers = _customers(connection, ids)
        due = set(customers.values()) | {int(row.customer) for row in joined}
        due |= {int(k) for row in changed for k in (row.customer, row.survivor) if k is not None}
        due |= _living(connection, sorted(due))
        groups: dict[int, list[tuple[str, str]]] = {}
        for kind, value, customer in _members(connection, sorted(due)):
            groups.setdefault(customer, []).append((kind, value))
        alone = [[one] for one in ids if one not in customers]
        self._reload(connection, [*groups.values(), *alone])
        self.counters = after
        return True

    def _reload(self, connection: Connection, customers: list[list[tuple[str, str]]]) -> None:
        """Put these customers, each with all of their ids, beside the arrays, as the state has them."""
        wanted = {one for ids in customers for one in ids}
        found: dict[tuple[str, str], list[Row]] = {}
        values = sorted({value for _, value in wanted})
        c = tables.consents.c
        for at in range(0, len(values), joining.MANY):
            query = sa.select(c.kind, c.value, c.time, c.id, c.purpose, c.granted).where(
                c.value.in_(values[at : at + joining.MANY])
            )
            for kind, value, *row in connection.execute(query):
                if (kind, value) in wanted:
                    found.setdefault((kind, value), []).append(Row(*row))
        for ids in customers:
            keys = [key_of(*one) for one in ids]
            known = {key: group for key in keys if (group := self._group(key)) >= 0}
            rows = sorted(row for one in ids for row in found.get(one, ()))
            if not rows and not known:
                continue
            for group in set(known.values()):
                self._shadowed.add(group)
                self._over_rows.pop(group, None)
            group, self._next = self._next, self._next + 1
            self._over_rows[group] = rows
            for key in keys:
                self._over_keys[key] = group


def _counters(state: State, connection: Connection) -> tuple[int, int, int]:
    first, second, third = (state.counter(connection, name) for name in COUNTERS)
    return first, second, third


def _customers(connection: Connection, ids: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """The customer of each id that identities know."""
    found: dict[tuple[str, str], int] = {}
    who = tables.identities.c
    for kind in SEEDS:
        values = [value for k, value in ids if k == kind]
        for at in range(0, len(values), joining.MANY):
            some = values[at : at + joining.MANY]
            hashes = id_hash(cast(Kind, kind), pa.array(some, pa.string())).view(np.int64).tolist()
            query = sa.select(who.hash, who.customer).where(who.hash.in_([h for h in hashes if h]))
            of = {int(h): int(customer) for h, customer in connection.execute(query)}
            found.update({(kind, v): of[h] for v, h in zip(some, hashes, strict=True) if h in of})
    return found


def _living(connection: Connection, customers: Sequence[int]) -> set[int]:
    """Where the ids numbered so live now."""
    who = tables.identities.c
    found: set[int] = set()
    for at in range(0, len(customers), joining.MANY):
        query = sa.select(who.customer).where(who.id.in_(customers[at : at + joining.MANY]))
        found |= {int(customer) for (customer,) in connection.execute(query)}
    return found


def _members(connection: Connection, customers: Sequence[int]) -> Iterator[tuple[str, str, int]]:
    """(kind, value, customer) of every id of these customers."""
    for at in range(0, len(customers), joining.MANY):
        rows: list[Any] = joining.members(connection, customers[at : at + joining.MANY])
        for row in rows:
            yield row.kind, row.value, int(row.customer)
