"""Live recognition of many customers at once: those whose new events came in order, by one call of the kernel.

It says what :class:`~polku.guidance.recogniser.Recogniser` says (a property test holds both together); customers that
need care, because an event came late or is a repeat, are left to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from polku.guidance.happenings import Happening, Kind
from polku.guidance.limits import MICRO
from polku.guidance.recogniser import Meaning
from polku.kernels import fold
from polku.kernels.fresh import in_order
from polku.measures.view import columns_of
from polku.trails.layout import Bucket

I64 = npt.NDArray[np.int64]


class New(NamedTuple):
    """New events of a batch, in order of arrival: customer (int64[n]), seq (int64[n], ascending), known (int64[n],
    microseconds), name, and the event of a place as conditions read it."""

    customer: I64
    seq: I64
    known: I64
    name: Sequence[str]
    event: Callable[[int], Mapping[str, Any]]


class Folded(NamedTuple):
    """``happenings``: those that are listened to, each with the place of its event in the batch; ``until``: for each
    customer that was folded the second up to which they were; everybody else needs care."""

    happenings: list[tuple[int, Happening]]
    until: dict[int, int]


def fold_together(
    meaning: Meaning, buckets: tuple[Bucket, ...], new: New, since: int, last: int, repeats: I64,
    listens: Callable[[str, str], bool],
) -> Folded:  # fmt: skip
    """Fold the customers whose new events are in order. ``since``: the second up to which they were folded before;
    ``last``: the seq of the last event of the batch; ``listens``: whether anybody listens to (kind, name)."""
    said = Folded([], {})
    places = {int(seq): at for at, seq in enumerate(new.seq.tolist())}
    kinds = _Listened(meaning, listens)
    for bucket, rows in _found(buckets, np.unique(new.customer[new.customer >= 0])):
        one = _Bucket(bucket, rows, new.seq, repeats, since, last)
        if not len(one.rows):
            continue
        moves = one.moves(meaning, since, kinds)
        for k in range(len(one.rows)):
            customer = int(bucket.customer[one.rows[k]])
            said.until[customer] = int(bucket.time[one.final[k]])
            said.happenings.extend(_told(one, k, customer, moves.get(int(one.rows[k]), ()), new, places, kinds))
    return said


def _found(buckets: tuple[Bucket, ...], customers: I64) -> Iterator[tuple[Bucket, I64]]:
    """Where customers (ascending) stand: rows of each bucket that has some, ascending."""
    for bucket in buckets:
        if not bucket.customers:
            continue
        at = np.searchsorted(bucket.customer, customers)
        at[at == bucket.customers] = 0
        here = bucket.customer[at] == customers
        if bucket.masked is not None:
            here &= ~bucket.masked[at]
        if here.any():
            yield bucket, at[here].astype(np.int64)


class _Listened:
    """What is listened to, by number: of touchpoints, and which changes."""

    def __init__(self, meaning: Meaning, listens: Callable[[str, str], bool]) -> None:
        self.meaning, self.listens = meaning, listens
        self.touched = [listens("touchpoint", name) for name in meaning.touchpoints]
        self.left = [listens("touchpoint_left", name) for name in meaning.touchpoints]
        self.failed = [listens("failed", name) for name in meaning.touchpoints]
        self.any_left = any(self.left)
        stages = meaning.stages
        self.stages = any(
            listens(kind, name) for kind in ("stage_entered", "stage_left", "lapsed", "won_back") for name in stages
        )


class _Bucket:
    """The customers of one bucket whose new events are in order: ``rows``, and the places of the first and the last new
    event of each (in the bucket's columns)."""

    def __init__(self, bucket: Bucket, rows: I64, fresh: I64, repeats: I64, since: int, last: int) -> None:
        self.bucket = bucket
        low, high = bucket.offsets[rows], bucket.offsets[rows + 1]
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(high - low)]).astype(np.int64)
        index = np.arange(starts[-1]) + np.repeat(low - starts[:-1], high - low)
        assert bucket.seq is not None
        seq = bucket.seq[index].astype(np.int64) + bucket.seq_base
        ends = in_order(starts, bucket.time[index].astype(np.int64), seq, fresh, repeats, since, last)
        fine = ends[:, 0] >= 0
        self.rows = rows[fine]
        self.low = low[fine]
        self.first, self.final = ((ends[fine, n] - starts[:-1][fine] + low[fine]) for n in (0, 1))
        self._seq, self._at = seq, starts[:-1][fine] - low[fine]

    def seq(self, k: int, place: int) -> int:
        """The seq of the event at a place of customer ``k``."""
        return int(self._seq[self._at[k] + place])

    def micros(self, place: int) -> int:
        bucket = self.bucket
        return int(bucket.time[place]) * MICRO + (0 if bucket.micros is None else int(bucket.micros[place]))

    def moves(self, meaning: Meaning, since: int, kinds: _Listened) -> dict[int, list[tuple[str, Any]]]:
        """The new changes of each row, as (segment or "", row of ``moves``), part by part."""
        until = self.bucket.time[self.final].astype(np.int64)
        parts = [("", meaning.rules)] if kinds.stages else []
        parts += list(meaning.segments.items())
        found: dict[int, list[tuple[str, Any]]] = {}
        columns = columns_of(self.bucket)
        for name, rules in parts:
            moves = fold.transitions_each(columns, rules, self.rows, until)
            if not len(moves):
                continue
            k = np.searchsorted(self.rows, moves[:, 0])
            place, time = moves[:, 1 + fold.POSITION], moves[:, 1 + fold.TIME]
            news = np.where(place < 0, time > since, (place >= self.first[k]) & (place <= self.final[k]))
            for move in moves[news].tolist():
                found.setdefault(move[0], []).append((name, move[1:]))
        return found


def _told(
    one: _Bucket, k: int, customer: int, moves: Any, new: New, places: Mapping[int, int], kinds: _Listened
) -> Iterator[tuple[int, Happening]]:
    """What the new events of one customer mean: each event, its touchpoint, what it changed; each with its place."""
    meaning, bucket = kinds.meaning, one.bucket
    if len({name for name, _ in moves}) > 1:  # parts, each in its own order: moments of a second are before its events
        moves = sorted(moves, key=lambda part: (part[1][fold.TIME], part[1][fold.POSITION]))
    changes = iter(moves)
    upcoming = next(changes, None)
    for place in range(int(one.first[k]), int(one.final[k]) + 1):
        seq, time, code = one.seq(k, place), one.micros(place), int(bucket.code[place])
        at = places[seq]
        known = max(int(new.known[at]), time)
        told: list[tuple[Kind, str]] = []
        name = new.name[at]
        if kinds.listens("event", name):
            told.append(("event", name))
        touchpoint = int(meaning.rules.code_touchpoint[code])
        if touchpoint >= 0:
            if kinds.any_left:
                before = _before(bucket, meaning, int(one.low[k]), place)
                if before >= 0 and before != touchpoint and kinds.left[before]:
                    told.append(("touchpoint_left", meaning.touchpoints[before]))
            if kinds.touched[touchpoint]:
                told.append(("touchpoint", meaning.touchpoints[touchpoint]))
        fails = int(meaning.fails[code])
        if fails >= 0 and kinds.failed[fails]:
            told.append(("failed", meaning.touchpoints[fails]))
        for kind, what in told:
            yield at, Happening(customer, time, known, kind, what, new.event(at), seq)
        while upcoming is not None and _by(upcoming[1], place, time):
            part, move = upcoming
            mine = move[fold.POSITION] == place
            when = time if mine else move[fold.TIME] * MICRO
            for kind, what in _changes(meaning, part, move):
                if kinds.listens(kind, what):
                    event = new.event(at) if mine else None
                    yield at, Happening(customer, when, max(known, when), kind, what, event, seq if mine else -1)
            upcoming = next(changes, None)


def _by(move: Any, place: int, time: int) -> bool:
    """Whether a change came about by the event at ``place`` (``time`` microseconds), or before it by time alone."""
    position = int(move[fold.POSITION])
    return position <= place if position >= 0 else int(move[fold.TIME]) <= time // MICRO


def _before(bucket: Bucket, meaning: Meaning, low: int, place: int) -> int:
    """The touchpoint that was met last before a place, -1: none."""
    for i in range(place - 1, low - 1, -1):
        found = int(meaning.rules.code_touchpoint[bucket.code[i]])
        if found >= 0:
            return found
    return -1


def _changes(meaning: Meaning, part: str, move: Any) -> list[tuple[Kind, str]]:
    if part:
        return [("segment", part)]
    before, after, kind = int(move[fold.FROM]), int(move[fold.TO]), int(move[fold.KIND])
    if kind == fold.ENTERED:
        entered: list[tuple[Kind, str]] = [("stage_entered", meaning.stages[after])]
        return [("stage_left", meaning.stages[before]), *entered] if before >= 0 else entered
    return [("lapsed" if kind == fold.LAPSED_KIND else "won_back", meaning.stages[after])]
