"""The first format: inbox, identities, imports, leases.

Written out in full, because a migration must not change when the tables do.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

Key = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "meta", sa.Column("name", sa.String(60), primary_key=True), sa.Column("value", sa.Text, nullable=False)
    )
    op.create_table(
        "counters",
        sa.Column("name", sa.String(60), primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.String(60), primary_key=True),
        sa.Column("holder", sa.String(200), nullable=False),
        sa.Column("host", sa.String(200), nullable=False),
        sa.Column("token", sa.BigInteger, nullable=False),
        sa.Column("doing", sa.Text, nullable=False),
        sa.Column("taken_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "identities",
        sa.Column("id", Key, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("hash", sa.BigInteger, nullable=False),
        sa.Column("customer", sa.BigInteger, nullable=False),
    )
    op.create_index("identities_hash", "identities", ["hash"], unique=True)
    op.create_index(
        "identities_joined",
        "identities",
        ["customer"],
        sqlite_where=sa.text("customer != id"),
        postgresql_where=sa.text("customer != id"),
    )
    op.create_table(
        "joins",
        sa.Column("id", Key, primary_key=True, autoincrement=True),
        sa.Column("anonymous", sa.BigInteger, nullable=False),
        sa.Column("user", sa.BigInteger, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
        sa.Column("decides", sa.Boolean, nullable=False),
        sa.Column("noted_at", sa.BigInteger, nullable=False),
        sa.Column("undone_at", sa.BigInteger),
        sa.Column("undone_by", sa.Text),
    )
    op.create_index("joins_pair", "joins", ["anonymous", "user"], unique=True)
    op.create_index("joins_user", "joins", ["user"])
    op.create_table(
        "identity_changes",
        sa.Column("counter", Key, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("customer", sa.BigInteger, nullable=False),
        sa.Column("survivor", sa.BigInteger),
        sa.Column("time", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "imports",
        sa.Column("id", sa.String(60), primary_key=True),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.String(80)),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("finished_at", sa.BigInteger),
        sa.Column("version", sa.BigInteger),
        sa.Column("read", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("stored", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("duplicates", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("refused", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("report", sa.Text),
    )
    op.create_table(
        "inbox",
        sa.Column("last_seq", Key, primary_key=True, autoincrement=False),
        sa.Column("first_seq", sa.BigInteger, nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "moves",
        sa.Column("last_seq", Key, primary_key=True, autoincrement=False),
        sa.Column("first_seq", sa.BigInteger, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("duplicates", sa.BigInteger, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    for table in ("moves", "inbox", "imports", "identity_changes", "joins", "identities", "leases", "counters", "meta"):
        op.drop_table(table)
