"""Every page in both languages: what it says, that its markup is whole, and that what is wrong is told."""

from __future__ import annotations

import asyncio
import html
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from markupsafe import escape

from polku.journey import templates
from polku.journey.load import load_journey
from polku.language import translate
from polku.web.app import POLICY
from polku.web.mapview import LISTS, SHORT, listed
from polku.web.words import DEFINITIONS

from . import world
from .conftest import Site
from .inprocess import loop_in_a_thread
from .reading import other_texts, read, web_texts

PAGES = (
    "/",
    "/?view=plan",
    "/?view=actual&period=7d&compare=previous",
    "/?period=all&persona=sara&group=channel",
    "/?period=all&persona=mikko",
    "/?since=2026-05-01&until=2026-05-20&compare=year&segment=buyers",
    "/customers",
    "/customers?stage=decision&order=value",
    "/customers?touchpoint=cart&search=CUSTOMER-1",
    "/customers?search=nobody",
    "/customers/customer-12",
    "/definition",
    *(f"/definition/{key}" for key in DEFINITIONS),
    "/definition/funnel",
    "/map/source",
    "/measures",
    "/measures/stages?compare=previous",
    "/measures/conversion?from=product&to=order&within=7d",
    "/measures/leaving",
    "/measures/bounce",
    "/measures/exit",
    "/measures/funnel",
    "/measures/funnel?steps=product,order&by=session",
    "/measures/sources",
    "/measures/first_order",
    "/api",
)


BROKEN = (
    ("/?perod=7d", 400),
    ("/?view=maybe", 400),
    ("/?persona=nobody", 400),
    ("/?period=custom", 400),
    ("/?since=1.5.2026", 400),
    ("/?lang=sv", 400),
    ("/customers?behind=stage:nowhere:now", 400),
    ("/customers?behind=what", 400),
    ("/customers?behind=stage:decision", 400),
    ("/customers?offset=-1", 400),
    ("/customers?stage=nowhere", 400),
    ("/customers?order=luck", 400),
    ("/customers/unheard-of", 404),
    ("/customers/unheard/of?events=0", 400),
    ("/definition/luck", 404),
    ("/measures/luck", 404),
    ("/measures/funnel?steps=product", 400),
    ("/measures/funnel?steps=product,luck", 400),
    ("/measures/funnel?within=soon", 400),
    ("/measures/conversion?bye=session", 400),
    ("/nothing/here", 404),
    ("/static/none.css", 404),
)


@pytest.mark.parametrize("language", ["fi", "en"])
@pytest.mark.parametrize("path", PAGES)
def test_every_page(site: Site, path: str, language: str) -> None:
    response = site.get(path, language)
    assert response.status_code == 200, response.text[-2000:]
    assert response.headers["content-language"] == language
    assert response.headers["content-security-policy"] == POLICY
    page = read(response)
    assert page.faults == []
    assert len(page.ids) == len(set(page.ids))
    assert f'<html lang="{language}">' in response.text
    assert all(not urlsplit(link).scheme for link in page.links), "a page loads or links nothing outside"
    assert "None" not in page.texts
    if language == "fi":
        english = {t for t in {*web_texts(), *other_texts()} if "{" not in t and len(t) > 3 and translate("fi", t) != t}
        assert [t for t in page.texts if t in english] == []
        for key in english:
            if len(key) > 12:
                assert html.escape(key) not in response.text


@pytest.mark.parametrize(("path", "status"), BROKEN)
def test_errors_are_pages(site: Site, path: str, status: int) -> None:
    for language in ("fi", "en"):
        response = site.get(path, language)
        assert response.status_code == status, response.text[-2000:]
        if path.startswith("/static"):
            continue
        page = read(response)
        assert page.faults == []
        assert "Traceback" not in response.text
        assert translate(language, "Map") in page.texts
        data = site.get(
            "/api" + path if path.startswith(("/customers", "/measures", "/nothing")) else "/api/map" + path[1:],
            language,
        )
        if not path.startswith(("/?view", "/definition")):
            assert data.status_code == status
            assert data.json()["error"]["message"]


def test_the_nearest_name_is_a_link(site: Site) -> None:
    page = read(site.get("/?perod=7d&view=plan"))
    assert "/?period=7d&view=plan" in page.links
    assert any("period" in t for t in page.texts)


def test_the_lists_of_the_plan_begin_with_the_stages_own(tmp_path: Path) -> None:
    file = next(f for f in templates.write(tmp_path / "shop", "shop-5", "en") if f.name == "journey.yaml")
    journey = load_journey(file)
    for stage in journey.stages:
        for key, _ in LISTS:
            found = listed(stage, key)
            texts = [str(i.text) for i in (*found.first, *found.further)]
            assert len(texts) == len(set(texts))
            own = [str(t) for t in getattr(stage, key, ())] if key not in ("goals", "owner") else []
            assert texts[: len(own)] == own
            assert len(found.first) <= max(SHORT + 1, len(own))
            assert len(found.further) != 1


def test_a_touchpoint_leads_to_the_rules_that_it_sets_off(site: Site) -> None:
    page = site.get("/").text
    cards = {id: page.partition(f'id="touchpoint-{id}"')[2].partition("</section>")[0] for id in ("cart", "order")}
    link = '<a href="/guidance/cart_reminder">Cart reminder</a> (draft)'
    assert link in cards["cart"]
    assert link not in cards["order"]  # what calls a rule off does not set it off
    assert page.count('<a href="/guidance/cart_reminder">') == 2  # and the lane of guidance
    measured = site.get("/?view=actual").text
    assert "/guidance/cart_reminder" not in measured


def test_what_customers_wrote_is_only_text(site: Site) -> None:
    response = site.get("/customers")
    assert "<script>alert" not in response.text
    assert html.escape(world.NASTY, quote=False) in response.text or "&lt;script&gt;" in response.text
    link = next(a for a in read(response).links if "script" in a)
    story = site.get(link)
    assert story.status_code == 200
    assert "<script>alert" not in story.text
    assert "<b>testit" not in site.get("/", "fi").text


def test_an_empty_project_has_a_map(tmp_path: Path) -> None:
    from polku.record.project import create_project

    from .conftest import served

    (tmp_path / "journey.yaml").write_text(world.MAP.read_text(encoding="utf-8"), encoding="utf-8")
    with create_project(tmp_path, "en") as project:
        for site in served(project):
            for path in ("/", "/?view=plan", "/customers", "/measures/funnel", "/measures/stages", "/measures/sources"):
                response = site.get(path)
                assert response.status_code == 200, path
                assert read(response).faults == []
            told = site.get("/?lang=fi").text
            assert "Tapahtumia ei vielä ole" in told
            assert 'id="warnings"' not in told, "what was never seen is no news while nothing was"
            assert "nothing-yet" not in site.get("/?view=plan").text


def test_what_the_api_offers_is_told_in_the_readers_language(site: Site) -> None:
    finnish, english = site.get("/api?lang=fi").text, site.get("/api?lang=en").text
    described = [op for methods in site.get("/api/openapi.json").json()["paths"].values() for op in methods.values()]
    told = [op["description"] for op in described]
    told += [each["description"] for op in described for each in op.get("parameters", ())]
    assert len(told) > 30
    for text in told:
        assert str(escape(text)) in english
        assert str(escape(text)) not in finnish, text


def test_the_source_has_the_lines_that_the_map_links_to(site: Site) -> None:
    lines = world.MAP.read_text(encoding="utf-8").splitlines()
    links = re.findall(r'href="/map/source#L(\d+)" title="[^"]*">([^<]*)<', site.get("/?view=plan", "en").text)
    assert len(links) == 8
    for line, title in links:
        near = "\n".join(lines[int(line) - 1 : int(line) + 2])
        assert html.unescape(title) in near


def test_an_unforeseen_error_is_a_plain_page(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from polku.web.app import create_app
    from polku.web.measured import ProjectAnswers

    class Broken(ProjectAnswers):
        def journey(self) -> Any:
            raise ZeroDivisionError("secret detail")

    app = create_app(site.project, answers=Broken(site.project))
    messages: list[Any] = []

    async def ask() -> None:
        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            messages.append(message)

        scope = {
            "type": "http", "method": "GET", "path": "/", "raw_path": b"/", "query_string": b"", "scheme": "http",
            "headers": [(b"accept-language", b"fi")], "server": ("127.0.0.1", 80), "http_version": "1.1",
            "root_path": "",
        }  # fmt: skip
        await app(scope, receive, send)

    with loop_in_a_thread() as loop, pytest.raises(ZeroDivisionError):  # the server logs it
        asyncio.run_coroutine_threadsafe(ask(), loop).result(60)
    assert messages[0]["status"] == 500
    body = b"".join(m.get("body", b"") for m in messages[1:]).decode()
    assert "secret" not in body
    assert "lokissa" in body
