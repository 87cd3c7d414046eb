"""What offers are made of: products, codes, referrals, points."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

Key = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "products",
        sa.Column("product_id", sa.String(200), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("words", sa.Text, nullable=False),
        sa.Column("category", sa.Text),
        sa.Column("brand", sa.Text),
        sa.Column("price", sa.Float(53)),
        sa.Column("currency", sa.String(3)),
        sa.Column("availability", sa.String(20), nullable=False),
        sa.Column("given", sa.Text, nullable=False),
        sa.Column("heard", sa.Text, nullable=False),
        sa.Column("feed", sa.Text),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("heard_at", sa.BigInteger),
        sa.Column("gone_at", sa.BigInteger),
        sa.Column("together", sa.Text),
        sa.Column("sold", sa.Integer, nullable=False, server_default="0"),
    )
    op.create_index("products_name", "products", ["name"])
    op.create_index("products_feed", "products", ["feed"])
    op.create_table(
        "product_feeds",
        sa.Column("url", sa.Text, primary_key=True),
        sa.Column("etag", sa.Text),
        sa.Column("modified", sa.Text),
        sa.Column("asked_at", sa.BigInteger, nullable=False),
        sa.Column("changed_at", sa.BigInteger),
        sa.Column("products", sa.Integer),
        sa.Column("refused", sa.Integer),
        sa.Column("fault", sa.Text),
    )
    op.create_table(
        "codes",
        sa.Column("number", Key, primary_key=True, autoincrement=False),
        sa.Column("pool", sa.String(60), nullable=False),
        sa.Column("code", sa.String(120), nullable=False),
        sa.Column("folded", sa.String(120), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        sa.Column("identity", sa.BigInteger),
        sa.Column("message", sa.String(300)),
        sa.Column("given_at", sa.BigInteger),
        sa.Column("used_at", sa.BigInteger),
        sa.Column("used_by", sa.BigInteger),
        sa.Column("order_id", sa.Text),
        sa.Column("times_used", sa.Integer, nullable=False, server_default="0"),
        sa.Column("reason", sa.Text),
    )
    op.create_index("codes_folded", "codes", ["folded"], unique=True)
    op.create_index("codes_drawn", "codes", ["pool", "message"], unique=True)
    op.create_index("codes_state", "codes", ["pool", "state", "expires_at"])
    op.create_index("codes_identity", "codes", ["identity"])
    op.create_table(
        "referral_links",
        sa.Column("token", sa.String(40), primary_key=True),
        sa.Column("identity", sa.BigInteger, nullable=False),
        sa.Column("made_at", sa.BigInteger, nullable=False),
    )
    op.create_index("referral_links_identity", "referral_links", ["identity"])
    op.create_table(
        "referrals",
        sa.Column("number", Key, primary_key=True, autoincrement=False),
        sa.Column("token", sa.String(40), nullable=False),
        sa.Column("referrer", sa.BigInteger, nullable=False),
        sa.Column("identity", sa.BigInteger),
        sa.Column("followed_at", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("order_id", sa.Text),
        sa.Column("ordered_at", sa.BigInteger),
        sa.Column("value", sa.Float(53)),
        sa.Column("due_at", sa.BigInteger),
        sa.Column("decided_at", sa.BigInteger),
        sa.Column("decided_by", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("reward", sa.Text),
    )
    op.create_index("referrals_identity", "referrals", ["identity"])
    op.create_index("referrals_referrer", "referrals", ["referrer"])
    op.create_index("referrals_due", "referrals", ["state", "due_at"])
    op.create_index("referrals_order", "referrals", ["order_id"])
    op.create_table(
        "offer_orders",
        sa.Column("order_id", sa.String(300), primary_key=True),
        sa.Column("identity", sa.BigInteger),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("value", sa.Float(53)),
        sa.Column("currency", sa.String(3)),
        sa.Column("refunded", sa.Float(53), nullable=False, server_default="0"),
        sa.Column("cancelled_at", sa.BigInteger),
    )
    op.create_index("offer_orders_identity", "offer_orders", ["identity"])
    op.create_table(
        "points",
        sa.Column("number", Key, primary_key=True, autoincrement=False),
        sa.Column("identity", sa.BigInteger, nullable=False),
        sa.Column("points", sa.Integer, nullable=False),
        sa.Column("left", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("out_of", sa.BigInteger),
        sa.Column("mark", sa.String(400), nullable=False),
        sa.Column("order_id", sa.String(300)),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("author", sa.Text),
        sa.CheckConstraint("points <> 0", name="points_something"),
        sa.CheckConstraint('"left" >= 0', name="points_left"),
        sa.CheckConstraint('"left" = 0 or "left" <= points', name="points_no_more"),
    )
    op.create_index("points_mark", "points", ["mark"], unique=True)
    op.create_index("points_identity", "points", ["identity", "time"])
    op.create_index("points_order", "points", ["order_id"])
    op.create_index("points_expiring", "points", ["expires_at"])
    op.create_index("points_time", "points", ["time"])
    op.create_table(
        "carts",
        sa.Column("identity", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("key", sa.String(200), primary_key=True),
        sa.Column("lines", sa.Text, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("carts")
    op.drop_table("points")
    op.drop_table("offer_orders")
    op.drop_table("referrals")
    op.drop_table("referral_links")
    op.drop_table("codes")
    op.drop_table("product_feeds")
    op.drop_table("products")
