"""Sequences: two or three steps in a row that people take more often than chance would have it.

Support and lift are those of sequential pattern mining (R. Agrawal, R. Srikant, Mining Sequential Patterns, ICDE 1995;
S. Brin et al., SIGMOD 1997 for the lift).
"""

from __future__ import annotations

import dataclasses
import functools
import itertools

import numpy as np
import numpy.typing as npt

from polku.errors import MeasureError
from polku.journey.model import Text
from polku.kernels.columns import Columns
from polku.kernels.paths import patterns as kernel
from polku.language import N_, Reader
from polku.measures.answer import Answer, Cell, Table, count_cell, rate_cell, words
from polku.measures.charts import Bars, Chart, Series
from polku.measures.paths.alphabet import Alphabet, alphabet_of
from polku.measures.paths.walkers import walkers
from polku.measures.result import Rate
from polku.measures.segments import UNITS, segments
from polku.measures.selectors import Selector
from polku.measures.steps import chain_of, chain_text
from polku.measures.view import Mask, View

I64 = npt.NDArray[np.int64]
#: A table of all possible sequences is kept; beyond this it would not fit.
MOST_PLACES = 8_000_000


@dataclasses.dataclass(frozen=True, slots=True)
class Sequence:
    """Steps in order; ``times`` is None where others may lie between (then only paths are counted)."""

    steps: tuple[str, ...]
    titles: tuple[Text, ...]
    support: Rate  # paths that have it, of all paths
    times: int | None
    lift: float | None  # how many times as often as if the steps came independently; None where that is 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sequences(Answer):
    name = "sequences"
    says = (
        N_("A sequence is two, three or four steps right after each other; with gaps, others may lie between."),
        N_("Support = paths that have it / all paths with at least one step."),
        N_(
            "Lift of steps right after each other = times it came / (places for it × the product of the steps' shares "
            "of all steps): above 1 it comes more often than if steps came in no order."
        ),
        N_("Lift with gaps = support / the product of the steps' own supports."),
    )

    of: str
    by: str
    length: int
    gaps: bool
    paths: int
    sequences: tuple[Sequence, ...]  # most paths first

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        heads = (N_("sequence"), N_("support"), N_("times"), N_("lift"))
        rows = tuple(
            (
                words(_spoken(s, reader), " > ".join(s.steps)),
                rate_cell(s.support, reader),
                Cell("–", None, number=True) if s.times is None else count_cell(s.times, reader),
                Cell("–" if s.lift is None else reader.number(s.lift, 2), s.lift, number=True),
            )
            for s in self.sequences
        )
        return (Table(reader("Sequences"), tuple(reader(h) for h in heads), rows),)

    def charts(self, reader: Reader) -> tuple[Chart, ...]:
        shown = self.sequences[:20]
        values = Series(
            reader("support"), tuple(s.support.value for s in shown), behind=tuple(s.support.behind for s in shown)
        )
        labels = tuple(_spoken(s, reader) for s in shown)
        return (Bars(reader("Sequences"), labels, (values,), "share", across=True),)


def _spoken(sequence: Sequence, reader: Reader) -> str:
    return " → ".join(reader.said(t) for t in sequence.titles)


@dataclasses.dataclass(frozen=True, eq=False)
class Partial:
    """Paths, how many steps there are in all of each kind, the places for a sequence, and counts by sequence."""

    paths: int
    single: I64  # [S] times
    single_paths: I64  # [S]
    times: I64  # [S ** length]
    found: I64

    def __add__(self, other: Partial) -> Partial:
        return Partial(
            self.paths + other.paths, self.single + other.single, self.single_paths + other.single_paths,
            self.times + other.times, self.found + other.found,
        )  # fmt: skip


def _partial(view: View, steps: Alphabet, by: str, collapse: bool, length: int, gaps: bool, bucket: Columns) -> Partial:
    stretches = segments(view, by, bucket)
    ask = (bucket, stretches, steps.symbol, len(steps), view.start, view.end)
    single, single_paths = kernel.adjacent(*ask, collapse and not gaps, 1)
    paths = int(np.count_nonzero(kernel.anything(bucket, stretches, steps.symbol, view.start, view.end)))
    if gaps:
        return Partial(paths, single, single_paths, np.zeros(0, np.int64), kernel.with_gaps(*ask, length))
    times, found = kernel.adjacent(*ask, collapse, length)
    return Partial(paths, single, single_paths, times, found)


def sequences(
    view: View, of: str | None = None, by: str = "customer", collapse: bool = False, length: int = 2,
    gaps: bool = False, least: float = 0.0, limit: int = 50,
) -> Sequences:  # fmt: skip
    """The ``limit`` sequences that most paths have, of those with a support of ``least`` or more.

    Raises MeasureError for lengths that cannot be counted with so many steps.
    """
    steps = alphabet_of(view, of)
    n = len(steps)
    longest = 3 if gaps else 4
    if not 2 <= length <= longest:
        raise MeasureError(N_("A sequence has 2 to {most} steps here, not {n}."), most=longest, n=length)
    size = n**length
    if size > MOST_PLACES:
        raise MeasureError(
            N_("There are {n} steps, too many for sequences of {length}: ask for shorter ones, or by stage."),
            n=n, length=length,
        )  # fmt: skip
    none = np.zeros(n, np.int64)
    zero = Partial(0, none, none, np.zeros(0 if gaps else size, np.int64), np.zeros(size, np.int64))
    total = view.sum(functools.partial(_partial, view, steps, by, collapse, length, gaps), zero)
    enough = np.flatnonzero((total.found > 0) & (total.found >= least * total.paths))
    top = enough[np.lexsort((enough, -total.found[enough]))][:limit]
    every, places = int(total.single.sum()), int(total.times.sum())
    select = functools.partial(
        view.select, "sequence", of=steps.of, by=None if by == "customer" else by,
        collapse="yes" if collapse and not gaps else None, gaps="yes" if gaps else None,
    )  # fmt: skip

    def made(place: int) -> Sequence:
        digits = tuple(place // n**k % n for k in reversed(range(length)))
        names = tuple(steps.names[d] for d in digits)
        having = int(total.found[place])
        if gaps:
            chance = float(np.prod([total.single_paths[d] / total.paths for d in digits]))
            lift = having / total.paths / chance if chance else None
        else:
            expected = places * float(np.prod([total.single[d] / every for d in digits]))
            lift = int(total.times[place]) / expected if expected else None
        return Sequence(
            names, tuple(steps.titles[d] for d in digits),
            Rate(
                having, total.paths, behind=select(chain_text(names), "had"), behind_all=select("", "walked"),
                unit=UNITS[by],
            ),
            None if gaps else int(total.times[place]), lift,
        )  # fmt: skip

    return Sequences(
        period=view.period, persona=view.persona, segment=view.segment, of=steps.of, by=by, length=length, gaps=gaps,
        paths=total.paths, sequences=tuple(made(int(p)) for p in itertools.islice(top, limit)),
    )  # fmt: skip


def members(view: View, selector: Selector) -> list[Mask]:
    """bool[C] a bucket: who has the sequence that a selector names; or has any path."""
    steps = alphabet_of(view, selector.option("of"))
    if selector.what == "walked":
        return walkers(view, steps, selector.option("by") or "customer")
    wanted = np.array([steps.place(name) for name in chain_of(selector.name)], np.int64)
    collapse, gaps = selector.option("collapse") == "yes", selector.option("gaps") == "yes"
    return view.map(
        functools.partial(_having, view, steps, selector.option("by") or "customer", collapse, gaps, wanted)
    )


def _having(view: View, steps: Alphabet, by: str, collapse: bool, gaps: bool, wanted: I64, bucket: Columns) -> Mask:
    found = kernel.having(
        bucket, segments(view, by, bucket), steps.symbol, view.start, view.end, collapse, wanted, gaps
    )
    return np.asarray(found)
