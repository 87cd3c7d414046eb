"""Keys of machines: made at random, shown once, kept as a hash, found in memory.

A key says which door it opens (``write``: events come in, ``read``: the JSON API), which ``source`` its events have and
for Matomo's protocol which ``site`` (``idsite``) stands for it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import re
import secrets
import string
import threading
import time
from collections.abc import Collection
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from polku.access.audit import LANE, Audit
from polku.errors import AccessError, RecordError
from polku.language import N_
from polku.record import tables
from polku.record.clock import now

if TYPE_CHECKING:
    from polku.record.state import State

log = logging.getLogger("polku.access")

SCOPES: Final = ("write", "read")
SCOPE_WORDS: Final[dict[str, str]] = {"write": N_("events come in"), "read": N_("the API is read")}
#: Words of :meth:`KeyEntry.state`.
STATE_WORDS: Final[dict[str, str]] = {
    "active": N_("works"),
    "expiring": N_("works until {time}"),
    "expired": N_("its time is up"),
    "revoked": N_("revoked"),
}
LETTERS: Final = string.ascii_letters + string.digits
#: 33 letters of 62 carry 196 bits.
LENGTH: Final = 33
#: What a key looks like, wherever it stands in a text: the log's filter masks it.
PATTERN: Final = re.compile(r"\bpk_(rw|w|r)_[A-Za-z0-9]{33}\b")
#: How long a rotated key goes on working, in seconds, unless told otherwise: a week.
GRACE: Final = 7 * 24 * 3600
#: The state is asked for changes at most this often, in seconds.
FOLLOW: Final = 1.0
#: When a key was last used is written at most this often, in seconds.
NOTE_USE: Final = 60.0


@dataclasses.dataclass(frozen=True, slots=True)
class Key:
    """What a key allows. ``source`` None: its events carry the protocol's name."""

    id: int
    name: str
    scopes: frozenset[str]
    source: str | None
    site: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made; its ``text`` is nowhere kept."""

    key: Key
    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class KeyEntry:
    """A key as it is listed: ``shown`` is the beginning of its text; times in microseconds since 1970 UTC."""

    key: Key
    shown: str
    created_at: int
    created_by: str
    used_at: int | None
    expires_at: int | None
    revoked_at: int | None
    replaced_by: int | None

    def state(self, at: int | None = None) -> str:
        """``active``, ``expiring`` (it was rotated and still works), ``expired`` or ``revoked``."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is None:
            return "active"
        return "expiring" if self.expires_at > (now() if at is None else at) else "expired"


class Keys:
    """The keys of one project; look-ups are of dictionaries in memory.

    >>> made = project.keys.create("web", ["write"], site="1")               # doctest: +SKIP
    >>> project.keys.find(made.text).source                                  # doctest: +SKIP
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self.audit = Audit(state)
        self._lock = threading.Lock()
        self._by_hash: dict[str, tuple[Key, int | None]] = {}
        self._by_site: dict[str, tuple[Key, int | None]] = {}
        self._change: int | None = None
        self._asked = 0.0
        self._used: dict[int, int] = {}
        self._noted = time.monotonic()

    # -- making and ending ------------------------------------------------------------------------------------------

    def create(
        self,
        name: str,
        scopes: Collection[str],
        source: str | None = None,
        site: str | None = None,
        *,
        by: str = "",
        address: str = "",
    ) -> NewKey:
        """Make a key; ``by`` is who (for the audit log). Raises AccessError for scopes or names that do not fit."""
        name = word(name, N_("A key needs a name of 1 to 200 characters."))
        wrong = [s for s in scopes if s not in SCOPES]
        if wrong or not scopes:
            raise AccessError(
                N_("A key opens {scopes}; choose one or both, not {given}."),
                scopes=", ".join(SCOPES), given=", ".join(wrong) or "-",
            )  # fmt: skip
        fit = N_("The source or site of a key has 1 to 200 characters.")
        source, site = (None if text is None else word(text, fit) for text in (source, site))
        with self.state.write(LANE) as connection:
            made = self._insert(connection, Key(0, name, frozenset(scopes), source, site), by)
            facts = {"name": name, "scopes": sorted(scopes), "source": source, "site": site}
            self.audit.note(by, "key.created", f"key {made.key.id}", facts, address=address, connection=connection)
        self._asked = 0.0
        return made

    def revoke(self, id: int, *, by: str = "", address: str = "") -> None:
        """The key opens nothing from now on. Raises AccessError where there is none, or it was revoked before."""
        with self.state.write(LANE) as connection:
            row = self._row(connection, id)
            table = tables.keys
            connection.execute(sa.update(table).where(table.c.id == id).values(revoked_at=now()))
            self.state.reserve(connection, "keys", 1)
            self.audit.note(by, "key.revoked", f"key {id}", {"name": row.name}, address=address, connection=connection)
        self._asked = 0.0

    def rotate(self, id: int, grace: float = GRACE, *, by: str = "", address: str = "") -> NewKey:
        """A new key of the same name, scopes, source and site; the old one works for another ``grace`` seconds."""
        with self.state.write(LANE) as connection:
            row = self._row(connection, id)
            if row.replaced_by is not None:
                raise AccessError(
                    N_("Key {id} was rotated before; rotate its successor {next}."), id=id, next=row.replaced_by
                )
            made = self._insert(connection, dataclasses.replace(_key(row), id=0), by)
            ends = now() + int(grace * 1e6)
            table = tables.keys
            connection.execute(
                sa.update(table).where(table.c.id == id).values(expires_at=ends, replaced_by=made.key.id)
            )
            facts = {"name": row.name, "successor": made.key.id, "grace_seconds": grace}
            self.audit.note(by, "key.rotated", f"key {id}", facts, address=address, connection=connection)
        self._asked = 0.0
        return made

    def list(self) -> list[KeyEntry]:
        """Every key that was ever made, the newest first."""
        self.note_use()
        table = tables.keys
        with self.state.read() as connection:
            return [
                KeyEntry(
                    _key(r), r.shown, r.created_at, r.created_by, r.used_at, r.expires_at, r.revoked_at, r.replaced_by
                )
                for r in connection.execute(sa.select(table).order_by(table.c.id.desc()))
            ]

    def _insert(self, connection: Connection, key: Key, by: str) -> NewKey:
        kind = "".join(scope[0] for scope in ("read", "write") if scope in key.scopes)
        text = f"pk_{kind}_" + "".join(secrets.choice(LETTERS) for _ in range(LENGTH))
        done = connection.execute(
            sa.insert(tables.keys).values(
                name=key.name,
                hash=digest(text),
                shown=text[: len(kind) + 8],
                scopes=",".join(sorted(key.scopes)),
                source=key.source,
                site=key.site,
                created_at=now(),
                created_by=by,
            )
        )
        assert done.inserted_primary_key is not None
        self.state.reserve(connection, "keys", 1)
        return NewKey(dataclasses.replace(key, id=int(done.inserted_primary_key[0])), text)

    def _row(self, connection: Connection, id: int) -> sa.Row[tuple[object, ...]]:
        table = tables.keys
        row = connection.execute(sa.select(table).where(table.c.id == id)).one_or_none()
        if row is None:
            raise AccessError(N_("There is no key number {id}; polku keys list names those that are."), id=id)
        if row.revoked_at is not None:
            raise AccessError(N_("Key {id} ({name}) was revoked before."), id=id, name=row.name)
        return row

    # -- finding ----------------------------------------------------------------------------------------------------

    def find(self, text: str) -> Key | None:
        """The key of this text; None where it opens nothing (unknown, revoked, its time is up)."""
        self._follow()
        return self._open(self._by_hash.get(digest(text)))

    def of_site(self, site: str) -> Key | None:
        """The newest key of a site (Matomo's ``idsite``, which is public); None where there is none."""
        self._follow()
        return self._open(self._by_site.get(site))

    @property
    def has_write(self) -> bool:
        """Whether any key lets events in. While none does, a server for this machine alone takes any."""
        self._follow()
        at = now()
        return any("write" in key.scopes and (ends is None or ends > at) for key, ends in self._by_hash.values())

    def _open(self, found: tuple[Key, int | None] | None) -> Key | None:
        if found is None:
            return None
        key, ends = found
        at = now()
        if ends is not None and ends <= at:
            return None
        self._used[key.id] = at
        if time.monotonic() - self._noted > NOTE_USE:
            # a write may wait for another writer: not in the thread that answers requests
            self._noted = time.monotonic()
            threading.Thread(target=self.note_use, name="polku-keys", daemon=True).start()
        return key

    def _follow(self) -> None:
        """Read the keys again when they have changed, whoever changed them; asked at most once in FOLLOW seconds."""
        if self._change is not None and time.monotonic() - self._asked < FOLLOW:
            return
        with self._lock:
            if self._change is not None and time.monotonic() - self._asked < FOLLOW:
                return
            try:
                with self.state.read() as connection:
                    change = self.state.counter(connection, "keys")
                    if change != self._change:
                        self._read(connection)
                        self._change = change
            except sa.exc.SQLAlchemyError as fault:
                if self._change is None:
                    raise RecordError(N_("The keys cannot be read: {fault}."), fault=str(fault)) from fault
                # what was known stays valid for as long as the state does not answer; nothing can be stored then either
                log.warning("the keys cannot be read again: %s", fault)
            self._asked = time.monotonic()

    def _read(self, connection: Connection) -> None:
        table = tables.keys
        by_hash: dict[str, tuple[Key, int | None]] = {}
        by_site: dict[str, tuple[Key, int | None]] = {}
        for row in connection.execute(sa.select(table).where(table.c.revoked_at.is_(None)).order_by(table.c.id)):
            if row.expires_at is not None and row.expires_at <= now():
                continue
            by_hash[row.hash] = (_key(row), row.expires_at)
            if row.site is not None:
                by_site[row.site] = (_key(row), row.expires_at)
        self._by_hash, self._by_site = by_hash, by_site

    def note_use(self) -> None:
        """Write when each key was last used."""
        used, self._used = self._used, {}
        if not used:
            return
        table = tables.keys
        try:
            with self.state.write(LANE) as connection:
                for id, at in used.items():
                    connection.execute(sa.update(table).where(table.c.id == id).values(used_at=at))
        except (sa.exc.SQLAlchemyError, RecordError) as fault:
            log.warning("when keys were used could not be written: %s", fault)
            self._used = {**used, **self._used}


def digest(text: str) -> str:
    """What is kept of a key: SHA-256 in hexadecimal. A random text of 196 bits needs no salt and no slowness."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def word(text: str, message: str) -> str:
    """A name without control characters and of fitting length; raises AccessError with ``message``."""
    text = text.strip()
    if not 1 <= len(text) <= 200 or not text.isprintable():
        raise AccessError(message)
    return text


def _key(row: sa.Row[tuple[object, ...]]) -> Key:
    return Key(row.id, row.name, frozenset(row.scopes.split(",")), row.source, row.site)
