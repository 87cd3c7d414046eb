"""polku identities: who is who. Joins with their evidence, joining and undoing by hand, ids in quarantine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from polku.cli.keys import actor
from polku.cli.maps import AsJson, Folder, Language
from polku.cli.opening import project_of
from polku.cli.terminal import Terminal
from polku.errors import UsageError
from polku.language import N_

if TYPE_CHECKING:
    from polku.record.ids import Held, Id, Join
    from polku.record.project import Project

One = Annotated[str, typer.Argument(metavar="ID", help=N_("An id, a customer number or an e-mail address."))]
Number = Annotated[
    int, typer.Argument(metavar="NUMBER", help=N_("The join's number, as polku identities joins shows."))
]
Why = Annotated[str, typer.Option("--why", help=N_("Why they are one customer; kept as the join's evidence."))]
Preview = Annotated[bool, typer.Option("--preview", help=N_("Only show what would change; nothing is written."))]
Most = Annotated[int, typer.Option("--limit", min=1, max=10_000, help=N_("How many to show."))]
From = Annotated[int, typer.Option("--offset", min=0, help=N_("How many to pass over."))]

VERDICTS = {
    "held": N_("joins too many"),
    "kept": N_("set apart by a person"),
    "released": N_("released by a person"),
}


def register(app: Any) -> None:
    group = typer.Typer(help=N_("Who is who: joins of ids with their evidence, made and undone."), no_args_is_help=True)
    group.command("list", help=N_("List every id of one customer."))(list_)
    group.command("joins", help=N_("List joins with their evidence, of one customer or the latest of all."))(joins)
    group.command("merge", help=N_("Say that two ids are one customer's."))(merge)
    group.command("undo", help=N_("Undo a join for good; events, stages and measures follow."))(undo)
    group.command("quarantine", help=N_("List ids that join nothing; release one, or set one apart."))(quarantine)
    app.add_typer(group, name="identities")


def id_of(project: Project, text: str) -> Id:
    """The id that a person means by a text. Raises UsageError when nobody has it."""
    from polku.notes.finding import whom

    found = whom(project, text)
    if found.known is None:
        raise UsageError(N_("There is no customer with the id {id!r}."), id=text)
    forms = [i for i, _ in project.identities.find(text.strip())]
    return forms[0] if forms else project.identities.id_number(found.known)


def list_(
    folder: Folder, one: One, limit: Most = 100, offset: From = 0, language: Language = None, as_json: AsJson = False
) -> None:
    terminal, project = project_of(folder, language, as_json)
    with project:
        customer = project.identities.customer_of_number(id_of(project, one).number)
        ids = project.identities.ids_of(customer)
    if as_json:
        shown = [{"id": i.number, "kind": i.names, "value": i.value} for i in ids[offset : offset + limit]]
        terminal.data({"customer": customer, "total": len(ids), "offset": offset, "ids": shown})
        return
    for each in ids[offset : offset + limit]:
        terminal.out.print(f"{each.number:>8}  {each.names:<10} {each.value}", markup=False)
    if len(ids) > offset + limit:
        terminal.say(N_("{shown} of {total} ids; more with --limit and --offset."), shown=limit, total=len(ids))


def joins(
    folder: Folder,
    one: Annotated[str | None, typer.Argument(metavar="[ID]", help=N_("One customer's only."))] = None,
    undone: Annotated[bool, typer.Option("--undone", help=N_("Only those that a person undid."))] = False,
    limit: Most = 100,
    offset: From = 0,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    terminal, project = project_of(folder, language, as_json)
    with project:
        if one is None:
            found = project.identities.joins(limit, offset, undone=undone)
        else:
            customer = project.identities.customer_of_number(id_of(project, one).number)
            found = project.identities.joins_of(customer, limit, offset)
            found = tuple(j for j in found if j.undone_at is not None or not undone)
    if as_json:
        terminal.data({"joins": [join_data(j) for j in found]})
        return
    if not found:
        terminal.say(N_("No ids are joined."))
    for each in found:
        terminal.out.print(f"{each.number:>8}  {join_line(terminal, each)}", markup=False)


def join_data(join: Join) -> dict[str, Any]:
    """A join as JSON."""

    def end(id: Id) -> dict[str, Any]:
        return {"id": id.number, "kind": id.names, "value": id.value}

    return {
        "join": join.number, "one": end(join.stronger), "other": end(join.weaker), "time": join.time.isoformat(),
        "evidence": join.evidence, "said_by": join.said_by, "counts": join.counts,
        "undone_at": join.undone_at.isoformat() if join.undone_at else None, "undone_by": join.undone_by,
    }  # fmt: skip


def join_line(terminal: Terminal, join: Join) -> str:
    reader = terminal.reader
    ends = f"{join.stronger.value} ({join.stronger.names}) + {join.weaker.value} ({join.weaker.names})"
    why = join.evidence if join.said_by is None else f"{join.evidence} ({join.said_by or '-'})"
    if join.undone_at is not None:
        state = reader(N_("undone by {who}"), who=join.undone_by or "-")
    else:
        state = reader(N_("counts") if join.counts else N_("does not count"))
    return f"{ends} · {reader.time(join.time)} · {why} · {state}"


def merge(
    folder: Folder,
    one: One,
    other: Annotated[str, typer.Argument(metavar="ID", help=N_("The other one."))],
    why: Why = "",
    preview: Preview = False,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    terminal, project = project_of(folder, language, as_json)
    with project:
        left, right = id_of(project, one), id_of(project, other)
        told = _outlook(project, project.identities.preview(left.number, right.number))
        if not preview:
            by = actor()
            noting = project.audit.noting(by, "customer.merged", left.mark, {"other": right.mark})
            project.identities.join(left.number, right.number, why, by, noting)
            ends = {left.number, right.number}
            customer = project.identities.customer_of_number(left.number)
            told["join"] = next(
                j.number for j in project.identities.joins_of(customer) if {j.weaker.number, j.stronger.number} == ends
            )
    _tell(terminal, told, preview)
    if not (preview or as_json):
        terminal.say(
            N_("Joined. To undo it: polku identities undo {folder} {join}"), folder=str(folder), join=told["join"]
        )


def undo(
    folder: Folder, join: Number, preview: Preview = False, language: Language = None, as_json: AsJson = False
) -> None:
    terminal, project = project_of(folder, language, as_json)
    with project:
        found = project.identities.join_number(join)
        told = _outlook(project, project.identities.preview_undo(join))
        if not preview:
            by = actor()
            noting = project.audit.noting(by, "customer.unmerged", found.stronger.mark, {"other": found.weaker.mark})
            project.identities.undo(join, by, noting)
    _tell(terminal, told, preview)


def _outlook(project: Project, preview: Any) -> dict[str, Any]:
    from polku.measures.merging import outlook

    return outlook(project, preview).to_dict()


def _tell(terminal: Terminal, told: dict[str, Any], preview: bool) -> None:
    if terminal.as_json:
        terminal.data({"written": not preview, **told})
        return
    if not told["changes"]:
        terminal.say(N_("Nobody becomes another customer: other evidence says the same."))
    for name, title in (("before", N_("Before:")), ("after", N_("After:"))):
        terminal.say(title)
        for side in told[name]:
            terminal.say(
                N_("  {name}: {ids} ids, {events} events, stage {stage}"),
                name=side["name"], ids=len(side["ids"]), events=side["events"], stage=side["stage"] or "-",
            )  # fmt: skip
    if preview:
        terminal.say(N_("Nothing was written."))


def quarantine(
    folder: Folder,
    release: Annotated[
        str | None, typer.Option("--release", metavar="ID", help=N_("Let this id join in spite of its cap."))
    ] = None,
    keep: Annotated[
        str | None, typer.Option("--keep", metavar="ID", help=N_("Set this id apart, whatever its cap says."))
    ] = None,
    limit: Most = 100,
    offset: From = 0,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    terminal, project = project_of(folder, language, as_json)
    with project:
        by = actor()
        for text, do, action in (
            (release, project.identities.release, "id.released"),
            (keep, project.identities.keep, "id.quarantined"),
        ):
            if text is not None:
                found = id_of(project, text)
                do(found.number, by, project.audit.noting(by, action, found.mark))
        project.identities.catch_up(inbox=True)
        held = project.identities.quarantined(limit, offset)
        total = project.identities.count_quarantined()
    if as_json:
        terminal.data({"total": total, "quarantine": [held_data(h) for h in held]})
        return
    if not held:
        terminal.say(N_("No id is in quarantine."))
    for each in held:
        verdict = terminal.reader(VERDICTS[each.verdict])
        line = f"{each.id.number:>8}  {each.id.names:<10} {each.id.value}  {verdict}"
        terminal.out.print(f"{line} ({each.others} {each.reason})" if each.reason else line, markup=False)


def held_data(held: Held) -> dict[str, Any]:
    """An id in quarantine as JSON."""
    return {
        "id": held.id.number, "kind": held.id.names, "value": held.id.value, "customer": held.customer,
        "verdict": held.verdict, "too_many": held.reason or None, "others": held.others,
        "since": held.since.isoformat(), "said_by": held.said_by,
    }  # fmt: skip
