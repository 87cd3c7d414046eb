"""Keys of machines: shown once, kept as a hash, found in memory, followed across processes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from polku.access import keys as room
from polku.access.keys import PATTERN, Keys
from polku.cli import main
from polku.errors import AccessError
from polku.record import tables
from polku.record.clock import now
from polku.record.state import State


def test_a_key_opens_what_it_says_and_its_text_is_nowhere_kept(state: State) -> None:
    keys = Keys(state)
    assert not keys.has_write
    made = keys.create("web shop", ["write"], source="shop", site="7", by="anna")
    assert PATTERN.fullmatch(made.text)
    assert made.text.startswith("pk_w_")
    assert keys.find(made.text) == made.key == keys.of_site("7")
    assert (made.key.source, made.key.scopes) == ("shop", frozenset({"write"}))
    assert keys.has_write
    with state.read() as connection:
        rows = [*connection.execute(sa.select(tables.keys)), *connection.execute(sa.select(tables.audit))]
    assert made.text not in repr(rows)
    assert [e.action for e in keys.audit.entries()] == ["key.created"]


@pytest.mark.parametrize("text", ["", "pk_w_", "x" * 100_000, "pk_w_\udc80", "pk_w_' or 1=1 --", "\x00"])
def test_what_is_no_key_opens_nothing(state: State, text: str) -> None:
    keys = Keys(state)
    keys.create("web", ["write"])
    assert keys.find(text) is None
    assert keys.of_site(text) is None


@pytest.mark.parametrize(
    ("name", "scopes", "more", "told"),
    [
        ("", ["write"], {}, "needs a name"),
        ("a\nb", ["write"], {}, "needs a name"),
        ("x" * 201, ["write"], {}, "needs a name"),
        ("web", [], {}, "choose one or both"),
        ("web", ["write", "admin"], {}, "not admin"),
        ("web", ["write"], {"source": " "}, "source or site"),
        ("web", ["write"], {"site": "1\x00"}, "source or site"),
    ],
)
def test_what_does_not_fit_is_refused(
    state: State, name: str, scopes: list[str], more: dict[str, str], told: str
) -> None:
    with pytest.raises(AccessError, match=told):
        Keys(state).create(name, scopes, **more)


def test_revoked_is_revoked_for_every_process(state: State, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "FOLLOW", 0.0)
    other = State(url)
    here, there = Keys(state), Keys(other)
    made = here.create("web", ["read", "write"])
    assert made.text.startswith("pk_rw_")
    assert there.find(made.text) == made.key
    there.revoke(made.key.id)
    assert here.find(made.text) is None
    assert not here.has_write
    for again in (here.revoke, here.rotate):
        with pytest.raises(AccessError, match="revoked before"):
            again(made.key.id)
    with pytest.raises(AccessError, match="no key number 99"):
        here.revoke(99)
    assert here.list()[0].state() == "revoked"
    other.close()


def test_a_look_up_asks_the_state_once_a_second_at_most(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = Keys(state)
    made = keys.create("web", ["write"])
    asked: list[str] = []
    monkeypatch.setattr(room.time, "monotonic", lambda: keys._noted)
    keys.find(made.text)
    monkeypatch.setattr(state, "counter", lambda connection, name: asked.append(name))
    for _ in range(100):
        assert keys.find(made.text) == made.key
    assert asked == []


def test_a_rotated_key_works_until_its_grace_is_over(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = Keys(state)
    old = keys.create("web", ["write"], source="shop", site="1")
    new = keys.rotate(old.key.id, 60)
    assert (new.key.name, new.key.source, new.key.site) == ("web", "shop", "1")
    assert keys.of_site("1") == new.key
    assert keys.find(old.text) == old.key
    assert [e.state() for e in keys.list()] == ["active", "expiring"]
    with pytest.raises(AccessError, match=f"its successor {new.key.id}"):
        keys.rotate(old.key.id)
    later = now() + 61_000_000
    monkeypatch.setattr(room, "now", lambda: later)
    assert keys.find(old.text) is None
    assert keys.find(new.text) == new.key
    assert [e.state() for e in keys.list()] == ["active", "expired"]


def test_when_it_was_used_is_written(state: State) -> None:
    keys = Keys(state)
    made = keys.create("web", ["write"])
    assert keys.list()[0].used_at is None
    before = now()
    keys.find(made.text)
    used = keys.list()[0].used_at
    assert used is not None
    assert used >= before


def test_a_state_that_does_not_answer_leaves_known_keys_alone(
    state: State, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    keys = Keys(state)
    made = keys.create("web", ["write"])
    assert keys.find(made.text)

    def gone() -> None:
        raise sa.exc.OperationalError("select", {}, Exception("gone"))

    monkeypatch.setattr(room, "FOLLOW", 0.0)
    monkeypatch.setattr(state, "read", gone)
    assert keys.find(made.text) == made.key
    assert "cannot be read again" in caplog.text


def test_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from polku.record.project import create_project

    shop = str(tmp_path / "shop")
    create_project(shop).close()

    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> str:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main(["keys", *arguments])
        out = capsys.readouterr()
        assert not stop.value.code, out.err
        return out.out

    (tmp_path / "shop" / "journey.yaml").write_text("not: a map\n", encoding="utf-8")  # keys do not need the map
    made = json.loads(run("create", shop, "--write", "--json"))
    assert PATTERN.fullmatch(made["key"])
    rotated = json.loads(run("rotate", shop, str(made["id"]), "--grace", "1", "--json"))
    assert rotated["replaces"] == made["id"]
    assert "events come in" in run("list", shop, "--language", "en")
    run("revoke", shop, str(rotated["id"]), "--json")
    listed = json.loads(run("list", shop, "--json"))["keys"]
    assert [(k["id"], k["state"]) for k in listed] == [(rotated["id"], "revoked"), (made["id"], "expiring")]
    assert all(k["created_by"].startswith("cli") for k in listed)
    shown = run("create", shop, "--read", "--name", "[bold]x", "--language", "fi")
    assert "pk_r_" in shown
    assert "[bold]x" in run("list", shop, "--language", "en")
