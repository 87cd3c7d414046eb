"""Codes that a shop has made, out of a sheet: CSV with a column of codes, or one code a line."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from polku.errors import OfferError
from polku.language import N_

CODE: Final = (
    "code", "codes", "coupon", "coupon code", "discount code", "voucher", "koodi", "koodit", "alennuskoodi", "kuponki",
)  # fmt: skip
EXPIRES: Final = (
    "expires", "expires at", "expires on", "expiry", "expiry date", "valid until", "ends", "ends at", "end date",
    "vanhenee", "voimassa asti", "viimeinen päivä", "päättyy",
)  # fmt: skip
MOST_BYTES: Final = 200 << 20
_DAYS: Final = ("%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y")


def read_codes(path: Path, timezone: str) -> Iterator[tuple[str, int | None]]:
    """Codes of a file with the moment (microseconds) when each expires, None for none: a day is good to its end.

    Raises OfferError where the file cannot be read, or a day of it is none, with the line.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise OfferError(N_("{file} is longer than {most} bytes."), file=str(path), most=MOST_BYTES)
        text = path.read_text(encoding="utf-8-sig")
    except OSError as fault:
        raise OfferError(N_("{file} cannot be read: {fault}"), file=str(path), fault=fault.strerror or "") from fault
    except UnicodeDecodeError as fault:
        raise OfferError(N_("{file} is no text in UTF-8."), file=str(path)) from fault
    return _read(text, str(path), timezone)


def _read(text: str, name: str, timezone: str) -> Iterator[tuple[str, int | None]]:
    first = text.partition("\n")[0]
    sign = max("\t;,", key=first.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=sign)
    code, expires = 0, None
    for row in rows:
        if rows.line_num == 1:
            heads = [re.sub(r"[\s_-]+", " ", cell.strip().lower()) for cell in row]
            found = next((i for i, head in enumerate(heads) if head in CODE), None)
            if found is not None:
                code = found
                expires = next((i for i, head in enumerate(heads) if head in EXPIRES), None)
                continue
            if len(row) > 1:
                raise OfferError(
                    N_("{file} has several columns, and none is called code; it has: {columns}."), file=name,
                    columns=", ".join(cell.strip() for cell in row)[:300],
                )  # fmt: skip
        if len(row) > code and row[code].strip():
            said = row[expires].strip() if expires is not None and len(row) > expires else ""
            yield row[code].strip(), moment_of(said, timezone, name, rows.line_num) if said else None


def moment_of(said: str, timezone: str, name: str, line: int) -> int:
    """The end of a day, or a moment (ISO 8601), in microseconds. Raises OfferError.

    >>> moment_of("1.1.1970", "UTC", "a.csv", 2)
    86400000000
    """
    zone = ZoneInfo(timezone)
    for shape in _DAYS:
        try:
            day = dt.datetime.strptime(said, shape).replace(tzinfo=zone).date()
        except ValueError:
            continue
        after = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), zone)
        return int(after.timestamp()) * 1_000_000
    try:
        when = dt.datetime.fromisoformat(said)
    except ValueError as fault:
        raise OfferError(
            N_("{file}, line {line}: {found!r} is no day; write it as 2026-12-31."), file=name, line=line, found=said
        ) from fault
    return int((when if when.tzinfo else when.replace(tzinfo=zone)).timestamp() * 1_000_000)
