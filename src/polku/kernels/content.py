"""Pieces of content: who met them in which stage, and what became of them, beside others at the same points."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from polku.kernels.compiled import inner, kernel
from polku.kernels.spread import BINS, bin_of

#: What became of one who stood somewhere.
NOT, WENT_ON, PENDING, OUTCOMES = range(4)
#: How many events of the stage one had had: 1, 2, 3 to 4, 5 to 8, more.
DEPTHS = 5
#: Counts of a piece: meetings; customers who met it; whose first, whose last piece it was; who completed it.
MEETINGS, CUSTOMERS, FIRST, LAST, COMPLETED, COUNTS = range(6)
#: What members are asked for: MET besides the outcomes.
MET = 3
OUTCOME, STAGE, DEPTH, IS_FIRST, IS_LAST, DONE, FATE = range(7)


class Asked(NamedTuple):
    """What is asked of pieces. Times are seconds since 1970."""

    pieces: int  # numbered from 1; 0 is none
    stages: int
    within: int  # seconds given to go on
    cap: int  # the next event counts as the end of a meeting when it comes sooner than this
    start: int
    end: int
    as_of: int
    to_goal: bool  # what is counted is reaching the goal, else a later stage
    goal: npt.NDArray[np.bool_]  # [codes]
    completes: npt.NDArray[np.bool_]  # [codes] events that tell that a piece was seen to its end


@inner
def _depth(count):  # type: ignore[no-untyped-def]
    """The depth of the ``count``-th event of a stage, from 1."""
    depth = 0
    left = count - 1
    while left > 0 and depth < DEPTHS - 1:
        left >>= 1
        depth += 1
    return depth


@inner
def _outcome(asked, at, won):  # type: ignore[no-untyped-def]
    """What became of one who stood somewhere at ``at`` and went on at ``won`` (-1 never)."""
    if at + asked.within > asked.as_of:
        return PENDING
    return WENT_ON if won >= 0 and won - at <= asked.within else NOT


@inner
def _look_ahead(columns, level, asked, first, end, won):  # type: ignore[no-untyped-def]
    """Write down, of each event, when the customer went on after it, -1 for never."""
    later = np.int64(-1)
    for j in range(end - first):
        i = end - 1 - j
        now = np.int64(columns.time[i])
        if not asked.to_goal and i + 1 < end and level[i + 1] > level[i]:
            later = np.int64(columns.time[i + 1])
        won[i - first] = later
        if asked.to_goal and asked.goal[columns.code[i]]:
            later = now


@kernel
def _longest(columns):  # type: ignore[no-untyped-def]
    most = np.int64(1)
    for c in range(len(columns.offsets) - 1):
        most = max(most, columns.offsets[c + 1] - columns.offsets[c])
    return most


@kernel
def pieces(columns, level, label, asked):  # type: ignore[no-untyped-def]
    """Counts of the pieces that were met in [start, end), which add up.

    ``level`` int16[N]: the stage of the customer right after each event, -1 outside. ``label`` int64[N]: the piece that
    each event is a meeting with, 0 none. A customer meets a piece when it is met for the first time ever.

    Returns, int64: met[pieces + 1, stages + 1, DEPTHS, OUTCOMES] by stage at the meeting (0 outside the map), how many
    events of that stage there had been, and what followed; everyone[stages + 1, DEPTHS, OUTCOMES] all customers at
    their first event in the period in each such place; had[like met] those of them who had met the piece by then;
    counts[pieces + 1, COUNTS]; dwell[pieces + 1, BINS] seconds to the next event where it came before ``cap``;
    seen[pieces + 1, 2] the first and the last second of a meeting, -1 for none.
    """
    shape = (asked.pieces + 1, asked.stages + 1, DEPTHS, OUTCOMES)
    met = np.zeros(shape, np.int64)
    had = np.zeros(shape, np.int64)
    everyone = np.zeros((asked.stages + 1, DEPTHS, OUTCOMES), np.int64)
    counts = np.zeros((asked.pieces + 1, COUNTS), np.int64)
    dwell = np.zeros((asked.pieces + 1, BINS), np.int64)
    seen = np.full((asked.pieces + 1, 2), -1, np.int64)
    known = np.full(asked.pieces + 1, -1, np.int64)  # the latest customer who has met it
    inside = np.full(asked.pieces + 1, -1, np.int64)  # the same in the period
    done = np.full(asked.pieces + 1, -1, np.int64)
    mine = np.empty(asked.pieces + 1, np.int64)
    won = np.empty(_longest(columns), np.int64)
    for c in range(len(columns.offsets) - 1):
        if columns.skip[c]:
            continue
        first, end = columns.offsets[c], columns.offsets[c + 1]
        while end > first and np.int64(columns.time[end - 1]) > asked.as_of:
            end -= 1
        _look_ahead(columns, level, asked, first, end, won)
        n = 0
        count = np.int64(0)
        latest = np.int64(-1)
        last_piece = np.int64(0)
        deepest = -1
        for i in range(first, end):
            now = np.int64(columns.time[i])
            stage = np.int64(level[i]) + 1
            if i == first or level[i] != level[i - 1]:
                count, deepest = np.int64(0), -1
            count += 1
            depth = _depth(count)
            piece = label[i]
            in_period = asked.start <= now < asked.end
            if piece > 0 and asked.completes[columns.code[i]]:
                if inside[piece] == c and done[piece] != c:
                    done[piece] = c
                    counts[piece, COMPLETED] += 1
                piece = np.int64(0)
            if piece > 0:
                if known[piece] != c:
                    known[piece] = c
                    mine[n] = piece
                    n += 1
                    if in_period:
                        met[piece, stage, depth, _outcome(asked, now, won[i - first])] += 1
                if in_period:
                    counts[piece, MEETINGS] += 1
                    if inside[piece] != c:
                        inside[piece] = c
                        counts[piece, CUSTOMERS] += 1
                    if latest < 0:
                        counts[piece, FIRST] += 1
                    latest, last_piece = now, piece
                    if i + 1 < end:
                        gap = np.int64(columns.time[i + 1]) - now
                        if gap < asked.cap:
                            dwell[piece, bin_of(gap)] += 1
                    if seen[piece, 0] < 0 or now < seen[piece, 0]:
                        seen[piece, 0] = now
                    seen[piece, 1] = max(seen[piece, 1], now)
            if in_period and depth > deepest:
                deepest = depth
                outcome = _outcome(asked, now, won[i - first])
                everyone[stage, depth, outcome] += 1
                for m in range(n):
                    had[mine[m], stage, depth, outcome] += 1
        if last_piece > 0:
            counts[last_piece, LAST] += 1
    return met, everyone, had, counts, dwell, seen


@kernel
def fates(columns, level, label, asked, piece):  # type: ignore[no-untyped-def]
    """int8[C, FATE]: what is told of each customer and ``piece``, counted as above.

    OUTCOME: -1 for who did not meet it in the period; else what followed their first meeting ever, MET when that was
    before the period, or in the last stage, from which nobody goes on. STAGE: at the first meeting ever, from 0 outside
    the map, -1 when that was not in the period; DEPTH: the same of how many events of that stage there had been. DONE:
    1 for who met it in the period and saw it to its end. IS_FIRST, IS_LAST: whether it was the customer's first, last
    piece in the period.
    """
    customers = len(columns.offsets) - 1
    out = np.full((customers, FATE), np.int8(-1), np.int8)
    won = np.empty(_longest(columns), np.int64)
    for c in range(customers):
        if columns.skip[c]:
            continue
        first, end = columns.offsets[c], columns.offsets[c + 1]
        while end > first and np.int64(columns.time[end - 1]) > asked.as_of:
            end -= 1
        _look_ahead(columns, level, asked, first, end, won)
        before, some = False, False
        last = np.int64(0)
        count = np.int64(0)
        for i in range(first, end):
            if i == first or level[i] != level[i - 1]:
                count = np.int64(0)
            count += 1
            if label[i] == piece and asked.completes[columns.code[i]] and out[c, OUTCOME] >= 0:
                out[c, DONE] = 1
            if label[i] == 0 or asked.completes[columns.code[i]]:
                continue
            now = np.int64(columns.time[i])
            if not asked.start <= now < asked.end:
                before |= label[i] == piece
                continue
            last = label[i]
            if label[i] == piece:
                if not some:
                    out[c, IS_FIRST] = 1
                if out[c, OUTCOME] < 0:
                    last_stage = not asked.to_goal and level[i] + 1 == asked.stages
                    out[c, OUTCOME] = MET if before or last_stage else _outcome(asked, now, won[i - first])
                    if not before:
                        out[c, STAGE] = level[i] + 1
                        out[c, DEPTH] = _depth(count)
            some = True
        if last == piece:
            out[c, IS_LAST] = 1
    return out


@kernel
def stood(columns, level, label, asked, piece, places):  # type: ignore[no-untyped-def]
    """bool[C]: who stood at one of ``places`` bool[stages + 1, DEPTHS] in the period without having met ``piece``, as
    :func:`pieces` counts everyone, and has had their time.
    """
    customers = len(columns.offsets) - 1
    out = np.zeros(customers, np.bool_)
    for c in range(customers):
        if columns.skip[c]:
            continue
        first, end = columns.offsets[c], columns.offsets[c + 1]
        count, deepest = np.int64(0), -1
        for i in range(first, end):
            now = np.int64(columns.time[i])
            if now > asked.as_of or out[c]:
                break
            if i == first or level[i] != level[i - 1]:
                count, deepest = np.int64(0), -1
            count += 1
            if label[i] == piece and not asked.completes[columns.code[i]]:
                break
            depth = _depth(count)
            if asked.start <= now < asked.end and depth > deepest:
                deepest = depth
                out[c] = places[np.int64(level[i]) + 1, depth] and now + asked.within <= asked.as_of
    return out
