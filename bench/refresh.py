"""100,000 new events on top of the big project: how long until the map and every measure have them."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import data
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from shop import settled, shop_with, tell

from polku.shop import Shop

GROUP = "100,000 new events on top"
#: The period that the page and `polku status` open with, and the longest one.
PERIODS = {"30d": "last 30 days", "all": "all time"}
RUNS = 5
MEASURES = {
    "stages": {},
    "conversion": {"from": "product", "to": "order", "within": "7d"},
    "leaving": {"to": "order"},
    "bounce": {"by": "touchpoint"},
    "exit": {"by": "touchpoint"},
    "funnel": {"steps": "product,cart,order", "within": "7d"},
    "sources": {"to": "order"},
}


def fresh(events: int, number: int, customers: int) -> Path:
    """A file of 100,000 events of the ``number``-th day after, by people drawn as the big file's were."""
    made = data.table(100_000, customers, seed=time.time_ns() % 2**32)
    shift = np.timedelta64(180 + number, "D")
    spread = (made["time"].to_numpy() - data.START) / 180
    time_ = data.START + shift + spread.astype("timedelta64[us]")
    made = made.set_column(2, "time", pa.array(time_, pa.timestamp("us", "UTC")))
    file = data.folder(events) / f"fresh-{time.time_ns()}.parquet"
    pq.write_table(made, file)
    return file


def main() -> None:
    from polku.record.project import open_project
    from polku.sources.importing import import_files

    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=20_000_000)
    options = parser.parse_args()
    customers = max(1000, options.events // 20)
    stored: list[float] = []
    refreshed: list[float] = []
    asked: dict[str, list[float]] = {period: [] for period in PERIODS}
    with open_project(shop_with(options.events)) as project:
        shop = Shop(project)
        for period in PERIODS:
            ask(shop, period)
        for number in range(RUNS):
            settled()
            file = fresh(options.events, number, customers)
            before = shop.trails.events
            began = time.perf_counter()
            import_files(project, file)
            imported = time.perf_counter()
            shop.refresh()
            refreshed.append(time.perf_counter() - imported)
            stored.append(imported - began)
            assert shop.trails.events == before + 100_000
            file.unlink()
            for period, seconds in asked.items():
                seconds.append(ask(shop, period))
    tell(GROUP, "from file to history", "Polku", stored, 100_000)
    tell(GROUP, "from history into the trails", "Polku", refreshed, 100_000, "folding done between the runs")
    for period, seconds in asked.items():
        tell(GROUP, f"the living map and all seven measures after it, {PERIODS[period]}", "Polku", seconds)
        both = [a + b for a, b in zip(refreshed, seconds, strict=True)]
        tell(GROUP, f"from history to the map and every measure, {PERIODS[period]}", "Polku", both)


def ask(shop: Shop, period: str) -> float:
    """Seconds for the living map and every measure of one period."""
    began = time.perf_counter()
    shop.living(period=period)
    for name, given in MEASURES.items():
        shop.measure(name, period=period, **given)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
