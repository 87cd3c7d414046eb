"""Consent in files: a row is judged as an event at the doors is.

What it says becomes the event's ``consent`` and, where it is known who asked, decisions; who said no is not followed.

Rows that say nothing, of people of whom nothing is known, are most: they cost a look at their ids.
"""

from __future__ import annotations

import dataclasses
import threading
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from polku.events.arrival import Arrival
from polku.events.pipeline import Batch
from polku.events.purposes import NO, YES, Told, purpose_of, told
from polku.events.refusals import Refusal
from polku.record.gather import with_key
from polku.record.hashes import id_hash
from polku.record.namedids import strongest
from polku.record.permission import Learned, ids_of, without_ids

if TYPE_CHECKING:
    from polku.record.project import Project
    from polku.sources.private import Private

Ids = list[tuple[str, str]]
PEOPLE = ("user_id", "anonymous_id", "account_id", "session_id")


class Agreeing:
    """One import's consent: :meth:`judge` each batch, :meth:`keep` the decisions after the commit.

    ``asked``: who asked for what the file's column ``consent`` says (``--consent-source``); without it the column is
    the events' own and decides nothing beyond them. What an event says in ``context.consent`` is a decision always.
    """

    def __init__(self, project: Project, private: Private, label: str, asked: str | None) -> None:
        self._permission, self._consents = project.permission, project.consents
        self._private, self._label, self._asked = private, label, asked
        self._known = bool(self._consents.refresh())
        self._unknown = self._permission.rule_of(frozenset(), frozenset())
        self._learned = Learned()
        self._lock = threading.Lock()

    def judge(self, batch: Batch) -> Batch:
        """The batch with its consents; rows that may not be kept are refused or have lost who they were."""
        if not batch.table.num_rows:
            return batch
        table = _named(batch.table)
        said = self._said(table)
        concerned = {int(row) for row in np.flatnonzero(self._decided(table))} | set(said)
        if not concerned and self._unknown == "keep":
            if "consent" in table.column_names:
                table = table.drop_columns(["consent"])  # words that are no purposes
            return dataclasses.replace(batch, table=table)
        return self._weighed(batch, table, said, sorted(concerned))

    def keep(self, project: Project) -> int:
        """Store what the file's rows decided, each change once. Returns how many decisions that were."""
        latest: dict[tuple[str, str, str], bool] = {}
        news = []
        for one in sorted(self._learned.decisions, key=lambda d: d.time):
            key = one.kind, one.value, one.purpose
            if latest.get(key) is not one.granted:
                latest[key] = one.granted
                news.append(one)
        return project.consents.decide(news) if news else 0

    # -- what rows say ---------------------------------------------------------------------------------------------

    def _said(self, table: pa.Table) -> dict[int, tuple[Told, bool]]:
        """By row: what it says, and whether that is a decision."""
        found: dict[int, tuple[Told, bool]] = {}
        if "consent" in table.column_names:
            words = _texts(table["consent"]).dictionary_encode()
            meant = [_column(word) for word in words.dictionary.to_pylist()]
            for row, at in enumerate(words.indices.to_pylist()):
                if at is not None and meant[at].purposes:
                    found[row] = meant[at], self._asked is not None
        if "context" in table.column_names:
            context = _texts(table["context"])
            for row in with_key(context, '"consent"').tolist():
                says = told(_object(context[row].as_py()))
                if says.purposes:
                    found[row] = says, True
        return found

    def _decided(self, table: pa.Table) -> npt.NDArray[np.bool_]:
        """bool[n]: rows of people who may have decided something: asked of each different id once."""
        may = np.zeros(table.num_rows, np.bool_)
        if not self._known:
            return may
        memory = self._consents.refresh()
        for name, kind in (("user_id", "user"), ("anonymous_id", "anonymous")):
            if name in table.column_names:
                words = _texts(table[name]).dictionary_encode()
                known = [*(memory.knows(kind, word) for word in words.dictionary.to_pylist()), False]
                may |= np.array(known, np.bool_)[np.asarray(pc.fill_null(words.indices, len(known) - 1))]
        if "context" in table.column_names:
            may[with_key(table["context"], '"ids"')] = True
        return may

    # -- judging ---------------------------------------------------------------------------------------------------

    def _weighed(
        self, batch: Batch, table: pa.Table, said: dict[int, tuple[Told, bool]], concerned: list[int]
    ) -> Batch:
        consent: list[str | None] = [None] * table.num_rows
        rules = np.full(table.num_rows, self._unknown, object)
        rows = table.take(pa.array(concerned, pa.int64()))
        times = pc.cast(rows["time"], pa.int64()).to_pylist()
        for at, (row, arrival) in enumerate(zip(concerned, _arrivals(rows), strict=True)):
            ids = list(ids_of(arrival))
            says, decides = said.get(row, (None, False))
            if says is not None and decides and says.source is None:
                says = says._replace(source=self._asked or self._label)
            learned = Learned()
            consent[row], rules[row] = self._permission.weigh(ids, says, times[at], self._label, learned)
            if decides and learned:
                with self._lock:
                    self._learned.extend(learned)
        table = _set(table, "consent", consent)
        stay = rules != "refuse"
        gone = np.flatnonzero(rules != "keep")
        if len(gone):
            for arrival in _arrivals(table.take(pa.array(gone))):
                self._private.drop(ids_of(arrival))
            table = _without(table, np.flatnonzero(rules == "anonymous"))
        if stay.all():
            return dataclasses.replace(batch, table=table)
        refused = batch.refused.copy()
        refused[np.flatnonzero(refused == 0)[~stay]] = Refusal.NO_CONSENT
        kept = pa.array(stay.astype(np.bool_))
        return Batch(
            table.filter(kept),
            None if batch.own is None else batch.own.filter(kept),
            None if batch.hashes is None else batch.hashes[stay.astype(np.bool_)],
            refused,
        )


def _named(table: pa.Table) -> pa.Table:
    """A row that names nobody but in ``context.ids`` gets the most telling of them as its user id, as at the doors."""
    if "context" not in table.column_names:
        return table
    where = with_key(table["context"], '"ids"')
    if "user_id" in table.column_names and len(where):
        where = where[id_hash("user", table["user_id"].take(pa.array(where))) == 0]
    if not len(where):
        return table
    users = _texts(table["user_id"]).to_pylist() if "user_id" in table.column_names else [None] * table.num_rows
    context = _texts(table["context"]).take(pa.array(where)).to_pylist()
    changed = False
    for row, text in zip(where.tolist(), context, strict=True):
        found = strongest(_object(text).get("ids"))
        if found is not None:
            users[row] = found
            changed = True
    return _set(table, "user_id", users) if changed else table


def _column(word: str) -> Told:
    """What a value of the column ``consent`` says: purposes that were granted, or an object of yes and no.

    >>> _column("Newsletter; analytics").purposes, _column('{"ads": false}').purposes, _column("yes").purposes
    ({'email': True, 'analytics': True}, {'ads': False}, {})
    """
    if word.lstrip()[:1] == "{":
        return told({"consent": _object(word)})
    words = [w.strip() for w in word.replace(";", ",").replace("|", ",").split(",")]
    meant = (purpose_of(w) for w in words if w and w.lower() not in YES | NO)
    return Told({purpose: True for purpose in meant if purpose is not None})


def _object(text: str | None) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(text) if text else {}
    except (msgspec.DecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _arrivals(rows: pa.Table) -> list[Arrival]:
    """The rows as the doors see events, as far as they tell who it was."""
    names = [name for name in ("user_id", "anonymous_id", "context") if name in rows.column_names]
    return [
        Arrival(
            event="",
            user_id=row.get("user_id"),
            anonymous_id=row.get("anonymous_id"),
            context=_object(row.get("context")),
        )
        for row in rows.select(names).to_pylist()
    ]


def _without(table: pa.Table, rows: npt.NDArray[np.int64]) -> pa.Table:
    """The table whose ``rows`` tell no more who they were."""
    if not len(rows):
        return table
    columns = {name: _texts(table[name]).to_pylist() for name in (*PEOPLE, "context", "properties")
               if name in table.column_names}  # fmt: skip
    for row in rows.tolist():
        arrival = Arrival(
            event="", context=_object(columns.get("context", {row: None})[row]),
            properties=_object(columns.get("properties", {row: None})[row]),
        )  # fmt: skip
        without_ids(arrival)
        for name, values in columns.items():
            left = getattr(arrival, name) if name in ("context", "properties") else None
            values[row] = msgspec.json.encode(left).decode() if left else None
    for name, values in columns.items():
        table = _set(table, name, values)
    return table


def _texts(column: pa.ChunkedArray) -> pa.Array:
    values = column.cast(pa.string())
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def _set(table: pa.Table, name: str, values: list[str | None]) -> pa.Table:
    made = pa.array(values, pa.string())
    if name in table.column_names:
        return table.set_column(table.schema.get_field_index(name), name, made)
    return table.append_column(name, made)
