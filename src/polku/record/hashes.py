"""What an id is called in arrays: a 64-bit hash of its kind and value; and sets of such hashes.

The hash is part of the format on disk (state, trails), so seeds never change.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from polku.kernels.compiled import typed
from polku.kernels.hashing import hash_strings

Kind = Literal["user", "anonymous", "account"]
KINDS: Final[tuple[Kind, ...]] = ("user", "anonymous", "account")
SEEDS: Final = {"user": 0x75736572, "anonymous": 0x616E6F6E, "account": 0x61636374}
COLUMNS: Final = {"user": "user_id", "anonymous": "anonymous_id", "account": "account_id"}

#: User ids that name a person by something else than an account: ``email:<hash>``, ``phone:<hash>``, ``number:K-7``.
PREFIXED: Final = ("number", "email", "phone")
#: How telling an id is; of two ids that are named together the weaker belongs to the stronger.
STRENGTH: Final = {kind: i for i, kind in enumerate(("account", "user", *PREFIXED, "anonymous"))}

#: What broken trackers send for "nobody" (PostHog's list of illegal distinct ids, what
#: spreadsheets and unfilled mail templates leave, the device id that a fault gave to all of certain phones): such an
#: id names nobody, and joins nothing, or thousands of people would become one.
JUNK: Final = (
    "", "0", "-", "--", "-1", ".", "?", "n/a", "na", "nan", "none", "null", "nil", "void", "undefined", "unknown",
    "unset", "not set", "notset", "missing", "empty", "blank", "anonymous", "anon", "guest", "visitor", "nobody",
    "false", "true", "id", "ids", "uid", "uuid", "guid", "email", "e-mail", "phone", "string", "test", "testuser",
    "test_user", "user_id", "userid", "anonymous_id", "anonymousid", "client_id", "clientid", "customer_id",
    "customerid", "distinct_id", "distinctid", "not_authenticated", "not_logged_in", "logged_out", "guest_user",
    "cookie_disabled", "[object object]", "[object undefined]", "function", "(not set)", "(none)", "(not provided)",
    "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "0000000000", "00000000",
    "#n/a", "#ref!", "#value!", "\\n", "{}", "[]", "{{user_id}}", "{{ user_id }}", "{{customer.id}}",
    "{{ customer.id }}", "${user_id}", "%user_id%", "{user_id}", "[user_id]", "<user_id>", "*|email|*", "{{email}}",
    "{{ email }}", "%%email%%", "%email%", "[email]", "vieras", "tuntematon", "nimetön", "ei tiedossa", "puuttuu",
    "9774d56d682e549c", "xxx", "xxxx", "asdf",
)  # fmt: skip
_CASES = sorted({case for word in JUNK for case in (word, word.upper(), word.capitalize(), word.title(), f'"{word}"')}
                | {"NaN", "[object Object]", " "})  # fmt: skip

Hashes = npt.NDArray[np.uint64]


def id_hash(kind: Kind, values: pa.Array | pa.ChunkedArray) -> Hashes:
    """uint64[n]: the hash of each id (string, dictionary or integer array); 0 for a null and for junk, which is nobody.

    >>> id_hash("user", pa.array(["anna", None, "null"]))[1:].tolist()
    [0, 0]
    >>> bool(id_hash("user", pa.array(["7"]))[0] == id_hash("anonymous", pa.array(["7"]))[0])
    False
    """
    if pa.types.is_integer(values.type):
        values = values.cast(pa.string())
    hashes = hash_strings(values, SEEDS[kind])
    _blank(hashes, _junk(kind))
    return hashes


def kind_of(user: str) -> str:
    """What a user id names a person by: ``user``, or ``email``, ``phone``, ``number`` for those that say so.

    >>> kind_of("number:K-1001"), kind_of("anna"), kind_of("auth0:7")
    ('number', 'user', 'user')
    """
    head, colon, _ = user.partition(":")
    return head if colon and head in PREFIXED else "user"


_junk_hashes: dict[str, Hashes] = {}


def _junk(kind: Kind) -> Hashes:
    if kind not in _junk_hashes:
        _junk_hashes[kind] = np.sort(hash_strings(pa.array(_CASES), SEEDS[kind]))
    return _junk_hashes[kind]


@typed("void(uint64[::1], uint64[::1])")
def _blank(hashes, junk):  # type: ignore[no-untyped-def]
    """Set every hash that is in the sorted ``junk`` to 0. A filter of 64 Ki bits spares nearly all searches."""
    bits = np.zeros(65536, np.uint8)
    for j in range(len(junk)):
        bits[junk[j] & np.uint64(65535)] = 1
    for i in range(len(hashes)):
        if bits[hashes[i] & np.uint64(65535)]:
            low, high = 0, len(junk)  # no np.searchsorted: loading it from the cache would bring SciPy in
            while low < high:
                middle = (low + high) // 2
                if junk[middle] < hashes[i]:
                    low = middle + 1
                else:
                    high = middle
            if low < len(junk) and junk[low] == hashes[i]:
                hashes[i] = 0


@typed("int64(uint64[::1], uint64[::1], int64[::1])")
def _insert_new(table, hashes, fresh):  # type: ignore[no-untyped-def]
    """Put hashes into the open-addressing ``table``; ``fresh`` gets the rows of the new ones. 0 is nobody."""
    mask = np.uint64(len(table) - 1)
    count = 0
    for i in range(len(hashes)):
        h = hashes[i]
        if h == 0:
            continue
        slot = h & mask
        while table[slot] != 0 and table[slot] != h:
            slot = (slot + np.uint64(1)) & mask
        if table[slot] == 0:
            table[slot] = h
            fresh[count] = i
            count += 1
    return count


@typed("int64(uint64[::1], int64[::1], uint64[::1], uint64[::1], int64[::1], uint64[::1], int64[::1])")
def _insert_least(table, least, what, keys, times, whats, fresh):  # type: ignore[no-untyped-def]
    """As _insert_new, and keep the least (time, what) of each key in ``least`` and ``what``, slot by slot."""
    mask = np.uint64(len(table) - 1)
    count = 0
    for i in range(len(keys)):
        h = keys[i]
        slot = h & mask
        while table[slot] != 0 and table[slot] != h:
            slot = (slot + np.uint64(1)) & mask
        if table[slot] == 0:
            table[slot] = h
            least[slot] = times[i]
            what[slot] = whats[i]
            fresh[count] = i
            count += 1
        elif times[i] < least[slot] or (times[i] == least[slot] and whats[i] < what[slot]):
            least[slot] = times[i]
            what[slot] = whats[i]
    return count


def _size(entries: int) -> int:
    return 1 << max(12, int(2 * entries).bit_length())


class HashSet:
    """A growing set of non-zero hashes."""

    def __init__(self) -> None:
        self._table = np.zeros(_size(0), np.uint64)
        self.count = 0

    def add(self, hashes: Hashes) -> npt.NDArray[np.int64]:
        """int64[k]: the rows whose hash was not in the set before, the first of each; they are in it now."""
        fresh = np.empty(len(hashes), np.int64)
        self._room(len(hashes))
        count = _insert_new(self._table, np.ascontiguousarray(hashes), fresh)
        self.count += count
        return fresh[:count].copy()

    def _room(self, more: int) -> None:
        if _size(self.count + more) > len(self._table):
            old = self._table[self._table != 0]
            self._table = np.zeros(_size(self.count + more), np.uint64)
            _insert_new(self._table, old, np.empty(len(old), np.int64))


class LeastTimes:
    """A growing map from non-zero keys to the least time seen with each, and what was seen then (equal: the less)."""

    def __init__(self) -> None:
        self._table = np.zeros(_size(0), np.uint64)
        self._least = np.zeros(_size(0), np.int64)
        self._what = np.zeros(_size(0), np.uint64)
        self.count = 0

    def add(self, keys: Hashes, times: npt.NDArray[np.int64], what: Hashes) -> npt.NDArray[np.int64]:
        """int64[k]: the rows whose key is new."""
        if _size(self.count + len(keys)) > len(self._table):
            used = self._table != 0
            old, least, before = self._table[used], self._least[used], self._what[used]
            self._table = np.zeros(_size(self.count + len(keys)), np.uint64)
            self._least = np.zeros(len(self._table), np.int64)
            self._what = np.zeros(len(self._table), np.uint64)
            _insert_least(self._table, self._least, self._what, old, least, before, np.empty(len(old), np.int64))
        fresh = np.empty(len(keys), np.int64)
        columns = np.ascontiguousarray(keys), np.ascontiguousarray(times), np.ascontiguousarray(what)
        count = _insert_least(self._table, self._least, self._what, *columns, fresh)
        self.count += count
        return fresh[:count].copy()

    def least(self, keys: Hashes) -> tuple[npt.NDArray[np.int64], Hashes]:
        """int64[n], uint64[n]: the least time of each of these keys, which must have been added, and what was then."""
        used = np.flatnonzero(self._table)
        used = used[np.argsort(self._table[used])]
        found = used[np.searchsorted(self._table[used], keys)]
        return self._least[found], self._what[found]
