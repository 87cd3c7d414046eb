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
    by_group = np.zeros((groups + 1, 2), np.int64)  # the first row is for what is on the map
    by_page = np.zeros((pages, 2), np.int64)
    group_seen = np.full(groups + 1, -1, np.int64)
    page_seen = np.full(pages, -1, np.int64)
    customers = 0
    offsets, skip, times, codes, page_of = columns.offsets, columns.skip, columns.time, columns.code, columns.page
    for c in range(len(offsets) - 1):
        if skip[c]:
            continue
        here = 0
        i = offsets[c + 1]
        while i > offsets[c]:  # from the end: what lies before the period is not read
            i -= 1
            time = np.int64(times[i])
            if time < start:
                break
            if time >= end:
                continue
            here = 1
            g = np.int64(group[codes[i]]) + 1  # without a branch, since nobody can foretell what comes next
            by_group[g, 0] += 1
            by_group[g, 1] += np.int64(group_seen[g] != c)
            group_seen[g] = c
            if pages > 1:
                page = np.int64(page_of[i]) if g > 0 else np.int64(0)
                by_page[page, 0] += 1
                by_page[page, 1] += np.int64(page_seen[page] != c)
                page_seen[page] = c
        customers += here
    by_page[0, :] = 0
    return by_group[1:].copy(), by_page, customers
