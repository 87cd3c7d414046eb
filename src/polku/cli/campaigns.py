"""polku campaign: whom a campaign would reach, trying it, launching it, how it goes, who answers its invitation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from polku.cli.keys import actor
from polku.cli.maps import AsJson, Folder, Language
from polku.cli.opening import opened
from polku.errors import UsageError
from polku.language import N_

if TYPE_CHECKING:
    from polku.campaigns.reach import Reach
    from polku.campaigns.standing import Standing
    from polku.cli.terminal import Terminal
    from polku.record.project import Project

Id = Annotated[str, typer.Argument(metavar="CAMPAIGN", help=N_("The campaign's name in the map, such as spring."))]
As = Annotated[str, typer.Option("--as", help=N_("As whom: an id, an e-mail address, a phone number, #number."))]
Variant = Annotated[str | None, typer.Option("--variant", help=N_("Another variant than that customer's."))]


def register(app: Any) -> None:
    group = typer.Typer(
        help=N_("One-off campaigns: whom they reach, launching them, how they go, answers."), no_args_is_help=True
    )
    group.command("list", help=N_("List the campaigns and how each stands."))(list_)
    group.command("reach", help=N_("Count whom a campaign would reach now, and why not the others."))(reach)
    group.command("preview", help=N_("Show a campaign's message as a customer would get it."))(preview)
    group.command("test", help=N_("Send the message to an address of yours, to try it out."))(try_out)
    group.command("launch", help=N_("Launch a campaign: it goes to everybody at its time, once."))(launch)
    group.command("pause", help=N_("Let nothing more of a campaign leave until it is resumed."))(pause)
    group.command("resume", help=N_("Go on with a paused campaign."))(resume)
    group.command("stop", help=N_("End a campaign for good."))(stop)
    group.command("status", help=N_("Tell how a campaign goes."))(status)
    group.command("run", help=N_("Do what is due of all campaigns now, without a server."))(run)
    group.command("answers", help=N_("List who answered an invitation, and what."))(answers)
    group.command("answer", help=N_("Note an answer that somebody gave by other ways."))(answer)
    group.command("patterns", help=N_("List ready campaigns, or add one to the map with its texts."))(patterns)
    app.add_typer(group, name="campaign")


def list_(folder: Folder, language: Language = None, as_json: AsJson = False) -> None:
    from polku.campaigns.standing import standings

    terminal, project = opened(folder, language, as_json)
    with project:
        found = standings(project)
    if as_json:
        terminal.data({"campaigns": [one.to_dict() for one in found]})
        return
    if not found:
        terminal.say(N_("The map has no campaigns yet: write one under campaigns, or add a pattern."))
        return
    table = Table(box=None, pad_edge=False)
    for head in (N_("campaign"), N_("state"), N_("when"), N_("on the list"), N_("to come")):
        table.add_column(terminal.reader(head))
    for one in found:
        reader = terminal.reader
        table.add_row(
            f"{one.id}  {reader.said(one.title)}", state_of(terminal, one), when_of(terminal, one),
            reader.number(one.listed, 0) if one.launch else "–", reader.number(one.pending, 0) if one.launch else "–",
        )  # fmt: skip
    terminal.print(table)


def state_of(terminal: Terminal, one: Standing) -> str:
    """The state in words."""
    from polku.campaigns.launching import STATE_WORDS

    return terminal.reader(STATE_WORDS[one.state])


def when_of(terminal: Terminal, one: Standing) -> str:
    """Its time, as its map says it."""
    from polku.record.clock import moment

    reader = terminal.reader
    if one.launch is not None:
        return reader.time(moment(one.launch.at))
    return one.campaign.at.strftime("%Y-%m-%d %H:%M") if one.campaign.at is not None else reader("at its launch")


def reach(
    folder: Folder,
    id: Id,
    everyone: Annotated[
        bool, typer.Option("--all", help=N_("Look at everybody, where a sample of 10,000 would be looked at."))
    ] = False,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.campaigns import reach as room

    terminal, project = opened(folder, language, as_json)
    with project:
        with terminal.progress() as progress:
            progress(0, None, N_("Looking at the customers"))
            found = room.reach(project, id, most=None if everyone else room.MOST)
        faults = _problems(project, id)
    if as_json:
        terminal.data(found.to_dict() | {"problems": [terminal.reader(text, **facts) for text, facts in faults]})
        return
    reached(terminal, found)
    for text, facts in faults:
        terminal.say(text, **facts)


def _problems(project: Project, id: str) -> list[tuple[str, dict[str, Any]]]:
    from polku.campaigns.launching import known, problems
    from polku.record.clock import now

    campaign, launch_ = known(project, id)
    return [] if launch_ is not None else problems(project, id, campaign, now())


def reached(terminal: Terminal, found: Reach) -> None:
    """The counts, a line each."""
    from polku.campaigns.standing import OUTCOME_WORDS

    reader = terminal.reader
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    table.add_column("", justify="right")
    table.add_row(reader("in the segments"), reader.number(found.listed, 0))
    for what, count in found.outcomes.items():
        table.add_row(reader(OUTCOME_WORDS[what]), reader.number(count, 0))
    for name, count in found.failing.items():
        table.add_row(f"  {name}", reader.number(count, 0))
    for name, count in found.variants.items():
        table.add_row(reader("variant {name}", name=name), reader.number(count, 0))
    terminal.print(table)
    if found.estimated:
        terminal.say(N_("Of {n} customers that chance chose; --all looks at everybody."),
                     n=reader.number(found.looked_at, 0))  # fmt: skip


def preview(
    folder: Folder,
    id: Id,
    customer: As,
    variant: Variant = None,
    html: Annotated[Path | None, typer.Option("--html", help=N_("Write the HTML into this file as well."))] = None,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.campaigns.trying import show
    from polku.content.preview import customer_meant

    terminal, project = opened(folder, language, as_json)
    with project:
        made = show(project, id, customer_meant(project, customer), variant)
    if html is not None:
        html.write_text(made.html, encoding="utf-8")
    if as_json:
        terminal.data(made.to_dict())
        return
    terminal.say(N_("Subject: {subject}"), subject=made.subject)
    terminal.out.print("\n" + made.text, markup=False)


def try_out(
    folder: Folder,
    id: Id,
    to: Annotated[str, typer.Option("--to", help=N_("The address that gets it."))],
    customer: As,
    variant: Variant = None,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.campaigns.trying import send_to

    terminal, project = opened(folder, language, as_json)
    with project:
        made = send_to(project, id, to, customer, actor(), variant_name=variant)
    if as_json:
        terminal.data({"to": to, "subject": made.subject, "content": made.content})
        return
    terminal.say(N_("Sent to {to}: {subject}"), to=to, subject=made.subject)


def launch(
    folder: Folder,
    id: Id,
    yes: Annotated[bool, typer.Option("--yes", help=N_("Do not ask whether it may go."))] = False,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.campaigns import launching
    from polku.campaigns import reach as room
    from polku.campaigns.definition import campaign_of, version_of
    from polku.guidance.switch import switch_of
    from polku.record.clock import moment

    terminal, project = opened(folder, language, as_json)
    with project:
        seen = version_of(campaign_of(project.journey(), id))
        for text, facts in _problems(project, id):
            raise UsageError(text, **facts)
        if not yes:
            if as_json:
                raise UsageError(N_("With --json nobody is asked: say --yes."))
            reached(terminal, room.reach(project, id))
            typer.confirm(terminal.reader(N_("Launch it?")), abort=True)
        made = launching.launch(project, id, actor(), version=seen)
        off = not switch_of(project).on
    if as_json:
        terminal.data({"campaign": id, "at": moment(made.at).isoformat(), "version": made.version})
        return
    terminal.say(N_("{id} is launched: {time}."), id=id, time=terminal.reader.time(moment(made.at)))
    if off:
        terminal.say(N_("Sending is off: nothing of it leaves before it is turned on (polku sending on)."))


def pause(folder: Folder, id: Id, language: Language = None, as_json: AsJson = False) -> None:
    from polku.campaigns.launching import pause as done

    _turn(folder, id, done, language, as_json)


def resume(folder: Folder, id: Id, language: Language = None, as_json: AsJson = False) -> None:
    from polku.campaigns.launching import resume as done

    _turn(folder, id, done, language, as_json)


def stop(folder: Folder, id: Id, language: Language = None, as_json: AsJson = False) -> None:
    from polku.campaigns.launching import stop as done

    _turn(folder, id, done, language, as_json)


def _turn(folder: Path, id: str, done: Any, language: str | None, as_json: bool) -> None:
    from polku.campaigns.standing import standing

    terminal, project = opened(folder, language, as_json)
    with project:
        done(project, id, actor())
        one = standing(project, id)
    if as_json:
        terminal.data(one.to_dict())
        return
    terminal.say(N_("{id}: {state}."), id=id, state=state_of(terminal, one))


def status(folder: Folder, id: Id, language: Language = None, as_json: AsJson = False) -> None:
    from polku.campaigns.definition import rule_id
    from polku.campaigns.standing import OUTCOME_WORDS, standing
    from polku.guidance.messages import STATE_WORDS
    from polku.guidance.proof import messages_of

    terminal, project = opened(folder, language, as_json)
    with project:
        one = standing(project, id)
        messages = messages_of(project, rule_id(id))
    if as_json:
        terminal.data(one.to_dict() | {"messages": dict(messages.states)})
        return
    reader = terminal.reader
    terminal.say(N_("{id}: {state}."), id=id, state=state_of(terminal, one))
    for what, count in one.outcomes.items():
        terminal.say(f"{reader(OUTCOME_WORDS[what])}: {reader.number(count, 0)}")
    if one.pending:
        terminal.say(N_("to come: {n}"), n=reader.number(one.pending, 0))
    for state, count in messages.states.items():
        terminal.say(N_("messages, {state}: {n}"), state=reader(STATE_WORDS[state]), n=reader.number(count, 0))
    if one.changed:
        terminal.say(N_("The map says otherwise by now; what was launched goes on as it was."))


def run(folder: Folder, language: Language = None, as_json: AsJson = False) -> None:
    from polku.campaigns import running
    from polku.record.lease import hold

    terminal, project = opened(folder, language, as_json)
    with project, terminal.progress() as progress:
        progress(0, None, N_("Deciding on the customers of campaigns"))
        lease = project.settings.record.lease
        with hold(project.state, project.history.locks, "job-campaigns", "campaigns", 60.0, lease):
            done = running.run(project, seconds=3600.0)
    if as_json:
        terminal.data({"listed": done.listed, "decided": done.decided, "messages": done.messages})
        return
    number = terminal.reader.number
    terminal.say(
        N_("Put onto lists: {listed}; decided on: {decided}; messages made: {messages}."),
        listed=number(done.listed, 0), decided=number(done.decided, 0), messages=number(done.messages, 0),
    )  # fmt: skip


# -- invitations ------------------------------------------------------------------------------------------------------


def answers(folder: Folder, id: Id, language: Language = None, as_json: AsJson = False) -> None:
    import dataclasses

    from polku.campaigns import invitations as room

    terminal, project = opened(folder, language, as_json)
    with project:
        rows, places = room.rows(project, id), room.places(project, id)
    if as_json:
        told = dataclasses.asdict(places) | {"free": places.free, "silent": places.silent}
        terminal.data({"places": told, "answers": rows})
        return
    reader = terminal.reader
    terminal.say(
        N_("Coming {coming} and {guests} guests; in the queue {queued}; perhaps {perhaps}; not coming {no}."),
        coming=places.coming, guests=places.guests, queued=places.queued, perhaps=places.perhaps, no=places.no,
    )  # fmt: skip
    if places.free is not None:
        terminal.say(N_("Places left: {free} of {capacity}."), free=places.free, capacity=places.capacity)
    for row in rows:
        word = reader(N_("in the queue")) if row["place"] == room.QUEUED else reader(room.ANSWER_WORDS[row["answer"]])
        guests = f" +{row['guests']}" if row["guests"] else ""
        terminal.out.print(f"{row['name']}  {row['email']}  {word}{guests}  {row['note']}".rstrip(), markup=False)


def answer(
    folder: Folder,
    id: Id,
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help=N_("Any id of the customer."))],
    said: Annotated[str, typer.Argument(metavar="ANSWER", help=N_("yes, perhaps or no."))],
    guests: Annotated[int, typer.Option("--guests", help=N_("How many come along."))] = 0,
    note: Annotated[str, typer.Option("--note", help=N_("What they said besides."))] = "",
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    import dataclasses

    from polku.campaigns import invitations as room
    from polku.content.preview import customer_meant

    terminal, project = opened(folder, language, as_json)
    with project:
        key = customer_meant(project, customer)
        made = room.give(project, id, key, said, guests=guests, note=note, by=actor())
    if as_json:
        terminal.data(dataclasses.asdict(made))
        return
    word = N_("in the queue") if made.place == room.QUEUED else room.ANSWER_WORDS[made.answer]
    terminal.say(N_("{customer}: {answer}."), customer=customer, answer=terminal.reader(word))


def patterns(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="FOLDER", help=N_("The project to add the pattern to; without it all are listed.")),
    ] = None,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help=N_("The pattern to add."))] = None,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.campaigns import patterns as room
    from polku.cli.terminal import Terminal

    if folder is None or name is None:
        terminal = Terminal(as_json=as_json, language=language)
        found = [room.pattern(each) for each in room.names()]
        if as_json:
            terminal.data({"patterns": [{"name": p.name, "title": p.title, "about": p.about} for p in found]})
            return
        for p in found:
            terminal.say(f"{p.name:20} {terminal.reader.said(p.title)}")
            terminal.say(f"{'':20} {terminal.reader.said(p.about)}")
        return
    terminal, project = opened(folder, language, as_json)
    with project:
        added = room.add(project, name, terminal.reader.language, actor())
    if as_json:
        terminal.data({"campaign": added.id, "content": list(added.written)})
        return
    terminal.say(N_("Added to the map as a draft: {id}."), id=added.id)
    for path in added.written:
        terminal.say(N_("Written: {file}"), file=path)
    terminal.say(N_("See whom it would reach: polku campaign reach {folder} {id}"), folder=folder, id=added.id)
