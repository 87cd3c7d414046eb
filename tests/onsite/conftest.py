"""A served Polku and a shop of another origin with its line, whose policy allows nothing but Polku's scripts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from polku.guidance.switch import turn
from tracker.shop import Shop
from web.conftest import Site, served

from . import world


@pytest.fixture(scope="module")
def polku(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The project, served, with sending turned on."""
    with world.make(tmp_path_factory.mktemp("served") / "shop") as project:
        turn(project, True, "mikko")
        yield from served(project)


@pytest.fixture(scope="module")
def pages(polku: Site) -> Iterator[Shop]:
    """The shop's pages."""
    shop = Shop(Path(__file__).parent / "site")
    shop.paste(polku.url, polku.project.keys.create("web", ["write"]).text)
    shop.headers = {
        "Content-Security-Policy": f"default-src 'none'; style-src 'self'; script-src 'self' {polku.url};"
        f" connect-src {polku.url}; img-src 'self'; base-uri 'none'; form-action 'none'"
    }
    yield shop
    shop.close()
