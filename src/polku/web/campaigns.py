"""/campaigns: one-off campaigns, whom each reaches, trying and launching it, how it goes, who answers; as data too."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query
from fastapi import Path as PathParameter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from polku.campaigns import invitations, launching, patterns
from polku.campaigns.definition import compiled, rule_id, version_of
from polku.campaigns.reach import Reach, reach
from polku.campaigns.standing import OUTCOME_WORDS, Standing, standing, standings
from polku.campaigns.trying import send_to, show
from polku.content.preview import customer_meant
from polku.errors import CampaignError, ContentError, MapError, PolkuError, UsageError
from polku.guidance.in_words import condition_text, step_texts
from polku.guidance.messages import STATE_WORDS
from polku.guidance.proof import messages_of
from polku.guidance.switch import switch_of
from polku.journey.campaigns import EVERYONE
from polku.journey.document import Document
from polku.journey.model import segment_title
from polku.language import N_, Reader
from polku.measures.csvtext import lines
from polku.measures.result import to_dict
from polku.record.clock import moment, now
from polku.record.naming import names_of
from polku.web.csvfile import download
from polku.web.guard import actor_of, form_of, may, needs, note
from polku.web.guidance import contests_of, kept_of, mark_of_record, proof_of_rule
from polku.web.live import project_of
from polku.web.notfound import NotFoundError
from polku.web.options import read_number, refuse_unknown
from polku.web.pages import Visit, own_query
from polku.web.policy import FRAMING, LETTER
from polku.web.reading import href
from polku.web.saving import may_edit
from polku.web.signin import drawn

if TYPE_CHECKING:
    from polku.guidance.rules import Rule
    from polku.record.project import Project

router = APIRouter(include_in_schema=False)
api = APIRouter(tags=["guidance"])

#: Customers that a page looks at one by one; more are estimated.
SAMPLE = 4_000
#: Those of whom a message could be filled in as an example.
TRIED = 5
CampaignId = Annotated[str, PathParameter(description=N_("the name of a campaign of the map"))]
Everybody = Annotated[str | None, Query(description=N_("yes: look at everybody, not at a sample"))]
Given = Annotated[str, Query(description=N_("any id of the customer"))]
ROOM = "/campaigns"


def standing_of(project: Project, id: str) -> Standing:
    """The campaign of the address. Raises NotFoundError."""
    try:
        return standing(project, id)
    except UsageError as error:
        raise NotFoundError(error.message, **error.facts) from error


def reach_of(request: Request, id: str, most: int | None = SAMPLE) -> Reach:
    """Whom a campaign would reach, kept until the record or the map changes."""
    project = project_of(request)
    key = ("reach", id, most, mark_of_record(project))
    found: Reach = kept_of(request).of(key, lambda: reach(project, id, most=most))
    return found


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """A campaign in the list."""

    standing: Standing
    sent: int
    waiting: int


@router.get("/campaigns")
@needs("see")
def campaigns_page(request: Request) -> Response:
    return campaigns_drawn(request)


def campaigns_drawn(request: Request, status: int = 200, message: str | None = None) -> Response:
    visit, project = Visit.of(request), project_of(request)
    told = []
    for one in standings(project):
        states = messages_of(project, rule_id(one.id)).states
        told.append(Line(one, states.get("sent", 0), states.get("waiting", 0) + states.get("sending", 0)))
    return drawn(
        request, "campaigns.html", status, room=ROOM, campaigns=told, words=launching.STATE_WORDS, moment=moment,
        patterns=[patterns.pattern(name) for name in patterns.names()], switch=switch_of(project), message=message,
        may_edit=may_edit(request, visit.answers), whom=lambda one, r: whom(project, one, r),
    )  # fmt: skip


def whom(project: Project, one: Standing, reader: Reader) -> str:
    """Who gets it, in words."""
    segments = project.journey().segments
    return reader(" or ").join(
        reader("everybody") if name == EVERYONE
        else reader.said(segment_title(name, segments[name])) if name in segments else name
        for name in one.campaign.to
    )  # fmt: skip


@router.post("/campaigns/add-pattern")
@needs("edit")
async def add_pattern(request: Request) -> Response:
    return await run_in_threadpool(added, request, await form_of(request))


def added(request: Request, sent: dict[str, str]) -> Response:
    visit, project = Visit.of(request), project_of(request)
    try:
        if not may_edit(request, visit.answers):
            raise UsageError(N_("The map is not edited from here; the setting is server.edits."))
        made = patterns.add(project, sent.get("name", ""), visit.language, *actor_of(request))
    except (UsageError, MapError) as fault:
        return campaigns_drawn(request, 400, fault.text(visit.language))
    return RedirectResponse(f"/campaigns/{made.id}", 303)


# -- one campaign -----------------------------------------------------------------------------------------------------


@router.get("/campaigns/{id}")
@needs("see")
def campaign_page(request: Request, id: str) -> Response:
    return campaign_drawn(request, id)


def campaign_drawn(request: Request, id: str, status: int = 200, message: str | None = None) -> Response:
    """One campaign: what it says, whom it reaches, the letter for a customer, launching it; then how it goes."""
    visit, project = Visit.of(request), project_of(request)
    query = own_query(request) if status == 200 else {}
    refuse_unknown(query, ("customer", "variant", "tested"))
    one = standing_of(project, id)
    reader, journey = visit.reader, visit.journey
    rule = compiled(id, one.campaign, journey)
    found = reach_of(request, id) if one.launch is None else None
    problems = launching.problems(project, id, one.campaign, now()) if one.launch is None else []
    examples = found.examples if found is not None else ()
    names = names_of(project, set(examples), project.subject())
    customer = query.get("customer", "").strip() or (names[examples[0]] if examples else "")
    shown, fault = _shown(project, id, customer, query.get("variant"), visit.language)
    proof, missing = proof_of_rule(request, rule) if one.launch is not None else (None, None)
    invites = one.campaign.invitation is not None
    answers = invitations.answers(project, id) if invites else []
    response = drawn(
        request, "campaign.html", status, room=ROOM, one=one, rule=rule, reach=found, problems=problems,
        failing=_failing(project, id, examples[:TRIED]) if found is not None else [], names=names,
        people={**names, **names_of(project, {a.customer for a in answers}, project.subject())},
        shown=shown, fault=fault, customer=customer, variants=[name for name, _ in _send(rule).variants],
        contests=contests_of(request, rule) if one.launch is not None else (),
        seen=version_of(one.campaign), words=launching.STATE_WORDS, outcome_words=OUTCOME_WORDS,
        only_if=condition_text(rule.only_if, reader, journey), steps=step_texts(rule, reader, journey),
        whom=whom(project, one, reader), proof=proof, missing=missing.text(visit.language) if missing else None,
        messages=messages_of(project, rule.id), message_words=STATE_WORDS, switch=switch_of(project), moment=moment,
        may_edit=may(request, "edit"), message=message, href=href, line=_line(project, id), tested=query.get("tested"),
        places=invitations.places(project, id) if invites else None, answers=answers, guests=_guests(one),
        told=invitations.told(project, id, one.campaign, visit.language) if invites else None,
        answer_words=invitations.ANSWER_WORDS, queued=invitations.QUEUED,
    )  # fmt: skip
    response.headers["Content-Security-Policy"] = FRAMING
    return response


def _send(rule: Rule) -> Any:
    from polku.campaigns.deciding import send_of

    return send_of(rule)


def _guests(one: Standing) -> int:
    return one.campaign.invitation.guests if one.campaign.invitation is not None else 0


def _shown(project: Project, id: str, customer: str, variant: str | None, language: str) -> tuple[Any, str | None]:
    """The message for a customer, or why it cannot be shown."""
    if not customer:
        return None, None
    try:
        return show(project, id, customer_meant(project, customer), variant or None), None
    except PolkuError as error:
        return None, error.text(language)


def _failing(project: Project, id: str, customers: tuple[int, ...]) -> list[tuple[int, str]]:
    """Of some customers those for whom the message cannot be filled in."""
    found = []
    for customer in customers:
        try:
            show(project, id, customer)
        except ContentError as error:
            found.append((customer, error.text(project.language)))
        except CampaignError:
            return []  # there is no such channel: told among the problems
    return found


def _line(project: Project, id: str) -> int | None:
    """Where the map says it; None where it does no more."""
    if id not in project.journey().campaigns:
        return None
    return Document(project.map_file.read_bytes()).place(("campaigns", id)).line


@router.get("/campaigns/{id}/letter")
@needs("see")
def letter_frame(request: Request, id: str) -> Response:
    """The letter by itself, for a frame of its own: without scripts, forms and this site's styles."""
    query, project = own_query(request), project_of(request)
    refuse_unknown(query, ("customer", "variant"))
    made = show(project, id, customer_meant(project, query.get("customer", "")), query.get("variant") or None)
    headers = {"Content-Security-Policy": LETTER, "X-Frame-Options": "SAMEORIGIN", "Cache-Control": "no-store"}
    return HTMLResponse(made.html, headers=headers)


@router.post("/campaigns/{id}")
@needs("edit")
async def act(request: Request, id: str) -> Response:
    return await run_in_threadpool(acted, request, id, await form_of(request))


def acted(request: Request, id: str, sent: dict[str, str]) -> Response:
    """Launch, pause, resume or stop it, try it out, note an answer."""
    visit, project = Visit.of(request), project_of(request)
    standing_of(project, id)
    by, address = actor_of(request)
    more: dict[str, str] = {}
    try:
        match sent.get("do", ""):
            case "launch":
                if sent.get("sure") != "yes":
                    raise UsageError(N_("Tick that it may go to everybody it reaches, and launch it once more."))
                launching.launch(project, id, by, address, version=sent.get("version") or None)
            case "pause":
                launching.pause(project, id, by, address)
            case "resume":
                launching.resume(project, id, by, address)
            case "stop":
                launching.stop(project, id, by, address)
            case "test":
                send_to(project, id, sent.get("to", ""), sent.get("customer", ""), by, address,
                        sent.get("variant") or None)  # fmt: skip
                more = {"tested": sent.get("to", ""), "customer": sent.get("customer", "")}
            case "answer":
                key = customer_meant(project, sent.get("customer", "").strip())
                guests = read_number("guests", sent.get("guests") or "0", 0, 20)
                said = sent.get("answer", "")
                invitations.give(project, id, key, said, guests=guests, note=sent.get("note", ""), by=by or "-")
            case _:
                raise UsageError(N_("The form does not say what to do."))
    except (UsageError, CampaignError, ContentError) as error:
        return campaign_drawn(request, id, 400, error.text(visit.language))
    return RedirectResponse(href(f"/campaigns/{id}", **more), 303)


@router.get("/campaigns/{id}/answers.csv")
@needs("edit")
def answers_csv(request: Request, id: str) -> Response:
    """The list of guests with their addresses; who took it stands in the audit log."""
    project = project_of(request)
    standing_of(project, id)
    rows = invitations.rows(project, id)
    note(request, "data.exported", f"campaign:{id}", {"rows": len(rows)})
    heads = ("customer", "name", "email", "answer", "guests", "place", "note", "answered_at", "by")
    return download(lines([heads, *([row[name] for name in heads] for row in rows)]), f"answers-{id}")


# -- the same as data -------------------------------------------------------------------------------------------------


@api.get("/api/campaigns", description=N_("The campaigns: state, time, what became of those on each list."))
@needs("see")
def campaigns_data(request: Request) -> dict[str, Any]:
    project = project_of(request)
    told = []
    for one in standings(project):
        told.append(one.to_dict() | {"messages": dict(messages_of(project, rule_id(one.id)).states)})
    return {"campaigns": told}


@api.get("/api/campaigns/{id}", description=N_("One campaign: state, time, what became of those on its list."))
@needs("see")
def campaign_data(request: Request, id: CampaignId) -> dict[str, Any]:
    project = project_of(request)
    one = standing_of(project, id)
    return one.to_dict() | {"messages": dict(messages_of(project, rule_id(id)).states)}


@api.get("/api/campaigns/{id}/reach", description=N_("Whom a campaign would reach now, and why not the others."))
@needs("see")
def reach_data(request: Request, id: CampaignId, everybody: Everybody = None) -> dict[str, Any]:
    refuse_unknown(own_query(request), ("everybody",))
    standing_of(project_of(request), id)
    return reach_of(request, id, None if everybody == "yes" else SAMPLE).to_dict()


@api.get("/api/campaigns/{id}/proof", description=N_("Whether a campaign helped: treated against held out, euros."))
@needs("see")
def proof_data(request: Request, id: CampaignId) -> Any:
    project = project_of(request)
    one = standing_of(project, id)
    made, missing = proof_of_rule(request, compiled(id, one.campaign, project.journey()))
    if missing is not None:
        raise missing
    return to_dict(made)


@api.get("/api/campaigns/{id}/answers", description=N_("Answers to a campaign's invitation, and the places left."))
@needs("see")
def answers_data(request: Request, id: CampaignId) -> dict[str, Any]:
    project = project_of(request)
    standing_of(project, id)
    places = invitations.places(project, id)
    told = dataclasses.asdict(places) | {"free": places.free, "silent": places.silent}
    hidden = () if may(request, "tell") else ("email",)  # addresses are for editors, and keys that read and write
    rows = [{name: value for name, value in row.items() if name not in hidden} for row in invitations.rows(project, id)]
    return {"places": told, "answers": rows}


@api.get("/api/campaigns/{id}/why", description=N_("Why a customer did, or did not, get a campaign's message."))
@needs("see")
def why_data(request: Request, id: CampaignId, customer: Given) -> Any:
    from polku.guidance.why import why

    project = project_of(request)
    refuse_unknown(own_query(request), ("customer",))
    one = standing_of(project, id)
    found = to_dict(why(project, customer_meant(project, customer), compiled(id, one.campaign, project.journey())))
    return found
