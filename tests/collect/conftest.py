"""Doors that are served in this process, with a project of their own."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from polku.record.project import Project, create_project
from polku.web.serve import serve


@dataclasses.dataclass
class Site:
    """A served project and a client for it."""

    project: Project
    url: str
    client: httpx.Client

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])


@contextmanager
def served(folder: Path, settings: str = "", state: str | None = None) -> Iterator[Site]:
    """Make a project in ``folder`` and serve it until the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "polku.toml").write_text(settings, encoding="utf-8")
    stop, ready, found = threading.Event(), threading.Event(), []

    def on_ready(url: str, moved: bool) -> None:
        found.append(url.rstrip("/"))
        ready.set()

    with create_project(folder, "en", state=state) as project:
        thread = threading.Thread(
            target=serve, args=(project, "127.0.0.1", 0, on_ready), kwargs={"stop": stop}, daemon=True
        )
        thread.start()
        assert ready.wait(60), "the server did not start"
        try:
            with httpx.Client(base_url=found[0], timeout=300) as client:  # kernels may be compiled meanwhile
                yield Site(project, found[0], client)
        finally:
            stop.set()
            thread.join(60)
            assert not thread.is_alive(), "the server did not stop"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for the tests of a module, each of which looks at its own events only."""
    with served(
        tmp_path_factory.mktemp("doors") / "shop", "[collect]\nbody_seconds = 1\nparameters = 'size'\n"
    ) as found:
        yield found
