"""Find the customer that a note is about: by id, customer number, name, e-mail address or phone, as one types."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from polku.language import N_, Reader
from polku.record import tables
from polku.record.contacts import normal_email
from polku.record.hashes import PREFIXED, id_hash
from polku.record.naming import KINDS, called, meant
from polku.trails.coding import IDS
from polku.trails.resolve import Resolver

if TYPE_CHECKING:
    from polku.record.ids import Id
    from polku.record.project import Project

#: Traits that people call somebody by.
NAMES = ("name", "nimi", "first_name", "firstName", "last_name", "lastName", "company", "yritys")
#: Ids looked at for one search, and customers given.
MOST_LOOKED, MOST_FOUND = 500, 8


@dataclasses.dataclass(frozen=True, slots=True)
class Whom:
    """A customer of a note: one of their ids that Polku knows (its number), or what a new one is known by."""

    known: int | None = None
    name: str = ""
    number: str = ""
    email: str = ""
    phone: str = ""

    @property
    def nobody(self) -> bool:
        """Whether it names no one."""
        return self.known is None and not (self.name or self.number or self.email or self.phone)


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """A customer to choose: the number of their best id, what they are called, what else is known of them."""

    id: int
    name: str
    about: str


def whom(project: Project, text: str) -> Whom:
    """Whom one text means: an id that is known, else a new e-mail address, phone number or customer number."""
    text = text.strip()
    project.identities.catch_up(inbox=True)
    journey_subject = project.subject()
    for tried in _forms(project, text):
        customer = meant(project.identities.find(tried), journey_subject)
        if customer is not None:
            return Whom(known=best(project.identities.ids_of(customer), journey_subject).number)
    if normal_email(text) is not None:
        return Whom(email=text)
    return Whom(phone=text) if text.startswith("+") and _phone(project, text) is not None else Whom(number=text)


def search(
    project: Project, text: str, reader: Reader, limit: int = MOST_FOUND, *, plain: bool = True
) -> tuple[Found, ...]:
    """Customers that a text may mean, the latest known first; without a text the latest of all.

    ``plain``: their e-mail addresses and phone numbers are told, for readers who may see them.
    """
    text = text.strip()
    project.identities.catch_up(inbox=True)
    who = tables.identities
    query = sa.select(who.c.customer).order_by(who.c.id.desc()).limit(MOST_LOOKED)
    kinds = ("account",) if project.subject() == "account" else ("user", "anonymous")
    if not text:
        query = query.where(who.c.kind == kinds[0])
    customers: dict[int, None] = {}
    with project.state.read() as connection:
        if text:
            exact = [project.identities.find(form) for form in _forms(project, text)]
            customers.update((customer, None) for found in exact for id, customer in found if id.kind in kinds)
            hashes = [f"{row.kind}:{row.hash}" for row in connection.execute(_contacts(text))]
            for where in (who.c.value.in_(hashes), _named(text), who.c.value.icontains(text, autoescape=True)):
                found_ = connection.execute(query.where(where, who.c.kind.in_(kinds))).scalars()
                customers.update((int(c), None) for c in found_)
        else:
            customers.update((customer, None) for customer in _latest(project))
            customers.update((int(c), None) for c in connection.execute(query).scalars())
    return describe(project, list(customers)[:limit], reader, plain=plain)


def _latest(project: Project) -> list[int]:
    """Customers of the last events that came in, the very last first."""
    rows = project.inbox.tail(0, [*IDS[project.subject()], "seq"])
    rows = rows.slice(max(0, rows.num_rows - MOST_LOOKED))
    found = Resolver(project.identities.table(), project.subject(), id_hash)(rows)
    return [int(customer) for customer in found[::-1] if customer >= 0]


def describe(project: Project, customers: Iterable[int], reader: Reader, *, plain: bool = True) -> tuple[Found, ...]:
    """What customers (keys) are called and known by."""
    keys = list(customers)
    groups = project.identities.ids_of_many(keys)
    numbers = [id.number for ids in groups.values() for id in ids]
    traits = _traits(project, numbers)
    marks = [id.value for ids in groups.values() for id in ids if id.names in ("email", "phone")]
    contacts = project.contacts.of_many(marks) if plain else {}
    told = []
    for key in keys:
        ids = groups.get(key, ())
        if not ids:
            continue
        named: dict[str, str] = {}
        for id in ids:
            named |= traits.get(id.number, {})
        name = named.get("name") or named.get("nimi") or " ".join(
            part for part in (named.get("first_name") or named.get("firstName"),
                              named.get("last_name") or named.get("lastName")) if part
        ) or named.get("company") or named.get("yritys")  # fmt: skip
        facts = dict.fromkeys(_fact(id, contacts, reader) for id in ids if id.kind != "anonymous")
        known = [fact for fact in facts if fact]
        subject = project.subject()
        first = name or (known[0] if known else "") or called(ids, subject) or f"#{key}"
        about = " · ".join(fact for fact in known[:3] if fact != first)
        told.append(Found(best(ids, subject).number, first, about or reader(_KNOWN[best(ids, subject).kind])))
    return tuple(told)


_KNOWN = {"user": N_("known customer"), "anonymous": N_("visitor without a name"), "account": N_("account")}


def best(ids: Iterable[Id], subject: str) -> Id:
    """The id of a customer that an event of theirs carries: the most telling, the oldest of its kind."""
    order = KINDS[subject]
    prefixes = ("user", *PREFIXED)

    def rank(id: Id) -> tuple[int, int, int]:
        return order.index(id.kind), prefixes.index(id.names) if id.names in prefixes else len(prefixes), id.number

    return min(ids, key=rank)


def _fact(id: Id, contacts: Any, reader: Reader) -> str:
    bare = id.value.partition(":")[2]
    if id.names in ("email", "phone"):
        contact = contacts.get(bare)
        return str(contact.value) if contact is not None else ""
    if id.names == "number":
        return reader(N_("number {number}"), number=bare)
    return id.value


def _traits(project: Project, numbers: list[int]) -> dict[int, dict[str, str]]:
    table = tables.traits.c
    found: dict[int, dict[str, str]] = {}
    with project.state.read() as connection:
        for at in range(0, len(numbers), 10_000):
            query = sa.select(table.identity, table.name, table.value).where(
                table.identity.in_(numbers[at : at + 10_000]), table.name.in_(NAMES)
            )
            for identity, name, value in connection.execute(query):
                found.setdefault(int(identity), {})[name] = str(value).strip('"')
    return found


def _forms(project: Project, text: str) -> list[str]:
    """How a text that somebody typed may stand as an id."""
    forms = [text, f"number:{text}"]
    if normal_email(text) is not None:
        forms.append(f"email:{project.contacts.address_hash('email', text)}")
    elif (phone := _phone(project, text)) is not None:
        forms.append(f"phone:{phone}")
    return forms


def _phone(project: Project, text: str) -> str | None:
    if len(re.sub(r"\D", "", text)) < 6 or re.search(r"[^\d\s()+.-]", text):
        return None
    found = project.contacts.addresses.found("phone", text)
    return None if found is None else found[1]


def _contacts(text: str) -> sa.Select[tuple[str, str]]:
    """Addresses that hold the text; a phone number by its digits, the trunk's 0 aside."""
    table = tables.contacts
    digits = re.sub(r"\D", "", text).lstrip("0")
    where: sa.ColumnElement[bool] = table.c.value.icontains(text, autoescape=True)
    if len(digits) >= 4 and not re.search(r"[^\d\s()+.-]", text):
        where = sa.or_(where, sa.and_(table.c.kind == "phone", table.c.value.contains(digits, autoescape=True)))
    return sa.select(table.c.kind, table.c.hash).where(where).order_by(table.c.last_seen.desc()).limit(MOST_LOOKED)


def _named(text: str) -> sa.ColumnElement[bool]:
    """Ids with a name that holds every word of the text."""
    table = tables.traits.c
    words = text.split()
    holds = [
        tables.identities.c.id.in_(
            sa.select(table.identity).where(table.name.in_(NAMES), table.value.icontains(word, autoescape=True))
        )
        for word in words[:5]
    ]
    return sa.and_(*holds)
