"""One text member of many JSON objects, found in their bytes: no object is made of the rest."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from polku.kernels.compiled import kernel
from polku.kernels.hashing import mix

FNV = np.uint64(0x100000001B3)
Positions = npt.NDArray[np.int64]


@kernel
def _after_blanks(data, at, end):  # type: ignore[no-untyped-def]
    while at < end and (data[at] == 32 or data[at] == 9 or data[at] == 10 or data[at] == 13):
        at += 1
    return at


@kernel
def _find(data, offsets, valid, name, starts, ends, hashes):  # type: ignore[no-untyped-def]
    size = len(name)
    skip = np.full(256, size, np.int64)  # how far to go on by the last byte looked at (Horspool 1980)
    for k in range(size - 1):
        skip[name[k]] = size - 1 - k
    for i in range(len(valid)):
        starts[i] = ends[i] = -1
        hashes[i] = 0
        if not valid[i]:
            continue
        at, end = offsets[i] + size, offsets[i + 1]
        while at <= end:
            k = 1
            while k <= size and data[at - k] == name[size - k]:
                k += 1
            if k > size:
                begin = _after_blanks(data, at, end)
                if begin < end and data[begin] == 58:  # a colon: it is a name, no value
                    begin = _after_blanks(data, begin + 1, end)
                    if begin < end and data[begin] == 34:
                        begin += 1
                        j = begin
                        h = np.uint64(0)
                        while j < end and data[j] != 34:
                            if data[j] == 92:
                                h = (h ^ np.uint64(92)) * FNV
                                j += 1
                                if j == end:
                                    break
                            h = (h ^ np.uint64(data[j])) * FNV
                            j += 1
                        starts[i], ends[i], hashes[i] = begin, j, mix(h)
                        break
            at += skip[data[at - 1]]


def members(
    data: npt.NDArray[np.uint8], offsets: Positions, valid: npt.NDArray[np.bool_], name: str
) -> tuple[Positions, Positions, npt.NDArray[np.uint64]]:
    """Where the text of each object's member ``name`` begins and ends in ``data``, and a hash of its bytes.

    ``data`` uint8[], ``offsets`` int64[n + 1], ``valid`` bool[n]: rows of JSON. The first member of that name counts,
    be it the object's own or one of an object inside; a text that holds the name does not (its quotation marks are
    escaped). ``starts``, ``ends`` int64[n] are -1 and ``hashes`` uint64[n] 0 where a row has none, or no text there.
    The bytes are as they stand, escapes and all.

    >>> row = np.frombuffer(b'{"t":"\\\\"k\\\\":","k": "yes"}', np.uint8)
    >>> starts, ends, _ = members(row, np.array([0, len(row)]), np.array([True]), "k")
    >>> row[starts[0]:ends[0]].tobytes()
    b'yes'
    """
    n = len(valid)
    starts, ends, hashes = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.uint64)
    data = data.view()
    data.flags.writeable = False  # one type for the kernel, whatever the buffer was made of
    _find(data, offsets, valid, np.frombuffer(f'"{name}"'.encode(), np.uint8), starts, ends, hashes)
    return starts, ends, hashes
