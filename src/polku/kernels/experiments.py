"""Who was exposed to which arm of an experiment, and what each did before and after."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from polku.kernels.compiled import kernel

#: Columns of what a person did.
COUNT, VALUE, COUNT_BEFORE, VALUE_BEFORE = range(4)
UNLIMITED = np.int64(1) << np.int64(61)


class Exposed(NamedTuple):
    """Of each customer of a bucket: ``arm`` uint32[C], 0 for none; ``at`` int64[C], the event of the first exposure (an
    index of the columns, -1 for none); ``mixed`` bool[C]: exposed to more than one arm.
    """

    arm: npt.NDArray[np.uint32]
    at: npt.NDArray[np.int64]
    mixed: npt.NDArray[np.bool_]


@kernel
def exposed(columns, arm, start, end, as_of):  # type: ignore[no-untyped-def]
    """The arms of customers by their events: arm uint32[N], 0 for events that expose nobody.

    The first exposure within [start, end) is the customer's, unless one before ``start`` began it earlier: such a
    customer was in the experiment already, and is not counted. Any other arm up to ``as_of`` makes the customer mixed.
    """
    count = len(columns.offsets) - 1
    found = np.zeros(count, np.uint32)
    at = np.full(count, -1, np.int64)
    mixed = np.zeros(count, np.bool_)
    for c in range(count):
        if columns.skip[c]:
            continue
        for i in range(columns.offsets[c], columns.offsets[c + 1]):
            if arm[i] == 0:
                continue
            now = np.int64(columns.time[i])
            if now > as_of:
                break
            if at[c] < 0:
                if now < start or now >= end:
                    break
                found[c] = arm[i]
                at[c] = i
            elif arm[i] != found[c]:
                mixed[c] = True
                break
    return found, at, mixed


@kernel
def first_seen(columns, arm, start, end):  # type: ignore[no-untyped-def]
    """The same of customers whose arm is known beforehand (arm uint32[C]): the first event within [start, end)."""
    count = len(columns.offsets) - 1
    found = np.zeros(count, np.uint32)
    at = np.full(count, -1, np.int64)
    for c in range(count):
        if columns.skip[c] or arm[c] == 0:
            continue
        for i in range(columns.offsets[c], columns.offsets[c + 1]):
            now = np.int64(columns.time[i])
            if now >= end:
                break
            if now >= start:
                found[c] = arm[c]
                at[c] = i
                break
    return found, at, np.zeros(count, np.bool_)


@kernel
def outcomes(columns, at, goal, within, before, as_of):  # type: ignore[no-untyped-def]
    """What customers did: float64[C, 4], goals (bool[codes]) and their values after the event ``at`` (int64[C]) within
    ``within`` seconds, and within the ``before`` seconds up to it; and bool[C]: whether the time is up.

    The exposing event itself is neither before nor after. Events of the same second as the exposure are after it when
    they come later in the trail.
    """
    count = len(columns.offsets) - 1
    did = np.zeros((count, 4))
    up = np.zeros(count, np.bool_)
    code, time, value = columns.code, columns.time, columns.value
    for c in range(count):
        if at[c] < 0:
            continue
        moment = np.int64(time[at[c]])
        up[c] = within >= UNLIMITED or moment + within <= as_of
        for i in range(columns.offsets[c], columns.offsets[c + 1]):
            if not goal[code[i]] or i == at[c]:
                continue
            now = np.int64(time[i])
            if now > as_of:
                break
            worth = value[i] if len(value) > 0 and value[i] == value[i] else 0.0
            if i > at[c]:
                if now - moment > within:
                    break
                did[c, COUNT] += 1
                did[c, VALUE] += worth
            elif moment - now <= before:
                did[c, COUNT_BEFORE] += 1
                did[c, VALUE_BEFORE] += worth
    return did, up


@kernel
def first_met(columns, codes, start, end):  # type: ignore[no-untyped-def]
    """int64[C]: each customer's first event of ``codes`` (bool[codes]) within [start, end), an index of the columns, or
    -1.
    """
    count = len(columns.offsets) - 1
    at = np.full(count, -1, np.int64)
    for c in range(count):
        if columns.skip[c]:
            continue
        for i in range(columns.offsets[c], columns.offsets[c + 1]):
            now = np.int64(columns.time[i])
            if now >= end:
                break
            if now >= start and codes[columns.code[i]]:
                at[c] = i
                break
    return at
