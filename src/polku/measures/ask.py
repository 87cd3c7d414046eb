"""Asking for a measure by name: options read from text, the compared period beside it, the map's own judged."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from polku.errors import MeasureError
from polku.journey.model import Journey, MeasureGoal, Text
from polku.language import N_
from polku.measures.answer import Answer
from polku.measures.catalogue import CATALOGUE
from polku.measures.definition import Measure, known, read
from polku.measures.living import judge
from polku.measures.periods import compared_with, named_period
from polku.measures.result import Period, Rate, State
from polku.measures.view import EVER, View, persona_masks, segment_masks, view_of
from polku.trails.layout import Trails

if TYPE_CHECKING:
    import pyarrow as pa

    from polku.record.project import Project


def measure(
    source: Project | Trails,
    name: str,
    *,
    journey: Journey | None = None,
    period: Period = EVER,
    persona: str | None = None,
    segment: str | None = None,
    compare: Period | None = None,
    as_of: dt.datetime | None = None,
    profiles: pa.Table | None = None,
    **options: Any,
) -> Answer:
    """The answer of the measure called ``name``, or of one that the map itself names under ``measures``.

    Options may be texts, as a command line or a URL gives them (``within="7d"``, ``steps="product,cart,order"``);
    those that are None are left at their default. Raises MeasureError for unknown names and options and for values
    that do not fit.
    """
    view = view_of(source, journey, period=period, persona=persona, segment=segment, as_of=as_of, profiles=profiles)
    return measure_view(view, name, options, compare)


def measure_view(view: View, name: str, options: Mapping[str, Any], compare: Period | None = None) -> Answer:
    """The same of a view."""
    definition, given = resolve(view.journey, name, options)
    if definition.here_only is not None and view.engine is not None:
        raise MeasureError(
            N_("The measure {measure} runs on this machine only, not on an engine: {why}"),
            measure=definition.name,
            why=definition.here_only,
        )
    run = definition.compute()
    keywords = {"from_" if k == "from" else k: v for k, v in given.items()}
    answer = run(view, **keywords)
    before = None
    if compare is not None:
        earlier = view.during(compare)
        before = dataclasses.replace(run(earlier, **keywords), view=earlier)
    return dataclasses.replace(answer, before=before, view=view)


def measure_trails(
    trails: Trails,
    name: str,
    period: str,
    compare: str,
    persona: str | None,
    segment: str | None,
    options: Mapping[str, Any],
) -> Answer:
    """A measure over trails without a map; ``period`` and ``compare`` as people name them."""
    zone = ZoneInfo(trails.timezone)
    wanted = named_period(period, trails.as_of, zone)
    view = view_of(trails, period=wanted, persona=persona, segment=segment)
    return measure_view(view, name, options, compared_with(wanted, compare, trails.as_of, zone))


def resolve(journey: Journey, name: str, options: Mapping[str, Any]) -> tuple[Measure, dict[str, Any]]:
    """The measure meant by ``name`` and its options read; a measure of the map brings options of its own."""
    own = journey.measures.get(name)
    if own is None:
        known(name, [*CATALOGUE, *journey.measures], N_("There is no measure {name!r}.{meant} There are: {known}."))
        definition, given = CATALOGUE[name], {}
    else:
        definition, given = CATALOGUE[own.kind], options_of(own)
    for key, value in options.items():
        option = definition.option(key)
        if value is not None:
            given[option.name] = read(option, value)
    given = {o.name: o.default for o in definition.options if o.default is not None} | given
    for option in definition.options:
        if option.required and not given.get(option.name):
            raise MeasureError(
                N_("The measure {measure} needs {option}, for example {option}=product,cart,order."),
                measure=name,
                option=option.name,
            )
    return definition, given


def options_of(goal: MeasureGoal) -> dict[str, Any]:
    """The options that a measure of the map sets for its kind."""
    wanted = {"from": goal.from_, "to": goal.to, "steps": goal.steps or None, "within": goal.within, "by": goal.by}
    names = {o.name: o for o in CATALOGUE[goal.kind].options}
    given = {k: v for k, v in wanted.items() if v is not None and k in names}
    if "by" in given and given["by"] not in names["by"].choices:
        del given["by"]
    given |= {k: read(names[k], v) for k, v in goal.options.items() if v is not None}
    return given


def shared_of(
    journey: Journey, name: str, period: str | None, persona: str | None, segment: str | None
) -> tuple[str, str | None, str | None]:
    """Period, persona and segment of a question: what was asked, else what the map sets for a measure of its own, else
    all time and everyone. An empty persona or segment asks for everyone.
    """
    own = journey.measures.get(name)
    if own is not None:
        period = period or own.period
        persona = own.persona if persona is None else persona
        segment = own.segment if segment is None else segment
    return period or "all", persona or None, segment or None


def _as_saved(view: View, goal: MeasureGoal) -> View:
    """The view with the period, persona and segment that the map sets for a measure; a persona and a segment that the
    reader has chosen stay.
    """
    persona, segment = view.persona or goal.persona, view.segment or goal.segment
    if persona is not None and view.persona is None:
        view = dataclasses.replace(view.only(persona_masks(view, persona)), persona=persona)
    if segment is not None and view.segment is None:
        view = dataclasses.replace(view.only(segment_masks(view, segment)), segment=segment)
    if goal.period is None:
        return view
    as_of = dt.datetime.fromtimestamp(view.as_of, dt.UTC)
    return view.during(named_period(goal.period, as_of, ZoneInfo(view.journey.timezone)))


@dataclasses.dataclass(frozen=True, slots=True)
class GoalFigure:
    """A measure that the map names, with its target and the plain word for how it stands."""

    id: str
    title: Text
    kind: str
    rate: Rate
    target: float | None
    at_least: bool
    state: State
    before: Rate | None = None
    by_visit: bool = False  # the rate counts visits, so its counts are not those of the customers behind it


def goals(view: View, compare: Period | None = None) -> tuple[GoalFigure, ...]:
    """Every measure that the map names and that has a rate, with actual against target, in the map's order."""
    found = []
    for id, goal in view.journey.measures.items():
        if CATALOGUE[goal.kind].answer().rate is Answer.rate:
            continue  # it gives no one rate: its page is opened for it, the map does not wait for it
        try:
            answer = measure_view(_as_saved(view, goal), id, {}, None if goal.period else compare)
        except MeasureError:  # its page tells why; the map is shown nevertheless
            answer = Answer()
            rate: Rate | None = Rate(0, 0, why=N_("it cannot be measured; its page tells why"))
        else:
            rate = answer.rate
        if rate is None:
            continue
        target = goal.target
        at_least = target.at_least if target else True
        before = answer.before.rate if answer.before else None
        state = judge(target.value if target else None, at_least, rate)
        title = goal.title if goal.title is not None else id.replace("_", " ").capitalize()
        found.append(
            GoalFigure(
                id, title, goal.kind, rate, target.value if target else None, at_least, state, before, answer.by_visit
            )
        )
    return tuple(found)
