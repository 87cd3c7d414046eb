"""Writes src/polku/asking.py: a method for every measure of the catalogue, with its options typed and told.

Run it after a measure or an option was added; a test holds the file to what this would write.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

from polku.measures.catalogue import CATALOGUE
from polku.measures.definition import Measure, Option

FILE = Path(__file__).parents[1] / "src" / "polku" / "asking.py"
HEAD = '''"""Every measure as a method, for notebooks: ``shop.funnel(...)``, ``trails.funnel(...)``.

Written by scripts/write_asking.py from the catalogue of measures; do not edit by hand.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

if TYPE_CHECKING:
{imports}


class Asking:
    """What can be asked of a shop, or of trails of any table.

    Every method takes, besides its own options: ``period`` (``30d``, ``all``, ``2026-01-01..2026-02-01``),
    ``compare`` (``none``, ``previous``, ``year``), ``persona`` and ``segment`` (of the map).
    """

    __slots__ = ()

    def measure(
        self,
        name: str,
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
        **options: Any,
    ) -> Answer:
        """A measure by name. Raises MeasureError with what exists."""
        raise NotImplementedError
'''
SHARED = 'period: str = "all", compare: str = "none", persona: str | None = None, segment: str | None = None'
SHARED_NAMES = "period, compare, persona, segment"
TYPES = {
    "step": "str",
    "goal": "str",
    "text": "str",
    "property": "str",
    "steps": "Sequence[str] | str",
    "texts": "Sequence[str] | str",
    "duration": "str | int | dt.timedelta",
    "number": "int",
    "real": "float",
    "share": "float | str",
    "flag": "bool",
    "day": "dt.date | str",
}


def keyword(option: Option) -> str:
    return "from_" if option.name == "from" else option.name


def parameter(option: Option) -> str:
    kind = f"Literal{list(option.choices)!r}" if option.kind == "choice" else TYPES[option.kind]
    if option.required:
        return f"{keyword(option)}: {kind}"
    if option.default is None:
        return f"{keyword(option)}: {kind} | None = None"
    return f"{keyword(option)}: {kind} = {option.default!r}"


def method(measure: Measure) -> str:
    answer = measure.answer().__name__
    first = [parameter(o) for o in measure.options if o.required]
    rest = [parameter(o) for o in measure.options if not o.required]
    told = "\n".join(
        textwrap.fill(f"{keyword(o)}: {o.help}", 108, subsequent_indent="    ", break_long_words=False)
        for o in measure.options
    )
    doc = measure.summary + (f"\n\n{told}\n" if told else "")
    given = ", ".join(f"{keyword(o)}={keyword(o)}" for o in measure.options)
    return (
        f"    def {measure.name}(self, {''.join(p + ', ' for p in first)}*, {''.join(p + ', ' for p in rest)}{SHARED})"
        f" -> {answer}:\n"
        f'        """{textwrap.indent(doc, "        ").strip()}'
        + ("\n        " if told else "")
        + '"""\n'
        + f'        return cast("{answer}", self.measure("{measure.name}", {SHARED_NAMES}, {given}))\n'
    )


def text() -> str:
    classes = {(a.__module__, a.__name__) for a in (m.answer() for m in CATALOGUE.values())}
    classes.add(("polku.measures.answer", "Answer"))
    imports = "\n".join(f"    from {module} import {name}" for module, name in sorted(classes))
    made = HEAD.format(imports=imports) + "\n" + "\n".join(method(m) for m in CATALOGUE.values())
    ruff = [sys.executable, "-m", "ruff"]
    for step in (["check", "--fix", "--quiet", "--select", "I,UP,F", "-"], ["format", "--quiet", "-"]):
        done = subprocess.run([*ruff, *step], input=made, capture_output=True, text=True, check=True, cwd=FILE.parent)
        made = done.stdout
    return made


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
