"""Hours of the day in the customer's own time zone: quiet hours, allowed hours, the next time a clock shows an hour."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Mapping
from typing import Any, Self
from zoneinfo import ZoneInfo

from polku.journey.values import UnreadableError, shown
from polku.language import N_
from polku.record.clock import moment
from polku.zones import is_zone

_SPAN = re.compile(r"\s*(\d{1,2})(?:[:.](\d{2}))?\s*(?:-|–|to)\s*(\d{1,2})(?:[:.](\d{2}))?\s*")
_CLOCK = re.compile(r"\s*(\d{1,2})[:.](\d{2})\s*")
DAY = 24 * 60


def clock(text: object) -> int:
    """Minutes since midnight of ``"09:00"``. Raises UnreadableError.

    >>> clock("9.30")
    570
    """
    found = _CLOCK.fullmatch(str(text))
    if not found or not (int(found[1]) < 24 and int(found[2]) < 60):
        raise UnreadableError(N_("{found!r} is not a time of day; write it as 09:00"), found=shown(text))
    return int(found[1]) * 60 + int(found[2])


@dataclasses.dataclass(frozen=True, slots=True)
class Hours:
    """From ``start`` up to, not including, ``end``: minutes since local midnight; over midnight where end < start."""

    start: int
    end: int

    @classmethod
    def read(cls, text: object) -> Self:
        """``"21:00-08:00"``, ``"9-17"``. Raises UnreadableError.

        >>> Hours.read("21:00-08:00")
        Hours(start=1260, end=480)
        """
        found = _SPAN.fullmatch(str(text))
        numbers = [int(n or 0) for n in found.groups()] if found else []
        if not numbers or numbers[0] > 24 or numbers[2] > 24 or max(numbers[1], numbers[3]) > 59:
            raise UnreadableError(N_("{found!r} is no span of hours; write it as 09:00-20:00"), found=shown(text))
        start, end = (60 * numbers[0] + numbers[1]) % DAY, (60 * numbers[2] + numbers[3]) % DAY
        return cls(start, end)

    def holds(self, minute: int) -> bool:
        """Whether a minute of the day lies within; equal ends mean the whole day."""
        if self.start == self.end:
            return True
        if self.start < self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end

    def __str__(self) -> str:
        return f"{self.start // 60:02}:{self.start % 60:02}-{self.end // 60:02}:{self.end % 60:02}"


def zone_of(traits: Mapping[str, Any], usual: ZoneInfo) -> ZoneInfo:
    """A customer's own time zone by the trait ``timezone``; ``usual`` where that tells none.

    >>> zone_of({"timezone": "Asia/Tokyo"}, ZoneInfo("UTC")), zone_of({"timezone": "Moon"}, ZoneInfo("UTC"))
    (zoneinfo.ZoneInfo(key='Asia/Tokyo'), zoneinfo.ZoneInfo(key='UTC'))
    """
    said = traits.get("timezone")
    return ZoneInfo(said) if isinstance(said, str) and is_zone(said) else usual


def minute_of(time: int, zone: ZoneInfo) -> int:
    """The minute of the local day at ``time`` (microseconds)."""
    local = moment(time).astimezone(zone)
    return local.hour * 60 + local.minute


def next_clock(time: int, minute: int, zone: ZoneInfo) -> int:
    """The first moment at or after ``time`` (microseconds) at which a clock in ``zone`` shows ``minute`` of the day.

    A time that the clock skips in spring is the moment it jumps to; one that it shows twice in autumn is the first, or
    the second where the first has passed.
    """
    local = moment(time).astimezone(zone)
    for days in range(3):
        date = local.date() + dt.timedelta(days=days)
        for fold in (0, 1):
            wall = dt.datetime.combine(date, dt.time(minute // 60, minute % 60, fold=fold), zone)
            found = micros(wall)
            if found >= time and (fold == 0 or wall.utcoffset() != wall.replace(fold=0).utcoffset()):
                return found
    raise AssertionError("a clock shows each minute within three days")


def micros(when: dt.datetime) -> int:
    """Microseconds since 1970 of an aware datetime."""
    return (when - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


def moved(time: int, seconds: int, zone: ZoneInfo) -> int:
    """``time`` (microseconds) moved by ``seconds``: whole days on the calendar of ``zone``, so that three days before
    nine o'clock is nine o'clock also where the clock was changed between; anything else as it is.

    >>> zone, noon = ZoneInfo("Europe/Helsinki"), dt.datetime(2026, 3, 30, 9, tzinfo=dt.UTC)
    >>> moment(moved(micros(noon), -2 * 86400, zone)).isoformat()
    '2026-03-28T10:00:00+00:00'
    """
    days = seconds // 86400 if seconds % 86400 == 0 else 0
    if not days:
        return time + seconds * 1_000_000
    local = moment(time).astimezone(zone)
    return micros(dt.datetime.combine(local.date() + dt.timedelta(days=days), local.time(), zone))


def allowed_from(time: int, hours: Hours, zone: ZoneInfo) -> int:
    """The first moment at or after ``time`` within ``hours``: ``time`` itself where it lies within."""
    return time if hours.holds(minute_of(time, zone)) else next_clock(time, hours.start, zone)


def after_quiet(time: int, quiet: Hours, zone: ZoneInfo) -> int:
    """The first moment at or after ``time`` outside the quiet hours; those with equal ends are none."""
    if quiet.start == quiet.end or not quiet.holds(minute_of(time, zone)):
        return time
    return next_clock(time, quiet.end, zone)
