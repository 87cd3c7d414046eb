"""A list of consents from a file: what an e-mail tool or a consent tool exports, one decision a row."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from polku.errors import SourceError
from polku.events.purposes import granted, purpose_of
from polku.events.times import read_times
from polku.language import N_
from polku.record.clock import now
from polku.record.consents import Decision
from polku.record.contacts import Contact, Kind

if TYPE_CHECKING:
    from polku.record.project import Project

#: What a column may be called, in lower case.
NAMES: Final[dict[str, tuple[str, ...]]] = {
    "id": ("id", "customer", "customer_id", "user_id", "userid", "user", "asiakas", "asiakasnumero"),
    "email": ("email", "e-mail", "email address", "email_address", "sähköposti", "sähköpostiosoite", "sahkoposti"),
    "phone": ("phone", "phone_number", "mobile", "puhelin", "puhelinnumero", "gsm"),
    "purpose": ("purpose", "category", "tarkoitus", "suostumus"),
    "granted": ("granted", "consent", "status", "state", "value", "annettu", "tila", "subscribed"),
    "time": ("time", "timestamp", "date", "confirm_time", "optin_time", "opted_in_at", "updated_at", "aika", "päivä"),
    "source": ("source", "origin", "lähde"),
    "text_version": ("text_version", "version", "tekstiversio", "versio"),
}
#: What e-mail tools call a decision, besides yes and no.
WORDS: Final = {
    "subscribed": True, "active": True, "opted in": True, "confirmed": True, "annettu": True, "tilaaja": True,
    "unsubscribed": False, "withdrawn": False, "opted out": False, "cleaned": False, "peruttu": False,
    "peruutettu": False, "kielletty": False,
}  # fmt: skip
MOST_FAULTS: Final = 20


@dataclasses.dataclass(frozen=True, slots=True)
class Listed:
    """What an import of a list did: rows read, decisions written, decisions that were known already."""

    read: int
    written: int
    known: int


def import_list(
    project: Project, path: Path, *, purpose: str | None = None, source: str | None = None,
    text_version: str | None = None, author: str = "",
) -> Listed:  # fmt: skip
    """Read a CSV of decisions; all of it or, when a row cannot be understood, nothing.

    ``purpose``, ``source`` and ``text_version`` hold for rows that name none. A second import of the same file adds
    nothing. Raises SourceError with the lines that are wrong.
    """
    text = path.read_text(encoding="utf-8-sig")
    try:
        dialect: Any = csv.Sniffer().sniff(text[:10_000], delimiters=",;\t")
    except csv.Error:
        dialect = csv.excel  # one column, or too short to tell
    rows = list(csv.DictReader(io.StringIO(text), dialect=dialect))
    columns = _columns(path, list(rows[0]) if rows else [])
    times = _times(project, [row.get(columns.get("time", "")) or None for row in rows])
    faults: list[str] = []
    made: list[Decision] = []
    for number, row in enumerate(rows):
        cell = {name: (row.get(column) or "").strip() for name, column in columns.items()}
        who = _who(project, cell)
        what = purpose_of(cell["purpose"]) if cell.get("purpose") else purpose
        yes = _granted(cell.get("granted", "yes") or "yes")
        if who is not None and project.erased.any([who]):
            continue  # erased: no list brings them back
        if who is None or what is None or yes is None or times[number] is None:
            faults.append(str(number + 2))
            continue
        made.append(
            Decision(
                *who, what, yes, times[number] or 0, cell.get("source") or source or f"list:{path.name}",
                cell.get("text_version") or text_version, author,
            )
        )  # fmt: skip
    if faults:
        raise SourceError(
            N_(
                "{file}: {count} rows cannot be understood (lines {lines}); each needs an id, an e-mail address or a "
                "phone number, a purpose (or --purpose), yes or no, and a time that reads. Nothing was imported."
            ),
            file=path.name, count=len(faults), lines=", ".join(faults[:MOST_FAULTS]),
        )  # fmt: skip
    with project.state.write() as connection:
        project.contacts.write(connection, _contacts(project, rows, columns, path))
    fresh = _news(project, made)
    for at in range(0, len(fresh), 100_000):
        project.consents.decide(fresh[at : at + 100_000])
    return Listed(len(rows), len(fresh), len(made) - len(fresh))


def _columns(path: Path, names: Sequence[str]) -> dict[str, str]:
    low = {name.strip().lower(): name for name in names if name}
    found: dict[str, str] = {}
    for meaning, words in NAMES.items():
        for word in words:
            if word in low and low[word] not in found.values():
                found[meaning] = low[word]
                break
    if not {"id", "email", "phone"} & set(found):
        raise SourceError(
            N_("{file}: no column names the customer; there are {columns}. Call one id, email or phone."),
            file=path.name,
            columns=", ".join(names) or "-",
        )
    return found


def _who(project: Project, cell: dict[str, str]) -> tuple[str, str] | None:
    addresses = project.contacts.addresses
    value = cell.get("id", "")
    if value and addresses.found("email", value) is None:
        return "user", value
    for kind, text in (("email", cell.get("email") or value), ("phone", cell.get("phone", ""))):
        if text and (found := addresses.found("email" if kind == "email" else "phone", text)) is not None:
            return "user", f"{kind}:{found[1]}"
    return None


def _contacts(project: Project, rows: list[dict[str, Any]], columns: dict[str, str], path: Path) -> list[Contact]:
    """The addresses of the list: who may be written to must have one."""
    at = now()
    found: dict[tuple[str, str], Contact] = {}
    for name in ("email", "phone", "id"):
        for row in rows if name in columns else ():
            text = (row.get(columns[name]) or "").strip()
            if name == "id" and "@" not in text:
                continue
            kind: Kind = "phone" if name == "phone" else "email"
            address = project.contacts.addresses.found(kind, text)
            if address is not None and not project.erased.any([(kind, address[1])]):
                found[kind, address[1]] = Contact(kind, address[1], address[0], at, at, f"list:{path.name}")
    return list(found.values())


def _granted(text: str) -> bool | None:
    known = WORDS.get(text.lower())
    return granted(text) if known is None else known


def _times(project: Project, texts: list[str | None]) -> list[int | None]:
    """Microseconds of each time; a row without one is decided now."""
    moment = now()
    zone = project.journey().timezone if project.map_file.exists() else "UTC"
    read = read_times(pa.array(texts, pa.string()), zone, moment + 86_400_000_000)
    return [
        moment if text is None else int(micros) if not refused else None
        for text, micros, refused in zip(texts, read.micros.tolist(), read.refused.tolist(), strict=True)
    ]


def _news(project: Project, made: list[Decision]) -> list[Decision]:
    """Those that are not kept yet, word for word."""
    known: set[tuple[Any, ...]] = set()
    for at in range(0, len(made), 10_000):
        known |= {_same(d) for d in project.consents.of([(d.kind, d.value) for d in made[at : at + 10_000]])}
    return [d for d in made if _same(d) not in known]


def _same(decision: Decision) -> tuple[Any, ...]:
    return decision.kind, decision.value, decision.purpose, decision.granted, decision.time
