"""What was spent on whom: the project's table of costs, cut to a period and grouped as the origins of customers are."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from polku.language import N_
from polku.measures.sources import NONE
from polku.measures.value.buying import Buying, currency_of
from polku.measures.view import View

if TYPE_CHECKING:
    import pyarrow as pa

NO_COSTS = N_("no costs are known: bring them in with polku import-costs")
OTHER_DAYS = N_("costs are known of other days only than those of the period")
OF_EVERYONE = N_("costs are known of everyone, not of one persona or segment")
OTHER_CURRENCY = N_("all costs of the period are in another currency than the map's")
NO_COSTS_HERE = N_("no costs are known of it")
NOBODY_WON = N_("nobody was won in the days of which costs are known")
EPOCH = dt.date(1970, 1, 1)
LEVELS = ("source", "medium", "campaign")


@dataclasses.dataclass(frozen=True, slots=True)
class Spent:
    """Costs of one group."""

    amount: float = 0.0
    impressions: int = 0
    clicks: int = 0

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.amount + other.amount, self.impressions + other.impressions, self.clicks + other.clicks
        )  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Cost:
    """One line of the table, its day as days since 1970."""

    day: int
    source: str | None
    medium: str | None
    campaign: str | None
    spent: Spent

    def group(self, by: str) -> str:
        """The name of the group that it belongs to, as :func:`polku.measures.value.buying.origin_groups` names it."""
        parts = {"source": self.source, "medium": self.medium, "campaign": self.campaign}
        if by != "origin":
            return parts[by] or NONE
        return "|".join(parts[level] or NONE for level in LEVELS)


@dataclasses.dataclass(frozen=True, slots=True)
class Costs:
    """The costs of a period in the map's currency. ``start`` and ``end`` (exclusive, seconds) are the part of the
    period that they cover: from their first day to their last.
    """

    lines: tuple[Cost, ...]
    start: int
    end: int
    other_currencies: tuple[tuple[str, float], ...]  # left out, with their sums
    without: str = NO_COSTS  # why there are no lines, if there are none

    @property
    def reason(self) -> str | None:
        """Why no cost can be told at all; None where some can."""
        if self.lines:
            return None
        return OTHER_CURRENCY if self.other_currencies else self.without

    @property
    def days(self) -> tuple[str, str] | None:
        """The first and the last day of which costs are known."""
        if not self.lines:
            return None
        known = [line.day for line in self.lines]
        first, last = (EPOCH + dt.timedelta(days=d) for d in (min(known), max(known)))
        return first.isoformat(), last.isoformat()

    def grouped(self, by: str) -> dict[str, Spent]:
        """What was spent on each group; names that differ in capitals alone are one."""
        found: dict[str, Spent] = {}
        for line in self.lines:
            name = line.group(by).casefold()
            found[name] = found.get(name, Spent()) + line.spent
        return found


def costs_in(view: View, question: Buying, table: pa.Table | None, source: str | None = None) -> Costs:
    """The costs of the view's period in the currency of the purchases, of one ``source`` when given.

    ``table`` has the columns day (date), source, medium, campaign, amount, currency, impressions, clicks.
    """
    lines: list[Cost] = []
    others: dict[str, float] = {}
    without, currency = NO_COSTS, currency_of(view)
    first_day, last_day = question.local_day(view.start), question.local_day(view.end - 1)
    for row in _rows(table):
        if source is not None and (row["source"] or NONE).casefold() != source.casefold():
            continue
        day = (row["day"] - EPOCH).days
        if not first_day <= day <= last_day:
            without = OTHER_DAYS
            continue
        code = row["currency"] or view.journey.currency
        if code != currency:
            others[code] = others.get(code, 0.0) + float(row["amount"])
            continue
        spent = Spent(float(row["amount"]), int(row.get("impressions") or 0), int(row.get("clicks") or 0))
        lines.append(Cost(day, row["source"], row["medium"], row["campaign"], spent))
    start, end = view.start, view.start
    if lines:
        start = max(view.start, question.midnight(min(line.day for line in lines)))
        end = min(view.end, question.midnight(max(line.day for line in lines) + 1))
    return Costs(tuple(lines), start, end, tuple(sorted(others.items())), without)


def comparable(view: View, question: Buying, table: pa.Table | None, source: str | None = None) -> Costs:
    """The same to be held against the view's customers: none where it looks at a persona or a segment, as the money was
    spent on everyone.
    """
    found = costs_in(view, question, table, source)
    if found.reason is not None or (view.persona is None and view.segment is None):
        return found
    return Costs((), view.start, view.start, (), OF_EVERYONE)


def costs_table(view: View) -> pa.Table | None:
    """The project's costs, None where there are none."""
    table = view.costs()
    return table if table is not None and table.num_rows else None


def _rows(table: pa.Table | None) -> Iterable[dict[str, Any]]:
    return () if table is None else table.to_pylist()


def months_of(days: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """int64 like ``days`` (since 1970): months since 1970."""
    return days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
