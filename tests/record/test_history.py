"""History: what goes in comes out, at once or not at all; read by Polku, Delta, DuckDB; compacted, vacuumed, erased."""

from __future__ import annotations

import datetime as dt
import json
import threading

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

from polku.errors import RecordError
from polku.events.schema import ARRIVING, HISTORY
from polku.record import writer as writing
from polku.record.history import History
from polku.record.project import Project, open_project
from polku.record.state import State

from .events import START, at, event, stored, table

DAY = 86_400


def everything(history: History) -> pa.Table:
    return history.read().read_all().sort_by("seq")


def test_what_is_written_is_read_back(project):
    done = stored(
        project, event("a", 0, user="u"), event("b", 3 * DAY, anonymous="x"), event("c", 5), event("d", -400 * DAY)
    )
    assert (done.first_seq, done.rows, done.files, done.dropped) == (1, 4, 3, 0)
    rows = everything(project.history)
    assert rows.schema.names == HISTORY.names
    assert rows["event_id"].to_pylist() == ["a", "b", "c", "d"]
    assert rows["seq"].to_pylist() == [1, 2, 3, 4]
    assert rows["time"].to_pylist() == [at(0), at(3 * DAY), at(5), at(-400 * DAY)]
    assert rows["day"].to_pylist() == [t.date() for t in rows["time"].to_pylist()]
    assert rows["session_id"].null_count == 4
    assert project.history.rows() == 4


def test_before_the_commit_nothing_is_seen_and_without_it_nothing_stays(project):
    before = project.history.version
    with project.history.writer("import", "x") as writer:
        writer.add(table(event("a", 0)))
        assert project.history.rows() == 0
        assert project.history.version == before
    assert project.history.version == before
    assert list(project.history.staging.iterdir()) == []
    with pytest.raises(RecordError, match="closed"):
        writer.add(table(event("a", 0)))


def test_an_empty_commit_makes_no_version(project):
    before = project.history.version
    with project.history.writer("import", "x") as writer:
        writer.add(ARRIVING.empty_table())
        assert writer.commit().version is None
    assert project.history.version == before


def delta_table(project: Project) -> DeltaTable:
    place = project.history.place
    return DeltaTable(place.uri, storage_options=place.options)


def test_delta_and_duckdb_read_it_without_polku(project):
    stored(project, event("a", 0.123456, user="u"), event("b", DAY, user="v"))
    delta = pa.table(delta_table(project).scan(predicate="user_id = 'v'").read_all())
    assert delta["event_id"].to_pylist() == ["b"]
    # The statistics that Polku writes itself must not hide rows from a reader that prunes by them, to the microsecond.
    when = at(0.123456).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    pruned = pa.table(delta_table(project).scan(predicate=f"time = '{when}'").read_all())
    assert pruned["event_id"].to_pylist() == ["a"]
    if not project.history.place.folder:
        return  # DuckDB's extension for S3 is not part of what is installed
    with duckdb.connect() as connection:
        pattern = f"{project.history.place.root}/day=*/*.parquet"
        found = connection.execute(f"select event_id, day from read_parquet('{pattern}') order by seq").fetchall()
    assert found == [("a", START.date()), ("b", START.date() + dt.timedelta(days=1))]


def test_the_commit_tells_what_it_was(project):
    with project.history.writer("import", "file.csv", identity="i1") as writer:
        writer.add(table(event("a", 0), event("b", 1)))
        done = writer.commit({"refused": 3})
    commit = project.history.commits_since(done.version - 1)[0]
    assert commit.kind == "import"
    assert commit.facts == {
        "kind": "import", "id": "i1", "source": "file.csv", "rows": 2, "first_seq": 1, "refused": 3,
    }  # fmt: skip
    assert [f.rows for f in commit.added] == [2]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (pa.table({"event_id": ["a"]}), "lack the column time"),
        (table(event("a", 0)).set_column(0, "event_id", pa.array([None], pa.string())), "1 rows without event_id"),
        (table(event("a", 0)).set_column(1, "time", pa.array([[1]])), "history wants timestamp"),
    ],
)
def test_rows_that_do_not_fit_are_told(project, rows, said):
    with project.history.writer("import", "x") as writer, pytest.raises(RecordError, match=said):
        writer.add(rows)


def test_dictionaries_nulls_and_plain_columns_meet(project):
    def rows(source: pa.Array, user: pa.Array) -> pa.Table:
        base = table(event("a", 0), event("b", DAY)).drop_columns(["source", "user_id"])
        return base.append_column("source", source).append_column("user_id", user)

    wide = pa.array([f"u{i}" for i in range(writing.DICTIONARY + 5)]).dictionary_encode().slice(3, 2)
    with project.history.writer("import", "x") as writer:
        writer.add(rows(pa.array(["s", None]).dictionary_encode(), wide))
        writer.add(rows(pa.array(["t", "s"]), pa.nulls(2)))
        writer.add(rows(pa.nulls(2), pa.array(["p", "q"], pa.large_string())))
        writer.commit()
    found = everything(project.history)
    assert found["source"].to_pylist() == ["s", None, "t", "s", None, None]
    assert found["user_id"].to_pylist() == ["u3", "u4", None, None, "p", "q"]


@pytest.mark.parametrize("memory", [1024, 0])
def test_many_chunks_in_memory_and_spilled(project, monkeypatch, memory):
    monkeypatch.setattr(writing, "CHUNK", 1000)
    monkeypatch.setattr(writing, "LARGEST_FILE", 1500)
    object.__setattr__(project.history.settings, "memory", memory)
    random = np.random.default_rng(7)
    count = 20_000
    days = random.integers(0, 5, count)
    with project.history.writer("import", "x") as writer:
        for start in range(0, count, 3333):
            part = days[start : start + 3333]
            writer.add(
                pa.table(
                    {
                        "event_id": pa.array([f"e{start + i}" for i in range(len(part))]),
                        "time": pa.array([at(int(d) * DAY) for d in part], ARRIVING.field("time").type),
                        "received_at": pa.array([START] * len(part), ARRIVING.field("time").type),
                        "event": pa.array(["page"] * len(part)).dictionary_encode(),
                    }
                )
            )
        done = writer.commit()
    assert done.rows == count
    assert done.files > 5, "a day over the limit is several files"
    found = everything(project.history)
    assert found["event_id"].to_pylist() == [f"e{i}" for i in range(count)]
    assert found["seq"].to_pylist() == list(range(1, count + 1))
    assert [(t - START).days for t in found["time"].to_pylist()] == days.tolist()


def test_columns_days_and_conditions(project):
    stored(project, *(event(f"e{d}", d * DAY) for d in range(4)))
    days = [START.date() + dt.timedelta(days=d) for d in (1, 2)]
    assert project.history.read(["event_id", "day"], days).read_all().to_pylist() == [
        {"event_id": "e1", "day": days[0]},
        {"event_id": "e2", "day": days[1]},
    ]
    assert project.history.read(["seq"], where=pc.field("event_id") == "e3").read_all()["seq"].to_pylist() == [4]
    assert project.history.read(["seq"], []).read_all().num_rows == 0
    with pytest.raises(RecordError, match="has no column evnt"):
        project.history.read(["evnt"])


def test_what_was_added_since(project):
    first = stored(project, event("a", 0)).version
    second = stored(project, event("b", 0), event("c", DAY)).version
    assert project.history.added_since(second) == ()
    assert sum(f.rows for f in project.history.added_since(first)) == 2
    assert sum(f.rows for f in project.history.added_since(0)) == 3
    project.history.compact()
    assert sum(f.rows for f in project.history.added_since(first)) == 2, "a compaction adds nothing"
    assert project.history.added_since(99) is None
    place = project.history.place
    place.fs.delete_file(place.at(f"_delta_log/{second:020d}.json"))
    assert project.history.added_since(first) is None


def test_compaction_keeps_every_event_and_vacuum_removes_the_old_files(project):
    for i in range(4):
        stored(project, event(f"a{i}", i), event(f"b{i}", DAY + i))
    before = everything(project.history)
    assert len(project.history.files()) == 8
    assert project.history.compact(3) == {"days": 2, "files_before": 8, "files_after": 2}
    assert everything(project.history).equals(before)
    assert project.history.compact() == {"days": 0, "files_before": 2, "files_after": 2}
    assert project.history.vacuum() == [], "files are kept for readers for a day"
    assert len(project.history.vacuum(0)) == 8
    assert everything(project.history).equals(before)


def test_erasing_a_customers_events(project):
    stored(project, event("a", 0, user="o'hara"), event("b", 1, anonymous="o'hara"), event("c", DAY, user="anna"))
    assert project.history.delete_events_of({"user_id": ["o'hara"], "account_id": []}) == 1
    assert everything(project.history)["event_id"].to_pylist() == ["b", "c"]
    assert project.history.delete_events_of({}) == 0
    with pytest.raises(RecordError, match="event_id"):
        project.history.delete_events_of({"event_id": ["a"]})


# -- duplicates ---------------------------------------------------------------------------------------------------


def ask(history: History, *asked: tuple[str, float, bool]) -> list[bool]:
    ids = pa.array([a[0] for a in asked])
    times = pa.array([at(a[1]) for a in asked], pa.timestamp("us", tz="UTC"))
    return history.duplicates(ids, times, np.array([a[2] for a in asked])).tolist()


def test_own_ids_are_looked_for_everywhere_and_made_ids_on_their_day(project):
    assert ask(project.history, ("a", 0, True)) == [False]
    stored(project, event("a", 0), event("b", DAY))
    assert ask(project.history, ("a", 9 * DAY, True), ("a", 9 * DAY, False), ("a", 60, False), ("z", 0, True)) == [
        True, False, True, False,
    ]  # fmt: skip
    stored(project, event("c", 2))
    assert ask(project.history, ("c", 2, False), ("c", 3, True), ("b", DAY, False)) == [True, True, True]
    project.history.compact()
    assert ask(project.history, ("c", 2, False), ("a", 3, True), ("a", 3, True), ("x", 2, False)) == [
        True, True, True, False,
    ]  # fmt: skip
    nothing = pa.array([], pa.string()), pa.array([], pa.timestamp("us", "UTC")), np.array([], np.bool_)
    assert project.history.duplicates(*nothing).tolist() == []


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3), st.booleans()), max_size=40))
def test_duplicates_as_a_set_would_say(history_with_numbers, asked):
    there, history = history_with_numbers
    expected = [(n in {m for m, _ in there}) if own else (n, d) in there for n, d, own in asked]
    assert ask(history, *((f"n{n}", d * DAY, own) for n, d, own in asked)) == expected


@pytest.fixture(scope="module")
def history_with_numbers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("numbers")
    state = State(f"sqlite:///{folder.as_posix()}/state.db")
    state.migrate(folder)
    history = History(folder / "history", state, folder)
    history.create()
    there = {(n, n % 4) for n in range(0, 40, 3)}
    with history.writer("import", "x") as writer:
        writer.add(table(*(event(f"n{n}", d * DAY) for n, d in sorted(there))))
        writer.commit()
    yield there, history
    state.close()


def test_ids_are_read_from_a_file_once_whoever_asks(project, monkeypatch):
    stored(project, event("a", 0), event("b", DAY))
    assert ask(project.history, ("c", 0, True)) == [False]
    copies = sorted((project.data / "cache" / "events").iterdir())
    assert len(copies) == 2
    with monkeypatch.context() as patch, open_project(project.folder) as other:
        patch.setattr(other.history, "read", None)
        assert ask(other.history, ("c", 0, True), ("a", 0, False)) == [False, True]
        assert other.history.holds(other.history.snapshot(), pa.array(["b", "c"])).tolist() == [True, False]
    for copy, left in zip(copies, (b"", copies[1].read_bytes()[:-8]), strict=True):
        copy.write_bytes(left)  # a power cut, or another program
    with open_project(project.folder) as other:
        assert ask(other.history, ("a", 0, True), ("b", 0, True), ("c", 0, True)) == [True, True, False]


@pytest.mark.parametrize("searches", [0, 10**9], ids=["together", "file by file"])
def test_ids_of_files_that_are_gone_are_forgotten(project, monkeypatch, searches):
    monkeypatch.setattr("polku.record.known.SEARCHES", searches)
    monkeypatch.setattr("polku.record.known.OLD", -1.0)
    stored(project, event("a", 0, user="anna"), event("b", 1, user="bert"), event("c", DAY, user="bert"))
    history = project.history

    def there() -> tuple[list[bool], list[bool]]:
        names = ["a", "b", "c", "d"]
        return history.holds(history.snapshot(), pa.array(names)).tolist(), ask(history, *((n, 0, True) for n in names))

    assert there() == ([True, True, True, False],) * 2
    history.delete_events_of({"user_id": ["anna"]})
    assert there() == ([False, True, True, False],) * 2
    stored(project, event("d", 2))
    history.compact()
    assert there() == ([False, True, True, True],) * 2
    assert len(list((project.data / "cache" / "events").iterdir())) == 2


def test_two_imports_of_the_same_events_at_the_same_time(project):
    """Both looked for duplicates before either committed: the later one drops what the earlier one brought."""
    with project.history.writer("import", "one") as one, project.history.writer("import", "two") as two:
        one.add(table(event("a", 0, user="u"), event("b", DAY, user="u")))
        two.add(table(event("a", 0, user="u"), event("c", DAY, user="u")))
        assert one.commit().rows == 2
        done = two.commit()
    assert (done.rows, done.dropped) == (1, 1)
    assert sorted(everything(project.history)["event_id"].to_pylist()) == ["a", "b", "c"]


def test_writers_at_once_take_turns(project):
    def write(n: int) -> None:
        stored(project, *(event(f"{n}-{i}", i * DAY / 2) for i in range(20)))

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = everything(project.history)
    assert found["seq"].to_pylist() == list(range(1, 81))
    assert len(set(found["event_id"].to_pylist())) == 80


def test_a_transaction_counts_once(project):
    def move(number: int) -> None:
        with project.history.writer("move", "inbox") as writer:
            row = table(event(f"m{number}", 0)).append_column("seq", pa.array([number]))
            writer.add(row)
            writer.commit({"first_seq": number, "last_seq": number}, transaction=("app", number))

    move(5)
    with pytest.raises(RecordError, match="already"):
        move(5)
    with pytest.raises(RecordError, match="already"):
        move(4)
    move(6)
    assert everything(project.history)["seq"].to_pylist() == [5, 6]


def test_another_tool_may_append(project):
    stored(project, event("a", 0))
    row = table(event("b", 1)).append_column("seq", pa.array([900])).append_column("day", pa.array([START.date()]))
    import deltalake

    place = project.history.place
    deltalake.write_deltalake(place.uri, row.select(HISTORY.names), mode="append", storage_options=place.options)
    assert everything(project.history)["event_id"].to_pylist() == ["a", "b"]
    assert project.history.commits_since(1)[0].kind == "foreign"


def test_a_history_that_is_gone_is_said(project):
    place = project.history.place
    place.fs.delete_dir_contents(place.root)
    with pytest.raises(RecordError, match="no history at"):
        History(place.uri, project.state, project.data).snapshot()


def test_staging_of_the_dead_is_cleaned_and_of_the_living_kept(project):
    dead = project.history.staging / "import-dead"
    dead.mkdir(parents=True)
    (dead / "alive").write_bytes(b"")
    with project.history.writer("import", "x") as writer:
        writer.add(table(event("a", 0)))
        with open_project(project.folder):
            assert writer.folder.exists()
            assert not dead.exists()
        assert writer.commit().rows == 1


def test_history_by_url(tmp_path):
    state = State(f"sqlite:///{tmp_path.as_posix()}/state.db")
    state.migrate(tmp_path)
    history = History((tmp_path / "elsewhere").as_uri(), state, tmp_path)
    history.create()
    with history.writer("import", "x") as writer:
        writer.add(table(event("a", 0)))
        writer.commit()
    assert everything(history)["event_id"].to_pylist() == ["a"]
    assert json.loads((tmp_path / "elsewhere/_delta_log/00000000000000000001.json").read_text().splitlines()[0])
    state.close()
