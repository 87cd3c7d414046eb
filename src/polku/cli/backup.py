"""Commands that keep a project safe: backup, restore."""

from pathlib import Path
from typing import Annotated, Any

import typer

from polku.cli.maps import AsJson, Folder, Language
from polku.cli.terminal import Terminal
from polku.errors import RecordError
from polku.language import N_

Where = Annotated[
    str,
    typer.Option("--to", metavar="PLACE", help=N_("A folder or a URL such as s3://bucket/backups; it may hold many.")),
]


def register(app: Any) -> None:
    app.command("backup", help=N_("Back a project up while it runs; only what is new is copied."))(backup)
    app.command("restore", help=N_("Make a project of a backup, in a folder that is not there yet."))(restore)


def backup(
    folder: Folder,
    to: Where,
    keep: Annotated[
        int, typer.Option("--keep", min=0, help=N_("Keep this many backups there and delete older ones; 0 keeps all."))
    ] = 0,
    verify: Annotated[
        bool, typer.Option("--verify", help=N_("Make none: read the last one there again and compare the checksums."))
    ] = False,
    show: Annotated[bool, typer.Option("--list", help=N_("Make none: list those that are there."))] = False,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.backups import manifests, take
    from polku.backups import verify as check
    from polku.backups.taking import place_of
    from polku.cli.opening import opened

    terminal, project = opened(folder, language, as_json)
    with project:
        if show:
            found = manifests(place_of(project, to))
            if as_json:
                terminal.data([_told(m) for m in found])
            for each in found:
                _say(terminal, N_("{name}: {events} events, {waiting} in the inbox, {size} MB."), each)
            if not found:
                terminal.say(N_("There is no backup at {where}."), where=to)
            return
        with terminal.progress() as progress:
            if verify:
                made, damaged = check(place_of(project, to), None, progress)
                if damaged:
                    raise RecordError(
                        N_("The backup {name} at {where} is damaged: {files}."),
                        name=made.name, where=to, files=", ".join(damaged[:10]),
                    )  # fmt: skip
            else:
                made = take(project, to, keep=keep, progress=progress)
    if as_json:
        terminal.data(_told(made))
        return
    text = N_("{name} is whole: {events} events, {waiting} in the inbox, {size} MB.")
    _say(terminal, text if verify else N_("{name} is made: {events} events, {waiting} in the inbox, {size} MB."), made)


def restore(
    place: Annotated[
        str, typer.Argument(metavar="PLACE", help=N_("The folder or URL that backups were made to."), readable=False)
    ],
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help=N_("The folder to make; it must not be there, or be empty."))
    ],
    name: Annotated[
        str | None, typer.Option("--backup", metavar="NAME", help=N_("Which backup; by default the last one."))
    ] = None,
    state: Annotated[
        str | None,
        typer.Option("--state", metavar="URL", help=N_("An empty database for it; by default SQLite.")),
    ] = None,
    history: Annotated[
        str | None,
        typer.Option("--history", metavar="URL", help=N_("An empty place for history; by default in the folder.")),
    ] = None,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.backups import restore as make

    terminal = Terminal(as_json=as_json, language=language)
    with terminal.progress() as progress:
        done = make(place, folder, name, state=state, history=history, progress=progress)
    if as_json:
        terminal.data({**_told(done.manifest), "folder": str(done.folder), "erased_again": done.erased})
        return
    _say(terminal, N_("{name} is restored: {events} events, {waiting} in the inbox, {size} MB."), done.manifest)
    if done.erased:
        terminal.say(N_("Customers who were erased since then, and are again: {n}."), n=done.erased)
    terminal.say(N_("Everybody has to sign in again; keys and consents are as they were."))


def _told(manifest: Any) -> dict[str, Any]:
    return {
        "name": manifest.name,
        "made": manifest.made,
        "polku": manifest.polku,
        "format": manifest.format,
        "version": manifest.version,
        "events": manifest.events,
        "waiting": manifest.waiting,
        "files": len(manifest.files) + len(manifest.data),
        "bytes": manifest.size,
    }


def _say(terminal: Terminal, text: str, manifest: Any) -> None:
    number = terminal.reader.number
    terminal.say(
        text,
        name=manifest.name,
        events=number(manifest.events),
        waiting=number(manifest.waiting),
        size=number(manifest.size / 1e6, 1),
    )
