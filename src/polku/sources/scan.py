"""Where CSV's rows begin and end: one pass over the bytes that knows quotation, counts columns and lines, and
survives anything.

pyarrow reads the rows; this finds which ones it can read, so that a damaged line is one refused row with its true
number and never the end of the import. Quoting is RFC 4180's as pyarrow has it: a quotation mark opens a quoted
column only at its start, and stands for itself elsewhere.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from polku.kernels.compiled import kernel

#: A row longer than this has an open quotation mark.
LONGEST = 1 << 20


@kernel
def _scan(data, size, delimiter, quote, columns, line, final, starts, ends, fields, lines, open_):  # type: ignore[no-untyped-def]
    """Fill the arrays a row each; returns (rows, bytes consumed, line number after them).

    A row over several lines that does not fit ``columns`` is cut after its first line, and the rest read anew: an open
    quotation mark costs one line.
    """
    rows = 0
    i = 0
    while i < size:
        start = i
        count = 1
        inside = False
        at_start = True
        breaks = 0
        first_end = -1
        complete = False
        closed, junk = False, False
        while i < size:
            c = data[i]
            if inside:
                if c == quote:
                    if i + 1 < size and data[i + 1] == quote:
                        i += 1
                    elif i + 1 == size and not final:
                        break
                    else:
                        inside, closed = False, True
                elif c == 10 or c == 13:
                    if c == 13 and i + 1 == size and not final:
                        break
                    if c == 13 and i + 1 < size and data[i + 1] == 10:
                        i += 1
                    breaks += 1
                    if first_end < 0:
                        first_end = i + 1
                i += 1
                if i - start > LONGEST:
                    break
                continue
            if c == 10 or c == 13:
                if c == 13 and i + 1 == size and not final:
                    break
                complete = True
                break
            if closed and c != delimiter:
                junk = True
            closed = False
            if c == delimiter:
                count += 1
                at_start = True
            elif c == quote and at_start and quote != 0:
                inside = True
                at_start = False
            else:
                at_start = False
            i += 1
        end = i
        if complete:
            if data[i] == 13 and i + 1 < size and data[i + 1] == 10:
                i += 1
            i += 1
        elif final and i >= size and not inside:
            complete = True
        too_long = inside and end - start > LONGEST
        if not complete and not (final and inside) and not too_long:
            return rows, start, line
        unclosed = inside
        if breaks and (unclosed or junk or count != columns):
            # cut after the first line; text behind a closing mark says that the marks are paired wrongly
            end, i = first_end, first_end
            while end > start and (data[end - 1] == 10 or data[end - 1] == 13):
                end -= 1
            unclosed = True
            breaks = 0
        elif too_long:
            # one line longer than any row: the rest of the line goes with it
            while i < size and data[i] != 10:
                i += 1
            if i == size and not final:
                return rows, start, line
            end = i
            i = min(size, i + 1)
        if end > start:
            starts[rows], ends[rows], fields[rows], lines[rows], open_[rows] = start, end, count, line, unclosed
            rows += 1
        line += breaks + 1
    return rows, size, line


class Rows(NamedTuple):
    """Rows of a block: ``starts``/``ends`` int64 (bytes, line end not included), ``fields`` int32, ``lines`` int64,
    ``open`` bool (a quotation mark without its mate); ``consumed`` bytes; ``line`` of the next row."""

    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    fields: npt.NDArray[np.int32]
    lines: npt.NDArray[np.int64]
    open: npt.NDArray[np.bool_]
    consumed: int
    line: int


def scan(block: bytes, delimiter: str, quote: str, columns: int, line: int = 1, final: bool = True) -> Rows:
    """The rows of ``block``; with ``final`` false a row that may go on in the next block is left for it.

    Empty lines are no rows but count as lines.

    >>> rows = scan(b'a,b\\n"x\\ny",2\\n\\n3', ",", '"', 2)
    >>> rows.fields.tolist(), rows.lines.tolist()
    ([2, 2, 1], [1, 2, 5])
    """
    data = np.frombuffer(block, np.uint8) if block else np.zeros(0, np.uint8)
    most = block.count(b"\n") + block.count(b"\r") + 1
    starts, ends, lines = np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most, np.int64)
    fields, open_ = np.empty(most, np.int32), np.empty(most, np.bool_)
    mark = ord(quote) if quote else 0
    rows, consumed, after = _scan(
        data, len(data), ord(delimiter), mark, columns, line, final, starts, ends, fields, lines, open_
    )
    return Rows(starts[:rows], ends[:rows], fields[:rows], lines[:rows], open_[:rows], consumed, after)
