"""Every number on a page is what the list behind it holds, and every link leads somewhere."""

from __future__ import annotations

import html
import re

from .conftest import Site
from .reading import Reading, read


def test_no_link_is_dead(site: Site) -> None:
    """Every link of every page leads to a page, and every anchor to a place on it."""
    todo, seen = ["/", "/?view=plan&period=all", "/?compare=previous&period=all", "/measures/funnel"], set()
    pages: dict[str, Reading] = {}
    while todo and len(seen) < 400:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        response = site.get(path)
        assert response.status_code == 200, path
        if not response.headers["content-type"].startswith("text/html"):
            continue
        pages[path] = page = read(response)
        for link in page.links:
            target = link if not link.startswith(("#", "?")) else path.split("?" if link[0] == "?" else "#")[0] + link
            base, _, anchor = target.partition("#")
            if base not in seen and not base.startswith("/customers/"):
                todo.append(base)
            if anchor and base in pages:
                assert anchor in pages[base].ids, target


def test_every_number_is_the_length_of_its_list(site: Site) -> None:
    """The number on the map and the total of the list behind it are the same, for every number on the page."""
    for query in (
        "?period=all",
        "?period=30d&compare=previous",
        "?period=all&segment=buyers",
        "?period=all&persona=sara",
    ):
        text = site.get("/" + query).text
        found = re.findall(r'<a class="num" href="(/customers[^"]*)"[^>]*>([^<]*)</a>', text)
        assert len(found) > 20
        for link, shown in found:
            number = int(re.sub(r"\D", "", shown))
            listed = site.get("/api" + html.unescape(link)).json()
            assert listed["total"] == number, (link, number)


def test_every_number_of_every_measure_is_the_length_of_its_list(site: Site) -> None:
    """A count that opens customers counts customers; where visits are counted, the share opens them."""
    asked = ["stages", "conversion", "bounce", "exit", "leaving", "funnel?steps=product,cart,order", "sources"]
    asked += ["funnel?steps=product,cart,order&by=session", "conversion?by=session"]
    asked += ["exit?from=product", "bounce?by=touchpoint"]
    checked = 0
    for name in asked:
        response = site.get(f"/measures/{name}{'&' if '?' in name else '?'}period=all")
        assert response.status_code == 200, name
        for link, shown in re.findall(r'<a href="(/customers[^"]*)"[^>]*>([^<]*)</a>', response.text):
            if not re.fullmatch(r"[\d\s,]+", shown):
                continue
            listed = site.get("/api" + html.unescape(link)).json()
            assert listed["total"] == int(re.sub(r"\D", "", shown)), (name, link)
            checked += 1
    assert checked > 30


def test_the_shop_as_it_was_told(site: Site) -> None:
    """Numbers that can be counted by hand in tests/web/world.py."""
    found = site.get("/api/map?period=all").json()
    touchpoints = {t["id"]: t for t in found["touchpoints"]}
    reached = {id: t["figures"]["reached"]["n"] for id, t in touchpoints.items()}
    assert reached["instagram_ad"] == 30
    assert reached["product"] == 41  # 40 and the one with the nasty name
    assert reached["size_guide"] == 15
    assert reached["cart"] == 20
    assert reached["order"] == 10
    assert reached["party"] == 0
    stages = {s["id"]: s for s in found["stages"]}
    assert stages["loyalty"]["figures"]["reached"]["n"] == 5
    kinds = {(id, d["kind"]) for id, t in touchpoints.items() for d in t["deviations"]}
    assert ("newsletter", "no_data") in kinds
    assert ("order", "failed") in kinds
    assert any(d["page"] == "/lahjakortti" for d in found["ad_hoc"])
    assert [g["id"] for g in found["goals"]] == ["first_order"]
