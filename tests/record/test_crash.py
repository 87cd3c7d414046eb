"""A process that dies between any two writes leaves a project that opens, is right, and goes on."""

from __future__ import annotations

import contextlib
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from polku.errors import NotAProject
from polku.record.project import Project, create_project, open_project
from polku.record.state import FORMAT
from polku.trails import open_trails
from polku.trails.open import open_store
from polku.trails.store import Store
from trails.told import told

from . import deeds, dying
from .events import event, stored

TESTS = Path(__file__).parent.parent

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def orders() -> Iterator[dying.Orders]:
    with dying.orders() as given:
        yield given


@pytest.fixture(autouse=True)
def nothing_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    """No fold starts by itself."""
    monkeypatch.setattr("polku.trails.open.fold_later", lambda *_: None)


def picture(project: Project) -> dict[str, object]:
    """All that people can see of the record, without what depends on the moment."""
    changes = project.changes(None, ["event_id", "seq"])
    rows = changes.rows.read_all()
    joins = [(j.weaker.value, j.stronger.value, j.counts, j.undone_at is None) for j in all_joins(project)]
    people = project.sql("select event_id, customer is null as nobody from events order by all").to_pylist()
    groups: dict[int, set[str]] = {}
    for row in project.sql("select customer, kind, id from identities").to_pylist():
        groups.setdefault(row["customer"], set()).add(f"{row['kind'][0]}:{row['id']}")
    seqs = rows["seq"].to_pylist()
    assert len(seqs) == len(set(seqs)), "a seq stands twice"
    return {
        "events": sorted(rows["event_id"].to_pylist()),
        "people": people,
        "groups": sorted(sorted(g) for g in groups.values()),
        "joins": sorted(joins),
        "profiles": [r["traits"] for r in project.identities.profiles().to_pylist()],
    }


def all_joins(project: Project):
    return {j.number: j for c in range(1, 40) for j in project.identities.joins_of(c)}.values()


def trails_are_right(project: Project, aside: Path) -> object:
    """The trails told in words, after they were found to be those that a build from the beginning makes."""
    _, feed, matching = deeds.of_store(project)
    told_ = told(open_trails(project))
    anew = Store(aside, flush=False)
    assert told_ == told(open_store(anew, feed, matching, threads=1))
    shutil.rmtree(aside)
    return told_


def figures(folder: Path, trails: bool) -> dict[str, object] | None:
    """What the project says, and the files of its owner; None when there is none yet. It must open."""
    try:
        project = open_project(folder)
    except NotAProject:
        return None
    with project:
        assert not list(project.history.staging.glob("*")), "staging is cleaned"
        assert project.state.format() == FORMAT
        files = [p for p in sorted(folder.rglob("*")) if p.is_file() and ".polku" not in p.parts]
        return {
            **(picture(project)),
            "trails": trails_are_right(project, folder / ".polku" / "again") if trails else None,
            "files": {p.relative_to(folder).as_posix(): p.read_text("utf-8") for p in files},
        }


def tidy(folder: Path) -> None:
    """Nothing half is left."""
    data = folder / ".polku"
    half = [p for p in folder.rglob("*") if p.suffix in (".part", ".partial", ".making", ".new", ".begun")]
    assert [p for p in half if ".aside" not in str(p)] == []
    for backup in data.glob("backups/*"):
        with contextlib.closing(sqlite3.connect(backup)) as kept:
            assert kept.execute("select version_num from alembic_version").fetchone() == (deeds.OLDER,)
            assert kept.execute("pragma integrity_check").fetchone() == ("ok",)
    for refused in data.glob("refused/*"):
        assert refused.read_text("utf-8").count("\n") == 2, "the header and the row"
    if (data / "trails" / "CURRENT").exists():
        store = Store(data / "trails")
        now = store.open()
        assert now is not None
        known = {now.manifest.generation, now.manifest.pages, *now.manifest.layers}
        known |= {name for name, _ in now.manifest.retired}
        there = {p.name for kind in ("generations", "layers", "pages") for p in (data / "trails" / kind).glob("*")}
        assert there <= known, "swept"
        assert not store.aside.exists()


EVERY = [False, pytest.param(True, marks=[pytest.mark.soak, pytest.mark.timeout(3600)], id="every")]


@pytest.mark.parametrize("every", EVERY)
@pytest.mark.parametrize("name", sorted(deeds.DEEDS))
def test_killed_at_every_write(name, every, tmp_path, orders):
    deed = deeds.DEEDS[name]
    template = tmp_path / "template"
    deed.made(template)

    def copy(to: str) -> Path:
        if template.exists():
            shutil.copytree(template, tmp_path / to)
        return tmp_path / to

    before = figures(copy("before"), deed.kernels) if name != "migrate" else None
    whole = copy("whole")
    code, moments, faults = orders.do(whole, name, 0)
    assert (code, faults) == (0, "")
    assert moments
    after = figures(whole, deed.kernels)
    for number in dying.chosen(moments, every, deed.thin):
        folder = copy("died")
        code, passed, faults = orders.do(folder, name, number)
        where = f"moment {number} of {name}: {passed[-1]}"
        assert (code, len(passed)) == (dying.CODE, number), (where, faults)
        found = figures(folder, deed.kernels)
        assert found in (before, after), f"{where}: neither before nor after"
        if deed.again:
            with deed.ready(folder) as work:
                if not (name.startswith("init") and found is not None):
                    work()
            assert figures(folder, deed.kernels) == after, f"{where}: again"
        if found is not None or deed.again:
            with open_project(folder) as project:
                stored(project, event("later", 7, user="anna"))
                if deed.kernels:
                    trails_are_right(project, tmp_path / "later")
            tidy(folder)
        flushed()
        shutil.rmtree(folder)


def flushed() -> None:
    """Layers that are flushed on threads of their own are on the disk."""
    for thread in threading.enumerate():
        if thread.name.startswith("flush"):
            thread.join()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_acknowledged_events_outlive_kill_9(tmp_path):
    folder = tmp_path / "shop"
    create_project(folder).close()
    program = (
        "import sys; from polku.record.project import open_project; from record.events import event\n"
        "from record.working import working\n"
        "project = open_project(sys.argv[1]); runner = working(project, 0.05, 1, 3)\n"
        "for n in range(100000):\n"
        "    project.inbox.append([event(f'e{n}', n * 977 % 200000, user=f'u{n % 7}', anonymous=f'c{n % 9}')])\n"
        "    print(n, flush=True)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", program, str(folder)], cwd=TESTS, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    acknowledged = -1
    until = time.monotonic() + 3
    while time.monotonic() < until:
        acknowledged = int(child.stdout.readline())
    child.send_signal(signal.SIGKILL)
    rest = child.stdout.read().split()
    child.stdout.close()
    child.wait()
    acknowledged = max([acknowledged, *(int(n) for n in rest)])
    with open_project(folder) as project:
        project.mover.move()
        found = project.history.read(["event_id"]).read_all()["event_id"].to_pylist()
        assert len(found) == len(set(found))
        assert {f"e{n}" for n in range(acknowledged + 1)} <= set(found) <= {f"e{n}" for n in range(acknowledged + 2)}
        assert project.identities.count() == min(7, len(found)) + min(9, len(found))


def test_readers_work_while_another_process_writes(tmp_path):
    folder = tmp_path / "shop"
    create_project(folder).close()
    program = (
        "import sys; from polku.record.project import open_project; from record.events import event, stored\n"
        "project = open_project(sys.argv[1])\n"
        "for n in range(8):\n"
        "    stored(project, *(event(f'i{n}-{k}', k * 50000, user=f'u{k}') for k in range(3)))\n"
        "    project.inbox.append([event(f'w{n}', n, anonymous=f'c{n}')]); project.mover.move()\n"
        "    project.history.compact(3)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", program, str(folder)], cwd=TESTS)
    position, followed = None, set()
    with open_project(folder) as project:
        running = True
        while running:
            running = child.poll() is None
            changes = project.changes(position, ["event_id"])
            rows = changes.rows.read_all()["event_id"].to_pylist()
            if changes.rebuild:
                followed = set()
            assert not followed & set(rows), "told twice"
            followed |= set(rows)
            position = changes.position
            counted = project.sql("select count(*) as n, count(distinct event_id) as ids from events").to_pylist()[0]
            assert counted["n"] == counted["ids"] >= len(followed)
            assert counted["n"] % 4 in (0, 3), "an import is seen whole"
    assert child.returncode == 0
    assert len(followed) == 32
