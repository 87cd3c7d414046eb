"""The small language of ``enter`` and ``segments``: what a customer has done, counted and summed, and how long ago.

    condition := all ("or" all)*
    all       := one ("and" one)*
    one       := "not" one | "(" condition ")" | atom
    atom      := "count" "(" names ")"       compare number ["within" duration]
               | "sum" "(" names-of-values ")" compare number ["within" duration]
               | "days_since" "(" names ")"  compare number
    names     := "*" | touchpoint ("," touchpoint)*           names-of-values := "*.value" | touchpoint ".value" (...)
    compare   := ">=" | ">" | "<=" | "<" | "=" | "!="         (also ≥ ≤ == <>)

Words may be in any case; names are ids of this map's touchpoints, and ``*`` is every touchpoint of the map.

What it means, at a moment m: ``count`` is the number of events of the named touchpoints in [m - within, m] (both ends
count; all of the past without ``within``), ``sum`` the sum of their values (an event without a value adds nothing, so
the sum of nothing is 0), ``days_since`` the days (of 86,400 s, with fractions) since the latest of them. When there
never was one, every comparison with ``days_since`` is false, whatever the operator: ``days_since(order) >= 30`` are
those who have ordered, but not lately; ``not days_since(order) < 30`` takes in those who never ordered.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Iterator
from typing import Any, Literal, NoReturn

from polku.errors import ExpressionError, nearest
from polku.journey.values import UnreadableError, duration
from polku.language import N_

Function = Literal["count", "sum", "days_since"]
Operator = Literal[">=", ">", "<=", "<", "=", "!="]

FUNCTIONS: tuple[Function, ...] = ("count", "sum", "days_since")
OPERATORS: dict[str, Operator] = {
    ">=": ">=", "≥": ">=", ">": ">", "<=": "<=", "≤": "<=", "<": "<", "=": "=", "==": "=",
    "!=": "!=", "<>": "!=", "≠": "!=",
}  # fmt: skip
#: ``touchpoints`` of an atom that was written with ``*`` and read without a map.
EVERY = ("*",)


@dataclasses.dataclass(frozen=True, slots=True)
class Atom:
    """``function(touchpoints) operator number [within seconds]``; ``columns``: where the names stand, from 1."""

    function: Function
    touchpoints: tuple[str, ...]
    operator: Operator
    number: float
    within: int | None = None
    columns: tuple[int, ...] = dataclasses.field(default=(), compare=False, repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class And:
    parts: tuple[Condition, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Or:
    parts: tuple[Condition, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Not:
    part: Condition


Condition = Atom | And | Or | Not


def parse_condition(text: str, touchpoints: Collection[str] | None = None) -> Condition:
    """The condition that ``text`` says.

    With ``touchpoints`` (the map's ids, in its order) every name is looked up and ``*`` becomes all of them; without,
    names are taken as they are and ``*`` stays ``EVERY``. Raises ExpressionError with the facts ``text`` and ``column``
    (1-based), and ``nearest`` where a name was meant.

    >>> parse_condition("count(order) >= 2 within 365d")
    Atom(function='count', touchpoints=('order',), operator='>=', number=2.0, within=31536000)
    >>> parse_condition("sum(order.value) > 500 within 365d and not days_since(order) >= 30").parts[1].part.function
    'days_since'
    """
    return _Parser(str(text), touchpoints).read()


def atoms(condition: Condition) -> Iterator[Atom]:
    """Every atom, left to right."""
    match condition:
        case Atom():
            yield condition
        case Not(part):
            yield from atoms(part)
        case And(parts) | Or(parts):
            for part in parts:
                yield from atoms(part)


_TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<word>[^\W\d]\w*)|(?P<number>\d+(?:[.,]\d+)?)|(?P<operator>>=|<=|!=|<>|==|[<>=≥≤≠])|(?P<mark>[(),.*-])"
)
_WITHIN = re.compile(r"\s*(\d+(?:[.,]\d+)?\s*[^\W\d]+)")
MOST_NESTED = 50


@dataclasses.dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int  # 0-based offset


class _Parser:
    """Recursive descent; one method a line of the grammar above."""

    def __init__(self, text: str, touchpoints: Collection[str] | None) -> None:
        self.text = text
        self.known = touchpoints
        self.tokens = self.split()
        self.place = 0
        self.depth = 0

    def split(self) -> list[_Token]:
        tokens, at = [], 0
        while at < len(self.text):
            found = _TOKEN.match(self.text, at)
            if not found:
                self.fail(N_("the sign {found!r} has no meaning here"), at, found=self.text[at])
            kind = str(found.lastgroup)
            if kind != "space":
                tokens.append(_Token(kind, found[0], at))
            at = found.end()
        tokens.append(_Token("end", "", len(self.text)))
        return tokens

    def fail(self, message: str, at: int, **facts: Any) -> NoReturn:
        raise ExpressionError(message, **facts, text=self.text, column=at + 1)

    @property
    def token(self) -> _Token:
        return self.tokens[self.place]

    def word(self, word: str) -> bool:
        """Step over ``word`` when it stands here."""
        if self.token.kind == "word" and self.token.text.lower() == word:
            self.place += 1
            return True
        return False

    def mark(self, mark: str) -> bool:
        if self.token.kind == "mark" and self.token.text == mark:
            self.place += 1
            return True
        return False

    def need(self, mark: str) -> None:
        if not self.mark(mark):
            self.unexpected(mark)

    def unexpected(self, expected: str) -> NoReturn:
        token = self.token
        if token.kind == "end":
            self.fail(N_("it ends where {expected!r} is needed"), token.at, expected=expected)
        self.fail(N_("{found!r} stands where {expected!r} is needed"), token.at, found=token.text, expected=expected)

    def read(self) -> Condition:
        if self.token.kind == "end":
            self.fail(N_("it is empty; write for example count(order) >= 2 within 365d"), 0)
        condition = self.any()
        if self.token.kind != "end":
            self.unexpected("and")
        return condition

    def any(self) -> Condition:
        parts = [self.all()]
        while self.word("or"):
            parts.append(self.all())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def all(self) -> Condition:
        parts = [self.one()]
        while self.word("and"):
            parts.append(self.one())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def one(self) -> Condition:
        self.depth += 1
        if self.depth > MOST_NESTED:
            self.fail(N_("it is nested more than {most} deep"), self.token.at, most=MOST_NESTED)
        condition: Condition
        if self.word("not"):
            condition = Not(self.one())
        elif self.mark("("):
            condition = self.any()
            self.need(")")
        else:
            condition = self.atom()
        self.depth -= 1
        return condition

    def atom(self) -> Atom:
        function = self.function()
        self.need("(")
        names, columns = self.names(function)
        self.need(")")
        operator = self.operator()
        number = self.number()
        return Atom(function, names, operator, number, self.within(function), columns)

    def function(self) -> Function:
        token = self.token
        if token.kind != "word":
            self.unexpected("count(...)")
        name = token.text.lower()
        if name not in FUNCTIONS:
            near = nearest(name, FUNCTIONS)
            message = N_("there is no {found!r}; there are count, sum and days_since")
            if near:
                message = N_("there is no {found!r}; did you mean {nearest!r}?")
            self.fail(message, token.at, found=token.text, nearest=near)
        self.place += 1
        return name

    def names(self, function: Function) -> tuple[tuple[str, ...], tuple[int, ...]]:
        names: list[str] = []
        columns: list[int] = []
        while True:
            token = self.token
            if token.kind == "word":
                self.place += 1
                names.append(self.look_up(token))
            elif self.mark("*"):
                names.extend(EVERY if self.known is None else self.known)
            else:
                self.fail(N_("the id of a touchpoint, or *, is missing here"), token.at)
            columns.extend([token.at + 1] * (len(names) - len(columns)))
            self.value_of(function, token)
            if not self.mark(","):
                break
        return tuple(names), tuple(columns)

    def look_up(self, token: _Token) -> str:
        if self.known is None or token.text in self.known:
            return token.text
        near = nearest(token.text, self.known)
        message = N_("there is no touchpoint {found!r} in this map")
        if near:
            message = N_("there is no touchpoint {found!r} in this map; did you mean {nearest!r}?")
        self.fail(message, token.at, found=token.text, nearest=near)

    def value_of(self, function: Function, name: _Token) -> None:
        """``.value`` stands behind a name in ``sum``, and nowhere else."""
        dot = self.token
        if not self.mark("."):
            if function == "sum":
                self.fail(N_("sum adds up values: write {name}.value"), name.at, name=name.text)
            return
        if not self.word("value"):
            self.fail(N_("only .value can stand behind a touchpoint's name"), dot.at)
        if function != "sum":
            self.fail(
                N_("{function} takes the touchpoint itself: write {name} without .value"),
                dot.at,
                function=function,
                name=name.text,
            )

    def operator(self) -> Operator:
        if self.token.kind != "operator":
            self.unexpected(">=")
        self.place += 1
        return OPERATORS[self.tokens[self.place - 1].text]

    def number(self) -> float:
        sign = -1.0 if self.mark("-") else 1.0
        if self.token.kind != "number":
            self.fail(N_("a number is missing here"), self.token.at)
        self.place += 1
        return sign * float(self.tokens[self.place - 1].text.replace(",", "."))

    def within(self, function: Function) -> int | None:
        at = self.token.at
        if not self.word("within"):
            return None
        if function == "days_since":
            self.fail(N_("days_since looks at all of the past and takes no within"), at)
        start = self.tokens[self.place - 1].at + len("within")
        found = _WITHIN.match(self.text, start)
        try:
            seconds = duration(found[1] if found else "")
        except UnreadableError:
            token = self.token
            message = N_("{found!r} is not a duration; write for example 365d, 12h or 3 months")
            self.fail(message, token.at, found=token.text)
        assert found
        while self.token.kind != "end" and self.token.at < found.end():
            self.place += 1
        return seconds
