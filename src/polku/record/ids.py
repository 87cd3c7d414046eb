"""What people see of identities: an id, a join and its evidence, an id in quarantine, what a change would make."""

from __future__ import annotations

import dataclasses
import datetime as dt

from polku.record.hashes import Kind, kind_of


@dataclasses.dataclass(frozen=True, slots=True)
class Id:
    """One raw id. kind: ``user``, ``anonymous`` or ``account``."""

    kind: Kind
    value: str
    number: int

    @property
    def mark(self) -> str:
        """How the audit log calls it: a number, which tells nobody who it was once the id is erased."""
        return f"#{self.number}"

    @property
    def names(self) -> str:
        """What it names a person by: its kind, or of a user id such as ``email:<hash>`` what it says it is."""
        return kind_of(self.value) if self.kind == "user" else self.kind


@dataclasses.dataclass(frozen=True, slots=True)
class Join:
    """Evidence that two ids are one customer's. ``time`` and ``evidence``: the earliest event that named both, or when
    and why a person (``said_by``) joined them. ``counts``: it does make one customer of them; it does not when it was
    undone, when an anonymous id belongs to another user, or when an id is in quarantine.
    """

    number: int
    weaker: Id
    stronger: Id
    time: dt.datetime
    evidence: str
    said_by: str | None
    counts: bool
    undone_at: dt.datetime | None
    undone_by: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class Held:
    """An id in quarantine, or once judged by a person. ``verdict``: ``held`` (by its cap), ``kept``, ``released``.

    ``reason``: the kind of which it had too many (empty: a person put it there), ``others``: how many it has by now.
    """

    id: Id
    customer: int
    verdict: str
    reason: str
    others: int
    since: dt.datetime
    said_by: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class Preview:
    """What a join, an undo or a verdict would make: the customers concerned with their ids, before and after."""

    before: dict[int, tuple[Id, ...]]
    after: dict[int, tuple[Id, ...]]

    @property
    def changes(self) -> bool:
        """Whether anything would change."""
        return self.before != self.after
