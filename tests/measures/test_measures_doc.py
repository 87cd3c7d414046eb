"""docs/measures.md and docs/measures/ name every measure of the catalogue with its options; selectors are real."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from polku.measures.catalogue import CATALOGUE
from polku.measures.selectors import Selector

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "measures.md").read_text(encoding="utf-8")
FAMILIES = [file.read_text(encoding="utf-8") for file in sorted((DOCS / "measures").glob("*.md"))]


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_measure_is_documented(name):
    assert any(f"\n## {name}\n" in page for page in (PAGE, *FAMILIES))


@pytest.mark.parametrize("name", [n for n in CATALOGUE if any(f"\n## {n}\n" in page for page in FAMILIES)])
def test_every_option_is_documented(name):
    page = next(page for page in FAMILIES if f"\n## {name}\n" in page)
    assert not [option.name for option in CATALOGUE[name].options if f"`{option.name}`" not in page]


def test_the_selectors_shown_can_be_read():
    shown = re.findall(
        r"^(?:stage|touchpoint|event|funnel):\S+|(?<= )(?:stage|touchpoint|event|funnel):\S+", PAGE, re.MULTILINE
    )
    assert len(shown) >= 5
    assert [str(Selector.parse(text)) for text in shown] == shown
