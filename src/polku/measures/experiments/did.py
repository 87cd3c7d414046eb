"""What people of each arm did, as moments that add up bucket by bucket."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from polku.kernels import experiments as kernel
from polku.kernels.columns import Columns
from polku.language import N_
from polku.measures.view import View
from polku.statistics.effects import Moments

F64 = npt.NDArray[np.float64]
Metric = Literal["conversion", "count", "value", "average"]
METRICS: tuple[Metric, ...] = ("conversion", "count", "value", "average")
TITLES: dict[Metric, str] = {
    "conversion": N_("conversion"),
    "count": N_("times each"),
    "value": N_("money each"),
    "average": N_("money each time"),
}
MONEY: tuple[Metric, ...] = ("value", "average")


def is_rate(metric: Metric) -> bool:
    return metric == "conversion"


def is_ratio(metric: Metric) -> bool:
    return metric == "average"


def variables(metric: Metric, did: F64) -> F64:
    """float64[n, 4] as :mod:`polku.statistics.effects` takes them, of what people did (float64[n, 4], as the kernel's).

    Numerator, denominator and the same of the time before; the denominator is 1 for all but the ratio.
    """
    count, value, count_before, value_before = did.T
    one = np.ones(len(did))
    if metric == "conversion":
        return np.column_stack([count > 0, one, count_before > 0, one]).astype(np.float64)
    if metric == "count":
        return np.column_stack([count, one, count_before, one])
    if metric == "value":
        return np.column_stack([value, one, value_before, one])
    return np.column_stack([value, count, value_before, count_before])


@dataclasses.dataclass(frozen=True, eq=False)
class Did:
    """Of each arm: people whose time is up, those whose is not yet, who reached the goal; and of each metric and arm
    the moments. ``mixed``: people exposed to more than one arm, who are in none of them.
    """

    people: npt.NDArray[np.int64]
    pending: npt.NDArray[np.int64]
    reached: npt.NDArray[np.int64]
    mixed: int
    moments: tuple[tuple[Moments, ...], ...]

    def __add__(self, other: Did) -> Did:
        return Did(
            self.people + other.people,
            self.pending + other.pending,
            self.reached + other.reached,
            self.mixed + other.mixed,
            tuple(
                tuple(a + b for a, b in zip(x, y, strict=True))
                for x, y in zip(self.moments, other.moments, strict=True)
            ),
        )


def nobody(arms: int, metrics: int) -> Did:
    none = np.zeros(arms, np.int64)
    return Did(none, none, none, 0, ((Moments.none(4),) * arms,) * metrics)


@dataclasses.dataclass(frozen=True, eq=False)
class Asked:
    """What is counted: the goal (bool[codes]), seconds after and before the exposure, the moment, the metrics."""

    goal: npt.NDArray[np.bool_]
    within: int | None
    before: int
    as_of: int
    metrics: tuple[Metric, ...]
    arms: int

    @property
    def window(self) -> int:
        return int(kernel.UNLIMITED) if self.within is None else self.within


def did(view: View, asked: Asked, exposed: Sequence[kernel.Exposed]) -> Did:
    """What everybody did, over all buckets."""
    return view.sum_with(functools.partial(_did, asked), nobody(asked.arms, len(asked.metrics)), exposed)


def _did(asked: Asked, bucket: Columns, exposed: kernel.Exposed) -> Did:
    acts, up = kernel.outcomes(bucket, exposed.at, asked.goal, asked.window, asked.before, asked.as_of)
    arm = np.where(exposed.mixed, 0, exposed.arm).astype(np.int64)
    here = [(arm == k) & up for k in range(1, asked.arms + 1)]
    waiting = [np.count_nonzero((arm == k) & ~up) for k in range(1, asked.arms + 1)]
    return Did(
        np.array([np.count_nonzero(h) for h in here], np.int64),
        np.array(waiting, np.int64),
        np.array([np.count_nonzero(h & (acts[:, kernel.COUNT] > 0)) for h in here], np.int64),
        int(np.count_nonzero(exposed.mixed)),
        tuple(tuple(Moments.of(variables(metric, acts[h])) for h in here) for metric in asked.metrics),
    )
