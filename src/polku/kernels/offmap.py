"""Events that the map lacks: how many, and of how many customers, by event and by page."""

from __future__ import annotations

import numpy as np

from polku.kernels.compiled import kernel


@kernel
def off_map(columns, group, groups, pages, start, end):  # type: ignore[no-untyped-def]
    """Counts of the events off the map, by ``group`` of their code (int32[codes], -1 on the map), with time in [start,
    end).

    Returns int64[groups, 2] (events, customers), int64[pages, 2] of the page views among them, and how many customers
    have any event at all in that time.
    """
    by_group = np.zeros((groups, 2), np.int64)
    by_page = np.zeros((pages, 2), np.int64)
    group_seen = np.full(groups, -1, np.int64)
    page_seen = np.full(pages, -1, np.int64)
    customers = 0
    offsets, skip, times, codes, page_of = columns.offsets, columns.skip, columns.time, columns.code, columns.page
    for c in range(len(offsets) - 1):
        if skip[c]:
            continue
        here = 0
        for i in range(offsets[c], offsets[c + 1]):
            time = np.int64(times[i])
            if time < start or time >= end:
                continue
            here = 1
            g = group[codes[i]]
            if g < 0:
                continue
            by_group[g, 0] += 1
            if group_seen[g] != c:
                group_seen[g] = c
                by_group[g, 1] += 1
            page = page_of[i]
            if page > 0:
                by_page[page, 0] += 1
                if page_seen[page] != c:
                    page_seen[page] = c
                    by_page[page, 1] += 1
        customers += here
    return by_group, by_page, customers
