"""A funnel run over a view: a row for every customer, session, account or way through that took the first step."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from polku.errors import EngineError, MeasureError
from polku.kernels import sessions
from polku.kernels.columns import Columns, columns, frozen
from polku.kernels.funnels import chains as kernel
from polku.kernels.funnels.unordered import unordered
from polku.language import N_
from polku.measures.funnels.asked import WHICH, Asked, plan_for, step_numbers
from polku.measures.segments import members, segments
from polku.measures.view import Mask, View

I64 = npt.NDArray[np.int64]
P = TypeVar("P")
NO_MARKS = frozen((), np.uint32)


@dataclasses.dataclass(frozen=True, eq=False)
class Rows:
    """R rows of one bucket (or of all accounts), S steps."""

    columns: Columns
    segments: sessions.Segments  # the stretches of events that the rows are of
    segment: I64  # [R] which of them
    level: I64  # [R] the furthest step that may not be left out, from 1
    met: npt.NDArray[np.bool_]  # [R, S] a chain came to this step
    open: npt.NDArray[np.bool_]  # [R] the window reaches beyond the moment
    places: I64  # [R, S] the events of the chain that is given, -1 where it has none
    customer: I64  # [R] the customer of the chain's first event, as an index into the bucket (or into all of them)

    def times(self) -> I64:
        """int64[R, S]: the moment of each step of the chain that is given; 0 where it has none."""
        found = self.columns.time[np.maximum(self.places, 0)] if len(self.columns.time) else np.zeros_like(self.places)
        return np.where(self.places >= 0, found.astype(np.int64), 0)

    def begun(self) -> I64:
        """int64[R]: the moment of the earliest step of the chain that is given."""
        return np.asarray(np.where(self.places >= 0, self.times(), 1 << 40).min(axis=1, initial=1 << 40))

    def own_open(self, asked: Asked, as_of: int) -> npt.NDArray[np.bool_]:
        """bool[R]: whether the window of the chain that is given, whatever other starts there are, is open; a repeat
        may have closed it.
        """
        if asked.window >= kernel.UNLIMITED:
            return np.zeros(len(self.level), np.bool_)
        return np.asarray(self.open & (self.begun() + asked.window > as_of))


def run(
    view: View,
    asked: Asked,
    way: kernel.Plan | I64,
    bucket: Columns,
    marks: npt.NDArray[np.uint32] | None = None,
    stretches: sessions.Segments | None = None,
) -> Rows:
    """The rows of a bucket. ``way`` is that of :func:`way_of`; ``marks`` uint32[N] the values of the property held."""
    stretches = segments(view, asked.by, bucket) if stretches is None else stretches
    held = NO_MARKS if marks is None else frozen(marks, np.uint32)
    which, window = WHICH[asked.starts], asked.window
    # what comes from another process is writable, which would be another type to the kernels
    if isinstance(way, kernel.Plan):
        plan = kernel.Plan._make(frozen(p, p.dtype) if isinstance(p, np.ndarray) else p for p in way)
        found = kernel.chains(bucket, stretches, held, plan, which, window, view.start, view.end, view.as_of)
    else:
        found = unordered(
            bucket, stretches, held, frozen(way, np.int64), len(asked.steps), which, window, view.start, view.end,
            view.as_of,
        )  # fmt: skip
    segment, level, met, is_open, places = found
    return Rows(bucket, stretches, segment, level, met, is_open, places, stretches.customer[segment])


def way_of(view: View, asked: Asked) -> kernel.Plan | I64:
    """The funnel as its kernel takes it: a plan, or in any order the step of each code. The same for every bucket."""
    return step_numbers(view, asked) if asked.order == "any" else plan_for(view, asked)


@dataclasses.dataclass(frozen=True, eq=False)
class Accounts:
    """Events of all buckets put together by account, with what they were before."""

    columns: Columns
    segments: sessions.Segments
    event: I64  # [n] the event, counted over all buckets
    customer: I64  # [n] the customer, counted over all buckets

    def rows(self, view: View, asked: Asked, marks: npt.NDArray[np.uint32] | None) -> Rows:
        held = None if marks is None else marks[self.event]
        made = run(view, asked, way_of(view, asked), self.columns, held, self.segments)
        first = made.places[:, 0]
        return dataclasses.replace(made, customer=self.customer[first] if len(first) else made.segment)


def accounts(view: View, name: str) -> Accounts:
    """The view's events by the account that the property ``name`` tells; events without it are left out.

    An account's customers stand in different buckets, so this puts its events into one place, in memory.
    """
    if view.engine is not None:
        raise EngineError(
            N_("By account, a funnel runs on this machine only: an account's customers are in different places.")
        )
    return view.memo.once(("accounts", name, view.as_of), lambda: _accounts(view, name))


def _accounts(view: View, name: str) -> Accounts:
    codes = view.property(name).codes
    parts: list[tuple[npt.NDArray[Any], ...]] = []
    events = customers = 0
    for bucket, own, account in zip(view.buckets, view.columns, codes, strict=True):
        who = np.repeat(np.arange(bucket.customers), np.diff(own.offsets))
        kept = np.flatnonzero((account > 0) & ~own.skip[who] & (own.time.astype(np.int64) <= view.as_of))
        micros = own.micros[kept] if len(own.micros) else np.zeros(len(kept), np.uint32)
        seq = kept.astype(np.int64) if bucket.seq is None else bucket.seq[kept].astype(np.int64) + bucket.seq_base
        parts.append((account[kept], own.time[kept], micros, seq, own.code[kept], kept + events, who[kept] + customers))
        events += bucket.events
        customers += bucket.customers
    if not parts:
        parts.append(tuple(np.empty(0, np.int64) for _ in range(7)))
    account, time, micros, seq, code, event, customer = (np.concatenate(p) for p in zip(*parts, strict=True))
    order = np.lexsort((seq, micros, time, account))
    account = account[order]
    begins = np.flatnonzero(np.diff(account, prepend=-1)) if len(account) else np.empty(0, np.int64)
    offsets = np.append(begins, len(account))
    made = columns(offsets, time[order], code[order], micros=micros[order] if micros.any() else None)
    return Accounts(
        made, sessions.Segments(*sessions.trails(made, view.as_of)),
        event[order].astype(np.int64), customer[order].astype(np.int64),
    )  # fmt: skip


def over(
    view: View, asked: Asked, work: Callable[..., P], events: Sequence[Sequence[Any]] = (),
    customers: Sequence[Sequence[Any]] = (),
) -> list[P]:  # fmt: skip
    """``work(rows, *of_events, *of_customers)`` over every bucket, or once over all accounts.

    ``events`` are columns with an array [N] a bucket, given as the events of the chains' columns; ``customers`` with an
    array [C] a bucket, to be read at ``rows.customer``. ``work`` is a functools.partial of a module's function.
    """
    held = view.property(asked.hold).codes if asked.hold is not None else None
    if asked.by == "account":
        if asked.account is None:
            raise MeasureError(N_("By account, a funnel needs the property that names it."))
        put = accounts(view, asked.account)
        marks = None if held is None else _all(held)
        return [work(put.rows(view, asked, marks), *(_all(e)[put.event] for e in events), *map(_all, customers))]
    beside = [*([] if held is None else [held]), *events, *customers]
    way = way_of(view, asked)
    if not beside:
        return view.map(functools.partial(_alone, view, asked, way, work))
    return view.map_with(functools.partial(_beside, view, asked, way, work, held is not None), *beside)


def _all(parts: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    return np.concatenate(list(parts)) if len(parts) else np.empty(0, np.int64)


def _alone(view: View, asked: Asked, way: kernel.Plan | I64, work: Callable[[Rows], P], bucket: Columns) -> P:
    return work(run(view, asked, way, bucket))


def _beside(
    view: View, asked: Asked, way: kernel.Plan | I64, work: Callable[..., P], held: bool, bucket: Columns, *beside: Any
) -> P:
    marks, rest = (beside[0], beside[1:]) if held else (None, beside)
    return work(run(view, asked, way, bucket, marks), *rest)


def whose(
    view: View, asked: Asked, choose: Callable[..., Mask], events: Sequence[Sequence[Any]] = (),
    customers: Sequence[Sequence[Any]] = (),
) -> list[Mask]:  # fmt: skip
    """bool[C] a bucket: the customers of the rows that ``choose`` (as the work of :func:`over`) marks.

    By session, or every way through, a customer is listed for any such row; by account, all customers of the account.
    """
    found = over(view, asked, functools.partial(_chosen, choose), events, customers)
    if asked.by != "account":
        return [members(bucket, chosen) for bucket, chosen in zip(view.columns, found, strict=True)]
    put = accounts(view, str(asked.account))
    inside = np.zeros(len(put.columns.offsets) - 1, np.bool_)
    inside[found[0]] = True
    of_event = np.repeat(inside, np.diff(put.columns.offsets))
    total = sum(b.customers for b in view.buckets)
    mask = np.zeros(total, np.bool_)
    mask[put.customer[of_event]] = True
    return [np.asarray(m) for m in np.split(mask, np.cumsum([b.customers for b in view.buckets])[:-1])]


def _chosen(choose: Callable[..., Mask], rows: Rows, *beside: Any) -> I64:
    return rows.segments.customer[rows.segment[choose(rows, *beside)]]
