"""What one transaction of guidance knows of its customers, and what it writes of them.

Everything is read for all customers of the transaction at once, when it is first asked of any of them, and written at
its end with one statement a table: a decision costs no statement of its own. What was decided in the transaction is
known to the decisions after it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from polku.guidance import outbox
from polku.guidance.engine import WAITING, Change, Note, Run
from polku.guidance.rules import Rule
from polku.guidance.runs import MANY, run_of
from polku.guidance.shares import shares_of
from polku.record import tables

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from polku.record.state import State

#: What a run says of how it came to its first act.
DEALT = ("treated", "held_out")


class Book:
    """See the module. ``about`` names customers before anything is asked of them; ``flush`` writes."""

    def __init__(self, state: State, connection: Connection, customers: Iterable[int] = ()) -> None:
        self.state, self.connection = state, connection
        self._crowd: set[int] = set(customers)
        self._shelves: dict[Any, dict[int, Any]] = {}
        self._asked: dict[Any, set[int]] = {}
        self._shares: dict[tuple[str, int], Mapping[str, float] | None] = {}
        self._numbers: dict[str, list[int]] = {}  # counter -> next number, first number of this transaction
        self.begun = 0  # runs that began in the transaction
        self._new: dict[int, Run] = {}
        self._changed: dict[int, Run] = {}
        self._timers: dict[int, tuple[int, int] | None] = {}  # run -> (number, due)
        self._gone: list[int] = []  # timers without a run
        self._notes: list[dict[str, Any]] = []
        self._messages: list[outbox.Message] = []

    def about(self, customers: Iterable[int]) -> None:
        """These customers will be asked about too."""
        self._crowd.update(customers)

    # -- asking ------------------------------------------------------------------------------------------------------

    def _shelf(self, name: Any, customer: int, read: Callable[[Sequence[int]], Iterator[tuple[int, Any]]]) -> list[Any]:
        """What stands on a shelf about a customer; read for everybody of the crowd who is not on it yet."""
        shelf, asked = self._shelves.setdefault(name, {}), self._asked.setdefault(name, set())
        if customer not in asked:
            missing = sorted({customer, *self._crowd} - asked)
            for at in range(0, len(missing), MANY):
                for whose, what in read(missing[at : at + MANY]):
                    shelf.setdefault(whose, []).append(what)
            asked.update(missing)
        found: list[Any] = shelf.setdefault(customer, [])
        return found

    def ids(self, customer: int) -> list[tuple[str, str]]:
        """(kind, value) of the customer's ids."""
        who = tables.identities.c

        def read(keys: Sequence[int]) -> Iterator[tuple[int, Any]]:
            query = sa.select(who.customer, who.kind, who.value).where(who.customer.in_(keys))
            yield from ((int(c), (kind, value)) for c, kind, value in self.connection.execute(query))

        return self._shelf("ids", customer, read)

    def traits(self, customer: int) -> Mapping[str, Any]:
        """The latest value of each trait."""
        trait, who = tables.traits.c, tables.identities.c

        def read(keys: Sequence[int]) -> Iterator[tuple[int, Any]]:
            query = (
                sa.select(who.customer, trait.name, trait.value)
                .join_from(tables.traits, tables.identities, trait.identity == who.id)
                .where(who.customer.in_(keys))
                .order_by(trait.time, trait.seq)
            )
            yield from ((int(c), (name, json.loads(value))) for c, name, value in self.connection.execute(query))

        return dict(self._shelf("traits", customer, read))

    def waiting(self, customer: int) -> list[Run]:
        """The customer's runs that wait, the oldest first."""
        table = tables.runs.c

        def read(keys: Sequence[int]) -> Iterator[tuple[int, Any]]:
            mine = sa.select(tables.runs).where(table.customer.in_(keys), table.status == WAITING).order_by(table.id)
            yield from ((int(row.customer), run_of(row)) for row in self.connection.execute(mine))

        return self._shelf("waiting", customer, read)

    def acted(self, customer: int, rule: str) -> list[int]:
        """When runs of ``rule`` came to their first act, held out or not."""
        note = tables.run_notes.c

        def read(keys: Sequence[int]) -> Iterator[tuple[int, Any]]:
            mine = sa.select(note.customer, note.known).where(
                note.customer.in_(keys), note.rule == rule, note.what.in_(DEALT)
            )
            yield from ((int(c), int(known)) for c, known in self.connection.execute(mine))

        return self._shelf(("acted", rule), customer, read)

    def keys(self, customer: int, rule: str) -> list[str]:
        """The keys of all runs that the customer ever had of ``rule``."""
        run = tables.runs.c

        def read(keys: Sequence[int]) -> Iterator[tuple[int, Any]]:
            mine = sa.select(run.customer, run.key).where(run.customer.in_(keys), run.rule == rule).distinct()
            yield from ((int(c), key) for c, key in self.connection.execute(mine))

        return self._shelf(("keys", rule), customer, read)

    def messages(self, customer: int, channel: str) -> list[int]:
        """When messages on the channel were decided that caps count: not owed, not dropped."""
        box = tables.outbox.c

        def read(keys: Sequence[int]) -> Iterator[tuple[int, Any]]:
            mine = sa.select(box.customer, box.made_at).where(
                box.customer.in_(keys), box.channel == channel, box.owed.is_(sa.false()), box.state.in_(outbox.COUNTED)
            )
            yield from ((int(c), int(made)) for c, made in self.connection.execute(mine))

        return self._shelf(("messages", channel), customer, read)

    def given(self, customer: int, rule: str, step: int) -> str | None:
        """The variant that the customer was given at this step of ``rule`` before; None: none yet."""
        box = tables.outbox.c

        def read(keys: Sequence[int]) -> Iterator[tuple[int, Any]]:
            mine = sa.select(box.customer, box.variant).where(
                box.customer.in_(keys), box.rule == rule, box.step == step, box.variant.is_not(None)
            )
            yield from ((int(c), str(name)) for c, name in self.connection.execute(mine.order_by(box.made_at)))

        found = self._shelf(("given", rule, step), customer, read)
        return found[-1] if found else None

    def shares(self, rule: str, step: int) -> Mapping[str, float] | None:
        """What a bandit has learned of the variants of a step; None: nothing yet."""
        if (rule, step) not in self._shares:
            self._shares[rule, step] = shares_of(self.connection, rule, step)
        return self._shares[rule, step]

    # -- writing -----------------------------------------------------------------------------------------------------

    def keep(self, rule: Rule, customer: int, before: Run | None, change: Change) -> Run | None:
        """Take down what the engine said: the run, its timer, notes, messages. Returns the run as it is kept."""
        run = change.run
        if run is not None and run is not before:
            run = self._put(run)
            if before is None or run.due_at != before.due_at:
                self.set_timer(run.id, run.due_at if run.status == WAITING else None)
            waiting = self.waiting(run.customer)
            waiting[:] = [r for r in waiting if r.id != run.id]
            if run.status == WAITING:
                waiting.append(run)
        self.note(rule.id, customer, run.id if run is not None else None, change.notes)
        for act in change.acts:
            assert run is not None
            made_at = change.notes[-1].known if change.notes else run.entered_at
            message = outbox.Message(
                key=f"{run.id}:{act.step}:{act.variant}", rule=rule.id, customer=customer, channel=act.channel,
                content=act.content, made_at=made_at, run=run.id, step=act.step, variant=act.variant or None,
                facts=act.facts, owed=rule.owed, priority=rule.priority, state=act.state, reason=act.reason,
            )  # fmt: skip
            if not rule.owed and act.state in outbox.COUNTED:
                self.messages(customer, act.channel).append(made_at)
            if act.variant:
                self.given(customer, rule.id, act.step)
                self._shelves["given", rule.id, act.step][customer].append(act.variant)
            self._messages.append(message)
        return run

    def end(self, run: Run, why: Note) -> None:
        """Take down a run that ended for a reason outside its rule."""
        self._put(run)
        self.set_timer(run.id, None)
        waiting = self.waiting(run.customer)
        waiting[:] = [r for r in waiting if r.id != run.id]
        self.note(run.rule, run.customer, run.id, [why])

    def note(self, rule: str, customer: int, run: int | None, notes: Sequence[Note]) -> None:
        """Take down notes of a run (None: of none, as when a rule did not begin)."""
        for one in notes:
            if one.what in DEALT:
                self.acted(customer, rule).append(one.known)
            self._notes.append({
                "id": self._number("run_note"), "run": run, "rule": rule, "customer": customer, "time": one.time,
                "known": one.known, "what": one.what,
                "facts": json.dumps(one.facts, ensure_ascii=False, sort_keys=True) if one.facts else "{}",
            })  # fmt: skip

    def set_timer(self, run: int, due: int | None) -> None:
        """Give a run its moment, in place of the one it had; None: it waits for none."""
        self._timers[run] = None if due is None else (self._number("timer"), due)

    def drop_timer(self, number: int) -> None:
        """Take away a timer whose run is gone."""
        self._gone.append(number)

    def _put(self, run: Run) -> Run:
        if run.id:
            (self._new if run.id in self._new else self._changed)[run.id] = run
            return run
        run = _numbered(run, self._number("run"))
        self._new[run.id] = run
        self.begun += 1
        self._shelves.setdefault(("keys", run.rule), {}).setdefault(run.customer, []).append(run.key)
        return run

    def _number(self, counter: str) -> int:
        """The next number of a counter; the counter stays locked until the transaction ends."""
        numbers = self._numbers.get(counter)
        if numbers is None:
            first = self.state.reserve(self.connection, counter, 0)
            numbers = self._numbers[counter] = [first, first]
        numbers[0] += 1
        return numbers[0] - 1

    def flush(self) -> None:
        """Write all that was taken down since the last time."""
        connection = self.connection
        for counter, (upcoming, first) in self._numbers.items():
            if upcoming > first:
                self.state.reserve(connection, counter, upcoming - first)
        self._numbers.clear()
        if self._new:
            insert_rows(self.state, connection, tables.runs, [_row_of(r) for r in self._new.values()])
        if self._changed:
            values: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in CHANGING}
            query = sa.update(tables.runs).where(tables.runs.c.id == sa.bindparam("of")).values(**values)
            rows = [_row_of(r) for r in self._changed.values()]
            connection.execute(query, [{"of": r["id"], **{f"new_{n}": r[n] for n in CHANGING}} for r in rows])
        before = [run for run in self._timers if run not in self._new]
        for at in range(0, len(before), MANY):
            connection.execute(sa.delete(tables.timers).where(tables.timers.c.run.in_(before[at : at + MANY])))
        if self._gone:
            connection.execute(sa.delete(tables.timers).where(tables.timers.c.number.in_(self._gone)))
        waits = [{"number": t[0], "due": t[1], "run": run} for run, t in self._timers.items() if t is not None]
        insert_rows(self.state, connection, tables.timers, waits)
        insert_rows(self.state, connection, tables.run_notes, self._notes)
        outbox.put_all(connection, self._messages)
        for kept in (self._new, self._changed, self._timers):
            kept.clear()
        self._gone, self._notes, self._messages = [], [], []


class DryBook(Book):
    """A book that is never written: what would be decided is known to the decisions after it, and then forgotten."""

    def _number(self, counter: str) -> int:
        numbers = self._numbers.setdefault(counter, [1 << 60])
        numbers[0] += 1
        return numbers[0]

    def flush(self) -> None:
        raise AssertionError("a dry run writes nothing")


#: Columns of a run that change while it goes on.
CHANGING = ("step", "entered_at", "due_at", "status", "finished_at", "facts")


def _numbered(run: Run, id: int) -> Run:
    return Run(
        run.rule, run.version, run.customer, run.key, run.step, run.entered_at, run.due_at, run.status, run.facts, id,
        run.finished_at,
    )  # fmt: skip


def _row_of(run: Run) -> dict[str, Any]:
    return {
        "id": run.id, "rule": run.rule, "version": run.version, "customer": run.customer, "origin": run.customer,
        "key": run.key, "step": run.step, "entered_at": run.entered_at, "due_at": run.due_at, "status": run.status,
        "finished_at": run.finished_at, "facts": json.dumps(run.facts, ensure_ascii=False, sort_keys=True),
    }  # fmt: skip


def insert_rows(state: State, connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that have the same columns, the fast way of each database."""
    if rows:
        state.insert_many(connection, table, {name: [row[name] for row in rows] for name in rows[0]})
