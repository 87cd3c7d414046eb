"""Live recognition: the kernel's fold over one customer's events as they come, telling what is new.

An event in order advances the fold. A late one (by its time) is put in its place and the customer is folded again; a
merge or its undo gives the customer another past, and they are folded anew. What was told before is not told again: of
each kind of change and stage as many are counted as were told already.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from polku.guidance.happenings import Happening, Kind
from polku.guidance.limits import MICRO
from polku.journey.model import Journey
from polku.kernels import fold
from polku.kernels.columns import Columns, columns
from polku.measures.rules import fails_of, rules_of, segment_rules
from polku.trails.layout import Tables


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
        self.segments = {
            name: segment_rules(journey.segments[name].condition, journey, tables)
            for name in segments
            if name in journey.segments
        }


@dataclasses.dataclass(frozen=True, slots=True)
class Told:
    """A change of stage or of segment. ``position``: index of the event that did it, -1: time alone."""

    kind: Kind
    name: str
    time: int
    position: int


class _Part:
    """One fold over the customer's columns: the map's stages, or one segment."""

    def __init__(self, rules: fold.Rules) -> None:
        self.rules = rules
        self.state = fold.new_state(len(rules.atom_kind))
        self.moves = np.empty((fold.MOST_MOVES, fold.MOVE), np.int64)

    def pass_time(self, of: Columns, until: int) -> list[list[int]]:
        """Let every moment up to ``until`` (seconds) pass."""
        out: list[list[int]] = []
        while (moment := int(fold.next_moment(self.state, self.rules, of.time))) <= until:
            found = fold.on_moment(self.state, self.rules, of, moment, self.moves)
            out += self.moves[:found].tolist()
        return out

    def take(self, of: Columns, i: int) -> list[list[int]]:
        out = self.pass_time(of, int(of.time[i]))
        found = fold.on_event(self.state, self.rules, of, i, self.moves)
        out += self.moves[:found].tolist()
        return out

    def next(self, of: Columns) -> int:
        return int(fold.next_moment(self.state, self.rules, of.time))


class Customer:
    """One customer's fold: events in order of (time, seq), and how far time has passed."""

    def __init__(self, meaning: Meaning) -> None:
        self.meaning = meaning
        self.rows: list[Row] = []
        self.passed = -1  # seconds: every moment up to it has passed
        self.told: collections.Counter[tuple[str, str]] = collections.Counter()
        self._reset()

    def _reset(self) -> None:
        self._columns = columns([0, 0], [], [], value=[])
        self._capacity = 0
        self.changes: list[Told] = []  # all of them, in the order of the fold
        self._done = 0  # rows that are folded; those behind have not happened yet
        self._parts = {"": _Part(self.meaning.rules)}
        self._parts.update({name: _Part(rules) for name, rules in self.meaning.segments.items()})

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
        time = row.time // MICRO
        last = self.rows[-1] if self.rows else None
        behind = last is not None and (row.time, row.seq) < (last.time, last.seq)
        self.rows.append(row)
        if behind or time < self.passed or self._done < len(self.rows) - 1:
            self.rows.sort(key=lambda r: (r.time, r.seq))
            return self._again(max(self.passed, time))
        self._extend()
        return self._news(self._fold(time))

    def pass_time(self, until: int) -> list[Told]:
        """Let time pass up to ``until`` (seconds) and tell what it changed."""
        return self._news(self._fold(until))

    def replace(self, rows: Sequence[Row]) -> list[Told]:
        """Another past (a merge, its undo): fold it up to the same moment, and tell nothing that was told before."""
        self.rows = sorted(rows, key=lambda r: (r.time, r.seq))
        return self._again(self.passed)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _fold(self, until: int) -> list[Told]:
        """Events whose time has come, and the moments between them, up to ``until``; later events wait."""
        found: list[Told] = []
        while self._done < len(self.rows) and self.rows[self._done].time // MICRO <= until:
            for name, part in self._parts.items():
                found += self._changes(name, part.take(self._columns, self._done))
            self._done += 1
        for name, part in self._parts.items():
            found += self._changes(name, part.pass_time(self._columns, until))
        self.passed = max(self.passed, until)
        self.changes += found
        return found

    def _again(self, until: int) -> list[Told]:
        self._reset()
        self._extend()
        before, self.told = self.told, collections.Counter()
        new = self._news(self._fold(until), before)
        self.told |= before
        return new

    def _news(self, found: Iterable[Told], before: Mapping[tuple[str, str], int] | None = None) -> list[Told]:
        """Those beyond the number that was told before of their kind and name."""
        new = []
        for change in found:
            key = (change.kind, change.name)
            self.told[key] += 1
            if before is None or self.told[key] > before.get(key, 0):
                new.append(change)
        return new

    def _changes(self, part: str, moves: Sequence[Sequence[int]]) -> list[Told]:
        stages = self.meaning.stages
        found: list[Told] = []
        for time, position, before, after, kind, _ in moves:
            at = self.rows[position].time if position >= 0 else time * MICRO
            if part:
                found.append(Told("segment", part, at, position))
            elif kind == fold.ENTERED:
                if before >= 0:
                    found.append(Told("stage_left", stages[before], at, position))
                found.append(Told("stage_entered", stages[after], at, position))
            else:
                found.append(Told("lapsed" if kind == fold.LAPSED_KIND else "won_back", stages[after], at, position))
        return found

    def _extend(self) -> None:
        """Columns over all rows; room is doubled, so that a long life is not copied at every event."""
        n = len(self.rows)
        if n > self._capacity or self._columns.offsets[1] != n - 1:
            self._capacity = max(8, 2 * n)
            self._time = np.zeros(self._capacity, np.uint32)
            self._code = np.zeros(self._capacity, np.uint16)
            self._value = np.full(self._capacity, np.nan)
            for i, row in enumerate(self.rows):
                self._set(i, row)
        else:
            self._set(n - 1, self.rows[-1])
        self._columns = columns([0, n], self._time[:n], self._code[:n], value=self._value[:n], day=NO_DAYS[:0],
                                page=NO_NUMBERS, origin=NO_NUMBERS, session=NO_NUMBERS)  # fmt: skip

    def _set(self, i: int, row: Row) -> None:
        self._time[i], self._code[i], self._value[i] = row.time // MICRO, row.code, row.value


NO_DAYS: npt.NDArray[np.uint16] = np.zeros(0, np.uint16)
NO_NUMBERS: npt.NDArray[np.uint32] = np.zeros(0, np.uint32)


class Recogniser:
    """Customers' folds under one map and generation of trails, each made when first asked for.

    ``past(customer)`` gives the rows that were known before; they are folded up to ``since`` (seconds) untold.
    """

    def __init__(self, meaning: Meaning, past: Any, since: int) -> None:
        self.meaning, self.past, self.since = meaning, past, since
        self._customers: dict[int, Customer] = {}

    def customer(self, customer: int) -> Customer:
        """The fold of a customer as it stands."""
        found = self._customers.get(customer)
        if found is None:
            found = self._customers[customer] = Customer(self.meaning)
            found.rows = sorted(self.past(customer), key=lambda r: (r.time, r.seq))
            found.passed = self.since
            found.replace(found.rows)
        return found

    def take(self, customer: int, rows: Sequence[Row]) -> list[Happening]:
        """What new events (in order of arrival) mean for a customer: each event, its touchpoint, what it changed."""
        one = self.customer(customer)
        found: list[Happening] = []
        for row in sorted(rows, key=lambda r: r.seq):
            found += self._event(one, customer, row)
            for change in one.take(row):
                did = one.rows[change.position] if change.position >= 0 else None
                mine = did is not None and did.seq == row.seq
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
        for earlier in reversed(one.rows):
            if (earlier.time, earlier.seq) < (row.time, row.seq):
                touchpoint = int(self.meaning.rules.code_touchpoint[earlier.code])
                if touchpoint >= 0:
                    return touchpoint
        return -1
