"""The figures of a stage and of a touchpoint as lines of a terminal: value, n of N, what is open, target, change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from rich.console import Group, RenderableType
from rich.text import Text as Styled

from polku.journey.model import Touchpoint, titled
from polku.language import Reader
from polku.measures.living import Deviation, Figures, StageFigures, TouchpointFigures
from polku.measures.result import STATES, State

View = Literal["plan", "actual", "both"]
STYLES: dict[State, str] = {
    "on_target": "green",
    "behind": "red",
    "too_few": "dim",
    "no_target": "",
    "no_data": "yellow",
}
SIGNS: dict[State, str] = {"on_target": "✓", "behind": "▼", "too_few": "~", "no_target": "", "no_data": "○"}


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


def time_line(figures: Figures, reader: Reader) -> Styled:
    """ "median 2 d to the next (half of them 1 d to 4 d)"."""
    times = figures.to_next
    line = Styled(reader("median {time} to the next", time=reader.duration(times.median or 0)))
    if times.q25 is not None and times.q75 is not None:
        low, high = reader.duration(times.q25), reader.duration(times.q75)
        line.append(" " + reader("(half of them {low} to {high})", low=low, high=high), style="dim")
    return line


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
            lines.append(time_line(figures, reader))
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
    yield from touchpoint_figures(figures, reader)
    for deviation in figures.deviations:
        if deviation.minor:
            continue
        yield Styled("  ") + deviation_line(deviation, reader)


def touchpoint_figures(figures: TouchpointFigures, reader: Reader) -> Iterable[RenderableType]:
    """All that is measured of one touchpoint besides its first line."""
    own = figures.figures
    here = reader("{n} here last, {reached} ever", n=reader.number(figures.now.n), reached=reader.number(own.reached.n))
    yield Styled("  " + here, style="dim")
    if figures.events:
        yield Styled("  " + reader("{n} events in the period", n=reader.number(figures.events)), style="dim")
    if own.went_on.denominator or own.went_on.pending:
        yield Styled("  ") + rate_line(own, reader)
    if own.target is not None:
        yield Styled("  ") + target_line(own, reader)
    if own.to_next.median is not None:
        yield Styled("  ") + time_line(own, reader)
    if own.drop_off.value is not None:
        share, n = reader.percent(own.drop_off.value), reader.number(own.drop_off.numerator)
        yield Styled("  " + reader("dropped off {share} ({n})", share=share, n=n), style="dim")
    if own.value is not None and own.value.amount:
        yield Styled("  " + reader.money(own.value.amount, own.value.currency, digits=0), style="dim")
    if (change := change_line(own, reader)) is not None:
        yield Styled("  ") + change
