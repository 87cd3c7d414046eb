"""Columns to one JSON text a row: what a file says besides the columns that Polku knows is kept as ``properties``.

Texts of CSV files have no types: a text that is written as a JSON number (at most 15 digits, no leading zeros) is
kept as a number, ``true`` and ``false`` as booleans, all else as text; columns that are named like ids stay text. The
rule looks at one value at a time and never at its neighbours, so that the same row gives the same JSON (and the same
event id) in any file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import duckdb
import numba as nb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from polku.events.text import strings, text_of
from polku.kernels.compiled import kernel

#: Columns whose digits are a name, not a number.
NAME_LIKE = re.compile(
    r"(?:^|[_\W])(?:id|ids|uuid|guid|sku|ean|gtin|isbn|zip|postcode|postinumero|phone|puhelin|code|koodi|number|numero"
    r"|no|nro|nr)$|^stockcode$|^invoiceno$",
    re.IGNORECASE,
)
MOST_DIGITS = 15


def is_name_like(column: str) -> bool:
    """Whether the column's digits are kept as text.

    >>> is_name_like("product_id"), is_name_like("InvoiceNo"), is_name_like("price"), is_name_like("paid")
    (True, True, False, False)
    """
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column)
    return NAME_LIKE.search(split) is not None


@nb.njit(cache=True)
def _kind(data, i, end):  # type: ignore[no-untyped-def]
    """0 text, 1 a JSON number, 2 true, 3 false."""
    n = end - i
    if n == 4 and data[i] | 32 == 116 and data[i + 1] == 114 and data[i + 2] == 117 and data[i + 3] == 101:
        return 2
    if (
        n == 5
        and data[i] | 32 == 102
        and data[i + 1] == 97
        and data[i + 2] == 108
        and data[i + 3] == 115
        and data[i + 4] == 101
    ):
        return 3
    if n == 0 or n > 20:
        return 0
    digits = 0
    if data[i] == 45:
        i += 1
    if i == end or not 48 <= data[i] <= 57:
        return 0
    if data[i] == 48 and i + 1 < end and data[i + 1] != 46:
        return 0
    while i < end and 48 <= data[i] <= 57:
        i += 1
        digits += 1
    if i < end and data[i] == 46:
        i += 1
        if i == end:
            return 0
        while i < end and 48 <= data[i] <= 57:
            i += 1
            digits += 1
    return 1 if i == end and digits <= MOST_DIGITS else 0


@kernel
def _sizes(data, offsets, valid, prefix, loose, raw, out, kinds):  # type: ignore[no-untyped-def]
    total = np.int64(0)
    out[0] = 0
    for i in range(len(valid)):
        kinds[i] = 0
        if valid[i]:
            start, end = offsets[i], offsets[i + 1]
            size = prefix + (end - start)
            if raw:
                kinds[i] = 1
            else:
                kind = _kind(data, start, end) if loose else 0
                kinds[i] = kind
                if kind == 0:
                    size += 2
                    for j in range(start, end):
                        c = data[j]
                        if c == 34 or c == 92 or c == 10 or c == 13 or c == 9:
                            size += 1
                        elif c < 32:
                            size += 5
            total += size
        out[i + 1] = total


@kernel
def _fill(data, offsets, valid, prefix, kinds, starts, out):  # type: ignore[no-untyped-def]
    for i in range(len(valid)):
        if not valid[i]:
            continue
        at = starts[i]
        for j in range(len(prefix)):
            out[at] = prefix[j]
            at += 1
        start, end = offsets[i], offsets[i + 1]
        if kinds[i] == 1:
            for j in range(start, end):
                out[at] = data[j]
                at += 1
            continue
        if kinds[i] > 1:
            for j in range(start, end):
                out[at] = data[j] | 32
                at += 1
            continue
        out[at] = 34
        at += 1
        for j in range(start, end):
            c = data[j]
            if c == 34 or c == 92:
                out[at] = 92
                out[at + 1] = c
                at += 2
            elif c == 10 or c == 13 or c == 9:
                out[at] = 92
                out[at + 1] = 110 if c == 10 else (114 if c == 13 else 116)
                at += 2
            elif c < 32:
                out[at], out[at + 1], out[at + 2], out[at + 3] = 92, 117, 48, 48
                out[at + 4] = 48 + (c >> 4)
                low = c & 15
                out[at + 5] = 48 + low if low < 10 else 87 + low
                at += 6
            else:
                out[at] = c
                at += 1
        out[at] = 34


def encoded(name: str, values: pa.Array, loose: bool = False) -> pa.Array:
    """``"name":value`` for each row, null where the value is null. ``loose``: texts that look like numbers are numbers.

    >>> encoded("a", pa.array(["1", "x", None]), loose=True).to_pylist()
    ['"a":1', '"a":"x"', None]
    """
    kind = values.type
    if pa.types.is_dictionary(kind):
        words = encoded(name, values.dictionary, loose)
        return words.take(values.indices)
    raw = False
    if pa.types.is_null(kind):
        return pa.nulls(len(values), pa.string())
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind):
        values, raw = values.cast(pa.string()), True
    elif pa.types.is_floating(kind):
        finite = pc.is_finite(values)
        values, raw = pc.if_else(finite, values, None).cast(pa.string()), True
    elif pa.types.is_decimal(kind):
        values, raw = values.cast(pa.float64()).cast(pa.string()), True
    elif pa.types.is_nested(kind):
        values, raw = to_json(values), True
    elif not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        values = values.cast(pa.string())
    return _encoded(name, values, loose, raw)


def encoded_json(name: str, values: pa.Array) -> pa.Array:
    """``"name":value`` where the values are JSON texts already."""
    return _encoded(name, values, loose=False, raw=True)


def _encoded(name: str, values: pa.Array, loose: bool, raw: bool) -> pa.Array:
    prefix = np.frombuffer((_quoted(name) + ":").encode(), np.uint8)
    text = text_of(values)
    n = len(text.valid)
    offsets, kinds = np.empty(n + 1, np.int64), np.empty(n, np.uint8)
    _sizes(*text, len(prefix), loose and not is_name_like(name), raw, offsets, kinds)
    out = np.empty(max(1, int(offsets[-1])), np.uint8)
    _fill(*text, prefix, kinds, offsets, out)
    return strings(out, offsets, text.valid)


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)


def to_json(values: pa.Array) -> pa.Array:
    """Nested Arrow values (struct, list, map) as JSON texts."""
    table = pa.table({"v": values})
    with duckdb.connect() as connection:
        connection.register("nested", table)
        found = connection.sql(
            "select case when v is null then null else cast(to_json(v) as varchar) end as j from nested"
        )
        return found.to_arrow_table().column("j").combine_chunks().cast(pa.string())


@kernel
def _join_sizes(starts, ends, valid, offsets):  # type: ignore[no-untyped-def]
    pieces, rows = valid.shape
    offsets[0] = 0
    for i in range(rows):
        size = np.int64(0)
        for j in range(pieces):
            if valid[j, i]:
                size += ends[j, i] - starts[j, i] + 1
        offsets[i + 1] = offsets[i] + (size + 1 if size else 0)


@kernel
def _join(data, starts, ends, valid, offsets, out):  # type: ignore[no-untyped-def]
    pieces, rows = valid.shape
    for i in range(rows):
        at = offsets[i]
        if at == offsets[i + 1]:
            continue
        mark = np.uint8(123)
        for j in range(pieces):
            if valid[j, i]:
                out[at] = mark
                at += 1
                mark = np.uint8(44)
                for k in range(starts[j, i], ends[j, i]):
                    out[at] = data[k]
                    at += 1
        out[at] = 125


def joined(pieces: Sequence[pa.Array], rows: int) -> pa.Array:
    """One JSON object a row from the ``"name":value`` pieces that say something; null where none does.

    Not pyarrow's ``binary_join_element_wise(null_handling="skip")``: version 26 leaves out rows in which all are null.

    >>> joined([encoded("a", pa.array(["1", None]))], 2).to_pylist()
    ['{"a":"1"}', None]
    """
    if not pieces:
        return pa.nulls(rows, pa.string())
    texts = [text_of(p) for p in pieces]
    parts, starts, ends, shift = [], [], [], 0
    for text in texts:
        low, high = (int(text.offsets[0]), int(text.offsets[-1])) if rows else (0, 0)
        parts.append(text.data[low:high])
        starts.append(text.offsets[:-1] - low + shift)
        ends.append(text.offsets[1:] - low + shift)
        shift += high - low
    valid = np.stack([t.valid for t in texts])
    begin, end = np.stack(starts), np.stack(ends)
    offsets = np.empty(rows + 1, np.int64)
    _join_sizes(begin, end, valid, offsets)
    out = np.empty(max(1, int(offsets[-1])), np.uint8)
    _join(np.concatenate(parts), begin, end, valid, offsets, out)
    return strings(out, offsets, np.asarray(valid.any(axis=0)))


def are_objects(values: pa.Array) -> pa.Array:
    """Normalised JSON objects: the text without blanks around names and values, null where it is not an object.

    A null stays null; tell the two apart by the nulls of ``values``.
    """
    table = pa.table({"v": values})
    with duckdb.connect() as connection:
        connection.register("texts", table)
        found = connection.sql(
            "select case when v is not null and json_valid(v) and json_type(v) = 'OBJECT' "
            "then cast(json(v) as varchar) end as j from texts"
        )
        return found.to_arrow_table().column("j").combine_chunks().cast(pa.string())


def merged(objects: Sequence[pa.Array]) -> pa.Array:
    """Columns of JSON objects put together row by row, the later one winning (RFC 7396's merge, nested objects
    included).

    >>> merged([pa.array(['{"a":1,"b":2}', None]), pa.array(['{"b":3}', '{"c":4}'])]).to_pylist()
    ['{"a":1,"b":3}', '{"c":4}']
    """
    table = pa.table({f"o{i}": o for i, o in enumerate(objects)})
    whole = "o0"
    for i in range(1, len(objects)):
        both = f"cast(json_merge_patch({whole}, o{i}) as varchar)"
        whole = f"case when {whole} is null then o{i} when o{i} is null then {whole} else {both} end"
    with duckdb.connect() as connection:
        connection.register("objects", table)
        return (
            connection.sql(f"select cast({whole} as varchar) as j from objects")
            .to_arrow_table()
            .column("j")
            .combine_chunks()
            .cast(pa.string())
        )
