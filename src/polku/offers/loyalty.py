"""The loyalty programme as the map defines it: what an event earns, which level points make, and since when.

All of it is a pure function of the ledger's entries: a changed map, a join of customers or its undo changes levels by
itself, and needs no table.

>>> from polku.journey.offers import Loyalty
>>> programme = Loyalty.model_validate({"earn": {"per": 1}, "levels": {"gold": {"from": 100}}})
>>> [level for level, _ in levels_by_points(programme)]
['gold']
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from polku.journey.offers import Earning, Level, Loyalty
from polku.journey.where import parse_where
from polku.offers.ledger import MOST, Entry, balance
from polku.record.clock import moment

MICRO: Final = 1_000_000
#: Entries that count for levels: what was earned, less what was taken back; what was spent or expired stays counted.
COUNTED: Final = ("earned", "referral", "by_hand", "taken_back")


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """A change of level: since ``time`` (microseconds) ``level``, None: none; ``points`` counted then."""

    time: int
    level: str | None
    points: int


@dataclasses.dataclass(frozen=True, slots=True)
class Standing:
    """How a customer stands at a moment. ``level``: its name; ``next``: the level above, with the ``missing`` points.
    ``until``: when the level ends as things are (None: never, or no level). ``expiring``: the points that expire next,
    at ``expires_at``."""

    balance: int
    counted: int
    level: str | None
    since: int | None
    until: int | None
    next: str | None
    missing: int
    expiring: int
    expires_at: int | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON; times as ISO 8601."""
        told = dataclasses.asdict(self)
        for name in ("since", "until", "expires_at"):
            told[name] = None if told[name] is None else moment(told[name]).isoformat()
        return told


def tag_of(earning: Earning) -> str:
    """What an earning is called in marks of the ledger: what it is about, whatever it gives."""
    said = repr((sorted(earning.event), earning.where, earning.per is not None, earning.value))
    return hashlib.blake2b(said.encode(), digest_size=6).hexdigest()


def meets(where: str | None, event: Mapping[str, Any]) -> bool:
    """Whether an event (as conditions read it) meets a ``where``; every event meets none."""
    return where is None or parse_where(where).compile()(event) is True


def trusts(where: str | None, event: Mapping[str, Any]) -> bool:
    """Whether an event comes from where the map takes its orders: it meets their ``where``, or nothing in that rules
    its source out. So that of an order which counts only as the shop's server tells it, nobody else tells that it was
    cancelled, or what it was worth.

    >>> trusts("source = 'shop' and value > 20", {"source": "shop", "value": 5, "properties": {}})
    True
    >>> trusts("source = 'shop' and value > 20", {"source": "web", "value": 50, "properties": {}})
    False
    """
    if meets(where, event):
        return True
    assert where is not None
    alone: dict[str, Any] = {"source": event.get("source"), "properties": {}, "context": {}, "traits": {}}
    return parse_where(where).compile()(alone) is not False


def value_of(earning: Earning, event: Mapping[str, Any]) -> Decimal | None:
    """The money that an earning by money counts of an event; None where there is none."""
    properties = event.get("properties") or {}
    return decimal(event.get("value") if earning.value is None else properties.get(earning.value))


def decimal(value: Any) -> Decimal | None:
    """A finite number as a Decimal; None for anything else.

    >>> decimal("12.50"), decimal(True), decimal("nan")
    (Decimal('12.50'), None, None)
    """
    if value is None or isinstance(value, bool):
        return None
    try:
        found = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def points_of(earning: Earning, value: Decimal | None, factor: float = 1.0) -> int:
    """The points that an earning gives: whole ones, parts are let go.

    >>> points_of(Earning(per=0.5), Decimal("19.90"), 2), points_of(Earning(points=50), None)
    (19, 50)
    """
    if earning.points is not None:
        return int(min(Decimal(MOST), Decimal(earning.points) * Decimal(str(factor))))
    if earning.per is None or value is None or value <= 0:
        return 0
    return int(min(Decimal(MOST), value * Decimal(str(earning.per)) * Decimal(str(factor))))


def kept_of(points: int, value: Decimal, refunded: Decimal) -> int:
    """The points of an order that stay when a part of its value went back.

    >>> kept_of(100, Decimal(50), Decimal(20)), kept_of(100, Decimal(50), Decimal(60))
    (60, 0)
    """
    if value <= 0 or refunded >= value:
        return 0
    return math.floor(points * (value - max(refunded, Decimal(0))) / value)


def levels_by_points(programme: Loyalty) -> list[tuple[str, Level]]:
    """The levels, the lowest first."""
    return sorted(programme.levels.items(), key=lambda pair: pair[1].from_)


def level_at(programme: Loyalty, counted: int) -> str | None:
    """The level that so many counted points make."""
    reached = [name for name, level in levels_by_points(programme) if level.from_ <= counted]
    return reached[-1] if reached else None


def _moves(programme: Loyalty, entries: Iterable[Entry]) -> list[tuple[int, int]]:
    """(time, points) of everything that changes the counted points, in order of time; what leaves the window too.

    What is taken back counts from the moment of the lot that it came out of, so that an order that went back never
    counted longer than the order itself.
    """
    window = programme.counted * MICRO
    entries = list(entries)
    lots = {entry.number: entry.time for entry in entries if entry.points > 0}
    moves: list[tuple[int, int]] = []
    for entry in entries:
        if entry.kind not in COUNTED:
            continue
        begins = entry.time if entry.out_of is None else lots.get(entry.out_of, entry.time)
        moves += [(max(entry.time, begins), entry.points), (max(begins + window, entry.time), -entry.points)]
    return sorted(moves)


def changes(programme: Loyalty, entries: Iterable[Entry], until: int | None = None) -> list[Change]:
    """Every change of level, in order of time, up to ``until`` (None: also those that are ahead, as things are)."""
    found: list[Change] = []
    counted, level = 0, None
    moves = _moves(programme, entries)
    for i, (time, points) in enumerate(moves):
        if until is not None and time > until:
            break
        counted += points
        if i + 1 < len(moves) and moves[i + 1][0] == time:
            continue
        now = level_at(programme, counted)
        if now != level:
            found.append(Change(time, now, counted))
            level = now
    return found


def standing(programme: Loyalty, entries: Iterable[Entry], at: int) -> Standing:
    """How a customer stands at a moment, by their entries."""
    entries = list(entries)
    counted = sum(points for time, points in _moves(programme, entries) if time <= at)
    over = changes(programme, entries)
    before = [change for change in over if change.time <= at]
    level = before[-1].level if before else None
    after = next((change for change in over if change.time > at), None)
    above = [(name, one) for name, one in levels_by_points(programme) if one.from_ > counted]
    expiring = sorted((e.expires_at, e.left) for e in entries if e.left and e.expires_at and e.expires_at > at)
    ends = expiring[0][0] if expiring else None
    return Standing(
        balance(entries, at), counted, level, before[-1].time if level else None,
        after.time if level and after is not None else None, above[0][0] if above else None,
        above[0][1].from_ - counted if above else 0, sum(left for time, left in expiring if time == ends), ends,
    )  # fmt: skip


def factor_at(programme: Loyalty, entries: Iterable[Entry], at: int) -> float:
    """By what the points are multiplied that a customer earns at a moment."""
    level = standing(programme, entries, at).level
    return programme.levels[level].earns if level is not None else 1.0


def rank(programme: Loyalty, level: str | None) -> int:
    """The place of a level among the others; -1 for none."""
    names = [name for name, _ in levels_by_points(programme)]
    return names.index(level) if level in names else -1
