"""How a campaign stands: its state, what became of those on its list, what is still to come."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from polku.campaigns.deciding import OUTCOMES
from polku.campaigns.definition import version_of
from polku.campaigns.launching import LAUNCHED, Launch, known, launches
from polku.journey.campaigns import Campaign, title_of
from polku.language import N_
from polku.record import tables
from polku.record.clock import moment, now

if TYPE_CHECKING:
    from polku.journey.model import Text
    from polku.record.project import Project

#: What people read of what becomes of a customer, before (whom it would reach) and after.
OUTCOME_WORDS: Final[dict[str, str]] = {
    "sent": N_("get it"), "waits": N_("get it after quiet hours or a cap"), "held_out": N_("held out, to compare with"),
    "capped": N_("too many messages already"), "no_consent": N_("no consent"), "no_address": N_("no address is known"),
    "suppressed": N_("mail to them came back, or was called spam"), "not_met": N_("the conditions do not hold"),
    "left": N_("not in the segment"), "late": N_("the moment passed unattended"),
    "twice": N_("another id of the same person"), "gone": N_("known no more"),
    "stopped": N_("the campaign was stopped"),
}  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Standing:
    """``state``: draft, scheduled, launched, paused, stopped or done. ``outcomes``: of those on whom it was decided;
    ``pending``: on the list and not yet; ``next_at``: when the next is due (microseconds). ``changed``: the map says
    otherwise by now.
    """

    id: str
    campaign: Campaign
    state: str
    launch: Launch | None
    outcomes: Mapping[str, int]
    pending: int
    next_at: int | None
    changed: bool

    @property
    def title(self) -> Text:
        return title_of(self.id, self.campaign)

    @property
    def listed(self) -> int:
        """Everybody on the list."""
        return self.pending + sum(self.outcomes.values())

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        launch = self.launch
        return {
            "id": self.id, "title": self.title, "state": self.state, "to": list(self.campaign.to),
            "at": self.campaign.at.isoformat() if self.campaign.at is not None else None,
            "clock": self.campaign.clock, "listed": self.listed, "pending": self.pending,
            "outcomes": dict(self.outcomes), "changed": self.changed,
            "next_at": moment(self.next_at).isoformat() if self.next_at is not None else None,
            "launched": None if launch is None else {
                "at": moment(launch.launched_at).isoformat(), "by": launch.launched_by, "version": launch.version,
                "finished_at": None if launch.finished_at is None else moment(launch.finished_at).isoformat(),
                "reason": launch.reason,
            },
        }  # fmt: skip


def standing(project: Project, id: str) -> Standing:
    """How one campaign stands. Raises UsageError for one that neither the map nor the state has."""
    campaign, launch = known(project, id)
    member = tables.campaign_members.c
    count = sa.select(member.what, sa.func.count(), sa.func.min(member.due_at)).where(member.campaign == id)
    with project.state.read() as connection:
        rows = connection.execute(count.group_by(member.what)).all()
    counts = {str(what): int(n) for what, n, _ in rows if what is not None}
    pending = next(((int(n), int(due)) for what, n, due in rows if what is None), (0, None))
    outcomes = {what: counts[what] for what in OUTCOMES if what in counts}
    state = "draft" if launch is None else launch.state
    if launch is not None and state == LAUNCHED and launch.gathered_at is None and launch.at > now():
        state = "scheduled"
    said = project.journey().campaigns.get(id)
    changed = launch is not None and said is not None and version_of(said) != launch.version
    next_at = pending[1] if pending[1] is not None else launch.at if state == "scheduled" and launch else None
    return Standing(id, campaign, state, launch, outcomes, pending[0], next_at, changed)


def standings(project: Project) -> list[Standing]:
    """Every campaign: those of the map in its order, then those that were launched and stand there no more."""
    ids = [*project.journey().campaigns]
    ids += [id for id in launches(project) if id not in ids]
    return [standing(project, id) for id in ids]
