"""Where live guidance stands, and what a tick of it did."""

from __future__ import annotations

import dataclasses
from typing import Final

#: Counters of the state: that of identities which runs have followed, and the last restore that was seen to.
FOLLOWED: Final = "guidance_identity"
RESTORED: Final = "guidance_restored"


@dataclasses.dataclass(frozen=True, slots=True)
class Done:
    """What a tick did: events and timers taken, runs that changed, messages; ``more``: there is more to do at once."""

    events: int = 0
    timers: int = 0
    changes: int = 0
    messages: int = 0
    more: bool = False

    def __add__(self, other: Done) -> Done:
        return Done(
            self.events + other.events,
            self.timers + other.timers,
            self.changes + other.changes,
            self.messages + other.messages,
            other.more,
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """How far guidance has come: ``cursor`` (seq of the last event that was taken), ``passed`` (microseconds: time has
    passed for everyone up to it), ``followed`` (the counter of identities)."""

    cursor: int
    passed: int
    followed: int
