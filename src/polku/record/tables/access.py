"""Who may do what: keys of machines, people, their sessions and one-time links, and the audit log.

No table holds a secret that opens anything: keys, sessions and links stand as SHA-256 of random texts of at least 192
bits (nothing to guess, so no salt), passwords as Argon2id.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, String, Table, Text

from polku.record.tables.base import Key, metadata

#: ``scopes``: words with commas between. A rotated key has ``expires_at`` and its successor's id in ``replaced_by``.
keys = Table(
    "keys",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("name", String(200), nullable=False),
    Column("hash", String(64), nullable=False),
    Column("shown", String(20), nullable=False),
    Column("scopes", String(60), nullable=False),
    Column("source", String(200)),
    Column("site", String(200)),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", String(200), nullable=False),
    Column("used_at", BigInteger),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("replaced_by", BigInteger),
    Index("keys_hash", "hash", unique=True),
)

#: ``name`` is what a person signs in with, in lower case; ``password`` is null until a link has been followed, and for
#: those who sign in by an identity provider (``issuer`` and ``subject``).
users = Table(
    "users",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("name", String(200), nullable=False),
    Column("role", String(10), nullable=False),
    Column("password", Text),
    Column("issuer", String(400)),
    Column("subject", String(400)),
    Column("created_at", BigInteger, nullable=False),
    Column("password_at", BigInteger),
    Column("seen_at", BigInteger),
    Index("users_name", "name", unique=True),
    Index("users_subject", "issuer", "subject", unique=True),
)

#: Whom an owner removed: a domain in ``oidc.roles`` does not let them in again, an invitation does.
removed_users = Table(
    "removed_users",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("issuer", String(400)),
    Column("subject", String(400)),
    Column("time", BigInteger, nullable=False),
    Index("removed_users_subject", "issuer", "subject"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("user", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("address", String(64), nullable=False),
    Column("agent", String(200), nullable=False),
    Index("sessions_user", "user"),
)

#: One-time links: ``owner`` (the first owner), ``invite`` and ``reset`` (of the user named). A used one is kept until
#: its time is up.
links = Table(
    "links",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("kind", String(10), nullable=False),
    Column("name", String(200)),
    Column("role", String(10)),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", String(200), nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
)

#: Who did what when from where: rows are added and never changed. ``hash`` covers the row and the one before it.
audit = Table(
    "audit",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=False),
    Column("time", BigInteger, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("action", String(60), nullable=False),
    Column("about", Text, nullable=False),
    Column("address", String(64), nullable=False),
    Column("facts", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index("audit_action", "action", "id"),
)
