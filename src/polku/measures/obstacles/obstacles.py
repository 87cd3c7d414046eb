"""The measure: suspects that go with stopping, each for itself and priced, ranked by the money that is lost."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from polku.journey.model import Text
from polku.journey.values import duration
from polku.kernels import obstacles as kernel
from polku.language import LANGUAGES, N_, Reader
from polku.measures.obstacles.answer import Above, Cleared, Declared, Obstacle, Obstacles, Quoted
from polku.measures.obstacles.comparing import Comparison, Ground, compare, ground, members, shared, worth_of_goal
from polku.measures.obstacles.excess import excess
from polku.measures.obstacles.suspects import KINDS, USUAL, Looked, Suspect, looked, suspects
from polku.measures.result import Count, Estimate, Rate
from polku.measures.selectors import Selector
from polku.measures.steps import goal_of, title_of
from polku.measures.value.buying import currency_of, no_sums
from polku.measures.view import Mask, View, known
from polku.statistics.multiple import benjamini_hochberg
from polku.statistics.rates import normal_quantile

MONTH = 30.4375 * 86400
LEVEL = 0.95
NO_MONEY = N_("no money is known at the goal, nor after it")
FOLLOWED = N_("by the money that followed the goal up to now")
ONE_SIDED = N_("all of those alike went on")
NOT_YET = N_("nobody who met it has had their time yet")


def obstacles(
    view: View,
    to: str | None = None,
    within: int | None = None,
    kinds: Sequence[str] = (),
    properties: Sequence[str] = (),
    like: str | None = None,
    by_source: bool = True,
    least: float = 0.015,
    false_findings: float = 0.01,
) -> Obstacles:
    """What stops people on the way to ``to`` (by default the map's goal), ranked by money lost.

    ``within``: seconds to reach it from the meeting, by default the map's window. ``kinds`` are those of
    :mod:`suspects`; ``properties`` are asked about besides, value by value. Raises MeasureError for names that are not
    known.
    """
    for kind in kinds:
        known(kind, KINDS, N_("There is no kind of obstacle {name!r}.{meant} There are: {known}."))
    goal = to or goal_of(view.journey)
    window = within or view.journey.window
    base = ground(view, goal, window, like, by_source)
    nothing = [np.empty(0, np.float64)] * len(view.columns)
    made: list[Comparison] = []
    too_few = 0
    for suspect in suspects(view, base.way, kinds or USUAL, properties):
        found = compare(base, suspect, nothing)
        too_few += not found
        made += found
    adjusted = benjamini_hochberg([c.p for c in made])
    likely = [c for c, p in zip(made, adjusted, strict=True) if p is not None and p <= false_findings]
    kept, seen_in = _each_for_itself(base, [c for c in likely if _costs(c, least)], least)
    # One thing seen from five sides is one finding: the others would make the correction lenient for everyone.
    same = {c.suspect for c in likely if c.z > 0 or _costs(c, least)} - {c.suspect for c in kept}
    made = [c for c in made if c.suspect not in same]
    corrected = dict(zip((c.suspect for c in made), benjamini_hochberg([c.p for c in made]), strict=True))
    worth = worth_of_goal(base) if any(c.value is None for c in kept) else None
    priced = [
        _priced(base, c, p, seen_in[c.suspect], worth)
        for c in kept
        if (p := corrected[c.suspect]) is not None and p <= false_findings
    ]
    priced.sort(key=lambda o: (-(o.money.value or 0.0), -(o.lost.value or 0.0), o.id))
    told = {o.id for o in priced}
    return Obstacles(
        period=view.period, persona=view.persona, segment=view.segment,
        goal=goal, goal_title=title_of(view.journey, goal), within=window, like=base.like,
        by_source=by_source, least=least, false_findings=false_findings, looked=len(made), too_few=too_few,
        found=tuple(priced),
        cleared=tuple(
            _cleared(base, c, corrected[c.suspect]) for c in sorted(made, key=lambda c: c.z) if c.suspect.id not in told
        )[:MOST_CLEARED],
        declared=_declared(view, priced),
        currency=currency_of(view), quoted=_quoted(view, priced),
    )  # fmt: skip


#: Suspects that are shown although nothing is held against them.
MOST_CLEARED = 20


def _costs(found: Comparison, least: float, spared: float = 0.0) -> bool:
    """Whether it surely costs ``least`` of those who would go on: the lower end of the interval says so. ``spared``:
    the share of those who met it who would go on all the same.
    """
    effect = found.near.effect or 0.0
    left = found.share * (effect + spared) / effect if effect < 0 else 0.0
    return found.z < 0 and left - normal_quantile(LEVEL) * found.share_error >= least


def _each_for_itself(
    base: Ground, likely: list[Comparison], least: float
) -> tuple[list[Comparison], dict[Suspect, tuple[Comparison, ...]]]:
    """Findings that are not another finding seen from elsewhere; and of each, those that it accounts for.

    A payment that fails in one browser shows as a failure, and as that browser at the payment, the checkout and the
    cart. The finding with the strongest evidence is kept; then those who met it are given the outcome of those alike
    who did not, and whatever no longer costs anything was the same thing.
    """
    left = sorted(likely, key=lambda c: c.z)
    kept: list[Comparison] = []
    seen_in: dict[Suspect, tuple[Comparison, ...]] = {}
    relief = [np.zeros(len(c.time), np.float64) for c in base.view.columns]
    while left:
        first, *left = left
        kept.append(first)
        spared = first.near.expected or 0.0
        accused = _looked(base, first)
        for some, hit, bucket in zip(relief, accused.hits, base.view.columns, strict=True):
            here = hit == kernel.SUSPECT
            if first.own >= 0:
                here &= base.way.place[bucket.code] == first.own
            some[here] = np.maximum(some[here], max(spared, 1e-9))
        still = []
        for found in left:
            suspect = _looked(base, found)
            # At most this share of those who met it can be given another outcome; the others only fare better.
            if _costs(found, least, shared(base, suspect, accused)):
                still.append(found)
                continue
            again = compare(base, suspect, relief)
            if again and _costs(again[0], least):
                still.append(found)
            else:
                seen_in[first.suspect] = (*seen_in.get(first.suspect, ()), found)
        left = still
    return kept, {c.suspect: seen_in.get(c.suspect, ()) for c in kept}


def _looked(base: Ground, found: Comparison) -> Looked:
    return looked(base.view, base.way, found.suspect)


def _title(view: View, found: Comparison) -> dict[str, str]:
    """What a finding is, in every language."""
    return {language: found.suspect.title(view, Reader(language)) for language in LANGUAGES}


def _title_and_place(view: View, found: Comparison) -> Text:
    title = _title(view, found)
    return {k: f"{v} ({found.suspect.touchpoint})" if found.suspect.touchpoint else v for k, v in title.items()}


def _priced(
    base: Ground,
    found: Comparison,
    adjusted: float,
    seen_in: tuple[Comparison, ...],
    worth: tuple[float, float] | None,
) -> Obstacle:
    view, z = base.view, normal_quantile(LEVEL)
    select = view.select
    ids = view.journey.touchpoint_ids
    name, options = found.suspect.id, {"to": base.goal, "within": base.span.window, "like": base.like}
    met = select("obstacle", name, "met", **options)
    at = _place(base, found)
    effect = found.near.effect or 0.0
    # Those who had nobody alike are taken to have lost as much as the others.
    times = found.mature + found.further
    goals, error = -(found.far.effect or 0.0) * times, found.goal_error * times
    lost = (
        Estimate(goals, goals - z * error, goals + z * error, found.mature, behind=met)
        if found.far.effect is not None
        else Estimate(None, n=0, reason=NOT_YET, behind=met)
    )
    money = _money(lost, error, found, worth, no_sums(view))
    mended, above = _mended(base, found, seen_in, worth, money)
    months = _months(base)
    return Obstacle(
        name, found.suspect.kind, _title(view, found), ids[at], title_of(view.journey, ids[at]),
        Count(found.people, met),
        Rate(
            found.went_on, found.meetings, behind=met, behind_not=select("obstacle", name, "stopped", **options),
            behind_all=met, unit="times",
        ),
        found.near.expected or 0.0,
        Estimate(effect, effect - z * found.error, effect + z * found.error, round(found.near.compared)),
        _odds(found),
        found.p or 0.0, adjusted,
        Estimate(found.share, found.share - z * found.share_error, found.share + z * found.share_error),
        lost, found.meetings - found.mature, money, mended, above,
        _times(mended, 1 / months) if months else dataclasses.replace(mended, value=None, low=None, high=None),
        tuple((ids[t], n) for t, n in found.where), tuple(_title_and_place(view, c) for c in seen_in),
        _named(view, ids[at]), found.uncompared,
    )  # fmt: skip


def _mended(
    base: Ground,
    found: Comparison,
    seen_in: tuple[Comparison, ...],
    worth: tuple[float, float] | None,
    money: Estimate,
) -> tuple[Estimate, Above | None]:
    """What mending it would have been worth: all that it cost; of an event that comes to some (one browser) far more
    often than to the others, only what is above that, for what comes to everyone now and then cannot be mended there.
    """
    signs = [c for c in seen_in if c.suspect.kind in ("technical", "property")]
    if found.suspect.kind != "failure" or not signs or money.value is None:
        return money, None
    over = excess(base, _looked(base, found), [_looked(base, c) for c in signs])
    if over is None or over.found.far.effect is None:
        return money, None
    some = over.found
    times = some.mature + some.further
    goals = -(some.far.effect or 0.0) * times
    error = float(np.hypot(some.goal_error * times * over.share, goals * over.error))
    z = normal_quantile(LEVEL)
    goals *= over.share
    lost = Estimate(goals, goals - z * error, goals + z * error, some.mature, behind=money.behind)
    # The money of a goal is that of all who met it: those of one browser are few.
    priced = dataclasses.replace(found, mature=some.mature)
    where = next(c for c in signs if c.suspect.what == over.what and c.own == over.own)
    return (
        _money(lost, error, priced, worth, no_sums(base.view)),
        Above(_title_and_place(base.view, where), over.here, over.elsewhere),
    )


def _odds(found: Comparison) -> Estimate:
    """The common odds ratio; where one side all did the same it has no interval, and its end value says too much."""
    odds = found.odds
    if odds.value is not None and odds.low is None:
        return Estimate(None, n=found.meetings, reason=odds.reason or ONE_SIDED)
    return Estimate(odds.value, odds.low, odds.high, found.meetings, odds.reason)


def _money(
    lost: Estimate, error: float, found: Comparison, worth: tuple[float, float] | None, unsummed: str | None
) -> Estimate:
    """Goals lost times the money of one; the error of a product of two independent estimates."""
    if lost.value is None:
        return lost
    value, value_error, reason = found.value, found.value_error, None
    if value is None and worth is not None:
        value, value_error, reason = *worth, FOLLOWED
    if value is None or unsummed is not None:
        return Estimate(None, n=found.mature, reason=unsummed or NO_MONEY, behind=lost.behind)
    amount = lost.value * value
    half = normal_quantile(LEVEL) * float(np.hypot(error * value, lost.value * value_error))
    return Estimate(amount, amount - half, amount + half, found.mature, reason, lost.behind)


def _times(figure: Estimate, factor: float) -> Estimate:
    value, low, high = (None if x is None else x * factor for x in (figure.value, figure.low, figure.high))
    return dataclasses.replace(figure, value=value, low=low, high=high)


def _months(base: Ground) -> float:
    """How long the meetings were gathered that have had their time, in months."""
    trails = base.view.trails
    first = int(trails.first.timestamp()) if trails.first else base.view.as_of
    start, end = max(int(base.span.start), first), min(int(base.span.end), int(base.span.as_of - base.span.window))
    return max(0.0, (end - start) / MONTH)


def _place(base: Ground, found: Comparison) -> int:
    """The touchpoint that an obstacle belongs to: the one that fails by the map, else where it is met most often."""
    if found.own < 0 and found.suspect.kind == "failure":
        tables = base.view.trails.tables
        fails = base.view.journey.touchpoint_ids
        counts: dict[str, int] = {}
        for bucket in base.view.columns:
            codes = np.bincount(bucket.code, minlength=tables.codes)
            for k, event in enumerate(tables.code_event):
                touchpoint = int(tables.code_fails[k])
                if event == found.suspect.what and touchpoint >= 0:
                    id = tables.touchpoints[touchpoint]
                    counts[id] = counts.get(id, 0) + int(codes[k])
        if any(counts.values()):
            return fails.index(max(counts, key=lambda id: counts[id]))
    return found.where[0][0] if found.where else 0


def _named(view: View, id: str) -> tuple[Text, ...]:
    return next((tuple(t.obstacles) for _, _, t in view.journey.touchpoints() if t.id == id), ())


def _declared(view: View, found: Sequence[Obstacle]) -> tuple[Declared, ...]:
    return tuple(
        Declared(t.id, title_of(view.journey, t.id), text, tuple(o.id for o in found if o.at == t.id))
        for _, _, t in view.journey.touchpoints()
        for text in t.obstacles
    )


def _quoted(view: View, found: Sequence[Obstacle]) -> tuple[Quoted, ...]:
    """What customers of the view answered, when they were asked what nearly stopped them; the most answers first."""
    from polku.surveys.texts import quotes_in

    told = quotes_in(view, "stopped")
    ids = view.journey.touchpoint_ids
    made = [
        Quoted(id, title_of(view.journey, id) if id in ids else id, n, said, tuple(o.id for o in found if o.at == id))
        for id, (n, said) in told.items()
    ]
    return tuple(sorted(made, key=lambda q: (-q.count, q.touchpoint)))


def _cleared(base: Ground, found: Comparison, adjusted: float | None) -> Cleared:
    half = normal_quantile(LEVEL) * found.error
    effect = found.near.effect or 0.0
    at = base.view.journey.touchpoint_ids[_place(base, found)]
    loss = Estimate(effect, effect - half, effect + half, round(found.near.compared))
    return Cleared(found.suspect.id, _title(base.view, found), at, found.people, loss, adjusted)


def obstacle_members(view: View, selector: Selector) -> list[Mask]:
    """bool[C] a bucket: who met the obstacle of an ``obstacle:`` selector, or did not go on after it."""
    within = selector.option("within")
    window = view.journey.window if within is None else duration(int(within) if within.isdigit() else within)
    base = ground(view, selector.option("to") or goal_of(view.journey), window, selector.option("like"), False)
    suspect = looked(view, base.way, Suspect.of(selector.name))
    return members(base, suspect, kernel.MET if selector.what == "met" else kernel.STOPPED)
