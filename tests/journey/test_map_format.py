"""The page docs/map-format.md: every field, every code and every example in it is real."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest

import polku.journey
from polku.journey import model
from polku.journey.check import check_text
from polku.journey.condition import parse_condition
from polku.journey.shape import inner_parts, keys_of
from polku.journey.tree import read_text
from polku.journey.where import parse_where

PAGE = (Path(__file__).parents[2] / "docs" / "map-format.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"(?:<!-- part: (\w+) -->\n)?```(\w+)\n(.*?)```", re.DOTALL)
BLOCKS = [(m[1], m[2], m[3]) for m in BLOCK.finditer(PAGE)]


def section(title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    assert found, f"docs/map-format.md has no section {title}"
    return found[1]


def parts() -> list[type[model.Part]]:
    found: list[Any] = [model.Journey]
    for part in found:
        found += [inner for _, inner in inner_parts(part) if inner not in found]
    return found


@pytest.mark.parametrize("part", parts(), ids=lambda p: p.__name__)
def test_every_field_is_documented(part: type[model.Part]) -> None:
    rows = re.findall(r"^\| `([^`]+)` \|", section(part.__name__), re.MULTILINE)
    assert sorted(rows) == sorted(keys_of(part))


@pytest.mark.parametrize("text", [t for part, kind, t in BLOCKS if kind == "yaml" and part is None])
def test_every_map_in_it_has_no_fault(text: str) -> None:
    assert [str(f) for f in check_text(text)] == []


@pytest.mark.parametrize(("part", "text"), [(p, t) for p, kind, t in BLOCKS if kind == "yaml" and p is not None])
def test_every_part_in_it_is_one(part: str, text: str) -> None:
    getattr(model, part).model_validate(read_text(text).data)


@pytest.mark.parametrize("text", [line for _, kind, t in BLOCKS if kind == "where" for line in t.splitlines()])
def test_every_where_in_it_is_read(text: str) -> None:
    parse_where(text)


@pytest.mark.parametrize("text", [line for _, kind, t in BLOCKS if kind == "enter" for line in t.splitlines()])
def test_every_condition_in_it_is_read(text: str) -> None:
    parse_condition(text)


def test_the_table_of_comparing_is_so() -> None:
    words = {"true": True, "false": False, "null": None}
    rows = re.findall(
        r"^\| (`10`|`\"10\"`|`\"ten\"`|missing, or null) \| (\w+) \| (\w+) \| (\w+) \|", PAGE, re.MULTILINE
    )
    assert len(rows) == 4
    held = {"`10`": 10, '`"10"`': "10", '`"ten"`': "ten", "missing, or null": None}
    for what, *expected in rows:
        for text, answer in zip(("> 9", "::number > 9", "= '10'"), expected, strict=True):
            meets = parse_where(f"properties.price{'' if text[0] == ':' else ' '}{text}").compile()
            assert meets({"properties": {"price": held[what]}}) is words[answer], (what, text)


def test_every_code_of_a_fault_is_documented() -> None:
    codes = set()
    for file in Path(polku.journey.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                codes |= set(
                    re.findall(
                        r"^(?:file|yaml|shape|value|id|name|where|condition|match|measure|guidance|reach|campaign|audience|survey|site|felt|offers)\.[a-z_]+$",
                        node.value,
                    )
                )
    codes -= {"journey.yaml"}
    documented = set(re.findall(r"`([a-z]+\.[a-z_]+)`", section("What `check` finds")))
    assert documented == codes


def test_the_python_in_it_compiles() -> None:
    for _, kind, text in BLOCKS:
        if kind == "python":
            compile(text, "map-format.md", "exec")
