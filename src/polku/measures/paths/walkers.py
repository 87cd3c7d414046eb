"""Who is behind the denominators of paths: everyone who has a path, or a step in it."""

from __future__ import annotations

import functools

import numpy as np

from polku.kernels.columns import Columns, frozen
from polku.kernels.paths import patterns as kernel
from polku.measures.paths.alphabet import Alphabet
from polku.measures.segments import members, segments
from polku.measures.view import Mask, View


def walkers(view: View, steps: Alphabet, by: str, step: int | None = None) -> list[Mask]:
    """bool[C] a bucket: who took any step in the period, or the step of that number, in a trail or any session."""
    symbol = steps.symbol if step is None else np.where(steps.symbol == step, 0, -1)
    return view.map(functools.partial(_walking, view, np.asarray(frozen(symbol, np.int16)), by))


def _walking(view: View, symbol: Mask, by: str, bucket: Columns) -> Mask:
    stretches = segments(view, by, bucket)
    there = kernel.anything(bucket, stretches, frozen(symbol, np.int16), view.start, view.end)
    return members(bucket, stretches.customer[there])
