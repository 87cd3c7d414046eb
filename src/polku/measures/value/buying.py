"""Which events are purchases, which are refunds, and who came from where: what every measure of value begins with."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from polku.errors import MeasureError
from polku.kernels import purchases as kernel
from polku.kernels.columns import Columns, frozen
from polku.language import N_, Reader
from polku.measures.result import Estimate
from polku.measures.selectors import Selector
from polku.measures.sources import NONE, groups, name_of
from polku.measures.steps import chain_of, chain_text, codes_of, goal_of
from polku.measures.view import Mask, View, persona_masks, segment_masks
from polku.trails.days import offsets_between

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
DAY = 86400
YEAR = 365.25 * DAY
Z95 = 1.959963984540054
#: Events that give money back, by their canonical names, wherever they occur.
REFUNDS = ("Order Refunded", "Order Cancelled")
#: How long a customer is silent before the relationship counts as ended, where the map says nothing.
SILENCE = 365 * DAY
NO_VALUE = N_("the purchases have no value")
MIXED = N_("the amounts are in several currencies, which cannot be added up")


@dataclasses.dataclass(frozen=True, eq=False)
class Buying:
    """The purchases and refunds of one question, as codes of the trails."""

    purchases: tuple[str, ...]
    refunds: tuple[str, ...]
    buys: Mask
    gives_back: Mask
    since: I64  # the steps of the map's time zone
    offset: I64
    given: tuple[str | None, str | None]  # as asked, for selectors

    def rows(self, bucket: Columns, start: int, until: int, every: int = 1) -> F64:
        """float64[C, WIDTH]: see :func:`polku.kernels.purchases.purchases`."""
        zone, end_day = (self.since, self.offset), self.local_day(until - 1)
        return np.asarray(kernel.purchases(bucket, self.buys, self.gives_back, *zone, start, until, every, end_day))

    @property
    def options(self) -> dict[str, str | None]:
        """What a selector has to say of it: what was asked, and nothing of what is the map's own."""
        return {"from": self.given[0], "refunds": self.given[1]}

    def local_day(self, second: int) -> int:
        """Days since 1970 of a second, in the map's time zone."""
        place = int(np.searchsorted(self.since, second, side="right")) - 1
        return (second + int(self.offset[place])) // DAY

    def midnight(self, day: int) -> int:
        """The second at which a local day begins."""
        second = day * DAY
        for _ in range(2):  # the offset is that of the second looked for
            place = int(np.searchsorted(self.since, second, side="right")) - 1
            second = day * DAY - int(self.offset[place])
        return second


def buying(view: View, purchases: Sequence[str] | None = None, refunds: Sequence[str] | None = None) -> Buying:
    """What is bought in this view: the steps named, else the touchpoints whose ``value`` the map declares, else its
    goal. Refunds are the steps named, ``none``, or by default Order Refunded and Order Cancelled.

    Raises MeasureError for unknown steps, and where nothing says what a purchase is.
    """
    back = tuple(refunds) if refunds else tuple(n for n in REFUNDS if n in view.trails.tables.code_event)
    if back == ("none",):
        back = ()
    names = tuple(purchases) if purchases else _by_the_map(view)
    gives_back = _codes(view, back)
    buys = _codes(view, names) & ~gives_back
    first, last = view.trails.first, view.trails.last
    steps = offsets_between(
        view.journey.timezone, int(first.timestamp()) if first else 0, int(last.timestamp()) if last else 0
    )
    return Buying(
        names, back, frozen(buys, np.bool_), frozen(gives_back, np.bool_),
        frozen(steps.since, np.int64), frozen(steps.offset, np.int64),
        (chain_text(purchases) if purchases else None, chain_text(refunds) if refunds else None),
    )  # fmt: skip


def buying_of(view: View, selector: Selector) -> Buying:
    """The same as a selector says it."""
    named = [selector.option(name) for name in ("from", "refunds")]
    return buying(view, *(chain_of(text) if text else None for text in named))


def _by_the_map(view: View) -> tuple[str, ...]:
    declared = tuple(t.id for _, _, t in view.journey.touchpoints() if t.value is not None)
    if declared:
        return declared
    if not view.journey.touchpoint_ids:
        raise MeasureError(
            N_("Nothing says what a purchase is; name it with `from`, for example from={example}."),
            example="Order Completed",
        )
    return (goal_of(view.journey),)


def _codes(view: View, names: Sequence[str]) -> Mask:
    found = np.zeros(view.trails.tables.codes, np.bool_)
    for name in names:
        found |= codes_of(view, name)
    return found


def silence_of(view: View) -> int:
    """Seconds of silence after which a relationship has ended: the longest ``lapses_after`` of the map, else a year.

    At most a third of the time that the period holds: nothing is known of who has left in the last such time.
    """
    wanted = max((s.lapses_after for s in view.journey.stages if s.lapses_after), default=SILENCE)
    begun = int(view.trails.first.timestamp()) if view.trails.first else view.start
    return max(DAY, min(wanted, (view.end - max(view.start, begun)) // 3))


def currency_of(view: View) -> str:
    """The currency of all amounts: the one that the events name, else the map's. Where they name several, no sum of
    amounts is told (:func:`no_sums`).
    """
    seen = view.trails.tables.currencies
    return seen[0] if len(seen) == 1 else view.journey.currency


def no_sums(view: View) -> str | None:
    """Why amounts cannot be added up: they are in several currencies. None where they can."""
    return MIXED if len(view.trails.tables.currencies) > 1 else None


def withheld(estimate: Estimate, why: str | None) -> Estimate:
    """An amount, or where ``why`` says that there can be none, None with that reason."""
    return estimate if why is None else Estimate(None, n=estimate.n, reason=why)


def money(reader: Reader, currency: str) -> Any:
    """How amounts of money are written."""
    return lambda amount: reader.money(amount, currency)


# ---- groups of customers

#: What customers may be told apart by.
BY = ("source", "medium", "campaign", "origin", "persona", "segment")
ORIGINS = ("source", "medium", "campaign", "origin")


@dataclasses.dataclass(frozen=True, slots=True)
class Group:
    """Customers of one source, persona or segment; ``name`` is None for everyone."""

    by: str | None
    name: str | None

    def title(self, reader: Reader) -> str:
        if self.name is None:
            return reader("everyone")
        if self.by in ORIGINS:
            parts = [p for p in self.name.split("|") if p != NONE]
            return " / ".join(parts) or reader("direct")
        return self.name


EVERYONE = Group(None, None)


def origin_groups(view: View, by: str) -> tuple[I64, tuple[Group, ...]]:
    """int64[origins]: the group of each row of the table of origins; and the groups."""
    group, names = groups(view, "all" if by == "origin" else by)
    level = {"source": 0, "medium": 1, "campaign": 2}.get(by)
    told = [name_of(n) if level is None else (n[level] or NONE) for n in names]
    return frozen(group, np.int64), tuple(Group(by, t) for t in told)


def group_views(view: View, by: str) -> list[tuple[Group, View]]:
    """The view of each persona that says whom it means, or of each segment, of the map."""
    if by == "persona":
        named = [n for n, p in view.journey.personas.items() if p.where is not None]
        made = [(n, persona_masks(view, n)) for n in named]
    else:
        made = [(n, segment_masks(view, n)) for n in view.journey.segments]
    if not made:
        raise MeasureError(
            N_("The map has no personas with a `where` to group by.")
            if by == "persona"
            else N_("The map has no segments to group by.")
        )
    return [(Group(by, name), view.only(masks)) for name, masks in made]


def group_of_customers(group: I64, latest: bool, first: F64, bucket: Columns) -> I64:
    """int64[C]: the group that each customer's origin stands in."""
    return np.asarray(group[kernel.origin_of_first(bucket, first, latest)])


def names_of(view: View, customers: Sequence[int]) -> dict[int, str | None]:
    """What each customer is called: by the project, else by the trails; None where nobody says."""
    from polku.measures.timeline import name_of as trail_name

    if view.project is None:
        return {c: trail_name(view.trails, c) for c in customers}
    from polku.record.naming import called

    ids = view.project.identities.ids_of_many(list(customers))
    return {c: called(ids.get(c, ()), view.journey.subject) for c in customers}
