"""The sender: brings messages of the outbox to their receivers, each at most once.

A message is claimed before it leaves, in a transaction of its own, and its fate is written in another. Whoever dies in
between leaves a claim behind; the next sender finds it and does not know what came of it. A channel whose receivers
know keys sends it once more under the same key. Of all others it is said that it is *unknown*, and they are not sent
again.

One sender works at a time (the lease of the job ``sending``), so a claim that it finds at its beginning is nobody's.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from polku.channels.catalogue import channels
from polku.channels.channel import Channel, Delivery
from polku.channels.site import FETCHED
from polku.collect.columns import Kept, table_of
from polku.events.arrival import Arrival
from polku.events.door import Visit, enter
from polku.guidance.outbox import DROPPED, FAILED, OFF, SENDING, SENT, WAITING
from polku.guidance.preparing import Held, Preparing, Ready, Row
from polku.guidance.switch import switch_of
from polku.jobs.ledger import me
from polku.language import N_
from polku.record import tables
from polku.record.clock import now
from polku.record.hashes import COLUMNS
from polku.record.inbox import LANE as INBOX
from polku.record.permission import Learned
from polku.record.steps import reached

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from polku.record.project import Project

LANE: Final = "sending"
#: Messages that are claimed at once, for each connection. What one kill can leave unknown is as many.
CLAIM: Final = 8
#: So many groups are looked for at once, and looked for again after so many seconds: what is owed goes first.
AHEAD: Final = 16
OLD: Final = 2.0
#: Seconds until a receiver that refuses for now is asked again, by the number of tries; the last goes on.
BACK_OFF: Final = (60, 300, 900, 3600, 3 * 3600, 6 * 3600)
#: Seconds until a channel whose receiver does not answer at all is tried again.
PAUSE: Final = (15, 60, 300, 900)
#: A run of the job ends after this many seconds, so that a server that stops need not wait for a long queue.
RUN: Final = 20.0
MICRO: Final = 1_000_000
#: Where pauses are kept among the state's words: ``sending_pause:<channel>``.
PAUSES: Final = "sending_pause:"
#: The source of the events that tell what became of messages.
SOURCE: Final = "polku"
#: Words that runs tell of themselves.
WORDS: Final = (N_("sent"), N_("not sent"), N_("waiting"), N_("paused"))


@dataclasses.dataclass(frozen=True, slots=True)
class Pause:
    """A channel waits, because its receiver does not answer: until when (microseconds), why, how often in a row."""

    until: int
    reason: str
    times: int
    since: int


@dataclasses.dataclass(slots=True)
class Done:
    """What a run did."""

    sent: int = 0
    held: int = 0
    again: int = 0
    paused: dict[str, str] = dataclasses.field(default_factory=dict)

    def outcome(self) -> dict[str, int | float | str] | None:
        told: dict[str, int | float | str] = {"sent": self.sent, "not sent": self.held, "waiting": self.again}
        told = {name: value for name, value in told.items() if value}
        if self.paused:
            told["paused"] = "; ".join(f"{name}: {reason}" for name, reason in self.paused.items())
        return told or None


def due(project: Project) -> bool:
    """Whether a message waits that may be sent now, or a claim of a sender that died; only a look."""
    row = tables.outbox.c
    with project.state.read() as connection:
        paused = _paused(project, connection)
        ready = sa.and_(row.state == WAITING, row.next_at <= now(), row.channel.not_in(FETCHED))
        if paused:
            ready = sa.and_(ready, row.channel.not_in(sorted(paused)))
        query = sa.select(row.key).where(sa.or_(ready, row.state == SENDING)).limit(1)
        return connection.execute(query).first() is not None


def send(project: Project, seconds: float = RUN) -> dict[str, int | float | str] | None:
    """Send what is due, for at most ``seconds``. Only whoever holds the lease of the job ``sending`` may call this."""
    # a thread of its own: whoever calls may be inside an event loop already (a notebook is)
    with ThreadPoolExecutor(1, "polku-sending") as pool:
        run = pool.submit(lambda: asyncio.run(Sender(project, channels(project)).run(seconds)))
        return run.result().outcome()


class Sender:
    """One run. ``channels``: by their name, closed at its end."""

    def __init__(self, project: Project, channels: Mapping[str, Channel]) -> None:
        self.project, self.channels = project, channels
        self.done = Done()
        self.me = f"{me()}:{time.monotonic_ns()}"
        self._preparing = Preparing(project, channels)
        self._next: list[str] = []
        self._old = 0.0

    async def run(self, seconds: float = RUN) -> Done:
        """Until nothing is due, or the time is up."""
        until = time.monotonic() + seconds
        try:
            self._recover()
            self._set_up()
            while time.monotonic() < until:
                rows = self._claim()
                if not rows:
                    break
                await self._batch(rows)
        finally:
            for channel in self.channels.values():
                await channel.close()
        return self.done

    # -- claiming --------------------------------------------------------------------------------------------------

    def _recover(self) -> None:
        """Claims of senders that died: their outcome is unknown."""
        row = tables.outbox.c
        repeats = [name for name, channel in self.channels.items() if channel.repeats]
        with self.project.state.write(LANE) as connection:
            found = connection.execute(
                sa.select(row.key, row.channel).where(row.state == SENDING, row.claimed_by != self.me)
            ).all()
            once_more = [key for key, channel in found if channel in repeats]
            unknown = [key for key, channel in found if channel not in repeats]
            if once_more:
                change = sa.update(tables.outbox).where(row.key.in_(once_more), row.state == SENDING)
                connection.execute(change.values(state=WAITING, next_at=now(), reason="again: unknown"))
            if unknown:
                change = sa.update(tables.outbox).where(row.key.in_(unknown), row.state == SENDING)
                connection.execute(change.values(state=FAILED, reason="unknown", finished_at=now()))
        self.done.held += len(unknown)

    def _set_up(self) -> None:
        """Channels that lack something are paused with the reason; while sending is off nothing is asked of them."""
        switch = switch_of(self.project)
        for name, channel in self.channels.items():
            if not (switch.on or (name == "email" and switch.test_address)):
                continue
            missing = channel.problem()
            if missing is not None and self._waits(name):
                text, facts = missing
                self._pause(name, self.project.reader()(text, **facts))

    def _waits(self, channel: str) -> bool:
        row = tables.outbox.c
        query = sa.select(row.key).where(row.state == WAITING, row.next_at <= now(), row.channel == channel).limit(1)
        with self.project.state.read() as connection:
            return connection.execute(query).first() is not None

    def _claim(self) -> list[Row]:
        """The next messages, claimed: from here on nobody else sends them."""
        row, count = tables.outbox.c, CLAIM * self.project.settings.mail.connections
        while True:
            if not self._next or time.monotonic() > self._old:
                self._next, self._old = self._look(count * AHEAD), time.monotonic() + OLD
            if not self._next:
                return []
            keys, self._next = self._next[:count], self._next[count:]
            at = now()
            with self.project.state.write(LANE) as connection:
                still = self._ready(connection, at)
                found = connection.execute(sa.select(tables.outbox).where(row.key.in_(keys), *still)).all()
                if found:
                    connection.execute(
                        sa.update(tables.outbox)
                        .where(row.key.in_([one.key for one in found]), row.state == WAITING)
                        .values(state=SENDING, attempts=row.attempts + 1, claimed_at=at, claimed_by=self.me)
                    )
            if found:
                reached("messages claimed")
                order = {key: place for place, key in enumerate(keys)}
                return [Row.of(one) for one in sorted(found, key=lambda one: order[one.key])]

    def _look(self, count: int) -> list[str]:
        """The keys of the next messages in the order in which they leave: looked for seldom, for it looks at all that
        wait, and a letter to everybody is many."""
        row = tables.outbox.c
        with self.project.state.read() as connection:
            query = sa.select(row.key).where(*self._ready(connection, now()))
            found = connection.execute(query.order_by(row.owed.desc(), row.priority.desc(), row.next_at).limit(count))
            return list(found.scalars())

    def _ready(self, connection: Connection, at: int) -> list[sa.ColumnElement[bool]]:
        """What may leave now."""
        row = tables.outbox.c
        kept = sorted(FETCHED | _paused(self.project, connection))
        return [row.state == WAITING, row.next_at <= at, row.channel.not_in(kept)]

    # -- one batch -------------------------------------------------------------------------------------------------

    async def _batch(self, rows: Sequence[Row]) -> None:
        try:
            made = self._preparing.make(rows, switch_of(self.project))
        except BaseException:
            self._give_back(rows)  # none has left: a claim that stays would make them unknown
            raise
        held = {key: one for key, one in made.items() if isinstance(one, Held)}
        ready = {key: one for key, one in made.items() if isinstance(one, Ready)}
        leaving = [row for row in rows if row.key in ready]
        found = await asyncio.gather(*(self._deliver(row, ready[row.key]) for row in leaving), return_exceptions=True)
        reached("messages delivered")
        # what came of the others is written down before a channel's error ends the run
        faults = {row.key: one for row, one in zip(leaving, found, strict=True) if isinstance(one, BaseException)}
        done = {key: self._broken(row, faults[key]) for row in leaving if (key := row.key) in faults}
        done |= dict(one for one in found if not isinstance(one, BaseException))
        self._finish(rows, held, ready, done)
        for fault in faults.values():
            raise fault

    def _broken(self, row: Row, fault: BaseException) -> Delivery:
        """What is known of a message whose channel raised an error, which it never should."""
        repeats = self.channels[row.channel].repeats
        return Delivery("again" if repeats else "unknown", f"{type(fault).__name__}: {fault}"[:500])

    def _give_back(self, rows: Sequence[Row]) -> None:
        """Undo a claim, as if it had not been made."""
        row = tables.outbox.c
        mine = sa.and_(row.key.in_([one.key for one in rows]), row.state == SENDING, row.claimed_by == self.me)
        with self.project.state.write(LANE) as connection:
            connection.execute(sa.update(tables.outbox).where(mine).values(state=WAITING, attempts=row.attempts - 1))

    async def _deliver(self, row: Row, ready: Ready) -> tuple[str, Delivery]:
        channel = self.channels[row.channel]
        # every step of a delivery has its own time-out; this one is for a receiver that answers a little, for ever
        most = self.project.settings.mail.seconds * 6
        try:
            async with asyncio.timeout(most):
                return row.key, await channel.deliver(ready.outgoing)
        except TimeoutError:
            return row.key, Delivery("again" if channel.repeats else "unknown", f"> {most} s")

    def _finish(
        self, rows: Sequence[Row], held: Mapping[str, Held], ready: Mapping[str, Ready], done: Mapping[str, Delivery]
    ) -> None:
        """Write what came of a batch, and the events that tell it, in one transaction."""
        at, arrivals = now(), []
        changes: list[dict[str, Any]] = []
        bad: list[tuple[str, str, str]] = []
        pauses: dict[str, str] = {}
        for row in rows:
            if row.key in held:
                changes.append(self._held(row, held[row.key], at))
                continue
            sent, delivery = ready[row.key], done[row.key]
            change = self._fate(row, sent, delivery, at)
            changes.append(change)
            if delivery.result == "unreachable":
                pauses[row.channel] = delivery.reason
            if delivery.bad_address and sent.hash is not None and not sent.test:
                kind = self.channels[row.channel].address or "email"
                bad.append((kind, sent.hash, delivery.reason))
            told = _told(row, sent, delivery, change["state"], at)
            if told is not None:
                arrivals.append(told)
        self._write(changes, arrivals, bad, at)
        delivered = {row.channel for row in rows if row.key in done and done[row.key].result != "unreachable"}
        for channel in delivered - set(pauses):
            self._resume(channel)
        for channel, reason in pauses.items():
            self._pause(channel, reason)

    def _held(self, row: Row, held: Held, at: int) -> dict[str, Any]:
        """What becomes of a message that does not leave: for good, or until what stops all of them is mended."""
        attempts = row.attempts + 1
        if held.state == WAITING and attempts < tries(self.project.settings.sending.hours):
            self.done.again += 1
            return {
                "k": row.key, "state": WAITING, "reason": f"again: {held.reason}", "finished_at": None,
                "next_at": at + int(back_off(row.key, attempts) * MICRO), "attempts": attempts,
            }  # fmt: skip
        self.done.held += 1
        if held.state == WAITING:
            return _change(row.key, FAILED, at, f"gave_up: {held.reason}")
        return _change(row.key, held.state, at, held.reason)

    def _fate(self, row: Row, sent: Ready, delivery: Delivery, at: int) -> dict[str, Any]:
        """What becomes of a message after a try."""
        payload = json.dumps(sent.payload, ensure_ascii=False)
        told = {"payload": payload, "provider_id": delivery.provider_id, "to": None if sent.test else sent.hash}
        if delivery.result == "delivered":
            self.done.sent += 1
            if sent.test:
                return _change(row.key, OFF, at, "test", **told)
            return _change(row.key, SENT, at, None, **told)
        if delivery.result in ("refused", "unknown"):
            self.done.held += 1
            return _change(row.key, FAILED, at, f"{delivery.result}: {delivery.reason}", **told)
        attempts = row.attempts + (delivery.result == "again")
        if attempts >= tries(self.project.settings.sending.hours):
            self.done.held += 1
            return _change(row.key, FAILED, at, f"gave_up: {delivery.reason}", attempts=attempts, **told)
        self.done.again += 1
        next_at = row.next_at  # of a receiver that nobody reaches: the pause holds it, and its lateness goes on
        if delivery.result == "again":
            next_at = at + int(back_off(row.key, attempts, delivery.after) * MICRO)
        return {
            "k": row.key, "state": WAITING, "reason": f"again: {delivery.reason}", "next_at": next_at,
            "finished_at": None, "attempts": attempts, **told,
        }  # fmt: skip

    def _write(
        self,
        changes: Sequence[dict[str, Any]],
        arrivals: Sequence[Arrival],
        bad: Sequence[tuple[str, str, str]],
        at: int,
    ) -> None:
        project = self.project
        visit = Visit(source=SOURCE, received_at=at, permission=project.permission, learned=Learned())
        # what a customer's no refuses is no event; the outbox keeps what happened to the message itself
        kept: list[Arrival] = [arrival for arrival in arrivals if enter(arrival, visit) is None]
        row = tables.outbox.c
        with project.state.write(INBOX) as connection:
            for names in {tuple(sorted(change)) for change in changes}:  # as many at once as change the same columns
                mine = sa.and_(row.key == sa.bindparam("k"), row.claimed_by == self.me)
                values: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in names if name != "k"}
                same = [change for change in changes if tuple(sorted(change)) == names]
                connection.execute(
                    sa.update(tables.outbox).where(mine).values(**values),
                    [{n if n == "k" else f"new_{n}": value for n, value in change.items()} for change in same],
                )
            for kind, hash_, reason in bad:
                suppress(connection, kind, hash_, "bounced", reason, at)
            if kept:
                project.inbox.put(connection, table_of([Kept(kept)]))
        reached("messages finished")

    # -- pauses ----------------------------------------------------------------------------------------------------

    def _pause(self, channel: str, reason: str) -> None:
        with self.project.state.write(LANE) as connection:
            before = _pause_of(self.project, connection, channel)
            times = before.times + 1 if before is not None else 1
            at = now()
            wait = PAUSE[min(times, len(PAUSE)) - 1]
            made = Pause(at + wait * MICRO, reason[:500], times, before.since if before is not None else at)
            self.project.state.set_meta(connection, PAUSES + channel, json.dumps(dataclasses.asdict(made)))
        self.done.paused[channel] = reason

    def _resume(self, channel: str) -> None:
        with self.project.state.read() as connection:
            if _pause_of(self.project, connection, channel) is None:
                return
        with self.project.state.write(LANE) as connection:
            self.project.state.set_meta(connection, PAUSES + channel, "")


def pauses(project: Project) -> dict[str, Pause]:
    """The channels whose receivers do not answer, or that lack something, with the reason."""
    with project.state.read() as connection:
        return _pauses(project, connection)


def _pauses(project: Project, connection: Connection) -> dict[str, Pause]:
    row = tables.meta.c
    found = connection.execute(sa.select(row.name, row.value).where(row.name.like(PAUSES + "%"), row.value != "")).all()
    return {name.removeprefix(PAUSES): Pause(**json.loads(value)) for name, value in found}


def _pause_of(project: Project, connection: Connection, channel: str) -> Pause | None:
    text = project.state.meta(connection, PAUSES + channel)
    return Pause(**json.loads(text)) if text else None


def _paused(project: Project, connection: Connection) -> set[str]:
    at = now()
    return {name for name, pause in _pauses(project, connection).items() if pause.until > at}


def back_off(key: str, attempts: int, asked: float | None = None) -> float:
    """Seconds until the next try: by the number of tries, at least what the receiver asks for (a day at most).

    Spread by up to a fifth by the message's key, so that a thousand refused at once do not come back at once.

    >>> 60 <= back_off("a", 1) <= 72, back_off("a", 1, 600.0) >= 600
    (True, True)
    """
    spread = 1 + int.from_bytes(hashlib.blake2b(key.encode(), digest_size=2).digest()) / 65536 / 5
    return max(BACK_OFF[min(attempts, len(BACK_OFF)) - 1] * spread, min(asked or 0.0, 86_400.0))


def tries(hours: int) -> int:
    """How many tries there are within so many hours.

    >>> tries(1), tries(72)
    (4, 17)
    """
    left, count = hours * 3600, 1
    while left >= 0:
        left -= BACK_OFF[min(count, len(BACK_OFF)) - 1]
        count += left >= 0
    return count


def suppress(connection: Connection, kind: str, hash_: str, reason: str, detail: str, at: int) -> None:
    """Send nothing to this address any more, in the caller's transaction. The first reason stays."""
    row = tables.suppressions.c
    there = sa.select(row.hash).where(row.kind == kind, row.hash == hash_)
    if connection.execute(there).first() is None:
        values = {"kind": kind, "hash": hash_, "reason": reason, "detail": detail[:500], "time": at}
        connection.execute(sa.insert(tables.suppressions).values(**values))


def _change(key: str, state: str, at: int, reason: str | None, **more: Any) -> dict[str, Any]:
    assert state in (SENT, FAILED, DROPPED, OFF)
    return {"k": key, "state": state, "finished_at": at, "reason": reason, **more}


def _told(row: Row, sent: Ready, delivery: Delivery, state: str, at: int) -> Arrival | None:
    """The event that tells what became of a message; None while it waits, and for tests."""
    if sent.test or state == WAITING or row.channel in ("task", "audience"):
        return None
    mail = row.channel == "email"
    if state == SENT:
        event = "Email Delivered" if mail else "Message Delivered"
    elif delivery.result == "refused":
        event = "Email Bounced" if mail else "Message Refused"
    else:
        return None
    properties: dict[str, Any] = {"message": row.key, "rule": row.rule, "channel": row.channel}
    if row.content:
        properties["content"] = row.content
    if row.variant:
        properties["variant"] = row.variant
    if event == "Email Bounced":
        properties |= {"reason": delivery.reason, "hard": delivery.bad_address}
    return event_of(event, sent.id, row.key, properties, at, channel=row.channel)


def event_of(
    event: str, id_: tuple[str, str], key: str, properties: dict[str, Any], at: int, channel: str = "email"
) -> Arrival:
    """An event of a message, about the customer of ``id_``. The same event of one message has one id."""
    mark = hashlib.blake2b(f"{event}\0{key}\0{properties.get('url', '')}".encode(), digest_size=12).hexdigest()
    kind, value = id_
    made = Arrival(
        event=event, time=at, received_at=at, message_id=f"polku-{mark}", properties=properties,
        channel="email" if channel == "email" else None,
    )  # fmt: skip
    setattr(made, COLUMNS[kind], value)
    named, colon, hash_ = value.partition(":")
    if kind == "user" and colon and named in ("email", "phone", "number"):
        made.context["ids"] = {named: hash_}
    return made
