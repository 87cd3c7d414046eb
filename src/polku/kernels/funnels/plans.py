"""A funnel's steps and refinements as the arrays that its kernel follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from polku.kernels.columns import frozen
from polku.kernels.funnels.chains import UNLIMITED, Plan

Bools = npt.NDArray[np.bool_]
I64 = npt.NDArray[np.int64]


def plan_of(
    steps: Sequence[Bools],
    *,
    required: Sequence[bool] | None = None,
    least: Sequence[int] | None = None,
    most: Sequence[int | None] | None = None,
    without: Sequence[tuple[Bools, int, int]] = (),
    strict: bool = False,
    rising: bool = False,
    once: bool = False,
) -> Plan:
    """``steps``: for each step bool[codes], the codes that it is. ``least`` and ``most`` are seconds from the step
    before, the first entry of each unused. ``without``: codes that must not lie between step a and step b (from 0,
    a < b). ``once``: a step after the first that comes again ends the funnel there.

    The first and the last step are required. Raises ValueError for steps that cannot be.

    >>> plan = plan_of([np.array([True, False]), np.array([False, True])])
    >>> plan.code_steps.tolist(), plan.way_from.tolist()
    ([0, 1], [0])
    """
    count = len(steps)
    needed = [True] * count if required is None else list(required)
    if count < 2 or not needed[0] or not needed[-1]:
        raise ValueError("a funnel has two steps or more, and the first and the last of them are required")
    ways = [_ways(needed, k) for k in range(count)]
    way_from = [p for of in ways for p in of]
    way_to = [k for k, of in enumerate(ways) for _ in of]
    met = np.array([np.asarray(s, np.bool_) for s in steps])
    stops = np.zeros((len(way_from), met.shape[1]), np.bool_)
    for codes, a, b in without:
        for way, (p, k) in enumerate(zip(way_from, way_to, strict=True)):
            if p < b and a < k:
                stops[way] |= codes
    by_code = [np.flatnonzero(met[:, c])[::-1] for c in range(met.shape[1])]
    stops_by_code = [np.flatnonzero(stops[:, c]) for c in range(met.shape[1])]
    unlimited = [UNLIMITED if m is None else m for m in most or [None] * count]
    return Plan(
        _starts(by_code), _joined(by_code), _starts(stops_by_code), _joined(stops_by_code), _starts(ways),
        frozen(way_from, np.int64), frozen([0] * count if least is None else least, np.int64),
        frozen(unlimited, np.int64), frozen(needed, np.bool_), np.bool_(strict), np.bool_(rising), np.bool_(once),
    )  # fmt: skip


def _ways(required: Sequence[bool], step: int) -> list[int]:
    """The steps from which one may come to ``step``: the one before, and those before it when it may be left out."""
    found: list[int] = []
    for before in range(step - 1, -1, -1):
        found.append(before)
        if required[before]:
            break
    return found


def _starts(parts: Sequence[Any]) -> I64:
    return frozen(np.cumsum([0, *(len(p) for p in parts)]), np.int64)


def _joined(parts: Sequence[Any]) -> I64:
    return frozen([int(x) for part in parts for x in part], np.int64)
