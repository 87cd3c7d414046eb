"""The note's form and who is who, as people use them: by keys and thumbs, and what refuses."""

from __future__ import annotations

import datetime as dt
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from polku.notes.finding import Whom
from polku.notes.taking import take
from polku.record.project import create_project

from .conftest import Site, served

PageOf = Callable[..., Any]
MAP = Path(__file__).parent.parent / "notes" / "journey.yaml"
TOKEN = re.compile(r'name="token" value="([^"]*)"')


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A shop with a counter: two customers, and the shop's own address on eight orders."""
    folder = tmp_path_factory.mktemp("counter") / "shop"
    folder.mkdir()
    shutil.copy(MAP, folder / "journey.yaml")
    with create_project(folder, "en") as project:
        take(project, Whom(name="Anna Virtanen", email="anna@example.fi", phone="040 123 4567"), "call")
        take(project, Whom(name="<b>Bo</b>", number="K-7"), "visit")
        project.inbox.append(
            [
                {
                    "event_id": f"o{i}",
                    "time": dt.datetime(2026, 11, 20, 10, i, tzinfo=dt.UTC),
                    "event": "Order Completed",
                    "source": "shop",
                    "user_id": f"u{i}",
                    "anonymous_id": f"c{i}",
                    "value": 20.0,
                    "currency": "EUR",
                    "context": json.dumps({"ids": {"email": "the-shops-own"}}),
                }
                for i in range(8)
            ]
        )
        yield from served(project)


def post(site: Site, page: str, path: str, **fields: str) -> Any:
    """Send a form of ``page`` to ``path``."""
    drawn = site.client.get(page, headers={"Accept-Language": "en"}).text
    token = TOKEN.search(drawn)
    assert token is not None
    headers = {"Accept-Language": "en", "Origin": site.url}
    return site.client.post(path, data={"token": token[1], **fields}, headers=headers)


def count(site: Site) -> int:
    return int(site.project.sql("select count(*) as n from events")["n"][0].as_py())


def figures_of(site: Site) -> Any:
    """All that the map says, but for the moment of asking."""
    told = site.client.get("/api/map?period=all").json()
    return {name: value for name, value in told.items() if name != "as_of"}


@pytest.mark.browser
def test_a_call_is_noted_with_four_taps_and_taken_back(counter: Site, page_of: PageOf) -> None:
    page = page_of(width=390, height=844, locale="fi-FI", has_touch=True)
    page.goto(counter.url + "/note")
    page.evaluate("addEventListener('pointerdown', () => (sessionStorage.taps = Number(sessionStorage.taps || 0) + 1))")
    before = count(counter)
    page.get_by_role("searchbox").tap()
    page.keyboard.type("virt")
    page.locator("#found .pick", has_text="Anna Virtanen").tap()
    page.locator(".pick", has_text="Puhelu").tap()
    save = page.get_by_role("button", name="Tallenna kirjaus")
    assert save.is_visible()
    save.tap()
    page.wait_for_url("**done=*")
    assert page.evaluate("Number(sessionStorage.taps)") == 4
    assert count(counter) == before + 1
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.get_by_role("button", name="Peru").tap()
    page.wait_for_url("**done=undone")
    assert count(counter) == before
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.browser
def test_nobody_found_becomes_a_new_customer_by_keys_alone(counter: Site, page_of: PageOf) -> None:
    page = page_of(locale="en-GB")
    page.goto(counter.url + "/note")
    page.get_by_role("searchbox").focus()
    page.keyboard.type("new@example.fi")
    page.keyboard.press("Enter")
    page.locator("#found", has_text="Nobody was found").wait_for()
    assert page.locator("input[name=email]").input_value() == "new@example.fi"
    page.locator("input[name=touchpoint][value=sale]").focus()
    page.keyboard.press("Space")
    page.get_by_text("More: what was said").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Money (EUR)").fill("1 059,90 €")
    page.get_by_label("What the customer asked").fill("Do you have it in blue?")
    page.get_by_role("button", name="Save the note").press("Enter")
    page.wait_for_url("**done=*")
    rows = counter.project.sql("select * from events where source = 'people' order by seq desc limit 1").to_pylist()
    assert (rows[0]["event"], rows[0]["value"]) == ("Order Completed", 1059.9)
    assert json.loads(rows[0]["properties"])["question"] == "Do you have it in blue?"
    mark = counter.project.contacts.address_hash("email", "new@example.fi")
    assert rows[0]["user_id"] == f"email:{mark}"


def test_the_form_works_without_scripts_and_tells_what_is_wrong(counter: Site) -> None:
    found = counter.get("/note?q=bo").text
    assert "&lt;b&gt;Bo&lt;/b&gt;" in found
    assert "<b>Bo" not in found
    before = count(counter)
    for fields, message in (
        ({"touchpoint": "call"}, "Say whose note it is"),
        ({"name": "X"}, "Choose what it was"),
        ({"name": "X", "touchpoint": "call", "value": "much"}, "is no amount"),
        ({"name": "X", "touchpoint": "call", "when": "yesterday"}, "is no time"),
        ({"name": "X", "touchpoint": "fair"}, "only planned"),
        ({"customer": "999999", "touchpoint": "call"}, "no id number"),
    ):
        answer = post(counter, "/note", "/note", **fields)
        assert answer.status_code in (400, 500), fields
        assert message in answer.text, fields
    assert count(counter) == before
    assert counter.client.post("/note", data={"name": "X", "touchpoint": "call"}).status_code == 403
    done = post(counter, "/note", "/note", name="Carl", touchpoint="offer", when="2026-01-02T10:00")
    assert done.status_code == 303
    row = counter.project.sql("select * from events order by seq desc limit 1").to_pylist()[0]
    assert row["time"] == dt.datetime(2026, 1, 2, 8, tzinfo=dt.UTC), "the map's time zone"
    names = counter.client.get("/note/customers?q=carl").json()
    assert [n["name"] for n in names] == ["Carl"]


def test_an_id_that_joins_too_many_is_listed_released_and_kept(counter: Site) -> None:
    page = counter.get("/identities").text
    assert "email:the-shops-own" in page
    assert "joins too many" in page
    project = counter.project
    (held,) = [h for h in project.identities.quarantined() if h.verdict == "held"]
    customers = {project.identities.customer_of("user", f"u{i}") for i in range(8)}
    assert len(customers) == 8
    post(counter, "/identities", "/identities", id=str(held.id.number), do="release")
    assert len({project.identities.customer_of("user", f"u{i}") for i in range(8)}) == 1
    post(counter, "/identities", "/identities", id=str(held.id.number), do="keep")
    assert {project.identities.customer_of("user", f"u{i}") for i in range(8)} == customers
    assert [e.action for e in project.audit.entries(2)] == ["id.quarantined", "id.released"]


def test_joining_is_previewed_done_and_undone_and_the_figures_follow(counter: Site) -> None:
    project = counter.project
    figures = figures_of(counter)
    one, other = (project.identities.find(u)[0][0].number for u in ("u1", "u2"))
    preview = counter.get("/identities/merge?one=u1&other=u2").text
    assert [int(n) for n in re.findall(r"data-events>(\d+)", preview)] == [1, 1, 2]
    assert figures_of(counter) == figures, "a preview changes nothing"
    done = post(counter, "/identities", "/identities/merge", one=str(one), other=str(other), why="she said so")
    assert done.status_code == 303
    assert project.identities.customer_of("user", "u1") == project.identities.customer_of("user", "u2")
    assert figures_of(counter) != figures
    told = counter.get(f"/identities/of/{one}").text
    assert "she said so" in told
    join = next(j for j in project.identities.joins(5) if j.said_by is not None)
    undoing = counter.get(f"/identities/undo/{join.number}").text
    assert [int(n) for n in re.findall(r"data-events>(\d+)", undoing)] == [2, 1, 1]
    assert post(counter, "/identities", f"/identities/undo/{join.number}").status_code == 303
    assert figures_of(counter) == figures
    again = post(counter, "/identities", f"/identities/undo/{join.number}")
    assert "undone before" in again.text


@pytest.mark.browser
def test_the_pages_of_who_is_who_are_accessible(counter: Site, page_of: PageOf) -> None:
    one = counter.project.identities.find("u1")[0][0].number
    page = page_of(width=390, locale="fi-FI", color_scheme="dark")
    for path in ("/identities", f"/identities/of/{one}", "/identities/merge?one=u3&other=u4", "/identities/undo/1"):
        page.goto(counter.url + path)
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


def test_what_customers_asked_is_a_page_and_data(counter: Site) -> None:
    post(counter, "/note", "/note", name="Dora", touchpoint="call", question="<b>Which size?</b>")
    page = counter.get("/note/questions").text
    assert "&lt;b&gt;Which size?" in page
    assert "not yet" in page
    told = counter.client.get("/api/questions?touchpoint=call").json()["questions"]
    assert [(q["touchpoint"], q["times"], q["in_map"]) for q in told if "size" in q["question"]] == [("call", 1, False)]
    assert counter.client.get("/note/questions?touchpoint=nowhere").status_code == 400
