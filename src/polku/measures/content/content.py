"""Which pieces of content are met in which stage, what follows them beside others who stood at the same point, and what
is missing.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from polku.journey.model import Text, titled
from polku.kernels import content as kernel
from polku.kernels.spread import quantile
from polku.language import N_, Reader
from polku.measures.answer import Answer, Cell, Table, count_cell, estimate_cell, rate_cell, time_cell, words
from polku.measures.charts import Bars, Chart, Forest, Heat, Series
from polku.measures.content.missing import Search, Unanswered, Unread, search_members, searches, unanswered, unread
from polku.measures.content.pieces import (
    KINDS,
    Counts,
    Pieces,
    alone,
    count,
    kinds_here,
    members_of,
    met_at,
    pieces_of,
    stood_at,
)  # fmt: skip
from polku.measures.result import ENOUGH, Count, Estimate, Quantiles, Rate
from polku.measures.selectors import Selector
from polku.measures.steps import chain_of, chain_text
from polku.measures.view import Mask, View
from polku.statistics.matched import Matched, matched
from polku.trails.layout import moment

I64 = npt.NDArray[np.int64]
U32 = npt.NDArray[np.uint32]
KIND_TITLES = {
    "page": N_("pages"), "campaign": N_("mails and ads, by campaign"), "video": N_("videos"),
    "content": N_("pieces of content"), "touchpoint": N_("touchpoints with content"),
}  # fmt: skip
NOT_CAUSE = N_("this is not cause: who meets a piece may have been keener to begin with")
NO_MATCH = N_("nobody else stood at the same points")
FEW = N_("too few to say")
#: A picture with more lines than this cannot be read.
MOST_DRAWN = 25
#: Where fewer others stood, nobody is matched.
LEAST_OTHERS = 5


@dataclasses.dataclass(frozen=True, slots=True)
class Piece:
    """One piece of content: who met it where, and what followed."""

    kind: str
    name: str
    title: Text
    meetings: int
    customers: Count  # who met it in the period
    stages: tuple[Count, ...]  # who met it for the first time ever, by stage: outside the map, then the map's stages
    went_on: Rate  # of who met it for the first time and have had their time
    without: Estimate  # the rate of others at the same points (stage, and events had in it), weighted as those who met
    difference: Estimate  # of the matched, with - without
    unmatched: Count  # who met it where nobody else stood
    first_piece: Count  # customers whose first piece of this kind in the period it was, and whose last
    last_piece: Count
    first_seen: dt.datetime | None
    last_seen: dt.datetime | None
    dwell: Quantiles  # seconds to the next event of the visit
    completed: Rate | None  # None: no event tells


@dataclasses.dataclass(frozen=True, slots=True)
class Group:
    """The pieces of one kind, the most met first."""

    kind: str
    property: str | None
    pieces: tuple[Piece, ...]
    left_out: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Content(Answer):
    name = "content"
    says = (
        N_(
            "A piece is met when it is met for the first time ever. With it: of those who met it in the period and "
            "have had their time, who went on to a later stage (or reached `to`) within the time given."
        ),
        N_(
            "Without it: the same share of customers who stood in the same stage after as many events of it (1, 2, 3 "
            "to 4, 5 to 8, more) and had not met the piece, weighted as those who met it stand (direct "
            "standardisation)."
        ),
        N_(
            "A difference is no proof that the piece causes it: who meets a piece may have been keener to begin with. "
            "An experiment tells."
        ),
        N_(
            "Dwell = time to the next event, where that comes within the visit; how long the last event of a visit was "
            "looked at is not known. Completion = customers whose piece was seen to its end / customers who met it."
        ),
        N_(
            "First and last: for how many customers it was the first and the last piece of its kind in the period."
        ),
        N_(
            "Missing: questions of the map without content, searches with no result, files under content/ and content "
            "of the map that nobody met. A file counts as met when a piece (page, campaign, property) has its name."
        ),
    )  # fmt: skip

    to: str | None
    within: int
    stages: tuple[str, ...]
    stage_titles: tuple[Text, ...]
    groups: tuple[Group, ...]
    unanswered: tuple[Unanswered, ...]
    searches: tuple[Search, ...]
    unread: tuple[Unread, ...]

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        found = [t for g in self.groups for t in (self._met(g, reader), self._followed(g, reader))]
        if self.searches:
            heads = (reader("searched for"), reader("customer count"), reader("without a result"))
            rows = tuple(
                (words(s.query, s.query), count_cell(s.customers, reader), rate_cell(s.empty, reader))
                for s in self.searches
            )
            found.append(Table(reader("Searches"), heads, rows))
        heads = (reader("stage"), reader("touchpoint"), reader("question"))
        titles = dict(zip(self.stages, self.stage_titles, strict=True))
        rows = tuple(
            (
                words(reader.said(titles[u.stage]), u.stage),
                words("–" if u.touchpoint is None else reader.said(u.title), u.touchpoint),
                words(reader.said(u.question), reader.said(u.question)),
            )
            for u in self.unanswered
        )
        found.append(Table(reader("Questions of the map without content"), heads, rows))
        kinds = {"file": reader("file"), "touchpoint": reader("touchpoint")}
        rows = tuple(
            (words(reader.said(u.title), u.name), words(kinds[u.kind], u.kind), words(", ".join(u.sent_by) or "–"))
            for u in self.unread
        )
        heads = (reader("content piece"), reader("kind"), reader("sent by the rule"))
        found.append(Table(reader("Content that nobody met"), heads, rows))
        return tuple(found)

    def _title(self, group: Group, reader: Reader) -> str:
        return reader(KIND_TITLES[group.kind]) if group.kind in KIND_TITLES else group.kind

    def _met(self, group: Group, reader: Reader) -> Table:
        heads = (
            reader("content piece"), reader("meetings"), reader("customer count"), reader("outside the map"),
            *(reader.said(t) for t in self.stage_titles), reader("first piece of"), reader("last piece of"),
            reader("first met"), reader("last met"), reader("dwell"), reader("completed"),
        )  # fmt: skip

        def day(when: dt.datetime | None) -> Cell:
            return words("–" if when is None else reader.date(when), None if when is None else when.isoformat())

        rows = tuple(
            (
                words(reader.said(p.title), p.name),
                count_cell(Count(p.meetings, p.customers.behind, "events"), reader),
                count_cell(p.customers, reader), *(count_cell(n, reader) for n in p.stages),
                count_cell(p.first_piece, reader), count_cell(p.last_piece, reader), day(p.first_seen),
                day(p.last_seen), time_cell(p.dwell, reader),
                Cell("–", None, number=True, note=reader("no event tells"))
                if p.completed is None
                else rate_cell(p.completed, reader),
            )
            for p in group.pieces
        )  # fmt: skip
        title = reader("Met: {kind}", kind=self._title(group, reader))
        if group.left_out:
            title = reader("{title} ({n} more were met)", title=title, n=group.left_out)
        return Table(title, heads, rows)

    def _followed(self, group: Group, reader: Reader) -> Table:
        heads = (
            reader("content piece"), reader("went on with it"), reader("others at the same points"),
            reader("difference in points"), reader("met where nobody else stood"),
        )  # fmt: skip
        rows = tuple(
            (
                words(reader.said(p.title), p.name), rate_cell(p.went_on, reader),
                estimate_cell(p.without, reader, reader.percent), estimate_cell(p.difference, reader, reader.percent),
                count_cell(p.unmatched, reader),
            )
            for p in group.pieces
        )  # fmt: skip
        title = reader("What followed: {kind} ({warning})", kind=self._title(group, reader), warning=reader(NOT_CAUSE))
        return Table(title, heads, rows)

    def charts(self, reader: Reader) -> tuple[Chart, ...]:
        charts: list[Chart] = []
        for group in self.groups:
            shown = [p for p in group.pieces if p.difference.value is not None][:MOST_DRAWN]
            title = self._title(group, reader)
            if shown:
                series = Series(
                    reader("difference in points"), tuple(p.difference.value for p in shown),
                    tuple(p.difference.low for p in shown), tuple(p.difference.high for p in shown),
                    tuple(p.difference.reason is None for p in shown), tuple(p.customers.behind for p in shown),
                )  # fmt: skip
                charts.append(
                    Forest(
                        reader("Went on with it less others at the same points: {kind}", kind=title),
                        tuple(reader.said(p.title) for p in shown), series, 0.0, "share",
                    )
                )  # fmt: skip
            if group.pieces:
                drawn = group.pieces[:MOST_DRAWN]
                charts.append(
                    Heat(
                        reader("First meetings by stage: {kind}", kind=title),
                        tuple(reader.said(p.title) for p in drawn),
                        (reader("outside the map"), *(reader.said(t) for t in self.stage_titles)),
                        tuple(tuple(float(c.n) for c in p.stages) for p in drawn), "count",
                        behind=tuple(tuple(c.behind for c in p.stages) for p in drawn),
                    )
                )  # fmt: skip
        if self.searches:
            empty = [s for s in self.searches if s.empty.numerator][:MOST_DRAWN]
            series = Series(
                reader("searches"), tuple(float(s.empty.numerator) for s in empty),
                behind=tuple(s.empty.behind for s in empty),
            )  # fmt: skip
            if empty:
                charts.append(
                    Bars(reader("Searches with no result"), tuple(s.query for s in empty), (series,), across=True)
                )
        return tuple(charts)


def content(
    view: View,
    by: str | None = None,
    to: str | None = None,
    within: int | None = None,
    completed: Sequence[str] | None = None,
    limit: int = 50,
) -> Content:
    """The pieces that were met in the view's period. ``within`` is seconds.

    Raises MeasureError for unknown words.
    """
    journey = view.journey
    kinds = (by,) if by is not None else kinds_here(view)
    groups = []
    met: set[str] = set()
    for kind in kinds:
        pieces, beside = pieces_of(view, kind, to, within, completed, limit)
        met |= pieces.met_before
        groups.append(_group(view, pieces, count(view, pieces, beside), kind, to, within, completed))
    touchpoints: set[str] = set()
    if by is not None:  # what nobody met hangs on every kind, whichever is shown
        for kind in kinds_here(view):
            met |= pieces_of(view, kind, to, within, completed, limit)[0].met_before
    if any(t.content for _, _, t in journey.touchpoints()):
        touchpoints = set(pieces_of(view, "touchpoint", to, within, completed, limit)[0].met_before)
    return Content(
        period=view.period, persona=view.persona, segment=view.segment, to=to, within=within or journey.window,
        stages=journey.stage_ids, stage_titles=tuple(titled(s) for s in journey.stages),
        groups=tuple(groups), unanswered=unanswered(journey), searches=searches(view, view.select, limit),
        unread=unread(view, met, touchpoints),
    )  # fmt: skip


def _group(
    view: View, pieces: Pieces, counts: Counts, kind: str, to: str | None, within: int | None,
    completed: Sequence[str] | None,
) -> Group:  # fmt: skip
    select = functools.partial(
        view.select, "content", by=kind, to=to, within=within, completed=chain_text(completed) if completed else None
    )
    # nobody goes on from the last stage, so meetings there are in no rate
    ahead = slice(None) if to is not None else slice(0, pieces.asked.stages)
    told = counts.counts
    completes = bool(told[:, kernel.COMPLETED].sum())

    def piece(i: int) -> Piece:
        name = pieces.names[i - 1]
        behind = functools.partial(select, name)
        met = counts.met[i][ahead]
        lost, won, pending = (int(met[..., o].sum()) for o in (kernel.NOT, kernel.WENT_ON, kernel.PENDING))
        found = _beside(met, (counts.everyone - counts.had[i])[ahead])
        customers = int(told[i, kernel.CUSTOMERS])
        dwell = counts.dwell[i]
        first, last = (None if t < 0 else moment(int(t)) for t in counts.seen[i])
        return Piece(
            kind, name, pieces.titles[i - 1], int(told[i, kernel.MEETINGS]), Count(customers, behind("met")),
            tuple(Count(int(n), behind("met", at=at)) for at, n in enumerate(counts.met[i].sum(axis=(1, 2)))),
            Rate(won, won + lost, pending, behind("went_on"), behind("not"), behind("pending"),
                 behind_all=behind("had_time")),
            _without(found, behind("others")), _difference(found, behind("had_time")),
            Count(found.unmatched, behind("unmatched")),
            Count(int(told[i, kernel.FIRST]), behind("first")), Count(int(told[i, kernel.LAST]), behind("last")), first,
            last,
            Quantiles(
                int(dwell.sum()), quantile(dwell, 0.25), quantile(dwell, 0.5), quantile(dwell, 0.75), behind("met"),
                "events",
            ),
            Rate(
                int(told[i, kernel.COMPLETED]), customers, 0, behind("completed"), behind("not_completed"),
                behind_all=behind("met"),
            )
            if completes
            else None,
        )  # fmt: skip

    rows = tuple(piece(i) for i in range(1, len(pieces.names) + 1))
    return Group(kind, pieces.property, rows, pieces.left_out)


def _ended(met: I64, others: I64) -> tuple[I64, I64]:
    """How many have had their time, by stage and depth: of those who met a piece, and of the others."""
    of_met, of_others = (x[..., kernel.NOT] + x[..., kernel.WENT_ON] for x in (met, others))
    return of_met, of_others


def _beside(met: I64, others: I64) -> Matched:
    """Those who met a piece beside the others of the same stage and depth."""
    of, base_of = (x.ravel() for x in _ended(met, others))
    won, base_won = (x[..., kernel.WENT_ON].ravel() for x in (met, others))
    return matched(won, of, base_won, base_of, least=LEAST_OTHERS)


def _without(found: Matched, behind: str) -> Estimate:
    if found.base is None:
        return Estimate(None, n=found.others, reason=NO_MATCH)
    return Estimate(found.base, found.base_low, found.base_high, found.others, behind=behind)


def _difference(found: Matched, behind: str) -> Estimate:
    if found.difference is None:
        return Estimate(None, n=0, reason=NO_MATCH)
    reason = FEW if found.n < ENOUGH else None
    return Estimate(found.difference, found.low, found.high, found.n, reason, behind)


def _matching_members(view: View, pieces: Pieces, beside: tuple[U32, ...] | None, name: str, what: str) -> list[Mask]:
    """Who met a piece where nobody else stood (unmatched), or the others at the points where it was met."""
    one = alone(pieces, name)
    counts = count(view, one, beside)
    of, base_of = _ended(counts.met[1], counts.everyone - counts.had[1])
    ahead = np.ones(of.shape, np.bool_)
    if not one.asked.to_goal:
        ahead[-1] = False  # nobody goes on from the last stage
    if what == "unmatched":
        return met_at(view, one, beside, ahead & (base_of < LEAST_OTHERS))
    return stood_at(view, one, beside, ahead & (of > 0) & (base_of >= LEAST_OTHERS))


def members(view: View, selector: Selector) -> list[Mask]:
    """bool[C] a bucket: who met a piece, by what followed; or who searched."""
    if selector.kind == "content_search":
        return search_members(view, selector.name, selector.what)
    completed = selector.option("completed")
    pieces, beside = pieces_of(
        view, selector.option("by") or KINDS[0], selector.option("to"), int(selector.option("within") or 0) or None,
        chain_of(completed) if completed else None, 1 << 40,
    )  # fmt: skip
    if selector.what in ("first", "last"):
        column = kernel.IS_FIRST if selector.what == "first" else kernel.IS_LAST
        return members_of(view, pieces, beside, selector.name, column, (1,))
    if selector.what in ("unmatched", "others"):
        return _matching_members(view, pieces, beside, selector.name, selector.what)
    if selector.what == "completed":
        return members_of(view, pieces, beside, selector.name, kernel.DONE, (1,))
    at = selector.option("at")
    if at is not None:
        return members_of(view, pieces, beside, selector.name, kernel.STAGE, (int(at),))
    outcomes = {
        "met": (kernel.NOT, kernel.WENT_ON, kernel.PENDING, kernel.MET), "went_on": (kernel.WENT_ON,),
        "not": (kernel.NOT,), "pending": (kernel.PENDING,), "had_time": (kernel.NOT, kernel.WENT_ON),
        "not_completed": (kernel.NOT, kernel.WENT_ON, kernel.PENDING, kernel.MET),
    }  # fmt: skip
    found = members_of(view, pieces, beside, selector.name, kernel.OUTCOME, outcomes[selector.what])
    if selector.what == "not_completed":
        done = members_of(view, pieces, beside, selector.name, kernel.DONE, (1,))
        return [m & ~d for m, d in zip(found, done, strict=True)]
    return found
