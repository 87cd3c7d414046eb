"""Time to convert: how long the way through a funnel takes, as a distribution, and as a curve that knows who may yet
come.
"""

from __future__ import annotations

import dataclasses
import functools
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from polku.kernels.funnels.chains import UNLIMITED
from polku.language import N_, Reader
from polku.measures.answer import Answer, Cell, Table, count_cell, words
from polku.measures.charts import Bars, Chart, Lines, Series
from polku.measures.funnels.asked import Asked, asked_of
from polku.measures.funnels.funnel import rate_between, refinements, said_of, selecting, unit_of
from polku.measures.funnels.rows import Rows, over
from polku.measures.result import Count, Estimate, Rate
from polku.measures.steps import title_of
from polku.measures.view import View

I64 = npt.NDArray[np.int64]
#: Bars end at these seconds: what people call a minute, an hour, a day.
NICE = (
    1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400, 172_800, 259_200,
    604_800, 1_209_600, 2_592_000, 7_776_000, 15_552_000, 31_536_000,
)  # fmt: skip
SHARES = (0.05, 0.25, 0.5, 0.75, 0.9, 0.95)
#: A curve is drawn through so many points at most.
MOST_POINTS = 120


@dataclasses.dataclass(frozen=True, slots=True)
class TimeBar:
    """Those who took at least ``start`` and less than ``end`` seconds; the end of the last is None, open."""

    start: int
    end: int | None
    count: Count


@dataclasses.dataclass(frozen=True, slots=True)
class CurvePoint:
    """Of all who began, the share that had converted ``seconds`` after; ``at_risk`` were still waiting then."""

    seconds: int
    converted: Estimate
    at_risk: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class TimeToConvert(Answer):
    name = "time_to_convert"
    says = (
        N_("Time to convert = from the first step to the last in the chain that is given, of those who converted."),
        N_("Quantiles are exact, by linear interpolation; open windows are in them, so short times come first."),
        N_(
            "The curve is 1 - Kaplan and Meier's estimate: those whose window is still open count as long as they "
            "have been seen, and no longer; its band is the 95 % log-log interval."
        ),
        N_("Those who did not convert have waited from the first step of their chain to the window's end."),
    )

    by: str
    within: int | None
    refined: Mapping[str, str]
    steps: tuple[str, ...]
    titles: tuple[Any, ...]
    conversion: Rate
    converted: Count  # whose times these are
    mean: float | None  # seconds
    quantiles: Mapping[str, float | None]  # share: seconds
    bars: tuple[TimeBar, ...]
    curve: tuple[CurvePoint, ...]
    median_of_all: Estimate  # seconds until half of all who began have converted; None: they have not

    @property
    def rate(self) -> Rate:
        return self.conversion

    @property
    def by_visit(self) -> bool:
        return self.by == "session"

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        title = ", ".join([reader(N_("Time to convert")), *said_of(self.refined, reader)])
        rows = [(words(reader(N_("converted"))), count_cell(self.converted, reader))]
        for share, seconds in self.quantiles.items():
            rows.append((words(reader(N_("{share} within"), share=reader.percent(float(share), 0))),
                         _time(seconds, reader)))  # fmt: skip
        rows.append((words(reader(N_("mean"))), _time(self.mean, reader)))
        half = self.median_of_all
        note = reader(half.reason) if half.reason else None
        rows.append((words(reader(N_("half of all who began"))),
                     dataclasses.replace(_time(half.value, reader), note=note)))  # fmt: skip
        spread = Table(
            reader(N_("How long it took")),
            (reader(N_("time")), reader(N_("converted"))),
            tuple((words(bar_words(b, reader), b.start), count_cell(b.count, reader)) for b in self.bars),
        )
        heads = (reader(N_("of those who converted")), reader(N_("time")))
        return (Table(title, heads, tuple(rows)), spread)

    def charts(self, reader: Reader) -> tuple[Chart, ...]:
        bars = Bars(
            reader(N_("How long it took")),
            tuple(bar_words(b, reader) for b in self.bars),
            (Series(reader(N_("converted")), tuple(b.count.n for b in self.bars),
                    behind=tuple(b.count.behind for b in self.bars)),),
            x_title=reader(N_("time")),
        )  # fmt: skip
        if not self.curve:
            return (bars,)
        curve = Lines(
            reader(N_("Converted by then, of all who began")),
            tuple(reader.duration(p.seconds) for p in self.curve),
            (
                Series(
                    reader(N_("converted")),
                    tuple(p.converted.value for p in self.curve),
                    tuple(p.converted.low for p in self.curve),
                    tuple(p.converted.high for p in self.curve),
                ),
            ),
            "share",
            at=tuple(float(p.seconds) for p in self.curve),
            steps=True,
            x_title=reader(N_("time")),
        )
        return (bars, curve)


def bar_words(bar: TimeBar, reader: Reader) -> str:
    if bar.end is None:
        return reader(N_("{start} or more"), start=reader.duration(bar.start))
    return reader(N_("{low} to {high}"), low=reader.duration(bar.start), high=reader.duration(bar.end))


def _time(seconds: float | None, reader: Reader) -> Cell:
    return Cell("–" if seconds is None else reader.duration(seconds), seconds, number=True)


@dataclasses.dataclass(frozen=True, eq=False)
class Waited:
    """Of every row: seconds waited, and whether that ended in a conversion; with the counts of the funnel's ends."""

    seconds: tuple[I64, ...]
    done: tuple[npt.NDArray[np.bool_], ...]
    reached: I64  # [2] the first and the last step
    open: I64  # [2]

    def __add__(self, other: Waited) -> Waited:
        return Waited(
            self.seconds + other.seconds, self.done + other.done, self.reached + other.reached, self.open + other.open
        )


def waited(asked: Asked, as_of: int, rows: Rows) -> Waited:
    begun = rows.begun()
    done = rows.level == len(asked.steps)
    last = np.where(rows.places >= 0, rows.times(), -1).max(axis=1, initial=-1)
    most = np.minimum(asked.window, as_of - begun)
    met = rows.met[:, [0, -1]]
    return Waited(
        (np.where(done, last - begun, most),), (done,), met.sum(axis=0), (met & rows.open[:, None]).sum(axis=0)
    )


def time_to_convert(
    view: View, steps: tuple[str, ...], within: int | None = None, by: str = "customer", **definition: Any
) -> TimeToConvert:
    """How long it took from the first of ``steps`` to the last. Options as in
    :func:`polku.measures.funnels.funnel.funnel`.
    """
    asked = asked_of(view, steps, within, by, **definition)
    zeros = np.zeros(2, np.int64)
    zero = Waited((), (), zeros, zeros)
    found = functools.reduce(Waited.__add__, over(view, asked, functools.partial(waited, asked, view.as_of)), zero)
    seconds = np.concatenate([np.empty(0, np.int64), *found.seconds])
    done = np.concatenate([np.empty(0, np.bool_), *found.done])
    took = seconds[done]
    select = selecting(view, asked)
    count = len(asked.steps)
    shares = np.quantile(took, SHARES).tolist() if len(took) else [None] * len(SHARES)
    curve, half = _curve(seconds, done)
    ends = _edges(took)
    bars = tuple(
        TimeBar(low, high, Count(int(np.count_nonzero((took >= low) & (took < (high or UNLIMITED)))),
                                 select("reached", step=count, least=low, most=high), unit_of(asked)))
        for low, high in zip(ends, [*ends[1:], None][: len(ends)], strict=True)
    )  # fmt: skip
    reached, open_ = (np.array([n[0]] + [n[1]] * (count - 1), np.int64) for n in (found.reached, found.open))
    return TimeToConvert(
        period=view.period, persona=view.persona, segment=view.segment,
        by=asked.by, within=asked.within, refined=refinements(asked), steps=asked.steps,
        titles=tuple(title_of(view.journey, s) for s in asked.steps),
        conversion=rate_between(asked, reached, open_, count - 1, 0, select),
        converted=Count(len(took), select("reached", step=count), unit_of(asked)),
        mean=float(took.mean()) if len(took) else None,
        quantiles={str(share): value for share, value in zip(SHARES, shares, strict=True)},
        bars=bars, curve=curve, median_of_all=half,
    )  # fmt: skip


def _edges(took: I64) -> list[int]:
    """Where the bars begin: round times, about fifteen of them up to the longest."""
    if not len(took):
        return []
    longest = int(took.max())
    above = next((place for place, nice in enumerate(NICE) if nice > longest), len(NICE))
    return [0, *NICE[max(0, above - 14) : above]]


def _curve(seconds: I64, done: npt.NDArray[np.bool_]) -> tuple[tuple[CurvePoint, ...], Estimate]:
    """1 - Kaplan and Meier's estimate (JASA 53, 1958), and the time by which half have converted."""
    if not done.any():
        return (), Estimate(None, n=len(seconds), reason=N_("nobody has converted"))
    from scipy import stats  # here, because most questions do without it

    survival = stats.ecdf(stats.CensoredData.right_censored(np.maximum(seconds, 0), ~done)).sf
    with warnings.catch_warnings():
        # where nobody has converted yet, or all have, log(-log) is not defined and the ends are not numbers
        warnings.simplefilter("ignore", RuntimeWarning)
        band = survival.confidence_interval(0.95, method="log-log")
    times, left = survival.quantiles, survival.probabilities
    waiting = len(seconds) - np.searchsorted(np.sort(seconds), times, side="left")
    moved = np.flatnonzero(np.diff(left, prepend=1.0) < 0)
    kept = moved[np.unique(np.linspace(0, len(moved) - 1, min(len(moved), MOST_POINTS)).astype(np.int64))]
    high, low = band.high.probabilities, band.low.probabilities
    points = tuple(
        CurvePoint(int(times[k]), Estimate(float(1 - left[k]), _end(1 - high[k]), _end(1 - low[k])), int(waiting[k]))
        for k in kept
    )
    below = np.flatnonzero(left <= 0.5)
    if not len(below):
        reason = N_("less than half have converted")
        return points, Estimate(None, n=len(seconds), reason=reason)
    return points, Estimate(float(times[below[0]]), n=len(seconds))


def _end(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def in_time(rows: Rows, asked: Asked, least: int, most: int | None) -> npt.NDArray[np.bool_]:
    """bool[R]: who converted in [least, most) seconds."""
    found = waited(asked, 0, rows)
    return found.done[0] & (found.seconds[0] >= least) & (found.seconds[0] < (UNLIMITED if most is None else most))


def spread_of(texts: Sequence[str | None]) -> tuple[int, int | None] | None:
    """The bar that a selector names by its ``least`` and ``most``; None where it names none."""
    least, most = texts
    return None if least is None else (int(least), None if most is None else int(most))
