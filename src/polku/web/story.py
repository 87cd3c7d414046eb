"""One customer's story: the trail's steps and stage changes, with what the history knows of each event besides."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import json
from collections.abc import Callable, Mapping
from typing import Any

from polku.journey.model import Journey
from polku.journey.where import parse_where
from polku.language import Reader
from polku.measures.timeline import Change, Step, Timeline
from polku.record.ids import Id
from polku.record.project import Project
from polku.web.answers import Session, StageChange, Story, StoryEvent

#: What the history is asked for; the trail has the rest.
COLUMNS = (
    "time", "seq", "event", "original_event", "source", "channel", "value", "currency", "user_id", "properties",
    "context",
)  # fmt: skip
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
Facts = dict[tuple[int, str], collections.deque[dict[str, Any]]]


def microseconds(when: dt.datetime) -> int:
    return (when - EPOCH) // dt.timedelta(microseconds=1)


def facts_of(project: Project, customer: int) -> Facts:
    """The history's rows of one customer by moment and name, each in order of arrival.

    Rows of a device that others share may be among them; the trail's steps take only their own.
    """
    table = project.events_of([customer], COLUMNS).read_all()
    found: Facts = collections.defaultdict(collections.deque)
    journey = project.journey()
    role = roles_of(journey)
    for row in table.sort_by([("time", "ascending"), ("seq", "ascending")]).to_pylist():
        row["role"] = role(row)
        row["person"] = row["user_id"] if journey.subject == "account" else None
        found[microseconds(row["time"]), row["event"]].append(row)
    return found


def roles_of(journey: Journey) -> Callable[[Mapping[str, Any]], str | None]:
    """A function that gives the id of the first role of the map whose ``where`` a row of history meets, or None."""
    wheres = [(id, parse_where(role.where).compile()) for id, role in journey.roles.items() if role.where]

    def role(row: Mapping[str, Any]) -> str | None:
        if not wheres:
            return None
        event = {**row, "properties": mapping(row["properties"]), "context": mapping(row["context"])}
        return next((id for id, meets in wheres if meets(event)), None)

    return role


def mapping(text: str | None) -> dict[str, Any]:
    """A JSON column as a dict; what is none (it came so) holds nothing."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def flat(value: Any, name: str = "") -> list[tuple[str, str]]:
    """Nested properties as lines: ``products.0.price``.

    >>> flat({"a": {"b": 1}, "c": [True, None]})
    [('a.b', '1'), ('c.0', 'true'), ('c.1', 'null')]
    """
    if isinstance(value, dict):
        return [line for k, v in value.items() for line in flat(v, f"{name}.{k}" if name else str(k))]
    if isinstance(value, list):
        return [line for n, v in enumerate(value) for line in flat(v, f"{name}.{n}" if name else str(n))]
    return [(name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))]


def parsed(text: str | None) -> list[tuple[str, str]]:
    """A JSON column as lines; what is no JSON (it came so) is shown as it is."""
    if not text:
        return []
    try:
        return flat(json.loads(text))
    except ValueError:
        return [("", text)]


def event_of(step: Step, facts: Facts) -> StoryEvent:
    rows = facts.get((microseconds(step.time), step.event))
    row = rows.popleft() if rows else {}
    # where the source names no origin, the trail takes the channel for it: not worth saying twice
    origin = (step.source, step.medium, step.campaign) if (step.medium or step.campaign) else ()
    campaign = " / ".join(part for part in origin if part)
    return StoryEvent(
        time=step.time,
        event=step.event,
        touchpoint=step.touchpoint,
        stage=step.stage,
        channel=step.channel,
        source=row.get("source"),
        page=step.page,
        campaign=campaign or None,
        value=step.value,
        currency=row.get("currency"),
        original_event=row.get("original_event"),
        failed=step.failed,
        role=row.get("role"),
        person=row.get("person"),
        properties=tuple(parsed(row.get("properties"))),
    )


def change_of(change: Change, reader: Reader) -> StageChange:
    return StageChange(change.time, change.from_stage, change.to_stage, change.kind, change.reason(reader))


def story_of(
    key: str,
    told: Timeline,
    ids: tuple[Id, ...],
    traits: dict[str, Any],
    facts: Facts,
    reader: Reader,
    limit: int,
) -> Story:
    """The story, newest ``limit`` events of it, oldest first; changes stand where they happened."""
    changes = tuple(change_of(c, reader) for c in told.changes)
    steps = told.events
    entries = [Entry(n, 0, event_of(step, facts)) for n, step in enumerate(steps)]
    for change, shown in zip(told.changes, changes, strict=True):
        # a change that an event made stands behind it; one that time made stands before the next event
        if change.event is not None:
            entries.append(Entry(change.event, 1, shown))
        else:
            entries.append(Entry(sum(1 for s in steps if s.time <= change.time) - 1, 2, shown))
    entries.sort(key=lambda e: (e.place, e.rank))
    first = max(0, len(steps) - limit)
    shown_entries = [e for e in entries if e.place >= first or first == 0]
    return Story(
        key=key,
        name=key,
        stage=told.stage,
        lapsed=told.lapsed,
        since=told.since,
        ids=tuple((i.kind, i.value) for i in ids),
        traits=tuple(flat(traits)),
        changes=changes,
        sessions=sessions_of(shown_entries, steps),
        events=len(steps),
        shown=len(steps) - first,
        first_seen=steps[0].time if steps else None,
        last_seen=steps[-1].time if steps else None,
        value=told.value,
        orders=sum(1 for s in steps if s.value is not None),
        currency=told.currency,
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One line of the story.

    ``place`` is the event it is or follows. ``rank``: 0 the event, 1 a change that it made, 2 one that time made later.
    """

    place: int
    rank: int
    shown: StoryEvent | StageChange


def sessions_of(entries: list[Entry], steps: tuple[Step, ...]) -> tuple[Session, ...]:
    """Entries by session; what time alone changed after a session stands by itself."""
    groups: list[tuple[object, list[StoryEvent | StageChange]]] = []
    for entry in entries:
        mark: object = steps[entry.place].session if entry.rank < 2 else ("time", entry.shown.time)
        if not groups or groups[-1][0] != mark:
            groups.append((mark, []))
        groups[-1][1].append(entry.shown)
    return tuple(
        Session(
            start=found[0].time,
            end=found[-1].time,
            number=number,
            entries=tuple(found),
            events=sum(isinstance(e, StoryEvent) for e in found),
        )
        for number, (_, found) in enumerate(groups, 1)
    )
