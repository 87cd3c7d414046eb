"""Which files are meant, what they are, and their bytes: patterns, compression, encoding."""

from __future__ import annotations

import codecs
import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from polku.errors import SourceError, nearest
from polku.language import N_

COMPRESSIONS = {".gz": "gzip", ".gzip": "gzip", ".zst": "zstd", ".zstd": "zstd", ".bz2": "bz2"}
FORMATS = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".tab": "csv", ".parquet": "parquet", ".pq": "parquet",
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl",
}  # fmt: skip
MAGIC = ((b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"BZh", "bz2"))
BLOCK = 8 << 20
#: Encodings tried after UTF-8; latin-1 reads anything and comes last.
WESTERN = ("cp1252", "latin-1")


def expand(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[Path]:
    """The files of names and patterns, patterns in order of name; every file once.

    Raises SourceError when a name or pattern meets nothing (with the nearest file that exists) or a folder is named.
    """
    wanted = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    found: dict[Path, None] = {}
    for one in wanted:
        name = os.path.expanduser(os.fspath(one))  # noqa: PTH111 - a pattern is not a path
        path = Path(name)
        if path.is_file():
            found[path] = None
            continue
        if path.is_dir():
            raise SourceError(
                N_("{path} is a folder. Name the files in it, for example {example}."),
                path=str(path),
                example=str(path / "*.csv"),
            )
        if glob.has_magic(name):
            matches = sorted(p for p in glob.glob(name, recursive=True) if Path(p).is_file())  # noqa: PTH207 - absolute patterns too
            if not matches:
                raise SourceError(N_("No file matches {pattern}."), pattern=name)
            found.update(dict.fromkeys(Path(m) for m in matches))
            continue
        close = _neighbour(path)
        if close:
            raise SourceError(N_("There is no file {path}. Did you mean {nearest}?"), path=str(path), nearest=close)
        raise SourceError(N_("There is no file {path}."), path=str(path))
    if not found:
        raise SourceError(N_("No file to import was named."))
    return list(found)


def _neighbour(path: Path) -> str | None:
    try:
        names = [p.name for p in path.parent.iterdir() if p.is_file()] if path.parent.is_dir() else []
    except OSError:
        return None
    close = nearest(path.name, names)
    return str(path.parent / close) if close else None


def kind_of(path: Path) -> tuple[str, str | None]:
    """(format, compression) by the file's first bytes, then by its name.

    Raises SourceError for what is not a format that Polku reads (a spreadsheet, a PDF, an empty file).
    """
    try:
        with path.open("rb") as f:
            head = f.read(8)
    except OSError as error:
        raise SourceError(
            N_("{path} cannot be read: {reason}"), path=str(path), reason=error.strerror or str(error)
        ) from error
    if not head:
        raise SourceError(N_("{path} is empty."), path=str(path))
    if head.startswith(b"PAR1"):
        return "parquet", None
    compression = next((name for magic, name in MAGIC if head.startswith(magic)), None)
    if head.startswith(b"PK\x03\x04") or head.startswith(b"\xd0\xcf\x11\xe0"):
        raise SourceError(
            N_(
                "{path} is a spreadsheet or a zip archive. Save the sheet as CSV, or unpack the archive, and import "
                "that."
            ),
            path=str(path),
        )
    if head.startswith(b"%PDF"):
        raise SourceError(N_("{path} is a PDF. Polku reads CSV, Parquet and JSON Lines."), path=str(path))
    suffixes = [s.lower() for s in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    format = FORMATS.get(suffixes[-1]) if suffixes else None
    with stream(path, compression) as f:
        first = read(f, 4096, path)
    if first.startswith(b"PAR1"):
        return "parquet", compression
    text = first.lstrip(codecs.BOM_UTF8 + b" \t\r\n")
    if format == "parquet":
        raise SourceError(N_("{path} is named like Parquet but is not: its first bytes are not PAR1."), path=str(path))
    if text.startswith(b"{"):
        return "jsonl", compression
    if text.startswith(b"[") and format in (None, "jsonl"):
        raise SourceError(
            N_(
                "{path} is one JSON list. Polku reads JSON Lines: one object a line, no brackets around: jq -c "
                "'.[]' does it."
            ),
            path=str(path),
        )
    return format if format in ("csv", "jsonl") else "csv", compression


def stream(path: Path, compression: str | None) -> Any:
    """The file's bytes, unpacked; SourceError where it cannot be opened."""
    try:
        return pa.input_stream(str(path), compression=compression)
    except OSError as error:
        raise SourceError(
            N_("{path} cannot be read: {reason}"), path=str(path), reason=error.strerror or str(error)
        ) from error


def read(f: Any, size: int, path: Path) -> bytes:
    """``size`` bytes of the unpacked stream; damaged or cut packing is told as an error of the source."""
    try:
        return bytes(f.read(size))
    except OSError as error:
        raise SourceError(
            N_(
                "{path} cannot be unpacked to its end: {reason} It is damaged or was not copied whole; "
                "nothing was imported."
            ),
            path=str(path),
            reason=str(error).rstrip(".") + ".",
        ) from error


def find_encoding(path: Path, compression: str | None) -> str:
    """``utf-8``, ``utf-16-le``, ``utf-16-be``, ``cp1252`` or ``latin-1``, from all of the file's bytes (first 256 MB).

    UTF-8 where every byte fits it. Where not, the one-byte encodings of Western Europe, unless nearly all of the file
    is UTF-8: then it is UTF-8 with a few broken lines, and those are refused.
    """
    with stream(path, compression) as f:
        block = read(f, BLOCK, path)
        if block.startswith(codecs.BOM_UTF16_LE) or block.startswith(codecs.BOM_UTF16_BE):
            return "utf-16-le" if block.startswith(codecs.BOM_UTF16_LE) else "utf-16-be"
        head = block[:4096]
        if len(head) >= 4 and head.count(0) > len(head) // 4:
            even, odd = head[::2].count(0), head[1::2].count(0)
            if odd > 4 * max(1, even):
                return "utf-16-le"
            if even > 4 * max(1, odd):
                return "utf-16-be"
        bom = block.startswith(codecs.BOM_UTF8)
        good = bad = seen = 0
        undefined = False
        carry = b""
        while block and seen < 256 << 20:
            seen += len(block)
            data = carry + block
            try:
                if not data.isascii():
                    good += len(data) - len(data.decode("utf-8"))
                carry = b""
            except UnicodeDecodeError:
                cut = _whole(data)
                carry, data = data[cut:], data[:cut]
                broken = data.decode("utf-8", "replace").count("\ufffd")
                bad += broken
                good += sum(1 for c in data.decode("utf-8", "ignore")[: 1 << 20] if c > "\x7f")
                undefined = undefined or any(c in data for c in b"\x81\x8d\x8f\x90\x9d")
            block = read(f, BLOCK, path)
        if carry:
            bad += 1
    if not bad or bom or good > 10 * bad:
        return "utf-8"
    return WESTERN[1] if undefined else WESTERN[0]


def _whole(data: bytes) -> int:
    """Where the last whole UTF-8 character of ``data`` ends, if the rest (at most 3 bytes) is the start of one."""
    for back in range(1, min(4, len(data) + 1)):
        byte = data[-back]
        if byte >= 0xC0:
            need = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(data) - back if back < need else len(data)
        if byte < 0x80:
            break
    return len(data)


def known_encoding(name: str) -> str:
    """The codec's own name. Raises SourceError for a name that is no encoding."""
    try:
        found = codecs.lookup(name).name
    except LookupError as error:
        raise SourceError(
            N_("There is no encoding {encoding!r}. Usual ones: utf-8, utf-16, cp1252 (Windows), iso-8859-15."),
            encoding=name,
        ) from error
    return {"utf-8-sig": "utf-8", "utf_8_sig": "utf-8"}.get(found, found)


class Blocks:
    """The file as blocks of UTF-8 bytes (UTF-8 files as they are, broken bytes included), without a byte-order mark.

    ``done``: bytes of the file on disk that were read so far.
    """

    def __init__(self, path: Path, compression: str | None, encoding: str, size: int = BLOCK) -> None:
        self.path, self.compression, self.encoding, self.size = path, compression, encoding, size
        self.done = 0

    def __iter__(self) -> Iterator[bytes]:
        decoder = (
            None if self.encoding in ("utf-8", "ascii") else codecs.getincrementaldecoder(self.encoding)("replace")
        )
        try:
            raw = pa.OSFile(str(self.path), "rb")
        except OSError as error:
            raise SourceError(
                N_("{path} cannot be read: {reason}"), path=str(self.path), reason=error.strerror or str(error)
            ) from error
        with raw, pa.CompressedInputStream(raw, self.compression) if self.compression else raw as f:
            first = True
            while block := read(f, self.size, self.path):
                self.done = raw.tell()
                if decoder is not None:
                    text = decoder.decode(block)
                    block = (text.removeprefix("\ufeff") if first else text).encode("utf-8", "replace")
                elif first:
                    block = block.removeprefix(codecs.BOM_UTF8)
                first = False
                if block:
                    yield block
            if decoder is not None and (rest := decoder.decode(b"", True)):
                yield rest.encode("utf-8", "replace")
