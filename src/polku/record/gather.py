"""What a stream of events says about who is who: distinct ids, pairs of ids seen together, aliases, traits.

Gathering costs a hash and a probe a row; everything dear (strings, SQL) happens once for each distinct id.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from polku.kernels.hashing import combine, hash_strings
from polku.record.hashes import COLUMNS, KINDS, PREFIXED, STRENGTH, Hashes, HashSet, Kind, LeastTimes, id_hash
from polku.record.namedids import named
from polku.record.profiles import Traits

#: What evidence is called that no event's name tells.
EVENTS = "events"
#: Kinds of ids by number, the strongest first.
BY_STRENGTH = tuple(STRENGTH)


@dataclasses.dataclass(frozen=True)
class Seen:
    """Pairs of ids that were named together: hashes, kinds (places in BY_STRENGTH), the first time, that event's name.

    In ``aliases`` the weaker is the former id's hash as a user's, of an id that may never have been seen.
    """

    weaker: Hashes
    stronger: Hashes
    weaker_kind: npt.NDArray[np.uint8]
    stronger_kind: npt.NDArray[np.uint8]
    time: npt.NDArray[np.int64]
    evidence: npt.NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.weaker)


@dataclasses.dataclass(frozen=True)
class Gathered:
    """Distinct ids by kind (hash and value, same order); pairs; aliases; traits."""

    hashes: dict[Kind, Hashes]
    values: dict[Kind, list[str]]
    pairs: Seen
    aliases: Seen
    traits: Traits


class _Pairs:
    """Distinct pairs with their first time and what was seen then."""

    def __init__(self) -> None:
        self._least = LeastTimes()
        self._parts: list[tuple[npt.NDArray[np.generic], ...]] = []

    def take(
        self, weaker: Hashes, stronger: Hashes, weaker_kind: npt.NDArray[np.uint8],
        stronger_kind: npt.NDArray[np.uint8], time: npt.NDArray[np.int64], what: Hashes,
    ) -> None:  # fmt: skip
        keys = weaker.copy()
        combine(keys, stronger)
        keys[keys == 0] = 1
        fresh = self._least.add(keys, time, what)
        self._parts.append((keys[fresh], weaker[fresh], stronger[fresh], weaker_kind[fresh], stronger_kind[fresh]))

    def seen(self, names: dict[int, str]) -> Seen:
        none = np.empty(0, np.uint64)
        empty = (none, none, none, np.empty(0, np.uint8), np.empty(0, np.uint8))
        keys, weaker, stronger, weaker_kind, stronger_kind = (
            np.concatenate(columns) for columns in zip(empty, *self._parts, strict=True)
        )
        time, what = self._least.least(keys)
        evidence = np.array([names[w] for w in what.tolist()], np.object_)
        return Seen(weaker, stronger, weaker_kind, stronger_kind, time, evidence)


class Gather:
    """Takes batches, gives :class:`Gathered`. Not for several threads at once."""

    def __init__(self) -> None:
        self._seen: dict[Kind, HashSet] = {kind: HashSet() for kind in KINDS}
        self._hashes: dict[Kind, list[Hashes]] = {kind: [] for kind in KINDS}
        self._values: dict[Kind, list[pa.Array]] = {kind: [] for kind in KINDS}
        self._pairs, self._aliases = _Pairs(), _Pairs()
        self._names = {0: EVENTS}
        self._traits = Traits()

    def take(self, rows: pa.Table | pa.RecordBatch) -> None:
        """Rows with ``time`` and any of the id columns, ``event``, ``context``, ``seq``."""
        hashes: dict[Kind, Hashes] = {}
        for kind in KINDS:
            if COLUMNS[kind] not in rows.schema.names:
                continue
            column = rows.column(COLUMNS[kind])
            if column.null_count == len(column):
                continue
            found = hashes[kind] = id_hash(kind, column)
            fresh = self._seen[kind].add(found)
            if len(fresh):
                self._hashes[kind].append(found[fresh])
                self._values[kind].append(_plain(column.take(pa.array(fresh))))
        if "user" in hashes and "anonymous" in hashes:
            self._take_pairs(rows, hashes["anonymous"], hashes["user"])
        if "context" in rows.schema.names:
            self._take_named(rows, hashes)
            if hashes:
                self._traits.take(rows, hashes)

    def _take_pairs(self, rows: pa.Table | pa.RecordBatch, anonymous: Hashes, user: Hashes) -> None:
        both = np.flatnonzero((anonymous != 0) & (user != 0))
        if len(both):
            where = pa.array(both)
            self._pairs.take(
                anonymous[both],
                user[both],
                np.full(len(both), STRENGTH["anonymous"], np.uint8),
                kinds_of(rows.column(COLUMNS["user"]).take(where)),
                micros(rows.column("time"))[both],
                self._what(rows, where),
            )

    def _take_named(self, rows: pa.Table | pa.RecordBatch, hashes: dict[Kind, Hashes]) -> None:
        """Ids of other kinds, and former ids, which stand in ``context.ids``."""
        where = with_key(rows.column("context"), '"ids"')
        if not len(where):
            return
        told = named(rows, hashes, where, self._what(rows, pa.array(where)))
        for kind, values in told.ids.items():
            found = id_hash(kind, values)
            fresh = self._seen[kind].add(found)
            self._hashes[kind].append(found[fresh])
            self._values[kind].append(values.take(pa.array(fresh)))
        for pairs, into in ((told.pairs, self._pairs), (told.aliases, self._aliases)):
            if len(pairs):
                into.take(*pairs.columns())

    def _what(self, rows: pa.Table | pa.RecordBatch, where: pa.Array) -> Hashes:
        """uint64[n]: the hash of each event's name, which is remembered."""
        if "event" not in rows.schema.names:
            return np.zeros(len(where), np.uint64)
        words = _plain(rows.column("event").take(where)).dictionary_encode()
        hashes = hash_strings(words.dictionary)
        self._names.update(zip(hashes.tolist(), words.dictionary.to_pylist(), strict=True))
        taken: Hashes = hashes[words.indices.to_numpy(zero_copy_only=False)]
        return taken

    def gathered(self, first_seq: int = 0) -> Gathered:
        """All that was seen; ``first_seq`` is added to the traits' seq (rows were numbered from 0)."""
        nothing = np.empty(0, np.uint64)
        return Gathered(
            hashes={k: np.concatenate([nothing, *self._hashes[k]]) for k in KINDS},
            values={k: [v for part in self._values[k] for v in part.to_pylist()] for k in KINDS},
            pairs=self._pairs.seen(self._names),
            aliases=self._aliases.seen(self._names),
            traits=self._traits.shifted(first_seq),
        )


@functools.lru_cache(maxsize=4096)
def rank(evidence: str) -> int:
    """What decides between two events of the same time: the hash of the name, as gathering compares them."""
    return 0 if evidence == EVENTS else int(hash_strings(pa.array([evidence], pa.string()))[0])


def kinds_of(users: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.uint8]:
    """uint8[n]: what each user id names a person by, as a place in BY_STRENGTH.

    >>> [BY_STRENGTH[k] for k in kinds_of(pa.array(["anna", "email:x", None]))]
    ['user', 'email', 'user']
    """
    found = np.full(len(users), STRENGTH["user"], np.uint8)
    plain = _plain(users)
    for kind in PREFIXED:
        found[np.asarray(pc.fill_null(pc.starts_with(plain, f"{kind}:"), False))] = STRENGTH[kind]
    return found


def with_key(context: pa.Array | pa.ChunkedArray, key: str) -> npt.NDArray[np.int64]:
    """int64[k]: the rows whose JSON text may hold the (quoted) key."""
    if context.null_count == len(context):
        return np.empty(0, np.int64)
    if pa.types.is_dictionary(context.type):
        context = context.cast(pa.string())
    return np.flatnonzero(np.asarray(pc.fill_null(pc.match_substring(context, key), False)))


def micros(time: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """int64[n]: microseconds since 1970 of a timestamp column."""
    values = pc.cast(pc.cast(time, pa.timestamp("us", tz="UTC")), pa.int64())
    found: npt.NDArray[np.int64] = np.asarray(values)
    return found


def _plain(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    values = column.cast(pa.string())
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
