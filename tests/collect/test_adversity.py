"""What cannot be stored is answered 503 with Retry-After, and the server goes on by itself when it can."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from backends import postgres as postgresql
from polku.collect import doors as doors_module
from polku.errors import PolkuError
from polku.record.project import create_project, open_project

from .conftest import Site, served
from .server import running

QUICK = "[collect]\nbusy = 1\n[record]\nbusy = 1\n"


def send(client: httpx.Client, id_: str, filling: int = 0) -> httpx.Response:
    event = {
        "event": "Seen",
        "messageId": id_,
        "anonymousId": "a1",
        "properties": {"filling": os.urandom(filling).hex()},
    }
    return client.post("/v1/track", json=event)


def ids(site_or_folder: Site | Path) -> Counter[str]:
    """How often each event's id is in the record."""
    if isinstance(site_or_folder, Site):
        rows = site_or_folder.project.changes(None, ["event_id"]).rows.read_all()
    else:
        with open_project(site_or_folder) as project:
            rows = project.changes(None, ["event_id"]).rows.read_all()
    return Counter(rows["event_id"].to_pylist())


def refused_for_now(answer: httpx.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["retry-after"]) > 0
    assert set(answer.json()) == {"code", "message"}


def test_a_locked_database(tmp_path: Path) -> None:
    with served(tmp_path / "shop", QUICK) as site:
        assert send(site.client, "before").status_code == 200
        with contextlib.closing(sqlite3.connect(site.project.data / "state.db", isolation_level=None)) as other:
            other.execute("begin immediate")
            refused_for_now(send(site.client, "during"))
            ready = site.client.get("/ready")
            assert (ready.status_code, "state" in ready.json()["faults"]) == (503, True)
            other.execute("rollback")
        assert send(site.client, "during").status_code == 200
        assert site.client.get("/ready").status_code == 200
        assert ids(site) == {"before": 1, "during": 1}


def test_a_broken_history_holds_nothing_up(tmp_path: Path) -> None:
    with served(tmp_path / "shop", QUICK) as site:
        send(site.client, "first")
        site.project.mover.move()
        log = site.project.data / "history" / "_delta_log"
        shutil.move(log, tmp_path / "aside")
        log.write_bytes(b"no folder")
        assert send(site.client, "second").status_code == 200
        with pytest.raises((PolkuError, OSError)):
            site.project.mover.move()
        log.unlink()
        shutil.move(tmp_path / "aside", log)
        assert send(site.client, "third").status_code == 200
        assert site.project.mover.move().events == 2
        assert ids(site) == {"first": 1, "second": 1, "third": 1}


def test_a_clock_that_jumps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrival is told by seq, which no clock moves."""
    with served(tmp_path / "shop", QUICK) as site:
        real = doors_module.now
        for id_, hours in (("a", 0), ("b", -30), ("c", 24), ("d", 0)):
            monkeypatch.setattr(doors_module, "now", lambda hours=hours: real() + hours * 3_600_000_000)
            assert send(site.client, id_).status_code == 200
        site.project.mover.move()
        rows = site.project.changes(None, ["event_id", "seq"]).rows.read_all().sort_by("seq")
        assert rows["event_id"].to_pylist() == ["a", "b", "c", "d"]


def test_a_full_queue(tmp_path: Path) -> None:
    """What waits is bounded: the next one is told to come again, and does."""
    with served(tmp_path / "shop", "[collect]\nqueue_events = 3\nbusy = 30\nretry_after = 7\n") as site:
        assert send(site.client, "first").status_code == 200
        with contextlib.closing(sqlite3.connect(site.project.data / "state.db", isolation_level=None)) as other:
            other.execute("begin immediate")
            answers: dict[str, httpx.Response] = {}
            waiting = [
                threading.Thread(target=lambda n=n: answers.update({f"w{n}": send(site.client, f"w{n}")}))
                for n in range(8)
            ]
            for thread in waiting:
                thread.start()
            full = [t for t in waiting if not t.join(2) and not t.is_alive()]
            assert len(full) == 5
            other.execute("rollback")
        for thread in waiting:
            thread.join(60)
        by_status = Counter(a.status_code for a in answers.values())
        assert by_status == {200: 3, 503: 5}
        assert {a.headers["retry-after"] for a in answers.values() if a.status_code == 503} == {"7"}
        for id_, answer in answers.items():
            if answer.status_code == 503:
                assert send(site.client, id_).status_code == 200
        assert ids(site) == {"first": 1, **{f"w{n}": 1 for n in range(8)}}


def test_a_database_that_goes_away(tmp_path: Path, postgres: postgresql.Postgres) -> None:
    with (
        postgresql.serving(postgres.programs, ()) as own,  # one that flushes; the session's is not stopped
        served(tmp_path / "shop", QUICK, own.database()) as site,
    ):
        assert send(site.client, "before").status_code == 200
        own.stop()
        refused_for_now(send(site.client, "during"))
        assert site.client.get("/ready").status_code == 503
        own.start(())
        assert send(site.client, "during").status_code == 200
        assert ids(site) == {"before": 1, "during": 1}


@pytest.mark.skipif(sys.platform != "linux", reason="prlimit is Linux's")
def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    """A disk without room, as a limit on the size of files: it needs no rights."""
    folder = tmp_path / "shop"
    create_project(folder).close()
    (folder / "polku.toml").write_text(QUICK, encoding="utf-8")
    with running(folder) as server, httpx.Client(base_url=server.url, timeout=60) as client:
        assert send(client, "before").status_code == 200
        largest = max(p.stat().st_size for p in (folder / ".polku").glob("state.db*"))
        limits = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (largest, limits[1]))
        kept, told = [], None
        for n in range(500):
            told = send(client, f"n{n}", 10_000)
            if told.status_code != 200:
                break
            kept.append(f"n{n}")
        assert told is not None
        refused_for_now(told)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, limits)
        assert send(client, "after").status_code == 200
        server.stop()
    found = ids(folder)
    assert set(found.values()) == {1}
    assert {"before", "after", *kept} <= set(found)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 24 MB, where mounting is allowed."""
    place = tmp_path / "disk"
    place.mkdir()
    if shutil.which("mount") is None or os.name != "posix":
        pytest.skip("nothing can be mounted here")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_and_a_read_only_one(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[doors_module.Doors] = []

    class Known(doors_module.Doors):
        def start(self) -> None:
            made.append(self)
            super().start()

    monkeypatch.setattr("polku.web.serve.Doors", Known)
    with served(small_disk / "shop", QUICK) as site:
        assert send(site.client, "before").status_code == 200
        filler = small_disk / "filler"
        with filler.open("wb", buffering=0) as out, contextlib.suppress(OSError):  # nothing is left to be flushed
            while True:
                out.write(b"\0" * 65536)
        kept, told = [], None
        for n in range(100):
            told = send(site.client, f"n{n}", 10_000)
            if told.status_code != 200:
                break
            kept.append(f"n{n}")
        assert told is not None
        refused_for_now(told)
        assert site.client.get("/ready").status_code == 503
        filler.unlink()
        assert send(site.client, "room").status_code == 200
        made[0].state.close()  # a disk with files that are open for writing cannot be switched by hand
        site.project.state.close()
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
        refused_for_now(send(site.client, "read-only"))
        subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
        assert send(site.client, "read-only").status_code == 200
        assert site.client.get("/ready").status_code == 200
        found = ids(site)
        assert set(found.values()) == {1}
        assert {"before", *kept, "room", "read-only"} <= set(found)
