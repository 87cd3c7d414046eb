"""One-off campaigns, and lists for ads."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

Key = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "campaigns",
        sa.Column("id", sa.String(60), primary_key=True),
        sa.Column("definition", sa.Text, nullable=False),
        sa.Column("version", sa.String(20), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("launched_at", sa.BigInteger, nullable=False),
        sa.Column("launched_by", sa.String(200), nullable=False),
        sa.Column("gathered", sa.BigInteger),
        sa.Column("gathered_at", sa.BigInteger),
        sa.Column("resumed_at", sa.BigInteger),
        sa.Column("finished_at", sa.BigInteger),
        sa.Column("reason", sa.Text),
    )
    op.create_table(
        "campaign_members",
        sa.Column("campaign", sa.String(60), primary_key=True),
        sa.Column("origin", sa.BigInteger, primary_key=True),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.Column("run", sa.BigInteger),
        sa.Column("what", sa.String(20)),
        sa.Column("decided_at", sa.BigInteger),
    )
    op.create_index("campaign_members_due", "campaign_members", ["campaign", "what", "due_at"])
    op.create_index("campaign_members_origin", "campaign_members", ["origin"])
    op.create_table(
        "campaign_answers",
        sa.Column("campaign", sa.String(60), primary_key=True),
        sa.Column("origin", sa.BigInteger, primary_key=True),
        sa.Column("answer", sa.String(10), nullable=False),
        sa.Column("guests", sa.Integer, nullable=False),
        sa.Column("place", sa.String(10), nullable=False),
        sa.Column("note", sa.Text),
        sa.Column("asked_at", sa.BigInteger, nullable=False),
        sa.Column("answered_at", sa.BigInteger, nullable=False),
        sa.Column("by", sa.String(200), nullable=False),
    )
    op.create_index("campaign_answers_origin", "campaign_answers", ["origin"])
    op.create_table(
        "audience_choices",
        sa.Column("audience", sa.String(60), primary_key=True),
        sa.Column("origin", sa.BigInteger, primary_key=True),
        sa.Column("choice", sa.String(5), nullable=False),
        sa.Column("rule", sa.String(200), nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger),
    )
    op.create_index("audience_choices_origin", "audience_choices", ["origin"])
    op.create_table(
        "audience_listed",
        sa.Column("number", Key, primary_key=True, autoincrement=False),
        sa.Column("audience", sa.String(60), nullable=False),
        sa.Column("origin", sa.BigInteger),
        sa.Column("identifiers", sa.Text, nullable=False),
        sa.Column("mark", sa.String(32), nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
    )
    op.create_index("audience_listed_audience", "audience_listed", ["audience", "origin"])
    op.create_index("audience_listed_origin", "audience_listed", ["origin"])
    op.create_table(
        "audience_refreshes",
        sa.Column("number", Key, primary_key=True, autoincrement=False),
        sa.Column("audience", sa.String(60), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("by", sa.String(200), nullable=False),
        sa.Column("members", sa.Integer, nullable=False),
        sa.Column("added", sa.Integer, nullable=False),
        sa.Column("removed", sa.Integer, nullable=False),
        sa.Column("left_out", sa.Text, nullable=False),
        sa.Column("files", sa.Text, nullable=False),
        sa.Column("told", sa.String(10), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at", sa.BigInteger),
        sa.Column("reason", sa.Text),
    )
    op.create_index("audience_refreshes_audience", "audience_refreshes", ["audience", "number"])
    op.create_index("audience_refreshes_told", "audience_refreshes", ["told", "next_at"])


def downgrade() -> None:
    op.drop_table("audience_refreshes")
    op.drop_table("audience_listed")
    op.drop_table("audience_choices")
    op.drop_table("campaign_answers")
    op.drop_table("campaign_members")
    op.drop_table("campaigns")
