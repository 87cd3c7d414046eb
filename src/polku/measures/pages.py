"""Bounce and exit: visits of one page, by where they landed; and where visits ended."""

from __future__ import annotations

import dataclasses
import functools
import operator

import numpy as np
import numpy.typing as npt

from polku.errors import MeasureError
from polku.journey.model import Text
from polku.kernels.columns import Columns
from polku.kernels.presence import first_rows
from polku.kernels.sessions import Visits, views_by
from polku.language import N_, Reader
from polku.measures.answer import Answer, Cell, Table, count_cell, rate_cell, words
from polku.measures.result import Count, Rate
from polku.measures.segments import counted, has_pages, members, visits
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
        return "page" if has_pages(view) else "touchpoint"
    known(by, BY, N_("There is no grouping {name!r}.{meant} There are: {known}."))
    if by == "page" and not has_pages(view):
        raise MeasureError(N_("No page view has been seen, so nothing can be told by page; ask by touchpoint."))
    return by


def one_step(view: View, table: Visits) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """bool[V] twice: visits that can bounce (they hold a page view), and those that did (exactly one)."""
    steps = table.views if has_pages(view) else table.meetings
    keep = counted(view, table) & (steps > 0)
    return keep, keep & (steps == 1)


def _bounce(view: View, by: str, keys: int, bucket: Columns) -> I64:
    _, table = visits(view, None, bucket)
    keep, bounced = one_step(view, table)
    key = table.landing if by == "page" else table.first
    keyed = keep & (key >= 0)
    firsts = first_rows(key, table.customer, keyed, keys)
    out = np.zeros((keys + 1, 3), np.int64)
    for column, chosen in enumerate((keyed, keyed & bounced, firsts)):
        out[:keys, column] = np.bincount(key[chosen], minlength=keys)
    out[keys, :2] = np.count_nonzero(keep), np.count_nonzero(bounced)
    return out


def _exit(view: View, by: str, keys: int, bucket: Columns) -> I64:
    segments, table = visits(view, None, bucket)
    keep = counted(view, table)
    key = table.leaving if by == "page" else table.last
    keyed = keep & (key > 0 if by == "page" else key >= 0)
    pages, touchpoints = views_by(
        bucket, segments, keep, view.rules.code_touchpoint, len(view.trails.tables.pages), len(view.rules.stage_of)
    )
    out = np.zeros((keys + 1, 3), np.int64)
    out[:keys, 0] = pages if by == "page" else touchpoints
    out[:keys, 1] = np.bincount(key[keyed], minlength=keys)
    out[:keys, 2] = np.bincount(key[first_rows(key, table.customer, keyed, keys)], minlength=keys)
    out[keys, :2] = out[:keys, :2].sum(axis=0)
    return out


def _places(view: View, by: str, kind: str, whats: tuple[str, str], total: I64, limit: int) -> tuple[Place, ...]:
    rows = total[:-1]
    order = np.lexsort((np.arange(len(rows)), -rows[:, 0] if kind == "landing" else -rows[:, 1]))
    places = []
    for key in order[:limit]:
        whole, part, customers = (int(n) for n in rows[key])
        if whole == 0 or (by == "page" and key == 0):
            continue
        name = view.trails.tables.pages[int(key)] if by == "page" else view.journey.touchpoint_ids[key]
        everyone, those = (view.select(kind, name, what, by=by) for what in whats)
        title = name if by == "page" else title_of(view.journey, name)
        listed = Count(customers, everyone if kind == "landing" else those)
        places.append(Place(name, title, listed, Rate(part, whole, behind=those)))
    return tuple(places)


def _keys(view: View, by: str) -> int:
    return len(view.trails.tables.pages) if by == "page" else len(view.journey.touchpoint_ids)


def bounce(view: View, by: str | None = None, limit: int = 50) -> Bounce:
    """Visits of one page / visits, overall and for the ``limit`` places where most visits landed."""
    by = grouping(view, by)
    keys = _keys(view, by)
    parts = view.map(functools.partial(_bounce, view, by, keys))
    total = functools.reduce(operator.add, parts, np.zeros((keys + 1, 3), np.int64))
    return Bounce(
        period=view.period, persona=view.persona, segment=view.segment, by=by,
        unit="page" if has_pages(view) else "event", overall=Rate(int(total[-1, 1]), int(total[-1, 0])),
        places=_places(view, by, "landing", ("visited", "bounced"), total, limit),
    )  # fmt: skip


def exits(view: View, by: str | None = None, limit: int = 50) -> Exit:
    """Visits that ended on a page / views of it, for the ``limit`` pages where most visits ended."""
    by = grouping(view, by)
    keys = _keys(view, by)
    parts = view.map(functools.partial(_exit, view, by, keys))
    total = functools.reduce(operator.add, parts, np.zeros((keys + 1, 3), np.int64))
    return Exit(
        period=view.period, persona=view.persona, segment=view.segment, by=by,
        overall=Rate(int(total[-1, 1]), int(total[-1, 0])),
        places=_places(view, by, "exit", ("viewed", "exited"), total, limit),
    )  # fmt: skip


def place_members(view: View, kind: str, name: str, by: str, what: str) -> list[Mask]:
    """bool[C] a bucket: who landed on (bounced from), viewed, or left from a page or touchpoint."""
    if by == "page":
        key = known(name, view.trails.tables.pages, N_("The page {name!r} has never been seen.{meant}"))
    else:
        key = view.touchpoint(name)

    def work(bucket: Columns) -> Mask:
        segments, table = visits(view, None, bucket)
        if kind == "landing":
            keep, bounced = one_step(view, table)
            here = (table.landing if by == "page" else table.first) == key
            return members(bucket, table.customer[here & (bounced if what == "bounced" else keep)])
        keep = counted(view, table)
        if what == "exited":
            return members(bucket, table.customer[keep & ((table.leaving if by == "page" else table.last) == key)])
        column = bucket.page if by == "page" else view.rules.code_touchpoint[bucket.code]
        order = segments.order if len(segments.order) else np.arange(len(bucket.time))
        hits = np.concatenate(([0], np.cumsum(column[order] == key)))
        return members(bucket, table.customer[keep & (hits[segments.ends] > hits[segments.starts])])

    return view.map(work)
