"""The local day of a moment, through changes of the clock (daylight saving time)."""

from __future__ import annotations

import datetime as dt
import functools
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt

from polku.errors import TrailsError
from polku.language import N_

DAY = 86400
#: Times are seconds in an unsigned 32-bit number: from 1970 to 7 February 2106.
LAST_SECOND = 2**32 - 1


@dataclass(frozen=True)
class Offsets:
    """The zone's offset from UTC as steps: ``offset[i]`` holds from ``since[i]`` on (int64 seconds)."""

    since: npt.NDArray[np.int64]
    offset: npt.NDArray[np.int64]

    def days(self, seconds: npt.NDArray[np.int64]) -> npt.NDArray[np.uint16]:
        """Local days since 1970 of UTC seconds; the first hours of 1970 west of Greenwich count as day 0.

        >>> helsinki = offsets("Europe/Helsinki")
        >>> helsinki.days(np.array([0, 79200, 75600])).tolist()  # 22:00 UTC is midnight
        [0, 1, 0]
        """
        step = np.searchsorted(self.since, seconds, side="right") - 1
        days: npt.NDArray[np.int64] = np.maximum((seconds + self.offset[step]) // DAY, 0)
        return days.astype(np.uint16)


def _offset(zone: ZoneInfo, second: int) -> int:
    moment = dt.datetime.fromtimestamp(second, dt.UTC).astimezone(zone)
    offset = moment.utcoffset()
    assert offset is not None  # an aware time has one
    return int(offset.total_seconds())


def zone_named(timezone: str) -> ZoneInfo:
    """The zone of a name; TrailsError when there is none."""
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise TrailsError(
            N_("There is no time zone {timezone!r}. Write it as Europe/Helsinki."), timezone=timezone
        ) from error


@functools.lru_cache(maxsize=32)
def offsets(timezone: str, first: int = 0, last: int = 2_000_000_000) -> Offsets:
    """The steps of a time zone between two UTC seconds.

    zoneinfo does not tell its transitions, so every second day is asked, and the second of a change is found by
    halving.
    Raises TrailsError when the zone is unknown.
    """
    zone = zone_named(timezone)
    last = min(last, LAST_SECOND)
    since, offset = [np.iinfo(np.int64).min], [_offset(zone, first)]
    step = 2 * DAY
    at, before = first, offset[0]
    while at < last:
        to = min(at + step, last)
        after = _offset(zone, to)
        if after != before:
            low, high = at, to
            while high - low > 1:
                middle = (low + high) // 2
                if _offset(zone, middle) == before:
                    low = middle
                else:
                    high = middle
            since.append(high)
            offset.append(_offset(zone, high))
        at, before = to, after
    return Offsets(np.array(since, np.int64), np.array(offset, np.int64))


def offsets_between(timezone: str, first: int, last: int) -> Offsets:
    """Like :func:`offsets`, over whole years, so that growing trails share one computation."""
    year = 366 * DAY
    return offsets(timezone, max(0, first // year * year - 2 * DAY), (last // year + 1) * year)
