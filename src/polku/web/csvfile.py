"""Lists and tables as CSV: RFC 4180, UTF-8 with a byte order mark (so that spreadsheets read the letters).

Times are ISO 8601 in UTC and numbers have points, whatever the reader's language: the file is for programs."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterable, Iterator
from typing import Any

from starlette.responses import Response, StreamingResponse

from polku.language import Reader
from polku.web.answers import Answers, CustomerPage, MeasurePage

CHUNK = 1000
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


def download(parts: Iterator[str], name: str) -> Response:
    def body() -> Iterator[bytes]:
        yield b"\xef\xbb\xbf"
        for part in parts:
            yield part.encode()

    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"', "Cache-Control": "private, no-cache"}
    return StreamingResponse(body(), media_type="text/csv; charset=utf-8", headers=headers)


HEADS = ("customer", "id", "stage", "lapsed", "since", "last_seen", "events", "value")


def customers_csv(answers: Answers, reader: Reader, wanted: dict[str, Any]) -> Response:
    """Every customer of the list, not only one page of it.

    The first page is asked for before the answer begins: a list that cannot be made is an error page, not half a file.
    """
    first = answers.customers(reader, **wanted, limit=CHUNK, offset=0)

    def rows() -> Iterator[Iterable[Any]]:
        yield HEADS
        page: CustomerPage = first
        offset = 0
        while page.rows:
            for r in page.rows:
                lapsed = "yes" if r.lapsed else "no"
                yield r.key, r.name, r.stage, lapsed, r.since, r.last_seen, r.events, r.value
            offset += len(page.rows)
            if offset >= page.total:
                return
            page = answers.customers(reader, **wanted, limit=CHUNK, offset=offset)

    return download(lines(rows()), "customers")


def tables_csv(page: MeasurePage, name: str) -> Response:
    """A measure's tables, one below the other with a line between them."""

    def rows() -> Iterator[Iterable[Any]]:
        for place, table in enumerate(page.tables):
            if place:
                yield ()
            yield table.heads
            for row in table.rows:
                yield [cell.raw for cell in row]

    return download(lines(rows()), name)
