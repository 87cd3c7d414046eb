"""Live recognition: the kernel's fold over one customer's events as they come, telling what is new.

An event in order advances the fold. A late one (by its time) is put in its place and the customer is folded again; a
merge or its undo gives the customer another past, and they are folded anew. What was told before is not told again: of
each kind of change and stage as many are counted as were told already.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from polku.guidance.happenings import Happening, Kind
from polku.guidance.limits import MICRO
from polku.journey.model import Journey
from polku.kernels import fold
from polku.kernels.columns import Columns, columns
from polku.measures.rules import fails_of, rules_of, segment_rules
from polku.trails.layout import Tables, Trails


class Row(NamedTuple):
    """One event of a customer as the fold takes it: ``time`` and ``known`` in microseconds since 1970 UTC.

    ``event`` are history's columns, with ``properties`` and ``context`` as dicts; None for events of the past, which
    are folded and not told.
    """

    time: int
    seq: int
    code: int
    value: float
    known: int = 0
    event: Mapping[str, Any] | None = None


class Meaning:
    """What codes mean under a map: compiled once for all customers of one generation of trails."""

    def __init__(self, journey: Journey, tables: Tables, segments: Iterable[str] = ()) -> None:
        self.journey = journey
        self.rules = rules_of(journey, tables)
        self.fails = fails_of(tables, journey.touchpoint_ids)
        self.touchpoints, self.stages = journey.touchpoint_ids, journey.stage_ids
        self.names = tables.code_event
        self.segments = {
            name: segment_rules(journey.segments[name].condition, journey, tables)
            for name in segments
            if name in journey.segments
        }
        self._conditions: dict[str, fold.Rules] = {}
        self._tables = tables

    def segment(self, name: str) -> fold.Rules:
        """The condition of a segment of the map, compiled once."""
        found = self._conditions.get(name)
        if found is None:
            condition = self.journey.segments[name].condition
            found = self._conditions[name] = segment_rules(condition, self.journey, self._tables)
        return found


@dataclasses.dataclass(frozen=True, slots=True)
class Told:
    """A change of stage or of segment. ``position``: index of the event that did it, -1: time alone."""

    kind: Kind
    name: str
    time: int
    position: int


class Past(NamedTuple):
    """A customer's events as columns, in order of (time, seq); times in microseconds since 1970 UTC."""

    time: npt.NDArray[np.int64]
    seq: npt.NDArray[np.int64]
    code: npt.NDArray[np.uint16]
    value: npt.NDArray[np.float64]

    def only(self, kept: npt.NDArray[np.bool_]) -> Past:
        """The events that are marked."""
        return Past(self.time[kept], self.seq[kept], self.code[kept], self.value[kept])

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Self:
        """The same of rows in any order."""
        ordered = sorted(rows, key=lambda r: (r.time, r.seq))
        return cls(
            np.array([r.time for r in ordered], np.int64),
            np.array([r.seq for r in ordered], np.int64),
            np.array([r.code for r in ordered], np.uint16),
            np.array([r.value for r in ordered], np.float64),
        )


NOTHING = Past.of(())


def past_of(trails: Trails, customer: int) -> Past:
    """All events of a customer in the trails; none of one who is not there."""
    found = trails.find(customer)
    if found is None:
        return NOTHING
    bucket, i = found
    part = slice(int(bucket.offsets[i]), int(bucket.offsets[i + 1]))
    time = bucket.time[part].astype(np.int64) * MICRO
    if bucket.micros is not None:
        time += bucket.micros[part]
    assert bucket.seq is not None
    seq = bucket.seq[part].astype(np.int64) + bucket.seq_base
    value = np.full(len(time), np.nan) if bucket.value is None else bucket.value[part]
    return Past(time, seq, bucket.code[part], value)


class _Part:
    """One fold over the customer's columns: the map's stages, or one segment."""

    def __init__(self, rules: fold.Rules) -> None:
        self.rules = rules
        self.state = fold.new_state(len(rules.atom_kind))

    def fold(self, of: Columns, start: int, until: int) -> tuple[list[list[int]], int]:
        """Go on from event ``start`` to the moment ``until`` (seconds); the moves, and the first event after it."""
        moves, done = fold.advance(of, self.rules, self.state, start, until)
        return moves.tolist(), int(done)

    def next(self, of: Columns) -> int:
        return int(fold.next_moment(self.state, self.rules, of.time))


class Customer:
    """One customer's fold: events in order of (time, seq), and how far time has passed.

    ``past`` is folded up to ``passed`` (seconds since 1970) and counts as told.
    """

    def __init__(self, meaning: Meaning, past: Past | None = None, passed: int = -1) -> None:
        self.meaning = meaning
        self.passed = passed  # seconds: every moment up to it has passed
        self.told: dict[tuple[str, str], int] = {}
        self._count = 0
        self._put(NOTHING if past is None else past)
        self._reset()
        if past is not None:
            self._news(self._fold(passed))

    def _reset(self) -> None:
        self._counts: dict[tuple[str, str], int] = {}  # changes of this fold
        self.changes: list[Told] = []  # all of them, in the order of the fold
        self._done = 0  # events that are folded; those behind have not happened yet
        self._parts = {"": _Part(self.meaning.rules)}
        self._parts.update({name: _Part(rules) for name, rules in self.meaning.segments.items()})

    @property
    def past(self) -> Past:
        """All events so far, in order of (time, seq)."""
        n = self._count
        return Past(self._time[:n], self._seq[:n], self._code[:n], self._value[:n])

    @property
    def stage(self) -> int:
        """The number of the stage where the customer stands; -1 outside the map."""
        return int(self._parts[""].state[fold.STAGE])

    @property
    def lapsed(self) -> bool:
        return bool(self._parts[""].state[fold.LAPSED])

    def columns(self) -> Columns:
        """The customer's events as kernels take them."""
        return self._columns

    def next_moment(self) -> int:
        """Seconds: when time alone may change something next; ``fold.NEVER`` if never."""
        return min(part.next(self._columns) for part in self._parts.values())

    def take(self, row: Row) -> list[Told]:
        """Take one event and tell the changes that are new through it, in their order."""
        time, n = row.time // MICRO, self._count
        last = (int(self._time[n - 1]), int(self._seq[n - 1])) if n else (-1, -1)
        if (row.time, row.seq) < last or time < self.passed or self._done < n:
            past = self.past
            at = int(np.searchsorted(past.time, row.time, side="left"))
            while at < n and past.time[at] == row.time and past.seq[at] < row.seq:
                at += 1
            self._put(
                Past(
                    np.insert(past.time, at, row.time),
                    np.insert(past.seq, at, row.seq),
                    np.insert(past.code, at, row.code),
                    np.insert(past.value, at, row.value),
                )
            )
            return self._again(max(self.passed, time))
        if n == len(self._time):
            self._put(self.past)
        self._time[n], self._seq[n], self._code[n], self._value[n] = row.time, row.seq, row.code, row.value
        self._seconds[n] = time
        self._count = n + 1
        self._look()
        return self._news(self._fold(time))

    def pass_time(self, until: int) -> list[Told]:
        """Let time pass up to ``until`` (seconds) and tell what it changed."""
        return self._news(self._fold(until))

    def replace(self, past: Past) -> list[Told]:
        """Another past (a merge, its undo): fold it up to the same moment, and tell nothing that was told before."""
        self._put(past)
        return self._again(self.passed)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _fold(self, until: int) -> list[Told]:
        """Events whose time has come, and the moments between them, up to ``until``; later events wait."""
        found: list[Told] = []
        done = self._done
        for name, part in self._parts.items():
            moves, done = part.fold(self._columns, self._done, until)
            found += self._changes(name, moves)
        self._done = done
        if len(self._parts) > 1:
            found.sort(key=lambda change: change.time)
        self.passed = max(self.passed, until)
        self.changes += found
        return found

    def _again(self, until: int) -> list[Told]:
        self._reset()
        return self._news(self._fold(until))

    def _news(self, found: Iterable[Told]) -> list[Told]:
        """Those beyond the number that was ever told of their kind and name."""
        new = []
        for change in found:
            key = (change.kind, change.name)
            count = self._counts[key] = self._counts.get(key, 0) + 1
            if count > self.told.get(key, 0):
                self.told[key] = count
                new.append(change)
        return new

    def _changes(self, part: str, moves: Sequence[Sequence[int]]) -> list[Told]:
        stages = self.meaning.stages
        found: list[Told] = []
        for time, position, before, after, kind, _ in moves:
            at = int(self._time[position]) if position >= 0 else time * MICRO
            if part:
                found.append(Told("segment", part, at, position))
            elif kind == fold.ENTERED:
                if before >= 0:
                    found.append(Told("stage_left", stages[before], at, position))
                found.append(Told("stage_entered", stages[after], at, position))
            else:
                found.append(Told("lapsed" if kind == fold.LAPSED_KIND else "won_back", stages[after], at, position))
        return found

    def _put(self, past: Past) -> None:
        """Take these columns, with as much room again, so that a long life is not copied at every event."""
        n = len(past.time)
        room = np.zeros(max(4, n // 2), np.int64)
        self._count = n
        self._time: npt.NDArray[np.int64] = np.concatenate([past.time, room])
        self._seq: npt.NDArray[np.int64] = np.concatenate([past.seq, room])
        self._code: npt.NDArray[np.uint16] = np.concatenate([past.code, room.astype(np.uint16)])
        self._value: npt.NDArray[np.float64] = np.concatenate([past.value, room.astype(np.float64)])
        self._seconds: npt.NDArray[np.uint32] = (self._time // MICRO).astype(np.uint32)
        self._look()

    def _look(self) -> None:
        n = self._count
        seconds, code, value = self._seconds[:n], self._code[:n], self._value[:n]
        offsets = np.array([0, n], np.int64)
        for array in (seconds, code, value, offsets):
            array.flags.writeable = False
        empty = EMPTY  # by position: _replace takes five times as long, and this is done at every event
        self._columns = Columns(
            offsets, seconds, empty.micros, code, empty.page, empty.origin, empty.session, value, empty.skip, empty.day
        )


#: What the fold reads of columns is filled in; the rest stays empty.
EMPTY = columns([0, 0], [], [], value=[])


class Recogniser:
    """Customers' folds under one map and generation of trails, each made when first asked for.

    ``past(customer)`` gives the rows that were known before; they are folded up to ``since`` (seconds) untold.
    ``whole(customer)`` gives these and the new ones, for customers who were folded together with others: ``until``
    holds the second up to which each of them was.
    """

    def __init__(
        self, meaning: Meaning, past: Callable[[int], Past], since: int, whole: Callable[[int], Past] | None = None
    ) -> None:
        self.meaning, self.past, self.since = meaning, past, since
        self.whole = past if whole is None else whole
        self.until: dict[int, int] = {}
        self._customers: dict[int, Customer] = {}

    def customer(self, customer: int) -> Customer:
        """The fold of a customer as it stands."""
        found = self._customers.get(customer)
        if found is None:
            until = self.until.get(customer)
            found = (
                Customer(self.meaning, self.past(customer), self.since)
                if until is None
                else Customer(self.meaning, self.whole(customer), max(self.since, until))
            )
            self._customers[customer] = found
        return found

    def take(self, customer: int, rows: Sequence[Row]) -> list[Happening]:
        """What new events (in order of arrival) mean for a customer: each event, its touchpoint, what it changed."""
        one = self.customer(customer)
        found: list[Happening] = []
        for row in sorted(rows, key=lambda r: r.seq):
            found += self._event(one, customer, row)
            for change in one.take(row):
                mine = change.position >= 0 and one.past.seq[change.position] == row.seq
                found.append(
                    Happening(
                        customer, change.time, max(row.known, change.time), change.kind, change.name,
                        row.event if mine else None, row.seq if mine else -1,
                    )
                )  # fmt: skip
        return found

    def pass_time(self, customer: int, until: int, known: int) -> list[Happening]:
        """What time alone changed up to ``until`` (seconds); ``known``: now, in microseconds."""
        return [
            Happening(customer, t.time, max(known, t.time), t.kind, t.name)
            for t in self.customer(customer).pass_time(until)
        ]

    def _event(self, one: Customer, customer: int, row: Row) -> list[Happening]:
        assert row.event is not None
        known = max(row.known, row.time)
        found = [Happening(customer, row.time, known, "event", str(row.event.get("event", "")), row.event, row.seq)]
        touchpoint = int(self.meaning.rules.code_touchpoint[row.code])
        if touchpoint >= 0:
            before = self._before(one, row)
            if before >= 0 and before != touchpoint:
                name = self.meaning.touchpoints[before]
                found.append(Happening(customer, row.time, known, "touchpoint_left", name, row.event, row.seq))
            name = self.meaning.touchpoints[touchpoint]
            found.append(Happening(customer, row.time, known, "touchpoint", name, row.event, row.seq))
        fails = int(self.meaning.fails[row.code])
        if fails >= 0:
            name = self.meaning.touchpoints[fails]
            found.append(Happening(customer, row.time, known, "failed", name, row.event, row.seq))
        return found

    def _before(self, one: Customer, row: Row) -> int:
        """The touchpoint that was met last before ``row``, -1: none."""
        past = one.past
        touchpoints = self.meaning.rules.code_touchpoint
        for i in range(int(np.searchsorted(past.time, row.time, side="right")) - 1, -1, -1):
            if (past.time[i], past.seq[i]) < (row.time, row.seq) and touchpoints[past.code[i]] >= 0:
                return int(touchpoints[past.code[i]])
        return -1
