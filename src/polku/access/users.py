"""People who sign in: their roles and passwords, and the one-time links by which they come in or choose a new one."""

from __future__ import annotations

import dataclasses
import hashlib
import secrets
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from polku.access.audit import LANE, Audit
from polku.access.keys import word
from polku.access.passwords import derived, fits, hashed, outdated
from polku.access.roles import ROLES
from polku.errors import AccessError, nearest
from polku.language import N_
from polku.record import tables
from polku.record.clock import now

if TYPE_CHECKING:
    from polku.record.state import State

LinkKind = Literal["owner", "invite", "reset"]
HOUR: Final = 3600 * 1_000_000
#: How long a link opens, in microseconds.
VALID: Final[dict[str, int]] = {"owner": 24 * HOUR, "invite": 7 * 24 * HOUR, "reset": 24 * HOUR}
#: Whether anybody exists is asked at most this often, in seconds.
FOLLOW: Final = 1.0


@dataclasses.dataclass(frozen=True, slots=True)
class User:
    """A person who may sign in. Times: microseconds since 1970 UTC; ``issuer`` of those an identity provider knows."""

    id: int
    name: str
    role: str
    has_password: bool
    issuer: str | None
    created_at: int
    seen_at: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class Link:
    """A one-time link that still opens: what it is for, and for whom (``name`` None: the first owner chooses)."""

    kind: LinkKind
    name: str | None
    role: str | None
    expires_at: int


class Users:
    """The people of one project."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.audit = Audit(state)
        self._any: bool = False
        self._asked: float | None = None

    # -- who there is -----------------------------------------------------------------------------------------------

    def any(self) -> bool:
        """Whether anybody can sign in; asked of the state at most once in FOLLOW seconds."""
        if self._asked is None or time.monotonic() - self._asked >= FOLLOW:
            with self.state.read() as connection:
                self._any = connection.execute(sa.select(tables.users.c.id).limit(1)).first() is not None
            self._asked = time.monotonic()
        return self._any

    def has_owner(self) -> bool:
        with self.state.read() as connection:
            return self._owners(connection) > 0

    def list(self) -> list[User]:
        """Everybody, by name."""
        with self.state.read() as connection:
            return [_user(r) for r in connection.execute(sa.select(tables.users).order_by(tables.users.c.name))]

    def get(self, name: str) -> User:
        """Raises AccessError where nobody is called so."""
        with self.state.read() as connection:
            return _user(self._row(connection, name))

    def knows(self, name: str) -> bool:
        """Whether somebody is called so."""
        with self.state.read() as connection:
            return (
                connection.execute(sa.select(tables.users.c.id).where(tables.users.c.name == name)).first() is not None
            )

    # -- changes ----------------------------------------------------------------------------------------------------

    def add(self, name: str, role: str, password: str, *, by: str = "", address: str = "") -> User:
        """A person with a password. Raises AccessError: the name is taken, or something does not fit."""
        name, role = name_of(name), role_of(role)
        kept = hashed(password, name)
        with self.state.write(LANE) as connection:
            return self._add(connection, name, role, kept, by or name, address)

    def remove(self, name: str, *, by: str = "", address: str = "") -> None:
        """The person can no longer sign in: sessions and links end, and an identity provider does not bring them back
        (a new invitation does). Raises AccessError for the last owner."""
        with self.state.write(LANE) as connection:
            row = self._row(connection, name)
            self._keep_an_owner(connection, row, None)
            connection.execute(sa.delete(tables.users).where(tables.users.c.id == row.id))
            connection.execute(sa.delete(tables.sessions).where(tables.sessions.c.user == row.id))
            connection.execute(sa.delete(tables.links).where(tables.links.c.name == row.name))
            gone = tables.removed_users
            connection.execute(sa.delete(gone).where(gone.c.name == row.name))
            connection.execute(
                sa.insert(gone).values(name=row.name, issuer=row.issuer, subject=row.subject, time=now())
            )
            self.audit.note(by, "user.removed", row.name, {"role": row.role}, address=address, connection=connection)
        self._asked = None

    def set_role(self, name: str, role: str, *, by: str = "", address: str = "") -> None:
        """Give another role; the person's sessions have it at once. Raises AccessError for the last owner."""
        role = role_of(role)
        with self.state.write(LANE) as connection:
            row = self._row(connection, name)
            self._keep_an_owner(connection, row, role)
            connection.execute(sa.update(tables.users).where(tables.users.c.id == row.id).values(role=role))
            facts = {"from": row.role, "to": role}
            self.audit.note(by, "user.role", row.name, facts, address=address, connection=connection)

    def set_password(self, name: str, password: str, *, by: str = "", address: str = "") -> None:
        """Another password; every session of the person ends, and so do links for a new one."""
        name = name_of(name)
        kept = hashed(password, name)
        with self.state.write(LANE) as connection:
            self._set_password(connection, self._row(connection, name), kept, by or name, address)

    def _set_password(self, connection: Connection, row: Any, kept: str, by: str, address: str) -> None:
        values = {"password": kept, "password_at": now()}
        connection.execute(sa.update(tables.users).where(tables.users.c.id == row.id).values(**values))
        connection.execute(sa.delete(tables.sessions).where(tables.sessions.c.user == row.id))
        table = tables.links
        connection.execute(
            sa.delete(table).where(table.c.name == row.name, table.c.kind == "reset", table.c.used_at.is_(None))
        )
        self.audit.note(by, "user.password", row.name, address=address, connection=connection)

    # -- signing in -------------------------------------------------------------------------------------------------

    def verify(self, name: str, password: str) -> User | None:
        """The person whose name and password these are; None otherwise, after as long a time."""
        name = name.strip().lower()
        name = name if name.isprintable() else ""  # nobody's; some databases take no NUL
        with self.state.read() as connection:
            row = connection.execute(sa.select(tables.users).where(tables.users.c.name == name)).one_or_none()
        kept: str | None = row.password if row is not None else None
        if not fits(kept, password) or row is None or kept is None:
            return None
        if outdated(kept):
            with self.state.write(LANE) as connection:
                connection.execute(
                    sa.update(tables.users)
                    .where(tables.users.c.id == row.id, tables.users.c.password == kept)
                    .values(password=derived(password))
                )
        return _user(row)

    def provided(self, issuer: str, subject: str, name: str, role: str | None, *, address: str = "") -> User:
        """The person whom an identity provider has signed in: known by issuer and subject, else made with ``role``.

        Whom an owner knows keeps the role that the owner gave. Raises AccessError where the person is new and
        ``role`` is None, where an owner has removed them and not invited them since, or where somebody else has the
        name.
        """
        name = name_of(name)
        table = tables.users
        with self.state.write(LANE) as connection:
            known = connection.execute(
                sa.select(table).where(table.c.issuer == issuer, table.c.subject == subject)
            ).one_or_none()
            if known is not None:
                return _user(known)
            invited = self._open_invitation(connection, name)
            gone = tables.removed_users
            same = sa.or_(gone.c.name == name, sa.and_(gone.c.issuer == issuer, gone.c.subject == subject))
            if invited is not None:
                connection.execute(sa.delete(gone).where(same))
            elif connection.execute(sa.select(gone.c.name).where(same)).first() is not None:
                raise AccessError(
                    N_("{name} was removed by an owner. An owner can invite them again: polku users add."), name=name
                )
            role = invited or role
            if role is None:
                raise AccessError(N_("{name} has not been invited. An owner can: polku users add."), name=name)
            user = self._add(connection, name, role, None, name, address, issuer=issuer, subject=subject)
            connection.execute(sa.delete(tables.links).where(tables.links.c.name == name))
            return user

    def _open_invitation(self, connection: Connection, name: str) -> str | None:
        table = tables.links
        found = connection.execute(
            sa.select(table.c.role)
            .where(table.c.name == name, table.c.kind == "invite", table.c.used_at.is_(None))
            .where(table.c.expires_at > now())
        ).scalar()
        return None if found is None else str(found)

    # -- one-time links ---------------------------------------------------------------------------------------------

    def owner_link(self, *, by: str = "") -> str:
        """The text of a link by which the first owner comes in. Raises AccessError when there is an owner."""
        with self.state.write(LANE) as connection:
            if self._owners(connection):
                raise AccessError(N_("There is an owner already; a new password is had with: polku users link NAME"))
            return self._link(connection, "owner", None, "owner", by)

    def invite(self, name: str, role: str, *, by: str = "", address: str = "") -> str:
        """The text of a link by which a new person comes in and chooses a password."""
        name, role = name_of(name), role_of(role)
        with self.state.write(LANE) as connection:
            self._free(connection, name)
            self._owner_first(connection, role)
            facts = {"role": role}
            self.audit.note(by, "user.invited", name, facts, address=address, connection=connection)
            return self._link(connection, "invite", name, role, by)

    def reset_link(self, name: str, *, by: str = "", address: str = "") -> str:
        """The text of a link by which a known person chooses a new password."""
        with self.state.write(LANE) as connection:
            row = self._row(connection, name)
            self.audit.note(by, "user.link", row.name, address=address, connection=connection)
            return self._link(connection, "reset", row.name, None, by)

    def link(self, text: str) -> Link | None:
        """What a link is for; None where it opens nothing (any more). Looking does not use it up."""
        table = tables.links
        with self.state.read() as connection:
            row = connection.execute(sa.select(table).where(table.c.hash == digest(text))).one_or_none()
            if row is None or row.used_at is not None or row.expires_at <= now():
                return None
            if row.kind == "owner" and self._owners(connection):
                return None
        return Link(row.kind, row.name, row.role, row.expires_at)

    def follow(self, text: str, password: str, name: str | None = None, *, address: str = "") -> User:
        """Use a link up: make the person, or set the password. ``name`` is the first owner's choice.

        Raises AccessError: the link opens nothing any more, or name or password do not fit (the link stays then).
        """
        found = self.link(text)
        if found is None:
            raise _dead()
        person = name_of(found.name or name or "")
        kept = hashed(password, person)
        table = tables.links
        with self.state.write(LANE) as connection:
            used = connection.execute(
                sa.update(table)
                .where(table.c.hash == digest(text), table.c.used_at.is_(None), table.c.expires_at > now())
                .values(used_at=now())
            )
            if used.rowcount != 1 or (found.kind == "owner" and self._owners(connection)):
                raise _dead()
            if found.kind == "reset":
                row = self._row(connection, person)
                self._set_password(connection, row, kept, person, address)
                return _user(row)
            assert found.role is not None
            return self._add(connection, person, found.role, kept, person, address)

    def _link(self, connection: Connection, kind: LinkKind, name: str | None, role: str | None, by: str) -> str:
        table = tables.links
        connection.execute(sa.delete(table).where(table.c.expires_at <= now()))
        if name is not None:  # the newest link alone opens
            connection.execute(sa.delete(table).where(table.c.name == name, table.c.used_at.is_(None)))
        text = secrets.token_urlsafe(24)
        values = {"kind": kind, "name": name, "role": role, "created_at": now(), "created_by": by}
        connection.execute(sa.insert(table).values(hash=digest(text), expires_at=now() + VALID[kind], **values))
        return text

    # -- within a transaction ---------------------------------------------------------------------------------------

    def _add(
        self, connection: Connection, name: str, role: str, kept: str | None, by: str, address: str, **more: str
    ) -> User:
        self._free(connection, name)
        self._owner_first(connection, role)
        made = now()
        values: Mapping[str, Any] = {
            "name": name, "role": role, "password": kept, "created_at": made,
            "password_at": None if kept is None else made, **more,
        }  # fmt: skip
        done = connection.execute(sa.insert(tables.users).values(**values))
        assert done.inserted_primary_key is not None
        connection.execute(sa.delete(tables.removed_users).where(tables.removed_users.c.name == name))
        self.audit.note(by, "user.added", name, {"role": role}, address=address, connection=connection)
        self._asked = None
        return User(int(done.inserted_primary_key[0]), name, role, kept is not None, more.get("issuer"), made, None)

    def _free(self, connection: Connection, name: str) -> None:
        taken = connection.execute(sa.select(tables.users.c.id).where(tables.users.c.name == name)).first()
        if taken is not None:
            raise AccessError(N_("There is somebody called {name} already."), name=name)

    def _owner_first(self, connection: Connection, role: str) -> None:
        """Once there is anybody, everybody signs in: without an owner nobody could invite the next."""
        if role != "owner" and not self._owners(connection):
            raise AccessError(N_("The first person has to be an owner."))

    def _row(self, connection: Connection, name: str) -> Any:
        table = tables.users
        row = connection.execute(sa.select(table).where(table.c.name == name.strip().lower())).one_or_none()
        if row is None:
            names = [str(n) for n in connection.execute(sa.select(table.c.name)).scalars()]
            close = nearest(name, names)
            if close:
                raise AccessError(N_("Nobody is called {name}; did you mean {nearest}?"), name=name, nearest=close)
            raise AccessError(N_("Nobody is called {name}; polku users list names everybody."), name=name)
        return row

    def _owners(self, connection: Connection) -> int:
        table = tables.users
        found = connection.execute(sa.select(sa.func.count()).select_from(table).where(table.c.role == "owner"))
        return int(found.scalar() or 0)

    def _keep_an_owner(self, connection: Connection, row: Any, role: str | None) -> None:
        if row.role == "owner" and role != "owner" and self._owners(connection) == 1:
            raise AccessError(N_("{name} is the only owner; make somebody else an owner first."), name=row.name)


def name_of(name: str) -> str:
    """The name that somebody signs in with, as it is kept: without spaces around, in lower case."""
    return word(name, N_("A person needs a name of 1 to 200 characters, such as an e-mail address.")).lower()


def role_of(role: str) -> str:
    if role not in ROLES:
        raise AccessError(N_("There is no role {role!r}; there are {roles}."), role=role, roles=", ".join(ROLES))
    return role


def digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _dead() -> AccessError:
    return AccessError(
        N_("This link opens nothing any more: it was used, or its time is up. Ask an owner for a new one.")
    )


def _user(row: Any) -> User:
    return User(row.id, row.name, row.role, row.password is not None, row.issuer, row.created_at, row.seen_at)
