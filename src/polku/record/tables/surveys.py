"""Surveys and reviews: which links were used, tags on what people wrote, the shop's replies, reports of reviews."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, String, Table, Text

from polku.record.tables.base import Key, metadata

#: Each filling in of a survey that was sent, so that a link answers once. ``response``: the id that its answers carry;
#: whose it is stands in the events alone. ``via``: email, qr, form, site.
survey_responses = Table(
    "survey_responses",
    metadata,
    Column("response", String(60), primary_key=True),
    Column("survey", String(60), nullable=False),
    Column("via", String(10), nullable=False),
    Column("finished_at", BigInteger, nullable=False),
    Index("survey_responses_survey", "survey", "finished_at"),
)

#: Tags that a person has put on an answer (the event's id).
answer_tags = Table(
    "answer_tags",
    metadata,
    Column("answer", String(500), primary_key=True),
    Column("tag", String(60), primary_key=True),
    Column("customer", BigInteger, nullable=False),
    Column("author", String(200), nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Index("answer_tags_tag", "tag"),
    Index("answer_tags_customer", "customer"),
)

#: The shop's reply to a review (the event's id).
review_replies = Table(
    "review_replies",
    metadata,
    Column("review", String(500), primary_key=True),
    Column("customer", BigInteger, nullable=False),
    Column("text", Text, nullable=False),
    Column("author", String(200), nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Index("review_replies_customer", "customer"),
)

#: Reports of a review by a reader or by the shop, and what was decided: ``decision`` null while it is open, else kept
#: or removed. A review with one that was removed is not shown any more; ``note`` says why.
review_reports = Table(
    "review_reports",
    metadata,
    Column("number", Key, primary_key=True),
    Column("review", String(500), nullable=False),
    Column("customer", BigInteger, nullable=False),
    Column("reason", String(30), nullable=False),
    Column("detail", Text, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("decision", String(10)),
    Column("note", Text, nullable=False),
    Column("decided_by", String(200)),
    Column("decided_at", BigInteger),
    Index("review_reports_review", "review"),
    Index("review_reports_customer", "customer"),
)
