"""Check a map: every fault at once, each with its place, what was looked for and the nearest name."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from polku.journey.fault import Fault
from polku.journey.model import Journey
from polku.journey.rules import RULES
from polku.journey.shape import shape_faults
from polku.journey.sketch import Sketch
from polku.journey.tree import Tree, read_bytes, read_text
from polku.language import N_

__all__ = ["Fault", "check", "check_text", "checked"]


def check(path_or_text: Path | str) -> list[Fault]:
    """Every fault of a map, in order of place; an empty list when there is none.

    A ``Path`` is a file or a project's folder. A ``str`` of more than one line is a map's text, another one a path.

    >>> [str(f) for f in check("title: Shop\\nstages:\\n  - {id: a, tile: A, enter: count(*) > 1}\\n")]
    ["journey.yaml:3:13: stages.a: there is no key 'tile' here; did you mean 'title'?"]
    """
    if isinstance(path_or_text, str) and (not path_or_text or "\n" in path_or_text):
        return check_text(path_or_text)
    path = Path(path_or_text)
    path = path / "journey.yaml" if path.is_dir() else path
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return [Fault("file.none", N_("there is no such file"), file=str(path))]
    except OSError as error:
        return [
            Fault(
                "file.unreadable", N_("the file cannot be read: {reason}"), {"reason": error.strerror or ""}, str(path)
            )
        ]
    return checked(read_bytes(content), str(path), path.parent)[1]


def check_text(text: str, file: str = "journey.yaml", folder: Path | None = None) -> list[Fault]:
    """Every fault of a map's text; ``folder`` is where its content files are looked for (not looked for without)."""
    return checked(read_text(text), file, folder)[1]


def checked(tree: Tree, file: str, folder: Path | None) -> tuple[Journey | None, list[Fault]]:
    """The journey of a tree, None when it has errors; and every fault, errors and warnings, in order of place."""
    faults = list(tree.faults)
    journey = None
    if tree.data is not None or not faults:
        journey, misshapen = shape_faults(tree)
        faults += misshapen
        sketch = Sketch(tree, folder)
        faults += [fault for rule in RULES for fault in rule(sketch)]
    faults = placed(faults, file)
    return (None if any(f.severity == "error" for f in faults) else journey), faults


def placed(faults: Iterable[Fault], file: str) -> list[Fault]:
    """In order of place, each once, with the file's name."""
    once: dict[tuple[int, int, str, str], Fault] = {}
    for fault in faults:
        once.setdefault((fault.line, fault.column, fault.code, fault.text()), dataclasses.replace(fault, file=file))
    return [once[key] for key in sorted(once)]
