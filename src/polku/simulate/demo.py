"""The demo project: a simulated world, imported the way any file is, ready to look at.

The folder becomes an ordinary project. ``world/`` in it keeps the simulated files and the truth, and
``.polku/demo.json`` says which world it is, so that a second run opens what is there, one that was stopped is finished,
and nobody's own project is ever taken for a demo.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from polku.errors import ProjectError
from polku.journey import templates
from polku.language import N_
from polku.record.project import create_project, open_project
from polku.simulate.costs import FILE as COSTS_FILE
from polku.simulate.making import World, write
from polku.simulate.noise import Noise
from polku.sources.costs import import_costs
from polku.sources.importing import ImportReport, import_files

CUSTOMERS: Final = 10_000
TEMPLATES: Final = {"shop": "shop-5", "studio": "subscription"}

#: (done, of how many, what is being done: an English text to translate)
Progress = Callable[[float, float | None, str], None]
MAKING = N_("Making a world")


@dataclasses.dataclass(frozen=True)
class Demo:
    """A demo project that is ready. ``made``: now, rather than earlier; ``report``: of its import, when made now."""

    folder: Path
    world: World
    made: bool
    report: ImportReport | None = None


def note_file(folder: Path) -> Path:
    """Where a demo project says which world it is."""
    return folder / ".polku" / "demo.json"


def read_note(folder: Path) -> dict[str, Any] | None:
    """The demo's note, or None where there is no demo."""
    try:
        note = json.loads(note_file(folder).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    return note if isinstance(note, dict) else None


def write_note(folder: Path, note: dict[str, Any]) -> None:
    """Replace the note, atomically."""
    target = note_file(folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_suffix(".new")
    draft.write_text(json.dumps(note, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    draft.replace(target)


def world_of(note: dict[str, Any]) -> World:
    """The world that a demo's note names."""
    facts = note["world"]
    obstacles = facts["obstacles"]
    return World(
        kind=facts["kind"],
        customers=facts["customers"],
        months=facts["months"],
        seed=facts["seed"],
        end=dt.datetime.fromisoformat(facts["end"]),
        obstacles=None if obstacles is None else tuple(obstacles),
        noise=Noise(**facts["noise"]),
    )


def prepare(
    folder: str | Path,
    customers: int = CUSTOMERS,
    language: str = "fi",
    progress: Progress | None = None,
    *,
    kind: str = "shop",
    seed: int = 1,
    months: float = 18,
    end: dt.datetime | None = None,
) -> Demo:
    """Make the demo project in ``folder``, or open the one that is there: template, world, import.

    ``kind``: ``"shop"`` or ``"studio"``; ``language``: of the map and the content; ``months``: the world's length;
    ``end``: its end, now when None. A demo that stands there already is left as it is, whatever is asked; one that was
    stopped half-way is finished. Raises ProjectError when the folder holds anything else.
    """
    path = Path(folder).absolute()
    tell = progress or (lambda done, total, what: None)
    note = read_note(path)
    if note is None:
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise ProjectError(
                N_("{folder} is there already and is not a demo. Give the demo a folder of its own."), folder=str(path)
            )
        moment = end or dt.datetime.now(dt.UTC).replace(second=0, microsecond=0)
        world = World(kind, customers, months, seed, moment)
        note = {"world": world.facts(), "language": language, "done": False}
        path.mkdir(parents=True, exist_ok=True)
        write_note(path, note)
    world = world_of(note)
    if note["done"]:
        return Demo(path, world, made=False)
    _begin(path, world, note["language"])
    summary = write(path / "world", world, lambda told, of, _: tell(told, of, MAKING))
    with create_project(path, note["language"]) as project:
        project.keep_map("polku demo")
        report = import_files(project, list(summary.files), progress=tell)
        import_costs(project, path / "world" / COSTS_FILE)
    write_note(path, {**note, "done": True})
    return Demo(path, world, made=True, report=report)


def _begin(path: Path, world: World, language: str) -> None:
    """The template's files; those of an earlier run that was stopped are kept when the map, written last, is there."""
    if (path / "journey.yaml").exists():
        return
    name = TEMPLATES[world.kind]
    _write_template(path, name, language)


def _write_template(path: Path, name: str, language: str) -> None:
    """The files of ``polku init``, made aside and moved in: the note in ``.polku`` stands there before them."""
    aside = path / ".polku" / "template"
    if aside.exists():
        for old in sorted(aside.rglob("*"), reverse=True):
            old.rmdir() if old.is_dir() else old.unlink()
        aside.rmdir()
    for made in templates.write(aside, name, language):
        target = path / made.relative_to(aside)
        target.parent.mkdir(parents=True, exist_ok=True)
        made.replace(target)


__all__ = ["CUSTOMERS", "Demo", "open_project", "prepare", "read_note", "write_note"]
