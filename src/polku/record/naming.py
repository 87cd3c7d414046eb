"""What a customer is called, and whom an id means: one rule for pages, commands and the notebook."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from polku.record.ids import Id
    from polku.record.project import Project

#: How an id begins that is the hash of an address.
HASHED = ("email:", "phone:")
#: Kinds of ids, the most telling first, where the journey is a person's and where it is an account's.
KINDS = {"person": ("user", "account", "anonymous"), "account": ("account", "user", "anonymous")}


def called(ids: Iterable[Id], subject: str) -> str | None:
    """The id that a customer is called by: the most telling kind, the oldest of its kind; None when there is none."""
    known = list(ids)
    return next((each.value for kind in KINDS[subject] for each in known if each.kind == kind), None)


def names_of(project: Project, customers: Iterable[int], subject: str) -> dict[int, str]:
    """What each customer (key) is called; Polku's own number, ``#12``, where no id is known."""
    keys = list(customers)
    known = project.identities.ids_of_many(keys)
    return {key: called(known.get(key, ()), subject) or f"#{key}" for key in keys}


def addresses_of(project: Project, names: Iterable[str]) -> dict[str, str]:
    """The plain address of each name that is one's hash (``email:<hash>``, ``phone:<hash>``), where it is kept.

    For people who may see addresses, and nowhere else: the record calls customers by the hash.
    """
    hashed = {name for name in names if name.startswith(HASHED)}
    contacts = project.contacts.of_many(hashed) if hashed else {}
    found = {name: contacts.get(name.partition(":")[2]) for name in hashed}
    return {name: contact.value for name, contact in found.items() if contact is not None}


def id_of_address(project: Project, text: str) -> str | None:
    """The id that an e-mail address or a phone number in full has (``email:<hash>``); None for any other text."""
    for kind in ("email", "phone") if "@" in text else ("phone",) if text.startswith(("+", "0")) else ():
        read = project.contacts.addresses.found(kind, text)
        if read is not None:
            return f"{kind}:{read[1]}"
    return None


def meant(found: Iterable[tuple[Id, int]], subject: str) -> int | None:
    """The customer meant by an id that may be known in several kinds; None when nobody has it."""
    order = KINDS[subject]
    best = min(found, key=lambda pair: order.index(pair[0].kind), default=None)
    return None if best is None else best[1]
