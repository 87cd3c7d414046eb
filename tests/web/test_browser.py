"""The pages in a real browser: clicking, keys, small screens, the dark, paper, and live numbers."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from . import world
from .conftest import Site

pytestmark = [pytest.mark.browser, pytest.mark.long]
PageOf = Callable[..., Any]
DIGITS = re.compile(r"\d+")


def number_in(locator: Any) -> int:
    return int("".join(DIGITS.findall(locator.inner_text())))


def test_switch_between_plan_and_actual(site: Site, page_of: PageOf) -> None:
    page = page_of(locale="en-GB")
    page.goto(site.url + "/?period=all")
    assert page.get_by_role("heading", name="Cart reminder").is_visible()
    page.get_by_role("link", name="Actual").click()
    page.wait_for_url("**view=actual*")
    page.get_by_role("heading", name="Cart reminder").wait_for(state="detached")
    assert page.locator(".stage .n").first.is_visible()
    page.get_by_role("link", name="Plan", exact=True).click()
    page.wait_for_url("**view=plan*")
    page.get_by_role("heading", name="Cart reminder").wait_for()
    assert page.locator(".stage .n").count() == 0
    page.go_back()
    page.wait_for_url("**view=actual*")
    page.get_by_role("heading", name="Cart reminder").wait_for(state="detached")
    assert page.locator(".stage .n").first.is_visible()


def test_choices_take_effect_and_stay_in_the_address(site: Site, page_of: PageOf) -> None:
    page = page_of(locale="en-GB")
    page.goto(site.url + "/")
    page.locator("select[name=period]").select_option("all")
    page.wait_for_url("**period=all*")
    page.locator("select[name=persona]").select_option("sara")
    page.wait_for_url("**persona=sara*")
    assert "period=all" in page.url
    assert page.locator(".lane-name", has_text="E-mail").count() == 1
    page.locator("select[name=group]").select_option("stage")
    page.wait_for_url("**group=stage*")
    assert page.locator(".lane-name", has_text="E-mail").count() == 0
    page.reload()
    assert page.locator("select[name=persona]").input_value() == "sara"
    assert page.evaluate("document.activeElement.tagName") == "BODY"


def test_chosen_days(site: Site, page_of: PageOf) -> None:
    page = page_of(locale="en-GB")
    page.goto(site.url + "/")
    assert not page.get_by_label("First day").is_visible()
    page.locator("select[name=period]").select_option("custom")
    page.get_by_label("First day").fill("2026-05-01")
    page.get_by_label("First day").press("Tab")
    page.wait_for_url("**since=2026-05-01*")
    page.get_by_label("Last day").fill("2026-05-10")
    page.wait_for_url("**until=2026-05-10*")
    assert page.get_by_label("First day").input_value() == "2026-05-01"


def test_from_a_number_to_its_customers_to_a_story(site: Site, page_of: PageOf) -> None:
    page = page_of(locale="fi-FI")
    page.goto(site.url + "/?period=all")
    number = page.locator("#touchpoint-order .big a")
    n = number_in(number)
    assert n == 10
    number.click()
    page.wait_for_url("**/customers?behind=*")
    assert page.locator("tbody tr").count() == n
    page.get_by_role("link", name="customer-12", exact=True).click()
    page.wait_for_url("**/customers/customer-12")
    assert page.get_by_role("heading", name="customer-12").is_visible()
    assert page.locator(".changes li").count() >= 1
    assert page.locator(".timeline .clock").count() >= 5
    page.get_by_role("link", name="Asiakkaat").click()
    page.wait_for_url("**/customers")


def test_keyboard_only(site: Site, page_of: PageOf) -> None:
    page = page_of(locale="en-GB")
    page.goto(site.url + "/?period=all")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").bounding_box()["y"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    seen: list[str] = []
    for _ in range(900):
        page.keyboard.press("Tab")
        what = page.evaluate(
            """() => { const e = document.activeElement, r = e.getBoundingClientRect(), s = getComputedStyle(e);
            return [e.tagName + '|' + (e.getAttribute('href') || e.name || e.id || e.className),
                    r.width > 0 && r.height > 0, s.outlineStyle !== 'none' || e.tagName === 'BODY']; }"""
        )
        if what[0].startswith("BODY"):
            break
        assert what[1], f"{what[0]} has the focus and is not on the screen"
        assert what[2], f"{what[0]} has the focus and does not show it"
        seen.append(what[0])
    assert any("view=plan" in s for s in seen)
    assert "SELECT|persona" in seen
    assert any("/customers?behind=stage" in s for s in seen)
    assert any("/definition/went_on" in s for s in seen)
    assert any("/map/source#L" in s for s in seen)
    assert any(s.startswith("SUMMARY") for s in seen)
    links = page.evaluate("[...document.querySelectorAll('main a[href]')].filter(a => a.checkVisibility()).length")
    assert sum(s.startswith("A|") for s in seen) >= links
    page.locator("#touchpoint-order .big a").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/customers?behind=*")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/customers",
        "/customers/customer-12",
        "/definition",
        "/map/source",
        "/measures",
        "/measures/funnel",
        "/measures/sources",
    ],
)
def test_phone(site: Site, page_of: PageOf, path: str) -> None:
    page = page_of(width=360, height=740, locale="fi-FI", has_touch=True, is_mobile=True)
    page.goto(site.url + path)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    if path == "/":
        boxes = [s.bounding_box() for s in page.locator(".stage").all()]
        assert len({round(b["x"]) for b in boxes}) == 1
        assert [b["y"] for b in boxes] == sorted(b["y"] for b in boxes)
        assert page.get_by_role("heading", name="Kosketuspisteet").first.is_visible()


@pytest.mark.parametrize("width", [761, 1024, 1400, 2200])
def test_nothing_sticks_out(site: Site, page_of: PageOf, width: int) -> None:
    page = page_of(width=width, locale="fi-FI")
    for path in ("/?compare=previous&period=all", "/customers", "/measures/funnel"):
        page.goto(site.url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        clipped = page.evaluate(
            """[...document.querySelectorAll('.card, .stage-head, .kv, .tag, .goal, .concern, .lane-name span')]
            .filter(e => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1
              && getComputedStyle(e).display !== 'inline-flex')
            .map(e => e.className + ': ' + e.textContent.trim().slice(0, 60))"""
        )
        assert clipped == []
        wrapped = page.evaluate(
            "[...document.querySelectorAll('.num')].filter(e => e.getClientRects().length > 1).map(e => e.textContent)"
        )
        assert wrapped == []


def test_dark(site: Site, page_of: PageOf) -> None:
    light, dark = page_of(color_scheme="light"), page_of(color_scheme="dark")
    shades = []
    for page in (light, dark):
        page.goto(site.url + "/")
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        shades.append(sum(int(c) for c in DIGITS.findall(colour)[:3]))
    assert shades[0] > 600 > 200 > shades[1]


@pytest.mark.parametrize("query", ["?period=all", "?view=plan", "?group=stage&compare=previous"])
def test_the_whole_map_fits_one_sheet(site: Site, page_of: PageOf, tmp_path: Path, query: str) -> None:
    page = page_of(locale="fi-FI", color_scheme="dark")
    page.goto(site.url + "/" + query)
    page.wait_for_function("document.documentElement.classList.contains('js')")
    pdf = page.pdf(prefer_css_page_size=True, print_background=True)
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 1
    box = re.search(rb"/MediaBox\s*\[([^\]]*)\]", pdf)
    assert box is not None
    width, height = (float(n) for n in box[1].split()[2:])
    assert (round(width), round(height)) == (1191, 842)  # A3, landscape, in points
    assert page.evaluate("document.body.style.zoom") == ""


def test_reduced_motion(site: Site, page_of: PageOf) -> None:
    page = page_of(reduced_motion="reduce")
    page.goto(site.url + "/")
    page.locator(".n").first.evaluate("e => e.classList.add('changed')")
    assert page.locator(".n").first.evaluate("e => getComputedStyle(e).animationName") == "none"


def test_the_browser_tells_its_time_zone(site: Site, page_of: PageOf) -> None:
    """The first page is drawn without knowing it, and once more when it is another one; a choice goes first."""
    page = page_of(locale="en-GB", timezone_id="America/New_York")
    page.goto(site.url + "/?period=all")
    page.locator(".when", has_text="10 Jun 2026 08:00 (America/New_York)").wait_for()
    assert "America/New_York" in page.locator(".foot").inner_text()
    page.goto(site.url + "/customers/customer-00")
    assert "1 May 2026 05:00" in page.locator("main").inner_text()
    page.get_by_role("link", name="Times of the map: Europe/Helsinki").click()
    page.wait_for_url("**tz=map*")
    assert "1 May 2026 12:00" in page.locator("main").inner_text()
    page.goto(site.url + "/?period=all")
    assert "15:00 (Europe/Helsinki)" in page.locator(".when").inner_text(), "the choice is kept"
    page.get_by_role("link", name="Times of my browser: America/New_York").click()
    page.locator(".when", has_text="(America/New_York)").wait_for()


def test_lanes_line_up(site: Site, page_of: PageOf) -> None:
    """The name of every lane stands beside its cells, those of the personas and of each channel too."""
    page = page_of(locale="en-GB")
    page.goto(site.url + "/?period=all")
    names = page.locator(".lane-name").all_inner_texts()
    shown = [" ".join(name.split()) for name in names]
    assert shown[:5] == ["Rules of the stage", "Here now", "Personas", "Personas by stage", "Feeling"]
    assert [s for s in shown if s.startswith("Touchpoints")] == [
        "Touchpoints Social media", "Touchpoints E-mail", "Touchpoints Web", "Touchpoints Store",
    ]  # fmt: skip
    assert shown[-2:] == ["Guidance", "To do"]
    tops = page.evaluate(
        """[...document.querySelectorAll('.lane-name')].map(lane => {
            const row = [...lane.classList].find(c => c.startsWith('row-'));
            const cells = document.querySelectorAll('.map .' + row);
            return [lane, ...cells].map(e => Math.round(e.getBoundingClientRect().top))
        })"""
    )
    for row in tops:
        assert len(row) > 2
        assert max(row) - min(row) <= 60, "a card may be centred in its lane, no further"
    card = page.locator("#persona-sara")
    card.locator("summary").click()
    assert card.get_by_text("An invitation").is_visible()


def test_without_scripts(site: Site, page_of: PageOf) -> None:
    page = page_of(java_script_enabled=False, locale="en-GB")
    page.goto(site.url + "/")
    page.locator("select[name=period]").select_option("all")
    page.get_by_role("button", name="Update").click()
    page.wait_for_url("**period=all*")
    page.get_by_role("link", name="Plan", exact=True).click()
    page.wait_for_url("**view=plan*")


def test_live_numbers_come_in_and_nothing_else_moves(own_site: Site, page_of: PageOf) -> None:
    page = page_of(locale="en-GB")
    page.goto(own_site.url + "/?period=all")
    number = page.locator("#touchpoint-cart .big")
    before = number_in(number)
    page.locator("#touchpoint-cart summary").click()
    page.locator("#touchpoint-order .big a").focus()
    page.evaluate("window.scrollTo(0, 300); window.kept = document.querySelector('#touchpoint-cart')")
    late = {"newcomer": [(world.LAST, "Product Viewed", {}), (world.LAST, "Product Added", {})]}
    world.add(own_site.project, late)  # type: ignore[arg-type]
    page.wait_for_function(
        "n => Number(document.querySelector('#touchpoint-cart .big').textContent.replace(/\\\\D/g, '')) === n",
        arg=before + 1,
        timeout=20000,
    )
    assert page.evaluate("window.kept === document.querySelector('#touchpoint-cart')")
    assert page.evaluate("document.querySelector('#touchpoint-cart details').open")
    assert page.evaluate("document.activeElement.closest('#touchpoint-order') !== null")
    assert page.evaluate("window.scrollY") == 300
    assert page.locator("#told").inner_text() == "The numbers have changed."


def test_the_map_file_is_followed(own_site: Site, page_of: PageOf) -> None:
    page = page_of(locale="en-GB")
    page.goto(own_site.url + "/")
    file = own_site.project.folder / "journey.yaml"
    text = file.read_text(encoding="utf-8").replace("en: Product page}", "en: The page of a product}")
    file.write_text(text, encoding="utf-8")
    page.get_by_role("heading", name="The page of a product").wait_for(timeout=20000)


@pytest.mark.parametrize(
    ("scheme", "language", "width"),
    [("light", "fi", 1400), ("dark", "en", 1400), ("light", "en", 390), ("dark", "fi", 390)],
)
def test_accessible(site: Site, page_of: PageOf, scheme: str, language: str, width: int) -> None:
    """No finding of axe-core that is serious or critical, on any page, large or small."""
    axe = Axe()
    # axe is injected as an inline script, which the pages' own policy refuses
    page = page_of(width=width, color_scheme=scheme, locale=language, bypass_csp=True)
    every = ["/?period=all&compare=previous", "/customers", "/customers/customer-12"]
    # the other pages are made of the same parts: each in light and in dark
    others = [
        ("/?view=plan", "/measures", "/definition", "/?view=actual&group=stage&persona=sara&period=all"),
        ("/map/source", "/measures/funnel", "/measures/sources", "/api"),
    ]
    for path in (*every, *others[width > 760]):
        page.goto(site.url + path)
        page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
        found = axe.run(page).response
        assert any(rule["id"] == "color-contrast" for rule in found["passes"]), path
        grave = [
            (path, rule["id"], node["html"][:120])
            for rule in found["violations"]
            if rule["impact"] in ("serious", "critical")
            for node in rule["nodes"]
        ]
        assert grave == []
