"""Aliases: an event says that a former id is now this user. The former id may be a user's, who is seen only later.

So each alias is noted by the hash that its former id has as a user's; the pair is evidence as soon as both users are
known, whichever comes last.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from polku.record import tables
from polku.record.gather import Gathered, Seen, rank
from polku.record.hashes import STRENGTH, Hashes, kind_of
from polku.record.partition import portions

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from polku.record.state import State

#: The counter of aliases ever noted: most projects have none, and ask nothing more.
NOTED = "aliases"
Columns = tuple[int, int, int, int, int, str]  # weaker, stronger, their kinds, time, evidence


def with_aliases(
    state: State, connection: Connection, gathered: Gathered, fresh: Hashes, known: npt.NDArray[np.bool_],
    users: npt.NDArray[np.int64],
) -> Seen:  # fmt: skip
    """All pairs of what was gathered: those seen together, and both ends of each alias whose former user is known.

    ``fresh``: user ids that are new; ``known`` and ``users``: of each gathered alias, whether its former id was ever
    seen as a user's, and the number of the user that it is now.
    """
    new = gathered.aliases
    found = _waiting(connection, fresh) if state.counter(connection, NOTED) else []
    if len(new):
        _note(state, connection, new, users)
        found += _columns(new, np.flatnonzero(known))
    if not found:
        return gathered.pairs
    least: dict[tuple[int, int], Columns] = {}
    for pair in [*_columns(gathered.pairs, np.arange(len(gathered.pairs))), *map(_ordered, found)]:
        before = least.setdefault(pair[:2], pair)
        if (pair[4], rank(pair[5])) < (before[4], rank(before[5])):
            least[pair[:2]] = pair
    weaker, stronger, weaker_kind, stronger_kind, time, evidence = zip(*least.values(), strict=True)
    return Seen(
        np.array(weaker, np.uint64), np.array(stronger, np.uint64), np.array(weaker_kind, np.uint8),
        np.array(stronger_kind, np.uint8), np.array(time, np.int64), np.array(evidence, np.object_),
    )  # fmt: skip


def _columns(seen: Seen, which: npt.NDArray[np.int64]) -> list[Columns]:
    columns = (seen.weaker, seen.stronger, seen.weaker_kind, seen.stronger_kind, seen.time, seen.evidence)
    return list(zip(*(column[which].tolist() for column in columns), strict=True))


def _ordered(pair: Columns) -> Columns:
    """The pair with its weaker id first, as polku.record.namedids orders them."""
    weaker, stronger, weaker_kind, stronger_kind, time, evidence = pair
    if (weaker_kind, weaker) < (stronger_kind, stronger):
        return stronger, weaker, stronger_kind, weaker_kind, time, evidence
    return pair


def _waiting(connection: Connection, fresh: Hashes) -> list[Columns]:
    """Aliases noted before whose former id is a user that is seen for the first time now."""
    table, who = tables.aliases, tables.identities
    found: list[Columns] = []
    for some in portions(fresh.view(np.int64).tolist()):
        query = (
            sa.select(table.c.former, table.c.time, table.c.evidence, who.c.hash, who.c.value)
            .join_from(table, who, table.c.user == who.c.id)
            .where(table.c.former.in_(some))
        )
        for former, time, evidence, user, value in connection.execute(query):
            kinds = STRENGTH["user"], STRENGTH[kind_of(value)]
            found.append((former % 2**64, user % 2**64, *kinds, time, evidence))
    return found


def _note(state: State, connection: Connection, new: Seen, users: npt.NDArray[np.int64]) -> None:
    table = tables.aliases
    ends = zip(new.weaker.view(np.int64).tolist(), users.tolist(), strict=True)
    told = dict(zip(ends, zip(new.time.tolist(), new.evidence.tolist(), strict=True), strict=True))
    for some in portions(list(told)):
        query = sa.select(table).where(sa.tuple_(table.c.former, table.c.user).in_(some))
        for row in connection.execute(query).all():
            first = told.pop((row.former, row.user))
            if (first[0], rank(first[1])) < (row.time, rank(row.evidence)):
                same = sa.and_(table.c.former == row.former, table.c.user == row.user)
                connection.execute(sa.update(table).where(same).values(time=first[0], evidence=first[1]))
    if told:
        columns: dict[str, Sequence[Any]] = {
            "former": [former for former, _ in told],
            "user": [user for _, user in told],
            "time": [time for time, _ in told.values()],
            "evidence": [evidence for _, evidence in told.values()],
        }
        state.insert_many(connection, table, columns)
        state.reserve(connection, NOTED, len(told))
