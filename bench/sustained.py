"""Live collection with everything on: what rate the doors, recognition and 20 rules keep up with on this machine.

A server with its pages and jobs, a load of a shop's everyday events in a process of its own, over loopback. The rate is
raised step by step; at each, the living map is asked all the while, and guidance's place is read twice a second.
A rate is sustained when all of it was acknowledged and guidance ends at most BEHIND seconds' worth of events behind.
What was acknowledged must be in the record, and taken by guidance, or the script fails.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import yaml
from collecting import GROUP, HERE, load, megabytes, server, stored
from shop import new_project, tell

from guidance import rules

RATES = (500, 1_000, 2_000, 3_000, 5_000, 8_000)
RULES = 20
BEHIND = 2.0
#: What is offered is not always sent to the last event: the generator shares the cores.
NEARLY = 0.95
WAITING = re.compile(r"^polku_guidance_events (\d+)", re.MULTILINE)


def project(work: Path) -> Path:
    """A shop whose rules are all on, and whose messages ask for no consent, so that they are made."""
    folder = new_project(work / "shop")
    journey = yaml.safe_load((folder / "journey.yaml").read_text(encoding="utf-8"))
    journey["guidance"] = [{k: v for k, v in rule.items() if k != "only_if"} for rule in rules(RULES)]
    (folder / "journey.yaml").write_text(json.dumps(journey), encoding="utf-8")
    return folder


def waiting(url: str) -> int:
    """How many events guidance has not taken."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=60) as answer:
        found = WAITING.search(answer.read().decode())
    if found is None:
        raise SystemExit("the server does not tell how far guidance is")
    return int(found[1])


class Watch(threading.Thread):
    """Reads guidance's place twice a second until it is stopped."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.url, self.seen, self._stop_it = url, [], threading.Event()

    def run(self) -> None:
        while not self._stop_it.wait(0.5):
            self.seen.append(waiting(self.url))

    def stop(self) -> list[int]:
        self._stop_it.set()
        self.join()
        return self.seen


def step(url: str, rate: int, seconds: float, seed: int) -> tuple[dict[str, Any], bool]:
    watch = Watch(url)
    watch.start()
    found = load(url, seconds=seconds, batch=20, connections=8, rate=rate / 20, seed=seed, watch=True, mix=True)
    seen = watch.stop()
    began = time.perf_counter()
    left = waiting(url)
    while waiting(url):
        time.sleep(0.1)
    made_up = time.perf_counter() - began
    reached = found["events"] / found["seconds"]
    kept_up = found["refused"] == 0 and reached >= NEARLY * rate and left <= BEHIND * rate
    lags = sorted(found["lags"])
    note = (
        f"{reached:,.0f} acknowledged a second, {found['refused']} refused; guidance at most "
        f"{max(seen, default=0) / rate:.1f} s behind, made up {made_up:.1f} s after the end; the map at most "
        f"{lags[-1]:.1f} s behind; {'sustained' if kept_up else 'not sustained'}"
    )
    tell(
        GROUP,
        f"{rate:,} events a second with recognition and {RULES} rules on",
        "Polku",
        [found["seconds"]],
        found["events"],
        note,
    )
    return found, kept_up


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=0, help="not used: the server decides how many it takes")
    parser.add_argument("--seconds", type=float, default=30)
    options = parser.parse_args()
    (HERE / ".data").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=HERE / ".data") as work:
        folder = project(Path(work))
        sent, best = 0, None
        with server([sys.executable, "-m", "polku", "serve", str(folder), "--port", "0", "--json"]) as (url, process):
            sent += load(url, seconds=5, batch=20, connections=4, rate=10, seed=90, watch=True, mix=True)["events"]
            before = megabytes(process)
            for number, rate in enumerate(RATES, 1):
                found, kept_up = step(url, rate, options.seconds, number)
                sent += found["events"]
                if not kept_up:
                    break
                best = (found["seconds"], found["events"])
            grown = f"server's memory {before:.0f} to {megabytes(process):.0f} MB"
        if (there := stored(folder)) != sent:
            raise SystemExit(f"{sent} events were acknowledged, {there} are in the record")
        made = runs(folder)
        if best is not None:
            tell(
                GROUP,
                f"sustained with recognition and {RULES} rules on",
                "Polku",
                [best[0]],
                best[1],
                f"{made}; {grown}",
            )


def runs(folder: Path) -> str:
    """What guidance did, in words."""
    import sqlalchemy as sa

    from polku.record import tables
    from polku.record.project import open_project

    with open_project(folder) as project, project.state.read() as connection:
        counts = [
            connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in (tables.runs, tables.run_notes, tables.outbox)
        ]
    if not counts[0]:
        raise SystemExit("no rule took anybody in")
    return "{:,} runs, {:,} notes, {:,} messages".format(*counts)


if __name__ == "__main__":
    main()
