"""The pages of live collection in a real browser: axe-core, and nothing wider than a phone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from polku.record import erasure
from polku.record.consents import Decision
from polku.record.refused import Refused, note_refused

from . import world
from .conftest import Site, served

pytestmark = pytest.mark.browser
PAGES = (
    "/live", "/live?source=shop", "/note", "/note/questions", "/identities", "/identities/named?id=customer-12",
    "/identities/of/{join}", "/identities/merge?one=customer-12&other=customer-13", "/identities/undo/{join}",
    "/consent", "/rights?customer=customer-12", "/settings/privacy", "/settings/privacy/receipts/{receipt}",
    "/privacy-notice", "/connect", "/settings/jobs", "/settings/keys",
)  # fmt: skip


@pytest.fixture(scope="module")
def collecting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, dict[str, object]]]:
    """A shop in which something of each kind has happened."""
    with world.make(tmp_path_factory.mktemp("collecting") / "shop") as project:
        asked = {"question": "Onko tätä kokoa 38?", "text": "kysyi puhelimessa"}
        world.add(project, {"customer-05": [(world.LAST, "Product Viewed", {"properties": asked})]})
        project.identities.catch_up(inbox=True)
        one, other = (project.identities.find(f"customer-{n:02d}")[0][0].number for n in (1, 2))
        project.identities.join(one, other, "Sanoi itse puhelimessa", "anna", None)
        join = project.identities.joins_of(project.identities.customer_of_number(one))[0].number
        project.identities.keep(project.identities.find("customer-03")[0][0].number, "anna")
        now = int(dt.datetime.now(dt.UTC).timestamp() * 1e6)
        project.consents.decide([Decision("user", "customer-12", "email", True, now, "form", "v1", "anna")])
        raw = '{"event": "' + "a long word without any space " * 3 + "x" * 300 + '"}'
        with project.state.write() as connection:
            note_refused(project.state, connection, [Refused("web", "segment", "door", "no_event", now, now, raw)])
        project.keys.create("web shop", ["write"], by="anna")
        receipt = erasure.forget(project, "customer-04", "anna").number
        for site in served(project):
            yield site, {"join": join, "receipt": receipt}


@pytest.mark.parametrize(("scheme", "language", "width"), [("light", "en", 1400), ("dark", "fi", 390)])
def test_accessible_and_no_wider_than_the_screen(
    collecting: tuple[Site, dict[str, object]], page_of: Callable[..., Any], scheme: str, language: str, width: int
) -> None:
    site, known = collecting
    axe = Axe()
    # axe is injected as an inline script, which the pages' own policy refuses
    page = page_of(width=width, height=844, color_scheme=scheme, locale=language, bypass_csp=True)
    for number, path in enumerate(PAGES):
        page.goto(site.url + path.format_map(known))
        page.evaluate("document.querySelectorAll('main details').forEach(d => { d.open = true })")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        if number % 2 == (width > 760):  # they are made of the same parts: each page in light or in dark
            continue
        found = axe.run(page).response
        assert any(rule["id"] == "color-contrast" for rule in found["passes"]), path
        grave = [
            (path, rule["id"], node["html"][:120])
            for rule in found["violations"]
            if rule["impact"] in ("serious", "critical")
            for node in rule["nodes"]
        ]
        assert grave == []
