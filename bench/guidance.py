"""Live guidance: what an event costs through recognition and 50 rules, and a million customers with timers waiting.

History is imported first; then events arrive in the inbox and guidance takes them, as a server's job does. What an
event costs is all of it: trails, recognition, rules, runs and the transaction. Half of the rules listen to events of
the shop, half to others; their waits and limits are those of everyday rules.
"""

from __future__ import annotations

import argparse
import datetime as dt
import gc
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import yaml
from data import HERE, NAMES, prepare
from shop import new_project, tell

GROUP = "Guidance"
RULES = 50
TRIGGERS = (
    {"reached": "cart", "without": "order", "for": "4h"},
    {"reached": "product", "without": "cart", "for": "1d"},
    {"entered": "retention", "for": "1d"},
    {"lapsed": "retention"},
    {"won_back": "retention"},
    {"failed": "checkout", "for": "15min"},
    {"event": "Signed Up"},
    {"reached": "survey", "for": "1h"},
    {"event": "Order Completed", "where": "value > 100"},
    {"left": "checkout", "without": "order", "for": "2h"},
)


def rules(count: int) -> list[dict[str, Any]]:
    """Rules as a map says them: of ten, five are of this shop's busy events, the rest of rarer ones."""
    made = []
    for n in range(count):
        when = dict(TRIGGERS[n % len(TRIGGERS)]) if n < 25 else {"event": f"Event of campaign {n}"}
        made.append({
            "id": f"rule_{n}", "when": when, "only_if": {"consent": "email"},
            "send": {"channel": "email", "content": f"content/{n}.en.md"}, "limit": {"times": 1, "every": "14d"},
            "state": "on",
        })  # fmt: skip
    return made


def shop(events: int, work: Path) -> Path:
    from polku.record.project import create_project
    from polku.sources.importing import import_files
    from polku.trails import open_trails

    folder = new_project(work / "shop")
    with create_project(folder) as project:
        import_files(project, prepare(events) / "events.parquet")
        open_trails(project)
    journey = yaml.safe_load((folder / "journey.yaml").read_text(encoding="utf-8"))
    journey["guidance"] = rules(RULES)
    (folder / "journey.yaml").write_text(json.dumps(journey), encoding="utf-8")
    return folder


def arriving(count: int, customers: int, now: dt.datetime) -> list[dict[str, Any]]:
    rng = np.random.default_rng(11)
    popularity = 1 / np.arange(1, len(NAMES) + 1) ** 0.9
    who, what = rng.integers(0, customers, count), rng.choice(len(NAMES), count, p=popularity / popularity.sum())
    return [
        {"event_id": f"live-{now.timestamp()}-{n}", "time": now, "received_at": now, "source": "web",
         "event": NAMES[e], "user_id": f"c{c}", "properties": '{"price": 12.5}'}
        for n, (c, e) in enumerate(zip(who.tolist(), what.tolist(), strict=True))
    ]  # fmt: skip


def events_through(events: int, work: Path, count: int, group: int) -> None:
    """``count`` events that arrive in groups; each group is taken before the next comes."""
    from polku.guidance.live import Live
    from polku.record.project import open_project

    customers = max(1000, events // 20)
    with open_project(shop(events, work)) as project:
        live = Live(project)
        live.catch_up()
        project.inbox.append(arriving(group, customers, dt.datetime.now(dt.UTC)))
        live.catch_up()  # kernels are loaded, pages of the trails are in memory
        seconds, taken, messages = [], 0, 0
        used = time.process_time()
        for _ in range(count // group):
            project.inbox.append(arriving(group, customers, dt.datetime.now(dt.UTC)))
            began = time.perf_counter()
            done = live.catch_up()
            seconds.append((time.perf_counter() - began) / group)
            taken, messages = taken + done.events, messages + done.changes
        if taken != count:
            raise SystemExit(f"{count} events arrived, {taken} were taken")
        used = (time.process_time() - used) / count * 1000
    note = (
        f"groups of {group}; {RULES} rules; {messages} changes of runs; {used:.2f} ms of processor, receiving included"
    )
    tell(GROUP, "an event through recognition, rules and state", "Polku", seconds, count, note)


def letter(work: Path) -> None:
    """The monthly letter to everybody who is in the shop, in slices; memory beside that of the first slice."""
    from polku.guidance import sweeps
    from polku.guidance.live import Live
    from polku.record import clock
    from polku.record.project import open_project

    folder = work / "shop"
    journey = json.loads((folder / "journey.yaml").read_text(encoding="utf-8"))
    when = {"every": "month", "on": 1, "at": "03:59"}
    letters = {
        "id": "letter", "when": when, "send": {"channel": "email", "content": "content/letter.en.md"}, "owed": True,
        "state": "on",
    }  # fmt: skip
    (folder / "journey.yaml").write_text(json.dumps({**journey, "guidance": [letters]}), encoding="utf-8")
    with open_project(folder) as project:
        live = Live(project)
        live.catch_up()
        now = clock.now()
        with project.state.write() as connection:
            sweeps.begin(project.state, connection, live.rules()[0], "schedule", now, now)
        live.tick()
        gc.collect()
        before, most = psutil.Process().memory_info().rss, 0
        began, used, messages = time.perf_counter(), time.process_time(), 0
        done = live.tick()
        while done.more:
            messages += done.changes
            most = max(most, psutil.Process().memory_info().rss - before)
            done = live.tick()
        seconds, used = time.perf_counter() - began, time.process_time() - used
    note = f"{used:.1f} s of processor; at most {most / 1e6:.0f} MB more than after the first slice"
    tell(GROUP, "a letter to everybody: decided and put into the outbox", "Polku", [seconds], messages, note)


def waiting(count: int, work: Path) -> None:
    """``count`` runs that wait for a timer: opening the project, the first look, memory."""
    import subprocess

    from polku.record import tables
    from polku.record.project import create_project

    folder = new_project(work / "waiting")
    (folder / "journey.yaml").write_text(
        json.dumps({**yaml.safe_load((HERE / "journey.yaml").read_text()), "guidance": rules(RULES)}), encoding="utf-8"
    )
    with create_project(folder) as project:
        from polku.guidance.live import Live

        Live(project).catch_up()
        version = Live(project).rules()[0].version
        due = int(time.time() * 1e6) + 86_400_000_000
        numbers = list(range(1, count + 1))
        with project.state.write() as connection:
            project.state.insert_many(connection, tables.runs, {
                "id": numbers, "rule": ["rule_0"] * count, "version": [version] * count, "customer": numbers,
                "origin": numbers, "key": [""] * count, "step": [0] * count, "entered_at": [due] * count,
                "due_at": [due + n for n in numbers], "status": ["waiting"] * count,
                "facts": ['{"event": {"event": "Product Added", "properties": {}}, "position": 1}'] * count,
            })  # fmt: skip
            project.state.insert_many(
                connection, tables.timers, {"number": numbers, "due": [due + n for n in numbers], "run": numbers}
            )
            for name in ("run", "timer"):
                project.state.set_counter(connection, name, count)
    command = [sys.executable, str(Path(__file__)), "--start", str(folder)]
    found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[-1])
    note = f"{found['megabytes']:.0f} MB more than before it was opened"
    tell(GROUP, "a start with timers waiting, to the first look", "Polku", [found["seconds"]], count, note)


def start(folder: str) -> None:
    """In a process of its own: from opening the project to the end of the first look."""
    from polku.guidance.live import Live
    from polku.record.project import open_project

    gc.collect()
    before = psutil.Process().memory_info().rss
    began = time.perf_counter()
    with open_project(folder) as project:
        Live(project).catch_up()
        seconds = time.perf_counter() - began
        print(json.dumps({"seconds": seconds, "megabytes": (psutil.Process().memory_info().rss - before) / 1e6}))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--live", type=int, default=20_000, help="events that arrive")
    parser.add_argument("--group", type=int, default=500, help="events that arrive together")
    parser.add_argument("--timers", type=int, default=1_000_000)
    parser.add_argument("--start", help="a folder whose start is measured (used by the script itself)")
    options = parser.parse_args()
    if options.start:
        start(options.start)
        return
    (HERE / ".data").mkdir(exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=HERE / ".data"))
    try:
        events_through(options.events, work, options.live, options.group)
        letter(work)
        waiting(options.timers, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
