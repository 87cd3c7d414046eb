"""Every number on a page is what the list behind it holds, and every link leads somewhere."""

from __future__ import annotations

import html
import re

import pytest

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
        if response.status_code == 303:  # a form that was sent empty leads to the page that asks
            todo.append(response.headers["location"])
            continue
        assert response.status_code == 200, path
        if not response.headers["content-type"].startswith("text/html"):
            continue
        pages[path] = page = read(response)
        for link in page.links:
            if "://" in link:  # the docs name papers and tools
                continue
            target = link if not link.startswith(("#", "?")) else path.split("?" if link[0] == "?" else "#")[0] + link
            base, _, anchor = target.partition("#")
            if base not in seen and not base.startswith("/customers/"):
                todo.append(base)
            if anchor and base in pages:
                assert anchor in pages[base].ids, target


LISTED = re.compile(r'<a (?=[^>]*href="(/customers[^"]*)")(?=[^>]*data-n="(\d+)")([^>]*)>')
UNIT = re.compile(r'data-unit="(\w+)"')


def held(site: Site, link: str, seen: dict[str, int]) -> int:
    """How many customers the list at ``link`` holds."""
    if link not in seen:
        seen[link] = site.get("/api" + html.unescape(link)).json()["total"]
    return seen[link]


def check_numbers(site: Site, text: str, seen: dict[str, int]) -> tuple[int, int]:
    """Every number that opens a list is the list's length; one of visits, events or answers opens their customers.

    Returns how many numbers of customers there were, and how many of something else.
    """
    counted = others = 0
    for link, n, more in LISTED.findall(text):
        total = held(site, link, seen)
        if UNIT.search(more):
            assert total <= int(n), (link, n)
            assert (total > 0) == (int(n) > 0), (link, n)
            others += 1
        else:
            assert total == int(n), (link, n)
            counted += 1
    return counted, others


def test_every_number_is_the_length_of_its_list(site: Site) -> None:
    """The number on the map and the total of the list behind it are the same, for every number on the page: those in
    the period, in the compared one, numerators, denominators, those timed, those behind a target."""
    seen: dict[str, int] = {}
    for query in (
        "?period=all",
        "?since=2026-05-20&until=2026-06-05&compare=previous",
        "?period=all&segment=buyers",
        "?period=all&persona=sara",
    ):
        text = site.get("/" + query).text
        counted, others = check_numbers(site, text, seen)
        assert counted > 60
        assert others >= 8
        assert '<span class="num">' not in text, "a number that opens nothing"


@pytest.mark.parametrize(
    "label",
    ["median time", "Dropped off", "Went on", "Value", "Events in the period", "Feeling", "Came in the period"],
)
def test_each_figure_opens_its_customers(site: Site, label: str) -> None:
    """Not one figure of a stage or touchpoint stands without a link, beside its definition's."""
    text = site.get("/?period=all").text
    rows = re.findall(rf'<div class="kv[^"]*">(?:<span>)?(?:<a class="term"[^>]*>)?{label}<.*?</div>', text, re.DOTALL)
    assert rows
    shown = [row for row in rows if re.search(r">[^<]*\d[^<]*<", row)]
    assert shown
    for row in shown:
        assert "/customers?behind=" in row, row


def test_money_opens_those_who_paid(site: Site) -> None:
    text = site.get("/?period=all").text
    (link,) = set(re.findall(r'href="(/customers\?behind=touchpoint%3Aorder%3Apaid[^"]*)"', text))
    assert held(site, link, {}) == 10
    assert "Order: paid here in the period" in site.get(html.unescape(link)).text


def test_answers_open_those_who_answered(site: Site) -> None:
    text = site.get("/?period=all").text
    links = set(re.findall(r'href="(/customers\?behind=touchpoint%3Aorder%3Aanswered[^"]*)" data-n="(\d+)"', text))
    ((link, n),) = links
    assert held(site, link, {}) == int(n) == 10


def test_every_number_of_every_measure_is_the_length_of_its_list(site: Site) -> None:
    asked = ["stages", "conversion", "bounce", "exit", "leaving", "funnel?steps=product,cart,order", "sources"]
    asked += ["funnel?steps=product,cart,order&by=session", "conversion?by=session", "leaving?by=customer"]
    asked += ["exit?from=product", "bounce?by=touchpoint", "sources?by=source", "conversion?from=product&within=7d"]
    seen: dict[str, int] = {}
    counted = others = 0
    for name in asked:
        response = site.get(f"/measures/{name}{'&' if '?' in name else '?'}period=all")
        assert response.status_code == 200, name
        found = check_numbers(site, response.text, seen)
        assert sum(found), name
        counted, others = counted + found[0], others + found[1]
    assert counted > 60
    assert others > 20


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
