"""How long until something happens to a customer, and the spells of activity between silences."""

from __future__ import annotations

import numpy as np

from polku.kernels.compiled import kernel

#: The end of a spell that goes on, and of a wait that has not ended.
NEVER = np.iinfo(np.int64).max
# columns of a spell
CUSTOMER, BEGIN, END, SPELL = range(4)
SPELL_WIDTH = 3


@kernel
def _wider(rows):  # type: ignore[no-untyped-def]
    out = np.empty((2 * rows.shape[0], rows.shape[1]), np.int64)
    out[: rows.shape[0]] = rows
    return out


@kernel
def spells(columns, codes, every, silence, as_of):  # type: ignore[no-untyped-def]
    """int64[n, 3]: customer's index, begin and end of each spell of activity, in order.

    A spell begins with an event of ``codes`` (bool[codes]; all, with ``every``) and ends ``silence`` seconds after the
    last one that no other followed sooner; NEVER where that is later than ``as_of``. An event just then begins a new
    one.
    """
    out = np.empty((len(columns.offsets) + 15, SPELL_WIDTH), np.int64)
    n = 0
    offsets, skip, code_of, time_of = columns.offsets, columns.skip, columns.code, columns.time
    for c in range(len(offsets) - 1):
        if skip[c]:
            continue
        last = np.int64(-1)
        for i in range(offsets[c], offsets[c + 1]):
            time = np.int64(time_of[i])
            if time > as_of:
                break
            if not (every or codes[code_of[i]]):
                continue
            if last < 0 or time - last >= silence:
                if last >= 0:
                    out[n - 1, END] = last + silence
                if n == len(out):
                    out = _wider(out)
                out[n, CUSTOMER] = c
                out[n, BEGIN] = time
                out[n, END] = NEVER
                n += 1
            last = time
        if last >= 0 and last + silence <= as_of:
            out[n - 1, END] = last + silence
    return out[:n].copy()


@kernel
def waits(columns, begins, ends, silence, start, end, as_of):  # type: ignore[no-untyped-def]
    """From the first event of ``begins`` in [start, end) to the next of ``ends`` after it (both bool[codes]).

    Returns place int64[C] of the first event (-1: none), wait int64[C] seconds, and happened bool[C]; where it has not
    happened, the wait lasts until ``as_of``. With ``silence`` seconds above 0 the events of ``ends`` are activity, and
    what is waited for is that so long passes after one of them, or after the first event, without another.
    """
    customers = len(columns.offsets) - 1
    place = np.full(customers, -1, np.int64)
    wait = np.zeros(customers, np.int64)
    happened = np.zeros(customers, np.bool_)
    offsets, skip, code_of, time_of = columns.offsets, columns.skip, columns.code, columns.time
    for c in range(customers):
        if skip[c]:
            continue
        i, stop = offsets[c], offsets[c + 1]
        while i < stop and (np.int64(time_of[i]) < start or not begins[code_of[i]]):
            i += 1
        if i == stop or np.int64(time_of[i]) >= end or np.int64(time_of[i]) > as_of:
            continue
        begun = np.int64(time_of[i])
        place[c] = i
        last = begun
        for k in range(i + 1, stop):
            time = np.int64(time_of[k])
            if time > as_of:
                break
            if not ends[code_of[k]]:
                continue
            if silence == 0:
                wait[c] = time - begun
                happened[c] = True
                break
            if time - last >= silence:
                break
            last = time
        if silence > 0 and last + silence <= as_of:
            wait[c] = last + silence - begun
            happened[c] = True
        if not happened[c]:
            wait[c] = as_of - begun
    return place, wait, happened
