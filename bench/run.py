"""Run every benchmark, each in a process of its own, and write docs/benchmarks.md.

    python bench/run.py --events 20000000 [--only imports,refresh]

A benchmark is a script here that prints one JSON line a figure:
``{"group", "name", "engine", "seconds", "runs", "rows", "note"}``; ``seconds`` is the median.
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
REPORT = HERE.parent / "docs" / "benchmarks.md"
SCRIPTS = (
    "trails", "properties", "imports", "refresh", "measures", "funnels", "value", "attribution", "analysis", "larger",
    "engines", "serving", "collecting", "sustained", "joining", "guidance", "replaying", "sending",
)  # fmt: skip


def machine() -> str:
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        cpu = names[0] if names else cpu
    import psutil

    memory = psutil.virtual_memory().total / 2**30
    return f"{cpu}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.release()}"


def versions() -> str:
    packages = ("polku", "duckdb", "deltalake", "pyarrow", "numba", "numpy")
    return ", ".join(
        [f"Python {platform.python_version()}", *(f"{p} {importlib.metadata.version(p)}" for p in packages)]
    )


def run(script: str, events: int) -> list[dict[str, Any]]:
    command = [sys.executable, str(HERE / f"{script}.py"), "--events", str(events)]
    print(f"== {script}", flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, cwd=HERE.parent)
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    for row in rows:
        print(f"   {row['name']}: {row['engine']} {row['seconds']:.4g} s", flush=True)
    if done.returncode:
        raise SystemExit(f"{script} failed")
    return rows


def results(events: int) -> Path:
    """Where the figures of each script are kept until it runs again."""
    folder = HERE / ".data" / "results" / str(events)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def report(rows: list[dict[str, Any]], events: int) -> str:
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`. Every figure is the median of the runs named. The engines of a section were run in",
        "one go on the same machine; sections may be of different days, and each says when it was measured.",
        "",
        f"- Machine: {machine()}",
        f"- Versions: {versions()}",
        f"- Data: {events:,} events, {max(1000, events // 20):,} customers, power-law activity, 40 event names",
    ]
    for group in dict.fromkeys(str(r["group"]) for r in rows):
        lines += [
            "",
            f"## {group}",
            "",
            f"Measured {next(r['when'] for r in rows if r['group'] == group)}.",
            "",
            "| what | engine | seconds (median) | runs | rows a second | note |",
            "|---|---|---|---|---|---|",
        ]
        for row in (r for r in rows if r["group"] == group):
            rate = f"{row['rows'] / row['seconds']:,.0f}" if row.get("rows") else ""
            cells = (row["name"], row["engine"], f"{row['seconds']:.4g}", row["runs"], rate, row.get("note") or "")
            lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=20_000_000)
    parser.add_argument("--only", help="some scripts, with commas between; the figures of the others stay")
    options = parser.parse_args()
    chosen = options.only.split(",") if options.only else SCRIPTS
    if unknown := set(chosen) - set(SCRIPTS):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(SCRIPTS)}")
    kept = results(options.events)
    for script in chosen:
        found = run(script, options.events)
        when = f"{dt.datetime.now(dt.UTC):%Y-%m-%d}"
        (kept / f"{script}.json").write_text(json.dumps([{**row, "when": when} for row in found]))
    files = [kept / f"{script}.json" for script in SCRIPTS]
    rows = [row for file in files if file.exists() for row in json.loads(file.read_text())]
    REPORT.write_text(report(rows, options.events), encoding="utf-8")
    print(f"Written to {REPORT.relative_to(HERE.parent)}")


if __name__ == "__main__":
    main()
