"""The benchmark's project: the data imported once, its trails built, kept beside the data for the next script."""

from __future__ import annotations

import json
import shutil
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from data import HERE, prepare


def tell(group: str, name: str, engine: str, seconds: list[float], rows: int | None = None, note: str = "") -> None:
    """One figure as a JSON line; the median of the runs."""
    figure = {"group": group, "name": name, "engine": engine, "seconds": statistics.median(seconds)}
    print(json.dumps({**figure, "runs": len(seconds), "rows": rows, "note": note}), flush=True)


def timed(work: Callable[[], Any], runs: int) -> list[float]:
    seconds = []
    for _ in range(runs):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return seconds


def settled() -> None:
    """Wait until layers that are folded in the background are folded."""
    for thread in threading.enumerate():
        if thread.name.startswith("fold "):
            thread.join()


def new_project(folder: Path) -> Path:
    """An empty project with the benchmark's map."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copy(HERE / "journey.yaml", folder / "journey.yaml")
    return folder


def shop_with(events: int) -> Path:
    """The project with ``events`` events in history and its trails built; made once."""
    from polku.record.project import create_project
    from polku.sources.importing import import_files
    from polku.trails import open_trails

    files = prepare(events)
    folder = files / "shop"
    if not (files / "shop.done").exists():
        with create_project(new_project(folder)) as project:
            import_files(project, files / "events.parquet")
            open_trails(project)
        (files / "shop.done").write_text("")
    return folder
