"""Three stories told event by event, each as it went and as it might have gone: the tutorial, the examples, the tests.

Beside this module, for each story: ``NAME.fi.yaml`` and ``NAME.en.yaml``, the map (``polku init --example NAME``), and
``NAME.story.yaml``, the events with their narration and with what Polku must read back from them.

>>> names()
('party-outfit', 'yoga-studio', 'running-shoes')
>>> story("party-outfit").tellings[0].steps[0].touchpoint
'instagram_ad'
"""

from __future__ import annotations

import datetime as dt
import functools
import json
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from ruamel.yaml import YAML

from polku.errors import UsageError, nearest
from polku.journey.templates.start import begin
from polku.language import LANGUAGES, N_
from polku.stories.model import Change, Step, Story, Telling

__all__ = ["Change", "Step", "Story", "Telling", "names", "story", "text", "title", "write"]

_NAMES = ("party-outfit", "yoga-studio", "running-shoes")
#: The file of events that an example's folder gets.
EVENTS = "events.jsonl"


def names() -> tuple[str, ...]:
    """The stories' names, as ``polku init --example`` takes them."""
    return _NAMES


def _file(name: str, kind: str) -> str:
    return (resources.files(__package__) / f"{name.replace('-', '_')}.{kind}.yaml").read_text("utf-8")


def _known(name: str, language: str | None = None) -> str:
    """The name as it is listed (an underscore counts as a hyphen)."""
    listed = name.replace("_", "-")
    if listed not in _NAMES:
        raise UsageError(
            N_("There is no example {name!r}. Examples: {names}. Did you mean {near}?"),
            name=name,
            names=", ".join(_NAMES),
            near=nearest(listed, _NAMES) or _NAMES[0],
        )
    if language is not None and language not in LANGUAGES:
        raise UsageError(
            N_("The templates are written in {names}, not in {language!r}."),
            language=language,
            names=", ".join(LANGUAGES),
        )
    return listed


def text(name: str, language: str) -> str:
    """The ``journey.yaml`` of a story in ``language`` ("fi" or "en"). Raises UsageError for what is not there."""
    return _file(_known(name, language), language)


@functools.cache
def title(name: str, language: str) -> str:
    """The title of a story's map."""
    return str(_parsed(text(name, language))["title"])


def _parsed(yaml: str) -> dict[str, Any]:
    data = YAML(typ="safe", pure=True).load(yaml)
    if not isinstance(data, dict):
        raise TypeError("a story's file is a mapping")
    return data


@functools.cache
def story(name: str) -> Story:
    """The story: its maps, and its tellings step by step. Raises UsageError for an unknown name."""
    name = _known(name)
    data = _parsed(_file(name, "story"))
    maps = {language: _file(name, language) for language in LANGUAGES}
    zone = ZoneInfo(_parsed(maps["en"])["timezone"])
    return Story(
        name, data["persona"], MappingProxyType(maps), tuple(_telling(part, zone) for part in data["tellings"])
    )


def _telling(data: dict[str, Any], zone: ZoneInfo) -> Telling:
    return Telling(
        data["id"],
        data["title"],
        data["person"],
        tuple(_step(part, zone) for part in data["steps"]),
        _moment(data["until"], zone),
        tuple((d["touchpoint"], d["kind"]) for d in data["deviations"]),
        tuple(data["obstacles"]),
    )


def _step(data: dict[str, Any], zone: ZoneInfo) -> Step:
    change = data.get("change")
    return Step(
        _moment(data["at"], zone),
        data.get("event"),
        MappingProxyType(data.get("facts", {})),
        data["told"],
        data["stage"],
        data.get("touchpoint"),
        data.get("fails"),
        Change(change["kind"], change["by"]) if change else None,
    )


def _moment(value: str | dt.datetime, zone: ZoneInfo) -> dt.datetime:
    when = value if isinstance(value, dt.datetime) else dt.datetime.fromisoformat(value)
    return when.replace(tzinfo=zone)


def write(folder: str | Path, name: str, language: str) -> tuple[Path, ...]:
    """Start a project with a story's map, its content and settings, and its events in ``events.jsonl``.

    The paths of the files. Nothing that exists is overwritten (ProjectError). Then ``polku import FOLDER
    FOLDER/events.jsonl`` brings the people in.
    """
    lines = (json.dumps(row, ensure_ascii=False) for row in story(name).rows())
    events = {EVENTS: "".join(f"{line}\n" for line in lines)}
    return begin(Path(folder), text(name, language), language, events)
