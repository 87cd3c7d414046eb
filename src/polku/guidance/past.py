"""The recorded past as a replay of a rule sees it: what happened to each customer that the rule listens to, and a
:class:`~polku.guidance.look.Look` at any moment of it.

Everything comes from columns: the trails say what happened when, the state what was consented to and when. The
properties of events are read from history only where the rule asks for them.
"""

from __future__ import annotations

import bisect
import dataclasses
import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from polku.guidance import outbox, schedule
from polku.guidance.arrivals import event_of
from polku.guidance.engine import number_of
from polku.guidance.happenings import Happening, Kind
from polku.guidance.hours import zone_of
from polku.guidance.leads import Leads, event_of_score
from polku.guidance.limits import MICRO
from polku.guidance.numbers import Numbers
from polku.guidance.rules import (
    Branch,
    Condition,
    Matcher,
    Rule,
    Send,
    WaitFor,
    at_path,
    compile_rules,
    meets_where,
)
from polku.guidance.shares import learned_shares
from polku.journey.where import parse_where
from polku.kernels import fold
from polku.measures.rules import segment_rules
from polku.measures.timeline import one_customer
from polku.measures.view import View, columns_of
from polku.record import tables
from polku.record.hashes import id_hash
from polku.trails.layout import Bucket

if TYPE_CHECKING:
    from polku.journey.model import Journey
    from polku.record.project import Project

I64 = npt.NDArray[np.int64]
#: Kinds of happenings that are changes of stage.
STAGES = frozenset({"stage_entered", "stage_left", "lapsed", "won_back"})
STAGE_KINDS: Mapping[int, Kind] = {
    fold.ENTERED: "stage_entered", fold.LAPSED_KIND: "lapsed", fold.WON_BACK: "won_back",
}  # fmt: skip
#: Columns of an event that conditions and messages read.
COLUMNS = ("event", "source", "channel", "value", "currency", "consent", "properties", "context")
#: What an event that came so much later than it happened (microseconds) is: late; or, later still, imported.
LATE, IMPORTED = 60 * MICRO, 86400 * MICRO


@dataclasses.dataclass(frozen=True, eq=False)
class Arrivals:
    """When Polku learned of events that it did not learn of at once: ``seq`` int64[n] ascending, ``known`` int64[n]
    microseconds. ``imported``: events of the span that came more than a day after they happened, of ``events``.
    """

    seq: I64
    known: I64
    imported: int
    events: int

    @property
    def by_arrival(self) -> bool:
        """Whether the span was collected live, so that it can be driven in the order of arrival."""
        return self.imported * 2 < self.events

    def of(self, seq: int, time: int) -> int:
        """When the event with this seq was known."""
        at = int(np.searchsorted(self.seq, seq))
        return int(self.known[at]) if at < len(self.seq) and self.seq[at] == seq else time


def arrivals(project: Project, start: int, end: int) -> Arrivals:
    """The arrivals of events from ``start`` up to ``end`` (microseconds)."""
    columns = ["seq", "time", "received_at"]
    snapshot, tail = project.look(columns)
    days = {f.day for f in snapshot.files}
    first, last = (np.datetime64(t, "us").astype("datetime64[D]").item() for t in (start, end))
    files = [f for f in snapshot.files if first <= f.day <= last] if days else []
    span = (pc.field("time") >= pa.scalar(start, pa.timestamp("us", "UTC"))) & (
        pc.field("time") <= pa.scalar(end, pa.timestamp("us", "UTC"))
    )
    seqs, knowns, imported, events = [], [], 0, 0
    batches: Iterator[pa.RecordBatch | pa.Table] = iter(project.history.read(columns, files=files, where=span))
    for batch in (*batches, tail.filter(span)):
        time, received = (_micros(batch.column(name)) for name in ("time", "received_at"))
        lateness = received - time
        events += len(time)
        imported += int(np.count_nonzero(lateness > IMPORTED))
        late = (lateness > LATE) & (lateness <= IMPORTED)
        seqs.append(_ints(batch.column("seq"))[late])
        knowns.append(received[late])
    seq, known = np.concatenate(seqs), np.concatenate(knowns)
    order = np.argsort(seq)
    return Arrivals(seq[order], known[order], imported, events)


def _micros(column: Any) -> I64:
    return np.asarray(pc.cast(column, pa.int64()).to_numpy(zero_copy_only=False), np.int64)


def _ints(column: Any) -> I64:
    return np.asarray(column.to_numpy(zero_copy_only=False), np.int64)


# -- what a rule asks for ---------------------------------------------------------------------------------------------


def conditions_of(rule: Rule) -> Iterator[Condition]:
    """Every condition of a rule, those inside others included."""
    waiting = [rule.only_if, *(s.condition for s in rule.steps if isinstance(s, Branch))]
    while waiting:
        condition = waiting.pop()
        yield condition
        waiting.extend(condition.none_of)


def matchers_of(rule: Rule) -> tuple[Matcher, ...]:
    """Every matcher of a rule."""
    waits = (m for s in rule.steps if isinstance(s, WaitFor) for m in s.matchers)
    return (*rule.trigger.matchers, *rule.trigger.without, *rule.exits, *waits)


def asks_properties(rule: Rule) -> bool:
    """Whether the events' own properties decide anything in this rule."""
    wheres = [m.where for m in matchers_of(rule)] + [c.where for c in conditions_of(rule)]
    asked = [f for w in wheres if w is not None for f in parse_where(w).fields]
    told = rule.trigger.score is not None and rule.trigger.lead is None
    by_event = rule.key is not None or told or rule.trigger.date is not None
    return by_event or bool(asked) or any(c.role for c in conditions_of(rule))


# -- the world --------------------------------------------------------------------------------------------------------


class World:
    """What all customers of one replay share. ``start`` and ``end``: microseconds; ``since``: from when on events are
    looked at, which is earlier where limits reach back. ``customer``, ``most``: whose lead scores are asked for.
    """

    def __init__(self, project: Project, view: View, rule: Rule, since: int, end: int, known: Arrivals | None,
        assume_consent: bool = False, customer: int | None = None, most: int | None = None,
    ) -> None:  # fmt: skip
        self.project, self.view, self.rule = project, view, rule
        self.since, self.end, self.known = since, end, known
        self.zone = ZoneInfo(view.journey.timezone)
        listened = rule.listens()
        self.hears = frozenset(listened)
        self.kinds = frozenset(kind for kind, _ in listened)
        self.stages = view.journey.stage_ids
        self.asks_stage = any(c.stage for c in conditions_of(rule))
        self.by_code = [self._heard(code) for code in range(view.trails.tables.codes)]
        self.relevant = np.array([bool(h) for h in self.by_code], np.bool_)
        if "touchpoint_left" in self.kinds:
            self.relevant |= np.asarray(view.rules.code_touchpoint) >= 0
        self.properties = _Properties(self) if asks_properties(rule) else None
        purposes = {p for c in conditions_of(rule) for p in c.consent}
        self.consents = Decisions(project, purposes, assume_consent)
        # a version of the past may name what the map no longer has: that holds for nobody
        there = view.journey.segments
        self.segments = {n: self._segment(n) for c in conditions_of(rule) for n in c.segment if n in there}
        named = {m.name for m in matchers_of(rule) if m.kind == "segment"}
        self.triggers = {n: self._segment(n) for n in sorted(named) if n in there}
        channels = {s.channel for s in rule.steps if isinstance(s, Send) and s.channel in rule.caps}
        self.messages = _messages(project, rule, channels) if channels else {}
        self.groups = _group_runs(project, view.journey, rule) if rule.group else {}
        self.shares: Mapping[int, Mapping[str, float]] = learned_shares(project, rule)
        scored = rule.trigger.score is not None and rule.trigger.lead is None
        self.numbers = Numbers(project, view.trails) if scored else None
        self.leads = None if rule.trigger.lead is None else Leads(view, rule, customer, most)

    def listens(self, kind: str, name: str) -> bool:
        """Whether the rule listens to this."""
        return (kind, name) in self.hears or (kind, "") in self.hears

    def dates_of(self, customer: int, begun: int) -> list[Happening]:
        """The moments of a rule's calendar, or its day in the customer's traits, after the first event (``begun``)."""
        trigger, rule = self.rule.trigger, self.rule.id
        if trigger.calendar is not None:
            return [Happening(customer, t, t, "schedule", rule) for t in self._calendar if t >= begun]
        if trigger.lead is not None:
            return [
                Happening(customer, t, t, "score", rule, event_of_score(p)) for t, p in self.crossings.get(customer, ())
            ]
        if trigger.date is None or trigger.matchers:
            return []
        traits, date = self.traits(customer), trigger.date
        value = at_path({"traits": traits}, f"traits.{date.path.removeprefix('traits.')}")
        event = {"properties": {"date": value}, "context": {}}
        own = zone_of(traits, self.zone)
        days = schedule.days_of(value, date, self.zone, max(begun, self.since), self.end)
        times = (schedule.own_moment(value, date, self.zone, own, time) for time in days)
        return [Happening(customer, time, time, "date", rule, event) for time in times]

    @functools.cached_property
    def crossings(self) -> Mapping[int, list[tuple[int, float]]]:
        """By customer when their lead score crossed the bound, and the score; by a model of all that is known now."""
        found: dict[int, list[tuple[int, float]]] = {}
        first = self.view.trails.first
        if self.leads is None or first is None:
            return found
        since = max(self.since, int(first.timestamp()) * MICRO)
        times = list(schedule.moments(self.rule, self.zone, since, self.end))
        for time, customers, scores in self.leads.crossings(times, self.zone):
            for customer, score in zip(customers.tolist(), scores.tolist(), strict=True):
                found.setdefault(customer, []).append((time, score))
        return found

    @functools.cached_property
    def _calendar(self) -> tuple[int, ...]:
        calendar = self.rule.trigger.calendar
        return () if calendar is None else tuple(schedule.occurrences(calendar, self.zone, self.since, self.end))

    def _segment(self, name: str) -> fold.Rules:
        return segment_rules(self.view.journey.segments[name].condition, self.view.journey, self.view.trails.tables)

    def _heard(self, code: int) -> tuple[tuple[Kind, str], ...]:
        """(kind, name) of what an event with this code is, as far as the rule listens."""
        trails, ids = self.view.trails.tables, self.view.journey.touchpoint_ids
        touch, fails = int(self.view.rules.code_touchpoint[code]), int(trails.code_fails[code])
        found: list[tuple[Kind, str]] = [("event", trails.code_event[code])]
        if touch >= 0:
            found.append(("touchpoint", ids[touch]))
        if fails >= 0:
            found.append(("failed", trails.touchpoints[fails]))
        return tuple(h for h in found if self.listens(*h))

    @functools.cached_property
    def _profiles(self) -> tuple[I64, pa.ChunkedArray]:
        found = self.project.identities.profiles()
        return _ints(found["customer"]), found["traits"]

    def traits(self, customer: int) -> Mapping[str, Any]:
        """The customer's traits as they are today: the record keeps the latest value of each."""
        customers, texts = self._profiles
        at = int(np.searchsorted(customers, customer))
        if at == len(customers) or customers[at] != customer:
            return {}
        found = json.loads(texts[at].as_py() or "{}")
        return found if isinstance(found, dict) else {}


class _Properties:
    """The properties of events, read from history once, each parsed when it is asked for."""

    def __init__(self, world: World) -> None:
        names = sorted({n for h in world.by_code for k, n in h if k == "event"} | _events(world))
        columns = ["seq", "time", *COLUMNS]
        snapshot, tail = world.project.look(columns)
        where = pc.field("event").isin(pa.array(names, pa.string())) & (
            pc.field("time") >= pa.scalar(world.since, pa.timestamp("us", "UTC"))
        )
        if (told := _only_of(world.rule)) is not None:
            where = where & told
        first = np.datetime64(world.since, "us").astype("datetime64[D]").item()
        files = [f for f in snapshot.files if f.day >= first]
        rows = world.project.history.read(columns, files=files, where=where).read_all()
        rows = pa.concat_tables([rows, tail.filter(where).cast(rows.schema)]).sort_by("seq").combine_chunks()
        self._seq = _ints(rows["seq"]) if rows.num_rows else np.zeros(0, np.int64)
        # one chunk is read several times as fast; there are more where its text is beyond two gigabytes
        self._columns = {n: rows[n].chunk(0) if rows[n].num_chunks == 1 else rows[n] for n in COLUMNS}

    def event(self, seq: int) -> dict[str, Any] | None:
        """The event's columns, JSON read."""
        at = int(np.searchsorted(self._seq, seq))
        if at == len(self._seq) or self._seq[at] != seq:
            return None
        return event_of({name: column[at].as_py() for name, column in self._columns.items()})


def _only_of(rule: Rule) -> pc.Expression | None:
    """Of a rule on a score the events that may tell it, where no others are asked for their properties."""
    score, others = rule.trigger.score, (*rule.trigger.without, *rule.exits)
    waits = (m for s in rule.steps if isinstance(s, WaitFor) for m in s.matchers)
    if score is None or rule.key is not None or any(m.where is not None for m in (*others, *waits)):
        return None
    root, *_, name = ("properties." * ("." not in score.path) + score.path).split(".")
    if score.path == "value" or root not in ("properties", "context", "traits") or not name.isascii():
        return None
    column = "properties" if root == "properties" else "context"
    return pc.match_substring(pc.field(column), f'"{name}"')


def _events(world: World) -> set[str]:
    """Names of the events that have any code the rule listens to."""
    names = world.view.trails.tables.code_event
    return {names[int(c)] for c in np.flatnonzero(world.relevant)}


class Decisions:
    """Consent decisions to some purposes, by customer and time."""

    def __init__(self, project: Project, purposes: set[str], assumed: bool = False) -> None:
        self.purposes, self.assumed = purposes, assumed
        self._customer, self._time = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self._said: list[tuple[str, bool]] = []
        if not purposes or assumed:
            return
        c = tables.consents.c
        query = sa.select(c.kind, c.value, c.purpose, c.granted, c.time, c.id).where(c.purpose.in_(sorted(purposes)))
        with project.state.read() as connection:
            rows = connection.execute(query).all()
        who = project.identities.table()
        customer = np.full(len(rows), -1, np.int64)
        kinds = np.array([r.kind for r in rows])
        for kind in set(kinds.tolist()):
            mine = kinds == kind
            values = pa.array([r.value for r, m in zip(rows, mine, strict=True) if m], pa.string())
            customer[mine] = who.resolve(id_hash(kind, values))
        time, number = (np.array([getattr(r, n) for r in rows], np.int64) for n in ("time", "id"))
        order = np.lexsort((number, time, customer))
        self._customer, self._time = customer[order], time[order]
        self._said = [(rows[i].purpose, bool(rows[i].granted)) for i in order]

    def any(self, purpose: str) -> bool:
        """Whether anybody ever decided on this purpose."""
        return any(said == purpose for said, _ in self._said)

    def times(self, customer: int) -> list[int]:
        """When the customer decided on any of the purposes (microseconds, ascending)."""
        low, high = (int(np.searchsorted(self._customer, customer, side)) for side in ("left", "right"))
        times: list[int] = self._time[low:high].tolist()
        return times

    def at(self, customer: int, purpose: str, time: int) -> bool | None:
        """What the customer had last decided by ``time``; None: nothing."""
        if self.assumed:
            return True
        low, high = (int(np.searchsorted(self._customer, customer, side)) for side in ("left", "right"))
        for i in range(high - 1, low - 1, -1):
            if self._time[i] <= time and self._said[i][0] == purpose:
                return self._said[i][1]
        return None


def _messages(project: Project, rule: Rule, channels: set[str]) -> dict[tuple[int, str], list[int]]:
    """When other rules really sent to a customer on these channels: what the caps over all rules count."""
    box = tables.outbox.c
    asked = sa.select(box.customer, box.channel, box.made_at).where(
        box.channel.in_(sorted(channels)), box.rule != rule.id, box.owed.is_(False),
        box.state.in_((outbox.WAITING, outbox.SENDING, outbox.SENT)),
    )  # fmt: skip
    found: dict[tuple[int, str], list[int]] = {}
    with project.state.read() as connection:
        for customer, channel, at in connection.execute(asked):
            found.setdefault((int(customer), channel), []).append(int(at))
    return found


def _group_runs(project: Project, journey: Journey, rule: Rule) -> dict[int, list[tuple[int, int, str]]]:
    """Real runs of the group's other rules: (from, until, rule) by customer, both ends included.

    Of rules that are asked at the same moment the one of higher priority, then the earlier in the map, goes first: what
    begins or ends in a rule behind this one is not yet so.
    """
    rules = compile_rules(journey, ("on", "off", "draft"))
    order = {r.id: place for place, r in enumerate(rules)}
    others = [r.id for r in rules if r.group == rule.group and r.id != rule.id]
    runs, notes = tables.runs.c, tables.run_notes.c
    begun = sa.func.min(notes.known)  # a run that began again has a later entered_at
    asked = (
        sa.select(runs.customer, begun, runs.finished_at, runs.rule)
        .join_from(tables.runs, tables.run_notes, notes.run == runs.id)
        .where(runs.rule.in_(others))
        .group_by(runs.id, runs.customer, runs.finished_at, runs.rule)
    )
    found: dict[int, list[tuple[int, int, str]]] = {}
    with project.state.read() as connection:
        for customer, first, ended, other in connection.execute(asked):
            behind = order[other] > order.get(rule.id, -1)
            span = (int(first) + behind, int(ended or 1 << 62) - (not behind), other)
            found.setdefault(int(customer), []).append(span)
    return found


# -- one customer -----------------------------------------------------------------------------------------------------


class Past:
    """One customer's past; a Look at the moment ``now``, which the replay moves forward."""

    def __init__(self, world: World, bucket: Bucket, row: int, happenings: list[Happening], moves: Any) -> None:
        self.world, self.bucket, self.row = world, bucket, row
        self.customer = int(bucket.customer[row])
        self.happenings = happenings  # in order of (known, time, position)
        self.now = 0
        self.own_acts: list[int] = []
        self.own_messages: dict[str, list[int]] = {}
        self.own_keys: set[str] = set()
        self.own_variants: dict[int, str] = {}
        self._moves = moves  # rows of fold.transitions without the customer, ascending
        self._traits: Mapping[str, Any] | None = None

    @functools.cached_property
    def zone(self) -> ZoneInfo:
        return zone_of(self.traits(), self.world.zone)

    def consent(self, purpose: str) -> bool | None:
        return self.world.consents.at(self.customer, purpose, self.now)

    def persona(self, id: str) -> bool:
        persona = self.world.view.journey.personas.get(id)
        if persona is None or persona.where is None:
            return False
        return meets_where(persona.where, {"properties": {}, "context": {}, "traits": self.traits()})

    def segment(self, id: str) -> bool:
        return id in self.world.segments and self.holds(self.world.segments[id])

    def holds(self, condition: fold.Rules) -> bool:
        """Whether a segment's condition holds now."""
        alone = one_customer(self.bucket, self.row, self.now // MICRO)
        return bool(fold.holding(columns_of(alone), condition, self.now // MICRO)[0])

    @property
    def last_move(self) -> Any:
        """The last change of stage up to now (a row of ``moves``), None: none yet."""
        at = bisect.bisect_right([int(m[fold.TIME]) for m in self._moves], self.now // MICRO)
        return self._moves[at - 1] if at else None

    def role(self, id: str, event: Mapping[str, Any] | None) -> bool:
        role = self.world.view.journey.roles.get(id)
        return role is not None and role.where is not None and event is not None and meets_where(role.where, event)

    def stage(self) -> str | None:
        last = self.last_move
        return None if last is None else self.world.stages[int(last[fold.TO])]

    def traits(self) -> Mapping[str, Any]:
        if self._traits is None:
            self._traits = self.world.traits(self.customer)
        return self._traits

    def met(self, matchers: Sequence[Matcher], since: int, after: int, key: tuple[str, str] | None) -> int | None:
        first: int | None = None
        for h in self.happenings:
            if h.known > self.now:
                break
            later = h.time > since or (h.time == since and h.position > after)
            if not later or (first is not None and h.time >= first) or not any(m.meets(h) for m in matchers):
                continue
            if key is not None:
                told = at_path(h.event, key[0])
                if told is not None and self.world.rule.key_of(h.event) != key[1]:
                    continue
            first = h.time
        return first

    def number_before(self, path: str, position: int) -> float | None:
        last: tuple[int, int, float] | None = None
        for h in self.happenings:
            if h.event is None or h.position >= position or h.known > self.now:
                continue
            value = number_of(at_path(h.event, path))
            if value is not None and (last is None or (h.time, h.position) >= last[:2]):
                last = h.time, h.position, value
        if last is not None or self.world.numbers is None:
            return None if last is None else last[2]
        return self.world.numbers.until(self.customer, path, self.world.since // MICRO)

    def acted(self, rule: str, key: str) -> Sequence[int]:
        return self.own_acts

    def entered(self, rule: str, key: str) -> bool:
        return key in self.own_keys

    def in_group(self, group: str, rule: str) -> str | None:
        for begun, ended, other in self.world.groups.get(self.customer, ()):
            if begun <= self.now <= ended:
                return other
        return None

    def given(self, rule: str, step: int) -> str | None:
        return self.own_variants.get(step)

    def shares(self, rule: str, step: int) -> Mapping[str, float] | None:
        return self.world.shares.get(step)

    def messages(self, channel: str) -> Sequence[int]:
        theirs = self.world.messages.get((self.customer, channel), ())
        return [*(t for t in theirs if t <= self.now), *self.own_messages.get(channel, ())]


def happenings_of(
    world: World, bucket: Bucket, row: int, moves: Sequence[Any], segments: Sequence[Any]
) -> list[Happening]:
    """What of a customer's past the rule listens to, in the order in which it was known; as the live recogniser tells.

    ``moves``: rows of fold.transitions; ``segments``: (second, place of the event or -1, name) of becoming a member.
    """
    customer, low, high = int(bucket.customer[row]), int(bucket.offsets[row]), int(bucket.offsets[row + 1])
    found: list[Happening] = []
    tables, touch, ids = world.view.trails.tables, world.view.rules.code_touchpoint, world.view.journey.touchpoint_ids

    def when(i: int) -> tuple[int, int, int]:
        """Time, when it was known, the event's seq."""
        time = int(bucket.time[i]) * MICRO + (0 if bucket.micros is None else int(bucket.micros[i]))
        seq = -1 if bucket.seq is None else int(bucket.seq[i]) + bucket.seq_base
        return time, time if world.known is None else max(time, world.known.of(seq, time)), seq

    def told(i: int) -> tuple[int, int, Mapping[str, Any], int]:
        """The same with the event."""
        time, known, seq = when(i)
        event = None if world.properties is None else world.properties.event(seq)
        if event is None:
            event = {"event": tables.code_event[int(bucket.code[i])], "properties": {}, "context": {}}
        return time, known, event, seq

    def put(kind: Kind, name: str, time: int, known: int, event: Mapping[str, Any] | None, seq: int) -> None:
        if world.since <= time <= world.end:
            found.append(Happening(customer, time, known, kind, name, event, seq))

    before = -1
    for i in (np.flatnonzero(world.relevant[bucket.code[low:high]]) + low).tolist():
        code = int(bucket.code[i])
        here = int(touch[code])
        left, before = before, here if here >= 0 else before
        if int(bucket.time[i]) < world.since // MICRO:
            continue
        at = told(i)
        if "touchpoint_left" in world.kinds and here >= 0 and left >= 0 and left != here:
            put("touchpoint_left", ids[left], *at)
        for kind, name in world.by_code[code]:
            put(kind, name, *at)
    changes: list[tuple[Kind, str, int, int]] = [("segment", name, second, place) for second, place, name in segments]
    for move in moves:
        was, to, change = int(move[fold.FROM]), world.stages[int(move[fold.TO])], STAGE_KINDS[int(move[fold.KIND])]
        second, place = int(move[fold.TIME]), int(move[fold.POSITION])
        if change == "stage_entered" and was >= 0 and world.listens("stage_left", world.stages[was]):
            changes.append(("stage_left", world.stages[was], second, place))
        if world.listens(change, to):
            changes.append((change, to, second, place))
    for kind, name, second, place in changes:
        put(kind, name, *(told(place) if place >= 0 else (second * MICRO, second * MICRO, None, -1)))
    if "consent" in world.rule.watches:
        for time in world.consents.times(customer):
            put("condition", "consent", time, time, None, -1)
    if stood := world.rule.watches & {"stage", "segment"}:
        for i in range(low, high):
            time, known, seq = when(i)
            put("condition", min(stood), time, known, None, seq)
        for time in (int(m[fold.TIME]) * MICRO for m in moves if m[fold.POSITION] < 0):
            put("condition", min(stood), time, time, None, -1)
    found += world.dates_of(customer, int(bucket.time[low]) * MICRO if high > low else world.end)
    found.sort(key=lambda h: (h.known, h.time, h.position))  # stable: an event stands before what it changed
    return found
