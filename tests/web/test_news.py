"""Pages that did not change, pages that did, and what has only just arrived."""

from __future__ import annotations

import json

from polku.trails.lock import locked

from . import world
from .conftest import Site
from .reading import read


def test_unchanged_pages_are_not_sent_again(site: Site) -> None:
    first = site.get("/?period=all")
    assert first.headers["vary"] == "Accept-Language, Cookie"
    again = site.get("/?period=all", **{"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    since = site.get("/?period=all", **{"If-Modified-Since": first.headers["last-modified"]})
    assert since.status_code == 304
    other = site.get("/?period=all", "fi", **{"If-None-Match": first.headers["etag"]})
    assert other.status_code == 200


def test_a_change_makes_a_new_page(own_site: Site) -> None:
    before = own_site.get("/?period=all")
    version = own_site.get("/api/version").json()["version"]
    assert own_site.get("/api/version").json()["version"] == version
    world.add(own_site.project, {"newcomer": [(world.LAST, "Product Added", {})]})
    assert own_site.get("/api/version").json()["version"] != version
    after = own_site.get("/?period=all", **{"If-None-Match": before.headers["etag"]})
    assert after.status_code == 200
    assert after.headers["etag"] != before.headers["etag"]


def test_what_just_arrived_is_on_the_map(own_site: Site) -> None:
    """Events still in the inbox, not yet in history: counted, listed and told like all others."""

    def carts() -> int:
        touchpoints = own_site.get("/api/map?period=all").json()["touchpoints"]
        return int(next(t for t in touchpoints if t["id"] == "cart")["figures"]["reached"]["n"])

    before, version = carts(), own_site.get("/api/version").json()["version"]
    event = {"event_id": "live-1", "time": world.LAST, "event": "Product Added", "source": "live", "channel": "web",
             "user_id": "live one", "properties": json.dumps({"product_id": "p1"})}  # fmt: skip
    own_site.project.inbox.append([event])
    assert own_site.get("/api/version").json()["version"] != version
    assert carts() == before + 1
    assert own_site.get("/api/customers?search=LIVE+o").json()["rows"][0]["key"] == "live one"
    story = own_site.get("/api/customers/live%20one").json()
    assert [
        (e["event"], e["source"], e["properties"]) for s in story["sessions"] for e in s["entries"] if "event" in e
    ] == [("Product Added", "live", [["product_id", "p1"]])]


def test_a_page_made_while_another_takes_the_news_in_does_not_stay(own_site: Site) -> None:
    """Whoever asks meanwhile gets the map before; it is not kept for those who ask when nothing arrives any more."""
    own_site.get("/?period=all")
    before = own_site.get("/api/version").json()["version"]
    event = {"event_id": "late-1", "time": world.LAST, "event": "Product Added", "source": "live", "user_id": "late"}
    own_site.project.inbox.append([event])
    with locked(own_site.project.data / "trails" / "lock") as held:
        assert held
        old = own_site.get("/?period=all")
        shown = own_site.get("/api/version").json()["version"]
    assert shown != before
    new = own_site.get("/?period=all")
    assert new.headers["etag"] != old.headers["etag"]
    settled = own_site.get("/api/version").json()["version"]
    assert own_site.get("/?period=all").headers["etag"] == new.headers["etag"]
    assert own_site.get("/api/version").json()["version"] == settled


def test_a_faulty_map_is_told_with_its_lines(own_site: Site) -> None:
    file = own_site.project.folder / "journey.yaml"
    good = file.read_text(encoding="utf-8")
    file.write_text(
        good.replace("goal: {fi: Onko", "gaol: {fi: Onko").replace("count(order) >= 2", "count(ordre) >= 2"),
        encoding="utf-8",
    )
    for language in ("fi", "en"):
        response = own_site.get("/", language)
        assert response.status_code == 500
        page = read(response)
        assert sum("/map/source#L" in link for link in page.links) >= 2
        assert any("ordre" in t for t in page.texts)
        source = own_site.get("/map/source", language)
        assert source.status_code == 200
        assert "gaol" in source.text
        assert own_site.get("/customers", language).status_code == 500
    health = own_site.get("/health")
    assert (health.status_code, health.json()["status"]) == (200, "ok"), "alive, whatever the map is"
    assert health.json()["map"].startswith("map")
    file.write_text(good, encoding="utf-8")
    assert own_site.get("/").status_code == 200
    assert own_site.get("/health").json() == {"status": "ok", "map": "ok"}
