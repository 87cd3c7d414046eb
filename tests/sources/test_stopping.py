"""A stopped import leaves nothing or everything, and can be run again: errors, Ctrl-C, a kill at any write."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from polku.record.project import Project, open_project
from polku.sources.importing import import_files
from polku.trails import open_trails

from .conftest import bring, make_project

Write = Callable[..., Path]

ROWS = 60_000
CHILD = """
import os, sys
from pathlib import Path
from polku.record import steps
from polku.record.project import open_project
from polku.sources.importing import import_files

folder, file, moment = sys.argv[1:]

def stop(name, *_):
    if name == moment:
        os._exit(9)

steps.listener = stop
with open_project(folder) as project:
    import_files(project, file, progress=lambda done, total, what: stop(what))
"""


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Several blocks of rows, one of them refused."""
    path = tmp_path_factory.mktemp("big") / "big.csv"
    rows = "".join(f"u{i % 999},page,2026-01-{1 + i % 28:02d} 10:00,{i}\n" for i in range(ROWS))
    path.write_text("user_id,event,time,n\nu1,page,never,0\n" + rows, encoding="utf-8")
    return path


def left(project: Project) -> list[str]:
    """What stands in the folders of work that is not done."""
    data = project.folder / ".polku"
    return sorted(p.name for name in ("staging", "refused") if (data / name).is_dir() for p in (data / name).iterdir())


@pytest.mark.parametrize("when", ["Reading events", "Writing history"])
def test_control_c(project: Project, big: Path, when: str) -> None:
    def stop(done: float, total: float | None, what: str) -> None:
        if what == when:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_files(project, big, progress=stop)
    assert (project.history.rows(), left(project)) == (0, [])
    report = bring(project, big)
    assert (report.stored, report.refused_count) == (ROWS, 1)


MOMENTS = [
    ("Reading events", 0),
    ("Writing history", 0),
    ("files in place", 0),
    ("delta committed", ROWS),
    ("identities applied", ROWS),
]


@pytest.mark.parametrize(("moment", "rows"), MOMENTS)
def test_killed(tmp_path: Path, big: Path, moment: str, rows: int) -> None:
    folder = tmp_path / "shop"
    make_project(folder).close()
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder), str(big), moment], capture_output=True, text=True, check=False
    )
    assert child.returncode == 9, child.stderr
    with open_project(folder) as project:
        assert project.history.rows() == rows
        assert project.sql("select count(distinct customer) from events")[0][0].as_py() == (999 if rows else 0)
        report = bring(project, big)
        assert (report.stored, report.duplicates, report.refused_count) == (ROWS - rows, rows, 1)
        assert project.history.rows() == ROWS
        assert left(project) == [p.name for p in report.refused_files]


ANY_INSTANT = """
import sys, time
from polku.record.project import open_project
from polku.sources.importing import import_files
from polku.trails import open_trails

with open_project(sys.argv[1]) as project:
    print("ready", flush=True)
    began = time.monotonic()
    import_files(project, sys.argv[2])
    open_trails(project)
    print(time.monotonic() - began, flush=True)
"""


@pytest.mark.soak
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_killed_at_any_instant(tmp_path: Path, big: Path) -> None:
    """Also inside what native code writes: Parquet, Delta's log, SQLite's pages."""

    def start(folder: Path) -> subprocess.Popen[str]:
        make_project(folder).close()
        command = [sys.executable, "-c", ANY_INSTANT, str(folder), str(big)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        return child

    whole = start(tmp_path / "whole")
    seconds = float(whole.communicate()[0])
    seed = random.randrange(10**9)
    chance = random.Random(seed)
    found = []
    for number in range(30):
        folder = tmp_path / f"shop{number}"
        child = start(folder)
        time.sleep(chance.uniform(0, 1.1 * seconds))
        child.kill()
        child.communicate()
        with open_project(folder) as project:
            rows = project.history.rows()
            assert rows in (0, ROWS), seed
            found.append(rows)
            assert open_trails(project).events == rows, seed
            report = bring(project, big)
            assert (report.stored, report.duplicates, report.refused_count) == (ROWS - rows, rows, 1), seed
            trails = open_trails(project)
            assert (trails.events, trails.customers) == (ROWS, 999), seed
            assert not [name for name in left(project) if name.endswith(".part")], seed
        shutil.rmtree(folder)
    assert {0, ROWS} == set(found), "some before the commit, some behind it"
