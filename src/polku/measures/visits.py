"""Visits counted: one pass serves bounce, exit, leaving, sources and conversion by session, and their lists."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import numpy.typing as npt

from polku.errors import MeasureError
from polku.kernels import visits as kernel
from polku.kernels.columns import Columns, frozen
from polku.language import N_
from polku.measures.steps import codes_of, goal_of
from polku.measures.view import Mask, View, known

I64 = npt.NDArray[np.int64]
#: Channels on which a session is a visit; an event that names none is taken as one of the web.
ONLINE = frozenset({None, "web", "app", "social", "search", "ads"})


@dataclasses.dataclass(frozen=True, eq=False)
class Partial:
    """Counts of some customers' visits (columns as :func:`polku.kernels.visits.visits` tells); they add up with
    ``+``.
    """

    totals: I64
    landings: I64
    exits: I64
    sources: I64

    def __add__(self, other: Partial) -> Partial:
        return Partial(
            self.totals + other.totals,
            self.landings + other.landings,
            self.exits + other.exits,
            self.sources + other.sources,
        )


def has_pages(view: View) -> bool:
    """Whether the trails know any page; without, events of touchpoints stand in for page views."""
    return len(view.trails.tables.pages) > 1


def stops(view: View) -> tuple[tuple[str, ...], npt.NDArray[np.int16]]:
    """The touchpoints where a visit may land and end, and which of them each code is (int16[codes], -1 none).

    Without a map every event is one of its own.
    """
    if view.journey.touchpoint_ids:
        return view.journey.touchpoint_ids, np.asarray(frozen(view.rules.code_touchpoint, np.int16))
    events = view.trails.tables.code_event
    names = tuple(sorted(set(events)))
    place = {name: k for k, name in enumerate(names)}
    return names, np.asarray(frozen([place[event] for event in events], np.int16))


def stop(view: View, name: str) -> int:
    """The place of one of them. Raises MeasureError for one that is not there."""
    if view.journey.touchpoint_ids:
        return view.touchpoint(name)
    return known(name, stops(view)[0], N_("There is no touchpoint or event {name!r}.{meant} There are: {known}."))


def asked(
    view: View,
    wanted: int = 0,
    *,
    by_page: bool = False,
    goal: npt.NDArray[np.bool_] | None = None,
    group: I64 | None = None,
    groups: int = 0,
    within: int = 0,
) -> kernel.Asked:
    """The view's question as the kernel takes it: ``goal`` bool[codes], ``group`` int64[origins]."""
    tables = view.trails.tables
    names, of_code = stops(view)
    places = len(tables.pages) if by_page else len(names) + 1
    return kernel.Asked(
        view.journey.session_gap, view.as_of, view.start, view.end, within, wanted, has_pages(view), by_page,
        places if wanted & (kernel.LANDINGS | kernel.EXITS) else 0, groups,
        frozen(of_code, np.int16),
        frozen([channel in ONLINE for channel in tables.code_channel], np.bool_),
        frozen(np.zeros(tables.codes) if goal is None else goal, np.bool_),
        frozen(np.zeros(len(tables.origins)) if group is None else group, np.int64),
    )  # fmt: skip


def counts(view: View, question: kernel.Asked) -> Partial:
    """The counts of everyone in the view.

    Where the map's usual question (by page where pages are known, its own goal and window, every origin by itself)
    answers this one, it is asked instead, once for all measures of the view.
    """
    usual = usually(view)
    fits = (
        (not question.wanted & (kernel.LANDINGS | kernel.EXITS) or question.by_page == usual.by_page)
        and (not question.goal.any() or np.array_equal(question.goal, usual.goal))
        and (
            not question.wanted & kernel.SOURCES
            or (question.within == usual.within and np.array_equal(question.group, usual.group))
        )
    )
    return view.once("visits", functools.partial(_counts, view, usual)) if fits else _counts(view, question)


def usually(view: View) -> kernel.Asked:
    """All that is counted by visit, as the measures ask when nobody says otherwise."""
    try:
        goal = codes_of(view, goal_of(view.journey))
    except MeasureError:  # a map without a goal can still be asked where its visits landed and ended
        goal = None
    origins = len(view.trails.tables.origins)
    return asked(
        view, kernel.LANDINGS | kernel.EXITS | kernel.SOURCES, by_page=has_pages(view), goal=goal,
        group=np.arange(origins), groups=origins, within=view.journey.window,
    )  # fmt: skip


def _counts(view: View, question: kernel.Asked) -> Partial:
    zero = Partial(
        np.zeros(kernel.TOTALS, np.int64),
        np.zeros((question.places, kernel.PLACE_COUNTS), np.int64),
        np.zeros((question.places, kernel.PLACE_COUNTS), np.int64),
        np.zeros((question.groups, kernel.SOURCE_COUNTS), np.int64),
    )
    return view.sum(functools.partial(_partial, question), zero)


def _partial(question: kernel.Asked, bucket: Columns) -> Partial:
    return Partial(*kernel.visits(bucket, question))


def members(view: View, question: kernel.Asked, kind: int, key: int, what: int) -> list[Mask]:
    """bool[C] a bucket: who stands behind one number (kinds and whats of :func:`polku.kernels.visits.members`)."""
    return view.map(functools.partial(_members, question, kind, key, what))


def _members(question: kernel.Asked, kind: int, key: int, what: int, bucket: Columns) -> Mask:
    return np.asarray(kernel.members(bucket, question, kind, key, what))
