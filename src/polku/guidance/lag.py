"""How far guidance is behind what has arrived, and its timers behind the clock."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from polku.guidance.timers import next_due
from polku.record import tables
from polku.record.clock import now

if TYPE_CHECKING:
    from polku.record.state import State

#: Counters of the state: how far guidance has come (seq), the moment up to which time has passed for everyone
#: (microseconds).
CURSOR: Final = "guidance"
PASSED: Final = "guidance_passed"


@dataclasses.dataclass(frozen=True, slots=True)
class Lag:
    """``events``: numbers of arrival after the cursor (0 where guidance never ran); ``seconds``: how late the oldest
    timer is."""

    events: int
    seconds: float


def lag(state: State, moment: int | None = None) -> Lag:
    """How far behind guidance is at ``moment`` (microseconds; now)."""
    at = now() if moment is None else moment
    with state.read() as connection:
        arrived = connection.execute(sa.select(sa.func.max(tables.inbox.c.last_seq))).scalar() or 0
        arrived = max(int(arrived), state.counter(connection, "moved"))
        ran = state.counter(connection, PASSED) > 0
        cursor = state.counter(connection, CURSOR)
        due = next_due(connection)
    return Lag(max(0, arrived - cursor) if ran else 0, 0.0 if due is None else max(0.0, (at - due) / 1e6))
