"""polku forget, export-customer, retention, processing: the rights of customers and how long data is kept."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polku.cli.consent import Customer
from polku.cli.keys import actor
from polku.cli.maps import AsJson, Folder, Language
from polku.cli.opening import project_of
from polku.errors import UsageError
from polku.language import LANGUAGES, N_, Reader

if TYPE_CHECKING:
    from polku.cli.terminal import Terminal
    from polku.record.receipts import Receipt


def register(app: Any) -> None:
    app.command("forget", help=N_("Erase a customer everywhere, for good, and give a receipt."))(forget)
    app.command("export-customer", help=N_("Hand over all that is held of a customer."))(export_customer)
    app.command("retention", help=N_("Show or apply how long each kind of data is kept."))(retention)
    app.command("processing", help=N_("Write the record of processing (GDPR, article 30) or the privacy notice."))(
        processing
    )


def forget(
    folder: Folder,
    customer: Customer,
    confirm: Annotated[
        str | None, typer.Option("--confirm", metavar="ID", help=N_("The id once more; without it you are asked."))
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help=N_("Only show what would be erased."))] = False,
    let_in: Annotated[
        bool, typer.Option("--let-in", help=N_("Somebody erased is a customer again: let the id come in again."))
    ] = False,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.record import erasure

    terminal, project = project_of(folder, language, as_json)
    with project:
        if let_in:
            marks = erasure.lift(project, customer, actor())
            if as_json:
                terminal.data({"let_in": marks})
            else:
                terminal.say(N_("{customer} can come in again. What was erased stays erased."), customer=customer)
            return
        _, held = erasure.preview(project, customer)
        if not as_json:
            say_held(terminal, customer, held)
        if dry_run:
            if as_json:
                terminal.data({"customer": customer, "held": held.to_dict()})
            return
        if confirm is None:
            if as_json or not terminal.err.is_terminal:
                raise UsageError(N_("Confirm with --confirm and the same id: this cannot be undone."))
            terminal.say(N_("This erases the customer everywhere and cannot be undone. Backups are not changed."))
            confirm = str(typer.prompt(terminal.reader(N_("Type the id once more to erase"))))
        with terminal.progress() as progress:
            receipt = erasure.forget(
                project, customer, actor(), confirm=confirm,
                progress=lambda done, total, what: progress(done, total, terminal.reader(what)),
            )  # fmt: skip
    if as_json:
        terminal.data(receipt.to_dict())
    else:
        say_receipt(terminal, receipt)


def say_held(terminal: "Terminal", customer: str, held: Any) -> None:
    reader = terminal.reader
    terminal.say(
        N_("{customer}: {events} events, {ids} ids, {traits} traits, {contacts} addresses, {consents} decisions."),
        customer=customer,
        events=reader.number(held.events),
        ids=reader.number(held.ids),
        traits=reader.number(held.traits),
        contacts=reader.number(held.contacts),
        consents=reader.number(held.consents),
    )


def say_receipt(terminal: "Terminal", receipt: "Receipt") -> None:
    from polku.record.receipts import COUNTED

    reader = terminal.reader
    terminal.say(N_("Erased. Receipt {number}."), number=receipt.number)
    for name, what in COUNTED.items():
        if receipt.counts.get(name):
            terminal.out.print(f"  {reader.number(receipt.counts[name])} {reader(what)}", markup=False)
    for text in receipt.kept:
        terminal.out.print(reader(N_("Stays: {what}"), what=reader(text)), markup=False)
    for text, facts in receipt.todo:
        terminal.out.print(reader(N_("To do: {what}"), what=reader(text, **facts)), markup=False)


def export_customer(
    folder: Folder,
    customer: Customer,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help=N_("The zip to write: pages to read, and JSON."))
    ] = None,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.record import handover

    terminal, project = project_of(folder, language, as_json)
    if to is None and not as_json:
        raise UsageError(N_("Say where to: --to customer.zip (or --json to have it on the screen)."))
    with project:
        if to is None:
            told = handover.held(project, customer)
            project.audit.note(actor(), "customer.exported", "", {"events": len(told["events"])})
        else:
            told = handover.write(project, customer, to, actor())
    if as_json:
        terminal.data(told if to is None else {"file": str(to), "events": len(told["events"])})
        return
    terminal.say(
        N_("All that is held is in {file}: {events} events, {ids} ids."),
        file=str(to),
        events=terminal.reader.number(len(told["events"])),
        ids=terminal.reader.number(len(told["ids"])),
    )


def retention(
    folder: Folder,
    dry_run: Annotated[bool, typer.Option("--dry-run", help=N_("Only show what is due."))] = False,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.record import retention as keeping
    from polku.record.clock import moment
    from polku.record.processing import days

    terminal, project = project_of(folder, language, as_json)
    with project:
        rules = keeping.preview(project) if dry_run else keeping.apply(project)
    if as_json:
        terminal.data({"applied": not dry_run, "rules": [rule.to_dict() for rule in rules]})
        return
    reader = terminal.reader
    for rule in rules:
        what, kept = reader(keeping.RULES[rule.rule]), days(reader, rule.days)
        if rule.before is None:
            terminal.say(N_("{what}: {time}"), what=what, time=kept)
            continue
        terminal.say(
            N_("{what}: {time}; {count} from before {day} would go") if dry_run
            else N_("{what}: {time}; {count} from before {day} are gone"),
            what=what, time=kept, count=reader.number(rule.due), day=reader.date(moment(rule.before).date()),
        )  # fmt: skip


def processing(
    folder: Folder,
    notice: Annotated[bool, typer.Option("--notice", help=N_("The privacy notice for the shop's own site."))] = False,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help=N_("A Markdown file to write; by default the screen."))
    ] = None,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.record import processing as record

    terminal, project = project_of(folder, language, as_json)
    with project:
        made = {
            lang: (record.notice if notice else record.processing)(project, Reader(lang, terminal.reader.zone.key))
            for lang in (LANGUAGES if as_json else (terminal.reader.language,))
        }
    if as_json:
        terminal.data({lang: record.as_data(parts) for lang, parts in made.items()})
        return
    title = terminal.reader(N_("Privacy notice") if notice else N_("Record of processing activities"))
    text = record.markdown(title, made[terminal.reader.language])
    if to is None:
        terminal.out.print(text, markup=False)
    else:
        to.write_text(text, encoding="utf-8")
        terminal.say(N_("Written: {file}"), file=str(to))
