"""How good probabilities are: whether they rank (AUC), whether they come true (calibration), and what they lift.

Everywhere ``p`` float64[n] are probabilities (or scores that rank alike) and ``y`` bool[n] what came true.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from polku.language import N_
from polku.statistics.rates import Compared, normal_quantile

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
ONE_KIND = N_("everyone did the same, so there is nothing to rank")
#: Probabilities are kept this far from 0 and 1 where their logarithm is taken.
EDGE = 1e-12


def auc(p: F64, y: Mask, level: float = 0.95) -> Compared:
    """The area under the ROC curve: the chance that one to whom it happened has a higher ``p`` than one to whom it did
    not, ties counting a half; with the interval of E. R. DeLong, D. M. DeLong and D. L. Clarke-Pearson (Biometrics
    44, 1988), worked out by ranks (X. Sun and W. Xu, IEEE Signal Processing Letters 21, 2014).

    None, with a reason, when everyone or nobody did it.

    >>> auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])).value
    0.75
    """
    ones, zeros = int(y.sum()), int(len(y) - y.sum())
    if not ones or not zeros:
        return Compared(None, level=level, method="delong", reason=ONE_KIND)
    everyone = _ranks(p)
    above = (everyone[y] - _ranks(p[y])) / zeros  # of each one, the share of zeros below
    below = 1.0 - (everyone[~y] - _ranks(p[~y])) / ones
    value = float(above.mean())
    if ones < 2 or zeros < 2:
        return Compared(value, level=level, method="delong")
    error = math.sqrt(float(above.var(ddof=1)) / ones + float(below.var(ddof=1)) / zeros)
    half = normal_quantile(level) * error
    return Compared(value, max(0.0, value - half), min(1.0, value + half), level, "delong")


def _ranks(values: F64) -> F64:
    """Ranks from 1, ties sharing their middle."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray(((last - counts + 1 + last) / 2.0)[place], np.float64)


def brier(p: F64, y: Mask) -> float:
    """The mean squared distance of probabilities from what came true (G. W. Brier, Monthly Weather Review 78, 1950).

    >>> brier(np.array([0.5, 1.0]), np.array([True, True]))
    0.125
    """
    return float(np.mean((p - y) ** 2))


def log_loss(p: F64, y: Mask) -> float:
    """The mean of -log of the probability given to what came true."""
    held = np.clip(p, EDGE, 1.0 - EDGE)
    return float(-np.mean(np.where(y, np.log(held), np.log1p(-held))))


def logit(p: F64) -> F64:
    held = np.clip(p, EDGE, 1.0 - EDGE)
    return np.asarray(np.log(held) - np.log1p(-held), np.float64)


def expit(x: F64) -> F64:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)), np.float64)


@dataclasses.dataclass(frozen=True, slots=True)
class Bin:
    """People of like probability: between ``low`` and ``high``, on average ``expected``; to ``happened`` of ``n`` it
    happened.
    """

    low: float
    high: float
    expected: float
    happened: int
    n: int


def calibration_table(p: F64, y: Mask, bins: int = 10) -> tuple[Bin, ...]:
    """The people in ``bins`` groups of about equal size by probability, ascending; equal probabilities stay together,
    so that there may be fewer.

    >>> [(b.happened, b.n) for b in calibration_table(np.array([0.1, 0.2, 0.8, 0.9]), np.array([0, 0, 1, 1], bool), 2)]
    [(0, 2), (2, 2)]
    """
    if not len(p):
        return ()
    edges = np.unique(np.quantile(p, np.linspace(0, 1, bins + 1)[1:-1], method="inverted_cdf"))
    place = np.searchsorted(edges, p, side="left")
    found = []
    for k in np.unique(place):
        mine = place == k
        held = p[mine]
        found.append(Bin(float(held.min()), float(held.max()), float(held.mean()), int(y[mine].sum()), int(mine.sum())))
    return tuple(found)


def calibration_error(table: tuple[Bin, ...]) -> float | None:
    """The expected calibration error: |expected - came true|, weighted by people (M. P. Naeini, G. F. Cooper and M.
    Hauskrecht, AAAI 2015, with bins of equal size)."""
    n = sum(b.n for b in table)
    return sum(b.n * abs(b.expected - b.happened / b.n) for b in table) / n if n else None


@dataclasses.dataclass(frozen=True, slots=True)
class Lift:
    """The best ``share`` of everyone by probability: ``happened`` of ``n``; ``gain`` is the share of all that happened
    which is among them, ``lift`` their rate over everyone's.
    """

    share: float
    n: int
    happened: int
    gain: float
    lift: float


def lift_table(p: F64, y: Mask, parts: int = 10) -> tuple[Lift, ...]:
    """Lift and gains of the best 1/parts, 2/parts, ... of everyone. Where a cut falls among equal probabilities, those
    who did it are taken to be spread evenly, so that the order of the rows means nothing.

    >>> [(r.n, r.happened, r.lift) for r in lift_table(np.array([0.9, 0.8, 0.2, 0.1]), np.array([1, 0, 0, 0], bool), 4)]
    [(1, 1, 4.0), (2, 1, 2.0), (3, 1, 1.3333333333333333), (4, 1, 1.0)]
    """
    n, total = len(p), int(y.sum())
    if not n or not total:
        return ()
    values, place, counts = np.unique(-p, return_inverse=True, return_counts=True)
    ones = np.bincount(place, weights=y, minlength=len(values))
    people, found = np.concatenate([[0], np.cumsum(counts)]), np.concatenate([[0.0], np.cumsum(ones)])
    rows = []
    for k in range(1, parts + 1):
        cut = round(n * k / parts)
        if not cut:
            continue
        happened = float(np.interp(cut, people, found))
        rows.append(Lift(k / parts, cut, round(happened), happened / total, (happened / cut) / (total / n)))
    return tuple(rows)


@dataclasses.dataclass(frozen=True, eq=False)
class Calibrator:
    """Turns a model's probabilities into calibrated ones. ``method`` is none, platt or isotonic; ``slope`` and
    ``intercept`` are Platt's on the log odds, ``x`` and ``y`` float64 the corners of the isotonic line.
    """

    method: str
    slope: float = 1.0
    intercept: float = 0.0
    x: F64 | None = None
    y: F64 | None = None

    def __call__(self, p: F64) -> F64:
        if self.method == "platt":
            return expit(self.slope * logit(p) + self.intercept)
        if self.method == "isotonic" and self.x is not None and self.y is not None:
            return np.asarray(np.interp(p, self.x, self.y), np.float64)
        return p


#: Fewer events than this leave an isotonic line, which has as many corners as it likes, to chance (A.
#: Niculescu-Mizil and R. Caruana, Predicting good probabilities with supervised learning, ICML 2005: about 1,000).
ISOTONIC_FROM = 1000


def platt(p: F64, y: Mask) -> Calibrator:
    """A line through the log odds by maximum likelihood, with the smoothed targets of J. Platt (Probabilistic outputs
    for support vector machines, 1999), which keep it finite where the classes part wholly.
    """
    from scipy.optimize import minimize

    ones, zeros = int(y.sum()), int(len(y) - y.sum())
    target = np.where(y, (ones + 1.0) / (ones + 2.0), 1.0 / (zeros + 2.0))
    x = logit(np.clip(p, 1e-6, 1.0 - 1e-6))

    def loss(ab: F64) -> tuple[float, F64]:
        z = ab[0] * x + ab[1]
        q = expit(z)
        value = float(np.sum(np.logaddexp(0.0, z) - target * z)) / len(x)
        return value, np.array([np.mean((q - target) * x), np.mean(q - target)])

    best = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B")
    return Calibrator("platt", float(best.x[0]), float(best.x[1]))


def isotonic(p: F64, y: Mask) -> Calibrator:
    """The rising steps that fit best by least squares (B. Zadrozny and C. Elkan, KDD 2002), by scipy."""
    from scipy.optimize import isotonic_regression

    values, place, counts = np.unique(p, return_inverse=True, return_counts=True)
    means = np.bincount(place, weights=y, minlength=len(values)) / counts
    fitted = np.asarray(isotonic_regression(means, weights=counts.astype(np.float64)).x, np.float64)
    return Calibrator("isotonic", x=values, y=fitted)


def chosen_calibrator(p: F64, y: Mask, fold: I64) -> Calibrator:
    """Of none, Platt and (from 1,000 events) isotonic the one with the least log loss on folds it was not fitted to.

    ``p`` must be out of fold itself; ``fold`` int64[n] parts the people. A method has to win by more than 0.1 % of the
    log loss over the simpler one before it, so that chance does not choose.
    """
    from collections.abc import Callable

    methods: list[tuple[str, Callable[[F64, Mask], Calibrator]]] = [("platt", platt)]
    if int(y.sum()) >= ISOTONIC_FROM:
        methods.append(("isotonic", isotonic))
    best, least = Calibrator("none"), log_loss(p, y)
    for _, make in methods:
        held = np.empty_like(p)
        for k in np.unique(fold):
            mine = fold == k
            if not y[~mine].any() or y[~mine].all():
                held[mine] = p[mine]
                continue
            held[mine] = make(p[~mine], y[~mine])(p[mine])
        loss = log_loss(held, y)
        if loss < least * 0.999:
            best, least = make(p, y), loss
    return best
