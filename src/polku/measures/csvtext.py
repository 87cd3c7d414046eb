"""Tables as CSV: RFC 4180, UTF-8 with a byte order mark (so that spreadsheets read the letters).

Times are ISO 8601 in UTC and numbers have points, whatever the reader's language: the file is for programs.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from polku.measures.answer import Table

MARK = "\ufeff"
#: A cell that begins with one of these would run as a formula in a spreadsheet (OWASP, CSV injection).
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def plain(value: Any) -> Any:
    """A value as it stands in the file.

    >>> plain("=HYPERLINK(1)"), plain(-3.5), plain(None)
    ("'=HYPERLINK(1)", -3.5, '')
    """
    if value is None:
        return ""
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, str) and value.startswith(FORMULA):
        return "'" + value
    return value


def lines(rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    for row in rows:
        buffer = io.StringIO()
        csv.writer(buffer).writerow([plain(v) for v in row])
        yield buffer.getvalue()


def table_rows(tables: Sequence[Table]) -> Iterator[Iterable[Any]]:
    """The tables one below the other, an empty line between them."""
    for place, table in enumerate(tables):
        if place:
            yield ()
        yield table.heads
        for row in table.rows:
            yield [cell.raw for cell in row]
