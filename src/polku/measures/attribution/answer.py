"""The answer of an attribution: its figures, tables and pictures."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from polku.language import N_, Reader
from polku.measures.answer import Answer, Cell, Table, count_cell, estimate_cell, rate_cell, words
from polku.measures.attribution.said import Heard, Said
from polku.measures.attribution.sums import LAG_DAYS, LONGEST
from polku.measures.attribution.touches import OTHERS, channel_title
from polku.measures.charts import Bars, Chart, Series
from polku.measures.result import Count, Estimate, Rate
from polku.measures.value.buying import money

TITLES = {
    "first": N_("first touch"), "last": N_("last touch"), "last_non_direct": N_("last non-direct touch"),
    "linear": N_("linear"), "position": N_("position-based"), "time_decay": N_("time decay"), "markov": N_("Markov"),
    "shapley": N_("Shapley"),
}  # fmt: skip
DAY = 86400


@dataclasses.dataclass(frozen=True, slots=True)
class Credit:
    """What one model credits to one channel."""

    model: str
    conversions: Estimate
    share: float | None  # of all that the model credits
    money: Estimate
    cost: Estimate  # of a conversion
    roas: Estimate  # return on ad spend: money / costs


@dataclasses.dataclass(frozen=True, slots=True)
class Channel:
    """One channel: who met it, what was spent on it, and its credit by every model."""

    name: str
    met: Rate  # paths with it that converted / that ended; pending besides
    removal: float | None  # Markov: the share of conversions that would be lost without it
    spent: float | None  # None: no costs are known of it
    credits: tuple[Credit, ...]
    said: Rate | None = None  # of the converted who were asked, those who say that they heard of us there


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """One bar of a distribution: from ``low`` (touches, or days) up to the next."""

    low: int
    converted: Count  # paths; the lists are of whose they are
    not_converted: Count | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Attribution(Answer):
    name = "attribution"
    says = (
        N_(
            "A path is a customer's touches up to a conversion, since the conversion before it and within the "
            "look-back; or touches after which none came. A second conversion in the same visit has the "
            "touches of the first."
        ),
        N_(
            "First, last, last non-direct, linear (evenly), position (by default 40 / 20 / 40 %) and time decay "
            "(half as much for each half-life before the conversion) share every conversion among its own touches."
        ),
        N_(
            "Markov: removal effect = 1 - chance to convert without the channel / chance to convert, of the chain "
            "fitted to all paths, those that did not convert included; credit is in proportion to it (Anderl et al. "
            "2016)."
        ),
        N_(
            "Shapley: what a channel adds on average to every set of the other channels; the worth of a set is the "
            "share of paths that convert among those that met no channel outside it (Zhao et al. 2018)."
        ),
        N_(
            "95 % intervals are of the delete-a-group jackknife over 32 random groups of customers; for Shapley with "
            "more than 15 channels the standard error of drawing orders is added."
        ),
        N_("Return on ad spend = money credited / costs, over the days of which costs are known, for paid channels."),
        N_(
            "Customers say = of those who converted in the period and answered a question of the kind heard, who said "
            "that they had heard of us there; each customer's first answer, beside the first touch of their first "
            "conversion."
        ),
        N_(
            "Models share out what happened; none shows what would have happened without a channel. Where they "
            "disagree, an experiment decides."
        ),
    )

    to: str
    by: str
    touches: tuple[str, ...] | None
    models: tuple[str, ...]
    within: int
    order: int
    worth: str
    refunds: tuple[str, ...]
    currency: str
    conversion: Rate  # paths with a touch that converted / that ended
    untouched: Count  # conversions without any touch: nobody's credit
    untouched_money: float | None
    money: float | None  # of conversions with a touch, net of refunds
    unsummed: str | None  # why no money is told
    channels: tuple[Channel, ...]  # most paths first
    lengths: tuple[Step, ...]  # paths by how many touches
    mean_length: float | None  # touches on a converted path (those of LONGEST or more counted as LONGEST)
    lags: tuple[Step, ...]  # converted paths by days from the first touch
    lag: tuple[float | None, float | None, float | None]  # seconds, quartiles from the first touch to the conversion
    last_lag: float | None  # seconds, median from the last touch
    states: int | None  # of the Markov chain
    sampling_error: float | None  # the largest standard error that drawing orders brought, in conversions
    days: tuple[str, str] | None  # of which costs are known
    other_currencies: tuple[tuple[str, float], ...]
    unmet: tuple[tuple[str, float], ...]  # costs of channels that are not among those told apart
    no_costs: str | None
    heard: Heard | None = None  # what customers say; None: nobody was asked

    @property
    def rate(self) -> Rate:
        return self.conversion

    def _titles(self, reader: Reader) -> list[str]:
        if self.view is None:
            return [reader("other channels") if c.name == OTHERS else c.name for c in self.channels]
        return [channel_title(self.by, c.name, self.view, reader) for c in self.channels]

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        titles = self._titles(reader)
        write = money(reader, self.currency)
        models = tuple(reader(TITLES[m]) for m in self.models)

        def side_by_side(title: str, what: str, show: Callable[[float], str], extra: tuple[str, ...] = ()) -> Table:
            rows = tuple(
                (
                    words(titles[i], c.name),
                    *((rate_cell(c.met, reader),) if what == "conversions" else ()),
                    *((rate_cell(c.said, reader),) if what == "conversions" and c.said is not None else ()),
                    *(estimate_cell(getattr(x, what), reader, show) for x in c.credits),
                )
                for i, c in enumerate(self.channels)
            )
            return Table(title, (reader("touch channel"), *extra, *models), rows)

        def tenth(value: float) -> str:
            return reader.number(value, 1)

        found = [
            side_by_side(
                reader("Conversions credited, by model"), "conversions", tenth,
                (
                    reader("paths that met it and converted"),
                    *((reader("customers say so"),) if self.heard is not None else ()),
                ),
            ),
            side_by_side(reader("Money credited, by model"), "money", write),
        ]  # fmt: skip
        paid = [i for i, c in enumerate(self.channels) if c.spent is not None]
        if paid:
            rows = tuple(
                (
                    words(titles[i], self.channels[i].name),
                    Cell(write(self.channels[i].spent), self.channels[i].spent, number=True),
                    *(estimate_cell(x.roas, reader, lambda v: reader.number(v, 2)) for x in self.channels[i].credits),
                )
                for i in paid
            )
            title = reader("Return on ad spend, by model")
            if self.days is not None:
                title = reader(
                    "{title}, costs from {first} to {last}", title=title, first=self.days[0], last=self.days[1]
                )
            found.append(Table(title, (reader("touch channel"), reader("costs"), *models), rows))
            cost_rows = tuple(
                (
                    words(titles[i], self.channels[i].name),
                    *(estimate_cell(x.cost, reader, write) for x in self.channels[i].credits),
                )
                for i in paid
            )
            found.append(Table(reader("Cost of a conversion, by model"), (reader("touch channel"), *models), cost_rows))
        if "markov" in self.models:
            rows = tuple(
                (
                    words(titles[i], c.name),
                    Cell("–", None, number=True)
                    if c.removal is None
                    else Cell(reader.percent(c.removal), c.removal, number=True, share=c.removal),
                )
                for i, c in enumerate(self.channels)
            )
            found.append(
                Table(reader("Removal effects"), (reader("touch channel"), reader("conversions lost without it")), rows)
            )
        found.append(
            Table(
                reader("Paths by length"),
                (reader("touches on the path"), reader("converted paths"), reader("paths that did not convert")),
                tuple(
                    (
                        words(f"{s.low}+" if s.low == LONGEST else str(s.low), s.low),
                        count_cell(s.converted, reader),
                        count_cell(s.not_converted or Count(0), reader),
                    )
                    for s in self.lengths
                ),
            )
        )
        found.append(
            Table(
                reader("Days from the first touch to the conversion"),
                (reader("day span"), reader("converted paths")),
                tuple((words(_days(s.low), s.low), count_cell(s.converted, reader)) for s in self.lags),
            )
        )
        found.append(self._all(reader))
        if self.heard is not None:
            found.append(self._heard(self.heard, reader))
        return tuple(found)

    def _heard(self, heard: Heard, reader: Reader) -> Table:
        """What customers say against what clicks say."""
        titles = dict(zip((c.name for c in self.channels), self._titles(reader), strict=True))

        def clicks(said: Said) -> str:
            named = ((titles.get(name, name) if name else reader("no click"), n) for name, n in said.clicks)
            return ", ".join(f"{title} {reader.number(n)}" for title, n in named)

        rows = tuple(
            (
                words(reader(reader.said(said.title)), said.answer),
                count_cell(said.customers, reader),
                rate_cell(said.same, reader),
                words(clicks(said), [list(each) for each in said.clicks]),
            )
            for said in heard.said
        )
        heads = (N_("customers say"), N_("who converted"), N_("clicks say the same"), N_("first touches by clicks"))
        title = reader(
            "How customers say they heard of us, against their first touch: {n} asked", n=reader.number(heard.answered)
        )
        return Table(title, tuple(reader(head) for head in heads), rows)

    def _all(self, reader: Reader) -> Table:
        def time(seconds: float | None) -> Cell:
            if seconds is None:
                return Cell("–", None, number=True)
            return Cell(reader.duration(seconds), seconds, self.conversion.behind, number=True, unit="times")

        rows = [
            (words(reader("paths with a touch that converted")), rate_cell(self.conversion, reader)),
            (words(reader("conversions without any touch")), count_cell(self.untouched, reader)),
            (words(reader("median time from the first touch")), time(self.lag[1])),
            (words(reader("median time from the last touch")), time(self.last_lag)),
        ]
        if self.sampling_error is not None:
            error = Cell(reader.number(self.sampling_error, 2), self.sampling_error, number=True)
            rows.append((words(reader("Shapley: largest standard error of drawing orders, in conversions")), error))
        if self.no_costs is not None:
            rows.append((words(reader("costs")), Cell("–", None, number=True, note=reader(self.no_costs))))
        rows += [
            (
                words(reader("costs of {channel}, which is not among the channels above", channel=name)),
                Cell(reader.money(amount, self.currency), amount, number=True),
            )
            for name, amount in self.unmet
        ]
        rows += [
            (
                words(reader("costs left out, in {currency}", currency=code)),
                Cell(reader.money(amount, code), amount, number=True),
            )
            for code, amount in self.other_currencies
        ]
        return Table(reader("All paths"), (reader("figure"), reader("number")), tuple(rows))

    def charts(self, reader: Reader) -> tuple[Chart, ...]:
        if not self.channels:
            return ()
        titles = tuple(self._titles(reader))

        def bars(what: str) -> tuple[Series, ...]:
            found = []
            for m, model in enumerate(self.models):
                figures: list[Estimate] = [getattr(c.credits[m], what) for c in self.channels]
                found.append(
                    Series(
                        reader(TITLES[model]), tuple(f.value for f in figures), tuple(f.low for f in figures),
                        tuple(f.high for f in figures), behind=tuple(f.behind for f in figures),
                    )
                )  # fmt: skip
            return tuple(found)

        charts: list[Chart] = [
            Bars(reader("Conversions credited, by model"), titles, bars("conversions"), "number", across=True)
        ]
        if self.money:
            charts.append(Bars(reader("Money credited, by model"), titles, bars("money"), "money", across=True))
        if any(c.spent for c in self.channels):
            charts.append(Bars(reader("Return on ad spend, by model"), titles, bars("roas"), "number", across=True))
        lengths = (
            _counted(reader("converted paths"), [s.converted for s in self.lengths]),
            _counted(reader("paths that did not convert"), [s.not_converted or Count(0) for s in self.lengths]),
        )
        labels = tuple(f"{s.low}+" if s.low == LONGEST else str(s.low) for s in self.lengths)
        charts.append(Bars(reader("Paths by length"), labels, lengths, x_title=reader("touches on the path")))
        lags = _counted(reader("converted paths"), [s.converted for s in self.lags])
        charts.append(
            Bars(
                reader("Days from the first touch to the conversion"), tuple(_days(s.low) for s in self.lags), (lags,)
            )
        )  # fmt: skip
        return tuple(charts)


def _counted(title: str, counts: Sequence[Count]) -> Series:
    return Series(title, tuple(float(c.n) for c in counts), behind=tuple(c.behind for c in counts))


def _days(low: int) -> str:
    """ "2-3", "91+": the days from ``low`` up to the next step."""
    place = LAG_DAYS.index(low)
    if place == len(LAG_DAYS) - 1:
        return f"{low}+"
    high = LAG_DAYS[place + 1] - 1
    return str(low) if high == low else f"{low}-{high}"
