"""Who qualifies now: a rule that is new looks at those who met its trigger before it was on, only when told so.

Kernels over the trails find the customers; the engine that runs live decides about each. First as a dry run, which
counts and writes nothing; then as a look at everybody (:mod:`polku.guidance.sweeps`), slice by slice.

Of a trigger that is a state (a stage, a segment, being lapsed) those qualify who are in it now. Of one that is an
event, those who met it in the last days, with their latest (of each key: each cart, each order); what calls the rule
off, and its conditions, are asked as of now. Of a time of the calendar everybody does.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from polku.errors import UsageError
from polku.guidance import schedule, sweeps
from polku.guidance.book import DryBook
from polku.guidance.engine import advance, beyond, moment_of, number_of
from polku.guidance.eventsof import EventsOf
from polku.guidance.happenings import Happening
from polku.guidance.leads import Leads, event_of_score
from polku.guidance.limits import MICRO
from polku.guidance.livelook import LiveLook
from polku.guidance.numbers import Numbers
from polku.guidance.past import Past, World
from polku.guidance.recogniser import Meaning, Recogniser, past_of
from polku.guidance.replay import SAMPLE, Person, Way, candidate_of, candidates, outcome_of
from polku.guidance.rules import Rule, at_path, compile_rules
from polku.journey.model import Text
from polku.kernels import fold
from polku.language import N_
from polku.measures.view import view_of
from polku.record import clock
from polku.record.clock import moment
from polku.trails import open_trails

if TYPE_CHECKING:
    from polku.record.project import Project
    from polku.trails.layout import Trails

DAY: Final = 86400
#: How far back the event of a trigger may lie where nothing is said, in seconds.
LAST: Final = 30 * DAY
#: Customers of one slice of the dry run.
SLICE: Final = 1_000
#: Triggers that are a state: who is in it qualifies, since whenever.
STATES: Final = frozenset({"stage_entered", "lapsed", "segment"})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Qualifies:
    """What a look at everybody would do at ``at``. ``since``: how far back what set the rule off may lie, None: ever.

    ``customers`` who qualify, with ``entered`` runs; ``outcomes``: runs by what comes of them at once
    (:data:`polku.guidance.replay.OUTCOMES`); ``messages`` by channel; ``delayed``: messages that wait for the end of
    quiet hours; ``sample``: some of the people, with what would be noted.
    """

    rule: str
    title: Text
    version: str
    at: dt.datetime
    since: dt.datetime | None
    customers: int
    entered: int
    outcomes: Mapping[str, int]
    messages: Mapping[str, int]
    delayed: int
    sample: tuple[Person, ...]
    seconds: float


class Qualifier:
    """The customers who may qualify for a rule at ``now`` (microseconds), of one generation of trails."""

    def __init__(self, project: Project, trails: Trails, rule: Rule, now: int, since: int) -> None:
        view = view_of(trails, project.journey(), project=project, as_of=moment(now))
        self.rule, self.now, self.since, self.trails = rule, now, since, trails
        self.scores: dict[int, float] = {}
        if rule.trigger.lead is not None:
            leads = Leads(view, rule)
            customers, p = leads.at(now // MICRO)
            there = leads.beyond(p)
            self.scores = dict(zip(customers[there].tolist(), p[there].tolist(), strict=True))
            self.customers = customers[there]
            return
        self.world = World(project, view, rule, since, now, None)
        keys = [int(bucket.customer[row]) for bucket, row, _, _ in candidates(self.world)]
        self.customers = np.unique(np.array(keys, np.int64))

    def after(self, after: int, limit: int) -> Sequence[int]:
        """The next ``limit`` customers beyond a key."""
        first = int(np.searchsorted(self.customers, after, side="right"))
        found: list[int] = self.customers[first : first + limit].tolist()
        return found

    def beginnings(self, customer: int) -> list[Happening]:
        """What would set the rule off for a customer, were it to happen now; known as of now."""
        found = self.trails.find(customer)
        if found is None:
            return []
        if self.rule.trigger.calendar is not None:
            return [Happening(customer, self.now, self.now, "schedule", self.rule.id)]
        if self.rule.trigger.lead is not None:
            event = event_of_score(self.scores[customer])
            return [Happening(customer, self.now, self.now, "score", self.rule.id, event)]
        past = candidate_of(self.world, *found)
        past.now = self.now
        return [dataclasses.replace(h, known=max(self.now, h.time)) for h in self._of(past)]

    def _of(self, past: Past) -> list[Happening]:
        trigger, rule = self.rule.trigger, self.rule
        if trigger.date is not None and not trigger.matchers:
            return self._of_day(past)
        latest: dict[str, Happening] = {}
        before: float | None = None
        for happening in past.happenings:
            if not rule.begins(happening):
                continue
            key = rule.key_of(happening.event)
            if trigger.score is not None and happening.kind == "event":
                number = number_of(at_path(happening.event, trigger.score.path))
                if number is None:
                    continue
                there = beyond(number, trigger.score.bound, trigger.score.rising)
                crossed = there and (before is None or not beyond(before, trigger.score.bound, trigger.score.rising))
                before = number
                if crossed:
                    latest[key] = happening
                elif not there:
                    latest.pop(key, None)
            elif happening.kind not in STATES or self._still(past, happening):
                latest[key] = happening
        return list(latest.values())

    def _still(self, past: Past, happening: Happening) -> bool:
        """Whether a customer is still what they became then."""
        if happening.kind == "segment":
            return past.holds(self.world.triggers[happening.name])
        last = past.last_move
        if last is None or self.world.stages[int(last[fold.TO])] != happening.name:
            return False
        return (int(last[fold.KIND]) == fold.LAPSED_KIND) == (happening.kind == "lapsed")

    def _of_day(self, past: Past) -> list[Happening]:
        date = self.rule.trigger.date
        assert date is not None
        name = date.path.removeprefix("traits.")
        value = at_path({"traits": past.traits()}, f"traits.{name}")
        due = list(schedule.days_of(value, date, self.world.zone, self.since, self.now))
        if not due:
            return []
        if date.offset < 0 and not date.yearly:
            day = moment_of(value, self.world.zone, schedule.MORNING if date.at is None else date.at)
            if day is not None and day < self.now:
                return []  # a reminder of what is over
        event = {"properties": {"date": value}, "context": {}}
        own = schedule.own_moment(value, date, self.world.zone, past.zone, due[-1])
        return [Happening(past.customer, own, max(self.now, own), "date", self.rule.id, event)]


def since_of(rule: Rule, now: int, last: int | None) -> int:
    """How far back (microseconds) what set the rule off may lie: ``last`` seconds; where nothing is said, ever for a
    state and for a time of the calendar, 30 days (and the rule's own wait) for anything else."""
    if rule.trigger.calendar is not None or rule.trigger.lead is not None:
        return 0
    if last is not None:
        return now - last * MICRO
    kinds = {m.kind for m in rule.trigger.matchers}
    return 0 if kinds and kinds <= STATES else now - (LAST + rule.trigger.wait) * MICRO


def who_qualifies(
    project: Project, rule: Rule, *, last: int | None = None, now: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Qualifies:  # fmt: skip
    """The dry run: what a look at everybody would do now; nothing is written. ``last``: see :func:`since_of`."""
    begun = time.monotonic()
    at = clock.now() if now is None else now
    since = since_of(rule, at, last)
    trails = open_trails(project)
    found = Qualifier(project, trails, rule, at, since)
    meaning = Meaning(project.journey(), trails.tables)
    read = functools.partial(past_of, trails)
    current = {r.id: r for r in compile_rules(project.journey())} | {rule.id: rule}
    counted, numbers = _Counted(), Numbers(project, trails)
    for done in range(0, len(found.customers), SLICE):
        part: list[int] = found.customers[done : done + SLICE].tolist()
        if progress is not None:
            progress(done, len(found.customers))
        beginnings = [(customer, found.beginnings(customer)) for customer in part]
        with project.state.read() as connection:
            book = DryBook(project.state, connection, part)
            events = EventsOf(project, book)
            recogniser = Recogniser(meaning, read, at // MICRO)
            for customer, happenings in beginnings:
                look = LiveLook(project, book, events, recogniser, current, numbers, customer, at)
                counted.take(customer, list(_ways(rule, happenings, look, book)))
    if progress is not None:
        progress(len(found.customers), len(found.customers))
    return Qualifies(
        rule=rule.id, title=rule.title_text, version=rule.version, at=moment(at),
        since=None if since <= 0 else moment(since), customers=counted.customers, entered=counted.entered,
        outcomes=dict(counted.outcomes), messages=dict(counted.messages), delayed=counted.delayed,
        sample=tuple(counted.people), seconds=time.monotonic() - begun,
    )  # fmt: skip


def look_now(project: Project, rule: Rule, by: str, *, last: int | None = None, now: int | None = None) -> bool:
    """Have a rule look at who qualifies now; the job ``guidance`` does it, slice by slice. False where one of its looks
    is on its way. Raises UsageError for a rule that is not on.
    """
    if rule.state != "on":
        raise UsageError(
            N_("{rule} is {state}: only a rule that is on looks at who qualifies now."), rule=rule.id, state=rule.state
        )
    at = clock.now() if now is None else now
    with project.state.write() as connection:
        if any(s.rule == rule.id and s.kind == "now" for s in sweeps.open_ones(connection)):
            return False
        sweeps.begin(project.state, connection, rule, "now", at, at, since_of(rule, at, last), by)
    project.audit.note(by, "rule.now", rule.id)
    return True


def _ways(rule: Rule, happenings: Sequence[Happening], look: LiveLook, book: DryBook) -> Iterator[Way]:
    for happening in happenings:
        key = rule.key_of(happening.event)
        if any(r.rule == rule.id and r.key == key for r in book.waiting(look.customer)):
            continue
        change = advance(rule, None, happening, look)
        if change.run is None:
            continue
        book.keep(rule, look.customer, None, change)
        yield Way(change.run, list(change.notes), [(look.now, act) for act in change.acts])


class _Counted:
    """What has come of all runs so far."""

    def __init__(self) -> None:
        self.customers = self.entered = self.delayed = 0
        self.outcomes: collections.Counter[str] = collections.Counter()
        self.messages: collections.Counter[str] = collections.Counter()
        self.people: list[Person] = []

    def take(self, customer: int, ways: Sequence[Way]) -> None:
        self.customers += bool(ways)
        for way in ways:
            outcome = outcome_of(way)
            self.entered += 1
            self.outcomes[outcome] += 1
            self.delayed += any(note.what == "quiet" for note in way.notes)
            for _, act in way.acts:
                if act.state == "waiting":
                    self.messages[act.channel] += 1
            if len(self.people) < SAMPLE:
                entered = moment(way.run.entered_at)
                self.people.append(Person(customer, way.run.key, entered, outcome, tuple(way.notes)))
