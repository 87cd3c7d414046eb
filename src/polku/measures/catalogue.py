"""Every measure by name, with its options: commands, pages, the API and the notebook are made from this one list."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from polku.errors import MeasureError
from polku.journey.model import Journey, MeasureGoal, Text, duration
from polku.language import N_, translate
from polku.measures import conversion as conversions
from polku.measures import funnel as funnels
from polku.measures import pages
from polku.measures import sources as origins
from polku.measures import stages as by_stage
from polku.measures.answer import Answer
from polku.measures.living import judge
from polku.measures.result import Period, Rate, State
from polku.measures.view import EVER, View, known, view_of
from polku.trails.layout import Trails

if TYPE_CHECKING:
    import pyarrow as pa

    from polku.record.project import Project

Kind = Literal["step", "steps", "goal", "duration", "choice", "number"]


@dataclasses.dataclass(frozen=True, slots=True)
class Option:
    """One option of a measure. ``step`` is a touchpoint's id or an event's name; ``duration`` is as in the map (7d)."""

    name: str
    kind: Kind
    title: str
    help: str
    default: Any = None
    choices: tuple[str, ...] = ()
    required: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Measure:
    """A measure: how it is called, what it says, what it may be asked, and how it is computed."""

    name: str
    title: str
    summary: str
    answer: type[Answer]
    options: tuple[Option, ...]
    run: Callable[..., Answer]

    def definition(self, language: str = "en") -> tuple[str, ...]:
        return self.answer.definition(language)

    def option(self, name: str) -> Option:
        """Raises MeasureError with the nearest option."""
        names = [o.name for o in self.options]
        place = known(name, names, N_("This measure has no option {name!r}.{meant} It has: {known}."))
        return self.options[place]


BY_CUSTOMER = Option(
    "by", "choice", N_("by"), N_("count customers, or sessions each by itself"), "customer", ("customer", "session")
)
BY_VISIT = dataclasses.replace(BY_CUSTOMER, default="session")
BY_PLACE = Option(
    "by", "choice", N_("by"), N_("by page, or by touchpoint; by page where pages are known"), None, pages.BY
)
TO = Option(
    "to", "goal", N_("to"), N_("the touchpoint or event that counts as converting; by default the map's own goal")
)
AT = Option("from", "step", N_("from"), N_("the touchpoint that they left from; by default any"))
LIMIT = Option("limit", "number", N_("rows"), N_("how many rows to show"), 50)

CATALOGUE: dict[str, Measure] = {
    m.name: m
    for m in (
        Measure(
            "stages",
            N_("Stages"),
            N_("Customers by stage: now, entered, went on, dropped off, lapsed, won back."),
            by_stage.Stages,
            (),
            by_stage.stages,
        ),
        Measure(
            "conversion",
            N_("Conversion"),
            N_("Converted of visitors: 50 of 1,000 is 5 %."),
            conversions.Conversion,
            (
                Option(
                    "from", "step", N_("from"), N_("the touchpoint or event where they begin; by default any visit")
                ),
                TO,
                Option(
                    "within",
                    "duration",
                    N_("within"),
                    N_("the time they are given, for example 7d; by default no limit"),
                ),
                BY_CUSTOMER,
            ),
            lambda view, *, to=None, within=None, by="customer", **rest: conversions.conversion(
                view, rest.get("from"), to, within, by
            ),
        ),
        Measure(
            "leaving",
            N_("Leaving"),
            N_("Left without converting, of all visits; the practitioners' exit rate."),
            conversions.Leaving,
            (TO, BY_VISIT),
            conversions.leaving,
        ),
        Measure(
            "bounce",
            N_("Bounce"),
            N_("Visits of one page, of all visits, by where they landed."),
            pages.Bounce,
            (dataclasses.replace(AT, help=N_("the touchpoint on which they landed; by default any")), BY_PLACE, LIMIT),
            lambda view, *, by=None, limit=50, **rest: pages.bounce(view, by, limit, rest.get("from")),
        ),
        Measure(
            "exit",
            N_("Exit"),
            N_("Visits that ended on a page, of the views of it."),
            pages.Exit,
            (AT, BY_PLACE, LIMIT),
            lambda view, *, by=None, limit=50, **rest: pages.exits(view, by, limit, rest.get("from")),
        ),
        Measure(
            "funnel",
            N_("Funnel"),
            N_("Who takes the steps in order, and where they drop off."),
            funnels.Funnel,
            (
                Option("steps", "steps", N_("steps"), N_("touchpoints or events in order, two or more"), required=True),
                Option(
                    "within",
                    "duration",
                    N_("within"),
                    N_("the time given from the first step, for example 7d; by default no limit"),
                ),
                BY_CUSTOMER,
            ),
            funnels.funnel,
        ),
        Measure(
            "sources",
            N_("Sources"),
            N_("Visits, customers and conversion by source, medium and campaign."),
            origins.Sources,
            (
                Option(
                    "by",
                    "choice",
                    N_("by"),
                    N_("which part of the origin to group by"),
                    "all",
                    ("all", *origins.LEVELS),
                ),
                TO,
                Option(
                    "within",
                    "duration",
                    N_("within"),
                    N_("the time to convert, for example 30d; by default the map's window"),
                ),
                LIMIT,
            ),
            origins.sources,
        ),
    )
}


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
    answer = definition.run(view, **given)
    if compare is None:
        return answer
    return dataclasses.replace(answer, before=definition.run(view.during(compare), **given))


def resolve(journey: Journey, name: str, options: Mapping[str, Any]) -> tuple[Measure, dict[str, Any]]:
    """The measure meant by ``name`` and its options read; a measure of the map brings options of its own."""
    own = journey.measures.get(name)
    if own is None:
        known(name, [*CATALOGUE, *journey.measures], N_("There is no measure {name!r}.{meant} There are: {known}."))
        definition, given = CATALOGUE[name], {}
    else:
        definition, given = CATALOGUE[own.kind], options_of(own)
    given |= {k: read(definition.option(k), v) for k, v in options.items() if v is not None}
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
    return given


def read(option: Option, value: Any) -> Any:
    """An option's value from its text. Raises MeasureError with what would fit."""
    if option.kind == "steps":
        parts = value.split(",") if isinstance(value, str) else list(value)
        return tuple(part.strip() for part in parts if part.strip())
    if option.kind == "choice":
        known(str(value), option.choices, N_("{name!r} does not fit here.{meant} Choose one of: {known}."))
        return str(value)
    if option.kind == "duration":
        try:
            return duration(int(value) if isinstance(value, str) and value.isdigit() else value)
        except ValueError as error:
            raise MeasureError(
                N_("{value!r} is not a length of time; write for example 7d, 4h or 30min."), value=str(value)
            ) from error
    if option.kind == "number":
        text = str(value)
        if not text.isdigit() or int(text) < 1:
            raise MeasureError(N_("{value!r} is not a whole number above 0."), value=text)
        return int(text)
    return str(value)


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


def rate_of(answer: Answer) -> Rate:
    """The one rate that a target is held against."""
    match answer:
        case conversions.Conversion() | funnels.Funnel():
            return answer.conversion
        case pages.Bounce() | pages.Exit():
            return answer.overall
        case conversions.Leaving():
            return answer.left
        case origins.Sources():
            won = sum(s.visit_conversion.numerator for s in answer.sources)
            return Rate(won, answer.visits)
        case by_stage.Stages():
            return answer.stages[0].figures.went_on
    raise MeasureError(N_("This measure has no rate to hold a target against."))


def by_visit(answer: Answer) -> bool:
    """Whether the rate of :func:`rate_of` counts visits and not customers."""
    match answer:
        case pages.Bounce() | pages.Exit() | origins.Sources():
            return True
        case conversions.Conversion() | conversions.Leaving() | funnels.Funnel():
            return answer.by == "session"
    return False


def goals(view: View, compare: Period | None = None) -> tuple[GoalFigure, ...]:
    """Every measure that the map names, with actual against target, in the map's order."""
    found = []
    for id, goal in view.journey.measures.items():
        answer = measure_view(view, id, {}, compare)
        rate = rate_of(answer)
        target = goal.target
        at_least = target.at_least if target else True
        before = rate_of(answer.before) if answer.before else None
        state = judge(target.value if target else None, at_least, rate)
        title = goal.title if goal.title is not None else id.replace("_", " ").capitalize()
        found.append(
            GoalFigure(
                id, title, goal.kind, rate, target.value if target else None, at_least, state, before, by_visit(answer)
            )
        )
    return tuple(found)


def describe(name: str, language: str = "en") -> str:
    """A measure's title and definition as one text."""
    definition = CATALOGUE[name]
    return "\n".join([translate(language, definition.title), *definition.definition(language)])
