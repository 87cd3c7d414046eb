"""What advertising cost, by day and campaign."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "costs",
        sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("source", sa.String(200), primary_key=True),
        sa.Column("medium", sa.String(200), primary_key=True),
        sa.Column("campaign", sa.String(400), primary_key=True),
        sa.Column("amount", sa.Float(53), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("impressions", sa.BigInteger),
        sa.Column("clicks", sa.BigInteger),
        sa.Column("imported_at", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("costs")
