"""polku audience: lists for ads, refreshing one, the files of a refresh."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from polku.cli.keys import actor
from polku.cli.maps import AsJson, Folder, Language
from polku.cli.opening import opened
from polku.language import N_

Id = Annotated[str, typer.Argument(metavar="AUDIENCE", help=N_("The list's name in the map."))]


def register(app: Any) -> None:
    group = typer.Typer(
        help=N_("Lists of customers for advertising: refresh them, take the files of Meta and Google."),
        no_args_is_help=True,
    )
    group.command("list", help=N_("List the audiences with their sizes and last refreshes."))(list_)
    group.command("refresh", help=N_("Refresh a list now and tell what changed."))(refresh)
    group.command("files", help=N_("Copy the files of the last refresh into a folder."))(files_)
    app.add_typer(group, name="audience")


def list_(folder: Folder, language: Language = None, as_json: AsJson = False) -> None:
    from polku.audiences.refreshing import last_refresh
    from polku.journey.campaigns import title_of

    terminal, project = opened(folder, language, as_json)
    with project:
        found = [(id, one, last_refresh(project, id)) for id, one in project.journey().audiences.items()]
    if as_json:
        told = [
            {"id": id, "title": title_of(id, one), "state": one.state, "of": list(one.of), "for": list(one.for_),
             "every": one.every, "last": None if last is None else last.to_dict()}
            for id, one, last in found
        ]  # fmt: skip
        terminal.data({"audiences": told})
        return
    if not found:
        terminal.say(N_("The map has no lists for ads yet: write one under audiences."))
        return
    table = Table(box=None, pad_edge=False)
    for head in (N_("list"), N_("state"), N_("people"), N_("came"), N_("went"), N_("refreshed")):
        table.add_column(terminal.reader(head))
    reader = terminal.reader
    for id, one, last in found:
        numbers = ("–", "–", "–", "–") if last is None else (
            reader.number(last.members, 0), reader.number(last.added, 0), reader.number(last.removed, 0),
            reader.time(last.time),
        )  # fmt: skip
        table.add_row(f"{id}  {reader.said(title_of(id, one))}", one.state, *numbers)
    terminal.print(table)


def refresh(folder: Folder, id: Id, language: Language = None, as_json: AsJson = False) -> None:
    from polku.audiences.files import folder_of
    from polku.audiences.membership import REASON_WORDS
    from polku.audiences.refreshing import refresh as done

    terminal, project = opened(folder, language, as_json)
    with project:
        with terminal.progress() as progress:
            progress(0, None, N_("Looking at the customers"))
            made = done(project, id, actor())
        where = folder_of(project, id, made.number)
    if as_json:
        terminal.data(made.to_dict() | {"folder": str(where)})
        return
    reader = terminal.reader
    terminal.say(
        N_("On the list: {members}; came: {added}; went: {removed}."), members=reader.number(made.members, 0),
        added=reader.number(made.added, 0), removed=reader.number(made.removed, 0),
    )  # fmt: skip
    for reason, count in made.left_out.items():
        terminal.say(f"{reader(REASON_WORDS[reason])}: {reader.number(count, 0)}")
    terminal.say(N_("The files are in {folder}."), folder=where)


def files_(
    folder: Folder,
    id: Id,
    target: Annotated[Path, typer.Argument(metavar="TARGET", help=N_("The folder that gets them; it is made."))],
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.audiences.files import file_of
    from polku.audiences.membership import audience_of
    from polku.audiences.refreshing import last_refresh
    from polku.errors import UsageError

    terminal, project = opened(folder, language, as_json)
    with project:
        audience_of(project.journey(), id)
        last = last_refresh(project, id)
        if last is None:
            raise UsageError(N_("The list {id} was never refreshed: polku audience refresh."), id=id)
        target.mkdir(parents=True, exist_ok=True)
        copied = []
        for one in last.files:
            shutil.copy(file_of(project, id, last.number, one.name), target / one.name)
            copied.append(str(target / one.name))
        project.audit.note(actor(), "audience.fetched", id, {"refresh": last.number})
    if as_json:
        terminal.data({"audience": id, "refresh": last.number, "files": copied})
        return
    for path in copied:
        terminal.say(N_("Written: {file}"), file=path)
