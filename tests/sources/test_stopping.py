"""A stopped import leaves nothing or everything, and can be run again: errors, Ctrl-C, a kill at any write."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from polku.record.project import Project, open_project
from polku.sources.importing import import_files

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
