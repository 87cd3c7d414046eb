"""Sending: addresses that nothing is sent to any more, and tasks for people."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, String, Table, Text

from polku.record.tables.base import Key, metadata

#: Addresses (by their keyed hash) that mail does not reach, or whose owner called it spam. ``reason``: bounced,
#: complained, by_hand; ``detail``: what was said.
suppressions = Table(
    "suppressions",
    metadata,
    Column("kind", String(10), primary_key=True),
    Column("hash", String(64), primary_key=True),
    Column("reason", String(20), nullable=False),
    Column("detail", Text),
    Column("time", BigInteger, nullable=False),
)

#: Tasks for a person. ``key``: the message of the outbox that it came of; ``owner``: who is to do it, "" for anybody.
tasks = Table(
    "tasks",
    metadata,
    Column("number", Key, primary_key=True),
    Column("key", String(300), nullable=False, unique=True),
    Column("rule", String(200), nullable=False),
    Column("customer", BigInteger, nullable=False),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("owner", String(200), nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("due_at", BigInteger),
    Column("done_at", BigInteger),
    Column("done_by", String(200)),
    Column("outcome", Text),
    Index("tasks_open", "done_at", "made_at"),
    Index("tasks_customer", "customer"),
)
