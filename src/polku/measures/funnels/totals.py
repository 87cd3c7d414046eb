"""A funnel's counts and waiting times, as partial results that add up: of everyone, and by group."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from polku.kernels.columns import Columns, frozen
from polku.kernels.funnels import plain
from polku.kernels.funnels.chains import UNLIMITED
from polku.measures.drawn import drawn
from polku.measures.funnels.asked import Asked, step_numbers
from polku.measures.funnels.grouping import Grouping, How, groups_of
from polku.measures.funnels.rows import Rows, over
from polku.measures.view import View

I64 = npt.NDArray[np.int64]
U32 = npt.NDArray[np.uint32]


@dataclasses.dataclass(frozen=True, eq=False)
class Totals:
    """How many came to each step, and of them those whose window is open; waiting times as they come.

    ``waits[k]`` are seconds from the step before k in the chains that are given (of k = 0: none), ``whole`` from the
    first step to the last.
    """

    reached: I64  # [S]
    open: I64  # [S]
    waits: tuple[tuple[U32, ...], ...]
    whole: tuple[U32, ...]

    @property
    def closed(self) -> I64:
        return self.reached - self.open

    def __add__(self, other: Totals) -> Totals:
        return Totals(
            self.reached + other.reached,
            self.open + other.open,
            tuple(a + b for a, b in zip(self.waits, other.waits, strict=True)),
            self.whole + other.whole,
        )


def nothing(steps: int) -> Totals:
    zeros = np.zeros(steps, np.int64)
    return Totals(zeros, zeros, ((),) * steps, ())


def totals(view: View, asked: Asked) -> Totals:
    """Everyone's, by the quickest kernel that can answer."""
    zero = nothing(len(asked.steps))
    numbers = step_numbers(view, asked) if asked.plain else np.empty(0, np.int64)
    if len(numbers):
        table = frozen(numbers, np.uint8)
        return view.sum(functools.partial(_plain, view, table, len(asked.steps), asked.window), zero)
    parts = over(view, asked, functools.partial(_counted, asked))
    return functools.reduce(Totals.__add__, parts, zero)


def _plain(view: View, table: npt.NDArray[np.uint8], steps: int, window: int, bucket: Columns) -> Totals:
    # no two moments of trails lie further apart, so a longer window is as long; it is still one that is open
    limit = plain.UNLIMITED if window >= UNLIMITED else min(window, plain.UNLIMITED - 1)
    table = frozen(table, np.uint8)
    places = drawn.once(bucket, ("places", steps, table.tobytes()), lambda: plain.places_of(bucket, table, steps))
    reached, is_open, waits, counts = plain.plain_funnel(places, bucket.skip, limit, view.start, view.end, view.as_of)
    kept = [waits[k, : counts[k]].copy() for k in range(steps)]
    return Totals(reached, is_open, ((), *((w,) for w in kept[1:])), (kept[0],))


def _counted(asked: Asked, rows: Rows) -> Totals:
    steps = len(asked.steps)
    times, places = rows.times(), rows.places
    waits: list[tuple[U32, ...]] = [()]
    ends = np.sort(np.where(places >= 0, times, -1), axis=1) if asked.order == "any" else times
    for k in range(1, steps):
        if asked.order == "any":  # there the steps of a chain have no order of their own
            waits.append(())
            continue
        before = np.full(len(times), -1)
        for p in range(asked.before(k), k):
            before = np.where(places[:, p] >= 0, times[:, p], before)
        there = (places[:, k] >= 0) & (before >= 0)
        waits.append(((times[there, k] - before[there]).astype(np.uint32),))
    done = rows.level == steps
    first = ends.min(axis=1, initial=1 << 40) if asked.order == "any" else times[:, 0]
    last = ends.max(axis=1, initial=-1) if asked.order == "any" else times[:, -1]
    whole = ((last[done] - first[done]).astype(np.uint32),)
    return Totals(rows.met.sum(axis=0), (rows.met & rows.open[:, None]).sum(axis=0), tuple(waits), whole)


@dataclasses.dataclass(frozen=True, eq=False)
class GroupTotals:
    """Counts by group: ``group`` int64[G] ascending, ``reached`` and ``open`` int64[G, S], and the seconds from the
    first step to the last with the group of each.
    """

    group: I64
    reached: I64
    open: I64
    waits: U32
    wait_group: I64

    def __add__(self, other: GroupTotals) -> GroupTotals:
        return gathered(
            np.concatenate([self.group, other.group]),
            np.concatenate([self.reached, other.reached]),
            np.concatenate([self.open, other.open]),
            np.concatenate([self.waits, other.waits]),
            np.concatenate([self.wait_group, other.wait_group]),
        )


def gathered(group: I64, reached: I64, open_: I64, waits: U32, wait_group: I64) -> GroupTotals:
    """Rows of one group added up."""
    found, place = np.unique(group, return_inverse=True)
    both = []
    for counts in (reached, open_):
        sums = np.zeros((len(found), counts.shape[1]), np.int64)
        np.add.at(sums, place, counts)
        both.append(sums)
    return GroupTotals(found, both[0], both[1], waits, wait_group)


def group_totals(view: View, asked: Asked, grouping: Grouping) -> GroupTotals:
    """The funnel's counts by group."""
    steps = len(asked.steps)
    none = np.empty(0, np.int64)
    zero = GroupTotals(
        none, np.empty((0, steps), np.int64), np.empty((0, steps), np.int64), np.empty(0, np.uint32), none
    )
    work = functools.partial(_by_group, asked, grouping.how)
    return functools.reduce(GroupTotals.__add__, over(view, asked, work, grouping.events, grouping.customers), zero)


def _by_group(asked: Asked, how: How, rows: Rows, *beside: npt.NDArray[Any]) -> GroupTotals:
    row, group = groups_of(how, rows, beside)
    times = np.where(rows.places >= 0, rows.times(), 0)
    whole = times.max(axis=1, initial=0) - np.where(rows.places >= 0, times, 1 << 40).min(axis=1, initial=1 << 40)
    done = rows.level[row] == len(asked.steps)
    met = rows.met[row].astype(np.int64)
    return gathered(
        group, met, met * rows.open[row, None], whole[row][done].astype(np.uint32), group[done]
    )  # fmt: skip
