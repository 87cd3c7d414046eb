"""The ASGI application: routes, language, headers, and errors as pages."""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Sequence
from importlib import resources
from typing import Any
from urllib.parse import urlencode

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from polku.access.entrance import Entrance, ThrottledError
from polku.access.limits import retry_after
from polku.errors import AccessError, MapError, PolkuError, ProjectBusy, UsageError
from polku.language import N_, Reader, translate
from polku.web import (
    access,
    api,
    asking,
    audiences,
    campaigns,
    connect,
    content,
    docs,
    editor,
    experiments,
    guidance,
    identities,
    invitation,
    mailreports,
    mapeditor,
    measures,
    note,
    offers,
    onsite,
    outbox,
    pages,
    pieces,
    privacy,
    reviews,
    rights,
    servers,
    signin,
    surveys,
    timezone,
    tracker,
    unsubscribe,
    variants,
)
from polku.web import live as live_page
from polku.web.answers import Answers
from polku.web.cache import PageCache
from polku.web.description import describe
from polku.web.gate import Gate, is_machine
from polku.web.guard import SignInNeededError, admit, sign_in_link
from polku.web.notfound import NotFoundError
from polku.web.policy import POLICY
from polku.web.reading import COOKIE, language_of, render
from polku.web.saving import Seen

log = logging.getLogger("polku.web")

#: Where the files of /static lie; the charts bring their own stylesheet.
STATIC = (("polku.web", "static"), ("polku.measures.drawing", "static"))
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
#: Over https: for a year by no other way.
HSTS = (b"strict-transport-security", b"max-age=31536000")


def create_app(
    project: Any = None,
    *,
    live: bool = False,
    hosts: Sequence[str] | None = None,
    answers: Answers | None = None,
    entrance: Entrance | None = None,
) -> FastAPI:
    """The pages and the API over ``project`` (``polku.record.project.Project``).

    live: events keep coming; open pages look for news every 2 seconds, whatever the settings say.
    hosts: names under which the server may be asked, without ports; None: any.
    answers: where the figures come from; by default the measures over the project.
    entrance: who may come in; None: everybody, as an owner.
    """
    if answers is None:
        from polku.web.measured import ProjectAnswers

        answers = ProjectAnswers(project)
    app = FastAPI(
        title="Polku",
        description="The living map, its measures and the customers behind every number.",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,  # a route of the API's own, which the guard stands at
        dependencies=[Depends(admit)],
    )
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]
    app.state.answers = answers
    app.state.live = live
    app.state.cache = PageCache()
    app.state.seen = Seen()
    app.state.entrance = entrance
    app.state.token = entrance.open_token if entrance else secrets.token_urlsafe(24)
    app.state.assets = assets_version()
    app.mount("/static", StaticFiles(packages=[*STATIC]), name="static")
    app.include_router(pages.router)
    app.include_router(measures.router)
    app.include_router(docs.router)
    app.include_router(api.router)
    app.include_router(signin.router)
    app.include_router(access.router)
    app.include_router(servers.router)
    app.include_router(tracker.router)
    app.include_router(live_page.router)
    app.include_router(connect.router)
    app.include_router(note.router)
    app.include_router(note.api)
    app.include_router(mapeditor.router)
    app.include_router(editor.router)  # its /guidance/new-rule stands before the rules' ids
    app.include_router(guidance.router)
    app.include_router(guidance.api)
    app.include_router(experiments.router)
    app.include_router(campaigns.router)
    app.include_router(campaigns.api)
    app.include_router(audiences.router)
    app.include_router(audiences.api)
    app.include_router(invitation.router)
    app.include_router(identities.router)
    app.include_router(rights.router)
    app.include_router(rights.api)
    app.include_router(privacy.router)
    app.include_router(content.router)
    app.include_router(pieces.router)
    app.include_router(onsite.router)
    app.include_router(mailreports.router)
    app.include_router(variants.router)
    app.include_router(variants.api)
    app.include_router(outbox.router)
    app.include_router(outbox.api)
    app.include_router(offers.router)
    app.include_router(offers.api)
    app.include_router(unsubscribe.router)
    app.include_router(asking.router)
    app.include_router(surveys.router)
    app.include_router(surveys.api)
    app.include_router(reviews.router)
    app.add_exception_handler(PolkuError, told)
    app.add_exception_handler(HTTPException, not_found)
    app.add_exception_handler(RequestValidationError, wrong_parameters)
    app.add_exception_handler(Exception, broken)
    app.add_middleware(Gate, entrance=entrance, token=app.state.token)
    app.add_middleware(Frame, hosts=hosts)
    return app


def assets_version() -> str:
    """Of the stylesheet and the scripts: part of their URLs, so that a new version is never mixed with an old one."""
    digest = hashlib.blake2b(digest_size=6)
    for package, name in STATIC:
        for entry in sorted((resources.files(package) / name).iterdir(), key=lambda e: e.name):
            digest.update(entry.read_bytes())
    return digest.hexdigest()


class Frame:
    """Security headers on every answer, the language and the time zone chosen in the URL kept in cookies, foreign host
    names refused.
    """

    def __init__(self, app: ASGIApp, hosts: Sequence[str] | None) -> None:
        self.app = app
        self.hosts = None if hosts is None else {h.strip("[]").lower() for h in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        if len(request.headers.getlist("host")) > 1:  # which one counts would be a guess (RFC 9112, 3.2)
            await Response("One Host, please.", 400, media_type="text/plain")(scope, receive, send)
            return
        if self.hosts is not None and host_name(request.headers.get("host", "")) not in self.hosts:
            response: Response = Response("This server is not known by that name.", 421, media_type="text/plain")
            await response(scope, receive, send)
            return
        wish = request.query_params.get("lang")
        zone = request.query_params.get("tz", "").strip()

        async def framed(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in message["headers"]}
                headers = [*message["headers"], *(pair for pair in HEADERS if pair[0] not in own)]
                if scope["scheme"] == "https":
                    headers.append(HSTS)
                if wish in ("fi", "en") and message["status"] < 400:
                    cookie = f"{COOKIE}={wish}; Path=/; Max-Age=31536000; SameSite=Lax"
                    headers.append((b"set-cookie", cookie.encode()))
                if zone and message["status"] < 400 and (kept := timezone.cookie(zone)):
                    headers.append((b"set-cookie", kept.encode()))
                message = {**message, "headers": headers}
            await send(message)

        await self.app(scope, receive, framed)


def host_name(header: str) -> str:
    """The name in a Host header, without its port.

    >>> host_name("localhost:8000"), host_name("[::1]:8000"), host_name("127.0.0.1")
    ('localhost', '::1', '127.0.0.1')
    """
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.partition(":")[0].lower()


TITLES: dict[int, str] = {
    400: N_("The address asks for something that does not exist"),
    403: N_("This is not allowed"),
    404: N_("There is no such page"),
    429: N_("Too many requests"),
    500: N_("Something went wrong"),
    503: N_("Not now"),
}


def wants_data(request: Request) -> bool:
    return is_machine(request.url.path)


def reader_for(request: Request) -> Reader:
    """The reader of an error page: must work when the map, or the wish itself, is what is wrong."""
    default = request.app.state.answers.language
    try:
        return Reader(language_of(request, default))
    except PolkuError:
        return Reader(language_of(request, default, wish=False))


def page(request: Request, status: int, message: str, **more: Any) -> Response:
    reader = reader_for(request)
    context = {"nearest": None, "fixed": None, "faults": (), "advice": (), "code": None, **more}
    html = render(
        "error.html",
        reader,
        title=reader(TITLES.get(status, TITLES[500])),
        message=message,
        **context,
        **pages.frame_of(request, reader, room="", version=""),
    )
    return HTMLResponse(html, status)


async def told(request: Request, error: Exception) -> Response:
    """A PolkuError: what was looked for, what exists, what to do."""
    assert isinstance(error, PolkuError)
    reader = reader_for(request)
    status = 500
    headers: dict[str, str] = {}
    if isinstance(error, SignInNeededError):
        if not wants_data(request):
            return RedirectResponse(sign_in_link(request), 303, {"Cache-Control": "no-store"})
        status, headers["WWW-Authenticate"] = 401, 'Bearer realm="polku"'
    elif isinstance(error, ThrottledError):
        status, headers["Retry-After"] = 429, retry_after(error.wait)
    elif isinstance(error, AccessError):
        status = 403
    elif isinstance(error, NotFoundError):
        status = 404
    elif isinstance(error, UsageError) or error.code.split(".")[0] in ("measure", "expression"):
        status = 400
    elif isinstance(error, ProjectBusy):
        status = 503
    if status == 500:
        log.error("%s: %s", error.code, error.text("en"))
    if wants_data(request):
        return JSONResponse(error.to_dict(reader.language), status, headers)
    nearest = error.facts.get("nearest")
    faults = pages.faults_of(error, reader.language)
    advice: list[str] = []
    if isinstance(error, MapError):
        advice = [reader("Mend journey.yaml and reload this page; polku check lists every fault with its line.")]
    told = page(
        request,
        status,
        error.to_dict(reader.language)["error"]["message"],
        nearest=nearest,
        fixed=mended(request, error.facts.get("value"), nearest),
        faults=faults,
        advice=advice,
        code=error.code,
    )
    told.headers.update(headers)
    return told


def mended(request: Request, value: Any, nearest: Any) -> str | None:
    """The same address with the unknown word replaced by the nearest known one; None where it is not in the query."""
    if not nearest:
        return None
    pairs = [
        (nearest if k == value else k, nearest if v == value else v) for k, v in request.query_params.multi_items()
    ]
    if pairs == request.query_params.multi_items():
        return None
    return f"{request.url.path}?{urlencode(pairs)}"


async def not_found(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    language = reader_for(request).language
    message = translate(language, N_("There is nothing at {path}."), path=request.url.path)
    if error.status_code != 404:
        message = translate(language, N_("The server refused the request: {detail}."), detail=str(error.detail))
    if wants_data(request):
        return JSONResponse({"error": {"code": "usage.page", "message": message}}, error.status_code, error.headers)
    told = page(request, error.status_code, message)
    told.headers.update(error.headers or {})
    return told


async def wrong_parameters(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    language = reader_for(request).language
    names = ", ".join(str(e["loc"][-1]) for e in error.errors())
    message = translate(language, N_("These options do not fit: {names}."), names=names)
    if wants_data(request):
        return JSONResponse({"error": {"code": "usage", "message": message}}, 400)
    return page(request, 400, message)


async def broken(request: Request, error: Exception) -> Response:
    """What nobody foresaw: the log has the traceback (the server writes it), the reader a plain page."""
    language = reader_for(request).language
    message = translate(language, N_("Polku could not make this page. The server's log says why."))
    if wants_data(request):
        return JSONResponse({"error": {"code": "polku", "message": message}}, 500)
    return page(request, 500, message)
