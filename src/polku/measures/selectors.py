"""Who is behind a number: a small frozen value with a text that fits in a URL and on a command line.

    stage:decision:now                                   touchpoint:cart:dropped:2026-01-01..2026-02-01
    stage:loyalty:went_on:2026-01-01..,persona=sara      event:Gift%20Card%20Viewed:seen
    funnel:product>cart>order:dropped,step=2,by=session  map:customers

``kind:name:what[:period][,option=value ...]``. A period's ends are days of the map's time zone, or moments such as
``20260101T093000Z``; either may be missing. Signs with a meaning of their own are percent-encoded in names.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import re
from collections.abc import Mapping
from urllib.parse import quote, unquote
from zoneinfo import ZoneInfo

from polku.errors import MeasureError, nearest
from polku.language import N_
from polku.measures.result import Period

#: What can be asked of each kind.
KINDS: dict[str, tuple[str, ...]] = {
    "map": ("customers", "outside"),
    "stage": (
        "now", "lapsed", "reached", "entered", "went_on", "dropped", "pending", "had_time", "lapsed_in", "won_back",
        "skipped", "paid",
    ),
    "touchpoint": (
        "now", "reached", "entered", "went_on", "dropped", "pending", "had_time", "out_of_sequence", "failed", "tried",
        "passed", "missing", "paid", "answered",
    ),
    "event": ("seen",),
    "page": ("seen",),
    "conversion": ("converted", "not", "pending", "had_time"),
    "source": ("visited", "converted", "not", "pending", "had_time", "converted_in_visit"),
    "landing": ("visited", "bounced"),
    "exit": ("viewed", "exited"),
    "visits": ("all", "left", "converted"),
}  # fmt: skip
SAFE = "/*-_.~>"
SAFE_VALUE = SAFE + ":"


@functools.lru_cache(4096)
def _quoted(text: str, safe: str) -> str:
    """Percent-encoded; an answer writes the same few names hundreds of times."""
    return quote(text, safe=safe)


@functools.cache
def kinds() -> Mapping[str, tuple[str, ...]]:
    """What can be asked of each kind, those that measures declare included."""
    from polku.measures.catalogue import CATALOGUE

    return KINDS | {kind: whats for measure in CATALOGUE.values() for kind, whats in measure.selects.items()}


@dataclasses.dataclass(frozen=True, slots=True)
class Selector:
    """``kind`` and ``what`` are of KINDS; ``name`` is the stage, touchpoint, event, page, steps ... that is meant."""

    kind: str
    name: str
    what: str
    period: str = ""
    options: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        head = [self.kind, _quoted(self.name, SAFE), self.what] if self.kind != "map" else [self.kind, self.what]
        if self.period:
            head.append(self.period)
        return ",".join([":".join(head), *(f"{k}={_quoted(v, SAFE_VALUE)}" for k, v in self.options)])

    def option(self, name: str) -> str | None:
        return dict(self.options).get(name)

    @classmethod
    def parse(cls, text: str) -> Selector:
        """The selector that ``text`` says. Raises MeasureError with what can be said.

        >>> Selector.parse("touchpoint:cart:dropped:2026-01-01..2026-02-01").what
        'dropped'
        >>> str(Selector.parse("stage:decision:now,persona=sara"))
        'stage:decision:now,persona=sara'
        """
        head, *rest = text.split(",")
        kind, _, after = head.partition(":")
        whats = kinds().get(kind)
        if whats is None:
            raise MeasureError(
                N_("{text!r} does not say whose list is wanted; it begins with one of: {known}."),
                text=text, known=", ".join(kinds()), nearest=nearest(kind, kinds()),
            )  # fmt: skip
        parts = after.split(":")
        name = "" if kind == "map" else unquote(parts.pop(0))
        what = parts.pop(0) if parts else ""
        if what not in whats or len(parts) > 1:
            raise MeasureError(
                N_("{text!r} is not a list of customers; write {example}, where the last word is one of: {known}."),
                text=text, example=f"{kind}:{name}:{whats[0]}" if kind != "map" else "map:customers",
                known=", ".join(whats), nearest=nearest(what, whats),
            )  # fmt: skip
        options = tuple((k, unquote(v)) for k, _, v in (part.partition("=") for part in rest))
        return cls(kind, name, what, parts[0] if parts else "", options)


#: The name of everything together (any page, all groups), where a selector's name may be that of one of them.
ANY = "*"


def apart(name: str) -> str:
    r"""A name that events bring with them (a page, an event, a campaign), told apart from ``ANY``.

    >>> apart("/cart"), apart("*") == r"\*", meant(apart("*"))
    ('/cart', True, '*')
    """
    return f"\\{name}" if name.lstrip("\\") == ANY else name


def meant(name: str) -> str:
    """The name that :func:`apart` was given."""
    return name[1:] if name.startswith("\\") and name.lstrip("\\") == ANY else name


_DAY = re.compile(r"^\d{4}-\d{2}-\d{2}$")


def period_text(period: Period, zone: ZoneInfo) -> str:
    """A period as a selector writes it; empty when it is open at both ends.

    >>> period_text(Period(dt.datetime(2026, 1, 1, tzinfo=ZoneInfo("Europe/Helsinki"))), ZoneInfo("Europe/Helsinki"))
    '2026-01-01..'
    """
    if period.start is None and period.end is None:
        return ""
    return f"{_end_text(period.start, zone)}..{_end_text(period.end, zone)}"


def _end_text(when: dt.datetime | None, zone: ZoneInfo) -> str:
    if when is None:
        return ""
    local = when.astimezone(zone)
    if (local.hour, local.minute, local.second, local.microsecond) == (0, 0, 0, 0):
        return local.date().isoformat()
    return when.astimezone(dt.UTC).strftime("%Y%m%dT%H%M%SZ")


def period_of(text: str, zone: ZoneInfo) -> Period:
    """The period that a selector (or a person) writes: ``2026-01-01..2026-02-01``, either end open."""
    if not text:
        return Period()
    start, dots, end = text.partition("..")
    if not dots:
        raise MeasureError(N_("{text!r} is not a period; write it as 2026-01-01..2026-02-01."), text=text)
    return Period(_end_of(start, text, zone), _end_of(end, text, zone))


def _end_of(part: str, text: str, zone: ZoneInfo) -> dt.datetime | None:
    if not part:
        return None
    try:
        if _DAY.match(part):
            return dt.datetime.fromisoformat(part).replace(tzinfo=zone)
        when = dt.datetime.fromisoformat(part)
    except ValueError as error:
        raise MeasureError(N_("{text!r} is not a period; write it as 2026-01-01..2026-02-01."), text=text) from error
    return when if when.tzinfo else when.replace(tzinfo=zone)


def selector_maker(period: Period, zone: ZoneInfo, options: Mapping[str, str | None]) -> Maker:
    """A function from (kind, name, what) to the selector's text, for one view."""
    return Maker(period_text(period, zone), tuple((k, v) for k, v in options.items() if v is not None))


@dataclasses.dataclass(frozen=True, slots=True)
class Maker:
    """Writes the selectors of one view, which share their period and filters."""

    period: str
    options: tuple[tuple[str, str], ...] = ()

    def __call__(self, kind: str, name: str, what: str, **options: object) -> str:
        own = tuple((k, str(v)) for k, v in options.items() if v is not None)
        return str(Selector(kind, name, what, self.period, own + self.options))
