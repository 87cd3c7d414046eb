"""Quarantine: an id that would join too many customers joins nothing, until a person says otherwise.

The known disasters are all of one shape: a shop's own e-mail address on every counter sale, a kiosk's tablet, a user id
``guest``. Each is one id that is named together with more others than one person has. So every id has a cap by the
kind of the others (polku.toml, section ``identity``); over it, none of what its events say counts, also what counted
before. The count is of distinct ids and only grows with evidence, so the order of arrival does not matter.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from polku.record import tables
from polku.record.clock import now
from polku.record.hashes import STRENGTH, kind_of
from polku.record.partition import portions
from polku.record.state import State

if TYPE_CHECKING:
    from polku.record.joining import Pairs

Ints = npt.NDArray[np.int64]
HELD, KEPT, RELEASED = "held", "kept", "released"
#: From so many anonymous ids on, a user's are not counted again but noted (table ``crowds``).
CROWD = 100
#: Kinds that a user may be joined with besides anonymous ids.
NAMED = tuple(kind for kind in STRENGTH if kind != "anonymous")


@dataclasses.dataclass(frozen=True, slots=True)
class Caps:
    """How many others of one kind an id may be joined with.

    ``users``: user ids, e-mail addresses, phone or customer numbers with each other; ``users_per_device``: such ids
    seen with one anonymous id; ``devices``: anonymous ids seen with one user.
    """

    users: int = 5
    users_per_device: int = 20
    devices: int = 20_000

    def of(self, kind: str, other: str) -> int:
        """The cap of an id of ``kind`` on ids of the kind ``other``."""
        if kind == "anonymous":
            return self.users_per_device
        return self.devices if other == "anonymous" else self.users


def held(connection: Connection) -> Ints:
    """int64[n]: the numbers of the ids that join nothing."""
    table = tables.quarantine.c
    query = sa.select(table.identity).where(table.verdict != RELEASED)
    return np.array(connection.execute(query).scalars().all(), np.int64)


def newly(state: State, connection: Connection, new: Pairs, fresh_from: int, caps: Caps) -> Ints:
    """Put the ids that the ``new`` pairs bring over their cap into quarantine; their numbers.

    Pairs with an id that is there already are not counted: it is over its cap, whatever comes.
    """
    if not len(new):
        return np.empty(0, np.int64)
    table = tables.quarantine
    judged = set(connection.execute(sa.select(table.c.identity)).scalars())
    more: dict[tuple[int, str], int] = {}
    kinds: dict[int, str] = {}
    for node, kind, other, count in _counted(new, fresh_from, min(dataclasses.astuple(caps))):
        if node not in judged:
            more[node, other] = count
            kinds[node] = kind
    known = [node for node in kinds if not fresh_from or node < fresh_from]
    for (node, other), count in _stored(connection, known).items():
        if (node, other) in more:
            more[node, other] += count
    _note_crowds(state, connection, {n: c for (n, o), c in more.items() if o == "anonymous" and c >= CROWD})
    over: dict[int, tuple[str, int]] = {}
    for (node, other), count in more.items():
        if count > caps.of(kinds[node], other):
            over.setdefault(node, (other, count))
    moment = now()
    state.insert_many(
        connection,
        table,
        {
            "identity": list(over),
            "verdict": [HELD] * len(over),
            "reason": [other for other, _ in over.values()],
            "others": [count for _, count in over.values()],
            "since": [moment] * len(over),
        },
    )
    return np.array(sorted(over), np.int64)


def review(connection: Connection, ids: Sequence[int], caps: Caps) -> list[int]:
    """Let those of ``ids`` out that are held and no longer over their cap, as a person changed their evidence.

    Returns who is out.
    """
    connection.execute(sa.delete(tables.crowds).where(tables.crowds.c.identity.in_(ids)))
    table, who = tables.quarantine, tables.identities.c
    query = (
        sa.select(table.c.identity, who.kind, who.value)
        .join_from(table, tables.identities, table.c.identity == who.id)
        .where(table.c.identity.in_(ids), table.c.verdict == HELD)
    )
    here = {int(i): kind if kind != "user" else kind_of(value) for i, kind, value in connection.execute(query)}
    over = {n for (n, other), count in _stored(connection, list(here)).items() if count > caps.of(here[n], other)}
    free = sorted(set(here) - over)
    if free:
        connection.execute(sa.delete(table).where(table.c.identity.in_(free)))
    return free


def others(connection: Connection, wanted: Sequence[tuple[int, str]]) -> dict[int, int]:
    """How many others of a kind (id, kind) each id has by now."""
    found = _stored(connection, [identity for identity, _ in wanted])
    return {identity: found.get((identity, kind), 0) for identity, kind in wanted}


def judge(connection: Connection, identity: int, verdict: str, by: str) -> None:
    """Write a person's verdict on an id: ``kept`` or ``released``."""
    table = tables.quarantine
    values = {"verdict": verdict, "said_at": now(), "said_by": by}
    done = connection.execute(sa.update(table).where(table.c.identity == identity).values(**values))
    if done.rowcount == 0:
        connection.execute(
            sa.insert(table).values(identity=identity, reason="", others=0, since=values["said_at"], **values)
        )


def _counted(new: Pairs, fresh_from: int, least: int) -> Iterator[tuple[int, str, str, int]]:
    """(id, its kind, kind of the others, how many) over distinct pairs.

    Of ids that nobody knew only those with more than ``least`` others.
    """
    nodes = np.concatenate([new.weaker, new.stronger])
    kinds = np.concatenate([new.weaker_kind, new.stronger_kind])
    others = np.concatenate([new.stronger_kind, new.weaker_kind])
    for kind, other in sorted(set(zip(kinds.tolist(), others.tolist(), strict=True))):
        found, counts = np.unique(nodes[(kinds == kind) & (others == other)], return_counts=True)
        wanted = counts > least
        if fresh_from:
            wanted |= found < fresh_from
        else:
            wanted[:] = True
        for node, count in zip(found[wanted].tolist(), counts[wanted].tolist(), strict=True):
            yield node, kind, other, count


def _stored(connection: Connection, nodes: list[int]) -> dict[tuple[int, str], int]:
    """How many others of each kind each id has in the evidence that is stored: what events said and nobody undid."""
    table = tables.joins.c
    alive: Any = sa.and_(table.undone_at.is_(None), table.said_by.is_(None))
    found: dict[tuple[int, str], int] = {}
    for some in portions(nodes):
        crowds = {(int(row.identity), "anonymous"): int(row.devices) for row in connection.execute(_crowds(some))}
        found.update(crowds)
        few = [node for node in some if (node, "anonymous") not in crowds]
        for mine, other, which, kinds in (
            (table.weaker, table.stronger_kind, some, tuple(STRENGTH)),
            (table.stronger, table.weaker_kind, some, NAMED),
            (table.stronger, table.weaker_kind, few, ("anonymous",)),
        ):
            here = sa.and_(mine.in_(which), other.in_(kinds), alive)
            query = sa.select(mine, other, sa.func.count()).where(here).group_by(mine, other)
            for node, kind, count in connection.execute(query):
                found[int(node), kind] = found.get((int(node), kind), 0) + int(count)
    return found


def _crowds(nodes: list[int]) -> sa.Select[tuple[int, int]]:
    table = tables.crowds.c
    return sa.select(table.identity, table.devices).where(table.identity.in_(nodes))


def _note_crowds(state: State, connection: Connection, crowds: dict[int, int]) -> None:
    for some in portions(sorted(crowds)):
        connection.execute(sa.delete(tables.crowds).where(tables.crowds.c.identity.in_(some)))
        columns: dict[str, Sequence[Any]] = {"identity": some, "devices": [crowds[node] for node in some]}
        state.insert_many(connection, tables.crowds, columns)
