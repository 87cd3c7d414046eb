"""The numbers of the living map: one pass over a bucket, from the fold of every customer to counts that add up.

:func:`follow` folds one customer and notes what the figures need in a small ``Notes``; :func:`count` adds the notes to
the bucket's counts, :func:`is_member` tells from the same notes whether the customer stands behind one number. Both
ask the same small questions (:func:`stage_outcome`, :func:`touch_outcome`), so a number and its list cannot differ.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from polku.kernels.columns import Columns
from polku.kernels.compiled import inner, kernel
from polku.kernels.fold import (
    ACTIVE_AT,
    ASKED,
    ENTERED,
    FIXED,
    FROM,
    KIND,
    LAPSED,
    LAPSED_KIND,
    MOST_MOVES,
    MOVE,
    NEVER,
    PER_ATOM,
    STAGE,
    TIME,
    TO,
    Rules,
    clear,
    holds,
    money,
    next_moment,
    on_event,
    on_moment,
)  # fmt: skip

I64 = npt.NDArray[np.int64]
U32 = npt.NDArray[np.uint32]

# outcomes of "did they go on"
NOT_HERE, DROPPED, WENT_ON, PENDING, AHEAD, LAST_STAGE = -1, 0, 1, 2, 3, 4

# columns of the stage counts
(
    S_NOW, S_LAPSED, S_REACHED, S_ENTERED, S_WENT_ON, S_DROPPED, S_PENDING, S_LAPSED_IN, S_WON_BACK, S_SKIPPED,
    STAGE_COUNTS,
) = range(11)  # fmt: skip
# columns of the touchpoint counts; from T_DROPPED on in the order of the outcomes
(
    T_REACHED, T_ENTERED, T_DROPPED, T_WENT_ON, T_PENDING, T_AHEAD, T_LAST, T_LATE, T_FAILED, T_TRIED, T_PASSED,
    T_MISSING, T_EVENTS, T_ORDERS, T_VALUE, TOUCH_COUNTS,
) = range(16)  # fmt: skip
ON_MAP, OUTSIDE, TOTALS = 0, 1, 2
#: Asked of members alone, behind the columns: those who have had their time, went on or not (a rate's denominator).
S_HAD_TIME, T_HAD_TIME = STAGE_COUNTS, TOUCH_COUNTS
# kinds of members
OF_STAGE, OF_TOUCHPOINT, OF_MAP = 0, 1, 2


class Ask(NamedTuple):
    """What is asked of a map: the period [start, end), the moment, the times given to go on; seconds since 1970."""

    start: int
    end: int
    as_of: int
    stage_within: I64  # [S]
    touch_within: I64  # [T]
    fails: npt.NDArray[np.int16]  # [codes] touchpoint that the code says has failed, -1 none


class Notes(NamedTuple):
    """What one customer's fold leaves behind; times in seconds, -1 for never. Row T of what is told by touchpoint
    takes the events of no touchpoint, so that they need no branch; nobody reads it.
    """

    entered: I64  # [S] when the stage was entered
    following: I64  # [S] when a stage further right was entered first
    lapsed_in: I64  # [S] 1: lapsed from it in the period
    won_in: I64  # [S] 1: won back in the period
    first: I64  # [T + 1] the first meeting ever
    met: I64  # [T + 1] the first meeting in the period
    met_stage: I64  # [T + 1] the customer's stage just before that meeting
    failed: I64  # [T] 1: failed in the period
    passed: I64  # [T] left its stage (entered in the period) 1: having met it, 2: without
    order: I64  # [T + 1] the touchpoints met, in the order of their first meeting
    some: I64  # [SOME] how many touchpoints are in `order`; 1: something in `failed`; 1: something in `passed`


MET, FAILED, PASSED, SOME = range(4)
# what an event may do at a stage, as bits: count as activity; more than that (then the fold is asked)
ACTIVITY, MOVING = 1, 2


class Steps(NamedTuple):
    """The rules as tables, so that the many events that change nothing are known by one look."""

    asks: npt.NDArray[np.bool_]  # [1] some condition holds of who has met nothing that counts, so the first event asks
    touchpoint: npt.NDArray[np.uint16]  # [codes] touchpoint of a code, T for none
    does: npt.NDArray[np.uint8]  # [S + 1, T + 1] bits ACTIVITY, MOVING; by stage (counted from 1; 0 outside)


@kernel
def new_notes(stages, touchpoints):  # type: ignore[no-untyped-def]
    return Notes(
        np.empty(stages, np.int64), np.empty(stages, np.int64), np.empty(stages, np.int64), np.empty(stages, np.int64),
        np.empty(touchpoints + 1, np.int64), np.empty(touchpoints + 1, np.int64), np.empty(touchpoints + 1, np.int64),
        np.empty(touchpoints, np.int64), np.empty(touchpoints, np.int64), np.empty(touchpoints + 1, np.int64),
        np.empty(SOME, np.int64),
    )  # fmt: skip


@kernel
def steps_of(rules):  # type: ignore[no-untyped-def]
    """The rules as :class:`Steps`. An event moves somebody where the fold's ``on_event`` could do more than count it
    as activity, for somebody who is not lapsed and whose conditions have been asked once.
    """
    stages = len(rules.lapse)
    touchpoints = len(rules.stage_of)
    touchpoint = np.empty(len(rules.code_touchpoint), np.uint16)
    for code in range(len(touchpoint)):
        own = rules.code_touchpoint[code]
        touchpoint[code] = own if own >= 0 else touchpoints
    does = np.zeros((stages + 1, touchpoints + 1), np.uint8)
    for stage in range(-1, stages):
        for t in range(touchpoints):
            moves = rules.touching[t] and rules.stage_of[t] > stage
            if moves or (rules.counted[t] and stage < rules.furthest[0]):
                does[stage + 1, t] |= MOVING
            if stage >= 0 and rules.active[stage, t]:
                does[stage + 1, t] |= ACTIVITY
    asks = np.zeros(1, np.bool_)
    state = np.empty(FIXED + PER_ATOM * len(rules.atom_kind), np.int64)
    clear(state)
    for stage in range(stages):
        if rules.starts[stage + 1] > rules.starts[stage] and holds(state, rules, stage):
            asks[0] = True
    return Steps(asks, touchpoint, does)


@inner
def _note_moves(notes, rules, ask, moves, found):  # type: ignore[no-untyped-def]
    for m in range(found):
        time = moves[m, TIME]
        kind = moves[m, KIND]
        before = moves[m, FROM]
        inside = ask.start <= time < ask.end
        if kind == ENTERED:
            notes.entered[moves[m, TO]] = time
            if before >= 0 and ask.start <= notes.entered[before] < ask.end:
                notes.some[PASSED] = 1
                for t in range(rules.places[before], rules.places[before + 1]):
                    notes.passed[t] = 1 if notes.first[t] >= 0 else 2
        elif inside:
            if kind == LAPSED_KIND:
                notes.lapsed_in[before] = 1
            else:
                notes.won_in[before] = 1


@inner
def _pass_time(columns, rules, ask, upto, state, moves, notes, due):  # type: ignore[no-untyped-def]
    """Let every moment up to ``upto`` pass; returns before which moment nothing changes with time alone."""
    while due <= upto:
        due = next_moment(state, rules, columns.time)
        if due <= upto:
            found = on_moment(state, rules, columns, due, moves)
            if found > 0:
                _note_moves(notes, rules, ask, moves, found)
            due = next_moment(state, rules, columns.time)
    return due


@inner
def _tell_activity(columns, steps, state, stage, since, i):  # type: ignore[no-untyped-def]
    """Put the last activity among the events [since, i) into the state. It is asked for when silence may have been
    long enough, which is seldom; whether each event is one is what no processor foretells.
    """
    i -= 1
    while i >= since:
        if steps.does[stage + 1, steps.touchpoint[columns.code[i]]] & ACTIVITY:
            state[ACTIVE_AT] = np.int64(columns.time[i])
            break
        i -= 1


@inner
def follow(columns, rules, steps, ask, c, state, moves, notes, touch):  # type: ignore[no-untyped-def]
    """Fold customer ``c`` up to the moment; notes what happened and adds events and values to ``touch`` (int64[T + 1,
    ...]).
    """
    clear(state)
    notes.entered[:] = -1
    notes.lapsed_in[:] = 0
    notes.won_in[:] = 0
    notes.first[:] = -1
    notes.met[:] = -1
    notes.failed[:] = 0
    notes.passed[:] = 0
    notes.some[:] = 0
    nowhere = len(rules.stage_of)
    notes.first[nowhere] = 0  # met already, so that it comes into no order
    valued = len(columns.value) > 0
    met = np.int64(0)
    stage = np.int64(-1)
    # whether the fold has to be asked at whatever touchpoint comes next: the conditions once, and of who has lapsed
    asks = steps.asks[0]
    state[ASKED] = 0 if asks else 1
    # nothing changes with time alone before `due`: silence only moves it on, what brings it nearer works it out anew
    due = NEVER
    i = columns.offsets[c]
    end = columns.offsets[c + 1]
    since = i  # the first event that the state's last activity does not know of
    while i < end:
        time = np.int64(columns.time[i])
        if time > ask.as_of:
            break
        if due <= time:
            _tell_activity(columns, steps, state, stage, since, i)
            since = i
            due = _pass_time(columns, rules, ask, time, state, moves, notes, due)
            stage = state[STAGE]
            asks = state[LAPSED] != 0 or (state[ASKED] == 0 and stage < rules.furthest[0])
        code = columns.code[i]
        t = steps.touchpoint[code]
        # without branches where nobody can foretell what comes next
        first = notes.first[t]
        notes.first[t] = time if first < 0 else first
        notes.order[met] = t
        met += np.int64(first < 0)
        if ask.start <= time < ask.end:
            before = notes.met[t]
            notes.met[t] = time if before < 0 else before
            notes.met_stage[t] = stage if before < 0 else notes.met_stage[t]
            touch[t, T_EVENTS] += 1
            if valued and not np.isnan(columns.value[i]):
                touch[t, T_ORDERS] += 1
                touch[t, T_VALUE] += money(columns.value[i])
            if ask.fails[code] >= 0:
                notes.failed[ask.fails[code]] = 1
                notes.some[FAILED] = 1
        if asks or steps.does[stage + 1, t] & MOVING:
            found = on_event(state, rules, columns, i, moves)
            if found > 0:
                _note_moves(notes, rules, ask, moves, found)
            if found > 0 or (t < nowhere and rules.counted[t]):
                due = next_moment(state, rules, columns.time)
            stage = state[STAGE]
            asks = state[LAPSED] != 0 or (state[ASKED] == 0 and stage < rules.furthest[0])
            if found > 0:
                since = i + 1
        i += 1
    if due <= ask.as_of:
        _tell_activity(columns, steps, state, stage, since, i)
        _pass_time(columns, rules, ask, ask.as_of, state, moves, notes, due)
    notes.some[MET] = met
    following = np.int64(-1)
    for back in range(len(notes.entered)):
        s = len(notes.entered) - 1 - back
        notes.following[s] = following
        following = notes.entered[s] if notes.entered[s] >= 0 else following


@inner
def _outcome(start, within, following, as_of):  # type: ignore[no-untyped-def]
    # without branches: nobody can foretell it
    pending = np.int64(start + within > as_of)
    went_on = np.int64(following >= 0) & np.int64(following <= start + within)
    return PENDING * pending + WENT_ON * went_on * (1 - pending)


@inner
def stage_outcome(notes, ask, s):  # type: ignore[no-untyped-def]
    """Of a customer who entered stage ``s`` in the period: went on, dropped, pending; or not here, or no stage
    follows.
    """
    entered = notes.entered[s]
    if entered < 0 or entered < ask.start or entered >= ask.end:
        return NOT_HERE
    if s == len(notes.entered) - 1:
        return LAST_STAGE
    return _outcome(entered, ask.stage_within[s], notes.following[s], ask.as_of)


@inner
def touch_outcome(notes, rules, ask, t):  # type: ignore[no-untyped-def]
    """The same of touchpoint ``t``, from the first meeting in the period; AHEAD: stood further right when they met
    it.
    """
    met = notes.met[t]
    stage = np.int64(rules.stage_of[t])
    if met < 0:
        return NOT_HERE
    if notes.met_stage[t] > stage:
        return AHEAD
    if stage == len(notes.entered) - 1:
        return LAST_STAGE
    return _outcome(met, ask.touch_within[t], notes.following[stage], ask.as_of)


@inner
def is_first(notes, ask, t):  # type: ignore[no-untyped-def]
    """Whether the first meeting of touchpoint ``t`` in the period was the first ever. Who comes back is not late."""
    return notes.first[t] >= ask.start


@inner
def is_member(notes, rules, ask, state, kind, index, what):  # type: ignore[no-untyped-def]
    """Whether the customer of ``notes`` stands behind number ``what`` of stage or touchpoint ``index``."""
    if kind == OF_MAP:
        return (notes.some[MET] > 0) == (what == ON_MAP)
    if kind == OF_STAGE:
        if what == S_NOW:
            return state[STAGE] == index and state[LAPSED] == 0
        if what == S_LAPSED:
            return state[STAGE] == index and state[LAPSED] != 0
        if what == S_REACHED:
            return 0 <= notes.entered[index] < ask.end
        if what == S_LAPSED_IN:
            return notes.lapsed_in[index] == 1
        if what == S_WON_BACK:
            return notes.won_in[index] == 1
        if what == S_SKIPPED:
            return notes.entered[index] < 0 and notes.following[index] >= 0
        outcome = stage_outcome(notes, ask, index)
        if what == S_ENTERED:
            return outcome != NOT_HERE
        if what == S_WENT_ON:
            return outcome == WENT_ON
        if what == S_DROPPED:
            return outcome == DROPPED
        if what == S_HAD_TIME:
            return outcome in (WENT_ON, DROPPED)
        return outcome == PENDING
    if what == T_REACHED:
        return 0 <= notes.first[index] < ask.end
    if what == T_FAILED:
        return notes.failed[index] == 1
    if what == T_TRIED:
        return notes.failed[index] == 1 or notes.met[index] >= 0
    if what == T_PASSED:
        return notes.passed[index] != 0
    if what == T_MISSING:
        return notes.passed[index] == 2
    outcome = touch_outcome(notes, rules, ask, index)
    if what == T_ENTERED:
        return outcome != NOT_HERE
    if what == T_WENT_ON:
        return outcome == WENT_ON
    if what == T_DROPPED:
        return outcome == DROPPED
    if what == T_HAD_TIME:
        return outcome in (WENT_ON, DROPPED)
    if what == T_LATE:
        return outcome == AHEAD and is_first(notes, ask, index)
    return outcome == PENDING


@kernel
def living(columns, rules, ask):  # type: ignore[no-untyped-def]
    """Counts of a bucket.

    Returns stage counts int64[S, STAGE_COUNTS], touchpoint counts int64[T, TOUCH_COUNTS], totals int64[TOTALS], and the
    seconds to the next stage of those who went on: uint32[S, C] and uint32[T, C], of which the first ``*_WENT_ON``
    count.
    """
    stages = len(rules.lapse)
    touchpoints = len(rules.stage_of)
    customers = len(columns.offsets) - 1
    stage = np.zeros((stages, STAGE_COUNTS), np.int64)
    touch = np.zeros((touchpoints + 1, TOUCH_COUNTS), np.int64)
    totals = np.zeros(TOTALS, np.int64)
    stage_times = np.empty((stages, customers), np.uint32)
    touch_times = np.empty((touchpoints, customers), np.uint32)
    state = np.empty(FIXED + PER_ATOM * len(rules.atom_kind), np.int64)
    moves = np.empty((MOST_MOVES, MOVE), np.int64)
    notes = new_notes(stages, touchpoints)
    steps = steps_of(rules)
    for c in range(customers):
        first = columns.offsets[c]
        if columns.skip[c] or first == columns.offsets[c + 1] or np.int64(columns.time[first]) > ask.as_of:
            continue
        follow(columns, rules, steps, ask, c, state, moves, notes, touch)
        here = state[STAGE]
        if here >= 0:
            stage[here, S_NOW if state[LAPSED] == 0 else S_LAPSED] += 1
        for s in range(here + 1):  # customers only move right: nothing is entered behind where they stand
            entered = notes.entered[s]
            if entered < 0:
                stage[s, S_SKIPPED] += 1
                continue
            stage[s, S_LAPSED_IN] += notes.lapsed_in[s]
            stage[s, S_WON_BACK] += notes.won_in[s]
            if entered >= ask.end:
                continue
            stage[s, S_REACHED] += 1
            if entered >= ask.start:
                stage[s, S_ENTERED] += 1
                outcome = stage_outcome(notes, ask, s)
                if outcome == WENT_ON:
                    stage_times[s, stage[s, S_WENT_ON]] = notes.following[s] - entered
                    stage[s, S_WENT_ON] += 1
                elif outcome == DROPPED:
                    stage[s, S_DROPPED] += 1
                elif outcome == PENDING:
                    stage[s, S_PENDING] += 1
        if notes.some[FAILED] == 1:
            for t in range(touchpoints):
                if notes.failed[t] == 1:
                    touch[t, T_FAILED] += 1
                    touch[t, T_TRIED] += np.int64(notes.met[t] < 0)
        if notes.some[PASSED] == 1:
            for t in range(touchpoints):
                touch[t, T_PASSED] += np.int64(notes.passed[t] != 0)
                touch[t, T_MISSING] += np.int64(notes.passed[t] == 2)
        for k in range(notes.some[MET]):
            t = notes.order[k]
            touch[t, T_REACHED] += np.int64(notes.first[t] < ask.end)
            if notes.met[t] < 0:
                continue
            touch[t, T_TRIED] += 1
            touch[t, T_ENTERED] += 1
            outcome = touch_outcome(notes, rules, ask, t)
            # written over by the next time unless it is counted
            touch_times[t, touch[t, T_WENT_ON]] = notes.following[rules.stage_of[t]] - notes.met[t]
            touch[t, T_DROPPED + outcome] += 1
            touch[t, T_LATE] += np.int64(outcome == AHEAD) & np.int64(is_first(notes, ask, t))
        totals[ON_MAP if notes.some[MET] > 0 else OUTSIDE] += 1
    return stage, touch[:touchpoints].copy(), totals, stage_times, touch_times


@kernel
def members(columns, rules, ask, kind, index, what):  # type: ignore[no-untyped-def]
    """bool[C]: who stands behind one number of the living map."""
    customers = len(columns.offsets) - 1
    out = np.zeros(customers, np.bool_)
    touch = np.zeros((len(rules.stage_of) + 1, TOUCH_COUNTS), np.int64)
    state = np.empty(FIXED + PER_ATOM * len(rules.atom_kind), np.int64)
    moves = np.empty((MOST_MOVES, MOVE), np.int64)
    notes = new_notes(len(rules.lapse), len(rules.stage_of))
    steps = steps_of(rules)
    for c in range(customers):
        first = columns.offsets[c]
        if columns.skip[c] or first == columns.offsets[c + 1] or np.int64(columns.time[first]) > ask.as_of:
            continue
        follow(columns, rules, steps, ask, c, state, moves, notes, touch)
        out[c] = is_member(notes, rules, ask, state, kind, index, what)
    return out


__all__ = ["Ask", "Columns", "Notes", "Rules", "follow", "living", "members"]
