"""The documentation hangs together: every page can be found, every link and picture is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(p.relative_to(DOCS).as_posix() for p in DOCS.rglob("*.md"))


def in_nav() -> list[str]:
    def pages(part: object) -> list[str]:
        if isinstance(part, str):
            return [part]
        parts = part.values() if isinstance(part, dict) else part
        assert isinstance(part, (dict, list))
        return [page for one in parts for page in pages(one)]

    nav = YAML(typ="safe", pure=True).load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    return pages(nav)


def test_every_page_is_in_the_navigation() -> None:
    assert sorted(in_nav()) == PAGES


def test_every_decision_is_listed_by_its_title() -> None:
    text = (DOCS / "adr" / "README.md").read_text("utf-8")
    listed = {name: title for title, name in re.findall(r"^- \[(.+)\]\((.+)\)$", text, re.M)}
    decisions = {p.name: p for p in (DOCS / "adr").glob("*.md") if p.name != "README.md"}
    titles = {name: page.read_text("utf-8").splitlines()[0].removeprefix("# ") for name, page in decisions.items()}
    assert listed == titles


@pytest.mark.parametrize("page", [ROOT / "README.md", *(DOCS / p for p in PAGES)], ids=lambda p: p.name)
def test_links_and_pictures_are_there(page: Path) -> None:
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.S)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if not target.startswith(("http:", "https:", "mailto:")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"
