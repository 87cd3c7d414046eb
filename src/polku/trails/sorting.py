"""From coded events in any order to one bucket's columns in the order of (customer, time, seq).

A counting scatter by customer, then a sort inside each customer; most are nearly in order already, so a check comes
first and a merge sort only where it fails. No buffer is of a fixed size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polku.kernels.compiled import kernel
from polku.kernels.hashing import mix
from polku.trails.days import LAST_SECOND, Offsets

MICRO = 1_000_000


@dataclass(frozen=True, eq=False)
class Rows:
    """Coded events in any order; all arrays of length n."""

    customer: npt.NDArray[np.int64]
    time: npt.NDArray[np.int64]  # microseconds since 1970 UTC
    seq: npt.NDArray[np.int64]
    code: npt.NDArray[np.uint16]
    page: npt.NDArray[np.uint32]
    origin: npt.NDArray[np.uint32]
    session: npt.NDArray[np.uint64]  # hash of the source's own session, 0 = none
    value: npt.NDArray[np.float64] | None  # None: all absent

    def __len__(self) -> int:
        return len(self.customer)

    def take(self, which: npt.NDArray[np.int64] | npt.NDArray[np.bool_] | slice) -> Rows:
        value = None if self.value is None else self.value[which]
        return Rows(
            self.customer[which],
            self.time[which],
            self.seq[which],
            self.code[which],
            self.page[which],
            self.origin[which],
            self.session[which],
            value,
        )

    @classmethod
    def join(cls, parts: list[Rows]) -> Rows:
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return cls.empty()
        value = None
        if any(p.value is not None for p in parts):
            value = np.concatenate([np.full(len(p), np.nan) if p.value is None else p.value for p in parts])
        return cls(
            np.concatenate([p.customer for p in parts]),
            np.concatenate([p.time for p in parts]),
            np.concatenate([p.seq for p in parts]),
            np.concatenate([p.code for p in parts]),
            np.concatenate([p.page for p in parts]),
            np.concatenate([p.origin for p in parts]),
            np.concatenate([p.session for p in parts]),
            value,
        )

    @classmethod
    def empty(cls) -> Rows:
        return cls(
            np.empty(0, np.int64),
            np.empty(0, np.int64),
            np.empty(0, np.int64),
            np.empty(0, np.uint16),
            np.empty(0, np.uint32),
            np.empty(0, np.uint32),
            np.empty(0, np.uint64),
            None,
        )


@kernel
def _before(time, seq, a, b):  # type: ignore[no-untyped-def]
    return time[a] < time[b] or (time[a] == time[b] and seq[a] <= seq[b])


@kernel
def _sort_run(order, start, end, time, seq, spare):  # type: ignore[no-untyped-def]
    """Sort order[start:end] by (time, seq): runs of 16 by insertion, then merged; ``spare`` is as long as ``order``."""
    n = end - start
    width = 16
    for low in range(start, end, width):
        high = min(low + width, end)
        for i in range(low + 1, high):
            row = order[i]
            j = i - 1
            while j >= low and not _before(time, seq, order[j], row):
                order[j + 1] = order[j]
                j -= 1
            order[j + 1] = row
    while width < n:
        for low in range(start, end, 2 * width):
            middle = min(low + width, end)
            high = min(low + 2 * width, end)
            if middle >= high or _before(time, seq, order[middle - 1], order[middle]):
                continue
            for i in range(low, middle):
                spare[i] = order[i]
            i, j, k = low, middle, low
            while i < middle and j < high:
                if _before(time, seq, spare[i], order[j]):
                    order[k] = spare[i]
                    i += 1
                else:
                    order[k] = order[j]
                    j += 1
                k += 1
            while i < middle:
                order[k] = spare[i]
                i += 1
                k += 1
        width *= 2


@kernel
def _arrange(local, groups, time, seq):  # type: ignore[no-untyped-def]
    """Rows in the order of (customer, time, seq): ``order`` int64[n], and each group's start int64[groups + 1]."""
    n = len(local)
    starts = np.zeros(groups + 1, np.int64)
    for i in range(n):
        starts[local[i] + 1] += 1
    for g in range(groups):
        starts[g + 1] += starts[g]
    cursor = starts[:-1].copy()
    order = np.empty(n, np.int64)
    for i in range(n):
        g = local[i]
        order[cursor[g]] = i
        cursor[g] += 1
    spare = np.empty(n, np.int64)
    for g in range(groups):
        start, end = starts[g], starts[g + 1]
        for i in range(start + 1, end):
            if not _before(time, seq, order[i - 1], order[i]):
                _sort_run(order, start, end, time, seq, spare)
                break
    return order, starts


@kernel
def _number_sessions(session, order, starts, out, hashes):  # type: ignore[no-untyped-def]
    """Number (customer, session) from 1 in order of appearance; returns how many there are."""
    n = len(order)
    size = 16
    while size < 2 * n:
        size *= 2
    mask = np.uint64(size - 1)
    slots = np.zeros(size, np.uint32)
    owner = np.empty(len(hashes), np.int64)
    count = 0
    for g in range(len(starts) - 1):
        last, number = np.uint64(0), np.uint32(0)
        salt = mix(np.uint64(g + 1))
        for i in range(starts[g], starts[g + 1]):
            s = session[order[i]]
            if s == 0:
                out[i] = 0
                continue
            if s == last:
                out[i] = number
                continue
            at = mix(s ^ salt) & mask
            while slots[at] != 0 and (hashes[slots[at]] != s or owner[slots[at]] != g):
                at = (at + np.uint64(1)) & mask
            if slots[at] == 0:
                count += 1
                slots[at] = count
                hashes[count] = s
                owner[count] = g
            last, number = s, slots[at]
            out[i] = number
    return count


@kernel
def _gather_time(times, order, since, offset, out_time, out_micros, out_day):  # type: ignore[no-untyped-def]
    step = 0
    steps = len(since)
    for i in range(len(order)):
        t = times[order[i]]
        second = t // MICRO
        out_time[i] = second
        if len(out_micros) > 0:
            out_micros[i] = t - second * MICRO
        while step > 0 and second < since[step]:
            step -= 1
        while step + 1 < steps and second >= since[step + 1]:
            step += 1
        day = (second + offset[step]) // 86400
        out_day[i] = max(day, 0)


@kernel
def _gather(values, order, out):  # type: ignore[no-untyped-def]
    for i in range(len(order)):
        out[i] = values[order[i]]


@kernel
def _gather_less(values, order, less, out):  # type: ignore[no-untyped-def]
    for i in range(len(order)):
        out[i] = values[order[i]] - less


@dataclass(frozen=True, eq=False)
class Columns:
    """Where one bucket's columns are written: arrays of length n, views of a memory map or plain arrays."""

    time: npt.NDArray[np.uint32]
    micros: npt.NDArray[np.uint32]  # of length 0 where no event has a part of a second
    code: npt.NDArray[np.uint16]
    day: npt.NDArray[np.uint16]
    page: npt.NDArray[np.uint32]
    origin: npt.NDArray[np.uint32]
    session: npt.NDArray[np.uint32]
    value: npt.NDArray[np.float64]  # of length 0 where no event has one
    seq: npt.NDArray[np.uint32] | npt.NDArray[np.int64]

    @classmethod
    def new(cls, n: int, *, micros: bool, value: bool) -> Columns:
        return cls(
            np.empty(n, np.uint32),
            np.empty(n if micros else 0, np.uint32),
            np.empty(n, np.uint16),
            np.empty(n, np.uint16),
            np.empty(n, np.uint32),
            np.empty(n, np.uint32),
            np.empty(n, np.uint32),
            np.empty(n if value else 0, np.float64),
            np.empty(n, np.int64),
        )


@dataclass(frozen=True, eq=False)
class Sorted:
    """What sorting a bucket tells besides its columns."""

    customer: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]
    session_hash: npt.NDArray[np.uint64]  # [sessions + 1]


def _groups(customer: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Customers as small numbers int64[n] in the order of their keys, and the key of each number (used or not)."""
    lowest, highest = int(customer.min()), int(customer.max())
    if highest - lowest <= 64 * len(customer) + 65536:
        return customer - lowest, np.arange(lowest, highest + 1)
    keys, local = np.unique(customer, return_inverse=True)  # keys far apart
    return local.astype(np.int64), keys


def sort_bucket(rows: Rows, out: Columns, zone: Offsets, seq_base: int = 0) -> Sorted:
    """Write the columns of one bucket into ``out``, sorted by (customer, time, seq); seqs less ``seq_base``.

    The caller has made sure that the times fit (:func:`check_times`).
    """
    n = len(rows)
    if n == 0:
        return Sorted(np.empty(0, np.int64), np.zeros(1, np.int64), np.zeros(1, np.uint64))
    local, keys = _groups(rows.customer)
    order, starts = _arrange(local, len(keys), rows.time, rows.seq)
    present = np.flatnonzero(np.diff(starts))
    customer = keys[present]
    offsets = np.append(starts[present], n).astype(np.int64)
    _gather_time(rows.time, order, zone.since, zone.offset, out.time, out.micros, out.day)
    _gather(rows.code, order, out.code)
    _gather(rows.page, order, out.page)
    _gather(rows.origin, order, out.origin)
    if len(out.value):
        if rows.value is None:
            out.value[:] = np.nan
        else:
            _gather(rows.value, order, out.value)
    if rows.session.any():
        hashes = np.zeros(n + 1, np.uint64)
        count = _number_sessions(rows.session, order, offsets, out.session, hashes)
        hashes = hashes[: count + 1].copy()
    else:
        out.session[:] = 0
        hashes = np.zeros(1, np.uint64)
    _gather_less(rows.seq, order, seq_base, out.seq)
    return Sorted(customer.astype(np.int64), offsets, hashes)


def times_fit(times: npt.NDArray[np.int64]) -> bool:
    """Whether all microseconds lie between 1970 and 2106, as unsigned 32-bit seconds must."""
    return not len(times) or (int(times.min()) >= 0 and int(times.max()) // MICRO <= LAST_SECOND)


@kernel
def _repeats(order, seq, keep):  # type: ignore[no-untyped-def]
    """Mark in ``keep`` the rows to keep: of neighbours with the same seq the first. Returns how many are left out."""
    out = 0
    for i in range(1, len(order)):
        if seq[order[i]] == seq[order[i - 1]]:
            keep[order[i]] = False
            out += 1
    return out


def arrange_unique(rows: Rows) -> Rows:
    """The same rows, one each: an event that was handed over twice (same customer and seq) counts once."""
    if len(rows) < 2:
        return rows
    local, keys = _groups(rows.customer)
    order, _ = _arrange(local, len(keys), rows.time, rows.seq)
    keep = np.ones(len(rows), np.bool_)
    return rows.take(keep) if _repeats(order, rows.seq, keep) else rows
