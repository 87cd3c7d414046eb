"""polku live and polku refusals: what comes in, and what does not."""

import dataclasses
import json
import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text as Styled

from polku.cli.maps import AsJson, Folder, Language
from polku.cli.opening import opened, project_of
from polku.cli.terminal import Terminal
from polku.language import N_

if TYPE_CHECKING:
    from polku.journey.model import Journey
    from polku.live.stream import Told

#: With --follow the record is asked this often, in seconds.
EVERY = 1.0


def register(app: Any) -> None:
    app.command("live", help=N_("The latest events with customer, touchpoint and change of stage."))(live)
    app.command("refusals", help=N_("What was refused: how many, why, and what to do."))(refused)


def live(
    folder: Folder,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow",
            help=N_("Go on showing events as they arrive (stop with Ctrl-C); with --json one object a line."),
        ),
    ] = False,
    source: Annotated[str | None, typer.Option("--source", help=N_("Only events of this source."))] = None,
    event: Annotated[str | None, typer.Option("--event", help=N_("Only events of this name."))] = None,
    customer: Annotated[
        str | None, typer.Option("--customer", help=N_("Only customers whose name or id holds this."))
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help=N_("How many of the latest events."))] = 20,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.cli import telling
    from polku.guidance.lag import lag as guidance_lag
    from polku.live.lag import lag_of
    from polku.live.stream import Filters, Stream
    from polku.record.naming import addresses_of

    terminal, project = opened(folder, language, as_json)
    with project:
        stream, filters, journey = Stream(project), Filters(source, event, customer), project.journey()

        def named(rows: "Iterable[Told]") -> "Iterable[Told]":
            """By their addresses: whoever runs a command holds the project's folder, and with it the addresses."""
            told = list(rows)
            plain = {} if as_json else addresses_of(project, [one.name for one in told if one.name])
            return [dataclasses.replace(one, name=plain.get(one.name or "", one.name)) for one in told]

        look = stream.look(filters, limit)
        lag = lag_of(project, stream.rows())
        behind = guidance_lag(project.state) if any(g.state == "on" for g in journey.guidance) else None
        if as_json and not follow:
            terminal.data(
                {
                    "events": [told.to_dict() for told in look.rows],
                    "looked_at": look.looked_at,
                    "lag": lag.to_dict(),
                    "guidance": None if behind is None else dataclasses.asdict(behind),
                }
            )
            return
        show(terminal, journey, named(reversed(look.rows)))
        reader = terminal.reader
        if not follow:
            if lag.last is None:
                terminal.say(N_("No event has arrived in the last days."))
                return
            terminal.say(
                N_("Latest event {time}, {n} a second over the last minute."),
                time=reader.time(lag.last), n=reader.number(lag.rate, 2),
            )  # fmt: skip
            if lag.waiting:
                terminal.say(
                    N_("{n} events wait to be moved to history, the oldest for {time}."),
                    n=reader.number(lag.waiting, 0), time=reader.duration(lag.oldest or 0),
                )  # fmt: skip
            if behind is not None:
                telling.guidance(terminal, behind)
            return
        seen = look.last_seq
        while True:
            time.sleep(EVERY)
            look = stream.look(filters, 1000)
            show(terminal, journey, named(told for told in reversed(look.rows) if told.arrived.seq > seen))
            seen = max(seen, look.last_seq)


def show(terminal: Terminal, journey: "Journey", rows: "Iterable[Told]") -> None:
    """Events, the oldest first: a line each, or with --json an object a line."""
    for told in rows:
        if terminal.as_json:
            sys.stdout.write(json.dumps(told.to_dict(), ensure_ascii=False, default=str) + "\n")
            sys.stdout.flush()
        else:
            terminal.out.print(line(terminal, journey, told))


def line(terminal: Terminal, journey: "Journey", told: "Told") -> Styled:
    from polku.journey.model import titled

    reader, arrived = terminal.reader, told.arrived
    found = Styled(f"{arrived.received_at.astimezone(reader.zone):%H:%M:%S}  ", style="dim")
    found.append(arrived.event, style="default bold")
    found.append(f" · {told.name or reader(N_('nobody'))}", style="default")
    if told.touchpoint:
        found.append(f" · {reader.said(titled(journey.touchpoint(told.touchpoint)))}", style="default")
    if told.failed:
        where = reader.said(titled(journey.touchpoint(told.failed)))
        found.append(f" · {reader(N_('failed at {touchpoint}'), touchpoint=where)}", style="red")
    for change in told.changes:
        found.append(f"  → {reader.said(titled(journey.stage(change.to_stage)))}", style="green")
    for extra in (arrived.page, arrived.source):
        if extra:
            found.append(f" · {extra}")
    if arrived.value is not None:
        found.append(f" · {reader.money(arrived.value, arrived.currency)}", style="default")
    return found


def refused(
    folder: Folder,
    reason: Annotated[str | None, typer.Option("--reason", help=N_("Only this reason; the list names them."))] = None,
    source: Annotated[str | None, typer.Option("--source", help=N_("Only what this source sent."))] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=0, max=1000, help=N_("How many refused events with their raw text."))
    ] = 5,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.live import refusals

    terminal, project = project_of(folder, language, as_json)
    with project:
        latest = refusals.latest(project, reason, source, limit)
        counts = [
            c
            for c in refusals.counts(project)
            if (reason is None or c.reason == reason.lower()) and (source is None or c.source == source)
        ]
    reader = terminal.reader
    if as_json:
        terminal.data(
            {"counts": [c.to_dict(reader) for c in counts], "latest": [one.to_dict(reader) for one in latest]}
        )
        return
    if not counts:
        terminal.say(N_("Nothing has been refused."))
        return
    for count in counts:
        terminal.say(
            N_("{n} × {why} ({reason}), from {source}, latest {time}"),
            n=reader.number(count.count, 0), why=refusals.why(count.reason, reader), reason=count.reason,
            source=count.source, time=reader.time(count.time),
        )  # fmt: skip
        if told := refusals.advice(count.reason, reader):
            terminal.out.print(Styled(f"    {told}", style="dim"))
    if latest:
        terminal.say(N_("The latest:"))
    for one in latest:
        head = f"  {reader.time(one.received_at)} · {one.source} · {refusals.why(one.reason, reader)}"
        terminal.out.print(Styled(head))
        terminal.out.print(Styled(f"    {one.raw[:1000]}", style="dim"))
