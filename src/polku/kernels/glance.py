"""One look over the JSON texts of many events: which of them no step has to look into, and where their objects stand.

An event is *plain* when its properties and its context can be kept as they came: no address of a person, no query
parameter that has to go, no text that another encoder would write otherwise, nothing nested deeply. What only might be
such a thing makes an event not plain; the texts must be JSON already.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from polku.kernels.compiled import inner, kernel

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]

#: Inside a text, bytes that say something: ``"`` ``\\`` ``@`` ``%`` ``+`` ``?`` ``#``.
_MARKS = np.zeros(256, np.bool_)
_MARKS[[ord(c) for c in '"\\@%+?#']] = True
#: The last three letters of the keys under which phone numbers stand, as numbers (``record.contacts.OWN`` and others).
ENDS = ("one", "ber", "ile", "tel", "gsm", "ell", "lin", "ero", "puh")
_ENDS = np.array([ord(w[0]) << 16 | ord(w[1]) << 8 | ord(w[2]) for w in ENDS])
_PROPERTIES, _CONTEXT, _UTM = (np.frombuffer(w, np.uint8) for w in (b"properties", b"context", b"utm_"))
#: A scheme ends within so many bytes: twelve characters of at most four.
WITHIN = 48
#: Bytes of a name or an id in the event itself, objects in one another, digits of a number: what is more is not plain.
LONGEST, DEEPEST, DIGITS = 200, 32, 15


class Glance(NamedTuple):
    """Of n events: ``plain`` bool[n]; ``spans`` int64[n, 4], where the object ``properties`` begins and ends in the
    text that was looked at, and where ``context`` does (-1: there is none). Spans of what is not plain mean nothing.
    """

    plain: npt.NDArray[np.bool_]
    spans: npt.NDArray[np.int64]


@inner
def _is(data, at, end, word):  # type: ignore[no-untyped-def]
    if at + len(word) > end:
        return False
    for k in range(len(word)):  # noqa: SIM110 (compiled)
        if data[at + k] != word[k]:
            return False
    return True


@inner
def _of_phone(data, start, end, ends):  # type: ignore[no-untyped-def]
    """Whether phone numbers may stand under this key; blanks, hyphens, underscores and points in it do not count."""
    code, count = 0, 0
    for i in range(end - 1, start - 1, -1):
        c = data[i]
        if c >= 128:
            return True  # a letter or a blank that is not ASCII's
        if count < 3 and c != 32 and c != 95 and c != 46 and c != 45:
            code |= (c | 32) << (8 * count)
            count += 1
    for one in ends:  # noqa: SIM110 (compiled)
        if code == one:
            return True
    return False


@inner
def _clean(data, start, end, utm):  # type: ignore[no-untyped-def]
    """Whether a text with ``?`` or ``#`` stays as it is: no address, or one with campaign parameters only."""
    address = data[start] == 47 or data[start] == 63
    at = start
    while not address and at + 3 <= end and at < start + WITHIN:
        address = data[at] == 58 and data[at + 1] == 47 and data[at + 2] == 47
        at += 1
    if not address:
        return True
    query, fragment, first = False, False, False
    for i in range(start, end):
        c = data[i]
        if fragment:
            if c == 61 or c == 63:
                return False
        elif c == 35:
            if first:
                return False
            fragment = True
        elif first:
            if not _is(data, i, end, utm):
                return False
            first = False
        elif query:
            first = c == 38
        elif c == 63:
            query = first = True
    return not first


@kernel
def _look(data, offsets, marks, ends, names, utm, plain, spans):  # type: ignore[no-untyped-def]
    for event in range(len(offsets) - 1):
        i, end = offsets[event], offsets[event + 1]
        depth, digits = 0, 0
        which, begun = -1, False  # the member of the event whose value comes: 0 properties, 1 context
        fine = True
        spans[event, :] = -1
        while fine and i < end:
            c = data[i]
            if c == 34:
                start = i + 1
                i = start
                asked = False
                while data[i] != 34:
                    c = data[i]
                    if marks[c]:
                        if c == 63 or c == 35:
                            asked = True
                        elif c == 43:  # +358
                            if 48 <= data[i + 1] <= 57:
                                fine = False
                                break
                        elif c == 37:  # %40, %2b
                            a, b = data[i + 1], data[i + 2] if i + 2 < end else 0
                            if (a == 52 and b == 48) or (a == 50 and (b | 32) == 98):
                                fine = False
                                break
                        else:
                            fine = False
                            break
                    i += 1
                if not fine:
                    break
                stop = i
                i += 1
                k = i
                while k < end and data[k] <= 32:
                    k += 1
                if k < end and data[k] == 58:  # a key
                    i = k + 1
                    if _of_phone(data, start, stop, ends):
                        fine = False
                    if depth == 1:
                        which = -1
                        for k in range(2):
                            if stop - start == len(names[k]) and _is(data, start, stop, names[k]):
                                which = k
                        if which >= 0 and spans[event, 2 * which] >= 0:
                            fine = False  # twice the same
                elif (asked and not _clean(data, start, stop, utm)) or (depth == 1 and stop - start > LONGEST):
                    fine = False
                digits = 0
                continue
            if c == 123 or c == 91:
                if depth == 1 and c == 123 and which >= 0:
                    spans[event, 2 * which] = i
                    begun = True
                depth += 1
                if depth > DEEPEST:
                    fine = False
            elif c == 125 or c == 93:
                depth -= 1
                if depth == 1 and begun:
                    spans[event, 2 * which + 1] = i + 1
                    begun = False
            if 48 <= c <= 57:
                digits += 1
                if digits > DIGITS:
                    fine = False
            elif c == 69 or c == 101:
                if digits:
                    fine = False  # 1e5, written otherwise by another encoder
            elif c != 46:
                digits = 0
            i += 1
        plain[event] = fine and depth == 0


def glance(data: Bytes, offsets: Offsets) -> Glance:
    """Look at n JSON objects, the i-th at ``data[offsets[i]:offsets[i + 1]]`` (uint8, int64[n + 1]).

    >>> texts = [b'{"event": "Seen", "properties": {"n": 1}}', b'{"properties": {"email": "anna@example.fi"}}']
    >>> data = np.frombuffer(b"".join(texts), np.uint8)
    >>> found = glance(data, np.array([0, len(texts[0]), len(data)]))
    >>> found.plain.tolist(), data[slice(*found.spans[0, :2])].tobytes()
    ([True, False], b'{"n": 1}')
    """
    n = len(offsets) - 1
    plain, spans = np.zeros(n, np.bool_), np.empty((n, 4), np.int64)
    _look(data, offsets, _MARKS, _ENDS, (_PROPERTIES, _CONTEXT), _UTM, plain, spans)
    return Glance(plain, spans)


@kernel
def _copy(data, spans, out, offsets, valid):  # type: ignore[no-untyped-def]
    at = 0
    for n in range(len(spans)):
        begun = at
        inside = False
        for i in range(max(spans[n, 0], 0), spans[n, 1]):
            c = data[i]
            if c == 34:
                inside = not inside
            elif c <= 32 and not inside:
                continue
            out[at] = c
            at += 1
        if at - begun <= 2:  # {}
            at = begun
        valid[n] = at > begun
        offsets[n + 1] = at


def objects(data: Bytes, spans: npt.NDArray[np.int64]) -> pa.Array:
    """The objects at ``spans`` (int64[n, 2]) as texts without blanks between their parts; null where there is none, or
    an empty one. No text may have a backslash in it.

    >>> data = np.frombuffer(b'{"a b": 1}{ }', np.uint8)
    >>> objects(data, np.array([[0, 10], [10, 13], [-1, -1]])).to_pylist()
    ['{"a b":1}', None, None]
    """
    n = len(spans)
    out = np.empty(int((spans[:, 1] - spans[:, 0]).sum()), np.uint8)
    offsets, valid = np.zeros(n + 1, np.int32), np.empty(n, np.bool_)
    _copy(data, np.ascontiguousarray(spans), out, offsets, valid)
    nulls = pa.array(valid).buffers()[1]
    return pa.Array.from_buffers(pa.string(), n, [nulls, pa.py_buffer(offsets), pa.py_buffer(out)])
