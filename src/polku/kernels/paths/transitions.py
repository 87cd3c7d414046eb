"""Which step follows which: counts of neighbours in every trail or session, and the times between them.

A symbol is what a step is called: a touchpoint, an event or a stage. ``symbol`` int16[codes] gives it for each code, -1
for events that are no step. Row ``symbols`` of the counts is the start, column ``symbols`` the end.
"""

from __future__ import annotations

import numpy as np

from polku.kernels.compiled import kernel
from polku.kernels.spread import BINS, bin_of

#: Up to so many codes the table of all their pairs stays in a processor's cache: :func:`neighbours` is the quick way.
MOST_CODES = 256


@kernel
def neighbours(columns, codes):  # type: ignore[no-untyped-def]
    """int64[codes + 1, codes + 1]: which code follows which in whole trails; row, column ``codes`` are start and end.

    All neighbours in the columns are counted as if there were one long trail, into four tables in turn (one table waits
    for its own last write whenever a pair comes twice in a row), and what crosses from one customer to the next, or
    belongs to a customer who is not to be counted, is taken off again. Three times as quick as asking at each event.
    """
    code, offsets, skip = columns.code, columns.offsets, columns.skip
    events = len(code)
    wide = np.uint32(codes)
    tables = np.zeros((4, codes * codes), np.int32)  # a bucket has fewer than 2^31 events
    i = 0
    if events > 0:
        first = np.uint32(code[0])
        while i + 4 < events:
            second, third = np.uint32(code[i + 1]), np.uint32(code[i + 2])
            fourth, fifth = np.uint32(code[i + 3]), np.uint32(code[i + 4])
            tables[0, first * wide + second] += np.int32(1)
            tables[1, second * wide + third] += np.int32(1)
            tables[2, third * wide + fourth] += np.int32(1)
            tables[3, fourth * wide + fifth] += np.int32(1)
            first = fifth
            i += 4
        while i + 1 < events:
            tables[0, np.uint32(code[i]) * wide + np.uint32(code[i + 1])] += np.int32(1)
            i += 1
    counts = np.zeros((codes + 1, codes + 1), np.int64)
    for source in range(codes):
        for target in range(codes):
            place = source * codes + target
            counts[source, target] = np.int64(tables[0, place]) + tables[1, place] + tables[2, place] + tables[3, place]
    for c in range(len(offsets) - 1):
        start, end = offsets[c], offsets[c + 1]
        if start == end:
            continue
        if end < events:
            counts[code[end - 1], code[end]] -= 1
        if skip[c]:
            for i in range(start, end - 1):
                counts[code[i], code[i + 1]] -= 1
        else:
            counts[codes, code[start]] += 1
            counts[code[end - 1], codes] += 1
    return counts


@kernel
def pairs(columns, symbol, symbols):  # type: ignore[no-untyped-def]
    """int64[symbols + 1, symbols + 1] over whole trails, for any number of codes; reads nothing but the codes."""
    counts = np.zeros((symbols + 1, symbols + 1), np.int64)
    offsets, skip, code_of = columns.offsets, columns.skip, columns.code
    for c in range(len(offsets) - 1):
        if skip[c]:
            continue
        before = symbols
        for i in range(offsets[c], offsets[c + 1]):
            here = np.int64(symbol[code_of[i]])
            if here >= 0:
                counts[before, here] += 1
                before = here
        if before != symbols:
            counts[before, symbols] += 1
    return counts


@kernel
def timed_pairs(columns, segments, symbol, symbols, start, end, collapse, row_of, rows):  # type: ignore[no-untyped-def]
    """The same within segments, of events in [start, end).

    ``collapse`` takes repeats of a symbol as one. Returns counts, and waits int64[rows, BINS]: of each pair that
    ``row_of`` int64[symbols, symbols] gives a row (-1 none), how many waited how long, in the bins of
    :mod:`polku.kernels.spread`.
    """
    counts = np.zeros((symbols + 1, symbols + 1), np.int64)
    waits = np.zeros((rows, BINS), np.int64)
    order, starts, ends = segments.order, segments.starts, segments.ends
    code_of, time_of = columns.code, columns.time
    mingled = len(order) > 0
    for v in range(len(segments.customer)):
        before = symbols
        left = np.int64(0)
        for j in range(starts[v], ends[v]):
            i = order[j] if mingled else j
            here = np.int64(symbol[code_of[i]])
            time = np.int64(time_of[i])
            if here < 0 or time < start or time >= end or (collapse and here == before):
                continue
            counts[before, here] += 1
            if rows > 0 and before != symbols and row_of[before, here] >= 0:
                waits[row_of[before, here], bin_of(time - left)] += 1
            before = here
            left = time
        if before != symbols:
            counts[before, symbols] += 1
    return counts, waits


@kernel
def having(columns, segments, symbol, symbols, start, end, collapse, source, target):  # type: ignore[no-untyped-def]
    """bool[C]: who has ``source`` directly followed by ``target``; ``symbols`` stands for the start and the end."""
    out = np.zeros(len(columns.offsets) - 1, np.bool_)
    order, starts, ends = segments.order, segments.starts, segments.ends
    code_of, time_of = columns.code, columns.time
    mingled = len(order) > 0
    for v in range(len(segments.customer)):
        c = segments.customer[v]
        if out[c]:
            continue
        before = symbols
        for j in range(starts[v], ends[v]):
            i = order[j] if mingled else j
            here = np.int64(symbol[code_of[i]])
            time = np.int64(time_of[i])
            if here < 0 or time < start or time >= end or (collapse and here == before):
                continue
            if before == source and here == target:
                out[c] = True
                break
            before = here
        if before != symbols and before == source and target == symbols:
            out[c] = True
    return out
