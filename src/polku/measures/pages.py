"""Bounce and exit: visits of one page, by where they landed; and where visits ended."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from polku.errors import MeasureError
from polku.journey.model import Text
from polku.kernels import visits as kernel
from polku.language import N_, Reader
from polku.measures import visits
from polku.measures.answer import Answer, Cell, Table, count_cell, rate_cell, words
from polku.measures.result import Count, Rate, Unit
from polku.measures.selectors import ANY, apart, meant
from polku.measures.steps import title_of
from polku.measures.view import Mask, View, known

I64 = npt.NDArray[np.int64]
BY = ("page", "touchpoint")


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """A page or touchpoint: the customers of its visits, and the rate."""

    name: str
    title: Text
    customers: Count
    rate: Rate


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bounce(Answer):
    name = "bounce"
    says = (
        N_("Bounce rate = visits of one page / visits, by the page (or touchpoint) on which they landed."),
        N_(
            "A visit is a session on the web: events with gaps under 30 minutes, unless the source names its "
            "own sessions."
        ),
        N_(
            "It belongs to the period in which it began. Where no pages are known, touchpoints' events stand "
            "in for page views."
        ),
    )

    by: str
    unit: str  # "page", or "event" where no pages are known
    overall: Rate
    places: tuple[Place, ...]  # most visits first

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        heads = (
            reader("landing page") if self.by == "page" else reader("landed on"),
            reader("customer count"),
            reader("bounce rate"),
        )
        return (_table(reader("Bounce"), heads, self.overall, self.places, reader),)

    @property
    def rate(self) -> Rate:
        return self.overall

    @property
    def by_visit(self) -> bool:
        return True


@dataclasses.dataclass(frozen=True, kw_only=True)
class Exit(Answer):
    name = "exit"
    says = (
        N_("Exit rate of a page = visits that ended on it / views of it."),
        N_("By touchpoint: visits whose last touchpoint it was / its events in those visits."),
        N_("It says where visits end, not whether they converted (see leaving)."),
    )

    by: str
    overall: Rate
    places: tuple[Place, ...]  # most exits first

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        heads = (
            reader("page") if self.by == "page" else reader("touchpoint"),
            reader("customer count"),
            reader("exit rate"),
        )
        return (_table(reader("Exit"), heads, self.overall, self.places, reader),)

    @property
    def rate(self) -> Rate:
        return self.overall

    @property
    def by_visit(self) -> bool:
        return True


def _table(title: str, heads: tuple[str, ...], overall: Rate, places: tuple[Place, ...], reader: Reader) -> Table:
    everything = (words(reader("all")), Cell(""), rate_cell(overall, reader))
    rows = (
        (words(reader.said(p.title), p.name), count_cell(p.customers, reader), rate_cell(p.rate, reader))
        for p in places
    )
    return Table(title, heads, (everything, *rows))


def grouping(view: View, by: str | None) -> str:
    """ "page" or "touchpoint"; by default page where pages are known. Raises MeasureError for another word."""
    if by is None:
        return "page" if visits.has_pages(view) else "touchpoint"
    known(by, BY, N_("There is no grouping {name!r}.{meant} There are: {known}."))
    if by == "page" and not visits.has_pages(view):
        raise MeasureError(N_("No page view has been seen, so nothing can be told by page; ask by touchpoint."))
    return by


def _places(view: View, by: str, kind: str, whats: tuple[str, str], rows: I64, limit: int) -> tuple[Place, ...]:
    column = kernel.WHOLE if kind == "landing" else kernel.PART
    there = np.flatnonzero(rows[:, kernel.WHOLE])
    there = there[there > 0]
    stops, _ = visits.stops(view)
    places = []
    for place in there[np.argsort(-rows[there, column], kind="stable")][:limit]:
        whole, part, customers = (int(n) for n in rows[place])
        name = view.trails.tables.pages[int(place)] if by == "page" else stops[place - 1]
        everyone, those = (view.select(kind, apart(name), what, by=by) for what in whats)
        title = name if by == "page" else title_of(view.journey, name)
        listed = Count(customers, everyone if kind == "landing" else those)
        places.append(Place(name, title, listed, _rate(part, whole, kind, those, everyone)))
    return tuple(places)


def _rate(part: int, whole: int, kind: str, those: str, everyone: str) -> Rate:
    """Visits of visits that landed; for an exit, visits of views."""
    views: Unit | None = "views" if kind == "exit" else None
    return Rate(part, whole, behind=those, behind_all=everyone, unit="visits", unit_all=views)


def _at(view: View, by: str | None, touchpoint: str) -> int:
    """The row of ``touchpoint``. Raises MeasureError for one that the map lacks, and when pages are asked for."""
    if by == "page":
        raise MeasureError(N_("One touchpoint is asked for, so nothing can be told by page; leave out one of the two."))
    return visits.stop(view, touchpoint) + 1


def _asked(touchpoint: str | None) -> str:
    return ANY if touchpoint is None else apart(touchpoint)


def _only(rows: I64, row: int) -> I64:
    """``rows`` without the others."""
    kept = np.zeros_like(rows)
    kept[row] = rows[row]
    return kept


def bounce(view: View, by: str | None = None, limit: int = 50, from_: str | None = None) -> Bounce:
    """Visits of one page / visits, overall and for the ``limit`` places where most visits landed; with ``from_``, a
    touchpoint, only of those that landed there.
    """
    row = _at(view, by, from_) if from_ is not None else None
    by = grouping(view, by) if row is None else "touchpoint"
    found = visits.counts(view, visits.asked(view, kernel.LANDINGS, by_page=by == "page"))
    landings = found.landings if row is None else _only(found.landings, row)
    those, everyone = (view.select("landing", _asked(from_), what, by=by) for what in ("bounced", "visited"))
    part, whole = int(found.totals[kernel.BOUNCED]), int(found.totals[kernel.STEPPED])
    if row is not None:
        part, whole = int(landings[row, kernel.PART]), int(landings[row, kernel.WHOLE])
    overall = _rate(part, whole, "landing", those, everyone)
    return Bounce(
        period=view.period, persona=view.persona, segment=view.segment, by=by,
        unit="page" if visits.has_pages(view) else "event", overall=overall,
        places=_places(view, by, "landing", ("visited", "bounced"), landings, limit),
    )  # fmt: skip


def exits(view: View, by: str | None = None, limit: int = 50, from_: str | None = None) -> Exit:
    """Visits that ended on a page / views of it, for the ``limit`` pages where most visits ended; with ``from_``, only
    of that touchpoint.
    """
    row = _at(view, by, from_) if from_ is not None else None
    by = grouping(view, by) if row is None else "touchpoint"
    found = visits.counts(view, visits.asked(view, kernel.EXITS, by_page=by == "page")).exits
    if row is not None:
        found = _only(found, row)
    those, everyone = (view.select("exit", _asked(from_), what, by=by) for what in ("exited", "viewed"))
    overall = _rate(int(found[1:, kernel.PART].sum()), int(found[1:, kernel.WHOLE].sum()), "exit", those, everyone)
    return Exit(
        period=view.period, persona=view.persona, segment=view.segment, by=by, overall=overall,
        places=_places(view, by, "exit", ("viewed", "exited"), found, limit),
    )  # fmt: skip


def place_members(view: View, kind: str, name: str, by: str, what: str) -> list[Mask]:
    """bool[C] a bucket: who landed on (bounced from), viewed, or left from a page or touchpoint."""
    if name == ANY:
        place = kernel.ANYWHERE
    elif by == "page":
        place = known(meant(name), view.trails.tables.pages, N_("The page {name!r} has never been seen.{meant}"))
    else:
        place = visits.stop(view, meant(name)) + 1
    wanted = kernel.YES if what in ("bounced", "exited") else kernel.ALL
    question = visits.asked(view, by_page=by == "page")
    return visits.members(view, question, kernel.OF_LANDING if kind == "landing" else kernel.OF_EXIT, place, wanted)
