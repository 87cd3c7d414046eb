"""Commands about servers that share a project: what they do in the background, which map they read."""

import datetime as dt
import sys
from typing import Annotated, Any

import typer

from polku.cli.maps import AsJson, Folder, Language
from polku.cli.opening import opened
from polku.errors import UsageError, nearest
from polku.language import N_


def register(app: Any) -> None:
    app.command("jobs", help=N_("What the servers do in the background: last run, next, who, what came of it."))(jobs)
    app.command("publish", help=N_("Publish the map to all servers that share the project."))(publish)


def jobs(
    folder: Folder,
    run: Annotated[
        str | None, typer.Option("--run", metavar="JOB", help=N_("Do this job now, in this process, and wait for it."))
    ] = None,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.jobs import Ledger, Runner
    from polku.jobs import jobs as jobs_of

    terminal, project = opened(folder, language, as_json)
    known = jobs_of(project)
    if run is not None:
        names = [job.name for job in known]
        if run not in names:
            raise UsageError(
                N_("There is no job {name!r}. Jobs: {names}. Did you mean {near}?"),
                name=run,
                names=", ".join(names),
                near=nearest(run, names) or names[0],
            )
        done = Runner(project, known).run(next(job for job in known if job.name == run), at_once=True)
        if not done:
            terminal.note(N_("The job {name} was not done; the list tells why."), name=run)
    told = Ledger(project.state).all(known)
    if as_json:
        terminal.data([{**{k: _plain(v) for k, v in _fields(s)}, "title": terminal.reader(s.title)} for s in told])
    else:
        terminal.print(_table(terminal, told))
    project.close()
    if run is not None and not done:
        raise typer.Exit(1)


def publish(
    folder: Folder,
    show: Annotated[bool, typer.Option("--show", help=N_("Print the published map instead."))] = False,
    force: Annotated[
        bool, typer.Option("--force", help=N_("Also over a version that somebody else published meanwhile."))
    ] = False,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    import getpass

    terminal, project = opened(folder, language, as_json)
    with project:
        if show:
            version = project.published.newest()
            if version is None:
                raise UsageError(N_("Nothing is published yet."))
            if not as_json:
                sys.stdout.write(version.text)
        else:
            version = project.published.publish(getpass.getuser(), force)
            terminal.say(N_("Version {number} of the map is published."), number=version.number)
        facts = {"version": version.number, "author": version.author, "time": version.time.isoformat()}
        if as_json:
            terminal.data({**facts, "text": version.text} if show else facts)


def _fields(status: Any) -> list[tuple[str, Any]]:
    import dataclasses

    return [(field.name, getattr(status, field.name)) for field in dataclasses.fields(status)]


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, dt.datetime) else value


def _table(terminal: Any, told: Any) -> Any:
    from rich.markup import escape
    from rich.table import Table

    reader = terminal.reader
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in (N_("Job"), N_("What it does"), N_("Last run"), N_("Next run"), N_("Who"), N_("What came of it")):
        table.add_column(reader(title))
    for status in told:
        outcome = ", ".join(f"{reader(name)} {value}" for name, value in (status.outcome or {}).items())
        if status.failures:
            outcome = reader(N_("failed {n} times: {reason}"), n=status.failures, reason=status.reason or "")
        table.add_row(
            status.name,
            escape(reader(status.title)),
            reader.time(status.finished) if status.finished else reader(N_("never")),
            reader.time(status.next) if status.next else reader(N_("when it is due")),
            escape(status.holder or ""),
            escape(outcome),
        )
    return table
