"""Refreshing a list: who belongs on it now is compared with who was on it, and files tell the difference.

One process refreshes a list at a time (a lease). The files are written first, then one transaction notes the refresh
and who is on the list; was somebody erased or joined meanwhile, all of it is done again. Who was erased since the last
refresh is in ``removed`` by their hashes, which are forgotten with it.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from polku.audiences import files
from polku.audiences.files import ADDED, DAYS, MEMBERS, REMOVED, Writer, Written
from polku.audiences.membership import Member, Membership, audience_of
from polku.errors import MapError, ProjectBusy
from polku.guidance.crowd import Crowd
from polku.guidance.hours import clock, next_clock
from polku.language import N_
from polku.record import tables
from polku.record.clock import moment, now
from polku.record.lease import hold
from polku.record.steps import reached

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from polku.journey.campaigns import Audience
    from polku.record.project import Project

MICRO: Final = 1_000_000
DAY: Final = 86_400 * MICRO
#: What became of telling the web hook.
NOTHING, WAITS, TOLD, FAILED = "", "waiting", "done", "failed"
#: How often all is done again where somebody was erased or joined meanwhile.
TRIES: Final = 3


@dataclasses.dataclass(frozen=True, slots=True)
class Refresh:
    """One refresh of a list. ``left_out``: how many are not on it, by reason; ``told``: of the web hook."""

    number: int
    audience: str
    at: int
    by: str
    members: int
    added: int
    removed: int
    left_out: Mapping[str, int]
    files: tuple[Written, ...]
    told: str
    attempts: int = 0
    reason: str | None = None

    @property
    def time(self) -> dt.datetime:
        return moment(self.at)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        told = dataclasses.asdict(self)
        del told["told"]
        return told | {"at": self.time.isoformat(), "web_hook": self.told,
                       "files": [{"name": f.name, **dataclasses.asdict(f)} for f in self.files]}  # fmt: skip


def refresh_of(row: Any) -> Refresh:
    """A row of ``audience_refreshes``."""
    written = tuple(Written(**one) for one in json.loads(row.files))
    return Refresh(
        int(row.number), row.audience, int(row.at), row.by, int(row.members), int(row.added), int(row.removed),
        json.loads(row.left_out), written, row.told, int(row.attempts), row.reason,
    )  # fmt: skip


def refreshes(project: Project, id: str | None = None, limit: int = 50) -> list[Refresh]:
    """The latest refreshes, of one list or of all, newest first."""
    row = tables.audience_refreshes
    query = sa.select(row).order_by(row.c.number.desc()).limit(limit)
    if id is not None:
        query = query.where(row.c.audience == id)
    with project.state.read() as connection:
        return [refresh_of(found) for found in connection.execute(query)]


def last_refresh(project: Project, id: str) -> Refresh | None:
    """The last refresh of a list; None before the first."""
    found = refreshes(project, id, 1)
    return found[0] if found else None


# -- when -------------------------------------------------------------------------------------------------------------


def next_at(audience: Audience, last: int | None, zone: ZoneInfo, at: int) -> int:
    """When a list is next refreshed (microseconds): ``every`` after the last time, at the hour that it names where it
    is refreshed by days; at once before the first.
    """
    if last is None:
        return at
    every = audience.every * MICRO
    if audience.at is None or every < DAY:
        return last + every
    return next_clock(last + every - DAY + 1, clock(audience.at), zone)


def due(project: Project, at: int | None = None) -> list[str]:
    """The lists that are on and whose moment has come, and those, on or off, of which somebody was erased since."""
    if not project.map_file.exists():
        return []
    try:
        journey = project.journey()
    except MapError:
        return []  # a map with faults is told where it is edited
    when, zone = now() if at is None else at, ZoneInfo(journey.timezone)
    if not journey.audiences:
        return []
    row = tables.audience_refreshes.c
    with project.state.read() as connection:
        query = sa.select(row.audience, sa.func.max(row.at)).group_by(row.audience)
        last = {str(id): int(time) for id, time in connection.execute(query)}
        listed = tables.audience_listed.c
        erased = set(connection.execute(sa.select(listed.audience).where(listed.origin.is_(None)).distinct()).scalars())
    return [
        id
        for id, one in journey.audiences.items()
        if id in erased or (one.state == "on" and next_at(one, last.get(id), zone, when) <= when)
    ]


def refresh_due(project: Project) -> int:
    """Refresh every list whose moment has come. Returns how many were."""
    done = 0
    _forget_lists(project)
    for id in due(project):
        try:
            refresh(project, id, "", wait=0.0)
            done += 1
        except ProjectBusy:
            continue  # somebody refreshes it by hand
    return done


def _forget_lists(project: Project) -> None:
    """Of a list that the map has no more nobody is told anything: hashes of those who were erased go at once."""
    row = tables.audience_listed
    known = sorted(project.journey().audiences)
    with project.state.write() as connection:
        connection.execute(sa.delete(row).where(row.c.origin.is_(None), row.c.audience.not_in(known)))


# -- refreshing -------------------------------------------------------------------------------------------------------


def refresh(project: Project, id: str, by: str, *, at: int | None = None, wait: float = 60.0) -> Refresh:
    """Refresh a list now. ``by``: the person who asked, "" the schedule.

    Raises UsageError for a list that the map lacks, ProjectBusy when another process is at it for longer than ``wait``.
    """
    when = now() if at is None else at
    life = project.settings.record.lease
    with hold(project.state, project.history.locks, f"audience-{id}", "audience", wait, life):
        for _ in range(TRIES):
            done = _try(project, id, by, when)
            if done is not None:
                return done
    raise ProjectBusy(N_("Customers are being joined or erased all the time. Try again later."))


def _try(project: Project, id: str, by: str, when: int) -> Refresh | None:
    """One refresh; None where customers were joined or erased meanwhile, so that it would not be true."""
    state = project.state
    with state.read() as connection:
        before = state.counter(connection, "identity")
    project.consents.refresh()
    crowd = Crowd.of(project, when)
    audience = audience_of(crowd.view.journey, id)
    with state.write() as connection:
        number = state.reserve(connection, "audience_refresh", 1)
    writer = files.Writer(files.folder_of(project, id, number), audience.for_)
    with state.read() as connection:
        wanted = Membership(project, connection, crowd, id, when)
        change = _compare(wanted, _listed(connection, id), writer)
    written = writer.close()
    reached("audience files written")
    done = Refresh(
        number, id, when, by, change.members, len(change.added), len(change.removed), dict(wanted.left_out),
        tuple(written), WAITS if audience.tell else NOTHING,
    )  # fmt: skip
    with state.write() as connection:
        still = state.counter(connection, "identity") == before
        if still:
            _write(project, connection, done, change)
            if by:
                project.audit.note(by, "audience.refreshed", id, {"members": done.members}, connection=connection)
        numbers = _kept_numbers(connection, id, when)
    files.clear(project, id, numbers)
    reached("audience refreshed")
    return done if still else None


@dataclasses.dataclass(frozen=True, slots=True)
class _New:
    """Somebody who comes onto the list, without what their row says."""

    customer: int
    identifiers: Mapping[str, Sequence[str]]
    mark: str


@dataclasses.dataclass(frozen=True, slots=True)
class _Change:
    """``added``: new rows, also of those of whom something else is known now; ``removed``: identifiers by platform;
    ``gone``: numbers of rows of the list that go."""

    members: int
    added: tuple[_New, ...]
    removed: tuple[Mapping[str, Sequence[str]], ...]
    gone: tuple[int, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class _Listed:
    number: int
    customer: int | None
    identifiers: Mapping[str, Sequence[str]]
    mark: str


def _listed(connection: Connection, id: str) -> list[_Listed]:
    """Who was on the list, by who they are now; None: erased."""
    row, who = tables.audience_listed.c, tables.identities.c
    query = (
        sa.select(row.number, who.customer, row.identifiers, row.mark)
        .join_from(tables.audience_listed, tables.identities, who.id == row.origin, isouter=True)
        .where(row.audience == id)
        .order_by(row.number)
    )
    return [
        _Listed(int(n), None if customer is None else int(customer), json.loads(identifiers), mark)
        for n, customer, identifiers, mark in connection.execute(query)
    ]


def _compare(members: Iterable[Member], listed: Sequence[_Listed], writer: Writer) -> _Change:
    """What a refresh changes; the files of members and changes are written on the way. What still finds somebody on the
    list is never removed.
    """
    before: dict[int, _Listed] = {}
    for row in listed:
        if row.customer is not None:
            before.setdefault(row.customer, row)
    held: set[tuple[str, str]] = set()
    stays: set[int] = set()
    added: list[_New] = []
    count = 0
    for member in members:
        count += 1
        for platform, values in member.rows.items():
            writer.row(platform, MEMBERS, values)
            held.update((platform, one) for one in member.identifiers[platform] if one)
        was = before.get(member.customer)
        if was is not None and was.mark == member.mark:
            stays.add(was.number)
            continue
        added.append(_New(member.customer, member.identifiers, member.mark))
        for platform, values in member.rows.items():
            writer.row(platform, ADDED, values)
    gone = [row for row in listed if row.number not in stays]
    removed = []
    for row in gone:
        left = {p: ["" if (p, one) in held else one for one in ids] for p, ids in row.identifiers.items()}
        if any(one for ids in left.values() for one in ids):
            removed.append(left)
            for platform, ids in left.items():
                if any(ids) and writer.writes(platform):
                    writer.row(platform, REMOVED, ids)
    return _Change(count, tuple(added), tuple(removed), tuple(row.number for row in gone))


def _write(project: Project, connection: Connection, done: Refresh, change: _Change) -> None:
    row = tables.audience_listed
    for at in range(0, len(change.gone), 5_000):
        connection.execute(sa.delete(row).where(row.c.number.in_(change.gone[at : at + 5_000])))
    if change.added:
        first = project.state.reserve(connection, "audience_listed", len(change.added))
        columns: dict[str, Sequence[Any]] = {
            "number": list(range(first, first + len(change.added))),
            "audience": [done.audience] * len(change.added),
            "origin": [member.customer for member in change.added],
            "identifiers": [json.dumps(dict(member.identifiers)) for member in change.added],
            "mark": [member.mark for member in change.added],
            "since": [done.at] * len(change.added),
        }
        project.state.insert_many(connection, row, columns)
    connection.execute(
        sa.insert(tables.audience_refreshes).values(
            number=done.number, audience=done.audience, at=done.at, by=done.by, members=done.members,
            added=done.added, removed=done.removed, left_out=json.dumps(dict(done.left_out)),
            files=json.dumps([dataclasses.asdict(f) for f in done.files]), told=done.told, attempts=0,
            next_at=done.at if done.told == WAITS else None,
        )
    )  # fmt: skip


def _kept_numbers(connection: Connection, id: str, when: int) -> set[int]:
    """Refreshes whose files stay: the last one, and those of the last days."""
    row = tables.audience_refreshes.c
    recent = sa.select(row.number).where(row.audience == id, row.at >= when - DAYS * DAY)
    last = sa.select(sa.func.max(row.number)).where(row.audience == id)
    found = {int(n) for n in connection.execute(recent).scalars()}
    newest = connection.execute(last).scalar()
    return found | ({int(newest)} if newest is not None else set())
