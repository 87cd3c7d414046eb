"""Which step follows which: a first-order directly-follows graph, with probabilities both ways and times.

W. van der Aalst, Process Mining: Data Science in Action (2016), chapter 6: A is directly followed by B when B is the
next step after A in the same trail. Start and end are steps of their own here, so that every row and column adds up.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from polku.journey.model import Text
from polku.kernels.columns import Columns
from polku.kernels.paths import transitions as kernel
from polku.kernels.spread import BINS, quantile
from polku.language import N_, Reader
from polku.measures.answer import Answer, Cell, Table, count_cell, rate_cell, words
from polku.measures.charts import Chart, Graph, Heat, Link, Node
from polku.measures.paths.alphabet import END, START, Alphabet, alphabet_of
from polku.measures.paths.walkers import walkers
from polku.measures.result import Count, Rate
from polku.measures.segments import segments
from polku.measures.selectors import Selector
from polku.measures.steps import chain_of, chain_text
from polku.measures.view import Mask, View

I64 = npt.NDArray[np.int64]
TITLES: dict[str, str] = {START: N_("start"), END: N_("end")}
#: A picture with more arrows than this cannot be read.
MOST_DRAWN = 40


@dataclasses.dataclass(frozen=True, slots=True)
class Transition:
    """How often ``source`` was directly followed by ``target``; either may be the start or the end of the path."""

    source: str
    target: str
    titles: tuple[Text, Text]
    count: Count  # times, not customers; behind are the customers who ever did
    out: Rate  # of all that followed source
    into: Rate  # of all that came before target
    median: float | None  # seconds, to within 0.8 %; None at the start and the end
    p95: float | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Transitions(Answer):
    name = "transitions"
    says = (
        N_("A transition is a step and the one right after it in the same trail (or session)."),
        N_("Probability out = times A was followed by B / times A was followed by anything, the end included."),
        N_("Probability in = times B came after A / times B came after anything, the start included."),
        N_("Times are from the one step to the other: the median, and what 95 % did not exceed, to within 1 %."),
        N_("Counts are of steps, not of customers; the customers behind one are all who ever made it."),
    )

    of: str
    by: str
    collapse: bool
    steps: int  # all steps counted
    paths: int  # trails or sessions with any step
    transitions: tuple[Transition, ...]  # the most frequent first
    left_out: int  # further ones that happened, beyond the limit
    limit: int

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        heads = (
            N_("from"), N_("to"), N_("times"), N_("of what followed"), N_("of what came before"), N_("median time"),
            N_("95 % within"),
        )  # fmt: skip
        rows = tuple(
            (
                words(_said(t.source, t.titles[0], reader), t.source),
                words(_said(t.target, t.titles[1], reader), t.target),
                count_cell(t.count, reader),
                rate_cell(t.out, reader),
                rate_cell(t.into, reader),
                _time(t.median, reader),
                _time(t.p95, reader),
            )
            for t in self.transitions
        )
        title = reader("Transitions by session") if self.by == "session" else reader("Transitions by customer")
        return (Table(title, tuple(reader(h) for h in heads), rows),)

    def charts(self, reader: Reader) -> tuple[Chart, ...]:
        shown = self.transitions[:MOST_DRAWN]
        titles = {name: _said(name, title, reader) for t in shown for name, title in _ends(t)}
        flow = {name: sum(t.count.n for t in shown if name == t.target) for name in titles}
        flow |= {name: flow[name] or sum(t.count.n for t in shown if name == t.source) for name in titles}
        nodes = tuple(Node(name, titles[name], flow[name]) for name in titles)
        links = tuple(
            Link(
                t.source, t.target, t.count.n, "" if t.median is None else reader.duration(t.median), t.count.behind
            )
            for t in shown
        )  # fmt: skip
        rows = tuple(dict.fromkeys(t.source for t in shown))
        columns = tuple(dict.fromkeys(t.target for t in shown))
        of = {(t.source, t.target): t for t in shown}
        heat = Heat(
            reader("What follows what"),
            tuple(titles[r] for r in rows),
            tuple(titles[c] for c in columns),
            tuple(tuple(of[r, c].out.value if (r, c) in of else None for c in columns) for r in rows),
            behind=tuple(tuple(of[r, c].count.behind if (r, c) in of else None for c in columns) for r in rows),
            x_title=reader("to"),
            y_title=reader("from"),
        )
        return (Graph(reader("Paths"), nodes, links), heat)


def _ends(transition: Transition) -> tuple[tuple[str, Text], tuple[str, Text]]:
    return (transition.source, transition.titles[0]), (transition.target, transition.titles[1])


def _said(name: str, title: Text, reader: Reader) -> str:
    return reader(TITLES[name]) if name in TITLES else reader.said(title)


def _time(seconds: float | None, reader: Reader) -> Cell:
    return Cell("–" if seconds is None else reader.duration(seconds), seconds, number=True)


@dataclasses.dataclass(frozen=True, eq=False)
class Partial:
    """Counts int64[S + 1, S + 1] and waits int64[rows, BINS] of some buckets."""

    counts: I64
    waits: I64

    def __add__(self, other: Partial) -> Partial:
        return Partial(self.counts + other.counts, self.waits + other.waits)


def _partial(view: View, steps: Alphabet, by: str, collapse: bool, row_of: I64, rows: int, bucket: Columns) -> Partial:
    n = len(steps)
    if by == "customer" and not collapse and not rows and whole(view):
        return Partial(_untimed(steps, bucket), np.zeros((0, BINS), np.int64))
    stretches = segments(view, by, bucket)
    return Partial(
        *kernel.timed_pairs(bucket, stretches, steps.symbol, n, view.start, view.end, collapse, row_of, rows)
    )


def whole(view: View) -> bool:
    """Whether the view's period holds every event, so that times need not be read."""
    last = view.trails.last
    return view.period.start is None and (last is None or int(last.timestamp()) < view.end)


def _untimed(steps: Alphabet, bucket: Columns) -> I64:
    """Counts over whole trails; by pairs of codes where each of them is a step."""
    n, codes = len(steps), len(steps.symbol)
    if codes > kernel.MOST_CODES or (steps.symbol < 0).any():
        return np.asarray(kernel.pairs(bucket, steps.symbol, n))
    found = kernel.neighbours(bucket, codes)
    to = np.append(steps.symbol.astype(np.int64), n)
    counts = np.zeros((n + 1, n + 1), np.int64)
    np.add.at(counts, (to[:, None], to[None, :]), found)
    return counts


def counted(
    view: View, steps: Alphabet, by: str = "customer", collapse: bool = False, timed: Sequence[tuple[int, int]] = ()
) -> tuple[I64, I64]:
    """Counts int64[S + 1, S + 1] (row S the start, column S the end), and waits int64[len(timed), BINS] of the pairs
    ``timed``.
    """
    n = len(steps)
    row_of = np.full((n, n), -1, np.int64)
    for row, pair in enumerate(timed):
        row_of[pair] = row
    zero = Partial(np.zeros((n + 1, n + 1), np.int64), np.zeros((len(timed), BINS), np.int64))
    total = view.sum(functools.partial(_partial, view, steps, by, collapse, row_of, len(timed)), zero)
    return total.counts, total.waits


def transitions(
    view: View, of: str | None = None, by: str = "customer", collapse: bool = False, limit: int = 50
) -> Transitions:
    """The ``limit`` most frequent transitions of the period. Raises MeasureError for unknown words."""
    steps = alphabet_of(view, of)
    counts, _ = counted(view, steps, by, collapse)
    n = len(steps)
    order = np.argsort(-counts, axis=None, kind="stable")
    order = order[counts.ravel()[order] > 0]
    # only those shown are timed: a table of waits for every pair would not stay in the cache
    shown = [divmod(int(p), n + 1) for p in order[:limit]]
    timed = [(a, b) for a, b in shown if a < n and b < n]
    waits = dict(zip(timed, counted(view, steps, by, collapse, timed)[1], strict=True)) if timed else {}
    follows, precedes = counts.sum(axis=1), counts.sum(axis=0)
    names = (*steps.names, "")
    select = functools.partial(
        view.select,
        "transition",
        of=steps.of,
        by=None if by == "customer" else by,
        collapse="yes" if collapse else None,
    )

    def took(step: str) -> str:
        return select(chain_text((step,)), "took")

    def made(a: int, b: int) -> Transition:
        source, target = names[a] or START, names[b] or END
        times = int(counts[a, b])
        behind = select(chain_text((source, target)), "made")
        spread = waits.get((a, b))
        return Transition(
            source, target,
            (steps.titles[a] if a < n else START, steps.titles[b] if b < n else END),
            Count(times, behind, "times"),
            Rate(times, int(follows[a]), behind=behind, unit="times", behind_all=took(source)),
            Rate(times, int(precedes[b]), behind=behind, unit="times", behind_all=took(target)),
            quantile(spread, 0.5) if spread is not None else None,
            quantile(spread, 0.95) if spread is not None else None,
        )  # fmt: skip

    return Transitions(
        period=view.period, persona=view.persona, segment=view.segment, of=steps.of, by=by, collapse=collapse,
        steps=int(precedes[:n].sum()), paths=int(follows[n]), transitions=tuple(made(a, b) for a, b in shown),
        left_out=max(0, len(order) - limit), limit=limit,
    )  # fmt: skip


def members(view: View, selector: Selector) -> list[Mask]:
    """bool[C] a bucket: who made the transition that a selector names, or took its one step (the start and the end of a
    path are everybody's).
    """
    steps = alphabet_of(view, selector.option("of"))
    if selector.what == "took":
        (name,) = chain_of(selector.name)
        step = None if name in (START, END) else steps.place(name)
        return walkers(view, steps, selector.option("by") or "customer", step)
    source, target = chain_of(selector.name)
    n = len(steps)
    ends = (n if source == START else steps.place(source), n if target == END else steps.place(target))
    work = functools.partial(_having, view, steps, selector.option("by") or "customer",
                             selector.option("collapse") == "yes", ends)  # fmt: skip
    return view.map(work)


def _having(view: View, steps: Alphabet, by: str, collapse: bool, ends: tuple[int, int], bucket: Columns) -> Mask:
    found = kernel.having(
        bucket, segments(view, by, bucket), steps.symbol, len(steps), view.start, view.end, collapse, *ends
    )
    return np.asarray(found)
