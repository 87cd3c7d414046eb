"""/outbox: what waits, what left and what did not, the switch of sending; /tasks: what people are to do."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from polku.channels.task import finish_task, tasks_of
from polku.errors import UsageError
from polku.guidance import messages
from polku.guidance.lag import lag
from polku.guidance.messages import Filters
from polku.guidance.sending import pauses
from polku.guidance.switch import set_test_address, switch_of, turn
from polku.guidance.unsubscribing import task_done
from polku.language import N_, Reader
from polku.record.clock import moment, now
from polku.record.naming import names_of
from polku.web.guard import actor_of, form_of, may, needs
from polku.web.live import project_of
from polku.web.options import read_number, refuse_unknown
from polku.web.pages import own_query, read_language
from polku.web.reading import href
from polku.web.signin import drawn, zone_here
from polku.web.uses import uses_of

router = APIRouter(include_in_schema=False)
api = APIRouter(tags=["guidance"])

SHOWN = 100
#: What messages can be looked for by.
ASKED = ("state", "channel", "rule", "customer", "text", "day")
Given = str | None


@router.get("/outbox")
@needs("see")
def outbox_page(request: Request) -> Response:
    return outbox(request)


def outbox(request: Request, status: int = 200, message: str | None = None) -> Response:
    """Messages, newest first, by state, channel, rule, customer, words and day."""
    query = own_query(request) if status == 200 else {}
    refuse_unknown(query, (*ASKED, "limit"))
    project = project_of(request)
    asked = Filters.read(**{name: query.get(name) for name in ASKED}, zone=zone_here(request).name)
    limit = read_number("limit", query.get("limit") or str(SHOWN), 1, 1000)
    kept = {name: getattr(asked, name) for name in ASKED}
    told, choices = messages.messages(project, asked, limit), messages.choices(project)
    uses = uses_of(project, [*choices["rule"], *(one.rule for one in told)], Reader(read_language(request)))
    return drawn(
        request, "outbox.html", status, room="/outbox", told=told, asked=asked, uses=uses, kept=kept,
        counts=messages.counts(project, dataclasses.replace(asked, state=None)), limit=limit,
        choices=choices, words=messages.STATE_WORDS, switch=switch_of(project),
        pauses=pauses(project), suppressed=messages.suppressed(project), mail=project.settings.mail,
        may_own=may(request, "own"), message=message, moment=moment, href=href, lag=lag(project.state),
    )  # fmt: skip


@router.post("/outbox")
@needs("own")
async def switch_sending(request: Request) -> Response:
    return await run_in_threadpool(switched, request, await form_of(request))


def switched(request: Request, sent: dict[str, str]) -> Response:
    """Turn sending on or off, or say where letters go before that."""
    project = project_of(request)
    by, address = actor_of(request)
    try:
        if sent.get("do") in ("on", "off"):
            turn(project, sent["do"] == "on", by, address)
        elif sent.get("do") == "test":
            set_test_address(project, sent.get("address", ""), by, address)
        else:
            raise UsageError(N_("The form does not say what to do."))
    except UsageError as error:
        return outbox(request, 400, error.text(read_language(request)))
    return RedirectResponse("/outbox", 303)


@router.get("/outbox/message")
@needs("see")
def message_page(request: Request) -> Response:
    return message(request)


def message(request: Request, status: int = 200, told: str | None = None) -> Response:
    """One message: what it says, what became of it and why."""
    query = own_query(request)
    refuse_unknown(query, ("key",))
    project = project_of(request)
    one = messages.message_of(project, query.get("key", ""))
    use = uses_of(project, [one.rule], Reader(read_language(request)))[one.rule]
    return drawn(
        request, "message.html", status, room="/outbox", one=one, use=use, words=messages.STATE_WORDS, message=told,
        may_edit=may(request, "edit"), again=one.state in messages.AGAIN,
    )  # fmt: skip


@router.post("/outbox/message")
@needs("edit")
async def message_again(request: Request) -> Response:
    return await run_in_threadpool(sent_again, request, await form_of(request))


def sent_again(request: Request, sent: dict[str, str]) -> Response:
    key = sent.get("key", "")
    messages.send_again(project_of(request), key, *actor_of(request))
    return RedirectResponse(href("/outbox/message", key=key), 303)


# -- tasks -------------------------------------------------------------------------------------------------------------


@router.get("/tasks")
@needs("see")
def tasks_page(request: Request) -> Response:
    query = own_query(request)
    refuse_unknown(query, ("done", "owner"))
    project = project_of(request)
    done, owner = query.get("done") == "yes", query.get("owner") or None
    found = tasks_of(project.state, done=done, owner=owner)
    return drawn(
        request, "tasks.html", room="/tasks", tasks=found, done=done, owner=owner, moment=moment, now=now(),
        names=names_of(project, {task.customer for task in found}, project.subject()), may_edit=may(request, "edit"),
        owners=sorted({task.owner for task in tasks_of(project.state) if task.owner}),
    )  # fmt: skip


@router.post("/tasks")
@needs("edit")
async def finish(request: Request) -> Response:
    return await run_in_threadpool(finished, request, await form_of(request))


def finished(request: Request, sent: dict[str, str]) -> Response:
    project = project_of(request)
    by, address = actor_of(request)
    number = read_number("task", sent.get("number", ""), 1, 2**62)
    task = finish_task(project.state, number, by, sent.get("outcome", "").strip())
    task_done(project, task)
    project.audit.note(by, "task.done", str(number), address=address)
    return RedirectResponse("/tasks", 303)


# -- as data -----------------------------------------------------------------------------------------------------------


@api.get("/api/outbox", description=N_("Messages of the outbox, newest first, and how many there are in each state."))
@needs("see")
def outbox_data(
    request: Request,
    state: Annotated[Given, Query(description=N_("messages in this state only"))] = None,
    channel: Annotated[Given, Query(description=N_("messages by this channel only"))] = None,
    rule: Annotated[Given, Query(description=N_("messages of this rule only"))] = None,
    customer: Annotated[Given, Query(description=N_("an id, an e-mail address or a phone number"))] = None,
    text: Annotated[Given, Query(description=N_("words of the subject, the text or the content's name"))] = None,
    day: Annotated[Given, Query(description=N_("messages made on this day, for example 2026-05-31"))] = None,
    limit: Annotated[Given, Query(description=N_("1 to 1000, default 50"))] = None,
) -> dict[str, Any]:
    refuse_unknown(own_query(request), (*ASKED, "limit"))
    project = project_of(request)
    asked = Filters.read(state, channel, rule, customer, text, day, zone_here(request).name)
    found = messages.messages(project, asked, read_number("limit", limit or "50", 1, 1000))
    switch = switch_of(project)
    return {
        "messages": [one.to_dict() for one in found],
        "counts": messages.counts(project, asked),
        "sending": {"on": switch.on, "by": switch.by, "at": moment(switch.at).isoformat() if switch.at else None},
        "paused": {
            name: {"reason": p.reason, "until": moment(p.until).isoformat()} for name, p in pauses(project).items()
        },
    }
