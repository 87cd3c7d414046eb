"""Which of many customers got new events in order, behind everything that was known of them."""

from __future__ import annotations

import numpy as np

from polku.kernels.compiled import inner, kernel


@inner
def _among(ascending, number):  # type: ignore[no-untyped-def]
    low, high = 0, len(ascending)
    while low < high:
        middle = (low + high) // 2
        if ascending[middle] < number:
            low = middle + 1
        else:
            high = middle
    return low < len(ascending) and ascending[low] == number


@kernel
def in_order(starts, time, seq, fresh, repeats, since, last):  # type: ignore[no-untyped-def]
    """int64[k, 2]: the places of each customer's first and last new event, -1 where there is none or they need care.

    ``starts`` int64[k + 1]: where each customer's events begin in ``time`` (seconds) and ``seq``, both int64, which
    stand in order of (time, arrival). ``fresh``, ``repeats``: seqs, ascending: new events, events that do not count.
    Events were folded up to the second ``since``; those with a seq beyond ``last`` have not been looked at yet.
    New events are in order when they stand in one piece in the order of arrival, not before ``since``, with nothing but
    events of up to ``since`` before them and nothing but events beyond ``last`` behind.
    """
    out = np.full((len(starts) - 1, 2), -1, np.int64)
    for k in range(len(starts) - 1):
        first, final = -1, -1
        fine = True
        for i in range(starts[k], starts[k + 1]):
            if _among(repeats, seq[i]):
                fine = False
            elif _among(fresh, seq[i]):
                if first < 0:
                    first = i
                    fine = fine and time[i] >= since and (i == starts[k] or time[i - 1] <= since)
                elif final != i - 1 or seq[i] < seq[final]:
                    fine = False
                final = i
            elif (first < 0) == (seq[i] > last):
                fine = False
        if fine and first >= 0:
            out[k, 0], out[k, 1] = first, final
    return out
