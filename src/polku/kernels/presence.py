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


@kernel
def outcomes(columns, customer, since, goal, window, as_of):  # type: ignore[no-untyped-def]
    """int8[R]: whether the customer of each row met ``goal`` in [since, since + window]: 1 yes, 0 no, 2 not yet known.

    ``customer`` int64[R] indices within the bucket, ``since`` int64[R] seconds.
    """
    out = np.zeros(len(customer), np.int8)
    offsets, times, codes = columns.offsets, columns.time, columns.code
    for r in range(len(customer)):
        limit = since[r] + window
        if limit > as_of:
            out[r] = 2
            continue
        for i in range(offsets[customer[r]], offsets[customer[r] + 1]):
            time = np.int64(times[i])
            if time > limit:
                break
            if time >= since[r] and goal[codes[i]]:
                out[r] = 1
                break
    return out


@kernel
def first_rows(key, customer, keep, keys):  # type: ignore[no-untyped-def]
    """bool[R]: the first kept row of each (key, customer); rows are in order of customers."""
    out = np.zeros(len(key), np.bool_)
    seen = np.full(keys, -1, np.int64)
    for r in range(len(key)):
        k = key[r]
        if keep[r] and k >= 0 and seen[k] != customer[r]:
            seen[k] = customer[r]
            out[r] = True
    return out
