"""The stage after each event: the fold once more, written down event by event."""

from __future__ import annotations

import numpy as np

from polku.kernels.compiled import kernel
from polku.kernels.fold import FIXED, MOST_MOVES, MOVE, PER_ATOM, STAGE, clear, next_moment, on_event, on_moment


@kernel
def stage_after(columns, rules, as_of):  # type: ignore[no-untyped-def]
    """int16[N]: the stage of the customer right after each event, -1 outside the map.

    Customers to skip and events after ``as_of`` (seconds) are -1.
    """
    out = np.full(len(columns.time), np.int16(-1), np.int16)
    state = np.empty(FIXED + PER_ATOM * len(rules.atom_kind), np.int64)
    moves = np.empty((MOST_MOVES, MOVE), np.int64)
    for c in range(len(columns.offsets) - 1):
        if columns.skip[c]:
            continue
        clear(state)
        for i in range(columns.offsets[c], columns.offsets[c + 1]):
            now = np.int64(columns.time[i])
            if now > as_of:
                break
            while True:
                moment = next_moment(state, rules, columns.time)
                if moment > now:
                    break
                on_moment(state, rules, columns, moment, moves)
            on_event(state, rules, columns, i, moves)
            out[i] = state[STAGE]
    return out
