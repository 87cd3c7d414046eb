"""The benchmark's shop: power-law activity, 40 event names, 180 days, in the order of time, as a log would be.

    python bench/data.py --events 20000000

writes ``bench/.data/<events>/events.parquet`` and ``events.csv`` (a tenth of the rows), once.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

HERE = Path(__file__).parent
NAMES = (
    "page", "Product List Viewed", "Products Searched", "Product Viewed", "Product Clicked", "Product Added",
    "Product Removed", "Cart Viewed", "Checkout Started", "Payment Info Entered", "Order Completed", "Order Refunded",
    "Product Reviewed", "Product Shared", "Promotion Viewed", "Promotion Clicked", "Coupon Entered", "Email Opened",
    "Email Clicked", "Survey Answered", "Support Requested", "Chat Started", "Video Started", "Video Finished",
    "Content Read", "Form Submitted", "Store Visited", "Call Received", "Product Added to Wishlist", "Cart Shared",
    "Product List Filtered", "Page Slow", "Page Failed", "Payment Failed", "Recommended", "Signed In", "Signed Up",
    "Subscription Started", "Trial Started", "Searched",
)  # fmt: skip
START = np.datetime64("2026-01-01T00:00:00", "us")


def columns(events: int, customers: int, seed: int = 7, days: int = 180) -> dict[str, np.ndarray]:
    """``customer`` int64, ``event`` int8 (row of NAMES), ``time`` datetime64[us] ascending, ``value`` float64 (NaN)."""
    rng = np.random.default_rng(seed)
    weights = (rng.pareto(1.3, customers) + 0.3).cumsum()
    weights /= weights[-1]
    customer = np.searchsorted(weights, rng.random(events)).astype(np.int64)
    customer[: min(customers, events)] = np.arange(min(customers, events))
    rng.shuffle(customer)
    popularity = 1 / np.arange(1, len(NAMES) + 1) ** 0.9
    event = rng.choice(len(NAMES), events, p=popularity / popularity.sum()).astype(np.int8)
    time = START + np.sort(rng.integers(0, days * 86400, events)).astype("timedelta64[s]")
    value = np.where(event == NAMES.index("Order Completed"), rng.lognormal(4, 0.6, events).round(2), np.nan)
    return {"customer": customer, "event": event, "time": time, "value": value}


def table(events: int, customers: int, seed: int = 7) -> pa.Table:
    raw = columns(events, customers, seed)
    ids = (
        pa.array(np.char.add("c", raw["customer"].astype("U7")).astype(object), pa.string())
        if events < 200_000
        else None
    )
    if ids is None:
        words = pa.array([f"c{i}" for i in range(customers)])
        ids = words.take(pa.array(raw["customer"]))
    names = pa.DictionaryArray.from_arrays(pa.array(raw["event"]), pa.array(NAMES)).cast(pa.string())
    return pa.table(
        {
            "user_id": ids,
            "event": names,
            "time": pa.array(raw["time"], pa.timestamp("us", "UTC")),
            "value": pa.array(raw["value"], from_pandas=True),
        },
    )


def folder(events: int) -> Path:
    return HERE / ".data" / str(events)


def prepare(events: int) -> Path:
    """Write the files once; returns their folder."""
    where = folder(events)
    parquet, csv = where / "events.parquet", where / "events.csv"
    if not csv.exists():
        where.mkdir(parents=True, exist_ok=True)
        made = table(events, max(1000, events // 20))
        pq.write_table(made, parquet, row_group_size=1_000_000)
        pyarrow.csv.write_csv(made.slice(0, max(1, events // 10)), csv)
    return where


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=20_000_000)
    print(prepare(parser.parse_args().events))


if __name__ == "__main__":
    main()
