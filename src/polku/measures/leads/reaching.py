"""When each customer first reached a stage, a touchpoint or an event."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from polku.journey.model import Text, titled
from polku.kernels import features as kernel
from polku.kernels import fold
from polku.kernels.columns import Columns
from polku.language import N_
from polku.measures.steps import codes_of, goal_of, title_of
from polku.measures.view import Mask, View, known

I64 = npt.NDArray[np.int64]
NEVER = np.iinfo(np.int64).max


def goal_named(view: View, to: str | None) -> str:
    """The goal as asked, or the map's own. Raises MeasureError for what is no stage, touchpoint or event."""
    if to is None:
        return goal_of(view.journey)
    if to not in view.journey.stage_ids:
        names = [*view.journey.touchpoint_ids, *sorted(set(view.trails.tables.code_event)), *view.journey.stage_ids]
        known(to, names, N_("There is no stage, touchpoint or event {name!r}.{meant} There are: {known}."))
    return to


def is_stage(view: View, to: str) -> bool:
    return to in view.journey.stage_ids and to not in view.journey.touchpoint_ids


def goal_title(view: View, to: str) -> Text:
    if is_stage(view, to):
        return titled(view.journey.stages[view.journey.stage_ids.index(to)])
    return title_of(view.journey, to)


def reached_at(view: View, to: str) -> list[I64]:
    """int64[C] a bucket: the second at which each customer first reached ``to``, NEVER for not yet and for those who
    are not in the view. A stage is reached when it, or one further right, is entered.
    """
    if is_stage(view, to):
        return view.map(functools.partial(_stage_reached, view.rules, view.stage(to), view.as_of))
    return view.map(functools.partial(_met, codes_of(view, to), view.as_of))


def _stage_reached(rules: fold.Rules, stage: int, as_of: int, bucket: Columns) -> I64:
    moves = np.asarray(fold.transitions(bucket, rules, np.flatnonzero(~bucket.skip), as_of))
    out = np.full(len(bucket.skip), NEVER, np.int64)
    there = moves[moves[:, 1 + fold.TO] >= stage]
    np.minimum.at(out, there[:, 0], there[:, 1 + fold.TIME])
    return out


def _met(goal: Mask, as_of: int, bucket: Columns) -> I64:
    first = np.asarray(kernel.spans(bucket, goal, goal, as_of))[:, 0]
    return np.where(first < 0, NEVER, first)
