"""The engine: what a happening does to a run of a rule. Pure: no clock, no database, no chance.

Live and in a replay the same :func:`advance` runs; what differs is who asks it and who keeps what it says. Everything
that it decides is noted with what was so at that moment, so that "why" can be answered later.

The order at an act (a message, a task): the goal, ``only_if``, then once a run the rule's limit and the hold-out, then
caps of the channel, quiet hours, the variant. So who is held out is compared with who would have got it.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import re
from collections.abc import Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo

from polku.guidance.happenings import Happening
from polku.guidance.holdout import held_out, variant
from polku.guidance.hours import after_quiet, allowed_from, micros, moved, next_clock
from polku.guidance.limits import MICRO
from polku.guidance.look import Look
from polku.guidance.rules import (
    Branch,
    Condition,
    DateOf,
    Hold,
    Jump,
    Matcher,
    Rule,
    Send,
    Stop,
    Wait,
    WaitClock,
    WaitFor,
    WaitHours,
    at_path,
    meets_where,
)
from polku.trails.properties import NUMBER

#: How a run stands. waiting: for a moment or a happening; done: at its end; left: ``only_if`` did not hold; goal:
#: came to what the rule leads to; called_off: ``without`` happened; held_out; limited: by the
#: rule's own limit.
WAITING, DONE, LEFT, GOAL, CALLED_OFF, HELD_OUT, LIMITED = (
    "waiting", "done", "left", "goal", "called_off", "held_out", "limited",
)  # fmt: skip
#: Channels that disturb nobody at night, and that caps over all rules leave alone.
SILENT: Final = frozenset({"task", "site", "webhook", "audience"})
WRITTEN: Final = re.compile(NUMBER)
#: A timer that fires later than this (microseconds) says that it is late.
LATE: Final = 60 * MICRO


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """A customer's way through a rule. ``id`` 0: not stored yet. ``facts``: JSON data: ``event`` that began it,
    ``position`` (its seq), ``happened`` and ``since`` of a wait, ``arm``, ``held``: that ``only_if`` did. Times:
    microseconds since 1970 UTC."""

    rule: str
    version: str
    customer: int
    key: str
    step: int
    entered_at: int
    due_at: int | None
    status: str
    facts: Mapping[str, Any]
    id: int = 0
    finished_at: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Note:
    """What was done and why. ``time``: when it happened; ``known``: when it was decided."""

    what: str
    time: int
    known: int
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Act:
    """An effect: a message to be put into the outbox. ``state``: waiting, or capped (shown, never sent)."""

    step: int
    channel: str
    content: str
    variant: str
    facts: Mapping[str, Any]
    state: str = "waiting"
    reason: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """What a happening did: the run as it is now (None: there is none), acts and notes; nothing at all where the run is
    the one that was given and there are no notes."""

    run: Run | None
    acts: tuple[Act, ...] = ()
    notes: tuple[Note, ...] = ()


def advance(rule: Rule, run: Run | None, happening: Happening, look: Look) -> Change:
    """What ``happening`` does to ``run`` of ``rule``; without a run, whether it begins one.

    ``look`` is the customer as of the moment of the decision (``look.now``, never before ``happening.time``). A timer
    is a happening of kind ``timer`` whose time is the run's ``due_at``; one that comes again does nothing.
    """
    going = _Going(rule, run, happening, look)
    if run is None:
        going.enter()
    elif run.status == WAITING:
        going.on()
    return Change(going.run, tuple(going.acts), tuple(going.notes))


class _Going:
    """One advance on its way."""

    def __init__(self, rule: Rule, run: Run | None, happening: Happening, look: Look) -> None:
        self.rule, self.run, self.happening, self.look = rule, run, happening, look
        self.acts: list[Act] = []
        self.notes: list[Note] = []

    # -- small steps -------------------------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        return self.look.now

    def told(self, what: str, time: int | None = None, **facts: Any) -> None:
        self.notes.append(Note(what, self.now if time is None else time, self.now, facts))

    def set(self, **changes: Any) -> None:
        run, get = self.run, changes.get
        assert run is not None
        self.run = Run(  # dataclasses.replace takes five times as long, and a replay does this a million times
            run.rule, run.version, run.customer, run.key, get("step", run.step), get("entered_at", run.entered_at),
            get("due_at", run.due_at), get("status", run.status), get("facts", run.facts), run.id,
            get("finished_at", run.finished_at),
        )  # fmt: skip

    def remember(self, **facts: Any) -> None:
        assert self.run is not None
        self.set(facts={**self.run.facts, **facts})

    def finish(self, status: str) -> None:
        self.set(status=status, due_at=None, finished_at=self.now)

    def wait(self, due: int) -> None:
        self.set(due_at=due)
        assert self.run is not None
        if self.rule.remembers and "held" not in self.run.facts and holds(self.rule.only_if, self.look, self.run)[0]:
            self.remember(held=True)

    def next(self, step: int | None = None) -> None:
        assert self.run is not None
        self.set(step=self.run.step + 1 if step is None else step, due_at=None)

    # -- entering ----------------------------------------------------------------------------------------------------

    def enter(self) -> None:
        rule, happening = self.rule, self.happening
        if not rule.begins(happening) or not self.scored():
            return
        key = rule.key_of(happening.event)
        if rule.key is not None and not key:
            self.told("no_key", happening.time, property=rule.key)
            return
        if rule.trigger.again == "once" and self.look.entered(rule.id, key):
            self.told("once", happening.time)
            return
        if rule.group is not None and (other := self.look.in_group(rule.group, rule.id)) is not None:
            self.told("in_group", happening.time, group=rule.group, other=other)
            return
        facts: dict[str, Any] = {"position": happening.position}
        if happening.event is not None:
            facts["event"] = kept_of(happening.event)
        self.run = Run(
            rule.id, rule.version, happening.customer, key, 0, happening.time, None, WAITING, facts
        )  # fmt: skip
        told: dict[str, Any] = {"by": happening.kind, "name": happening.name}
        if key:
            told["key"] = key
        if happening.late > LATE:
            told["late"] = happening.late // MICRO
        self.told("entered", happening.time, **told)
        self.proceed()

    def scored(self) -> bool:
        """Of a rule on a score: whether its bound was crossed by this event."""
        score = self.rule.trigger.score
        if score is None or self.happening.kind != "event":
            return True
        value = number_of(at_path(self.happening.event, score.path))
        if value is None or not beyond(value, score.bound, score.rising):
            return False
        before = self.look.number_before(score.path, self.happening.position)
        return before is None or not beyond(before, score.bound, score.rising)

    # -- going on ----------------------------------------------------------------------------------------------------

    def on(self) -> None:
        rule, run, happening = self.rule, self.run, self.happening
        assert run is not None
        if happening.kind == "timer":
            if run.due_at is None or happening.time < run.due_at:
                return  # put off, or fired before
            late = self.now - run.due_at
            if late > LATE:
                self.told("late", run.due_at, late=late // MICRO)
            self.proceed(fired=True)
            return
        if happening.kind == "condition":
            self.ask_again()
            return
        if not self.concerns():
            return
        step = rule.steps[run.step]
        if any(m.meets(happening) for m in rule.exits):
            self.goal(happening.time, happening.name)
        elif isinstance(step, Hold) and any(m.meets(happening) for m in rule.trigger.without):
            self.call_off(happening.time, happening.name)
        elif isinstance(step, Hold) and rule.trigger.meanwhile == "restart" and rule.begins(happening):
            self.restart()
        elif isinstance(step, WaitFor) and any(m.meets(happening) for m in step.matchers):
            self.told("happened", happening.time, name=happening.name)
            self.remember(happened=True)
            self.next()
            self.proceed()

    def ask_again(self) -> None:
        """Whether ``only_if`` holds still: who met it and does not any more leaves at once, and so does who says no to
        what it needs consent to. Who has not met it yet has time until the message."""
        assert self.run is not None
        so, facts = holds(self.rule.only_if, self.look, self.run)
        refused = self.happening.name == "consent" and False in facts.get("consent", {}).values()
        if not so and (refused or "held" in self.run.facts):
            self.told("not_met", **facts)
            self.finish(LEFT)
        elif so and self.rule.remembers and "held" not in self.run.facts:
            self.remember(held=True)

    def concerns(self) -> bool:
        """Whether the happening is of this run: later than its beginning, and not of another key."""
        run, happening = self.run, self.happening
        assert run is not None
        if happening.time < run.entered_at or happening.position == run.facts.get("position", -1) != -1:
            return False
        key = self.rule.key_of(happening.event)
        return not key or key == run.key

    def goal(self, time: int, name: str) -> None:
        self.told("goal", time, name=name)
        self.finish(GOAL)

    def call_off(self, time: int, name: str) -> None:
        self.told("called_off", time, name=name)
        self.finish(CALLED_OFF)

    def restart(self) -> None:
        happening = self.happening
        assert self.run is not None
        facts = {**self.run.facts, "position": happening.position}
        if happening.event is not None:
            facts["event"] = kept_of(happening.event)
        self.set(entered_at=happening.time, due_at=None, facts=facts)
        self.told("restarted", happening.time, name=happening.name)
        self.proceed()

    # -- the program -------------------------------------------------------------------------------------------------

    def proceed(self, fired: bool = False) -> None:
        """Run steps until one waits or the run ends. ``fired``: the present step's moment has come."""
        while self.run is not None and self.run.status == WAITING:
            if self.run.step >= len(self.rule.steps):
                self.told("done")
                self.finish(DONE)
                return
            if not self.step(fired):
                return
            fired = False

    def step(self, fired: bool) -> bool:
        """The present step; False where the run waits at it."""
        run = self.run
        assert run is not None
        match self.rule.steps[run.step]:
            case Hold():
                return self.hold(fired)
            case Wait(seconds):
                return fired_or_due(self, fired, self.now + seconds * MICRO)
            case WaitFor(_, seconds):
                return self.wait_for(fired, seconds)
            case WaitHours(hours):
                return fired_or_due(self, False, allowed_from(self.now, hours, self.look.zone))
            case WaitClock(minute):
                return fired_or_due(self, fired, next_clock(self.now, minute, self.look.zone))
            case Branch(condition, otherwise):
                so, facts = holds(condition, self.look, run)
                self.told("branch", holds=so, **facts)
                self.next(None if so else otherwise)
            case Jump(to):
                self.next(to)
            case Stop():
                self.told("done")
                self.finish(DONE)
            case Send() as send:
                return self.act(send)
        return True

    def hold(self, fired: bool) -> bool:
        run, trigger = self.run, self.rule.trigger
        assert run is not None
        due: int | None = run.due_at if fired else run.entered_at + trigger.wait * MICRO
        if trigger.date is not None and self.happening.kind != "date" and not fired:
            due = self.due_by_date(trigger.date)
            if due is None:
                return True
        assert due is not None
        if due > self.now:
            self.told("waits", until=due)
            self.wait(due)
            return False
        if trigger.without:
            met = self.look.met(trigger.without, run.entered_at, run.facts.get("position", -1), self.key)
            if met is not None:
                self.call_off(met, "")
                return True
        self.next()
        return True

    @property
    def key(self) -> tuple[str, str] | None:
        return None if self.rule.key is None or self.run is None else (self.rule.key, self.run.key)

    def due_by_date(self, date: DateOf) -> int | None:
        """When a run that waits for a date of its event goes on; None where it ends here."""
        assert self.run is not None
        day = moment_of(at_path(self.run.facts.get("event"), date.path), self.look.zone, date.at)
        if day is None:
            self.told("no_date", property=date.path)
            self.finish(LEFT)
            return None
        due = moved(day, date.offset, self.look.zone)
        if due < self.now and day < self.now and date.offset <= 0:
            self.told("too_late", due)
            self.finish(LEFT)
            return None
        return due

    def wait_for(self, fired: bool, seconds: int) -> bool:
        if fired:
            self.told("timed_out")
            self.remember(happened=False)
            self.next()
            return True
        due = self.now + seconds * MICRO
        self.told("waits", until=due)
        self.wait(due)
        return False

    # -- acting ------------------------------------------------------------------------------------------------------

    def act(self, send: Send) -> bool:
        run, rule, look = self.run, self.rule, self.look
        assert run is not None
        if rule.exits:
            met = look.met(rule.exits, run.entered_at, run.facts.get("position", -1), self.key)
            if met is not None:
                self.goal(met, "")
                return True
        so, facts = holds(rule.only_if, look, run)
        if not so:
            self.told("not_met", **facts)
            self.finish(LEFT)
            return True
        if "arm" not in run.facts and not self.may_act(facts):
            return self.run is not None and self.run.status != WAITING
        if not self.free(send):
            return self.run is not None and self.run.due_at is None
        quiet = after_quiet(self.now, rule.quiet, look.zone) if rule.quiet and send.channel not in SILENT else self.now
        if quiet > self.now:
            self.told("quiet", until=quiet, hours=str(rule.quiet), zone=look.zone.key)
            self.wait(quiet)
            return False
        self.put(send)
        self.next()
        return True

    def may_act(self, facts: Mapping[str, Any]) -> bool:
        """Before a run's first act: the rule's own limit, then the hold-out."""
        run, rule = self.run, self.rule
        assert run is not None
        if rule.limit is not None:
            free = rule.limit.free_at(self.look.acted(rule.id, run.key), self.now)
            if free is None or free > self.now:
                told = {"times": rule.limit.times, "every": rule.limit.every}
                if rule.when_capped == "wait" and free is not None:
                    self.told("limited", until=free, **told)
                    self.wait(free)
                else:
                    self.told("limited", **told)
                    self.finish(LIMITED)
                return False
        if held_out(run.customer, rule.id, rule.holdout):
            self.told("held_out", share=rule.holdout, **facts)
            self.remember(arm="held_out")
            self.finish(HELD_OUT)
            return False
        self.told("treated", share=rule.holdout, **facts)
        self.remember(arm="treated")
        return True

    def free(self, send: Send) -> bool:
        """The cap over all rules on the channel. What it drops is shown in the outbox, and the run goes on."""
        rule, run = self.rule, self.run
        assert run is not None
        cap = rule.caps.get(send.channel)
        if cap is None or rule.owed or send.channel in SILENT:
            return True
        free = cap.free_at(self.look.messages(send.channel), self.now)
        if free is not None and free <= self.now:
            return True
        told: dict[str, Any] = {"channel": send.channel, "times": cap.times, "every": cap.every}
        if rule.when_capped == "wait" and free is not None:
            self.told("capped", until=free, **told)
            self.wait(free)
        else:
            self.told("capped", **told)
            self.put(send, "capped", f"{cap.times}/{cap.every}")
            self.next()
        return False

    def put(self, send: Send, state: str = "waiting", reason: str | None = None) -> None:
        run = self.run
        assert run is not None
        chosen, content = "", send.content
        if send.variants:
            shares = send.shares(self.look.shares(self.rule.id, run.step) if send.learns else None)
            before = self.look.given(self.rule.id, run.step)  # who comes again is given the same again
            chosen = before if before in shares else variant(run.customer, self.rule.id, run.step, shares)
            content = dict(send.variants)[chosen]
        facts = {"event": run.facts.get("event"), **send.more}
        self.acts.append(Act(run.step, send.channel, content, chosen, facts, state, reason))
        if state == "waiting":
            told: dict[str, Any] = {"channel": send.channel, "content": content, "step": run.step}
            if chosen:
                told |= {"variant": chosen, "share": round(shares[chosen], 4)}
            self.told("message", **told)


def fired_or_due(going: _Going, fired: bool, due: int) -> bool:
    """Go on where the moment has come, else wait for it."""
    if fired or due <= going.now:
        going.next()
        return True
    going.told("waits", until=due)
    going.wait(due)
    return False


def holds(condition: Condition, look: Look, run: Run) -> tuple[bool, dict[str, Any]]:
    """Whether ``condition`` holds for the run's customer, and what each of its parts was at that moment."""
    event = run.facts.get("event")
    told: dict[str, Any] = {}
    answers: list[bool] = []
    for purpose in condition.consent:
        given = look.consent(purpose)
        told.setdefault("consent", {})[purpose] = given
        answers.append(given is True)
    for part, ask in (("persona", look.persona), ("segment", look.segment)):
        names = getattr(condition, part)
        if names:
            told[part] = {name: ask(name) for name in names}
            answers.append(any(told[part].values()))
    if condition.role:
        told["role"] = {name: look.role(name, event) for name in condition.role}
        answers.append(any(told["role"].values()))
    if condition.stage:
        told["stage"] = look.stage()
        answers.append(told["stage"] in condition.stage)
    if condition.where is not None:
        told["where"] = meets_where(condition.where, {**(event or NO_EVENT), "traits": look.traits()})
        answers.append(told["where"])
    if condition.happened is not None:
        told["happened"] = bool(run.facts.get("happened", False))
        answers.append(told["happened"] is condition.happened)
    for each in condition.none_of:
        so, facts = holds(each, look, run)
        told.setdefault("not", []).append(facts)
        answers.append(not so)
    return all(answers), told


NO_EVENT: Final[Mapping[str, Any]] = {"properties": {}, "context": {}, "traits": {}}
#: What of an event a run remembers, for its messages and its ``where``.
KEPT: Final = ("event", "source", "channel", "value", "currency", "consent", "properties", "context")


def kept_of(event: Mapping[str, Any]) -> dict[str, Any]:
    """The part of an event that a run remembers."""
    return {name: event[name] for name in KEPT if event.get(name) not in (None, {})} | {
        "properties": event.get("properties") or {},
        "context": event.get("context") or {},
    }


def number_of(value: Any) -> float | None:
    """A number, or a text that is written as one, as the properties beside the trails know them; true and false are
    none.

    >>> number_of(" 12.5"), number_of("1e3"), number_of("12 %"), number_of(True)
    (12.5, 1000.0, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    if isinstance(value, str) and not WRITTEN.match(value):
        return None
    try:
        found = float(value)
    except OverflowError:  # a whole number of hundreds of digits
        return None
    return found if math.isfinite(found) else None


def beyond(value: float, bound: float, rising: bool) -> bool:
    """At the bound or past it."""
    return value >= bound if rising else value <= bound


def moment_of(value: Any, zone: ZoneInfo, at: int | None) -> int | None:
    """Microseconds of a day or moment as events tell them (ISO 8601); of a day, minute ``at`` in ``zone`` (0 where
    None). None where it is neither.

    >>> moment_of("1970-01-02", ZoneInfo("UTC"), None)
    86400000000
    """
    if not isinstance(value, str):
        return None
    try:
        found = dt.datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    if found.tzinfo is None:
        found = found.replace(tzinfo=zone)
    if at is not None:
        found = dt.datetime.combine(found.astimezone(zone).date(), dt.time(at // 60, at % 60), zone)
    return micros(found)


__all__ = ["Act", "Change", "Matcher", "Note", "Run", "advance", "holds"]
