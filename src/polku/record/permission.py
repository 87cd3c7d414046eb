"""May this event be kept? Asked at the door for each event, answered from memory: addresses, erasure, consent.

>>> refusal = project.permission.check(arrival, learned)          # doctest: +SKIP
>>> with project.state.write() as connection:                     # doctest: +SKIP
...     written = project.permission.write(connection, learned)
>>> project.permission.learn(written)                             # doctest: +SKIP
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from polku.events.arrival import Arrival
from polku.events.purposes import WORDS, Told, read_purposes, told
from polku.events.refusals import Refusal
from polku.record.consents import NEVER, Consents, Decision
from polku.record.contacts import Contact, Contacts
from polku.record.erased import Erased
from polku.record.hashes import JUNK
from polku.record.namedids import strongest
from polku.record.settings import Consent

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

NOBODY = frozenset(JUNK)
#: The purpose without which an event is not kept as a known customer's.
ANALYTICS = "analytics"


@dataclasses.dataclass(slots=True)
class Learned:
    """What the events of a request brought besides themselves: to be written in the transaction that keeps them."""

    contacts: list[Contact] = dataclasses.field(default_factory=list)
    decisions: list[Decision] = dataclasses.field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.contacts or self.decisions)

    def extend(self, other: Learned) -> None:
        """Take another request's as well."""
        self.contacts += other.contacts
        self.decisions += other.decisions


class Permission:
    """See the module; one of a project, shared by its doors."""

    def __init__(self, contacts: Contacts, erased: Erased, consents: Consents, settings: Consent) -> None:
        self._contacts, self._erased, self._consents = contacts, erased, consents
        self._settings = settings
        self.purposes = read_purposes(settings.purposes)
        # Whoever has a write key could invent purposes without end: those that nobody asks for are not kept.
        self._kept = frozenset(self.purposes) | frozenset(WORDS.values())

    def check(self, arrival: Arrival, learned: Learned, search: bool = True) -> Refusal | None:
        """Take addresses out of an event (in place), set its ``consent``, and tell why it may not be kept, if so.

        The event's ``time`` is already Polku's. ``search``: it may hold addresses (``contacts.might_hold``). The raw
        text of what is refused here must not be kept: it is of somebody who said no. What is to be written is put into
        ``learned``.
        """
        contacts = self._contacts.addresses.take(arrival) if search else []
        if "ids" in arrival.context and (arrival.user_id is None or is_junk(arrival.user_id)):
            arrival.user_id = strongest(arrival.context["ids"]) or arrival.user_id
        ids = list(ids_of(arrival))
        if self._erased.any(ids) and not self._shared(arrival, ids):
            return Refusal.ERASED
        time = arrival.time if arrival.time is not None else arrival.received_at
        says = told(arrival.context) if "consent" in arrival.context else None
        consent, rule = self.weigh(ids, says, time, arrival.source or "", learned)
        if consent is not None:
            arrival.consent = consent
        if rule == "refuse":
            return Refusal.NO_CONSENT
        if rule == "anonymous":
            without_ids(arrival)
        else:
            learned.contacts += contacts
        return None

    def plain(
        self, users: list[str | None], anonymous: list[str | None], times: Sequence[int | None]
    ) -> tuple[list[str | None], list[int]] | None:
        """As :meth:`check`, of n events that have these ids alone, no address and no word about consent: ``consent`` of
        each, and which must be looked at one by one. None: nothing is known of anybody, so each may be kept.
        """
        rule = self.rule_of(frozenset(), frozenset())
        if rule == "keep" and not self._consents.known() and not self._erased.known():
            return None
        told: list[str | None] = []
        doubtful: list[int] = []
        for at, (user, device, time) in enumerate(zip(users, anonymous, times, strict=True)):
            ids = []
            if user and not is_junk(user):
                ids.append(("user", user))
            if device and not is_junk(device):
                ids.append(("anonymous", device))
            held = self._consents.held(ids, time or 0)
            told.append(None if held is NEVER else ",".join(sorted(held.granted)))
            if self._erased.any(ids) or self.rule_of(*held) != "keep":
                doubtful.append(at)
        return told, doubtful

    def weigh(
        self, ids: list[tuple[str, str]], says: Told | None, time: int, source: str, learned: Learned
    ) -> tuple[str | None, str]:
        """The ``consent`` of an event of these ids that ``says`` something, and what becomes of it (see rule_of).

        Decisions that are news go into ``learned``.
        """
        held = self._consents.held(ids, time)
        granted, denied = set(held.granted), set(held.denied)
        if says is not None and says.purposes:
            if ids:
                learned.decisions += self._news(says, ids[0], time, source, granted, denied)
            for purpose, yes in says.purposes.items():
                (granted if yes else denied).add(purpose)
                (denied if yes else granted).discard(purpose)
        return ",".join(sorted(granted)) if granted or denied else None, self.rule_of(granted, denied)

    def _shared(self, arrival: Arrival, ids: list[tuple[str, str]]) -> bool:
        """Whether somebody else uses the device of one who was erased: the event is theirs, without the device's id."""
        theirs = [one for one in ids if one[0] != "anonymous"]
        if not theirs or self._erased.any(theirs):
            return False
        arrival.anonymous_id = None
        ids[:] = theirs
        return True

    def rule_of(self, granted: Collection[str], denied: Collection[str]) -> str:
        """What becomes of an event of somebody who granted and denied these purposes: keep, refuse, anonymous."""
        if ANALYTICS not in self.purposes or ANALYTICS in granted:
            return "keep"
        return self._settings.denied if ANALYTICS in denied else self._settings.unknown

    def _news(
        self, says: Told, who: tuple[str, str], time: int, source: str, granted: set[str], denied: set[str]
    ) -> Iterator[Decision]:
        """Decisions that the event tells and that are not known: trackers repeat them with every event."""
        for purpose, yes in says.purposes.items():
            if purpose in self._kept and purpose not in (granted if yes else denied):
                yield Decision(*who, purpose, yes, time, says.source or source, says.text_version)

    def ready(self) -> None:
        """Make the key and read what is known, so that no event waits for it."""
        self._contacts.addresses  # noqa: B018 (made when it is asked for)
        self._erased.refresh()
        self._consents.refresh()

    def write(self, connection: Connection, learned: Learned) -> list[Decision]:
        """Write contacts and decisions in the caller's transaction; give what returns to :meth:`learn` after it."""
        self._contacts.write(connection, learned.contacts)
        return self._consents.write(connection, learned.decisions)

    def learn(self, written: list[Decision]) -> None:
        """Know the decisions at once: the next event of the same customer is judged by them."""
        self._consents.learn(written)


def ids_of(arrival: Arrival) -> Iterator[tuple[str, str]]:
    """The (kind, value) ids of an event, the strongest first; words for nobody are none."""
    for kind, value in (("user", arrival.user_id), ("anonymous", arrival.anonymous_id), ("user", arrival.previous_id)):
        if value and not is_junk(value):
            yield kind, value
    given = arrival.context.get("ids")
    if isinstance(given, dict):
        for kind, value in given.items():
            if isinstance(value, str) and value and not is_junk(value):
                if kind == "previous":
                    yield "user", value
                else:
                    yield kind, value
                    yield "user", f"{kind}:{value}"


def is_junk(value: str) -> bool:
    """Whether an id is a word for nobody."""
    return value.strip('" ').lower() in NOBODY


def without_ids(arrival: Arrival) -> None:
    """Leave nothing in an event that tells who it was: no ids, no session, no traits, no address of the network."""
    arrival.user_id = arrival.anonymous_id = arrival.previous_id = arrival.account_id = arrival.session_id = None
    for name in ("ids", "traits", "ip", "device", "userAgent", "userAgentData", "location", "groupId"):
        arrival.context.pop(name, None)
    for name in ("email", "phone", "user_id", "customer_id", "order_id", "name", "first_name", "last_name"):
        arrival.properties.pop(name, None)
