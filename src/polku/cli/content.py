"""polku content, sending, outbox and tasks: what is sent, whether at all, what became of it, what people are to do."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from polku.cli.keys import actor
from polku.cli.maps import AsJson, Folder, Language
from polku.cli.opening import opened, project_of
from polku.errors import ContentError, UsageError
from polku.language import N_

Key = Annotated[str, typer.Argument(metavar="KEY", help=N_("The message's key; polku outbox lists them."))]


def register(app: Any) -> None:
    content = typer.Typer(help=N_("The pieces that customers are sent: check and preview them."), no_args_is_help=True)
    content.command("list", help=N_("List the pieces with their languages and the rules that send them."))(list_)
    content.command("check", help=N_("Report every fault of the content: variables, translations, links."))(check)
    content.command("preview", help=N_("Show a piece as a customer would get it."))(preview_)
    app.add_typer(content, name="content")
    sending = typer.Typer(
        help=N_("Whether messages leave at all, and where they go before that."), no_args_is_help=True
    )
    sending.command("on", help=N_("Let messages leave. What was decided before this moment stays unsent."))(on)
    sending.command("off", help=N_("Let nothing leave any more."))(off)
    sending.command("test-address", help=N_("Say where letters go while sending is off."))(address_)
    sending.command("status", help=N_("Tell how sending stands, and what waits."))(status)
    sending.command("now", help=N_("Send what is due now, without a server."))(now_)
    app.add_typer(sending, name="sending")
    outbox = typer.Typer(help=N_("The messages: what waits, what left, what did not and why."), no_args_is_help=True)
    outbox.command("list", help=N_("List the latest messages."))(outbox_list)
    outbox.command("show", help=N_("Show one message: what it says and what became of it."))(outbox_show)
    outbox.command("resend", help=N_("Send a message after all that did not leave."))(resend)
    app.add_typer(outbox, name="outbox")
    tasks = typer.Typer(help=N_("What guidance asks of people."), no_args_is_help=True)
    tasks.command("list", help=N_("List the open tasks, the oldest first."))(tasks_list)
    tasks.command("done", help=N_("Note that a task is done."))(tasks_done)
    app.add_typer(tasks, name="tasks")


# -- content -----------------------------------------------------------------------------------------------------------


def list_(folder: Folder, language: Language = None, as_json: AsJson = False) -> None:
    from polku.content.check import named_in
    from polku.content.piece import paths, read_piece

    terminal, project = opened(folder, language, as_json)
    with project:
        rules = named_in(project.journey()) if project.map_file.exists() else {}
        told: list[dict[str, Any]] = []
        for path in paths(project.folder):
            one: dict[str, Any] = {"path": path, "named_by": list(rules.get(path, ()))}
            try:
                piece = read_piece(project.folder, path)
                one |= {"name": piece.name, "language": piece.language, "subject": piece.subject}
            except ContentError as error:
                one["fault"] = error.text(terminal.reader.language)
            told.append(one)
    if as_json:
        terminal.data(told)
        return
    for one in told:
        terminal.out.print(one.get("fault") or f"{one['path']}  {one['subject']}", markup=False)
    if not told:
        terminal.say(N_("There is no content yet: a piece is a file such as content/welcome.fi.md."))


def check(folder: Folder, language: Language = None, as_json: AsJson = False) -> None:
    from polku.content.check import check_content

    terminal, project = project_of(folder, language, as_json)
    with project:
        faults = check_content(project)
    if as_json:
        terminal.data({"faults": [fault.to_dict(terminal.reader) for fault in faults]})
    for fault in faults:
        if not as_json:
            terminal.out.print(fault.text(terminal.reader), markup=False)
    if faults:
        raise typer.Exit(1)
    terminal.say(N_("The content has no faults."))


def preview_(
    folder: Folder,
    path: Annotated[str, typer.Argument(metavar="PIECE", help=N_("The piece, such as content/welcome.fi.md."))],
    customer: Annotated[
        str | None, typer.Option("--customer", help=N_("For whom: an id, an e-mail address, a phone number, #number."))
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", help=N_("Write the HTML into this file as well."))] = None,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.content.preview import preview

    terminal, project = opened(folder, language, as_json)
    with project:
        shown = preview(project, path, customer)
    made = shown.rendered
    if html is not None:
        html.write_text(made.html, encoding="utf-8")
    if as_json:
        told = {"path": shown.piece.path, "subject": made.subject, "preheader": made.preheader, "text": made.text}
        terminal.data(told | {"html": made.html, "customer": shown.customer, "event": shown.event})
        return
    terminal.say(N_("Subject: {subject}"), subject=made.subject)
    terminal.out.print("\n" + made.text, markup=False)


# -- sending -----------------------------------------------------------------------------------------------------------


def on(folder: Folder, language: Language = None, as_json: AsJson = False) -> None:
    _turn(folder, True, language, as_json)


def off(folder: Folder, language: Language = None, as_json: AsJson = False) -> None:
    _turn(folder, False, language, as_json)


def _turn(folder: Path, wanted: bool, language: str | None, as_json: bool) -> None:
    from polku.guidance.switch import turn

    terminal, project = project_of(folder, language, as_json)
    with project:
        turn(project, wanted, actor())
    if as_json:
        terminal.data({"on": wanted})
    terminal.say(
        N_("Sending is on: what guidance decides from now on leaves.") if wanted
        else N_("Sending is off: nothing leaves, and what is decided meanwhile is not sent later.")
    )  # fmt: skip


def address_(
    folder: Folder,
    address: Annotated[
        str, typer.Argument(metavar="ADDRESS", help=N_("The e-mail address; '' for none: then nothing leaves."))
    ],
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.guidance.switch import set_test_address

    terminal, project = project_of(folder, language, as_json)
    with project:
        made = set_test_address(project, address, actor())
    if as_json:
        terminal.data({"test_address": made.test_address})
    if made.test_address:
        terminal.say(N_("While sending is off, letters go to {address}."), address=made.test_address)
    else:
        terminal.say(N_("While sending is off, nothing leaves."))


def status(folder: Folder, language: Language = None, as_json: AsJson = False) -> None:
    from polku.guidance.messages import STATE_WORDS, counts, suppressed
    from polku.guidance.sending import pauses
    from polku.guidance.switch import switch_of
    from polku.offers.warnings import warnings
    from polku.record.clock import moment

    terminal, project = opened(folder, language, as_json)
    with project:
        switch, held, found = switch_of(project), pauses(project), counts(project)
        gone, told = suppressed(project), warnings(project)
    if as_json:
        terminal.data(
            {
                "on": switch.on, "by": switch.by, "at": moment(switch.at).isoformat() if switch.at else None,
                "test_address": switch.test_address, "counts": found, "suppressed": gone,
                "paused": {n: {"reason": p.reason, "until": moment(p.until).isoformat()} for n, p in held.items()},
            }
        )  # fmt: skip
        return
    if switch.on:
        terminal.say(N_("Sending is on since {time} ({who})."), time=terminal.reader.time(moment(switch.at)),
                     who=switch.by)  # fmt: skip
    elif switch.test_address:
        terminal.say(N_("Sending is off; letters go to {address}."), address=switch.test_address)
    else:
        terminal.say(N_("Sending is off; nothing leaves."))
    for name, pause in held.items():
        terminal.say(N_("{channel} waits since {time}: {reason}"), channel=name,
                     time=terminal.reader.time(moment(pause.since)), reason=pause.reason)  # fmt: skip
    for state, count in found.items():
        terminal.say("{state}: {n}", state=terminal.reader(STATE_WORDS[state]), n=terminal.reader.number(count, 0))
    for text, facts in told:
        terminal.note(text, **facts)


def now_(folder: Folder, language: Language = None, as_json: AsJson = False) -> None:
    from polku.guidance.sending import send
    from polku.record.lease import hold

    terminal, project = opened(folder, language, as_json)
    total: dict[str, int] = {"sent": 0, "not sent": 0, "waiting": 0}
    paused: set[str] = set()
    life = project.settings.record.lease
    with project, hold(project.state, project.history.locks, "job-sending", "sending", 0, life):
        while (done := send(project)) is not None:
            for name in total:
                total[name] += int(done.get(name, 0))
            if "paused" in done:
                paused.add(str(done["paused"]))
                break
    if as_json:
        terminal.data({"sent": total["sent"], "not_sent": total["not sent"], "waiting": total["waiting"],
                       "paused": sorted(paused)})  # fmt: skip
        return
    terminal.say(N_("{sent} sent, {held} not sent."), sent=total["sent"], held=total["not sent"])
    for each in sorted(paused):
        terminal.say(N_("Waits: {reason}"), reason=each)


# -- outbox ------------------------------------------------------------------------------------------------------------


def outbox_list(
    folder: Folder,
    state: Annotated[
        str | None, typer.Option("--state", help=N_("Only messages in this state, such as waiting or failed."))
    ] = None,
    channel: Annotated[str | None, typer.Option("--channel", help=N_("Only messages by this channel."))] = None,
    rule: Annotated[str | None, typer.Option("--rule", help=N_("Only messages of this rule."))] = None,
    customer: Annotated[str | None, typer.Option("--customer", help=N_("Only messages to this customer."))] = None,
    text: Annotated[
        str | None,
        typer.Option("--text", help=N_("Only messages with these words in subject, text or content.")),
    ] = None,
    day: Annotated[str | None, typer.Option("--day", help=N_("Only messages made on this day: 2026-05-31."))] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help=N_("How many of the latest."))] = 20,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.guidance.messages import STATE_WORDS, Filters, counts, messages

    terminal, project = opened(folder, language, as_json)
    with project:
        zone = project.journey().timezone if project.map_file.exists() else "UTC"
        asked = Filters.read(state, channel, rule, customer, text, day, zone)
        found, number = messages(project, asked, limit), counts(project, asked)
    if as_json:
        terminal.data({"messages": [one.to_dict() for one in found], "counts": number})
        return
    reader = terminal.reader
    table = Table(box=None, pad_edge=False)
    for title in (N_("Made"), N_("Customer"), N_("Message"), N_("Channel"), N_("State"), N_("Key")):
        table.add_column(reader(title))
    for one in found:
        said = reader(STATE_WORDS[one.state]) + (f": {one.why(reader)}" if one.reason else "")
        table.add_row(reader.time(one.made_at), one.name, one.subject or one.content, one.channel, said, one.key)
    if found:
        terminal.print(table)
    else:
        terminal.say(N_("There is no such message."))


def outbox_show(folder: Folder, key: Key, language: Language = None, as_json: AsJson = False) -> None:
    from polku.guidance.messages import STATE_WORDS, message_of

    terminal, project = opened(folder, language, as_json)
    with project:
        one = message_of(project, key)
    if as_json:
        terminal.data(one.to_dict())
        return
    reader = terminal.reader
    told = reader(STATE_WORDS[one.state]) + (f": {one.why(reader)}" if one.reason else "")
    for title, value in (
        (N_("State"), told), (N_("Customer"), one.name), (N_("Rule"), one.rule), (N_("Channel"), one.channel),
        (N_("Content"), one.content), (N_("Made"), reader.time(one.made_at)), (N_("Subject"), one.subject),
    ):  # fmt: skip
        if value:
            terminal.out.print(f"{reader(title)}: {value}", markup=False)
    if one.text:
        terminal.out.print("\n" + one.text, markup=False)


def resend(folder: Folder, key: Key, language: Language = None, as_json: AsJson = False) -> None:
    from polku.guidance.messages import send_again

    terminal, project = project_of(folder, language, as_json)
    with project:
        one = send_again(project, key, actor())
    if as_json:
        terminal.data(one.to_dict())
    terminal.say(N_("The message {key} leaves with the next ones."), key=key)


# -- tasks -------------------------------------------------------------------------------------------------------------


def tasks_list(
    folder: Folder,
    owner: Annotated[str | None, typer.Option("--owner", help=N_("Only this person's tasks, and anybody's."))] = None,
    done: Annotated[bool, typer.Option("--done", help=N_("Those that are done, the latest first."))] = False,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    import dataclasses

    from polku.channels.task import tasks_of
    from polku.record.clock import moment
    from polku.record.naming import names_of

    terminal, project = opened(folder, language, as_json)
    with project:
        found = tasks_of(project.state, done=done, owner=owner)
        names = names_of(project, {task.customer for task in found}, project.subject())
    if as_json:
        told = []
        for task in found:
            one = dataclasses.asdict(task) | {"name": names[task.customer]}
            for field in ("made_at", "due_at", "done_at"):
                one[field] = None if one[field] is None else moment(one[field]).isoformat()
            told.append(one)
        terminal.data(told)
        return
    reader = terminal.reader
    for task in found:
        line = f"{task.number}  {task.title} · {names[task.customer]} · {task.owner or reader(N_('anybody’s'))}"
        terminal.out.print(line, markup=False)
    if not found:
        terminal.say(N_("Nothing to do."))


def tasks_done(
    folder: Folder,
    number: Annotated[int, typer.Argument(metavar="NUMBER", help=N_("The task's number; polku tasks list tells it."))],
    outcome: Annotated[str, typer.Option("--outcome", help=N_("What came of it."))] = "",
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.channels.task import finish_task
    from polku.guidance.unsubscribing import task_done

    terminal, project = project_of(folder, language, as_json)
    if number < 1:
        raise UsageError(N_("There is no task {number}."), number=number)
    with project:
        task = finish_task(project.state, number, actor(), outcome)
        task_done(project, task)
        project.audit.note(actor(), "task.done", str(number))
    if as_json:
        terminal.data({"number": number, "done_by": task.done_by, "outcome": task.outcome})
    terminal.say(N_("Task {number} is done."), number=number)
