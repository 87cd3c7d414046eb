"""Faults of names: what the map refers to and does not have, with the nearest that it has."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from polku.journey.fault import Fault, Path
from polku.journey.sketch import Sketch
from polku.language import N_

Faults = Iterator[Fault]


def no_touchpoint(map: Sketch, path: Path, id: str, column: int | None = None) -> Fault:
    return map.unknown(
        "name.touchpoint",
        N_("there is no touchpoint {found!r} in this map; did you mean {nearest!r}?"),
        N_("there is no touchpoint {found!r} in this map; there are {known}"),
        path,
        id,
        list(map.touchpoint),
        column,
    )


def named(
    map: Sketch, found: Iterator[tuple[Path, str]], known: Collection[str], fault: Callable[[Sketch, Path, str], Fault]
) -> Faults:
    for path, name in found:
        if name not in known:
            yield fault(map, path, name)


def no_stage(map: Sketch, path: Path, id: str) -> Fault:
    return map.unknown(
        "name.stage",
        N_("there is no stage {found!r} in this map; did you mean {nearest!r}?"),
        N_("there is no stage {found!r} in this map; there are {known}"),
        path,
        id,
        map.stage_ids,
    )


def no_place(map: Sketch, path: Path, id: str) -> Fault:
    return map.unknown(
        "name.place",
        N_("there is no touchpoint or stage {found!r} in this map; did you mean {nearest!r}?"),
        N_("there is no touchpoint or stage {found!r} in this map; there are {known}"),
        path,
        id,
        [*map.touchpoint, *map.stage_ids],
    )


def keys(map: Sketch, key: str) -> list[str]:
    found = map.root.data.get(key)
    return list(found) if isinstance(found, dict) else []
