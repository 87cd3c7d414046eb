"""Stickiness: how many of a month's customers are there on a day, and on how many days a customer is there."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import numpy.typing as npt

from polku.kernels.columns import Columns, frozen
from polku.kernels.retention import active as kernel
from polku.language import N_, Reader
from polku.measures.answer import Answer, Table, count_cell, estimate_cell, rate_cell, words
from polku.measures.charts import Bars, Chart, Series
from polku.measures.result import Count, Estimate, Rate
from polku.measures.retention.active import Asked, asked_for, uniques
from polku.measures.retention.calendar import DAYS
from polku.measures.selectors import Selector
from polku.measures.view import Mask, View

I64 = npt.NDArray[np.int64]
#: Days there, from which on all are counted together.
MOST_DAYS = 30
#: Whole weeks, so that Saturdays weigh the same in all.
RECENT = 28
NO_RECENT = N_("the period has no 28 whole days yet")
NONE_OVER = N_("no whole one is over in this period")


@dataclasses.dataclass(frozen=True, slots=True)
class DaysThere:
    """Customers with just so many active days in the period; the last row: so many or more."""

    days: int
    or_more: bool
    customers: Count
    share: Rate


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stickiness(Answer):
    name = "stickiness"
    says = (
        N_("Daily, weekly, monthly active = the mean number of different customers of whole days, weeks, months."),
        N_("Stickiness = daily / monthly active: the share of a month's customers that is there on a usual day."),
        N_("Day / last 28 days: the same of the last 28 whole days, which are four of each day of the week."),
        N_("Days there: on how many different days of the period a customer was active."),
    )

    what: str | None
    daily: Estimate
    weekly: Estimate
    monthly: Estimate
    day_of_week: Estimate  # daily / weekly
    day_of_month: Estimate  # daily / monthly
    recent: Estimate  # different customers of the last 28 whole days
    day_of_recent: Estimate  # the mean of those days / recent
    days: tuple[DaysThere, ...]

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        rows = (
            (words(reader(N_("active a day, mean")), "daily"), estimate_cell(self.daily, reader)),
            (words(reader(N_("active a week, mean")), "weekly"), estimate_cell(self.weekly, reader)),
            (words(reader(N_("active a month, mean")), "monthly"), estimate_cell(self.monthly, reader)),
            (words(reader(N_("day / week")), "day_of_week"), estimate_cell(self.day_of_week, reader, reader.percent)),
            (
                words(reader(N_("day / month")), "day_of_month"),
                estimate_cell(self.day_of_month, reader, reader.percent),
            ),
            (words(reader(N_("active in the last 28 days")), "recent"), estimate_cell(self.recent, reader)),
            (
                words(reader(N_("day / last 28 days")), "day_of_recent"),
                estimate_cell(self.day_of_recent, reader, reader.percent),
            ),
        )
        days = tuple(
            (words(_days(d, reader), d.days), count_cell(d.customers, reader), rate_cell(d.share, reader))
            for d in self.days
        )
        return (
            Table(reader("Stickiness"), (reader("figure"), reader("value")), rows),
            Table(reader("Days there"), (reader("active days"), reader("customer count"), reader("share")), days),
        )

    def charts(self, reader: Reader) -> tuple[Chart, ...]:
        series = Series(
            reader("customer count"),
            tuple(float(d.customers.n) for d in self.days),
            behind=tuple(d.customers.behind for d in self.days),
        )
        labels = tuple(_days(d, reader) for d in self.days)
        return (Bars(reader("Days there"), labels, (series,), x_title=reader("active days")),)


def _days(row: DaysThere, reader: Reader) -> str:
    return f"{reader.number(row.days)}+" if row.or_more else reader.number(row.days)


def _there(view: View, what: str | None, bucket: Columns) -> I64:
    asked = asked_for(view, "day", what)
    found = kernel.days_there(bucket, asked.codes, asked.every, view.start, view.end)
    return np.bincount(np.minimum(found, MOST_DAYS), minlength=MOST_DAYS + 1).astype(np.int64)


def _mean(view: View, unit: str, what: str | None) -> Estimate:
    span, counts = uniques(view, unit, what)
    whole = [span.state(view, span.base + place, unit) == "over" for place in range(span.count)]
    over = counts[np.array(whole, np.bool_)]
    if not len(over):
        return Estimate(None, reason=NONE_OVER)
    return Estimate(float(over.mean()), n=len(over))


def _recent(view: View, what: str | None) -> tuple[Estimate, Estimate]:
    """Different customers of the last RECENT whole days of the view, and the mean of these days / them."""
    span, counts = uniques(view, "day", what)
    over = [p for p in range(span.count) if span.state(view, span.base + p, "day") == "over"]
    if len(over) < RECENT:
        none = Estimate(None, reason=NO_RECENT)
        return none, none
    days = over[-RECENT:]
    periods = np.full(DAYS, -1, np.int32)  # one period of just these days
    periods[span.base + days[0] : span.base + days[-1] + 1] = 0
    asked = dataclasses.replace(asked_for(view, "day", what), period_of=frozen(periods, np.int32))
    work = functools.partial(_there_in, view, asked)
    found = float(view.sum(work, np.zeros(1, np.int64))[0])
    mean = float(counts[days].mean())
    return Estimate(found, n=RECENT), Estimate(mean / found if found else None, n=RECENT)


def _there_in(view: View, asked: Asked, bucket: Columns) -> I64:
    return np.asarray(
        kernel.uniques(bucket, asked.codes, asked.every, asked.period_of, 0, 1, view.start, view.end)
    )  # fmt: skip


def _ratio(part: Estimate, whole: Estimate) -> Estimate:
    if part.value is None or not whole.value:
        return Estimate(None, reason=part.reason or whole.reason or N_("no data"))
    return Estimate(part.value / whole.value, n=whole.n)


def stickiness(view: View, what: str | None = None) -> Stickiness:
    """Daily, weekly and monthly active customers and their ratios, and days there. Raises MeasureError."""
    daily, weekly, monthly = (_mean(view, unit, what) for unit in ("day", "week", "month"))
    recent, day_of_recent = _recent(view, what)
    counts = view.sum(functools.partial(_there, view, what), np.zeros(MOST_DAYS + 1, np.int64))
    total = int(counts[1:].sum())
    last = int(np.max(np.flatnonzero(counts), initial=0))
    select = functools.partial(view.select, "days_there", of=what)
    days = tuple(
        DaysThere(
            d, d == MOST_DAYS, Count(int(counts[d]), select(str(d), "days")),
            Rate(int(counts[d]), total, behind=select(str(d), "days"), behind_all=select("all", "days")),
        )
        for d in range(1, last + 1)
    )  # fmt: skip
    return Stickiness(
        period=view.period, persona=view.persona, segment=view.segment, what=what, daily=daily, weekly=weekly,
        monthly=monthly, day_of_week=_ratio(daily, weekly), day_of_month=_ratio(daily, monthly), recent=recent,
        day_of_recent=day_of_recent, days=days,
    )  # fmt: skip


def members(view: View, selector: Selector) -> list[Mask]:
    """bool[C] a bucket: who was there on just so many days (the last number: or more), or on any."""
    days = 0 if selector.name == "all" else int(selector.name)
    return view.map(functools.partial(_on_days, view, selector.option("of"), days))


def _on_days(view: View, what: str | None, days: int, bucket: Columns) -> Mask:
    asked = asked_for(view, "day", what)
    found = kernel.days_there(bucket, asked.codes, asked.every, view.start, view.end)
    return np.asarray(found > 0 if days == 0 else np.minimum(found, MOST_DAYS) == days)
