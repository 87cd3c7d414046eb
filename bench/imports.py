"""Import: a file to history and finished trails, rows a second; DuckDB reading the same file for comparison."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
from data import prepare
from shop import new_project, tell, timed

GROUP = "Import: file to history and trails"


def once(folder: Path, file: Path) -> tuple[float, float]:
    """Seconds for the import and for the trails after it."""
    from polku.record.project import create_project
    from polku.sources.importing import import_files
    from polku.trails import open_trails

    with create_project(new_project(folder)) as project:
        began = time.perf_counter()
        report = import_files(project, file)
        stored = time.perf_counter()
        trails = open_trails(project)
        done = time.perf_counter()
        assert report.stored == trails.events
    return stored - began, done - stored


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=20_000_000)
    options = parser.parse_args()
    files = prepare(options.events)
    once(files / "warm", prepare(200_000) / "events.parquet")  # compiled kernels are loaded
    for name in ("events.parquet", "events.csv"):
        file = files / name
        rows = options.events // 10 if name.endswith("csv") else pq.ParquetFile(file).metadata.num_rows
        pairs = [once(files / "import", file) for _ in range(3)]
        note = f"{rows:,} rows; of which trails {sorted(t for _, t in pairs)[1]:.2f} s"
        tell(GROUP, name.replace("events.", "").upper(), "Polku", [a + b for a, b in pairs], rows, note)
        read = f"create or replace temp table t as select * from '{file.as_posix()}'"
        con = duckdb.connect()
        seconds = timed(lambda con=con, read=read: con.execute(read), 3)
        tell(GROUP, name.replace("events.", "").upper(), "DuckDB, reading into memory only", seconds, rows)


if __name__ == "__main__":
    main()
