"""A ``where`` as a Python closure, for one event at a time.

The rules are those of ``where_duckdb``, and one table of cases in the tests holds both to them.
"""

from __future__ import annotations

import datetime as dt
import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from polku.journey.where_tree import (
    And,
    Cast,
    Compare,
    Expression,
    Field,
    Fold,
    IsNull,
    Kind,
    Like,
    Literal,
    Not,
    Or,
    Predicate,
    Truth,
    Value,
)

Event = Mapping[str, Any]
Test = Callable[[Event], bool | None]
Get = Callable[[Event], Any]

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
#: What a text must look like to be read as a number or a moment. The same patterns stand in the SQL (RE2 reads them).
NUMBER = r"[ ]*[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{1,4})?[ ]*"
_DAY = r"[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}"
_CLOCK = r"[ T]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,6})?)?"
MOMENT = rf"{_DAY}({_CLOCK})?"
ZONED = rf"{_DAY}{_CLOCK}(Z|[+-](0[0-9]|1[0-4])(:?[0-5][0-9])?)"
_NUMBER, _MOMENT = re.compile(NUMBER), re.compile(f"({ZONED}|{MOMENT})")


def compile_predicate(node: Predicate) -> Test:
    """A function of one event (its columns by name, JSON columns as dicts) that gives True, False or None."""
    match node:
        case And(parts):
            return _all([compile_predicate(p) for p in parts])
        case Or(parts):
            return _any([compile_predicate(p) for p in parts])
        case Not(part):
            return _not(compile_predicate(part))
        case IsNull(inner):
            get = raw(inner)
            return lambda event: get(event) is None
        case Truth(inner):
            return typed(inner, "boolean")
        case Like(inner, pattern, ignore_case):
            return _like(typed(inner, "text"), pattern, ignore_case)
        case Compare(sign, left, right):
            return _compare(OPERATORS[sign], left, right)


def _all(tests: list[Test]) -> Test:
    def test(event: Event) -> bool | None:
        answer: bool | None = True
        for one in tests:
            found = one(event)
            if found is False:
                return False
            if found is None:
                answer = None
        return answer

    return test


def _any(tests: list[Test]) -> Test:
    def test(event: Event) -> bool | None:
        answer: bool | None = False
        for one in tests:
            found = one(event)
            if found:
                return True
            if found is None:
                answer = None
        return answer

    return test


def _not(inner: Test) -> Test:
    def test(event: Event) -> bool | None:
        found = inner(event)
        return None if found is None else not found

    return test


def like_pattern(pattern: str) -> str:
    """LIKE's ``%`` and ``_`` as a regular expression."""
    return "".join({"%": ".*", "_": "."}.get(sign) or re.escape(sign) for sign in pattern)


def _like(get: Get, pattern: str, ignore_case: bool) -> Test:
    matches = re.compile(like_pattern(lower(pattern) if ignore_case else pattern), re.DOTALL).fullmatch

    def test(event: Event) -> bool | None:
        text = get(event)
        if text is None:
            return None
        return matches(lower(text) if ignore_case else text) is not None

    return test


def _compare(sign: Callable[[Any, Any], bool], left: Expression, right: Expression) -> Test:
    kind = left.kind or right.kind
    if kind is None:  # two JSON values: comparable when they are of one kind
        get, other = raw(left), raw(right)

        def dynamic(event: Event) -> bool | None:
            a, b = get(event), get(event) if other is get else other(event)
            for each in ("number", "text", "boolean"):
                x, y = KINDS[each](a), KINDS[each](b)
                if x is not None and y is not None:
                    return sign(x, y)
            return None

        return dynamic
    first = typed(left, kind)
    if isinstance(right, Literal):
        fixed = right.value

        def against(event: Event) -> bool | None:
            value = first(event)
            return None if value is None else sign(value, fixed)

        return against
    second = typed(right, kind)

    def test(event: Event) -> bool | None:
        a, b = first(event), second(event)
        return None if a is None or b is None else sign(a, b)

    return test


def raw(node: Expression) -> Get:
    """The value as it lies in the event, None when it is not there."""
    match node:
        case Field((column,)):
            return typed(node, node.kind or "text") if node.kind else (lambda event: event.get(column))
        case Field(("traits", *keys)):
            return _traits(tuple(keys))
        case Field((column, *keys)):
            return _inside(column, tuple(keys))
        case _:
            return typed(node, node.kind or "text")


def _inside(column: str, keys: tuple[str, ...]) -> Get:
    if len(keys) == 1:
        key = keys[0]

        def shallow(event: Event) -> Any:
            found = event.get(column)
            return found.get(key) if isinstance(found, Mapping) else None

        return shallow

    def deep(event: Event) -> Any:
        found = event.get(column)
        for key in keys:
            if not isinstance(found, Mapping):
                return None
            found = found.get(key)
        return found

    return deep


def _traits(keys: tuple[str, ...]) -> Get:
    """Traits stand in a column of their own in profiles, and under ``context`` in events."""
    own, in_context = _inside("traits", keys), _inside("context", ("traits", *keys))
    return lambda event: own(event) if "traits" in event else in_context(event)


def typed(node: Expression, kind: Kind) -> Get:
    """The value when it is of ``kind``, else None."""
    match node:
        case Literal(value):
            return lambda event: value
        case Cast(inner, to):
            get, convert = raw(inner), CASTS[to]
            return lambda event: convert(get(event))
        case Fold(function, inner):
            get, fold = typed(inner, "text"), lower if function == "lower" else upper

            def folded(event: Event) -> str | None:
                text = get(event)
                return None if text is None else fold(text)

            return folded
        case Field((column,)):
            read = KINDS[kind]
            return lambda event: read(event.get(column))
        case Field():
            get, read = raw(node), KINDS[kind]
            return lambda event: read(get(event))


def as_text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def as_number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:  # an integer beyond the range of floats
        return math.inf if value > 0 else -math.inf
    return None if math.isnan(number) else number


def as_boolean(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def as_moment(value: Any) -> dt.datetime | None:
    return value if isinstance(value, dt.datetime) else None


def to_text(value: Any) -> str | None:
    """A text as it is; ``true`` and ``false``; a number without decimals when it has none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    number = as_number(value)
    if number is not None:
        return str(int(number)) if abs(number) < 1e15 and number == math.trunc(number) else repr(number)
    return as_text(value)


def to_number(value: Any) -> float | None:
    """A number as it is, true is 1 and false 0, a text when it is a number with a decimal point, such as ``12.5``."""
    if isinstance(value, bool):
        return 1.0 if value else 0.0
    if isinstance(value, str):
        return as_number(float(value)) if _NUMBER.fullmatch(value) else None
    return as_number(value)


def to_boolean(value: Any) -> bool | None:
    """A boolean as it is, the texts ``true`` and ``false`` in any case, the numbers 1 and 0."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return {"true": True, "false": False}.get(lower(value))
    number = as_number(value)
    return None if number is None else {1.0: True, 0.0: False}.get(number)


def to_moment(value: Any) -> dt.datetime | None:
    """A text in ISO 8601, a date or a date and time; without a zone it is UTC."""
    if isinstance(value, dt.datetime):
        return value
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        return None
    try:
        found = dt.datetime.fromisoformat(value)
    except ValueError:  # 30 February
        return None
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


KINDS: dict[str, Callable[[Any], Value | None]] = {
    "text": as_text,
    "number": as_number,
    "boolean": as_boolean,
    "timestamp": as_moment,
}
CASTS: dict[Kind, Callable[[Any], Value | None]] = {
    "text": to_text,
    "number": to_number,
    "boolean": to_boolean,
    "timestamp": to_moment,
}


def lower(text: str) -> str:
    """Small letters, letter by letter (Unicode's simple mapping, as DuckDB's), so ``İ`` is ``i``."""
    if text.isascii():
        return text.lower()
    return "".join("i" if c == "İ" else c.lower() for c in text)


def upper(text: str) -> str:
    """Capital letters, letter by letter (Unicode's simple mapping, as DuckDB's), so ``ß`` is ``ẞ``."""
    return text.upper() if text.isascii() else "".join(_capital(c) for c in text)


def _capital(letter: str) -> str:
    if letter == "ß":
        return "ẞ"
    for capital in (letter.upper(), letter.title()):
        if len(capital) == 1:
            return capital
    return letter
