"""polku site, polku help-codes: what every visitor of the site is shown, and who turned to the shop's people there."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table

from polku.cli.keys import actor
from polku.cli.maps import AsJson, Folder, Language
from polku.cli.opening import opened
from polku.language import N_


def register(app: Any) -> None:
    app.command("site", help=N_("The pieces that every visitor of the site is shown: list them, turn one on or off."))(
        site
    )
    app.command("help-codes", help=N_("Visitors who turned to your people on the site, by the code that they tell."))(
        help_codes
    )


def site(
    folder: Folder,
    name: Annotated[str, typer.Argument(metavar="[NAME]", help=N_("A piece of the map's site; all without it."))] = "",
    state: Annotated[str, typer.Argument(metavar="[STATE]", help=N_("on, off or draft."))] = "",
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.onsite.listing import DAYS, KINDS, listed, turn

    terminal, project = opened(folder, language, as_json)
    reader = terminal.reader
    with project:
        if state:
            changed = turn(project, name, state, actor())
            if as_json:
                terminal.data({"piece": name, "state": state, "changed": changed})
            else:
                terminal.say(N_("{piece} is {state}."), piece=name, state=state)
            return
        found = [one for one in listed(project, reader.language) if name in ("", one.name)]
    if as_json:
        terminal.data({"pieces": [one.to_dict(reader.language) for one in found]})
        return
    if not found:
        terminal.say(N_("The map names no such piece under site:."))
        return
    table = Table(box=None, pad_edge=False)
    for title in (
        N_("Piece"), N_("Kind"), N_("State"), N_("Pages"), N_("shown"), N_("clicked"), N_("closed"), N_("sent"),
    ):  # fmt: skip
        table.add_column(reader(title))
    for one in found:
        kind = reader(KINDS[one.shows]) if one.shows else reader(N_("not shown"))
        figures = [reader.number(one.figures[word], 0) for word in ("shown", "clicked", "closed", "submitted")]
        table.add_row(one.name, kind, reader(one.state), ", ".join(one.pages) or reader(N_("all")), *figures)
    terminal.print(table)
    terminal.say(N_("Figures are visitors of the last {days} days."), days=DAYS)
    for one in found:
        if one.fault is not None:
            terminal.say("{piece}: {fault}", piece=one.name, fault=one.fault.text(reader.language))


def help_codes(
    folder: Folder,
    code: Annotated[
        str, typer.Argument(metavar="[CODE]", help=N_("The code that a visitor tells; all without it."))
    ] = "",
    done: Annotated[
        bool, typer.Option("--done", help=N_("Note that this visitor was helped; without CODE: list those."))
    ] = False,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.onsite.handing import finish, handovers
    from polku.record.naming import names_of

    terminal, project = opened(folder, language, as_json)
    reader = terminal.reader
    with project:
        helped = [finish(project, code, actor())] if code and done else None
        found = handovers(project, code=code or None, done=done) if helped is None else helped
        names = names_of(project, {one.customer for one in found if one.customer is not None}, project.subject())
    told = [{**one.to_dict(), "name": names.get(one.customer) if one.customer is not None else None} for one in found]
    if as_json:
        terminal.data({"handovers": told})
        return
    if not found:
        terminal.say(N_("There is no code {code}.") if code else N_("Nobody."), code=code)
        return
    table = Table(box=None, pad_edge=False)
    for title in (N_("Code"), N_("When"), N_("By what"), N_("Page"), N_("Customer")):
        table.add_column(reader(title))
    for one, name in zip(found, (each["name"] for each in told), strict=True):
        table.add_row(one.code, reader.time(one.made_at), reader(one.via), one.page, name or reader(N_("not known")))
    terminal.print(table)
