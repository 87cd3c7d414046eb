"""Plain tables of data that no one here made, against the figures of their READMEs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from polku.trails.layout import Trails

DATA = Path(__file__).parent.parent.parent.parent / "shared" / "data"
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not DATA.is_dir(), reason="the real data sets are not beside the repository"),
]


def sessions(trails: Trails) -> int:
    return sum(len(b.session_hash) - 1 for b in trails.buckets if b.session_hash is not None)


def transitions(trails: Trails) -> dict[tuple[str, str], int]:
    """Which event follows which in a customer's trail."""
    names = trails.tables.code_event
    counts: dict[tuple[str, str], int] = {}
    for b in trails.buckets:
        same = np.repeat(np.arange(b.customers), np.diff(b.offsets))
        follows = np.flatnonzero(same[1:] == same[:-1])
        for one, other in zip(b.code[follows].tolist(), b.code[follows + 1].tolist(), strict=True):
            pair = (names[one], names[other])
            counts[pair] = counts.get(pair, 0) + 1
    return counts


def test_ecom() -> None:
    """File order decides the 163 ties, or the transitions would differ."""
    table = pd.read_csv(DATA / "ecom" / "ecom.csv.gz", parse_dates=["timestamp"])
    trails = Trails.from_table(table, customer="user_id", time="timestamp", event="event", session="session_id")
    assert (trails.events, trails.customers, sessions(trails)) == (31_106, 600, 3_605)
    assert len(trails.tables.code_event) == 19
    counts = transitions(trails)
    expected = {
        ("catalog", "product_view"): 1751,
        ("catalog", "catalog"): 1239,
        ("product_view", "catalog"): 1561,
        ("product_view", "add_to_cart"): 364,
        ("cart", "purchase"): 72,
    }
    assert {pair: counts[pair] for pair in expected} == expected


def test_rees46() -> None:
    file = next((DATA / "rees46_sample").glob("*.csv"))
    table = pd.read_csv(file, nrows=17_434)
    table["event_time"] = pd.to_datetime(table["event_time"].str.removesuffix(" UTC"))
    trails = Trails.from_table(
        table, customer="user_id", time="event_time", event="event_type", session="user_session", value="price"
    )
    assert (trails.events, trails.customers) == (17_434, 4_504)
    # The README counts 5,066 session ids. One of them was used by two users: here it is a session of each.
    assert table["user_session"].nunique() == 5_066
    assert int((table.groupby("user_session")["user_id"].nunique() > 1).sum()) == 1
    assert sessions(trails) == 5_067
    counts = dict.fromkeys(trails.tables.code_event, 0)
    for b in trails.buckets:
        for name, count in zip(trails.tables.code_event, np.bincount(b.code, minlength=3), strict=True):
            counts[name] += int(count)
    assert counts == {"cart": 165, "purchase": 214, "view": 17_055}


def test_online_retail() -> None:
    table = pd.read_csv(DATA / "online_retail" / "online_retail.csv.gz", dtype={"CustomerID": str, "InvoiceNo": str})
    table["time"] = pd.to_datetime(table["InvoiceDate"])
    table["amount"] = table["Quantity"] * table["UnitPrice"]
    table["what"] = np.where(table["InvoiceNo"].str.startswith("C"), "cancellation", "order")
    trails = Trails.from_table(
        table, customer="CustomerID", time="time", event="what", session="InvoiceNo", value="amount"
    )
    assert (trails.events, trails.without_customer, trails.customers) == (541_909 - 135_080, 135_080, 4_372)
    expected = table.loc[table["CustomerID"].notna(), "amount"].sum()
    total = sum(float(np.nansum(b.value)) for b in trails.buckets if b.value is not None)
    assert total == pytest.approx(expected)
