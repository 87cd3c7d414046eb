"""The record's own tables: counters, leases, ids, inbox, moves, traits, versions of the map, costs."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, LargeBinary, String, Table, Text

from polku.record.tables.base import Key, metadata

meta = Table("meta", metadata, Column("name", String(60), primary_key=True), Column("value", Text, nullable=False))

#: Numbers that only grow: ``seq`` (last given), ``customer`` (last given), ``identity`` (last change), ``moved`` (inbox
#: moved to history up to this seq), ``history_observed`` (Delta version whose ids are known), ``inbox_observed`` (seq).
counters = Table(
    "counters",
    metadata,
    Column("name", String(60), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String(60), primary_key=True),
    Column("holder", String(200), nullable=False),
    Column("host", String(200), nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("doing", Text, nullable=False),
    Column("taken_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)

#: Every id ever seen. ``id`` is the integer it was given first; ``customer`` the smallest of those joined to it.
identities = Table(
    "identities",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=False),
    Column("kind", String(10), nullable=False),
    Column("value", Text, nullable=False),
    Column("hash", BigInteger, nullable=False),
    Column("customer", BigInteger, nullable=False),
    Index("identities_hash", "hash", unique=True),
    Index(
        "identities_joined",
        "customer",
        sqlite_where=Column("customer") != Column("id"),
        postgresql_where=Column("customer") != Column("id"),
    ),
)

#: What trails must follow: ``moved`` (customer now lives under survivor), ``dirty`` (make it again), ``erased``.
identity_changes = Table(
    "identity_changes",
    metadata,
    Column("counter", Key, primary_key=True, autoincrement=False),
    Column("kind", String(10), nullable=False),
    Column("customer", BigInteger, nullable=False),
    Column("survivor", BigInteger),
    Column("time", BigInteger, nullable=False),
)

imports = Table(
    "imports",
    metadata,
    Column("id", String(60), primary_key=True),
    Column("source", Text, nullable=False),
    Column("fingerprint", String(80)),
    Column("state", String(20), nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Column("version", BigInteger),
    Column("read", BigInteger, nullable=False, server_default="0"),
    Column("stored", BigInteger, nullable=False, server_default="0"),
    Column("duplicates", BigInteger, nullable=False, server_default="0"),
    Column("refused", BigInteger, nullable=False, server_default="0"),
    Column("report", Text),
)

#: Acknowledged events that are not yet in history, in groups as they arrived: an Arrow IPC stream each.
inbox = Table(
    "inbox",
    metadata,
    Column("last_seq", Key, primary_key=True, autoincrement=False),
    Column("first_seq", BigInteger, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("payload", LargeBinary, nullable=False),
)

#: What the mover brought to history: proof of each move, and how many of its events were there already.
moves = Table(
    "moves",
    metadata,
    Column("last_seq", Key, primary_key=True, autoincrement=False),
    Column("first_seq", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("duplicates", BigInteger, nullable=False),
    Column("time", BigInteger, nullable=False),
)

#: The latest value of each trait of each id.
traits = Table(
    "traits",
    metadata,
    Column("identity", BigInteger, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
)

journey_versions = Table(
    "journey_versions",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("text", Text, nullable=False),
    Column("fingerprint", String(80), nullable=False),
    Column("author", Text, nullable=False),
    Column("time", BigInteger, nullable=False),
)

#: How many events were refused, by where they came from and why, with one example of each.
refusals = Table(
    "refusals",
    metadata,
    Column("source", Text, primary_key=True),
    Column("reason", String(60), primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("example", Text),
    Column("time", BigInteger, nullable=False),
)

#: What advertising cost. ``day``: days since 1970; ``medium`` and ``campaign`` are "" where none is given.
costs = Table(
    "costs",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("source", Text, primary_key=True),
    Column("medium", Text, primary_key=True),
    Column("campaign", Text, primary_key=True),
    Column("amount", Float(53), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("impressions", BigInteger),
    Column("clicks", BigInteger),
    Column("imported_at", BigInteger, nullable=False),
)
