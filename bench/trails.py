"""Trails: history already in Delta to finished trails, against DuckDB reading and sorting the same rows and columns."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import duckdb
import psutil
from shop import shop_with, tell, timed

GROUP = "Trails: history to finished columns"
RUNS = 3


class Peak:
    """The largest resident memory of this process while it is watched."""

    def __init__(self) -> None:
        self.bytes = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def watch(self) -> None:
        process = psutil.Process()
        while not self.over.wait(0.02):
            self.bytes = max(self.bytes, process.memory_info().rss)

    def __enter__(self) -> Peak:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()


def build(folder: Path) -> None:
    """Trails of the project from the beginning, in a folder of their own."""
    from polku.record.project import open_project
    from polku.trails.matching import Matching
    from polku.trails.open import open_store
    from polku.trails.project_feed import ProjectFeed
    from polku.trails.store import Store

    with open_project(folder) as project:
        matching = Matching.of(project.journey())
        feed = ProjectFeed(project)
        feed.resolver(matching.subject)  # the project's identities are in memory, as after an import
        seconds, events = [], 0
        with Peak() as peak:
            for _ in range(RUNS + 1):
                where = Path(tempfile.mkdtemp(dir=folder.parent))
                began = time.perf_counter()
                events = open_store(Store(where / "trails", flush=False), feed, matching).events
                seconds.append(time.perf_counter() - began)
                shutil.rmtree(where)
    note = f"peak memory {peak.bytes / 2**30:.2f} GiB, the mapped files included"
    tell(GROUP, "build", "Polku", seconds[1:], events, note)


def compare(folder: Path) -> None:
    """DuckDB: the columns that trails read, sorted by customer, time and seq, into a table."""
    files = [p.as_posix() for p in (folder / ".polku" / "history").rglob("*.parquet")]
    columns = "user_id, anonymous_id, time, seq, event, channel, session_id, value, currency, context"
    read = f"create or replace table sorted as select {columns} from read_parquet({files!r}) "
    with (
        tempfile.TemporaryDirectory(dir=folder.parent) as spill,
        duckdb.connect(config={"temp_directory": spill}) as con,
    ):
        rows = con.sql(f"select count(*) from read_parquet({files!r})").fetchall()[0][0]
        order = "order by coalesce(user_id, anonymous_id), time, seq"
        seconds = timed(lambda: con.execute(read + order), RUNS)
    tell(GROUP, "build", "DuckDB, read and sort", seconds, rows)


def open_cold(folder: Path) -> None:
    """Opening finished trails, in new processes: from the import of the package's room to mapped columns."""
    code = (
        "import sys, time; from pathlib import Path; from polku.trails.store import Store; "
        "began = time.perf_counter(); Store(Path(sys.argv[1]) / '.polku' / 'trails').open(); "
        "print(time.perf_counter() - began)"
    )
    seconds = [
        float(subprocess.run([sys.executable, "-c", code, str(folder)], check=True, capture_output=True).stdout)
        for _ in range(RUNS)
    ]
    tell(GROUP, "open finished trails in a new process", "Polku", seconds)


def main(size: int = 20_000_000) -> None:
    folder = shop_with(size)
    build(folder)
    compare(folder)
    open_cold(folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=20_000_000)
    main(parser.parse_args().events)
