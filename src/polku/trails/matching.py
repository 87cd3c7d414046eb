"""The map's matchers, ready to be asked which of them an event meets.

A touchpoint is met by an event that meets any of its ``match``; it has failed when an event meets any of its
``fails``. One event is at most one touchpoint: the first in the map's order. A ``match`` with a ``path`` but without
an ``event`` means page views. ``where`` counts only when it is true. A touchpoint's ``channel`` says where the meeting
takes place on the map; it narrows nothing, ``where: channel = 'store'`` does.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from polku.journey.model import Journey, Match
from polku.journey.where import Where, parse_where

PAGE = "page"


def glob(pattern: str) -> re.Pattern[str]:
    """A path pattern as in a shell: ``*`` is any text (also ``/``), ``?`` one sign, all else stands for itself.

    >>> bool(glob("/koko-opas*").fullmatch("/koko-opas/mekot")), bool(glob("/a[1]").fullmatch("/a1"))
    (True, False)
    """
    return re.compile("".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern), re.DOTALL)


@dataclass(frozen=True, eq=False)
class Matcher:
    """One ``match`` of the map, checked and compiled; equal matchers have equal ``key``s."""

    key: str
    events: frozenset[str]  # empty: any event
    paths: tuple[re.Pattern[str], ...]
    where: Where | None

    @classmethod
    def of(cls, match: Match) -> Matcher:
        events = match.event if match.event or not match.path else (PAGE,)
        key = json.dumps([sorted(events), sorted(match.path), match.where], ensure_ascii=False)
        return cls(
            key,
            frozenset(events),
            tuple(glob(p) for p in match.path),
            parse_where(match.where) if match.where else None,
        )

    def fits(self, event: str) -> bool:
        return not self.events or event in self.events

    def meets_path(self, path: str) -> bool:
        return not self.paths or any(p.fullmatch(path) for p in self.paths)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of history that ``where`` reads, in a fixed order."""
        if self.where is None:
            return ()
        return tuple(sorted({"context" if f.path[0] == "traits" else f.path[0] for f in self.where.fields}))

    @property
    def plain(self) -> bool:
        """Whether it can be answered from event name, channel and page alone."""
        paths_on_pages = not self.paths or self.events <= {PAGE}
        return paths_on_pages and set(self.columns) <= {"event", "channel"}


@dataclass(frozen=True, eq=False)
class Matching:
    """All matchers of a map; equal ones are asked once."""

    touchpoints: tuple[str, ...]
    matchers: tuple[Matcher, ...]
    match: tuple[tuple[int, ...], ...]  # [touchpoints] which matchers make it met
    fails: tuple[tuple[int, ...], ...]  # [touchpoints] which say that it failed
    values: tuple[str | None, ...]  # [touchpoints] the property that holds its money
    subject: str
    timezone: str

    @classmethod
    def of(cls, journey: Journey) -> Matching:
        """The matchers of a map. Raises ExpressionError where a ``where`` does not parse (a checked map has none)."""
        matchers: list[Matcher] = []
        numbers: dict[str, int] = {}

        def number(match: Match) -> int:
            matcher = Matcher.of(match)
            if matcher.key not in numbers:
                numbers[matcher.key] = len(matchers)
                matchers.append(matcher)
            return numbers[matcher.key]

        all_touchpoints = [t for _, _, t in journey.touchpoints()]
        match = tuple(tuple(number(m) for m in t.match) for t in all_touchpoints)
        fails = tuple(tuple(number(m) for m in t.fails) for t in all_touchpoints)
        return cls(
            touchpoints=tuple(t.id for t in all_touchpoints),
            matchers=tuple(matchers),
            match=match,
            fails=fails,
            values=tuple(t.value for t in all_touchpoints),
            subject=journey.subject,
            timezone=journey.timezone,
        )

    def touchpoint(self, met: Iterable[int]) -> int:
        """The touchpoint of an event that meets these matchers: the first in the map's order, -1 = none."""
        return self._first(self.match, frozenset(met))

    def failed(self, met: Iterable[int]) -> int:
        """The touchpoint that an event with these matchers says has failed, -1 = none."""
        return self._first(self.fails, frozenset(met))

    @staticmethod
    def _first(of: tuple[tuple[int, ...], ...], met: frozenset[int]) -> int:
        return next((t for t, numbers in enumerate(of) if not met.isdisjoint(numbers)), -1)

    def value_property(self, met: Iterable[int]) -> str | None:
        """The property that holds the money of an event that meets these matchers; None: history's ``value``."""
        t = self.touchpoint(met)
        return self.values[t] if t >= 0 else None

    @functools.cached_property
    def path_events(self) -> frozenset[str]:
        """Events other than page views whose path some matcher asks for."""
        return frozenset(e for m in self.matchers if m.paths for e in m.events)

    @functools.cached_property
    def paths_of_any_event(self) -> bool:
        return any(m.paths and not m.events for m in self.matchers)

    @functools.cached_property
    def with_where(self) -> tuple[int, ...]:
        return tuple(i for i, m in enumerate(self.matchers) if m.where is not None)

    @functools.cached_property
    def with_paths(self) -> tuple[int, ...]:
        return tuple(i for i, m in enumerate(self.matchers) if m.paths)

    @property
    def columns(self) -> frozenset[str]:
        """The columns of history that the matchers and values need, besides those that trails always read."""
        needed = {c for m in self.matchers for c in m.columns}
        if any(self.values):
            needed.add("properties")
        return frozenset(needed)

    @functools.cached_property
    def fingerprint(self) -> str:
        """Changes exactly when trails made with this map would differ: matchers, values, subject, time zone."""
        parts = [
            self.touchpoints,
            [m.key for m in self.matchers],
            self.match,
            self.fails,
            self.values,
            self.subject,
            self.timezone,
        ]
        return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()[:32]

    def rederive(
        self, known: Mapping[str, int], event: str, channel: str | None, path: str | None, met: frozenset[int]
    ) -> frozenset[int] | None:
        """Which of these matchers an event meets, told from an older code: its event, channel, page and what it met.

        ``known`` numbers the older map's matchers by key. None when the past has to be read again.
        """
        now = set()
        for number, matcher in enumerate(self.matchers):
            if (old := known.get(matcher.key)) is not None:
                answer = old in met
            elif not matcher.fits(event):
                answer = False
            elif matcher.plain:
                answer = matcher.meets_path(path or "") and (
                    matcher.where is None or _plain_where(matcher.where, event, channel)
                )
            else:
                return None
            if answer:
                now.add(number)
        return frozenset(now)


def _plain_where(where: Where, event: str, channel: str | None) -> bool:
    return where.compile()({"event": event, "channel": channel, "properties": {}, "context": {}, "traits": {}}) is True
