"""Sending: addresses that nothing is sent to any more, tasks for people."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

Key = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "suppressions",
        sa.Column("kind", sa.String(10), primary_key=True),
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("reason", sa.String(20), nullable=False),
        sa.Column("detail", sa.Text),
        sa.Column("time", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "tasks",
        sa.Column("number", Key, primary_key=True),
        sa.Column("key", sa.String(300), nullable=False, unique=True),
        sa.Column("rule", sa.String(200), nullable=False),
        sa.Column("customer", sa.BigInteger, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        sa.Column("due_at", sa.BigInteger),
        sa.Column("done_at", sa.BigInteger),
        sa.Column("done_by", sa.String(200)),
        sa.Column("outcome", sa.Text),
    )
    op.create_index("tasks_open", "tasks", ["done_at", "made_at"])
    op.create_index("tasks_customer", "tasks", ["customer"])


def downgrade() -> None:
    op.drop_table("tasks")
    op.drop_table("suppressions")
