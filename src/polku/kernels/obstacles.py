"""Who met something on the way, who did not, and who went on: one pass over a bucket's visits for one suspect.

A *meeting* is a touchpoint met in a visit. It is *exposed* when the suspect follows it in the visit as the next thing
(a suspect that is an event), or when the touchpoint's own event has it (a suspect that is a property). Meetings of
visits in which the suspect does not show are the others. Only like is held against like, stratum by stratum: the same
touchpoint, met as many times in the visit, as many visits since the last goal, bought before or not, and the same
``like`` (the kind of device). docs/measures/obstacles.md tells the method.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from polku.kernels.compiled import inner, kernel

#: Times met in the visit, and visits since the last goal, are told apart up to these; the last means "or more".
ORDINALS, VISITS = 6, 4
#: What is counted of a stratum's meetings; MATURE are those that had their time to reach the goal.
MEETINGS, WENT_ON, MATURE, GOALS, PAID, MONEY, MONEY_SQUARED = range(7)
CELLS = 7
#: Touches of one touchpoint within so many seconds of each other are one meeting (a page and its event).
TOGETHER = 1
#: ``own``: the suspect is an event; the suspect is a property, asked about at every touchpoint.
EVENT, EVERYWHERE = -1, -2
#: Words of ``hit``.
OTHER, SUSPECT, UNKNOWN = 0, 1, 2
#: Bits of ``seen``.
MET, STOPPED = 1, 2


class Way(NamedTuple):
    """The map: ``place`` int16[codes], the touchpoint or -1; ``stage`` int16[T]; ``goal`` bool[codes]; ``goal_stage``,
    beyond which nothing is asked.
    """

    place: npt.NDArray[np.int16]
    stage: npt.NDArray[np.int16]
    goal: npt.NDArray[np.bool_]
    goal_stage: np.int64


class Span(NamedTuple):
    """[start, end) in which meetings count, the moment, and the seconds given to reach the goal."""

    start: np.int64
    end: np.int64
    as_of: np.int64
    window: np.int64


class Suspect(NamedTuple):
    """``own``: the touchpoint whose property it is, or EVENT, or EVERYWHERE. ``steady``: it stays with the customer, as
    a browser does, so that of exposed and others alike one meeting in each window is asked about the goal.
    """

    own: np.int64
    steady: np.bool_


class Expected(NamedTuple):
    """What the others of each stratum did (float64[S]; empty in the first pass), what one of them weighs, and of each
    group (a touchpoint with EVERYWHERE, else one) the weight of an exposed meeting and the effect.
    """

    went_on: npt.NDArray[np.float64]
    goals: npt.NDArray[np.float64]
    weight: npt.NDArray[np.float64]
    goal_weight: npt.NDArray[np.float64]
    exposed: npt.NDArray[np.float64]
    goal_exposed: npt.NDArray[np.float64]
    effect: npt.NDArray[np.float64]
    goal_effect: npt.NDArray[np.float64]


def strata(touchpoints: int, likes: int) -> int:
    """How many strata there are; those of one touchpoint lie next to each other."""
    return touchpoints * ORDINALS * VISITS * 2 * likes


@inner
def _stratum(place, ordinal, visits, bought, like, likes):  # type: ignore[no-untyped-def]
    many = min(ordinal, ORDINALS - 1)
    before = min(visits, VISITS - 1)
    return (((np.int64(place) * ORDINALS + many) * VISITS + before) * 2 + np.int64(bought)) * likes + np.int64(like)


@inner
def _settle(own, told):  # type: ignore[no-untyped-def]
    """A customer is done: what their meetings say together, squared, is their part of the variance."""
    for g in range(len(own)):
        told[g, 0] += own[g, 0] * own[g, 0]
        told[g, 1] += own[g, 1] * own[g, 1]
        told[g, 2] += own[g, 0] * own[g, 1]
        own[g, :] = 0.0


@kernel
def goals_after(columns, goal, as_of):  # type: ignore[no-untyped-def]
    """int64[N]: the next event of the same customer after each that is a goal (bool[codes]) up to ``as_of``, else
    -1.
    """
    found = np.full(len(columns.time), -1, np.int64)
    code, time, offsets = columns.code, columns.time, columns.offsets
    for c in range(len(offsets) - 1):
        after = -1
        for i in range(offsets[c + 1] - 1, offsets[c] - 1, -1):
            found[i] = after
            if goal[code[i]] and np.int64(time[i]) <= as_of:
                after = i
    return found


@kernel
def meetings(columns, segments, way, span, suspect, hit, relief, like, likes, expected, seen):  # type: ignore[no-untyped-def]
    """Count the meetings of one suspect in one bucket.

    hit uint8[N]: words above, of each event; relief float64[N] (or empty): above 0 at events of obstacles that were
    found already: the share who would go on without it, which then stands for the outcome of a visit that did not;
    like uint8[N] below ``likes`` (or empty: all alike); seen uint8[C] (or empty): bits are set for customers who were
    exposed, and who did not go on.

    Returns cells float64[S, 2, CELLS] (others, exposed; empty in the second pass); going float64[T], visits that met
    each touchpoint and went on; told float64[G, 3], variances of the effects on going on and on the goal and their
    covariance (second pass); people int64[G, 2], customers among the others and
    the exposed; exposed meetings before which nothing was met; and again int64[5]: further exposed meetings of the same
    search that have had their time, and visits after another of the same search: not exposed after one that was not,
    exposed after one that was not, not exposed after one that was, exposed after one that was (zeros where the suspect
    is asked about everywhere).
    """
    count = len(way.stage)
    first_pass = len(expected.went_on) == 0
    everywhere = suspect.own == EVERYWHERE
    groups = count if everywhere else 1
    cells = np.zeros((count * ORDINALS * VISITS * 2 * likes if first_pass else 0, 2, CELLS))
    going = np.zeros(count)
    told = np.zeros((groups, 3))
    own = np.zeros((groups, 2))
    people = np.zeros((groups, 2), np.int64)
    last_person = np.full((groups, 2), -1, np.int64)
    asked = np.full(groups, -1, np.int64)  # when this customer was last asked about the goal
    nowhere = 0
    again = np.zeros(5, np.int64)
    before = -1  # whether this customer's visit before this one, in the same search, was exposed
    before_time = np.int64(0)
    furthest = np.empty(way.goal_stage + 1, np.int64)
    ordinal = np.zeros(count, np.int64)
    stamp = np.full(count, -1, np.int64)
    next_goal = goals_after(columns, way.goal, span.as_of)
    order, starts, ends = segments.order, segments.starts, segments.ends
    mingled = len(order) > 0
    code, time, value = columns.code, columns.time, columns.value
    goal, place, stage = way.goal, way.place, way.stage
    who = np.int64(-1)
    visits = 0
    bought = False
    for v in range(len(segments.customer)):
        c = segments.customer[v]
        if c != who:
            _settle(own, told)
            who = c
            visits = 0
            bought = False
            asked[:] = -1
            before = -1
        # What the visit holds: the first suspect, what was met right before it, how far it went.
        at = -1
        anchor = -1
        last_touch = -1
        relieved = -1
        relieved_by = 0.0
        had_goal = False
        furthest[:] = -1
        for j in range(starts[v], ends[v]):
            i = order[j] if mingled else j
            k = code[i]
            p = place[k]
            if len(relief) > 0 and relief[i] > 0.0:
                relieved = j
                relieved_by = max(relieved_by, relief[i])
            if goal[k]:
                had_goal = True
                furthest[:] = j
            elif p >= 0 and stage[p] <= way.goal_stage:
                for s in range(stage[p]):
                    furthest[s] = j
            if suspect.own == EVENT and hit[i] == SUSPECT and at < 0:
                at = j
                anchor = j if p >= 0 and not goal[k] else last_touch
            if p >= 0 and not goal[k] and stage[p] <= way.goal_stage:
                last_touch = j
        touched = -1
        touched_time = np.int64(0)
        met_time = np.int64(0)
        used = False
        shown = -1
        for j in range(starts[v], ends[v]):
            i = order[j] if mingled else j
            k = code[i]
            p = place[k]
            if p < 0 or goal[k] or stage[p] > way.goal_stage:
                continue
            now = np.int64(time[i])
            inside = span.start <= now < span.end
            if stamp[p] != v:
                stamp[p] = v
                ordinal[p] = 0
                if inside and furthest[stage[p]] > j:
                    going[p] += 1
            elif touched != p or now - touched_time > TOGETHER:
                ordinal[p] += 1
            elif j != anchor:
                touched_time = now
                continue
            touched = p
            touched_time = now
            if not inside:
                continue
            since = j
            if suspect.own == EVENT:
                if at >= 0 and j != anchor:
                    continue
                exposed = at >= 0
                if exposed:
                    since = at
                    used = True
            else:
                if ordinal[p] > 0 or hit[i] == UNKNOWN or (not everywhere and p != suspect.own):
                    continue
                exposed = hit[i] == SUSPECT
            g = np.int64(p) if everywhere else np.int64(0)
            s = _stratum(p, ordinal[p], visits, bought, like[i] if len(like) > 0 else 0, likes)
            went = 1.0 if furthest[stage[p]] > since else 0.0
            e = 1 if exposed else 0
            if last_person[g, e] != c:
                people[g, e] += 1
                last_person[g, e] = c
            if shown < 0:
                met_time = now
            shown = max(shown, e)
            if exposed and len(seen) > 0:
                seen[c] |= MET if went > 0 else MET | STOPPED
            if went == 0.0 and relieved >= j:
                went = relieved_by
            mature = now + span.window <= span.as_of
            if exposed or suspect.steady:
                if asked[g] >= 0 and now - asked[g] <= span.window:
                    if exposed and mature:
                        again[0] += 1
                    mature = False  # the same search for the goal: it is counted once
                else:
                    asked[g] = now
            found = next_goal[order[since] if mingled else since]
            reached = 1.0 if found >= 0 and np.int64(time[found]) - now <= span.window else 0.0
            if first_pass:
                cell = cells[s, e]
                cell[MEETINGS] += 1
                cell[WENT_ON] += went
                if mature:
                    cell[MATURE] += 1
                    cell[GOALS] += reached
                    if reached > 0 and len(value) > 0 and value[found] == value[found]:
                        money = 0.0  # of this goal and those that follow it in the same time
                        while found >= 0 and np.int64(time[found]) - now <= span.window:
                            if value[found] == value[found]:
                                money += value[found]
                            found = next_goal[found]
                        cell[PAID] += 1
                        cell[MONEY] += money
                        cell[MONEY_SQUARED] += money * money
            elif exposed:
                if expected.weight[s] > 0:
                    own[g, 0] += (went - expected.went_on[s] - expected.effect[g]) * expected.exposed[g]
                if mature and expected.goal_weight[s] > 0:
                    own[g, 1] += (reached - expected.goals[s] - expected.goal_effect[g]) * expected.goal_exposed[g]
            else:
                own[g, 0] -= expected.weight[s] * (went - expected.went_on[s])
                if mature:
                    own[g, 1] -= expected.goal_weight[s] * (reached - expected.goals[s])
        if shown >= 0:
            if before >= 0 and met_time - before_time <= span.window:
                again[1 + 2 * before + shown] += 1
            before = shown
            before_time = met_time
        if at >= 0 and anchor < 0 and not used:
            nowhere += 1
        if had_goal:
            visits = 0
            bought = True
            asked[:] = -1
            before = -1
        else:
            visits += 1
    _settle(own, told)
    if everywhere:
        again[:] = 0
    return cells, going, told, people, nowhere, again


@kernel
def not_yet_met(columns, codes):  # type: ignore[no-untyped-def]
    """uint8[N]: SUSPECT where the customer had met none of ``codes`` (bool[codes]) up to the event, else OTHER."""
    found = np.zeros(len(columns.time), np.uint8)
    for c in range(len(columns.offsets) - 1):
        met = False
        for i in range(columns.offsets[c], columns.offsets[c + 1]):
            met = met or codes[columns.code[i]]
            found[i] = OTHER if met else SUSPECT
    return found


@kernel
def net_values(columns, goal, refunds, as_of):  # type: ignore[no-untyped-def]
    """float64[N]: the values, those of goals (bool[codes]) less what came back of them: the values of ``refunds``
    (bool[codes]) of the same customer after it, before the next goal, up to ``as_of``. A refund without an amount gives
    all of it back, and no goal is worth less than nothing.
    """
    found = columns.value.copy()
    code, time, value = columns.code, columns.time, columns.value
    for c in range(len(columns.offsets) - 1):
        last = -1
        for i in range(columns.offsets[c], columns.offsets[c + 1]):
            if np.int64(time[i]) > as_of:
                break
            if refunds[code[i]]:
                if last >= 0:
                    found[last] = 0.0 if np.isnan(value[i]) else max(found[last] - abs(value[i]), 0.0)
            elif goal[code[i]] and not np.isnan(value[i]):
                last = i
    return found


@kernel
def money_from_goal(columns, goal, paying, refunds, start, end, as_of):  # type: ignore[no-untyped-def]
    """float64[3]: customers who reached the goal (bool[codes]) first within [start, end), and the sum and the sum of
    squares of their money (values of ``paying`` bool[codes], less those of ``refunds``) from then to ``as_of``.
    """
    found = np.zeros(3)
    code, time, value = columns.code, columns.time, columns.value
    for c in range(len(columns.offsets) - 1):
        if columns.skip[c]:
            continue
        reached = False
        money = 0.0
        for i in range(columns.offsets[c], columns.offsets[c + 1]):
            now = np.int64(time[i])
            if now > as_of:
                break
            if not reached and goal[code[i]]:
                if now < start or now >= end:
                    break
                reached = True
            if reached and len(value) > 0 and value[i] == value[i]:
                if refunds[code[i]]:
                    money -= abs(value[i])
                elif paying[code[i]]:
                    money += value[i]
        if reached:
            found[0] += 1
            found[1] += money
            found[2] += money * money
    return found
