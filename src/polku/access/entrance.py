"""The entrance of one running server: whether one has to sign in here, and who makes a request."""

from __future__ import annotations

import functools
import ipaddress
import secrets
from typing import TYPE_CHECKING, Final

from polku.access.limits import Limit, network
from polku.access.oidc import Provider
from polku.access.roles import Who
from polku.access.sessions import Sessions
from polku.access.users import User, Users
from polku.errors import AccessError
from polku.language import N_

if TYPE_CHECKING:
    from polku.record.project import Project

#: Names under which a server for this machine alone may be asked.
LOCAL: Final = ("127.0.0.1", "localhost", "::1")


class ThrottledError(AccessError):
    """Too many tries; ``wait`` seconds until the next."""

    code = "access.throttled"

    def __init__(self, message: str, wait: float) -> None:
        super().__init__(message)
        self.wait = wait


class Entrance:
    """Who comes in. ``beyond``: others than this machine can reach the server.

    mode: ``auto`` (sign-in is needed as soon as somebody can sign in, or others reach the server), ``always``,
    ``never``; by default the setting. Raises AccessError for ``never`` where others reach the server.
    """

    def __init__(self, project: Project, *, beyond: bool, mode: str | None = None) -> None:
        settings = project.settings
        self.project = project
        self.beyond = beyond
        self.mode = mode or settings.server.sign_in
        if beyond and self.mode == "never":
            raise AccessError(
                N_(
                    "Without signing in (server.sign_in is never) the pages are served to this machine alone. Use the "
                    "address 127.0.0.1 without server.names and server.proxies, or set sign_in to auto."
                )
            )
        self.users = Users(project.state)
        self.sessions = Sessions(project.state, settings.server.idle * 3600, settings.server.session * 86400)
        self.provider = Provider(settings.oidc) if settings.oidc.issuer else None
        self.open_token = secrets.token_urlsafe(24)
        minutes = 15 * 60.0
        self.by_pair = Limit(settings.limits.sign_in, minutes)
        self.by_address = Limit(settings.limits.sign_in * 5, minutes)
        self.by_account = Limit(settings.limits.sign_in * 10, minutes)
        self.told = Limit(1, minutes)
        self.api = Limit(settings.limits.api, 60.0)

    def needed(self) -> bool:
        """Whether one has to sign in."""
        if self.mode == "never":
            return False
        return self.beyond or self.mode == "always" or self.provider is not None or self.users.any()

    def first_link(self) -> str | None:
        """A link for the first owner, where one has to sign in and nobody can."""
        if not self.needed() or self.users.has_owner():
            return None
        return self.users.owner_link(by="server")

    def who(self, session: str | None, key: str | None, *, machine: bool) -> Who | None:
        """Who makes a request with this cookie, or (``machine``: it asks for data) this key. None: nobody known."""
        if not self.needed():
            return Who("local", "owner", "open", self.open_token)
        if machine and key is not None:
            found = self.project.keys.find(key)
            if found is None or "read" not in found.scopes:
                return None
            return Who(f"key:{found.name}", "viewer", "key", writes="write" in found.scopes)
        return self.sessions.who(session) if session else None

    def sign_in(self, name: str, password: str, address: str, agent: str) -> str:
        """A session's text for the right name and password. Raises ThrottledError, or AccessError, which says the same
        for an unknown name as for a wrong password."""
        user = self.check_password(name, password, address)
        return self.start(user, address, agent, "password")

    def check_password(self, name: str, password: str, address: str) -> User:
        """The person whose name and password these are. Raises as :meth:`sign_in` does."""
        name = name.strip().lower()[:200]
        pair = f"{name} {network(address)}"
        waits = [
            limit.take(what)
            for limit, what in ((self.by_pair, pair), (self.by_address, network(address)), (self.by_account, name))
        ]
        audit = self.project.audit
        if wait := max(waits):
            if self.told.take(pair) == 0.0:  # one row a while: a flood of tries is not a flood of rows
                audit.note("", "sign-in.throttled", self._known(name), address=address)
            raise ThrottledError(N_("There were too many tries. Wait a while and try again."), wait)
        user = self.users.verify(name, password)
        if user is None:
            audit.note("", "sign-in.failed", self._known(name), address=address)
            raise AccessError(N_("The name or the password is not right."))
        self.by_pair.forgive(pair)
        self.by_account.forgive(name)
        return user

    def _known(self, name: str) -> str:
        """The name as the log may keep it: what nobody is called may be a password in the wrong field."""
        return name if name.isprintable() and self.users.knows(name) else "?"

    def start(self, user: User, address: str, agent: str, how: str) -> str:
        """A session for somebody who has shown who they are."""
        text = self.sessions.open(user, address, agent)
        self.project.audit.note(user.name, "sign-in", user.name, {"by": how}, address=address)
        return text


@functools.lru_cache(maxsize=4096)
def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("192.168.1.4"), is_loopback("testclient")
    (True, True, False, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def words(text: str) -> tuple[str, ...]:
    """The parts of a setting that lists names with commas between.

    >>> words("polku.example, shop.example ,")
    ('polku.example', 'shop.example')
    """
    return tuple(part.strip() for part in text.split(",") if part.strip())
