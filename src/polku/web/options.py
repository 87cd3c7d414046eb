"""What a reader chooses on the map, all of it in the URL: read strictly, written back shortly.

An option or a value that the page does not know is told (UsageError, with the nearest name), never ignored: a link that
lost a letter must not show other numbers than it was made for.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any, Literal
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from polku.errors import UsageError, nearest
from polku.journey.model import Journey
from polku.language import N_
from polku.measures.periods import compared_with, midnight, named_period
from polku.measures.result import Period
from polku.web.notfound import NotFoundError

View = Literal["plan", "actual", "both"]
VIEWS: dict[str, str] = {"plan": N_("Plan"), "actual": N_("Actual"), "both": N_("Both")}
PERIODS: dict[str, str] = {
    "7d": N_("Last 7 days"),
    "30d": N_("Last 30 days"),
    "90d": N_("Last 90 days"),
    "365d": N_("Last 365 days"),
    "all": N_("All time"),
    "custom": N_("Chosen days"),
}
COMPARES: dict[str, str] = {
    "none": N_("Nothing"),
    "previous": N_("The period before"),
    "year": N_("The same days a year before"),
}
GROUPS: dict[str, str] = {"channel": N_("By channel"), "stage": N_("In the map's order")}
DEFAULT_GROUP = "channel"

#: Options that every page takes besides its own.
COMMON = ("lang", "tz")


UNKNOWN: dict[str, str] = {
    "option": N_("This page has no option {value!r}. It has: {known}."),
    "view": N_("There is no view {value!r}. There are: {known}."),
    "period": N_("There is no period {value!r}. There are: {known}."),
    "persona": N_("The map has no persona {value!r}. It has: {known}."),
    "segment": N_("The map has no segment {value!r}. It has: {known}."),
    "stage": N_("The map has no stage {value!r}. It has: {known}."),
    "touchpoint": N_("The map has no touchpoint {value!r}. It has: {known}."),
    "comparison": N_("There is no comparison {value!r}. There are: {known}."),
    "grouping": N_("There is no grouping {value!r}. There are: {known}."),
    "order": N_("There is no order {value!r}. There are: {known}."),
    "format": N_("There is no format {value!r}. There are: {known}."),
    "language": N_("There is no language {value!r}. There are: {known}."),
    "measure": N_("There is no measure {value!r}. There are: {known}."),
    "definition": N_("There is no definition {value!r}. There are: {known}."),
    "state": N_("There is no state {value!r}. There are: {known}."),
}


def known(what: str, value: str, allowed: Iterable[str]) -> str:
    """``value`` when it is one of ``allowed``; otherwise an error that names them and, as a fact, the nearest.

    ``what`` is a key of ``UNKNOWN``.
    """
    names = list(allowed)
    if value in names:
        return value
    error = NotFoundError if what in ("measure", "definition") else UsageError
    raise error(UNKNOWN[what], value=value, known=", ".join(names) or "–", nearest=nearest(value, names))


def refuse_unknown(query: Mapping[str, str], allowed: Iterable[str]) -> None:
    """Tell every option of the URL that the page does not have."""
    names = [*allowed, *COMMON]
    for name in query:
        known("option", name, names)


def read_date(name: str, text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise UsageError(
            N_("{name} is {value!r}, which is no date. Write it as year-month-day, for example 2026-05-31."),
            name=name,
            value=text,
        ) from None


def read_number(name: str, text: str, least: int, most: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise UsageError(
            N_("{name} is {value!r}; it has to be a whole number from {least} to {most}."),
            name=name,
            value=text,
            least=least,
            most=most,
        )
    return number


@dataclasses.dataclass(frozen=True, slots=True)
class MapOptions:
    """The reader's choices on the map page.

    >>> MapOptions(view="plan", persona="sara").query()
    'view=plan&persona=sara'
    >>> MapOptions().query(view="actual", period="7d")
    'view=actual&period=7d'
    """

    view: View = "both"
    period: str = "30d"
    start: dt.date | None = None  # the first and the last day of a custom period
    end: dt.date | None = None
    persona: str | None = None
    segment: str | None = None
    compare: str = "none"
    group: str = DEFAULT_GROUP

    @classmethod
    def read(cls, query: Mapping[str, str], journey: Journey, usual: str = "30d") -> MapOptions:
        """From a URL's query; raises UsageError with what exists. Empty values (a form's "all") count as not given.

        ``usual`` is the period where the URL names none: the last 30 days on the map, all time on a measure's page.
        """
        refuse_unknown(query, ("view", "period", "since", "until", "persona", "segment", "compare", "group"))
        given = {k: v.strip() for k, v in query.items() if v.strip()}
        start = read_date("since", given["since"]) if "since" in given else None
        end = read_date("until", given["until"]) if "until" in given else None
        period = known("period", given.get("period", "custom" if start or end else usual), PERIODS)
        if period == "custom":
            if start is None and end is None:
                raise UsageError(
                    N_("A period of chosen days needs a first or a last day: since=2026-05-01&until=2026-05-31.")
                )
            if start and end and start > end:
                raise UsageError(
                    N_("The period's first day {first} is after its last day {last}."), first=str(start), last=str(end)
                )
        else:
            start = end = None  # the form's day fields stay filled when another period is chosen
        persona = given.get("persona")
        segment = given.get("segment")
        compare = known("comparison", given.get("compare", "none"), COMPARES)
        view: Any = known("view", given.get("view", "both"), VIEWS)
        return cls(
            view=view,
            period=period,
            start=start,
            end=end,
            persona=known("persona", persona, journey.personas) if persona else None,
            segment=known("segment", segment, journey.segments) if segment else None,
            compare=compare,
            group=known("grouping", given.get("group", DEFAULT_GROUP), GROUPS),
        )

    def query(self, **changes: Any) -> str:
        """The query string of these options with ``changes``, defaults left out, so that links stay short and equal."""
        changed = dataclasses.replace(self, **changes)
        if changed.period != "custom":
            changed = dataclasses.replace(changed, start=None, end=None)
        names = {"start": "since", "end": "until"}
        parts = []
        for field in dataclasses.fields(changed):
            value = getattr(changed, field.name)
            if value != field.default and value is not None:
                parts.append((names.get(field.name, field.name), str(value)))
        return urlencode(parts)

    def href(self, path: str = "/", **changes: Any) -> str:
        query = self.query(**changes)
        return f"{path}?{query}" if query else path

    def periods(self, as_of: dt.datetime, timezone: str) -> tuple[Period, Period | None]:
        """The period and the one compared with, in whole local days of the map's time zone; the day of ``as_of`` is
        the last one of "last 30 days", so that what happens now is in the numbers.

        Returns aware datetimes, start inclusive and end exclusive; None is open.
        """
        zone = ZoneInfo(timezone)
        if self.period == "custom":
            after = self.end + dt.timedelta(days=1) if self.end else None
            period = Period(*(None if day is None else midnight(day, zone) for day in (self.start, after)))
        else:
            period = named_period(self.period, as_of, zone)
        return period, compared_with(period, self.compare, as_of, zone)
