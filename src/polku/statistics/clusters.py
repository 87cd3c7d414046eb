"""Clusters: people of like behaviour, how many kinds there are, and whether they would be found again.

k-means (S. Lloyd, 1957, begun as D. Arthur and S. Vassilvitskii, k-means++, SODA 2007) with the number of clusters by
the silhouette (P. J. Rousseeuw, J. Comput. Appl. Math. 20, 1987), or a Gaussian mixture with diagonal covariances and
the number by BIC (G. Schwarz, Annals of Statistics 6, 1978). Both by scikit-learn (extra ``models``).
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from polku.language import N_

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Method = Literal["kmeans", "mixture"]
#: Rows that are fitted to, that the silhouette is worked out on, and of each resample.
FITTED, JUDGED, RESAMPLED = 20_000, 2_000, 2_000
RESAMPLES = 10
#: A silhouette below this is no structure worth a name, below CLEAR a weak one (L. Kaufman and P. J. Rousseeuw, Finding
#: Groups in Data, 1990).
NONE, CLEAR = 0.25, 0.5
#: A cluster is found again when its mean Jaccard likeness over resamples is above this (C. Hennig, Computational
#: Statistics & Data Analysis 52, 2007).
STABLE = 0.75
#: People of one cluster, at least on average; with fewer in all nothing is looked for.
EACH = 30
TOO_FEW = N_("too few to find clusters in")
ALL_ALIKE = N_("everyone does the same, so there are no clusters")
BLURRED = N_("no clear clusters: people differ by degrees (silhouette below 0.25)")


@dataclasses.dataclass(frozen=True, slots=True)
class Tried:
    """One number of clusters: the silhouette, and of a mixture its BIC (less is better)."""

    k: int
    silhouette: float
    bic: float | None


@dataclasses.dataclass(frozen=True, eq=False)
class Clusters:
    """``labels`` int64[n] from 0, the largest cluster first; ``stability`` of each the mean Jaccard likeness to its
    nearest cluster over resamples. ``reason`` is a caution, or with k = 1 why there are none.
    """

    labels: I64
    k: int
    silhouette: float | None
    tried: tuple[Tried, ...]
    stability: tuple[float, ...]
    reason: str | None = None


def scaled(matrix: F64) -> F64:
    """float64[n, columns that vary]: counts and amounts by log(1 + x), then standardised, and held to within four
    deviations, so that one person is no cluster.
    """
    values = np.sign(matrix) * np.log1p(np.abs(matrix))
    spread = values.std(axis=0)
    kept = spread > 1e-12
    standard = (values[:, kept] - values[:, kept].mean(axis=0)) / spread[kept]
    return np.asarray(np.clip(standard, -4.0, 4.0), np.float64)


def clusters(values: F64, method: Method = "kmeans", k: int | None = None, most: int = 8, seed: int = 0) -> Clusters:
    """Clusters of float64[n, d], standardised already; the same for the same ``seed``. ``k`` asks for so many.

    Raises MissingExtraError without scikit-learn.

    >>> rng = np.random.default_rng(0)
    >>> two = np.concatenate([rng.normal(0, 1, (90, 2)), rng.normal(8, 1, (60, 2))])
    >>> found = clusters(two)
    >>> found.k, np.bincount(found.labels).tolist(), min(found.stability) > 0.9
    (2, [90, 60], True)
    """
    n = len(values)
    one = np.zeros(n, np.int64)
    if n < 2 * EACH:
        return Clusters(one, 1, None, (), (), TOO_FEW)
    if not values.shape[1] or len(np.unique(values[:FITTED], axis=0)) < 2:
        return Clusters(one, 1, None, (), (), ALL_ALIKE)
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(n)[:FITTED])
    judged = rng.permutation(len(rows))[:JUDGED]
    some = values[rows]
    distinct = len(np.unique(some, axis=0))
    sizes = [k] if k is not None else list(range(2, min(most, n // EACH, distinct - 1) + 1))
    if not sizes or distinct <= max(sizes):
        return Clusters(one, 1, None, (), (), ALL_ALIKE)
    tried, models = [], {}
    for size in sizes:
        model = _fit(some, size, method, seed)
        labels = model.predict(some)
        bic = float(model.bic(some)) if method == "mixture" else None
        tried.append(Tried(size, _silhouette(some[judged], labels[judged]), bic))
        models[size] = model
    best = min(tried, key=lambda t: t.bic if t.bic is not None else -t.silhouette)
    found = models[best.k].predict(values).astype(np.int64)
    order = np.argsort(-np.bincount(found, minlength=best.k), kind="stable")
    rank = np.empty(best.k, np.int64)
    rank[order] = np.arange(best.k)
    labels = rank[found]
    stability = _stability(some, labels[rows], best.k, method, seed)
    caution = BLURRED if best.silhouette < NONE else None
    return Clusters(labels, best.k, best.silhouette, tuple(tried), stability, caution)


def _fit(values: F64, k: int, method: Method, seed: int) -> Any:
    from polku.measures.notebook import extra

    if method == "mixture":
        mixture = extra("sklearn.mixture", "models").GaussianMixture
        return mixture(k, covariance_type="diag", n_init=2, reg_covar=1e-3, max_iter=300, random_state=seed).fit(values)
    return extra("sklearn.cluster", "models").KMeans(k, n_init=4, random_state=seed).fit(values)


def _silhouette(values: F64, labels: I64) -> float:
    from polku.measures.notebook import extra

    if len(np.unique(labels)) < 2:
        return -1.0
    return float(extra("sklearn.metrics", "models").silhouette_score(values, labels))


def _stability(values: F64, labels: I64, k: int, method: Method, seed: int) -> tuple[float, ...]:
    """Of each cluster the mean, over resamples with replacement, of the Jaccard likeness to the most alike."""
    rng = np.random.default_rng(seed + 1)
    total = np.zeros(k)
    seen = np.zeros(k)
    for turn in range(RESAMPLES):
        rows = rng.integers(0, len(values), min(len(values), RESAMPLED))
        if len(np.unique(values[rows], axis=0)) <= k:
            continue
        again = _fit(values[rows], k, method, seed + 2 + turn).predict(values[rows])
        mine = labels[rows]
        both = np.zeros((k, k))
        np.add.at(both, (mine, again), 1.0)
        either = both.sum(axis=1, keepdims=True) + both.sum(axis=0, keepdims=True) - both
        alike = np.divide(both, either, out=np.zeros_like(both), where=either > 0).max(axis=1)
        there = both.sum(axis=1) > 0
        total += np.where(there, alike, 0.0)
        seen += there
    return tuple(float(t / s) if s else 0.0 for t, s in zip(total, seen, strict=True))
