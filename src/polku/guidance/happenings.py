"""What rules listen to: something happened to a customer, at a time, and Polku learned of it at another."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

#: touchpoint: met one (``name``: its id); touchpoint_left: met another than before; failed: its ``fails`` was met;
#: stage_entered, stage_left, lapsed, won_back: changes of stage; segment: became a member; event: any event, by name;
#: timer: a moment that a run waited for; schedule: a time of the day, week or month that a rule named; date: a day
#: in the customer's own profile; score: a lead score crossed a bound; condition: what a run's conditions ask may have
#: changed (``name``: consent, traits, stage or segment).
Kind = Literal[
    "touchpoint", "touchpoint_left", "failed", "stage_entered", "stage_left", "lapsed", "won_back", "segment", "event",
    "timer", "schedule", "date", "score", "condition",
]  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened to one customer.

    time: when it happened; known: when Polku learned of it, never before it. Both microseconds since 1970 UTC.
    event: history's columns of the event that did it (``event``, ``source``, ``channel``, ``value``, ``consent``;
    ``properties``, ``context`` and ``traits`` as dicts), None where time alone did it. position: its ``seq``, or -1.
    """

    customer: int
    time: int
    known: int
    kind: Kind
    name: str
    event: Mapping[str, Any] | None = None
    position: int = -1

    @property
    def late(self) -> int:
        """Microseconds between happening and knowing."""
        return max(0, self.known - self.time)
