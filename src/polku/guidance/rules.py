"""Rules of guidance, compiled: what the map says under ``guidance:`` as values that the engine runs.

Steps are a short program: each has a number, which is what a run remembers; branches jump. A run goes on under the
version of its rule that it was begun with, so a program never changes under it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from polku.guidance.happenings import Happening, Kind
from polku.guidance.hours import Hours, clock
from polku.guidance.limits import Cap
from polku.journey import values
from polku.journey.model import Guidance, Journey
from polku.journey.where import parse_where

#: The share that gets nothing where a rule says nothing.
HOLDOUT = 0.1
#: The share that each variant of a bandit keeps where a rule says nothing.
FLOOR = 0.1
#: Keys of ``send`` that the engine reads; what else stands there is the channel's.
SEND = ("channel", "content", "variants", "choose", "floor")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
#: Kinds of happenings that are of one rule, which is their name.
BY_NAME = ("schedule", "date", "score")
#: Names of events that an index remembers; more come of senders that put numbers into names.
MOST_NAMES = 10_000
#: What of a rule does not change what it does.
NO_MATTER = ("id", "title", "state", "judge_by")


@dataclasses.dataclass(frozen=True, slots=True)
class Matcher:
    """Which happenings are meant; ``name`` "" any."""

    kind: Kind
    name: str = ""
    where: str | None = None

    def meets(self, happening: Happening) -> bool:
        """Whether ``happening`` is one of them; a ``where`` is asked of its event."""
        if happening.kind != self.kind or (self.name and happening.name != self.name):
            return False
        if self.where is None:
            return True
        return happening.event is not None and meets_where(self.where, happening.event)


@dataclasses.dataclass(frozen=True, slots=True)
class Condition:
    """What must hold: every part that is given. Of several personas, segments, roles or stages any; consents all."""

    consent: tuple[str, ...] = ()
    persona: tuple[str, ...] = ()
    segment: tuple[str, ...] = ()
    role: tuple[str, ...] = ()
    stage: tuple[str, ...] = ()
    where: str | None = None  # over the event that began the run, with the customer's traits
    happened: bool | None = None  # whether the wait before came to what it waited for, not to its time-out
    none_of: tuple[Condition, ...] = ()

    def watches(self) -> frozenset[str]:
        """What of a customer may change whether it holds: consent, traits, stage, segment."""
        parts = {
            "consent": self.consent, "segment": self.segment, "stage": self.stage,
            "traits": self.persona or (self.where is not None and "traits" in self.where),
        }  # fmt: skip
        return frozenset(name for name, asked in parts.items() if asked).union(*(c.watches() for c in self.none_of))


@dataclasses.dataclass(frozen=True, slots=True)
class Calendar:
    """A time of the day, week or month in the map's zone. ``on``: weekday 0 to 6, or day of the month 1 to 31 (the
    last, where a month is shorter)."""

    every: str  # day, week, month
    on: int
    at: int  # minute of the day


@dataclasses.dataclass(frozen=True, slots=True)
class DateOf:
    """A day that stands at ``path`` (``traits.birthday``, ``properties.renews_at``), moved by ``offset`` seconds."""

    path: str
    offset: int = 0
    at: int | None = None  # minute of that day; None: the moment as it stands, midnight for a day
    yearly: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Score:
    """A number at ``path`` comes to ``bound`` or beyond, from below (``rising``) or from above."""

    path: str
    bound: float
    rising: bool = True


@dataclasses.dataclass(frozen=True, slots=True)
class Lead:
    """A score of leads: how likely they are to reach ``goal`` (None: the map's) within ``within`` seconds (None: the
    map's window), looked at every day at minute ``at`` in the map's zone."""

    goal: str | None
    within: int | None
    at: int


@dataclasses.dataclass(frozen=True, slots=True)
class Trigger:
    """What begins a run. ``without`` within ``wait`` seconds calls it off. ``again``: ``always`` or ``once``;
    ``meanwhile``: what the trigger does to a run that waits, ``ignore`` or ``restart``."""

    matchers: tuple[Matcher, ...]
    without: tuple[Matcher, ...] = ()
    wait: int = 0
    calendar: Calendar | None = None
    date: DateOf | None = None
    score: Score | None = None
    again: str = "always"
    meanwhile: str = "ignore"
    lead: Lead | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Hold:
    """The wait before anything is done: the trigger's ``wait`` or ``date``; its ``without`` calls the run off."""

    seconds: int


@dataclasses.dataclass(frozen=True, slots=True)
class Send:
    """A message on a channel. ``variants``: pieces of content by name, one for each customer; ``weights``: how many of
    them get each, by any positive numbers. ``learns``: the weights follow what came of each (a bandit), and none falls
    below the share ``floor``. ``more``: whatever else the map says for the channel."""

    channel: str
    content: str = ""
    variants: tuple[tuple[str, str], ...] = ()
    more: values.Frozen = dataclasses.field(default_factory=values.Frozen)
    weights: tuple[float, ...] = ()
    learns: bool = False
    floor: float = FLOOR

    def shares(self, learned: Mapping[str, float] | None = None) -> dict[str, float]:
        """Of each variant the share of 0 to 1 that gets it: as ``learned`` where that knows them all, else by weight.

        >>> Send("email", "", (("a", "a.md"), ("b", "b.md")), weights=(3, 1)).shares()
        {'a': 0.75, 'b': 0.25}
        """
        names = [name for name, _ in self.variants]
        weights = dict(zip(names, self.weights or (1.0,) * len(names), strict=True))
        if self.learns and learned is not None and set(learned) == set(names):
            weights = {name: learned[name] for name in names}
        total = sum(weights.values())
        return {name: weight / total for name, weight in weights.items()}


@dataclasses.dataclass(frozen=True, slots=True)
class Wait:
    seconds: int


@dataclasses.dataclass(frozen=True, slots=True)
class WaitFor:
    """Until one of these happens, or for ``seconds``; what it was is remembered as ``happened``."""

    matchers: tuple[Matcher, ...]
    seconds: int


@dataclasses.dataclass(frozen=True, slots=True)
class WaitHours:
    """Until the customer's local time lies within ``hours``."""

    hours: Hours


@dataclasses.dataclass(frozen=True, slots=True)
class WaitClock:
    """Until the customer's clock next shows this minute of the day."""

    minute: int


@dataclasses.dataclass(frozen=True, slots=True)
class Branch:
    """On to the next step where the condition holds, else to the step number ``otherwise``."""

    condition: Condition
    otherwise: int


@dataclasses.dataclass(frozen=True, slots=True)
class Jump:
    to: int


@dataclasses.dataclass(frozen=True, slots=True)
class Stop:
    pass


Step = Hold | Send | Wait | WaitFor | WaitHours | WaitClock | Branch | Jump | Stop


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the map, ready to run. ``holdout``: share of 0 to 1; ``key``: the property that runs are kept apart
    by, None: the customer's one run."""

    id: str
    title: Any
    trigger: Trigger
    only_if: Condition
    steps: tuple[Step, ...]
    exits: tuple[Matcher, ...]
    limit: Cap | None
    when_capped: str  # drop or wait
    caps: Mapping[str, Cap]  # over all rules, by channel
    quiet: Hours | None
    group: str | None
    priority: int
    key: str | None
    holdout: float
    owed: bool
    judge_by: str | None
    state: str
    version: str
    definition: str = dataclasses.field(repr=False, default="")
    watches: frozenset[str] = frozenset()  # what may change whether ``only_if`` holds

    @property
    def title_text(self) -> Any:
        """What people read; the id where the map gives no title."""
        return self.title if self.title is not None else self.id.replace("_", " ").capitalize()

    def listens(self) -> frozenset[tuple[str, str]]:
        """(kind, name) of all that may begin, change or end a run; name "" for any of the kind."""
        waits = [m for s in self.steps if isinstance(s, WaitFor) for m in s.matchers]
        every = (*self.trigger.matchers, *self.trigger.without, *self.exits, *waits)
        return frozenset((m.kind, m.name) for m in every)

    def begins(self, happening: Happening) -> bool:
        """Whether ``happening`` is this rule's trigger."""
        if happening.kind in BY_NAME:
            return happening.name == self.id
        return any(m.meets(happening) for m in self.trigger.matchers)

    @property
    def remembers(self) -> bool:
        """Whether a run has to remember that ``only_if`` held: a consent tells itself what it was before."""
        return bool(self.watches - {"consent"}) or bool(self.only_if.none_of)

    @property
    def asks_events(self) -> bool:
        """Whether a decision may have to read what happened since the entry: more than that it happened."""
        later = (*self.trigger.without, *self.exits)
        return bool(later) and (self.key is not None or any(m.where is not None for m in later))

    def key_of(self, event: Mapping[str, Any] | None) -> str:
        """Which run an event belongs to: the text of the property ``key``; "" where the rule has none, or the event."""
        return "" if self.key is None else text_of(at_path(event, self.key))


class Index:
    """Rules by what they listen to, so that an event asks only those that it may concern."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = tuple(sorted(rules, key=lambda rule: -rule.priority))
        self._by: dict[tuple[str, str], list[int]] = {}
        for number, rule in enumerate(self.rules):
            for listened in rule.listens():
                self._by.setdefault(listened, []).append(number)
        self._found: dict[tuple[str, str], tuple[Rule, ...]] = {}

    def of(self, happening: Happening) -> tuple[Rule, ...]:
        """The rules that listen to ``happening``, those of higher priority first."""
        key = (happening.kind, happening.name)
        found = self._found.get(key)
        if found is None:
            numbers = {*self._by.get(key, ()), *self._by.get((happening.kind, ""), ())}
            if happening.kind in BY_NAME:
                numbers |= {number for number, rule in enumerate(self.rules) if rule.id == happening.name}
            found = tuple(self.rules[number] for number in sorted(numbers))
            if len(self._found) < MOST_NAMES:
                self._found[key] = found
        return found

    def listened_to(self, kind: str, name: str) -> bool:
        """Whether any rule listens to this."""
        return (kind, name) in self._by or (kind, "") in self._by

    def hears(self, kind: str) -> bool:
        """Whether any rule listens to happenings of this kind."""
        return any(k == kind for k, _ in self._by)


def compile_rules(journey: Journey, states: Iterable[str] = ("on",)) -> tuple[Rule, ...]:
    """The map's rules in these states (``draft``, ``on``, ``off``), the highest priority first, then the map's order.

    Of a checked map none is refused: ``polku check`` tells faults.
    """
    wanted = set(states)
    rules = [compile_rule(g, journey) for g in journey.guidance if g.state in wanted]
    return tuple(sorted(rules, key=lambda r: -r.priority))


def compile_rule(guidance: Guidance, journey: Journey) -> Rule:
    """One rule. Raises UnreadableError for a value that cannot be read (a checked map has none)."""
    definition = definition_of(guidance)
    compiled = _Compiler(journey)
    trigger, only_if = compiled.trigger(guidance.when), compiled.condition(guidance.only_if)
    steps: list[Step] = [Hold(trigger.wait)]
    written: list[Any] = [{"send": guidance.send}] if guidance.send else []
    compiled.steps([*written, *guidance.do], steps)
    policy = journey.contact_policy
    sends = [s for s in steps if isinstance(s, Send)]
    for_people = bool(sends) and all(s.channel == "task" for s in sends)
    holdout = guidance.holdout if guidance.holdout is not None else HOLDOUT
    limit = guidance.limit
    return Rule(
        id=guidance.id,
        title=guidance.title,
        trigger=trigger,
        only_if=only_if,
        steps=tuple(steps),
        exits=compiled.places(guidance.until),
        limit=Cap(int(limit.get("times", 1)), values.duration(limit["every"]) if limit.get("every") else 0)
        if limit.get("times") or limit.get("every")
        else None,
        when_capped=str(limit.get("capped", "drop")),
        caps={channel: Cap(cap.times, cap.every) for channel, cap in policy.caps.items()},
        quiet=Hours.read(policy.quiet_hours) if policy.quiet_hours else None,
        group=guidance.group,
        priority=guidance.priority,
        key=str(guidance.when["per"]) if guidance.when.get("per") else None,
        holdout=0.0 if (guidance.owed or for_people) and guidance.holdout is None else holdout,
        owed=guidance.owed,
        judge_by=guidance.judge_by,
        state=guidance.state,
        version=hashlib.sha256(definition.encode()).hexdigest()[:12],
        definition=definition,
        watches=only_if.watches(),
    )


def definition_of(guidance: Guidance) -> str:
    """What a rule does, as JSON: two definitions are equal when they do the same."""
    told = {k: v for k, v in guidance.model_dump(mode="json", by_alias=True).items() if k not in NO_MATTER}
    return json.dumps(told, ensure_ascii=False, sort_keys=True)


def from_definition(id: str, definition: str, journey: Journey) -> Rule:
    """A rule as an older version of the map had it; limits over all rules and quiet hours are those of ``journey``."""
    return compile_rule(Guidance.model_validate({"id": id, "state": "on", **json.loads(definition)}), journey)


class _Compiler:
    """Parts of a rule as the map writes them, to parts of a Rule."""

    def __init__(self, journey: Journey) -> None:
        self.touchpoints, self.stages = frozenset(journey.touchpoint_ids), frozenset(journey.stage_ids)

    def place(self, said: Any) -> tuple[Matcher, ...]:
        """A touchpoint, a stage, or ``{event: ..., where: ...}``."""
        if isinstance(said, Mapping):
            where = said.get("where")
            if said.get("event"):
                return tuple(Matcher("event", str(e), where) for e in _list(said["event"]))
            return tuple(dataclasses.replace(m, where=where) for m in self.places(said.get("reached")))
        name = str(said)
        kind: Kind = "touchpoint" if name in self.touchpoints else "stage_entered"
        return (Matcher(kind, name),)

    def places(self, said: Any) -> tuple[Matcher, ...]:
        return tuple(m for one in _list(said) for m in self.place(one))

    def trigger(self, when: Mapping[str, Any]) -> Trigger:
        where = when.get("where")
        matchers = list(self.places(when.get("reached")))
        kinds: tuple[tuple[str, Kind], ...] = (
            ("entered", "stage_entered"), ("lapsed", "lapsed"), ("won_back", "won_back"), ("failed", "failed"),
            ("segment", "segment"), ("event", "event"),
        )  # fmt: skip
        for key, kind in kinds:
            matchers += [Matcher(kind, str(name)) for name in _list(when.get(key))]
        for name in _list(when.get("left")):
            matchers.append(Matcher("touchpoint_left" if name in self.touchpoints else "stage_left", str(name)))
        score, lead = None, None
        if when.get("score"):
            rising = when.get("above") is not None
            score = Score(str(when["score"]), float(when["above"] if rising else when["below"]), rising)
            lead = _lead(when)
            matchers += [] if lead is not None else [Matcher("event")]
        if where is not None:
            matchers = [dataclasses.replace(m, where=str(where)) for m in matchers]
        return Trigger(
            tuple(matchers),
            self.places(when.get("without")),
            values.duration(when["for"]) if when.get("for") else 0,
            _calendar(when),
            _date(when),
            score,
            str(when.get("again", "always")),
            str(when.get("meanwhile", "ignore")),
            lead,
        )

    def condition(self, said: Mapping[str, Any]) -> Condition:
        names = {
            key: tuple(map(str, _list(said.get(key)))) for key in ("consent", "persona", "segment", "role", "stage")
        }
        return Condition(
            **names,
            where=str(said["where"]) if said.get("where") else None,
            happened=said.get("happened"),
            none_of=tuple(self.condition(one) for one in _list(said.get("not"))),
        )

    def steps(self, written: Sequence[Any], into: list[Step]) -> None:
        for step in written:
            self.step(step, into)

    def step(self, said: Mapping[str, Any], into: list[Step]) -> None:
        if "wait" in said:
            into.append(self.wait(said["wait"]))
        elif "if" in said:
            at = len(into)
            into.append(Stop())  # its place, until it is known where else leads
            self.steps(_list(said.get("then")), into)
            if said.get("else"):
                over = len(into)
                into.append(Stop())
                into[at] = Branch(self.condition(said["if"]), len(into))
                self.steps(_list(said["else"]), into)
                into[over] = Jump(len(into))
            else:
                into[at] = Branch(self.condition(said["if"]), len(into))
        elif "stop" in said:
            into.append(Stop())
        elif "task" in said:
            into.append(Send("task", "", (), values.Frozen(said)))
        else:
            into.append(self.send(said.get("send", said)))

    def send(self, said: Mapping[str, Any]) -> Send:
        more = values.Frozen({k: v for k, v in said.items() if k not in SEND})
        written = {
            str(name): one if isinstance(one, Mapping) else {"content": one}
            for name, one in (said.get("variants") or {}).items()
        }
        variants = tuple((name, str(one.get("content") or "")) for name, one in written.items())
        weights = tuple(float(one.get("weight", 1)) for one in written.values())
        content = str(said.get("content") or (variants[0][1] if variants else ""))
        floor = values.share(said["floor"]) if said.get("floor") is not None else min(FLOOR, 1 / max(1, len(variants)))
        return Send(
            str(said.get("channel", "")), content, variants, more, weights, said.get("choose") == "bandit", floor
        )

    def wait(self, said: Any) -> Step:
        if not isinstance(said, Mapping):
            return Wait(values.duration(said))
        if "until" in said:
            return WaitFor(self.places(said["until"]), values.duration(said["for"]))
        if "hours" in said:
            return WaitHours(Hours.read(said["hours"]))
        if "at" in said:
            return WaitClock(clock(said["at"]))
        return Wait(values.duration(said["for"]))


def _calendar(when: Mapping[str, Any]) -> Calendar | None:
    every = when.get("every")
    if not every:
        return None
    on = when.get("on", 1 if every == "month" else "monday")
    number = WEEKDAYS.index(str(on)) if every == "week" else int(on) if every == "month" else 0
    return Calendar(str(every), number, clock(when.get("at", "09:00")))


def _lead(when: Mapping[str, Any]) -> Lead | None:
    root, _, goal = str(when["score"]).partition(".")
    if root != "leads":
        return None
    within = values.duration(when["within"]) if when.get("within") else None
    return Lead(goal or None, within, clock(when.get("at", "09:00")))


def _date(when: Mapping[str, Any]) -> DateOf | None:
    if not when.get("date"):
        return None
    offset = values.duration(when["after"]) if when.get("after") else 0
    offset -= values.duration(when["before"]) if when.get("before") else 0
    at = clock(when["at"]) if when.get("at") else None
    return DateOf(str(when["date"]), offset, at, bool(when.get("yearly", False)))


def _list(said: Any) -> list[Any]:
    return [] if said is None else list(said) if isinstance(said, (list, tuple)) else [said]


# -- properties of events ---------------------------------------------------------------------------------------------


def at_path(event: Mapping[str, Any] | None, path: str) -> Any:
    """The value at ``properties.order_id`` and the like; a bare name is looked for in the properties. None: nothing.

    >>> at_path({"properties": {"order_id": 7}}, "order_id")
    7
    """
    parts = path.split(".")
    found: Any = event or {}
    if parts[0] not in ("properties", "context", "traits", "event", "source", "channel", "value", "consent"):
        parts = ["properties", *parts]
    for part in parts:
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def text_of(value: Any) -> str:
    """A value as the text of a key; "" for nothing.

    >>> text_of(7.0), text_of("A-1"), text_of(None)
    ('7', 'A-1', '')
    """
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


_compiled: dict[str, Any] = {}


def meets_where(where: str, event: Mapping[str, Any]) -> bool:
    """Whether an event meets a ``where``; what cannot be known is no."""
    test = _compiled.get(where)
    if test is None:
        if len(_compiled) > 5000:
            _compiled.clear()
        test = _compiled[where] = parse_where(where).compile()
    return test(event) is True
