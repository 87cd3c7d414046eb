"""Ordered funnels by customer or by session."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from polku.journey.model import Text
from polku.kernels import funnel as kernel
from polku.kernels.columns import Columns
from polku.language import N_, Reader
from polku.measures.answer import Answer, Table, count_cell, rate_cell, time_cell, words
from polku.measures.quantiles import quantiles
from polku.measures.result import Count, Quantiles, Rate, Unit
from polku.measures.segments import members, segments
from polku.measures.steps import chain_text, step_bits, title_of
from polku.measures.view import Mask, View

U32 = npt.NDArray[np.uint32]


@dataclasses.dataclass(frozen=True, slots=True)
class FunnelStep:
    """One step: how many came this far, and of those who had their time, the share that came from the step before."""

    step: str
    title: Text
    reached: Count
    from_start: Rate  # of all who started
    from_previous: Rate  # of those who reached the step before
    time: Quantiles  # seconds from the step before


@dataclasses.dataclass(frozen=True, kw_only=True)
class Funnel(Answer):
    name = "funnel"
    says = (
        N_(
            "A funnel counts who took its steps in order; other events may lie between. An event is used for "
            "one step only."
        ),
        N_("Of all starts in the period, a customer (or session) is given the one that gets furthest."),
        N_(
            "The window counts from the first step, both ends included. Events of the same moment count in "
            "order of arrival."
        ),
        N_(
            "Share of a step = those who reached it / those who reached the step before; only those whose "
            "window has closed."
        ),
        N_("Those whose window is still open are told apart as not yet; they are in no share."),
    )

    by: str
    within: int | None  # seconds; None: no limit
    steps: tuple[FunnelStep, ...]
    conversion: Rate  # from the first step to the last
    time: Quantiles  # seconds from the first step to the last

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        rows = tuple(
            (
                words(f"{k}. {reader.said(s.title)}", s.step),
                count_cell(s.reached, reader),
                rate_cell(s.from_previous, reader),
                rate_cell(s.from_start, reader),
                time_cell(s.time, reader),
            )
            for k, s in enumerate(self.steps, 1)
        )
        heads = (N_("step"), N_("reached"), N_("of the step before"), N_("of the first step"), N_("median time"))
        title = reader("Funnel by session") if self.by == "session" else reader("Funnel by customer")
        if self.within is not None:
            title = reader("{title}, within {time}", title=title, time=reader.duration(self.within))
        return (Table(title, tuple(reader(h) for h in heads), rows),)

    @property
    def rate(self) -> Rate:
        return self.conversion

    @property
    def by_visit(self) -> bool:
        return self.by == "session"

    @property
    def reached(self) -> list[int]:
        """How many reached each step, the open windows included."""
        return [step.reached.n for step in self.steps]


@dataclasses.dataclass(frozen=True, eq=False)
class Partial:
    """Segments that reached each step: all, and of those whose window has closed; waiting times as they come."""

    reached: npt.NDArray[np.int64]
    closed: npt.NDArray[np.int64]
    open: npt.NDArray[np.int64]
    waits: tuple[tuple[U32, ...], ...]
    total: tuple[U32, ...]

    def __add__(self, other: Partial) -> Partial:
        return Partial(
            self.reached + other.reached,
            self.closed + other.closed,
            self.open + other.open,
            tuple(a + b for a, b in zip(self.waits, other.waits, strict=True)),
            self.total + other.total,
        )


def outcome(
    view: View, bits: npt.NDArray[np.int64], steps: int, within: int | None, by: str, bucket: Columns
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int8], npt.NDArray[np.bool_], U32]:
    """Of every segment: the customer's index, the level, whether a window is open, the steps' moments."""
    stretches = segments(view, by, bucket)
    window = int(kernel.UNLIMITED) if within is None else within
    as_of = int(kernel.UNLIMITED) * 2 if within is None else view.as_of
    level, is_open, times = kernel.funnel(bucket, stretches, bits, steps, window, view.start, view.end, as_of)
    return stretches.customer, level, is_open, times


def _partial(
    view: View, bits: npt.NDArray[np.int64], steps: int, within: int | None, by: str, bucket: Columns
) -> Partial:
    _, level, is_open, times = outcome(view, bits, steps, within, by, bucket)
    reached = [level > k for k in range(steps)]
    empty = np.empty(0, np.uint32)
    waits = [(empty,), *((times[reached[k], k] - times[reached[k], k - 1],) for k in range(1, steps))]
    return Partial(
        np.array([np.count_nonzero(r) for r in reached], np.int64),
        np.array([np.count_nonzero(r & ~is_open) for r in reached], np.int64),
        np.array([np.count_nonzero(r & is_open) for r in reached], np.int64),
        tuple(waits),
        (times[reached[-1], steps - 1] - times[reached[-1], 0],),
    )


def funnel(view: View, steps: Sequence[str], within: int | None = None, by: str = "customer") -> Funnel:
    """The funnel of ``steps`` (touchpoints of the map, or names of events) within ``within`` seconds of the first.

    Without ``within`` there is no limit, and nobody is "not yet". Raises MeasureError for unknown steps, fewer than
    two.
    """
    bits = step_bits(view, steps)
    count = len(steps)
    none = (np.empty(0, np.uint32),)
    zeros = np.zeros(count, np.int64)
    zero = Partial(zeros, zeros, zeros, (none,) * count, none)
    total = view.sum(functools.partial(_partial, view, bits, count, within, by), zero)
    select = functools.partial(
        view.select, "funnel", chain_text(steps), within=within, by=None if by == "customer" else by
    )

    unit: Unit = "customers" if by == "customer" else "sessions"

    def rate(step: int, base: int) -> Rate:
        whole, part = int(total.closed[base]), int(total.closed[step])
        return Rate(
            part, whole, int(total.open[base]), select("converted", step=step + 1),
            select("dropped", step=step + 1) if step == base + 1 else None, select("pending", step=base + 1),
            behind_all=select("converted", step=base + 1), unit=unit,
        )  # fmt: skip

    def timed(waits: tuple[U32, ...], step: int) -> Quantiles:
        return dataclasses.replace(quantiles(waits), behind=select("reached", step=step), unit=unit)

    rows = tuple(
        FunnelStep(
            step, title_of(view.journey, step), Count(int(total.reached[k]), select("reached", step=k + 1), unit),
            rate(k, 0), rate(k, max(k - 1, 0)), timed(total.waits[k], k + 1),
        )
        for k, step in enumerate(steps)
    )  # fmt: skip
    return Funnel(
        period=view.period, persona=view.persona, segment=view.segment,
        by=by, within=within, steps=rows, conversion=rate(count - 1, 0), time=timed(total.total, count),
    )  # fmt: skip


def funnel_members(view: View, steps: Sequence[str], within: int | None, by: str, step: int, what: str) -> list[Mask]:
    """bool[C] a bucket: who reached ``step`` (from 1), dropped before it (having reached the one before), converted
    (reached it, and the window has closed), or is pending.

    As in the rates, those with an open window are in no drop-off. By session, a customer is listed for any such
    session.
    """
    bits = step_bits(view, steps)

    def work(bucket: Columns) -> Mask:
        customer, level, is_open, _ = outcome(view, bits, len(steps), within, by, bucket)
        if what == "reached":
            chosen = level >= step
        elif what == "converted":
            chosen = (level >= step) & ~is_open
        elif what == "pending":
            chosen = (level >= step) & is_open
        else:
            chosen = (level == step - 1) & ~is_open
        return members(bucket, customer[chosen])

    return view.map(work)
