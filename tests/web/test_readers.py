"""What is the reader's own: language, numbers, time zone."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from . import world
from .conftest import Site, served
from .reading import read


def test_languages(site: Site) -> None:
    assert "Asiakkaat" in site.get("/", "sv, fi;q=0.5, en;q=0.2").text
    assert "Customers" in site.get("/", "en").text
    assert "Asiakkaat" in site.get("/", "sv").text  # the project's own
    chosen = site.get("/?lang=en", "fi")
    assert "Customers" in chosen.text
    cookie = chosen.headers["set-cookie"]
    assert cookie.startswith("polku_lang=en;")
    assert "SameSite=Lax" in cookie
    assert "Customers" in site.get("/", "fi", Cookie="polku_lang=en").text
    switch = next(a for a in read(site.get("/?view=plan", "fi")).links if "lang=" in a)
    assert parse_qs(urlsplit(switch).query) == {"view": ["plan"], "lang": ["en"]}


def test_numbers_are_the_readers(site: Site) -> None:
    assert re.search(r"\d,\d\s%", site.get("/?period=all", "fi").text)
    assert re.search(r"\d\.\d%", site.get("/?period=all", "en").text)


def shown_at(site: Site, path: str = "/?period=all", language: str = "en", **headers: str) -> str:
    found = re.search(r"as of ([^<]*)</span>", site.get(path, language, **headers).text)
    assert found
    return found[1]


@pytest.mark.parametrize(
    ("query", "cookie", "shown"),
    [
        ("", "", "10 Jun 2026 15:00 (Europe/Helsinki)"),  # the map's
        ("", "tz=America/New_York", "10 Jun 2026 08:00 (America/New_York)"),  # the browser's
        ("", "tz=Pacific/Auckland", "11 Jun 2026 00:00 (Pacific/Auckland)"),
        ("", "tz=America/New_York; polku_tz=UTC", "10 Jun 2026 12:00 (UTC)"),  # a choice goes first
        ("", "tz=America/New_York; polku_tz=map", "10 Jun 2026 15:00 (Europe/Helsinki)"),
        ("&tz=UTC", "tz=America/New_York", "10 Jun 2026 12:00 (UTC)"),
        ("&tz=map", "tz=America/New_York", "10 Jun 2026 15:00 (Europe/Helsinki)"),
        ("&tz=browser", "tz=America/New_York; polku_tz=UTC", "10 Jun 2026 08:00 (America/New_York)"),
        ("", "tz=Mars/Olympus", "10 Jun 2026 15:00 (Europe/Helsinki)"),
        ("", "tz=../../etc/passwd", "10 Jun 2026 15:00 (Europe/Helsinki)"),
    ],
)
def test_times_are_in_the_readers_zone(site: Site, query: str, cookie: str, shown: str) -> None:
    assert world.LAST.hour == 12
    assert shown_at(site, "/?period=7d" + query, **({"Cookie": cookie} if cookie else {})) == shown


def test_a_zone_that_nobody_knows_is_told(site: Site) -> None:
    told = site.get("/", Cookie="tz=Mars/Olympus").text
    assert "its time zone is Mars/Olympus, which this server does not know. Times are those of Europe/Helsinki." in told
    refused = site.get("/?tz=Europe/Helsinky")
    assert refused.status_code == 400
    assert "/?tz=Europe%2FHelsinki" in read(refused).links
    assert "Aikavyöhykettä" in site.get("/customers?tz=Mars", "fi").text
    assert site.get("/api/customers?tz=Mars").status_code == 400


def test_a_chosen_zone_is_kept_and_let_go(site: Site) -> None:
    assert site.get("/?tz=UTC").headers["set-cookie"].startswith("polku_tz=UTC; Path=/; Max-Age=31536000")
    assert "Max-Age=0" in site.get("/?tz=browser").headers["set-cookie"]
    assert "set-cookie" not in site.get("/?tz=Mars").headers
    page = read(site.get("/?view=plan", Cookie="tz=America/New_York"))
    assert "/?view=plan&tz=map" in page.links
    back = read(site.get("/?view=plan", Cookie="tz=America/New_York; polku_tz=map"))
    assert "/?view=plan&tz=browser" in back.links


def test_the_days_of_a_period_are_the_maps_for_every_reader(site: Site) -> None:
    """One address, one set of numbers: only how times are written moves with the reader."""
    path = "/api/map?since=2026-05-03&until=2026-05-04"
    assert site.get(path, Cookie="tz=Pacific/Auckland").json() == site.get(path).json()
    listed = "/customers?behind=touchpoint:product:entered:2026-05-03..2026-05-05"
    for zone in ("Pacific/Auckland", "America/New_York"):
        page = site.get(listed, Cookie=f"tz={zone}").text
        assert "3 May 2026 – 4 May 2026" in page, "the period above a list is in the map's days"


def test_a_story_is_told_in_the_readers_zone(site: Site) -> None:
    path = "/customers/customer-00"  # begins on 1 May 2026 at 9:00 UTC
    assert "1 May 2026 12:00" in site.get(path).text
    assert "1 May 2026 05:00" in site.get(path, Cookie="tz=America/New_York").text


def test_the_project_may_name_a_zone_for_those_who_tell_none(tmp_path: Path) -> None:
    (tmp_path / "polku.toml").write_text('timezone = "Asia/Tokyo"', encoding="utf-8")
    with world.make(tmp_path) as project:
        for site in served(project):
            assert shown_at(site) == "10 Jun 2026 21:00 (Asia/Tokyo)"
            assert shown_at(site, Cookie="tz=UTC") == "10 Jun 2026 12:00 (UTC)"
