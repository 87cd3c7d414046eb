"""/audiences: lists for ads, their sizes and refreshes, the files of Meta and Google; as data too."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter
from fastapi import Path as PathParameter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from polku.audiences import files, refreshing
from polku.audiences.files import DAYS, KIND_WORDS
from polku.audiences.membership import REASON_WORDS, audience_of
from polku.audiences.refreshing import Refresh, last_refresh, next_at, refreshes
from polku.errors import ProjectBusy, UsageError
from polku.guidance.in_words import condition_text
from polku.journey.campaigns import EVERYONE, Audience, title_of
from polku.journey.document import Document
from polku.journey.model import segment_title
from polku.language import N_
from polku.record.clock import moment, now
from polku.web.guard import actor_of, form_of, may, needs, note
from polku.web.live import project_of
from polku.web.notfound import NotFoundError
from polku.web.options import refuse_unknown
from polku.web.pages import Visit, own_query
from polku.web.reading import href
from polku.web.signin import drawn

if TYPE_CHECKING:
    from polku.record.project import Project

router = APIRouter(include_in_schema=False)
api = APIRouter(tags=["guidance"])

ROOM = "/audiences"
AudienceId = Annotated[str, PathParameter(description=N_("the name of a list of the map"))]
Number = Annotated[int, PathParameter(description=N_("the number of a refresh"))]
Name = Annotated[str, PathParameter(description=N_("meta or google, and members, added or removed: meta-added.csv"))]


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """A list with its last refresh, and when it is refreshed next (microseconds; None: it is not on)."""

    id: str
    audience: Audience
    last: Refresh | None
    next: int | None

    @property
    def title(self) -> Any:
        return title_of(self.id, self.audience)


def line_of(project: Project, id: str) -> Line:
    """The list of the address. Raises NotFoundError."""
    journey = project.journey()
    try:
        audience = audience_of(journey, id)
    except UsageError as error:
        raise NotFoundError(error.message, **error.facts) from error
    last = last_refresh(project, id)
    when = next_at(audience, None if last is None else last.at, ZoneInfo(journey.timezone), now())
    return Line(id, audience, last, when if audience.state == "on" else None)


@router.get("/audiences")
@needs("see")
def audiences_page(request: Request) -> Response:
    project = project_of(request)
    refuse_unknown(own_query(request), ())
    told = [line_of(project, id) for id in project.journey().audiences]
    return drawn(request, "audiences.html", room=ROOM, lists=told, moment=moment)


@router.get("/audiences/{id}")
@needs("see")
def audience_page(request: Request, id: str) -> Response:
    return audience_drawn(request, id)


def audience_drawn(request: Request, id: str, status: int = 200, message: str | None = None) -> Response:
    visit, project = Visit.of(request), project_of(request)
    reader, journey = visit.reader, visit.journey
    one = line_of(project, id)
    segments = [
        reader("everybody") if name == EVERYONE else reader.said(segment_title(name, journey.segments[name]))
        for name in one.audience.of
    ]
    from polku.audiences.membership import rule_of

    return drawn(
        request, "audience.html", status, room=ROOM, one=one, refreshes=refreshes(project, id, 30), moment=moment,
        segments=segments, only_if=condition_text(rule_of(id, one.audience, journey).only_if, reader, journey),
        reasons=REASON_WORDS, kinds=KIND_WORDS, days=DAYS, message=message, may_edit=may(request, "edit"), href=href,
        there=lambda refresh: files.folder_of(project, id, refresh.number).is_dir(),
        rules=[g for g in journey.guidance if f"'audience': '{id}'" in str(g.model_dump())],
        line=Document(project.map_file.read_bytes()).place(("audiences", id)).line,
    )  # fmt: skip


@router.post("/audiences/{id}")
@needs("edit")
async def act(request: Request, id: str) -> Response:
    return await run_in_threadpool(acted, request, id, await form_of(request))


def acted(request: Request, id: str, sent: dict[str, str]) -> Response:
    visit, project = Visit.of(request), project_of(request)
    line_of(project, id)
    try:
        if sent.get("do") != "refresh":
            raise UsageError(N_("The form does not say what to do."))
        refreshing.refresh(project, id, actor_of(request)[0], wait=5.0)
    except (UsageError, ProjectBusy) as error:
        return audience_drawn(request, id, 400, error.text(visit.language))
    return RedirectResponse(f"/audiences/{id}", 303)


def file_given(request: Request, id: str, number: int, name: str) -> Response:
    """A file of a refresh, and a row in the audit log of who took it: machines with a key, and people who may edit."""
    project = project_of(request)
    try:
        found = files.file_of(project, id, number, name)
    except UsageError as error:
        raise NotFoundError(error.message, **error.facts) from error
    note(request, "audience.fetched", id, {"refresh": number, "file": name})
    headers = {"Cache-Control": "private, no-store"}
    return FileResponse(found, media_type="text/csv; charset=utf-8", filename=f"{id}-{name}", headers=headers)


@router.get("/audiences/{id}/refreshes/{number}/{name}")
@needs("edit")
def audience_file(request: Request, id: str, number: int, name: str) -> Response:
    return file_given(request, id, number, name)


# -- the same as data -------------------------------------------------------------------------------------------------


@api.get("/api/audiences", description=N_("Lists for ads with their last refreshes."))
@needs("see")
def audiences_data(request: Request) -> dict[str, Any]:
    project = project_of(request)
    return {
        "audiences": [
            {
                "id": one.id, "title": one.title, "state": one.audience.state, "for": list(one.audience.for_),
                "next": None if one.next is None else moment(one.next).isoformat(),
                "last": None if one.last is None else one.last.to_dict(),
            }
            for one in (line_of(project, id) for id in project.journey().audiences)
        ]
    }  # fmt: skip


@api.get("/api/audiences/{id}", description=N_("A list for ads: its refreshes with their files, newest first."))
@needs("see")
def audience_data(request: Request, id: AudienceId) -> dict[str, Any]:
    project = project_of(request)
    line_of(project, id)
    return {"id": id, "refreshes": [one.to_dict() for one in refreshes(project, id)]}


@api.get("/api/audiences/{id}/latest/{name}", description=N_("A file of a list's last refresh, as CSV."))
@needs("fetch")
def latest_file(request: Request, id: AudienceId, name: Name) -> Response:
    one = line_of(project_of(request), id)
    if one.last is None:
        raise NotFoundError(N_("The list {id} was never refreshed: polku audience refresh."), id=id)
    return file_given(request, id, one.last.number, name)


@api.get("/api/audiences/{id}/refreshes/{number}/{name}", description=N_("A file of one refresh, as CSV."))
@needs("fetch")
def refresh_file(request: Request, id: AudienceId, number: Number, name: Name) -> Response:
    return file_given(request, id, number, name)
