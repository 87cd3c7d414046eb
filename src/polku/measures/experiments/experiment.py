"""The measure of an experiment: each arm against the base, by every way of reading it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from polku.errors import MeasureError
from polku.journey.values import duration
from polku.kernels import experiments as kernel
from polku.kernels.columns import Columns
from polku.language import N_
from polku.measures.experiments.answer import ArmFigure, Effect, Experiment, Track
from polku.measures.experiments.arms import Arms, arms_by_lists, arms_by_property, arms_by_trait
from polku.measures.experiments.did import METRICS, MONEY, Asked, Did, Metric, did, is_rate, is_ratio
from polku.measures.periods import midnight
from polku.measures.result import Count, Estimate, Rate
from polku.measures.selectors import Selector
from polku.measures.steps import codes_of, goal_of, title_of
from polku.measures.value.buying import currency_of, no_sums
from polku.measures.view import Mask, View, known, seconds
from polku.statistics import effects
from polku.statistics.bayes import belief
from polku.statistics.multiple import benjamini_hochberg, holm
from polku.statistics.rates import Compared
from polku.statistics.sequential import always_valid_p, confidence_sequence

#: Moments of a track: two years of weeks are more than a chart can tell.
MOST_TRACKED = 60
FEW = N_("so few that this is rough")
Correction = Callable[[Sequence[float | None]], list[float | None]]
CORRECTIONS: dict[str, Correction] = {"holm": holm, "false_discovery": benjamini_hochberg, "none": list}


def experiment(
    view: View,
    experiment: str | None = None,
    arm: str | None = None,
    named_by: str | None = None,
    event: str | None = None,
    group: str | None = None,
    against: str | None = None,
    base: str | None = None,
    to: str | None = None,
    metrics: Sequence[str] = ("conversion", "value"),
    within: int | None = None,
    before: int = 30 * 86400,
    cuped: bool = True,
    shares: Sequence[str] = (),
    correction: str = "holm",
    tuned_for: int = 5000,
    prior: float | None = None,
    level: float = 0.95,
    track: str = "week",
) -> Experiment:
    """Each arm of an experiment against its base, of the people first exposed in the view's period.

    Raises MeasureError for names that are not known and options that do not fit, MissingExtraError without tea-tasting
    (extra ``models``).
    """
    asked_of = tuple(
        METRICS[known(m, METRICS, N_("There is no metric {name!r}.{meant} There are: {known}."))] for m in metrics
    )
    if not 0 < level < 1:
        raise MeasureError(N_("{name} of {share} fits no experiment."), name="level", share=level)
    if prior is not None and prior <= 0:
        raise MeasureError(N_("A prior's deviation is above 0, not {prior}."), prior=prior)
    arms = arms_of(view, experiment, arm, named_by, event, group, against, base)
    goal = to or goal_of(view.journey)
    asked = Asked(codes_of(view, goal), within, before, view.as_of, asked_of, len(arms.names))
    done = did(view, asked, arms.exposed)
    planned = _shares(shares, arms)
    options: dict[str, object] = {
        "experiment": experiment, "arm": arm, "named_by": named_by, "event": event, "group": group, "against": against,
        "base": base, "to": goal, "within": within,
    }  # fmt: skip

    def select(name: str, what: str) -> str:
        return view.select("experiment", name, what, **options)

    figures = tuple(_arm(select, name, k, done, planned) for k, name in enumerate(arms.names))
    unsummed = no_sums(view)
    sizes = tuple(int(n) for n in done.people + done.pending)
    found = [
        (metric, k, effects.compare(
            moments[k], moments[0], ratio=is_ratio(metric), cuped=cuped and arms.dealt, rate=is_rate(metric),
            level=level,
        ))
        for metric, moments in zip(asked_of, done.moments, strict=True)
        for k in range(1, len(arms.names))
        if not (metric in MONEY and (unsummed is not None or _no_money(done, asked_of.index(metric))))
    ]  # fmt: skip
    ps = [e.tested.p for _, _, e in found]
    adjusted = CORRECTIONS[correction](ps)
    always = [_always(e, level, tuned_for) for _, _, e in found]
    always_adjusted = CORRECTIONS[correction]([p for _, p in always])
    return Experiment(
        period=view.period, persona=view.persona, segment=view.segment,
        experiment=arms.experiment, dealt=arms.dealt, goal=goal, goal_title=title_of(view.journey, goal), within=within,
        arms=figures, mixed=Count(done.mixed, select(arms.names[0], "mixed")),
        ratio=effects.sample_ratio(sizes, planned) if arms.dealt else None,
        effects=tuple(
            _effect(metric, k, e, p, sequence, p_always, figures, prior, level)
            for (metric, k, e), p, (sequence, _), p_always in zip(found, adjusted, always, always_adjusted, strict=True)
        )
        + tuple(
            _unknown(metric, name, unsummed)
            for metric in asked_of if metric in MONEY and unsummed is not None
            for name in arms.names[1:]
        ),
        correction=correction, level=level, currency=currency_of(view),
        **_followed(view, asked, arms, [(m, k) for m, k, _ in found], track, cuped and arms.dealt, level,
                    tuned_for),
    )  # fmt: skip


def _followed(
    view: View, asked: Asked, arms: Arms, shown: Sequence[tuple[Metric, int]], track: str,
    cuped: bool, level: float, tuned_for: int,
) -> dict[str, Any]:  # fmt: skip
    """``tracked`` and ``tracks``: the always valid interval at each moment. Without people, or of lists, none."""
    if track == "none" or not arms.dealt or not shown:
        return {}
    moments = tracked_moments(view, arms, track)
    then = [did(view, dataclasses.replace(asked, as_of=at), up_to(view, arms.exposed, at)) for at in moments]
    if not moments:
        return {}
    tracks = []
    for metric, k in shown:
        place = asked.metrics.index(metric)
        compared = [
            effects.compare(
                d.moments[place][k], d.moments[place][0], ratio=is_ratio(metric), cuped=cuped, rate=is_rate(metric),
                level=level,
            )
            for d in then
        ]  # fmt: skip
        # the scale of the last moment holds for all of them, so that a line never mixes uplift with difference
        relative = compared[-1].relative_error is not None
        read = [(e.relative, e.relative_error) if relative else (e.absolute, e.error) for e in compared]
        points = tuple(
            _estimate(confidence_sequence(of.value, error, e.n + e.base_n, level, tuned_for), e.n + e.base_n)
            for e, (of, error) in zip(compared, read, strict=True)
        )
        tracks.append(Track(metric, arms.names[k], relative, points))
    zone = ZoneInfo(view.journey.timezone)
    return {"tracked": tuple(dt.datetime.fromtimestamp(at, zone) for at in moments), "tracks": tuple(tracks)}


def tracked_moments(view: View, arms: Arms, track: str) -> list[int]:
    """The last seconds of the local days (every seventh for weeks) from the first exposure on, and the view's moment:
    at most ``MOST_TRACKED``, the later ones where there are more.
    """
    firsts = [int(c.time[e.at[e.at >= 0]].min()) for c, e in zip(view.columns, arms.exposed, strict=True)
              if (e.at >= 0).any()]  # fmt: skip
    if not firsts:
        return []
    zone = ZoneInfo(view.journey.timezone)
    day = dt.datetime.fromtimestamp(min(firsts), zone).date()
    step = dt.timedelta(days=7 if track == "week" else 1)
    found = []
    while (at := seconds(midnight(day + step, zone)) - 1) < view.as_of:
        found.append(at)
        day += step
    return [*found, view.as_of][-MOST_TRACKED:]


def up_to(view: View, exposed: Sequence[kernel.Exposed], at: int) -> list[kernel.Exposed]:
    """The exposures up to a moment; later ones have not happened."""
    found = []
    for columns, e in zip(view.columns, exposed, strict=True):
        there = (
            (e.at >= 0) & (columns.time[np.maximum(e.at, 0)].astype(np.int64) <= at) if len(columns.time) else e.mixed
        )
        found.append(kernel.Exposed(np.where(there, e.arm, 0).astype(np.uint32), np.where(there, e.at, -1), e.mixed))
    return found


def arms_of(
    view: View, experiment: str | None, arm: str | None, named_by: str | None, event: str | None, group: str | None,
    against: str | None, base: str | None,
) -> Arms:  # fmt: skip
    """The arms that the options mean."""
    if (group is None) != (against is None):
        raise MeasureError(N_("Two lists of customers are compared: give both `group` and `against`."))
    if group is not None and against is not None:
        return arms_by_lists(view, group, against)
    if arm is not None and arm.startswith("traits."):
        return arms_by_trait(view, arm, base)
    return arms_by_property(view, arm, experiment, named_by, event, base)


def _shares(shares: Sequence[str], arms: Arms) -> tuple[float, ...] | None:
    if not shares:
        return None
    try:
        planned = tuple(float(s.rstrip("% ").replace(",", ".")) for s in shares)
    except ValueError as error:
        raise MeasureError(N_("{value!r} are not shares; write for example 50,50."), value=",".join(shares)) from error
    if len(planned) != len(arms.names) or not all(0 < share < math.inf for share in planned):
        raise MeasureError(
            N_("The arms are {known}; give as many shares, each above 0, in this order."), known=", ".join(arms.names)
        )
    return planned


def _arm(
    select: Callable[[str, str], str], name: str, k: int, done: Did, planned: tuple[float, ...] | None
) -> ArmFigure:
    n, waiting = int(done.people[k]), int(done.pending[k])
    reached = Rate(
        int(done.reached[k]), n, waiting, select(name, "reached"), select(name, "not_reached"), select(name, "pending")
    )
    share = None if planned is None else planned[k] / sum(planned)
    return ArmFigure(name, Count(n + waiting, select(name, "exposed")), share, reached)


def _no_money(done: Did, metric: int) -> bool:
    """Whether nobody's goal had money: then a difference of 0 would be no finding but a lack of data."""
    return all(m.n == 0 or (m.scatter[0, 0] == 0 and m.mean[0] == 0) for m in done.moments[metric])


def _read(e: effects.Effect) -> tuple[Compared, float | None]:
    """What is read at any time and in chances: the relative uplift, or where there is none the difference."""
    return (e.relative, e.relative_error) if e.relative_error is not None else (e.absolute, e.error)


def _always(e: effects.Effect, level: float, tuned_for: int) -> tuple[Compared, float | None]:
    read, error = _read(e)
    n = e.n + e.base_n
    sequence = confidence_sequence(read.value, error, n, level, tuned_for)
    if error is None:
        sequence = dataclasses.replace(sequence, reason=read.reason or effects.NO_SPREAD)
    elif e.tested.method == "fisher":
        sequence = dataclasses.replace(sequence, reason=FEW)
    return sequence, always_valid_p(read.value, error, n, level, tuned_for).p


def _effect(
    metric: Metric, k: int, e: effects.Effect, p: float | None, sequence: Compared, p_always: float | None,
    arms: tuple[ArmFigure, ...], prior: float | None, level: float,
) -> Effect:  # fmt: skip
    read, error = _read(e)
    posterior = belief(read.value, error, prior_deviation=prior, level=level)
    return Effect(
        metric, arms[k].name, e.value, e.base, _estimate(e.absolute, e.n), _estimate(e.relative, e.n), e.tested.p, p,
        e.tested.reason, _estimate(sequence, e.n + e.base_n), p_always, e.relative_error is not None, posterior,
        e.explained,
    )  # fmt: skip


def _unknown(metric: Metric, arm: str, why: str) -> Effect:
    none = Estimate(None, reason=why)
    return Effect(metric, arm, None, None, none, none, None, None, why, none, None, False, None, None)


def _estimate(found: Compared, n: int) -> Estimate:
    return Estimate(found.value, found.low, found.high, n, found.reason)


def experiment_members(view: View, selector: Selector) -> list[Mask]:
    """bool[C] a bucket: who stands behind an ``experiment:`` selector."""
    option = selector.option
    keys = ("experiment", "arm", "named_by", "event", "group", "against", "base")
    arms = arms_of(view, *(option(k) for k in keys))
    if selector.what == "mixed":
        return [e.mixed for e in arms.exposed]
    k = known(selector.name, arms.names, N_("There is no arm {name!r}.{meant} There are: {known}.")) + 1
    within = option("within")
    window = int(kernel.UNLIMITED) if within is None else duration(int(within) if within.isdigit() else within)
    goal = codes_of(view, option("to") or goal_of(view.journey))
    return view.map_with(functools.partial(_members, goal, window, view.as_of, k, selector.what), arms.exposed)


def _members(goal: Mask, within: int, as_of: int, k: int, what: str, bucket: Columns, exposed: kernel.Exposed) -> Mask:
    acts, up = kernel.outcomes(bucket, exposed.at, goal, within, 0, as_of)
    here = (exposed.arm == k) & ~exposed.mixed
    chosen = {
        "exposed": here, "pending": here & ~up,
        "reached": here & up & (acts[:, kernel.COUNT] > 0), "not_reached": here & up & (acts[:, kernel.COUNT] == 0),
    }  # fmt: skip
    return np.asarray(chosen[what], np.bool_)
