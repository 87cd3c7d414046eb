"""The look of live guidance: one customer as of now, from the record, the trails and the state of guidance itself."""

from __future__ import annotations

import datetime as dt
import functools
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from polku.guidance import outbox
from polku.guidance.arrivals import COLUMNS, event_of
from polku.guidance.engine import WAITING, number_of
from polku.guidance.limits import MICRO
from polku.guidance.recogniser import Customer, Meaning
from polku.guidance.rules import Matcher, Rule, at_path, meets_where, text_of
from polku.guidance.shares import shares_of
from polku.kernels import fold
from polku.measures.rules import segment_rules
from polku.record import tables
from polku.record.clock import moment
from polku.record.hashes import COLUMNS as ID_COLUMNS
from polku.zones import is_zone

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from polku.journey.model import Journey
    from polku.record.project import Project
    from polku.trails.layout import Tables

#: Messages in these states count for caps: they went out, or will.
COUNTED = (outbox.WAITING, outbox.SENDING, outbox.SENT)


class LiveLook:
    """See ``look.Look``. Asked inside the transaction in which the answers are used, so that it sees what was decided
    in it a moment before."""

    def __init__(
        self, project: Project, connection: Connection, journey: Journey, trails: Tables, rules: Mapping[str, Rule],
        customer: int, fold_of: Customer, now: int,
    ) -> None:  # fmt: skip
        self.project, self.connection, self.journey, self.tables = project, connection, journey, trails
        self.rules, self.customer, self.fold, self.now = rules, customer, fold_of, now
        self._read: dict[int, dict[int, dict[str, Any]]] = {}  # the customer's events, by the second asked from

    @functools.cached_property
    def ids(self) -> list[tuple[str, str]]:
        """(kind, value) of the customer's ids."""
        who = tables.identities.c
        query = sa.select(who.kind, who.value).where(who.customer == self.customer)
        own = sa.select(who.kind, who.value).where(who.id == self.customer)
        return [(kind, value) for kind, value in self.connection.execute(query.union(own))]

    @functools.cached_property
    def zone(self) -> ZoneInfo:
        said = self.traits().get("timezone")
        return ZoneInfo(said if isinstance(said, str) and is_zone(said) else self.journey.timezone)

    def consent(self, purpose: str) -> bool | None:
        held = self.project.consents.held(self.ids, self.now)
        return True if purpose in held.granted else False if purpose in held.denied else None

    def traits(self) -> Mapping[str, Any]:
        return self._traits

    @functools.cached_property
    def _traits(self) -> Mapping[str, Any]:
        trait, who = tables.traits.c, tables.identities.c
        query = (
            sa.select(trait.name, trait.value)
            .join_from(tables.traits, tables.identities, trait.identity == who.id)
            .where(who.customer == self.customer)
            .order_by(trait.time, trait.seq)
        )
        return {name: json.loads(value) for name, value in self.connection.execute(query)}

    def persona(self, id: str) -> bool:
        persona = self.journey.personas.get(id)
        if persona is None or persona.where is None:
            return False
        return meets_where(persona.where, {"properties": {}, "context": {}, "traits": self.traits()})

    def segment(self, id: str) -> bool:
        segment = self.journey.segments.get(id)
        if segment is None:
            return False
        rules = segment_rules(segment.condition, self.journey, self.tables)
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
            name = _touchpoint(meaning, code) if matcher.kind == "touchpoint" else self.tables.code_event[code]
            if name == matcher.name:
                if matcher.where is None and key is None:
                    return time
                found.append((time, seq))
        events = self._events(since // MICRO) if found else {}
        for time, seq in found:
            event = events.get(seq)
            if event is None or (matcher.where is not None and not meets_where(matcher.where, event)):
                continue
            theirs = text_of(at_path(event, key[0])) if key is not None else ""
            if key is None or not theirs or theirs == key[1]:
                return time
        return None

    def _events(self, since: int) -> dict[int, dict[str, Any]]:
        """The customer's events from the day of ``since`` (seconds) on, by seq; read once for each ``since``."""
        if since not in self._read:
            self._read[since] = self._read_events(since)
        return self._read[since]

    def _read_events(self, since: int) -> dict[int, dict[str, Any]]:
        snapshot, tail = self.project.look(COLUMNS)
        theirs: pc.Expression = pc.scalar(False)
        for kind, column in ID_COLUMNS.items():
            values = [value for k, value in self.ids if k == kind]
            if values:
                theirs = theirs | pc.field(column).isin(pa.array(values, pa.string()))
        day = moment(since * MICRO).date() - dt.timedelta(days=1)
        files = [f for f in snapshot.files if f.day >= day]
        found = self.project.history.read(COLUMNS, files=files, where=theirs).read_all().to_pylist() if files else []
        return {row["seq"]: event_of(row) for row in (*found, *tail.filter(theirs).to_pylist())}

    def number_before(self, path: str, position: int) -> float | None:
        events = self._events(0)
        for seq in reversed(self.fold.past.seq.tolist()):
            if seq < position and seq in events:
                value = number_of(at_path(events[seq], path))
                if value is not None:
                    return value
        return None

    def acted(self, rule: str, key: str) -> Sequence[int]:
        note = tables.run_notes.c
        acted = note.what.in_(("treated", "held_out"))
        query = sa.select(note.known).where(note.customer == self.customer, note.rule == rule, acted)
        return [int(t) for t in self.connection.execute(query).scalars()]

    def entered(self, rule: str, key: str) -> bool:
        run = tables.runs.c
        query = sa.select(run.id).where(run.customer == self.customer, run.rule == rule, run.key == key).limit(1)
        return self.connection.execute(query).first() is not None

    def in_group(self, group: str, rule: str) -> str | None:
        others = [r.id for r in self.rules.values() if r.group == group and r.id != rule]
        run = tables.runs.c
        query = sa.select(run.rule).where(run.customer == self.customer, run.rule.in_(others), run.status == WAITING)
        found = self.connection.execute(query.limit(1)).scalar()
        return None if found is None else str(found)

    def given(self, rule: str, step: int) -> str | None:
        box = tables.outbox.c
        query = sa.select(box.variant).where(
            box.customer == self.customer, box.rule == rule, box.step == step, box.variant.is_not(None)
        )
        found = self.connection.execute(query.order_by(box.made_at.desc()).limit(1)).scalar()
        return None if found is None else str(found)

    def shares(self, rule: str, step: int) -> Mapping[str, float] | None:
        return shares_of(self.connection, rule, step)

    def messages(self, channel: str) -> Sequence[int]:
        box = tables.outbox.c
        query = sa.select(box.made_at).where(
            box.customer == self.customer, box.channel == channel, box.owed.is_(sa.false()), box.state.in_(COUNTED)
        )
        return [int(t) for t in self.connection.execute(query).scalars()]


def _touchpoint(meaning: Meaning, code: int) -> str:
    number = int(meaning.rules.code_touchpoint[code])
    return "" if number < 0 else meaning.touchpoints[number]
