"""Background jobs: when each ran, who runs it, what came of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("name", sa.String(60), primary_key=True),
        sa.Column("host", sa.String(200), primary_key=True),
        sa.Column("holder", sa.String(200), nullable=False),
        sa.Column("started_at", sa.BigInteger),
        sa.Column("finished_at", sa.BigInteger),
        sa.Column("next_at", sa.BigInteger, nullable=False),
        sa.Column("outcome", sa.Text),
        sa.Column("runs", sa.BigInteger, nullable=False),
        sa.Column("failures", sa.BigInteger, nullable=False),
        sa.Column("failed_at", sa.BigInteger),
        sa.Column("reason", sa.Text),
    )


def downgrade() -> None:
    op.drop_table("jobs")
