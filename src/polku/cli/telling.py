"""What a terminal tells beside the map: the map's own measures, and one customer's story."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.text import Text as Styled

from polku.cli.figures import SIGNS, STYLES
from polku.language import N_
from polku.measures.result import STATES
from polku.web.words import channel_word

if TYPE_CHECKING:
    from polku.cli.terminal import Terminal
    from polku.guidance.lag import Lag
    from polku.measures.ask import GoalFigure
    from polku.measures.timeline import Timeline
    from polku.shop import Shop


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
            if rate.pending:
                line.append(", " + reader("{n} not yet", n=reader.number(rate.pending)), style="dim")
        if goal.target is not None:
            sign = "≥" if goal.at_least else "≤"
            line.append(" " + f"{SIGNS[goal.state]} {reader(STATES[goal.state])}", style=STYLES[goal.state])
            line.append(
                ", " + reader("target {sign} {share}", sign=sign, share=reader.percent(goal.target)), style="dim"
            )
        if goal.before is not None and goal.before.value is not None:
            line.append(" " + reader("before {share}", share=reader.percent(goal.before.value)), style="dim")
        terminal.out.print(line)


def guidance(terminal: Terminal, behind: Lag) -> None:
    """How far guidance is behind what has arrived, and behind the clock."""
    if not behind.events and behind.seconds < 1:
        terminal.say(N_("Guidance has taken everything that has arrived."))
        return
    terminal.say(
        N_("Guidance is {n} events behind; its oldest timer is {time} late."),
        n=terminal.reader.number(behind.events, 0), time=terminal.reader.duration(behind.seconds),
    )  # fmt: skip


def story(terminal: Terminal, shop: Shop, told: Timeline, limit: int) -> None:
    """One customer: who, where, then events and stage changes in one stream, the latest ``limit`` events."""
    from polku.record.naming import addresses_of
    from polku.web.story import facts_of, microseconds

    reader, out = terminal.reader, terminal.out
    ids = shop.ids(told.customer)
    facts = facts_of(shop.project, told.customer) if shop.journey.roles else {}
    people = [row["person"] for rows in facts.values() for row in rows if row.get("person")]
    # whoever runs a command holds the project's folder, and with it the addresses
    plain = addresses_of(shop.project, [told.name or "", *(value for _, value in ids), *people])
    out.print(Styled(plain.get(told.name or "", told.name or ""), style="bold"))
    for kind, value in ids:
        out.print(Styled(f"  {reader('id ' + kind)}: {plain.get(value, value)}", style="dim"))
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
        rows = facts.get((microseconds(step.time), step.event))
        who = rows.popleft() if rows else {}
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
        if who.get("role"):
            line.append(f" · {reader.said(shop.journey.roles[who['role']].title)}", style="bold")
        if who.get("person"):
            line.append(f" · {plain.get(who['person'], who['person'])}")
        channel = reader(channel_word(step.channel)) if step.channel else None
        for extra in (channel, step.page, step.campaign):
            if extra:
                line.append(f" · {extra}", style="dim")
        if step.value is not None:
            line.append(f" · {reader.money(step.value, told.currency)}")
        out.print(line)
        for change_line in changes.get(number, ()):
            out.print(change_line)
    for change in alone:
        out.print(Styled("  → " + change.text(reader), style="yellow"))
