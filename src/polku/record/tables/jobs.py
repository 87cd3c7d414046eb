"""What is known of each background job."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, String, Table, Text

from polku.record.tables.base import metadata

#: One line a job; ``host`` is "" where one server does it for all, else the machine that does it for itself.
jobs = Table(
    "jobs",
    metadata,
    Column("name", String(60), primary_key=True),
    Column("host", String(200), primary_key=True),
    Column("holder", String(200), nullable=False),
    Column("started_at", BigInteger),
    Column("finished_at", BigInteger),
    Column("next_at", BigInteger, nullable=False),
    Column("outcome", Text),
    Column("runs", BigInteger, nullable=False),
    Column("failures", BigInteger, nullable=False),
    Column("failed_at", BigInteger),
    Column("reason", Text),
)
