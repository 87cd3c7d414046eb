"""A dry run on history: what a rule would have done, who would have got what and when, and what they did anyway.

The engine is the one that runs live (:func:`polku.guidance.engine.advance`); only its effects are counted and not
carried out. History that was collected live is driven by the order of arrival, so that an event that came late is
known late here too; imported history by the time of its events, and the answer says which.

Only customers who meet the trigger are run: kernels over the trails find them.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import numpy.typing as npt

from polku.guidance.engine import WAITING, Act, Note, Run, advance
from polku.guidance.happenings import Happening
from polku.guidance.hours import micros
from polku.guidance.limits import MICRO
from polku.guidance.past import Arrivals, Past, World, arrivals, happenings_of
from polku.guidance.proof import NO_GOAL, Entries, acts_of, judged
from polku.guidance.rules import Rule
from polku.journey.model import Text
from polku.kernels import experiments as acts_kernel
from polku.kernels import fold
from polku.kernels.columns import Columns
from polku.language import N_
from polku.measures.result import Rate
from polku.measures.steps import title_of
from polku.measures.value.buying import currency_of, no_sums
from polku.measures.view import View, columns_of, view_of
from polku.record.clock import moment

if TYPE_CHECKING:
    from polku.record.project import Project
    from polku.trails.layout import Bucket

Order = Literal["seq", "time"]
Bools = npt.NDArray[np.bool_]
DAY: Final = 86400
#: People shown with what happened to them.
SAMPLE: Final = 12
#: Of more customers than this who may meet the trigger a part is run, so that the answer comes within seconds.
MOST: Final = 30_000
#: How far back a limit or a "once" makes the replay begin before its span.
LOOK_BACK: Final = 365 * DAY

TRAITS_OF_TODAY = N_("Traits and personas are those of today: the record keeps the latest value of each.")
SCORED_TODAY = N_("The lead score is today's: it has learned from what came after, and could not know as much then.")
IMPORTED = N_("Most of this history was imported, so the rule is driven by the time of events.")
ARRIVAL = N_("Driven by the order of arrival, as live: what came late is known late.")
WAS_ON = N_("The rule was on in this time, so what they did is not what they would have done anyway.")
NO_CONSENTS = N_("The record has no decision on consent to {purpose}: nobody can be written to before somebody agrees.")

ASSUMED = N_("As if everybody had agreed: what is sent live asks for each customer's own consent.")

PART = N_("Counted on {part} of {whole} customers, chosen by chance, and multiplied. --all counts everyone.")

#: What can come of a run, in order, with how it is told.
OUTCOMES: Final[Mapping[str, str]] = {
    "reached": N_("would have been reached"),
    "held_out": N_("held out, to compare with"),
    "capped": N_("capped: too many messages already"),
    "limited": N_("capped by the rule's own limit"),
    "no_consent": N_("without consent"),
    "not_met": N_("another condition did not hold"),
    "called_off": N_("called off: it had happened by then"),
    "goal": N_("reached the goal before the first message"),
    "waiting": N_("still waiting at the end"),
    "ended": N_("ended without a message"),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Person:
    """One customer of the sample: their run, what came of it, and what was noted, in order."""

    customer: int
    key: str
    entered: dt.datetime
    outcome: str
    notes: tuple[Note, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Day:
    """A day of the map's zone: runs that began, messages that would have gone out."""

    day: dt.date
    entered: int
    messages: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Replay:
    """What a rule would have done from ``start`` up to ``end``.

    ``met``: customers who met the trigger; ``entered``: runs that began, of ``customers``; ``people``: customers whom a
    message would have reached; ``outcomes``: runs by what came of them (OUTCOMES); ``messages`` by channel, ``capped``
    likewise; ``delayed``: messages that quiet hours put off. ``anyway``: of those who would have been reached or held
    out, who reached the goal all the same within ``within`` seconds, and ``money`` (of the goal, each). ``cautions``:
    what the figures do not know.
    """

    rule: str
    title: Text
    version: str
    order: Order
    start: dt.datetime
    end: dt.datetime
    met: int
    entered: int
    customers: int
    people: int
    outcomes: Mapping[str, int]
    messages: Mapping[str, int]
    capped: Mapping[str, int]
    delayed: int
    goal: str | None
    goal_title: Text
    within: int
    anyway: Rate
    money: float | None
    currency: str | None
    days: tuple[Day, ...]
    sample: tuple[Person, ...]
    cautions: tuple[tuple[str, Mapping[str, Any]], ...]
    seconds: float

    @property
    def reached(self) -> int:
        """Runs with a message at least."""
        return self.outcomes.get("reached", 0)


Progress = Callable[[int, int], None]


def replay(
    project: Project,
    rule: Rule,
    *,
    start: dt.datetime | None = None,
    end: dt.datetime | None = None,
    view: View | None = None,
    order: Order | None = None,
    assume_consent: bool = False,
    most: int | None = MOST,
    progress: Progress | None = None,
) -> Replay:
    """Run ``rule`` over the recorded past from ``start`` (default: 90 days before ``end``) up to ``end`` (default: the
    trails' moment). ``order``: by default that of the arrival where most of the span was collected live.
    ``assume_consent``: as if everybody had agreed, for a past of which no consent is known. ``most``: where more
    customers may meet the trigger, so many of them are run, chosen by chance, and the counts multiplied; None: all.
    """
    begun = time.monotonic()
    view = view_of(project) if view is None else view
    upto = min(view.as_of * MICRO, micros(end)) if end is not None else view.as_of * MICRO
    since = micros(start) if start is not None else upto - 90 * DAY * MICRO
    came = arrivals(project, since, upto)
    chosen: Order = order or ("seq" if came.by_arrival else "time")
    first = max(0, since - _look_back(rule) * MICRO)
    known = came if chosen == "seq" else None
    world = World(project, view, rule, first, upto, known, assume_consent, most=most)
    found = _Counted(since)
    people = list(candidates(world))
    whole = len(people)
    if most is not None and whole > most:
        people = _chosen(people, most)
    for done, (bucket, row, moves, segments) in enumerate(people):
        if progress is not None and done % 500 == 0:
            progress(done, len(people))
        past = Past(world, bucket, row, happenings_of(world, bucket, row, moves, segments), moves)
        found.take(past, drive(rule, past, upto))
    if progress is not None:
        progress(len(people), len(people))
    if world.leads is not None:
        whole = round(whole / world.leads.share)
    told = _told(world, found, came, chosen, since, upto, time.monotonic() - begun)
    return told if len(people) == whole else _scaled(told, len(people), whole)


def _chosen(people: list[Any], most: int) -> list[Any]:
    """``most`` of the candidates, the same ones every time: those whose key hashes lowest (Fibonacci hashing)."""
    keys = np.array([int(bucket.customer[row]) for bucket, row, _, _ in people], np.uint64)
    with np.errstate(over="ignore"):
        order = np.argsort(keys * np.uint64(0x9E3779B97F4A7C15), kind="stable")
    return [people[i] for i in np.sort(order[:most]).tolist()]


def _scaled(told: Replay, part: int, whole: int) -> Replay:
    """Counts of a part as counts of all; the share of those who did it anyway stays as it was counted."""
    up = whole / part

    def all_of(counts: Mapping[str, int]) -> dict[str, int]:
        return {name: round(n * up) for name, n in counts.items()}

    return dataclasses.replace(
        told, met=round(told.met * up), entered=round(told.entered * up), customers=round(told.customers * up),
        people=round(told.people * up), outcomes=all_of(told.outcomes), messages=all_of(told.messages),
        capped=all_of(told.capped), delayed=round(told.delayed * up),
        days=tuple(Day(d.day, round(d.entered * up), round(d.messages * up)) for d in told.days),
        cautions=(*told.cautions, (PART, {"part": part, "whole": whole})),
    )  # fmt: skip


def _look_back(rule: Rule) -> int:
    """Seconds before the span from which runs are followed, so that limits and "once" know what was before."""
    if rule.trigger.again == "once":
        return 20 * LOOK_BACK
    limit = 0 if rule.limit is None else rule.limit.every or 20 * LOOK_BACK
    return limit + rule.trigger.wait


# -- one customer through the rule ------------------------------------------------------------------------------------


@dataclasses.dataclass(slots=True)
class Way:
    """A run as a replay follows it."""

    run: Run
    notes: list[Note]
    acts: list[tuple[int, Act]]  # when, what


def drive(rule: Rule, past: Past, end: int) -> list[Way]:
    """Every run of a customer through ``rule`` up to ``end`` (microseconds): happenings and timers in order."""
    ways: list[Way] = []
    waiting: list[Way] = []

    def go(way: Way | None, happening: Happening, at: int) -> Way | None:
        past.now = max(at, happening.time)
        change = advance(rule, None if way is None else way.run, happening, past)
        if change.run is None:
            return None
        if way is None:
            way = Way(change.run, [], [])
            ways.append(way)
            past.own_keys.add(change.run.key)
        way.run = change.run
        way.notes += change.notes
        for note in change.notes:
            if note.what in ("treated", "held_out"):
                past.own_acts.append(note.known)
        for act in change.acts:
            way.acts.append((past.now, act))
            if act.state == "waiting":
                past.own_messages.setdefault(act.channel, []).append(past.now)
                if act.variant:
                    past.own_variants[act.step] = act.variant
        return way

    def fire(upto: int) -> None:
        while True:
            due = [(w.run.due_at, n) for n, w in enumerate(waiting) if w.run.due_at is not None]
            if not due or min(due)[0] > upto:
                return
            at, n = min(due)
            go(waiting[n], Happening(past.customer, at, at, "timer", rule.id), at)
            waiting[:] = [w for w in waiting if w.run.status == WAITING]

    for happening in past.happenings:
        if happening.known > end:
            break
        fire(happening.known)
        for way in list(waiting):
            go(way, happening, happening.known)
        waiting[:] = [w for w in waiting if w.run.status == WAITING]
        if rule.begins(happening) and not any(w.run.key == rule.key_of(happening.event) for w in waiting):
            begun = go(None, happening, happening.known)
            if begun is not None and begun.run.status == WAITING:
                waiting.append(begun)
    fire(end)
    return ways


def outcome_of(way: Way) -> str:
    """What came of a run: a key of OUTCOMES."""
    if any(act.state == "waiting" for _, act in way.acts):
        return "reached"
    if way.acts:
        return "capped"
    whats = [note.what for note in way.notes]
    if "not_met" in whats:
        consents = way.notes[whats.index("not_met")].facts.get("consent", {})
        return "no_consent" if any(given is not True for given in consents.values()) else "not_met"
    status = way.run.status
    return status if status in OUTCOMES else "ended"


# -- who meets the trigger --------------------------------------------------------------------------------------------


def candidates(world: World) -> Iterator[tuple[Bucket, int, Any, Sequence[Any]]]:
    """Customers who meet the trigger in the span, with their changes of stage and what segments they came into."""
    view, rule = world.view, world.rule
    needs_moves = bool(world.kinds & {"stage_entered", "stage_left", "lapsed", "won_back"}) or world.asks_stage
    for number, (bucket, columns) in enumerate(zip(view.buckets, view.columns, strict=True)):
        rows, moves = np.flatnonzero(_meeting(world, columns, number)), np.zeros((0, 1 + fold.MOVE), np.int64)
        if needs_moves:
            everyone = np.flatnonzero(~columns.skip) if _by_stage(rule) else rows
            moves = fold.transitions(columns, view.rules, everyone.astype(np.int64), world.end // MICRO)
            rows = np.union1d(rows, np.unique(_triggering(world, moves)))
        members: dict[int, list[tuple[int, int, str]]] = {}
        for name, rules in world.triggers.items():
            everyone = np.flatnonzero(~columns.skip).astype(np.int64)
            came = fold.transitions(columns, rules, everyone, world.end // MICRO)
            for move in came:
                members.setdefault(int(move[0]), []).append(
                    (int(move[1 + fold.TIME]), int(move[1 + fold.POSITION]), name)
                )
        rows = np.union1d(rows, np.fromiter(members, np.int64, len(members))).astype(np.int64)
        low = np.searchsorted(moves[:, 0], rows, "left") if len(moves) else np.zeros(len(rows), np.int64)
        high = np.searchsorted(moves[:, 0], rows, "right") if len(moves) else low
        for row, first, last in zip(rows.tolist(), low.tolist(), high.tolist(), strict=True):
            yield bucket, row, moves[first:last, 1:], members.get(row, ())


def candidate_of(world: World, bucket: Bucket, row: int) -> Past:
    """One customer's past under a rule, whether they meet its trigger or not."""
    columns = columns_of(bucket)
    alone = np.array([row], np.int64)
    moves = fold.transitions(columns, world.view.rules, alone, world.end // MICRO)[:, 1:]
    members = [
        (int(m[1 + fold.TIME]), int(m[1 + fold.POSITION]), name)
        for name, rules in world.triggers.items()
        for m in fold.transitions(columns, rules, alone, world.end // MICRO)
    ]
    return Past(world, bucket, row, happenings_of(world, bucket, row, moves, members), moves)


def _by_stage(rule: Rule) -> bool:
    return any(m.kind in ("stage_entered", "stage_left", "lapsed", "won_back") for m in rule.trigger.matchers)


def _meeting(world: World, columns: Columns, number: int) -> Bools:
    """bool[C]: who has an event of the trigger in the span, of a score beyond its bound; for a time of the calendar or
    a day of a trait, everyone whose first event is before the end. ``number``: that of the bucket.
    """
    rule, view = world.rule, world.view
    everyone = np.asarray(~columns.skip & (np.diff(columns.offsets) > 0))
    if rule.trigger.calendar is not None or (rule.trigger.date is not None and not rule.trigger.matchers):
        return everyone
    if rule.trigger.lead is not None:
        return everyone & np.isin(view.buckets[number].customer, list(world.crossings))
    wanted = {(m.kind, m.name) for m in rule.trigger.matchers}
    left = {m.name for m in rule.trigger.matchers if m.kind == "touchpoint_left"}
    ids = view.journey.touchpoint_ids
    codes = np.array(
        [
            any(h in wanted or (h[0], "") in wanted for h in heard)
            or bool(left and (t := int(view.rules.code_touchpoint[c])) >= 0 and ids[t] in left)
            for c, heard in enumerate(world.by_code)
        ],
        np.bool_,
    )
    if not codes.any():
        return np.zeros(len(everyone), np.bool_)
    hit = codes[columns.code] & (columns.time >= world.since // MICRO) & (columns.time <= world.end // MICRO)
    if rule.trigger.score is not None and world.numbers is not None:
        told, bound = world.numbers.told(rule.trigger.score.path, number), rule.trigger.score.bound
        hit &= told >= bound if rule.trigger.score.rising else told <= bound
    total = np.concatenate([[0], np.cumsum(hit)])
    return np.asarray(everyone & (total[columns.offsets[1:]] > total[columns.offsets[:-1]]))


def _triggering(world: World, moves: Any) -> Any:
    """Customers (rows) with a change of stage that the trigger listens to."""
    ids = world.view.journey.stage_ids
    hit = np.zeros(len(moves), np.bool_)
    kind, to, was = (moves[:, 1 + k] for k in (fold.KIND, fold.TO, fold.FROM))
    numbers = {"stage_entered": fold.ENTERED, "lapsed": fold.LAPSED_KIND, "won_back": fold.WON_BACK}
    for m in world.rule.trigger.matchers:
        if m.name not in ids:
            continue  # of another kind, or of a map that had this stage
        if m.kind == "stage_left":
            hit |= (kind == fold.ENTERED) & (was == ids.index(m.name))
        elif m.kind in numbers:
            hit |= (kind == numbers[m.kind]) & (to == ids.index(m.name))
    seconds = moves[:, 1 + fold.TIME]
    return moves[hit & (seconds >= world.since // MICRO), 0]


# -- counting ---------------------------------------------------------------------------------------------------------


class _Counted:
    """What has come of all runs so far; runs that began before the span count in limits only."""

    def __init__(self, since: int) -> None:
        self.since = since
        self.met = self.entered = self.delayed = 0
        self.customers: set[int] = set()
        self.reached: set[int] = set()
        self.outcomes: collections.Counter[str] = collections.Counter()
        self.messages: collections.Counter[str] = collections.Counter()
        self.capped: collections.Counter[str] = collections.Counter()
        self.began: list[int] = []
        self.sent: list[int] = []
        self.dealt: dict[int, int] = {}  # customer -> second of the first act
        self.people: dict[str, list[Person]] = {}

    def take(self, past: Past, ways: Sequence[Way]) -> None:
        self.met += any(h.time >= self.since and past.world.rule.begins(h) for h in past.happenings)
        for way in ways:
            if way.run.entered_at < self.since:
                continue
            outcome = outcome_of(way)
            self.entered += 1
            self.customers.add(past.customer)
            if outcome == "reached":
                self.reached.add(past.customer)
            self.outcomes[outcome] += 1
            self.began.append(way.run.entered_at)
            self.delayed += sum(note.what == "quiet" for note in way.notes)
            for at, act in way.acts:
                (self.messages if act.state == "waiting" else self.capped)[act.channel] += 1
                if act.state == "waiting":
                    self.sent.append(at)
            for note in way.notes:
                if note.what in ("treated", "held_out"):
                    self.dealt.setdefault(past.customer, note.known // MICRO)
            shown = self.people.setdefault(outcome, [])
            if len(shown) < SAMPLE:
                shown.append(Person(past.customer, way.run.key, moment(way.run.entered_at), outcome, tuple(way.notes)))

    def sample(self) -> tuple[Person, ...]:
        """A few people of each outcome, the outcomes in their order."""
        order = [o for o in OUTCOMES if o in self.people]
        each = max(1, SAMPLE // max(1, len(order)))
        return tuple(p for o in order for p in self.people[o][:each])


def _told(world: World, found: _Counted, came: Arrivals, order: Order, since: int, upto: int, seconds: float) -> Replay:
    view, rule = world.view, world.rule
    goal, within = judged(view.journey, rule)
    customers = np.array(sorted(found.dealt), np.int64)
    entries = Entries(
        customers,
        np.array([found.dealt[c] for c in customers.tolist()], np.int64),
        np.zeros(len(customers), np.bool_),
        np.full(len(customers), int(acts_kernel.UNLIMITED), np.int64),
    )
    did, up, _ = acts_of(view, entries, goal, within)
    reached = int(np.count_nonzero(did[up][:, 0] > 0))
    why = NO_GOAL if goal is None else None
    anyway = Rate(reached, 0 if why else int(np.count_nonzero(up)), int(np.count_nonzero(~up)), why=why)
    money = float(did[up][:, acts_kernel.VALUE].mean()) if up.any() and no_sums(view) is None else None
    return Replay(
        rule=rule.id, title=rule.title_text, version=rule.version, order=order, start=moment(since), end=moment(upto),
        met=found.met, entered=found.entered, customers=len(found.customers),
        people=len(found.reached), outcomes={o: found.outcomes[o] for o in OUTCOMES if found.outcomes[o]},
        messages=dict(sorted(found.messages.items())), capped=dict(sorted(found.capped.items())),
        delayed=found.delayed, goal=goal, goal_title=title_of(view.journey, goal or ""), within=within, anyway=anyway,
        money=money, currency=currency_of(view), days=_days(world, found, since, upto), sample=found.sample(),
        cautions=_cautions(world, came, order, since), seconds=seconds,
    )  # fmt: skip


def _days(world: World, found: _Counted, since: int, upto: int) -> tuple[Day, ...]:
    began, sent = (
        collections.Counter(moment(t).astimezone(world.zone).date() for t in ts) for ts in (found.began, found.sent)
    )
    day, last = (moment(t).astimezone(world.zone).date() for t in (since, upto))
    days = []
    while day <= last:
        days.append(Day(day, began[day], sent[day]))
        day += dt.timedelta(days=1)
    return tuple(days)


def _cautions(world: World, came: Arrivals, order: Order, since: int) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    from polku.guidance.past import conditions_of
    from polku.guidance.proof import entries_of

    told: list[tuple[str, Mapping[str, Any]]] = [(ARRIVAL if order == "seq" else IMPORTED, {})]
    if any(c.persona or c.where for c in conditions_of(world.rule)):
        told.append((TRAITS_OF_TODAY, {}))
    if world.leads is not None:
        told.append((SCORED_TODAY, {}))
    if world.consents.assumed and world.consents.purposes:
        told.append((ASSUMED, {}))
    else:
        told += [(NO_CONSENTS, {"purpose": p}) for p in sorted(world.consents.purposes) if not world.consents.any(p)]
    if len(entries_of(world.project, world.rule.id, since).customer):
        told.append((WAS_ON, {}))
    return tuple(told)
