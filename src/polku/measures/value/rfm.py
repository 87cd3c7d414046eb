"""Recency, frequency, money: every customer scored 1 to 5 on each, and put into a named segment.

The scores by fifths are those of database marketing (A. M. Hughes, Strategic Database Marketing, 1994); the ten named
segments are the common grid over the scores of recency and frequency.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from polku.errors import MeasureError
from polku.journey.values import duration
from polku.kernels import purchases as kernel
from polku.kernels.columns import Columns
from polku.language import N_, Reader
from polku.measures.answer import Answer, Cell, Table, count_cell, rate_cell, words
from polku.measures.charts import Bars, Chart, Heat, Series
from polku.measures.result import Count, Rate
from polku.measures.selectors import Selector
from polku.measures.value import buying as ask
from polku.measures.value.buying import DAY, Buying, money
from polku.measures.view import Mask, View, known

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
SCORES = 5
#: Recency score (rows, 1 first) by frequency score (columns, 1 first).
GRID = (
    ("hibernating", "hibernating", "at_risk", "at_risk", "cannot_lose"),
    ("hibernating", "hibernating", "at_risk", "at_risk", "cannot_lose"),
    ("about_to_sleep", "about_to_sleep", "need_attention", "loyal", "loyal"),
    ("promising", "potential_loyal", "potential_loyal", "loyal", "loyal"),
    ("new", "potential_loyal", "potential_loyal", "champions", "champions"),
)
#: In the order in which they are shown, the best first.
SEGMENTS: Mapping[str, str] = {
    "champions": N_("champions"),
    "loyal": N_("loyal customers"),
    "potential_loyal": N_("potential loyal customers"),
    "new": N_("new customers"),
    "promising": N_("promising"),
    "need_attention": N_("need attention"),
    "about_to_sleep": N_("about to sleep"),
    "at_risk": N_("at risk"),
    "cannot_lose": N_("not to be lost"),
    "hibernating": N_("hibernating"),
}
NAMES = tuple(SEGMENTS)


@dataclasses.dataclass(frozen=True, slots=True)
class Bounds:
    """What divides one score from the next: four ascending bounds each; ``by_fifths`` are those found in the data."""

    recency: tuple[float, ...]  # days since the last purchase
    frequency: tuple[float, ...]  # purchases
    money: tuple[float, ...]
    by_fifths: tuple[str, ...]

    def score(self, what: str, values: F64) -> I64:
        """int64[n]: the scores, 1 to 5, of values of recency, frequency or money.

        A bound that is given belongs to the better side: at most 30 days, at least 2 purchases. One between fifths lies
        at a customer's own value, which belongs to the worse.
        """
        bounds = np.asarray(getattr(self, what))
        if what == "recency":
            return SCORES - np.searchsorted(bounds, values, side="left").astype(np.int64)
        side: Literal["left", "right"] = "left" if what in self.by_fifths else "right"
        return 1 + np.searchsorted(bounds, values, side=side).astype(np.int64)

    def says(self, what: str, score: int, show: Callable[[float], str], reader: Reader) -> str:
        """A score in words: "30 to 90", "at least 5"."""
        bounds = getattr(self, what)
        if what == "recency":
            above = bounds[SCORES - 1 - score] if score < SCORES else None
            upto = bounds[SCORES - score] if score > 1 else None
            return _between(above, upto, show, reader)
        low, high = (bounds[score - 2] if score > 1 else None), (bounds[score - 1] if score < SCORES else None)
        if what in self.by_fifths:
            return _between(low, high, show, reader)
        if low is not None:
            return reader("at least {low}", low=show(low))
        return reader("below {high}", high=show(bounds[0]))


@dataclasses.dataclass(frozen=True, slots=True)
class RfmSegment:
    """One named segment: how many, and what they are like."""

    id: str
    title: str
    customers: Count
    share: Rate  # of all who bought
    recency: float | None  # median days since the last purchase
    frequency: float | None  # purchases a customer
    average: float | None  # net revenue a customer
    net: float | None
    net_share: float | None  # of all net revenue


@dataclasses.dataclass(frozen=True, slots=True)
class RfmCell:
    """Customers of one score of recency and one of frequency."""

    recency: int
    frequency: int
    customers: Count
    net: float | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rfm(Answer):
    name = "rfm"
    says = (
        N_(
            "Recency is the days from the last purchase to the end of the period, frequency the purchases in the "
            "period, money their value net of refunds. Who bought nothing in the period is left out."
        ),
        N_("Each is scored from 1 to 5, 5 the best: by fifths of the customers, or by the bounds that are given."),
        N_(
            "Equal customers get equal scores, so that fifths may be of different size: where most have bought once, "
            "most have the frequency score 1."
        ),
        N_("The named segments are a grid over the scores of recency and frequency; money is shown beside them."),
    )

    purchases: tuple[str, ...]
    refunds: tuple[str, ...]
    currency: str
    unsummed: str | None  # why nothing is told of money
    buyers: Count
    bounds: Bounds | None  # None where nobody bought
    segments: tuple[RfmSegment, ...]
    cells: tuple[RfmCell, ...]  # recency 5 to 1, frequency 1 to 5

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        return (self._by_segment(reader), self._by_bounds(reader))

    def _by_segment(self, reader: Reader) -> Table:
        write = money(reader, self.currency)
        heads = (
            N_("customer segment"), N_("customer count"), N_("share"), N_("days since the last purchase (median)"),
            N_("purchases a customer"), N_("net revenue a customer"), N_("net revenue"), N_("share of revenue"),
        )  # fmt: skip

        def number(value: float | None, digits: int, show: Callable[[float], str] | None = None) -> Cell:
            if value is None:
                return Cell("–", None, number=True)
            return Cell(show(value) if show else reader.number(value, digits), value, number=True)

        rows = tuple(
            (
                words(reader(s.title), s.id),
                count_cell(s.customers, reader),
                rate_cell(s.share, reader),
                number(s.recency, 0),
                number(s.frequency, 2),
                number(s.average, 2, write),
                number(s.net, 2, write),
                number(s.net_share, 1, reader.percent),
            )
            for s in self.segments
        )
        title = reader("RFM segments")
        if self.unsummed is not None:
            title = reader("{title}: {reason}", title=title, reason=reader(self.unsummed))
        return Table(title, tuple(reader(h) for h in heads), rows)

    def _by_bounds(self, reader: Reader) -> Table:
        heads = (reader("score"), reader("days since the last purchase"), reader("purchase count"), reader("money"))
        if self.bounds is None:
            return Table(reader("Scores"), heads, ())
        write = money(reader, self.currency)

        rows = []
        for score in range(SCORES, 0, -1):
            rows.append(
                (
                    Cell(str(score), score, number=True),
                    Cell(self.bounds.says("recency", score, _plain(reader), reader), None, number=True),
                    Cell(self.bounds.says("frequency", score, _plain(reader), reader), None, number=True),
                    Cell("–" if self.unsummed else self.bounds.says("money", score, write, reader), None, number=True),
                )
            )
        return Table(reader("Scores"), heads, tuple(rows))

    def charts(self, reader: Reader) -> tuple[Chart, ...]:
        titles = tuple(reader(s.title) for s in self.segments)
        bars = Bars(
            reader("Customers by RFM segment"), titles,
            (
                Series(
                    reader("customer count"), tuple(float(s.customers.n) for s in self.segments),
                    behind=tuple(s.customers.behind for s in self.segments),
                ),
            ),
            "count", across=True,
        )  # fmt: skip
        grid = [[c for c in self.cells if c.recency == r] for r in range(SCORES, 0, -1)]
        heat = Heat(
            reader("Customers by recency and frequency"),
            tuple(reader("recency {score}", score=r) for r in range(SCORES, 0, -1)),
            tuple(reader("frequency {score}", score=f) for f in range(1, SCORES + 1)),
            tuple(tuple(float(c.customers.n) for c in row) for row in grid),
            "count",
            notes=tuple(tuple(reader(SEGMENTS[GRID[c.recency - 1][c.frequency - 1]]) for c in row) for row in grid),
            behind=tuple(tuple(c.customers.behind for c in row) for row in grid),
        )
        return (bars, heat)


def _between(above: float | None, upto: float | None, show: Callable[[float], str], reader: Reader) -> str:
    if above is None:
        return reader("up to {high}", high=show(upto or 0.0))
    if upto is None:
        return reader("above {low}", low=show(above))
    if above == upto:
        return "–"  # fifths of equal customers: nobody can have this score
    return reader("above {low}, up to {high}", low=show(above), high=show(upto))


def _plain(reader: Reader) -> Callable[[float], str]:
    return lambda value: reader.number(value, None if value == int(value) else 1)


def rfm(
    view: View,
    from_: Sequence[str] | None = None,
    refunds: Sequence[str] | None = None,
    recency: Sequence[str] | None = None,
    frequency: Sequence[str] | None = None,
    money: Sequence[str] | None = None,
) -> Rfm:
    """Everyone who bought in the period, scored and put into segments.

    ``recency``, ``frequency`` and ``money`` are four ascending bounds each, as texts (``30d,90d,180d,365d``); those
    left out are the fifths. Raises MeasureError for unknown steps and for bounds that are not four ascending ones.
    """
    question = ask.buying(view, from_, refunds)
    given = {
        "recency": _bounds("recency", recency, _days), "frequency": _bounds("frequency", frequency, _amount),
        "money": _bounds("money", money, _amount),
    }  # fmt: skip
    asked = {name: ",".join(b) if b else None for name, b in zip(given, (recency, frequency, money), strict=True)}
    options = {**question.options, **asked}
    parts = _values(view, question)
    values = np.concatenate([p[p[:, 1] > 0] for p in parts] or [np.empty((0, 3))])
    bounds = _divide(values, given)
    total = Count(len(values), view.select("rfm", "everyone", "in", **options))
    unsummed = ask.no_sums(view)
    segments: list[RfmSegment] = []
    cells: list[RfmCell] = []
    if bounds is not None:
        scores = [bounds.score(what, values[:, i]) for i, what in enumerate(("recency", "frequency", "money"))]
        place = _segment_of(scores[0], scores[1])
        net = float(values[:, 2].sum())
        for i, id in enumerate(NAMES):
            some = values[place == i]
            count = Count(len(some), view.select("rfm", id, "in", **options))
            paid = float(some[:, 2].sum())
            segments.append(
                RfmSegment(
                    id,
                    SEGMENTS[id],
                    count,
                    Rate(len(some), len(values), behind=count.behind, behind_all=total.behind),
                    recency=float(np.median(some[:, 0])) if len(some) else None,
                    frequency=float(some[:, 1].mean()) if len(some) else None,
                    average=paid / len(some) if len(some) and unsummed is None else None,
                    net=paid if unsummed is None else None,
                    net_share=paid / net if net > 0 and unsummed is None else None,
                )
            )
        for r in range(SCORES, 0, -1):
            for f in range(1, SCORES + 1):
                here = (scores[0] == r) & (scores[1] == f)
                behind = view.select("rfm", f"r{r}f{f}", "in", **options)
                paid_here = float(values[here, 2].sum()) if unsummed is None else None
                cells.append(RfmCell(r, f, Count(int(here.sum()), behind), paid_here))
    return Rfm(
        period=view.period, persona=view.persona, segment=view.segment,
        purchases=question.purchases, refunds=question.refunds, currency=ask.currency_of(view),
        unsummed=unsummed, buyers=total, bounds=bounds, segments=tuple(segments), cells=tuple(cells),
    )  # fmt: skip


def _values(view: View, question: Buying) -> list[F64]:
    """float64[C, 3] a bucket: days since the last purchase, purchases in the period, their money."""
    return view.map(functools.partial(_of_bucket, question, view.start, view.end))


def _of_bucket(question: Buying, start: int, end: int, bucket: Columns) -> F64:
    rows = question.rows(bucket, start, end)
    # whole days: who bought this morning and who bought tonight are alike
    since = np.floor((end - 1 - rows[:, kernel.LAST]) / DAY)
    return np.stack([since, rows[:, kernel.ORDERS], rows[:, kernel.MONEY]], axis=1)


def _divide(values: F64, given: Mapping[str, tuple[float, ...] | None]) -> Bounds | None:
    if not len(values):
        return None
    fifths = np.quantile(values, [0.2, 0.4, 0.6, 0.8], axis=0)
    found = {}
    for i, (name, bounds) in enumerate(given.items()):
        found[name] = bounds or tuple(float(v) for v in fifths[:, i])
    return Bounds(**found, by_fifths=tuple(name for name, bounds in given.items() if bounds is None))


def _segment_of(recency: I64, frequency: I64) -> I64:
    """int64[n]: the place among NAMES."""
    grid = np.array([[NAMES.index(name) for name in row] for row in GRID], np.int64)
    return np.asarray(grid[recency - 1, frequency - 1])


def _bounds(name: str, texts: Sequence[str] | None, read: Callable[[str], float]) -> tuple[float, ...] | None:
    if not texts:
        return None
    example = {"recency": "30d,90d,180d,365d", "frequency": "2,3,5,10", "money": "50,100,250,500"}[name]
    try:
        found = tuple(read(text) for text in texts)
    except ValueError:
        found = ()
    if len(found) != SCORES - 1 or any(a >= b for a, b in itertools.pairwise(found)):
        raise MeasureError(
            N_("{name} takes four ascending bounds, for example {example}, not {given!r}."),
            name=name, example=example, given=",".join(texts),
        )  # fmt: skip
    return found


def _days(text: str) -> float:
    return duration(int(text) if text.isdigit() else text) / DAY


def _amount(text: str) -> float:
    amount = float(text)
    if not math.isfinite(amount):
        raise ValueError(text)
    return amount


def members(view: View, selector: Selector) -> list[Mask]:
    """bool[C] a bucket: who stands in a segment, in a cell such as ``r5f1``, or ``everyone`` who bought."""
    question = ask.buying_of(view, selector)
    texts = {name: selector.option(name) for name in ("recency", "frequency", "money")}
    given = {
        name: _bounds(name, text.split(",") if text else None, _days if name == "recency" else _amount)
        for name, text in texts.items()
    }
    parts = _values(view, question)
    bought = [p[:, 1] > 0 for p in parts]
    if selector.name == "everyone":
        return bought
    bounds = _divide(np.concatenate([p[b] for p, b in zip(parts, bought, strict=True)] or [np.empty((0, 3))]), given)
    wanted = _wanted(selector.name)
    if bounds is None:
        return bought
    found = []
    for part, there in zip(parts, bought, strict=True):
        r, f = (bounds.score(what, part[:, i]) for i, what in enumerate(("recency", "frequency")))
        inside = there & np.isin(np.clip(r, 1, SCORES) * 10 + f, wanted)
        found.append(inside)
    return found


def _wanted(name: str) -> list[int]:
    """The scores, as 10 x recency + frequency, that a segment's or a cell's name means."""
    cell = re.fullmatch(r"r([1-5])f([1-5])", name)
    if cell:
        return [int(cell[1] + cell[2])]
    known(name, NAMES, N_("There is no RFM segment {name!r}.{meant} There are: {known}."))
    return [10 * r + f for r in range(1, 6) for f in range(1, 6) if GRID[r - 1][f - 1] == name]
