"""Who makes a request: found before any route, from the session's cookie or a machine's key."""

from __future__ import annotations

import base64

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from polku.access.entrance import Entrance
from polku.access.roles import Who

#: The session's cookie; over https browsers are told to give it to this host alone (RFC 6265bis, 4.1.3.2).
COOKIE, SECURE_COOKIE = "polku_session", "__Host-polku_session"
#: Headers by which a reverse proxy gives itself away.
PROXIED = ("x-forwarded-for", "x-forwarded-host", "forwarded", "x-real-ip")
#: Paths that nobody is asked about.
FREE = ("/static/",)


class Gate:
    """Puts ``polku.who`` into the request's scope (:func:`polku.web.guard.who_of`).

    Without an ``entrance`` everybody is an owner: an application of a test's, or of one's own notebook.
    """

    def __init__(self, app: ASGIApp, entrance: Entrance | None, token: str) -> None:
        self.app = app
        self.entrance = entrance
        self.token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(FREE):
            await self.app(scope, receive, send)
            return
        entrance = self.entrance
        if entrance is None:
            scope["polku.who"] = Who("local", "owner", "open", self.token)
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        session = request.cookies.get(cookie_name(request))
        machine = is_machine(scope["path"])
        key = bearer(request) if machine else None
        if (key is None and session is None) or not entrance.needed():
            who = entrance.who(None, None, machine=False)
        else:
            who = await run_in_threadpool(entrance.who, session, key, machine=machine)
        if who is not None and who.how == "open" and any(name in request.headers for name in PROXIED):
            # nobody signs in here, since this machine alone is let in; through a proxy it would be the whole world
            response = PlainTextResponse(
                "This server is open to its own machine alone, and this request came through a proxy. "
                "Name the proxy in polku.toml (server.proxies): people then sign in.\n",
                403,
            )
            await response(scope, receive, send)
            return
        scope["polku.who"] = who
        await self.app(scope, receive, send)


def is_machine(path: str) -> bool:
    """Whether a path gives data, which a key may ask for."""
    return path.startswith(("/api/", "/health", "/metrics"))


def bearer(request: Request) -> str | None:
    """The key of an Authorization header: by itself (RFC 6750, 2.1), or as the password of those who know only names
    and passwords (RFC 7617), as services that fetch a file on a schedule do.
    """
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    text = text.strip()
    if scheme.lower() == "basic":
        try:
            text = base64.b64decode(text, validate=True).decode().partition(":")[2]
        except ValueError:
            return None
    return text if scheme.lower() in ("bearer", "basic") and text else None


def is_secure(request: Request) -> bool:
    return request.url.scheme == "https"


def cookie_name(request: Request) -> str:
    return SECURE_COOKIE if is_secure(request) else COOKIE
