"""The living map: the journey with its live numbers, one value that the page, the terminal and the API all draw."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from polku.engines.threads import over_buckets
from polku.errors import MeasureError
from polku.journey.model import Journey, Touchpoint
from polku.kernels import living as kernel
from polku.kernels.columns import Columns, frozen
from polku.kernels.fold import UNIT
from polku.language import N_, translate
from polku.measures.deviations import Deviation, ad_hoc, deviations
from polku.measures.feeling.answers import Felt, felt
from polku.measures.latest import here_now
from polku.measures.quantiles import quantiles
from polku.measures.result import ENOUGH, Count, Money, Period, Quantiles, Rate, State, to_dict
from polku.measures.rules import fails_of
from polku.measures.value.buying import currency_of, no_sums
from polku.measures.view import EVER, View, view_of
from polku.trails.layout import Trails

if TYPE_CHECKING:
    import pyarrow as pa

    from polku.record.project import Project

__all__ = ["Deviation", "Figures", "LivingMap", "StageFigures", "TouchpointFigures", "living_map", "living_view"]


@dataclasses.dataclass(frozen=True, slots=True)
class Figures:
    """The numbers of a stage or a touchpoint over the period, and the same of the compared period."""

    reached: Count  # ever, up to the period's end
    entered: Count  # in the period
    went_on: Rate  # of those who entered in the period and have had their time
    drop_off: Rate  # the rest of the same
    to_next: Quantiles  # seconds from here to the next stage, of those who went on
    value: Money | None  # money of the events here in the period
    within: int  # seconds given to go on
    target: float | None = None
    target_at_least: bool = True
    state: State = "no_target"
    before: Figures | None = None  # the compared period


@dataclasses.dataclass(frozen=True, slots=True)
class StageFigures:
    id: str
    now: Count  # current stage, not lapsed
    lapsed: Count  # lapsed from here, now
    lapsed_in: Count  # lapsed in the period
    won_back: Count  # won back in the period
    skipped: Count  # entered a later stage without ever entering this one
    figures: Figures


@dataclasses.dataclass(frozen=True, slots=True)
class TouchpointFigures:
    id: str
    stage: str
    events: int  # in the period
    now: Count  # customers whose latest touchpoint this is
    figures: Figures
    deviations: tuple[Deviation, ...] = ()
    felt: float | None = None  # measured feeling, -2 to 2
    felt_n: int = 0
    felt_behind: str | None = None  # those who answered


@dataclasses.dataclass(frozen=True, slots=True)
class LivingMap:
    """All that ``/`` and ``polku status`` show."""

    as_of: dt.datetime  # the moment up to which time has passed for everyone
    period: Period
    compare: Period | None
    persona: str | None
    segment: str | None
    customers: Count  # with at least one event of the map
    outside: Count  # known customers without any
    without_customer: int  # events kept in history that no customer could be named for
    events: int
    first: dt.datetime | None
    last: dt.datetime | None
    stages: tuple[StageFigures, ...]
    touchpoints: tuple[TouchpointFigures, ...]
    ad_hoc: tuple[Deviation, ...]  # off the map, most customers first
    warnings: tuple[str, ...] = ()  # matchers on events never seen, currencies mixed, ... (translated)

    def to_dict(self) -> Any:
        """Plain data, for JSON."""
        return to_dict(self)


@dataclasses.dataclass(frozen=True, eq=False)
class Partial:
    """The counts of some customers; counts of others add up with ``+``."""

    stage: npt.NDArray[np.int64]
    touch: npt.NDArray[np.int64]
    totals: npt.NDArray[np.int64]
    stage_times: tuple[tuple[npt.NDArray[np.uint32], ...], ...]
    touch_times: tuple[tuple[npt.NDArray[np.uint32], ...], ...]

    def __add__(self, other: Partial) -> Partial:
        return Partial(
            self.stage + other.stage,
            self.touch + other.touch,
            self.totals + other.totals,
            tuple(a + b for a, b in zip(self.stage_times, other.stage_times, strict=True)),
            tuple(a + b for a, b in zip(self.touch_times, other.touch_times, strict=True)),
        )

    @classmethod
    def nothing(cls, stages: int, touchpoints: int) -> Partial:
        return cls(
            np.zeros((stages, kernel.STAGE_COUNTS), np.int64),
            np.zeros((touchpoints, kernel.TOUCH_COUNTS), np.int64),
            np.zeros(kernel.TOTALS, np.int64),
            ((),) * stages,
            ((),) * touchpoints,
        )


def ask_of(view: View) -> kernel.Ask:
    """The view's question as the kernel takes it."""
    journey = view.journey
    stage_within = [(s.expect and s.expect.within) or journey.window for s in journey.stages]
    touch_within = [
        (t.expect and t.expect.within) or (s.expect and s.expect.within) or journey.window
        for _, s, t in journey.touchpoints()
    ]
    return kernel.Ask(
        view.start,
        view.end,
        view.as_of,
        frozen(stage_within, np.int64),
        frozen(touch_within, np.int64),
        fails_of(view.trails.tables, journey.touchpoint_ids),
    )


def bucket_partial(rules: kernel.Rules, ask: kernel.Ask, bucket: Columns) -> Partial:
    """One bucket's counts."""
    stage, touch, totals, stage_times, touch_times = kernel.living(bucket, rules, ask)
    return Partial(
        stage,
        touch,
        totals,
        tuple((times[: stage[s, kernel.S_WENT_ON]],) for s, times in enumerate(stage_times)),
        tuple((times[: touch[t, kernel.T_WENT_ON]],) for t, times in enumerate(touch_times)),
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Counts:
    """The counts of everyone, the times worked out."""

    stage: npt.NDArray[np.int64]
    touch: npt.NDArray[np.int64]
    totals: npt.NDArray[np.int64]
    stage_times: tuple[Quantiles, ...]
    touch_times: tuple[Quantiles, ...]


def counted(view: View) -> tuple[kernel.Ask, Counts]:
    """The counts of everyone in the view."""
    ask = ask_of(view)
    zero = Partial.nothing(len(view.journey.stages), len(view.journey.touchpoint_ids))
    found = view.sum(functools.partial(bucket_partial, view.rules, ask), zero)
    none = (np.empty(0, np.uint32),)
    times = over_buckets(lambda parts: quantiles(parts or none), (*found.stage_times, *found.touch_times))
    stages = len(found.stage_times)
    return ask, Counts(found.stage, found.touch, found.totals, tuple(times[:stages]), tuple(times[stages:]))


def living_map(
    source: Project | Trails,
    journey: Journey | None = None,
    *,
    period: Period = EVER,
    persona: str | None = None,
    segment: str | None = None,
    compare: Period | None = None,
    as_of: dt.datetime | None = None,
    profiles: pa.Table | None = None,
    answers: pa.Table | None = None,
    language: str = "en",
) -> LivingMap:
    """The living map of a project (its trails are refreshed first), or of trails and their journey.

    ``language`` is that of the warnings. Raises MeasureError for a persona or segment that the map lacks and for a
    period that ends before it begins.
    """
    if journey is None and isinstance(source, Trails):
        raise MeasureError(N_("Trails alone do not say what the stages are; give their journey as well."))
    view = view_of(
        source,
        journey,
        period=period,
        persona=persona,
        segment=segment,
        as_of=as_of,
        profiles=profiles,
        answers=answers,
    )
    return living_view(view, compare, language)


def living_view(view: View, compare: Period | None = None, language: str = "en") -> LivingMap:
    """The living map of a view."""
    figures = figures_of(view)
    before = figures_of(view.during(compare)) if compare is not None else None
    trails, journey = view.trails, view.journey
    feelings = felt(view)
    stages = tuple(
        figures.stage(s, before.stage(s, None).figures if before else None) for s in range(len(journey.stages))
    )
    touchpoints = tuple(
        figures.touchpoint(t, before.touchpoint(t, None, {}).figures if before else None, feelings)
        for t in range(len(journey.touchpoint_ids))
    )
    return LivingMap(
        as_of=view.moment,
        period=view.period,
        compare=compare,
        persona=view.persona,
        segment=view.segment,
        customers=figures.customers,
        outside=figures.outside,
        without_customer=trails.without_customer,
        events=trails.events,
        first=trails.first,
        last=trails.last,
        stages=stages,
        touchpoints=touchpoints,
        ad_hoc=ad_hoc(view),
        warnings=warnings(view, language),
    )


def judge(target: float | None, at_least: bool, rate: Rate, seen: bool = True) -> State:
    """The plain word for a rate and its target: on target, behind, too few to say, no target, no data."""
    if not seen:
        return "no_data"
    if target is None:
        return "no_target"
    if rate.value is None or rate.denominator < ENOUGH:
        return "too_few"
    met = rate.value >= target if at_least else rate.value <= target
    return "on_target" if met else "behind"


def seen_touchpoints(view: View) -> npt.NDArray[np.bool_]:
    """bool[T]: touchpoints of which the trails hold any event at all, of anyone."""
    seen = np.zeros(len(view.journey.touchpoint_ids), np.bool_)
    numbers = view.rules.code_touchpoint
    seen[numbers[numbers >= 0]] = True
    return seen


def warnings(view: View, language: str) -> tuple[str, ...]:
    """What a reader of the numbers should know, translated."""
    found = []
    seen = seen_touchpoints(view)
    for t, (_, _, touchpoint) in enumerate(view.journey.touchpoints()):
        if touchpoint.match and not seen[t]:
            events = sorted({name for match in touchpoint.match for name in match.event})
            found.append(
                translate(
                    language,
                    N_("No event of touchpoint {touchpoint} has ever been seen (looked for: {events})."),
                    touchpoint=touchpoint.id,
                    events=", ".join(events) or "path, where",
                )
            )
    currencies = view.trails.tables.currencies
    if len(currencies) > 1 or (currencies and currencies[0] != view.journey.currency):
        found.append(
            translate(
                language,
                N_("The values are in {currencies}, the map in {currency}.")
                if len(currencies) == 1
                else N_("The values are in {currencies}, which cannot be added up, so no sum of money is told."),
                currencies=", ".join(currencies),
                currency=view.journey.currency,
            )
        )
    return tuple(found)


def figures_of(view: View) -> Filler:
    """One pass over the view's customers (shared with whoever asks of the same), ready to be asked for figures."""
    return Filler(view, *view.once("living", functools.partial(counted, view)))


class Filler:
    """Counts of one view turned into figures."""

    def __init__(self, view: View, ask: kernel.Ask, counts: Counts) -> None:
        self.view = view
        self.ask, self.partial = ask, counts
        self.select = view.select
        self.places = list(view.journey.touchpoints())
        self.paying = view.paying()
        self.seen = seen_touchpoints(view)
        self.here = view.once("here", functools.partial(here_now, view))

    @property
    def customers(self) -> Count:
        """Those with any event of the map."""
        return Count(int(self.partial.totals[kernel.ON_MAP]), self.select("map", "", "customers"))

    @property
    def outside(self) -> Count:
        return Count(int(self.partial.totals[kernel.OUTSIDE]), self.select("map", "", "outside"))

    def stage(self, s: int, before: Figures | None) -> StageFigures:
        stage, row = self.view.journey.stages[s], self.partial.stage[s]

        def count(what: int, name: str) -> Count:
            return Count(int(row[what]), self.select("stage", stage.id, name))

        rate, drop = self.rates("stage", stage.id, row, s)
        target = stage.expect.share if stage.expect else None
        at_least = target.at_least if target else True
        figures = Figures(
            reached=count(kernel.S_REACHED, "reached"),
            entered=count(kernel.S_ENTERED, "entered"),
            went_on=rate,
            drop_off=drop,
            to_next=dataclasses.replace(self.partial.stage_times[s], behind=rate.behind),
            value=self.money(self.view.in_stage(s), self.select("stage", stage.id, "paid")),
            within=int(self.ask.stage_within[s]),
            target=target.value if target else None,
            target_at_least=at_least,
            state=judge(target.value if target else None, at_least, rate),
            before=before,
        )
        return StageFigures(
            stage.id,
            count(kernel.S_NOW, "now"),
            count(kernel.S_LAPSED, "lapsed"),
            count(kernel.S_LAPSED_IN, "lapsed_in"),
            count(kernel.S_WON_BACK, "won_back"),
            count(kernel.S_SKIPPED, "skipped"),
            figures,
        )

    def touchpoint(self, t: int, before: Figures | None, feelings: dict[str, Felt]) -> TouchpointFigures:
        s, stage, touchpoint = self.places[t]
        row = self.partial.touch[t]
        rate, drop = self.rates("touchpoint", touchpoint.id, row, s)
        target = touchpoint.expect.share if touchpoint.expect else None
        at_least = target.at_least if target else True
        figures = Figures(
            reached=Count(int(row[kernel.T_REACHED]), self.select("touchpoint", touchpoint.id, "reached")),
            entered=Count(int(row[kernel.T_ENTERED]), self.select("touchpoint", touchpoint.id, "entered")),
            went_on=rate,
            drop_off=drop,
            to_next=dataclasses.replace(self.partial.touch_times[t], behind=rate.behind),
            value=self.money([t], self.select("touchpoint", touchpoint.id, "paid")),
            within=int(self.ask.touch_within[t]),
            target=target.value if target else None,
            target_at_least=at_least,
            state=self.word(t, touchpoint, rate),
            before=before,
        )
        feeling = feelings.get(touchpoint.id)
        return TouchpointFigures(
            touchpoint.id,
            stage.id,
            int(row[kernel.T_EVENTS]),
            Count(int(self.here[t]), self.select("touchpoint", touchpoint.id, "now")),
            figures,
            deviations(self.view, touchpoint, row, bool(self.seen[t]), self.select),
            feeling.score if feeling else None,
            feeling.n if feeling else 0,
            self.select("touchpoint", touchpoint.id, "answered") if feeling else None,
        )

    def word(self, t: int, touchpoint: Touchpoint, rate: Rate) -> State:
        target = touchpoint.expect.share if touchpoint.expect else None
        return judge(target.value if target else None, target.at_least if target else True, rate, bool(self.seen[t]))

    def rates(self, kind: str, id: str, row: npt.NDArray[np.int64], stage: int) -> tuple[Rate, Rate]:
        """The share that went on, and the rest of the same customers."""
        stages = kind == "stage"
        went = int(row[kernel.S_WENT_ON if stages else kernel.T_WENT_ON])
        dropped = int(row[kernel.S_DROPPED if stages else kernel.T_DROPPED])
        pending = int(row[kernel.S_PENDING if stages else kernel.T_PENDING])
        on, off, open_, due = (self.select(kind, id, what) for what in ("went_on", "dropped", "pending", "had_time"))
        why = N_("no stage follows") if stage == len(self.view.journey.stages) - 1 else None
        return (
            Rate(went, went + dropped, pending, on, off, open_, why, due),
            Rate(dropped, went + dropped, pending, off, on, open_, why, due),
        )

    def money(self, touchpoints: list[int], behind: str) -> Money | None:
        """Values of the touchpoints in the period; None where none of them carries money, or several currencies."""
        if no_sums(self.view) is not None:
            return None
        paying = [t for t in touchpoints if self.paying[t]]
        orders = int(sum(self.partial.touch[t, kernel.T_ORDERS] for t in paying))
        if not orders:
            return None
        amount = int(sum(self.partial.touch[t, kernel.T_VALUE] for t in paying)) / UNIT
        return Money(amount, currency_of(self.view), orders, behind)
