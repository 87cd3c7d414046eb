"""A funnel over time: the conversion of those who began in each day, week or month."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from polku.journey.model import Text
from polku.kernels.funnels.chains import UNLIMITED
from polku.language import N_, Reader
from polku.measures.answer import Answer, Table, count_cell, rate_cell, words
from polku.measures.charts import Chart, Lines
from polku.measures.funnels.asked import Asked, asked_of
from polku.measures.funnels.funnel import rate_between, rate_series, refinements, said_of, selecting, unit_of
from polku.measures.funnels.intervals import WHOLE, spans
from polku.measures.funnels.rows import Rows, over
from polku.measures.funnels.totals import GroupTotals, gathered
from polku.measures.result import Count, Rate
from polku.measures.steps import title_of
from polku.measures.view import View

TITLES = {"day": N_("Funnel by day"), "week": N_("Funnel by week"), "month": N_("Funnel by month")}


@dataclasses.dataclass(frozen=True, slots=True)
class TrendPoint:
    """Those who began in one interval."""

    day: dt.date  # its first
    reached: tuple[Count, ...]  # step by step
    conversion: Rate  # from the first step to the last
    mature: bool  # the interval is over, and everyone's window has closed


@dataclasses.dataclass(frozen=True, kw_only=True)
class FunnelTrend(Answer):
    name = "funnel_trend"
    says = (
        N_("Customers belong to the day, week or month in which the chain that they are given began."),
        N_(
            "Conversion = those who reached the last step / those who began; only those whose window has closed, "
            "counted from the beginning of their chain. An interval of which some windows are still open is hollow, "
            "since its share can still change."
        ),
        N_("Weeks begin on Monday; days are those of the map's time zone."),
    )

    by: str
    interval: str
    within: int | None
    refined: Mapping[str, str]
    steps: tuple[str, ...]
    titles: tuple[Text, ...]
    points: tuple[TrendPoint, ...]
    conversion: Rate  # of the whole period

    @property
    def rate(self) -> Rate:
        return self.conversion

    @property
    def by_visit(self) -> bool:
        return self.by == "session"

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        steps = (f"{k}. {reader.said(t)}" for k, t in enumerate(self.titles, 1))
        heads = (reader(N_("beginning")), *steps, reader(N_("of the first step")))
        rows = tuple(
            (
                words(reader.date(p.day), p.day.isoformat()),
                *(count_cell(n, reader) for n in p.reached),
                rate_cell(p.conversion, reader),
            )
            for p in self.points
        )
        return (Table(", ".join([reader(TITLES[self.interval]), *said_of(self.refined, reader)]), heads, rows),)

    def charts(self, reader: Reader) -> tuple[Chart, ...]:
        labels = tuple(reader.date(p.day) for p in self.points)
        line = rate_series(reader("of the first step"), [p.conversion for p in self.points])
        solid = tuple(p.mature for p in self.points)
        return (Lines(reader(TITLES[self.interval]), labels, (dataclasses.replace(line, solid=solid),), "share"),)


def funnel_trend(
    view: View,
    steps: tuple[str, ...],
    within: int | None = None,
    by: str = "customer",
    interval: str = "week",
    **definition: Any,
) -> FunnelTrend:
    """The funnel's conversion by ``interval`` (day, week or month) of the beginning. Options as in
    :func:`polku.measures.funnels.funnel.funnel`.
    """
    asked = asked_of(view, steps, within, by, **definition)
    first = view.trails.first
    low = max(view.start, view.as_of if first is None else int(first.timestamp()))
    found_spans = spans(view, interval, min(low, view.as_of), max(low, min(view.end - 1, view.as_of)))
    edges = np.array([s.start for s in found_spans[1:]], np.int64)
    count = len(asked.steps)
    zero = gathered(
        np.empty(0, np.int64), np.empty((0, count), np.int64), np.empty((0, count), np.int64),
        np.empty(0, np.uint32), np.empty(0, np.int64),
    )  # fmt: skip
    work = functools.partial(_by_span, edges, asked, view.as_of)
    found = functools.reduce(GroupTotals.__add__, over(view, asked, work), zero)
    of = {int(g): place for place, g in enumerate(found.group)}
    nobody = np.zeros(count, np.int64)
    points = []
    for place, span in enumerate(found_spans):
        row = of.get(place)
        reached, open_ = (nobody, nobody) if row is None else (found.reached[row], found.open[row])
        select = selecting(view, asked, interval=interval, on=span.day.isoformat())
        counts = tuple(Count(int(n), select("reached", step=k + 1), unit_of(asked)) for k, n in enumerate(reached))
        conversion = rate_between(asked, reached, open_, count - 1, 0, select)
        mature = conversion.pending == 0 and span.end <= view.as_of + 1 and _closed(asked, span.end, view.as_of)
        points.append(TrendPoint(span.day, counts, conversion, mature))
    whole = found.reached.sum(axis=0), found.open.sum(axis=0)
    # with a window, those not yet are others here than in the funnel (own windows), and so are their lists
    select = selecting(view, asked, interval=WHOLE if asked.window < UNLIMITED else None)
    return FunnelTrend(
        period=view.period, persona=view.persona, segment=view.segment,
        by=asked.by, interval=interval, within=asked.within, refined=refinements(asked), steps=asked.steps,
        titles=tuple(title_of(view.journey, s) for s in asked.steps), points=tuple(points),
        conversion=rate_between(asked, *whole, count - 1, 0, select),
    )  # fmt: skip


def _closed(asked: Asked, end: int, as_of: int) -> bool:
    """Whether a window that began just before ``end`` has closed; without a window nothing is waited for."""
    return asked.window >= UNLIMITED or end - 1 + asked.window <= as_of


def _by_span(edges: np.ndarray[Any, np.dtype[np.int64]], asked: Asked, as_of: int, rows: Rows) -> GroupTotals:
    place = np.searchsorted(edges, rows.begun(), side="right").astype(np.int64)
    met = rows.met.astype(np.int64)
    none = np.empty(0, np.int64)
    return gathered(place, met, met * rows.own_open(asked, as_of)[:, None], np.empty(0, np.uint32), none)
