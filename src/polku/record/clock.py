"""The record's moments: microseconds since 1970 UTC as integers."""

from __future__ import annotations

import datetime as dt
import time

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def now() -> int:
    """This moment in microseconds since 1970 UTC."""
    return time.time_ns() // 1000


def moment(micros: int) -> dt.datetime:
    """An aware datetime of microseconds since 1970.

    >>> moment(0).isoformat()
    '1970-01-01T00:00:00+00:00'
    """
    return EPOCH + dt.timedelta(microseconds=micros)
