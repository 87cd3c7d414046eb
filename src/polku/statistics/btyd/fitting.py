"""Maximum likelihood for models whose parameters are all positive: the fit, how sure it is, and honest failure.

The logarithms of the parameters are searched by L-BFGS-B from several starts. The covariance of the logarithms is the
inverse of the observed information at the maximum, and intervals of whatever follows from the parameters come from it
by the delta method (on the logarithm of the figure, so that they stay positive).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from polku.language import N_
from polku.statistics.btyd.histories import Histories

F64 = npt.NDArray[np.float64]
#: The value to be made small, and its gradient, at a point.
Objective = Callable[[F64], tuple[float, F64]]
#: Logarithms of parameters are searched between these, in units in which the data are about 1.
LOWEST, HIGHEST = math.log(1e-5), math.log(1e5)
EXTREME = math.log(1e3)
#: A parameter whose 95 % interval spans more than a factor of 50 is not held by the data.
WEAK = math.log(50) / (2 * 1.959964)
#: Central differences of a smooth function: of its value, and of a difference of it.
STEP, STEP_2 = 1e-5, 1e-3
#: The value of a point at which nothing can be computed.
WORST = 1e10
Z95 = 1.959963984540054


class Model(Protocol):
    """Parameters, all positive, as the fields of a frozen dataclass."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]


M = TypeVar("M", bound=Model)


@dataclasses.dataclass(frozen=True, slots=True)
class NoFit:
    """Why there are no parameters."""

    reason: str


@dataclasses.dataclass(frozen=True, eq=False)
class Fit(Generic[M]):
    """A model at its maximum likelihood.

    ``covariance`` float64[k, k] is that of the parameters' logarithms, None where the likelihood is too flat to tell
    (``no_interval`` says why). ``weak`` names the parameters that the data hardly hold: at the edge of what was
    searched, or known to no better than a factor of 50. Figures that follow from them may be well known all the same.
    """

    model: M
    log_likelihood: float
    customers: float
    covariance: F64 | None
    weak: tuple[str, ...]
    no_interval: str | None = None

    def in_unit(self, repeats: float, unit: float) -> Fit[M]:
        """The likelihood of times that were counted in ``unit``, told for the times as they were: each of the
        ``repeats`` purchases stands at a point of time, whose density is per unit.
        """
        return dataclasses.replace(self, log_likelihood=self.log_likelihood - repeats * math.log(unit))

    @property
    def parameters(self) -> dict[str, float]:
        return parameters_of(self.model)

    @property
    def bic(self) -> float:
        """Schwarz's criterion (Annals of Statistics 6, 1978); among models of the same data the smallest fits best."""
        return len(self.parameters) * math.log(self.customers) - 2 * self.log_likelihood

    def interval(self, name: str, z: float = Z95) -> tuple[float, float] | None:
        """The 95 % interval of a parameter."""
        if self.covariance is None:
            return None
        names = list(self.parameters)
        half = z * math.sqrt(self.covariance[names.index(name), names.index(name)])
        value = self.parameters[name]
        return value * math.exp(-half), value * math.exp(half)

    def spread(self, figure: Callable[[M], float]) -> float | None:
        """The standard error of the logarithm of ``figure`` (a positive number that follows from the model), by the
        delta method; None where it cannot be told.
        """
        if self.covariance is None:
            return None
        point = np.log(list(self.parameters.values()))
        slope = np.empty(len(point))
        for i in range(len(point)):
            step = np.zeros(len(point))
            step[i] = STEP_2
            up, down = (figure(self._at(point + sign * step)) for sign in (1, -1))
            if not (up > 0 and down > 0):
                return None
            slope[i] = (math.log(up) - math.log(down)) / (2 * STEP_2)
        return math.sqrt(max(0.0, float(slope @ self.covariance @ slope)))

    def _at(self, point: F64) -> M:
        return dataclasses.replace(self.model, **dict(zip(self.parameters, np.exp(point).tolist(), strict=True)))


def parameters_of(model: Model) -> dict[str, float]:
    return {f.name: float(getattr(model, f.name)) for f in dataclasses.fields(model)}


def nothing_to_fit(rows: Histories) -> NoFit | None:
    """Why a model of buying cannot be fitted to these histories at all, if so."""
    if not len(rows) or not rows.total:
        return NoFit(N_("nobody has bought"))
    if not rows.repeats:
        return NoFit(N_("nobody has bought a second time yet"))
    return None


def numeric(value: Callable[[F64], float]) -> Objective:
    """A function with its gradient by central differences."""

    def both(point: F64) -> tuple[float, F64]:
        slope = np.empty(len(point))
        for i in range(len(point)):
            step = np.zeros(len(point))
            step[i] = STEP
            slope[i] = (value(point + step) - value(point - step)) / (2 * STEP)
        return value(point), slope

    return both


def minimise(
    objective: Objective, starts: Sequence[Sequence[float]], rough: Objective | None = None
) -> tuple[F64, float] | NoFit:
    """The point (logarithms of the parameters) where ``objective`` is smallest, and its value there.

    ``rough`` is the same over a sample: the starts are tried on it, and only its best point on the whole.
    """
    from scipy import optimize  # here, because most questions need no scipy and start quicker

    bounds = [(LOWEST, HIGHEST)] * len(starts[0])
    objective, rough = _guarded(objective), None if rough is None else _guarded(rough)

    def search(what: Objective, start: Sequence[float] | F64) -> Any:
        return optimize.minimize(
            what, np.asarray(start, np.float64), jac=True, method="L-BFGS-B", bounds=bounds,
            options={"maxiter": 1000, "maxfun": 5000, "ftol": 1e-13, "gtol": 1e-7, "maxcor": 20},
        )  # fmt: skip

    tried = [search(rough or objective, start) for start in starts]
    found = [t for t in tried if t.fun < WORST]
    if not found:
        return NoFit(N_("the likelihood could not be computed for these purchases"))
    best = min(found, key=lambda t: float(t.fun))
    if rough is not None:
        near = _from_near(objective, rough, np.asarray(best.x, np.float64))
        best = search(objective, best.x) if near is None else near
    point = np.asarray(best.x, np.float64)
    _, slope = objective(point)
    inside = (point > LOWEST + 1e-6) & (point < HIGHEST - 1e-6)
    # the value is a mean over customers, so that a slope of 1e-4 is far below what any data can tell
    if best.fun >= WORST or np.abs(slope[inside]).max(initial=0.0) > 1e-4:
        return NoFit(N_("the fit did not converge: no parameters make these purchases most likely"))
    return point, float(best.fun)


def _guarded(objective: Objective) -> Objective:
    """A point where the likelihood cannot be computed is as bad as can be: a search turns back from it."""

    def guarded(point: F64) -> tuple[float, F64]:
        with np.errstate(all="ignore"):
            value, slope = objective(np.clip(point, 2 * LOWEST, 2 * HIGHEST))
        if not (np.isfinite(value) and np.isfinite(slope).all()):
            return WORST, np.zeros(len(point))
        return value, slope

    return guarded


def _from_near(objective: Objective, rough: Objective, start: F64) -> Any:
    """A search that begins where a sample's ended, in coordinates in which the sample's likelihood is round: a handful
    of steps instead of dozens. None where it ends at the edge, or the sample's likelihood has no clear top.
    """
    from scipy import linalg, optimize

    second = information(rough, start)
    if not np.isfinite(second).all() or np.linalg.eigvalsh(second).min() <= 1e-6 * np.abs(second).max():
        return None
    root = linalg.cholesky(second, lower=True)

    def round_(z: F64) -> tuple[float, F64]:
        value, slope = objective(start + linalg.solve_triangular(root, z, lower=True, trans="T"))
        return value, linalg.solve_triangular(root, slope, lower=True)

    found = optimize.minimize(
        round_, np.zeros(len(start)), jac=True, method="L-BFGS-B", options={"ftol": 1e-13, "gtol": 1e-7}
    )
    found.x = start + linalg.solve_triangular(root, found.x, lower=True, trans="T")
    return found if np.isfinite(found.x).all() and (np.abs(found.x) < HIGHEST - 1).all() else None


def information(objective: Objective, point: F64) -> F64:
    """float64[k, k]: second derivatives of ``objective`` by central differences of its gradient."""
    size = len(point)
    second = np.empty((size, size))
    for i in range(size):
        step = np.zeros(size)
        step[i] = STEP_2
        second[i] = (objective(point + step)[1] - objective(point - step)[1]) / (2 * STEP_2)
    return np.asarray((second + second.T) / 2)


def fit_model(
    make: type[M],
    objective: Objective,
    starts: Sequence[Sequence[float]],
    customers: float,
    *,
    rough: Objective | None = None,
    times: Sequence[str] = (),
    unit: float = 1.0,
) -> Fit[M] | NoFit:
    """The model that makes the data most likely.

    ``objective`` is minus the mean log-likelihood a customer, over logarithms of the parameters in the order of the
    model's fields, of data whose times are in ``unit``; ``times`` are the parameters that are times.
    """
    found = minimise(objective, starts, rough)
    if isinstance(found, NoFit):
        return found
    point, value = found
    names = [f.name for f in dataclasses.fields(make)]
    values = {n: math.exp(p) * (unit if n in times else 1.0) for n, p in zip(names, point, strict=True)}
    edge = {n for n, p in zip(names, point, strict=True) if not LOWEST + 1e-6 < p < HIGHEST - 1e-6}
    # so far out the parameters stand for a limit (everybody alike, nobody leaves), and their size means nothing
    extreme = {n for n, p in zip(names, point, strict=True) if abs(p) > EXTREME}
    covariance, reason = _covariance(objective, point, customers, [n not in edge for n in names])
    if covariance is not None:
        edge |= {n for n, v in zip(names, np.diag(covariance), strict=True) if v > WEAK**2}
    else:
        edge |= set() if edge else set(names)
    weak = tuple(n for n in names if n in edge | extreme)
    return Fit(make(**values), -value * customers, customers, covariance, weak, reason)


def _covariance(
    objective: Objective, point: F64, customers: float, free: Sequence[bool]
) -> tuple[F64 | None, str | None]:
    """Of the logarithms; a parameter at its bound is held fixed there, as nothing else can be said of it."""
    kept = np.flatnonzero(np.asarray(free))
    full = information(objective, point) * customers
    inner = full[np.ix_(kept, kept)]
    if not np.isfinite(inner).all() or not len(kept):
        return None, N_("the likelihood is too flat here to tell an interval")
    if np.linalg.eigvalsh(inner).min() <= 1e-9 * max(1.0, float(np.abs(inner).max())):
        return None, N_("the likelihood is too flat here to tell an interval")
    covariance = np.zeros_like(full)
    covariance[np.ix_(kept, kept)] = np.linalg.inv(inner)
    return covariance, None
