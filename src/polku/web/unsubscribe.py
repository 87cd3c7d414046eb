"""What customers reach from a letter, without signing in: unsubscribing, counted links, counted opens."""

from __future__ import annotations

import base64
import logging

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from polku.access.entrance import is_loopback
from polku.access.limits import Limit, network
from polku.errors import RecordError
from polku.guidance.links import Link, What, read_link
from polku.guidance.preparing import sender_of
from polku.guidance.unsubscribing import note_read, unsubscribe, unsubscribed
from polku.language import N_, Reader
from polku.web.guard import by_link, form_of
from polku.web.live import project_of
from polku.web.notfound import NotFoundError
from polku.web.pages import read_language
from polku.web.reading import render

router = APIRouter(include_in_schema=False)
log = logging.getLogger("polku.web")

#: One transparent pixel.
PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
NO_STORE = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex", "Referrer-Policy": "no-referrer"}


def link_of(request: Request, what: What, token: str) -> Link:
    found = read_link(project_of(request), what, token)
    if found is None:
        raise NotFoundError(N_("This link is not whole. Open it from the letter once more."))
    return found


def page_of(request: Request, link: Link, token: str, told: str) -> Response:
    project = project_of(request)
    reader = Reader(read_language(request))
    context = {
        "gone": unsubscribed(project, link), "told": told, "action": f"/u/{token}", "purpose": link.purpose,
        "sender": sender_of(project.settings.mail.sender), "assets": request.app.state.assets,
    }  # fmt: skip
    return HTMLResponse(render("unsubscribe.html", reader, **context), headers=NO_STORE)


@router.get("/u/{token}")
@by_link
def unsubscribe_page(request: Request, token: str) -> Response:
    """Asks once: programs that look at every link of a letter must not unsubscribe anybody."""
    return page_of(request, link_of(request, "unsubscribe", token), token, "")


@router.post("/u/{token}")
@by_link
async def unsubscribe_now(request: Request, token: str) -> Response:
    """By the page's button, or by the mail program itself (RFC 8058)."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    sent = await form_of(request) if kind == "application/x-www-form-urlencoded" else {}
    return await run_in_threadpool(decided, request, token, sent.get("do") == "subscribe")


def decided(request: Request, token: str, again: bool) -> Response:
    link = link_of(request, "unsubscribe", token)
    unsubscribe(project_of(request), link, again)
    return page_of(request, link, token, "subscribed" if again else "unsubscribed")


@router.get("/c/{token}")
@by_link
def clicked(request: Request, token: str) -> Response:
    """On to where the link of the letter leads; the click is noted on the way."""
    link = link_of(request, "click", token)
    noted(request, link)
    return RedirectResponse(link.url, 302, NO_STORE)


@router.get("/o/{token}")
@by_link
def opened(request: Request, token: str) -> Response:
    """The picture of a letter that counts opens."""
    noted(request, link_of(request, "open", token))
    return Response(PIXEL, media_type="image/gif", headers=NO_STORE)


def noted(request: Request, link: Link) -> None:
    if too_many(request):
        return
    try:
        note_read(project_of(request), link, request.headers.get("user-agent", ""))
    except RecordError as fault:  # whoever clicks goes on to the shop, also when the state cannot be written
        log.warning("a %s could not be noted: %s", link.what, fault)


def too_many(request: Request) -> bool:
    """Whether one address has fetched more links than it may send requests with events (``limits.address``).

    What it fetches leads on all the same, and unsubscribing is never limited: mail services do it for many at once.
    """
    state = request.app.state
    if not hasattr(state, "links_limit"):
        state.links_limit = Limit(project_of(request).settings.limits.address, 60.0)
    address = request.client.host if request.client else ""
    if is_loopback(address) or not state.links_limit.take(network(address)):
        return False
    log.warning("links of letters are fetched too fast from %s: they are not noted", network(address))
    return True
