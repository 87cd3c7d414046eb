"""Customers by their latest touchpoint: who is "here now" at a touchpoint, where nobody stays as they do in a stage."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from polku.kernels.columns import Columns
from polku.kernels.latest import latest_touchpoint
from polku.measures.view import Mask, View


def _latest(touchpoint: npt.NDArray[np.int16], as_of: int, bucket: Columns) -> npt.NDArray[np.int16]:
    found: npt.NDArray[np.int16] = latest_touchpoint(bucket, touchpoint, as_of)
    return found


def _count(touchpoint: npt.NDArray[np.int16], as_of: int, touchpoints: int, bucket: Columns) -> npt.NDArray[np.int64]:
    found = _latest(touchpoint, as_of, bucket)
    return np.bincount(found + 1, minlength=touchpoints + 1)[1:].astype(np.int64)


def _those(touchpoint: npt.NDArray[np.int16], as_of: int, wanted: int, bucket: Columns) -> Mask:
    return np.asarray(_latest(touchpoint, as_of, bucket) == wanted)


def here_now(view: View) -> npt.NDArray[np.int64]:
    """int64[T]: how many customers have each touchpoint as their latest one, at the view's moment."""
    touchpoints = len(view.journey.touchpoint_ids)
    work = functools.partial(_count, view.rules.code_touchpoint, view.as_of, touchpoints)
    return view.sum(work, np.zeros(touchpoints, np.int64))


def here_members(view: View, touchpoint: int) -> list[Mask]:
    """bool[C] a bucket: those whose latest touchpoint is number ``touchpoint``."""
    return view.map(functools.partial(_those, view.rules.code_touchpoint, view.as_of, touchpoint))
