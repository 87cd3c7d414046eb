"""Ids of other kinds, which an event names in ``context.ids``: what they are and what they say about each other.

``{"email": "<hash>", "number": "K-1001"}`` are other names of the person whose event it is; each is a user id written
``kind:value``. ``previous`` (of an alias) is an id that this person had before, a user's or an anonymous one: the event
does not tell which. So it is taken as an anonymous id, and as a user when a user with that id is ever seen.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from polku.record.hashes import COLUMNS, JUNK, PREFIXED, STRENGTH, Hashes, Kind, id_hash, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable

#: The key of ``context.ids`` under which an alias names the former id.
PREVIOUS = "previous"
KIND = re.compile(r"[a-z][a-z0-9_]{0,30}")
NOBODY = frozenset(JUNK)
#: Characters of the longest id that is believed, and ids of one kind that one event may name.
LONGEST, MOST = 200, 20


@dataclasses.dataclass
class Named:
    """Pairs of ids with kinds, times and what was seen, collected row by row."""

    weaker: list[int] = dataclasses.field(default_factory=list)
    stronger: list[int] = dataclasses.field(default_factory=list)
    weaker_kind: list[int] = dataclasses.field(default_factory=list)
    stronger_kind: list[int] = dataclasses.field(default_factory=list)
    time: list[int] = dataclasses.field(default_factory=list)
    what: list[int] = dataclasses.field(default_factory=list)

    def __len__(self) -> int:
        return len(self.weaker)

    def add(self, one: tuple[str, int], other: tuple[str, int], time: int, what: int) -> None:
        """A pair of (kind, hash), whichever is the stronger: by kind, then by the lesser hash."""
        strong, weak = sorted((one, other), key=_by_strength)
        self.put(weak, strong, time, what)

    def put(self, weak: tuple[str, int], strong: tuple[str, int], time: int, what: int) -> None:
        """A pair whose order is known."""
        self.weaker.append(weak[1])
        self.stronger.append(strong[1])
        self.weaker_kind.append(STRENGTH[weak[0]])
        self.stronger_kind.append(STRENGTH[strong[0]])
        self.time.append(time)
        self.what.append(what)

    def columns(
        self,
    ) -> tuple[Hashes, Hashes, npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.int64], Hashes]:
        """As arrays: weaker, stronger, their kinds, time, what."""
        return (
            np.array(self.weaker, np.uint64),
            np.array(self.stronger, np.uint64),
            np.array(self.weaker_kind, np.uint8),
            np.array(self.stronger_kind, np.uint8),
            np.array(self.time, np.int64),
            np.array(self.what, np.uint64),
        )


@dataclasses.dataclass
class Told:
    """What rows with ``context.ids`` tell: ids that they name (texts by kind), pairs, aliases (former id, user)."""

    ids: dict[Kind, pa.Array]
    pairs: Named
    aliases: Named


def names_in(ids: Any) -> Iterator[tuple[str, str]]:
    """(kind, id) of everything that an object ``context.ids`` names; what is no id is left out.

    >>> list(names_in({"email": "h1", "number": 7, "previous": ["a", None], "Odd Kind": "x"}))
    [('email', 'h1'), ('number', '7'), ('previous', 'a')]
    """
    if not isinstance(ids, dict):
        return
    for kind, given in ids.items():
        if not _is_kind(kind):
            continue
        if type(given) is str:  # nearly all
            text = given.strip()
            if 0 < len(text) <= LONGEST and text.isprintable():
                yield kind, text
            continue
        for value in itertools.islice(given if isinstance(given, list) else [given], MOST):
            if isinstance(value, bool) or not isinstance(value, (str, int)):
                continue
            text = str(value).strip()
            if 0 < len(text) <= LONGEST and text.isprintable():
                yield kind, text


@functools.lru_cache(maxsize=1024)
def _is_kind(word: str) -> bool:
    return KIND.fullmatch(word) is not None


def strongest(ids: Any) -> str | None:
    """The user id of an event that names nobody but in ``context.ids``: the most telling of them, or None.

    >>> strongest({"email": "h1", "number": "K-1001"}), strongest({"previous": "a"})
    ('number:K-1001', None)
    """
    users = (_user(k, v) for k, v in names_in(ids) if k != PREVIOUS and v.strip('" ').lower() not in NOBODY)
    return min(users, key=lambda user: (STRENGTH[kind_of(user)], user), default=None)


def _user(kind: str, value: str) -> str:
    """How the id is written as a user's; ``user`` and ``user_id`` are plain user ids."""
    return value if kind in ("user", "user_id") else f"{kind}:{value}"


def _junk(users: Iterable[str]) -> list[bool]:
    """Which of them name nobody: junk, or junk behind the kind."""
    whole = list(users)
    bare = [user.partition(":")[2] if kind_of(user) != "user" else user for user in whole]
    found = (id_hash("user", pa.array(whole, pa.string())) == 0) | (id_hash("user", pa.array(bare, pa.string())) == 0)
    return [bool(f) for f in found]


def named(
    rows: pa.Table | pa.RecordBatch, hashes: Mapping[Kind, Hashes], where: npt.NDArray[np.int64], what: Hashes
) -> Told:
    """What the rows ``where`` tell, whose context may hold ids. ``hashes``: the rows' own ids; ``what``: of them."""
    lines = _distinct(rows, hashes, where, what)
    parsed = [_parsed(ids) for _, _, _, ids, _, _ in lines]
    users = dict.fromkeys(text for line, _ in parsed for text in line)
    former = dict.fromkeys(text for _, line in parsed for text in line)
    every = list(dict.fromkeys([*users, *former]))
    junk = _junk(every)
    as_user = dict(zip(every, id_hash("user", pa.array(every, pa.string())).tolist(), strict=True))
    as_user |= {text: 0 for text, nobody in zip(every, junk, strict=True) if nobody}
    as_anonymous = dict(zip(former, id_hash("anonymous", pa.array(list(former), pa.string())).tolist(), strict=True))
    told = Told({}, Named(), Named())
    aliased: dict[str, None] = {}
    for (text, user, anonymous, _, time, seen), (others, previous) in zip(lines, parsed, strict=True):
        ends = [(kind_of(other), as_user[other]) for other in others if as_user[other]]
        own = (kind_of(text), user) if user else min(ends, key=_by_strength, default=None)
        if own is None:
            continue
        if anonymous and not user:
            told.pairs.add(("anonymous", anonymous), own, time, seen)
        for end in ends:
            if end != own:
                told.pairs.add(own, end, time, seen)
        for name in previous:
            if not as_user[name] or as_user[name] == own[1]:
                continue
            if kind_of(name) in PREFIXED:  # an address is always a person's
                users[name] = None
                told.pairs.add(own, (kind_of(name), as_user[name]), time, seen)
                continue
            aliased[name] = None
            told.pairs.add(("anonymous", as_anonymous[name]), own, time, seen)
            told.aliases.put(("user", as_user[name]), own, time, seen)
    told.ids["user"] = pa.array([name for name in users if as_user[name]], pa.string())
    told.ids["anonymous"] = pa.array(list(aliased), pa.string())
    return told


def _by_strength(end: tuple[str, int]) -> tuple[int, int]:
    return STRENGTH[end[0]], end[1]


def _parsed(ids: str) -> tuple[list[str], list[str]]:
    """Users that the text of an object ``context.ids`` names, and former ids."""
    try:
        try:
            found = msgspec.json.decode(ids)
        except msgspec.DecodeError:  # what DuckDB's reader takes beyond the standard
            found = json.loads(ids, parse_int=str)
    except RecursionError:  # nested a thousand deep: no ids, whatever it is
        return [], []
    users: list[str] = []
    former: list[str] = []
    for kind, value in names_in(found):
        if kind == PREVIOUS:
            former.append(value)
        else:
            users.append(_user(kind, value))
    return users, former


def _distinct(
    rows: pa.Table | pa.RecordBatch, hashes: Mapping[Kind, Hashes], where: npt.NDArray[np.int64], what: Hashes
) -> list[tuple[str, int, int, str, int, int]]:
    """Each different (user id, its hash, anonymous id's hash, ids) once, with its first time and what was seen then."""
    import duckdb  # here: opening a project must not wait for it

    nobody = np.zeros(rows.num_rows, np.uint64)
    at = pa.array(where)
    texts = (
        rows.column(COLUMNS["user"]).take(at).cast(pa.string()) if "user" in hashes else pa.nulls(len(at), pa.string())
    )
    found = pa.table(
        {
            "name": texts,
            "user": hashes.get("user", nobody)[where],
            "anonymous": hashes.get("anonymous", nobody)[where],
            "context": rows.column("context").take(at).cast(pa.string()),
            "time": pc.cast(pc.cast(rows.column("time").take(at), pa.timestamp("us", tz="UTC")), pa.int64()),
            "what": what,
        }
    )
    with duckdb.connect() as connection:
        connection.register("found", found)
        lines = connection.execute(
            """
            select coalesce(name, ''), "user", anonymous, ids, min(seen).time, min(seen).what
            from (select name, "user", anonymous, {'time': time, 'what': what} as seen,
                         cast(json_extract(try_cast(context as json), '$.ids') as varchar) as ids from found)
            where ids is not null
            group by all
            """
        ).fetchall()
        connection.unregister("found")
    return [(str(n), int(u), int(a), str(ids), int(time), int(seen)) for n, u, a, ids, time, seen in lines]
