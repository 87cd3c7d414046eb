"""Background jobs: when each ran, who runs it, what came of it. And names that people give may be as long as they like.

SQLite never minded their length; PostgreSQL does.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


#: Columns of names that come from files, links and keys, with what they were.
NAMES = (("refusals", "source", 200), ("costs", "source", 200), ("costs", "medium", 200), ("costs", "campaign", 400))


def upgrade() -> None:
    for table, column, length in NAMES:
        with op.batch_alter_table(table) as batch:
            batch.alter_column(column, type_=sa.Text, existing_type=sa.String(length), existing_nullable=False)
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
    for table, column, length in NAMES:
        with op.batch_alter_table(table) as batch:
            batch.alter_column(column, type_=sa.String(length), existing_type=sa.Text, existing_nullable=False)
