"""The notebook's way in, and the commands': an open project with its trails, asked in the map's own words.

>>> import polku
>>> shop = polku.open("shop/")                                                    # doctest: +SKIP
>>> shop.measure("funnel", steps=["product", "cart", "order"], within="7d")       # doctest: +SKIP
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from zoneinfo import ZoneInfo

from polku.asking import Asking
from polku.errors import MeasureError
from polku.journey.model import Journey, Text, titled
from polku.language import N_

if TYPE_CHECKING:
    import pyarrow as pa

    from polku.engines.engine import Engine
    from polku.measures.answer import Answer
    from polku.measures.ask import GoalFigure
    from polku.measures.customers import CustomerList
    from polku.measures.living import LivingMap
    from polku.measures.memo import Memo
    from polku.measures.personas_here import PersonaHere
    from polku.measures.result import Period
    from polku.measures.timeline import Timeline
    from polku.measures.view import View
    from polku.record.project import Project
    from polku.trails.build import Progress


class Shop(Asking):
    """One project at one moment: every question is answered from the same generation of trails until ``refresh``.

    Periods are named as in the command line and the URL: ``30d``, ``all``, ``2026-01-01..2026-02-01``; ``compare`` is
    ``none``, ``previous`` or ``year``. ``as_of``: look as of an earlier moment, a day (its end) or a day and a time; no
    event after it counts, and no time after it has passed for anyone.
    """

    def __init__(
        self,
        project: Project,
        progress: Progress | None = None,
        engine: Engine | None = None,
        as_of: dt.datetime | str | None = None,
    ) -> None:
        self.project = project
        self._asked = as_of
        self.engine = engine
        self._leave: Engine | None = None  # an engine that was connected to for this shop alone
        self._progress = progress
        self.refresh()

    def refresh(self) -> None:
        """Take in what has happened since: new events, merges, a changed map."""
        from polku.trails import open_trails

        self.journey: Journey = self.project.journey()
        self.as_of = self._moment()
        builder = None if self.engine is None else self.engine.build_layer
        self.trails = open_trails(self.project, progress=self._progress, as_of=self.as_of, builder=builder)
        self._profiles: pa.Table | None = None
        self._memo: Memo | None = None

    def _moment(self) -> dt.datetime | None:
        """The moment that was asked for; None: now, or the end of a history that ended."""
        if not isinstance(self._asked, str):
            return self._asked
        from polku.measures.periods import named_moment

        return named_moment(self._asked, self.zone)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.journey.timezone)

    def period(self, name: str = "all") -> Period:
        from polku.measures.periods import named_period

        return named_period(name, self.trails.as_of, self.zone)

    def _compared(self, period: Period, how: str) -> Period | None:
        from polku.measures.periods import compared_with

        return compared_with(period, how, self.trails.as_of, self.zone)

    def view(self, period: str = "all", persona: str | None = None, segment: str | None = None) -> View:
        """What a measure looks at: these trails, the period, and the customers of a persona or segment."""
        from polku.measures.memo import Memo
        from polku.measures.view import view_of

        self._memo = self._memo or Memo()
        if persona is not None and self._profiles is None:
            self._profiles = self.project.identities.profiles()
        return view_of(
            self.trails,
            self.journey,
            period=self.period(period),
            persona=persona,
            segment=segment,
            as_of=self.as_of,
            profiles=self._profiles,
            project=self.project,
            memo=self._memo,
            engine=self.engine,
        )

    def living(
        self,
        period: str = "30d",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
        language: str = "en",
    ) -> LivingMap:
        """The living map: what ``polku status`` and the page ``/`` draw."""
        from polku.measures.living import living_view

        view = self.view(period, persona, segment)
        return living_view(view, self._compared(view.period, compare), language)

    def personas(
        self, period: str = "30d", persona: str | None = None, segment: str | None = None
    ) -> tuple[PersonaHere, ...]:
        """How many customers of each persona stand in each stage now."""
        from polku.measures.personas_here import personas_here

        if not any(p.where for p in self.journey.personas.values()):
            return ()
        if self._profiles is None:
            self._profiles = self.project.identities.profiles()
        return personas_here(dataclasses.replace(self.view(period, persona, segment), profiles=self._profiles))

    def goals(
        self, period: str = "30d", compare: str = "none", persona: str | None = None, segment: str | None = None
    ) -> tuple[GoalFigure, ...]:
        """The measures that the map names, actual against target."""
        from polku.measures.ask import goals

        view = self.view(period, persona, segment)
        return goals(view, self._compared(view.period, compare))

    def measure(
        self,
        name: str,
        period: str | None = None,
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
        **options: Any,
    ) -> Answer:
        """A measure of the catalogue, or one that the map names. Raises MeasureError with what exists.

        ``period``, ``persona`` and ``segment`` are by default those that the map sets for its own measure, else all
        time and everyone; an empty ``persona`` or ``segment`` is everyone.
        """
        from polku.measures.ask import measure_view, shared_of

        period, persona, segment = shared_of(self.journey, name, period, persona, segment)
        view = self.view(period, persona, segment)
        return measure_view(view, name, options, self._compared(view.period, compare))

    def selector(
        self, stage: str | None = None, touchpoint: str | None = None, behind: str | None = None
    ) -> str | None:
        """The selector of those in a stage now, of those who ever met a touchpoint, or the one given."""
        from polku.measures.definition import known

        if stage is not None:
            known(
                stage,
                self.journey.stage_ids,
                N_("There is no stage {name!r} in this map.{meant} It has: {known}."),
            )
            return f"stage:{stage}:now"
        if touchpoint is not None:
            known(
                touchpoint,
                self.journey.touchpoint_ids,
                N_("There is no touchpoint {name!r} in this map.{meant} It has: {known}."),
            )
            return f"touchpoint:{touchpoint}:reached"
        return behind

    def customers(
        self, behind: str | None = None, order: str = "last_seen", limit: int = 50, offset: int = 0
    ) -> CustomerList:
        """A page of the customers behind a selector, each with their names; None: everyone."""
        from polku.measures.customers import customers_behind

        found = customers_behind(
            self.trails,
            self.journey,
            behind,
            limit=limit,
            offset=offset,
            order=order,
            profiles=self.project.identities.profiles(),
            project=self.project,
        )
        names = self.names([line.customer for line in found.lines])
        return dataclasses.replace(
            found, lines=tuple(dataclasses.replace(line, name=names[line.customer]) for line in found.lines)
        )

    def names(self, customers: list[int]) -> dict[int, str]:
        """What each customer is called: their user id or account, else an anonymous id, else Polku's number."""
        from polku.record.naming import names_of

        return names_of(self.project, customers, self.journey.subject)

    def name(self, customer: int, given: str | None = None) -> str:
        return given if given is not None else self.names([customer])[customer]

    def find(self, id: str) -> int:
        """The customer that an id of any kind, an e-mail address or a phone number belongs to (``#12`` is Polku's own
        number). Raises MeasureError."""
        from polku.record.naming import id_of_address, meant

        if id.startswith("#") and id[1:].isdigit():
            return int(id[1:])
        found = meant(self.project.identities.find(id), self.journey.subject)
        if found is None and (hashed := id_of_address(self.project, id)):
            found = meant(self.project.identities.find(hashed), self.journey.subject)
        if found is None:
            raise MeasureError(N_("No customer has the id {id!r}. polku customers lists those that there are."), id=id)
        return found

    def ids(self, customer: int) -> list[tuple[str, str]]:
        return [(i.kind, i.value) for i in self.project.identities.ids_of(customer)]

    def customer(self, key: int | str) -> Timeline:
        """One customer's story, by Polku's number or any id."""
        from polku.measures.timeline import timeline

        customer = self.find(key) if isinstance(key, str) else key
        story = timeline(self.trails, customer, self.journey)
        return dataclasses.replace(story, name=self.name(customer))

    def sql(self, query: str) -> pa.Table:
        """DuckDB over the view ``events`` (with ``customer``, ``touchpoint`` and ``stage``), read only."""
        from polku.measures.labels import add_to_sql

        add_to_sql()
        return self.project.sql(query)

    def costs(self) -> pa.Table:
        """What advertising cost: a line a day, source, medium and campaign (``polku import-costs`` brings them)."""
        return self.project.costs.table()

    def title(self, id: str) -> Text:
        """The title of a stage or touchpoint."""
        if id in self.journey.stage_ids:
            return titled(self.journey.stage(id))
        return titled(self.journey.touchpoint(id))

    def close(self) -> None:
        if self._leave is not None:
            self._leave.close()
        self.project.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, _: TracebackType | None) -> None:
        self.close()


def open_shop(
    folder: str | Path,
    language: str | None = None,
    engine: Any = None,
    as_of: dt.datetime | str | None = None,
) -> Shop:
    """Open the project in ``folder`` and bring its trails up to date.

    ``engine`` is where kernels run and trails are made: None for threads of this machine, ``spark://host:port`` for a
    cluster (the extra ``polku[spark]``), or a SparkSession. ``as_of``: see :class:`Shop`.
    """
    from polku.engines.engine import engine_of
    from polku.record.project import open_project

    project = open_project(folder, language)
    where: Engine | None = None
    try:
        where = engine_of(engine)
        shop = Shop(project, engine=where, as_of=as_of)
    except BaseException:
        if where is not None and where is not engine:
            where.close()
        project.close()
        raise
    shop._leave = where if where is not engine else None
    return shop
