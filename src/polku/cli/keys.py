"""polku keys: keys of machines are made, listed, revoked and rotated."""

import getpass
from typing import Annotated, Any

import typer

from polku.access.keys import SCOPE_WORDS, STATE_WORDS
from polku.cli.maps import AsJson, Folder, Language
from polku.cli.opening import project_of
from polku.cli.terminal import Terminal
from polku.errors import UsageError
from polku.language import N_, Reader

Number = Annotated[int, typer.Argument(metavar="NUMBER", help=N_("The key's number, as polku keys list shows it."))]


def register(app: Any) -> None:
    keys = typer.Typer(help=N_("Keys for machines: for sending events and for reading the API."), no_args_is_help=True)
    keys.command("create", help=N_("Make a key; it is shown this once."))(create)
    keys.command("list", help=N_("List the keys: what each opens and when it was last used."))(list_)
    keys.command("revoke", help=N_("End a key at once."))(revoke)
    keys.command("rotate", help=N_("Make a successor of a key; the old one works on for a while."))(rotate)
    app.add_typer(keys, name="keys")


def actor() -> str:
    """Who runs the command, for the audit log."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a container's user may have no name
        return "cli"


def create(
    folder: Folder,
    write: Annotated[bool, typer.Option("--write", help=N_("It lets events in."))] = False,
    read: Annotated[bool, typer.Option("--read", help=N_("It opens the JSON API for reading."))] = False,
    name: Annotated[str | None, typer.Option("--name", help=N_("What people call it, such as web shop."))] = None,
    source: Annotated[
        str | None,
        typer.Option("--source", help=N_("The source that its events get; by default the name of the protocol.")),
    ] = None,
    site: Annotated[
        str | None, typer.Option("--site", help=N_("The site number (idsite) that Matomo's protocol names it by."))
    ] = None,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    terminal, project = project_of(folder, language, as_json)
    scopes = [scope for scope, wanted in (("write", write), ("read", read)) if wanted]
    if not scopes:
        raise UsageError(N_("Say what the key opens: --write (events come in), --read (the API), or both."))
    with project:
        made = project.keys.create(name or " ".join(scopes), scopes, source, site, by=actor())
    if as_json:
        key = made.key
        terminal.data(
            {
                "key": made.text,
                "id": key.id,
                "name": key.name,
                "scopes": sorted(key.scopes),
                "source": key.source,
                "site": key.site,
            }
        )
        return
    shown_once(terminal, made.key.id, made.text)


def shown_once(terminal: Terminal, id: int, text: str) -> None:
    terminal.say(N_("Key {id} is made. Keep it now: it is not shown again."), id=id)
    terminal.out.print(text, markup=False)


def list_(folder: Folder, language: Language = None, as_json: AsJson = False) -> None:
    from polku.record.clock import moment

    terminal, project = project_of(folder, language, as_json)
    with project:
        entries = project.keys.list()
    if as_json:

        def when(at: int | None) -> str | None:
            return None if at is None else moment(at).isoformat()

        terminal.data(
            {
                "keys": [
                    {
                        "id": e.key.id,
                        "name": e.key.name,
                        "shown": e.shown,
                        "scopes": sorted(e.key.scopes),
                        "source": e.key.source,
                        "site": e.key.site,
                        "state": e.state(),
                        "created_at": when(e.created_at),
                        "created_by": e.created_by,
                        "used_at": when(e.used_at),
                        "expires_at": when(e.expires_at),
                        "revoked_at": when(e.revoked_at),
                        "replaced_by": e.replaced_by,
                    }
                    for e in entries
                ]
            }
        )
        return
    if not entries:
        terminal.say(N_("There are no keys yet. Make one with: polku keys create {folder} --write"), folder=folder)
        return
    from rich.table import Table
    from rich.text import Text

    reader = terminal.reader
    table = Table(box=None, pad_edge=False)
    for head in ("", N_("Name"), N_("Key"), N_("Opens"), N_("Source"), N_("Last used"), N_("State")):
        table.add_column(reader(head) if head else head)
    for e in entries:
        opens = ", ".join(reader(SCOPE_WORDS[s]) for s in sorted(e.key.scopes))
        used = "–" if e.used_at is None else reader.time(moment(e.used_at))
        cells = (str(e.key.id), e.key.name, f"{e.shown}…", opens, e.key.source or "–", used, state_words(reader, e))
        table.add_row(*(Text(cell) for cell in cells))
    terminal.print(table)


def state_words(reader: Reader, entry: Any) -> str:
    """The state of a key for people."""
    from polku.record.clock import moment

    state = entry.state()
    facts = {"time": reader.time(moment(entry.expires_at))} if state == "expiring" else {}
    return reader(STATE_WORDS[state], **facts)


def revoke(folder: Folder, number: Number, language: Language = None, as_json: AsJson = False) -> None:
    terminal, project = project_of(folder, language, as_json)
    with project:
        project.keys.revoke(number, by=actor())
    if as_json:
        terminal.data({"revoked": number})
        return
    terminal.say(N_("Key {id} opens nothing any more."), id=number)


def rotate(
    folder: Folder,
    number: Number,
    grace: Annotated[float, typer.Option("--grace", min=0, help=N_("Hours that the old key goes on working."))] = 168.0,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    terminal, project = project_of(folder, language, as_json)
    with project:
        made = project.keys.rotate(number, grace * 3600, by=actor())
    if as_json:
        terminal.data({"key": made.text, "id": made.key.id, "replaces": number, "grace_hours": grace})
        return
    shown_once(terminal, made.key.id, made.text)
    terminal.say(N_("Key {id} works for another {hours} hours."), id=number, hours=terminal.reader.number(grace))
