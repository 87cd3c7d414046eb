"""What each customer's subscription brings in a month, change by change."""

from __future__ import annotations

import numpy as np

from polku.kernels.compiled import inner, kernel

# kinds of events
STARTED, RENEWED, PAUSED, CANCELLED, FAILED = 1, 2, 3, 4, 5
# columns of a change
CUSTOMER, TIME, ACTIVE, MONTHLY, WHY, UNPAID, CHANGE = range(7)
#: Why a subscription changed, beside the kinds above: no renewal came in time.
RAN_OUT = 6
# columns of the first subscription
BEGUN, PAYMENTS, ENDED, INTERVAL, OVER, FIRST = range(6)


@kernel
def _wider(rows):  # type: ignore[no-untyped-def]
    out = np.empty((2 * rows.shape[0], rows.shape[1]), np.float64)
    out[: rows.shape[0]] = rows
    return out


@inner
def _write(out, n, customer, time, active, monthly, why, failed):  # type: ignore[no-untyped-def]
    out[n, CUSTOMER] = customer
    out[n, TIME] = time
    out[n, ACTIVE] = active
    out[n, MONTHLY] = monthly
    out[n, WHY] = why
    out[n, UNPAID] = failed


@kernel
def changes(columns, kinds, interval, months, lasts, grace, as_of):  # type: ignore[no-untyped-def]
    """float64[n, CHANGE] of all customers in order, and float64[C, FIRST].

    ``kinds`` int8[codes] (0: none of ours); ``interval`` uint8[N]: the row of ``months`` float64[k] and ``lasts``
    int64[k] (seconds) for which each payment is. ``grace`` seconds: a subscription whose next payment is later than
    that has run out at that moment; below 0 it never runs out.

    A change is the customer's index, the time, whether the subscription is active from then on, what it brings a
    month, why, and whether a payment had failed since the last one that came. A payment without a value is taken to be
    as large as the one before it (0 if there was none). The first subscription: when it began (-1: never), its
    payments, when it ended, the row of its interval, and whether it is over.
    """
    customers = len(columns.offsets) - 1
    out = np.empty((customers + 16, CHANGE), np.float64)
    first = np.zeros((customers, FIRST), np.float64)
    n = 0
    offsets, skip, code_of, time_of = columns.offsets, columns.skip, columns.code, columns.time
    valued = len(columns.value) > 0
    for c in range(customers):
        first[c, BEGUN] = -1.0
        if skip[c]:
            continue
        active = False
        monthly = 0.0
        failed = 0.0
        runs_out = np.int64(-1)
        for i in range(offsets[c], offsets[c + 1] + 1):
            closing = i == offsets[c + 1] or np.int64(time_of[i]) > as_of
            time = as_of if closing else np.int64(time_of[i])
            kind = 0 if closing else kinds[code_of[i]]
            if not closing and kind == 0:
                continue
            if n + 2 > len(out):
                out = _wider(out)
            if active and grace >= 0 and runs_out <= time and not (runs_out == time and kind != 0):
                active = False
                _write(out, n, c, runs_out, 0.0, 0.0, RAN_OUT, failed)
                n += 1
                if first[c, OVER] == 0.0:
                    first[c, OVER] = 1.0
                    first[c, ENDED] = runs_out
            if closing:
                break
            if kind == FAILED:
                failed = 1.0
            elif kind in (STARTED, RENEWED):
                row = np.int64(interval[i])
                value = columns.value[i] if valued else np.nan
                before = monthly
                if not np.isnan(value):
                    monthly = max(value, 0.0) / months[row]
                runs_out = time + lasts[row] + grace
                failed = 0.0
                if not active or monthly != before:
                    _write(out, n, c, time, 1.0, monthly, kind, 0.0)
                    n += 1
                active = True
                if first[c, BEGUN] < 0.0:
                    first[c, BEGUN] = time
                    first[c, INTERVAL] = row
                if first[c, OVER] == 0.0:
                    first[c, PAYMENTS] += 1.0
            elif active:
                active = False
                _write(out, n, c, time, 0.0, 0.0, kind, failed)
                n += 1
                if first[c, OVER] == 0.0:
                    first[c, OVER] = 1.0
                    first[c, ENDED] = time
    return out[:n].copy(), first
