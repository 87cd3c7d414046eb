"""Take a note, and take it back: one function for the page and for ``polku note``.

A note becomes an event that meets the touchpoint's matcher (polku.notes.byhand) and goes through the same steps as any
event at the door, so consent, privacy and refusals hold for it.

>>> note = take(project, whom(project, "K-1001"), "call", text="Asked for a size")       # doctest: +SKIP
>>> take_back(project, note.event_id, "mikko")                                           # doctest: +SKIP
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import secrets
import uuid
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc
import sqlalchemy as sa

from polku.collect.columns import Kept, table_of
from polku.errors import RecordError, UsageError, nearest
from polku.events.arrival import Arrival
from polku.events.door import Visit, enter
from polku.events.refusals import Refusal
from polku.journey.model import titled
from polku.language import N_
from polku.notes.byhand import SOURCE, Made, made
from polku.notes.finding import Whom
from polku.record import joining, rewriting, tables
from polku.record.clock import moment, now
from polku.record.hashes import COLUMNS, KINDS, id_hash
from polku.record.inbox import LANE, pack, unpack
from polku.record.permission import Learned
from polku.record.refused import Refused, note_refused

if TYPE_CHECKING:
    import pyarrow as pa

    from polku.record.project import Project

#: Characters of the longest text and of the longest question.
LONGEST = 2000
#: What an id begins with that Polku gives to a customer who has none.
GIVEN = "P-"


@dataclasses.dataclass(frozen=True, slots=True)
class Note:
    """What was written: the event and how it can be taken back."""

    event_id: str
    event: str
    touchpoint: str
    time: dt.datetime
    user_id: str | None
    anonymous_id: str | None
    account_id: str | None


def take(
    project: Project,
    customer: Whom,
    touchpoint: str,
    *,
    text: str = "",
    question: str = "",
    value: float | None = None,
    when: dt.datetime | None = None,
    author: str = "",
) -> Note:
    """Write down that a customer met a touchpoint; ``when`` (aware) is now where it is not given.

    ``text`` and ``question`` become ``properties.text`` and ``properties.question``, ``author`` ``properties.author``.
    Raises UsageError for an unknown touchpoint, one that cannot be met by hand, a missing customer; RecordError when
    the event is refused (consent, erasure, a time in the future).
    """
    journey = project.journey()
    event = _made(project, touchpoint)
    if customer.nobody:
        raise UsageError(N_("Say whose note it is: an id, a customer number, a name, an e-mail address or a phone."))
    for what, given in ((N_("text"), text), (N_("question"), question)):
        if len(given) > LONGEST:
            raise UsageError(N_("The {what} is longer than {most} signs."), what=what, most=LONGEST)
    if value is not None and not np.isfinite(value):
        raise UsageError(N_("{value} is no amount."), value=str(value))
    received = now()
    arrival = Arrival(
        event=event.event,
        time=received if when is None else round(when.timestamp() * 1_000_000),
        message_id=f"note-{uuid.uuid4().hex}",
        channel=event.channel,
        value=event.value if value is None else value,
        currency=journey.currency if value is not None else None,
        properties={**event.properties, **_given(text=text.strip(), question=question.strip(), author=author)},
        context=event.context,
    )
    if value is not None and (name := journey.touchpoint(touchpoint).value):
        arrival.properties[name] = value
    _name(project, arrival, customer)
    visit = Visit(source=SOURCE, received_at=received, permission=project.permission, learned=Learned())
    refused = enter(arrival, visit)
    _store(project, arrival, visit, refused)
    if refused is not None:
        raise RecordError(N_("The note was not kept: {reason}."), reason=refused.text(project.language))
    assert arrival.message_id is not None
    assert arrival.time is not None
    return Note(
        arrival.message_id, arrival.event, touchpoint, moment(arrival.time), arrival.user_id, arrival.anonymous_id,
        arrival.account_id,
    )  # fmt: skip


def _given(**facts: str) -> dict[str, str]:
    return {name: fact for name, fact in facts.items() if fact}


def _made(project: Project, touchpoint: str) -> Made:
    journey = project.journey()
    ids = journey.touchpoint_ids
    if touchpoint not in ids:
        close = nearest(touchpoint, ids)
        if close:
            raise UsageError(
                N_("The map has no touchpoint {touchpoint}; did you mean {nearest}?"),
                touchpoint=touchpoint,
                nearest=close,
            )
        raise UsageError(
            N_("The map has no touchpoint {touchpoint}; there are {ids}."), touchpoint=touchpoint, ids=", ".join(ids)
        )
    event = made(journey, touchpoint)
    if event is None:
        title = titled(journey.touchpoint(touchpoint))
        raise UsageError(
            N_(
                "No note can be {touchpoint} ({title}): it is only planned, its match asks for what a note cannot "
                "have, or another touchpoint takes its events first. Give it a match such as event: Call."
            ),
            touchpoint=touchpoint,
            title=title if isinstance(title, str) else title.get(project.language),
        )
    return event


def _name(project: Project, arrival: Arrival, customer: Whom) -> None:
    """Put the customer's ids into the event; who has none is given a number."""
    account = project.subject() == "account"
    if customer.known is not None:
        found = project.identities.id_number(customer.known)
        setattr(arrival, COLUMNS[found.kind], found.value)
        if found.names != "user" and found.kind == "user":
            kind, _, value = found.value.partition(":")
            arrival.context.setdefault("ids", {})[kind] = value
    elif account:
        arrival.account_id = customer.number or customer.name or customer.email or customer.phone
    else:
        number = customer.number
        if not (number or customer.email or customer.phone):
            number = GIVEN + secrets.token_hex(4).upper()
        if number:
            arrival.context.setdefault("ids", {})["number"] = number
    traits = _given(name=customer.name.strip(), email=customer.email.strip(), phone=customer.phone.strip())
    if traits:
        arrival.context.setdefault("traits", {}).update(traits)


def _store(project: Project, arrival: Arrival, visit: Visit, refused: Refusal | None) -> None:
    assert visit.learned is not None
    with project.state.write(LANE) as connection:
        if refused is None:
            project.inbox.put(connection, table_of([Kept([arrival])]))
        else:
            what = Refused(SOURCE, SOURCE, "door", refused.name.lower(), arrival.received_at, arrival.time, None)
            note_refused(project.state, connection, [what])
        written = project.permission.write(connection, visit.learned)
    project.permission.learn(written)


# -- taking back ------------------------------------------------------------------------------------------------------


def take_back(project: Project, event_id: str, author: str = "") -> None:
    """Remove a note again, wherever it stands by now. Raises UsageError when there is no such note."""
    ours = (pc.field("event_id") == event_id) & (pc.field("source") == SOURCE)
    with project.history.lease("note") as lease:  # nobody moves meanwhile
        rows = _from_inbox(project, ours)
        if rows is None:
            rows = project.history.read(["event_id", "source", *COLUMNS.values()], where=ours).read_all()
            if not rows.num_rows:
                raise UsageError(N_("There is no note {event_id}; it may be removed already."), event_id=event_id)
            rewriting.without(project.history, lease, ours, kind="erase")
        table = project.identities.table()
        customers: set[int] = set()
        for kind in KINDS:
            customers |= set(table.resolve(id_hash(kind, rows[COLUMNS[kind]])).tolist())
        with project.state.write() as connection:
            joining.note(project.state, connection, [("dirty", c, None) for c in sorted(customers - {-1})])
    project.audit.note(author, "note.removed", event_id)


def _from_inbox(project: Project, ours: pc.Expression) -> pa.Table | None:
    """Take the note out of the inbox's group that holds it; its row, or None when it waits no longer."""
    table = tables.inbox
    with project.state.write(LANE) as connection:
        for last, payload in connection.execute(sa.select(table.c.last_seq, table.c.payload)).all():
            rows = unpack(payload)
            found = rows.filter(ours)
            if not found.num_rows:
                continue
            kept = rows.filter(~ours)
            same = table.c.last_seq == last
            if kept.num_rows:
                change = sa.update(table).where(same)
                connection.execute(change.values(rows=kept.num_rows, payload=pack(kept)))
            else:
                connection.execute(sa.delete(table).where(same))
            return found
    return None
