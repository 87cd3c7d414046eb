"""How far behind things are: what waits in the inbox, and how fast events come."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from polku.live.stream import Arrived

if TYPE_CHECKING:
    from polku.record.project import Project

#: Over how many seconds the rate of arrival is told.
SPAN = 60


@dataclasses.dataclass(frozen=True, slots=True)
class Lag:
    """``waiting`` events are in the inbox and not yet in history, the oldest for ``oldest`` seconds; the map counts
    them already. ``rate``: events a second over the last minute. ``last``: when the latest event arrived.
    """

    waiting: int
    oldest: float | None
    rate: float
    last: dt.datetime | None

    def to_dict(self) -> dict[str, Any]:
        return {
            "waiting": self.waiting,
            "oldest_seconds": self.oldest,
            "events_a_second": self.rate,
            "last": None if self.last is None else self.last.isoformat(),
        }


def lag_of(project: Project, rows: Sequence[Arrived], at: dt.datetime | None = None) -> Lag:
    """``rows``: the stream's, newest first; the rate is over what they span where that is less than a minute."""
    at = at or dt.datetime.now(dt.UTC)
    oldest = project.inbox.oldest()
    recent = [r for r in rows if (at - r.received_at).total_seconds() <= SPAN]
    span = float(SPAN)
    if recent and len(recent) == len(rows) > 1:
        span = max(1.0, (at - recent[-1].received_at).total_seconds())
    return Lag(
        waiting=project.inbox.waiting(),
        oldest=None if oldest is None else round(max(0.0, (at - oldest).total_seconds()), 1),
        rate=round(len(recent) / span, 2),
        last=rows[0].received_at if rows else None,
    )
