"""Who came back: customers by the period of their first event, and the later intervals in which they were there again.

Periods are runs of local days: ``period_of`` int32[65536] gives the period of each day since 1970 (days, weeks,
months). Intervals after the first event are told apart by number, at most 62 of them: they are bits of one number.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from polku.kernels.compiled import inner, kernel

MOST = 62
#: An end that no event can reach: times are 32 bits.
ENDLESS = np.int64(1) << np.int64(32)


class Ask(NamedTuple):
    """What is counted. ``every``: ``first`` and ``again`` (bool[codes]) are all codes and are not read."""

    first: npt.NDArray[np.bool_]
    again: npt.NDArray[np.bool_]
    every: bool
    period_of: npt.NDArray[np.int32]
    place_of: npt.NDArray[np.int32]  # interval of k periods after the first, -1 none; the last: and later
    lasts: npt.NDArray[np.int64]  # [K] the last k of each interval
    unbounded: bool  # being there in an interval counts for all before it too
    unit: int  # seconds of a period that counts from each one's own beginning; 0: periods of the calendar
    now: int  # the period of the moment asked: not over


@inner
def _back(columns, c, ask, start, end, as_of):  # type: ignore[no-untyped-def]
    """Of one customer: the first event's place (-1: none in [start, end)), its period, and the intervals as bits."""
    code_of, time_of, day_of = columns.code, columns.time, columns.day
    i, stop = columns.offsets[c], columns.offsets[c + 1]
    if not ask.every:
        while i < stop and not ask.first[code_of[i]]:
            i += 1
    if i == stop:
        return np.int64(-1), np.int64(0), np.uint64(0)
    # the times are another column: where nothing hangs on them they are not read
    timed = ask.unit != 0 or start > 0 or end < ENDLESS or as_of < ENDLESS
    begin = np.int64(time_of[i]) if timed else np.int64(0)
    if timed and (begin < start or begin >= end or begin > as_of):
        return np.int64(-1), np.int64(0), np.uint64(0)
    home = np.int64(ask.period_of[day_of[i]])
    bits = np.uint64(0)
    most = len(ask.place_of) - 1
    here = i
    before = np.int64(-1)
    day = np.int64(-1)
    while i < stop:
        if ask.unit == 0 and np.int64(day_of[i]) == day:
            i += 1
            continue
        if ask.every or ask.again[code_of[i]]:
            if ask.unit == 0:
                day = np.int64(day_of[i])
                k = np.int64(ask.period_of[day_of[i]]) - home
            else:
                k = (np.int64(time_of[i]) - begin) // ask.unit
            if k > before:
                if timed and np.int64(time_of[i]) > as_of:
                    break
                before = k
                place = np.int64(ask.place_of[min(k, most)])
                if place >= 0:
                    bits |= np.uint64(1) << np.uint64(place)
        i += 1
    return here, home, bits


@inner
def _mark(day_of, period_of, begin, stop, home, row, weeks):  # type: ignore[no-untyped-def]
    """Count one customer in every period with any event, ``weeks`` int64[rows * periods] from ``row`` on.

    Without branches, since nobody can foretell on what day an event lies; neither times nor codes are read.
    """
    before = np.int64(-1)
    for i in range(begin, stop):
        period = np.int64(period_of[np.uint32(day_of[i])]) - home
        weeks[np.uint64(row + max(period, np.int64(0)))] += np.int64(period > before)
        before = max(before, period)


@inner
def _alone(place_of):  # type: ignore[no-untyped-def]
    """Whether every interval is one period, so that being there in it is counted by the period."""
    before = np.int64(-1)
    for k in range(len(place_of)):
        if place_of[k] >= 0:
            if place_of[k] == before:
                return False
            before = np.int64(place_of[k])
    return True


@inner
def _due(columns, here, home, ask, as_of):  # type: ignore[no-untyped-def]
    """Which intervals are over for this customer, as bits."""
    bits = np.uint64(0)
    for place in range(len(ask.lasts)):
        if ask.unit == 0:
            over = home + ask.lasts[place] < ask.now
        else:
            over = np.int64(columns.time[here]) + (ask.lasts[place] + 1) * ask.unit <= as_of
        if over:
            bits |= np.uint64(1) << np.uint64(place)
    return bits


@inner
def _spread(bits, unbounded, places):  # type: ignore[no-untyped-def]
    """With ``unbounded``, being there in an interval counts for all before it too."""
    if unbounded:
        later = False
        for back in range(places):
            place = np.uint64(places - 1 - back)
            later = later or (bits >> place) & np.uint64(1) == np.uint64(1)
            if later:
                bits |= np.uint64(1) << place
    return bits


@inner
def _by_calendar(columns, c, ask, base, size, so_far, start, end, as_of):  # type: ignore[no-untyped-def]
    """One customer in the counts of periods of the calendar, where those of one cohort have the same intervals over.

    Intervals come in order, so that a new one is one behind the last; with ``unbounded`` only the last is counted, and
    those before it are summed up afterwards.
    """
    code_of, time_of, day_of = columns.code, columns.time, columns.day
    i, stop = columns.offsets[c], columns.offsets[c + 1]
    if not ask.every:
        while i < stop and not ask.first[code_of[i]]:
            i += 1
    if i == stop:
        return
    begin = np.int64(time_of[i])
    if begin < start or begin >= end or begin > as_of:
        return
    home = np.int64(ask.period_of[day_of[i]])
    row = home - base
    if row < 0 or row >= len(size):
        return
    size[row] += 1
    most, furthest = len(ask.place_of) - 1, ask.lasts[-1]
    last = np.int64(-1)
    day = np.int64(-1)
    for j in range(i, stop):  # most events share their day with the one before
        if day_of[j] == day or not (ask.every or ask.again[code_of[j]]):
            continue
        day = np.int64(day_of[j])
        k = np.int64(ask.period_of[day]) - home
        if np.int64(time_of[j]) > as_of or (k > furthest and not ask.unbounded):
            break
        place = np.int64(ask.place_of[min(k, most)]) if k >= 0 else np.int64(-1)
        if place > last:
            last = place
            if not ask.unbounded:
                so_far[row, place] += 1
    if ask.unbounded and last >= 0:
        so_far[row, last] += 1


@kernel
def _calendar_cohorts(columns, ask, base, count, start, end, as_of):  # type: ignore[no-untyped-def]
    """:func:`cohorts` where ``ask.unit`` is 0."""
    places = len(ask.lasts)
    size = np.zeros(count, np.int64)
    so_far = np.zeros((count, places), np.int64)
    there = np.zeros((count, places), np.int64)
    due = np.zeros((count, places), np.int64)
    skip = columns.skip
    for c in range(len(columns.offsets) - 1):
        if not skip[c]:
            _by_calendar(columns, c, ask, base, size, so_far, start, end, as_of)
    for row in range(count):
        for back in range(places):
            place = places - 1 - back
            if ask.unbounded and back > 0:
                so_far[row, place] += so_far[row, place + 1]
            if base + row + ask.lasts[place] < ask.now:
                there[row, place] = so_far[row, place]
                due[row, place] = size[row]
    return size, so_far, there, due


@kernel
def _plain_cohorts(columns, ask, base, count):  # type: ignore[no-untyped-def]
    """:func:`cohorts` of any event by any event, without bounds, where every interval is one period of the calendar."""
    places = len(ask.lasts)
    size = np.zeros(count, np.int64)
    so_far = np.zeros((count, places), np.int64)
    there = np.zeros((count, places), np.int64)
    due = np.zeros((count, places), np.int64)
    weeks = np.zeros(count * count, np.int64)
    offsets, skip, day_of, period_of = columns.offsets, columns.skip, columns.day, ask.period_of
    for c in range(len(offsets) - 1):
        if skip[c] or offsets[c] == offsets[c + 1]:
            continue
        row = np.int64(period_of[day_of[offsets[c]]]) - base
        if 0 <= row < count:
            size[row] += 1
            _mark(day_of, period_of, offsets[c], offsets[c + 1], base + row, row * count, weeks)
    for row in range(count):
        for k in range(min(count - row, len(ask.place_of))):
            if ask.place_of[k] >= 0:
                so_far[row, ask.place_of[k]] = weeks[row * count + k]
        for place in range(places):
            if base + row + ask.lasts[place] < ask.now:
                there[row, place] = so_far[row, place]
                due[row, place] = size[row]
    return size, so_far, there, due


@kernel
def cohorts(columns, ask, base, count, start, end, as_of):  # type: ignore[no-untyped-def]
    """Cohorts by the period of the first event, and their events after it; see :class:`Ask`.

    Periods are numbered from ``base``, ``count`` of them. Returns size int64[count], and int64[count, K] three times:
    those there again so far, those there again of whom the interval is over, and all of whom it is over. ``start`` 0,
    and ``end`` and ``as_of`` ENDLESS, are no bounds.
    """
    if ask.unit == 0:
        unlimited = start <= 0 and end >= ENDLESS and as_of >= ENDLESS
        if ask.every and unlimited and not ask.unbounded and _alone(ask.place_of):
            return _plain_cohorts(columns, ask, base, count)
        return _calendar_cohorts(columns, ask, base, count, start, end, as_of)
    places = len(ask.lasts)
    size = np.zeros(count, np.int64)
    so_far = np.zeros((count, places), np.int64)
    there = np.zeros((count, places), np.int64)
    due = np.zeros((count, places), np.int64)
    offsets, skip = columns.offsets, columns.skip
    for c in range(len(offsets) - 1):
        if skip[c] or offsets[c] == offsets[c + 1]:
            continue
        here, home, bits = _back(columns, c, ask, start, end, as_of)
        if here < 0 or home < base or home >= base + count:
            continue
        bits = _spread(bits, ask.unbounded, places)
        over = _due(columns, here, home, ask, as_of)
        row = home - base
        size[row] += 1
        for place in range(places):
            is_there = np.int64((bits >> np.uint64(place)) & np.uint64(1))
            is_over = np.int64((over >> np.uint64(place)) & np.uint64(1))
            so_far[row, place] += is_there
            there[row, place] += is_there & is_over
            due[row, place] += is_over
    return size, so_far, there, due


#: What :func:`members` lists: the whole cohort; those there in the interval so far; of whom it is over: those there,
#: those not; those of whom it is not over; all of whom it is.
ALL, SO_FAR, BACK, AWAY, PENDING, DUE = 0, 1, 2, 3, 4, 5


@kernel
def members(columns, ask, start, end, as_of, low, high, place, what):  # type: ignore[no-untyped-def]
    """bool[C]: who of the cohorts ``low`` to ``high`` (periods, both in) is in the interval ``place``, as asked."""
    out = np.zeros(len(columns.offsets) - 1, np.bool_)
    offsets, skip = columns.offsets, columns.skip
    one = np.uint64(1)
    for c in range(len(offsets) - 1):
        if skip[c] or offsets[c] == offsets[c + 1]:
            continue
        here, home, bits = _back(columns, c, ask, start, end, as_of)
        if here < 0 or home < low or home > high:
            continue
        is_there = (_spread(bits, ask.unbounded, len(ask.lasts)) >> np.uint64(place)) & one == one
        is_over = (_due(columns, here, home, ask, as_of) >> np.uint64(place)) & one == one
        out[c] = (
            what == ALL
            or (what == SO_FAR and is_there)
            or (what == BACK and is_there and is_over)
            or (what == AWAY and not is_there and is_over)
            or (what == PENDING and not is_over)
            or (what == DUE and is_over)
        )
    return out
