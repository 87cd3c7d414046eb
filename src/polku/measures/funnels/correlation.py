"""What goes with going on: touchpoints met on the way, properties, sources, personas and segments of those who went on,
beside those who did not.

Each is a table of two by two: with and without it, went on and did not. Odds ratios as in epidemiology (J. Cornfield,
JNCI 11, 1951), p-values corrected for the many looks (Benjamini and Hochberg, JRSS B 57, 1995). Nothing here is a proof
of cause: who reads the size guide may have meant to buy.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from polku.errors import MeasureError
from polku.journey.model import Text
from polku.kernels.columns import frozen
from polku.kernels.funnels.around import counts_between, names_between
from polku.kernels.funnels.chains import UNLIMITED
from polku.language import N_, Reader
from polku.measures.answer import Answer, Cell, Table, rate_cell, words
from polku.measures.charts import Chart, Forest, Series
from polku.measures.definition import known
from polku.measures.funnels.asked import Asked, asked_again, asked_of, place_of_step
from polku.measures.funnels.funnel import selecting, unit_of
from polku.measures.funnels.grouping import ABSENT, Grouping, How, grouping_of, groups_of
from polku.measures.funnels.rows import Rows, over, whose
from polku.measures.result import ENOUGH, Estimate, Rate
from polku.measures.selectors import Selector
from polku.measures.steps import codes_of, title_of
from polku.measures.view import Mask, View
from polku.statistics.multiple import benjamini_hochberg
from polku.statistics.rates import odds_ratio, two_proportions
from polku.trails.properties import Property, numbers_of

I64 = npt.NDArray[np.int64]
#: Properties that are looked at when nobody names them, and the most values that one of them may have.
MOST_PROPERTIES, MOST_VALUES = 12, 50
#: Of a property whose values are all numbers; one with more is a quantity, and its single values say little.
MOST_NUMBERS = 12
WHATS = ("with", "with_went_on", "with_lost", "without", "without_went_on", "without_lost")
KINDS: dict[str, str] = {
    "met": N_("met on the way"),
    "source": N_("first source"),
    "persona": N_("persona"),
    "segment": N_("segment"),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Correlate:
    """One thing that may go with going on. ``kind`` is met, source, persona, segment, or the name of a property."""

    kind: str
    value: str
    title: Text
    with_it: Rate  # of those with it, those who went on
    without_it: Rate
    odds: Estimate  # odds ratio: above 1, those with it went on more often
    p: float | None
    p_adjusted: float | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class FunnelCorrelation(Answer):
    name = "funnel_correlation"
    says = (
        N_("Looked at are those who reached the step and had their time: with and without each thing, who went on."),
        N_(
            "Odds ratio = (went on / did not) among those with it / the same among those without it; above 1 it goes "
            "with going on, below 1 with dropping off."
        ),
        N_("That it goes with going on does not say that it brings it about."),
        N_(
            "Met on the way = after the step, and before going on or the end of the window. Who went on had less time "
            "to meet things, so what goes with going on is rather understated."
        ),
        N_(
            "Things with fewer than the least number on either side are left out; p-values are adjusted for all that "
            "were looked at (Benjamini and Hochberg)."
        ),
    )

    by: str
    steps: tuple[str, ...]
    titles: tuple[Text, Text]  # of the step that was reached, and the one gone on to
    conversion: Rate
    correlates: tuple[Correlate, ...]  # the surest first
    looked_at: int
    too_few: int  # left out, with too few on one side
    left_out: int  # further ones, beyond the limit
    least: int

    @property
    def rate(self) -> Rate:
        return self.conversion

    @property
    def by_visit(self) -> bool:
        return self.by == "session"

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        heads = (N_("what"), N_("kind"), N_("with it"), N_("without it"), N_("odds ratio"), N_("p, adjusted"))
        rows = tuple(
            (
                words(reader.said(c.title), c.value),
                words(kind_words(c.kind, reader), c.kind),
                rate_cell(c.with_it, reader),
                rate_cell(c.without_it, reader),
                _odds(c.odds, reader),
                _p(c.p_adjusted, reader),
            )
            for c in self.correlates
        )
        title = reader(
            N_("What goes with going on from {step} to {next}"),
            step=reader.said(self.titles[0]),
            next=reader.said(self.titles[1]),
        )
        return (Table(title, tuple(reader(h) for h in heads), rows),)

    def charts(self, reader: Reader) -> tuple[Chart, ...]:
        shown = [c for c in self.correlates if c.odds.value and c.odds.low and c.odds.high and c.odds.high < math.inf][
            :20
        ]
        labels = tuple(
            reader.said(c.title) if c.kind == "met" else f"{kind_words(c.kind, reader)}: {reader.said(c.title)}"
            for c in shown
        )
        series = Series(
            reader(N_("odds ratio")), tuple(c.odds.value for c in shown), tuple(c.odds.low for c in shown),
            tuple(c.odds.high for c in shown), behind=tuple(c.with_it.behind for c in shown),
        )  # fmt: skip
        return (Forest(reader(N_("What goes with going on")), labels, series, 1.0, logarithmic=True),)


def kind_words(kind: str, reader: Reader) -> str:
    return reader(KINDS[kind]) if kind in KINDS else kind


def _odds(odds: Estimate, reader: Reader) -> Cell:
    if odds.value is None or odds.low is None or odds.high is None:
        return Cell("–", None, number=True, note=reader(odds.reason) if odds.reason else None)
    ends = [reader.number(x, 2) if x < math.inf else "∞" for x in (odds.low, odds.high)]
    value = reader.number(odds.value, 2) if odds.value < math.inf else "∞"
    return Cell(
        value, odds.value, odds.behind, number=True, note=reader(N_("{low} to {high}"), low=ends[0], high=ends[1])
    )


def _p(p: float | None, reader: Reader) -> Cell:
    if p is None:
        return Cell("–", None, number=True)
    return Cell(f"< {reader.number(0.001, 3)}" if p < 0.001 else reader.number(p, 3), p, number=True)


# -- what is looked at -----------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class Ask:
    """Those who reached step ``base`` and whether they went on to ``target``, places from 0; small, for the buckets."""

    asked: Asked
    base: int
    target: int
    as_of: int

    def rows(self, rows: Rows) -> tuple[I64, npt.NDArray[np.bool_]]:
        """int64[n]: the rows looked at; bool[n]: whether they went on."""
        looked = np.flatnonzero(rows.met[:, self.base] & ~rows.open & (rows.places[:, self.base] >= 0))
        return looked, rows.met[looked, self.target]

    def ends(self, rows: Rows, looked: I64) -> tuple[I64, I64, I64]:
        """The event from which, the event before which (-1: none) and the moment up to which things are met."""
        window = self.as_of if self.asked.window >= UNLIMITED else rows.begun()[looked] + self.asked.window
        until = np.minimum(np.broadcast_to(np.asarray(window, np.int64), looked.shape), self.as_of)
        return rows.places[looked, self.base], rows.places[looked, self.target], np.ascontiguousarray(until)


def ask_of(view: View, asked: Asked, step: str | None) -> Ask:
    if step is None:
        return Ask(asked, 0, len(asked.steps) - 1, view.as_of)
    target = place_of_step(asked.steps, step)
    if target == 0:
        raise MeasureError(N_("Nobody goes on to the first step; choose a later one."))
    return Ask(asked, asked.before(target), target, view.as_of)


@dataclasses.dataclass(frozen=True, eq=False)
class Names:
    """What may be met: touchpoints of the map and events off it, the funnel's own steps left out."""

    names: tuple[str, ...]
    of: npt.NDArray[np.int64]  # [codes]


def names_of(view: View, asked: Asked) -> Names:
    tables, ids = view.trails.tables, view.journey.touchpoint_ids
    touch = np.asarray(view.rules.code_touchpoint)
    steps = np.any([codes_of(view, s) for s in asked.steps], axis=0) if tables.codes else np.zeros(0, np.bool_)
    numbers: dict[str, int] = {}
    of = np.full(tables.codes, -1, np.int64)
    for code, event in enumerate(tables.code_event):
        if not steps[code]:
            of[code] = numbers.setdefault(ids[touch[code]] if touch[code] >= 0 else event, len(numbers))
    return Names(tuple(numbers), np.asarray(frozen(of, np.int64)))


def groupings_of(view: View, asked: Asked, properties: Sequence[str] | None) -> list[Grouping]:
    """What people may be told apart by: first source, personas, segments, and properties of the step's event."""
    found: list[Grouping] = []
    if any(any(origin) for origin in view.trails.tables.origins):
        found.append(grouping_of(view, "source"))
    if any(p.where is not None for p in view.journey.personas.values()) and _profiles(view):
        found.append(grouping_of(view, "persona"))
    if view.journey.segments:
        found.append(grouping_of(view, "segment"))
    if properties is not None:
        return found + [grouping_of(view, name) for name in properties]
    events = {view.trails.tables.code_event[c] for c in np.flatnonzero(codes_of(view, asked.steps[0]))}
    names = [p.name for p in view.property_names() if events & set(p.events)][:MOST_PROPERTIES]
    for prop in view.properties(names) if names else []:
        if 2 < len(prop.words) <= MOST_VALUES + 1 and not _measured(prop):
            found.append(Grouping(prop.name, prop.words, events=(prop.codes,)))
    return found


def _measured(prop: Property) -> bool:
    """Whether a property is a quantity (a price) rather than a name: many values, all of them numbers."""
    return len(prop.words) > MOST_NUMBERS + 1 and not np.isnan(numbers_of(prop.words.array)[1:]).any()


def _profiles(view: View) -> bool:
    return view.profiles is not None or view.project is not None


@dataclasses.dataclass(frozen=True, slots=True)
class Look:
    """One grouping within a bucket's work: how, and how many of the columns beside are its own."""

    how: How
    columns: int


@dataclasses.dataclass(frozen=True, eq=False)
class Counts:
    """Those who did not go on and those who did: int64[2] of all, int64[2, names], and by grouping int64[2, groups]."""

    of: I64
    met: I64
    groups: tuple[I64, ...]

    def __add__(self, other: Counts) -> Counts:
        groups = tuple(a + b for a, b in zip(self.groups, other.groups, strict=True))
        return Counts(self.of + other.of, self.met + other.met, groups)


def _counted(
    ask: Ask, names: Names, looks: tuple[Look, ...], sizes: tuple[int, ...], rows: Rows, *beside: Any
) -> Counts:
    looked, went = ask.rows(rows)
    begin, end, until = ask.ends(rows, looked)
    met = counts_between(
        rows.columns,
        rows.segments,
        rows.segment[looked],
        begin,
        end,
        until,
        went,
        frozen(names.of, np.int64),
        len(names.names),
    )
    outcome = np.full(len(rows.level), -1, np.int64)
    outcome[looked] = went
    at_base = dataclasses.replace(rows, places=np.ascontiguousarray(rows.places[:, [ask.base]]))
    given = list(beside)
    groups = []
    for look, size in zip(looks, sizes, strict=True):
        row, group = groups_of(look.how, at_base, given[: look.columns])
        given = given[look.columns :]
        counts = np.zeros((2, size), np.int64)
        kept = outcome[row] >= 0
        np.add.at(counts, (outcome[row][kept], group[kept]), 1)
        groups.append(counts)
    return Counts(np.bincount(went.astype(np.int64), minlength=2), np.asarray(met), tuple(groups))


# -- the measure -----------------------------------------------------------------------------------------------------


def funnel_correlation(
    view: View,
    steps: tuple[str, ...],
    within: int | None = None,
    by: str = "customer",
    step: str | None = None,
    properties: tuple[str, ...] | None = None,
    least: int = ENOUGH,
    limit: int = 50,
    **definition: Any,
) -> FunnelCorrelation:
    """What goes with going on to ``step`` (by default from the first step to the last) of a funnel.

    ``properties`` are by default up to a dozen that the first step's events have, of at most 50 values each. Further
    options as in :func:`polku.measures.funnels.funnel.funnel`. Raises MeasureError for what is not there.
    """
    asked = asked_of(view, steps, within, by, **definition)
    ask, names = ask_of(view, asked, step), names_of(view, asked)
    groupings = groupings_of(view, asked, properties)
    # columns of events come before those of customers, and so do their groupings
    groupings.sort(key=lambda g: not g.events)
    looks = tuple(Look(g.how, len(g.events) + len(g.customers)) for g in groupings)
    sizes = tuple(len(g.customers) if g.several else len(g.names) for g in groupings)
    zero = Counts(
        np.zeros(2, np.int64),
        np.zeros((2, len(names.names)), np.int64),
        tuple(np.zeros((2, n), np.int64) for n in sizes),
    )
    work = functools.partial(_counted, ask, names, looks, sizes)
    parts = over(
        view, asked, work, [e for g in groupings for e in g.events], [c for g in groupings for c in g.customers]
    )
    total = functools.reduce(Counts.__add__, parts, zero)
    found = [
        _correlate(view, ask, "met", name, title_of(view.journey, name), total.of, total.met[:, n])
        for n, name in enumerate(names.names)
    ]
    for grouping, counts in zip(groupings, total.groups, strict=True):
        found += [
            _correlate(view, ask, grouping.by, grouping.name(g), grouping.title(g), total.of, counts[:, g])
            for g in range(counts.shape[1])
            if grouping.name(g) != ABSENT and counts[:, g].any()
        ]
    enough = [c for c in found if min(c.with_it.denominator, c.without_it.denominator) >= least]
    adjusted = benjamini_hochberg([c.p for c in enough])
    sure = [dataclasses.replace(c, p_adjusted=p) for c, p in zip(enough, adjusted, strict=True)]
    sure.sort(key=lambda c: (1.0 if c.p is None else c.p, c.kind, c.value))
    select = selecting(view, asked)
    base, target = ask.base, ask.target
    conversion = Rate(
        int(total.of[1]), int(total.of.sum()), 0, select("converted", step=target + 1),
        select("dropped", step=target + 1)
        if base == asked.before(target)
        else select("lost", step=target + 1)
        if base == 0
        else None,
        behind_all=select("converted", step=base + 1), unit=unit_of(asked),
    )  # fmt: skip
    return FunnelCorrelation(
        period=view.period, persona=view.persona, segment=view.segment, by=asked.by, steps=asked.steps,
        titles=(title_of(view.journey, asked.steps[base]), title_of(view.journey, asked.steps[target])),
        conversion=conversion, correlates=tuple(sure[:limit]), looked_at=len(enough), too_few=len(found) - len(enough),
        left_out=max(0, len(sure) - limit), least=least,
    )  # fmt: skip


def _correlate(view: View, ask: Ask, kind: str, value: str, title: Text, of: I64, with_it: I64) -> Correlate:
    lost, won = int(with_it[0]), int(with_it[1])
    n, rest_won = lost + won, int(of[1]) - won
    rest = int(of.sum()) - n
    texts: dict[str, Any] = ask.asked.texts() | {
        "step": ask.target + 1,
        "base": ask.base + 1,
        "of": kind,
        "value": value,
    }
    select: Callable[..., str] = functools.partial(view.select, "correlate", ask.asked.chain, **texts)
    unit = unit_of(ask.asked)
    odds = odds_ratio(won, n, rest_won, rest)
    test = two_proportions(won, n, rest_won, rest)
    return Correlate(
        kind, value, title,
        Rate(
            won, n, behind=select("with_went_on"), behind_not=select("with_lost"), behind_all=select("with"), unit=unit,
        ),
        Rate(
            rest_won, rest, behind=select("without_went_on"), behind_not=select("without_lost"),
            behind_all=select("without"), unit=unit,
        ),
        Estimate(odds.value, odds.low, odds.high, n + rest, odds.reason, select("with")), test.p, None,
    )  # fmt: skip


def members(view: View, selector: Selector) -> list[Mask]:
    """bool[C] a bucket: those with or without one of the things, all or those of them who went on."""
    asked = asked_again(view, selector)
    target, base = (int(selector.option(k) or 0) - 1 for k in ("step", "base"))
    kind, value = selector.option("of"), selector.option("value")
    if kind is None or value is None or not 0 <= base < target < len(asked.steps):
        raise MeasureError(N_("{selector} does not say what was met."), selector=str(selector))
    ask = Ask(asked, base, target, view.as_of)
    if kind == "met":
        # an event's name stands for what of it is off the map: codes_of would take its touchpoints too
        names = names_of(view, asked)
        place = known(value, names.names, N_("There is no touchpoint or event {name!r}.{meant} There are: {known}."))
        name = frozen(np.where(names.of == place, 0, -1), np.int64)
        return whose(view, asked, functools.partial(_chosen_met, ask, name, selector.what))
    grouping = grouping_of(view, kind)
    choose = functools.partial(_chosen_group, ask, grouping.how, grouping.place(value), selector.what)
    return whose(view, asked, choose, grouping.events, grouping.customers)


def _chosen_met(ask: Ask, name: npt.NDArray[np.int64], what: str, rows: Rows) -> Mask:
    looked, went = ask.rows(rows)
    begin, end, until = ask.ends(rows, looked)
    met = names_between(
        rows.columns, rows.segments, rows.segment[looked], begin, end, until, frozen(name, np.int64), 1
    )[:, 0]
    return _marked(rows, looked, went, met, what)


def _chosen_group(ask: Ask, how: How, place: int, what: str, rows: Rows, *beside: Any) -> Mask:
    looked, went = ask.rows(rows)
    at_base = dataclasses.replace(rows, places=np.ascontiguousarray(rows.places[:, [ask.base]]))
    row, group = groups_of(how, at_base, beside)
    inside = np.zeros(len(rows.level), np.bool_)
    inside[row[group == place]] = True
    return _marked(rows, looked, went, inside[looked], what)


def _marked(rows: Rows, looked: I64, went: Mask, met: Mask, what: str) -> Mask:
    chosen = met if what.startswith("with_") or what == "with" else ~met
    if what.endswith("went_on"):
        chosen = chosen & went
    elif what.endswith("lost"):
        chosen = chosen & ~went
    out = np.zeros(len(rows.level), np.bool_)
    out[looked[chosen]] = True
    return out
