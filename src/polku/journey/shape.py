"""Does the data have the map's shape? pydantic finds what does not fit, and it is told in our own words here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from polku.errors import nearest
from polku.journey.fault import Fault, Path
from polku.journey.model import Journey, Part
from polku.journey.tree import Tree
from polku.journey.values import UnreadableError, shown
from polku.language import N_

#: How pydantic's error becomes (code, message, facts). ``path`` is the place, ``found`` what stands there.
Tell = Callable[[ErrorDetails, Path, Any], tuple[str, str, dict[str, Any]]]


def shape_faults(tree: Tree) -> tuple[Journey | None, list[Fault]]:
    """The journey when the data has its shape, and every fault when not."""
    if not isinstance(tree.data, dict):
        place = tree.place(())
        message = N_("a map is made of lines such as 'title: ...'; this is something else")
        return None, [Fault("shape.mapping", message, line=place.line, column=place.column)]
    try:
        return Journey.model_validate(tree.data), []
    except ValidationError as error:
        # A list whose items are all at fault is not also called empty.
        return None, [
            _fault(tree, e) for e in error.errors(include_url=False) if e["type"] != "too_short" or not e["input"]
        ]


def _fault(tree: Tree, error: ErrorDetails) -> Fault:
    path = tuple(error["loc"])
    tell = TELLERS.get(error["type"], _unfit)
    code, message, facts = tell(error, path, error["input"])
    known = code == "shape.unknown_key"
    place = tree.place(path, value=not known and code != "shape.missing")
    around = path[:-1] if code in ("shape.missing", "shape.unknown_key") else path
    return Fault(
        code, message, facts, line=place.line, column=place.column, path=tree.real(path), part=tree.part(around)
    )


def _missing(error: ErrorDetails, path: Path, found: Any) -> tuple[str, str, dict[str, Any]]:
    if isinstance(path[-1], int):
        return "shape.pair", N_("two numbers are needed here, such as [0, 10]"), {}
    return "shape.missing", N_("{key!r} is missing"), {"key": path[-1]}


def _unknown_key(error: ErrorDetails, path: Path, found: Any) -> tuple[str, str, dict[str, Any]]:
    part = part_at(path[:-1])
    key = str(path[-1])
    known = keys_of(part) if part else []
    near = nearest(key, known)
    facts = {"key": key, "known": ", ".join(known), "nearest": near}
    if near:
        return "shape.unknown_key", N_("there is no key {key!r} here; did you mean {nearest!r}?"), facts
    under = next((name for name, inner in inner_parts(part) if key in keys_of(inner)), None) if part else None
    if under:
        return (
            "shape.unknown_key",
            N_("there is no key {key!r} here; it goes under {under!r}"),
            {**facts, "under": under},
        )
    return "shape.unknown_key", N_("there is no key {key!r} here; there are {known}"), facts


def _value(error: ErrorDetails, path: Path, found: Any) -> tuple[str, str, dict[str, Any]]:
    reason = error.get("ctx", {}).get("error")
    if isinstance(reason, UnreadableError):
        return "value.unreadable", reason.message, reason.facts
    return _unfit(error, path, found)


def _choice(error: ErrorDetails, path: Path, found: Any) -> tuple[str, str, dict[str, Any]]:
    if path == ("polku",):
        message = N_("this map is of version {found} of the format, and this Polku reads version 1")
        return "value.version", message, {"found": shown(found)}
    known = re.findall(r"'([^']*)'", str(error.get("ctx", {}).get("expected", "")))
    near = nearest(str(found), known)
    facts = {"found": shown(found), "known": ", ".join(known), "nearest": near}
    if near:
        return "value.choice", N_("{found!r} is not known here; did you mean {nearest!r}? There are {known}"), facts
    return "value.choice", N_("{found!r} is not known here; there are {known}"), facts


def _pattern(error: ErrorDetails, path: Path, found: Any) -> tuple[str, str, dict[str, Any]]:
    if path[-1] == "currency":
        return (
            "value.currency",
            N_("{found!r} is no currency; write its three letters, such as EUR"),
            {"found": shown(found)},
        )
    plain = str(found).lower().translate(str.maketrans("äåöéü -.", "aaoeu___"))
    example = re.sub(r"[^a-z0-9_]", "", plain).strip("_0123456789")[:60] or "cart"
    message = N_("{found!r} cannot be an id; use small letters, digits and _, beginning with a letter: {example}")
    return "value.id", message, {"found": shown(found), "example": example}


def _range(error: ErrorDetails, path: Path, found: Any) -> tuple[str, str, dict[str, Any]]:
    """A feeling has two bounds; of other numbers the one that was passed is told."""
    if path[-1] == "feeling":
        return "value.range", N_("{found} is not between -2 and 2"), {"found": shown(found)}
    bounds = error.get("ctx", {})
    for name, message in (
        ("le", N_("{found} is too much; it can be at most {bound}")),
        ("ge", N_("{found} is too little; it must be at least {bound}")),
        ("gt", N_("{found} is too little; it must be more than {bound}")),
    ):
        if name in bounds:
            return "value.range", message, {"found": shown(found), "bound": bounds[name]}
    return _unfit(error, path, found)


def _told(code: str, message: str) -> Tell:
    return lambda error, path, found: (code, message, {"found": shown(found)})


_unfit = _told("shape.unfit", N_("{found!r} cannot stand here"))
_text = _told("shape.text", N_("a text is needed here, and this is {found}; put it in quotes"))
_number = _told("shape.number", N_("a number is needed here, and this is {found!r}"))
_yes = _told("shape.boolean", N_("{found!r} is neither true nor false"))
_mapping = _told("shape.mapping", N_("lines such as 'key: value' are needed here, and this is {found!r}"))
_list = _told("shape.list", N_("a list is needed here (lines that begin with -), and this is {found!r}"))
_long = _told("value.long", N_("{found!r} is too long"))

TELLERS: dict[str, Tell] = {
    "missing": _missing,
    "extra_forbidden": _unknown_key,
    "value_error": _value,
    "literal_error": _choice,
    "string_pattern_mismatch": _pattern,
    "string_too_long": _long,
    "string_type": _text,
    "int_type": _number,
    "int_parsing": _number,
    "int_from_float": _number,
    "float_type": _number,
    "float_parsing": _number,
    "finite_number": _number,
    "bool_type": _yes,
    "bool_parsing": _yes,
    "model_type": _mapping,
    "dict_type": _mapping,
    "tuple_type": _list,
    "too_short": _told("shape.empty", N_("at least one is needed here")),
    "too_long": _told("shape.pair", N_("two numbers are needed here, such as [0, 10]")),
    "less_than_equal": _range,
    "greater_than_equal": _range,
    "greater_than": _range,
}


def keys_of(part: type[BaseModel]) -> list[str]:
    """The keys of a part as they are written in the map."""
    return [field.alias or name for name, field in part.model_fields.items()]


def inner_parts(part: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """(key, class) of the parts inside ``part``."""
    for name, field in part.model_fields.items():
        inner = _part_in(field.annotation)
        if inner:
            yield field.alias or name, inner


def part_at(path: Sequence[str | int]) -> type[BaseModel] | None:
    """The class of the part at ``path``; None where there is none.

    >>> part_at(("stages", 0, "touchpoints", 1)).__name__
    'Touchpoint'
    """
    part: type[BaseModel] | None = Journey
    named = False  # the step names an entry of a mapping such as personas
    for step in path:
        if isinstance(step, int) or named:
            named = False
            continue
        if part is None:
            return None
        field = next((f for n, f in part.model_fields.items() if (f.alias or n) == step), None)
        if field is None:
            return None
        part = _part_in(field.annotation)
        named = part is not None and "dict[" in str(field.annotation)
    return part


def _part_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return annotation
    for inner in get_args(annotation):
        found = _part_in(inner)
        if found:
            return found
    return None
