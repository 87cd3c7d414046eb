"""Periods and moments as people name them: the last 30 days, all time, chosen days; and what one is compared with."""

from __future__ import annotations

import datetime as dt
import re
from typing import Literal
from zoneinfo import ZoneInfo

from polku.errors import MeasureError
from polku.language import N_
from polku.measures.result import Period
from polku.measures.selectors import period_of

Compare = Literal["none", "previous", "year"]
COMPARES: tuple[Compare, ...] = ("none", "previous", "year")
DAYS = re.compile(r"^(\d{1,5})\s*(d|w|y)$")
IN_DAYS = {"d": 1, "w": 7, "y": 365}


def midnight(day: dt.date, zone: ZoneInfo) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), zone)


def named_period(text: str, as_of: dt.datetime, zone: ZoneInfo) -> Period:
    """``30d`` (whole local days, the day of ``as_of`` the last), ``all``, or ``2026-01-01..2026-02-01`` (the end out).

    >>> named_period("7d", dt.datetime(2026, 5, 31, 12, tzinfo=dt.UTC), ZoneInfo("UTC")).start.isoformat()
    '2026-05-25T00:00:00+00:00'
    """
    wish = text.strip()
    if wish == "all":
        return Period()
    if found := DAYS.match(wish):
        today = as_of.astimezone(zone).date()
        days = int(found[1]) * IN_DAYS[found[2]]
        if days < 1:
            raise MeasureError(N_("A period has at least one day."))
        return Period(midnight(today - dt.timedelta(days=days - 1), zone), midnight(today + dt.timedelta(days=1), zone))
    if ".." not in wish:
        raise MeasureError(
            N_("{text!r} is not a period; write 7d, 30d, 90d, 1y, all, or days such as 2026-01-01..2026-02-01."),
            text=text,
        )
    return period_of(wish, zone)


def named_moment(text: str, zone: ZoneInfo, now: dt.datetime | None = None) -> dt.datetime:
    """A moment as people name it: a day (its last second, or now when it is today), or a day and a time.

    A time without a zone is in ``zone``, the map's. Raises MeasureError for what is neither, and for the future, of
    which no one knows yet who will have had their time.

    >>> named_moment("2026-05-31", ZoneInfo("Europe/Helsinki")).isoformat()
    '2026-05-31T23:59:59+03:00'
    >>> named_moment("2026-05-31 12:00", ZoneInfo("Europe/Helsinki")).isoformat()
    '2026-05-31T12:00:00+03:00'
    """
    now = now or dt.datetime.now(dt.UTC)
    wish = text.strip()
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", wish):
            day = dt.date.fromisoformat(wish)
            end = midnight(day + dt.timedelta(days=1), zone).astimezone(dt.UTC) - dt.timedelta(seconds=1)
            at = min(end, now) if midnight(day, zone) <= now else end
        else:
            at = dt.datetime.fromisoformat(wish)
            at = at if at.tzinfo is not None else at.replace(tzinfo=zone)
        at = at.astimezone(zone).replace(microsecond=0)
    except (ValueError, OverflowError):
        raise MeasureError(
            N_("{text!r} is no moment; write a day such as 2026-05-31, or a day and a time such as 2026-05-31T12:00."),
            text=text,
        ) from None
    if at > now:
        raise MeasureError(N_("{text} has not come yet; a moment is now or before."), text=text)
    return at


def compared_with(period: Period, how: str, as_of: dt.datetime, zone: ZoneInfo) -> Period | None:
    """The equally long period just before, or the same days a year before; None for ``none`` and for an open start."""
    if how not in COMPARES:
        raise MeasureError(
            N_("There is no comparison {how!r}; there are: {known}."), how=how, known=", ".join(COMPARES)
        )
    if how == "none" or period.start is None:
        return None
    first = period.start.astimezone(zone).date()
    tomorrow = as_of.astimezone(zone).date() + dt.timedelta(days=1)
    after = min(period.end.astimezone(zone).date(), tomorrow) if period.end else tomorrow
    if how == "previous":
        return Period(midnight(first - (after - first), zone), period.start)
    year = dt.timedelta(days=365)
    return Period(midnight(first - year, zone), midnight(after - year, zone))
