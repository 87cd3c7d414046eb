"""Funnels by trying every chain: what the kernels are held against."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator


@dataclasses.dataclass(frozen=True)
class Asked:
    """A funnel over letters. ``without``: (letter, a, b) between steps a and b; ``required`` by step."""

    steps: str
    window: int | None = None
    required: tuple[bool, ...] = ()
    least: tuple[int, ...] = ()
    most: tuple[int | None, ...] = ()
    without: tuple[tuple[str, int, int], ...] = ()
    strict: bool = False
    rising: bool = False
    once: bool = False
    start: int = 0
    end: int = 10**9
    as_of: int = 10**9


Event = tuple[int, str]  # a moment and a letter
Chain = tuple[tuple[int, int], ...]  # (place of the event, step)


def needed(asked: Asked, step: int) -> bool:
    return asked.required[step] if asked.required else True


def goes_on(events: list[Event], asked: Asked, chain: Chain, j: int, k: int) -> bool:
    i, p = chain[-1]
    passed = events[j][0] - events[i][0]
    if asked.window is not None and events[j][0] - events[chain[0][0]][0] > asked.window:
        return False
    if any(needed(asked, s) for s in range(p + 1, k)):
        return False
    if (asked.least and passed < asked.least[k]) or (asked.rising and passed <= 0):
        return False
    if asked.most and asked.most[k] is not None and passed > asked.most[k]:
        return False
    if asked.strict and j != i + 1:
        return False
    between = {letter for _, letter in events[i + 1 : j]}
    return not any(letter in between and p < b and a < k for letter, a, b in asked.without)


def every_chain(events: list[Event], asked: Asked, start: int) -> Iterator[Chain]:
    """Every chain that begins with event ``start``, unfinished ones too."""
    if events[start][1] != asked.steps[0] or not asked.start <= events[start][0] < asked.end:
        return
    todo: list[Chain] = [((start, 0),)]
    while todo:
        chain = todo.pop()
        yield chain
        for j in range(chain[-1][0] + 1, len(events)):
            for k in range(chain[-1][1] + 1, len(asked.steps)):
                if events[j][1] == asked.steps[k] and goes_on(events, asked, chain, j, k):
                    todo.append((*chain, (j, k)))


@dataclasses.dataclass(frozen=True)
class Found:
    level: int
    met: tuple[bool, ...]
    open: bool
    reached_at: int  # the place of the event with which the level was first reached


def repeat(events: list[Event], asked: Asked, starts: list[int], alone: bool = False) -> int | None:
    """The place of the first event that is a step already taken (and takes no later one); None for none. ``alone``:
    before the one start's last step, and within its window.
    """
    if not asked.once:
        return None
    for j in range(len(events)):
        if alone and asked.window is not None and events[j][0] - events[starts[0]][0] > asked.window:
            return None
        ends = {c[-1] for s in starts if s <= j for c in every_chain(events[: j + 1], asked, s)}
        for k in range(len(asked.steps) - 1, 0, -1):
            if events[j][1] != asked.steps[k]:
                continue
            if any(step == k and i < j for i, step in ends):
                return j
            if (j, k) in ends:
                break
        if alone and (j, len(asked.steps) - 1) in ends:
            return None
    return None


def outcome(events: list[Event], asked: Asked, starts: list[int], alone: bool = False) -> Found | None:
    """Of several starts the one that gets furthest; None when none is a start. ``alone``: it ends with its last step,
    and what could be left out is not met behind it.
    """
    again = repeat(events, asked, starts, alone)
    events = events if again is None else events[:again]
    starts = [s for s in starts if s < len(events)]
    chains = [c for s in starts for c in every_chain(events, asked, s)]
    if not chains:
        return None
    levels = [(max(k + 1 for _, k in c if needed(asked, k)), c) for c in chains if needed(asked, c[-1][1])]
    level = max(n for n, _ in levels)
    last = max(events[s][0] for s in starts if events[s][1] == asked.steps[0]
               and asked.start <= events[s][0] < asked.end)  # fmt: skip
    is_open = again is None and asked.window is not None and last + asked.window > asked.as_of
    at = min(c[-1][0] for n, c in levels if n == level)
    over = alone and level == len(asked.steps)
    met = {c[-1][1] for c in chains if not over or c[-1][0] <= at}
    return Found(level, tuple(k in met for k in range(len(asked.steps))), is_open, at)


def furthest(events: list[Event], asked: Asked) -> Found | None:
    return outcome(events, asked, list(range(len(events))))


def first(events: list[Event], asked: Asked) -> Found | None:
    starts = [i for i in range(len(events)) if list(every_chain(events, asked, i))]
    return outcome(events, asked, starts[:1], alone=True) if starts else None


def every(events: list[Event], asked: Asked) -> list[Found]:
    """Each way through: from a start to its last step or the end of its window, then from the next start behind."""
    found, place = [], 0
    while place < len(events):
        one = outcome(events, asked, [place], alone=True)
        if one is None:
            place += 1
            continue
        found.append(one)
        if one.level == len(asked.steps):
            place = one.reached_at + 1
        elif (again := repeat(events, asked, [place], alone=True)) is not None:
            place = again
        else:
            begun = events[place][0]
            place = next(
                (j for j in range(place + 1, len(events))
                 if asked.window is not None and events[j][0] - begun > asked.window), len(events)
            )  # fmt: skip
    return found


def in_any_order(events: list[Event], asked: Asked) -> int:
    """The most leading steps of which all lie in one window that begins in the period."""
    best = 0
    for i, (begun, letter) in enumerate(events):
        if letter not in asked.steps or not asked.start <= begun < asked.end:
            continue
        inside = {e for t, e in events[i:] if asked.window is None or t - begun <= asked.window}
        for level in range(len(asked.steps), 0, -1):
            if letter in asked.steps[:level] and inside >= set(asked.steps[:level]):
                best = max(best, level)
    return best
