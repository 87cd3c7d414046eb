"""Guidance: versions of rules, runs, what was noted of them, timers, the outbox."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

Key = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "rule_versions",
        sa.Column("rule", sa.String(200), primary_key=True),
        sa.Column("version", sa.String(20), primary_key=True),
        sa.Column("definition", sa.Text, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger),
    )
    op.create_table(
        "runs",
        sa.Column("id", Key, primary_key=True, autoincrement=False),
        sa.Column("rule", sa.String(200), nullable=False),
        sa.Column("version", sa.String(20), nullable=False),
        sa.Column("customer", sa.BigInteger, nullable=False),
        sa.Column("origin", sa.BigInteger, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("entered_at", sa.BigInteger, nullable=False),
        sa.Column("due_at", sa.BigInteger),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("finished_at", sa.BigInteger),
        sa.Column("facts", sa.Text, nullable=False),
    )
    op.create_index("runs_customer", "runs", ["customer", "rule"])
    op.create_index("runs_rule", "runs", ["rule", "entered_at"])
    op.create_index("runs_origin", "runs", ["origin"])
    op.create_table(
        "run_notes",
        sa.Column("id", Key, primary_key=True, autoincrement=False),
        sa.Column("run", sa.BigInteger),
        sa.Column("rule", sa.String(200), nullable=False),
        sa.Column("customer", sa.BigInteger, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("known", sa.BigInteger, nullable=False),
        sa.Column("what", sa.String(30), nullable=False),
        sa.Column("facts", sa.Text, nullable=False),
    )
    op.create_index("run_notes_customer", "run_notes", ["customer", "rule"])
    op.create_index("run_notes_rule", "run_notes", ["rule", "known"])
    op.create_index("run_notes_run", "run_notes", ["run"])
    op.create_table(
        "timers",
        sa.Column("number", Key, primary_key=True, autoincrement=False),
        sa.Column("due", sa.BigInteger, nullable=False),
        sa.Column("run", sa.BigInteger, nullable=False),
    )
    op.create_index("timers_due", "timers", ["due", "number"])
    op.create_index("timers_run", "timers", ["run"], unique=True)
    op.create_table(
        "outbox",
        sa.Column("key", sa.String(300), primary_key=True),
        sa.Column("rule", sa.String(200), nullable=False),
        sa.Column("run", sa.BigInteger),
        sa.Column("step", sa.Integer),
        sa.Column("variant", sa.String(60)),
        sa.Column("customer", sa.BigInteger, nullable=False),
        sa.Column("channel", sa.String(60), nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("to", sa.String(64)),
        sa.Column("owed", sa.Boolean, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("facts", sa.Text, nullable=False),
        sa.Column("payload", sa.Text),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        sa.Column("next_at", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("claimed_at", sa.BigInteger),
        sa.Column("claimed_by", sa.String(200)),
        sa.Column("finished_at", sa.BigInteger),
        sa.Column("provider_id", sa.Text),
        sa.Column("reason", sa.Text),
    )
    op.create_index("outbox_next", "outbox", ["state", "next_at"])
    op.create_index("outbox_customer", "outbox", ["customer", "channel", "made_at"])
    op.create_index("outbox_rule", "outbox", ["rule", "made_at"])


def downgrade() -> None:
    op.drop_table("outbox")
    op.drop_table("timers")
    op.drop_table("run_notes")
    op.drop_table("runs")
    op.drop_table("rule_versions")
