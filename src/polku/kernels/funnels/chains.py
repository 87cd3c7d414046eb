"""Funnels in order with every refinement: per-step least and most, optional steps, exclusions, nothing else between,
one property held constant, the first start only or every way through; any number of steps.

Of every event that is step k the kernel keeps the newest start that a chain ending there can have. Events of step k + 1
look for it among the events of step k that lie between ``least`` and ``most`` before them: a window that only moves
forward, whose largest value a queue gives in constant time on average (the ascending minima algorithm, R. Harter 2001;
D. Lemire, Streaming maximum-minimum filter, Nordic Journal of Computing 13, 2006). So a customer costs time and memory
in proportion to their events, however the funnel is refined, and the answer is exact.

An exclusion, or any event where nothing else may lie between, closes the way between two steps for all chains that
stand there. Of chains with one start the earliest event of each step is taken. Where repeats end the funnel (what
ClickHouse's windowFunnel calls strict_deduplication), a step after the first that comes again is the end of it all.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from polku.kernels.compiled import inner, kernel

UNLIMITED = 1 << 61
#: Which starts count: that which gets furthest; the first one; each, until its last step or the end of its window.
FURTHEST, FIRST, EVERY = 0, 1, 2
#: In the place of the newest start: so long ago that no window from it is open.
ENDED = -UNLIMITED
#: Of what use an event is: it is a step, it is the first one, it closes a way.
STEP, STARTS, STOPS = 1, 2, 4


class Plan(NamedTuple):
    """A funnel as numbers. Ways lead from step to step; with optional steps more than one leads to a step."""

    code_starts: npt.NDArray[np.int64]  # [codes + 1] into code_steps
    code_steps: npt.NDArray[np.int64]  # the steps that a code is, the last first
    stop_starts: npt.NDArray[np.int64]  # [codes + 1] into stop_ways
    stop_ways: npt.NDArray[np.int64]  # the ways that an event of this code closes
    way_starts: npt.NDArray[np.int64]  # [steps + 1] into way_from: the ways that lead to a step
    way_from: npt.NDArray[np.int64]  # the step that a way comes from, the nearest first
    least: npt.NDArray[np.int64]  # [steps] seconds from the step before, both ends counted
    most: npt.NDArray[np.int64]  # [steps]
    required: npt.NDArray[np.bool_]  # [steps] False: may be left out
    strict: np.bool_  # nothing else between
    rising: np.bool_  # later than the step before, not at the same moment
    once: np.bool_  # a step after the first that comes again ends it all


class _Work(NamedTuple):
    """Room for one stretch of events; grows with the longest."""

    event: npt.NDArray[np.int64]  # [n] its relevant events, as places in the columns
    place: npt.NDArray[np.int64]  # [n] and within the stretch
    node_event: npt.NDArray[np.int64]  # [m] an event that is a step: the event,
    node_start: npt.NDArray[np.int64]  # [m] the newest start of a chain to it,
    node_before: npt.NDArray[np.int64]  # [m] and the node before it in that chain
    queue: npt.NDArray[np.int64]  # nodes, a stretch of it for each way
    region: npt.NDArray[np.int64]  # [steps + 1] where the nodes of a step begin
    nodes: npt.NDArray[np.int64]  # [steps] how many there are
    way_region: npt.NDArray[np.int64]  # [ways] where the queue of a way begins
    seen: npt.NDArray[np.int64]  # [ways] how many nodes of the step that it comes from have been looked at
    head: npt.NDArray[np.int64]  # [ways]
    tail: npt.NDArray[np.int64]  # [ways]
    met: npt.NDArray[np.bool_]  # [steps] a chain came here


@inner
def apart(columns, before, after, seconds):  # type: ignore[no-untyped-def]
    """-1, 0, 1: whether less than, exactly or more than ``seconds`` lie between two events, to the microsecond."""
    passed = np.int64(columns.time[after]) - np.int64(columns.time[before])
    if passed != seconds:
        return -1 if passed < seconds else 1
    if len(columns.micros) == 0 or columns.micros[after] == columns.micros[before]:
        return 0
    return -1 if columns.micros[after] < columns.micros[before] else 1


@inner
def _close(work, way, step_from, event):  # type: ignore[no-untyped-def]
    """Let nothing that stands at the beginning of this way go on, but for what happened at ``event`` itself."""
    known = work.nodes[step_from]
    if known > 0 and work.node_event[work.region[step_from] + known - 1] == event:
        known -= 1
    if work.seen[way] < known:
        work.seen[way] = known
    work.head[way] = work.tail[way]


@inner
def _before(columns, plan, work, step, i):  # type: ignore[no-untyped-def]
    """The node of an earlier step from which event ``i`` goes on as ``step``, with the newest start; -1: none."""
    found = np.int64(-1)
    newest = np.int64(-1)
    for way in range(plan.way_starts[step], plan.way_starts[step + 1]):
        source = plan.way_from[way]
        base = work.way_region[way]
        while work.seen[way] < work.nodes[source]:
            node = work.region[source] + work.seen[way]
            gap = apart(columns, work.node_event[node], i, plan.least[step])
            if gap < 0 or (plan.rising and apart(columns, work.node_event[node], i, 0) <= 0):
                break
            work.seen[way] += 1
            while (
                work.tail[way] > work.head[way]
                and work.node_start[work.queue[base + work.tail[way] - 1]] < work.node_start[node]
            ):
                work.tail[way] -= 1
            work.queue[base + work.tail[way]] = node
            work.tail[way] += 1
        while (
            work.head[way] < work.tail[way]
            and apart(columns, work.node_event[work.queue[base + work.head[way]]], i, plan.most[step]) > 0
        ):
            work.head[way] += 1
        if work.head[way] < work.tail[way]:
            node = work.queue[base + work.head[way]]
            if work.node_start[node] > newest:
                newest = work.node_start[node]
                found = node
    return found


@inner
def _follow(columns, plan, work, stopped, low, high, only, window, start, end):  # type: ignore[no-untyped-def]
    """Let the relevant events [low, high) of a stretch take the steps; ``only``: the one event that may start, or -1.

    ``stopped`` int64[n, ways]: the last place before an event at which a way was closed for every mark; may be empty.

    Returns the furthest required step from 1 (0: none), the node in which it was first reached, the time of the newest
    start (``ENDED`` when a repeat ended it: nothing is open then), and the event at which to go on: behind the last
    step or the window of ``only``, or the repeat; else ``high``.
    """
    steps = len(plan.required)
    for k in range(steps):
        work.nodes[k] = 0
        work.met[k] = False
    for way in range(len(plan.way_from)):
        work.seen[way] = 0
        work.head[way] = 0
        work.tail[way] = 0
    level = np.int64(0)
    best = np.int64(-1)
    last = np.int64(-1)
    place = np.int64(-2)
    for g in range(low, high):
        i = work.event[g]
        if only >= 0 and apart(columns, only, i, window) > 0:
            return level, best, last, np.int64(g)
        for way in range(len(plan.way_from)):
            if (plan.strict and work.place[g] != place + 1) or (len(stopped) > 0 and stopped[g, way] > place):
                _close(work, way, plan.way_from[way], -1)
        place = work.place[g]
        code = columns.code[i]
        taken = False
        for j in range(plan.code_starts[code], plan.code_starts[code + 1]):
            step = plan.code_steps[j]
            before = np.int64(-1)
            begun = i
            if plan.once and step > 0 and work.met[step] and not taken:
                return level, best, np.int64(ENDED), np.int64(g)
            if step == 0:
                time = np.int64(columns.time[i])
                if (only >= 0 and i != only) or time < start or time >= end:
                    continue
                last = time
            else:
                before = _before(columns, plan, work, step, i)
                if before < 0:
                    continue
                begun = work.node_start[before]
                if apart(columns, begun, i, window) > 0:
                    continue
            node = work.region[step] + work.nodes[step]
            work.nodes[step] += 1
            work.node_event[node] = i
            work.node_start[node] = begun
            work.node_before[node] = before
            work.met[step] = True
            taken = True
            if plan.required[step] and step + 1 > level:
                level = step + 1
                best = node
        for j in range(plan.stop_starts[code], plan.stop_starts[code + 1]):
            _close(work, plan.stop_ways[j], plan.way_from[plan.stop_ways[j]], i)
        if plan.strict:
            for way in range(len(plan.way_from)):
                _close(work, way, plan.way_from[way], i)
        if only >= 0 and level == steps:
            return level, best, last, np.int64(g + 1)
    return level, best, last, np.int64(high)


@inner
def _room(columns, plan, work, low, high):  # type: ignore[no-untyped-def]
    """Set aside room for the nodes and queues of the events [low, high)."""
    steps = len(plan.required)
    for k in range(steps):
        work.nodes[k] = 0
    for g in range(low, high):
        code = columns.code[work.event[g]]
        for j in range(plan.code_starts[code], plan.code_starts[code + 1]):
            work.nodes[plan.code_steps[j]] += 1
    work.region[0] = 0
    for k in range(steps):
        work.region[k + 1] = work.region[k] + work.nodes[k]
    base = np.int64(0)
    for way in range(len(plan.way_from)):
        work.way_region[way] = base
        base += work.nodes[plan.way_from[way]]


@kernel
def _kinds(plan):  # type: ignore[no-untyped-def]
    """uint8[codes]: of what use an event is, as bits; 0 for none."""
    out = np.zeros(len(plan.code_starts) - 1, np.uint8)
    for code in range(len(out)):
        low, high = plan.code_starts[code], plan.code_starts[code + 1]
        kind = 0
        if low < high:
            kind |= STEP
            if plan.code_steps[high - 1] == 0:
                kind |= STARTS
        if plan.stop_starts[code] < plan.stop_starts[code + 1]:
            kind |= STOPS
        out[code] = kind
    return out


@kernel
def _needed(columns, segments, plan, which):  # type: ignore[no-untyped-def]
    """Room that is enough for any stretch: events, nodes, queued nodes; and for the rows of all of them."""
    steps = len(plan.required)
    longest = np.int64(0)
    for v in range(len(segments.customer)):
        longest = max(longest, segments.ends[v] - segments.starts[v])
    several = np.int64(0)  # the most steps that a code is
    for code in range(len(plan.code_starts) - 1):
        several = max(several, plan.code_starts[code + 1] - plan.code_starts[code])
    leads = np.zeros(steps, np.int64)
    for way in range(len(plan.way_from)):
        leads[plan.way_from[way]] += 1
    rows = np.int64(len(segments.customer))
    if which == EVERY:
        rows = np.int64(0)
        for code in columns.code:
            last = plan.code_starts[code + 1] - 1
            rows += np.int64(last >= plan.code_starts[code] and plan.code_steps[last] == 0)
    return longest, longest * several, longest * several * leads.max(), rows


@inner
def _starts(columns, plan, i, start, end):  # type: ignore[no-untyped-def]
    """Whether event ``i`` may be a first step."""
    code = columns.code[i]
    low, high = plan.code_starts[code], plan.code_starts[code + 1]
    time = np.int64(columns.time[i])
    return low < high and plan.code_steps[high - 1] == 0 and start <= time < end


@inner
def _write(work, best, level, places, met, row):  # type: ignore[no-untyped-def]
    """The chain that ends in node ``best`` and the steps that were met, as a row."""
    for k in range(len(work.met)):
        places[row, k] = -1
        met[row, k] = work.met[k]
    step = level - 1
    node = best
    while node >= 0:
        while node < work.region[step]:
            step -= 1
        places[row, step] = work.node_event[node]
        node = work.node_before[node]


@inner
def _better(work, best, level, is_open, levels, open_, places, met, row):  # type: ignore[no-untyped-def]
    """Take what another mark of the same stretch has come to into its row: the one that came further, then sooner."""
    further = level > levels[row]
    if level == levels[row]:
        further = work.node_event[best] < places[row, level - 1]
    open_[row] = open_[row] or is_open
    for k in range(len(work.met)):
        met[row, k] = met[row, k] or work.met[k]
        work.met[k] = met[row, k]
    if further:
        levels[row] = level
        _write(work, best, level, places, met, row)


@kernel
def _by_mark(plan, columns, work, mark, n):  # type: ignore[no-untyped-def]
    """The relevant events of a stretch put in order of (mark, time); returns where each mark begins, and n.

    Events without a mark are left out. Where one of them closes ways, ``stopped`` remembers it for the others.
    """
    ways = len(plan.way_from)
    closing = False
    for g in range(n):
        code = columns.code[work.event[g]]
        closing = closing or (mark[g] == 0 and plan.stop_starts[code] < plan.stop_starts[code + 1])
    stopped = np.full((n if closing else 0, ways), np.int64(-1), np.int64)
    if closing:
        for g in range(n):
            if g > 0:
                stopped[g] = stopped[g - 1]
            code = columns.code[work.event[g]]
            for j in range(plan.stop_starts[code], plan.stop_starts[code + 1]):
                if mark[g] == 0:
                    stopped[g, plan.stop_ways[j]] = work.place[g]
    order = np.argsort(mark[:n], kind="mergesort")
    events, places = work.event[:n].copy(), work.place[:n].copy()
    begins = np.empty(n + 1, np.int64)
    groups = 0
    kept = 0
    before = np.int64(0)
    sorted_stops = np.empty(stopped.shape, np.int64)
    for g in order:
        if mark[g] == 0:
            continue
        if mark[g] != before:
            begins[groups] = kept
            groups += 1
            before = mark[g]
        work.event[kept] = events[g]
        work.place[kept] = places[g]
        if closing:
            sorted_stops[kept] = stopped[g]
        kept += 1
    begins[groups] = kept
    return begins[: groups + 1], sorted_stops


@kernel
def chains(columns, segments, marks, plan, which, window, start, end, as_of):  # type: ignore[no-untyped-def]
    """How far every stretch of events comes, or every way through it.

    ``segments`` are customers, sessions or accounts (polku.kernels.sessions.Segments); ``marks`` uint32[N]: a chain
    keeps to events of one mark, 0 is none; empty where nothing is held. ``which`` is FURTHEST, FIRST or EVERY;
    ``window`` seconds from the first step, which lies in [start, end), ``UNLIMITED`` for none; events up to ``as_of``
    are in the segments, and a window that reaches beyond it is open.

    Returns, for those rows that took the first step: segment int64[R], level int64[R] (the furthest step that may not
    be left out, from 1), met bool[R, steps], open bool[R], places int64[R, steps] (the events of the chain that is
    given, -1 where it has none).
    """
    steps = len(plan.required)
    ways = len(plan.way_from)
    most_events, most_nodes, most_queued, most = _needed(columns, segments, plan, which)
    work = _Work(
        np.empty(most_events, np.int64),
        np.empty(most_events, np.int64),
        np.empty(most_nodes, np.int64),
        np.empty(most_nodes, np.int64),
        np.empty(most_nodes, np.int64),
        np.empty(most_queued, np.int64),
        np.zeros(steps + 1, np.int64),
        np.zeros(steps, np.int64),
        np.zeros(ways, np.int64),
        np.zeros(ways, np.int64),
        np.zeros(ways, np.int64),
        np.zeros(ways, np.int64),
        np.zeros(steps, np.bool_),
    )
    stopped = np.empty((0, ways), np.int64)
    held = len(marks) > 0
    mark = np.empty(most_events if held else 0, np.int64)
    segment = np.empty(most, np.int64)
    levels = np.empty(most, np.int64)
    met = np.empty((most, steps), np.bool_)
    open_ = np.empty(most, np.bool_)
    places = np.empty((most, steps), np.int64)
    rows = 0
    whole = np.zeros(2, np.int64)
    mingled = len(segments.order) > 0
    bounded = window < UNLIMITED
    kinds = _kinds(plan)
    for v in range(len(segments.customer)):
        n = np.int64(0)
        first = np.int64(-1)
        for j in range(segments.starts[v], segments.ends[v]):
            i = segments.order[j] if mingled else j
            kind = kinds[columns.code[i]]
            # written always, kept when it is of use: a jump that cannot be foreseen would cost more
            work.event[n] = i
            work.place[n] = j
            if kind & STARTS and first < 0 and start <= np.int64(columns.time[i]) < end and (not held or marks[i] > 0):
                first = np.int64(i)
            if held:
                mark[n] = marks[i]
                n += np.int64(kind & STOPS > 0 or (kind > 0 and marks[i] > 0))
            else:
                n += np.int64(kind > 0)
        if first < 0:
            continue
        begins = whole
        begins[1] = n
        if held:
            begins, stopped = _by_mark(plan, columns, work, mark, n)
        begun = rows
        for group in range(len(begins) - 1):
            g, high = begins[group], begins[group + 1]
            _room(columns, plan, work, g, high)
            while g < high:
                only = np.int64(-1)
                if which == FIRST:
                    only = first
                    while g < high and work.event[g] != first:
                        g += 1
                elif which == EVERY:
                    while g < high and not _starts(columns, plan, work.event[g], start, end):
                        g += 1
                if g == high:
                    break
                if which == EVERY:
                    only = work.event[g]
                level, best, last, g = _follow(columns, plan, work, stopped, g, high, only, window, start, end)
                if level == 0:
                    break
                is_open = bounded and last + window > as_of
                if which == EVERY or rows == begun:
                    segment[rows] = v
                    levels[rows] = level
                    open_[rows] = is_open
                    _write(work, best, level, places, met, rows)
                    rows += 1
                else:
                    _better(work, best, level, is_open, levels, open_, places, met, rows - 1)
                if which != EVERY:
                    break
    return segment[:rows].copy(), levels[:rows].copy(), met[:rows].copy(), open_[:rows].copy(), places[:rows].copy()
