"""Events of a large request that no step of the door has to look into, by columns: the fast road of the doors.

A protocol that can tell such events apart puts them here instead of among the arrivals; what then turns out to need a
look takes the slow road after all. Both roads give the same rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import numpy.typing as npt

from polku.events.door import MOST_AHEAD, Visit

if TYPE_CHECKING:
    from polku.kernels.glance import Bytes


class Plain(msgspec.Struct, kw_only=True):
    """n events as lists of n, named as the fields of Arrival; each has an id of its own, texts without NUL and within
    the bounds of the door, no ids but these, no address of the network and no word about consent.

    ``properties`` and ``context``: int64[n, 2], where they stand in ``data``. ``slow(place)`` puts the event of
    a place among the arrivals after all.
    """

    data: Bytes
    slow: Callable[[int], object]
    properties: npt.NDArray[np.int64]
    context: npt.NDArray[np.int64]
    places: list[int] = msgspec.field(default_factory=list)
    event: list[str] = msgspec.field(default_factory=list)
    time: list[int | None] = msgspec.field(default_factory=list)
    sent_at: list[int | None] = msgspec.field(default_factory=list)
    message_id: list[str] = msgspec.field(default_factory=list)
    anonymous_id: list[str | None] = msgspec.field(default_factory=list)
    user_id: list[str | None] = msgspec.field(default_factory=list)
    account_id: list[str | None] = msgspec.field(default_factory=list)
    session_id: list[str | None] = msgspec.field(default_factory=list)
    channel: list[str | None] = msgspec.field(default_factory=list)
    value: list[float | None] = msgspec.field(default_factory=list)
    currency: list[str | None] = msgspec.field(default_factory=list)
    consent: list[str | None] = msgspec.field(default_factory=list)
    source: str = ""
    received_at: int = 0

    def __len__(self) -> int:
        return len(self.places)

    def keep(self, which: list[int]) -> None:
        """Leave only these of the events."""
        for name in LISTS:
            column = getattr(self, name)
            setattr(self, name, [column[at] for at in which])
        self.properties, self.context = self.properties[which], self.context[which]


#: The fields that are lists of n.
LISTS = (
    "places", "event", "time", "sent_at", "message_id", "anonymous_id", "user_id", "account_id", "session_id",
    "channel", "value", "currency", "consent",
)  # fmt: skip


def enter_plain(plain: Plain, visit: Visit) -> None:
    """Take events through the door by columns, in place. Those that would be refused or changed leave: they go the slow
    road.
    """
    received = visit.received_at
    plain.source, plain.received_at = visit.source, received
    latest = received + MOST_AHEAD
    times = plain.time
    aside: list[int] = []
    for at, (time, sent) in enumerate(zip(times, plain.sent_at, strict=True)):
        if time is None:
            times[at] = received
            continue
        if sent is not None:
            time += received - sent
        if time > received:
            if time > latest:
                aside.append(at)
            time = received
        elif time < 0:
            aside.append(at)
        times[at] = time
    told = None if visit.permission is None else visit.permission.plain(plain.user_id, plain.anonymous_id, times)
    if told is None:
        plain.consent = [None] * len(plain)
    else:
        plain.consent, doubtful = told
        aside = sorted({*aside, *doubtful})
    if aside:
        for at in aside:
            plain.slow(plain.places[at])
        gone = set(aside)
        plain.keep([at for at in range(len(plain)) if at not in gone])
