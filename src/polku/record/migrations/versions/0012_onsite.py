"""Messages on the site: who saw, closed and answered them; visitors who were handed over to a person."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

Key = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "site_messages",
        sa.Column("key", sa.String(300), primary_key=True),
        sa.Column("drawn", sa.Text, nullable=False),
        sa.Column("drawn_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("shows", sa.Integer, nullable=False, server_default="0"),
        sa.Column("session", sa.String(100)),
        sa.Column("shown_at", sa.BigInteger),
        sa.Column("clicked_at", sa.BigInteger),
        sa.Column("closed_at", sa.BigInteger),
        sa.Column("submitted_at", sa.BigInteger),
    )
    op.create_index("site_messages_expiry", "site_messages", ["expires_at"])
    op.create_table(
        "handovers",
        sa.Column("number", Key, primary_key=True),
        sa.Column("code", sa.String(12), nullable=False, unique=True),
        sa.Column("identity", sa.BigInteger),
        sa.Column("via", sa.String(20), nullable=False),
        sa.Column("page", sa.Text, nullable=False),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        sa.Column("done_at", sa.BigInteger),
        sa.Column("done_by", sa.String(200)),
    )
    op.create_index("handovers_open", "handovers", ["done_at", "made_at"])
    op.create_index("handovers_identity", "handovers", ["identity"])


def downgrade() -> None:
    op.drop_table("handovers")
    op.drop_table("site_messages")
