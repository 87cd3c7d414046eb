"""The record of processing (GDPR, article 30) and the shop's privacy notice, made from what this project does.

Facts come from the settings and the record itself: sources, purposes, keeping times, what becomes of addresses and IPs.
What only people know (who the controller is, who else handles the data) stands in ``polku.toml``, section ``privacy``.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc
import sqlalchemy as sa

from polku.language import N_, Reader
from polku.record import tables
from polku.record.retention import RULES

if TYPE_CHECKING:
    from polku.record.project import Project

#: What a purpose is called in a notice; others stand by their own name.
PURPOSES: dict[str, str] = {
    "analytics": N_("to see how the site and the service are used and to make them better"),
    "email": N_("to send newsletters and offers by e-mail"),
    "sms": N_("to send messages by text message"),
    "push": N_("to send notifications to the device"),
    "personalization": N_("to show contents that suit the customer"),
    "ads": N_("to target and measure advertising"),
    "marketing": N_("for marketing"),
    "phone": N_("to call about offers"),
    "mail": N_("to send offers by post"),
}
#: The same in the words of a notice, whose readers know nothing of events and states.
PLAINLY: dict[str, str] = {
    "events": N_("What you do as our customer"),
    "anonymous": N_("Visits of which we do not know whose they are"),
    "refused": N_("Data that we could not use"),
    "contacts": N_("Your e-mail address and phone number, from your last visit or purchase"),
    "messages": N_("What our messages to you said, and what you asked our people on our site"),
    "backups": N_("Backups"),
}
#: What becomes of events of those whom nobody asked for consent, by the setting ``consent.unknown``.
UNASKED: dict[str, str] = {
    "refuse": N_("What you do before you have been asked for your consent we do not store."),
    "anonymous": N_("What you do before you have been asked for your consent we store without any identifier."),
    "keep": N_(
        "What you do where your consent is not asked for, such as orders and purchases in the shop, we store to keep "
        "our contract and for our legitimate interest in knowing our customers. You can object to that."
    ),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """One part of the document: its title and its lines. ``missing``: what a person still has to write, and where."""

    title: str
    lines: tuple[str, ...]
    missing: str | None = None


def sources(project: Project) -> tuple[str, ...]:
    """Where the events of the project come from, by their column ``source``, the most first."""
    counts: dict[str, int] = {}
    _, tail = project.look(["source"])
    for batch in (*project.history.read(["source"]), *tail.to_batches()):
        for pair in pc.value_counts(batch["source"]).to_pylist():
            if pair["values"] is not None:
                counts[pair["values"]] = counts.get(pair["values"], 0) + pair["counts"]
    return tuple(sorted(counts, key=lambda name: (-counts[name], name)))


def days(reader: Reader, count: int) -> str:
    """A keeping time for people."""
    if not count:
        return reader(N_("for the time being"))
    if count == 365:
        return reader(N_("1 year"))
    if count % 365 == 0:
        return reader(N_("{n} years"), n=count // 365)
    return reader(N_("{n} days"), n=count)


#: Where guidance, surveys and offers keep what is a customer's.
GUIDED = (tables.runs, tables.outbox, tables.tasks)
ASKED = (tables.survey_responses, tables.answer_tags, tables.review_replies)
OFFERED = (tables.codes, tables.points, tables.referrals, tables.carts)


def processing(project: Project, reader: Reader) -> tuple[Part, ...]:
    """The record of processing, part by part, in the reader's language."""
    settings = project.settings.privacy
    with project.state.read() as connection:
        contacts = bool(connection.execute(sa.select(tables.contacts.c.kind).limit(1)).first())
        guided, asked, offered = (
            any(connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first() for table in of)
            for of in (GUIDED, ASKED, OFFERED)
        )
    held = [
        reader(N_("Events: what customers did, when, where, and on what device; with pages and products.")),
        reader(N_("Ids: customer numbers, anonymous ids of browsers and devices, and which belong together.")),
        reader(N_("What customers or their sources told of them (traits).")),
        reader(N_("Decisions about consent, with time, place and the text shown.")),
    ]
    if contacts:
        held.append(reader(N_("E-mail addresses and phone numbers, apart from the events, which hold keyed hashes.")))
    if guided:
        held.append(reader(N_("Messages sent and shown, what rules decided to send them, and tasks about a customer.")))
    if asked:
        held.append(reader(N_("Answers to surveys and reviews, with the tags and replies that people gave them.")))
    if offered:
        held.append(reader(N_("Discount codes that were given, points, recommendations, and carts.")))
    return (
        Part(
            reader(N_("Controller")), _given(settings.controller), _missing(reader, "controller", settings.controller)
        ),
        Part(reader(N_("Contact")), _given(settings.contact), _missing(reader, "contact", settings.contact)),
        Part(reader(N_("Data protection officer")), _given(settings.officer) or (reader(N_("None has been named.")),)),
        Part(reader(N_("Purposes")), _purposes(project, reader)),
        Part(
            reader(N_("Whose data")),
            (reader(N_("Customers, and visitors who are not known as customers.")),),
        ),
        Part(reader(N_("What data")), tuple(held)),
        Part(reader(N_("Where it comes from")), sources(project) or (reader(N_("No event has come in yet.")),)),
        Part(
            reader(N_("Who receives it")),
            tuple(p.strip() for p in settings.processors.split(",") if p.strip())
            or (reader(N_("Nobody besides the controller.")),),
            None if settings.processors else reader(N_("If others handle the data, name them: privacy.processors.")),
        ),
        Part(
            reader(N_("Outside the EU and the EEA")),
            _given(settings.outside_eu) or (reader(N_("No data is transferred outside the EU and the EEA.")),),
        ),
        Part(reader(N_("How long it is kept")), kept_lines(project, reader)),
        Part(reader(N_("How it is protected")), (*protections(project, reader), *_given(settings.security))),
        Part(
            reader(N_("Rights")),
            (
                reader(
                    N_("A customer's data is handed over (polku export-customer) and erased (polku forget) on request.")
                ),
                reader(N_("Consent can be withdrawn at any time; it counts from that moment on.")),
            ),
        ),
    )


def notice(project: Project, reader: Reader) -> tuple[Part, ...]:
    """The privacy notice in plain words, for the shop's own site; true to what this project's settings do."""
    settings = project.settings
    privacy = settings.privacy
    what = [
        reader(N_("We collect what you do in our service: pages you look at, products, orders, messages you open.")),
        reader(N_("When you are our customer, we connect this with your customer number and the data you gave us.")),
    ]
    what.append(
        reader(
            N_(
                "[cookies: polku.js stores nothing in the browser before consent; if your site uses another tracker, "
                "write here what it stores]"
            )
        )
    )
    what.append(reader(N_("Your IP address is cut before it is stored, so that it does not tell who you are.")))
    what.append(reader(N_("Your e-mail address and phone number are kept apart from what you do in the service.")))
    denied = {
        "refuse": reader(N_("If you say no to analytics, we do not store what you do.")),
        "anonymous": reader(N_("If you say no to analytics, we count your visit without any identifier.")),
        "keep": reader(N_("If you say no to analytics, we store what running the service needs.")),
    }[settings.consent.denied]
    unasked = reader(UNASKED[settings.consent.unknown])
    profiling = reader(
        N_(
            "From what you do we conclude how far you are as our customer, and choose what we show and send you by it. "
            "No decision that has legal effects for you is made by it."
        )
    )
    contact = privacy.contact or reader(N_("[contact: write it in polku.toml, privacy.contact]"))
    return (
        Part(
            reader(N_("Who we are")),
            (
                privacy.controller or reader(N_("[controller: write it in polku.toml, privacy.controller]")),
                *((reader(N_("Data protection officer: {who}"), who=privacy.officer),) if privacy.officer else ()),
            ),
        ),
        Part(reader(N_("What we collect")), tuple(what)),
        Part(reader(N_("What we use it for")), (*_purposes(project, reader), denied, unasked, profiling)),
        Part(reader(N_("How long we keep it")), _kept_plainly(project, reader)),
        Part(
            reader(N_("Who else sees it")),
            (
                reader(N_("These companies handle data for us: {names}."), names=privacy.processors)
                if privacy.processors
                else reader(
                    N_(
                        "[who handles data for you, such as the hosting company and the mail service: write them in "
                        "polku.toml, privacy.processors]"
                    )
                ),
                privacy.outside_eu
                or reader(N_("[whether data goes outside the EU and the EEA: polku.toml, privacy.outside_eu]")),
            ),
        ),
        Part(
            reader(N_("Your rights")),
            (
                reader(N_("You can see all that we hold of you, have it corrected, and take it with you.")),
                reader(
                    N_(
                        "You can ask us to erase it. Then we erase all of it, and keep only a code by which we know "
                        "not to take it in again."
                    )
                ),
                reader(N_("You can withdraw your consent at any time.")),
                reader(
                    N_(
                        "You can object to what we do with your data for our legitimate interest or for advertising, "
                        "and ask us to restrict it."
                    )
                ),
                reader(N_("Ask us: {contact}"), contact=contact),
                reader(
                    N_(
                        "You can also complain to the authority; in Finland it is the Data Protection Ombudsman, "
                        "tietosuoja.fi."
                    )
                ),
            ),
        ),
    )  # fmt: skip


def protections(project: Project, reader: Reader) -> tuple[str, ...]:
    """What Polku itself does to protect the data."""
    return (
        reader(N_("Events hold no plain e-mail addresses or phone numbers, but hashes made with a secret key.")),
        reader(N_("IP addresses are cut (/24, /48) and query parameters of pages dropped before anything is stored.")),
        reader(
            N_("People sign in with roles; keys of machines are stored as hashes; an audit log tells who did what.")
        ),
        reader(N_("The erased do not come back: their ids are known by keyed hashes and refused.")),
    )


def kept_lines(project: Project, reader: Reader) -> tuple[str, ...]:
    """How long each kind of data is kept, a line each."""
    kept = dataclasses.asdict(project.settings.retention)
    return tuple(
        reader(N_("{what}: {time}"), what=reader(RULES[name]), time=days(reader, count)) for name, count in kept.items()
    )


def _kept_plainly(project: Project, reader: Reader) -> tuple[str, ...]:
    """Keeping times for a notice; one that nobody has chosen is for a person to fill in (GDPR, article 13(2)(a))."""
    lines = []
    for name, count in dataclasses.asdict(project.settings.retention).items():
        time = days(reader, count)
        if not count:
            time = reader(
                N_("[choose a time in polku.toml, retention.{name}, or write here what decides it]"), name=name
            )
        lines.append(reader(N_("{what}: {time}"), what=reader(PLAINLY[name]), time=time))
    return tuple(lines)


def _purposes(project: Project, reader: Reader) -> tuple[str, ...]:
    lines = [reader(N_("to run the service: orders, deliveries and customer service (by contract)"))]
    for purpose in project.permission.purposes:
        what = reader(PURPOSES[purpose]) if purpose in PURPOSES else purpose
        lines.append(reader(N_("{what} (with consent)"), what=what))
    return tuple(lines)


def _given(text: str) -> tuple[str, ...]:
    return (text,) if text else ()


def _missing(reader: Reader, name: str, text: str) -> str | None:
    return None if text else reader(N_("Write it in polku.toml: section privacy, {name}."), name=name)


def markdown(title: str, parts: tuple[Part, ...]) -> str:
    """The document as Markdown."""
    blocks = [f"# {title}"]
    for part in parts:
        lines = "\n".join(f"- {line}" for line in part.lines) or f"*{part.missing}*"
        blocks.append(f"## {part.title}\n\n{lines}")
    return "\n\n".join(blocks) + "\n"


def as_data(parts: tuple[Part, ...]) -> list[dict[str, Any]]:
    """The document as JSON."""
    return [dataclasses.asdict(part) for part in parts]
