"""Pages of one customer's rights: their consent, all that is held of them, erasing them, and the receipt."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from polku.errors import UsageError
from polku.language import N_
from polku.record import erasure, handover, receipts
from polku.record.clock import moment, now
from polku.record.consenting import decide, ids_meant, moment_of
from polku.record.project import Project
from polku.web.api import CustomerId
from polku.web.guard import UNREADABLE, actor_of, body_of, form_of, needs, who_of
from polku.web.options import refuse_unknown
from polku.web.pages import own_query, read_language
from polku.web.reading import href
from polku.web.signin import drawn, entrance_of

router = APIRouter(include_in_schema=False)
api = APIRouter(tags=["rights"])


def project_of(request: Request) -> Project:
    """The project behind this server."""
    found: Project = entrance_of(request).project
    return found


def asked_customer(query: dict[str, str]) -> str:
    """The word that names the customer. Raises UsageError when there is none."""
    given = query.get("customer", "").strip()
    if not given:
        raise UsageError(N_("Say whose data it is about: an id, an e-mail address or a phone number."))
    return given


@router.get("/rights")
@needs("see")
def rights_page(request: Request) -> Response:
    query = own_query(request)
    refuse_unknown(query, ("customer",))
    if not query.get("customer", "").strip():
        return RedirectResponse("/consent", 303)  # the page that asks for whom
    return rights(request, asked_customer(query))


def rights(request: Request, given: str, status: int = 200, message: str | None = None) -> Response:
    project = project_of(request)
    of, held = erasure.preview(project, given)
    ids = ids_meant(project, given)
    who = who_of(request)
    return drawn(
        request, "rights.html", status, room="/customers", given=given, held=held, of=of,
        now=project.consents.held(ids, now()), decisions=project.consents.of(ids)[::-1],
        purposes=project.permission.purposes, message=message, moment=moment,
        may_edit=who is None or who.may("edit"), may_own=who is None or who.may("own"),
    )  # fmt: skip


@router.post("/rights/consent")
@needs("edit")
async def change_consent(request: Request) -> Response:
    return await run_in_threadpool(consent_changed, request, await form_of(request))


def consent_changed(request: Request, sent: dict[str, str]) -> Response:
    """Note a decision that a customer told: given or withdrawn, where, which text."""
    project = project_of(request)
    given, (by, _) = asked_customer(sent), actor_of(request)
    purpose, yes = sent.get("purpose", ""), sent.get("decision") == "give"
    try:
        ids = ids_meant(project, given)
        at = moment_of(project, sent.get("time"))
        decide(
            project, ids[0], [purpose] if yes else [], [] if yes else [purpose], at, sent.get("source") or "page",
            sent.get("text_version") or None, by,
        )  # fmt: skip
    except UsageError as error:
        return rights(request, given, 400, error.text(read_language(request)))
    return RedirectResponse(href("/rights", customer=given), 303)


@router.post("/rights/handover")
@needs("own")
async def hand_over(request: Request) -> Response:
    return await run_in_threadpool(handed_over, request, await form_of(request))


def handed_over(request: Request, sent: dict[str, str]) -> Response:
    """All that is held, as a zip."""
    with tempfile.TemporaryDirectory(dir=project_of(request).data) as folder:
        target = Path(folder) / "customer.zip"
        handover.write(project_of(request), asked_customer(sent), target, actor_of(request)[0])
        content = target.read_bytes()
    headers = {"content-disposition": 'attachment; filename="customer.zip"', "cache-control": "no-store"}
    return Response(content, media_type="application/zip", headers=headers)


@router.post("/rights/forget")
@needs("own")
async def forget(request: Request) -> Response:
    return await run_in_threadpool(forgotten, request, await form_of(request))


def forgotten(request: Request, sent: dict[str, str]) -> Response:
    """Erase the customer, when the id was typed once more."""
    given = asked_customer(sent)
    try:
        receipt = erasure.forget(project_of(request), given, actor_of(request)[0], confirm=sent.get("confirm", ""))
    except UsageError as error:
        return rights(request, given, 400, error.text(read_language(request)))
    return RedirectResponse(f"/settings/privacy/receipts/{receipt.number}", 303)


@router.get("/settings/privacy/receipts/{number}")
@needs("own")
def receipt_page(request: Request, number: str) -> Response:
    refuse_unknown(own_query(request), ())
    receipt = receipts.receipt_of(project_of(request), number)
    return drawn(request, "receipt.html", room="/settings/privacy", receipt=receipt, counted=receipts.COUNTED)


@api.get("/api/consents", description=N_("How many customers have given, withdrawn or denied each purpose."))
@needs("see")
def api_consents(request: Request) -> Response:
    counts = project_of(request).consents.overview()
    told = [{"purpose": c.purpose, "granted": c.granted, "withdrawn": c.withdrawn, "denied": c.denied} for c in counts]
    return JSONResponse({"purposes": told})


@api.get("/api/consents/{customer}", description=N_("What one customer has consented to, and every decision."))
@needs("see")
def api_consent(request: Request, customer: CustomerId) -> Response:
    project = project_of(request)
    return consents_of(project, ids_meant(project, customer))


Purposes = Annotated[list[str], msgspec.Meta(max_length=50)]
Word = Annotated[str, msgspec.Meta(max_length=200)]


class Decided(msgspec.Struct, forbid_unknown_fields=True):
    """What a customer has decided, as another system of the shop tells it."""

    give: Purposes = []
    withdraw: Purposes = []
    time: Word | None = None
    source: Word = "api"
    text_version: Annotated[str, msgspec.Meta(max_length=100)] | None = None


#: The body of the request, in the description of the API.
BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": msgspec.json.schema(Decided)["$defs"][
        "Decided"]}}}
}  # fmt: skip


@api.post(
    "/api/consents/{customer}",
    description=N_(
        "Note what a customer has given and withdrawn; somebody unknown is taken by the id or the address. Takes an "
        "editor, or a key that reads and writes."
    ),
    openapi_extra=BODY,
)
@needs("tell")
async def api_decide(request: Request, customer: CustomerId) -> Response:
    return await run_in_threadpool(decided, request, customer, await body_of(request))


def decided(request: Request, customer: str, body: bytes) -> Response:
    try:
        told = msgspec.json.decode(body, type=Decided)
    except UNREADABLE as fault:
        raise UsageError(
            N_("The body is no decision: {fault}. Send for example {example}."),
            fault=str(fault),
            example='{"give": ["email"], "source": "till"}',
        ) from fault
    if not (told.give or told.withdraw):
        raise UsageError(N_("Name at least one purpose in give or withdraw."))
    project = project_of(request)
    ids = ids_meant(project, customer, known=False)
    at = moment_of(project, told.time)
    decide(project, ids[0], told.give, told.withdraw, at, told.source, told.text_version, actor_of(request)[0])
    return consents_of(project, ids)


def consents_of(project: Project, ids: list[tuple[str, str]]) -> Response:
    """What holds now of these ids, and every decision."""
    held = project.consents.held(ids, now())
    return JSONResponse(
        {
            "granted": sorted(held.granted),
            "denied": sorted(held.denied),
            "decisions": [decision.to_dict() for decision in project.consents.of(ids)],
        }
    )
