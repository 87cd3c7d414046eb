"""Why a customer has nothing of a campaign on whom nothing is noted: not launched, not on its list, or not yet due."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from polku.campaigns.deciding import Group, decide, send_of
from polku.campaigns.definition import compiled
from polku.campaigns.launching import known
from polku.channels.catalogue import channels
from polku.guidance.crowd import Crowd
from polku.language import N_
from polku.record import tables
from polku.record.clock import moment, now

if TYPE_CHECKING:
    from polku.record.project import Project

WAITS: Final = N_("On the campaign's list; it is decided {time}.")
NOT_LISTED: Final = N_("Not in the campaign's segments when its list was made ({time}).")
NOT_YET: Final = N_("The campaign's list is made {time}.")
NOT_LAUNCHED: Final = N_("The campaign was not launched. Were it now: {outcome}.")


def reason_of(project: Project, id: str, customer: int) -> tuple[str, dict[str, Any]]:
    """A text and its facts (``time`` as a datetime, ``outcome`` as a key of standing.OUTCOME_WORDS)."""
    campaign, launch = known(project, id)
    if launch is None:
        rule = compiled(id, campaign, project.journey())
        channel = channels(project).get(send_of(rule).channel)
        with project.state.read() as connection:
            group = Group(project, connection, Crowd.of(project, now()), rule, channel, [customer], now())
            return NOT_LAUNCHED, {"outcome": decide(group, customer, now(), campaign.to).what or "waits"}
    member, who = tables.campaign_members.c, tables.identities.c
    query = (
        sa.select(member.due_at)
        .join_from(tables.campaign_members, tables.identities, who.id == member.origin)
        .where(member.campaign == id, who.customer == customer, member.what.is_(None))
    )
    with project.state.read() as connection:
        due = connection.execute(query).scalar()
    if due is not None:
        return WAITS, {"time": moment(int(due))}
    if launch.gathered_at is None:
        return NOT_YET, {"time": moment(launch.at)}
    return NOT_LISTED, {"time": moment(launch.gathered_at)}
