"""What every reader gives: batches of raw rows with their true line numbers, and the lines that are no rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from polku.events.refusals import Refusal

#: Columns that Polku adds to its files of refused rows; an import passes them by.
LINE, REASON = "_polku_line", "_polku_reason"


@dataclass(frozen=True)
class BadLine:
    """A line that is no row: its number (1 = the file's first line), why, and its text as far as it can be told."""

    line: int
    reason: Refusal
    text: str


@dataclass(frozen=True)
class RawBatch:
    """Rows as the file has them.

    ``columns``: name to Arrow array of equal lengths. ``json``: names whose texts are JSON values (nested or typed).
    ``rest``: JSON objects of all that stands in no column (JSON Lines), or None. ``lines`` int64[n]: where each row
    starts. ``text``: the rows' own lines, for the file of refused rows, where the reader has them. ``untyped``:
    every value is a text, whatever it means. ``done``: bytes read so far.
    """

    columns: dict[str, pa.Array]
    lines: npt.NDArray[np.int64]
    bad: tuple[BadLine, ...] = ()
    json: frozenset[str] = frozenset()
    rest: pa.Array | None = None
    text: Lines | None = None
    untyped: bool = False
    done: int = 0

    @property
    def rows(self) -> int:
        return len(self.lines)


@dataclass(frozen=True)
class Lines:
    """The bytes of each row: ``data[starts[i]:ends[i]]``."""

    data: bytes
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]

    def __getitem__(self, row: int) -> str:
        return self.data[int(self.starts[row]) : int(self.ends[row])].decode("utf-8", "replace").rstrip("\r\n")


@dataclass(frozen=True)
class Shape:
    """How a file is written, as found out or asked: shown to the reader."""

    format: str  # csv, jsonl, parquet
    columns: tuple[str, ...]
    compression: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    header: bool = True
    facts: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return {
            "format": self.format,
            "columns": list(self.columns),
            "compression": self.compression,
            "encoding": self.encoding,
            "delimiter": self.delimiter,
            "header": self.header,
        }


class Source(Protocol):
    """One file, opened: its shape, a sample for guessing, and its rows."""

    path: Path
    shape: Shape
    size: int  # bytes on disk

    def sample(self) -> pa.Table:
        """The first rows (at most about 10,000) with all columns."""
        ...

    def close(self) -> None:
        """Give back what is held open."""
        ...

    def batches(
        self, roles: Sequence[str], keep: Sequence[str] | None = None, typed: Sequence[str] = ()
    ) -> Iterator[RawBatch]:
        """All rows in file order. ``roles``: columns that are read as themselves; ``keep``: the other columns wanted
        (None: all); ``typed``: those of the roles whose JSON values keep their types (traits).
        """
        ...
