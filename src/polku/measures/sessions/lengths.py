"""Sessions: how many, how long, how many events and pages, by channel or source."""

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
from polku.measures.selectors import ANY, Selector, apart, meant
from polku.measures.sessions.stretches import Rule, Stretches, rule_of, stretches
from polku.measures.sources import LEVELS, NONE
from polku.measures.view import Mask, View, known

I64 = npt.NDArray[np.int64]
U32 = npt.NDArray[np.uint32]
#: Ends of the classes of length in seconds (those that analytics show), and of the classes of events and pages.
LENGTHS = (1, 11, 31, 61, 181, 601, 1801, 3601)
SIZES = (1, 2, 3, 4, 5, 6, 11, 21, 51)


@dataclasses.dataclass(frozen=True, slots=True)
class Class:
    """Sessions of ``low`` up to, not including, ``high`` (None: and more) seconds, events or pages."""

    low: int
    high: int | None
    sessions: Count


@dataclasses.dataclass(frozen=True, slots=True)
class Group:
    """Sessions of one channel or source; ``name`` is None for all."""

    name: str | None
    sessions: Count
    customers: Count
    per_customer: float | None
    single: Rate  # sessions of one event
    length: Quantiles
    mean_length: float | None  # seconds
    mean_events: float | None
    mean_pages: float | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sessions(Answer):
    name = "sessions"
    says = (
        N_("A session is a stretch of one customer's events with gaps below 30 minutes (`gap`)."),
        N_("Where the source names its own sessions they are kept, unless `own` is no; `split` ends them at midnight."),
        N_("It belongs to the period in which it began, to the channel of its first event and its first source."),
        N_("Length = last event - first event; a session of one event has the length 0, so lengths are least lengths."),
    )

    gap: int
    own: bool
    split: str
    by: str | None
    everything: Group
    groups: tuple[Group, ...]  # most sessions first
    lengths: tuple[Class, ...]
    events: tuple[Class, ...]
    pages: tuple[Class, ...]  # of none, where pages are known

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        heads = (
            reader(self.by) if self.by else "", reader("session count"), reader("customer count"),
            reader("sessions a customer"), reader("of one event"), reader("median length"), reader("mean length"),
            reader("events a session"), reader("pages a session"),
        )  # fmt: skip

        def number(value: float | None) -> Cell:
            return Cell("–" if value is None else reader.number(value, 2), value, number=True)

        rows = tuple(
            (
                words(_title(g, reader), g.name),
                count_cell(g.sessions, reader),
                count_cell(g.customers, reader),
                number(g.per_customer),
                rate_cell(g.single, reader),
                time_cell(g.length, reader),
                Cell("–" if g.mean_length is None else reader.duration(g.mean_length), g.mean_length, number=True),
                number(g.mean_events),
                number(g.mean_pages),
            )
            for g in (self.everything, *self.groups)
        )
        found = [Table(reader("Sessions"), heads, rows)]
        for title, classes, write in self._classes(reader):
            total = self.everything.sessions.n
            lines = tuple(
                (
                    words(_class(c, reader, write), c.low),
                    count_cell(c.sessions, reader),
                    rate_cell(Rate(c.sessions.n, total, behind=c.sessions.behind, unit="sessions"), reader),
                )
                for c in classes
            )
            found.append(Table(title, (title, reader("session count"), reader("share")), lines))
        return tuple(found)

    def _classes(self, reader: Reader) -> tuple[tuple[str, tuple[Class, ...], str], ...]:
        named = ((reader("length"), self.lengths, "s"), (reader("events"), self.events, ""),
                 (reader("pages"), self.pages, ""))  # fmt: skip
        return tuple(n for n in named if n[1])

    def charts(self, reader: Reader) -> tuple[Chart, ...]:
        return tuple(
            Bars(
                title,
                tuple(_class(c, reader, write) for c in classes),
                (
                    Series(
                        reader("session count"), tuple(float(c.sessions.n) for c in classes),
                        behind=tuple(c.sessions.behind for c in classes),
                    ),
                ),
                x_title=title,
            )
            for title, classes, write in self._classes(reader)
        )  # fmt: skip


def _title(group: Group, reader: Reader) -> str:
    if group.name is None:
        return reader("all")
    return reader("direct") if group.name == NONE else group.name


def _class(given: Class, reader: Reader, unit: str) -> str:
    write = reader.duration if unit else reader.number
    if given.high is None:
        return reader(N_("{start} or more"), start=write(given.low))
    if given.high == given.low + 1:
        return write(given.low)
    return reader(N_("{low} to {high}"), low=write(given.low), high=write(given.high - 1))


@dataclasses.dataclass(frozen=True, eq=False)
class Partial:
    """Sessions of some customers, an array a bucket: length, events and pages of each uint32[V], its group int64[V];
    and the customers of each group int64[groups + 1] (the last: of all). Those of others are added with ``+``.
    """

    length: tuple[U32, ...]
    events: tuple[U32, ...]
    pages: tuple[U32, ...]
    group: tuple[I64, ...]
    customers: I64

    def __add__(self, other: Partial) -> Partial:
        return Partial(
            self.length + other.length, self.events + other.events, self.pages + other.pages,
            self.group + other.group, self.customers + other.customers,
        )  # fmt: skip


@dataclasses.dataclass(frozen=True, eq=False)
class Grouping:
    """The group of each code (by channel) or of each origin."""

    by: str | None
    names: tuple[str, ...]
    of_code: I64
    of_origin: I64

    def groups(self, found: Stretches) -> I64:
        """int64[V]: the group of each session."""
        bucket = found.bucket
        if self.by is None:
            return np.zeros(len(found), np.int64)
        if self.by == "channel":
            return self.of_code[bucket.code[found.order[found.starts] if len(found.order) else found.starts]]
        place = found.first(bucket.origin > 0)
        return np.where(place >= 0, self.of_origin[bucket.origin[np.maximum(place, 0)]], self.of_origin[0])


def grouping_of(view: View, by: str | None) -> Grouping:
    """``channel``, or a part of the origin: ``source``, ``medium``, ``campaign``."""
    tables = view.trails.tables
    numbers: dict[str, int] = {}
    of_code = np.zeros(tables.codes, np.int64)
    of_origin = np.zeros(len(tables.origins), np.int64)
    if by == "channel":
        of_code[:] = [numbers.setdefault(c or NONE, len(numbers)) for c in tables.code_channel]
    elif by is not None:
        level = LEVELS.index(by)
        of_origin[:] = [numbers.setdefault(o[level] or NONE, len(numbers)) for o in tables.origins]
    return Grouping(by, tuple(numbers) or (ANY,), of_code, of_origin)


def _partial(rule: Rule, grouping: Grouping, bucket: Columns) -> Partial:
    found = stretches(bucket, rule)
    asked, group = found.asked, grouping.groups(found)
    pages = found.count(bucket.page > 0)
    groups = len(grouping.names)
    customers = np.concatenate([found.customers(asked, group, groups), found.customers(asked)])
    return Partial(
        ((found.end - found.begin)[asked].astype(np.uint32),), (found.events[asked].astype(np.uint32),),
        (pages[asked].astype(np.uint32),), (group[asked],), customers,
    )  # fmt: skip


def sessions(
    view: View, gap: int | None = None, own: bool = True, split: str = "none", by: str | None = None, limit: int = 50
) -> Sessions:
    """Sessions that began in the period. ``gap`` is seconds, by default the map's."""
    rule, grouping = rule_of(view, gap, own, split), grouping_of(view, by)
    zero = Partial((), (), (), (), np.zeros(len(grouping.names) + 1, np.int64))
    total = view.sum(functools.partial(_partial, rule, grouping), zero)
    length_of, events_of, pages_of = (
        np.concatenate([*parts, np.empty(0, np.uint32)]) for parts in (total.length, total.events, total.pages)
    )
    group_of = np.concatenate([*total.group, np.empty(0, np.int64)])
    own_text = None if own else "no"
    select = functools.partial(view.select, "sessions", gap=gap, own=own_text, split=split, by=by)
    has_pages = len(view.trails.tables.pages) > 1

    def group(name: str | None, rows: Mask, customers: int) -> Group:
        named = ANY if name is None else apart(name)
        everyone, n = select(named, "all"), int(rows.sum())
        length, events, pages = length_of[rows], events_of[rows], pages_of[rows]
        single = Rate(int((events == 1).sum()), n, behind=select(named, "single"), behind_all=everyone, unit="sessions")
        timed = dataclasses.replace(quantiles([length]), behind=everyone, unit="sessions")
        return Group(
            name, Count(n, everyone, "sessions"), Count(customers, everyone), n / customers if customers else None,
            single, timed, float(length.mean()) if n else None, float(events.mean()) if n else None,
            float(pages.mean()) if n and has_pages else None,
        )  # fmt: skip

    def classes(values: U32, ends: tuple[int, ...], what: str) -> tuple[Class, ...]:
        counts = _counts(values, ends)
        return tuple(
            Class(low, high, Count(int(n), select(ANY, what, at=place), "sessions"))
            for place, (low, high, n) in enumerate(zip((0, *ends), (*ends, None), counts, strict=True))
        )

    groups: list[Group] = []
    if by is not None:
        sizes = np.bincount(group_of, minlength=len(grouping.names))
        groups = [
            group(grouping.names[g], group_of == g, int(total.customers[g]))
            for g in np.argsort(-sizes, kind="stable")[:limit].tolist() if sizes[g]
        ]  # fmt: skip
    return Sessions(
        period=view.period, persona=view.persona, segment=view.segment, gap=rule.gap, own=own, split=split, by=by,
        everything=group(None, np.ones(len(length_of), np.bool_), int(total.customers[-1])), groups=tuple(groups),
        lengths=classes(length_of, LENGTHS, "length"), events=classes(events_of, SIZES, "events")[1:],
        pages=classes(pages_of, SIZES, "pages") if has_pages else (),
    )  # fmt: skip


def _counts(values: U32, ends: tuple[int, ...]) -> I64:
    return np.bincount(np.searchsorted(ends, values, side="right"), minlength=len(ends) + 1).astype(np.int64)


def members(view: View, selector: Selector) -> list[Mask]:
    """bool[C] a bucket: the customers of the sessions behind a number."""
    option = selector.option
    gap, by = option("gap"), option("by")
    rule = rule_of(view, int(gap) if gap else None, option("own") != "no", option("split") or "none")
    grouping = grouping_of(view, by)
    group = -1
    if selector.name != ANY:
        group = known(
            meant(selector.name), grouping.names, N_("There is no group {name!r} here.{meant} There are: {known}.")
        )
    work = functools.partial(_members, rule, grouping, group, selector.what, int(option("at") or 0))
    return view.map(work)


def _members(rule: Rule, grouping: Grouping, group: int, what: str, at: int, bucket: Columns) -> Mask:
    found = stretches(bucket, rule)
    rows = found.asked & ((grouping.groups(found) == group) if group >= 0 else True)
    if what == "single":
        rows &= found.events == 1
    elif what != "all":
        values, ends = {
            "length": (found.end - found.begin, LENGTHS),
            "events": (found.events, SIZES),
            "pages": (found.count(bucket.page > 0), SIZES),
        }[what]
        rows &= np.searchsorted(ends, values, side="right") == at
    return found.members(rows)
