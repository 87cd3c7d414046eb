"""Figures that others computed over real and realistic data; see the READMEs beside the data."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
from pathlib import Path

import pyarrow as pa
import pytest

from measures.test_funnel import window_funnel
from polku.journey.model import Journey
from polku.kernels import sessions as kernel
from polku.measures.conversion import conversion
from polku.measures.customers import customers_behind
from polku.measures.funnels.funnel import funnel
from polku.measures.living import living_map
from polku.measures.view import columns_of, view_of
from polku.trails.layout import Trails
from polku.trails.people import trails_of_table

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not DATA.is_dir(), reason="the real data is not beside the repository"),
]
MINUTE, DAY = 60, 86400
FIRST = ("catalog", "product_view", "add_to_cart", "purchase")
SECOND = ("product_view", "add_to_cart", "cart", "shipping_details", "payment_details", "purchase")
THIRD = ("home", "product_view", "purchase")


def seconds(text: str, pattern: str) -> int:
    return int(dt.datetime.strptime(text, pattern).replace(tzinfo=dt.UTC).timestamp())


@pytest.fixture(scope="module")
def ecom() -> list[dict[str, str]]:
    with gzip.open(DATA / "ecom" / "ecom.csv.gz", "rt", encoding="utf-8") as f:
        return list(csv.DictReader(f))


@pytest.fixture(scope="module")
def rees46() -> list[dict[str, str]]:
    text = (DATA / "rees46_sample" / "2019-Oct-head.csv").read_text(encoding="utf-8")
    complete = text[: text.rindex("\n") + 1]
    return list(csv.DictReader(io.StringIO(complete)))


def plain(rows, pattern, customer, time, event, session=None) -> Trails:
    columns = {
        "customer": [r[customer] for r in rows],
        "time": [seconds(r[time], pattern) for r in rows],
        "event": [r[event] for r in rows],
    }
    if session:
        columns["session"] = [r[session] for r in rows]
    return Trails.from_table(
        pa.table(columns), customer="customer", time="time", event="event", session="session" if session else None
    )


def ecom_trails(rows, session: bool = True) -> Trails:
    return plain(rows, "%Y-%m-%d %H:%M:%S", "user_id", "timestamp", "event", "session_id" if session else None)


def reached(trails: Trails, steps, within, by="customer"):
    return [s.reached.n for s in funnel(view_of(trails), steps, within, by).steps]


@pytest.mark.parametrize(
    ("steps", "within", "by", "counts"),
    [
        (FIRST, 365 * DAY, "customer", [600, 596, 502, 274]),
        (FIRST, 365 * DAY, "session", [2837, 2108, 602, 135]),
        (FIRST, 30 * MINUTE, "customer", [600, 591, 380, 94]),
        (FIRST, DAY, "customer", [600, 591, 386, 123]),
        (FIRST, 7 * DAY, "customer", [600, 591, 410, 160]),
        (SECOND, 365 * DAY, "customer", [598, 517, 429, 329, 222, 114]),
        (SECOND, 365 * DAY, "session", [2868, 944, 477, 194, 72, 15]),
        (SECOND, 30 * MINUTE, "customer", [598, 480, 317, 157, 62, 12]),
        (SECOND, DAY, "customer", [598, 482, 324, 169, 69, 16]),
        (SECOND, 7 * DAY, "customer", [598, 487, 353, 210, 109, 40]),
        (THIRD, 30 * MINUTE, "customer", [586, 558, 137]),
        (THIRD, DAY, "customer", [586, 560, 160]),
        (THIRD, 7 * DAY, "customer", [586, 569, 183]),
        (THIRD, 365 * DAY, "customer", [586, 581, 285]),
    ],
)
def test_ecom_funnels(ecom, steps, within, by, counts):
    assert reached(ecom_trails(ecom), steps, within, by) == counts


def test_ecom_sessions_by_the_rule_of_thirty_minutes_equal_the_native_ones(ecom):
    for session in (True, False):
        buckets = ecom_trails(ecom, session).buckets
        assert sum(len(kernel.sessions(columns_of(b), 1800, 1 << 40)[1]) for b in buckets) == 3605


def test_ecom_conversion(ecom):
    trails = ecom_trails(ecom)
    by_user = conversion(view_of(trails), "add_to_cart", "purchase")
    assert (by_user.conversion.denominator, by_user.conversion.numerator) == (522, 297)
    by_session = conversion(view_of(trails), "add_to_cart", "purchase", by="session")
    assert (by_session.conversion.denominator, by_session.conversion.numerator) == (1213, 364)
    base = conversion(view_of(trails), to="purchase")
    assert round(base.conversion.value, 4) == 0.5467


@pytest.mark.parametrize(
    ("steps", "within", "users", "sessions"),
    [
        (("view", "cart", "purchase"), 10 * MINUTE, [4504, 111, 61], [5066, 118, 64]),
        (("view", "cart", "purchase"), 60 * MINUTE, [4504, 111, 62], [5066, 118, 65]),
        (("view", "cart", "purchase"), DAY, [4504, 111, 62], [5066, 118, 65]),
        (("view", "purchase"), DAY, [4504, 192], [5066, 199]),
    ],
)
def test_rees46_funnels(rees46, steps, within, users, sessions):
    """One session id of the file is shared by two users: Polku's sessions are a customer's own, so it has one more."""
    pattern = "%Y-%m-%d %H:%M:%S UTC"
    trails = plain(rees46, pattern, "user_id", "event_time", "event_type", "user_session")
    assert reached(trails, steps, within) == users
    assert reached(trails, steps, within, "session") == [sessions[0] + 1, *sessions[1:]]
    by_id_alone = plain(rees46, pattern, "user_session", "event_time", "event_type")
    assert reached(by_id_alone, steps, within) == sessions


def test_rees46_ties_change_nothing_here(rees46):
    """Nine events share their second with an earlier one of the same user; ClickHouse's rule for ties agrees here."""
    people: dict[str, list[tuple[int, str]]] = {}
    for row in rees46:
        people.setdefault(row["user_id"], []).append(
            (seconds(row["event_time"], "%Y-%m-%d %H:%M:%S UTC"), row["event_type"])
        )
    tied = sum(len(p) - len({e[0] for e in p}) for p in people.values())
    levels = [window_funnel(p, ("view", "cart", "purchase"), 600) for p in people.values()]
    assert tied == 9
    assert [sum(v > k for v in levels) for k in range(3)] == [4504, 111, 61]


ECOM_MAP = Journey.model_validate(
    {
        "title": "ecom",
        "timezone": "UTC",
        "window": "365d",
        "stages": [
            {"id": "awareness", "touchpoints": [
                {"id": e, "match": {"event": e}} for e in ("home", "catalog", "search", "promo_page")]},
            {"id": "consideration", "touchpoints": [
                {"id": e, "match": {"event": e}} for e in ("product_view", "compare", "wishlist_add")]},
            {"id": "decision", "touchpoints": [
                {"id": "add_to_cart", "match": {"event": "add_to_cart"}},
                {"id": "payment", "match": {"event": "payment_details"}, "fails": {"event": "payment_error"}},
                {"id": "purchase", "match": {"event": "purchase"}}]},
            {"id": "loyalty", "enter": "count(purchase) >= 2 within 365d"},
        ],
    }
)  # fmt: skip


def history(rows, pattern, customer, time, event, value=None) -> pa.Table:
    return pa.table(
        {
            "time": pa.array([seconds(r[time], pattern) * 1_000_000 for r in rows], pa.timestamp("us", "UTC")),
            "event": [event(r) if callable(event) else r[event] for r in rows],
            "user_id": [r[customer] or None for r in rows],
            "value": pa.array([value(r) if value else None for r in rows], pa.float64()),
            "seq": pa.array(range(len(rows)), pa.int64()),
        }
    )


def test_ecom_fills_a_living_map(ecom):
    table = history(ecom, "%Y-%m-%d %H:%M:%S", "user_id", "timestamp", "event")
    trails = trails_of_table(ECOM_MAP, table)
    living = living_map(trails, ECOM_MAP)
    events = {t.id: t.events for t in living.touchpoints}
    assert events["product_view"] == 6851
    assert events["add_to_cart"] == 1346
    assert events["purchase"] == 470
    buyers = {r["user_id"] for r in ecom if r["event"] == "purchase"}
    assert {t.id: t.figures.reached.n for t in living.touchpoints}["purchase"] == len(buyers)
    twice = {u for u in buyers if sum(r["user_id"] == u and r["event"] == "purchase" for r in ecom) >= 2}
    assert living.stages[3].figures.reached.n == len(twice)
    assert living.customers.n == 600
    assert sum(s.now.n + s.lapsed.n for s in living.stages) == 600
    failed = next(d for t in living.touchpoints if t.id == "payment" for d in t.deviations if d.kind == "failed")
    assert failed.count.n == len({r["user_id"] for r in ecom if r["event"] == "payment_error"})
    assert customers_behind(trails, ECOM_MAP, failed.count.behind).total == failed.count.n
    off = {d.event: d.count.n for d in living.ad_hoc}
    assert off["cart"] == len({r["user_id"] for r in ecom if r["event"] == "cart"})


RETAIL_MAP = Journey.model_validate(
    {
        "title": "Online retail",
        "timezone": "Europe/London",
        "currency": "GBP",
        "window": "90d",
        "stages": [
            {"id": "first", "touchpoints": [{"id": "order", "match": {"event": "Order Completed"}}]},
            {"id": "returning", "enter": "count(order) >= 2", "lapses_after": "90d"},
            {"id": "loyal", "enter": "sum(order.value) > 5000 within 365d", "lapses_after": "180d"},
        ],
    }
)


def test_online_retail_fills_a_living_map():
    """One event an invoice, as the README cleans it: 4,338 customers, 18,532 invoices, 8,911,407.90."""
    invoices: dict[str, tuple[str, str, float]] = {}
    with gzip.open(DATA / "online_retail" / "online_retail.csv.gz", "rt", encoding="utf-8", errors="replace") as f:
        for row in csv.DictReader(f):
            quantity, price = float(row["Quantity"]), float(row["UnitPrice"])
            if row["CustomerID"] and not row["InvoiceNo"].startswith("C") and quantity > 0 and price > 0:
                number = row["InvoiceNo"]
                total = invoices[number][2] if number in invoices else 0.0
                invoices[number] = (row["CustomerID"], row["InvoiceDate"], total + quantity * price)
    pattern = "%Y-%m-%d %H:%M:%S" if "-" in next(iter(invoices.values()))[1] else "%m/%d/%Y %H:%M"
    rows = [dict(zip(("customer", "time", "value"), v, strict=True)) for v in invoices.values()]
    table = history(rows, pattern, "customer", "time", lambda r: "Order Completed", lambda r: round(r["value"], 4))
    living = living_map(trails_of_table(RETAIL_MAP, table), RETAIL_MAP)
    assert living.customers.n == 4338
    assert living.touchpoints[0].events == 18_532
    assert round(living.touchpoints[0].figures.value.amount, 2) == 8_911_407.90
    orders: dict[str, int] = {}
    for row in rows:
        orders[row["customer"]] = orders.get(row["customer"], 0) + 1
    assert living.stages[0].figures.reached.n == 4338
    reached_later = living.stages[1].figures.reached.n + living.stages[1].skipped.n
    assert reached_later >= sum(n >= 2 for n in orders.values())
    assert sum(s.now.n + s.lapsed.n for s in living.stages) == 4338
