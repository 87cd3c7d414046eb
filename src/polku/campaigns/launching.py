"""Launching a campaign, pausing, resuming and stopping it: always by a person, each noted in the audit log.

What was launched is kept as the map said it then: a map that changes afterwards changes nothing of a campaign that is
under way. A campaign goes out once; another time is another campaign.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from polku.campaigns.deciding import STOPPED, send_of
from polku.campaigns.definition import campaign_of, compiled, definition_of, from_definition, rule_id, version_of
from polku.channels.catalogue import channels
from polku.content.piece import read_piece
from polku.errors import CampaignError
from polku.guidance import outbox
from polku.guidance.engine import LEFT, WAITING, Note
from polku.guidance.hours import micros
from polku.guidance.runs import note
from polku.language import N_
from polku.record import tables
from polku.record.clock import moment, now
from polku.zones import is_zone

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from polku.guidance.rules import Rule
    from polku.journey.campaigns import Campaign
    from polku.journey.model import Journey
    from polku.record.project import Project

LAUNCHED, PAUSED, ENDED, DONE = "launched", "paused", "stopped", "done"
#: What people read of each state; draft: it stands in the map and was not launched.
STATE_WORDS: Final[dict[str, str]] = {
    "draft": N_("draft"), "scheduled": N_("scheduled"), "launched": N_("under way"), "paused": N_("paused"),
    "stopped": N_("stopped"), "done": N_("done"),
}  # fmt: skip
#: Why something cannot be done to a campaign of each state.
ALREADY: Final[dict[str, str]] = {
    "launched": N_("The campaign {id} is under way."), "paused": N_("The campaign {id} is paused already."),
    "stopped": N_("The campaign {id} was stopped for good."),
    "done": N_("The campaign {id} has been sent to everybody."),
}  # fmt: skip
#: Why a campaign stopped by itself.
RESTORED: Final = "restored"
#: What the outbox says of a message of a campaign that waits, or does not leave, since the campaign does not go on.
PAUSE, STOP = "paused", "stopped"
#: A message of a paused campaign waits until here: for ever, until somebody resumes it.
FAR: Final = micros(dt.datetime(2999, 1, 1, tzinfo=dt.UTC))
HOUR: Final = 3_600_000_000
LANE: Final = "record"


@dataclasses.dataclass(frozen=True, slots=True)
class Launch:
    """A campaign that was launched. ``at``: its first moment. Times: microseconds since 1970 UTC."""

    id: str
    campaign: Campaign
    version: str
    state: str
    at: int
    launched_at: int
    launched_by: str
    gathered: int | None = None
    gathered_at: int | None = None
    resumed_at: int | None = None
    finished_at: int | None = None
    reason: str | None = None


def _launch(row: Any) -> Launch:
    return Launch(
        row.id, from_definition(row.definition), row.version, row.state, int(row.at), int(row.launched_at),
        row.launched_by, row.gathered, row.gathered_at, row.resumed_at, row.finished_at, row.reason,
    )  # fmt: skip


def launch_of(connection: Connection, id: str) -> Launch | None:
    """The launch of a campaign; None where it was never launched."""
    row = connection.execute(sa.select(tables.campaigns).where(tables.campaigns.c.id == id)).first()
    return None if row is None else _launch(row)


def launches(project: Project) -> dict[str, Launch]:
    """Every campaign that was launched, by its id."""
    with project.state.read() as connection:
        rows = connection.execute(sa.select(tables.campaigns).order_by(tables.campaigns.c.launched_at.desc())).all()
    return {row.id: _launch(row) for row in rows}


def under_way(project: Project) -> list[Rule]:
    """The rules of the campaigns that are on their way, as they were launched."""
    going = {id: launch for id, launch in launches(project).items() if launch.state == LAUNCHED}
    if not going:
        return []
    journey = project.journey()
    return [compiled(id, launch.campaign, journey) for id, launch in going.items()]


def known(project: Project, id: str) -> tuple[Campaign, Launch | None]:
    """A campaign as it was launched, else as the map says; with its launch. Raises UsageError where there is none."""
    with project.state.read() as connection:
        found = launch_of(connection, id)
    return (found.campaign, found) if found is not None else (campaign_of(project.journey(), id), None)


def first_moment(project: Project, campaign: Campaign, journey: Journey, launched_at: int) -> int:
    """When the first customer's moment comes (microseconds): by the easternmost clock that any customer has, where it
    goes by their own; never before the launch.
    """
    if campaign.at is None:
        return launched_at
    zones = {ZoneInfo(journey.timezone)}
    if campaign.clock == "customer":
        zones |= set(zones_of(project).values())
    return max(launched_at, min(local(campaign.at, zone) for zone in zones))


def local(at: dt.datetime, zone: ZoneInfo) -> int:
    """Microseconds of the moment when clocks in ``zone`` show ``at``.

    >>> local(dt.datetime(1970, 1, 1, 2), ZoneInfo("Europe/Helsinki"))
    0
    """
    return micros(at.replace(tzinfo=zone))


def zones_of(project: Project) -> dict[int, ZoneInfo]:
    """The zone of every customer who has told one, by customer; the latest where there are several."""
    trait, who = tables.traits.c, tables.identities.c
    query = (
        sa.select(who.customer, trait.value)
        .join_from(tables.traits, tables.identities, trait.identity == who.id)
        .where(trait.name == "timezone")
        .order_by(trait.time, trait.seq)
    )
    found: dict[int, ZoneInfo] = {}
    with project.state.read() as connection:
        for customer, text in connection.execute(query):
            said = json.loads(text)
            if isinstance(said, str) and is_zone(said):
                found[int(customer)] = ZoneInfo(said)
    return found


def problems(project: Project, id: str, campaign: Campaign, at: int) -> list[tuple[str, dict[str, Any]]]:
    """What keeps a campaign from being launched, as texts with their facts; none: it may be."""
    found: list[tuple[str, dict[str, Any]]] = []
    journey = project.journey()
    rule = compiled(id, campaign, journey)
    send = send_of(rule)
    channel = channels(project).get(send.channel)
    if channel is None:
        known_ones = ", ".join(channels(project))
        found.append((N_("There is no channel {channel}; there are {known}."), {"channel": send.channel,
                                                                                  "known": known_ones}))  # fmt: skip
    elif (missing := channel.problem()) is not None:
        found.append((missing[0], dict(missing[1])))
    pieces = [content for _, content in send.variants] or [send.content]
    found += _content_problems(project, [p for p in pieces if p], channel is not None and channel.content)
    late = project.settings.sending.late * HOUR
    if campaign.at is not None and first_moment(project, campaign, journey, 0) < at - late:
        when = campaign.at.strftime("%Y-%m-%d %H:%M")
        found.append((N_("Its time ({when}) has passed; give it another in the map, or none: then it goes at once."),
                      {"when": when}))  # fmt: skip
    if campaign.invitation is not None:
        if not project.settings.mail.links:
            found.append((N_("[mail] links in polku.toml must be the address at which customers answer."), {}))
        last = campaign.invitation.until or campaign.invitation.starts
        if last is not None and local(last, ZoneInfo(journey.timezone)) <= at:
            text = N_("Answers are taken until {until}, which has passed.")
            found.append((text, {"until": last.strftime("%Y-%m-%d %H:%M")}))
    return found


def _content_problems(project: Project, pieces: list[str], needed: bool) -> list[tuple[str, dict[str, Any]]]:
    from polku.content.render import templates
    from polku.errors import ContentError

    if needed and not pieces:
        return [(N_("It names no content."), {})]
    found: list[tuple[str, dict[str, Any]]] = []
    for path in pieces:
        try:
            templates(read_piece(project.folder, path))
        except ContentError as fault:
            found.append((fault.message, dict(fault.facts)))
    return found


def launch(
    project: Project, id: str, by: str, address: str = "", *, version: str | None = None, at: int | None = None
) -> Launch:
    """Launch a campaign of the map: its list is made when its moment comes. ``version``: what the person has seen.

    Raises UsageError for a campaign that the map lacks; CampaignError for one that was launched before, that is no more
    what the person has seen, or that something is missing for.
    """
    journey = project.journey()
    campaign = campaign_of(journey, id)
    if version is not None and version != version_of(campaign):
        raise CampaignError(
            N_("The campaign {id} has changed in the map since you looked at it. Look once more."), id=id
        )
    moment_of_launch = now() if at is None else at
    for text, facts in problems(project, id, campaign, moment_of_launch):
        raise CampaignError(text, **facts)
    made = Launch(
        id, campaign, version_of(campaign), LAUNCHED,
        first_moment(project, campaign, journey, moment_of_launch), moment_of_launch, by,
    )  # fmt: skip
    with project.state.write(LANE) as connection:
        before = launch_of(connection, id)
        if before is not None:
            raise CampaignError(
                N_("The campaign {id} was launched before, by {who}. Each goes out once: give it a new name."),
                id=id, who=before.launched_by or "-",
            )  # fmt: skip
        connection.execute(
            sa.insert(tables.campaigns).values(
                id=id, definition=definition_of(campaign), version=made.version, state=LAUNCHED, at=made.at,
                launched_at=made.launched_at, launched_by=by,
            )
        )  # fmt: skip
        facts = {"at": moment(made.at).isoformat()}
        project.audit.note(by, "campaign.launched", id, facts, address=address, connection=connection)
    return made


def _under_way(connection: Connection, id: str, states: tuple[str, ...]) -> Launch:
    found = launch_of(connection, id)
    if found is None:
        raise CampaignError(N_("The campaign {id} was not launched."), id=id)
    if found.state == DONE and DONE in states and not _waits(connection, id):
        raise CampaignError(ALREADY[DONE], id=id)
    if found.state not in states:
        raise CampaignError(ALREADY[found.state], id=id)
    return found


def _waits(connection: Connection, id: str) -> bool:
    """Whether messages of a campaign wait in the outbox: everybody was decided on, and not everything has left."""
    box = tables.outbox.c
    query = sa.select(box.key).where(box.rule == rule_id(id), box.state == outbox.WAITING).limit(1)
    return connection.execute(query).first() is not None


def pause(project: Project, id: str, by: str, address: str = "") -> None:
    """Let nothing more leave until it is resumed. Raises CampaignError for one of which nothing is to leave."""
    box = tables.outbox
    with project.state.write(LANE) as connection:
        _under_way(connection, id, (LAUNCHED, DONE))
        connection.execute(sa.update(tables.campaigns).where(tables.campaigns.c.id == id).values(state=PAUSED))
        waiting = sa.and_(box.c.rule == rule_id(id), box.c.state == outbox.WAITING)
        connection.execute(sa.update(box).where(waiting).values(next_at=FAR, reason=PAUSE))
        project.audit.note(by, "campaign.paused", id, address=address, connection=connection)


def resume(project: Project, id: str, by: str, address: str = "", *, at: int | None = None) -> None:
    """Go on with a paused campaign: whose moment passed meanwhile has it now. Raises CampaignError for another one."""
    box, member, when = tables.outbox, tables.campaign_members, now() if at is None else at
    with project.state.write(LANE) as connection:
        _under_way(connection, id, (PAUSED,))
        row = tables.campaigns.c
        change = sa.update(tables.campaigns).where(row.id == id)
        connection.execute(change.values(state=LAUNCHED, resumed_at=when))
        held = sa.and_(box.c.rule == rule_id(id), box.c.state == outbox.WAITING, box.c.reason == PAUSE)
        connection.execute(sa.update(box).where(held).values(next_at=when, reason=None))
        passed = sa.and_(member.c.campaign == id, member.c.what.is_(None), member.c.due_at < when)
        connection.execute(sa.update(member).where(passed).values(due_at=when))
        project.audit.note(by, "campaign.resumed", id, address=address, connection=connection)


def stop(project: Project, id: str, by: str, address: str = "") -> None:
    """End a campaign for good: what has not left does not leave. Raises CampaignError for one that has ended."""
    with project.state.write(LANE) as connection:
        _under_way(connection, id, (LAUNCHED, PAUSED, DONE))
        end(project, connection, id, now(), STOP)
        project.audit.note(by, "campaign.stopped", id, address=address, connection=connection)


def end(project: Project, connection: Connection, id: str, at: int, reason: str) -> None:
    """Write that a campaign was stopped, in the caller's transaction."""
    box, member, runs = tables.outbox, tables.campaign_members, tables.runs
    row = tables.campaigns.c
    change = sa.update(tables.campaigns).where(row.id == id)
    connection.execute(change.values(state=ENDED, finished_at=at, reason=reason))
    waiting = sa.and_(box.c.rule == rule_id(id), box.c.state == outbox.WAITING)
    connection.execute(sa.update(box).where(waiting).values(state=outbox.DROPPED, reason=STOP, finished_at=at))
    pending = sa.and_(member.c.campaign == id, member.c.what.is_(None))
    connection.execute(sa.update(member).where(pending).values(what=STOPPED, decided_at=at))
    mine = sa.and_(runs.c.rule == rule_id(id), runs.c.status == WAITING)
    for run, customer in connection.execute(sa.select(runs.c.id, runs.c.customer).where(mine)).all():
        note(project.state, connection, rule_id(id), int(customer), int(run), [Note(STOPPED, at, at)])
    connection.execute(sa.update(runs).where(mine).values(status=LEFT, due_at=None, finished_at=at))
