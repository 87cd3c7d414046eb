"""Backups taken while the project is written to, restored and compared; what is damaged, in the way or erased."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from polku.backups import manifests, note_erasures, restore, take, verify
from polku.backups.taking import erasures_wait
from polku.backups.vault import names
from polku.errors import RecordError, UsageError
from polku.record.place import Place
from polku.record.project import Project, create_project, open_project
from polku.trails import open_trails
from record import deeds
from record.events import event, stored
from trails.told import told

WHERE = ["sqlite", "postgresql-s3"]


def asked(where: str, request: pytest.FixtureRequest) -> dict[str, str | None]:
    """Where a project has its record; a new place each time."""
    if where == "sqlite":
        return {"state": None, "history": None}
    empty = request.getfixturevalue("postgres").database(empty=True)
    return {"state": empty, "history": request.getfixturevalue("store").bucket() + "/history"}


@pytest.fixture(params=WHERE)
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Project:
    with create_project(tmp_path / "shop", "en", **asked(request.param, request)) as made:
        made.map_file.write_text(deeds.MAP, encoding="utf-8")
        (made.folder / "content").mkdir()
        (made.folder / "content" / "letter.md").write_text("Dear customer\n", encoding="utf-8")
        stored(
            made, event("h1", 0, user="anna", anonymous="c1", traits={"size": "M"}), event("h2", 90_000, user="bert")
        )
        made.inbox.append([event("w1", 5, user="anna", anonymous="c3")])
        made.changes(None, ["seq"])
        yield made


def picture(project: Project) -> dict[str, object]:
    """What people can see of a project, its measures' ground included."""
    rows = project.changes(None, ["event_id", "time", "seq", "user_id"]).rows.read_all()
    return {
        "events": sorted(rows.to_pylist(), key=lambda row: row["event_id"]),
        "ids": project.sql("select customer, kind, id from identities order by all").to_pylist(),
        "profiles": project.identities.profiles().to_pylist(),
        "trails": told(open_trails(project)),
        "map": project.map_file.read_text(encoding="utf-8"),
    }


@pytest.mark.parametrize(("shop", "to"), [WHERE, WHERE[::-1], (WHERE[0], WHERE[0])], indirect=["shop"])
def test_what_is_restored_is_what_was_backed_up(shop, to, tmp_path, request):
    before = picture(shop)
    made = take(shop, tmp_path / "backups")
    assert (made.events, made.waiting) == (2, 1)
    done = restore(tmp_path / "backups", tmp_path / "again", **asked(to, request))
    assert (done.manifest, done.erased) == (made, 0)
    with open_project(tmp_path / "again") as again:
        assert picture(again) == before
        assert (again.folder / "content" / "letter.md").read_text(encoding="utf-8") == "Dear customer\n"
        assert again.state.sqlite == (to == "sqlite")
        # and it goes on: numbers, joins and moves
        again.inbox.append([event("n1", 7, user="carl", anonymous="c9")])
        assert again.mover.move().events == 2
        with again.state.read() as connection:
            assert again.state.meta(connection, "restored_from") == made.name
        assert len(set(again.history.read(["seq"]).read_all()["seq"].to_pylist())) == 4
    assert picture(shop) == before, "the original is as it was"


def test_a_backup_under_writes_is_a_moment_of_the_project(tmp_path, request):
    """What was acknowledged before the backup is in it, each once, whatever moves, imports and merges meanwhile."""
    with create_project(tmp_path / "shop", "en") as project:
        project.map_file.write_text(deeds.MAP, encoding="utf-8")
        acknowledged: list[str] = []
        stop = threading.Event()

        def write() -> None:
            n = 0
            while not stop.is_set():
                project.inbox.append([event(f"w{n}", n, user=f"u{n % 7}", anonymous=f"c{n % 11}")])
                acknowledged.append(f"w{n}")
                if n % 20 == 7:
                    project.mover.move()
                if n % 50 == 9:
                    stored(project, event(f"i{n}", n, user=f"u{n % 5}"))
                    project.history.compact(2)
                    project.history.vacuum(0)
                n += 1

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for number in range(3):
                before = list(acknowledged)
                take(project, tmp_path / "backups")
                after_count = len(acknowledged) + 1
                restore(tmp_path / "backups", tmp_path / f"again{number}")
                with open_project(tmp_path / f"again{number}") as again:
                    rows = again.sql("select event_id, customer from events").to_pylist()
                    found = [row["event_id"] for row in rows]
                    assert len(found) == len(set(found)), "an event stands twice"
                    assert set(before) <= set(found)
                    assert {e for e in found if e[0] == "w"} <= {f"w{n}" for n in range(after_count)}
                    assert all(row["customer"] is not None for row in rows)
                    again.mover.move()
                    assert sorted(again.history.read(["event_id"]).read_all()["event_id"].to_pylist()) == sorted(found)
        finally:
            stop.set()
            writer.join()


@pytest.mark.parametrize("shop", WHERE[:1], indirect=True)
def test_a_second_backup_copies_what_is_new(shop, tmp_path):
    first = take(shop, tmp_path / "b")
    stored(shop, event("h3", 180_000, user="carl"))
    second = take(shop, tmp_path / "b")
    assert {p.name for p in first.data} < {p.name for p in second.data}
    assert manifests(Place(tmp_path / "b")) == (first, second)
    files = {p.relative_to(tmp_path / "b").as_posix() for p in (tmp_path / "b" / "data").rglob("*.parquet")}
    assert files == {p.name for p in second.data}
    shop.history.compact(1)
    third = take(shop, tmp_path / "b", keep=1)
    assert manifests(Place(tmp_path / "b")) == (third,)
    files = {p.relative_to(tmp_path / "b").as_posix() for p in (tmp_path / "b" / "data").rglob("*.parquet")}
    assert files == {p.name for p in third.data}
    restore(tmp_path / "b", tmp_path / "again")
    with open_project(tmp_path / "again") as again:
        assert again.history.rows() == 3


@pytest.mark.parametrize("shop", WHERE[:1], indirect=True)
def test_a_backup_in_a_bucket(shop, store, tmp_path):
    place = store.bucket() + "/backups"
    made = take(shop, place)
    assert verify(place) == (made, [])
    restore(place, tmp_path / "again")
    with open_project(tmp_path / "again") as again:
        assert picture(again) == picture(shop)


@pytest.mark.parametrize("shop", WHERE[:1], indirect=True)
def test_damage_is_found_and_nothing_is_made_of_it(shop, tmp_path):
    made = take(shop, tmp_path / "b")
    for part in (made.data[0], next(p for p in made.files if p.name.endswith("identities.parquet"))):
        file = tmp_path / "b" / part.name
        whole = file.read_bytes()
        file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        assert verify(tmp_path / "b") == (made, [part.name])
        with pytest.raises(RecordError, match="damaged"):
            restore(tmp_path / "b", tmp_path / "again")
        file.unlink()
        assert verify(tmp_path / "b")[1] == [part.name]
        file.write_bytes(whole)
    assert sorted(p.name for p in tmp_path.iterdir() if "again" in p.name) == []
    restore(tmp_path / "b", tmp_path / "again")


def test_nothing_is_written_over(shop, tmp_path, request):
    take(shop, tmp_path / "b")
    with pytest.raises(UsageError, match="not empty"):
        restore(tmp_path / "b", shop.folder)
    if not shop.state.sqlite:
        empty = request.getfixturevalue("store").bucket() + "/history"
        with pytest.raises(UsageError, match="state at"):
            restore(tmp_path / "b", tmp_path / "again", state=shop.where.state, history=empty)
        assert names(Place(empty), "") == [], "nothing was begun"
        with pytest.raises(UsageError, match="state at"):
            restore(tmp_path / "b", tmp_path / "again", state=shop.where.state)
        with pytest.raises(UsageError, match="history at"):
            restore(tmp_path / "b", tmp_path / "again", history=shop.where.history)
    with pytest.raises(RecordError, match="no backup at"):
        restore(tmp_path / "nowhere", tmp_path / "again")
    with pytest.raises(RecordError, match="no backup 2020"):
        restore(tmp_path / "b", tmp_path / "again", "2020")
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize("shop", WHERE[:1], indirect=True)
def test_a_place_that_does_not_fit_is_refused(shop, tmp_path):
    with pytest.raises(UsageError, match="inside the project"):
        take(shop, shop.data / "backups")
    take(shop, tmp_path / "b")
    with create_project(tmp_path / "other", "en") as other, pytest.raises(UsageError, match="another project"):
        take(other, tmp_path / "b")


@pytest.mark.parametrize("shop", WHERE[:1], indirect=True)
def test_the_erased_stay_erased(shop, tmp_path):
    from polku.record.erasure import forget

    take(shop, tmp_path / "b")
    assert not erasures_wait(shop)
    forget(shop, "anna", "mikko")
    assert erasures_wait(shop), "the job has something to tell"
    note_erasures(shop)
    assert not erasures_wait(shop)
    done = restore(tmp_path / "b", tmp_path / "again")
    assert done.erased == 1
    assert [p for p in (tmp_path / "again").rglob("*") if p.is_file() and b"anna" in p.read_bytes()] == []
    with open_project(tmp_path / "again") as again:
        assert again.sql("select event_id from events").to_pylist() == [{"event_id": "h2"}]
        assert again.identities.find("anna") == ()
        again.inbox.append([event("back", 9, user="anna")])
        again.mover.move()
        assert again.history.rows() == 1, "nor does a later event bring them back"


@pytest.mark.parametrize("shop", WHERE[1:], indirect=True)
def test_settings_of_the_original_do_not_lead_the_copy_to_its_record(shop, tmp_path):
    toml = f'[record]\nstate = "{shop.where.state}"\nhistory = "{shop.where.history}"\nbusy = 50\n'
    (shop.folder / "polku.toml").write_text(toml, encoding="utf-8")
    take(shop, tmp_path / "b")
    restore(tmp_path / "b", tmp_path / "again")
    with open_project(tmp_path / "again") as again:
        assert again.state.sqlite
        assert again.history.place.folder == again.data / "history"
        assert again.settings.record.busy == 50


def test_the_commands(tmp_path, capsys):
    from polku.cli.app import main

    with create_project(tmp_path / "shop", "en") as project:
        project.map_file.write_text(deeds.MAP, encoding="utf-8")
        stored(project, event("h1", 0, user="anna"))

    def polku(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        said = capsys.readouterr()
        return ended.value.code, said.out, said.err

    made = json.loads(polku("backup", tmp_path / "shop", "--to", tmp_path / "b", "--json")[1])
    assert (made["events"], made["waiting"]) == (1, 0)
    assert json.loads(polku("backup", tmp_path / "shop", "--to", tmp_path / "b", "--list", "--json")[1]) == [made]
    assert json.loads(polku("backup", tmp_path / "shop", "--to", tmp_path / "b", "--verify", "--json")[1]) == made
    restored = json.loads(polku("restore", tmp_path / "b", tmp_path / "again", "--json")[1])
    assert (restored["name"], restored["erased_again"]) == (made["name"], 0)
    code, _, said = polku("--language", "fi", "restore", tmp_path / "b", tmp_path / "again")
    assert code == 2
    assert "ei ole tyhjä" in said
    (tmp_path / "b" / made["name"] / "folder" / "journey.yaml").write_text("polku: 2\n", encoding="utf-8")
    code, _, said = polku("--language", "en", "backup", tmp_path / "shop", "--to", tmp_path / "b", "--verify")
    assert code == 1
    assert "journey.yaml" in said
