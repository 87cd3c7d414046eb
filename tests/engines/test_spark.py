"""A real master and two workers, started as a person starts them: the same arrays and numbers, also when one dies."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

import polku
from polku.cli import main
from polku.engines.cluster import secret_file
from polku.engines.java import find_java
from polku.engines.spark import SparkEngine
from polku.errors import EngineError, MeasureError
from polku.kernels.columns import Columns
from polku.record.project import Project
from polku.shop import Shop
from polku.trails import layers
from polku.trails.matching import Matching
from polku.trails.open import open_store
from polku.trails.project_feed import ProjectFeed
from polku.trails.store import Store

from .world import same_arrays, shop_in

# Java starts five times here, on a machine that may be busy
pytestmark = [pytest.mark.timeout(1200), pytest.mark.long]
MOST = 240  # seconds that anything is waited for


@pytest.fixture(scope="module")
def java() -> None:
    try:
        find_java()
    except EngineError as fault:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(fault))


@pytest.fixture(scope="module")
def cluster(java: None) -> Iterator[tuple[str, psutil.Process]]:
    """``polku engine start``, its address and its process; at the end Ctrl-C ends it and all that it started."""
    command = [sys.executable, "-m", "polku", "engine", "start", "--workers", "2", "--cores", "1"]
    running = subprocess.Popen(
        [*command, "--memory", "1g", "--port", "0", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert running.stdout is not None
    told = ""
    while not told.rstrip().endswith("}"):
        line = running.stdout.readline()
        assert line, running.communicate()[1]
        told += line
    facts = json.loads(told)
    assert (facts["workers"], facts["cores"], facts["memory"]) == (2, 1, "1g")
    me = psutil.Process(running.pid)
    started = me.children(recursive=True)
    yield facts["url"], me
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=MOST)
    assert running.returncode == 0
    assert psutil.wait_procs(started, timeout=MOST)[1] == []
    host, port = facts["url"].removeprefix("spark://").split(":")
    assert not secret_file(host, int(port)).exists()


@pytest.fixture(scope="module")
def engine(cluster: tuple[str, psutil.Process]) -> Iterator[SparkEngine]:
    with SparkEngine(cluster[0], {"spark.executor.memory": "512m"}) as made:
        yield made


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with pytest.MonkeyPatch.context() as patch, shop_in(tmp_path_factory.mktemp("spark") / "a [shop]") as made:
        patch.setattr(layers, "BUCKET_EVENTS", 200)
        yield made


@pytest.fixture(scope="module")
def here(project: Project) -> Shop:
    return Shop(project)


@pytest.fixture(scope="module")
def there(project: Project, here: Shop, engine: SparkEngine) -> Shop:
    return Shop(project, engine=engine)


def words_of(process: psutil.Process) -> list[str]:
    """A process's command line; nothing of one that has ended."""
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []


def made_by(engine: SparkEngine, project: Project, folder: Path) -> Any:
    store = Store(folder, flush=False)
    return open_store(store, ProjectFeed(project), Matching.of(project.journey()), builder=engine.build_layer)


def test_the_secret_is_the_owners_alone(cluster: tuple[str, psutil.Process]) -> None:
    url, process = cluster
    host, port = url.removeprefix("spark://").split(":")
    file = secret_file(host, int(port))
    assert file.stat().st_mode & 0o077 == 0
    secret = file.read_text("utf-8").split("spark.authenticate.secret ")[1].split()[0]
    assert not any(secret in word for p in process.children(recursive=True) for word in words_of(p))


def test_only_this_machine_reaches_it(cluster: tuple[str, psutil.Process]) -> None:
    for process in cluster[1].children(recursive=True):
        for open_port in process.net_connections("inet"):
            if open_port.status == psutil.CONN_LISTEN:
                assert open_port.laddr.ip.removeprefix("::ffff:") in ("127.0.0.1", "::1")


def test_trails_made_by_spark_are_those_made_here(
    here: Shop, engine: SparkEngine, project: Project, tmp_path: Path
) -> None:
    made = made_by(engine, project, tmp_path)
    assert len(made.buckets) == 8
    same_arrays(here.trails, made)


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("stages", {"segment": "buyers"}),
        ("funnel", {"steps": ["one", "two", "order"], "within": "7d", "persona": "fashion"}),
        ("funnel", {"steps": ["two", "red"], "hold": "properties.colour"}),
        ("transitions", {}),
    ],
)
def test_measures_are_the_same(name: str, asked: dict[str, Any], here: Shop, there: Shop) -> None:
    assert json.dumps(there.measure(name, **asked).to_dict(), default=str) == json.dumps(
        here.measure(name, **asked).to_dict(), default=str
    )


def test_the_command_and_the_notebook(
    cluster: tuple[str, psutil.Process], engine: SparkEngine, here: Shop, project: Project,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    told = []
    for where in ([], ["--engine", cluster[0]]):
        with pytest.raises(SystemExit) as stop:
            main(["measure", str(project.folder), "funnel", "--steps", "one,two", "--json", *where])
        out = capsys.readouterr()
        assert not stop.value.code, out.err
        told.append(json.loads(out.out))
    assert told[0] == told[1]
    with polku.open(project.folder, engine=cluster[0]) as shop:
        assert shop.funnel(["one", "two"]).to_dict() == here.funnel(["one", "two"]).to_dict()
        with pytest.raises(EngineError, match="connected to"):
            polku.open(project.folder, engine="local[1]")


# -- faults ----------------------------------------------------------------------------------------------------------


def wrong(view: Any, bucket: Columns) -> int:
    raise MeasureError("There is no stage {name!r}.", name="decison")


def divided(by: int, bucket: Columns) -> int:
    return len(bucket.time) // by


def patient(folder: str, bucket: Columns) -> tuple[int, float]:
    """Leaves a mark and waits until it may go on."""
    (Path(folder) / f"begun-{os.getpid()}").touch()
    until = time.monotonic() + MOST
    while not (Path(folder) / "go").exists() and time.monotonic() < until:
        time.sleep(0.05)
    return len(bucket.time), float(bucket.time.astype(np.float64).sum() / 3)


@pytest.fixture(scope="module", autouse=True)
def _sent_whole() -> Iterator[None]:
    """Workers cannot import this file: its functions travel with their code."""
    from pyspark import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def test_an_error_of_the_work_comes_through_as_it_is(there: Shop) -> None:
    with pytest.raises(MeasureError, match="no stage 'decison'"):
        there.view().map(functools.partial(wrong, there.view()))


def test_a_fault_in_the_work_is_told_in_one_line(there: Shop) -> None:
    with pytest.raises(EngineError) as caught:
        there.view().map(functools.partial(divided, 0))
    assert "ZeroDivisionError" in str(caught.value)
    assert len(str(caught.value)) < 300


def killed(process: psutil.Process) -> None:
    """``kill -9`` of one worker and of all that it started, as when a machine is lost."""
    worker = next(p for p in process.children() if any("deploy.worker.Worker" in w for w in words_of(p)))
    for lost in (*worker.children(recursive=True), worker):
        lost.kill()


def killing_when(
    begun: Callable[[], bool], process: psutil.Process, work: Callable[[], Any], then: Callable[[], Any]
) -> Any:
    """What ``work`` gives when a worker is killed as soon as it has begun; ``then`` is done after that."""
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(work)
        until = time.monotonic() + MOST
        while not pending.done() and not begun() and time.monotonic() < until:
            time.sleep(0.02)
        assert not pending.done(), pending.result()
        killed(process)
        then()
        return pending.result(MOST)


def test_a_worker_killed_amid_a_measure_changes_nothing(
    cluster: tuple[str, psutil.Process], here: Shop, there: Shop, tmp_path: Path
) -> None:
    work = functools.partial(patient, str(tmp_path))
    both = lambda: len(list(tmp_path.glob("begun-*"))) == 2  # noqa: E731  # a task on each worker
    found = killing_when(both, cluster[1], lambda: there.view().map(work), (tmp_path / "go").touch)
    assert found == here.view().map(work)


@pytest.mark.soak  # making trails on what is left of a cluster takes half a minute
def test_a_worker_killed_amid_making_trails_changes_nothing(
    cluster: tuple[str, psutil.Process], here: Shop, engine: SparkEngine, project: Project, tmp_path: Path
) -> None:
    coded = lambda: any(tmp_path.glob("layers/*.making/chunks/*/words.json"))  # noqa: E731
    found = killing_when(coded, cluster[1], lambda: made_by(engine, project, tmp_path), lambda: None)
    same_arrays(here.trails, found)
