"""Where everyone stands, for maps whose stages are entered by touching alone: no fold is needed then.

The stage is the furthest that was touched, and silence is told by the last activity since it was entered. Most
customers are told by their :class:`Ends` alone, which hang on no map and no moment: which codes they met, and their
last events. The others' codes are read, most of them from the end.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from polku.kernels.columns import Columns
from polku.kernels.compiled import inner, kernel

#: Codes are told apart by as many bits; code 64 shares the bit of code 0.
BITS = 64
#: So many last events of a customer are in their ends.
LAST = 4


class Ends(NamedTuple):
    """C customers of a bucket; those without events have zeros."""

    met: npt.NDArray[np.uint64]  # [C] bit ``code % BITS`` of every code that was met
    time: npt.NDArray[np.uint32]  # [LAST, C] of the last event, of the one before, ...
    code: npt.NDArray[np.uint16]  # [LAST, C]


@kernel
def _ends(columns):  # type: ignore[no-untyped-def]
    customers = len(columns.offsets) - 1
    met = np.zeros(customers, np.uint64)
    time, code = np.zeros((LAST, customers), np.uint32), np.zeros((LAST, customers), np.uint16)
    for c in range(customers):
        start, end = columns.offsets[c], columns.offsets[c + 1]
        bits = np.uint64(0)
        for i in range(start, end):
            bits |= np.uint64(1) << np.uint64(columns.code[i] & 63)
        met[c] = bits
        for k in range(min(LAST, end - start)):
            time[k, c] = columns.time[end - 1 - k]
            code[k, c] = columns.code[end - 1 - k]
    return met, time, code


def ends_of(columns: Columns) -> Ends:
    """The :class:`Ends` of every customer, those to skip included."""
    return Ends(*_ends(columns))


def told_by_bits(stage_of: npt.NDArray[np.int16], stages: int) -> npt.NDArray[np.uint64]:
    """uint64[stages + 1]: the bits that only codes of a stage have; last those of codes of several stages, or of one
    and none. ``stage_of`` int16[codes], -1 none.

    >>> told_by_bits(np.array([0, 1, -1, 0], np.int16), 2).tolist()
    [9, 2, 0]
    """
    of_bit: dict[int, set[int]] = {}
    for code, stage in enumerate(stage_of.tolist()):
        of_bit.setdefault(code % BITS, set()).add(stage)
    out = np.zeros(stages + 1, np.uint64)
    for bit, found in of_bit.items():
        if found != {-1}:
            out[found.pop() if len(found) == 1 else stages] |= np.uint64(1 << bit)
    return out


@inner
def _stage(columns, c, stage_of, as_of):  # type: ignore[no-untyped-def]
    """The stage, -1 outside; ``stage_of`` int16[codes]."""
    code_of, time_of = columns.code, columns.time
    start, end = columns.offsets[c], columns.offsets[c + 1]
    while end > start and np.int64(time_of[end - 1]) > as_of:
        end -= 1
    stage = np.int16(-1)
    for i in range(start, end):
        stage = max(stage, stage_of[code_of[i]])
    return stage


@inner
def _lapsed(columns, c, stage, stage_of, active, lapse, as_of):  # type: ignore[no-untyped-def]
    """Whether who stands at ``stage`` has lapsed; ``active`` bool[stages, codes]."""
    code_of, time_of = columns.code, columns.time
    start, i = columns.offsets[c], columns.offsets[c + 1] - 1
    while np.int64(time_of[i]) > as_of:
        i -= 1
    # entering counts as activity: nothing before the stage's own first touch has to be looked at
    while not active[stage, code_of[i]]:
        if stage_of[code_of[i]] == stage:
            entered = start
            while stage_of[code_of[entered]] != stage:
                entered += 1
            if entered == i:
                break
        i -= 1
    return as_of - np.int64(time_of[i]) >= lapse[stage]


@inner
def _stages(columns, ends, told, as_of, doubtful, stage):  # type: ignore[no-untyped-def]
    """Write everyone's ``stage`` int8[C] as their bits tell it (stages: outside), and the ``doubtful`` uint32[C] whose
    bits do not; returns how many those are. Who is not counted has stage -1.
    """
    customers, stages = len(stage), len(told) - 1
    for c in range(customers):
        stage[c] = stages
    for s in range(stages):
        mine = told[s]
        for c in range(customers):
            stage[c] = np.int8(s) if ends.met[c] & mine else stage[c]
    n = np.int64(0)
    for c in range(customers):
        here = np.int64(not columns.skip[c]) & np.int64(columns.offsets[c] < columns.offsets[c + 1])
        doubt = np.int64(np.int64(ends.time[0, c]) > as_of) | np.int64(ends.met[c] & told[stages] != 0)
        doubtful[n] = c
        n += here & doubt
        stage[c] = stage[c] if here & (1 - doubt) else np.int8(-1)
    return n


@kernel
def standing(columns, ends, told, stage_of, active, lapse, as_of):  # type: ignore[no-untyped-def]
    """int64[stages + 1, 2]: customers by current stage (the last row: outside the map), and how many of them lapsed.

    ``ends`` are the columns' own, ``told`` those of :func:`told_by_bits`. ``stage_of`` int16[codes] gives the stage
    that a code touches, -1 none; ``active`` bool[stages, codes] what counts as activity in each stage; ``lapse``
    int64[stages] seconds of silence, 0 never. Customers without an event up to ``as_of`` are not counted.
    """
    stages, customers = len(lapse), len(columns.offsets) - 1
    counts = np.zeros((stages + 2, 2), np.int64)  # the last row is of those who are not counted
    stage = np.empty(customers, np.int8)
    open_, rest = np.empty(customers + 1, np.uint32), np.empty(customers + 1, np.uint32)
    n = np.int64(_stages(columns, ends, told, as_of, open_, stage))
    for g in range(n):
        c = open_[g]
        if np.int64(columns.time[columns.offsets[c]]) > as_of:
            continue
        found = np.int64(_stage(columns, c, stage_of, as_of))
        counts[found if found >= 0 else stages, 0] += 1
        if found >= 0 and lapse[found] > 0 and _lapsed(columns, c, found, stage_of, active, lapse, as_of):
            counts[found, 1] += 1
    # what to do with an event at a stage: it is activity; it may be the one that entered; it tells nothing
    quiet, tells = np.zeros(stages + 1, np.int64), np.zeros((stages + 1, len(stage_of)), np.uint8)
    for s in range(stages):
        quiet[s] = lapse[s]
        for code in range(len(stage_of)):
            tells[s, code] = 1 if active[s, code] else 2 if stage_of[code] == s else 0
    n = np.int64(0)
    for c in range(customers):
        here = np.int64(stage[c])
        counts[here, 0] += 1
        open_[n] = c
        n += np.int64(here >= 0) & np.int64(quiet[here] > 0)
    # from the last event backwards, as long as nothing tells; without a jump that hangs on the data
    hard = np.int64(0)
    for k in range(LAST):
        m = np.int64(0)
        for g in range(n):
            c = open_[g]
            here = np.int64(stage[c])
            # an event of the stage is found before the customer's events end, for they did touch it
            lapsed = np.int64(as_of - np.int64(ends.time[k, c]) >= quiet[here])
            tell = np.int64(tells[here, ends.code[k, c]])
            counts[here, 1] += lapsed
            rest[hard] = c
            hard += (1 - lapsed) & np.int64(tell == 2)
            open_[m] = c
            m += (1 - lapsed) & np.int64(tell == 0)
        n = m
    for g in range(hard + n):
        c = rest[g] if g < hard else open_[g - hard]
        here = np.int64(stage[c])
        if _lapsed(columns, c, here, stage_of, active, lapse, as_of):
            counts[here, 1] += 1
    return counts[:-1].copy()
