"""The columns of history: one event's schema, the contract of ``docs/architecture.md``."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

#: The type of every moment in the record: microseconds since 1970, UTC.
MOMENT: Final = pa.timestamp("us", tz="UTC")

#: History as Delta, DuckDB and readers see it, in this order; the table is partitioned by ``day``.
HISTORY: Final = pa.schema(
    [
        pa.field("event_id", pa.string(), nullable=False),
        pa.field("time", MOMENT, nullable=False),
        pa.field("received_at", MOMENT, nullable=False),
        pa.field("event", pa.string(), nullable=False),
        pa.field("original_event", pa.string()),
        pa.field("source", pa.string()),
        pa.field("channel", pa.string()),
        pa.field("anonymous_id", pa.string()),
        pa.field("user_id", pa.string()),
        pa.field("account_id", pa.string()),
        pa.field("session_id", pa.string()),
        pa.field("seq", pa.int64(), nullable=False),
        pa.field("value", pa.float64()),
        pa.field("currency", pa.string()),
        pa.field("consent", pa.string()),
        pa.field("properties", pa.string()),
        pa.field("context", pa.string()),
        pa.field("day", pa.date32(), nullable=False),
    ]
)

#: What a writer hands over: history without what the record itself gives at the commit.
ARRIVING: Final = pa.schema([f for f in HISTORY if f.name not in ("seq", "day")])

#: Channels that Polku knows; any other word is kept as it came.
CHANNELS: Final = (
    "web", "email", "store", "phone", "social", "ads", "search", "chat", "app", "mail", "survey",
)  # fmt: skip
