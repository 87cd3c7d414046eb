"""What a measure may be asked on its page: its own options and those that all measures share."""

from __future__ import annotations

from typing import Any

from polku.errors import MeasureError
from polku.journey.model import Journey, segment_title, titled
from polku.language import N_, Reader
from polku.measures.ask import options_of
from polku.measures.catalogue import CATALOGUE
from polku.measures.definition import Measure
from polku.measures.definition import Option as Asked
from polku.measures.steps import goal_of
from polku.web.answers import Option
from polku.web.options import COMPARES, PERIODS, MapOptions

#: Options of the URL that every measure has: those of the map that choose customers and time.
SHARED = ("period", "since", "until", "persona", "segment", "compare")
CHOICES: dict[str, str] = {
    "customer": N_("customers"),
    "session": N_("sessions"),
    "page": N_("page"),
    "touchpoint": N_("touchpoint"),
    "all": N_("source, medium and campaign"),
    "source": N_("source"),
    "medium": N_("medium"),
    "campaign": N_("campaign"),
}


def measure_of(journey: Journey, name: str) -> tuple[Measure, dict[str, Any]]:
    """The measure of that name, and what the map sets for it when it is one of the map's own."""
    own = journey.measures.get(name)
    return (CATALOGUE[name], {}) if own is None else (CATALOGUE[own.kind], options_of(own))


def default_steps(journey: Journey) -> str:
    """The funnel that a page begins with: the map's own, else one touchpoint a stage up to the map's goal."""
    for own in journey.measures.values():
        if own.kind == "funnel" and own.steps:
            return ",".join(own.steps)
    try:
        goal = goal_of(journey)
    except MeasureError:
        goal = None  # nothing on the map says what converting is: up to its last stage
    steps = []
    for stage in journey.stages:
        met = [t for t in stage.touchpoints if t.match]
        if any(t.id == goal for t in met):
            break
        if met:
            steps.append(next((t.id for t in met if not t.optional), met[0].id))
    return ",".join([*steps, goal] if goal else steps)


def form(
    journey: Journey, measure: Measure, options: MapOptions, given: dict[str, Any], reader: Reader
) -> tuple[Option, ...]:
    """The form of a measure's page, filled with what was asked."""
    fields = [own_option(journey, asked, given.get(asked.name), reader) for asked in measure.options]
    return (*fields, *shared_options(journey, options, reader))


def own_option(journey: Journey, asked: Asked, given: Any, reader: Reader) -> Option:
    value = given if given is not None else asked.default
    text = "" if value is None else ",".join(value) if isinstance(value, (tuple, list)) else str(value)
    title, hint = reader(asked.title), reader(asked.help)
    if asked.kind == "choice":
        choices = [(c, reader(CHOICES.get(c, c))) for c in asked.choices]
        if asked.default is None:
            choices.insert(0, ("", "–"))
        return Option(asked.name, title, text, tuple(choices), hint)
    if asked.kind in ("step", "goal"):
        choices = [("", "–"), *((t.id, reader.said(titled(t))) for _, _, t in journey.touchpoints() if t.match)]
        if text and text not in dict(choices):
            choices.append((text, text))  # the name of an event
        return Option(asked.name, title, text, tuple(choices), hint)
    return Option(asked.name, title, text, (), hint)


def shared_options(journey: Journey, options: MapOptions, reader: Reader) -> list[Option]:
    everyone = ("", reader(N_("All")))
    found = [
        Option("period", reader(N_("Period")), options.period, tuple((k, reader(v)) for k, v in PERIODS.items())),
        Option("since", reader(N_("First day")), str(options.start or "")),
        Option("until", reader(N_("Last day")), str(options.end or "")),
        Option(
            "compare", reader(N_("Compare with")), options.compare, tuple((k, reader(v)) for k, v in COMPARES.items())
        ),
    ]
    if journey.personas:
        personas = ((k, reader.said(v.title)) for k, v in journey.personas.items() if v.where)
        found.append(Option("persona", reader(N_("Persona")), options.persona or "", (everyone, *personas)))
    if journey.segments:
        segments = ((k, reader.said(segment_title(k, v))) for k, v in journey.segments.items())
        found.append(Option("segment", reader(N_("Segment")), options.segment or "", (everyone, *segments)))
    return found
