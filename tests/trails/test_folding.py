"""Folding aside: the layers become one base while others go on, and whatever happens meanwhile comes out right."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import polku.trails.folding as folding
import polku.trails.refresh as refreshing
from polku.record import steps
from polku.trails.folding import fold_aside
from polku.trails.lock import locked
from polku.trails.store import Store

from .maps import journey
from .test_refresh import MAP, USERS, World, busy, open_, rebuilt
from .told import told

OTHER_MAP = "another map"


@pytest.fixture(autouse=True)
def aside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every fold is a large one, and none starts by itself."""
    monkeypatch.setattr(refreshing, "QUICK", 0)
    monkeypatch.setattr(refreshing, "FOLD", 0.05)
    monkeypatch.setattr("polku.trails.open.fold_later", lambda *_: None)


def layered(folder: Path) -> World:
    """A base and two layers above it."""
    world = busy(8)
    open_(world.record, folder)
    for k in range(3):
        world.do("add", [("page", u, 200 + k, None, None, None, None, None) for u in USERS[: 4 - k]])
        open_(world.record, folder)
    generation = Store(folder).open()
    assert generation is not None
    assert len(generation.layers) > 1
    return world


def bought(world: World, *users: str) -> None:
    world.do("add", [("Order Completed", u, 300, None, None, None, {"revenue": 7.0}, None) for u in users])


MEANWHILE: dict[str, Callable[[World], object]] = {
    "nothing": lambda world: None,
    "one of the base": lambda world: bought(world, USERS[5]),
    "one of a layer": lambda world: bought(world, USERS[0]),
    "all": lambda world: bought(world, *USERS),
    "somebody new": lambda world: bought(world, "u-new"),
    "a merge": lambda world: world.do("merge", (USERS[4], USERS[0])),
    "a merge undone": lambda world: [world.do(*each) for each in (("merge", USERS[:2]), ("undo", USERS[1]))],
}


@pytest.mark.parametrize("what", MEANWHILE)
def test_what_happens_meanwhile_is_in_it(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = layered(tmp_path)

    def listen(moment: str) -> None:
        if moment == "trails: folded aside":
            monkeypatch.setattr(steps, "listener", None)
            MEANWHILE[what](world)
            assert told(open_(world.record, tmp_path)) == rebuilt(world.record)

    monkeypatch.setattr(steps, "listener", listen)
    store = Store(tmp_path, flush=False)
    base = store.open()
    assert base is not None
    made = fold_aside(store, world.record, MAP)
    assert made is not None
    assert made.layers[0].name != base.layers[0].name
    assert len(made.layers) <= 2
    assert not store.aside.exists()
    assert told(open_(world.record, tmp_path)) == rebuilt(world.record)
    bought(world, *USERS[:3])
    assert told(open_(world.record, tmp_path)) == rebuilt(world.record)


@pytest.mark.parametrize("what", ["erased", OTHER_MAP, "built anew"])
def test_in_vain_when_the_base_is_another_one(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = layered(tmp_path)
    matching = MAP

    def listen(moment: str) -> None:
        nonlocal matching
        if moment != "trails: folded aside":
            return
        monkeypatch.setattr(steps, "listener", None)
        if what == "erased":
            world.do("erase", USERS[0])
        elif what == "built anew":
            world.record.log_gone = True
        else:
            matching = refreshing.Matching.of(journey({"id": "other", "match": {"event": "page"}}))
        open_(world.record, tmp_path, matching)
        world.record.log_gone = False

    monkeypatch.setattr(steps, "listener", listen)
    store = Store(tmp_path, flush=False)
    assert fold_aside(store, world.record, MAP) is None
    assert not store.aside.exists()
    assert told(open_(world.record, tmp_path, matching)) == rebuilt(world.record, matching)


def test_an_erasure_removes_what_is_being_folded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = layered(tmp_path)

    def listen(moment: str) -> None:
        if moment == "trails: columns written":
            monkeypatch.setattr(steps, "listener", None)
            world.do("erase", USERS[0])
            open_(world.record, tmp_path)
            assert not list(tmp_path.glob("aside/**/*.npy"))

    monkeypatch.setattr(steps, "listener", listen)
    with pytest.raises(FileNotFoundError):
        fold_aside(Store(tmp_path, flush=False), world.record, MAP)
    assert told(open_(world.record, tmp_path)) == rebuilt(world.record)


class Killed(BaseException):
    pass


def test_a_stop_between_any_two_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a kill leaves it: nothing tidies up."""
    for count in range(1, 30):
        folder = tmp_path / str(count)
        world = layered(folder)
        left = [count]

        def listen(moment: str, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise Killed

        with monkeypatch.context() as dying, contextlib.suppress(Killed):
            dying.setattr(Store, "clear_aside", lambda self: None)
            dying.setattr(steps, "listener", listen)
            fold_aside(Store(folder, flush=False), world.record, MAP)
        if left[0] > 0:
            break
        assert told(open_(world.record, folder)) == rebuilt(world.record)
        bought(world, USERS[5])
        assert told(open_(world.record, folder)) == rebuilt(world.record)
        assert not (folder / "aside").exists(), "the next refresh sweeps"
    assert 7 <= count < 29


def test_refreshing_starts_it_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polku.trails.open.fold_later", folding.fold_later)
    monkeypatch.setattr(folding, "QUIET", 0.05)
    world = layered(tmp_path)
    for _ in range(2):  # what came while it was folded may be much again
        for thread in threading.enumerate():
            if thread.name.startswith("fold"):
                thread.join()
        generation = Store(tmp_path).open()
        open_(world.record, tmp_path)
    assert generation is not None
    assert not refreshing.due(generation.layers)
    assert told(open_(world.record, tmp_path)) == rebuilt(world.record)


def test_only_one_folds(tmp_path: Path) -> None:
    world = layered(tmp_path)
    store = Store(tmp_path, flush=False)
    seen: list[Any] = []
    with locked(store.aside_lock) as held:
        assert held
        thread = threading.Thread(target=lambda: seen.append(fold_aside(store, world.record, MAP)))
        thread.start()
        thread.join()
    assert seen == [None]
