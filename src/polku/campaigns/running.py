"""The job ``campaigns``: makes the list of a campaign whose moment has come, and decides on it slice by slice.

Each slice is one transaction: runs, notes, messages, and what became of the customer on the list. A process that is
killed at any instant has decided a slice whole or not at all; two that work at once find out inside the transaction,
where each takes only customers on whom nothing is decided yet. A message's key (``campaign:<id>:<customer>``) is taken
once.

The sender empties the outbox; a campaign goes on only while few of its messages wait there, so that pausing and
stopping mean what they say.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from polku.campaigns.deciding import CAPPED, GONE, LATE, SENT, TWICE, Decision, Group, decide, refused_for, send_of
from polku.campaigns.definition import compiled, rule_id
from polku.campaigns.launching import DONE, LAUNCHED, RESTORED, Launch, end, launch_of, local, zones_of
from polku.campaigns.launching import LANE as LANE
from polku.channels.catalogue import channels
from polku.guidance import outbox
from polku.guidance.crowd import Crowd
from polku.guidance.engine import SILENT, Note
from polku.guidance.holdout import place
from polku.guidance.hours import after_quiet
from polku.guidance.runs import runs_by_id
from polku.record import tables
from polku.record.clock import now
from polku.record.steps import reached

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from polku.guidance.engine import Run
    from polku.guidance.rules import Rule
    from polku.record.project import Project

#: Customers of one transaction, when a list is made and when it is decided on.
GATHER: Final = 5_000
SLICE: Final = 500
#: While so many messages of a campaign wait in the outbox, no more are made.
WAITING: Final = 2_000
#: A run of the job ends after this many seconds.
RUN: Final = 20.0
HOUR: Final = 3_600_000_000
#: What the engine notes of the entry becomes a word of the list's own.
LISTED: Final = "listed"


@dataclasses.dataclass(slots=True)
class Done:
    """What a run of the job did: customers put onto lists, decided on, messages made."""

    listed: int = 0
    decided: int = 0
    messages: int = 0

    def outcome(self) -> dict[str, int | float | str] | None:
        told: dict[str, int | float | str] = {
            "listed": self.listed, "decided": self.decided, "messages": self.messages,
        }  # fmt: skip
        return {name: value for name, value in told.items() if value} or None


def due(project: Project, at: int | None = None) -> bool:
    """Whether a campaign has something to do now; only a look."""
    when = now() if at is None else at
    row = tables.campaigns.c
    with project.state.read() as connection:
        under_way = connection.execute(
            sa.select(row.id, row.at, row.gathered_at).where(row.state == LAUNCHED)
        ).all()  # fmt: skip
        for id, first, gathered in under_way:
            if gathered is None and first <= when:
                return True
            if gathered is None:
                continue
            next_due = _next_due(connection, id)
            if next_due is None or (next_due <= when and _free(connection, id)):
                return True
    return False


def run(project: Project, seconds: float = RUN, at: int | None = None) -> Done:
    """Do what is due, for at most ``seconds``. ``at``: now, in microseconds."""
    done, until = Done(), time.monotonic() + seconds
    while time.monotonic() < until:
        when = now() if at is None else at
        row = tables.campaigns.c
        with project.state.read() as connection:
            ids = list(connection.execute(sa.select(row.id).where(row.state == LAUNCHED, row.at <= when)).scalars())
        crowd: Crowd | None = None
        more = False
        for id in ids:
            crowd = crowd or Crowd.of(project, when)
            more |= _Running(project, id, crowd, when, done).go(until)
        if not more:
            break
    return done


def _next_due(connection: Connection, id: str) -> int | None:
    member = tables.campaign_members.c
    query = sa.select(sa.func.min(member.due_at)).where(member.campaign == id, member.what.is_(None))
    found = connection.execute(query).scalar()
    return None if found is None else int(found)


def _free(connection: Connection, id: str) -> bool:
    """Whether the outbox has room for more of a campaign."""
    box = tables.outbox.c
    query = sa.select(box.key).where(box.rule == rule_id(id), box.state == outbox.WAITING).limit(WAITING)
    return len(connection.execute(query).all()) < WAITING


class _Running:
    """One campaign on its way, as of one moment."""

    def __init__(self, project: Project, id: str, crowd: Crowd, when: int, done: Done) -> None:
        self.project, self.id, self.crowd, self.now, self.done = project, id, crowd, when, done
        self.journey = crowd.view.journey

    def go(self, until: float) -> bool:
        """Work until nothing is due or the time is up; whether there was anything."""
        with self.project.state.read() as connection:
            launch = launch_of(connection, self.id)
            restored = int(self.project.state.meta(connection, "restored_at") or 0)
        if launch is None or launch.state != LAUNCHED:
            return False
        if restored > max(launch.launched_at, launch.resumed_at or 0):
            self._restored()
            return False
        self.rule = compiled(self.id, launch.campaign, self.journey)
        self.channel = channels(self.project).get(send_of(self.rule).channel)
        worked = False
        if launch.gathered_at is None:
            worked = True
            if not self._gather(launch, until):
                return True
        while time.monotonic() < until:
            taken = self._slice(launch)
            if not taken:
                break
            worked = True
        return worked

    def _restored(self) -> None:
        """What was under way when a backup was taken does not go on: who got it since nobody here knows."""
        with self.project.state.write(LANE) as connection:
            launch = launch_of(connection, self.id)
            if launch is not None and launch.state == LAUNCHED:
                end(self.project, connection, self.id, self.now, RESTORED)

    # -- the list --------------------------------------------------------------------------------------------------

    def _gather(self, launch: Launch, until: float) -> bool:
        """Write who is on the list, with each one's moment; False where the time was up before it was whole."""
        customers = self.crowd.any_of(launch.campaign.to)
        after = launch.gathered
        rest = customers if after is None else customers[customers > after]
        moments = self._moments(launch, customers.tolist())
        for first in range(0, len(rest), GATHER):
            if time.monotonic() > until:
                return False
            part = rest[first : first + GATHER].tolist()
            if not self._write_members(after, part, moments):
                return False
            after = part[-1]
        row = tables.campaigns.c
        with self.project.state.write(LANE) as connection:
            change = sa.update(tables.campaigns).where(row.id == self.id, row.gathered_at.is_(None))
            connection.execute(change.values(gathered_at=self.now))
        reached("campaign gathered")
        return True

    def _moments(self, launch: Launch, customers: Sequence[int]) -> dict[int, int]:
        """When each customer's message is due: by the clock that is meant, in slices, outside of quiet hours."""
        campaign, zone = launch.campaign, ZoneInfo(self.journey.timezone)
        zones = zones_of(self.project)
        quiet = self.rule.quiet if send_of(self.rule).channel not in SILENT else None
        shift = self._shifts(launch, customers)
        by_zone: dict[tuple[ZoneInfo, int], int] = {}
        found: dict[int, int] = {}
        for customer in customers:
            own = zones.get(customer, zone)
            key = (own, shift.get(customer, 0))
            if key not in by_zone:
                clock = own if campaign.clock == "customer" else zone
                due = launch.launched_at if campaign.at is None else local(campaign.at, clock)
                due = max(due, launch.launched_at) + key[1]
                by_zone[key] = after_quiet(due, quiet, own) if quiet is not None else due
            found[customer] = by_zone[key]
        return found

    def _shifts(self, launch: Launch, customers: Sequence[int]) -> Mapping[int, int]:
        """Of a campaign that goes in slices how much later each one's slice is; by a hash, so that a slice is a fair
        sample and stays the same. Whom nothing could reach takes no place in a slice."""
        pace = launch.campaign.pace
        if pace is None:
            return {}
        reachable: list[int] = []
        with self.project.state.read() as connection:
            for at in range(0, len(customers), GATHER):
                part = customers[at : at + GATHER]
                group = Group(self.project, connection, self.crowd, self.rule, self.channel, part, self.now)
                reachable += [c for c in part if refused_for(group, c, launch.campaign.to) is None]
        order = sorted(reachable, key=lambda customer: place(customer, rule_id(self.id), "pace"))
        return {customer: at // pace.customers * pace.every * 1_000_000 for at, customer in enumerate(order)}

    def _write_members(self, after: int | None, part: list[int], moments: Mapping[int, int]) -> bool:
        """One part of the list, unless another process wrote it or the campaign does not go on."""
        row = tables.campaigns.c
        with self.project.state.write(LANE) as connection:
            here = sa.and_(row.id == self.id, row.state == LAUNCHED)
            here = sa.and_(here, row.gathered.is_(None) if after is None else row.gathered == after)
            moved = connection.execute(sa.update(tables.campaigns).where(here).values(gathered=part[-1]))
            if not moved.rowcount:
                return False
            columns: dict[str, Sequence[Any]] = {
                "campaign": [self.id] * len(part),
                "origin": part,
                "due_at": [moments[c] for c in part],
            }
            self.project.state.insert_many(connection, tables.campaign_members, columns)
            reached("campaign list written")
        self.done.listed += len(part)
        return True

    # -- slices ----------------------------------------------------------------------------------------------------

    def _slice(self, launch: Launch) -> int:
        """Decide on the next customers whose moment has come; how many they were."""
        with self.project.state.read() as connection:
            due_now, free = self._due(connection), _free(connection, self.id)
        if not due_now:
            self._finish()
        if not due_now or not free:
            return 0
        with self.project.state.write(LANE) as connection:
            current = launch_of(connection, self.id)
            if current is None or current.state != LAUNCHED:
                return 0
            due_now = self._due(connection)
            decisions = list(self._decisions(connection, due_now, launch.campaign.to))
            self._keep(connection, decisions)
            reached("campaign slice written")
        reached("campaign slice committed")
        self.done.decided += sum(1 for _, one in decisions if one.what is not None)
        self.done.messages += sum(1 for _, one in decisions if one.what == SENT)
        return len(decisions)

    def _due(self, connection: Connection) -> list[Any]:
        member, who = tables.campaign_members, tables.identities.c
        query = (
            sa.select(member.c.origin, member.c.due_at, member.c.run, who.customer)
            .join_from(member, tables.identities, who.id == member.c.origin, isouter=True)
            .where(member.c.campaign == self.id, member.c.what.is_(None), member.c.due_at <= self.now)
            .order_by(member.c.due_at, member.c.origin)
            .limit(SLICE)
        )
        return list(connection.execute(query).all())

    def _finish(self) -> None:
        """Done when nobody on the list waits any more."""
        row = tables.campaigns.c
        with self.project.state.write(LANE) as connection:
            if _next_due(connection, self.id) is None:
                here = sa.and_(row.id == self.id, row.state == LAUNCHED, row.gathered_at.is_not(None))
                change = sa.update(tables.campaigns).where(here)
                connection.execute(change.values(state=DONE, finished_at=self.now))

    def _decisions(
        self, connection: Connection, rows: Sequence[Any], to: Sequence[str]
    ) -> Iterator[tuple[int, Decision]]:
        """What becomes of each, by the id under which they are on the list."""
        whose = {int(row.origin): int(row.customer) for row in rows if row.customer is not None}
        group = Group(self.project, connection, self.crowd, self.rule, self.channel, whose.values(), self.now)
        runs = runs_by_id(connection, [int(row.run) for row in rows if row.run is not None])
        taken = self._taken(connection, whose.values())
        late = self.now - self.project.settings.sending.late * HOUR
        for row in rows:
            origin = int(row.origin)
            customer = whose.get(origin, -1)
            run: Run | None = runs.get(int(row.run)) if row.run is not None else None
            if customer < 0:
                yield origin, Decision(origin, GONE, None, ())
            elif customer in taken and run is None:
                yield origin, Decision(customer, TWICE, None, (Note(TWICE, self.now, self.now),))
            elif row.due_at < late and run is None and not self.rule.owed:
                yield origin, Decision(customer, LATE, None, (Note(LATE, int(row.due_at), self.now),))
            else:
                if run is not None and run.customer != customer:
                    run = dataclasses.replace(run, customer=customer)  # joined while the message waited
                taken.add(customer)
                yield origin, decide(group, customer, int(row.due_at), to, run)

    def _taken(self, connection: Connection, customers: Sequence[int] | Any) -> set[int]:
        """Those of the customers on whom it was decided under another of their ids."""
        member, who = tables.campaign_members.c, tables.identities.c
        query = (
            sa.select(who.customer)
            .join_from(tables.campaign_members, tables.identities, who.id == member.origin)
            .where(
                member.campaign == self.id, who.customer.in_(sorted(set(customers))),
                sa.or_(sa.and_(member.what.is_not(None), member.what != TWICE), member.run.is_not(None)),
            )
        )  # fmt: skip
        return {int(customer) for customer in connection.execute(query).scalars()}

    # -- writing ---------------------------------------------------------------------------------------------------

    def _keep(self, connection: Connection, decisions: Sequence[tuple[int, Decision]]) -> None:
        """Everything of a slice, in the caller's transaction."""
        state = self.project.state
        numbers = self._keep_runs(connection, decisions)
        notes = [
            (numbers.get(origin), one.customer, LISTED if note.what == "entered" else note.what, note)
            for origin, one in decisions
            for note in one.notes
            if one.what != GONE
        ]
        if notes:
            first = state.reserve(connection, "run_note", len(notes))
            columns: dict[str, Sequence[Any]] = {
                "id": list(range(first, first + len(notes))),
                "run": [run for run, _, _, _ in notes],
                "rule": [self.rule.id] * len(notes),
                "customer": [customer for _, customer, _, _ in notes],
                "time": [note.time for _, _, _, note in notes],
                "known": [note.known for _, _, _, note in notes],
                "what": [what for _, _, what, _ in notes],
                "facts": [json.dumps(dict(n.facts), ensure_ascii=False, sort_keys=True) for _, _, _, n in notes],
            }
            state.insert_many(connection, tables.run_notes, columns)
        outbox.put_all(connection, self._messages(decisions, numbers))
        member = tables.campaign_members
        changes = [
            {
                "o": origin, "run": numbers.get(origin), "what": one.what,
                "due_at": one.due, "decided_at": None if one.what is None else self.now,
            }
            for origin, one in decisions
        ]  # fmt: skip
        here = sa.and_(member.c.campaign == self.id, member.c.origin == sa.bindparam("o"))
        waits = [c for c in changes if c["due_at"] is not None]
        over = [{k: v for k, v in c.items() if k != "due_at"} for c in changes if c["due_at"] is None]
        names = ("run", "what", "decided_at")
        set_over: dict[str, Any] = {name: sa.bindparam(f"v_{name}") for name in names}
        if over:
            change = sa.update(member).where(here).values(**set_over)
            connection.execute(change, [{"o": c["o"]} | {f"v_{n}": c[n] for n in names} for c in over])
        if waits:
            change = sa.update(member).where(here).values(run=sa.bindparam("v_run"), due_at=sa.bindparam("v_due"))
            connection.execute(change, [{"o": c["o"], "v_run": c["run"], "v_due": c["due_at"]} for c in waits])

    def _keep_runs(self, connection: Connection, decisions: Sequence[tuple[int, Decision]]) -> dict[int, int]:
        """Write the runs; their numbers by the id on the list."""
        state, table = self.project.state, tables.runs
        new = [(origin, one.run) for origin, one in decisions if one.run is not None and not one.run.id]
        numbers = {origin: one.run.id for origin, one in decisions if one.run is not None and one.run.id}
        if new:
            first = state.reserve(connection, "run", len(new))
            numbers |= {origin: first + at for at, (origin, _) in enumerate(new)}
            of = [run for _, run in new]
            columns: dict[str, Sequence[Any]] = {
                "id": [numbers[origin] for origin, _ in new],
                "rule": [run.rule for run in of], "version": [run.version for run in of],
                "customer": [run.customer for run in of], "origin": [origin for origin, _ in new],
                "key": [run.key for run in of], "step": [run.step for run in of],
                "entered_at": [run.entered_at for run in of], "due_at": [run.due_at for run in of],
                "status": [run.status for run in of], "finished_at": [run.finished_at for run in of],
                "facts": [_json(run.facts) for run in of],
            }  # fmt: skip
            state.insert_many(connection, table, columns)
        for _, one in decisions:
            run = one.run
            if run is not None and run.id:
                values = {
                    "step": run.step, "due_at": run.due_at, "status": run.status, "finished_at": run.finished_at,
                    "facts": _json(run.facts),
                }  # fmt: skip
                connection.execute(sa.update(table).where(table.c.id == run.id).values(**values))
        return numbers

    def _messages(
        self, decisions: Sequence[tuple[int, Decision]], numbers: Mapping[int, int]
    ) -> Iterator[outbox.Message]:
        rule: Rule = self.rule
        for origin, one in decisions:
            act = one.act
            if act is None or one.what not in (SENT, CAPPED):
                continue
            facts = {name: value for name, value in act.facts.items() if value is not None}
            yield outbox.Message(
                key=f"{rule.id}:{origin}", rule=rule.id, customer=one.customer, channel=act.channel,
                content=act.content, made_at=self.now, run=numbers[origin], step=act.step,
                variant=act.variant or None, facts={**facts, "campaign": self.id}, owed=rule.owed,
                priority=rule.priority, state=act.state, reason=act.reason,
            )  # fmt: skip


def _json(facts: Mapping[str, Any]) -> str:
    return json.dumps(dict(facts), ensure_ascii=False, sort_keys=True)
