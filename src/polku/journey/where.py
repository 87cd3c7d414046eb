"""The ``where`` language: a small typed subset of SQL's boolean expressions over one event.

    event = 'Product Viewed' and properties.price >= 50
    context.campaign.source in ('instagram', 'facebook') and not properties.coupon is null
    lower(traits.city) like 'hels%' or properties.quantity::number between 2 and 5

Fields are ``event``, ``source``, ``channel``, ``consent``, ``value``, and any depth of ``properties.…``, ``context.…``,
``traits.…`` (a name with other signs than letters, digits and ``_`` in double quotes: ``properties."utm-source"``).
Operators are ``= != <> < <= > >=``, ``and or not``, ``in``, ``between``, ``like`` and ``ilike`` (``%`` any text,
``_`` any sign), ``is null``, their ``not`` forms, casts to ``number``, ``text``, ``boolean`` and ``timestamp``,
``lower()`` and ``upper()``.

**The rule of comparing.** Like is compared with like. A JSON number compares as a number with a number, a text as a
text (by code point), true and false as booleans. Anything else is null, neither true nor false: with
``properties.price = '10'`` (a text), ``properties.price > 9`` is null and ``properties.price::number > 9`` is true.
What can be seen to mismatch without an event (``event = 5``, ``'10' > 9``) is an error. A missing field and JSON's
null are null; null spreads as in SQL (``null and false`` is false, ``null or true`` is true, ``not null`` is null),
and an event meets a ``where`` only when it is true. A moment is compared with a moment: ``properties.due::timestamp <
'2026-12-24'`` (ISO 8601; UTC where no zone is given).

Parsed by sqlglot in DuckDB's dialect, then checked against the list above; nothing else gets through, and nothing is
ever made by pasting the user's text.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from polku.journey.where_closure import compile_predicate
from polku.journey.where_duckdb import duckdb_sql
from polku.journey.where_tree import Field, Predicate, fields_of

#: Expressions that were parsed before: a map's are asked for by many.
_known: dict[str, Where] = {}
MOST_KNOWN = 5000


@dataclasses.dataclass(frozen=True, slots=True)
class Where:
    """A checked ``where``: its text and what it says."""

    text: str
    root: Predicate

    @property
    def fields(self) -> tuple[Field, ...]:
        """Every field named, left to right, with its column in the text."""
        return tuple(fields_of(self.root))

    def compile(self) -> Callable[[Mapping[str, Any]], bool | None]:
        """A function of one event (history's columns by name; properties, context and traits as dicts).

        It gives True, False, or None where that cannot be known.

        >>> meets = parse_where("properties.price > 9").compile()
        >>> [meets({"properties": {"price": p}}) for p in (10, 9, "10")]
        [True, False, None]
        """
        return compile_predicate(self.root)

    def to_duckdb(self, columns: Mapping[str, str] | None = None) -> str:
        """A boolean SQL expression of DuckDB over history's columns (``properties`` and ``context`` are JSON texts).

        ``columns`` gives the SQL of columns that are called otherwise, for example ``{"event": "h.event"}``. Traits are
        read from ``context.traits`` unless ``columns`` names a JSON column ``traits``, as profiles have.

        >>> parse_where("event = 'it''s'").to_duckdb()
        "(event = 'it''s')"
        """
        return duckdb_sql(self.root, columns)


def parse_where(text: str) -> Where:
    """The checked ``where``; raises ExpressionError with the facts ``text``, ``column`` (from 1), often ``nearest``."""
    text = str(text)
    found = _known.get(text)
    if found is None:
        from polku.journey.where_reader import read_where  # sqlglot: only when something is to be parsed

        found = Where(text, read_where(text))
        remember([found])
    return found


def remember(wheres: Iterable[Where]) -> None:
    """Take in expressions that need not be parsed again."""
    if len(_known) > MOST_KNOWN:
        _known.clear()
    _known.update((where.text, where) for where in wheres)
