"""Live guidance: what arrived since the cursor, and time itself, through the rules; all that comes of it in one
transaction with the cursor.

A tick reads outside of the transaction (trails, the fold of each customer concerned) and decides inside it. The cursor
is compared in it: of two processes that took the same events one writes, and a process that is killed at any instant
has either done all of a tick or nothing.

Only what happens live acts. The past of a customer (imports, what was merged in, a corrected history, another map, a
backup that was restored) is folded without being told.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from polku.guidance import runs as kept
from polku.guidance import schedule, timers
from polku.guidance.arrivals import arrivals, event_of
from polku.guidance.engine import LEFT, WAITING, Change, Note, Run, advance
from polku.guidance.happenings import Happening
from polku.guidance.lag import CURSOR, PASSED
from polku.guidance.limits import MICRO
from polku.guidance.livelook import LiveLook
from polku.guidance.moments import Moments
from polku.guidance.recogniser import Meaning, Past, Recogniser, Row
from polku.guidance.rules import Index, Rule, compile_rules, from_definition
from polku.record import clock, tables
from polku.record.hashes import id_hash
from polku.record.steps import reached
from polku.trails import open_trails
from polku.trails.resolve import Resolver

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from polku.journey.model import Journey
    from polku.record.project import Project
    from polku.trails.layout import Trails

#: Counters of the state: that of identities which runs have followed, and the last restore that was seen to.
FOLLOWED, RESTORED = "guidance_identity", "guidance_restored"
#: Events and timers of one transaction: it holds up the other writers of the state.
BATCH = 1_000


@dataclasses.dataclass(frozen=True, slots=True)
class Done:
    """What a tick did: events and timers taken, runs that changed, messages; ``more``: there is more to do at once."""

    events: int = 0
    timers: int = 0
    changes: int = 0
    messages: int = 0
    more: bool = False

    def __add__(self, other: Done) -> Done:
        return Done(
            self.events + other.events,
            self.timers + other.timers,
            self.changes + other.changes,
            self.messages + other.messages,
            other.more,
        )


@dataclasses.dataclass(frozen=True, slots=True)
class _Place:
    """Where guidance stands in the state."""

    cursor: int
    passed: int
    followed: int


class Live:
    """Guidance of one project in one process. ``batch``: events and timers of one transaction."""

    def __init__(self, project: Project, batch: int = BATCH) -> None:
        self.project, self.batch = project, batch
        self.moments = Moments()
        self._compiled: tuple[Journey, tuple[Rule, ...]] | None = None
        self._older: dict[tuple[str, str], Rule] = {}

    # -- the loop ----------------------------------------------------------------------------------------------------

    def catch_up(self, now: int | None = None) -> Done:
        """Ticks until nothing is left to do."""
        done = Done(more=True)
        while done.more:
            done += self.tick(now)
        return done

    def due(self) -> bool:
        """Whether there may be something to do: events, a timer, a version of the map; cheap."""
        with self.project.state.read() as connection:
            place = self._place(connection)
            if place is None:
                return bool(self.rules())
            arrived = connection.execute(sa.select(sa.func.max(tables.inbox.c.last_seq))).scalar() or 0
            if max(int(arrived), self.project.state.counter(connection, "moved")) > place.cursor:
                return True
            next_timer = timers.next_due(connection)
            now = clock.now()
            if next_timer is not None and next_timer <= now:
                return True
        # time alone changes stages and brings the hour of schedules; once a minute it is let pass
        return now - place.passed >= 60 * MICRO and bool(self.rules())

    def rules(self) -> tuple[Rule, ...]:
        """The rules of the map that are on."""
        if not self.project.map_file.exists():
            return ()
        journey = self.project.journey()
        if self._compiled is None or self._compiled[0] is not journey:
            self._compiled = (journey, compile_rules(journey))
            self._older.clear()
        return self._compiled[1]

    def tick(self, now: int | None = None) -> Done:
        """Take what arrived (at most ``batch`` events) and the timers whose moment has come. ``now``: microseconds."""
        project = self.project
        rules = self.rules()
        moment = clock.now() if now is None else now
        if not project.map_file.exists():
            return Done()
        arrived = project.position().inbox
        project.consents.refresh()
        place = self._begun(arrived, moment, rules)
        if place is None:
            return Done()
        trails = open_trails(project)
        seen = min(int((trails.position or {}).get("inbox", 0)), 1 << 62)
        return _Tick(self, trails, rules, place, moment, seen, arrived).run()

    # -- where it stands ---------------------------------------------------------------------------------------------

    def _place(self, connection: Connection) -> _Place | None:
        state = self.project.state
        passed = state.counter(connection, PASSED)
        if not passed:
            return None
        return _Place(state.counter(connection, CURSOR), passed, state.counter(connection, FOLLOWED))

    def _begun(self, arrived: int, now: int, rules: Sequence[Rule]) -> _Place | None:
        """Where guidance stands; at the very first start it stands behind all that has arrived, and so after a restore:
        what was so then is not to be acted on now."""
        state = self.project.state
        with state.read() as connection:
            place = self._place(connection)
            restored = int(state.meta(connection, "restored_at") or 0)
            seen = state.counter(connection, RESTORED)
        if place is not None and restored <= seen:
            return place
        if place is None and not rules:
            return None
        with state.write() as connection:
            if restored > seen:
                _let_go(state, connection, now)
                state.set_counter(connection, RESTORED, restored)
            state.set_counter(connection, CURSOR, arrived)
            state.set_counter(connection, PASSED, now)
            state.set_counter(connection, FOLLOWED, state.counter(connection, "identity"))
            kept.sync_versions(connection, rules, now)
            return self._place(connection)

    def of_version(self, journey: Journey, definitions: Mapping[tuple[str, str], str], run: Run) -> Rule | None:
        """The rule as it was when ``run`` began; None where nothing tells."""
        key = (run.rule, run.version)
        if key not in self._older and key in definitions:
            self._older[key] = from_definition(run.rule, definitions[key], journey)
        return self._older.get(key)


def _let_go(state: Any, connection: Connection, now: int) -> None:
    """Of a restored project no run goes on: what it waited for has happened, or not, in the other one."""
    run = tables.runs
    waiting = connection.execute(sa.select(run.c.id, run.c.rule, run.c.customer).where(run.c.status == WAITING)).all()
    for id, rule, customer in waiting:
        kept.note(state, connection, rule, customer, id, [Note("restored", now, now)])
    ended = {"status": LEFT, "due_at": None, "finished_at": now}
    connection.execute(sa.update(run).where(run.c.status == WAITING).values(**ended))
    connection.execute(sa.delete(tables.timers))


class _Tick:
    """One tick on its way; see the module."""

    def __init__(
        self, live: Live, trails: Trails, rules: tuple[Rule, ...], place: _Place, now: int, seen: int, arrived: int
    ) -> None:
        self.live, self.project, self.trails = live, live.project, trails
        self.journey = self.project.journey()
        self.current = {rule.id: rule for rule in rules}
        self.place, self.now, self.seen, self.arrived = place, now, seen, arrived
        self.repeats: frozenset[int] = frozenset()
        self._new_seqs: frozenset[int] = frozenset()
        self._last = 0
        self._known: dict[int, Past] = {}
        heard = [m.name for rule in rules for m in rule.trigger.matchers if m.kind == "segment"]
        self.meaning = Meaning(self.journey, trails.tables, dict.fromkeys(heard))
        self.recogniser = Recogniser(self.meaning, self._past, place.passed // MICRO)
        self.runs: dict[int, list[Run]] = {}
        self.done = Done()

    def run(self) -> Done:
        found = arrivals(self.project, self.place.cursor, self.seen, self.live.batch)
        self.repeats = found.repeats
        self._new_seqs = frozenset(found.rows["seq"].to_pylist())
        full = found.more
        last = int(found.rows["seq"][-1].as_py()) if full else max(self.seen, self.place.cursor)
        self._last = last
        whole = not full and last >= self.arrived  # all that had arrived is taken: then time may pass
        passed = self.now if whole else self._received(found.rows)
        passed = max(passed, self.place.passed)
        happenings = self._of_rows(found.rows) + self._of_time(passed)
        with self.project.state.write() as connection:
            state = self.project.state
            if self.live._place(connection) != self.place:
                return Done(more=True)  # another process was quicker
            self.connection = connection
            self.since = kept.sync_versions(connection, self.current.values(), self.now)
            self.definitions = kept.definitions(connection)
            self._follow()
            self.index = Index((*self.current.values(), *self._older_rules()))
            self.runs = kept.waiting_of(connection, sorted({h.customer for h in happenings}))
            for happening in happenings:
                self._happen(happening)
            fired = self._fire() if whole else 0
            state.set_counter(connection, CURSOR, last)
            state.set_counter(connection, PASSED, passed)
            reached("guidance written")
        reached("guidance committed")
        more = full or fired >= self.live.batch
        return dataclasses.replace(self.done, events=found.rows.num_rows, timers=fired, more=more)

    def _received(self, rows: pa.Table) -> int:
        if not rows.num_rows:
            return self.place.passed
        return min(self.now, int(pc.max(pc.cast(rows["received_at"], pa.int64())).as_py()))

    # -- what happened -----------------------------------------------------------------------------------------------

    def _of_rows(self, rows: pa.Table) -> list[Happening]:
        """What live rows mean, in order of arrival."""
        if not rows.num_rows or (not self.current and not self._any_waits()):
            return []
        resolver = Resolver(self.project.identities.table(), self.journey.subject, id_hash)
        customers = resolver(rows)
        micros = {name: pc.cast(rows[name], pa.int64()).to_pylist() for name in ("time", "received_at")}
        by_customer: dict[int, list[int]] = {}
        for at, customer in enumerate(customers.tolist()):
            if customer >= 0:
                by_customer.setdefault(customer, []).append(at)
        told = rows.to_pylist()
        found: list[tuple[int, Happening]] = []
        for customer, places in by_customer.items():
            past = self._all_of(customer)
            numbers = past.seq.tolist()
            new = []
            for at in places:
                row = told[at]
                if row["seq"] in numbers:
                    i = numbers.index(row["seq"])
                    of = (int(past.time[i]), row["seq"], int(past.code[i]), float(past.value[i]))
                    new.append(Row(*of, micros["received_at"][at], event_of(row)))
            for happening in self.recogniser.take(customer, new):
                found.append((happening.known, happening))
        found.sort(key=lambda pair: pair[0])
        return [happening for _, happening in found]

    def _any_waits(self) -> bool:
        with self.project.state.read() as connection:
            return timers.next_due(connection) is not None

    def _past(self, customer: int) -> Past:
        """The customer's events that were taken before, or never were live."""
        past = self._all_of(customer)
        old = past.seq <= self.place.cursor
        if not old.all():  # new ones, and perhaps what an import brought meanwhile
            for i in np.flatnonzero(~old & (past.seq <= self._last)).tolist():
                old[i] = int(past.seq[i]) not in self._new_seqs
        return past if old.all() else past.only(old)

    def _all_of(self, customer: int) -> Past:
        """All events of a customer in the trails, repeats left out."""
        past = self._known.get(customer)
        if past is None:
            past = self._known[customer] = self._read(customer)
        return past

    def _read(self, customer: int) -> Past:
        found = self.trails.find(customer)
        if found is None:
            return Past.of(())
        bucket, i = found
        part = slice(int(bucket.offsets[i]), int(bucket.offsets[i + 1]))
        time = bucket.time[part].astype(np.int64) * MICRO
        if bucket.micros is not None:
            time += bucket.micros[part]
        assert bucket.seq is not None
        seq = bucket.seq[part].astype(np.int64) + bucket.seq_base
        value = np.full(len(time), np.nan) if bucket.value is None else bucket.value[part]
        past = Past(time, seq, bucket.code[part], value)
        return past.only(~np.isin(seq, list(self.repeats))) if self.repeats else past

    def _of_time(self, passed: int) -> list[Happening]:
        """What time alone did between the last tick and ``passed``: stages, segments, hours of the calendar, dates."""
        found: list[Happening] = []
        heard = Index(self.current.values())
        parts = []
        if any(heard.hears(kind) for kind in ("lapsed", "stage_entered", "stage_left", "won_back")):
            parts.append(self.meaning.rules)
        if heard.hears("segment"):
            parts += self.meaning.segments.values()
        if parts:
            due = self.live.moments.due(self.trails, parts, self.place.passed // MICRO, passed // MICRO)
            for customer in due:
                found += self.recogniser.pass_time(customer, passed // MICRO, self.now)
        for rule in self.current.values():
            found += schedule.happenings(self.project, self.trails, self.journey, rule, self.place.passed, passed)
        return [dataclasses.replace(h, known=self.now) if h.known < self.now else h for h in found]

    # -- what comes of it (inside the transaction) -------------------------------------------------------------------

    def _follow(self) -> None:
        """Runs go with their customers: merges and undos since the last tick."""
        change = tables.identity_changes.c
        now = self.project.state.counter(self.connection, "identity")
        if now <= self.place.followed:
            return
        query = sa.select(change.customer, change.survivor).where(change.counter > self.place.followed)
        who = {int(c) for row in self.connection.execute(query) for c in row if c is not None}
        kept.follow(self.connection, who)
        self.project.state.set_counter(self.connection, FOLLOWED, now)

    def _older_rules(self) -> Iterable[Rule]:
        """Rules that are on, in older versions under which runs still wait."""
        for id, version in self.definitions:
            rule = self.current.get(id)
            if rule is not None and rule.version != version:
                run = Run(id, version, 0, "", 0, 0, None, WAITING, {})
                older = self.live.of_version(self.journey, self.definitions, run)
                if older is not None:
                    yield older

    def _happen(self, happening: Happening) -> None:
        look: LiveLook | None = None
        for rule in self.index.of(happening):
            look = look or self._look(happening)
            mine = [r for r in self.runs.get(happening.customer, []) if r.rule == rule.id]
            key = rule.key_of(happening.event)
            for run in mine:
                if run.version == rule.version:
                    self._keep(rule, run, advance(rule, run, happening, look))
            new = self.current.get(rule.id) is rule and happening.known >= self.since.get(rule.id, 0)
            waits = any(r.key == key for r in self.runs.get(happening.customer, []) if r.rule == rule.id)
            if new and not waits:
                self._keep(rule, None, advance(rule, None, happening, look), happening.customer)

    def _look(self, happening: Happening) -> LiveLook:
        now = max(self.now, happening.time) if happening.time <= self.now else self.now
        return LiveLook(
            self.project, self.connection, self.journey, self.trails.tables, self.current, happening.customer,
            self.recogniser.customer(happening.customer), now,
        )  # fmt: skip

    def _keep(self, rule: Rule, run: Run | None, change: Change, customer: int = 0) -> None:
        if change.run is run and not change.notes:
            return
        whose = run.customer if run is not None else customer
        stored = kept.keep(self.project.state, self.connection, rule, whose, run, change)
        waiting = [r for r in self.runs.get(whose, []) if run is None or r.id != run.id]
        if stored is not None and stored.status == WAITING:
            waiting.append(stored)
        self.runs[whose] = waiting
        messages = sum(1 for act in change.acts if act.state == "waiting")
        self.done = dataclasses.replace(
            self.done, changes=self.done.changes + 1, messages=self.done.messages + messages
        )

    def _fire(self) -> int:
        """The timers whose moment has come; of those of the same second the rule of higher priority goes first."""
        waiting = timers.due(self.connection, self.now, self.live.batch)
        by_id = kept.runs_by_id(self.connection, [timer.run for timer in waiting])

        def order(timer: timers.Timer) -> tuple[int, int, int]:
            run = by_id.get(timer.run)
            rule = self.current.get(run.rule) if run else None
            return timer.due // MICRO, -(rule.priority if rule else 0), timer.number

        for timer in sorted(waiting, key=order):
            run = by_id.get(timer.run)
            self.connection.execute(sa.delete(tables.timers).where(tables.timers.c.number == timer.number))
            if run is None or run.status != WAITING:
                continue
            self._fired(timer, run)
        return len(waiting)

    def _fired(self, timer: timers.Timer, run: Run) -> None:
        rule = self.current.get(run.rule)
        if rule is not None and rule.version != run.version:
            rule = self.live.of_version(self.journey, self.definitions, run)
        happening = Happening(run.customer, timer.due, self.now, "timer", str(run.id))
        if rule is None:
            off = Note("turned_off", self.now, self.now)
            ended = dataclasses.replace(run, status=LEFT, due_at=None, finished_at=self.now)
            kept.end(self.project.state, self.connection, ended, off)
            return
        self.runs.setdefault(run.customer, [run])
        self._keep(rule, run, advance(rule, run, happening, self._look(happening)))
