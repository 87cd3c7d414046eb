"""Subscriptions: recurring revenue and how it moves, churn of subscribers, trial to paid, and how long they stay.

Recurring revenue is told in money a month (MRR). The state at the end of each month is set against that at its
beginning, so that every customer who has a subscription at either stands in exactly one movement. How many will renew
again is projected by the shifted beta-geometric model (P. S. Fader and B. G. S. Hardie, Journal of Interactive
Marketing 21, 2007).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from polku.errors import MeasureError
from polku.kernels.columns import Columns, frozen
from polku.kernels.retention import subscriptions as kernel
from polku.language import N_, Reader
from polku.measures.answer import Answer, Cell, Table, count_cell, estimate_cell, money_cell, rate_cell, words
from polku.measures.charts import Bars, Chart, Lines, Series
from polku.measures.definition import known
from polku.measures.result import Count, Estimate, Money, Rate
from polku.measures.retention import survival
from polku.measures.retention.billing import (
    CHURNED,
    CONTRACTION,
    DAY,
    END,
    EXPANSION,
    INTERVALS,
    MOST_RENEWALS,
    NEW,
    REACTIVATED,
    START,
    UNPAID,
    WHATS,
    Asked,
    Partial,
    asked_of,
    at_renewal,
    event_codes,
    intervals,
    months_of,
    movements,
    paid_so,
)
from polku.measures.retention.calendar import begins, name_of, said, seconds_at, selected_period, span_of
from polku.measures.selectors import Selector
from polku.measures.steps import chain_of, chain_text
from polku.measures.value.buying import currency_of, no_sums, withheld
from polku.measures.view import Mask, View
from polku.statistics.btyd.fitting import NoFit
from polku.statistics.btyd.sbg import fit_sbg

I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]
#: The lists of a renewal.
RENEWALS = ("renewed", "not_renewed", "renewal_pending", "renewal_due")
#: Renewals that are projected beyond those seen.
AHEAD = 12
NOBODY_BEFORE = N_("nobody subscribed at its beginning")
GOES_ON = N_("the month goes on")


@dataclasses.dataclass(frozen=True, slots=True)
class Moved:
    """Customers and their money a month; of an expansion or contraction the difference."""

    customers: Count
    money: Money | None  # None where amounts are in several currencies


@dataclasses.dataclass(frozen=True, slots=True)
class Month:
    """One month of the calendar; ``over`` is False for the one that goes on, whose end is now."""

    name: str
    period: int
    over: bool
    start: Moved
    new: Moved
    reactivated: Moved
    expansion: Moved
    contraction: Moved
    churned: Moved
    end: Moved
    unpaid: Count  # of the churned, those whose last payment had failed
    churn: Rate  # customers
    net: Estimate  # net revenue retention
    gross: Estimate  # gross revenue retention


@dataclasses.dataclass(frozen=True, slots=True)
class Renewal:
    """At renewal ``number``: those due who renewed, of those whose renewal has come; and the model's figures."""

    number: int
    rate: Rate
    kept: float | None  # of all subscribers, the share still there after this renewal, as seen (Kaplan and Meier)
    projected: float | None  # the same by the model
    renews: float | None  # the model's share of those due who renew


@dataclasses.dataclass(frozen=True, kw_only=True)
class Subscriptions(Answer):
    name = "subscriptions"
    says = (
        N_("MRR = what the subscriptions active at a moment bring a month: each one's latest payment / its months."),
        N_(
            "A subscription begins with its first payment and ends when it is cancelled or paused, or when a payment "
            "is later than the grace; the end counts at that moment. A customer has one subscription at a time."
        ),
        N_(
            "New: never subscribed before. Reactivated: again after an end. Expansion, contraction: more or less than "
            "at the month's beginning. Churned: subscribed at the beginning, not at the end. Who comes and goes within "
            "one month stands in none."
        ),
        N_("Churn = churned / subscribers at the beginning. Of them, without payment: the last payment had failed."),
        N_("Net revenue retention = (MRR at the beginning + expansion - contraction - churned) / the MRR then."),
        N_("Gross revenue retention: the same without expansion."),
        N_("Trial to paid = those who began to pay within the time / those whose first trial in the period is so old."),
        N_(
            "Projection: the shifted beta-geometric model, fitted to each customer's first subscription of the most "
            "common interval."
        ),
    )

    every: str
    interval: str | None
    grace: int | None  # seconds; None: they never run out
    trial_within: int
    currency: str
    months: tuple[Month, ...]
    trial: Rate | None  # None where no trial has been seen
    unread: Count  # payments whose interval no one could read; they were taken as `every`
    unpriced: Count  # payments without a value
    renewals: tuple[Renewal, ...]
    renewals_every: str
    projection: str | None  # why there is none
    remaining: Estimate  # payments still to come of a new subscriber, by the model

    @property
    def rate(self) -> Rate | None:
        return self.trial

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        return (self._money(reader), self._customers(reader), self._other(reader), self._renewals(reader))

    def _money(self, reader: Reader) -> Table:
        heads = (
            reader("month"), reader("MRR at the beginning"), reader("new"), reader("reactivated"), reader("expansion"),
            reader("contraction"), reader("churned"), reader("MRR at the end"), reader("net revenue retention"),
            reader("gross revenue retention"),
        )  # fmt: skip

        def cell(moved: Moved) -> Cell:
            amount = None if moved.money is None else moved.money.amount
            return money_cell(amount, self.currency, reader, moved.customers.behind)

        rows = tuple(
            (
                words(said(m.period, "month", reader), m.name), cell(m.start), cell(m.new), cell(m.reactivated),
                cell(m.expansion), cell(m.contraction), cell(m.churned), cell(m.end),
                estimate_cell(m.net, reader, reader.percent), estimate_cell(m.gross, reader, reader.percent),
            )
            for m in self.months
        )  # fmt: skip
        return Table(reader("Recurring revenue a month (MRR)"), heads, rows)

    def _customers(self, reader: Reader) -> Table:
        heads = (
            reader("month"), reader("at the beginning"), reader("new"), reader("reactivated"), reader("churned"),
            reader("without payment"), reader("churn"), reader("at the end"),
        )  # fmt: skip
        rows = tuple(
            (
                words(said(m.period, "month", reader), m.name), count_cell(m.start.customers, reader),
                count_cell(m.new.customers, reader), count_cell(m.reactivated.customers, reader),
                count_cell(m.churned.customers, reader), count_cell(m.unpaid, reader), rate_cell(m.churn, reader),
                count_cell(m.end.customers, reader),
            )
            for m in self.months
        )  # fmt: skip
        return Table(reader("Subscribers"), heads, rows)

    def _other(self, reader: Reader) -> Table:
        trial = Cell("–", None, number=True, note=reader("no trial has been seen"))
        rows = [
            (words(reader("trial to paid"), "trial"), rate_cell(self.trial, reader) if self.trial else trial),
            (words(reader("payments still to come of a new subscriber"), "remaining"),
             estimate_cell(self.remaining, reader, lambda value: reader.number(value, 1))),
            (words(reader("payments without a value"), "unpriced"), count_cell(self.unpriced, reader)),
            (words(reader("payments whose interval cannot be read"), "unread"), count_cell(self.unread, reader)),
        ]  # fmt: skip
        return Table(reader("Subscriptions"), (reader("figure"), reader("value")), tuple(rows))

    def _renewals(self, reader: Reader) -> Table:
        def share(value: float | None) -> Cell:
            return Cell("–" if value is None else reader.percent(value), value, number=True)

        heads = (
            reader("renewal"), reader("renewed"), reader("still there"), reader("still there, by the model"),
            reader("renews, by the model"),
        )  # fmt: skip
        rows = tuple(
            (words(reader.number(r.number), r.number), rate_cell(r.rate, reader), share(r.kept), share(r.projected),
             share(r.renews))
            for r in self.renewals
        )  # fmt: skip
        return Table(reader("Renewals"), heads, rows)

    def charts(self, reader: Reader) -> tuple[Chart, ...]:
        labels = tuple(said(m.period, "month", reader) for m in self.months)
        solid = tuple(m.over for m in self.months)

        def series(name: str, moves: Sequence[Moved], sign: int) -> Series:
            values = tuple(None if m.money is None else sign * m.money.amount for m in moves)
            return Series(name, values, solid=solid, behind=tuple(m.customers.behind for m in moves))

        moves = (
            series(reader("new"), [m.new for m in self.months], 1),
            series(reader("reactivated"), [m.reactivated for m in self.months], 1),
            series(reader("expansion"), [m.expansion for m in self.months], 1),
            series(reader("contraction"), [m.contraction for m in self.months], -1),
            series(reader("churned"), [m.churned for m in self.months], -1),
        )
        mrr = series(reader("MRR at the end"), [m.end for m in self.months], 1)
        numbers = tuple(reader.number(r.number) for r in self.renewals)
        kept = Series(reader("still there"), tuple(r.kept for r in self.renewals))
        model = Series(
            reader("still there, by the model"), tuple(r.projected for r in self.renewals),
            solid=(False,) * len(self.renewals),
        )  # fmt: skip
        return (
            Lines(reader("Recurring revenue a month (MRR)"), labels, (mrr,), "money"),
            Bars(reader("How recurring revenue moved"), labels, moves, "money", stacked=True),
            Lines(reader("Renewals"), numbers, (kept, model), "share", x_title=reader("renewal")),
        )


def subscriptions(
    view: View, every: str = "month", interval: str | None = None, grace: int = 15 * DAY,
    trial_within: int | None = None,
    started: Sequence[str] | None = None, renewed: Sequence[str] | None = None, ended: Sequence[str] | None = None,
    trial: Sequence[str] | None = None,
) -> Subscriptions:  # fmt: skip
    """Recurring revenue of each month that the period touches, whole. Times are seconds.

    Raises MeasureError where no event says that a subscription began, and for unknown events and properties.
    """
    asked, span = asked_of(view, every, grace, started, renewed, ended), span_of(view, "month")
    bounds = np.array([seconds_at(view, begins(span.base + p, "month")) for p in range(span.count + 1)], np.int64)
    size = (len(INTERVALS), MOST_RENEWALS)
    zero = Partial(
        np.zeros((span.count, len(WHATS)), np.int64), np.zeros((span.count, len(WHATS))), np.zeros(size, np.int64),
        np.zeros(size, np.int64), np.zeros(3, np.int64),
    )  # fmt: skip
    beside = intervals(view, interval)
    work = functools.partial(months_of, asked, bounds)
    total = view.sum_with(work, zero, *beside) if beside else view.sum(work, zero)
    own: dict[str, object] = {
        "every": every, "interval": interval, "grace": grace, "started": _text(started), "renewed": _text(renewed),
        "ended": _text(ended), "trial": _text(trial), "within": trial_within,
    }  # fmt: skip

    def select(name: str, what: str, **more: object) -> str:
        return view.select("subscriptions", name, what, **own, **more)

    currency, unsummed = currency_of(view), no_sums(view)

    def month(p: int) -> Month:
        name, over = name_of(span.base + p, "month"), span.base + p < span.now
        customers, money = total.customers[p].tolist(), total.money[p].tolist()
        moves = [
            Moved(
                Count(customers[k], select(name, what)),
                Money(round(money[k], 6), currency, customers[k]) if unsummed is None else None,
            )
            for k, what in enumerate(WHATS)
        ]
        kept = money[START] - money[CONTRACTION] - money[CHURNED]
        at_start, gone = customers[START], customers[CHURNED]
        churn = Rate(
            gone if over else 0, at_start if over else 0, 0 if over else at_start,
            select(name, "churned") if over else None, behind_pending=None if over else select(name, "start"),
            behind_all=select(name, "start") if over else None, why=None if at_start else NOBODY_BEFORE,
        )  # fmt: skip
        unpaid, churned = moves[UNPAID].customers, moves[CHURNED]
        return Month(
            name, span.base + p, over, moves[START], moves[NEW], moves[REACTIVATED], moves[EXPANSION],
            moves[CONTRACTION], churned, moves[END], unpaid, churn,
            withheld(_kept(kept + money[EXPANSION], money[START], at_start, over), unsummed),
            withheld(_kept(kept, money[START], at_start, over), unsummed),
        )  # fmt: skip

    row = int(np.argmax(total.lost.sum(axis=1) + total.still.sum(axis=1)))
    of_renewal = functools.partial(select, paid_by=list(INTERVALS)[row])
    renewals, why, remaining = _projected(total.lost[row], total.still[row], of_renewal)
    return Subscriptions(
        period=view.period, persona=view.persona, segment=view.segment, every=every, interval=interval,
        grace=None if asked.grace < 0 else asked.grace, trial_within=trial_within or view.journey.window,
        currency=currency, months=tuple(map(month, range(span.count))),
        trial=_trial(view, asked, trial, trial_within or view.journey.window, select),
        unread=Count(int(total.payments[2]), select("", "unread"), "events"),
        unpriced=Count(int(total.payments[1]), select("", "unpriced"), "events"),
        renewals=renewals, renewals_every=list(INTERVALS)[row], projection=why,
        remaining=remaining,
    )  # fmt: skip


def _text(names: Sequence[str] | None) -> str | None:
    return chain_text(names) if names else None


def _kept(kept: float, start: float, customers: int, over: bool) -> Estimate:
    if not start > 0:
        return Estimate(None, n=customers, reason=NOBODY_BEFORE)
    return Estimate(kept / start, n=customers) if over else Estimate(None, n=customers, reason=GOES_ON)


def _trial_asked(view: View, asked: Asked, trial: Sequence[str] | None) -> survival.Asked | None:
    begins_with = event_codes(view, trial, "trial")
    if not begins_with.any():
        return None
    pays = frozen(np.isin(asked.kinds, (kernel.STARTED, kernel.RENEWED)), np.bool_)
    return survival.Asked(frozen(begins_with, np.bool_), pays, 0, view.start, view.end, view.as_of)


def _trial(
    view: View, asked: Asked, trial: Sequence[str] | None, within: int, select: Callable[[str, str], str]
) -> Rate | None:  # fmt: skip
    question = _trial_asked(view, asked, trial)
    if question is None:
        return None
    counts = view.sum(functools.partial(_trials, question, within), np.zeros(3, np.int64)).tolist()
    paid, not_paid, pending = counts
    at = functools.partial(select, "trial")
    return Rate(
        paid,
        paid + not_paid,
        pending,
        at("trial_paid"),
        at("trial_not"),
        at("trial_pending"),
        behind_all=at("trial_due"),
    )


def _outcomes(question: survival.Asked, within: int, bucket: Columns) -> dict[str, Mask]:
    """bool[C] each. Only trials whose time is up are in the rate, so that quick buyers are not counted sooner."""
    place, wait, happened = question.waits(bucket)
    there = place >= 0
    begun = np.where(there, bucket.time[np.maximum(place, 0)].astype(np.int64) if len(bucket.time) else 0, 0)
    due = there & (begun + within <= question.as_of)
    paid = due & happened & (wait <= within)
    return {"trial_paid": paid, "trial_not": due & ~paid, "trial_pending": there & ~due, "trial_due": due}


def _trials(question: survival.Asked, within: int, bucket: Columns) -> I64:
    found = _outcomes(question, within, bucket)
    return np.array([found[what].sum() for what in ("trial_paid", "trial_not", "trial_pending")], np.int64)


def _projected(
    lost: I64, still: I64, select: Callable[[str, str], str]
) -> tuple[tuple[Renewal, ...], str | None, Estimate]:
    """``lost[k]`` left at renewal k + 1, ``still[k]`` came through k renewals and are not watched further."""
    watched = np.flatnonzero(lost + still)
    if not len(watched):
        return (), N_("nobody has subscribed"), Estimate(None, reason=N_("nobody has subscribed"))
    most = int(watched[-1]) + 1
    through = np.cumsum((lost + still)[::-1])[::-1]  # came through at least k renewals
    n = int(through[0])
    fit = fit_sbg(lost[:most].astype(np.float64), np.append(still[1:most], 0).astype(np.float64))
    why = fit.reason if isinstance(fit, NoFit) else None
    model = None if isinstance(fit, NoFit) else fit.model
    found, kept = [], 1.0
    for number in range(1, most + (AHEAD if model is not None else 0) + 1):
        renewed = int(through[number]) if number < len(through) else 0
        due = renewed + (int(lost[number - 1]) if number <= len(lost) else 0)
        seen = due > 0
        kept = kept * renewed / due if seen else kept
        behind = functools.partial(select, str(number))
        rate = Rate(
            renewed, due, int(still[number - 1]) if number <= most else 0, behind("renewed"), behind("not_renewed"),
            behind("renewal_pending"), behind_all=behind("renewal_due"),
        )  # fmt: skip
        found.append(
            Renewal(
                number, rate, kept if seen else None,
                float(model.survival(number)) if model is not None else None,
                float(model.retention(number)) if model is not None else None,
            )
        )  # fmt: skip
    to_come = model.remaining(0) if model is not None else None
    reason = why or (None if to_come is not None else N_("the model sees no end of it"))
    return tuple(found), why, Estimate(to_come, n=n, reason=reason, behind=select("0", "renewed"))


def members(view: View, selector: Selector) -> list[Mask]:
    """bool[C] a bucket: who stands in a movement of the month that a selector names, or in the trials."""
    option = selector.option

    def steps(name: str) -> tuple[str, ...] | None:
        text = option(name)
        return chain_of(text) if text else None

    every = option("every") or "month"
    asked = asked_of(
        view, every, int(option("grace") or 15 * DAY), steps("started"), steps("renewed"),
        steps("ended"),
    )  # fmt: skip
    if selector.what.startswith("trial_"):
        question = _trial_asked(view, asked, steps("trial"))
        if question is None:
            return view.map(_nobody)
        within = int(option("within") or view.journey.window)
        return view.map(functools.partial(_trial_members, question, within, selector.what))
    beside = intervals(view, option("interval"))
    if selector.what in ("unpriced", "unread"):
        work = functools.partial(paid_so, asked, selector.what)
        return view.map_with(work, *beside) if beside else view.map(work)
    if selector.what in RENEWALS:
        row = known(
            option("paid_by") or every, INTERVALS, N_("There is no interval {name!r}.{meant} There are: {known}.")
        )
        if not selector.name.isdigit():
            raise MeasureError(N_("{name!r} is not the number of a renewal; they are 1, 2, 3 ..."), name=selector.name)
        work = functools.partial(at_renewal, asked, row, int(selector.name), selector.what)
        return view.map_with(work, *beside) if beside else view.map(work)
    period = selected_period(selector.name, "month")
    bounds = np.array([seconds_at(view, begins(p, "month")) for p in (period, period + 1)], np.int64)
    work = functools.partial(_members, asked, bounds, WHATS.index(selector.what))
    return view.map_with(work, *beside) if beside else view.map(work)


def _nobody(bucket: Columns) -> Mask:
    return np.zeros(len(bucket.offsets) - 1, np.bool_)


def _trial_members(question: survival.Asked, within: int, what: str, bucket: Columns) -> Mask:
    return _outcomes(question, within, bucket)[what]


def _members(asked: Asked, bounds: I64, what: int, bucket: Columns, interval: U8 | None = None) -> Mask:
    customer, who, _ = movements(asked.changes(bucket, interval)[0], bounds)
    found = np.zeros(len(bucket.offsets) - 1, np.bool_)
    found[customer[who[:, 0, what]]] = True
    return found
