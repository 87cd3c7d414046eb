"""Ten minutes of load: memory stays, nothing is lost, the inbox is emptied all along."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest

from polku.record.project import create_project, open_project

from .server import running

BENCH = Path(__file__).parents[2] / "bench"
#: Seconds between two looks at the server.
LOOK = 5.0
#: What allocators keep and caches of names may take, in megabytes, once the server has met all kinds of work. Pages of
#: files that are mapped (trails, known ids) are the system's cache, and not counted.
MOST_GROWTH = 60.0


def own(process: psutil.Process) -> float:
    """A process's own memory in megabytes: without pages of files."""
    told = process.memory_info()
    return float(told.rss - getattr(told, "shared", 0)) / 1e6


@pytest.mark.parametrize("seconds", [pytest.param(600, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])])
def test_memory_is_flat(seconds: int, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    create_project(folder).close()
    (folder / "polku.toml").write_text("[inbox]\nseconds = 10\n", encoding="utf-8")
    with running(folder) as server:
        process = psutil.Process(server.process.pid)
        command = [sys.executable, str(BENCH / "loading.py"), server.url, "--rate", "50", "--batch", "40"]
        load = subprocess.Popen([*command, "--seconds", str(seconds)], stdout=subprocess.PIPE, text=True)
        sizes: list[float] = []
        lags: list[float] = []
        while load.poll() is None:
            time.sleep(LOOK)
            if not server.process.is_alive():
                load.kill()
                pytest.fail(f"the server ended ({server.process.exitcode}): {server.stop()}")
            sizes.append(own(process))
            lags.append(httpx.get(f"{server.url}/ready", timeout=60).json()["lag_seconds"])
        assert load.stdout is not None
        with load.stdout as out:
            told = json.loads(out.read())
        server.stop()
    assert (told["faults"], told["refused"]) == (0, 0)
    third = len(sizes) // 3
    assert statistics.median(sizes[-third:]) - statistics.median(sizes[third : 2 * third]) < MOST_GROWTH, sizes
    assert max(lags) < 60, "the inbox is emptied while events come"
    with open_project(folder) as project:
        assert project.sql("select count(*) as n from events").to_pylist() == [{"n": told["events"]}]
