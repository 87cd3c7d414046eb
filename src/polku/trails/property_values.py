"""What events say of a property: from JSON texts to numbers of distinct words, batch by batch, without the GIL.

One pass over a batch serves any number of properties, and counts beside it which names occur at which events.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from polku.kernels.compiled import kernel
from polku.kernels.hashing import GOLDEN, M1, hash_strings, mix
from polku.trails.coding import Dictionary
from polku.trails.scan import (
    BARE,
    CLOSE,
    COLON,
    COMMA,
    ESCAPED,
    OPEN,
    OPEN_LIST,
    QUOTE,
    Found,
    Keys,
    Text,
    _skip_container,
    _string_end,
    distinct,
    find_keys,
    hash_spans,
)

U32 = npt.NDArray[np.uint32]
I64 = npt.NDArray[np.int64]
#: Columns of history that hold JSON; what else can be asked for is a column of text.
JSON = ("properties", "context")
#: Names are told of this many levels of nesting, and of this many (event, name) pairs a batch.
NAME_LEVELS, MOST_NAMES = 6, 8192
#: Where a property stands: a column of history, or a column of JSON and the keys inside it.
Place = tuple[str, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Values:
    """One property over m rows: ``codes`` uint32[m], 0 where it is absent, else a row of ``words`` and one."""

    codes: U32
    words: pa.Array  # large_string[d], distinct but for numbers that are written in two ways


def columns_for(places: Iterable[Place]) -> list[str]:
    """The columns of history that hold these properties."""
    return sorted({place[0] for place in places})


def values_of(rows: pa.Table | pa.RecordBatch, places: Sequence[Place]) -> list[Values]:
    """The values at each place in rows of history (with the columns of :func:`columns_for`).

    A text is a word as it is, a number in its shortest form (``10`` for ``10.0``), true and false are words; a null, an
    empty text, a list and an object are no value.

    >>> rows = pa.table({"properties": ['{"a": {"b": "x"}, "n": 2.0}', None, '{"n": "2", "a": {}}']})
    >>> found = values_of(rows, [("properties", "a", "b"), ("properties", "n")])
    >>> [(v.codes.tolist(), v.words.to_pylist()) for v in found]
    [([1, 0, 0], ['x']), ([1, 0, 2], ['2', '2'])]
    """
    out: dict[int, Values] = {}
    for root in columns_for(places):
        numbers = [i for i, place in enumerate(places) if place[0] == root]
        column = rows.column(root)
        if isinstance(column, pa.ChunkedArray):
            column = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
        if root in JSON:
            keys = Keys.of_paths([places[i][1:] for i in numbers])
            out.update(zip(numbers, _inside(column, keys), strict=True))
        else:
            for i in numbers:
                out[i] = _whole(column)
    return [out[i] for i in range(len(places))]


def _whole(column: pa.Array | pa.ChunkedArray) -> Values:
    """A column of text."""
    words = Dictionary.of(pa.chunked_array([column]) if isinstance(column, pa.Array) else column)
    given = np.array([bool(w) for w in words.words.to_pylist()], np.bool_)
    number = np.zeros(len(words.words) + 1, np.uint32)
    number[:-1][given] = np.arange(1, int(given.sum()) + 1, dtype=np.uint32)
    return Values(number[words.indices], words.words.filter(pa.array(given)).cast(pa.large_string()))


def _inside(column: pa.Array | pa.ChunkedArray, keys: Keys) -> list[Values]:
    """The values of ``keys`` in a column of JSON; a dictionary's texts are read once each."""
    if isinstance(column, pa.ChunkedArray):  # too long for one chunk
        parts = [_inside(chunk, keys) for chunk in column.chunks]
        return [_joined([part[k] for part in parts]) for k in range(len(keys.names))]
    if not pa.types.is_dictionary(column.type):
        found = find_keys(column, keys)
        return [words_found(found, k) for k in range(len(keys.names))]
    index = Dictionary.of(pa.chunked_array([column]))
    found = find_keys(index.words, keys)
    read = [words_found(found, k) for k in range(len(keys.names))]
    return [Values(index.spread(values.codes), values.words) for values in read]


def _joined(parts: Sequence[Values]) -> Values:
    codes, at = [], 0
    for part in parts:
        codes.append(np.where(part.codes == 0, np.uint32(0), part.codes + np.uint32(at)))
        at += len(part.words)
    return Values(
        np.concatenate(codes) if codes else np.empty(0, np.uint32),
        pa.concat_arrays([p.words for p in parts]) if parts else pa.array([], pa.large_string()),
    )


def words_found(found: Found, key: int) -> Values:
    """The distinct words of one key."""
    spans, kinds = found.spans[:, key], found.kinds[:, key]
    hashes = np.empty(len(spans), np.uint64)
    hash_spans(found.text.data, spans, kinds, hashes)
    written = np.empty(len(spans), np.bool_)
    _otherwise(found.text.data, spans, kinds, hashes, written)
    local, first = distinct(hashes)
    given = hashes[first] != 0
    number = np.zeros(len(first), np.uint32)
    number[given] = np.arange(1, int(given.sum()) + 1, dtype=np.uint32)
    first = first[given]
    words = _texts(found.text.data, spans, first)
    strange = np.flatnonzero(written[first])
    if len(strange):
        told = pa.array([_shortest(found, int(first[i]), key) for i in strange], pa.large_string())
        mask = np.zeros(len(first), np.bool_)
        mask[strange] = True
        words = pc.replace_with_mask(words, pa.array(mask), told)
    return Values(number[local], words)


@kernel
def _otherwise(data, spans, kinds, hashes, out):  # type: ignore[no-untyped-def]
    """Which values are not the bytes that they are written with: escaped texts, numbers as ``10.0`` and ``1e3``.

    Their hashes are set apart from those of the same bytes as a plain text.
    """
    for r in range(len(out)):
        out[r] = kinds[r] == ESCAPED
        if kinds[r] == BARE:
            i, j = spans[r, 0], spans[r, 1]
            if data[i] == 45 or (48 <= data[i] <= 57):
                point = False
                for k in range(i, j):
                    if data[k] == 101 or data[k] == 69:
                        out[r] = True
                    elif data[k] == 46:
                        point = True
                if point and data[j - 1] == 48:
                    out[r] = True
                if out[r]:
                    hashes[r] = mix(hashes[r] + GOLDEN)


def _shortest(found: Found, row: int, key: int) -> str:
    word = found.word(row, key) or ""
    if found.kinds[row, key] != BARE:
        return word
    try:
        number = float(word)
    except ValueError:
        return word
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)


@kernel
def _copy(data, spans, rows, offsets, out):  # type: ignore[no-untyped-def]
    for k in range(len(rows)):
        at = offsets[k]
        for i in range(spans[rows[k], 0], spans[rows[k], 1]):
            out[at] = data[i]
            at += 1


def _texts(data: npt.NDArray[np.uint8], spans: I64, rows: I64) -> pa.Array:
    """large_string of the bytes at ``spans[rows]``."""
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(spans[rows, 1] - spans[rows, 0], out=offsets[1:])
    out = np.empty(max(1, int(offsets[-1])), np.uint8)
    _copy(data, spans, rows, offsets, out)
    return pa.LargeStringArray.from_buffers(len(rows), pa.py_buffer(offsets), pa.py_buffer(out))


# -- distinct words of many batches ----------------------------------------------------------------------------------


@kernel
def _number(hashes, table, slots, count, codes, new):  # type: ignore[no-untyped-def]
    """Numbers from 1 of ``hashes``, new ones after ``count``; returns the count afterwards, and how many are new."""
    mask = np.uint64(len(table) - 1)
    fresh = 0
    for i in range(len(hashes)):
        at = mix(hashes[i]) & mask
        while slots[at] != 0 and table[at] != hashes[i]:
            at = (at + np.uint64(1)) & mask
        if slots[at] == 0:
            count += 1
            table[at] = hashes[i]
            slots[at] = count
            new[fresh] = i
            fresh += 1
        codes[i] = slots[at]
    return count, fresh


class Wordbook:
    """The distinct words of a property, numbered from 1 in the order in which they come; 0 is no word.

    >>> book = Wordbook()
    >>> book.take(pa.array(["a", "b"])).tolist(), book.take(pa.array(["c", "a"])).tolist()
    ([1, 2], [3, 1])
    >>> book.words().to_pylist()
    ['', 'a', 'b', 'c']
    """

    def __init__(self, known: pa.Array | None = None) -> None:
        self.count = 0
        self._parts: list[pa.Array] = []
        self._table, self._slots = np.zeros(1024, np.uint64), np.zeros(1024, np.uint32)
        if known is not None and len(known) > 1:
            self.take(known.slice(1))

    def take(self, words: pa.Array) -> U32:
        """uint32[d]: the numbers of ``words``, given to those that are new."""
        hashes = hash_strings(words)
        self._room(self.count + len(hashes))
        codes, new = np.empty(len(hashes), np.uint32), np.empty(len(hashes), np.int64)
        self.count, fresh = _number(hashes, self._table, self._slots, self.count, codes, new)
        if fresh:
            self._parts.append(words.take(pa.array(new[:fresh])).cast(pa.large_string()))
        return codes

    def _room(self, words: int) -> None:
        size = len(self._table)
        if 2 * words < size:
            return
        while size <= 2 * words:
            size *= 4
        hashes = self._table[self._slots != 0]
        order = np.argsort(self._slots[self._slots != 0])
        self._table, self._slots = np.zeros(size, np.uint64), np.zeros(size, np.uint32)
        spare = np.empty(len(hashes), np.int64)
        _number(hashes[order], self._table, self._slots, 0, np.empty(len(hashes), np.uint32), spare)

    def words(self) -> pa.Array:
        """large_string[count + 1]; row 0 is the empty text."""
        return pa.concat_arrays([pa.array([""], pa.large_string()), *self._parts])


# -- which names there are -------------------------------------------------------------------------------------------


@kernel
def _names(data, offsets, rows, events, weights, levels, keys, counts, whose, spans):  # type: ignore[no-untyped-def]
    """Count (event, place) pairs of scalar values into an open table; returns how many pairs there are."""
    mask = np.uint64(len(keys) - 1)
    stack = np.zeros(levels + 1, np.uint64)
    begin, stop_at = np.zeros(levels, np.int64), np.zeros(levels, np.int64)
    pairs = 0
    for r in range(len(rows)):
        i, end = offsets[rows[r]], offsets[rows[r] + 1]
        while i < end and data[i] != OPEN:
            i += 1
        i += 1
        level = 0
        stack[0] = np.uint64(events[r] + 1) * GOLDEN
        while i < end:
            c = data[i]
            if c == CLOSE:
                level -= 1
                i += 1
                if level < 0:
                    break
                continue
            if c != QUOTE:
                i += 1
                continue
            key = i + 1
            stop, escaped = _string_end(data, key, end)
            i = stop + 1
            while i < end and (data[i] == COLON or data[i] <= 32):
                i += 1
            if i >= end:
                break
            begin[level], stop_at[level] = key, stop
            c = data[i]
            if c == OPEN_LIST or (c == OPEN and level + 1 >= levels):
                i = _skip_container(data, i, end)
                continue
            h = stack[level] + np.uint64(level + 1)
            for k in range(key, stop):
                h = (h ^ np.uint64(data[k])) * M1
            h = mix(h)
            if c == OPEN:
                level += 1
                stack[level] = h
                i += 1
                continue
            given = c != 110  # null is the same as not given
            if c == QUOTE:
                first = i + 1
                i, _ = _string_end(data, first, end)
                given = i > first  # an empty text is no value
                i += 1
            else:
                while i < end and data[i] > 32 and data[i] != COMMA and data[i] != CLOSE:
                    i += 1
            if not given or escaped:
                continue
            at = h & mask
            while counts[at] != 0 and keys[at] != h:
                at = (at + np.uint64(1)) & mask
            if counts[at] == 0:
                if 2 * pairs >= len(keys):
                    continue  # so many names are no names
                pairs += 1
                keys[at] = h
                whose[at] = events[r]
                for k in range(level + 1):
                    spans[at, k, 0], spans[at, k, 1] = begin[k], stop_at[k]
            counts[at] += weights[r]
    return pairs


#: (event, place) and how many rows have it.
Names = dict[tuple[str, Place], int]


def names_of(rows: pa.Table | pa.RecordBatch, roots: Sequence[str] = JSON) -> Names:
    """The names of properties at each event (columns ``event`` and the JSON columns), and how many rows have them.

    >>> texts = ['{"a": 1, "b": {"c": "x"}}', '{"a": null, "l": [1]}']
    >>> names_of(pa.table({"event": ["view", "view"], "properties": texts}), ["properties"])
    {('view', ('properties', 'a')): 1, ('view', ('properties', 'b', 'c')): 1}
    """
    table = rows if isinstance(rows, pa.Table) else pa.Table.from_batches([rows])
    event = Dictionary.of(table.column("event"))
    titles: list[str] = event.words.to_pylist()
    found: Names = {}
    for root in roots:
        at = 0
        for chunk in table.column(root).chunks:
            events = event.indices[at : at + len(chunk)]
            at += len(chunk)
            if chunk.null_count < len(chunk):
                _count_names(found, root, chunk, events, titles)
    return dict(sorted(found.items()))


def _count_names(found: Names, root: str, chunk: pa.Array, events: npt.NDArray[np.int32], titles: list[str]) -> None:
    rows, weights = np.arange(len(chunk), dtype=np.int64), np.ones(len(chunk), np.int64)
    events = events.astype(np.int64)
    words = chunk
    if pa.types.is_dictionary(chunk.type):
        index = Dictionary.of(pa.chunked_array([chunk]))
        words, width = index.words, len(titles) + 1
        pairs = index.indices.astype(np.int64) * width + events
        codes, first = distinct(pairs.view(np.uint64))
        weights = np.bincount(codes, minlength=len(first)).astype(np.int64)
        rows, events = pairs[first] // width, pairs[first] % width
    known = (rows < len(words)) & (events < len(titles))
    if words.null_count:
        known &= np.append(np.asarray(words.is_valid()), False)[rows]
    rows, events, weights = rows[known], events[known], weights[known].astype(np.int64)
    text = Text.of(words)
    keys, counts = np.zeros(2 * MOST_NAMES, np.uint64), np.zeros(2 * MOST_NAMES, np.int64)
    whose, spans = np.zeros(2 * MOST_NAMES, np.int64), np.zeros((2 * MOST_NAMES, NAME_LEVELS, 2), np.int64)
    _names(text.data, text.offsets, rows, events, weights, NAME_LEVELS, keys, counts, whose, spans)
    slots = np.flatnonzero(counts)
    read: dict[bytes, str] = {}  # a name stands at many events
    for stretches, whose_, count in zip(
        spans[slots].tolist(), whose[slots].tolist(), counts[slots].tolist(), strict=True
    ):
        raw = [text.data[i:j].tobytes() for i, j in stretches if j > i]
        key = (titles[whose_], (root, *(read.setdefault(r, r.decode("utf-8", "replace")) for r in raw)))
        found[key] = found.get(key, 0) + count


def added(names: Names, more: Mapping[tuple[str, Place], int]) -> Names:
    """Both counts together."""
    return {key: names.get(key, 0) + more.get(key, 0) for key in sorted({*names, *more})}
