"""From one step to any other: how many come from A to B sooner or later, beside how many come to B at all.

The base rate and the lift are those of association rules (S. Brin et al., Dynamic Itemset Counting, SIGMOD 1997).
"""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np
import numpy.typing as npt

from polku.journey.model import Text
from polku.kernels.columns import Columns
from polku.kernels.funnels.chains import UNLIMITED
from polku.kernels.paths import patterns as kernel
from polku.language import N_, Reader
from polku.measures.answer import Answer, Table, estimate_cell, rate_cell, words
from polku.measures.charts import Chart, Forest, Series
from polku.measures.paths.alphabet import Alphabet, alphabet_of
from polku.measures.paths.walkers import walkers
from polku.measures.result import ENOUGH, Estimate, Rate
from polku.measures.segments import UNITS, segments
from polku.measures.selectors import Selector
from polku.measures.steps import chain_of, chain_text
from polku.measures.view import Mask, View

I64 = npt.NDArray[np.int64]
WHATS = {"converted": kernel.BOTH, "not": kernel.NOT, "pending": kernel.OPEN, "with": kernel.WITH}
Z95 = 1.959963984540054


@dataclasses.dataclass(frozen=True, slots=True)
class Onward:
    """From the step asked for to ``to``."""

    to: str
    title: Text
    rate: Rate  # of those who met the first step and have had their time
    base: Rate  # of all paths
    lift: Estimate  # rate / base


@dataclasses.dataclass(frozen=True, kw_only=True)
class OnwardFrom(Answer):
    name = "onward"
    says = (
        N_("Conversion from A to B = paths in which B came after A, within the time / paths with A in the period."),
        N_("Only those whose time is up are in it; base rate = paths with B at all / all paths with any step."),
        N_("Lift = conversion / base rate: above 1, those who met A come to B more often than people do in general."),
        N_("It is no proof that A brings B about: those who meet A may be another kind of people."),
        N_("The lift's 95 % interval is by the delta method on its logarithm."),
    )

    of: str
    by: str
    from_: str
    title: Text
    within: int | None
    met: int  # paths with the first step
    paths: int  # with any step
    onward: tuple[Onward, ...]  # highest lift among those with enough people first

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        heads = (N_("to"), N_("came there"), N_("base rate"), N_("lift"))
        rows = tuple(
            (
                words(reader.said(o.title), o.to),
                rate_cell(o.rate, reader),
                rate_cell(o.base, reader),
                estimate_cell(o.lift, reader, lambda x: reader.number(x, 2)),
            )
            for o in self.onward
        )
        title = reader("Onward from {step}", step=reader.said(self.title))
        return (Table(title, tuple(reader(h) for h in heads), rows),)

    def charts(self, reader: Reader) -> tuple[Chart, ...]:
        shown = [o for o in self.onward if o.lift.low is not None][:20]
        values = Series(
            reader("lift"), tuple(o.lift.value for o in shown), tuple(o.lift.low for o in shown),
            tuple(o.lift.high for o in shown), behind=tuple(o.rate.behind for o in shown),
        )  # fmt: skip
        title = reader("Onward from {step}", step=reader.said(self.title))
        return (Forest(title, tuple(reader.said(o.title) for o in shown), values, 1.0, logarithmic=True),)


@dataclasses.dataclass(frozen=True, eq=False)
class Partial:
    totals: I64
    found: I64

    def __add__(self, other: Partial) -> Partial:
        return Partial(self.totals + other.totals, self.found + other.found)


def _partial(view: View, steps: Alphabet, by: str, source: int, within: int | None, bucket: Columns) -> Partial:
    window, as_of = _times(view, within)
    stretches = segments(view, by, bucket)
    return Partial(
        *kernel.onward(bucket, stretches, steps.symbol, len(steps), source, view.start, view.end, window, as_of)
    )


def _times(view: View, within: int | None) -> tuple[int, int]:
    """The window and the moment; without a limit every window counts as closed."""
    return (int(UNLIMITED), int(UNLIMITED) * 2) if within is None else (within, view.as_of)


def lift_of(paths: int, source: int, target: int, both: int, came: int, closed: int) -> Estimate:
    """(came / closed) / (target / paths), with the delta method's interval on its logarithm.

    ``both`` are the paths with source and target in any order. None where nobody came, or nobody could.

    >>> lift_of(600, 522, 328, 300, 297, 522).value.__round__(4)
    1.0408
    """
    if not closed or not target:
        return Estimate(None, reason=N_("nobody came here in this period"))
    value = (came / closed) / (target / paths)
    if not came:
        return Estimate(value, n=closed, reason=N_("nobody came"))
    spread = paths / came - paths / source - paths / target + 2 * both * paths / (source * target) - 1
    caution = N_("too few to say") if min(closed, target) < ENOUGH else None
    if not spread > 1e-9:  # all came, or all have both: a sample in which nothing varies tells no interval
        return Estimate(value, n=closed, reason=caution)
    half = Z95 * math.sqrt(spread / paths)
    return Estimate(value, value * math.exp(-half), value * math.exp(half), closed, caution)


def onward(
    view: View, from_: str, to: str | None = None, within: int | None = None, of: str | None = None,
    by: str = "customer", limit: int = 50,
) -> OnwardFrom:  # fmt: skip
    """Conversion from ``from_`` to every other step (or to ``to``) within ``within`` seconds, with base rate and lift.

    Raises MeasureError for unknown steps.
    """
    steps = alphabet_of(view, of)
    n, source = len(steps), steps.place(from_)
    zero = Partial(np.zeros(3, np.int64), np.zeros((n, 3), np.int64))
    total = view.sum(functools.partial(_partial, view, steps, by, source, within), zero)
    paths, met, is_open = (int(x) for x in total.totals)
    select = functools.partial(view.select, "onward", of=steps.of, by=None if by == "customer" else by, within=within)

    def made(s: int) -> Onward:
        having, both, came = (int(x) for x in total.found[s])
        name = chain_text((from_, steps.names[s]))
        rate = Rate(came, met - is_open, is_open, select(name, "converted"), select(name, "not"),
                    select(name, "pending"), behind_all=select(name, "had_time"), unit=UNITS[by])  # fmt: skip
        base = Rate(having, paths, behind=select(name, "with"), behind_all=select(name, "walked"), unit=UNITS[by])
        return Onward(
            steps.names[s], steps.titles[s], rate, base, lift_of(paths, met, having, both, came, met - is_open)
        )

    chosen = [steps.place(to)] if to is not None else [s for s in range(n) if s != source and total.found[s, 0]]
    rows = sorted(
        map(made, chosen), key=lambda o: (o.lift.low is None, o.lift.reason is not None, -(o.lift.low or 0.0), o.to)
    )
    return OnwardFrom(
        period=view.period, persona=view.persona, segment=view.segment, of=steps.of, by=by, from_=from_,
        title=steps.titles[source], within=within, met=met, paths=paths, onward=tuple(rows[:limit]),
    )  # fmt: skip


def members(view: View, selector: Selector) -> list[Mask]:
    """bool[C] a bucket: who came on, did not, had their time (both), still may, or has the second step at all."""
    steps = alphabet_of(view, selector.option("of"))
    if selector.what == "walked":
        return walkers(view, steps, selector.option("by") or "customer")
    source, target = (steps.place(name) for name in chain_of(selector.name))
    text = selector.option("within")

    def those(what: str) -> list[Mask]:
        work = functools.partial(_came, view, steps, selector.option("by") or "customer", source, target,
                                 int(text) if text else None, WHATS[what])  # fmt: skip
        return view.map(work)

    if selector.what != "had_time":
        return those(selector.what)
    return [came | did_not for came, did_not in zip(those("converted"), those("not"), strict=True)]


def _came(
    view: View, steps: Alphabet, by: str, source: int, target: int, within: int | None, what: int, bucket: Columns
) -> Mask:
    window, as_of = _times(view, within)
    stretches = segments(view, by, bucket)
    found = kernel.went_onward(
        bucket, stretches, steps.symbol, source, target, view.start, view.end, window, as_of, what
    )
    return np.asarray(found)
