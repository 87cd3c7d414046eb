"""The schema that editors use: in step with the model, and every field described."""

# ruff: noqa: E501  (rows of the tables of cases stay on one line)

import json
import re
from typing import Any

import pytest

from polku.journey import templates
from polku.journey.model import Journey
from polku.journey.schema import DIALECT, FILE, json_schema, written
from polku.journey.shape import inner_parts, keys_of
from polku.journey.tree import read_text


def test_the_file_that_ships_is_in_step() -> None:
    assert FILE.read_text(encoding="utf-8") == written(), "write it again: python -m polku.journey.schema"


def parts() -> dict[str, type]:
    found: dict[str, type] = {"Journey": Journey}
    todo = [Journey]
    while todo:
        for _, inner in inner_parts(todo.pop()):
            if inner.__name__ not in found:
                found[inner.__name__] = inner
                todo.append(inner)  # type: ignore[arg-type]
    return found


def test_every_field_is_in_it_with_a_description() -> None:
    schema = json_schema()
    assert schema["$schema"] == DIALECT
    for name, part in parts().items():
        node = schema if name == "Journey" else schema["$defs"][name]
        assert sorted(node["properties"]) == sorted(keys_of(part))
        assert node["additionalProperties"] is False
        assert node["description"]
        for key, field in node["properties"].items():
            assert field.get("description"), f"{name}.{key}"


def problems(schema: dict[str, Any], node: Any, data: Any, path: str = "") -> list[str]:
    """A validator of just the words that our schema uses."""
    if "$ref" in node:
        return problems(schema, schema["$defs"][node["$ref"].rpartition("/")[2]], data, path)
    if "anyOf" in node:
        tried = [problems(schema, option, data, path) for option in node["anyOf"]]
        return [] if any(not t for t in tried) else [f"{path}: none of {len(tried)}", *min(tried, key=len)]
    kinds = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "object": dict, "array": list}
    kind = node.get("type")
    if kind == "null":
        return [] if data is None else [f"{path}: not null"]
    if kind and (not isinstance(data, kinds[kind]) or (isinstance(data, bool) and kind != "boolean")):
        return [f"{path}: {data!r} is no {kind}"]
    found: list[str] = []
    if "const" in node and data != node["const"]:
        found.append(f"{path}: {data!r}")
    if "enum" in node and data not in node["enum"]:
        found.append(f"{path}: {data!r} not in {node['enum']}")
    if "pattern" in node and not re.search(node["pattern"], data):
        found.append(f"{path}: {data!r} does not match")
    if kind == "array":
        for i, item in enumerate(data):
            found += problems(schema, node.get("items", {}), item, f"{path}.{i}")
    if kind == "object":
        known = node.get("properties", {})
        found += [f"{path}: {key} is missing" for key in node.get("required", ()) if key not in data]
        for key, value in data.items():
            rest = node.get("additionalProperties", True)
            if key not in known and rest is False:
                found.append(f"{path}.{key} is unknown")
            else:
                found += problems(
                    schema, known.get(key, rest if isinstance(rest, dict) else {}), value, f"{path}.{key}"
                )
    return found


def as_json(data: Any) -> Any:
    return json.loads(json.dumps(data, default=str))


@pytest.mark.parametrize("name", templates.names())
def test_a_good_map_meets_the_schema(name: str) -> None:
    schema = json_schema()
    for language in ("fi", "en"):
        data = as_json(read_text(templates.text(name, language)).data)
        assert problems(schema, schema, data) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [("polku: 1", "polku: 2"), ("window: 30d", "window: soon"), ("stages:", "stagess:"), ("- id: ", "- id: A "), ("currency: EUR", "currency: euro")],
)  # fmt: skip
def test_a_faulty_map_does_not(old: str, new: str) -> None:
    schema = json_schema()
    text = templates.text("shop-5", "en")
    text = text if old in text else text.replace("polku: 1", f"polku: 1\n{old}", 1)
    assert old in text
    assert problems(schema, schema, as_json(read_text(text.replace(old, new, 1)).data))
