"""/note: the form for what happens off line, made for a phone; customers found as one types; a note taken back."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from polku.errors import PolkuError, UsageError
from polku.journey.model import Journey, titled
from polku.language import N_, Reader
from polku.notes.byhand import FACE_TO_FACE, made
from polku.notes.finding import MOST_FOUND, Whom, describe, search
from polku.notes.questions import asked, title_of
from polku.notes.taking import take, take_back
from polku.web.guard import actor_of, form_of, needs
from polku.web.live import project_of
from polku.web.options import refuse_unknown
from polku.web.pages import Visit, answer, frame_of, own_query
from polku.web.reading import href, render
from polku.web.words import channel_word

router = APIRouter(include_in_schema=False)
api = APIRouter(tags=["notes"])

#: What the form sends; the first three may stand in the address as well, for links from other pages.
FIELDS = ("customer", "touchpoint", "q", "name", "number", "email", "phone", "text", "question", "value", "when")


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """A touchpoint to choose. ``possible``: a note can be one."""

    id: str
    title: str
    channel: str
    possible: bool


def choices(journey: Journey, reader: Reader) -> tuple[list[Choice], list[Choice]]:
    """Touchpoints where people meet a customer, and all others, in the map's order."""
    first: list[Choice] = []
    others: list[Choice] = []
    for _, _, point in journey.touchpoints():
        choice = Choice(
            point.id,
            reader.said(titled(point)),
            reader(channel_word(point.channel)) if point.channel else "",
            made(journey, point.id) is not None,
        )
        (first if point.channel in FACE_TO_FACE and choice.possible else others).append(choice)
    return first, others


@router.get("/note")
@needs("edit")
def note_page(request: Request) -> Response:
    query = own_query(request)
    refuse_unknown(query, ("customer", "touchpoint", "q", "done", "about"))
    return drawn(request, query)


def drawn(request: Request, given: dict[str, str], message: str | None = None, status: int = 200) -> Response:
    visit = Visit.of(request)
    project, reader = project_of(request), visit.reader
    chosen = _known(given)
    first, others = choices(visit.journey, reader)
    customers = list(describe(project, [project.identities.customer_of_number(chosen)], reader)) if chosen else []
    found = search(project, given.get("q", ""), reader)
    customers += [f for f in found if f.id not in {c.id for c in customers}]
    body = render(
        "note.html",
        reader,
        given={name: given.get(name, "") for name in FIELDS},
        chosen=customers[0].id if chosen and customers else None,
        customers=customers[: MOST_FOUND + 1],
        first=first,
        others=others,
        done=given.get("done"),
        about=given.get("about", ""),
        message=message,
        **frame_of(request, reader, "/note", "", visit.zone),
    )
    response = answer(request, body, language=visit.language, status=status)
    response.headers["Cache-Control"] = "no-store"
    return response


@router.get("/note/customers")
@needs("edit")
def note_customers(request: Request) -> Response:
    """Customers that what is typed may mean, as data for the form."""
    query = own_query(request)
    refuse_unknown(query, ("q",))
    found = search(project_of(request), query.get("q", ""), Visit.of(request).reader)
    return JSONResponse([dataclasses.asdict(each) for each in found], headers={"Cache-Control": "no-store"})


@router.get("/note/questions")
@needs("see")
def questions_page(request: Request) -> Response:
    """What customers asked, at one touchpoint or anywhere, and what of it the map does not have."""
    query = own_query(request)
    refuse_unknown(query, ("touchpoint",))
    visit = Visit.of(request)
    point = query.get("touchpoint") or None
    body = render(
        "questions.html",
        visit.reader,
        asked=asked(project_of(request), point),
        touchpoint=None if point is None else title_of(visit.journey, point),
        planned=visit.journey.touchpoint(point).questions if point else (),
        title=lambda each: title_of(visit.journey, each.touchpoint),
        **frame_of(request, visit.reader, "/note", "", visit.zone),
    )
    return answer(request, body, language=visit.language)


@api.get("/api/questions", description=N_("What customers asked, by touchpoint, and whether the map has it."))
@needs("see")
def api_questions(
    request: Request,
    touchpoint: Annotated[str | None, Query(description=N_("a touchpoint's id"))] = None,
) -> Response:
    return JSONResponse({"questions": [each.to_dict() for each in asked(project_of(request), touchpoint)]})


@router.post("/note")
@needs("edit")
async def take_note(request: Request) -> Response:
    return await run_in_threadpool(taken, request, await form_of(request))


def taken(request: Request, sent: dict[str, str]) -> Response:
    """Write the note; a fault is told above the form, which keeps what was written."""
    visit = Visit.of(request)
    project, reader = project_of(request), visit.reader
    try:
        if not sent.get("touchpoint"):
            raise UsageError(N_("Choose what it was."))
        note = take(
            project,
            whom_of(sent),
            sent["touchpoint"],
            text=sent.get("text", ""),
            question=sent.get("question", ""),
            value=amount(sent.get("value", ""), reader),
            when=moment_of(sent.get("when", ""), reader),
            author=actor_of(request)[0],
        )
    except PolkuError as fault:
        return drawn(request, sent, fault.text(visit.language), 400)
    title = reader.said(titled(visit.journey.touchpoint(note.touchpoint)))
    return RedirectResponse(href("/note", done=note.event_id, about=title), 303)


@router.post("/note/undo")
@needs("edit")
async def undo_note(request: Request) -> Response:
    return await run_in_threadpool(undone, request, await form_of(request))


def undone(request: Request, sent: dict[str, str]) -> Response:
    try:
        take_back(project_of(request), sent.get("event_id", ""), actor_of(request)[0])
    except UsageError as fault:
        return drawn(request, {}, fault.text(Visit.of(request).language), 400)
    return RedirectResponse(href("/note", done="undone"), 303)


def _known(given: dict[str, str]) -> int | None:
    text = given.get("customer", "")
    return int(text) if text.isdecimal() and text != "0" else None


def whom_of(sent: dict[str, str]) -> Whom:
    """The customer of a form: the chosen one, else the new one that is described."""
    known = _known(sent)
    if known is not None:
        return Whom(known=known)
    name, number, email, phone = (sent.get(field, "").strip() for field in ("name", "number", "email", "phone"))
    return Whom(name=name, number=number, email=email, phone=phone)


def amount(text: str, reader: Reader) -> float | None:
    """Money as people write it, with a comma or a point. Raises UsageError."""
    text = text.strip().replace("\u00a0", "").replace(" ", "").replace("€", "").replace(",", ".")
    if not text:
        return None
    try:
        return float(text)
    except ValueError as fault:
        raise UsageError(N_("{value} is no amount; write it as 59.90."), value=text) from fault


def moment_of(text: str, reader: Reader) -> dt.datetime | None:
    """The form's time, in the reader's zone; None for now. Raises UsageError."""
    if not text.strip():
        return None
    try:
        return dt.datetime.fromisoformat(text.strip()).replace(tzinfo=reader.zone)
    except ValueError as fault:
        raise UsageError(N_("{when!r} is no time; write it as 2026-11-26 14:30."), when=text) from fault
