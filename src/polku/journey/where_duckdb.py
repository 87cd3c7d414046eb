"""A ``where`` as a SQL expression of DuckDB over history's columns.

Made from the frozen tree, never from the user's text: names and texts are quoted here, operators come from a list.
A JSON value is read as one kind at a time, so that ``'10' > 9`` cannot mean what no one meant (see ``where``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from polku.journey.where_closure import MOMENT, NUMBER, ZONED
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
)

#: History's columns; its traits lie inside ``context``.
HISTORY = {
    "event": "event",
    "source": "source",
    "channel": "channel",
    "consent": "consent",
    "value": "value",
    "properties": "properties",
    "context": "context",
}
OPERATORS = {"=": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


def duckdb_sql(node: Predicate, columns: Mapping[str, str] | None = None) -> str:
    """The SQL of ``node``. ``columns`` maps a root (``event``, ``properties``, ``traits``) to its column's SQL."""
    return _Writer({**HISTORY, **(columns or {})}).predicate(node)


def quoted(text: str) -> str:
    """A SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


class _Writer:
    def __init__(self, columns: Mapping[str, str]) -> None:
        self.columns = columns

    def predicate(self, node: Predicate) -> str:
        match node:
            case And(parts):
                return "(" + " AND ".join(self.predicate(p) for p in parts) + ")"
            case Or(parts):
                return "(" + " OR ".join(self.predicate(p) for p in parts) + ")"
            case Not(part):
                return f"(NOT {self.predicate(part)})"
            case IsNull(inner):
                return f"({self.present(inner)} IS NULL)"
            case Truth(inner):
                return self.typed(inner, "boolean")
            case Like(inner, pattern, ignore_case):
                return f"({self.typed(inner, 'text')} {'ILIKE' if ignore_case else 'LIKE'} {quoted(pattern)})"
            case Compare(operator, left, right):
                return self.compare(OPERATORS[operator], left, right)

    def compare(self, operator: str, left: Expression, right: Expression) -> str:
        kind = left.kind or right.kind
        if kind:
            return f"({self.typed(left, kind)} {operator} {self.typed(right, kind)})"
        kinds: tuple[Kind, ...] = ("number", "text", "boolean")
        return (
            "coalesce(" + ", ".join(f"({self.typed(left, k)} {operator} {self.typed(right, k)})" for k in kinds) + ")"
        )

    def place(self, field: Field) -> tuple[str, str]:
        """The column's SQL and the JSON path of a field inside JSON."""
        root, *keys = field.path
        if root == "traits" and "traits" not in self.columns:
            root, keys = "context", ["traits", *keys]
        return self.columns[root], quoted("$" + "".join(f'."{key}"' for key in keys))

    def present(self, node: Expression) -> str:
        """Something that is NULL exactly when the value is missing or null."""
        if isinstance(node, Field) and node.kind is None:
            column, path = self.place(node)
            return f"nullif(json_type({column}, {path}), 'NULL')"
        return self.typed(node, node.kind or "text")

    def typed(self, node: Expression, kind: Kind) -> str:
        """The value as SQL of ``kind``, NULL when it is of another."""
        match node:
            case Literal(value):
                return literal(value)
            case Fold(function, inner):
                return f"{function}({self.typed(inner, 'text')})"
            case Cast(inner, to):
                return self.cast(inner, to)
            case Field(path) if node.kind:
                column = self.columns[path[0]]
                return f"(CASE WHEN NOT isnan({column}) THEN {column} END)" if kind == "number" else column
            case Field():
                return self.inside(node, kind)

    def inside(self, node: Field, kind: Kind) -> str:
        """A JSON value of ``kind``."""
        if kind == "timestamp":  # JSON has none
            return "CAST(NULL AS TIMESTAMP)"
        column, path = self.place(node)
        if kind == "number":
            # As it is written in JSON: a text stands in quotes there, so that it is no number. One pass over the JSON.
            return f"TRY_CAST(CAST(json_extract({column}, {path}) AS VARCHAR) AS DOUBLE)"
        json_kind, text = ("VARCHAR", "{0}") if kind == "text" else ("BOOLEAN", "TRY_CAST({0} AS BOOLEAN)")
        value = text.format(f"json_extract_string({column}, {path})")
        return f"(CASE WHEN json_type({column}, {path}) = '{json_kind}' THEN {value} END)"

    def cast(self, inner: Expression, to: Kind) -> str:
        kinds: tuple[Kind, ...] = (inner.kind,) if inner.kind else ("text", "number", "boolean")
        ways = [CASTS[kind, to].format(self.typed(inner, kind)) for kind in kinds if (kind, to) in CASTS]
        if not ways:
            return f"CAST(NULL AS {SQL_TYPES[to]})"
        return ways[0] if len(ways) == 1 else "coalesce(" + ", ".join(ways) + ")"


def literal(value: str | float | bool | dt.datetime) -> str:
    """A value as SQL."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, dt.datetime):
        return f"TIMESTAMP '{value.astimezone(dt.UTC).replace(tzinfo=None).isoformat(' ')}'"
    return f"CAST('{float(value)!r}' AS DOUBLE)"


SQL_TYPES: dict[Kind, str] = {"text": "VARCHAR", "number": "DOUBLE", "boolean": "BOOLEAN", "timestamp": "TIMESTAMP"}

# Regular expressions hold braces, which str.format would read: they are doubled.
_NUMBER, _MOMENT, _ZONED = (quoted(p).replace("{", "{{").replace("}", "}}") for p in (NUMBER, MOMENT, ZONED))

#: (from, to) -> SQL with ``{0}`` for the inner expression; a pair that is not here is never more than null.
CASTS: dict[tuple[Kind, Kind], str] = {
    ("text", "text"): "{0}",
    ("number", "text"): (
        "(CASE WHEN {0} = trunc({0}) AND abs({0}) < 1e15 THEN CAST(CAST({0} AS BIGINT) AS VARCHAR)"
        " ELSE CAST({0} AS VARCHAR) END)"
    ),
    ("boolean", "text"): "(CASE WHEN {0} THEN 'true' WHEN NOT {0} THEN 'false' END)",
    ("number", "number"): "{0}",
    ("text", "number"): (f"(CASE WHEN regexp_full_match({{0}}, {_NUMBER}) THEN TRY_CAST({{0}} AS DOUBLE) END)"),
    ("boolean", "number"): "(CASE WHEN {0} THEN 1e0 WHEN NOT {0} THEN 0e0 END)",
    ("boolean", "boolean"): "{0}",
    ("text", "boolean"): "(CASE lower({0}) WHEN 'true' THEN true WHEN 'false' THEN false END)",
    ("number", "boolean"): "(CASE {0} WHEN 1 THEN true WHEN 0 THEN false END)",
    ("timestamp", "timestamp"): "{0}",
    ("text", "timestamp"): (
        f"(CASE WHEN regexp_full_match({{0}}, {_ZONED}) THEN TRY_CAST({{0}} AS TIMESTAMPTZ) AT TIME ZONE 'UTC'"
        f" WHEN regexp_full_match({{0}}, {_MOMENT}) THEN TRY_CAST({{0}} AS TIMESTAMP) END)"
    ),
}
