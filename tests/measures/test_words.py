"""Everything that a reader of the measures reads exists in Finnish, with the same facts."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

import polku
from polku.language import translate
from polku.measures.catalogue import CATALOGUE

ROOM = Path(polku.__file__).parent
MARKS = {"N_", "reader", "translate"}


def texts():
    for path in sorted((ROOM / "measures").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
                for argument in node.args[:2]:
                    if name in MARKS and isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                        yield argument.value


def finnish() -> dict[str, str]:
    found = {}
    for path in (ROOM / "locale" / "fi").glob("*.po"):
        with path.open("rb") as f:
            found |= {m.id: m.string for m in read_po(f, locale="fi") if m.string}
    return found


def test_every_text_is_there_in_finnish_with_the_same_facts():
    known = finnish()
    names = re.compile(r"{(\w+)")
    for text in dict.fromkeys(texts()):
        assert text in known, text
        assert set(names.findall(text)) == set(names.findall(known[text])), text


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_measure_defines_itself(name):
    measure = CATALOGUE[name]
    assert measure.definition("en")
    assert all(a != b for a, b in zip(measure.definition("en"), measure.definition("fi"), strict=True))
    assert translate("fi", measure.summary) != measure.summary
