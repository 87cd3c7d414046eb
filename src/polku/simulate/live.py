"""The demo's world goes on: new visitors come and known customers move on, through the inbox, in real time.

The same people are told past the world's end, and new ones come. What a person does in one go (a *moment*: events with
gaps under half an hour) is played with its own rhythm, only quicker; the next moment starts when the rate allows.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import heapq
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from polku.errors import ProjectError, UsageError
from polku.language import N_
from polku.simulate.calendar import MICROS
from polku.simulate.demo import read_note, world_of, write_note
from polku.simulate.making import BLOCK, Teller, World, micros
from polku.simulate.noise import Sent
from polku.simulate.rows import table

if TYPE_CHECKING:
    from polku.record.project import Project

#: A pause as long as this ends a moment.
PAUSE: Final = 25 * 60 * MICROS
#: Pauses inside a moment are played so much quicker, and never longer than this (seconds).
QUICKER: Final = 4.0
LONGEST: Final = 12.0
#: A chapter of the world: people who first come in so many days, told for so many.
COMING: Final = dt.timedelta(days=30)
TOLD: Final = dt.timedelta(days=60)
#: New people in a chapter, and the number of the first one: far behind those of the world itself.
NEWCOMERS: Final = 1500
FIRST_NEW: Final = 5_000_000
TICK: Final = 0.25

#: Told after each batch: events sent so far.
Told = Callable[[int], None]


@dataclasses.dataclass(frozen=True)
class Cast:
    """People told together, and their moments in the world's order: rows[starts[i]:starts[i + 1]] is one."""

    people: npt.NDArray[np.void]
    first: int
    rows: npt.NDArray[np.void]
    starts: npt.NDArray[np.int64]


def cast(rows: npt.NDArray[np.void], people: npt.NDArray[np.void], first: int, after: int) -> Cast:
    """The moments of ``rows`` that begin after ``after`` (microseconds UTC), in order of time."""
    rows = rows[rows["time"] > after]
    rows = rows[np.lexsort((rows["serial"], rows["time"], rows["person"]))]
    if not len(rows):
        return Cast(people, first, rows, np.zeros(1, np.int64))
    new = np.ones(len(rows), np.bool_)
    new[1:] = (np.diff(rows["person"]) != 0) | (np.diff(rows["time"]) > PAUSE)
    begins = np.flatnonzero(new)
    sizes = np.diff(np.append(begins, len(rows)))
    order = np.argsort(rows["time"][begins], kind="stable")
    index = np.concatenate([np.arange(b, b + n) for b, n in zip(begins[order], sizes[order], strict=True)])
    return Cast(people, first, rows[index], np.concatenate([[0], np.cumsum(sizes[order])]).astype(np.int64))


def chapters(world: World, number: int = 0) -> Iterator[Cast]:
    """Chapter after chapter without end, from ``number`` on; the first has the world's own people besides new ones."""
    while True:
        start = world.end + number * COMING
        teller = Teller(dataclasses.replace(world, until=start + TOLD))
        first = FIRST_NEW + number * NEWCOMERS
        newcomers = teller.people(first, NEWCOMERS, (micros(start), micros(start + COMING)))
        told = [(teller.tell(newcomers)[0], newcomers, first)]
        if number == 0:
            own = teller.people(0, min(world.customers, BLOCK))
            told.append((teller.tell(own)[0], own, 0))
        rows = np.concatenate([r for r, _, _ in told])
        people = np.concatenate([p for _, p, _ in reversed(told)])
        yield cast(rows, people, first, micros(world.end))
        number += 1


def _sent(rows: npt.NDArray[np.void], at: npt.NDArray[np.int64]) -> Sent:
    return Sent(rows, at, at, np.zeros(len(rows), np.uint8))


def live(
    project: Project,
    rate: float = 2.0,
    stop: threading.Event | None = None,
    told: Told | None = None,
    *,
    most: int | None = None,
    clock: Callable[[], float] = time.time,
) -> int:
    """Keep events coming into ``project`` (a demo) until ``stop`` is set; returns how many were sent.

    ``rate``: events a second on average; ``most``: stop by itself after so many events; ``clock``: seconds since 1970.
    Runs in the calling thread. What has been played is remembered, so that the next call goes on from there. Raises
    ProjectError when the project is not a demo.
    """
    if rate <= 0:
        raise UsageError(N_("Events come at a rate over 0 a second; {rate} was asked for."), rate=rate)
    note = read_note(project.folder)
    if note is None or not note["done"]:
        raise ProjectError(
            N_("{folder} is not a demo: only a demo's world goes on by itself."), folder=str(project.folder)
        )
    ending = stop or threading.Event()
    world = world_of(note)
    number, played = note.get("live", (0, 0))
    sent = 0
    for chapter in chapters(world, number):
        player = _Player(project, chapter, world, rate, clock)
        for moments, events in player.play(played, ending, None if most is None else most - sent):
            sent += events
            _remember(project.folder, number, moments)
            if told:
                told(sent)
        if ending.is_set() or (most is not None and sent >= most):
            return sent
        number, played = number + 1, 0
    return sent


def _remember(folder: Path, number: int, moments: int) -> None:
    note = read_note(folder)
    if note is not None and note.get("live") != [number, moments]:
        write_note(folder, {**note, "live": [number, moments]})


class _Player:
    """Plays one chapter's moments, several at a time."""

    def __init__(self, project: Project, chapter: Cast, world: World, rate: float, clock: Callable[[], float]) -> None:
        self.project = project
        self.chapter = chapter
        self.world = world
        self.rate = rate
        self.clock = clock
        self.busy: dict[int, float] = {}  # person: when their present moment ends
        self.due: list[tuple[float, int]] = []  # (when, row), a heap

    def schedule(self, moment: int, at: float) -> int:
        """Put a moment's events on the heap, from ``at`` on; returns how many they are."""
        start, end = self.chapter.starts[moment : moment + 2].tolist()
        rows = self.chapter.rows[start:end]
        person = int(rows["person"][0])
        at = max(at, self.busy.get(person, 0.0) + 1.0)
        pauses = np.minimum(np.diff(rows["time"], prepend=rows["time"][0]) / MICROS / QUICKER, LONGEST)
        times = at + np.cumsum(pauses)
        for row, when in zip(range(start, end), times.tolist(), strict=True):
            heapq.heappush(self.due, (when, row))
        self.busy[person] = float(times[-1])
        return int(end - start)

    def play(self, first: int, ending: threading.Event, most: int | None) -> Iterator[tuple[int, int]]:
        """Play from moment ``first``; yields (moments begun, events sent) after each batch."""
        begun, sent = first, 0
        count = len(self.chapter.starts) - 1
        next_start = self.clock()
        while (begun < count or self.due) and not ending.is_set() and (most is None or sent < most):
            now = self.clock()
            while begun < count and next_start <= now:
                next_start += self.schedule(begun, next_start) / self.rate
                begun += 1
            batch: list[tuple[float, int]] = []
            while self.due and self.due[0][0] <= now and (most is None or sent + len(batch) < most):
                batch.append(heapq.heappop(self.due))
            if batch:
                self.send(batch)
                sent += len(batch)
                yield begun, len(batch)
            ending.wait(TICK)

    def send(self, batch: list[tuple[float, int]]) -> None:
        """Through the inbox, as any collector would."""
        rows = self.chapter.rows[np.array([row for _, row in batch])]
        at = np.array([round(when * 1e6) for when, _ in batch], np.int64)
        people, first, world = self.chapter.people, self.chapter.first, self.world
        for new in (False, True):
            here = (rows["person"] >= first) == new
            if here.any():
                chosen = people[-NEWCOMERS:] if new else people[:-NEWCOMERS]
                made = table(_sent(rows[here], at[here]), chosen, first if new else 0, world.seed, world.setting)
                self.project.inbox.append(made)
