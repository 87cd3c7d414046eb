"""Who was there in which period: unique customers, and what became of each from period to period."""

from __future__ import annotations

import numpy as np

from polku.kernels.compiled import kernel
from polku.kernels.retention.cohorts import ENDLESS


@kernel
def uniques(columns, codes, every, period_of, base, count, start, end):  # type: ignore[no-untyped-def]
    """int64[count]: customers with an event of ``codes`` (bool[codes]; all, with ``every``) in each period.

    ``period_of`` int32[65536] gives the period of each local day; periods are numbered from ``base``. Events in
    [start, end) count, where 0 and ENDLESS are no bounds: the times are not read then. Days do not go back within a
    trail, so one look at the day before is enough.
    """
    found = np.zeros(count, np.int64)
    begun = np.zeros(len(period_of), np.int32)  # by day: customers whose first event of a period lies on it
    offsets, skip, day_of, code_of, time_of = columns.offsets, columns.skip, columns.day, columns.code, columns.time
    for c in range(len(offsets) - 1):
        if skip[c]:
            continue
        i, stop = offsets[c], offsets[c + 1]
        if start > 0:
            while i < stop and np.int64(time_of[i]) < start:
                i += 1
        if end < ENDLESS:
            while stop > i and np.int64(time_of[stop - 1]) >= end:
                stop -= 1
        before = np.int64(-1)
        if every:  # without branches, since nobody can foretell on what day an event lies
            for e in range(i, stop):
                period = np.int64(period_of[np.uint32(day_of[e])])
                begun[np.uint32(day_of[e])] += np.int32(period > before)
                before = max(before, period)
            continue
        day = np.int64(-1)
        while i < stop:
            if np.int64(day_of[i]) != day and (every or codes[code_of[i]]):
                day = np.int64(day_of[i])
                period = np.int64(period_of[day])
                if period > before:
                    before = period
                    place = period - base
                    if 0 <= place < count:
                        found[place] += 1
            i += 1
    if every:
        for d in range(len(period_of)):
            place = np.int64(period_of[d]) - base
            if 0 <= place < count:
                found[place] += begun[d]
    return found


@kernel
def days_there(columns, codes, every, start, end):  # type: ignore[no-untyped-def]
    """int64[C]: on how many different local days each customer has an event of ``codes`` in [start, end).

    Where a clock is set back over midnight, the few events of the day before are those of the day that had begun.
    """
    out = np.zeros(len(columns.offsets) - 1, np.int64)
    offsets, skip, day_of, code_of, time_of = columns.offsets, columns.skip, columns.day, columns.code, columns.time
    for c in range(len(offsets) - 1):
        if skip[c]:
            continue
        day = np.int64(-1)
        for i in range(offsets[c], offsets[c + 1]):
            time = np.int64(time_of[i])
            if np.int64(day_of[i]) > day and (every or codes[code_of[i]]) and start <= time < end:
                day = np.int64(day_of[i])
                out[c] += 1
    return out


#: What becomes of a customer in a period; THERE is asked of members alone.
THERE = -1
NEW, RETURNING, RESURRECTED, DORMANT = 0, 1, 2, 3


@kernel
def lifecycle(columns, codes, every, period_of, base, count, as_of):  # type: ignore[no-untyped-def]
    """int64[count, 4]: customers that are new, returning, resurrected and dormant in each period.

    New: the first event of ``codes`` ever. Returning: there in the period before too. Resurrected: there again after a
    period without. Dormant: there in the period before, but not in this one.
    """
    found = np.zeros((count, 4), np.int64)
    offsets, skip, day_of, code_of, time_of = columns.offsets, columns.skip, columns.day, columns.code, columns.time
    for c in range(len(offsets) - 1):
        if skip[c]:
            continue
        before = np.int64(-1)
        for i in range(offsets[c], offsets[c + 1]):
            if np.int64(time_of[i]) > as_of:
                break
            if not (every or codes[code_of[i]]):
                continue
            period = np.int64(period_of[day_of[i]])
            if period <= before:
                continue
            place = period - base
            if before >= 0 and period > before + 1 and 0 <= before + 1 - base < count:
                found[before + 1 - base, DORMANT] += 1
            if 0 <= place < count:
                kind = NEW if before < 0 else RETURNING if period == before + 1 else RESURRECTED
                found[place, kind] += 1
            before = period
        if before >= 0 and 0 <= before + 1 - base < count:
            found[before + 1 - base, DORMANT] += 1
    return found


@kernel
def in_state(columns, codes, every, period_of, period, kind, start, end, as_of):  # type: ignore[no-untyped-def]
    """bool[C]: who is new, returning, resurrected or dormant in ``period``; THERE: who has an event in it and in
    [start, end).
    """
    out = np.zeros(len(columns.offsets) - 1, np.bool_)
    offsets, skip, day_of, code_of, time_of = columns.offsets, columns.skip, columns.day, columns.code, columns.time
    for c in range(len(offsets) - 1):
        if skip[c]:
            continue
        before = np.int64(-1)
        state = np.int64(-2)
        for i in range(offsets[c], offsets[c + 1]):
            time = np.int64(time_of[i])
            if time > as_of:
                break
            if not (every or codes[code_of[i]]):
                continue
            here = np.int64(period_of[day_of[i]])
            if here > period:
                break
            if here == period and here > before:
                state = np.int64(NEW if before < 0 else RETURNING if here == before + 1 else RESURRECTED)
            if here == period and kind == THERE and start <= time < end:
                out[c] = True
            if here > before:
                before = here
        if state == -2 and before == period - 1 and before >= 0:
            state = np.int64(DORMANT)
        if kind != THERE:
            out[c] = state == kind
    return out
