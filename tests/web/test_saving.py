"""A measure's view saved to the map: what is written, what is refused, and what happens when the file has changed."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from polku.journey.document import Document
from polku.journey.load import load_journey
from polku.journey.model import Journey
from polku.measures.ask import resolve
from polku.web.saving import entry_of, id_of

from . import world
from .conftest import Site

FUNNEL = "/measures/funnel?steps=product,order&within=7d&order=strict"
FIELD = re.compile(r'name="(token|mark)" value="([^"]*)"')


def send(site: Site, path: str, origin: str | None = None, **changed: str) -> httpx.Response:
    """Open a page and send its form for saving, as a browser does."""
    text = site.get(path).text
    fields = dict(FIELD.findall(text))
    action = re.search(r'<form action="([^"]*/save[^"]*)" method="post"', text)
    assert action is not None, "the page has no form for saving"
    data = {**fields, "title": "First order, strictly", **changed}
    headers = {"Origin": origin or site.url, "Accept-Language": "en"}
    return site.client.post(html.unescape(action[1]), data=data, headers=headers)


def file_of(site: Site) -> Path:
    return site.project.folder / "journey.yaml"


def test_a_view_is_written_and_stands_on_the_map(own_site: Site) -> None:
    before = file_of(own_site).read_text(encoding="utf-8")
    done = send(own_site, FUNNEL, target=">= 20 %")
    assert done.status_code == 303, done.text[-800:]
    path, _, line = done.headers["location"].partition("?saved=")
    assert path == "/measures/first_order_strictly"
    after = file_of(own_site).read_text(encoding="utf-8")
    added = [row for row in after.splitlines() if row not in before.splitlines()]
    assert [row for row in before.splitlines() if row not in after.splitlines()] == []  # comments and order are kept
    assert "first_order_strictly" in after.splitlines()[int(line) - 1]
    assert any("strict" in row for row in added)
    saved = load_journey(file_of(own_site)).measures["first_order_strictly"]
    assert (saved.kind, saved.steps, saved.within, dict(saved.options)) == (
        "funnel", ("product", "order"), 7 * 86400, {"order": "strict"},
    )  # fmt: skip
    page = own_site.get(done.headers["location"]).text
    assert "Saved to journey.yaml, on line" in page
    assert 'value="product,order"' in page
    assert '<option value="strict" selected>' in page
    assert "First order, strictly" in own_site.get("/").text


def test_a_map_without_measures_gets_them(tmp_path: Path, own_site: Site) -> None:
    file = file_of(own_site)
    text = file.read_text(encoding="utf-8")
    without = re.sub(r"^measures:\n(?:[ #].*\n)+", "", text, flags=re.MULTILINE)
    assert without != text
    without = re.sub(r", judge_by: \w+|\n +judge_by: \w+", "", without)
    file.write_text(without, encoding="utf-8")
    assert send(own_site, "/measures/retention?unit=month&kind=unbounded", title="Back by month").status_code == 303
    saved = load_journey(file).measures["back_by_month"]
    assert (saved.kind, dict(saved.options)) == ("retention", {"unit": "month", "kind": "unbounded"})


def test_when_the_file_has_changed_both_are_shown(own_site: Site) -> None:
    page = own_site.get(FUNNEL).text
    fields = dict(FIELD.findall(page))
    file = file_of(own_site)
    mine = file.read_text(encoding="utf-8").replace("en: Product page}", "en: The page of a product}")
    file.write_text(mine, encoding="utf-8")
    told = send(own_site, FUNNEL, mark=fields["mark"], target="20 %")
    assert told.status_code == 409
    assert file.read_text(encoding="utf-8") == mine
    shown = html.unescape(told.text)
    assert "has changed since you opened the page" in shown
    assert re.search(r"^\+.*The page of a product", shown, re.MULTILINE)
    assert re.search(r"^\+.*first_order_strictly", shown, re.MULTILINE)
    again = dict(FIELD.findall(told.text))
    action = re.search(r'<form class="options" action="([^"]*)" method="post"', told.text)
    assert action is not None
    done = own_site.client.post(
        html.unescape(action[1]), data={**again, "title": "Mine", "target": ""}, headers={"Origin": own_site.url}
    )
    assert done.status_code == 303
    text = file.read_text(encoding="utf-8")
    assert "The page of a product" in text
    assert "mine" in load_journey(file).measures


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"title": "???"}, "Give the measure a name with letters"),
        ({"title": "First order"}, "There is a measure first_order already"),
        ({"title": "Funnel"}, "There is a measure funnel already"),
    ],
)
def test_a_name_that_does_not_do_is_told(site: Site, changed: dict[str, str], said: str) -> None:
    before = file_of(site).read_bytes()
    answer = send(site, FUNNEL, **changed)
    assert answer.status_code == 400
    assert said in html.unescape(answer.text)
    assert file_of(site).read_bytes() == before


def test_a_target_that_does_not_do_is_a_fault_and_nothing_is_written(site: Site) -> None:
    before = file_of(site).read_bytes()
    answer = send(site, FUNNEL, target="many")
    assert answer.status_code == 400
    assert "the map would have faults" in answer.text
    assert "target" in answer.text
    assert file_of(site).read_bytes() == before


def test_another_site_cannot_save(site: Site) -> None:
    before = file_of(site).read_bytes()
    assert send(site, FUNNEL, origin="http://evil.example").status_code == 403
    assert send(site, FUNNEL, token="guessed").status_code == 403
    bare = site.client.post("/measures/funnel/save?steps=product,order", data={"title": "x"})
    assert bare.status_code == 403
    assert file_of(site).read_bytes() == before


def test_who_may_not_edit_has_no_form(tmp_path: Path) -> None:
    from .conftest import served

    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "polku.toml").write_text('[server]\nedits = "none"\n', encoding="utf-8")
    with world.make(tmp_path / "shop") as project:
        for site in served(project):
            assert "/save" not in site.get(FUNNEL).text
            answer = site.client.post("/measures/funnel/save", data={"title": "x"}, headers={"Origin": site.url})
            assert answer.status_code == 403


def test_every_saved_view_is_read_back_as_it_was_asked() -> None:
    journey: Journey = load_journey(world.MAP)
    asked: dict[str, dict[str, Any]] = {
        "funnel": {"steps": "product,Product Added", "within": "90min", "breakdown": "source", "limit": "5"},
        "conversion": {"from": "product", "to": "order", "by": "session"},
        "value": {"from": "order", "margin": "40 %", "silence": "400d"},
        "sequences": {"length": "3", "gaps": "yes"},
        "onward": {"from": "Product Viewed"},
    }
    for name, options in asked.items():
        definition, used = resolve(journey, name, options)
        entry = entry_of(journey, definition, used)
        file = journey.model_copy(
            update={"measures": {"own": type(next(iter(journey.measures.values()))).model_validate(entry)}}
        )
        assert resolve(file, "own", {}) == (definition, used), entry


def as_json(answer: Any) -> Any:
    return json.loads(json.dumps(answer.to_dict()))


@pytest.mark.parametrize("period", ["30d", "2w", "2026-03-01..2026-04-01", "2026-03-01..", "all"])
def test_period_persona_and_segment_are_saved_and_read_back(own_site: Site, period: str) -> None:
    """What the page shows of a saved view is what the command tells, and what was asked when it was saved."""
    import polku

    journey = load_journey(file_of(own_site))
    persona = next(k for k, v in journey.personas.items() if v.where)
    segment = next(iter(journey.segments))
    asked = {"persona": persona, "segment": segment, "steps": "product,order"}
    own = {
        "30d": {"period": "30d"}, "all": {"period": "all"},
        "2026-03-01..2026-04-01": {"period": "custom", "since": "2026-03-01", "until": "2026-03-31"},
        "2026-03-01..": {"since": "2026-03-01"},
    }  # fmt: skip
    if period in own:
        done = send(own_site, "/measures/funnel?" + httpx.QueryParams(asked | own[period]).__str__(), title="Mine")
        assert done.status_code == 303, done.text[-500:]
    else:  # written by hand
        text = file_of(own_site).read_text(encoding="utf-8")
        shared = f"period: {period}, persona: {persona}, segment: {segment}"
        line = f"  mine: {{kind: funnel, steps: [product, order], {shared}}}"
        file_of(own_site).write_text(text.replace("\nmeasures:\n", f"\nmeasures:\n{line}\n"), encoding="utf-8")
    saved = load_journey(file_of(own_site)).measures["mine"]
    assert (saved.period, saved.persona, saved.segment) == (None if period == "all" else period, persona, segment)
    shown = own_site.get("/api/measures/mine").json()
    with polku.open(own_site.project.folder) as shop:
        assert as_json(shop.measure("mine")) == shown
        given = shop.measure("funnel", period=period, persona=persona, segment=segment, steps=["product", "order"])
        assert as_json(given) == shown
        everyone = shop.measure("mine", period="all", persona="", segment="")
        shown = own_site.get("/api/measures/mine?period=all&persona=&segment=").json()
        assert as_json(everyone) == shown
        assert (everyone.persona, everyone.segment) == (None, None)
    page = own_site.get("/measures/mine").text
    assert f'<option value="{persona}" selected>' in page


def test_a_persona_or_segment_that_the_map_lacks_is_a_fault(own_site: Site) -> None:
    text = file_of(own_site).read_text(encoding="utf-8")
    for key, code in (("persona", "name.persona"), ("segment", "name.segment"), ("period", "value.unreadable")):
        line = f"  mine: {{kind: stages, {key}: nobody}}"
        changed = text.replace("\nmeasures:\n", f"\nmeasures:\n{line}\n").encode()
        assert [f.code for f in Document(changed, file_of(own_site)).faults] == [code]


def test_names() -> None:
    assert id_of("Ensimmäinen tilaus – 7 pv") == "ensimmainen_tilaus_7_pv"
    assert len(id_of("long " * 60)) <= 60


def test_in_the_browser(own_site: Site, page_of: Callable[..., Any]) -> None:
    page = page_of(locale="fi-FI")
    page.goto(own_site.url + "/measures/retention?unit=month")
    page.locator(".save summary").press("Enter")
    assert page.locator(".save input[name=target]").count() == 0  # it gives no one rate
    page.get_by_label("Nimi").fill("Paluu kuukausittain")
    page.keyboard.press("Enter")
    page.wait_for_url("**/measures/paluu_kuukausittain?saved=*")
    assert "Tallennettu journey.yaml-tiedostoon" in page.locator("[role=status].good").inner_text()
    assert page.locator("select[name=unit]").input_value() == "month"
