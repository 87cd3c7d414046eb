"""Kernels that find things in columns of text without making Python strings of every row.

A JSON column is walked once, byte by byte, and only the spans of the wanted keys are noted. Distinct spans are found by
a 64-bit hash, and only those become strings.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from polku.kernels.compiled import kernel
from polku.kernels.hashing import GOLDEN, mix

ABSENT, TEXT, ESCAPED, BARE = 0, 1, 2, 3  # kinds of a found value; BARE is a number, true or false
QUOTE, BACKSLASH, OPEN, CLOSE, OPEN_LIST, CLOSE_LIST, COMMA, COLON = 34, 92, 123, 125, 91, 93, 44, 58


@dataclass(frozen=True)
class Keys:
    """Wanted keys of a JSON object, compiled: ``("page.path", "campaign.source")``; a dot goes one object deeper."""

    names: tuple[str, ...]
    parent: npt.NDArray[np.int32]  # [nodes] the node that this key stands under; 0 is the whole object
    leaf: npt.NDArray[np.int32]  # [nodes] index of the wanted key, -1 where it is only passed through
    text: npt.NDArray[np.uint8]  # the keys' bytes
    start: npt.NDArray[np.int64]  # [nodes + 1]
    depth: int

    @classmethod
    def of(cls, names: Sequence[str]) -> Keys:
        return cls.of_paths([tuple(name.split(".")) for name in names])

    @classmethod
    def of_paths(cls, paths: Sequence[tuple[str, ...]]) -> Keys:
        """As :meth:`of`, for names that may have dots in them."""
        parents, leaves, words = [-1], [-1], [b""]
        for index, parts in enumerate(paths):
            node = 0
            for level, part in enumerate(parts):
                # The bytes as JSON writes them, but without \u escapes: history's JSON is UTF-8.
                word = json.dumps(part, ensure_ascii=False)[1:-1].encode()
                found = next((i for i in range(1, len(words)) if parents[i] == node and words[i] == word), None)
                if found is None:
                    parents.append(node)
                    leaves.append(-1)
                    words.append(word)
                    found = len(words) - 1
                node = found
                if level == len(parts) - 1:
                    leaves[node] = index
        start = np.zeros(len(words) + 1, np.int64)
        start[1:] = np.cumsum([len(w) for w in words])
        text = np.frombuffer(b"".join(words) + b"\0", np.uint8)
        depth = max((len(p) for p in paths), default=1)
        return cls(
            tuple(".".join(p) for p in paths),
            np.array(parents, np.int32),
            np.array(leaves, np.int32),
            text,
            start,
            depth,
        )


@kernel
def _string_end(data, i, end):  # type: ignore[no-untyped-def]
    """From the byte after an opening quote: (position of the closing quote, whether a backslash stands inside)."""
    escaped = False
    while i < end and data[i] != QUOTE:
        if data[i] == BACKSLASH:
            escaped = True
            i += 1
        i += 1
    return min(i, end), escaped


@kernel
def _skip_container(data, i, end):  # type: ignore[no-untyped-def]
    """From an opening brace or bracket to the byte after the one that closes it."""
    depth = 0
    while i < end:
        c = data[i]
        if c == QUOTE:
            i, _ = _string_end(data, i + 1, end)
        elif c in (OPEN, OPEN_LIST):
            depth += 1
        elif c in (CLOSE, CLOSE_LIST):
            depth -= 1
            if depth == 0:
                return i + 1
        i += 1
    return end


@kernel
def _child(data, i, j, node, parent, text, start):  # type: ignore[no-untyped-def]
    """The node under ``node`` whose key is the bytes i:j, or -1."""
    for k in range(1, len(parent)):
        if parent[k] == node and start[k + 1] - start[k] == j - i:
            same = True
            for b in range(j - i):
                if data[i + b] != text[start[k] + b]:
                    same = False
                    break
            if same:
                return k
    return -1


@kernel
def _scan(data, offsets, rows, parent, leaf, text, start, depth, spans, kinds):  # type: ignore[no-untyped-def]
    stack = np.zeros(depth + 1, np.int32)
    for r in range(len(rows)):
        row = rows[r]
        i, end = offsets[row], offsets[row + 1]
        while i < end and data[i] != OPEN:
            i += 1
        if i >= end:
            continue
        i += 1
        level = 0
        stack[0] = 0
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
            stop, _ = _string_end(data, key, end)
            node = _child(data, key, stop, stack[level], parent, text, start)
            i = stop + 1
            while i < end and (data[i] == COLON or data[i] <= 32):
                i += 1
            if i >= end:
                break
            c = data[i]
            if c == OPEN:
                has_children = False
                if node >= 0:
                    for k in range(1, len(parent)):
                        if parent[k] == node:
                            has_children = True
                            break
                if has_children and level < depth:
                    level += 1
                    stack[level] = node
                    i += 1
                else:
                    i = _skip_container(data, i, end)
            elif c == OPEN_LIST:
                i = _skip_container(data, i, end)
            elif c == QUOTE:
                stop, escaped = _string_end(data, i + 1, end)
                if node >= 0 and leaf[node] >= 0:
                    spans[r, leaf[node], 0] = i + 1
                    spans[r, leaf[node], 1] = stop
                    kinds[r, leaf[node]] = ESCAPED if escaped else TEXT
                i = stop + 1
            else:
                begin = i
                while i < end and data[i] > 32 and data[i] != COMMA and data[i] != CLOSE:
                    i += 1
                if node >= 0 and leaf[node] >= 0:
                    null = data[begin] == 110  # null is the same as not given
                    spans[r, leaf[node], 0] = begin
                    spans[r, leaf[node], 1] = i
                    kinds[r, leaf[node]] = ABSENT if null else BARE


@kernel
def hash_spans(data, spans, kinds, out):  # type: ignore[no-untyped-def]
    """uint64[m] hashes of the bytes of spans int64[m, 2]; 0 where the kind is ABSENT or the span is empty."""
    for r in range(len(out)):
        i, j = spans[r, 0], spans[r, 1]
        if kinds[r] == ABSENT or j <= i:
            out[r] = 0
            continue
        h = mix(np.uint64(j - i) * GOLDEN + np.uint64(kinds[r] == ESCAPED))
        word, shift = np.uint64(0), np.uint64(0)
        for k in range(i, j):
            word |= np.uint64(data[k]) << shift
            shift += np.uint64(8)
            if shift == np.uint64(64):
                h = mix(h ^ word) + GOLDEN
                word, shift = np.uint64(0), np.uint64(0)
        h = mix(h ^ word)
        out[r] = h if h != 0 else np.uint64(1)


@kernel
def _distinct(keys, table, slots, codes, first):  # type: ignore[no-untyped-def]
    mask = np.uint64(len(table) - 1)
    count = 0
    for i in range(len(keys)):
        key = keys[i]
        at = mix(key) & mask
        while slots[at] >= 0 and table[at] != key:
            at = (at + np.uint64(1)) & mask
        if slots[at] < 0:
            if 2 * count >= len(table):
                return -1
            table[at] = key
            slots[at] = count
            first[count] = i
            count += 1
        codes[i] = slots[at]
    return count


def distinct(keys: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Number the distinct ``keys`` (uint64[n]) in order of first appearance.

    Returns ``codes`` int32[n] and ``first`` int64[d], the row where each was first seen.

    >>> codes, first = distinct(np.array([7, 3, 7, 9], np.uint64))
    >>> codes.tolist(), first.tolist()
    ([0, 1, 0, 2], [0, 1, 3])
    """
    codes = np.empty(len(keys), np.int32)
    size = 4096
    while True:
        table, slots = np.empty(size, np.uint64), np.full(size, -1, np.int32)
        first = np.empty(size // 2 + 1, np.int64)
        count = _distinct(keys, table, slots, codes, first)
        if count >= 0:
            return codes, first[:count]
        size *= 8


@dataclass(frozen=True)
class Text:
    """The bytes behind an Arrow string array."""

    data: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]  # [n + 1]; a null has no length

    @classmethod
    def of(cls, words: pa.Array) -> Text:
        wide = pa.types.is_large_string(words.type) or pa.types.is_large_binary(words.type)
        if pa.types.is_null(words.type) or not len(words):
            return cls(np.zeros(1, np.uint8), np.zeros(len(words) + 1, np.int64))
        _, offset_buffer, data_buffer = words.buffers()
        raw = np.frombuffer(offset_buffer, np.int64 if wide else np.int32)
        offsets = raw[words.offset : words.offset + len(words) + 1].astype(np.int64)
        empty = data_buffer is None or not data_buffer.size
        return cls(np.zeros(1, np.uint8) if empty else np.frombuffer(data_buffer, np.uint8), offsets)


@dataclass(frozen=True)
class Found:
    """Where the wanted keys' values stand: of m objects and k keys."""

    text: Text
    spans: npt.NDArray[np.int64]  # [m, k, 2]
    kinds: npt.NDArray[np.uint8]  # [m, k]

    def word(self, row: int, key: int) -> str | None:
        """One value as a string; a number as it is written; None where it is not given."""
        kind = self.kinds[row, key]
        if kind == ABSENT:
            return None
        i, j = self.spans[row, key]
        raw = self.text.data[i:j].tobytes()
        if kind == ESCAPED:
            try:
                return str(json.loads(b'"' + raw + b'"'))
            except ValueError:
                pass  # a broken escape is shown as it came
        return raw.decode("utf-8", "replace")

    def hashes(self, key: int) -> npt.NDArray[np.uint64]:
        """uint64[m] of one key's values, 0 where not given."""
        out = np.empty(len(self.spans), np.uint64)
        hash_spans(self.text.data, self.spans[:, key], self.kinds[:, key], out)
        return out


def find_keys(words: pa.Array, keys: Keys) -> Found:
    """Walk the JSON objects of a string array and note where the values of ``keys`` stand.

    >>> found = find_keys(pa.array(['{"page": {"path": "/a"}, "n": 1}', None]), Keys.of(["page.path", "n"]))
    >>> found.word(0, 0), found.word(0, 1), found.word(1, 0)
    ('/a', '1', None)
    """
    text = Text.of(words)
    rows = np.arange(len(words), dtype=np.int64)
    spans = np.zeros((len(rows), len(keys.names), 2), np.int64)
    kinds = np.zeros((len(rows), len(keys.names)), np.uint8)
    _scan(text.data, text.offsets, rows, keys.parent, keys.leaf, keys.text, keys.start, keys.depth, spans, kinds)
    if words.null_count:  # a null may have bytes behind it
        kinds[np.asarray(words.is_null())] = ABSENT
    return Found(text, spans, kinds)
