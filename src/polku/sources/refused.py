"""The files of refused rows: each with its line and reason, so that they can be mended and imported again."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path

from polku.events.refusals import Refusal
from polku.sources.raw import LINE, REASON, Shape

#: Rows whose text cannot stand in a CSV file as it is: it would swallow the rows behind it.
UNRULY = frozenset({Refusal.OPEN_QUOTE, Refusal.TRUNCATED})
#: No more than this is kept: a file that was read wrongly from its first line need not be kept twice.
MOST = 1_000_000


class RefusedRows:
    """Writes ``<import>.csv`` (or ``.jsonl``) in the folder; files of another header get ``-2``, ``-3``.

    Nothing has its final name before :meth:`keep`; :meth:`drop` removes all.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self._files: dict[tuple[object, ...], tuple[Path, io.TextIOWrapper]] = {}
        self.kept: list[Path] = []
        self._rows = 0

    def add(self, shape: Shape, line: int, reason: Refusal, text: str) -> None:
        """One row, its text as it stood in the file (for Parquet: as CSV)."""
        if self._rows >= MOST:
            return
        self._rows += 1
        out = self._open(shape)
        if shape.format == "jsonl":
            out.write(_json_line(line, reason, text) + "\n")
            return
        delimiter = shape.delimiter or ","
        body = text.replace("\0", "")
        if reason in UNRULY and '"' in body:
            body = '"' + body.replace('"', '""') + '"'
        out.write(f"{line}{delimiter}{reason.name.lower()}{delimiter}{body}\n")

    def _open(self, shape: Shape) -> io.TextIOWrapper:
        key = (shape.format == "jsonl", shape.delimiter, shape.columns)
        if key not in self._files:
            self.folder.mkdir(parents=True, exist_ok=True)
            number = f"-{len(self._files) + 1}" if self._files else ""
            ending = "jsonl" if shape.format == "jsonl" else "csv"
            path = self.folder / f"{self.name}{number}.{ending}.part"
            out = path.open("w", encoding="utf-8", newline="")
            if ending == "csv":
                out.write(csv_line([LINE, REASON, *shape.columns], shape.delimiter or ",") + "\n")
            self._files[key] = (path, out)
        return self._files[key][1]

    def finish(self) -> None:
        """Bring everything to disk, under the unfinished names."""
        for _, out in self._files.values():
            out.flush()
            os.fsync(out.fileno())
            out.close()

    def keep(self) -> list[Path]:
        """Give the files their names. Returns them."""
        for path, _ in self._files.values():
            final = path.with_suffix("")
            path.replace(final)
            self.kept.append(final)
        self._files.clear()
        return self.kept

    def drop(self) -> None:
        """Remove what was not kept."""
        for path, out in self._files.values():
            out.close()
            path.unlink(missing_ok=True)
        self._files.clear()


def clean(folder: Path) -> None:
    """Remove what stopped imports left unfinished."""
    if folder.is_dir():
        for path in folder.glob("*.part"):
            path.unlink(missing_ok=True)


def csv_line(cells: Sequence[object], delimiter: str = ",") -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="").writerow(cells)
    return out.getvalue()


def _json_line(line: int, reason: Refusal, text: str) -> str:
    """The object with the line and reason in it; a line that is no object stays as it is, to be mended in place."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text.replace("\0", "")
    if not isinstance(value, dict) or "\\ud" in text.lower():  # half a surrogate pair cannot be written as UTF-8
        return text
    return json.dumps(
        {LINE: line, REASON: reason.name.lower(), **{k: v for k, v in value.items() if k not in (LINE, REASON)}},
        ensure_ascii=False,
    )
