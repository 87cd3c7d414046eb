"""What waits for a visitor's browser: messages of the outbox, drawn when it asks.

A message stays until it was closed, clicked or answered, or expires. How often it shows until then its piece says
(``frequency``). The browser's anonymous id says whose messages are meant: it is long and made by chance, where ids of
users can be guessed.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from polku.channels.site import SITE, Site
from polku.content.piece import read_piece
from polku.errors import ContentError, UsageError
from polku.guidance.outbox import DROPPED, FAILED, SENT, WAITING
from polku.guidance.preparing import Held, Preparing, Row
from polku.guidance.sending import LANE
from polku.guidance.switch import switch_of
from polku.onsite.everyone import completed
from polku.onsite.proving import proven
from polku.record import tables
from polku.record.clock import now

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from polku.record.project import Project

#: An anonymous id that is shorter could be guessed.
SHORTEST: Final = 16
#: A browser gets so many messages at once: the highest priority first.
MOST: Final = 10
#: A message that nobody has seen yet is drawn anew after so long: carts and prices change.
FRESH: Final = 600_000_000
MICRO: Final = 1_000_000
#: The purpose whose denial keeps messages away.
PERSONAL: Final = "personalization"


@dataclasses.dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks. ``session``: the visitor's own, as the tracker numbers it; ``user``, ``proof``: where the shop proves
    who has signed in (``polku.onsite.proving``); ``language``: of the page."""

    anonymous_id: str
    session: str | None = None
    language: str | None = None
    user: str | None = None
    proof: str | None = None


def customer_of(project: Project, visitor: Visitor) -> int | None:
    """The customer whose browser asks; None where nobody is known by the id, or the user is not proven."""
    if len(visitor.anonymous_id) < SHORTEST:
        return None
    customer = project.identities.customer_of("anonymous", visitor.anonymous_id)
    if customer is None or not proven(project, customer, visitor.user, visitor.proof):
        return None
    return customer


def waiting(project: Project, visitor: Visitor, at: int | None = None) -> list[dict[str, Any]]:
    """The messages for a visitor, each as the browser draws it, with its ``message`` (the key), ``rule``, ``content``
    and ``variant``. What cannot be shown any more leaves the outbox with its reason. ``at``: microseconds; now."""
    customer = customer_of(project, visitor)
    if customer is None:
        return []
    moment = now() if at is None else at
    with project.state.read() as connection:
        rows = connection.execute(_rows(customer, moment)).all()
    if not rows:
        return []
    held_now = project.consents.held(_ids(project, customer), moment)
    denied = PERSONAL in held_now.denied
    found = []
    fresh = [row for row in rows if _needs_drawing(row, moment)]
    drawn, held = _draw(project, visitor, fresh, moment, denied)
    for row in rows:
        if row.key in held or denied:
            continue
        told = drawn[row.key] if row.key in drawn else json.loads(row.drawn)
        if _needless(told, held_now.granted):
            with project.state.write(LANE) as connection:
                _hold(connection, row.key, Held(DROPPED, "agreed"), moment)
            continue
        if _may_show(told["frequency"], row, visitor.session, moment):
            found.append({**told, "message": row.key, "rule": row.rule, "variant": row.variant})
    return found[:MOST]


def _rows(customer: int, at: int) -> sa.Select[Any]:
    row, shown = tables.outbox.c, tables.site_messages.c
    there = tables.outbox.outerjoin(tables.site_messages, row.key == shown.key)
    return (
        sa.select(tables.outbox, *(column for column in shown if column.name != "key"))
        .select_from(there)
        .where(
            theirs(customer),
            row.channel == SITE,
            sa.or_(
                sa.and_(row.state == WAITING, row.next_at <= at),
                sa.and_(row.state == SENT, shown.drawn_at.is_not(None), shown.expires_at > at),
            ),
            shown.closed_at.is_(None),
            shown.submitted_at.is_(None),
        )
        .order_by(row.priority.desc(), row.made_at, row.key)
        .limit(MOST * 5)
    )


def theirs(customer: int) -> sa.ColumnElement[bool]:
    """Whose a message is: its customer's, by whatever number of theirs it was made."""
    who = tables.identities.c
    return tables.outbox.c.customer.in_(sa.select(who.id).where(who.customer == customer))


def _ids(project: Project, customer: int) -> list[tuple[str, str]]:
    return [(one.kind, one.value) for one in project.identities.ids_of(customer)]


def _needs_drawing(row: Any, at: int) -> bool:
    return row.drawn is None or (row.shown_at is None and row.drawn_at < at - FRESH)


def _draw(
    project: Project, visitor: Visitor, rows: Sequence[Any], at: int, denied: bool
) -> tuple[dict[str, dict[str, Any]], dict[str, Held]]:
    """What each of ``rows`` is drawn from, and what is not shown and why; both are written down."""
    if not rows:
        return {}, {}
    own = [
        dataclasses.replace(Row.of(row), attempts=1) for row in rows
    ]  # lateness is the piece's to say, not the sender's
    preparing = Preparing(project, {SITE: Site(project.settings.onsite.purpose)}, visitor.language)
    made = preparing.make(own, switch_of(project))
    drawn: dict[str, dict[str, Any]] = {}
    held: dict[str, Held] = {}
    ends: dict[str, int] = {}
    payloads: dict[str, str] = {}
    for row in rows:
        one = made[row.key]
        if isinstance(one, Held):
            held[row.key] = one
            continue
        if one.outgoing.site is None:
            held[row.key] = Held(FAILED, f"content: {row.content}: channel: site")
            continue
        piece = read_piece(project.folder, one.payload["content"])
        assert piece.site is not None
        ends[row.key] = row.next_at + piece.site.expires * MICRO
        if ends[row.key] <= at:
            held[row.key] = Held(DROPPED, "expired")
        elif denied:
            held[row.key] = Held(DROPPED, "no_consent")
        else:
            try:
                drawn[row.key] = completed(project.journey(), piece, dict(one.outgoing.site))
            except UsageError as error:  # a survey that the map has no more
                held[row.key] = Held(FAILED, f"content: {error.text('en')}")
                continue
            payloads[row.key] = json.dumps(one.payload, ensure_ascii=False)
    with project.state.write(LANE) as connection:
        for key, one in held.items():
            if one.state != WAITING:  # what waits for the map to be mended stays as it is
                _hold(connection, key, one, at)
        for key, told in drawn.items():
            _keep(connection, key, json.dumps(told, ensure_ascii=False), at, ends[key])
            connection.execute(sa.update(tables.outbox).where(tables.outbox.c.key == key).values(payload=payloads[key]))
    return drawn, held


def _lasts(project: Project, path: str) -> int:
    """Seconds that a message of the piece waits."""
    site = read_piece(project.folder, path).site
    return site.expires if site is not None else 0


def _hold(connection: Connection, key: str, held: Held, at: int) -> None:
    row = tables.outbox.c
    change = sa.update(tables.outbox).where(row.key == key, row.state == WAITING)
    connection.execute(change.values(state=held.state, reason=held.reason, finished_at=at))


def _keep(connection: Connection, key: str, drawn: str, at: int, end: int) -> None:
    row = tables.site_messages.c
    values = {"drawn": drawn, "drawn_at": at, "expires_at": end}
    there = connection.execute(sa.select(row.key).where(row.key == key)).first()
    if there is None:
        connection.execute(sa.insert(tables.site_messages).values(key=key, shows=0, **values))
    else:
        connection.execute(sa.update(tables.site_messages).where(row.key == key).values(**values))


def _needless(told: Mapping[str, Any], granted: Collection[str]) -> bool:
    """Whether a form asks for nothing but what has been agreed to since the message was decided."""
    asked = told.get("form", {}).get("consent") or ()
    return bool(asked) and set(asked) <= set(granted)


def _may_show(frequency: str | int, row: Any, session: str | None, at: int) -> bool:
    """Whether a message is shown (again) now."""
    if row.shown_at is None or frequency == "always":
        return True
    if frequency == "once":
        return False
    if frequency == "session":
        return session is None or row.session != session
    return bool(at - row.shown_at >= int(frequency) * MICRO)


def expire(project: Project, at: int | None = None) -> int:
    """Drop messages that nobody came for in their time. Returns how many."""
    moment = now() if at is None else at
    row, shown = tables.outbox.c, tables.site_messages.c
    waits = (row.channel == SITE, row.state == WAITING, row.next_at <= moment)
    with project.state.read() as connection:
        contents = connection.execute(sa.select(row.content).where(*waits).distinct()).scalars().all()
    lasts = {content: _lasts_or_none(project, content) for content in contents}
    drop = sa.update(tables.outbox).values(state=DROPPED, reason="expired", finished_at=moment)
    ends = sa.select(shown.key).where(shown.key == row.key, shown.expires_at.is_not(None))
    with project.state.write(LANE) as connection:
        gone = connection.execute(drop.where(*waits, ends.where(shown.expires_at <= moment).exists())).rowcount
        for content, seconds in lasts.items():  # those that no browser has asked for yet
            late = (row.content == content, row.next_at <= moment - seconds * MICRO, ~ends.exists())
            gone += connection.execute(drop.where(*waits, *late)).rowcount
    return gone


def _lasts_or_none(project: Project, path: str) -> int:
    """As ``_lasts``; a piece that cannot be read shows its fault when a browser asks, and lasts a week until then."""
    try:
        return _lasts(project, path)
    except ContentError:
        return 7 * 86_400
