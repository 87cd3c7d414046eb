"""Columns of names: ids, event names, channels. Cleaned once a distinct word where there are few, in bulk where there
are many.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from polku.events.text import text_of
from polku.kernels.compiled import kernel


@kernel
def _untidy(data, offsets, valid):  # type: ignore[no-untyped-def]
    """Whether any text is empty, has a blank at an end, or is a whole number with ``.0`` behind it."""
    for i in range(len(valid)):
        if not valid[i]:
            continue
        start, end = offsets[i], offsets[i + 1]
        if start == end or data[start] <= 32 or data[end - 1] <= 32 or data[start] >= 194 or data[end - 1] >= 128:
            return True
        if end - start > 2 and data[end - 1] == 48 and data[end - 2] == 46:
            return True
    return False


def as_names(values: pa.Array) -> pa.Array:
    """Texts (plain or dictionary) without blanks around; empty ones null; ``17850.0`` is ``17850``, as pandas writes
    ids.

    >>> as_names(pa.array([" a ", "", "17850.0", None])).to_pylist()
    ['a', None, '17850', None]
    >>> as_names(pa.array([17850.0, float("nan")])).to_pylist()
    ['17850', None]
    """
    kind = values.type
    if pa.types.is_dictionary(kind):
        if not pa.types.is_string(kind.value_type):
            return as_names(values.dictionary_decode())
        clean = as_names(values.dictionary)
        return values if clean is values.dictionary else relabel(values, clean.to_pylist())
    if pa.types.is_floating(kind):
        values = pc.if_else(pc.is_finite(values), values, None)
        whole = values.cast(pa.int64(), safe=False)
        if pc.all(pc.fill_null(pc.equal(whole.cast(pa.float64()), values.cast(pa.float64())), True)).as_py():
            return whole.cast(pa.string())
        return as_names(values.cast(pa.string()))
    if not pa.types.is_string(kind):
        return values.cast(pa.string())
    if not _untidy(*text_of(values)):
        return values
    trimmed = pc.utf8_trim_whitespace(values)
    whole_number = pc.match_substring_regex(trimmed, r"^-?\d+\.0$")
    if pc.any(whole_number).as_py():
        trimmed = pc.if_else(whole_number, pc.replace_substring(trimmed, ".0", "", max_replacements=1), trimmed)
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def relabel(values: pa.DictionaryArray, words: Sequence[str | None]) -> pa.DictionaryArray:
    """``values`` with new ``words`` for its dictionary; equal words become one, None becomes null."""
    places: dict[str, int] = {}
    codes = np.array([-1 if w is None else places.setdefault(w, len(places)) for w in [*words, None]], np.int32)
    indices = pc.fill_null(values.indices.cast(pa.int64()), len(words)).to_numpy(zero_copy_only=False)
    taken = codes[indices]
    return pa.DictionaryArray.from_arrays(pa.array(taken, mask=taken < 0), pa.array(list(places), pa.string()))


def nothing(values: pa.Array) -> bool:
    """Whether the column says nothing at all."""
    return bool(values.null_count == len(values))


def repeated(word: str, rows: int) -> pa.DictionaryArray:
    """The same word for all rows."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([word]))
