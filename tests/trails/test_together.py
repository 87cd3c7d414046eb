"""A server that takes events in and moves them, and readers in other processes, side by side."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from polku.record.project import create_project
from polku.trails import open_trails

from .test_project import MAP, _flushed, rebuilt
from .told import told

TESTS = Path(__file__).parent.parent

WRITER = """
import itertools, sys, time
from polku.record.project import open_project
from record.working import working
from trails.test_project import event, stored
until = time.monotonic() + float(sys.argv[2])
with open_project(sys.argv[1]) as project:
    runner = working(project, 0.1, 50, 4)
    for n in itertools.count():
        people = {"anonymous_id": f"c{n % 40}"} | ({"user_id": f"u{n % 11}"} if n % 3 == 0 else {})
        project.inbox.append([event(n * 977 % 500_000, "page", f"/guide/{n % 50}", **people)])
        if n % 400 == 399:
            stored(project, event(n, "Order Completed", user_id=f"u{n % 7}"))
        time.sleep(0.002)
        if time.monotonic() > until:
            break
    runner.stop()
print(n + 1 + (n + 1) // 400)
"""
READER = """
import json, sys, time
from polku.record.project import open_project
from polku.trails import open_trails
until = time.monotonic() + float(sys.argv[2])
seen, rounds = 0, 0
with open_project(sys.argv[1]) as project:
    while time.monotonic() < until:
        trails = open_trails(project)
        rows = project.sql("select count(*) n, count(distinct event_id) ids from events").to_pylist()[0]
        assert rows["n"] == rows["ids"], rows
        assert rows["n"] >= seen, (rows, seen)  # trails may lag behind a merge that came while they were refreshed
        assert sum(int(b.offsets[-1]) for b in trails.buckets) >= trails.events
        seen, rounds = rows["n"], rounds + 1
print(json.dumps(rounds))
"""


@pytest.mark.parametrize("seconds", [4, pytest.param(600, marks=[pytest.mark.soak, pytest.mark.timeout(900)])])
def test_side_by_side(seconds: int, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    create_project(folder, "en").close()
    (folder / "journey.yaml").write_text(MAP, encoding="utf-8")

    def start(program: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", program, str(folder), str(seconds)], cwd=TESTS, stdout=subprocess.PIPE, text=True
        )

    writer, *readers = (start(p) for p in (WRITER, READER, READER))
    until = time.monotonic() + seconds
    with create_project(folder) as project:
        while time.monotonic() < until:
            open_trails(project)
        answers = [child.communicate()[0] for child in (writer, *readers)]
        assert [child.returncode for child in (writer, *readers)] == [0, 0, 0]
        assert all(json.loads(told_) > 1 for told_ in answers[1:])
        trails = open_trails(project)
        assert trails.events == int(answers[0])
        assert told(trails) == rebuilt(project, tmp_path / "again")
        project.mover.move()
        assert project.inbox.waiting() == 0
        assert open_trails(project).events == trails.events == project.history.rows()
        _flushed()
