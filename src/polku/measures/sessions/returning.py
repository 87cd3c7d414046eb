"""Returning visits: their share, how many visits customers make, and the time between two of them."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import numpy.typing as npt

from polku.kernels.columns import Columns
from polku.language import N_, Reader
from polku.measures.answer import Answer, Cell, Table, count_cell, rate_cell, time_cell, words
from polku.measures.charts import Bars, Chart, Series
from polku.measures.quantiles import quantiles
from polku.measures.result import Count, Quantiles, Rate
from polku.measures.selectors import Selector
from polku.measures.sessions.stretches import Rule, Stretches, online_codes, rule_of, stretches
from polku.measures.view import Mask, View

I64 = npt.NDArray[np.int64]
U32 = npt.NDArray[np.uint32]
HOUR, DAY = 3600, 86400
#: Where the classes of visits a customer, and of seconds between two visits, end.
VISITS = (2, 3, 4, 5, 6, 10, 20, 50)
BETWEEN = (HOUR, 6 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 30 * DAY, 90 * DAY, 180 * DAY)
ALL = "*"


@dataclasses.dataclass(frozen=True, slots=True)
class Class:
    """Customers (or visits) with ``low`` up to, not including, ``high`` (None: and more)."""

    low: int
    high: int | None
    share: Rate

    @property
    def n(self) -> int:
        return self.share.numerator


@dataclasses.dataclass(frozen=True, kw_only=True)
class Returning(Answer):
    name = "returning"
    says = (
        N_("A visit is a session on the web, in an app or on a channel unknown; it counts when it began."),
        N_("Returning visits = visits of customers who had visited before / visits, whenever the visit before was."),
        N_("Returning customers = customers with a returning visit / customers with a visit."),
        N_("Time between visits = from the last event of the visit before to the first of this one."),
        N_("A customer is known across devices only where their ids have been joined, so the share is a least share."),
    )

    gap: int
    own: bool
    visits: Rate
    visitors: Rate  # different customers
    number: tuple[Class, ...]  # customers by their visits in the period
    mean: float | None  # visits a customer
    between: Quantiles
    waits: tuple[Class, ...]  # returning visits by the time since the one before

    @property
    def rate(self) -> Rate:
        return self.visits

    @property
    def by_visit(self) -> bool:
        return True

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        mean = Cell("–", None, number=True)
        if self.mean is not None:
            mean = Cell(reader.number(self.mean, 2), self.mean, self.visits.behind_all, number=True)
        rows = (
            (words(reader("returning visits"), "visits"), rate_cell(self.visits, reader)),
            (words(reader("returning customers"), "customers"), rate_cell(self.visitors, reader)),
            (words(reader("visits a customer"), "mean"), mean),
            (words(reader("time between visits"), "between"), time_cell(self.between, reader)),
        )
        number = tuple((words(_number(c, reader), c.low), *_cells(c, reader)) for c in self.number)
        waits = tuple((words(_time(c, reader), c.low), *_cells(c, reader)) for c in self.waits)
        return (
            Table(reader("Returning visits"), (reader("figure"), reader("value")), rows),
            Table(reader("Visits a customer"), (reader("visits"), reader("customer count"), reader("share")), number),
            Table(
                reader("Time between visits"),
                (reader("time since the visit before"), reader("visit count"), reader("share")),
                waits,
            ),
        )

    def charts(self, reader: Reader) -> tuple[Chart, ...]:
        def series(name: str, classes: tuple[Class, ...]) -> tuple[Series, ...]:
            return (Series(name, tuple(float(c.n) for c in classes), behind=tuple(c.share.behind for c in classes)),)

        return (
            Bars(
                reader("Time between visits"), tuple(_time(c, reader) for c in self.waits),
                series(reader("visit count"), self.waits), x_title=reader("time since the visit before"),
            ),
            Bars(
                reader("Visits a customer"), tuple(_number(c, reader) for c in self.number),
                series(reader("customer count"), self.number), x_title=reader("visits"),
            ),
        )  # fmt: skip


def _cells(given: Class, reader: Reader) -> tuple[Cell, Cell]:
    return count_cell(Count(given.n, given.share.behind, given.share.unit), reader), rate_cell(given.share, reader)


def _number(given: Class, reader: Reader) -> str:
    if given.high is None:
        return reader(N_("{start} or more"), start=reader.number(given.low))
    if given.high == given.low + 1:
        return reader.number(given.low)
    return reader(N_("{low} to {high}"), low=reader.number(given.low), high=reader.number(given.high - 1))


def _time(given: Class, reader: Reader) -> str:
    if given.high is None:
        return reader(N_("{start} or more"), start=reader.duration(given.low))
    return reader(N_("{low} to {high}"), low=reader.duration(given.low), high=reader.duration(given.high))


@dataclasses.dataclass(frozen=True, eq=False)
class Visits:
    """Visits of the period of one bucket: which of its sessions they are, the how-many-th visit of the customer each
    is, and the seconds since the one before (-1: none); all [V].
    """

    found: Stretches
    asked: Mask
    number: I64
    wait: I64

    @property
    def by_customer(self) -> I64:
        """int64[C]: visits of each customer in the period."""
        customers = len(self.found.bucket.offsets) - 1
        return np.bincount(self.found.customer[self.asked], minlength=customers).astype(np.int64)


def visits_of(rule: Rule, online: Mask, bucket: Columns) -> Visits:
    """The visits of a bucket; what is no visit is passed over, also as the visit before."""
    every = stretches(bucket, rule)
    visit = every.count(online[bucket.code]) > 0
    found = dataclasses.replace(
        every, starts=every.starts[visit], ends=every.ends[visit], customer=every.customer[visit],
        begin=every.begin[visit], end=every.end[visit], asked=every.asked[visit],
    )  # fmt: skip
    wait = np.full(len(found), -1, np.int64)
    same = found.customer[1:] == found.customer[:-1]
    # sessions that the source itself named may run side by side: then no time lies between them
    wait[1:][same] = np.maximum(found.begin[1:] - found.end[:-1], 0)[same]
    return Visits(found, found.asked, found.number, wait)


@dataclasses.dataclass(frozen=True, eq=False)
class Partial:
    """Counts: visits, returning visits, customers, returning customers; customers by visits; and the waits."""

    totals: I64
    number: I64
    waits: tuple[U32, ...]  # an array a bucket

    def __add__(self, other: Partial) -> Partial:
        return Partial(self.totals + other.totals, self.number + other.number, self.waits + other.waits)


def _partial(rule: Rule, online: Mask, bucket: Columns) -> Partial:
    visits = visits_of(rule, online, bucket)
    again = visits.asked & (visits.number > 1)
    there = visits.by_customer
    totals = [
        visits.asked.sum(), again.sum(), (there > 0).sum(), visits.found.customers(again)[0],
    ]  # fmt: skip
    number = np.bincount(np.searchsorted(VISITS, there[there > 0], side="right"), minlength=len(VISITS) + 1)
    return Partial(np.array(totals, np.int64), number.astype(np.int64), (visits.wait[again].astype(np.uint32),))


def returning(view: View, gap: int | None = None, own: bool = True) -> Returning:
    """Returning visits of the period. ``gap`` is seconds, by default the map's."""
    rule, online = rule_of(view, gap, own), online_codes(view)
    zero = Partial(np.zeros(4, np.int64), np.zeros(len(VISITS) + 1, np.int64), ())
    total = view.sum(functools.partial(_partial, rule, online), zero)
    select = functools.partial(view.select, "returning", ALL, gap=gap, own=None if own else "no")
    visits, again, customers, came_back = total.totals.tolist()
    everyone, back = select("all"), select("returning")
    every_wait = np.concatenate([*total.waits, np.empty(0, np.uint32)])
    in_class = np.bincount(np.searchsorted(BETWEEN, every_wait, side="right"), minlength=len(BETWEEN) + 1)
    number = tuple(
        Class(low, high, Rate(int(n), customers, behind=select("number", at=at), behind_all=everyone))
        for at, (low, high, n) in enumerate(zip((1, *VISITS), (*VISITS, None), total.number, strict=True))
    )
    waits = tuple(
        Class(low, high, Rate(int(n), again, behind=select("wait", at=at), behind_all=back, unit="visits"))
        for at, (low, high, n) in enumerate(zip((0, *BETWEEN), (*BETWEEN, None), in_class, strict=True))
    )
    return Returning(
        period=view.period, persona=view.persona, segment=view.segment, gap=rule.gap, own=own,
        visits=Rate(again, visits, behind=back, behind_not=select("new"), behind_all=everyone, unit="visits"),

        visitors=Rate(came_back, customers, behind=back, behind_not=select("once"), behind_all=everyone), number=number,
        mean=visits / customers if customers else None,
        between=dataclasses.replace(quantiles([every_wait]), behind=back, unit="visits"), waits=waits,
    )  # fmt: skip


def members(view: View, selector: Selector) -> list[Mask]:
    """bool[C] a bucket: the customers of the visits behind a number."""
    gap = selector.option("gap")
    rule = rule_of(view, int(gap) if gap else None, selector.option("own") != "no")
    at = int(selector.option("at") or 0)
    return view.map(functools.partial(_members, rule, online_codes(view), selector.what, at))


def _members(rule: Rule, online: Mask, what: str, at: int, bucket: Columns) -> Mask:
    visits = visits_of(rule, online, bucket)
    if what == "number":
        there = visits.by_customer
        return np.asarray((there > 0) & (np.searchsorted(VISITS, there, side="right") == at))
    rows = visits.asked
    if what == "once":
        again = visits.found.members(rows & (visits.number > 1))
        return np.asarray((visits.by_customer > 0) & ~again)
    if what == "new":
        rows = rows & (visits.number == 1)
    elif what != "all":
        rows = rows & (visits.number > 1)
    if what == "wait":
        rows = rows & (np.searchsorted(BETWEEN, visits.wait, side="right") == at)
    return visits.found.members(rows)
