"""One tick of live guidance: what it reads outside of its transaction, and what it decides inside it."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from polku.errors import MeasureError, MissingExtraError
from polku.guidance import runs as kept
from polku.guidance import schedule, sweeps, timers
from polku.guidance.arrivals import arrivals, event_of
from polku.guidance.batch import New, fold_together
from polku.guidance.book import Book
from polku.guidance.engine import LEFT, WAITING, Change, Note, Run, advance
from polku.guidance.eventsof import EventsOf
from polku.guidance.happenings import Happening
from polku.guidance.lag import CURSOR, PASSED
from polku.guidance.leads import event_of_score
from polku.guidance.limits import MICRO
from polku.guidance.livelook import LiveLook
from polku.guidance.numbers import Numbers
from polku.guidance.place import FOLLOWED, Done, Place
from polku.guidance.recogniser import Meaning, Past, Recogniser, Row, past_of
from polku.guidance.rules import Index, Rule
from polku.record import tables
from polku.record.hashes import id_hash
from polku.record.steps import reached
from polku.trails.resolve import Resolver

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from polku.guidance.live import Live
    from polku.trails.layout import Trails

log = logging.getLogger("polku.guidance")
#: Counter of the state: the decisions on consent that were looked at, and one.
DECIDED = "guidance_decided"
#: Kinds of happenings that are changes of stage.
STAGES = ("lapsed", "stage_entered", "stage_left", "won_back")
#: Looks at everybody of which one tick takes a slice, at most.
MOST_LOOKS = 100
#: Columns of an arrival that conditions and messages read.
EVENT = ("event", "source", "channel", "value", "currency", "consent", "properties", "context")


class Tick:
    """See the module. ``seen``: up to which seq the trails tell; ``arrived``: what had arrived when it began;
    ``decided``: up to which number decisions on consent are known."""

    def __init__(
        self, live: Live, trails: Trails, rules: tuple[Rule, ...], place: Place, now: int, seen: int, arrived: int,
        decided: int,
    ) -> None:  # fmt: skip
        self.live, self.project, self.trails = live, live.project, trails
        self.journey = self.project.journey()
        self.current = {rule.id: rule for rule in rules}
        self.place, self.now, self.seen, self.arrived, self.decided = place, now, seen, arrived, decided
        self.touched: dict[int, set[str]] = {}  # customers of whom something changed that conditions ask, and what
        self.repeats: frozenset[int] = frozenset()
        self._new_seqs: frozenset[int] = frozenset()
        self._last = 0
        self._known: dict[int, Past] = {}
        heard = [m.name for rule in rules for m in rule.trigger.matchers if m.kind == "segment"]
        self.meaning = Meaning(self.journey, trails.tables, dict.fromkeys(heard))
        self.recogniser = Recogniser(self.meaning, self._past, place.passed // MICRO, self._whole)
        self.numbers = Numbers(self.project, trails)
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
        with self.project.state.read() as connection:
            self.definitions = kept.definitions(connection)
            plan = self._plan(connection)
        self.index = Index((*self.current.values(), *self._older_rules()))
        self.watched = frozenset(what for rule in self.index.rules for what in rule.watches)
        happenings = self._of_rows(found.rows) + self._of_time(passed)
        with self.project.state.write() as connection:
            state = self.project.state
            if self.live.place(connection) != self.place:
                return Done(more=True)  # another process was quicker
            self.connection = connection
            self.since = kept.sync_versions(connection, self.current.values(), self.now)
            self._follow()
            self.book = Book(state, connection, {h.customer for h in happenings})
            self.events = EventsOf(self.project, self.book)
            for happening in happenings:
                self._happen(happening)
            left = self._look_at_decisions()
            self._ask_again()
            self.book.flush()
            fired = self._fire() if whole else 0
            for part in plan:
                self._sweep(part)
            self.book.flush()
            begun = self._begin_sweeps(passed) if whole else False
            state.set_counter(connection, CURSOR, last)
            state.set_counter(connection, PASSED, passed)
            reached("guidance written")
        reached("guidance committed")
        more = full or fired >= self.live.batch or bool(plan) or begun or left
        return dataclasses.replace(self.done, events=found.rows.num_rows, timers=fired, more=more)

    def _received(self, rows: pa.Table) -> int:
        if not rows.num_rows:
            return self.place.passed
        return min(self.now, int(pc.max(pc.cast(rows["received_at"], pa.int64())).as_py()))

    # -- what happened -----------------------------------------------------------------------------------------------

    def _of_rows(self, rows: pa.Table) -> list[Happening]:
        """What live rows mean, in order of arrival; only what some rule listens to."""
        if not rows.num_rows or (not self.current and not self._any_waits()):
            return []
        resolver = Resolver(self.project.identities.table(), self.journey.subject, id_hash)
        columns = {name: rows[name].combine_chunks() for name in EVENT}

        @functools.cache
        def event(at: int) -> Mapping[str, Any]:
            return event_of({name: column[at].as_py() for name, column in columns.items()})

        new = New(
            resolver(rows), rows["seq"].to_numpy(), pc.cast(rows["received_at"], pa.int64()).to_numpy(),
            columns["event"].to_pylist(), event,
        )  # fmt: skip
        self._touch(new.customer, columns["context"])
        repeats = np.array(sorted(self.repeats), np.int64)
        since = self.place.passed // MICRO
        folded = fold_together(
            self.meaning, self.trails.buckets, new, since, self._last, repeats, self.index.listened_to
        )
        self.recogniser.until = folded.until
        found = list(folded.happenings)
        apart: dict[int, list[int]] = {}
        for at, customer in enumerate(new.customer.tolist()):
            if customer >= 0 and customer not in folded.until:
                apart.setdefault(customer, []).append(at)
        for customer, places in apart.items():
            past = self._all_of(customer)
            numbers = {seq: i for i, seq in enumerate(past.seq.tolist())}
            own = []
            for at in places:
                seq = int(new.seq[at])
                i = numbers.get(seq)
                if i is not None:
                    of = (int(past.time[i]), seq, int(past.code[i]), float(past.value[i]))
                    own.append(Row(*of, int(new.known[at]), event(at)))
            found += [(places[0], happening) for happening in self.recogniser.take(customer, own)]
        found.sort(key=lambda pair: (pair[1].known, pair[0]))
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

    def _whole(self, customer: int) -> Past:
        """The same and the new ones."""
        past = self._all_of(customer)
        there = past.seq <= self._last
        return past if there.all() else past.only(there)

    def _all_of(self, customer: int) -> Past:
        """All events of a customer in the trails, repeats left out."""
        past = self._known.get(customer)
        if past is None:
            past = self._known[customer] = self._read(customer)
        return past

    def _read(self, customer: int) -> Past:
        past = past_of(self.trails, customer)
        return past.only(~np.isin(past.seq, list(self.repeats))) if self.repeats else past

    def _of_time(self, passed: int) -> list[Happening]:
        """What time alone did to stages and segments between the last tick and ``passed``."""
        found: list[Happening] = []
        heard = Index(self.current.values())
        parts = []
        if "stage" in self.watched or any(heard.hears(kind) for kind in STAGES):
            parts.append(self.meaning.rules)
        if heard.hears("segment"):
            parts += self.meaning.segments.values()
        if parts:
            due = self.live.moments.due(self.trails, parts, self.place.passed // MICRO, passed // MICRO)
            for customer in due:
                found += self.recogniser.pass_time(customer, passed // MICRO, self.now)
                if "stage" in self.watched:
                    self.touched.setdefault(customer, set()).add("stage")
        return [dataclasses.replace(h, known=self.now) if h.known < self.now else h for h in found]

    def _touch(self, customers: npt.NDArray[np.int64], contexts: pa.Array) -> None:
        """Mark the customers (-1: none) of whom new events may have changed what conditions of waiting runs ask."""
        stood = self.watched & {"stage", "segment"}
        if stood:
            for customer in np.unique(customers).tolist():
                self.touched.setdefault(customer, set()).update(stood)
        if "traits" in self.watched:
            told = pc.fill_null(pc.match_substring(contexts, '"traits"'), False).to_numpy(zero_copy_only=False)
            for customer in np.unique(customers[told]).tolist():
                self.touched.setdefault(customer, set()).add("traits")
        self.touched.pop(-1, None)

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
                older = self._of_version(id, version)
                if older is not None:
                    yield older

    def _of_version(self, rule: str, version: str) -> Rule | None:
        return self.live.of_version(self.journey, self.definitions, rule, version)

    def _happen(self, happening: Happening) -> None:
        look: LiveLook | None = None
        for rule in self.index.of(happening):
            look = self._offer(rule, happening, look)

    def _offer(self, rule: Rule, happening: Happening, look: LiveLook | None = None) -> LiveLook | None:
        """Ask a rule about a happening: the runs that wait in it, then whether one begins. Gives the look that was
        made, for the next rule."""
        customer = happening.customer
        mine = [r for r in self.book.waiting(customer) if r.rule == rule.id]
        for run in mine:
            if run.version == rule.version:
                look = look or self._look(happening)
                self._keep(rule, run, advance(rule, run, happening, look))
        if self.current.get(rule.id) is not rule or happening.known < self.since.get(rule.id, 0):
            return look
        if not rule.begins(happening):
            return look
        key = rule.key_of(happening.event)
        if any(r.key == key and r.rule == rule.id for r in self.book.waiting(customer)):
            return look
        look = look or self._look(happening)
        self._keep(rule, None, advance(rule, None, happening, look), customer)
        return look

    def _look_at_decisions(self) -> bool:
        """Mark who decided on consent since the last tick; True where there are more than one batch of them."""
        state, connection = self.project.state, self.connection
        seen = state.counter(connection, DECIDED)
        if seen == self.decided + 1:
            return False
        upto = self.decided
        if seen and "consent" in self.watched:
            upto = min(upto, seen - 1 + self.live.batch)
            made, who = tables.consents.c, tables.identities.c
            same = sa.and_(who.kind == made.kind, who.value == made.value)
            query = sa.select(who.customer).join_from(tables.consents, tables.identities, same)
            for customer in connection.execute(query.where(made.id >= seen, made.id <= upto).distinct()).scalars():
                self.touched.setdefault(int(customer), set()).add("consent")
        state.set_counter(connection, DECIDED, upto + 1)
        return upto < self.decided

    def _ask_again(self) -> None:
        """Ask the runs that wait whether their conditions hold still, where something changed that they ask."""
        self.book.about(self.touched)
        for customer in sorted(self.touched):
            for run in tuple(self.book.waiting(customer)):
                rule = self._rule_of(run)
                if rule is not None and (changed := rule.watches & self.touched[customer]):
                    happening = Happening(customer, self.now, self.now, "condition", min(changed))
                    self._keep(rule, run, advance(rule, run, happening, self._look(happening)))

    def _rule_of(self, run: Run) -> Rule | None:
        """The rule of a run as it was when the run began; None where it is not on."""
        rule = self.current.get(run.rule)
        if rule is not None and rule.version != run.version:
            rule = self._of_version(run.rule, run.version)
        return rule

    def _look(self, happening: Happening) -> LiveLook:
        now = max(self.now, happening.time) if happening.time <= self.now else self.now
        return LiveLook(
            self.project, self.book, self.events, self.recogniser, self.current, self.numbers, happening.customer, now
        )  # fmt: skip

    def _keep(self, rule: Rule, run: Run | None, change: Change, customer: int = 0) -> None:
        if change.run is run and not change.notes:
            return
        self.book.keep(rule, run.customer if run is not None else customer, run, change)
        done, messages = self.done, sum(1 for act in change.acts if act.state == "waiting")
        self.done = Done(done.events, done.timers, done.changes + 1, done.messages + messages, done.more)

    def _fire(self) -> int:
        """The timers whose moment has come; of those of the same second the rule of higher priority goes first."""
        waiting = timers.due(self.connection, self.now, self.live.batch)
        by_id = kept.runs_by_id(self.connection, [timer.run for timer in waiting])
        self.book.about(run.customer for run in by_id.values())
        self.events.about(
            (run.customer, run.entered_at // MICRO)
            for run in by_id.values()
            if run.rule in self.current and self.current[run.rule].asks_events
        )

        def order(timer: timers.Timer) -> tuple[int, int, int]:
            run = by_id.get(timer.run)
            rule = self.current.get(run.rule) if run else None
            return timer.due // MICRO, -(rule.priority if rule else 0), timer.number

        for timer in sorted(waiting, key=order):
            run = by_id.get(timer.run)
            if run is None or run.status != WAITING:
                self.book.drop_timer(timer.number)
                continue
            self._fired(timer, run)
        return len(waiting)

    def _fired(self, timer: timers.Timer, run: Run) -> None:
        rule = self._rule_of(run)
        happening = Happening(run.customer, timer.due, self.now, "timer", str(run.id))
        if rule is None:
            off = Note("turned_off", self.now, self.now)
            self.book.end(dataclasses.replace(run, status=LEFT, due_at=None, finished_at=self.now), off)
            return
        self.book.set_timer(run.id, None)  # it has fired; the run may set another
        self._keep(rule, run, advance(rule, run, happening, self._look(happening)))

    # -- looks at everybody ------------------------------------------------------------------------------------------

    def _begin_sweeps(self, passed: int) -> bool:
        """Hours of the calendar and days of the traits that came between the last tick and ``passed``."""
        zone, begun = ZoneInfo(self.journey.timezone), False
        for rule in self.current.values():
            trigger = rule.trigger
            if trigger.calendar is None and trigger.date is None and trigger.lead is None:
                continue
            kind: sweeps.Kind = "score" if trigger.lead else "date" if trigger.calendar is None else "schedule"
            since = max(self.place.passed, self.since[rule.id] - 1)
            for time in schedule.moments(rule, zone, since, passed):
                begun |= sweeps.begin(self.project.state, self.connection, rule, kind, time, self.now)
        return begun

    def _plan(self, connection: Connection) -> list[_Part]:
        """The slices of this tick: of the rule of the highest priority first, then the earliest; as many as ask a batch
        of customers."""

        def order(sweep: sweeps.Sweep) -> tuple[int, int, int]:
            rule = self.current.get(sweep.rule)
            return -(rule.priority if rule else 0), sweep.time, sweep.id

        found: list[_Part] = []
        left = self.live.batch
        for sweep in sorted(sweeps.open_ones(connection), key=order)[:MOST_LOOKS]:
            part = self._part(sweep, left)
            found.append(part)
            left -= len(part.asked)
            if left <= 0:
                break
        return found

    def _part(self, sweep: sweeps.Sweep, limit: int) -> _Part:
        """The next slice of a look, as far as the trails tell it."""
        rule = self.current.get(sweep.rule)
        if rule is None or sweep.kind == "date":
            return _Part(sweep, limit, [], [])
        if sweep.kind == "schedule":
            asked = schedule.customers_after(self.trails, sweep.after, limit, sweep.time // MICRO)
            return _Part(sweep, limit, asked, [])
        try:
            if sweep.kind == "score":
                return self._scored(sweep, rule, limit)
            found = self.live.qualifier(sweep, self.trails, rule)
        except (MeasureError, MissingExtraError) as fault:  # a lead score that cannot be known
            log.warning("rule %s: %s", rule.id, fault)
            return _Part(sweep, limit, [], [], fault.code)
        theirs = found.after(sweep.after, limit)
        there = [
            c for c in theirs if self.trails.find(c) is not None
        ]  # neither erased nor merged since they were found
        now = [dataclasses.replace(h, known=max(self.now, h.time)) for c in there for h in found.beginnings(c)]
        return _Part(sweep, limit, theirs, now)

    def _scored(self, sweep: sweeps.Sweep, rule: Rule, limit: int) -> _Part:
        if rule.trigger.lead is None:
            return _Part(sweep, limit, [], [], "changed")
        theirs = self.live.crossing(sweep, self.trails, rule).after(sweep.after, limit)
        known = max(self.now, sweep.time)
        told = [Happening(c, sweep.time, known, "score", rule.id, event_of_score(p)) for c, p in theirs]
        return _Part(sweep, limit, [c for c, _ in theirs], told)

    def _sweep(self, part: _Part) -> None:
        """Take one slice of a look."""
        sweep, happenings = part.sweep, part.happenings
        asked: Sequence[int] = part.asked
        rule = self.current.get(sweep.rule)
        if not sweeps.still(self.connection, sweep):
            return  # another process took this slice
        if rule is None:
            sweeps.stop(self.connection, sweep, self.now, "turned_off")
            return
        if part.reason is not None:
            sweeps.stop(self.connection, sweep, self.now, part.reason)
            return
        known = max(self.now, sweep.time)
        after = asked[-1] if len(asked) >= part.limit else None
        if sweep.kind == "date":
            date, zone = rule.trigger.date, ZoneInfo(self.journey.timezone)
            if date is None:
                sweeps.stop(self.connection, sweep, self.now, "changed")
                return
            due, after = schedule.due_after(self.connection, date, zone, sweep.time, sweep.after, part.limit)
            asked = [customer for customer, _, _ in due]
            happenings = [
                Happening(c, own, max(known, own), "date", rule.id, {"properties": {"date": day}, "context": {}})
                for c, day, own in due
            ]
        elif sweep.kind == "schedule":
            happenings = [Happening(c, sweep.time, known, "schedule", rule.id) for c in asked]
        before = self.book.begun
        self.book.about(asked)
        for happening in happenings:
            self._offer(rule, happening)
        begun, finished = self.book.begun - before, None if after is not None else self.now
        sweeps.proceed(self.connection, sweep, sweep.after if after is None else after, len(asked), begun, finished)


@dataclasses.dataclass(frozen=True, slots=True)
class _Part:
    """The next slice of a look at everybody, of at most ``limit`` customers; ``reason``: why it cannot go on."""

    sweep: sweeps.Sweep
    limit: int
    asked: Sequence[int]
    happenings: Sequence[Happening]
    reason: str | None = None
