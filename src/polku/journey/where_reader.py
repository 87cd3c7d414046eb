"""From the text of a ``where`` to its tree, by way of sqlglot's parser: what is not listed here is refused.

A module of its own because sqlglot takes half a second to import, which a start that needs no parsing does not pay.
"""

from __future__ import annotations

import math
from typing import Any, NoReturn

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError

from polku.errors import ExpressionError, nearest
from polku.journey.where_closure import to_moment
from polku.journey.where_tree import (
    COLUMNS,
    JSON,
    And,
    Cast,
    Compare,
    Comparison,
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
)
from polku.language import N_

LONGEST = 4000
MOST_NESTED = 40
MOST_CASTS = 3


def read_where(text: str) -> Predicate:
    """The tree of ``text``; raises ExpressionError with the facts ``text`` and ``column``."""
    return _Reader(text).read()


COMPARISONS: dict[type[exp.Expression], Comparison] = {
    exp.EQ: "=",
    exp.NEQ: "!=",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}
TURNED: dict[Comparison, Comparison] = {"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
KINDS: dict[str, Kind] = {
    "DECIMAL": "number",
    "DOUBLE": "number",
    "FLOAT": "number",
    "TEXT": "text",
    "VARCHAR": "text",
    "BOOLEAN": "boolean",
    "TIMESTAMP": "timestamp",
    "TIMESTAMPNTZ": "timestamp",
    "TIMESTAMPTZ": "timestamp",
}


class _Reader:
    """From sqlglot's tree to ours: one method for predicates, one for expressions; what is not listed is refused."""

    def __init__(self, text: str) -> None:
        self.text = text

    def fail(self, message: str, at: exp.Expression | int | None = None, **facts: Any) -> NoReturn:
        column = at + 1 if isinstance(at, int) else self.column(at)
        raise ExpressionError(message, **facts, text=self.text, column=column)

    def column(self, node: exp.Expression | None) -> int:
        """The 1-based place of the first name or literal of ``node`` that sqlglot knows the place of."""
        if node is None:
            return 1
        starts = [n.meta["start"] for n in node.walk() if "start" in n.meta]
        return min(starts, default=0) + 1

    def read(self) -> Predicate:
        if not self.text.strip():
            self.fail(N_("it is empty; write for example event = 'Order Completed'"))
        if len(self.text) > LONGEST:
            self.fail(N_("it is longer than {most} signs"), LONGEST, most=LONGEST)
        depth = 0
        for at, sign in enumerate(self.text):
            depth += (sign == "(") - (sign == ")")
            if depth > MOST_NESTED:
                self.fail(N_("it is nested more than {most} deep"), at, most=MOST_NESTED)
        try:
            trees = sqlglot.parse(self.text, dialect="duckdb")
        except ParseError as error:
            self.unparsed(error)
        except TokenError:
            self.fail(
                N_("a quotation mark is opened and not closed"), max(self.text.rfind("'"), self.text.rfind('"'), 0)
            )
        except RecursionError:
            self.fail(N_("it is nested more than {most} deep"), most=MOST_NESTED)
        if len(trees) != 1 or trees[0] is None:
            self.fail(N_("write one condition, without ;"), max(self.text.find(";"), 0))
        return self.predicate(trees[0])

    def unparsed(self, error: ParseError) -> NoReturn:
        first = error.errors[0] if error.errors else {}
        word = first.get("highlight") or ""
        at = max((first.get("col") or len(word)) - len(word), 0)
        if "\n" in self.text:
            at += sum(len(line) + 1 for line in self.text.split("\n")[: (first.get("line") or 1) - 1])
        if not word.strip():
            self.fail(N_("it ends too early"), len(self.text.rstrip()))
        self.fail(
            N_("it cannot be read at {found!r}; a name that is also a word of SQL goes into double quotes"),
            at,
            found=word,
        )

    def predicate(self, node: exp.Expression, depth: int = 0) -> Predicate:
        if depth > MOST_NESTED:
            self.fail(N_("it is nested more than {most} deep"), node, most=MOST_NESTED)
        match node:
            case exp.Paren():
                return self.predicate(node.this, depth + 1)
            case exp.And():
                return And(tuple(self.predicate(part, depth + 1) for part in node.flatten()))
            case exp.Or():
                return Or(tuple(self.predicate(part, depth + 1) for part in node.flatten()))
            case exp.Not():
                return Not(self.predicate(node.this, depth + 1))
            case exp.Like() | exp.ILike():
                return self.like(node)
            case exp.Is():
                if not isinstance(node.expression, exp.Null):
                    self.fail(N_("after is there can only be null or not null; compare with = true or = false"), node)
                return IsNull(self.expression(node.this))
            case exp.In():
                return self.member(node)
            case exp.Between():
                value = node.this
                if node.args.get("symmetric"):
                    self.fail(N_("{found} is not part of where"), node, found="between symmetric")
                low = self.compare(">=", value, node.args["low"])
                return And((low, self.compare("<=", value, node.args["high"])))
        if type(node) in COMPARISONS:
            return self.compare(COMPARISONS[type(node)], node.this, node.expression)
        return self.truth(node)

    def truth(self, node: exp.Expression) -> Truth:
        inner = self.expression(node)
        if inner.kind not in (None, "boolean"):
            self.fail(N_("this is a {kind}, not a condition; compare it with something"), node, kind=inner.kind)
        return Truth(inner)

    def like(self, node: exp.Like | exp.ILike) -> Predicate:
        inner, pattern = self.expression(node.this), node.expression
        if inner.kind not in (None, "text"):
            self.fail(N_("like needs a text, and this is a {kind}; cast it with ::text"), node, kind=inner.kind)
        if not (isinstance(pattern, exp.Literal) and pattern.is_string):
            self.fail(N_("after like there must be a text such as 'summer%'"), pattern)
        found = Like(inner, str(pattern.this), isinstance(node, exp.ILike))
        return Not(found) if node.args.get("negate") else found

    def member(self, node: exp.In) -> Predicate:
        if not node.expressions:
            self.fail(N_("after in there must be a list such as ('a', 'b')"), node)
        parts = tuple(self.compare("=", node.this, option) for option in node.expressions)
        return parts[0] if len(parts) == 1 else Or(parts)

    def compare(self, operator: Comparison, left_node: exp.Expression, right_node: exp.Expression) -> Compare:
        for side in (left_node, right_node):
            if isinstance(side.unnest(), exp.Null):
                self.fail(N_("nothing is ever equal to null; write is null or is not null"), left_node)
        left, right = self.expression(left_node), self.expression(right_node)
        if isinstance(left, Literal) and not isinstance(right, Literal):
            left, right, operator = right, left, TURNED[operator]
        if left.kind == "timestamp" and isinstance(right, Literal) and isinstance(right.value, str):
            right = self.moment(right.value, right_node)
        if left.kind and right.kind and left.kind != right.kind:
            self.fail(
                N_("a {left} is compared with a {right}, which is never true; cast one of them"),
                left_node,
                left=left.kind,
                right=right.kind,
            )
        if "timestamp" in (left.kind, right.kind) and None in (left.kind, right.kind):
            self.fail(N_("a timestamp is compared with a value that needs ::timestamp behind it"), left_node)
        return Compare(operator, left, right)

    def moment(self, text: str, node: exp.Expression) -> Literal:
        found = to_moment(text)
        if found is None:
            self.fail(
                N_("{found!r} is not a moment; write it as 2026-12-24 or 2026-12-24T18:00:00+02:00"), node, found=text
            )
        return Literal(found)

    def expression(self, node: exp.Expression, casts: int = 0) -> Expression:
        match node:
            case exp.Paren():
                return self.expression(node.this, casts)
            case exp.Column() | exp.Dot():
                return self.field(node)
            case exp.Literal():
                return Literal(str(node.this)) if node.is_string else self.number(node, 1.0)
            case exp.Neg(args={"this": exp.Literal(is_string=False) as number}):
                return self.number(number, -1.0)
            case exp.Boolean():
                return Literal(bool(node.this))
            case exp.Cast():
                return self.cast(node, casts)
            case exp.Lower() | exp.Upper():
                inner = self.expression(node.this, casts + 1)
                if inner.kind not in (None, "text"):
                    self.fail(N_("lower and upper need a text; cast it with ::text"), node)
                return Fold("lower" if isinstance(node, exp.Lower) else "upper", inner)
        self.refuse(node)

    def refuse(self, node: exp.Expression) -> NoReturn:
        if isinstance(node, exp.Sub):
            self.fail(N_("where does not subtract; a name with - in it goes into double quotes"), node)
        if isinstance(node, (exp.Bracket, exp.JSONExtract, exp.JSONExtractScalar)):
            self.fail(N_("write a place inside JSON with dots, such as properties.size"), node)
        if isinstance(node, exp.Null):
            self.fail(N_("write is null or is not null"), node)
        name = node.sql("duckdb")
        if isinstance(node, exp.Func):
            name = (str(node.this) if isinstance(node, exp.Anonymous) else node.sql_name()).lower()
        self.fail(N_("{found} is not part of where"), node, found=name if len(name) <= 60 else name[:57] + "...")

    def number(self, node: exp.Literal, sign: float) -> Literal:
        value = float(node.this)
        if not math.isfinite(value):
            self.fail(N_("the number {found} is too large"), node, found=str(node.this))
        return Literal(sign * value)

    def cast(self, node: exp.Cast, casts: int) -> Expression:
        if casts >= MOST_CASTS:
            self.fail(N_("too many casts and functions inside each other"), node)
        kind = KINDS.get(node.to.this.name if hasattr(node.to.this, "name") else "")
        if kind is None:
            found = node.to.sql("duckdb").lower()
            self.fail(N_("there is no kind {found!r}; cast to number, text, boolean or timestamp"), node, found=found)
        inner = self.expression(node.this, casts + 1)
        if kind == "timestamp" and isinstance(inner, Literal) and isinstance(inner.value, str):
            return self.moment(inner.value, node)
        if ("timestamp" in (kind, inner.kind) and inner.kind not in (None, "text", "timestamp")) or (
            inner.kind == "timestamp" and kind != "timestamp"
        ):
            self.fail(N_("a {left} cannot be cast to a {right}"), node, left=inner.kind, right=kind)
        return Cast(inner, kind)

    def field(self, node: exp.Expression) -> Field:
        parts = node.parts if isinstance(node, (exp.Column, exp.Dot)) else []
        if not all(isinstance(p, exp.Identifier) for p in parts):
            self.fail(N_("a field is written with names and dots, such as properties.size"), node)
        path = tuple(str(p.this) for p in parts)
        root, column = path[0], self.column(parts[0])
        if root in COLUMNS:
            if len(path) > 1:
                self.fail(N_("{root} has no parts; write it alone"), node, root=root)
            return Field(path, column)
        if root not in JSON:
            self.unknown(path, parts[0], column)
        if len(path) == 1:
            self.fail(N_("{root} holds many values; name one, such as {root}.size"), node, root=root)
        for key in path[1:]:
            if not key or any(sign in '"\\*' or ord(sign) < 32 for sign in key):
                self.fail(N_("{found!r} cannot be the name of a field"), node, found=key)
        return Field(path, column)

    def unknown(self, path: tuple[str, ...], first: exp.Identifier, column: int) -> NoReturn:
        known = ", ".join([*COLUMNS, *(f"{name}.…" for name in JSON)])
        facts: dict[str, Any] = {"found": path[0], "known": known, "text": self.text, "column": column}
        if first.quoted:
            raise ExpressionError(N_("there is no field {found!r}; a text goes into single quotes ('...')"), **facts)
        near = nearest(path[0], [*COLUMNS, *JSON])
        if near:
            raise ExpressionError(N_("there is no field {found!r}; did you mean {nearest!r}?"), nearest=near, **facts)
        if len(path) == 1:
            hint = f"properties.{path[0]}"
            raise ExpressionError(
                N_("there is no field {found!r}; did you mean {nearest!r}? There are {known}"), nearest=hint, **facts
            )
        raise ExpressionError(N_("there is no field {found!r}; there are {known}"), **facts)
