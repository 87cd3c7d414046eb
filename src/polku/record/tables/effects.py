"""Effects: what rules are known to do, what their variants have learned, and reports on mail that came back.

None of these knows a customer: they hold counts, and the fingerprints of reports.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Date, Float, Integer, String, Table, Text

from polku.record.tables.base import metadata

#: What each variant of a bandit has come to, and the share that it gets from now on. ``given``: customers who were
#: given it, of whom ``reached`` came to the goal; ``worth``: as how many they count while some have time left.
variant_shares = Table(
    "variant_shares",
    metadata,
    Column("rule", String(200), primary_key=True),
    Column("step", Integer, primary_key=True),
    Column("variant", String(60), primary_key=True),
    Column("share", Float, nullable=False),
    Column("given", Integer, nullable=False),
    Column("reached", Integer, nullable=False),
    Column("worth", Float, nullable=False),
    Column("learned_at", BigInteger, nullable=False),
)

#: What a rule was known to do at the end of a day: the figures of its proof, as JSON.
effects = Table(
    "effects",
    metadata,
    Column("rule", String(200), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("made_at", BigInteger, nullable=False),
    Column("figures", Text, nullable=False),
)

#: Reports that were read already. ``digest``: of the report itself; ``via``: mailbox, or the name of a web hook;
#: ``kind``: bounced, delayed, complained, unsubscribed, other; ``code``: the status (RFC 3463); ``matched``: whether
#: the message that it is about was found.
mail_reports = Table(
    "mail_reports",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("via", String(60), nullable=False),
    Column("kind", String(12), nullable=False),
    Column("code", String(20), nullable=False),
    Column("matched", Boolean, nullable=False),
    Column("time", BigInteger, nullable=False),
)
