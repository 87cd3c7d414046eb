"""The funnel that is asked most, as fast as one can: steps in order, by customer, each event at most one step.

Of all starts a customer is given the one that gets furthest. For every step the newest start that reaches it is kept:
a later start can do all that an earlier one can and has its window open longer, so nothing is lost.
:mod:`polku.kernels.funnels.chains` gives the same counts and times for any funnel; tests compare them.

It goes step by step, not customer by customer. :func:`places_of` draws out the events of each step, each with its
customer, its time and how many events of the step before lie before it; that hangs on the steps alone, so whoever asks
again (another window, period or segment) may keep it. The newest chain that an event can go on from is then looked up
by that number, and falls away where it is another customer's or its window is over. All of this without a branch that
hangs on the data: a jump that cannot be foretold costs more than an event, and customer by customer there are several
for each.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from polku.kernels.columns import Columns
from polku.kernels.compiled import kernel

#: In a table of codes: this event is no step.
NO_STEP = 255
MOST_STEPS = 254
#: A window without an end, in seconds.
UNLIMITED = (1 << 32) - 1


class Places(NamedTuple):
    """The events of S steps in one bucket, step after step, each step's in the bucket's order; n in all."""

    starts: npt.NDArray[np.int64]  # [S + 1] where each step's begin
    who: npt.NDArray[np.uint32]  # [n] the customer, as an index into the bucket
    time: npt.NDArray[np.uint32]  # [n]
    behind: npt.NDArray[np.uint32]  # [n] how many events of the step before lie before it; of the first step 0
    micros: npt.NDArray[np.uint32]  # [n], or empty as in the bucket


@kernel
def _places(columns, step_of, steps):  # type: ignore[no-untyped-def]
    offsets, code = columns.offsets, columns.code
    events = len(code)
    at = np.empty(events + 1, np.uint32)
    n = np.int64(0)
    for i in range(events):
        at[n] = i
        n += np.int64(step_of[code[i]] != NO_STEP)
    starts = np.zeros(steps + 1, np.int64)
    for g in range(n):
        starts[np.int64(step_of[code[at[g]]]) + 1] += 1
    for k in range(steps):
        starts[k + 1] += starts[k]
    free = starts[:-1].copy()
    who, time, behind = np.empty(n, np.uint32), np.empty(n, np.uint32), np.zeros(n, np.uint32)
    micros = np.empty(n if len(columns.micros) else 0, np.uint32)
    c = np.int64(0)
    for g in range(n):
        i = at[g]
        while offsets[c + 1] <= i:
            c += 1
        step = np.int64(step_of[code[i]])
        to = free[step]
        free[step] = to + 1
        who[to] = c
        time[to] = columns.time[i]
        if step > 0:
            behind[to] = free[step - 1] - starts[step - 1]
        if len(micros):
            micros[to] = columns.micros[i]
    return starts, who, time, behind, micros


def places_of(columns: Columns, step_of: npt.NDArray[np.uint8], steps: int) -> Places:
    """The :class:`Places` of the events that are steps; ``step_of`` uint8[codes]: the step that a code is, from 0,
    else ``NO_STEP``.
    """
    return Places(*_places(columns, step_of, steps))


@kernel
def plain_funnel(places, skip, window, start, end, as_of):  # type: ignore[no-untyped-def]
    """How many customers came to each step, with the waiting times of the chains that are given.

    ``skip`` bool[C] as in the columns; ``window`` seconds from the first step, both ends counted, at most
    ``UNLIMITED``; the first step lies in [start, end), all events up to ``as_of``. Returns reached int64[S], open
    int64[S] (of them, with a start whose window reaches beyond ``as_of``), waits uint32[S, W] of which the first
    counts[k] of row k are seconds from step k - 1 to step k, those of row 0 from the first step to the last, and counts
    int64[S].
    """
    starts, who, time, behind, micros = places.starts, places.who, places.time, places.behind, places.micros
    steps = len(starts) - 1
    reached, open_, counts = np.zeros(steps, np.int64), np.zeros(steps, np.int64), np.zeros(steps, np.int64)
    # Chains, those that came to step s from row starts[s] + s on (what is written before it is known to be one needs a
    # row more): their event of the step, the first event of all, and the chain of the step before that they go on from.
    event, begun = np.empty(starts[steps] + steps, np.uint32), np.empty(starts[steps] + steps, np.uint32)
    before = np.empty(starts[steps] + steps, np.uint32)
    found = np.zeros(steps, np.int64)
    longest = np.int64(0)
    for s in range(steps):
        longest = max(longest, starts[s + 1] - starts[s])
    # how many chains came to the step before with its first g events
    upto, fresh_upto = np.zeros(longest + 1, np.uint32), np.zeros(longest + 1, np.uint32)
    end = min(np.int64(end), np.int64(as_of) + 1)
    n = np.int64(0)
    for g in range(starts[1]):
        event[n] = g
        begun[n] = g
        now = np.int64(time[g])
        n += np.int64(now >= start) & np.int64(now < end) & np.int64(not skip[who[g]])
        upto[g + 1] = n
    found[0] = n
    # open is who has a start so new; the newest is the last one that is written
    is_open = np.zeros(len(skip), np.uint8)
    latest = np.int64(as_of) if window >= UNLIMITED else np.int64(as_of) - np.int64(window)
    for j in range(n):
        is_open[who[event[j]]] = np.uint8(np.int64(time[event[j]]) > latest)
    for s in range(steps):
        base = starts[s] + s
        if s > 0:
            n = np.int64(0)
            source_base = starts[s - 1] + s - 1
            last = np.int64(0)
            for g in range(starts[s], starts[s + 1]):
                chains = np.int64(upto[behind[g]])
                source = source_base + max(chains - 1, 0)
                first = np.int64(begun[source])
                now = np.int64(time[g])
                passed = now - np.int64(time[first])
                # chains have a first event each; where one does not go on to an event, it goes on to none after it
                goes = np.int64(chains > last) & np.int64(who[first] == who[g])
                goes &= np.int64(passed <= window) & np.int64(now <= as_of)
                if passed == window and len(micros) > 0 and micros[g] > micros[first]:
                    goes = np.int64(0)
                last = chains
                event[base + n] = g
                begun[base + n] = first
                before[base + n] = source
                n += goes
                fresh_upto[g - starts[s] + 1] = n
            found[s] = n
            upto, fresh_upto = fresh_upto, upto
        last = np.int64(-1)
        here, still = np.int64(0), np.int64(0)
        for j in range(base, base + n):
            c = np.int64(who[event[j]])
            fresh = np.int64(c != last)
            last = c
            here += fresh
            still += fresh & np.int64(is_open[c])
        reached[s], open_[s] = here, still
        if n == 0:
            break
    # the chain that is given: of those that came furthest the one that was there first
    waits = np.empty((steps, found[min(1, steps - 1)]), np.uint32)
    done = np.zeros(len(skip), np.bool_)
    for s in range(steps - 1, -1 if steps == 1 else 0, -1):
        for j in range(starts[s] + s, starts[s] + s + found[s]):
            c = np.int64(who[event[j]])
            if done[c]:
                continue
            done[c] = True
            came = time[event[j]]
            at, now = np.int64(j), came
            for k in range(s, 0, -1):
                at = np.int64(before[at])
                was = time[event[at]]
                waits[k, counts[k]] = now - was
                counts[k] += 1
                now = was
            if s == steps - 1:
                waits[0, counts[0]] = came - now
                counts[0] += 1
    return reached, open_, waits, counts
