"""What the measure answers with: findings with their evidence and price, and what was looked at besides."""

from __future__ import annotations

import dataclasses

from polku.journey.model import Text
from polku.language import N_, Reader
from polku.measures.answer import Answer, Cell, Table, count_cell, estimate_cell, rate_cell, words
from polku.measures.charts import Chart, Forest, Series
from polku.measures.obstacles.suspects import Kind
from polku.measures.result import Count, Estimate, Rate


@dataclasses.dataclass(frozen=True, slots=True)
class Above:
    """Where an event comes far more often than elsewhere: its share of the visits here, and in the others."""

    where: Text
    here: float
    elsewhere: float


@dataclasses.dataclass(frozen=True, slots=True)
class Obstacle:
    """One finding. Shares are of meetings: a touchpoint met in a visit."""

    id: str
    kind: Kind
    title: Text
    at: str  # the touchpoint where it is met (most often, for an event)
    at_title: Text
    people: Count
    went_on: Rate  # of the meetings after which it came, those that went on in the visit
    expected: float  # the same of those alike who did not meet it
    loss: Estimate  # the difference, points of the share that goes on
    odds: Estimate
    p: float
    adjusted: float  # for as many looks as were taken
    share: Estimate  # of those who go on from there or would without it, those who are lost
    lost: Estimate  # goals lost in the period
    pending: int  # meetings that have not had their time: their goals are in no figure
    money: Estimate  # lost in the period
    mended: Estimate  # what it would have been worth to mend it: what it costs above what comes to everyone
    above: Above | None  # where it comes far more often than elsewhere; None: all of it is mended
    a_month: Estimate  # worth of mending it
    where: tuple[tuple[str, int], ...]  # touchpoint, meetings
    seen_in: tuple[Text, ...]  # other findings that this one accounts for
    declared: tuple[Text, ...]  # obstacles that the map names at the same touchpoint
    alone: int  # meetings with nobody alike to compare with


@dataclasses.dataclass(frozen=True, slots=True)
class Cleared:
    """A suspect that was looked at and is no obstacle by these data."""

    id: str
    title: Text
    at: str
    people: int
    loss: Estimate
    adjusted: float | None


@dataclasses.dataclass(frozen=True, slots=True)
class Declared:
    """An obstacle that the map names, and the findings at the same touchpoint."""

    touchpoint: str
    title: Text
    text: Text
    found: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Quoted:
    """What customers say nearly stopped them, of one touchpoint ("" for none): how many wrote it, the latest of them,
    and the findings there."""

    touchpoint: str
    title: Text
    count: int
    quotes: tuple[str, ...]
    found: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Obstacles(Answer):
    name = "obstacles"
    says = (
        N_(
            "An obstacle is something that people met after which fewer went on than of those alike who did not meet "
            "it. It goes with stopping; whether it is the cause, a test tells."
        ),
        N_(
            "Alike are those at the same touchpoint, met as many times in the visit, with as many visits since the "
            "last goal, who had or had not reached it before, on the same kind of device, in a visit that came by the "
            "same medium."
        ),
        N_("Went on = reached a later stage up to the goal's (from the goal's stage: the goal) in the same visit."),
        N_(
            "Difference = share of those who met it that went on - share of those alike. The interval counts by "
            "customer."
        ),
        N_(
            "Money lost = meetings x difference in reaching the goal within the time given x money of a goal "
            "reached, less what was refunded of it."
        ),
        N_(
            "Worth to mend = that; of an event that comes to some (one browser) far more often than to the others, "
            "only what is above the others' rate. What comes to everyone now and then is not mended there."
        ),
        N_(
            "As many suspects are looked at, p-values are corrected (Benjamini and Hochberg); and what does not surely "
            "cost the least share of those who would go on from there is left out."
        ),
        N_(
            "Customers say = answers of the period to questions of the kind stopped, by touchpoint; the latest of them "
            "word for word."
        ),
    )

    goal: str
    goal_title: Text
    within: int
    like: str | None
    by_source: bool
    least: float
    false_findings: float
    looked: int  # comparisons that were made
    too_few: int  # suspects that fewer than 30 people met
    found: tuple[Obstacle, ...]
    cleared: tuple[Cleared, ...]
    declared: tuple[Declared, ...]
    currency: str | None
    quoted: tuple[Quoted, ...] = ()  # answers to questions of the kind stopped

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        made = (self._found(reader), self._evidence(reader), self._declared(reader), self._cleared(reader))
        return (*made, self._quoted(reader)) if self.quoted else made

    def _quoted(self, reader: Reader) -> Table:
        titles = {o.id: reader.said(o.title) for o in self.found}
        rows = tuple(
            (
                words(reader.said(q.title) or reader("no touchpoint"), q.touchpoint),
                Cell(reader.number(q.count), q.count, number=True),
                words(" · ".join(f"“{quote}”" for quote in q.quotes), list(q.quotes)),
                words(", ".join(titles[f] for f in q.found) or reader("no sign of it in the data"), list(q.found)),
            )
            for q in self.quoted
        )
        heads = (N_("touchpoint"), N_("answers"), N_("in customers' own words"), N_("found there"))
        return Table(reader("What customers say nearly stopped them"), tuple(reader(h) for h in heads), rows)

    def _money(self, amount: float, reader: Reader) -> str:
        return reader.money(amount, self.currency or reader.currency, 0)

    def _found(self, reader: Reader) -> Table:
        rows = tuple(
            (
                words(f"{k}. {reader.said(o.title)}", o.id),
                words(reader.said(o.at_title), o.at),
                count_cell(o.people, reader),
                estimate_cell(o.lost, reader, lambda x: reader.number(x, 1)),
                estimate_cell(o.money, reader, lambda x: self._money(x, reader)),
                estimate_cell(o.mended, reader, lambda x: self._money(x, reader)),
                estimate_cell(o.a_month, reader, lambda x: self._money(x, reader)),
                words("; ".join(reader.said(d) for d in o.declared)),
            )
            for k, o in enumerate(self.found, 1)
        )
        heads = (
            N_("obstacle"), N_("met at"), N_("people"), N_("goals lost"), N_("money lost"), N_("worth to mend"),
            N_("a month"), N_("the map says"),
        )  # fmt: skip
        title = reader(
            "Where it hurts most: lost on the way to {goal}, of {n} suspects",
            goal=reader.said(self.goal_title),
            n=reader.number(self.looked),
        )
        return Table(title, tuple(reader(h) for h in heads), rows)

    def _evidence(self, reader: Reader) -> Table:
        rows = tuple(
            (
                words(reader.said(o.title), o.id),
                rate_cell(o.went_on, reader),
                Cell(reader.percent(o.expected), o.expected, number=True, share=o.expected),
                estimate_cell(o.loss, reader, reader.percent),
                estimate_cell(o.odds, reader, lambda x: reader.number(x, 2)),
                estimate_cell(o.share, reader, reader.percent),
                Cell(_p(o.adjusted, reader), o.adjusted, number=True),
                words(", ".join(f"{t} {reader.number(n)}" for t, n in o.where[:4])),
                words(", ".join(reader.said(t) for t in o.seen_in)),
                words(self._above(o, reader)),
            )
            for o in self.found
        )
        heads = (
            N_("obstacle"), N_("went on"), N_("of those alike"), N_("difference"), N_("odds ratio"),
            N_("of all who would go on"), N_("corrected p"), N_("where"), N_("accounts for"),
            N_("above the usual"),
        )  # fmt: skip
        return Table(reader("The evidence: it goes with stopping"), tuple(reader(h) for h in heads), rows)

    @staticmethod
    def _above(found: Obstacle, reader: Reader) -> str:
        if found.above is None:
            return ""
        return reader(
            "{where}: {here} of visits, elsewhere {elsewhere}",
            where=reader.said(found.above.where),
            here=reader.percent(found.above.here),
            elsewhere=reader.percent(found.above.elsewhere),
        )

    def _declared(self, reader: Reader) -> Table:
        titles = {o.id: reader.said(o.title) for o in self.found}
        rows = tuple(
            (
                words(reader.said(d.title), d.touchpoint),
                words(reader.said(d.text)),
                words(", ".join(titles[f] for f in d.found) or reader("no sign of it in the data"), list(d.found)),
            )
            for d in self.declared
        )
        heads = tuple(reader(h) for h in (N_("touchpoint"), N_("the map says"), N_("found there")))
        return Table(reader("Obstacles that the map names"), heads, rows)

    def _cleared(self, reader: Reader) -> Table:
        rows = tuple(
            (
                words(reader.said(c.title), c.id),
                words(c.at),
                count_cell(c.people, reader),
                estimate_cell(c.loss, reader, reader.percent),
                Cell("–" if c.adjusted is None else _p(c.adjusted, reader), c.adjusted, number=True),
            )
            for c in self.cleared
        )
        heads = (N_("suspect"), N_("met at"), N_("people"), N_("difference"), N_("corrected p"))
        return Table(reader("Also looked at, and no obstacle by these data"), tuple(reader(h) for h in heads), rows)

    def charts(self, reader: Reader) -> tuple[Chart, ...]:
        if not self.found:
            return ()
        known_money = any(o.money.value is not None for o in self.found)
        figures = [o.money if known_money else o.lost for o in self.found]
        series = Series(
            reader("money lost") if known_money else reader("goals lost"),
            tuple(f.value for f in figures),
            tuple(f.low for f in figures),
            tuple(f.high for f in figures),
            behind=tuple(o.people.behind for o in self.found),
        )
        labels = tuple(reader.said(o.title) for o in self.found)
        title = reader("Where it hurts most")
        return (Forest(title, labels, series, unit="money" if known_money else "number"),)


def _p(p: float, reader: Reader) -> str:
    return f"< {reader.number(0.001, 3)}" if p < 0.001 else reader.number(p, 3)
