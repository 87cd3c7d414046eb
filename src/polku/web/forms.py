"""What a measure may be asked on its page: its own options and those that all measures share."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from polku.errors import MeasureError
from polku.journey.model import Journey, segment_title, titled
from polku.language import N_, Reader
from polku.measures.ask import options_of
from polku.measures.catalogue import CATALOGUE
from polku.measures.definition import NO, YES, Measure, written
from polku.measures.definition import Option as Asked
from polku.measures.steps import goal_of
from polku.web.answers import Option
from polku.web.options import COMPARES, PERIODS, MapOptions

#: Options of the URL that every measure has: those of the map that choose customers and time.
SHARED = ("period", "since", "until", "persona", "segment", "compare")
#: So many of a measure's own options stand open; those asked for and those needed always do.
UNFOLDED = 4
CHOICES: dict[str, str] = {
    "customer": N_("customers"),
    "session": N_("sessions"),
    "page": N_("page"),
    "touchpoint": N_("touchpoint"),
    "all": N_("source, medium and campaign"),
    "source": N_("source"),
    "medium": N_("medium"),
    "campaign": N_("campaign"),
    "account": N_("account"),
    "event": N_("event"),
    "stage": N_("stage"),
    "day": N_("day"),
    "week": N_("week"),
    "month": N_("month"),
    "persona": N_("persona"),
    "segment": N_("segment"),
    "origin": N_("source, medium and campaign"),
    "first": N_("the first"),
    "last": N_("the last"),
    "every": N_("every one"),
    "furthest": N_("the furthest"),
    "ordered": N_("in order"),
    "strict": N_("strict"),
    "increasing": N_("increasing"),
    "allowed": N_("allowed"),
    "end": N_("end the funnel"),
    "any": N_("in any order"),
    "none": N_("none"),
    "channel": N_("channel"),
    "quarter": N_("quarter"),
    "year": N_("year"),
    "classic": N_("classic"),
    "unbounded": N_("unbounded"),
    "bracket": N_("bracket"),
    "bg_nbd": "BG/NBD",
    "mbg_nbd": "MBG/NBD",
    "pareto_nbd": "Pareto/NBD",
    "bg_bb": "BG/BB",
    "formula": N_("the formula"),
    "observed": N_("as observed"),
    "rate": N_("rate"),
    "conversions": N_("conversions"),
    "conversion": N_("conversion"),
    "count": N_("count"),
    "value": N_("value"),
    "average": N_("average"),
    "holm": "Holm",
    "kmeans": N_("k-means"),
    "mixture": N_("Gaussian mixture"),
    "logistic": N_("logistic regression"),
    "boosting": N_("gradient boosting"),
    "false_discovery": N_("false discovery rate"),
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


def defaults(journey: Journey, measure: Measure) -> dict[str, str]:
    """What the map says for the options that a measure cannot do without, so that its page opens with an answer."""
    found = {}
    steps = default_steps(journey)
    for option in measure.options:
        if option.required and option.kind == "steps" and steps:
            found[option.name] = steps
        elif option.required and option.kind in ("step", "goal") and steps:
            found[option.name] = steps.split(",")[0 if option.kind == "step" else -1]
    return found


def form(
    journey: Journey, measure: Measure, options: MapOptions, given: dict[str, Any], reader: Reader
) -> tuple[Option, ...]:
    """The form of a measure's page, filled with what was asked."""
    fields = [
        dataclasses.replace(
            own_option(asked, given.get(asked.name), reader),
            folded=place >= UNFOLDED and not asked.required and asked.name not in given,
        )
        for place, asked in enumerate(measure.options)
    ]
    shared = (dataclasses.replace(option, shared=True) for option in shared_options(journey, options, reader))
    return (*fields, *shared)


def own_option(asked: Asked, given: Any, reader: Reader) -> Option:
    value = given if given is not None else asked.default
    text = value if isinstance(value, str) else written(asked, value)
    choices: list[tuple[str, str]] = []
    if asked.kind == "choice":
        choices = [(c, reader(CHOICES.get(c, c))) for c in asked.choices]
    elif asked.kind == "flag":
        choices = [("no", reader(N_("no"))), ("yes", reader(N_("yes")))]
        text = text and ("yes" if text.lower() in YES else "no" if text.lower() in NO else text)
    if choices and asked.default is None:
        choices.insert(0, ("", "–"))
    return Option(asked.name, reader(asked.title), text, tuple(choices), reader(asked.help), asked.kind, asked.required)


def steps_known(journey: Journey, events: Iterable[str], reader: Reader) -> tuple[tuple[str, str], ...]:
    """What a step can be, for completion: the map's touchpoints by their titles, then events by their names."""
    known = {t.id: reader.said(titled(t)) for _, _, t in journey.touchpoints() if t.match}
    return (*known.items(), *((name, "") for name in sorted({*events}) if name not in known))


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
