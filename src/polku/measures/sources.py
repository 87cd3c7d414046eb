"""Where visits come from: by source, medium and campaign, with the conversion of each."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import numpy.typing as npt

from polku.kernels import visits as kernel
from polku.language import N_, Reader
from polku.measures import visits
from polku.measures.answer import Answer, Table, count_cell, rate_cell, words
from polku.measures.result import Count, Rate
from polku.measures.steps import codes_of, goal_of
from polku.measures.view import Mask, View, known

I64 = npt.NDArray[np.int64]
BY = ("source", "medium", "campaign", "all")
LEVELS = ("source", "medium", "campaign")
WHATS = {
    "visited": kernel.ALL, "converted": kernel.YES, "not": kernel.NO, "pending": kernel.NOT_YET,
    "had_time": kernel.TIMED, "converted_in_visit": kernel.WON_IN_VISIT,
}  # fmt: skip
#: How a part of an origin that nobody gave is written in selectors and data.
NONE = "(none)"


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """One row: visits that began in the period, their customers, and how many of these converted afterwards."""

    source: str | None
    medium: str | None
    campaign: str | None
    visits: int
    customers: Count
    conversion: Rate  # customers who reached the goal within the time given, from their first such visit
    visit_conversion: Rate  # visits in which the goal was reached


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sources(Answer):
    name = "sources"
    says = (
        N_(
            "A visit is a session on the web (gaps under 30 minutes, unless the source names its own) that "
            "began in the period."
        ),
        N_("Its origin is the first source, medium and campaign given in it; a visit that names none came directly."),
        N_(
            "Conversion = customers who reached the goal within the time given, counted from their first such "
            "visit / customers."
        ),
        N_("Conversion of visits = visits in which the goal was reached / visits."),
    )

    by: str
    to: str
    within: int
    visits: int
    sources: tuple[Source, ...]  # most visits first

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        shown = LEVELS if self.by == "all" else (self.by,)
        names = {"source": reader("source"), "medium": reader("medium"), "campaign": reader("campaign")}
        heads = (
            *(names[s] for s in shown),
            reader("visits"),
            reader("customer count"),
            reader("conversion"),
            reader("of visits"),
        )
        rows = tuple(
            (
                *(
                    words(getattr(s, level) or (reader("direct") if level == "source" else "–"), getattr(s, level))
                    for level in shown
                ),
                count_cell(Count(s.visits, s.customers.behind, "visits"), reader),
                count_cell(s.customers, reader),
                rate_cell(s.conversion, reader),
                rate_cell(s.visit_conversion, reader),
            )
            for s in self.sources
        )
        return (Table(reader("Sources"), heads, rows),)


def groups(view: View, by: str) -> tuple[I64, list[tuple[str | None, str | None, str | None]]]:
    """int64[origins]: the group of each origin, and what each group is called."""
    known(by, BY, N_("There is no grouping {name!r}.{meant} There are: {known}."))
    kept = LEVELS if by == "all" else (by,)
    names: dict[tuple[str | None, str | None, str | None], int] = {}
    group = np.empty(len(view.trails.tables.origins), np.int64)
    for i, origin in enumerate(view.trails.tables.origins):
        source, medium, campaign = (part if level in kept else None for level, part in zip(LEVELS, origin, strict=True))
        group[i] = names.setdefault((source, medium, campaign), len(names))
    return group, list(names)


def name_of(names: tuple[str | None, str | None, str | None]) -> str:
    return "|".join(NONE if n is None else n for n in names)


def sources(view: View, by: str = "all", to: str | None = None, within: int | None = None, limit: int = 100) -> Sources:
    """Visits, customers and conversion by origin. ``within`` (seconds) is by default the map's window.

    Raises MeasureError for an unknown goal or grouping.
    """
    to = to or goal_of(view.journey)
    within = within or view.journey.window
    goal = codes_of(view, to)
    group, names = groups(view, by)
    question = visits.asked(view, kernel.SOURCES, goal=goal, group=group, groups=len(names), within=within)
    total = visits.counts(view, question).sources
    rows = []
    for g in np.lexsort((np.arange(len(names)), -total[:, 0]))[:limit]:
        count, won, customers, converted, pending = (int(n) for n in total[g])
        if not count:
            continue
        select = functools.partial(view.select, "source", name_of(names[g]), by=by, to=to, within=within)
        rate = Rate(
            converted, customers - pending, pending, select("converted"), select("not"), select("pending"),
            behind_all=select("had_time"),
        )  # fmt: skip
        visited, in_visit = select("visited"), select("converted_in_visit")
        source, medium, campaign = names[g]
        rows.append(
            Source(
                source, medium, campaign, count, Count(customers, visited), rate,
                Rate(won, count, behind=in_visit, behind_all=visited, unit="visits"),
            )
        )  # fmt: skip
    return Sources(
        period=view.period,
        persona=view.persona,
        segment=view.segment,
        by=by,
        to=to,
        within=within,
        visits=int(total[:, 0].sum()),
        sources=tuple(rows),
    )


def source_members(view: View, name: str, by: str, to: str, within: int, what: str) -> list[Mask]:
    """bool[C] a bucket: who visited from an origin in the period, and of them who converted, did not, or is pending."""
    goal = codes_of(view, to)
    group, names = groups(view, by)
    wanted = known(name, [name_of(n) for n in names], N_("No visit has come from {name!r}.{meant}"))
    question = visits.asked(view, goal=goal, group=group, within=within)
    return visits.members(view, question, kernel.OF_SOURCE, wanted, WHATS[what])
