"""On the site: what browsers were given of the messages that wait for them, and who was handed over to a person."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text

from polku.record.tables.base import Key, metadata

#: A message of the outbox (``key``) that a browser has asked for. ``drawn``: JSON, as it was given; ``session``: the
#: visitor's session in which it was shown last; ``shows``: in how many it was. Whose it is, the outbox says: merges and
#: erasures follow it there. Times: microseconds.
site_messages = Table(
    "site_messages",
    metadata,
    Column("key", String(300), primary_key=True),
    Column("drawn", Text, nullable=False),
    Column("drawn_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("shows", Integer, nullable=False, server_default="0"),
    Column("session", String(100)),
    Column("shown_at", BigInteger),
    Column("clicked_at", BigInteger),
    Column("closed_at", BigInteger),
    Column("submitted_at", BigInteger),
    Index("site_messages_expiry", "expires_at"),
)

#: Somebody on the site turned to the shop's people. ``code``: what they say on the phone or stands in their mail;
#: ``identity``: the id (of ``identities``) that they had, null where nothing is known of them; ``via``: chat, phone,
#: mail.
handovers = Table(
    "handovers",
    metadata,
    Column("number", Key, primary_key=True),
    Column("code", String(12), nullable=False, unique=True),
    Column("identity", BigInteger),
    Column("via", String(20), nullable=False),
    Column("page", Text, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("done_at", BigInteger),
    Column("done_by", String(200)),
    Index("handovers_open", "done_at", "made_at"),
    Index("handovers_identity", "identity"),
)
