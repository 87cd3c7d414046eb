"""Every page in both languages: what it says, what it links to, and that its numbers are those behind the links."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jinja2
import jinja2.ext
import pytest
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po

from polku.journey import templates
from polku.journey.load import load_journey
from polku.language import translate
from polku.record.project import Project
from polku.web.app import POLICY
from polku.web.mapview import LISTS, SHORT, listed
from polku.web.words import DEFINITIONS

from . import world
from .conftest import Site

WEB = Path(__file__).parents[2] / "src" / "polku" / "web"
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


class Reading(HTMLParser):
    """The visible text, the links and the scripts of a page."""

    VOID = frozenset({"meta", "link", "input", "br", "hr", "img"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.texts: list[str] = []
        self.ids: list[str] = []
        self.faults: list[str] = []
        self.open: list[tuple[str, str | None]] = []
        self.feed(text)
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if "id" in given:
            self.ids.append(given["id"] or "")
        if "style" in given or any(name.startswith("on") for name in given):
            self.faults.append(f"<{tag}> has an inline style or script")
        if tag == "script" and "src" not in given:
            self.faults.append("an inline script")
        for name in ("href", "src", "action"):
            if value := given.get(name):
                self.links.append(value)
        for name in ("aria-label", "title", "placeholder", "data-label", "data-told"):
            if value := given.get(name):
                self.texts.append(value)
        if tag not in self.VOID:
            self.open.append((tag, given.get("lang")))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        opened, _ = self.open.pop()
        if opened != tag:
            self.faults.append(f"</{tag}> closes <{opened}>")

    def handle_data(self, data: str) -> None:
        foreign = any(lang for _, lang in self.open[1:])  # what is marked as being in another language
        code = any(tag in ("code", "script", "option") for tag, _ in self.open)
        if data.strip() and not foreign and not code:
            self.texts.append(" ".join(data.split()))


def read(response: httpx.Response) -> Reading:
    return Reading(response.text)


def web_texts() -> set[str]:
    """Every text of the web room that a reader may meet."""
    found: set[str] = set()
    for file in sorted(WEB.glob("*.py")):
        for _, message, _, _ in extract_from_file("python", str(file), keywords={"N_": None, "reader": None}):
            found.add(message[0] if isinstance(message, tuple) else message)
    env = {"extensions": "jinja2.ext.do,jinja2.ext.loopcontrols", "encoding": "utf-8"}
    for file in sorted((WEB / "templates").glob("*.html")):
        with file.open("rb") as f:
            for _, _, message, _ in jinja2.ext.babel_extract(f, ["_"], [], env):
                found.add(message[0] if isinstance(message, tuple) else message)
    return found - {None}


def finnish() -> dict[str, str]:
    with (WEB.parent / "locale" / "fi" / "web.po").open("rb") as f:
        return {m.id: m.string for m in read_po(f, locale="fi") if m.id}  # type: ignore[misc]


def other_texts() -> set[str]:
    """The texts of the rooms whose words the pages show."""
    found: set[str] = set()
    for room in ("measures", "journey"):
        with (WEB.parent / "locale" / "fi" / f"{room}.po").open("rb") as f:
            found |= {m.id for m in read_po(f, locale="fi") if isinstance(m.id, str) and m.id}
    return found


def test_every_text_is_translated() -> None:
    texts, translated = web_texts(), finnish()
    assert sorted(t for t in texts if not translated.get(t)) == []
    assert sorted(t for t in translated if t not in texts) == []
    fields = re.compile(r"\{(\w+)")
    for english, said in translated.items():
        assert sorted(fields.findall(english)) == sorted(fields.findall(said)), english


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


def test_what_customers_wrote_is_only_text(site: Site) -> None:
    response = site.get("/customers")
    assert "<script>alert" not in response.text
    assert html.escape(world.NASTY, quote=False) in response.text or "&lt;script&gt;" in response.text
    link = next(a for a in read(response).links if "script" in a)
    story = site.get(link)
    assert story.status_code == 200
    assert "<script>alert" not in story.text
    assert "<b>testit" not in site.get("/", "fi").text


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
    assert health.status_code == 500
    assert health.json()["error"]["code"].startswith("map")
    file.write_text(good, encoding="utf-8")
    assert own_site.get("/").status_code == 200
    assert own_site.get("/health").json()["status"] == "ok"


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


def test_the_source_has_the_lines_that_the_map_links_to(site: Site) -> None:
    lines = world.MAP.read_text(encoding="utf-8").splitlines()
    links = re.findall(r'href="/map/source#L(\d+)" title="[^"]*">([^<]*)<', site.get("/?view=plan", "en").text)
    assert len(links) == 8
    for line, title in links:
        near = "\n".join(lines[int(line) - 1 : int(line) + 2])
        assert html.unescape(title) in near


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


def test_foreign_names_are_refused(site: Site) -> None:
    assert site.get("/", Host="evil.example").status_code == 421
    assert site.get("/", Host="localhost:8000").status_code == 200


def test_a_taken_port_is_said(site: Site, shop: Project) -> None:
    import threading

    from polku.web.serve import serve

    port = urlsplit(site.url).port
    assert port is not None
    stop, told = threading.Event(), []

    def on_ready(url: str, moved: bool) -> None:
        told.append((url, moved))
        stop.set()

    serve(shop, "127.0.0.1", port, on_ready, stop=stop)
    (url, moved) = told[0]
    assert moved
    assert urlsplit(url).port != port


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

    import asyncio

    with pytest.raises(ZeroDivisionError):  # the server logs it
        asyncio.run(ask())
    assert messages[0]["status"] == 500
    body = b"".join(m.get("body", b"") for m in messages[1:]).decode()
    assert "secret" not in body
    assert "lokissa" in body
