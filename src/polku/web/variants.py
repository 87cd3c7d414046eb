"""Variants against each other and the adopting of one; the addresses that get nothing any more (/outbox/addresses)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from polku.errors import UsageError
from polku.guidance.contests import contests
from polku.guidance.preparing import REASONS
from polku.guidance.returned import allow, block, suppressions
from polku.guidance.why import rule_of
from polku.language import N_
from polku.measures.result import to_dict
from polku.measures.view import view_of
from polku.trails import open_trails
from polku.web.guard import actor_of, form_of, may, needs
from polku.web.live import project_of
from polku.web.options import refuse_unknown
from polku.web.pages import own_query, read_language
from polku.web.signin import drawn

router = APIRouter(include_in_schema=False)
api = APIRouter(tags=["guidance"])
RuleId = Annotated[str, Path(description=N_("The rule's name in the map."))]


@api.get("/api/guidance/{id}/variants", description=N_("Which variant of a rule's messages does best."))
@needs("see")
def variants_data(request: Request, id: RuleId) -> Any:
    project = project_of(request)
    journey = project.journey()
    view = view_of(open_trails(project), journey, project=project)
    return {"contests": [to_dict(one) for one in contests(project, rule_of(journey, id), view)]}


@api.get("/api/addresses", description=N_("The addresses that nothing is sent to any more, the latest first."))
@needs("edit")
def addresses_data(request: Request) -> Any:
    refuse_unknown(own_query(request), ())
    return {"addresses": [one | {"time": one["time"].isoformat()} for one in suppressions(project_of(request))]}


@router.get("/outbox/addresses")
@needs("edit")
def addresses_page(request: Request) -> Response:
    return addresses(request)


def addresses(request: Request, status: int = 200, message: str | None = None) -> Response:
    refuse_unknown(own_query(request) if status == 200 else {}, ())
    return drawn(
        request, "addresses.html", status, room="/outbox", found=suppressions(project_of(request)), message=message,
        words=REASONS, may_own=may(request, "own"),
    )  # fmt: skip


@router.post("/outbox/addresses")
@needs("edit")
async def change_address(request: Request) -> Response:
    """``do``: allow (by the hash) or block (an address)."""
    return await run_in_threadpool(changed, request, await form_of(request))


def changed(request: Request, sent: dict[str, str]) -> Response:
    project = project_of(request)
    by, address = actor_of(request)
    try:
        if sent.get("do") == "allow":
            allow(project, "phone" if sent.get("kind") == "phone" else "email", sent.get("hash", ""), by, address)
        else:
            block(project, sent.get("address", ""), by, address)
    except UsageError as error:
        return addresses(request, 400, error.text(read_language(request)))
    return RedirectResponse("/outbox/addresses", 303)
