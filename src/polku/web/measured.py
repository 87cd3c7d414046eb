"""The pages' questions answered by the measures over a project."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import threading
import time
from typing import Any

import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from polku.journey.load import load
from polku.journey.model import Journey
from polku.language import N_, Reader, translate
from polku.measures.answer import Table
from polku.measures.ask import GoalFigure, goals, measure_view, resolve
from polku.measures.catalogue import CATALOGUE, family_of
from polku.measures.charts import Chart
from polku.measures.customers import customers_view, masks, selected_view
from polku.measures.definition import written
from polku.measures.families import TITLES, families
from polku.measures.living import LivingMap, living_view
from polku.measures.obstacles.kept import Kept, kept, stamp
from polku.measures.personas_here import PersonaHere, personas_here
from polku.measures.selectors import Selector
from polku.measures.timeline import timeline_view
from polku.measures.view import View, view_of
from polku.record import tables
from polku.record.naming import called, id_of_address, meant
from polku.record.project import Project
from polku.trails import Trails, open_trails
from polku.web.answers import CustomerPage, CustomerRow, MeasureInfo, MeasurePage, Story
from polku.web.behind import definition_of, in_words
from polku.web.forms import SHARED, defaults, form, measure_of, steps_known
from polku.web.notfound import NotFoundError
from polku.web.options import MapOptions, refuse_unknown
from polku.web.saving import entry_of, saved_shared
from polku.web.story import facts_of, story_of

#: Where time alone moves the numbers, a page is drawn again this often, in seconds.
REDRAW = 300
#: A search lists at most this many customers; the reader then writes more of the id.
MOST_FOUND = 10_000


class ProjectAnswers:
    """Answers over an open project; used by several threads at once."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.language = project.language
        self.timezone = project.settings.timezone
        self.refresh = int(project.settings.server.refresh)
        self.edits = project.settings.server.edits
        self.map_file = project.map_file
        self._lock = threading.Lock()
        self._moving: bool | None = None  # whether the map's moment is now, so that time alone moves the numbers
        self._late = 0  # how often trails came back without the latest news: what was made of them must not stay
        self._document: tuple[Any, dict[str, int]] | None = None

    # -- the map --------------------------------------------------------------------------------------------------

    def saved(self, author: str) -> None:
        self.project.map_saved(author)

    def version(self) -> str:
        found = self.project.map_file.stat()
        position = self.project.position()
        parts = [position.history, position.inbox, position.identity, found.st_mtime_ns, found.st_size]
        parts += [self.project.costs.version(), stamp(self.project), self._late]
        if self._moving is None:
            self._trails()
        if self._moving:
            parts.append(int(time.time() // REDRAW))
        return "-".join(f"{part:x}" for part in parts)

    def journey(self) -> Journey:
        return self.project.journey()

    def obstacles(self) -> Kept | None:
        return kept(self.project)

    def source(self) -> str:
        return self.project.map_file.read_text(encoding="utf-8", errors="replace")

    def lines(self) -> dict[str, int]:
        found = self.project.map_file.stat()
        mark = (found.st_mtime_ns, found.st_size)
        with self._lock:
            if self._document is None or self._document[0] != mark:
                self._document = (mark, self._read_lines())
            return self._document[1]

    def _read_lines(self) -> dict[str, int]:
        lines = load(self.project.map_file).lines
        found: dict[str, int] = {}
        for s, stage in enumerate(self.journey().stages):
            if ("stages", s) in lines:
                found[stage.id] = lines["stages", s].line
            for t, touchpoint in enumerate(stage.touchpoints):
                if ("stages", s, "touchpoints", t) in lines:
                    found[touchpoint.id] = lines["stages", s, "touchpoints", t].line
        return found

    def _profiles(self) -> pa.Table:
        return self.project.identities.profiles()

    def _trails(self) -> Trails:
        trails = open_trails(self.project)
        if trails.late:
            with self._lock:
                self._late += 1
        self._moving = dt.datetime.now(dt.UTC) - trails.as_of < dt.timedelta(hours=1)
        return trails

    def _view(self, options: MapOptions) -> tuple[View, Any]:
        """The view that the options ask for, and the compared period."""
        journey = self.journey()
        trails = self._trails()
        period, compare = options.periods(trails.as_of, journey.timezone)
        # a persona that nothing tells apart filters nobody: the map says so instead of refusing its page
        persona = options.persona if options.persona and journey.personas[options.persona].where else None
        view = view_of(
            trails,
            journey,
            period=period,
            persona=persona,
            segment=options.segment,
            profiles=self._profiles() if persona else None,
            project=self.project,
        )
        return view, compare

    def map(
        self, options: MapOptions, language: str
    ) -> tuple[LivingMap, tuple[GoalFigure, ...], tuple[PersonaHere, ...]]:
        view, compare = self._view(options)
        living = living_view(view, compare, language)
        if options.persona and view.persona is None:
            title = Reader(language).said(view.journey.personas[options.persona].title)
            warning = translate(
                language, N_("{persona} has no `where` in the map: the numbers are everyone's."), persona=title
            )
            living = dataclasses.replace(living, persona=options.persona, warnings=(warning, *living.warnings))
        return living, goals(view, compare), self._personas(view, options)

    def _personas(self, view: View, options: MapOptions) -> tuple[PersonaHere, ...]:
        if options.view == "plan" or not any(p.where for p in view.journey.personas.values()):
            return ()
        profiles = view.profiles if view.profiles is not None else self._profiles()
        return personas_here(dataclasses.replace(view, profiles=profiles))

    # -- customers ------------------------------------------------------------------------------------------------

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
    ) -> CustomerPage:
        journey = self.journey()
        selector = Selector.parse(behind) if behind else None
        trails = self._trails()
        profiles = self._profiles() if selector is not None and selector.option("persona") else None
        view = selected_view(trails, journey, selector, profiles, project=self.project)
        if selector is not None:
            view = view.only(masks(view, selector))
        if stage:
            view = view.only(masks(view, Selector("stage", stage, "now")))
        if touchpoint:
            view = view.only(masks(view, Selector("touchpoint", touchpoint, "reached")))
        if search:
            keys = self._search(search)
            view = view.only([np.isin(b.customer, keys) for b in view.buckets])
        by = {"name": "customer"}.get(order, order)
        found = customers_view(view, None, limit, offset, by, descending=order != "name")
        names = self._names([line.customer for line in found.lines], journey)
        return CustomerPage(
            rows=tuple(
                CustomerRow(
                    key=names[line.customer],
                    name=names[line.customer],
                    stage=line.stage,
                    lapsed=line.lapsed,
                    since=line.since,
                    events=line.events,
                    last_seen=line.last_seen,
                    value=line.value or None,
                )
                for line in found.lines
            ),
            total=found.total,
            offset=offset,
            title=in_words(selector, journey, reader) if selector else "",
            definition=definition_of(selector) if selector else None,
        )

    def _names(self, customers: list[int], journey: Journey) -> dict[int, str]:
        ids = self.project.identities.ids_of_many(customers)
        return {c: called(ids.get(c, ()), journey.subject) or f"#{c}" for c in customers}

    def _search(self, text: str) -> Any:
        """Keys of the customers with an id that holds ``text``, in any case; or with an address that is all of it."""
        table = tables.identities.c
        held = table.value.icontains(text, autoescape=True)
        if (address := id_of_address(self.project, text)) is not None:
            held |= table.value == address
        query = sa.select(table.customer).where(held).limit(MOST_FOUND)
        with self.project.state.read() as connection:
            return np.unique(np.array(connection.execute(query).scalars().all(), np.int64))

    def customer(self, key: str, reader: Reader, *, limit: int = 500) -> Story:
        journey = self.journey()
        customer = meant(self.project.identities.find(key), journey.subject)
        if customer is None:
            raise NotFoundError(
                N_("There is no customer with the id {value!r}. Search for a part of it on the page Customers."),
                value=key,
            )
        told = timeline_view(view_of(self._trails(), journey), customer)
        ids = self.project.identities.ids_of(customer)
        return story_of(
            called(ids, journey.subject) or key,
            told,
            ids,
            self._traits([each.number for each in ids]),
            facts_of(self.project, customer),
            reader,
            limit,
        )

    def _traits(self, numbers: list[int]) -> dict[str, Any]:
        """The latest value of each trait over the ids of one customer."""
        table = tables.traits.c
        query = sa.select(table.name, table.value).where(table.identity.in_(numbers)).order_by(table.time, table.seq)
        with self.project.state.read() as connection:
            return {name: json.loads(value) for name, value in connection.execute(query)}

    # -- measures -------------------------------------------------------------------------------------------------

    def measures(self, reader: Reader) -> tuple[MeasureInfo, ...]:
        own = self.journey().measures
        general = [
            MeasureInfo(m.name, reader(m.title), reader(m.summary), family, m.name)
            for family, _, measures in families()
            for m in measures
        ]
        for id, goal in own.items():
            kind = CATALOGUE[goal.kind]
            title = reader.said(goal.title) or id.replace("_", " ").capitalize()
            text = f"{reader(kind.title)}: {reader(kind.summary)}"
            general.append(MeasureInfo(id, title, text, "", goal.kind))
        return tuple(general)

    def definition(self, name: str, reader: Reader) -> tuple[str, ...]:
        measure, _ = measure_of(self.journey(), name)
        return measure.definition(reader.language)

    def measure(self, name: str, query: dict[str, str], reader: Reader, *, run: bool = True) -> MeasurePage:
        journey = self.journey()
        measure, preset = measure_of(journey, name)
        own = [option.name for option in measure.options]
        refuse_unknown(query, (*own, *SHARED))
        options = MapOptions.read(self._shared(journey, name, query), journey, usual="all")
        given: dict[str, Any] = {k: query[k].strip() for k in own if query.get(k, "").strip()}
        given = {k: v for k, v in defaults(journey, measure).items() if k not in preset} | given
        view, compare = self._view(options)
        tables: list[Table] = []
        charts: tuple[Chart, ...] = ()
        data: Any = None
        asked: tuple[tuple[str, str], ...] = ()
        if run:
            answer = measure_view(view, name, given, compare)
            _, used = resolve(journey, name, given)
            asked = tuple((o.name, written(o, used[o.name])) for o in measure.options if used.get(o.name) is not None)
            data = answer.to_dict()
            tables += answer.tables(reader)
            charts = answer.charts(reader)
            if answer.before is not None:
                before = reader(N_("before"))
                tables += [dataclasses.replace(t, title=f"{t.title} ({before})") for t in answer.before.tables(reader)]
                # a chart of its own for the compared period, so that neither is drawn over the other
                charts += tuple(
                    dataclasses.replace(c, title=f"{c.title} ({before})") for c in answer.before.charts(reader)
                )
        info = next(i for i in self.measures(reader) if i.name == name)
        kinds = {option.kind for option in measure.options}
        return MeasurePage(
            info=info,
            definition=measure.definition(reader.language),
            options=form(journey, measure, options, {**preset, **given}, reader),
            tables=tuple(tables),
            data=data,
            charts=charts,
            docs=TITLES[family_of(measure.name)].docs,
            steps=steps_known(journey, view.trails.tables.code_event, reader)
            if kinds & {"step", "steps", "goal"}
            else (),
            properties=tuple(p.name for p in view.property_names()) if "property" in kinds else (),
            asked=asked,
        )

    def _shared(self, journey: Journey, name: str, query: dict[str, str]) -> dict[str, str]:
        """What the URL says of period, persona and segment, and where it is silent, what the map sets for a measure of
        its own. A field sent empty says: everyone.
        """
        asked = {k: v for k, v in query.items() if k in SHARED}
        own = journey.measures.get(name)
        return asked if own is None else saved_shared(own, asked, self._trails().as_of, journey.timezone) | asked

    def as_written(self, name: str, query: dict[str, str]) -> dict[str, Any]:
        journey = self.journey()
        measure, preset = measure_of(journey, name)
        refuse_unknown(query, (*(option.name for option in measure.options), *SHARED))
        given = {o.name: query[o.name].strip() for o in measure.options if query.get(o.name, "").strip()}
        _, used = resolve(journey, name, {**defaults(journey, measure), **preset, **given})
        options = MapOptions.read(self._shared(journey, name, query), journey, usual="all")
        return entry_of(journey, measure, used, options)
