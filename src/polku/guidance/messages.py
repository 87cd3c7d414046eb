"""Looking into the outbox: what waits, what left, what did not and why; for the page, the API and the command."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from polku.errors import UsageError, nearest
from polku.guidance.outbox import DROPPED, FAILED, OFF, STATES, WAITING
from polku.guidance.preparing import REASONS
from polku.language import N_, Reader
from polku.record import tables
from polku.record.clock import moment, now
from polku.record.consenting import ids_meant
from polku.record.naming import names_of

if TYPE_CHECKING:
    from polku.record.project import Project

#: What people read of each state.
STATE_WORDS: Final[dict[str, str]] = {
    "waiting": N_("waiting"), "sending": N_("leaving"), "sent": N_("sent"), "failed": N_("failed"),
    "dropped": N_("dropped"), "capped": N_("capped"), "off": N_("not sent"),
}  # fmt: skip
#: States that a person may send again from.
AGAIN: Final = (FAILED, DROPPED, OFF)


@dataclasses.dataclass(frozen=True, slots=True)
class Filters:
    """Which messages: None and "" ask for all. ``customer``: an id, an address, a number; ``text``: words that the
    subject, the text or the content's name has; ``day``: that on which it was made, in ``zone``.
    """

    state: str | None = None
    channel: str | None = None
    rule: str | None = None
    customer: str | None = None
    text: str | None = None
    day: dt.date | None = None
    zone: str = "UTC"

    @classmethod
    def read(
        cls, state: str | None = None, channel: str | None = None, rule: str | None = None,
        customer: str | None = None, text: str | None = None, day: str | None = None, zone: str = "UTC",
    ) -> Filters:  # fmt: skip
        """Raises UsageError for a state that there is not, and for a day that is none."""
        if state and state not in STATES:
            raise UsageError(
                N_("There is no state {state!r} of a message; there are {states}."), state=state,
                states=", ".join(STATES), nearest=nearest(state, STATES), value=state,
            )  # fmt: skip
        try:
            found = dt.date.fromisoformat(day.strip()) if day and day.strip() else None
        except ValueError:
            raise UsageError(
                N_("{name} is {value!r}, which is no date. Write it as year-month-day, for example 2026-05-31."),
                name="day", value=day,
            ) from None  # fmt: skip
        who, words = (customer or "").strip() or None, (text or "").strip() or None
        return cls(state or None, channel or None, rule or None, who, words, found, zone)

    @property
    def any(self) -> bool:
        """Whether it asks for less than all."""
        return any((self.state, self.channel, self.rule, self.customer, self.text, self.day))

    def span(self) -> tuple[int, int] | None:
        """Its day as microseconds since 1970, the end out."""
        if self.day is None:
            return None
        ends = (dt.datetime.combine(self.day + dt.timedelta(days=n), dt.time(), ZoneInfo(self.zone)) for n in (0, 1))
        first, after = (round(end.timestamp()) * 1_000_000 for end in ends)
        return first, after


@dataclasses.dataclass(frozen=True, slots=True)
class Told:
    """One message for people. ``name``: what the customer is called; times are aware."""

    key: str
    rule: str
    variant: str | None
    customer: int
    name: str
    channel: str
    content: str
    state: str
    reason: str | None
    attempts: int
    owed: bool
    made_at: dt.datetime
    next_at: dt.datetime
    finished_at: dt.datetime | None
    subject: str
    text: str
    provider_id: str | None
    facts: Mapping[str, Any]

    def why(self, reader: Reader) -> str:
        """The reason in words."""
        if not self.reason:
            return ""
        code, _, more = self.reason.partition(": ")
        said = reader(REASONS[code]) if code in REASONS else code
        if more in REASONS:
            more = reader(REASONS[more])
        return f"{said}: {more}" if more else said

    def to_dict(self) -> dict[str, Any]:
        """As JSON; times as ISO 8601."""
        told = dataclasses.asdict(self)
        for name in ("made_at", "next_at", "finished_at"):
            told[name] = told[name].isoformat() if told[name] is not None else None
        return told


def _where(project: Project, filters: Filters) -> list[sa.ColumnElement[bool]]:
    row = tables.outbox.c
    found: list[sa.ColumnElement[bool]] = []
    for column, value in ((row.state, filters.state), (row.channel, filters.channel), (row.rule, filters.rule)):
        if value is not None:
            found.append(column == value)
    if filters.customer is not None:
        found.append(row.customer.in_(_customers(project, filters.customer)))
    if filters.text is not None:
        # the payload is JSON: what is looked for stands in it as JSON writes it
        inside = json.dumps(filters.text, ensure_ascii=False)[1:-1]
        found.append(
            sa.or_(row.payload.icontains(inside, autoescape=True), row.content.icontains(filters.text, autoescape=True))
        )
    if (span := filters.span()) is not None:
        found += [row.made_at >= span[0], row.made_at < span[1]]
    return found


def _customers(project: Project, given: str) -> list[int]:
    """Every key under which messages of the customer may stand: all that their ids ever had."""
    try:
        ids = ids_meant(project, given)
    except UsageError:
        return []
    row = tables.identities.c
    with project.state.read() as connection:
        same = sa.select(row.customer).where(row.value.in_([value for _, value in ids]))
        return [int(n) for n in connection.execute(sa.select(row.id).where(row.customer.in_(same))).scalars()]


def messages(project: Project, filters: Filters, limit: int = 100) -> list[Told]:
    """The latest messages, newest first."""
    row = tables.outbox.c
    query = sa.select(tables.outbox).where(*_where(project, filters)).order_by(row.made_at.desc(), row.key.desc())
    with project.state.read() as connection:
        rows = connection.execute(query.limit(limit)).all()
    return _told(project, rows)


def message_of(project: Project, key: str) -> Told:
    """One message. Raises UsageError when there is none."""
    with project.state.read() as connection:
        row = connection.execute(sa.select(tables.outbox).where(tables.outbox.c.key == key)).first()
    if row is None:
        raise UsageError(N_("There is no message {key} in the outbox."), key=key)
    return _told(project, [row])[0]


def _told(project: Project, rows: Any) -> list[Told]:
    names = names_of(project, {row.customer for row in rows}, project.subject())
    made = []
    for row in rows:
        payload = json.loads(row.payload) if row.payload else {}
        made.append(
            Told(
                row.key,
                row.rule,
                row.variant,
                row.customer,
                names[row.customer],
                row.channel,
                row.content,
                row.state,
                row.reason,
                row.attempts,
                row.owed,
                moment(row.made_at),
                moment(row.next_at),
                None if row.finished_at is None else moment(row.finished_at),
                payload.get("subject", ""),
                payload.get("text", ""),
                row.provider_id,
                json.loads(row.facts),
            )
        )
    return made


def counts(project: Project, filters: Filters = Filters()) -> dict[str, int]:
    """How many messages there are in each state."""
    row = tables.outbox.c
    query = sa.select(row.state, sa.func.count()).where(*_where(project, filters)).group_by(row.state)
    with project.state.read() as connection:
        found = {str(state): int(count) for state, count in connection.execute(query)}
    return {state: found[state] for state in STATES if state in found}


def choices(project: Project) -> dict[str, list[str]]:
    """The channels and rules that messages have."""
    row = tables.outbox.c
    with project.state.read() as connection:
        return {
            name: sorted(connection.execute(sa.select(column).distinct()).scalars())
            for name, column in (("channel", row.channel), ("rule", row.rule))
        }


def send_again(project: Project, key: str, by: str, address: str = "") -> Told:
    """Let a message that did not leave leave after all, because a person says so: also one of which it is not known
    whether it arrived. Raises UsageError for one that was sent, or that waits."""
    told = message_of(project, key)
    if told.state not in AGAIN:
        raise UsageError(N_("The message {key} is {state}; only one that did not leave is sent again."), key=key,
                         state=told.state)  # fmt: skip
    row, at = tables.outbox.c, now()
    with project.state.write("sending") as connection:
        connection.execute(
            sa.update(tables.outbox)
            .where(row.key == key, row.state.in_(AGAIN))
            # made anew: what was decided before sending was turned on, or before a restore, is now decided by a person
            .values(state=WAITING, next_at=at, made_at=at, attempts=0, reason=None, finished_at=None)
        )
    project.audit.note(by, "message.resent", key, address=address)
    return message_of(project, key)


def suppressed(project: Project) -> int:
    """How many addresses nothing is sent to any more."""
    with project.state.read() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(tables.suppressions)).scalar_one())
