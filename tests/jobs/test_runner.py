"""Jobs: done when due, by one server at a time, taken over from the dead; what failed says why."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from polku.jobs import Job, Ledger, Runner, jobs
from polku.record.project import Project, create_project, open_project

TESTS = Path(__file__).parent.parent
WHERE = ["one folder", "two folders"]
HELD = """
import sys, time
from polku.jobs import Job, Runner
from polku.record.project import open_project
def run(project):
    print("begun", flush=True)
    time.sleep(600)
project = open_project(sys.argv[1])
Runner(project, ()).run(Job("long", "A long job", run, 1.0), True)
"""


def soon(condition, seconds: float = 30) -> bool:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Project, Project]:
    """A project opened twice: on one machine's SQLite, or from two folders (as two machines have) on PostgreSQL."""
    if request.param == "one folder":
        made = create_project(tmp_path / "a", "en"), create_project(tmp_path / "a", "en")
    else:
        state, history = request.getfixturevalue("postgres").database(), str(tmp_path / "history")
        for name in "ab":
            (tmp_path / name).mkdir()
            (tmp_path / name / "polku.toml").write_text("[record]\nlease = 2\n", encoding="utf-8")
        made = tuple(create_project(tmp_path / name, "en", state=state, history=history) for name in "ab")
    yield made
    for project in made:
        project.close()


@pytest.mark.parametrize("pair", WHERE, indirect=True)
def test_one_of_two_servers_does_it_and_the_other_finds_it_done(pair):
    done, at_once = [], threading.Semaphore(1)

    def run(project: Project) -> dict[str, int]:
        assert at_once.acquire(blocking=False), "two did it at the same time"
        done.append(project)
        time.sleep(0.02)
        at_once.release()
        return {"done": len(done)}

    often, once = Job("often", "Often", run, 0.01), Job("once", "Once a day", lambda _: {"n": 1}, 86_400.0)
    runners = [Runner(project, (often, once)) for project in pair]
    for runner in runners:
        runner.start()
    assert soon(lambda: len(done) > 5)
    for runner in runners:
        runner.stop()
    ledger = Ledger(pair[0].state)
    told = ledger.all((often, once))
    assert [s.runs for s in told] == [len(done), 1]
    assert told[0].outcome == {"done": len(done)}
    assert [s.holder for s in told] == [None, None]
    assert told[1].next is not None
    assert told[1].finished is not None
    assert (told[1].next - told[1].finished).total_seconds() == 86_400


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("pair", WHERE, indirect=True)
def test_a_killed_holder_is_taken_over_from(pair):
    here, there = pair
    child = subprocess.Popen([sys.executable, "-c", HELD, str(there.folder)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "begun\n"
    job = Job("long", "A long job", lambda _: {"by": os.getpid()}, 1.0)
    runner = Runner(here, (job,))
    assert not runner.run(job, True), "it is held"
    status = runner.ledger.all((job,))[0]
    assert status.holder is not None
    assert status.holder.endswith(f":{child.pid}")
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert soon(lambda: runner.run(job, True)), "nobody took over"
    assert runner.ledger.all((job,))[0].outcome == {"by": os.getpid()}


def test_a_failure_keeps_its_reason_and_is_tried_again(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("polku.jobs.runner.AGAIN", (0.01, 0.02))
    faults = [ZeroDivisionError("a fault of ours"), OSError("no space left on device")]
    fine = threading.Event()

    def run(_: Project) -> None:
        if faults:
            raise faults.pop()
        fine.set()

    with create_project(tmp_path / "shop", "en") as project:
        job = Job("shaky", "Shaky", run, 0.01)
        runner = Runner(project, (job,))
        assert not runner.run(job, True)
        first = runner.ledger.all((job,))[0]
        assert (first.failures, first.reason) == (1, "OSError: no space left on device")
        runner.start()
        assert fine.wait(30)
        runner.stop()
        last = runner.ledger.all((job,))[0]
        assert (last.failures, last.reason) == (0, "ZeroDivisionError: a fault of ours")
        assert last.failed is not None
    assert [r.getMessage() for r in caplog.records if r.levelname == "WARNING"] == [
        "job shaky failed: no space left on device", "job shaky failed: a fault of ours",
    ]  # fmt: skip


def test_each_server_does_its_own(tmp_path):
    with create_project(tmp_path / "shop", "en") as project:
        job = Job("own", "Its own", lambda _: None, 3600.0, alone=False)
        assert Runner(project, (job,)).run(job)
        assert [(s.alone, s.runs) for s in Ledger(project.state).all((job,))] == [(False, 1)]


def test_every_job_has_a_name_of_its_own_and_words_in_finnish(tmp_path):
    from polku.language import translate

    with create_project(tmp_path / "shop", "en") as project:
        known = jobs(project)
    assert len({job.name for job in known}) == len(known)
    assert all(job.name.replace("-", "").isalpha() and job.every > 0 for job in known)
    assert all(translate("fi", job.title) != job.title for job in known)


def test_the_command_tells_and_runs(tmp_path, capsys):
    import json

    from polku import stories
    from polku.cli.app import main
    from record.events import event

    stories.write(tmp_path / "shop", stories.names()[0], "en")
    with create_project(tmp_path / "shop", "en") as project:
        project.inbox.append([event("e1", 1)])
    with pytest.raises(SystemExit) as ended:
        main(["jobs", str(tmp_path / "shop"), "--run", "move", "--json"])
    assert ended.value.code == 0
    told = {each["name"]: each for each in json.loads(capsys.readouterr().out)}
    assert told["move"]["outcome"] == {"events": 1, "duplicates": 0}
    assert told["vacuum"]["finished"] is None
    with open_project(tmp_path / "shop") as project:
        assert (project.inbox.waiting(), project.history.rows()) == (0, 1)


def test_a_job_that_waits_for_history_has_not_failed(tmp_path):
    with create_project(tmp_path / "shop", "en") as project:
        project.history.settings = dataclasses.replace(project.history.settings, busy=0)
        job = next(job for job in jobs(project) if job.name == "move")
        runner = Runner(project, (job,))
        with project.history.lease("import of a test"):
            assert not runner.run(job, True)
        assert [(s.failures, s.reason) for s in runner.ledger.all((job,))] == [(0, None)]


def test_trails_are_kept_up_where_there_are_some(tmp_path):
    from polku.trails import open_trails
    from record import deeds
    from record.events import event

    deeds.walked(tmp_path / "shop")
    with open_project(tmp_path / "shop") as project:
        job = next(job for job in jobs(project) if job.name == "trails")
        runner = Runner(project, (job,))
        assert not runner.run(job), "nobody has asked for trails yet"
        before = open_trails(project).events
        assert not runner.run(job), "they are as they should be"
        project.inbox.append([event("news", 1, user="u1")])
        assert runner.run(job)
        assert open_trails(project, refresh=False).events == before + 1
