"""The page about background work: each job with its last run, its next one, who did it and what came of it."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from polku.jobs import Ledger, jobs
from polku.web.guard import needs
from polku.web.options import refuse_unknown
from polku.web.pages import own_query
from polku.web.signin import drawn, entrance_of

router = APIRouter(include_in_schema=False)


@router.get("/settings/jobs")
@needs("own")
def jobs_page(request: Request) -> Response:
    """Jobs, where the record is, and which version of the map is published."""
    refuse_unknown(own_query(request), ())
    project = entrance_of(request).project
    known = jobs(project)
    return drawn(
        request,
        "jobs.html",
        room="/settings/jobs",
        jobs=Ledger(project.state).all(known),
        state=project.state.where,
        history=project.history.place.uri,
        published=project.published.newest() if project.published.shared else None,
    )
