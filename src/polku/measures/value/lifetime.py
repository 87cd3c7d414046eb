"""Purchases still to come, and what they are worth, by a model of buying and one of money."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from polku.language import N_, Reader
from polku.measures.answer import Answer, Cell, Table, count_cell, estimate_cell, rate_cell, words
from polku.measures.charts import Bars, Chart, Lines, Series
from polku.measures.notebook import extra
from polku.measures.result import Count, Estimate, Rate
from polku.measures.selectors import Selector
from polku.measures.value import buying as ask
from polku.measures.value import modelling
from polku.measures.value.buying import DAY, Buying, money
from polku.measures.value.modelling import Holdout, Parameter, Told, Watched
from polku.measures.view import Mask, View
from polku.statistics.btyd.fitting import Fit, NoFit
from polku.statistics.btyd.gammagamma import GammaGamma

if TYPE_CHECKING:
    import pandas as pd

MODELS = {"bg_nbd": "BG/NBD", "mbg_nbd": "MBG/NBD", "pareto_nbd": "Pareto/NBD", "bg_bb": "BG/BB"}
#: Ends of the bands of P(alive).
BANDS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
WEAK = N_("some parameters are weakly held by these purchases")
ONCE = N_("BG/NBD holds everyone who bought once to be alive, and here these are most; mbg_nbd does not")
MISSED = N_("in the time kept back this model missed the purchases by more than a quarter: see the hold-out check")
RELATED = N_("how often and for how much one buys go together here, which the model of money takes not to be so")


@dataclasses.dataclass(frozen=True, slots=True)
class Band:
    """Customers whose P(alive) lies above ``low`` and up to ``high`` (the lowest band takes in 0)."""

    low: float
    high: float
    customers: Count
    share: Rate
    purchases: float | None  # expected of all of them within the horizon
    value: float | None


@dataclasses.dataclass(frozen=True, slots=True)
class CustomerValue:
    """One customer: what was seen, and what the models tell."""

    customer: int
    name: str | None
    purchases: int  # occasions so far, the first included
    silent: int  # days since the last
    alive: float
    expected: float
    worth: float | None
    value: float | None


@dataclasses.dataclass(frozen=True, eq=False)
class Individuals:
    """The same of everyone, as arrays; the rows of ``to_frame("customers")``."""

    watched: Watched
    told: Told


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lifetime(Answer):
    name = "lifetime"
    says = (
        N_(
            "Of every customer who first bought in the period, all purchases up to the moment are looked at: how many "
            "came after the first (x), when the last one was (t_x) and how long they have been watched (T). Purchases "
            "of one day are one occasion; refunds are taken off, and what was given back whole does not count."
        ),
        N_(
            "The model says how often each customer buys and when customers leave, both differing from one to the "
            "next; its parameters are those that make the purchases most likely (maximum likelihood)."
        ),
        N_("P(alive) is the probability that a customer has not left, given x, t_x and T."),
        N_(
            "Value = expected purchases within the horizon, each discounted to today, x what a purchase of this "
            "customer is worth on average (Gamma-Gamma) x margin."
        ),
        N_(
            "Intervals are 95 % and hold what is not known of the parameters (delta method); the chance of single "
            "purchases comes on top."
        ),
        N_(
            "Hold-out: the model is fitted to the first part of the time alone, and what it expects of the rest is "
            "held against what came."
        ),
    )

    purchases: tuple[str, ...]
    refunds: tuple[str, ...]
    model: str
    horizon: int  # seconds
    discount: float
    margin: float
    currency: str
    unit: int  # days of one unit of time: 1, or the length of an occasion
    buyers: Count
    repeat: Rate
    reason: str | None  # why there is no model
    parameters: tuple[Parameter, ...]
    log_likelihood: float | None
    bic: float | None
    money_reason: str | None  # why there is no model of money
    money_parameters: tuple[Parameter, ...]
    money_left_out: int  # customers who came back but paid nothing, net of refunds
    correlation: float | None  # of how often and how much
    alive: Estimate
    expected: Estimate
    value: Estimate
    of_a_new_customer: Estimate  # repeat purchases within the horizon
    bands: tuple[Band, ...]
    top: tuple[CustomerValue, ...]
    holdout: Holdout
    guessed: int  # refunds without an amount
    individuals: Individuals | None = dataclasses.field(default=None, repr=False, compare=False)

    def to_dict(self) -> Any:
        """Plain data of the answer; of single customers only the top ones."""
        found = super(Lifetime, dataclasses.replace(self, individuals=None)).to_dict()
        del found["individuals"]
        return found

    def to_frame(self, table: int | str = 0, language: str = "en", notes: bool = False) -> pd.DataFrame:
        """As in every answer; ``to_frame("customers")`` has every customer a row: ``customer``, ``frequency``,
        ``recency`` and ``age`` (in ``unit`` days), ``mean`` (money of a repeat purchase), ``alive``, ``expected``,
        ``worth`` and ``value``. Without a model the last four are missing.
        """
        if not isinstance(table, str):
            return super().to_frame(table, language, notes)
        pandas = extra("pandas", "notebook")
        columns: dict[str, Any] = {}
        if self.individuals is not None:
            watched, told = self.individuals.watched, self.individuals.told
            columns = {n: getattr(watched, n) for n in ("customer", "frequency", "recency", "age", "mean")}
            columns |= {"alive": told.alive, "expected": told.purchases, "worth": told.worth, "value": told.value}
        frame: pd.DataFrame = pandas.DataFrame(columns)
        return frame

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        found = [self._summary(reader)]
        if self.bands:
            found.append(self._by_band(reader))
        if self.top:
            found.append(self._top(reader))
        if self.parameters:
            found.append(self._parameters(reader))
        found.append(self._hold_out(reader))
        return tuple(found)

    def _summary(self, reader: Reader) -> Table:
        write = money(reader, self.currency)
        ahead = reader("within {time}", time=reader.duration(self.horizon))

        def number(value: float) -> str:
            return reader.number(value, 1)

        rows = (
            (words(reader("customers who bought")), count_cell(self.buyers, reader)),
            (words(reader("of them, bought again")), rate_cell(self.repeat, reader)),
            (words(reader("customers still there (sum of P(alive))")), estimate_cell(self.alive, reader, number)),
            (
                words(reader("expected purchases, {ahead}", ahead=ahead)),
                estimate_cell(self.expected, reader, number),
            ),
            (
                words(
                    reader(
                        "their value, {ahead}, discounted by {rate} a year", ahead=ahead,
                        rate=reader.percent(self.discount),
                    )
                ),
                estimate_cell(self.value, reader, write),
            ),
            (
                words(reader("repeat purchases of a new customer, {ahead}", ahead=ahead)),
                estimate_cell(self.of_a_new_customer, reader, lambda v: reader.number(v, 2)),
            ),
        )  # fmt: skip
        title = reader("Purchases to come, by {model}", model=MODELS[self.model])
        return Table(title, (reader("figure"), reader("amount")), rows)

    def _by_band(self, reader: Reader) -> Table:
        heads = (
            reader("P(alive)"), reader("customer count"), reader("share"), reader("expected purchases"),
            reader("value to come"),
        )  # fmt: skip
        rows = tuple(
            (
                words(_band(b, reader), b.low),
                count_cell(b.customers, reader),
                rate_cell(b.share, reader),
                _number(b.purchases, lambda v: reader.number(v, 1)),
                _number(b.value, money(reader, self.currency)),
            )
            for b in self.bands
        )
        return Table(reader("Customers by P(alive)"), heads, rows)

    def _top(self, reader: Reader) -> Table:
        write = money(reader, self.currency)
        heads = (
            reader("customer name"), reader("purchase count"), reader("days since the last purchase"),
            reader("P(alive)"), reader("expected purchases"), reader("worth of a purchase"), reader("value to come"),
        )  # fmt: skip
        rows = tuple(
            (
                words(t.name or f"#{t.customer}", t.customer),
                Cell(reader.number(t.purchases), t.purchases, number=True),
                Cell(reader.number(t.silent), t.silent, number=True),
                Cell(reader.percent(t.alive), t.alive, number=True, share=t.alive),
                _number(t.expected, lambda v: reader.number(v, 2)),
                _number(t.worth, write),
                _number(t.value, write),
            )
            for t in self.top
        )
        return Table(reader("Customers of most value to come"), heads, rows)

    def _parameters(self, reader: Reader) -> Table:
        rows = []
        for model, found in ((MODELS[self.model], self.parameters), ("Gamma-Gamma", self.money_parameters)):
            for p in found:
                note = reader("weakly held by the data") if p.weak else None
                if p.low is not None and p.high is not None:
                    note = reader("{low} to {high}", low=reader.number(p.low, 3), high=reader.number(p.high, 3))
                cell = Cell(reader.number(p.value, 3), p.value, number=True, note=note)
                rows.append((words(model), words(p.name), cell))
        if not self.money_parameters and self.money_reason:
            rows.append(
                (words("Gamma-Gamma"), words("–"), Cell("–", None, number=True, note=reader(self.money_reason)))
            )
        return Table(reader("Parameters"), (reader("model"), reader("parameter"), reader("estimate")), tuple(rows))

    def _hold_out(self, reader: Reader) -> Table:
        check = self.holdout
        heads = (
            reader("repeat purchases before"), reader("customer count"), reader("expected a customer"),
            reader("actual a customer"),
        )  # fmt: skip
        title = reader("Hold-out check")
        if check.reason is not None:
            row = (words("–"), *(Cell("–", None, number=True) for _ in range(2)))
            return Table(title, heads, ((*row, Cell("–", None, number=True, note=reader(check.reason))),))
        last = modelling.MOST_SHOWN
        rows = tuple(
            (
                words(reader("{n} or more", n=last) if r.frequency == last else str(r.frequency), r.frequency),
                Cell(reader.number(r.customers), r.customers, number=True),
                Cell(reader.number(r.expected, 2), r.expected, number=True),
                Cell(reader.number(r.actual, 2), r.actual, number=True),
            )
            for r in check.rows
        )
        assert check.expected is not None
        assert check.actual is not None
        whole = (
            words(reader("all purchases")),
            Cell(reader.number(check.customers), check.customers, number=True),
            Cell(reader.number(check.expected, 0), check.expected, number=True),
            Cell(reader.number(check.actual), check.actual, number=True),
        )
        title = reader("{title}: the last {days} days were kept back", title=title, days=check.days)
        return Table(title, heads, (*rows, whole))

    def charts(self, reader: Reader) -> tuple[Chart, ...]:
        found: list[Chart] = []
        if self.bands:
            counts = Series(
                reader("customer count"), tuple(float(b.customers.n) for b in self.bands),
                behind=tuple(b.customers.behind for b in self.bands),
            )  # fmt: skip
            labels = tuple(_band(b, reader) for b in self.bands)
            found.append(Bars(reader("Customers by P(alive)"), labels, (counts,), "count", x_title=reader("P(alive)")))
        rows = self.holdout.rows
        if rows:
            last = modelling.MOST_SHOWN
            series = (
                Series(reader("expected"), tuple(r.expected for r in rows), solid=(False,) * len(rows)),
                Series(reader("actual"), tuple(r.actual for r in rows)),
            )
            labels = tuple(f"{r.frequency}+" if r.frequency == last else str(r.frequency) for r in rows)
            found.append(
                Lines(
                    reader("Purchases in the time kept back, expected and actual"),
                    labels,
                    series,
                    "number",
                    x_title=reader("repeat purchases before"),
                    y_title=reader("purchases a customer"),
                )
            )
        return tuple(found)


def _band(band: Band, reader: Reader) -> str:
    return reader("{low} to {high}", low=reader.percent(band.low, 0), high=reader.percent(band.high, 0))


def _number(value: float | None, show: Any) -> Cell:
    return Cell("–", None, number=True) if value is None else Cell(show(value), value, number=True)


def lifetime(
    view: View,
    from_: Sequence[str] | None = None,
    refunds: Sequence[str] | None = None,
    model: str = "bg_nbd",
    horizon: int = 365 * DAY,
    discount: float = 0.1,
    margin: float = 1.0,
    every: int = 30 * DAY,
    holdout: float = 0.5,
    limit: int = 50,
) -> Lifetime:
    """Expected purchases, P(alive) and value of every customer who first bought in the view's period.

    ``horizon`` and ``every`` are seconds (whole days at least), ``discount`` yearly, ``holdout`` the last share of the
    time. Where no model can be fitted, the figures are None with the reason. Raises MeasureError for unknown steps.
    """
    question = ask.buying(view, from_, refunds)
    days = max(1, every // DAY) if model == "bg_bb" else None
    watched, fit = fitted(view, question, model, days)
    spend, left_out = modelling.fit_money(watched)
    if (unsummed := ask.no_sums(view)) is not None:
        spend = NoFit(unsummed)
    time = horizon / DAY / watched.unit
    options: dict[str, object] = {**question.options, "every": days}

    def pick(what: str, **more: object) -> str:
        return view.select("lifetime", model, what, **options, **more)

    n = len(watched.customer)
    again = int((watched.frequency > 0).sum())
    buyers = Count(n, pick("customers"))
    related = modelling.correlation(watched) if unsummed is None else None
    reason = fit.reason if isinstance(fit, NoFit) else None
    nothing = Estimate(None, n=n, reason=reason)
    found = Lifetime(
        period=view.period, persona=view.persona, segment=view.segment,
        purchases=question.purchases, refunds=question.refunds, model=model, horizon=horizon, discount=discount,
        margin=margin, currency=ask.currency_of(view), unit=watched.unit, buyers=buyers,
        repeat=Rate(again, n, behind=pick("repeat"), behind_all=buyers.behind), reason=reason,
        parameters=(), log_likelihood=None, bic=None,
        money_reason=spend.reason if isinstance(spend, NoFit) else None,
        money_parameters=() if isinstance(spend, NoFit) else modelling.parameters(spend), money_left_out=left_out,
        correlation=related, alive=nothing, expected=nothing, value=nothing, of_a_new_customer=nothing,
        bands=(), top=(), holdout=modelling.hold_out(view, question, model, holdout, days), guessed=watched.guessed,
    )  # fmt: skip
    if isinstance(fit, NoFit):
        return found
    known = None if isinstance(spend, NoFit) else spend
    told = modelling.tell(watched, fit, known, time, discount, margin)
    caution = MISSED if found.holdout.off else WEAK if fit.weak else None
    mostly_once = ONCE if model == "bg_nbd" and 2 * again < n else None
    new = fit.spread(lambda m: m.expected_new(time))
    return dataclasses.replace(
        found,
        parameters=modelling.parameters(fit),
        log_likelihood=fit.log_likelihood,
        bic=fit.bic,
        alive=_cautious(modelling.total_alive(watched, fit, told), mostly_once or caution),
        expected=_cautious(modelling.total_purchases(watched, fit, told, time), caution),
        value=_cautious(_value(watched, fit, spend, told, time, discount, related), caution),
        of_a_new_customer=_cautious(modelling.estimate(fit.model.expected_new(time), new, n, fit.no_interval), caution),
        bands=_bands(told, pick),
        top=_best(view, watched, told, limit),
        individuals=Individuals(watched, told),
    )


def fitted(view: View, question: Buying, model: str, days: int | None) -> tuple[Watched, Fit[Any] | NoFit]:
    """The customers, and the model fitted to them.

    The fit is kept for all that is asked of the same view; the customers are not, as a million of them are 60 MB.
    """
    watched = modelling.watch(view, question, view.as_of + 1, days)
    key = ("lifetime", model, question.purchases, question.refunds, days)
    return watched, view.once(key, lambda: modelling.fit_buying(watched, model))


def _cautious(estimate: Estimate, caution: str | None) -> Estimate:
    return dataclasses.replace(estimate, reason=estimate.reason or caution)


def _value(
    watched: Watched, fit: Fit[Any], spend: Fit[GammaGamma] | NoFit, told: Told, time: float, discount: float,
    related: float | None,
) -> Estimate:  # fmt: skip
    if isinstance(spend, NoFit):
        return Estimate(None, n=len(watched.customer), reason=spend.reason)
    caution = RELATED if related is not None and abs(related) > 0.3 else WEAK if fit.weak or spend.weak else None
    return _cautious(modelling.total_value(watched, fit, spend, told, time, discount), caution)


def _bands(told: Told, pick: Any) -> tuple[Band, ...]:
    found = []
    for low, high in itertools.pairwise(BANDS):
        some = _between(told.alive, low, high)
        behind = pick("alive", low=low, high=high)
        value = float(told.value[some].sum())
        found.append(
            Band(
                low,
                high,
                Count(int(some.sum()), behind),
                Rate(int(some.sum()), len(some), behind=behind, behind_all=pick("customers")),
                float(told.purchases[some].sum()),
                None if np.isnan(value) else value,
            )
        )
    return tuple(found)


def _between(alive: Any, low: float, high: float) -> Mask:
    return np.asarray((alive <= high) & ((alive > low) | (low == 0.0)))


def _best(view: View, watched: Watched, told: Told, limit: int) -> tuple[CustomerValue, ...]:
    by = np.where(np.isnan(told.value), told.purchases, told.value)
    places = np.lexsort((watched.customer, -by))[:limit]
    keys = [int(k) for k in watched.customer[places]]
    names = ask.names_of(view, keys)
    return tuple(
        CustomerValue(
            key,
            names[key],
            int(watched.frequency[p]) + 1,
            int((watched.age[p] - watched.recency[p]) * watched.unit),
            float(told.alive[p]),
            float(told.purchases[p]),
            None if np.isnan(told.worth[p]) else float(told.worth[p]),
            None if np.isnan(told.value[p]) else float(told.value[p]),
        )
        for key, p in zip(keys, places, strict=True)
    )


def members(view: View, selector: Selector) -> list[Mask]:
    """bool[C] a bucket: the customers that a model looks at, those who bought again, those between two P(alive)."""
    question = ask.buying_of(view, selector)
    every = selector.option("every")
    watched, fit = fitted(view, question, selector.name, int(every) if every else None)
    chosen = np.ones(len(watched.customer), np.bool_)
    if selector.what == "repeat":
        chosen = watched.frequency > 0
    elif selector.what == "alive":
        if isinstance(fit, NoFit):
            chosen[:] = False
        else:
            rows, row_of = watched.rows
            low, high = (float(selector.option(name) or end) for name, end in (("low", 0.0), ("high", 1.0)))
            chosen = _between(fit.model.alive(rows)[row_of], low, high)
    found, at = [], 0
    for there in watched.there:
        mask = np.zeros(len(there), np.bool_)
        count = int(there.sum())
        mask[there] = chosen[at : at + count]
        found.append(mask)
        at += count
    return found
