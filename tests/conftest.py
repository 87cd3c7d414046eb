"""What tests of all rooms share: servers (one of each for a session, started when first asked for), settings."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import hypothesis
import pytest

from backends import postgres as postgresql
from backends import s3

# A machine that does other work too is slow at times: no test is about the seconds of one example.
hypothesis.settings.register_profile("polku", deadline=None)
hypothesis.settings.load_profile("polku")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Modules marked ``long`` come first: started last, one of them would keep all other workers waiting."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(scope="session")
def postgres() -> Iterator[postgresql.Postgres]:
    """A PostgreSQL server. Without the program: skipped; with CI=true that is a failure."""
    programs = postgresql.find()
    if programs is None:
        if os.environ.get("CI") == "true":
            pytest.fail("there is no PostgreSQL here; scripts/find_postgres.py tells how to get one")
        pytest.skip("there is no PostgreSQL here")
    with postgresql.serving(programs) as server:
        yield server


@pytest.fixture(scope="session")
def store() -> Iterator[s3.Store]:
    """An S3-compatible store, and the environment of this process pointed at it."""
    with s3.serving() as found, pytest.MonkeyPatch.context() as patch:
        for name, value in found.environment.items():
            patch.setenv(name, value)
        yield found


# -- a real browser: one for all tests of a session


def find_browser() -> ModuleType:
    """scripts/find_browser.py, which ``make test`` asks as well: one list of browsers' names."""
    scripts = str(Path(__file__).parents[1] / "scripts")
    if scripts not in sys.path:
        sys.path.append(scripts)
    return importlib.import_module("find_browser")


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
    if not path:
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
