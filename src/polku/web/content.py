"""/content: the pieces with their languages and faults, and each as a chosen customer would get it."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from polku.content.check import check_content
from polku.content.piece import named, paths, piece_of, read_piece
from polku.content.preview import preview, preview_of
from polku.errors import ContentError, UsageError
from polku.language import Reader
from polku.web.guard import needs
from polku.web.live import project_of
from polku.web.onsite import stage
from polku.web.options import refuse_unknown
from polku.web.pages import answers_of, own_query, read_language
from polku.web.pieces import drafts_of, users_by_name
from polku.web.policy import FRAMING, LETTER
from polku.web.reading import href
from polku.web.saving import may_edit
from polku.web.signin import drawn
from polku.web.uses import uses_of

router = APIRouter(include_in_schema=False)


@router.get("/content")
@needs("see")
def content_page(request: Request) -> Response:
    refuse_unknown(own_query(request), ())
    project = project_of(request)
    reader = Reader(read_language(request))
    there = paths(project.folder)
    pieces: dict[str, list[dict[str, str]]] = {}
    for path in there:
        found = named(path)
        assert found is not None
        try:
            subject = read_piece(project.folder, path).subject
        except ContentError:
            subject = ""  # its fault is told beneath
        pieces.setdefault(found["name"], []).append({"path": path, "language": found["language"], "subject": subject})
    users = users_by_name(project)
    return drawn(
        request, "content.html", room="/content", pieces=pieces, users=users, href=href,
        uses=uses_of(project, {by for each in users.values() for by in each}, reader),
        may_edit=may_edit(request, answers_of(request)),
        faults=[(fault, fault.text(reader)) for fault in check_content(project)],
    )  # fmt: skip


@router.get("/content/piece")
@needs("see")
def piece_page(request: Request) -> Response:
    """A piece for a customer; what cannot be filled in is told with its line."""
    query = own_query(request)
    refuse_unknown(query, ("piece", "customer"))
    path, customer = query.get("piece", ""), query.get("customer", "").strip()
    project = project_of(request)
    language = read_language(request)
    shown, fault = None, None
    try:
        shown = preview(project, path, customer or None)
    except (ContentError, UsageError) as error:
        fault = error.text(language)
    response = drawn(
        request,
        "piece.html",
        room="/content",
        path=path,
        customer=customer,
        shown=shown,
        fault=fault,
        href=href,
        may_edit=may_edit(request, answers_of(request)),
    )
    response.headers["Content-Security-Policy"] = FRAMING
    return response


@router.get("/content/letter")
@needs("see")
def letter_frame(request: Request) -> Response:
    """The HTML of a piece by itself, for a frame of its own: without scripts, forms and this site's styles."""
    query = own_query(request)
    refuse_unknown(query, ("piece", "customer", "draft"))
    project, customer = project_of(request), query.get("customer", "").strip() or None
    if query.get("draft"):  # one that is being written
        shown = preview_of(project, piece_of(*drafts_of(request).of(query["draft"])), customer)
    else:
        shown = preview(project, query.get("piece", ""), customer)
    if shown.rendered.site is not None:
        return stage(request, shown)
    headers = {"Content-Security-Policy": LETTER, "X-Frame-Options": "SAMEORIGIN", "Cache-Control": "no-store"}
    return HTMLResponse(shown.rendered.html, headers=headers)
