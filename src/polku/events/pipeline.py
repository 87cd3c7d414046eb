"""From raw rows to events: an ordered list of named steps, each over Arrow columns. A row comes through, or is
refused with a typed reason; the first reason that a step finds is the one told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from polku.events import jsontext
from polku.events.channels import channel_of
from polku.events.columns import as_names, nothing, relabel, repeated
from polku.events.ids import Hashes, content_hashes
from polku.events.plan import Plan
from polku.events.refusals import Refusal
from polku.events.schema import MOMENT
from polku.events.times import read_times
from polku.events.values import currency_of, read_values

Translate = Callable[[str], str]
#: A column beside history's: JSON objects of the columns in which the lines of one event agree (Plan.group).
GROUP = "group"


@dataclass
class Draft:
    """A batch on its way: what came in, history's columns made so far, and why rows fell out (uint8, 0 = still in)."""

    raw: Mapping[str, pa.Array]
    json: frozenset[str]
    rest: pa.Array | None
    rows: int
    untyped: bool
    refused: npt.NDArray[np.uint8]
    columns: dict[str, pa.Array] = field(default_factory=dict)
    extra: list[pa.Array] = field(default_factory=list)  # pieces of properties that steps leave behind

    def refuse(self, which: npt.NDArray[np.bool_], reason: Refusal) -> None:
        self.refused[(self.refused == 0) & which] = reason

    def take(self, reasons: npt.NDArray[np.uint8]) -> None:
        free = self.refused == 0
        self.refused[free] = reasons[free]


@dataclass(frozen=True)
class Batch:
    """The events of a batch: history's columns without ``event_id``; ``own`` ids (null: none), ``hashes`` of the
    content.

    ``refused`` uint8[n] over the raw rows; ``kept`` their places in the raw batch.
    """

    table: pa.Table
    own: pa.Array | None
    hashes: Hashes | None
    refused: npt.NDArray[np.uint8]


def time(draft: Draft, plan: Plan, translate: Translate) -> None:
    """``time`` in UTC; refuses what cannot be read, or cannot be."""
    columns = [draft.raw[c] for c in plan.time]
    if len(columns) > 1:
        date, *clock = (c.cast(pa.string()) for c in columns)
        columns = [pc.binary_join_element_wise(date, *(pc.fill_null(c, "") for c in clock), " ")]  # the day is known
    read = read_times(columns[0], plan.zone, plan.latest, plan.order)
    draft.take(read.refused)
    draft.columns["time"] = pa.array(read.micros).view(MOMENT)


def received(draft: Draft, plan: Plan, translate: Translate) -> None:
    """``received_at``: as the file says (Polku's own export), else the moment of the import."""
    if plan.received_at is None:
        draft.columns["received_at"] = pa.repeat(pa.scalar(plan.received, pa.int64()), draft.rows).view(MOMENT)
        return
    read = read_times(draft.raw[plan.received_at], plan.zone, plan.latest)
    micros = np.where(read.refused == 0, read.micros, plan.received)
    draft.columns["received_at"] = pa.array(micros).view(MOMENT)


def event(draft: Draft, plan: Plan, translate: Translate) -> None:
    """``event`` in the canonical vocabulary, ``original_event`` where that is another word."""
    if plan.event.constant is not None:
        draft.columns["event"] = repeated(plan.event.constant, draft.rows)
        return
    assert plan.event.column is not None
    given = as_names(draft.raw[plan.event.column])
    if plan.event_else:
        given = pc.coalesce(given.cast(pa.string()), as_names(draft.raw[plan.event_else]).cast(pa.string()))
    words = given.dictionary_encode() if not pa.types.is_dictionary(given.type) else given
    names = [translate(w) if w is not None else None for w in words.dictionary.to_pylist()]
    draft.columns["event"] = relabel(words, names)
    changed = [w if n != w else None for w, n in zip(words.dictionary.to_pylist(), names, strict=True)]
    original = relabel(words, changed) if any(changed) else None
    if plan.original_event:
        before = as_names(draft.raw[plan.original_event])
        original = before if original is None else pc.coalesce(before.cast(pa.string()), original.cast(pa.string()))
    if original is not None:
        draft.columns["original_event"] = original
    if words.null_count:
        draft.refuse(np.asarray(words.is_null(), dtype=np.bool_), Refusal.NO_EVENT)


def ids(draft: Draft, plan: Plan, translate: Translate) -> None:
    """Who it was, and in which session, as the file writes it; blanks are nobody."""
    for name, column in (
        ("user_id", plan.customer),
        ("anonymous_id", plan.anonymous),
        ("account_id", plan.account),
        ("session_id", plan.session),
        ("consent", plan.consent),
    ):
        if column:
            draft.columns[name] = as_names(draft.raw[column])


def value(draft: Draft, plan: Plan, translate: Translate) -> None:
    """``value`` and the ``currency`` that its sign tells."""
    if not plan.value:
        return
    amount = np.ones(draft.rows)
    for column in plan.value:
        read = read_values(draft.raw[column], plan.mark)
        draft.take(read.refused)
        amount = amount * read.amount
        if read.currency is not None:
            draft.columns["currency"] = read.currency
    if len(plan.value) > 1:
        amount = np.round(amount, 9)  # 6 x 2.55 is 15.3
    draft.refuse(np.isinf(amount), Refusal.VALUE_NOT_FINITE)
    draft.columns["value"] = pa.array(amount, from_pandas=True)


def currency(draft: Draft, plan: Plan, translate: Translate) -> None:
    """``currency``: a sign beside the value says most, then the column, then the word for all."""
    seen = draft.columns.get("currency")
    found: pa.Array | None = None
    if plan.currency.column:
        given = as_names(draft.raw[plan.currency.column])
        words = given if pa.types.is_dictionary(given.type) else given.dictionary_encode()
        codes = [currency_of(w) if w is not None else None for w in words.dictionary.to_pylist()]
        found = relabel(words, codes)
        draft.refuse(np.asarray(pc.and_(words.is_valid(), found.is_null()), dtype=np.bool_), Refusal.UNKNOWN_CURRENCY)
    elif plan.currency.constant and "value" in draft.columns:
        found = pc.if_else(draft.columns["value"].is_valid(), plan.currency.constant, pa.scalar(None, pa.string()))
    if seen is not None and found is not None:
        found = pc.coalesce(seen, found.cast(pa.string()))
    if found is not None:
        draft.columns["currency"] = found


def source(draft: Draft, plan: Plan, translate: Translate) -> None:
    """``source``: the column, or the word for all rows."""
    if plan.source.column:
        draft.columns["source"] = as_names(draft.raw[plan.source.column])
    elif plan.source.constant:
        draft.columns["source"] = repeated(plan.source.constant, draft.rows)


def channel(draft: Draft, plan: Plan, translate: Translate) -> None:
    """``channel`` in Polku's words; another word stays in the properties as it came."""
    if plan.channel.constant:
        draft.columns["channel"] = repeated(channel_of(plan.channel.constant), draft.rows)
        return
    if not plan.channel.column:
        return
    given = as_names(draft.raw[plan.channel.column])
    words = given if pa.types.is_dictionary(given.type) else given.dictionary_encode()
    names = [channel_of(w) if w is not None else None for w in words.dictionary.to_pylist()]
    draft.columns["channel"] = relabel(words, names)
    changed = [w if n != w else None for w, n in zip(words.dictionary.to_pylist(), names, strict=True)]
    if any(changed):
        draft.extra.append(jsontext.encoded(plan.channel.column, relabel(words, changed)))


def properties(draft: Draft, plan: Plan, translate: Translate) -> None:
    """``properties``: the file's own JSON, and every other column that is kept; a line keeps its amounts too."""
    used = set(plan.used)
    amounts = {name for name in plan.value if name not in plan.group} if plan.group else set()
    pieces = list(draft.extra)
    for name, values in draft.raw.items():
        kept = name in amounts or (name not in used and (plan.keep is None or name in plan.keep))
        if kept and values.null_count < draft.rows:
            pieces.append(_encoded(draft, name, name in amounts))
    made = jsontext.joined(pieces, draft.rows) if pieces else None
    objects = [o for o in (draft.rest, made, _objects(draft, plan.properties, Refusal.BAD_PROPERTIES)) if o is not None]
    _put(draft, "properties", objects)


def group(draft: Draft, plan: Plan, translate: Translate) -> None:
    """``group``: what the lines of one event agree in; null where a row names none of it."""
    pieces = [_encoded(draft, name) for name in plan.group if draft.raw[name].null_count < draft.rows]
    if pieces:
        draft.columns[GROUP] = jsontext.joined(pieces, draft.rows)


def _encoded(draft: Draft, name: str, amount: bool = False) -> pa.Array:
    values = draft.raw[name]
    if name in draft.json:
        return jsontext.encoded_json(name, values)
    return jsontext.encoded(name, values, loose=draft.untyped or amount)  # amounts are read as texts everywhere


def context(draft: Draft, plan: Plan, translate: Translate) -> None:
    """``context``: the file's own JSON, traits, role, campaign, page."""
    pieces: list[pa.Array] = []
    groups: dict[str, list[pa.Array]] = {}
    for column, place in (*plan.places, *((t, ("traits", t)) for t in plan.traits)):
        values = draft.raw[column]
        if values.null_count == draft.rows:
            continue
        if place == ("traits",):  # one column that holds all of them
            objects = _objects(draft, column, Refusal.BAD_CONTEXT)
            pieces.append(jsontext.encoded_json("traits", objects))
            continue
        loose = draft.untyped and place[0] == "traits"
        made = (
            jsontext.encoded_json(place[-1], values)
            if column in draft.json
            else jsontext.encoded(place[-1], values, loose=loose)
        )
        if len(place) == 1:
            pieces.append(made)
        else:
            groups.setdefault(place[0], []).append(made)
    if plan.role and draft.raw[plan.role].null_count < draft.rows:
        pieces.append(jsontext.encoded("role", draft.raw[plan.role]))
    for group, parts in groups.items():
        pieces.append(jsontext.encoded_json(group, jsontext.joined(parts, draft.rows)))
    made = jsontext.joined(pieces, draft.rows) if pieces else None
    objects = [o for o in (made, _objects(draft, plan.context, Refusal.BAD_CONTEXT)) if o is not None]
    _put(draft, "context", objects)


def _objects(draft: Draft, column: str | None, reason: Refusal) -> pa.Array | None:
    """A column of JSON objects (texts or nested values), or None where there is none."""
    if column is None:
        return None
    values = draft.raw[column]
    if values.null_count == draft.rows:
        return None
    texts = jsontext.to_json(values) if pa.types.is_nested(values.type) else as_names(values).cast(pa.string())
    objects = jsontext.are_objects(texts)
    draft.refuse(np.asarray(pc.and_(texts.is_valid(), objects.is_null()), dtype=np.bool_), reason)
    return objects


def _put(draft: Draft, name: str, objects: Sequence[pa.Array]) -> None:
    if objects:
        whole = objects[0] if len(objects) == 1 else jsontext.merged(objects)
        draft.columns[name] = pc.if_else(pc.equal(whole, "{}"), pa.scalar(None, whole.type), whole)


#: A step reads ``draft.raw`` as ``plan`` says and fills ``draft.columns``; ``translate`` gives an event's canonical
#: name.
STEPS: tuple[Callable[[Draft, Plan, Translate], None], ...] = (
    time, received, event, ids, value, currency, source, channel, properties, group, context,
)  # fmt: skip


def run(
    raw: Mapping[str, pa.Array],
    rows: int,
    plan: Plan,
    translate: Translate,
    json: frozenset[str] = frozenset(),
    rest: pa.Array | None = None,
    untyped: bool = True,
) -> Batch:
    """All steps over one batch of ``rows`` raw rows; see ``polku.sources.raw.RawBatch`` for what they are."""
    draft = Draft(raw, json, rest, rows, untyped, np.zeros(rows, np.uint8))
    for step in STEPS:
        step(draft, plan, translate)
    own = as_names(raw[plan.event_id]) if plan.event_id else None
    columns: dict[str, Any] = {
        name: c
        for name, c in draft.columns.items()
        if c is not None and (name in ("time", "received_at", "event") or not nothing(c))
    }
    if draft.refused.any():
        good = pa.array(draft.refused == 0)
        columns = {name: c.filter(good) for name, c in columns.items()}
        own = own.filter(good) if own is not None else None
    table = pa.table(columns)
    hashes = content_hashes(columns) if own is None or own.null_count else None
    return Batch(table, own, hashes, draft.refused)
