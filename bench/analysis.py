"""The common questions of an analyst beside peers: the same rows, the same answers, two threads each, in one run.

    python bench/analysis.py --events 20000000

Prepares ``bench/.data/<events>/plain.parquet`` (see bench/peers/README.md) and a project of the same rows, and asks
Polku and each peer in a process of its own. Stops when two engines do not agree.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from data import HERE, NAMES, columns, folder
from shop import tell

sys.path.append(str(HERE / "peers"))
from asked import STAGE_OF, STEPS, WEEK, ask

PEERS = HERE / "peers"
RUNS, SLOW_RUNS = 9, 3
#: Peers that are asked at this many events only.
SMALL = 1_000_000
MAP = {
    "polku": 1, "title": "Analysis", "timezone": "UTC",
    "stages": [
        {
            "id": f"s{stage}", "lapses_after": "60d",
            "touchpoints": [
                {"id": f"t{e}", "match": {"event": NAMES[e]}} for e, home in STAGE_OF.items() if home == stage
            ],
        }
        for stage in range(1, 6)
    ],
}  # fmt: skip


def plain_rows(events: int) -> pa.Table:
    """customer int64, t int64, e int8, sorted; of a customer's events in the same second only the first is kept.

    So that no answer hangs on what an engine takes for the order of equal times.
    """
    raw = columns(events, max(1000, events // 20))
    t = raw["time"].astype("datetime64[s]").astype(np.int64)
    order = np.lexsort((t, raw["customer"]))
    customer, t, e = raw["customer"][order], t[order], raw["event"][order]
    kept = np.ones(len(t), np.bool_)
    kept[1:] = (customer[1:] != customer[:-1]) | (t[1:] != t[:-1])
    return pa.table({"customer": customer[kept], "t": t[kept], "e": e[kept]})


def prepare(events: int) -> tuple[Path, Path]:
    """The plain rows and the project, made once."""
    from ruamel.yaml import YAML

    from polku.record.project import create_project
    from polku.sources.importing import import_files
    from polku.trails import open_trails

    where = folder(events)
    where.mkdir(parents=True, exist_ok=True)
    plain, shop, done = where / "plain.parquet", where / "analysis", where / "analysis.done"
    if not done.exists():
        rows = plain_rows(events)
        pq.write_table(rows, plain, row_group_size=1_000_000)
        ids = pa.array([f"c{i}" for i in range(max(1000, events // 20))])
        log = pa.table(
            {
                "user_id": ids.take(rows["customer"].combine_chunks()),
                "event": pa.DictionaryArray.from_arrays(rows["e"].combine_chunks(), pa.array(NAMES)).cast(pa.string()),
                "time": rows["t"].cast(pa.timestamp("s", "UTC")),
            }
        )
        pq.write_table(log, where / "analysis.parquet", row_group_size=1_000_000)
        shutil.rmtree(shop, ignore_errors=True)
        shop.mkdir()
        with (shop / "journey.yaml").open("w") as f:
            YAML().dump(MAP, f)
        with create_project(shop) as project:
            import_files(project, where / "analysis.parquet")
            open_trails(project)
        done.write_text("")
    return plain, shop


def polku(shop: Path, runs: int) -> None:
    """Polku's answers, asked as anyone would: by the measures, over the project's trails; nothing is shared by runs."""
    from polku.measures.ask import measure_view
    from polku.measures.paths.alphabet import alphabet_of
    from polku.measures.paths.transitions import counted
    from polku.measures.retention.active import uniques
    from polku.measures.view import view_of
    from polku.record.project import open_project
    from polku.trails import open_trails

    with open_project(shop) as project:
        trails, journey = open_trails(project), project.journey()

        def view() -> Any:
            return view_of(trails, journey, project=project)

        def funnel(within: int | None) -> list[int]:
            steps = [NAMES[s] for s in STEPS]
            answer: Any = measure_view(view(), "funnel", {"steps": steps, "within": within})
            return list(answer.reached)

        def transitions() -> list[list[int]]:
            letters = alphabet_of(here := view(), "event")
            counts, _ = counted(here, letters)
            number = {name: place for place, name in enumerate(NAMES)}
            numbers = [number[name] for name in letters.names]
            n = len(letters)
            return sorted(
                [numbers[a], numbers[b], int(counts[a, b])] for a in range(n) for b in range(n) if counts[a, b]
            )

        def retention() -> list[list[int]]:
            answer: Any = measure_view(view(), "retention", {"unit": "week", "intervals": 30})
            return [
                [cohort.period, k, kept.so_far.n]
                for cohort in answer.cohorts
                for k, kept in enumerate(cohort.kept)
                if kept.so_far.n
            ]

        def daily() -> list[list[int]]:
            span, counts = uniques(view(), "day", None)
            return [[span.base + place, int(n)] for place, n in enumerate(counts) if n]

        def stages() -> list[list[int]]:
            answer: Any = measure_view(view(), "standing", {})
            parts = [(s.customers.n - s.lapsed.numerator, s.lapsed.numerator) for s in answer.stages]
            return [[s, lapsed, n] for s, both in enumerate(parts, 1) for lapsed, n in enumerate(both) if n]

        ask("funnel", runs, lambda: funnel(WEEK))
        ask("funnel without a window", runs, lambda: funnel(None))
        ask("transitions", runs, transitions)
        ask("weekly retention", runs, retention)
        ask("daily unique customers", runs, daily)
        ask("current stages", runs, stages)


def asked_of(command: list[str]) -> dict[str, dict[str, Any]]:
    """The answers of one engine, in a process of its own with two threads."""
    threads = dict.fromkeys(("NUMBA_NUM_THREADS", "POLARS_MAX_THREADS", "OMP_NUM_THREADS"), "2")
    environment = {**os.environ, **threads, "RETENTIONEERING_NO_TRACK": "1"}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    rows = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
    return {row["case"]: row for row in rows}


def environment_of(peer: str) -> str:
    """The Python that has the peer: an environment of its own, made when it is not there; or ours."""
    wanted = PEERS / f"{peer}.txt"
    if not wanted.exists():
        return sys.executable
    home = HERE / ".envs" / peer
    python = home / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", "-r", str(wanted)], check=True)
    return str(python)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=20_000_000)
    parser.add_argument("--polku", type=Path, help="only Polku's answers, over this project")
    parser.add_argument("--peers", default="chdb,duckdb,polars,pandas,retentioneering")
    options = parser.parse_args()
    if options.polku:
        polku(options.polku, RUNS)
        return
    for events, small in ((options.events, False), (min(options.events, SMALL), True)):
        plain, shop = prepare(events)
        own = asked_of([sys.executable, __file__, "--polku", str(shop)])
        group = f"Analysis beside peers, warm, {events:,} events"
        rows = {}
        for peer in options.peers.split(","):
            if (peer in ("retentioneering", "pandas")) != small:
                continue
            runs = str(SLOW_RUNS if peer in ("polars", "retentioneering") else 5)
            rows[peer] = asked_of([environment_of(peer), str(PEERS / f"with_{peer}.py"), str(plain), runs])
        for case, found in own.items():
            others = {peer: answers[case] for peer, answers in rows.items() if case in answers}
            if not others:
                continue
            mine = statistics.median(found["seconds"])
            tell(group, case, "Polku", found["seconds"], events)
            for peer, answer in others.items():
                if answer["answer"] != found["answer"]:
                    raise SystemExit(
                        f"{case}: {peer} says {str(answer['answer'])[:300]}, Polku {str(found['answer'])[:300]}"
                    )
                times = statistics.median(answer["seconds"]) / mine
                note = "; ".join(n for n in (f"{times:.1f} times Polku's", answer["note"]) if n)
                tell(group, case, peer, answer["seconds"], events, note)


if __name__ == "__main__":
    main()
