"""Who was there in a stretch of time, and who met certain events in it."""

from __future__ import annotations

import numpy as np

from polku.kernels.compiled import kernel


@kernel
def met(columns, codes, page, start, end):  # type: ignore[no-untyped-def]
    """bool[C]: who has, in [start, end), an event of ``codes`` (bool[codes]), on ``page`` where that is above 0."""
    out = np.zeros(len(columns.offsets) - 1, np.bool_)
    for c in range(len(columns.offsets) - 1):
        if columns.skip[c]:
            continue
        for i in range(columns.offsets[c], columns.offsets[c + 1]):
            time = np.int64(columns.time[i])
            if codes[columns.code[i]] and start <= time < end and (page == 0 or columns.page[i] == page):
                out[c] = True
                break
    return out


@kernel
def valued(columns, codes, start, end):  # type: ignore[no-untyped-def]
    """bool[C]: who has, in [start, end), an event of ``codes`` (bool[codes]) that carries a value."""
    out = np.zeros(len(columns.offsets) - 1, np.bool_)
    if len(columns.value) == 0:
        return out
    for c in range(len(columns.offsets) - 1):
        if columns.skip[c]:
            continue
        for i in range(columns.offsets[c], columns.offsets[c + 1]):
            if codes[columns.code[i]] and start <= np.int64(columns.time[i]) < end and not np.isnan(columns.value[i]):
                out[c] = True
                break
    return out


@kernel
def present(columns, goal, start, end):  # type: ignore[no-untyped-def]
    """bool[C] twice: who has any event in [start, end), and who has one of ``goal`` (bool[codes]) in it."""
    customers = len(columns.offsets) - 1
    seen = np.zeros(customers, np.bool_)
    reached = np.zeros(customers, np.bool_)
    offsets, skip, times, codes = columns.offsets, columns.skip, columns.time, columns.code
    for c in range(customers):
        if skip[c]:
            continue
        for i in range(offsets[c], offsets[c + 1]):
            time = np.int64(times[i])
            if start <= time < end:
                seen[c] = True
                if goal[codes[i]]:
                    reached[c] = True
                    break
    return seen, reached
