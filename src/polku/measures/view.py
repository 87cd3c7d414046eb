"""What a measure looks at: trails, the map's rules, the moment, the period, and the customers that a filter lets
through.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import operator
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from polku.engines.threads import over_buckets, sum_over
from polku.errors import MeasureError
from polku.journey.model import Journey, Stage
from polku.journey.where import parse_where
from polku.kernels import fold
from polku.kernels.columns import Columns, columns
from polku.language import N_
from polku.measures.definition import known as known
from polku.measures.memo import Memo
from polku.measures.result import Period
from polku.measures.rules import rules_of, segment_rules
from polku.measures.selectors import Maker, selector_maker
from polku.trails.layout import Bucket, Trails, moment

if TYPE_CHECKING:
    import pyarrow as pa

    from polku.engines.engine import Engine
    from polku.record.project import Project
    from polku.trails.properties import Facts, Property, PropertyName

Mask: TypeAlias = npt.NDArray[np.bool_]
P = TypeVar("P")
#: Stands in for the map of plain trails: one stage, no touchpoints; steps are then names of events.
PLAIN = Journey(title="Trails", timezone="UTC", stages=(Stage(id="everyone"),))
EVER = Period()


@dataclasses.dataclass(frozen=True, eq=False)
class View:
    """Trails as one question sees them. Times are whole seconds since 1970, UTC; ``start`` inclusive, ``end``
    exclusive.
    """

    trails: Trails
    journey: Journey
    rules: fold.Rules
    columns: tuple[Columns, ...]
    as_of: int
    period: Period
    start: int
    end: int
    persona: str | None = None
    segment: str | None = None
    given_as_of: bool = False
    profiles: pa.Table | None = None
    answers: pa.Table | None = None  # to surveys, of trails without a project; see polku.measures.feeling.answers
    project: Any = None
    memo: Memo = dataclasses.field(default_factory=Memo)  # of the same trails, map and customers
    engine: Engine | None = None  # where kernels run; None: threads of this machine
    spent: pa.Table | None = None  # costs of trails without a project

    @property
    def buckets(self) -> tuple[Bucket, ...]:
        """The buckets that ``columns`` are of, in the same order."""
        return tuple(b for b in self.trails.buckets if b.customers)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.journey.timezone)

    @property
    def select(self) -> Maker:
        """Writes the selectors of this view's numbers: its period and filters, and its moment where one was given."""
        at = moment(self.as_of).strftime("%Y%m%dT%H%M%SZ") if self.given_as_of else None
        return selector_maker(self.period, self.zone, {"persona": self.persona, "segment": self.segment, "as_of": at})

    @property
    def moment(self) -> dt.datetime:
        return moment(self.as_of)

    def map(self, work: Callable[[Columns], P]) -> list[P]:
        """``work`` over every bucket, on threads or on the view's engine, in the buckets' order."""
        if self.engine is not None:
            return self.engine.map(self, work)
        return over_buckets(work, self.columns)

    def sum(self, work: Callable[[Columns], P], zero: P) -> P:
        """The partial results of every bucket added to ``zero`` with ``+``, in the buckets' order.

        ``work`` is a functools.partial of a module's function: an engine sends it to other machines.
        """
        if self.engine is not None:
            return self.engine.sum(self, work, zero)
        return sum_over(work, self.columns, zero)

    def map_with(self, work: Callable[..., P], *beside: Sequence[Any]) -> list[P]:
        """``work(columns, *beside)`` over every bucket: ``beside`` hold an array a bucket each, as properties do."""
        if self.engine is not None:
            return self.engine.map(self, work, *beside)
        return over_buckets(lambda given: work(*given), list(zip(self.columns, *beside, strict=True)))

    def sum_with(self, work: Callable[..., P], zero: P, *beside: Sequence[Any]) -> P:
        """The partial results of :meth:`map_with` added to ``zero`` with ``+``, in the buckets' order."""
        if self.engine is not None:
            return self.engine.sum(self, work, zero, *beside)
        return functools.reduce(operator.add, self.map_with(work, *beside), zero)

    def __getstate__(self) -> dict[str, Any]:
        """Without the columns, and what is of use in this process only: work that binds a view is sent to engines,
        where each bucket's columns come by themselves.
        """
        here = ("columns", "profiles", "answers", "project", "engine")
        return {name: () if name == "columns" else None if name in here else v for name, v in self.__dict__.items()}

    def only(self, members: Iterable[Mask]) -> View:
        """The same view of some customers: ``members`` is a bool[C] a bucket."""
        kept = tuple(c._replace(skip=_frozen(c.skip | ~m)) for c, m in zip(self.columns, members, strict=True))
        return dataclasses.replace(self, columns=kept, memo=Memo())

    def once(self, key: Hashable, work: Callable[[], P]) -> P:
        """What ``work`` gives for this period and moment, worked out once for all views that share the memo."""
        return self.memo.once((key, self.as_of, self.start, self.end), work)

    def during(self, period: Period) -> View:
        """The same view of another period."""
        start, end = bounds(period, self.as_of)
        return dataclasses.replace(self, period=period, start=start, end=end)

    def paying(self) -> Mask:
        """bool[T]: touchpoints whose values are money: those that declare a ``value``, or all when none does."""
        declared = np.array([t.value is not None for _, _, t in self.journey.touchpoints()], np.bool_)
        if not declared.any():
            declared[:] = True
        return _frozen(declared)

    def touchpoint(self, id: str) -> int:
        """The number of a touchpoint of the map. Raises MeasureError with the nearest name."""
        return known(
            id, self.journey.touchpoint_ids, N_("There is no touchpoint {name!r} in this map.{meant} It has: {known}.")
        )

    def in_stage(self, stage: int) -> list[int]:
        """The numbers of the touchpoints of stage number ``stage``."""
        return [t for t, (at, _, _) in enumerate(self.journey.touchpoints()) if at == stage]

    def stage(self, id: str) -> int:
        return known(id, self.journey.stage_ids, N_("There is no stage {name!r} in this map.{meant} It has: {known}."))

    # -- properties (last: below `property` is this method, no longer the decorator) ---------------------------------

    def property(self, name: str) -> Property:
        """A property of the events, named as in ``where``: ``event``, ``source``, ``channel``, ``value``,
        ``properties.x.y``, ``context.x``, ``traits.x`` (as the event itself said; of the customer see :meth:`trait`).

        Its ``codes`` are uint32[N] a bucket, in the order of ``columns``. Raises MeasureError for a name that no event
        has, with those that were seen. A project's is read from history when it is first asked for, then kept.
        """
        return self.properties([name])[0]

    def properties(self, names: Sequence[str]) -> list[Property]:
        """Several properties, in one pass over history where they are not kept yet."""
        from polku.trails.properties import properties_of

        return properties_of(self.trails, names, self.facts())

    def numbers(self, name: str) -> tuple[npt.NDArray[np.float64], ...]:
        """float64[N] a bucket: a property's numbers (texts written as one besides), NaN where there is none."""
        if name == "value":
            return tuple(np.full(b.events, np.nan) if b.value is None else b.value for b in self.buckets)
        return self.memo.once(("numbers", name), lambda: self.property(name).numbers())

    def trait(self, name: str) -> Property:
        """The latest value of a trait of each customer (``codes`` uint32[C] a bucket). Raises MeasureError."""
        from polku.trails.properties import trait_of

        profiles = self.profiles
        if profiles is None and self.project is not None:
            profiles = self.project.identities.profiles()
        return trait_of(self.trails, name, profiles, self.facts())

    def property_names(self) -> tuple[PropertyName, ...]:
        """The properties that were seen, each with its events, the most frequent first: for pages and completion."""
        from polku.trails.properties import property_names

        return property_names(self.facts())

    def costs(self) -> pa.Table | None:
        """What advertising cost, a line a day, source, medium and campaign (polku.record.costs.COSTS); None where
        nothing can be known of it.
        """
        if self.spent is not None or self.project is None:
            return self.spent
        found: pa.Table = self.project.costs.table()
        return found

    def facts(self) -> Facts | None:
        """Where properties come from; None where nothing tells them."""
        from polku.trails.properties import facts_of

        return facts_of(self.trails, self.project)


def _frozen(mask: Mask) -> Mask:
    mask.flags.writeable = False
    return mask


def seconds(when: dt.datetime) -> int:
    """Whole seconds since 1970 of an aware moment; a part of a second counts as begun.

    >>> seconds(dt.datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=dt.UTC))
    1
    """
    if when.tzinfo is None:
        raise MeasureError(N_("{when} has no time zone; a period's ends and a moment need one."), when=when.isoformat())
    return int(-(-(when - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(seconds=1)))


def bounds(period: Period, as_of: int) -> tuple[int, int]:
    """[start, end) in seconds: open ends reach from the beginning to just behind the moment."""
    start = 0 if period.start is None else max(0, seconds(period.start))
    end = as_of + 1 if period.end is None else min(seconds(period.end), as_of + 1)
    if period.start is not None and period.end is not None and period.start >= period.end:
        raise MeasureError(
            N_("The period ends ({end}) before it begins ({start})."),
            start=period.start.isoformat(),
            end=period.end.isoformat(),
        )
    return start, max(start, end)


def columns_of(bucket: Bucket) -> Columns:
    """A bucket's columns as kernels take them, without a copy."""
    return columns(
        bucket.offsets, bucket.time, bucket.code, micros=bucket.micros, page=bucket.page, origin=bucket.origin,
        session=bucket.session, value=bucket.value, skip=bucket.masked, day=bucket.day,
    )  # fmt: skip


def view_of(
    source: Project | Trails,
    journey: Journey | None = None,
    *,
    period: Period = EVER,
    persona: str | None = None,
    segment: str | None = None,
    as_of: dt.datetime | None = None,
    profiles: pa.Table | None = None,
    answers: pa.Table | None = None,
    project: Project | None = None,
    memo: Memo | None = None,
    engine: Engine | None = None,
    costs: pa.Table | None = None,
) -> View:
    """The view of a project (its trails refreshed, its map, its profiles), or of trails with their map.

    Trails without a map can be asked for what needs no stages: funnels, conversion, leaving, sources, bounce, exit.

    ``profiles`` has ``customer`` int64 and ``traits`` as JSON text; a persona is found by its ``where`` over them.
    ``answers`` are rows of history with their ``customer``, for what surveys measured; a project has both itself. Give
    ``project`` beside trails of it that are already open, so that one generation answers several questions; and one
    ``memo`` for all views of the same trails and map, so that measures share their passes. ``engine`` is where kernels
    run (polku.engines.engine); by default on threads of this machine. ``costs`` are those of trails without a project
    (schema polku.record.costs.COSTS).
    Raises MeasureError for a persona or segment that the map lacks, and for a persona without a ``where``.
    """
    if isinstance(source, Trails):
        trails = source
        journey = journey or PLAIN
    else:
        from polku.trails import open_trails

        project = source
        trails = open_trails(source, builder=None if engine is None else engine.build_layer)
        journey = journey or source.journey()
    at = seconds(as_of) if as_of is not None else seconds(trails.as_of)
    start, end = bounds(period, at)
    view = View(
        trails, journey, rules_of(journey, trails.tables), tuple(columns_of(b) for b in trails.buckets if b.customers),
        at, period, start, end, persona, segment, as_of is not None, profiles, answers, project,
        Memo() if memo is None else memo, engine, costs,
    )  # fmt: skip
    if persona is not None:
        view = view.only(persona_masks(view, persona))
    if segment is not None:
        view = view.only(segment_masks(view, segment))
    return view


def persona_masks(view: View, persona: str) -> list[Mask]:
    """bool[C] a bucket: whose traits meet the persona's ``where``."""
    names = list(view.journey.personas)
    known(persona, names, N_("There is no persona {name!r} in this map.{meant} It has: {known}."))
    where = view.journey.personas[persona].where
    if where is None:
        raise MeasureError(
            N_(
                "The persona {persona!r} has no `where` in the map, so nothing tells which customers it means. "
                "Add one, for example where: {example}."
            ),
            persona=persona,
            example="\"traits.segment = 'fashion'\"",
        )
    profiles = view.profiles
    if profiles is None and view.project is not None:
        profiles = view.project.identities.profiles()
    if profiles is None:
        raise MeasureError(N_("Nothing is known of the customers' traits, so personas cannot be told apart."))
    members = matching(profiles, where)
    return [np.isin(b.customer, members, kind="sort") for b in view.buckets]


def matching(profiles: pa.Table, where: str) -> npt.NDArray[np.int64]:
    """Customers (ascending) whose traits meet ``where``, by DuckDB over the profiles."""
    import duckdb  # here, because most questions do without it and start quicker

    with duckdb.connect() as connection:
        connection.register("profiles", profiles)
        sql = parse_where(where).to_duckdb(PROFILE_COLUMNS)
        found = connection.execute(f"select customer from ({PROFILES}) where {sql} order by customer").fetchnumpy()
    return np.asarray(found["customer"], np.int64)


#: A profile stands in for an event, so that one language serves both: it has traits and nothing else.
PROFILE_COLUMNS = {
    name: name for name in ("event", "source", "channel", "consent", "value", "properties", "context", "traits")
}
PROFILES = (
    "select customer, traits::varchar as traits, null::varchar as event, null::varchar as source, "
    "null::varchar as channel, null::varchar as consent,"
    " null::double as value, null::varchar as properties, null::varchar as context from profiles"
)


def segment_masks(view: View, segment: str) -> list[Mask]:
    """bool[C] a bucket: for whom the segment's condition holds at the moment."""
    names = list(view.journey.segments)
    known(segment, names, N_("There is no segment {name!r} in this map.{meant} It has: {known}."))
    rules = segment_rules(view.journey.segments[segment].condition, view.journey, view.trails.tables)
    return view.map(functools.partial(_holding, rules, view.as_of))


def _holding(rules: fold.Rules, as_of: int, bucket: Columns) -> Mask:
    return np.asarray(fold.holding(bucket, rules, as_of))
