"""Where everyone was last: the latest touchpoint of each customer, found from the end of their trail."""

from __future__ import annotations

import numpy as np

from polku.kernels.compiled import kernel


@kernel
def latest_touchpoint(columns, code_touchpoint, as_of):  # type: ignore[no-untyped-def]
    """int16[C]: the last touchpoint met up to ``as_of`` (seconds), -1 for none and for those to skip."""
    customers = len(columns.offsets) - 1
    out = np.full(customers, np.int16(-1), np.int16)
    for c in range(customers):
        if columns.skip[c]:
            continue
        i = columns.offsets[c + 1] - 1
        while i >= columns.offsets[c]:
            touchpoint = code_touchpoint[columns.code[i]]
            if touchpoint >= 0 and np.int64(columns.time[i]) <= as_of:
                out[c] = touchpoint
                break
            i -= 1
    return out
