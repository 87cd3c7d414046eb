"""The audit log: who did what when, from where; rows are only added, and each carries the hash of the one before it.

>>> project.audit.note("anna", "map.saved", "measures.first_order")          # doctest: +SKIP
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from polku.language import N_
from polku.record import tables
from polku.record.clock import now

if TYPE_CHECKING:
    from polku.record.state import State

#: What is noted, by its code: what people read of it. Somebody else's action gets a line here.
ACTIONS: dict[str, str] = {
    "sign-in": N_("Signed in"),
    "sign-in.failed": N_("Sign-in failed"),
    "sign-in.throttled": N_("Sign-in held back after many tries"),
    "sign-out": N_("Signed out"),
    "sign-out.everywhere": N_("Signed out everywhere"),
    "user.added": N_("Person added"),
    "user.invited": N_("Person invited"),
    "user.removed": N_("Person removed"),
    "user.role": N_("Role changed"),
    "user.password": N_("Password changed"),
    "user.link": N_("Link for a new password made"),
    "key.created": N_("Key made"),
    "key.revoked": N_("Key revoked"),
    "key.rotated": N_("Key rotated"),
    "map.saved": N_("Map saved"),
    "customer.forgotten": N_("Customer forgotten"),
    "customer.let-in": N_("Forgotten customer let in again"),
    "customer.exported": N_("Customer's data handed over"),
    "customer.merged": N_("Customers joined"),
    "customer.unmerged": N_("Join undone"),
    "id.quarantined": N_("Id set apart"),
    "id.released": N_("Id released"),
    "note.removed": N_("Note removed"),
    "retention.applied": N_("Keeping times applied"),
    "consent.changed": N_("Consent changed"),
    "data.exported": N_("Data exported"),
    "backup.made": N_("Backup made"),
    "backup.restored": N_("Backup restored"),
    "settings.changed": N_("Settings changed"),
    "site.on": N_("Piece for the site turned on"),
    "site.off": N_("Piece for the site turned off"),
    "site.draft": N_("Piece for the site made a draft"),
    "rule.on": N_("Rule turned on"),
    "rule.off": N_("Rule turned off"),
    "rule.draft": N_("Rule made a draft"),
    "rule.adopted": N_("Variant of a rule's message adopted"),
    "rule.now": N_("Rule asked who qualifies now"),
    "rule.saved": N_("Rule written"),
    "rule.deleted": N_("Rule removed"),
    "content.saved": N_("Content written"),
    "content.deleted": N_("Content removed"),
    "sending.on": N_("Sending turned on"),
    "sending.off": N_("Sending turned off"),
    "sending.test-address": N_("Test address changed"),
    "campaign.launched": N_("Campaign launched"),
    "campaign.paused": N_("Campaign paused"),
    "campaign.resumed": N_("Campaign resumed"),
    "campaign.stopped": N_("Campaign stopped"),
    "campaign.tested": N_("Campaign tried out by a letter to a person"),
    "campaign.answered": N_("Answer to an invitation noted by hand"),
    "campaign.added": N_("Campaign added to the map from a pattern"),
    "audience.refreshed": N_("List for ads refreshed by hand"),
    "audience.fetched": N_("File of a list for ads fetched"),
    "address.allowed": N_("Address that got nothing gets mail again"),
    "address.blocked": N_("Address put on the list of those that get nothing"),
    "message.resent": N_("Message sent again by hand"),
    "task.done": N_("Task done"),
    "answer.tagged": N_("Answer to a survey tagged"),
    "review.replied": N_("Review replied to"),
    "review.reply-removed": N_("Reply to a review taken away"),
    "review.removed": N_("Review removed"),
    "review.kept": N_("Report of a review: kept"),
    "reviews.imported": N_("Reviews imported"),
    "codes.made": N_("Discount codes made"),
    "codes.imported": N_("Discount codes imported"),
    "codes.withdrawn": N_("Discount codes withdrawn"),
    "codes.released": N_("Withdrawn codes freed"),
    "products.imported": N_("Products imported"),
    "points.by-hand": N_("Points given or taken by hand"),
    "points.spent": N_("Points spent at the checkout"),
    "referral.decided": N_("Referral decided by hand"),
}
#: Writers of keys, people and this log wait for each other, not for an import.
LANE = "access"
#: What stands before the first row.
BEGIN = "0" * 64


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One row of the log. ``time`` in microseconds since 1970 UTC; ``address`` "" where it was done on the machine."""

    id: int
    time: int
    actor: str
    action: str
    about: str
    address: str
    facts: dict[str, Any]
    hash: str


@dataclasses.dataclass(frozen=True, slots=True)
class Chain:
    """Whether the log is whole: ``rows`` looked at, ``broken`` the id of the first row that does not fit, ``head`` the
    last hash: written down elsewhere, it shows later that nothing before it was changed."""

    rows: int
    broken: int | None
    head: str


class Audit:
    """The log of one project."""

    def __init__(self, state: State) -> None:
        self.state = state

    def noting(
        self, actor: str, action: str, about: str = "", facts: Mapping[str, Any] | None = None, *, address: str = ""
    ) -> Callable[[Connection], None]:
        """:meth:`note`, to be called in the transaction of the deed by whoever has it."""

        def noting(connection: Connection) -> None:
            self.note(actor, action, about, facts, address=address, connection=connection)

        return noting

    def note(
        self,
        actor: str,
        action: str,
        about: str = "",
        facts: Mapping[str, Any] | None = None,
        *,
        address: str = "",
        connection: Connection | None = None,
    ) -> int:
        """Add a row: ``actor`` (a user's name, ``key:NAME``, ``cli:LOGIN``) did ``action`` (a code of ACTIONS) to
        ``about``. With ``connection`` in that transaction, so that the deed and its row are kept together or not at
        all; a caller who is inside ``state.write()`` must give it. ``facts`` (plain values; no secrets, and of
        customers ids alone). Returns the row's number.
        """
        if connection is None:
            with self.state.write(LANE) as own:
                return self.note(actor, action, about, facts, address=address, connection=own)
        if action not in ACTIONS:
            raise ValueError(f"{action!r} is no action of the audit log; add it to polku.access.audit.ACTIONS")
        # the counter's row stays locked until the transaction ends: the rows form one chain on every database
        number = self.state.reserve(connection, "audit", 1)
        table = tables.audit
        previous = connection.execute(
            sa.select(table.c.hash).where(table.c.id < number).order_by(table.c.id.desc()).limit(1)
        ).scalar()
        row = {
            "id": number,
            "time": now(),
            "actor": plain(actor[:200]),
            "action": action,
            "about": plain(about),
            "address": plain(address[:64]),
            "facts": plain(json.dumps(facts or {}, ensure_ascii=False, sort_keys=True, default=str)),
            "previous": previous or BEGIN,
        }
        connection.execute(sa.insert(table).values(**row, hash=digest(row)))
        return number

    def entries(
        self, limit: int = 100, before: int | None = None, action: str | None = None, actor: str | None = None
    ) -> list[Entry]:
        """The latest rows first; ``before`` a row's number goes on from an earlier page. ``action`` may be the first
        part of codes (``sign-in``: failed ones too)."""
        table = tables.audit
        query = sa.select(table).order_by(table.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(table.c.id < before)
        if action is not None:
            query = query.where(sa.or_(table.c.action == action, table.c.action.startswith(f"{action}.")))
        if actor is not None:
            query = query.where(table.c.actor == actor)
        with self.state.read() as connection:
            return [
                Entry(r.id, r.time, r.actor, r.action, r.about, r.address, json.loads(r.facts), r.hash)
                for r in connection.execute(query)
            ]

    def check(self) -> Chain:
        """Follow the chain from its first row; a changed, added or missing row breaks it."""
        table = tables.audit
        rows, previous, last = 0, None, 0
        with self.state.read() as connection:
            given = self.state.counter(connection, "audit")
            query = sa.select(table).order_by(table.c.id).execution_options(yield_per=1000)
            with connection.execute(query) as found:
                for row in found:
                    fields: dict[str, Any] = dict(row._mapping)
                    told = fields.pop("hash")
                    # the first row that is kept may stand after others that were cut off when their time was up
                    fits = row.previous == previous if previous is not None else row.id > 1 or row.previous == BEGIN
                    if not fits or told != digest(fields) or (last and row.id != last + 1):
                        return Chain(rows, row.id, previous or BEGIN)
                    rows, previous, last = rows + 1, told, row.id
        if last < given:
            return Chain(rows, last + 1, previous or BEGIN)
        return Chain(rows, None, previous or BEGIN)


def plain(text: str) -> str:
    """A text that every database keeps as it is: without NUL and halves of characters."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def digest(row: Mapping[str, Any]) -> str:
    """SHA-256 of a row with the hash before it, in a form that no two rows share."""
    parts: Sequence[Any] = [row[name] for name in ("previous", "id", "time", "actor", "action", "about", "address")]
    return hashlib.sha256(json.dumps([*parts, row["facts"]], ensure_ascii=True).encode()).hexdigest()
