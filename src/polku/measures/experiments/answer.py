"""What an experiment's measure answers with."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools

from polku.journey.model import Text
from polku.language import N_, Reader
from polku.measures.answer import Answer, Cell, Table, count_cell, estimate_cell, rate_cell, words
from polku.measures.charts import Chart, Forest, Lines, Series
from polku.measures.experiments.did import MONEY, TITLES, Metric
from polku.measures.result import Count, Estimate, Rate
from polku.statistics.bayes import Belief
from polku.statistics.effects import SampleRatio

#: Below this the arms' sizes are an alarm (Fabijan and others, KDD 2019).
MISMATCH = 0.001


@dataclasses.dataclass(frozen=True, slots=True)
class ArmFigure:
    """One arm: people exposed, their planned share (None: equal), and those who reached the goal."""

    name: str
    people: Count
    planned: float | None
    reached: Rate


@dataclasses.dataclass(frozen=True, slots=True)
class Effect:
    """One metric of one arm against the base. ``value`` and ``base`` are adjusted where CUPED is used.

    ``always`` is the always valid interval and ``belief`` the Bayesian reading, both of the relative uplift where
    ``of_relative``, else of the difference. ``explained``: the share of variance that CUPED took away.
    """

    metric: Metric
    arm: str
    value: float | None
    base: float | None
    absolute: Estimate
    relative: Estimate
    p: float | None
    adjusted: float | None
    reason: str | None
    always: Estimate
    always_p: float | None  # corrected like ``adjusted``
    of_relative: bool
    belief: Belief | None
    explained: float | None


@dataclasses.dataclass(frozen=True, slots=True)
class Track:
    """The always valid interval of one metric and arm as it stood at each moment, on that moment's data alone.

    ``of_relative``: of the relative uplift, else of the difference; all moments of a track alike.
    """

    metric: Metric
    arm: str
    of_relative: bool
    points: tuple[Estimate, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment(Answer):
    name = "experiment"
    says = (
        N_(
            "Customers count in the arm that they were first exposed to, if that was in the period. Who was exposed to "
            "two arms is in none, and is told apart."
        ),
        N_(
            "Difference = figure of the arm - figure of the base. Uplift = figure of the arm / figure of the base - 1. "
            "Both with the interval of one look that was planned beforehand."
        ),
        N_(
            "At any time: the interval and the p-value that stay true however often one looks (a confidence sequence). "
            "Who watches an experiment and stops it early reads these."
        ),
        N_(
            "Over time: that interval as it stood at the end of each week or day, from what had happened by then. Who "
            "was exposed to two arms later is left out from the beginning."
        ),
        N_(
            "Chance to win = probability that the arm is better than the base. Expected loss = what choosing the arm "
            "costs on average, should it be worse."
        ),
        N_("CUPED takes out of each figure what the same people did before they were exposed."),
        N_(
            "Sample ratio: whether the arms are as large as planned (chi-squared). Below p = 0.001 something dealt "
            "them wrongly, and no other figure can be trusted."
        ),
        N_("p-values are corrected for as many arms and metrics as are shown."),
    )

    experiment: str | None
    dealt: bool
    goal: str
    goal_title: Text
    within: int | None
    arms: tuple[ArmFigure, ...]
    mixed: Count
    ratio: SampleRatio | None
    effects: tuple[Effect, ...]
    correction: str
    level: float
    currency: str | None
    tracked: tuple[dt.datetime, ...] = ()
    tracks: tuple[Track, ...] = ()

    @property
    def mismatch(self) -> bool:
        """Whether the arms' sizes are an alarm."""
        return self.ratio is not None and self.ratio.p is not None and self.ratio.p < MISMATCH

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        tables = (self._arms(reader), self._fixed(reader), self._always(reader), self._chances(reader))
        return (*tables, self._tracked(reader)) if self.tracks else tables

    def _arms(self, reader: Reader) -> Table:
        total = sum(a.people.n for a in self.arms)
        rows = []
        for k, a in enumerate(self.arms):
            planned = a.planned if a.planned is not None else 1 / len(self.arms)
            share = a.people.n / total if total else None
            rows.append(
                (
                    words(reader("{arm} (base)", arm=a.name) if k == 0 else a.name, a.name),
                    count_cell(a.people, reader),
                    Cell("–" if share is None else reader.percent(share), share, number=True),
                    Cell(reader.percent(planned), planned, number=True) if self.dealt else Cell("–", number=True),
                    rate_cell(a.reached, reader),
                )
            )
        nothing = Cell("")
        if self.dealt:
            several = words(reader("exposed to several arms, left out"))
            rows.append((several, count_cell(self.mixed, reader), *(nothing,) * 3))
        if self.ratio is not None:
            said = N_("alarm: the arms were not dealt as planned") if self.mismatch else N_("as planned")
            text = reader(self.ratio.reason or said)
            p = self.ratio.p
            rows.append(
                (
                    words(reader("sample ratio")),
                    Cell("" if p is None else f"p {probability(p, reader)}", p, note=text),
                    *(nothing,) * 3,
                )
            )
        else:
            text = reader("lists of customers: nobody dealt them, so they may differ in more than this")
            rows.append((words(text), *(nothing,) * 4))
        heads = (N_("arm"), N_("people"), N_("share"), N_("planned"), N_("reached the goal"))
        title = reader("Arms, and {goal}", goal=reader.said(self.goal_title))
        return Table(title, tuple(reader(h) for h in heads), tuple(rows))

    def _label(self, e: Effect, reader: Reader) -> tuple[Cell, Cell]:
        return words(reader(TITLES[e.metric]), e.metric), words(e.arm)

    def _write(self, metric: Metric, reader: Reader, amount: float) -> str:
        if metric == "conversion":
            return reader.percent(amount, 2)
        if metric in MONEY:
            return reader.money(amount, self.currency or reader.currency)
        return reader.number(amount, 3)

    def _figure(self, metric: Metric, amount: float | None, reader: Reader) -> Cell:
        return Cell("–" if amount is None else self._write(metric, reader, amount), amount, number=True)

    def _fixed(self, reader: Reader) -> Table:
        rows = tuple(
            (
                *self._label(e, reader),
                self._figure(e.metric, e.value, reader),
                self._figure(e.metric, e.base, reader),
                estimate_cell(e.absolute, reader, functools.partial(self._write, e.metric, reader)),
                estimate_cell(e.relative, reader, lambda x: reader.percent(x, 2)),
                _p_cell(e.p, e.reason, reader),
                _p_cell(e.adjusted, e.reason, reader),
                Cell("–" if e.explained is None else reader.percent(e.explained), e.explained, number=True),
            )
            for e in self.effects
        )
        heads = (
            N_("metric"), N_("arm"), N_("figure"), N_("base"), N_("difference"), N_("uplift"), N_("p"),
            N_("corrected p"), N_("taken out by CUPED"),
        )  # fmt: skip
        return Table(reader("One look, planned beforehand"), tuple(reader(h) for h in heads), rows)

    def _always(self, reader: Reader) -> Table:
        rows = tuple(
            (
                *self._label(e, reader),
                estimate_cell(e.always, reader, functools.partial(self._unit, e, reader)),
                _p_cell(e.always_p, e.reason, reader),
            )
            for e in self.effects
        )
        heads = tuple(reader(h) for h in (N_("metric"), N_("arm"), N_("uplift"), N_("corrected p")))
        return Table(reader("At any time"), heads, rows)

    def _tracked(self, reader: Reader) -> Table:
        rows = tuple(
            (
                words(reader.date(when)),
                *(estimate_cell(t.points[k], reader, functools.partial(self._unit, t, reader)) for t in self.tracks),
            )
            for k, when in enumerate(self.tracked)
        )
        heads = (reader("up to"), *(f"{reader(TITLES[t.metric])}: {t.arm}" for t in self.tracks))
        return Table(reader("Uplift at any time, over time"), heads, rows)

    def _unit(self, e: Effect | Track, reader: Reader, amount: float) -> str:
        return reader.percent(amount, 2) if e.of_relative else self._write(e.metric, reader, amount)

    def _chances(self, reader: Reader) -> Table:
        rows = []
        for e in self.effects:
            b = e.belief
            figures: tuple[Cell, ...]
            if b is None:
                figures = (Cell("–", None, number=True, note=reader(e.reason) if e.reason else None),) * 3
            else:
                figures = (
                    Cell(reader.percent(b.chance, 2), b.chance, number=True, share=b.chance),
                    Cell(self._unit(e, reader, b.loss), b.loss, number=True),
                    Cell(self._unit(e, reader, b.loss_of_base), b.loss_of_base, number=True),
                )
            rows.append((*self._label(e, reader), *figures))
        heads = (N_("metric"), N_("arm"), N_("chance to win"), N_("expected loss, arm"), N_("expected loss, base"))
        return Table(reader("In chances"), tuple(reader(h) for h in heads), tuple(rows))

    def charts(self, reader: Reader) -> tuple[Chart, ...]:
        shown = [e for e in self.effects if e.relative.value is not None]
        lines = tuple(self._line(t, reader) for t in self.tracks if any(p.low is not None for p in t.points))
        if not shown:
            return lines
        labels = tuple(f"{reader(TITLES[e.metric])}: {e.arm}" for e in shown)
        parts = (
            (N_("Uplift, one look"), [e.relative for e in shown]),
            (N_("Uplift, at any time"), [e.always for e in shown]),
        )
        return tuple(
            Forest(
                reader(title), labels,
                Series(reader("uplift"), *(tuple(getattr(f, end) for f in found) for end in ("value", "low", "high"))),
                unit="share",
            )
            for title, found in parts
        ) + lines  # fmt: skip

    def _line(self, track: Track, reader: Reader) -> Lines:
        """One metric and arm over time; a point appears when there is an interval."""
        known = [p if p.low is not None else Estimate(None) for p in track.points]
        ends = (tuple(getattr(p, end) for p in known) for end in ("value", "low", "high"))
        return Lines(
            reader("{metric}: {arm}, over time", metric=reader(TITLES[track.metric]), arm=track.arm),
            tuple(reader.date(when) for when in self.tracked),
            (Series(reader("uplift") if track.of_relative else reader("difference"), *ends),),
            unit="share" if track.of_relative or track.metric == "conversion" else "number",
        )


def probability(p: float, reader: Reader) -> str:
    """A p-value as people write it."""
    return f"< {reader.number(0.001, 3)}" if p < 0.001 else reader.number(p, 3)


def _p_cell(p: float | None, reason: str | None, reader: Reader) -> Cell:
    if p is None:
        return Cell("–", None, number=True, note=reader(reason) if reason else None)
    return Cell(probability(p, reader), p, number=True)
