"""People whom an owner removed: an identity provider alone does not bring them back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "removed_users",
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("issuer", sa.String(400)),
        sa.Column("subject", sa.String(400)),
        sa.Column("time", sa.BigInteger, nullable=False),
    )
    op.create_index("removed_users_subject", "removed_users", ["issuer", "subject"])


def downgrade() -> None:
    op.drop_table("removed_users")
