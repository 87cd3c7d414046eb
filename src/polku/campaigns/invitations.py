"""Invitations: links to answer by, answers that a person confirmed, a queue where there are fewer places than wishes.

Programs that look at every link of a letter answer nothing: a link opens a page, and the page's button answers.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from polku.campaigns.definition import campaign_id, rule_id
from polku.campaigns.launching import known, local
from polku.collect.columns import Kept, table_of
from polku.errors import CampaignError, UsageError
from polku.events.arrival import Arrival
from polku.events.door import Visit, enter
from polku.guidance import outbox
from polku.guidance.links import Link, path_of
from polku.guidance.preparing import People
from polku.guidance.sending import SOURCE, event_of
from polku.journey.campaigns import title_of
from polku.language import N_, Reader
from polku.record import tables
from polku.record.clock import moment, now
from polku.record.hashes import KINDS
from polku.record.inbox import LANE
from polku.record.naming import names_of
from polku.record.permission import Learned

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from polku.journey.campaigns import Campaign, Invitation
    from polku.record.project import Project

YES, NO, PERHAPS = "yes", "no", "perhaps"
ANSWERS: Final = (YES, PERHAPS, NO)
ANSWER_WORDS: Final[dict[str, str]] = {YES: N_("coming"), PERHAPS: N_("perhaps"), NO: N_("not coming")}
COMING, QUEUED, NOWHERE = "coming", "queued", ""
#: A note may be this long.
LONGEST: Final = 500


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """A customer's last answer. ``place``: coming, queued, or "" of who wants none. ``by``: who noted it, "" where the
    customer did. Times: microseconds since 1970 UTC.
    """

    customer: int
    answer: str
    guests: int
    place: str
    note: str
    asked_at: int
    answered_at: int
    by: str


@dataclasses.dataclass(frozen=True, slots=True)
class Places:
    """How many said what, guests apart; ``capacity`` None: as many as wish. ``invited``: messages that left."""

    invited: int
    coming: int
    guests: int
    queued: int
    perhaps: int
    no: int
    capacity: int | None

    @property
    def free(self) -> int | None:
        """Places left; None where they are not counted."""
        return None if self.capacity is None else max(0, self.capacity - self.coming - self.guests)

    @property
    def silent(self) -> int:
        """Invited, and without an answer yet."""
        return max(0, self.invited - self.coming - self.queued - self.perhaps - self.no)


def invitation_of(project: Project, id: str) -> tuple[Campaign, Invitation]:
    """A campaign's invitation. Raises UsageError where the campaign invites to nothing."""
    campaign, _ = known(project, id)
    if campaign.invitation is None:
        raise UsageError(N_("The campaign {id} is no invitation: it has no invitation in the map."), id=id)
    return campaign, campaign.invitation


def closes(project: Project, invitation: Invitation) -> int | None:
    """The last moment for an answer (microseconds); None: there is none."""
    last = invitation.until or invitation.starts
    return None if last is None else local(last, ZoneInfo(project.journey().timezone))


# -- what the letter is filled with -----------------------------------------------------------------------------------


def told(project: Project, id: str, campaign: Campaign, language: str) -> dict[str, Any]:
    """What a piece may ask for as ``invitation``: what, starts, place, until, capacity, in the reader's language."""
    invitation = campaign.invitation
    assert invitation is not None
    zone = project.journey().timezone
    reader = Reader(language if language in ("fi", "en") else "en", zone)

    def when(at: dt.datetime | None) -> str:
        return "" if at is None else reader.time(at.replace(tzinfo=ZoneInfo(zone)))

    return {
        "what": reader.said(invitation.what or title_of(id, campaign)),
        "starts": when(invitation.starts),
        "place": "" if invitation.place is None else reader.said(invitation.place),
        "until": when(invitation.until or invitation.starts),
        "capacity": invitation.capacity,
        "guests": invitation.guests,
    }


def facts_of(project: Project, id: str, campaign: Campaign, link: Link, language: str) -> dict[str, Any]:
    """What comes with every message of a campaign: ``campaign``, and of an invitation ``invitation`` and ``answer``.

    ``link``: of the message; its answers differ in their purpose.
    """
    reader = Reader(language if language in ("fi", "en") else "en")
    found: dict[str, Any] = {"campaign": {"id": id, "title": reader.said(title_of(id, campaign))}}
    if campaign.invitation is not None:
        base = project.settings.mail.links.rstrip("/")
        answers = {a: base + path_of(project, dataclasses.replace(link, what="answer", purpose=a)) for a in ANSWERS}
        found |= {"invitation": told(project, id, campaign, language), "answer": answers}
    return found


# -- answering --------------------------------------------------------------------------------------------------------


def answer_of(project: Project, id: str, customer: int) -> Answer | None:
    """A customer's last answer."""
    with project.state.read() as connection:
        return _of(connection, id, customer)


def _of(connection: Connection, id: str, customer: int) -> Answer | None:
    row, who = tables.campaign_answers.c, tables.identities.c
    query = (
        sa.select(tables.campaign_answers)
        .join_from(tables.campaign_answers, tables.identities, who.id == row.origin)
        .where(row.campaign == id, who.customer == customer)
        .order_by(row.answered_at.desc())
    )
    found = connection.execute(query).first()
    return None if found is None else _answer(found, customer)


def _answer(row: Any, customer: int) -> Answer:
    return Answer(customer, row.answer, int(row.guests), row.place, row.note or "", int(row.asked_at),
                  int(row.answered_at), row.by)  # fmt: skip


def customer_of(project: Project, link: Link) -> int | None:
    """Whom a link means by now; None: nobody any more."""
    kind = next((known for known in KINDS if known == link.id[0]), None)
    return None if kind is None else project.identities.customer_of(kind, link.id[1])


def answered(project: Project, link: Link) -> Answer | None:
    """The answer that stands for the customer of a link."""
    customer = customer_of(project, link)
    id = campaign_id(link.rule)
    return None if customer is None or id is None else answer_of(project, id, customer)


def answer_by_link(project: Project, link: Link, answer: str, guests: int, note: str) -> Answer | None:
    """Take an answer from the page of a letter's link; None where the letter went to a test address: nothing is kept.

    Raises CampaignError when answers are no more taken, the places do not suffice, or nobody is known by the link any
    more.
    """
    id = campaign_id(link.rule)
    customer = customer_of(project, link)
    if id is None or customer is None or project.erased.any([link.id]):
        raise CampaignError(N_("This invitation is not known any more. Answer to the sender of the letter."))
    if link.test:
        return None
    return give(project, id, customer, answer, guests=guests, note=note, key=link.key)


def give(
    project: Project, id: str, customer: int, answer: str, *, guests: int = 0, note: str = "", key: str = "",
    by: str = "", at: int | None = None,
) -> Answer:  # fmt: skip
    """Note a customer's answer; whoever waits in the queue moves up. ``by``: the person who notes it, "" the customer.

    Raises UsageError for an answer that there is not, CampaignError when answers are no more taken (a person may still
    note one) or when so many do not fit.
    """
    _, invitation = invitation_of(project, id)
    when = now() if at is None else at
    if answer not in ANSWERS or (answer == PERHAPS and not invitation.perhaps):
        raise UsageError(N_("{answer!r} is no answer; there are yes, perhaps and no."), answer=answer)
    if not 0 <= guests <= invitation.guests:
        raise UsageError(N_("At most {most} guests may come along."), most=invitation.guests)
    last = closes(project, invitation)
    if last is not None and when > last and not by:
        until = Reader("en", project.journey().timezone).time(moment(last))
        raise CampaignError(N_("Answers were taken until {until}."), until=until)
    guests = guests if answer == YES else 0
    with project.state.write(LANE) as connection:
        before = _of(connection, id, customer)
        place = _place(connection, id, invitation, customer, before, answer, guests)
        asked = before.asked_at if before is not None and before.place != NOWHERE and place != NOWHERE else when
        made = Answer(customer, answer, guests, place, note[:LONGEST], asked, when, by)
        _write(connection, id, made)
        moved = _move_up(connection, id, invitation, when)
        told = [("Invitation Answered", made), *(("Invitation Place Given", one) for one in moved)]
        _tell(project, connection, id, told, key, when)
        if by:
            project.audit.note(by, "campaign.answered", id, {"customer": customer, "answer": answer},
                               connection=connection)  # fmt: skip
    return made


def _seats(connection: Connection, id: str, but: int) -> int:
    """Places that are taken, of everybody but one customer."""
    row, who = tables.campaign_answers.c, tables.identities.c
    query = (
        sa.select(sa.func.coalesce(sa.func.sum(row.guests + 1), 0))
        .join_from(tables.campaign_answers, tables.identities, who.id == row.origin)
        .where(row.campaign == id, row.place == COMING, who.customer != but)
    )
    return int(connection.execute(query).scalar_one())


def _place(
    connection: Connection, id: str, invitation: Invitation, customer: int, before: Answer | None, answer: str,
    guests: int,
) -> str:  # fmt: skip
    if answer != YES:
        return NOWHERE
    if invitation.capacity is None:
        return COMING
    free = invitation.capacity - _seats(connection, id, customer)
    if 1 + guests <= free:
        return COMING
    if before is not None and before.place == COMING:
        raise CampaignError(N_("There are {free} places left for you; so many guests do not fit."), free=free)
    if 1 + guests > invitation.capacity:
        raise CampaignError(N_("There are {capacity} places in all."), capacity=invitation.capacity)
    return QUEUED


def _write(connection: Connection, id: str, made: Answer) -> None:
    """One row a customer: those of ids that were joined since go."""
    row, who = tables.campaign_answers, tables.identities.c
    theirs = sa.select(who.id).where(who.customer == made.customer)
    connection.execute(sa.delete(row).where(row.c.campaign == id, row.c.origin.in_(theirs)))
    values = dataclasses.asdict(made)
    values |= {"campaign": id, "origin": values.pop("customer"), "note": made.note or None}
    connection.execute(sa.insert(row).values(**values))


def _move_up(connection: Connection, id: str, invitation: Invitation, when: int) -> list[Answer]:
    """Give free places to those who wait, the longest first; who brings more than fit lets others pass."""
    if invitation.capacity is None:
        return []
    row, who = tables.campaign_answers, tables.identities.c
    free = invitation.capacity - _seats(connection, id, -1)
    query = (
        sa.select(row, who.customer)
        .join_from(row, tables.identities, who.id == row.c.origin)
        .where(row.c.campaign == id, row.c.place == QUEUED)
        .order_by(row.c.asked_at, row.c.origin)
    )
    moved = []
    for found in connection.execute(query).all():
        if found.guests + 1 > free:
            continue
        free -= found.guests + 1
        here = sa.and_(row.c.campaign == id, row.c.origin == found.origin)
        connection.execute(sa.update(row).where(here).values(place=COMING))
        moved.append(dataclasses.replace(_answer(found, int(found.customer)), place=COMING))
    return moved


def _tell(
    project: Project, connection: Connection, id: str, told: Iterable[tuple[str, Answer]], key: str, at: int
) -> None:
    """The events of answers, in the transaction that keeps them; of who allows none to be kept there is none."""
    told = list(told)
    people = People(project, {answer.customer for _, answer in told})
    visit = Visit(source=SOURCE, received_at=at, permission=project.permission, learned=Learned())
    arrivals: list[Arrival] = []
    for event, one in told:
        properties: dict[str, Any] = {
            "campaign": id, "rule": rule_id(id), "answer": one.answer, "guests": one.guests, "place": one.place,
        }  # fmt: skip
        mine = key if event == "Invitation Answered" else ""
        properties |= {"message": mine} if mine else {}
        arrival = event_of(event, people.id(one.customer), mine or rule_id(id), properties, at)
        arrival.message_id = f"polku-{uuid.uuid4().hex}"
        if enter(arrival, visit) is None:
            arrivals.append(arrival)
    if arrivals:
        project.inbox.put(connection, table_of([Kept(arrivals)]))


# -- the list ---------------------------------------------------------------------------------------------------------


def answers(project: Project, id: str) -> list[Answer]:
    """Everybody's last answer: who comes, the queue in its order, perhaps, who does not."""
    invitation_of(project, id)
    row, who = tables.campaign_answers, tables.identities.c
    query = (
        sa.select(row, who.customer)
        .join_from(row, tables.identities, who.id == row.c.origin)
        .where(row.c.campaign == id)
    )
    with project.state.read() as connection:
        found = [_answer(one, int(one.customer)) for one in connection.execute(query).all()]
    order = {COMING: 0, QUEUED: 1, NOWHERE: 2}
    found.sort(key=lambda a: (order[a.place], ANSWERS.index(a.answer), a.asked_at))
    return found


def places(project: Project, id: str) -> Places:
    """How many said what."""
    _, invitation = invitation_of(project, id)
    found = answers(project, id)
    box = tables.outbox.c
    with project.state.read() as connection:
        count = sa.select(sa.func.count()).where(box.rule == rule_id(id), box.state == outbox.SENT)
        invited = int(connection.execute(count).scalar_one())
    coming = [a for a in found if a.place == COMING]
    return Places(
        invited, len(coming), sum(a.guests for a in coming), sum(a.place == QUEUED for a in found),
        sum(a.answer == PERHAPS for a in found), sum(a.answer == NO for a in found), invitation.capacity,
    )  # fmt: skip


def rows(project: Project, id: str) -> list[Mapping[str, Any]]:
    """The list as plain data, for a file, a command and the API: names and addresses as the shop knows them."""
    found = answers(project, id)
    names = names_of(project, {a.customer for a in found}, project.subject())
    people = People(project, {a.customer for a in found})
    made: list[Mapping[str, Any]] = []
    for one in found:
        contact = people.contact(one.customer, "email")
        made.append(
            {
                "customer": names[one.customer], "name": people.called(one.customer),
                "email": contact.value if contact is not None else "", "answer": one.answer, "guests": one.guests,
                "place": one.place, "note": one.note, "answered_at": moment(one.answered_at).isoformat(),
                "by": one.by,
            }
        )  # fmt: skip
    return made
