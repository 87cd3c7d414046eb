"""Every text of this room exists in Finnish, with the same facts."""

import ast
import string
from pathlib import Path

import pytest

import polku.journey
from polku.language import _catalogue

ROOM = Path(polku.journey.__file__).parent


def marked() -> list[str]:
    """The texts that are marked with N_ in this room's modules."""
    found = []
    for file in sorted(ROOM.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "N_":
                text = ast.literal_eval(node.args[0])
                assert isinstance(text, str)
                found.append(text)
    return sorted(set(found))


def facts(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("text", marked())
def test_a_text_has_its_finnish(text: str) -> None:
    finnish = _catalogue("fi").get(text)
    assert finnish, text
    assert facts(finnish) <= facts(text)
