"""Funnels in any order: a customer has come to step k when all of the steps 1 to k lie within one window.

The window counts from the earliest of these events, which lies in the period. An event can be one step only, so the
steps must not share events.
"""

from __future__ import annotations

import numpy as np

from polku.kernels.compiled import inner, kernel
from polku.kernels.funnels.chains import EVERY, FIRST, FURTHEST, UNLIMITED, apart
from polku.kernels.funnels.plain import NO_STEP


@inner
def _furthest(columns, step_of, event, low, high, window, start, end, last, early, chain):  # type: ignore[no-untyped-def]
    """The most leading steps that lie in one window among the events [low, high); the first such are put in ``chain``.

    For each step its last event so far is kept, and its last that may begin a window. Returns the level and the time of
    the newest event that may begin one, -1 for none.
    """
    for k in range(len(last)):
        last[k] = -1
        early[k] = -1
    level = np.int64(0)
    newest = np.int64(-1)
    for g in range(low, high):
        i = event[g]
        time = np.int64(columns.time[i])
        step = step_of[columns.code[i]]
        last[step] = i
        if time < end:
            early[step] = i
            newest = time
        earliest, begins, of = i, np.int64(-1), np.int64(-1)
        for k in range(len(last)):
            if last[k] < 0:
                break
            earliest = min(earliest, last[k])
            if early[k] > begins:
                begins = early[k]
                of = np.int64(k)
            if begins < 0 or k < level or apart(columns, min(earliest, begins), i, window) > 0:
                continue
            level = np.int64(k + 1)
            for j in range(level):
                chain[j] = last[j]
            if begins < earliest:  # all of the last are too late to begin it
                chain[of] = begins
    return level, newest


@inner
def _through(columns, step_of, event, low, high, window, chain):  # type: ignore[no-untyped-def]
    """The leading steps that lie in the window of event ``low``; their first events are put in ``chain``.

    Returns the level and the place at which to go on: behind the last step, or behind the window.
    """
    for k in range(len(chain)):
        chain[k] = -1
    level = np.int64(0)
    g = low
    while g < high and level < len(chain) and apart(columns, event[low], event[g], window) <= 0:
        step = step_of[columns.code[event[g]]]
        if chain[step] < 0:
            chain[step] = event[g]
        while level < len(chain) and chain[level] >= 0:
            level += 1
        g += 1
    for k in range(level, len(chain)):
        chain[k] = -1
    return level, np.int64(g)


@inner
def _completed(chain, level):  # type: ignore[no-untyped-def]
    """The event with which a chain came to its level."""
    latest = chain[0]
    for k in range(1, level):
        latest = max(latest, chain[k])
    return latest


@inner
def _gather(columns, segments, marks, step_of, v, start, event, mark):  # type: ignore[no-untyped-def]
    """The events of a stretch that are a step and not before the period, into ``event``; returns how many."""
    mingled, held = len(segments.order) > 0, len(marks) > 0
    n = np.int64(0)
    for j in range(segments.starts[v], segments.ends[v]):
        i = segments.order[j] if mingled else j
        if step_of[columns.code[i]] == NO_STEP or np.int64(columns.time[i]) < start or (held and marks[i] == 0):
            continue
        event[n] = i
        if held:
            mark[n] = marks[i]
        n += 1
    return n


@kernel
def unordered(columns, segments, marks, step_of, steps, which, window, start, end, as_of):  # type: ignore[no-untyped-def]
    """How far every stretch of events comes with its steps in any order; rows as those of
    :func:`polku.kernels.funnels.chains.chains`.

    ``step_of`` int64[codes]: the step that a code is, ``NO_STEP`` for none. With ``which`` FIRST the window begins with
    the first event of any step in the period; with EVERY another begins behind each last step or window.
    """
    held = len(marks) > 0
    longest, firsts = np.int64(0), np.int64(0)
    for v in range(len(segments.customer)):
        longest = max(longest, segments.ends[v] - segments.starts[v])
    for code in columns.code:
        firsts += np.int64(step_of[code] == 0)
    event = np.empty(longest, np.int64)
    mark = np.empty(longest if held else 0, np.int64)
    last, early, chain = np.empty(steps, np.int64), np.empty(steps, np.int64), np.empty(steps, np.int64)
    most = firsts if which == EVERY else min(firsts, np.int64(len(segments.customer)))
    segment = np.empty(most, np.int64)
    levels = np.empty(most, np.int64)
    met = np.zeros((most, steps), np.bool_)
    open_ = np.empty(most, np.bool_)
    places = np.full((most, steps), np.int64(-1), np.int64)
    rows = 0
    for v in range(len(segments.customer)):
        n = _gather(columns, segments, marks, step_of, v, start, event, mark)
        first = event[0] if n > 0 else np.int64(-1)
        if held:
            order = np.argsort(mark[:n], kind="mergesort")
            event[:n] = event[:n][order]
            mark[:n] = mark[:n][order]
        begun = rows
        low = 0
        while low < n:
            high = low + 1 if held else n
            while high < n and mark[high] == mark[low]:
                high += 1
            g = low
            while g < high:
                if which == FURTHEST:
                    level, newest = _furthest(
                        columns, step_of, event, low, high, window, start, end, last, early, chain
                    )
                    g = high
                else:
                    newest = np.int64(columns.time[event[g]])
                    if newest >= end or (which == FIRST and event[g] != first):
                        break
                    level, g = _through(columns, step_of, event, g, high, window, chain)
                if level > 0:
                    is_open = window < UNLIMITED and newest + window > as_of
                    if which == EVERY or rows == begun:
                        segment[rows] = v
                        levels[rows] = 0
                        open_[rows] = False
                        rows += 1
                    row = rows - 1
                    open_[row] = open_[row] or is_open
                    if level > levels[row] or (
                        level == levels[row] and _completed(chain, level) < _completed(places[row], level)
                    ):
                        levels[row] = level
                        for k in range(steps):
                            places[row, k] = chain[k] if k < level else -1
                            met[row, k] = k < level
                if which != EVERY:
                    break
            low = high
    return segment[:rows].copy(), levels[:rows].copy(), met[:rows].copy(), open_[:rows].copy(), places[:rows].copy()
