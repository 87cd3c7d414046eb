"""Events that the map lacks: how many, and of how many customers, by event and by page."""

from __future__ import annotations

import numba as nb
import numpy as np


@nb.njit(cache=True, nogil=True)
def off_map(columns, off, start, end, pages):  # type: ignore[no-untyped-def]
    """Counts of the events whose code is ``off`` the map (bool[codes]) with time in [start, end).

    Returns int64[codes, 2] (events, customers) and int64[pages, 2] of the page views among them.
    """
    by_code = np.zeros((len(off), 2), np.int64)
    by_page = np.zeros((pages, 2), np.int64)
    code_seen = np.full(len(off), -1, np.int64)
    page_seen = np.full(pages, -1, np.int64)
    for c in range(len(columns.offsets) - 1):
        if columns.skip[c]:
            continue
        for i in range(columns.offsets[c], columns.offsets[c + 1]):
            code = columns.code[i]
            if not off[code]:
                continue
            time = np.int64(columns.time[i])
            if time < start or time >= end:
                continue
            by_code[code, 0] += 1
            if code_seen[code] != c:
                code_seen[code] = c
                by_code[code, 1] += 1
            page = columns.page[i]
            if page > 0:
                by_page[page, 0] += 1
                if page_seen[page] != c:
                    page_seen[page] = c
                    by_page[page, 1] += 1
    return by_code, by_page


@nb.njit(cache=True, nogil=True)
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
