"""Writes src/polku/journey/measure_kinds.json: the kinds of measures that a map may name, with the options of each.

The map knows nothing of measures, so it is told in data. Run this after a measure or an option was added, and then
``python -m polku.journey.schema``; tests hold both files to what this would write.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[1] / "src" / "polku" / "journey" / "measure_kinds.json"


def kinds() -> dict[str, Any]:
    from polku.measures.answer import Answer
    from polku.measures.catalogue import CATALOGUE

    found: dict[str, Any] = {}
    for name, measure in CATALOGUE.items():
        options: dict[str, Any] = {}
        for option in measure.options:
            told: dict[str, Any] = {"kind": option.kind, "help": option.help}
            if option.choices:
                told["choices"] = list(option.choices)
            if option.required:
                told["required"] = True
            options[option.name] = told
        found[name] = {
            "title": measure.title,
            "help": measure.summary,
            # a target can be held against it; the stages have a target each, of their own
            "one_rate": measure.answer().rate is not Answer.rate and name != "stages",
            "options": options,
        }
    return found


def text() -> str:
    return json.dumps(kinds(), ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8", newline="\n")
