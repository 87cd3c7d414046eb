"""Open a project for a command, in the language and zone of its reader."""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polku.cli.terminal import WISH_ZONE, Terminal
from polku.zones import zone_named

if TYPE_CHECKING:
    import pyarrow as pa

    from polku.record.project import Project
    from polku.shop import Shop


def opened(
    folder: Path,
    language: str | None,
    as_json: bool,
    timezone: str | None = None,
    *,
    state: str | None = None,
    history: str | None = None,
) -> tuple[Terminal, Project]:
    """The terminal and the project; the map is read so that its faults are told before any work is done.

    Times are shown in ``timezone``, else in the one wished for before the command, else in that of the project's
    settings, else in the map's. ``state`` and ``history`` as in open_project. Raises UsageError for a zone that nobody
    knows.
    """
    from polku.record.project import open_project

    terminal, wish = _terminal(folder, language, as_json, timezone)
    project = open_project(folder, state=state, history=history)
    journey = project.journey()
    return terminal.of(wish or project.settings.timezone or journey.timezone, journey.currency), project


def _terminal(
    folder: Path, language: str | None, as_json: bool, timezone: str | None = None
) -> tuple[Terminal, str | None]:
    """The terminal in its reader's language, and the zone that the reader wishes for."""
    from polku.record.settings import project_language

    terminal = Terminal(as_json=as_json, language=language, project_language=project_language(folder))
    wish = timezone or WISH_ZONE.get()
    if wish is not None:
        zone_named(wish)
    return terminal, wish


def project_of(folder: Path, language: str | None, as_json: bool) -> tuple[Terminal, Project]:
    """The terminal and the project, whatever its map says: for commands that have nothing to do with the map.

    Times are shown in the zone wished for before the command, else in that of the settings, else in the map's.
    """
    from polku.errors import MapError
    from polku.record.project import open_project

    terminal, wish = _terminal(folder, language, as_json)
    project = open_project(folder)
    zone, currency = wish or project.settings.timezone or "UTC", "EUR"
    try:
        journey = project.journey()
    except MapError:
        return terminal.of(zone, currency), project
    return terminal.of(wish or project.settings.timezone or journey.timezone, journey.currency), project


def looked(
    folder: Path,
    language: str | None,
    as_json: bool,
    timezone: str | None = None,
    engine: str | None = None,
    as_of: str | None = None,
    *,
    state: str | None = None,
    history: str | None = None,
) -> tuple[Terminal, Shop]:
    """The terminal and the project with its trails up to date; building them shows a progress bar.

    ``engine`` is where trails are made and kernels run: see :func:`polku.engines.engine.engine_of`; ``as_of`` the
    moment that is looked at (:func:`polku.measures.periods.named_moment`).
    """
    from polku.engines.engine import engine_of
    from polku.shop import Shop

    terminal, project = opened(folder, language, as_json, timezone, state=state, history=history)
    where = engine_of(engine)
    with terminal.progress() as progress:
        return terminal, Shop(project, lambda what, done, total: progress(done, total, what), where, as_of)


def plain(value: Any) -> Any:
    """A cell as JSON has it: times in ISO 8601, no NaN."""
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


def plain_rows(table: pa.Table) -> list[dict[str, Any]]:
    return [{k: plain(v) for k, v in row.items()} for row in table.to_pylist()]
