"""A campaign as the engine runs it: a rule that nothing but its launch sets off, called ``campaign:<id>``."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from polku.errors import UsageError, nearest
from polku.guidance.rules import Rule, compile_rule
from polku.journey.campaigns import Campaign, title_of
from polku.journey.model import Guidance, Journey
from polku.language import N_

#: How the rules of campaigns are called, in the outbox, in notes and in proofs.
PREFIX: Final = "campaign:"
#: What of a campaign does not change what it does.
NO_MATTER: Final = ("title", "judge_by")


def rule_id(id: str) -> str:
    """What the rule of a campaign is called.

    >>> rule_id("spring"), campaign_id("campaign:spring"), campaign_id("cart_reminder")
    ('campaign:spring', 'spring', None)
    """
    return PREFIX + id


def campaign_id(rule: str) -> str | None:
    """The campaign whose rule this is; None for a rule of guidance."""
    return rule.removeprefix(PREFIX) if rule.startswith(PREFIX) else None


def campaign_of(journey: Journey, id: str) -> Campaign:
    """The campaign ``id`` of the map. Raises UsageError with the nearest one."""
    found = journey.campaigns.get(id)
    if not isinstance(found, Campaign):
        near = nearest(id, journey.campaigns)
        raise UsageError(
            N_("There is no campaign {id!r} in the map.{meant} It has: {known}."),
            id=id, known=", ".join(journey.campaigns) or "-", nearest=near, meant=f" → {near}?" if near else "",
        )  # fmt: skip
    return found


def definition_of(campaign: Campaign) -> str:
    """What a campaign does, as JSON: equal for those that do the same."""
    told = campaign.model_dump(mode="json", by_alias=True)
    return json.dumps(told, ensure_ascii=False, sort_keys=True)


def version_of(campaign: Campaign) -> str:
    """12 signs that stand for what it does."""
    told = {k: v for k, v in campaign.model_dump(mode="json", by_alias=True).items() if k not in NO_MATTER}
    return hashlib.sha256(json.dumps(told, ensure_ascii=False, sort_keys=True).encode()).hexdigest()[:12]


def from_definition(definition: str) -> Campaign:
    """The campaign that :func:`definition_of` wrote."""
    said: Mapping[str, Any] = json.loads(definition)
    return Campaign.model_validate(said)


def compiled(id: str, campaign: Campaign, journey: Journey) -> Rule:
    """The campaign's rule, with the caps and quiet hours of the map. Its first step is passed at once: the moment has
    come when the rule is asked.
    """
    guidance = Guidance(
        id=id,
        title=title_of(id, campaign),
        when={},
        only_if=dict(campaign.only_if),
        send=dict(campaign.send),
        priority=campaign.priority,
        owed=campaign.owed,
        limit={"capped": campaign.capped},
        holdout=campaign.holdout,
        judge_by=campaign.judge_by,
        state="on",
    )
    return dataclasses.replace(compile_rule(guidance, journey), id=rule_id(id), version=version_of(campaign))
