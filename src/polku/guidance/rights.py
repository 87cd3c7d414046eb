"""What guidance holds of a customer, handed out when they ask for it; an erasure takes it (record/erasure.py)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from polku.errors import MapError
from polku.guidance.engine import Note
from polku.guidance.messages import STATE_WORDS
from polku.guidance.telling import text_of
from polku.language import LANGUAGES, Reader
from polku.record import tables
from polku.record.clock import moment

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from polku.journey.model import Journey
    from polku.record.project import Project

#: So many ids are asked for at once.
PART: Final = 10_000


def held(project: Project, numbers: Sequence[int]) -> dict[str, list[dict[str, Any]]]:
    """Rules that took the customer in and what was decided, messages with what they said, tasks; oldest first.

    ``numbers``: of all ids of the customer. What a person of the shop is called is left out of the tasks.
    """
    found: dict[str, list[dict[str, Any]]] = {"runs": [], "decisions": [], "messages": [], "tasks": []}
    if not numbers:
        return found
    journey = _map(project)
    with project.state.read() as connection:
        for row in _rows(connection, tables.runs, "entered_at", numbers):
            found["runs"].append(_told(row, "rule", "status", "key", times=("entered_at", "finished_at", "due_at")))
        for row in _rows(connection, tables.run_notes, "time", numbers):
            note = Note(row["what"], int(row["time"]), int(row["known"]), json.loads(row["facts"]))
            told = _told(row, "rule", "what", times=("time", "known"))
            found["decisions"].append({**told, "facts": dict(note.facts), **_said(note, journey)})
        for row in _rows(connection, tables.outbox, "made_at", numbers):
            told = _told(
                row, "rule", "channel", "content", "variant", "state", "reason", times=("made_at", "finished_at")
            )
            address = project.contacts.of(row["to"]) if row["to"] else None
            found["messages"].append({
                **told,
                **({"to": address.value} if address else {}),
                **({"said": _parsed(row["payload"])} if row["payload"] else {}),
                **{f"state_{language}": Reader(language)(STATE_WORDS[row["state"]]) for language in LANGUAGES},
            })  # fmt: skip
        for row in _rows(connection, tables.tasks, "made_at", numbers):
            times = ("made_at", "due_at", "done_at")
            found["tasks"].append(_told(row, "rule", "title", "text", "outcome", times=times))
    return found


def _map(project: Project) -> Journey | None:
    try:
        return project.journey()
    except MapError:
        return None  # no map, or one with a fault: what is held is handed out all the same


def _rows(connection: Connection, table: sa.Table, order: str, numbers: Sequence[int]) -> Iterator[sa.RowMapping]:
    rows: list[sa.RowMapping] = []
    for at in range(0, len(numbers), PART):
        query = sa.select(table).where(table.c.customer.in_(numbers[at : at + PART]))
        rows += connection.execute(query).mappings().all()
    yield from sorted(rows, key=lambda row: row[order])


def _told(row: sa.RowMapping, *names: str, times: Sequence[str]) -> dict[str, Any]:
    told = {name: row[name] for name in names if row[name] not in (None, "")}
    return told | {name: moment(int(row[name])).isoformat() for name in times if row[name] is not None}


def _said(note: Note, journey: Journey | None) -> dict[str, str]:
    """The decision as a sentence in each language; nothing while there is no map to name its places by."""
    if journey is None:
        return {}
    readers = (Reader(language, journey.timezone, journey.currency) for language in LANGUAGES)
    return {reader.language: text_of(note, reader, journey) for reader in readers}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
