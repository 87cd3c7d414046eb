"""Guidance: versions of rules, runs through them, what was noted of each, timers, and the outbox."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table, Text

from polku.record.tables.base import Key, metadata

#: Every definition under which a rule has run: a run that has begun goes on under its own. ``definition``: JSON as
#: the map says it; ``since``: when this version was first seen on; ``until``: when no more (null: it is on).
rule_versions = Table(
    "rule_versions",
    metadata,
    Column("rule", String(200), primary_key=True),
    Column("version", String(20), primary_key=True),
    Column("definition", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("until", BigInteger),
)

#: A customer's (or a cart's, an order's: ``key``, "" for the customer) way through a rule. ``step``: number of the step
#: it stands at; ``due_at``: when time alone takes it on; ``status``: waiting, done, left, held_out, cancelled.
#: ``facts``: JSON of what the run must remember. ``origin``: the customer at its beginning: a merge moves it to the
#: survivor, its undo brings it back.
runs = Table(
    "runs",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=False),
    Column("rule", String(200), nullable=False),
    Column("version", String(20), nullable=False),
    Column("customer", BigInteger, nullable=False),
    Column("origin", BigInteger, nullable=False),
    Column("key", Text, nullable=False),
    Column("step", Integer, nullable=False),
    Column("entered_at", BigInteger, nullable=False),
    Column("due_at", BigInteger),
    Column("status", String(10), nullable=False),
    Column("finished_at", BigInteger),
    Column("facts", Text, nullable=False),
    Index("runs_customer", "customer", "rule"),
    Index("runs_rule", "rule", "entered_at"),
    Index("runs_origin", "origin"),
)

#: What happened to a customer in a rule, and why: entry, waits, conditions as they were, caps, consent, hold-out, exit.
#: ``time``: when it happened; ``known``: when Polku noted it; ``run`` is null where no run was made.
run_notes = Table(
    "run_notes",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=False),
    Column("run", BigInteger),
    Column("rule", String(200), nullable=False),
    Column("customer", BigInteger, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("known", BigInteger, nullable=False),
    Column("what", String(30), nullable=False),
    Column("facts", Text, nullable=False),
    Index("run_notes_customer", "customer", "rule"),
    Index("run_notes_rule", "rule", "known"),
    Index("run_notes_run", "run"),
)

#: Moments that wait: each fires once, in order of (due, number). A run has at most one.
timers = Table(
    "timers",
    metadata,
    Column("number", Key, primary_key=True, autoincrement=False),
    Column("due", BigInteger, nullable=False),
    Column("run", BigInteger, nullable=False),
    Index("timers_due", "due", "number"),
    Index("timers_run", "run", unique=True),
)

#: Messages, each made once: ``key`` is ``run:step:variant`` or ``campaign:customer``. ``to``: hash of the address in
#: ``contacts``, null where the channel needs none. ``facts``: JSON, what the content is filled with besides the
#: customer; ``payload`` is made when it is sent. ``state``: waiting, sending, sent, failed, dropped, capped, off.
outbox = Table(
    "outbox",
    metadata,
    Column("key", String(300), primary_key=True),
    Column("rule", String(200), nullable=False),
    Column("run", BigInteger),
    Column("step", Integer),
    Column("variant", String(60)),
    Column("customer", BigInteger, nullable=False),
    Column("channel", String(60), nullable=False),
    Column("content", Text, nullable=False),
    Column("to", String(64)),
    Column("owed", Boolean, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("facts", Text, nullable=False),
    Column("payload", Text),
    Column("state", String(10), nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("next_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("claimed_at", BigInteger),
    Column("claimed_by", String(200)),
    Column("finished_at", BigInteger),
    Column("provider_id", Text),
    Column("reason", Text),
    Index("outbox_next", "state", "next_at"),
    Index("outbox_customer", "customer", "channel", "made_at"),
    Index("outbox_rule", "rule", "made_at"),
    Index("outbox_provider", "provider_id"),
)
