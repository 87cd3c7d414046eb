"""Consent: decisions as they were made, and what held at any moment, in memory.

A decision names an id, a purpose, yes or no, and from when it holds; it is never changed, a later one replaces it. Of a
customer's decisions, over all of their ids, the latest before a moment holds at it (equal times: the one that came
later); so a withdrawal counts from its moment on, and what was done before it stays as it was.

In memory stand arrays (``polku.record.consentmemory``) that follow other processes by three counters of the state.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import threading
import time as clock
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from polku.errors import UsageError
from polku.events.purposes import purpose_of
from polku.language import N_
from polku.record import joining, tables
from polku.record.clock import moment, now
from polku.record.consentmemory import FOLD, MOST_PURPOSES, Memory, Row

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from polku.record.state import State

#: Seconds after which memory asks the state whether another process wrote.
FOLLOW = 1.0
COUNTER = "consent"


@dataclasses.dataclass(frozen=True, slots=True)
class Decision:
    """An id gave (``granted``) or withdrew its consent to a purpose.

    kind, value: the id, as in ``identities``. time: microseconds since 1970 UTC, from when it holds. source: where the
    customer was asked (a page, a form, a call, a file). text_version: of the words shown. author: who noted it.
    """

    kind: str
    value: str
    purpose: str
    granted: bool
    time: int
    source: str
    text_version: str | None = None
    author: str | None = None
    noted_at: int = 0
    id: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As JSON; times as ISO 8601."""
        told = dataclasses.asdict(self)
        return told | {"time": moment(self.time).isoformat(), "noted_at": moment(self.noted_at).isoformat()}


class Held(NamedTuple):
    """What held at a moment: purposes granted, purposes denied or withdrawn. Neither: never asked."""

    granted: frozenset[str]
    denied: frozenset[str]


NEVER = Held(frozenset(), frozenset())


@dataclasses.dataclass(frozen=True, slots=True)
class PurposeCount:
    """How many customers stand how with a purpose."""

    purpose: str
    granted: int
    withdrawn: int
    denied: int


class Consents:
    """The consents of a project; ``as_of`` answers from memory."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._memory: Memory | None = None
        self._due = 0.0
        self._lock = threading.RLock()
        self._following: threading.Thread | None = None

    # -- asking ------------------------------------------------------------------------------------------------------

    def as_of(self, ids: Iterable[tuple[str, str]], time: int) -> frozenset[str] | None:
        """Purposes granted at ``time`` (microseconds) by the customer of these (kind, value) ids; None: never asked."""
        held = self.held(ids, time)
        return None if held is NEVER else held.granted

    def held(self, ids: Iterable[tuple[str, str]], time: int) -> Held:
        """What held at ``time``: see Held. Of ids that are not joined yet all decisions count."""
        memory = self._followed()
        if not memory:
            return NEVER
        found = memory.held(ids, time)
        return NEVER if found is None else Held(*found)

    def known(self) -> bool:
        """Whether anybody decided on anything."""
        return bool(self._followed())

    def _followed(self) -> Memory:
        memory = self._memory
        if memory is None:
            return self.refresh()
        if clock.monotonic() > self._due:
            self._follow()
        return memory

    def _follow(self) -> None:
        """Ask the state in a thread of its own: who is asked now must not wait for a list of a million."""
        with self._lock:
            self._due = clock.monotonic() + FOLLOW
            if self._following is None or not self._following.is_alive():
                self._following = threading.Thread(target=self.refresh, name="polku-consents", daemon=True)
                self._following.start()

    def refresh(self) -> Memory:
        """Bring memory up to what the state says now; cheap when nothing changed."""
        with self._lock, self._state.read() as connection:
            memory = self._memory
            if memory is None or not memory.advance(self._state, connection):
                memory = Memory.load(self._state, connection)
            self._memory = memory
            self._due = clock.monotonic() + FOLLOW
            return memory

    def of(self, ids: Sequence[tuple[str, str]]) -> tuple[Decision, ...]:
        """Every decision of these ids, the oldest first."""
        wanted = set(ids)
        with self._state.read() as connection:
            rows = _decisions(connection, sorted({value for _, value in wanted}))
        mine = [d for d in rows if (d.kind, d.value) in wanted]
        return tuple(sorted(mine, key=lambda d: (d.time, d.id)))

    def recent(self, limit: int = 100, purpose: str | None = None, before: int | None = None) -> tuple[Decision, ...]:
        """The latest decisions that Polku heard of, newest first; ``before``: only ids under this number."""
        table = tables.consents
        query = sa.select(table).order_by(table.c.id.desc()).limit(limit)
        if purpose is not None:
            query = query.where(table.c.purpose == purpose)
        if before is not None:
            query = query.where(table.c.id < before)
        with self._state.read() as connection:
            return tuple(Decision(**row._mapping) for row in connection.execute(query))

    def overview(self, time: int | None = None) -> tuple[PurposeCount, ...]:
        """How many customers have granted, withdrawn, denied each purpose as of ``time`` (now), most granted first."""
        memory = self.refresh()
        counts = memory.counts(now() if time is None else time)
        made = [PurposeCount(purpose, *numbers) for purpose, numbers in counts.items()]
        return tuple(sorted(made, key=lambda c: (-c.granted, c.purpose)))

    def by_day(self, days: int = 90) -> dict[str, dict[dt.date, tuple[int, int]]]:
        """Decisions of the last ``days`` by purpose and UTC day: (given, withdrawn or denied)."""
        day = 86_400_000_000
        since = now() // day * day - (days - 1) * day
        table = tables.consents.c
        number = sa.cast(table.time - table.time % day, sa.BigInteger)
        query = (
            sa.select(table.purpose, number, table.granted, sa.func.count())
            .where(table.time >= since)
            .group_by(table.purpose, number, table.granted)
        )
        found: dict[str, dict[dt.date, tuple[int, int]]] = {}
        with self._state.read() as connection:
            for purpose, start, yes, count in connection.execute(query):
                date = moment(int(start)).date()
                given, taken = found.setdefault(purpose, {}).get(date, (0, 0))
                found[purpose][date] = (given + count, taken) if yes else (given, taken + count)
        return found

    def versions(self) -> tuple[dict[str, Any], ...]:
        """The texts that people were shown, by version, with how many decisions each has and its words by language."""
        table, texts = tables.consents.c, tables.consent_texts
        with self._state.read() as connection:
            counted = connection.execute(
                sa.select(table.text_version, sa.func.count(), sa.func.min(table.time), sa.func.max(table.time))
                .where(table.text_version.is_not(None))
                .group_by(table.text_version)
            ).all()
            kept = connection.execute(sa.select(texts)).all()
        found: dict[str, dict[str, Any]] = {}
        for version, count, first, last in counted:
            found[version] = {"decisions": count, "first": moment(first), "last": moment(last), "texts": {}}
        for row in kept:
            empty: dict[str, Any] = {"decisions": 0, "first": None, "last": None, "texts": {}}
            found.setdefault(row.version, empty)["texts"][row.language] = row.text
        return tuple({"version": version} | facts for version, facts in sorted(found.items()))

    # -- deciding ----------------------------------------------------------------------------------------------------

    def decide(self, decisions: Sequence[Decision]) -> int:
        """Write decisions in a transaction of their own, and know them at once. Returns how many were written."""
        with self._state.write() as connection:
            written = self.write(connection, decisions)
        self.learn(written)
        return len(written)

    def write(self, connection: Connection, decisions: Sequence[Decision]) -> list[Decision]:
        """Write decisions in the caller's transaction; after its commit, give what this returns to :meth:`learn`."""
        if not decisions:
            return []
        known = set(self._memory.purposes) if self._memory is not None else set()
        if len(known | {d.purpose for d in decisions}) > MOST_PURPOSES:
            raise UsageError(
                N_("There are {count} purposes of consent already, which is the most."), count=MOST_PURPOSES
            )
        first = self._state.reserve(connection, COUNTER, len(decisions))
        at = now()
        made = [
            dataclasses.replace(d, id=first + number, noted_at=d.noted_at or at) for number, d in enumerate(decisions)
        ]
        fields = [f.name for f in dataclasses.fields(Decision)]
        self._state.insert_many(
            connection, tables.consents, {name: [getattr(d, name) for d in made] for name in fields}
        )
        return made

    def learn(self, written: Sequence[Decision]) -> None:
        """Know decisions of a committed transaction without reading them back."""
        with self._lock:
            if len(written) > FOLD:
                self._memory = None  # so many are better read anew
            elif self._memory is not None:
                self._memory.add([(d.kind, d.value, Row(d.time, d.id, d.purpose, d.granted)) for d in written])

    def keep_text(self, version: str, language: str, text: str) -> None:
        """Keep the words that a version of the question has. The words of a version never change: UsageError."""
        table = tables.consent_texts
        same = sa.and_(table.c.version == version, table.c.language == language)
        with self._state.write() as connection:
            known = connection.execute(sa.select(table.c.text).where(same)).scalar()
            if known is not None and known != text:
                raise UsageError(
                    N_("The text {version} ({language}) is kept with other words; give new words a new version."),
                    version=version,
                    language=language,
                )
            if known is None:
                values = {"version": version, "language": language, "text": text, "added_at": now()}
                connection.execute(sa.insert(table).values(**values))


def read_purpose(word: str) -> str:
    """A purpose as a person writes it. Raises UsageError when it cannot be one."""
    found = purpose_of(word)
    if found is None:
        raise UsageError(N_("{word!r} is no purpose that consent is asked for, such as email or analytics."), word=word)
    return found


def _decisions(connection: Connection, values: Sequence[str]) -> list[Decision]:
    table = tables.consents
    found: list[Decision] = []
    for at in range(0, len(values), joining.MANY):
        query = sa.select(table).where(table.c.value.in_(values[at : at + joining.MANY]))
        found += [Decision(**row._mapping) for row in connection.execute(query)]
    return found
