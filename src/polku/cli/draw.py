"""The living map on a terminal: stages left to right, lanes top to bottom, plan and actual in one table."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Literal

from rich import box
from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text as Styled

from polku.journey.model import Journey, Stage, Text, Touchpoint, titled
from polku.language import N_, Reader
from polku.measures.living import Deviation, Figures, LivingMap, StageFigures, TouchpointFigures
from polku.measures.result import STATES, State
from polku.web.words import channel_word

if TYPE_CHECKING:
    from polku.cli.terminal import Terminal
    from polku.measures.ask import GoalFigure
    from polku.measures.timeline import Timeline
    from polku.shop import Shop

View = Literal["plan", "actual", "both"]
STYLES: dict[State, str] = {
    "on_target": "green",
    "behind": "red",
    "too_few": "dim",
    "no_target": "",
    "no_data": "yellow",
}
SIGNS: dict[State, str] = {"on_target": "✓", "behind": "▼", "too_few": "~", "no_target": "", "no_data": "○"}

#: Columns of text that a stage needs to stand beside others.
WIDEST_STAGE = 22

Cell = Callable[[int, Stage], RenderableType]


def rate_line(figures: Figures, reader: Reader) -> Styled:
    """ "went on 31.2% (2,871 of 9,204, 1,130 not yet)"."""
    rate = figures.went_on
    line = Styled()
    if rate.value is None:
        line.append(reader(rate.reason or "no data"), style="dim")
    else:
        line.append(reader("went on {share}", share=reader.percent(rate.value)), style="bold")
        line.append(" " + reader("({n} of {of})", n=reader.number(rate.numerator), of=reader.number(rate.denominator)))
    if rate.pending:
        line.append(", " + reader("{n} not yet", n=reader.number(rate.pending)), style="dim")
    return line


def target_line(figures: Figures, reader: Reader) -> Styled:
    state = figures.state
    line = Styled(f"{SIGNS[state]} {reader(STATES[state])}".strip(), style=STYLES[state])
    if figures.target is not None:
        sign = "≥" if figures.target_at_least else "≤"
        line.append(
            ", " + reader("target {sign} {share}", sign=sign, share=reader.percent(figures.target)), style="dim"
        )
    return line


def change_line(figures: Figures, reader: Reader) -> Styled | None:
    """The same share in the compared period."""
    before = figures.before
    if before is None:
        return None
    now, then = figures.went_on.value, before.went_on.value
    if now is None or then is None:
        return Styled(reader("before: {n} entered", n=reader.number(before.entered.n)), style="dim")
    points = reader.number((now - then) * 100, 1)
    sign = "+" if now >= then else ""
    return Styled(
        reader("before {share} ({sign}{points} points)", share=reader.percent(then), sign=sign, points=points),
        style="dim",
    )


def numbers(stage: StageFigures, reader: Reader, last: bool) -> RenderableType:
    figures = stage.figures
    lines: list[RenderableType] = [
        Styled(reader("{n} now", n=reader.number(stage.now.n)), style="bold"),
        Styled(
            reader(
                "{reached} ever, {entered} in the period",
                reached=reader.number(figures.reached.n),
                entered=reader.number(figures.entered.n),
            ),
        ),
    ]
    if not last:
        lines += [rate_line(figures, reader), target_line(figures, reader)]
        if figures.to_next.median is not None:
            lines.append(Styled(reader("median {time} to the next", time=reader.duration(figures.to_next.median))))
        if figures.drop_off.value is not None:
            lines.append(
                Styled(
                    reader(
                        "dropped off {share} ({n})",
                        share=reader.percent(figures.drop_off.value),
                        n=reader.number(figures.drop_off.numerator),
                    )
                ),
            )
    if (change := change_line(figures, reader)) is not None:
        lines.append(change)
    if stage.lapsed.n or stage.won_back.n:
        lines.append(
            Styled(
                reader(
                    "lapsed {n}, won back {back}", n=reader.number(stage.lapsed.n), back=reader.number(stage.won_back.n)
                )
            )
        )
    if stage.skipped.n:
        lines.append(Styled(reader("skipped by {n}", n=reader.number(stage.skipped.n)), style="dim"))
    if figures.value is not None:
        lines.append(Styled(reader.money(figures.value.amount, figures.value.currency, digits=0)))
    return Group(*lines)


def deviation_line(deviation: Deviation, reader: Reader) -> Styled:
    """One deviation in words; an ad hoc one names its event or page."""
    share = (
        reader.percent(deviation.rate.value, 0)
        if deviation.rate is not None and deviation.rate.value is not None
        else ""
    )
    count = (
        deviation.count.n
        if deviation.count is not None
        else deviation.rate.numerator
        if deviation.rate is not None
        else 0
    )
    n = reader.number(count)
    if deviation.kind == "missing":
        return Styled("⤼ " + reader("passed by {share} ({n})", share=share, n=n), style="yellow")
    if deviation.kind == "out_of_sequence":
        return Styled("⇄ " + reader("out of sequence {n}", n=n), style="yellow")
    if deviation.kind == "failed":
        return Styled("✗ " + reader("failed for {n}", n=n), style="red")
    if deviation.kind == "no_data":
        return Styled("○ " + reader("no data: never seen"), style="yellow")
    name = deviation.page or deviation.event or ""
    return Styled("+ " + reader("{n} customers met {name}, which the map does not know", n=n, name=name))


def touchpoints_cell(
    stage: Stage, figures: Mapping[str, TouchpointFigures], reader: Reader, view: View
) -> Iterable[RenderableType]:
    """The stage's touchpoints by channel, a line each and a line for each deviation."""
    by_channel: dict[str | None, list[Touchpoint]] = {}
    for touchpoint in stage.touchpoints:
        by_channel.setdefault(touchpoint.channel, []).append(touchpoint)
    for channel, touchpoints in by_channel.items():
        if channel:
            yield Styled(reader(channel_word(channel)), style="dim italic")
        for touchpoint in touchpoints:
            yield from touchpoint_lines(touchpoint, figures.get(touchpoint.id), reader, view)


def touchpoint_lines(
    touchpoint: Touchpoint, figures: TouchpointFigures | None, reader: Reader, view: View
) -> Iterable[RenderableType]:
    sign = "★ " if touchpoint.moment_of_truth else "• "
    name = reader.said(titled(touchpoint))
    if figures is None or view == "plan":
        yield Styled(sign + name, style="bold")
        return
    if any(d.kind == "no_data" for d in figures.deviations):
        yield Styled("○ " + reader("{name}: no data", name=name), style="yellow")
        return
    own = figures.figures
    line = Styled(sign + name, style="bold")
    line.append(" " + reader.number(own.entered.n), style="not bold")
    if own.went_on.value is not None:
        line.append(", " + reader("{share} went on", share=reader.percent(own.went_on.value)), style="not bold")
    if own.target is not None and own.state in ("on_target", "behind"):
        line.append(" " + SIGNS[own.state], style=STYLES[own.state])
    yield line
    if view == "actual":
        yield from touchpoint_figures(figures, reader)
    for deviation in figures.deviations:
        if deviation.minor:
            continue
        yield Styled("  ") + deviation_line(deviation, reader)


def touchpoint_figures(figures: TouchpointFigures, reader: Reader) -> Iterable[RenderableType]:
    """All that is measured of one touchpoint, where the map shows what happened alone."""
    own = figures.figures
    here = reader("{n} here last, {reached} ever", n=reader.number(figures.now.n), reached=reader.number(own.reached.n))
    yield Styled("  " + here, style="dim")
    if own.went_on.denominator or own.went_on.pending:
        yield Styled("  ") + rate_line(own, reader)
    if own.target is not None:
        yield Styled("  ") + target_line(own, reader)
    if own.to_next.median is not None:
        yield Styled("  " + reader("median {time} to the next", time=reader.duration(own.to_next.median)), style="dim")
    if own.value is not None and own.value.amount:
        yield Styled("  " + reader.money(own.value.amount, own.value.currency, digits=0), style="dim")
    if (change := change_line(own, reader)) is not None:
        yield Styled("  ") + change


def bullets(texts: Iterable[Text | None], reader: Reader) -> RenderableType:
    return Group(*(Styled(f"· {reader.said(t)}") for t in texts if t))


PLAN_LANES: tuple[tuple[str, str], ...] = (
    (N_("Actions"), "actions"),
    (N_("Goals"), "goal"),
    (N_("Questions"), "questions"),
    (N_("Obstacles"), "obstacles"),
    (N_("Content"), "content"),
    (N_("Tools"), "tools"),
    (N_("Owner"), "owner"),
)


#: A list of the plan is read at a glance when it is not longer than this; ``--view plan`` shows all of it.
SHORT = 4


def lane_texts(stage: Stage, field: str) -> list[Text]:
    """What the stage and its touchpoints say in one lane, each once, the stage's own first."""
    found: list[Text] = []
    for part in (stage, *stage.touchpoints):
        value = getattr(part, field, None)
        for text in value if isinstance(value, tuple) else (value,):
            if text is not None and text not in found:
                found.append(text)
    return found


def lanes_of(journey: Journey, living: LivingMap, reader: Reader, view: View) -> list[tuple[str, Cell]]:
    """The map's lanes from top to bottom: a name and what a stage has there."""
    figures = {s.id: s for s in living.stages}
    touchpoints = {t.id: t for t in living.touchpoints}
    last = len(journey.stages) - 1
    lanes: list[tuple[str, Cell]] = []
    if view != "actual":
        lanes.append((N_("Goal"), lambda i, s: Styled(reader.said(s.goal), style="italic")))
    if view != "plan":
        lanes.append((N_("Now"), lambda i, s: numbers(figures[s.id], reader, i == last)))
    lanes.append((N_("Touchpoints"), lambda i, s: Group(*touchpoints_cell(s, touchpoints, reader, view))))
    if view != "actual":
        for name, field in PLAN_LANES:
            if any(lane_texts(s, field) for s in journey.stages):
                lanes.append((name, functools.partial(_plan_cell, field, reader, view == "plan")))
    return lanes


def _plan_cell(field: str, reader: Reader, whole: bool, _: int, stage: Stage) -> RenderableType:
    texts = lane_texts(stage, field)
    own = getattr(stage, field, None)
    shown = max(SHORT, len(own) if isinstance(own, tuple) else 0)
    if whole or len(texts) <= shown + 1:
        return bullets(texts, reader)
    more = Styled(reader("and {n} more", n=len(texts) - shown), style="dim")
    return Group(bullets(texts[:shown], reader), more)


def living_map(
    journey: Journey, living: LivingMap, reader: Reader, view: View = "both", width: int = 160
) -> RenderableType:
    """The whole map: stages left to right where the terminal is wide enough, else one below the other."""
    lanes = lanes_of(journey, living, reader, view)
    across = width >= 20 + WIDEST_STAGE * len(journey.stages)
    drawn = _across if across else _stacked
    return Group(
        *header(journey, living, reader), *drawn(journey, lanes, reader), *footer(journey, living, reader, view)
    )


def _across(journey: Journey, lanes: list[tuple[str, Cell]], reader: Reader) -> Iterable[RenderableType]:
    table = Table(box=box.SIMPLE_HEAD, expand=True, show_lines=True, padding=(0, 1))
    table.add_column("", style="dim", min_width=max(len(reader(name)) for name, _ in lanes), no_wrap=True)
    for stage in journey.stages:
        table.add_column(Styled(reader.said(titled(stage)), style="bold"), ratio=1)
    for name, cell in lanes:
        table.add_row(reader(name), *(cell(i, s) for i, s in enumerate(journey.stages)))
    yield table


def _stacked(journey: Journey, lanes: list[tuple[str, Cell]], reader: Reader) -> Iterable[RenderableType]:
    for i, stage in enumerate(journey.stages):
        yield Rule(Styled(f"{i + 1}. {reader.said(titled(stage))}", style="bold"), align="left")
        table = Table(box=None, show_header=False, padding=(0, 1), expand=True)
        table.add_column(style="dim", min_width=max(len(reader(name)) for name, _ in lanes), no_wrap=True)
        table.add_column(ratio=1)
        for name, cell in lanes:
            table.add_row(reader(name), cell(i, stage))
        yield table


def header(journey: Journey, living: LivingMap, reader: Reader) -> Iterable[RenderableType]:
    yield Styled(reader.said(journey.title), style="bold")
    parts = [
        reader("{n} customers on the map", n=reader.number(living.customers.n)),
        reader("{n} events", n=reader.number(living.events)),
        reader("as of {time}", time=reader.time(living.as_of)),
    ]
    if living.period.start is not None and living.period.end is not None:
        last = living.period.end - dt.timedelta(microseconds=1)  # the period ends as its last day does
        parts.append(reader("period {start} to {end}", start=reader.date(living.period.start), end=reader.date(last)))
    if living.persona:
        parts.append(reader("persona {name}", name=reader.said(journey.personas[living.persona].title)))
    yield Styled(" · ".join(parts), style="dim")


def footer(journey: Journey, living: LivingMap, reader: Reader, view: View) -> Iterable[RenderableType]:
    if view != "actual" and journey.personas:
        yield Styled(reader("Personas"), style="dim")
        for persona in journey.personas.values():
            hypothesis = "" if persona.evidence else f" ({reader('hypothesis')})"
            yield Styled(f"  · {reader.said(persona.title)}{hypothesis}: {reader.said(persona.goal)}")
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
    for warning in living.warnings:
        yield Styled("! " + warning, style="yellow")


def goals(terminal: Terminal, figures: Iterable[GoalFigure]) -> None:
    """The measures that the map names, one line each."""
    reader = terminal.reader
    for goal in figures:
        line = Styled(reader.said(goal.title) + ": ", style="bold")
        rate = goal.rate
        if rate.value is None:
            line.append(reader(rate.reason or "no data"), style="dim")
        else:
            line.append(reader.percent(rate.value))
            line.append(
                " " + reader("({n} of {of})", n=reader.number(rate.numerator), of=reader.number(rate.denominator)),
                style="dim",
            )
        if goal.target is not None:
            sign = "≥" if goal.at_least else "≤"
            line.append(" " + f"{SIGNS[goal.state]} {reader(STATES[goal.state])}", style=STYLES[goal.state])
            line.append(
                ", " + reader("target {sign} {share}", sign=sign, share=reader.percent(goal.target)), style="dim"
            )
        if goal.before is not None and goal.before.value is not None:
            line.append(" " + reader("before {share}", share=reader.percent(goal.before.value)), style="dim")
        terminal.out.print(line)


def story(terminal: Terminal, shop: Shop, told: Timeline, limit: int) -> None:
    """One customer: who, where, then events and stage changes in one stream, the latest ``limit`` events."""
    reader, out = terminal.reader, terminal.out
    out.print(Styled(told.name or "", style="bold"))
    for kind, value in shop.ids(told.customer):
        out.print(Styled(f"  {reader('id ' + kind)}: {value}", style="dim"))
    where = reader.said(shop.title(told.stage)) if told.stage else reader("outside the map")
    if told.lapsed:
        where += f" ({reader('lapsed')})"
    out.print(reader("Stage: {stage}", stage=where), markup=False)
    if told.value:
        out.print(reader("Value: {money}", money=reader.money(told.value, told.currency)), markup=False)
    changes: dict[int | None, list[Styled]] = {}
    for change in told.changes:
        changes.setdefault(change.event, []).append(Styled("  → " + change.text(reader), style="green"))
    alone = sorted((c for c in told.changes if c.event is None), key=lambda c: c.time)
    first = max(0, len(told.events) - limit)
    if first:
        out.print(Styled(reader("{n} earlier events are not shown (--limit).", n=reader.number(first)), style="dim"))
    session = None
    for number, step in enumerate(told.events):
        while alone and alone[0].time <= step.time:
            out.print(Styled("  → " + alone.pop(0).text(reader), style="yellow"))
        if number < first:
            continue
        if step.session != session:
            session = step.session
            out.print(Styled(reader("visit {n}", n=session), style="dim"))
        line = Styled(f"  {reader.time(step.time)}  {step.event}")
        if step.touchpoint:
            line.append(f" · {reader.said(shop.title(step.touchpoint))}", style="bold")
        if step.failed:
            line.append(f" · {reader('failed')}: {reader.said(shop.title(step.failed))}", style="red")
        for extra in (step.channel, step.page, step.campaign):
            if extra:
                line.append(f" · {extra}", style="dim")
        if step.value is not None:
            line.append(f" · {reader.money(step.value, told.currency)}")
        out.print(line)
        for change_line in changes.get(number, ()):
            out.print(change_line)
    for change in alone:
        out.print(Styled("  → " + change.text(reader), style="yellow"))
