"""A real project, really served: one server for all tests of the pages."""

from __future__ import annotations

import importlib.util
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

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
        self.client = httpx.Client(base_url=self.url, timeout=60)

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


def find_browser() -> ModuleType:
    """scripts/find_browser.py, which ``make test`` asks as well: one list of browsers' names."""
    file = Path(__file__).parents[2] / "scripts" / "find_browser.py"
    spec = importlib.util.spec_from_file_location("find_browser", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The system's Chromium; without one the browser tests are skipped, and fail under CI=true."""
    path = find_browser().find()
    if path is None:
        message = "no Chromium found: the pages are not tested in a browser (apt-get install chromium)"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page_of(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Make a page: ``page_of(width=390, color_scheme="dark", locale="fi-FI")``. Errors of its scripts, refusals of the
    content security policy and failed requests fail the test."""
    contexts: list[Any] = []
    complaints: list[str] = []

    def make(width: int = 1400, height: int = 900, **options: Any) -> Any:
        options.setdefault("timezone_id", "Europe/Helsinki")  # the map's, so that no page is fetched once more for it
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(f"script: {error}"))
        page.on("console", lambda line: complaints.append(line.text) if line.type in ("error", "warning") else None)
        page.on("response", lambda r: complaints.append(f"{r.status} {r.url}") if r.status >= 400 else None)
        return page

    yield make
    for context in contexts:
        context.close()
    assert complaints == []
