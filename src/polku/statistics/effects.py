"""The effect of an arm of an experiment against the base: of rates, means and ratios of means, with CUPED.

An arm is told by its :class:`Moments`: how many people, the means of what was measured of each, and how they vary
together. Moments of parts add up to those of the whole, so they are worked out bucket by bucket. The tests themselves
(Welch's t, the delta method of a ratio, CUPED's regression) are those of the library tea-tasting.
"""

from __future__ import annotations

import dataclasses
import importlib
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from polku.errors import MissingExtraError
from polku.language import N_
from polku.statistics.rates import (
    NOBODY,
    SMALLEST_EXPECTED,
    Compared,
    Significance,
    newcombe,
    normal_quantile,
    relative_risk,
    two_proportions,
)

F64 = npt.NDArray[np.float64]

TOO_FEW = N_("too few: an arm needs two people at least")
NO_SPREAD = N_("nothing varies in either arm, so there is nothing to test")
NO_BASE = N_("the base is not above 0, so there is no relative figure")
NO_ARM = N_("the arm is not above 0, so the relative figure has no interval")
NO_UNITS = N_("an arm has nothing to divide by")

#: Relative to its size, what is left of a variance by rounding alone.
STILL = 1e-12
#: Places of the variables in an arm's moments.
NUMERATOR, DENOMINATOR, NUMERATOR_BEFORE, DENOMINATOR_BEFORE = range(4)
NAMES = ("numerator", "denominator", "numerator_before", "denominator_before")


@dataclasses.dataclass(frozen=True, eq=False)
class Moments:
    """``n`` people, ``mean`` float64[k] of k variables, ``scatter`` float64[k, k]: sums of products of the deviations.

    Parts merge with ``+`` without loss (Chan, Golub and LeVeque, The American Statistician 37, 1983).

    >>> whole = Moments.of(np.array([[1.0], [2.0], [6.0]]))
    >>> parts = Moments.of(np.array([[1.0], [2.0]])) + Moments.of(np.array([[6.0]]))
    >>> whole.n == parts.n, np.allclose(whole.scatter, parts.scatter), float(whole.variance(0))
    (True, True, 7.0)
    """

    n: int
    mean: F64
    scatter: F64

    @classmethod
    def none(cls, variables: int) -> Moments:
        return cls(0, np.zeros(variables), np.zeros((variables, variables)))

    @classmethod
    def of(cls, values: F64) -> Moments:
        """Moments of float64[n, k], a row a person."""
        if not len(values):
            return cls.none(values.shape[1])
        mean = values.mean(axis=0)
        away = values - mean
        return cls(len(values), mean, away.T @ away)

    def __add__(self, other: Moments) -> Moments:
        n = self.n + other.n
        if not self.n or not other.n:
            return other if not self.n else self
        gap = other.mean - self.mean
        return Moments(
            n,
            self.mean + gap * (other.n / n),
            self.scatter + other.scatter + np.outer(gap, gap) * (self.n * other.n / n),
        )

    def variance(self, variable: int) -> float:
        """The sample variance (divided by n - 1); nan of fewer than two people."""
        return float(self.scatter[variable, variable] / (self.n - 1)) if self.n > 1 else math.nan


@dataclasses.dataclass(frozen=True, slots=True)
class Effect:
    """An arm against the base. ``value`` and ``base`` are the arms' figures (with CUPED: adjusted).

    ``absolute`` is value minus base, ``relative`` value / base - 1, each with its fixed-horizon interval;
    ``error`` and ``relative_error`` are their standard errors, from which :mod:`sequential` and :mod:`bayes` go on.
    ``explained``: the share of the variance that CUPED took away, None without CUPED.
    """

    n: int
    base_n: int
    value: float | None
    base: float | None
    absolute: Compared
    relative: Compared
    tested: Significance
    error: float | None = None
    relative_error: float | None = None
    explained: float | None = None


def tea_tasting() -> Any:
    """The library. Raises MissingExtraError where it is not installed."""
    try:
        return importlib.import_module("tea_tasting")
    except ModuleNotFoundError as error:
        if error.name != "tea_tasting":
            raise
        raise MissingExtraError(
            N_('This needs {package}, which is not installed. Install it with: pip install "polku[{extra}]"'),
            package="tea-tasting",
            extra="models",
        ) from error


def aggregates(moments: Moments, rate: bool = False) -> Any:
    """The moments as tea-tasting takes them. A rate's variance is p (1 - p), without the n / (n - 1) of a sample's."""
    library = importlib.import_module("tea_tasting.aggr")
    names = NAMES[: len(moments.mean)]
    spread = moments.scatter / (moments.n if rate else moments.n - 1)
    return library.Aggregates(
        count_=moments.n,
        mean_={name: float(moments.mean[i]) for i, name in enumerate(names)},
        var_={name: float(spread[i, i]) for i, name in enumerate(names)},
        cov_={
            (a, b): float(spread[i, j]) for i, a in enumerate(names) for j, b in enumerate(names) if i < j
        },
    )  # fmt: skip


def metric(as_ratio: bool, cuped: bool, **options: Any) -> Any:
    """tea-tasting's metric of the numerator's mean, or of the ratio of means, adjusted for the time before or not."""
    library = tea_tasting()
    before = {"numer_covariate": NAMES[NUMERATOR_BEFORE]} if cuped else {}
    if as_ratio and cuped:
        before["denom_covariate"] = NAMES[DENOMINATOR_BEFORE]
    denominator = NAMES[DENOMINATOR] if as_ratio else None
    return library.RatioOfMeans(NAMES[NUMERATOR], denominator, **before, equal_var=False, **options)


def compare(
    arm: Moments, base: Moments, *, ratio: bool = False, cuped: bool = False, rate: bool = False, level: float = 0.95
) -> Effect:
    """The effect of ``arm`` against ``base``.

    Variables in order: numerator, and as far as they are used denominator, numerator and denominator of the time
    before. ``rate``: the numerator is 0 or 1 for each person. ``ratio``: the figure is the ratio of the two means, its
    error by the delta method (Deng, Knoblich and Lu, Applying the delta method in metric analytics, KDD 2018).
    ``cuped``: adjusted for what the same people did before they were exposed, which removes variance and moves nothing
    in the long run (Deng, Xu, Kohavi and Walker, Improving the sensitivity of online controlled experiments by
    utilizing pre-experiment data, WSDM 2013).

    The difference is tested by Welch's t, that of two rates by the pooled z or Fisher's test; where a count is below 5,
    rates have the intervals of Newcombe and of Katz instead of the normal ones. The relative interval is value / base -
    1 with the standard error of the delta method, as in GrowthBook. What cannot be known is None with a reason; where
    nothing varies there is no p-value.

    Raises MissingExtraError without tea-tasting (extra ``models``).
    """
    unknown = Compared(None, level=level)
    if arm.n < 2 or base.n < 2:
        why = NOBODY if not arm.n or not base.n else TOO_FEW
        return _nothing(arm, base, why, level, ratio)
    if ratio and (arm.mean[DENOMINATOR] <= 0 or base.mean[DENOMINATOR] <= 0):
        return _nothing(arm, base, NO_UNITS, level, ratio)
    if is_still(arm, ratio) and is_still(base, ratio):
        if rate and _count(arm) * base.n != _count(base) * arm.n:
            return _all_against_none(arm, base, level)
        value, against = (float(m.mean[NUMERATOR] / (m.mean[DENOMINATOR] if ratio else 1.0)) for m in (arm, base))
        still = dataclasses.replace(unknown, value=value - against, reason=NO_SPREAD)
        shares = dataclasses.replace(unknown, value=value / against - 1 if against > 0 else None, reason=NO_SPREAD)
        return Effect(arm.n, base.n, value, against, still, shares, Significance(None, reason=NO_SPREAD))
    cuped = cuped and _varies(arm, base, ratio)
    one, two = aggregates(arm, rate), aggregates(base, rate)
    found = metric(ratio, cuped, use_t=not rate, confidence_level=level).analyze_aggregates(two, one)
    normal = found if rate else metric(ratio, cuped, use_t=False, confidence_level=level).analyze_aggregates(two, one)
    z = normal_quantile(level)
    error = (normal.effect_size_ci_upper - normal.effect_size_ci_lower) / (2 * z)
    if not math.isfinite(error) or error <= 0:
        return _nothing(arm, base, NO_SPREAD, level, ratio)
    absolute = Compared(
        found.effect_size, found.effect_size_ci_lower, found.effect_size_ci_upper, level, "z" if rate else "welch"
    )
    relative, relative_error = dataclasses.replace(unknown, reason=NO_BASE), None
    if found.control > 0 and found.treatment > 0:
        # tea-tasting's interval is even on the log scale; its error times the ratio is the delta method's on the
        # plain scale: (m1/m0)^2 (v1/m1^2 + v0/m0^2).
        up, down = 1 + normal.rel_effect_size_ci_upper, 1 + normal.rel_effect_size_ci_lower
        relative_error = (1 + normal.rel_effect_size) * math.log(up / down) / (2 * z)
        size = normal.rel_effect_size
        relative = Compared(size, size - z * relative_error, size + z * relative_error, level, "delta")
    elif found.control > 0:
        relative = dataclasses.replace(unknown, value=float(found.treatment / found.control) - 1, reason=NO_ARM)
    explained = None
    if cuped:
        plain = metric(ratio, False, use_t=False, confidence_level=level).analyze_aggregates(two, one)
        whole = (plain.effect_size_ci_upper - plain.effect_size_ci_lower) / (2 * z)
        explained = 1 - (error / whole) ** 2 if whole > 0 else None
    tested = Significance(float(found.pvalue), float(found.statistic), absolute.method)
    if rate and not cuped:
        counts = (_count(arm), arm.n, _count(base), base.n)
        tested = two_proportions(*counts)
        if is_small(*counts):
            absolute = newcombe(*counts, level)
            if relative.value is not None:
                relative = _katz(relative.value, counts, level)
    return Effect(
        arm.n, base.n, float(found.treatment), float(found.control), absolute, relative, tested, error, relative_error,
        explained,
    )  # fmt: skip


def _all_against_none(arm: Moments, base: Moments, level: float) -> Effect:
    """Everyone of one arm and nobody of the other: neither varies, and yet the counts can be tested (Fisher)."""
    counts = (_count(arm), arm.n, _count(base), base.n)
    relative = Compared(None, level=level, reason=NO_BASE)
    if counts[2]:
        relative = _katz(float(arm.mean[NUMERATOR] / base.mean[NUMERATOR]) - 1, counts, level)
    return Effect(
        arm.n, base.n, float(arm.mean[NUMERATOR]), float(base.mean[NUMERATOR]), newcombe(*counts, level), relative,
        two_proportions(*counts),
    )  # fmt: skip


def _katz(value: float, counts: tuple[int, int, int, int], level: float) -> Compared:
    """The uplift ``value`` of two rates with the interval of Katz; of nobody in the arm it begins at the value."""
    risk = relative_risk(*counts, level)
    if risk.low is None or risk.high is None:
        return Compared(value, level=level, method=risk.method, reason=risk.reason)
    return Compared(value, risk.low - 1 if counts[0] else value, risk.high - 1, level, risk.method)


def is_still(moments: Moments, ratio: bool) -> bool:
    """Whether the figure varies by no more than rounding does: everyone has the same, or the same ratio."""
    spread = moments.scatter
    if not ratio:
        return bool(spread[NUMERATOR, NUMERATOR] <= STILL * moments.n * moments.mean[NUMERATOR] ** 2)
    figure = moments.mean[NUMERATOR] / moments.mean[DENOMINATOR]
    parts = spread[NUMERATOR, NUMERATOR], figure * figure * spread[DENOMINATOR, DENOMINATOR]
    left = parts[0] - 2 * figure * spread[NUMERATOR, DENOMINATOR] + parts[1]
    return bool(left <= STILL * max(parts[0] + parts[1], moments.n * moments.mean[NUMERATOR] ** 2))


def _count(moments: Moments) -> int:
    return round(float(moments.mean[NUMERATOR]) * moments.n)


def is_small(n: int, of: int, base_n: int, base_of: int) -> bool:
    """Whether a count of a rate is so small that the normal distribution tells little of it."""
    return min(n, of - n, base_n, base_of - base_n) < SMALLEST_EXPECTED


def _varies(arm: Moments, base: Moments, ratio: bool) -> bool:
    """Whether anything was done before that an adjustment could lean on."""
    total = arm + base
    if len(total.mean) <= NUMERATOR_BEFORE or total.scatter[NUMERATOR_BEFORE, NUMERATOR_BEFORE] <= 0:
        return False
    return not ratio or bool(total.mean[DENOMINATOR_BEFORE] > 0)


def _nothing(arm: Moments, base: Moments, why: str, level: float, ratio: bool) -> Effect:
    unknown = Compared(None, level=level, reason=why)
    return Effect(
        arm.n, base.n, _figure(arm, ratio), _figure(base, ratio), unknown, unknown, Significance(None, reason=why)
    )


def _figure(moments: Moments, ratio: bool) -> float | None:
    """The mean, or the ratio of means; None of nobody, and where there is nothing to divide by."""
    below = float(moments.mean[DENOMINATOR]) if ratio else 1.0
    return float(moments.mean[NUMERATOR]) / below if moments.n and below > 0 else None


@dataclasses.dataclass(frozen=True, slots=True)
class SampleRatio:
    """``chi2`` over the arms' sizes against the planned shares, and its p-value; ``reason`` where there is none."""

    chi2: float | None
    p: float | None
    reason: str | None = None


def sample_ratio(counts: tuple[int, ...], shares: tuple[float, ...] | None = None) -> SampleRatio:
    """Whether the arms are as large as planned: Pearson's chi-squared test.

    A mismatch (commonly p < 0.001) says that the arms were not dealt as planned, and then no other figure can be
    trusted (Fabijan and others, Diagnosing sample ratio mismatch in online controlled experiments, KDD 2019).
    ``shares`` need not add up to 1; None means equal ones. Raises ValueError for shares that are not above 0.

    >>> found = sample_ratio((44700, 45489))
    >>> round(found.chi2, 4), round(found.p, 6)
    (6.9024, 0.008608)
    """
    planned = shares or (1.0,) * len(counts)
    if len(planned) != len(counts) or min(planned, default=0.0) <= 0:
        raise ValueError(f"{len(counts)} arms need as many shares above 0, not {planned}")
    total = sum(counts)
    expected = [share / sum(planned) * total for share in planned]
    if len(counts) < 2 or min(expected) < 5:
        return SampleRatio(None, None, N_("too few people to compare the arms' sizes"))
    from scipy.stats import chisquare

    found = chisquare(counts, expected)
    return SampleRatio(float(found.statistic), float(found.pvalue))
