"""What has changed in the customers since the map was last looked at."""

from __future__ import annotations

import dataclasses
import datetime as dt

import numpy as np

from polku.journey.model import Text
from polku.language import N_, Reader
from polku.measures.answer import Answer, Cell, Table, count_cell, estimate_cell, rate_cell, words
from polku.measures.charts import Bars, Chart, Series
from polku.measures.leads.examples import column_title, columns_of_rows
from polku.measures.periods import midnight
from polku.measures.personas.fit import caught
from polku.measures.personas.telling import Seen, seen_in
from polku.measures.result import ENOUGH, Count, Estimate, Rate
from polku.measures.selectors import Selector
from polku.measures.view import Mask, View, seconds
from polku.statistics import drift as statistics
from polku.statistics.drift import Shift, shift
from polku.statistics.multiple import benjamini_hochberg
from polku.statistics.rates import newcombe, two_proportions

NO_REVIEW = N_("the map does not say when it was reviewed: add `reviewed`, or give `since`")
NOT_YET = N_("that day has not come yet")
TOO_SHORT = N_("there is nothing before that day to hold it against")
SURE = 0.05
STEADY, SLIGHT, LARGE = N_("as before"), N_("has shifted somewhat"), N_("has changed much")


@dataclasses.dataclass(frozen=True, slots=True)
class Moved:
    """One column before and after: the index, its p (adjusted), and the plain word."""

    column: str
    shift: Shift
    p: float | None
    word: str


@dataclasses.dataclass(frozen=True, slots=True)
class Share:
    """A persona's share of everyone before and after; ``change`` in shares, ``p`` adjusted."""

    persona: str | None  # None: nobody's
    title: Text
    before: Rate
    after: Rate
    change: Estimate
    p: float | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Drift(Answer):
    name = "drift"
    says = (
        N_(
            "Customers with an event since the review, by what they did since, against those of as long a time before "
            "it, by what they did then."
        ),
        N_(
            "Population stability index (PSI) = the sum over bins of (share after - share before) x ln(share after / "
            "share before); the bins are the tenths of before, or the words."
        ),
        N_(
            "Below 0.1 it is as before, to 0.25 it has shifted somewhat, above it has changed much; a change that "
            "chance would bring too (p adjusted by Benjamini and Hochberg above 0.05) is none."
        ),
        N_("Personas are told by the traits of today, so a trait that changed meanwhile changes both sides."),
    )

    since: dt.date | None
    span: int  # seconds of each side
    reason: str | None  # why nothing can be said
    earlier: Count
    later: Count
    columns: tuple[Moved, ...]  # most moved first
    personas: tuple[Share, ...]

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        title = reader("Drift")
        if self.since is not None:
            title = reader(
                "Drift since {day}: {time} before and after",
                day=reader.date(self.since), time=reader.duration(self.span),
            )  # fmt: skip
        if self.reason is not None:
            title = reader("{title}: {reason}", title=title, reason=reader(self.reason))
        sides = (words(reader("customer count")), count_cell(self.earlier, reader), count_cell(self.later, reader))
        found = [Table(title, (reader("what"), reader("before"), reader("since then")), (sides,))]
        if self.columns:
            heads = (
                N_("behaviour"), N_("median before"), N_("median since then"), N_("PSI"), N_("p"), N_("in words"),
            )  # fmt: skip
            rows = tuple(
                (
                    words(column_title(self.view, m.column, reader), m.column),
                    _number(m.shift.before, reader, 1), _number(m.shift.after, reader, 1),
                    _number(m.shift.value, reader, 3), _number(m.p, reader, 4), words(reader(m.word), m.word),
                )
                for m in self.columns
            )  # fmt: skip
            found.append(Table(reader("What has changed in behaviour"), tuple(map(reader, heads)), rows))
        if self.personas:
            named = (reader("persona"), reader("before"), reader("since then"), reader("change"), reader("p"))
            told = tuple(
                (
                    words(reader.said(s.title) if s.persona else reader("none of them"), s.persona),
                    rate_cell(s.before, reader), rate_cell(s.after, reader),
                    estimate_cell(s.change, reader, lambda v: reader.percent(v)), _number(s.p, reader, 4),
                )
                for s in self.personas
            )  # fmt: skip
            found.append(Table(reader("Shares of the personas"), named, told))
        return tuple(found)

    def charts(self, reader: Reader) -> tuple[Chart, ...]:
        told = [m for m in self.columns if m.shift.value is not None]
        if not told:
            return ()
        labels = tuple(column_title(self.view, m.column, reader) for m in told)
        series = Series(reader("PSI"), tuple(m.shift.value for m in told))
        return (Bars(reader("What has changed in behaviour"), labels, (series,), "number", across=True),)


def _number(value: float | None, reader: Reader, digits: int) -> Cell:
    return Cell("–" if value is None else reader.number(value, digits), value, number=True)


def spans_of(view: View, since: dt.date | None) -> tuple[int, int, int] | str:
    """Begin of before, the review, and the end of after (exclusive), seconds; or why there are none. ``before`` is as
    long as ``after``, and where less lies behind, both are cut to that.
    """
    day = since or view.journey.reviewed
    if day is None:
        return NO_REVIEW
    at = seconds(midnight(day, view.zone))
    end = min(view.end, view.as_of + 1)
    if at >= end:
        return NOT_YET
    begun = max(view.start, int(view.trails.first.timestamp()) if view.trails.first else at)
    if begun >= at:
        return TOO_SHORT
    span = min(end - at, at - begun)
    return at - span, at, at + span


def drift(view: View, since: dt.date | None = None) -> Drift:
    """What has changed since ``since``, by default the map's ``reviewed``. Without one, the reason is told."""
    found = spans_of(view, since)
    option = since.isoformat() if since else None

    def pick(what: str) -> str:
        return view.select("drift", "everyone", what, since=option)

    if isinstance(found, str):
        none = Count(0, None)
        return Drift(
            period=view.period, persona=view.persona, segment=view.segment, since=since or view.journey.reviewed,
            span=0, reason=found, earlier=none, later=none, columns=(), personas=(),
        )  # fmt: skip
    begin, at, end = found
    sides = seen_in(view, begin, at), seen_in(view, at, end)
    counts = [len(s.rows.customer) for s in sides]
    columns = _columns(view, sides) if min(counts) else []
    return Drift(
        period=view.period, persona=view.persona, segment=view.segment, since=since or view.journey.reviewed,
        span=at - begin, reason=statistics.TOO_FEW if min(counts) < statistics.LEAST else None,
        earlier=Count(counts[0], pick("before")), later=Count(counts[1], pick("after")),
        columns=tuple(sorted(columns, key=lambda m: -(m.shift.value or 0.0))),
        personas=tuple(_shares(view, sides)),
    )  # fmt: skip


def _columns(view: View, sides: tuple[Seen, Seen]) -> list[Moved]:
    money = any(t.value is not None for _, _, t in view.journey.touchpoints())
    made = [columns_of_rows(view, s.groups, (), s.rows, money) for s in sides]
    # how long ago and when first are cut by the span itself, and so are the last days
    pairs = [(a, b) for a, b in zip(*made, strict=True) if a.name not in ("age", "silence", "lately")]
    shifts = [shift(a, b) for a, b in pairs]
    adjusted = benjamini_hochberg([s.p for s in shifts])
    return [Moved(a.name, s, p, _word(s, p)) for (a, _), s, p in zip(pairs, shifts, adjusted, strict=True)]


def _word(found: Shift, p: float | None) -> str:
    if found.value is None or p is None:
        return found.reason or statistics.TOO_FEW
    if found.value < statistics.SLIGHT or p > SURE:
        return STEADY
    return SLIGHT if found.value <= statistics.LARGE else LARGE


def _shares(view: View, sides: tuple[Seen, Seen]) -> list[Share]:
    masks = caught(view)
    if not masks:
        return []
    names: list[str | None] = [*masks, None]
    counts: dict[str | None, list[int]] = {n: [] for n in names}
    for seen in sides:
        nobodys = np.ones(len(seen.rows.customer), np.bool_)
        for id, mask in masks.items():
            mine = seen.among(mask)
            nobodys &= ~mine
            counts[id].append(int(mine.sum()))
        counts[None].append(int(nobodys.sum()))
    before, after = (len(s.rows.customer) for s in sides)
    if not before or not after:
        return []
    tests = [two_proportions(counts[n][1], after, counts[n][0], before).p for n in names]
    found = []
    for name, p in zip(names, benjamini_hochberg(tests), strict=True):
        b, a = counts[name]
        change = newcombe(a, after, b, before)
        title: Text = view.journey.personas[name].title if name else ""
        few = N_("too few to say") if min(before, after) < ENOUGH else None
        found.append(
            Share(name, title, Rate(b, before), Rate(a, after),
                  Estimate(change.value, change.low, change.high, after, few), p)
        )  # fmt: skip
    return found


def members(view: View, selector: Selector) -> list[Mask]:
    """bool[C] a bucket: who has an event before the review, or since, within the spans that are compared."""
    day = selector.option("since")
    found = spans_of(view, dt.date.fromisoformat(day) if day else None)
    if isinstance(found, str):
        return [np.zeros(len(c.skip), np.bool_) for c in view.columns]
    begin, at, end = found
    seen = seen_in(view, begin, at) if selector.what == "before" else seen_in(view, at, end)
    return seen.masks(view, np.ones(len(seen.rows.customer), np.bool_))
