"""Trying a campaign before its launch: the message as a chosen customer would get it, and a letter of it to oneself."""

from __future__ import annotations

import asyncio
import dataclasses
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from polku.campaigns.deciding import send_of
from polku.campaigns.definition import compiled, rule_id
from polku.campaigns.launching import known
from polku.channels.catalogue import channels
from polku.content.facts import language_of
from polku.content.piece import in_language
from polku.content.preview import customer_meant
from polku.errors import CampaignError, ContentError, UsageError
from polku.guidance.holdout import variant
from polku.guidance.preparing import People, Preparing, Row
from polku.language import N_
from polku.record.clock import now
from polku.record.contacts import normal_email

if TYPE_CHECKING:
    from polku.channels.channel import Outgoing
    from polku.record.project import Project

#: The subject of a letter that was sent to try it out begins so.
MARK: Final = "[test]"


@dataclasses.dataclass(frozen=True, slots=True)
class Shown:
    """A message as ``customer`` would get it. ``variant``: "" where there is one piece alone."""

    customer: int
    content: str
    variant: str
    language: str
    subject: str
    text: str
    html: str

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return dataclasses.asdict(self)


def show(project: Project, id: str, customer: int, variant_name: str | None = None) -> Shown:
    """The campaign's message for a customer: filled in as it would leave, whatever their consent.

    ``variant_name``: another variant than theirs. Raises UsageError for a variant that there is not, ContentError for
    what cannot be filled in.
    """
    outgoing, content, chosen = _made(project, id, customer, variant_name)
    return Shown(customer, content, chosen, outgoing.language, outgoing.subject, outgoing.text, outgoing.html)


def _made(project: Project, id: str, customer: int, variant_name: str | None) -> tuple[Outgoing, str, str]:
    campaign, _ = known(project, id)
    rule = compiled(id, campaign, project.journey())
    send = send_of(rule)
    step = rule.steps.index(send)
    pieces = dict(send.variants)
    if variant_name is not None and variant_name not in pieces:
        raise UsageError(
            N_("The campaign {id} has no variant {name!r}; it has: {known}."),
            id=id, name=variant_name, known=", ".join(pieces) or "-",
        )  # fmt: skip
    chosen = variant_name or (variant(customer, rule.id, step, send.shares()) if pieces else "")
    content = pieces[chosen] if chosen else send.content
    facts: Mapping[str, Any] = {**send.more, "campaign": id}
    row = Row(f"{MARK}:{uuid.uuid4().hex}", rule_id(id), customer, send.channel, content, campaign.owed, facts, now(),
              now(), 0, chosen or None)  # fmt: skip
    ways = channels(project)
    channel = ways.get(send.channel)
    if channel is None:
        raise CampaignError(
            N_("There is no channel {channel}; there are {known}."), channel=send.channel, known=", ".join(ways)
        )
    outgoing = Preparing(project, ways).shown(row, channel)
    spoken = language_of(People(project, [customer]).traits(customer)) or project.language
    return outgoing, in_language(project.folder, content, spoken) if content else "", chosen


def send_to(
    project: Project, id: str, to: str, customer: str, by: str, address: str = "", variant_name: str | None = None
) -> Shown:
    """Send the message as ``customer`` (an id, an address) would get it to the address ``to``: now, whether sending is
    on or off, outside of the outbox; its links keep no answer.

    Raises UsageError for what is no address and for an unknown customer; CampaignError where it does not leave.
    """
    mail = normal_email(to)
    if mail is None:
        raise UsageError(N_("{text!r} is no e-mail address."), text=to)
    key = customer_meant(project, customer)
    outgoing, content, chosen = _made(project, id, key, variant_name)
    campaign, _ = known(project, id)
    name = str(campaign.send.get("channel"))
    channel = channels(project)[name]
    if channel.address != "email":
        raise CampaignError(N_("Only a letter is tried out by mail, and {id} goes by {channel}."), id=id, channel=name)
    missing = channel.problem()
    if missing is not None:
        raise CampaignError(missing[0], **missing[1])
    outgoing = dataclasses.replace(outgoing, to=mail, subject=f"{MARK} {outgoing.subject}")

    async def deliver() -> tuple[str, str]:
        try:
            done = await channel.deliver(outgoing)
        finally:
            await channel.close()
        return done.result, done.reason

    with ThreadPoolExecutor(1, "polku-trying") as pool:  # whoever calls may be inside an event loop already
        result, reason = pool.submit(lambda: asyncio.run(deliver())).result()
    if result != "delivered":
        raise CampaignError(N_("The letter did not leave: {reason}"), reason=reason)
    project.audit.note(by, "campaign.tested", id, {"variant": chosen} if chosen else None, address=address)
    return Shown(key, content, chosen, outgoing.language, outgoing.subject, outgoing.text, outgoing.html)


def faults_for(project: Project, id: str, customers: tuple[int, ...]) -> list[tuple[int, str]]:
    """Of some customers those for whom the message cannot be filled in, with the reason."""
    found = []
    for customer in customers:
        try:
            show(project, id, customer)
        except ContentError as fault:
            found.append((customer, fault.text(project.language)))
    return found
