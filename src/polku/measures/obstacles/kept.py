"""The obstacles of the last year, kept with their price: the map shows them and never waits for them.

A job finds them in the background, at most once a day (``polku jobs``); they stand in ``.polku/cache/obstacles.json``.
"""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polku.errors import MeasureError
from polku.journey.document import replace_file
from polku.journey.model import Text

if TYPE_CHECKING:
    from polku.record.project import Project

FILE = "obstacles.json"
FORMAT = 1
PERIOD = "365d"
#: Seconds until they are looked for anew, when there is news; and that a server answers for before the first look.
EVERY, FIRST = 86400.0, 60.0
_begun = time.monotonic()


@dataclasses.dataclass(frozen=True, slots=True)
class Known:
    """One obstacle as the map tells it: what, at which touchpoint, how many met it, and money lost a month (with its
    interval; None where no money is known) or goals lost.
    """

    id: str
    kind: str
    title: Text
    at: str
    people: int
    behind: str | None
    lost: float | None
    money: float | None
    low: float | None
    high: float | None
    currency: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class Kept:
    """All of them, as of when, by which map (its size and time of change) and place of the record."""

    as_of: str
    map: tuple[int, int]
    position: dict[str, int]
    found: tuple[Known, ...]


def file_of(project: Project) -> Path:
    return project.data / "cache" / FILE


def find(project: Project) -> Kept:
    """Look for the obstacles of the last year and keep them. A map without a goal, or without stages, has none."""
    from polku.shop import Shop

    position, mark = dataclasses.asdict(project.position()), _mark(project)
    shop = Shop(project)
    try:
        answer = shop.obstacles(period=PERIOD)
        found = tuple(
            Known(
                o.id, o.kind, o.title, o.at, o.people.n, o.people.behind, o.lost.value,
                o.a_month.value, o.a_month.low, o.a_month.high, answer.currency,
            )
            for o in answer.found
        )  # fmt: skip
    except MeasureError:
        found = ()
    made = Kept(shop.trails.as_of.isoformat(), mark, position, found)
    path = file_of(project)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"format": FORMAT, **dataclasses.asdict(made)}
    replace_file(path, json.dumps(content, ensure_ascii=False).encode())
    return made


def kept(project: Project) -> Kept | None:
    """What was found last; None where nobody looked yet, or the map is another one since."""
    try:
        content: dict[str, Any] = json.loads(file_of(project).read_bytes())
    except FileNotFoundError:
        return None
    if content.pop("format") != FORMAT or tuple(content["map"]) != _mark(project):
        return None
    found = tuple(Known(**one) for one in content["found"])
    return Kept(content["as_of"], _mark(project), content["position"], found)


def stamp(project: Project) -> int:
    """When they were last found, in nanoseconds; 0: never. Cheap."""
    try:
        return file_of(project).stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def due(project: Project) -> bool:
    """Whether there is something to look at that the last look did not see; it only looks itself."""
    if time.monotonic() - _begun < FIRST or not project.map_file.exists():
        return False
    last = kept(project)
    if last is None:
        return any(dataclasses.asdict(project.position()).values())
    old = time.time_ns() - stamp(project) > EVERY * 1e9
    return old and last.position != dataclasses.asdict(project.position())


def _mark(project: Project) -> tuple[int, int]:
    found = project.map_file.stat()
    return found.st_size, found.st_mtime_ns
