"""polku note: what happened off line becomes an event, as the form of the pages makes it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polku.cli.keys import actor
from polku.cli.maps import AsJson, Folder, Language
from polku.cli.opening import project_of
from polku.errors import UsageError
from polku.language import N_

if TYPE_CHECKING:
    from polku.cli.terminal import Terminal
    from polku.record.project import Project


def register(app: Any) -> None:
    app.command("note", help=N_("Note a call, a visit, a sale, a question: an event of one customer."))(note)


def note(
    folder: Folder,
    customer: Annotated[
        str | None,
        typer.Option("--customer", help=N_("Whose: an id, a customer number, an e-mail address or +358 phone.")),
    ] = None,
    touchpoint: Annotated[str | None, typer.Option("--touchpoint", help=N_("A touchpoint of the map."))] = None,
    name: Annotated[str | None, typer.Option("--name", help=N_("What a new customer is called."))] = None,
    text: Annotated[str, typer.Option("--text", help=N_("What happened, in a few words."))] = "",
    question: Annotated[str, typer.Option("--question", help=N_("What the customer asked."))] = "",
    value: Annotated[float | None, typer.Option("--value", help=N_("Money, in the map's currency."))] = None,
    when: Annotated[
        str | None, typer.Option("--when", help=N_("When it happened, such as '2026-11-26 14:30'; by default now."))
    ] = None,
    undo: Annotated[
        str | None, typer.Option("--undo", metavar="EVENT", help=N_("Remove a note by its event id."))
    ] = None,
    questions: Annotated[
        bool, typer.Option("--questions", help=N_("Show what customers asked, and what of it the map lacks."))
    ] = False,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.notes.finding import Whom, whom
    from polku.notes.taking import take, take_back

    terminal, project = project_of(folder, language, as_json)
    with project:
        if undo is not None:
            take_back(project, undo, actor())
            if as_json:
                terminal.data({"removed": undo})
            terminal.say(N_("The note is removed."))
            return
        if questions:
            show_questions(project, terminal, touchpoint, as_json)
            return
        if touchpoint is None or not (customer or name):
            raise UsageError(N_("Say whose note it is (--customer or --name) and what it is about (--touchpoint)."))
        who = whom(project, customer) if customer else Whom()
        if name and who.known is None:
            who = Whom(name=name, number=who.number, email=who.email, phone=who.phone)
        made = take(
            project, who, touchpoint, text=text, question=question, value=value,
            when=moment_of(when, terminal.reader.zone), author=actor().removeprefix("cli:"),
        )  # fmt: skip
    if as_json:
        terminal.data(
            {
                "event_id": made.event_id, "event": made.event, "touchpoint": made.touchpoint,
                "time": made.time.isoformat(), "user_id": made.user_id, "anonymous_id": made.anonymous_id,
                "account_id": made.account_id,
            }
        )  # fmt: skip
        return
    terminal.say(N_("Noted: {event}, {time}."), event=made.event, time=terminal.reader.time(made.time))
    terminal.say(
        N_("Remove it again with: polku note {folder} --undo {event_id}"), folder=folder, event_id=made.event_id
    )


def show_questions(project: Project, terminal: Terminal, touchpoint: str | None, as_json: bool) -> None:
    """What customers asked, the latest first."""
    from polku.notes.questions import asked

    found = asked(project, touchpoint)
    if as_json:
        terminal.data({"questions": [each.to_dict() for each in found]})
        return
    if not found:
        terminal.say(N_("Nobody has asked anything yet. A note may hold a question."))
    for each in found:
        facts = {"question": each.question, "touchpoint": each.touchpoint or "-", "n": each.times,
                 "time": terminal.reader.time(each.latest)}  # fmt: skip
        if each.in_map:
            terminal.say(N_("{question} ({touchpoint}, {n} times, latest {time})"), **facts)
        else:
            terminal.say(N_("{question} ({touchpoint}, {n} times, latest {time}; not in the map)"), **facts)


def moment_of(text: str | None, zone: dt.tzinfo) -> dt.datetime | None:
    """A moment that a person wrote, in their zone where it names none. Raises UsageError."""
    if text is None or not text.strip():
        return None
    try:
        found = dt.datetime.fromisoformat(text.strip())
    except ValueError as fault:
        raise UsageError(N_("{when!r} is no time; write it as 2026-11-26 14:30."), when=text) from fault
    return found if found.tzinfo else found.replace(tzinfo=zone)
