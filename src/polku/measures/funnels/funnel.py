"""The funnel: who takes its steps, and where they drop off; as a whole, by group, and against another period."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

from polku.journey.model import Text
from polku.language import N_, Reader
from polku.measures.answer import Answer, Cell, Table, count_cell, rate_cell, time_cell, words
from polku.measures.charts import Bars, Chart, Forest, Series
from polku.measures.funnels.asked import Asked, asked_of
from polku.measures.funnels.differences import Difference, adjusted, difference, difference_cell, p_cell
from polku.measures.funnels.grouping import Grouping, grouping_of
from polku.measures.funnels.totals import GroupTotals, Totals, group_totals, totals
from polku.measures.quantiles import quantiles
from polku.measures.result import Count, Quantiles, Rate, Unit
from polku.measures.steps import title_of
from polku.measures.view import View

UNITS: dict[str, Unit] = {"customer": "customers", "session": "sessions", "account": "accounts"}
#: What is counted, in the title of a funnel.
COUNTED: dict[Unit, str] = {
    "customers": N_("Funnel by customer"),
    "sessions": N_("Funnel by session"),
    "accounts": N_("Funnel by account"),
    "times": N_("Funnel by way through"),
}
ORDER_WORDS: dict[str, str] = {
    "strict": N_("nothing else between the steps"),
    "increasing": N_("each step later than the one before"),
    "any": N_("steps in any order"),
}
REPEAT_WORDS = {"end": N_("a step that comes again ends it")}
START_WORDS = {"first": N_("the first start only"), "every": N_("every start counted")}


@dataclasses.dataclass(frozen=True, slots=True)
class FunnelStep:
    """One step: how many came this far, and of those who had their time, the share that came from the step before."""

    step: str
    title: Text
    reached: Count
    from_start: Rate  # of all who started
    from_previous: Rate  # of those who reached the step before (the nearest that may not be left out)
    time: Quantiles  # seconds from the step before
    optional: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class FunnelGroup:
    """One group of a breakdown, and how its conversion differs from that of all others (or of the group named)."""

    name: str
    title: Text
    reached: tuple[Count, ...]  # step by step
    conversion: Rate
    difference: Difference
    time: Quantiles  # seconds from the first step to the last


@dataclasses.dataclass(frozen=True, kw_only=True)
class Funnel(Answer):
    name = "funnel"
    says = (
        N_(
            "A funnel counts who took its steps in order; other events may lie between. An event is used for "
            "one step only."
        ),
        N_("Of all starts in the period, a customer (or session) is given the one that gets furthest."),
        N_(
            "The window counts from the first step, both ends included. Events of the same moment count in "
            "order of arrival."
        ),
        N_(
            "Share of a step = those who reached it / those who reached the step before; only those whose "
            "window has closed."
        ),
        N_("Those whose window is still open are told apart as not yet; they are in no share."),
        N_(
            "Groups are held against all others together: the difference of the shares with Newcombe's 95 % "
            "interval, and a p-value that Holm's method has adjusted for the number of groups."
        ),
    )

    by: str
    within: int | None  # seconds; None: no limit
    refined: Mapping[str, str]  # further options that were given, as texts
    steps: tuple[FunnelStep, ...]
    conversion: Rate  # from the first step to the last
    time: Quantiles  # seconds from the first step to the last
    breakdown: str | None = None
    groups: tuple[FunnelGroup, ...] = ()
    groups_left_out: int = 0  # further groups, smaller than those shown

    @property
    def rate(self) -> Rate:
        return self.conversion

    @property
    def by_visit(self) -> bool:
        return self.by == "session"

    @property
    def reached(self) -> list[int]:
        """How many reached each step, the open windows included."""
        return [step.reached.n for step in self.steps]

    # -- what people read --------------------------------------------------------------------------------------------

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        heads = (N_("step"), N_("reached"), N_("of the step before"), N_("of the first step"), N_("median time"))
        rows = tuple(
            (
                words(step_words(k, s, reader), s.step),
                count_cell(s.reached, reader),
                rate_cell(s.from_previous, reader),
                rate_cell(s.from_start, reader),
                time_cell(s.time, reader),
            )
            for k, s in enumerate(self.steps, 1)
        )
        found = [Table(self.title(reader), tuple(reader(h) for h in heads), rows)]
        if self.groups:
            found.append(self._groups(reader))
        if isinstance(self.before, Funnel) and len(self.before.steps) == len(self.steps):
            found.append(self._change(reader, self.before))
        return tuple(found)

    def title(self, reader: Reader) -> str:
        title = reader(COUNTED[self.steps[0].reached.unit])
        if self.within is not None:
            title = reader("{title}, within {time}", title=title, time=reader.duration(self.within))
        return ", ".join([title, *said_of(self.refined, reader)])

    def _groups(self, reader: Reader) -> Table:
        heads = [
            reader(N_("group")), *(f"{k}. {reader.said(s.title)}" for k, s in enumerate(self.steps, 1)),
            reader(N_("of the first step")), reader(N_("difference")), reader(N_("p, adjusted")),
            reader(N_("median time")),
        ]  # fmt: skip
        rows = tuple(
            (
                words(reader.said(g.title), g.name),
                *(count_cell(n, reader) for n in g.reached),
                rate_cell(g.conversion, reader),
                difference_cell(g.difference, reader),
                p_cell(g.difference, reader),
                time_cell(g.time, reader),
            )
            for g in self.groups
        )
        title = reader(N_("By {property}"), property=self.breakdown or "")
        if self.groups_left_out:
            title = reader(N_("{title}, {n} smaller groups left out"), title=title,
                           n=reader.number(self.groups_left_out))  # fmt: skip
        return Table(title, tuple(heads), rows)

    def _change(self, reader: Reader, before: Funnel) -> Table:
        heads = (
            N_("step"), N_("of the first step"), N_("before"), N_("difference"), N_("of the step before"),
            N_("before"), N_("difference"),
        )  # fmt: skip

        def both(now: Rate, then: Rate) -> tuple[Cell, ...]:
            return rate_cell(now, reader), rate_cell(then, reader), difference_cell(difference(now, then), reader)

        rows = tuple(
            (
                words(step_words(k, s, reader), s.step),
                *both(s.from_start, b.from_start),
                *both(s.from_previous, b.from_previous),
            )
            for k, (s, b) in enumerate(zip(self.steps, before.steps, strict=True), 1)
            if k > 1
        )
        return Table(reader(N_("Against the period before")), tuple(reader(h) for h in heads), rows)

    def charts(self, reader: Reader) -> tuple[Chart, ...]:
        labels = tuple(step_words(k, s, reader) for k, s in enumerate(self.steps, 1))
        rates = [s.from_start for s in self.steps]
        series = [rate_series(reader("of the first step"), rates)]
        if isinstance(self.before, Funnel) and len(self.before.steps) == len(self.steps):
            series.append(rate_series(reader("before"), [s.from_start for s in self.before.steps]))
        bars = Bars(self.title(reader), labels, tuple(series), "share")
        if not self.groups:
            return (bars,)
        shares = [g.difference for g in self.groups]
        forest = Forest(
            reader(N_("Difference from the others")),
            tuple(reader.said(g.title) for g in self.groups),
            Series(
                reader(N_("difference")),
                tuple(d.value for d in shares),
                tuple(d.low for d in shares),
                tuple(d.high for d in shares),
                behind=tuple(g.conversion.behind for g in self.groups),
            ),
            0.0,
            "share",
        )
        conversions = Bars(
            reader(N_("By {property}"), property=self.breakdown or ""),
            tuple(reader.said(g.title) for g in self.groups),
            (rate_series(reader("of the first step"), [g.conversion for g in self.groups]),),
            "share",
            across=True,
        )
        return (bars, conversions, forest)


def step_words(number: int, step: FunnelStep, reader: Reader) -> str:
    title = f"{number}. {reader.said(step.title)}"
    return reader(N_("{step} (may be left out)"), step=title) if step.optional else title


def said_of(refined: Mapping[str, str], reader: Reader) -> list[str]:
    """The refinements in words."""
    found = []
    if order := refined.get("order"):
        found.append(reader(ORDER_WORDS[order]))
    if starts := refined.get("starts"):
        found.append(reader(START_WORDS[starts]))
    if repeats := refined.get("repeats"):
        found.append(reader(REPEAT_WORDS[repeats]))
    if hold := refined.get("hold"):
        found.append(reader(N_("the same {property} throughout"), property=hold))
    if without := refined.get("without"):
        found.append(reader(N_("without {events}"), events=without))
    if gaps := refined.get("gaps"):
        found.append(reader(N_("times between: {gaps}"), gaps=gaps))
    return found


def rate_series(name: str, rates: list[Rate]) -> Series:
    """Rates with their intervals; hollow where some have not had their time."""
    ends = [r.interval() or (None, None) for r in rates]
    return Series(
        name,
        tuple(r.value for r in rates),
        tuple(e[0] for e in ends),
        tuple(e[1] for e in ends),
        tuple(r.pending == 0 for r in rates),
        tuple(r.behind for r in rates),
    )


# -- computing -------------------------------------------------------------------------------------------------------


def unit_of(asked: Asked) -> Unit:
    return "times" if asked.starts == "every" else UNITS[asked.by]


def selecting(view: View, asked: Asked, **more: Any) -> Callable[..., str]:
    """Writes the selectors of a funnel's numbers: ``select("dropped", step=2)``."""
    options: dict[str, Any] = asked.texts() | more
    return functools.partial(view.select, "funnel", asked.chain, **options)


def refinements(asked: Asked) -> dict[str, str]:
    """What was asked besides steps, window and what is counted, as texts that name the steps."""
    texts = asked.texts()
    found = {k: v for k, v in texts.items() if v is not None and k in ("order", "starts", "hold", "account", "repeats")}

    def step(k: int) -> str:
        return asked.steps[k]

    if asked.optional:
        found["optional"] = ", ".join(step(k) for k in sorted(asked.optional))
    if asked.without:
        found["without"] = ", ".join(f"{name} ({step(a)} › {step(b)})" for name, a, b in asked.without)
    if asked.gaps:
        found["gaps"] = ", ".join(
            f"{step(k)} {short(least)}..{short(most)}" for k, (least, most) in enumerate(asked.gaps) if least or most
        )
    return found


def short(seconds: int | None) -> str:
    """A length of time as the map writes it: 1h, 90s; nothing for None.

    >>> short(3600), short(90), short(172_800), short(None)
    ('1h', '90s', '2d', '')
    """
    if seconds is None:
        return ""
    size, unit = next((n, u) for n, u in ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s")) if seconds % n == 0)
    return f"{seconds // size}{unit}"


def rate_between(asked: Asked, reached: Any, open_: Any, step: int, base: int, select: Callable[..., str]) -> Rate:
    """Of those who reached ``base`` and had their time, those who reached ``step``; places from 0."""
    closed = reached - open_
    consecutive = base == asked.before(step) and step > 0
    return Rate(
        int(closed[step]), int(closed[base]), int(open_[base]), select("converted", step=step + 1),
        select("dropped" if consecutive else "lost", step=step + 1), select("pending", step=base + 1),
        behind_all=select("converted", step=base + 1), unit=unit_of(asked),
    )  # fmt: skip


def funnel(
    view: View,
    steps: tuple[str, ...],
    within: int | None = None,
    by: str = "customer",
    breakdown: str | None = None,
    at: str = "first",
    against: str | None = None,
    limit: int = 10,
    **definition: Any,
) -> Funnel:
    """The funnel of ``steps`` (touchpoints of the map, or names of events) within ``within`` seconds of the first.

    Further options are those of :func:`polku.measures.funnels.asked.asked_of`. With ``breakdown`` (see
    :func:`polku.measures.funnels.grouping.grouping_of`) the ``limit`` largest groups besides, each held against all
    others, or against the group ``against``. Without ``within`` nobody is "not yet". Raises MeasureError for unknown
    steps, fewer than two, and options that do not fit together.

    >>> import pyarrow as pa
    >>> from polku.trails.layout import Trails
    >>> from polku.measures.view import view_of
    >>> seen = pa.table({"who": ["a", "a", "b"], "at": [0, 60, 0], "what": ["view", "buy", "view"]})
    >>> funnel(view_of(Trails.from_table(seen, customer="who", time="at", event="what")), ("view", "buy")).reached
    [2, 1]
    """
    asked = asked_of(view, steps, within, by, **definition)
    total = totals(view, asked)
    select, unit, count = selecting(view, asked), unit_of(asked), len(asked.steps)

    def timed(waits: Any, step: int) -> Quantiles:
        """Their list is of all who reached the step, so there is none where some of them are not timed."""
        found = quantiles(waits)
        everyone = found.n == total.reached[step - 1]
        return dataclasses.replace(found, behind=select("reached", step=step) if everyone else None, unit=unit)

    rows = tuple(
        FunnelStep(
            step, title_of(view.journey, step), Count(int(total.reached[k]), select("reached", step=k + 1), unit),
            rate_between(asked, total.reached, total.open, k, 0, select),
            rate_between(asked, total.reached, total.open, k, asked.before(k), select),
            timed(total.waits[k], k + 1), k in asked.optional,
        )
        for k, step in enumerate(asked.steps)
    )  # fmt: skip
    groups: tuple[FunnelGroup, ...] = ()
    left_out = 0
    if breakdown is not None:
        groups, left_out = broken_down(view, asked, grouping_of(view, breakdown, at), total, against, limit)
    return Funnel(
        period=view.period, persona=view.persona, segment=view.segment,
        by=asked.by, within=asked.within, refined=refinements(asked), steps=rows,
        conversion=rate_between(asked, total.reached, total.open, count - 1, 0, select),
        time=timed(total.whole, count), breakdown=breakdown, groups=groups, groups_left_out=left_out,
    )  # fmt: skip


def broken_down(
    view: View, asked: Asked, grouping: Grouping, total: Totals, against: str | None, limit: int
) -> tuple[tuple[FunnelGroup, ...], int]:
    """The largest groups by starts, and how many smaller ones are left out."""
    found = group_totals(view, asked, grouping)
    order = sorted(
        range(len(found.group)), key=lambda g: (-int(found.reached[g, 0]), grouping.name(int(found.group[g])))
    )
    order = [g for g in order if found.reached[g, 0] > 0]
    base = None if against is None else grouping.place(against)
    made = [_group(view, asked, grouping, found, g, total, base) for g in order[:limit]]
    corrected = adjusted([g.difference for g in made])
    return (
        tuple(dataclasses.replace(g, difference=d) for g, d in zip(made, corrected, strict=True)),
        len(order) - len(made),
    )


def _group(
    view: View, asked: Asked, grouping: Grouping, found: GroupTotals, g: int, total: Totals, base: int | None
) -> FunnelGroup:
    place = int(found.group[g])
    at = grouping.at if grouping.events and grouping.at != "first" else None
    select = selecting(view, asked, breakdown=grouping.by, at=at, group=grouping.name(place))
    last = len(asked.steps) - 1
    conversion = rate_between(asked, found.reached[g], found.open[g], last, 0, select)
    other = _other(asked, found, g, total, base)
    waits = quantiles([found.waits[found.wait_group == place]])
    return FunnelGroup(
        grouping.name(place), grouping.title(place),
        tuple(Count(int(n), select("reached", step=k + 1), unit_of(asked)) for k, n in enumerate(found.reached[g])),
        conversion, difference(conversion, other),
        dataclasses.replace(waits, behind=select("reached", step=last + 1), unit=unit_of(asked)),
    )  # fmt: skip


def _other(asked: Asked, found: GroupTotals, g: int, total: Totals, base: int | None) -> Rate | None:
    """What a group is held against: everyone else, or the group ``base`` (itself: nothing)."""
    if base is None:
        closed = total.closed - (found.reached[g] - found.open[g])
    else:
        rows = [r for r, place in enumerate(found.group) if int(place) == base]
        if not rows or rows[0] == g:
            return None
        closed = found.reached[rows[0]] - found.open[rows[0]]
    return Rate(int(closed[-1]), int(closed[0]))
