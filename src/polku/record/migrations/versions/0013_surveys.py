"""Surveys and reviews: links that were used, tags on what people wrote, replies to reviews and reports of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

Key = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "survey_responses",
        sa.Column("response", sa.String(60), primary_key=True),
        sa.Column("survey", sa.String(60), nullable=False),
        sa.Column("via", sa.String(10), nullable=False),
        sa.Column("finished_at", sa.BigInteger, nullable=False),
    )
    op.create_index("survey_responses_survey", "survey_responses", ["survey", "finished_at"])
    op.create_table(
        "answer_tags",
        sa.Column("answer", sa.String(500), primary_key=True),
        sa.Column("tag", sa.String(60), primary_key=True),
        sa.Column("customer", sa.BigInteger, nullable=False),
        sa.Column("author", sa.String(200), nullable=False),
        sa.Column("made_at", sa.BigInteger, nullable=False),
    )
    op.create_index("answer_tags_tag", "answer_tags", ["tag"])
    op.create_index("answer_tags_customer", "answer_tags", ["customer"])
    op.create_table(
        "review_replies",
        sa.Column("review", sa.String(500), primary_key=True),
        sa.Column("customer", sa.BigInteger, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("author", sa.String(200), nullable=False),
        sa.Column("made_at", sa.BigInteger, nullable=False),
    )
    op.create_index("review_replies_customer", "review_replies", ["customer"])
    op.create_table(
        "review_reports",
        sa.Column("number", Key, primary_key=True),
        sa.Column("review", sa.String(500), nullable=False),
        sa.Column("customer", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.String(30), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        sa.Column("decision", sa.String(10)),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("decided_by", sa.String(200)),
        sa.Column("decided_at", sa.BigInteger),
    )
    op.create_index("review_reports_review", "review_reports", ["review"])
    op.create_index("review_reports_customer", "review_reports", ["customer"])


def downgrade() -> None:
    for name in ("review_reports", "review_replies", "answer_tags", "survey_responses"):
        op.drop_table(name)
