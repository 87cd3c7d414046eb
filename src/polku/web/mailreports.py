"""/reports/SERVICE: where the service that sends the mail tells what came back; a request proves itself."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from polku.errors import Unreadable
from polku.guidance.returned import take_all
from polku.web.guard import ForeignFormError, body_of, by_link
from polku.web.live import project_of

router = APIRouter(include_in_schema=False)
#: Bytes of one request: services tell some hundreds of letters at once.
MOST = 5 * 1024 * 1024


@router.post("/reports/{service}")
@by_link
async def mail_reports(request: Request, service: str) -> Response:
    """The reports of one request; 200 once they are on disk, so that the service tells them again otherwise."""
    try:
        body = await body_of(request, MOST)
    except ForeignFormError:
        return JSONResponse({"error": "too large"}, 413)
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        taken = await run_in_threadpool(take_all, project_of(request), service, body, headers)
    except Unreadable as fault:
        return JSONResponse(fault.to_dict(), fault.status)
    return JSONResponse({"events": taken})
