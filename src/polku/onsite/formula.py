"""The small language of a calculator's formulas: numbers, the inputs' names, arithmetic, comparisons, a few functions.

A formula is parsed here, checked, and given to the browser as a tree of lists, which it walks: neither side ever runs
a text. Every value is a finite double, as in both Python and JavaScript; what is none (a division by 0) is ``None``.

>>> formula = parse("ceil(people * 0.6) * if(people >= 10, 20, 24.9)")
>>> sorted(names(formula)), evaluate(formula, {"people": 12})
(['people'], 160.0)
>>> evaluate(parse("1 / x"), {"x": 0}) is None
True
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from polku.errors import ContentError
from polku.language import N_

#: A formula: a number, ``["name", text]``, or ``[sign or function, part, ...]``.
Formula = Any
#: Signs and functions that a tree holds, with how many parts they take.
TAKES: Final[Mapping[str, tuple[int, int]]] = {
    "+": (2, 2), "-": (2, 2), "*": (2, 2), "/": (2, 2), "%": (2, 2), "^": (2, 2), "neg": (1, 1),
    "<": (2, 2), "<=": (2, 2), ">": (2, 2), ">=": (2, 2), "=": (2, 2), "!=": (2, 2),
    "and": (2, 20), "or": (2, 20), "not": (1, 1), "if": (3, 3),
    "min": (1, 20), "max": (1, 20), "abs": (1, 1), "floor": (1, 1), "ceil": (1, 1), "round": (1, 2), "sqrt": (1, 1),
}  # fmt: skip
#: The functions that people may write.
FUNCTIONS: Final = ("if", "min", "max", "abs", "floor", "ceil", "round", "sqrt")
_SIGNS: Final[Mapping[type[ast.AST], str]] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Mod: "%", ast.Pow: "^",
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "=", ast.NotEq: "!=",
    ast.And: "and", ast.Or: "or",
}  # fmt: skip
#: A formula may be this long.
LONGEST: Final = 1000


def parse(text: str, where: str = "") -> Formula:
    """The tree of a formula. Raises ContentError, which says what cannot stand in one; ``where``: its file."""
    if len(text) > LONGEST:
        raise ContentError(N_("{file}: the formula is longer than {most} signs."), file=where, most=LONGEST)
    # `if` is a word of Python's grammar, `=` and `^` mean something else in it
    written = _as_python(text)
    try:
        root = ast.parse(written.strip(), mode="eval").body
        return _tree(root, text, where)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as fault:
        raise ContentError(
            N_("{file}: the formula {formula!r} does not read: {fault}."), file=where, formula=text,
            fault=getattr(fault, "msg", None) or str(fault),
        ) from fault  # fmt: skip


def _as_python(text: str) -> str:
    text = re.sub(r"\bif\s*\(", "if_(", text).replace("^", "**").replace("≤", "<=").replace("≥", ">=")
    return re.sub(r"(?<![<>!=])=(?!=)", "==", text)


def _tree(node: ast.AST, text: str, where: str) -> Formula:
    def inner(part: ast.AST) -> Formula:
        return _tree(part, text, where)

    match node:
        case ast.Constant(value=bool() | None):
            pass
        case ast.Constant(value=int() | float() as value) if math.isfinite(value):
            return float(value)
        case ast.Name(id=name):
            return ["name", name]
        case ast.UnaryOp(op=ast.USub(), operand=part):
            return ["neg", inner(part)]
        case ast.UnaryOp(op=ast.UAdd(), operand=part):
            return inner(part)
        case ast.UnaryOp(op=ast.Not(), operand=part):
            return ["not", inner(part)]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _SIGNS:
            return [_SIGNS[type(op)], inner(left), inner(right)]
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _SIGNS:
            return [_SIGNS[type(op)], inner(left), inner(right)]
        case ast.BoolOp(op=op, values=parts):
            return [_SIGNS[type(op)], *(inner(part) for part in parts)]
        case ast.Call(func=ast.Name(id=name), args=parts, keywords=[]):
            return _call(name.rstrip("_"), [inner(part) for part in parts], where)
    raise ContentError(
        N_("{file}: {part!r} cannot stand in a formula; there are numbers, names, + - * / % ^, comparisons, {names}."),
        file=where, part=ast.unparse(node), names=", ".join(FUNCTIONS),
    )  # fmt: skip


def _call(name: str, parts: list[Formula], where: str) -> Formula:
    if name not in FUNCTIONS:
        raise ContentError(
            N_("{file}: there is no function {name} in formulas; there are {names}."), file=where, name=name,
            names=", ".join(FUNCTIONS),
        )  # fmt: skip
    least, most = TAKES[name]
    if not least <= len(parts) <= most:
        raise ContentError(
            N_("{file}: {name} takes {least} to {most} values, and here are {count}."), file=where, name=name,
            least=least, most=most, count=len(parts),
        )  # fmt: skip
    return [name, *parts]


def names(formula: Formula) -> set[str]:
    """The names that a formula asks for."""
    if not isinstance(formula, list):
        return set()
    if formula[0] == "name":
        return {formula[1]}
    return set().union(*(names(part) for part in formula[1:]))


def evaluate(formula: Formula, values: Mapping[str, float]) -> float | None:
    """What a formula comes to; None where that is no finite number, or a name has no value."""
    if not isinstance(formula, list):
        return float(formula)
    sign, *parts = formula
    if sign == "name":
        found = values.get(parts[0])
        return None if found is None else _finite(found)
    if sign == "if":
        condition = evaluate(parts[0], values)
        return None if condition is None else evaluate(parts[1] if condition else parts[2], values)
    known = [evaluate(part, values) for part in parts]
    given = [part for part in known if part is not None]
    if len(given) < len(known):
        return None
    try:
        return _finite(_DOES[sign](*given))
    except (ArithmeticError, ValueError):
        return None


def _finite(value: Any) -> float | None:
    if isinstance(value, complex):
        return None
    found = float(value)
    return found if math.isfinite(found) else None


def _round(value: float, places: float = 0) -> float:
    """Half away from zero, as people round (and not to the even neighbour)."""
    size = 10.0 ** math.trunc(places)
    return math.copysign(math.floor(abs(value) * size + 0.5), value) / size


_DOES: Final[Mapping[str, Callable[..., Any]]] = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b,
    "%": lambda a, b: a - b * math.floor(a / b), "^": lambda a, b: a**b, "neg": lambda a: -a,
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
    "=": lambda a, b: a == b, "!=": lambda a, b: a != b,
    "and": lambda *parts: all(parts), "or": lambda *parts: any(parts), "not": lambda a: not a,
    "min": lambda *parts: min(parts), "max": lambda *parts: max(parts), "abs": abs, "floor": math.floor,
    "ceil": math.ceil, "round": _round, "sqrt": math.sqrt,
}  # fmt: skip
