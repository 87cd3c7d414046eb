"""A story as frozen values: who, what happened when, what the person lived, and what Polku must read back."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from polku.journey.model import Text


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """A change of stage that a step makes.

    ``kind``: entered, lapsed or won_back. ``by``: the id of the touchpoint that moved the person, ``enter`` for the
    condition of the stage, ``silence`` for time alone.
    """

    kind: str
    by: str


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """One moment of a story: an event, or silence (``event`` is None), with a line of narration.

    ``facts`` are those of :func:`polku.trails.people.trails_of`. ``touchpoint`` and ``fails`` are what the map reads
    the event as, ``stage`` is where the person stands after it.
    """

    at: dt.datetime  # aware, in the map's time zone
    event: str | None
    facts: Mapping[str, Any]
    told: Text
    stage: str
    touchpoint: str | None = None
    fails: str | None = None
    change: Change | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Telling:
    """One way that a story goes: as it went, or as it might have gone."""

    id: str
    title: Text
    person: str
    steps: tuple[Step, ...]
    until: dt.datetime  # the moment as of which it is read back
    deviations: tuple[tuple[str, str], ...]  # (touchpoint, kind: missing, failed, out_of_sequence)
    obstacles: tuple[str, ...]  # touchpoints whose obstacle stopped the person

    @property
    def events(self) -> tuple[Step, ...]:
        """The steps that are events, in order."""
        return tuple(step for step in self.steps if step.event is not None)


@dataclasses.dataclass(frozen=True, slots=True)
class Story:
    """A story with its map in each language and its tellings."""

    name: str
    persona: str  # of the map
    maps: Mapping[str, str]  # language to the text of journey.yaml
    tellings: tuple[Telling, ...]

    def people(self) -> dict[str, list[tuple[dt.datetime, str, Mapping[str, Any]]]]:
        """Every telling's person with their events, as :func:`polku.trails.people.trails_of` takes them."""
        return {
            t.person: [(step.at, step.event, step.facts) for step in t.events if step.event is not None]
            for t in self.tellings
        }

    def rows(self) -> Iterator[dict[str, Any]]:
        """The events of all tellings in order of time, one dict a row with history's columns that are not null.

        ``properties`` and ``context`` are nested; times are ISO 8601 with their zone.
        """
        told = sorted((step.at, number, step) for number, step in enumerate(s for t in self.tellings for s in t.events))
        for number, (_, _, step) in enumerate(told, 1):
            yield {"event_id": f"{self.name}-{number:02}", **_row(step)}


#: History's columns by the short names of a step's facts.
_COLUMNS = {
    "anonymous": "anonymous_id", "user": "user_id", "account": "account_id", "session": "session_id",
    "channel": "channel", "value": "value", "currency": "currency", "properties": "properties",
}  # fmt: skip


def _row(step: Step) -> dict[str, Any]:
    row: dict[str, Any] = {"time": step.at.isoformat(), "event": step.event}
    row |= {column: step.facts[fact] for fact, column in _COLUMNS.items() if fact in step.facts}
    context = dict(step.facts.get("context", {}))
    if page := {key: step.facts[key] for key in ("path", "referrer") if key in step.facts}:
        context["page"] = page
    if "campaign" in step.facts:
        context["campaign"] = step.facts["campaign"]
    return {**row, "context": context} if context else row
