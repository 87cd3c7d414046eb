"""The funnel that is asked most, as fast as one can: steps in order, by customer, each event at most one step.

Of all starts a customer is given the one that gets furthest. For every step the newest start that reaches it is kept:
a later start can do all that an earlier one can and has its window open longer, so nothing is lost and one pass is
enough. :mod:`polku.kernels.funnels.chains` gives the same counts and times for any funnel; tests compare them.

What makes it fast: events of the steps are gathered without a branch (an unpredictable jump costs more than an
event); a look without one tells who never comes to the second step in time; and waiting times are written down as the
customers are passed, so that no moment is kept for everyone.
"""

from __future__ import annotations

import numpy as np

from polku.kernels.compiled import kernel

#: In a table of codes: this event is no step.
NO_STEP = 255
MOST_STEPS = 254
#: A window without an end, in seconds.
UNLIMITED = (1 << 32) - 1


@kernel
def plain_funnel(columns, step_of, steps, window, start, end, as_of):  # type: ignore[no-untyped-def]
    """How far every customer comes, counted, with the waiting times of the chains that are given.

    ``step_of`` uint8[codes]: the step that a code is, from 0, else ``NO_STEP``; ``window`` seconds from the first step,
    both ends counted, at most ``UNLIMITED``; the first step lies in [start, end), all events up to ``as_of``. Returns
    furthest int64[steps + 1] (customers whose furthest step it was; 0 none), open int64[steps + 1] (of them, with a
    start whose window reaches beyond ``as_of``), waits uint32[steps, C] of which the first counts[k] of row k are
    seconds from step k - 1 to step k, those of row 0 from the first step to the last, and counts int64[steps].
    """
    offsets, time, code, micros, skip = columns.offsets, columns.time, columns.code, columns.micros, columns.skip
    events = len(code)
    customers = len(offsets) - 1
    at = np.empty(events + 1, np.uint32)
    n = np.int64(0)
    for i in range(events):
        at[n] = i
        n += np.int64(step_of[code[i]] != NO_STEP)
    at[n] = np.uint32(events)
    furthest = np.zeros(steps + 1, np.int64)
    open_ = np.zeros(steps + 1, np.int64)
    waits = np.empty((steps, customers), np.uint32)
    counts = np.zeros(steps, np.int64)
    chain = np.zeros((steps, steps), np.uint32)  # of each step the moments of its newest chain
    begun = np.empty(steps, np.int64)  # and the event that this chain begins with
    best = np.empty(steps, np.uint32)
    exact = len(micros) == 0
    unlimited = window >= UNLIMITED
    end = min(np.int64(end), np.int64(as_of) + 1)
    never = -1 - 2 * np.int64(window)
    h = np.int64(0)
    for c in range(customers):
        stop = offsets[c + 1]
        low = h
        newest = never
        second = np.int64(0)
        # a first look without a branch: most customers never come from the first step to the second in time
        while at[h] < stop:
            i = at[h]
            h += 1
            step = step_of[code[i]]
            now = np.int64(time[i])
            second |= np.int64(step == 1) & np.int64(now - newest <= window)
            newest = now if (step == 0) & (now >= start) & (now < end) else newest
        if newest < 0 or skip[c]:
            continue
        is_open = np.int64(not unlimited and newest + window > as_of)
        if second == 0:
            furthest[1] += 1
            open_[1] += is_open
            continue
        level = np.int64(0)
        for k in range(steps):
            begun[k] = -1
        for g in range(low, h):
            i = at[g]
            step = np.int64(step_of[code[i]])
            now = np.int64(time[i])
            if now > as_of:
                break
            if step == 0:
                if start <= now < end:
                    begun[0] = i
                    chain[0, 0] = time[i]
                    if level == 0:
                        level = np.int64(1)
                        best[0] = time[i]
                continue
            first = begun[step - 1]
            if first <= begun[step]:
                continue
            passed = now - np.int64(chain[step - 1, 0])
            if passed > window or (passed == window and not exact and micros[i] > micros[first]):
                continue
            begun[step] = first
            for k in range(step):
                chain[step, k] = chain[step - 1, k]
            chain[step, step] = time[i]
            if step >= level:
                level = np.int64(step + 1)
                for k in range(level):
                    best[k] = chain[step, k]
        furthest[level] += 1
        open_[level] += is_open
        for k in range(1, level):
            waits[k, counts[k]] = best[k] - best[k - 1]
            counts[k] += 1
        if level == steps:
            waits[0, counts[0]] = best[steps - 1] - best[0]
            counts[0] += 1
    return furthest, open_, waits, counts
