"""/experiments: everything that is being compared: hold-outs and variants of all rules, with how each stands."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from polku.campaigns.definition import compiled
from polku.campaigns.launching import launches
from polku.errors import MapError, UsageError
from polku.guidance.contests import Contest
from polku.guidance.proof import Proof, messages_of
from polku.guidance.rules import Rule, compile_rules
from polku.guidance.turning import STATES, adopt
from polku.language import N_
from polku.web.guard import actor_of, form_of, needs
from polku.web.guidance import (
    changes_since,
    contests_of,
    fresh,
    may_change,
    proof_of_rule,
    rule_drawn,
    rule_named,
)
from polku.web.live import project_of
from polku.web.options import known, read_number, refuse_unknown
from polku.web.pages import Visit, answer, frame_of, own_query
from polku.web.reading import href, render
from polku.web.saving import mark_of, may_edit

router = APIRouter(include_in_schema=False)

#: What of the list is shown.
SHOWN: Mapping[str, str] = {"running": N_("Running"), "ended": N_("Not running"), "all": N_("All")}


@dataclasses.dataclass(frozen=True, slots=True)
class Experiment:
    """A rule or a campaign that compares: treated with held out, or variants of a message. ``page``: its own."""

    rule: Rule
    page: str
    running: bool
    runs: int
    proof: Proof | None
    contests: tuple[Contest, ...]


@router.get("/experiments")
@needs("see")
def experiments_page(request: Request) -> Response:
    visit = Visit.of(request)
    query = own_query(request)
    refuse_unknown(query, ("show",))
    shown = known("view", query.get("show", "running"), SHOWN)
    rules = [(rule, f"/guidance/{rule.id}", rule.state == "on") for rule in compile_rules(visit.journey, STATES)]
    rules += [
        (compiled(id, launch.campaign, visit.journey), f"/campaigns/{id}", launch.finished_at is None)
        for id, launch in launches(project_of(request)).items()
    ]
    found = [
        experiment_of(request, rule, page, running)
        for rule, page, running in rules
        if shown == "all" or running == (shown == "running")
    ]
    body = render(
        "experiments.html", visit.reader, found=[e for e in found if e.rule.holdout or e.contests], shown=shown,
        choices=SHOWN, may_edit=may_edit(request, visit.answers), href=href,
        mark=request.app.state.seen.note(project_of(request).map_file),
        **frame_of(request, visit.reader, "/experiments", "", visit.zone),
    )  # fmt: skip
    return fresh(answer(request, body, language=visit.language))


def experiment_of(request: Request, rule: Rule, page: str, running: bool) -> Experiment:
    """How a rule's comparisons stand; its proof where anybody has come into it."""
    runs = sum(messages_of(project_of(request), rule.id).runs.values())
    proof = proof_of_rule(request, rule)[0] if runs and rule.holdout else None
    return Experiment(rule, page, running, runs, proof, contests_of(request, rule))


@router.post("/guidance/{id}/adopt")
@needs("edit")
async def adopt_sent(request: Request, id: str) -> Response:
    return await run_in_threadpool(adopted, request, id, await form_of(request))


def adopted(request: Request, id: str, sent: dict[str, str]) -> Response:
    """Everybody gets one of the variants from now on: journey.yaml names it alone, unless it is another file by now."""
    visit, project = Visit.of(request), project_of(request)
    rule_named(request, visit, id)
    try:
        may_change(request, visit)
        content = project.map_file.read_bytes()
        if mark_of(content) != sent.get("mark"):
            return rule_drawn(request, id, 409, visit.reader(CHANGED_MAP), changes_since(request, sent.get("mark", "")))
        step = read_number("step", sent.get("step", ""), 0, 10_000)
        turned = adopt(project, id, sent.get("variant", ""), actor_of(request)[0], step=step, content=content)
    except (UsageError, MapError) as fault:
        return rule_drawn(request, id, 400, fault.text(visit.language))
    return RedirectResponse(href(f"/guidance/{id}", saved=turned.line), 303)


CHANGED_MAP = N_("journey.yaml has changed since you opened the page. Look at it, then do it once more.")
