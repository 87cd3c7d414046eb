"""Sessions of the signed in: a random text in a cookie, its hash in the state; silence ends one, and so does age."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from polku.access.audit import LANE
from polku.access.roles import Who
from polku.access.users import User, digest
from polku.record import tables
from polku.record.clock import now

if TYPE_CHECKING:
    from polku.record.state import State

#: When a session was last seen is written at most this often, in microseconds.
NOTE_SEEN: Final = 60 * 1_000_000
#: One person has at most this many sessions; a new one ends the oldest.
MOST: Final = 20


@dataclasses.dataclass(frozen=True, slots=True)
class Session:
    """A session as its owner sees it. Times in microseconds since 1970 UTC."""

    hash: str
    created_at: int
    seen_at: int
    expires_at: int
    address: str
    agent: str


class Sessions:
    """The sessions of one project. ``idle`` and ``age``: seconds of silence, and of life, after which one ends."""

    def __init__(self, state: State, idle: float, age: float) -> None:
        self.state = state
        self.idle = int(idle * 1e6)
        self.age = int(age * 1e6)

    def open(self, user: User, address: str, agent: str) -> str:
        """A new session; its text, which goes into the cookie and nowhere else."""
        text = secrets.token_urlsafe(32)
        at = now()
        table = tables.sessions
        with self.state.write(LANE) as connection:
            connection.execute(
                sa.delete(table).where(sa.or_(table.c.expires_at <= at, table.c.seen_at <= at - self.idle))
            )
            old = sa.select(table.c.hash).where(table.c.user == user.id).order_by(table.c.seen_at.desc())
            for hash in connection.execute(old.offset(MOST - 1)).scalars().all():
                connection.execute(sa.delete(table).where(table.c.hash == hash))
            connection.execute(
                sa.insert(table).values(
                    hash=digest(text),
                    user=user.id,
                    created_at=at,
                    seen_at=at,
                    expires_at=at + self.age,
                    address=address[:64],
                    agent="".join(c if c.isprintable() else " " for c in agent[:200]),
                )
            )
            connection.execute(sa.update(tables.users).where(tables.users.c.id == user.id).values(seen_at=at))
        return text

    def who(self, text: str) -> Who | None:
        """Who the session belongs to, with the role they have now; None where it has ended."""
        hash, at = digest(text), now()
        table, users = tables.sessions, tables.users
        with self.state.read() as connection:
            row = connection.execute(
                sa.select(table.c.seen_at, users.c.id, users.c.name, users.c.role)
                .join(users, users.c.id == table.c.user)
                .where(table.c.hash == hash, table.c.expires_at > at, table.c.seen_at > at - self.idle)
            ).one_or_none()
        if row is None:
            return None
        if at - row.seen_at > NOTE_SEEN:
            with self.state.write(LANE) as connection:
                connection.execute(sa.update(table).where(table.c.hash == hash).values(seen_at=at))
                connection.execute(sa.update(users).where(users.c.id == row.id).values(seen_at=at))
        return Who(row.name, row.role, "session", form_token(text), row.id, hash)

    def list(self, user: int) -> list[Session]:
        """The sessions of a user that have not ended, the latest first."""
        table, at = tables.sessions, now()
        with self.state.read() as connection:
            rows = connection.execute(
                sa.select(table)
                .where(table.c.user == user, table.c.expires_at > at, table.c.seen_at > at - self.idle)
                .order_by(table.c.seen_at.desc())
            )
            return [Session(r.hash, r.created_at, r.seen_at, r.expires_at, r.address, r.agent) for r in rows]

    def close(self, hash: str) -> None:
        """End one session."""
        with self.state.write(LANE) as connection:
            connection.execute(sa.delete(tables.sessions).where(tables.sessions.c.hash == hash))

    def close_all(self, user: int) -> None:
        """End every session of a user."""
        with self.state.write(LANE) as connection:
            connection.execute(sa.delete(tables.sessions).where(tables.sessions.c.user == user))


def form_token(text: str) -> str:
    """What the forms of a session carry: made of its text, so that every process knows it and no other site does."""
    return hmac.new(text.encode("utf-8", "replace"), b"polku form", hashlib.sha256).hexdigest()
