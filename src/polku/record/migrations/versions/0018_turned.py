"""Looks of a rule at all customers, in slices: hours of the calendar, days of the traits, who qualifies now."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

Key = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "sweeps",
        sa.Column("id", Key, primary_key=True, autoincrement=False),
        sa.Column("rule", sa.String(200), nullable=False),
        sa.Column("version", sa.String(20), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("since", sa.BigInteger),
        sa.Column("begun_at", sa.BigInteger, nullable=False),
        sa.Column("begun_by", sa.Text),
        sa.Column("after", sa.BigInteger, nullable=False),
        sa.Column("customers", sa.BigInteger, nullable=False),
        sa.Column("entered", sa.BigInteger, nullable=False),
        sa.Column("finished_at", sa.BigInteger),
        sa.Column("reason", sa.String(30)),
    )
    op.create_index("sweeps_rule", "sweeps", ["rule", "kind", "time"], unique=True)
    op.create_index("sweeps_open", "sweeps", ["finished_at"])


def downgrade() -> None:
    op.drop_table("sweeps")
