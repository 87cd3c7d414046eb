"""Before an experiment starts: how many people it needs, how long that takes, and how small an effect it can find."""

from __future__ import annotations

import dataclasses
import math

from polku.language import N_
from polku.statistics.effects import NO_SPREAD, Moments, aggregates, is_still, metric

TOO_HIGH = N_("it would be more than everyone")
NOTHING_SEEN = N_("nobody has done it yet, so its spread is not known")


@dataclasses.dataclass(frozen=True, slots=True)
class Needed:
    """``arm`` people in every arm; None, with ``reason``, where the metric's spread is not known."""

    arm: int | None
    total: int | None
    reason: str | None = None


def needed(
    moments: Moments, relative: float, *, arms: int = 2, power: float = 0.8, level: float = 0.95, ratio: bool = False,
    cuped: bool = False, rate: bool = False,
) -> Needed:  # fmt: skip
    """People in each of ``arms`` equal arms, so that an uplift of ``relative`` (0.05 is 5 %) of the figure that
    ``moments`` tell is found with chance ``power`` by a two-sided test at ``level``.

    The normal two-sample formula with unequal variances, n = (z_(1-alpha/2) + z_power)^2 2 v / d^2, as in
    tea-tasting; with more than two arms each is held against the base and alpha is divided by the comparisons
    (Bonferroni). A rate's variance under the uplift is taken as today's, and no uplift takes it above 1. Raises
    ValueError for an uplift of 0 and MissingExtraError without tea-tasting (extra ``models``).
    """
    if relative == 0 or not math.isfinite(relative):
        raise ValueError("an uplift of 0 cannot be found with any number of people")
    why = _unknown(moments, ratio)
    if why:
        return Needed(None, None, why)
    if rate and _beyond(moments, relative):
        return Needed(None, None, TOO_HIGH)
    alpha = (1 - level) / max(1, arms - 1)
    solved = metric(
        ratio, cuped, use_t=False, alpha=alpha, power=power, ratio=1, rel_effect_size=relative
    ).solve_power_from_aggregates(aggregates(moments, rate), "n_obs")  # fmt: skip
    arm = math.ceil(solved[0].n_obs / 2)
    return Needed(arm, arm * arms)


def smallest_effect(
    moments: Moments, arm: int, *, arms: int = 2, power: float = 0.8, level: float = 0.95, ratio: bool = False,
    cuped: bool = False, rate: bool = False,
) -> float | None:  # fmt: skip
    """The least relative uplift that ``arm`` people in each arm find with chance ``power``; None where it is not known,
    or where it would take a rate above 1.

    Raises MissingExtraError without tea-tasting (extra ``models``).
    """
    if arm < 2 or _unknown(moments, ratio):
        return None
    alpha = (1 - level) / max(1, arms - 1)
    solved = metric(
        ratio, cuped, use_t=False, alpha=alpha, power=power, ratio=1, n_obs=2 * arm
    ).solve_power_from_aggregates(aggregates(moments, rate), "rel_effect_size")  # fmt: skip
    found = float(solved[0].rel_effect_size)
    return None if rate and _beyond(moments, found) else found


def _beyond(moments: Moments, relative: float) -> bool:
    """Whether an uplift would take a rate above everyone."""
    return float(moments.mean[0]) * (1 + relative) > 1 + 1e-12


def _unknown(moments: Moments, ratio: bool) -> str | None:
    if moments.n < 2 or moments.mean[0] <= 0 or (ratio and moments.mean[1] <= 0):
        return NOTHING_SEEN
    return NO_SPREAD if is_still(moments, ratio) else None
