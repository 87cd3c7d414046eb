"""Names for events that have none: made of the content, so that the same row gives the same id in any import.

The 64-bit hash of a row's canonical columns, as 11 characters of base64url (RFC 4648, big-endian, without padding),
and ``.n`` behind it for the n-th equal row that stood before it in the same file: true repeats are all kept, and a
second import of the file adds nothing. The hash is part of the format on disk.
"""

from __future__ import annotations

from collections.abc import Mapping

import numba as nb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from polku.events.text import strings
from polku.kernels.compiled import kernel
from polku.kernels.hashing import combine, hash_strings, mix

Hashes = npt.NDArray[np.uint64]
#: What makes an event the same event, in this order: all of history's columns but the times of arrival, source and day.
CONTENT = (
    "time", "event", "original_event", "channel", "anonymous_id", "user_id", "account_id", "session_id", "value",
    "currency", "consent", "properties", "context",
)  # fmt: skip
ALPHABET = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", np.uint8)


def content_hashes(columns: Mapping[str, pa.Array]) -> Hashes:
    """uint64[n]: one hash a row over :data:`CONTENT`; absent columns count as null.

    ``columns`` has ``time`` as timestamp[us] or int64, ``value`` as float64, the others as text (plain or dictionary).
    """
    rows = len(columns["time"])
    hashes = np.zeros(rows, np.uint64)
    nothing = np.zeros(rows, np.uint64)
    for name in CONTENT:
        column = columns.get(name)
        if column is None or column.null_count == rows:
            combine(hashes, nothing)
        elif name == "time":
            combine(hashes, column.cast(pa.int64()).to_numpy(zero_copy_only=False).view(np.uint64))
        elif name == "value":
            combine(hashes, _real_hashes(column))
        else:
            combine(hashes, hash_strings(column))
    return hashes


def _real_hashes(column: pa.Array) -> Hashes:
    real: npt.NDArray[np.float64] = column.fill_null(np.nan).to_numpy(zero_copy_only=False) + 0.0  # -0.0 becomes 0.0
    bits = real.view(np.uint64).copy()
    bits[real == 0] = 1  # an amount of nothing is not the same as no amount
    bits[np.isnan(real)] = 0
    return bits


@nb.njit(cache=True)
def _find(keys, used, key):  # type: ignore[no-untyped-def]
    """The slot of ``key``, or the free one where it belongs (linear probing over a power of two)."""
    mask = np.uint64(len(keys) - 1)
    at = mix(key) & mask
    while used[at] and keys[at] != key:
        at = (at + np.uint64(1)) & mask
    return at


@kernel
def _count(keys, used, hashes, earlier):  # type: ignore[no-untyped-def]
    """earlier[i] = how often hashes[i] was met before; ``used`` holds count, keys the hashes. Returns new keys."""
    fresh = 0
    for i in range(len(hashes)):
        at = _find(keys, used, hashes[i])
        if used[at] == 0:
            keys[at] = hashes[i]
            fresh += 1
        earlier[i] = used[at]
        used[at] += np.uint32(1)
    return fresh


@kernel
def _move(keys, used, new_keys, new_used):  # type: ignore[no-untyped-def]
    for i in range(len(keys)):
        if used[i]:
            at = _find(new_keys, new_used, keys[i])
            new_keys[at], new_used[at] = keys[i], used[i]


class Counter:
    """How often each 64-bit key was met, over any number of batches; 12 bytes a slot, at most 60 % full.

    >>> counter = Counter()
    >>> counter.earlier(np.array([7, 7, 8], np.uint64)).tolist(), counter.earlier(np.array([7], np.uint64)).tolist()
    ([0, 1, 0], [2])
    """

    def __init__(self, expected: int = 1 << 14) -> None:
        size = 1 << max(10, int(expected * 5 / 3).bit_length())
        self._keys = np.zeros(size, np.uint64)
        self._used = np.zeros(size, np.uint32)
        self._filled = 0

    def __len__(self) -> int:
        return self._filled

    def earlier(self, hashes: Hashes) -> npt.NDArray[np.uint32]:
        """uint32[n]: how often each was met before this place, earlier batches included; then they are counted too."""
        self._room(len(hashes))
        before = np.empty(len(hashes), np.uint32)
        self._filled += _count(self._keys, self._used, hashes, before)
        return before

    def _room(self, more: int) -> None:
        size = len(self._keys)
        while (self._filled + more) * 5 > size * 3:
            size *= 2
        if size != len(self._keys):
            keys, used = np.zeros(size, np.uint64), np.zeros(size, np.uint32)
            _move(self._keys, self._used, keys, used)
            self._keys, self._used = keys, used


@kernel
def _write_ids(hashes, earlier, offsets, alphabet, out):  # type: ignore[no-untyped-def]
    for i in range(len(hashes)):
        at = offsets[i]
        h = hashes[i]
        for j in range(10):
            out[at + j] = alphabet[(h >> np.uint64(58 - 6 * j)) & np.uint64(63)]
        out[at + 10] = alphabet[(h << np.uint64(2)) & np.uint64(63)]
        if earlier[i]:
            out[at + 11] = 46
            n = earlier[i]
            end = offsets[i + 1]
            while end > at + 12:
                end -= 1
                out[end] = 48 + n % 10
                n //= 10


def made_ids(hashes: Hashes, earlier: npt.NDArray[np.uint32]) -> pa.Array:
    """string[n]: the ids' texts.

    >>> made_ids(np.array([0, 1], np.uint64), np.array([0, 12], np.uint32)).to_pylist()
    ['AAAAAAAAAAA', 'AAAAAAAAAAE.12']
    """
    sizes = np.full(len(hashes), 11, np.int64)
    again = np.flatnonzero(earlier)
    if len(again):
        sizes[again] += 1 + np.floor(np.log10(earlier[again])).astype(np.int64) + 1
    offsets = np.zeros(len(hashes) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    out = np.empty(max(1, int(offsets[-1])), np.uint8)
    _write_ids(hashes, earlier, offsets, ALPHABET, out)
    return strings(out, offsets)
