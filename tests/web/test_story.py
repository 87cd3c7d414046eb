"""A customer's story in an account: who of its people did what, and in which of the map's roles."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from polku.journey import templates
from polku.record.project import create_project
from polku.sources.importing import import_files

from .conftest import Site, served
from .reading import read

ROWS = """account,user_id,event,time,role
Acme,anna@acme.fi,Lead Submitted,2026-06-01 10:00,champion
Acme,pekka@acme.fi,Meeting Held,2026-06-15 10:00,economic_buyer
Acme,,Offer Viewed,2026-07-15 10:00,cleaner
"""


ADDRESSES = ("anna@acme.fi", "pekka@acme.fi")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("b2b") / "firms"
    templates.write(folder, "b2b", "en")
    (file := folder / "rows.csv").write_text(ROWS, encoding="utf-8")
    with create_project(folder, "en") as project:
        assert import_files(project, [file]).stored == 3
        yield from served(project)


def test_an_accounts_story_tells_who_and_in_what_role(site: Site) -> None:
    told = site.get("/api/customers/Acme").json()
    events = [e for session in told["sessions"] for e in session["entries"] if "event" in e]
    anna, pekka = (f"email:{site.project.contacts.addresses.found('email', a)[1]}" for a in ADDRESSES)
    assert [(e["event"], e["person"], e["role"]) for e in events] == [
        ("Lead Submitted", anna, "champion"),  # the data have the hash of an address, the page the address
        ("Meeting Held", pekka, "economic_buyer"),
        ("Offer Viewed", None, None),  # nobody named, and a role that the map does not have
    ]


def test_the_page_says_the_role_in_the_maps_words(site: Site) -> None:
    response = site.get("/customers/Acme?lang=en")
    assert read(response).faults == []
    assert re.search(r"Lead Submitted</code>\s*·\s*<b[^>]*>Champion</b>", response.text)
    assert "anna@acme.fi" in response.text
