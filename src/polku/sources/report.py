"""What an import did, for people and programs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polku.events.refusals import Refusal
from polku.language import N_, Reader
from polku.sources.guess import Choice
from polku.sources.raw import Shape

MOST_EXAMPLES = 3
LONGEST_EXAMPLE = 200


@dataclass(frozen=True)
class Example:
    """One refused row: where it stands and how it begins."""

    file: str
    line: int
    text: str


@dataclass(frozen=True)
class Refused:
    """How many rows fell out for one reason."""

    reason: Refusal
    count: int
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class FileReport:
    """One file: its shape, the columns chosen with their reasons, and its counts."""

    path: str
    shape: Shape
    choices: tuple[Choice, ...]
    properties: tuple[str, ...]
    read: int
    stored: int
    duplicates: int
    refused: int
    joined: int = 0
    notes: tuple[tuple[str, tuple[tuple[str, Any], ...]], ...] = ()


@dataclass(frozen=True)
class ImportReport:
    """The whole import. ``read`` = ``stored`` + ``duplicates`` + the sum of ``refused`` + ``joined``, always.

    ``joined``: rows that are further lines of an event (``--group-by``). ``decisions``: about consent, that are new.
    ``first`` and ``last``: the stored events' time span (UTC). ``renamed``: the file's event name to its name in
    history and how many rows. ``version``: history's Delta version, None when nothing was stored.
    """

    id: str
    files: tuple[FileReport, ...]
    read: int
    stored: int
    duplicates: int
    refused: tuple[Refused, ...]
    without_customer: int
    new_customers: int
    first: dt.datetime | None
    last: dt.datetime | None
    events: Mapping[str, int]
    renamed: Mapping[str, tuple[str, int]]
    refused_files: tuple[Path, ...]
    seconds: float
    version: int | None
    joined: int = 0
    decisions: int = 0

    @property
    def refused_count(self) -> int:
        return sum(r.count for r in self.refused)

    def to_dict(self, language: str = "en") -> dict[str, Any]:
        """JSON-ready."""
        return {
            "import": self.id,
            "read": self.read,
            "stored": self.stored,
            "duplicates": self.duplicates,
            "refused": self.refused_count,
            "joined": self.joined,
            "decisions": self.decisions,
            "refusals": [
                {
                    "reason": r.reason.name.lower(),
                    "text": r.reason.text(language),
                    "count": r.count,
                    "examples": [{"file": e.file, "line": e.line, "text": e.text} for e in r.examples],
                }
                for r in self.refused
            ],
            "refused_files": [str(p) for p in self.refused_files],
            "without_customer": self.without_customer,
            "new_customers": self.new_customers,
            "first": self.first.isoformat() if self.first else None,
            "last": self.last.isoformat() if self.last else None,
            "events": dict(self.events),
            "renamed": {old: {"to": new, "rows": n} for old, (new, n) in self.renamed.items()},
            "files": [
                {
                    "path": f.path,
                    **f.shape.to_dict(),
                    "columns": {c.role: {"column": c.column, "why": c.why(language)} for c in f.choices},
                    "properties": list(f.properties),
                    "read": f.read,
                    "stored": f.stored,
                    "duplicates": f.duplicates,
                    "refused": f.refused,
                    "joined": f.joined,
                    "notes": [Reader(language)(text, **dict(facts)) for text, facts in f.notes],
                }
                for f in self.files
            ],
            "version": self.version,
            "seconds": round(self.seconds, 3),
        }

    def text(self, reader: Reader) -> str:
        """The report as the reader likes numbers and dates."""
        n = reader.number
        lines: list[str] = []
        shown: set[tuple[Any, ...]] = set()
        for file in self.files:
            key = (file.shape.format, file.shape.delimiter, tuple((c.role, c.column) for c in file.choices))
            if key not in shown:
                shown.add(key)
                lines += _mapping(file, reader)
        rate = n(round(self.read / self.seconds)) if self.seconds else "-"
        facts = {"stored": n(self.stored), "read": n(self.read), "seconds": n(round(self.seconds, 1)), "rate": rate}
        lines.append(reader(N_("Rows read: {read}, events stored: {stored} ({seconds} s, {rate} rows/s)."), **facts))
        if self.first and self.last:
            lines.append(
                reader(
                    N_("They happened from {first} to {last}."),
                    first=reader.time(self.first),
                    last=reader.time(self.last),
                )
            )
        lines.append(reader(N_("New customers: {count}."), count=n(self.new_customers)))
        if self.duplicates:
            lines.append(reader(N_("Left out because history has them already: {count}."), count=n(self.duplicates)))
        if self.joined:
            lines.append(reader(N_("Rows that are further lines of an event: {count}."), count=n(self.joined)))
        if self.without_customer:
            lines.append(
                reader(
                    N_("Rows that name no customer: {count}. They are kept in history and left out of journeys."),
                    count=n(self.without_customer),
                )
            )
        for old, (new, count) in list(self.renamed.items())[:12]:
            lines.append(
                reader(N_("  event {old} is {new} in history (rows: {count})"), old=old, new=new, count=n(count))
            )
        if len(self.renamed) > 12:
            lines.append(reader(N_("  and {count} more event names"), count=n(len(self.renamed) - 12)))
        if self.refused:
            lines.append(reader(N_("Refused rows: {count}"), count=n(self.refused_count)))
            for refused in self.refused:
                lines.append(f"  {n(refused.count)} × {refused.reason.text(reader.language)}")
                for example in refused.examples[:1]:
                    lines.append(
                        "    "
                        + reader(
                            N_("{file}, line {line}: {text}"),
                            file=example.file,
                            line=n(example.line),
                            text=example.text,
                        )
                    )
        for path in self.refused_files:
            told = N_("The refused rows are in {path}: mend them there and import that file with the same options.")
            lines.append(reader(told, path=str(path)))
        for file in self.files:
            lines += [reader(text, **dict(facts)) for text, facts in file.notes]
        return "\n".join(lines)


ROLES = {
    "customer": N_("customer"), "anonymous": N_("anonymous id"), "account": N_("account"), "role": N_("role"),
    "event": N_("event"), "time": N_("time"), "session": N_("session"), "value": N_("value"),
    "currency": N_("currency"), "source": N_("source"), "channel": N_("channel"), "event_id": N_("event's own id"),
    "consent": N_("consent"),
    "received_at": N_("received at"), "original_event": N_("original event"), "properties": N_("properties"),
    "context": N_("context"), "group_by": N_("lines of one event share"),
}  # fmt: skip
SHAPES = {
    "csv": N_("{file}: CSV, columns separated by {delimiter}, {encoding}"),
    "jsonl": N_("{file}: JSON Lines, {encoding}"),
    "parquet": N_("{file}: Parquet"),
}


def _mapping(file: FileReport, reader: Reader) -> list[str]:
    # in quotes: a bare comma before the sentence's own comma cannot be read
    delimiter = reader(N_("tabs")) if file.shape.delimiter == "\t" else f"'{file.shape.delimiter}'"
    lines = [
        reader(SHAPES[file.shape.format], file=Path(file.path).name, delimiter=delimiter, encoding=file.shape.encoding)
    ]
    for choice in file.choices:
        role = reader(ROLES[choice.role]) if choice.role in ROLES else choice.role
        lines.append(f"  {role}: {choice.column} ({choice.why(reader.language)})")
    if file.properties:
        names = ", ".join(file.properties[:20]) + (" ..." if len(file.properties) > 20 else "")
        lines.append("  " + reader(N_("kept as properties: {names}"), names=names))
    return lines
