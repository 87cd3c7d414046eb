"""A message of the outbox made ready to leave, or the reason why it does not: looked at as it is when it leaves.

Consent, the address, the language and the content are those of this moment, and not of the moment of the decision.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from polku.channels.channel import Channel, Outgoing
from polku.channels.letter import address_of
from polku.content import liquid
from polku.content.facts import constants, filled, language_of, traits_of
from polku.content.piece import Piece, in_language, read_piece
from polku.content.render import Rendered, render
from polku.errors import ContentError, PolkuError
from polku.guidance.links import Link, path_of
from polku.guidance.outbox import DROPPED, FAILED, OFF, WAITING
from polku.guidance.switch import Switch
from polku.guidance.tracked import count_clicks, count_opens
from polku.language import N_
from polku.offers.facts import Carts, facts_of
from polku.onsite.confirmlink import confirm_facts
from polku.record import tables
from polku.record.clock import now
from polku.record.contacts import Contact
from polku.surveys.links import SurveyLink, asks_for_links, links_of

if TYPE_CHECKING:
    from polku.journey.campaigns import Campaign
    from polku.record.ids import Id
    from polku.record.project import Project

#: Why a message did not leave, by its code: what people read of it. A reason may go on behind ": " in other words.
REASONS: Final[dict[str, str]] = {
    "off": N_("sending was off"),
    "test": N_("sent to the test address, since sending was off"),
    "restored": N_("made before the project was restored from a backup"),
    "no_consent": N_("no consent"),
    "no_address": N_("no address is known"),
    "no_customer": N_("the customer is known no more"),
    "suppressed": N_("mail to this address came back, or its owner called it spam"),
    "late": N_("it could not be sent in time"),
    "content": N_("the content cannot be filled in"),
    "agreed": N_("the customer has agreed already to what it asks for"),
    "expired": N_("nobody came for it on the site in its time"),
    "channel": N_("there is no such channel"),
    "refused": N_("refused by the receiver"),
    "gave_up": N_("tried for as long as the settings say"),
    "bounced": N_("it came back"),
    "by_hand": N_("somebody has put the address on the list"),
    "complained": N_("its reader called it spam"),
    "unknown": N_("it is not known whether it arrived, so it is not sent again"),
    "again": N_("will be tried again"),
    "paused": N_("the campaign is paused"),
    "stopped": N_("the campaign was stopped"),
}
HOUR: Final = 3_600_000_000
#: Links of one person lead straight there: their addresses are nothing for events to keep.
OWN_LINKS: Final = ("/u/", "/s/", "/review/", "/i/")


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """A message as it stands in the outbox."""

    key: str
    rule: str
    customer: int
    channel: str
    content: str
    owed: bool
    facts: Mapping[str, Any]
    made_at: int
    next_at: int
    attempts: int
    variant: str | None

    @classmethod
    def of(cls, row: Any) -> Row:
        return cls(
            row.key, row.rule, row.customer, row.channel, row.content, row.owed, json.loads(row.facts), row.made_at,
            row.next_at, row.attempts, row.variant,
        )  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Held:
    """A message that does not leave: its state from now on (``waiting``: to be tried again), and why."""

    state: str
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Ready:
    """A message that leaves. ``test``: to the test address, which counts as not sent. ``payload``: what is kept of it.
    ``id``: the customer's strongest id, by which events know them."""

    outgoing: Outgoing
    payload: Mapping[str, Any]
    id: tuple[str, str]
    hash: str | None
    test: bool = False


class Preparing:
    """Makes messages ready, many at a time. ``channels``: by their name. ``language``: of the page on which they are
    read; None: each in its customer's."""

    def __init__(self, project: Project, channels: Mapping[str, Channel], language: str | None = None) -> None:
        self.project, self.channels, self.language = project, channels, language
        self._shared: dict[str, dict[str, Any]] = {}
        self._pieces: dict[str, Piece] = {}
        self._campaigns: dict[str, Campaign] = {}

    def make(self, rows: Sequence[Row], switch: Switch) -> dict[str, Ready | Held]:
        """What becomes of each message, by its key."""
        project = self.project
        found: dict[str, Ready | Held] = {}
        whose = self._customers({row.customer for row in rows})
        people = People(project, whose.values())
        for row in rows:
            same = dataclasses.replace(row, customer=whose.get(row.customer, row.customer))
            found[row.key] = self._one(same, switch, people)
        return found

    def shown(self, row: Row, channel: Channel) -> Outgoing:
        """The message as its customer would get it, to be looked at or tried out: whatever their consent, and nothing
        that its links lead to is kept. Raises ContentError for what cannot be filled in.
        """
        people = People(self.project, [row.customer])
        contact = people.contact(row.customer, channel.address) if channel.address else None
        ready = self._filled(row, channel, people, contact, "")
        return dataclasses.replace(ready.outgoing, subject=str(ready.payload["subject"]), to=None)

    def _customers(self, keys: set[int]) -> dict[int, int]:
        """Whom each key means by now: customers are joined after a message was made, too."""
        row = tables.identities.c
        with self.project.state.read() as connection:
            found = connection.execute(sa.select(row.id, row.customer).where(row.id.in_(sorted(keys))))
            return {int(number): int(customer) for number, customer in found}

    def _one(self, row: Row, switch: Switch, people: People) -> Ready | Held:
        channel = self.channels.get(row.channel)
        if channel is None:
            return Held(FAILED, f"channel: {row.channel}")
        if row.made_at <= switch.restored_at:
            return Held(DROPPED, "restored")
        testing = not switch.on or row.made_at < switch.at
        if testing and not (channel.name == "email" and switch.test_address):
            return Held(OFF, "off")
        late = now() - row.next_at > self.project.settings.sending.late * HOUR
        if late and not row.attempts and not row.owed:
            return Held(DROPPED, "late")
        ids = people.ids(row.customer)
        if not ids:
            return Held(DROPPED, "no_customer")
        contact = people.contact(row.customer, channel.address) if channel.address else None
        if channel.address and contact is None:
            return Held(DROPPED, "no_address")
        if contact is not None and contact.hash in people.suppressed:
            return Held(DROPPED, "suppressed")
        if not row.owed and channel.purpose and not self._agreed(channel.purpose, people.pairs(row.customer)):
            return Held(DROPPED, "no_consent")
        try:
            return self._filled(row, channel, people, contact, switch.test_address if testing else None)
        except ContentError as error:
            return Held(FAILED, f"content: {error.text('en')}")
        except PolkuError as error:  # not this message's: the map has a fault while somebody works on it
            return Held(WAITING, error.text("en"))

    def _agreed(self, purpose: str, ids: Iterable[tuple[str, str]]) -> bool:
        held = self.project.consents.held(ids, now())
        if self.project.settings.sending.consent == "granted":
            return purpose in held.granted
        return purpose not in held.denied

    def _filled(self, row: Row, channel: Channel, people: People, contact: Contact | None, test: str | None) -> Ready:
        project, mail = self.project, self.project.settings.mail
        traits = people.traits(row.customer)
        id_ = people.id(row.customer)
        language = self.language or language_of(traits) or project.language
        piece = self._piece(row.content, language) if row.content else None
        if piece is None and channel.content:
            raise ContentError(N_("The message {key} names no content."), key=row.key)
        language = piece.language if piece is not None else language
        owed = row.owed or (piece is not None and not piece.unsubscribe)
        name = piece.name if piece is not None else ""
        link = Link("unsubscribe", id_, row.key, row.rule, name, channel.purpose or "", test=test is not None)
        unsubscribe = f"{mail.links.rstrip('/')}{path_of(project, link)}" if channel.purpose and mail.links else None
        facts = filled(
            self._constants(language), traits, row.facts, unsubscribe_url=unsubscribe, language=language,
            sender=sender_of((piece.sender if piece else None) or mail.sender), postal_address=mail.postal_address,
        )  # fmt: skip
        if contact is not None:
            facts["customer"] = {**facts["customer"], contact.kind: contact.value}
        if (campaign := row.facts.get("campaign")) is not None:
            facts |= self._of_campaign(str(campaign), row, id_, language, test is not None)
        facts |= confirm_facts(project, row.facts, id_, row.key, row.rule, test is not None)
        if piece is not None and asks_for_links(piece):
            whose = SurveyLink("", id_, row.key, row.rule, language, test is not None)
            facts |= links_of(project, project.journey().surveys, whose, row.facts)
        if piece is not None:
            own = self._constants(language)
            facts |= facts_of(
                project, piece, row.customer, row.key, row.facts, language, real=test is None, own=own,
                filled=people.carts,
            )  # fmt: skip
        made = render(project.folder, piece, facts) if piece is not None else self._bare(row, facts)
        html = made.html
        if html and test is None and channel.name == "email":  # a web hook's request is the same at every try
            html = self._counted(html, row, people, id_, name)
        subject = made.subject if test is None else f"[{people.called(row.customer)}] {made.subject}"
        outgoing = Outgoing(
            row.key, row.rule, row.customer, test or (contact.value if contact else None), language, subject,
            made.text, html, row.made_at, facts=row.facts, ids=people.pairs(row.customer), owed=owed,
            unsubscribe_url=None if owed else unsubscribe,
            sender=piece.sender if piece else None, reply_to=piece.reply_to if piece else None, site=made.site,
        )  # fmt: skip
        kept = {
            "subject": made.subject,
            "text": made.text,
            "content": piece.path if piece else "",
            "language": language,
        }
        return Ready(outgoing, kept, id_, contact.hash if contact else None, test is not None)

    def _of_campaign(self, id: str, row: Row, id_: tuple[str, str], language: str, test: bool) -> dict[str, Any]:
        """What a campaign's message may ask for besides: its invitation, links to answer by."""
        from polku.campaigns import invitations, launching  # which send by this module

        if id not in self._campaigns:
            self._campaigns[id] = launching.known(self.project, id)[0]
        link = Link("answer", id_, row.key, row.rule, test=test)
        return invitations.facts_of(self.project, id, self._campaigns[id], link, language)

    def _bare(self, row: Row, facts: Mapping[str, Any]) -> Rendered:
        """What needs no piece of content: a task's title is Liquid in the rule itself."""
        title = str(row.facts.get("task") or row.facts.get("subject") or "")
        text = str(row.facts.get("text") or "")
        where = f"guidance.{row.rule}"
        made = [liquid.render(liquid.parse(liquid.PLAIN, each, where), facts, where) for each in (title, text)]
        return Rendered(made[0], "", made[1])

    def _counted(self, html: str, row: Row, people: People, id_: tuple[str, str], content: str) -> str:
        """Clicks and opens are counted of those who allow analytics, and of nobody else."""
        mail = self.project.settings.mail
        if mail.track == "none" or not mail.links:
            return html
        if "analytics" not in self.project.consents.held(people.pairs(row.customer), now()).granted:
            return html
        base, sent = mail.links.rstrip("/"), now()

        def through(url: str) -> str:
            link = Link("click", id_, row.key, row.rule, content, url=url, sent=sent)
            return base + path_of(self.project, link)

        html = count_clicks(html, through, but=tuple(f"{base}{path}" for path in OWN_LINKS))
        if mail.track == "opens":
            link = Link("open", id_, row.key, row.rule, content, sent=sent)
            html = count_opens(html, base + path_of(self.project, link))
        return html

    def _constants(self, language: str) -> dict[str, Any]:
        if language not in self._shared:
            self._shared[language] = constants(self.project.folder, language)
        return self._shared[language]

    def _piece(self, path: str, language: str) -> Piece:
        chosen = in_language(self.project.folder, path, language)
        if chosen not in self._pieces:
            self._pieces[chosen] = read_piece(self.project.folder, chosen)
        return self._pieces[chosen]


def sender_of(sender: str) -> str:
    """The name of who sends, for people; "" where none is set."""
    found = address_of(sender)
    return "" if found is None else found.display_name or found.addr_spec


class People:
    """What is known of the customers of some messages, read at once."""

    def __init__(self, project: Project, customers: Iterable[int]) -> None:
        self._keys = sorted(set(customers))
        self._ids: Mapping[int, tuple[Id, ...]] = project.identities.ids_of_many(self._keys)
        self._traits = traits_of(project, self._keys)
        self.carts = Carts(project, self._keys)
        hashes = {hash_ for key in self._keys for hash_ in self._hashes(key)}
        self._contacts = project.contacts.of_many(hashes)
        row = tables.suppressions.c
        with project.state.read() as connection:
            self.suppressed = frozenset(
                connection.execute(sa.select(row.hash).where(row.hash.in_(sorted(hashes)))).scalars()
            )

    def _hashes(self, customer: int) -> list[str]:
        """Hashes of addresses among a customer's ids."""
        return [one.value.partition(":")[2] for one in self.ids(customer) if one.names in ("email", "phone")]

    def ids(self, customer: int) -> tuple[Id, ...]:
        return self._ids.get(customer, ())

    def pairs(self, customer: int) -> tuple[tuple[str, str], ...]:
        """(kind, value), as consents and erasure know them."""
        return tuple((one.kind, one.value) for one in self.ids(customer))

    def id(self, customer: int) -> tuple[str, str]:
        """The strongest id: the one that a person has of the shop, an address, a device."""
        order = {"user": 0, "account": 2, "anonymous": 3}
        best = min(self.ids(customer), key=lambda one: (order[one.kind], one.names != "user"))
        return best.kind, best.value

    def traits(self, customer: int) -> Mapping[str, Any]:
        return self._traits.get(customer, {})

    def called(self, customer: int) -> str:
        name = self.traits(customer).get("name")
        return name if isinstance(name, str) else self.id(customer)[1]

    def contact(self, customer: int, kind: str) -> Contact | None:
        """The address that was seen last."""
        known = [self._contacts[h] for h in self._hashes(customer) if h in self._contacts]
        return max((c for c in known if c.kind == kind), key=lambda c: c.last_seen, default=None)
