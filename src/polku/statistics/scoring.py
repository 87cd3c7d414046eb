"""Scoring: the probability that something happens to a row of a plain table, with reasons, from any columns.

Nothing here knows of customers: a table is columns of numbers or words with a target. The measure ``score`` makes such
a table from trails; anybody else's may be scored by :func:`table_of` alone.

Models: logistic regression (L2, on standardised columns) and gradient boosting on histograms (scikit-learn, extra
``models``). What a column adds to a row is how far the log odds move when the column is put back to its average; of
the logistic regression that is coefficient x standardised value.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from polku.errors import MeasureError
from polku.language import N_
from polku.statistics.calibration import logit

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Model = Literal["logistic", "boosting"]
#: A word of fewer rows is put together with the other rare ones.
RARE = 10
#: Words of a column that get a place of their own, the most common first.
MOST_WORDS = 40
#: Spread below which a column says nothing.
FLAT = 1e-12


@dataclasses.dataclass(frozen=True, eq=False)
class Column:
    """A column: ``numbers`` float64[n] or, where many are kept, float32[n] (NaN: absent); or ``codes`` int64[n] of
    ``words`` (-1: absent). ``counts``: the numbers are counts or amounts with a long tail, and their logarithm is used.
    """

    name: str
    numbers: F64 | npt.NDArray[np.float32] | None = None
    codes: I64 | None = None
    words: tuple[str, ...] = ()
    counts: bool = False

    @property
    def rows(self) -> int:
        return len(self.numbers) if self.numbers is not None else len(self.codes) if self.codes is not None else 0

    @property
    def exact(self) -> F64:
        """float64[n]: the numbers as sums and models take them."""
        assert self.numbers is not None
        return np.asarray(self.numbers, np.float64)

    @property
    def absent(self) -> Mask:
        if self.numbers is not None:
            return np.isnan(self.numbers)
        assert self.codes is not None
        return np.asarray(self.codes < 0)

    def take(self, rows: npt.NDArray[Any]) -> Column:
        """Some rows (a mask or places) of the column."""
        return dataclasses.replace(
            self, numbers=None if self.numbers is None else self.numbers[rows],
            codes=None if self.codes is None else self.codes[rows],
        )  # fmt: skip

    def value(self, row: int) -> float | str | None:
        """What stands in a row; None where it is absent."""
        if self.numbers is not None:
            # by its shortest text: 59.9 is told as 59.9, not as the float32 next to it
            return None if np.isnan(self.numbers[row]) else float(str(self.numbers[row]))
        assert self.codes is not None
        return None if self.codes[row] < 0 else self.words[self.codes[row]]


@dataclasses.dataclass(frozen=True, eq=False)
class Table:
    """Columns of one length. ``target`` bool[n]: to which rows it happened; empty where that is what is asked."""

    columns: tuple[Column, ...]
    target: Mask

    def take(self, rows: npt.NDArray[Any]) -> Table:
        return Table(tuple(c.take(rows) for c in self.columns), self.target[rows] if len(self.target) else self.target)

    def without(self, names: Sequence[str]) -> Table:
        return Table(tuple(c for c in self.columns if c.name not in names), self.target)


def table_of(frame: Any, target: str, leave_out: Sequence[str] = (), absent: Sequence[str] = ()) -> Table:
    """The table of any frame: pandas, Polars, PyArrow, or whatever Arrow reads.

    ``target`` names the column of outcomes (1 and 0, true and false); ``leave_out`` are columns that are not looked at,
    such as ids; ``absent`` are words that mean that nothing was given. Columns of numbers are numbers, all others
    words; one that is all absent is left out. Raises MeasureError for a name that the frame
    lacks and for a target that is not of two values.

    >>> import pyarrow as pa
    >>> t = table_of(pa.table({"visits": [1, 5, 2], "city": ["Oulu", None, "Select"], "won": [0, 1, 0]}), "won",
    ...              absent=["Select"])
    >>> [c.name for c in t.columns], t.target.tolist(), t.columns[1].codes.tolist()
    (['visits', 'city'], [False, True, False], [0, -1, -1])
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    arrow = frame if isinstance(frame, pa.Table) else _arrow(frame)
    for name in (target, *leave_out):
        if name not in arrow.column_names:
            raise MeasureError(
                N_("There is no column {name!r}. There are: {known}."), name=name, known=", ".join(arrow.column_names)
            )
    if arrow[target].null_count or len(set(arrow[target].to_pylist()) - {0, 1}):
        raise MeasureError(N_("The column {name!r} has other values than 0 and 1, true and false."), name=target)
    columns = []
    for name in arrow.column_names:
        column = arrow[name].combine_chunks()
        if name == target or name in leave_out or column.null_count == len(column):
            continue
        if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
            columns.append(Column(name, numbers=pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False)))
            continue
        words = pc.cast(column, pa.string()).dictionary_encode()
        listed = words.dictionary.to_pylist()
        codes = pc.fill_null(words.indices.cast(pa.int64()), -1).to_numpy(zero_copy_only=False)
        codes = np.where(np.isin(codes, [i for i, w in enumerate(listed) if w in absent]), -1, codes)
        if (codes >= 0).any():
            columns.append(Column(name, codes=codes, words=tuple(listed)))
    return Table(tuple(columns), np.array(arrow[target].to_pylist(), np.bool_))


def _arrow(frame: Any) -> Any:
    import pyarrow as pa

    if hasattr(frame, "__arrow_c_stream__"):
        return pa.table(frame)
    return pa.Table.from_pandas(frame, preserve_index=False)


# ---- columns to a matrix


@dataclasses.dataclass(frozen=True, eq=False)
class Place:
    """What one column of the matrix holds: a column's number, that it is absent, one of its words, or a rare one."""

    column: int
    what: Literal["number", "absent", "word", "other"]
    word: int = -1


@dataclasses.dataclass(frozen=True, eq=False)
class Encoder:
    """Columns to a standardised matrix, as learned from the rows that a model is fitted to."""

    names: tuple[str, ...]
    places: tuple[Place, ...]
    middle: F64  # of each column of the table, stands in for what is absent
    mean: F64  # of each column of the matrix
    spread: F64

    def raw(self, table: Table) -> F64:
        """float64[n, places] before standardising."""
        n = table.columns[0].rows if table.columns else 0
        out = np.zeros((n, len(self.places)), np.float64)
        kept = {j: {p.word for p in self.places if p.column == j} for j in range(len(self.names))}
        for k, place in enumerate(self.places):
            column = table.columns[place.column]
            if place.what == "absent":
                out[:, k] = column.absent
            elif place.what == "number":
                values = _scaled(column)
                out[:, k] = np.where(np.isnan(values), self.middle[place.column], values)
            elif place.what == "word":
                out[:, k] = column.codes == place.word
            elif column.codes is not None:
                out[:, k] = ~np.isin(column.codes, list(kept[place.column])) & ~column.absent
        return out

    def __call__(self, table: Table) -> F64:
        return np.asarray((self.raw(table) - self.mean) / self.spread, np.float64)

    def of_column(self, column: int) -> list[int]:
        return [k for k, p in enumerate(self.places) if p.column == column]


def _scaled(column: Column) -> F64:
    """The numbers, those with a long tail on the scale of log(1 + x), which keeps the sign of refunds."""
    if not column.counts:
        return column.exact
    numbers = column.exact
    return np.asarray(np.sign(numbers) * np.log1p(np.abs(numbers)), np.float64)


def encoder_of(table: Table) -> Encoder:
    """What can be learned of the columns from these rows: medians, words, means and spreads."""
    places: list[Place] = []
    middle = np.zeros(len(table.columns))
    for j, column in enumerate(table.columns):
        gone = column.absent
        if column.numbers is not None:
            values = _scaled(column)
            middle[j] = float(np.median(values[~gone])) if not gone.all() else 0.0
            places.append(Place(j, "number"))
        else:
            assert column.codes is not None
            counts = np.bincount(column.codes[~gone], minlength=len(column.words))
            common = [int(w) for w in np.argsort(-counts, kind="stable")[:MOST_WORDS] if counts[w] >= RARE]
            places += [Place(j, "word", w) for w in common]
            if counts.sum() > counts[common].sum():
                places.append(Place(j, "other"))
        if gone.any():
            places.append(Place(j, "absent"))
    names = tuple(c.name for c in table.columns)
    first = Encoder(names, tuple(places), middle, np.zeros(len(places)), np.ones(len(places)))
    raw = first.raw(table)
    spread = raw.std(axis=0)
    kept = np.flatnonzero(spread > FLAT)
    return Encoder(names, tuple(places[k] for k in kept), middle, raw[:, kept].mean(axis=0), spread[kept])


# ---- models


@dataclasses.dataclass(frozen=True, eq=False)
class Fitted:
    """A model fitted to a table. ``coefficients`` are those of the standardised matrix; None for boosting."""

    model: Model
    encoder: Encoder
    estimator: Any
    coefficients: F64 | None

    def probability(self, table: Table) -> F64:
        """float64[n], not yet calibrated."""
        return self._of_matrix(self.encoder(table))

    def _of_matrix(self, matrix: F64) -> F64:
        if not len(matrix):
            return np.empty(0, np.float64)
        with _threads(len(matrix)):
            return np.asarray(self.estimator.predict_proba(matrix)[:, 1], np.float64)

    def contributions(self, table: Table) -> F64:
        """float64[n, columns]: how far each column moves the log odds of each row from what they would be with the
        column at its average.
        """
        matrix = self.encoder(table)
        out = np.zeros((len(matrix), len(self.encoder.names)))
        whole = logit(self._of_matrix(matrix)) if self.coefficients is None else None
        for j in range(out.shape[1]):
            places = self.encoder.of_column(j)
            if not places:
                continue
            if self.coefficients is not None:
                out[:, j] = matrix[:, places] @ self.coefficients[places]
                continue
            held = matrix.copy()
            held[:, places] = 0.0
            assert whole is not None
            out[:, j] = whole - logit(self._of_matrix(held))
        return out


def fit(table: Table, model: Model = "logistic") -> Fitted:
    """A model of the table's target. Raises MissingExtraError without scikit-learn, ValueError where the target has one
    value alone.
    """
    from polku.measures.notebook import extra

    encoder = encoder_of(table)
    matrix = encoder(table)
    if model == "boosting":
        estimator = extra("sklearn.ensemble", "models").HistGradientBoostingClassifier(
            max_iter=150, learning_rate=0.06, max_leaf_nodes=15, min_samples_leaf=30, random_state=0,
            early_stopping=False,
        )  # fmt: skip
    else:
        estimator = extra("sklearn.linear_model", "models").LogisticRegression(solver="newton-cholesky", max_iter=200)
    with _threads(len(matrix)):
        estimator.fit(matrix, table.target)
    coefficients = None if model == "boosting" else np.asarray(estimator.coef_[0], np.float64)
    return Fitted(model, encoder, estimator, coefficients)


#: Below so many rows one thread is quicker than several, above all where others want the processor too.
SEVERAL_THREADS = 50_000


def _threads(rows: int) -> Any:
    from polku.measures.notebook import extra

    return extra("threadpoolctl", "models").threadpool_limits(1 if rows < SEVERAL_THREADS else None)


def folds_of(keys: I64, folds: int = 5, seed: int = 0) -> I64:
    """int64[n]: the fold of each row; rows of one key (one customer at several moments) share theirs."""
    distinct, place = np.unique(keys, return_inverse=True)
    dealt = np.random.default_rng(seed).permutation(len(distinct)) % folds
    return np.asarray(dealt[place], np.int64)


def out_of_fold(table: Table, fold: I64, model: Model = "logistic") -> F64:
    """float64[n]: the probability of each row by a model that was fitted to the other folds alone.

    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=400)
    >>> t = Table((Column("x", numbers=x),), x + rng.normal(size=400) > 0)
    >>> p = out_of_fold(t, folds_of(np.arange(400)))
    >>> bool(p[x > 1].mean() > 0.75 > 0.25 > p[x < -1].mean())
    True
    """
    p = np.full(len(table.target), float(table.target.mean()) if len(table.target) else 0.0)
    for k in np.unique(fold):
        others = table.target[fold != k]
        if others.any() and not others.all():
            p[fold == k] = fit(table.take(fold != k), model).probability(table.take(fold == k))
    return p
