"""The state: formats, migrations, backups, leases, counters."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from polku.errors import NewerProject, ProjectBusy, RecordError
from polku.record import tables
from polku.record.lease import hold, holder_of
from polku.record.project import create_project, open_project
from polku.record.state import FORMAT, MIGRATIONS, State

from .events import event, stored

OLD = Path(__file__).parent / "old"


def state(folder: Path, busy: float = 5) -> State:
    made = State(f"sqlite:///{(folder / 'state.db').as_posix()}", busy)
    made.migrate(folder / "backups")
    return made


def test_migrations_make_exactly_the_tables_of_the_code(tmp_path):
    made = state(tmp_path)
    migrated = State(f"sqlite:///{(tmp_path / 'migrated.db').as_posix()}")
    migrated.migrate_to(FORMAT)
    told = []
    for each in (made, migrated):
        with each.read() as connection:
            assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []
            query = (
                "select name, tbl_name, type from sqlite_master union select version_num, '', '' from alembic_version"
            )
            told.append(set(connection.exec_driver_sql(query)))
    assert told[0] == told[1]
    migrated.close()
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_current_head() == FORMAT
    made.close()


def test_sqlite_keeps_what_it_acknowledged(tmp_path):
    made = state(tmp_path)
    with made.read() as connection:
        assert connection.exec_driver_sql("pragma journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("pragma synchronous").scalar() == 2
    made.close()


@pytest.mark.parametrize("fixture", sorted(p.name for p in OLD.glob("state-*.sql")))
def test_an_older_project_is_migrated_after_a_backup(tmp_path, fixture):
    data = tmp_path / "shop" / ".polku"
    data.mkdir(parents=True)
    with sqlite3.connect(data / "state.db") as database:
        database.executescript((OLD / fixture).read_text(encoding="utf-8"))
    database.close()
    with open_project(tmp_path / "shop", "en") as project:
        assert project.state.format() == FORMAT
        assert project.backup is not None
        assert project.identities.customer_of("user", "anna") == 1
        assert {i.value for i in project.identities.ids_of(1)} == {"anna", "cookie-1"}
        assert project.inbox.waiting() == 1
        assert project.inbox.tail(0, ["event_id"])["event_id"].to_pylist() == ["w1"]
        stored(project, event("x", 1, user="anna", traits={"size": "M"}))
        assert project.identities.profiles().to_pylist() == [{"customer": 1, "traits": '{"size": "M"}'}]
        with sqlite3.connect(project.backup) as kept:
            assert kept.execute("select version_num from alembic_version").fetchone() == (fixture[6:10],)
            assert kept.execute("select count(*) from identities").fetchone() == (2,)
        kept.close()
    with open_project(tmp_path / "shop") as again:
        assert again.backup is None


def test_a_newer_project_is_refused_and_left_alone(tmp_path):
    create_project(tmp_path / "shop").close()
    made = State(f"sqlite:///{(tmp_path / 'shop/.polku/state.db').as_posix()}")
    with made.write() as connection:
        connection.execute(sa.text("update alembic_version set version_num = '9999'"))
    made.close()
    with pytest.raises(NewerProject, match="newer Polku") as caught:
        open_project(tmp_path / "shop")
    assert caught.value.facts["found"] == "9999"
    assert not (tmp_path / "shop/.polku/backups").exists()
    assert "uudemmalla" in caught.value.text("fi")


def test_down_and_up_again_keeps_the_rest(tmp_path):
    made = state(tmp_path)
    with made.write() as connection:
        made.set_meta(connection, "word", "kept")
    made.migrate_to("0001")
    assert made.format() == "0001"
    assert made.migrate(tmp_path / "backups") is not None
    with made.read() as connection:
        assert made.meta(connection, "word") == "kept"
        assert made.meta(connection, "nothing") is None
    made.close()


def test_a_transaction_that_raises_did_not_happen(tmp_path):
    made = state(tmp_path)

    def fail() -> None:
        with made.write() as connection:
            made.reserve(connection, "seq", 5)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with made.write() as connection:
        assert made.reserve(connection, "seq", 2) == 1
        assert made.reserve(connection, "seq", 2) == 3
    made.close()


def test_numbers_reserved_by_threads_never_meet(tmp_path):
    made = state(tmp_path)
    got: list[int] = []

    def take() -> None:
        for _ in range(25):
            with made.write() as connection:
                got.append(made.reserve(connection, "seq", 3))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == list(range(1, 301, 3))
    made.close()


def test_a_reader_sees_one_moment(tmp_path):
    made = state(tmp_path)
    with made.read() as reading:
        assert made.counter(reading, "seq") == 0
        with made.write() as writing:
            made.reserve(writing, "seq", 7)
        assert made.counter(reading, "seq") == 0
    with made.read() as reading:
        assert made.counter(reading, "seq") == 7
    made.close()


def test_a_writer_that_never_lets_go_is_told(tmp_path):
    made = state(tmp_path, busy=0.1)
    with made.write(), pytest.raises(RecordError, match="holds the state"), made.write():
        pass
    made.close()


# -- leases -------------------------------------------------------------------------------------------------------


def test_one_holder_at_a_time_and_the_other_is_told_who(tmp_path):
    made = state(tmp_path)
    with hold(made, tmp_path, "history", "import events.csv") as lease:
        assert holder_of(made, "history")["doing"] == "import events.csv"
        lease.check()
        with pytest.raises(ProjectBusy, match=r"import events\.csv"), hold(made, tmp_path, "history", "move", 0.05):
            pass
    assert holder_of(made, "history") is None
    with hold(made, tmp_path, "history", "move", 0.05) as second:
        assert second.token == lease.token + 1
    made.close()


def test_a_lost_lease_is_noticed_before_anything_is_written(tmp_path):
    made = state(tmp_path)
    with hold(made, tmp_path, "history", "import") as lease:
        with made.write() as connection:
            connection.execute(sa.update(tables.leases).values(token=99, holder="another"))
        with pytest.raises(RecordError, match="lost"):
            lease.check()
    made.close()


def test_another_machine_is_waited_for_until_its_lease_runs_out(tmp_path):
    made = state(tmp_path)
    row = {"name": "history", "holder": "far:1:1", "host": "far", "token": 4, "doing": "move", "taken_at": 0}
    with made.write() as connection:
        connection.execute(sa.insert(tables.leases).values(**row, expires_at=2**62))
    with pytest.raises(ProjectBusy, match="far"), hold(made, tmp_path, "history", "import", 0.05):
        pass
    with made.write() as connection:
        connection.execute(sa.update(tables.leases).values(expires_at=1))
    with hold(made, tmp_path, "history", "import", 0.05) as lease:
        assert lease.token == 5
    made.close()


def die_holding(folder: str) -> None:
    made = State(f"sqlite:///{Path(folder).as_posix()}/state.db")
    with hold(made, Path(folder), "history", "dying"):
        os._exit(3)


def test_a_dead_holder_is_taken_over_from_at_once(tmp_path):
    made = state(tmp_path)
    child = multiprocessing.get_context("spawn").Process(target=die_holding, args=(str(tmp_path),))
    child.start()
    child.join()
    assert child.exitcode == 3
    assert holder_of(made, "history")["doing"] == "dying"
    with hold(made, tmp_path, "history", "import", 0) as lease:
        assert lease.token == 2
    made.close()
