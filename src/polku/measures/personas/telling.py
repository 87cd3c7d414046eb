"""What tells a group of customers apart: the touchpoints that they meet more, or less, than the others do."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from polku.journey.model import Text
from polku.kernels import features as kernel
from polku.language import N_, Reader
from polku.measures.answer import Cell, estimate_cell, rate_cell, words
from polku.measures.leads.examples import Groups, Rows, groups_of, rows_at
from polku.measures.result import ENOUGH, Estimate, Rate
from polku.measures.steps import title_of
from polku.measures.view import Mask, View
from polku.statistics.multiple import benjamini_hochberg
from polku.statistics.rates import relative_risk, two_proportions

#: Touchpoints told of one group; and the p-value (adjusted) from which on a difference is no chance.
MOST_TOLD, SURE = 5, 0.05
FEW = N_("few customers, so it is rough")


@dataclasses.dataclass(frozen=True, slots=True)
class Touch:
    """How many of a group met a touchpoint (or a channel), how many of the others, and the lift: the one rate over the
    other. ``p`` is adjusted for the number of groups and touchpoints.
    """

    name: str
    title: Text
    rate: Rate
    others: Rate
    lift: Estimate
    p: float | None

    def cells(self, reader: Reader) -> tuple[Cell, ...]:
        return (
            words(reader.said(self.title), self.name), rate_cell(self.rate, reader), rate_cell(self.others, reader),
            estimate_cell(self.lift, reader, lambda v: reader.number(v, 2)),
            Cell("–" if self.p is None else reader.number(self.p, 4), self.p, number=True),
        )  # fmt: skip


@dataclasses.dataclass(frozen=True, eq=False)
class Seen:
    """Customers with an event in the view's period, and what they did in it."""

    groups: Groups
    rows: Rows

    @property
    def met(self) -> npt.NDArray[np.bool_]:
        """bool[n, groups]: who met each touchpoint (or was on each channel)."""
        first = kernel.FIXED
        return np.asarray(self.rows.features[:, first : first + len(self.groups.names)] > 0)

    def met_by(self, name: str) -> Mask:
        """bool[n]: who met one touchpoint (or channel); nobody where there is none of the name."""
        if name not in self.groups.names:
            return np.zeros(len(self.rows.customer), np.bool_)
        return self.met[:, self.groups.names.index(name)]

    def masks(self, view: View, chosen: Mask) -> list[Mask]:
        """bool[C] a bucket: those of the rows that are ``chosen``."""
        found = [np.zeros(len(c.skip), np.bool_) for c in view.columns]
        for b in range(len(found)):
            found[b][self.rows.place[chosen & (self.rows.bucket == b)]] = True
        return found

    def among(self, masks: list[Mask]) -> Mask:
        """bool[n]: which rows stand in bool[C] a bucket."""
        begins = np.cumsum([0, *(len(m) for m in masks)])
        joined = np.concatenate([*masks, np.empty(0, np.bool_)])
        return np.asarray(joined[begins[self.rows.bucket] + self.rows.place])


def seen_in(view: View, start: int | None = None, end: int | None = None) -> Seen:
    """Everyone with an event in [start, end) seconds; by default the view's period."""
    groups = groups_of(view)
    begin = view.start if start is None else start
    until = (view.end if end is None else end) - 1
    everyone = [~c.skip for c in view.columns]
    return Seen(groups, rows_at(view, groups, (), until, everyone, begin))


def title_of_group(view: View, name: str) -> Text:
    kind, _, what = name.partition(":")
    return title_of(view.journey, what) if kind == "touchpoint" else what


@dataclasses.dataclass(frozen=True, slots=True)
class Lists:
    """The selectors of a group's customers and of the others', who met a touchpoint, did not, and all of them."""

    met: str
    not_met: str
    all: str
    others_met: str
    others_not_met: str
    others: str


def telling(
    view: View, seen: Seen, chosen: Sequence[Mask], lists: Callable[[int, str], Lists]
) -> list[tuple[Touch, ...]]:
    """For each group (bool[n] of the rows) its touchpoints that differ most from the others', by the logarithm of the
    lift; only those that are no chance. ``lists`` gives the lists of a group, by its place, and a touchpoint.
    """
    met = seen.met
    looks: list[tuple[int, int, Rate, Rate, Estimate]] = []
    ps: list[float | None] = []
    for g, mine in enumerate(chosen):
        of, others = int(mine.sum()), int((~mine).sum())
        if not of or not others:
            continue
        for t in range(len(seen.groups.names)):
            n, base = int(met[mine, t].sum()), int(met[~mine, t].sum())
            ratio = relative_risk(n, of, base, others)
            ps.append(two_proportions(n, of, base, others).p)
            few = min(of, others) < ENOUGH
            lift = Estimate(ratio.value, ratio.low, ratio.high, of, ratio.reason or (None if not few else FEW))
            looks.append((g, t, Rate(n, of), Rate(base, others), lift))
    adjusted = benjamini_hochberg(ps)
    found: list[list[tuple[float, Touch]]] = [[] for _ in chosen]
    for (g, t, rate, rest, lift), p in zip(looks, adjusted, strict=True):
        if p is None or p > SURE or lift.value is None:
            continue
        name = seen.groups.names[t]
        size = abs(np.log(max(lift.value, 1e-9)))
        own = lists(g, name)
        rate = dataclasses.replace(rate, behind=own.met, behind_not=own.not_met, behind_all=own.all)
        rest = dataclasses.replace(
            rest, behind=own.others_met, behind_not=own.others_not_met, behind_all=own.others
        )  # fmt: skip
        found[g].append((size, Touch(name, title_of_group(view, name), rate, rest, lift, p)))
    return [tuple(t for _, t in sorted(f, key=lambda x: -x[0])[:MOST_TOLD]) for f in found]
