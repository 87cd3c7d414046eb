"""Ready campaigns with their texts in Finnish and English: a letter to earlier customers, an invitation, an offer.

A pattern is a file ``NAME.yaml`` beside this module, written as a map writes it; ``$order`` in it is the reader's own
touchpoint that matches the event named under ``places``.

>>> names()
('earlier_customers', 'invitation', 'seasonal_offer')
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from importlib import resources
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from polku.errors import UsageError, nearest
from polku.journey.document import Document
from polku.journey.model import Journey, Text
from polku.language import LANGUAGES, N_

if TYPE_CHECKING:
    from polku.record.project import Project

_NAMES = ("earlier_customers", "invitation", "seasonal_offer")


@dataclasses.dataclass(frozen=True, slots=True)
class Pattern:
    """``places``: names that its segments use, each with the event by which the map's touchpoint is found."""

    name: str
    title: Text
    about: Text
    places: Mapping[str, str]
    segments: Mapping[str, Any]
    campaign: Mapping[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Added:
    """A campaign that was added: its name in the map, and the pieces that were written."""

    id: str
    written: tuple[str, ...]


def names() -> tuple[str, ...]:
    """The names of all patterns."""
    return _NAMES


@functools.cache
def pattern(name: str) -> Pattern:
    """The pattern ``name``. Raises UsageError with the nearest one."""
    if name not in _NAMES:
        raise UsageError(
            N_("There is no pattern {name!r}; did you mean {nearest}? There are: {names}."),
            name=name, names=", ".join(_NAMES), nearest=nearest(name, _NAMES) or _NAMES[0],
        )  # fmt: skip
    text = (resources.files(__package__) / f"{name}.yaml").read_text("utf-8")
    said = YAML(typ="safe", pure=True).load(text)
    return Pattern(name, said["title"], said["about"], said["places"], said["segments"], said["campaign"])


def add(project: Project, name: str, language: str, by: str, address: str = "") -> Added:
    """Add a pattern to the project's map as a draft, its content in every language; what is there stays as it is.

    Raises UsageError for an unknown pattern and a map that lacks a touchpoint that it needs, FaultyMapError for a map
    with faults.
    """
    found = pattern(name)
    document = Document(project.map_file.read_bytes(), project.map_file)
    words = _places(found, document.journey)
    for segment, said in found.segments.items():
        if segment not in document.journey.segments:
            document.set(("segments", segment), _filled(said, words))
    made = dict(_filled(_in(found.campaign, language), words))
    id = _free(str(made.pop("id")), set(document.journey.campaigns))
    if isinstance(document.data.get("campaigns"), dict):
        document.set(("campaigns", id), made)
    else:
        document.set(("campaigns",), {id: made})
    written = []
    for path in _pieces(found.campaign):
        for spoken in LANGUAGES:
            file = path.replace(".LANGUAGE.", f".{spoken}.")
            if not (project.folder / file).exists():
                (project.folder / file).parent.mkdir(parents=True, exist_ok=True)
                text = (resources.files(__package__) / file).read_text("utf-8")
                (project.folder / file).write_text(text, encoding="utf-8", newline="\n")
                written.append(file)
    document.save()
    project.map_saved(by)
    project.audit.note(by, "campaign.added", id, {"pattern": name}, address=address)
    return Added(id, tuple(written))


def _places(found: Pattern, journey: Journey) -> dict[str, str]:
    """The map's touchpoint for each place."""
    words = {}
    for place, event in found.places.items():
        for _, _, touchpoint in journey.touchpoints():
            if any(event in match.event and not match.where and not match.path for match in touchpoint.match):
                words[place] = touchpoint.id
                break
        else:
            raise UsageError(
                N_("The pattern {name} needs a touchpoint that matches {events}; add one to the map first."),
                name=found.name, events=event,
            )  # fmt: skip
    return words


def _filled(said: Any, words: Mapping[str, str]) -> Any:
    """What a map writes, with every ``$place`` replaced."""
    if isinstance(said, Mapping):
        return {k: _filled(v, words) for k, v in said.items()}
    if isinstance(said, str):
        for place, id in words.items():
            said = said.replace(f"${place}", id)
    return said


def _in(said: Any, language: str) -> Any:
    """The campaign with its pieces in ``language``."""
    if isinstance(said, Mapping):
        return {k: _in(v, language) for k, v in said.items()}
    return said.replace(".LANGUAGE.", f".{language}.") if isinstance(said, str) else said


def _pieces(said: Any) -> list[str]:
    """Paths of the pieces that a campaign names."""
    if isinstance(said, Mapping):
        return [path for v in said.values() for path in _pieces(v)]
    return [said] if isinstance(said, str) and ".LANGUAGE." in said else []


def _free(id: str, taken: set[str]) -> str:
    number, found = 2, id
    while found in taken:
        found, number = f"{id}_{number}", number + 1
    return found
