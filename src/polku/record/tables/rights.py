"""Contacts, consent, erasure and retention: what the rights of a customer need."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, String, Table, Text

from polku.record.tables.base import Key, metadata

#: Plain addresses, apart from the events, which hold their hashes. ``kind``: ``email`` or ``phone``.
contacts = Table(
    "contacts",
    metadata,
    Column("kind", String(10), primary_key=True),
    Column("hash", String(64), primary_key=True),
    Column("value", Text, nullable=False),
    Column("first_seen", BigInteger, nullable=False),
    Column("last_seen", BigInteger, nullable=False),
    Column("source", Text),
    Index("contacts_last_seen", "last_seen"),
)

#: Decisions, never changed: an id gave or withdrew its consent to a purpose. ``time``: from when it holds;
#: ``noted_at``: when Polku heard of it. The id stands by kind and value, as in ``identities``.
consents = Table(
    "consents",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=False),
    Column("kind", String(10), nullable=False),
    Column("value", Text, nullable=False),
    Column("purpose", String(60), nullable=False),
    Column("granted", Boolean, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("source", Text, nullable=False),
    Column("text_version", String(100)),
    Column("author", Text),
    Column("noted_at", BigInteger, nullable=False),
    Index("consents_value", "value", "kind"),
)

#: The words that people agreed to, by version.
consent_texts = Table(
    "consent_texts",
    metadata,
    Column("version", String(100), primary_key=True),
    Column("language", String(10), primary_key=True),
    Column("text", Text, nullable=False),
    Column("added_at", BigInteger, nullable=False),
)

#: Receipts of erasures. ``plan`` (JSON: the ids to erase) is there only until all is done: what died midway goes on
#: with it. ``receipt``: JSON of counts, without any id.
erasures = Table(
    "erasures",
    metadata,
    Column("id", String(60), primary_key=True),
    Column("state", String(10), nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Column("author", Text, nullable=False),
    Column("plan", Text),
    Column("receipt", Text),
)

#: What may not come back: keyed hashes of the ids and addresses of the erased. ``mark``: 64 bits of it, for arrays.
erased = Table(
    "erased",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("kind", String(10), nullable=False),
    Column("mark", BigInteger, nullable=False),
    Column("erasure", String(60), nullable=False),
    Column("time", BigInteger, nullable=False),
)

#: What the keeping times have removed: one row a rule that removed something.
retention_runs = Table(
    "retention_runs",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("time", BigInteger, nullable=False),
    Column("rule", String(40), nullable=False),
    Column("before", BigInteger, nullable=False),
    Column("removed", BigInteger, nullable=False),
    Column("facts", Text),
)
