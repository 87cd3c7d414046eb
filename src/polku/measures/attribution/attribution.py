"""Conversions and money credited to channels by every model side by side, with costs in and return on ad spend out."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from polku.errors import MeasureError
from polku.kernels.attribution import paths as kernel
from polku.kernels.columns import Columns
from polku.kernels.spread import quantile
from polku.language import N_
from polku.measures.acquisition.costs import NO_COSTS, NO_COSTS_HERE, OF_EVERYONE, Costs, Spent, comparable, costs_table
from polku.measures.attribution import MODELS
from polku.measures.attribution.answer import Attribution, Channel, Credit, Step
from polku.measures.attribution.models import NO_CONVERSIONS, Credited, check_order, credits
from polku.measures.attribution.said import heard
from polku.measures.attribution.sums import LAG_DAYS, LONGEST, Settings, Sums, sums_of
from polku.measures.attribution.touches import Question, ask
from polku.measures.definition import known
from polku.measures.result import ENOUGH, Count, Estimate, Rate
from polku.measures.selectors import Selector
from polku.measures.steps import chain_of as names_of
from polku.measures.steps import chain_text
from polku.measures.value.buying import ORIGINS, currency_of, no_sums, withheld
from polku.measures.view import Mask, View

if TYPE_CHECKING:
    import pyarrow as pa

DAY = 86400
FEW = N_("few paths, so it is rough")
NO_CONVERSION = N_("no conversion is credited to it")
NO_TOUCHES = N_("There is not a single touch to credit: {by} tells no event or visit apart.")
NOTHING_SPENT = N_("nothing was spent")


def attribution(
    view: View,
    to: str | None = None,
    by: str | None = None,
    touches: Sequence[str] | None = None,
    models: Sequence[str] | None = None,
    within: int = 90 * DAY,
    count_pending: bool = False,
    refunds: Sequence[str] | None = None,
    first_share: float = 0.4,
    last_share: float = 0.4,
    half_life: int = 7 * DAY,
    order: int = 1,
    worth: str = "rate",
    top: int = 15,
) -> Attribution:
    """Every model's credits of the conversions in the view's period. Times are seconds.

    Raises MeasureError for unknown names, and where no touch tells a channel.
    """
    table = costs_table(view)
    return attributed(
        view, table, to, by, touches, models, within, count_pending, refunds, first_share, last_share, half_life,
        order, worth, top,
    )  # fmt: skip


def attributed(
    view: View, table: pa.Table | None, to: str | None = None, by: str | None = None,
    touches: Sequence[str] | None = None, models: Sequence[str] | None = None, within: int = 90 * DAY,
    count_pending: bool = False, refunds: Sequence[str] | None = None, first_share: float = 0.4,
    last_share: float = 0.4, half_life: int = 7 * DAY, order: int = 1, worth: str = "rate", top: int = 15,
) -> Attribution:  # fmt: skip
    """The same of a table of costs (day, source, medium, campaign, amount, currency, impressions, clicks)."""
    chosen = tuple(models) if models else MODELS
    for model in chosen:
        known(model, MODELS, N_("There is no attribution model {name!r}.{meant} There are: {known}."))
    if first_share + last_share > 1:
        raise MeasureError(N_("The shares of the first and the last touch come to more than 100 %."))
    question, labels = ask(view, to, by, touches, within, refunds, top)
    n = question.channels
    if not n:
        raise MeasureError(NO_TOUCHES, by=question.by)
    check_order(n, order)
    settings = Settings(
        first_share, last_share, half_life if "time_decay" in chosen else 0, order if "markov" in chosen else 0,
        count_pending,
    )  # fmt: skip
    sums = sums_of(view, question, settings, labels)
    found = credits(sums, chosen, n, settings, worth)
    goal = question.buying.purchases[0]
    select = functools.partial(
        view.select, "attribution", to=chain_text([goal]), by=by, touches=chain_text(touches) if touches else None,
        within=within, refunds=question.buying.options["refunds"], top=top if top != 15 else None,
        count_pending="yes" if count_pending else None,
    )  # fmt: skip
    spent = comparable(view, question.buying, table) if question.by in ORIGINS else None
    costs = spent.grouped(question.by) if spent is not None else {}
    no_costs = NO_COSTS if spent is None else spent.reason or NO_COSTS
    none_here = OF_EVERYONE if no_costs == OF_EVERYONE else NO_COSTS_HERE
    unsummed = no_sums(view)
    paid, paid_total = _paid_credits(view, question, settings, labels, found, spent, chosen, worth)
    effects = found["markov"].removal if "markov" in found else None
    told = heard(view, question, labels)
    said = dict(told.channels) if told is not None else {}

    def row(c: int) -> Channel:
        name = question.names[c]
        cost = costs.get(name.casefold())
        effect = float(effects.effects[c]) if effects is not None else math.nan
        return Channel(
            name, _met(sums, c, count_pending, functools.partial(select, name)), None if math.isnan(effect) else effect,
            cost.amount if cost is not None else None,
            tuple(
                _credit(m, found[m], paid[m], c, cost, sums, functools.partial(select, name), unsummed, none_here)
                for m in chosen
            ),
            Rate(said.get(name, 0), told.answered) if told is not None else None,
        )  # fmt: skip

    ended = sums.endings
    lost = int(ended[kernel.NOT]) + (int(ended[kernel.PENDING]) if count_pending else 0)
    won, pending = int(ended[kernel.CONVERTED]), 0 if count_pending else int(ended[kernel.PENDING])
    there = np.flatnonzero(sums.lengths.sum(axis=0)[1:]) + 1
    lengths = tuple(
        Step(
            k, Count(int(sums.lengths[1, k]), select("", "converted", length=k), "times"),
            Count(int(sums.lengths[0, k]), select("", "not", length=k), "times"),
        )
        for k in range(1, int(there.max(initial=0)) + 1)
    )  # fmt: skip
    touched = sums.lengths[1, 1:]
    samplings = [x.sampling for x in found.values() if x.sampling is not None]
    return Attribution(
        period=view.period, persona=view.persona, segment=view.segment, to=goal, by=question.by,
        touches=tuple(touches) if touches else None, models=chosen, within=within, order=order, worth=worth,
        refunds=question.buying.refunds, currency=currency_of(view),
        conversion=Rate(
            won, won + lost, pending, select("", "converted"), select("", "not"),
            None if count_pending else select("", "pending"), unit="times", behind_all=select("", "had_time"),
        ),
        untouched=Count(sums.untouched, select("", "untouched"), "times"),
        untouched_money=sums.untouched_money if unsummed is None else None,
        money=float(sums.credit[:, 1, :, 1].sum()) if unsummed is None else None,
        unsummed=unsummed, channels=tuple(row(c) for c in range(n)),
        lengths=lengths,
        mean_length=float((touched * np.arange(1, LONGEST + 1)).sum() / touched.sum()) if touched.sum() else None,
        lags=tuple(
            Step(d, Count(k, select("", "converted", days=d), "times"))
            for d, k in zip(LAG_DAYS, sums.lag_days.tolist(), strict=True)
        ),
        lag=(quantile(sums.lags, 0.25), quantile(sums.lags, 0.5), quantile(sums.lags, 0.75)),
        last_lag=quantile(sums.last_lags, 0.5), states=found["markov"].states if "markov" in found else None,
        sampling_error=float(np.nanmax(samplings[0][:, 0])) if samplings else None,
        days=spent.days if spent is not None else None,
        other_currencies=spent.other_currencies if spent is not None else (),
        unmet=tuple(
            (name, cost.amount) for name, cost in costs.items() if name not in {n.casefold() for n in question.names}
        ),
        no_costs=None if paid_total else no_costs, heard=told,
    )  # fmt: skip


def _paid_credits(
    view: View, question: Question, settings: Settings, labels: tuple[npt.NDArray[np.uint32], ...] | None,
    found: dict[str, Credited], spent: Costs | None, models: tuple[str, ...], worth: str,
) -> tuple[dict[str, Credited], bool]:  # fmt: skip
    """The credits over the days of which costs are known: a second pass, where these are not the whole period."""
    if spent is None or not spent.lines:
        return found, False
    if (spent.start, spent.end) == (view.start, view.end):
        return found, True
    narrow = dataclasses.replace(question, start=spent.start, end=spent.end)
    sums = sums_of(view, narrow, settings, labels)
    return credits(sums, models, question.channels, settings, worth), True


def _met(sums: Sums, c: int, count_pending: bool, select: functools.partial[str]) -> Rate:
    lost, won, pending = (int(n) for n in sums.met[c])
    if count_pending:
        lost, pending = lost + pending, 0
    return Rate(
        won, won + lost, pending, select("converted"), select("not"), None if count_pending else select("pending"),
        unit="times", behind_all=select("had_time"),
    )  # fmt: skip


def _credit(
    model: str, found: Credited, paid: Credited, c: int, cost: Spent | None, sums: Sums, select: functools.partial[str],
    unsummed: str | None, no_costs: str,
) -> Credit:  # fmt: skip
    whole = float(np.nansum(found.spread.value[:, 0]))
    behind = select(model if model in ("first", "last") else "converted")
    conversions = _estimate(found, c, 0, sums, behind)
    worth = withheld(_estimate(found, c, 1, sums, behind), unsummed)
    value = conversions.value
    share = None if value is None or not whole > 0 else value / whole
    if cost is None:
        unknown = Estimate(None, reason=no_costs)
        return Credit(model, conversions, share, worth, unknown, unknown)
    over, of_money = _estimate(paid, c, 0, sums, behind), withheld(_estimate(paid, c, 1, sums, behind), unsummed)
    return Credit(model, conversions, share, worth, _cost(cost.amount, over), _return(cost.amount, of_money))


def _estimate(found: Credited, c: int, amount: int, sums: Sums, behind: str) -> Estimate:
    value = float(found.spread.value[c, amount])
    n = int(sums.met[c, kernel.CONVERTED])
    if math.isnan(value):
        return Estimate(None, n=n, reason=found.reason or NO_CONVERSIONS)
    error = float(found.spread.error[c, amount])
    low, high = float(found.spread.low[c, amount]), float(found.spread.high[c, amount])
    if found.sampling is not None and not math.isnan(error):
        wider = math.hypot(error, float(found.sampling[c, amount])) / error
        low, high = value - (value - low) * wider, value + (high - value) * wider
    if math.isnan(low):
        return Estimate(value, None, None, n, found.reason or FEW, behind)
    if found.sampling is None and amount == 0 and value >= 0:
        low = max(0.0, low)  # only Shapley can credit less than nothing
    return Estimate(value, low, high, n, found.reason or (FEW if n < ENOUGH else None), behind)


def _cost(spent: float, conversions: Estimate) -> Estimate:
    """Costs / conversions credited, with the ends of the latter's interval."""
    value, low, high = conversions.value, conversions.low, conversions.high
    if value is None or value <= 0:
        return Estimate(None, n=conversions.n, reason=conversions.reason or NO_CONVERSION)
    return Estimate(
        spent / value, spent / high if high else None, spent / low if low is not None and low > 0 else None,
        conversions.n, conversions.reason, conversions.behind,
    )  # fmt: skip


def _return(spent: float, of_money: Estimate) -> Estimate:
    """Money credited / costs."""
    if of_money.value is None:
        return Estimate(None, n=of_money.n, reason=of_money.reason)
    if spent <= 0:
        return Estimate(None, n=of_money.n, reason=NOTHING_SPENT)
    low, high = (None if end is None else end / spent for end in (of_money.low, of_money.high))
    return Estimate(of_money.value / spent, low, high, of_money.n, of_money.reason, of_money.behind)


# ---- who is behind


def members(view: View, selector: Selector) -> list[Mask]:
    """bool[C] a bucket: who has a path with the channel that a selector names (or with any), by how it ended; of
    ``length`` touches (LONGEST: or more) or converted from ``days`` after the first touch up to the next of LAG_DAYS,
    where the selector says so.
    """
    option = selector.option
    touches = option("touches")
    to = names_of(option("to") or "")
    question, labels = ask(
        view, to[0] or None, option("by"), names_of(touches) if touches else None,
        int(option("within") or 90 * DAY),
        names_of(option("refunds") or "") if option("refunds") else None,
        int(option("top") or 15),
    )  # fmt: skip
    channel = -1
    if selector.name:
        channel = known(selector.name, question.names, N_("No path has met {name!r}.{meant} There are: {known}."))
    length, days = (None if text is None else int(text) for text in (option("length"), option("days")))
    if days is not None:
        known(str(days), map(str, LAG_DAYS), N_("Paths are not told apart at {name} days.{meant} There are: {known}."))
    lost = (kernel.NOT, kernel.PENDING) if option("count_pending") else (kernel.NOT,)
    ended = {
        "not": lost, "pending": (kernel.PENDING,), "met": (kernel.NOT, kernel.CONVERTED, kernel.PENDING),
        "had_time": (kernel.CONVERTED, *lost),
    }.get(selector.what, (kernel.CONVERTED,))  # fmt: skip
    work = functools.partial(_members, question, channel, selector.what, ended, length, days)
    return view.map(work) if labels is None else view.map_with(work, labels)


def _members(
    question: Question, channel: int, what: str, ended: tuple[int, ...], length: int | None, days: int | None,
    bucket: Columns, labels: npt.NDArray[np.uint32] | None = None,
) -> Mask:  # fmt: skip
    found = question.paths(bucket, labels)
    table = found.table
    begin, stop = table[:, kernel.BEGIN], table[:, kernel.STOP]
    out = np.zeros(len(bucket.skip), np.bool_)
    if what == "untouched":
        kept = (stop == begin) & (table[:, kernel.STATE] == kernel.CONVERTED)
    else:
        kept = _having(found.channel, begin, stop, channel, what) & np.isin(table[:, kernel.STATE], ended)
    if length is not None:
        kept &= np.minimum(stop - begin, LONGEST) == length
    if days is not None:
        kept &= stop > begin
        table = table[kept]
        lag = (table[:, kernel.WHEN] - found.time[table[:, kernel.BEGIN]]) // DAY
        kept = np.searchsorted(LAG_DAYS, lag, side="right") - 1 == LAG_DAYS.index(days)
    out[table[kept, kernel.CUSTOMER]] = True
    return out


def _having(
    channels: npt.NDArray[np.int64], begin: npt.NDArray[np.int64], stop: npt.NDArray[np.int64], channel: int, what: str
) -> Mask:
    """bool[P]: paths with a touch of the channel (-1 any), or whose first or last touch is of it."""
    touched = stop > begin
    if channel < 0 or not len(channels):
        return touched
    here = channels == channel
    if what in ("first", "last"):
        place = begin if what == "first" else stop - 1
        return np.asarray(touched & here[np.minimum(place, len(here) - 1)])
    before = np.append(0, np.cumsum(here))
    return np.asarray(before[stop] > before[begin])
