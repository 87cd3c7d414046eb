"""What is counted by visit, in one pass over a bucket: visits, where they landed and ended, where they came from.

A customer's sessions (the rules are those of :mod:`polku.kernels.sessions`) are noted as rows of one small table that
is used again for the next customer, so that nothing grows with the number of sessions: an event finds the row of its
own session, and sessions that mingle need no sorting. A session is a *visit* when something in it happened on the web,
in an app or on a channel unknown, and it is counted when it began in the period."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from polku.kernels.compiled import inner, kernel
from polku.kernels.sessions import far_apart

#: What is wanted of a pass, as bits; visits and converted visits are always counted.
LANDINGS, EXITS, SOURCES = 1, 2, 4
# columns of the row of a session
START, STEPS, LANDED, LEFT, ORIGIN, COUNTS, WON, ROW = range(8)
# totals
VISITS, CONVERTED, STEPPED, BOUNCED, TOTALS = range(5)
# columns of the counts by landing, by exit and by source; CUSTOMERS is the same in all
WHOLE, PART, CUSTOMERS, REACHED, PENDING = range(5)
PLACE_COUNTS, SOURCE_COUNTS = 3, 5
# kinds of members, and what is asked of each
OF_VISITS, OF_LANDING, OF_EXIT, OF_SOURCE = range(4)
ALL, YES, NO, NOT_YET, TIMED, WON_IN_VISIT = range(6)
#: Members of landings and exits wherever they took place.
ANYWHERE = -1


class Asked(NamedTuple):
    """What is asked of visits. Times are seconds since 1970; a visit counts that began in [start, end)."""

    gap: int
    as_of: int
    start: int
    end: int
    within: int  # seconds given to convert, from a source's first visit
    wanted: int  # of LANDINGS, EXITS, SOURCES
    views: bool  # a visit's steps are its page views, else its events of touchpoints
    by_page: bool  # landings and exits by page, else by touchpoint
    places: int  # pages, or touchpoints and one, counted from 1; place 0 is none
    groups: int  # of origins
    touchpoint: npt.NDArray[np.int16]  # [codes] -1 none
    online: npt.NDArray[np.bool_]  # [codes]
    goal: npt.NDArray[np.bool_]  # [codes]
    group: npt.NDArray[np.int64]  # [origins]


@kernel
def _scratch(columns):  # type: ignore[no-untyped-def]
    """The rows, the row of each event and the goal's moments of one customer, and the row of each own session."""
    most = np.int64(0)
    offsets = columns.offsets
    for c in range(len(offsets) - 1):
        most = max(most, offsets[c + 1] - offsets[c])
    highest = np.int64(0)
    for own in columns.session:
        highest = max(highest, np.int64(own))
    return (
        np.empty((most, ROW), np.int64), np.empty(most, np.int64), np.empty(most, np.int64),
        np.full(highest + 1, -1, np.int64),
    )  # fmt: skip


@inner
def _store(rows, v, start, steps, landed, left, origin, counts, won):  # type: ignore[no-untyped-def]
    rows[v, START] = start
    rows[v, STEPS] = steps
    rows[v, LANDED] = landed
    rows[v, LEFT] = left
    rows[v, ORIGIN] = origin
    rows[v, COUNTS] = counts
    rows[v, WON] = won


@inner
def _begins(columns, asked, c, end):  # type: ignore[no-untyped-def]
    """The place from which on a customer's events can lie in sessions that began in the period, the source's own apart:
    the first event in or after the period, or, where the gap before it is small, the last before it that had none.
    ``end`` when there is none.
    """
    first = columns.offsets[c]
    if first == end or asked.start <= np.int64(columns.time[first]):
        return first
    begin = end
    while begin > first and np.int64(columns.time[begin - 1]) >= asked.start:
        begin -= 1
    if begin == end:
        return end
    while begin > first and not far_apart(columns, begin - 1, begin, asked.gap):
        begin -= 1
    return begin


@inner
def _note(columns, asked, first, begin, end, base, rows, row_of, goals, number):  # type: ignore[no-untyped-def]
    """Note the sessions of the events [begin, end) of one customer. Returns how many sessions and how many goals.

    ``number`` holds, of each own session, ``base`` and its row; what is below ``base`` is another customer's. What is
    noted of an event is chosen without branches, since nobody can foretell what kind of event comes next. Own sessions
    of the events [first, begin) began before the period: they share row 0, which does not count.
    """
    count = np.int64(0)
    if begin > first and len(number) > 1:
        _store(rows, 0, np.int64(-1), np.int64(0), np.int64(0), np.int64(0), np.int64(0), np.int64(0), np.int64(0))
        count = np.int64(1)
        for i in range(first, begin):
            number[columns.session[i]] = base  # number[0] is of nobody
    met = np.int64(0)
    v = np.int64(-1)
    start, steps, landed, left = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    origin, counts, won = np.int64(0), np.int64(0), np.int64(0)
    for i in range(begin, end):
        own = columns.session[i]
        time = np.int64(columns.time[i])
        w = v
        if own > 0 and number[own] >= base:
            w = number[own] - base
        elif own > 0 or i == begin or far_apart(columns, i - 1, i, asked.gap):
            w = count
        if w != v:
            if v >= 0:
                _store(rows, v, start, steps, landed, left, origin, counts, won)
            v = w
            if w == count:
                count += 1
                if own > 0:
                    number[own] = base + w
                start, steps, landed, left = time, np.int64(0), np.int64(0), np.int64(0)
                origin, counts, won = np.int64(0), np.int64(0), np.int64(0)
            else:
                start, steps, landed, left = rows[w, START], rows[w, STEPS], rows[w, LANDED], rows[w, LEFT]
                origin, counts, won = rows[w, ORIGIN], rows[w, COUNTS], rows[w, WON]
        row_of[i - begin] = v
        code = columns.code[i]
        page = np.int64(columns.page[i])
        touchpoint = np.int64(asked.touchpoint[code]) + 1
        goal = np.int64(asked.goal[code])
        place = page if asked.by_page else touchpoint
        steps += np.int64((page if asked.views else touchpoint) > 0)
        landed = place if landed == 0 else landed
        left = place if place > 0 else left
        origin = np.int64(columns.origin[i]) if origin == 0 else origin
        counts |= np.int64(page > 0) | np.int64(asked.online[code])
        won |= goal
        goals[met] = time
        met += goal
    if v >= 0:
        _store(rows, v, start, steps, landed, left, origin, counts, won)
    for row in range(count):
        rows[row, COUNTS] &= np.int64(asked.start <= rows[row, START]) & np.int64(rows[row, START] < asked.end)
    return count, met


@inner
def _place(columns, asked, i):  # type: ignore[no-untyped-def]
    """The page or touchpoint of event ``i``, counted from 1; 0 none."""
    if asked.by_page:
        return np.int64(columns.page[i])
    return np.int64(asked.touchpoint[columns.code[i]]) + 1


@inner
def _ends(columns, asked, c):  # type: ignore[no-untyped-def]
    """The place behind the customer's last event up to the moment."""
    end = columns.offsets[c + 1]
    while end > columns.offsets[c] and np.int64(columns.time[end - 1]) > asked.as_of:
        end -= 1
    return end


@inner
def _converted(asked, since, goals, met, g):  # type: ignore[no-untyped-def]
    """Whether the goal was met in [since, since + within], and the place in ``goals`` from which the next one looks
    on.
    """
    while g < met and goals[g] < since:
        g += 1
    if since + asked.within > asked.as_of:
        return NOT_YET, g
    if g < met and goals[g] <= since + asked.within:
        return YES, g
    return NO, g


@kernel
def visits(columns, asked):  # type: ignore[no-untyped-def]
    """Counts of a bucket's visits, which add up.

    Returns totals int64[TOTALS]; by place landings (visits, bounced, customers) and exits (views, visits that ended
    there, customers), int64[places, PLACE_COUNTS]; and by group sources (visits, converted visits, customers, those
    who reached the goal in time, those whose time is not yet up), int64[groups, SOURCE_COUNTS]. What is not wanted is
    0. Place 0 holds those of no page or touchpoint.
    """
    landing = (asked.wanted & LANDINGS) != 0
    exiting = (asked.wanted & EXITS) != 0
    coming = (asked.wanted & SOURCES) != 0
    totals = np.zeros(TOTALS, np.int64)
    landings = np.zeros((asked.places, PLACE_COUNTS), np.int64)
    exits = np.zeros((asked.places, PLACE_COUNTS), np.int64)
    sources = np.zeros((asked.groups, SOURCE_COUNTS), np.int64)
    landed_by = np.full(asked.places, -1, np.int64)
    left_by = np.full(asked.places, -1, np.int64)
    came_by = np.full(asked.groups, -1, np.int64)
    counted, converted, all_stepped, all_bounced = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    rows, row_of, goals, number = _scratch(columns)
    base = np.int64(0)
    for c in range(len(columns.offsets) - 1):
        if columns.skip[c]:
            continue
        first = columns.offsets[c]
        end = _ends(columns, asked, c)
        begin = _begins(columns, asked, c, end)
        if begin == end:
            continue
        count, met = _note(columns, asked, first, begin, end, base, rows, row_of, goals, number)
        base += count
        g = np.int64(0)
        for v in range(count):
            if rows[v, COUNTS] == 0:
                continue
            counted += 1
            converted += rows[v, WON]
            if landing:
                stepped = np.int64(rows[v, STEPS] > 0)
                bounced = np.int64(rows[v, STEPS] == 1)
                place = rows[v, LANDED] * stepped
                all_stepped += stepped
                all_bounced += bounced
                landings[place, WHOLE] += stepped
                landings[place, PART] += bounced
                landings[place, CUSTOMERS] += np.int64(landed_by[place] != c)
                landed_by[place] = c
            if exiting:
                place = rows[v, LEFT]
                exits[place, PART] += 1
                exits[place, CUSTOMERS] += np.int64(left_by[place] != c)
                left_by[place] = c
            if coming:
                group = asked.group[rows[v, ORIGIN]]
                sources[group, WHOLE] += 1
                sources[group, PART] += rows[v, WON]
                if came_by[group] != c:
                    came_by[group] = c
                    sources[group, CUSTOMERS] += 1
                    outcome, g = _converted(asked, rows[v, START], goals, met, g)
                    if outcome == YES:
                        sources[group, REACHED] += 1
                    elif outcome == NOT_YET:
                        sources[group, PENDING] += 1
        if exiting:
            for i in range(begin, end):
                exits[_place(columns, asked, i), WHOLE] += rows[row_of[i - begin], COUNTS]
    totals[VISITS], totals[CONVERTED], totals[STEPPED], totals[BOUNCED] = counted, converted, all_stepped, all_bounced
    return totals, landings, exits, sources


@inner
def _is_behind(rows, v, kind, place, what):  # type: ignore[no-untyped-def]
    """Whether visit ``v`` alone puts its customer behind the number; sources are told by their first visit."""
    if kind == OF_VISITS:
        return what == ALL or (rows[v, WON] == 1) == (what == YES)
    if kind == OF_LANDING:
        steps = rows[v, STEPS]
        return (place == ANYWHERE or rows[v, LANDED] == place) and (steps == 1 if what == YES else steps > 0)
    return rows[v, LEFT] > 0 if place == ANYWHERE else rows[v, LEFT] == place


@kernel
def members(columns, asked, kind, index, what):  # type: ignore[no-untyped-def]
    """bool[C]: who stands behind one number of visits.

    ``kind`` OF_VISITS (ALL, YES: with the goal, NO: without), OF_LANDING on place ``index`` (ALL, YES: bounced),
    OF_EXIT of place ``index`` (ALL: viewed it, YES: ended there), OF_SOURCE from group ``index`` (ALL, YES: converted
    in time, NO, NOT_YET, TIMED: those whose time is up, WON_IN_VISIT: reached the goal within a visit). A place of
    ANYWHERE is any page or touchpoint.
    """
    customers = len(columns.offsets) - 1
    out = np.zeros(customers, np.bool_)
    rows, row_of, goals, number = _scratch(columns)
    base = np.int64(0)
    for c in range(customers):
        if columns.skip[c]:
            continue
        first = columns.offsets[c]
        end = _ends(columns, asked, c)
        begin = _begins(columns, asked, c, end)
        if begin == end:
            continue
        count, met = _note(columns, asked, first, begin, end, base, rows, row_of, goals, number)
        base += count
        if kind == OF_EXIT and what == ALL:
            for i in range(begin, end):
                place = _place(columns, asked, i)
                here = place > 0 if index == ANYWHERE else place == index
                if here and rows[row_of[i - begin], COUNTS] != 0:
                    out[c] = True
                    break
            continue
        for v in range(count):
            if rows[v, COUNTS] == 0:
                continue
            if kind != OF_SOURCE:
                if _is_behind(rows, v, kind, index, what):
                    out[c] = True
                    break
            elif asked.group[rows[v, ORIGIN]] == index:
                if what == WON_IN_VISIT:
                    out[c] |= rows[v, WON] == 1
                    continue
                outcome, _ = _converted(asked, rows[v, START], goals, met, np.int64(0))
                out[c] = what == ALL or outcome == what or (what == TIMED and outcome != NOT_YET)
                break
    return out
