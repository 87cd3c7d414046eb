"""A process that dies between any two writes leaves a project that opens, is right, and goes on."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from polku.record.project import Project, create_project, open_project

from . import dying
from .events import event, stored

TESTS = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    """A small project: history in two commits, events waiting, one of them there already, one repeated."""
    folder = tmp_path_factory.mktemp("crash") / "shop"
    with create_project(folder, "en") as project:
        anna = event("h1", 0, user="anna", anonymous="c1", traits={"size": "M"})
        stored(project, anna, event("h2", 90_000, user="bert"))
        stored(project, event("h3", 1, anonymous="c2"))
        project.inbox.append([event("w1", 5, user="anna", anonymous="c3"), event("h1", 6, user="anna")])
        project.inbox.append([event("w2", 90_005, anonymous="c3"), event("w2", 90_006, anonymous="c3")])
        project.changes(None, ["seq"])
    return folder


@pytest.fixture(scope="module")
def orders() -> Iterator[dying.Orders]:
    with dying.orders() as given:
        yield given


def picture(project: Project) -> dict[str, object]:
    """All that people can see of the record, without what depends on the moment."""
    changes = project.changes(None, ["event_id", "seq"])
    rows = changes.rows.read_all()
    joins = [(j.anonymous.value, j.user.value, j.decides, j.undone_at is None) for j in all_joins(project)]
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


@pytest.mark.parametrize("deed", sorted(dying.DEEDS))
def test_killed_at_every_write(template, tmp_path, deed, orders):
    with open_project(template) as project:
        before = picture(project)
    shutil.copytree(template, tmp_path / "whole")
    code, moments, faults = orders.do(tmp_path / "whole", deed, 0)
    assert (code, faults) == (0, "")
    assert moments
    with open_project(tmp_path / "whole") as project:
        after = picture(project)
    for number in range(1, len(moments) + 1):
        folder = tmp_path / f"at-{number}"
        shutil.copytree(template, folder)
        assert orders.do(folder, deed, number)[:2] == (dying.CODE, moments[:number])
        with open_project(folder) as project:
            found = picture(project)
            assert found in (before, after), f"moment {number} of {deed}: neither before nor after"
            assert not list(project.history.staging.glob("*")), "staging is cleaned"
            if deed == "import" and found == before:
                dying.import_(project)
                assert picture(project) == after, "an import that died can be run again"
            if deed == "move":
                project.mover.move()
                done = picture(project)
                assert done == after, "the next move ends what died"
                assert project.inbox.waiting() == 0
            stored(project, event("later", 7, user="anna"))
            assert project.history.rows() >= 4


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_acknowledged_events_outlive_kill_9(tmp_path):
    folder = tmp_path / "shop"
    create_project(folder).close()
    program = (
        "import sys; from polku.record.project import open_project; from record.events import event\n"
        "project = open_project(sys.argv[1]); project.mover.start(0.05, 1, 3)\n"
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
