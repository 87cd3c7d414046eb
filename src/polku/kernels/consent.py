"""Consent over arrays: which group an id is of, and what held at a moment. Pure; see ``polku.record.consentmemory``."""

from __future__ import annotations

import numpy as np

from polku.kernels.compiled import kernel


@kernel
def insert(table, groups, keys, of):  # type: ignore[no-untyped-def]
    """Put ``keys`` (uint64, not 0) with their groups ``of`` (int32) into an open-addressing table of 2^k places."""
    mask = np.uint64(len(table) - 1)
    for i in range(len(keys)):
        slot = keys[i] & mask
        while table[slot] != 0 and table[slot] != keys[i]:
            slot = (slot + np.uint64(1)) & mask
        table[slot] = keys[i]
        groups[slot] = of[i]


@kernel
def find(table, groups, key):  # type: ignore[no-untyped-def]
    """The group of a key; -1 when it is not there."""
    mask = np.uint64(len(table) - 1)
    wanted = np.uint64(key)
    slot = wanted & mask
    while table[slot] != 0:
        if table[slot] == wanted:
            return np.int64(groups[slot])
        slot = (slot + np.uint64(1)) & mask
    return np.int64(-1)


@kernel
def as_of(offsets, times, purposes, granted, group, time):  # type: ignore[no-untyped-def]
    """(decided, granted): bits of the purposes decided by ``time`` and of those granted then, of one group.

    Rows of a group lie in order of (time, arrival), so the last one at or before ``time`` holds.
    """
    decided, yes = np.int64(0), np.int64(0)
    for i in range(offsets[group], offsets[group + 1]):
        if times[i] > time:
            break
        bit = np.int64(1) << np.int64(purposes[i])
        decided |= bit
        if granted[i]:
            yes |= bit
        else:
            yes &= ~bit
    return decided, yes


@kernel
def counts(offsets, times, purposes, granted, shadowed, count, time):  # type: ignore[no-untyped-def]
    """int64[count, 3]: groups that by ``time`` have granted, withdrawn (granted before), denied each purpose."""
    found = np.zeros((count, 3), np.int64)
    for group in range(len(offsets) - 1):
        if shadowed[group]:
            continue
        decided, yes, ever = np.int64(0), np.int64(0), np.int64(0)
        for i in range(offsets[group], offsets[group + 1]):
            if times[i] > time:
                break
            bit = np.int64(1) << np.int64(purposes[i])
            decided |= bit
            if granted[i]:
                yes |= bit
                ever |= bit
            else:
                yes &= ~bit
        for purpose in range(count):
            bit = np.int64(1) << np.int64(purpose)
            if decided & bit:
                found[purpose, 0 if yes & bit else 1 if ever & bit else 2] += 1
    return found
