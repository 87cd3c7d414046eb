"""CSV files: delimiter, quoting, encoding and header found out and shown; every line that is no row told with its
number.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as arrow_csv

from polku.errors import SourceError
from polku.events.refusals import Refusal
from polku.events.times import read_times
from polku.language import N_
from polku.sources.files import BLOCK, Blocks, find_encoding, known_encoding
from polku.sources.raw import LINE, REASON, BadLine, Lines, RawBatch, Shape
from polku.sources.scan import scan

DELIMITERS = (",", ";", "\t", "|")
NAMED_DELIMITERS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}
QUOTE = '"'
SAMPLE_ROWS = 10_000
#: A line without an end this long means that the file is no text of lines.
LONGEST_LINE = 16 << 20
REPLACED = "\ufffd".encode()


class CsvSource:
    """One CSV file, opened: its shape is found out, nothing but its start has been read."""

    def __init__(
        self, path: Path, compression: str | None, encoding: str | None = None, delimiter: str | None = None
    ) -> None:
        self.path = path
        self.size = path.stat().st_size
        self._encoding = known_encoding(encoding) if encoding else find_encoding(path, compression)
        self._compression = compression
        head = next(iter(Blocks(path, compression, self._encoding, 1 << 20)), b"")
        text = head.decode("utf-8", "replace")
        self._skip = 0
        if (found := re.match(r"sep=(.)\r?\n", text)) is not None:  # Excel's own first line
            delimiter = delimiter or found[1]
            text = text[found.end() :]
            self._skip = 1
        self._delimiter = self._asked(delimiter) if delimiter else guess_delimiter(text)
        first = self._first(text)
        if first is None:
            raise SourceError(N_("{path} holds no lines."), path=str(path))
        self._header = looks_like_header(first)
        names = first if self._header else [f"column{i}" for i in range(1, len(first) + 1)]
        self._all = unique_names(names)
        self.columns = tuple(c for c in self._all if c not in (LINE, REASON))
        self.shape = Shape("csv", self.columns, compression, self._encoding, self._delimiter, self._header)

    def _first(self, text: str) -> list[str] | None:
        """The first line that is not empty, in columns."""
        try:
            return next((row for row in csv.reader(io.StringIO(text, None), delimiter=self._delimiter) if row), None)
        except csv.Error as error:
            raise SourceError(
                N_("{path} cannot be read as CSV: {reason}"), path=str(self.path), reason=str(error)
            ) from error

    def _asked(self, delimiter: str) -> str:
        mark = NAMED_DELIMITERS.get(delimiter, delimiter)
        if len(mark) != 1 or not mark.isascii() or mark in '"\r\n\0':
            raise SourceError(
                N_("The delimiter {delimiter!r} is not one character such as , ; | or tab."), delimiter=delimiter
            )
        return mark

    def close(self) -> None:
        """Nothing is held open between batches."""

    def sample(self) -> pa.Table:
        batch = next(self.batches(self.columns, block=1 << 20), None)
        columns = batch.columns if batch else {c: pa.array([], pa.string()) for c in self.columns}
        return pa.table(columns).slice(0, SAMPLE_ROWS)

    def batches(
        self, roles: Sequence[str], keep: Sequence[str] | None = None, typed: Sequence[str] = (), block: int = BLOCK
    ) -> Iterator[RawBatch]:
        wanted = [c for c in self.columns if keep is None or c in roles or c in keep]
        carry, line, first = b"", 1, True
        reading = Blocks(self.path, self._compression, self._encoding, block)
        source = iter(reading)
        current = next(source, b"")
        while True:
            following = next(source, b"")
            final = not following
            data = carry + current if carry else current
            rows = scan(data, self._delimiter, QUOTE, len(self._all), line, final)
            if not rows.consumed and len(data) > LONGEST_LINE:
                raise SourceError(
                    N_("{path} has a line of more than {size} MB: it is not a text of lines."),
                    path=str(self.path),
                    size=LONGEST_LINE >> 20,
                )
            carry, line = data[rows.consumed :], rows.line
            skip = 0
            if first and len(rows.starts):
                skip = self._skip + int(self._header)
                first = False
            yield self._batch(
                data,
                rows.starts[skip:],
                rows.ends[skip:],
                rows.fields[skip:],
                rows.lines[skip:],
                rows.open[skip:],
                wanted,
                final,
                reading.done,
            )
            if final:
                return
            current = following

    def _batch(
        self,
        data: bytes,
        starts: npt.NDArray[np.int64],
        ends: npt.NDArray[np.int64],
        fields: npt.NDArray[np.int32],
        lines: npt.NDArray[np.int64],
        open_: npt.NDArray[np.bool_],
        wanted: Sequence[str],
        final: bool,
        done: int,
    ) -> RawBatch:
        columns = len(self._all)
        reasons = np.zeros(len(starts), np.uint8)
        reasons[fields < columns] = Refusal.TOO_FEW_COLUMNS
        reasons[fields > columns] = Refusal.TOO_MANY_COLUMNS
        reasons[open_] = Refusal.OPEN_QUOTE
        if (
            final
            and len(starts)
            and int(ends[-1]) == len(data)
            and reasons[-1] in (Refusal.TOO_FEW_COLUMNS, Refusal.OPEN_QUOTE)
        ):
            reasons[-1] = Refusal.TRUNCATED
        mark(reasons, starts, data, b"\0", Refusal.NUL_BYTES)
        if self._encoding in ("utf-8", "ascii"):
            mark_broken(reasons, starts, ends, data)
        else:
            mark(reasons, starts, data, REPLACED, Refusal.BAD_ENCODING)
        good = reasons == 0
        if good.all():
            body = data[int(starts[0]) : int(ends[-1])] if len(starts) else b""
        else:
            body = b"\n".join(data[int(starts[a]) : int(ends[b - 1])] for a, b in _runs(good))
        table = self._parse(body, int(good.sum()))
        bad = tuple(
            BadLine(int(lines[i]), Refusal(int(reasons[i])), readable(data[int(starts[i]) : int(ends[i])]))
            for i in np.flatnonzero(~good).tolist()
        )
        return RawBatch(
            {
                c: table.column(c).combine_chunks() if table.column(c).num_chunks != 1 else table.column(c).chunk(0)
                for c in wanted
            },
            lines[good],
            bad,
            text=Lines(data, starts[good], ends[good]),
            untyped=True,
            done=done,
        )

    def _parse(self, body: bytes, rows: int) -> pa.Table:
        names = list(self._all)
        if not rows:
            return pa.table({c: pa.array([], pa.string()) for c in names})
        try:
            table = arrow_csv.read_csv(
                pa.BufferReader(body),
                read_options=arrow_csv.ReadOptions(column_names=names, block_size=len(body) + 64, use_threads=False),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=self._delimiter, quote_char=QUOTE, newlines_in_values=True
                ),
                convert_options=arrow_csv.ConvertOptions(
                    column_types={c: pa.string() for c in names},
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=True,
                    null_values=[""],
                    check_utf8=False,
                ),
            )
        except pa.ArrowInvalid as error:
            raise SourceError(
                N_("{path} cannot be read as CSV: {reason}"), path=str(self.path), reason=str(error)
            ) from error
        if table.num_rows != rows:
            raise SourceError(
                N_("{path} cannot be read as CSV: {reason}"),
                path=str(self.path),
                reason=f"{rows} rows were counted, {table.num_rows} read",
            )
        return table


def _runs(good: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """[start, end) of the runs of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], good.view(np.int8), [0]))))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def mark(
    reasons: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64], data: bytes, what: bytes, reason: Refusal
) -> None:
    """Mark the rows that hold the bytes ``what``."""
    at = data.find(what)
    while at >= 0:
        row = int(np.searchsorted(starts, at, side="right")) - 1
        if row >= 0:
            reasons[row] = reason
        following = int(starts[row + 1]) if row + 1 < len(starts) else len(data)
        at = data.find(what, max(following, at + 1))


def mark_broken(
    reasons: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64], data: bytes
) -> None:
    """Mark the rows that hold bytes which are no UTF-8."""
    row, end = 0, int(ends[-1]) if len(ends) else 0
    while row < len(starts):
        begin = int(starts[row])
        try:
            str(memoryview(data)[begin:end], "utf-8")
            return
        except UnicodeDecodeError as error:
            row = int(np.searchsorted(starts, begin + error.start, side="right")) - 1
        reasons[row] = Refusal.BAD_ENCODING
        row += 1


def readable(line: bytes) -> str:
    """A refused line's text; bytes that are no UTF-8 are most often Windows' letters."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("cp1252", "replace")


def guess_delimiter(text: str) -> str:
    """The delimiter with which the first lines have most columns and the same number of them.

    >>> guess_delimiter("a;b\\n1,5;2\\n")
    ';'
    """
    best, score = ",", 0.0
    for mark in DELIMITERS:
        counts = []
        try:
            for row in csv.reader(io.StringIO(text[: 64 << 10], None), delimiter=mark):
                if row:
                    counts.append(len(row))
                if len(counts) == 60:
                    break
        except csv.Error:
            pass
        if counts and counts[0] > 1:
            same = sum(c == counts[0] for c in counts) / len(counts)
            found = same * 10 + min(counts[0], 9) / 10
            if found > score:
                best, score = mark, found
    return best


def looks_like_header(first: Sequence[str]) -> bool:
    """Whether the first line names columns: none of its cells is a number or a time.

    >>> looks_like_header(["user_id", "time"]), looks_like_header(["17", "2026-01-01"])
    (True, False)
    """
    words = [w.strip() for w in first if w.strip()]
    if any(re.fullmatch(r"[+-]?\d+([.,]\d+)?", w) for w in words):
        return False
    times = read_times(pa.array(words, pa.string()), "UTC", 2**62)
    return not bool((times.refused == 0).any())


def unique_names(names: Sequence[str]) -> tuple[str, ...]:
    """Column names, each once: blanks cut, an empty one by its place, a repeated one numbered.

    >>> unique_names(["a", " a", ""])
    ('a', 'a_2', 'column3')
    """
    taken: list[str] = []
    for place, name in enumerate(names, 1):
        plain = name.strip().replace("\0", "") or f"column{place}"
        made, again = plain, 1
        while made in taken:
            again += 1
            made = f"{plain}_{again}"
        taken.append(made)
    return tuple(taken)
