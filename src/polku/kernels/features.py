"""What a customer has done up to a moment, as numbers for a model: nothing after the moment is looked at."""

from __future__ import annotations

import numpy as np

from polku.kernels.compiled import kernel

#: Columns of :func:`features` that every map has; behind them the counts by group, then the first and last origin.
EVENTS, DAYS, AGE, SILENCE, SESSIONS, PAGES, MONEY, LATELY, FIXED = range(9)
DAY = 86400
LATELY_DAYS = 7
GAP = 1800


@kernel
def features(columns, since, at, group, groups, paying):  # type: ignore[no-untyped-def]
    """float64[C, FIXED + groups + 2]: what each customer has done from ``since`` (seconds; 0: ever) up to ``at``
    int64[C] (seconds, inclusive; -1: not asked about, all NaN; so too for those to skip and those without an event
    then).

    ``group`` int16[codes, 2]: up to two groups (0 .. groups - 1) that an event of the code counts in, -1 none;
    ``paying`` bool[codes]: its value is money. EVENTS; DAYS: distinct local days; AGE, SILENCE: days since the first
    and the last event; SESSIONS: stretches without a gap of 30 minutes; PAGES: page views; MONEY: the sum of values;
    LATELY: events of the last 7 days; then how many events of each group; then the rows of the first and the last
    origin given, 0 for none.
    """
    customers = len(columns.offsets) - 1
    out = np.full((customers, FIXED + groups + 2), np.nan, np.float64)
    has_value = len(columns.value) > 0
    for c in range(customers):
        start, end = columns.offsets[c], columns.offsets[c + 1]
        while start < end and np.int64(columns.time[start]) < since:
            start += 1
        if columns.skip[c] or start == end or np.int64(columns.time[start]) > at[c]:
            continue
        row = out[c]
        row[:] = 0.0
        last, day = np.int64(-1), np.int64(-1)
        for i in range(start, end):
            now = np.int64(columns.time[i])
            if now > at[c]:
                break
            row[EVENTS] += 1.0
            if np.int64(columns.day[i]) != day:
                day = np.int64(columns.day[i])
                row[DAYS] += 1.0
            if last < 0 or now - last >= GAP:
                row[SESSIONS] += 1.0
            last = now
            if columns.page[i] != 0:
                row[PAGES] += 1.0
            if at[c] - now < LATELY_DAYS * DAY:
                row[LATELY] += 1.0
            code = columns.code[i]
            if has_value and paying[code] and not np.isnan(columns.value[i]):
                row[MONEY] += columns.value[i]
            for k in range(2):
                if group[code, k] >= 0:
                    row[FIXED + group[code, k]] += 1.0
            if columns.origin[i] != 0:
                if row[FIXED + groups] == 0.0:
                    row[FIXED + groups] = columns.origin[i]
                row[FIXED + groups + 1] = columns.origin[i]
        row[AGE] = (at[c] - np.int64(columns.time[start])) / DAY
        row[SILENCE] = (at[c] - last) / DAY
    return out


@kernel
def last_known(columns, codes, at):  # type: ignore[no-untyped-def]
    """uint32[C]: each customer's last code that is not 0, of ``codes`` uint32[N], up to ``at`` int64[C] (inclusive)."""
    customers = len(columns.offsets) - 1
    out = np.zeros(customers, np.uint32)
    for c in range(customers):
        if columns.skip[c]:
            continue
        for i in range(columns.offsets[c], columns.offsets[c + 1]):
            if np.int64(columns.time[i]) > at[c]:
                break
            if codes[i] != 0:
                out[c] = codes[i]
    return out


@kernel
def spans(columns, first, wanted, as_of):  # type: ignore[no-untyped-def]
    """int64[C, 4]: of each customer the first event of ``first`` (bool[codes]), the first of ``wanted`` from then on
    , the last event of all, and how many events, by
     ``as_of``; seconds, -1 for none.
    """
    customers = len(columns.offsets) - 1
    out = np.full((customers, 4), -1, np.int64)
    for c in range(customers):
        out[c, 3] = 0
        if columns.skip[c]:
            continue
        for i in range(columns.offsets[c], columns.offsets[c + 1]):
            now = np.int64(columns.time[i])
            if now > as_of:
                break
            code = columns.code[i]
            if out[c, 0] < 0 and first[code]:
                out[c, 0] = now
            if out[c, 0] >= 0 and out[c, 1] < 0 and wanted[code]:
                out[c, 1] = now
            out[c, 2] = now
            out[c, 3] += 1
    return out
