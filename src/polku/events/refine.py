"""What the mover does to events by columns, before they are told apart and brought to history: names, then bots.

The same happens when the inbox's tail is read, so that the live map shows what history will hold. Each step judges a
row by itself; what only several rows together tell (:func:`across`) the mover alone asks, and tells the trails.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from polku.events.agents import is_robot
from polku.events.refusals import Refusal
from polku.events.text import text_of
from polku.kernels.members import members
from polku.sources.names import canonical

Refused = npt.NDArray[np.uint8]
SECOND = 1_000_000
#: An opened mail or a click so soon after the mail was sent or delivered is a scanner's (microseconds).
SOON = 10 * SECOND
#: So many different links clicked by one customer within SOON are a scanner's: it follows them all.
MANY = 4
DELIVERED, OPENED, CLICKED = "Email Delivered", ("Email Opened", "Email First Opened"), "Email Clicked"
MAIL = (DELIVERED, *OPENED, CLICKED)
AGENT = "userAgent"


class Refined(NamedTuple):
    """``table`` has all rows, changed; ``refused`` uint8[n] says which of them are none (a Refusal, 0: kept)."""

    table: pa.Table
    refused: Refused

    def kept(self) -> pa.Table:
        """The rows that were not refused."""
        return self.table.filter(pa.array(self.refused == 0)) if self.refused.any() else self.table


def names(table: pa.Table, refused: Refused) -> pa.Table:
    """Canonical names of events; the source's own stays as ``original_event``."""
    given = table["event"].combine_chunks().dictionary_encode()
    words = given.dictionary.to_pylist()
    ours = [canonical(w) for w in words]
    if words == ours:
        return table
    changed = pc.take(
        pa.array([w if w != o else None for w, o in zip(words, ours, strict=True)], pa.string()), given.indices
    )
    original = pc.coalesce(table["original_event"].combine_chunks(), changed)
    table = _with(table, "original_event", original)
    return _with(table, "event", pc.take(pa.array(ours, pa.string()), given.indices))


def bots(table: pa.Table, refused: Refused) -> pa.Table:
    """Robots, by ``context.userAgent``; and mail that was opened or clicked within seconds of its sending."""
    context = table["context"].combine_chunks()
    if context.null_count < len(context):
        where, robots = _agents(context)
        refused[where] = np.where((refused[where] == 0) & robots, Refusal.BOT, refused[where])
    for at, facts in _mails(table, (*OPENED, CLICKED), refused):
        sent = _moment(facts.properties.get("delivered_at", facts.properties.get("sent_at")))
        if sent is not None and 0 <= facts.time - sent < SOON:
            refused[at] = Refusal.MAIL_SCANNER
    return table


#: In this order.
STEPS: tuple[Callable[[pa.Table, Refused], pa.Table], ...] = (names, bots)


def refine(table: pa.Table, *, keep_bots: bool = False) -> Refined:
    """All steps over rows with history's columns ``event, original_event, time, properties, context``.

    >>> rows = pa.table({"event": ["add_to_cart"], "original_event": pa.nulls(1, pa.string()), "time": [0],
    ...                  "properties": pa.nulls(1, pa.string()), "context": ['{"userAgent":"Googlebot/2.1"}']})
    >>> refined = refine(rows)
    >>> refined.table["event"].to_pylist(), refined.refused.tolist()
    (['Product Added'], [70])
    """
    refused = np.zeros(table.num_rows, np.uint8)
    if table.num_rows:
        for step in STEPS:
            if step is not bots or not keep_bots:
                table = step(table, refused)
    return Refined(table, refused)


def met_at(table: pa.Table, refused: Refused) -> npt.NDArray[np.int64]:
    """When mails were opened or clicked (microseconds): deliveries shortly before may stand in history already."""
    return np.array([mail.time for _, mail in _mails(table, (*OPENED, CLICKED), refused)], np.int64)


def across(table: pa.Table, refused: Refused, earlier: pa.Table | None = None) -> npt.NDArray[np.int64]:
    """Rows (not refused yet) that mail scanners made, as several rows together tell; ``refused`` is changed.

    A customer who opens or clicks within SOON of the mail's delivery to them; one who clicks MANY links within SOON.
    ``earlier``: deliveries that came before these rows (see :func:`met_at`).
    """
    delivered: dict[tuple[str, str], list[int]] = defaultdict(list)
    if earlier is not None:
        for _, mail in _mails(earlier, (DELIVERED,), np.zeros(earlier.num_rows, np.uint8)):
            if mail.who is not None:
                delivered[mail.who, mail.message].append(mail.time)
    clicks: dict[str, list[tuple[int, str, int]]] = defaultdict(list)
    met: list[tuple[int, _Mail]] = []
    for at, mail in _mails(table, MAIL, refused):
        if mail.who is None:
            continue
        if mail.event == DELIVERED:
            delivered[mail.who, mail.message].append(mail.time)
            continue
        met.append((at, mail))
        if mail.event == CLICKED:
            clicks[mail.who].append((mail.time, str(mail.properties.get("url")), at))
    found = {
        at
        for at, mail in met
        if mail.who is not None
        if any(0 <= mail.time - then < SOON for then in delivered.get((mail.who, mail.message), ()))
    }
    for theirs in clicks.values():
        theirs.sort()
        for first in range(len(theirs)):
            near = [c for c in theirs[first:] if c[0] - theirs[first][0] < SOON]
            if len({url for _, url, _ in near}) >= MANY:
                found |= {at for _, _, at in near}
    rows = np.array(sorted(found), np.int64)
    refused[rows] = Refusal.MAIL_SCANNER
    return rows


# -- mail -------------------------------------------------------------------------------------------------------------


class _Mail(NamedTuple):
    event: str
    time: int
    who: str | None
    message: str
    properties: dict[str, Any]


def _mails(table: pa.Table, wanted: tuple[str, ...], refused: Refused) -> list[tuple[int, _Mail]]:
    """Rows of these events that are not refused: few of all."""
    among = np.flatnonzero(np.asarray(pc.is_in(table["event"], pa.array(wanted, pa.string()))) & (refused == 0))
    if not len(among):
        return []
    columns = [c for c in ("event", "user_id", "anonymous_id", "properties") if c in table.column_names]
    rows = table.select(columns).take(among).to_pylist()
    times = pc.cast(table["time"].take(among), pa.int64()).to_pylist()
    found = []
    for at, row, time in zip(among.tolist(), rows, times, strict=True):
        said = msgspec.json.decode(row["properties"]) if row.get("properties") else {}
        properties = said if isinstance(said, dict) else {}
        message = str(properties.get("message") or properties.get("campaign") or "")
        found.append(
            (at, _Mail(row["event"], time, row.get("user_id") or row.get("anonymous_id"), message, properties))
        )
    return found


def _moment(value: Any) -> int | None:
    from polku.sources.reading import time

    return time(value)


# -- user agents ------------------------------------------------------------------------------------------------------


def _agents(context: pa.Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Rows that name a user agent, and whether it is a robot's; each distinct agent is judged once."""
    text = text_of(context)
    starts, ends, hashes = members(text.data, text.offsets, text.valid, AGENT)
    where = np.flatnonzero(starts >= 0)
    _, first, which = np.unique(hashes[where], return_index=True, return_inverse=True)
    words = [text.data[starts[at] : ends[at]].tobytes() for at in where[first].tolist()]
    return where, np.array([is_robot(_text(w)) for w in words], np.bool_)[which]


def _text(word: bytes) -> str:
    """A JSON text without its quotation marks, as it is meant."""
    if b"\\" not in word:
        return word.decode("utf-8", "replace")
    try:
        found = json.loads(b'"' + word + b'"')
    except ValueError:
        return word.decode("utf-8", "replace")
    return found if isinstance(found, str) else ""


def _with(table: pa.Table, name: str, column: pa.Array | pa.ChunkedArray) -> pa.Table:
    field = table.schema.field(name)
    return table.set_column(table.schema.get_field_index(name), field, column.cast(field.type))
