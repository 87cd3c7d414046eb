"""/on-site: what visitors are shown on the shop's site, who turned to its people, and a piece drawn as on a page."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from polku.content.preview import Preview
from polku.errors import ContentError, PolkuError, UsageError
from polku.guidance.links import Link
from polku.guidance.preparing import sender_of
from polku.language import N_, Reader
from polku.onsite.confirming import confirm, confirmed
from polku.onsite.everyone import completed
from polku.onsite.handing import Handover, finish, handovers
from polku.onsite.listing import DAYS, EVENTS, KINDS, listed, turn
from polku.record.naming import names_of
from polku.web.guard import actor_of, by_link, form_of, may, needs
from polku.web.live import project_of
from polku.web.notfound import NotFoundError
from polku.web.options import refuse_unknown
from polku.web.pages import own_query, read_language
from polku.web.policy import STAGE
from polku.web.reading import href, render
from polku.web.signin import drawn
from polku.web.unsubscribe import NO_STORE, link_of

router = APIRouter(include_in_schema=False)

#: The last steps of a visitor that somebody who helps them sees.
STEPS = 20
#: Properties that tell what an event is about, the most telling first.
ABOUT = ("name", "query", "product_id", "order_id", "content", "reason", "message")
#: What Polku tells of itself is no step of a visitor's.
OWN = frozenset({
    "Message Shown", "Message Closed", "Message Submitted", "Survey Shown", "Survey Dismissed", "Page Left",
    "Consent Updated",
})  # fmt: skip
#: What each way to the shop's people is called.
VIA = {"chat": N_("chat"), "phone": N_("phone"), "mail": N_("letter")}


@router.get("/on-site")
@needs("see")
def site_page(request: Request) -> Response:
    return site(request)


def site(request: Request, status: int = 200, message: str | None = None) -> Response:
    """The pieces for every visitor with their figures, and who turned to the shop's people."""
    query = own_query(request) if status == 200 else {}
    refuse_unknown(query, ("done",))
    project = project_of(request)
    done = query.get("done") == "yes"
    asked = handovers(project, done=done)
    names = names_of(project, {one.customer for one in asked if one.customer is not None}, project.subject())
    language = read_language(request)
    return drawn(
        request, "on_site.html", status, room="/on-site", pieces=listed(project, language), kinds=KINDS, days=DAYS,
        words=EVENTS, asked=asked, names=names, via=VIA, done=done, may_edit=may(request, "edit"), message=message,
        href=href, language=language,
    )  # fmt: skip


@router.post("/on-site")
@needs("edit")
async def site_changed(request: Request) -> Response:
    return await run_in_threadpool(changed, request, await form_of(request))


def changed(request: Request, sent: dict[str, str]) -> Response:
    """Turn a piece on or off, or note that somebody was helped."""
    project = project_of(request)
    by, _ = actor_of(request)
    try:
        if sent.get("do") == "turn":
            turn(project, sent.get("piece", ""), sent.get("state", ""), by)
        elif sent.get("do") == "help":
            finish(project, sent.get("code", ""), by)
        else:
            raise UsageError(N_("The form does not say what to do."))
    except (UsageError, ContentError) as error:
        return site(request, 400, error.text(read_language(request)))
    return RedirectResponse("/on-site", 303)


@router.get("/k/{token}")
@by_link
def confirm_page(request: Request, token: str) -> Response:
    """Asks once: programs that look at every link of a letter confirm nothing."""
    return confirming(request, link_of(request, "confirm", token), token)


@router.post("/k/{token}")
@by_link
def confirm_now(request: Request, token: str) -> Response:
    link = link_of(request, "confirm", token)
    confirm(project_of(request), link)
    return confirming(request, link, token)


def confirming(request: Request, link: Link, token: str) -> Response:
    """The page of a link in a letter: the words that are agreed to, and a button."""
    project = project_of(request)
    language = read_language(request)
    asked = [one["texts"] for one in project.consents.versions() if one["version"] == link.content]
    words = next((text for texts in asked for text in texts.values()), "")  # a version is of one language
    context = {
        "done": confirmed(project, link), "action": f"/k/{token}", "words": words,
        "sender": sender_of(project.settings.mail.sender),
        "assets": request.app.state.assets,
    }  # fmt: skip
    return HTMLResponse(render("confirm.html", Reader(language), **context), headers=NO_STORE)


@router.get("/on-site/help/{code}")
@needs("see")
def help_page(request: Request, code: str) -> Response:
    """A visitor who turned to the shop's people, with their last steps."""
    project = project_of(request)
    found = handovers(project, code=code, limit=1)
    if not found:
        raise NotFoundError(N_("There is no code {code}."), code=code[:20])
    one = found[0]
    names = names_of(project, [one.customer] if one.customer is not None else [], project.subject())
    return drawn(
        request, "on_site_help.html", room="/on-site", one=one, names=names, via=VIA, may_edit=may(request, "edit"),
        steps=_steps(request, one), most=STEPS,
    )  # fmt: skip


def _steps(request: Request, one: Handover) -> list[dict[str, Any]]:
    """The visitor's last events up to now, the latest first: time, event, and what it was about."""
    if one.customer is None:
        return []
    columns = ["event", "time", "properties", "context", "seq"]
    rows = project_of(request).events_of([one.customer], columns).read_all().to_pylist()
    rows.sort(key=lambda row: (row["time"], row["seq"]))
    return [_step(row) for row in rows if row["event"] not in OWN][-STEPS:][::-1]


def _step(row: dict[str, Any]) -> dict[str, Any]:
    properties = json.loads(row["properties"]) if row["properties"] else {}
    context = json.loads(row["context"]) if row["context"] else {}
    told = context.get("page")
    page = told if isinstance(told, dict) else {}
    about = next((properties[name] for name in ABOUT if isinstance(properties.get(name), (str, int))), "")
    time: dt.datetime = row["time"]
    return {"time": time, "event": row["event"], "about": about, "page": page.get("title") or page.get("path") or ""}


def stage(request: Request, shown: Preview) -> Response:
    """A piece for the site, drawn by the tracker's own modules on a page that stands for the shop's."""
    project = project_of(request)
    assert shown.rendered.site is not None
    piece = dict(shown.rendered.site)
    reader = Reader(read_language(request))
    try:
        piece = completed(project.journey(), shown.piece, piece)
    except PolkuError as error:  # a survey that the map has not
        return HTMLResponse(render("site_preview_fault.html", reader, fault=error.text(reader.language)), 400)
    html = render("site_preview.html", reader, piece={**piece, "message": "preview"}, assets=request.app.state.assets)
    headers = {"Content-Security-Policy": STAGE, "X-Frame-Options": "SAMEORIGIN", "Cache-Control": "no-store"}
    return HTMLResponse(html, headers=headers)
