"""Commands that ask: status, customers, customer; ``polku measure`` is in :mod:`polku.cli.measure`."""

import dataclasses
from typing import Annotated, Any, Literal

import typer

from polku.cli.maps import AsJson, Folder, Language, Timezone
from polku.cli.opening import looked
from polku.errors import UsageError
from polku.language import N_

VIEWS: dict[str, Literal["plan", "actual", "both"]] = {"plan": "plan", "actual": "actual", "both": "both"}
PeriodName = Annotated[
    str, typer.Option("--period", help=N_("7d, 30d, 90d, 1y, all, or days such as 2026-01-01..2026-02-01."))
]
CompareName = Annotated[
    str, typer.Option("--compare", help=N_("Beside it: none, previous (the period before) or year (a year before)."))
]
Persona = Annotated[str | None, typer.Option("--persona", help=N_("Only customers of this persona of the map."))]
Segment = Annotated[str | None, typer.Option("--segment", help=N_("Only customers of this segment of the map."))]

AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        help=N_(
            "As it was at a moment: a day such as 2026-05-31 (its end), or 2026-05-31T12:00. "
            "Later events do not count, and time after it has not passed for anyone."
        ),
    ),
]


def register(app: Any) -> None:
    app.command("status", help=N_("The living map in the terminal."))(status)
    app.command("customers", help=N_("List customers: by stage, by touchpoint, or those behind any number."))(customers)
    app.command("customer", help=N_("One customer's story: events, stages, and the reason for each change."))(customer)


def status(
    folder: Folder,
    view: Annotated[str, typer.Option("--view", help=N_("plan, actual or both."))] = "both",
    period: PeriodName = "30d",
    compare: CompareName = "none",
    persona: Persona = None,
    segment: Segment = None,
    as_of: AsOf = None,
    language: Language = None,
    timezone: Timezone = None,
    as_json: AsJson = False,
) -> None:
    from polku.cli import draw, telling
    from polku.guidance.lag import lag
    from polku.offers.warnings import warnings

    if view not in VIEWS:
        raise UsageError("--view takes plan, actual or both, not {view!r}.", view=view)
    terminal, shop = looked(folder, language, as_json, timezone, as_of=as_of)
    living = shop.living(
        period=period, compare=compare, persona=persona, segment=segment, language=terminal.reader.language
    )
    behind = lag(shop.project.state) if any(g.state == "on" for g in shop.journey.guidance) else None
    if as_json:
        guidance = {} if behind is None else {"guidance": dataclasses.asdict(behind)}
        terminal.data(living.to_dict() | guidance)
    else:
        terminal.out.soft_wrap = False
        # before the map, so that what a question refuses is told first
        personas = () if view == "plan" else shop.personas(period, persona, segment)
        drawn = draw.living_map(shop.journey, living, terminal.reader, VIEWS[view], terminal.out.width, personas)
        terminal.out.print(drawn)
        telling.goals(terminal, shop.goals(period=period, compare=compare, persona=persona, segment=segment))
        if behind is not None:
            telling.guidance(terminal, behind)
        for text, facts in warnings(shop.project):
            terminal.note(text, **facts)


def customers(
    folder: Folder,
    stage: Annotated[str | None, typer.Option("--stage", help=N_("Those in this stage now."))] = None,
    touchpoint: Annotated[
        str | None, typer.Option("--touchpoint", help=N_("Those who have met this touchpoint."))
    ] = None,
    behind: Annotated[
        str | None,
        typer.Option("--behind", help=N_("Those behind a number: the selector that --json of a measure gives.")),
    ] = None,
    order: Annotated[
        str, typer.Option("--order", help=N_("last_seen, first_seen, since, events, value or customer."))
    ] = "last_seen",
    limit: Annotated[int, typer.Option("--limit", min=1, help=N_("How many to list."))] = 50,
    offset: Annotated[int, typer.Option("--offset", min=0, help=N_("How many to pass first."))] = 0,
    as_of: AsOf = None,
    language: Language = None,
    timezone: Timezone = None,
    as_json: AsJson = False,
) -> None:
    from rich.table import Table

    from polku.record.naming import addresses_of

    terminal, shop = looked(folder, language, as_json, timezone, as_of=as_of)
    if sum(x is not None for x in (stage, touchpoint, behind)) > 1:
        raise UsageError("Give one of --stage, --touchpoint and --behind.")
    selector = shop.selector(stage=stage, touchpoint=touchpoint, behind=behind)
    found = shop.customers(selector, order=order, limit=limit, offset=offset)
    if as_json:
        terminal.data(found.to_dict())
        return
    reader = terminal.reader
    table = Table(
        *(reader(t) for t in (N_("Customer"), N_("Stage"), N_("Since"), N_("Events"), N_("Last seen"), N_("Value")))
    )
    names = {line.customer: shop.name(line.customer, line.name) for line in found.lines}
    plain = addresses_of(shop.project, names.values())
    for line in found.lines:
        where = reader.said(shop.title(line.stage)) if line.stage else reader(N_("outside the map"))
        if line.lapsed:
            where += f" ({reader(N_('lapsed'))})"
        table.add_row(
            plain.get(names[line.customer], names[line.customer]),
            where,
            reader.time(line.since) if line.since else "",
            reader.number(line.events),
            reader.time(line.last_seen),
            reader.money(line.value) if line.value else "",
        )
    terminal.out.print(table)
    terminal.say(
        "{shown} of {total} customers.", shown=reader.number(len(found.lines)), total=reader.number(found.total)
    )


def customer(
    folder: Folder,
    id: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help=N_("Any id of the customer: a user id, an anonymous id, an account, or Polku's own number ('#12')."),
        ),
    ],
    limit: Annotated[
        int, typer.Option("--limit", min=1, help=N_("Show at most this many of the latest events."))
    ] = 200,
    as_of: AsOf = None,
    language: Language = None,
    timezone: Timezone = None,
    as_json: AsJson = False,
) -> None:
    from polku.cli import telling

    terminal, shop = looked(folder, language, as_json, timezone, as_of=as_of)
    key = shop.find(id)
    story = shop.customer(key)
    if as_json:
        ids = [{"kind": kind, "value": value} for kind, value in shop.ids(key)]
        terminal.data(
            {**story.to_dict(), "ids": ids, "reasons": [change.reason(terminal.reader) for change in story.changes]}
        )
    else:
        telling.story(terminal, shop, story, limit)
