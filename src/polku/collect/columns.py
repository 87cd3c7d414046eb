"""Arrivals to one Arrow table: by columns, without a Python object a cell more than there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from polku.events.arrival import Arrival
from polku.events.ids import Counter, content_hashes, made_ids
from polku.events.schema import MOMENT
from polku.kernels.hashing import combine
from polku.record.inbox import STORED

_encode = msgspec.json.Encoder().encode
TEXTS = ("event", "source", "channel", "anonymous_id", "user_id", "account_id", "session_id", "currency", "consent")


def table_of(requests: Sequence[Sequence[Arrival]]) -> pa.Table:
    """What the inbox stores (``inbox.STORED``) of the events of several requests, in their order; ``seq`` is 0 yet.

    Events without an id of their own get one made from the content; equal ones of one request are told apart by their
    number, and a request that is sent again gives the same ids. Raises ValueError or ArrowInvalid for texts that are no
    Unicode.
    """
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


def _moments(micros: list[int | None]) -> pa.Array:
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
