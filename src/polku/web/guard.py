"""The guard at every page and every answer of the API: who asks, whether they may, and whether it is their own form.

Each route declares what it needs; one that does not is for owners alone (and a test finds it)::

    @router.get("/live")
    @needs("see")
    def live(request: Request) -> Response: ...

Forms carry ``<input type="hidden" name="token" value="{{ token }}">`` (``token`` is in every page's frame) and requests
of scripts the header ``X-Polku-Token``; the guard has checked it before the route's function runs.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from typing import TypeVar
from urllib.parse import parse_qsl, urlencode

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request

from polku.access.entrance import Entrance, ThrottledError
from polku.access.limits import network
from polku.access.roles import LEAST, Permission, Who, allows
from polku.errors import AccessError
from polku.language import N_

F = TypeVar("F", bound=Callable[..., object])

#: Methods that change nothing.
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
#: A form may be this long, in bytes.
LONGEST_FORM = 256 * 1024
#: It has arrived within so many seconds: who may not sign in must not keep connections for ever either.
SLOWEST_FORM = 60.0
HEADER = "x-polku-token"
#: What msgspec raises for a body that is not what it should be: not JSON, not UTF-8, nested too deeply.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class SignInNeededError(AccessError):
    """Nobody is signed in: a page leads to the sign-in, the API answers 401."""

    code = "access.sign-in"


class NotAllowedError(AccessError):
    """Who is signed in may not do this: 403."""

    code = "access.role"


class ForeignFormError(AccessError):
    """A form that another site, or another session, has drawn: 403."""

    code = "access.form"


def needs(permission: Permission) -> Callable[[F], F]:
    """Declare what a route needs: ``open`` (anybody), ``see`` (viewers), ``tell`` (editors, and keys that read and
    write), ``fetch`` (editors, and keys), ``edit`` (editors) or ``own`` (owners)."""
    if permission not in LEAST:
        raise ValueError(f"{permission!r} is no permission; there are {', '.join(LEAST)}")

    def mark(endpoint: F) -> F:
        endpoint.__permission__ = permission  # type: ignore[attr-defined]
        return endpoint

    return mark


def by_link(endpoint: F) -> F:
    """A route whose address itself proves what may be done: a signed link in a letter.

    Mail programs post to it of their own (RFC 8058), so no form and no session is asked for.
    """
    endpoint.__permission__ = "open"  # type: ignore[attr-defined]
    endpoint.__by_link__ = True  # type: ignore[attr-defined]
    return endpoint


def permission_of(request: Request) -> Permission:
    endpoint = request.scope.get("endpoint")
    found: Permission = getattr(endpoint, "__permission__", "own")
    return found


def who_of(request: Request) -> Who | None:
    """Who makes the request; None where nobody has signed in."""
    who: Who | None = request.scope.get("polku.who")
    return who


def token_of(request: Request) -> str:
    """What a form drawn for this reader carries."""
    who = who_of(request)
    return who.token if who is not None else ""


def may(request: Request, permission: Permission) -> bool:
    """Whether who asks has a permission: for pages that leave out what their reader cannot do."""
    who = who_of(request)
    return who.may(permission) if who is not None else allows(None, permission)


def actor_of(request: Request) -> tuple[str, str]:
    """Who and from where, as ``project.audit.note`` takes them: name and address."""
    who = who_of(request)
    return (who.name if who else ""), (request.client.host if request.client else "")


def note(request: Request, action: str, about: str = "", facts: Mapping[str, object] | None = None) -> None:
    """A row in the audit log of what the request did; nothing where the application has no record (a test's)."""
    entrance: Entrance | None = request.app.state.entrance
    if entrance is not None:
        name, address = actor_of(request)
        entrance.project.audit.note(name, action, about, facts, address=address)


async def admit(request: Request) -> None:
    """Let a request through to its route, or raise why not: SignInNeededError, NotAllowedError, ForeignFormError."""
    permission = permission_of(request)
    who = who_of(request)
    limited(request, who)
    if not may(request, permission):
        if who is None:
            raise SignInNeededError(N_("Sign in first."))
        if permission == "tell" and who.how == "key":
            raise NotAllowedError(N_("This takes a key that reads and writes: polku keys create --read --write."))
        raise NotAllowedError(
            N_("This takes the role {needed}; yours is {role}. An owner can change it."),
            needed=LEAST[permission], role=who.role,
        )  # fmt: skip
    if request.method in SAFE or (who is not None and who.how == "key"):
        return
    if getattr(request.scope.get("endpoint"), "__by_link__", False):
        return
    if not from_this_site(request):
        raise ForeignFormError(
            N_(
                "The form did not come from a page of this server. Behind a reverse proxy, name it in polku.toml "
                "(server.proxies)."
            )
        )
    if who is not None and permission != "open":
        given = request.headers.get(HEADER) or await form_token(request)
        if not secrets.compare_digest(given.encode(), who.token.encode()):
            raise ForeignFormError(
                N_("The form was drawn before you signed in, or before the server started anew. Open the page again.")
            )


def limited(request: Request, who: Who | None) -> None:
    """Count an answer of the API against its key, person or address; raises ThrottledError past the limit."""
    entrance: Entrance | None = request.app.state.entrance
    if entrance is None or (who is not None and who.how == "open") or not request.url.path.startswith("/api/"):
        return
    name = who.name if who is not None else network(request.client.host if request.client else "")
    if wait := entrance.api.take(name):
        raise ThrottledError(N_("There were too many requests. Wait a while and try again."), wait)


async def form_token(request: Request) -> str:
    """The field ``token`` of a form; the route reads the same body again."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return (await form_of(request)).get("token", "")
    return ""  # others carry it in the header


async def body_of(request: Request, most: int = LONGEST_FORM) -> bytes:
    """What was sent; raises ForeignFormError for more than ``most`` bytes, HTTPException (408) for what is too slow."""
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > most:
        raise ForeignFormError(N_("The form is too long: at most {most} bytes."), most=most)
    if not hasattr(request, "_body"):
        chunks, size = [], 0
        try:
            async with asyncio.timeout(SLOWEST_FORM):
                async for chunk in request.stream():
                    chunks.append(chunk)
                    size += len(chunk)
                    if size > most:
                        raise ForeignFormError(N_("The form is too long: at most {most} bytes."), most=most)
        except TimeoutError as fault:
            raise HTTPException(408, headers={"Connection": "close"}) from fault
        request._body = b"".join(chunks)
    return await request.body()


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form that was sent; raises ForeignFormError for one of more than LONGEST_FORM bytes."""
    body = await body_of(request)
    try:
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=1000))
    except ValueError as fault:
        raise ForeignFormError(N_("The form has too many fields.")) from fault


def from_this_site(request: Request) -> bool:
    """Whether a form of this very site was sent: by its Origin, else by what the browser says of the request."""
    origin = request.headers.get("origin")
    if origin:
        return origin == f"{request.url.scheme}://{request.headers.get('host', '')}"
    return request.headers.get("sec-fetch-site") == "same-origin"


def sign_in_link(request: Request) -> str:
    """Where to sign in, and back to this page afterwards."""
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return "/sign-in" if here == "/" else f"/sign-in?{urlencode({'next': here})}"


def safe_next(wish: str | None) -> str:
    """Where to go after the sign-in: a path of this site, whatever was asked.

    >>> safe_next("/customers?stage=cart"), safe_next("//evil.example"), safe_next("https://evil.example")
    ('/customers?stage=cart', '/', '/')
    """
    if not wish or len(wish) > 2000 or not wish.startswith("/") or wish[1:2] in ("/", "\\"):
        return "/"
    return wish if wish.isprintable() and "\\" not in wish else "/"
