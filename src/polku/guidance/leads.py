"""Lead scores as what sets a rule off: how likely customers are to reach a goal, by the measure ``score``, once a day.

A score crosses a bound when it is beyond it at one look and was not at the look a day before. Both looks are by the
same model, fitted to the past of the later one, so that learning something new sets nobody off.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from polku.errors import MeasureError
from polku.guidance.hours import moved
from polku.guidance.limits import MICRO
from polku.guidance.rules import Rule
from polku.kernels import features as kernel
from polku.language import N_
from polku.measures.view import View, view_of
from polku.record.clock import moment

if TYPE_CHECKING:
    from polku.record.project import Project
    from polku.trails.layout import Trails

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
DAY = 86400
NOT_YET = N_("There is no lead score yet.")


class Leads:
    """The score of a rule, learned from all of a view. ``customer``: only this one is scored; ``most``: where there are
    more, about so many are, by their keys, the same ones always (``share`` of them).

    Raises MeasureError where there is too little to learn from, MissingExtraError without scikit-learn.
    """

    def __init__(self, view: View, rule: Rule, customer: int | None = None, most: int | None = None) -> None:
        from polku.measures.leads.score import asked_for, fitted  # with libraries of statistics behind it

        assert rule.trigger.lead is not None
        assert rule.trigger.score is not None
        self.view, self.score = view, rule.trigger.score
        asked = asked_for(view, rule.trigger.lead.goal, rule.trigger.lead.within, "logistic", None, None)
        self.base, done = fitted(view, asked)
        if done.fitted is None or done.calibrator is None:
            raise MeasureError(done.reason or NOT_YET, **dict(done.facts))
        self.fitted, self.calibrator = done.fitted, done.calibrator
        people = sum(b.customers for b in view.buckets)
        self.share = 1.0 if most is None or customer is not None else min(1.0, most / max(1, people))
        self.customer = customer

    def at(self, second: int) -> tuple[I64, F64]:
        """The leads at a moment, ascending, and how likely each is."""
        if self.customer is None:
            rows = self.base.rows(self.view, second, self.share)
        else:
            from polku.measures.leads import examples

            theirs = zip(self.view.columns, self.view.buckets, self.base.reached, strict=True)
            wanted = [(b.customer == self.customer) & (r > second) & ~c.skip for c, b, r in theirs]
            rows = examples.rows_at(self.view, self.base.groups, self.base.properties, second, wanted)
            rows = rows.take(np.asarray(rows.features[:, kernel.SILENCE] <= self.base.asked.silence / DAY))
        if not len(rows.customer):
            return np.zeros(0, np.int64), np.zeros(0)
        p = self.calibrator(self.fitted.probability(self.base.table(self.view, rows, np.empty(0, np.bool_))))
        order = np.argsort(rows.customer)
        return rows.customer[order], p[order]

    def beyond(self, p: F64) -> npt.NDArray[np.bool_]:
        """bool[n]: at the bound or past it."""
        return np.asarray(p >= self.score.bound if self.score.rising else p <= self.score.bound)

    def crossings(self, times: list[int], zone: ZoneInfo) -> Iterator[tuple[int, I64, F64]]:
        """Of each look (microseconds): its time, who crossed the bound since the look a day before, their scores."""
        for time in times:
            customers, p = self.at(time // MICRO)
            before, was = self.at(moved(time, -DAY, zone) // MICRO)
            place = np.minimum(np.searchsorted(before, customers), max(0, len(before) - 1))
            known = np.zeros(len(customers), np.bool_) if not len(before) else before[place] == customers
            there = np.zeros(len(customers), np.bool_)
            there[known] = self.beyond(was[place[known]])
            # who was no lead yet comes from below every bound, and never from above one
            new = self.beyond(p) & (~there if self.score.rising else known & ~there)
            yield time, customers[new], p[new]


class Crossing:
    """Who crosses the bound of a rule at one look, of one generation of trails."""

    def __init__(self, project: Project, trails: Trails, rule: Rule, time: int) -> None:
        view = view_of(trails, project.journey(), project=project, as_of=moment(time))
        leads = Leads(view, rule)
        ((_, self.customers, self.scores),) = leads.crossings([time], ZoneInfo(project.journey().timezone))

    def after(self, after: int, limit: int) -> list[tuple[int, float]]:
        """The next ``limit`` customers beyond a key, with their scores."""
        first = int(np.searchsorted(self.customers, after, side="right"))
        part = slice(first, first + limit)
        return list(zip(self.customers[part].tolist(), self.scores[part].tolist(), strict=True))


def event_of_score(score: float) -> dict[str, object]:
    """What a rule's conditions and messages read of a score: ``properties.score``."""
    return {"properties": {"score": round(score, 4)}, "context": {}}
