"""The map as the page draws it: the plan (journey) and what happened (living map) joined, lane by lane.

Nothing is written here in any language: the templates do that with the reader. Here is decided only what stands where.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from polku.journey.model import Guidance, Journey, Persona, Stage, Task, Text, Touchpoint, titled
from polku.language import N_
from polku.measures.living import Deviation, LivingMap, StageFigures, TouchpointFigures
from polku.measures.result import Count
from polku.web.options import MapOptions

if TYPE_CHECKING:
    from polku.journey.surveys import Survey
    from polku.measures.obstacles.kept import Known
    from polku.measures.personas_here import PersonaHere

#: The bars of one lane share one scale, so that lengths compare; it ends at the first of these that holds them all.
SCALES = (0.05, 0.1, 0.25, 0.5, 1.0)

#: The lanes that list the plan's texts, in order: field of stage or touchpoint, and its title.
LISTS: tuple[tuple[str, str], ...] = (
    ("actions", N_("Actions")),
    ("goals", N_("Goals")),
    ("questions", N_("Questions")),
    ("obstacles", N_("Obstacles")),
    ("content", N_("Content")),
    ("tools", N_("Tools")),
    ("owner", N_("Owner")),
)


#: Said instead of the map's warnings while there is nothing to be warned of.
NOTHING_YET = N_("There are no events yet. polku import brings them from a file, and the map fills.")
#: A list of the plan is read at a glance when it is not longer than this.
SHORT = 4


@dataclasses.dataclass(frozen=True, slots=True)
class Item:
    """One text of a lane, and the touchpoint it was said of (None: the whole stage)."""

    text: Text
    of: Text | None = None
    anchor: str | None = None  # of the touchpoint's card on the page


@dataclasses.dataclass(frozen=True, slots=True)
class Listed:
    """One lane of one stage: what is read at once, and what the touchpoints say besides, a click away."""

    first: tuple[Item, ...]
    further: tuple[Item, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class PersonaCell:
    """One persona in one stage: how many of its customers are there now, and the touchpoints that are for it alone."""

    id: str
    plan: Persona
    here: Count | None  # None: nothing in the map or in the data tells which customers it means
    only: tuple[Item, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Card:
    """One touchpoint in its stage."""

    plan: Touchpoint
    title: Text
    actual: TouchpointFigures | None
    deviations: tuple[Deviation, ...]
    line: int | None
    not_for_persona: bool
    rules: tuple[Guidance, ...] = ()  # those that it sets off
    surveys: tuple[tuple[str, Survey], ...] = ()  # those that ask about it

    @property
    def no_data(self) -> bool:
        return not self.plan.match or any(d.kind == "no_data" for d in self.deviations)


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    """One stage with everything in it."""

    plan: Stage
    title: Text
    number: int  # from 1, left to right; the tint
    actual: StageFigures | None
    cards: tuple[Card, ...]
    lists: dict[str, Listed]
    guidance: tuple[Guidance, ...]
    tasks: tuple[Task, ...]
    line: int | None
    personas: tuple[PersonaCell, ...] = ()

    @property
    def has_rules(self) -> bool:
        """Whether the plan says more of the stage than its texts: a target, who enters, who lapses."""
        stage = self.plan
        return bool(stage.expect or stage.enter or stage.lapses_after or stage.active_on)

    def in_channel(self, channel: str | None) -> tuple[Card, ...]:
        return tuple(c for c in self.cards if c.plan.channel == channel)


@dataclasses.dataclass(frozen=True, slots=True)
class Lane:
    """One row of the map.

    ``kind``: rules, figures, personas (their cards, over all stages), persona_here (them in each stage), feeling,
    touchpoints, list, guidance, plan.
    """

    kind: str
    key: str
    title: str
    row: int
    channel: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Concern:
    """One place to look at first: an obstacle with a price, behind its target, or failing, for so many customers."""

    kind: str  # obstacle, behind, failed
    title: Text
    anchor: str
    customers: int
    behind: str | None
    listed: int | None  # how many the list holds; of a place behind its target, more than are missing from it
    actual: float | None
    target: float | None
    behind_actual: str | None = None
    obstacle: Known | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class MapView:
    columns: tuple[Column, ...]
    lanes: tuple[Lane, ...]
    concerns: tuple[Concern, ...]
    stage_scale: float
    card_scale: float
    notice: str | None = None  # what a reader is told first, in English

    def has(self, kind: str) -> bool:
        return any(lane.kind == kind for lane in self.lanes)


def nothing_yet(living: LivingMap) -> bool:
    """Whether the project holds no event at all (as of the map's moment): every touchpoint is unseen then."""
    return living.events == 0 and living.without_customer == 0


def draw(
    journey: Journey,
    living: LivingMap,
    options: MapOptions,
    lines: Mapping[str, int] = MappingProxyType({}),
    personas: Sequence[PersonaHere] = (),
    obstacles: Sequence[Known] = (),
) -> MapView:
    """The map for ``options``, for the page and for the terminal.

    ``lines`` gives the line of ``journey.yaml`` of each stage and touchpoint id; ``personas`` how many of each stand
    where; ``obstacles`` what stops people, the costliest first.
    """
    show_plan, show_actual = options.view != "actual", options.view != "plan"
    stages = {s.id: s for s in living.stages}
    touchpoints = {t.id: t for t in living.touchpoints}
    columns = tuple(
        column(
            journey, stage, number, stages, touchpoints, options, lines, show_plan, show_actual,
            {p.id: p.stages[number - 1] for p in personas},
        )
        for number, stage in enumerate(journey.stages, 1)
    )  # fmt: skip
    actual_stages = [c.actual.figures for c in columns if c.actual]
    actual_cards = [card.actual.figures for c in columns for card in c.cards if card.actual]
    return MapView(
        columns=columns,
        lanes=lanes(columns, options, show_plan, show_actual, show_plan and bool(journey.personas)),
        concerns=concerns(columns, obstacles) if show_actual else (),
        stage_scale=scale([f.went_on.value for f in actual_stages] + [f.target for f in actual_stages]),
        card_scale=scale([f.went_on.value for f in actual_cards] + [f.target for f in actual_cards]),
        notice=NOTHING_YET if show_actual and nothing_yet(living) else None,
    )


def column(
    journey: Journey,
    stage: Stage,
    number: int,
    stages: dict[str, StageFigures],
    touchpoints: dict[str, TouchpointFigures],
    options: MapOptions,
    lines: Mapping[str, int],
    show_plan: bool,
    show_actual: bool,
    personas: Mapping[str, Count],
) -> Column:
    cards = []
    for touchpoint in stage.touchpoints:
        actual = touchpoints.get(touchpoint.id) if show_actual else None
        cards.append(
            Card(
                plan=touchpoint,
                title=titled(touchpoint),
                actual=actual,
                deviations=actual.deviations if actual else (),
                line=lines.get(touchpoint.id),
                not_for_persona=bool(
                    options.persona and touchpoint.personas and options.persona not in touchpoint.personas
                ),
                rules=tuple(g for g in journey.guidance if show_plan and touchpoint.id in names_in(setting_off(g))),
                surveys=tuple((k, s) for k, s in journey.surveys.items() if s.touchpoint == touchpoint.id),
            )
        )
    ids = {t.id for t in stage.touchpoints}
    return Column(
        plan=stage,
        title=titled(stage),
        number=number,
        actual=stages.get(stage.id) if show_actual else None,
        cards=tuple(cards),
        lists={key: found for key, _ in LISTS if (found := listed(stage, key)).first} if show_plan else {},
        guidance=tuple(g for g in journey.guidance if stage_of_guidance(journey, g) == stage.id) if show_plan else (),
        tasks=tuple(t for t in journey.plan if t.stage == stage.id or t.touchpoint in ids) if show_plan else (),
        line=lines.get(stage.id),
        personas=persona_cells(journey, stage, personas if show_actual else {}, show_plan),
    )


def persona_cells(
    journey: Journey, stage: Stage, here: Mapping[str, Count], show_plan: bool
) -> tuple[PersonaCell, ...]:
    """The personas of which something can be said in this stage: who is there, or what is there for them alone."""
    found = []
    for id, persona in journey.personas.items():
        alone = [t for t in stage.touchpoints if show_plan and id in t.personas]
        only = tuple(Item(titled(t), None, anchor_of(t)) for t in alone)
        if id in here or only:
            found.append(PersonaCell(id, persona, here.get(id), only))
    return tuple(found)


def listed(stage: Stage, key: str) -> Listed:
    """What the plan says in one lane of one stage: of the stage first, then of its touchpoints; each text once.

    Read at once are the stage's own texts, and those of its touchpoints as long as the list stays short.
    """
    found: dict[str, Item] = {}
    for item in said_of(stage, key):
        found.setdefault(str(item.text), item)
    items = tuple(found.values())
    shown = len(items) if len(items) <= SHORT + 1 else max(SHORT, sum(item.of is None for item in items))
    return Listed(items[:shown], items[shown:])


def said_of(stage: Stage, key: str) -> Iterable[Item]:
    if key == "goals":
        # the stage's own goal stands in its head
        yield from (Item(t.goal, titled(t), anchor_of(t)) for t in stage.touchpoints if t.goal is not None)
        return
    if key == "owner":
        owners = (stage.owner, *(t.owner for t in stage.touchpoints))
        yield from (Item(owner) for owner in owners if owner)
        return
    yield from (Item(text) for text in getattr(stage, key, ()))
    for touchpoint in stage.touchpoints:
        yield from (Item(text, titled(touchpoint), anchor_of(touchpoint)) for text in getattr(touchpoint, key))


def anchor_of(touchpoint: Touchpoint) -> str:
    return f"touchpoint-{touchpoint.id}"


def stage_of_guidance(journey: Journey, guidance: Guidance) -> str | None:
    """The stage a rule is drawn in: the one its ``when`` names, or its touchpoint's; the first in doubt."""
    stages = set(journey.stage_ids)
    of_touchpoint = {t.id: s.id for _, s, t in journey.touchpoints()}
    for name in names_in(guidance.when):
        if name in stages:
            return name
        if name in of_touchpoint:
            return of_touchpoint[name]
    return journey.stages[0].id


def setting_off(guidance: Guidance) -> dict[str, Any]:
    """What of a rule's ``when`` sets it off: without what calls it off."""
    return {key: value for key, value in guidance.when.items() if key != "without"}


def names_in(when: Mapping[str, Any]) -> tuple[str, ...]:
    """The texts of a rule's ``when``, alone or in lists: among them are the touchpoints and stages that it names.

    >>> names_in({"reached": ["cart", "product"], "without": "order", "for": "4h"})
    ('cart', 'product', 'order', '4h')
    """
    values = (each for value in when.values() for each in (value if isinstance(value, (list, tuple)) else (value,)))
    return tuple(each for each in values if isinstance(each, str))


def lanes(
    columns: tuple[Column, ...], options: MapOptions, show_plan: bool, show_actual: bool, personas: bool = False
) -> tuple[Lane, ...]:
    """The rows that have something in them, numbered from 2 (row 1 is the stages' heads)."""
    wanted: list[tuple[str, str, str, str | None]] = []
    if show_plan and any(c.has_rules for c in columns):
        wanted.append(("rules", "rules", N_("Rules of the stage"), None))
    if show_actual:
        wanted.append(("figures", "figures", N_("Here now"), None))
    if personas:
        wanted.append(("personas", "personas", N_("Personas"), None))
    if any(c.personas for c in columns):
        wanted.append(("persona_here", "persona_here", N_("Personas by stage"), None))
    planned = show_plan and any(
        c.plan.feeling is not None or any(card.plan.feeling is not None for card in c.cards) for c in columns
    )
    measured = any(card.actual and card.actual.felt is not None for c in columns for card in c.cards)
    if planned or measured:
        wanted.append(("feeling", "feeling", N_("Feeling"), None))
    if options.group == "channel":
        channels = dict.fromkeys(card.plan.channel for c in columns for card in c.cards)
        wanted += [("touchpoints", f"channel-{n}", N_("Touchpoints"), ch) for n, ch in enumerate(channels)]
    else:
        wanted.append(("touchpoints", "touchpoints", N_("Touchpoints"), None))
    if show_plan:
        wanted += [("list", key, title, None) for key, title in LISTS if any(c.lists.get(key) for c in columns)]
        if any(c.guidance for c in columns):
            wanted.append(("guidance", "guidance", N_("Guidance"), None))
        if any(c.tasks for c in columns):
            wanted.append(("plan", "plan", N_("To do"), None))
    return tuple(Lane(kind, key, title, row, channel) for row, (kind, key, title, channel) in enumerate(wanted, 2))


def scale(values: Iterable[float | None]) -> float:
    most = max((v for v in values if v is not None), default=0.0)
    return next((s for s in SCALES if most <= s), 1.0)


def concerns(columns: tuple[Column, ...], obstacles: Sequence[Known] = (), most: int = 3) -> tuple[Concern, ...]:
    """Where to look first: obstacles by the money that they cost a month; then, by how many customers are missing
    from a target, or met a failure, in the period. A failure that is an obstacle with a price is told once.

    The weight of a stage or touchpoint behind its target is (target - actual) x those who have had their time; with an
    upper bound the other way round. What is too small to judge is left out.
    """
    found: list[Concern] = []
    for c in columns:
        places = [(c.title, f"stage-{c.plan.id}", c.actual.figures)] if c.actual else []
        places += [(card.title, f"touchpoint-{card.plan.id}", card.actual.figures) for card in c.cards if card.actual]
        for title, anchor, figures in places:
            value = figures.went_on.value
            if figures.state == "behind" and value is not None and figures.target is not None:
                short = round(abs(figures.target - value) * figures.went_on.denominator)
                rate = figures.went_on
                who, whole = rate.behind_not, rate.denominator - rate.numerator
                if not figures.target_at_least:
                    who, whole = rate.behind, rate.numerator
                found.append(
                    Concern("behind", title, anchor, max(short, 1), who, whole, value, figures.target, rate.behind)
                )
        for card in c.cards:
            for deviation in card.deviations:
                n, behind = counted(deviation)
                if deviation.kind == "failed" and n:
                    anchor = f"touchpoint-{card.plan.id}"
                    share = deviation.rate.value if deviation.rate else None
                    found.append(Concern("failed", card.title, anchor, n, behind, n, share, None, behind))
    priced = [
        Concern(
            "obstacle", o.title, f"touchpoint-{o.at}", o.people, o.behind, o.people, None, None, obstacle=o
        )
        for o in obstacles
        if o.money is not None and o.money > 0
    ]  # fmt: skip
    told = {o.anchor for o in priced if o.obstacle and o.obstacle.kind == "failure"}
    rest = [f for f in found if f.kind != "failed" or f.anchor not in told]
    return (*priced, *sorted(rest, key=lambda f: -f.customers))[:most]


def counted(deviation: Deviation) -> tuple[int, str | None]:
    """How many customers a deviation concerns, and the selector that lists them."""
    if deviation.count is not None:
        return deviation.count.n, deviation.count.behind
    if deviation.rate is not None:
        return deviation.rate.numerator, deviation.rate.behind
    return 0, None
