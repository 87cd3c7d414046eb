"""What was refused: how many by source and reason, the latest with their raw text, and what to do about each reason."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from polku.errors import UsageError, nearest
from polku.events.refusals import TEXTS, Refusal
from polku.language import N_, Reader
from polku.record import tables
from polku.record.clock import moment

if TYPE_CHECKING:
    from polku.record.project import Project

#: What to do about a reason, where there is something to do; about files of an import their own report says more.
ADVICE: dict[Refusal, str] = {
    Refusal.NOT_JSON: N_("The sender writes broken JSON: look at the raw text, often a comma or a quotation mark."),
    Refusal.NOT_AN_OBJECT: N_("The sender must send one JSON object for each event."),
    Refusal.UNREADABLE_TIME: N_("Send times as ISO 8601, such as 2026-05-31T12:00:00Z."),
    Refusal.TIME_TOO_EARLY: N_("The sender’s clock is wrong, or its times are in another unit than it says."),
    Refusal.TIME_TOO_LATE: N_("The sender’s clock is wrong by more than a day, or the time is of something to come."),
    Refusal.NO_EVENT: N_("Give the event a name: in polku.track it is the first argument."),
    Refusal.UNREADABLE_VALUE: N_("Send amounts as numbers without a currency sign: 59.90."),
    Refusal.UNPROVEN_TIME: N_("Send the key as token_auth with events of more than a day ago."),
    Refusal.OTHER_SITE: N_("Send the events of each site in a request of their own."),
    Refusal.VALUE_NOT_FINITE: N_("The sender divides by zero or counts with a missing price: mend it there."),
    Refusal.UNKNOWN_CURRENCY: N_("Send the currency as its code: EUR."),
    Refusal.TOO_DEEP: N_("Send fewer levels: properties of an event are names and values."),
    Refusal.UNMAPPED: N_("Mend the mapping in polku.toml; polku hook try shows what is wrong with a sample."),
    Refusal.LEFT_OUT: N_("Nothing to mend: the mapping in polku.toml takes other messages only."),
    Refusal.BAD_PROPERTIES: N_('Properties are an object: polku.track("Product Added", {price: 59.9}).'),
    Refusal.BAD_CONTEXT: N_("The context is an object; leave it out when in doubt."),
    Refusal.BAD_MESSAGE: N_("A field has the wrong kind of value: compare the raw text with the protocol."),
    Refusal.UNKNOWN_CALL: N_("The type of a message is track, page, screen, identify, group or alias."),
    Refusal.BAD_ID: N_("Ids are texts or numbers, not objects or lists."),
    Refusal.NO_PREVIOUS_ID: N_("Send both ids: polku.alias(newId, previousId)."),
    Refusal.NO_GROUP: N_("Send the id of the company as groupId."),
    Refusal.TOO_LARGE: N_("An event holds at most 32 kB: leave out long texts and pictures."),
    Refusal.TOO_LONG: N_("Ids and names are short; a whole text stands in the wrong field."),
    Refusal.TOO_MANY: N_("Send fewer events in one request; the SDKs do so by themselves."),
    Refusal.UNREADABLE_REQUEST: N_("The whole request cannot be read: compare the raw text with the protocol."),
    Refusal.WRONG_KEY: N_("Copy the write key from the page Connect; a revoked key does not open the door any more."),
    Refusal.NO_CONSENT: N_(
        "Nothing to mend: the customer said no. When nearly all are refused, see that the consent tool tells polku.js."
    ),
    Refusal.ERASED: N_("Nothing to mend: this customer was erased on request. The sender should erase them as well."),
    Refusal.BOT: N_("Nothing to mend: search engines and monitors are not customers."),
    Refusal.MAIL_SCANNER: N_("Nothing to mend: a mail filter opened the message before the customer did."),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Count:
    """How many events of one source were refused for one reason, ever; ``time``: the latest."""

    source: str
    reason: str
    count: int
    time: dt.datetime

    def to_dict(self, reader: Reader) -> dict[str, Any]:
        return {
            "source": self.source,
            "reason": self.reason,
            "why": why(self.reason, reader),
            "advice": advice(self.reason, reader),
            "count": self.count,
            "time": self.time.isoformat(),
        }


@dataclasses.dataclass(frozen=True, slots=True)
class One:
    """One refused event. ``place``: ``door`` or ``mover``; ``raw`` as it came."""

    id: int
    received_at: dt.datetime
    source: str
    protocol: str
    place: str
    reason: str
    time: dt.datetime | None
    raw: str

    def to_dict(self, reader: Reader) -> dict[str, Any]:
        return {
            "id": self.id,
            "received_at": self.received_at.isoformat(),
            "source": self.source,
            "protocol": self.protocol,
            "place": self.place,
            "reason": self.reason,
            "why": why(self.reason, reader),
            "time": None if self.time is None else self.time.isoformat(),
            "raw": self.raw,
        }


def reason_of(name: str) -> Refusal | None:
    """The reason that a stored name stands for, in either case; None for one that this version does not know."""
    return Refusal.__members__.get(name.upper())


def why(name: str, reader: Reader) -> str:
    """The reason in words.

    >>> why("bot", Reader("en"))
    'a robot, not a person, by its name'
    """
    found = reason_of(name)
    return name if found is None else reader(TEXTS[found])


def advice(name: str, reader: Reader) -> str | None:
    """What to do about it, in words; None where nothing general can be said."""
    found = reason_of(name)
    text = None if found is None else ADVICE.get(found)
    return None if text is None else reader(text)


def counts(project: Project) -> tuple[Count, ...]:
    """Every count, the latest refusal first."""
    table = tables.refusals
    with project.state.read() as connection:
        rows = connection.execute(sa.select(table).order_by(table.c.time.desc(), table.c.source, table.c.reason)).all()
    return tuple(Count(r.source, r.reason.lower(), int(r._mapping["count"]), moment(r.time)) for r in rows)


def latest(
    project: Project, reason: str | None = None, source: str | None = None, limit: int = 20, after: int = 0
) -> tuple[One, ...]:
    """The latest refused events that were kept with their raw text, newest first; ``after``: with a larger id only.

    Raises UsageError for a reason that does not exist.
    """
    table = tables.refused_events
    query = sa.select(table).where(table.c.id > after).order_by(table.c.id.desc()).limit(limit)
    if reason is not None:
        if reason_of(reason) is None:
            names = [r.name.lower() for r in Refusal]
            raise UsageError(
                N_("There is no reason {value!r} of refusal. There are: {known}."),
                value=reason,
                known=", ".join(names),
                nearest=nearest(reason, names),
            )
        query = query.where(table.c.reason == reason.lower())
    if source is not None:
        query = query.where(table.c.source == source)
    with project.state.read() as connection:
        rows = connection.execute(query).all()
    return tuple(
        One(
            r.id, moment(r.received_at), r.source, r.protocol, r.place, r.reason,
            None if r.time is None else moment(r.time), r.raw,
        )
        for r in rows
    )  # fmt: skip


def mark(project: Project) -> str:
    """A text that changes whenever something is refused; cheap."""
    table = tables.refusals
    with project.state.read() as connection:
        total, time = connection.execute(
            sa.select(sa.func.coalesce(sa.func.sum(table.c.count), 0), sa.func.max(table.c.time))
        ).one()
    return f"{int(total):x}-{int(time or 0):x}"
