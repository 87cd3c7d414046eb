"""Campaigns that were launched, whom they go to, answers to invitations; lists for ads and what was in each refresh."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text

from polku.record.tables.base import Key, metadata

#: A launched campaign. ``definition``: JSON as the map said at the launch; ``at``: its first moment; ``gathered``: the
#: last customer whose place on the list is written, ``gathered_at`` when the list was whole. ``state``: launched,
#: paused, stopped, done; ``reason``: why it was stopped.
campaigns = Table(
    "campaigns",
    metadata,
    Column("id", String(60), primary_key=True),
    Column("definition", Text, nullable=False),
    Column("version", String(20), nullable=False),
    Column("state", String(10), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("launched_at", BigInteger, nullable=False),
    Column("launched_by", String(200), nullable=False),
    Column("gathered", BigInteger),
    Column("gathered_at", BigInteger),
    Column("resumed_at", BigInteger),
    Column("finished_at", BigInteger),
    Column("reason", Text),
)

#: Who is on a campaign's list. ``origin``: the customer when the list was made; whoever has that id now is meant.
#: ``due_at``: when it is decided; ``what`` (null: not yet): what was decided, sent, held_out, capped, not_met, late,
#: twice, gone or stopped; ``run``: of the engine.
campaign_members = Table(
    "campaign_members",
    metadata,
    Column("campaign", String(60), primary_key=True),
    Column("origin", BigInteger, primary_key=True),
    Column("due_at", BigInteger, nullable=False),
    Column("run", BigInteger),
    Column("what", String(20)),
    Column("decided_at", BigInteger),
    Index("campaign_members_due", "campaign", "what", "due_at"),
    Index("campaign_members_origin", "origin"),
)

#: Answers to an invitation, the last one of each customer. ``answer``: yes, no, perhaps; ``place``: coming, queued, or
#: "" where none is asked for; ``asked_at``: since when the place is wanted, which is the order of the queue.
campaign_answers = Table(
    "campaign_answers",
    metadata,
    Column("campaign", String(60), primary_key=True),
    Column("origin", BigInteger, primary_key=True),
    Column("answer", String(10), nullable=False),
    Column("guests", Integer, nullable=False),
    Column("place", String(10), nullable=False),
    Column("note", Text),
    Column("asked_at", BigInteger, nullable=False),
    Column("answered_at", BigInteger, nullable=False),
    Column("by", String(200), nullable=False),
    Index("campaign_answers_origin", "origin"),
)

#: Whom rules put onto a list or took off it, over what the list's segment says. ``choice``: in, out; ``until``: for how
#: long (null: for good).
audience_choices = Table(
    "audience_choices",
    metadata,
    Column("audience", String(60), primary_key=True),
    Column("origin", BigInteger, primary_key=True),
    Column("choice", String(5), nullable=False),
    Column("rule", String(200), nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("until", BigInteger),
    Index("audience_choices_origin", "origin"),
)

#: Who was on the list after its last refresh. ``origin``: null of somebody who was erased since: then the hashes alone
#: stay, until the next refresh has told that they are to be removed. ``identifiers``: JSON, the hashes by which each
#: platform knows them; ``mark``: of everything that its row says.
audience_listed = Table(
    "audience_listed",
    metadata,
    Column("number", Key, primary_key=True, autoincrement=False),
    Column("audience", String(60), nullable=False),
    Column("origin", BigInteger),
    Column("identifiers", Text, nullable=False),
    Column("mark", String(32), nullable=False),
    Column("since", BigInteger, nullable=False),
    Index("audience_listed_audience", "audience", "origin"),
    Index("audience_listed_origin", "origin"),
)

#: Every refresh of a list: how many are on it, came and went; ``left_out``: JSON, how many are not on it by reason;
#: ``files``: JSON. ``told``: what became of telling a web hook: "", waiting, done, failed.
audience_refreshes = Table(
    "audience_refreshes",
    metadata,
    Column("number", Key, primary_key=True, autoincrement=False),
    Column("audience", String(60), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("by", String(200), nullable=False),
    Column("members", Integer, nullable=False),
    Column("added", Integer, nullable=False),
    Column("removed", Integer, nullable=False),
    Column("left_out", Text, nullable=False),
    Column("files", Text, nullable=False),
    Column("told", String(10), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", BigInteger),
    Column("reason", Text),
    Index("audience_refreshes_audience", "audience", "number"),
    Index("audience_refreshes_told", "told", "next_at"),
)
