"""What arrived live after a seq: rows of the inbox, or of history where they were moved there meanwhile.

Imports bring rows with numbers of the same row of numbers; they are none of guidance's business. A repeat, which the
mover will drop, is in no look at the record.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from polku.record import tables

if TYPE_CHECKING:
    from polku.record.history import Snapshot
    from polku.record.project import Project

COLUMNS = (
    "seq", "event_id", "time", "received_at", "event", "source", "channel", "anonymous_id", "user_id", "account_id",
    "value", "currency", "consent", "properties", "context",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Arrivals:
    """Live rows (COLUMNS, in order of seq), and whether there are more behind them."""

    rows: pa.Table
    more: bool
    repeats: frozenset[int] = (
        frozenset()
    )  # of rows that trails might count twice: since looks tell none, there are none


def arrivals(project: Project, after: int, upto: int, limit: int) -> Arrivals:
    """Live rows with ``after < seq <= upto``, at most about ``limit``: the first of them."""
    snapshot, tail = project.look(COLUMNS)
    parts = [tail.filter((pc.field("seq") > after) & (pc.field("seq") <= upto))]
    if snapshot.moved > after:
        parts.insert(0, _moved(project, snapshot, after, min(upto, snapshot.moved)))
    shape = parts[-1].schema
    rows = pa.concat_tables([p.cast(shape) for p in parts]).sort_by("seq")
    return Arrivals(rows.slice(0, limit), rows.num_rows > limit)


def _moved(project: Project, snapshot: Snapshot, after: int, upto: int) -> pa.Table:
    """Rows that were moved to history before anybody here had looked: those of the moves, without imports' rows."""
    table = tables.moves.c
    with project.state.read() as connection:
        query = sa.select(table.first_seq, table.last_seq, table.version).where(table.last_seq > after)
        moves = connection.execute(query.order_by(table.last_seq)).all()
    schema = pa.schema([(f.name, f.type) for f in _schema(COLUMNS)])
    if not moves:
        return pa.Table.from_batches([], schema)
    commits = project.history.commits_since(min(int(m.version) for m in moves) - 1)
    if commits is None:
        return pa.Table.from_batches([], schema)  # the log no longer tells what was live: then nothing was
    wanted = {int(m.version) for m in moves}
    files = [f for c in commits if c.version in wanted and c.kind == "move" for f in c.added]
    there = {f.path for f in snapshot.files}
    where = (pc.field("seq") > after) & (pc.field("seq") <= upto)
    if all(f.path in there for f in files):
        return project.history.read(COLUMNS, files=files, where=where).read_all().cast(schema)
    # compacted meanwhile: all of history, less what imports brought
    for commit in commits:
        if commit.kind == "import" and commit.facts.get("rows"):
            first = int(commit.facts.get("first_seq", 0))
            last = first + int(commit.facts["rows"]) - 1
            where = where & ~((pc.field("seq") >= first) & (pc.field("seq") <= last))
    return project.history.read(COLUMNS, where=where).read_all().cast(schema)


def _schema(columns: Iterable[str]) -> pa.Schema:
    from polku.events.schema import HISTORY

    return pa.schema([HISTORY.field(name) for name in columns])


def event_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of history as conditions and messages read it: JSON columns as dicts, the event's own traits beside."""
    context = object_of(row["context"])
    traits = context.get("traits")
    return {
        **{name: row[name] for name in ("event", "source", "channel", "value", "currency", "consent")},
        "properties": object_of(row["properties"]),
        "context": context,
        "traits": traits if isinstance(traits, dict) else {},
    }


def object_of(text: str | None) -> dict[str, Any]:
    """A JSON column as a dict; one that holds no object (it came so) is empty."""
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
