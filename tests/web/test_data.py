"""The same as data: stories, lists and measures as JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest

from . import world
from .conftest import Site, served
from .reading import read


def test_a_story(site: Site) -> None:
    story = site.get("/api/customers/customer-12").json()
    assert [c["to_stage"] for c in story["changes"] if c["kind"] == "entered"] == [
        "awareness",
        "consideration",
        "decision",
        "loyalty",
    ]
    assert all(c["reason"] for c in story["changes"])
    events = [e for s in story["sessions"] for e in s["entries"] if "event" in e]
    assert len(events) == story["events"] == story["shown"]
    assert ["order_id", "o12"] in next(e for e in events if e["event"] == "Order Completed")["properties"]
    assert story["ids"] == [{"kind": "user", "value": "customer-12"}]
    assert story["value"] == pytest.approx(64.9 + 12 + 20)
    times = [e["time"] for s in story["sessions"] for e in s["entries"]]
    assert times == sorted(times)
    alone = [s for s in story["sessions"] if not s["events"]]
    assert [e["kind"] for s in alone for e in s["entries"]] == ["lapsed"]
    assert story["lapsed"]
    short = site.get("/api/customers/customer-12?events=2").json()
    assert (short["shown"], short["events"]) == (2, story["events"])
    assert site.get("/api/customers/customer-00").json()["traits"] == {"segment": "fashion", "city": "Turku"}


def test_lists_as_csv(site: Site) -> None:
    response = site.get("/customers?format=csv&order=name")
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in response.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"))))
    assert len(rows) == site.get("/api/customers").json()["total"] == 61
    assert {r["customer"] for r in rows} >= {"customer-00", world.NASTY}
    assert rows[0]["last_seen"].endswith("Z")
    table = site.get("/measures/funnel?steps=product,order&format=csv")
    assert len(list(csv.reader(io.StringIO(table.content.decode("utf-8-sig"))))) == 3


def test_pages_of_a_list(site: Site) -> None:
    first = read(site.get("/customers"))
    following = next(a for a in first.links if "offset=" in a)
    second = read(site.get(following))
    keys = [{a for a in page.links if re.match(r"/customers/[^?]", a)} for page in (first, second)]
    assert [len(k) for k in keys] == [50, 11]
    assert not keys[0] & keys[1]


def test_openapi(site: Site) -> None:
    described = site.get("/api/openapi.json").json()
    assert set(described["paths"]) >= {
        "/api/map", "/api/customers", "/api/customers/{key}", "/api/measures/{name}", "/api/version", "/health",
    }  # fmt: skip
    assert all(o["description"] for p in described["paths"].values() for o in p.values())
    assert "cdn" not in site.get("/api").text


@pytest.mark.parametrize(
    "name",
    ["stages", "conversion", "leaving", "bounce", "exit", "funnel?steps=product,order", "sources", "first_order"],
)
def test_measures_as_data(site: Site, name: str) -> None:
    found = site.get(f"/api/measures/{name}")
    assert found.status_code == 200
    json.dumps(found.json())


def test_a_measures_page_opens_with_all_time(tmp_path: Path) -> None:
    """Where the map gives 30 days to convert, nobody of the last 30 days has had them: all time tells more."""
    file = tmp_path / "map.yaml"
    file.write_text(world.MAP.read_text(encoding="utf-8").replace("window: 7d", "window: 30d"), encoding="utf-8")
    with world.make(tmp_path / "shop", map_file=file) as project:
        for site in served(project):
            late = site.get("/measures/sources?period=30d").text
            assert "nobody has had their time yet" in late
            usual = site.get("/measures/sources").text
            assert re.search(r'<option value="all" selected>', usual)
            assert "nobody has had their time yet" not in usual
            assert site.get("/api/measures/sources").json() == site.get("/api/measures/sources?period=all").json()
            link = re.search(r'<h3><a href="(/measures/first_order[^"]*)"', site.get("/").text)
            assert link
            assert "period=30d" in link[1], "what the map shows is what its link opens"
