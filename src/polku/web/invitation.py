"""/i/...: what customers reach from an invitation without signing in. Opening it answers nothing; its button does."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from polku.campaigns import invitations
from polku.campaigns.definition import campaign_id
from polku.errors import CampaignError, UsageError
from polku.guidance.links import Link, read_link
from polku.guidance.preparing import sender_of
from polku.language import N_, Reader
from polku.record.clock import now
from polku.web.guard import by_link, form_of
from polku.web.live import project_of
from polku.web.notfound import NotFoundError
from polku.web.options import read_number
from polku.web.pages import read_language
from polku.web.reading import render
from polku.web.unsubscribe import NO_STORE

router = APIRouter(include_in_schema=False)


def link_of(request: Request, token: str) -> tuple[Link, str]:
    """The link and its campaign. Raises NotFoundError for one that Polku did not make."""
    found = read_link(project_of(request), "answer", token)
    id = campaign_id(found.rule) if found is not None else None
    if found is None or id is None:
        raise NotFoundError(N_("This link is not whole. Open it from the letter once more."))
    return found, id


def page_of(
    request: Request, token: str, link: Link, id: str, *, status: int = 200, message: str = "", done: bool = False
) -> Response:
    project = project_of(request)
    reader = Reader(read_language(request), project.journey().timezone)
    campaign, invitation = invitations.invitation_of(project, id)
    places = invitations.places(project, id)
    mine = invitations.answered(project, link)
    closes = invitations.closes(project, invitation)
    wished = link.purpose if link.purpose in invitations.ANSWERS else ""
    context = {
        "told": invitations.told(project, id, campaign, reader.language), "places": places, "mine": mine,
        "closed": closes is not None and now() > closes, "action": f"/i/{token}", "message": message, "done": done,
        "wished": mine.answer if mine is not None and not wished else wished, "guests": invitation.guests,
        "perhaps": invitation.perhaps, "words": invitations.ANSWER_WORDS, "queued": invitations.QUEUED,
        "sender": sender_of(project.settings.mail.sender), "assets": request.app.state.assets, "test": link.test,
        "longest": invitations.LONGEST,
    }  # fmt: skip
    return HTMLResponse(render("invitation.html", reader, **context), status, headers=NO_STORE)


@router.get("/i/{token}")
@by_link
def invitation_page(request: Request, token: str) -> Response:
    """Asks once: programs that follow every link of a letter must not answer for anybody."""
    link, id = link_of(request, token)
    return page_of(request, token, link, id)


@router.post("/i/{token}")
@by_link
async def invitation_answer(request: Request, token: str) -> Response:
    return await run_in_threadpool(answered, request, token, await form_of(request))


def answered(request: Request, token: str, sent: dict[str, str]) -> Response:
    link, id = link_of(request, token)
    try:
        guests = read_number("guests", sent.get("guests") or "0", 0, 20)
        invitations.answer_by_link(
            project_of(request), link, sent.get("answer", ""), guests, sent.get("note", "").strip()
        )  # fmt: skip
    except (UsageError, CampaignError) as error:
        return page_of(request, token, link, id, status=400, message=error.text(read_language(request)))
    return page_of(request, token, link, id, done=True)
