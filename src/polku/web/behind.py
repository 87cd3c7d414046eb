"""A selector in words: who the customers of a list are, and which definition tells how they were counted."""

from __future__ import annotations

import datetime as dt

from polku.journey.model import Journey, segment_title, titled
from polku.language import N_, Reader
from polku.measures.catalogue import CATALOGUE
from polku.measures.definition import Measure
from polku.measures.selectors import ANY, Selector, meant, period_of
from polku.measures.steps import chain_of
from polku.web.words import DEFINITIONS

_DAY = dt.timedelta(days=1)
_MIDNIGHT = dt.time()

#: What a selector asks, and the definition of the figure that it stands behind.
DEFINED: dict[str, str] = {
    "now": "now",
    "lapsed": "lapsed",
    "reached": "reached",
    "entered": "entered",
    "went_on": "went_on",
    "dropped": "drop_off",
    "pending": "pending",
    "lapsed_in": "lapsed_in",
    "won_back": "won_back",
    "skipped": "skipped",
    "out_of_sequence": "out_of_sequence",
    "failed": "failed",
    "missing": "missing",
    "customers": "customers",
    "outside": "outside",
    "had_time": "went_on",
    "paid": "value",
    "answered": "felt",
}
#: Words for what a selector of a stage or touchpoint asks, where the definition's title says something wider.
PLACED: dict[str, str] = {
    "had_time": N_("came in the period and have had their time"),
    "paid": N_("paid here in the period"),
    "answered": N_("answered the survey"),
    "tried": N_("came, or failed to"),
    "passed": N_("went on from the stage"),
}
#: Words for what a selector of a measure asks.
ASKED: dict[str, str] = {
    "seen": N_("met it"),
    "reached": N_("came this far"),
    "dropped": N_("dropped off here"),
    "converted": N_("converted"),
    "not": N_("did not convert"),
    "pending": N_("still open"),
    "visited": N_("visited"),
    "bounced": N_("left after one page"),
    "viewed": N_("viewed the page"),
    "exited": N_("left from the page"),
    "all": N_("visited"),
    "left": N_("left without converting"),
    "had_time": N_("have had their time"),
    "converted_in_visit": N_("converted within such a visit"),
}
KINDS: dict[str, str] = {
    "event": N_("Event"),
    "page": N_("Page"),
    "funnel": N_("Funnel"),
    "conversion": N_("Conversion"),
    "source": N_("Source"),
    "landing": N_("Landing page"),
    "exit": N_("Exit page"),
    "visits": N_("Visits"),
}


def definition_of(selector: Selector) -> str | None:
    """The id of the definition of the figure, on /definition; a measure's name for a measure's own list."""
    if selector.kind == "touchpoint" and selector.what == "now":
        return "latest"
    if selector.kind in ("map", "stage", "touchpoint"):
        return DEFINED.get(selector.what)
    if selector.kind in ("event", "page"):
        return "ad_hoc"
    named = {
        "funnel": "funnel",
        "conversion": "conversion",
        "source": "sources",
        "landing": "bounce",
        "exit": "exit",
        "visits": "leaving",
    }.get(selector.kind)
    measure = measure_of_kind(selector.kind)
    return named or (measure.name if measure else None)


def measure_of_kind(kind: str) -> Measure | None:
    """The measure that declares selectors of this kind; None for those that every map has."""
    return next((m for m in CATALOGUE.values() if kind in m.selects), None)


def in_words(selector: Selector, journey: Journey, reader: Reader) -> str:
    """Who they are, when, and of which persona or segment: "Cart: dropped off, 1 May 2026 – 31 May 2026"."""
    parts = [who(selector, journey, reader)]
    days = reader.in_zone(journey.timezone)  # a period's days are the map's, whoever reads
    period = period_of(selector.period, days.zone)
    if period.start or period.end:
        # the period's end is the moment after its last day
        last = period.end.astimezone(days.zone) if period.end else None
        shown = days.date(last - _DAY) if last and last.time() == _MIDNIGHT else days.time(last) if last else ""
        parts.append(f"{days.date(period.start) if period.start else ''} – {shown}".strip())
    persona, segment = selector.option("persona"), selector.option("segment")
    if persona and persona in journey.personas:
        parts.append(reader.said(journey.personas[persona].title))
    if segment:
        known = journey.segments.get(segment)
        parts.append(reader.said(segment_title(segment, known)) if known else segment)
    return ", ".join(parts)


def who(selector: Selector, journey: Journey, reader: Reader) -> str:
    titles = {s.id: reader.said(titled(s)) for s in journey.stages}
    titles |= {t.id: reader.said(titled(t)) for _, _, t in journey.touchpoints()}
    if selector.kind == "map":
        return reader(DEFINITIONS[DEFINED[selector.what]].title)
    if selector.kind in ("stage", "touchpoint"):
        key = definition_of(selector)
        title = PLACED.get(selector.what) or (DEFINITIONS[key].title if key else selector.what)
        asked = reader(title)
        return f"{titles.get(selector.name, selector.name)}: {lowered(asked)}"
    measure = measure_of_kind(selector.kind)
    kind = reader(measure.title) if measure else reader(KINDS[selector.kind])
    name = titles.get(selector.name, selector.name)
    if selector.kind in ("landing", "exit"):
        name = reader(N_("any")) if name == ANY else meant(name)
    if selector.kind in ("funnel", "conversion", "visits"):
        name = " › ".join(titles.get(part, part) for part in chain_of(name) if part)
    asked = reader(ASKED.get(selector.what, selector.what.replace("_", " ")))
    if step := selector.option("step"):
        asked = reader(N_("step {step}, {asked}"), step=step, asked=asked)
    return f"{kind} {name}: {asked}"


def lowered(text: str) -> str:
    return text[:1].lower() + text[1:]
