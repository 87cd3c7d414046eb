"""The pages of consent, of a customer's rights and of privacy, with their forms."""

from __future__ import annotations

import datetime as dt
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from polku.record.project import create_project

from .conftest import Site, served

MAP = """\
polku: 1
title: A shop
timezone: Europe/Helsinki
stages:
  - {id: all, touchpoints: [{id: page, match: {event: page}}]}
"""

TOKEN = re.compile(r'name="token" value="([^"]*)"')


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A shop with two customers."""
    folder = tmp_path_factory.mktemp("desk") / "shop"
    with create_project(folder, "en") as project:
        (folder / "journey.yaml").write_text(MAP, encoding="utf-8")
        time = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
        for number, who in enumerate(("anna", "bert"), 1):
            project.inbox.append([{"event_id": f"e{number}", "time": time, "event": "page", "user_id": who}])
        yield from served(project)


def post(site: Site, path: str, **fields: str) -> Any:
    """Send a form of bert's page, who stays."""
    token = TOKEN.search(site.client.get("/rights?customer=bert").text)
    assert token is not None
    headers = {"Accept-Language": "en", "Origin": site.url}
    return site.client.post(path, data={"token": token[1], **fields}, headers=headers)


PAGES = ("/consent", "/settings/privacy", "/privacy-notice", "/rights?customer=bert", "/settings/privacy/processing.md")


@pytest.mark.parametrize("language", ["fi", "en"])
@pytest.mark.parametrize("path", PAGES)
def test_pages_are_drawn(desk: Site, path: str, language: str) -> None:
    answer = desk.client.get(path, headers={"Accept-Language": language})
    assert answer.status_code == 200
    assert "<script>" not in answer.text


def test_a_decision_is_noted(desk: Site) -> None:
    post(desk, "/rights/consent", customer="bert", purpose="email", decision="give", source="<b>call</b>")
    shown = desk.client.get("/rights?customer=bert", headers={"Accept-Language": "en"}).text
    assert "<b>email</b>: given" in shown
    assert "&lt;b&gt;call" in shown
    assert desk.client.get("/api/consents/bert").json()["granted"] == ["email"]
    assert desk.client.get("/api/consents").json()["purposes"][0]["granted"] == 1
    assert "email" in desk.client.get("/consent").text


def test_all_that_is_held_is_handed_over(desk: Site) -> None:
    answer = post(desk, "/rights/handover", customer="bert")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert sorted(archive.namelist()) == ["asiakas.html", "customer.html", "customer.json"]
        told = json.loads(archive.read("customer.json"))
        assert [each["event_id"] for each in told["events"]] == ["e2"]
        assert {"kind": "user", "value": "bert"} in told["ids"]
        assert "Tietosi: bert" in archive.read("asiakas.html").decode()


def test_erasing_needs_the_id_once_more(desk: Site) -> None:
    refused = post(desk, "/rights/forget", customer="anna", confirm="bert")
    assert refused.status_code == 400
    assert "nothing was erased" in refused.text
    assert desk.client.get("/rights?customer=anna").status_code == 200
    done = post(desk, "/rights/forget", customer="anna", confirm="anna")
    if done.status_code == 303:
        done = desk.client.get(done.headers["location"], headers={"Accept-Language": "en"})
    assert re.search(r"Receipt E-\d{8}-\w+", done.text)
    assert "anna" not in done.text
    assert desk.client.get("/rights?customer=anna").status_code == 400
    assert re.search(r"E-\d{8}-\w+", desk.client.get("/settings/privacy").text)


def test_another_sites_form_erases_nobody(desk: Site) -> None:
    answer = desk.client.post("/rights/forget", data={"customer": "bert", "confirm": "bert", "token": "guessed"})
    assert answer.status_code == 403
    assert desk.client.get("/rights?customer=bert").status_code == 200


def test_the_notice_says_what_the_settings_do(tmp_path: Path) -> None:
    from polku.language import Reader
    from polku.record.processing import markdown, notice, processing

    folder = tmp_path / "shop"
    folder.mkdir()
    settings = """\
[privacy]
controller = "Kauppa Oy"
contact = "tuki@kauppa.example"
[consent]
denied = "anonymous"
[retention]
events = 730
"""
    (folder / "polku.toml").write_text(settings, encoding="utf-8")
    with create_project(folder, "fi") as project:
        told = markdown("Tietosuojaseloste", notice(project, Reader("fi")))
        assert "Kauppa Oy" in told
        assert "Se, mitä teet asiakkaanamme: 2 vuotta" in told
        assert "[valitse aika: polku.toml, retention.contacts" in told, "what nobody has chosen is not made up"
        assert "Voit vastustaa tätä" in told
        assert "Tietosuojavastaava" not in told
        assert "laskemme käyntisi ilman mitään tunnistetta" in told
        record = markdown("", processing(project, Reader("fi")))
        assert "privacy.controller" not in record
        assert "Asiakkaiden tapahtumat: 2 vuotta" in record
    strict = '[privacy]\nofficer = "Maija, tsv@kauppa.example"\n[consent]\nunknown = "refuse"\n'
    (folder / "polku.toml").write_text(strict, encoding="utf-8")
    with create_project(folder, "fi") as project:
        told = markdown("Tietosuojaseloste", notice(project, Reader("fi")))
        assert "Emme tallenna sitä, mitä teet ennen kuin suostumustasi on kysytty." in told
        assert "Voit vastustaa tätä" not in told
        assert "Tietosuojavastaava: Maija" in told
