"""Commands about the map itself: init, check, schema, compare."""

from pathlib import Path
from typing import Annotated, Any

import typer

from polku.cli.terminal import Terminal
from polku.errors import UsageError, nearest
from polku.language import N_

#: Whether it can be read is found out, and told in the reader's language, when it is opened.
Folder = Annotated[Path, typer.Argument(metavar="FOLDER", readable=False, help=N_("The project's folder."))]
AsJson = Annotated[bool, typer.Option("--json", help=N_("One JSON document on stdout instead of text."))]
Language = Annotated[
    str | None,
    typer.Option(
        "--language", metavar="fi|en", help=N_("The language to speak; by default the project's, then the session's.")
    ),
]
Timezone = Annotated[
    str | None,
    typer.Option(
        "--timezone",
        metavar="ZONE",
        help=N_(
            "The time zone to show times in, such as Europe/Helsinki; by default that of polku.toml, else the map's. "
            "The days of a period are always the map's."
        ),
    ),
]


def register(app: Any) -> None:
    app.command("init", help=N_("Make a project folder from a template."))(init)
    app.command("check", help=N_("Report every fault of the map at once, with line and column."))(check)
    app.command("schema", help=N_("Print the JSON Schema of journey.yaml, for completion in editors."))(schema)
    app.command("templates", help=N_("List the templates and example maps."))(templates)
    app.command("compare", help=N_("What changed between two versions of a map."))(compare)


def init(
    folder: Folder,
    template: Annotated[
        str, typer.Option("--template", help=N_("Which template to start from; polku templates lists them."))
    ] = "funnel-5",
    example: Annotated[
        str | None, typer.Option("--example", help=N_("Start from the map of one of the example stories instead."))
    ] = None,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.journey import templates as patterns
    from polku.record.project import create_project

    terminal = Terminal(as_json=as_json, language=language)
    spoken = terminal.reader.language
    if example is not None:
        from polku import stories

        if example not in stories.names():
            raise UsageError(
                "There is no example {name!r}. Examples: {names}. Did you mean {near}?",
                name=example,
                names=", ".join(stories.names()),
                near=nearest(example, stories.names()) or stories.names()[0],
            )
        stories.write(folder, example, spoken)
    else:
        if template not in patterns.names():
            raise UsageError(
                "There is no template {name!r}. Templates: {names}. Did you mean {near}?",
                name=template,
                names=", ".join(patterns.names()),
                near=nearest(template, patterns.names()) or "funnel-5",
            )
        patterns.write(folder, template, spoken)
    create_project(folder)
    made = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and ".polku" not in p.parts)
    if as_json:
        terminal.data({"folder": str(folder), "template": example or template, "language": spoken, "files": made})
        return
    terminal.say("Made {folder} with {files}.", folder=folder, files=", ".join(made))
    if example is not None:
        file = folder / "events.jsonl"
        terminal.say(N_("Next: polku import {folder} {file}, then polku status {folder}."), folder=folder, file=file)
    else:
        terminal.say(
            "Next: look at journey.yaml, then polku import {folder} EVENTS and polku status {folder}.", folder=folder
        )


def check(folder: Folder, language: Language = None, as_json: AsJson = False) -> None:
    from polku.journey.check import check as faults_of
    from polku.record.settings import project_language

    path = folder / "journey.yaml" if folder.is_dir() else folder
    terminal = Terminal(as_json=as_json, language=language, project_language=project_language(path.parent))
    faults = faults_of(path)
    spoken = terminal.reader.language
    errors = [f for f in faults if f.severity == "error"]
    word = {"error": terminal.reader(N_("fault")), "warning": terminal.reader(N_("warning"))}
    if as_json:
        terminal.data({"file": str(path), "faults": [f.to_dict(spoken) for f in faults], "errors": len(errors)})
    else:
        for fault in faults:
            place = f"{fault.file}:{fault.line}:{fault.column}"
            terminal.out.print(
                f"{place}: {word[fault.severity]}: {fault.text(spoken)} [{fault.code}]",
                markup=False,
                soft_wrap=True,
            )
        if not faults:
            terminal.say("{file}: no faults.", file=path)
        else:
            terminal.say(
                "Faults: {errors}, warnings: {warnings}.", errors=len(errors), warnings=len(faults) - len(errors)
            )
    if errors:
        raise typer.Exit(1)


def schema(language: Language = None, as_json: AsJson = False) -> None:
    from polku.journey.schema import json_schema

    Terminal(as_json=as_json, language=language).data(json_schema())


def templates(language: Language = None, as_json: AsJson = False) -> None:
    from polku import stories
    from polku.journey import templates as patterns

    terminal = Terminal(as_json=as_json, language=language)
    spoken = terminal.reader.language
    found = {name: patterns.title(name, spoken) for name in patterns.names()}
    examples = {name: stories.title(name, spoken) for name in stories.names()}
    if as_json:
        terminal.data({"templates": found, "examples": examples})
        return
    for heading, listed in (
        (N_("Templates (polku init FOLDER --template NAME):"), found),
        (N_("Examples (polku init FOLDER --example NAME):"), examples),
    ):
        terminal.say(heading)
        for name, title in listed.items():
            terminal.out.print(f"  {name:16} {title}", markup=False)


def compare(
    old: Annotated[Path, typer.Argument(metavar="OLD", help=N_("The older journey.yaml, or a project's folder."))],
    new: Annotated[Path, typer.Argument(metavar="NEW", help=N_("The newer journey.yaml, or a project's folder."))],
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.journey.compare import compare as changes_of
    from polku.journey.load import load_journey

    terminal = Terminal(as_json=as_json, language=language)
    before, after = (load_journey(p / "journey.yaml" if p.is_dir() else p) for p in (old, new))
    changes = changes_of(before, after)
    spoken = terminal.reader.language
    if as_json:
        terminal.data({"changes": [c.to_dict(spoken) for c in changes]})
        return
    for change in changes:
        terminal.out.print(change.text(spoken), markup=False)
    if not changes:
        terminal.say("The two maps say the same.")
