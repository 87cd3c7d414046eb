"""Customers by current stage and nothing else: the quickest answer to "where is everyone now"."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import numpy.typing as npt

from polku.journey.model import Text, titled
from polku.kernels import fold
from polku.kernels import standing as kernel
from polku.kernels.columns import Columns, frozen
from polku.language import N_, Reader
from polku.measures.answer import Answer, Table, count_cell, rate_cell, words
from polku.measures.charts import Bars, Chart, Series
from polku.measures.drawn import drawn
from polku.measures.result import Count, Rate
from polku.measures.selectors import Selector
from polku.measures.view import Mask, View

I64 = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, slots=True)
class Standing:
    """Customers whose current stage it is."""

    stage: str
    title: Text
    customers: Count  # the lapsed included
    lapsed: Rate  # of them


@dataclasses.dataclass(frozen=True, kw_only=True)
class StandingNow(Answer):
    name = "standing"
    says = (
        N_("Every customer counts once, at the stage where they are at the moment asked."),
        N_("Lapsed = those of them without activity for as long as the map allows / all of them."),
        N_("Stages have no period: whoever has ever been seen is counted."),
    )

    stages: tuple[Standing, ...]
    outside: Count  # seen, but at no stage

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        rows = tuple(
            (words(reader.said(s.title), s.stage), count_cell(s.customers, reader), rate_cell(s.lapsed, reader))
            for s in self.stages
        )
        last = (words(reader(N_("outside the map")), "outside"), count_cell(self.outside, reader), words(""))
        heads = (reader("stage"), reader("customer count"), reader("lapsed"))
        return (Table(reader("Where everyone is now"), heads, (*rows, last)),)

    def charts(self, reader: Reader) -> tuple[Chart, ...]:
        here = tuple(float(s.customers.n - s.lapsed.numerator) for s in self.stages)
        away = tuple(float(s.lapsed.numerator) for s in self.stages)
        series = (
            Series(reader("active"), here, behind=tuple(s.lapsed.behind_not for s in self.stages)),
            Series(reader("lapsed"), away, behind=tuple(s.lapsed.behind for s in self.stages)),
        )
        labels = tuple(reader.said(s.title) for s in self.stages)
        return (Bars(reader("Where everyone is now"), labels, series, stacked=True),)


def _touching(rules: fold.Rules, as_of: int, bucket: Columns) -> I64:
    touchpoint = np.asarray(rules.code_touchpoint, np.int64)
    stage_of = np.append(np.asarray(rules.stage_of, np.int16), np.int16(-1))[touchpoint]
    active = np.column_stack([rules.active, np.zeros(len(rules.lapse), np.bool_)])[:, touchpoint]
    ends = drawn.once(bucket, "ends", lambda: kernel.ends_of(bucket))
    told = frozen(kernel.told_by_bits(stage_of, len(rules.lapse)), np.uint64)
    return np.asarray(
        kernel.standing(bucket, ends, told, frozen(stage_of, np.int16), frozen(active, np.bool_), rules.lapse, as_of)
    )


def _folded(rules: fold.Rules, paying: npt.NDArray[np.bool_], as_of: int, bucket: Columns) -> I64:
    rows = fold.current(bucket, rules, paying, as_of)
    rows = rows[rows[:, fold.C_EVENTS] > 0]
    stages = len(rules.lapse)
    places = np.where(rows[:, fold.C_STAGE] < 0, stages, rows[:, fold.C_STAGE])
    counts = np.zeros((stages + 1, 2), np.int64)
    counts[:, 0] = np.bincount(places, minlength=stages + 1)
    counts[:, 1] = np.bincount(places, rows[:, fold.C_LAPSED], minlength=stages + 1).astype(np.int64)
    return counts


def standing(view: View) -> StandingNow:
    """Customers by current stage. Maps with ``enter`` conditions are folded, others read off (kernels/standing.py)."""
    rules = view.rules
    stages = len(view.journey.stages)
    by_touching = bool(rules.touching.all()) and len(rules.atom_kind) == 0
    work = (
        functools.partial(_touching, rules, view.as_of)
        if by_touching
        else functools.partial(_folded, rules, view.paying(), view.as_of)
    )
    counts = view.sum(work, np.zeros((stages + 1, 2), np.int64))

    def made(s: int) -> Standing:
        stage = view.journey.stages[s]
        now, lapsed = int(counts[s, 0]), int(counts[s, 1])
        rate = Rate(
            lapsed,
            now,
            behind=view.select("stage", stage.id, "lapsed"),
            behind_not=view.select("stage", stage.id, "now"),
            behind_all=view.select("standing", stage.id, "at"),
        )
        return Standing(stage.id, titled(stage), Count(now, rate.behind_all), rate)

    return StandingNow(
        period=view.period, persona=view.persona, segment=view.segment, stages=tuple(map(made, range(stages))),
        outside=Count(int(counts[stages, 0]), view.select("standing", "map", "outside")),
    )  # fmt: skip


def members(view: View, selector: Selector) -> list[Mask]:
    """bool[C] a bucket: who has been seen and is at the stage, or at none."""
    stage = view.stage(selector.name) if selector.what == "at" else -1
    return view.map(functools.partial(_at, view.rules, view.paying(), view.as_of, stage))


def _at(rules: fold.Rules, paying: npt.NDArray[np.bool_], as_of: int, stage: int, bucket: Columns) -> Mask:
    rows = fold.current(bucket, rules, paying, as_of)
    return np.asarray((rows[:, fold.C_EVENTS] > 0) & (rows[:, fold.C_STAGE] == stage))
