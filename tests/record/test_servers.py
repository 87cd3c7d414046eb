"""What holds when servers share a state on PostgreSQL: order of arrival, where the record is, one map for all."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from backends import postgres as postgresql
from polku.errors import NotAProject, ProjectError, RecordError
from polku.guidance.turning import turn
from polku.record import postgres as postgresql_of_state
from polku.record import tables, whereabouts
from polku.record.project import create_project, open_project
from polku.record.settings import Record
from polku.record.state import State

from .events import event
from .working import working

MAP = "polku: 1\ntitle: A shop\nstages:\n  - id: all\n    touchpoints:\n      - {id: guide, match: {event: page}}\n"
RULES = "guidance:\n  - {id: ask, when: {reached: handbook}, send: {channel: task, task: Ask}, state: on}\n"


def test_a_number_is_seen_only_with_all_below_it(postgres):
    """Two writers take numbers at the same time; the one that took the lower one commits last, if it may."""
    url = postgres.database()
    first, second, reader = State(url), State(url), State(url)
    taken, commit, done = threading.Event(), threading.Event(), threading.Event()

    def write(state: State, seq_first: bool) -> None:
        with state.write("inbox" if seq_first else "another lane") as connection:
            number = state.reserve(connection, "seq", 1)
            values = {"last_seq": number, "first_seq": number, "rows": 1, "received_at": 0, "payload": b""}
            connection.execute(sa.insert(tables.inbox).values(**values))
            if seq_first:
                taken.set()
                assert commit.wait(30)
        if not seq_first:
            done.set()

    threads = [threading.Thread(target=write, args=(first, True)), threading.Thread(target=write, args=(second, False))]
    threads[0].start()
    assert taken.wait(30)
    threads[1].start()
    assert not done.wait(0.3), "the second committed while a lower number was open"
    with reader.read() as connection:
        assert connection.execute(sa.select(tables.inbox.c.last_seq)).all() == []
    commit.set()
    for thread in threads:
        thread.join(30)
    with reader.read() as connection:
        assert connection.execute(sa.select(tables.inbox.c.last_seq).order_by(tables.inbox.c.last_seq)).all() == [
            (1,), (2,),
        ]  # fmt: skip
    for state in (first, second, reader):
        state.close()


def test_followers_miss_nothing_while_servers_write(postgres, tmp_path):
    state, history = postgres.database(), str(tmp_path / "history")
    projects = [create_project(tmp_path / name, "en", state=state, history=history) for name in "abc"]
    reader, writers = projects[0], projects[1:]

    def write(number: int) -> None:
        for n in range(25):
            writers[number].inbox.append([event(f"{number}-{n}", n, user=f"u{n % 5}", anonymous=f"c{number}")])

    threads = [threading.Thread(target=write, args=(n,)) for n in range(len(writers))]
    for thread in threads:
        thread.start()
    position, seen = None, []
    while any(thread.is_alive() for thread in threads) or len(seen) < 50:
        changes = reader.changes(position, ["event_id", "seq"])
        seen += changes.rows.read_all()["event_id"].to_pylist()
        position = changes.position
        assert len(seen) <= 50
    for thread in threads:
        thread.join()
    assert sorted(seen) == sorted(f"{number}-{n}" for number in range(2) for n in range(25))
    for project in projects:
        project.close()


def test_a_long_write_elsewhere_does_not_hold_the_doors_up(postgres):
    state = State(postgres.database())
    with state.write() as importing:
        state.reserve(importing, "customer", 1000)
        with state.write("inbox") as arriving:
            assert state.reserve(arriving, "seq", 1) == 1
    state.close()


def test_a_writer_that_waits_too_long_is_told_who_holds_what(postgres):
    state = State(postgres.database(), busy=0.1)
    with state.write(), pytest.raises(RecordError, match="holds the state"), state.write():
        pass
    state.close()


def test_a_server_that_stops_in_the_middle_holds_nobody_up(postgres, monkeypatch):
    """A machine that sleeps, or is gone: its transaction at the doors ends; both ends ask whether the other lives."""
    monkeypatch.setattr(postgresql_of_state, "IDLE", {"inbox": 200})
    url = postgres.database()
    sleeping, other = State(url), State(url)

    def sleep() -> None:
        with sleeping.write("inbox") as held:
            sleeping.reserve(held, "seq", 1)
            with other.write("inbox") as connection:  # waits until the first one's time is over
                assert other.reserve(connection, "seq", 1) == 1, "what the first one took was never given"
            held.execute(sa.text("select 1"))

    with pytest.raises(sa.exc.DBAPIError):
        sleep()
    with other.read() as connection:
        address = connection.execute(sa.text("select inet_server_addr()")).scalar()
        asks = connection.execute(sa.text("show tcp_keepalives_idle")).scalar()
    if address is not None:  # by a socket of the machine itself the system tells at once
        assert int(asks) == postgresql_of_state.ASKS_AFTER
    sleeping.close()
    other.close()


def test_a_text_with_nul_is_kept_with_a_mark_in_its_place(postgres, tmp_path):
    with create_project(tmp_path / "shop", "en", state=postgres.database()) as project:
        project.inbox.append([event("e1", 1, user="an\0na", traits={"na\0me": "A\0"})])
        project.mover.move()
        assert project.identities.customer_of("user", "an\0na") == 1
        assert [i.value for i in project.identities.ids_of(1)] == ["an\ufffdna"]


def test_migrations_make_exactly_the_tables_of_the_code_and_go_back(postgres, tmp_path):
    made = State(postgres.database())
    with made.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []
    made.migrate_to("0001")
    assert made.format() == "0001"
    made.migrate(tmp_path)
    with made.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []
    made.close()


def test_the_database_server_dies_and_comes_back(tmp_path, caplog):
    """What was acknowledged is there after a crash of PostgreSQL; meanwhile writing is refused, and then goes on."""
    programs = postgresql.find()
    if programs is None:
        pytest.skip("there is no PostgreSQL here")
    with postgresql.serving(programs, settings=()) as server:
        project = create_project(tmp_path / "shop", "en", state=server.database(empty=True))
        runner = working(project, 1, 10_000, 100)
        for n in range(20):
            project.inbox.append([event(f"e{n}", n, user="u")])
        server.stop()  # at once, as at a crash
        with pytest.raises(sa.exc.OperationalError):
            project.inbox.append([event("lost", 1)])
        time.sleep(1.5)  # the jobs look for work meanwhile
        server.start(())
        for n in range(20, 30):
            project.inbox.append([event(f"e{n}", n, user="u")])
        runner.stop()
        project.mover.move()
        found = project.history.read(["event_id"]).read_all()["event_id"].to_pylist()
        assert sorted(found) == sorted(f"e{n}" for n in range(30))
        project.close()


# -- where the record is -------------------------------------------------------------------------------------------


def test_a_command_without_options_finds_the_record_again(postgres, tmp_path):
    url = postgres.database()
    with_password = url.replace("postgres@", "postgres:secret-word@")
    create_project(tmp_path / "shop", "en", state=with_password, history=str(tmp_path / "h")).close()
    with open_project(tmp_path / "shop") as project:
        assert not project.state.sqlite
        assert project.history.place.root == (tmp_path / "h").as_posix()
    kept = [p for p in (tmp_path / "shop").rglob("*") if p.is_file() and b"secret-word" in p.read_bytes()]
    assert kept == []
    assert "secret-word" not in repr(project.state.where)


ASKED = [
    # option, environment, polku.toml -> what is taken
    (("postgresql://a/o", None), {"POLKU_STATE": "postgresql://a/e"}, "postgresql://a/t", ("postgresql://a/o", "")),
    ((None, "s3://o/x"), {"POLKU_STATE": "postgresql://a/e"}, "postgresql://a/t", ("postgresql://a/e", "s3://o/x")),
    ((None, None), {"POLKU_HISTORY": "s3://e/x"}, "postgresql://a/t", ("postgresql://a/t", "s3://e/x")),
    ((None, None), {}, "", ("", "")),
]


@pytest.mark.parametrize(("option", "environment", "toml", "taken"), ASKED)
def test_the_nearest_word_wins(tmp_path, option, environment, toml, taken):
    found = whereabouts.find(tmp_path, Record(state=toml), *option, environment=environment)
    assert (found.state, found.history) == taken


def test_a_secret_may_stand_in_a_file_and_not_in_the_settings(tmp_path):
    (tmp_path / "secret").write_text("postgresql://polku:word@db/polku\n", encoding="utf-8")
    environment = {"POLKU_STATE_FILE": str(tmp_path / "secret")}
    assert whereabouts.find(tmp_path, Record(), environment=environment).state.endswith("word@db/polku")
    with pytest.raises(ProjectError, match="nowhere"):
        whereabouts.find(tmp_path, Record(), environment={"POLKU_STATE_FILE": str(tmp_path / "nowhere")})
    with pytest.raises(ProjectError, match="holds the database's password") as caught:
        whereabouts.find(tmp_path, Record(state="postgresql://polku:word@db/polku"), environment={})
    assert "word@" not in str(caught.value)
    with pytest.raises(ProjectError, match="cannot be read") as caught:
        whereabouts.find(tmp_path, Record(), "not a url word", environment={})
    assert "not a url word" not in str(caught.value)


def test_servers_with_different_histories_are_refused(postgres, tmp_path):
    state = postgres.database()
    create_project(tmp_path / "a", "en", state=state, history=str(tmp_path / "h1")).close()
    with pytest.raises(ProjectError, match="share one history"):
        create_project(tmp_path / "b", "en", state=state, history=str(tmp_path / "h2"))


def test_an_empty_database_is_not_taken_for_a_project_that_has_a_state(postgres, tmp_path):
    create_project(tmp_path / "shop", "en").close()
    with pytest.raises(ProjectError, match="polku restore"):
        open_project(tmp_path / "shop", state=postgres.database(empty=True))
    open_project(tmp_path / "shop").close()


# -- one map for all -----------------------------------------------------------------------------------------------


def two(postgres, tmp_path: Path):
    state, history = postgres.database(), str(tmp_path / "h")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "journey.yaml").write_text(MAP, encoding="utf-8")
    return open_project(tmp_path / "a", state=state, history=history), open_project(
        tmp_path / "b", state=state, history=history
    )


def test_a_new_server_has_the_map_of_the_others_and_follows_it(postgres, tmp_path):
    a, b = two(postgres, tmp_path)
    assert b.journey().stages[0].touchpoints[0].id == "guide"
    assert not b.published.waits()
    a.map_file.write_text(MAP.replace("guide", "handbook"), encoding="utf-8")
    assert not b.published.waits(), "a file that is edited is not published yet"
    a.published.publish("mikko")
    assert b.published.waits()
    taken = b.published.take()
    assert taken is not None
    assert (taken.author, b.journey().stages[0].touchpoints[0].id) == ("mikko", "handbook")
    assert not b.published.waits()
    assert b.published.take() is None
    b.map_file.write_text(b.map_file.read_text("utf-8") + RULES, encoding="utf-8")
    b.map_saved("anna")
    a.published.take()
    turn(a, "ask", "off", "bert")  # what a page or a command writes, all servers have at once
    assert b.published.take() is not None
    assert b.journey().guidance[0].state == "off"
    a.close()
    b.close()


def test_an_edit_that_is_not_published_is_never_lost(postgres, tmp_path):
    a, b = two(postgres, tmp_path)
    b.map_file.write_text(MAP.replace("A shop", "Edited on b"), encoding="utf-8")
    a.map_file.write_text(MAP.replace("A shop", "Edited on a"), encoding="utf-8")
    a.published.publish("anna")
    with pytest.raises(ProjectError, match="edited and not published"):
        b.published.take()
    with pytest.raises(ProjectError, match="published by anna"):
        b.published.publish("bert")
    assert "Edited on b" in b.map_file.read_text(encoding="utf-8")
    b.published.publish("bert", force=True)
    assert a.published.take() is not None
    assert "Edited on b" in a.map_file.read_text(encoding="utf-8")
    a.close()
    b.close()


def test_a_folder_without_a_map_and_a_state_without_one_is_no_project(postgres, tmp_path):
    with pytest.raises(NotAProject):
        open_project(tmp_path / "c", state=postgres.database(empty=True))
    assert not (tmp_path / "c").exists()
