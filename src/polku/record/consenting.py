"""A person notes a decision: one rule for the command, the page and the API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from polku.errors import UsageError
from polku.events.times import read_times
from polku.language import N_
from polku.record.belonging import belongings
from polku.record.clock import now
from polku.record.consents import Decision, read_purpose

if TYPE_CHECKING:
    from polku.record.project import Project

Ids = list[tuple[str, str]]


def ids_meant(project: Project, given: str, *, known: bool = True) -> Ids:
    """The ids, the strongest first, of whom a word means. Somebody unknown is the id itself, unless ``known``."""
    try:
        of = belongings(project, given)
    except UsageError:
        if known:
            raise
        for kind in ("email", "phone"):
            found = project.contacts.addresses.found(kind, given)
            if found is not None and (kind == "email" or not given.isalnum()):
                return [("user", f"{kind}:{found[1]}")]
        return [("user", given.strip())]
    order = {"user": 0, "account": 1, "anonymous": 2}
    return sorted(of.ids, key=lambda one: (order.get(one[0], 0), one[0] == "user" and ":" in one[1]))


def decide(
    project: Project, who: tuple[str, str], give: Sequence[str], withdraw: Sequence[str], time: int, source: str,
    text_version: str | None, author: str,
) -> int:  # fmt: skip
    """Write that ``who`` gave and withdrew these purposes from ``time`` on. Returns how many decisions that were.

    Raises UsageError for a word that is no purpose, and for one that is given and withdrawn at once.
    """
    given, taken = [read_purpose(word) for word in give], [read_purpose(word) for word in withdraw]
    if both := set(given) & set(taken):
        raise UsageError(N_("{purpose} cannot be given and withdrawn at once."), purpose=sorted(both)[0])
    if project.erased.any([who]):
        raise UsageError(
            N_("This customer has been erased. When they are a customer again: polku forget --let-in, then once more.")
        )
    made = [Decision(*who, purpose, yes, time, source, text_version, author)
            for yes, purposes in ((True, given), (False, taken)) for purpose in purposes]  # fmt: skip
    written = project.consents.decide(made)
    facts = {"given": ", ".join(given), "withdrawn": ", ".join(taken), "source": source}
    project.audit.note(author, "consent.changed", "", {name: value for name, value in facts.items() if value})
    return written


def moment_of(project: Project, text: str | None) -> int:
    """A time as a person writes it, in microseconds; now where none is given. UsageError when it does not read."""
    if not text:
        return now()
    zone = project.journey().timezone if project.map_file.exists() else "UTC"
    read = read_times(pa.array([text], pa.string()), zone, now() + 86_400_000_000)
    if read.refused[0]:
        raise UsageError(N_("{text!r} is no time; write for example 2026-01-31 14:30."), text=text)
    return int(read.micros[0])
