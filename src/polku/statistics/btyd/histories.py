"""The data of the models: of each customer how many repeat purchases, when the last one was, and how long they have
been watched. Equal rows are counted once, with how many customers they stand for.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, eq=False)
class Histories:
    """Distinct purchase histories and how many customers have each.

    ``frequency`` int64[n]: purchases after the first (x). ``recency`` float64[n]: time from the first purchase to the
    last (t_x), 0 when there is only one. ``age`` float64[n]: time from the first purchase to the end of watching (T).
    ``customers`` float64[n]. Times are in one unit, whichever it is; parameters come out in the same.
    """

    frequency: I64
    recency: F64
    age: F64
    customers: F64

    def __len__(self) -> int:
        return len(self.frequency)

    @property
    def total(self) -> float:
        """How many customers there are."""
        return float(self.customers.sum())

    @property
    def repeats(self) -> float:
        """How many purchases came after a first one."""
        return float(self.frequency @ self.customers)

    @functools.cached_property
    def levels(self) -> tuple[F64, I64]:
        """The distinct frequencies, and the place of each row's among them: special functions are asked once each."""
        values, place = np.unique(self.frequency, return_inverse=True)
        return values.astype(np.float64), place.astype(np.int64)

    @functools.cached_property
    def each(self) -> F64:
        """How many customers have each distinct frequency."""
        values, place = self.levels
        return np.bincount(place, self.customers, len(values)).astype(np.float64)

    def scaled(self, unit: float) -> Histories:
        """The same with times counted in ``unit``."""
        return Histories(self.frequency, self.recency / unit, self.age / unit, self.customers)

    def take(self, rows: Any) -> Histories:
        return Histories(self.frequency[rows], self.recency[rows], self.age[rows], self.customers[rows])

    def sample(self, most: int) -> Histories:
        """At most ``most`` rows, evenly spaced in their order, with weights that keep the number of customers."""
        if len(self) <= most:
            return self
        # customers, not rows, are spaced evenly, so that common histories are drawn as often as they occur
        ends = np.cumsum(self.customers)
        drawn = np.searchsorted(ends, (np.arange(most) + 0.5) * (ends[-1] / most))
        rows, times = np.unique(drawn, return_counts=True)
        return dataclasses.replace(self.take(rows), customers=times * (ends[-1] / most))


def histories(frequency: Any, recency: Any, age: Any, customers: Any = None) -> tuple[Histories, I64]:
    """The distinct rows of plain arrays, and int64[N] the row of each customer.

    Raises ValueError for a negative number, a recency beyond the age, or a recency without a repeat purchase.

    >>> rows, row_of = histories([0, 2, 0], [0, 3.5, 0], [7, 7, 7])
    >>> rows.frequency.tolist(), rows.customers.tolist(), row_of.tolist()
    ([0, 2], [2.0, 1.0], [0, 1, 0])
    """
    x, tx, total = np.asarray(frequency), np.asarray(recency, np.float64), np.asarray(age, np.float64)
    weight = np.ones(len(x)) if customers is None else np.asarray(customers, np.float64)
    if not (len(x) == len(tx) == len(total) == len(weight)):
        raise ValueError("frequency, recency, age and customers have different lengths")
    if not (np.isfinite(tx).all() and np.isfinite(total).all() and np.isfinite(weight).all()):
        raise ValueError("times and numbers of customers must be finite")
    if (x < 0).any() or (tx < 0).any() or (weight < 0).any() or (x != np.floor(x)).any():
        raise ValueError("frequencies are whole numbers from 0 up; times and numbers of customers are never negative")
    if (tx > total).any():
        raise ValueError("a last purchase lies behind the end of watching: recency is greater than age")
    if ((x == 0) & (tx > 0)).any():
        raise ValueError("a customer without a repeat purchase has a recency other than 0")
    rows, row_of = _distinct(x.astype(np.int64), tx, total)
    count = np.bincount(row_of, weight, len(rows)).astype(np.float64)
    return Histories(x[rows].astype(np.int64), tx[rows], total[rows], count), row_of


def _distinct(x: I64, tx: F64, total: F64) -> tuple[I64, I64]:
    """One row of each kind, and the kind of every row: each column becomes a small number, and these one key."""
    key = np.zeros(len(x), np.int64)
    for column in (x, tx, total):
        small = _ranks(column)
        key = key * (int(small.max(initial=0)) + 1) + small
    _, rows, row_of = np.unique(key, return_index=True, return_inverse=True)
    return rows.astype(np.int64), row_of.astype(np.int64)


def _ranks(column: npt.NDArray[Any]) -> I64:
    """int64[n]: equal values get equal small numbers. Whole numbers in a narrow range are their own, without a sort."""
    if len(column) and (column == np.floor(column)).all() and column.max() - column.min() < 2**20:
        return np.asarray(column - column.min(), np.int64)
    return np.unique(column, return_inverse=True)[1].astype(np.int64)
