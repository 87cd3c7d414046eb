"""Opening hours: ``{mon-fri: 9-17, sat: 10-14}``, in the map's time zone.

>>> hours = Hours.model_validate(Hours.read({"mon-fri": "9-17", "sat": "10:30-14"}))
>>> [hours.open_at(dt.datetime(2026, 5, 22, 16, 59)), hours.open_at(dt.datetime(2026, 5, 23, 9))]
[True, False]
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection
from typing import Any, Final

from polku.journey.parts import Part
from polku.journey.values import UnreadableError, shown
from polku.language import N_

#: Days as people write them, Monday first: English and Finnish.
DAYS: Final = (
    ("mon", "ma"), ("tue", "ti"), ("wed", "ke"), ("thu", "to"), ("fri", "pe"), ("sat", "la"), ("sun", "su"),
)  # fmt: skip
_SPAN: Final = re.compile(r"^\s*(\d{1,2})(?:[:.](\d{2}))?\s*[-–]\s*(\d{1,2})(?:[:.](\d{2}))?\s*$")


class Hours(Part):
    """``spans``: (day, from, to), day 0 Monday, minutes since midnight."""

    spans: tuple[tuple[int, int, int], ...] = ()

    @classmethod
    def read(cls, value: Any) -> Any:
        """From what people write."""
        if isinstance(value, Hours):
            return value
        if not isinstance(value, dict):
            raise UnreadableError(N_("{found!r} are no hours; write for example {example}"), found=shown(value),
                                  example=EXAMPLE)  # fmt: skip
        spans = []
        for days, hours in value.items():
            start, end = _hours(hours)
            spans += [(day, start, end) for day in _days(str(days))]
        return {"spans": tuple(sorted(spans))}

    def open_at(self, moment: dt.datetime, closed: Collection[dt.date] = ()) -> bool:
        """Whether somebody is there at ``moment`` of the zone."""
        if moment.date() in closed:
            return False
        minute = moment.hour * 60 + moment.minute
        return any(day == moment.weekday() and start <= minute < end for day, start, end in self.spans)

    def next_open(self, moment: dt.datetime, closed: Collection[dt.date] = ()) -> dt.datetime | None:
        """When somebody is there next, after ``moment``; None: not within four weeks."""
        for days in range(28):
            day = moment.date() + dt.timedelta(days)
            for weekday, start, _ in self.spans:
                at = dt.datetime.combine(day, dt.time(start // 60, start % 60), moment.tzinfo)
                if weekday == day.weekday() and day not in closed and at > moment:
                    return at
        return None


EXAMPLE: Final = "{mon-fri: 9-17, sat: 10-14}"


def _days(text: str) -> range:
    first, _, last = text.lower().partition("-")
    numbers = [next((n for n, names in enumerate(DAYS) if part.strip()[:3] in names or part.strip()[:2] in names), -1)
               for part in (first, last or first)]  # fmt: skip
    if -1 in numbers or numbers[0] > numbers[1]:
        raise UnreadableError(N_("{found!r} are no days; write for example mon-fri or sat"), found=shown(text))
    return range(numbers[0], numbers[1] + 1)


def _hours(value: Any) -> tuple[int, int]:
    found = _SPAN.match(str(value))
    if found:
        start, end = int(found[1]) * 60 + int(found[2] or 0), int(found[3]) * 60 + int(found[4] or 0)
        if start < end <= 24 * 60:
            return start, end
    raise UnreadableError(N_("{found!r} are no hours of a day; write for example 9-17 or 10:30-14"), found=shown(value))
