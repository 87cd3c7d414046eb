"""A real Polku, a shop of another origin with its line, and a real browser that visits it."""

from __future__ import annotations

import json
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from polku.record.project import create_project
from web import world
from web.conftest import Site, served

from .shop import Shop

Row = dict[str, Any]


#: A headless browser says so, and is refused as a robot; these tests are of people.
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"


class Tracked:
    """The shop and what has arrived from it in this test."""

    def __init__(self, polku: Site, shop: Shop, chromium: Any) -> None:
        self.polku, self.shop, self.chromium = polku, shop, chromium
        # a source of its own: what the browser of another test says when it is closed arrives later
        self.source = f"shop-{secrets.token_hex(4)}"
        self.key = polku.project.keys.create("web", ["write"], source=self.source).text
        self.contexts: list[Any] = []
        self.bodies: list[Row] = []

    def rows(self) -> list[Row]:
        """The test's events in order of arrival, their JSON read."""
        found = []
        for row in self.polku.project.inbox.tail().to_pylist():
            if row["source"] == self.source:
                properties, context = json.loads(row["properties"] or "{}"), json.loads(row["context"] or "{}")
                found.append({**row, "properties": properties, "context": context})
        return found

    def wait(self, *events: str, seconds: float = 20) -> list[Row]:
        """The rows, as soon as each of ``events`` has arrived as many times as it is named."""
        end = time.monotonic() + seconds
        while True:
            rows = self.rows()
            names = [row["event"] for row in rows]
            if all(names.count(event) >= events.count(event) for event in events):
                return rows
            assert time.monotonic() < end, f"{events} did not all arrive: {names}"
            self.contexts[-1].pages[0].wait_for_timeout(50)  # what the test does to requests is done meanwhile

    def paste(self, **options: str) -> None:
        self.shop.paste(self.polku.url, self.key, **options)

    def page(self, script: str = "", **options: Any) -> Any:
        """A new browser profile with one page; ``script`` runs before any of the page's own."""
        context = self.chromium.new_context(**options)
        # not by the option user_agent: with it Chromium drops the beacons of pages that are left
        context.add_init_script(f"Object.defineProperty(Navigator.prototype, 'userAgent', {{get: () => '{AGENT}'}})")
        self.contexts.append(context)
        if script:
            context.add_init_script(script)
        page = context.new_page()
        page.on("request", self._note)
        return page

    def _note(self, request: Any) -> None:
        if request.method == "POST" and request.url.endswith("/v1/b") and request.post_data:
            self.bodies.append(json.loads(request.post_data))

    def sent(self) -> list[Row]:
        """Every message that the browser sent."""
        return [message for body in self.bodies for message in body["batch"]]

    def stored(self, page: Any) -> Row:
        """What the browser keeps for the shop's pages."""
        kept: Row = page.evaluate(
            """async () => ({ local: Object.keys(localStorage), session: Object.keys(sessionStorage),
                cookies: document.cookie, databases: (await indexedDB.databases()).length })"""
        )
        kept["cookies"] = kept["cookies"] + "".join(c["name"] for c in page.context.cookies())
        return kept


NOTHING: Row = {"local": [], "session": [], "cookies": "", "databases": 0}


@pytest.fixture(scope="module")
def polku(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A served project without events."""
    folder: Path = tmp_path_factory.mktemp("tracker") / "shop"
    folder.mkdir()
    shutil.copyfile(world.MAP, folder / "journey.yaml")
    with create_project(folder, "fi") as project:
        yield from served(project)


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    found = Shop()
    yield found
    found.close()


@pytest.fixture
def tracked(polku: Site, shop: Shop, chromium: Any) -> Iterator[Tracked]:
    shop.headers = {}
    found = Tracked(polku, shop, chromium)
    yield found
    for context in found.contexts:
        context.close()
