"""Receipts of erasures: what went, what stays and why, what a person still has to do."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from polku.errors import UsageError
from polku.language import N_
from polku.record import tables
from polku.record.clock import moment

if TYPE_CHECKING:
    from polku.record.project import Project


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
    "guidance": N_("runs through rules, their notes, and messages"),
    "campaigns": N_("places on lists of campaigns, answers to invitations, places on lists for ads"),
    "list_rows": N_("rows of files of lists for ads"),
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
ADVERTISED = N_(
    "Where they were on a list for ads, take the file of those to be removed to the platforms after the list's next "
    "refresh. Until then their hashes stay, and no longer."
)
SERVER = N_("The database server's own logs and backups still hold the customer until they are replaced.")
OTHERS = N_("Other servers of this project renew their trails when they are next asked.")


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
