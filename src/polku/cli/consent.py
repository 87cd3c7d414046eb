"""polku consent, consents, import-consents: who agreed to what, and when."""

from pathlib import Path
from typing import Annotated, Any

import typer

from polku.cli.keys import actor
from polku.cli.maps import AsJson, Folder, Language
from polku.cli.opening import project_of
from polku.language import N_

Customer = Annotated[
    str, typer.Argument(metavar="ID", help=N_("An id, an e-mail address, a phone number, or #number of the customer."))
]
TextVersion = Annotated[str | None, typer.Option("--text-version", help=N_("Which wording of the question was shown."))]


def register(app: Any) -> None:
    app.command("consent", help=N_("Show a customer's consent, or note that it was given or withdrawn."))(consent)
    app.command("consents", help=N_("Show how many customers have given, withdrawn or denied each purpose."))(consents)
    app.command("import-consents", help=N_("Read a list of consents from a CSV file; all or nothing."))(import_consents)


def consent(
    folder: Folder,
    customer: Customer,
    give: Annotated[
        list[str] | None, typer.Option("--give", metavar="PURPOSE", help=N_("The customer agreed. May be repeated."))
    ] = None,
    withdraw: Annotated[
        list[str] | None,
        typer.Option("--withdraw", metavar="PURPOSE", help=N_("The customer said no. May be repeated.")),
    ] = None,
    source: Annotated[str, typer.Option("--source", help=N_("Where it was said, such as phone or store."))] = "cli",
    text_version: TextVersion = None,
    time: Annotated[str | None, typer.Option("--time", help=N_("When it was said; by default now."))] = None,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.record.clock import moment, now
    from polku.record.consenting import decide, ids_meant, moment_of

    terminal, project = project_of(folder, language, as_json)
    with project:
        ids = ids_meant(project, customer, known=not (give or withdraw))
        if give or withdraw:
            at = moment_of(project, time)
            decide(project, ids[0], give or (), withdraw or (), at, source, text_version, actor())
        held = project.consents.held(ids, now())
        decisions = project.consents.of(ids)
    if as_json:
        terminal.data(
            {
                "customer": customer,
                "granted": sorted(held.granted),
                "denied": sorted(held.denied),
                "decisions": [decision.to_dict() for decision in decisions],
            }
        )
        return
    if not decisions:
        terminal.say(N_("{customer} was never asked for anything."), customer=customer)
    for decision in decisions:
        terminal.say(
            N_("{time}  {purpose}: {what} ({source})"),
            time=terminal.reader.time(moment(decision.time)),
            purpose=decision.purpose,
            what=terminal.reader(N_("given") if decision.granted else N_("withdrawn or denied")),
            source=decision.source,
        )
    if held.granted:
        terminal.say(N_("Holds now: {purposes}."), purposes=", ".join(sorted(held.granted)))


def consents(folder: Folder, language: Language = None, as_json: AsJson = False) -> None:
    terminal, project = project_of(folder, language, as_json)
    with project:
        counts = project.consents.overview()
        versions = project.consents.versions()
    if as_json:
        terminal.data(
            {
                "purposes": [
                    {"purpose": c.purpose, "granted": c.granted, "withdrawn": c.withdrawn, "denied": c.denied}
                    for c in counts
                ],
                "text_versions": [{"version": v["version"], "decisions": v["decisions"]} for v in versions],
            }
        )
        return
    if not counts:
        terminal.say(N_("Nobody has been asked for anything yet."))
    number = terminal.reader.number
    for c in counts:
        terminal.say(
            N_("{purpose}: given by {granted}, withdrawn by {withdrawn}, denied by {denied}"),
            purpose=c.purpose,
            granted=number(c.granted),
            withdrawn=number(c.withdrawn),
            denied=number(c.denied),
        )


def import_consents(
    folder: Folder,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help=N_("A CSV file with id, email or phone, and a purpose."))
    ],
    purpose: Annotated[
        str | None, typer.Option("--purpose", help=N_("The purpose of rows that name none, such as email."))
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", help=N_("Where rows that name none come from; by default the file."))
    ] = None,
    text_version: TextVersion = None,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.record.consentlist import import_list
    from polku.record.consents import read_purpose

    terminal, project = project_of(folder, language, as_json)
    with project:
        done = import_list(
            project, file, purpose=None if purpose is None else read_purpose(purpose), source=source,
            text_version=text_version, author=actor(),
        )  # fmt: skip
    if as_json:
        terminal.data({"read": done.read, "written": done.written, "known": done.known})
        return
    number = terminal.reader.number
    terminal.say(
        N_("{read} rows read, {written} decisions written, {known} were known already."),
        read=number(done.read),
        written=number(done.written),
        known=number(done.known),
    )
