"""Days, weeks and months of the map's time zone, numbered so that neighbours differ by one."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
from typing import Literal

import numpy as np
import numpy.typing as npt

from polku.errors import MeasureError
from polku.kernels.columns import frozen
from polku.kernels.retention.cohorts import ENDLESS
from polku.language import N_, Reader
from polku.measures.view import View
from polku.trails.layout import moment

DAYS = 1 << 16
EPOCH = dt.date(1970, 1, 1)
#: Seconds of a period that counts from each customer's own beginning.
SECONDS = {"day": 86400, "week": 7 * 86400, "month": 30 * 86400}


@functools.cache
def period_of_day(unit: str) -> npt.NDArray[np.int32]:
    """int32[65536]: the period of each local day since 1970. Weeks begin on Monday (ISO 8601).

    >>> period_of_day("week")[[3, 4]].tolist(), period_of_day("month")[[30, 31]].tolist()
    ([0, 1], [23640, 23641])
    """
    days = np.arange(DAYS, dtype=np.int64)
    if unit == "week":
        days = (days + 3) // 7
    elif unit == "month":
        days = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) + 1970 * 12
    return frozen(days, np.int32)


def begins(period: int, unit: str) -> dt.date:
    """The first day of a period.

    >>> begins(1, "week").isoformat(), begins(23641, "month").isoformat()
    ('1970-01-05', '1970-02-01')
    """
    if unit == "month":
        return dt.date(period // 12, period % 12 + 1, 1)
    return EPOCH + dt.timedelta(days=period * 7 - 3 if unit == "week" else period)


def name_of(period: int, unit: str) -> str:
    """A period as a selector and a table of plain values write it: 2026-05-31, 2026-W22, 2026-05.

    >>> name_of(23641, "month"), name_of(1, "week")
    ('1970-02', '1970-W02')
    """
    day = begins(period, unit)
    if unit == "week":
        year, week, _ = day.isocalendar()
        return f"{year}-W{week:02}"
    return f"{day:%Y-%m}" if unit == "month" else day.isoformat()


def period_named(name: str, unit: str) -> int:
    """The period of such a name. Raises ValueError.

    >>> period_named("1970-W02", "week"), period_named("1970-02", "month")
    (1, 23641)
    """
    if unit == "week":
        year, _, week = name.partition("-W")
        day = dt.date.fromisocalendar(int(year), int(week), 1)
    else:
        day = dt.date.fromisoformat(f"{name}-01" if unit == "month" else name)
    if unit == "month":
        return day.year * 12 + day.month - 1
    days = (day - EPOCH).days  # the first week of 1970 begins in 1969
    return (days + 3) // 7 if unit == "week" else days


def said(period: int, unit: str, reader: Reader) -> str:
    """The period in the reader's words: the first day of a week, the month and year of a month."""
    day = begins(period, unit)
    if unit == "month":
        return f"{day.month}/{day.year}" if reader.language == "fi" else f"{day:%b %Y}"
    return reader.date(day)


State = Literal["over", "goes_on", "cut"]
STATES: dict[State, str] = {
    "over": N_("over"),
    "goes_on": N_("goes on"),
    "cut": N_("cut off by the period"),
}


def selected_period(name: str, unit: str) -> int:
    """The period that a selector names. Raises MeasureError when it is none."""
    try:
        return period_named(name, unit)
    except (ValueError, IndexError) as error:
        raise MeasureError(N_("{text!r} is not a {unit}."), text=name, unit=unit) from error


@dataclasses.dataclass(frozen=True, slots=True)
class Span:
    """The periods from the first that the view sees to the last: numbers from ``base``, ``count`` of them.

    ``now`` is the period in which the view's moment lies: it is not over.
    """

    base: int
    count: int
    now: int

    def state(self, view: View, period: int, unit: str) -> State:
        """Whether a period is over, goes on, or is seen in part because the view begins or ends within it."""
        if period >= self.now:
            return "goes_on"
        low, high = (seconds_at(view, begins(p, unit)) for p in (period, period + 1))
        return "cut" if low < view.start or high > view.end else "over"


def span_of(view: View, unit: str) -> Span:
    """The periods in which something can have happened, as the view looks at it."""
    first = view.trails.first
    if first is None:
        return Span(0, 0, 0)
    low = max(view.start, int(first.timestamp()))
    high = min(view.end - 1, view.as_of)  # silence up to the moment tells as much as events do
    base, end, now = (period_at(view, at, unit) for at in (low, high, view.as_of))
    return Span(base, max(0, end - base + 1), now)


def seconds_at(view: View, day: dt.date) -> int:
    """Seconds since 1970 of the moment at which a local day begins."""
    return int(dt.datetime.combine(day, dt.time(), view.zone).timestamp())


def period_at(view: View, seconds: int, unit: str) -> int:
    """The period in which a moment lies."""
    day = (moment(max(0, seconds)).astimezone(view.zone).date() - EPOCH).days
    return int(period_of_day(unit)[min(max(day, 0), DAYS - 1)])


def bounds_of(view: View) -> tuple[int, int, int]:
    """Start, end and moment of the view for kernels over days, without those bounds that no event lies beyond."""
    last = view.trails.last
    if last is None or last.timestamp() >= view.end:
        return view.start, view.end, view.as_of
    return view.start, int(ENDLESS), int(ENDLESS)
