"""What the record tells the trails: whoever applies the changes knows what a fresh look gives."""

from __future__ import annotations

import threading
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from polku.errors import RecordError
from polku.record import history
from polku.record.changes import Position
from polku.record.deltalog import log_name
from polku.record.hashes import id_hash
from polku.record.project import Project, create_project, open_project

from .events import at, event, stored
from .working import working

COLUMNS = ["event_id", "time", "seq", "user_id", "anonymous_id"]


def ids(rows: pa.RecordBatchReader) -> list[str]:
    return sorted(rows.read_all()["event_id"].to_pylist())


# -- the inbox ------------------------------------------------------------------------------------------------------


def test_an_event_is_there_when_append_returns(project):
    assert project.inbox.append([event("a", 0, user="anna"), event("b", 1)]) == 1
    assert project.inbox.append(pa.Table.from_pylist([{"event_id": "c", "time": at(2), "event": "page"}])) == 3
    with open_project(project.folder) as other:
        tail = other.inbox.tail()
        assert tail["event_id"].to_pylist() == ["a", "b", "c"]
        assert tail["seq"].to_pylist() == [1, 2, 3]
        assert tail["day"].to_pylist() == [at(0).date()] * 3
        assert tail["received_at"].null_count == 0
        assert other.inbox.tail(1, ["event_id"])["event_id"].to_pylist() == ["b", "c"]
        assert other.inbox.waiting() == 3
        assert other.inbox.oldest() is not None


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([], "nothing"),
        ([{"event_id": "a", "tiem": 1}], "no column tiem"),
        ([{"event_id": "a", "event": "page"}], "without time"),
    ],
)
def test_what_does_not_fit_is_refused_whole(project, events, said):
    with pytest.raises(RecordError, match=said):
        project.inbox.append(events)
    assert project.inbox.waiting() == 0
    assert project.inbox.oldest() is None


def test_callers_at_the_same_time_share_commits_and_get_their_own_numbers(project):
    got: dict[str, int] = {}

    def send(name: str) -> None:
        for i in range(10):
            got[f"{name}{i}"] = project.inbox.append([event(f"{name}{i}", i), event(f"{name}{i}+", i)])

    threads = [threading.Thread(target=send, args=(n,)) for n in "abcdefgh"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tail = project.inbox.tail()
    numbers = dict(zip(tail["event_id"].to_pylist(), tail["seq"].to_pylist(), strict=True))
    assert sorted(numbers.values()) == list(range(1, 161))
    assert all(numbers[name] == first and numbers[f"{name}+"] == first + 1 for name, first in got.items())


def test_a_write_that_fails_is_told_to_everyone_who_waits(project, monkeypatch):
    def broken(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("polku.record.inbox.pack", broken)
    with pytest.raises(OSError, match="disk full"):
        project.inbox.append([event("a", 0)])
    monkeypatch.undo()
    assert project.inbox.append([event("a", 0)]) == 1


# -- the mover --------------------------------------------------------------------------------------------------------


def test_events_move_once_and_repeats_are_dropped(project):
    stored(project, event("old", 0))
    project.inbox.append([event("a", 0), event("old", 7), event("a", 1)])
    project.inbox.append([event("b", 86400)])
    moved = project.mover.move()
    assert (moved.events, moved.duplicates) == (2, 2)
    assert project.inbox.waiting() == 0
    assert ids(project.history.read(["event_id"])) == ["a", "b", "old"]
    assert project.mover.move().version is None
    project.inbox.append([event("a", 3)])
    moved = project.mover.move()
    assert (moved.events, moved.duplicates) == (0, 1)
    assert moved.version is not None
    assert project.inbox.waiting() == 0


def test_a_move_of_a_part_takes_whole_groups(project):
    for i in range(4):
        project.inbox.append([event(f"{i}a", i), event(f"{i}b", i)])
    assert project.mover.move(3).events == 4
    assert project.inbox.tail()["seq"].to_pylist() == [5, 6, 7, 8]
    assert project.mover.move(3).events == 4


def test_the_mover_works_on_its_own(project):
    assert not project.mover.due(0, 1)
    project.inbox.append([event(f"e{i}", i) for i in range(5)])
    assert project.mover.due(3600, 5)
    assert not project.mover.due(3600, 6)
    moved = threading.Event()
    original = project.mover.move

    def move() -> object:
        done = original()
        moved.set()
        return done

    project.mover.move = move
    runner = working(project, 0.01, 1, 2)
    assert moved.wait(30)
    runner.stop()
    assert project.history.rows() == 5


def test_the_mover_outlives_a_full_disk(project, monkeypatch, caplog):
    monkeypatch.setattr("polku.jobs.runner.AGAIN", (0.01, 0.02))
    moved = threading.Event()
    original, faults = project.mover.move, [OSError("no space left"), RecordError("the lease was lost")]

    def move() -> object:
        if faults:
            raise faults.pop()
        done = original()
        moved.set()
        return done

    project.mover.move = move
    project.inbox.append([event("e1", 1)])
    runner = working(project, 0.01, 1, 2)
    assert moved.wait(30)
    runner.stop()
    assert project.history.rows() == 1
    failed = [r.getMessage().split(": ")[-1] for r in caplog.records if "failed" in r.getMessage()]
    assert failed == ["the lease was lost", "no space left"]
    status = next(s for s in runner.ledger.all(runner.jobs) if s.name == "move")
    assert (status.failures, status.reason, status.outcome) == (
        0, "OSError: no space left", {"events": 1, "duplicates": 0},
    )  # fmt: skip


# -- changes ----------------------------------------------------------------------------------------------------------


def test_from_the_beginning_everything_is_told(project):
    stored(project, event("a", 0))
    project.inbox.append([event("b", 1)])
    changes = project.changes(None, COLUMNS)
    assert changes.rebuild
    assert changes.position == Position(1, 2, 0)
    assert changes.rows.schema.names == COLUMNS
    assert ids(changes.rows) == ["a", "b"]


def test_what_moved_is_not_told_twice(project):
    project.inbox.append([event("a", 0)])
    first = project.changes(None, COLUMNS)
    project.inbox.append([event("b", 0)])
    project.mover.move()
    stored(project, event("c", 0))
    second = project.changes(first.position, COLUMNS)
    assert not second.rebuild
    assert ids(second.rows) == ["b", "c"]
    third = project.changes(second.position, COLUMNS)
    assert (third.position, ids(third.rows)) == (second.position, [])
    project.history.compact()
    project.history.vacuum(0)
    after = project.changes(first.position, COLUMNS)
    assert after.rebuild, "the files that brought them are gone"
    assert ids(after.rows) == ["a", "b", "c"]
    assert not project.changes(second.position, COLUMNS).rebuild


def test_the_position_is_cheap_and_moves_with_everything(project):
    seen = [project.position()]
    for act in (
        lambda: stored(project, event("a", 0, user="anna", anonymous="c")),
        lambda: project.inbox.append([event("b", 0)]),
        lambda: project.identities.undo(project.identities.joins_of(1)[0].number),
    ):
        act()
        seen.append(project.position())
        assert seen[-1] != seen[-2]


@pytest.mark.parametrize("since", [Position(99, 0, 0), Position(0, 99, 0), Position(0, 0, 99)])
def test_a_position_from_the_future_means_starting_over(project, since):
    stored(project, event("a", 0))
    changes = project.changes(since, COLUMNS)
    assert changes.rebuild
    assert ids(changes.rows) == ["a"]


def test_rows_taken_away_mean_starting_over_and_an_erasure_does_not(project):
    stored(project, event("a", 0, user="anna"), event("b", 0, user="bert"))
    position = project.changes(None, COLUMNS).position
    project.history.delete_events_of({"user_id": ["anna"]})
    changes = project.changes(position, COLUMNS)
    assert (changes.rebuild, ids(changes.rows)) == (False, [])
    project.history.table().delete("user_id = 'bert'")
    assert project.changes(changes.position, COLUMNS).rebuild


def test_a_log_that_is_gone_means_starting_over(project):
    for name in "abc":
        stored(project, event(name, 0))
    position = Position(1, 0, 0)
    (project.history.place.folder / f"_delta_log/{2:020d}.json").unlink()
    changes = project.changes(position, COLUMNS)
    assert changes.rebuild
    assert ids(changes.rows) == ["a", "b", "c"]


def test_who_slept_for_longer_than_the_log_is_kept_wakes_up(project, monkeypatch):
    """The entry after the last known one was cleaned away meanwhile; what came is there all the same."""
    stored(project, event("a", 0))
    with open_project(project.folder) as sleeper:
        known = sleeper.history.version
        for name in "bc":
            stored(project, event(name, 1))
        table = project.history.table()
        table.create_checkpoint()
        for version in range(known + 2):
            (project.data / "history" / log_name(version)).unlink()
        monkeypatch.setattr(history, "ASLEEP", -1.0)
        assert sleeper.history.version == project.history.version
        assert ids(sleeper.changes(None, ["event_id"]).rows) == ["a", "b", "c"]


def test_a_repeat_of_what_was_moved_is_not_told(project):
    """The answer to a batch was lost, and it came again after its first copy had gone to history."""
    project.inbox.append([event("a", 0, user="anna"), event("b", 0, user="bert")])
    project.mover.move()
    seen = project.changes(None, COLUMNS)
    project.inbox.append([event("a", 90_000, user="anna"), event("c", 1, user="anna")])  # another clock, another day
    assert ids(project.changes(None, COLUMNS).rows) == ["a", "b", "c"]
    changes = project.changes(seen.position, COLUMNS)
    assert (ids(changes.rows), changes.dirty) == (["c"], set())
    assert ids(project.events_of({project.identities.customer_of("user", "anna")}, COLUMNS)) == ["a", "c"]
    assert project.look(["event_id"])[1]["event_id"].to_pylist() == ["c"]
    with open_project(project.folder) as other:
        assert ids(other.changes(None, COLUMNS).rows) == ["a", "b", "c"]
    assert project.mover.move().duplicates == 1
    assert ids(project.changes(None, COLUMNS).rows) == ["a", "b", "c"]


def test_an_import_of_what_waits_in_the_inbox_makes_its_customers_dirty(project):
    project.inbox.append([event("a", 0, user="anna"), event("b", 0, user="bert")])
    seen = project.changes(None, COLUMNS)
    stored(project, event("a", 0, user="anna"), event("c", 0, user="cleo"))
    changes = project.changes(seen.position, COLUMNS)
    assert ids(changes.rows) == ["a", "c"]
    assert changes.dirty == {project.identities.customer_of("user", "anna")}
    assert ids(project.events_of(changes.dirty, COLUMNS, changes.position)) == ["a"]
    assert project.changes(changes.position, COLUMNS).dirty == set()


class Life(RuleBasedStateMachine):
    """Anything may happen; a follower who applies changes must know what the record knows."""

    @initialize()
    def begin(self) -> None:
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        self.project: Project = create_project(self.folder.name, "en")
        self.number = 0
        self.position: Position | None = None
        self.rows: Counter[str] = Counter()
        self.trails: dict[int, Counter[str]] = {}

    users = st.sampled_from([None, "u1", "u2"])
    cookies = st.sampled_from([None, "c1", "c2"])
    batches = st.lists(st.tuples(users, cookies, st.integers(0, 3), st.booleans()), min_size=1, max_size=4)

    def _events(self, batch):
        made = []
        for user, cookie, day, repeat in batch:
            if not (repeat and self.number):
                self.number += 1
            made.append(event(f"e{self.number}", day * 86400 + self.number, user=user, anonymous=cookie))
        return made

    @rule(batch=batches)
    def imported(self, batch):
        events = {e["event_id"]: e for e in self._events([(u, c, d, False) for u, c, d, _ in batch])}
        stored(self.project, *events.values())

    @rule()
    def imported_what_waits(self):
        waiting = self.project.look(["event_id", "user_id", "anonymous_id"])[1].to_pylist()
        again = [event(r["event_id"], 7, user=r["user_id"], anonymous=r["anonymous_id"]) for r in waiting[:2]]
        if again:
            stored(self.project, *again)

    @rule(batch=batches)
    def arrived(self, batch):
        self.project.inbox.append(self._events(batch))

    @rule(limit=st.sampled_from([None, 2]))
    def moved(self, limit):
        self.project.mover.move(limit)

    @rule(keep=st.booleans())
    def tidied(self, keep):
        self.project.history.compact()
        if not keep:
            self.project.history.vacuum(0)

    @precondition(lambda self: self.number)
    @rule(which=st.integers(0, 3))
    def undone(self, which):
        with self.project.state.read() as connection:
            found = connection.exec_driver_sql("select id from joins where undone_at is null").scalars().all()
        if found:
            self.project.identities.undo(found[which % len(found)])

    @rule()
    def opened_again(self):
        self.project.close()
        self.project = open_project(self.folder.name, "en")

    def _resolve(self, rows: pa.Table) -> list[int]:
        user = id_hash("user", rows["user_id"])
        hashes = np.where(user != 0, user, id_hash("anonymous", rows["anonymous_id"]))
        return self.project.identities.table().resolve(hashes).tolist()

    def _add(self, rows: pa.Table, only: set[int] | None = None) -> None:
        for name, customer in zip(rows["event_id"].to_pylist(), self._resolve(rows), strict=True):
            if customer >= 0 and (only is None or customer in only):
                self.trails.setdefault(customer, Counter())[name] += 1

    @rule()
    def followed(self):
        changes = self.project.changes(self.position, COLUMNS)
        if changes.rebuild:
            self.trails = {}
        for customer, survivor in changes.moved.items():
            if customer in self.trails:
                self.trails.setdefault(survivor, Counter()).update(self.trails.pop(customer))
        self._add(changes.rows.read_all())
        for customer in changes.dirty:
            self.trails.pop(customer, None)
        if changes.dirty:
            rows = self.project.events_of(changes.dirty, COLUMNS, changes.position).read_all()
            self._add(rows, changes.dirty)
        self.position = changes.position
        fresh, self.trails = self.trails, {}
        self._add(self.project.changes(None, COLUMNS).rows.read_all())
        assert fresh == self.trails
        assert all(n == 1 for theirs in fresh.values() for n in theirs.values()), "an event counts twice"

    @invariant()
    def nothing_is_lost(self):
        if getattr(self, "number", 0):
            waiting = set(self.project.inbox.tail()["event_id"].to_pylist())
            there = self.project.history.read(["event_id"]).read_all()["event_id"].to_pylist()
            assert len(there) == len(set(there)), "history has an event twice"
            assert waiting | set(there) == {f"e{i + 1}" for i in range(self.number)}

    def teardown(self):
        if hasattr(self, "project"):
            self.project.close()
            self.folder.cleanup()


Life.TestCase.settings = settings(deadline=None, max_examples=6, stateful_step_count=12)
TestLife = Life.TestCase


@pytest.mark.soak
@pytest.mark.timeout(7200)  # cut short in an example, hypothesis would take it for one that behaves now so, now so
def test_a_long_life():
    run_state_machine_as_test(Life, settings=settings(deadline=None, max_examples=300, stateful_step_count=40))


def test_a_split_id_that_was_joined_to_another_since(project):
    """The long life found this one: both what it left and where it went must be made again."""
    stored(project, event("a", 0, user="bert"), event("b", 1, anonymous="c"), event("d", 2, user="anna", anonymous="c"))
    position = project.changes(None, COLUMNS).position
    anna, bert = (project.identities.customer_of("user", name) for name in ("anna", "bert"))
    project.identities.undo(project.identities.joins_of(anna)[0].number)
    stored(project, event("e", 3, user="bert", anonymous="c"))
    changes = project.changes(position, COLUMNS)
    assert {anna, bert} <= changes.dirty
    assert "b" in ids(project.events_of({bert}, COLUMNS, changes.position))
