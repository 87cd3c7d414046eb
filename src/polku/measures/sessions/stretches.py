"""The sessions of one bucket as arrays, whatever is to be counted of them.

Sessions are found by :mod:`polku.kernels.sessions`: the source's own, else gaps of at least ``gap``; with ``daily``
they end at midnight besides, as older web analytics have it.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from polku.kernels import sessions as kernel
from polku.kernels import stretches as told
from polku.kernels.columns import Columns, frozen
from polku.measures.view import Mask, View
from polku.measures.visits import ONLINE

I64 = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, eq=False)
class Rule:
    """What a session is, and which are asked for: those that began in [start, end). Times are seconds."""

    gap: int
    own: bool  # the source's own sessions are kept
    daily: bool  # and end at midnight of the map's time zone
    start: int
    end: int
    as_of: int


def rule_of(view: View, gap: int | None = None, own: bool = True, split: str = "none") -> Rule:
    """The rule of a view; ``gap`` is by default the map's (30 minutes)."""
    return Rule(gap or view.journey.session_gap, own, split == "day", view.start, view.end, view.as_of)


@dataclasses.dataclass(frozen=True, eq=False)
class Stretches:
    """Sessions in order of customer and beginning: of session ``v`` the events ``order[starts[v]:ends[v]]``, or where
    ``order`` is empty the places ``starts[v]:ends[v]`` themselves.
    """

    bucket: Columns
    order: I64
    starts: I64
    ends: I64
    customer: I64  # [V] index within the bucket
    begin: I64  # [V] seconds
    end: I64  # [V] seconds, of the last event
    asked: Mask  # [V] began in the period asked for

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def events(self) -> I64:
        return self.ends - self.starts

    @property
    def number(self) -> I64:
        """int64[V]: 1 for the customer's first session ever, 2 for the second ..."""
        rows = np.arange(len(self))
        first = np.ones(len(self), np.bool_)
        first[1:] = self.customer[1:] != self.customer[:-1]
        return rows - np.maximum.accumulate(np.where(first, rows, 0)) + 1

    def count(self, events: Mask) -> I64:
        """int64[V]: how many of a session's events are marked in ``events`` bool[N]."""
        return np.asarray(told.count(self.order, self.starts, self.ends, events))

    def total(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """float64[V]: the sum of ``values`` float64[N] (NaN counts as 0) over each session's events."""
        return np.asarray(told.total(self.order, self.starts, self.ends, values))

    def first(self, events: Mask) -> I64:
        """int64[V]: the place in the columns of each session's first event marked in ``events``, -1 for none."""
        return np.asarray(told.first_and_last(self.order, self.starts, self.ends, events)[0])

    def last(self, events: Mask) -> I64:
        """int64[V]: the place of each session's last event marked in ``events``, -1 for none."""
        return np.asarray(told.first_and_last(self.order, self.starts, self.ends, events)[1])

    def met(self, group: I64, groups: int) -> I64:
        """int64[groups]: sessions asked for with an event of each group; ``group`` int64[N], -1 for none."""
        return np.asarray(told.met(self.order, self.starts, self.ends, self.asked, group, groups))

    def customers(self, sessions: Mask, group: I64 | None = None, groups: int = 1) -> I64:
        """int64[groups]: different customers of the sessions marked, by ``group`` int64[V]; without one: of all."""
        of = np.zeros(len(self), np.int64) if group is None else group
        return np.asarray(told.customers(self.customer, np.where(sessions, of, -1), groups))

    def following(self) -> I64:
        """int64[V]: seconds of the customer's next event after each session's last, in any session; -1 for none."""
        return np.asarray(told.following(self.bucket, self.order, self.ends, self.customer))

    def members(self, sessions: Mask) -> Mask:
        """bool[C]: the customers of the sessions marked in ``sessions`` bool[V]."""
        found = np.zeros(len(self.bucket.offsets) - 1, np.bool_)
        found[self.customer[sessions]] = True
        return found


def stretches(bucket: Columns, rule: Rule) -> Stretches:
    """The sessions of a bucket up to the rule's moment."""
    given = bucket
    if not rule.own:
        given = bucket._replace(session=frozen(np.zeros(len(bucket.session), np.uint32), np.uint32))
    order, starts, ends, customer = (np.asarray(a) for a in kernel.sessions(given, rule.gap, rule.as_of))
    if rule.daily and len(starts):
        starts, ends, customer = _by_day(bucket, order, starts, ends, customer)
    begin, end = (bucket.time[order[at] if len(order) else at].astype(np.int64) for at in (starts, ends - 1))
    asked = (begin >= rule.start) & (begin < rule.end)
    return Stretches(bucket, order, starts, ends, customer, begin, end, asked)


def _by_day(bucket: Columns, order: I64, starts: I64, ends: I64, customer: I64) -> tuple[I64, I64, I64]:
    """The same sessions cut where the local day changes."""
    day = bucket.day[order] if len(order) else bucket.day
    cut = np.flatnonzero(day[1:] != day[:-1]) + 1
    of = np.searchsorted(starts, cut, side="right") - 1
    inside = (of >= 0) & (cut > starts[np.maximum(of, 0)]) & (cut < ends[np.maximum(of, 0)])
    begun = np.concatenate([starts, cut[inside]])
    session = np.concatenate([np.arange(len(starts)), of[inside]])
    sort = np.argsort(begun, kind="stable")
    begun, session = begun[sort], session[sort]
    after = np.append(begun[1:], np.iinfo(np.int64).max)
    return begun, np.minimum(after, ends[session]), customer[session]


def online_codes(view: View) -> Mask:
    """bool[codes]: events of the web, an app or a channel unknown: a session with one of them is a visit."""
    return np.array([channel in ONLINE for channel in view.trails.tables.code_channel], np.bool_)
