"""A project's record as trails read it."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from polku.errors import TrailsError
from polku.events.schema import HISTORY
from polku.language import N_
from polku.record.changes import Position
from polku.record.hashes import id_hash
from polku.trails.coding import AS_DICTIONARY
from polku.trails.feed import News, Part, Resolve, Whole
from polku.trails.resolve import Resolver

if TYPE_CHECKING:
    from polku.record.deltalog import File
    from polku.record.idtable import IdTable
    from polku.record.place import Place
    from polku.record.project import Project


#: Columns whose texts mostly differ.
PLAIN = ("properties",)
#: How often news and identities are looked at again until both are of one moment.
LOOKS = 20


class ProjectFeed:
    """Feeds trails (polku.trails.feed.Feed) from a project."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._ids: IdTable | None = None  # of the same moment as the last news

    def rows(self) -> int:
        """About how many events the record holds."""
        return self.project.history.rows()

    def whole(self) -> Whole:
        """History's files and the inbox behind them, as of one position."""
        columns = [c for c in HISTORY.names if c != "day"]
        for _ in range(100):
            position = self.project.changes(None, ["seq"]).position
            snapshot, tail = self.project.look(columns)
            if snapshot.version == position.history:  # else the inbox was moved between the two looks
                break
        else:
            raise TrailsError(N_("History keeps changing; the trails could not be read. Try again."))
        tail = tail.filter(pc.field("seq") <= position.inbox)
        place = self.project.history.place
        read, plain = functools.partial(_read, place), functools.partial(_read, place, as_plain=PLAIN)
        parts = [
            Part(file.rows, functools.partial(read, file), file.uri, functools.partial(plain, file))
            for file in snapshot.files
        ]
        if tail.num_rows or not parts:
            parts.append(Part(tail.num_rows, functools.partial(_select, tail)))
        return Whole(asdict(position), tuple(parts))

    def news(self, since: Mapping[str, int], columns: Sequence[str]) -> News | None:
        """What came since; None when that cannot be told as changes."""
        if {*since} != {f.name for f in fields(Position)}:
            return None  # told by a version of Polku that counted otherwise
        for _ in range(LOOKS):
            try:
                changes = self.project.changes(Position(**since), list(columns))
                if changes.rebuild:
                    return None
                rows = changes.rows.read_all()
            except FileNotFoundError:
                return None  # a file was replaced and removed while it was read
            self._ids = self.project.identities.table()
            if self.project.identities.version() == changes.position.identity:
                break  # else somebody was merged between the two looks, and would stand in two places
        return News(asdict(changes.position), rows, changes.moved, changes.dirty, changes.erased)

    def events_of(self, customers: Collection[int], columns: Sequence[str], position: Mapping[str, int]) -> pa.Table:
        """All events that carry an id of these customers, as of a position."""
        return self.project.events_of(customers, list(columns), Position(**position)).read_all()

    def resolver(self, subject: str) -> Resolve:
        """By the identities of the moment of the last news, or of this moment when none was asked for."""
        return Resolver(self.project.identities.table() if self._ids is None else self._ids, subject, id_hash)


def _read(place: Place, file: File, columns: Sequence[str], as_plain: Collection[str] = ()) -> pa.Table:
    dictionaries = [c for c in columns if c in AS_DICTIONARY and c not in as_plain]
    if place.folder:
        parquet = pq.ParquetFile(place.at(file.path), read_dictionary=dictionaries, memory_map=True)
    else:
        parquet = pq.ParquetFile(place.fs.open_input_file(place.at(file.path)), read_dictionary=dictionaries)
    with parquet:
        return _select(parquet.read(list(columns), use_threads=False), columns, as_plain)


def _select(table: pa.Table, columns: Sequence[str], as_plain: Collection[str] = ()) -> pa.Table:
    """The columns in history's types, whatever wrote the file; texts of few distinct words as dictionaries."""
    made = []
    for name in columns:
        kind = HISTORY.field(name).type
        if name in AS_DICTIONARY and name not in as_plain:
            kind = pa.dictionary(pa.int32(), kind)
        if name not in table.column_names:
            column = pa.chunked_array([pa.nulls(table.num_rows, HISTORY.field(name).type)])
        else:
            column = table.column(name)
        if column.type != kind:
            column = (
                column.dictionary_encode()
                if name in AS_DICTIONARY and name not in as_plain and pa.types.is_string(column.type)
                else column.cast(kind)
            )
        made.append(column)
    return pa.table(dict(zip(columns, made, strict=True)))
