"""Lists and tables as files to take away; see :mod:`polku.measures.csvtext` for how they are written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from starlette.responses import Response, StreamingResponse

from polku.language import Reader
from polku.measures.answer import Table
from polku.measures.csvtext import MARK, lines, table_rows
from polku.web.answers import Answers, CustomerPage

CHUNK = 1000


def download(parts: Iterator[str], name: str) -> Response:
    def body() -> Iterator[bytes]:
        yield MARK.encode()
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


def tables_csv(tables: Sequence[Table], name: str) -> Response:
    """A measure's tables, one below the other with a line between them."""
    return download(lines(table_rows(tables)), name)
