"""Who is who: the evidence that joins ids, aliases that wait for their other end, ids that would join too many."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, String, Table, Text

from polku.record.tables.base import Key, metadata

#: That two ids were named together. ``weaker`` and ``stronger`` are numbers of ``identities`` in an order that the ids
#: alone decide, so that a pair has one row; an anonymous id is weaker than a user. ``time`` and ``evidence`` (the
#: event's name) are those of the earliest such event, or the moment and the words of the person who said it.
#: ``counts``: it makes one customer of the two.
joins = Table(
    "joins",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("weaker", BigInteger, nullable=False),
    Column("stronger", BigInteger, nullable=False),
    Column("weaker_kind", String(32), nullable=False),
    Column("stronger_kind", String(32), nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("said_by", Text),
    Column("counts", Boolean, nullable=False),
    Column("noted_at", BigInteger, nullable=False),
    Column("undone_at", BigInteger),
    Column("undone_by", Text),
    Index("joins_pair", "weaker", "stronger", unique=True),
    Index("joins_stronger", "stronger", "weaker_kind"),
)

#: That an event ``alias`` said "this former id is now that user" (``user`` is a number of ``identities``). ``former``
#: is the hash that the former id has as a user's: when such a user is ever seen, the two are one person.
aliases = Table(
    "aliases",
    metadata,
    Column("former", BigInteger, primary_key=True, autoincrement=False),
    Column("user", BigInteger, primary_key=True, autoincrement=False),
    Column("time", BigInteger, nullable=False),
    Column("evidence", Text, nullable=False),
    Index("aliases_user", "user"),
)

#: How many anonymous ids events named with a user, of those with many: nobody has to count them again.
crowds = Table(
    "crowds",
    metadata,
    Column("identity", BigInteger, primary_key=True, autoincrement=False),
    Column("devices", BigInteger, nullable=False),
)

#: Ids that join nothing. ``verdict``: held (it would join too many), kept (a person wants it so), released (a person
#: lets it join in spite of all). ``reason``: the kind of ids that were too many; ``others``: how many when it was seen.
quarantine = Table(
    "quarantine",
    metadata,
    Column("identity", BigInteger, primary_key=True, autoincrement=False),
    Column("verdict", String(10), nullable=False),
    Column("reason", String(32), nullable=False),
    Column("others", BigInteger, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("said_at", BigInteger),
    Column("said_by", Text),
)
