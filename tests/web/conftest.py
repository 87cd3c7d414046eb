"""A real project, really served: one server for all tests of the pages."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from polku.record.project import Project
from polku.web.serve import serve

from . import world


class Site:
    """A served project and a client for it."""

    def __init__(self, project: Project, url: str) -> None:
        self.project = project
        self.url = url.rstrip("/")
        self.client = httpx.Client(base_url=self.url, timeout=300)  # kernels may be compiled meanwhile

    def get(self, path: str, language: str = "en", **headers: str) -> httpx.Response:
        self.client.cookies.clear()
        return self.client.get(path, headers={"Accept-Language": language, **headers})


def served(project: Project, live: bool = False) -> Iterator[Site]:
    """Serve ``project`` in a thread until the generator is closed."""
    stop, ready, found = threading.Event(), threading.Event(), []

    def on_ready(url: str, moved: bool) -> None:
        found.append(url)
        ready.set()

    thread = threading.Thread(
        target=serve, args=(project, "127.0.0.1", 0, on_ready), kwargs={"live": live, "stop": stop}, daemon=True
    )
    thread.start()
    assert ready.wait(60), "the server did not start"
    site = Site(project, found[0])
    try:
        yield site
    finally:
        site.client.close()
        stop.set()
        thread.join(20)
        assert not thread.is_alive(), "the server did not stop"


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with world.make(tmp_path_factory.mktemp("web") / "shop") as project:
        yield project


@pytest.fixture(scope="session")
def site(shop: Project) -> Iterator[Site]:
    """The shop of the tests; nobody changes it."""
    yield from served(shop)


@pytest.fixture
def own_site(tmp_path: Path) -> Iterator[Site]:
    """A shop of the test's own, to be changed; live."""
    with world.make(tmp_path / "shop") as project:
        yield from served(project, live=True)
