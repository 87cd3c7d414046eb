"""Whom a campaign would reach if it went now: counted with the engine that sends it, and every other one by reason.

A long list is looked at by a sample that chance chose (the same one every time); counts are multiplied then, and the
answer says so.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from polku.campaigns.deciding import NOT_MET, SENT, Decision, Group, decide, send_of
from polku.campaigns.definition import compiled
from polku.campaigns.launching import known, local
from polku.channels.catalogue import channels
from polku.content.facts import language_of
from polku.guidance.crowd import Crowd
from polku.guidance.holdout import place
from polku.record.clock import now

if TYPE_CHECKING:
    from polku.journey.campaigns import Campaign
    from polku.journey.model import Journey
    from polku.record.project import Project

#: So many customers are looked at one by one unless all are asked for.
MOST: Final = 10_000
TOGETHER: Final = 1_000
#: Those who would get it that are shown as examples.
SHOWN: Final = 12


@dataclasses.dataclass(frozen=True, slots=True)
class Reach:
    """``listed``: customers in the segments; ``outcomes``: what would become of them, by deciding.OUTCOMES and
    ``waits`` (quiet hours, or a cap that is waited for). ``failing``: conditions that did not hold, by name.
    ``looked_at`` < ``listed``: counts are those of a sample, multiplied. ``examples``: some who would get it.
    """

    listed: int
    looked_at: int
    outcomes: Mapping[str, int]
    failing: Mapping[str, int]
    variants: Mapping[str, int]
    languages: Mapping[str, int]
    examples: tuple[int, ...]

    @property
    def would_get(self) -> int:
        """Those to whom a message would be made, now or in the morning."""
        return self.outcomes.get(SENT, 0) + self.outcomes.get("waits", 0)

    @property
    def estimated(self) -> bool:
        """Whether the counts are those of a sample."""
        return self.looked_at < self.listed

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return dataclasses.asdict(self) | {"would_get": self.would_get, "estimated": self.estimated}


def reach(project: Project, id: str, *, most: int | None = MOST, at: int | None = None) -> Reach:
    """Whom the campaign ``id`` would reach. ``most``: the sample's size, None: everybody; ``at``: as of when
    (microseconds), its own time where that lies ahead, else now. Raises UsageError for a campaign that there is not.
    """
    campaign, _ = known(project, id)
    project.consents.refresh()
    return reach_of(project, id, campaign, Crowd.of(project, now()), most=most, at=at)


def reach_of(
    project: Project, id: str, campaign: Campaign, crowd: Crowd, *, most: int | None = MOST, at: int | None = None
) -> Reach:
    """The same for a campaign and a crowd that are at hand."""
    journey = crowd.view.journey
    rule = compiled(id, campaign, journey)
    channel = channels(project).get(send_of(rule).channel)
    listed = crowd.any_of(campaign.to)
    chosen = listed.tolist()
    if most is not None and len(chosen) > most:
        chosen = sorted(sorted(chosen, key=lambda customer: place(customer, rule.id, "sample"))[:most])
    when = moment_of(campaign, journey) if at is None else at
    outcomes: Counter[str] = Counter()
    failing: Counter[str] = Counter()
    variants: Counter[str] = Counter()
    languages: Counter[str] = Counter()
    examples: list[int] = []
    with project.state.read() as connection:
        for first in range(0, len(chosen), TOGETHER):
            group = Group(project, connection, crowd, rule, channel, chosen[first : first + TOGETHER], when)
            for customer in group.customers:
                one = decide(group, customer, when, campaign.to)
                outcomes[one.what or "waits"] += 1
                failing.update(_failing(one))
                if one.what not in (SENT, None):
                    continue
                language = language_of(group.people.traits(customer)) or project.language
                languages[language] += 1
                if one.act is not None and one.act.variant:
                    variants[one.act.variant] += 1
                if len(examples) < SHOWN:
                    examples.append(customer)
    factor = len(listed) / len(chosen) if chosen else 1.0
    told = [_scaled(counts, factor) for counts in (outcomes, failing, variants, languages)]
    return Reach(len(listed), len(chosen), told[0], told[1], told[2], told[3], tuple(examples))


def moment_of(campaign: Campaign, journey: Journey) -> int:
    """Its own time by the map's clock where that lies ahead, else now."""
    at = now()
    return at if campaign.at is None else max(at, local(campaign.at, ZoneInfo(journey.timezone)))


def _failing(one: Decision) -> list[str]:
    """Names of the conditions that did not hold."""
    if one.what != NOT_MET:
        return []
    facts: Mapping[str, Any] = next((note.facts for note in one.notes if note.what == "not_met"), {})
    found = [f"consent: {name}" for name, given in (facts.get("consent") or {}).items() if given is not True]
    for part in ("persona", "segment"):
        held = facts.get(part) or {}
        if held and not any(held.values()):
            found.append(f"{part}: {', '.join(held)}")
    if "stage" in facts:
        found.append("stage")
    if facts.get("where") is False:
        found.append("where")
    for each in facts.get("not") or ():
        for part in ("consent", "persona", "segment"):
            found += [f"not {part}: {name}" for name, held in (each.get(part) or {}).items() if held]
    return found or ["not"]


def _scaled(counts: Mapping[str, int], factor: float) -> dict[str, int]:
    return {name: round(count * factor) for name, count in sorted(counts.items(), key=lambda pair: -pair[1])}
