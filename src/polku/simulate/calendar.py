"""When people come: the year, the week and the day, in the world's own time zone.

The year's curve is a sum of bumps (Christmas, summer parties, January); the week and the day are tables. Shares of
an hour differ between working days and weekends.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numba as nb
import numpy as np
import numpy.typing as npt

from polku.simulate.chance import chance, cumulative, pick

DAY = 86_400
MICROS = 1_000_000

WORKDAY = (6, 3, 2, 1, 1, 3, 10, 22, 30, 34, 36, 40, 46, 42, 38, 38, 42, 48, 56, 70, 86, 88, 60, 24)
WEEKEND = (10, 6, 3, 2, 1, 2, 4, 10, 22, 40, 56, 64, 66, 64, 62, 60, 60, 62, 66, 76, 84, 80, 54, 24)


@dataclasses.dataclass(frozen=True)
class Bump:
    """A rise (or fall) of demand around a day of the year.

    ``peak``: (month, day); ``days``: the standard deviation; ``height``: added to the base of 1 at the peak.
    """

    peak: tuple[int, int]
    days: float
    height: float


@dataclasses.dataclass(frozen=True)
class Seasons:
    """The year and the week of a world. ``week``: Monday to Sunday, relative; ``growth``: demand's growth a year."""

    bumps: tuple[Bump, ...]
    week: tuple[float, ...]
    growth: float


SHOP = Seasons(
    bumps=(
        Bump((12, 10), 12, 1.1),  # Christmas presents
        Bump((11, 27), 3, 0.9),  # Black Friday's week
        Bump((5, 25), 16, 0.8),  # graduation and summer parties
        Bump((1, 4), 7, 0.35),  # January sale
        Bump((7, 18), 12, -0.35),  # at the cottage
    ),
    week=(1.05, 1.0, 0.97, 0.98, 0.88, 0.92, 1.2),
    growth=0.25,
)
STUDIO = Seasons(
    bumps=(
        Bump((1, 7), 12, 1.4),  # New Year's promises
        Bump((8, 22), 14, 0.7),  # back from the holidays
        Bump((7, 10), 18, -0.45),
        Bump((12, 23), 6, -0.4),
    ),
    week=(1.25, 1.12, 1.05, 1.0, 0.8, 0.78, 1.0),
    growth=0.35,
)


class Calendar(NamedTuple):
    """What the kernels read. Day 0 is the local day of the world's start; there are ``len(season)`` days.

    midnight: int64[days], microseconds UTC at which the local day begins; season: float64[days], how needs lie over the
    year and the week, about 1 on a usual day; peak: its upper bound, the same for every span of days; demand:
    float64[days], the season times the world's growth, for new people; weekend: bool[days]; hours: float64[2, 24],
    cumulative shares (0 working day, 1 weekend).
    """

    midnight: npt.NDArray[np.int64]
    season: npt.NDArray[np.float64]
    peak: float
    demand: npt.NDArray[np.float64]
    weekend: npt.NDArray[np.bool_]
    hours: npt.NDArray[np.float64]


def calendar(seasons: Seasons, start: dt.datetime, end: dt.datetime, timezone: str) -> Calendar:
    """The calendar of the days from ``start`` to ``end`` (aware), the last one whole, and one day more."""
    zone = ZoneInfo(timezone)
    first = start.astimezone(zone).date()
    count = (end.astimezone(zone).date() - first).days + 2
    days = [first + dt.timedelta(days=i) for i in range(count)]
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    midnight = [
        (dt.datetime(d.year, d.month, d.day, tzinfo=zone) - epoch) // dt.timedelta(microseconds=1) for d in days
    ]
    weekday = np.array([d.weekday() for d in days])
    season = _year(seasons, days) * np.asarray(seasons.week)[weekday]
    leap = [dt.date(2024, 1, 1) + dt.timedelta(days=i) for i in range(366)]
    return Calendar(
        np.array(midnight, np.int64),
        season,
        float(_year(seasons, leap).max() * max(seasons.week)),
        season * (1 + seasons.growth) ** (np.arange(count) / 365),
        weekday >= 5,
        cumulative((WORKDAY, WEEKEND)),
    )


def _year(seasons: Seasons, days: list[dt.date]) -> npt.NDArray[np.float64]:
    """float64[days]: 1 and the bumps of the year."""
    height = np.ones(len(days))
    for bump in seasons.bumps:
        peaks = [dt.date(year, *bump.peak) for year in range(days[0].year - 1, days[-1].year + 2)]
        away = np.array([min(abs((d - peak).days) for peak in peaks) for d in days], np.float64)
        height += bump.height * np.exp(-0.5 * (away / bump.days) ** 2)
    return height


@nb.njit(cache=True)
def moment(cal, day, root, visit, slot):  # type: ignore[no-untyped-def]
    """int64: microseconds UTC of a believable moment of local day number ``day``; days go on behind the calendar."""
    last = len(cal.midnight) - 1
    inside = min(max(day, 0), last)
    hour = pick(cal.hours[1 if cal.weekend[inside] else 0], chance(root, visit, slot))
    start = cal.midnight[inside] + np.int64(max(day - last, 0)) * np.int64(DAY * MICROS)
    return start + np.int64(hour) * np.int64(3600 * MICROS) + np.int64(chance(root, visit, slot + 1) * 3600 * MICROS)


@nb.njit(cache=True)
def day_of(cal, time):  # type: ignore[no-untyped-def]
    """int: the number of the local day that a moment (microseconds UTC) falls on; -1 is before the calendar."""
    low, high = 0, len(cal.midnight) - 1
    if time < cal.midnight[0]:
        return -1
    if time >= cal.midnight[high]:
        return high + (time - cal.midnight[high]) // np.int64(DAY * MICROS)
    while low < high:
        middle = (low + high + 1) // 2
        if cal.midnight[middle] <= time:
            low = middle
        else:
            high = middle - 1
    return low


@nb.njit(cache=True)
def wait(cal, time, mean_days, root, visit, slot):  # type: ignore[no-untyped-def]
    """int64: a moment after ``time``; the wait is ``mean_days`` on average in a season of 1, less in a high season.

    Thinning (Lewis and Shedler 1979): candidates come at the peak's rate, and one is kept with the share its day has of
    the peak. A moment past the calendar's last day is after the end of the world.
    """
    at = np.float64(time)
    for attempt in range(400):
        at -= np.log(chance(root, visit, slot + 4 * attempt)) * mean_days / cal.peak * DAY * MICROS
        day = day_of(cal, np.int64(at))
        if at >= cal.midnight[-1]:
            return np.int64(at)
        if chance(root, visit, slot + 4 * attempt + 1) * cal.peak < cal.season[day]:
            return max(moment(cal, day, root, visit, slot + 4 * attempt + 2), time + np.int64(3600 * MICROS))
    return np.int64(at)


def arrivals(cal: Calendar, start: int, end: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """The days on which people of ``start`` to ``end`` (microseconds UTC) first come, and their cumulative shares."""
    low = max(int(np.searchsorted(cal.midnight, start, "right")) - 1, 0)
    high = max(int(np.searchsorted(cal.midnight, end, "right")) - 1, low)
    days = np.arange(low, high + 1, dtype=np.int64)
    return days, cumulative(cal.demand[low : high + 1])
