"""An event that meets a touchpoint, made from the touchpoint's own matcher, so that a note counts like any other event.

>>> from polku.journey.load import read_journey                              # doctest: +SKIP
>>> made(journey, "call").event                                              # doctest: +SKIP
'Call'
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from polku.journey.model import Journey, Match
from polku.journey.where import parse_where
from polku.journey.where_tree import (
    And,
    Cast,
    Compare,
    Expression,
    Field,
    Fold,
    IsNull,
    Like,
    Literal,
    Not,
    Or,
    Predicate,
    Truth,
)
from polku.trails.matching import PAGE, Matching

#: The source of what people note.
SOURCE = "people"
#: Channels where people meet a customer themselves: their touchpoints come first in the form.
FACE_TO_FACE = ("phone", "store", "chat", "mail", "event", "partner", "sms")


@dataclasses.dataclass
class Made:
    """The facts of an event that meets a touchpoint."""

    event: str
    channel: str | None = None
    value: float | None = None
    properties: dict[str, Any] = dataclasses.field(default_factory=dict)
    context: dict[str, Any] = dataclasses.field(default_factory=dict)

    def seen(self) -> dict[str, Any]:
        """As the ``where`` language sees it."""
        return {
            "event": self.event, "source": SOURCE, "channel": self.channel, "value": self.value,
            "properties": self.properties, "context": self.context,
        }  # fmt: skip

    def put(self, path: tuple[str, ...], value: Any) -> bool:
        """Set a field of the ``where`` language; False where a note cannot set it (its source is people)."""
        match path:
            case ("event",):
                self.event = str(value)
            case ("source",):
                return bool(value == SOURCE)
            case ("channel",):
                self.channel = str(value)
            case ("value",):
                self.value = float(value)
            case (("properties" | "context" | "traits") as column, *keys) if keys:
                into = self.properties if column == "properties" else self.context
                if column == "traits":
                    into = into.setdefault("traits", {})
                for key in keys[:-1]:
                    into = into.setdefault(key, {})
                into[keys[-1]] = value
            case _:
                return False
        return True


def made(journey: Journey, touchpoint: str) -> Made | None:
    """An event that is this touchpoint; None when its matchers cannot be met by hand.

    That is so for a touchpoint that is only planned, for one that events of another source make, and for one whose
    every event another touchpoint of the map claims first.
    """
    matching = Matching.of(journey)
    wanted = matching.touchpoints.index(touchpoint)
    point = next(t for _, _, t in journey.touchpoints() if t.id == touchpoint)
    for match in point.match:
        for tried in _attempts(match, point.channel):
            met = [i for i, matcher in enumerate(matching.matchers) if _meets(matcher, tried)]
            if matching.touchpoint(met) == wanted:
                return tried
    return None


def _meets(matcher: Any, tried: Made) -> bool:
    if not matcher.fits(tried.event):
        return False
    if matcher.paths and not matcher.meets_path(str(tried.context.get("page", {}).get("path", ""))):
        return False
    return matcher.where is None or matcher.where.compile()(tried.seen()) is True


def _attempts(match: Match, channel: str | None) -> Iterator[Made]:
    """Events that may meet a match: each of its names and paths, each way to satisfy its condition."""
    names = match.event or ((PAGE,) if match.path else ("Note Taken",))
    paths: tuple[str | None, ...] = tuple(path.replace("*", "").replace("?", "x") or "/" for path in match.path) or (
        None,
    )
    ways = list(_ways(parse_where(match.where).root)) if match.where else [{}]
    for name in names:
        for path in paths:
            for way in ways:
                tried = Made(name, channel)
                if path is not None:
                    tried.context["page"] = {"path": path}
                if all(tried.put(field, value) for field, value in way.items() if value is not None):
                    yield tried


#: So many ways to meet one condition are tried.
MOST_WAYS = 64


def _ways(node: Predicate, wanted: bool = True) -> Iterator[Mapping[tuple[str, ...], Any]]:
    """Values of fields with which a condition is likely ``wanted``; what they make of it is checked afterwards."""
    match node:
        case And(parts) if wanted:
            yield from _together(list(parts), True)
        case Or(parts) if not wanted:
            yield from _together(list(parts), False)
        case And(parts) | Or(parts):
            for part in parts:
                yield from _ways(part, wanted)
        case Not(part):
            yield from _ways(part, not wanted)
        case Truth(inner) if (field := _field(inner)) is not None:
            yield {field: wanted}
        case IsNull(inner) if (field := _field(inner)) is not None:
            yield {field: None if wanted else "1"}
        case Like(inner, pattern, _) if (field := _field(inner)) is not None:
            yield {field: pattern.replace("%", "").replace("_", "x") if wanted else "-"}
        case Compare(sign, left, right):
            yield from _compared(sign, left, right, wanted)


def _together(parts: list[Predicate], wanted: bool) -> Iterator[Mapping[tuple[str, ...], Any]]:
    """Ways that meet all parts, those that do not contradict each other."""
    ways: list[dict[tuple[str, ...], Any]] = [{}]
    for part in parts:
        ways = [
            {**before, **more}
            for before in ways
            for more in _ways(part, wanted)
            if all(before.get(field, value) == value for field, value in more.items())
        ][:MOST_WAYS]
    yield from ways


def _compared(sign: str, left: Expression, right: Expression, wanted: bool) -> Iterator[Mapping[tuple[str, ...], Any]]:
    if isinstance(left, Literal):
        left, right = right, left
        sign = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}.get(sign, sign)
    field = _field(left)
    if field is None or not isinstance(right, Literal):
        return
    if not wanted:
        sign = {"=": "!=", "!=": "=", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}[sign]
    value = right.value
    if sign in ("=", "<=", ">="):
        yield {field: value if isinstance(value, (str, bool, float)) else value.isoformat()}
    elif isinstance(value, bool):
        yield {field: not value}
    elif isinstance(value, float):
        yield {field: value - 1 if sign == "<" else value + 1}
    elif isinstance(value, str):
        yield {field: "" if sign == "<" else f"{value}x"}


def _field(node: Expression) -> tuple[str, ...] | None:
    while isinstance(node, (Cast, Fold)):
        node = node.inner
    return node.path if isinstance(node, Field) else None
