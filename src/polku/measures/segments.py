"""Customers' whole trails, or their sessions, as the stretches of events that a measure runs over."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from polku.errors import MeasureError, nearest
from polku.kernels import sessions as kernel
from polku.kernels.columns import Columns
from polku.language import N_
from polku.measures.result import Unit
from polku.measures.view import View

By = Literal["customer", "session"]
#: What is counted by each.
UNITS: dict[str, Unit] = {"customer": "customers", "session": "sessions"}


def segments(view: View, by: str, bucket: Columns) -> kernel.Segments:
    """The bucket's customers or sessions. Raises MeasureError for another word."""
    if by == "customer":
        return kernel.Segments(*kernel.trails(bucket, view.as_of))
    if by == "session":
        return kernel.Segments(*kernel.sessions(bucket, view.journey.session_gap, view.as_of))
    choices = get_args(By)
    raise MeasureError(
        N_("`by` is {known}, not {name!r}."), name=by, known=", ".join(choices), nearest=nearest(by, choices)
    )


def members(bucket: Columns, customers: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """bool[C] with the given customers' indices set."""
    out = np.zeros(len(bucket.skip), np.bool_)
    out[customers] = True
    return out
