"""Days, weeks and months of the map's time zone as spans of seconds."""

from __future__ import annotations

import dataclasses
import datetime as dt
from zoneinfo import ZoneInfo

from polku.errors import MeasureError
from polku.language import N_
from polku.measures.definition import known
from polku.measures.view import View

INTERVALS = ("day", "week", "month")
#: In a selector: all of a trend's intervals together.
WHOLE = "whole"
#: So many intervals can be told apart in one answer.
MOST = 4000


@dataclasses.dataclass(frozen=True, slots=True)
class Span:
    """An interval by its first day; ``start`` inclusive and ``end`` exclusive, seconds since 1970 UTC."""

    day: dt.date
    start: int
    end: int


def first_day(day: dt.date, interval: str) -> dt.date:
    """The first day of the interval that ``day`` lies in; weeks begin on Monday (ISO 8601).

    >>> first_day(dt.date(2026, 5, 14), "week").isoformat(), first_day(dt.date(2026, 5, 14), "month").isoformat()
    ('2026-05-11', '2026-05-01')
    """
    if interval == "week":
        return day - dt.timedelta(days=day.weekday())
    return day.replace(day=1) if interval == "month" else day


def next_day(day: dt.date, interval: str) -> dt.date:
    """The first day of the interval behind the one that begins on ``day``."""
    if interval == "month":
        return (day.replace(day=28) + dt.timedelta(days=4)).replace(day=1)
    return day + dt.timedelta(days=7 if interval == "week" else 1)


def _midnight(day: dt.date, zone: ZoneInfo) -> int:
    return int(dt.datetime(day.year, day.month, day.day, tzinfo=zone).timestamp())


def _span(day: dt.date, interval: str, zone: ZoneInfo) -> Span:
    return Span(day, _midnight(day, zone), _midnight(next_day(day, interval), zone))


def spans(view: View, interval: str, first: int, last: int) -> list[Span]:
    """The intervals that the seconds ``first`` to ``last`` lie in. Raises MeasureError for more than 4,000."""
    known(interval, INTERVALS, N_("{name!r} does not fit here.{meant} Choose one of: {known}."))
    zone = view.zone
    day = first_day(dt.datetime.fromtimestamp(first, zone).date(), interval)
    found: list[Span] = []
    while not found or found[-1].end <= last:
        found.append(_span(day, interval, zone))
        day = next_day(day, interval)
        if len(found) > MOST:
            raise MeasureError(N_("That is more than {most} intervals; choose a longer one."), most=MOST)
    return found


def span_of(view: View, interval: str | None, on: str | None) -> Span | None:
    """The interval that a selector names (``WHOLE``: any moment); None where it names none."""
    if interval == WHOLE:
        return Span(dt.date(1970, 1, 1), 0, 1 << 40)
    if interval is None or on is None:
        return None
    known(interval, INTERVALS, N_("{name!r} does not fit here.{meant} Choose one of: {known}."))
    try:
        day = dt.date.fromisoformat(on)
    except ValueError as error:
        raise MeasureError(N_("{value!r} is not a day; write it as 2026-05-31."), value=on) from error
    return _span(first_day(day, interval), interval, view.zone)
