"""/identities: who is who. Ids in quarantine, joins with their evidence, joining and undoing by hand."""

from __future__ import annotations

import datetime as dt

import pyarrow.compute as pc
from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from polku.cli.identities import VERDICTS
from polku.errors import UsageError
from polku.language import N_
from polku.measures.merging import Outlook, outlook
from polku.notes.finding import describe, search, whom
from polku.record.ids import Id, Join
from polku.record.naming import called
from polku.record.project import Project
from polku.web.guard import actor_of, form_of, may, needs
from polku.web.live import project_of
from polku.web.options import read_number, refuse_unknown
from polku.web.pages import ID_KINDS, Visit, answer, frame_of, own_query, titles_of
from polku.web.reading import render

router = APIRouter(include_in_schema=False)

PAGE_SIZE = 50
KINDS = ID_KINDS | {"user": N_("User id"), "phone": N_("Phone"), "number": N_("Customer number")}
BIG = 2**62


def drawn(request: Request, template: str, status: int = 200, **context: object) -> Response:
    visit = Visit.of(request)
    body = render(
        template,
        visit.reader,
        kinds=KINDS,
        verdicts=VERDICTS,
        size=PAGE_SIZE,
        may_edit=may(request, "edit"),
        **titles_of(visit.journey, visit.reader),
        **context,
        **frame_of(request, visit.reader, "/identities", "", visit.zone),
    )
    response = answer(request, body, language=visit.language, status=status)
    response.headers["Cache-Control"] = "no-store"
    return response


def _offset(query: dict[str, str], name: str = "offset") -> int:
    return read_number(name, query.get(name, "0"), 0, BIG)


@router.get("/identities")
@needs("see")
def identities_page(request: Request) -> Response:
    """Ids in quarantine; the latest joins; a search for a customer, and for two to be joined."""
    query = own_query(request)
    refuse_unknown(query, ("q", "offset", "joins", "undone"))
    project = project_of(request)
    project.identities.catch_up(inbox=True)
    reader = Visit.of(request).reader
    undone = query.get("undone") == "1"
    return drawn(
        request,
        "identities.html",
        q_text=query.get("q", "").strip(),
        found=search(project, query["q"], reader, 20, plain=may(request, "edit")) if query.get("q", "").strip() else (),
        held=project.identities.quarantined(PAGE_SIZE + 1, _offset(query)),
        offset=_offset(query),
        total=project.identities.count_quarantined(),
        joins=project.identities.joins(PAGE_SIZE + 1, _offset(query, "joins"), undone=undone),
        joins_offset=_offset(query, "joins"),
        undone=undone,
        caps=project.identities.caps,
    )


@router.post("/identities")
@needs("edit")
async def judge(request: Request) -> Response:
    return await run_in_threadpool(judged, request, await form_of(request))


def judged(request: Request, sent: dict[str, str]) -> Response:
    """Release an id from quarantine, or keep it there."""
    project = project_of(request)
    by, address = actor_of(request)
    number = read_number("id", sent.get("id", ""), 1, BIG)
    about = project.identities.id_number(number).mark
    match sent.get("do"):
        case "release":
            project.identities.release(number, by, project.audit.noting(by, "id.released", about, address=address))
        case "keep":
            project.identities.keep(number, by, project.audit.noting(by, "id.quarantined", about, address=address))
        case other:
            raise UsageError(N_("The form asks for {what}, which it cannot do."), what=str(other))
    return RedirectResponse(sent_back(sent, "/identities"), 303)


def sent_back(sent: dict[str, str], usual: str) -> str:
    """Where a form wants its reader to go on: a page of this room, never another address."""
    wish = sent.get("back", "")
    return wish if wish.startswith("/identities") and "\\" not in wish else usual


@router.get("/identities/named")
@needs("see")
def named_page(request: Request) -> Response:
    """The page of the customer who has an id, for links that know no numbers."""
    query = own_query(request)
    refuse_unknown(query, ("id",))
    return RedirectResponse(f"/identities/of/{named(project_of(request), query.get('id', '')).number}", 303)


@router.get("/identities/of/{number}")
@needs("see")
def customer_page(request: Request, number: str) -> Response:
    """Why this is one customer: every id, and every join with its evidence."""
    query = own_query(request)
    refuse_unknown(query, ("ids", "joins"))
    project = project_of(request)
    customer = project.identities.customer_of_number(read_number("id", number, 1, BIG))
    ids = project.identities.ids_of(customer)
    at, joins_at = _offset(query, "ids"), _offset(query, "joins")
    joins = project.identities.joins_of(customer, PAGE_SIZE, joins_at)
    visit = Visit.of(request)
    return drawn(
        request,
        "identity.html",
        name=called(ids, visit.journey.subject) or f"#{customer}",
        number=number,
        about=next(iter(describe(project, [customer], visit.reader, plain=may(request, "edit"))), None),
        ids=ids[at : at + PAGE_SIZE],
        ids_total=len(ids),
        ids_offset=at,
        joins=joins,
        sources={join.number: seen(project, join) for join in joins},
        joins_total=project.identities.count_joins_of(customer),
        joins_offset=joins_at,
    )


def seen(project: Project, join: Join) -> str | None:
    """The source of the event that is a join's evidence, when history holds it; None for a person's word."""
    if join.said_by is not None:
        return None
    day = join.time.astimezone(dt.UTC).date()
    files = [file for file in project.history.snapshot().files if file.day == day]
    if not files:
        return None
    here = (pc.field("time") == join.time) & (pc.field("event") == join.evidence)
    found = project.history.read(["source"], files=files, where=here).read_all()["source"].drop_null()
    return str(found[0].as_py()) if len(found) else None


@router.get("/identities/undo/{number}")
@needs("edit")
def undo_preview(request: Request, number: str) -> Response:
    """What undoing a join would change, and the button that does it."""
    project = project_of(request)
    join = project.identities.join_number(read_number("join", number, 1, BIG))
    told = outlook(project, project.identities.preview_undo(join.number))
    return change_page(request, told, action=f"/identities/undo/{join.number}", join=join)


@router.post("/identities/undo/{number}")
@needs("edit")
async def undo(request: Request, number: str) -> Response:
    return await run_in_threadpool(undone, request, read_number("join", number, 1, BIG))


def undone(request: Request, number: int) -> Response:
    project = project_of(request)
    by, address = actor_of(request)
    join = project.identities.join_number(number)
    told = {"other": join.weaker.mark}
    noting = project.audit.noting(by, "customer.unmerged", join.stronger.mark, told, address=address)
    project.identities.undo(number, by, noting)
    return RedirectResponse(f"/identities/of/{join.stronger.number}", 303)


@router.get("/identities/merge")
@needs("edit")
def merge_preview(request: Request) -> Response:
    """What joining two ids would change, and the button that does it."""
    query = own_query(request)
    refuse_unknown(query, ("one", "other"))
    if not query:
        return RedirectResponse("/identities", 303)  # the page that asks for both
    project = project_of(request)
    one, other = (named(project, query.get(name, "")) for name in ("one", "other"))
    told = outlook(project, project.identities.preview(one.number, other.number))
    return change_page(request, told, action="/identities/merge", one=one, other=other)


def named(project: Project, text: str) -> Id:
    """The id that a person wrote: its number after #, or the id itself. Raises UsageError."""
    if text.startswith("#") and text[1:].isdecimal():
        return project.identities.id_number(int(text[1:]))
    found = whom(project, text)
    if found.known is None:
        raise UsageError(N_("There is no customer with the id {id!r}."), id=text)
    exact = [id for id, _ in project.identities.find(text.strip())]
    return exact[0] if exact else project.identities.id_number(found.known)


@router.post("/identities/merge")
@needs("edit")
async def merge(request: Request) -> Response:
    return await run_in_threadpool(merged, request, await form_of(request))


def merged(request: Request, sent: dict[str, str]) -> Response:
    project = project_of(request)
    by, address = actor_of(request)
    one, other = (read_number(name, sent.get(name, ""), 1, BIG) for name in ("one", "other"))
    why = sent.get("why", "").strip()[:500]
    if not why:
        raise UsageError(N_("Say why they are one customer; it stays as the evidence."))
    ends = [project.identities.id_number(number).mark for number in (one, other)]
    noting = project.audit.noting(by, "customer.merged", ends[0], {"other": ends[1]}, address=address)
    project.identities.join(one, other, why, by, noting)
    return RedirectResponse(f"/identities/of/{one}", 303)


def change_page(
    request: Request,
    told: Outlook,
    action: str,
    join: Join | None = None,
    one: Id | None = None,
    other: Id | None = None,
) -> Response:
    return drawn(request, "identity_change.html", told=told, action=action, join=join, one=one, other=other)
