"""Live collection: what was refused after it had arrived."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, String, Table, Text

from polku.record.tables.base import Key, metadata

#: Each event (or whole request) that was refused at a door or by the mover, with its raw text. ``place``: ``door`` or
#: ``mover``; ``protocol``: its name at the door, "" by the mover; ``time``: when it happened, where that was read.
refused_events = Table(
    "refused_events",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("received_at", BigInteger, nullable=False),
    Column("source", String(200), nullable=False),
    Column("protocol", String(40), nullable=False),
    Column("place", String(10), nullable=False),
    Column("reason", String(60), nullable=False),
    Column("time", BigInteger),
    Column("raw", Text, nullable=False),
    Index("refused_events_received", "received_at"),
    Index("refused_events_reason", "source", "reason"),
)
