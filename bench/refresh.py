"""100,000 new events on top of the big project: how long until the map and every measure have them."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import data
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from shop import shop_with, tell

GROUP = "100,000 new events on top"
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
    from polku.shop import Shop
    from polku.sources.importing import import_files

    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=20_000_000)
    options = parser.parse_args()
    customers = max(1000, options.events // 20)
    stored, refreshed, asked = [], [], []
    with open_project(shop_with(options.events)) as project:
        shop = Shop(project)
        shop.living()
        for name, given in MEASURES.items():
            shop.measure(name, **given)
        for number in range(3):
            file = fresh(options.events, number, customers)
            before = shop.trails.events
            began = time.perf_counter()
            import_files(project, file)
            imported = time.perf_counter()
            shop.refresh()
            taken = time.perf_counter()
            shop.living()
            for name, given in MEASURES.items():
                shop.measure(name, **given)
            done = time.perf_counter()
            assert shop.trails.events == before + 100_000
            file.unlink()
            stored.append(imported - began)
            refreshed.append(taken - imported)
            asked.append(done - taken)
    tell(GROUP, "from file to history", "Polku", stored, 100_000)
    tell(GROUP, "from history into the trails", "Polku", refreshed, 100_000)
    tell(GROUP, "the living map and all seven measures after it", "Polku", asked)
    tell(
        GROUP,
        "from history to the map and every measure",
        "Polku",
        [a + b for a, b in zip(refreshed, asked, strict=True)],
    )


if __name__ == "__main__":
    main()
