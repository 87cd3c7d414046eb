"""Signing in and out, one-time links, and one's own account."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from polku.access.entrance import Entrance, ThrottledError
from polku.access.limits import retry_after
from polku.access.oidc import Pending, Provider
from polku.access.passwords import LONGEST, SHORTEST
from polku.access.roles import ROLE_WORDS
from polku.errors import AccessError, MapError
from polku.language import N_, Reader
from polku.record.clock import moment
from polku.web.gate import cookie_name, is_secure
from polku.web.guard import form_of, needs, safe_next, who_of
from polku.web.notfound import NotFoundError
from polku.web.pages import answer, answers_of, frame_of, read_language
from polku.web.reading import render
from polku.web.timezone import Zone, zone_of

router = APIRouter(include_in_schema=False)


def entrance_of(request: Request) -> Entrance:
    """The server's entrance. Raises NotFoundError where nobody signs in: an application without one."""
    found: Entrance | None = request.app.state.entrance
    if found is None:
        raise NotFoundError(N_("Nobody signs in to this server."))
    return found


def drawn(request: Request, template: str, status: int = 200, *, room: str = "", **context: Any) -> Response:
    """A page about people, never kept by anybody on the way."""
    language = read_language(request)
    zone = zone_here(request)
    reader = Reader(language, zone.name)
    body = render(template, reader, **context, **frame_of(request, reader, room, "", zone))
    response = answer(request, body, language=language, status=status)
    response.headers["Cache-Control"] = "no-store"
    return response


def zone_here(request: Request) -> Zone:
    """The reader's zone, also where the map has faults: people must be able to sign in then."""
    answers = answers_of(request)
    try:
        of_map = answers.journey().timezone
    except MapError:
        of_map = "UTC"
    return zone_of(request, answers.timezone, of_map)


def from_where(request: Request) -> tuple[str, str]:
    """The address and the browser of a request."""
    return (request.client.host if request.client else ""), request.headers.get("user-agent", "")


def with_session(request: Request, response: Response, text: str | None) -> Response:
    """The session's cookie put into an answer; None: taken away."""
    name, secure = cookie_name(request), is_secure(request)
    if text is None:
        response.delete_cookie(name, path="/", secure=secure, httponly=True, samesite="lax")
    else:
        response.set_cookie(name, text, path="/", secure=secure, httponly=True, samesite="lax")
    response.headers["Cache-Control"] = "no-store"
    return response


@router.get("/sign-in")
@needs("open")
def sign_in_page(request: Request) -> Response:
    """The form; who is signed in already goes on."""
    entrance = entrance_of(request)
    onward = safe_next(request.query_params.get("next"))
    if who_of(request) is not None:
        return RedirectResponse(onward, 303)
    return drawn(
        request,
        "signin.html",
        onward=onward,
        name="",
        message=None,
        provider=provider_of(entrance),
        people=entrance.users.any(),
    )


def provider_of(entrance: Entrance) -> str | None:
    """What the button of the identity provider is called; None without one."""
    return None if entrance.provider is None else entrance.provider.name


@router.post("/sign-in")
@needs("open")
async def sign_in(request: Request) -> Response:
    sent = await form_of(request)
    return await run_in_threadpool(signed_in, request, sent)


def signed_in(request: Request, sent: dict[str, str]) -> Response:
    entrance = entrance_of(request)
    onward = safe_next(sent.get("next"))
    name = sent.get("name", "")[:200]
    try:
        text = entrance.sign_in(name, sent.get("password", ""), *from_where(request))
    except AccessError as error:
        status, headers = 400, {}
        if isinstance(error, ThrottledError):
            status, headers = 429, {"Retry-After": retry_after(error.wait)}
        response = drawn(
            request,
            "signin.html",
            status,
            onward=onward,
            name=name,
            message=error.text(read_language(request)),
            provider=provider_of(entrance),
            people=True,
        )
        response.headers.update(headers)
        return response
    return with_session(request, RedirectResponse(onward, 303), text)


@router.post("/sign-out")
@needs("see")
async def sign_out(request: Request) -> Response:
    """End this session, or with ``everywhere`` all of one's own."""
    sent = await form_of(request)
    return await run_in_threadpool(signed_out, request, "everywhere" in sent)


def signed_out(request: Request, everywhere: bool) -> Response:
    entrance, who = entrance_of(request), who_of(request)
    if who is not None and who.session is not None and who.user is not None:
        if everywhere:
            entrance.sessions.close_all(who.user)
        else:
            entrance.sessions.close(who.session)
        action = "sign-out.everywhere" if everywhere else "sign-out"
        entrance.project.audit.note(who.name, action, who.name, address=from_where(request)[0])
    return with_session(request, RedirectResponse("/sign-in", 303), None)


# -- by an identity provider -------------------------------------------------------------------------------------------

PENDING, SECURE_PENDING = "polku_pending", "__Host-polku_pending"
#: A sign-in at the provider takes at most so many seconds.
PENDING_SECONDS = 600


def callback_of(request: Request) -> str:
    """Where the provider sends the browser back to: what was registered there."""
    return f"{request.url.scheme}://{request.headers.get('host', '')}/sign-in/provider/callback"


def provider_here(request: Request) -> Provider:
    found = entrance_of(request).provider
    if found is None:
        raise NotFoundError(N_("No identity provider is set up here; see [oidc] in polku.toml."))
    return found


@router.get("/sign-in/provider")
@needs("open")
def to_provider(request: Request) -> Response:
    """Off to the provider."""
    url, pending = provider_here(request).begin(callback_of(request), safe_next(request.query_params.get("next")))
    secure = is_secure(request)
    response = RedirectResponse(url, 303, {"Cache-Control": "no-store"})
    # lax: the provider sends the browser back from another site, by a link
    response.set_cookie(
        SECURE_PENDING if secure else PENDING,
        pending.packed(),
        max_age=PENDING_SECONDS,
        path="/",
        secure=secure,
        httponly=True,
        samesite="lax",
    )
    return response


@router.get("/sign-in/provider/callback")
@needs("open")
def from_provider(request: Request) -> Response:
    """Back from the provider: a session for whom it names, or the sign-in page with the reason why not."""
    provider, entrance = provider_here(request), entrance_of(request)
    name, (address, agent) = (SECURE_PENDING if is_secure(request) else PENDING), from_where(request)
    pending = Pending.unpacked(request.cookies.get(name, ""))
    try:
        found = provider.finish(callback_of(request), pending, request.query_params)
        user = entrance.users.provided(found.issuer, found.subject, found.name, found.role, address=address)
    except AccessError as error:
        entrance.project.audit.note("", "sign-in.failed", provider.name, {"why": error.text()}, address=address)
        response = drawn(
            request,
            "signin.html",
            403,
            onward=pending.onward if pending else "/",
            name="",
            message=error.text(read_language(request)),
            provider=provider.name,
            people=True,
        )
    else:
        session = entrance.start(user, address, agent, "provider")
        response = with_session(request, RedirectResponse(safe_next(pending.onward if pending else None), 303), session)
    response.delete_cookie(name, path="/", secure=is_secure(request), httponly=True, samesite="lax")
    return response


# -- one-time links ---------------------------------------------------------------------------------------------------


@router.get("/welcome/{text}")
@needs("open")
def welcome_page(request: Request, text: str) -> Response:
    """Where a one-time link leads: looking at it does not use it up (mail programs look at links by themselves)."""
    return welcome(request, text)


def welcome(request: Request, text: str, name: str = "", message: str | None = None, status: int = 200) -> Response:
    entrance = entrance_of(request)
    link = entrance.users.link(text)
    response = drawn(
        request,
        "welcome.html",
        status if link is not None else 410,
        link=link,
        name=name,
        message=message,
        role_words=ROLE_WORDS,
        shortest=SHORTEST,
        longest=LONGEST,
        expires=None if link is None else moment(link.expires_at),
    )
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


@router.post("/welcome/{text}")
@needs("open")
async def follow_link(request: Request, text: str) -> Response:
    sent = await form_of(request)
    return await run_in_threadpool(followed, request, text, sent)


def followed(request: Request, text: str, sent: dict[str, str]) -> Response:
    entrance = entrance_of(request)
    address, agent = from_where(request)
    name = sent.get("name", "")[:200]
    try:
        password = chosen(sent)
        user = entrance.users.follow(text, password, name, address=address)
    except AccessError as error:
        return welcome(request, text, name, error.text(read_language(request)), 400)
    session = entrance.start(user, address, agent, "link")
    return with_session(request, RedirectResponse("/", 303), session)


def chosen(sent: dict[str, str]) -> str:
    """The new password, written twice. Raises AccessError where the two differ."""
    password = sent.get("password", "")
    if password != sent.get("again", ""):
        raise AccessError(N_("The two passwords are not the same."))
    return password


# -- one's own account ------------------------------------------------------------------------------------------------


@router.get("/account")
@needs("see")
def account_page(request: Request) -> Response:
    return account(request)


def account(request: Request, message: str | None = None, status: int = 200) -> Response:
    entrance, who = entrance_of(request), who_of(request)
    if who is None or who.user is None:
        raise NotFoundError(N_("Nobody has to sign in to this server now, so there is no account."))
    return drawn(
        request,
        "account.html",
        status,
        user=entrance.users.get(who.name),
        sessions=entrance.sessions.list(who.user),
        here=who.session,
        message=message,
        moment=moment,
        role_words=ROLE_WORDS,
        shortest=SHORTEST,
        longest=LONGEST,
    )


@router.post("/account/password")
@needs("see")
async def change_password(request: Request) -> Response:
    sent = await form_of(request)
    return await run_in_threadpool(password_changed, request, sent)


def password_changed(request: Request, sent: dict[str, str]) -> Response:
    """Ends every session; this browser gets a new one."""
    entrance, who = entrance_of(request), who_of(request)
    if who is None or who.user is None:
        raise NotFoundError(N_("Nobody has to sign in to this server now, so there is no account."))
    address, agent = from_where(request)
    try:
        password = chosen(sent)
        entrance.check_password(who.name, sent.get("old", ""), address)
        entrance.users.set_password(who.name, password, address=address)
    except AccessError as error:
        status = 429 if isinstance(error, ThrottledError) else 400
        return account(request, error.text(read_language(request)), status)
    session = entrance.start(entrance.users.get(who.name), address, agent, "password")
    return with_session(request, RedirectResponse("/account", 303), session)
