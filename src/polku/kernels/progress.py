"""How far customers come: the furthest step so far as the state of a chain, with what is earned in each state."""

from __future__ import annotations

import numpy as np

from polku.kernels.compiled import inner, kernel

#: Columns of the outcomes of a state and of the starters.
CUSTOMERS, MONEY, OUTCOMES = range(3)
ALL, OLD, OLD_WON, STARTERS = range(4)
#: What became of one who came to a state.
NEVER, WENT_ON, ENDED, PENDING = range(4)


@inner
def _amount(value, given_back):  # type: ignore[no-untyped-def]
    """Money of an event: what a refund takes is negative; 0 when nobody says."""
    if np.isnan(value):
        return 0.0
    return -abs(value) if given_back else value


@kernel
def progress(columns, level, goal, refunds, group, groups, states, within, start, end, as_of):  # type: ignore[no-untyped-def]
    """The moves between furthest steps of customers whose first step lies in [start, end), which add up.

    ``level`` int16[N]: the step that each event is, from 0, -1 none; a customer's state is the highest so far.
    ``goal``, ``refunds`` bool[codes]; ``group`` int64[C]; the rest seconds.

    Returns counts float64[groups, states + 1, states + 1]: of those who came to a state at least ``within`` before
    ``as_of``, how many went on to each other, and in the last column how many have not; row ``states`` is the step that
    customers began with (everyone). outcomes float64[groups, states, OUTCOMES]: of the same, who reached the goal for
    the first time in that state, and what was earned in it, net of refunds. pending int64[states]: who came later than
    that. starters int64[groups, STARTERS]: all, those who began at least ``within`` before, and of these who reached
    the goal by ``as_of``.
    """
    counts = np.zeros((groups, states + 1, states + 1), np.float64)
    outcomes = np.zeros((groups, states, OUTCOMES), np.float64)
    pending = np.zeros(states, np.int64)
    starters = np.zeros((groups, STARTERS), np.int64)
    has_value = len(columns.value) > 0
    for c in range(len(columns.offsets) - 1):
        if columns.skip[c]:
            continue
        mine = group[c]
        here = np.int64(-1)
        entered = np.int64(0)
        began = np.int64(0)
        won, bought = 0.0, False
        money, latest = 0.0, 0.0
        for i in range(columns.offsets[c], columns.offsets[c + 1]):
            now = np.int64(columns.time[i])
            if now > as_of:
                break
            to = np.int64(level[i])
            if to > here:
                if here < 0:
                    if now < start or now >= end:
                        break
                    began = now
                    starters[mine, ALL] += 1
                    counts[mine, states, to] += 1
                elif entered + within <= as_of:
                    counts[mine, here, to] += 1
                    outcomes[mine, here, CUSTOMERS] += won
                    outcomes[mine, here, MONEY] += money
                else:
                    pending[here] += 1
                here, entered, won, money = to, now, 0.0, 0.0
            if here < 0:
                continue
            code = columns.code[i]
            if not goal[code] and not refunds[code]:
                continue
            value = columns.value[i] if has_value else np.nan
            back = refunds[code] or value < 0
            if back and np.isnan(value):
                money -= latest
                latest = 0.0
            else:
                amount = _amount(value, back)
                money += amount
                if not back:
                    latest = amount
            if not back and not bought:
                bought, won = True, 1.0
        if here < 0:
            continue
        if entered + within <= as_of:
            counts[mine, here, states] += 1
            outcomes[mine, here, CUSTOMERS] += won
            outcomes[mine, here, MONEY] += money
        else:
            pending[here] += 1
        if began + within <= as_of:
            starters[mine, OLD] += 1
            starters[mine, OLD_WON] += np.int64(bought)
    return counts, outcomes, pending, starters


@kernel
def fates(columns, level, state, within, start, end, as_of):  # type: ignore[no-untyped-def]
    """int8[C]: what became of each customer at ``state`` (NEVER, WENT_ON, ENDED, PENDING), counted as above.

    ``state`` -1 asks for all who began: WENT_ON is then everyone.
    """
    customers = len(columns.offsets) - 1
    out = np.zeros(customers, np.int8)
    for c in range(customers):
        if columns.skip[c]:
            continue
        here = np.int64(-1)
        for i in range(columns.offsets[c], columns.offsets[c + 1]):
            now = np.int64(columns.time[i])
            if now > as_of:
                break
            to = np.int64(level[i])
            if to <= here:
                continue
            if here < 0:
                if now < start or now >= end:
                    break
                if state < 0:
                    out[c] = WENT_ON
                    break
            elif here == state:
                out[c] = PENDING if out[c] == PENDING else WENT_ON
                break
            here = to
            if here == state:
                out[c] = ENDED if now + within <= as_of else PENDING
    return out


@kernel
def begun(columns, level, goal, refunds, within, start, end, as_of):  # type: ignore[no-untyped-def]
    """int8[C]: of each customer, NEVER for who did not begin in [start, end); PENDING for who began less than
    ``within`` ago; else WENT_ON for who has reached the goal since, and ENDED for who has not.
    """
    customers = len(columns.offsets) - 1
    out = np.zeros(customers, np.int8)
    has_value = len(columns.value) > 0
    for c in range(customers):
        if columns.skip[c]:
            continue
        began = np.int64(-1)
        for i in range(columns.offsets[c], columns.offsets[c + 1]):
            now = np.int64(columns.time[i])
            if now > as_of:
                break
            if began < 0 and level[i] >= 0:
                if now < start or now >= end:
                    break
                began = now
                out[c] = ENDED if now + within <= as_of else PENDING
            if began < 0 or out[c] == PENDING:
                continue
            code = columns.code[i]
            value = columns.value[i] if has_value else np.nan
            if goal[code] and not refunds[code] and not value < 0:
                out[c] = WENT_ON
                break
    return out
