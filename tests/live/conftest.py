"""A served project of the test's own, and a way to send events to its door as a shop does."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from polku.record.project import create_project
from web import world
from web.conftest import Site, served


class Door:
    """A served project, and Segment's protocol to it."""

    def __init__(self, site: Site) -> None:
        self.site, self.project, self.url = site, site.project, site.url

    def send(self, *messages: dict[str, Any], key: str = "any") -> dict[str, Any]:
        answer = self.site.client.post("/v1/batch", json={"batch": list(messages), "writeKey": key})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def track(self, event: str, user: str, **properties: Any) -> dict[str, Any]:
        return {"type": "track", "event": event, "userId": user, "properties": properties}

    def data(self, path: str) -> dict[str, Any]:
        answer = self.site.get(path)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    folder: Path = tmp_path_factory.mktemp("live") / "shop"
    folder.mkdir()
    shutil.copyfile(world.MAP, folder / "journey.yaml")
    with create_project(folder, "fi") as project:
        for site in served(project):
            yield Door(site)
