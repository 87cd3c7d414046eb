"""What the calendar does: an hour of the day, week or month that a rule names, and days in the customers' traits."""

from __future__ import annotations

import calendar
import datetime as dt
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from polku.guidance.engine import moment_of
from polku.guidance.happenings import Happening
from polku.guidance.hours import micros
from polku.guidance.limits import MICRO
from polku.guidance.rules import Calendar, DateOf, Rule, at_path
from polku.record.clock import moment

if TYPE_CHECKING:
    from polku.journey.model import Journey
    from polku.record.project import Project
    from polku.trails.layout import Trails

#: Minute of the day at which a day of the traits counts where the rule says no hour.
MORNING = 9 * 60


def happenings(
    project: Project, trails: Trails, journey: Journey, rule: Rule, since: int, until: int
) -> Iterator[Happening]:
    """What the calendar does for a rule in (since, until], microseconds; nothing for a rule that listens to events."""
    zone = ZoneInfo(journey.timezone)
    trigger = rule.trigger
    if trigger.calendar is not None:
        for time in occurrences(trigger.calendar, zone, since, until):
            for customer in customers_of(trails):
                yield Happening(customer, time, time, "schedule", rule.id)
    elif trigger.date is not None and not trigger.matchers:
        yield from _dates(project, rule, trigger.date, zone, since, until)


def customers_of(trails: Trails) -> Iterator[int]:
    """Every customer with an event, ascending in each bucket."""
    for bucket in trails.buckets:
        keys = bucket.customer if bucket.masked is None else bucket.customer[~bucket.masked]
        yield from keys.tolist()


def occurrences(rule: Calendar, zone: ZoneInfo, since: int, until: int) -> Iterator[int]:
    """The moments of a calendar rule in (since, until], microseconds. An hour that the clock skips in spring is the
    moment it jumps to.

    >>> utc = ZoneInfo("UTC")
    >>> [moment(t).isoformat() for t in occurrences(Calendar("month", 31, 540), utc, 0, 60 * 86400 * MICRO)]
    ['1970-01-31T09:00:00+00:00', '1970-02-28T09:00:00+00:00']
    """
    day = moment(since).astimezone(zone).date() - dt.timedelta(days=1)
    last = moment(until).astimezone(zone).date()
    while day <= last:
        if _fits(rule, day):
            time = micros(dt.datetime.combine(day, dt.time(rule.at // 60, rule.at % 60), zone))
            if since < time <= until:
                yield time
        day += dt.timedelta(days=1)


def _fits(rule: Calendar, day: dt.date) -> bool:
    if rule.every == "week":
        return day.weekday() == rule.on
    if rule.every == "month":
        return day.day == min(rule.on, calendar.monthrange(day.year, day.month)[1])
    return True


def _dates(project: Project, rule: Rule, date: DateOf, zone: ZoneInfo, since: int, until: int) -> Iterator[Happening]:
    """Customers whose day, moved by the rule's offset, came in (since, until]."""
    name = date.path.removeprefix("traits.")
    profiles = project.identities.profiles()
    for customer, text in zip(profiles["customer"].to_pylist(), profiles["traits"].to_pylist(), strict=True):
        if name.partition(".")[0] not in text:
            continue
        value = at_path({"traits": json.loads(text)}, f"traits.{name}")
        for time in days_of(value, date, zone, since, until):
            yield Happening(customer, time, time, "date", rule.id, {"properties": {"date": value}, "context": {}})


def days_of(value: Any, date: DateOf, zone: ZoneInfo, since: int, until: int) -> Iterator[int]:
    """When a day of the traits is due in (since, until]: once, or every year (29 February is the 28th then)."""
    at = MORNING if date.at is None else date.at
    if not date.yearly:
        found = moment_of(value, zone, at)
        if found is not None and since < found + date.offset * MICRO <= until:
            yield found + date.offset * MICRO
        return
    try:
        day = dt.date.fromisoformat(str(value)[:10])
    except ValueError:
        return
    first, last = (moment(t).astimezone(zone).year for t in (since - date.offset * MICRO, until - date.offset * MICRO))
    for year in range(first, last + 1):
        last_day = calendar.monthrange(year, day.month)[1]
        wall = dt.datetime(year, day.month, min(day.day, last_day), at // 60, at % 60, tzinfo=zone)
        time = micros(wall) + date.offset * MICRO
        if since < time <= until:
            yield time
