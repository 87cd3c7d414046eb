"""docs/measures.md names every measure of the catalogue, and its selectors and figures are real."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from polku.measures.catalogue import CATALOGUE
from polku.measures.selectors import Selector

PAGE = (Path(__file__).parents[2] / "docs" / "measures.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_measure_is_documented(name):
    assert f"\n## {name}\n" in PAGE


def test_the_selectors_shown_can_be_read():
    shown = re.findall(
        r"^(?:stage|touchpoint|event|funnel):\S+|(?<= )(?:stage|touchpoint|event|funnel):\S+", PAGE, re.MULTILINE
    )
    assert len(shown) >= 5
    assert [str(Selector.parse(text)) for text in shown] == shown
