"""What rules do, variants that learn, and what came back of mail."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "variant_shares",
        sa.Column("rule", sa.String(200), primary_key=True),
        sa.Column("step", sa.Integer, primary_key=True),
        sa.Column("variant", sa.String(60), primary_key=True),
        sa.Column("share", sa.Float, nullable=False),
        sa.Column("given", sa.Integer, nullable=False),
        sa.Column("reached", sa.Integer, nullable=False),
        sa.Column("worth", sa.Float, nullable=False),
        sa.Column("learned_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "effects",
        sa.Column("rule", sa.String(200), primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        sa.Column("figures", sa.Text, nullable=False),
    )
    op.create_table(
        "mail_reports",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("via", sa.String(60), nullable=False),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("code", sa.String(20), nullable=False),
        sa.Column("matched", sa.Boolean, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
    )
    op.create_index("outbox_provider", "outbox", ["provider_id"])


def downgrade() -> None:
    op.drop_index("outbox_provider", "outbox")
    op.drop_table("mail_reports")
    op.drop_table("effects")
    op.drop_table("variant_shares")
