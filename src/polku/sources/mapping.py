"""What the user said about a file: which column is what. What is not said is guessed, and shown."""

from __future__ import annotations

import re
from collections.abc import Mapping as MappingOf
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from polku.errors import SourceError, nearest
from polku.language import N_


@dataclass(frozen=True)
class Mapping:
    """Names of columns (``None``: find out). ``currency``, ``source`` and ``channel`` may also be one word for all
    rows; ``value`` may be a product, ``"Quantity*UnitPrice"``; ``time`` a date and a clock, ``"date+time"``.

    ``rename``: event names in the file to names in history. ``keep_names``: translate no event names.
    ``properties``: the other columns to keep, None for all. ``decimal``: ``,`` or ``.``, where values do not tell.
    ``consent_source``: who asked for what the column ``consent`` says, which then becomes decisions.
    ``group_by``: rows that agree in this column are lines of one event; several columns with commas between.

    >>> Mapping(customer="asiakas", value="Quantity*UnitPrice").value
    'Quantity*UnitPrice'
    """

    customer: str | None = None
    event: str | None = None
    time: str | None = None
    anonymous: str | None = None
    account: str | None = None
    role: str | None = None
    session: str | None = None
    value: str | None = None
    currency: str | None = None
    source: str | None = None
    channel: str | None = None
    event_id: str | None = None
    consent: str | None = None
    consent_source: str | None = None
    event_name: str | None = None
    rename: MappingOf[str, str] = field(default_factory=dict)
    keep_names: bool = False
    properties: tuple[str, ...] | None = None
    traits: tuple[str, ...] = ()
    timezone: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    day_first: bool | None = None
    decimal: str | None = None
    group_by: str | None = None

    def __post_init__(self) -> None:
        if self.timezone is not None:
            try:
                ZoneInfo(self.timezone)
            except (ZoneInfoNotFoundError, ValueError, OSError) as error:
                raise SourceError(
                    N_("There is no time zone {timezone!r}. Write it as Europe/Helsinki or UTC."),
                    timezone=self.timezone,
                ) from error
        if self.decimal not in (None, ",", "."):
            raise SourceError(N_("The decimal mark is , or . and not {decimal!r}."), decimal=self.decimal)
        if self.event is not None and self.event_name is not None:
            raise SourceError(N_("--event names a column and --event-name one name for all rows: give one of them."))
        if self.event_name is not None and not self.event_name.strip():
            raise SourceError(N_("--event-name is empty."))
        object.__setattr__(self, "rename", MappingProxyType(dict(self.rename)))
        object.__setattr__(self, "traits", tuple(self.traits))
        if self.properties is not None:
            object.__setattr__(self, "properties", tuple(self.properties))

    def to_dict(self) -> dict[str, Any]:
        """What was said, for reports and the imports table."""
        said = {f.name: getattr(self, f.name) for f in fields(self)}
        return {
            k: dict(v) if k == "rename" else v
            for k, v in said.items()
            if v not in (None, (), False) and (k != "rename" or v)
        }


def column_of(name: str, columns: Sequence[str], option: str) -> str:
    """The column called ``name``, capitals aside. Raises SourceError that names those that exist and the nearest."""
    if name in columns:
        return name
    same = [c for c in columns if c.casefold() == name.strip().casefold()]
    if len(same) == 1:
        return same[0]
    close = nearest(name, columns)
    facts = {"option": option, "column": name, "columns": ", ".join(columns)}
    if close:
        raise SourceError(
            N_("{option}: the file has no column {column!r}. Did you mean {nearest!r}? Its columns: {columns}."),
            nearest=close,
            **facts,
        )
    raise SourceError(N_("{option}: the file has no column {column!r}. Its columns: {columns}."), **facts)


def product(text: str, columns: Sequence[str]) -> tuple[str, ...]:
    """``"Quantity*UnitPrice"`` as its columns; a column of that very name comes first.

    >>> product("a * b", ["a", "b"])
    ('a', 'b')
    """
    if text in columns or not re.search(r"[*×]", text):
        return (column_of(text, columns, "--value"),)
    return tuple(column_of(part.strip(), columns, "--value") for part in re.split(r"[*×]", text))


def together(text: str, columns: Sequence[str]) -> tuple[str, ...]:
    """``"date+time"`` as its columns; a column of that very name comes first."""
    if text in columns or "+" not in text:
        return (column_of(text, columns, "--time"),)
    return tuple(column_of(part.strip(), columns, "--time") for part in text.split("+"))


def grouping(text: str, columns: Sequence[str]) -> tuple[str, ...]:
    """``"InvoiceNo,Country"`` as its columns; a column of that very name comes first."""
    if text in columns or "," not in text:
        return (column_of(text, columns, "--group-by"),)
    return tuple(dict.fromkeys(column_of(part.strip(), columns, "--group-by") for part in text.split(",")))
