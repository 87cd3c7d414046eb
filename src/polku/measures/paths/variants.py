"""Variants: the distinct whole paths that people went, the most common first.

W. van der Aalst, Process Mining: Data Science in Action (2016), chapter 5: cases with the same sequence of steps are of
the same variant.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from polku.journey.model import Text
from polku.kernels.columns import Columns
from polku.kernels.paths import variants as kernel
from polku.language import N_, Reader
from polku.measures.answer import Answer, Cell, Table, count_cell, rate_cell, time_cell, words
from polku.measures.charts import Bars, Chart, Series
from polku.measures.paths.alphabet import Alphabet, alphabet_of
from polku.measures.paths.walkers import walkers
from polku.measures.quantiles import quantiles
from polku.measures.result import Count, Quantiles, Rate
from polku.measures.segments import UNITS, segments
from polku.measures.segments import members as marked
from polku.measures.selectors import Selector
from polku.measures.steps import chain_of, chain_text
from polku.measures.view import Mask, View

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
U32 = npt.NDArray[np.uint32]
#: A path is named in full up to so many steps; a selector in a URL has no room for more.
MOST_NAMED = 60


@dataclasses.dataclass(frozen=True, slots=True)
class Variant:
    """One path: its steps in order, and how many trails (or sessions) went just so."""

    steps: tuple[str, ...]
    titles: tuple[Text, ...]
    count: Count
    share: Rate
    duration: Quantiles  # seconds from the first step to the last


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variants(Answer):
    name = "variants"
    says = (
        N_("A variant is a whole path: all steps of a trail (or a session) in the period, in order."),
        N_("Share = paths that went just so / all paths with at least one step."),
        N_("Duration is from the first step of the path to its last."),
    )

    of: str
    by: str
    collapse: bool
    paths: int
    distinct: int  # different variants, those not listed included
    mean_length: float | None  # steps a path; None when there is no path
    longest: int
    duration: Quantiles
    mean_duration: float | None  # seconds
    variants: tuple[Variant, ...]

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        heads = (N_("path"), N_("paths"), N_("share"), N_("steps in it"), N_("duration"))
        rows = tuple(
            (
                words(_spoken(v, reader), " > ".join(v.steps)),
                count_cell(v.count, reader),
                rate_cell(v.share, reader),
                count_cell(len(v.steps), reader),
                time_cell(v.duration, reader),
            )
            for v in self.variants
        )
        whole = (
            (words(reader(N_("paths")), "paths"), count_cell(self.paths, reader)),
            (words(reader(N_("different paths")), "distinct"), count_cell(self.distinct, reader)),
            (words(reader(N_("steps a path, mean")), "mean_length"), _number(self.mean_length, reader)),
            (words(reader(N_("longest path, steps")), "longest"), count_cell(self.longest, reader)),
            (words(reader(N_("duration, median")), "duration"), time_cell(self.duration, reader)),
        )
        return (
            Table(reader("Variants"), tuple(reader(h) for h in heads), rows),
            Table(reader("All paths"), (reader("figure"), reader("value")), whole),
        )

    def charts(self, reader: Reader) -> tuple[Chart, ...]:
        shown = self.variants[:20]
        series = Series(
            reader("paths"),
            tuple(float(v.count.n) for v in shown),
            behind=tuple(v.count.behind for v in shown),
        )
        return (Bars(reader("Variants"), tuple(_spoken(v, reader) for v in shown), (series,), across=True),)


def _spoken(variant: Variant, reader: Reader) -> str:
    return " → ".join(reader.said(t) for t in variant.titles)


def _number(value: float | None, reader: Reader) -> Cell:
    return Cell("–" if value is None else reader.number(value, 2), value, number=True)


@dataclasses.dataclass(frozen=True, eq=False)
class Partial:
    """Of every path of some buckets: its hash, length and duration."""

    hashed: tuple[U64, ...] = ()
    length: tuple[U32, ...] = ()
    seconds: tuple[U32, ...] = ()

    def __add__(self, other: Partial) -> Partial:
        return Partial(self.hashed + other.hashed, self.length + other.length, self.seconds + other.seconds)


def _partial(view: View, steps: Alphabet, by: str, collapse: bool, bucket: Columns) -> Partial:
    stretches = segments(view, by, bucket)
    hashed, length, seconds = kernel.paths(bucket, stretches, steps.symbol, view.start, view.end, collapse)
    there = length > 0
    return Partial((hashed[there],), (length[there].astype(np.uint32),), (seconds[there].astype(np.uint32),))


def _spelled(
    view: View, steps: Alphabet, by: str, collapse: bool, wanted: U64, bucket: Columns
) -> dict[int, tuple[int, ...]]:
    """The steps of the ``wanted`` paths (hashes, ascending) that this bucket has."""
    stretches = segments(view, by, bucket)
    hashed, length, _ = kernel.paths(bucket, stretches, steps.symbol, view.start, view.end, collapse)
    found, first = np.unique(hashed, return_index=True)
    here = np.isin(found, wanted) & (length[first] > 0)
    return {
        int(h): tuple(
            kernel.spelled(bucket, stretches, steps.symbol, view.start, view.end, collapse, v, length[v]).tolist()
        )
        for h, v in zip(found[here].tolist(), first[here].tolist(), strict=True)
    }


def variants(
    view: View, of: str | None = None, by: str = "customer", collapse: bool = False, limit: int = 50
) -> Variants:
    """The ``limit`` most common paths. Raises MeasureError for unknown words."""
    steps = alphabet_of(view, of)
    total = view.sum(functools.partial(_partial, view, steps, by, collapse), Partial())
    hashed, seconds = _joined(total.hashed, np.uint64), _joined(total.seconds, np.uint32)
    length = _joined(total.length, np.uint32)
    kinds, kind, counts = np.unique(hashed, return_inverse=True, return_counts=True)
    top = np.lexsort((kinds, -counts))[:limit]
    wanted = np.sort(kinds[top])
    found: dict[int, tuple[int, ...]] = functools.reduce(
        operator.or_, view.map(functools.partial(_spelled, view, steps, by, collapse, wanted)), {}
    )
    grouped = np.argsort(kind, kind="stable")
    begins = np.concatenate([[0], np.cumsum(counts)])
    select = functools.partial(
        view.select, "variant", of=steps.of, by=None if by == "customer" else by, collapse="yes" if collapse else None
    )

    def made(place: int) -> Variant:
        path = found[int(kinds[place])]
        names = tuple(steps.names[s] for s in path)
        behind = select(chain_text(names), "went") if len(names) <= MOST_NAMED else None
        n = int(counts[place])
        waits = seconds[grouped[begins[place] : begins[place + 1]]]
        return Variant(
            names, tuple(steps.titles[s] for s in path), Count(n, behind, UNITS[by]),
            Rate(n, len(hashed), behind=behind, behind_all=select("", "walked"), unit=UNITS[by]),
            dataclasses.replace(quantiles([waits]), behind=behind, unit=UNITS[by]),
        )  # fmt: skip

    paths = len(hashed)
    duration = dataclasses.replace(quantiles([seconds]), behind=select("", "walked"), unit=UNITS[by])
    return Variants(
        period=view.period, persona=view.persona, segment=view.segment, of=steps.of, by=by, collapse=collapse,
        paths=paths, distinct=len(kinds), mean_length=float(length.mean()) if paths else None,
        longest=int(length.max()) if paths else 0, duration=duration,
        mean_duration=float(seconds.mean()) if paths else None, variants=tuple(made(int(p)) for p in top),
    )  # fmt: skip


def _joined(parts: Sequence[npt.NDArray[Any]], dtype: type) -> npt.NDArray[Any]:
    return np.concatenate(parts) if parts else np.empty(0, dtype)


def members(view: View, selector: Selector) -> list[Mask]:
    """bool[C] a bucket: who went just this path (by session: in any session); or has any path."""
    steps = alphabet_of(view, selector.option("of"))
    if selector.what == "walked":
        return walkers(view, steps, selector.option("by") or "customer")
    wanted = kernel.hash_of([steps.place(name) for name in chain_of(selector.name)])
    collapse = selector.option("collapse") == "yes"
    return view.map(functools.partial(_went, view, steps, selector.option("by") or "customer", collapse, wanted))


def _went(view: View, steps: Alphabet, by: str, collapse: bool, wanted: int, bucket: Columns) -> Mask:
    stretches = segments(view, by, bucket)
    hashed, _, _ = kernel.paths(bucket, stretches, steps.symbol, view.start, view.end, collapse)
    return marked(bucket, stretches.customer[hashed == np.uint64(wanted)])
