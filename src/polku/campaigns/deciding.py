"""What becomes of one customer of a campaign: the same engine as rules have, asked once at the customer's moment.

Before the engine come the reasons why a message could not leave at all (no address, no consent), so that those who are
dealt into treated and held out are all people whom it would have reached.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from polku.guidance.engine import HELD_OUT, LEFT, WAITING, Act, Change, Note, Run, advance
from polku.guidance.happenings import Happening
from polku.guidance.outbox import COUNTED
from polku.guidance.preparing import People
from polku.guidance.rules import Matcher, Rule, Send, meets_where
from polku.guidance.shares import shares_of
from polku.record import tables
from polku.zones import is_zone

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from polku.channels.channel import Channel
    from polku.guidance.crowd import Crowd
    from polku.record.project import Project

#: What becomes of a customer on the list. sent: a message was made; held_out: gets nothing, to compare with; capped:
#: over a limit; not_met: a condition did not hold; no_consent, no_address, suppressed: nothing could leave; left: no
#: longer in the segment; late: the moment passed while nobody was there to send; twice: another id of the same person
#: was on the list; gone: known no more; stopped: the campaign was.
SENT, HELD, CAPPED, NOT_MET, NO_CONSENT, NO_ADDRESS, SUPPRESSED, LEFT_LIST, LATE, TWICE, GONE, STOPPED = (
    "sent", "held_out", "capped", "not_met", "no_consent", "no_address", "suppressed", "left", "late", "twice", "gone",
    "stopped",
)  # fmt: skip
#: In the order in which they are told.
OUTCOMES: Final = (
    SENT, HELD, CAPPED, NO_CONSENT, NO_ADDRESS, SUPPRESSED, NOT_MET, LEFT_LIST, LATE, TWICE, GONE, STOPPED,
)  # fmt: skip


class Group:
    """Some customers looked at together: what is known of them is read at once. ``channel``: None where the project has
    none of that name; then everything holds but the message cannot leave.
    """

    def __init__(
        self, project: Project, connection: Connection, crowd: Crowd, rule: Rule, channel: Channel | None,
        customers: Iterable[int], now: int,
    ) -> None:  # fmt: skip
        self.project, self.connection, self.crowd, self.rule = project, connection, crowd, rule
        self.channel, self.now = channel, now
        self.customers = sorted(set(customers))
        self.people = People(project, self.customers)
        self.journey = crowd.view.journey
        self.map_zone = ZoneInfo(self.journey.timezone)

    @functools.cached_property
    def messages(self) -> Mapping[int, Sequence[int]]:
        """When messages on the campaign's channel were decided for each of them, of those that caps count."""
        box = tables.outbox.c
        send = send_of(self.rule)
        found: dict[int, list[int]] = {}
        if send.channel not in self.rule.caps:
            return found
        query = sa.select(box.customer, box.made_at).where(
            box.customer.in_(self.customers), box.channel == send.channel, box.owed.is_(sa.false()),
            box.state.in_(COUNTED),
        )  # fmt: skip
        for customer, made in self.connection.execute(query):
            found.setdefault(int(customer), []).append(int(made))
        return found

    @functools.cached_property
    def shares(self) -> Mapping[str, float] | None:
        """What a bandit has learned of the variants."""
        return shares_of(self.connection, self.rule.id, self.rule.steps.index(send_of(self.rule)))

    def zone(self, customer: int) -> ZoneInfo:
        """The customer's own zone where it is known, else the map's."""
        return zone_of(self.people.traits(customer), self.map_zone)

    def agreed(self, customer: int, purpose: str) -> bool:
        """Whether the customer's consent lets a message of this purpose leave, by the settings of sending."""
        held = self.project.consents.held(self.people.pairs(customer), self.now)
        if self.project.settings.sending.consent == "granted":
            return purpose in held.granted
        return purpose not in held.denied


def send_of(rule: Rule) -> Send:
    """The one message of a campaign."""
    return next(step for step in rule.steps if isinstance(step, Send))


def zone_of(traits: Mapping[str, Any], otherwise: ZoneInfo) -> ZoneInfo:
    """The zone that traits name; ``otherwise`` where they name none."""
    said = traits.get("timezone")
    return ZoneInfo(said) if isinstance(said, str) and is_zone(said) else otherwise


class GroupLook:
    """One customer of a group, as the engine asks (see ``guidance.look.Look``)."""

    def __init__(self, group: Group, customer: int) -> None:
        self._group, self._customer = group, customer
        self.now = group.now

    @property
    def zone(self) -> ZoneInfo:
        return self._group.zone(self._customer)

    def consent(self, purpose: str) -> bool | None:
        held = self._group.project.consents.held(self._group.people.pairs(self._customer), self.now)
        return True if purpose in held.granted else False if purpose in held.denied else None

    def persona(self, id: str) -> bool:
        persona = self._group.journey.personas.get(id)
        if persona is None or persona.where is None:
            return False
        return meets_where(persona.where, {"properties": {}, "context": {}, "traits": self.traits()})

    def segment(self, id: str) -> bool:
        return id in self._group.journey.segments and self._group.crowd.is_in(self._customer, id)

    def role(self, id: str, event: Mapping[str, Any] | None) -> bool:
        return False  # no event begins a campaign; polku check refuses a role here

    def stage(self) -> str | None:
        return self._group.crowd.stage(self._customer)

    def traits(self) -> Mapping[str, Any]:
        return self._group.people.traits(self._customer)

    def met(self, matchers: Sequence[Matcher], since: int, after: int, key: tuple[str, str] | None) -> int | None:
        return None  # a campaign has no goal that ends it and nothing that calls it off

    def number_before(self, path: str, position: int) -> float | None:
        return None

    def acted(self, rule: str, key: str) -> Sequence[int]:
        return ()

    def entered(self, rule: str, key: str) -> bool:
        return False  # each customer is on the list once

    def in_group(self, group: str, rule: str) -> str | None:
        return None

    def given(self, rule: str, step: int) -> str | None:
        return None

    def shares(self, rule: str, step: int) -> Mapping[str, float] | None:
        return self._group.shares

    def messages(self, channel: str) -> Sequence[int]:
        return self._group.messages.get(self._customer, ())


@dataclasses.dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a customer: ``what`` is one of OUTCOMES, or None: the message waits until ``due`` (quiet hours, a
    cap that it waits for). ``run`` with its notes and the act are as the engine says."""

    customer: int
    what: str | None
    run: Run | None
    notes: tuple[Note, ...]
    act: Act | None = None
    due: int | None = None


def decide(group: Group, customer: int, due: int, to: Sequence[str], run: Run | None = None) -> Decision:
    """Decide on a customer whose moment ``due`` (microseconds) has come. ``to``: the campaign's segments; ``run``: what
    was decided so far, where the message had to wait.
    """
    refused = None if run is not None else refused_for(group, customer, to)
    if refused is not None:
        return Decision(customer, refused, None, (Note(refused, due, group.now),))
    if run is None:
        happening = Happening(customer, due, group.now, "schedule", group.rule.id)
    else:
        happening = Happening(customer, run.due_at or due, group.now, "timer", str(run.id))
    change = advance(group.rule, run, happening, GroupLook(group, customer))
    return decision_of(customer, change)


def decision_of(customer: int, change: Change) -> Decision:
    """What a change of the engine means for the list."""
    run = change.run
    assert run is not None
    act = change.acts[0] if change.acts else None
    if run.status == WAITING:
        return Decision(customer, None, run, change.notes, act, run.due_at)
    if run.status == HELD_OUT:
        return Decision(customer, HELD, run, change.notes)
    if act is None:
        assert run.status == LEFT, run.status
        return Decision(customer, NOT_MET, run, change.notes)
    return Decision(customer, CAPPED if act.state == "capped" else SENT, run, change.notes, act)


def refused_for(group: Group, customer: int, to: Sequence[str]) -> str | None:
    """Why nothing could leave to a customer; None: it could."""
    people, channel, rule = group.people, group.channel, group.rule
    if not people.ids(customer):
        return GONE
    if not any(group.crowd.is_in(customer, name) for name in to):
        return LEFT_LIST
    if channel is None:
        return None
    if channel.address:
        contact = people.contact(customer, channel.address)
        if contact is None:
            return NO_ADDRESS
        if contact.hash in people.suppressed:
            return SUPPRESSED
    if channel.purpose and not rule.owed and not group.agreed(customer, channel.purpose):
        return NO_CONSENT
    return None
