"""polku addresses: the ones that get nothing any more, because mail came back or was called spam; and the mailbox."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table

from polku.cli.keys import actor
from polku.cli.maps import AsJson, Folder, Language
from polku.cli.opening import opened
from polku.language import N_

Address = Annotated[str, typer.Argument(metavar="ADDRESS", help=N_("An e-mail address."))]


def register(app: Any) -> None:
    group = typer.Typer(
        help=N_("Addresses that nothing is sent to any more, and the mailbox into which mail comes back."),
        no_args_is_help=True,
    )
    group.command("list", help=N_("List the addresses that nothing is sent to, with the reason."))(list_)
    group.command("allow", help=N_("Send to an address again."))(allow)
    group.command("block", help=N_("Send nothing more to an address."))(block)
    group.command("read", help=N_("Read now what came back into the mailbox of [mailbox] in polku.toml."))(read)
    app.add_typer(group, name="addresses")


def list_(folder: Folder, language: Language = None, as_json: AsJson = False) -> None:
    from polku.guidance.preparing import REASONS
    from polku.guidance.returned import suppressions

    terminal, project = opened(folder, language, as_json)
    with project:
        found = suppressions(project)
    if as_json:
        terminal.data({"addresses": [one | {"time": one["time"].isoformat()} for one in found]})
        return
    reader = terminal.reader
    if not found:
        terminal.say(N_("Nothing has come back: every address gets what it is sent."))
        return
    table = Table(box=None, pad_edge=False)
    for head in (N_("address"), N_("why"), N_("what was said"), N_("since")):
        table.add_column(reader(head))
    for one in found:
        address = one["address"] or one["hash"]
        table.add_row(address, reader(REASONS[one["reason"]]), one["detail"], reader.time(one["time"]))
    terminal.print(table)


def allow(folder: Folder, address: Address, language: Language = None, as_json: AsJson = False) -> None:
    from polku.guidance.returned import allow as done

    terminal, project = opened(folder, language, as_json)
    with project:
        done(project, "email", address, actor())
    _told(terminal, as_json, address, N_("{address} gets mail again."))


def block(folder: Folder, address: Address, language: Language = None, as_json: AsJson = False) -> None:
    from polku.guidance.returned import block as done

    terminal, project = opened(folder, language, as_json)
    with project:
        done(project, address, actor())
    _told(terminal, as_json, address, N_("{address} gets nothing any more."))


def _told(terminal: Any, as_json: bool, address: str, text: str) -> None:
    if as_json:
        terminal.data({"address": address})
    else:
        terminal.say(text, address=address)


def read(folder: Folder, language: Language = None, as_json: AsJson = False) -> None:
    from polku.errors import UsageError
    from polku.guidance.returned import read_mailbox

    terminal, project = opened(folder, language, as_json)
    with project:
        if not project.settings.mailbox.host:
            raise UsageError(N_("No mailbox is set: [mailbox] host in polku.toml."))
        with terminal.progress() as progress:
            progress(0, None, N_("Reading the mailbox"))
            told = read_mailbox(project) or {}
    if as_json:
        terminal.data({"reports": told.get("reports", 0), "events": told.get("events", 0)})
        return
    terminal.say(
        N_("New reports: {reports}; about letters of this project: {events}."), reports=told.get("reports", 0),
        events=told.get("events", 0),
    )  # fmt: skip
