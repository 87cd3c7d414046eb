"""Ids and JSON for many rows at once: Arrow strings without a Python object a row."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numba as nb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
_DASHES = (8, 13, 18, 23)


@nb.njit(cache=True, nogil=True)
def _write_hex(words, out, digits):  # type: ignore[no-untyped-def]
    for i in range(len(words)):
        w = words[i]
        for k in range(16):
            out[i * 16 + k] = digits[(w >> np.uint64(60 - 4 * k)) & np.uint64(15)]


@nb.njit(cache=True, nogil=True)
def _write_uuid(high, low, out, digits):  # type: ignore[no-untyped-def]
    for i in range(len(high)):
        at = i * 36
        k = 0
        for j in range(36):
            if j == 8 or j == 13 or j == 18 or j == 23:
                out[at + j] = 45
                continue
            w = high[i] if k < 16 else low[i]
            nibble = (w >> np.uint64(60 - 4 * (k & 15))) & np.uint64(15)
            if k == 12:
                nibble = np.uint64(4)
            elif k == 16:
                nibble = np.uint64(8) | (nibble & np.uint64(3))
            out[at + j] = digits[nibble]
            k += 1


@nb.njit(cache=True, nogil=True)
def _write_digits(numbers, width, letter, out):  # type: ignore[no-untyped-def]
    for i in range(len(numbers)):
        left = numbers[i]
        at = i * (width + 1)
        out[at] = letter
        for k in range(width):
            out[at + width - k] = 48 + left % 10
            left //= 10


def _fixed(data: npt.NDArray[np.uint8], count: int, width: int, valid: npt.NDArray[np.bool_] | None) -> pa.Array:
    offsets = np.arange(count + 1, dtype=np.int32) * np.int32(width)
    mask = None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little").tobytes())
    nulls = 0 if valid is None else int(count - np.count_nonzero(valid))
    return pa.Array.from_buffers(pa.string(), count, [mask, pa.py_buffer(offsets), pa.py_buffer(data)], nulls)


def hexes(words: npt.NDArray[np.uint64], valid: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """string[n] of 16 hexadecimal digits; null where ``valid`` is False."""
    out = np.empty(len(words) * 16, np.uint8)
    _write_hex(words, out, HEX)
    return _fixed(out, len(words), 16, valid)


def uuids(high: npt.NDArray[np.uint64], low: npt.NDArray[np.uint64]) -> pa.Array:
    """string[n] in the form of random UUIDs (RFC 9562, version 4)."""
    out = np.empty(len(high) * 36, np.uint8)
    _write_uuid(high, low, out, HEX)
    return _fixed(out, len(high), 36, None)


def numbered(letter: str, numbers: npt.NDArray[np.int64], valid: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """string[n]: the letter and 8 digits; null where ``valid`` is False.

    >>> numbered("K", np.array([42])).to_pylist()
    ['K00000042']
    """
    out = np.empty(len(numbers) * 9, np.uint8)
    _write_digits(numbers, 8, ord(letter), out)
    return _fixed(out, len(numbers), 9, valid)


def dump(value: Any) -> str:
    """Compact JSON, letters as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def joined(*parts: str | pa.Array) -> pa.Array:
    """string[n]: the parts of each row one after another; a plain string stands in every row."""
    return pc.binary_join_element_wise(*(pa.scalar(p) if isinstance(p, str) else p for p in parts), "")


def amounts(values: npt.NDArray[np.float64], digits: int = 2) -> pa.Array:
    """string[n]: numbers as JSON writes them, rounded.

    >>> amounts(np.array([79.9, 12.0, 1299.505])).to_pylist()
    ['79.9', '12', '1299.5']
    """
    return pa.array(np.round(values, digits)).cast(pa.string())


def integers(values: npt.NDArray[Any]) -> pa.Array:
    return pa.array(values.astype(np.int64)).cast(pa.string())


def chosen(texts: Sequence[str | None], index: npt.NDArray[Any]) -> pa.Array:
    """string[n]: ``texts[index]``."""
    return pa.array(texts, pa.string()).take(pa.array(index.astype(np.int64)))


def coded(texts: Sequence[str | None], codes: npt.NDArray[Any]) -> pa.DictionaryArray:
    """``texts[codes]`` as a dictionary array; a None in ``texts`` is a null."""
    known = [t for t in texts if t is not None]
    place = {t: i for i, t in enumerate(known)}
    table = np.array([place[t] if t is not None else 0 for t in texts], np.int32)
    absent = np.array([t is None for t in texts])[codes]
    indices = pa.array(table[codes], mask=absent if absent.any() else None)
    return pa.DictionaryArray.from_arrays(indices, pa.array(known, pa.string()))
