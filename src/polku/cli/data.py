"""Commands that move events: import, export, sql."""

from pathlib import Path
from typing import Annotated, Any

import typer

from polku.cli.maps import AsJson, Folder, Language
from polku.cli.opening import opened
from polku.errors import UsageError
from polku.language import N_

Column = str | None


def register(app: Any) -> None:
    app.command("import", help=N_("Read events from files into the project's history; all or nothing."))(import_)
    app.command("import-costs", help=N_("Read costs of advertising from exports of ad systems."))(import_costs)
    app.command("sql", help=N_("Ask history in SQL (DuckDB, read only; the view is called events)."))(sql)
    app.command("export", help=N_("Write events to a Parquet or CSV file."))(export)


def import_(
    folder: Folder,
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help=N_("CSV, Parquet or JSON Lines, plain or gzip; several, or a pattern such as 'logs/*.csv'."),
        ),
    ],
    customer: Annotated[Column, typer.Option("--customer", help=N_("The column that names the customer."))] = None,
    event: Annotated[Column, typer.Option("--event", help=N_("The column that names the event."))] = None,
    time: Annotated[Column, typer.Option("--time", help=N_("The column of the event's time."))] = None,
    anonymous: Annotated[
        Column, typer.Option("--anonymous", help=N_("The column of the anonymous id (a browser, a device)."))
    ] = None,
    account: Annotated[Column, typer.Option("--account", help=N_("The column of the account (B2B)."))] = None,
    role: Annotated[Column, typer.Option("--role", help=N_("The column of the person's role in the account."))] = None,
    session: Annotated[Column, typer.Option("--session", help=N_("The column of the source's own session."))] = None,
    value: Annotated[
        Column,
        typer.Option(
            "--value",
            help=N_("The column of money or another amount; a product such as 'Quantity*UnitPrice' is understood."),
        ),
    ] = None,
    currency: Annotated[
        Column, typer.Option("--currency", help=N_("The column of the currency, or a code such as EUR for all rows."))
    ] = None,
    source: Annotated[
        Column, typer.Option("--source", help=N_("The column of the source, or a name for all rows."))
    ] = None,
    channel: Annotated[
        Column, typer.Option("--channel", help=N_("The column of the channel, or a name such as store for all rows."))
    ] = None,
    event_id: Annotated[Column, typer.Option("--event-id", help=N_("The column of the event's own id."))] = None,
    event_name: Annotated[
        str | None,
        typer.Option("--event-name", help=N_("One event name for all rows of a file that has no such column.")),
    ] = None,
    rename: Annotated[
        list[str] | None,
        typer.Option(
            "--rename",
            metavar="OLD=NEW",
            help=N_("Rename an event on the way in; the original is kept. May be repeated."),
        ),
    ] = None,
    property: Annotated[
        list[str] | None,
        typer.Option("--property", help=N_("Keep only these other columns as properties; by default all are kept.")),
    ] = None,
    trait: Annotated[
        list[str] | None,
        typer.Option("--trait", help=N_("A column that describes the customer rather than the event.")),
    ] = None,
    timezone: Annotated[
        str | None, typer.Option("--timezone", help=N_("The zone of times that name none; by default the map's."))
    ] = None,
    encoding: Annotated[
        str | None, typer.Option("--encoding", help=N_("The file's encoding; by default it is found out."))
    ] = None,
    delimiter: Annotated[
        str | None, typer.Option("--delimiter", help=N_("What separates columns; by default it is found out."))
    ] = None,
    day_first: Annotated[
        bool | None,
        typer.Option(
            "--day-first/--month-first", help=N_("How 3/4/2026 is read where the column itself does not tell.")
        ),
    ] = None,
    decimal: Annotated[
        str | None,
        typer.Option("--decimal", help=N_("The decimal mark, a comma or a point, where values do not tell.")),
    ] = None,
    consent: Annotated[
        Column, typer.Option("--consent", help=N_("The column of consent: the purposes that were granted."))
    ] = None,
    consent_source: Annotated[
        str | None,
        typer.Option(
            "--consent-source", help=N_("Where consent was asked; the column of consent then becomes decisions.")
        ),
    ] = None,
    group_by: Annotated[
        str | None,
        typer.Option(
            "--group-by",
            help=N_(
                "Rows that agree in this column (an order's number; several with commas) are lines of one event: "
                "values are summed, the lines are kept as products."
            ),
        ),
    ] = None,
    keep_names: Annotated[
        bool,
        typer.Option("--keep-names", help=N_("Keep event names as they are; by default known ones are translated.")),
    ] = False,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.sources.importing import Mapping, import_files

    terminal, project = opened(folder, language, as_json)
    renames = dict(_pair(text) for text in rename or [])
    mapping = Mapping(
        customer=customer,
        event=event,
        time=time,
        anonymous=anonymous,
        account=account,
        role=role,
        session=session,
        value=value,
        currency=currency,
        source=source,
        channel=channel,
        event_id=event_id,
        event_name=event_name,
        rename=renames,
        properties=tuple(property) if property is not None else None,
        traits=tuple(trait or ()),
        timezone=timezone,
        encoding=encoding,
        delimiter=delimiter,
        day_first=day_first,
        decimal=decimal,
        consent=consent,
        consent_source=consent_source,
        keep_names=keep_names,
        group_by=group_by,
    )
    with terminal.progress() as progress:
        report = import_files(project, files, mapping, progress=progress)
    if as_json:
        terminal.data(report.to_dict(terminal.reader.language))
    else:
        terminal.out.print(report.text(terminal.reader), markup=False)


def import_costs(
    folder: Folder,
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help=N_("CSV or Parquet, plain or gzip; several, or a pattern: exports of Google Ads, Meta and others."),
        ),
    ],
    day: Annotated[Column, typer.Option("--day", help=N_("The column of the day, or of the first of several."))] = None,
    until: Annotated[Column, typer.Option("--until", help=N_("The column of the last day of several."))] = None,
    source: Annotated[
        Column, typer.Option("--source", help=N_("The column of the source, or a word as in your links' utm_source."))
    ] = None,
    medium: Annotated[
        Column, typer.Option("--medium", help=N_("The column of the medium, or a word as in your links' utm_medium."))
    ] = None,
    campaign: Annotated[
        Column, typer.Option("--campaign", help=N_("The column of the campaign, or a word for all rows."))
    ] = None,
    amount: Annotated[Column, typer.Option("--amount", help=N_("The column of what was spent."))] = None,
    currency: Annotated[
        Column, typer.Option("--currency", help=N_("The column of the currency, or a code such as EUR for all rows."))
    ] = None,
    impressions: Annotated[Column, typer.Option("--impressions", help=N_("The column of impressions."))] = None,
    clicks: Annotated[Column, typer.Option("--clicks", help=N_("The column of clicks."))] = None,
    day_first: Annotated[
        bool | None,
        typer.Option(
            "--day-first/--month-first", help=N_("How 3/4/2026 is read where the column itself does not tell.")
        ),
    ] = None,
    decimal: Annotated[
        str | None,
        typer.Option("--decimal", help=N_("The decimal mark, a comma or a point, where values do not tell.")),
    ] = None,
    encoding: Annotated[
        str | None, typer.Option("--encoding", help=N_("The file's encoding; by default it is found out."))
    ] = None,
    delimiter: Annotated[
        str | None, typer.Option("--delimiter", help=N_("What separates columns; by default it is found out."))
    ] = None,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.sources.costs import CostColumns
    from polku.sources.costs import import_costs as read

    terminal, project = opened(folder, language, as_json)
    columns = CostColumns(
        day=day,
        until=until,
        source=source,
        medium=medium,
        campaign=campaign,
        amount=amount,
        currency=currency,
        impressions=impressions,
        clicks=clicks,
        day_first=day_first,
        decimal=decimal,
        encoding=encoding,
        delimiter=delimiter,
    )
    reports = read(project, files, columns)
    if as_json:
        terminal.data([report.to_dict(terminal.reader.language) for report in reports])
    else:
        for report in reports:
            terminal.out.print(report.text(terminal.reader), markup=False)


def _pair(text: str) -> tuple[str, str]:
    old, equals, new = text.partition("=")
    if not equals:
        raise UsageError("--rename takes OLD=NEW, not {pair!r}.", pair=text)
    return old, new


def sql(
    folder: Folder,
    query: Annotated[
        str, typer.Argument(metavar="QUERY", help=N_("For example: select event, count(*) from events group by all"))
    ],
    limit: Annotated[
        int, typer.Option("--limit", help=N_("Show at most this many rows as text; --json gives all."))
    ] = 100,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from rich.table import Table

    from polku.measures.labels import add_to_sql

    terminal, project = opened(folder, language, as_json)
    add_to_sql()
    found = project.sql(query)
    if as_json:
        from polku.cli.opening import plain_rows

        terminal.data(plain_rows(found))
        return
    table = Table(*found.column_names)
    for row in found.slice(0, limit).to_pylist():
        table.add_row(*("" if v is None else str(v) for v in row.values()))
    terminal.out.print(table)
    if found.num_rows > limit:
        terminal.say("{n} rows; {limit} shown.", n=terminal.reader.number(found.num_rows), limit=limit)


def export(
    folder: Folder,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help=N_("Where to write: a name that ends in .parquet, .csv or .csv.gz."))
    ],
    query: Annotated[
        str, typer.Option("--query", help=N_("Which rows: SQL over the view events."))
    ] = "select * from events order by time, seq",
    force: Annotated[bool, typer.Option("--force", help=N_("Replace the file when it exists."))] = False,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.cli.exporting import write
    from polku.measures.labels import add_to_sql

    terminal, project = opened(folder, language, as_json)
    add_to_sql()
    if file.exists() and not force:
        raise UsageError("{file} exists already; give another name, or --force to replace it.", file=file)
    with terminal.progress() as progress:
        rows = write(project, query, file, progress)
    if as_json:
        terminal.data({"file": str(file), "rows": rows})
    else:
        terminal.say("Rows written to {file}: {n}.", n=terminal.reader.number(rows), file=file)
