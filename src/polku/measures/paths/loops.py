"""Loops and rework: steps that people take again, ways there and back, and the time that goes into it.

W. van der Aalst, Process Mining: Data Science in Action (2016), chapter 9: rework is work on what was thought done.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import numpy.typing as npt

from polku.journey.model import Text
from polku.kernels.columns import Columns
from polku.kernels.paths import patterns as kernel
from polku.language import N_, Reader
from polku.measures.answer import Answer, Cell, Table, count_cell, rate_cell, words
from polku.measures.charts import Bars, Chart, Series
from polku.measures.paths.alphabet import Alphabet, alphabet_of
from polku.measures.paths.walkers import walkers
from polku.measures.result import Count, Rate
from polku.measures.segments import UNITS, segments
from polku.measures.selectors import Selector
from polku.measures.steps import chain_of, chain_text
from polku.measures.view import Mask, View

I64 = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, slots=True)
class Loop:
    """A step that some paths take more than once."""

    step: str
    title: Text
    repeated: Rate  # paths with it twice or more, of paths with it
    times: int  # in all
    mean_times: float  # a path that has it
    right_after: int  # times right after itself
    later: int  # times again after something else
    mean_seconds: float | None  # from its first to its last time, of those that repeat it


@dataclasses.dataclass(frozen=True, slots=True)
class ThereAndBack:
    """From ``step`` to ``between`` and right back."""

    step: str
    between: str
    titles: tuple[Text, Text]
    count: Count  # times


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loops(Answer):
    name = "loops"
    says = (
        N_("Repeated = paths with the step twice or more / paths with the step."),
        N_("Right after itself counts times where the step before was the same; later, where something lay between."),
        N_("Time is from the first to the last time of the step, the mean of the paths that repeat it."),
        N_("There and back counts A, then B, then A again, with nothing between."),
    )

    of: str
    by: str
    loops: tuple[Loop, ...]  # most repeating paths first
    back: tuple[ThereAndBack, ...]

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        heads = (
            N_("step"), N_("repeated"), N_("times"), N_("times a path"), N_("right after itself"), N_("again later"),
            N_("mean time between first and last"),
        )  # fmt: skip
        rows = tuple(
            (
                words(reader.said(p.title), p.step),
                rate_cell(p.repeated, reader),
                count_cell(p.times, reader),
                Cell(reader.number(p.mean_times, 2), p.mean_times, number=True),
                count_cell(p.right_after, reader),
                count_cell(p.later, reader),
                Cell("–" if p.mean_seconds is None else reader.duration(p.mean_seconds), p.mean_seconds, number=True),
            )
            for p in self.loops
        )
        back = tuple(
            (
                words(reader.said(b.titles[0]), b.step),
                words(reader.said(b.titles[1]), b.between),
                count_cell(b.count, reader),
            )
            for b in self.back
        )
        return (
            Table(reader("Steps taken again"), tuple(reader(h) for h in heads), rows),
            Table(reader("There and back"), (reader("step"), reader("by way of"), reader("times")), back),
        )

    def charts(self, reader: Reader) -> tuple[Chart, ...]:
        shown = self.loops[:20]
        values = Series(
            reader("repeated"), tuple(p.repeated.value for p in shown), behind=tuple(p.repeated.behind for p in shown)
        )
        labels = tuple(reader.said(p.title) for p in shown)
        return (Bars(reader("Steps taken again"), labels, (values,), "share", across=True),)


@dataclasses.dataclass(frozen=True, eq=False)
class Partial:
    found: I64
    back: I64

    def __add__(self, other: Partial) -> Partial:
        return Partial(self.found + other.found, self.back + other.back)


def _partial(view: View, steps: Alphabet, by: str, bucket: Columns) -> Partial:
    stretches = segments(view, by, bucket)
    return Partial(*kernel.again(bucket, stretches, steps.symbol, len(steps), view.start, view.end))


def loops(view: View, of: str | None = None, by: str = "customer", limit: int = 50) -> Loops:
    """The ``limit`` steps that most paths take again, and as many ways there and back. Raises MeasureError."""
    steps = alphabet_of(view, of)
    n = len(steps)
    zero = Partial(np.zeros((n, 6), np.int64), np.zeros((n, n), np.int64))
    total = view.sum(functools.partial(_partial, view, steps, by), zero)
    select = functools.partial(view.select, "loop", of=steps.of, by=None if by == "customer" else by)
    order = [s for s in np.argsort(-total.found[:, 2], kind="stable")[:limit].tolist() if total.found[s, 2]]
    pairs = [p for p in np.argsort(-total.back, axis=None, kind="stable")[:limit].tolist() if total.back.flat[p]]

    def looped(s: int) -> Loop:
        with_it, times, twice, right_after, later, seconds = (int(x) for x in total.found[s])
        mine = chain_text((steps.names[s],))
        rate = Rate(
            twice, with_it, behind=select(mine, "repeated"), behind_all=select(mine, "took"), unit=UNITS[by]
        )  # fmt: skip
        return Loop(
            steps.names[s], steps.titles[s], rate, times, times / with_it, right_after, later,
            seconds / twice if twice else None,
        )  # fmt: skip

    def returned(place: int) -> ThereAndBack:
        a, b = divmod(place, n)
        behind = select(chain_text((steps.names[a], steps.names[b])), "repeated")
        count = Count(int(total.back[a, b]), behind, "times")
        return ThereAndBack(steps.names[a], steps.names[b], (steps.titles[a], steps.titles[b]), count)

    return Loops(
        period=view.period, persona=view.persona, segment=view.segment, of=steps.of, by=by,
        loops=tuple(map(looped, order)), back=tuple(map(returned, pairs)),
    )  # fmt: skip


def members(view: View, selector: Selector) -> list[Mask]:
    """bool[C] a bucket: who takes the step again, or at all; or goes from it to another and right back."""
    steps = alphabet_of(view, selector.option("of"))
    numbers = [steps.place(name) for name in chain_of(selector.name)]
    if selector.what == "took":
        return walkers(view, steps, selector.option("by") or "customer", numbers[0])
    between = numbers[1] if len(numbers) > 1 else -1
    work = functools.partial(_again, view, steps, selector.option("by") or "customer", numbers[0], between)
    return view.map(work)


def _again(view: View, steps: Alphabet, by: str, step: int, between: int, bucket: Columns) -> Mask:
    stretches = segments(view, by, bucket)
    return np.asarray(kernel.repeating(bucket, stretches, steps.symbol, view.start, view.end, step, between))
