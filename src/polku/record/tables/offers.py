"""What offers are made of: products, codes, referrals, points, the orders that they stand on, carts.

``identity`` is the number of an id (``identities.id``) and never a customer's key: whose a row is is asked by a join,
so rows follow every merge and every undo by themselves.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Float, Index, Integer, String, Table, Text

from polku.record.tables.base import Key, metadata

#: Products by the shop's own id. ``given``: JSON, fields by language ("" for all) as imports and feeds tell them;
#: ``heard``: JSON, fields as events told them, which fill what is not given. The columns between are what holds.
#: ``feed``: where ``given`` came from; ``gone_at``: when its feed had it no more. ``together``: JSON list of the
#: product ids that are bought with it, most telling first; ``sold``: orders of it in the time that is looked at.
products = Table(
    "products",
    metadata,
    Column("product_id", String(200), primary_key=True),
    Column("name", Text, nullable=False),
    Column("words", Text, nullable=False),
    Column("category", Text),
    Column("brand", Text),
    Column("price", Float(53)),
    Column("currency", String(3)),
    Column("availability", String(20), nullable=False),
    Column("given", Text, nullable=False),
    Column("heard", Text, nullable=False),
    Column("feed", Text),
    Column("updated_at", BigInteger, nullable=False),
    Column("heard_at", BigInteger),
    Column("gone_at", BigInteger),
    Column("together", Text),
    Column("sold", Integer, nullable=False, server_default="0"),
    Index("products_name", "name"),
    Index("products_feed", "feed"),
)

#: Feeds that were fetched: what the server said of its version, and how it went. ``url`` as the map has it.
product_feeds = Table(
    "product_feeds",
    metadata,
    Column("url", Text, primary_key=True),
    Column("etag", Text),
    Column("modified", Text),
    Column("asked_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger),
    Column("products", Integer),
    Column("refused", Integer),
    Column("fault", Text),
)

#: Discount codes. ``folded``: the code as it is compared, unique over all pools. ``state``: free, given, used,
#: withdrawn; a code that is free or given and whose ``expires_at`` has passed has expired. ``message``: the message of
#: the outbox, or the referral, that it was drawn for: the same one at a retry. ``used_by``: the id that used it, which
#: need not be who was given it.
codes = Table(
    "codes",
    metadata,
    Column("number", Key, primary_key=True, autoincrement=False),
    Column("pool", String(60), nullable=False),
    Column("code", String(120), nullable=False),
    Column("folded", String(120), nullable=False),
    Column("state", String(10), nullable=False),
    Column("expires_at", BigInteger),
    Column("made_at", BigInteger, nullable=False),
    Column("identity", BigInteger),
    Column("message", String(300)),
    Column("given_at", BigInteger),
    Column("used_at", BigInteger),
    Column("used_by", BigInteger),
    Column("order_id", Text),
    Column("times_used", Integer, nullable=False, server_default="0"),
    Column("reason", Text),
    Index("codes_folded", "folded", unique=True),
    Index("codes_drawn", "pool", "message", unique=True),
    Index("codes_state", "pool", "state", "expires_at"),
    Index("codes_identity", "identity"),
)

#: A customer's own link: whoever comes by it was recommended by them.
referral_links = Table(
    "referral_links",
    metadata,
    Column("token", String(40), primary_key=True),
    Column("identity", BigInteger, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Index("referral_links_identity", "identity"),
)

#: Friends who came by a link. ``identity``: the friend's id (null once the friend is erased), ``referrer``: the id of
#: who recommended. ``state``: followed, ordered, doubtful, completed, cancelled, refused; ``reason``: a word for the
#: last three and for doubtful. ``due_at``: when the order has stood for long enough.
referrals = Table(
    "referrals",
    metadata,
    Column("number", Key, primary_key=True, autoincrement=False),
    Column("token", String(40), nullable=False),
    Column("referrer", BigInteger, nullable=False),
    Column("identity", BigInteger),
    Column("followed_at", BigInteger, nullable=False),
    Column("state", String(10), nullable=False),
    Column("order_id", Text),
    Column("ordered_at", BigInteger),
    Column("value", Float(53)),
    Column("due_at", BigInteger),
    Column("decided_at", BigInteger),
    Column("decided_by", Text),
    Column("reason", Text),
    Column("reward", Text),
    Index("referrals_identity", "identity"),
    Index("referrals_referrer", "referrer"),
    Index("referrals_due", "state", "due_at"),
    Index("referrals_order", "order_id"),
)

#: Orders that arrived live: what codes, referrals and points stand on. ``refunded``: how much of ``value`` went back;
#: an order whose cancelling came before it has no ``value`` yet.
offer_orders = Table(
    "offer_orders",
    metadata,
    Column("order_id", String(300), primary_key=True),
    Column("identity", BigInteger),
    Column("time", BigInteger, nullable=False),
    Column("value", Float(53)),
    Column("currency", String(3)),
    Column("refunded", Float(53), nullable=False, server_default="0"),
    Column("cancelled_at", BigInteger),
    Index("offer_orders_identity", "identity"),
)

#: The ledger of points. Points that came in are a lot, of which ``left`` can still be spent; what goes out names the
#: lot that it came ``out_of``, so that the entries of an id always add up to what is left of its lots and never fall
#: below 0, whatever is merged or undone. ``mark``: what it is for, once.
points = Table(
    "points",
    metadata,
    Column("number", Key, primary_key=True, autoincrement=False),
    Column("identity", BigInteger, nullable=False),
    Column("points", Integer, nullable=False),
    Column("left", Integer, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("reason", Text, nullable=False),
    Column("out_of", BigInteger),
    Column("mark", String(400), nullable=False),
    Column("order_id", String(300)),
    Column("time", BigInteger, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("author", Text),
    CheckConstraint("points <> 0", name="points_something"),
    CheckConstraint('"left" >= 0', name="points_left"),
    CheckConstraint('"left" = 0 or "left" <= points', name="points_no_more"),
    Index("points_mark", "mark", unique=True),
    Index("points_identity", "identity", "time"),
    Index("points_order", "order_id"),
    Index("points_expiring", "expires_at"),
    Index("points_time", "time"),
)

#: What is in somebody's cart, as their events told it since their last order. ``key``: the cart's own id, or "".
carts = Table(
    "carts",
    metadata,
    Column("identity", BigInteger, primary_key=True, autoincrement=False),
    Column("key", String(200), primary_key=True),
    Column("lines", Text, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
)
