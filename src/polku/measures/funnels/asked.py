"""What a funnel is asked to be: its steps and how they are taken, as one frozen value that knows its own texts."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from polku.errors import MeasureError
from polku.journey.values import duration
from polku.kernels.columns import frozen
from polku.kernels.funnels import chains as kernel
from polku.kernels.funnels.plain import MOST_STEPS, NO_STEP
from polku.kernels.funnels.plans import plan_of
from polku.language import N_
from polku.measures.definition import known
from polku.measures.selectors import Selector
from polku.measures.steps import chain_of, chain_text, codes_of
from polku.measures.view import Mask, View

ORDERS = ("ordered", "strict", "increasing", "any")
STARTS = ("furthest", "first", "every")
REPEATS = ("allowed", "end")
BY = ("customer", "session", "account")
WHICH = {"furthest": kernel.FURTHEST, "first": kernel.FIRST, "every": kernel.EVERY}
#: Refinements that are written into selectors, besides the steps.
KEPT = ("within", "by", "order", "starts", "optional", "gaps", "without", "hold", "account", "repeats")

Gap = tuple[int | None, int | None]  # least and most seconds
Without = tuple[str, int, int]  # an event that must not lie between step a and step b, from 0


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """A funnel. ``within`` is in seconds; ``optional``, ``gaps`` and ``without`` name steps by their place, from 0."""

    steps: tuple[str, ...]
    within: int | None = None
    by: str = "customer"
    order: str = "ordered"
    starts: str = "furthest"
    optional: frozenset[int] = frozenset()
    gaps: tuple[Gap, ...] = ()
    without: tuple[Without, ...] = ()
    hold: str | None = None
    account: str | None = None
    repeats: str = "allowed"

    @property
    def window(self) -> int:
        """Seconds from the first step after which nothing counts: ``within``, or what the steps' own ``most`` add up
        to.
        """
        most = [gap[1] for gap in self.gaps[1:]]
        if most and self.order != "any" and None not in most:
            whole = sum(m for m in most if m is not None)
            return whole if self.within is None else min(self.within, whole)
        return kernel.UNLIMITED if self.within is None else self.within

    def before(self, step: int) -> int:
        """The step from which the share of ``step`` is taken: the nearest before it that may not be left out."""
        return next((k for k in range(step - 1, -1, -1) if k not in self.optional), 0)

    @property
    def plain(self) -> bool:
        """Whether the quick kernel can answer: steps in order, by customer, from the furthest start, nothing refined;
        if no event is more than one of them.
        """
        usual = (self.order, self.starts, self.by) == ("ordered", "furthest", "customer")
        refined = self.optional or self.gaps or self.without or self.hold or self.repeats != "allowed"
        return usual and not refined and len(self.steps) <= MOST_STEPS

    def texts(self) -> dict[str, str | None]:
        """The refinements as a selector, a URL or a command line writes them; None where they are as usual."""

        def seconds(s: int | None) -> str:
            return "" if s is None else str(s)

        gaps = [f"{k + 1}:{seconds(a)}..{seconds(b)}" for k, (a, b) in enumerate(self.gaps) if (a, b) != (None, None)]
        without = [f"{name}:{a + 1}>{b + 1}" for name, a, b in self.without]
        usual = Asked(self.steps)
        return {
            "within": None if self.within is None else str(self.within),
            "by": None if self.by == usual.by else self.by,
            "order": None if self.order == usual.order else self.order,
            "starts": None if self.starts == usual.starts else self.starts,
            "optional": ",".join(str(k + 1) for k in sorted(self.optional)) or None,
            "gaps": ",".join(gaps) or None,
            "without": ",".join(without) or None,
            "hold": self.hold,
            "account": self.account,
            "repeats": None if self.repeats == usual.repeats else self.repeats,
        }

    @property
    def chain(self) -> str:
        """The steps as a selector names them: ``product>cart>order``."""
        return chain_text(self.steps)


def asked_of(
    view: View,
    steps: Sequence[str],
    within: int | None = None,
    by: str = "customer",
    order: str = "ordered",
    starts: str = "furthest",
    optional: Sequence[str] = (),
    gaps: Sequence[str] = (),
    without: Sequence[str] = (),
    hold: str | None = None,
    account: str | None = None,
    repeats: str = "allowed",
) -> Asked:
    """The funnel that these options mean. Raises MeasureError for what does not fit together.

    ``optional``: steps by name or number from 1. ``gaps``: ``cart:1h..2d``, how long after the step before; either end
    may be missing. ``without``: ``support_chat`` or ``support_chat:cart>order``, what must not lie between two steps.
    """
    steps = tuple(steps)
    if len(steps) < 2:
        raise MeasureError(N_("A funnel needs two steps or more, for example: product, cart, order."))
    for word, words in ((by, BY), (order, ORDERS), (starts, STARTS), (repeats, REPEATS)):
        known(word, words, N_("{name!r} does not fit here.{meant} Choose one of: {known}."))
    for step in steps:
        codes_of(view, step)
    left_out = frozenset(place_of_step(steps, name) for name in optional)
    if left_out & {0, len(steps) - 1}:
        raise MeasureError(N_("The first and the last step of a funnel cannot be left out."))
    bounds: list[Gap] = [(None, None)] * len(steps) if gaps else []
    for text in gaps:
        name, _, span = text.rpartition(":")
        place = place_of_step(steps, name)
        if place == 0:
            raise MeasureError(N_("{text!r}: the first step has none before it, so no time from it."), text=text)
        bounds[place] = _span(text, span)
    if order == "any" and (left_out or bounds or without):
        raise MeasureError(
            N_("In any order no step can be left out, have a time of its own, or have something kept from between.")
        )
    if order == "any" and repeats != "allowed":
        raise MeasureError(N_("In any order a step may come again: repeats=end needs steps in order."))
    apart = tuple(_without(view, steps, text) for text in without)
    if by == "account" and account is None and view.journey.subject != "account":
        raise MeasureError(
            N_(
                "Which account an event is of, has to be told by a property: account={example}. (In a map with "
                "`subject: account`, customers are accounts.)"
            ),
            example="traits.company",
        )
    if by == "account" and view.journey.subject == "account":
        by, account = "customer", None
    made = Asked(steps, within, by, order, starts, left_out, tuple(bounds), apart, hold or None,
                 account if by == "account" else None, repeats)  # fmt: skip
    if order == "any":
        step_numbers(view, made)
    return made


def place_of_step(steps: Sequence[str], name: str) -> int:
    """The place of a step, from 0, by its name or its number."""
    name = name.strip()
    if name.isdigit() and name not in steps and 1 <= int(name) <= len(steps):
        return int(name) - 1
    return known(name, steps, N_("{name!r} is no step of this funnel.{meant} Its steps are: {known}."))


def _span(text: str, span: str) -> Gap:
    least, dots, most = span.partition("..")
    try:
        ends = tuple(duration(int(e) if e.isdigit() else e) if e else None for e in (least.strip(), most.strip()))
    except ValueError:
        ends = ()
    if not dots or not ends or ends == (None, None):
        raise MeasureError(
            N_("{text!r} is no time from the step before; write for example cart:1h..2d or cart:..2d."), text=text
        )
    if ends[0] is not None and ends[1] is not None and ends[0] > ends[1]:
        raise MeasureError(N_("{text!r}: the least is more than the most."), text=text)
    return ends[0], ends[1]


def _without(view: View, steps: Sequence[str], text: str) -> Without:
    name, colon, between = text.rpartition(":")
    if not colon or ">" not in between:
        codes_of(view, text)
        return text, 0, len(steps) - 1
    codes_of(view, name)
    first, _, second = between.partition(">")
    a, b = place_of_step(steps, first), place_of_step(steps, second)
    if a >= b:
        raise MeasureError(N_("{text!r}: the first of the two steps comes before the second."), text=text)
    return name, a, b


def asked_again(view: View, selector: Selector) -> Asked:
    """The funnel that a selector's number is of. Raises MeasureError for one that cannot be."""
    given = {name: selector.option(name) for name in KEPT}
    within = given["within"]
    lists = {k: (given[k] or "").split(",") if given[k] else () for k in ("optional", "gaps", "without")}
    return asked_of(
        view, chain_of(selector.name),
        within=None if within is None else duration(int(within) if within.isdigit() else within),
        by=given["by"] or "customer", order=given["order"] or "ordered", starts=given["starts"] or "furthest",
        hold=given["hold"], account=given["account"], repeats=given["repeats"] or "allowed", **lists,
    )  # fmt: skip


def step_codes(view: View, asked: Asked) -> list[Mask]:
    """For each step bool[codes]: the codes that it is."""
    return [codes_of(view, step) for step in asked.steps]


def step_numbers(view: View, asked: Asked) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """int64[codes]: the one step that a code is, ``NO_STEP`` for none. Empty where a code is several steps; in any
    order, where that cannot be, MeasureError.
    """
    codes = step_codes(view, asked)
    several = np.sum(codes, axis=0) > 1
    if several.any():
        if asked.order == "any":
            twice = str(view.trails.tables.code_event[int(np.flatnonzero(several)[0])])
            raise MeasureError(
                N_("In any order an event can be one step only, and {event!r} would be several."), event=twice
            )
        return np.empty(0, np.int64)
    numbers = np.full(view.trails.tables.codes, NO_STEP, np.int64)
    for k, of in enumerate(codes):
        numbers[of] = k
    return np.asarray(frozen(numbers, np.int64))


def plan_for(view: View, asked: Asked) -> kernel.Plan:
    """The funnel as its kernel follows it."""
    return plan_of(
        step_codes(view, asked),
        required=[k not in asked.optional for k in range(len(asked.steps))],
        least=[gap[0] or 0 for gap in asked.gaps] or None,
        most=[gap[1] for gap in asked.gaps] or None,
        without=[(codes_of(view, name), a, b) for name, a, b in asked.without],
        strict=asked.order == "strict",
        rising=asked.order == "increasing",
        once=asked.repeats == "end",
    )
