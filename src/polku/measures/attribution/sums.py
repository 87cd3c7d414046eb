"""What every bucket's paths add to an attribution: sums by random group of customers, which merge with ``+``."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from polku.kernels.attribution import credit as kernel
from polku.kernels.attribution.paths import BEGIN, CONVERTED, CUSTOMER, NOT, PENDING, STATE, STOP, WHEN
from polku.kernels.columns import Columns, frozen
from polku.kernels.spread import BINS, edges
from polku.measures.attribution.touches import Paths, Question
from polku.measures.view import View
from polku.statistics.jackknife import GROUPS

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
U32 = npt.NDArray[np.uint32]
#: Lengths of paths are counted one by one up to this, which means this or more.
LONGEST = 20
#: Up to so many numbers a chain's states are found by a table, beyond by sorting.
TABLE = 1 << 22
#: Amounts of a coalition: paths, conversions, money.
COALITION = 3
#: Days from the first touch to the conversion are told in these steps: 0, 1, 2 to 3, ...; the last has no end.
LAG_DAYS = (0, 1, 2, 4, 8, 15, 31, 61, 91)
DAY = 86400


@dataclasses.dataclass(frozen=True, eq=False)
class Settings:
    """How models are computed; ``half_life`` and ``order`` are 0 where their model is not wanted."""

    first_share: float
    last_share: float
    half_life: int
    order: int
    count_pending: bool


@dataclasses.dataclass(frozen=True, eq=False)
class Keyed:
    """Sums float64[G, K, n] by key int64[K] (ascending); those of other buckets merge by key."""

    keys: I64
    sums: F64

    def __add__(self, other: Keyed) -> Keyed:
        if np.array_equal(self.keys, other.keys):
            return Keyed(self.keys, self.sums + other.sums)
        keys = np.union1d(self.keys, other.keys)
        sums = np.zeros((self.sums.shape[0], len(keys), self.sums.shape[2]))
        for one in (self, other):
            sums[:, np.searchsorted(keys, one.keys)] += one.sums
        return Keyed(keys, sums)


@dataclasses.dataclass(frozen=True, eq=False)
class Sums:
    """Sums of some buckets. G groups of customers, C channels.

    ``credit`` float64[G, RULES, C, AMOUNTS]; ``steps`` by state of the chain, [G, K, C + 2]; ``sets`` by set of
    channels, [G, K, COALITION]; ``met`` int64[C, 3] paths with each channel by how they ended; ``endings`` int64[3] all
    paths with a touch; ``untouched`` conversions without a touch and ``untouched_money``; ``customers`` int64[G] who
    have a path; ``lengths`` int64[2, LONGEST + 1] by touches, of paths that did not and that did convert; ``lags``
    int64[BINS] from the first touch to the conversion, ``last_lags`` from the last; ``lag_days`` int64 the former by
    LAG_DAYS.
    """

    credit: F64
    steps: Keyed
    sets: Keyed
    met: I64
    endings: I64
    untouched: int
    untouched_money: float
    customers: I64
    lengths: I64
    lags: I64
    last_lags: I64
    lag_days: I64

    def __add__(self, other: Sums) -> Sums:
        return Sums(*(getattr(self, f.name) + getattr(other, f.name) for f in dataclasses.fields(self)))


def nothing(channels: int) -> Sums:
    none = np.empty(0, np.int64)
    return Sums(
        np.zeros((GROUPS, kernel.RULES, channels, kernel.AMOUNTS)),
        Keyed(none, np.zeros((GROUPS, 0, channels + 2))), Keyed(none, np.zeros((GROUPS, 0, COALITION))),
        np.zeros((channels, 3), np.int64), np.zeros(3, np.int64), 0, 0.0, np.zeros(GROUPS, np.int64),
        np.zeros((2, LONGEST + 1), np.int64), np.zeros(BINS, np.int64), np.zeros(BINS, np.int64),
        np.zeros(len(LAG_DAYS), np.int64),
    )  # fmt: skip


def sums_of(view: View, question: Question, settings: Settings, labels: tuple[U32, ...] | None) -> Sums:
    """The sums over all buckets."""
    work, zero = functools.partial(_sums, question, settings), nothing(question.channels)
    return view.sum(work, zero) if labels is None else view.sum_with(work, zero, labels)


def _sums(question: Question, settings: Settings, bucket: Columns, labels: U32 | None = None) -> Sums:
    return sums_of_paths(
        question.paths(bucket, labels), groups_of(bucket), question.channels, question.direct, settings
    )


def groups_of(bucket: Columns) -> I64:
    """int64[C]: the random group of each customer, from their place and their first moment (SplitMix64's finaliser).

    Fixed by the trails, so that the same question has the same intervals.
    """
    first = bucket.offsets[:-1]
    there = bucket.offsets[1:] > first
    times = np.zeros(len(first), np.uint64)
    times[there] = bucket.time[first[there]]
    with np.errstate(over="ignore"):
        z: Any = times * np.uint64(0x9E3779B97F4A7C15) + np.arange(len(first), dtype=np.uint64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray((z ^ (z >> np.uint64(31))) % np.uint64(GROUPS), np.int64)


def sums_of_paths(paths: Paths, group: I64, channels: int, direct: int, settings: Settings) -> Sums:
    """The sums of one bucket's paths; ``group`` int64[C] of its customers."""
    table = paths.table
    channel, time = frozen(paths.channel, np.int64), frozen(paths.time, np.int64)
    group = frozen(group, np.int64)
    frozen_table = frozen(table, np.int64)
    shares = frozen([settings.first_share, settings.last_share], np.float64)
    credit = kernel.credit(
        frozen_table, frozen(paths.worth, np.float64), channel, time, group, GROUPS, channels, direct, shares,
        float(settings.half_life),
    )  # fmt: skip
    touched = table[:, STOP] > table[:, BEGIN]
    converted = table[:, STATE] == CONVERTED
    lost = touched & ((table[:, STATE] == NOT) | ((table[:, STATE] == PENDING) & settings.count_pending))
    lag = table[touched & converted]
    whole_lag = lag[:, WHEN] - paths.time[lag[:, BEGIN]]
    length = np.minimum(table[:, STOP] - table[:, BEGIN], LONGEST)
    coalition = np.asarray(kernel.sets(frozen_table, channel))
    return Sums(
        credit,
        _steps(frozen_table, channel, group, channels, settings),
        _coalitions(coalition, table, paths.worth, group, channels, lost, touched & converted),
        _met(coalition, table[:, STATE], channels),
        np.bincount(table[touched, STATE], minlength=3),
        int((converted & ~touched).sum()),
        float(paths.worth[converted & ~touched].sum()),
        np.bincount(group[_distinct(table[:, CUSTOMER])], minlength=GROUPS),
        np.stack([np.bincount(length[which], minlength=LONGEST + 1) for which in (lost, converted)]),
        _spread(whole_lag, edges()[:-1]),
        _spread(lag[:, WHEN] - paths.time[lag[:, STOP] - 1], edges()[:-1]),
        _spread(whole_lag, DAY * np.asarray(LAG_DAYS)),
    )  # fmt: skip


def _distinct(ascending: I64) -> I64:
    """The distinct ones of values that are ascending already."""
    return ascending[np.append(True, ascending[1:] != ascending[:-1])] if len(ascending) else ascending


def _spread(seconds: I64, lower_ends: npt.NDArray[Any]) -> I64:
    """int64: how many lie in each step, the lower ends of which are given."""
    places = np.searchsorted(lower_ends, seconds, side="right") - 1
    return np.bincount(places, minlength=len(lower_ends))


def _numbered(values: I64, size: int) -> tuple[I64, I64]:
    """The distinct values (below ``size``), ascending, and the place of each among them."""
    if size > TABLE:
        keys, places = np.unique(values, return_inverse=True)
        return keys, places
    seen = np.zeros(size, np.bool_)
    seen[values] = True
    return np.flatnonzero(seen), (np.cumsum(seen) - 1)[values]


def _met(coalition: npt.NDArray[np.uint64], state: I64, channels: int) -> I64:
    """int64[channels, 3]: paths with each channel by how they ended."""
    keys, place = _numbered(coalition.astype(np.int64), 1 << channels)
    by_set = np.bincount(place * 3 + state, minlength=3 * len(keys)).reshape(-1, 3)
    having = (keys[:, None] >> np.arange(channels)) & 1
    return np.asarray(having.T @ by_set)


def _steps(table: I64, channel: I64, group: I64, channels: int, settings: Settings) -> Keyed:
    if not settings.order:
        return nothing(channels).steps
    base = channels + 1
    state, symbol, of_group = kernel.steps(table, channel, group, settings.order, base, settings.count_pending)
    keys, place = _numbered(state, base**settings.order)
    flat = (of_group * len(keys) + place) * (channels + 2) + symbol
    counts = np.bincount(flat, minlength=GROUPS * len(keys) * (channels + 2))
    return Keyed(keys, counts.reshape(GROUPS, len(keys), channels + 2).astype(np.float64))


def _coalitions(
    coalition: npt.NDArray[np.uint64], table: I64, worth: F64, group: I64, channels: int, lost: npt.NDArray[np.bool_],
    won: npt.NDArray[np.bool_],
) -> Keyed:  # fmt: skip
    counted = lost | won
    key = coalition[counted].astype(np.int64)
    keys, place = _numbered(key, 1 << channels)
    flat = group[table[counted, CUSTOMER]] * len(keys) + place
    size = GROUPS * len(keys)
    sums = np.stack(
        [
            np.bincount(flat, minlength=size).astype(np.float64),
            np.bincount(flat, weights=won[counted], minlength=size),
            np.bincount(flat, weights=np.where(won, worth, 0.0)[counted], minlength=size),
        ],
        axis=-1,
    )
    return Keyed(keys, sums.reshape(GROUPS, len(keys), COALITION))
