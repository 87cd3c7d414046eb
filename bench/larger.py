"""The funnel at five times the events, and the first call of a new process.

    python bench/larger.py --events 20000000

Five shops' customers in one project: ``events`` times five. The funnel is asked in processes of their own, warm, and
the most memory that the process ever held is told; mapped files count where they were touched.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from data import folder, prepare, table
from funnels import STEPS, WEEK
from shop import new_project, shop_with, tell, timed

GROUP = "Larger"
TIMES = 5


def five_times(events: int) -> Path:
    """The project of five times the events, made once."""
    from polku.record.project import create_project
    from polku.sources.importing import import_files
    from polku.trails import open_trails

    where = folder(events * TIMES)
    where.mkdir(parents=True, exist_ok=True)
    shop = where / "shop"
    if not (where / "shop.done").exists():
        with create_project(new_project(shop)) as project:
            for part in range(TIMES):
                file = where / f"part{part}.parquet"
                rows = table(events, max(1000, events // 20), seed=7 + part)
                ids = pc.binary_join_element_wise(rows["user_id"], pa.scalar(str(part)), "-")
                pq.write_table(rows.set_column(0, "user_id", ids), file, row_group_size=1_000_000)
                del rows, ids
                import_files(project, file)
                file.unlink()
            open_trails(project)
        (where / "shop.done").write_text("")
    return shop


def asked(shop: Path) -> None:
    """In a process of its own: the first call and the warm ones, and the most memory held."""
    began = time.perf_counter()
    from polku.measures.ask import measure_view
    from polku.measures.view import view_of
    from polku.record.project import open_project
    from polku.trails import open_trails

    with open_project(shop) as project:
        trails, journey = open_trails(project), project.journey()

        def funnel() -> Any:
            view = view_of(trails, journey, project=project)
            return measure_view(view, "funnel", {"steps": STEPS, "within": WEEK})

        funnel()
        first = time.perf_counter() - began
        seconds = timed(funnel, 9)
        most = peak() / 2**20
        print(json.dumps({"first": first, "seconds": seconds, "memory": most, "events": trails.events}))


def peak() -> int:
    """Most memory that this process held, in kB; ``ru_maxrss`` would be its parent's, which made the data."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def answer(shop: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, __file__, "--shop", str(shop)], stdout=subprocess.PIPE, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=20_000_000)
    parser.add_argument("--shop", type=Path)
    options = parser.parse_args()
    if options.shop:
        asked(options.shop)
        return
    prepare(options.events)
    usual, large = shop_with(options.events), five_times(options.events)
    answer(usual)  # files into memory, kernels compiled once
    small, big = answer(usual), answer(large)
    firsts = [small["first"], *(answer(usual)["first"] for _ in range(2))]
    name = "4 steps in order, 7 days"
    tell(GROUP, name, "Polku", small["seconds"], small["events"], f"at most {small['memory']:.2f} GiB")
    ratio = statistics.median(big["seconds"]) / statistics.median(small["seconds"])
    note = f"{ratio:.1f} times that of {small['events']:,}; at most {big['memory']:.2f} GiB"
    tell(GROUP, name, "Polku", big["seconds"], big["events"], note)
    tell(GROUP, "first funnel of a new process, from import to answer", "Polku", firsts, None, "kernels cached")


if __name__ == "__main__":
    main()
