"""Where everyone stands, for maps whose stages are entered by touching alone: no fold is needed then.

The stage is the furthest that was touched, and silence is told by the last activity since it was entered; both are read
off the codes, most of them from the end.
"""

from __future__ import annotations

import numpy as np

from polku.kernels.compiled import inner, kernel


@inner
def _stands(columns, c, stage_of, active, lapse, as_of):  # type: ignore[no-untyped-def]
    """The stage (-1 outside) and whether lapsed; ``stage_of`` int16[codes], ``active`` bool[stages, codes]."""
    code_of, time_of = columns.code, columns.time
    start, end = columns.offsets[c], columns.offsets[c + 1]
    while end > start and np.int64(time_of[end - 1]) > as_of:
        end -= 1
    stage = np.int16(-1)
    for i in range(start, end):
        stage = max(stage, stage_of[code_of[i]])
    if stage < 0 or lapse[stage] == 0:
        return stage, False
    i = end - 1
    # entering counts as activity: nothing before the stage's own first touch has to be looked at
    while not active[stage, code_of[i]]:
        if stage_of[code_of[i]] == stage:
            entered = start
            while stage_of[code_of[entered]] != stage:
                entered += 1
            if entered == i:
                break
        i -= 1
    return stage, as_of - np.int64(time_of[i]) >= lapse[stage]


@kernel
def standing(columns, stage_of, active, lapse, as_of):  # type: ignore[no-untyped-def]
    """int64[stages + 1, 2]: customers by current stage (the last row: outside the map), and how many of them lapsed.

    ``stage_of`` int16[codes] gives the stage that a code touches, -1 none; ``active`` bool[stages, codes] what counts
    as activity in each stage; ``lapse`` int64[stages] seconds of silence, 0 never. Customers without an event up to
    ``as_of`` are not counted.
    """
    stages = len(lapse)
    counts = np.zeros((stages + 1, 2), np.int64)
    offsets, skip = columns.offsets, columns.skip
    for c in range(len(offsets) - 1):
        if skip[c] or offsets[c] == offsets[c + 1] or np.int64(columns.time[offsets[c]]) > as_of:
            continue
        stage, lapsed = _stands(columns, c, stage_of, active, lapse, as_of)
        row = stages if stage < 0 else np.int64(stage)
        counts[row, 0] += 1
        if lapsed:
            counts[row, 1] += 1
    return counts
