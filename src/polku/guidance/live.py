"""Live guidance: what arrived since the cursor, and time itself, through the rules; all that comes of it in one
transaction with the cursor.

A tick reads outside of the transaction (trails, the fold of each customer concerned) and decides inside it. The cursor
is compared in it: of two processes that took the same events one writes, and a process that is killed at any instant
has either done all of a tick or nothing.

Only what happens live acts. The past of a customer (imports, what was merged in, a corrected history, another map, a
backup that was restored) is folded without being told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from polku.guidance import runs as kept
from polku.guidance import sweeps, timers
from polku.guidance.engine import LEFT, WAITING, Note
from polku.guidance.lag import CURSOR, PASSED
from polku.guidance.leads import Crossing
from polku.guidance.limits import MICRO
from polku.guidance.moments import Moments
from polku.guidance.place import FOLLOWED, RESTORED, Done, Place
from polku.guidance.qualifying import Qualifier
from polku.guidance.rules import Rule, compile_rules, from_definition
from polku.guidance.sweeps import Sweep
from polku.guidance.tick import DECIDED, Tick
from polku.record import clock, tables
from polku.record.consents import COUNTER as DECISIONS
from polku.trails import open_trails

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from polku.journey.model import Journey
    from polku.record.project import Project
    from polku.trails.layout import Trails

#: Events and timers of one transaction: it holds up the other writers of the state.
BATCH = 1_000


class Live:
    """Guidance of one project in one process. ``batch``: events and timers of one transaction."""

    def __init__(self, project: Project, batch: int = BATCH) -> None:
        self.project, self.batch = project, batch
        self.moments = Moments()
        self._compiled: tuple[Journey, tuple[Rule, ...]] | None = None
        self._older: dict[tuple[str, str], Rule] = {}
        self._qualifier: tuple[tuple[int, str], Qualifier] | None = None
        self._crossing: tuple[tuple[int, str], Crossing] | None = None

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
            place = self.place(connection)
            if place is None:
                return bool(self.rules())
            if sweeps.any_open(connection):
                return True
            arrived = connection.execute(sa.select(sa.func.max(tables.inbox.c.last_seq))).scalar() or 0
            if max(int(arrived), self.project.state.counter(connection, "moved")) > place.cursor:
                return True
            if self.project.state.counter(connection, DECISIONS) >= self.project.state.counter(connection, DECIDED):
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
        with project.state.read() as connection:
            decided = project.state.counter(connection, DECISIONS)
        project.consents.refresh()
        place = self._begun(arrived, moment, rules)
        if place is None:
            return Done()
        trails = open_trails(project)
        seen = min(int((trails.position or {}).get("inbox", 0)), 1 << 62)
        return Tick(self, trails, rules, place, moment, seen, arrived, decided).run()

    # -- where it stands ---------------------------------------------------------------------------------------------

    def place(self, connection: Connection) -> Place | None:
        """Where guidance stands; None where it never ran."""
        state = self.project.state
        passed = state.counter(connection, PASSED)
        if not passed:
            return None
        return Place(state.counter(connection, CURSOR), passed, state.counter(connection, FOLLOWED))

    def _begun(self, arrived: int, now: int, rules: Sequence[Rule]) -> Place | None:
        """Where guidance stands; at the very first start it stands behind all that has arrived, and so after a restore:
        what was so then is not to be acted on now."""
        state = self.project.state
        with state.read() as connection:
            place = self.place(connection)
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
            return self.place(connection)

    def qualifier(self, sweep: Sweep, trails: Trails, rule: Rule) -> Qualifier:
        """Who may qualify for a look at everybody; found once for all of its slices."""
        if self._qualifier is None or self._qualifier[0] != (sweep.id, rule.version):
            found = Qualifier(self.project, trails, rule, sweep.time, sweep.since or 0)
            self._qualifier = ((sweep.id, rule.version), found)
        return self._qualifier[1]

    def crossing(self, sweep: Sweep, trails: Trails, rule: Rule) -> Crossing:
        """Who crosses the bound of a lead score at a look; scored once for all of its slices."""
        if self._crossing is None or self._crossing[0] != (sweep.id, rule.version):
            self._crossing = ((sweep.id, rule.version), Crossing(self.project, trails, rule, sweep.time))
        return self._crossing[1]

    def of_version(
        self, journey: Journey, definitions: Mapping[tuple[str, str], str], rule: str, version: str
    ) -> Rule | None:
        """The rule as it was in another version; None where nothing tells."""
        key = (rule, version)
        if key not in self._older and key in definitions:
            self._older[key] = from_definition(rule, definitions[key], journey)
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
    for sweep in sweeps.open_ones(connection):
        sweeps.stop(connection, sweep, now, "restored")


__all__ = ["BATCH", "Done", "Live"]
