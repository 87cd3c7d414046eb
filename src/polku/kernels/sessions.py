"""Sessions as stretches of events: the source's own where it brings them, else gaps of less than half an hour.

An event without a session of its own joins the session of the event before it when less than the gap lies between them,
whoever named that session; so a shop's order event falls into the visit in which it was made. What is only counted by
visit never needs the stretches: see :mod:`polku.kernels.visits`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from polku.kernels.columns import Columns
from polku.kernels.compiled import inner, kernel


class Segments(NamedTuple):
    """Stretches of events: of segment ``v`` the events ``order[starts[v]:ends[v]]``, in order of (time, arrival).

    ``order`` is empty when every segment's events lie next to each other in the columns, which is nearly always so:
    then the events are ``starts[v]:ends[v]`` themselves.
    """

    order: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]  # [V]
    ends: npt.NDArray[np.int64]  # [V]
    customer: npt.NDArray[np.int64]  # [V] index of the customer within the bucket


@inner
def far_apart(columns, before, after, gap):  # type: ignore[no-untyped-def]
    """Whether at least ``gap`` seconds lie between two events; the sub-second part decides only where it has to."""
    seconds = np.int64(columns.time[after]) - np.int64(columns.time[before])
    if seconds != gap or len(columns.micros) == 0:
        return seconds >= gap
    return columns.micros[after] >= columns.micros[before]


@inner
def _label(columns, start, end, gap, label, seen, number, c):  # type: ignore[no-untyped-def]
    """Number the sessions of one customer from 0 in order of their first event. Returns how many, negative if they
    mingle.
    """
    count = 0
    ordered = True
    for i in range(start, end):
        own = columns.session[i]
        if own > 0 and seen[own] == c:
            label[i] = number[own]
        elif own == 0 and i > start and not far_apart(columns, i - 1, i, gap):
            label[i] = label[i - 1]
        else:
            label[i] = count
            if own > 0:
                seen[own] = c
                number[own] = count
            count += 1
        if i > start and label[i] < label[i - 1]:
            ordered = False
    return count if ordered else -count


@kernel
def sessions(columns, gap, as_of):  # type: ignore[no-untyped-def]
    """Sessions up to ``as_of``, by customer and first event: order, starts, ends, customer of :class:`Segments`."""
    events = len(columns.time)
    highest = np.int64(0)
    session = columns.session
    for i in range(events):
        if session[i] > highest:
            highest = np.int64(session[i])
    seen = np.full(highest + 1, -1, np.int64)
    number = np.zeros(highest + 1, np.int64)
    label = np.empty(events, np.int64)
    order = np.empty(0, np.int64)
    starts = np.empty(events, np.int64)
    ends = np.empty(events, np.int64)
    customer = np.empty(events, np.int64)
    count = 0
    offsets, skip, times = columns.offsets, columns.skip, columns.time
    for c in range(len(offsets) - 1):
        if skip[c]:
            continue
        start = offsets[c]
        end = offsets[c + 1]
        while end > start and np.int64(times[end - 1]) > as_of:
            end -= 1
        found = _label(columns, start, end, gap, label, seen, number, c)
        if found < 0:
            if len(order) == 0:
                order = np.arange(events)
            places = np.argsort(label[start:end], kind="mergesort")
            for i in range(end - start):
                order[start + i] = start + places[i]
        for i in range(start, end):
            here = order[i] if len(order) > 0 else i
            before = order[i - 1] if len(order) > 0 and i > start else i - 1
            if i == start or label[here] != label[before]:
                starts[count] = i
                customer[count] = c
                count += 1
            ends[count - 1] = i + 1
    return order, starts[:count].copy(), ends[:count].copy(), customer[:count].copy()


@kernel
def trails(columns, as_of):  # type: ignore[no-untyped-def]
    """Every customer's whole trail up to ``as_of`` as one segment: order, starts, ends, customer of
    :class:`Segments`.
    """
    customers = len(columns.offsets) - 1
    starts = np.empty(customers, np.int64)
    ends = np.empty(customers, np.int64)
    customer = np.empty(customers, np.int64)
    count = 0
    offsets, skip, times = columns.offsets, columns.skip, columns.time
    for c in range(customers):
        start = offsets[c]
        end = offsets[c + 1]
        while end > start and np.int64(times[end - 1]) > as_of:
            end -= 1
        if end > start and not skip[c]:
            starts[count] = start
            ends[count] = end
            customer[count] = c
            count += 1
    return np.empty(0, np.int64), starts[:count].copy(), ends[:count].copy(), customer[:count].copy()


__all__ = ["Columns", "Segments", "far_apart", "sessions", "trails"]
