"""Erasing a customer everywhere, with a receipt; what died midway is finished when the project is next opened.

The order makes every instant safe. First the plan and the keyed hashes are on disk: from then on no door, no move and
no import takes the customer in. Then each place is cleaned; doing it twice does no harm. The plan, which holds the ids,
goes last, and then the database's own free pages and log. There is no undo.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc
import sqlalchemy as sa

from polku.errors import ProjectBusy, UsageError
from polku.language import N_
from polku.record import joining, tables
from polku.record.belonging import Belongings, belongings, count_events
from polku.record.clearing import (
    backup_places,
    clean_lists,
    clean_refused,
    clean_texts,
    delete_backups,
    empty_inbox,
    imported_files,
    listed_hashes,
    renew_trails,
)
from polku.record.clock import now
from polku.record.contacts import Contact
from polku.record.history import LEASE
from polku.record.lease import Lease, hold
from polku.record.receipts import (
    ADVERTISED,
    ELSEWHERE,
    IMPORTED,
    KEPT,
    KNOWN_BACKUPS,
    OTHERS,
    SERVER,
    Receipt,
    receipt_of,
)
from polku.record.rewriting import sweep, without
from polku.record.steps import reached

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from polku.record.project import Project

#: (done, in all, what is being done)
Progress = Callable[[float, float | None, str], None]
#: Columns of the state that hold what arrived as text: rows that name the customer go.
TEXTS = (("refused_events", "raw"), ("refusals", "example"), ("imports", "report"))


@dataclasses.dataclass(frozen=True, slots=True)
class Holdings:
    """What is held of a customer, in numbers: what an erasure would take, or took."""

    events: int
    ids: int
    joins: int
    traits: int
    contacts: int
    consents: int
    first: dt.datetime | None = None
    last: dt.datetime | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        told = dataclasses.asdict(self)
        for name in ("first", "last"):
            told[name] = None if told[name] is None else told[name].isoformat()
        return told


def preview(project: Project, given: str) -> tuple[Belongings, Holdings]:
    """What is held of a customer; nothing is changed. Raises UsageError when nobody is meant."""
    of = belongings(project, given)
    return of, holdings(project, of)


def holdings(project: Project, of: Belongings) -> Holdings:
    """What is held of a customer, in numbers."""
    from polku.record.belonging import events

    spans = [pc.min_max(batch["time"]).as_py() for batch in events(project, of, ("time",)) if batch.num_rows]
    numbers = [each.number for each in project.identities.ids_of(of.customer)] if of.customer is not None else []
    with project.state.read() as connection:
        return Holdings(
            events=count_events(project, of),
            ids=len(of.ids),
            joins=_count(connection, tables.joins, _either(numbers)),
            traits=_count(connection, tables.traits, tables.traits.c.identity.in_(numbers)),
            contacts=len(of.contacts),
            consents=sum(1 for d in project.consents.of(_forms(of))),
            first=min((s["min"] for s in spans), default=None),
            last=max((s["max"] for s in spans), default=None),
        )


def forget(
    project: Project, given: str, author: str, *, confirm: str | None = None, progress: Progress | None = None
) -> Receipt:
    """Erase the customer whom ``given`` names, everywhere, for good. Returns the receipt.

    ``confirm``: what the person typed; it must be the same word. Raises UsageError when nobody is meant or it is not
    the same, ProjectBusy when history cannot be had, RecordError when a write fails: the next start goes on with it.
    """
    if confirm is not None and confirm.strip() != given.strip():
        raise UsageError(
            N_("{typed!r} is not {given!r}: nothing was erased. Type the id again to confirm."),
            typed=confirm, given=given,
        )  # fmt: skip
    tell = progress or (lambda done, total, what: None)
    with _alone(project, "forget") as lease:
        of = belongings(project, given)
        held = holdings(project, of)
        number = f"E-{dt.datetime.now(dt.UTC):%Y%m%d}-{secrets.token_hex(4)}"
        plan = {
            "customer": of.customer,
            "ids": [list(one) for one in of.ids],
            "contacts": [dataclasses.asdict(c) for c in of.contacts],
            "word": given.strip(),
        }
        with project.state.write() as connection:
            _bar(project, connection, of, number)
            connection.execute(
                sa.insert(tables.erasures).values(
                    id=number, state="begun", started_at=now(), author=author,
                    plan=json.dumps(plan, ensure_ascii=False),
                    receipt=json.dumps({"counts": _counted(held), "kept": [], "todo": []}),
                )
            )  # fmt: skip
        reached("erasure planned")
        _carry_out(project, lease, number, tell)
    receipt = receipt_of(project, number)
    project.audit.note(author, "customer.forgotten", number, {"events": receipt.counts.get("events", 0)})
    return receipt


def finish(project: Project) -> int:
    """End erasures that died midway. Returns how many; 0 also when another process is at them."""
    with project.state.read() as connection:
        if not connection.execute(sa.select(tables.erasures.c.id).where(tables.erasures.c.state != "done")).first():
            return 0
    try:
        with _alone(project, "forget", wait=0.0) as lease:
            with project.state.read() as connection:
                query = sa.select(tables.erasures.c.id).where(tables.erasures.c.state != "done")
                numbers = [str(n) for n in connection.execute(query).scalars()]
            for number in numbers:
                _carry_out(project, lease, number, lambda done, total, what: None)
            return len(numbers)
    except ProjectBusy:
        return 0  # whoever holds history may be the one that erases; the next start looks again


def lift(project: Project, given: str, author: str) -> int:
    """Let an id or address of somebody erased come in again, because they are a customer again. Returns how many marks.

    What was erased stays erased. Raises UsageError when nobody erased is meant.
    """
    addresses = project.contacts.addresses
    pairs = [("user", given.strip()), ("anonymous", given.strip()), ("account", given.strip())]
    for kind in ("email", "phone"):
        if (found := addresses.found(kind, given)) is not None:
            pairs += [(kind, found[1]), ("user", f"{kind}:{found[1]}")]
    hashes = [project.erased.hash(*pair) for pair in pairs]
    with project.state.write() as connection:
        of = sa.select(tables.erased.c.erasure).where(tables.erased.c.hash.in_(hashes))
        numbers = connection.execute(of).scalars().all()  # all that was theirs may come, not only what was typed
        gone = connection.execute(sa.delete(tables.erased).where(tables.erased.c.erasure.in_(numbers))).rowcount
        if gone:
            project.state.reserve(connection, "erased", 1)
    if not gone:
        raise UsageError(N_("Nobody who was erased had the id or address {given!r}."), given=given)
    project.erased.refresh()
    project.audit.note(author, "customer.let-in", "", {"marks": gone})
    return int(gone)


# -- carrying it out ------------------------------------------------------------------------------------------------


def _carry_out(project: Project, lease: Lease, number: str, tell: Progress) -> None:
    """All that the plan asks for; each part may have been done before."""
    with project.state.read() as connection:
        row = connection.execute(sa.select(tables.erasures).where(tables.erasures.c.id == number)).one()
    told: dict[str, Any] = json.loads(row.receipt)
    counts: dict[str, int] = told["counts"]
    if row.plan is not None:
        plan = json.loads(row.plan)
        of = Belongings(
            plan["customer"],
            tuple((kind, value) for kind, value in plan["ids"]),
            tuple(Contact(**contact) for contact in plan["contacts"]),
        )
        words = tuple(dict.fromkeys([*of.words(), *([plan["word"]] if not plan["word"].startswith("#") else [])]))
        project.erased.refresh()
        tell(0, 6, N_("Rewriting history"))
        done = without(project.history, lease, of.rows(), of.shares())
        counts["shared"] = counts.get("shared", 0) + done.changed
        counts["files"] = counts.get("files", 0) + done.files
        tell(1, 6, N_("Emptying the inbox"))
        counts["inbox"] = counts.get("inbox", 0) + empty_inbox(project, of)
        tell(2, 6, N_("Deleting from the state"))
        _empty_state(project, of, words, counts)
        project.consents.refresh()  # what memory holds of them goes at once, too
        tell(3, 6, N_("Deleting old files"))
        counts["old_files"] = counts.get("old_files", 0) + sweep(project.history, lease, words)
        counts["refused_rows"] = counts.get("refused_rows", 0) + clean_refused(project.data / "refused", words)
        with project.state.read() as connection:
            hashes = listed_hashes(connection)
        counts["list_rows"] = counts.get("list_rows", 0) + clean_lists(project.data / "audiences", hashes)
        backups = delete_backups(project.data / "backups")
        counts["backups"] = counts.get("backups", 0) + backups
        shutil.rmtree(project.data / "staging" / "backup", ignore_errors=True)
        (project.data / "cache" / "ids.npy").unlink(missing_ok=True)
        reached("erased from files")
        tell(4, 6, N_("Renewing the trails"))
        counts["trails"] = renew_trails(project, words)
        files = [[IMPORTED, {"file": file}] for file in imported_files(project, words)]
        backups_there = [[KNOWN_BACKUPS, {"place": place}] for place in backup_places(project)]
        told["todo"] = [
            *files,
            *([[ADVERTISED, {}]] if hashes else []),
            *backups_there,
            [ELSEWHERE, {}],
            *([[SERVER, {}], [OTHERS, {}]] if not project.state.sqlite else []),
        ]
        told["kept"] = list(KEPT)
        with project.state.write() as connection:
            connection.execute(
                sa.update(tables.erasures)
                .where(tables.erasures.c.id == number)
                .values(state="sweeping", plan=None, receipt=json.dumps(told))
            )
        reached("plan forgotten")
    tell(5, 6, N_("Clearing the database"))
    project.state.clear_traces()
    reached("traces cleared")
    with project.state.write() as connection:
        connection.execute(
            sa.update(tables.erasures).where(tables.erasures.c.id == number).values(state="done", finished_at=now())
        )
    tell(6, 6, N_("Clearing the database"))


def _bar(project: Project, connection: Connection, of: Belongings, number: str) -> None:
    """Keep the hashes by which they are known again, and forget what memory has of them."""
    pairs = set(_forms(of)) | {("user", user) for user in of.users}
    project.erased.write(connection, sorted(pairs), number)


def _forms(of: Belongings) -> list[tuple[str, str]]:
    """Their ids in every form that an event, a decision or a file may give them."""
    pairs = dict.fromkeys(of.ids)
    for contact in of.contacts:
        pairs[(contact.kind, contact.hash)] = None
        pairs[("user", f"{contact.kind}:{contact.hash}")] = None
    return list(pairs)


def _empty_state(project: Project, of: Belongings, words: Sequence[str], counts: dict[str, int]) -> None:
    """Identities, joins, traits, addresses, decisions, and texts that name them, in one transaction."""
    numbers = [each.number for each in project.identities.ids_of(of.customer)] if of.customer is not None else []
    forms = _forms(of)
    with project.state.write() as connection:
        empty_ids(connection, numbers, counts)
        for contact in of.contacts:
            same = sa.and_(tables.contacts.c.kind == contact.kind, tables.contacts.c.hash == contact.hash)
            connection.execute(sa.delete(tables.contacts).where(same))
        for kind, value in forms:
            same = sa.and_(tables.consents.c.kind == kind, tables.consents.c.value == value)
            connection.execute(sa.delete(tables.consents).where(same))
        for name, column in TEXTS:
            counts[name] = counts.get(name, 0) + clean_texts(connection, name, column, words)
        erased = [("erased", of.customer if of.customer is not None else -1, None)]
        joining.note(project.state, connection, [(kind, int(customer), None) for kind, customer, _ in erased])
    reached("state emptied")


def empty_ids(connection: Connection, numbers: Sequence[int], counts: dict[str, int]) -> None:
    """Take out ids (by their numbers) with all that hangs on them, in the caller's transaction; adds to ``counts``."""
    from polku.offers import rights as offers_rights

    for table, where in (
        (tables.traits, tables.traits.c.identity.in_(numbers)),
        (tables.joins, _either(numbers)),
        (tables.aliases, tables.aliases.c.user.in_(numbers)),
        (tables.crowds, tables.crowds.c.identity.in_(numbers)),
        (tables.quarantine, tables.quarantine.c.identity.in_(numbers)),
        (tables.identities, tables.identities.c.id.in_(numbers)),
    ):
        connection.execute(sa.delete(table).where(where))
    counts["guidance"] = counts.get("guidance", 0) + _empty_guidance(connection, numbers)
    counts["campaigns"] = counts.get("campaigns", 0) + _empty_campaigns(connection, numbers)
    counts["offers"] = counts.get("offers", 0) + offers_rights.empty(connection, numbers)


def _empty_guidance(connection: Connection, numbers: Sequence[int]) -> int:
    """Runs through rules, what was noted of them, timers, messages made. Returns how many rows went."""
    runs = tables.runs
    theirs = sa.or_(runs.c.customer.in_(numbers), runs.c.origin.in_(numbers))
    gone = 0
    for table, where in (
        (tables.timers, tables.timers.c.run.in_(sa.select(runs.c.id).where(theirs))),
        (tables.run_notes, tables.run_notes.c.customer.in_(numbers)),
        (tables.site_messages, tables.site_messages.c.key.in_(_messages_of(numbers))),
        (tables.outbox, tables.outbox.c.customer.in_(numbers)),
        (tables.handovers, tables.handovers.c.identity.in_(numbers)),
        (tables.tasks, tables.tasks.c.customer.in_(numbers)),
        (tables.answer_tags, tables.answer_tags.c.customer.in_(numbers)),
        (tables.review_replies, tables.review_replies.c.customer.in_(numbers)),
        (tables.review_reports, tables.review_reports.c.customer.in_(numbers)),
        (runs, theirs),
    ):
        gone += connection.execute(sa.delete(table).where(where)).rowcount
    return int(gone)


def _messages_of(numbers: Sequence[int]) -> sa.Select[tuple[str]]:
    return sa.select(tables.outbox.c.key).where(tables.outbox.c.customer.in_(numbers))


def _empty_campaigns(connection: Connection, numbers: Sequence[int]) -> int:
    """Places on campaigns' lists, answers to invitations, choices of lists for ads. Of somebody whom an advertising
    platform has, the hashes alone stay, until the next refresh has told it to remove them.
    """
    gone = 0
    for table in (tables.campaign_members, tables.campaign_answers, tables.audience_choices):
        gone += connection.execute(sa.delete(table).where(table.c.origin.in_(numbers))).rowcount
    listed = tables.audience_listed
    theirs = sa.update(listed).where(listed.c.origin.in_(numbers))
    return int(gone + connection.execute(theirs.values(origin=None)).rowcount)


@contextlib.contextmanager
def _alone(project: Project, doing: str, wait: float | None = None) -> Iterator[Lease]:
    history = project.history
    patience = history.settings.busy if wait is None else wait
    with hold(project.state, history.locks, LEASE, doing, patience, history.settings.lease) as lease:
        yield lease


def _either(numbers: Sequence[int]) -> sa.ColumnElement[bool]:
    return sa.or_(tables.joins.c.weaker.in_(numbers), tables.joins.c.stronger.in_(numbers))


def _count(connection: Connection, table: sa.Table, where: sa.ColumnElement[bool]) -> int:
    return int(connection.execute(sa.select(sa.func.count()).select_from(table).where(where)).scalar_one())


def _counted(held: Holdings) -> dict[str, int]:
    return {name: getattr(held, name) for name in ("events", "ids", "joins", "traits", "contacts", "consents")}
