"""Which events are payments of a subscription, what each is for, and what every subscription brings, month by month."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from polku.errors import MeasureError
from polku.kernels.columns import Columns, frozen
from polku.kernels.retention import subscriptions as kernel
from polku.language import N_
from polku.measures.steps import codes_of
from polku.measures.view import Mask, View

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]
DAY = 86400
#: A month of the calendar on average, in days (Gregorian: 365.2425 / 12).
MONTH = 365.2425 / 12
#: The canonical events, by what they say (docs: events.md).
EVENTS: dict[str, tuple[str, ...]] = {
    "started": ("Subscription Started",),
    "renewed": ("Subscription Renewed",),
    "paused": ("Subscription Paused",),
    "cancelled": ("Subscription Cancelled",),
    "failed": ("Payment Failed",),
    "trial": ("Trial Started",),
}
KINDS = {
    "started": kernel.STARTED, "renewed": kernel.RENEWED, "paused": kernel.PAUSED, "cancelled": kernel.CANCELLED,
    "failed": kernel.FAILED,
}  # fmt: skip
#: What a payment may be for, in months; and the words for it that an event's property may have.
INTERVALS = {"week": 7 / MONTH, "month": 1.0, "quarter": 3.0, "year": 12.0}
WORDS = {
    "week": ("week", "weekly", "1 week", "p1w", "p7d", "7d", "viikko"),
    "month": ("month", "monthly", "1 month", "p1m", "30d", "kuukausi"),
    "quarter": ("quarter", "quarterly", "3 months", "p3m", "neljännesvuosi"),
    "year": ("year", "yearly", "annual", "annually", "1 year", "12 months", "p1y", "p12m", "365d", "vuosi"),
}
# columns of the counts and of the money of a month
WHATS = ("start", "new", "reactivated", "expansion", "contraction", "churned", "end", "unpaid")
START, NEW, REACTIVATED, EXPANSION, CONTRACTION, CHURNED, END, UNPAID = range(8)
#: Renewals after which all are counted together.
MOST_RENEWALS = 600


@dataclasses.dataclass(frozen=True, eq=False)
class Asked:
    """One question as buckets are asked it."""

    kinds: npt.NDArray[np.int8]  # [codes]
    months: F64  # [intervals]
    lasts: I64  # [intervals] seconds
    usual: int  # the interval of a payment that names none
    grace: int  # seconds, -1: never
    as_of: int

    def changes(self, bucket: Columns, interval: U8 | None) -> tuple[F64, F64]:
        """See :func:`polku.kernels.retention.subscriptions.changes`; ``interval`` uint8[N], 255 none."""
        rows = np.full(len(bucket.time), self.usual, np.uint8)
        if interval is not None:
            rows = np.where(interval == NONE, rows, interval).astype(np.uint8)
        found, first = kernel.changes(
            bucket, self.kinds, frozen(rows, np.uint8), self.months, self.lasts, self.grace, self.as_of
        )
        return np.asarray(found), np.asarray(first)


NONE = 255


@dataclasses.dataclass(frozen=True, eq=False)
class Partial:
    """Months of some customers: customers int64[P, 8] and money float64[P, 8]; the first subscriptions besides."""

    customers: I64
    money: F64
    lost: I64  # [intervals, renewals] left at renewal 1, 2, ...
    still: I64  # came through renewal 0, 1, 2, ... and are not watched further
    payments: I64  # all, those without a value, those whose interval cannot be read

    def __add__(self, other: Partial) -> Partial:
        return Partial(
            self.customers + other.customers, self.money + other.money, self.lost + other.lost,
            self.still + other.still, self.payments + other.payments,
        )  # fmt: skip


def states(changes: F64, bounds: I64) -> tuple[I64, F64, npt.NDArray[np.bool_], npt.NDArray[np.bool_], F64]:
    """customer int64[k] (those with a change), and at each bound what was so just before it: money a month float64[k,
    B], active bool[k, B], ever active before bool[k, B], and the last change float64[k, B], -1 for none (a row).
    """
    customer = changes[:, kernel.CUSTOMER].astype(np.int64)
    starts = np.flatnonzero(np.concatenate([[True], customer[1:] != customer[:-1]])) if len(customer) else customer
    time = changes[:, kernel.TIME]
    rows = np.arange(len(changes))
    shape = (len(starts), len(bounds))
    monthly, active, ever, last = np.zeros(shape), np.zeros(shape, np.bool_), np.zeros(shape, np.bool_), -np.ones(shape)
    for b, bound in enumerate(bounds.tolist()):
        if not len(starts):
            break
        row = np.maximum.reduceat(np.where(time < bound, rows, -1), starts)
        there = row >= 0
        last[:, b] = row
        monthly[there, b] = changes[row[there], kernel.MONTHLY]
        active[there, b] = changes[row[there], kernel.ACTIVE] > 0
        ever[:, b] = there  # the first change is always a beginning
    return customer[starts], monthly, active, ever, last


def movements(changes: F64, bounds: I64) -> tuple[I64, npt.NDArray[np.bool_], F64]:
    """customer int64[k]; and of each month between two bounds bool[k, P, 8] who, and float64[k, P, 8] money a month."""
    customer, monthly, active, ever, last = states(changes, bounds)
    was, now = active[:, :-1], active[:, 1:]
    before, after = monthly[:, :-1], monthly[:, 1:]
    nothing = np.zeros_like(before)
    difference = after - before
    gone = was & ~now
    unpaid = np.zeros_like(gone)
    unpaid[gone] = changes[last[:, 1:][gone].astype(np.int64), kernel.UNPAID] > 0
    more, less = was & now & (difference > 0), was & now & (difference < 0)
    who = (was, ~was & now & ~ever[:, :-1], ~was & now & ever[:, :-1], more, less, gone, now, unpaid)
    money = (before, after, after, difference, -difference, before, after, before)
    return (
        customer,
        np.stack(who, axis=2),
        np.stack([np.where(w, m, nothing) for w, m in zip(who, money, strict=True)], axis=2),
    )


def months_of(asked: Asked, bounds: I64, bucket: Columns, interval: U8 | None = None) -> Partial:
    changes, first = asked.changes(bucket, interval)
    _, who, money = movements(changes, bounds)
    size = (len(asked.months), MOST_RENEWALS)
    lost, still = np.zeros(size, np.int64), np.zeros(size, np.int64)
    known = first[:, kernel.BEGUN] >= 0
    rows, renewals, over = _first_of(asked, first[known])
    np.add.at(lost, (rows[over], renewals[over]), 1)  # left at the renewal after those that they came through
    np.add.at(still, (rows[~over], renewals[~over]), 1)
    pays, unpriced, unread = (int(found.sum()) for found in _payments(asked, bucket, interval))
    return Partial(
        who.sum(axis=0).astype(np.int64), money.sum(axis=0), lost, still,
        np.array([pays, unpriced, unread], np.int64),
    )  # fmt: skip


def _first_of(asked: Asked, first: F64) -> tuple[I64, I64, Mask]:
    """Of first subscriptions: the row of the interval, the renewals that each came through, whether it is over."""
    renewals = np.minimum(_renewals(asked, first), MOST_RENEWALS - 1)
    return first[:, kernel.INTERVAL].astype(np.int64), renewals, first[:, kernel.OVER] > 0


def _payments(asked: Asked, bucket: Columns, interval: U8 | None) -> tuple[Mask, Mask, Mask]:
    """bool[N]: payments; those without a value; those whose interval cannot be read."""
    pays = np.isin(asked.kinds[bucket.code], (kernel.STARTED, kernel.RENEWED))
    pays &= np.repeat(~bucket.skip, np.diff(bucket.offsets)) & (bucket.time <= asked.as_of)
    unpriced = pays & np.isnan(bucket.value) if len(bucket.value) else pays
    return pays, unpriced, pays & (interval == NONE) if interval is not None else np.zeros_like(pays)


def paid_so(asked: Asked, what: str, bucket: Columns, interval: U8 | None = None) -> Mask:
    """bool[C]: who has a payment without a value (unpriced), or one whose interval cannot be read (unread)."""
    _, unpriced, unread = _payments(asked, bucket, interval)
    customer = np.repeat(np.arange(len(bucket.skip)), np.diff(bucket.offsets))
    found = np.zeros(len(bucket.skip), np.bool_)
    found[customer[unpriced if what == "unpriced" else unread]] = True
    return found


def at_renewal(asked: Asked, row: int, number: int, what: str, bucket: Columns, interval: U8 | None = None) -> Mask:
    """bool[C]: of those whose first subscription is of the interval ``row``, who renewed at renewal ``number`` (from 1;
    0 is its beginning), did not, has yet to, or was due.
    """
    _, first = asked.changes(bucket, interval)
    known = np.flatnonzero(first[:, kernel.BEGUN] >= 0)
    rows, renewals, over = _first_of(asked, first[known])
    renewed, here = renewals >= number, renewals == number - 1
    chosen = {
        "renewed": renewed, "not_renewed": here & over, "renewal_pending": here & ~over,
        "renewal_due": renewed | (here & over),
    }[what]  # fmt: skip
    found = np.zeros(len(bucket.skip), np.bool_)
    found[known[chosen & (rows == row)]] = True
    return found


def _renewals(asked: Asked, first: F64) -> I64:
    """Renewals that each first subscription came through: its payments after the first, or, where nothing tells of
    renewals, the intervals that it lived to the end of.
    """
    if (asked.kinds == kernel.RENEWED).any():
        return np.maximum(first[:, kernel.PAYMENTS].astype(np.int64) - 1, 0)
    over = first[:, kernel.OVER] > 0
    lived = np.where(over, first[:, kernel.ENDED], asked.as_of) - first[:, kernel.BEGUN]
    lasts = asked.lasts[first[:, kernel.INTERVAL].astype(np.int64)].astype(np.float64)
    # who ends just at a renewal has not come through it
    return np.maximum(np.where(over, np.ceil(lived / lasts) - 1, np.floor(lived / lasts)), 0).astype(np.int64)


def asked_of(
    view: View, every: str, grace: int, started: Sequence[str] | None, renewed: Sequence[str] | None,
    ended: Sequence[str] | None,
) -> Asked:  # fmt: skip
    """Raises MeasureError where no event says that a subscription began, and for unknown events."""
    given = {"started": started, "renewed": renewed, "cancelled": ended}
    kinds = np.zeros(view.trails.tables.codes, np.int8)
    for what, kind in KINDS.items():
        kinds[event_codes(view, given.get(what), what)] = kind
    if not (kinds == kernel.STARTED).any():
        raise MeasureError(
            N_("Nothing says that a subscription began: no event is called {event}; name your own with started=..."),
            event=EVENTS["started"][0],
        )
    months = np.array(list(INTERVALS.values()))
    runs_out = bool((kinds == kernel.RENEWED).any())  # without renewals only an end is an end
    return Asked(
        frozen(kinds, np.int8), frozen(months, np.float64), frozen((months * MONTH * DAY).round(), np.int64),
        list(INTERVALS).index(every), grace if runs_out else -1, view.as_of,
    )  # fmt: skip


def event_codes(view: View, given: Sequence[str] | None, what: str) -> Mask:
    """bool[codes] of the events given, else of the canonical ones that were seen."""
    seen = set(view.trails.tables.code_event)
    found = np.zeros(view.trails.tables.codes, np.bool_)
    for name in given or [n for n in EVENTS[what] if n in seen]:
        found |= codes_of(view, name)
    return found


def intervals(view: View, interval: str | None) -> tuple[tuple[U8, ...], ...]:
    """uint8[N] a bucket: the interval that each event names, 255 for none that can be read; nothing without one."""
    if interval is None:
        return ()
    found = view.property(interval)
    of_word = np.full(len(found.words), NONE, np.uint8)
    for row, name in enumerate(INTERVALS):
        for place, word in enumerate(found.words):
            if str(word).strip().lower() in WORDS[name]:
                of_word[place] = row
    return (tuple(np.asarray(of_word[codes]) for codes in found.codes),)
