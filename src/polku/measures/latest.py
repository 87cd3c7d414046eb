"""Customers by their latest touchpoint: who is "here now" at a touchpoint, where nobody stays as they do in a stage."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from polku.kernels.columns import Columns
from polku.kernels.latest import latest_touchpoint
from polku.measures.view import Mask, View


def _latest(view: View, bucket: Columns) -> npt.NDArray[np.int16]:
    found: npt.NDArray[np.int16] = latest_touchpoint(bucket, view.rules.code_touchpoint, view.as_of)
    return found


def here_now(view: View) -> npt.NDArray[np.int64]:
    """int64[T]: how many customers have each touchpoint as their latest one, at the view's moment."""
    touchpoints = len(view.journey.touchpoint_ids)

    def count(bucket: Columns) -> npt.NDArray[np.int64]:
        return np.bincount(_latest(view, bucket) + 1, minlength=touchpoints + 1)[1:].astype(np.int64)

    total = np.zeros(touchpoints, np.int64)
    for part in view.map(count):
        total += part
    return total


def here_members(view: View, touchpoint: int) -> list[Mask]:
    """bool[C] a bucket: those whose latest touchpoint is number ``touchpoint``."""
    return view.map(lambda bucket: _latest(view, bucket) == touchpoint)
