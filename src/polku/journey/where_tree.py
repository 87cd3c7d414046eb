"""What a ``where`` says, as frozen values. Everything else (closures, SQL) is made from these.

Expressions have a kind. ``event``, ``source``, ``channel`` are texts and ``value`` is a number; what lies in
``properties``, ``context`` and ``traits`` is JSON, whose kind is known only when an event is looked at (None here).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator
from typing import Literal as OneOf

Kind = OneOf["text", "number", "boolean", "timestamp"]
Comparison = OneOf["=", "!=", "<", "<=", ">", ">="]
Value = str | float | bool | dt.datetime

#: Columns of history whose kind is fixed.
COLUMNS: dict[str, Kind] = {"event": "text", "source": "text", "channel": "text", "consent": "text", "value": "number"}
#: Columns that hold JSON.
JSON = ("properties", "context", "traits")


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """A column (``("event",)``) or a place in a JSON column (``("context", "campaign", "source")``)."""

    path: tuple[str, ...]
    column: int = dataclasses.field(default=1, compare=False, repr=False)  # 1-based place in the text

    @property
    def kind(self) -> Kind | None:
        return COLUMNS.get(self.path[0])


@dataclasses.dataclass(frozen=True, slots=True)
class Literal:
    """A text, a number, true or false, or a moment (aware, UTC)."""

    value: Value

    @property
    def kind(self) -> Kind:
        if isinstance(self.value, bool):
            return "boolean"
        if isinstance(self.value, str):
            return "text"
        return "timestamp" if isinstance(self.value, dt.datetime) else "number"


@dataclasses.dataclass(frozen=True, slots=True)
class Cast:
    """``inner::kind``; what cannot be read as that kind is null."""

    inner: Expression
    kind: Kind


@dataclasses.dataclass(frozen=True, slots=True)
class Fold:
    """``lower(inner)`` or ``upper(inner)``; letter by letter, so that the length never changes."""

    function: OneOf["lower", "upper"]
    inner: Expression

    @property
    def kind(self) -> Kind:
        return "text"


Expression = Field | Literal | Cast | Fold


@dataclasses.dataclass(frozen=True, slots=True)
class Compare:
    operator: Comparison
    left: Expression
    right: Expression


@dataclasses.dataclass(frozen=True, slots=True)
class Like:
    inner: Expression
    pattern: str
    ignore_case: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class IsNull:
    """Missing, or JSON's null. Never itself null."""

    inner: Expression


@dataclasses.dataclass(frozen=True, slots=True)
class Truth:
    """An expression that stands alone: true or false when it is a boolean, null otherwise."""

    inner: Expression


@dataclasses.dataclass(frozen=True, slots=True)
class And:
    parts: tuple[Predicate, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Or:
    parts: tuple[Predicate, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Not:
    part: Predicate


Predicate = Compare | Like | IsNull | Truth | And | Or | Not


def fields_of(node: Predicate | Expression) -> Iterator[Field]:
    """Every field named, left to right."""
    match node:
        case Field():
            yield node
        case Cast(inner) | Fold(_, inner) | Like(inner) | IsNull(inner) | Truth(inner):
            yield from fields_of(inner)
        case Compare(_, left, right):
            yield from fields_of(left)
            yield from fields_of(right)
        case And(parts) | Or(parts):
            for part in parts:
                yield from fields_of(part)
        case Not(part):
            yield from fields_of(part)
