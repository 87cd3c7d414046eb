"""Whatever anybody wrote stays text: on every page, in every file to take away, in every parameter and path."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import pytest
from ruamel.yaml import YAML

from polku.access.entrance import Entrance
from polku.record.project import Project
from polku.record.refused import Refused, note_refused
from polku.trails.people import Event
from polku.web.app import POLICY, create_app

from . import world
from .inprocess import Client, loop_in_a_thread

#: Each breaks out of another kind of place; the attribute is what the pages are searched for.
SCRIPTS = (
    "<script data-evil>alert(1)</script>",
    '"><img data-evil src=x onerror=alert(1)>',
    "'><svg data-evil onload=alert(1)>",
    "</title></textarea></style></script><script data-evil>alert(1)</script>",
    '" data-evil autofocus onfocus="alert(1)',
    "{{ 7 * 7 }}{% raw %}<b data-evil>",
    "javascript:alert(1)//<b data-evil>",
)
FORMULAS = ("=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "=cmd|' /C calc'!A0", '=HYPERLINK("http://x")')
#: Texts of the map that people write.
SAID = {
    "title", "description", "goal", "trigger", "obstacles", "evidence", "actions", "questions", "content", "task",
    "partner", "name", "better", "platforms", "tools",
}  # fmt: skip


def poisoned(value: Any, said: bool, counter: Iterator[int]) -> Any:
    """The map with a script behind every text that a person wrote."""
    if isinstance(value, dict):
        languages = said and set(value) <= {"fi", "en"}
        return {k: poisoned(v, languages or k in SAID, counter) for k, v in value.items()}
    if isinstance(value, list):
        return [poisoned(v, said, counter) for v in value]
    if isinstance(value, str) and said:
        return f"{value} {SCRIPTS[next(counter) % len(SCRIPTS)]}"
    return value


def people() -> dict[str, list[Event]]:
    found = world.people()
    for i, evil in enumerate((*SCRIPTS, *FORMULAS)):
        found[f"{evil}{i}"] = [
            (
                world.LAST,
                "Product Viewed",
                {
                    "channel": "web",
                    "path": f"/{evil}",
                    "campaign": {"source": evil, "medium": evil, "name": evil},
                    "properties": {"product_id": evil, "name": evil, evil: evil},
                    "context": {
                        "traits": {"segment": "fashion", "name": evil, "email": evil},
                        "userAgent": evil,
                        "page": {"path": f"/{evil}", "title": evil, "url": f"javascript:{evil}", "referrer": evil},
                    },
                },
            ),
            (world.LAST, evil, {"channel": "web", "properties": {"query": evil}}),
        ]
    return found


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    folder = tmp_path_factory.mktemp("evil")
    yaml = YAML(typ="safe")
    journey = yaml.load(world.MAP.read_text(encoding="utf-8"))
    file = folder / "journey.yaml"
    with file.open("w", encoding="utf-8") as f:
        YAML(typ="rt").dump(poisoned(journey, False, iter(range(10_000))), f)
    with world.make(folder / "shop", map_file=file) as project:
        world.add(project, people())
        for evil in SCRIPTS:
            key = project.keys.create(evil, ["read", "write"], source=evil, site=evil, by=evil)
            project.audit.note(evil, "key.revoked", evil, {evil: evil}, address=evil)
            with project.state.write() as connection:
                refused = Refused(evil, "segment", "door", "time", 1, 1, evil.encode())
                note_refused(project.state, connection, [refused])
        project.keys.revoke(key.key.id, by=SCRIPTS[0])
        yield project


@pytest.fixture(scope="module")
def client(shop: Project) -> Iterator[Client]:
    with loop_in_a_thread() as loop:
        found = Client(create_app(shop, entrance=Entrance(shop, beyond=False, mode="never")), loop)
        yield found
        found.close()


class Elements(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.faults: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if "data-evil" in given or any(name.startswith("on") for name in given) or "style" in given:
            self.faults.append(f"<{tag} {attrs}>")
        if tag in ("iframe", "object", "embed", "base", "style") or (tag == "script" and "src" not in given):
            self.faults.append(f"<{tag}>")
        for name in ("href", "src", "action", "formaction"):
            value = (given.get(name) or "").strip()
            if urlsplit(value).scheme not in ("", "https", "http"):
                self.faults.append(f"{name}={value}")
            if value and name in ("href", "src"):
                self.links.append(value)


def test_no_script_of_anybodys_runs_on_any_page(client: Client) -> None:
    """Every page that a link leads to, each path with at most four queries, in both languages."""
    waiting = ["/", "/live", "/connect", "/customers", "/customers?search=%3Cscript"]
    waiting += [f"/settings/{room}" for room in ("audit", "keys", "people")]
    seen: dict[str, set[str]] = {}
    shown: set[str] = set()
    pages = 0
    while waiting and pages < 60:
        link = waiting.pop(0)
        path = urlsplit(link).path
        kind = "/".join(path.split("/")[:2]) + "/*" if path.startswith(("/customers/", "/docs/")) else path
        if link in seen.setdefault(kind, set()) or len(seen[kind]) >= (10 if kind.endswith("*") else 3):
            continue
        seen[kind].add(link)
        response = client.get(link, headers={"Accept-Language": ("en", "fi")[pages % 2]})
        assert response.status_code < 500, (link, response.text[:2000])
        assert response.headers["content-security-policy"] == POLICY, link
        assert response.headers["x-content-type-options"] == "nosniff"
        if not response.headers.get("content-type", "").startswith("text/html"):
            continue
        pages += 1
        found = Elements(response.text)
        assert found.faults == [], link
        shown |= {f"{kind} {evil}" for evil in SCRIPTS if evil in html.unescape(response.text)}
        for each in found.links:
            target = urljoin(f"http://testserver{link}", each)
            if target.startswith("http://testserver/"):
                waiting.append(target.removeprefix("http://testserver").partition("#")[0])
    assert pages >= 50
    for kind in ("/", "/customers", "/customers/*", "/map/source", "/settings/keys", "/settings/audit", "/live"):
        assert any(f"{kind} {evil}" in shown for evil in SCRIPTS), f"{kind} shows none of the texts: nothing was tested"


@pytest.mark.parametrize("evil", SCRIPTS)
@pytest.mark.parametrize(
    "path",
    [
        "/?period={}", "/?persona={}", "/?lang={}", "/?tz={}", "/?{}=1", "/customers?search={}", "/customers?behind={}",
        "/customers/{}", "/measures/{}", "/measures/funnel?steps={}", "/measures/funnel?where={}", "/definition/{}",
        "/{}",        "/sign-in?next={}", "/welcome/{}", "/settings/audit?actor={}", "/polku/{}.js", "/docs/{}",
    ],
)  # fmt: skip
def test_what_an_address_says_is_shown_as_text(client: Client, path: str, evil: str) -> None:
    response = client.get(path.format(quote(evil, safe="")))
    assert response.status_code < 500, response.text[:1500]
    if response.headers.get("content-type", "").startswith("text/html"):
        assert Elements(response.text).faults == []


@pytest.mark.parametrize(
    "path", ["/customers?format=csv", "/measures/funnel?steps=product,order&format=csv", "/measures/content?format=csv"]
)
def test_no_formula_leaves_in_a_csv_file(client: Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 200, response.text[:500]
    assert response.headers["content-type"].startswith("text/csv")
    assert response.headers["content-disposition"].startswith("attachment;")
    rows = list(csv.reader(io.StringIO(response.content.decode("utf-8-sig"), newline="")))
    assert len(rows) > 1
    for row in rows:
        for cell in row:
            formula = cell[:1] in ("=", "@", "\t", "\r") or (cell[:1] in ("+", "-") and not is_number(cell))
            assert not formula, cell


def is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


SQL = (
    "' or 1=1 --",
    "'; drop table users; --",
    '" or ""="',
    "1) union select * from users --",
    "\\'; select 1",
    "%' --",
)


@pytest.mark.parametrize("evil", SQL)
@pytest.mark.parametrize(
    "path",
    [
        "/api/customers?search={}", "/api/customers?behind={}", "/api/customers?stage={}", "/api/customers/{}",
        "/api/customers?order={}", "/api/map?segment={}", "/api/measures/funnel?steps={}", "/settings/audit?actor={}",
        "/settings/audit?action={}", "/api/measures/funnel?steps=product,order&where={}",
        "/api/measures/content?by={}",
    ],
)  # fmt: skip
def test_sql_in_a_parameter_is_text(client: Client, shop: Project, path: str, evil: str) -> None:
    response = client.get(path.format(quote(evil, safe="")))
    assert response.status_code in (200, 400, 404), response.text[:1500]
    assert "sqlite" not in response.text.lower()
    if response.status_code == 200 and path.startswith("/api/customers?search"):
        assert response.json()["total"] == 0
    assert len(shop.keys.list()) == len(SCRIPTS)


TRICKS = (
    "../../../etc/passwd", "..%2f..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/journey.yaml", "....//....//etc/passwd",
    "..\\..\\journey.yaml", "%00/etc/passwd", "/etc/passwd",
    "//etc/passwd", "%c0%ae%c0%ae/journey.yaml", "C:\\boot.ini",
    "con", "~root", "journey.yaml", "../polku.toml", "..;/polku.toml", "%252e%252e%252fpolku.toml",
)  # fmt: skip


@pytest.mark.parametrize("trick", TRICKS)
@pytest.mark.parametrize("room", ["/static/", "/docs/", "/polku/", "/customers/", "/measures/", "/definition/", "/"])
def test_a_path_leads_to_no_file_of_the_machine(client: Client, shop: Project, room: str, trick: str) -> None:
    response = client.get(f"http://testserver{room}{trick}")
    assert response.status_code < 500, response.text[:1500]
    for secret in ("root:x:", "polku: 1\n", "[server]"):
        assert secret not in response.text


@pytest.mark.parametrize("name", ["lang", "tz", "next"])
@pytest.mark.parametrize(
    "evil", ["fi\r\nSet-Cookie: a=b", "fi\nX: y", "%0d%0aX:%20y", "fi\x00", "\u2028", "a;b=c; HttpOnly"]
)
def test_no_header_is_put_in_by_a_parameter(client: Client, name: str, evil: str) -> None:
    client.cookies.clear()
    response = client.get(f"/sign-in?{name}={quote(evil, safe='')}")
    assert response.status_code in (200, 303, 400)
    assert "x" not in response.headers
    cookies = response.headers.get_list("set-cookie")
    assert all("a=b" not in cookie and "b=c" not in cookie for cookie in cookies)
    client.cookies.clear()
