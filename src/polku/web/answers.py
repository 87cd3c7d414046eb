"""What the pages ask of the other rooms, in one place: every page and every API route goes through ``Answers``.

The pages draw these values and compute nothing, so that the page, the terminal and the API can never differ.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path
from typing import Any, Protocol

from polku.journey.model import Journey
from polku.language import Reader
from polku.measures.answer import Table
from polku.measures.ask import GoalFigure
from polku.measures.charts import Chart
from polku.measures.living import LivingMap
from polku.measures.obstacles.kept import Kept
from polku.measures.personas_here import PersonaHere
from polku.web.options import MapOptions


@dataclasses.dataclass(frozen=True, slots=True)
class CustomerRow:
    """One line of a list of customers."""

    key: str  # as it stands in the URL /customers/{key}
    name: str  # what is shown: a user id, an e-mail's hash, an anonymous id
    stage: str | None  # None: not on the map
    lapsed: bool
    since: dt.datetime | None
    events: int
    last_seen: dt.datetime | None
    value: float | None


@dataclasses.dataclass(frozen=True, slots=True)
class CustomerPage:
    rows: tuple[CustomerRow, ...]
    total: int
    offset: int
    title: str = ""  # who these are, in words
    definition: str | None = None  # id of the figure's definition, when the list stands behind a figure


@dataclasses.dataclass(frozen=True, slots=True)
class StoryEvent:
    time: dt.datetime
    event: str
    touchpoint: str | None = None
    stage: str | None = None
    channel: str | None = None
    source: str | None = None
    page: str | None = None
    campaign: str | None = None
    value: float | None = None
    currency: str | None = None
    original_event: str | None = None
    failed: str | None = None  # the touchpoint that this event says has failed
    role: str | None = None  # which of the map's roles did it
    person: str | None = None  # in an account's story: who of its people
    properties: tuple[tuple[str, str], ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class StageChange:
    time: dt.datetime
    from_stage: str | None
    to_stage: str | None
    kind: str  # entered, lapsed, won_back
    reason: str  # in the reader's language


@dataclasses.dataclass(frozen=True, slots=True)
class Session:
    """Events of one sitting, and the stage changes that happened in it or before the next one."""

    start: dt.datetime
    end: dt.datetime
    number: int
    entries: tuple[StoryEvent | StageChange, ...]
    events: int


@dataclasses.dataclass(frozen=True, slots=True)
class Story:
    """One customer: who, where now, and everything that happened, in order."""

    key: str
    name: str
    stage: str | None
    lapsed: bool
    since: dt.datetime | None
    ids: tuple[tuple[str, str], ...]  # kind, value
    traits: tuple[tuple[str, str], ...]
    changes: tuple[StageChange, ...]
    sessions: tuple[Session, ...]
    events: int
    shown: int  # events in `sessions`; fewer than `events` when the story is long
    first_seen: dt.datetime | None
    last_seen: dt.datetime | None
    value: float | None
    orders: int
    currency: str | None = None  # of the value; None: the map's


@dataclasses.dataclass(frozen=True, slots=True)
class Option:
    """One option of a measure, as its page's form shows it. ``kind`` is that of the catalogue's option."""

    name: str
    title: str
    value: str
    choices: tuple[tuple[str, str], ...] = ()  # value, title; none: free text
    hint: str | None = None
    kind: str = "text"
    required: bool = False
    shared: bool = False  # every measure has it: the period, the persona
    folded: bool = False  # seldom needed and not asked for: shown when the reader opens the rest of the form


@dataclasses.dataclass(frozen=True, slots=True)
class MeasureInfo:
    """A measure of the catalogue, or one that the map names (``family`` is then empty)."""

    name: str
    title: str
    text: str
    family: str = ""
    kind: str = ""  # the measure of the catalogue that it is


@dataclasses.dataclass(frozen=True, slots=True)
class MeasurePage:
    info: MeasureInfo
    definition: tuple[str, ...]
    options: tuple[Option, ...]
    tables: tuple[Table, ...]
    data: Any  # plain data for JSON
    charts: tuple[Chart, ...] = ()
    docs: str = ""  # the page of the docs that tells more, under docs/
    steps: tuple[tuple[str, str], ...] = ()  # what a step can be: touchpoints and events, with their titles
    properties: tuple[str, ...] = ()  # names that a property can have
    asked: tuple[tuple[str, str], ...] = ()  # the measure's own options as they were read, written for a URL


class Answers(Protocol):
    """Raises PolkuError; every answer is of one moment of the project."""

    @property
    def language(self) -> str:
        """The project's own language, for readers who wish for none that Polku speaks."""
        ...

    @property
    def timezone(self) -> str:
        """The time zone of the project's settings, for readers who tell none; empty: the map's."""
        ...

    @property
    def refresh(self) -> int:
        """How often an open page asks for news, in seconds; 0: never."""
        ...

    @property
    def edits(self) -> str:
        """Who may save to the map from the pages: local, all or none."""
        ...

    @property
    def map_file(self) -> Path:
        """journey.yaml."""
        ...

    def saved(self, author: str) -> None:
        """The map's file was saved from a page: kept as a version, and published where servers share the project."""
        ...

    def version(self) -> str:
        """Changes whenever anything a page shows may have changed; cheap enough to ask every second."""
        ...

    def journey(self) -> Journey: ...

    def obstacles(self) -> Kept | None:
        """What stops people, as a job found it last; None: nobody looked yet."""
        ...

    def lines(self) -> dict[str, int]:
        """The line in journey.yaml of each stage and touchpoint id, and of other parts by dotted path."""
        ...

    def source(self) -> str:
        """The text of journey.yaml."""
        ...

    def map(
        self, options: MapOptions, language: str
    ) -> tuple[LivingMap, tuple[GoalFigure, ...], tuple[PersonaHere, ...]]:
        """The living map, the map's own measures with their targets, and the personas by stage, of one moment."""
        ...

    def customers(
        self,
        reader: Reader,
        *,
        behind: str | None = None,
        stage: str | None = None,
        touchpoint: str | None = None,
        search: str | None = None,
        order: str = "last_seen",
        limit: int = 50,
        offset: int = 0,
    ) -> CustomerPage: ...

    def customer(self, key: str, reader: Reader, *, limit: int = 500) -> Story: ...

    def measures(self, reader: Reader) -> tuple[MeasureInfo, ...]: ...

    def definition(self, name: str, reader: Reader) -> tuple[str, ...]:
        """A measure in words, with its formula."""
        ...

    def measure(self, name: str, query: dict[str, str], reader: Reader, *, run: bool = True) -> MeasurePage:
        """A measure's page; without ``run`` only its form and definition, for options that do not fit."""
        ...

    def as_written(self, name: str, query: dict[str, str]) -> dict[str, Any]:
        """A measure with the options of its page, as an entry of the map under ``measures``. Raises MeasureError."""
        ...
