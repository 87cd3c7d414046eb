"""Trails of real projects: history in Delta, the inbox behind it, identities in the state."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import polku.trails.refresh as refreshing
from polku.events.schema import ARRIVING
from polku.record import steps
from polku.record.project import Project, create_project
from polku.trails import layers, open_trails
from polku.trails.layout import Trails
from polku.trails.lock import locked
from polku.trails.matching import Matching
from polku.trails.open import open_store
from polku.trails.project_feed import ProjectFeed
from polku.trails.store import Store

from .told import told

MAP = """
polku: 1
title: Shop
timezone: Europe/Helsinki
stages:
  - id: all
    touchpoints:
      - {id: guide, match: {path: /guide*}}
      - {id: order, match: {event: Order Completed}, value: revenue}
"""
START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
_ids = itertools.count()


def event(second: float, name: str, path: str | None = None, **ids: str) -> dict[str, Any]:
    """One arriving event."""
    return {
        "event_id": f"e{next(_ids)}",
        "time": START + dt.timedelta(seconds=second),
        "received_at": START,
        "event": name,
        "context": None if path is None else json.dumps({"page": {"path": path}}),
        **ids,
    }


def stored(project: Project, *events: dict[str, Any]) -> None:
    """Straight to history, in one commit."""
    with project.history.writer("import", "test") as writer:
        writer.add(pa.Table.from_pylist(list(events), schema=ARRIVING))
        writer.commit()


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with create_project(tmp_path / "shop", "en") as made:
        (tmp_path / "shop" / "journey.yaml").write_text(MAP, encoding="utf-8")
        yield made


def rebuilt(project: Project, folder: Path) -> dict[int, list[tuple[Any, ...]]]:
    store = Store(folder, flush=False)
    return told(open_store(store, ProjectFeed(project), Matching.of(project.journey()), threads=2))


def _flushed() -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("flush"):
            thread.join()


def names(trails: Trails, customer: int) -> list[str]:
    found = trails.find(customer)
    assert found is not None
    b, i = found
    return [trails.tables.code_event[c] for c in b.code[b.offsets[i] : b.offsets[i + 1]]]


def test_an_empty_project(project: Project) -> None:
    trails = open_trails(project)
    assert (trails.events, trails.customers, trails.first, trails.last) == (0, 0, None, None)
    assert told(trails) == {}
    stored(project, event(1, "page", user_id="anna"))
    assert open_trails(project).customers == 1


def test_from_inbox_to_history(project: Project, tmp_path: Path) -> None:
    """Nothing is counted twice or lost when the inbox moves."""
    stored(project, event(1, "page", user_id="anna"), event(5, "Order Completed", user_id="anna"))
    assert open_trails(project).events == 2
    project.inbox.append([event(3, "page", user_id="anna"), event(4, "page", anonymous_id="x")])
    trails = open_trails(project)
    assert trails.events == 4
    project.mover.move()
    project.inbox.append([event(6, "Other", user_id="bo")])
    trails = open_trails(project)
    assert trails.events == 5
    customer = project.identities.customer_of("user", "anna")
    assert customer is not None
    assert names(trails, customer) == ["page", "page", "Order Completed"]
    assert told(trails) == rebuilt(project, tmp_path / "again")


def test_joined_and_parted(project: Project, tmp_path: Path) -> None:
    stored(
        project, event(1, "page", anonymous_id="x"), event(2, "page", user_id="anna"), event(3, "page", user_id="bo")
    )
    assert open_trails(project).customers == 3
    stored(project, event(4, "Order Completed", anonymous_id="x", user_id="anna"))
    trails = open_trails(project)
    assert trails.customers == 2
    assert told(trails) == rebuilt(project, tmp_path / "joined")
    customer = project.identities.customer_of("user", "anna")
    assert customer is not None
    project.identities.undo(project.identities.joins_of(customer)[0].number)
    trails = open_trails(project)
    assert trails.customers == 3
    assert told(trails) == rebuilt(project, tmp_path / "parted")


def test_one_refreshes_the_others_read(project: Project) -> None:
    stored(project, event(1, "page", user_id="anna"))
    first = open_trails(project)
    stored(project, event(2, "page", user_id="anna"))
    store = Store(project.folder / ".polku" / "trails")
    seen: list[int] = []
    with locked(store.lock) as held:
        assert held
        other = threading.Thread(target=lambda: seen.append(open_trails(project).events))
        other.start()
        other.join()
    assert seen == [first.events]
    assert open_trails(project).events == 2


def test_without_refresh_there_must_be_trails(project: Project) -> None:
    from polku.errors import TrailsError

    with pytest.raises(TrailsError, match="no trails"):
        open_trails(project, refresh=False)
    open_trails(project)
    assert open_trails(project, refresh=False).events == 0


class Killed(BaseException):
    """Stops a refresh where it is; nothing in trails catches it, as nothing catches a kill."""


def kill_after(count: int) -> Callable[[str], None]:
    left = [count]

    def listener(moment: str) -> None:
        if moment.startswith("trails"):
            left[0] -= 1
            if left[0] == 0:
                raise Killed

    return listener


@pytest.mark.parametrize("fold", [0.0, 1e9])
def test_a_stop_between_any_two_writes(
    fold: float, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever was written, the project opens and is right; the first refresh after it completes the work."""
    monkeypatch.setattr(refreshing, "FOLD", fold)
    stored(project, *(event(k, "page", user_id=f"u{k % 4}", path=f"/guide/{k}") for k in range(12)))
    customers = open_trails(project).customers
    for count in range(1, 40):
        stored(project, event(100 + count, "page", user_id="u1", path=f"/guide/new{count}"))
        monkeypatch.setattr(steps, "listener", kill_after(count))
        try:
            open_trails(project)
        except Killed:
            monkeypatch.setattr(steps, "listener", None)
        else:
            break
        assert open_trails(project, refresh=False).customers == customers
        after = open_trails(project)
        assert after.events == 12 + count
        assert told(after) == rebuilt(project, tmp_path / f"again{count}")
    assert 6 <= count < 39
    left = [p.name for p in (project.folder / ".polku" / "trails" / "layers").iterdir()]
    assert not [n for n in left if n.endswith(".making")]


CRASH = """
import os, sys
from polku.record import steps
from polku.record.project import open_project
from polku.trails import open_trails
def listener(moment):
    if moment == "trails: manifest written":
        os._exit(9)
with open_project(sys.argv[1]) as project:
    steps.listener = listener
    open_trails(project)
"""


def test_a_killed_process_leaves_no_lock(project: Project, tmp_path: Path) -> None:
    stored(project, event(1, "page", user_id="anna"))
    open_trails(project)
    stored(project, event(2, "page", user_id="anna"))
    done = subprocess.run([sys.executable, "-c", CRASH, str(project.folder)], check=False, timeout=120)
    assert done.returncode == 9
    assert open_trails(project, refresh=False).events == 1
    assert open_trails(project).events == 2
    assert told(open_trails(project)) == rebuilt(project, tmp_path / "again")


def test_a_power_cut_is_built_anew(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer that was not flushed before the machine stopped is not believed; a broken manifest neither."""
    stored(project, event(1, "page", user_id="anna"))
    first = open_trails(project)
    store = Store(project.folder / ".polku" / "trails")
    _flushed()
    monkeypatch.setattr(layers, "booted", lambda: time.time() + 1000)
    assert open_trails(project).generation == first.generation
    for mark in store.folder.rglob(layers.DURABLE):
        mark.unlink()
    assert store.open() is None
    monkeypatch.undo()
    assert told(open_trails(project)) == told(first)
    name = store.current_name()
    assert name is not None
    (store.generation_folder(name) / "manifest.json").write_text("{", encoding="utf-8")
    assert told(open_trails(project)) == told(first)
    store.current.write_text("", encoding="utf-8")
    assert told(open_trails(project)) == told(first)


def test_layers_reach_the_disk(project: Project) -> None:
    stored(project, event(1, "page", user_id="anna"))
    open_trails(project)
    _flushed()
    assert list((project.folder / ".polku" / "trails" / "layers").glob("*/durable"))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _told_otherwise(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    told_before = json.loads(path.read_text(encoding="utf-8"))
    change(told_before)
    path.write_text(json.dumps(told_before), encoding="utf-8")


def _shorter(path: Path) -> None:
    np.save(path, np.load(path)[:-1], allow_pickle=False)


@pytest.mark.parametrize(
    ("pattern", "damage"),
    [
        *(("generations/*/manifest.json", d) for d in (Path.unlink, _cut)),
        ("generations/*/manifest.json", lambda p: _told_otherwise(p, lambda m: m.update(format=1))),
        ("generations/*/manifest.json", lambda p: _told_otherwise(p, lambda m: m.pop("layers"))),
        ("generations/*/manifest.json", lambda p: _told_otherwise(p, lambda m: m.update(later="field"))),
        ("generations/*/manifest.json", lambda p: _told_otherwise(p, lambda m: m["position"].pop("inbox"))),
        ("generations/*/manifest.json", lambda p: p.write_text("[]", encoding="utf-8")),
        ("layers/*/layer.json", lambda p: _told_otherwise(p, lambda m: m.update(format=1))),
        ("layers/*/layer.json", lambda p: _told_otherwise(p, lambda m: m.pop("micros"))),
        *((f"layers/*/{c}.npy", d) for c in ("time", "offsets", "value") for d in (Path.unlink, _cut, _shorter)),
        ("layers/*/page.npy", lambda p: p.write_bytes(b"")),
        *(("pages/*.arrow", d) for d in (Path.unlink, _cut)),
        ("pages/*.arrow", lambda p: p.write_bytes(b"")),
    ],
)
def test_another_layout_is_built_anew_in_silence(
    project: Project, pattern: str, damage: Callable[[Path], object]
) -> None:
    """Trails of an earlier or later version, or with a file that is gone or cut short: nobody has to know."""
    stored(project, event(1, "page", "/guide", user_id="anna"))
    stored(project, {**event(2, "Order Completed", user_id="anna"), "value": 5.0})
    first = open_trails(project)
    _flushed()
    for path in (project.folder / ".polku" / "trails").glob(pattern):
        damage(path)
    stored(project, event(3, "page", user_id="bo"))
    trails = open_trails(project)
    assert trails.events == 3
    assert trails.generation != first.generation
    stored(project, event(4, "page", user_id="bo"))
    assert open_trails(project).events == 4
