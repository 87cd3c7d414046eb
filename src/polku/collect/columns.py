"""Arrivals to one Arrow table: by columns, without a Python object a cell more than there are."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from polku.events.arrival import Arrival
from polku.events.ids import Counter, content_hashes, made_ids
from polku.events.plain import Plain
from polku.events.schema import MOMENT
from polku.kernels.glance import objects
from polku.kernels.hashing import combine
from polku.record.inbox import STORED

_encode = msgspec.json.Encoder().encode
TEXTS = ("event", "source", "channel", "anonymous_id", "user_id", "account_id", "session_id", "currency", "consent")


@dataclasses.dataclass(slots=True)
class Kept:
    """What is kept of one request: ``arrivals``, beside ``plain`` events also their ``places`` in it."""

    arrivals: list[Arrival]
    places: list[int] = dataclasses.field(default_factory=list)
    plain: Plain | None = None

    def __len__(self) -> int:
        return len(self.arrivals) + (len(self.plain) if self.plain is not None else 0)


def table_of(requests: Sequence[Kept]) -> pa.Table:
    """What the inbox stores (``inbox.STORED``) of the events of several requests, in their order; ``seq`` is 0 yet.

    Events without an id of their own get one made from the content; equal ones of one request are told apart by their
    number, and a request that is sent again gives the same ids. Raises ValueError or ArrowInvalid for texts that are no
    Unicode.
    """
    plain = [r.plain for r in requests if r.plain is not None]
    others = [r for r in requests if r.arrivals]
    if not plain:
        return _of_arrivals([r.arrivals for r in others])
    if not others:
        return _of_plain(plain)
    table = pa.concat_tables([_of_arrivals([r.arrivals for r in others]), _of_plain(plain)])
    number = [n for n, r in enumerate(requests) for _ in r.arrivals]
    number += [n for n, r in enumerate(requests) if r.plain is not None for _ in r.plain.places]
    places = [p for r in others for p in r.places] + [p for one in plain for p in one.places]
    return table.take(np.lexsort((places, number)))


def _of_plain(requests: Sequence[Plain]) -> pa.Table:
    """Rows of events that are columns already."""
    received = [one.received_at for one in requests for _ in one.places]
    columns: dict[str, pa.Array] = {
        "received_at": _moments(received),
        "time": _moments([t for one in requests for t in one.time]),
        "value": pa.array([v for one in requests for v in one.value], pa.float64()),
        "source": pa.array([one.source for one in requests for _ in one.places], pa.string()),
        "event_id": pa.array([i for one in requests for i in one.message_id], pa.string()),
        "original_event": pa.nulls(len(received), pa.string()),
        "seq": pa.repeat(pa.scalar(0, pa.int64()), len(received)),
    }
    for name in ("properties", "context"):
        parts = [objects(one.data, getattr(one, name)) for one in requests]
        columns[name] = pa.concat_arrays(parts)
    for name in TEXTS:
        if name != "source":
            columns[name] = pa.array([text for one in requests for text in getattr(one, name)], pa.string())
    return pa.table([columns[name] for name in STORED.names], schema=STORED)


def _of_arrivals(requests: Sequence[list[Arrival]]) -> pa.Table:
    arrivals = [a for request in requests for a in request]
    columns: dict[str, pa.Array] = {
        "time": _moments([a.time for a in arrivals]),
        "received_at": _moments([a.received_at for a in arrivals]),
        "value": pa.array([a.value for a in arrivals], pa.float64()),
        "properties": _json([a.properties for a in arrivals]),
        "context": _json([a.context for a in arrivals]),
    }
    for name in TEXTS:
        columns[name] = pa.array([getattr(a, name) for a in arrivals], pa.string())
    own = pa.array([a.message_id for a in arrivals], pa.string())
    columns["event_id"] = own if not own.null_count else _with_made(own, columns, [len(r) for r in requests])
    columns["original_event"] = pa.nulls(len(arrivals), pa.string())
    columns["seq"] = pa.repeat(pa.scalar(0, pa.int64()), len(arrivals))
    return pa.table([columns[name] for name in STORED.names], schema=STORED)


def _moments(micros: Sequence[int | None]) -> pa.Array:
    return pa.array(micros, pa.int64()).cast(MOMENT)


def _json(values: list[dict[str, Any]]) -> pa.Array:
    """Objects as JSON texts, null for empty ones."""
    texts = [_encode(v) if v else None for v in values]
    for at, text in enumerate(texts):
        if text is not None and b"\\u0000" in text:
            texts[at] = _encode(_without_nul(values[at]))
    return pa.array(texts, pa.string())


def _without_nul(value: Any) -> Any:
    """No database reads a text with NUL in it."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, list):
        return [_without_nul(v) for v in value]
    if isinstance(value, dict):
        return {_without_nul(k): _without_nul(v) for k, v in value.items()}
    return value


def _with_made(own: pa.Array, columns: dict[str, pa.Array], sizes: list[int]) -> pa.Array:
    hashes = content_hashes(columns)
    request = hashes.copy()
    combine(request, np.repeat(np.arange(1, len(sizes) + 1, dtype=np.uint64), sizes))
    needs = np.asarray(own.is_null())
    earlier = np.zeros(len(own), np.uint32)
    earlier[needs] = Counter(int(needs.sum())).earlier(request[needs])
    return pa.compute.coalesce(own, made_ids(hashes, earlier))
