"""Stage recognition: one step function, folded over a customer's events and the moments between them.

The same three functions serve the bucket kernels and a live recogniser: :func:`next_moment` tells when time alone will
change something, :func:`on_moment` lets that moment pass, :func:`on_event` takes the next event. Each writes the
changes that it makes into ``moves`` (at most ``MOST_MOVES`` rows, by construction) and returns how many. The rules,
with worked examples, are in docs/stages.md.

Everything is counted in whole seconds; the order of events inside a second is their order in the trail. Money is
counted in ten-thousandths, as whole numbers, so that a window's sum is exact however it slides and partial sums merge
in any order."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from polku.kernels.compiled import inner, kernel

NEVER = np.int64(1) << np.int64(62)
#: Money is kept as whole ten-thousandths.
UNIT = 10_000

# state: the fixed part, then four numbers an atom of the conditions
STAGE, LAPSED, ACTIVE_AT, NOW, ASKED = 0, 1, 2, 3, 4
FIXED = 5
HEAD, COUNT, TOTAL, LATEST = 0, 1, 2, 3
PER_ATOM = 4

# moves: one row a change
TIME, POSITION, FROM, TO, KIND, REASON = 0, 1, 2, 3, 4, 5
MOVE = 6
#: Won back, moved by the touchpoint, moved by a condition: one event can do no more, and a moment does less.
MOST_MOVES = 3
ENTERED, LAPSED_KIND, WON_BACK = 0, 1, 2
BY_TOUCHPOINT, BY_CONDITION, BY_SILENCE, BY_ACTIVITY = 0, 1, 2, 3

# atoms
COUNT_OF, SUM_OF, DAYS_SINCE = 0, 1, 2
AT_LEAST, MORE, AT_MOST, LESS, EQUAL, OTHER = 0, 1, 2, 3, 4, 5

# programs: postfix; an atom's number, or one of
AND, OR, NOT = -1, -2, -3


class Rules(NamedTuple):
    """A map compiled for the fold: A atoms of conditions, S stages, T touchpoints."""

    code_touchpoint: npt.NDArray[np.int16]  # [codes] touchpoint of a code, -1 none
    stage_of: npt.NDArray[np.int16]  # [T] stage of a touchpoint
    touching: npt.NDArray[np.bool_]  # [T] touching moves there: its stage has no `enter`
    lapse: npt.NDArray[np.int64]  # [S] seconds of silence, 0 never
    active: npt.NDArray[np.bool_]  # [S, T] what counts as activity in a stage
    furthest: npt.NDArray[np.int64]  # [1] the last stage with a condition, -1 none
    program: npt.NDArray[np.int32]  # postfix programs, one after another
    starts: npt.NDArray[np.int32]  # [S + 1] where each stage's program lies; empty: no condition
    atom_kind: npt.NDArray[np.int8]  # [A]
    atom_compare: npt.NDArray[np.int8]  # [A]
    atom_number: npt.NDArray[np.int64]  # [A] thousandths of a count, ten-thousandths of money, or seconds
    atom_window: npt.NDArray[np.int64]  # [A] seconds, 0 all of the past
    atom_touchpoint: npt.NDArray[np.bool_]  # [A, T]
    counted: npt.NDArray[np.bool_]  # [T] some atom counts this touchpoint
    places: npt.NDArray[np.int32]  # [S + 1] where each stage's touchpoints begin; they are in the order of stages


def new_state(atoms: int) -> npt.NDArray[np.int64]:
    """A customer before the first event: int64[FIXED + PER_ATOM * atoms]."""
    state = np.zeros(FIXED + PER_ATOM * atoms, np.int64)
    clear(state)
    return state


@inner
def clear(state):  # type: ignore[no-untyped-def]
    """Make ``state`` that of a customer before the first event."""
    state[:] = 0
    state[STAGE] = -1
    state[NOW] = -1
    for a in range(FIXED, len(state), PER_ATOM):
        state[a + HEAD] = -1
        state[a + LATEST] = -1


@inner
def money(value):  # type: ignore[no-untyped-def]
    """Whole ten-thousandths of an amount; 0 for one that is not there."""
    if np.isnan(value):
        return np.int64(0)
    return np.int64(np.rint(value * UNIT))


@inner
def _compare(left, compare, right):  # type: ignore[no-untyped-def]
    if compare == AT_LEAST:
        return left >= right
    if compare == MORE:
        return left > right
    if compare == AT_MOST:
        return left <= right
    if compare == LESS:
        return left < right
    if compare == EQUAL:
        return left == right
    return left != right


@inner
def _atom_holds(state, rules, a):  # type: ignore[no-untyped-def]
    at = FIXED + PER_ATOM * a
    kind = rules.atom_kind[a]
    if kind == DAYS_SINCE:
        if state[at + LATEST] < 0:
            return False
        return _compare(state[NOW] - state[at + LATEST], rules.atom_compare[a], rules.atom_number[a])
    if kind == COUNT_OF:
        return _compare(state[at + COUNT] * 1000, rules.atom_compare[a], rules.atom_number[a])
    return _compare(state[at + TOTAL], rules.atom_compare[a], rules.atom_number[a])


@inner
def holds(state, rules, stage):  # type: ignore[no-untyped-def]
    """Whether the condition of ``stage`` holds now. The stack is the bits of a number; the grammar nests 50 deep at
    most.
    """
    stack = np.int64(0)
    for p in range(rules.starts[stage], rules.starts[stage + 1]):
        word = rules.program[p]
        if word >= 0:
            stack = (stack << 1) | (1 if _atom_holds(state, rules, word) else 0)
        elif word == NOT:
            stack ^= 1
        else:
            top = stack & 1
            stack >>= 1
            if word == AND:
                stack &= ~np.int64(1) | top
            else:
                stack |= top
    return (stack & 1) == 1


@inner
def _write(moves, n, time, position, before, after, kind, reason):  # type: ignore[no-untyped-def]
    moves[n, TIME] = time
    moves[n, POSITION] = position
    moves[n, FROM] = before
    moves[n, TO] = after
    moves[n, KIND] = kind
    moves[n, REASON] = reason
    return n + 1


@inner
def _enter(state, moves, n, position, stage, reason):  # type: ignore[no-untyped-def]
    """Move right to ``stage``; who was lapsed is won back first."""
    before = state[STAGE]
    now = state[NOW]
    if state[LAPSED] != 0:
        state[LAPSED] = 0
        n = _write(moves, n, now, position, before, before, WON_BACK, reason)
    n = _write(moves, n, now, position, before, stage, ENTERED, reason)
    state[STAGE] = stage
    state[ACTIVE_AT] = now
    return n


@inner
def _ask(state, rules, moves, n, position):  # type: ignore[no-untyped-def]
    """Rule 3: enter the furthest stage whose condition holds."""
    stage = rules.furthest[0]
    while stage > state[STAGE]:
        if rules.starts[stage + 1] > rules.starts[stage] and holds(state, rules, stage):
            return _enter(state, moves, n, position, stage, BY_CONDITION)
        stage -= 1
    return n


@inner
def next_moment(state, rules, time):  # type: ignore[no-untyped-def]
    """The next moment (seconds, later than the state's) at which time alone may change something; NEVER if none will.

    ``time`` is the column that the state's positions point into.
    """
    best = NEVER
    stage = state[STAGE]
    if stage >= 0 and state[LAPSED] == 0 and rules.lapse[stage] > 0:
        best = state[ACTIVE_AT] + rules.lapse[stage]
    if stage < rules.furthest[0]:
        for a in range(len(rules.atom_kind)):
            at = FIXED + PER_ATOM * a
            if rules.atom_kind[a] == DAYS_SINCE:
                if state[at + LATEST] >= 0:
                    moment = state[at + LATEST] + rules.atom_number[a]
                    if moment <= state[NOW]:
                        moment += 1
                    if state[NOW] < moment < best:
                        best = moment
            elif rules.atom_window[a] > 0 and state[at + COUNT] > 0:
                moment = np.int64(time[state[at + HEAD]]) + rules.atom_window[a] + 1
                best = min(best, moment)
    return best


@inner
def on_moment(state, rules, columns, moment, moves):  # type: ignore[no-untyped-def]
    """Let ``moment`` pass: what left its window leaves, conditions are asked, then silence is counted. Returns the
    moves.
    """
    state[NOW] = moment
    n = 0
    if state[STAGE] < rules.furthest[0]:
        for a in range(len(rules.atom_kind)):
            window = rules.atom_window[a]
            if window == 0:
                continue
            at = FIXED + PER_ATOM * a
            while state[at + COUNT] > 0:
                head = state[at + HEAD]
                if np.int64(columns.time[head]) + window >= moment:
                    break
                state[at + COUNT] -= 1
                if len(columns.value) > 0:
                    state[at + TOTAL] -= money(columns.value[head])
                if state[at + COUNT] > 0:
                    head += 1
                    while not _counts(rules, a, columns.code[head]):
                        head += 1
                    state[at + HEAD] = head
        n = _ask(state, rules, moves, n, -1)
    stage = state[STAGE]
    if stage >= 0 and state[LAPSED] == 0 and rules.lapse[stage] > 0 and state[ACTIVE_AT] + rules.lapse[stage] <= moment:
        state[LAPSED] = 1
        n = _write(moves, n, moment, -1, stage, stage, LAPSED_KIND, BY_SILENCE)
    return n


@inner
def _counts(rules, a, code):  # type: ignore[no-untyped-def]
    touchpoint = rules.code_touchpoint[code]
    return touchpoint >= 0 and rules.atom_touchpoint[a, touchpoint]


@inner
def on_event(state, rules, columns, i, moves):  # type: ignore[no-untyped-def]
    """Take event ``i`` of the columns; every moment up to and including its time has passed before. Returns the
    moves.
    """
    touchpoint = rules.code_touchpoint[columns.code[i]]
    now = np.int64(columns.time[i])
    state[NOW] = now
    if touchpoint < 0:
        return 0
    n = 0
    stage = state[STAGE]
    if stage >= 0 and rules.active[stage, touchpoint]:
        state[ACTIVE_AT] = now
        if state[LAPSED] != 0:
            state[LAPSED] = 0
            n = _write(moves, n, now, i, stage, stage, WON_BACK, BY_ACTIVITY)
    if rules.touching[touchpoint] and rules.stage_of[touchpoint] > stage:
        n = _enter(state, moves, n, i, rules.stage_of[touchpoint], BY_TOUCHPOINT)
    # what the conditions say changes with what they count and with moments: between these they need no asking again
    if state[STAGE] < rules.furthest[0] and (rules.counted[touchpoint] or state[ASKED] == 0):
        state[ASKED] = 1
        for a in range(len(rules.atom_kind)):
            if rules.atom_touchpoint[a, touchpoint]:
                at = FIXED + PER_ATOM * a
                if state[at + COUNT] == 0:
                    state[at + HEAD] = i
                state[at + COUNT] += 1
                if len(columns.value) > 0:
                    state[at + TOTAL] += money(columns.value[i])
                state[at + LATEST] = now
        n = _ask(state, rules, moves, n, i)
    return n


@kernel
def _grown(array):  # type: ignore[no-untyped-def]
    wider = np.empty((2 * array.shape[0], array.shape[1]), np.int64)
    wider[: array.shape[0]] = array
    return wider


@kernel
def transitions_each(columns, rules, customers, moments):  # type: ignore[no-untyped-def]
    """The same, each customer as of a moment of their own: ``moments`` int64[k], seconds."""
    out = np.empty((64, 1 + MOVE), np.int64)
    n = 0
    state = np.empty(FIXED + PER_ATOM * len(rules.atom_kind), np.int64)
    moves = np.empty((MOST_MOVES, MOVE), np.int64)
    for k in range(len(customers)):
        c = customers[k]
        as_of = moments[k]
        clear(state)
        i = columns.offsets[c]
        end = columns.offsets[c + 1]
        while True:
            upto = as_of
            if i < end and np.int64(columns.time[i]) <= as_of:
                upto = np.int64(columns.time[i])
            else:
                i = end
            while True:
                moment = next_moment(state, rules, columns.time)
                if moment > upto:
                    break
                found = on_moment(state, rules, columns, moment, moves)
                for m in range(found):
                    if n == len(out):
                        out = _grown(out)
                    out[n, 0] = c
                    out[n, 1:] = moves[m]
                    n += 1
            if i == end:
                break
            found = on_event(state, rules, columns, i, moves)
            for m in range(found):
                if n == len(out):
                    out = _grown(out)
                out[n, 0] = c
                out[n, 1:] = moves[m]
                n += 1
            i += 1
    return out[:n].copy()


@kernel
def transitions(columns, rules, customers, as_of):  # type: ignore[no-untyped-def]
    """Every change of the customers asked for: int64[n, 1 + MOVE], the customer's index and the row of ``moves``.

    ``customers``: int64[k] indices within the bucket. Positions are places in the bucket's columns, -1 for a moment.
    """
    return transitions_each(columns, rules, customers, np.full(len(customers), as_of, np.int64))


@kernel
def advance(columns, rules, state, start, as_of):  # type: ignore[no-untyped-def]
    """Go on with one customer's ``state`` from event ``start`` of the columns up to ``as_of``.

    Returns the changes (int64[n, MOVE]) and the first event that has not happened by then.
    """
    out = np.empty((4, MOVE), np.int64)
    n = 0
    moves = np.empty((MOST_MOVES, MOVE), np.int64)
    i = start
    end = len(columns.time)
    while True:
        upto = as_of
        there = i < end and np.int64(columns.time[i]) <= as_of
        if there:
            upto = np.int64(columns.time[i])
        while True:
            moment = next_moment(state, rules, columns.time)
            if moment > upto:
                break
            found = on_moment(state, rules, columns, moment, moves)
            for m in range(found):
                if n == len(out):
                    out = _grown(out)
                out[n] = moves[m]
                n += 1
        if not there:
            break
        found = on_event(state, rules, columns, i, moves)
        for m in range(found):
            if n == len(out):
                out = _grown(out)
            out[n] = moves[m]
            n += 1
        i += 1
    return out[:n].copy(), i


@kernel
def upcoming(columns, rules, customers, as_of):  # type: ignore[no-untyped-def]
    """The next moment after ``as_of`` at which time alone may change something, for the customers asked for: int64[k]
    seconds, NEVER where none will.
    """
    out = np.full(len(customers), NEVER, np.int64)
    state = np.empty(FIXED + PER_ATOM * len(rules.atom_kind), np.int64)
    moves = np.empty((MOST_MOVES, MOVE), np.int64)
    for k in range(len(customers)):
        clear(state)
        i = columns.offsets[customers[k]]
        end = columns.offsets[customers[k] + 1]
        while True:
            upto = as_of
            if i < end and np.int64(columns.time[i]) <= as_of:
                upto = np.int64(columns.time[i])
            else:
                i = end
            while True:
                moment = next_moment(state, rules, columns.time)
                if moment > upto:
                    break
                on_moment(state, rules, columns, moment, moves)
            if i == end:
                break
            on_event(state, rules, columns, i, moves)
            i += 1
        out[k] = moment
    return out


# columns of `current`
C_STAGE, C_LAPSED, C_SINCE, C_EVENTS, C_FIRST, C_LAST, C_VALUE, CURRENT = 0, 1, 2, 3, 4, 5, 6, 7


@kernel
def current(columns, rules, paying, as_of):  # type: ignore[no-untyped-def]
    """Where everyone stands at ``as_of``: int64[C, CURRENT].

    Stage (-1 outside), lapsed (0, 1), time of the last change (-1 none), events, times of the first and the last (-1
    none), and the values of ``paying`` (bool[T]) touchpoints in ten-thousandths. Those to skip stand outside with 0
    events.
    """
    customers = len(columns.offsets) - 1
    out = np.empty((customers, CURRENT), np.int64)
    state = np.empty(FIXED + PER_ATOM * len(rules.atom_kind), np.int64)
    moves = np.empty((MOST_MOVES, MOVE), np.int64)
    for c in range(customers):
        clear(state)
        since = np.int64(-1)
        value = np.int64(0)
        start = columns.offsets[c]
        end = start if columns.skip[c] else columns.offsets[c + 1]
        i = start
        while True:
            upto = as_of
            if i < end and np.int64(columns.time[i]) <= as_of:
                upto = np.int64(columns.time[i])
            else:
                end = i
            while True:
                moment = next_moment(state, rules, columns.time)
                if moment > upto:
                    break
                found = on_moment(state, rules, columns, moment, moves)
                if found > 0:
                    since = moves[found - 1, TIME]
            if i == end:
                break
            found = on_event(state, rules, columns, i, moves)
            if found > 0:
                since = moves[found - 1, TIME]
            touchpoint = rules.code_touchpoint[columns.code[i]]
            if touchpoint >= 0 and paying[touchpoint] and len(columns.value) > 0:
                value += money(columns.value[i])
            i += 1
        out[c, C_STAGE] = state[STAGE]
        out[c, C_LAPSED] = state[LAPSED]
        out[c, C_SINCE] = since
        out[c, C_EVENTS] = end - start
        out[c, C_FIRST] = np.int64(columns.time[start]) if end > start else -1
        out[c, C_LAST] = np.int64(columns.time[end - 1]) if end > start else -1
        out[c, C_VALUE] = value
    return out


@kernel
def holding(columns, rules, as_of):  # type: ignore[no-untyped-def]
    """bool[C]: for whom the condition of stage 0 of ``rules`` holds at ``as_of`` (segments are compiled as such a
    stage).
    """
    customers = len(columns.offsets) - 1
    out = np.zeros(customers, np.bool_)
    state = np.empty(FIXED + PER_ATOM * len(rules.atom_kind), np.int64)
    for c in range(customers):
        if columns.skip[c]:
            continue
        clear(state)
        state[NOW] = as_of
        for i in range(columns.offsets[c], columns.offsets[c + 1]):
            time = np.int64(columns.time[i])
            if time > as_of:
                break
            touchpoint = rules.code_touchpoint[columns.code[i]]
            if touchpoint < 0:
                continue
            for a in range(len(rules.atom_kind)):
                if rules.atom_touchpoint[a, touchpoint]:
                    at = FIXED + PER_ATOM * a
                    state[at + LATEST] = time
                    if rules.atom_window[a] == 0 or time + rules.atom_window[a] >= as_of:
                        state[at + COUNT] += 1
                        if len(columns.value) > 0:
                            state[at + TOTAL] += money(columns.value[i])
        out[c] = holds(state, rules, 0)
    return out
