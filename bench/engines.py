"""The same questions on threads and on a Spark cluster of this machine: what a cluster costs, and what it adds up to.

    python bench/engines.py --events 20000000

The notes give the processor seconds that master, workers and their Python took (all runs together): on a busy machine
they say more than the time that passed, and docs/scale.md computes with them.
"""

from __future__ import annotations

import argparse
import functools
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from shop import shop_with, tell, timed

GROUP = "Engines: threads and Spark"
RUNS = 5
STEPS = ("Product Viewed", "Product Added", "Checkout Started", "Order Completed")


class Spent:
    """Processor seconds of this process's children, Java's and Python's, while it is watched."""

    def __init__(self) -> None:
        self.before: dict[int, float] = {}
        self.seconds = 0.0

    @staticmethod
    def now() -> dict[int, float]:
        found = {}
        for process in psutil.Process().children(recursive=True):
            try:
                times = process.cpu_times()
            except (psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
            found[process.pid] = times.user + times.system
        return found

    def __enter__(self) -> Spent:
        self.before = self.now()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = sum(s - self.before.get(pid, 0.0) for pid, s in self.now().items())


def nothing(bucket: Any) -> int:
    """A question that reads no column: what remains is the cluster's own part."""
    return 1


def told(name: str, engine: str, work: Callable[[], Any], events: int | None, runs: int = RUNS) -> None:
    work()  # warm: kernels compiled, files mapped
    with Spent() as spent:
        seconds = timed(work, runs)
    note = "" if engine == "threads" else f"{spent.seconds / runs:.2f} processor seconds a run"
    tell(GROUP, name, engine, seconds, events, note)


def once(name: str, work: Callable[[], Any], events: int | None = None, engine: str = "Spark") -> Any:
    began = time.perf_counter()
    with Spent() as spent:
        made = work()
    note = "" if engine == "threads" else f"{spent.seconds:.1f} processor seconds"
    tell(GROUP, name, engine, [time.perf_counter() - began], events, note)
    return made


def main() -> None:
    from polku.engines.cluster import start_cluster
    from polku.engines.spark import SparkEngine
    from polku.measures.ask import measure_view
    from polku.measures.view import view_of
    from polku.record.project import open_project
    from polku.trails import open_trails
    from polku.trails.build import build_layer
    from polku.trails.matching import Matching
    from polku.trails.open import open_store
    from polku.trails.project_feed import ProjectFeed
    from polku.trails.store import Store

    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=20_000_000)
    parser.add_argument("--runs", type=int, default=RUNS)
    options = parser.parse_args()
    folder = shop_with(options.events)
    asked: list[tuple[str, dict[str, Any]]] = [
        ("funnel", {"steps": STEPS, "within": "7d"}),
        ("transitions", {}),
        ("stages", {}),
    ]
    with open_project(folder) as project, start_cluster(2, port=0, cores=1) as cluster:
        trails, journey = open_trails(project), project.journey()
        engine = once("connecting", lambda: SparkEngine(cluster.url))
        spark = view_of(trails, journey, project=project, engine=engine)
        here = view_of(trails, journey, project=project)
        once("the first question", functools.partial(spark.map, nothing))
        told("a question that reads nothing", "Spark", functools.partial(spark.map, nothing), None, options.runs)
        for name, given in asked:
            answers = []
            for view, where in ((here, "threads"), (spark, "Spark")):
                ask = functools.partial(fresh, measure_view, view, name, given)
                answers.append(ask().to_dict())
                told(name, where, ask, trails.events, options.runs)
            assert str(answers[0]) == str(answers[1]), name
        built = []
        for where, builder in (("threads", build_layer), ("Spark", engine.build_layer)):
            made = Path(tempfile.mkdtemp(dir=folder.parent))
            build = functools.partial(
                open_store, Store(made, flush=False), ProjectFeed(project), Matching.of(journey), builder=builder
            )
            built.append(once("history to trails", build, trails.events, where))
            shutil.rmtree(made)  # what is mapped stays readable
        for one, other in zip(built[0].buckets, built[1].buckets, strict=True):
            for column in ("customer", "offsets", "time", "code", "day", "page", "origin", "session", "seq"):
                assert np.array_equal(getattr(one, column), getattr(other, column)), column
        engine.close()


def fresh(measure: Callable[..., Any], view: Any, name: str, given: dict[str, Any]) -> Any:
    """The measure with nothing remembered of the runs before."""
    import dataclasses

    from polku.measures.memo import Memo

    return measure(dataclasses.replace(view, memo=Memo()), name, given)


if __name__ == "__main__":
    main()
