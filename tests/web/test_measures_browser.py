"""The pages of measures in a browser: keyboard, list of steps, PNG, phone, and axe-core on every kind of chart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from .conftest import Site

PageOf = Callable[..., Any]
FUNNEL = "/measures/funnel?steps=product,cart,order&within=7d"
#: One page for every kind of chart.
KINDS = {
    "bars": FUNNEL, "lines": "/measures/active", "heat": "/measures/retention", "graph": "/measures/transitions",
    "flow": "/measures/flow", "forest": "/measures/onward?from=product",
}  # fmt: skip


def test_steps_are_edited_by_the_keyboard(site: Site, page_of: PageOf) -> None:
    page = page_of(locale="en-GB")
    page.goto(site.url + FUNNEL)
    steps = page.locator("[data-steps]").first.locator("ol input")
    assert [s.input_value() for s in steps.all()] == ["product", "cart", "order"]
    steps.nth(2).focus()
    page.keyboard.press("Alt+ArrowUp")
    assert [s.input_value() for s in steps.all()] == ["product", "order", "cart"]
    assert page.evaluate("document.activeElement.value") == "order"
    assert page.locator("#told").inner_text() == "order: moved to place 2"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # the button that moves it up
    assert [s.input_value() for s in steps.all()] == ["order", "product", "cart"]
    page.locator("[data-steps]").first.get_by_role("button", name="Add a step").press("Enter")
    page.keyboard.type("Product Reviewed")
    page.get_by_role("button", name="Remove").nth(0).press("Enter")
    assert [s.input_value() for s in steps.all()] == ["product", "cart", "Product Reviewed"]
    assert page.evaluate("document.activeElement.value") == "product"
    page.keyboard.press("Enter")  # in a field: the form is sent
    page.wait_for_url("**steps=product%2Ccart%2CProduct+Reviewed**")
    assert "optional=" not in page.url, "what is empty stays out of the address"
    assert "3. Product Reviewed" in page.locator("main").inner_text()


def test_a_picture_is_walked_by_the_keyboard(site: Site, page_of: PageOf) -> None:
    page = page_of(locale="en-GB")
    page.goto(site.url + FUNNEL)
    marks = page.locator("#chart-0 .drawing.wide a.mark")
    assert marks.count() == 3
    assert [m.get_attribute("tabindex") for m in marks.all()] == ["0", "-1", "-1"]
    marks.first.focus()
    readout = page.locator("#chart-0 .readout")
    assert readout.inner_text().startswith("1. Product page: 100.0%")
    page.keyboard.press("ArrowRight")
    assert readout.inner_text().startswith("2. Cart: 50.0%")
    page.keyboard.press("End")
    assert readout.inner_text().startswith("3. Order: 25.0%")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")
    assert readout.inner_text().startswith("1. Product page")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_url("**/customers?behind=*")
    assert "20" in page.locator("main").inner_text()


def test_the_whole_matrix_is_reached_by_arrows(site: Site, page_of: PageOf) -> None:
    page = page_of(locale="en-GB")
    page.goto(site.url + "/measures/transitions")
    figure = page.locator("[data-chart]", has=page.locator("svg.heat"))
    links = figure.locator(".drawing.wide a.mark")
    assert links.count() > 8
    links.first.focus()
    seen = {page.evaluate("document.activeElement.dataset.label")}
    for _ in range(links.count() * 3):
        page.keyboard.press("ArrowRight")
        seen.add(page.evaluate("document.activeElement.dataset.label"))
    assert len(seen) == links.count()


def test_a_picture_as_png(site: Site, page_of: PageOf, tmp_path: Path) -> None:
    page = page_of(locale="en-GB", color_scheme="dark", accept_downloads=True)
    page.goto(site.url + "/measures/flow")
    with page.expect_download() as waiting:
        page.locator("#chart-0 [data-png]").press("Enter")
    assert waiting.value.suggested_filename == "flow-1.png"
    file = tmp_path / "flow.png"
    waiting.value.save_as(file)
    data = file.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert int.from_bytes(data[16:20], "big") >= 1800  # twice the drawing's width
    colours = page.evaluate(
        """async bytes => {
            const bitmap = await createImageBitmap(new Blob([new Uint8Array(bytes)], {type: 'image/png'}));
            const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
            const pen = canvas.getContext('2d');
            pen.drawImage(bitmap, 0, 0);
            const found = pen.getImageData(0, 0, bitmap.width, bitmap.height).data;
            const seen = new Set();
            for (let i = 0; i < found.length; i += 4) seen.add(found[i] + ',' + found[i + 1] + ',' + found[i + 2]);
            return [[...found.slice(0, 3)].join(), seen.size];
        }""",
        list(data),
    )
    assert colours[0] == "255,255,255"  # paper, also in the dark
    assert colours[1] > 20, "its style did not come along"


def test_a_measure_is_found_by_writing(site: Site, page_of: PageOf) -> None:
    page = page_of(locale="fi-FI")
    page.goto(site.url + "/measures/stages")
    field = page.locator("form[data-find] input")
    field.fill("kosketuspiste jatka")
    shown = page.locator(".side li a:visible")
    assert page.get_by_role("link", name="Mikä liittyy jatkamiseen").is_visible()
    assert shown.count() < 5
    field.fill("zzz")
    assert shown.count() == 0
    assert page.locator("[data-found-none]").inner_text()
    field.fill("suppilo ajassa")
    field.press("Enter")
    page.wait_for_url("**/measures/funnel_trend")


@pytest.mark.parametrize("kind", KINDS)
def test_a_phone_shows_it_without_sticking_out(site: Site, page_of: PageOf, kind: str) -> None:
    page = page_of(width=360, height=740, locale="fi-FI", has_touch=True, is_mobile=True)
    page.goto(site.url + KINDS[kind])
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.locator(f"svg.{kind}:visible").count() >= 1
    small = page.evaluate(
        """[...document.querySelectorAll('.drawing svg text')].filter(t => t.checkVisibility())
           .map(t => t.getBoundingClientRect().height).filter(h => h > 0 && h < 9).length"""
    )
    assert small == 0, "letters that nobody can read"


@pytest.mark.parametrize(("scheme", "width"), [("light", 1400), ("dark", 390)])
@pytest.mark.parametrize("kind", KINDS)
def test_accessible(site: Site, page_of: PageOf, kind: str, scheme: str, width: int) -> None:
    """No finding of axe-core that is serious or critical, for every kind of chart."""
    page = page_of(width=width, color_scheme=scheme, locale="en-GB", bypass_csp=True)
    page.goto(site.url + KINDS[kind])
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    grave = [
        (rule["id"], node["html"][:140])
        for rule in Axe().run(page).response["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]
    assert grave == []


def test_without_scripts_steps_are_a_text_and_parts_are_links(site: Site, page_of: PageOf) -> None:
    page = page_of(java_script_enabled=False, locale="en-GB")
    page.goto(site.url + FUNNEL)
    field = page.locator("input[name=steps]")
    assert field.input_value() == "product,cart,order"
    field.fill("product,order")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**steps=product%2Corder*")
    assert page.locator("#chart-0 .drawing.wide a.mark").count() == 2
    assert not page.locator("[data-png]").first.is_visible()
