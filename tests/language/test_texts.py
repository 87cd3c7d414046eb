"""Everything that a person reads exists in Finnish: texts are found in the code and the templates, and looked up."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path

import jinja2
import pytest
from jinja2 import nodes

import polku
from polku.language import _catalogue

PACKAGE = Path(polku.__file__).parent
#: Calls whose first argument is a text that somebody reads.
FIRST = {"N_", "say", "note", "reader", "r", "_"}


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def error_names() -> set[str]:
    from polku import errors

    return {n for n, v in vars(errors).items() if isinstance(v, type) and issubclass(v, errors.PolkuError)}


def texts_of_code() -> Iterator[tuple[str, str]]:
    errors = error_names()
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = called(node)
            place = 1 if name == "translate" else 0
            if name not in FIRST and name != "translate" and name not in errors:
                continue
            if len(node.args) > place and isinstance(node.args[place], ast.Constant):
                text = node.args[place].value
                if isinstance(text, str) and re.search("[A-Za-z]{2}", text):
                    yield f"{file.relative_to(PACKAGE)}:{node.lineno}", text


def texts_of_templates() -> Iterator[tuple[str, str]]:
    environment = jinja2.Environment(extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"], autoescape=True)
    for file in sorted((PACKAGE / "web" / "templates").rglob("*.html")):
        for call in environment.parse(file.read_text(encoding="utf-8")).find_all(nodes.Call):
            function = call.node
            if not (isinstance(function, nodes.Name) and function.name in ("_", "r") and call.args):
                continue
            if isinstance(call.args[0], nodes.Const) and isinstance(call.args[0].value, str):
                yield f"{file.relative_to(PACKAGE)}:{call.lineno}", call.args[0].value


def fields(text: str) -> set[str]:
    return {name.split(".")[0] for _, name, _, _ in string.Formatter().parse(text) if name}


def test_everything_is_in_finnish() -> None:
    finnish = _catalogue("fi")
    found = (*texts_of_code(), *texts_of_templates())
    missing = sorted({(text, where) for where, text in found if text not in finnish})
    assert not missing, "not in Finnish:\n" + "\n".join(f"{where}: {text!r}" for text, where in missing)


@pytest.mark.parametrize("text", sorted(_catalogue("fi")))
def test_a_translation_names_the_same_facts(text: str) -> None:
    assert fields(_catalogue("fi")[text]) == fields(text)


def test_catalogues_agree() -> None:
    """One English text has one Finnish text, whichever room uses it."""
    from babel.messages.pofile import read_po

    seen: dict[str, tuple[str, str]] = {}
    differing = []
    for file in sorted((PACKAGE / "locale" / "fi").glob("*.po")):
        with file.open("rb") as f:
            for message in read_po(f, locale="fi"):
                if isinstance(message.id, str) and message.id and message.string:
                    before = seen.setdefault(message.id, (file.name, str(message.string)))
                    if before[1] != message.string:
                        differing.append(f"{message.id!r}: {before} {file.name} {message.string!r}")
    assert not differing, "\n".join(differing)
