"""When the map has to be looked at again: ``review: every 3 months`` counted from ``reviewed``."""

from __future__ import annotations

import calendar
import datetime as dt
import re

from polku.journey.model import Journey

INTERVAL = re.compile(r"^\s*(?:every\s+)?(\d+)?\s*(day|week|month|year)s?\s*$")


def review_due(journey: Journey) -> dt.date | None:
    """The day by which the map is to be reviewed, in calendar months and years; None when the map does not say.

    >>> from polku.journey.model import Journey
    >>> review_due(Journey(title="x", stages=[{"id": "a"}], review="every 3 months", reviewed="2026-11-30"))
    datetime.date(2027, 2, 28)
    """
    if journey.reviewed is None or journey.review is None:
        return None
    found = INTERVAL.match(journey.review)
    if not found:
        return None
    number, unit = int(found[1] or 1), found[2]
    if unit in ("day", "week"):
        return journey.reviewed + dt.timedelta(days=number * (7 if unit == "week" else 1))
    months = number * (12 if unit == "year" else 1)
    year, month = divmod(journey.reviewed.month - 1 + months, 12)
    year, month = journey.reviewed.year + year, month + 1
    return dt.date(year, month, min(journey.reviewed.day, calendar.monthrange(year, month)[1]))
