"""Identities of more kinds, aliases, quarantine."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

Key = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.drop_index("joins_pair", "joins")
    op.drop_index("joins_user", "joins")
    op.rename_table("joins", "joins_before")
    op.create_table(
        "joins",
        sa.Column("id", Key, primary_key=True, autoincrement=True),
        sa.Column("weaker", sa.BigInteger, nullable=False),
        sa.Column("stronger", sa.BigInteger, nullable=False),
        sa.Column("weaker_kind", sa.String(32), nullable=False),
        sa.Column("stronger_kind", sa.String(32), nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
        sa.Column("said_by", sa.Text),
        sa.Column("counts", sa.Boolean, nullable=False),
        sa.Column("noted_at", sa.BigInteger, nullable=False),
        sa.Column("undone_at", sa.BigInteger),
        sa.Column("undone_by", sa.Text),
    )
    op.execute(
        """
        insert into joins (weaker, stronger, weaker_kind, stronger_kind, time, evidence, said_by, counts, noted_at,
                           undone_at, undone_by)
        select anonymous, "user", 'anonymous', 'user', time,
               case when evidence like 'hand: %' then substr(evidence, 7) else evidence end,
               case when evidence like 'hand: %' then '' end, decides, noted_at, undone_at, undone_by
        from joins_before order by id
        """
    )
    op.drop_table("joins_before")
    op.create_index("joins_pair", "joins", ["weaker", "stronger"], unique=True)
    op.create_index("joins_stronger", "joins", ["stronger", "weaker_kind"])
    op.create_table(
        "aliases",
        sa.Column("former", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("user", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
    )
    op.create_index("aliases_user", "aliases", ["user"])
    op.create_table(
        "crowds",
        sa.Column("identity", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("devices", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "quarantine",
        sa.Column("identity", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("verdict", sa.String(10), nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("others", sa.BigInteger, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("said_at", sa.BigInteger),
        sa.Column("said_by", sa.Text),
    )


def downgrade() -> None:
    op.drop_table("quarantine")
    op.drop_table("crowds")
    op.drop_table("aliases")
    op.drop_index("joins_pair", "joins")
    op.drop_index("joins_stronger", "joins")
    op.rename_table("joins", "joins_after")
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
    op.execute(
        """
        insert into joins (anonymous, "user", time, evidence, decides, noted_at, undone_at, undone_by)
        select weaker, stronger, time, case when said_by is null then 'events' else 'hand: ' || evidence end, counts,
               noted_at, undone_at, undone_by
        from joins_after where weaker_kind = 'anonymous' and stronger_kind <> 'anonymous' order by id
        """
    )
    op.drop_table("joins_after")
    op.create_index("joins_pair", "joins", ["anonymous", "user"], unique=True)
    op.create_index("joins_user", "joins", ["user"])
