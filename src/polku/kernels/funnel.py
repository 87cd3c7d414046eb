"""Ordered funnels: of all starts a customer (or a session) is given the one that gets furthest.

For every step the newest chain that reaches it is kept: a later start can do all that an earlier one can, and has its
window open longer, so nothing is lost and one pass is enough. Events of the same moment count in their order of
arrival."""

from __future__ import annotations

import numpy as np

from polku.kernels.compiled import inner, kernel

#: Steps are bits of one number.
MOST_STEPS = 62
UNLIMITED = np.int64(1) << np.int64(61)


@inner
def _in_window(columns, start, i, window):  # type: ignore[no-untyped-def]
    """Whether event ``i`` lies within ``window`` seconds of event ``start``; both ends count."""
    seconds = np.int64(columns.time[i]) - np.int64(columns.time[start])
    if seconds != window or len(columns.micros) == 0:
        return seconds <= window
    return columns.micros[i] <= columns.micros[start]


@inner
def _take(columns, chain, bits, i, window, steps, started, best, level):  # type: ignore[no-untyped-def]
    """Let event ``i``, which is every step whose bit is set in ``bits``, lengthen the chains. Returns the level
    reached.

    Steps are tried from the last to the first, so that one event is used for one step of a chain only.
    """
    for step in range(steps - 1, 0, -1):
        if (bits >> step) & 1 == 0 or chain[step - 1, 0] < 0:
            continue
        if not _in_window(columns, chain[step - 1, 0], i, window):
            continue
        if chain[step, 0] >= chain[step - 1, 0]:
            continue
        for k in range(step):
            chain[step, k] = chain[step - 1, k]
        chain[step, step] = i
        if step + 1 > level:
            level = step + 1
            for k in range(level):
                best[k] = chain[step, k]
    if started:
        chain[0, 0] = i
        if level == 0:
            level = 1
            best[0] = i
    return level


@kernel
def funnel(columns, segments, step_bits, steps, window, start, end, as_of):  # type: ignore[no-untyped-def]
    """How far every segment comes.

    ``step_bits`` int64[codes]: the steps that a code is, as bits; ``window`` seconds; the first step lies in [start,
    end). Returns level int8[V] (steps reached, 0 none), open bool[V] (some start's window reaches beyond ``as_of``),
    and times uint32[V, steps]: the moment of each step of the chain that is given, 0 beyond its level.
    """
    count = len(segments.customer)
    level = np.zeros(count, np.int8)
    is_open = np.zeros(count, np.bool_)
    times = np.zeros((count, steps), np.uint32)
    chain = np.empty((steps, steps), np.int64)
    best = np.empty(steps, np.int64)
    order, starts, ends = segments.order, segments.starts, segments.ends
    code_of, time_of = columns.code, columns.time
    mingled = len(order) > 0
    for v in range(count):
        reached = np.int64(0)
        fresh = True
        last_start = np.int64(-1)
        for j in range(starts[v], ends[v]):
            i = order[j] if mingled else j
            bits = step_bits[code_of[i]]
            if bits == 0:
                continue
            if fresh:
                chain[:, 0] = -1
                fresh = False
            time = np.int64(time_of[i])
            started = bits & 1 == 1 and start <= time < end
            reached = _take(columns, chain, bits, i, window, steps, started, best, reached)
            if started:
                last_start = time
        level[v] = reached
        is_open[v] = last_start >= 0 and last_start + window > as_of
        for k in range(reached):
            times[v, k] = time_of[best[k]]
    return level, is_open, times
