"""Formulas of calculators: what they come to, what cannot stand in one, and that the browser comes to the same."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polku.errors import ContentError
from polku.onsite.formula import FUNCTIONS, TAKES, evaluate, names, parse

MODULE = Path(__file__).parents[2] / "src" / "polku" / "tracker" / "source" / "modules" / "calculator.js"
VALUES = {"a": 3.0, "b": -2.5, "zero": 0.0, "big": 1e300}

CASES = [
    ("1 + 2 * 3", 7.0),
    ("2 ^ 3 ^ 2", 512.0),
    ("-a ^ 2", -9.0),
    ("7 % -3", -2.0),
    ("if(a > 2, 10, 20)", 10.0),
    ("if(zero, 1 / 0, 5)", 5.0),
    ("a = 3 and not b > 0", 1.0),
    ("round(2.5) + round(-2.5)", 0.0),
    ("round(a / 7, 2)", 0.43),
    ("min(a, b, 0) + max(1, 2)", -0.5),
    ("1 / zero", None),
    ("sqrt(b)", None),
    ("big * big", None),
    ("b ^ 0.5", None),
    ("nobody + 1", None),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_what_a_formula_comes_to(text: str, expected: float | None) -> None:
    found = evaluate(parse(text), VALUES)
    assert found == expected if expected is None else found == pytest.approx(expected)


@pytest.mark.parametrize(
    "text",
    ["__import__('os')", "a.b", "a[0]", "lambda: 1", "'text'", "True", "print(1)", "min()", "round(1, 2, 3)", "1 +", "",
     "a < b < 3", "[x for x in a]", "max(*a)", "f'{a}'", "a if b else 1", "1e999", "(" * 300 + "1" + ")" * 300,
     "1+" * 600 + "1", "\0"],
)  # fmt: skip
def test_nothing_else_can_stand_in_one(text: str) -> None:
    with pytest.raises(ContentError, match=r"formula|part|function|takes"):
        parse(text, "content/x.en.md")


def test_names() -> None:
    assert names(parse("if(a, b, min(a, c)) + 1")) == {"a", "b", "c"}


def trees(depth: int) -> st.SearchStrategy[Any]:
    leaf = st.one_of(
        st.floats(-1e6, 1e6).map(lambda x: round(x, 3)), st.sampled_from([["name", name] for name in VALUES])
    )
    if not depth:
        return leaf
    inner = trees(depth - 1)
    return st.one_of(leaf, *(_calls(sign, inner) for sign in TAKES))


def _calls(sign: str, inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    least, most = TAKES[sign]
    return st.lists(inner, min_size=least, max_size=min(most, 3)).map(lambda parts: [sign, *parts])


@given(trees(2))
def test_every_value_is_finite_or_none(tree: Any) -> None:
    found = evaluate(tree, VALUES)
    assert found is None or math.isfinite(found)


def test_the_browser_comes_to_the_same(page_of: Any) -> None:
    """The module's own evaluate over trees made by chance, beside Python's."""
    chance = random.Random(7)

    def tree(depth: int) -> Any:
        if not depth or chance.random() < 0.2:
            return ["name", chance.choice(list(VALUES))] if chance.random() < 0.4 else round(chance.uniform(-50, 50), 2)
        sign = chance.choice([*TAKES, *FUNCTIONS])
        least, most = TAKES[sign]
        return [sign, *(tree(depth - 1) for _ in range(chance.randint(least, min(most, 3))))]

    made = [tree(3) for _ in range(500)]
    page = page_of()
    source = MODULE.read_text(encoding="utf-8").replace('import { field, form, make } from "./messages.js";', "")
    page.goto("about:blank")
    told = page.evaluate(
        """async ([source, trees, values]) => {
            const module = await import("data:text/javascript;base64," + btoa(unescape(encodeURIComponent(source))));
            return trees.map((tree) => module.evaluate(tree, values));
        }""",
        [source, json.loads(json.dumps(made)), VALUES],
    )
    for one, found in zip(made, told, strict=True):
        expected = evaluate(one, VALUES)
        if expected is None or found is None:
            assert found is expected, one
        else:
            assert found == pytest.approx(expected, rel=1e-9, abs=1e-12), one
    assert sum(found is not None for found in told) > 250
