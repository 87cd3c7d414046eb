"""What is told of sessions: events counted, summed and found in each, and what came after it.

Of session ``v`` the events are ``order[starts[v]:ends[v]]``, or with an empty ``order`` the places themselves
(:class:`polku.kernels.sessions.Segments`).
"""

from __future__ import annotations

import numpy as np

from polku.kernels.compiled import kernel


@kernel
def count(order, starts, ends, marks):  # type: ignore[no-untyped-def]
    """int64[V]: how many of each session's events are marked in ``marks`` bool[N]."""
    found = np.zeros(len(starts), np.int64)
    for v in range(len(starts)):
        for i in range(starts[v], ends[v]):
            if marks[order[i] if len(order) > 0 else i]:
                found[v] += 1
    return found


@kernel
def total(order, starts, ends, values):  # type: ignore[no-untyped-def]
    """float64[V]: the sum of ``values`` float64[N] over each session's events; NaN counts as 0."""
    found = np.zeros(len(starts), np.float64)
    for v in range(len(starts)):
        for i in range(starts[v], ends[v]):
            value = values[order[i] if len(order) > 0 else i]
            if not np.isnan(value):
                found[v] += value
    return found


@kernel
def first_and_last(order, starts, ends, marks):  # type: ignore[no-untyped-def]
    """int64[V] twice: the places of each session's first and last event marked in ``marks`` bool[N]; -1 for none."""
    first = np.full(len(starts), -1, np.int64)
    last = np.full(len(starts), -1, np.int64)
    for v in range(len(starts)):
        for i in range(starts[v], ends[v]):
            place = order[i] if len(order) > 0 else i
            if marks[place]:
                if first[v] < 0:
                    first[v] = place
                last[v] = place
    return first, last


@kernel
def met(order, starts, ends, asked, group, groups):  # type: ignore[no-untyped-def]
    """int64[groups]: the sessions, of those marked in ``asked`` bool[V], with an event of each group; ``group``
    int64[N], -1 for none.
    """
    found = np.zeros(groups, np.int64)
    seen = np.full(groups, -1, np.int64)
    for v in range(len(starts)):
        if not asked[v]:
            continue
        for i in range(starts[v], ends[v]):
            here = group[order[i] if len(order) > 0 else i]
            if here >= 0 and seen[here] != v:
                seen[here] = v
                found[here] += 1
    return found


@kernel
def customers(customer, group, groups):  # type: ignore[no-untyped-def]
    """int64[groups]: different customers with a session of each group; ``customer`` int64[V] ascending, ``group``
    int64[V], -1 for none.
    """
    found = np.zeros(groups, np.int64)
    seen = np.full(groups, -1, np.int64)
    for v in range(len(customer)):
        here = group[v]
        if here >= 0 and seen[here] != customer[v]:
            seen[here] = customer[v]
            found[here] += 1
    return found


@kernel
def following(columns, order, ends, customer):  # type: ignore[no-untyped-def]
    """int64[V]: seconds of the customer's next event that is later than each session's last, in whatever session; -1
    for none. Sessions that a source names may run side by side.
    """
    found = np.full(len(ends), -1, np.int64)
    for v in range(len(ends)):
        place = order[ends[v] - 1] if len(order) > 0 else ends[v] - 1
        time = columns.time[place]
        stop = columns.offsets[customer[v] + 1]
        while place < stop and columns.time[place] == time:
            place += 1
        if place < stop:
            found[v] = columns.time[place]
    return found
