"""Touches, and the paths that they make up to a conversion or to no conversion."""

from __future__ import annotations

import numpy as np

from polku.kernels.compiled import kernel

#: How a path ended.
NOT, CONVERTED, PENDING = range(3)
#: Columns of the path table: its touches are [BEGIN, STOP) of all touches; WHEN the second it converted, or of its last
#: touch; CUSTOMER the index within the bucket.
BEGIN, STOP, STATE, WHEN, CUSTOMER, PATH = range(6)


@kernel
def first_labels(columns, segments, label, counts):  # type: ignore[no-untyped-def]
    """Of every session that counts: the place of its first event int64[V] and its label int64[V], the first above 0.

    ``label`` uint32[N] (0 = the event says nothing), ``counts`` bool[N]: a session counts when any event of it does.
    """
    sessions = len(segments.starts)
    place = np.empty(sessions, np.int64)
    found = np.empty(sessions, np.int64)
    order, starts, ends = segments.order, segments.starts, segments.ends
    mingled = len(order) > 0
    n = 0
    for v in range(sessions):
        told = np.int64(0)
        counted = False
        for j in range(starts[v], ends[v]):
            i = order[j] if mingled else j
            counted |= counts[i]
            if told == 0:
                told = np.int64(label[i])
            if counted and told > 0:
                break
        if counted:
            place[n] = order[starts[v]] if mingled else starts[v]
            found[n] = told
            n += 1
    return place[:n].copy(), found[:n].copy()


@kernel
def paths(columns, touch, goal, refunds, within, gap, start, end, as_of):  # type: ignore[no-untyped-def]
    """The paths of a bucket: int64[P, PATH], and float64[P] what each conversion was worth net of refunds.

    ``touch`` int64[T] are the places of the touches, ascending; ``goal``, ``refunds`` bool[codes]; ``within`` seconds,
    0 for no limit; the rest seconds. A conversion has the touches since the one before it, the touch that is the
    conversion itself included, that lie at most ``within`` before it; it may have none. Without a touch of its own, and
    less than ``gap`` after the conversion before it, it has the touches of that one: they are of one visit. Older
    touches are a path of their own that did not convert. Touches after the last conversion are a path that did not
    convert, PENDING while the last of them is not yet ``within`` old. A converted path belongs to [start, end) by its
    conversion, any other by its last touch.

    A refund is taken off the conversion before it, all of it when no amount is told; a negative value is a refund.
    """
    touches = len(touch)
    conversions = np.int64(0)
    for i in range(len(columns.code)):
        conversions += np.int64(goal[columns.code[i]])
    most = touches + 2 * conversions + 1
    out = np.empty((most, PATH), np.int64)
    worth = np.zeros(most, np.float64)
    has_value = len(columns.value) > 0
    n = 0
    t = np.int64(0)
    for c in range(len(columns.offsets) - 1):
        first, last = columns.offsets[c], columns.offsets[c + 1]
        while t < touches and touch[t] < first:
            t += 1
        if columns.skip[c]:
            continue
        begin = np.int64(t)
        latest = np.int64(-1)
        before, before_begin = np.int64(-1), np.int64(0)  # the conversion before: its second, its first touch
        for i in range(first, last):
            now = np.int64(columns.time[i])
            if now > as_of:
                break
            while t < touches and touch[t] <= i:
                t += 1
            code = columns.code[i]
            if not goal[code] and not refunds[code]:
                continue
            value = columns.value[i] if has_value else np.nan
            if refunds[code] or value < 0:
                if latest >= 0:
                    worth[latest] -= worth[latest] if np.isnan(value) else abs(value)
                continue
            b = begin
            if within > 0:
                while b < t and now - np.int64(columns.time[touch[b]]) > within:
                    b += 1
            if b > begin:
                seen = np.int64(columns.time[touch[b - 1]])
                if start <= seen < end:
                    out[n, BEGIN], out[n, STOP], out[n, STATE] = begin, b, NOT
                    out[n, WHEN], out[n, CUSTOMER] = seen, c
                    n += 1
            latest = np.int64(-1)
            if b == t and before >= 0 and now - before < gap:
                b = before_begin
            before, before_begin = now, b
            if start <= now < end:
                out[n, BEGIN], out[n, STOP], out[n, STATE] = b, t, CONVERTED
                out[n, WHEN], out[n, CUSTOMER] = now, c
                worth[n] = 0.0 if np.isnan(value) else value
                latest = np.int64(n)
                n += 1
            begin = t
        while t < touches and touch[t] < last and np.int64(columns.time[touch[t]]) <= as_of:
            t += 1
        if t > begin:
            seen = np.int64(columns.time[touch[t - 1]])
            if start <= seen < end:
                pending = within > 0 and seen + within > as_of
                out[n, BEGIN], out[n, STOP], out[n, STATE] = begin, t, PENDING if pending else NOT
                out[n, WHEN], out[n, CUSTOMER] = seen, c
                n += 1
    return out[:n].copy(), worth[:n].copy()
