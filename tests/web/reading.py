"""What a page says, as its reader meets it: texts, links, faults of its markup; and the texts of the web room."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import httpx
import jinja2
import jinja2.ext
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po

WEB = Path(__file__).parents[2] / "src" / "polku" / "web"


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
            if (value := given.get(name)) and given.get("method") != "post":  # a form that is sent is no link
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
    """What the web room's own files of texts say."""
    found: dict[str, str] = {}
    for file in sorted((WEB.parent / "locale" / "fi").glob("web*.po")):
        with file.open("rb") as f:
            found |= {m.id: m.string for m in read_po(f, locale="fi") if m.id}  # type: ignore[misc]
    return found


def other_texts() -> set[str]:
    """The texts of the rooms whose words the pages show."""
    found: set[str] = set()
    for room in ("measures", "journey"):
        with (WEB.parent / "locale" / "fi" / f"{room}.po").open("rb") as f:
            found |= {m.id for m in read_po(f, locale="fi") if isinstance(m.id, str) and m.id}
    return found
