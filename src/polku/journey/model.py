"""The map as frozen values: what ``journey.yaml`` says, after it has been read and checked.

The map knows nothing of events on disk, trails or measures. Everything that runs on it reads these classes.
Texts are one string, or one string a language: ``{fi: Ensimmäinen tilaus, en: First order}``.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Text = str | dict[str, str]

DURATION = re.compile(
    r"^\s*(\d+(?:[.,]\d+)?)\s*(s|min|m|h|d|w|months?|y|years?|days?|weeks?|hours?|minutes?|seconds?)\s*$"
)
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}


def duration(text: str | int | float) -> int:
    """Seconds of a duration such as ``30m``, ``4h``, ``7d``, ``2w``, ``3 months`` (30 days each), ``1y`` (365 days).

    >>> duration("7d"), duration("4h"), duration("3 months")
    (604800, 14400, 7776000)
    """
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        return int(text)
    found = DURATION.match(str(text))
    if not found:
        raise ValueError(f"{text!r} is not a duration; write a number and s, min, h, d, w, months or y, for example 7d")
    number, unit = float(found[1].replace(",", ".")), found[2]
    size = 30 * 86400 if unit.startswith("month") else SECONDS[unit[0]]
    return int(number * size)


def share(text: str | int | float) -> float:
    """A share of 0 to 1 from ``12 %``, ``12%``, ``0.12``.

    >>> share("12 %"), share("2,5 %"), share(0.3)
    (0.12, 0.025, 0.3)
    """
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        value = float(text)
    else:
        found = re.fullmatch(r"\s*(\d+(?:[.,]\d+)?)\s*(%?)\s*", str(text))
        if not found:
            raise ValueError(f"{text!r} is not a share; write it as 12 % or 0.12")
        value = float(found[1].replace(",", ".")) / (100 if found[2] else 1)
    if not 0 <= value <= 1:
        raise ValueError(f"{text!r} is not between 0 % and 100 %")
    return value


def one_or_many(value: Any) -> Any:
    return value if isinstance(value, (list, tuple)) else (value,)


Seconds = Annotated[int, BeforeValidator(duration), Field(gt=0, json_schema_extra={"type": ["string", "integer"]})]
Share = Annotated[float, BeforeValidator(share), Field(json_schema_extra={"type": ["string", "number"]})]
Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(one_or_many)]
Names = Annotated[tuple[str, ...], BeforeValidator(one_or_many)]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Target(Part):
    """A goal for a measure: at least or at most a value. Written ``">= 3 %"``, ``"<= 40 %"``, ``30 %`` (at least)."""

    at_least: bool = True
    value: float
    percent: bool = True

    @classmethod
    def read(cls, text: Any) -> Any:
        if isinstance(text, (Target, dict)):
            return text
        found = re.fullmatch(r"\s*(>=|<=|≥|≤)?\s*(\d+(?:[.,]\d+)?)\s*(%?)\s*", str(text))
        if not found:
            raise ValueError(f"{text!r} is not a target; write it as '>= 3 %' or '<= 40 %'")
        number = float(found[2].replace(",", "."))
        return {
            "at_least": found[1] not in ("<=", "≤"),
            "value": number / 100 if found[3] else number,
            "percent": bool(found[3]),
        }

    def met(self, actual: float) -> bool:
        return actual >= self.value if self.at_least else actual <= self.value


Goal = Annotated[
    Target, BeforeValidator(Target.read), Field(json_schema_extra={"type": ["string", "number", "object"]})
]


class Match(Part):
    """Which events are this touchpoint: by canonical name, by page path (``*`` and ``?`` as in a shell), by ``where``."""

    event: Names = ()
    path: Names = ()
    where: str | None = None


Matches = Annotated[tuple[Match, ...], BeforeValidator(one_or_many)]


class Expect(Part):
    """What the plan expects: the share of customers here who go on to a later stage, and within what time."""

    share: Goal | None = None
    within: Seconds | None = None


class Felt(Part):
    """The survey that measures the feeling here: ``score`` names the property that holds the answer."""

    event: str = "Survey Answered"
    where: str | None = None
    score: str = "score"
    scale: tuple[float, float] = (0, 10)


class Touchpoint(Part):
    """One meeting of customer and company."""

    id: Id
    title: Text | None = None
    channel: str | None = None  # web, email, social, search, ads, store, phone, chat, app, mail, partner, event
    match: Matches = ()  # none: planned only, drawn as such
    fails: Matches = ()  # events that say that the touchpoint failed (Payment Failed, Page Failed)
    goal: Text | None = None
    actions: Texts = ()
    questions: Texts = ()
    obstacles: Texts = ()
    content: Texts = ()
    tools: Names = ()
    owner: str | None = None
    personas: Names = ()  # only for these personas; none: for all
    expect: Expect | None = None
    value: str | None = None  # the property that holds money, for example revenue
    moment_of_truth: bool = False
    optional: bool = False  # passing it by is no deviation
    feeling: Annotated[float, Field(ge=-2, le=2)] | None = None  # hypothesis, -2 (bad) to 2 (good)
    felt: Felt | None = None


class Stage(Part):
    """One stage of the journey, left to right."""

    id: Id
    title: Text | None = None
    goal: Text | None = None  # the customer's goal here
    actions: Texts = ()
    questions: Texts = ()
    obstacles: Texts = ()
    content: Texts = ()
    owner: str | None = None
    feeling: Annotated[float, Field(ge=-2, le=2)] | None = None
    touchpoints: tuple[Touchpoint, ...] = ()
    enter: str | None = None  # when given, it alone decides who enters; see expressions.Condition
    lapses_after: Seconds | None = None
    active_on: Names = ()  # ids of touchpoints that count as activity; none: every touchpoint of the map
    expect: Expect | None = None


class Persona(Part):
    title: Text
    who: Text | None = None
    trigger: Text | None = None
    goal: Text | None = None
    first_met: Texts = ()
    know_before: Texts = ()  # what they want to know before they buy
    questions: Texts = ()
    obstacles: Texts = ()
    benefits: Texts = ()
    platforms: Names = ()
    why_bought: Text | None = None
    brings_back: Text | None = None
    evidence: Text | None = None  # absent: a hypothesis
    where: str | None = None


class Role(Part):
    """A role in a B2B account: user, champion, economic buyer, legal."""

    title: Text
    goal: Text | None = None
    questions: Texts = ()
    obstacles: Texts = ()
    where: str | None = None


class MeasureGoal(Part):
    """A named measure of the map with its goal."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    kind: Literal["conversion", "funnel", "stages", "bounce", "exit", "sources"]
    title: Text | None = None
    from_: str | None = Field(default=None, alias="from")
    to: str | None = None
    steps: Names = ()
    within: Seconds | None = None
    by: Literal["customer", "session"] = "customer"
    target: Goal | None = None


class Guidance(Part):
    """What should happen when: kept and shown with the map; it runs in the room ``guidance``."""

    id: Id
    title: Text | None = None
    when: dict[str, Any]
    only_if: dict[str, Any] = Field(default_factory=dict)
    send: dict[str, Any] | None = None
    do: tuple[dict[str, Any], ...] = ()
    limit: dict[str, Any] = Field(default_factory=dict)
    holdout: Share | None = None
    judge_by: str | None = None
    state: Literal["draft", "on", "off"] = "draft"


class Task(Part):
    task: Text
    order: int | None = None
    touchpoint: str | None = None
    stage: str | None = None
    owner: str | None = None
    due: dt.date | None = None
    partner: str | None = None
    afterwards: str | None = None
    done: dt.date | None = None


class Competitor(Part):
    name: str
    seen: dt.date | None = None
    better: Texts = ()
    worse: Texts = ()
    notes: Text | None = None


class Journey(Part):
    """The whole map."""

    polku: Literal[1] = 1
    title: Text
    description: Text | None = None
    subject: Literal["person", "account"] = "person"
    timezone: str = "Europe/Helsinki"
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "EUR"
    window: Seconds = 30 * 86400  # the time a customer is given to go on, where a stage or touchpoint says nothing
    session_gap: Seconds = 30 * 60
    personas: dict[str, Persona] = Field(default_factory=dict)
    roles: dict[str, Role] = Field(default_factory=dict)
    segments: dict[str, str] = Field(default_factory=dict)
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)]
    measures: dict[str, MeasureGoal] = Field(default_factory=dict)
    guidance: tuple[Guidance, ...] = ()
    plan: tuple[Task, ...] = ()
    competitors: tuple[Competitor, ...] = ()
    review: str | None = None  # "every 3 months"
    reviewed: dt.date | None = None

    def touchpoints(self) -> Iterator[tuple[int, Stage, Touchpoint]]:
        """Every touchpoint with its stage and the stage's index, in the map's order (stage by stage, top to bottom).

        The running number of a touchpoint in this order is its index in trails and kernels.
        """
        for index, stage in enumerate(self.stages):
            for touchpoint in stage.touchpoints:
                yield index, stage, touchpoint

    @property
    def touchpoint_ids(self) -> tuple[str, ...]:
        return tuple(t.id for _, _, t in self.touchpoints())

    @property
    def stage_ids(self) -> tuple[str, ...]:
        return tuple(s.id for s in self.stages)

    def stage(self, id: str) -> Stage:
        return next(s for s in self.stages if s.id == id)

    def touchpoint(self, id: str) -> Touchpoint:
        return next(t for _, _, t in self.touchpoints() if t.id == id)


def titled(part: Stage | Touchpoint) -> Text:
    """The title, or the id made readable where the map gives none."""
    return part.title if part.title is not None else part.id.replace("_", " ").capitalize()
