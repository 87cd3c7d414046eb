"""What browsers tell of a piece: shown, clicked, closed, answered, submitted. Each is an event of the visitor's, in one
transaction with what the message itself has come to.

Of a customer's own message the event is made here, whatever the browser calls rule and content. Of pieces for
everybody the tracker tells that they were shown, clicked and closed, as it tells everything else, under the
visitor's consent; only answers and forms come here.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
import sqlalchemy as sa

from polku.channels.site import SITE
from polku.collect.columns import Kept, table_of
from polku.errors import UsageError
from polku.events.arrival import Arrival
from polku.events.door import Visit, enter, parameters_of
from polku.events.refusals import UNKEPT
from polku.guidance.outbox import SENT, WAITING
from polku.guidance.sending import SOURCE
from polku.language import N_
from polku.onsite import answering
from polku.onsite.everyone import MARK, pieces
from polku.onsite.waiting import Visitor, customer_of, theirs
from polku.record import tables
from polku.record.clock import now
from polku.record.inbox import LANE as INBOX
from polku.record.permission import Learned
from polku.record.refused import Refused, note_refused

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from polku.record.project import Project

What = Literal["shown", "clicked", "closed", "answered", "submitted"]
#: What each is called as an event; an answer is called by what answered it.
EVENTS: Final[Mapping[What, str]] = {
    "shown": "Message Shown",
    "clicked": "Message Clicked",
    "closed": "Message Closed",
    "submitted": "Message Submitted",
}
#: The columns of ``site_messages`` that keep when it happened.
TIMES: Final[Mapping[What, str]] = {
    "shown": "shown_at", "clicked": "clicked_at", "closed": "closed_at", "submitted": "submitted_at",
}  # fmt: skip
#: Kinds that a click ends; other pieces stay until they are closed or expire.
ENDED_BY_CLICK: Final = frozenset({"popup", "banner"})


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """What a browser tells. ``message``: its key, or ``site:<name>``; ``id``: made by chance, the same at a repeat;
    ``page``: path, url, title; ``url``: where a click leads; ``fields``, ``agreed``: of a form; ``answers``: of a quiz,
    a calculator or a survey, each question's values. ``address``, ``agent``: of the request."""

    visitor: Visitor
    message: str
    what: What
    id: str
    page: Mapping[str, str] = dataclasses.field(default_factory=dict)
    url: str = ""
    fields: Mapping[str, str] = dataclasses.field(default_factory=dict)
    agreed: bool = False
    answers: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
    address: str = ""
    agent: str = ""


class NoSuchMessageError(UsageError):
    """There is no such message for this visitor, or it is on no more."""

    code = "usage.message"


def tell(project: Project, report: Report, source: str = SOURCE) -> dict[str, Any]:
    """Keep what a browser tells; answers what it should draw: ``{}``, or a quiz's ``result``.

    Raises NoSuchMessageError; answering.UnfitError where a form is not filled in as it must be.
    """
    if report.message.startswith(MARK):
        return _of_all(project, report, source)
    return _own(project, report, source)


# -- a customer's own message -----------------------------------------------------------------------------------------


def _own(project: Project, report: Report, source: str) -> dict[str, Any]:
    customer = customer_of(project, report.visitor)
    row, shown = tables.outbox.c, tables.site_messages.c
    found = None
    if customer is not None:
        with project.state.read() as connection:
            found = connection.execute(
                sa.select(tables.outbox, shown.drawn, shown.session)
                .join_from(tables.outbox, tables.site_messages, row.key == shown.key)
                .where(row.key == report.message, row.channel == SITE, theirs(customer), row.state.in_((WAITING, SENT)))
            ).first()
    if found is None:
        raise NoSuchMessageError(N_("There is no message {key} for this visitor."), key=report.message[:100])
    drawn = json.loads(found.drawn)
    about = {"message": found.key, "rule": found.rule, "channel": SITE, "content": drawn["content"]}
    if found.variant:
        about["variant"] = found.variant
    arrivals: list[Arrival] = []
    answer: dict[str, Any] = {}
    if report.what != "answered":
        again = report.visitor.session if report.what == "shown" else report.url
        properties = {**about, **({"url": report.url} if report.url else {})}
        arrivals.append(_event(report, EVENTS[report.what], properties, f"{found.key}\0{again or ''}"))
    answer, more = answering.take(project, report, drawn, about)
    arrivals += [_event(report, name, properties, f"{found.key}\0{report.id}", context)
                 for name, properties, context in more]  # fmt: skip
    once = drawn["shows"] == "survey" or (drawn["shows"] == "quiz" and "form" not in drawn and "place" not in drawn)
    ends = report.what == "answered" and once
    ends = ends or (report.what == "clicked" and drawn["shows"] in ENDED_BY_CLICK)
    _keep(project, report, arrivals, source, lambda connection: _note(connection, report, found.session, ends))
    return answer


def _note(connection: Connection, report: Report, session: str | None, ends: bool) -> None:
    """What has become of the message: its times, and in the outbox that it has reached its customer."""
    row, shown = tables.outbox.c, tables.site_messages.c
    at = now()
    values: dict[str, Any] = {}
    if (column := TIMES.get(report.what)) is not None:
        values[column] = sa.func.coalesce(shown[column], at)
    if report.what == "shown":
        values["shown_at"] = at
        values["session"] = report.visitor.session
        if session is None or session != report.visitor.session:
            values["shows"] = shown.shows + 1
    if ends:
        values["submitted_at" if report.what == "answered" else "closed_at"] = at
    if values:
        connection.execute(sa.update(tables.site_messages).where(shown.key == report.message).values(**values))
    # whatever a visitor does with it, it was there
    reached = sa.update(tables.outbox).where(row.key == report.message, row.state == WAITING)
    connection.execute(reached.values(state=SENT, finished_at=at, attempts=row.attempts + 1, reason=None))


# -- pieces for everybody ---------------------------------------------------------------------------------------------


def _of_all(project: Project, report: Report, source: str) -> dict[str, Any]:
    drawn = next((one for one in pieces(project, report.visitor.language) if one["message"] == report.message), None)
    if drawn is None:
        raise NoSuchMessageError(N_("There is no message {key} for this visitor."), key=report.message[:100])
    about = {"message": report.message, "channel": SITE, "content": drawn["content"]}
    arrivals = []
    if report.what == "submitted":
        arrivals.append(_event(report, EVENTS["submitted"], about, report.id))
    answer, more = answering.take(project, report, drawn, about)
    arrivals += [_event(report, name, properties, report.id, context) for name, properties, context in more]
    _keep(project, report, arrivals, source)
    return answer


# -- events -----------------------------------------------------------------------------------------------------------


def _event(
    report: Report, event: str, properties: Mapping[str, Any], mark: str, context: Mapping[str, Any] | None = None
) -> Arrival:
    """An event of the visitor's. The same of one ``mark`` has one id, so that a repeat adds nothing."""
    at = now()
    id_ = hashlib.blake2b(f"{event}\0{mark}\0{report.visitor.anonymous_id}".encode(), digest_size=12).hexdigest()
    made = Arrival(
        event=event, time=at, received_at=at, message_id=f"site-{id_}", properties=dict(properties), channel="web",
        anonymous_id=report.visitor.anonymous_id or None, session_id=report.visitor.session,
        context={"page": dict(report.page), **(context or {})} if report.page or context else {},
    )  # fmt: skip
    if report.agent:
        made.context["userAgent"] = report.agent[:1000]
    return made


def _keep(
    project: Project, report: Report, arrivals: Sequence[Arrival], source: str,
    besides: Callable[[Connection], None] | None = None,
) -> None:  # fmt: skip
    """Events by the steps of the door, with what they tell of addresses and consent, in one transaction."""
    permission = project.permission
    visit = Visit(
        source, report.address, received_at=now(), parameters=parameters_of(project.settings.collect.parameters),
        permission=permission, learned=Learned(),
    )  # fmt: skip
    kept: list[Arrival] = []
    refused: list[Refused] = []
    for arrival in arrivals:
        reason = enter(arrival, visit)
        if reason is None:
            kept.append(arrival)
        else:
            raw = None if reason in UNKEPT else msgspec.json.encode(arrival)
            refused.append(Refused(source, SITE, "door", reason.name.lower(), visit.received_at, arrival.time, raw))
    assert visit.learned is not None
    with project.state.write(INBOX) as connection:
        if besides is not None:
            besides(connection)
        note_refused(project.state, connection, refused)
        written = project.permission.write(connection, visit.learned) if visit.learned else []
        if kept:
            project.inbox.put(connection, table_of([Kept(kept)]))
    project.permission.learn(written)
