"""The documentation's examples run, and every message has its Finnish text."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from importlib import resources
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

import polku.trails

MODULES = sorted(m.name for m in pkgutil.iter_modules(polku.trails.__path__))


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    assert doctest.testmod(importlib.import_module(f"polku.trails.{name}")).failed == 0


def test_every_message_is_told_in_finnish() -> None:
    folder = Path(polku.trails.__path__[0])
    with (resources.files("polku") / "locale" / "fi" / "trails.po").open("rb") as file:
        known = {m.id: m.string for m in read_po(file, locale="fi") if m.id}
    said = set()
    for module in folder.glob("*.py"):
        for found in re.findall(r'N_\(\s*((?:"[^"]*"\s*)+),?\s*\)', module.read_text(encoding="utf-8")):
            said.add("".join(re.findall(r'"([^"]*)"', found)))
    assert said == set(known)
    for message, finnish in known.items():
        assert finnish
        assert set(re.findall(r"{\w+", str(message))) == set(re.findall(r"{\w+", str(finnish)))
