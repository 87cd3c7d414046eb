"""Who is who: raw ids become customers, and ids seen together become one customer.

The rule, which gives the same groups in whatever order events arrive:

* Every user id is a person, and so is every e-mail address, phone number or customer number (user ids that are written
  ``email:<hash>``, ``phone:<hash>``, ``number:K-1001``). Those that one event names together are one person; so are the
  former and the new id of an alias.
* Every anonymous id belongs to at most one of them: the user it was **first seen with** by the events' own times (equal
  times: the smaller hash). Two users are never merged through a device that they share: rows that carry a user id are
  that user's, rows that carry only the anonymous id belong to its owner.
* An id that would join more others than one person has is put into quarantine: it joins nothing
  (polku.record.quarantine).
* Account ids stand apart: they are customers of a map whose subject is the account.
* Every id has an integer; a customer's key is the smallest integer of their ids.
* A join that a person undid never counts as evidence again; what a person said by hand stands above events.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from polku.errors import RecordError
from polku.language import N_
from polku.record import aliases, joining, partition, quarantine, tables
from polku.record.clock import moment, now
from polku.record.gather import Gather, Gathered
from polku.record.hashes import KINDS, Kind, id_hash, kind_of
from polku.record.ids import Held, Id, Join, Preview
from polku.record.idtable import IdTable, IdTables
from polku.record.numbering import Numbers
from polku.record.profiles import profiles, store_traits
from polku.record.quarantine import Caps
from polku.record.state import State
from polku.record.steps import reached

if TYPE_CHECKING:
    from polku.record.history import History
    from polku.record.inbox import Inbox

#: Writes beside a deed in its transaction: the audit log's row.
Noting = Callable[[Connection], None]
ID_COLUMNS = ("time", "seq", "event", "user_id", "anonymous_id", "account_id", "context")


class _Tried(BaseException):
    """Ends a transaction that was only a trial; never leaves this module."""


class Identities:
    """The identities of a project."""

    def __init__(self, state: State, history: History, inbox: Inbox, cache: Path, caps: Caps | None = None) -> None:
        self.state, self.history, self.inbox = state, history, inbox
        self.caps = caps or Caps()
        self._tables = IdTables(state, cache)
        self._lock = threading.RLock()

    # -- learning -----------------------------------------------------------------------------------------------

    def observe(
        self,
        user: pa.Array | None = None,
        anonymous: pa.Array | None = None,
        account: pa.Array | None = None,
        times: pa.Array | None = None,
    ) -> int:
        """Learn ids (string or dictionary arrays of equal length) and who was seen together. Returns how many are new.

        ``times`` is timestamp[us, UTC]; events themselves are observed when they are written.
        """
        given = {"user_id": user, "anonymous_id": anonymous, "account_id": account, "time": times}
        present = {name: column for name, column in given.items() if column is not None}
        length = len(next(iter(present.values()))) if present else 0
        present.setdefault("time", pa.array(np.full(length, now())).cast(pa.timestamp("us", tz="UTC")))
        present["seq"] = pa.array(np.zeros(length, np.int64))
        gather = Gather()
        gather.take(pa.table(present))
        return self.apply(gather.gathered())

    def gatherer(self) -> Gathering:
        """For the history's writer: sees the batches, applies what they say when the commit is done."""
        return Gathering(self)

    def apply(self, gathered: Gathered, counters: dict[str, int] | None = None) -> int:
        """Write what was gathered, and ``counters``, in one transaction. Returns how many ids are new."""
        with self._lock:
            with self.state.write() as connection:
                base = self._tables.newest(connection)
                numbers = Numbers(self.state, connection, base, gathered)
                seen = aliases.with_aliases(
                    self.state,
                    connection,
                    gathered,
                    numbers.fresh_users(),
                    numbers.known(gathered.aliases.weaker),
                    numbers.of(base, gathered.aliases.stronger),
                )
                changed = joining.join(self.state, connection, numbers.pairs(seen), numbers.fresh_from, self.caps)
                customers = numbers.customers(changed)
                numbers.insert(self.state, connection, customers)
                joining.record(self.state, connection, changed)
                self._store_traits(connection, base, numbers, gathered)
                for name, value in (counters or {}).items():
                    self.state.set_counter(connection, name, max(value, self.state.counter(connection, name)))
                reached("identities written")
            self._tables.extend(base, numbers.hashes, customers, numbers.ids, numbers.last)
            self._tables.save()
            return len(numbers.ids)

    def _store_traits(self, connection: Connection, base: IdTable, numbers: Numbers, gathered: Gathered) -> None:
        wanted = np.array(sorted({h for h, _ in gathered.traits.latest}), np.uint64)
        if not len(wanted):
            return
        owners = dict(zip(wanted.tolist(), numbers.of(base, wanted).tolist(), strict=True))
        if store_traits(self.state, connection, gathered.traits, owners):
            self.state.reserve(connection, "profiles", 1)

    def catch_up(self, *, inbox: bool = False) -> None:
        """Observe what history (and the inbox) has and the state does not know yet: a crash may lie between the two."""
        with self._lock:
            with self.state.read() as connection:
                seen = self.state.counter(connection, "history_observed")
            newest = self.history.version
            if newest > seen:
                self._catch_up_history(seen, newest)
            if inbox:
                self._catch_up_inbox()

    def _catch_up_history(self, seen: int, newest: int) -> None:
        commits = self.history.commits_since(seen)
        if commits is None:
            files = list(self.history.snapshot().files)
        else:
            files = [f for c in commits for f in c.added if c.kind != "erase"]
        self._restore_seq()
        gather = Gather()
        if files:
            current = {f.path for f in self.history.snapshot().files}
            if any(f.path not in current for f in files):
                files = list(self.history.snapshot().files)  # compacted meanwhile: the events stand in other files
            for batch in self.history.read(ID_COLUMNS, files=files):
                gather.take(batch)
        self.apply(gather.gathered(), {"history_observed": newest})

    def _restore_seq(self) -> None:
        """A state that was lost, or came back from a backup, must not give numbers that history has."""
        with self.state.write() as connection:
            last = self.history.last_seq()
            if self.state.counter(connection, "seq") < last:
                self.state.set_counter(connection, "seq", last)

    def _catch_up_inbox(self) -> None:
        with self.state.read() as connection:
            seen = self.state.counter(connection, "inbox_observed")
        tail = self.inbox.tail(seen, ID_COLUMNS)
        if tail.num_rows:
            gather = Gather()
            gather.take(tail)
            last = int(tail["seq"].to_numpy().max())
            self.apply(gather.gathered(), {"inbox_observed": last})

    # -- asking -------------------------------------------------------------------------------------------------

    def table(self) -> IdTable:
        """All that is needed to resolve raw ids of arrays: hashes and customers (see IdTable)."""
        with self._lock, self.state.read() as connection:
            table = self._tables.newest(connection)
        self._tables.save()
        return table

    def version(self) -> int:
        """Counter of merges, undos and erasures."""
        with self.state.read() as connection:
            return self.state.counter(connection, "identity")

    def customer_of(self, kind: Kind, value: str) -> int | None:
        """The customer of a raw id, or None when it was never seen (or names nobody)."""
        with self.state.read() as connection:
            found = self._id(connection, kind, value)
            if found is None:
                return None
            query = sa.select(tables.identities.c.customer).where(tables.identities.c.id == found.number)
            return int(connection.execute(query).scalar_one())

    def customer_of_number(self, number: int) -> int:
        """The customer of an id by its number. Raises RecordError when there is no such id."""
        with self.state.read() as connection:
            return int(self._by_number(connection, number).customer)

    def find(self, value: str) -> tuple[tuple[Id, int], ...]:
        """Every id with this value, of whatever kind, with its customer."""
        with self.state.read() as connection:
            found = [self._id(connection, kind, value) for kind in KINDS]
            return tuple((i, self._customer(connection, i.number)) for i in found if i is not None)

    def ids_of(self, customer: int) -> tuple[Id, ...]:
        """Every raw id of a customer, the oldest first; empty when there is no such customer."""
        with self.state.read() as connection:
            return self._ids_of(connection, [customer]).get(customer, ())

    def ids_of_many(self, customers: Iterable[int]) -> dict[int, tuple[Id, ...]]:
        """Raw ids of several customers at once."""
        with self.state.read() as connection:
            return self._ids_of(connection, list(customers))

    def id_number(self, number: int) -> Id:
        """The id of a number. Raises RecordError when there is none."""
        with self.state.read() as connection:
            row = self._by_number(connection, number)
            return Id(row.kind, row.value, row.id)

    def count(self) -> int:
        """How many ids were ever seen."""
        with self.state.read() as connection:
            return self.state.counter(connection, "customer")

    def joins_of(self, customer: int, limit: int | None = None, offset: int = 0) -> tuple[Join, ...]:
        """The evidence that made this customer, the oldest first, also what was undone or does not count."""
        with self.state.read() as connection:
            return self._joins(connection, self._of_customer(customer), limit, offset)

    def count_joins_of(self, customer: int) -> int:
        """How many :meth:`joins_of` there are."""
        with self.state.read() as connection:
            query = sa.select(sa.func.count()).select_from(tables.joins).where(self._of_customer(customer))
            return int(connection.execute(query).scalar_one())

    def _of_customer(self, customer: int) -> sa.ColumnElement[bool]:
        who, table = tables.identities.c, tables.joins.c
        theirs = sa.union_all(
            sa.select(who.id).where(who.id == customer, who.customer == who.id),
            sa.select(who.id).where(who.customer == customer, who.customer != who.id),
        )
        return sa.or_(table.weaker.in_(theirs), table.stronger.in_(theirs))

    def joins(self, limit: int = 100, offset: int = 0, *, undone: bool = False) -> tuple[Join, ...]:
        """All evidence, the latest noted first; ``undone``: only what a person undid."""
        with self.state.read() as connection:
            table = tables.joins.c
            where = table.undone_at.is_not(None) if undone else sa.true()
            return self._joins(connection, where, limit, offset, newest=True)

    def join_number(self, number: int) -> Join:
        """One join by its number. Raises RecordError when there is none."""
        with self.state.read() as connection:
            found = self._joins(connection, tables.joins.c.id == number)
        if not found:
            raise RecordError(
                N_("There is no join number {number}; the customer's page lists those that are."), number=number
            )
        return found[0]

    def shared(self, limit: int = 100) -> tuple[Join, ...]:
        """Evidence on anonymous ids that does not count: they belong to another user. Devices that people share."""
        with self.state.read() as connection:
            table = tables.joins.c
            where = sa.and_(table.weaker_kind == "anonymous", table.counts.is_(False), table.undone_at.is_(None))
            return self._joins(connection, where, limit)

    def quarantined(self, limit: int = 100, offset: int = 0) -> tuple[Held, ...]:
        """Ids that join nothing, and those that a person released, the latest first."""
        table, who = tables.quarantine, tables.identities
        query = (
            sa.select(table, who.c.id, who.c.kind, who.c.value, who.c.customer)
            .join_from(table, who, table.c.identity == who.c.id)
            .order_by(table.c.since.desc(), table.c.identity)
            .limit(limit)
            .offset(offset)
        )
        with self.state.read() as connection:
            rows = connection.execute(query).all()
            now_ = quarantine.others(connection, [(int(r.identity), r.reason) for r in rows])
        return tuple(
            Held(
                Id(r.kind, r.value, int(r.id)), int(r.customer), r.verdict, r.reason, now_.get(int(r.identity), 0),
                moment(r.since), r.said_by,
            )
            for r in rows
        )  # fmt: skip

    def count_quarantined(self) -> int:
        """How many ids join nothing now."""
        with self.state.read() as connection:
            return len(quarantine.held(connection))

    def profiles(self) -> pa.Table:
        """``customer`` int64 ascending, ``traits`` JSON string: the latest value of each trait over their ids."""
        with self.state.read() as connection:
            return profiles(connection)

    # -- joining and undoing by hand -------------------------------------------------------------------------------

    def join(self, one: int, other: int, evidence: str, by: str = "", noting: Noting | None = None) -> None:
        """Say that two ids (by their numbers) are one customer's, whatever events say; ``evidence`` tells why.

        ``noting`` (of undo, release and keep too) writes to the audit log in the same transaction.

        An anonymous id that belongs to another user leaves that one. Raises RecordError when they are the same, when
        there is no such id, or when one is an account's and the other is not.
        """
        with self._lock, self.state.write() as connection:
            self._say(connection, one, other, evidence, by)
            if noting is not None:
                noting(connection)

    def preview(self, one: int, other: int) -> Preview:
        """What :meth:`join` of these two would make; nothing is written."""
        return self._try(lambda connection: self._say(connection, one, other, "", ""), [one, other])

    def undo(self, join: int, by: str = "", noting: Noting | None = None) -> None:
        """Undo a join by its number, for good; what other evidence joins stays joined."""
        with self._lock, self.state.write() as connection:
            changed = joining.undo(self.state, connection, join, by, self.caps)
            joining.record(self.state, connection, changed)
            if noting is not None:
                noting(connection)

    def preview_undo(self, join: int) -> Preview:
        """What :meth:`undo` of this join would make; nothing is written. Raises RecordError as it would."""
        found = self.join_number(join)
        concerned = [found.weaker.number, found.stronger.number]
        return self._try(lambda c: joining.undo(self.state, c, join, "", self.caps), concerned)

    def release(self, number: int, by: str = "", noting: Noting | None = None) -> None:
        """Let an id join in spite of its cap."""
        self._judge(number, quarantine.RELEASED, by, noting)

    def keep(self, number: int, by: str = "", noting: Noting | None = None) -> None:
        """Put an id into quarantine, or keep it there, whatever its cap says: it joins nothing."""
        self._judge(number, quarantine.KEPT, by, noting)

    def _judge(self, number: int, verdict: str, by: str, noting: Noting | None) -> None:
        with self._lock, self.state.write() as connection:
            self._by_number(connection, number)
            quarantine.judge(connection, number, verdict, by)
            joining.record(self.state, connection, joining.reconsider(self.state, connection, [number]))
            if noting is not None:
                noting(connection)

    def _say(self, connection: Connection, one: int, other: int, evidence: str, by: str) -> None:
        rows = [self._by_number(connection, number) for number in (one, other)]
        if one == other:
            raise RecordError(N_("{value!r} is one id; name two."), value=rows[0].value)
        if (rows[0].kind == "account") != (rows[1].kind == "account"):
            account, person = rows if rows[0].kind == "account" else rows[::-1]
            raise RecordError(
                N_("{account!r} is an account and {person!r} is not: the two are never one customer."),
                account=account.value,
                person=person.value,
            )
        pair = joining.one_pair(*((r.id, kind_of(r.value) if r.kind == "user" else r.kind, r.hash) for r in rows))
        changed = joining.say(self.state, connection, pair, evidence, by, self.caps)
        joining.record(self.state, connection, changed)

    def _try(self, action: Callable[[Connection], object], ids: list[int]) -> Preview:
        """Do it, look, and take it back: what a preview shows is what would happen."""
        before: dict[int, tuple[Id, ...]] = {}
        after: dict[int, tuple[Id, ...]] = {}
        with self._lock, contextlib.suppress(_Tried), self.state.write() as connection:
            concerned = [self._by_number(connection, number).customer for number in ids]
            before = self._ids_of(connection, concerned)
            action(connection)
            numbers = np.array([i.number for group in before.values() for i in group], np.int64)
            keys = set(partition.customers_of(connection, numbers).values())
            after = self._ids_of(connection, sorted(keys))
            raise _Tried
        return Preview(before, after)

    # -- reading rows -----------------------------------------------------------------------------------------------

    def _id(self, connection: Connection, kind: Kind, value: str) -> Id | None:
        hashed = id_hash(kind, pa.array([value], pa.string()))
        table = tables.identities.c
        query = sa.select(table.id).where(table.hash == int(hashed.view(np.int64)[0]), table.kind == kind)
        number = connection.execute(query).scalar()
        return None if number is None or not int(hashed[0]) else Id(kind, value, int(number))

    def _by_number(self, connection: Connection, number: int) -> Any:
        row = connection.execute(sa.select(tables.identities).where(tables.identities.c.id == number)).first()
        if row is None:
            raise RecordError(N_("There is no id number {number} in this project."), number=number)
        return row

    def _customer(self, connection: Connection, number: int) -> int:
        query = sa.select(tables.identities.c.customer).where(tables.identities.c.id == number)
        return int(connection.execute(query).scalar_one())

    def _ids_of(self, connection: Connection, customers: list[int]) -> dict[int, tuple[Id, ...]]:
        found: dict[int, list[Id]] = {c: [] for c in customers}
        for row in joining.members(connection, customers):
            found[row.customer].append(Id(row.kind, row.value, row.id))
        return {c: tuple(ids) for c, ids in found.items() if ids}

    def _joins(
        self, connection: Connection, where: sa.ColumnElement[bool], limit: int | None = None, offset: int = 0,
        *, newest: bool = False,
    ) -> tuple[Join, ...]:  # fmt: skip
        table = tables.joins
        order = (table.c.id.desc(),) if newest else (table.c.time, table.c.id)
        query = sa.select(table).where(where).order_by(*order).offset(offset).limit(limit)
        rows = connection.execute(query).all()
        numbers = sorted({int(n) for row in rows for n in (row.weaker, row.stronger)})
        names: dict[int, Id] = {}
        for some in partition.portions(numbers):
            found = sa.select(tables.identities).where(tables.identities.c.id.in_(some))
            names.update({row.id: Id(row.kind, row.value, row.id) for row in connection.execute(found)})
        return tuple(
            Join(
                row.id,
                names[row.weaker],
                names[row.stronger],
                moment(row.time),
                row.evidence,
                row.said_by,
                bool(row.counts),
                None if row.undone_at is None else moment(row.undone_at),
                row.undone_by,
            )
            for row in rows
        )


class Gathering:
    """Gathers while a writer takes rows; applies after its commit, unless other commits came between."""

    def __init__(self, identities: Identities) -> None:
        self._identities = identities
        self._gather = Gather()

    def take(self, rows: pa.Table) -> None:
        self._gather.take(rows)

    def committed(self, version: int, first_seq: int) -> None:
        with self._identities.state.read() as connection:
            seen = self._identities.state.counter(connection, "history_observed")
        if seen == version - 1:
            self._identities.apply(self._gather.gathered(first_seq), {"history_observed": version})
        else:
            self._identities.catch_up()
