"""Ready rules with their texts, in Finnish and in English: what shops and services usually begin with.

A pattern is a file ``NAME.yaml`` beside this module. ``$cart`` in it is a place of the reader's own map: the touchpoint
that matches the event named under ``places``, or where the map has none, that event itself.

>>> names()[:3]
('thank_you', 'welcome_series', 'abandoned_cart')
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from polku.errors import UsageError, nearest
from polku.journey.model import Journey, Text
from polku.language import LANGUAGES, N_

if TYPE_CHECKING:
    from polku.journey.document import Document

#: In the order in which they are offered.
_NAMES = (
    "thank_you", "welcome_series", "abandoned_cart", "abandoned_cart_code", "browse_reminder", "newsletter_popup",
    "free_trial", "monthly_letter", "review_request", "satisfaction_survey", "buying_questions", "detractor",
    "vip_offer", "referral_reward", "win_back", "replenishment", "lead_handover", "meeting_follow_up",
)  # fmt: skip
_PLACE = re.compile(r"\$(\w+)")
_PIECE = re.compile(r"^content/[\w-]+\.(?:fi|en)\.md$")


@dataclasses.dataclass(frozen=True, slots=True)
class Pattern:
    """``places``: names that its rules use, each with the canonical event by which it is found in a map. ``stage``:
    whether it needs a stage that lapses. ``rules``, ``segments``, ``surveys`` and ``offers`` are as a map writes
    them, with ``$places``.
    """

    name: str
    title: Text
    about: Text
    places: Mapping[str, str]
    stage: bool
    segments: Mapping[str, Any]
    rules: tuple[Mapping[str, Any], ...]
    surveys: Mapping[str, Any]
    offers: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Adopted:
    """A pattern for one map: rules, segments, surveys and offers to be added, pieces of content by path, and what it
    stands on: each place with the touchpoint of the map, or None where the event itself is listened to.
    """

    rules: tuple[dict[str, Any], ...]
    segments: dict[str, Any]
    content: dict[str, str]
    places: dict[str, str | None]
    surveys: dict[str, Any] = dataclasses.field(default_factory=dict)
    offers: dict[str, Any] = dataclasses.field(default_factory=dict)


def names() -> tuple[str, ...]:
    """The names of all patterns."""
    return _NAMES


@functools.cache
def pattern(name: str) -> Pattern:
    """The pattern ``name``. Raises UsageError with the nearest one."""
    if name not in _NAMES:
        raise UsageError(
            N_("There is no pattern {name!r}; did you mean {nearest}? There are: {names}."),
            name=name,
            names=", ".join(_NAMES),
            nearest=nearest(name, _NAMES) or _NAMES[0],
        )
    text = (resources.files(__package__) / f"{name}.yaml").read_text("utf-8")
    said = YAML(typ="safe", pure=True).load(text)
    return Pattern(
        name, said["title"], said["about"], said["places"] or {}, said.get("stage") == "lapses",
        said.get("segments") or {}, tuple(said["rules"]), said.get("surveys") or {},
        said.get("offers") or {},
    )  # fmt: skip


def adopt(name: str, journey: Journey, language: str, places: Mapping[str, str] | None = None) -> Adopted:
    """The pattern ``name`` for ``journey``, its content in ``language``.

    ``places``: touchpoints of the map by the pattern's names, where the person chose others than those found. Ids of
    rules that the map has already get a number. Raises UsageError for a name that is none, a touchpoint that the map
    lacks, and for a map without a stage that lapses where the pattern needs one.
    """
    found = pattern(name)
    if language not in LANGUAGES:
        raise UsageError(
            N_("Patterns are written in {names}, not in {language!r}."), names=", ".join(LANGUAGES), language=language
        )
    stands = {place: _touchpoint(journey, event) for place, event in found.places.items()}
    for place, chosen in (places or {}).items():
        if place not in found.places:
            raise UsageError(
                N_("The pattern {name} has no place {place!r}; it has: {known}."),
                name=name, place=place, known=", ".join(found.places) or "-",
            )  # fmt: skip
        if chosen not in journey.touchpoint_ids:
            raise UsageError(
                N_("There is no touchpoint {id!r} in this map. Nearest: {nearest}."),
                id=chosen, nearest=nearest(chosen, journey.touchpoint_ids) or "-",
            )  # fmt: skip
        stands[place] = chosen
    with_words: dict[str, Any] = {
        place: stands[place] or {"event": event} for place, event in found.places.items()
    }  # fmt: skip
    if found.stage:
        lapsing = [s.id for s in journey.stages if s.lapses_after]
        if not lapsing:
            raise UsageError(
                N_(
                    "No stage of this map has lapses_after, so nobody ever lapses. Give one to the stage where "
                    "customers stay, for example lapses_after: 180d."
                )
            )
        with_words["stage"] = lapsing[-1]
    segments = {
        segment: _filled(said, with_words)
        for segment, said in found.segments.items()
        if segment not in journey.segments
    }
    surveys = {
        survey: _about(_filled(said, with_words)) for survey, said in found.surveys.items()
        if survey not in journey.surveys
    }  # fmt: skip
    if found.segments and any(stands[p] is None for p in found.places):
        raise UsageError(
            N_("The pattern {name} needs a touchpoint that matches {events}; add one to the map first."),
            name=name, events=", ".join(found.places[p] for p in found.places if stands[p] is None),
        )  # fmt: skip
    taken = {g.id for g in journey.guidance}
    rules = []
    for rule in found.rules:
        made = _filled(_in(rule, language), with_words)
        made["id"] = _free(made["id"], taken)
        taken.add(made["id"])
        rules.append(made)
    pieces = sorted({text for rule in rules for text in _texts(rule) if _PIECE.match(text)})
    shipped = resources.files(__package__)
    content = {path: (shipped / path).read_text("utf-8") for path in pieces}
    return Adopted(tuple(rules), segments, content, stands, surveys, _offers(found.offers, journey))


def add(document: Document, folder: Path, adopted: Adopted) -> tuple[str, ...]:
    """Add an adopted pattern to a map and its pieces to ``folder``; gives the paths of the pieces written.

    A piece that exists stays as it is. The map is checked before anything is written: raises FaultyMapError.
    """
    for section, parts in (("segments", adopted.segments), ("surveys", adopted.surveys)):
        for name, said in parts.items():
            if isinstance(document.data.get(section), dict):
                document.set((section, name), said)
            else:
                document.set((section,), {name: said})
    for place, said in _places(adopted.offers):
        there = document.data.get("offers")
        if not isinstance(there, dict):
            document.set(("offers",), {place[0]: said if len(place) == 1 else {place[1]: said}})
        elif len(place) == 2 and not isinstance(there.get(place[0]), dict):
            document.set(("offers", place[0]), {place[1]: said})
        else:
            document.set(("offers", *place), said)
    for rule in adopted.rules:
        document.append(("guidance",), rule)
    written = []
    for path, text in adopted.content.items():
        file = folder / path
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8", newline="\n")
            written.append(path)
    document.save()
    return tuple(written)


def _offers(said: Mapping[str, Any], journey: Journey) -> dict[str, Any]:
    """What of a pattern's offers the map has not: its pools by name, and its referral where there is none."""
    pools = {name: pool for name, pool in (said.get("codes") or {}).items() if name not in journey.offers.codes}
    found: dict[str, Any] = {"codes": pools} if pools else {}
    if said.get("referral") is not None and journey.offers.referral is None:
        found["referral"] = said["referral"]
    return found


def _places(offers: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(where under ``offers``, what) of each part to be added."""
    for name, pool in offers.get("codes", {}).items():
        yield ("codes", name), pool
    if "referral" in offers:
        yield ("referral",), offers["referral"]


def _about(survey: dict[str, Any]) -> dict[str, Any]:
    """A survey for a map that may lack the touchpoint that it is about."""
    return (
        survey if isinstance(survey.get("touchpoint"), str) else {k: v for k, v in survey.items() if k != "touchpoint"}
    )


def _touchpoint(journey: Journey, event: str) -> str | None:
    """The map's first touchpoint that every event of this name meets."""
    for _, _, touchpoint in journey.touchpoints():
        if any(event in match.event and not match.where and not match.path for match in touchpoint.match):
            return touchpoint.id
    return None


def _in(said: Any, language: str) -> Any:
    """The rule with its pieces in ``language``."""
    if isinstance(said, Mapping):
        return {k: _in(v, language) for k, v in said.items()}
    if isinstance(said, list):
        return [_in(v, language) for v in said]
    return said.replace(".LANGUAGE.", f".{language}.") if isinstance(said, str) else said


def _filled(said: Any, words: Mapping[str, Any]) -> Any:
    """What a map writes, with every ``$place`` replaced; one that stands alone may become a mapping."""
    if isinstance(said, Mapping):
        return {k: _filled(v, words) for k, v in said.items()}
    if isinstance(said, list):
        return [_filled(v, words) for v in said]
    if not isinstance(said, str):
        return said
    alone = _PLACE.fullmatch(said)
    return words[alone[1]] if alone else _PLACE.sub(lambda found: str(words[found[1]]), said)


def _texts(said: Any) -> list[str]:
    if isinstance(said, Mapping):
        return [text for v in said.values() for text in _texts(v)]
    if isinstance(said, list):
        return [text for v in said for text in _texts(v)]
    return [said] if isinstance(said, str) else []


def _free(id: str, taken: set[str]) -> str:
    number, found = 2, id
    while found in taken:
        found, number = f"{id}_{number}", number + 1
    return found
