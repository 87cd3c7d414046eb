"""What an id is called in arrays: a 64-bit hash of its kind and value; and sets of such hashes.

The hash is part of the format on disk (state, trails), so seeds never change.
"""

from __future__ import annotations

from typing import Final, Literal

import numba as nb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from polku.kernels.hashing import hash_strings

Kind = Literal["user", "anonymous", "account"]
KINDS: Final[tuple[Kind, ...]] = ("user", "anonymous", "account")
SEEDS: Final = {"user": 0x75736572, "anonymous": 0x616E6F6E, "account": 0x61636374}
COLUMNS: Final = {"user": "user_id", "anonymous": "anonymous_id", "account": "account_id"}

#: What broken trackers send for "nobody" (PostHog's list of illegal distinct ids, and what spreadsheets leave): such an
#: id names nobody, and joins nothing, or thousands of people would become one.
JUNK: Final = (
    "", "0", "-", "--", "n/a", "na", "nan", "none", "null", "nil", "undefined", "unknown", "anonymous", "anon", "guest",
    "false", "true", "id", "email", "distinct_id", "distinctid", "not_authenticated", "[object object]", "(not set)",
    "00000000-0000-0000-0000-000000000000", "#n/a", "\\n",
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


_junk_hashes: dict[str, Hashes] = {}


def _junk(kind: Kind) -> Hashes:
    if kind not in _junk_hashes:
        _junk_hashes[kind] = np.sort(hash_strings(pa.array(_CASES), SEEDS[kind]))
    return _junk_hashes[kind]


@nb.njit("void(uint64[::1], uint64[::1])", cache=True, nogil=True)
def _blank(hashes, junk):  # type: ignore[no-untyped-def]
    """Set every hash that is in the sorted ``junk`` to 0. A filter of 64 Ki bits spares nearly all searches."""
    bits = np.zeros(65536, np.uint8)
    for j in range(len(junk)):
        bits[junk[j] & np.uint64(65535)] = 1
    for i in range(len(hashes)):
        if bits[hashes[i] & np.uint64(65535)]:
            at = np.searchsorted(junk, hashes[i])
            if at < len(junk) and junk[at] == hashes[i]:
                hashes[i] = 0


@nb.njit("int64(uint64[::1], uint64[::1], int64[::1])", cache=True, nogil=True)
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


@nb.njit("int64(uint64[::1], int64[::1], uint64[::1], int64[::1], int64[::1])", cache=True, nogil=True)
def _insert_least(table, least, keys, times, fresh):  # type: ignore[no-untyped-def]
    """As _insert_new, and keep the least of each key's times in ``least``, slot by slot."""
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
            fresh[count] = i
            count += 1
        elif times[i] < least[slot]:
            least[slot] = times[i]
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
    """A growing map from non-zero keys to the least time seen with each."""

    def __init__(self) -> None:
        self._table = np.zeros(_size(0), np.uint64)
        self._least = np.zeros(_size(0), np.int64)
        self.count = 0

    def add(self, keys: Hashes, times: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """int64[k]: the rows whose key is new."""
        if _size(self.count + len(keys)) > len(self._table):
            used = self._table != 0
            old, least = self._table[used], self._least[used]
            self._table = np.zeros(_size(self.count + len(keys)), np.uint64)
            self._least = np.zeros(len(self._table), np.int64)
            _insert_least(self._table, self._least, old, least, np.empty(len(old), np.int64))
        fresh = np.empty(len(keys), np.int64)
        count = _insert_least(self._table, self._least, np.ascontiguousarray(keys), np.ascontiguousarray(times), fresh)
        self.count += count
        return fresh[:count].copy()

    def times(self, keys: Hashes) -> npt.NDArray[np.int64]:
        """int64[n]: the least time of each of these keys, which must have been added."""
        used = self._table != 0
        order = np.argsort(self._table[used])
        known, least = self._table[used][order], self._least[used][order]
        found: npt.NDArray[np.int64] = least[np.searchsorted(known, keys)]
        return found
