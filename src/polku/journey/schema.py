"""The JSON Schema of the map, for editors: completion, descriptions and the first faults while one types.

It is made from the model; ``journey.schema.json`` beside this file is the copy that ships and that editors are pointed
to (``# yaml-language-server: $schema=...``). Write it again with ``python -m polku.journey.schema``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polku.journey.kinds import kinds
from polku.journey.model import Journey
from polku.journey.values import DURATION, SHARE

FILE = Path(__file__).with_name("journey.schema.json")
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """The schema (draft 2020-12) of ``journey.yaml`` as plain data."""
    schema = _clean(Journey.model_json_schema(by_alias=True, mode="validation"))
    schema["title"] = "Polku journey map"
    _add_kinds(schema["$defs"]["MeasureGoal"])
    return {"$schema": DIALECT, "$id": "urn:polku:journey:1", **schema}


#: How an option of a measure is written, by its kind.
WRITTEN: dict[str, dict[str, Any]] = {
    "number": {"type": "integer", "minimum": 1},
    "real": {"type": "number"},
    "flag": {"type": "boolean"},
    "share": {"anyOf": [{"type": "number"}, {"type": "string", "pattern": SHARE.pattern}]},
    "duration": {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": DURATION.pattern}]},
    "day": {"type": "string"},
    "steps": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
    "texts": {"anyOf": [{"type": "string"}, {"type": "array"}]},
}


def _add_kinds(measure: dict[str, Any]) -> None:
    """What each kind of measure may be asked under ``options``, so that editors complete it."""
    known = kinds()
    measure["properties"]["kind"]["enum"] = list(known)
    measure["allOf"] = [
        {
            "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
            "then": {
                "properties": {
                    "kind": {"description": told["help"]},
                    "options": {
                        "properties": {name: _option(option) for name, option in told["options"].items()},
                        "additionalProperties": False,
                    },
                }
            },
        }
        for kind, told in known.items()
    ]


def _option(option: Mapping[str, Any]) -> dict[str, Any]:
    given = {"enum": option["choices"]} if "choices" in option else WRITTEN.get(option["kind"], {"type": "string"})
    return {**given, "description": option["help"]}


def _clean(node: Any) -> Any:
    """Without pydantic's made-up titles and defaults that say nothing."""
    if isinstance(node, list):
        return [_clean(item) for item in node]
    if not isinstance(node, dict):
        return node
    found = {key: _clean(value) for key, value in node.items() if not (key == "title" and isinstance(value, str))}
    if "default" in found and found["default"] in (None, [], {}):
        del found["default"]
    return found


def written() -> str:
    """The schema as it stands in the file."""
    return json.dumps(json_schema(), ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(written(), encoding="utf-8", newline="\n")
