"""What people do step by step: counts at each position of a path, and of the moves from one position to the next.

A path is counted from its beginning, or around a step that it has (its centre). Number ``symbols`` stands for nothing
there: the path has ended, or, before a centre, not yet begun. So every position adds up to the number of paths.
"""

from __future__ import annotations

import numpy as np

from polku.kernels.compiled import inner, kernel

#: No centre: positions count from the beginning of the path.
NO_CENTRE = -1


@inner
def _fill(columns, segments, v, symbol, start, end, collapse, path):  # type: ignore[no-untyped-def]
    """Write the steps of segment ``v`` into ``path``; returns how many."""
    mingled = len(segments.order) > 0
    before = np.int64(-1)
    length = 0
    for j in range(segments.starts[v], segments.ends[v]):
        i = segments.order[j] if mingled else j
        here = np.int64(symbol[columns.code[i]])
        time = np.int64(columns.time[i])
        if here < 0 or time < start or time >= end or (collapse and here == before):
            continue
        path[length] = here
        length += 1
        before = here
    return length


@inner
def _centre(path, length, centre, occurrence):  # type: ignore[no-untyped-def]
    """Where the path is centred: 0 without a centre, the place of its n-th occurrence, or -1 when it has none."""
    if centre < 0:
        return 0 if length > 0 else -1
    met = 0
    for place in range(length):
        if path[place] == centre:
            met += 1
            if met == occurrence:
                return place
    return -1


@inner
def _at(path, length, place, symbols):  # type: ignore[no-untyped-def]
    return path[place] if 0 <= place < length else symbols


@kernel
def moves(columns, segments, symbol, symbols, start, end, collapse, centre, occurrence, before, after):  # type: ignore[no-untyped-def]
    """int64[before + after, symbols + 1, symbols + 1]: how many go from one step at a position to another at the next.

    Positions run from ``-before`` to ``after``; position 0 is the centre, or the first step. Rows are the step at the
    earlier of the two positions.
    """
    counts = np.zeros((before + after, symbols + 1, symbols + 1), np.int64)
    longest = np.int64(0)
    for v in range(len(segments.customer)):
        longest = max(longest, segments.ends[v] - segments.starts[v])
    path = np.empty(longest, np.int64)
    for v in range(len(segments.customer)):
        length = _fill(columns, segments, v, symbol, start, end, collapse, path)
        middle = _centre(path, length, centre, occurrence)
        if middle < 0:
            continue
        for move in range(before + after):
            place = middle - before + move
            counts[move, _at(path, length, place, symbols), _at(path, length, place + 1, symbols)] += 1
    return counts


@kernel
def walked(columns, segments, symbol, symbols, start, end, collapse, centre, occurrence, position, sources, targets):  # type: ignore[no-untyped-def]
    """bool[C]: who is at one of ``sources`` at ``position`` and at one of ``targets`` next; bool[symbols + 1] each."""
    out = np.zeros(len(columns.offsets) - 1, np.bool_)
    longest = np.int64(0)
    for v in range(len(segments.customer)):
        longest = max(longest, segments.ends[v] - segments.starts[v])
    path = np.empty(longest, np.int64)
    for v in range(len(segments.customer)):
        length = _fill(columns, segments, v, symbol, start, end, collapse, path)
        middle = _centre(path, length, centre, occurrence)
        if middle < 0 or not sources[_at(path, length, middle + position, symbols)]:
            continue
        if targets[_at(path, length, middle + position + 1, symbols)]:
            out[segments.customer[v]] = True
    return out
