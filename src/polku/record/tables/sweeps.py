"""Guidance that concerns everybody at once, in slices: the monthly letter, a day of the traits, who qualifies now."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, String, Table, Text

from polku.record.tables.base import Key, metadata

#: One look of a rule at all customers. ``kind``: schedule (an hour of the calendar), date (a day in the traits), now (a
#: person asked who qualifies). ``time``: the moment that is meant; ``since``: for ``now`` how far back what set it
#: off may lie. ``after``: customers up to this key are done: a slice and this number are written in one transaction.
#: ``customers``: how many were asked so far, ``entered``: runs that began. ``reason``: why it ended early, else null.
sweeps = Table(
    "sweeps",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=False),
    Column("rule", String(200), nullable=False),
    Column("version", String(20), nullable=False),
    Column("kind", String(10), nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("since", BigInteger),
    Column("begun_at", BigInteger, nullable=False),
    Column("begun_by", Text),
    Column("after", BigInteger, nullable=False),
    Column("customers", BigInteger, nullable=False),
    Column("entered", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Column("reason", String(30)),
    Index("sweeps_rule", "rule", "kind", "time", unique=True),
    Index("sweeps_open", "finished_at"),
)
