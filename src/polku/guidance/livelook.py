"""The look of live guidance: one customer as of now, from the record, the trails and the state of guidance itself."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np

from polku.guidance.hours import zone_of
from polku.guidance.limits import MICRO
from polku.guidance.recogniser import Customer, Meaning, Recogniser
from polku.guidance.rules import Matcher, Rule, at_path, meets_where, text_of
from polku.kernels import fold

if TYPE_CHECKING:
    from polku.guidance.book import Book
    from polku.guidance.eventsof import EventsOf
    from polku.guidance.numbers import Numbers
    from polku.record.project import Project


class LiveLook:
    """See ``look.Look``. Asked inside the transaction in which the answers are used, so that it sees what was decided
    in it a moment before (``book``)."""

    def __init__(
        self, project: Project, book: Book, events: EventsOf, recogniser: Recogniser, rules: Mapping[str, Rule],
        numbers: Numbers, customer: int, now: int,
    ) -> None:  # fmt: skip
        self.project, self.book, self.events, self.recogniser = project, book, events, recogniser
        self.numbers = numbers
        self.journey = recogniser.meaning.journey
        self.rules, self.customer, self.now = rules, customer, now

    @property
    def fold(self) -> Customer:
        """The customer's fold, made when first asked for."""
        return self.recogniser.customer(self.customer)

    @functools.cached_property
    def zone(self) -> ZoneInfo:
        return zone_of(self.traits(), ZoneInfo(self.journey.timezone))

    def consent(self, purpose: str) -> bool | None:
        held = self.project.consents.held(self.book.ids(self.customer), self.now)
        return True if purpose in held.granted else False if purpose in held.denied else None

    def traits(self) -> Mapping[str, Any]:
        return self._traits

    @functools.cached_property
    def _traits(self) -> Mapping[str, Any]:
        return self.book.traits(self.customer)

    def persona(self, id: str) -> bool:
        persona = self.journey.personas.get(id)
        if persona is None or persona.where is None:
            return False
        return meets_where(persona.where, {"properties": {}, "context": {}, "traits": self.traits()})

    def segment(self, id: str) -> bool:
        if id not in self.journey.segments:
            return False
        rules = self.recogniser.meaning.segment(id)
        return bool(fold.holding(self.fold.columns(), rules, self.now // MICRO)[0])

    def role(self, id: str, event: Mapping[str, Any] | None) -> bool:
        role = self.journey.roles.get(id)
        return role is not None and role.where is not None and event is not None and meets_where(role.where, event)

    def stage(self) -> str | None:
        number = self.fold.stage
        return None if number < 0 else self.journey.stages[number].id

    def met(self, matchers: Sequence[Matcher], since: int, after: int, key: tuple[str, str] | None) -> int | None:
        found = [self._met(m, since, after, key) for m in matchers]
        return min((f for f in found if f is not None), default=None)

    def _met(self, matcher: Matcher, since: int, after: int, key: tuple[str, str] | None) -> int | None:
        meaning = self.fold.meaning
        if matcher.kind not in ("stage_entered", "touchpoint", "event"):
            return None
        if matcher.kind == "stage_entered":
            entered = (c.time for c in self.fold.changes if c.kind == "stage_entered" and c.name == matcher.name)
            return next((time for time in entered if time > since), None)
        past = self.fold.past
        first = int(np.searchsorted(past.time, since, side="left"))
        last = int(np.searchsorted(past.time, self.now, side="right"))
        found: list[tuple[int, int]] = []
        for i in range(first, last):
            time, seq, code = int(past.time[i]), int(past.seq[i]), int(past.code[i])
            if time == since and seq <= after:
                continue
            name = _touchpoint(meaning, code) if matcher.kind == "touchpoint" else meaning.names[code]
            if name == matcher.name:
                if matcher.where is None and key is None:
                    return time
                found.append((time, seq))
        events = self.events.of(self.customer, since // MICRO) if found else {}
        for time, seq in found:
            event = events.get(seq)
            if event is None or (matcher.where is not None and not meets_where(matcher.where, event)):
                continue
            theirs = text_of(at_path(event, key[0])) if key is not None else ""
            if key is None or not theirs or theirs == key[1]:
                return time
        return None

    def number_before(self, path: str, position: int) -> float | None:
        return self.numbers.before(self.customer, path, position)

    def acted(self, rule: str, key: str) -> Sequence[int]:
        return self.book.acted(self.customer, rule)

    def entered(self, rule: str, key: str) -> bool:
        return key in self.book.keys(self.customer, rule)

    def in_group(self, group: str, rule: str) -> str | None:
        for run in self.book.waiting(self.customer):
            other = self.rules.get(run.rule)
            if other is not None and other.group == group and other.id != rule:
                return other.id
        return None

    def given(self, rule: str, step: int) -> str | None:
        return self.book.given(self.customer, rule, step)

    def shares(self, rule: str, step: int) -> Mapping[str, float] | None:
        return self.book.shares(rule, step)

    def messages(self, channel: str) -> Sequence[int]:
        return self.book.messages(self.customer, channel)


def _touchpoint(meaning: Meaning, code: int) -> str:
    number = int(meaning.rules.code_touchpoint[code])
    return "" if number < 0 else meaning.touchpoints[number]
