"""What each customer has bought: when first and last, at how many occasions, for how much, net of refunds."""

from __future__ import annotations

import numpy as np

from polku.kernels.compiled import inner, kernel

#: Columns of :func:`purchases`.
FIRST, LAST, FIRST_DAY, OCCASIONS, LAST_OCCASION, ORDERS, VALUED, MONEY, REFUNDED, AGAIN_MONEY, GUESSED = range(11)
WIDTH = 11
DAY = 86400
#: An amount of money below half of the smallest coin is nothing.
NOTHING = 0.005


@inner
def _close(row, opened, time, day, orders, valued, money, refunded, start, every, end_day):  # type: ignore[no-untyped-def]
    """Write down an occasion that is over, unless everything was given back."""
    if refunded and money < NOTHING:
        if opened >= start:
            row[MONEY] += money
        return
    if row[FIRST] < 0:
        row[FIRST] = opened
        row[FIRST_DAY] = day
    else:
        place = (day - np.int64(row[FIRST_DAY]) + every - 1) // every
        if 0 < place <= (end_day - np.int64(row[FIRST_DAY])) // every:
            row[AGAIN_MONEY] += money
            if place > row[LAST_OCCASION]:
                row[OCCASIONS] += 1
                row[LAST_OCCASION] = place
    row[LAST] = time
    if opened >= start:
        row[ORDERS] += orders
        row[VALUED] += valued
        row[MONEY] += money


@kernel
def purchases(columns, buys, refunds, since, offset, start, until, every, end_day):  # type: ignore[no-untyped-def]
    """float64[C, WIDTH]: the purchases of every customer before ``until`` (seconds, exclusive).

    ``buys``, ``refunds`` bool[codes]; ``since``, ``offset`` int64 the steps of the time zone; ``every`` days;
    ``end_day`` the last local day. Purchases of one local day are one occasion; ``every`` > 1 counts spans of so many
    days after the first purchase, those that are over by ``end_day``.

    FIRST, LAST: seconds of the first and the last purchase, -1 for none. FIRST_DAY: local day. OCCASIONS: those after
    the first, in the spans 1, 2, ...; LAST_OCCASION: the last of them. From ``start`` on: ORDERS, VALUED (those whose
    value is known), MONEY (net of refunds), REFUNDED, GUESSED (refunds without an amount). AGAIN_MONEY: of the
    OCCASIONS, net.

    A refund is taken off the occasion before it; one without an amount gives back all of it. An occasion that was given
    back whole does not count. A purchase with a negative value is a refund.
    """
    customers = len(columns.offsets) - 1
    out = np.zeros((customers, WIDTH), np.float64)
    steps = len(since)
    has_value = len(columns.value) > 0
    for c in range(customers):
        row = out[c]
        row[FIRST] = row[LAST] = -1.0
        if columns.skip[c]:
            continue
        opened, time, day = np.int64(-1), np.int64(-1), np.int64(-1)
        orders, valued, money, refunded = 0, 0, 0.0, False
        step = 0
        for i in range(columns.offsets[c], columns.offsets[c + 1]):
            now = np.int64(columns.time[i])
            if now >= until:
                break
            code = columns.code[i]
            if not buys[code] and not refunds[code]:
                continue
            value = columns.value[i] if has_value else np.nan
            if refunds[code] or value < 0:
                amount = abs(value)
                if np.isnan(amount):
                    amount = max(money, 0.0) if opened >= 0 else 0.0
                    if now >= start:
                        row[GUESSED] += 1
                if now >= start:
                    row[REFUNDED] += amount
                if opened >= 0:
                    money -= amount
                    refunded = True
                if opened < start <= now:
                    row[MONEY] -= amount  # bought before the period, or by nobody knows what, given back in it
                continue
            while step + 1 < steps and since[step + 1] <= now:
                step += 1
            today = (now + offset[step]) // DAY
            if today != day:
                if opened >= 0:
                    _close(row, opened, time, day, orders, valued, money, refunded, start, every, end_day)
                opened, day = now, today
                orders, valued, money, refunded = 0, 0, 0.0, False
            elif opened < start <= now:
                # the period begins within this day: what came before it is closed, and the day goes on
                _close(row, opened, time, day, orders, valued, money, refunded, start, every, end_day)
                opened = now
                orders, valued, money, refunded = 0, 0, 0.0, False
            time = now
            orders += 1
            if not np.isnan(value):
                valued += 1
                money += value
        if opened >= 0:
            _close(row, opened, time, day, orders, valued, money, refunded, start, every, end_day)
    return out


@kernel
def origin_of_first(columns, first, latest):  # type: ignore[no-untyped-def]
    """uint32[C]: the origin (row of the table of origins) that brought each customer to their first purchase.

    ``first`` float64[C] seconds, -1 for none. The first origin named up to then, or with ``latest`` the last one; 0
    where none was named, and for those who have not bought.
    """
    customers = len(columns.offsets) - 1
    out = np.zeros(customers, np.uint32)
    for c in range(customers):
        if columns.skip[c] or first[c] < 0:
            continue
        for i in range(columns.offsets[c], columns.offsets[c + 1]):
            if columns.time[i] > first[c]:
                break
            if columns.origin[i] != 0:
                out[c] = columns.origin[i]
                if not latest:
                    break
    return out


@kernel
def money_by_age(columns, buys, refunds, first, every, spans, until):  # type: ignore[no-untyped-def]
    """float64[C, spans]: what each customer has paid, net of refunds, in each span of ``every`` seconds since ``first``
    (float64[C] seconds, -1 for none). Events at or after ``until`` do not exist.

    A refund without an amount gives back the purchase before it.
    """
    customers = len(columns.offsets) - 1
    out = np.zeros((customers, spans), np.float64)
    if len(columns.value) == 0:
        return out
    for c in range(customers):
        if columns.skip[c] or first[c] < 0:
            continue
        begun = np.int64(first[c])
        last = 0.0
        for i in range(columns.offsets[c], columns.offsets[c + 1]):
            now = np.int64(columns.time[i])
            if now >= until:
                break
            code = columns.code[i]
            if now < begun or not (buys[code] or refunds[code]):
                continue
            span = (now - begun) // every
            if span >= spans:
                break
            value = columns.value[i]
            if refunds[code] or value < 0:
                out[c, span] -= last if np.isnan(value) else abs(value)
                last = 0.0
            elif not np.isnan(value):
                out[c, span] += value
                last = value
    return out
