"""A file by its path: the reader that fits it."""

from __future__ import annotations

from pathlib import Path

from polku.sources.csv import CsvSource
from polku.sources.files import kind_of
from polku.sources.jsonl import JsonLinesSource
from polku.sources.mapping import Mapping
from polku.sources.parquet import ParquetSource
from polku.sources.raw import Source


def open_source(path: Path, mapping: Mapping | None = None) -> Source:
    """CSV, Parquet or JSON Lines, plain or packed, told by the file's first bytes. Raises SourceError."""
    said = mapping or Mapping()
    format, compression = kind_of(path)
    if format == "parquet":
        return ParquetSource(path, compression)
    if format == "jsonl":
        return JsonLinesSource(path, compression, said.encoding)
    return CsvSource(path, compression, said.encoding, said.delimiter)
