"""Patterns inside paths: sequences of two or three steps, steps done again, and what follows a step sooner or later."""

from __future__ import annotations

import numpy as np

from polku.kernels.compiled import inner, kernel


@inner
def _counts(columns, symbol, i, start, end):  # type: ignore[no-untyped-def]
    """The step of event ``i``, or -1 when it is none or lies outside [start, end)."""
    time = np.int64(columns.time[i])
    if time < start or time >= end:
        return np.int64(-1)
    return np.int64(symbol[columns.code[i]])


@kernel
def adjacent(columns, segments, symbol, symbols, start, end, collapse, length):  # type: ignore[no-untyped-def]
    """Sequences of ``length`` steps right after each other: times int64[symbols ** length], and paths with each.

    The place of a sequence in the table is its steps as digits of a number of base ``symbols``.
    """
    size = symbols**length
    times = np.zeros(size, np.int64)
    paths = np.zeros(size, np.int64)
    last = np.full(size, -1, np.int64)
    mingled = len(segments.order) > 0
    for v in range(len(segments.customer)):
        place = np.int64(0)
        have = 0
        before = np.int64(-1)
        for j in range(segments.starts[v], segments.ends[v]):
            i = segments.order[j] if mingled else j
            here = _counts(columns, symbol, i, start, end)
            if here < 0 or (collapse and here == before):
                continue
            place = (place * symbols + here) % size
            before = here
            have += 1
            if have >= length:
                times[place] += 1
                if last[place] != v:
                    last[place] = v
                    paths[place] += 1
    return times, paths


@kernel
def with_gaps(columns, segments, symbol, symbols, start, end, length):  # type: ignore[no-untyped-def]
    """Paths that have ``length`` (2 or 3) steps in order, whatever lies between: int64[symbols ** length].

    Of every pair the earliest end is kept: a third step completes it when it comes later than that.
    """
    size = symbols**length
    paths = np.zeros(size, np.int64)
    last = np.full(size, -1, np.int64)
    seen = np.empty(symbols, np.int64)  # steps seen so far, in order of their first time
    is_seen = np.full(symbols, -1, np.int64)
    done = np.empty((symbols * symbols, 2), np.int64)  # pairs completed so far
    is_done = np.full((symbols, symbols), -1, np.int64)
    mingled = len(segments.order) > 0
    for v in range(len(segments.customer)):
        count = 0
        pairs = 0
        for j in range(segments.starts[v], segments.ends[v]):
            i = segments.order[j] if mingled else j
            here = _counts(columns, symbol, i, start, end)
            if here < 0:
                continue
            if length == 3:
                for p in range(pairs):
                    place = (done[p, 0] * symbols + done[p, 1]) * symbols + here
                    if last[place] != v:
                        last[place] = v
                        paths[place] += 1
            for k in range(count):
                first = seen[k]
                if is_done[first, here] != v:
                    is_done[first, here] = v
                    done[pairs, 0], done[pairs, 1] = first, here
                    pairs += 1
                    if length == 2:
                        paths[first * symbols + here] += 1
            if is_seen[here] != v:
                is_seen[here] = v
                seen[count] = here
                count += 1
    return paths


@kernel
def having(columns, segments, symbol, start, end, collapse, steps, gaps):  # type: ignore[no-untyped-def]
    """bool[C]: who has ``steps`` int64[n] in order, right after each other or, with ``gaps``, with others between."""
    out = np.zeros(len(columns.offsets) - 1, np.bool_)
    length = len(steps)
    recent = np.full(length, -1, np.int64)
    mingled = len(segments.order) > 0
    for v in range(len(segments.customer)):
        recent[:] = -1
        before = np.int64(-1)
        met = 0
        for j in range(segments.starts[v], segments.ends[v]):
            i = segments.order[j] if mingled else j
            here = _counts(columns, symbol, i, start, end)
            if here < 0 or (collapse and not gaps and here == before):
                continue
            before = here
            if gaps:
                if met < length and here == steps[met]:
                    met += 1
                continue
            for k in range(length - 1):
                recent[k] = recent[k + 1]
            recent[length - 1] = here
            same = True
            for k in range(length):
                same = same and recent[k] == steps[k]
            if same:
                met = length
        if met == length:
            out[segments.customer[v]] = True
    return out


@kernel
def again(columns, segments, symbol, symbols, start, end):  # type: ignore[no-untyped-def]
    """Steps done again.

    Per step int64[symbols, 6]: paths with it, times, paths with it twice or more, times right after itself, times again
    later, and seconds from its first to its last time; and there-and-back int64[symbols, symbols] (A, B, A).
    """
    found = np.zeros((symbols, 6), np.int64)
    back = np.zeros((symbols, symbols), np.int64)
    first = np.zeros(symbols, np.int64)
    times = np.zeros(symbols, np.int64)
    last = np.zeros(symbols, np.int64)
    mingled = len(segments.order) > 0
    for v in range(len(segments.customer)):
        times[:] = 0
        one = np.int64(-1)
        two = np.int64(-1)
        for j in range(segments.starts[v], segments.ends[v]):
            i = segments.order[j] if mingled else j
            here = _counts(columns, symbol, i, start, end)
            if here < 0:
                continue
            time = np.int64(columns.time[i])
            if times[here] == 0:
                first[here] = time
            elif one == here:
                found[here, 3] += 1
            else:
                found[here, 4] += 1
            if two == here and one != here:
                back[here, one] += 1
            times[here] += 1
            last[here] = time
            two, one = one, here
        for s in range(symbols):
            if times[s] > 0:
                found[s, 0] += 1
                found[s, 1] += times[s]
                if times[s] > 1:
                    found[s, 2] += 1
                    found[s, 5] += last[s] - first[s]
    return found, back


@kernel
def repeating(columns, segments, symbol, start, end, step, between):  # type: ignore[no-untyped-def]
    """bool[C]: who has ``step`` twice or more; with ``between`` not negative, who goes from it there and right back."""
    out = np.zeros(len(columns.offsets) - 1, np.bool_)
    mingled = len(segments.order) > 0
    for v in range(len(segments.customer)):
        one = np.int64(-1)
        two = np.int64(-1)
        times = 0
        for j in range(segments.starts[v], segments.ends[v]):
            i = segments.order[j] if mingled else j
            here = _counts(columns, symbol, i, start, end)
            if here < 0:
                continue
            if here == step:
                times += 1
                if times > 1 and (between < 0 or (one == between and two == step)):
                    out[segments.customer[v]] = True
            two, one = one, here
    return out


@kernel
def onward(columns, segments, symbol, symbols, source, start, end, window, as_of):  # type: ignore[no-untyped-def]
    """What follows ``source`` within ``window`` seconds, sooner or later, path by path.

    Returns int64[3]: paths with a step in [start, end); those with ``source``; those of them whose last window is open
    at ``as_of``; and int64[symbols, 3]: paths with the step in the period; those that also have ``source``; those whose
    windows have closed and in which the step came after ``source`` in time.
    """
    totals = np.zeros(3, np.int64)
    found = np.zeros((symbols, 3), np.int64)
    met = np.full(symbols, -1, np.int64)
    done = np.full(symbols, -1, np.int64)
    mingled = len(segments.order) > 0
    for v in range(len(segments.customer)):
        there = False
        latest = np.int64(-1)
        for j in range(segments.starts[v], segments.ends[v]):
            i = segments.order[j] if mingled else j
            here = np.int64(symbol[columns.code[i]])
            time = np.int64(columns.time[i])
            if here < 0 or time < start:
                continue
            if latest >= 0 and time - latest <= window and done[here] != v:
                done[here] = v
            if time < end:
                there = True
                met[here] = v
                if here == source:
                    latest = time
        if there:
            totals[0] += 1
        if latest >= 0:
            totals[1] += 1
        is_open = latest >= 0 and latest + window > as_of
        if is_open:
            totals[2] += 1
        for s in range(symbols):
            if met[s] == v:
                found[s, 0] += 1
                if latest >= 0:
                    found[s, 1] += 1
            if done[s] == v and not is_open:
                found[s, 2] += 1
    return totals, found


#: What :func:`went_onward` lists.
BOTH, NOT, OPEN, WITH = 0, 1, 2, 3


@kernel
def went_onward(columns, segments, symbol, source, target, start, end, window, as_of, what):  # type: ignore[no-untyped-def]
    """bool[C]: who came from ``source`` to ``target`` in time (BOTH), had their time and did not (NOT), still has it
    (OPEN), or has ``target`` in the period at all (WITH).
    """
    out = np.zeros(len(columns.offsets) - 1, np.bool_)
    mingled = len(segments.order) > 0
    for v in range(len(segments.customer)):
        latest = np.int64(-1)
        done = False
        met = False
        for j in range(segments.starts[v], segments.ends[v]):
            i = segments.order[j] if mingled else j
            here = np.int64(symbol[columns.code[i]])
            time = np.int64(columns.time[i])
            if here < 0 or time < start:
                continue
            if here == target and latest >= 0 and time - latest <= window:
                done = True
            if time < end:
                met = met or here == target
                if here == source:
                    latest = time
        is_open = latest >= 0 and latest + window > as_of
        chosen = (
            (what == BOTH and done and not is_open)
            or (what == NOT and latest >= 0 and not done and not is_open)
            or (what == OPEN and is_open)
            or (what == WITH and met)
        )
        if chosen:
            out[segments.customer[v]] = True
    return out


@kernel
def anything(columns, segments, symbol, start, end):  # type: ignore[no-untyped-def]
    """bool[V]: which segments have any step in [start, end)."""
    out = np.zeros(len(segments.customer), np.bool_)
    mingled = len(segments.order) > 0
    for v in range(len(segments.customer)):
        for j in range(segments.starts[v], segments.ends[v]):
            i = segments.order[j] if mingled else j
            if _counts(columns, symbol, i, start, end) >= 0:
                out[v] = True
                break
    return out
