"""Live collection: what was refused after it had arrived."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

Key = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "refused_events",
        sa.Column("id", Key, primary_key=True, autoincrement=True),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("source", sa.String(200), nullable=False),
        sa.Column("protocol", sa.String(40), nullable=False),
        sa.Column("place", sa.String(10), nullable=False),
        sa.Column("reason", sa.String(60), nullable=False),
        sa.Column("time", sa.BigInteger),
        sa.Column("raw", sa.Text, nullable=False),
    )
    op.create_index("refused_events_received", "refused_events", ["received_at"])
    op.create_index("refused_events_reason", "refused_events", ["source", "reason"])


def downgrade() -> None:
    op.drop_table("refused_events")
