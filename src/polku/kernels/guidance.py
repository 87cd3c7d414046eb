"""What customers did after a moment that guidance knows: the entry into a rule."""

from __future__ import annotations

import numpy as np

from polku.kernels.compiled import kernel
from polku.kernels.experiments import COUNT, COUNT_BEFORE, UNLIMITED, VALUE, VALUE_BEFORE

#: The column behind those of polku.kernels.experiments: money before ``until``.
CREDITED = 4


@kernel
def outcomes_after(columns, start, until, goal, within, before, as_of):  # type: ignore[no-untyped-def]
    """What customers did: float64[C, 5], goals (bool[codes]) and their values later than the second ``start``
    (int64[C], -1 for nobody) within ``within`` seconds, the same of the ``before`` seconds up to it, and the values
    before the second ``until`` (int64[C]); and bool[C]: whether the time is up.

    The events of the second ``start`` itself are neither before nor after: the event that began it is among them.
    """
    count = len(columns.offsets) - 1
    did = np.zeros((count, 5))
    up = np.zeros(count, np.bool_)
    code, time, value = columns.code, columns.time, columns.value
    for c in range(count):
        moment = start[c]
        if moment < 0 or columns.skip[c]:
            continue
        up[c] = within >= UNLIMITED or moment + within <= as_of
        for i in range(columns.offsets[c], columns.offsets[c + 1]):
            now = np.int64(time[i])
            if now > as_of or (now > moment and now - moment > within):
                break
            if not goal[code[i]] or now == moment:
                continue
            worth = value[i] if len(value) > 0 and value[i] == value[i] else 0.0
            if now > moment:
                did[c, COUNT] += 1
                did[c, VALUE] += worth
                if now < until[c]:
                    did[c, CREDITED] += worth
            elif moment - now <= before:
                did[c, COUNT_BEFORE] += 1
                did[c, VALUE_BEFORE] += worth
    return did, up
