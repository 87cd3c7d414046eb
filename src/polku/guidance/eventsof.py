"""Customers' events with their properties, read from the record for many customers at once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from polku.guidance.arrivals import COLUMNS, event_of
from polku.guidance.limits import MICRO
from polku.record.clock import moment
from polku.record.hashes import COLUMNS as ID_COLUMNS

if TYPE_CHECKING:
    from polku.guidance.book import Book
    from polku.record.project import Project

Events = Mapping[int, Mapping[str, Any]]


class EventsOf:
    """The events of a transaction's customers. One read of history serves everybody who was named by ``about``."""

    def __init__(self, project: Project, book: Book) -> None:
        self.project, self.book = project, book
        self._crowd: dict[int, int] = {}  # customer -> second from which on they may be asked about
        self._read: dict[int, tuple[int, dict[int, dict[str, Any]]]] = {}  # customer -> from when, events by seq

    def about(self, customers: Iterable[tuple[int, int]]) -> None:
        """(customer, second): who may be asked about, from when on."""
        for customer, since in customers:
            self._crowd[customer] = min(since, self._crowd.get(customer, since))

    def of(self, customer: int, since: int) -> Events:
        """The customer's events from the day of ``since`` (seconds) on at least, by seq."""
        there = self._read.get(customer)
        if there is None or there[0] > since:
            self.about([(customer, since)])
            self._load([c for c in self._crowd if c not in self._read or self._read[c][0] > self._crowd[c]])
            there = self._read[customer]
        return there[1]

    def _load(self, customers: list[int]) -> None:
        begin = min(self._crowd[c] for c in customers)
        owner: dict[tuple[str, str], int] = {}
        for customer in customers:
            self._read[customer] = (begin, {})
            owner.update(dict.fromkeys(self.book.ids(customer), customer))
        snapshot, tail = self.project.look(COLUMNS)
        theirs: pc.Expression = pc.scalar(False)
        for kind, column in ID_COLUMNS.items():
            values = [value for k, value in owner if k == kind]
            if values:
                theirs = theirs | pc.field(column).isin(pa.array(values, pa.string()))
        day = moment(begin * MICRO).date() - dt.timedelta(days=1)
        files = [f for f in snapshot.files if f.day >= day]
        found = self.project.history.read(COLUMNS, files=files, where=theirs).read_all().to_pylist() if files else []
        for row in (*found, *tail.filter(theirs).to_pylist()):
            event = event_of(row)
            for whose in {owner.get((kind, row[column])) for kind, column in ID_COLUMNS.items() if row[column]}:
                if whose is not None:
                    self._read[whose][1][row["seq"]] = event
