"""What the calendar does: an hour of the day, week or month that a rule names, and days in the customers' traits."""

from __future__ import annotations

import calendar
import datetime as dt
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from polku.guidance.engine import moment_of
from polku.guidance.hours import micros, moved, zone_of
from polku.guidance.limits import MICRO
from polku.guidance.rules import Calendar, DateOf, Rule, at_path
from polku.record import tables
from polku.record.clock import moment

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from polku.trails.layout import Trails

#: Minute of the day at which a day of the traits counts where the rule says no hour.
MORNING = 9 * 60
#: How far apart (microseconds) two clocks of the world can be.
APART = 26 * 3600 * MICRO
#: Values of a trait that one slice looks at, at most.
LOOKED_AT = 20_000


def moments(rule: Rule, zone: ZoneInfo, since: int, until: int) -> Iterator[int]:
    """When a rule of the calendar, of a lead score or about a day of the traits may concern anybody in (since, until],
    microseconds; never for a rule that listens to events."""
    trigger = rule.trigger
    if trigger.calendar is not None:
        yield from occurrences(trigger.calendar, zone, since, until)
    elif trigger.lead is not None:
        yield from occurrences(Calendar("day", 0, trigger.lead.at), zone, since, until)
    elif trigger.date is not None and not trigger.matchers:
        every_day = Calendar("day", 0, MORNING if trigger.date.at is None else trigger.date.at)
        days = abs(trigger.date.offset) // 86400 + 2
        for day in occurrences(every_day, zone, since - days * 86400 * MICRO, until + days * 86400 * MICRO):
            time = moved(day, trigger.date.offset, zone)
            if since < time <= until:
                yield time


def customers_after(trails: Trails, after: int, limit: int, upto: int) -> list[int]:
    """The next ``limit`` customers by key whose key is beyond ``after`` and who had an event by ``upto`` (seconds)."""
    found: list[npt.NDArray[np.int64]] = [np.zeros(0, np.int64)]
    for bucket in trails.buckets:
        first = int(np.searchsorted(bucket.customer, after, side="right"))
        taken = 0
        while first < bucket.customers and taken < limit:
            part = slice(first, first + limit)
            there = bucket.offsets[first + 1 : first + limit + 1] > bucket.offsets[first : bucket.customers][:limit]
            if bucket.masked is not None:
                there = there & ~bucket.masked[part]
            begins = bucket.offsets[first : bucket.customers][:limit][there]
            there[there] = bucket.time[begins] <= upto
            found.append(bucket.customer[part][there].astype(np.int64))
            taken += int(np.count_nonzero(there))
            first += limit
    keys: list[int] = np.sort(np.concatenate(found))[:limit].tolist()
    return keys


def due_after(
    connection: Connection, date: DateOf, zone: ZoneInfo, time: int, after: int, limit: int
) -> tuple[list[tuple[int, Any, int]], int | None]:
    """The next customers by key, beyond ``after``, whose day of the traits is due at ``time``: (customer, the day as
    their traits tell it, when it is due by their own clock), at most about ``limit``; and how far was looked, None: to
    the end."""
    name = date.path.removeprefix("traits.")
    trait, who = tables.traits.c, tables.identities.c
    found: list[tuple[int, Any, int]] = []
    looked = after
    query = (
        sa.select(who.customer, trait.name, trait.value)
        .join_from(tables.traits, tables.identities, trait.identity == who.id)
        .where(trait.name.in_([name.partition(".")[0], "timezone"]), who.customer > sa.bindparam("after"))
        .order_by(who.customer, trait.time, trait.seq)
        .limit(LOOKED_AT)
    )
    rows = connection.execute(query, {"after": after}).all()
    latest: dict[int, dict[str, str]] = {}
    for customer, told, text in rows:
        latest.setdefault(int(customer), {})[told] = text
    full = len(rows) == LOOKED_AT
    if full and len(latest) > 1:
        del latest[int(rows[-1].customer)]  # perhaps not all of theirs: the next slice begins with them
    for customer, texts in latest.items():
        looked = customer
        traits = {told: json.loads(text) for told, text in texts.items()}
        value = at_path({"traits": traits}, f"traits.{name}")
        if any(t == time for t in days_of(value, date, zone, time - 1, time)):
            found.append((customer, value, own_moment(value, date, zone, zone_of(traits, zone), time)))
            if len(found) == limit:
                return found, looked
    return found, looked if full else None


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


def days_of(value: Any, date: DateOf, zone: ZoneInfo, since: int, until: int) -> Iterator[int]:
    """When a day of the traits is due in (since, until]: once, or every year (29 February is the 28th then)."""
    at = MORNING if date.at is None else date.at
    if not date.yearly:
        found = moment_of(value, zone, at)
        if found is not None and since < (due := moved(found, date.offset, zone)) <= until:
            yield due
        return
    try:
        day = dt.date.fromisoformat(str(value)[:10])
    except ValueError:
        return
    spare = dt.timedelta(microseconds=abs(date.offset) * MICRO) + dt.timedelta(days=2)
    for year in range((moment(since) - spare).year, (moment(until) + spare).year + 1):
        last_day = calendar.monthrange(year, day.month)[1]
        wall = dt.datetime(year, day.month, min(day.day, last_day), at // 60, at % 60, tzinfo=zone)
        due = moved(micros(wall), date.offset, zone)
        if since < due <= until:
            yield due


def own_moment(value: Any, date: DateOf, zone: ZoneInfo, own: ZoneInfo, time: int) -> int:
    """When a day of the traits that is due at ``time`` (microseconds) in the map's ``zone`` is due for a customer whose
    zone is ``own``: at the same hour of their own clock; where that has passed already, at ``time``.

    >>> utc, day = ZoneInfo("UTC"), 86400 * MICRO
    >>> moment(own_moment("1970-01-02", DateOf("traits.day"), utc, ZoneInfo("America/New_York"), day * 33 // 24)).hour
    14
    """
    if own.key == zone.key:
        return time
    return max([time, *days_of(value, date, own, time - APART, time + APART)])
