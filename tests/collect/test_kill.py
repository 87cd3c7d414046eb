"""Whoever was answered 200 is on disk, once, though the server is killed (kill -9) at random moments under load."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa

from polku.record import tables
from polku.record.project import Project, create_project, open_project

from .server import TESTS, Process

pytestmark = [pytest.mark.long, pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")]
#: Events move to history all the time, so that many kills meet a move.
SETTINGS = "[inbox]\nseconds = 1\nevents = 40\nfiles = 3\n"


def told(file: Path, mark: str) -> list[str]:
    """Ids of whole lines that begin with ``mark``."""
    lines = file.read_text("utf-8").split("\n")[:-1]
    return [id_ for line in lines if line.startswith(mark) for id_ in line[2:].split()]


def stored(project: Project) -> tuple[Counter[str], list[int]]:
    """How often each id stands in history and in the inbox's tail behind it, and every seq."""
    rows = project.changes(None, ["event_id", "seq"]).rows.read_all()
    return Counter(rows["event_id"].to_pylist()), rows["seq"].to_pylist()


def under_load(file: Path) -> None:
    """Wait until the server answers many, however slow the machine is."""
    begun, until = len(told(file, "=")), time.monotonic() + 120
    while len(told(file, "=")) < begun + 50:
        assert time.monotonic() < until, "nothing is answered"
        time.sleep(0.02)


@pytest.mark.parametrize("kills", [3, pytest.param(200, marks=[pytest.mark.soak, pytest.mark.timeout(7200)])])
def test_acknowledged_events_outlive_the_server(kills: int, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    create_project(folder).close()
    (folder / "polku.toml").write_text(SETTINGS, encoding="utf-8")
    file = tmp_path / "told"
    file.touch()
    chance = random.Random(kills)
    server = Process(folder)
    port = server.port
    loader = subprocess.Popen([sys.executable, "-m", "collect.loader", str(port), str(file), "8"], cwd=TESTS)
    try:
        for _ in range(kills):
            under_load(file)
            time.sleep(chance.uniform(0, 1.5))
            acknowledged = told(file, "=")
            server.kill()
            server = Process(folder, port)
            assert server.port == port
            with open_project(folder) as project:
                found, seqs = stored(project)
            assert set(acknowledged) <= set(found), "acknowledged, and not on disk"
            assert len(seqs) == len(set(seqs)), "a seq stands twice"
        loader.send_signal(signal.SIGTERM)
        assert loader.wait(60) == 0
        assert server.stop() == ""
    finally:
        loader.kill()
        loader.wait()
        server.kill()
    begun, acknowledged = told(file, "+"), told(file, "=")
    assert sorted(begun) == sorted(acknowledged)
    assert len(begun) > 20 * kills
    with open_project(folder) as project:
        while project.mover.move().version is not None:
            pass
        found, _ = stored(project)
        assert found == Counter(dict.fromkeys(begun, 1)), "lost, or twice"
        refused = tables.refused_events
        with project.state.read() as connection:
            raws = connection.execute(sa.select(refused.c.raw).where(refused.c.reason == "no_event")).scalars().all()
            counted = connection.execute(sa.select(tables.refusals.c.count)).scalar_one()
        batches = {id_.rpartition("-")[0] for id_ in begun}
        assert {raw.split('"messageId": "')[1].partition("-refused")[0] for raw in raws} == batches
        assert counted == len(raws), "kept and counted in one transaction"


def test_a_graceful_stop_answers_all_that_came(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    create_project(folder).close()
    file = tmp_path / "told"
    file.touch()
    server = Process(folder)
    loader = subprocess.Popen([sys.executable, "-m", "collect.loader", str(server.port), str(file), "8"], cwd=TESTS)
    try:
        under_load(file)
        assert server.stop() == "", "it ended in order, and said nothing"
        assert server.process.exitcode == 0
    finally:
        loader.kill()
        loader.wait()
        server.kill()
    with open_project(folder) as project:
        found, _ = stored(project)
    acknowledged = told(file, "=")
    assert acknowledged
    assert set(acknowledged) <= set(found)
    assert set(found.values()) == {1}
