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
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from polku.errors import ProjectBusy, UsageError
from polku.language import N_
from polku.record import joining, tables
from polku.record.belonging import Belongings, belongings, count_events
from polku.record.clock import moment, now
from polku.record.contacts import Contact
from polku.record.history import LEASE
from polku.record.inbox import pack, unpack
from polku.record.lease import Lease, hold
from polku.record.rewriting import row_mask, sweep, without
from polku.record.steps import reached

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from polku.record.project import Project

#: (done, in all, what is being done)
Progress = Callable[[float, float | None, str], None]
#: Bytes of the largest imported file that is looked through for the customer.
MOST_SEARCHED = 1 << 28
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


@dataclasses.dataclass(frozen=True, slots=True)
class Receipt:
    """Proof of an erasure. It holds no id and no address; ``number`` names it.

    counts: what went, by place. kept: what stays and why, N_() texts. todo: what a person still has to do, with facts.
    """

    number: str
    author: str
    started_at: dt.datetime
    finished_at: dt.datetime | None
    counts: dict[str, int]
    kept: tuple[str, ...] = ()
    todo: tuple[tuple[str, dict[str, Any]], ...] = ()

    @property
    def done(self) -> bool:
        return self.finished_at is not None

    def to_dict(self) -> dict[str, Any]:
        """As JSON; times as ISO 8601."""
        return {
            "number": self.number,
            "author": self.author,
            "started_at": self.started_at.isoformat(),
            "finished_at": None if self.finished_at is None else self.finished_at.isoformat(),
            "counts": self.counts,
            "kept": list(self.kept),
            "todo": [{"text": text, "facts": facts} for text, facts in self.todo],
        }


#: What a receipt says of each number, in the order of telling.
COUNTED: dict[str, str] = {
    "events": N_("events"),
    "shared": N_("events of others that lost the id of a shared device"),
    "files": N_("files of the history written anew"),
    "old_files": N_("old files of the history deleted"),
    "inbox": N_("events that waited in the inbox"),
    "ids": N_("ids"),
    "joins": N_("joins of ids"),
    "traits": N_("traits"),
    "contacts": N_("addresses"),
    "consents": N_("decisions about consent"),
    "refused_events": N_("refused events"),
    "refused_rows": N_("rows in files of refused rows"),
    "refusals": N_("examples of refusals"),
    "imports": N_("reports of imports that named them"),
    "backups": N_("backups that migrations had made"),
    "trails": N_("derived trails made anew"),
}
KEPT = (
    N_("A keyed hash of each id and address, which tells nobody who it was: so that no import brings them back."),
    N_("Sums in which nobody can be told apart, such as the costs of advertising and counts of refusals."),
)
ELSEWHERE = N_("Backups made elsewhere still hold the customer: delete them, or let their keeping time run out.")
KNOWN_BACKUPS = N_(
    "Backups in {place} still hold the customer; a restore erases them again. "
    "Delete those made before now to be rid of it."
)
IMPORTED = N_("The file {file}, which was imported, still names the customer: delete it, or take the rows out.")
SERVER = N_("The database server's own logs and backups still hold the customer until they are replaced.")
OTHERS = N_("Other servers of this project renew their trails when they are next asked.")


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
    project.audit.note(author, "customer.forgotten", "lifted", {"marks": gone})
    return int(gone)


def receipts(project: Project, limit: int = 100) -> tuple[Receipt, ...]:
    """The receipts, the newest first."""
    with project.state.read() as connection:
        rows = connection.execute(
            sa.select(tables.erasures).order_by(tables.erasures.c.started_at.desc()).limit(limit)
        ).all()
    return tuple(_receipt(row) for row in rows)


def receipt_of(project: Project, number: str) -> Receipt:
    """The receipt of that number. Raises UsageError when there is none."""
    with project.state.read() as connection:
        row = connection.execute(sa.select(tables.erasures).where(tables.erasures.c.id == number)).first()
    if row is None:
        raise UsageError(N_("There is no receipt {number!r} of an erasure."), number=number)
    return _receipt(row)


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
        counts["inbox"] = counts.get("inbox", 0) + _empty_inbox(project, of)
        tell(2, 6, N_("Deleting from the state"))
        _empty_state(project, of, words, counts)
        tell(3, 6, N_("Deleting old files"))
        counts["old_files"] = counts.get("old_files", 0) + sweep(project.history, lease, words)
        counts["refused_rows"] = counts.get("refused_rows", 0) + clean_refused(project.data / "refused", words)
        backups = _delete_backups(project.data / "backups")
        counts["backups"] = counts.get("backups", 0) + backups
        shutil.rmtree(project.data / "staging" / "backup", ignore_errors=True)
        (project.data / "cache" / "ids.npy").unlink(missing_ok=True)
        reached("erased from files")
        tell(4, 6, N_("Renewing the trails"))
        counts["trails"] = _renew_trails(project, words)
        files = [[IMPORTED, {"file": file}] for file in _imported_files(project, words)]
        backups_there = [[KNOWN_BACKUPS, {"place": place}] for place in _backup_places(project)]
        told["todo"] = [
            *files,
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


def _empty_inbox(project: Project, of: Belongings) -> int:
    """Groups that hold events of theirs are written anew; nobody moves meanwhile, the lease is ours."""
    gone = 0
    table = tables.inbox
    with project.state.read() as connection:
        numbers = connection.execute(sa.select(table.c.last_seq).order_by(table.c.last_seq)).scalars().all()
    for last in numbers:
        with project.state.write() as connection:
            payload = connection.execute(sa.select(table.c.payload).where(table.c.last_seq == last)).scalar()
            if payload is not None:
                gone += _rewrite_group(connection, int(last), payload, of)
    reached("inbox rewritten")
    return gone


def _rewrite_group(connection: Connection, last: int, payload: bytes, of: Belongings) -> int:
    """One group of the inbox without their events; its numbers say what is left. Returns how many went."""
    rows = unpack(payload)
    kept = rows.filter(pc.invert(of.rows()))
    shared = row_mask(kept, of.shares())
    if kept.num_rows == rows.num_rows and not pc.any(shared).as_py():
        return 0
    same = tables.inbox.c.last_seq == last
    if not kept.num_rows:
        connection.execute(sa.delete(tables.inbox).where(same))
        return int(rows.num_rows)
    cleaned = pc.if_else(shared, pa.scalar(None, pa.string()), kept["anonymous_id"].cast(pa.string()))
    place = kept.schema.get_field_index("anonymous_id")
    kept = kept.set_column(place, kept.schema.field(place), cleaned.cast(kept.schema.field(place).type))
    numbers = pc.min_max(kept["seq"]).as_py()
    connection.execute(
        sa.update(tables.inbox)
        .where(same)
        .values(first_seq=numbers["min"], last_seq=numbers["max"], rows=kept.num_rows, payload=pack(kept))
    )
    return int(rows.num_rows - kept.num_rows)


def _empty_state(project: Project, of: Belongings, words: Sequence[str], counts: dict[str, int]) -> None:
    """Identities, joins, traits, addresses, decisions, and texts that name them, in one transaction."""
    numbers = [each.number for each in project.identities.ids_of(of.customer)] if of.customer is not None else []
    forms = _forms(of)
    with project.state.write() as connection:
        for table, where in (
            (tables.traits, tables.traits.c.identity.in_(numbers)),
            (tables.joins, _either(numbers)),
            (tables.aliases, tables.aliases.c.user.in_(numbers)),
            (tables.crowds, tables.crowds.c.identity.in_(numbers)),
            (tables.quarantine, tables.quarantine.c.identity.in_(numbers)),
            (tables.identities, tables.identities.c.id.in_(numbers)),
        ):
            connection.execute(sa.delete(table).where(where))
        for contact in of.contacts:
            same = sa.and_(tables.contacts.c.kind == contact.kind, tables.contacts.c.hash == contact.hash)
            connection.execute(sa.delete(tables.contacts).where(same))
        for kind, value in forms:
            same = sa.and_(tables.consents.c.kind == kind, tables.consents.c.value == value)
            connection.execute(sa.delete(tables.consents).where(same))
        for name, column in TEXTS:
            counts[name] = counts.get(name, 0) + _clean_texts(connection, name, column, words)
        erased = [("erased", of.customer if of.customer is not None else -1, None)]
        joining.note(project.state, connection, [(kind, int(customer), None) for kind, customer, _ in erased])
    reached("state emptied")


def _clean_texts(connection: Connection, name: str, column: str, words: Sequence[str]) -> int:
    """Rows of texts that name the customer: they go whole (refused events), or lose the text."""
    table = tables.metadata.tables.get(name)
    if table is None:
        return 0
    found = 0
    keys = list(table.primary_key.columns)
    pattern = mentions(words)
    rows = connection.execute(sa.select(*keys, table.c[column]).where(table.c[column].is_not(None))).all()
    for row in rows:
        if not pattern.search(row[-1]):
            continue
        same = sa.and_(*(key == value for key, value in zip(keys, row[:-1], strict=True)))
        if name == "refused_events":
            connection.execute(sa.delete(table).where(same))
        else:
            text = None if name == "refusals" else pattern.sub("...", row[-1])
            connection.execute(sa.update(table).where(same).values({column: text}))
        found += 1
    return found


def mentions(words: Sequence[str]) -> re.Pattern[str]:
    """Finds any of these words where it stands by itself, also as JSON writes it.

    >>> bool(mentions(["42"]).search('{"id": "42"}')), bool(mentions(["42"]).search("1423"))
    (True, False)
    """
    forms: dict[str, None] = {}
    for word in words:
        for form in (
            word,
            json.dumps(word)[1:-1],
            json.dumps(word, ensure_ascii=False)[1:-1],
            word.replace("@", "%40"),
        ):
            forms[form] = None
    longest = sorted((re.escape(form) for form in forms if form), key=len, reverse=True)
    return re.compile(r"(?<![\w-])(?:" + "|".join(longest) + r")(?![\w-])", re.IGNORECASE)


def clean_refused(folder: Path, words: Sequence[str]) -> int:
    """Take the rows that name any of ``words`` out of the files of refused rows. Returns how many."""
    if not folder.is_dir():
        return 0
    gone = 0
    pattern = mentions(words)
    for file in sorted(p for p in folder.iterdir() if p.is_file()):
        lines = file.read_text(encoding="utf-8", errors="surrogateescape").splitlines(keepends=True)
        head = 1 if ".csv" in file.suffixes else 0
        kept = lines[:head] + [line for line in lines[head:] if not pattern.search(line)]
        if len(kept) == len(lines):
            continue
        gone += len(lines) - len(kept)
        if len(kept) > head:
            partial = file.with_name(f"{file.name}.rewritten")
            partial.write_text("".join(kept), encoding="utf-8", errors="surrogateescape")
            partial.replace(file)
        else:
            file.unlink()
    return gone


def _backup_places(project: Project) -> list[str]:
    """Where backups of this project are, as far as it made them itself."""
    from polku.backups.taking import _places

    return [str(place) for place in _places(project)]


def _imported_files(project: Project, words: Sequence[str]) -> list[str]:
    """Files of the shop's own that were imported and still name the customer: they are not Polku's to change."""
    with project.state.read() as connection:
        paths = connection.execute(sa.select(tables.imports.c.source).distinct()).scalars().all()
    needles = [word.encode() for word in words if len(word) > 3]
    found: list[str] = []
    for path in sorted({Path(p) for p in paths}):
        if path.is_file() and path.stat().st_size < MOST_SEARCHED and any(n in path.read_bytes() for n in needles):
            found.append(path.name)
    return found


def _delete_backups(folder: Path) -> int:
    """Backups that migrations made hold the customer in a format of their own; they served their day."""
    gone = 0
    if folder.is_dir():
        for file in sorted(folder.glob("state-*.db*")):
            file.unlink()
            gone += 1
    return gone


def _renew_trails(project: Project, words: Sequence[str]) -> int:
    """Trails without the customer. Where a page or another word of their tables names them, all of it is made anew."""
    from polku.trails import open_trails

    folder = project.data / "trails"
    if not folder.is_dir():
        return 0
    pattern = mentions(words)
    if any(_names(file, pattern) for file in sorted(folder.rglob("*")) if file.is_file()):
        shutil.rmtree(folder, ignore_errors=True)
    if project.map_file.exists():
        open_trails(project)
    return 1


def _names(file: Path, pattern: re.Pattern[str]) -> bool:
    """Whether a table of the trails (pages, manifests, properties) names somebody; arrays of numbers cannot."""
    if file.suffix == ".npy":
        return False
    return pattern.search(file.read_bytes().decode("utf-8", "replace")) is not None


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


def _receipt(row: Any) -> Receipt:
    told = json.loads(row.receipt) if row.receipt else {"counts": {}, "kept": [], "todo": []}
    return Receipt(
        number=row.id,
        author=row.author,
        started_at=moment(int(row.started_at)),
        finished_at=None if row.finished_at is None else moment(int(row.finished_at)),
        counts=told["counts"],
        kept=tuple(told["kept"]),
        todo=tuple((text, facts) for text, facts in told["todo"]),
    )
