"""/live: events as they arrive, what was refused and why, and how far behind things are; the same as data."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from polku.guidance.lag import lag as guidance_lag
from polku.language import N_
from polku.live import refusals
from polku.live.lag import lag_of
from polku.live.stream import Filters, Stream
from polku.web.guard import needs, who_of
from polku.web.options import read_number, refuse_unknown
from polku.web.pages import Visit, frame_of, own_query, plain_of, titles_of
from polku.web.reading import href, render

if TYPE_CHECKING:
    from polku.record.project import Project

router = APIRouter()

#: An open page asks for what is new this often, in milliseconds.
EVERY = 2000
#: Events on a page, and refused events with their raw text.
SHOWN, REFUSED_SHOWN = 50, 10

Given = str | None
Source = Annotated[Given, Query(description=N_("events of this source only"))]
Event = Annotated[Given, Query(description=N_("events of this name only"))]
Customer = Annotated[Given, Query(description=N_("a part of the customer's name or id"))]
Limit = Annotated[Given, Query(description=N_("1 to 1000, default 50"))]
Reason = Annotated[Given, Query(description=N_("a reason of refusal"))]


def project_of(request: Request) -> Project:
    project: Project = request.app.state.answers.project
    return project


def stream_of(request: Request) -> Stream:
    """The one stream of the server: its readers share what it has read."""
    state = request.app.state
    if not hasattr(state, "stream"):
        state.stream = Stream(project_of(request))
    stream: Stream = state.stream
    return stream


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """The options of the page, checked. ``until``: paused there."""

    filters: Filters
    limit: int
    until: int | None
    reason: str | None
    refused_by: str | None

    @classmethod
    def read(cls, query: dict[str, str]) -> Asked:
        refuse_unknown(query, ("source", "event", "customer", "limit", "until", "reason", "refused_by"))
        given = {k: v.strip() for k, v in query.items() if v.strip()}
        until = given.get("until")
        return cls(
            Filters(given.get("source"), given.get("event"), given.get("customer")),
            read_number("limit", given.get("limit", str(SHOWN)), 1, 1000),
            read_number("until", until, 0, 2**62) if until else None,
            given.get("reason"),
            given.get("refused_by"),
        )


@router.get("/live", include_in_schema=False)
@needs("see")
def live_page(request: Request) -> Response:
    """The stream; paused at one event by ``until``."""
    visit = Visit.of(request)
    query = own_query(request)
    asked = Asked.read(query)
    project = project_of(request)

    def draw() -> str:
        stream = stream_of(request)
        look = stream.look(asked.filters, asked.limit, asked.until)
        kept = {k: v for k, v in query.items() if v and k != "until"}
        return render(
            "live.html",
            visit.reader,
            look=look,
            plain=plain_of(request, [told.name for told in look.rows]),
            lag=lag_of(project, stream.rows()),
            behind=guidance_lag(project.state) if any(g.state == "on" for g in visit.journey.guidance) else None,
            asked=asked,
            every=0 if asked.until is not None else EVERY,
            here=href("/live", **kept),
            pause=href("/live", **{**kept, "until": look.last_seq}),
            json_link=href("/api/live", **{k: v for k, v in kept.items() if k not in ("reason", "refused_by")}),
            counts=refusals.counts(project),
            latest=refusals.latest(project, asked.reason, asked.refused_by, REFUSED_SHOWN),
            why=lambda name: refusals.why(name, visit.reader),
            advice=lambda name: refusals.advice(name, visit.reader),
            **titles_of(visit.journey, visit.reader),
            **frame_of(request, visit.reader, "/live", "", visit.zone),
        )

    return fresh(request, visit, draw)


def fresh(request: Request, visit: Visit, draw: Callable[[], str], *more: object) -> Response:
    """The page, or 304 while nothing that it shows has changed: open pages ask every two seconds."""
    parts = (
        visit.answers.version(), refusals.mark(project_of(request)), str(request.url), visit.language, visit.zone,
        who_of(request), request.app.state.assets, int(time.time() // 10), more,
    )  # fmt: skip
    etag = f'W/"{hashlib.blake2b(repr(parts).encode(), digest_size=12).hexdigest()}"'
    headers = {
        "ETag": etag,
        "Cache-Control": "private, no-cache",
        "Vary": "Accept-Language, Cookie",
        "Content-Language": visit.language,
    }
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return HTMLResponse(draw(), headers=headers)


@router.get(
    "/api/live",
    description=N_("The latest events, newest first, with customer, touchpoint and changes of stage; how far behind."),
)
@needs("see")
def live_data(
    request: Request, source: Source = None, event: Event = None, customer: Customer = None, limit: Limit = None
) -> dict[str, Any]:
    asked = Asked.read(own_query(request))
    stream = stream_of(request)
    look = stream.look(asked.filters, asked.limit)
    project = project_of(request)
    return {
        "events": [row.to_dict() for row in look.rows],
        "looked_at": look.looked_at,
        "lag": lag_of(project, stream.rows()).to_dict(),
        "guidance": dataclasses.asdict(guidance_lag(project.state)),
    }


@router.get(
    "/api/refusals",
    description=N_("What was refused: counts by source and reason, and the latest events with their raw text."),
)
@needs("see")
def refusals_data(
    request: Request, reason: Reason = None, source: Source = None, limit: Limit = None
) -> dict[str, Any]:
    visit = Visit.of(request)
    asked = Asked.read(own_query(request))
    project = project_of(request)
    latest = refusals.latest(project, asked.reason, asked.filters.source, asked.limit)
    return {
        "counts": [count.to_dict(visit.reader) for count in refusals.counts(project)],
        "latest": [one.to_dict(visit.reader) for one in latest],
    }
