"""The living map on a terminal: stages left to right, lanes top to bottom, plan and actual in one table.

Which lanes there are, and what stands in each, is decided where the page asks it too (:mod:`polku.web.mapview`)."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text as Styled

from polku.cli.figures import View, deviation_line, numbers, touchpoint_lines
from polku.journey.in_words import stage_rules
from polku.journey.model import Journey, segment_title, titled
from polku.language import N_, Reader
from polku.measures.living import LivingMap
from polku.web.mapview import NOTHING_YET, Column, Item, Lane, draw, nothing_yet
from polku.web.options import MapOptions
from polku.web.words import GUIDANCE_STATES, channel_word

if TYPE_CHECKING:
    from polku.measures.personas_here import PersonaHere

#: Columns of text that a stage needs to stand beside others.
WIDEST_STAGE = 22
#: What stands in one lane of one stage.
Cell = Callable[[Column], RenderableType]
#: A lane's name (a line, or two), and what each stage has there.
Lanes = list[tuple[str, list[RenderableType]]]


def lanes_of(
    journey: Journey, living: LivingMap, reader: Reader, view: View, personas: Sequence[PersonaHere] = ()
) -> Lanes:
    """The map's lanes from top to bottom: a name, and what each stage has there. The same as the page's."""
    seen = draw(journey, living, MapOptions(view=view, persona=living.persona), personas=personas)
    last = len(seen.columns)
    cells: dict[str, Cell] = {
        "rules": functools.partial(rules_cell, journey, reader),
        "figures": lambda c: numbers(c.actual, reader, c.number == last) if c.actual else "",
        "persona_here": functools.partial(personas_cell, reader),
        "feeling": functools.partial(feeling_cell, reader, view),
        "guidance": functools.partial(guidance_cell, reader),
        "plan": functools.partial(tasks_cell, reader),
    }
    lanes: Lanes = []
    if view != "actual" and any(c.plan.goal for c in seen.columns):
        lanes.append((reader(N_("Goal")), [Styled(reader.said(c.plan.goal), style="italic") for c in seen.columns]))
    for lane in seen.lanes:
        name = reader(lane.title)
        if lane.kind == "personas":
            continue  # who they are stands below the map; where they are is the next lane
        if lane.kind == "touchpoints":
            cell: Cell = functools.partial(touchpoints_cell, reader, view, lane)
            name = f"{name}\n{reader(channel_word(lane.channel))}"
        elif lane.kind == "list":
            cell = functools.partial(list_cell, reader, view, lane)
        else:
            cell = cells[lane.kind]
        lanes.append((name, [cell(column) for column in seen.columns]))
    return lanes


def rules_cell(journey: Journey, reader: Reader, column: Column) -> RenderableType:
    return Group(*(Styled(f"{rule.title}: {rule.text}") for rule in stage_rules(column.plan, journey, reader)))


def personas_cell(reader: Reader, column: Column) -> RenderableType:
    """Who is here now, persona by persona, and what is here for them alone."""
    lines = []
    for persona in column.personas:
        line = Styled("· " + reader.said(persona.plan.title))
        if persona.here is not None:
            line.append(": " + reader("{n} now", n=reader.number(persona.here.n)), style="bold")
        lines.append(line)
        if persona.only:
            names = ", ".join(reader.said(item.text) for item in persona.only)
            lines.append(Styled("  " + reader("only for them: {names}", names=names), style="dim"))
    return Group(*lines)


def feeling_cell(reader: Reader, view: View, column: Column) -> RenderableType:
    """The map's hypothesis (○) beside what a survey measured (●), from -2 to 2."""
    lines = []
    planned = view != "actual"
    if planned and column.plan.feeling is not None and all(c.plan.feeling is None for c in column.cards):
        lines.append(Styled("○ " + signed(column.plan.feeling, reader)))
    for card in column.cards:
        measured = card.actual.felt if card.actual is not None else None
        if measured is None and not (planned and card.plan.feeling is not None):
            continue
        line = Styled(reader.said(card.title) + ":")
        if planned and card.plan.feeling is not None:
            line.append(" ○ " + signed(card.plan.feeling, reader), style="dim")
        if measured is not None and card.actual is not None:
            line.append(f" ● {signed(measured, reader)}", style="bold")
            line.append(f" (n {reader.number(card.actual.felt_n)})")
        lines.append(line)
    return Group(*lines)


def signed(value: float, reader: Reader) -> str:
    """A feeling with its sign: +0.2, −1.1, 0.0 (a real minus, so that it is read as one)."""
    text = reader.number(abs(value), 1)
    return text if round(value, 1) == 0 else ("+" if value > 0 else "−") + text


def touchpoints_cell(reader: Reader, view: View, lane: Lane, column: Column) -> RenderableType:
    """The stage's touchpoints of one channel, each with its figures and deviations."""
    cards = column.in_channel(lane.channel)
    return Group(*(line for card in cards for line in touchpoint_lines(card.plan, card.actual, reader, view)))


def list_cell(reader: Reader, view: View, lane: Lane, column: Column) -> RenderableType:
    """What the plan says in one lane; ``--view plan`` says all of it."""
    found = column.lists.get(lane.key)
    if found is None:
        return ""
    if view == "plan" or not found.further:
        return bullets((*found.first, *found.further), reader)
    more = Styled(reader("and {n} more", n=len(found.further)), style="dim")
    return Group(bullets(found.first, reader), more)


def bullets(items: Iterable[Item], reader: Reader) -> RenderableType:
    return Group(*(Styled(f"· {reader.said(item.text)}") for item in items))


def guidance_cell(reader: Reader, column: Column) -> RenderableType:
    """The rules that send or do something, with their state, channel and hold-out."""
    lines = []
    for rule in column.guidance:
        sign = "✓" if rule.state == "on" else "○"
        parts = [reader(GUIDANCE_STATES[rule.state])]
        if rule.send and rule.send.get("channel"):
            parts.append(reader(channel_word(rule.send["channel"])))
        if rule.holdout:
            parts.append(reader("hold-out {share}", share=reader.percent(rule.holdout, 0)))
        line = Styled(f"{sign} {reader.said(rule.title) or rule.id}")
        line.append(f" ({', '.join(parts)})", style="dim")
        lines.append(line)
    return Group(*lines)


def tasks_cell(reader: Reader, column: Column) -> RenderableType:
    """What is to be done here: the task, by whom, by what day."""
    lines = []
    today = dt.datetime.now(reader.zone).date()
    for task in column.tasks:
        line = Styled("· " + reader.said(task.task), style="dim strike" if task.done else "")
        if task.done:
            line.append(" ✓ " + reader("done {date}", date=reader.date(task.done)), style="green")
        elif task.due and task.due < today:
            line.append(" ! " + reader("due {date}, late", date=reader.date(task.due)), style="yellow")
        elif task.due:
            line.append(" " + reader("due {date}", date=reader.date(task.due)), style="dim")
        who = ", ".join(name for name in (task.owner, task.partner) if name)
        if who:
            line.append(f" ({who})", style="dim")
        lines.append(line)
    return Group(*lines)


def living_map(
    journey: Journey,
    living: LivingMap,
    reader: Reader,
    view: View = "both",
    width: int = 160,
    personas: Sequence[PersonaHere] = (),
) -> RenderableType:
    """The whole map: stages left to right where the terminal is wide enough, else one below the other.

    ``personas`` are how many of each persona stand in each stage.
    """
    lanes = lanes_of(journey, living, reader, view, personas)
    across = width >= 20 + WIDEST_STAGE * len(journey.stages)
    drawn = _across if across else _stacked
    return Group(
        *header(journey, living, reader), *drawn(journey, lanes, reader), *footer(journey, living, reader, view)
    )


def widest(lanes: Lanes) -> int:
    """Columns that the longest line of the lanes' names takes."""
    return max(len(line) for name, _ in lanes for line in name.split("\n"))


def empty(cell: RenderableType) -> bool:
    """Whether a stage has nothing in a lane, so that the lane is left out where stages stand below each other."""
    return not cell.renderables if isinstance(cell, Group) else not str(cell)


def _across(journey: Journey, lanes: Lanes, reader: Reader) -> Iterable[RenderableType]:
    table = Table(box=box.SIMPLE_HEAD, expand=True, show_lines=True, padding=(0, 1))
    table.add_column("", style="dim", min_width=widest(lanes), no_wrap=True)
    for stage in journey.stages:
        table.add_column(Styled(reader.said(titled(stage)), style="bold"), ratio=1)
    for name, cells in lanes:
        table.add_row(name, *cells)
    yield table


def _stacked(journey: Journey, lanes: Lanes, reader: Reader) -> Iterable[RenderableType]:
    for i, stage in enumerate(journey.stages):
        yield Rule(Styled(f"{i + 1}. {reader.said(titled(stage))}", style="bold"), align="left")
        table = Table(box=None, show_header=False, padding=(0, 1), expand=True)
        table.add_column(style="dim", min_width=widest(lanes), no_wrap=True)
        table.add_column(ratio=1)
        for name, cells in lanes:
            if not empty(cells[i]):
                table.add_row(name, cells[i])
        yield table


def header(journey: Journey, living: LivingMap, reader: Reader) -> Iterable[RenderableType]:
    yield Styled(reader.said(journey.title), style="bold")
    parts = [
        reader("{n} customers on the map", n=reader.number(living.customers.n)),
        reader("{n} events", n=reader.number(living.events)),
        f"{reader('as of {time}', time=reader.time(living.as_of))} ({reader.zone.key})",
    ]
    if living.period.start is not None and living.period.end is not None:
        last = living.period.end - dt.timedelta(microseconds=1)  # the period ends as its last day does
        days = reader.in_zone(journey.timezone)  # the period's days are the map's, whoever reads
        parts.append(reader("period {start} to {end}", start=days.date(living.period.start), end=days.date(last)))
    if living.persona:
        parts.append(reader("persona {name}", name=reader.said(journey.personas[living.persona].title)))
    if living.segment:
        title = segment_title(living.segment, journey.segments[living.segment])
        parts.append(reader("segment {name}", name=reader.said(title)))
    yield Styled(" · ".join(parts), style="dim")


def beside(journey: Journey, reader: Reader) -> Iterable[RenderableType]:
    """What the plan says of no stage: the roles in an account, and what competitors do better and worse."""
    if journey.roles:
        yield Styled(reader("Roles"), style="dim")
    for role in journey.roles.values():
        yield Styled(f"  · {reader.said(role.title)}" + (f": {reader.said(role.goal)}" if role.goal else ""))
    if journey.competitors:
        yield Styled(reader("Competitors"), style="dim")
    for competitor in journey.competitors:
        yield Styled(f"  · {competitor.name}" + (f", {reader.date(competitor.seen)}" if competitor.seen else ""))
        for text, says in ((N_("Better: {text}"), competitor.better), (N_("Worse: {text}"), competitor.worse)):
            if says:
                yield Styled("    " + reader(text, text=", ".join(reader.said(each) for each in says)))
        if competitor.notes:
            yield Styled("    " + reader.said(competitor.notes))


def footer(journey: Journey, living: LivingMap, reader: Reader, view: View) -> Iterable[RenderableType]:
    if view != "actual" and journey.personas:
        yield Styled(reader("Who the personas are"), style="dim")
        for persona in journey.personas.values():
            hypothesis = "" if persona.evidence else f" ({reader('hypothesis')})"
            yield Styled(f"  · {reader.said(persona.title)}{hypothesis}: {reader.said(persona.goal)}")
    if view != "actual":
        yield from beside(journey, reader)
    if view != "plan" and living.ad_hoc:
        yield Styled(reader("Outside the map"), style="dim")
        for deviation in living.ad_hoc:
            yield Styled("  ") + deviation_line(deviation, reader)
    if living.outside.n:
        yield Styled(
            reader("{n} customers have met nothing that the map knows", n=reader.number(living.outside.n)), style="dim"
        )
    if living.without_customer:
        yield Styled(
            reader("{n} events could not be given to anyone", n=reader.number(living.without_customer)), style="dim"
        )
    if view == "plan":
        return  # as on the page: what the events lack is no word about the plan
    # while nothing was seen, that no touchpoint was is no news
    for warning in (reader(NOTHING_YET),) if nothing_yet(living) else living.warnings:
        yield Styled("! " + warning, style="yellow")
