"""Conversion, the practitioners' definition: converted / visitors; and leaving without it."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import numpy.typing as npt

from polku.journey.model import Text
from polku.kernels import visits as kernel
from polku.kernels.columns import Columns
from polku.kernels.presence import present
from polku.language import N_, Reader
from polku.measures import visits
from polku.measures.answer import Answer, Table, rate_cell, time_cell, words
from polku.measures.funnels.funnel import funnel
from polku.measures.funnels.members import funnel_members
from polku.measures.quantiles import quantiles
from polku.measures.result import Quantiles, Rate, Unit
from polku.measures.steps import chain_text, codes_of, goal_of, title_of
from polku.measures.view import Mask, View

I64 = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Conversion(Answer):
    name = "conversion"
    says = (
        N_("Conversion = converted / visitors. 50 orders by 1,000 visitors is 5 %."),
        N_(
            "Without a start, visitors are those who did anything in the period, and converted are those who "
            "reached the goal in it."
        ),
        N_(
            "With a start, visitors are those who met it in the period, and converted are those who then "
            "reached the goal within the time given."
        ),
        N_("Those whose time is not yet up are told apart and are in neither number."),
    )

    from_: str | None
    to: str
    by: str
    within: int | None
    conversion: Rate
    time: Quantiles  # seconds from the start to the goal
    titles: tuple[Text | None, Text] = (None, "")

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        heads = (N_("from"), N_("to"), N_("conversion"), N_("median time"))
        start = reader("any visit") if self.by == "session" else reader("any visitor")
        if self.titles[0] is not None:
            start = reader.said(self.titles[0])
        row = (
            words(start, self.from_),
            words(reader.said(self.titles[1]), self.to),
            rate_cell(self.conversion, reader),
            time_cell(self.time, reader),
        )
        title = reader("Conversion by session") if self.by == "session" else reader("Conversion by customer")
        return (Table(title, tuple(reader(h) for h in heads), (row,)),)

    @property
    def rate(self) -> Rate:
        return self.conversion

    @property
    def by_visit(self) -> bool:
        return self.by == "session"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Leaving(Answer):
    name = "leaving"
    says = (
        N_("Leaving = visits (or visitors) that left without converting / all of them; the rest stayed."),
        N_("It is what practitioners call the exit rate: 70 % left without a conversion, 30 % stayed."),
        N_("It is not the exit rate of a page (see exit), nor the bounce rate of visits of one page (see bounce)."),
    )

    to: str
    by: str
    left: Rate
    stayed: Rate
    title: Text = ""

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        heads = (N_("goal"), N_("left without it"), N_("stayed and converted"))
        row = (words(reader.said(self.title), self.to), rate_cell(self.left, reader), rate_cell(self.stayed, reader))
        title = reader("Leaving, by visit") if self.by == "session" else reader("Leaving, by customer")
        return (Table(title, tuple(reader(h) for h in heads), (row,)),)

    @property
    def rate(self) -> Rate:
        return self.left

    @property
    def by_visit(self) -> bool:
        return self.by == "session"


def _counts(goal: npt.NDArray[np.bool_], start: int, end: int, bucket: Columns) -> I64:
    seen, converted = present(bucket, goal, start, end)
    return np.array([np.count_nonzero(seen), np.count_nonzero(converted)], np.int64)


def totals(view: View, to: str, by: str) -> tuple[int, int]:
    """Visitors (or visits) of the period, and those who converted."""
    goal = codes_of(view, to)
    if by == "session":
        found = visits.counts(view, visits.asked(view, goal=goal)).totals
        return int(found[kernel.VISITS]), int(found[kernel.CONVERTED])
    seen, converted = view.sum(functools.partial(_counts, goal, view.start, view.end), np.zeros(2, np.int64))
    return int(seen), int(converted)


def conversion(
    view: View, from_: str | None = None, to: str | None = None, within: int | None = None, by: str = "customer"
) -> Conversion:
    """Converted / visitors. ``from_`` and ``to`` are touchpoints of the map or names of events; ``within`` is in
    seconds.

    ``to`` is by default the goal of the map (:func:`polku.measures.steps.goal_of`). With ``from_``, the number is that
    of a funnel of two steps. Raises MeasureError for unknown names.
    """
    to = to or goal_of(view.journey)
    titles = (title_of(view.journey, from_) if from_ else None, title_of(view.journey, to))
    by_option = None if by == "customer" else by
    if from_ is not None:
        found = funnel(view, (from_, to), within, by)
        select = functools.partial(view.select, "conversion", chain_text((from_, to)), within=within, by=by_option)
        rate = dataclasses.replace(
            found.conversion, behind=select("converted"), behind_not=select("not"), behind_pending=select("pending"),
            behind_all=select("had_time"),
        )  # fmt: skip
        time = found.time
    else:
        seen, converted = totals(view, to, by)
        select = functools.partial(view.select, "conversion", chain_text(("", to)), by=by_option)
        unit: Unit = "customers" if by == "customer" else "visits"
        rate = Rate(converted, seen, 0, select("converted"), select("not"), behind_all=select("had_time"), unit=unit)
        time = quantiles([np.empty(0, np.uint32)])
    return Conversion(
        period=view.period, persona=view.persona, segment=view.segment,
        from_=from_, to=to, by=by, within=within, conversion=rate, time=time, titles=titles,
    )  # fmt: skip


def leaving(view: View, to: str | None = None, by: str = "session") -> Leaving:
    """Left without converting / all, by visit or by customer. Raises MeasureError for an unknown goal."""
    to = to or goal_of(view.journey)
    seen, converted = totals(view, to, by)
    select = functools.partial(view.select, "visits", to, by=None if by == "session" else by)
    left, stayed, everyone = select("left"), select("converted"), select("all")
    unit: Unit = "visits" if by == "session" else "customers"
    return Leaving(
        period=view.period, persona=view.persona, segment=view.segment, to=to, by=by,
        left=Rate(seen - converted, seen, 0, left, stayed, behind_all=everyone, unit=unit),
        stayed=Rate(converted, seen, 0, stayed, left, behind_all=everyone, unit=unit),
        title=title_of(view.journey, to),
    )  # fmt: skip


def conversion_members(view: View, steps: tuple[str, ...], within: int | None, by: str, what: str) -> list[Mask]:
    """bool[C] a bucket: who converted, did not, or is pending."""
    start, to = steps
    if start:
        step, funnel_what = {
            "converted": (2, "converted"), "not": (2, "dropped"), "pending": (1, "pending"),
            "had_time": (1, "converted"),
        }[what]  # fmt: skip
        return funnel_members(view, (start, to), within, by, step, funnel_what)
    return visit_members(view, to, by, {"not": "left", "had_time": "all"}.get(what, what))


def visit_members(view: View, to: str, by: str, what: str) -> list[Mask]:
    """bool[C] a bucket: who was there in the period, converted, or left without; by session, for any such visit."""
    goal = codes_of(view, to)
    if what == "pending":
        return [np.zeros(len(c.skip), np.bool_) for c in view.columns]
    if by == "session":
        wanted = {"all": kernel.ALL, "converted": kernel.YES, "left": kernel.NO}[what]
        return visits.members(view, visits.asked(view, goal=goal), kernel.OF_VISITS, 0, wanted)

    def work(bucket: Columns) -> Mask:
        seen, converted = present(bucket, goal, view.start, view.end)
        return np.asarray({"all": seen, "converted": converted, "left": seen & ~converted}[what])

    return view.map(work)
