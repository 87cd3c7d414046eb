"""Properties of events as columns: from JSON in history to numbers beside the trails, against DuckDB's extraction.

python bench/properties.py --events 20000000
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from data import NAMES, columns
from data import folder as folder_of
from shop import new_project, tell, timed

from trails import Peak

GROUP = "Properties of events, from history to columns"
NAMES_ASKED = ("properties.product_id", "properties.price", "properties.platform", "context.device.type")
PRODUCTS, BATCH = 1_000_000, 1_000_000
#: Events that are about a product.
ABOUT = [i for i, name in enumerate(NAMES) if name.startswith("Product")]


def batches(events: int, customers: int) -> list[pa.Table]:
    """Rows for history: every event says its platform and device, those of products also which and its price."""
    raw = columns(events, customers)
    rng = np.random.default_rng(11)
    platforms = pa.array([f'"platform":"{w}"' for w in ("web", "ios", "android", "mweb", "kiosk")])
    devices = pa.array([f'{{"device":{{"type":"{w}"}}}}' for w in ("phone", "desktop", "tablet")])
    words = pa.array([f"c{i}" for i in range(customers)])
    names = pa.array(NAMES)
    made = []
    for at in range(0, events, BATCH):
        n = min(BATCH, events - at)
        part = {name: column[at : at + n] for name, column in raw.items()}
        product = (PRODUCTS * rng.random(n) ** 3).astype(np.int64)
        about = pc.binary_join_element_wise(
            ',"product_id":"p', pa.array(product).cast(pa.string()), '","price":',
            pa.array(np.round(5 + product % 20_000 / 100, 2)).cast(pa.string()), "",
        )  # fmt: skip
        about = pc.if_else(pa.array(np.isin(part["event"], ABOUT)), about, "")
        platform = platforms.take(pa.array(rng.integers(0, len(platforms), n)))
        time = pa.array(part["time"], pa.timestamp("us", "UTC"))
        made.append(
            pa.table(
                {
                    "event_id": pc.binary_join_element_wise("e", pa.array(np.arange(at, at + n)).cast(pa.string()), ""),
                    "time": time,
                    "received_at": time,
                    "event": names.take(pa.array(part["event"])),
                    "user_id": words.take(pa.array(part["customer"])),
                    "value": pa.array(part["value"], from_pandas=True),
                    "properties": pc.binary_join_element_wise("{", platform, about, "}", ""),
                    "context": devices.take(pa.array(part["customer"] % len(devices))),
                }
            )
        )
    return made


def project_with(events: int) -> Path:
    """A project of its own whose events say something, its trails built; made once."""
    from polku.record.project import create_project
    from polku.trails import open_trails

    folder = folder_of(events) / "properties"
    done = folder.with_suffix(".done")
    if not done.exists():
        with create_project(new_project(folder)) as project:
            with project.history.writer("import", "bench") as writer:
                for batch in batches(events, max(1000, events // 20)):
                    writer.add(batch)
                writer.commit()
            project.identities.catch_up()
            open_trails(project)
        done.write_text("")
    return folder


def main() -> None:
    from polku.measures.view import view_of
    from polku.record.project import open_project
    from polku.trails import open_trails

    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=20_000_000)
    size = parser.parse_args().events
    folder = project_with(size)
    kept = folder / ".polku" / "trails" / "properties"
    with open_project(folder) as project:
        view = view_of(open_trails(project), project.journey(), project=project)

        def cold(names: tuple[str, ...]) -> None:
            shutil.rmtree(kept, ignore_errors=True)
            view.properties(names)

        cold(NAMES_ASKED)  # kernels compiled, files in memory
        for what, names in (("one property", NAMES_ASKED[:1]), ("four properties in one pass", NAMES_ASKED)):
            with Peak() as peak:
                seconds = timed(lambda names=names: cold(names), 3)
            tell(GROUP, what, "Polku", seconds, size, f"peak memory {peak.bytes / 2**30:.2f} GiB with the mapped files")
        tell(GROUP, "four properties that are kept", "Polku", timed(lambda: view.properties(NAMES_ASKED), 5), size)
        counts = view.property(NAMES_ASKED[0]).counts()
        stored = sum(p.stat().st_blocks for p in kept.rglob("*.npy")) * 512 / size / len(NAMES_ASKED)
        print(f"{len(counts) - 1} products, {stored:.1f} bytes on disk for an event and property", flush=True)
        files = [f.uri for f in project.history.files()]

    def extracted(what: str) -> int:
        with duckdb.connect() as connection:
            query = f"select count(p), count(distinct p) from (select {what} as p from read_parquet({files!r}))"
            told = connection.execute(query).fetchone()
            assert told is not None
            return int(told[0])

    product = "json_extract_string(properties, '$.product_id')"
    if extracted(product) != int(counts[1:].sum()):
        raise SystemExit("the counts differ")
    note = "extracted and counted, not kept in the trails' order"
    tell(GROUP, "one property", "DuckDB json_extract_string", timed(lambda: extracted(product), 3), size, note)


if __name__ == "__main__":
    main()
