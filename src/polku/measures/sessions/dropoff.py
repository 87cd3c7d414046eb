"""Drop-off: where customers left without converting and did not come back, by stage, touchpoint, page or event."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import numpy.typing as npt

from polku.errors import MeasureError
from polku.journey.model import Text, titled
from polku.kernels.columns import Columns
from polku.language import N_, Reader
from polku.measures.answer import Answer, Cell, Table, count_cell, money_cell, rate_cell, words
from polku.measures.charts import Bars, Chart, Series
from polku.measures.result import Count, Money, Rate
from polku.measures.selectors import Selector
from polku.measures.sessions.stretches import Rule, Stretches, rule_of, stretches
from polku.measures.steps import codes_of, goal_of
from polku.measures.value.buying import currency_of, no_sums
from polku.measures.view import Mask, View, known

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
DAY = 86400
#: Events that put something into a cart and take it out, by their canonical names.
ADDED, REMOVED = "Product Added", "Product Removed"
# columns of the counts of a place: sessions that met it, that ended there without converting, of these those whose
# time is up and those who did not come back in it; and different customers of the last
MET, LEFT, DUE, LOST, CUSTOMERS = range(5)
COUNTS = 5


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """A stage, touchpoint, page or event."""

    name: str
    title: Text
    left: Rate  # sessions that ended here without converting / sessions that met it
    lost: Rate  # of those, who did not come back in time; pending where the time is not up
    customers: Count  # different customers of the lost
    money: Money | None  # in the carts of the lost sessions


@dataclasses.dataclass(frozen=True, kw_only=True)
class DropOff(Answer):
    name = "dropoff"
    says = (
        N_("Left here = sessions whose last step is here and in which nobody converted / sessions that met it."),
        N_("Did not come back = of those who left here, whose customers have no event within the time after it."),
        N_("Where the time after a session is not up yet, it is told as not yet, even if they are back already."),
        N_("In carts = in the sessions of those, the values of what was added less what was taken out."),
    )

    by: str
    to: str | None
    within: int
    cart: str | None
    places: tuple[Place, ...]  # in the map's order; by page and event the most lost first

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        heads = (
            reader(self.by), reader("left here"), reader("did not come back"), reader("customer count"),
            reader("in carts"),
        )  # fmt: skip
        rows = tuple(
            (
                words(reader.said(p.title), p.name),
                rate_cell(p.left, reader),
                rate_cell(p.lost, reader),
                count_cell(p.customers, reader),
                Cell("–", None, number=True)
                if p.money is None
                else money_cell(p.money.amount, p.money.currency, reader, p.money.behind),
            )
            for p in self.places
        )
        return (Table(reader("Drop-off"), heads, rows),)

    def charts(self, reader: Reader) -> tuple[Chart, ...]:
        lost = Series(
            reader("did not come back"), tuple(float(p.lost.numerator) for p in self.places),
            behind=tuple(p.lost.behind for p in self.places),
        )  # fmt: skip
        labels = tuple(reader.said(p.title) for p in self.places)
        return (Bars(reader("Drop-off"), labels, (lost,), across=True, y_title=reader("session count")),)


@dataclasses.dataclass(frozen=True, eq=False)
class Asked:
    """One question: the place of each code (-1 none) or, ``by_page``, of each page; 0 to ``places`` - 1."""

    rule: Rule
    within: int
    places: int
    of_code: I64
    by_page: bool
    goal: Mask  # [codes]
    adds: Mask  # [codes]
    removes: Mask  # [codes]

    def place_of_events(self, bucket: Columns) -> I64:
        """int64[N]: the place of each event, -1 for none."""
        if self.by_page:
            return bucket.page.astype(np.int64) - 1
        return np.asarray(self.of_code[bucket.code])


@dataclasses.dataclass(frozen=True, eq=False)
class Ended:
    """The sessions of the period of one bucket, all [V]: where each ended (-1: nowhere, or not asked for, or
    converted), whether its time is up, whether the customer came back in it, and the money in its cart.
    """

    found: Stretches
    place: I64  # [N] of each event
    at: I64
    due: Mask
    back: Mask
    cart: F64

    @property
    def lost(self) -> Mask:
        return np.asarray((self.at >= 0) & self.due & ~self.back)


def ended(asked: Asked, bucket: Columns) -> Ended:
    found = stretches(bucket, asked.rule)
    place = asked.place_of_events(bucket)
    last = found.last(place >= 0)
    converted = found.count(asked.goal[bucket.code]) > 0
    at = np.where((last >= 0) & found.asked & ~converted, place[last] if len(place) else last, -1)
    following = found.following()
    back = (following >= 0) & (following <= np.minimum(found.end + asked.within, asked.rule.as_of))
    due = found.end + asked.within <= asked.rule.as_of
    return Ended(found, place, at, due, back, _carts(asked, bucket, found))


def _carts(asked: Asked, bucket: Columns, found: Stretches) -> F64:
    """float64[V]: values added less values taken out, in each session; never below 0. Sessions that converted are in no
    count, so that nothing before a conversion has to be left out.
    """
    if not len(bucket.value) or not asked.adds.any():
        return np.zeros(len(found))
    sign = asked.adds[bucket.code].astype(np.float64) - asked.removes[bucket.code]
    return np.maximum(found.total(bucket.value * sign), 0.0)


@dataclasses.dataclass(frozen=True, eq=False)
class Partial:
    """Counts int64[places, COUNTS] and money float64[places] of some customers; they add up with ``+``."""

    counts: I64
    money: F64

    def __add__(self, other: Partial) -> Partial:
        return Partial(self.counts + other.counts, self.money + other.money)


def _partial(asked: Asked, bucket: Columns) -> Partial:
    found = ended(asked, bucket)
    counts = np.zeros((asked.places, COUNTS), np.int64)
    left, lost = found.at >= 0, found.lost

    def by_place(rows: Mask) -> I64:
        return np.bincount(found.at[rows], minlength=asked.places).astype(np.int64)

    counts[:, MET] = found.found.met(found.place, asked.places)
    counts[:, LEFT] = by_place(left)
    counts[:, DUE] = by_place(left & found.due)
    counts[:, LOST] = by_place(lost)
    counts[:, CUSTOMERS] = found.found.customers(lost, found.at, asked.places)
    money = np.bincount(found.at[lost], found.cart[lost], minlength=asked.places)
    return Partial(counts, money.astype(np.float64))


def grouping(view: View, by: str | None) -> str:
    """``stage`` where the map has touchpoints, else ``page`` where pages are known, else ``event``."""
    if by is not None:
        return by
    if view.journey.touchpoint_ids:
        return "stage"
    return "page" if len(view.trails.tables.pages) > 1 else "event"


def places_of(view: View, by: str) -> tuple[list[str], list[Text], I64]:
    """Names and titles of the places, and int64[codes] the place of each code (by page: none)."""
    touchpoint = view.rules.code_touchpoint.astype(np.int64)
    parts = list(view.journey.touchpoints())
    if by == "stage":
        stages = view.journey.stages
        of = np.array([*(at for at, _, _ in parts), -1], np.int64)
        return [s.id for s in stages], [titled(s) for s in stages], of[touchpoint]
    if by == "touchpoint":
        return [t.id for _, _, t in parts], [titled(t) for _, _, t in parts], touchpoint
    if by == "event":
        names = sorted(set(view.trails.tables.code_event))
        rows = {name: row for row, name in enumerate(names)}
        return names, [*names], np.array([rows[e] for e in view.trails.tables.code_event], np.int64)
    pages = [view.trails.tables.pages[p] for p in range(1, len(view.trails.tables.pages))]
    if not pages:
        raise MeasureError(N_("No page view has been seen, so nothing can be told by page; ask by touchpoint."))
    return pages, [*pages], np.full(view.trails.tables.codes, -1, np.int64)


def asked_of(
    view: View, by: str, to: str | None, within: int, cart: str | None, gap: int | None
) -> tuple[Asked, list[str], list[Text]]:  # fmt: skip
    """The question and its places. Raises MeasureError for unknown steps."""
    names, titles, of_code = places_of(view, by)
    nothing = np.zeros(view.trails.tables.codes, np.bool_)
    seen = set(view.trails.tables.code_event)
    adds = codes_of(view, cart) if cart is not None else codes_of(view, ADDED) if ADDED in seen else nothing
    removes = codes_of(view, REMOVED) if cart is None and REMOVED in seen else nothing
    goal = nothing if to is None else codes_of(view, to)
    return Asked(rule_of(view, gap), within, len(names), of_code, by == "page", goal, adds, removes), names, titles


def goal_or_none(view: View, to: str | None) -> str | None:
    """The goal asked for, else the map's; None where the map has none: then nobody converts."""
    if to is not None:
        return to
    try:
        return goal_of(view.journey)
    except MeasureError:
        return None


def dropoff(
    view: View, by: str | None = None, to: str | None = None, within: int = 7 * DAY, cart: str | None = None,
    gap: int | None = None, limit: int = 50,
) -> DropOff:  # fmt: skip
    """Where sessions of the period ended for good. Times are seconds. Raises MeasureError for unknown steps."""
    by, to = grouping(view, by), goal_or_none(view, to)
    asked, names, titles = asked_of(view, by, to, within, cart, gap)
    zero = Partial(np.zeros((asked.places, COUNTS), np.int64), np.zeros(asked.places))
    total = view.sum(functools.partial(_partial, asked), zero)
    ordered = np.arange(asked.places)
    if by in ("page", "event"):
        ordered = np.lexsort((ordered, -total.counts[:, LEFT], -total.counts[:, LOST]))
    in_carts = bool(asked.adds.any()) and any(len(c.value) for c in view.columns) and no_sums(view) is None

    def place(row: int) -> Place:
        met, left, due, lost, customers = total.counts[row].tolist()
        at = functools.partial(
            view.select, "dropoff", names[row], by=by, to=to, within=within, cart=cart, gap=gap
        )  # fmt: skip
        money = Money(float(total.money[row]), currency_of(view), lost, at("lost")) if in_carts else None
        return Place(
            names[row], titles[row], Rate(left, met, behind=at("left"), behind_all=at("met"), unit="sessions"),
            Rate(lost, due, left - due, at("lost"), at("back"), at("pending"), behind_all=at("due"), unit="sessions"),
            Count(customers, at("lost")), money,
        )  # fmt: skip

    shown = [int(row) for row in ordered if total.counts[row, MET]][:limit]
    return DropOff(
        period=view.period, persona=view.persona, segment=view.segment, by=by, to=to, within=within, cart=cart,
        places=tuple(map(place, shown)),
    )  # fmt: skip


def members(view: View, selector: Selector) -> list[Mask]:
    """bool[C] a bucket: the customers of the sessions behind a number."""
    option = selector.option
    gap = option("gap")
    asked, names, _ = asked_of(
        view, option("by") or "stage", option("to"), int(option("within") or 7 * DAY), option("cart"),
        int(gap) if gap else None,
    )  # fmt: skip
    place = known(selector.name, names, N_("Nobody has been at {name!r} here.{meant} There are: {known}."))
    return view.map(functools.partial(_members, asked, place, selector.what))


def _members(asked: Asked, place: int, what: str, bucket: Columns) -> Mask:
    found = ended(asked, bucket)
    rows = found.at == place
    if what == "met":
        rows = found.found.asked & (found.found.count(found.place == place) > 0)
    elif what == "pending":
        rows &= ~found.due
    elif what != "left":
        rows &= found.due
        if what != "due":
            rows &= found.back if what == "back" else ~found.back
    return found.found.members(rows)
