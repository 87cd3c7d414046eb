"""The fitted chain of a journey: states, chances to go on and what is earned, from all buckets."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from polku.errors import MeasureError
from polku.journey.model import Text, titled
from polku.kernels import progress as kernel
from polku.kernels.after import stage_after
from polku.kernels.columns import Columns, frozen
from polku.kernels.fold import Rules
from polku.language import N_
from polku.measures.attribution.sums import groups_of
from polku.measures.definition import known
from polku.measures.steps import goal_of
from polku.measures.value.buying import Buying, buying
from polku.measures.view import Mask, View
from polku.statistics.jackknife import GROUPS, left_out
from polku.statistics.onward import Forward

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
OF = ("stage", "touchpoint")


@dataclasses.dataclass(frozen=True, eq=False)
class Question:
    """The steps and the outcomes of one what-if, ready for kernels."""

    of: str
    names: tuple[str, ...]
    titles: tuple[Text, ...]
    rules: Rules
    touchpoint: npt.NDArray[np.int16]  # of each code
    buying: Buying
    within: int
    start: int
    end: int
    as_of: int

    def place(self, name: str) -> int:
        """The number of a step. Raises MeasureError with the nearest name."""
        return known(name, self.names, N_("There is no step {name!r} here.{meant} There are: {known}."))

    def level(self, bucket: Columns) -> npt.NDArray[np.int16]:
        if self.of == "stage":
            return np.asarray(stage_after(bucket, self.rules, self.as_of), np.int16)
        return self.touchpoint[bucket.code]

    def sums(self, bucket: Columns) -> Sums:
        found = kernel.progress(
            bucket, frozen(self.level(bucket), np.int16), self.buying.buys, self.buying.gives_back,
            frozen(groups_of(bucket), np.int64), GROUPS, len(self.names), self.within, self.start, self.end, self.as_of,
        )  # fmt: skip
        return Sums(*found)

    def fates(self, bucket: Columns, state: int) -> npt.NDArray[np.int8]:
        return np.asarray(
            kernel.fates(
                bucket, frozen(self.level(bucket), np.int16), state, self.within, self.start, self.end, self.as_of
            )
        )  # fmt: skip

    def begun(self, bucket: Columns) -> npt.NDArray[np.int8]:
        """int8[C]: who began in the period, and whether they have reached the goal."""
        found = kernel.begun(
            bucket, frozen(self.level(bucket), np.int16), self.buying.buys, self.buying.gives_back, self.within,
            self.start, self.end, self.as_of,
        )  # fmt: skip
        return np.asarray(found)


@dataclasses.dataclass(frozen=True, eq=False)
class Sums:
    """What :func:`polku.kernels.progress.progress` counts, of some buckets."""

    counts: F64
    outcomes: F64
    pending: I64
    starters: I64

    def __add__(self, other: Sums) -> Sums:
        return Sums(*(getattr(self, f.name) + getattr(other, f.name) for f in dataclasses.fields(self)))

    def chains(self) -> Forward:
        """The chain of all, then those without each group: [G + 1, ...]."""
        counts, outcomes = left_out(self.counts), left_out(self.outcomes)
        states = outcomes.shape[1]
        came = counts[:, :states].sum(axis=2)
        begun = counts[:, states, :states]
        return Forward(
            _shares(begun, begun.sum(axis=1)), _shares(counts[:, :states, :states], came), _shares(outcomes, came)
        )


def _shares(parts: F64, of: F64) -> F64:
    whole = of.reshape(*of.shape, *(1,) * (parts.ndim - of.ndim))
    return np.divide(parts, whole, out=np.zeros_like(parts), where=whole > 0)


def first_of(chains: Forward) -> Forward:
    """The chain of everyone."""
    return Forward(chains.start[0], chains.to[0], chains.reward[0])


def ask(
    view: View, named: Sequence[str], to: str | None, of: str | None, within: int | None, refunds: Sequence[str] | None
) -> Question:
    """The question; ``named`` are steps that the change names. Raises MeasureError for unknown words."""
    journey = view.journey
    stages, touchpoints = journey.stage_ids, journey.touchpoint_ids
    if not touchpoints:
        raise MeasureError(N_("A what-if goes by the stages and touchpoints of a map; these trails have none."))
    of = of or ("touchpoint" if any(n not in stages for n in named) else "stage")
    known(of, OF, N_("Steps cannot be told by {name!r}.{meant} There are: {known}."))
    titles = (
        tuple(titled(s) for s in journey.stages)
        if of == "stage"
        else tuple(titled(t) for _, _, t in journey.touchpoints())
    )
    selling = buying(view, [to or goal_of(journey)], refunds)
    return Question(
        of, stages if of == "stage" else touchpoints, titles, view.rules,
        frozen(view.rules.code_touchpoint, np.int16), selling, within or journey.window, view.start, view.end,
        view.as_of,
    )  # fmt: skip


def fit(view: View, question: Question) -> Sums:
    """The counts of everyone in the view."""
    n = len(question.names)
    zero = Sums(
        np.zeros((GROUPS, n + 1, n + 1)), np.zeros((GROUPS, n, kernel.OUTCOMES)), np.zeros(n, np.int64),
        np.zeros((GROUPS, kernel.STARTERS), np.int64),
    )  # fmt: skip
    return view.sum(functools.partial(_sums, question), zero)


def _sums(question: Question, bucket: Columns) -> Sums:
    return question.sums(bucket)


def members_of(view: View, question: Question, state: int, fates: tuple[int, ...]) -> list[Mask]:
    """bool[C] a bucket: whose fate at a step is one of ``fates``."""
    return view.map(functools.partial(_members, question, state, fates))


def _members(question: Question, state: int, fates: tuple[int, ...], bucket: Columns) -> Mask:
    return np.isin(question.fates(bucket, state), fates)


def begun_of(view: View, question: Question, fates: tuple[int, ...]) -> list[Mask]:
    """bool[C] a bucket: who began in the period, and what has become of whom is one of ``fates``."""
    return view.map(functools.partial(_begun, question, fates))


def _begun(question: Question, fates: tuple[int, ...], bucket: Columns) -> Mask:
    return np.isin(question.begun(bucket), fates)
