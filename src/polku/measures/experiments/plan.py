"""Before an experiment: people and days that it needs, from the shop's own traffic and figures."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from polku.errors import MeasureError
from polku.journey.model import Text
from polku.kernels import experiments as kernel
from polku.kernels.columns import Columns, frozen
from polku.language import N_, Reader
from polku.measures.answer import Answer, Cell, Table, words
from polku.measures.charts import Chart, Lines, Series
from polku.measures.experiments.did import MONEY, TITLES, Asked, Metric, is_rate, is_ratio, variables
from polku.measures.steps import codes_of, goal_of, title_of
from polku.measures.view import View
from polku.statistics.effects import TOO_FEW, Moments
from polku.statistics.power import TOO_HIGH, needed, smallest_effect

F64 = npt.NDArray[np.float64]
DAY = 86400
#: Uplifts that are shown beside the one asked about, and weeks for which the smallest uplift is told.
UPLIFTS = (0.02, 0.05, 0.1, 0.2, 0.5)
WEEKS = (1, 2, 3, 4, 6, 8, 12)
#: Longer than this nobody waits, and people's cookies are gone.
TOO_LONG = 365
NO_TRAFFIC = N_("nobody came there in those days")
YEARS = N_("more than a year")


@dataclasses.dataclass(frozen=True, slots=True)
class Need:
    """For one relative uplift: people in each arm and in all, and days by the shop's traffic; None with a reason."""

    uplift: float
    arm: int | None
    total: int | None
    days: int | None
    reason: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class Reach:
    """After so many days: new people by then, and the smallest relative uplift that they find; None with a reason."""

    days: int
    people: int
    uplift: float | None
    reason: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExperimentPlan(Answer):
    name = "experiment_plan"
    says = (
        N_("People needed in each arm = (z of the level + z of the power)² x 2 x variance / (figure x uplift)²."),
        N_(
            "The figure and its variance are those of people who came there in the days before, each given the time. "
            "With CUPED the variance is what is left when what they did before is taken out."
        ),
        N_(
            "Days = until as many new people have come there, as they came in those days, and the time given to the "
            "last of them. Beyond those days the pace of the last week goes on."
        ),
        N_("With more than two arms the level is shared by the comparisons with the base."),
    )

    at: str | None
    at_title: Text | None
    goal: str
    goal_title: Text
    metric: Metric
    within: int
    people: int  # on whom the figure stands
    figure: float | None
    deviation: float | None
    new_a_day: float  # over the days before, as far as there are any
    arms: int
    power: float
    level: float
    traffic: float
    wanted: Need
    needs: tuple[Need, ...]
    reaches: tuple[Reach, ...]
    currency: str | None

    def _write(self, amount: float | None, reader: Reader) -> str:
        if amount is None:
            return "–"
        if self.metric == "conversion":
            return reader.percent(amount, 2)
        if self.metric in MONEY:
            return reader.money(amount, self.currency or reader.currency)
        return reader.number(amount, 3)

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        return (self._now(reader), self._needs(reader), self._reaches(reader))

    def _now(self, reader: Reader) -> Table:
        place = reader.said(self.at_title) if self.at_title is not None else reader("any event")
        rows = (
            (words(reader("exposed at")), words(place, self.at)),
            (words(reader("goal")), words(reader.said(self.goal_title), self.goal)),
            (words(reader("people looked at")), Cell(reader.number(self.people), self.people, number=True)),
            (words(reader(TITLES[self.metric])), Cell(self._write(self.figure, reader), self.figure, number=True)),
            (words(reader("new people a day")), Cell(reader.number(self.new_a_day, 1), self.new_a_day, number=True)),
        )
        return Table(reader("What it stands on"), (reader("what"), reader("figure")), rows)

    def _needs(self, reader: Reader) -> Table:
        rows = tuple(
            (
                Cell(reader.percent(n.uplift), n.uplift, number=True),
                _whole(n.arm, reader),
                _whole(n.total, reader),
                Cell("–" if n.days is None else reader.number(n.days), n.days, number=True,
                     note=reader(n.reason) if n.reason else None),
            )
            for n in (self.wanted, *self.needs)
        )  # fmt: skip
        heads = tuple(reader(h) for h in (N_("uplift"), N_("people in each arm"), N_("people in all"), N_("days")))
        title = reader("What it takes, to find it with a chance of {power}", power=reader.percent(self.power, 0))
        return Table(title, heads, rows)

    def _reaches(self, reader: Reader) -> Table:
        rows = tuple(
            (
                Cell(reader.number(r.days), r.days, number=True),
                _whole(r.people, reader),
                Cell("–" if r.uplift is None else reader.percent(r.uplift), r.uplift, number=True,
                     note=reader(r.reason) if r.reason else None),
            )
            for r in self.reaches
        )  # fmt: skip
        heads = tuple(reader(h) for h in (N_("days"), N_("people in all"), N_("smallest uplift found")))
        return Table(reader("What so many days find"), heads, rows)

    def charts(self, reader: Reader) -> tuple[Chart, ...]:
        if not any(r.uplift is not None for r in self.reaches):
            return ()
        series = Series(reader("smallest uplift found"), tuple(r.uplift for r in self.reaches))
        labels, at = tuple(reader.number(r.days) for r in self.reaches), tuple(float(r.days) for r in self.reaches)
        return (Lines(reader("What so many days find"), labels, (series,), "share", at, x_title=reader("days")),)


def _whole(n: int | None, reader: Reader) -> Cell:
    return Cell("–" if n is None else reader.number(n), n, number=True)


def experiment_plan(
    view: View,
    at: str | None = None,
    to: str | None = None,
    metric: Metric = "conversion",
    within: int = 7 * DAY,
    uplift: float = 0.1,
    arms: int = 2,
    power: float = 0.8,
    traffic: float = 1.0,
    days: int = 28,
    before: int = 30 * DAY,
    cuped: bool = True,
    level: float = 0.95,
) -> ExperimentPlan:
    """People and days for an experiment on those who come to ``at``, judged by ``metric`` of ``to``.

    Raises MeasureError for names that are not known and numbers that fit no experiment, MissingExtraError without
    tea-tasting (extra ``models``).
    """
    if days < 1:
        raise MeasureError(N_("{name} of {share} fits no experiment."), name="days", share=days)
    if arms < 2:
        raise MeasureError(N_("An experiment has two arms at least, the base included."))
    for name, share in (("uplift", uplift), ("power", power), ("traffic", traffic), ("level", level)):
        if share <= 0 or (share >= 1 and name in ("power", "level")):
            raise MeasureError(N_("{name} of {share} fits no experiment."), name=name, share=share)
    goal = to or goal_of(view.journey)
    codes = np.ones(view.trails.tables.codes, np.bool_) if at is None else codes_of(view, at)
    # The figure is of people whose time is up; the pace is of the last days themselves.
    last = view.end
    asked = Asked(codes_of(view, goal), within, before, view.as_of, (metric,), 1)
    figure = functools.partial(_moments, codes, asked, last - within - days * DAY, last - within)
    moments = view.sum(figure, Moments.none(4))
    begun = int(view.trails.first.timestamp()) if view.trails.first else last - days * DAY
    seen = max(1, min(days, math.ceil((last - begun) / DAY)))  # a young shop has no traffic of before it opened
    pace = view.sum(functools.partial(_new, codes, last - seen * DAY, last, seen), np.zeros(seen, np.int64))
    new: F64 = np.cumsum(pace).astype(np.float64) * traffic
    asks: dict[str, Any] = {
        "arms": arms, "power": power, "level": level, "ratio": is_ratio(metric), "rate": is_rate(metric),
        "cuped": cuped and moments.n > 1 and bool(moments.scatter[2, 2] > 0)
        and (not is_ratio(metric) or bool(moments.mean[3] > 0)),
    }  # fmt: skip

    def need(wanted: float) -> Need:
        found = needed(moments, wanted, **asks)
        if found.total is None:
            return Need(wanted, None, None, None, found.reason)
        took = _days(new, found.total)
        if took is None:
            return Need(wanted, found.arm, found.total, None, NO_TRAFFIC if not new.size or new[-1] == 0 else YEARS)
        return Need(wanted, found.arm, found.total, took + math.ceil(within / DAY), None)

    def reach(weeks: int) -> Reach:
        people = _by(new, weeks * 7)
        least = smallest_effect(moments, people // arms, **asks)
        if least is not None:
            return Reach(weeks * 7, people, least)
        few = TOO_FEW if people // arms < 2 else TOO_HIGH
        return Reach(weeks * 7, people, None, needed(moments, uplift, **{**asks, "rate": False}).reason or few)

    known = moments.n > 1 and not (is_ratio(metric) and moments.mean[1] <= 0)
    value = float(moments.mean[0] / (moments.mean[1] if is_ratio(metric) else 1.0)) if known else None
    return ExperimentPlan(
        period=view.period, persona=view.persona, segment=view.segment,
        at=at, at_title=None if at is None else title_of(view.journey, at), goal=goal,
        goal_title=title_of(view.journey, goal), metric=metric, within=within, people=moments.n, figure=value,
        deviation=math.sqrt(moments.variance(0)) if known else None, new_a_day=float(new[-1]) / seen,
        arms=arms, power=power, level=level, traffic=traffic, wanted=need(uplift),
        needs=tuple(need(u) for u in UPLIFTS if u != uplift), reaches=tuple(reach(w) for w in WEEKS),
        currency=view.journey.currency,
    )  # fmt: skip


def _moments(codes: npt.NDArray[np.bool_], asked: Asked, start: int, end: int, bucket: Columns) -> Moments:
    at = kernel.first_met(bucket, frozen(codes, np.bool_), start, end)
    did, up = kernel.outcomes(bucket, at, asked.goal, asked.window, asked.before, asked.as_of)
    return Moments.of(variables(asked.metrics[0], did[up]))


def _new(codes: npt.NDArray[np.bool_], start: int, end: int, days: int, bucket: Columns) -> npt.NDArray[np.int64]:
    """int64[days]: people by the day on which they first came, had one begun at ``start``."""
    at = kernel.first_met(bucket, frozen(codes, np.bool_), start, end)
    when = (bucket.time[at[at >= 0]].astype(np.int64) - start) // DAY
    return np.bincount(np.clip(when, 0, days - 1), minlength=days)


def _days(new: F64, total: int) -> int | None:
    """Days until ``total`` people have come; None beyond a year."""
    if not len(new) or new[-1] <= 0:
        return None
    if new[-1] >= total:
        return int(np.searchsorted(new, total)) + 1
    took = len(new) + math.ceil((total - float(new[-1])) / max(_late_pace(new), 1e-9))
    return took if took <= TOO_LONG else None


def _by(new: F64, days: int) -> int:
    """People who have come in ``days``."""
    if not len(new):
        return 0
    return int(new[days - 1] if days <= len(new) else new[-1] + _late_pace(new) * (days - len(new)))


def _late_pace(new: F64) -> float:
    """New people a day in the last week, when many of those who come have come before."""
    week = min(7, len(new) - 1)
    return float(new[-1] - new[-1 - week]) / week if week else float(new[-1])
