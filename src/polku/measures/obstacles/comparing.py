"""Those who met a suspect held against those alike who did not: going on in the visit, and the goal within its time."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from polku.kernels import obstacles as kernel
from polku.kernels import sessions
from polku.kernels.columns import Columns, frozen
from polku.measures.obstacles.suspects import U8, Looked, Suspect, likeness
from polku.measures.steps import codes_of
from polku.measures.value.buying import REFUNDS
from polku.measures.view import Mask, View
from polku.statistics.odds import Standardised, cochran_mantel_haenszel, mantel_haenszel, standardised
from polku.statistics.rates import Compared

F64 = npt.NDArray[np.float64]
NOTHING = np.empty(0, np.float64)
BLANK = kernel.Expected(*(NOTHING,) * 8)
#: Fewer exposed meetings than this (or others, or customers) say too little.
ENOUGH = 30
#: Media by which visits come that are told apart.
MOST_MEDIA = 10
#: Others in a stratum, at least, for it to be compared.
LEAST_OTHERS = 5


@dataclasses.dataclass(frozen=True, eq=False)
class Ground:
    """What every suspect is held against: the map's way to the goal, the visits, and within what people are alike."""

    view: View
    way: kernel.Way
    span: kernel.Span
    goal: str
    segments: tuple[sessions.Segments, ...]
    like: str | None
    likes: int
    alike: tuple[U8, ...]
    refunds: Mask  # bool[codes]

    @property
    def touchpoints(self) -> int:
        return len(self.way.stage)


def ground(view: View, goal: str, within: int, like: str | None, by_source: bool = True) -> Ground:
    """The ground of a view. ``goal``: a touchpoint or an event; ``within``: seconds to reach it; ``by_source``: only
    those whose visit came by the same medium are alike.
    """
    way = way_to(view, goal)
    span = kernel.Span(np.int64(view.start), np.int64(view.end), np.int64(view.as_of), np.int64(within))
    name, alike, likes = likeness(view, like)
    visits = view.map(functools.partial(_visits, view.journey.session_gap, view.as_of))
    if by_source:
        media, sources = media_of(view)
        work = functools.partial(_with_source, media, sources)
        alike = tuple(view.map_with(work, visits, alike))
        likes *= sources
    events = view.trails.tables.code_event
    refunds = frozen([event in REFUNDS and not way.goal[k] for k, event in enumerate(events)], np.bool_)
    return Ground(view, way, span, goal, tuple(visits), name, likes, alike, refunds)


def media_of(view: View) -> tuple[U8, int]:
    """uint8[origins]: the medium of each origin, 0 for none and for the rare ones; and how many are told apart."""
    origins = view.trails.tables.origins
    counts = np.zeros(len(origins), np.int64)
    for bucket in view.columns:
        counts += np.bincount(bucket.origin, minlength=len(origins))
    by_medium: dict[str, int] = {}
    for (_, medium, _), n in zip(origins, counts.tolist(), strict=True):
        if medium:
            by_medium[medium] = by_medium.get(medium, 0) + n
    common = sorted(by_medium, key=lambda m: (-by_medium[m], m))[:MOST_MEDIA]
    number = {medium: k for k, medium in enumerate(common, 1)}
    return np.array([number.get(medium or "", 0) for _, medium, _ in origins], np.uint8), len(common) + 1


def _with_source(media: U8, sources: int, bucket: Columns, segments: sessions.Segments, alike: U8) -> U8:
    """uint8[N]: ``alike`` and the medium by which each event's visit came, as one number."""
    lengths = segments.ends - segments.starts
    places = np.repeat(segments.starts - np.cumsum(lengths) + lengths, lengths) + np.arange(lengths.sum())
    first = segments.starts
    if len(segments.order):
        places, first = segments.order[places], segments.order[first]
    came = np.zeros(len(bucket.time), np.uint8)
    came[places] = np.repeat(media[bucket.origin[first]], lengths)
    return came if not len(alike) else np.asarray(alike * np.uint8(sources) + came, np.uint8)


def way_to(view: View, goal: str) -> kernel.Way:
    """The map as the kernel reads it; a goal that is an event off the map lies beyond the last stage."""
    codes = codes_of(view, goal)
    place, stage = view.rules.code_touchpoint, view.rules.stage_of
    reached = place[codes & (place >= 0)]
    far = int(stage[reached].max()) if len(reached) else len(view.journey.stages) - 1
    return kernel.Way(np.asarray(place, np.int16), np.asarray(stage, np.int16), codes, np.int64(far))


def _visits(gap: int, as_of: int, bucket: Columns) -> sessions.Segments:
    return sessions.Segments(*sessions.sessions(bucket, gap, as_of))


@dataclasses.dataclass(frozen=True, eq=False)
class Counted:
    """One pass of one suspect over everything; parts add up with ``+``."""

    cells: F64
    going: F64
    told: F64
    people: npt.NDArray[np.int64]
    nowhere: int
    again: npt.NDArray[np.int64]

    def __add__(self, other: Counted) -> Counted:
        return Counted(
            self.cells + other.cells, self.going + other.going, self.told + other.told, self.people + other.people,
            self.nowhere + other.nowhere, self.again + other.again,
        )  # fmt: skip


def count(found: Ground, looked: Looked, relief: Sequence[F64], expected: kernel.Expected = BLANK) -> Counted:
    """The kernel over every bucket. ``relief``: float64[N] a bucket, or empty arrays (see the kernel)."""
    asked = kernel.Suspect(np.int64(looked.own), np.bool_(looked.suspect.steady))
    work = functools.partial(_count, found.way, found.span, asked, found.likes, expected, found.refunds)
    first, *rest = found.view.map_with(work, found.segments, looked.hits, relief, found.alike)
    return functools.reduce(lambda a, b: a + b, rest, first)


def _count(
    way: kernel.Way, span: kernel.Span, asked: kernel.Suspect, likes: int, expected: kernel.Expected, refunds: Mask,
    bucket: Columns, segments: sessions.Segments, hit: U8, relief: F64, alike: U8,
) -> Counted:  # fmt: skip
    nobody = np.empty(0, np.uint8)
    if refunds.any() and len(bucket.value) and not len(expected.went_on):
        bucket = bucket._replace(value=kernel.net_values(bucket, way.goal, refunds, span.as_of))
    return Counted(
        *kernel.meetings(bucket, segments, way, span, asked, hit, relief, alike, np.int64(likes), expected, nobody)
    )


def members(found: Ground, looked: Looked, what: int) -> list[Mask]:
    """bool[C] a bucket: who met the suspect (kernel.MET), or did not go on after it (kernel.STOPPED)."""
    asked = kernel.Suspect(np.int64(looked.own), np.bool_(looked.suspect.steady))
    work = functools.partial(_members, found.way, found.span, asked, found.likes, what)
    return found.view.map_with(work, found.segments, looked.hits, found.alike)


def _members(
    way: kernel.Way, span: kernel.Span, asked: kernel.Suspect, likes: int, what: int,
    bucket: Columns, segments: sessions.Segments, hit: U8, alike: U8,
) -> Mask:  # fmt: skip
    seen = np.zeros(len(bucket.skip), np.uint8)
    kernel.meetings(bucket, segments, way, span, asked, hit, NOTHING, alike, np.int64(likes), BLANK, seen)
    return np.asarray(seen & what > 0, np.bool_)


@dataclasses.dataclass(frozen=True, eq=False)
class Comparison:
    """One suspect at one place: what those who met it did, and what those alike did who did not.

    ``near`` is about going on in the visit, ``far`` about the goal within its time; ``error`` and ``goal_error`` are
    the standard errors of their effects, clustered by customer. ``share``: of those who go on from here, or would
    without it, the share that is lost, with its error. ``value``: money of a goal reached after it, with its error.
    """

    suspect: Suspect
    own: int
    people: int
    others: int  # customers who did not meet it, alike or not
    meetings: int
    went_on: int
    uncompared: int
    nowhere: int
    near: Standardised
    error: float
    odds: Compared
    within: float | None  # p of the Cochran-Mantel-Haenszel test
    share: float
    share_error: float
    far: Standardised
    goal_error: float
    mature: int
    further: float  # further meetings of the same search, as many as would not have come without chance; see `_further`
    goals: int
    value: float | None
    value_error: float
    where: tuple[tuple[int, int], ...]  # touchpoint, meetings: the most common first

    @property
    def z(self) -> float:
        return (self.near.effect or 0.0) / self.error if self.error > 0 else 0.0

    @property
    def p(self) -> float | None:
        """Two-sided, the larger of two: that of the effect, clustered by customer (Student's t, as customers may be
        few), which trusts large strata, and that of the Cochran-Mantel-Haenszel test, which holds in small ones. None
        where nothing varies.
        """
        if self.error <= 0 or self.within is None:
            return None
        from scipy.special import stdtr

        return max(2 * float(stdtr(min(self.people, self.others) - 1, -abs(self.z))), self.within)


@dataclasses.dataclass(frozen=True, eq=False)
class Sides:
    """One group's strata: the counts of the others and of the exposed, float64[S] each of CELLS."""

    cells: F64  # [S, 2, CELLS]

    def of(self, what: int, exposed: int) -> F64:
        return np.asarray(self.cells[:, exposed, what])

    def against(self, n: int, of: int, least: float) -> Standardised:
        return standardised(self.of(n, 1), self.of(of, 1), self.of(n, 0), self.of(of, 0), least)


def compare(found: Ground, looked: Looked, relief: Sequence[F64]) -> list[Comparison]:
    """What the suspect does at each place where enough met it; one place for an event, or for a property of one
    touchpoint.
    """
    counted = count(found, looked, relief)
    touchpoints, everywhere = found.touchpoints, looked.own == kernel.EVERYWHERE
    groups = touchpoints if everywhere else 1
    sides = [Sides(part) for part in np.split(counted.cells, groups)]
    near = [s.against(kernel.WENT_ON, kernel.MEETINGS, LEAST_OTHERS) for s in sides]
    far = [s.against(kernel.GOALS, kernel.MATURE, LEAST_OTHERS) for s in sides]
    expected = kernel.Expected(
        np.concatenate([n.shares for n in near]),
        np.concatenate([f.shares for f in far]),
        np.concatenate([n.weight for n in near]),
        np.concatenate([f.weight for f in far]),
        np.array([1 / n.compared if n.compared else 0.0 for n in near]),
        np.array([1 / f.compared if f.compared else 0.0 for f in far]),
        np.array([n.effect or 0.0 for n in near]),
        np.array([f.effect or 0.0 for f in far]),
    )
    enough = [g for g in range(groups) if near[g].compared >= ENOUGH and counted.people[g].min() >= ENOUGH]
    if not enough:
        return []
    told = count(found, looked, relief, expected).told
    ids = found.view.journey.touchpoint_ids
    made = []
    for g in enough:
        suspect = looked.suspect
        own = looked.own
        if everywhere:
            suspect, own = dataclasses.replace(suspect, touchpoint=ids[g]), g
        made.append(_compared(found, suspect, own, counted, g, sides[g], near[g], far[g], told[g]))
    return made


def _compared(
    found: Ground, suspect: Suspect, own: int, counted: Counted, g: int, side: Sides, near: Standardised,
    far: Standardised, told: F64,
) -> Comparison:  # fmt: skip
    exposed = side.of(kernel.MEETINGS, 1)
    if own >= 0:
        places = np.zeros(found.touchpoints)
        places[own] = exposed.sum()
    else:
        places = exposed.reshape(found.touchpoints, -1).sum(axis=1)
    error = math.sqrt(max(float(told[0]), _least_variance(side.of(kernel.WENT_ON, 1).sum(), near.compared)))
    goal_error = math.sqrt(max(float(told[1]), _least_variance(side.of(kernel.GOALS, 1).sum(), far.compared)))
    met = float(exposed.sum())
    lost = -(near.effect or 0.0) * met
    going = float(counted.going[places > 0].sum())
    whole = going + max(lost, 0.0)
    share, share_error = (lost / whole, error * met / whole) if whole > 0 else (0.0, 0.0)
    value, value_error = _value(side)
    table = side.of(kernel.WENT_ON, 1), exposed, side.of(kernel.WENT_ON, 0), side.of(kernel.MEETINGS, 0)
    order = np.argsort(-places, kind="stable")
    return Comparison(
        suspect,
        own,
        people=int(counted.people[g, 1]),
        others=int(counted.people[g, 0]),
        meetings=int(exposed.sum()),
        went_on=round(float(side.of(kernel.WENT_ON, 1).sum())),
        uncompared=round(near.left_out),
        nowhere=counted.nowhere,
        near=near,
        error=error,
        odds=mantel_haenszel(*table),
        within=cochran_mantel_haenszel(*table).p,
        share=share,
        share_error=share_error,
        far=far,
        goal_error=goal_error,
        mature=round(float(side.of(kernel.MATURE, 1).sum())),
        further=0.0 if suspect.steady else _further(counted.again),
        goals=round(float(side.of(kernel.GOALS, 1).sum())),
        value=value,
        value_error=value_error,
        where=tuple((int(t), int(places[t])) for t in order if places[t] > 0),
    )


def _further(again: npt.NDArray[np.int64]) -> float:
    """How many of the further exposed meetings of a search count for themselves.

    The first exposed meeting of a search is held against searches that began without; what else comes to those who were
    exposed once is in its effect already, as far as it comes to them more often: ``stays``, the difference between the
    share of exposed visits after an exposed one and after another one. A slow page comes by chance, and each time does
    its own harm; a delivery price for small carts stays with the cart.
    """
    further, no_no, no_yes, yes_no, yes_yes = (float(n) for n in again)
    if not (no_no + no_yes) or not (yes_no + yes_yes):
        return 0.0
    stays = yes_yes / (yes_no + yes_yes) - no_yes / (no_no + no_yes)
    return further * min(1.0, max(0.0, 1.0 - stays))


def _least_variance(n: float, of: float) -> float:
    """A floor under the variance of a rate: that of Agresti and Coull's shrunken one, so that none of thirty is not
    certainty (The American Statistician 52, 1998).
    """
    if of <= 0:
        return 0.0
    p = (n + 2.0) / (of + 4.0)
    return p * (1 - p) / (of + 4.0)


def shared(found: Ground, one: Looked, other: Looked) -> float:
    """Of the visits in which ``one`` shows, the share in which ``other`` does too."""
    work = functools.partial(both_show, found.way.place, one.own, other.own)
    both, alone, *_ = np.sum(found.view.map_with(work, found.segments, one.hits, other.hits), axis=0, initial=0)
    return float(both / alone) if alone else 0.0


def both_show(
    place: npt.NDArray[np.int16], own: int, others: int, bucket: Columns, segments: sessions.Segments, hit: U8, met: U8
) -> npt.NDArray[np.int64]:
    """int64[4]: visits in which both show, and in which the first does; the same of those in which the first is known
    and does not show.
    """
    visit = visit_of(bucket, segments)
    one, not_one, other = (np.zeros(len(segments.starts), np.bool_) for _ in range(3))
    one[visit[shown_at(hit, kernel.SUSPECT, place, own, bucket, visit)]] = True
    not_one[visit[shown_at(hit, kernel.OTHER, place, own, bucket, visit)]] = True
    other[visit[shown_at(met, kernel.SUSPECT, place, others, bucket, visit)]] = True
    not_one &= ~one
    return np.array([np.count_nonzero(x) for x in (one & other, one, not_one & other, not_one)], np.int64)


def visit_of(bucket: Columns, segments: sessions.Segments) -> npt.NDArray[np.int64]:
    """int64[N]: the visit of each event, -1 for none."""
    lengths = segments.ends - segments.starts
    visit = np.full(len(bucket.time), -1, np.int64)
    places = np.repeat(segments.starts - np.cumsum(lengths) + lengths, lengths) + np.arange(lengths.sum())
    visit[segments.order[places] if len(segments.order) else places] = np.repeat(np.arange(len(lengths)), lengths)
    return visit


def shown_at(
    hit: U8, word: int, place: npt.NDArray[np.int16], at: int, bucket: Columns, visit: npt.NDArray[np.int64]
) -> Mask:
    """bool[N]: events of a visit that say so, at touchpoint ``at`` (below 0: anywhere)."""
    found = (hit == word) & (visit >= 0)
    if at >= 0:
        found &= place[bucket.code] == at
    return np.asarray(found, np.bool_)


def _value(side: Sides) -> tuple[float | None, float]:
    """The mean money of a goal, with its standard error: of the exposed who reached it all the same; of the others in
    the exposed's mixture where those are few; None without money.
    """
    for exposed in (1, 0):
        paid, money, squares = (side.of(k, exposed) for k in (kernel.PAID, kernel.MONEY, kernel.MONEY_SQUARED))
        if exposed == 0:
            of, base = side.of(kernel.MATURE, 1), side.of(kernel.MATURE, 0)
            weight = np.divide(of, base, out=np.zeros(len(of)), where=base > 0)
            paid, money, squares = paid * weight, money * weight, squares * weight
        n = float(paid.sum())
        if n >= (10 if exposed else 1):
            mean = float(money.sum()) / n
            return mean, math.sqrt(max(float(squares.sum()) / n - mean * mean, 0.0) / max(n - 1, 1.0))
    return None, 0.0


def worth_of_goal(found: Ground) -> tuple[float, float] | None:
    """Where the goal's own events hold no money: the mean money that followed it, of customers who reached it in the
    period, up to the moment, with its standard error. None without money.
    """
    view, place = found.view, found.way.place
    paying = np.asarray((place >= 0) & view.paying()[np.maximum(place, 0)], np.bool_)
    work = functools.partial(_worth, found.way.goal, paying, found.refunds, found.span)
    n, money, squares = view.sum(work, np.zeros(3))
    if n < 2 or money == 0:
        return None
    mean = float(money / n)
    return mean, math.sqrt(max(float(squares / n) - mean * mean, 0.0) / (n - 1))


def _worth(goal: Mask, paying: Mask, refunds: Mask, span: kernel.Span, bucket: Columns) -> F64:
    return np.asarray(kernel.money_from_goal(bucket, goal, paying, refunds, span.start, span.end, span.as_of))
