"""polku rules, replay, why, proof, patterns: what guidance would do, did, and was worth."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer
from rich.table import Table

from polku.cli.keys import actor
from polku.cli.maps import AsJson, Folder, Language, Timezone
from polku.cli.opening import looked, opened, plain
from polku.cli.terminal import Terminal
from polku.errors import UsageError
from polku.language import N_

if TYPE_CHECKING:
    from polku.guidance.engine import Note
    from polku.guidance.proof import Proof
    from polku.guidance.qualifying import Qualifies
    from polku.guidance.replay import Person, Replay
    from polku.guidance.why import Sent, Story
    from polku.measures.result import Estimate
    from polku.shop import Shop

RuleId = Annotated[str, typer.Argument(metavar="RULE", help=N_("A rule of the map's guidance."))]
Last = Annotated[
    str, typer.Option("--last", help=N_("How much of the past: 7d, 90d, 1y, all, or days 2026-01-01..2026-02-01."))
]
OrderName = Annotated[
    str | None,
    typer.Option("--order", metavar="seq|time", help=N_("By arrival, as live, or by the time of events (imports).")),
]
Against = Annotated[
    str | None,
    typer.Option("--against", metavar="RULE", help=N_("Another rule, or RULE@VERSION of the past, beside it.")),
]
AsIf = Annotated[bool, typer.Option("--assume-consent", help=N_("As if everybody had agreed to be written to."))]
Everyone = Annotated[
    bool, typer.Option("--all", help=N_("Run every customer, however many: by default a part where there are many."))
]
Since = Annotated[
    str | None,
    typer.Option("--last", metavar="30d", help=N_("How far back what sets the rule off may lie: 30d for an event.")),
]
STATES = ("on", "off", "draft")


def register(app: Any) -> None:
    app.command("rules", help=N_("The rules of guidance with their state and what became of each."))(rules)
    app.command("rule", help=N_("Turn a rule on or off, or make it a draft; the map's comments stay."))(rule)
    app.command("qualify", help=N_("Who qualifies for a rule now: the dry run of a look at everybody."))(qualify)
    app.command("replay", help=N_("Run a rule over the recorded past: who would have got what, and what they did."))(
        replay
    )
    app.command("why", help=N_("Why a customer did, or did not, get what a rule sends."))(why)
    app.command("proof", help=N_("Whether a rule helped: treated against held out, with interval and euros."))(proof)
    app.command("patterns", help=N_("Ready rules with texts: list them, or add one to the map."))(patterns)


# -- rules ------------------------------------------------------------------------------------------------------------


def rules(folder: Folder, language: Language = None, as_json: AsJson = False) -> None:
    from polku.guidance.proof import messages_of
    from polku.guidance.rules import compile_rules

    terminal, project = opened(folder, language, as_json)
    with project:
        found = [(r, messages_of(project, r.id)) for r in compile_rules(project.journey(), STATES)]
    if as_json:
        terminal.data(
            {
                "rules": [
                    {
                        "id": r.id, "title": plain(r.title_text), "state": r.state, "holdout": r.holdout,
                        "owed": r.owed, "version": r.version, "runs": dict(m.runs), "messages": dict(m.states),
                    }
                    for r, m in found
                ]
            }
        )  # fmt: skip
        return
    if not found:
        terminal.say(N_("The map has no rules yet. See what there is: polku patterns"))
        return
    reader = terminal.reader
    table = _table(terminal, N_("rule"), N_("state"), N_("entered"), N_("sent"), N_("capped"), N_("held out"))
    for r, m in found:
        numbers = (sum(m.runs.values()), m.states.get("sent", 0), m.states.get("capped", 0), m.runs.get("held_out", 0))
        table.add_row(r.id, reader(RULE_STATES[r.state]), *(reader.number(n, 0) for n in numbers))
    terminal.print(table)


RULE_STATES = {"on": N_("on"), "off": N_("off"), "draft": N_("draft")}


def rule(
    folder: Folder,
    id: RuleId,
    state: Annotated[str, typer.Argument(metavar="on|off|draft", help=N_("The state that it shall have."))],
    now: Annotated[
        bool, typer.Option("--now", help=N_("With on: have it look at who qualifies now, after a dry run."))
    ] = False,
    last: Since = None,
    yes: Annotated[bool, typer.Option("--yes", help=N_("Do not ask before the look at who qualifies now."))] = False,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.guidance.qualifying import look_now, who_qualifies
    from polku.guidance.turning import turn
    from polku.guidance.why import rule_of
    from polku.measures.result import to_dict

    if state not in STATES:
        raise UsageError(N_("{state!r} is no state of a rule; there are on, off and draft."), state=state)
    if now and state != "on":
        raise UsageError(N_("Only a rule that is turned on looks at who qualifies now: --now goes with on."))
    span = seconds_of(last)
    terminal, project = opened(folder, language, as_json)
    with project:
        found, looks = None, False
        if now:
            with terminal.progress() as progress:
                found = who_qualifies(
                    project, rule_of(project.journey(), id), last=span,
                    progress=lambda done, total: progress(done, total, N_("Looking at who qualifies")),
                )  # fmt: skip
            if not as_json:
                qualifies(terminal, found)
            asked = not as_json and sys.stdin.isatty()
            if not yes and not (asked and typer.confirm(terminal.reader(N_("Have the rule act on them?")))):
                raise UsageError(N_("Nothing was changed. --yes turns the rule on and has it act on those people."))
        turned = turn(project, id, state, actor())
        if now:
            looks = look_now(project, rule_of(project.journey(), id), actor(), last=span)
    if as_json:
        told = {"rule": id, "state": state, "changed": turned.changed, "line": turned.line}
        terminal.data(told if found is None else {**told, "looks": looks, "qualifies": to_dict(found)})
        return
    terminal.say(N_("{id} is {state} (journey.yaml, line {line})."), id=id, state=state, line=turned.line)
    if now and not looks:
        terminal.say(N_("A look at who qualifies is on its way already; this one was not begun."))


def qualify(
    folder: Folder, id: RuleId, last: Since = None, language: Language = None, as_json: AsJson = False
) -> None:  # fmt: skip
    from polku.guidance.qualifying import who_qualifies
    from polku.guidance.why import rule_of
    from polku.measures.result import to_dict

    span = seconds_of(last)
    terminal, project = opened(folder, language, as_json)
    with project:
        with terminal.progress() as progress:
            found = who_qualifies(
                project, rule_of(project.journey(), id), last=span,
                progress=lambda done, total: progress(done, total, N_("Looking at who qualifies")),
            )  # fmt: skip
        if as_json:
            terminal.data(to_dict(found))
            return
        qualifies(terminal, found)


def seconds_of(text: str | None) -> int | None:
    """Seconds of an option such as ``30d``. Raises UsageError."""
    from polku.journey.values import UnreadableError, duration

    try:
        return None if text is None else duration(text)
    except UnreadableError as fault:
        raise UsageError(fault.message, **fault.facts) from fault


def qualifies(terminal: Terminal, found: Qualifies) -> None:
    """The dry run of a look at everybody."""
    from polku.guidance.replay import OUTCOMES

    reader = terminal.reader
    terminal.say(
        N_("Were {rule} to look at everybody now: {customers} customers qualify, worked out in {seconds} s."),
        rule=found.rule, customers=reader.number(found.customers, 0), seconds=reader.number(found.seconds, 1),
    )  # fmt: skip
    if found.since is not None:
        terminal.say(
            N_("What set it off may lie back to {day}; --last chooses."),
            day=reader.date(found.since.astimezone(reader.zone)),
        )
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column("")
    table.add_column("", justify="right")
    for outcome, text in OUTCOMES.items():
        if found.outcomes.get(outcome):
            table.add_row(reader(text), reader.number(found.outcomes[outcome], 0))
    for channel, number in sorted(found.messages.items()):
        table.add_row(reader("messages on {channel}", channel=channel), reader.number(number, 0))
    if found.delayed:
        table.add_row(reader(N_("put off by quiet hours")), reader.number(found.delayed, 0))
    if found.entered:
        terminal.print(table)


# -- replay -----------------------------------------------------------------------------------------------------------


def replay(
    folder: Folder,
    id: RuleId,
    last: Last = "90d",
    order: OrderName = None,
    against: Against = None,
    assume_consent: AsIf = False,
    everyone: Everyone = False,
    language: Language = None,
    timezone: Timezone = None,
    as_json: AsJson = False,
) -> None:
    from zoneinfo import ZoneInfo

    from polku.guidance import replay as room
    from polku.guidance.versions import version_of
    from polku.guidance.why import rule_of
    from polku.measures.periods import named_period
    from polku.measures.result import to_dict
    from polku.measures.view import view_of

    by = next((known for known in get_args(room.Order) if known == order), None)
    if by != order:
        raise UsageError(N_("{order!r} is no order; there are seq (by arrival) and time."), order=order)
    terminal, shop = looked(folder, language, as_json, timezone)
    with shop.project as project:
        view = view_of(shop.trails, shop.journey, project=project)
        period = named_period(last, view.moment, ZoneInfo(shop.journey.timezone))
        start = period.start or view.trails.first or view.moment
        wanted = [rule_of(shop.journey, id)]
        if against is not None:
            wanted.append(version_of(project, against))
        found = []
        for each in wanted:
            with terminal.progress() as progress:
                found.append(
                    room.replay(
                        project, each, start=start, end=period.end, view=view, order=by,
                        assume_consent=assume_consent, most=None if everyone else room.MOST,
                        progress=lambda done, total: progress(done, total, N_("Running the rule over the past")),
                    )
                )  # fmt: skip
        if as_json:
            told = [to_dict(r) for r in found]
            terminal.data(told[0] if against is None else {"replays": told})
            return
        replayed(terminal, found)
        people(terminal, shop, found[0].sample)


def replayed(terminal: Terminal, found: Sequence[Replay]) -> None:
    """One replay, or two side by side."""
    from polku.guidance.replay import OUTCOMES

    reader = terminal.reader
    first = found[0]
    terminal.say(
        N_("{start} – {end}, worked out in {seconds} s."),
        start=reader.date(first.start.astimezone(reader.zone)), end=reader.date(first.end.astimezone(reader.zone)),
        seconds=reader.number(sum(r.seconds for r in found), 1),
    )  # fmt: skip
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for r in found:
        table.add_column(f"{r.rule} {r.version[:6]}" if len(found) > 1 else r.rule, justify="right")

    def row(text: str, values: Sequence[str]) -> None:
        if any(v not in ("", "0") for v in values):
            table.add_row(reader(text), *values)

    row(N_("customers who met the trigger"), [reader.number(r.met, 0) for r in found])
    row(N_("runs that began"), [reader.number(r.entered, 0) for r in found])
    for outcome, text in OUTCOMES.items():
        row(text, [reader.number(r.outcomes.get(outcome, 0), 0) for r in found])
    for channel in sorted({c for r in found for c in r.messages}):
        table.add_row(
            reader("messages on {channel}", channel=channel),
            *(reader.number(r.messages.get(channel, 0), 0) for r in found),
        )
    row(N_("put off by quiet hours"), [reader.number(r.delayed, 0) for r in found])
    table.add_row(
        reader("did it anyway: {goal}", goal=reader.said(first.goal_title)), *(anyway(terminal, r) for r in found)
    )
    terminal.print(table)
    for text, facts in first.cautions:
        terminal.say(text, **facts)


def anyway(terminal: Terminal, r: Replay) -> str:
    """How many reached the goal without the rule."""
    reader, rate = terminal.reader, r.anyway
    if rate.value is None:
        return "–"
    return f"{reader.percent(rate.value)} ({reader.number(rate.numerator, 0)}/{reader.number(rate.denominator, 0)})"


def people(terminal: Terminal, shop: Shop, sample: Sequence[Person]) -> None:
    """People of the sample with what happened to each."""
    from polku.guidance.replay import OUTCOMES

    reader = terminal.reader
    for person in sample:
        terminal.say("")
        terminal.say(f"{shop.name(person.customer) or person.customer}: {reader(OUTCOMES[person.outcome])}")
        notes(terminal, shop, person.notes)


def notes(terminal: Terminal, shop: Shop, noted: Sequence[Note]) -> None:
    from polku.guidance.telling import lines
    from polku.record.clock import moment

    for note, text in lines(noted, terminal.reader, shop.journey):
        terminal.say(f"  {terminal.reader.time(moment(note.time))}  {text}")


# -- why --------------------------------------------------------------------------------------------------------------


def why(
    folder: Folder,
    customer: Annotated[
        str,
        typer.Argument(
            metavar="CUSTOMER",
            help=N_("Any id of the customer: a user id, an anonymous id, an account, or Polku's own number ('#12')."),
        ),
    ],
    id: RuleId,
    language: Language = None,
    timezone: Timezone = None,
    as_json: AsJson = False,
) -> None:
    from polku.guidance.replay import OUTCOMES
    from polku.guidance.telling import text_of
    from polku.guidance.why import rule_of
    from polku.guidance.why import why as asked
    from polku.measures.result import to_dict
    from polku.measures.view import view_of

    terminal, shop = looked(folder, language, as_json, timezone)
    with shop.project as project:
        key = shop.find(customer)
        view = view_of(shop.trails, shop.journey, project=project)
        found = asked(project, key, rule_of(shop.journey, id), view=view)
        if as_json:
            terminal.data(to_dict(found))
            return
        reader = terminal.reader
        for story in found.stories:
            told(terminal, shop, story)
        for note in found.refusals:
            terminal.say(f"{reader.time(_moment(note.time))}  {text_of(note, reader, shop.journey)}")
        if found.reason is not None:
            terminal.say(found.reason, **in_words(found.facts, reader))
        for story in found.would:
            terminal.say(N_("Had it been on: {outcome}."), outcome=reader(OUTCOMES[story.status]))
            notes(terminal, shop, story.notes)


def in_words(facts: dict[str, Any], reader: Any) -> dict[str, Any]:
    """Facts of a reason as a reader has them: times, and what would become of a customer of a campaign."""
    from polku.campaigns.standing import OUTCOME_WORDS

    told = dict(facts)
    if "time" in told:
        told["time"] = reader.time(told["time"])
    if "outcome" in told:
        told["outcome"] = reader(OUTCOME_WORDS[told["outcome"]])
    return told


def _moment(micros: int) -> Any:
    from polku.record.clock import moment

    return moment(micros)


def told(terminal: Terminal, shop: Shop, story: Story) -> None:
    """One run with its messages."""
    if story.key:
        terminal.say(N_("Run {key}"), key=story.key)
    notes(terminal, shop, story.notes)
    for sent in story.sent:
        terminal.say(f"  {message_line(terminal, sent)}")


def message_line(terminal: Terminal, sent: Sent) -> str:
    from polku.guidance.messages import STATE_WORDS

    reader = terminal.reader
    when = reader.time(sent.finished or sent.made)
    reason = f" ({sent.reason})" if sent.reason else ""
    return f"{when}  {sent.channel}: {sent.content} {reader(STATE_WORDS[sent.state])}{reason}"


# -- proof ------------------------------------------------------------------------------------------------------------


def proof(folder: Folder, id: RuleId, language: Language = None, as_json: AsJson = False) -> None:
    from polku.guidance.proof import proof as asked
    from polku.guidance.why import rule_of
    from polku.measures.result import to_dict
    from polku.measures.view import view_of

    terminal, shop = looked(folder, language, as_json)
    with shop.project as project:
        view = view_of(shop.trails, shop.journey, project=project)
        found = asked(project, rule_of(shop.journey, id), view=view)
    if as_json:
        terminal.data(to_dict(found))
        return
    proved(terminal, found)


def proved(terminal: Terminal, found: Proof) -> None:
    reader = terminal.reader
    table = _table(terminal, N_("group"), N_("customers"), N_("reached the goal"), N_("money each"))
    for title, group in ((N_("treated"), found.treated), (N_("held out"), found.held_out)):
        rate = group.reached.value
        table.add_row(
            reader(title), reader.number(group.entered, 0), "–" if rate is None else reader.percent(rate, 2),
            "–" if group.money is None else reader.money(group.money, found.currency),
        )  # fmt: skip
    terminal.print(table)
    if found.mismatch:
        terminal.say(N_("The groups are not as large as planned: something dealt them wrongly, so trust no figure."))

    def share(x: float) -> str:
        return reader.percent(x, 2)

    def money(x: float) -> str:
        return reader.money(x, found.currency)

    terminal.say(N_("Uplift: {text}"), text=estimate(terminal, found.uplift, share))
    terminal.say(N_("Money of all treated: {text}"), text=estimate(terminal, found.credited, money))
    known = found.known
    if known.already:
        terminal.say(N_("Known: the interval leaves 0 out, however often one has looked."))
    elif known.day is not None:
        terminal.say(N_("Will be known about {day}, if it goes on like this."), day=reader.date(known.day))
    elif known.reason is not None:
        terminal.say(N_("When it will be known: {reason}."), reason=reader(known.reason, **known.facts))


def estimate(terminal: Terminal, e: Estimate, write: Any) -> str:
    """A figure with its interval, or why there is none."""
    reader = terminal.reader
    if e.value is None:
        return reader(e.reason) if e.reason else "–"
    between = f" ({write(e.low)} – {write(e.high)})" if e.low is not None and e.high is not None else ""
    return f"{write(e.value)}{between}" + (f", {reader(e.reason)}" if e.reason else "")


# -- patterns ---------------------------------------------------------------------------------------------------------


def patterns(
    folder: Annotated[
        Any, typer.Argument(metavar="FOLDER", help=N_("The project to add the pattern to; without it all are listed."))
    ] = None,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help=N_("The pattern to add."))] = None,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from pathlib import Path

    from polku.guidance import patterns as room
    from polku.journey.document import Document

    if folder is None or name is None:
        terminal = Terminal(as_json=as_json, language=language)
        reader = terminal.reader
        found = [room.pattern(n) for n in room.names()]
        if as_json:
            terminal.data({"patterns": [{"name": p.name, "title": p.title, "about": p.about} for p in found]})
            return
        for p in found:
            terminal.say(f"{p.name:20} {reader.said(p.title)}")
            terminal.say(f"{'':20} {reader.said(p.about)}")
        return
    terminal, project = opened(Path(folder), language, as_json)
    with project:
        document = Document(project.map_file.read_bytes(), project.map_file)
        adopted = room.adopt(name, document.journey, terminal.reader.language)
        written = room.add(document, project.folder, adopted)
        project.map_saved(actor())
        ids = [r["id"] for r in adopted.rules]
        project.audit.note(actor(), "rule.saved", ", ".join(map(str, ids)), {"pattern": name})
    if as_json:
        terminal.data({"rules": ids, "content": list(written), "places": adopted.places})
        return
    terminal.say(N_("Added as drafts: {rules}."), rules=", ".join(ids))
    for path in written:
        terminal.say(N_("Written: {file}"), file=path)
    terminal.say(N_("See what it would have done: polku replay {folder} {rule}"), folder=folder, rule=ids[0])


def _table(terminal: Terminal, *heads: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for number, head in enumerate(heads):
        table.add_column(terminal.reader(head), justify="left" if number == 0 else "right")
    return table
