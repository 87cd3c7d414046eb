"""Customers' whole trails, or their sessions, as the stretches of events that a measure runs over."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from polku.errors import MeasureError, nearest
from polku.kernels import sessions as kernel
from polku.kernels.columns import Columns, frozen
from polku.language import N_
from polku.measures.view import View

By = Literal["customer", "session"]
#: Channels on which a session is a visit; an event that names none is taken as one of the web.
ONLINE = frozenset({None, "web", "app", "social", "search", "ads"})


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


def online(view: View) -> npt.NDArray[np.bool_]:
    """bool[codes]: what happens on the web, in an app, or on a channel unknown."""
    return np.asarray(frozen([c in ONLINE for c in view.trails.tables.code_channel], np.bool_))


def visits(view: View, goal: npt.NDArray[np.bool_] | None, bucket: Columns) -> tuple[kernel.Segments, kernel.Visits]:
    """The bucket's sessions and their table; ``goal`` bool[codes] or None."""
    found = segments(view, "session", bucket)
    wanted = goal if goal is not None else frozen(np.zeros(view.trails.tables.codes), np.bool_)
    table = kernel.visits(bucket, found, view.rules.code_touchpoint, online(view), wanted)
    return found, kernel.Visits(found.customer, *table)


def counted(view: View, table: kernel.Visits) -> npt.NDArray[np.bool_]:
    """bool[V]: sessions that are visits and began in the period."""
    return np.asarray(table.online & (table.start >= view.start) & (table.start < view.end))


def has_pages(view: View) -> bool:
    """Whether the trails know any page; without, events of touchpoints stand in for page views."""
    return len(view.trails.tables.pages) > 1


def members(bucket: Columns, customers: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """bool[C] with the given customers' indices set."""
    out = np.zeros(len(bucket.skip), np.bool_)
    out[customers] = True
    return out
