"""The demo project: made, finished after a stop, opened, and kept alive."""

from __future__ import annotations

import dataclasses
import datetime as dt
import inspect
import itertools
import threading
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest
from tests.simulate.conftest import END

from polku.cli import world as world_commands
from polku.errors import ProjectError, UsageError
from polku.record.project import open_project
from polku.simulate import demo
from polku.simulate.live import PAUSE, QUICKER, cast, chapters, live
from polku.simulate.making import Teller, World, micros
from polku.simulate.vocabulary import ROW


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> demo.Demo:
    return demo.prepare(tmp_path_factory.mktemp("demo") / "kauppa", 400, "fi", seed=5)


def test_a_demo_is_made_and_then_opened(small: demo.Demo) -> None:
    assert small.made
    assert small.report is not None
    assert small.report.refused_count == 0
    assert small.report.stored > 4000
    assert small.report.without_customer > 0
    again = demo.prepare(small.folder, 999, "en")
    assert dataclasses.replace(again, made=True, report=small.report) == small
    with open_project(small.folder) as project:
        assert project.language == "fi"
        assert project.sql("select count(*) as n from events")["n"][0].as_py() == small.report.stored
        costs = project.costs.table()
        assert costs.num_rows > 50
        assert set(costs["source"].to_pylist()) == {"instagram", "facebook", "google", "tiktok"}
        assert pc.all(pc.greater(costs["amount"], 0)).as_py()
    assert (small.folder / "world" / "truth" / "effects.json").is_file()


def test_the_studio_speaks_english(tmp_path: Path) -> None:
    made = demo.prepare(tmp_path / "studio", 150, "en", kind="studio", months=3, end=END)
    with open_project(made.folder) as project:
        assert "yoga" in str(project.journey().title)
        assert project.language == "en"


@pytest.mark.parametrize("left", ["nothing", "world", "import"])
def test_a_demo_that_was_stopped_is_finished(tmp_path: Path, left: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped before each step, it is finished by the next run, and nothing is in history twice."""
    folder = tmp_path / "demo"
    stops = {"nothing": "_begin", "world": "import_files", "import": "write_note"}
    calls = itertools.count()

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    original = getattr(demo, stops[left])
    if left == "import":  # the second note is the one after the import
        monkeypatch.setattr(demo, "write_note", lambda *a: original(*a) if next(calls) == 0 else stop())
    else:
        monkeypatch.setattr(demo, stops[left], stop)
    with pytest.raises(KeyboardInterrupt):
        demo.prepare(folder, 120, "fi", months=3, end=END)
    monkeypatch.setattr(demo, stops[left], original)
    finished = demo.prepare(folder, 120, "fi")
    assert finished.made
    assert finished.world.end == END
    assert finished.report is not None
    if left == "import":
        assert finished.report.stored == 0
    with open_project(folder) as project:
        counts = project.sql("select count(*) as n, count(distinct event_id) as ids from events").to_pylist()[0]
    assert counts["n"] == counts["ids"] > 1000


def test_nobodys_own_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ProjectError, match="not a demo"):
        demo.prepare(tmp_path)
    with pytest.raises(ProjectError, match="not a demo"):
        demo.prepare(tmp_path / "notes.txt")
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_progress_speaks_of_every_step(tmp_path: Path) -> None:
    said: list[str] = []
    demo.prepare(tmp_path / "d", 60, progress=lambda done, total, what: said.append(what), end=END)
    assert said[0] == demo.MAKING
    assert len(set(said)) >= 2


class Clock:
    """A clock that goes on by itself, a little with each look, and that jumps when somebody waits."""

    def __init__(self, start: dt.datetime) -> None:
        self.now = start.timestamp()

    def __call__(self) -> float:
        self.now += 0.01
        return self.now


class Waiting(threading.Event):
    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        self.clock.now += timeout or 0
        return self.is_set()


def test_the_world_goes_on_through_the_inbox(tmp_path: Path) -> None:
    made = demo.prepare(tmp_path / "d", 300, months=3, end=END)
    clock = Clock(END + dt.timedelta(minutes=5))
    with open_project(made.folder) as project:
        told: list[int] = []
        assert live(project, 5.0, Waiting(clock), told.append, most=300, clock=clock) == 300
        assert told[-1] == 300
        seconds = clock.now - END.timestamp() - 300
        assert 30 < seconds < 240
        tail = project.inbox.tail()
        assert tail.num_rows == 300
        assert pc.count_distinct(tail["event_id"]).as_py() == 300
        assert pc.min(tail["time"]).as_py() > END + dt.timedelta(minutes=4)
        assert pc.max(tail["time"]).as_py().timestamp() <= clock.now
        moved = project.mover.move()
        assert (moved.events, moved.duplicates) == (300, 0)
        before = project.sql("select count(*) as n from events")["n"][0].as_py()
        live(project, 5.0, Waiting(clock), most=200, clock=clock)
        moved = project.mover.move()
        assert moved.events > 150  # the moments that were cut off are not told again, new ones are
        assert project.sql("select count(*) as n from events")["n"][0].as_py() == before + moved.events
        known = project.sql(
            f"select count(distinct customer) as n from events where received_at > '{END:%Y-%m-%d %H:%M:%S}'"
        )
        assert known["n"][0].as_py() > 20


def test_live_can_be_stopped(tmp_path: Path) -> None:
    made = demo.prepare(tmp_path / "d", 60, months=3, end=END)
    ending = threading.Event()
    ending.set()
    with open_project(made.folder) as project:
        assert live(project, stop=ending) == 0
        with pytest.raises(UsageError, match="over 0"):
            live(project, rate=0)


def test_only_a_demo_lives(tmp_path: Path) -> None:
    from polku.journey import templates

    templates.write(tmp_path / "p", "shop-5", "en")
    with open_project(tmp_path / "p") as project, pytest.raises(ProjectError, match="not a demo"):
        live(project)


def test_a_moment_is_a_visit() -> None:
    minute = 60_000_000
    rows = np.zeros(6, ROW)
    rows["person"] = [1, 1, 2, 1, 2, 1]
    rows["time"] = np.array([0, 10, 5, 60, 7, 3]) * minute + 1
    rows["serial"] = np.arange(6)
    told = cast(rows, np.zeros(0), 0, 0)
    assert told.starts.tolist() == [0, 3, 5, 6]
    assert (told.rows["time"] // minute).tolist() == [0, 3, 10, 5, 7, 60]
    assert 25 * minute == PAUSE
    assert QUICKER > 1


def test_chapters_go_on_and_on() -> None:
    told = list(itertools.islice(chapters(World("shop", 200, end=END)), 3))
    for chapter in told:
        assert (chapter.rows["time"] > micros(END)).all()
        assert len(chapter.starts) > 500
    everyone = np.concatenate([np.unique(c.rows["person"]) for c in told])
    assert len(np.unique(everyone)) == len(everyone)
    own = Teller(World("shop", 200, end=END)).people(0, 200)["person"]
    assert np.isin(np.unique(told[0].rows["person"]), own).any()


def test_the_command_makes_as_many_people_as_the_library() -> None:
    assert inspect.signature(world_commands.demo).parameters["customers"].default == demo.CUSTOMERS
