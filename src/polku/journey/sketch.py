"""The map as the rules of ``check`` see it: the raw data, read so tolerantly that a fault in one part hides none in
another.

A rule asks for stages, touchpoints and texts and gets those that have the shape of one; what has not is told by
``shape``, and skipped here.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Collection, Iterator
from pathlib import Path as FilePath
from typing import Any

from polku.errors import nearest
from polku.journey.fault import Fault, Path, Severity
from polku.journey.tree import Tree

Data = dict[str, Any]
MOST_LISTED = 12


@dataclasses.dataclass(frozen=True)
class Spot:
    """A part of the map: its path, and what stands there."""

    path: Path
    data: Data

    def text(self, *keys: str) -> str | None:
        """The text at ``keys`` inside this part; None when there is none."""
        found: Any = self.data
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        return found if isinstance(found, str) and found.strip() else None

    def texts(self, *keys: str) -> Iterator[tuple[Path, str]]:
        """Every text at ``keys``, where one or many may stand."""
        found: Any = self.data
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        path = (*self.path, *keys)
        if isinstance(found, str):
            yield path, found
        elif isinstance(found, list):
            yield from (((*path, i), one) for i, one in enumerate(found) if isinstance(one, str))

    def parts(self, *keys: str) -> Iterator[Spot]:
        """Every part at ``keys``, where one or many (a list, or a mapping alone) may stand."""
        found: Any = self.data
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        path = (*self.path, *keys)
        if isinstance(found, dict):
            yield Spot(path, found)
        elif isinstance(found, list):
            yield from (Spot((*path, i), one) for i, one in enumerate(found) if isinstance(one, dict))


@dataclasses.dataclass(frozen=True)
class PlacedTouchpoint(Spot):
    """A touchpoint, with the index of its stage."""

    stage: int

    @property
    def id(self) -> str | None:
        return self.text("id")

    @property
    def matches(self) -> list[Spot]:
        return list(self.parts("match"))


@dataclasses.dataclass(frozen=True)
class Sketch:
    """The raw map, and the folder where its content lies (None: not looked at)."""

    tree: Tree
    folder: FilePath | None = None

    @functools.cached_property
    def root(self) -> Spot:
        return Spot((), self.tree.data if isinstance(self.tree.data, dict) else {})

    @functools.cached_property
    def stages(self) -> list[Spot]:
        """A mapping alone is no list of stages: that is told by its shape."""
        return list(self.root.parts("stages")) if isinstance(self.root.data.get("stages"), list) else []

    @functools.cached_property
    def last_stage(self) -> int:
        return len(self.root.data["stages"]) - 1 if self.stages else -1

    @functools.cached_property
    def touchpoints(self) -> list[PlacedTouchpoint]:
        found = []
        for stage in self.stages:
            index = stage.path[1]
            assert isinstance(index, int)
            if isinstance(stage.data.get("touchpoints"), list):
                found += [PlacedTouchpoint(t.path, t.data, index) for t in stage.parts("touchpoints")]
        return found

    @functools.cached_property
    def touchpoint(self) -> dict[str, PlacedTouchpoint]:
        """Touchpoints by id; the first of those with the same one."""
        found: dict[str, PlacedTouchpoint] = {}
        for touchpoint in self.touchpoints:
            if touchpoint.id is not None:
                found.setdefault(touchpoint.id, touchpoint)
        return found

    @functools.cached_property
    def stage_ids(self) -> list[str]:
        return [id for stage in self.stages if (id := stage.text("id")) is not None]

    @functools.cached_property
    def segment_conditions(self) -> list[tuple[Path, str]]:
        """The condition of each segment, short form (a text) or long (under ``condition``), with where it stands."""
        found = self.root.data.get("segments")
        spots: list[tuple[Path, str]] = []
        for name, segment in found.items() if isinstance(found, dict) else ():
            path: Path = ("segments", name)
            text = segment
            if isinstance(segment, dict):
                path, text = (*path, "condition"), segment.get("condition")
            if isinstance(text, str) and text.strip():
                spots.append((path, text))
        return spots

    def named(self, key: str) -> dict[str, Spot]:
        """The entries of a mapping of the map, such as ``personas``, by name."""
        found = self.root.data.get(key)
        entries = found.items() if isinstance(found, dict) else ()
        return {name: Spot((key, name), one) for name, one in entries if isinstance(one, dict)}

    def fault(
        self,
        code: str,
        message: str,
        path: Path,
        *,
        column: int | None = None,
        key_of: bool = False,
        severity: Severity = "error",
        **facts: Any,
    ) -> Fault:
        """A fault at the value of ``path`` (``key_of``: at its key; ``column``: at that sign of its text)."""
        place = self.tree.inside(path, column) if column else self.tree.place(path, value=not key_of)
        real = self.tree.real(path)
        return Fault(code, message, facts, "", place.line, place.column, severity, real, self.tree.part(path))

    def unknown(
        self,
        code: str,
        near_message: str,
        message: str,
        path: Path,
        found: str,
        known: Collection[str],
        column: int | None = None,
    ) -> Fault:
        """A name that the map lacks: ``near_message`` when one is near, else ``message`` with those that there are."""
        near, known = nearest(found, known), list(dict.fromkeys(known))
        listed = ", ".join(known[:MOST_LISTED]) + (", …" if len(known) > MOST_LISTED else "")
        said = near_message if near else message
        return self.fault(code, said, path, column=column, found=found, nearest=near, known=listed or "-")
