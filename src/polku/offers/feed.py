"""Lists of products as shops give them: Google Merchant's XML (RSS 2.0 or Atom), its TSV, and CSV of any shop.

XML is read as it comes, by expat alone: a document type is refused, so nothing in a feed can name a file or unfold
into gigabytes.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Final
from xml.parsers import expat

from polku.errors import OfferError
from polku.language import N_
from polku.offers.catalogue import Given
from polku.offers.product import canonical, id_of, read_fields

#: Elements that hold one product.
ITEMS: Final = ("item", "entry")
CHUNK: Final = 1 << 18
#: A list may be so long when it is unpacked, in bytes.
MOST_BYTES: Final = 2 << 30
#: Signs of one value, and how deep elements may stand in one another.
LONGEST_VALUE: Final = 100_000
DEEPEST: Final = 50
_GZIP: Final = b"\x1f\x8b"
REASONS: Final[Mapping[str, str]] = {
    "no_id": N_("it has no id"), "no_name": N_("it has no name"),
}  # fmt: skip


class Products:
    """The products of a list, read one by one; afterwards ``refused`` counts those that are none, by reason.

    >>> rows = io.BytesIO(b"id;nimi;hinta\\nA1;Mekko;64,90\\n;Nimeton;1\\n")
    >>> products = Products(rows, "list.csv")
    >>> [(one.product_id, one.fields["price"]) for one in products], products.refused
    ([('A1', 64.9)], {'no_id': 1})
    """

    def __init__(self, source: IO[bytes], name: str) -> None:
        self.source, self.name = source, name
        self.refused: dict[str, int] = {}
        self.count = 0

    def __iter__(self) -> Iterator[Given]:
        """Raises OfferError where it does not read, with the line."""
        for row in _rows(self.source, self.name):
            key, fields = id_of(row), read_fields(row)
            reason = "no_id" if key is None else "no_name" if "name" not in fields else None
            if key is None or reason is not None:
                self.refused[reason or "no_id"] = self.refused.get(reason or "no_id", 0) + 1
                continue
            self.count += 1
            yield Given(key, fields)


def open_list(path: Path) -> IO[bytes]:
    """A file with products. Raises OfferError where it cannot be read."""
    try:
        return path.open("rb")
    except OSError as fault:
        raise OfferError(N_("{file} cannot be read: {fault}"), file=str(path), fault=fault.strerror or "") from fault


def _rows(source: IO[bytes], name: str) -> Iterator[dict[str, Any]]:
    stream = _unpacked(source)
    head = _first(stream, 4096)
    if not head.strip(b"\xef\xbb\xbf \r\n\t\x00"):
        raise OfferError(N_("{file} is empty."), file=name)
    looked = _Again(head, stream)
    start = head.lstrip(b"\xef\xbb\xbf\xff\xfe \r\n\t\x00")
    if start.startswith(b"<"):
        if start[:15].lower().startswith((b"<!doctype html", b"<html")):
            raise OfferError(N_("{file} is a web page and no list of products."), file=name)
        yield from _xml(looked, name)
    else:
        yield from _table(looked, head, name)


def _unpacked(source: IO[bytes]) -> IO[bytes]:
    start = source.read(2)
    source.seek(0)
    if start != _GZIP:
        return source
    return io.BufferedReader(gzip.GzipFile(fileobj=source))


def _first(stream: IO[bytes], count: int) -> bytes:
    try:
        return stream.read(count)
    except (OSError, EOFError) as fault:
        raise OfferError(N_("The list cannot be unpacked: {fault}"), fault=str(fault)) from fault


class _Again(io.RawIOBase):
    """A stream whose beginning was looked at, read from the beginning; it ends with an error when it is too long."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self._head, self._rest = head, rest
        self._read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        part = self._head[: len(buffer)] if self._head else _first(self._rest, len(buffer))
        self._head = self._head[len(part) :]
        self._read += len(part)
        if self._read > MOST_BYTES:
            raise OfferError(N_("The list is longer than {most} bytes."), most=MOST_BYTES)
        buffer[: len(part)] = part
        return len(part)


# -- XML ---------------------------------------------------------------------------------------------------------------


class _Reader:
    """expat's handlers: gathers the elements right under an item, by their plain names."""

    def __init__(self, name: str, parser: expat.XMLParserType) -> None:
        self.name, self.parser = name, parser
        self.done: list[dict[str, Any]] = []
        self.row: dict[str, Any] | None = None
        self.depth = 0
        self.inside = 0
        self.field = ""
        self.text: list[str] = []
        self.items = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise OfferError(
                N_("{file}, line {line}: the elements stand too deep in one another."),
                file=self.name, line=self.parser.CurrentLineNumber,
            )  # fmt: skip
        plain = name.rpartition(":")[2].lower()
        if self.row is None:
            if plain in ITEMS:
                self.row, self.inside, self.items = {}, self.depth, self.items + 1
            return
        if self.depth == self.inside + 1:
            self.field, self.text = plain, []
            if plain == "link" and attributes.get("rel", "alternate") == "alternate" and attributes.get("href"):  # Atom
                self.row.setdefault("link", attributes["href"])

    def end(self, name: str) -> None:
        if self.row is not None:
            if self.depth == self.inside:
                self.done.append(self.row)
                self.row = None
            elif self.depth == self.inside + 1 and self.field:
                text = "".join(self.text).strip()
                if text:
                    self.row.setdefault(self.field, text)
                self.field = ""
        self.depth -= 1

    def doctype(self, *_: Any) -> None:
        raise OfferError(
            N_("{file}, line {line}: it has a document type (<!DOCTYPE>), which no list of products needs."),
            file=self.name, line=self.parser.CurrentLineNumber,
        )  # fmt: skip

    def characters(self, text: str) -> None:
        if self.field and sum(map(len, self.text)) < LONGEST_VALUE:
            self.text.append(text)


def _xml(stream: io.RawIOBase, name: str) -> Iterator[dict[str, Any]]:
    parser = expat.ParserCreate()
    reader = _Reader(name, parser)
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler = reader.characters
    parser.StartDoctypeDeclHandler = reader.doctype
    parser.EntityDeclHandler = reader.doctype
    buffer = bytearray(CHUNK)
    ended = False
    while not ended:
        count = stream.readinto(buffer) or 0
        ended = not count
        try:
            parser.Parse(bytes(buffer[:count]), ended)
        except expat.ExpatError as fault:
            raise OfferError(
                N_("{file} does not read as XML, line {line}: {fault}"), file=name, line=fault.lineno,
                fault=expat.ErrorString(fault.code),
            ) from fault  # fmt: skip
        yield from reader.done
        reader.done.clear()
    if not reader.items:
        raise OfferError(N_("{file} has no product: no <item> (RSS) and no <entry> (Atom)."), file=name)


# -- tables ------------------------------------------------------------------------------------------------------------


def _table(stream: io.RawIOBase, head: bytes, name: str) -> Iterator[dict[str, Any]]:
    text = io.TextIOWrapper(io.BufferedReader(stream), encoding=_encoding(head), errors="replace", newline="")
    first = next(iter(head.decode(_encoding(head), "replace").splitlines()), "")
    signs = {sign: first.count(sign) for sign in "\t;,|"}
    sign = max(signs, key=lambda one: signs[one])
    csv.field_size_limit(LONGEST_VALUE)
    rows = csv.reader(text, delimiter=sign, strict=False)
    columns = [column.strip() for column in next(rows, [])]
    if "product_id" not in {canonical(c) for c in columns} and "sku" not in {canonical(c) for c in columns}:
        raise OfferError(
            N_("{file} has no column with the products' ids (id, product_id or sku); it has: {columns}."),
            file=name, columns=", ".join(columns)[:300] or "-",
        )  # fmt: skip
    try:
        for row in rows:
            if any(value.strip() for value in row):
                yield dict(zip(columns, row, strict=False))
    except csv.Error as fault:
        raise OfferError(
            N_("{file}, line {line}: {fault}"), file=name, line=rows.line_num, fault=str(fault)
        ) from fault  # fmt: skip


def _encoding(head: bytes) -> str:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    try:
        # the last letter may be cut in two by the end of the look
        head[: len(head) - 4 if len(head) == 4096 else None].decode("utf-8")
    except UnicodeDecodeError as fault:
        if fault.start < len(head) - 8:
            return "cp1252"
    return "utf-8-sig"
