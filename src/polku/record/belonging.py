"""What is a customer's in the record: their ids, the rows of history that are theirs, their addresses."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from polku.errors import UsageError
from polku.language import N_
from polku.record import tables
from polku.record.contacts import KINDS as ADDRESS_KINDS
from polku.record.contacts import Contact, key_of
from polku.record.hashes import _CASES as NOBODY
from polku.record.naming import meant

if TYPE_CHECKING:
    from polku.record.ids import Id
    from polku.record.project import Project

#: Columns of history that are needed to tell whose a row is.
COLUMNS: Final = ("user_id", "anonymous_id", "account_id")
_HASHED: Final = re.compile(
    r'"(email|phone)": ?"(?:email:|phone:)?([A-Za-z0-9_-]{22})"|(email|phone):([A-Za-z0-9_-]{22})'
)


@dataclasses.dataclass(frozen=True, slots=True)
class Belongings:
    """Whose is what. customer: None where the id never stood in an event (a consent or a contact alone may have it)."""

    customer: int | None
    ids: tuple[tuple[str, str], ...]
    contacts: tuple[Contact, ...]

    @property
    def users(self) -> tuple[str, ...]:
        """What may stand in ``user_id`` for this customer."""
        plain = [value for kind, value in self.ids if kind == "user"]
        other = [f"{kind}:{value}" for kind, value in self.ids if kind not in ("user", "anonymous", "account")]
        return tuple(dict.fromkeys([*plain, *other]))

    @property
    def anonymous(self) -> tuple[str, ...]:
        return tuple(value for kind, value in self.ids if kind == "anonymous")

    @property
    def accounts(self) -> tuple[str, ...]:
        return tuple(value for kind, value in self.ids if kind == "account")

    def rows(self) -> pc.Expression:
        """Which rows of history are theirs. A device that somebody else uses too is theirs only without a user id."""
        users = pa.array(self.users, pa.string())
        named = pc.field("user_id").isin(users)
        nobody = pc.is_null(pc.field("user_id")) | pc.field("user_id").isin(pa.array(NOBODY, pa.string()))
        device = pc.field("anonymous_id").isin(pa.array(self.anonymous, pa.string()))
        account = pc.field("account_id").isin(pa.array(self.accounts, pa.string()))
        return named | (nobody & device) | account

    def shares(self) -> pc.Expression:
        """Rows of somebody else that carry the id of a device of theirs."""
        device = pc.field("anonymous_id").isin(pa.array(self.anonymous, pa.string()))
        return device & pc.invert(self.rows())

    def words(self) -> tuple[str, ...]:
        """Every text that stands for them: ids and addresses, plain and hashed."""
        found = [value for _, value in self.ids] + list(self.users)
        for contact in self.contacts:
            found += [contact.value, contact.hash]
        return tuple(dict.fromkeys(found))


def belongings(project: Project, given: str) -> Belongings:
    """What belongs to the customer that an id, an e-mail address, a phone number or ``#number`` names.

    Raises UsageError when nothing is known of it.
    """
    pairs = list(named(project, given))
    for _, value in pairs:
        customer = meant(project.identities.find(value), project.subject())
        if customer is not None:
            return of_customer(project, customer)
    for kind, value in pairs:
        consents = project.consents.of([(kind, value), ("user", value)])
        contact = project.contacts.of(value) if kind in ADDRESS_KINDS else None
        if consents or contact:
            ids = dict.fromkeys((d.kind, d.value) for d in consents)
            return Belongings(None, tuple(ids) or ((kind, value),), (contact,) if contact else ())
    raise UsageError(
        N_("There is no customer {given!r}: no id, e-mail address or phone number of this project is written so."),
        given=given,
    )


def named(project: Project, given: str) -> Iterator[tuple[str, str]]:
    """What a person may mean by a word: (kind, value) of ids, the likeliest first."""
    text = given.strip()
    if text.startswith("#") and text[1:].isdigit():
        for each in project.identities.ids_of(int(text[1:])):
            yield each.kind, each.value
    yield "user", text
    for kind in ADDRESS_KINDS:
        found = project.contacts.addresses.found(kind, text) if kind == "email" or not text.isalnum() else None
        if found is not None:
            yield kind, found[1]
            yield "user", f"{kind}:{found[1]}"


def of_customer(project: Project, customer: int) -> Belongings:
    """What belongs to a customer by key. Reads their events for the addresses that they carry."""
    ids = project.identities.ids_of(customer)
    pairs = tuple((each.kind, each.value) for each in ids)
    hashes = set(hashes_in(" ".join(f"{kind}:{value} {value}" for kind, value in pairs)))
    hashes |= set(hashes_in(" ".join(_traits(project, ids))))
    of = Belongings(customer, pairs, ())
    for batch in events(project, of, ("properties", "context")):
        for column in batch.columns:
            for text in pc.unique(column.filter(pc.match_substring_regex(column, "email|phone"))).to_pylist():
                hashes |= set(own_hashes(text))
    found = project.contacts.of_many(sorted(hashes))
    return dataclasses.replace(of, contacts=tuple(found[h] for h in sorted(found)))


def hashes_in(text: str) -> Iterator[str]:
    """Hashes of addresses in a text, however they stand there."""
    for match in _HASHED.finditer(text):
        yield match[2] or match[4]


_OWN: Final = re.compile(r'"ids": ?\{[^{}]*\}')


def own_hashes(context: str) -> Iterator[str]:
    """Hashes in ``context.ids``: the customer's own, and not, say, a friend's in a referral."""
    for part in _OWN.findall(context):
        yield from hashes_in(part)


def events(project: Project, of: Belongings, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    """Their events in history and in the inbox, in no order, with the wanted columns."""
    wanted = tuple(dict.fromkeys([*columns, *COLUMNS, "seq"]))
    snapshot, tail = project.look(wanted)
    for batch in project.history.read(wanted, files=snapshot.files, where=of.rows()):
        yield batch.select(list(columns))
    for batch in tail.filter(of.rows()).select(list(columns)).to_batches():
        yield batch


def count_events(project: Project, of: Belongings) -> int:
    """How many events they have."""
    return sum(batch.num_rows for batch in events(project, of, ("seq",)))


def _traits(project: Project, ids: tuple[Id, ...]) -> list[str]:
    table = tables.traits.c
    numbers = [each.number for each in ids]
    found: list[Any] = []
    with project.state.read() as connection:
        for at in range(0, len(numbers), 10_000):
            query = sa.select(table.name, table.value).where(table.identity.in_(numbers[at : at + 10_000]))
            found += [value for name, value in connection.execute(query) if key_of(name).own]
    return [str(text) for text in found]
