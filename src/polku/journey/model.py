"""The map as frozen values: what ``journey.yaml`` says, after it has been read and checked.

The map knows nothing of events on disk, trails or measures. Everything that runs on it reads these classes.
Texts are one string, or one string a language: ``{fi: Ensimmäinen tilaus, en: First order}``.

A journey never changes: its parts are frozen, its lists are tuples, its mappings are ``Frozen``; it has a hash.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from polku.journey import values
from polku.journey.campaigns import Audience as Audience
from polku.journey.campaigns import Audiences, Campaigns
from polku.journey.campaigns import Campaign as Campaign
from polku.journey.campaigns import Invitation as Invitation
from polku.journey.campaigns import Pace as Pace
from polku.journey.offers import Offers, OffersPart
from polku.journey.onsite import SitePiece as SitePiece
from polku.journey.onsite import SitePieces
from polku.journey.parts import Day as Day
from polku.journey.parts import Feeling as Feeling
from polku.journey.parts import Free as Free
from polku.journey.parts import Id as Id
from polku.journey.parts import Name as Name
from polku.journey.parts import Names as Names
from polku.journey.parts import Part as Part
from polku.journey.parts import Seconds as Seconds
from polku.journey.parts import Share as Share
from polku.journey.parts import Text as Text
from polku.journey.parts import Texts as Texts
from polku.journey.parts import empty
from polku.journey.surveys import AskIf as AskIf
from polku.journey.surveys import Choice as Choice
from polku.journey.surveys import Question as Question
from polku.journey.surveys import Survey as Survey
from polku.journey.surveys import Surveys, measured_by
from polku.journey.values import DURATION as DURATION
from polku.journey.values import Frozen as Frozen
from polku.journey.values import duration as duration
from polku.journey.values import freeze, one_or_many


class Target(Part):
    """A goal for a measure: at least or at most a value. Written ``">= 3 %"``, ``"<= 40 %"``, ``30 %`` (at least)."""

    at_least: bool = Field(default=True, description="True: at least this much. False: at most.")
    value: float = Field(description="The bound; a share of 0 to 1 where it is given in percent.")
    percent: bool = Field(default=True, description="Whether it is told in percent.")

    @classmethod
    def read(cls, text: Any) -> Any:
        return text if isinstance(text, Target) else values.target(text)

    def met(self, actual: float) -> bool:
        return actual >= self.value if self.at_least else actual <= self.value


Goal = Annotated[
    Target,
    BeforeValidator(
        Target.read, json_schema_input_type=Annotated[str, Field(pattern=values.TARGET.pattern)] | float | Target
    ),
]


class Match(Part):
    """Which events are this touchpoint: by canonical name, by page path (``*`` and ``?`` as in a shell), by ``where``.

    Every key that is given must fit; of a list, one is enough. An event is the first touchpoint that it fits.
    """

    event: Names = Field(default=(), description="Canonical names of events.", examples=["Product Viewed", "page"])
    path: Names = Field(
        default=(), description="Paths of pages; * is any text and ? any sign.", examples=["/size-guide*"]
    )
    where: Name | None = Field(
        default=None,
        description="A condition on the event, in the where language.",
        examples=["context.campaign.source = 'instagram'"],
    )


Matches = Annotated[tuple[Match, ...], BeforeValidator(one_or_many, json_schema_input_type=Match | list[Match] | None)]


class Expect(Part):
    """What the plan expects: the share of customers here who go on to a later stage, and within what time."""

    share: Goal | None = Field(
        default=None, description="The share of customers that should go on.", examples=["12 %", ">= 12 %"]
    )
    within: Seconds | None = Field(
        default=None,
        description="The time they are given; the map's window where it is left out.",
        examples=["3d", "4h"],
    )


class Felt(Part):
    """The survey that measures the feeling here: ``score`` names the property that holds the answer."""

    event: Name = Field(default="Survey Answered", description="The event of an answer.")
    where: Name | None = Field(
        default=None,
        description="Which answers, in the where language.",
        examples=["properties.survey = 'order'"],
    )
    score: Name = Field(default="score", description="The property that holds the number.")
    scale: tuple[float, float] = Field(default=(0, 10), description="The worst and the best number.")
    kind: Literal["nps", "csat", "ces", "review"] | None = Field(
        default=None,
        description="What the question asks: nps (would you recommend us, 0 to 10), csat (were you satisfied), ces "
        "(was it easy), review (stars). Left out: nps on a scale of 0 to 10, ces on 1 to 7, csat otherwise.",
    )


class Touchpoint(Part):
    """One meeting of customer and company."""

    id: Id = Field(
        description="Its name in the map: small letters, digits and _; unique in the map.", examples=["cart"]
    )
    title: Text | None = Field(default=None, description="What people read; made from the id where left out.")
    channel: Name | None = Field(
        default=None,
        description="Where it takes place: web, email, social, search, ads, store, phone, chat, app, mail, survey, "
        "partner, event, sms, push, or a word of your own. It draws the map's lanes and narrows no matcher.",
        examples=["web", "email", "store"],
    )
    match: Matches = Field(
        default=(), description="Events that are this touchpoint; none: planned only, drawn as such."
    )
    fails: Matches = Field(
        default=(), description="Events that say that the touchpoint failed, such as Payment Failed or Page Failed."
    )
    goal: Text | None = Field(default=None, description="The customer's goal here.")
    actions: Texts = Field(default=(), description="What the customer does here.")
    questions: Texts = Field(default=(), description="What the customer asks here.")
    obstacles: Texts = Field(default=(), description="What stops people here.")
    content: Texts = Field(default=(), description="What we show or send here.")
    tools: Names = Field(default=(), description="Tools that run it.", examples=["Meta Ads"])
    owner: Name | None = Field(default=None, description="Who answers for it.")
    personas: Names = Field(default=(), description="Only for these personas; none: for all.")
    expect: Expect | None = Field(default=None, description="What the plan expects here.")
    value: Name | None = Field(
        default=None,
        description="The property that holds money; the event's value where left out.",
        examples=["revenue"],
    )
    moment_of_truth: bool = Field(default=False, description="Whether the journey is decided here.")
    optional: bool = Field(default=False, description="Passing it by is no deviation.")
    feeling: Feeling | None = Field(
        default=None,
        description="How it feels, as we suppose: -2 (bad) to 2 (good). A hypothesis until felt measures it.",
    )
    felt: Felt | None = Field(default=None, description="The survey that measures the feeling.")


class Stage(Part):
    """One stage of the journey, left to right."""

    id: Id = Field(description="Its name in the map: small letters, digits and _; unique.", examples=["decision"])
    title: Text | None = Field(default=None, description="What people read; made from the id where left out.")
    goal: Text | None = Field(default=None, description="The customer's goal in this stage.")
    actions: Texts = Field(default=(), description="What the customer does in this stage.")
    questions: Texts = Field(default=(), description="What the customer asks in this stage.")
    obstacles: Texts = Field(default=(), description="What stops people in this stage.")
    content: Texts = Field(default=(), description="What we show or send in this stage.")
    owner: Name | None = Field(default=None, description="Who answers for it.")
    feeling: Feeling | None = Field(default=None, description="How it feels, as we suppose: -2 (bad) to 2 (good).")
    touchpoints: Annotated[
        tuple[Touchpoint, ...], BeforeValidator(values.none_is_empty, json_schema_input_type=list[Touchpoint] | None)
    ] = Field(default=(), description="The meetings of this stage, in order.")
    enter: Name | None = Field(
        default=None,
        description="A condition that alone decides who enters; without it, touching a touchpoint does.",
        examples=["count(order) >= 2 within 365d"],
    )
    lapses_after: Seconds | None = Field(
        default=None, description="After that long without activity a customer here is lapsed.", examples=["180d"]
    )
    active_on: Names = Field(
        default=(), description="Touchpoints that count as activity here; none: every touchpoint of the map."
    )
    expect: Expect | None = Field(default=None, description="What the plan expects of this stage.")


class Persona(Part):
    """Whom the journey is for. Without evidence it is shown as a hypothesis."""

    title: Text = Field(description="What people read.", examples=["Sara, 27, a summer party outfit"])
    who: Text | None = Field(default=None, description="Age, work, life, income, interests.")
    trigger: Text | None = Field(default=None, description="What starts the journey: a wish, or a thing that broke.")
    goal: Text | None = Field(default=None, description="What they want to have at the end.")
    first_met: Texts = Field(default=(), description="Where they can meet us first.")
    know_before: Texts = Field(default=(), description="What they want to know before they buy.")
    questions: Texts = Field(default=(), description="What they ask on the way.")
    obstacles: Texts = Field(default=(), description="What they stumble on.")
    benefits: Texts = Field(default=(), description="What is worth most to them.")
    platforms: Names = Field(default=(), description="Favourite platforms.", examples=["Instagram"])
    why_bought: Text | None = Field(default=None, description="Why they bought in the end.")
    brings_back: Text | None = Field(default=None, description="What brings them back.")
    evidence: Text | None = Field(
        default=None, description="What it rests on; absent: a hypothesis.", examples=["12 interviews, 2026-05"]
    )
    where: Name | None = Field(
        default=None,
        description="Which customers they are, in the where language over traits.",
        examples=["traits.segment = 'fashion'"],
    )


class Role(Part):
    """A role in a B2B account: user, champion, economic buyer, legal."""

    title: Text = Field(description="What people read.")
    goal: Text | None = Field(default=None, description="What they want of the purchase.")
    questions: Texts = Field(default=(), description="What they ask.")
    obstacles: Texts = Field(default=(), description="What makes them say no.")
    where: Name | None = Field(
        default=None,
        description="Which people they are, in the where language.",
        examples=["context.role = 'champion'"],
    )


class Segment(Part):
    """A group of customers: a condition, and what people read. The condition alone may stand in its place."""

    condition: Name = Field(
        description="What they have done, in the language of enter.",
        examples=["sum(order.value) > 500 within 365d"],
    )
    title: Text | None = Field(default=None, description="What people read; made from its name where left out.")

    @classmethod
    def read(cls, value: Any) -> Any:
        """The short form, a condition alone, as the long one."""
        return value if isinstance(value, (Segment, dict)) else {"condition": values.name(value)}


Condition = Annotated[Segment, BeforeValidator(Segment.read, json_schema_input_type=Name | Segment)]


class MeasureGoal(Part):
    """A named measure of the map with its goal."""

    kind: Name = Field(description="Which measure it is: a name of the catalogue of measures.")
    title: Text | None = Field(default=None, description="What people read; made from its name where left out.")
    from_: Name | None = Field(default=None, alias="from", description="The touchpoint where it starts.")
    to: Name | None = Field(default=None, description="The touchpoint that counts as converted.")
    steps: Names = Field(default=(), description="The touchpoints of a funnel, in order.")
    within: Seconds | None = Field(default=None, description="The time from the first step.", examples=["7d"])
    by: Literal["customer", "session"] = Field(
        default="customer", description="Whether customers or sessions are counted."
    )
    period: Annotated[str | None, BeforeValidator(values.period)] = Field(
        default=None,
        description="The period measured where nobody asks for another; all time where left out.",
        examples=["30d", "2026-01-01..2026-02-01"],
    )
    persona: Name | None = Field(default=None, description="The persona measured where nobody asks for another.")
    segment: Name | None = Field(default=None, description="The segment measured where nobody asks for another.")
    options: Annotated[Free, BeforeValidator(empty, json_schema_input_type=Free | None)] = Field(
        default_factory=Frozen,
        description="Any other option of the measure, as its command and its page name it.",
        examples=[{"unit": "month"}],
    )
    target: Goal | None = Field(default=None, description="The goal.", examples=[">= 3 %", "<= 40 %"])


class Guidance(Part):
    """What should happen when: kept and shown with the map; it runs in the room ``guidance``."""

    id: Id = Field(description="Its name: small letters, digits and _; unique.", examples=["cart_reminder"])
    title: Text | None = Field(default=None, description="What people read.")
    when: Free = Field(
        description="What sets it off: reached (a touchpoint or stage) with without and for, entered, left, lapsed or "
        "won_back (stages), failed (a touchpoint), segment, event with where, date, every (day, week, month), score.",
        examples=[{"reached": "cart", "without": "order", "for": "4h"}],
    )
    only_if: Annotated[Free, BeforeValidator(empty, json_schema_input_type=Free | None)] = Field(
        default_factory=Frozen,
        description="What must hold besides; who met it and no longer does leaves the rule.",
        examples=[{"consent": "email"}],
    )
    send: Free | None = Field(
        default=None,
        description="The channel and the content that is sent, or variants of it (choose: fixed or bandit, floor).",
        examples=[{"channel": "email", "content": "content/cart_reminder.en.md"}],
    )
    do: Annotated[tuple[Free, ...], BeforeValidator(values.none_is_empty, json_schema_input_type=list[Free] | None)] = (
        Field(
            default=(),
            description="What is done in order: send, task, wait, if with then and else, stop.",
            examples=[[{"wait": "3d"}, {"send": {"channel": "email", "content": "content/welcome_2.en.md"}}]],
        )
    )
    until: Annotated[tuple[Any, ...], BeforeValidator(one_or_many), AfterValidator(freeze)] = Field(
        default=(),
        description="The goal: whoever reaches one of these touchpoints or stages leaves the rule.",
        examples=["order"],
    )
    group: Name | None = Field(
        default=None, description="Nobody waits in two rules of one group at a time.", examples=["carts"]
    )
    priority: int = Field(default=0, description="Of several rules that want the same customer the highest goes first.")
    owed: bool = Field(
        default=False,
        description="Asked for or due to the customer, as a receipt or the end of a trial: no hold-out, no caps.",
    )
    limit: Annotated[Free, BeforeValidator(empty, json_schema_input_type=Free | None)] = Field(
        default_factory=Frozen, description="How often at most.", examples=[{"times": 1, "every": "14d"}]
    )
    holdout: Share | None = Field(
        default=None, description="The share that gets nothing, to compare with.", examples=["10 %"]
    )
    judge_by: Name | None = Field(default=None, description="The measure of this map that judges it.")
    state: Literal["draft", "on", "off"] = Field(default="draft", description="Whether it runs.")


class ContactCap(Part):
    """At most so many messages on a channel within any window of that length."""

    times: Annotated[int, Field(ge=0)] = Field(description="How many at most.", examples=[3])
    every: Seconds = Field(description="The window: it rolls, and is no calendar week.", examples=["7d"])


class ContactPolicy(Part):
    """What holds over all rules of guidance together."""

    caps: Annotated[
        dict[str, ContactCap],
        BeforeValidator(empty, json_schema_input_type=dict[str, ContactCap] | None),
        AfterValidator(Frozen),
    ] = Field(
        default_factory=Frozen,
        description="How many messages a customer gets at most, by channel.",
        examples=[{"email": {"times": 3, "every": "7d"}}],
    )
    quiet_hours: Name | None = Field(
        default="21:00-08:00",
        description="When nothing is sent that makes a sound, in the customer's own time; null: no such hours.",
        examples=["21:00-08:00"],
    )


class Task(Part):
    """One thing to do to the journey: what, who, when."""

    task: Text = Field(description="What is done.")
    order: int | None = Field(default=None, description="Its place in the order of work.")
    touchpoint: Name | None = Field(default=None, description="The touchpoint that it mends.")
    stage: Name | None = Field(default=None, description="The stage that it mends.")
    owner: Name | None = Field(default=None, description="Who does it.")
    due: Day | None = Field(default=None, description="By what day.")
    partner: Name | None = Field(default=None, description="Who helps from outside.")
    afterwards: Name | None = Field(default=None, description="Who looks after it when it is done.")
    done: Day | None = Field(default=None, description="The day it was done.")


class Competitor(Part):
    """What a competitor's journey does better or worse."""

    name: Name = Field(description="Who.")
    seen: Day | None = Field(default=None, description="The day someone looked.")
    better: Texts = Field(default=(), description="What they do better.")
    worse: Texts = Field(default=(), description="What they do worse.")
    notes: Text | None = Field(default=None, description="Anything else.")


class Journey(Part):
    """The whole map."""

    polku: Literal[1] = Field(default=1, description="The version of the format.")
    title: Text = Field(description="What people read.")
    description: Text | None = Field(default=None, description="What this journey is about.")
    subject: Literal["person", "account"] = Field(
        default="person", description="Whose journey it is: a person's, or an account's with its people's roles (B2B)."
    )
    timezone: Name = Field(default="Europe/Helsinki", description="Where days begin and end.")
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = Field(default="EUR", description="Of money, ISO 4217.")
    window: Seconds = Field(
        default=30 * 86400,
        description="The time a customer is given to go on, where a stage or touchpoint says nothing (30 days).",
        examples=["30d"],
    )
    session_gap: Seconds = Field(
        default=30 * 60,
        description="After that long without an event a new session starts (30 minutes).",
        examples=["30min"],
    )
    personas: Annotated[
        dict[str, Persona],
        BeforeValidator(empty, json_schema_input_type=dict[str, Persona] | None),
        AfterValidator(Frozen),
    ] = Field(default_factory=Frozen, description="Whom the journey is for, by name.")
    roles: Annotated[
        dict[str, Role],
        BeforeValidator(empty, json_schema_input_type=dict[str, Role] | None),
        AfterValidator(Frozen),
    ] = Field(default_factory=Frozen, description="The roles in an account, by name.")
    segments: Annotated[
        dict[str, Condition],
        BeforeValidator(empty, json_schema_input_type=dict[str, Condition] | None),
        AfterValidator(Frozen),
    ] = Field(
        default_factory=Frozen,
        description="Groups of customers by a condition on what they have done, by name.",
        examples=[
            {"vip": "sum(order.value) > 500 within 365d"},
            {"vip": {"title": "VIP customers", "condition": "sum(order.value) > 500 within 365d"}},
        ],
    )
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)] = Field(description="The stages, left to right.")
    measures: Annotated[
        dict[str, MeasureGoal],
        BeforeValidator(empty, json_schema_input_type=dict[str, MeasureGoal] | None),
        AfterValidator(Frozen),
    ] = Field(default_factory=Frozen, description="Measures with goals, by name.")
    guidance: Annotated[
        tuple[Guidance, ...], BeforeValidator(values.none_is_empty, json_schema_input_type=list[Guidance] | None)
    ] = Field(default=(), description="What is sent or done when.")
    contact_policy: Annotated[ContactPolicy, BeforeValidator(empty, json_schema_input_type=ContactPolicy | None)] = (
        Field(default_factory=ContactPolicy, description="Caps and quiet hours over all rules of guidance.")
    )
    surveys: Surveys = Field(default_factory=Frozen, description="What customers are asked, by name.")
    campaigns: Campaigns = Field(
        default_factory=Frozen, description="One message, once, to those who are in a segment at its time; by name."
    )
    audiences: Audiences = Field(default_factory=Frozen, description="Lists of customers for advertising, by name.")
    offers: OffersPart = Field(
        default_factory=Offers, description="What offers are made of: catalogue, codes, referral, loyalty."
    )
    site: SitePieces = Field(default_factory=Frozen, description="What every visitor of the site is shown, by name.")
    plan: Annotated[
        tuple[Task, ...], BeforeValidator(values.none_is_empty, json_schema_input_type=list[Task] | None)
    ] = Field(default=(), description="What is done to the journey, by whom and when.")
    competitors: Annotated[
        tuple[Competitor, ...], BeforeValidator(values.none_is_empty, json_schema_input_type=list[Competitor] | None)
    ] = Field(default=(), description="What others' journeys do better or worse.")
    review: Name | None = Field(
        default=None, description="How often the map is looked at again.", examples=["every 3 months"]
    )
    reviewed: Day | None = Field(default=None, description="The day it was last looked at.")

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
        """The stage ``id``; raises KeyError where the map has none."""
        for stage in self.stages:
            if stage.id == id:
                return stage
        raise KeyError(id)

    def touchpoint(self, id: str) -> Touchpoint:
        """The touchpoint ``id``; raises KeyError where the map has none."""
        for _, _, touchpoint in self.touchpoints():
            if touchpoint.id == id:
                return touchpoint
        raise KeyError(id)

    def felt_at(self, touchpoint: Touchpoint) -> Felt | None:
        """What measures the feeling at a touchpoint: its own ``felt``, else the surveys that are about it."""
        if touchpoint.felt is not None:
            return touchpoint.felt
        found = measured_by(self.surveys, touchpoint.id)
        return None if found is None else Felt.model_validate(found)

    @property
    def next_review(self) -> dt.date | None:
        """The day when the map should be looked at again; None without ``review`` and ``reviewed``."""
        if self.review is None or self.reviewed is None:
            return None
        return values.later(self.reviewed, *values.interval(self.review))


def segment_title(name: str, segment: Segment) -> Text:
    """What people read of a segment: its title, or its name made readable where the map gives none.

    >>> segment_title("big_spenders", Segment(condition="sum(order.value) > 500"))
    'Big spenders'
    """
    return segment.title if segment.title is not None else name.replace("_", " ").capitalize()


def titled(part: Stage | Touchpoint) -> Text:
    """The title, or the id made readable where the map gives none."""
    return part.title if part.title is not None else part.id.replace("_", " ").capitalize()
