"""Drift: whether a distribution has moved between two times, by the population stability index."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from polku.language import N_
from polku.statistics.scoring import Column

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
#: Below SLIGHT nothing has moved, above LARGE much has: the rule of thumb of credit scoring (N. Siddiqi, Credit Risk
#: Scorecards, 2006).
SLIGHT, LARGE = 0.1, 0.25
#: People of each side below which nothing is said.
LEAST = 30
MOST_BINS, MOST_WORDS = 10, 20
TOO_FEW = N_("too few to say")


@dataclasses.dataclass(frozen=True, slots=True)
class Shift:
    """The index of one column; ``p`` is the chance of one as large with nothing moved. None with ``reason`` where it
    cannot be said. ``low`` and ``high`` are the middle of the column before and after (numbers only).
    """

    value: float | None
    p: float | None
    bins: int
    before: float | None = None
    after: float | None = None
    reason: str | None = None


def psi(before: npt.ArrayLike, after: npt.ArrayLike) -> float:
    """Population stability index of counts in the same bins: sum of (q - p) ln(q / p), with half a person in a bin
    that one side lacks, so that no logarithm is infinite.

    >>> round(psi([50, 50], [60, 40]), 4)
    0.0405
    """
    x, y = np.asarray(before, np.float64), np.asarray(after, np.float64)
    if x.sum() <= 0 or y.sum() <= 0:
        raise ValueError("a distribution of nobody has no drift")
    if ((x == 0) | (y == 0)).any():
        x, y = x + 0.5, y + 0.5
    p, q = x / x.sum(), y / y.sum()
    return float(np.sum((q - p) * np.log(q / p)))


def psi_p(value: float, bins: int, n: int, m: int) -> float:
    """The chance of an index this large with nothing moved: value / (1/n + 1/m) is then about chi-square with bins - 1
    degrees of freedom (B. Yurdakul, Statistical properties of population stability index, Western Michigan University
    2018).
    """
    from scipy.stats import chi2

    return float(chi2.sf(value / (1 / n + 1 / m), bins - 1)) if bins > 1 else 1.0


def shift(before: Column, after: Column) -> Shift:
    """How far a column moved. Numbers are parted at the tenths of those before (equal ones stay together), words are
    counted, rare ones together; what is absent is a bin of its own.

    >>> x = np.arange(100.0)
    >>> found = shift(Column("x", numbers=x), Column("x", numbers=x + 50))
    >>> found.value > 1, found.before, found.after
    (True, 49.5, 99.5)
    """
    n, m = before.rows, after.rows
    if min(n, m) < LEAST:
        return Shift(None, None, 0, reason=TOO_FEW)
    middle: tuple[float | None, float | None] = (None, None)
    if before.numbers is not None and after.numbers is not None:
        first, second = (_binned(c.exact, _edges(before.exact)) for c in (before, after))
        middle = _middle(before.exact), _middle(after.exact)
    else:
        first, second = _words(before, after)
    there = (first + second) > 0
    first, second = first[there], second[there]
    value = psi(first, second)
    return Shift(value, psi_p(value, len(first), n, m), len(first), *middle)


def _middle(values: F64) -> float | None:
    there = values[~np.isnan(values)]
    return float(np.median(there)) if len(there) else None


def _edges(values: F64) -> F64:
    there = values[~np.isnan(values)]
    if not len(there):
        return np.empty(0)
    return np.unique(np.quantile(there, np.linspace(0, 1, MOST_BINS + 1)[1:-1], method="inverted_cdf"))


def _binned(values: F64, edges: F64) -> I64:
    place = np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, values, side="left"))
    return np.bincount(place.astype(np.int64), minlength=len(edges) + 2)


def _words(before: Column, after: Column) -> tuple[I64, I64]:
    """Counts of the words that both sides share, the rare ones together, and of what is absent."""
    sides = []
    for column in (before, after):
        assert column.codes is not None
        counts = np.bincount(column.codes[column.codes >= 0], minlength=len(column.words))
        told = {w: int(n) for w, n in zip(column.words, counts, strict=True)}
        sides.append((told, int(column.absent.sum())))
    total = {w: sum(t.get(w, 0) for t, _ in sides) for t, _ in sides for w in t}
    common = sorted(total, key=lambda w: (-total[w], w))[:MOST_WORDS]
    rows = [
        [*(t.get(w, 0) for w in common), sum(n for w, n in t.items() if w not in common), gone] for t, gone in sides
    ]
    return np.array(rows[0], np.int64), np.array(rows[1], np.int64)
