"""Live collection: events acknowledged and durable, latency of single requests, the living map's lag, memory.

Server and load are processes of their own on the same machine, over loopback. After each load the record is counted:
what was acknowledged is there, or the script fails.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from shop import new_project

HERE = Path(__file__).parent
GROUP = "Live collection"
PEER = "FastAPI, pydantic, SQLite"


@contextmanager
def server(command: list[str]) -> Iterator[tuple[str, psutil.Process]]:
    """A server process that prints its address first, as text or JSON."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        text = ""
        for line in process.stdout:
            text += line
            if "http://" in text and (text.lstrip()[0] != "{" or text.rstrip().endswith("}")):
                break
        url = json.loads(text)["url"] if text.lstrip().startswith("{") else text.strip()
        yield url.rstrip("/"), psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(60)


def load(url: str, **options: Any) -> dict[str, Any]:
    words = [w for k, v in options.items() for w in ([f"--{k}"] if v is True else [f"--{k}", str(v)])]
    done = subprocess.run(
        [sys.executable, str(HERE / "loading.py"), url, *words], stdout=subprocess.PIPE, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    if found["faults"]:
        raise SystemExit(f"{found['faults']} requests were answered with an error")
    return found


def tell(name: str, engine: str, seconds: float, runs: int, rows: int | None, note: str) -> None:
    figure = {"group": GROUP, "name": name, "engine": engine, "seconds": seconds, "runs": runs}
    print(json.dumps({**figure, "rows": rows, "note": note}), flush=True)


def megabytes(process: psutil.Process) -> float:
    return process.memory_info().rss / 1e6


def throughput(engine: str, url: str, process: psutil.Process, seconds: float, seed: int) -> int:
    """Batches of 100, and single events; returns how many events were acknowledged."""
    total = 0
    before = megabytes(process)
    found = load(url, seconds=seconds, batch=100, connections=16, seed=seed)
    total += found["events"]
    grown = f"server's memory {before:.0f} to {megabytes(process):.0f} MB"
    note = f"99 % within {found['p99'] * 1000:.0f} ms; {grown}"
    tell("batches of 100, acknowledged and durable", engine, found["seconds"], 1, found["events"], note)
    single = load(url, seconds=seconds / 2, batch=1, connections=32, seed=seed + 1)
    total += single["events"]
    note = f"32 connections; 99 % within {single['p99'] * 1000:.1f} ms"
    tell("single events, as many as are answered", engine, single["seconds"], 1, single["events"], note)
    rate = single["requests"] / single["seconds"] / 2
    half = load(url, seconds=seconds / 2, batch=1, connections=32, rate=round(rate), seed=seed + 2)
    total += half["events"]
    note = f"{rate:.0f} requests a second; median {half['p50'] * 1000:.1f} ms"
    tell("single events at half that rate, 99 % answered within", engine, half["p99"], half["requests"], None, note)
    return total


def following(url: str, rate: int, seconds: float, seed: int) -> int:
    """The living map while events keep coming; returns how many were acknowledged."""
    found = load(url, seconds=seconds, batch=20, connections=8, rate=rate / 20, seed=seed, watch=True)
    lags = sorted(found["lags"])
    note = (
        f"median {lags[len(lags) // 2]:.2f} s, {len(lags)} looks; made up {found['caught_up']:.2f} s after the end; "
        f"{found['events'] / found['seconds']:,.0f} events a second were acknowledged, {found['refused']} refused"
    )
    tell(f"the living map behind {rate:,} events a second, at most", "Polku", lags[-1], 1, None, note)
    return int(found["events"])


def stored(folder: Path) -> int:
    """Distinct events in the record."""
    from polku.record.project import open_project

    with open_project(folder) as project:
        return int(project.sql("select count(distinct event_id) as n from events").to_pylist()[0]["n"])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=0, help="not used: the server decides how many it takes")
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=HERE / ".data") as work:
        folder = new_project(Path(work) / "shop")
        command = [sys.executable, "-m", "polku", "serve", str(folder), "--port", "0", "--json"]
        with server(command) as (url, process):
            sent = following(url, 2_000, options.seconds, 1)
            sent += following(url, 10_000, options.seconds, 10)
            sent += throughput("Polku", url, process, options.seconds, 20)
        if (found := stored(folder)) != sent:
            raise SystemExit(f"{sent} events were acknowledged, {found} are in the record")
        with server([sys.executable, str(HERE / "peers" / "collector_fastapi.py"), work]) as (url, process):
            throughput(PEER, url, process, options.seconds, 40)


if __name__ == "__main__":
    main()
