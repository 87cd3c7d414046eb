"""Contacts, consent, erasure and retention."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

Key = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "contacts",
        sa.Column("kind", sa.String(10), primary_key=True),
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("first_seen", sa.BigInteger, nullable=False),
        sa.Column("last_seen", sa.BigInteger, nullable=False),
        sa.Column("source", sa.Text),
    )
    op.create_index("contacts_last_seen", "contacts", ["last_seen"])
    op.create_table(
        "consents",
        sa.Column("id", Key, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("purpose", sa.String(60), nullable=False),
        sa.Column("granted", sa.Boolean, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("text_version", sa.String(100)),
        sa.Column("author", sa.Text),
        sa.Column("noted_at", sa.BigInteger, nullable=False),
    )
    op.create_index("consents_value", "consents", ["value", "kind"])
    op.create_table(
        "consent_texts",
        sa.Column("version", sa.String(100), primary_key=True),
        sa.Column("language", sa.String(10), primary_key=True),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("added_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "erasures",
        sa.Column("id", sa.String(60), primary_key=True),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("finished_at", sa.BigInteger),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("plan", sa.Text),
        sa.Column("receipt", sa.Text),
    )
    op.create_table(
        "erased",
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("mark", sa.BigInteger, nullable=False),
        sa.Column("erasure", sa.String(60), nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "retention_runs",
        sa.Column("id", Key, primary_key=True, autoincrement=True),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("rule", sa.String(40), nullable=False),
        sa.Column("before", sa.BigInteger, nullable=False),
        sa.Column("removed", sa.BigInteger, nullable=False),
        sa.Column("facts", sa.Text),
    )


def downgrade() -> None:
    for table in ("retention_runs", "erased", "erasures", "consent_texts", "consents", "contacts"):
        op.drop_table(table)
